/* log verify and log export. The key is pinned at its first use (or given), the last checkpoint is
 * remembered, and every later one must continue it: a server that shows two histories is found out. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "bin/phi.h"
#include "proof/verify.h"

#define BATCH 500
#define EXPORT_MAX (1u << 30)

struct check {
    struct cli *c;
    struct phi_buf key_text, note, earlier_note;
    struct phi_vkey key;
    struct phi_checkpoint head, earlier;
    bool has_earlier, new_key;
    struct phi_audit *audit;
};

static void done(struct check *k)
{
    phi_buf_done(&k->key_text);
    phi_buf_done(&k->note);
    phi_buf_done(&k->earlier_note);
    phi_audit_close(k->audit);
}

static void begin(struct check *k, struct cli *c)
{
    *k = (struct check){ .c = c };
    phi_buf_init(&k->key_text, 4096);
    phi_buf_init(&k->note, PHI_NOTE_MAX);
    phi_buf_init(&k->earlier_note, PHI_NOTE_MAX);
}

/* Files of the folder, one for each server: the log of another server is another log. */
static void file_of(struct check *k, const char *what, char *path, size_t n)
{
    char name[400];
    snprintf(name, sizeof name, "%s-%s", what, k->c->origin);
    for (char *p = name; *p; p++)
        if (*p == '/' || *p == ':')
            *p = '_';
    cli_path(k->c, path, n, name);
}

static enum phi_rc read_key(struct check *k, const char *path, struct phi_err *err)
{
    PHI_TRY(phi_file_read(path, 4096, &k->key_text, err));
    return phi_vkey_read(phi_buf_view(&k->key_text), &k->key, err);
}

/* The key: given, pinned earlier, or the server's at first sight. */
static int find_key(struct check *k)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    char path[1024];
    const char *given = cli_opt(k->c, OPT_KEY);
    file_of(k, "log-key", path, sizeof path);
    if (given || !access(path, F_OK))
        return read_key(k, given ? given : path, &err) == PHI_OK ? CLI_DONE : cli_err(&err);
    int rc = cli_call(k->c, "GET", "/v1/log/key", NULL, &r);
    if (rc)
        return rc;
    phi_buf_add(&k->key_text, r.text);
    if (phi_vkey_read(phi_buf_view(&k->key_text), &k->key, &err) != PHI_OK)
        return cli_err(&err);
    k->new_key = true;
    return CLI_DONE;
}

static int find_head(struct check *k)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    char path[1024];
    int rc = cli_call(k->c, "GET", "/v1/log/checkpoint", NULL, &r);
    if (rc)
        return rc;
    phi_buf_add(&k->note, r.text);
    if (phi_checkpoint_open(phi_buf_view(&k->note), &k->key, &k->head, &err) != PHI_OK)
        return cli_err(&err);
    file_of(k, "log-checkpoint", path, sizeof path);
    if (k->new_key || access(path, F_OK) || phi_file_read(path, PHI_NOTE_MAX, &k->earlier_note, &err) != PHI_OK)
        return CLI_DONE;
    k->has_earlier = phi_checkpoint_open(phi_buf_view(&k->earlier_note), &k->key, &k->earlier, &err) == PHI_OK;
    return CLI_DONE; /* one of another key is of another log: then there is nothing earlier */
}

/* ---- entries from the server ---- */

static bool show_progress(void)
{
    return isatty(STDERR_FILENO);
}

static int feed(struct check *k, uint64_t from, FILE *copy)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    struct phi_arena mine = k->c->arena; /* each batch in memory of its own, or a long log would fill it */
    char path[128];
    phi_arena_init(&k->c->arena, 512u << 20);
    uint64_t left = k->head.size - from;
    snprintf(path, sizeof path, "/v1/log/entries?from=%llu&limit=%llu", (unsigned long long)from,
             (unsigned long long)(left < BATCH ? left : BATCH));
    int rc = cli_call(k->c, "GET", path, NULL, &r);
    const struct phi_json *list = rc ? NULL : phi_json_get(r.json, "entries");
    for (size_t i = 0; !rc && list && i < list->n && phi_audit_size(k->audit) < k->head.size; i++) {
        struct phi_view e = list->items[i].str;
        if (phi_audit_entry(k->audit, e, NULL, &err) != PHI_OK)
            rc = cli_err(&err);
        else if (copy && (fwrite(e.p, 1, e.n, copy) != e.n || fputc('\n', copy) == EOF))
            rc = cli_err(&(struct phi_err){ .rc = PHI_EIO, .msg = "cannot write the entries" });
    }
    phi_arena_done(&k->c->arena);
    k->c->arena = mine;
    return rc;
}

