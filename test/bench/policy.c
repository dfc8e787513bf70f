/* One workload of bench policy: DIR with schema, policies, entities and requests; each decision is timed on its own and what the
 * clock itself takes is subtracted. One line of JSON. `bench-policy load N` makes N entities instead. */
#include "policy/bundle.h"

#include "base/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_TEXT (1UL << 30)
#define MAX_TIMES 2000000

struct bench {
    struct phi_arena arena;
    struct phi_bundle *bundle;
    struct phi_entities *entities;
    struct phi_world *world;
    struct phi_ask *asks;
    struct phi_query **queries;
    size_t n;
    struct phi_scratch *scratch;
    uint32_t *times;
    double seconds;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void must(enum phi_rc rc, const struct phi_err *err)
{
    if (rc == PHI_OK)
        return;
    fprintf(stderr, "bench-policy: %s\n", err->msg);
    exit(1);
}

static int cmp_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static struct phi_view text(struct bench *b, const char *dir, const char *name)
{
    struct phi_err err = { 0 };
    PHI_BUF(file, MAX_TEXT);
    must(phi_file_read((const char *)phi_arena_printf(&b->arena, "%s/%s", dir, name).p, MAX_TEXT, &file, &err), &err);
    return phi_arena_copy(&b->arena, phi_buf_view(&file));
}

static void read_asks(struct bench *b, const char *dir)
{
    const struct phi_json *all = NULL;
    struct phi_err err = { 0 };
    must(phi_json_read(&b->arena, text(b, dir, "requests.json"), PHI_JSON_INT64, "requests", &all, &err), &err);
    b->n = all->n;
    b->asks = calloc(b->n, sizeof *b->asks);
    b->queries = calloc(b->n, sizeof(struct phi_query *));
    for (size_t i = 0; i < b->n; i++) {
        const struct phi_json *r = &all->items[i];
        must(phi_uid_from_json(phi_json_get(r, "principal"), &b->asks[i].principal, &err), &err);
        must(phi_uid_from_json(phi_json_get(r, "action"), &b->asks[i].action, &err), &err);
        must(phi_uid_from_json(phi_json_get(r, "resource"), &b->asks[i].resource, &err), &err);
        must(phi_value_from_json(&b->arena, phi_json_get(r, "context"), &b->asks[i].context, &err), &err);
        must(phi_query_open(b->world, &b->asks[i], &b->queries[i], &err), &err);
    }
}

static void load(struct bench *b, const char *dir)
{
    struct phi_err err = { 0 };
    struct phi_bundle_text t = { .schema = text(b, dir, "schema.cedarschema"), .policies = text(b, dir, "policies.cedar") };
    must(cedar_bundle_load(&t, 0, &b->bundle, &err), &err);
    b->entities = phi_entities_open(NULL, MAX_TEXT);
    must(phi_entities_add_text(b->entities, text(b, dir, "entities.json"), &err), &err);
    must(phi_world_open(b->bundle, MAX_TEXT, &b->world, &err), &err);
    must(phi_world_add_all(b->world, b->entities, &err), &err);
    must(phi_world_ready(b->world, &err), &err);
    b->scratch = phi_scratch_open(MAX_TEXT);
    b->times = malloc(MAX_TIMES * sizeof *b->times);
}

static uint32_t clock_itself(void)
{
    uint32_t t[1001];
    for (int i = 0; i < 1001; i++) {
        int64_t from = now_ns();
        t[i] = (uint32_t)(now_ns() - from);
    }
    qsort(t, 1001, sizeof *t, cmp_u32);
    return t[500];
}

static void report(struct bench *b, const char *name, size_t n)
{
    qsort(b->times, n, sizeof *b->times, cmp_u32);
    printf("\"%s\":{\"median\":%u,\"p99\":%u,\"n\":%zu},", name, b->times[n / 2], b->times[(size_t)((double)(n - 1) * 0.99)], n);
}

static void measure(struct bench *b, const char *name, enum phi_mode mode)
{
    const uint32_t itself = clock_itself();
    const int64_t until = now_ns() + (int64_t)(b->seconds * 1e9);
    struct phi_answer ans;
    size_t n = 0;
    int64_t to = 0;
    for (size_t i = 0; to < until && n < MAX_TIMES; i = i + 1 < b->n ? i + 1 : 0) {
        int64_t from = now_ns();
        phi_world_decide(b->world, b->queries[i], mode, b->scratch, &ans, NULL);
        to = now_ns();
        uint32_t took = (uint32_t)(to - from);
        b->times[n++] = took > itself ? took - itself : 0;
    }
    report(b, name, n);
}

/* The convenient door: the tree walker over entities as they are. */
static void measure_walker(struct bench *b)
{
    const int64_t until = now_ns() + (int64_t)(b->seconds * 1e9);
    size_t n = 0;
    int64_t to = 0;
    for (size_t i = 0; to < until && n < MAX_TIMES; i = i + 1 < b->n ? i + 1 : 0) {
        PHI_ARENA(a, MAX_TEXT);
        struct phi_answer ans;
        int64_t from = now_ns();
        phi_decide(b->bundle, b->entities, &b->asks[i], &a, &ans, NULL);
        to = now_ns();
        b->times[n++] = (uint32_t)(to - from);
    }
    report(b, "walker", n);
}

/* Interning a request and deciding it, as a program does with one it has just read. */
static void measure_fresh(struct bench *b)
{
    const int64_t until = now_ns() + (int64_t)(b->seconds * 1e9);
    size_t n = 0;
    int64_t to = 0;
    for (size_t i = 0; to < until && n < MAX_TIMES; i = i + 1 < b->n ? i + 1 : 0) {
        struct phi_answer ans;
        struct phi_query *q = NULL;
        int64_t from = now_ns();
        phi_query_open(b->world, &b->asks[i], &q, NULL);
        phi_world_decide(b->world, q, PHI_MODE_EXPLAIN, b->scratch, &ans, NULL);
        phi_query_close(q);
        to = now_ns();
        b->times[n++] = (uint32_t)(to - from);
    }
    report(b, "fresh", n);
}

/* One principal after the other against the first request's action and resource. */
static void measure_sweep(struct bench *b)
{
    struct phi_uid *who = calloc(b->n, sizeof *who);
    enum phi_verdict *out = calloc(b->n, sizeof *out);
    const int64_t until = now_ns() + (int64_t)(b->seconds * 1e9);
    struct phi_err err = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        who[i] = b->asks[i].principal;
    while (now_ns() < until && n < MAX_TIMES) {
        int64_t from = now_ns();
        must(phi_world_sweep(b->world, &b->asks[n % b->n], PHI_SWEPT_PRINCIPAL, who, b->n, b->scratch, out, &err), &err);
        b->times[n++] = (uint32_t)((size_t)(now_ns() - from) / b->n);
    }
    report(b, "sweep", n);
    free(who);
    free(out);
}

static void answers(struct bench *b)
{
    printf("\"answers\":\"");
    for (size_t i = 0; i < b->n; i++) {
        struct phi_answer ans;
        struct phi_err err = { 0 };
        must(phi_world_decide(b->world, b->queries[i], PHI_MODE_EXPLAIN, b->scratch, &ans, &err), &err);
        putchar(ans.verdict == PHI_ALLOW ? 'A' : 'D');
    }
    printf("\"}\n");
}

/* Kilobytes that the process holds. */
static long resident_kb(void)
{
    long all = 0, held = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld %ld", &all, &held) != 2)
        held = 0;
    if (f)
        fclose(f);
    return held * (sysconf(_SC_PAGESIZE) / 1024);
}

#define LOAD_SCHEMA                                                                                                     \
    "entity Group in [Group]; entity User in [Group] = { level: Long, name: String };"                                  \
    "entity Doc; action read appliesTo { principal: User, resource: Doc };"
#define LOAD_POLICY                                                                                                     \
    "permit (principal in Group::\"g7\", action, resource) when { principal.level > 2 && principal.name != \"root\" };"

/* N users in N / 1000 nested groups, two attributes each that policies ask for. */
static int load_many(size_t n)
{
    struct phi_bundle_text t = { .schema = phi_view_of(LOAD_SCHEMA), .policies = phi_view_of(LOAD_POLICY) };
    struct phi_bundle *b = NULL;
    struct phi_world *w = NULL;
    struct phi_err err = { 0 };
    char id[32], group[32];
    must(cedar_bundle_load(&t, 0, &b, &err), &err);
    long before = resident_kb();
    clock_t cpu = clock();
    int64_t from = now_ns();
    must(phi_world_open(b, MAX_TEXT, &w, &err), &err);
    for (size_t i = 0; i < n; i++) {
        bool user = i >= n / 1000;
        size_t up = user ? i % (n / 1000 + 1) : i / 2;
        struct phi_uid uid = { user ? PHI_LIT("User") : PHI_LIT("Group"), phi_view_mem(id, (size_t)snprintf(id, sizeof id, "%s%zu", user ? "user-" : "g", i)) };
        struct phi_uid parent = { PHI_LIT("Group"), phi_view_mem(group, (size_t)snprintf(group, sizeof group, "g%zu", up)) };
        PHI_ARENA(a, 1 << 16);
        struct phi_attr attrs[] = { { PHI_LIT("level"), phi_value_long(&a, (int64_t)(i % 5)) }, { PHI_LIT("name"), phi_value_string(&a, uid.id) } };
        must(phi_world_add(w, uid, &parent, i > 0, user ? phi_value_record(&a, attrs, 2) : NULL, NULL, &err), &err);
    }
    must(phi_world_ready(w, &err), &err);
    printf("{\"entities\":%zu,\"seconds\":%.3f,\"cpu\":%.3f,\"mb\":%.1f}\n", n, (double)(now_ns() - from) / 1e9,
           (double)(clock() - cpu) / CLOCKS_PER_SEC, (double)(resident_kb() - before) / 1024);
    phi_world_close(w);
    phi_bundle_close(b);
    return 0;
}

int main(int argc, char **argv)
{
    struct bench b = { .seconds = argc > 2 ? strtod(argv[2], NULL) : 1 };
    if (argc == 3 && strcmp(argv[1], "load") == 0)
        return load_many(strtoul(argv[2], NULL, 10));
    if (argc < 2)
        return 2;
    phi_arena_init(&b.arena, MAX_TEXT);
    int64_t from = now_ns();
    load(&b, argv[1]);
    printf("{\"load_ms\":%.1f,", (double)(now_ns() - from) / 1e6);
    read_asks(&b, argv[1]);
    measure(&b, "explain", PHI_MODE_EXPLAIN);
    measure(&b, "decide", PHI_MODE_DECIDE);
    measure(&b, "reason", PHI_MODE_REASON);
    measure_fresh(&b);
    measure_sweep(&b);
    measure_walker(&b);
    answers(&b);
    for (size_t i = 0; i < b.n; i++)
        phi_query_close(b.queries[i]);
    free(b.queries);
    free(b.asks);
    free(b.times);
    phi_scratch_close(b.scratch);
    phi_world_close(b.world);
    phi_entities_close(b.entities);
    phi_bundle_close(b.bundle);
    phi_arena_done(&b.arena);
    return 0;
}
