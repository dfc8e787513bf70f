/* `phid backup`, `phid rotate-log-key` and `phid restore`: what a person types. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bin/phid_backup.h"
#include "core/succession.h"
#include "store/mem.h"

/* ---- backup */

static enum phi_rc note_alone(struct phi_core *c, void *arg, struct phi_err *err)
{
    const struct phid_backup *b = arg;
    return phi_log_backed_up(c, b->size, &b->root, err);
}

static enum phi_rc core_once(struct phid_data *d, enum phi_rc (*run)(struct phi_core *, void *, struct phi_err *), void *arg,
                             struct phi_err *err)
{
    struct phi_core *core = NULL;
    struct phi_core_config config = { .origin = d->origin, .key = d->key_line, .store = d->store, .clock = d->clock, .rng = &phid_rng };
    PHI_TRY(phi_core_open(&config, &core, err));
    enum phi_rc rc = phi_core_do(core, run, arg, err);
    phi_core_close(core);
    return rc;
}

static enum phi_rc backup_alone(const struct phid_config *c, const char *dir, int64_t *ret_size, struct phi_err *err)
{
    struct phid_data data = { .lock = -1 };
    struct phid_backup b = { .config = c, .data = &data, .dir = dir };
    enum phi_rc rc = phid_data_open(c, &data, err);
    if (rc == PHI_OK)
        rc = phid_backup_make(&b, err);
    if (rc == PHI_OK && b.size)
        rc = core_once(&data, note_alone, &b, err);
    phid_data_close(&data);
    *ret_size = b.size;
    return rc;
}

static void backup_say(const struct phid_config *c, const char *dir, const char *entries)
{
    printf("%s: backed up and checked; its log has %s entries.\n", dir, entries);
    if (c->store[0])
        puts("The store is PostgreSQL's to back up: pg_dump of the schema phi, or point-in-time recovery. This folder has what is beside it.");
    puts("It holds the key of the gateways' CA and people's texts: keep it as the data folder itself is kept.");
}

int phid_backup(const struct phid_config *c, const char *dir)
{
    struct phi_err err = { 0 };
    int64_t size = 0;
    PHI_BUF(ask, 4096);
    PHI_BUF(said, 4096);
    char full[4096], *cwd = dir[0] == '/' ? NULL : getcwd(NULL, 0);
    snprintf(full, sizeof full, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", dir);
    free(cwd);
    phi_buf_printf(&ask, "backup %s", full);
    enum phi_rc rc = phi_buf_ok(&ask) ? phid_control_ask(c, phi_buf_str(&ask), &said, &err) : phi_fail(&err, PHI_ELIMIT, "the path is too long");
    if (rc == PHI_ENOTFOUND) {
        rc = backup_alone(c, full, &size, &err);
        phi_buf_printf(&said, "%lld", (long long)size);
    }
    if (rc != PHI_OK)
        return phid_fail(&err);
    backup_say(c, full, phi_buf_str(&said));
    return 0;
}

int phid_rotate(const struct phid_config *c)
{
    struct phi_err err = { 0 };
    PHI_BUF(said, 4096);
    if (phid_control_ask(c, "rotate-log-key", &said, &err) != PHI_OK)
        return phid_fail(&err);
    puts("The log has a new key, named by its newest entry and signed by both. Gateways and `phi log verify` follow; who pinned the\n"
         "key elsewhere, such as a witness, needs the new one: phi's GET /v1/log/key.");
    return 0;
}

/* ---- restore */

struct restoring {
    struct phi_vkey before;
    struct phi_view key;
};

static enum phi_rc restore_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    const struct restoring *r = arg;
    return phi_log_restore(c, &r->before, r->key, err);
}

/* A signer that is a service has its name from phid.yaml; any other gets one at random, so that two restores of one backup are
 * two logs. */
