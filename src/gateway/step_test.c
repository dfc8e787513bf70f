#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/step.h"

#define EACH(s, e)                                                                                 \
    for (int s = 0; s < GW_NSTATE; s++)                                                            \
        for (int e = 0; e < GW_NEVENT; e++)

static struct gw_step at(int s, int e)
{
    return gw_step((enum gw_state)s, (enum gw_event)e);
}

static void forwarding_needs_an_allow_or_a_claim(void **unused)
{
    (void)unused;
    EACH(s, e)
    if (at(s, e).act == ACT_FORWARD)
        assert_true((s == GW_JUDGE && e == EV_ALLOW) || (s == GW_ASK && e == EV_ALLOW) ||
                    (s == GW_CLAIM && e == EV_CLAIMED));
}

static void claiming_needs_a_living_target_and_a_probe_needs_a_grant(void **unused)
{
    (void)unused;
    EACH(s, e)
    {
        if (at(s, e).act == ACT_CLAIM)
            assert_true(s == GW_PROBE && e == EV_ALIVE);
        if (at(s, e).act == ACT_PROBE)
            assert_true(e == EV_GRANTED && (s == GW_ASK || s == GW_HELD));
    }
}

static void what_is_held_leaves_only_by_a_decision(void **unused)
{
    (void)unused;
    for (int e = 0; e < GW_NEVENT; e++) {
        struct gw_step step = at(GW_HELD, e);
        assert_true(step.next != GW_RELAY && step.next != GW_COPY && step.next != GW_CLAIM);
        if (step.next == GW_PROBE)
            assert_int_equal(e, EV_GRANTED);
    }
}

static void the_relay_is_entered_only_by_forwarding(void **unused)
{
    (void)unused;
    EACH(s, e)
    if (at(s, e).next == GW_RELAY && s != GW_RELAY)
        assert_int_equal(at(s, e).act, ACT_FORWARD);
}

static void an_ended_right_cuts_in_every_living_state(void **unused)
{
    (void)unused;
    for (int s = 0; s < GW_NSTATE; s++) {
        if (s == GW_DEAD || s == GW_CUT)
            continue;
        assert_true(at(s, EV_END).next == GW_CUT && at(s, EV_END).act == ACT_CUT);
        assert_true(at(s, EV_GONE).next == GW_CUT && at(s, EV_LOST).next == GW_CUT);
    }
}

static void from_the_cut_nothing_comes_back(void **unused)
{
    (void)unused;
    EACH(s, e)
    {
        if (s == GW_CUT)
            assert_true(at(s, e).next == GW_CUT || at(s, e).next == GW_DEAD);
        if (s == GW_DEAD)
            assert_int_equal(at(s, e).next, GW_DEAD);
        if (at(s, e).act == ACT_CLOSE)
            assert_true(s == GW_CUT && e == EV_CUT_DONE);
    }
}

static void unlisted_cells_and_foreign_numbers_kill(void **unused)
{
    (void)unused;
    EACH(s, e)
    if (at(s, e).next == GW_DEAD && at(s, e).act != ACT_CLOSE)
        assert_int_equal(at(s, e).act, ACT_KILL);
    assert_int_equal(at(GW_NSTATE, 0).act, ACT_KILL);
    assert_int_equal(at(0, GW_NEVENT).act, ACT_KILL);
    assert_int_equal(at(-1, 0).act, ACT_KILL);
}

static void every_state_can_reach_its_end(void **unused)
{
    (void)unused;
    int reaches[GW_NSTATE] = { [GW_DEAD] = 1 };
    for (int round = 0; round < GW_NSTATE; round++)
        EACH(s, e)
    if (reaches[at(s, e).next] && at(s, e).act != ACT_KILL)
        reaches[s] = 1;
    for (int s = 0; s < GW_NSTATE; s++)
        assert_true(reaches[s]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forwarding_needs_an_allow_or_a_claim),
        cmocka_unit_test(claiming_needs_a_living_target_and_a_probe_needs_a_grant),
        cmocka_unit_test(what_is_held_leaves_only_by_a_decision),
        cmocka_unit_test(the_relay_is_entered_only_by_forwarding),
        cmocka_unit_test(an_ended_right_cuts_in_every_living_state),
        cmocka_unit_test(from_the_cut_nothing_comes_back),
        cmocka_unit_test(unlisted_cells_and_foreign_numbers_kill),
        cmocka_unit_test(every_state_can_reach_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
