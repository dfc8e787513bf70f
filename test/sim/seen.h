/* What the simulator's observer knows: the true time, who is who, what people really approved. Each grant and each effect is held
 * against it. */
#ifndef TEST_SIM_SEEN_H
#define TEST_SIM_SEEN_H

#include <stdio.h>

#include "kit.h"

#define MAX_SEEN 24
#define MAX_SIGNED 64
#define SIM_KEYS 2 /* passkeys of one person */

/* Who may stand behind something: kit's people, the service ci, and the rule that votes. */
enum { SEEN_AUTO = KIT_CI + 1, SEEN_WHO };

struct seen_request { /* as some screen shows it; may be out of date */
    char id[40], digest[72], act[72];
    int64_t version;
    bool exact;
};
struct seen_grant {
    char id[40], request[40], act[72];
    enum kit_who who, voter[SEEN_WHO], behalf[SEEN_WHO]; /* accounts */
    int key[SEEN_WHO]; /* which of sim.signed_by each vote is; -1: none */
    size_t n_voters, n_behalf;
    int64_t made_tt, bound_ms, uses, effects, statements, window_min; /* window_min: after midnight, an hour long; -1 none */
    bool exact, revoked, glass, reviewed, two, fresh; /* fresh: made by this step */
    bool gone; /* phid has said that its revocation is complete */
};
struct seen_signed { /* a vote that a passkey signed */
    char id[40];
    int64_t version;
    enum kit_who who;
    int key;
};
struct seen_claim {
    char id[40], key[16];
    int grant, gw;
};

/* ---- the network: sim_net.c */
#define NET_MSGS 64
#define NET_USES 40
#define NET_UNSEEN (-2)
enum net_kind { NET_CLAIM, NET_OUTCOME, NET_ENDS, NET_ACK, NET_LEASE, NET_LEASED, NET_ENDED, NET_CLAIMED, NET_AWAIT, NET_WITHDRAW };
struct net_msg {
    enum net_kind kind;
    int gw, use, grant; /* of sim.net.u; of sim.g, or NET_UNSEEN */
    int64_t sent_tt, ms, seq; /* sent_tt: of the question, kept in the answer */
    bool ok;
};
struct net_use { /* as its gateway has it; `claim` and `settled` are phid's */
    int gw, grant;
    enum kit_who who;
    /* VOID: asked for, and not to be used any more; WAITS: filed before the approval; LEFT: withdrawn */
    enum { USE_ASKED, USE_VOID, USE_RUNS, USE_OVER, USE_WAITS, USE_LEFT } state;
    char request[40], act[72]; /* of one that was filed beforehand; "" for others */
    const char *session, *action;
    const struct phi_core *node; /* the phid that it is filed with */
    bool counted; /* as an effect */
    enum phi_outcome said; /* 0: nothing yet */
    int64_t ends_tt;
    char claim[40];
    bool settled;
};
struct sim_net {
    struct net_msg m[NET_MSGS]; /* on their way, in no order */
    struct net_use u[NET_USES];
    size_t n_ahead, n_back; /* of n_ran: claims made with their grant; withdrawn when they were made already */
    size_t n, n_u, n_ran, n_late; /* late: claims that were answered, and given back */
    int64_t lease_tt[3]; /* by gateway: what it believes */
};

struct sim {
    struct kit k;
    struct sim_net net;
    int64_t tt; /* true time: goes on whatever the clocks say */
    struct seen_request r[MAX_SEEN];
    struct seen_grant g[MAX_SEEN];
    struct seen_claim c[MAX_SEEN];
    size_t n_r, n_g, n_c, n_by_key, n_own_key;
    struct seen_signed signed_by[MAX_SIGNED];
    size_t n_signed;
    enum kit_who is[SEEN_WHO]; /* who this account truly is, after links */
    bool tell, crashing, let_in; /* let_in: mallory was a DBA for a while, or voted for one */
    bool dba[SEEN_WHO], deputy[SEEN_WHO]; /* is one now; somebody delegated to them once */
    bool guests; /* a live policy let guests vote once */
    bool frozen; /* the live policy forbids writes */
    int dbas;    /* how many it wants for them */
    bool wants_keys, wants_own; /* and votes that passkeys signed; and the requester's own passkey */
    bool gone[KIT_PEOPLE][SIM_KEYS]; /* passkeys that were taken away */
    struct core_held held; /* the log up to the last look */
    char wrong[300];
};

#define wrong(s, ...) snprintf((s)->wrong, sizeof (s)->wrong, __VA_ARGS__)

uint64_t sim_pick(struct sim *s, uint64_t below);
void sim_text(char *to, size_t max, struct phi_view v);
void sim_saw(struct sim *s, const struct phi_request *r);
enum kit_who sim_whose(const struct sim *s, struct phi_view person);
/* A grant came to be: were there enough persons, and was none of them the requester? */
void sim_granted(struct sim *s, const struct phi_request *r);
void sim_answered(struct sim *s, const struct phi_request_answer *ans);
void sim_effect(struct sim *s, struct seen_grant *g, enum kit_who who); /* one is about to happen in the target */

/* ---- sim_more.c: steps of services and of passkeys */
#define SIM_SERVICE "@id(\"svc\") permit (principal in Group::\"dev\", action == phi::Action::\"requester\", resource);\n"
enum phi_rc sim_more_set_up(struct kit *k);
void step_service(struct sim *s);
void step_service_works(struct sim *s);
void step_sign(struct sim *s);
void step_key(struct sim *s);

/* ---- sim_net.c */
void step_send(struct sim *s);
void step_deliver(struct sim *s);
/* A session of this gateway waits on the request, and files its claim. */
void net_waits(struct sim *s, int gw, enum kit_who who, const char *session, const char *action, const struct phi_request *r);
void net_restarted(struct sim *s); /* this phid's connections are gone, and what was on its way to be filed there */
void net_check(struct sim *s);     /* what was withdrawn is not open */
void net_time(struct sim *s); /* after any step: true time may have gone on */
void net_deaf(struct sim *s, int gw); /* the gateway stops all that it does */
void net_complete(struct sim *s, int grant); /* phid says that nobody works under it any more */

#endif
