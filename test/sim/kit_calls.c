/* The calls of test/sim/kit.h: each is one command in one batch. */
#include <string.h>

#include "kit.h"

#include "base/limits.h"
#include "core/forget.h"
#include "core/inner.h"

struct call {
    struct kit *k;
    struct phi_actor by;
    const struct phi_request_ask *ask;
    const struct phi_claim_ask *claim;
    const struct phi_ballot *ballot;
    const struct phi_revoke_filter *filter;
    const struct phi_resource_facts *facts;
    const struct phi_profile *profile;
    const struct phi_ticket_facts *ticket;
    struct phi_view id, text, more;
    int64_t num;
    int box;
    bool flag;
    void *ret;
    size_t *ret_n;
};

typedef enum phi_rc (*run_fn)(struct phi_core *c, void *arg, struct phi_err *err);

static enum phi_rc go(struct kit *k, run_fn run, struct call *call)
{
    call->k = k;
    k->err = (struct phi_err){ 0 };
    enum phi_rc rc = phi_core_do(k->core, run, call, &k->err);
    k->why = rc == PHI_OK ? "" : phi_core_why(k->core);
    return rc;
}

#define RUN(name, expr)                                                                            \
    static enum phi_rc run_##name(struct phi_core *c, void *arg, struct phi_err *err)              \
    {                                                                                              \
        struct call *q = arg;                                                                      \
        return expr;                                                                               \
    }
#define A (&q->k->a)
RUN(bundle, phi_bundle_put(c, A, &q->by, q->id, q->text, q->more, q->ret, err))
RUN(review, phi_glass_review(c, A, &q->by, q->id, PHI_LIT("it was right"), q->ret, err))
RUN(revoke_many, phi_grant_revoke_many(c, A, &q->by, q->filter, PHI_LIT("clearing up"), q->ret, err))
RUN(delegate, phi_delegation_make(c, A, &q->by, q->id, q->num, PHI_LIT("on holiday"), q->ret, err))
RUN(delegate_end, phi_delegation_end(c, A, &q->by, q->id, err))
RUN(remark, phi_request_remark(c, A, &q->by, q->id, q->flag, PHI_LIT("why at night?"), q->ret, err))
RUN(watch, phi_request_watch(c, A, &q->by, q->id, false, &q->text, 1, q->ret, err))
RUN(entries, phi_log_entries(c, A, 0, 1000, q->ret, q->ret_n, err))
RUN(on_call, phi_on_call_put(c, A, &q->by, q->id, &q->text, 1, q->num, err))
RUN(on_call_end, phi_on_call_end(c, A, &q->by, q->id, err))
RUN(ticket, phi_ticket_put(c, A, q->id, q->ticket, err))
RUN(ticket_due, phi_ticket_due(c, A, &q->by, q->id, PHI_TICKET_RENEW_MS, q->ret, err))
RUN(make, phi_request_make(c, A, &q->by, q->ask, q->ret, err))
RUN(edit, phi_request_edit(c, A, &q->by, q->id, q->ask, q->ret, err))
RUN(vote, phi_request_vote(c, A, &q->by, q->id, q->ballot, q->ret, err))
RUN(get, phi_request_get(c, A, &q->by, q->id, q->ret, err))
RUN(list, phi_request_list(c, A, &q->by, (enum phi_box)q->box, true, &(struct phi_page){ .limit = 100 }, q->ret, q->ret_n, err))
RUN(cancel, phi_request_cancel(c, A, &q->by, q->id, q->ret, err))
RUN(leave, phi_request_leave(c, &q->by, q->id, q->text, err))
RUN(claim, phi_grant_claim(c, A, &q->by, q->claim, q->ret, err))
RUN(await, phi_claim_await(c, &q->by, q->id, q->claim, q->ret, err))
RUN(forget_claims, (phi_claims_forget(c, &q->by), *(err ? err : &q->k->err) = (struct phi_err){ 0 }, PHI_OK))
RUN(withdraw, phi_claim_withdraw(c, &q->by, q->id, q->text, err))
RUN(outcome, phi_claim_outcome(c, &q->by, q->id, (enum phi_outcome)q->num, PHI_LIT("DELETE"), q->k->rows, 0, err))
RUN(grant, phi_grant_get(c, A, &q->by, q->id, q->ret, err))
RUN(revoke, phi_grant_revoke(c, A, &q->by, q->id, PHI_LIT("over"), q->ret, err))
RUN(give_back, phi_grant_return(c, A, &q->by, q->id, q->ret, err))
RUN(ack, phi_gateway_ack(c, &q->by, q->num, err))
RUN(ends, phi_gateway_ends(c, A, &q->by, q->ret, q->ret_n, err))
RUN(lease, phi_gateway_lease(c, &q->by, &q->num, q->ret, err))
RUN(group, q->flag ? phi_group_add_member(c, &q->by, q->text, q->id, err)
                   : phi_group_del_member(c, &q->by, q->text, q->id, err))
