/* --check-config, beyond the file's form: what it names is there, fits together, and is readable by nobody else. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/os.h"
#include "bin/phid.h"
#include "bin/phid_tls.h"

#define PASSWORD_MAX 4096

/* What a supervisor hands over is there only when it starts us. */
static bool only_in_service(const char *path)
{
    return strncmp(path, "credential:", 11) == 0 && getenv("CREDENTIALS_DIRECTORY") == NULL;
}

static enum phi_rc tls_check(const struct phid_config *c, struct phi_err *err)
{
    struct net_tls *tls = NULL;
    int64_t ends_ms;
    if (only_in_service(c->tls_cert) || only_in_service(c->tls_key))
        return PHI_OK;
    PHI_TRY(phid_tls_open(c, &tls, &ends_ms, err));
    net_tls_close(tls);
    return PHI_OK;
}

/* As the start will want it; before the first start there is none. */
static enum phi_rc data_check(const char *dir, struct phi_err *err)
{
    struct stat st;
    return stat(dir, &st) == 0 ? phid_data_private(dir, &st, err) : PHI_OK;
}

static enum phi_rc secret_check(const char *dir, const char *name, struct phi_err *err)
{
    char path[4096];
    struct stat st;
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return phi_fail(err, PHI_ELIMIT, "%s: the path is too long", dir);
    if (stat(path, &st) != 0)
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    if (S_ISREG(st.st_mode) && (st.st_mode & 077))
        return phi_fail(err, PHI_EDENIED, "%s: group or others may read it; chmod 600 it", path);
    return PHI_OK;
}

static enum phi_rc secrets_check(const char *dir, struct phi_err *err)
{
    if (!dir[0] || only_in_service(dir))
        return PHI_OK;
    struct stat st;
    DIR *d = opendir(dir);
    enum phi_rc rc = d ? PHI_OK : phi_fail(err, PHI_EIO, "secrets: %s: %s", dir, strerror(errno));
    if (d && fstat(dirfd(d), &st) == 0 && (st.st_mode & 022))
        rc = phi_fail(err, PHI_EDENIED, "secrets: %s: group or others may put files there; chmod 700 it", dir);
    for (struct dirent *e; rc == PHI_OK && (e = readdir(d)) != NULL;)
        rc = secret_check(dir, e->d_name, err);
    if (d)
        closedir(d);
    return rc;
}

static enum phi_rc password_check(const char *path, struct phi_err *err)
{
    PHI_BUF(secret, PASSWORD_MAX);
    if (!path[0] || only_in_service(path))
        return PHI_OK;
    enum phi_rc rc = phi_file_read_secret(path, PASSWORD_MAX, &secret, err);
    phi_buf_wipe(&secret);
    return rc;
}

enum phi_rc phid_check(const struct phid_config *c, struct phi_err *err)
{
    PHI_TRY(data_check(c->data, err));
    PHI_TRY(tls_check(c, err));
    PHI_TRY(secrets_check(c->secrets, err));
    return password_check(c->store_password_file, err);
}
