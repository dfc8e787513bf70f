/* From an ask to a body: what a request will be. */
#include <string.h>

#include "core/context.h"
#include "core/request_in.h"
#include "core/risk.h"
#include "core/ticket.h"

#define DEFAULT_FOR_MS (15LL * 60 * 1000)

/* ---- who asks */

static enum phi_rc by_person(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct core_draft *d, struct phi_err *err)
{
    struct core_person_row row;
    PHI_TRY(core_person_find(c, a, by->id, &row, err));
    d->requester = row.id;
    d->of.device = by->device;
    return PHI_OK;
}

static enum phi_rc by_gateway(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              const struct phi_request_ask *ask, struct core_draft *d, struct phi_err *err)
{
    struct core_person_row row;
    if (!core_gateway_serves(c, by->id, ask->target))
        return core_no(c, "right.missing", err, PHI_EDENIED, "this target is not one of the gateway's");
    if (ask->credential.n == 0)
        return phi_fail(err, PHI_EINPUT, "a request names the credential of its session");
    PHI_TRY(core_credential_live(c, ask->credential, ask->principal, ask->target, err));
    PHI_TRY(core_person_find(c, a, ask->principal, &row, err));
    if (ask->session.n == 0 || ask->session.n > PHI_MAX_NAME)
        return phi_fail(err, PHI_EINPUT, "session must be 1 to %d bytes", PHI_MAX_NAME);
    d->requester = row.id;
    d->gateway = by->id;
    d->of.device = core_credential_device(c, a, ask->credential);
    d->credential = ask->credential;
    d->session = ask->session;
    d->addr = phi_view_upto(ask->from_addr, PHI_MAX_NAME);
    d->application = phi_view_upto(ask->from_application, PHI_MAX_NAME);
    d->of.entities = ask->entities;
    d->of.context = ask->context;
    return PHI_OK;
}

/* ---- what is asked */

static enum phi_rc payload_in(struct phi_arena *a, const struct phi_request_ask *ask, struct core_draft *d,
                              struct phi_err *err)
{
    const struct phi_json *payload, *settings = NULL;
    struct phi_pair *pairs = phi_arena_array(a, ask->n_actions + 1, sizeof *pairs);
    if (ask->n_actions == 0 || ask->n_actions > PHI_MAX_ACTIONS || !pairs)
        return phi_fail(err, PHI_EINPUT, "an attempt has 1 to %d actions", PHI_MAX_ACTIONS);
    memcpy(pairs, ask->actions, ask->n_actions * sizeof *pairs);
    d->body.n_actions = phi_pairs_sort(pairs, ask->n_actions);
    d->body.actions = pairs;
    for (size_t i = 0; i < d->body.n_actions; i++)
        if (!core_ref_of_target(pairs[i].resource, d->target) || phi_view_starts(pairs[i].action, PHI_LIT(CORE_OWN_ACTION)))
            return phi_fail(err, PHI_EINPUT, "an action is phi's own, or its resource is not part of the target");
    PHI_TRY(phi_json_read(a, ask->payload, PHI_JSON_STRICT, "payload", &payload, err));
    PHI_TRY(phi_payload_read(a, payload, &d->body.payload, err));
    if (ask->settings.n == 0)
        return PHI_OK;
    PHI_TRY(phi_json_read(a, ask->settings, PHI_JSON_STRICT, "settings", &settings, err));
    return phi_settings_read(a, settings, &d->body.settings, &d->body.n_settings, err);
}

