#include "core/await.h"

#include <stdlib.h>

#include "core/request_in.h"

struct await {
    struct await *next;
    struct phi_arena mem; /* all its texts */
    struct phi_view request, gateway;
    struct phi_claim_ask ask;
    int64_t lapses; /* by the steady clock */
    bool withdrawn; /* only the key is left: a filing that comes later is not kept */
};

/* ---- the list: oldest first, and short */

static void await_free(struct phi_core *c, struct await *w)
{
    c->awaits.n--;
    c->awaits.bytes -= w->mem.used;
    phi_arena_done(&w->mem);
    free(w);
}

static void unlink_at(struct phi_core *c, struct await **at)
{
    struct await *w = *at;
    *at = w->next;
    if (!*at)
        c->awaits.last = at;
    await_free(c, w);
}

static struct await *await_new(struct phi_core *c)
{
    struct await *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    phi_arena_init(&w->mem, PHI_MAX_AWAIT_BODY);
    if (!c->awaits.first)
        c->awaits.last = &c->awaits.first;
    *c->awaits.last = w;
    c->awaits.last = &w->next;
    c->awaits.n++;
    return w;
}

/* Drops what has lapsed on its way. */
static struct await *find(struct phi_core *c, struct phi_view gateway, struct phi_view request, struct phi_view key, size_t *ret_of_gateway)
{
    struct await *found = NULL;
    int64_t now = c->clock->boot_ms(c->clock->self);
    *ret_of_gateway = 0;
    for (struct await **at = &c->awaits.first; *at;) {
        struct await *w = *at;
        if (w->lapses <= now) {
            unlink_at(c, at);
            continue;
        }
        at = &w->next;
        if (!phi_view_eq(w->gateway, gateway))
            continue;
        ++*ret_of_gateway;
        if (phi_view_eq(w->ask.key, key) && phi_view_eq(w->request, request))
            found = w;
    }
    return found;
}

/* Copies are made before what was there goes: a filing again that does not fit leaves nothing. */
static bool fill(struct phi_core *c, struct await *w, const struct phi_actor *gateway, struct phi_view request, const struct phi_claim_ask *q)
{
    struct phi_arena mem, was = w->mem;
    phi_arena_init(&mem, PHI_MAX_AWAIT_BODY);
    struct phi_pair *pairs = phi_arena_array(&mem, q->n_actions + 1, sizeof *pairs);
    w->request = phi_arena_copy(&mem, request);
    w->gateway = phi_arena_copy(&mem, gateway->id);
    w->ask = *q;
    struct phi_view *v[] = { &w->ask.key, &w->ask.principal, &w->ask.credential, &w->ask.session, &w->ask.target,
                             &w->ask.digest, &w->ask.act, &w->ask.entities, &w->ask.context };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        *v[i] = phi_arena_copy(&mem, *v[i]);
    for (size_t i = 0; pairs && i < q->n_actions; i++)
        pairs[i] = (struct phi_pair){ phi_arena_copy(&mem, q->actions[i].action),
                                      { phi_arena_copy(&mem, q->actions[i].resource.type), phi_arena_copy(&mem, q->actions[i].resource.id) } };
    w->ask.actions = pairs;
    w->lapses = c->clock->boot_ms(c->clock->self) + PHI_AWAIT_MS;
    c->awaits.bytes = c->awaits.bytes - was.used + mem.used;
    w->mem = mem;
    phi_arena_done(&was);
    return phi_arena_ok(&mem) && c->awaits.bytes <= PHI_MAX_AWAIT_BYTES;
}

static void drop(struct phi_core *c, const struct await *w)
{
    for (struct await **at = &c->awaits.first; *at; at = &(*at)->next)
        if (*at == w) {
            unlink_at(c, at);
            return;
        }
}

/* NULL: there is no room for one more. */
static struct await *place(struct phi_core *c, struct await *there, size_t of_gateway)
{
    if (there)
        return there;
    return c->awaits.n < PHI_MAX_AWAIT && of_gateway < PHI_MAX_AWAIT_OF_GATEWAY ? await_new(c) : NULL;
}

static void drop_request(struct phi_core *c, struct phi_view request)
{
    for (struct await **at = &c->awaits.first; *at;)
        if (phi_view_eq((*at)->request, request))
            unlink_at(c, at);
        else
            at = &(*at)->next;
}

void core_await_close(struct phi_core *c)
{
    while (c->awaits.first)
        unlink_at(c, &c->awaits.first);
}

/* ---- filing */

static bool waits(struct phi_core *c, struct phi_arena *a, const struct phi_actor *gateway, struct phi_view request, struct phi_view session)
{
    struct core_waiter_row row, key = { .request = request, .session = session };
    return core_get(c, CORE_WAITER, CORE_BY_KEY, &key, a, &row, NULL) == PHI_OK && phi_view_eq(row.gateway, gateway->id);
}

