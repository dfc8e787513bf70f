/* Test tool: what phi understands of texts of SQL. Reads texts that end with a zero byte and prints one JSON line for each.
 *
 *   gw-sql-facts --queries            prints the catalogue's queries, a zero byte after each
 *   gw-sql-facts FOLDER [TARGET]      FOLDER/0 … FOLDER/5: their rows as COPY's text format; then reads texts */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/os.h"
#include "gateway/catalog.h"
#include "gateway/parser.h"

static int die(const char *what)
{
    (void)fprintf(stderr, "gw-sql-facts: %s\n", what);
    exit(1);
}

/* Takes COPY's escapes out of a column, in place. */
static struct phi_view column(struct phi_view raw)
{
    uint8_t *out = (uint8_t *)(uintptr_t)raw.p; /* our own buffer */
    size_t n = 0;
    if (phi_view_is(raw, "\\N"))
        return (struct phi_view){ 0 };
    for (size_t i = 0; i < raw.n; i++) {
        uint8_t c = raw.p[i];
        if (c == '\\' && i + 1 < raw.n) {
            c = raw.p[++i];
            c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c == 'v' ? '\v' : c;
        }
        out[n++] = c;
    }
    return (struct phi_view){ raw.p, n };
}

static void load_part(struct gw_catalog *c, const char *folder, int part)
{
    char path[4096];
    struct phi_err err;
    PHI_BUF(b, 64 * 1024 * 1024);
    (void)snprintf(path, sizeof path, "%s/%d", folder, part);
    if (phi_file_read(path, b.max, &b, &err) != PHI_OK)
        die(err.msg);
    struct phi_view rest = phi_buf_view(&b), line;
    while (phi_view_split(&rest, '\n', &line)) {
        struct phi_view cols[16], v;
        size_t n = 0;
        bool more = true;
        while (n < 16 && more) { /* a last column may be empty */
            const uint8_t *tab = line.n ? memchr(line.p, '\t', line.n) : NULL;
            v = tab ? phi_view_mem(line.p, (size_t)(tab - line.p)) : line;
            more = tab != NULL;
            line = tab ? phi_view_from(line, v.n + 1) : line;
            cols[n++] = column(v.p ? v : PHI_LIT(""));
        }
        if (gw_catalog_row(c, (enum gw_catalog_part)part, cols, n, &err) != PHI_OK)
            die(err.msg);
    }
}

static struct gw_catalog *load(const char *folder)
{
    struct gw_catalog *c = gw_catalog_open();
    struct phi_err err;
    for (int i = 0; c && i < GW_CATALOG_N; i++)
        load_part(c, folder, i);
    if (!c || gw_catalog_finish(c, &err) != PHI_OK)
        die(c ? err.msg : "out of memory");
    return c;
}

static void write_stmt(struct phi_jw *w, const struct gw_sql_stmt *s)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "tag", s->tag);
    phi_jw_kv(w, "text", s->text);
    phi_jw_kv(w, "refuse", s->refuse);
    phi_jw_kb(w, "harmless", s->flags & GW_SQL_HARMLESS);
    phi_jw_kb(w, "writes", s->flags & GW_SQL_WRITES);
    phi_jw_kb(w, "ddl", s->flags & GW_SQL_DDL);
    phi_jw_key(w, "actions");
    phi_jw_arr(w);
    for (size_t i = 0; i < s->n; i++) {
        PHI_BUF(one, 8192);
        phi_buf_add(&one, s->actions[i].action);
        phi_buf_adds(&one, " ");
        phi_buf_add(&one, s->actions[i].type);
        phi_buf_adds(&one, " ");
        (void)gw_sql_show_id(&one, s->actions[i].id);
        phi_jw_str(w, phi_buf_view(&one));
    }
    phi_jw_end(w);
    phi_jw_end(w);
}

static void answer(struct gw_parser *pool, const struct gw_sql_env *env, struct phi_view sql)
{
    PHI_ARENA(a, 32 * 1024 * 1024);
    PHI_BUF(out, 32 * 1024 * 1024);
    struct gw_sql_raw *raw = gw_parser_now(pool, sql);
    const struct gw_sql_facts *f = NULL;
    struct phi_jw w;
    if (!raw || !gw_sql_resolve(raw, sql, env, &a, &f))
        die("out of memory");
    phi_jw_init(&w, &out);
    phi_jw_obj(&w);
    phi_jw_kb(&w, "ok", f->ok);
    phi_jw_kc(&w, "sqlstate", f->sqlstate);
    phi_jw_kv(&w, "error", f->error);
    phi_jw_kv(&w, "refuse", f->refuse);
    phi_jw_kb(&w, "harmless", f->flags & GW_SQL_HARMLESS);
    phi_jw_kb(&w, "plain", f->plain_literals);
    phi_jw_kv(&w, "shown", f->shown);
    phi_jw_key(&w, "stmts");
    phi_jw_arr(&w);
    for (size_t i = 0; i < f->n; i++)
        write_stmt(&w, &f->stmts[i]);
    phi_jw_end(&w);
    phi_jw_end(&w);
    puts(phi_buf_str(&out));
    (void)fflush(stdout);
    gw_sql_raw_drop(raw);
}

static void serve(const char *folder, const char *target)
{
    struct gw_parser *pool = NULL;
    struct phi_err err;
    if (gw_parser_open(NULL, 1, &pool, &err) != PHI_OK)
        die(err.msg);
    struct gw_catalog *c = load(folder);
    struct gw_sql_env env = { .target = phi_view_of(target), .catalog = c };
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getdelim(&line, &room, 0, stdin)) > 0) {
        if (line[n - 1] == 0)
            n--;
        answer(pool, &env, phi_view_mem(line, (size_t)n));
    }
    free(line);
    gw_catalog_drop(c);
    gw_parser_close(pool);
}

int main(int argc, char **argv)
{
    int rc;
    if (gw_parser_child(argc, argv, &rc))
        return rc;
    if (argc == 2 && strcmp(argv[1], "--queries") == 0) {
        for (int i = 0; i < GW_CATALOG_N; i++)
            (void)fwrite(gw_catalog_sql[i].sql, 1, strlen(gw_catalog_sql[i].sql) + 1, stdout);
        return 0;
    }
    if (argc < 2)
        return die("usage: gw-sql-facts FOLDER [TARGET]");
    serve(argv[1], argc > 2 ? argv[2] : "shop");
    return 0;
}
