/* What people are to be told, kept in the store by the transaction that made it so, until it was sent.
 *
 * One message a channel, person and request: it waits, is taken under a lease, is sent, and is changed when the request
 * does (a chat's message is replaced, a mail gets a follow-up in its thread). Channels without persons (webhook, teams, command)
 * get one message an event. A message is sent at least once, always with the same id; whoever reports a result under a
 * lease that another has taken since is not heard. */
#ifndef CORE_OUTBOX_H
#define CORE_OUTBOX_H

#include "core/page.h"
#include "core/request.h"

enum phi_message_status {
    PHI_MESSAGE_WAITING = 1, /* to be sent, or being sent */
    PHI_MESSAGE_SENT,        /* its request is still pending: it may change */
    PHI_MESSAGE_DEAD,        /* given up; people may send it again */
    PHI_MESSAGE_HELD         /* comes with the next digest */
};

struct phi_message { /* one to send, taken */
    struct phi_view id;       /* stable: the same for every try */
    int64_t lease, content;   /* to be named in the report */
    struct phi_view channel, kind, settings;
    struct phi_view what;     /* request.created, request.approved, … (docs/notify.md); digest, test, answer */
    struct phi_view person, name, address; /* "": for the channel's own readers */
    struct phi_view ref;      /* the channel's name of what was sent before, "" nothing */
    struct phi_view note;     /* of an answer: what to say; of a callback: the task, a blank, its status */
    struct phi_view state;    /* of a callback: what its caller wants back, "" nothing */
    int64_t tries, created_ms;
    const struct phi_request *request; /* as this person sees it; NULL: none */
    const struct phi_request *digest;  /* the requests of a digest */
    size_t n_digest;
    int64_t n_more; /* further ones that the digest does not name */
};

/* How many more messages of this channel may be taken now. */
struct phi_outbox_room {
    void *self;
    size_t (*room)(void *self, struct phi_view channel);
};

/* Takes what is due, for PHI_OUTBOX_LEASE_MS. *ret_next_ms: when to ask again at the latest; -1: there is no channel. For phid itself. */
enum phi_rc phi_outbox_take(struct phi_core *c, struct phi_arena *a, const struct phi_outbox_room *room,
                            struct phi_message **ret, size_t *ret_n, int64_t *ret_next_ms, struct phi_err *err);

enum phi_sent_how {
    PHI_SENT_OK = 1,
    PHI_SENT_LATER, /* may work later: tried again, later and later, then dead */
    PHI_SENT_NEVER, /* will not work: dead at once */
    PHI_SENT_GONE   /* the channel said that it is gone (410): switched off */
};
struct phi_sent {
    struct phi_view id;
    int64_t lease, content;
    enum phi_sent_how how;
    struct phi_view ref;   /* OK: the channel's name of it, "" none */
    struct phi_view error; /* else: why, for people, without secrets */
    int64_t after_ms;      /* LATER: not before so long, 0: as phi likes */
};
/* PHI_ECONFLICT (message.lease): another has taken it since; PHI_ENOTFOUND: it is no longer wanted. */
enum phi_rc phi_outbox_report(struct phi_core *c, struct phi_arena *a, const struct phi_sent *s, struct phi_err *err);

struct phi_letter { /* a message as people see it */
    struct phi_view id, channel, kind, what, request, code, name, error;
    enum phi_message_status status;
    int64_t tries, created_ms, due_ms; /* due_ms: until it is tried again */
};
/* Admins see all, persons what is for them. Newest first. */
enum phi_rc phi_outbox_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, enum phi_message_status status,
                            struct phi_page *page, struct phi_letter **ret, size_t *ret_n, struct phi_err *err);
/* Sends a dead letter again, or what waits at once. Admins, and whom it is for. */
enum phi_rc phi_outbox_resend(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view id,
                              struct phi_err *err);
/* A message that says that the channel works: to the admin who asks, or to the channel's readers. */
enum phi_rc phi_outbox_test(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view channel,
                            struct phi_err *err);
/* Says something to one person by a chat: why what they pressed there did not count. For checked callbacks. */
enum phi_rc phi_outbox_answer(struct phi_core *c, struct phi_arena *a, struct phi_view channel, struct phi_view person,
                              struct phi_view note, struct phi_err *err);

#endif