enum phi_rc phi_claim_await(struct phi_core *c, const struct phi_actor *gateway, struct phi_view request, const struct phi_claim_ask *ask,
                            bool *ret_kept, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_request_row row;
    size_t of_gateway;
    *ret_kept = false;
    PHI_TRY(core_request_seen(c, &a, gateway, request, &row, err));
    PHI_TRY(core_claim_shape(c, gateway, ask, err));
    if (!core_gateway_serves(c, gateway->id, row.target) || !phi_view_eq(ask->target, row.target) || !phi_view_eq(ask->principal, row.requester))
        return core_no(c, "grant.mismatch", err, PHI_EDENIED, "the request is for another target, or somebody else's");
    struct await *w = find(c, gateway->id, row.id, ask->key, &of_gateway);
    if (row.status != PHI_REQUEST_PENDING || !waits(c, &a, gateway, row.id, ask->session) || (w && w->withdrawn))
        return PHI_OK;
    w = place(c, w, of_gateway);
    *ret_kept = w && fill(c, w, gateway, row.id, ask);
    if (w && !*ret_kept)
        drop(c, w);
    return PHI_OK;
}

/* ---- withdrawing */

static void withdrawn(struct phi_core *c, const struct phi_actor *gateway, struct phi_view request, struct phi_view key)
{
    size_t of_gateway;
    struct await *there = find(c, gateway->id, request, key, &of_gateway), *w = place(c, there, of_gateway);
    struct phi_claim_ask nothing = { .key = key };
    if (w && !w->withdrawn && !fill(c, w, gateway, request, &nothing))
        drop(c, w);
    else if (w)
        w->withdrawn = true;
}

enum phi_rc phi_claim_withdraw(struct phi_core *c, const struct phi_actor *gateway, struct phi_view request, struct phi_view key,
                               struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_request_row row;
    struct core_grant_row *g, of = { 0 };
    struct core_claim_row claim;
    size_t n;
    PHI_TRY(core_request_seen(c, &a, gateway, request, &row, err));
    if (gateway->kind != PHI_ACTOR_GATEWAY)
        return core_no(c, "right.missing", err, PHI_EDENIED, "only gateways claim");
    if (row.status == PHI_REQUEST_PENDING)
        withdrawn(c, gateway, row.id, key);
    of.request = row.id;
    PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_REQUEST, &of, (struct core_span){ .prefix = 1 }, &a, &g, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_claim_row made = { .grant = g[i].id, .ckey = key };
        if (core_get(c, CORE_CLAIM, CORE_CLAIM_BY_CKEY, &made, &a, &claim, NULL) == PHI_OK && claim.outcome == 0)
            PHI_TRY(phi_claim_outcome(c, gateway, claim.id, PHI_OUTCOME_UNSENT, (struct phi_view){ 0 }, -1, 0, err));
    }
    return PHI_OK;
}

void phi_claims_forget(struct phi_core *c, const struct phi_actor *gateway)
{
    for (struct await **at = &c->awaits.first; *at;)
        if (!(*at)->withdrawn && phi_view_eq((*at)->gateway, gateway->id))
            unlink_at(c, at);
        else
            at = &(*at)->next;
}

/* ---- when a grant comes to be */

struct making {
    const struct await *w;
    struct phi_view grant;
};

static enum phi_rc claim_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    const struct making *m = arg;
    struct phi_actor gateway = { .kind = PHI_ACTOR_GATEWAY, .id = m->w->gateway };
    struct phi_claim_ask ask = m->w->ask;
    struct phi_claim claim;
    PHI_ARENA(a, (size_t)64 << 20);
    ask.grant = m->grant;
    if (!waits(c, &a, &gateway, m->w->request, ask.session)) /* it left at another phid */
        return core_no(c, "grant.mismatch", err, PHI_EDENIED, "this session waits no more");
    return phi_grant_claim(c, &a, &gateway, &ask, &claim, err);
}

/* Each in its own savepoint. Where every use is spent the others need not be asked. */
static enum phi_rc claims_of(struct phi_core *c, struct phi_view request, struct phi_view grant, struct phi_err *err)
{
    int64_t now = c->clock->boot_ms(c->clock->self);
    int tried = 0;
    for (const struct await *w = c->awaits.first; w && tried < PHI_MAX_AWAIT_TRIES; w = w->next) {
        struct making m = { w, grant };
        struct phi_core_cmd cmd = { .run = claim_run, .arg = &m };
        if (w->withdrawn || w->lapses <= now || !phi_view_eq(w->request, request))
            continue;
        tried++;
        PHI_TRY(core_run_one(c, &cmd, err));
        if (cmd.rc != PHI_OK && phi_view_is(PHI_LIT("grant.used"), cmd.why))
            break;
    }
    return PHI_OK;
}

enum phi_rc core_await_run(struct phi_core *c, struct phi_err *err)
{
    static const char ready[] = "ready", pending[] = "pending";
    size_t n = c->awaits.first ? c->n_said : 0;
    for (size_t i = 0; i < n; i++) {
        struct phi_event e = c->said[i]; /* the list grows meanwhile */
        if (e.kind == PHI_EVENT_GRANT && phi_view_is(e.status, ready))
            PHI_TRY(claims_of(c, e.request, e.grant, err));
        else if (e.kind == PHI_EVENT_REQUEST && !phi_view_is(e.status, pending))
            drop_request(c, e.request);
    }
    return PHI_OK;
}
