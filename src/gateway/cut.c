/* Rights at work, their ends, and making sure that nothing of them goes on in the target. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logline.h"
#include "base/os.h"
#include "gateway/session.h"

#define TERMINATE_AFTER_MS 100
#define LOOK_EVERY_MS      20
#define LOOK_SLOWLY_MS     1000
#define SLOW_AFTER_TRIES   100

/* One entry a grant: each use has its own claim and outcome, the end is the grant's. */
static struct gw_live *live_entry(struct gw_session *s, const char *grant)
{
    for (size_t i = 0; i < s->n_live; i++)
        if (strcmp(s->live[i].grant, grant) == 0 && s->live[i].outcome_sent)
            return &s->live[i];
    if (s->n_live == GW_MAX_LIVE)
        return NULL;
    struct gw_live *l = &s->live[s->n_live++];
    *l = (struct gw_live){ .id = ++s->next_live };
    snprintf(l->grant, sizeof l->grant, "%s", grant);
    return l;
}

struct gw_live *gw_live_add(struct gw_session *s, const char *grant, const struct client_claim *c)
{
    struct gw_live *l = live_entry(s, grant);
    if (l == NULL)
        return NULL;
    l->ends_boot_ms = c->ends_boot_ms;
    l->outcome_sent = l->suspended = false;
    l->session = s->front != NULL;
    l->rows_left = c->rows_left;
    l->bytes_left = c->bytes_left;
    l->rows = l->bytes = 0;
    snprintf(l->claim, sizeof l->claim, "%s", c->id);
    return l;
}

bool gw_live_bounded(const struct gw_live *l)
{
    return l->rows_left >= 0 || l->bytes_left >= 0;
}

static bool fits(int64_t spent, int64_t more, int64_t left)
{
    return left < 0 || (spent <= left && more <= left - spent);
}

bool gw_live_meter(struct gw_session *s, int64_t rows, int64_t bytes)
{
    for (size_t i = 0; i < s->n_live; i++) {
        struct gw_live *l = &s->live[i];
        if (l->outcome_sent || l->session)
            continue;
        bool in_rows = fits(l->rows, rows, l->rows_left);
        if (!in_rows || !fits(l->bytes, bytes, l->bytes_left)) {
            gw_refuse_with(s, "53400", "phi: the grant's budget of %lld %s is spent; what still ran was cut",
                           (long long)(in_rows ? l->bytes_left : l->rows_left), in_rows ? "bytes" : "rows");
            gw_event(s, EV_END);
            return false;
        }
        l->rows += rows;
        l->bytes += bytes;
    }
    return true;
}

struct gw_live *gw_live_find(struct gw_session *s, uint64_t id)
{
    for (size_t i = 0; id != 0 && i < s->n_live; i++)
        if (s->live[i].id == id)
            return &s->live[i];
    return NULL;
}

void gw_live_outcome(struct gw_session *s, struct gw_live *l, const char *outcome)
{
    const struct gw_phid *p = &s->gw->phid;
    if (l->outcome_sent)
        return;
    /* A tag counts what was changed too; where nobody knows how far it came, phid must not believe a part. */
    bool unknown = strcmp(outcome, "unknown") == 0;
    int64_t rows = !unknown && l->rows > s->rows ? l->rows : s->rows;
    l->outcome_sent = true;
    l->suspended = false;
    p->outcome(p->ctx, l->claim, outcome, phi_view_of(s->tag), rows, l->bytes);
}

/* Whatever was claimed has been forwarded, and ReadyForQuery says that all of it has been answered. */
static void tell_outcomes(struct gw_session *s)
{
    for (size_t i = 0; i < s->n_live; i++)
        if (!s->live[i].session && (!s->live[i].suspended || s->txn != 'T'))
            gw_live_outcome(s, &s->live[i], s->failed ? "failed" : "done");
}

/* A grant's work is over when its answer came and no transaction is open (nor a cursor that outlives it). */
void gw_live_settle(struct gw_session *s)
{
    size_t kept = 0;
    tell_outcomes(s);
    for (size_t i = 0; i < s->n_live; i++)
        if (s->txn != 'I' || s->live[i].keeps || !s->live[i].outcome_sent)
            s->live[kept++] = s->live[i];
    s->n_live = kept;
    gw_deadline_set(s);
    gw_ends_check(s->gw);
}

