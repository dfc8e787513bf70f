/* Inside src/api's server only: what server.c (answering) and take.c (taking a request apart) share. */
#ifndef API_SERVER_IN_H
#define API_SERVER_IN_H

#include "api/call.h"
#include "api/engine.h"
#include "api/server.h"

struct api_server {
    struct api_server_opts o;
    struct net_http_server *people, *gateways;
    net_fn drained;
    void *drained_ctx;
    int draining;
    bool hsts;
    struct api_fast *fast;
    uint64_t by_class[6]; /* answers by status / 100 */
    uint8_t random[640];  /* for request ids, drawn at once: they are no secrets */
    size_t random_left;
    struct api_exchange *spare; /* of a call that is over, with its memory: for the next one */
};

struct api_exchange { /* a call and the request that waits for it */
    struct api_call call;
    struct api_job job;
    struct api_server *server;
    struct net_http_req *req; /* NULL: the client has left */
};

/* NULL: out of memory. */
struct api_exchange *api_exchange_make(struct api_server *s, struct net_http_req *r);
void api_exchange_free(struct api_exchange *x);
/* The same of one that never left the loop's thread: its memory is kept for the next. */
void api_exchange_over(struct api_exchange *x);
void api_exchange_spare_end(struct api_server *s);
/* Takes from the request what its route wants. API_OK, or what is wrong with it. */
enum api_problem api_exchange_fill(struct api_exchange *x, enum api_listener listener, const struct api_match *m, struct phi_err *err);

#endif
