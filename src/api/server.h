/* phid's two listeners: takes requests apart, holds them against the command table, lets the engine
 * run them, and answers. */
#ifndef API_SERVER_H
#define API_SERVER_H

#include "api/call.h"
#include "api/engine.h"
#include "api/events.h"
#include "api/files.h"
#include "net/http.h"

struct api_server_opts {
    struct net_loop *loop;
    const struct api_env *env;
    struct api_engine *engine;
    struct api_hub *hub;
    const struct api_files *files; /* NULL: no console */
    const char *people;            /* address to listen on */
    const char *gateways;
    struct net_tls *gateways_tls;
    struct net_tls *people_tls; /* NULL: plain */
    const char *const
        *hosts; /* what a Host header may say on the people's listener: "localhost:8470" */
    size_t n_hosts;
    bool shared; /* other processes use the same store */
};

enum phi_rc api_server_open(const struct api_server_opts *o, struct api_server **ret,
                            struct phi_err *err);
/* Another certificate for people, from the next connection on. */
void api_server_tls(struct api_server *s, struct net_tls *people);
int api_server_people_port(const struct api_server *s);
int api_server_gateways_port(const struct api_server *s);
/* No new requests; `done` when the last is answered. */
void api_server_drain(struct api_server *s, net_fn done, void *ctx);
void api_server_close(struct api_server *s); /* after the engine; NULL is fine */

bool api_server_writes(const struct api_server *s); /* api_engine_writes */
/* Counters for /metrics. */
void api_server_metrics(struct api_server *s, struct phi_buf *out);

#endif
