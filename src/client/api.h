/* JSON calls to phid (docs/api.md), for gateways, the CLI and plugins. */
#ifndef CLIENT_API_H
#define CLIENT_API_H

#include "base/json.h"
#include "net/http_client.h"

struct client;
struct client_call;

struct client_url {
    bool tls;
    char host[256];
    int port;
    char address[300]; /* "host:port", "[v6]:port" */
    char origin[320];  /* "https://host:port" */
};
/* "http://…" or "https://…", without path, query or user. http leads only to loopback unless
 * `plain_ok`: PHI_EDENIED says so. */
enum phi_rc client_url_read(const char *url, bool plain_ok, struct client_url *ret, struct phi_err *err);

struct client_opts {
    const char *url;
    bool plain_ok;
    const char *token;                        /* bearer; NULL: none */
    struct phi_view ca_pem, cert_pem, key_pem; /* TLS: trust only this CA; our certificate (mTLS); may be empty */
    bool check_name; /* the certificate must be the address's also where ca_pem is given: it is not phid's own CA */
    const struct phi_digest *ca_pin;          /* trust only the CA certificate of this SHA-256 (enrolment); NULL: none */
};
enum phi_rc client_open(struct net_loop *loop, const struct client_opts *o, struct client **ret, struct phi_err *err);
/* Other certificates from now on (only those of `o` count); what is under way goes on. For an https:// client. */
enum phi_rc client_credentials(struct client *c, const struct client_opts *o, struct phi_err *err);
void client_close(struct client *c); /* ends its calls without calling back; NULL is fine */

struct client_reply {
    enum phi_rc rc;               /* PHI_OK for 2xx; else as err.rc */
    struct phi_err err;           /* problem: detail and next step, for people (escaped when shown) */
    int status;                   /* 0: no answer */
    char code[64];                /* the problem's code ("grant.ended"); "" when none */
    const struct phi_json *json;  /* the answer or the problem; NULL: none, or not JSON */
    struct phi_view text;         /* the answer's body as sent */
    bool maybe_done;              /* no answer, but phid may have seen the call */
    const struct client *from;    /* who was asked */
    int64_t sent_boot_ms;         /* phi_now_boot_ms when the call was made: count remaining times from here */
};
typedef void (*client_done)(const struct client_reply *r, void *ctx); /* r lives while it runs */

/* `body` is a JSON object, a form (name=value&…) or empty. deadline 0: 30 s. NULL with err: not sent, done is not called. */
struct client_call *client_send(struct client *c, const char *method, const char *path, struct phi_view body,
                                int64_t deadline_ms, client_done done, void *ctx, struct phi_err *err);
void client_cancel(struct client_call *call); /* done is not called */

/* The same, running the loop until the answer is here. Parsed values live in `a`. Returns r->rc. */
enum phi_rc client_call_wait(struct client *c, struct phi_arena *a, const char *method, const char *path,
                             struct phi_view body, struct client_reply *r, struct phi_err *err);

/* The events of /v1/events. `last_id` may be NULL. */
struct net_http_stream *client_events(struct client *c, const char *last_id,
                                      const struct net_http_stream_events *ev, void *ctx, struct phi_err *err);
struct net_loop *client_loop(const struct client *c);

/* Appends `text` percent-encoded for one path segment or query value. */
void client_path_add(struct phi_buf *b, struct phi_view text);

#endif