static enum phi_rc scope_in(struct phi_arena *a, const struct phi_request_ask *ask, struct core_draft *d,
                            struct phi_err *err)
{
    if (ask->extends.n && ask->n_scope_actions == 0)
        return PHI_OK;
    size_t n = ask->n_scope_actions, m = ask->n_scope_resources;
    struct phi_view *actions = phi_arena_array(a, n + 1, sizeof *actions);
    struct phi_ref *resources = phi_arena_array(a, m + 1, sizeof *resources);
    if (n == 0 || m == 0 || n > PHI_MAX_ACTIONS || m > PHI_MAX_ACTIONS || !actions || !resources)
        return phi_fail(err, PHI_EINPUT, "a scope has 1 to %d actions and resources", PHI_MAX_ACTIONS);
    memcpy(actions, ask->scope_actions, n * sizeof *actions);
    memcpy(resources, ask->scope_resources, m * sizeof *resources);
    for (size_t i = 0; i < m; i++)
        if (!core_ref_of_target(resources[i], d->target))
            return phi_fail(err, PHI_EINPUT, "a resource is not part of the target");
    for (size_t i = 0; i < n; i++)
        if (phi_view_starts(actions[i], PHI_LIT(CORE_OWN_ACTION)))
            return phi_fail(err, PHI_EINPUT, "phi's own actions are not asked for; make the change, and it waits for its approval");
    d->body.has_scope = true;
    d->body.scope = (struct phi_scope){ actions, phi_names_sort(actions, n), resources, phi_refs_sort(resources, m) };
    return PHI_OK;
}

/* The persons for whom the requester acts: others, each once. */
static enum phi_rc behalf_in(struct phi_core *c, struct phi_arena *a, const struct phi_request_ask *ask,
                             struct core_draft *d, struct phi_err *err)
{
    struct phi_ref *refs = phi_arena_array(a, ask->n_on_behalf + 1, sizeof *refs);
    if (!refs || ask->n_on_behalf > PHI_MAX_ON_BEHALF)
        return phi_fail(err, PHI_EINPUT, "a request acts for at most %d others", PHI_MAX_ON_BEHALF);
    if (ask->n_on_behalf && ask->break_glass)
        return phi_fail(err, PHI_EINPUT, "nobody breaks the glass on behalf of others");
    if (ask->break_glass && (ask->from_ms || ask->n_windows || ask->extends.n))
        return phi_fail(err, PHI_EINPUT, "the glass is broken for now: from_ms, windows and extends do not go with it");
    for (size_t i = 0; i < ask->n_on_behalf; i++) {
        struct core_person_row row;
        PHI_TRY(core_person_find(c, a, ask->on_behalf[i], &row, err));
        if (core_same_person(c, row.id, d->requester))
            return phi_fail(err, PHI_EINPUT, "on_behalf names others, not the requester");
        refs[i] = phi_ref_of_who(row.id);
    }
    d->body.on_behalf = refs;
    d->body.n_on_behalf = phi_refs_sort(refs, ask->n_on_behalf);
    return PHI_OK;
}

/* "Until" alone: as long as it takes from the start. */
static enum phi_rc until_check(struct phi_core *c, struct phi_body *b, const struct phi_request_ask *ask,
                               struct phi_err *err)
{
    int64_t now = core_wall(c), start = ask->from_ms > now ? ask->from_ms : now;
    if (ask->from_ms && ask->from_ms - now > PHI_MAX_GRANT_MS)
        return phi_fail(err, PHI_EINPUT, "from_ms is more than %lld ms away", (long long)PHI_MAX_GRANT_MS);
    if (ask->until_ms && ask->until_ms <= start)
        return phi_fail(err, PHI_EINPUT, "until_ms has passed, or is before from_ms");
    if (ask->until_ms && ask->for_ms == 0)
        b->bounds.for_ms = ask->until_ms - start;
    return PHI_OK;
}

static enum phi_rc body_frame(struct phi_core *c, struct phi_arena *a, const struct phi_request_ask *ask,
                              struct core_draft *d, struct phi_err *err)
{
    struct phi_body *b = &d->body;
    struct phi_view id = core_new_id(c, a);
    if (!phi_id_read(id, &b->id))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    c->rng->fill(c->rng->self, b->salt, sizeof b->salt);
    b->requester = phi_ref_of_who(d->requester);
    b->target = phi_ref_make_parts(a, "Target", &d->target, 1);
    b->why = ask->why;
    b->ticket = ask->ticket;
    b->version = 1;
    b->bounds.for_ms = ask->for_ms ? ask->for_ms : DEFAULT_FOR_MS;
    b->bounds.uses = ask->uses || b->has_scope ? ask->uses : 1;
    b->bounds.from_ms = ask->from_ms;
    b->bounds.until_ms = ask->until_ms;
    b->bounds.budget = ask->budget;
    b->bounds.windows = ask->windows;
    b->bounds.n_windows = ask->n_windows;
    return until_check(c, b, ask, err);
}

