#include "core/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "core/grant.h"
#include "core/inner.h"

#define FACTS_MAX ((size_t)4 << 20)
#define KEY_MAX   1024

struct fact {
    bool any, seen;          /* any: its value was erased */
    struct phi_digest value;
};

struct phi_compare {
    int64_t at, rows;        /* at: the next leaf row */
    struct phi_tree tree;    /* of the log that is open now */
    struct phi_map *facts;
    int table;               /* the one being scanned; CORE_TABLES: done */
    bool leaves_done;
    char last[KEY_MAX];      /* first key column of the last row seen */
    size_t n_last;
    int64_t same;            /* how many rows of that key were seen */
};

struct phi_compare *phi_compare_open(void)
{
    struct phi_compare *k = calloc(1, sizeof *k);
    if (k && !(k->facts = phi_map_open(FACTS_MAX))) {
        free(k);
        k = NULL;
    }
    return k;
}

void phi_compare_close(struct phi_compare *k)
{
    void *at = NULL, *v;
    struct phi_view key;
    if (!k)
        return;
    while (phi_map_next(k->facts, &at, &key, &v))
        free(v);
    phi_map_close(k->facts);
    free(k);
}

int64_t phi_compare_seen(const struct phi_compare *k)
{
    return k->rows;
}

/* ---- what the entries say */

static struct phi_view key_of(struct phi_buf *b, const char *kind, struct phi_view x, struct phi_view y)
{
    phi_buf_clear(b);
    phi_buf_adds(b, kind);
    phi_buf_addc(b, 0);
    phi_buf_add(b, x);
    phi_buf_addc(b, 0);
    phi_buf_add(b, y);
    return phi_buf_view(b);
}

static enum phi_rc fact_put(struct phi_compare *k, struct phi_view key, const struct phi_digest *value, struct phi_err *err)
{
    struct fact *f = phi_map_get(k->facts, key);
    bool fresh = f == NULL;
    if (fresh)
        f = calloc(1, sizeof *f);
    if (!f)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    f->any = value == NULL;
    if (value)
        f->value = *value;
    if (!fresh || phi_map_put(k->facts, key, f))
        return PHI_OK;
    free(f);
    return phi_fail(err, PHI_ELIMIT, "too many people, sign-ins and memberships to compare");
}

static void fact_del(struct phi_compare *k, struct phi_view key)
{
    free(phi_map_del(k->facts, key));
}

static struct phi_view ref_id(const struct phi_json *e, const char *member)
{
    return phi_json_text(phi_json_get(e, member), "id");
}

enum said { SAID_MEMBER, SAID_NO_MEMBER, SAID_PERSON, SAID_NO_PERSON, SAID_CREDENTIAL, SAID_NO_CREDENTIAL, SAID_SESSION, SAID_NO_SESSION,
            SAID_GATEWAY, SAID_NO_GATEWAY, SAID_BUNDLE, SAID_N };
static const char *const said_names[SAID_N] = { "group.member-added", "group.member-removed", "person.added", "person.removed",
                                                "credential.issued", "credential.ended", "session.opened", "session.closed",
                                                "gateway.enrolled", "gateway.removed", "bundle.live" };

static enum phi_rc fact_take(struct phi_compare *k, enum said what, const struct phi_json *e, struct phi_err *err)
{
    PHI_BUF(b, KEY_MAX);
    const struct phi_view none = { 0 };
    struct phi_digest hash;
    char version[24];
    switch (what) {
    case SAID_MEMBER: return fact_put(k, key_of(&b, "member", ref_id(e, "group"), ref_id(e, "person")), NULL, err);
    case SAID_NO_MEMBER: fact_del(k, key_of(&b, "member", ref_id(e, "group"), ref_id(e, "person"))); break;
    case SAID_PERSON:
        hash = core_unhex(phi_json_text(e, "name_hash"));
        return fact_put(k, key_of(&b, "person", ref_id(e, "person"), none), &hash, err);
    case SAID_NO_PERSON: return fact_put(k, key_of(&b, "person", ref_id(e, "person"), none), NULL, err);
    case SAID_CREDENTIAL: return fact_put(k, key_of(&b, "credential", phi_json_text(e, "credential"), ref_id(e, "person")), NULL, err);
    case SAID_NO_CREDENTIAL: fact_del(k, key_of(&b, "credential", phi_json_text(e, "credential"), ref_id(e, "person"))); break;
    case SAID_SESSION: return fact_put(k, key_of(&b, "session", phi_json_text(e, "session"), ref_id(e, "person")), NULL, err);
    case SAID_NO_SESSION: fact_del(k, key_of(&b, "session", phi_json_text(e, "session"), ref_id(e, "person"))); break;
    case SAID_GATEWAY:
        hash = core_unhex(phi_json_text(e, "key_hash"));
        return fact_put(k, key_of(&b, "gateway", ref_id(e, "gateway"), none), &hash, err);
    case SAID_NO_GATEWAY: fact_del(k, key_of(&b, "gateway", ref_id(e, "gateway"), none)); break;
    case SAID_BUNDLE:
        hash = core_unhex(phi_json_text(e, "bundle"));
        snprintf(version, sizeof version, "%lld", (long long)phi_json_num(e, "bundle_version", 0));
        return fact_put(k, key_of(&b, "bundle", phi_view_of(version), none), &hash, err);
    case SAID_N: break;
    }
    return PHI_OK;
}