void gw_deadline_set(struct gw_session *s)
{
    int64_t ends = s->who.ends_boot_ms;
    for (size_t i = 0; i < s->n_live; i++)
        if (s->live[i].ends_boot_ms < ends)
            ends = s->live[i].ends_boot_ms;
    if (ends == s->deadline_at)
        return;
    s->deadline_at = ends;
    int64_t in = ends - phi_now_boot_ms();
    net_timer_set(s->deadline, in > 0 ? in : 0, 0);
}

/* --- the cut --- */
static void cut_look(struct gw_session *s, bool terminate);

void gw_live_over(struct gw_session *s, const char *outcome)
{
    for (size_t i = 0; i < s->n_live; i++)
        gw_live_outcome(s, &s->live[i], s->live[i].session && s->front == NULL ? "done" : outcome);
    s->n_live = 0;
}

static bool nothing_at_work(const struct gw_session *s)
{
    for (size_t i = 0; i < s->n_live; i++)
        if (!s->live[i].session)
            return false;
    return s->server == NULL || gw_idle_backend(s);
}

static void cut_over(struct gw_session *s)
{
    gw_live_over(s, "unknown");
    gw_event(s, EV_CUT_DONE);
}

static void cut_row(const struct phi_view *cols, size_t n, void *ctx)
{
    struct gw_session *s = ctx;
    (void)cols;
    (void)n;
    s->cut_seen = true;
}

static void cut_looked(bool ok, const char *why, void *ctx)
{
    struct gw_session *s = ctx;
    s->cut_asking = false;
    if (s->gw->closing)
        return;
    if (ok && !s->cut_seen) {
        PHI_LOG(DEBUG, "cut", "ms", "%lld", (long long)(phi_now_boot_ms() - s->cut_began));
        cut_over(s);
        return;
    }
    if (!ok)
        PHI_LOG(ERROR, "cut-unconfirmed", "why", "%s", why);
    s->cut_tries++;
    net_timer_set(s->cut_timer, s->cut_tries < SLOW_AFTER_TRIES ? LOOK_EVERY_MS : LOOK_SLOWLY_MS,
                  0);
}

/* A pid may be used again by a younger process: ours is at least as old as our connection. */
static void cut_look(struct gw_session *s, bool terminate)
{
    PHI_BUF(sql, 400);
    int64_t age = phi_now_boot_ms() - s->server_since;
    phi_buf_printf(&sql,
                   "SELECT %s FROM pg_catalog.pg_stat_activity WHERE pid = %u AND "
                   "(backend_start IS NULL OR pg_catalog.clock_timestamp() - backend_start >= "
                   "interval '%lld milliseconds')",
                   terminate ? "pg_catalog.pg_terminate_backend(pid)" : "1", s->server_pid,
                   (long long)age);
    s->cut_asking = true;
    s->cut_seen = false;
    gw_super_run(s->target->cutter, phi_buf_view(&sql), cut_row, cut_looked, s);
}

static void cut_tick(void *ctx)
{
    struct gw_session *s = ctx;
    cut_look(s, phi_now_boot_ms() - s->cut_began >= TERMINATE_AFTER_MS);
}

/* The client hears why, unless it is in the middle of a message. */
static void cut_client(struct gw_session *s)
{
    PHI_BUF(b, 16 * 1024);
    if (s->client == NULL)
        return;
    if (s->pass == 0 && s->refusal.message.n > 0) {
        struct pg_report r = { .severity = "FATAL",
                               .sqlstate = s->refusal.sqlstate,
                               .message = phi_buf_view(&s->refusal.message),
                               .hint = phi_buf_view(&s->refusal.hint) };
        pg_add_report(&b, 'E', &r);
        net_conn_write(s->client, phi_buf_view(&b));
    }
    net_conn_finish(s->client, 1000);
    s->client = NULL;
}