static int feed_all(struct check *k, FILE *copy)
{
    if (!(k->audit = phi_audit_open()))
        return cli_err(&(struct phi_err){ .rc = PHI_ELIMIT, .msg = "out of memory" });
    for (;;) {
        uint64_t have = phi_audit_size(k->audit);
        if (have >= k->head.size)
            break;
        int rc = feed(k, have, copy);
        if (rc)
            return rc;
        if (phi_audit_size(k->audit) == have)
            break; /* the server has no more: the verdict will say so */
        if (show_progress())
            fprintf(stderr, "\r%llu of %llu entries", (unsigned long long)phi_audit_size(k->audit), (unsigned long long)k->head.size);
    }
    if (show_progress() && k->head.size)
        fputs("\r\x1b[K", stderr);
    return CLI_DONE;
}

static enum phi_rc fetch_proof(void *ctx, uint64_t index, uint64_t size, struct phi_digest *leaf, struct phi_tree_proof *ret,
                               struct phi_err *err)
{
    struct check *k = ctx;
    struct client_reply r;
    char path[128];
    snprintf(path, sizeof path, "/v1/log/proof?index=%llu&size=%llu", (unsigned long long)index, (unsigned long long)size);
    if (client_call_wait(k->c->client, &k->c->arena, "GET", path, (struct phi_view){ 0 }, &r, err) != PHI_OK)
        return phi_fail(err, PHI_EIO, "the server gives no proof for entry %llu", (unsigned long long)index);
    const struct phi_json *h = phi_json_get(r.json, "hashes");
    if (!h || h->n > PHI_TREE_PROOF_MAX || !phi_digest_from_hex(phi_json_text(r.json, "leaf_hash"), leaf))
        return phi_fail(err, PHI_EINPUT, "the server's proof is malformed");
    ret->n = h->n;
    for (size_t i = 0; i < h->n; i++)
        if (!phi_digest_from_hex(h->items[i].str, &ret->hash[i]))
            return phi_fail(err, PHI_EINPUT, "the server's proof is malformed");
    return PHI_OK;
}

/* ---- the verdict ---- */

static void remember(struct check *k)
{
    struct phi_err err = { 0 };
    char path[1024];
    enum phi_rc rc = phi_dir_make(k->c->dir, 0700, &err);
    if (k->has_earlier && k->earlier.size >= k->head.size)
        return;
    if (rc == PHI_OK && k->new_key) {
        file_of(k, "log-key", path, sizeof path);
        rc = phi_file_write(path, phi_buf_view(&k->key_text), 0600, &err);
    }
    if (rc == PHI_OK && !cli_has(k->c, OPT_KEY)) {
        file_of(k, "log-checkpoint", path, sizeof path);
        rc = phi_file_write(path, phi_buf_view(&k->note), 0600, &err);
    }
    if (rc != PHI_OK)
        cli_err(&err);
}

static int report(struct check *k, const struct phi_finding *f)
{
    struct cli *c = k->c;
    char root[PHI_HEX_LEN + 1];
    bool good = f->what == PHI_FOUND_NOTHING;
    phi_digest_hex(&k->head.root, root);
    if (cli_has(c, OPT_JSON)) {
        struct phi_jw w;
        phi_jw_init(&w, &c->out);
        phi_jw_obj(&w);
        phi_jw_kb(&w, "verified", good);
        phi_jw_ki(&w, "size", (int64_t)k->head.size);
        phi_jw_kc(&w, "root", root);
        if (f->what == PHI_FOUND_ENTRY)
            phi_jw_ki(&w, "entry", (int64_t)f->index);
        phi_jw_kc(&w, "detail", f->why);
        phi_jw_end(&w);
        cli_put(c, "\n");
        return good ? CLI_DONE : CLI_ERROR;
    }
    cli_put(c, good ? "verified: " : "FALSE: ");
    cli_put(c, f->why);
    cli_put(c, "\n");
    cli_line(c, "root", phi_view_of(root));
    cli_line(c, "signed by", phi_view_of(phi_buf_str(&k->key_text)).n ? k->key.name : (struct phi_view){ 0 });
    if (k->new_key && good)
        cli_put(c, "  The key was taken from the server at this first check and is pinned from now on; compare it with one from elsewhere.\n");
    return good ? CLI_DONE : CLI_ERROR;
}

