/* log verify. The key is pinned at its first use (or given), the last checkpoint is
 * remembered, and every later one must continue it: a server that shows two histories is found out. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "bin/phi_log.h"
#include "proof/cosign.h"
#include "proof/succession.h"
#include "proof/tile.h"

#define BATCH 500
#define EXPORT_MAX (1u << 30)
#define TILE_MAX (PHI_TILE_WIDTH * (PHI_TILE_ENTRY_MAX + 2))

void cli_log_done(struct log_check *k)
{
    phi_buf_done(&k->key_text);
    phi_buf_done(&k->note);
    phi_buf_done(&k->moved);
    phi_buf_done(&k->earlier_note);
    phi_audit_close(k->audit);
}

void cli_log_begin(struct log_check *k, struct cli *c)
{
    *k = (struct log_check){ .c = c };
    phi_buf_init(&k->key_text, 4096);
    phi_buf_init(&k->note, PHI_NOTE_MAX);
    phi_buf_init(&k->moved, 4096);
    phi_buf_init(&k->earlier_note, PHI_NOTE_MAX);
}

/* Files of the folder, one for each server: the log of another server is another log. */
static void file_of(struct log_check *k, const char *what, char *path, size_t n)
{
    char name[400];
    snprintf(name, sizeof name, "%s-%s", what, k->c->origin);
    for (char *p = name; *p; p++)
        if (*p == '/' || *p == ':')
            *p = '_';
    cli_path(k->c, path, n, name);
}

static enum phi_rc read_key(struct log_check *k, const char *path, struct phi_err *err)
{
    PHI_TRY(phi_file_read(path, 4096, &k->key_text, err));
    return phi_vkey_read(phi_buf_view(&k->key_text), &k->key, err);
}

/* The key: given, pinned earlier, or the server's at first sight. */
int cli_log_key(struct log_check *k, bool ask)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    char path[1024];
    const char *given = cli_opt(k->c, OPT_KEY);
    file_of(k, "log-key", path, sizeof path);
    if (given || !access(path, F_OK))
        return read_key(k, given ? given : path, &err) == PHI_OK ? CLI_DONE : cli_err(&err);
    if (!ask)
        return cli_err(&(struct phi_err){ .rc = PHI_EINPUT, .msg = "no key is pinned here: give the log's key with --key FILE" });
    int rc = cli_call(k->c, "GET", "/v1/log/key", NULL, &r);
    if (rc)
        return rc;
    phi_buf_add(&k->key_text, r.text);
    if (phi_vkey_read(phi_buf_view(&k->key_text), &k->key, &err) != PHI_OK)
        return cli_err(&err);
    k->new_key = true;
    return CLI_DONE;
}

/* ---- under another key ---- */

static size_t operators_pinned(struct log_check *k, struct phi_buf *text, struct phi_vkey ret[PHI_OPERATORS_MAX])
{
    char path[1024];
    size_t n = 0;
    cli_path(k->c, path, sizeof path, "operators");
    return phi_file_read(path, 8192, text, NULL) == PHI_OK && phi_operators_read(phi_buf_view(text), ret, &n, NULL) == PHI_OK ? n : 0;
}

static void key_moved(struct log_check *k, const struct phi_vkey *to)
{
    phi_buf_clear(&k->moved);
    phi_vkey_write(&k->moved, to);
    phi_vkey_read(phi_buf_view(&k->moved), &k->key, NULL);
}

int cli_log_follow(struct log_check *k, struct phi_view note)
{
    enum { STEPS_MAX = 256 };
    struct client_reply r;
    struct phi_view notes[STEPS_MAX], texts[STEPS_MAX];
    struct phi_vkey operators[PHI_OPERATORS_MAX], key = k->key;
    bool lacking;
    PHI_BUF(pinned, 8192);
    if (phi_note_names(note, &k->key))
        return CLI_DONE;
    int rc = cli_call(k->c, "GET", "/v1/log/steps", NULL, &r);
    const struct phi_json *list = rc ? NULL : phi_json_get(r.json, "steps");
    size_t n = 0;
    for (; list && n < list->n && n < STEPS_MAX; n++) {
        notes[n] = phi_json_text(&list->items[n], "note");
        texts[n] = phi_json_text(&list->items[n], "text");
    }
    phi_succession_follow(notes, texts, n, operators, operators_pinned(k, &pinned, operators), &key, &k->restored, &lacking);
    if (!phi_vkey_eq(&key, &k->key)) {
        key_moved(k, &key);
        fprintf(stderr, "phi: the log has another key now, as %s signed\n", k->restored ? "an operator" : "the one before has");
    } else if (lacking) {
        fputs("phi: the log begins anew after a restore. Its operator's key is not pinned here: put its line into the file \"operators\" "
              "of phi's folder, or check the new log by its own key with --key FILE\n", stderr);
    }
    return rc;
}

