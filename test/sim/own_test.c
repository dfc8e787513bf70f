/* Changes of phi itself that wait for an approval, and votes that a passkey signs; over each store. */
#include "core/bundle.h"
#include "core/change.h"
#include "core/passkey.h"
#include "proof/soft_key_test.h"
#include "stage.h"

#define ORIGIN "http://localhost:8470"
#define GUARD "@id(\"guard\") forbid (principal, action == phi::Action::\"targets\", resource) unless { context.met.contains(\"dba\") };\n"

/* One command of a test's own. */
struct own {
    struct kit *k;
    struct phi_actor by;
    enum phi_rc (*run)(struct phi_core *c, struct own *o, struct phi_err *err);
    struct phi_request_answer ans;
    struct phi_request request;
    struct phi_ballot ballot;
    struct phi_view which;
    struct phi_vote_text text;
    struct phi_passkey_view key;
    int64_t strong_ms, since_ms;
    char token[PHI_TOKEN_LEN + 1];
    struct told told;
    uint8_t challenge[PHI_CHALLENGE_LEN];
};

static enum phi_rc run_own(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct own *o = arg;
    enum phi_rc rc = o->run(c, o, err);
    o->k->why = phi_core_why(c);
    return rc;
}

static enum phi_rc go(struct own *o, enum phi_rc (*run)(struct phi_core *, struct own *, struct phi_err *))
{
    o->run = run;
    return phi_core_do(o->k->core, run_own, o, &o->k->err);
}

/* ---- changes */

static struct {
    int made;
    bool fails;
} changes;

static enum phi_rc put_target(struct phi_core *c, const struct phi_actor *by, struct phi_err *err)
{
    struct phi_target t = { PHI_LIT("books"), PHI_LIT("postgresql"), PHI_LIT("localhost:1"), PHI_LIT("books") };
    return phi_target_put(c, by, &t, err);
}

static enum phi_rc make(void *self, struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                        struct phi_view document, struct phi_err *err)
{
    (void)self;
    (void)a;
    changes.made++;
    if (!phi_view_is(document, "{\"what\":\"books\"}"))
        return phi_fail(err, PHI_ECORRUPT, "another document");
    PHI_TRY(put_target(c, by, err));
    return changes.fails ? phi_fail(err, PHI_ECONFLICT, "it cannot be made now") : PHI_OK;
}

static const struct phi_changer changer = { NULL, make };

static enum phi_rc run_put(struct phi_core *c, struct own *o, struct phi_err *err)
{
    return put_target(c, &o->by, err);
}

static enum phi_rc run_change(struct phi_core *c, struct own *o, struct phi_err *err)
{
    struct phi_pair pair = { phi_change_action(&o->k->a, PHI_RIGHT_TARGETS), phi_right_resource(&o->k->a, PHI_RIGHT_TARGETS, PHI_LIT("")) };
    struct phi_change change = { &pair, 1, PHI_LIT("{\"what\":\"books\"}"), PHI_LIT("we keep books") };
    phi_changer_set(c, &changer);
    return phi_change_ask(c, &o->k->a, &o->by, &change, &o->ans, err);
}

static char token[PHI_TOKEN_LEN + 1];

static enum phi_rc run_sign_in(struct phi_core *c, struct own *o, struct phi_err *err)
{
    struct phi_session session;
    return phi_session_begin(c, &o->k->a, o->by.id, NULL, token, &session, err);
}

static enum phi_rc run_strong(struct phi_core *c, struct own *o, struct phi_err *err)
{
    (void)o;
    return phi_session_strong(c, phi_view_of(token), err);
}

static struct own guarded(struct kit *k)
{
    changes.made = 0;
    changes.fails = false;
    assert_ok(k, kit_bundle(k, GUARD, DBA));
    return (struct own){ .k = k, .by = kit_actor(k, KIT_ROOT) };
}

static enum phi_rc run_target(struct phi_core *c, struct own *o, struct phi_err *err)
{
    struct phi_target t;
    return phi_target_get(c, &o->k->a, PHI_LIT("books"), &t, err);
}

