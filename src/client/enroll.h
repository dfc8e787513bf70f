/* Enrolment of a gateway, and what it keeps in its state folder: key.pem (0600), cert.pem, ca.pem, name. */
#ifndef CLIENT_ENROLL_H
#define CLIENT_ENROLL_H

#include "base/buf.h"
#include "net/loop.h"

/* Makes a key, presents `code` ("<CA's SHA-256, b64u>.<secret>") over TLS to a phid whose CA has that
 * hash, and stores what comes back. The private key leaves neither memory nor the folder. An already
 * enrolled folder is PHI_ECONFLICT unless `again`. */
enum phi_rc client_enroll(struct net_loop *loop, const char *url, const char *code, const char *state_dir, bool again,
                          struct phi_err *err);

struct client_identity {
    struct phi_buf key_pem, cert_pem, ca_pem;
    char name[129];
    int64_t certificate_begins_ms, certificate_ends_ms; /* wall clock */
};
/* PHI_ENOTFOUND when the folder holds no enrolment; refuses a key that others may read. */
enum phi_rc client_identity_load(const char *state_dir, struct client_identity *ret, struct phi_err *err);
/* A newer certificate of the same name and key, kept in the folder; PHI_EDENIED when it is not that. `id` becomes it. */
enum phi_rc client_identity_renew(const char *state_dir, struct client_identity *id, struct phi_view cert_pem, struct phi_err *err);
void client_identity_done(struct client_identity *id); /* wipes */

#endif
