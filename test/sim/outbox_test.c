/* What people are told: a message is there when its cause is committed, is sent at least once under one name, changes when its
 * request does, and is dropped, held or given up by rules that do not depend on which phid sends. Over each store. */
#include "core/channel.h"
#include "core/known.h"
#include "core/outbox.h"
#include "stage.h"

/* ---- calls */

struct call {
    struct kit *k;
    enum kit_who who;
    const char *a, *b, *c;
    bool on;
    struct phi_message *m;
    size_t n;
    int64_t next_ms;
    struct phi_sent sent;
    struct phi_letter *letter;
    enum phi_message_status status;
    struct phi_view id;
    struct phi_channel channel;
};

static enum phi_rc run(struct kit *k, enum phi_rc (*fn)(struct phi_core *, void *, struct phi_err *), struct call *c)
{
    c->k = k;
    enum phi_rc rc = phi_core_do(k->core, fn, c, &k->err);
    k->why = phi_core_why(k->core);
    return rc;
}

static enum phi_rc channel_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct call *c = arg;
    struct phi_actor by = kit_actor(c->k, c->who);
    return phi_channel_put(core, &c->k->a, &by, phi_view_of(c->a), phi_view_of(c->b), phi_view_of(c->c), err);
}

static enum phi_rc channel(struct kit *k, const char *name, const char *kind, const char *settings)
{
    return run(k, channel_run, &(struct call){ .a = name, .b = kind, .c = settings });
}

static enum phi_rc switch_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct call *c = arg;
    struct phi_actor by = kit_actor(c->k, c->who);
    return phi_channel_switch(core, &c->k->a, &by, phi_view_of(c->a), c->on, PHI_LIT("tested"), err);
}

static enum phi_rc contact_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct call *c = arg;
    struct phi_actor by = kit_actor(c->k, KIT_ROOT);
    return phi_contact_put(core, &c->k->a, &by, c->k->person[c->who], phi_view_of(c->a), phi_view_of(c->b), err);
}

static enum phi_rc contact(struct kit *k, enum kit_who who, const char *kind, const char *address)
{
    return run(k, contact_run, &(struct call){ .who = who, .a = kind, .b = address });
}

static size_t plenty(void *self, struct phi_view name)
{
    (void)self, (void)name;
    return 100;
}

static enum phi_rc take_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct call *c = arg;
    struct phi_outbox_room room = { NULL, plenty };
    return phi_outbox_take(core, &c->k->a, &room, &c->m, &c->n, &c->next_ms, err);
}

static struct call take(struct kit *k)
{
    struct call c = { 0 };
    assert_ok(k, run(k, take_run, &c));
    return c;
}

static enum phi_rc report_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct call *c = arg;
    return phi_outbox_report(core, &c->k->a, &c->sent, err);
}

static enum phi_rc report(struct kit *k, const struct phi_message *m, enum phi_sent_how how, const char *ref)
{
    return run(k, report_run, &(struct call){ .sent = { .id = m->id, .lease = m->lease, .content = m->content, .how = how,
                                                        .ref = phi_view_of(ref), .error = PHI_LIT("refused by the test") } });
}

static enum phi_rc list_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct call *c = arg;
    struct phi_actor by = kit_actor(c->k, c->who);
    struct phi_page page = { .limit = 100 };
    return phi_outbox_list(core, &c->k->a, &by, c->status, &page, &c->letter, &c->n, err);
}

static size_t letters(struct kit *k, enum kit_who who, enum phi_message_status status)
{
    struct call c = { .who = who, .status = status };
    assert_ok(k, run(k, list_run, &c));
    return c.n;
}

static enum phi_rc get_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct call *c = arg;
    struct phi_actor by = kit_actor(c->k, KIT_ROOT);
    return phi_channel_get(core, &c->k->a, &by, phi_view_of(c->a), &c->channel, err);
}

static struct phi_channel state_of(struct kit *k, const char *name)
{
    struct call c = { .a = name };
    assert_ok(k, run(k, get_run, &c));
    return c.channel;
}

static struct phi_request ask(struct kit *k, const char *session)
{
    struct phi_request_answer ans;
    char sql[64];
    snprintf(sql, sizeof sql, "DELETE FROM orders WHERE id = %d /* %s */", 7, session);
    assert_ok(k, kit_ask(k, 1, KIT_ALICE, sql, "pg:delete", session, &ans));
    assert_int_equal(ans.kind, PHI_ANSWER_PENDING);
    return ans.request;
}