int cli_log_head(struct log_check *k)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    char path[1024];
    int rc = cli_call(k->c, "GET", "/v1/log/checkpoint", NULL, &r);
    if (rc)
        return rc;
    phi_buf_add(&k->note, r.text);
    struct phi_vkey pinned = k->key;
    if ((rc = cli_log_follow(k, phi_buf_view(&k->note))))
        return rc;
    if (phi_checkpoint_open(phi_buf_view(&k->note), &k->key, &k->head, &err) != PHI_OK)
        return cli_err(&err);
    file_of(k, "log-checkpoint", path, sizeof path);
    if (k->new_key || access(path, F_OK) || phi_file_read(path, PHI_NOTE_MAX, &k->earlier_note, &err) != PHI_OK)
        return CLI_DONE;
    k->has_earlier = !k->restored && (phi_checkpoint_open(phi_buf_view(&k->earlier_note), &k->key, &k->earlier, &err) == PHI_OK ||
                                      phi_checkpoint_open(phi_buf_view(&k->earlier_note), &pinned, &k->earlier, &err) == PHI_OK);
    return CLI_DONE; /* one of another key is of another log: then there is nothing earlier */
}

/* ---- entries from the server ---- */

static bool show_progress(void)
{
    return isatty(STDERR_FILENO);
}

static int feed(struct log_check *k, uint64_t from, bool (*each)(void *, struct phi_view), void *ctx)
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
        else if (each && !each(ctx, e))
            rc = CLI_ERROR;
    }
    phi_arena_done(&k->c->arena);
    k->c->arena = mine;
    return rc;
}

int cli_log_walk(struct log_check *k, bool (*each)(void *ctx, struct phi_view entry), void *ctx)
{
    if (!(k->audit = phi_audit_open()))
        return cli_err(&(struct phi_err){ .rc = PHI_ELIMIT, .msg = "out of memory" });
    for (;;) {
        uint64_t have = phi_audit_size(k->audit);
        if (have >= k->head.size)
            break;
        int rc = feed(k, have, each, ctx);
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
    struct log_check *k = ctx;
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

/* ---- a folder of tiles ---- */

static enum phi_rc read_in(const char *dir, const char *name, size_t max, struct phi_buf *b, struct phi_err *err)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return phi_file_read(path, max, b, err);
}

struct folder {
    const char *dir;
    uint64_t size;
};

static enum phi_rc tile_file(void *ctx, const struct phi_tile *t, struct phi_buf *ret, struct phi_err *err)
{
    const struct folder *f = ctx;
    PHI_BUF(name, 256);
    phi_buf_adds(&name, "tile/");
    phi_tile_write(&name, t);
    return read_in(f->dir, phi_buf_str(&name), TILE_MAX, ret, err);
}

/* Out of the tiles' own hashes, each proof held against the signed root before it counts. */
static enum phi_rc tile_proof(void *ctx, uint64_t index, uint64_t size, struct phi_digest *leaf, struct phi_tree_proof *ret,
                              struct phi_err *err)
{
    struct log_check *k = ctx;
    struct folder f = { k->tiles, size };
    struct phi_tiles t = { .size = size, .fetch = tile_file, .ctx = &f, .err = err };
    enum phi_rc rc = phi_tile_node(&t, 0, index, leaf);
    if (rc == PHI_OK)
        rc = phi_tree_inclusion(index, size, phi_tile_node, &t, ret, err);
    phi_tiles_done(&t);
    return rc;
}

/* ---- the verdict ---- */

static void remember(struct log_check *k)
{
    struct phi_err err = { 0 };
    char path[1024];
    enum phi_rc rc = phi_dir_make(k->c->dir, 0700, &err);
    if (k->has_earlier && k->earlier.size >= k->head.size)
        return;
    if (rc == PHI_OK && (k->new_key || (k->moved.n && !cli_has(k->c, OPT_KEY)))) {
        file_of(k, "log-key", path, sizeof path);
        rc = phi_file_write(path, phi_buf_view(k->moved.n ? &k->moved : &k->key_text), 0600, &err);
    }
    if (rc == PHI_OK && !cli_has(k->c, OPT_KEY)) {
        file_of(k, "log-checkpoint", path, sizeof path);
        rc = phi_file_write(path, phi_buf_view(&k->note), 0600, &err);
    }
    if (rc != PHI_OK)
        cli_err(&err);
}

static int report(struct log_check *k, const struct phi_finding *f)
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

int cli_log_judge(struct log_check *k, bool online)
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
        phi_audit_proof prove = online ? fetch_proof : k->tiles ? tile_proof : NULL;
        if (f.what == PHI_FOUND_ROOT && prove && phi_audit_locate(k->audit, &k->head, prove, k, &f, &err) != PHI_OK)
            cli_err(&err);
    }
    if (f.what == PHI_FOUND_NOTHING && online)
        remember(k);
    return report(k, &f);
}

static int verify_online(struct log_check *k)
{
    int rc = cli_open(k->c);
    if (rc || (rc = cli_log_key(k, true)) || (rc = cli_log_head(k)) || (rc = cli_log_walk(k, NULL, NULL)))
        return rc;
    return cli_log_judge(k, true);
}

