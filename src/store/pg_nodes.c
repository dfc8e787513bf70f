/* Several phids over one database: what they say to each other, and who does what. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/os.h"
#include "store/pg_inner.h"

#define HEAR_MAX      1000
#define KEEP          "10 minutes" /* of what was said */
#define AWAY_MS       300000       /* who has not listened for that long has missed something, maybe */
#define PRUNE_MS      60000
#define POLL_MS       1000
#define RECONNECT_MS  500

static enum phi_rc text(struct pg_stmt *st, const char *sql, struct phi_err *err)
{
    PHI_BUF(b, 2048);
    if (!st->sql)
        phi_buf_adds(&b, sql);
    return pg_text(st, &b) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* ---- events: written with what they tell of, so that they exist exactly when it does */

enum phi_rc pg_say(void *self, const struct phi_event *events, size_t n, struct phi_err *err)
{
    struct pg *g = self;
    PHI_TRY(text(&g->say, "INSERT INTO outbox (seq, node, kind, request, code, grant_id, principal, target, gateway)"
                          " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING", err));
    char hint[64];
    snprintf(hint, sizeof hint, "SELECT pg_notify('phi', '%s')", g->node);
    PHI_TRY(text(&g->notify, hint, err));
    PHI_TRY(pg_writes(g, err));
    PHI_TRY(pg_flush(g, true, err));
    for (size_t i = 0; i < n; i++) {
        const struct phi_event *e = &events[i];
        struct pg_params p = { .n = 0 };
        pg_param_int(&p, e->seq);
        pg_param_text(&p, phi_view_of(g->node));
        pg_param_int(&p, e->kind);
        const struct phi_view v[] = { e->request, e->code, e->grant, e->principal, e->target, e->gateway };
        for (size_t k = 0; k < sizeof v / sizeof *v; k++)
            pg_param_text(&p, v[k]);
        PHI_TRY(pg_send(g, &g->say, &p, PG_DONE, err));
    }
    return pg_send(g, &g->notify, NULL, PG_DONE, err);
}

enum phi_rc pg_hear(void *self, struct phi_arena *a, struct phi_event **ret, size_t *ret_n, bool *ret_lost,
                    struct phi_err *err)
{
    struct pg *g = self;
    struct pg_params p = { .n = 0 };
    PGresult *r;
    PHI_TRY(text(&g->hear, "SELECT seq, node, kind, request, code, grant_id, principal, target, gateway FROM outbox"
                           " WHERE seq > $1 ORDER BY seq LIMIT $2", err));
    pg_param_int(&p, g->heard);
    pg_param_int(&p, HEAR_MAX + 1);
    PHI_TRY(pg_ask(g, &g->hear, &p, &r, err));
    int n = g->pq->ntuples(r);
    int64_t now = g->base->boot_ms(g->base->self);
    *ret_lost = n > HEAR_MAX || now - g->heard_at > AWAY_MS;
    g->heard_at = now;
    *ret_n = 0;
    *ret = phi_arena_array(a, (size_t)n + 1, sizeof **ret);
    for (int i = 0; *ret && i < n; i++) {
        g->heard = pg_int(g, r, i, 0);
        if (phi_view_is(pg_view(g, r, i, 1), g->node))
            continue;
        struct phi_event *e = &(*ret)[(*ret_n)++];
        *e = (struct phi_event){ .kind = (enum phi_event_kind)pg_int(g, r, i, 2), .seq = g->heard };
        struct phi_view *v[] = { &e->request, &e->code, &e->grant, &e->principal, &e->target, &e->gateway };
        for (int k = 0; k < 6; k++)
            *v[k] = phi_arena_copy(a, pg_view(g, r, i, 3 + k));
    }
    g->pq->clear(r);
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* ---- leases, by the database's clock; whoever acts under one does so in the transaction that shows it */

static const char lease_sql[] =
    "INSERT INTO lease AS l (name, holder, fence, until) VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 ms')"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until,"
    " fence = l.fence + (l.holder <> excluded.holder)::int WHERE l.holder = excluded.holder OR l.until <= clock_timestamp()";
static const char lease_read_sql[] =
    "SELECT (holder = $2)::int::bigint, (until > clock_timestamp())::int::bigint,"
    " (until > clock_timestamp() + $3 * interval '0.5 ms')::int::bigint FROM lease WHERE name = $1";

static enum phi_rc lease_take(struct pg *g, const struct pg_params *p, bool *ret_mine, struct phi_err *err)
{
    PGresult *r;
    PHI_TRY(text(&g->lease, lease_sql, err));
    PHI_TRY(pg_writes(g, err));
    PHI_TRY(pg_flush(g, true, err));
    PHI_TRY(pg_ask(g, &g->lease, p, &r, err));
    *ret_mine = strcmp(g->pq->cmdTuples(r), "1") == 0;
    g->pq->clear(r);
    return PHI_OK;
}

/* Whoever holds a lease also sweeps. */
static enum phi_rc prune(struct pg *g, struct phi_err *err)
{
    int64_t now = g->base->boot_ms(g->base->self);
    if (now < g->prune_at)
        return PHI_OK;
    g->prune_at = now + PRUNE_MS;
    PHI_TRY(text(&g->prune, "DELETE FROM outbox WHERE at < clock_timestamp() - interval '" KEEP "'", err));
    PHI_TRY(pg_writes(g, err));
    PHI_TRY(pg_flush(g, true, err));
    return pg_send(g, &g->prune, NULL, PG_DONE, err);
}

enum phi_rc pg_lease(void *self, const char *name, int64_t ms, bool *ret_mine, struct phi_err *err)
{
    struct pg *g = self;
    struct pg_params p = { .n = 0 };
    PGresult *r;
    *ret_mine = false;
    pg_param_text(&p, phi_view_of(name));
    pg_param_text(&p, phi_view_of(g->node));
    pg_param_int(&p, ms);
    PHI_TRY(text(&g->lease_read, lease_read_sql, err));
    PHI_TRY(pg_ask(g, &g->lease_read, &p, &r, err));
    bool there = g->pq->ntuples(r) == 1;
    bool mine = there && pg_int(g, r, 0, 0), live = there && pg_int(g, r, 0, 1), young = there && pg_int(g, r, 0, 2);
    g->pq->clear(r);
    if (mine && young)
        *ret_mine = true;
    else if (mine || !live)
        PHI_TRY(lease_take(g, &p, ret_mine, err));
    return *ret_mine ? prune(g, err) : PHI_OK;
}

/* ---- listening */

static bool said_by_others(struct pg *g, PGconn *c)
{
    bool any = false;
    PGnotify *n;
    while ((n = g->pq->notifies(c)) != NULL) {
        any = any || strcmp(n->extra, g->node) != 0;
        g->pq->freemem(n);
    }
    return any;
}

/* Waits for a hint, a second, or the end. */
static bool listen_wait(struct pg *g, PGconn **c)
{
    struct pollfd p[2] = { { g->stop_fd, POLLIN, 0 }, { *c ? g->pq->socket(*c) : -1, POLLIN, 0 } };
    int n = poll(p, 2, *c ? POLL_MS : RECONNECT_MS);
    if (p[0].revents)
        return false;
    bool any = n == 0;
    if (*c && p[1].revents) {
        bool ok = g->pq->consumeInput(*c) && g->pq->status(*c) == CONNECTION_OK;
        any = said_by_others(g, *c) || any;
        if (!ok) {
            g->pq->finish(*c);
            *c = NULL;
        }
    }
    if (any)
        g->wake(g->wake_ctx);
    return true;
}

static void *listen_main(void *arg)
{
    struct pg *g = arg;
    PGconn *c = NULL;
    do {
        if (!c && pg_connect(g, &c, NULL) == PHI_OK && pg_exec(g, c, "LISTEN phi", NULL, NULL) != PHI_OK) {
            g->pq->finish(c);
            c = NULL;
        }
    } while (listen_wait(g, &c));
    if (c)
        g->pq->finish(c);
    return NULL;
}

enum phi_rc phi_store_pgsql_listen(struct phi_store *s, void (*wake)(void *ctx), void *ctx, struct phi_err *err)
{
    struct pg *g = s->self;
    g->wake = wake;
    g->wake_ctx = ctx;
    g->stop_fd = eventfd(0, EFD_CLOEXEC);
    g->listens = g->stop_fd >= 0 && pthread_create(&g->listener, NULL, listen_main, g) == 0;
    return g->listens ? PHI_OK : phi_fail(err, PHI_EIO, "cannot start a thread");
}

/* What this phid did another one does from now on, not only after its leases have run out. */
void pg_leases_give_back(struct pg *g)
{
    char sql[96];
    PGconn *c = NULL;
    snprintf(sql, sizeof sql, "DELETE FROM lease WHERE holder = '%s'::bytea", g->node);
    if (pg_connect(g, &c, NULL) == PHI_OK) {
        pg_exec(g, c, sql, NULL, NULL);
        g->pq->finish(c);
    }
}

void pg_listen_end(struct pg *g)
{
    uint64_t one = 1;
    if (!g->listens)
        return;
    g->listens = false;
    if (write(g->stop_fd, &one, sizeof one) == sizeof one)
        pthread_join(g->listener, NULL);
    close(g->stop_fd);
}

void phi_store_pgsql_quiet(struct phi_store *s)
{
    pg_listen_end(s->self);
}