/* The message for this person, "" for the channel's readers. */
static const struct phi_message *to(const struct call *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (phi_view_is(c->m[i].name, name))
            return &c->m[i];
    return NULL;
}

static int prepared(struct kit *k)
{
    static const struct {
        enum kit_who who;
        const char *mail;
    } at[] = { { KIT_ALICE, "alice@example.test" }, { KIT_BOB, "bob@example.test" }, { KIT_CAROL, "carol@example.test" } };
    if (channel(k, "mail", "email", "{\"from\":\"phi@example.test\"}") != PHI_OK)
        return -1;
    for (size_t i = 0; i < 3; i++)
        if (contact(k, at[i].who, "email", at[i].mail) != PHI_OK)
            return -1;
    return 0;
}

static int with_mem(void **state)
{
    return over_mem(state) ? -1 : prepared(*state);
}

static int with_sqlite(void **state)
{
    return over_sqlite(state) ? -1 : prepared(*state);
}

static int with_pgsql(void **state)
{
    return over_pgsql(state) ? -1 : prepared(*state);
}

/* ---- who is told */

static void approvers_are_asked_and_the_asker_hears_the_outcome(void **state)
{
    struct kit *k = *state;
    struct phi_request after, r = ask(k, "s1");
    struct call c = take(k);
    assert_int_equal(c.n, 2); /* dora has no address */
    const struct phi_message *bob = to(&c, "bob"), *carol = to(&c, "carol");
    assert_non_null(bob);
    assert_non_null(carol);
    assert_true(phi_view_is(bob->what, "request.created") && phi_view_is(bob->address, "bob@example.test"));
    assert_true(bob->request && bob->request->can_vote && phi_view_eq(bob->request->id, r.id));
    assert_ok(k, report(k, bob, PHI_SENT_OK, "<1@phi>"));
    assert_ok(k, kit_vote(k, KIT_DORA, &r, true, 0, &after));
    struct call d = take(k);
    const struct phi_message *alice = to(&d, "alice"), *again = to(&d, "bob");
    assert_non_null(alice);
    assert_true(phi_view_is(alice->what, "request.approved"));
    assert_non_null(again); /* what bob has says now how it ended, under its own name */
    assert_true(phi_view_eq(again->id, bob->id) && phi_view_is(again->ref, "<1@phi>") &&
                phi_view_is(again->what, "request.approved"));
    assert_ok(k, report(k, alice, PHI_SENT_OK, "<2@phi>"));
    assert_ok(k, report(k, again, PHI_SENT_OK, ""));
    assert_ok(k, report(k, carol, PHI_SENT_OK, "<3@phi>")); /* was on its way when the request ended: changed after */
    struct call e = take(k);
    assert_int_equal(e.n, 1);
    assert_true(phi_view_is(e.m[0].name, "carol") && phi_view_is(e.m[0].what, "request.approved"));
    assert_ok(k, report(k, &e.m[0], PHI_SENT_OK, ""));
    assert_int_equal(state_of(k, "mail").waiting, 0);
    assert_int_equal(letters(k, KIT_ROOT, PHI_MESSAGE_SENT), 0);
}

static void what_never_left_is_not_sent_once_it_is_over(void **state)
{
    struct kit *k = *state;
    struct phi_request r = ask(k, "s1");
    assert_ok(k, kit_leave(k, 1, r.id, "s1"));
    assert_int_equal(take(k).n, 0); /* who left knows */
    assert_int_equal(state_of(k, "mail").waiting, 0);
}

static void without_a_channel_nothing_is_kept(void **state)
{
    struct kit *k = *state;
    struct call c = { .a = "mail" };
    assert_ok(k, run(k, switch_run, &c));
    ask(k, "s1");
    assert_int_equal(take(k).n, 0); /* off: it waits */
    assert_int_equal(state_of(k, "mail").waiting, 2);
    c.on = true;
    assert_ok(k, run(k, switch_run, &c));
    assert_int_equal(take(k).n, 2);
}

