/* `phid backup DIR` */
#include "bin/phid_backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/os.h"
#include "core/succession.h"
#include "store/sqlite.h"

#define PIECE    (256 * 1024)
#define LIST_MAX (64 * 1024)
#define STORE    "phi.db"

static enum phi_rc path_of(char ret[4096], const char *dir, const char *name, struct phi_err *err)
{
    if (snprintf(ret, 4096, "%s/%s", dir, name) >= 4096)
        return phi_fail(err, PHI_ELIMIT, "%s: the path is too long", dir);
    return PHI_OK;
}

/* ---- files */

static enum phi_rc pump(int from, int to, struct phi_hasher *h, const char *path, struct phi_err *err)
{
    static const size_t size = PIECE;
    uint8_t *piece = malloc(size);
    ssize_t n = 0;
    while (piece && (n = read(from, piece, size)) > 0) {
        phi_hasher_add(h, phi_view_mem(piece, (size_t)n));
        if (to >= 0 && write(to, piece, (size_t)n) != n)
            break;
    }
    free(piece);
    if (!piece || n != 0 || (to >= 0 && fsync(to) != 0))
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    return PHI_OK;
}

static enum phi_rc file_hash(const char *path, struct phi_digest *ret, struct phi_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    struct phi_hasher *h = phi_hasher_open();
    enum phi_rc rc = pump(fd, -1, h, path, err);
    *ret = phi_hasher_end(h);
    close(fd);
    return rc;
}

enum phi_rc phid_file_copy(const char *from, const char *to, struct phi_digest *ret, struct phi_err *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0)
        return phi_fail(err, PHI_EIO, "%s: %s", from, strerror(errno));
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct phi_hasher *h = phi_hasher_open();
    enum phi_rc rc = out < 0 ? phi_fail(err, PHI_EIO, "%s: %s", to, strerror(errno)) : pump(in, out, h, to, err);
    *ret = phi_hasher_end(h);
    close(in);
    if (out >= 0)
        close(out);
    return rc;
}

/* Everything that phid keeps, except what a restored log has new, and what means nothing elsewhere. */
static bool wanted(const char *name)
{
    static const char *const not_these[] = { "log.key", "log.key.next", "log.state", "lock", "control" };
    for (size_t i = 0; i < sizeof not_these / sizeof *not_these; i++)
        if (strcmp(name, not_these[i]) == 0)
            return false;
    size_t n = strlen(name);
    return name[0] != '.' && strncmp(name, STORE, strlen(STORE)) != 0 && (n < 4 || strcmp(name + n - 4, ".tmp") != 0);
}

static bool regular(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static void listed(struct phi_jw *w, const char *name, const struct phi_digest *hash)
{
    char hex[PHI_HEX_LEN + 1];
    phi_digest_hex(hash, hex);
    phi_jw_kc(w, name, hex);
}

static enum phi_rc files_in(const struct phid_backup *b, struct phi_jw *w, struct phi_err *err)
{
    DIR *d = opendir(b->config->data);
    enum phi_rc rc = d ? PHI_OK : phi_fail(err, PHI_EIO, "%s: %s", b->config->data, strerror(errno));
    struct dirent *e;
    while (rc == PHI_OK && (e = readdir(d)) != NULL) {
        char from[4096], to[4096];
        struct phi_digest hash;
        if (!wanted(e->d_name) || path_of(from, b->config->data, e->d_name, NULL) != PHI_OK || !regular(from))
            continue;
        rc = path_of(to, b->dir, e->d_name, err);
        if (rc == PHI_OK)
            rc = phid_file_copy(from, to, &hash, err);
        if (rc == PHI_OK)
            listed(w, e->d_name, &hash);
    }
    if (d)
        closedir(d);
    return rc;
}

static enum phi_rc folder_make(const char *path, struct phi_err *err)
{
    if (path[0] != '/')
        return phi_fail(err, PHI_EINPUT, "%s: give the folder's full path", path);
    if (mkdir(path, 0700) == 0)
        return PHI_OK;
    if (errno != EEXIST)
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    if (rmdir(path) != 0 || mkdir(path, 0700) != 0) /* an empty one is as good as none */
        return phi_fail(err, PHI_ECONFLICT, "%s is there already and not empty; a backup overwrites nothing", path);
    return PHI_OK;
}

/* ---- the store */

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool done;
};

