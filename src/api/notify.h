/* Sends what the outbox holds: takes it under a lease on the core thread, hands it to the process that reaches out (or
 * to the one that runs commands), and reports what became of it. Lives on the loop's thread. */
#ifndef API_NOTIFY_H
#define API_NOTIFY_H

#include "api/engine.h"
#include "api/notice.h"

/* Runs a configured command with `input` on its standard input. `done` once, on the loop: why NULL: it ended with 0. */
typedef void (*api_command_done)(const char *why, void *ctx);
struct api_commands {
    void *self;
    enum phi_rc (*run)(void *self, const char *name, struct phi_view input, api_command_done done, void *ctx, struct phi_err *err);
};

struct api_notify_opts {
    struct net_loop *loop;
    struct api_engine *engine;
    struct net_fetch fetch;       /* send NULL: nothing leaves by HTTP or mail */
    struct api_commands commands; /* run NULL: no command is configured */
    const char *secrets;          /* folder of secret files, "" none */
    const char *origin;
};

struct api_notify;
enum phi_rc api_notify_open(const struct api_notify_opts *o, struct api_notify **ret, struct phi_err *err);
/* Something may have come into the outbox; from any thread. `channels`: or a channel may have been set, which counts even where
 * there was none. */
void api_notify_wake(struct api_notify *n, bool channels);
/* Takes nothing more, and calls `done` once what is on its way has arrived and that is recorded, or after some seconds. */
void api_notify_drain(struct api_notify *n, net_fn done, void *ctx);
/* Takes nothing more. What is on its way goes on; another phid, or the next start, sends it again under the same id if its
 * fate is not recorded. */
void api_notify_stop(struct api_notify *n);
/* After the engine and the processes that send were closed: nothing calls back any more. The loop turns once more to free it. */
void api_notify_close(struct api_notify *n);

#endif