static void reminders_go_to_who_has_not_voted(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    int64_t next;
    assert_ok(k, kit_bundle(k, "", "dba: {approve: [{from: 'Group::\"dba\"', count: 2}], ttl: 15m, pending_ttl: 1h, remind: 5m}\n"
                                   "two-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}], ttl: 15m}\n"));
    struct phi_request r = ask(k, "s1");
    struct call c = take(k);
    assert_int_equal(c.n, 2);
    assert_ok(k, report(k, &c.m[0], PHI_SENT_OK, "<1@phi>"));
    assert_ok(k, report(k, &c.m[1], PHI_SENT_OK, "<2@phi>"));
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after));
    assert_int_equal(take(k).n, 0);
    kit_pass(k, 5 * 60 * 1000 + 1);
    assert_ok(k, kit_tick(k, &next));
    struct call d = take(k);
    assert_int_equal(d.n, 1);
    assert_true(phi_view_is(d.m[0].name, "carol") && phi_view_is(d.m[0].what, "request.reminder"));
}

static void the_fallback_is_asked_when_its_time_has_come(void **state)
{
    struct kit *k = *state;
    int64_t next;
    assert_ok(k, contact(k, KIT_ROOT, "email", "root@example.test"));
    assert_ok(k, kit_bundle(k, "@id(\"adm\") permit (principal in Group::\"admin\", action == phi::Action::\"approve\", resource is Request);\n",
                            "dba: {approve: [{from: 'Group::\"dba\"'}], ttl: 15m, pending_ttl: 1h, fallback: {after: 10m, from: 'Group::\"admin\"'}}\n"
                            "two-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}], ttl: 15m}\n"));
    ask(k, "s1");
    struct call c = take(k);
    assert_null(to(&c, "root"));
    for (size_t i = 0; i < c.n; i++)
        assert_ok(k, report(k, &c.m[i], PHI_SENT_OK, "<1@phi>"));
    kit_pass(k, 10 * 60 * 1000 + 1);
    assert_ok(k, kit_tick(k, &next));
    struct call d = take(k);
    assert_int_equal(d.n, 1);
    assert_true(phi_view_is(d.m[0].name, "root") && d.m[0].request->can_vote);
}

static void webhooks_get_every_event_once_in_order(void **state)
{
    struct kit *k = *state;
    struct phi_request after;
    assert_ok(k, channel(k, "hook", "webhook", "{}"));
    assert_ok(k, channel(k, "few", "webhook", "{\"events\":[\"request.denied\"]}"));
    struct phi_request r = ask(k, "s1");
    assert_ok(k, kit_vote(k, KIT_BOB, &r, false, 0, &after));
    struct call c = take(k);
    const char *want[] = { "request.created", "request.denied" };
    size_t hook = 0, few = 0;
    for (size_t i = 0; i < c.n; i++) {
        if (phi_view_is(c.m[i].channel, "few"))
            assert_true(phi_view_is(c.m[i].what, "request.denied") && ++few);
        if (!phi_view_is(c.m[i].channel, "hook"))
            continue;
        assert_true(phi_view_is(c.m[i].what, want[hook]));
        hook++;
    }
    assert_int_equal(hook, 2);
    assert_int_equal(few, 1);
}

static void a_broken_glass_is_told_to_all_who_answer_for_it(void **state)
{
    struct kit *k = *state;
    struct phi_request_answer ans;
    assert_ok(k, contact(k, KIT_ROOT, "email", "root@example.test"));
    assert_ok(k, kit_bundle(k, "@id(\"glass\") permit (principal in Group::\"dev\", action in Action::\"pg:write\", resource)\n"
                               "when { context.met.contains(\"glass\") };\n",
                            "dba: {approve: [{from: 'Group::\"dba\"'}], ttl: 15m}\n"
                            "two-dbas: {approve: [{from: 'Group::\"dba\"', count: 2}], ttl: 15m}\n"
                            "glass: {kind: break-glass, approve: [{from: 'Group::\"dba\"'}], ttl: 30m}\n"));
    struct phi_request_ask a = kit_scope_of(k, "shop/public.orders");
    a.break_glass = true;
    a.why = PHI_LIT("the shop is down");
    assert_ok(k, kit_make(k, KIT_ALICE, &a, &ans));
    struct call c = take(k);
    assert_non_null(to(&c, "root"));
    assert_non_null(to(&c, "bob"));
    assert_non_null(to(&c, "carol"));
    assert_null(to(&c, "alice"));
    for (size_t i = 0; i < c.n; i++)
        assert_true(phi_view_is(c.m[i].what, "request.break-glass"));
}