RUN(link, phi_account_link(c, &q->by, q->text, q->id, err))
RUN(facts, phi_facts_put(c, &q->by, q->facts, err))
RUN(profile, phi_profile_put(c, &q->by, q->profile, err))
RUN(profile_get, phi_profile_get(c, A, &q->by, q->ret, err))
RUN(forget, phi_person_forget(c, A, &q->by, q->id, q->ret, err))
RUN(tick, phi_core_tick(c, q->ret, err))
RUN(invariants, core_invariants(c, q->ret, err))

static struct phi_pair pair_of(struct kit *k, const char *action)
{
    struct phi_ref orders = phi_ref_make(&k->a, "Table", "shop", "public", "orders", NULL);
    return (struct phi_pair){ phi_view_of(action), orders };
}

static struct phi_view payload_of(struct kit *k, const char *sql)
{
    PHI_BUF(b, PHI_MAX_PAYLOAD);
    struct phi_jw w;
    phi_jw_init(&w, &b);
    phi_jw_obj(&w);
    phi_jw_key(&w, "bytes");
    phi_jw_b64u(&w, phi_view_of(sql));
    phi_jw_kc(&w, "kind", "pg-query");
    phi_jw_end(&w);
    return phi_arena_copy(&k->a, phi_buf_view(&b));
}

enum phi_rc kit_ask(struct kit *k, int gw, enum kit_who who, const char *sql, const char *action, const char *session,
                    struct phi_request_answer *ret)
{
    struct phi_pair pair = pair_of(k, action);
    struct phi_request_ask ask = { .target = PHI_LIT("shop"),
                                   .principal = k->person[who],
                                   .credential = k->credential[who],
                                   .session = phi_view_of(session),
                                   .actions = &pair,
                                   .n_actions = 1,
                                   .payload = payload_of(k, sql),
                                   .context = phi_view_of(k->context) };
    struct call q = { .by = kit_gateway(gw), .ask = &ask, .ret = ret };
    return go(k, run_make, &q);
}

static void scope_ask(struct kit *k, const char *resource, const struct phi_view *action, struct phi_ref *ref,
                      int64_t for_ms, int64_t uses, struct phi_request_ask *ask)
{
    phi_ref_from_label(&k->a, phi_view_of(resource), PHI_LIT("shop"), ref, NULL);
    *ask = (struct phi_request_ask){ .target = PHI_LIT("shop"),
                                     .scope_actions = action,
                                     .n_scope_actions = 1,
                                     .scope_resources = ref,
                                     .n_scope_resources = 1,
                                     .for_ms = for_ms,
                                     .uses = uses,
                                     .why = PHI_LIT("clean up") };
}

struct phi_request_ask kit_scope_of(struct kit *k, const char *resource)
{
    struct phi_request_ask ask;
    struct phi_ref *ref = phi_arena_new(&k->a, struct phi_ref);
    struct phi_view *act = phi_arena_new(&k->a, struct phi_view);
    *act = PHI_LIT("pg:write");
    scope_ask(k, resource, act, ref, 600000, 0, &ask);
    return ask;
}

enum phi_rc kit_make(struct kit *k, enum kit_who who, const struct phi_request_ask *ask, struct phi_request_answer *ret)
{
    struct call q = { .by = kit_actor(k, who), .ask = ask, .ret = ret };
    return go(k, run_make, &q);
}

enum phi_rc kit_review(struct kit *k, enum kit_who who, struct phi_view which, struct phi_grant_view *ret)
{
    struct call q = { .by = kit_actor(k, who), .id = which, .ret = ret };
    return go(k, run_review, &q);
}

enum phi_rc kit_revoke_many(struct kit *k, enum kit_who who, const struct phi_revoke_filter *f, struct phi_revoked_many *ret)
{
    struct call q = { .by = kit_actor(k, who), .filter = f, .ret = ret };
    return go(k, run_revoke_many, &q);
}

enum phi_rc kit_delegate(struct kit *k, enum kit_who who, enum kit_who taker, int64_t for_ms, struct phi_delegation *ret)
{
    struct call q = { .by = kit_actor(k, who), .id = k->person[taker], .num = for_ms, .ret = ret };
    return go(k, run_delegate, &q);
}