static enum phi_rc origin_make(const struct phid_config *c, const char *before, char ret[160], struct phi_err *err)
{
    uint8_t bits[4];
    char hex[9];
    const char *end = strstr(before, PHID_RESTORED);
    if (c->signer[0]) {
        if (strcmp(c->log, before) == 0)
            return phi_fail(err, PHI_EINPUT, "phid.yaml: with a signer of its own a restored log needs another \"log\" than \"%s\", and "
                                             "its signer a folder that is empty", before);
        snprintf(ret, 160, "%s", c->log);
        return PHI_OK;
    }
    phi_random(bits, sizeof bits);
    snprintf(hex, sizeof hex, "%02x%02x%02x%02x", bits[0], bits[1], bits[2], bits[3]);
    int n = end ? (int)(end - before) : (int)strlen(before);
    if (snprintf(ret, 160, "%.*s" PHID_RESTORED "%s", n, before, hex) >= 160)
        return phi_fail(err, PHI_ELIMIT, "the log's name is too long");
    return PHI_OK;
}

static enum phi_rc store_place(const struct phid_config *c, const char *dir, const struct phid_backup_said *said, struct phi_err *err)
{
    char from[4096], to[4096];
    struct phi_digest hash;
    if (said->sqlite == (c->store[0] != 0))
        return phi_fail(err, PHI_EINPUT, "the backup is of a store in %s, and phid.yaml names another", said->sqlite ? "SQLite" : "PostgreSQL");
    if (!said->sqlite)
        return PHI_OK; /* restored with PostgreSQL's own tools before this */
    snprintf(from, sizeof from, "%s/phi.db", dir);
    snprintf(to, sizeof to, "%s/" PHID_RESTORING, c->data);
    unlink(to);
    return phid_file_copy(from, to, &hash, err);
}

/* What was restored must be a log that its key has signed; then it ends, and a new one begins. */
static enum phi_rc go_on(struct phid_data *d, const struct phid_backup_said *said, int64_t *ret_size, struct phi_err *err)
{
    struct restoring r = { .key = phi_view_of(d->key_line) };
    struct phid_log_found is;
    PHI_TRY(phi_vkey_read(phi_view_of(said->key), &r.before, err));
    PHI_TRY(phid_log_check(d->store, &r.before, &is, NULL, err));
    PHI_TRY(phi_vkey_read(phi_view_of(is.key), &r.before, err));
    *ret_size = is.size;
    if (said->sqlite && (is.size != said->size || !phi_digest_eq(&is.root, &said->root)))
        return phi_fail(err, PHI_ECORRUPT, "the log in the backup is not the one that its list names");
    return core_once(d, restore_run, &r, err);
}

static enum phi_rc restore(const struct phid_config *c, const char *dir, struct phid_data *d, struct phid_backup_said *said,
                           int64_t *ret_size, struct phi_err *err)
{
    char origin[160], from[4096], to[4096];
    PHI_TRY(phid_data_claim(c, d, err));
    PHI_TRY(phid_backup_read(dir, said, err));
    PHI_TRY(origin_make(c, said->origin, origin, err));
    PHI_TRY(phid_backup_files(dir, c->data, err));
    PHI_TRY(store_place(c, dir, said, err));
    PHI_TRY(phid_data_open_restored(c, origin, d, err));
    PHI_TRY(go_on(d, said, ret_size, err));
    phi_store_close(d->store);
    d->store = NULL;
    snprintf(from, sizeof from, "%s/" PHID_RESTORING, c->data);
    snprintf(to, sizeof to, "%s/phi.db", c->data);
    if (said->sqlite && rename(from, to) != 0) /* only now is it one that phid serves from */
        return phi_fail(err, PHI_EIO, "%s cannot be renamed", from);
    return PHI_OK;
}

static void restore_say(const struct phid_data *d, const struct phid_backup_said *said, int64_t size)
{
    printf("Restored. The log \"%s\" ended with entry %lld; it goes on as \"%s\".\n", said->origin, (long long)size - 1, d->origin);
    puts("Every request, grant, credential and sign-in that the backup held has ended. What was changed after the backup is as it was\n"
         "before: look at people, groups, gateways and the policy before anybody else does.\n"
         "Next: start phid; `phid link NAME` signs an administrator in; `phi log vouch` has an operator sign the new log, without which\n"
         "no gateway takes it.");
}

int phid_restore(const struct phid_config *c, const char *dir)
{
    struct phi_err err = { 0 };
    struct phid_data data = { .lock = -1 };
    struct phid_backup_said said;
    int64_t size = 0;
    enum phi_rc rc = restore(c, dir, &data, &said, &size, &err);
    if (rc == PHI_OK)
        restore_say(&data, &said, size);
    phid_data_close(&data);
    return rc == PHI_OK ? 0 : phid_fail(&err);
}