static enum phi_rc facts_of(struct phi_compare *k, struct phi_view entry, struct phi_err *err)
{
    char text[64];
    for (int i = 0; i < SAID_N; i++) {
        int n = snprintf(text, sizeof text, "\"ev\":\"%s\"", said_names[i]);
        if (!memmem(entry.p, entry.n, text, (size_t)n))
            continue;
        PHI_ARENA(a, (size_t)8 << 20);
        const struct phi_json *e;
        PHI_TRY(phi_json_read(&a, entry, PHI_JSON_STRICT, "entry", &e, err));
        if (phi_view_is(phi_json_text(e, "ev"), said_names[i]))
            PHI_TRY(fact_take(k, (enum said)i, e, err));
    }
    return PHI_OK;
}

/* ---- the leaves */

static enum phi_rc leaf_take(struct phi_core *c, struct phi_compare *k, const struct core_leaf_row *row, struct phi_err *err)
{
    struct phi_digest hash = phi_leaf_hash(row->entry);
    if (row->idx != k->at || !phi_view_eq(row->hash, phi_digest_view(&hash)))
        return phi_fail(err, PHI_ECORRUPT, "entry %lld of the log is missing, or not what was hashed when it was written",
                        (long long)(k->at - c->st.base));
    if (k->at >= c->st.base)
        phi_tree_append(&k->tree, &hash, NULL, NULL);
    k->at++;
    return facts_of(k, row->entry, err);
}

static enum phi_rc leaves_step(struct phi_core *c, struct phi_compare *k, int64_t rows, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)256 << 20);
    struct core_leaf_row *leaf, key = { .idx = k->at };
    size_t n;
    PHI_TRY(core_list(c, CORE_LEAF, CORE_BY_KEY, &key, (struct core_span){ .at_least = true, .limit = rows }, &a, &leaf, &n, err));
    if (n == 0 && k->at < c->st.base + c->st.size)
        return phi_fail(err, PHI_ECORRUPT, "entry %lld of the log is missing", (long long)(k->at - c->st.base));
    for (size_t i = 0; i < n && k->at < c->st.base + c->st.size; i++)
        PHI_TRY(leaf_take(c, k, &leaf[i], err));
    k->rows += (int64_t)n;
    return PHI_OK;
}

static enum phi_rc tree_check(struct phi_core *c, struct phi_compare *k, struct phi_err *err)
{
    struct phi_digest root = phi_tree_root(&k->tree), head = phi_tree_root(&c->tree);
    if (k->tree.size != c->tree.size || !phi_digest_eq(&root, &head))
        return phi_fail(err, PHI_ECORRUPT, "the log's entries do not lead to its head");
    return PHI_OK;
}

/* ---- rows that no leaf speaks of one by one: all of them, and no others */

static enum phi_rc held(struct phi_compare *k, const char *kind, struct phi_view x, struct phi_view y, const struct phi_digest *value,
                        size_t *n, struct phi_err *err)
{
    PHI_BUF(b, KEY_MAX);
    struct fact *f = phi_map_get(k->facts, key_of(&b, kind, x, y));
    if (!f || (value && !f->any && !phi_digest_eq(value, &f->value)))
        return phi_fail(err, PHI_ECORRUPT, "a row of %s (" PHI_FMT ") is not what the log says", kind, PHI_ARG(phi_view_upto(x, 60)));
    (*n)++;
    return PHI_OK;
}

