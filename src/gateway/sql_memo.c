#include "gateway/sql_memo.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/catalog_read.h"

/* Hands out pieces of one block; with base NULL it only counts. */
struct bump {
    uint8_t *base;
    size_t used;
};

static void *take(struct bump *b, size_t n)
{
    void *p = b->base ? b->base + b->used : NULL;
    b->used += (n + 15) & ~(size_t)15;
    return p;
}

static struct phi_view copy_text(struct bump *b, struct phi_view v)
{
    if (!v.n)
        return (struct phi_view){ 0 };
    void *p = take(b, v.n);
    if (p)
        memcpy(p, v.p, v.n);
    return phi_view_mem(p, v.n);
}

/* Names of actions and types are static strings: only the ids are copied. */
static const struct gw_sql_action *copy_actions(struct bump *b, const struct gw_sql_action *from, size_t n)
{
    struct gw_sql_action *to = take(b, n * sizeof *to);
    for (size_t i = 0; i < n; i++) {
        struct phi_view id = copy_text(b, from[i].id);
        if (to)
            to[i] = (struct gw_sql_action){ .action = from[i].action, .type = from[i].type, .id = id };
    }
    return n ? to : NULL;
}

static struct gw_sql_facts *copy(struct bump *b, const struct gw_sql_facts *f)
{
    struct gw_sql_facts *to = take(b, sizeof *to);
    struct gw_sql_stmt *stmts = take(b, f->n * sizeof *stmts);
    for (size_t i = 0; i < f->n; i++) {
        struct gw_sql_stmt s = f->stmts[i];
        s.text = (struct phi_view){ 0 };
        s.tag = copy_text(b, s.tag);
        s.name = copy_text(b, s.name);
        s.refuse = copy_text(b, s.refuse);
        s.actions = copy_actions(b, s.actions, s.n);
        if (stmts)
            stmts[i] = s;
    }
    struct gw_sql_facts all = *f;
    all.stmts = f->n ? stmts : NULL;
    all.refuse = copy_text(b, f->refuse);
    all.actions = copy_actions(b, f->actions, f->n_actions);
    all.shown = copy_text(b, f->shown);
    if (to)
        *to = all;
    return to;
}

static bool key_add(uint8_t key[SQL_MEMO_KEY], size_t *n, struct phi_view v)
{
    if (v.n > SQL_MEMO_KEY - 1 - *n)
        return false;
    if (v.n)
        memcpy(key + *n, v.p, v.n);
    *n += v.n;
    key[(*n)++] = 0; /* no name holds a zero byte */
    return *n < SQL_MEMO_KEY;
}

size_t sql_memo_key(const struct gw_sql_env *env, uint8_t key[SQL_MEMO_KEY])
{
    size_t n = 0;
    bool ok = key_add(key, &n, env->target) && key_add(key, &n, env->path ? PHI_LIT("p") : PHI_LIT("-"));
    for (size_t i = 0; ok && env->path && i < env->n_path; i++)
        ok = key_add(key, &n, env->path[i]);
    return ok ? n : 0;
}

static struct gw_sql_facts *facts_at(const struct sql_memo *m)
{
    return (struct gw_sql_facts *)(void *)(m->block + ((m->key_n + 15) & ~(size_t)15));
}

static bool key_part(const uint8_t **at, size_t *left, struct phi_view v)
{
    if (*left <= v.n || (v.n && memcmp(*at, v.p, v.n) != 0) || (*at)[v.n] != 0)
        return false;
    *at += v.n + 1;
    *left -= v.n + 1;
    return true;
}

/* As sql_memo_key writes it. */
static bool key_fits(const struct sql_memo *m, const struct gw_sql_env *env)
{
    const uint8_t *at = m->block;
    size_t left = m->key_n;
    if (env->place && m->place == env->place)
        return true;
    bool ok = key_part(&at, &left, env->target) && key_part(&at, &left, env->path ? PHI_LIT("p") : PHI_LIT("-"));
    for (size_t i = 0; ok && env->path && i < env->n_path; i++)
        ok = key_part(&at, &left, env->path[i]);
    return ok && left == 0;
}

const struct gw_sql_facts *sql_memo_peek(const struct sql_memo *m, const struct gw_sql_env *env)
{
    if (!m->catalog || m->catalog != cat_serial(env->catalog) || !key_fits(m, env))
        return NULL;
    return facts_at(m);
}

struct gw_sql_facts *sql_memo_get(const struct sql_memo *m, const struct gw_sql_env *env, struct phi_arena *a)
{
    const struct gw_sql_facts *f = sql_memo_peek(m, env);
    struct bump b = { .base = f ? phi_arena_alloc(a, m->size) : NULL };
    return b.base ? copy(&b, f) : NULL;
}

static _Thread_local uint64_t last_id;

void sql_memo_put(struct sql_memo *m, const struct gw_sql_env *env, const struct gw_sql_facts *f)
{
    enum { WORTH = 16 * 1024 };
    uint8_t key[SQL_MEMO_KEY];
    uint64_t serial = cat_serial(env->catalog);
    size_t n = serial ? sql_memo_key(env, key) : 0;
    struct bump count = { 0 };
    (void)copy(&count, f);
    sql_memo_done(m);
    if (!n || count.used > WORTH)
        return;
    m->block = calloc(1, n + 16 + count.used);
    if (!m->block)
        return;
    memcpy(m->block, key, n);
    m->key_n = n;
    m->size = count.used;
    m->catalog = serial;
    m->id = ++last_id;
    m->place = env->place;
    struct bump b = { .base = (uint8_t *)facts_at(m) };
    (void)copy(&b, f);
}

void sql_memo_done(struct sql_memo *m)
{
    free(m->block);
    *m = (struct sql_memo){ 0 };
}
