/* Inside src/api's event streams only: what events.c (streams, on the loop) and events_tell.c (what each may know, on the core
 * thread) share. */
#ifndef API_EVENTS_IN_H
#define API_EVENTS_IN_H

#include <stdatomic.h>

#include "api/call.h"
#include "api/engine.h"
#include "api/events.h"

#define SUBS_MAX   16384
#define EVENTS_MAX 1024 /* of one batch; more closes the streams */
#define KEPT_MAX   2048 /* newest events, for streams that come back */
#define MISSED_MAX 512  /* that one of them is told; who missed more reads everything anew */
#define MISSED_MS  5000 /* told once more: of several phids, one hears what another did a little later than what it did itself */

struct api_text { /* the bytes of one batch's events, for all streams that are told the same */
    _Atomic size_t refs; /* the loop sends the first ones while the core thread is at the last ones */
    struct phi_buf all;
};

struct api_note { /* what one stream is told of one batch: one write */
    struct api_sub *sub;
    struct api_text *text;
    struct api_note *next;
};

struct api_notes {
    struct api_note *first, *last;
    struct phi_buf one; /* the event that is being made: its data */
    int64_t seq;
    const char *event;
};

struct api_sub {
    struct api_hub *hub;
    struct phi_actor actor; /* points into name */
    char *name, *token;
    struct phi_digest key;
    int64_t ends_at; /* boot clock; 0: does not end */
    struct api_notes missed;
    struct api_sub *next; /* hub->subs */
    /* core thread */
    int64_t last_end;
    _Atomic bool
        over; /* its right to listen has ended: set on the core thread, heeded on the loop */
    /* loop */
    struct net_sse *sse;
    bool leaving, gone; /* gone: nothing will be told to it any more, but `waiting` is still on its way */
    size_t waiting;     /* its notes in hub->sending */
    unsigned beat;      /* which of the timer's turns is its */
    struct api_sub *next_open; /* hub->open */
    struct api_job leave;
};

struct api_said { /* an event of core, copied */
    enum phi_event_kind kind;
    int64_t seq;
    char request[PHI_ID_LEN + 1], grant[PHI_ID_LEN + 1], gateway[129], what[32];
};

struct api_kept {
    struct api_said said;
    int64_t at_ms; /* boot clock */
};

struct api_round { /* the events of one batch, worked out */
    struct api_job job;
    struct api_hub *hub;
    size_t n;
    bool lost;
    struct api_notes notes;
    struct api_said said[];
};

struct api_hub {
    struct net_loop *loop;
    struct api_engine *engine;
    struct phi_notifier notifier;
    struct api_sub *subs; /* core thread */
    struct api_kept *kept; /* core thread: a ring of KEPT_MAX */
    uint64_t n_kept;       /* ever */
    struct api_sub *open; /* loop */
    struct api_notes sending; /* loop: a turn each, so that those who ask are served between */
    struct net_later soon;
    unsigned turn, beats;
    struct net_timer *timer;
    _Atomic size_t count;
    bool draining;
};

void api_notes_init(struct api_notes *l);
void api_notes_free(struct api_notes *l);
void api_note_free(struct api_note *n);
/* Core thread: hands over what is in l, which is empty afterwards; for want of memory it stays, for the end of the round. */
void api_hub_pass(struct api_hub *h, struct api_notes *l);

/* Core thread: what a person's stream missed since the event `last`, into s->missed; or "reset", where that is not known any
 * more: it must read everything anew. */
enum phi_rc api_tell_missed(struct phi_core *c, const struct api_hub *h, struct api_sub *s, struct phi_view last, struct phi_err *err);
/* A job of the core thread: what each stream is told of a batch; its argument is the round. */
enum phi_rc api_round_run(struct phi_core *c, void *arg, struct phi_err *err);
/* Every end that this gateway has not acknowledged and this stream has not said. */
enum phi_rc api_tell_ends(struct phi_core *c, struct phi_arena *a, struct api_notes *out, struct api_sub *s, struct phi_err *err);

#endif
