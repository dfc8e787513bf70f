/* The life of a session after sign-in, as a table: which event may lead where, and what is done.
 * Pure. A pair that the table lacks ends the session (ACT_KILL), so what nobody thought of is safe. */
#ifndef GATEWAY_STEP_H
#define GATEWAY_STEP_H

#include <stdint.h>

enum gw_state {
    GW_DEAD,   /* nothing happens any more */
    GW_IDLE,   /* waits for whole messages up to Sync, Flush or a Query */
    GW_PARSE,  /* waits for the parser or the catalogue */
    GW_JUDGE,  /* deciding by what the gateway knows */
    GW_ASK,    /* waits for phid's answer */
    GW_HELD,   /* waits for people */
    GW_PROBE,  /* shows that the target is alive */
    GW_CLAIM,  /* waits for the claim */
    GW_RELAY,  /* forwarded, its answer streams */
    GW_COPY,   /* the same, the client sends data */
    GW_REFUSE, /* the refusal was given to the target, its answer streams */
    GW_OWN,    /* a query of the gateway's own runs */
    GW_CUT,    /* the right is over: making sure that the target's work is gone */
    GW_NSTATE
};

enum gw_event {
    EV_UNIT,      /* a unit of messages is whole */
    EV_PARSED,    /* all its texts are understood (or known not to be) */
    EV_ALLOW,     /* policy allows it as it is */
    EV_NEEDS,     /* phid must be asked */
    EV_DENY,      /* no: policy, phid, a person, a broken rule */
    EV_GRANTED,   /* a grant fits */
    EV_PENDING,   /* people are asked */
    EV_AGAIN,     /* ask phid again: it was away, or another waiter took the use */
    EV_TIMEOUT,   /* the hold is over */
    EV_ALIVE,     /* the target answered the probe */
    EV_CLAIMED,   /* one use is ours */
    EV_UNREACHED, /* phid did not answer the claim */
    EV_FLUSHED,   /* what was forwarded ended with Flush: no ReadyForQuery will come for it */
    EV_READY,     /* ReadyForQuery for what was forwarded */
    EV_COPY_IN,   /* the target asks for data */
    EV_OWN,       /* a query of our own is due */
    EV_CANCEL,    /* the client asked to cancel */
    EV_GONE,      /* the client left */
    EV_END,       /* a right that runs here ended */
    EV_LOST,      /* the target's connection ended */
    EV_CUT_DONE,  /* the target's work is gone */
    GW_NEVENT
};

enum gw_act {
    ACT_KILL, /* unlisted: end both connections, cut the work */
    ACT_NONE,
    ACT_PARSE,
    ACT_JUDGE,
    ACT_FORWARD,
    ACT_ASK,
    ACT_HOLD,
    ACT_PROBE,
    ACT_CLAIM,
    ACT_REFUSE,
    ACT_LEAVE,        /* tell phid that nobody waits any more, then refuse */
    ACT_REVOKE_CLAIM, /* give the claim under way back, then refuse */
    ACT_NOTE_CANCEL,  /* remember it; the next step refuses */
    ACT_CANCEL,       /* pass the cancel on to the target */
    ACT_NEXT,         /* look for the next unit */
    ACT_OWN,          /* send the query of our own */
    ACT_CUT,
    ACT_CLOSE,
    GW_NACT
};

struct gw_step {
    uint8_t next, act;
};
struct gw_step gw_step(enum gw_state s, enum gw_event e);

const char *gw_state_name(enum gw_state s);
const char *gw_event_name(enum gw_event e);

#endif
