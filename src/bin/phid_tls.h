/* The certificate of the people's listener, from the files that phid.yaml names. */
#ifndef BIN_PHID_TLS_H
#define BIN_PHID_TLS_H

#include "bin/phid_config.h"
#include "net/tls.h"

/* NULL in *ret where phid.yaml has no `tls`. PHI_EDENIED when others may read or write the key; PHI_EINPUT when
 * the two files do not fit each other. Called again on SIGHUP: a failure then leaves what is in use. */
enum phi_rc phid_tls_open(const struct phid_config *c, struct net_tls **ret, int64_t *ret_ends_ms, struct phi_err *err);

/* Whether the file of `devices_revoked` is another one than when this was asked last. */
struct phid_seen {
    uint64_t file, size;
    int64_t s, ns;
};
bool phid_tls_changed(const struct phid_config *c, struct phid_seen *seen);

#endif
