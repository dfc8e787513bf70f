/* Inside the HTTP server: shared by http.c (connections), http_req.c (reading a request) and
 * http_out.c (answers, event streams). */
#ifndef NET_HTTP_SRV_H
#define NET_HTTP_SRV_H

#include "net/http.h"
#include "net/http_read.h"

struct http_conn {
    struct net_http_server *server;
    struct http_conn *next, *prev; /* the server's list */
    struct net_conn *c;            /* NULL: gone */
    struct http_reader *reader;    /* NULL: an event stream, which is not read, and there are many */
    struct net_http_req *req;      /* being answered */
    struct net_sse *sse;
    struct net_later soon;         /* goes on with pipelined bytes, or frees the dead */
    bool dead, continued, in_handler;
};

struct net_http_req {
    struct http_conn *hc;
    struct phi_arena arena;
    struct phi_buf extra;  /* header lines of the answer */
    bool bad_extra, deferred;
    void (*on_gone)(struct net_http_req *r, void *ctx);
    void *ctx;
    struct phi_view path, query;
};

struct net_http_server {
    struct net_loop *loop;
    struct net_listener *listener;
    struct net_http_opts o;
    struct http_conn list; /* head of a ring */
    size_t live;
    struct net_http_req *spare; /* one that is answered, with its memory: for the next */
    bool draining, closing;
    net_fn drained;
    void *drained_ctx;
    struct net_later soon; /* tells `drained` */
};

enum { HTTP_ARENA = 4 * 1024 * 1024, HTTP_FINISH_MS = 5000 };

struct net_http_req *http_req_new(struct http_conn *hc); /* NULL: out of memory */
void http_req_free(struct net_http_req *r);
void http_req_spare_end(struct net_http_server *s);
/* The answer is written: go on, or end the connection. */
void http_conn_answered(struct http_conn *hc, bool close);
void http_reader_drop(struct http_conn *hc);
void http_conn_drop(struct http_conn *hc);                 /* forgets it; the net_conn is the caller's */
void http_write_problem(struct http_conn *hc, int status, const char *why);
void http_sse_gone(struct net_sse *s);                     /* calls on_closed, frees */

#endif
