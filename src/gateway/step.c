#include "gateway/step.h"

/* Rows that every living state shares. While the target works (or may have an open transaction) a
 * client that leaves means cutting: closing a socket stops nothing in PostgreSQL. */
#define ALWAYS(s)                                                                                  \
    [s][EV_END] = { GW_CUT, ACT_CUT }, [s][EV_GONE] = { GW_CUT, ACT_CUT },                             \
    [s][EV_LOST] = { GW_CUT, ACT_CUT }

static const struct gw_step table[GW_NSTATE][GW_NEVENT] = {
    ALWAYS(GW_IDLE),
    [GW_IDLE][EV_UNIT] = { GW_PARSE,  ACT_PARSE },
    [GW_IDLE][EV_OWN] = { GW_OWN,    ACT_OWN },
    [GW_IDLE][EV_CANCEL] = { GW_IDLE,   ACT_NONE }, /* too late, as PostgreSQL does */

    ALWAYS(GW_PARSE),
    [GW_PARSE][EV_PARSED] = { GW_JUDGE,  ACT_JUDGE },
    [GW_PARSE][EV_CANCEL] = { GW_PARSE,  ACT_NOTE_CANCEL },
    [GW_PARSE][EV_DENY] = { GW_REFUSE, ACT_REFUSE },

    ALWAYS(GW_JUDGE),
    [GW_JUDGE][EV_ALLOW] = { GW_RELAY,  ACT_FORWARD },
    [GW_JUDGE][EV_NEEDS] = { GW_ASK,    ACT_ASK },
    [GW_JUDGE][EV_DENY] = { GW_REFUSE, ACT_REFUSE },

    ALWAYS(GW_ASK),
    [GW_ASK][EV_ALLOW] = { GW_RELAY,  ACT_FORWARD },
    [GW_ASK][EV_DENY] = { GW_REFUSE, ACT_REFUSE },
    [GW_ASK][EV_GRANTED] = { GW_PROBE,  ACT_PROBE },
    [GW_ASK][EV_PENDING] = { GW_HELD,   ACT_HOLD },
    [GW_ASK][EV_UNREACHED] = { GW_HELD,   ACT_NONE }, /* only what was held before */
    [GW_ASK][EV_CANCEL] = { GW_REFUSE, ACT_LEAVE },

    ALWAYS(GW_HELD),
    [GW_HELD][EV_GRANTED] = { GW_PROBE,  ACT_PROBE },
    [GW_HELD][EV_DENY] = { GW_REFUSE, ACT_REFUSE },
    [GW_HELD][EV_TIMEOUT] = { GW_REFUSE, ACT_REFUSE },
    [GW_HELD][EV_AGAIN] = { GW_ASK,    ACT_ASK },
    [GW_HELD][EV_CANCEL] = { GW_REFUSE, ACT_LEAVE },

    ALWAYS(GW_PROBE),
    [GW_PROBE][EV_ALIVE] = { GW_CLAIM,  ACT_CLAIM },
    [GW_PROBE][EV_DENY] = { GW_REFUSE, ACT_REFUSE },
    [GW_PROBE][EV_CANCEL] = { GW_PROBE,  ACT_NOTE_CANCEL },

    ALWAYS(GW_CLAIM),
    [GW_CLAIM][EV_CLAIMED] = { GW_RELAY,  ACT_FORWARD },
    [GW_CLAIM][EV_DENY] = { GW_REFUSE, ACT_REFUSE },
    [GW_CLAIM][EV_AGAIN] = { GW_ASK,    ACT_ASK },
    [GW_CLAIM][EV_UNREACHED] = { GW_HELD,   ACT_NONE },
    [GW_CLAIM][EV_CANCEL] = { GW_REFUSE, ACT_REVOKE_CLAIM },

    ALWAYS(GW_RELAY),
    [GW_RELAY][EV_READY] = { GW_IDLE,   ACT_NEXT },
    [GW_RELAY][EV_FLUSHED] = { GW_IDLE,   ACT_NEXT },
    [GW_RELAY][EV_COPY_IN] = { GW_COPY,   ACT_NONE },
    [GW_RELAY][EV_CANCEL] = { GW_RELAY,  ACT_CANCEL },

    ALWAYS(GW_COPY),
    [GW_COPY][EV_READY] = { GW_IDLE,   ACT_NEXT },
    [GW_COPY][EV_COPY_IN] = { GW_COPY,   ACT_NONE },
    [GW_COPY][EV_CANCEL] = { GW_COPY,   ACT_CANCEL },

    ALWAYS(GW_REFUSE),
    [GW_REFUSE][EV_READY] = { GW_IDLE,   ACT_NEXT },
    [GW_REFUSE][EV_FLUSHED] = { GW_IDLE,   ACT_NEXT },
    [GW_REFUSE][EV_CANCEL] = { GW_REFUSE, ACT_NONE },

    ALWAYS(GW_OWN),
    [GW_OWN][EV_READY] = { GW_IDLE,   ACT_NEXT },
    [GW_OWN][EV_CANCEL] = { GW_OWN,    ACT_NONE },

    [GW_CUT][EV_CUT_DONE] = { GW_DEAD,   ACT_CLOSE },
    [GW_CUT][EV_END] = { GW_CUT,    ACT_NONE },
    [GW_CUT][EV_GONE] = { GW_CUT,    ACT_NONE },
    [GW_CUT][EV_LOST] = { GW_CUT,    ACT_NONE },
    [GW_CUT][EV_CANCEL] = { GW_CUT,    ACT_NONE },
    [GW_CUT][EV_READY] = { GW_CUT,    ACT_NONE },
};

struct gw_step gw_step(enum gw_state s, enum gw_event e)
{
    if ((unsigned)s >= GW_NSTATE || (unsigned)e >= GW_NEVENT)
        return (struct gw_step){ GW_DEAD, ACT_KILL };
    return table[s][e];
}

const char *gw_state_name(enum gw_state s)
{
    static const char *const names[GW_NSTATE] = { "dead",   "idle",  "parse", "judge", "ask",
                                                  "held",   "probe", "claim", "relay", "copy",
                                                  "refuse", "own",   "cut" };
    return (unsigned)s < GW_NSTATE ? names[s] : "?";
}

const char *gw_event_name(enum gw_event e)
{
    static const char *const names[GW_NEVENT] = {
        "unit",    "parsed",  "allow",  "needs",   "deny",      "granted", "pending",
        "again",   "timeout", "alive",  "claimed", "unreached", "flushed", "ready",
        "copy-in", "own",     "cancel", "gone",    "end",       "lost",    "cut-done"};
    return (unsigned)e < GW_NEVENT ? names[e] : "?";
}