static void copied(struct api_copy *k)
{
    struct waiting *w = k->arg;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    pthread_cond_signal(&w->over);
    pthread_mutex_unlock(&w->lock);
}

static enum phi_rc copy_served(struct api_engine *e, const char *path, struct phi_err *err)
{
    struct waiting w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
    struct api_copy k = { .path = path, .done = copied, .arg = &w };
    if (!api_engine_copy(e, &k, err))
        return PHI_ECONFLICT;
    pthread_mutex_lock(&w.lock);
    while (!w.done)
        pthread_cond_wait(&w.over, &w.lock);
    pthread_mutex_unlock(&w.lock);
    *err = k.err;
    return k.rc;
}

static enum phi_rc copy_alone(struct phi_store *s, const char *path, struct phi_err *err)
{
    bool done = false;
    enum phi_rc rc = s->ops->copy_begin(s->self, path, err);
    if (rc == PHI_OK)
        rc = s->ops->copy_step(s->self, -1, &done, err);
    s->ops->copy_end(s->self);
    return rc;
}

/* The copy is opened as phid would open it, so that what is checked is what a restore finds. */
static enum phi_rc copy_check(struct phid_backup *b, const char *path, struct phi_buf *note, struct phi_err *err)
{
    struct phi_store *s = NULL;
    struct phid_log_found is = { 0 };
    struct phi_vkey key = phi_signer_key(b->data->signer);
    PHI_TRY(phi_store_sqlite_check(path, err));
    PHI_TRY(phi_store_sqlite_open(path, &s, err));
    enum phi_rc rc = phid_log_check(s, &key, &is, note, err);
    phi_store_close(s);
    b->size = is.size;
    b->root = is.root;
    memcpy(b->key, is.key, sizeof b->key);
    return rc;
}

static enum phi_rc store_in(struct phid_backup *b, struct phi_jw *w, struct phi_err *err)
{
    char path[4096];
    struct phi_digest hash;
    PHI_BUF(note, PHI_NOTE_MAX);
    PHI_TRY(path_of(path, b->dir, STORE, err));
    PHI_TRY(b->engine ? copy_served(b->engine, path, err) : copy_alone(b->data->store, path, err));
    PHI_TRY(copy_check(b, path, &note, err));
    PHI_TRY(file_hash(path, &hash, err));
    listed(w, STORE, &hash);
    PHI_TRY(path_of(path, b->dir, "checkpoint", err));
    return phi_file_write(path, phi_buf_view(&note), 0600, err);
}

/* ---- the whole */

static enum phi_rc fill(struct phid_backup *b, struct phi_buf *list, struct phi_err *err)
{
    struct phi_jw w;
    char path[4096], root[PHI_HEX_LEN + 1];
    phi_jw_init(&w, list);
    phi_jw_obj(&w);
    phi_jw_ki(&w, "v", 1);
    phi_jw_ki(&w, "at_ms", phi_now_wall_ms());
    phi_jw_kc(&w, "origin", b->data->origin);
    phi_jw_kc(&w, "store", b->data->shared ? "postgresql" : "sqlite");
    phi_jw_key(&w, "files");
    phi_jw_obj(&w);
    PHI_TRY(files_in(b, &w, err));
    if (!b->data->shared)
        PHI_TRY(store_in(b, &w, err));
    phi_jw_end(&w);
    phi_digest_hex(&b->root, root);
    phi_jw_ki(&w, "entries", b->size);
    phi_jw_kc(&w, "root", root);
    phi_jw_kv(&w, "key", phi_view_of(b->key));
    phi_jw_end(&w);
    phi_buf_addc(list, '\n');
    PHI_BUF(line, sizeof b->key + 1);
    phi_buf_adds(&line, b->key);
    phi_buf_addc(&line, '\n');
    PHI_TRY(path_of(path, b->dir, "key", err));
    return phi_file_write(path, phi_buf_view(&line), 0600, err);
}

