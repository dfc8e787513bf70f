/* What the core does a second over a store: core-bench sqlite FILE | pgsql CONNINFO  SECONDS [HISTORY]
 * HISTORY: instead, what an entry and a claim cost when the log has 10,000 entries, 30,000, and so on up to that.
 * held COUNT: instead, so many requests are made, ten a person, then all are approved: what memory
 * this process has beyond what it had, and what a claim costs meanwhile.
 * Everything goes through batches as phid's core thread makes them; a batch is done when it is durable. */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../sim/kit.h"
#include "core/ahead.h"
#include "core/inner.h"
#include "store/pgsql.h"
#include "store/sqlite.h"
#include "syncs.h"

#define IN_FLIGHT 64
#define APPENDS   1024
#define SAMPLES   2000000
#define TIDY_S    0.010 /* as phid: its store is tidied when nobody has asked for so long */

static struct kit k;
static double *took, *own; /* of each caller; of each batch, without its syncs */
static size_t n_took, n_own, serial;
static struct syncs syncs_began;
static bool is_pgsql;
static const char *place;
static int64_t trips_began;
static struct phi_view grant;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void) /* of this process; a database's own is not in it */
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void must(enum phi_rc rc, const char *what)
{
    if (rc == PHI_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, k.err.msg);
    exit(1);
}

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double percentile_of(double *v, size_t n, double p)
{
    qsort(v, n, sizeof *v, by_size);
    return n ? v[(size_t)(p * (double)(n - 1))] * 1000 : 0;
}

static double percentile(double p)
{
    return percentile_of(took, n_took, p);
}

static void sample(double s)
{
    if (n_took < SAMPLES)
        took[n_took++] = s;
}

/* ---- the commands */

struct one {
    size_t n;
    struct phi_arena a;
};

static struct phi_claim_ask claim_of(struct one *o)
{
    struct phi_pair *pair = phi_arena_alloc(&o->a, sizeof *pair);
    *pair = (struct phi_pair){ PHI_LIT("pg:delete"), phi_ref_make(&o->a, "Table", "shop", "public", "orders", NULL) };
    return (struct phi_claim_ask){ .grant = grant,
                                   .key = phi_arena_printf(&o->a, "k%zu", o->n),
                                   .principal = k.person[KIT_ALICE],
                                   .credential = k.credential[KIT_ALICE],
                                   .session = PHI_LIT("s1"),
                                   .target = PHI_LIT("shop"),
                                   .actions = pair,
                                   .n_actions = 1 };
}

static enum phi_rc claimed(struct phi_core *c, struct one *o, const struct phi_claim_ask *ask, struct phi_err *err)
{
    struct phi_actor gw = kit_gateway(1);
    struct phi_claim claim;
    return phi_grant_claim(c, &o->a, &gw, ask, &claim, err);
}

static enum phi_rc claim_one(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct phi_claim_ask ask = claim_of(arg);
    return claimed(c, arg, &ask, err);
}

static void claim_ahead(struct phi_core *c, void *arg, struct core_ahead *h)
{
    struct phi_claim_ask ask = claim_of(arg);
    (void)c;
    phi_grant_claim_foresee(h, &ask);
}

/* For the table of the caller's number. */
static enum phi_rc ask_table(struct phi_core *c, struct one *o, const struct phi_actor *by, struct phi_view action, struct phi_view why,
                             struct phi_request *ret, struct phi_err *err)
{
    struct phi_view table = phi_arena_printf(&o->a, "t%zu", o->n);
    struct phi_ref ref = phi_ref_make(&o->a, "Table", "shop", "public", phi_arena_str(&o->a, table), NULL);
    struct phi_request_ask ask = { .target = PHI_LIT("shop"),
                                   .scope_actions = &action,
                                   .n_scope_actions = 1,
                                   .scope_resources = &ref,
                                   .n_scope_resources = 1,
                                   .for_ms = 600000,
                                   .why = why };
    struct phi_request_answer ans;
    PHI_TRY(phi_request_make(c, &o->a, by, &ask, &ans, err));
    *ret = ans.request;
    return PHI_OK;
}