/* ---- sending */

static void a_crash_between_commit_and_send_loses_nothing(void **state)
{
    struct kit *k = *state;
    ask(k, "s1");
    assert_ok(k, kit_reopen(k)); /* before anything was taken */
    struct call c = take(k);
    assert_int_equal(c.n, 2);
    char id[PHI_ID_LEN + 1];
    snprintf(id, sizeof id, PHI_FMT, PHI_ARG(c.m[0].id));
    assert_ok(k, kit_reopen(k)); /* while it was on its way */
    if (k->store->ops->lease) {  /* another phid may be sending it */
        assert_int_equal(take(k).n, 0);
        kit_pass(k, PHI_OUTBOX_LEASE_MS);
    }
    struct call d = take(k);
    assert_int_equal(d.n, 2); /* again, under the same names */
    assert_true(phi_view_is(d.m[0].id, id) || phi_view_is(d.m[1].id, id));
}

static void who_lost_the_lease_is_not_heard(void **state)
{
    struct kit *k = *state;
    ask(k, "s1");
    struct call slow = take(k);
    assert_int_equal(take(k).n, 0);
    kit_pass(k, PHI_OUTBOX_LEASE_MS);
    struct call fast = take(k);
    assert_int_equal(fast.n, slow.n);
    const struct phi_message *was = to(&slow, "bob"), *is = to(&fast, "bob");
    assert_rc(k, report(k, was, PHI_SENT_NEVER, ""), PHI_ECONFLICT);
    assert_string_equal(k->why, "message.lease");
    assert_ok(k, report(k, is, PHI_SENT_OK, "<1@phi>"));
    assert_rc(k, report(k, is, PHI_SENT_OK, "<1@phi>"), PHI_ECONFLICT);
    assert_int_equal(letters(k, KIT_ROOT, PHI_MESSAGE_DEAD), 0);
}

static void it_is_tried_later_and_later_then_it_is_a_dead_letter(void **state)
{
    struct kit *k = *state;
    int64_t waited = 0;
    ask(k, "s1");
    for (int i = 0; i < PHI_OUTBOX_TRIES; i++) {
        struct call c = take(k);
        for (int hours = 0; !to(&c, "bob") && hours < 100000; hours++) {
            kit_pass(k, 1000);
            waited += 1000;
            k->boot -= 1000; /* the request's own end is another matter */
            kit_forget(k);
            c = take(k);
        }
        const struct phi_message *bob = to(&c, "bob");
        assert_non_null(bob);
        assert_int_equal(bob->tries, i);
        assert_ok(k, report(k, bob, PHI_SENT_LATER, ""));
    }
    assert_true(waited > 3 * 3600 * 1000LL); /* at least half of each step */
    assert_int_equal(letters(k, KIT_ROOT, PHI_MESSAGE_DEAD), 1);
    assert_int_equal(letters(k, KIT_BOB, PHI_MESSAGE_DEAD), 1); /* it is his */
    assert_int_equal(letters(k, KIT_ALICE, PHI_MESSAGE_DEAD), 0);
    assert_int_equal(state_of(k, "mail").dead, 1);
}

static enum phi_rc resend_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct call *c = arg;
    struct phi_actor by = kit_actor(c->k, c->who);
    return phi_outbox_resend(core, &c->k->a, &by, c->id, err);
}

static void a_dead_letter_is_sent_again_by_whom_it_concerns(void **state)
{
    struct kit *k = *state;
    ask(k, "s1");
    struct call c = take(k);
    const struct phi_message *bob = to(&c, "bob");
    assert_ok(k, report(k, bob, PHI_SENT_NEVER, ""));
    assert_rc(k, run(k, resend_run, &(struct call){ .who = KIT_ALICE, .id = bob->id }), PHI_ENOTFOUND);
    assert_ok(k, run(k, resend_run, &(struct call){ .who = KIT_BOB, .id = bob->id }));
    struct call d = take(k);
    assert_int_equal(d.n, 1);
    assert_true(phi_view_eq(d.m[0].id, bob->id));
    assert_int_equal(letters(k, KIT_ROOT, PHI_MESSAGE_DEAD), 0);
}