enum phi_rc phid_backup_make(struct phid_backup *b, struct phi_err *err)
{
    char path[4096];
    PHI_BUF(list, LIST_MAX);
    PHI_TRY(folder_make(b->dir, err));
    snprintf(b->key, sizeof b->key, PHI_FMT, PHI_ARG(phi_view_trim(phi_view_of(b->data->key_line)))); /* of a copy: the one found in it */
    PHI_TRY(fill(b, &list, err));
    PHI_TRY(path_of(path, b->dir, PHID_BACKUP_LIST, err));
    if (!phi_buf_ok(&list))
        return phi_fail(err, PHI_ELIMIT, "too many files in the data folder");
    return phi_file_write(path, phi_buf_view(&list), 0600, err); /* last: a folder without it is no backup */
}

/* ---- reading one */

static enum phi_rc list_read(const char *dir, struct phi_arena *a, const struct phi_json **ret, struct phi_err *err)
{
    char path[4096];
    PHI_BUF(text, LIST_MAX);
    PHI_TRY(path_of(path, dir, PHID_BACKUP_LIST, err));
    PHI_TRY(phi_file_read(path, LIST_MAX, &text, err));
    PHI_TRY(phi_json_read(a, phi_arena_copy(a, phi_buf_view(&text)), PHI_JSON_STRICT, path, ret, err));
    const struct phi_json *files = phi_json_get(*ret, "files");
    if (phi_json_num(*ret, "v", 0) != 1 || !files || files->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "%s: this is no list of a backup that this phid knows", path);
    return PHI_OK;
}

static enum phi_rc listed_check(const char *dir, struct phi_view name, struct phi_view hex, struct phi_err *err)
{
    char path[4096];
    struct phi_digest said, is;
    if (!name.n || memchr(name.p, '/', name.n) || name.p[0] == '.' ||
        snprintf(path, sizeof path, "%s/" PHI_FMT, dir, PHI_ARG(name)) >= (int)sizeof path || !phi_digest_from_hex(hex, &said))
        return phi_fail(err, PHI_EINPUT, "%s/" PHID_BACKUP_LIST ": a file's name or hash cannot be", dir);
    PHI_TRY(file_hash(path, &is, err));
    return phi_digest_eq(&said, &is) ? PHI_OK : phi_fail(err, PHI_ECORRUPT, "%s is not the file that was backed up", path);
}

enum phi_rc phid_backup_read(const char *dir, struct phid_backup_said *ret, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    const struct phi_json *list;
    PHI_TRY(list_read(dir, &a, &list, err));
    const struct phi_json *files = phi_json_get(list, "files");
    for (size_t i = 0; i < files->n; i++)
        PHI_TRY(listed_check(dir, files->keys[i], files->items[i].str, err));
    struct phi_view origin = phi_json_text(list, "origin"), key = phi_json_text(list, "key");
    *ret = (struct phid_backup_said){ .sqlite = phi_view_is(phi_json_text(list, "store"), "sqlite"),
                                      .size = phi_json_num(list, "entries", 0) };
    bool whole = phi_digest_from_hex(phi_json_text(list, "root"), &ret->root) && origin.n && origin.n < sizeof ret->origin &&
                 key.n && key.n < sizeof ret->key && (phi_json_get(files, STORE) != NULL) == ret->sqlite;
    if (!whole)
        return phi_fail(err, PHI_EINPUT, "%s/" PHID_BACKUP_LIST ": something is missing", dir);
    snprintf(ret->origin, sizeof ret->origin, PHI_FMT, PHI_ARG(origin));
    snprintf(ret->key, sizeof ret->key, PHI_FMT, PHI_ARG(key));
    return PHI_OK;
}

enum phi_rc phid_backup_files(const char *dir, const char *to, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    const struct phi_json *list;
    PHI_TRY(list_read(dir, &a, &list, err));
    const struct phi_json *files = phi_json_get(list, "files");
    for (size_t i = 0; i < files->n; i++) {
        char from[4096], there[4096];
        struct phi_digest hash, said;
        struct phi_view name = files->keys[i];
        if (phi_view_is(name, STORE) || phi_view_is(name, "origin"))
            continue;
        snprintf(from, sizeof from, "%s/" PHI_FMT, dir, PHI_ARG(name));
        snprintf(there, sizeof there, "%s/" PHI_FMT, to, PHI_ARG(name));
        PHI_TRY(phid_file_copy(from, there, &hash, err));
        if (!phi_digest_from_hex(files->items[i].str, &said) || !phi_digest_eq(&said, &hash))
            return phi_fail(err, PHI_ECORRUPT, "%s is not the file that was backed up", from);
    }
    return PHI_OK;
}
