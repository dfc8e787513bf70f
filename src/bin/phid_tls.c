#include "bin/phid_tls.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/os.h"

#define PEM_MAX (256 * 1024)
#define CRL_MAX (8 * 1024 * 1024)

/* A group may read it (ssl-cert, a unit's own); nobody else may, and only the owner writes. */
static enum phi_rc key_mode_check(const char *path, struct phi_err *err)
{
    struct stat st;
    if (strncmp(path, "credential:", 11) == 0)
        return PHI_OK; /* the supervisor's folder: it has seen to that */
    if (stat(path, &st) != 0)
        return phi_fail(err, PHI_EIO, "%s: %s", path, strerror(errno));
    if (st.st_mode & 027)
        return phi_fail(err, PHI_EDENIED, "%s: the key can be read or changed by others; chmod 600 it", path);
    return PHI_OK;
}

enum phi_rc phid_tls_open(const struct phid_config *c, struct net_tls **ret, int64_t *ret_ends_ms, struct phi_err *err)
{
    struct net_peer_cert facts;
    PHI_BUF(cert, PEM_MAX);
    PHI_BUF(key, PEM_MAX);
    PHI_BUF(ca, PEM_MAX);
    PHI_BUF(crl, CRL_MAX);
    *ret = NULL;
    *ret_ends_ms = 0;
    if (!c->tls_cert[0])
        return PHI_OK;
    PHI_TRY(key_mode_check(c->tls_key, err));
    PHI_TRY(phi_file_read(c->tls_cert, PEM_MAX, &cert, err));
    PHI_TRY(phi_file_read(c->tls_key, PEM_MAX, &key, err));
    if (c->devices[0])
        PHI_TRY(phi_file_read(c->devices, PEM_MAX, &ca, err));
    if (c->devices_revoked[0]) {
        PHI_TRY(phi_file_read(c->devices_revoked, CRL_MAX, &crl, err));
        if (!crl.n)
            return phi_fail(err, PHI_EINPUT, "%s: there is no list of revoked certificates in it", c->devices_revoked);
    }
    struct net_tls_server_opts o = { .cert_pem = phi_buf_view(&cert), .key_pem = phi_buf_view(&key),
                                     .client_ca_pem = phi_buf_view(&ca), .client_crl_pem = phi_buf_view(&crl), .also_1_2 = true };
    enum phi_rc rc = net_tls_server_open(&o, ret, err);
    phi_buf_wipe(&key);
    if (rc == PHI_OK && net_cert_read(phi_buf_view(&cert), &facts, NULL) == PHI_OK)
        *ret_ends_ms = facts.ends_ms;
    return rc;
}

bool phid_tls_changed(const struct phid_config *c, struct phid_seen *seen)
{
    struct stat st = { 0 };
    if (!c->devices_revoked[0])
        return false;
    stat(c->devices_revoked, &st); /* one that is gone is another one too: reading it says so */
    struct phid_seen now = { (uint64_t)st.st_ino, (uint64_t)st.st_size, (int64_t)st.st_mtim.tv_sec, (int64_t)st.st_mtim.tv_nsec };
    bool same = memcmp(&now, seen, sizeof now) == 0;
    *seen = now;
    return !same;
}
