/* TLS settings for listeners and connections. TLS 1.3, where said from 1.2. Counted references: connections keep
 * what they need, so close a context whenever the owner has no more use for it. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/hash.h"

struct net_tls;

struct net_tls_server_opts {
    struct phi_view cert_pem;      /* leaf first, then what leads to the CA (send the CA too: enrolment pins it) */
    struct phi_view key_pem;
    struct phi_view client_ca_pem; /* empty: clients are not asked for a certificate */
    struct phi_view client_crl_pem; /* empty, or lists of what those CAs took back: a certificate of a CA that has none that is still valid is refused */
    bool also_1_2;                 /* for browsers and programs of others: TLS 1.2 with AEAD and forward secrecy too */
    bool client_cert_required;     /* else optional; one that is given must always verify */
    /* Asked at each handshake with a client certificate; false refuses (revoked). May be NULL. */
    bool (*client_ok)(struct phi_view name, const struct phi_digest *cert_sha256, void *ctx);
    void *ctx;
};
enum phi_rc net_tls_server_open(const struct net_tls_server_opts *o, struct net_tls **ret, struct phi_err *err);

struct net_tls_client_opts {
    struct phi_view ca_pem;           /* trust only these; empty with no pin: the system's */
    const struct phi_digest *ca_pin;  /* trust only a CA certificate of this DER SHA-256 that the peer presents */
    struct phi_view cert_pem, key_pem; /* our certificate; empty: none */
    bool any_name;                    /* skip the name check: only with ca_pem or ca_pin of a private CA */
};
enum phi_rc net_tls_client_open(const struct net_tls_client_opts *o, struct net_tls **ret, struct phi_err *err);

/* For a PostgreSQL server whose certificate nobody can check (sslmode=require): encryption only. */
enum phi_rc net_tls_client_unverified(struct net_tls **ret, struct phi_err *err);

struct net_tls *net_tls_ref(struct net_tls *t); /* one more owner; returns t */
void net_tls_close(struct net_tls *t); /* NULL is fine */

struct net_peer_cert {
    char name[129];            /* subject common name; "" when there is none or it is odd */
    struct phi_digest spki;    /* SHA-256 of the DER SubjectPublicKeyInfo */
    struct phi_digest sha256;  /* of the DER certificate */
    int64_t begins_ms, ends_ms; /* notBefore, notAfter; wall clock */
};
/* Facts of the first certificate of a PEM text; verifies nothing. */
enum phi_rc net_cert_read(struct phi_view pem, struct net_peer_cert *ret, struct phi_err *err);

#endif
