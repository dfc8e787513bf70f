/* The simulator's network between gateways and phid: what either says may come late, in another order, twice or never. The gateway is a
 * model of src/gateway and src/client: it goes by its own steady clock, counts what it was told from when it asked, asks for a claim
 * again under the same key, and forwards nothing of a claim whose grant it has seen end, or whose answer found it without a lease. */
#include "seen.h"

#include <string.h>

static void post(struct sim *s, const struct net_msg *m)
{
    if (s->net.n < NET_MSGS)
        s->net.m[s->net.n++] = *m;
}

static struct net_msg to_phid(const struct sim *s, enum net_kind kind, int gw)
{
    return (struct net_msg){ .kind = kind, .gw = gw, .use = -1, .sent_tt = s->tt };
}

static bool leased(const struct sim *s, int gw)
{
    return s->tt < s->net.lease_tt[gw];
}

/* What became of a claim is said once, and said again until phid has it. */
static void say_outcome(struct sim *s, int use, enum phi_outcome o)
{
    struct net_msg m = to_phid(s, NET_OUTCOME, s->net.u[use].gw);
    s->net.u[use].state = USE_OVER;
    s->net.u[use].said = o;
    m.use = use;
    post(s, &m);
}

/* Nobody waits for it any more, or it was refused: said until phid has it. */
static void leave(struct sim *s, int use)
{
    struct net_msg m = to_phid(s, NET_WITHDRAW, s->net.u[use].gw);
    s->net.u[use].state = USE_LEFT;
    m.use = use;
    post(s, &m);
}

/* The gateway hears that this grant has ended (-1: it may act under none any more): what runs is cut, what was asked for comes too late. */
static void stop_uses(struct sim *s, int gw, int grant)
{
    for (size_t i = 0; i < s->net.n_u; i++) {
        struct net_use *u = &s->net.u[i];
        if (u->gw != gw || (grant >= 0 && u->grant != grant))
            continue;
        if (u->state == USE_ASKED)
            u->state = USE_VOID;
        else if (u->state == USE_RUNS)
            say_outcome(s, (int)i, PHI_OUTCOME_FAILED);
    }
}

static void wait_on(struct sim *s, int use);

void net_deaf(struct sim *s, int gw)
{
    stop_uses(s, gw, -1);
}

void net_time(struct sim *s)
{
    for (int gw = 1; gw <= 2; gw++)
        if (!leased(s, gw))
            stop_uses(s, gw, -1);
    for (size_t i = 0; i < s->net.n_u; i++) { /* and a session is cut at its grant's end */
        struct net_use *u = &s->net.u[i];
        if (u->state == USE_RUNS && s->tt >= u->ends_tt)
            say_outcome(s, (int)i, PHI_OUTCOME_FAILED);
        if (u->state == USE_WAITS && s->n_g && strcmp(s->g[s->n_g - 1].request, u->request) == 0 && sim_pick(s, 2))
            wait_on(s, (int)i); /* the event comes soon, most often */
    }
}

void net_complete(struct sim *s, int grant)
{
    s->g[grant].gone = true;
    for (size_t i = 0; i < s->net.n_u; i++)
        if (s->net.u[i].grant == grant && s->net.u[i].state == USE_RUNS)
            wrong(s, "a revocation was complete, and gateway %d still worked under it", s->net.u[i].gw);
}

/* ---- the gateway sends */

static void ask_claim(struct sim *s, int use)
{
    struct net_msg m = to_phid(s, NET_CLAIM, s->net.u[use].gw);
    m.use = use;
    post(s, &m);
}

static void new_use(struct sim *s, int gw)
{
    if (s->n_g == 0 || s->net.n_u == NET_USES || !leased(s, gw))
        return;
    int use = (int)s->net.n_u++, grant = (int)(sim_pick(s, 2) ? s->n_g - 1 : sim_pick(s, s->n_g));
    s->net.u[use] = (struct net_use){ .gw = gw, .grant = grant, .who = s->g[grant].who };
    ask_claim(s, use);
}

static void ask_await(struct sim *s, int use)
{
    struct net_msg m = to_phid(s, NET_AWAIT, s->net.u[use].gw);
    m.use = use;
    if (s->net.u[use].node == s->k.core) /* one is filed with one phid only */
        post(s, &m);
}

static void at_await(struct sim *s, const struct net_msg *m);

void net_waits(struct sim *s, int gw, enum kit_who who, const char *session, const char *action, const struct phi_request *r)
{
    if (s->net.n_u == NET_USES || !leased(s, gw) || sim_pick(s, 3) == 0)
        return;
    int use = (int)s->net.n_u++;
    struct net_use *u = &s->net.u[use];
    *u = (struct net_use){ .gw = gw, .grant = NET_UNSEEN, .who = who, .state = USE_WAITS, .session = session, .action = action, .node = s->k.core };
    sim_text(u->request, sizeof u->request, r->id);
    sim_text(u->act, sizeof u->act, r->act);
    ask_await(s, use);
    if (sim_pick(s, 2)) /* most often it is there long before anybody votes */
        at_await(s, &(struct net_msg){ .use = use });
}