static enum phi_rc request_one(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct one *o = arg;
    struct phi_actor by = kit_actor(&k, KIT_ALICE);
    struct phi_request made, r;
    PHI_TRY(ask_table(c, o, &by, PHI_LIT("pg:write"), phi_arena_printf(&o->a, "shop/public.t%zu", o->n), &made, err));
    return phi_request_cancel(c, &o->a, &by, made.id, &r, err); /* nobody may have more than 100 pending */
}

static enum phi_rc append_one(struct phi_core *c, void *arg, struct phi_err *err)
{
    (void)arg;
    struct phi_entry e;
    struct phi_digest hash = { { 1 } };
    core_entry(c, &e, PHI_EV_RECORDS_BATCH, &(struct phi_actor){ .kind = PHI_ACTOR_GATEWAY, .id = PHI_LIT("gw1") });
    phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", PHI_LIT("gw1")));
    phi_entry_int(&e, PHI_F_BATCH, 1);
    phi_entry_int(&e, PHI_F_COUNT, 1);
    phi_entry_hash(&e, PHI_F_RECORDS_HASH, &hash);
    return core_leaf(c, &e, NULL, NULL, err);
}

typedef enum phi_rc (*command)(struct phi_core *c, void *arg, struct phi_err *err);
typedef void (*foresight)(struct phi_core *c, void *arg, struct core_ahead *h);

static foresight ahead_of(command run);

/* `n` of 0: frees what the batches before kept for the next. */
static void batch(command run, size_t n)
{
    static struct one ones[1024];
    static struct phi_core_cmd cmds[1024];
    for (size_t i = 0; n == 0 && i < 1024; i++)
        phi_arena_done(&ones[i].a);
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        ones[i].n = serial++;
        ones[i].a.limit = (size_t)16 << 20;
        cmds[i] = (struct phi_core_cmd){ .run = run, .arg = &ones[i], .foresee = ahead_of(run) };
    }
    struct syncs was = syncs_so_far();
    double t = now_s();
    must(phi_core_batch(k.core, cmds, n, &k.err), "batch");
    if (n_own < SAMPLES)
        own[n_own++] = now_s() - t - (syncs_so_far().all_s - was.all_s);
    for (size_t i = 0; i < n; i++) {
        k.err = cmds[i].err;
        must(cmds[i].rc, "command");
        phi_arena_reset(&ones[i].a);
    }
}

/* ---- the measurements */

static void begin(void)
{
    n_took = n_own = 0;
    syncs_began = syncs_so_far();
    trips_began = is_pgsql ? phi_store_pgsql_trips(k.store) : 0;
}

/* Where the time of the batches went. A database's own syncs are not in it. */
static void explain(void)
{
    double syncs = (double)(syncs_so_far().n - syncs_began.n);
    if (syncs > 0)
        printf("    %.2f syncs a batch: each p50 %.2f ms, p99 %.2f ms; a batch without them p50 %.2f ms, p99 %.2f ms\n", syncs / (double)n_own,
               syncs_ms(&syncs_began, 0.5), syncs_ms(&syncs_began, 0.99), percentile_of(own, n_own, 0.5), percentile_of(own, n_own, 0.99));
    if (is_pgsql)
        printf("    %.1f journeys to the database a batch, %.2f for each\n", (double)(phi_store_pgsql_trips(k.store) - trips_began) / (double)n_own,
               (double)(phi_store_pgsql_trips(k.store) - trips_began) / (double)n_took);
    fflush(stdout);
}

/* What the disk alone takes for as many bytes as a batch of those before, written as often, to a file that has its blocks. */
static void bare(double seconds)
{
    static char bytes[1 << 20];
    char path[4096];
    size_t n = (size_t)((syncs_so_far().bytes - syncs_began.bytes) / (double)n_own), done = 0, most = sizeof bytes;
    double pace = seconds / (double)n_own;
    snprintf(path, sizeof path, "%s.bare", place);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    n = n > most ? most : n;
    for (size_t i = 0; i < 8; i++)
        must(pwrite(fd, bytes, most, (off_t)(i * most)) == (ssize_t)most ? PHI_OK : PHI_EIO, path);
    fdatasync(fd);
    n_took = 0;
    for (double t0 = now_s(), t = t0; t - t0 < seconds; t = now_s(), done++) {
        must(pwrite(fd, bytes, n, (off_t)(done * n % (7 * most))) == (ssize_t)n ? PHI_OK : PHI_EIO, path);
        fdatasync(fd);
        sample(now_s() - t);
        double left = t0 + (double)(done + 1) * pace - now_s();
        if (left > 0)
            usleep((useconds_t)(left * 1e6));
    }
    printf("    the disk alone: %zu KB and fdatasync, as often:     p50 %7.2f ms   p99 %7.2f ms\n", n >> 10, percentile(0.5), percentile(0.99));
    fflush(stdout);
    close(fd);
    unlink(path);
}