static size_t facts_n(struct phi_compare *k, const char *kind)
{
    void *at = NULL, *v;
    struct phi_view key;
    size_t n = 0;
    while (phi_map_next(k->facts, &at, &key, &v))
        n += strcmp((const char *)key.p, kind) == 0;
    return n;
}

static enum phi_rc none_lacks(struct phi_compare *k, const char *kind, size_t n, struct phi_err *err)
{
    return facts_n(k, kind) == n ? PHI_OK : phi_fail(err, PHI_ECORRUPT, "a row of %s that the log speaks of is gone", kind);
}

#define EACH_ROW(c, table, type, a, err)                                                                                     \
    struct type *rows;                                                                                                       \
    size_t n_rows, n = 0;                                                                                                    \
    PHI_TRY(core_list(c, table, CORE_BY_KEY, NULL, (struct core_span){ 0 }, &(a), &rows, &n_rows, err));                     \
    for (size_t i = 0; i < n_rows; i++)

static enum phi_rc people_check(struct phi_core *c, struct phi_compare *k, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 30);
    EACH_ROW(c, CORE_PERSON, core_person_row, a, err)
    {
        struct phi_digest hash = core_salted(rows[i].salt, rows[i].name);
        bool erased = rows[i].salt.n == 0;
        PHI_TRY(held(k, "person", rows[i].id, (struct phi_view){ 0 }, erased ? NULL : &hash, &n, err));
    }
    return none_lacks(k, "person", n, err);
}

static enum phi_rc members_check(struct phi_core *c, struct phi_compare *k, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 30);
    EACH_ROW(c, CORE_MEMBER, core_member_row, a, err)
        PHI_TRY(held(k, "member", rows[i].grp, rows[i].person, NULL, &n, err));
    return none_lacks(k, "member", n, err);
}

static enum phi_rc credentials_check(struct phi_core *c, struct phi_compare *k, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 30);
    EACH_ROW(c, CORE_CREDENTIAL, core_credential_row, a, err)
        PHI_TRY(held(k, "credential", rows[i].id, rows[i].person, NULL, &n, err));
    return none_lacks(k, "credential", n, err);
}

static enum phi_rc sessions_check(struct phi_core *c, struct phi_compare *k, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 30);
    EACH_ROW(c, CORE_SESSION, core_session_row, a, err)
        PHI_TRY(held(k, "session", rows[i].id, rows[i].person, NULL, &n, err));
    return none_lacks(k, "session", n, err);
}

static enum phi_rc gateways_check(struct phi_core *c, struct phi_compare *k, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 30);
    EACH_ROW(c, CORE_GATEWAY, core_gateway_row, a, err)
    {
        struct phi_digest key = { { 0 } };
        if (rows[i].key.n != sizeof key.b)
            continue; /* not enrolled */
        memcpy(key.b, rows[i].key.p, sizeof key.b);
        PHI_TRY(held(k, "gateway", rows[i].name, (struct phi_view){ 0 }, &key, &n, err));
    }
    return none_lacks(k, "gateway", n, err);
}

static enum phi_rc bundles_check(struct phi_core *c, struct phi_compare *k, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 30);
    EACH_ROW(c, CORE_BUNDLE, core_bundle_row, a, err)
    {
        char version[24];
        struct phi_digest hash = core_unhex(rows[i].hash);
        snprintf(version, sizeof version, "%lld", (long long)rows[i].version);
        PHI_TRY(held(k, "bundle", phi_view_of(version), (struct phi_view){ 0 }, &hash, &n, err));
    }
    return none_lacks(k, "bundle", n, err);
}

static enum phi_rc facts_check(struct phi_core *c, struct phi_compare *k, struct phi_err *err)
{
    PHI_TRY(people_check(c, k, err));
    PHI_TRY(members_check(c, k, err));
    PHI_TRY(credentials_check(c, k, err));
    PHI_TRY(sessions_check(c, k, err));
    PHI_TRY(gateways_check(c, k, err));
    return bundles_check(c, k, err);
}

/* ---- rows that name their leaf */

static int leaf_column(enum core_table t)
{
    const struct core_table_def *d = core_table_of(t);
    for (int i = 0; i < d->n_cols; i++)
        if (strcmp(d->cols[i].name, "leaf") == 0)
            return i;
    return -1;
}

