/* Crash points: crash sqlite FILE FROM POINTS [SECONDS] | crash pgsql CONNINFO FROM POINTS [SECONDS]
 *
 * At each point a process makes requests, approves, claims and reports outcomes, says what was acknowledged in shared
 * memory, and dies at its k-th write or sync. Another one opens what is left and looks: the invariants hold, the
 * log's root is that of its entries, and every acknowledged change is there with its entry. The points take turns in
 * how it dies (faults.h). Points are numbers: any range of them is spread over the whole run, and all together meet
 * every call. Ends at the latest after SECONDS. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../sim/kit.h"
#include "base/os.h"
#include "faults.h"
#include "proof/tree.h"
#include "store/pgsql.h"
#include "store/sqlite.h"

#define ROUNDS   6
#define ACKS_MAX (ROUNDS * 4)

enum what { ASKED, GRANTED, CLAIMED, REPORTED };
struct ack {
    enum what what;
    char id[PHI_ID_LEN + 1];
};
struct acks { /* shared: the dying process's last words */
    uint64_t n, calls;
    bool whole;
    struct ack ack[ACKS_MAX];
};

static struct acks *acks;
static struct kit base;
static bool on_pgsql;
static const char *place; /* the file, or conninfo */
static char copy[4096];

static int64_t wall(void *self)
{
    (void)self;
    return base.wall ? base.wall : 1790000000000;
}

static int64_t boot(void *self)
{
    (void)self;
    return base.boot ? base.boot : 1000000;
}

static const char *boot_id(void *self)
{
    (void)self;
    return "boot-1";
}

static const struct phi_clock still = { NULL, wall, boot, boot_id };

static struct phi_store *store_open(const char *file)
{
    struct phi_store *s = NULL;
    struct phi_err err = { 0 };
    struct phi_store_pgsql_opts o = { place, "", "crash", &still, false };
    enum phi_rc rc = on_pgsql ? phi_store_pgsql_open(&o, &s, &err) : phi_store_sqlite_open(file, &s, &err);
    if (rc != PHI_OK)
        fprintf(stderr, "the store does not open: %s\n", err.msg);
    return s;
}

/* ---- the process that dies */

static void acknowledged(enum what what, struct phi_view id)
{
    struct ack *a = &acks->ack[acks->n];
    a->what = what;
    snprintf(a->id, sizeof a->id, PHI_FMT, PHI_ARG(id));
    __atomic_store_n(&acks->n, acks->n + 1, __ATOMIC_SEQ_CST);
}

static bool one_round(struct kit *k, uint64_t seed, int round)
{
    char sql[96], key[32];
    struct phi_request_answer ans;
    struct phi_request r;
    struct phi_claim claim;
    snprintf(sql, sizeof sql, "DELETE FROM orders WHERE id = %llu%02d", (unsigned long long)seed, round);
    snprintf(key, sizeof key, "k%llu-%d", (unsigned long long)seed, round);
    if (kit_ask(k, 1, KIT_ALICE, sql, "pg:delete", "s1", &ans) != PHI_OK)
        return false;
    acknowledged(ASKED, ans.request.id);
    if (kit_vote(k, KIT_BOB, &ans.request, true, 0, &r) != PHI_OK || !r.grant)
        return false;
    acknowledged(GRANTED, r.grant->id);
    if (kit_claim(k, 1, KIT_ALICE, r.grant->id, r.grant->act, "pg:delete", key, &claim) != PHI_OK)
        return false;
    acknowledged(CLAIMED, claim.id);
    if (kit_outcome(k, 1, claim.id, PHI_OUTCOME_DONE) != PHI_OK)
        return false;
    acknowledged(REPORTED, claim.id);
    return true;
}

static void work(uint64_t seed, uint64_t k, enum fault_how how)
{
    static struct kit mine;
    faults_arm(k, how);
    struct phi_store *s = store_open(copy);
    if (!s)
        _exit(1);
    kit_copy(&mine, &base, s, seed);
    for (int i = 0; i < ROUNDS; i++)
        if (!one_round(&mine, seed, i)) {
            fprintf(stderr, "round %d: %s\n", i, mine.err.msg);
            _exit(1);
        } else if (s->ops->tidy) {
            s->ops->tidy(s->self, i == 1); /* death may also come while the store is at work for itself */
        }
    acks->whole = true;
    acks->calls = faults_seen();
    phi_store_close(s);
    _exit(0);
}

/* ---- the one that looks */

struct looking {
    struct phi_arena *a;
    struct phi_view *entry;
    size_t n;
    struct phi_log_head head;
};

