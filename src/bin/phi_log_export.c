/* log export: every entry in the form asked for, verified while it is written. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "bin/phi_log.h"
#include "proof/export.h"
#include "proof/tile.h"

#define BUNDLE_MAX (PHI_TILE_WIDTH * (PHI_TILE_ENTRY_MAX + 2))

struct out {
    struct log_check *k;
    const char *dir;
    enum phi_export_form form;
    FILE *file, *leaves;  /* leaves: only with JSON */
    struct phi_buf bundle; /* only with tiles */
};

static bool fail(const struct phi_err *err)
{
    cli_err(err);
    return false;
}

static bool put(FILE *f, struct phi_view v)
{
    if (fwrite(v.p, 1, v.n, f) == v.n)
        return true;
    return fail(&(struct phi_err){ .rc = PHI_EIO, .msg = "cannot write the entries" });
}

static bool write_in(const char *dir, const char *name, struct phi_view v)
{
    struct phi_err err = { 0 };
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (char *p = path + strlen(dir) + 1; (p = strchr(p, '/')); p++) { /* the folders of a tile */
        *p = 0;
        if (phi_dir_make(path, 0755, &err) != PHI_OK)
            return fail(&err);
        *p = '/';
    }
    return phi_file_write(path, v, 0644, &err) == PHI_OK ? true : fail(&err);
}

/* ---- lines ---- */

static bool line(void *ctx, struct phi_view entry)
{
    struct out *o = ctx;
    struct phi_err err = { 0 };
    PHI_BUF(text, 1 << 20);
    if (phi_export_entry(&text, o->form, o->k->head.origin, entry, &err) != PHI_OK)
        return fail(&err);
    if (!put(o->file, phi_buf_view(&text)))
        return false;
    if (!o->leaves)
        return true;
    char hex[PHI_HEX_LEN + 2];
    struct phi_digest leaf = phi_leaf_hash(entry);
    phi_digest_hex(&leaf, hex);
    hex[PHI_HEX_LEN] = '\n';
    return put(o->leaves, phi_view_mem(hex, PHI_HEX_LEN + 1));
}

static FILE *create(const char *dir, const char *name)
{
    struct phi_err err = { 0 };
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    if (!f) {
        phi_fail(&err, PHI_EIO, "%s cannot be written", path);
        cli_err(&err);
    }
    return f;
}

static int lines_write(struct out *o)
{
    bool json = o->form == PHI_EXPORT_JSON;
    o->file = create(o->dir, phi_export_file(o->form));
    o->leaves = o->file && json ? create(o->dir, "leaves") : NULL;
    if (!o->file || (json && !o->leaves))
        return CLI_ERROR;
    if (!put(o->file, phi_view_of(phi_export_head(o->form))))
        return CLI_ERROR;
    return cli_log_walk(o->k, line, o);
}

static int lines_end(struct out *o, int rc)
{
    bool bad = o->file && fclose(o->file);
    bad = (o->leaves && fclose(o->leaves)) || bad; /* both are closed, whichever fails */
    if (bad && !rc)
        rc = cli_err(&(struct phi_err){ .rc = PHI_EIO, .msg = "cannot write the entries" });
    return rc;
}

/* ---- tiles: the layout of C2SP tlog-tiles, made from the entries, so that they hold what was verified ---- */

static bool tile_write(struct out *o, struct phi_tile t, struct phi_view bytes)
{
    PHI_BUF(name, 256);
    phi_buf_adds(&name, "tile/");
    phi_tile_write(&name, &t);
    return write_in(o->dir, phi_buf_str(&name), bytes);
}

static bool bundled(void *ctx, struct phi_view entry)
{
    struct out *o = ctx;
    struct phi_err err = { 0 };
    uint64_t n = phi_audit_size(o->k->audit); /* this one included */
    struct phi_tile t = phi_tile_of(0, n - 1, o->k->head.size);
    if (phi_bundle_entry_add(&o->bundle, entry, &err) != PHI_OK)
        return fail(&err);
    if (n % PHI_TILE_WIDTH && n != o->k->head.size)
        return true;
    t.entries = true;
    bool ok = phi_buf_ok(&o->bundle) && tile_write(o, t, phi_buf_view(&o->bundle));
    phi_buf_clear(&o->bundle);
    return ok;
}

static int tiles_write(struct out *o)
{
    uint64_t size = o->k->head.size;
    phi_buf_init(&o->bundle, BUNDLE_MAX);
    int rc = cli_log_walk(o->k, bundled, o);
    phi_buf_done(&o->bundle);
    for (unsigned level = 0; !rc && phi_audit_size(o->k->audit) == size && size >> (8 * level); level++)
        for (uint64_t at = 0; at < size >> (8 * level); at += PHI_TILE_WIDTH) {
            struct phi_tile t = phi_tile_of(level, at, size);
            PHI_BUF(bytes, PHI_TILE_WIDTH * PHI_SHA256_LEN);
            for (unsigned i = 0; i < t.width; i++) {
                struct phi_digest h;
                if (phi_audit_node(o->k->audit, 8 * level, at + i, &h) != PHI_OK)
                    return cli_err(&(struct phi_err){ .rc = PHI_ECORRUPT, .msg = "a node of the tree is missing" });
                phi_buf_add(&bytes, phi_digest_view(&h));
            }
            if (!tile_write(o, t, phi_buf_view(&bytes)))
                return CLI_ERROR;
        }
    return rc;
}

/* ---- the command ---- */

static int export_to(struct log_check *k, const char *dir, const char *form)
{
    struct phi_err err = { 0 };
    struct out o = { .k = k, .dir = dir };
    bool tiles = strcmp(form, "tiles") == 0;
    if (!tiles && !phi_export_form_read(phi_view_of(form), &o.form))
        return cli_usage(k->c, "--format takes json, ocsf, csv, syslog or tiles", NULL);
    int rc = cli_open(k->c);
    if (rc || (rc = cli_log_key(k, true)) || (rc = cli_log_head(k)))
        return rc;
    if (phi_dir_make(dir, 0755, &err) != PHI_OK)
        return cli_err(&err);
    if (!write_in(dir, "key", phi_buf_view(&k->key_text)) || !write_in(dir, "checkpoint", phi_buf_view(&k->note)))
        return CLI_ERROR;
    rc = tiles ? tiles_write(&o) : lines_end(&o, lines_write(&o));
    return rc ? rc : cli_log_judge(k, true);
}

int cli_do_log_export(struct cli *c)
{
    struct log_check k;
    const char *form = cli_opt(c, OPT_FORMAT);
    cli_log_begin(&k, c);
    int rc = export_to(&k, c->arg[0], form ? form : "json");
    cli_log_done(&k);
    return rc;
}
