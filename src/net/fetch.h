/* A request to somewhere outside and its answer: the port by which rooms that may not reach out ask the
 * one process that may (guard/fetch.h). Used on the loop's thread. Nothing is retried. */
#ifndef NET_FETCH_H
#define NET_FETCH_H

#include "net/http_client.h"

struct net_fetch_ask { /* borrowed during the call of `send` only */
    const char *url;    /* https://…, or smtps:// and smtp:// (which must offer STARTTLS) for mail */
    const char *method; /* "GET", "POST", …; NULL: mail */
    const struct net_http_field *fields; /* Host, Content-Length and the like are made; none may hold a line end */
    size_t n_fields;
    struct phi_view body; /* or the whole mail, lines ended by CR LF */
    const char *user, *password; /* of mail; NULL: none */
    const char *mail_from;       /* plain addresses, as in the envelope */
    const char *const *mail_to;
    size_t n_mail_to;
    int64_t deadline_ms; /* of the whole; 0: 10 s; at most NET_FETCH_MAX_MS */
    size_t max_body;     /* of the answer; 0: 256 KiB; at most NET_FETCH_MAX_BODY */
};

struct net_fetch_answer { /* lives while the callback runs */
    int status;              /* HTTP's or SMTP's last; a redirect (3xx) is an answer like any other, never followed */
    struct phi_view headers; /* "name: value" lines */
    struct phi_view body;
    const char *address;     /* the one that was connected to */
};

/* Called once, on the loop. `a` is NULL with err: PHI_EDENIED the address is not one that may be reached, PHI_EIO
 * unreachable, no trust or broken off, PHI_EEXPIRED deadline, PHI_ELIMIT the answer is too large, PHI_EINPUT the URL. With
 * `maybe_done` the other side may have taken the request. Messages name the host, never path, query or content. */
typedef void (*net_fetch_done)(const struct net_fetch_answer *a, const struct phi_err *err, bool maybe_done, void *ctx);

struct net_fetch {
    void *self;
    /* An error means that `done` will not be called. Never calls back before it returns. */
    enum phi_rc (*send)(void *self, const struct net_fetch_ask *ask, net_fetch_done done, void *ctx, struct phi_err *err);
};

#define NET_FETCH_MAX_MS 60000
#define NET_FETCH_MAX_BODY (4u * 1024 * 1024)
#define NET_FETCH_MAX_SEND (4u * 1024 * 1024)

/* The last header of this name (any case), without blanks at its ends; false: absent. */
bool net_fetch_header(const struct net_fetch_answer *a, const char *name, struct phi_view *ret);

#endif
