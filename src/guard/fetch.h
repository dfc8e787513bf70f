/* The process that alone reaches out. phid forks it before any thread or event loop; it keeps one socket and nothing else of
 * phid's. Each request runs in a child of its own (one hostile answer cannot see another's secrets), confined:
 * no files but the system's read-only trust and resolver settings, no programs, rlimits, its own deadline.
 *
 * Where a request may go is decided on the very address that is connected to, after resolving (so a name that
 * resolves anew to something inside gains nothing): loopback, private, link-local, shared, multicast, metadata and all
 * other special-purpose addresses (IANA's registries; IPv4 in IPv6 too) are refused unless `allow` names them. Plain
 * HTTP goes to allowed loopback addresses only; mail only under TLS, or to such an address. Certificates are
 * verified. Redirects are never followed, proxies of the environment never used. */
#ifndef GUARD_FETCH_H
#define GUARD_FETCH_H

#include <sys/types.h>

#include "net/fetch.h"
#include "net/loop.h"

#define GUARD_FETCH_ALLOW_MAX 16

struct guard_fetch_conf {
    const char *allow[GUARD_FETCH_ALLOW_MAX]; /* "10.1.0.0/16", "127.0.0.1", "fd00::/8": may be reached all the same */
    size_t n_allow;
    const char *ca_file; /* PEM, trusted besides the system's; NULL or "": none */
    bool change_uid;     /* only when started as root */
    uid_t uid;
    gid_t gid;
    const char *resolve; /* for tests: "name:port:address[,address…]" stands for the resolver; NULL */
};

struct guard_fetch;

/* Forks. PHI_EINPUT names the entry of `allow` that is none. */
enum phi_rc guard_fetch_spawn(const struct guard_fetch_conf *conf, struct guard_fetch **ret, struct phi_err *err);
pid_t guard_fetch_pid(const struct guard_fetch *f);
/* From now on requests may be sent, on this loop's thread; at most 16 run at once, 1,024 wait (their deadline runs). */
enum phi_rc guard_fetch_bind(struct guard_fetch *f, struct net_loop *loop, struct phi_err *err);
struct net_fetch guard_fetch_port(struct guard_fetch *f);
/* What still runs is dropped, without its callback. Before the loop's end; NULL is fine. */
void guard_fetch_close(struct guard_fetch *f);

#endif
