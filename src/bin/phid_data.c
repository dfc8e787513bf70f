#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "bin/phid_backup.h"
#include "store/pgsql.h"
#include "store/sqlite.h"

/* ---- core's ports ---- */

static char boot_text[64];

static int64_t wall(void *self)
{
    (void)self;
    return phi_now_wall_ms();
}

static int64_t boot(void *self)
{
    (void)self;
    return phi_now_boot_ms();
}

static const char *boot_id(void *self)
{
    (void)self;
    return boot_text;
}

static void fill(void *self, void *p, size_t n)
{
    (void)self;
    phi_random(p, n);
}

const struct phi_clock phid_clock = { .wall_ms = wall, .boot_ms = boot, .boot_id = boot_id };
const struct phi_rng phid_rng = { .fill = fill };

/* Without it a right could seem to live on over a restart of the machine. */
static enum phi_rc boot_read(struct phi_err *err)
{
    PHI_BUF(text, sizeof(boot_text));
    PHI_TRY(phi_file_read("/proc/sys/kernel/random/boot_id", sizeof(boot_text) - 1, &text, err));
    struct phi_view id = phi_view_trim(phi_buf_view(&text));
    if (!id.n)
        return phi_fail(err, PHI_EIO, "the kernel gives no boot id");
    snprintf(boot_text, sizeof(boot_text), PHI_FMT, PHI_ARG(id));
    return PHI_OK;
}

/* ---- the folder ---- */

static enum phi_rc path_in(const struct phid_config *c, const char *name, char ret[4096],
                           struct phi_err *err)
{
    if (snprintf(ret, 4096, "%s/%s", c->data, name) >= 4096)
        return phi_fail(err, PHI_ELIMIT, "the data folder's path is too long");
    return PHI_OK;
}

enum phi_rc phid_data_private(const char *path, const struct stat *st, struct phi_err *err)
{
    if (!S_ISDIR(st->st_mode) || (st->st_mode & 077))
        return phi_fail(err, PHI_EDENIED, "%s: group or others may enter it; chmod 700 it", path);
    return PHI_OK;
}

static enum phi_rc folder_check(const char *path, struct phi_err *err)
{
    struct stat st;
    PHI_TRY(phi_dir_make(path, 0700, err));
    if (stat(path, &st) != 0)
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    PHI_TRY(phid_data_private(path, &st, err));
    if (st.st_uid != geteuid())
        return phi_fail(err, PHI_EDENIED, "%s belongs to another user", path);
    return PHI_OK;
}

/* A restored log's name is that of the first with an end of its own. */
static bool same_log(const char *said, const char *is)
{
    size_t n = strlen(said);
    return strncmp(said, is, n) == 0 && (is[n] == 0 || strncmp(is + n, PHID_RESTORED, strlen(PHID_RESTORED)) == 0);
}

/* The log's name must stay what it was at the first start, whatever phid.yaml says later. */
static enum phi_rc origin_find(const struct phid_config *c, char ret[160], struct phi_err *err)
{
    char path[4096], hex[9];
    uint8_t bits[4];
    PHI_BUF(text, 160);
    PHI_TRY(path_in(c, "origin", path, err));
    if (access(path, F_OK) == 0) {
        PHI_TRY(phi_file_read(path, 159, &text, err));
        snprintf(ret, 160, PHI_FMT, PHI_ARG(phi_view_trim(phi_buf_view(&text))));
        if (c->log[0] && !same_log(c->log, ret))
            return phi_fail(err, PHI_EINPUT,
                            "phid.yaml: \"log\" was \"%s\" at the first start and cannot change",
                            ret);
    } else {
        phi_random(bits, sizeof(bits));
        snprintf(hex, sizeof(hex), "%02x%02x%02x%02x", bits[0], bits[1], bits[2], bits[3]);
        snprintf(ret, 160, "%s%s", c->log[0] ? c->log : "phi.local/", c->log[0] ? "" : hex);
        PHI_TRY(phi_file_write(path, phi_view_of(ret), 0644, err));
    }
    if (!phi_vkey_name_ok(phi_view_of(ret)))
        return phi_fail(err, PHI_EINPUT, "\"%s\" cannot name a log: no blanks, no '+'", ret);
    return PHI_OK;
}

static enum phi_rc key_line_keep(struct phid_data *d, struct phi_err *err)
{
    PHI_BUF(line, sizeof(d->key_line));
    struct phi_vkey vk = phi_signer_key(d->signer);
    phi_vkey_write(&line, &vk);
    snprintf(d->key_line, sizeof(d->key_line), PHI_FMT "\n",
             PHI_ARG(phi_view_trim(phi_buf_view(&line))));
    return phi_buf_ok(&line) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the log's name is too long");
}

static enum phi_rc signer_start(const struct phid_config *c, struct phid_data *d,
                                struct phi_err *err)
{
    char key[4096], state[4096];
    if (c->signer[0]) {
        PHI_TRY(phi_signer_connect(c->signer, d->origin, &d->signer, err));
        return key_line_keep(d, err);
    }
    PHI_TRY(path_in(c, "log.key", key, err));
    PHI_TRY(path_in(c, "log.state", state, err));
    struct phi_signer_conf conf = { .key_path = key,
                                    .state_path = state,
                                    .origin = d->origin,
                                    .change_uid = geteuid() == 0,
                                    .uid = (uid_t)c->signer_uid,
                                    .gid = (gid_t)c->signer_uid };
    PHI_TRY(phi_signer_spawn(&conf, &d->signer, err));
    return key_line_keep(d, err);
}

