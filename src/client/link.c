#include "client/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"
#include "client/link_in.h"

enum { WITNESS_MS = 60000, RENEW_MS = 10000, RENEW_SOON_MS = 1000, ASK_MS = 10000, LOOK_MS = 1000, SAY_MS = 10000 };

static void fetch_snapshot(struct client_link *l);
static void open_stream(void *ctx);

int64_t link_backoff(unsigned *attempts)
{
    uint32_t r;
    int64_t ms = 100LL << (*attempts < 4 ? *attempts : 4);
    phi_random(&r, sizeof r);
    ++*attempts;
    if (ms > 1000)
        ms = 1000;
    return ms / 2 + r % (ms / 2 + 1);
}

/* ---- The lease ---- */

bool client_link_fresh(const struct client_link *l)
{
    return l->snapshot && !l->forked && l->lease_ends - phi_now_boot_ms() > 0;
}

static void tell_lost(struct client_link *l, const char *why)
{
    if (l->lost)
        return;
    l->lost = true;
    PHI_LOG(WARN, "lease lost", "why", "%s", why);
    l->events->on_lost(why, l->ctx);
}

void link_forked(struct client_link *l, const char *why)
{
    if (l->forked)
        return;
    l->forked = true;
    PHI_LOG(ERROR, "phid's log is not what it was", "why", "%s", why);
    tell_lost(l, why);
}

static void watch_lease(struct client_link *l)
{
    int64_t left = l->lease_ends - phi_now_boot_ms();
    /* The timer doesn't count a suspended machine, so it looks at the clock that does once a second. */
    net_timer_set(l->expire, left < LOOK_MS ? left : LOOK_MS, 0);
}

static void on_expire(void *ctx)
{
    struct client_link *l = ctx;
    if (client_link_fresh(l))
        watch_lease(l);
    else if (l->snapshot)
        tell_lost(l, "phid could not be reached before the lease ended");
}

/* ---- The log, between snapshots ---- */

static void check_coming(struct client_link *l);

static void on_witnessed(struct client_link *l, enum phi_rc rc, const char *why)
{
    if (rc == PHI_ECORRUPT) {
        client_snapshot_unref(l->coming);
        l->coming = NULL;
        link_forked(l, why);
    } else if (l->coming) {
        check_coming(l);
    }
}

static void on_head(const struct client_reply *r, void *ctx)
{
    struct client_link *l = ctx;
    l->head_call = NULL;
    if (r->rc == PHI_OK && !l->log.done)
        link_log_check(l, r->text, on_witnessed);
}

static void witness(struct client_link *l)
{
    int64_t now = phi_now_boot_ms();
    if (l->head_call || l->log.done || now - l->witnessed_ms < l->witness_every_ms)
        return;
    l->witnessed_ms = now;
    l->head_call = client_send(l->api, "GET", "/v1/log/checkpoint", (struct phi_view){ 0 }, link_patience(l, ASK_MS), on_head, l, NULL);
}

/* ---- Renewing ---- */

static void on_lease(const struct client_reply *r, void *ctx)
{
    struct client_link *l = ctx;
    int64_t seq = 0, ms = 0;
    l->lease_call = NULL;
    if (r->rc != PHI_OK || !phi_json_int(phi_json_get(r->json, "seq"), &seq) ||
        !phi_json_int(phi_json_get(r->json, "lease_ms"), &ms)) {
        PHI_LOG(WARN, "lease not renewed", "why", "%s", r->err.msg);
        net_timer_set(l->renew, RENEW_SOON_MS, 0);
        link_unreachable(l, r);
        return;
    }
    net_timer_set(l->renew, ms > 3 * RENEW_MS ? RENEW_MS : ms / 3 + 50, 0);
    if (seq > l->know_seq)
        l->know_seq = seq;
    witness(l);
    if (!l->snapshot || seq > client_snapshot_seq(l->snapshot)) {
        fetch_snapshot(l); /* an old snapshot gets no longer lease */
        return;
    }
    int64_t ends = r->sent_boot_ms + (ms < PHI_LEASE_MS ? ms : PHI_LEASE_MS);
    if (ends > l->lease_ends && client_link_fresh(l))
        l->lease_ends = ends;
    else if (!client_link_fresh(l))
        fetch_snapshot(l);
}

static void on_renew(void *ctx)
{
    struct client_link *l = ctx;
    if (l->lease_call || l->dead)
        return;
    l->lease_call = client_send(l->api, "GET", "/v1/gateway/lease", (struct phi_view){ 0 }, link_patience(l, ASK_MS), on_lease, l, NULL);
    if (!l->lease_call)
        net_timer_set(l->renew, RENEW_SOON_MS, 0);
}

/* ---- The snapshot ---- */

