/* Inside the link: shared by link.c (snapshot, lease, events), link_log.c (memory of the log), link_ask.c (requests,
 * claims), link_queue.c (what must arrive, in order) and link_records.c (plain allows). */
#ifndef CLIENT_LINK_IN_H
#define CLIENT_LINK_IN_H

#include "base/id.h"
#include "base/map.h"
#include "client/api.h"
#include "client/enroll.h"
#include "client/link.h"
#include "proof/note.h"

struct link_item; /* link_cert.c: a new certificate in good time. */
enum phi_rc link_cert_open(struct client_link *l, const struct client_identity *id, struct phi_err *err);
void link_cert_close(struct client_link *l);

/* link_nodes.c again */
enum phi_rc link_nodes_credentials(struct client_link *l, const struct client_opts *with, struct phi_err *err);

/* link_queue.c */
struct link_batch; /* link_records.c */

struct link_queue {
    struct link_item *first, **last;
    size_t n;
    struct client_call *call;
    struct net_timer *retry;
    unsigned attempts; /* of the first item, in a row */
};

struct link_records {
    struct link_batch *first, *open; /* oldest; the one that takes records (the last), or NULL */
    size_t count;    /* statements in all of them */
    uint64_t serial; /* of the batch opened last */
    int64_t next; /* number of the next batch; 0: not known before the first snapshot */
    struct client_call *call;
    struct net_timer *retry;
    struct net_later flush;
    unsigned attempts;
};

struct link_cert {
    int64_t begins_ms, ends_ms; /* wall clock */
    struct net_timer *look;
    struct client_call *call;
};

struct link_log {
    char vkey[256];     /* the verifier key line; "" not known yet */
    uint64_t size;      /* remembered head; 0: none */
    struct phi_digest root;
    struct client_call *call;
    struct phi_buf note; /* being checked */
    void (*done)(struct client_link *l, enum phi_rc rc, const char *why);
};

struct client_link {
    struct net_loop *loop;
    struct client *nodes[CLIENT_MAX_NODES], *api; /* api: the one that is asked now */
    size_t n_nodes, moves; /* moves: since the last snapshot */
    int64_t hurried_ms;
    int64_t said_ms; /* why there is no snapshot */
    char said[128];
    char name[129];
    char *state_dir;
    const struct client_link_events *events;
    void *ctx;
    struct net_later freeing;
    bool dead;

    struct client_snapshot *snapshot; /* in force */
    struct client_snapshot *coming;   /* read, its checkpoint is being checked */
    int64_t lease_ends, coming_ends;  /* CLOCK_BOOTTIME */
    int64_t know_seq;                 /* highest that phid named */
    bool lost, forked, want_snapshot;
    struct client_call *snapshot_call, *lease_call, *head_call;
    int64_t witnessed_ms, witness_every_ms;
    struct net_timer *snapshot_retry, *renew, *expire, *stream_retry;
    struct net_http_stream *stream;
    unsigned snapshot_attempts, stream_attempts;

    struct client_ask *asks;
    struct client_ahead *aheads;
    struct phi_map *pending; /* ids of requests that wait; value: struct link_pending */
    struct link_queue queue;
    struct link_records records;
    struct link_log log;
    struct link_cert cert;
};

/* 100 ms, doubled to 1 s, half of it random, so that many gateways don't come back at once. */
int64_t link_backoff(unsigned *attempts);
void link_request_event(struct client_link *l, const struct phi_json *ev); /* tells it, and forgets ended ones */
void link_forked(struct client_link *l, const char *why);

/* link_log.c: checks a checkpoint note against what is remembered, then remembers it. `done` with PHI_OK, PHI_ECORRUPT
 * (a fork), or anything else (could not be asked; try later). May answer at once. One check at a time. */
enum phi_rc link_log_open(struct client_link *l, struct phi_err *err);
void link_log_check(struct client_link *l, struct phi_view note,
                    void (*done)(struct client_link *l, enum phi_rc rc, const char *why));
void link_log_close(struct client_link *l);

/* link_nodes.c */
enum { LINK_SHORT_MS = 3000 };
enum phi_rc link_nodes_open(struct client_link *l, const struct client_link_opts *o, const struct client_opts *with,
                            struct phi_err *err);
void link_nodes_close(struct client_link *l);
/* No answer, or one that says "later". Where there are several phids the next one is asked from then on. */
bool link_unreachable(struct client_link *l, const struct client_reply *r);
void link_move(struct client_link *l); /* the same for a broken stream; nothing with one phid */
int64_t link_patience(const struct client_link *l, int64_t ms); /* how long to wait for one of them */

/* link_ahead.c */
void link_ahead_done(struct client_ahead *w); /* it was claimed, or given back as a claim: nothing to withdraw */
const char *link_ahead_key(const struct client_ahead *w);
bool link_ahead_settling(const struct client_link *l, const char *session); /* something is being withdrawn; NULL: of any session */
void link_aheads_again(struct client_link *l); /* phid drops them when a stream begins: it may be for another process */
void link_aheads_close(struct client_link *l);

/* link_ask.c */
struct phi_id link_new_key(void);
void link_claim_write(struct phi_buf *b, const struct client_act *act, const char *key);
void link_pending_drop(struct client_link *l); /* questions under way about requests that wait */
void link_asks_close(struct client_link *l);
void link_pending_ask(struct client_link *l); /* after a gap of events: asks what became of those that wait */
bool link_pending_add(struct client_link *l, struct phi_view id);
void link_pending_del(struct client_link *l, struct phi_view id);

/* link_queue.c */
enum phi_rc link_queue_open(struct client_link *l, struct phi_err *err);
bool link_queue_put(struct client_link *l, struct phi_view path, struct phi_view body);
void link_queue_close(struct client_link *l);

/* link_records.c */
enum phi_rc link_records_open(struct client_link *l, struct phi_err *err);
void link_records_begin(struct client_link *l, int64_t last); /* what phid has, from a snapshot; only the first counts */
void link_records_close(struct client_link *l);

#endif
