/* One HTTP request on its way: made on the loop's thread (server.c), run on the core thread inside a
 * batch (engine.c), answered on the loop's thread after the commit. It owns copies of all it needs,
 * because the client may leave meanwhile. */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/peer.h"
#include "api/route.h"
#include "core/page.h"
#include "core/person.h"
#include "core/session.h"
#include "net/fetch.h"

#define API_CALL_MEMORY (48u * 1024 * 1024)
#define API_ANSWER_MAX  (24u * 1024 * 1024)

#define API_REQUEST_ID_MAX 128
#define API_RENEW_MAX      8 /* of one call; the next one has the others asked */

struct api_compare;
struct api_renew;
struct api_sub;
struct api_issuers;
struct api_reports;
struct api_server;
struct api_hub;

/* What handlers need of the server; set once at the start, then only read. */
struct api_env {
    int64_t people_cert_ends_ms; /* wall clock; 0: none of phid's own. Atomic: a reload changes it */
    int64_t gateway_cert_ms; /* how long a gateway's certificate lasts */
    const char *origin; /* "http://localhost:8470" */
    bool secure;        /* the origin is https */
    const char *cookie; /* "phi_session" or "__Host-phi_session" */
    struct phi_ca *ca;
    struct api_compare *compare; /* compare.h; NULL: nothing is compared */
    struct phi_view log_key; /* verifier key line, with its newline */
    struct net_fetch fetch;  /* self NULL: nothing outside can be asked */
    struct api_issuers *issuers; /* core thread only */
    const struct phi_cidr *proxies; /* whose X-Forwarded-For is believed */
    size_t n_proxies;
    const char *const *apps; /* origins that the waiting page may go back to */
    size_t n_apps;
    const char *secrets;     /* folder of secret files, "" none */
    const char *tickets_url, *tickets_secret; /* of the tracker that is asked about tickets; "" none */
    int64_t tickets_again_ms; /* how old an answer may be before a vote or claim asks again; -1: always */
    struct api_renew *renew; /* renew.h: asks again behind an evaluation; NULL: nobody does */
    struct api_reports *reports; /* of gateways, for `phi doctor` (doctor.h); core thread only */
};

struct api_judged { /* one decision of an evaluation; views live with the call */
    struct phi_ref subject, resource;
    struct phi_view action;
    enum phi_verdict verdict;
    struct api_judged *next;
};

struct api_was { /* what a proxy says of the request that it asks about; each "" when it did not say */
    struct phi_view method, uri, host, proto;
    bool browser; /* it takes HTML */
};

struct api_call {
    /* ---- set before it runs ---- */
    const struct api_env *env;
    struct api_server *server; /* for API_LOCAL handlers only */
    const struct api_route *route;
    struct api_hub *hub; /* core thread: what streams that come back have missed */
    bool from_loopback;
    char peer[64];         /* address of the client */
    struct phi_view agent; /* User-Agent */
    struct phi_view login_secret; /* cookie of a sign-in under way, "" none */
    struct phi_view form;  /* API_FORM: the body as it came */
    struct phi_arena arena;
    struct phi_view params[API_PARAMS];
    struct phi_view query;       /* raw, checked against the row */
    const struct phi_json *body; /* checked against the row; NULL: the row has none */
    struct phi_view token;       /* session secret, "" when none came */
    struct phi_view csrf;        /* X-Phi-CSRF */
    struct phi_view idempotency; /* Idempotency-Key */
    struct phi_view if_match;    /* If-Match; "" none */
    struct phi_view last_event;  /* Last-Event-ID: what a stream that comes back was told last; "" none */
    struct api_was was;
    struct phi_view raw, signature, stamp; /* API_SIGNED: the body, X-Slack-Signature, X-Slack-Request-Timestamp */
    struct phi_view why;         /* Phi-Why: the reason of a change that waits for its approval */
    bool by_cookie; /* the token came as a cookie: csrf must fit where the method changes things */
    int64_t protocol; /* what the header says that it speaks; 1 where there is none, 0 where it is no number */
    bool has_key;   /* a gateway's certificate was verified: its key is `key` */
    struct phi_view device; /* of whose certificate a person's call came with; "": none */
    struct phi_digest key;
    char trace[33]; /* trace id of W3C traceparent, "" none: for our log lines */
    char request_id[API_REQUEST_ID_MAX + 1]; /* of X-Request-Id, or made up */