static void a_channel_that_is_gone_is_switched_off(void **state)
{
    struct kit *k = *state;
    assert_ok(k, channel(k, "hook", "webhook", "{}"));
    ask(k, "s1");
    struct call c = take(k);
    assert_ok(k, report(k, to(&c, ""), PHI_SENT_GONE, ""));
    struct phi_channel ch = state_of(k, "hook");
    assert_false(ch.live);
    assert_int_equal(ch.dead, 1);
    assert_true(kit_log_has(k, "channel.switched"));
}

static void failures_in_a_row_pause_a_channel_and_no_other(void **state)
{
    struct kit *k = *state;
    char session[8];
    assert_ok(k, channel(k, "hook", "webhook", "{}"));
    for (int i = 0; i < 4; i++) {
        snprintf(session, sizeof session, "s%d", i);
        ask(k, session);
    }
    struct call c = take(k);
    for (size_t i = 0; i < c.n; i++)
        assert_ok(k, phi_view_is(c.m[i].channel, "hook") ? report(k, &c.m[i], PHI_SENT_LATER, "")
                                                         : report(k, &c.m[i], PHI_SENT_OK, "<1@phi>"));
    assert_true(state_of(k, "hook").paused_ms > 0);
    assert_int_equal(state_of(k, "mail").paused_ms, 0);
}

/* ---- not too many */

static void many_prompts_in_a_row_come_as_one_digest(void **state)
{
    struct kit *k = *state;
    char session[8];
    for (int i = 0; i < PHI_PROMPTS_MAX + 7; i++) {
        snprintf(session, sizeof session, "s%d", i);
        ask(k, session);
    }
    struct call c = take(k);
    size_t bob = 0;
    for (size_t i = 0; i < c.n; i++) {
        bob += phi_view_is(c.m[i].name, "bob");
        assert_ok(k, report(k, &c.m[i], PHI_SENT_OK, "<1@phi>"));
    }
    assert_int_equal(bob, PHI_PROMPTS_MAX);
    kit_pass(k, PHI_PROMPTS_MS);
    struct call d = take(k);
    assert_int_equal(d.n, 2); /* one each */
    assert_true(phi_view_is(d.m[0].what, "digest"));
    assert_int_equal(d.m[0].n_digest, 7);
    assert_ok(k, report(k, &d.m[0], PHI_SENT_OK, "<2@phi>"));
    assert_ok(k, report(k, &d.m[1], PHI_SENT_OK, "<3@phi>"));
    assert_int_equal(letters(k, KIT_ROOT, PHI_MESSAGE_HELD), 0);
    assert_int_equal(state_of(k, "mail").waiting, 0);
}

static void more_than_may_wait_are_counted_and_nobody_is_kept_from_asking(void **state)
{
    struct kit *k = *state;
    struct core_channel_state_row st = { .channel = PHI_LIT("mail"), .waiting = PHI_MAX_OUTBOX };
    const struct phi_store_ops *s = k->store->ops;
    assert_ok(k, s->begin(k->store->self, &k->err));
    enum phi_rc rc = s->set(k->store->self, CORE_CHANNEL_STATE, &st, &k->err);
    if (rc == PHI_ENOTFOUND)
        rc = s->add(k->store->self, CORE_CHANNEL_STATE, &st, &k->err);
    assert_int_equal(rc, PHI_OK);
    assert_ok(k, s->commit(k->store->self, &k->err));
    ask(k, "s1");
    assert_int_equal(state_of(k, "mail").dropped, 2);
}

static void quiet_hours_are_kept(void **state)
{
    struct kit *k = *state;
    int64_t minute = k->wall / 60000 % 1440;
    struct phi_profile p = { .quiet_from_min = minute, .quiet_to_min = (minute + 120) % 1440, .quiet_days = 0x7f };
    assert_ok(k, kit_profile(k, KIT_BOB, &p));
    struct phi_request after, r = ask(k, "s1");
    struct call c = take(k);
    assert_int_equal(c.n, 1);
    assert_true(phi_view_is(c.m[0].name, "carol"));
    assert_ok(k, report(k, &c.m[0], PHI_SENT_OK, "<1@phi>"));
    assert_ok(k, kit_vote(k, KIT_BOB, &r, true, 0, &after)); /* they may vote all the same */
    kit_pass(k, 121 * 60000);
    struct call d = take(k);
    assert_null(to(&d, "bob")); /* it was over before it left */
}

