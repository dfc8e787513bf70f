#include "proof/note.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct phi_key key, other;
static struct phi_vkey vk = { .name = { (const uint8_t *)"log.example/1", 13 } };

static int setup(void **state)
{
    (void)state;
    vk.name = PHI_LIT("log.example/1");
    if (phi_key_make(&key, NULL) != PHI_OK || phi_key_make(&other, NULL) != PHI_OK)
        return -1;
    vk.pub = key.pub;
    return 0;
}

static void a_note_opens_with_its_key_only(void **unused)
{
    (void)unused;
    PHI_BUF(note, 4096);
    struct phi_view text;
    struct phi_vkey wrong = { vk.name, other.pub }, renamed = { PHI_LIT("log.example/2"), key.pub };
    assert_int_equal(phi_note_sign(&note, PHI_LIT("a\n\nb\n"), vk.name, &key, NULL), PHI_OK);
    assert_int_equal(phi_note_open(phi_buf_view(&note), &vk, &text, NULL), PHI_OK);
    assert_true(phi_view_is(text, "a\n\nb\n"));
    assert_int_equal(phi_note_open(phi_buf_view(&note), &wrong, &text, NULL), PHI_EDENIED);
    assert_int_equal(phi_note_open(phi_buf_view(&note), &renamed, &text, NULL), PHI_EDENIED);
}

static void every_changed_byte_refuses_the_note(void **unused)
{
    (void)unused;
    PHI_BUF(note, 4096);
    struct phi_checkpoint c = { vk.name, 7, { { 9 } } }, back;
    assert_int_equal(phi_checkpoint_sign(&note, &c, &key, NULL), PHI_OK);
    assert_int_equal(phi_checkpoint_open(phi_buf_view(&note), &vk, &back, NULL), PHI_OK);
    for (size_t i = 0; i < note.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            note.p[i] ^= (uint8_t)(1 << bit);
            assert_int_not_equal(phi_checkpoint_open(phi_buf_view(&note), &vk, &back, NULL), PHI_OK);
            note.p[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t n = 0; n < note.n; n++)
        assert_int_not_equal(phi_checkpoint_open(phi_view_upto(phi_buf_view(&note), n), &vk, &back, NULL), PHI_OK);
}

static void other_signatures_are_ignored_and_a_false_one_of_ours_refuses(void **unused)
{
    (void)unused;
    PHI_BUF(note, 4096);
    PHI_BUF(extra, 4096);
    struct phi_view text;
    phi_note_sign(&note, PHI_LIT("a\n"), vk.name, &key, NULL);
    phi_note_sign(&extra, PHI_LIT("b\n"), PHI_LIT("witness.example"), &other, NULL);
    phi_buf_add(&note, phi_view_from(phi_buf_view(&extra), 3)); /* its signature line: over another text, of an unknown key */
    assert_int_equal(phi_note_open(phi_buf_view(&note), &vk, &text, NULL), PHI_OK);
    phi_buf_clear(&extra);
    phi_note_sign(&extra, PHI_LIT("b\n"), vk.name, &key, NULL);
    phi_buf_add(&note, phi_view_from(phi_buf_view(&extra), 3));
    assert_int_equal(phi_note_open(phi_buf_view(&note), &vk, &text, NULL), PHI_EDENIED);
}

static void malformed_checkpoints_are_refused(void **unused)
{
    (void)unused;
    static const char *const bad[] = { "", "o\n", "o\n1\n", "o\n01\nAAAA\n", "o\n1\nAAAA\n", "\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                                       "o\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "o\n-0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                                       "o\n+1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "o\n4611686018427387905\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                                       "o\n\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "o\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" };
    struct phi_checkpoint c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (phi_checkpoint_read(phi_view_of(bad[i]), &c, NULL) != PHI_EINPUT)
            fail_msg("read all the same: %s", bad[i]);
    assert_int_equal(phi_checkpoint_read(PHI_LIT("o\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"), &c, NULL), PHI_OK);
}

static void keys_survive_pem_and_lines(void **unused)
{
    (void)unused;
    PHI_BUF(pem, 4096);
    PHI_BUF(pub, 4096);
    PHI_BUF(line, 1024);
    struct phi_key k;
    struct phi_pubkey p;
    struct phi_vkey v;
    assert_int_equal(phi_key_pem(&key, &pem, NULL), PHI_OK);
    assert_int_equal(phi_key_from_pem(phi_buf_view(&pem), &k, NULL), PHI_OK);
    assert_memory_equal(&k, &key, sizeof k);
    assert_int_equal(phi_pubkey_pem(&key.pub, &pub, NULL), PHI_OK);
    assert_int_equal(phi_pubkey_from_pem(phi_buf_view(&pub), &p, NULL), PHI_OK);
    assert_memory_equal(&p, &key.pub, sizeof p);
    assert_int_equal(phi_key_from_pem(phi_buf_view(&pub), &k, NULL), PHI_EINPUT);
    assert_int_equal(phi_pubkey_from_pem(PHI_LIT("nonsense"), &p, NULL), PHI_EINPUT);
    phi_vkey_write(&line, &vk);
    phi_buf_adds(&line, "\n");
    assert_int_equal(phi_vkey_read(phi_buf_view(&line), &v, NULL), PHI_OK);
    assert_true(phi_view_eq(v.name, vk.name));
    line.p[vk.name.n + 1] ^= 1; /* the id no longer fits */
    assert_int_equal(phi_vkey_read(phi_buf_view(&line), &v, NULL), PHI_EINPUT);
    assert_false(phi_vkey_name_ok(PHI_LIT("")) || phi_vkey_name_ok(PHI_LIT("a b")) || phi_vkey_name_ok(PHI_LIT("a+b")) ||
                 phi_vkey_name_ok(PHI_LIT("a\xe2\x80\x83" "b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_opens_with_its_key_only),
        cmocka_unit_test(every_changed_byte_refuses_the_note),
        cmocka_unit_test(other_signatures_are_ignored_and_a_false_one_of_ours_refuses),
        cmocka_unit_test(malformed_checkpoints_are_refused),
        cmocka_unit_test(keys_survive_pem_and_lines),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