static enum phi_rc log_read(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct looking *l = arg;
    PHI_TRY(phi_log_get_head(c, l->a, &l->head, err));
    l->entry = phi_arena_array(l->a, (size_t)l->head.size + 1, sizeof *l->entry);
    while (l->entry && l->n < (size_t)l->head.size) {
        struct phi_view *page;
        size_t n;
        PHI_TRY(phi_log_entries(c, l->a, (int64_t)l->n, 1000, &page, &n, err));
        if (n == 0)
            return phi_fail(err, PHI_ECORRUPT, "the log ends at %zu of %lld", l->n, (long long)l->head.size);
        memcpy(l->entry + l->n, page, n * sizeof *page);
        l->n += n;
    }
    return l->entry ? PHI_OK : PHI_ELIMIT;
}

static bool root_fits(const struct looking *l)
{
    struct phi_tree t = { 0 };
    for (size_t i = 0; i < l->n; i++) {
        struct phi_digest h = phi_leaf_hash(l->entry[i]);
        phi_tree_append(&t, &h, NULL, NULL);
    }
    struct phi_digest root = phi_tree_root(&t);
    return phi_digest_eq(&root, &l->head.root);
}

static bool told(const struct looking *l, const struct ack *a)
{
    static const char *const ev[] = { "request.created", "grant.made", "grant.claimed", "grant.outcome" };
    for (size_t i = l->n; i-- > 0;)
        if (memmem(l->entry[i].p, l->entry[i].n, a->id, PHI_ID_LEN) &&
            memmem(l->entry[i].p, l->entry[i].n, ev[a->what], strlen(ev[a->what])))
            return true;
    return false;
}

static bool is_there(struct kit *k, const struct ack *a)
{
    struct phi_request r;
    struct phi_grant_view g;
    switch (a->what) {
    case ASKED:
        return kit_get(k, KIT_ALICE, phi_view_of(a->id), &r) == PHI_OK;
    case GRANTED:
        return kit_grant(k, phi_view_of(a->id), &g) == PHI_OK;
    case CLAIMED:
        return kit_outcome(k, 1, phi_view_of(a->id), PHI_OUTCOME_DONE) == PHI_OK;
    case REPORTED: /* its outcome stands: another one is refused */
        return kit_outcome(k, 1, phi_view_of(a->id), PHI_OUTCOME_FAILED) == PHI_ECONFLICT;
    }
    return false;
}

static int look(uint64_t seed)
{
    static struct kit k;
    PHI_ARENA(a, (size_t)1 << 30);
    struct looking l = { .a = &a };
    struct phi_store *s = store_open(copy);
    if (!s)
        return 1;
    kit_copy(&k, &base, s, seed + 1000000);
    if (kit_invariants(&k, NULL) != PHI_OK || phi_core_do(k.core, log_read, &l, &k.err) != PHI_OK)
        return fprintf(stderr, "%s\n", k.err.msg), 1;
    if (!root_fits(&l))
        return fprintf(stderr, "the log's root is not that of its entries\n"), 1;
    for (uint64_t i = 0; i < acks->n; i++)
        if (!told(&l, &acks->ack[i]))
            return fprintf(stderr, "acknowledged without an entry: %d %s\n", acks->ack[i].what, acks->ack[i].id), 1;
    for (uint64_t i = 0; i < acks->n; i++)
        if (!is_there(&k, &acks->ack[i]))
            return fprintf(stderr, "acknowledged and lost: %d %s\n", acks->ack[i].what, acks->ack[i].id), 1;
    phi_store_close(s);
    return 0;
}

/* ---- points */

