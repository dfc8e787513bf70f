#include "guard/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "guard/signer_proto.h"
#include "proof/succession.h"

#define MOST 40

struct world {
    char dir[64], key[96], state[96];
    struct phi_signer_conf conf;
    struct phi_tree tree;
    struct phi_digest node[8][MOST];
    size_t n[8];
    struct phi_digest root[MOST + 1];
};

static void put(void *ctx, unsigned level, uint64_t index, const struct phi_digest *h)
{
    struct world *w = ctx;
    w->node[level][index] = *h;
    w->n[level]++;
}

static enum phi_rc get(void *ctx, unsigned level, uint64_t index, struct phi_digest *ret)
{
    const struct world *w = ctx;
    if (level >= 8 || index >= w->n[level])
        return PHI_ENOTFOUND;
    *ret = w->node[level][index];
    return PHI_OK;
}

static void grow(struct world *w, char salt)
{
    w->tree = (struct phi_tree){ 0 };
    memset(w->n, 0, sizeof w->n);
    w->root[0] = phi_tree_root(&w->tree);
    for (int i = 0; i < MOST; i++) {
        char text[2] = { (char)i, salt };
        struct phi_digest leaf = phi_leaf_hash(phi_view_mem(text, 2));
        phi_tree_append(&w->tree, &leaf, put, w);
        w->root[i + 1] = phi_tree_root(&w->tree);
    }
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "%s/phi-signer-XXXXXX", P_tmpdir);
    if (!mkdtemp(w->dir))
        return -1;
    snprintf(w->key, sizeof w->key, "%s/log.key", w->dir);
    snprintf(w->state, sizeof w->state, "%s/log.state", w->dir);
    w->conf = (struct phi_signer_conf){ .key_path = w->key, .state_path = w->state, .origin = "log.example/1" };
    grow(w, 'a');
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char next[400];
    snprintf(next, sizeof next, "%s.next", w->key);
    unlink(next);
    unlink(w->key);
    unlink(w->state);
    rmdir(w->dir);
    free(w);
    return 0;
}

