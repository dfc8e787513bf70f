/* Sessions, tokens, providers and accounts over each store: what ends when, what a reboot leaves, and rows changed by hand. */
#include "core/forget.h"
#include "core/token.h"
#include "stage.h"

#define OIDC "{\"adopt\":true,\"client_id\":\"phi\",\"create\":true,\"groups\":{\"admins\":\"admin\",\"dbas\":\"dba\"},\"groups_claim\":\"groups\",\"issuer\":\"https://idp.test\"}"
#define DAY (24 * HOUR)

/* One command of a test's own. */
struct act {
    struct kit *k;
    struct phi_actor by;
    enum phi_rc (*run)(struct phi_core *c, struct act *x, struct phi_err *err);
    struct phi_view a, b, d;
    int64_t ms, n;
    char secret[PHI_API_TOKEN_LEN + 1];
    struct phi_token token;
    struct phi_session session;
    struct phi_person person;
    bool alive;
};

static enum phi_rc run_act(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct act *x = arg;
    enum phi_rc rc = x->run(c, x, err);
    x->k->why = phi_core_why(c);
    return rc;
}

static enum phi_rc go(struct act *x, enum phi_rc (*run)(struct phi_core *, struct act *, struct phi_err *))
{
    x->run = run;
    return phi_core_do(x->k->core, run_act, x, &x->k->err);
}

static struct act act_of(struct kit *k, enum kit_who who)
{
    return (struct act){ .k = k, .by = kit_actor(k, who) };
}

static enum phi_rc make(struct phi_core *c, struct act *x, struct phi_err *err)
{
    struct phi_token_want want = { .who = x->a, .name = PHI_LIT("t"), .rights = 1u << PHI_RIGHT_SEE, .ms = x->ms };
    return phi_token_make(c, &x->k->a, &x->by, &want, x->secret, &x->token, err);
}

static enum phi_rc find(struct phi_core *c, struct act *x, struct phi_err *err)
{
    return phi_token_find(c, &x->k->a, phi_view_of(x->secret), PHI_LIT("192.0.2.1"), &x->token, err);
}

static enum phi_rc begin(struct phi_core *c, struct act *x, struct phi_err *err)
{
    struct phi_session_how how = { .kind = x->a, .note = PHI_LIT("a test") };
    return phi_session_begin(c, &x->k->a, x->by.id, &how, x->secret, &x->session, err);
}

static enum phi_rc session(struct phi_core *c, struct act *x, struct phi_err *err)
{
    return phi_session_find(c, &x->k->a, phi_view_of(x->secret), &x->session, err);
}

static enum phi_rc alive(struct phi_core *c, struct act *x, struct phi_err *err)
{
    (void)err;
    x->alive = phi_session_alive(c, phi_view_of(x->secret));
    return PHI_OK;
}

static enum phi_rc provider(struct phi_core *c, struct act *x, struct phi_err *err)
{
    return phi_provider_put(c, &x->by, PHI_LIT("idp"), PHI_LIT("oidc"), x->a, err);
}

static enum phi_rc sign_in(struct phi_core *c, struct act *x, struct phi_err *err)
{
    struct phi_provider p;
    struct phi_oidc_conf conf;
    struct phi_sign_in in = { .provider = PHI_LIT("idp"), .subject = x->a, .name = x->b };
    PHI_TRY(phi_provider_get(c, &x->k->a, in.provider, PHI_LIT("oidc"), &p, err));
    PHI_TRY(phi_oidc_conf_read(&x->k->a, p.config, &conf, err));
    if (x->d.n)
        PHI_TRY(phi_json_read(&x->k->a, x->d, PHI_JSON_STRICT, "groups", &in.groups, err));
    return phi_identity_sign_in(c, &x->k->a, &conf, &in, &x->person, err);
}

static enum phi_rc service(struct phi_core *c, struct act *x, struct phi_err *err)
{
    return phi_service_add(c, &x->k->a, &x->by, x->a, NULL, 0, &x->person, err);
}

static void reboot(struct kit *k, int64_t off, int64_t clock_wrong_by)
{
    int64_t next;
    assert_ok(k, kit_tick(k, &next)); /* the anchor */
    snprintf(k->boot_id, sizeof k->boot_id, "boot-%llx", (unsigned long long)kit_random(k));
    k->wall += off + clock_wrong_by;
    k->boot = 5000;
    assert_ok(k, kit_reopen(k));
}

