#include "gateway/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "base/logline.h"
#include "gateway/role.h"
#include "gateway/session.h"

#define TICK_MS      1000
#define REPORT_TICKS 30

static void on_tick(void *ctx)
{
    struct gw_gateway *g = ctx;
    for (struct gw_target *t = g->targets; t != NULL; t = t->next)
        if (g->n_sessions > 0 || t->catalog == NULL)
            gw_target_tick(t);
    if (g->report_in > 0)
        g->report_in--;
    if (gw_report(g, g->report_in == 0))
        g->report_in = REPORT_TICKS;
}

enum phi_rc gw_open(struct net_loop *loop, const struct gw_phid *phid, unsigned parsers,
                    struct gw_gateway **ret, struct phi_err *err)
{
    struct gw_gateway *g = calloc(1, sizeof *g);
    if (g == NULL)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    g->loop = loop;
    if (phid != NULL)
        g->phid = *phid;
    phi_random(g->mock_secret, sizeof g->mock_secret);
    phi_random(&g->next_pid, sizeof g->next_pid);
    enum phi_rc rc = gw_parser_open(loop, parsers, &g->parser, err);
    g->tick = rc == PHI_OK ? net_timer_open(loop, on_tick, g) : NULL;
    if (g->tick == NULL) {
        gw_close(g);
        return rc == PHI_OK ? phi_fail(err, PHI_ELIMIT, "out of memory") : rc;
    }
    net_timer_set(g->tick, TICK_MS, TICK_MS);
    *ret = g;
    return PHI_OK;
}

void gw_set_phid(struct gw_gateway *g, const struct gw_phid *phid)
{
    g->phid = *phid;
}

int gw_target_port(const struct gw_gateway *g, const char *name)
{
    for (const struct gw_target *t = g->targets; t != NULL; t = t->next)
        if (strcmp(t->o.name, name) == 0)
            return net_listener_port(t->listener);
    return 0;
}

bool gw_settled(const struct gw_gateway *g)
{
    return gw_roles_count(g) == 0;
}

size_t gw_session_count(const struct gw_gateway *g)
{
    return g->n_sessions;
}

/* --- sessions that are over --- */
static void reap(void *ctx)
{
    struct gw_gateway *g = ctx;
    struct gw_session *next = NULL;
    g->reaping = false;
    for (struct gw_session *s = g->sessions; s != NULL; s = next) {
        next = s->next;
        if (s->state == GW_DEAD && s->closing && !s->cut_asking)
            gw_session_free(s);
    }
    gw_ends_check(g);
    if (g->draining && g->n_sessions == 0 && g->drained != NULL) {
        net_fn done = g->drained;
        g->drained = NULL;
        done(g->drained_ctx);
    }
}

void gw_gateway_reap(struct gw_gateway *g)
{
    if (!g->reaping && !g->closing)
        g->reaping = net_post(g->loop, reap, g);
}

/* --- what phid says --- */
void gw_on_snapshot(struct gw_gateway *g)
{
    struct gw_session *next = NULL;
    for (struct gw_session *s = g->sessions; s != NULL; s = next) {
        next = s->next;
        if (s->state == GW_CUT || s->state == GW_DEAD)
            continue;
        if (gw_session_credential_good(s))
            gw_wait_back(s);
        else
            gw_kill(s, "57P01", "phi: the credential of this session was withdrawn");
    }
}

const struct gw_recent *gw_recent_find(const struct gw_gateway *g, const char *request)
{
    for (size_t i = 0; i < GW_RECENT; i++)
        if (g->recent[i].request[0] != '\0' && strcmp(g->recent[i].request, request) == 0)
            return &g->recent[i];
    return NULL;
}

static void recent_add(struct gw_gateway *g, const struct phi_json *ev)
{
    struct phi_view id = phi_json_text(ev, "id"), status = phi_json_text(ev, "status");
    struct gw_recent *r = &g->recent[g->at_recent % GW_RECENT];
    if (phi_view_is(status, "pending") || id.n == 0 || id.n >= sizeof r->request)
        return;
    g->at_recent++;
    memset(r, 0, sizeof *r);
    memcpy(r->request, id.p, id.n);
    r->approved = phi_view_is(status, "approved");
}

void gw_on_request(struct gw_gateway *g, const struct phi_json *ev)
{
    struct gw_session *next = NULL;
    recent_add(g, ev);
    for (struct gw_session *s = g->sessions; s != NULL; s = next) {
        next = s->next;
        gw_wait_request(s, ev);
    }
}

void gw_on_votes(struct gw_gateway *g, const struct phi_json *ev)
{
    for (struct gw_session *s = g->sessions; s != NULL; s = s->next)
        gw_wait_votes(s, ev);
}

/* --- the end --- */
static void on_drain_timer(void *ctx)
{
    struct gw_gateway *g = ctx;
    struct gw_session *next = NULL;
    for (struct gw_session *s = g->sessions; s != NULL; s = next) {
        next = s->next;
        gw_kill(s, "57P01", "phi: the gateway is being stopped");
    }
}

static bool at_rest(const struct gw_session *s)
{
    return (s->state == GW_IDLE && s->txn == 'I' && !s->open) || s->state == GW_HELD;
}

void gw_drain(struct gw_gateway *g, int64_t ms, net_fn done, void *ctx)
{
    struct gw_session *next = NULL;
    g->draining = true;
    g->drained = done;
    g->drained_ctx = ctx;
    for (struct gw_target *t = g->targets; t != NULL; t = t->next) {
        net_listener_close(t->listener);
        t->listener = NULL;
    }
    gw_front_close_all(g);
    for (struct gw_session *s = g->sessions; s != NULL; s = next) {
        next = s->next;
        if (at_rest(s))
            gw_kill(s, "57P01", "phi: the gateway is being stopped");
    }
    g->drain_timer = net_timer_open(g->loop, on_drain_timer, g);
    if (g->drain_timer != NULL)
        net_timer_set(g->drain_timer, ms, 0);
    gw_gateway_reap(g);
}

void gw_close(struct gw_gateway *g)
{
    if (g == NULL)
        return;
    g->closing = true;
    gw_front_close_all(g);
    for (struct gw_target *t = g->targets; t != NULL; t = t->next)
        gw_target_stop(
            t); /* its own queries answer false now, while their sessions are still there */
    while (g->sessions != NULL)
        gw_session_free(g->sessions);
    while (g->targets != NULL) {
        struct gw_target *t = g->targets;
        g->targets = t->next;
        gw_target_close(t);
    }
    net_timer_close(g->tick);
    net_timer_close(g->drain_timer);
    gw_parser_close(g->parser);
    gw_ends_free(g);
    free(g);
}