static struct phi_signer_proc *spawn(struct world *w)
{
    struct phi_signer_proc *s = NULL;
    struct phi_err err = { 0 };
    if (phi_signer_spawn(&w->conf, &s, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    return s;
}

static enum phi_rc sign(struct world *w, struct phi_signer_proc *s, uint64_t from, uint64_t to, struct phi_buf *note)
{
    struct phi_tree_proof p = { 0 };
    assert_int_equal(phi_tree_consistency(from, to, get, w, &p, NULL), PHI_OK);
    return phi_signer_sign(s, from, to, &w->root[to], &p, 5000, note, NULL);
}

static void each_continuation_is_signed(void **state)
{
    struct world *w = *state;
    struct phi_signer_proc *s = spawn(w);
    struct phi_vkey vk = phi_signer_key(s);
    assert_int_equal(phi_signer_head(s).size, 0);
    for (uint64_t from = 0, to = 1; to <= MOST; from = to, to += 1 + to % 3) {
        PHI_BUF(note, 4096);
        struct phi_checkpoint c;
        assert_int_equal(sign(w, s, from, to, &note), PHI_OK);
        assert_int_equal(phi_checkpoint_open(phi_buf_view(&note), &vk, &c, NULL), PHI_OK);
        assert_int_equal(c.size, to);
        assert_true(phi_digest_eq(&c.root, &w->root[to]));
        assert_int_equal(phi_signer_head(s).size, to);
    }
    struct stat st;
    assert_int_equal(stat(w->key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(w->state, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    phi_signer_close(s);
}

static bool signed_by(struct phi_buf *note, const struct phi_pubkey *pub)
{
    struct phi_vkey vk = { PHI_LIT("log.example/1"), *pub };
    struct phi_checkpoint c;
    return phi_checkpoint_open(phi_buf_view(note), &vk, &c, NULL) == PHI_OK;
}

/* Asks for the next key and holds what is said of it: signed by both. */
static struct phi_pubkey next_of(struct phi_signer_proc *s)
{
    PHI_BUF(note, 8192);
    struct phi_succession step;
    struct phi_vkey now = phi_signer_key(s);
    assert_int_equal(phi_signer_next(s, 5000, &note, NULL), PHI_OK);
    assert_int_equal(phi_succession_open(phi_buf_view(&note), &now, NULL, 0, &step, NULL), PHI_OK);
    assert_int_equal(step.kind, PHI_SUCCESSION_ROTATED);
    return step.to.pub;
}

static void a_next_key_is_in_use_from_the_first_head_that_it_signs(void **state)
{
    struct world *w = *state;
    PHI_BUF(note, 4096);
    struct phi_signer_proc *s = spawn(w);
    struct phi_pubkey first = phi_signer_key(s).pub, next, again, other = { { 7 } };
    assert_int_equal(sign(w, s, 0, 3, &note), PHI_OK);
    next = next_of(s);
    again = next_of(s); /* until it is used it stays the same */
    assert_memory_equal(&next, &again, sizeof next);
    phi_buf_clear(&note);
    assert_int_equal(sign(w, s, 3, 4, &note), PHI_OK);
    assert_true(signed_by(&note, &first));
    phi_signer_close(s);
    s = spawn(w); /* as it does over a restart */
    struct phi_pubkey is = phi_signer_key(s).pub;
    assert_memory_equal(&is, &first, sizeof first);
    again = next_of(s);
    assert_memory_equal(&next, &again, sizeof next);
    phi_signer_use(s, &other);
    assert_int_equal(sign(w, s, 4, 5, &note), PHI_ENOTFOUND);
    phi_signer_use(s, &next);
    phi_buf_clear(&note);
    assert_int_equal(sign(w, s, 4, 4, &note), PHI_OK); /* the same head again, by the new key */
    assert_true(signed_by(&note, &next));
    phi_signer_use(s, &first);
    assert_int_equal(sign(w, s, 4, 6, &note), PHI_ENOTFOUND); /* never again by the old one */
    phi_signer_use(s, &next);
    assert_int_equal(phi_signer_next(s, 5000, &note, NULL), PHI_ECONFLICT);
    phi_signer_close(s);
    s = spawn(w);
    is = phi_signer_key(s).pub;
    assert_memory_equal(&is, &next, sizeof next);
    assert_int_equal(phi_signer_head(s).size, 4);
    phi_buf_clear(&note);
    assert_int_equal(sign(w, s, 4, 7, &note), PHI_OK);
    assert_true(signed_by(&note, &next));
    again = next_of(s);
    assert_memory_not_equal(&next, &again, sizeof next);
    phi_signer_close(s);
}

static void a_rewritten_or_shortened_log_is_refused(void **state)
{
    struct world *w = *state;
    struct phi_signer_proc *s = spawn(w);
    PHI_BUF(note, 4096);
    assert_int_equal(sign(w, s, 0, 20, &note), PHI_OK);
    size_t n = note.n;
    grow(w, 'b'); /* another history */
    for (uint64_t to = 20; to <= MOST; to++)
        assert_int_equal(sign(w, s, 20, to, &note), PHI_EDENIED);
    grow(w, 'a');
    struct phi_tree_proof none = { 0 };
    assert_int_equal(phi_signer_sign(s, 20, 10, &w->root[10], &none, 5000, &note, NULL), PHI_EDENIED);
    assert_int_equal(phi_signer_sign(s, 20, 21, &w->root[21], &none, 5000, &note, NULL), PHI_EDENIED);
    assert_int_equal(sign(w, s, 10, 21, &note), PHI_ECONFLICT); /* starts from another head */
    assert_int_equal(sign(w, s, 0, 21, &note), PHI_ECONFLICT);  /* as if nothing had been signed */
    assert_int_equal(note.n, n);
    assert_int_equal(phi_signer_head(s).size, 20);
    assert_int_equal(sign(w, s, 20, 20, &note), PHI_OK); /* the same head again */
    assert_int_equal(sign(w, s, 20, 30, &note), PHI_OK);
    phi_signer_close(s);
}

static void it_remembers_after_a_restart(void **state)
{
    struct world *w = *state;
    PHI_BUF(note, 4096);
    PHI_BUF(line, 1024);
    PHI_BUF(again, 1024);
    struct phi_signer_proc *s = spawn(w);
    struct phi_vkey vk = phi_signer_key(s);
    phi_vkey_write(&line, &vk);
    assert_int_equal(sign(w, s, 0, 7, &note), PHI_OK);
    assert_int_equal(sign(w, s, 7, 13, &note), PHI_OK);
    phi_signer_close(s);
    s = spawn(w);
    vk = phi_signer_key(s);
    phi_vkey_write(&again, &vk);
    assert_string_equal(phi_buf_str(&line), phi_buf_str(&again));
    assert_int_equal(phi_signer_head(s).size, 13);
    struct phi_checkpoint head = phi_signer_head(s);
    assert_true(phi_digest_eq(&head.root, &w->root[13]));
    grow(w, 'c');
    assert_int_equal(sign(w, s, 13, 14, &note), PHI_EDENIED);
    phi_signer_close(s);
}

static void damage(const char *path, off_t at, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    char junk[GUARD_SLOT];
    memset(junk, 'x', sizeof junk);
    assert_true(fd >= 0 && pwrite(fd, junk, n, at) == (ssize_t)n);
    close(fd);
}

static void a_torn_slot_falls_back_and_two_are_refused(void **state)
{
    struct world *w = *state;
    PHI_BUF(note, 4096);
    struct phi_err err = { 0 };
    struct phi_signer_proc *s = spawn(w);
    assert_int_equal(sign(w, s, 0, 7, &note), PHI_OK);  /* slot 1 */
    assert_int_equal(sign(w, s, 7, 13, &note), PHI_OK); /* slot 0 */
    phi_signer_close(s);
    damage(w->state, 5, 20);
    s = spawn(w);
    assert_int_equal(phi_signer_head(s).size, 7);
    phi_signer_close(s);
    damage(w->state, GUARD_SLOT + 5, 20);
    s = NULL;
    assert_int_equal(phi_signer_spawn(&w->conf, &s, &err), PHI_ECORRUPT);
}

static void a_lost_key_or_state_stops_it(void **state)
{
    struct world *w = *state;
    PHI_BUF(note, 4096);
    struct phi_signer_proc *s = spawn(w);
    char aside[128];
    snprintf(aside, sizeof aside, "%s.aside", w->key);
    assert_int_equal(sign(w, s, 0, 7, &note), PHI_OK);
    phi_signer_close(s);
    s = NULL;
    assert_int_equal(rename(w->key, aside), 0);
    assert_int_equal(phi_signer_spawn(&w->conf, &s, NULL), PHI_ECORRUPT);
    assert_int_equal(access(w->key, F_OK), -1); /* and it made no new one */
    assert_int_equal(rename(aside, w->key), 0);
    assert_int_equal(unlink(w->state), 0);
    assert_int_equal(phi_signer_spawn(&w->conf, &s, NULL), PHI_ECORRUPT);
    assert_null(s);
}

static void a_key_that_others_may_read_stops_it(void **state)
{
    struct world *w = *state;
    struct phi_signer_proc *s = spawn(w);
    phi_signer_close(s);
    s = NULL;
    assert_int_equal(chmod(w->key, 0644), 0);
    assert_int_not_equal(phi_signer_spawn(&w->conf, &s, NULL), PHI_OK);
}

static void another_origin_is_refused(void **state)
{
    struct world *w = *state;
    struct phi_signer_proc *s = spawn(w);
    phi_signer_close(s);
    s = NULL;
    w->conf.origin = "log.example/2";
    assert_int_equal(phi_signer_spawn(&w->conf, &s, NULL), PHI_ECORRUPT);
}

static void a_killed_signer_signs_nothing_more(void **state)
{
    struct world *w = *state;
    struct phi_signer_proc *s = spawn(w);
    PHI_BUF(note, 4096);
    kill(phi_signer_pid(s), SIGKILL);
    assert_int_equal(sign(w, s, 0, 7, &note), PHI_EIO);
    assert_int_equal(sign(w, s, 0, 7, &note), PHI_EIO);
    assert_int_equal(note.n, 0);
    phi_signer_close(s);
}

static void a_stopped_signer_times_out_and_comes_back(void **state)
{
    struct world *w = *state;
    struct phi_signer_proc *s = spawn(w);
    PHI_BUF(note, 4096);
    struct phi_tree_proof none = { 0 };
    kill(phi_signer_pid(s), SIGSTOP);
    assert_int_equal(phi_signer_sign(s, 0, 7, &w->root[7], &none, 50, &note, NULL), PHI_EIO);
    kill(phi_signer_pid(s), SIGCONT);
    /* the late answer to the first ask is passed over; by then the head has moved */
    assert_int_equal(phi_signer_sign(s, 0, 7, &w->root[7], &none, 5000, &note, NULL), PHI_ECONFLICT);
    assert_int_equal(phi_signer_head(s).size, 7);
    assert_int_equal(sign(w, s, 7, 8, &note), PHI_OK);
    phi_signer_close(s);
}

static void it_keeps_no_other_descriptor(void **state)
{
    struct world *w = *state;
    int secret = open("/dev/null", O_RDONLY); /* one without close-on-exec, as a careless phid would have */
    struct phi_signer_proc *s = spawn(w);
    char path[64], to[64];
    for (int fd = 6; fd < 64; fd++) { /* 3 to 5: the socket, the state, the next key */
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)phi_signer_pid(s), fd);
        /* non-dumpable: only root may look, and then nothing is there */
        assert_true(readlink(path, to, sizeof to) < 0 && (errno == ENOENT || errno == EACCES));
    }
    snprintf(path, sizeof path, "/proc/%d/status", (int)phi_signer_pid(s));
    FILE *f = fopen(path, "re");
    char line[256];
    int seccomp = -1;
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        sscanf(line, "Seccomp: %d", &seccomp);
    fclose(f);
    assert_int_equal(seccomp, 2);
    close(secret);
    phi_signer_close(s);
}

static void as_root_it_runs_as_its_own_uid(void **state)
{
    struct world *w = *state;
    PHI_BUF(note, 4096);
    if (geteuid() != 0)
        skip();
    w->conf.change_uid = true;
    w->conf.uid = w->conf.gid = 61470;
    for (uint64_t round = 0; round < 2; round++) { /* the second time its files are not root's any more */
        struct phi_signer_proc *s = spawn(w);
        struct stat st;
        char path[64];
        assert_int_equal(sign(w, s, round * 9, round * 9 + 9, &note), PHI_OK);
        assert_int_equal(stat(w->key, &st), 0);
        assert_int_equal(st.st_uid, 61470);
        snprintf(path, sizeof path, "/proc/%d/status", (int)phi_signer_pid(s));
        FILE *f = fopen(path, "re");
        char line[256];
        unsigned uid[4] = { 0 };
        assert_non_null(f);
        while (fgets(line, sizeof line, f))
            sscanf(line, "Uid: %u %u %u %u", &uid[0], &uid[1], &uid[2], &uid[3]);
        fclose(f);
        for (int i = 0; i < 4; i++)
            assert_int_equal(uid[i], 61470);
        phi_signer_close(s);
    }
}

/* What a supervisor does for a socket unit: one signer for each connection. */
static pid_t supervise(struct world *w, const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 4), 0);
    pid_t pid = fork();
    if (pid > 0)
        close(fd);
    if (pid)
        return pid;
    for (;;) {
        int got = accept(fd, NULL, NULL);
        if (got >= 0 && fork() == 0) {
            dup2(got, 0);
            phi_signer_serve(0, &w->conf);
        }
        close(got);
    }
}

static void as_a_service_it_serves_one_phid_after_the_other(void **state)
{
    struct world *w = *state;
    char path[96];
    struct phi_signer_proc *s = NULL, *next = NULL, *none = NULL;
    struct phi_err err = { 0 };
    PHI_BUF(note, 4096);
    snprintf(path, sizeof path, "%s/s", w->dir);
    w->conf.service = true;
    pid_t pid = supervise(w, path);
    if (phi_signer_connect(path, "log.example/1", &s, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(phi_signer_pid(s), 0);
    assert_int_equal(sign(w, s, 0, 7, &note), PHI_OK);
    assert_false(phi_signer_gone(s));
    phi_signer_close(s); /* the first one's lock ends with it */
    if (phi_signer_connect(path, "log.example/1", &next, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(phi_signer_head(next).size, 7);
    assert_int_equal(sign(w, next, 7, 20, &note), PHI_OK);
    phi_signer_close(next);
    assert_int_equal(phi_signer_connect(path, "log.example/2", &none, &err), PHI_EINPUT);
    assert_int_equal(chmod(w->dir, 0750), 0);
    assert_int_equal(phi_signer_connect(path, "log.example/1", &none, &err), PHI_EDENIED);
    assert_int_equal(chmod(w->dir, 0700), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(phi_signer_connect(path, "log.example/1", &none, &err), PHI_EIO);
    unlink(path);
}

static void packets_read_back_and_short_ones_do_not(void **unused)
{
    (void)unused;
    PHI_BUF(b, GUARD_ASK_MAX);
    struct guard_ask a = { .kind = GUARD_SIGN, .seq = 9, .old_size = 1, .size = 2, .proof = { .n = 3 } }, back;
    a.proof.hash[2].b[31] = 7;
    guard_ask_write(&b, &a);
    assert_true(guard_ask_read(phi_buf_view(&b), &back));
    assert_memory_equal(&a, &back, sizeof a);
    for (size_t n = 0; n < b.n; n++)
        assert_false(guard_ask_read(phi_view_upto(phi_buf_view(&b), n), &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_continuation_is_signed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_next_key_is_in_use_from_the_first_head_that_it_signs, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rewritten_or_shortened_log_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(it_remembers_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_slot_falls_back_and_two_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_key_or_state_stops_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_that_others_may_read_stops_it, setup, teardown),
        cmocka_unit_test_setup_teardown(another_origin_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_signer_signs_nothing_more, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stopped_signer_times_out_and_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(it_keeps_no_other_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(as_root_it_runs_as_its_own_uid, setup, teardown),
        cmocka_unit_test_setup_teardown(as_a_service_it_serves_one_phid_after_the_other, setup, teardown),
        cmocka_unit_test(packets_read_back_and_short_ones_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