static void say_goodbye(struct gw_session *s)
{
    PHI_BUF(b, 16);
    if (s->server == NULL)
        return;
    pg_add_empty(&b, 'X');
    net_conn_write(s->server, phi_buf_view(&b));
    net_conn_finish(s->server, 1000);
    s->server = NULL;
}

void gw_cut(struct gw_session *s)
{
    bool quiet = nothing_at_work(s);
    if (gw_waits(s))
        gw_leave(s);
    gw_parse_unit_cancel(s);
    gw_wait_clear(s);
    if (s->deadline != NULL)
        net_timer_clear(s->deadline);
    if (s->front != NULL) {
        gw_front_next(s->front, false);
        return;
    }
    cut_client(s);
    if (quiet) {
        gw_live_over(s, "unknown");
        say_goodbye(s);
        gw_event(s, EV_CUT_DONE);
        return;
    }
    /* Closing drops what was queued: not one byte more goes out. It stops nothing, so the rest follows. */
    net_conn_close(s->server);
    s->server = NULL;
    s->cut_began = phi_now_boot_ms();
    gw_send_cancel(&s->target->door, s->server_pid, s->server_key);
    s->cut_timer = net_timer_open(s->gw->loop, cut_tick, s);
    if (s->cut_timer != NULL)
        net_timer_set(s->cut_timer, LOOK_EVERY_MS, 0);
    else
        cut_look(s, true);
}

/* --- ends that phid announced --- */
struct gw_end {
    struct gw_end *next;
    int64_t seq;
    char grant[64];
};

static bool at_work(const struct gw_gateway *g, const char *grant)
{
    for (const struct gw_session *s = g->sessions; s != NULL; s = s->next)
        for (size_t i = 0; i < s->n_live; i++)
            if (strcmp(s->live[i].grant, grant) == 0)
                return true;
    return false;
}

void gw_ends_check(struct gw_gateway *g)
{
    struct gw_end **at = &g->ends;
    while (*at != NULL) {
        struct gw_end *e = *at;
        if (at_work(g, e->grant)) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        g->phid.ack(g->phid.ctx, e->seq);
        free(e);
    }
}

static void end_sessions(struct gw_gateway *g, const char *grant, const char *why)
{
    struct gw_session *next = NULL;
    for (struct gw_session *s = g->sessions; s != NULL; s = next) {
        next = s->next;
        /* A claim's answer may still be under way when its grant's end is acknowledged: it comes too late. */
        if (grant == NULL || strcmp(s->wait.grant, grant) == 0)
            s->wait.too_late = grant == NULL ? "phid was out of reach meanwhile; nothing was run" : "the grant ended before its use";
        for (size_t i = 0; i < s->n_live && s->state != GW_CUT; i++)
            if (grant == NULL || strcmp(s->live[i].grant, grant) == 0) {
                gw_refuse_with(s, "57P01", "phi: %s", why);
                gw_event(s, EV_END);
            }
    }
}

void gw_on_end(struct gw_gateway *g, int64_t seq, struct phi_view grant, struct phi_view reason)
{
    struct gw_end *e = calloc(1, sizeof *e);
    char why[128];
    snprintf(why, sizeof why, "the grant was ended (" PHI_FMT "); what still ran was rolled back",
             PHI_ARG(phi_view_upto(reason, 32)));
    char id[64];
    snprintf(id, sizeof id, PHI_FMT, PHI_ARG(phi_view_upto(grant, sizeof id - 1)));
    /* Without memory it stays unacknowledged, and the answer to the revoker says so. */
    if (e != NULL) {
        *e = (struct gw_end){ .next = g->ends, .seq = seq };
        memcpy(e->grant, id, sizeof id);
        g->ends = e;
    }
    end_sessions(g, id, why);
    gw_ends_check(g);
}

void gw_on_lost(struct gw_gateway *g, const char *why)
{
    char text[256];
    snprintf(text, sizeof text, "phid cannot be asked whether this may go on (%.150s)", why);
    end_sessions(g, NULL, text);
}

void gw_ends_free(struct gw_gateway *g)
{
    while (g->ends != NULL) {
        struct gw_end *e = g->ends;
        g->ends = e->next;
        free(e);
    }
}
