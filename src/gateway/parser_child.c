#include "gateway/parser_child.h"

#include <errno.h>
#include <pg_query.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"
#include "gateway/sql_walk.h"

enum { BIG_TEXT = 32 * 1024, MANY_TEXTS = 100000 };

static void add_text(struct phi_buf *b, struct phi_view v, size_t most)
{
    v = phi_view_upto(v, most);
    phi_buf_add16(b, (uint16_t)v.n);
    phi_buf_add(b, v);
}

static void pack_error(struct phi_buf *out, const char *state, int cursor, const char *message)
{
    phi_buf_clear(out);
    phi_buf_addc(out, SQL_ERROR);
    phi_buf_add(out, phi_view_mem(state, 5));
    phi_buf_add32(out, cursor > 0 ? (uint32_t)cursor : 0);
    add_text(out, phi_view_of(message), SQL_MAX_TEXT);
}

static void pack_stmt(struct phi_buf *out, const struct sql_walk *w, struct phi_view text, size_t start)
{
    phi_buf_add32(out, (uint32_t)start);
    phi_buf_add32(out, (uint32_t)text.n);
    phi_buf_add32(out, w->flags);
    add_text(out, phi_view_of(w->tag), SQL_MAX_TEXT);
    add_text(out, w->name, SQL_MAX_NAME);
    add_text(out, phi_view_of(w->refuse), SQL_MAX_TEXT);
    phi_buf_add16(out, (uint16_t)w->n);
    for (size_t i = 0; i < w->n; i++) {
        phi_buf_addc(out, w->refs[i].kind);
        phi_buf_add16(out, w->refs[i].acts);
        add_text(out, w->refs[i].schema, SQL_MAX_NAME);
        add_text(out, w->refs[i].name, w->refs[i].kind == SQL_TARGET ? SQL_MAX_TEXT : SQL_MAX_NAME);
    }
}

/* The statement's own text: PostgreSQL gives 0 as the length of a last one without ';'. */
static struct phi_view slice(struct phi_view sql, yyjson_val *raw, size_t *start)
{
    size_t at = (size_t)yyjson_get_uint(sql_get(raw, "stmt_location"));
    size_t len = (size_t)yyjson_get_uint(sql_get(raw, "stmt_len"));
    struct phi_view v = phi_view_from(sql, at);
    if (len)
        v = phi_view_upto(v, len);
    struct phi_view t = phi_view_trim(v);
    *start = t.n ? (size_t)(t.p - sql.p) : at;
    return t;
}

static struct sql_walk *the_walk(void)
{
    static struct sql_walk walk; /* 100 kB, one per process */
    return &walk;
}

static void pack_tree(struct phi_view sql, yyjson_val *root, struct phi_buf *out)
{
    yyjson_val *stmts = sql_get(root, "stmts"), *v;
    struct sql_walk *w = the_walk();
    size_t i, max, n = yyjson_arr_size(stmts);
    if (!yyjson_is_arr(stmts) || n > SQL_MAX_STMTS) {
        pack_error(out, "54001", 0, "too many statements in one text");
        return;
    }
    phi_buf_addc(out, SQL_OK);
    phi_buf_add16(out, (uint16_t)n);
    yyjson_arr_foreach (stmts, i, max, v) {
        size_t start;
        struct phi_view text = slice(sql, v, &start);
        sql_walk_reset(w);
        sql_stmt_walk(w, sql_get(v, "stmt"));
        if (w->too_deep || w->too_many) {
            pack_error(out, "54001", 0, w->too_deep ? "statement nests too deep" : "statement uses too many names");
            return;
        }
        pack_stmt(out, w, text, start);
    }
}

void parser_pack(const char *sql, struct phi_buf *out)
{
    PgQueryParseResult r = pg_query_parse_opts(sql, PG_QUERY_PARSE_DEFAULT);
    phi_buf_clear(out);
    if (r.error) {
        bool memory = strstr(r.error->message, "memory exhausted") != NULL;
        pack_error(out, memory ? "54001" : "42601", r.error->cursorpos, r.error->message);
    } else {
        yyjson_doc *doc = yyjson_read(r.parse_tree, strlen(r.parse_tree), 0);
        if (doc)
            pack_tree(phi_view_of(sql), yyjson_doc_get_root(doc), out);
        else
            pack_error(out, "57014", 0, "the statement's parse tree cannot be read");
        yyjson_doc_free(doc);
    }
    pg_query_free_parse_result(r);
    if (!phi_buf_ok(out))
        pack_error(out, "54001", 0, "statement uses too many names");
}

static bool read_all(void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = read(0, (uint8_t *)p + done, n - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static bool write_all(struct phi_view v)
{
    while (v.n) {
        ssize_t put = write(0, v.p, v.n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        v = phi_view_from(v, (size_t)put);
    }
    return true;
}

int parser_serve(void)
{
    char *text = malloc(PHI_MAX_SQL + 1);
    PHI_BUF(packed, SQL_MAX_REPLY);
    PHI_BUF(reply, SQL_MAX_REPLY + 16);
    bool bye = false;
    for (unsigned served = 0; text && !bye; served++) {
        uint8_t head[4];
        if (!read_all(head, 4))
            break;
        size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
        if (n > PHI_MAX_SQL || !read_all(text, n))
            break;
        text[n] = 0;
        parser_pack(text, &packed);
        bye = n > BIG_TEXT || served == MANY_TEXTS;
        phi_buf_clear(&reply);
        phi_buf_addc(&reply, bye ? PARSER_BYE : 0);
        phi_buf_add32(&reply, (uint32_t)packed.n);
        phi_buf_add(&reply, phi_buf_view(&packed));
        if (!phi_buf_ok(&reply) || !write_all(phi_buf_view(&reply)))
            break;
    }
    free(text);
    return 0;
}