/* The use as its entry says it; the idempotency key alone stands nowhere else. */
static bool claim_fits(const struct core_claim_row *row, const struct phi_json *e)
{
    return phi_view_is(phi_json_text(e, "ev"), "grant.claimed") && phi_view_eq(phi_json_text(e, "claim"), row->id) &&
           phi_view_eq(phi_json_text(e, "grant"), row->grant) && phi_view_eq(phi_json_text(e, "session"), row->session) &&
           phi_view_eq(ref_id(e, "gateway"), row->gateway) && phi_json_num(e, "t", -1) == row->at_ms &&
           phi_json_num(e, "statements", 0) == row->statements && row->tag.n == 0 && row->nrows == 0 && row->nbytes == 0 &&
           row->rev == 0;
}

/* A use whose outcome is not known yet rests on the entry that claimed it, which speaks of the grant. */
static enum phi_rc claim_check(struct phi_core *c, const struct core_claim_row *row, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)8 << 20);
    struct core_leaf_row leaf, key = { .idx = row->leaf };
    const struct phi_json *e;
    if (core_get(c, CORE_LEAF, CORE_BY_KEY, &key, &a, &leaf, NULL) == PHI_OK && phi_view_eq(leaf.hash, row->leaf_hash) &&
        phi_json_read(&a, leaf.entry, PHI_JSON_STRICT, "entry", &e, NULL) == PHI_OK && claim_fits(row, e))
        return PHI_OK;
    return phi_fail(err, PHI_ECORRUPT, "a row of claim is not what entry %lld of the log says", (long long)row->leaf);
}

static enum phi_rc row_hold(struct phi_core *c, enum core_table t, const void *row, struct phi_err *err)
{
    const struct core_table_def *d = core_table_of(t);
    int leaf = leaf_column(t);
    if (t == CORE_CLAIM && ((const struct core_claim_row *)row)->outcome == 0)
        return claim_check(c, row, err);
    return core_row_check(c, t, row, core_row_int(row, &d->cols[leaf]), core_row_text(row, &d->cols[leaf + 1]), err);
}

/* Goes on behind the last key; of rows that share its first column those that were seen are passed over. */
static enum phi_rc table_step(struct phi_core *c, struct phi_compare *k, int64_t rows, struct phi_err *err)
{
    const struct core_table_def *d = core_table_of((enum core_table)k->table);
    const struct core_column *first = &d->cols[d->index[0].cols[0]];
    PHI_ARENA(a, (size_t)256 << 20);
    char *row, *key = phi_arena_alloc(&a, d->size);
    size_t n;
    if (!key)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    memset(key, 0, d->size);
    *(struct phi_view *)(void *)(key + first->at) = phi_view_mem(k->last, k->n_last);
    struct core_span span = { .at_least = true, .limit = rows, .offset = k->same };
    PHI_TRY(core_list(c, (enum core_table)k->table, CORE_BY_KEY, key, span, &a, &row, &n, err));
    for (size_t i = 0; i < n; i++, row += d->size) {
        struct phi_view id = core_row_text(row, first);
        PHI_TRY(row_hold(c, (enum core_table)k->table, row, err));
        bool again = phi_view_eq(id, phi_view_mem(k->last, k->n_last));
        k->same = again ? k->same + 1 : 1;
        k->n_last = id.n < sizeof k->last ? id.n : sizeof k->last;
        memcpy(k->last, id.p, k->n_last);
    }
    k->rows += (int64_t)n;
    if ((int64_t)n < rows) {
        k->table++;
        k->n_last = 0;
        k->same = 0;
    }
    return PHI_OK;
}

static bool scanned(int t)
{
    const struct core_table_def *d = core_table_of((enum core_table)t);
    return leaf_column((enum core_table)t) >= 0 && d->cols[d->index[0].cols[0]].kind != CORE_INT;
}

enum phi_rc phi_compare_step(struct phi_core *c, struct phi_compare *k, int64_t rows, bool *ret_done, struct phi_err *err)
{
    *ret_done = false;
    PHI_TRY(core_batched(c, err));
    if (!k->leaves_done) {
        PHI_TRY(leaves_step(c, k, rows, err));
        if (k->at < c->st.base + c->st.size)
            return PHI_OK;
        k->leaves_done = true; /* in this transaction, so that nothing has changed since the last entry */
        PHI_TRY(tree_check(c, k, err));
        return facts_check(c, k, err);
    }
    while (k->table < CORE_TABLES && !scanned(k->table))
        k->table++;
    *ret_done = k->table >= CORE_TABLES;
    return *ret_done ? PHI_OK : table_step(c, k, rows, err);
}