enum phi_rc kit_delegate_end(struct kit *k, enum kit_who who, struct phi_view id)
{
    struct call q = { .by = kit_actor(k, who), .id = id };
    return go(k, run_delegate_end, &q);
}

enum phi_rc kit_remark(struct kit *k, enum kit_who who, struct phi_view which, bool question, struct phi_request *ret)
{
    struct call q = { .by = kit_actor(k, who), .id = which, .flag = question, .ret = ret };
    return go(k, run_remark, &q);
}

enum phi_rc kit_watch(struct kit *k, enum kit_who who, struct phi_view which, enum kit_who watcher, struct phi_request *ret)
{
    struct call q = { .by = kit_actor(k, who), .id = which, .text = k->person[watcher], .ret = ret };
    return go(k, run_watch, &q);
}

enum phi_rc kit_scope(struct kit *k, enum kit_who who, const char *action, const char *resource, int64_t for_ms,
                      int64_t uses, struct phi_request_answer *ret)
{
    struct phi_view act = phi_view_of(action);
    struct phi_ref ref;
    struct phi_request_ask ask;
    struct call q = { .by = kit_actor(k, who), .ask = &ask, .ret = ret };
    scope_ask(k, resource, &act, &ref, for_ms, uses, &ask);
    return go(k, run_make, &q);
}

enum phi_rc kit_edit(struct kit *k, enum kit_who who, struct phi_view id, int64_t for_ms, struct phi_request *ret)
{
    struct phi_view act = PHI_LIT("pg:write");
    struct phi_ref ref;
    struct phi_request_ask ask;
    struct call q = { .by = kit_actor(k, who), .ask = &ask, .id = id, .ret = ret };
    scope_ask(k, "shop/public.orders", &act, &ref, for_ms, 0, &ask);
    return go(k, run_edit, &q);
}

enum phi_rc kit_refile(struct kit *k, enum kit_who who, struct phi_view id, const struct phi_request_ask *ask, struct phi_request *ret)
{
    struct call q = { .by = kit_actor(k, who), .ask = ask, .id = id, .ret = ret };
    return go(k, run_edit, &q);
}

enum phi_rc kit_narrow(struct kit *k, enum kit_who who, const struct phi_request *seen, const struct phi_narrowing *n,
                       struct phi_request *ret)
{
    struct phi_ballot b = { .approve = true, .digest = seen->digest, .version = seen->version, .narrowing = *n };
    struct call q = { .by = kit_actor(k, who), .ballot = &b, .id = seen->id, .ret = ret };
    return go(k, run_vote, &q);
}

enum phi_rc kit_vote(struct kit *k, enum kit_who who, const struct phi_request *seen, bool approve, int64_t for_ms,
                     struct phi_request *ret)
{
    struct phi_ballot b = { .approve = approve,
                            .digest = seen->digest,
                            .version = seen->version,
                            .reason = PHI_LIT("because"),
                            .narrowing = { .for_ms = for_ms } };
    struct call q = { .by = kit_actor(k, who), .ballot = &b, .id = seen->id, .ret = ret };
    return go(k, run_vote, &q);
}

enum phi_rc kit_get(struct kit *k, enum kit_who who, struct phi_view which, struct phi_request *ret)
{
    struct call q = { .by = kit_actor(k, who), .id = which, .ret = ret };
    return go(k, run_get, &q);
}

enum phi_rc kit_list(struct kit *k, enum kit_who who, enum phi_box box, struct phi_request **ret, size_t *n)
{
    struct call q = { .by = kit_actor(k, who), .box = (int)box, .ret = ret, .ret_n = n };
    return go(k, run_list, &q);
}

enum phi_rc kit_cancel(struct kit *k, enum kit_who who, struct phi_view id)
{
    struct phi_request r;
    struct call q = { .by = kit_actor(k, who), .id = id, .ret = &r };
    return go(k, run_cancel, &q);
}

enum phi_rc kit_leave(struct kit *k, int gw, struct phi_view id, const char *session)
{
    struct call q = { .by = kit_gateway(gw), .id = id, .text = phi_view_of(session) };
    return go(k, run_leave, &q);
}

