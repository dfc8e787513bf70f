/* How many durable claims a second: batches of claims over the SQLite store, each claim decided again, each
 * with its leaf, one commit a batch. claims_bench FILE [CLAIMS] [A_BATCH] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/batch.h"
#include "kit.h"
#include "store/sqlite.h"

struct one {
    struct kit *k;
    struct phi_view grant;
    char key[24];
};

static enum phi_rc claim_one(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct one *o = arg;
    PHI_ARENA(a, (size_t)16 << 20);
    struct phi_actor gw = kit_gateway(1);
    struct phi_pair pair = { PHI_LIT("pg:delete"), phi_ref_make(&a, "Table", "shop", "public", "orders", NULL) };
    struct phi_claim_ask ask = { .grant = o->grant,
                                 .key = phi_view_of(o->key),
                                 .principal = o->k->person[KIT_ALICE],
                                 .credential = o->k->credential[KIT_ALICE],
                                 .session = PHI_LIT("s1"),
                                 .target = PHI_LIT("shop"),
                                 .actions = &pair,
                                 .n_actions = 1 };
    struct phi_claim claim;
    return phi_grant_claim(c, &a, &gw, &ask, &claim, err);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int one_batch(struct kit *k, struct phi_view grant, size_t n, size_t from)
{
    struct one *o = calloc(n, sizeof *o);
    struct phi_core_cmd *cmds = calloc(n, sizeof *cmds);
    int bad = !o || !cmds;
    for (size_t i = 0; i < n && !bad; i++) {
        o[i] = (struct one){ .k = k, .grant = grant };
        snprintf(o[i].key, sizeof o[i].key, "k%zu", from + i);
        cmds[i] = (struct phi_core_cmd){ .run = claim_one, .arg = &o[i] };
    }
    bad = bad || phi_core_batch(k->core, cmds, n, &k->err) != PHI_OK;
    for (size_t i = 0; i < n && !bad; i++)
        bad = cmds[i].rc != PHI_OK;
    free(o);
    free(cmds);
    return bad;
}

int main(int argc, char **argv)
{
    static struct kit k;
    struct phi_store *store;
    struct phi_request_answer ans;
    struct phi_request r;
    size_t total = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000, batch = argc > 3 ? strtoul(argv[3], NULL, 10) : 64;
    if (argc < 2 || batch == 0 || phi_store_sqlite_open(argv[1], &store, NULL) != PHI_OK)
        return fprintf(stderr, "claims_bench FILE [CLAIMS] [A_BATCH]\n"), 2;
    kit_open(&k, store, 1);
    if (kit_scope(&k, KIT_ALICE, "pg:write", "shop/public.orders", 600000, 0, &ans) != PHI_OK ||
        kit_vote(&k, KIT_BOB, &ans.request, true, 0, &r) != PHI_OK || !r.grant)
        return fprintf(stderr, "no grant: %s\n", k.err.msg), 1;
    double t0 = now_s();
    for (size_t n = 0; n < total; n += batch)
        if (one_batch(&k, r.grant->id, batch, n))
            return fprintf(stderr, "a claim failed: %s\n", k.err.msg), 1;
    double s = now_s() - t0;
    printf("%zu durable claims in %.2f s: %.0f/s, batches of %zu\n", total, s, (double)total / s, batch);
    kit_close(&k);
    phi_store_close(store);
    return 0;
}