/* It hears of the approval and claims under the same key, goes on waiting, or the client leaves. */
static void wait_on(struct sim *s, int use)
{
    struct net_use *u = &s->net.u[use];
    for (size_t i = 0; i < s->n_g && u->grant == NET_UNSEEN; i++)
        if (strcmp(s->g[i].request, u->request) == 0)
            u->grant = (int)i;
    if (sim_pick(s, 4) == 0) {
        leave(s, use);
    } else if (u->grant == NET_UNSEEN) {
        ask_await(s, use);
    } else {
        u->state = USE_ASKED;
        ask_claim(s, use);
    }
}

static void go_on(struct sim *s, int use)
{
    struct net_use *u = &s->net.u[use];
    struct net_msg m;
    switch (u->state) {
    case USE_WAITS:
        wait_on(s, use);
        break;
    case USE_LEFT:
        leave(s, use);
        break;
    case USE_ASKED:
    case USE_VOID: /* until the key is answered, to give back what it may have taken */
        ask_claim(s, use);
        break;
    case USE_RUNS:
        say_outcome(s, use, sim_pick(s, 4) ? PHI_OUTCOME_DONE : PHI_OUTCOME_FAILED);
        break;
    case USE_OVER:
        m = to_phid(s, NET_OUTCOME, u->gw);
        m.use = use;
        if (u->said)
            post(s, &m);
        break;
    }
}

void step_send(struct sim *s)
{
    int gw = 1 + (int)sim_pick(s, 2);
    struct net_msg m = to_phid(s, sim_pick(s, 2) || !leased(s, gw) ? NET_LEASE : NET_ENDS, gw);
    if (!leased(s, gw) || sim_pick(s, 4) == 0)
        post(s, &m);
    else if (s->net.n_u && sim_pick(s, 3) == 0)
        go_on(s, (int)sim_pick(s, s->net.n_u));
    else
        new_use(s, gw);
}

/* ---- at phid */

static const char *key_of(int use, char to[16])
{
    snprintf(to, 16, "net%d", use);
    return to;
}

/* What is filed with one phid is withdrawn there; one that was started anew has forgotten it. */
static bool go_there(struct sim *s, int use)
{
    bool other = s->k.other && s->net.u[use].node == s->k.other;
    if (other)
        kit_turn(&s->k);
    return other;
}

static void at_await(struct sim *s, const struct net_msg *m)
{
    struct net_use *u = &s->net.u[m->use];
    char key[16];
    bool kept, turned = go_there(s, m->use);
    s->k.session = u->session;
    kit_await(&s->k, u->gw, u->who, phi_view_of(u->request), phi_view_of(u->act), u->action, key_of(m->use, key), &kept);
    s->k.session = NULL;
    if (turned)
        kit_turn(&s->k);
}

static void at_withdraw(struct sim *s, const struct net_msg *m)
{
    struct net_use *u = &s->net.u[m->use];
    char key[16];
    bool open = false, turned = go_there(s, m->use);
    kit_claim_open(&s->k, phi_view_of(u->request), key_of(m->use, key), &open);
    enum phi_rc rc = kit_withdraw(&s->k, u->gw, phi_view_of(u->request), key);
    if (turned)
        kit_turn(&s->k);
    if (rc != PHI_OK)
        return;
    u->settled = true;
    s->net.n_back += open;
    if (u->counted)
        s->g[u->grant].effects--; /* it was answered, and no byte was sent */
    u->counted = false;
}

void net_check(struct sim *s)
{
    char key[16];
    bool open;
    for (size_t i = 0; i < s->net.n_u; i++)
        if (s->net.u[i].state == USE_LEFT && s->net.u[i].settled &&
            kit_claim_open(&s->k, phi_view_of(s->net.u[i].request), key_of((int)i, key), &open) == PHI_OK && open)
            wrong(s, "a claim that was withdrawn is open");
}

void net_restarted(struct sim *s)
{
    for (size_t i = 0; i < s->net.n;)
        if (s->net.m[i].kind == NET_AWAIT && s->net.u[s->net.m[i].use].node == s->k.core)
            s->net.m[i] = s->net.m[--s->net.n];
        else
            i++;
    for (size_t i = 0; i < s->net.n_u; i++)
        if (s->net.u[i].node == s->k.core)
            s->net.u[i].node = NULL;
}

