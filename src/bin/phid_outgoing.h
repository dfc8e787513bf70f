/* What leaves phid by the outbox: its sender, over the process that reaches out and the one that runs commands. */
#ifndef BIN_PHID_OUTGOING_H
#define BIN_PHID_OUTGOING_H

#include "api/notify.h"
#include "guard/notifier.h"

struct phid_outgoing {
    struct guard_notifier *commands; /* NULL: none is configured */
    struct api_notify *notify;
    struct phi_notifier notifier; /* core's: wakes the sender, then goes on to `inner` */
    const struct phi_notifier *inner;
};

/* phid.yaml's "commands": {NAME: [PROGRAM, ARGUMENT…]}. */
enum phi_rc phid_commands_read(struct phi_arena *a, const struct phi_json *v, struct guard_notifier_conf *ret, struct phi_err *err);
/* Forks: before any thread, and before phid has opened anything. As `uid` where phid starts as root. */
enum phi_rc phid_outgoing_spawn(const struct guard_notifier_conf *conf, uid_t uid, struct phid_outgoing *ret, struct phi_err *err);
/* What core tells goes through `o->notifier`, which passes it on to `inner`. */
void phid_outgoing_hear(struct phid_outgoing *o, const struct phi_notifier *inner);
/* Once the engine is open, and before it runs. `secrets`: folder, "" none. */
enum phi_rc phid_outgoing_start(struct phid_outgoing *o, struct net_loop *loop, struct api_engine *engine, struct net_fetch fetch,
                                const char *origin, const char *secrets, struct phi_err *err);
/* Nothing more is taken; `done` once what is on its way has arrived, or after some seconds. */
void phid_outgoing_drain(struct phid_outgoing *o, net_fn done, void *ctx);
/* Nothing more is taken. */
void phid_outgoing_stop(struct phid_outgoing *o);
/* Once the engine and the process that reaches out are closed; the loop turns once more. */
void phid_outgoing_close(struct phid_outgoing *o);

#endif
