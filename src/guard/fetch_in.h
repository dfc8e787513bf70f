/* Inside src/guard only: the two messages between phid and a fetch worker (one each, over a stream of its
 * own: 4 bytes length, then the fields), which addresses may be reached, and the worker itself. */
#ifndef GUARD_FETCH_IN_H
#define GUARD_FETCH_IN_H

#include <sys/socket.h>

#include "base/arena.h"
#include "guard/fetch.h"

#define FETCH_FIELDS_MAX 64
#define FETCH_RCPT_MAX 64
#define FETCH_HEADERS_MAX (64 * 1024)
#define FETCH_ASK_MAX (NET_FETCH_MAX_SEND + 256 * 1024)
#define FETCH_ANSWER_MAX (NET_FETCH_MAX_BODY + FETCH_HEADERS_MAX + 4096)

/* ---- messages (fetch_proto.c) ---- */

/* PHI_EINPUT names what cannot be sent: a line end in a header, a blank in the URL, too many of something. */
enum phi_rc fetch_ask_write(struct phi_buf *b, const struct net_fetch_ask *ask, struct phi_err *err);
/* Without the length. Texts are copied into the arena. */
bool fetch_ask_read(struct phi_arena *a, struct phi_view v, struct net_fetch_ask *ret);

struct fetch_answer {
    enum phi_rc rc;
    bool maybe_done;
    int status;
    struct phi_view address, headers, body, why;
};
void fetch_answer_write(struct phi_buf *b, const struct fetch_answer *x);
bool fetch_answer_read(struct phi_view v, struct fetch_answer *ret); /* without the length; borrows */
/* The whole message once it is all there, and no more: its fields. MORE: 1, READY: 0, bad: -1. */
int fetch_frame(struct phi_view in, size_t max, struct phi_view *ret);

/* ---- addresses (fetch_addr.c) ---- */

struct fetch_net {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;     /* of the 128 */
};
bool fetch_net_read(const char *text, struct fetch_net *ret); /* "10.0.0.0/8", "::1" */
struct fetch_nets {
    struct fetch_net net[GUARD_FETCH_ALLOW_MAX];
    size_t n;
};
/* May this address be connected to? `plain`: without TLS, so only loopback, and only where allowed. */
bool fetch_addr_ok(const struct fetch_nets *allow, const struct sockaddr *sa, bool plain);

/* ---- the worker (fetch_child.c, fetch_confine.c) ---- */

struct fetch_house { /* what every worker inherits */
    struct fetch_nets allow;
    struct phi_buf ca; /* PEM of conf->ca_file, maybe empty */
    const char *resolve;
};
void fetch_worker(int fd, const struct fetch_house *h) __attribute__((noreturn));
void fetch_confine(void); /* ends the process where it cannot */

#endif