static void tidy(bool busy)
{
    if (k.store->ops->tidy)
        k.store->ops->tidy(k.store->self, busy);
}

/* `n` callers, each of whom asks again when answered. */
static double closed(const char *what, command run, size_t n, double seconds)
{
    double t0 = now_s(), t = t0, cpu = cpu_s();
    size_t done = 0;
    begin();
    while (t - t0 < seconds) {
        double was = t; /* who was answered asks again while the store is tidied, and waits for that */
        if (done && n > 1)
            tidy(true);
        batch(run, n);
        t = now_s();
        for (size_t i = 0; i < n; i++)
            sample(t - was);
        done += n;
    }
    double rate = (double)done / (t - t0);
    printf("  %-34s %4zu in flight  %9.0f/s   p50 %7.2f ms   p99 %7.2f ms   CPU %6.1f us each\n", what, n, rate, percentile(0.5),
           percentile(0.99), (cpu_s() - cpu) * 1e6 / (double)done);
    explain();
    return rate;
}

/* `rate` a second arrive whatever happens; at most 64 are in flight, and who waits for that is counted from arrival. */
static void arriving(const char *what, command run, double rate, double seconds)
{
    double t0 = now_s(), first = 0, idle_since = 0;
    size_t done = 0, due;
    begin();
    while ((first = now_s() - t0) < seconds) {
        due = (size_t)(first * rate) - done;
        if (due == 0) {
            if (idle_since > 0 && first - idle_since > TIDY_S) {
                tidy(false);
                idle_since = 0;
            }
            usleep(50);
            continue;
        }
        due = due > IN_FLIGHT ? IN_FLIGHT : due;
        batch(run, due);
        double t = now_s() - t0;
        for (size_t i = 0; i < due; i++)
            sample(t - (double)(done + i + 1) / rate);
        done += due;
        idle_since = now_s() - t0;
        if ((size_t)(idle_since * rate) > done) {
            tidy(true);
            idle_since = 0;
        }
    }
    printf("  %-34s %4.0f a second  %9.0f/s   p50 %7.2f ms   p99 %7.2f ms\n", what, rate, (double)done / first, percentile(0.5), percentile(0.99));
    explain();
    if (!is_pgsql)
        bare(seconds);
}

static struct phi_store *store_open(bool pgsql, const char *at)
{
    struct phi_store *s = NULL;
    struct phi_store_pgsql_opts o = { at, "", "core-bench", &k.clock, false };
    must(pgsql ? phi_store_pgsql_open(&o, &s, &k.err) : phi_store_sqlite_open(at, &s, &k.err), "open");
    return s;
}

/* Time goes on: ids begin with it, so new rows stand behind the old ones as they do in phid. With a long history it stands
 * still, or the one grant would end. */
static bool is_still;
static double clock_began;

static int64_t gone_ms(void)
{
    return is_still ? 0 : (int64_t)((now_s() - clock_began) * 1000);
}

static int64_t bench_wall(void *self)
{
    (void)self;
    return 1790000000000 + gone_ms();
}

static int64_t bench_boot(void *self)
{
    (void)self;
    return 1000000 + gone_ms();
}

static const char *still_id(void *self)
{
    (void)self;
    return "boot-1";
}

static void grant_make(void)
{
    struct phi_request_answer ans;
    struct phi_request r;
    must(kit_scope(&k, KIT_ALICE, "pg:write", "shop/public.orders", 600000, 0, &ans), "scope");
    must(kit_vote(&k, KIT_BOB, &ans.request, true, 0, &r), "vote");
    if (!r.grant)
        must(PHI_EINPUT, "no grant");
    grant = phi_arena_copy(&k.keep, r.grant->id);
}

