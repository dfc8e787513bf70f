/* What the simulator's observer knows: the true time, who is who, what people really approved. Each grant and each effect is held
 * against it. */
#ifndef TEST_SIM_SEEN_H
#define TEST_SIM_SEEN_H

#include <stdio.h>

#include "kit.h"

#define MAX_SEEN 24

struct seen_request { /* as some screen shows it; may be out of date */
    char id[40], digest[72], act[72];
    int64_t version;
    bool exact;
};
struct seen_grant {
    char id[40], act[72];
    enum kit_who who, voter[KIT_PEOPLE], behalf[KIT_PEOPLE]; /* accounts */
    size_t n_voters, n_behalf;
    int64_t made_tt, bound_ms, uses, effects, statements, window_min; /* window_min: after midnight, an hour long; -1 none */
    bool exact, revoked, glass, reviewed, two;
};
struct seen_claim {
    char id[40], key[16];
    int grant, gw;
};

struct sim {
    struct kit k;
    int64_t tt; /* true time: goes on whatever the clocks say */
    struct seen_request r[MAX_SEEN];
    struct seen_grant g[MAX_SEEN];
    struct seen_claim c[MAX_SEEN];
    size_t n_r, n_g, n_c;
    enum kit_who is[KIT_PEOPLE]; /* who this account truly is, after links */
    bool tell, crashing, let_in; /* let_in: mallory was a DBA for a while, or voted for one */
    bool frozen; /* the live policy forbids writes */
    int dbas;    /* how many it wants for them */
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

#endif
