/* The skeleton of a text is its bytes with each run of blanks as one, and each plain literal as one mark of its kind.
 * Anything of which it is not obvious that PostgreSQL's lexer reads it the same way (comments, backslashes, other
 * string syntaxes, bytes past ASCII, a second statement) has no skeleton: such texts are always parsed in a process.
 * Kept are only answers about single SELECT, INSERT, UPDATE and DELETE statements, in which no value of a literal has a
 * part. The test holds this equal to a full parse over a large generated corpus. */
#include "gateway/sql_cache.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"

enum { SETS = 512, WAYS = 4, MAX_SKELETON = 4096, MAX_BYTES = 4 * 1024 * 1024 };
enum { MARK_STRING = 1, MARK_INT = 2, MARK_FLOAT = 3, MARK_LONG = 4 };

struct entry {
    uint64_t hash, used;
    uint8_t *text;
    size_t n;
    struct gw_sql_raw *raw;
};

struct sql_cache {
    uint64_t seed, tick;
    size_t count, bytes;
    struct entry sets[SETS][WAYS];
    uint8_t skeleton[MAX_SKELETON];
};

/* ---- skeletons ---- */

enum { C_BAD, C_BLANK, C_WORD, C_DIGIT, C_OTHER };

static uint8_t class_of(uint8_t c)
{
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
        return C_BLANK;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
        return C_WORD;
    if (c >= '0' && c <= '9')
        return C_DIGIT;
    return c > ' ' && c < 0x7f && c != '\\' ? C_OTHER : C_BAD;
}

static uint8_t classes[256];

static void classes_init(void)
{
    for (int c = 0; c < 256; c++)
        classes[c] = class_of((uint8_t)c);
}

struct lexer {
    const uint8_t *p, *end;
    uint8_t *out, *limit; /* limit leaves room for one byte more */
};

static uint8_t peek(const struct lexer *l, size_t at)
{
    return (size_t)(l->end - l->p) > at ? l->p[at] : 0;
}

static bool put(struct lexer *l, const uint8_t *p, size_t n)
{
    if ((size_t)(l->limit - l->out) < n)
        return false;
    memcpy(l->out, p, n);
    l->out += n;
    return true;
}

static bool put_mark(struct lexer *l, uint8_t mark)
{
    return put(l, &mark, 1);
}

static bool lex_word(struct lexer *l)
{
    const uint8_t *from = l->p;
    while (l->p < l->end && (classes[*l->p] == C_WORD || classes[*l->p] == C_DIGIT || *l->p == '$'))
        l->p++;
    size_t n = (size_t)(l->p - from);
    /* e'…', u&'…', date'…'; and float(p) is a different type for a different p */
    if (peek(l, 0) == '\'' || (peek(l, 0) == '&' && n == 1) || (n == 5 && strncasecmp((const char *)from, "float", 5) == 0))
        return false;
    return put(l, from, n);
}

static bool lex_number(struct lexer *l)
{
    const uint8_t *from = l->p;
    bool real = false;
    while (classes[peek(l, 0)] == C_DIGIT)
        l->p++;
    if (peek(l, 0) == '.') {
        real = true;
        l->p++;
        while (classes[peek(l, 0)] == C_DIGIT)
            l->p++;
    }
    if (peek(l, 0) == 'e' || peek(l, 0) == 'E') {
        real = true;
        l->p++;
        if (peek(l, 0) == '+' || peek(l, 0) == '-')
            l->p++;
        if (classes[peek(l, 0)] != C_DIGIT)
            return false;
        while (classes[peek(l, 0)] == C_DIGIT)
            l->p++;
    }
    uint8_t next = peek(l, 0);
    if (classes[next] == C_WORD || classes[next] == C_DIGIT || next == '.' || next == '$')
        return false;
    return put_mark(l, real ? MARK_FLOAT : l->p - from > 9 ? MARK_LONG : MARK_INT);
}

static bool lex_string(struct lexer *l)
{
    for (l->p++; l->p < l->end; l->p++) {
        if (classes[*l->p] == C_BAD)
            return false;
        if (*l->p != '\'')
            continue;
        if (peek(l, 1) == '\'') {
            l->p++;
            continue;
        }
        l->p++;
        for (const uint8_t *q = l->p; q < l->end; q++) {
            if (*q == '\'') /* 'a' 'b' may be one literal */
                return false;
            if (classes[*q] != C_BLANK)
                break;
        }
        return put_mark(l, MARK_STRING);
    }
    return false;
}

static bool lex_quoted_name(struct lexer *l)
{
    const uint8_t *from = l->p;
    for (l->p++; l->p < l->end; l->p++) {
        if (classes[*l->p] == C_BAD)
            return false;
        if (*l->p == '"') { /* a doubled quote reads as two names side by side: the same bytes, so the same skeleton */
            l->p++;
            return put(l, from, (size_t)(l->p - from));
        }
    }
    return false;
}

static bool lex_param(struct lexer *l)
{
    const uint8_t *from = l->p++;
    while (classes[peek(l, 0)] == C_DIGIT)
        l->p++;
    if (l->p - from < 2 || classes[peek(l, 0)] == C_WORD || peek(l, 0) == '$')
        return false;
    return put(l, from, (size_t)(l->p - from));
}