static struct phi_claim_ask claim_ask(const struct kit *k, enum kit_who who, struct phi_view act, const struct phi_pair *pair, const char *key)
{
    return (struct phi_claim_ask){ .key = phi_view_of(key),
                                   .principal = k->person[who],
                                   .credential = k->credential[who],
                                   .session = phi_view_of(k->session ? k->session : "s1"),
                                   .target = PHI_LIT("shop"),
                                   .act = act,
                                   .actions = pair,
                                   .n_actions = 1,
                                   .context = phi_view_of(k->context) };
}

enum phi_rc kit_claim(struct kit *k, int gw, enum kit_who who, struct phi_view grant, struct phi_view act,
                      const char *action, const char *key, struct phi_claim *ret)
{
    struct phi_pair pair = pair_of(k, action);
    struct phi_claim_ask ask = claim_ask(k, who, act, &pair, key);
    struct call q = { .by = kit_gateway(gw), .claim = &ask, .ret = ret };
    ask.grant = grant;
    return go(k, run_claim, &q);
}

enum phi_rc kit_await(struct kit *k, int gw, enum kit_who who, struct phi_view request, struct phi_view act, const char *action,
                      const char *key, bool *ret_kept)
{
    struct phi_pair pair = pair_of(k, action);
    struct phi_claim_ask ask = claim_ask(k, who, act, &pair, key);
    struct call q = { .by = kit_gateway(gw), .id = request, .claim = &ask, .ret = ret_kept };
    return go(k, run_await, &q);
}

enum phi_rc kit_stream(struct kit *k, int gw)
{
    struct call q = { .by = kit_gateway(gw) };
    return go(k, run_forget_claims, &q);
}

enum phi_rc kit_withdraw(struct kit *k, int gw, struct phi_view request, const char *key)
{
    struct call q = { .by = kit_gateway(gw), .id = request, .text = phi_view_of(key) };
    return go(k, run_withdraw, &q);
}

static enum phi_rc run_claim_open(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct call *q = arg;
    struct core_grant_row *g, of = { .request = q->id };
    struct core_claim_row claim;
    size_t n;
    PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_REQUEST, &of, (struct core_span){ .prefix = 1 }, A, &g, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_claim_row key = { .grant = g[i].id, .ckey = q->text };
        if (core_get(c, CORE_CLAIM, CORE_CLAIM_BY_CKEY, &key, A, &claim, NULL) == PHI_OK)
            *(bool *)q->ret |= claim.outcome == 0;
    }
    return PHI_OK;
}

enum phi_rc kit_claim_open(struct kit *k, struct phi_view request, const char *key, bool *ret)
{
    struct call q = { .id = request, .text = phi_view_of(key), .ret = ret };
    *ret = false;
    return go(k, run_claim_open, &q);
}

enum phi_rc kit_outcome(struct kit *k, int gw, struct phi_view claim, enum phi_outcome outcome)
{
    struct call q = { .by = kit_gateway(gw), .id = claim, .num = outcome };
    return go(k, run_outcome, &q);
}

enum phi_rc kit_grant(struct kit *k, struct phi_view which, struct phi_grant_view *ret)
{
    struct call q = { .by = kit_actor(k, KIT_ROOT), .id = which, .ret = ret };
    return go(k, run_grant, &q);
}

enum phi_rc kit_revoke(struct kit *k, enum kit_who who, struct phi_view which, struct phi_revoked *ret)
{
    struct call q = { .by = kit_actor(k, who), .id = which, .ret = ret };
    return go(k, run_revoke, &q);
}

enum phi_rc kit_return(struct kit *k, enum kit_who who, struct phi_view which)
{
    struct phi_grant_view g;
    struct call q = { .by = kit_actor(k, who), .id = which, .ret = &g };
    return go(k, run_give_back, &q);
}

enum phi_rc kit_ack(struct kit *k, int gw, int64_t seq)
{
    struct call q = { .by = kit_gateway(gw), .num = seq };
    return go(k, run_ack, &q);
}

enum phi_rc kit_lease_for(struct kit *k, int gw, int64_t *ret_ms)
{
    struct call q = { .by = kit_gateway(gw), .ret = ret_ms };
    return go(k, run_lease, &q);
}

enum phi_rc kit_lease(struct kit *k, int gw)
{
    int64_t ms;
    return kit_lease_for(k, gw, &ms);
}

enum phi_rc kit_ends(struct kit *k, int gw, struct phi_end **ret, size_t *n)
{
    struct call q = { .by = kit_gateway(gw), .ret = ret, .ret_n = n };
    return go(k, run_ends, &q);
}