static void a_token_outlives_a_reboot_and_never_its_end(void **state)
{
    struct kit *k = *state;
    struct act x = act_of(k, KIT_ALICE);
    int64_t next;
    x.ms = 3 * DAY;
    assert_ok(k, go(&x, make));
    assert_ok(k, go(&x, find));
    reboot(k, DAY, 0);
    assert_ok(k, go(&x, find));
    assert_true(x.token.expires_in_ms <= 2 * DAY && x.token.expires_in_ms > 2 * DAY - HOUR);
    kit_pass(k, 2 * DAY - HOUR);
    assert_ok(k, go(&x, find));
    k->wall -= 30 * DAY; /* a clock that is set back gives nothing */
    kit_pass(k, 2 * HOUR);
    assert_rc(k, go(&x, find), PHI_EAUTH);
    k->wall += 30 * DAY;
    assert_ok(k, kit_tick(k, &next));
    assert_true(kit_log_has(k, "token.revoked"));
}

static void after_a_reboot_with_an_older_clock_no_token_counts(void **state)
{
    struct kit *k = *state;
    struct act x = act_of(k, KIT_ALICE), s = act_of(k, KIT_ALICE);
    x.ms = 3 * DAY;
    s.a = PHI_LIT("cli");
    assert_ok(k, go(&x, make));
    assert_ok(k, go(&s, begin));
    reboot(k, HOUR, -DAY);
    assert_rc(k, go(&x, find), PHI_EAUTH);
    assert_rc(k, go(&s, session), PHI_EAUTH);
}

static void a_browsers_session_ends_when_it_is_not_used(void **state)
{
    struct kit *k = *state;
    struct act web = act_of(k, KIT_BOB), cli = act_of(k, KIT_BOB);
    web.a = PHI_LIT("web");
    cli.a = PHI_LIT("cli");
    assert_ok(k, go(&web, begin));
    assert_ok(k, go(&cli, begin));
    for (int i = 0; i < 4; i++) { /* used now and then */
        kit_pass(k, PHI_SESSION_IDLE_MS - 60000);
        assert_ok(k, go(&web, session));
    }
    for (int i = 0; i < 3; i++) { /* a stream of events is no use */
        kit_pass(k, PHI_SESSION_IDLE_MS / 2 - 60000);
        assert_ok(k, go(&web, alive));
        assert_int_equal(web.alive, i < 2);
    }
    assert_rc(k, go(&web, session), PHI_EAUTH);
    assert_ok(k, go(&cli, session));
    kit_pass(k, PHI_SESSION_MS);
    assert_rc(k, go(&cli, session), PHI_EAUTH);
}

static void groups_are_what_the_provider_says_now(void **state)
{
    struct kit *k = *state;
    struct act x = act_of(k, KIT_ROOT);
    struct act as = { .k = k, .a = PHI_LIT("sub-1"), .b = PHI_LIT("Alice"), .d = PHI_LIT("[\"dbas\",\"other\"]") };
    x.a = PHI_LIT(OIDC);
    assert_ok(k, go(&x, provider));
    x.by = kit_actor(k, KIT_ALICE);
    assert_no(k, go(&x, provider), PHI_EDENIED, "right.missing");
    assert_ok(k, go(&as, sign_in)); /* adopts alice, who had no account there */
    assert_true(phi_view_eq(as.person.id, k->person[KIT_ALICE]));
    assert_int_equal(as.person.n_groups, 2); /* dev is nobody's but ours */
    as.d = (struct phi_view){ 0 };
    assert_ok(k, go(&as, sign_in));
    assert_int_equal(as.person.n_groups, 1);
    as.a = PHI_LIT("sub-2"); /* another account of that name is not alice */
    assert_no(k, go(&as, sign_in), PHI_EDENIED, "identity.name");
    /* the last who can run phi is not taken out: the sign-in fails instead */
    as.a = PHI_LIT("sub-root");
    as.b = PHI_LIT("root");
    assert_no(k, go(&as, sign_in), PHI_ECONFLICT, "rights.lockout");
}

static void forgetting_ends_every_way_in(void **state)
{
    struct kit *k = *state;
    struct act p = act_of(k, KIT_ROOT), t = act_of(k, KIT_MALLORY);
    struct act as = { .k = k, .a = PHI_LIT("sub-m"), .b = PHI_LIT("mallory") };
    p.a = PHI_LIT(OIDC);
    t.ms = DAY;
    assert_ok(k, go(&p, provider));
    assert_ok(k, go(&as, sign_in));
    assert_ok(k, go(&t, make));
    assert_ok(k, kit_forget_person(k, KIT_MALLORY, NULL));
    assert_rc(k, go(&t, find), PHI_EAUTH);
    assert_ok(k, go(&as, sign_in)); /* the account is nobody's now: a new person, with nothing of the old one */
    assert_false(phi_view_eq(as.person.id, k->person[KIT_MALLORY]));
    assert_int_equal(as.person.n_groups, 0);
}