#define LONG_MS (3600LL * 1000)

/* A person's own address, as a gateway says it of its client. */
static struct phi_view addr_json(struct phi_arena *a, struct phi_view addr)
{
    PHI_BUF(b, 512);
    struct phi_jw w;
    if (addr.n == 0)
        return (struct phi_view){ 0 };
    phi_jw_init(&w, &b);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "addr", addr);
    phi_jw_end(&w);
    return phi_arena_copy(a, phi_buf_view(&b));
}

static enum phi_rc rate(struct phi_core *c, struct phi_arena *a, struct core_draft *d, struct phi_err *err)
{
    struct core_risk risk;
    PHI_TRY(core_risk_of(c, a, &d->of, &risk, err));
    d->of.rated = true;
    d->of.risk = risk.points;
    d->reasons = core_risk_json(a, &risk);
    return PHI_OK;
}

static enum phi_rc case_of_body(struct phi_core *c, struct phi_arena *a, struct core_draft *d, struct phi_err *err)
{
    struct core_try *tries;
    const struct phi_bounds *b = &d->body.bounds;
    d->of.principal = d->body.requester;
    d->of.behalf = d->body.on_behalf;
    d->of.n_behalf = d->body.n_on_behalf;
    d->of.has_text = true;
    d->of.why = d->body.why;
    d->of.ticket = d->body.ticket;
    d->of.wide = d->body.has_scope && (b->uses == 0 || b->for_ms > LONG_MS);
    d->of.target = d->target;
    if (d->body.has_scope) {
        PHI_TRY(core_bundle_load(c, err));
        PHI_TRY(core_tries_of_scope(c, a, &d->body.scope, &tries, &d->of.n_tries, err));
    } else {
        d->of.n_tries = d->body.n_actions;
        PHI_TRY(core_tries_of_pairs(a, d->body.actions, d->body.n_actions, &tries));
        PHI_TRY(phi_act_digest(&d->body, &d->act, err));
    }
    d->of.tries = tries;
    return phi_body_digest(&d->body, &d->digest, err);
}

static enum phi_rc draft_end(struct phi_core *c, struct phi_arena *a, const struct phi_request_ask *ask,
                             struct core_draft *d, struct phi_err *err)
{
    d->root = core_root(c, a, d->requester);
    if (ask->ticket_facts)
        d->of.ticket_facts = core_ticket_text(c, a, ask->ticket_facts);
    PHI_TRY(body_frame(c, a, ask, d, err));
    PHI_TRY(phi_body_check(&d->body, err));
    PHI_TRY(case_of_body(c, a, d, err));
    return rate(c, a, d, err);
}

/* What only a person says. */
static enum phi_rc persons_part(struct phi_core *c, struct phi_arena *a, struct phi_request_ask *ask, struct core_draft *d,
                                struct phi_err *err)
{
    PHI_TRY(core_extend(c, a, ask, d, err));
    PHI_TRY(behalf_in(c, a, ask, d, err));
    d->glass = ask->break_glass;
    d->addr = phi_view_upto(ask->from_addr, PHI_MAX_NAME);
    d->of.context = addr_json(a, d->addr);
    d->watchers = ask->watchers;
    d->n_watchers = ask->n_watchers;
    d->suggested = ask->suggested;
    d->n_suggested = ask->n_suggested;
    return PHI_OK;
}