enum phi_rc kit_facts(struct kit *k, const char *label, const char *environment, const char *tag)
{
    struct phi_view tags = phi_view_of(tag);
    struct phi_resource_facts f = { .environment = phi_view_of(environment), .tags = &tags, .n_tags = tag != NULL };
    struct call q = { .by = kit_actor(k, KIT_ROOT), .facts = &f };
    PHI_TRY(phi_ref_from_label(&k->a, phi_view_of(label), (struct phi_view){ 0 }, &f.resource, &k->err));
    return go(k, run_facts, &q);
}

enum phi_rc kit_on_call(struct kit *k, enum kit_who who, const char *list, enum kit_who person, int64_t for_ms)
{
    struct call q = { .by = kit_actor(k, who), .id = phi_view_of(list), .text = k->person[person], .num = for_ms };
    return go(k, for_ms ? run_on_call : run_on_call_end, &q);
}

enum phi_rc kit_ticket(struct kit *k, struct phi_view request, const struct phi_ticket_facts *f)
{
    struct call q = { .id = request, .ticket = f };
    return go(k, run_ticket, &q);
}

enum phi_rc kit_ticket_due(struct kit *k, struct phi_view request, struct phi_ticket_due *ret)
{
    struct call q = { .by = kit_actor(k, KIT_BOB), .id = request, .ret = ret };
    return go(k, run_ticket_due, &q);
}

enum phi_rc kit_profile(struct kit *k, enum kit_who who, const struct phi_profile *p)
{
    struct call q = { .by = kit_actor(k, who), .profile = p };
    return go(k, run_profile, &q);
}

enum phi_rc kit_profile_get(struct kit *k, enum kit_who who, struct phi_profile *ret)
{
    struct call q = { .by = kit_actor(k, who), .ret = ret };
    return go(k, run_profile_get, &q);
}

enum phi_rc kit_forget_person(struct kit *k, enum kit_who who, int64_t *ret_left)
{
    struct phi_forgotten sum = { 0 };
    struct call q = { .by = kit_actor(k, KIT_ROOT), .id = k->person[who], .ret = &sum };
    enum phi_rc rc = go(k, run_forget, &q);
    if (ret_left)
        *ret_left = sum.entries_left;
    return rc;
}

static enum phi_rc run_person(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct call *q = arg;
    struct phi_person p;
    PHI_ARENA(a, 64 * 1024);
    return phi_person_add(c, &a, &q->by, q->text, NULL, 0, &p, err);
}

enum phi_rc kit_person(struct kit *k, const char *name)
{
    struct call q = { .by = kit_actor(k, KIT_ROOT), .text = phi_view_of(name) };
    return go(k, run_person, &q);
}

enum phi_rc kit_group(struct kit *k, enum kit_who who, const char *group, bool add)
{
    struct call q = {
        .by = kit_actor(k, KIT_ROOT), .id = k->person[who], .text = phi_view_of(group), .flag = add
    };
    return go(k, run_group, &q);
}

enum phi_rc kit_link(struct kit *k, enum kit_who account, enum kit_who person)
{
    struct call q = { .by = kit_actor(k, KIT_ROOT), .id = k->person[person], .text = phi_view_of(kit_name(account)) };
    return go(k, run_link, &q);
}

enum phi_rc kit_tick(struct kit *k, int64_t *ret_next)
{
    int64_t next;
    struct call q = { .ret = ret_next ? ret_next : &next };
    return go(k, run_tick, &q);
}

enum phi_rc kit_invariants(struct kit *k, struct core_held *held)
{
    struct call q = { .ret = held };
    return go(k, run_invariants, &q);
}

enum phi_rc kit_bundle(struct kit *k, const char *policies, const char *requirements)
{
    struct phi_view schema, base;
    struct phi_bundle_view live;
    PHI_TRY(kit_starter(k, "schema.cedarschema", &schema, &k->err));
    PHI_TRY(kit_starter(k, "policies.cedar", &base, &k->err));
    struct call q = { .by = { .kind = PHI_ACTOR_SYSTEM }, .id = schema, .more = phi_view_of(requirements), .ret = &live };
    q.text = phi_arena_printf(&k->keep, PHI_FMT "\n%s", PHI_ARG(base), policies);
    return go(k, run_bundle, &q);
}

bool kit_log_has(struct kit *k, const char *text)
{
    struct phi_view *v;
    size_t n = 0;
    struct call q = { .ret = &v, .ret_n = &n };
    bool found = false;
    if (go(k, run_entries, &q) != PHI_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        found |= memmem(v[i].p, v[i].n, text, strlen(text)) != NULL;
    return found;
}