static void a_service_has_what_the_policy_gives_it_and_no_more(void **state)
{
    struct kit *k = *state;
    struct act x = act_of(k, KIT_ROOT), t = act_of(k, KIT_ROOT);
    x.a = PHI_LIT("ci");
    assert_ok(k, go(&x, service));
    assert_no(k, go(&x, service), PHI_ECONFLICT, "person.name-taken");
    t.a = PHI_LIT("ci");
    t.ms = DAY;
    assert_ok(k, go(&t, make));
    assert_true(phi_view_is(t.token.who, "ci"));
    t.by = kit_actor(k, KIT_ALICE);
    assert_no(k, go(&t, make), PHI_EDENIED, "right.missing");
    t.by = (struct phi_actor){ .kind = PHI_ACTOR_PERSON, .id = k->person[KIT_ROOT], .withheld = 1 };
    assert_no(k, go(&t, make), PHI_EDENIED, "token.by-token");
}

/* ---- rows changed behind core's back */

static void only_row(struct kit *k, enum core_table t, void *ret)
{
    char *rows;
    size_t n;
    struct core_span all = { 0 };
    assert_int_equal(k->store->ops->begin(k->store->self, NULL), PHI_OK);
    assert_int_equal(k->store->ops->list(k->store->self, t, 0, NULL, &all, &k->a, &rows, &n, NULL), PHI_OK);
    k->store->ops->rollback(k->store->self);
    assert_int_equal(n, 1);
    memcpy(ret, rows, core_table_of(t)->size);
}

static void replace(struct kit *k, enum core_table t, const void *old, const void *row)
{
    const struct phi_store_ops *s = k->store->ops;
    assert_int_equal(s->begin(k->store->self, NULL), PHI_OK);
    assert_int_equal(s->del(k->store->self, t, old, NULL), PHI_OK);
    assert_int_equal(s->add(k->store->self, t, row, NULL), PHI_OK);
    assert_int_equal(s->commit(k->store->self, NULL), PHI_OK);
}

/* Every column but the key's: then the row is not found at all. */
static void flip_all(struct kit *k, enum core_table t, int keys, struct act *x, enum phi_rc (*use)(struct phi_core *, struct act *, struct phi_err *))
{
    const struct core_table_def *d = core_table_of(t);
    for (int i = keys; i < d->n_cols; i++) {
        _Alignas(16) char old[512], row[512];
        only_row(k, t, old);
        memcpy(row, old, d->size);
        if (d->cols[i].kind == CORE_INT)
            *(int64_t *)(void *)(row + d->cols[i].at) += 1;
        else
            *(struct phi_view *)(void *)(row + d->cols[i].at) = PHI_LIT("x");
        replace(k, t, old, row);
        enum phi_rc rc = go(x, use);
        if (rc == PHI_OK)
            print_error("%s.%s was changed and nobody saw it\n", d->name, d->cols[i].name);
        assert_int_not_equal(rc, PHI_OK);
        replace(k, t, row, old);
    }
    assert_ok(k, go(x, use));
}

static void attack_29_tokens_accounts_and_providers_changed_by_hand_serve_nobody(void **state)
{
    struct kit *k = *state;
    struct act x = act_of(k, KIT_ALICE), p = act_of(k, KIT_ROOT);
    struct act as = { .k = k, .a = PHI_LIT("sub-1"), .b = PHI_LIT("alice") };
    x.ms = DAY;
    p.a = PHI_LIT(OIDC);
    assert_ok(k, go(&x, make));
    flip_all(k, CORE_TOKEN, 1, &x, find);
    assert_ok(k, go(&p, provider));
    assert_ok(k, go(&as, sign_in));
    flip_all(k, CORE_IDENTITY, 2, &as, sign_in);
    flip_all(k, CORE_PROVIDER, 1, &as, sign_in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_token_outlives_a_reboot_and_never_its_end),
        T(after_a_reboot_with_an_older_clock_no_token_counts),
        T(a_browsers_session_ends_when_it_is_not_used),
        T(groups_are_what_the_provider_says_now),
        T(forgetting_ends_every_way_in),
        T(a_service_has_what_the_policy_gives_it_and_no_more),
        T(attack_29_tokens_accounts_and_providers_changed_by_hand_serve_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, stage_end);
}