static void at_claim(struct sim *s, struct net_msg *m)
{
    struct net_use *u = &s->net.u[m->use];
    struct seen_grant *g = &s->g[u->grant];
    struct phi_claim claim;
    char key[16];
    const char *action = memcmp(g->act, "", 1) == 0 || u->grant % 4 ? "pg:delete" : "pg:update";
    s->k.session = u->session;
    enum phi_rc rc = kit_claim(&s->k, u->gw, u->who, phi_view_of(g->id), phi_view_of(g->exact ? g->act : ""), u->request[0] ? u->action : action,
                               key_of(m->use, key), &claim);
    s->k.session = NULL;
    if (rc != PHI_OK && s->crashing)
        return; /* no answer */
    m->kind = NET_CLAIMED;
    m->ok = rc == PHI_OK;
    m->ms = rc == PHI_OK ? claim.remaining_ms : 0;
    post(s, m);
    if (rc != PHI_OK)
        return;
    if (u->claim[0] ? !claim.again || !phi_view_is(claim.id, u->claim) : claim.again && !u->request[0])
        wrong(s, "one key claimed twice");
    s->net.n_ahead += claim.again && !u->claim[0];
    if (!u->counted)
        sim_effect(s, g, u->who);
    u->counted = true;
    sim_text(u->claim, sizeof u->claim, claim.id);
}

static void at_outcome(struct sim *s, const struct net_msg *m)
{
    struct net_use *u = &s->net.u[m->use];
    if (u->claim[0] == 0 || kit_outcome(&s->k, u->gw, phi_view_of(u->claim), u->said) != PHI_OK || u->settled)
        return;
    u->settled = true;
    if (u->said == PHI_OUTCOME_UNSENT)
        s->g[u->grant].effects--; /* no byte was sent */
}

static int grant_of(const struct sim *s, struct phi_view id)
{
    for (size_t i = 0; i < s->n_g; i++)
        if (phi_view_is(id, s->g[i].id))
            return (int)i;
    return NET_UNSEEN;
}

static void at_ends(struct sim *s, struct net_msg *m)
{
    struct phi_end *ends;
    size_t n;
    if (kit_ends(&s->k, m->gw, &ends, &n) != PHI_OK)
        return;
    m->kind = NET_ENDED;
    for (size_t i = 0; i < n; i++) {
        m->seq = ends[i].seq;
        m->grant = grant_of(s, ends[i].grant);
        post(s, m);
    }
}

/* ---- at the gateway */

static void at_claimed(struct sim *s, const struct net_msg *m)
{
    struct net_use *u = &s->net.u[m->use];
    const struct seen_grant *g = &s->g[u->grant];
    bool too_late = u->state != USE_ASKED || s->tt >= m->sent_tt + m->ms || !leased(s, u->gw);
    if (u->state == USE_RUNS || u->said)
        return;
    if (!m->ok || too_late) {
        u->state = USE_OVER;
        if (m->ok)
            say_outcome(s, m->use, PHI_OUTCOME_UNSENT);
        else if (u->request[0])
            leave(s, m->use);
        s->net.n_late += m->ok;
        return;
    }
    u->state = USE_RUNS;
    u->ends_tt = m->sent_tt + m->ms;
    s->net.n_ran++;
    if (g->gone)
        wrong(s, "bytes went on after the revocation was complete");
    if (s->tt - g->made_tt >= g->bound_ms || u->ends_tt - g->made_tt > g->bound_ms)
        wrong(s, "bytes went on after the right's true end, or may");
}

static void arrive(struct sim *s, struct net_msg *m)
{
    struct net_msg back;
    switch (m->kind) {
    case NET_CLAIM:
        return at_claim(s, m);
    case NET_AWAIT:
        return at_await(s, m);
    case NET_WITHDRAW:
        return at_withdraw(s, m);
    case NET_OUTCOME:
        return at_outcome(s, m);
    case NET_ENDS:
        return at_ends(s, m);
    case NET_ACK:
        kit_ack(&s->k, m->gw, m->seq);
        return;
    case NET_LEASE:
        m->kind = NET_LEASED;
        if (kit_lease_for(&s->k, m->gw, &m->ms) == PHI_OK)
            post(s, m);
        return;
    case NET_LEASED:
        if (m->sent_tt + m->ms > s->net.lease_tt[m->gw])
            s->net.lease_tt[m->gw] = m->sent_tt + m->ms;
        return;
    case NET_ENDED:
        if (m->grant != NET_UNSEEN)
            stop_uses(s, m->gw, m->grant);
        back = to_phid(s, NET_ACK, m->gw);
        back.seq = m->seq;
        post(s, &back);
        return;
    case NET_CLAIMED:
        return at_claimed(s, m);
    }
}

/* Any of what is on its way: it is lost, comes, or comes and comes again. */
void step_deliver(struct sim *s)
{
    for (uint64_t n = 1 + sim_pick(s, 5); n > 0 && s->net.n > 0; n--) {
        size_t i = sim_pick(s, s->net.n);
        struct net_msg m = s->net.m[i];
        uint64_t luck = sim_pick(s, 16);
        if (luck != 0)
            s->net.m[i] = s->net.m[--s->net.n];
        if (luck != 1)
            arrive(s, &m);
    }
}