static void history(int64_t most, double s)
{
    for (int64_t n = 10000, step = 0; n <= most; n = step % 2 ? n / 3 * 10 : n * 3, step++) { /* 10,000, 30,000, 100,000 … */
        double t0 = now_s(), cpu = cpu_s();
        int64_t had = k.core->st.size;
        while (k.core->st.size < n) {
            batch(append_one, APPENDS);
            tidy(true);
        }
        double gained = (double)(k.core->st.size - had);
        printf("  %9lld entries: %.0f appends a second, CPU %.1f us each\n", (long long)k.core->st.size, gained / (now_s() - t0),
               (cpu_s() - cpu) * 1e6 / gained);
        closed("claims", claim_one, IN_FLIGHT, s);
        closed("claims", claim_one, 1, s);
    }
}

/* ---- what is held */

#define PER_PERSON 10

struct held {
    char id[PHI_ID_LEN + 1], digest[PHI_HEX_LEN + 1], grant[PHI_ID_LEN + 1];
};

static struct held *held;
static size_t n_held;
static char (*people)[PHI_ID_LEN + 1], (*credentials)[PHI_ID_LEN + 1];

/* Without what the commands of a batch need while they run: that is the same for one request and for a million. */
static double pss_kb(void)
{
    batch(NULL, 0);
    malloc_trim(0);
    char line[128];
    double kb = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss: %lf kB", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

static enum phi_rc person_one(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct one *o = arg;
    struct phi_person p;
    struct phi_view group = PHI_LIT("dev");
    struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };
    PHI_TRY(phi_person_add(c, &o->a, &phid, phi_arena_printf(&o->a, "dev%zu", o->n), &group, 1, &p, err));
    snprintf(people[o->n], sizeof people[o->n], PHI_FMT, PHI_ARG(p.id));
    return PHI_OK;
}

static enum phi_rc pending_one(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct one *o = arg;
    struct phi_actor by = { .kind = PHI_ACTOR_PERSON, .id = phi_view_of(people[o->n / PER_PERSON]) };
    struct phi_request r;
    PHI_TRY(ask_table(c, o, &by, PHI_LIT("pg:delete"), PHI_LIT("an import of last night's orders"), &r, err));
    snprintf(held[o->n].id, sizeof held->id, PHI_FMT, PHI_ARG(r.id));
    snprintf(held[o->n].digest, sizeof held->digest, PHI_FMT, PHI_ARG(r.digest));
    return PHI_OK;
}

static enum phi_rc credential_one(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct one *o = arg;
    struct phi_credential made;
    struct phi_actor by = { .kind = PHI_ACTOR_PERSON, .id = phi_view_of(people[o->n]) };
    PHI_TRY(phi_credential_make(c, &o->a, &by, PHI_LIT("shop"), &made, err));
    snprintf(credentials[o->n], sizeof credentials[o->n], PHI_FMT, PHI_ARG(made.id));
    return PHI_OK;
}

static struct phi_claim_ask each_of(struct one *o)
{
    size_t i = o->n * 7919 % n_held; /* a prime: the grants in an order of no use to anybody */
    struct phi_claim_ask ask = claim_of(o);
    struct phi_pair *pair = phi_arena_alloc(&o->a, sizeof *pair);
    *pair = (struct phi_pair){ PHI_LIT("pg:delete"), phi_ref_make(&o->a, "Table", "shop", "public", phi_arena_str(&o->a, phi_arena_printf(&o->a, "t%zu", i)), NULL) };
    ask.actions = pair;
    ask.grant = phi_view_of(held[i].grant);
    ask.principal = phi_view_of(people[i / PER_PERSON]);
    ask.credential = phi_view_of(credentials[i / PER_PERSON]);
    return ask;
}

static enum phi_rc claim_each(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct phi_claim_ask ask = each_of(arg);
    return claimed(c, arg, &ask, err);
}

static void each_ahead(struct phi_core *c, void *arg, struct core_ahead *h)
{
    struct phi_claim_ask ask = each_of(arg);
    (void)c;
    phi_grant_claim_foresee(h, &ask);
}

static foresight ahead_of(command run)
{
    return getenv("PHI_BENCH_BLIND") ? NULL : run == claim_one ? claim_ahead : run == claim_each ? each_ahead : NULL;
}