static int in_child(void (*then)(uint64_t, uint64_t, enum fault_how), uint64_t seed, uint64_t k, enum fault_how how)
{
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        then(seed, k, how);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void look_and_exit(uint64_t seed, uint64_t k, enum fault_how how)
{
    (void)k, (void)how;
    int bad = look(seed);
    fflush(NULL);
    _exit(bad);
}

static void file_copy(const char *from, const char *to)
{
    static char buf[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = in < 0 || out < 0 ? -1 : 0;
    while (n >= 0 && (n = read(in, buf, sizeof buf)) > 0)
        if (write(out, buf, (size_t)n) != n)
            n = -1;
    if (n < 0)
        abort();
    close(in);
    close(out);
}

/* `late`: with so long a log that it is written back between two changes though others wait. */
static void fresh_copy(bool late)
{
    char side[4100], from[4100];
    if (on_pgsql)
        return; /* goes on in the same database */
    snprintf(side, sizeof side, "%s-wal", copy);
    snprintf(from, sizeof from, "%s-wal", place);
    unlink(side);
    file_copy(place, copy);
    if (late)
        file_copy(from, side);
}

/* One point. 0: it died there and all is well; 1: not well; 2: it lived to its end (k is past the last call). */
static int point(uint64_t seed, uint64_t k, enum fault_how how, bool late)
{
    memset(acks, 0, sizeof *acks);
    fresh_copy(late);
    int status = in_child(work, seed, k, how);
    bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!died && !acks->whole)
        return fprintf(stderr, "the worker failed by itself\n"), 1;
    status = in_child(look_and_exit, seed, 0, FAULT_KILL);
    if (status != 0)
        return 1;
    return died ? 0 : 2;
}

/* Leaves such a log behind. */
#define LONG_LOG (2100 * 4120)

static void log_grow(uint64_t seed, uint64_t k, enum fault_how how)
{
    static struct kit mine;
    char side[4100];
    struct stat st = { 0 };
    (void)k, (void)how;
    snprintf(side, sizeof side, "%s-wal", place);
    struct phi_store *s = store_open(place);
    if (!s)
        _exit(1);
    kit_copy(&mine, &base, s, seed);
    for (int i = 0; stat(side, &st) == 0 && st.st_size < LONG_LOG; i++, acks->n = 0)
        if (!one_round(&mine, seed, i))
            _exit(1);
    _exit(st.st_size < LONG_LOG);
}

static bool set_up(void)
{
    char side[4100];
    snprintf(side, sizeof side, "%s-wal", place);
    if (!on_pgsql) {
        unlink(place);
        unlink(side);
    }
    struct phi_store *s = store_open(place);
    if (!s)
        return false;
    kit_open(&base, s, 1);
    phi_core_close(base.core);
    base.core = NULL;
    kit_forget(&base);
    phi_store_close(s);
    return on_pgsql || in_child(log_grow, 1000000, 0, FAULT_KILL) == 0;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    return b ? gcd(b, a % b) : a;
}

/* About the golden part of the run and prime to it, so that each range is spread and all calls have their turn. */
static uint64_t stride_of(uint64_t calls)
{
    uint64_t s = calls * 618 / 1000 + 1;
    while (gcd(s, calls) != 1)
        s++;
    return s;
}

#define LATE  4 /* of so many one begins with a long log */
#define LEAST 3 /* points, however slow the machine is: fewer show nothing */

int main(int argc, char **argv)
{
    if (argc < 5)
        return fprintf(stderr, "crash sqlite FILE | pgsql CONNINFO  FROM POINTS [SECONDS]\n"), 2;
    on_pgsql = strcmp(argv[1], "pgsql") == 0;
    place = argv[2];
    uint64_t from = strtoull(argv[3], NULL, 10), points = strtoull(argv[4], NULL, 10);
    uint64_t seconds = argc > 5 ? strtoull(argv[5], NULL, 10) : 0, acked = 0, died = 0;
    snprintf(copy, sizeof copy, "%s.copy", place);
    acks = mmap(NULL, sizeof *acks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (acks == MAP_FAILED || !set_up())
        return 1;
    double t0 = now_s();
    uint64_t calls[2], hows = on_pgsql ? 2 : FAULT_HOWS, i = from;
    for (size_t late = 0; late < 2; late++) {
        if (point(from + 900000 + late, 0, FAULT_KILL, late) != 2)
            return fprintf(stderr, "the run without a crash fails\n"), 1;
        calls[late] = acks->calls;
    }
    for (; i < from + points && (!seconds || i < from + LEAST || now_s() - t0 < (double)seconds); i++) {
        bool late = i / hows % LATE == 0;
        uint64_t turn = late ? i / hows / LATE : i / hows, k = turn * stride_of(calls[late]) % calls[late] + 1;
        enum fault_how how = (enum fault_how)(i % hows);
        int got = point(i, k, how, late);
        if (got == 1)
            return fprintf(stderr, "point %llu: call %llu of %llu, how %d\n", (unsigned long long)i, (unsigned long long)k,
                           (unsigned long long)calls[late], how), 1;
        died += got == 0;
        acked += acks->n;
    }
    points = i - from;
    printf("%s: %llu points over %llu writes and syncs, %llu deaths, %llu acknowledged changes, 0 lost, %.1f s\n", argv[1],
           (unsigned long long)points, (unsigned long long)calls[0], (unsigned long long)died, (unsigned long long)acked, now_s() - t0);
    return died * 10 < points * 9; /* a run in which hardly anything dies shows nothing */
}
