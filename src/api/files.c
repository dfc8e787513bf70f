#include "api/files.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/os.h"

#define FILES_MAX 512
#define BYTES_MAX (16u * 1024 * 1024)

struct entry {
    struct api_file file;
    struct phi_buf content;
    struct entry *next;
};

struct api_files {
    struct phi_map *by_path;
    struct entry *entries;
    size_t bytes;
};

static const char *type_of(const char *path)
{
    static const struct {
        const char *ext, *type;
    } types[] = {
        { ".html",        "text/html; charset=utf-8" },
        { ".js",          "text/javascript; charset=utf-8" },
        { ".mjs",         "text/javascript; charset=utf-8" },
        { ".css",         "text/css; charset=utf-8" },
        { ".svg",         "image/svg+xml" },
        { ".png",         "image/png" },
        { ".ico",         "image/x-icon" },
        { ".woff2",       "font/woff2" },
        { ".json",        "application/json" },
        { ".txt",         "text/plain; charset=utf-8" },
        { ".webmanifest", "application/manifest+json" },
        { ".map",         "application/json" },
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(dot, types[i].ext) == 0)
            return types[i].type;
    return "application/octet-stream";
}

static void etag_make(struct api_file *f)
{
    char hex[PHI_HEX_LEN + 1];
    struct phi_digest d = phi_sha256(f->body);
    phi_digest_hex(&d, hex);
    snprintf(f->etag, sizeof(f->etag), "\"%.32s\"", hex);
}

static enum phi_rc entry_add(struct api_files *f, const char *path, const char *url,
                             struct phi_err *err)
{
    struct entry *e = calloc(1, sizeof(*e));
    if (!e)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    e->next = f->entries;
    f->entries = e;
    phi_buf_init(&e->content, BYTES_MAX);
    PHI_TRY(phi_file_read(path, BYTES_MAX - f->bytes, &e->content, err));
    f->bytes += e->content.n;
    e->file.body = phi_buf_view(&e->content);
    e->file.type = type_of(path);
    etag_make(&e->file);
    if (!phi_map_put(f->by_path, phi_view_of(url), &e->file))
        return phi_fail(err, PHI_ELIMIT, "the console has more than %d files", FILES_MAX);
    return PHI_OK;
}

static enum phi_rc tree_read(struct api_files *f, FTS *fts, size_t root, struct phi_err *err)
{
    FTSENT *e;
    errno = 0;
    while ((e = fts_read(fts)) != NULL) {
        if (e->fts_level > 0 && e->fts_name[0] == '.')
            fts_set(fts, e, FTS_SKIP);
        else if (e->fts_info == FTS_F)
            PHI_TRY(entry_add(f, e->fts_path, e->fts_path + root, err));
        else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
            return phi_fail(err, PHI_EIO, "%s: %s", e->fts_path, strerror(e->fts_errno));
    }
    return errno ? phi_fail(err, PHI_EIO, "console folder: %s", strerror(errno)) : PHI_OK;
}

enum phi_rc api_files_open(const char *dir, struct api_files **ret, struct phi_err *err)
{
    char path[4096];
    size_t n = (size_t)snprintf(path, sizeof(path), "%s", dir);
    while (n > 1 && n < sizeof(path) && path[n - 1] == '/')
        path[--n] = '\0';
    if (!n || n >= sizeof(path))
        return phi_fail(err, PHI_EINPUT, "the console folder's path is too long or empty");
    struct api_files *f = calloc(1, sizeof(*f));
    char *const paths[] = { path, NULL };
    FTS *fts = f && (f->by_path = phi_map_open(FILES_MAX))
                   ? fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL)
                   : NULL;
    enum phi_rc rc =
        fts ? tree_read(f, fts, n, err) : phi_fail(err, PHI_EIO, "cannot read the folder %s", path);
    if (fts)
        fts_close(fts);
    if (rc != PHI_OK) {
        api_files_close(f);
        return rc;
    }
    *ret = f;
    return PHI_OK;
}

void api_files_close(struct api_files *f)
{
    struct entry *e;
    if (!f)
        return;
    while ((e = f->entries) != NULL) {
        f->entries = e->next;
        phi_buf_done(&e->content);
        free(e);
    }
    phi_map_close(f->by_path);
    free(f);
}

const struct api_file *api_files_find(const struct api_files *f, struct phi_view path)
{
    if (!f)
        return NULL;
    if (phi_view_is(path, "/") || (phi_view_starts(path, PHI_LIT("/r/")) && path.n > 3))
        path = PHI_LIT("/index.html");
    return phi_map_get(f->by_path, path);
}

size_t api_files_count(const struct api_files *f)
{
    return f ? phi_map_count(f->by_path) : 0;
}