/* ---- who may, and what is kept of people */

static void only_operators_set_channels_and_only_the_log_says_when(void **state)
{
    struct kit *k = *state;
    struct call c = { .who = KIT_ALICE, .a = "mine", .b = "webhook", .c = "{}" };
    assert_rc(k, run(k, channel_run, &c), PHI_EDENIED);
    assert_true(kit_log_has(k, "channel.set"));
    assert_true(kit_log_has(k, "contact.set"));
    assert_false(kit_log_has(k, "bob@example.test"));
    assert_rc(k, contact(k, KIT_DORA, "email", "bob@example.test"), PHI_ECONFLICT); /* his already */
    static const char *const bad[] = { "x", "a@b@c", "@b", "a@", "a b@c", "a@b\nRCPT TO:<x@y>", "-a@b", "a@b,c@d", "<a@b>" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_rc(k, contact(k, KIT_DORA, "email", bad[i]), PHI_EINPUT);
}

static void a_channel_changed_by_hand_is_not_used(void **state)
{
    struct kit *k = *state;
    PHI_ARENA(a, 1 << 20);
    const struct phi_store_ops *s = k->store->ops;
    struct core_channel_row row, key = { .name = PHI_LIT("mail") };
    assert_ok(k, s->begin(k->store->self, &k->err));
    assert_ok(k, s->get(k->store->self, CORE_CHANNEL, CORE_BY_KEY, &key, &a, &row, &k->err));
    row.settings = PHI_LIT("{\"from\":\"mallory@example.test\"}");
    row.rev++;
    assert_ok(k, s->set(k->store->self, CORE_CHANNEL, &row, &k->err));
    assert_ok(k, s->commit(k->store->self, &k->err));
    ask(k, "s1"); /* and nobody is kept from asking */
    assert_int_equal(take(k).n, 0);
}

struct once {
    struct kit *k;
    struct phi_digest hash;
};

static enum phi_rc once_run(struct phi_core *core, void *arg, struct phi_err *err)
{
    struct once *o = arg;
    return phi_callback_once(core, &o->k->a, &o->hash, err);
}

static void a_callback_counts_once(void **state)
{
    struct kit *k = *state;
    struct once o = { k, phi_sha256(PHI_LIT("callback")) };
    assert_ok(k, phi_core_do(k->core, once_run, &o, &k->err));
    assert_rc(k, phi_core_do(k->core, once_run, &o, &k->err), PHI_ECONFLICT);
    assert_ok(k, kit_reopen(k));
    assert_rc(k, phi_core_do(k->core, once_run, &o, &k->err), PHI_ECONFLICT);
}

#define BOTH(f) OVER(with_mem, f), OVER(with_sqlite, f)
#define EACH(f) BOTH(f), OVER(with_pgsql, f)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(approvers_are_asked_and_the_asker_hears_the_outcome),
        BOTH(what_never_left_is_not_sent_once_it_is_over),
        BOTH(without_a_channel_nothing_is_kept),
        BOTH(reminders_go_to_who_has_not_voted),
        BOTH(the_fallback_is_asked_when_its_time_has_come),
        BOTH(webhooks_get_every_event_once_in_order),
        BOTH(a_broken_glass_is_told_to_all_who_answer_for_it),
        EACH(a_crash_between_commit_and_send_loses_nothing),
        EACH(who_lost_the_lease_is_not_heard),
        OVER(with_mem, it_is_tried_later_and_later_then_it_is_a_dead_letter),
        BOTH(a_dead_letter_is_sent_again_by_whom_it_concerns),
        BOTH(a_channel_that_is_gone_is_switched_off),
        BOTH(failures_in_a_row_pause_a_channel_and_no_other),
        EACH(many_prompts_in_a_row_come_as_one_digest),
        BOTH(quiet_hours_are_kept),
        BOTH(more_than_may_wait_are_counted_and_nobody_is_kept_from_asking),
        BOTH(only_operators_set_channels_and_only_the_log_says_when),
        BOTH(a_channel_changed_by_hand_is_not_used),
        EACH(a_callback_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, stage_end);
}