static enum phi_rc approve_one(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct one *o = arg;
    struct phi_actor by = kit_actor(&k, KIT_BOB);
    struct phi_ballot vote = { .approve = true, .digest = phi_view_of(held[o->n].digest), .version = 1 };
    struct phi_request r;
    PHI_TRY(phi_request_vote(c, &o->a, &by, phi_view_of(held[o->n].id), &vote, &r, err));
    if (!r.grant)
        return phi_fail(err, PHI_EINPUT, "no grant");
    snprintf(held[o->n].grant, sizeof held->grant, PHI_FMT, PHI_ARG(r.grant->id));
    return PHI_OK;
}

/* `n` of them, and what they left behind in this process. */
static void hold(const char *what, command run, size_t n)
{
    double kb = pss_kb(), t0 = now_s(), cpu = cpu_s();
    serial = 0;
    while (serial < n)
        batch(run, n - serial < 256 ? n - serial : 256);
    double rate = (double)n / (now_s() - t0), each_us = (cpu_s() - cpu) * 1e6 / (double)n, grown = pss_kb() - kb;
    printf("  %9zu %-24s %9.0f/s   CPU %6.1f us each   PSS %7.1f MB, %+7.1f MB: %.0f bytes each\n", n, what, rate, each_us, (kb + grown) / 1024,
           grown / 1024, grown * 1024 / (double)n);
    fflush(stdout);
}

static void claims_beside(const char *what, command run, double s)
{
    static size_t key = (size_t)1 << 40; /* beyond every number above */
    serial = key;
    closed(what, run, IN_FLIGHT, s);
    key = serial;
}

static void hold_many(size_t n, double s)
{
    size_t crowd = (n + PER_PERSON - 1) / PER_PERSON;
    held = calloc(n, sizeof *held);
    people = calloc(crowd, sizeof *people);
    credentials = calloc(crowd, sizeof *credentials);
    n_held = n < 640 ? n : 640; /* of these each is claimed: a credential changes what all 10,000 people are, and is dear */
    if (!held || !people || !credentials)
        must(PHI_ELIMIT, "memory");
    for (size_t i = 0; i < n; i++)
        held[i].id[0] = '-'; /* this table is there before anything is measured */
    claims_beside("claims", claim_one, s);
    hold("people", person_one, crowd);
    hold("credentials", credential_one, (n_held + PER_PERSON - 1) / PER_PERSON);
    hold("requests, all pending", pending_one, n);
    claims_beside("claims", claim_one, s);
    hold("approved: live grants", approve_one, n);
    claims_beside("claims", claim_one, s);
    claims_beside("claims, each of another grant", claim_each, s);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return fprintf(stderr, "core-bench sqlite FILE | pgsql CONNINFO  SECONDS [HISTORY | held COUNT]\n"), 2;
    double s = strtod(argv[3], NULL);
    is_pgsql = strcmp(argv[1], "pgsql") == 0;
    place = argv[2];
    is_still = argc > 4;
    clock_began = now_s();
    took = calloc(SAMPLES, sizeof *took);
    own = calloc(SAMPLES, sizeof *own);
    const struct phi_clock going = { NULL, bench_wall, bench_boot, still_id };
    k.clock = going;
    struct phi_store *store = store_open(is_pgsql, argv[2]);
    if (!took || !own)
        return 1;
    kit_open(&k, store, 1);
    k.clock = going; /* the kit's stands still */
    grant_make();
    printf("%s\n", argv[1]);
    if (argc > 5 && strcmp(argv[4], "held") == 0) {
        hold_many((size_t)strtoull(argv[5], NULL, 10), s);
        return 0;
    }
    if (argc > 4) {
        history(strtoll(argv[4], NULL, 10), s);
        return 0;
    }
    closed("claims", claim_one, 1, s);
    double before = closed("claims", claim_one, IN_FLIGHT, s);
    arriving("claims that arrive", claim_one, 1000, s);
    arriving("claims that arrive", claim_one, 5000, s);
    closed("requests, made and cancelled", request_one, 1, s);
    closed("requests, made and cancelled", request_one, IN_FLIGHT, s);
    closed("log entries", append_one, APPENDS, 3 * s);
    double after = closed("claims after all that", claim_one, IN_FLIGHT, s);
    printf("  the log has %lld entries; claims cost %.2f of what they did at first\n", (long long)k.core->st.size, before / after);
    kit_close(&k);
    phi_store_close(store);
    return 0;
}