static bool target_there(struct kit *k)
{
    struct own o = { .k = k };
    return go(&o, run_target) == PHI_OK;
}

static void a_change_waits_and_is_made_by_its_approval(void **state)
{
    struct kit *k = *state;
    struct own o = guarded(k);
    struct phi_request after;
    assert_no(k, go(&o, run_put), PHI_EDENIED, "right.needs-approval");
    assert_ok(k, go(&o, run_change));
    assert_int_equal(o.ans.kind, PHI_ANSWER_PENDING);
    struct phi_request r = o.ans.request;
    assert_false(target_there(k));
    assert_no(k, kit_vote(k, KIT_ROOT, &r, true, 0, &after), PHI_EDENIED, "request.self");
    assert_int_equal(changes.made, 0);
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
    assert_int_equal(after.grant->status, PHI_GRANT_USED);
    assert_int_equal(changes.made, 1);
    assert_true(target_there(k));
    assert_no(k, go(&o, run_put), PHI_EDENIED, "right.needs-approval"); /* the approval was for that change, once */
}

static void asked_twice_it_is_one_request(void **state)
{
    struct kit *k = *state;
    struct own o = guarded(k);
    assert_ok(k, go(&o, run_change));
    struct phi_view first = phi_arena_copy(&k->keep, o.ans.request.id);
    assert_ok(k, go(&o, run_change));
    assert_true(phi_view_eq(first, o.ans.request.id));
}

static void a_change_that_cannot_be_made_leaves_all_as_it_was(void **state)
{
    struct kit *k = *state;
    struct own o = guarded(k);
    struct phi_request after;
    assert_ok(k, go(&o, run_change));
    struct phi_request r = o.ans.request;
    changes.fails = true;
    assert_rc(k, kit_vote(k, KIT_BOB, &r, true, 0, &after), PHI_ECONFLICT);
    assert_int_equal(changes.made, 1);
    assert_false(target_there(k));
    assert_ok(k, kit_get(k, KIT_ROOT, r.id, &after));
    assert_int_equal(after.status, PHI_REQUEST_PENDING);
    assert_int_equal(after.n_votes, 0);
}

static void a_change_is_not_asked_for_by_other_ways(void **state)
{
    struct kit *k = *state;
    struct own o = guarded(k);
    struct phi_request_answer ans;
    assert_rc(k, kit_scope(k, KIT_ROOT, "phi::targets", "shop/public.orders", 60000, 1, &ans), PHI_EINPUT);
    assert_rc(k, kit_ask(k, 1, KIT_ALICE, SQL, "phi::targets", "s1", &ans), PHI_EINPUT);
    o.by = kit_actor(k, KIT_MALLORY); /* may not at all: a deny, and no request */
    assert_ok(k, go(&o, run_change));
    assert_int_equal(o.ans.kind, PHI_ANSWER_DENY);
}

static void a_right_may_want_a_passkey_shown_lately(void **state)
{
    struct kit *k = *state;
    struct own o = { .k = k, .by = kit_actor(k, KIT_ROOT) };
    assert_ok(k, kit_bundle(k, "@id(\"strong\") forbid (principal, action == phi::Action::\"targets\", resource)\n"
                               "unless { context has mfa_age && context.mfa_age < duration(\"10m\") };\n", DBA));
    assert_no(k, go(&o, run_put), PHI_EDENIED, "right.missing"); /* none was shown: not known, so no */
    assert_ok(k, go(&o, run_sign_in));
    assert_no(k, go(&o, run_put), PHI_EDENIED, "right.missing");
    assert_ok(k, go(&o, run_strong));
    assert_ok(k, go(&o, run_put));
    kit_pass(k, 11 * 60 * 1000);
    assert_no(k, go(&o, run_put), PHI_EDENIED, "right.missing");
}

/* ---- votes that are signed */