enum phi_rc core_draft_of_ask(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              const struct phi_request_ask *asked, struct core_draft *d, struct phi_err *err)
{
    struct phi_request_ask own = *asked, *ask = &own;
    struct core_target_row target, key = { .name = ask->target };
    bool gateway = by->kind == PHI_ACTOR_GATEWAY;
    *d = (struct core_draft){ .target = ask->target, .age_ms = INT64_MAX };
    if (ask->change) {
        PHI_TRY(by_person(c, a, by, d, err));
        PHI_TRY(core_change_draft(c, a, ask, d, err));
        return draft_end(c, a, ask, d, err);
    }
    if (!gateway && by->kind != PHI_ACTOR_PERSON)
        return core_no(c, "right.missing", err, PHI_EDENIED, "persons and gateways make requests");
    if (core_get(c, CORE_TARGET, CORE_BY_KEY, &key, a, &target, NULL) != PHI_OK)
        return core_no(c, "target.unknown", err, PHI_ENOTFOUND, "there is no such target");
    if (gateway ? ask->n_scope_actions > 0 || ask->extends.n : ask->n_scope_actions == 0 && ask->extends.n == 0)
        return phi_fail(err, PHI_EINPUT, "persons ask for a scope, gateways for an exact payload");
    PHI_TRY(gateway ? by_gateway(c, a, by, ask, d, err) : by_person(c, a, by, d, err));
    PHI_TRY(gateway ? payload_in(a, ask, d, err) : scope_in(a, ask, d, err));
    if (!gateway)
        PHI_TRY(persons_part(c, a, ask, d, err));
    return draft_end(c, a, ask, d, err);
}

/* ---- back from the store */

/* All texts of a request, read at once. */
struct texts {
    struct core_text_row *rows;
    size_t n;
};

static struct phi_view text_in(const struct texts *all, const char *kind)
{
    for (size_t i = 0; i < all->n; i++)
        if (phi_view_is(all->rows[i].kind, kind))
            return all->rows[i].text;
    return (struct phi_view){ 0 };
}

enum phi_rc core_draft_of_row(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                              struct core_draft *d, struct phi_err *err)
{
    struct texts all;
    struct core_text_row key = { .owner = row->id };
    PHI_TRY(core_list(c, CORE_TEXT_OF, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &all.rows, &all.n, err));
    struct phi_view text = text_in(&all, "body");
    struct phi_digest digest = phi_tagged_hash("phi-request-v1", text);
    if (text.n == 0)
        return core_no(c, "request.erased", err, PHI_ENOTFOUND, "the body of this request was erased");
    if (!phi_view_eq(core_hex(a, &digest), row->digest))
        return core_no(c, "log.corrupt", err, PHI_ECORRUPT, "the stored body is not the one that was asked");
    *d = (struct core_draft){ .requester = row->requester,
                              .root = core_root(c, a, row->requester),
                              .target = row->target,
                              .gateway = row->gateway,
                              .credential = row->credential,
                              .session = row->session,
                              .glass = row->glass != 0,
                              .age_ms = core_wall(c) > row->asked_ms ? core_wall(c) - row->asked_ms : 0,
                              .addr = text_in(&all, "addr"),
                              .application = text_in(&all, "application") };
    d->of.entities = text_in(&all, "entities");
    d->of.context = text_in(&all, "context");
    d->of.device = text_in(&all, "device");
    d->of.ticket_facts = text_in(&all, CORE_TEXT_TICKET);
    d->of.rated = true;
    d->of.risk = row->risk ? row->risk - 1 : CORE_RISK_MAX; /* made before risk was known: the riskiest */
    d->reasons = text_in(&all, "risk");
    PHI_TRY(phi_body_read_text(a, text, &d->body, err));
    return case_of_body(c, a, d, err);
}

struct core_subject core_subject_of(const struct core_draft *d)
{
    return (struct core_subject){ phi_id_view(&d->body.id), d->requester, d->root, &d->of, d->of.risk, d->age_ms };
}

enum phi_rc core_met_at_once(struct phi_core *c, struct phi_arena *a, const struct core_draft *d,
                             const struct phi_view **ret, size_t *ret_n, struct phi_err *err)
{
    *ret_n = 0;
    enum phi_rc rc = core_bundle_load(c, err);
    if (rc != PHI_OK)
        return rc == PHI_ENOTFOUND ? PHI_OK : rc; /* ruling will deny and say so */
    size_t n = phi_bundle_requirement_count(c->bundle);
    struct phi_view *met = phi_arena_array(a, n + 1, sizeof *met);
    if (!met)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const struct phi_requirement *r = phi_bundle_requirement_at(c->bundle, i);
        if (core_met_alone(r, &d->of))
            met[(*ret_n)++] = phi_arena_copy(a, r->name);
    }
    *ret = met;
    return PHI_OK;
}