static int judge(struct check *k, bool online)
{
    struct phi_finding f;
    struct phi_err err = { 0 };
    if (k->has_earlier && k->earlier.size > k->head.size)
        f = (struct phi_finding){ .what = PHI_FOUND_FORK, .why = "the server signs fewer entries than it did at an earlier check" };
    else {
        if (k->has_earlier)
            phi_audit_earlier(k->audit, &k->earlier);
        phi_audit_finish(k->audit, &k->head, &f);
        /* The signed tree's own hashes name the entry that does not fit. */
        if (f.what == PHI_FOUND_ROOT && online && phi_audit_locate(k->audit, &k->head, fetch_proof, k, &f, &err) != PHI_OK)
            cli_err(&err);
    }
    if (f.what == PHI_FOUND_NOTHING && online)
        remember(k);
    return report(k, &f);
}

static int verify_online(struct check *k)
{
    int rc = cli_open(k->c);
    if (rc || (rc = find_key(k)) || (rc = find_head(k)) || (rc = feed_all(k, NULL)))
        return rc;
    return judge(k, true);
}

/* ---- offline: DIR/entries.jsonl, DIR/checkpoint, DIR/key, DIR/leaves (optional) ---- */

static enum phi_rc read_in(const char *dir, const char *name, size_t max, struct phi_buf *b, struct phi_err *err)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return phi_file_read(path, max, b, err);
}

static enum phi_rc feed_file(struct check *k, const char *dir, struct phi_err *err)
{
    PHI_BUF(entries, EXPORT_MAX);
    PHI_BUF(leaves, EXPORT_MAX);
    struct phi_view rest, line, leaf_rest, hex;
    if (!(k->audit = phi_audit_open()))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(read_in(dir, "entries.jsonl", EXPORT_MAX, &entries, err));
    (void)read_in(dir, "leaves", EXPORT_MAX, &leaves, NULL); /* names the entry; proves nothing by itself */
    rest = phi_buf_view(&entries);
    leaf_rest = phi_buf_view(&leaves);
    while (phi_view_split(&rest, '\n', &line)) {
        struct phi_digest leaf;
        bool known = phi_view_split(&leaf_rest, '\n', &hex) && phi_digest_from_hex(hex, &leaf);
        PHI_TRY(phi_audit_entry(k->audit, line, known ? &leaf : NULL, err));
    }
    return PHI_OK;
}

static int verify_offline(struct check *k, const char *dir)
{
    struct phi_err err = { 0 };
    char own[1024];
    snprintf(own, sizeof own, "%s/key", dir);
    const char *key = cli_opt(k->c, OPT_KEY);
    if (!key) {
        fputs("phi: --key is not given: the key that lies beside the log proves only that both came together\n", stderr);
        key = own;
    }
    if (read_key(k, key, &err) != PHI_OK || read_in(dir, "checkpoint", PHI_NOTE_MAX, &k->note, &err) != PHI_OK ||
        phi_checkpoint_open(phi_buf_view(&k->note), &k->key, &k->head, &err) != PHI_OK || feed_file(k, dir, &err) != PHI_OK)
        return cli_err(&err);
    return judge(k, false);
}

int cli_do_log_verify(struct cli *c)
{
    struct check k;
    begin(&k, c);
    int rc = cli_has(c, OPT_DIR) ? verify_offline(&k, cli_opt(c, OPT_DIR)) : verify_online(&k);
    done(&k);
    return rc;
}

/* ---- export ---- */

static enum phi_rc write_in(const char *dir, const char *name, struct phi_view v, struct phi_err *err)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return phi_file_write(path, v, 0644, err);
}

static int export_to(struct check *k, const char *dir)
{
    struct phi_err err = { 0 };
    char path[1024];
    int rc = cli_open(k->c);
    if (rc || (rc = find_key(k)) || (rc = find_head(k)))
        return rc;
    if (phi_dir_make(dir, 0755, &err) != PHI_OK || write_in(dir, "key", phi_buf_view(&k->key_text), &err) != PHI_OK ||
        write_in(dir, "checkpoint", phi_buf_view(&k->note), &err) != PHI_OK)
        return cli_err(&err);
    snprintf(path, sizeof path, "%s/entries.jsonl", dir);
    FILE *f = fopen(path, "we");
    if (!f) {
        phi_fail(&err, PHI_EIO, "%s cannot be written", path);
        return cli_err(&err);
    }
    rc = feed_all(k, f);
    if (fclose(f) && !rc)
        rc = cli_err(&(struct phi_err){ .rc = PHI_EIO, .msg = "cannot write the entries" });
    return rc ? rc : judge(k, true);
}

int cli_do_log_export(struct cli *c)
{
    struct check k;
    begin(&k, c);
    int rc = export_to(&k, c->arg[0]);
    done(&k);
    return rc;
}