/* Two phids in one folder would sign with one state. */
static enum phi_rc folder_lock(const struct phid_config *c, int *ret, struct phi_err *err)
{
    char path[4096];
    PHI_TRY(path_in(c, "lock", path, err));
    *ret = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*ret < 0)
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    if (flock(*ret, LOCK_EX | LOCK_NB) == 0)
        return PHI_OK;
    return phi_fail(err, PHI_ECONFLICT, "another phid has the data folder %s open", c->data);
}

/* ---- the store ---- */

/* The log's heads are signed by this node's key: what another key has signed is another node's that this folder was
 * not copied from, unless it is the one before: phid may have been gone before the new one's first head was stored. Before the first head is signed the first entry names the key. */
static enum phi_rc key_check(const struct phid_data *d, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    const struct phi_store_ops *s = d->store->ops;
    struct core_state_row st, key = { 0 };
    struct core_leaf_row leaf, first;
    struct phi_vkey vk = phi_signer_key(d->signer);
    struct phi_checkpoint head;
    struct phi_view line = phi_view_trim(phi_view_of(d->key_line));
    PHI_TRY(s->begin(d->store->self, err));
    bool begun = s->get(d->store->self, CORE_STATE, CORE_BY_KEY, &key, &a, &st, NULL) == PHI_OK;
    bool ours = !begun || (st.note.n > 0 && phid_log_head(d->store, &a, st.note, false, &vk, &head, NULL) == PHI_OK);
    first = (struct core_leaf_row){ .idx = begun ? st.base : 0 };
    if (!ours && st.note.n == 0)
        ours = s->get(d->store->self, CORE_LEAF, CORE_BY_KEY, &first, &a, &leaf, NULL) != PHI_OK ||
               memmem(leaf.entry.p, leaf.entry.n, line.p, line.n) != NULL;
    s->rollback(d->store->self);
    if (ours)
        return PHI_OK;
    return phi_fail(err, PHI_EINPUT, "the store's log is signed by another key than this data folder's: for a second phid copy origin, "
                                     "log.key, log.key.next, log.state and the CA's files from the first one's folder; for a backup there is "
                                     "`phid restore`");
}

static enum phi_rc store_open(const struct phid_config *c, struct phid_data *d, const char *file, struct phi_err *err)
{
    char path[4096];
    d->clock = &phid_clock;
    if (!c->store[0]) {
        PHI_TRY(path_in(c, file, path, err));
        return phi_store_sqlite_open(path, &d->store, err);
    }
    struct phi_store_pgsql_opts o = { c->store, c->store_password_file, "phid", &phid_clock, c->store_no_copy };
    PHI_TRY(phi_store_pgsql_open(&o, &d->store, err));
    d->clock = phi_store_pgsql_clock(d->store);
    d->shared = true;
    return PHI_OK;
}

enum phi_rc phid_data_open(const struct phid_config *c, struct phid_data *ret, struct phi_err *err)
{
    *ret = (struct phid_data){ .lock = -1 };
    PHI_TRY(boot_read(err));
    PHI_TRY(folder_check(c->data, err));
    PHI_TRY(folder_lock(c, &ret->lock, err));
    PHI_TRY(origin_find(c, ret->origin, err));
    PHI_TRY(signer_start(c, ret, err));
    PHI_TRY(phi_ca_open(c->data, &ret->ca, err));
    PHI_TRY(store_open(c, ret, "phi.db", err));
    return key_check(ret, err);
}

enum phi_rc phid_data_open_restored(const struct phid_config *c, const char *origin, struct phid_data *ret, struct phi_err *err)
{
    char path[4096];
    PHI_TRY(path_in(c, "origin", path, err));
    PHI_TRY(phi_file_write(path, phi_view_of(origin), 0644, err));
    snprintf(ret->origin, sizeof(ret->origin), "%s", origin);
    PHI_TRY(boot_read(err));
    PHI_TRY(signer_start(c, ret, err));
    PHI_TRY(phi_ca_open(c->data, &ret->ca, err));
    return store_open(c, ret, PHID_RESTORING, err);
}

enum phi_rc phid_data_claim(const struct phid_config *c, struct phid_data *ret, struct phi_err *err)
{
    static const char *const here[] = { "origin", "log.key", "log.state", "phi.db", "ca.key" };
    char path[4096];
    *ret = (struct phid_data){ .lock = -1 };
    PHI_TRY(folder_check(c->data, err));
    PHI_TRY(folder_lock(c, &ret->lock, err));
    for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
        PHI_TRY(path_in(c, here[i], path, err));
        if (access(path, F_OK) == 0)
            return phi_fail(err, PHI_ECONFLICT, "%s is there already: a backup is restored into a data folder that holds nothing; "
                                                "move this one away", path);
    }
    return PHI_OK;
}

int phid_signer(const struct phid_config *c)
{
    struct phi_err err = { 0 };
    char key[4096], state[4096];
    struct phi_signer_conf conf = { .key_path = key, .state_path = state, .origin = c->log, .service = true };
    if (!c->log[0] || c->signer_folder[0] != '/')
        phi_fail(&err, PHI_EINPUT, "phid.yaml: a signer of its own needs \"log\" and \"signer_folder\", a full path");
    else if (snprintf(key, sizeof key, "%s/log.key", c->signer_folder) >= (int)sizeof key ||
             snprintf(state, sizeof state, "%s/log.state", c->signer_folder) >= (int)sizeof state)
        phi_fail(&err, PHI_ELIMIT, "phid.yaml: \"signer_folder\" is too long");
    else
        phi_signer_serve(STDIN_FILENO, &conf);
    return phid_fail(&err);
}

void phid_data_close(struct phid_data *d)
{
    phi_store_close(d->store);
    phi_ca_close(d->ca);
    phi_signer_close(d->signer);
    if (d->lock >= 0)
        close(d->lock);
    *d = (struct phid_data){ .lock = -1 };
}
