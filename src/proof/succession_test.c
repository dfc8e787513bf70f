#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "proof/succession.h"

static struct phi_key keys[4]; /* the log's, its next, an operator's, somebody's */
static struct phi_succession moved, rotated;

static struct phi_vkey vkey(int k, const char *name)
{
    return (struct phi_vkey){ phi_view_of(name), keys[k].pub };
}

static int set_up(void **state)
{
    uint8_t seed[32] = { 0 };
    (void)state;
    for (int i = 0; i < 4; i++) {
        seed[0] = (uint8_t)(i + 1);
        assert_int_equal(phi_key_from_seed(seed, &keys[i], NULL), PHI_OK);
    }
    rotated = (struct phi_succession){ .kind = PHI_SUCCESSION_ROTATED, .from = vkey(0, "phi.test/log"), .to = vkey(1, "phi.test/log") };
    moved = (struct phi_succession){ .kind = PHI_SUCCESSION_RESTORED, .from = vkey(0, "phi.test/log"), .to = vkey(1, "phi.test/log/r1"),
                                     .size = 42, .root = phi_sha256(PHI_LIT("x")) };
    return 0;
}

/* The text signed by two keys. */
static void sign(struct phi_buf *note, const struct phi_succession *s, int k1, const char *n1, int k2, const char *n2)
{
    PHI_BUF(text, 4096);
    PHI_BUF(second, 4096);
    phi_succession_write(&text, s);
    phi_buf_clear(note);
    assert_int_equal(phi_note_sign(note, phi_buf_view(&text), phi_view_of(n1), &keys[k1], NULL), PHI_OK);
    if (k2 < 0)
        return;
    assert_int_equal(phi_note_sign(&second, phi_buf_view(&text), phi_view_of(n2), &keys[k2], NULL), PHI_OK);
    phi_buf_add(note, phi_view_from(phi_buf_view(&second), text.n + 1));
}

static enum phi_rc lead(struct phi_buf *note, int have, bool pinned)
{
    struct phi_vkey from = vkey(have, "phi.test/log"), op = vkey(2, "ops");
    struct phi_succession got;
    enum phi_rc rc = phi_succession_open(phi_buf_view(note), &from, &op, pinned, &got, NULL);
    if (rc == PHI_OK)
        assert_memory_equal(got.to.pub.b, keys[1].pub.b, 32);
    return rc;
}

static void a_rotation_needs_both_keys(void **state)
{
    PHI_BUF(note, 8192);
    (void)state;
    sign(&note, &rotated, 0, "phi.test/log", 1, "phi.test/log");
    assert_int_equal(lead(&note, 0, false), PHI_OK);
    assert_int_equal(lead(&note, 3, false), PHI_EDENIED);
    sign(&note, &rotated, 0, "phi.test/log", -1, NULL);
    assert_int_equal(lead(&note, 0, true), PHI_EDENIED);
    sign(&note, &rotated, 1, "phi.test/log", -1, NULL);
    assert_int_equal(lead(&note, 0, true), PHI_EDENIED);
    sign(&note, &rotated, 2, "ops", 1, "phi.test/log");
    assert_int_equal(lead(&note, 0, true), PHI_EDENIED);
}

static void a_new_origin_needs_an_operator_that_is_pinned(void **state)
{
    PHI_BUF(note, 8192);
    (void)state;
    sign(&note, &moved, 2, "ops", -1, NULL);
    assert_int_equal(lead(&note, 0, true), PHI_OK);
    assert_int_equal(lead(&note, 0, false), PHI_EDENIED);
    sign(&note, &moved, 0, "phi.test/log", 1, "phi.test/log/r1"); /* the log's own keys are not enough */
    assert_int_equal(lead(&note, 0, true), PHI_EDENIED);
    sign(&note, &moved, 3, "ops", -1, NULL);
    assert_int_equal(lead(&note, 0, true), PHI_EDENIED);
}

static void every_changed_byte_is_refused(void **state)
{
    PHI_BUF(note, 8192);
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        sign(&note, kind ? &moved : &rotated, kind ? 2 : 0, kind ? "ops" : "phi.test/log", kind ? -1 : 1, "phi.test/log");
        for (size_t i = 0; i < note.n; i++)
            for (int bit = 0; bit < 8; bit++) {
                note.p[i] ^= (uint8_t)(1 << bit);
                assert_int_not_equal(lead(&note, 0, true), PHI_OK);
                note.p[i] ^= (uint8_t)(1 << bit);
            }
        assert_int_equal(lead(&note, 0, true), PHI_OK);
    }
}

static void only_one_spelling_is_read(void **state)
{
    PHI_BUF(text, 4096);
    struct phi_succession got;
    (void)state;
    phi_succession_write(&text, &moved);
    assert_int_equal(phi_succession_read(phi_buf_view(&text), &got, NULL), PHI_OK);
    assert_int_equal(got.size, 42);
    phi_buf_addc(&text, '\n');
    assert_int_equal(phi_succession_read(phi_buf_view(&text), &got, NULL), PHI_EINPUT);
    for (size_t n = 0; n + 1 < text.n; n++)
        assert_int_equal(phi_succession_read(phi_view_upto(phi_buf_view(&text), n), &got, NULL), PHI_EINPUT);
    struct phi_succession same = rotated;
    same.to = same.from;
    phi_buf_clear(&text);
    phi_succession_write(&text, &same);
    assert_int_equal(phi_succession_read(phi_buf_view(&text), &got, NULL), PHI_EINPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_needs_both_keys),
        cmocka_unit_test(a_new_origin_needs_an_operator_that_is_pinned),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(only_one_spelling_is_read),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