/* An entry that names the log's next key is followed where the key before has signed it; any other says nothing. */
static void entry_follow(struct log_check *k, struct phi_view entry)
{
    const struct phi_json *v;
    struct phi_succession step = { .kind = PHI_SUCCESSION_ROTATED, .from = k->key };
    PHI_ARENA(a, 1 << 20);
    PHI_BUF(note, 8192);
    if (!memmem(entry.p, entry.n, "\"key.rotated\"", 13) || phi_json_read(&a, entry, PHI_JSON_STRICT, "entry", &v, NULL) != PHI_OK ||
        !phi_view_is(phi_json_text(v, "ev"), "key.rotated") || phi_vkey_read(phi_json_text(v, "key"), &step.to, NULL) != PHI_OK)
        return;
    phi_succession_write(&note, &step);
    phi_buf_addc(&note, '\n');
    phi_buf_add(&note, phi_json_text(v, "signature"));
    if (phi_buf_ok(&note) && phi_succession_open(phi_buf_view(&note), &k->key, NULL, 0, &step, NULL) == PHI_OK)
        key_moved(k, &step.to);
}

/* ---- offline: DIR/checkpoint, DIR/key, and DIR/entries.jsonl (with DIR/leaves, optional) or DIR/tile/… ---- */

static enum phi_rc feed_lines(struct log_check *k, const char *dir, struct phi_err *err)
{
    PHI_BUF(entries, EXPORT_MAX);
    PHI_BUF(leaves, EXPORT_MAX);
    struct phi_view rest, line, leaf_rest, hex;
    PHI_TRY(read_in(dir, "entries.jsonl", EXPORT_MAX, &entries, err));
    (void)read_in(dir, "leaves", EXPORT_MAX, &leaves, NULL); /* names the entry; proves nothing by itself */
    rest = phi_buf_view(&entries);
    leaf_rest = phi_buf_view(&leaves);
    while (phi_view_split(&rest, '\n', &line)) {
        struct phi_digest leaf;
        bool known = phi_view_split(&leaf_rest, '\n', &hex) && phi_digest_from_hex(hex, &leaf);
        if (phi_audit_size(k->audit) < k->head.size)
            entry_follow(k, line);
        PHI_TRY(phi_audit_entry(k->audit, line, known ? &leaf : NULL, err));
    }
    return PHI_OK;
}

/* The bundle's entries, each with its leaf hash out of the tile beside it. */
static enum phi_rc feed_bundle(struct log_check *k, struct folder *f, uint64_t from, struct phi_err *err)
{
    PHI_BUF(bundle, TILE_MAX);
    PHI_BUF(leaves, TILE_MAX);
    struct phi_view rest, entry;
    struct phi_tile t = phi_tile_of(0, from, f->size);
    (void)tile_file(f, &t, &leaves, NULL); /* names the entry; proves nothing by itself */
    t.entries = true;
    PHI_TRY(tile_file(f, &t, &bundle, err));
    rest = phi_buf_view(&bundle);
    for (size_t i = 0; i < t.width && phi_bundle_entry_next(&rest, &entry); i++) {
        struct phi_digest leaf;
        bool known = leaves.n == t.width * sizeof leaf.b;
        if (known)
            memcpy(leaf.b, leaves.p + i * sizeof leaf.b, sizeof leaf.b);
        entry_follow(k, entry);
        PHI_TRY(phi_audit_entry(k->audit, entry, known ? &leaf : NULL, err));
    }
    return PHI_OK;
}

static enum phi_rc feed_tiles(struct log_check *k, const char *dir, struct phi_err *err)
{
    struct folder f = { dir, k->head.size };
    for (;;) {
        uint64_t have = phi_audit_size(k->audit);
        if (have >= f.size || have % PHI_TILE_WIDTH) /* a bundle cut short: the verdict says what is missing */
            return PHI_OK;
        PHI_TRY(feed_bundle(k, &f, have, err));
        if (phi_audit_size(k->audit) == have)
            return PHI_OK;
    }
}

static enum phi_rc feed_file(struct log_check *k, const char *dir, struct phi_err *err)
{
    char path[1024];
    if (!(k->audit = phi_audit_open()))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    snprintf(path, sizeof path, "%s/entries.jsonl", dir);
    if (!access(path, F_OK))
        return feed_lines(k, dir, err);
    k->tiles = dir;
    return feed_tiles(k, dir, err);
}

/* What the head says of its size, before it is known which key must have signed it. */
static enum phi_rc head_peek(struct log_check *k, struct phi_err *err)
{
    struct phi_view text, sigs;
    PHI_TRY(phi_note_cut(phi_buf_view(&k->note), &text, &sigs, err));
    return phi_checkpoint_read(text, &k->head, err);
}

static int verify_offline(struct log_check *k, const char *dir)
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
        head_peek(k, &err) != PHI_OK || feed_file(k, dir, &err) != PHI_OK ||
        phi_checkpoint_open(phi_buf_view(&k->note), &k->key, &k->head, &err) != PHI_OK)
        return cli_err(&err);
    return cli_log_judge(k, false);
}

int cli_do_log_verify(struct cli *c)
{
    struct log_check k;
    cli_log_begin(&k, c);
    int rc = cli_has(c, OPT_DIR) ? verify_offline(&k, cli_opt(c, OPT_DIR)) : verify_online(&k);
    cli_log_done(&k);
    return rc;
}