static EVP_PKEY *keys[2];
static const struct phi_webauthn_rp rp = { { (const uint8_t *)"localhost", 9 }, { (const uint8_t *)ORIGIN, 21 } };

static struct told honest(const char *type, int key)
{
    static const char *const ids[] = { "kid1", "kid2" };
    return (struct told){ .type = type, .origin = ORIGIN, .more = "", .rp_id = "localhost", .key_id = ids[key], .flags = 0x05, .tail = "", .key = keys[key] };
}

static enum phi_rc run_begin(struct phi_core *c, struct own *o, struct phi_err *err)
{
    return phi_passkey_begin(c, PHI_PASSKEY_ADD, o->by.id, o->challenge, err);
}

static enum phi_rc run_add(struct phi_core *c, struct own *o, struct phi_err *err)
{
    struct phi_webauthn_answer got;
    o->told.challenge = phi_view_mem(o->challenge, sizeof o->challenge);
    told_make(&o->k->a, &o->told, &got);
    return phi_passkey_add(c, &o->k->a, &o->by, PHI_LIT("key"), &rp, &got, &o->key, err);
}

static enum phi_rc run_remove(struct phi_core *c, struct own *o, struct phi_err *err)
{
    return phi_passkey_remove(c, &o->by, o->key.uid, err);
}

static enum phi_rc run_text(struct phi_core *c, struct own *o, struct phi_err *err)
{
    return phi_request_vote_text(c, &o->k->a, &o->by, o->which, &o->ballot, &o->text, err);
}

static enum phi_rc run_vote(struct phi_core *c, struct own *o, struct phi_err *err)
{
    struct phi_signature s = { .rp = rp, .id = phi_view_of(o->told.key_id) };
    o->told.challenge = phi_digest_view(&o->text.digest);
    told_get(&o->k->a, &o->told, &s.answer);
    o->ballot.nonce = o->text.nonce;
    o->ballot.salt = o->text.salt;
    o->ballot.signature = &s;
    enum phi_rc rc = phi_request_vote(c, &o->k->a, &o->by, o->which, &o->ballot, &o->request, err);
    o->ballot.signature = NULL;
    return rc;
}

static struct phi_view register_key(struct own *o, enum kit_who who, int key)
{
    o->by = kit_actor(o->k, who);
    o->told = honest("webauthn.create", key);
    o->told.flags = 0x45;
    assert_ok(o->k, go(o, run_begin));
    assert_ok(o->k, go(o, run_add));
    return phi_arena_copy(&o->k->keep, o->key.uid);
}

static struct own signing(struct kit *k, struct phi_request r)
{
    struct own o = { .k = k, .which = phi_arena_copy(&k->keep, r.id) };
    o.ballot = (struct phi_ballot){ .approve = true, .digest = phi_arena_copy(&k->keep, r.digest), .version = r.version };
    return o;
}

static enum phi_rc sign(struct own *o, enum kit_who who, int key)
{
    o->by = kit_actor(o->k, who);
    o->told = honest("webauthn.get", key);
    PHI_TRY(go(o, run_text));
    return go(o, run_vote);
}

static enum phi_rc run_in_browser(struct phi_core *c, struct own *o, struct phi_err *err)
{
    struct phi_session_how how = { .kind = PHI_LIT("web") };
    struct phi_session s;
    return phi_session_begin(c, &o->k->a, o->by.id, &how, o->token, &s, err);
}

static enum phi_rc run_at_work(struct phi_core *c, struct own *o, struct phi_err *err)
{
    struct phi_session s;
    return phi_session_find(c, &o->k->a, phi_view_of(o->token), &s, err);
}

