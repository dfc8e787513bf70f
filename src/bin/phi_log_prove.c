/* log prove and log check: receipts (C2SP tlog-proof), written and verified. */
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/os.h"
#include "base/text.h"
#include "bin/phi_log.h"
#include "proof/receipt.h"

#define FOUND_MAX 1000
#define PAGE 500

/* ---- checking: no server, only the key ---- */

static enum phi_rc witnesses_read(struct cli *c, struct phi_cosigner ret[PHI_COSIGNERS_MAX], size_t *n, struct phi_err *err)
{
    for (*n = 0; *n < (size_t)c->n_opt[OPT_WITNESS]; (*n)++) {
        PHI_BUF(text, 4096);
        if (*n == PHI_COSIGNERS_MAX)
            return phi_fail(err, PHI_EINPUT, "at most %d witnesses", PHI_COSIGNERS_MAX);
        PHI_TRY(phi_file_read(c->opt[OPT_WITNESS][*n], 4096, &text, err));
        PHI_TRY(phi_cosigner_read(phi_arena_copy(&c->arena, phi_buf_view(&text)), &ret[*n], err));
    }
    return PHI_OK;
}

struct verdict {
    struct phi_receipt r;
    struct phi_checkpoint head;
    size_t cosigned;
};

static enum phi_rc hold(struct log_check *k, struct phi_view text, struct verdict *v, struct phi_err *err)
{
    struct phi_cosigner w[PHI_COSIGNERS_MAX];
    size_t n;
    PHI_TRY(witnesses_read(k->c, w, &n, err));
    PHI_TRY(phi_receipt_read(&k->c->arena, text, &v->r, err));
    return phi_receipt_check(&v->r, &k->key, w, n, n, &v->head, &v->cosigned, err);
}

static void say_json(struct cli *c, const struct verdict *v, const struct phi_err *err)
{
    struct phi_jw w;
    char root[PHI_HEX_LEN + 1];
    phi_jw_init(&w, &c->out);
    phi_jw_obj(&w);
    phi_jw_kb(&w, "verified", !err);
    if (err) {
        phi_jw_kc(&w, "detail", err->msg);
    } else {
        phi_digest_hex(&v->head.root, root);
        phi_jw_kv(&w, "origin", v->head.origin);
        phi_jw_ki(&w, "index", (int64_t)v->r.index);
        phi_jw_ki(&w, "size", (int64_t)v->head.size);
        phi_jw_kc(&w, "root", root);
        phi_jw_ki(&w, "cosigned", (int64_t)v->cosigned);
        phi_jw_key(&w, "entry");
        phi_jw_raw(&w, v->r.entry); /* checked to be canonical JSON */
    }
    phi_jw_end(&w);
    cli_put(c, "\n");
}

static void say(struct cli *c, const struct verdict *v)
{
    const struct phi_json *e = NULL;
    PHI_BUF(time, 64);
    phi_json_read(&c->arena, v->r.entry, PHI_JSON_STRICT, "entry", &e, NULL);
    phi_text_time(&time, phi_json_num(e, "t", 0));
    phi_buf_printf(&c->out, "verified: entry %llu of %llu in the log of ", (unsigned long long)v->r.index, (unsigned long long)v->head.size);
    cli_esc(c, v->head.origin);
    if (v->cosigned)
        phi_buf_printf(&c->out, ", cosigned by %zu", v->cosigned);
    cli_put(c, "\n");
    cli_line(c, "event", phi_json_text(e, "ev"));
    cli_line(c, "at", phi_buf_view(&time));
    cli_line(c, "by", phi_json_text(phi_json_get(e, "by"), "id"));
    cli_line(c, "entry", v->r.entry);
}

static int verdict_say(struct cli *c, const struct verdict *v, enum phi_rc rc, const struct phi_err *err)
{
    if (cli_has(c, OPT_JSON))
        say_json(c, v, rc == PHI_OK ? NULL : err);
    else if (rc == PHI_OK)
        say(c, v);
    else {
        cli_put(c, "FALSE: ");
        cli_esc(c, phi_view_of(err->msg));
        cli_put(c, "\n");
    }
    return rc == PHI_OK ? CLI_DONE : CLI_ERROR;
}

static int check(struct log_check *k)
{
    struct phi_err err = { 0 };
    struct verdict v = { 0 };
    PHI_BUF(text, PHI_RECEIPT_MAX);
    int rc = cli_has(k->c, OPT_KEY) ? CLI_DONE : cli_url(k->c, &err); /* where a key may be pinned; nothing is asked of it */
    if (rc || (rc = cli_log_key(k, false)))
        return rc;
    if (phi_file_read(k->c->arg[0], PHI_RECEIPT_MAX, &text, &err) != PHI_OK)
        return cli_err(&err);
    enum phi_rc held = hold(k, phi_buf_view(&text), &v, &err);
    return verdict_say(k->c, &v, held, &err);
}

int cli_do_log_check(struct cli *c)
{
    struct log_check k;
    cli_log_begin(&k, c);
    int rc = check(&k);
    cli_log_done(&k);
    return rc;
}

/* ---- which entries ---- */

struct search {
    struct phi_view id;  /* of a request, grant, claim, … */
    struct phi_view code; /* or a request's code; its id is learnt on the way */
    uint64_t at[FOUND_MAX];
    size_t n;
};