static void snapshot_later(struct client_link *l, const char *why)
{
    int64_t now = phi_now_boot_ms();
    if (now - l->said_ms >= SAY_MS || strncmp(l->said, why, sizeof l->said - 1) != 0) { /* clients hurry us: ten tries a second */
        PHI_LOG(WARN, "no snapshot", "why", "%s", why);
        snprintf(l->said, sizeof l->said, "%s", why);
        l->said_ms = now;
    }
    net_timer_set(l->snapshot_retry, link_backoff(&l->snapshot_attempts), 0);
}

static void on_snapshot_retry(void *ctx)
{
    fetch_snapshot(ctx);
}

static void install(struct client_link *l)
{
    client_snapshot_unref(l->snapshot);
    l->snapshot = l->coming;
    l->coming = NULL;
    l->lease_ends = l->coming_ends;
    l->snapshot_attempts = l->stream_attempts = 0;
    l->moves = 0;
    if (!client_link_fresh(l)) {
        snapshot_later(l, "the snapshot came after its lease");
        return;
    }
    l->lost = false;
    link_records_begin(l, client_snapshot_last_batch(l->snapshot));
    watch_lease(l);
    if (!l->lease_call)
        net_timer_set(l->renew, RENEW_MS < client_snapshot_lease_ms(l->snapshot) / 3
                                    ? RENEW_MS
                                    : client_snapshot_lease_ms(l->snapshot) / 3 + 50, 0);
    bool again = l->want_snapshot || l->know_seq > client_snapshot_seq(l->snapshot);
    l->want_snapshot = false;
    l->events->on_snapshot(l->snapshot, l->ctx);
    if (again && !l->dead)
        fetch_snapshot(l);
}

static void on_checked(struct client_link *l, enum phi_rc rc, const char *why)
{
    if (rc == PHI_OK) {
        install(l);
        return;
    }
    client_snapshot_unref(l->coming);
    l->coming = NULL;
    if (rc == PHI_ECORRUPT)
        link_forked(l, why);
    else
        snapshot_later(l, why);
}

static void check_coming(struct client_link *l)
{
    link_log_check(l, client_snapshot_checkpoint(l->coming), on_checked);
}

static void on_snapshot(const struct client_reply *r, void *ctx)
{
    struct client_link *l = ctx;
    struct phi_err err;
    l->snapshot_call = NULL;
    if (r->rc != PHI_OK) {
        snapshot_later(l, r->err.msg);
        link_unreachable(l, r);
        return;
    }
    if (client_snapshot_read(r->text, r->sent_boot_ms, l->snapshot, &l->coming, &err) != PHI_OK) {
        snapshot_later(l, err.msg);
        return;
    }
    if (client_snapshot_seq(l->coming) > l->know_seq)
        l->know_seq = client_snapshot_seq(l->coming);
    l->coming_ends = r->sent_boot_ms + client_snapshot_lease_ms(l->coming);
    if (!l->log.done) /* else on_witnessed goes on with it */
        check_coming(l);
}

/* One at a time; a wish during one is remembered. */
static void fetch_snapshot(struct client_link *l)
{
    if (l->forked || l->dead)
        return;
    if (l->snapshot_call || l->coming) {
        l->want_snapshot = true;
        return;
    }
    net_timer_clear(l->snapshot_retry);
    l->want_snapshot = false;
    l->snapshot_call = client_send(l->api, "GET", "/v1/gateway/snapshot?version=" PHI_VERSION, (struct phi_view){ 0 },
                                   link_patience(l, ASK_MS), on_snapshot, l, NULL);
    if (!l->snapshot_call)
        snapshot_later(l, "out of memory");
}

/* ---- Events ---- */

void link_request_event(struct client_link *l, const struct phi_json *ev)
{
    struct phi_view id = phi_json_text(ev, "id");
    if (!phi_view_is(phi_json_text(ev, "status"), "pending"))
        link_pending_del(l, id);
    l->events->on_request(ev, l->ctx);
}

static void on_end_event(struct client_link *l, const struct phi_json *v)
{
    int64_t seq;
    if (phi_json_int(phi_json_get(v, "seq"), &seq))
        l->events->on_end(seq, phi_json_text(v, "grant"), phi_json_text(v, "principal"), phi_json_text(v, "reason"),
                          l->ctx);
}

static void on_event(struct phi_view id, struct phi_view event, struct phi_view data, void *ctx)
{
    (void)id;
    struct client_link *l = ctx;
    PHI_ARENA(a, 16 * 1024 * 1024);
    const struct phi_json *v;
    struct phi_err err;
    l->stream_attempts = 0;
    if (phi_json_read(&a, data, PHI_JSON_STRICT, "event", &v, &err) != PHI_OK) {
        PHI_LOG(ERROR, "event not understood", "why", "%s", err.msg);
        return;
    }
    if (phi_view_is(event, "request"))
        link_request_event(l, v);
    else if (phi_view_is(event, "votes"))
        l->events->on_votes(v, l->ctx);
    else if (phi_view_is(event, "end"))
        on_end_event(l, v);
    else if (phi_view_is(event, "snapshot"))
        fetch_snapshot(l);
}