static void a_browsers_session_ends_idle_and_at_last(void **state)
{
    struct kit *k = *state;
    struct own o = { .k = k, .by = kit_actor(k, KIT_ALICE) };
    assert_ok(k, go(&o, run_in_browser));
    kit_pass(k, PHI_SESSION_IDLE_MS - 1000);
    assert_ok(k, go(&o, run_at_work));
    kit_pass(k, PHI_SESSION_IDLE_MS + 1000);
    assert_no(k, go(&o, run_at_work), PHI_EAUTH, "session.over");
    assert_ok(k, go(&o, run_in_browser));
    for (int64_t hours = 1; hours < PHI_SESSION_MS / 3600000; hours++) {
        kit_pass(k, 3600000);
        assert_ok(k, go(&o, run_at_work));
    }
    kit_pass(k, 3600000); /* never idle, and over all the same */
    assert_no(k, go(&o, run_at_work), PHI_EAUTH, "session.over");
}

static enum phi_rc run_may_change(struct phi_core *c, struct own *o, struct phi_err *err)
{
    return phi_passkey_may_change(c, &o->by, o->strong_ms, o->since_ms, err);
}

static void a_session_that_is_stolen_later_makes_no_first_passkey(void **state)
{
    struct kit *k = *state;
    struct own o = { .k = k, .by = kit_actor(k, KIT_ALICE), .since_ms = k->wall };
    assert_ok(k, go(&o, run_may_change));
    kit_pass(k, 11 * 60 * 1000);
    assert_no(k, go(&o, run_may_change), PHI_EDENIED, "passkey.show");
    o.since_ms = k->wall;
    assert_ok(k, go(&o, run_may_change));
    register_key(&o, KIT_ALICE, 0);
    assert_no(k, go(&o, run_may_change), PHI_EDENIED, "passkey.show"); /* now it must be shown */
    o.strong_ms = k->wall;
    assert_ok(k, go(&o, run_may_change));
}

#define SIGNED "dba: {approve: [{from: 'Group::\"dba\"'}], ttl: 15m, signed: true}\n" TWO

static void a_signed_requirement_takes_the_voters_own_passkey(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    assert_ok(k, kit_bundle(k, "", SIGNED));
    struct phi_request r = stage_ask(k, SQL, "s1");
    struct own o = signing(k, r);
    assert_no(k, kit_vote(k, KIT_BOB, &r, true, 0, &after), PHI_EDENIED, "vote.unsigned");
    assert_no(k, sign(&o, KIT_BOB, 0), PHI_ECONFLICT, "passkey.none");
    register_key(&o, KIT_CAROL, 1);
    register_key(&o, KIT_BOB, 0);
    o.by = kit_actor(k, KIT_BOB);
    assert_ok(k, go(&o, run_text));
    o.told = honest("webauthn.get", 1); /* somebody else's key */
    assert_no(k, go(&o, run_vote), PHI_EDENIED, "passkey.refused");
    o.told = honest("webauthn.get", 0);
    o.told.flip = true;
    assert_no(k, go(&o, run_vote), PHI_EDENIED, "passkey.refused");
    o.told = honest("webauthn.get", 0);
    o.text.nonce = PHI_LIT("another sixteen!"); /* the vote is another than what was signed */
    assert_no(k, go(&o, run_vote), PHI_EDENIED, "passkey.refused");
    assert_ok(k, sign(&o, KIT_BOB, 0));
    assert_int_equal(o.request.status, PHI_REQUEST_APPROVED);
    assert_true(kit_log_has(k, "\"signature\":\"{"));
}