    /* ---- while it runs ---- */
    struct phi_core *core;
    struct phi_actor actor; /* NOBODY, PERSON or GATEWAY */
    struct phi_person person;
    struct phi_session session;
    /* Something from outside: a handler that needs it sets `ask` (in the arena) and returns PHI_OK. What it did so far is
     * committed, the request is sent (never on the core thread), and the handler is called again with `got` filled. */
    const struct net_fetch_ask *ask;
    struct api_got {
        enum phi_rc rc; /* PHI_OK: status and body are there */
        int status;
        struct phi_view body;
        char why[240];
    } got;
    int asked;  /* which of a helper's questions `got` answers */
    void *flow; /* the handler's own between two calls; NULL at the first */
    enum api_problem problem; /* a handler's own, before it returns an error */
    bool filing;              /* the policy wants this change approved: api_change_file answers instead of the handler */

    /* ---- the answer ---- */
    int status;
    const char *type; /* of out; NULL: no body */
    struct phi_buf out;
    struct phi_jw w;  /* writes to out */
    char cookie[256]; /* Set-Cookie, "" none */
    const char *location;
    struct api_judged *judged; /* what evaluations decided, for the log */
    struct phi_view renew[API_RENEW_MAX]; /* requests whose tickets are to be asked about again, after the answer */
    size_t n_renew;
    struct api_fresh *fresh;   /* fast.c: learned on the core thread */
    bool see_all;              /* fast.c: may ask about others */
    const char *held;    /* Phi-Held: the page that waits for an approval */
    bool person_header;  /* Phi-Person and Phi-Name: who it is, for the application behind the proxy */
    int refresh_s;       /* Refresh: the page asks again after so long; 0: no */
    int retry_after_s; /* Retry-After; 0: none */
    const char *cache; /* Cache-Control; NULL: no-store */
    struct phi_view etag; /* ETag, quoted, of what can be changed under If-Match; "": of the answer's bytes, where it is JSON that was got */
    struct api_sub *sub; /* API_STREAM: what the stream gets */
};

/* What came of `ask`: for the handler's next run. */
void api_call_got(struct api_call *c, const struct net_fetch_answer *a, const struct phi_err *err);
/* The named parameter of the query, "" when absent. */
struct phi_view api_query(struct api_call *c, const char *name);
/* A whole number of the query in [min, max]; `otherwise` when absent. */
enum phi_rc api_query_int(struct api_call *c, const char *name, int64_t min, int64_t max,
                          int64_t otherwise, int64_t *ret, struct phi_err *err);
/* A member of the body as canonical JSON text in the arena; "" when absent. */
enum phi_rc api_body_text(struct api_call *c, const char *key, struct phi_view *ret,
                          struct phi_err *err);
/* A list of strings of the body; empty when absent. */
enum phi_rc api_body_strs(struct api_call *c, const char *key, const struct phi_view **ret,
                          size_t *n, struct phi_err *err);

/* The session's cookie, for `ms`; "" and 0 take it away. */
void api_cookie_set(struct api_call *c, const char *token, int64_t ms);

/* A program's token rather than a session's. */
bool api_token_is(struct phi_view token);
/* Name of the cookie that a browser has while it signs in. */
const char *api_login_cookie(const struct api_env *env);
/* Begins the JSON answer with `{`; handlers end it with phi_jw_end(&c->w). */
struct phi_jw *api_answer(struct api_call *c, int status);
/* A list that core makes whole, in pages: `limit` and `cursor` of the query say which. Items are in the order of their keys, bytewise;
 * a key that has gone since is no matter. */
struct api_sliced {
    const void *items;
    size_t n, size;
    struct phi_view (*key)(struct phi_arena *a, const void *item);
    bool falling;
};
struct api_slice {
    size_t from, to;      /* the items of this page */
    struct phi_view next; /* "" when that was all */
};
enum phi_rc api_slice(struct api_call *c, const struct api_sliced *of, struct api_slice *ret, struct phi_err *err);
/* Ends the array and the object around it, with `next` where there is more. */
void api_slice_end(struct phi_jw *w, const struct api_slice *s);
/* Fails with a problem of the API's own: `return api_refuse(c, err, API_BAD_CSRF, "…");` */
enum phi_rc api_refuse(struct api_call *c, struct phi_err *err, enum api_problem p,
                       const char *detail);

/* Who asks, and may they: fills actor, person, session. Runs on the core thread, before the handler. */
enum phi_rc api_admit(struct api_call *c, struct phi_err *err);

#endif