/* What happened while no stream was open is asked for: the snapshot, and the requests that wait. phid itself says
 * again which grants ended. */
static void on_stream_open(void *ctx)
{
    struct client_link *l = ctx;
    fetch_snapshot(l);
    link_pending_ask(l);
    link_aheads_again(l);
}

static void on_stream_closed(int status, const struct phi_err *why, void *ctx)
{
    struct client_link *l = ctx;
    l->stream = NULL;
    PHI_LOG(WARN, "event stream closed", "why", "%s (status %d)", why->msg, status);
    net_timer_set(l->stream_retry, link_backoff(&l->stream_attempts), 0);
    link_move(l);
}

static const struct net_http_stream_events stream_events = { .on_open = on_stream_open,
                                                             .on_event = on_event,
                                                             .on_closed = on_stream_closed };

static void open_stream(void *ctx)
{
    struct client_link *l = ctx;
    if (l->stream)
        return;
    l->stream = client_events(l->api, NULL, &stream_events, l, NULL);
    if (!l->stream)
        net_timer_set(l->stream_retry, link_backoff(&l->stream_attempts), 0);
}

/* ---- Opening and closing ---- */

static enum phi_rc open_api(struct client_link *l, const struct client_link_opts *o, struct phi_err *err)
{
    struct client_identity id;
    PHI_TRY(client_identity_load(o->state_dir, &id, err));
    memcpy(l->name, id.name, sizeof l->name);
    struct client_opts c = { .ca_pem = phi_buf_view(&id.ca_pem),
                             .cert_pem = phi_buf_view(&id.cert_pem),
                             .key_pem = phi_buf_view(&id.key_pem) };
    enum phi_rc rc = link_nodes_open(l, o, &c, err);
    if (rc == PHI_OK)
        rc = link_cert_open(l, &id, err);
    client_identity_done(&id);
    return rc;
}

static enum phi_rc open_in(struct client_link *l, const struct client_link_opts *o, struct phi_err *err)
{
    l->state_dir = strdup(o->state_dir);
    l->pending = phi_map_open(100000);
    l->snapshot_retry = net_timer_open(l->loop, on_snapshot_retry, l);
    l->renew = net_timer_open(l->loop, on_renew, l);
    l->expire = net_timer_open(l->loop, on_expire, l);
    l->stream_retry = net_timer_open(l->loop, open_stream, l);
    if (!l->state_dir || !l->pending || !l->snapshot_retry || !l->renew || !l->expire || !l->stream_retry)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(open_api(l, o, err));
    PHI_TRY(link_log_open(l, err));
    PHI_TRY(link_queue_open(l, err));
    PHI_TRY(link_records_open(l, err));
    net_timer_set(l->stream_retry, 0, 0);
    return PHI_OK;
}

static void free_link(void *ctx)
{
    free(ctx);
}

enum phi_rc client_link_open(struct net_loop *loop, const struct client_link_opts *o, struct client_link **ret,
                             struct phi_err *err)
{
    struct client_link *l = calloc(1, sizeof *l);
    if (!l)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    l->loop = loop;
    l->events = o->events;
    l->witness_every_ms = o->witness_ms > 0 ? o->witness_ms : WITNESS_MS;
    l->ctx = o->ctx;
    l->freeing = (struct net_later){ .fn = free_link, .ctx = l };
    enum phi_rc rc = open_in(l, o, err);
    if (rc != PHI_OK) {
        client_link_close(l);
        return rc;
    }
    *ret = l;
    return PHI_OK;
}

void client_link_close(struct client_link *l)
{
    if (!l || l->dead)
        return;
    l->dead = true;
    net_http_stream_close(l->stream);
    link_nodes_close(l);
    link_asks_close(l);
    link_aheads_close(l);
    link_queue_close(l);
    link_records_close(l);
    link_log_close(l);
    link_cert_close(l);
    net_timer_close(l->snapshot_retry);
    net_timer_close(l->renew);
    net_timer_close(l->expire);
    net_timer_close(l->stream_retry);
    client_snapshot_unref(l->snapshot);
    client_snapshot_unref(l->coming);
    l->snapshot = l->coming = NULL;
    free(l->state_dir);
    net_later(l->loop, &l->freeing); /* it may be closed inside a callback of its own */
}

const char *client_link_name(const struct client_link *l)
{
    return l->name;
}

int64_t client_link_lease_ends(const struct client_link *l)
{
    return l->snapshot ? l->lease_ends : 0;
}

struct client_snapshot *client_link_snapshot(struct client_link *l)
{
    return l->snapshot;
}

bool client_link_forked(const struct client_link *l)
{
    return l->forked;
}