static bool lex_other(struct lexer *l)
{
    uint8_t c = *l->p, next = peek(l, 1);
    if (c == '\'')
        return lex_string(l);
    if (c == '"')
        return lex_quoted_name(l);
    if (c == '$')
        return lex_param(l);
    if (c == '.' && classes[next] == C_DIGIT)
        return lex_number(l);
    if ((c == '-' && next == '-') || (c == '/' && next == '*') || (c == '&' && (next == '\'' || next == '"')))
        return false;
    l->p++;
    return put(l, &c, 1);
}

static bool lex_blank(struct lexer *l)
{
    while (l->p < l->end && classes[*l->p] == C_BLANK)
        l->p++;
    return l->p == l->end || put_mark(l, ' ');
}

/* One statement's text without blanks around it and without semicolons at its end. */
static struct phi_view bare(struct phi_view sql)
{
    while (sql.n && classes[sql.p[0]] == C_BLANK)
        sql = phi_view_from(sql, 1);
    while (sql.n && (classes[sql.p[sql.n - 1]] == C_BLANK || sql.p[sql.n - 1] == ';'))
        sql.n--;
    return sql;
}

/* The skeleton's length in out; 0: it has none. */
static size_t skeleton_of(struct phi_view sql, uint8_t out[MAX_SKELETON])
{
    sql = bare(sql);
    struct lexer l = { .p = sql.p, .end = sql.p + sql.n, .out = out, .limit = out + MAX_SKELETON };
    bool ok = sql.n > 0;
    while (ok && l.p < l.end) {
        switch (classes[*l.p]) {
        case C_BLANK: ok = lex_blank(&l); break;
        case C_WORD: ok = lex_word(&l); break;
        case C_DIGIT: ok = lex_number(&l); break;
        case C_OTHER: ok = *l.p != ';' && lex_other(&l); break;
        case C_BAD: ok = false; break;
        }
    }
    return ok ? (size_t)(l.out - out) : 0;
}

/* ---- the table ---- */

static uint64_t hash_of(uint64_t h, const uint8_t *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        h = (h ^ w) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    uint64_t w = n;
    for (; n; p++, n--)
        w = w << 8 | *p;
    h = (h ^ w) * 0xbf58476d1ce4e5b9u;
    return h ^ h >> 32;
}

struct sql_cache *sql_cache_open(void)
{
    struct sql_cache *c = calloc(1, sizeof *c);
    if (c)
        phi_random(&c->seed, sizeof c->seed);
    classes_init();
    return c;
}

static void clear(struct sql_cache *c, struct entry *e)
{
    if (!e->raw)
        return;
    gw_sql_raw_drop(e->raw);
    free(e->text);
    c->count--;
    c->bytes -= e->n;
    *e = (struct entry){ 0 };
}

void sql_cache_close(struct sql_cache *c)
{
    for (int s = 0; c && s < SETS; s++)
        for (int w = 0; w < WAYS; w++)
            clear(c, &c->sets[s][w]);
    free(c);
}

static struct entry *find(struct sql_cache *c, uint64_t h, size_t n)
{
    for (int w = 0; w < WAYS; w++) {
        struct entry *e = &c->sets[h % SETS][w];
        if (e->raw && e->hash == h && e->n == n && memcmp(e->text, c->skeleton, n) == 0)
            return e;
    }
    return NULL;
}

struct gw_sql_raw *sql_cache_get(struct sql_cache *c, struct phi_view sql)
{
    size_t n = skeleton_of(sql, c->skeleton);
    struct entry *e = n ? find(c, hash_of(c->seed, c->skeleton, n), n) : NULL;
    if (!e)
        return NULL;
    e->used = ++c->tick;
    return e->raw;
}

void sql_cache_put(struct sql_cache *c, struct phi_view sql, struct gw_sql_raw *raw)
{
    size_t n = raw->ok && raw->whole ? skeleton_of(sql, c->skeleton) : 0;
    uint64_t h = hash_of(c->seed, c->skeleton, n);
    if (!n || find(c, h, n) || c->bytes + n > MAX_BYTES)
        return;
    struct entry *old = &c->sets[h % SETS][0];
    for (int w = 1; w < WAYS; w++)
        if (c->sets[h % SETS][w].used < old->used)
            old = &c->sets[h % SETS][w];
    uint8_t *text = malloc(n);
    if (!text)
        return;
    memcpy(text, c->skeleton, n);
    clear(c, old);
    *old = (struct entry){ .hash = h, .used = ++c->tick, .text = text, .n = n, .raw = gw_sql_raw_hold(raw) };
    raw->stmts[0].len = SQL_RAW_WHOLE; /* the statement is the whole text, wherever it stands */
    c->count++;
    c->bytes += n;
}

size_t sql_cache_count(const struct sql_cache *c)
{
    return c->count;
}

struct phi_view sql_raw_text(const struct raw_stmt *s, struct phi_view sql)
{
    if (s->len == SQL_RAW_WHOLE)
        return bare(sql);
    return phi_view_upto(phi_view_from(sql, s->start), s->len);
}