static void a_deny_needs_no_passkey(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    assert_ok(k, kit_bundle(k, "", SIGNED));
    struct phi_request r = stage_ask(k, SQL, "s1");
    assert_ok(k, kit_vote(k, KIT_BOB, &r, false, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_DENIED);
}

static void a_rule_signs_nothing(void **state)
{
    struct kit *k = *state;
    assert_ok(k, kit_bundle(k, "@id(\"auto\") permit (principal == Service::\"auto\", action == phi::Action::\"approve\", resource is Request);\n",
                            "dba: {approve: [{from: ['Group::\"dba\"', 'Service::\"auto\"']}], ttl: 15m, signed: true}\n" TWO));
    assert_int_equal(stage_ask(k, SQL, "s1").n_votes, 0);
}

static void a_key_that_was_removed_no_longer_carries_a_claim(void **state)
{
    struct kit *k = *state;
    struct phi_claim claim;
    assert_ok(k, kit_bundle(k, "", SIGNED));
    struct phi_request r = stage_ask(k, SQL, "s1");
    struct own o = signing(k, r);
    struct phi_view act = phi_arena_copy(&k->keep, r.act);
    struct phi_view first = register_key(&o, KIT_BOB, 0);
    assert_ok(k, sign(&o, KIT_BOB, 0));
    struct phi_view grant = phi_arena_copy(&k->keep, o.request.grant->id);
    register_key(&o, KIT_BOB, 1);
    o.key.uid = first;
    assert_ok(k, go(&o, run_remove));
    assert_rc(k, kit_claim(k, 1, KIT_ALICE, grant, act, "pg:delete", "k1", &claim), PHI_EDENIED);
}

static void what_is_signed_serves_at_its_claim(void **state)
{
    struct kit *k = *state;
    struct phi_claim claim;
    assert_ok(k, kit_bundle(k, "", SIGNED));
    struct phi_request r = stage_ask(k, SQL, "s1");
    struct own o = signing(k, r);
    struct phi_view act = phi_arena_copy(&k->keep, r.act);
    register_key(&o, KIT_BOB, 0);
    assert_ok(k, sign(&o, KIT_BOB, 0));
    assert_ok(k, kit_claim(k, 1, KIT_ALICE, o.request.grant->id, act, "pg:delete", "k1", &claim));
}

static void mfa_is_the_requesters_own_passkey(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    assert_ok(k, kit_bundle(k, "@id(\"strong\") forbid (principal, action in Action::\"pg:write\", resource) unless { context.met.contains(\"me\") };\n",
                            "me: {kind: mfa}\n" DBA));
    struct phi_request r = stage_ask(k, SQL, "s1");
    struct own o = signing(k, r);
    assert_no(k, kit_vote(k, KIT_ALICE, &r, true, 0, &after), PHI_EDENIED, "vote.unsigned");
    assert_no(k, kit_vote(k, KIT_ALICE, &r, false, 0, &after), PHI_EDENIED, "request.self");
    register_key(&o, KIT_BOB, 1);
    register_key(&o, KIT_ALICE, 0);
    o.ballot.requirement = PHI_LIT("me");
    assert_no(k, sign(&o, KIT_BOB, 1), PHI_EDENIED, "request.not-approver"); /* hers, not his */
    o.ballot.requirement = PHI_LIT("dba");
    assert_no(k, sign(&o, KIT_ALICE, 0), PHI_EDENIED, "request.not-approver"); /* his, not hers */
    o.ballot.requirement = PHI_LIT("me");
    assert_ok(k, sign(&o, KIT_ALICE, 0));
    assert_int_equal(o.request.status, PHI_REQUEST_PENDING);
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(after.status, PHI_REQUEST_APPROVED);
}

static int open_keys(void **state)
{
    (void)state;
    keys[0] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    keys[1] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return keys[0] && keys[1] ? 0 : -1;
}

static int close_keys(void **state)
{
    EVP_PKEY_free(keys[0]);
    EVP_PKEY_free(keys[1]);
    return stage_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_change_waits_and_is_made_by_its_approval),
        T(asked_twice_it_is_one_request),
        T(a_change_that_cannot_be_made_leaves_all_as_it_was),
        T(a_change_is_not_asked_for_by_other_ways),
        T(a_right_may_want_a_passkey_shown_lately),
        T(a_session_that_is_stolen_later_makes_no_first_passkey),
        T(a_browsers_session_ends_idle_and_at_last),
        T(a_signed_requirement_takes_the_voters_own_passkey),
        T(a_deny_needs_no_passkey),
        T(a_rule_signs_nothing),
        T(a_key_that_was_removed_no_longer_carries_a_claim),
        T(what_is_signed_serves_at_its_claim),
        T(mfa_is_the_requesters_own_passkey),
    };
    return cmocka_run_group_tests(tests, open_keys, close_keys);
}