static void look(struct cli *c, struct search *s, struct phi_view text)
{
    const struct phi_json *e;
    PHI_ARENA(a, 4 << 20);
    if (phi_json_read(&a, text, PHI_JSON_STRICT, "entry", &e, NULL) != PHI_OK)
        return;
    if (s->code.n && !s->id.n && phi_view_eq(phi_json_text(e, "code"), s->code))
        s->id = phi_arena_copy(&c->arena, phi_json_text(e, "req"));
    for (size_t i = 0; s->id.n && i < e->n; i++)
        if (e->items[i].kind == PHI_JSON_STR && phi_view_eq(e->items[i].str, s->id) && s->n < FOUND_MAX) {
            s->at[s->n++] = (uint64_t)phi_json_num(e, "n", 0);
            return;
        }
}

static int find(struct log_check *k, struct search *s)
{
    struct cli *c = k->c;
    struct phi_code code;
    struct phi_view what = phi_view_of(c->arg[0]);
    if (phi_code_read(what, &code))
        s->code = phi_arena_copy(&c->arena, phi_view_of(code.s));
    else
        s->id = what;
    for (uint64_t from = 0; from < k->head.size; from += PAGE) {
        struct client_reply r;
        char path[128];
        struct phi_arena mine = c->arena;
        snprintf(path, sizeof path, "/v1/log/entries?from=%llu&limit=%d", (unsigned long long)from, PAGE);
        phi_arena_init(&c->arena, 512u << 20);
        int rc = cli_call(c, "GET", path, NULL, &r);
        struct phi_arena page = c->arena;
        c->arena = mine;
        const struct phi_json *list = rc ? NULL : phi_json_get(r.json, "entries");
        for (size_t i = 0; list && i < list->n; i++)
            if (from + i < k->head.size)
                look(c, s, list->items[i].str);
        phi_arena_done(&page);
        if (rc)
            return rc;
    }
    if (!s->n)
        return cli_err(&(struct phi_err){ .rc = PHI_ENOTFOUND, .msg = "no signed entry of the log names that" });
    return CLI_DONE;
}

/* ---- writing ---- */

int cli_log_receipt(struct log_check *k, uint64_t index, struct phi_buf *ret)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    struct verdict v = { 0 };
    char path[128];
    snprintf(path, sizeof path, "/v1/log/receipts/%llu", (unsigned long long)index);
    int rc = cli_call(k->c, "GET", path, NULL, &r);
    if (rc)
        return rc;
    if (hold(k, r.text, &v, &err) != PHI_OK) /* the server's word counts only where it holds */
        return cli_err(&err);
    if (v.r.index != index)
        return cli_err(&(struct phi_err){ .rc = PHI_ECORRUPT, .msg = "the server gave the receipt of another entry" });
    phi_buf_add(ret, r.text);
    return CLI_DONE;
}

static int write_one(struct log_check *k, uint64_t index, const char *path)
{
    struct phi_err err = { 0 };
    PHI_BUF(text, PHI_RECEIPT_MAX);
    int rc = cli_log_receipt(k, index, &text);
    if (rc)
        return rc;
    if (!path) {
        phi_buf_add(&k->c->out, phi_buf_view(&text));
        return CLI_DONE;
    }
    if (phi_file_write(path, phi_buf_view(&text), 0644, &err) != PHI_OK)
        return cli_err(&err);
    cli_put(k->c, path);
    cli_put(k->c, "\n");
    return CLI_DONE;
}

static int write_all(struct log_check *k, const struct search *s, const char *dir)
{
    struct phi_err err = { 0 };
    char path[1024];
    if (!dir && s->n == 1)
        return write_one(k, s->at[0], NULL);
    if (!dir) {
        fprintf(stderr, "phi: %zu entries name it; give a folder with --out for all, or the number of one:", s->n);
        for (size_t i = 0; i < s->n; i++)
            fprintf(stderr, " %llu", (unsigned long long)s->at[i]);
        fputc('\n', stderr);
        return CLI_ERROR;
    }
    if (phi_dir_make(dir, 0755, &err) != PHI_OK)
        return cli_err(&err);
    for (size_t i = 0; i < s->n; i++) {
        snprintf(path, sizeof path, "%s/%llu.tlog-proof", dir, (unsigned long long)s->at[i]);
        int rc = write_one(k, s->at[i], path);
        if (rc)
            return rc;
    }
    return CLI_DONE;
}

static int prove(struct log_check *k)
{
    static struct search s;
    int64_t index;
    const char *out = cli_opt(k->c, OPT_OUT);
    int rc = cli_open(k->c);
    if (rc || (rc = cli_log_key(k, true)) || (rc = cli_log_head(k)))
        return rc;
    if (phi_view_int(phi_view_of(k->c->arg[0]), &index))
        return index < 0 ? cli_usage(k->c, "this is no entry's number: ", k->c->arg[0]) : write_one(k, (uint64_t)index, out);
    if ((rc = find(k, &s)))
        return rc;
    return write_all(k, &s, out);
}

int cli_do_log_prove(struct cli *c)
{
    struct log_check k;
    cli_log_begin(&k, c);
    int rc = prove(&k);
    cli_log_done(&k);
    return rc;
}
