/* The life of a session: its state changes here and nowhere else. */
#include "gateway/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logline.h"
#include "base/os.h"
#include "gateway/role.h"

/* --- writing --- */
bool gw_to_client(struct gw_session *s, struct phi_view bytes)
{
    if (s->client == NULL || bytes.n == 0 || !net_conn_write(s->client, bytes))
        return false;
    if (net_conn_queued(s->client) > GW_HIGH_WATER && s->server != NULL)
        net_conn_pause(s->server);
    return true;
}

bool gw_to_server(struct gw_session *s, struct phi_view bytes)
{
    if (s->server == NULL || bytes.n == 0 || !net_conn_write(s->server, bytes))
        return false;
    if (net_conn_queued(s->server) > GW_HIGH_WATER && s->client != NULL)
        net_conn_pause(s->client);
    return true;
}

void gw_refuse_with(struct gw_session *s, const char *sqlstate, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    snprintf(s->refusal.sqlstate, sizeof s->refusal.sqlstate, "%s", sqlstate);
    phi_buf_clear(&s->refusal.message);
    phi_buf_clear(&s->refusal.hint);
    phi_buf_adds(&s->refusal.message, text);
    s->refusal.position = 0;
}

/* --- states --- */
bool gw_idle_backend(const struct gw_session *s)
{
    switch (s->before) {
    case GW_RELAY:
    case GW_COPY:
    case GW_REFUSE:
    case GW_OWN:
    case GW_PROBE:
    case GW_CUT:
    case GW_DEAD: return false;
    case GW_IDLE:
    case GW_PARSE:
    case GW_JUDGE:
    case GW_ASK:
    case GW_HELD:
    case GW_CLAIM:
    case GW_NSTATE: break;
    }
    return s->txn == 'I' && !s->open;
}

bool gw_waits(const struct gw_session *s)
{
    return s->before == GW_ASK || s->before == GW_HELD;
}

static void close_all(struct gw_session *s)
{
    s->closing = true;
    net_conn_close(s->client);
    net_conn_close(s->server);
    s->client = s->server = NULL;
    if (s->deadline != NULL)
        net_timer_clear(s->deadline);
    if (s->cut_timer != NULL)
        net_timer_clear(s->cut_timer);
    gw_gateway_reap(s->gw);
}

static void killed(struct gw_session *s, enum gw_state from, enum gw_event e)
{
    PHI_LOG(ERROR, "session-step", "what", "%s in state %s", gw_event_name(e), gw_state_name(from));
    s->state = GW_CUT;
    gw_refuse_with(s, "XX000", "phi: the session is in a state that should not be; it ends");
    gw_cut(s);
}

static void act(struct gw_session *s, enum gw_act a, enum gw_event e)
{
    switch (a) {
    case ACT_KILL: killed(s, s->before, e); break;
    case ACT_NONE: break;
    case ACT_PARSE: gw_parse_unit(s); break;
    case ACT_JUDGE: gw_judge(s); break;
    case ACT_FORWARD: gw_forward(s); break;
    case ACT_ASK: gw_ask(s); break;
    case ACT_HOLD: gw_hold(s); break;
    case ACT_PROBE: gw_probe(s); break;
    case ACT_CLAIM: gw_claim(s); break;
    case ACT_LEAVE:
    case ACT_REVOKE_CLAIM:
        gw_leave(s);
        gw_refuse_with(s, "57014", "canceling statement due to user request");
        gw_refuse(s);
        break;
    case ACT_REFUSE: gw_refuse(s); break;
    case ACT_NOTE_CANCEL: s->cancelled = true; break;
    case ACT_CANCEL: gw_send_cancel(&s->target->door, s->server_pid, s->server_key); break;
    case ACT_NEXT: gw_next(s); break;
    case ACT_OWN: gw_own_query(s); break;
    case ACT_CUT:
        if (e == EV_END && s->refusal.message.n == 0)
            gw_refuse_with(s, "57P01",
                           "phi: the right to this has ended; what still ran was rolled back");
        gw_cut(s);
        break;
    case ACT_CLOSE: close_all(s); break;
    case GW_NACT: break;
    }
}

void gw_event(struct gw_session *s, enum gw_event e)
{
    if (s->state == GW_DEAD)
        return;
    struct gw_step step = gw_step(s->state, e);
    s->before = s->state;
    s->state = (enum gw_state)step.next;
    act(s, (enum gw_act)step.act, e);
}

void gw_kill(struct gw_session *s, const char *sqlstate, const char *why)
{
    if (s->state == GW_DEAD || s->state == GW_CUT)
        return;
    gw_refuse_with(s, sqlstate, "%s", why);
    gw_event(s, EV_END);
}

void gw_next(struct gw_session *s)
{
    if (s->in_server) {
        s->next_due = true;
        return;
    }
    gw_unit_clear(&s->unit);
    s->cancelled = false;
    phi_buf_clear(&s->refusal.message);
    phi_buf_clear(&s->refusal.hint);
    if (s->client != NULL)
        net_conn_resume(s->client);
    if (s->pin_due && s->txn != 'E' && !s->open)
        gw_event(s, EV_OWN);
    else
        gw_client_data(s);
}

/* --- settings --- */
bool gw_setting_note(struct gw_session *s, struct phi_view name, struct phi_view value)
{
    static const struct {
        const char *name;
        size_t at, size;
    } kept[] = {
        { "DateStyle",     offsetof(struct gw_session, date_style),     sizeof s->date_style },
        { "TimeZone",      offsetof(struct gw_session, time_zone),      sizeof s->time_zone },
        { "IntervalStyle", offsetof(struct gw_session, interval_style), sizeof s->interval_style },
    };
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (phi_view_is(name, kept[i].name)) {
            snprintf((char *)s + kept[i].at, kept[i].size, PHI_FMT, PHI_ARG(value));
            return value.n < kept[i].size;
        }
    if (phi_view_is(name, "standard_conforming_strings"))
        return phi_view_is(value, "on");
    if (phi_view_is(name, "client_encoding"))
        return phi_view_is(value, "UTF8");
    return true;
}

bool gw_session_credential_good(const struct gw_session *s)
{
    const struct gw_phid *p = &s->gw->phid;
    return s->who.ends_boot_ms > phi_now_boot_ms() &&
           p->credential_good(p->ctx, phi_view_of(s->who.credential));
}

void gw_session_catalog(struct gw_session *s)
{
    if (s->state != GW_PARSE || !s->wants_catalog)
        return;
    gw_parse_unit(s);
    gw_client_data(s);
}

/* --- the two connections --- */
static void client_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    (void)c;
    (void)in;
    gw_client_data(ctx);
}

static void client_drain(struct net_conn *c, void *ctx)
{
    struct gw_session *s = ctx;
    (void)c;
    if (s->server != NULL)
        net_conn_resume(s->server);
}

static void client_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    struct gw_session *s = ctx;
    (void)c;
    (void)why;
    s->client = NULL;
    gw_event(s, EV_GONE);
}

static void server_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    (void)c;
    (void)in;
    gw_server_data(ctx);
}

static void server_drain(struct net_conn *c, void *ctx)
{
    struct gw_session *s = ctx;
    (void)c;
    if (s->client != NULL)
        net_conn_resume(s->client);
}

static void server_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    struct gw_session *s = ctx;
    (void)c;
    (void)why;
    s->server = NULL;
    if (s->refusal.message.n == 0)
        gw_refuse_with(s, "08006", "phi: the target closed the connection");
    gw_event(s, EV_LOST);
}

const struct net_conn_events gw_client_events = {
    .on_data = client_data, .on_drain = client_drain, .on_closed = client_closed};
const struct net_conn_events gw_server_events = {
    .on_data = server_data, .on_drain = server_drain, .on_closed = server_closed};

/* --- beginning and end --- */
static void on_deadline(void *ctx)
{
    struct gw_session *s = ctx;
    int64_t now = phi_now_boot_ms();
    if (now < s->deadline_at) { /* timers may fire early, and do not count a suspended machine */
        net_timer_set(s->deadline, s->deadline_at - now, 0);
        return;
    }
    if (now >= s->who.ends_boot_ms)
        gw_kill(s, "57P01", "phi: the credential of this session has ended");
    else
        gw_event(s, EV_END);
}

static void make_ids(struct gw_session *s)
{
    uint8_t random[16];
    phi_random(random, sizeof random);
    struct phi_id id = phi_id_make((uint64_t)phi_now_wall_ms(), random);
    memcpy(s->id, id.s, sizeof s->id);
    memcpy(&s->key, random + 10, sizeof s->key);
    s->pid = s->gw->next_pid++ & 0x7fffffff;
    PHI_BUF(name, sizeof s->portal_name);
    phi_random(random, sizeof random);
    phi_buf_adds(&name, "phi_");
    phi_hex_add(&name, phi_view_mem(random, sizeof random));
    snprintf(s->portal_name, sizeof s->portal_name, "%s", phi_buf_str(&name));
}

struct gw_session *gw_session_open(struct gw_target *t, const struct gw_signin *who,
                                   struct net_conn *client)
{
    struct gw_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    *s = (struct gw_session){
        .gw = t->gw, .target = t, .who = *who, .client = client, .state = GW_DEAD, .txn = 'I'};
    gw_unit_init(&s->unit);
    phi_buf_init(&s->refusal.message, 8192);
    phi_buf_init(&s->refusal.hint, 2048);
    snprintf(s->role, sizeof s->role, "none");
    make_ids(s);
    s->hold_ms = t->o.hold_ms;
    s->stmts = phi_map_open(GW_MAX_NAMED);
    s->portals = phi_map_open(GW_MAX_NAMED);
    s->sql_stmts = phi_map_open(GW_MAX_NAMED);
    s->deadline = net_timer_open(t->gw->loop, on_deadline, s);
    s->next = t->gw->sessions;
    s->prev = &t->gw->sessions;
    if (s->next != NULL)
        s->next->prev = &s->next;
    t->gw->sessions = s;
    t->gw->n_sessions++;
    if (gw_wait_init(s) && s->stmts != NULL && s->portals != NULL && s->sql_stmts != NULL &&
        s->deadline != NULL)
        return s;
    s->client = NULL;
    gw_session_free(s);
    return NULL;
}

void gw_session_start(struct gw_session *s)
{
    net_conn_bind(s->client, &gw_client_events, s);
    net_conn_bind(s->server, &gw_server_events, s);
    s->state = GW_IDLE;
    s->server_since = phi_now_boot_ms();
    gw_deadline_set(s);
    if (gw_session_credential_good(s))
        gw_client_data(s);
    else
        gw_kill(s, "57P01", "phi: the credential of this session was withdrawn");
}

void gw_session_free(struct gw_session *s)
{
    if (s->next != NULL)
        s->next->prev = s->prev;
    *s->prev = s->next;
    s->gw->n_sessions--;
    gw_parse_unit_cancel(s);
    gw_wait_done(s);
    net_timer_close(s->deadline);
    net_timer_close(s->cut_timer);
    net_conn_close(s->client);
    net_conn_close(s->server);
    gw_role_drop(s->own_role);
    gw_unit_done(&s->unit);
    gw_maps_done(s);
    phi_buf_done(&s->refusal.message);
    phi_buf_done(&s->refusal.hint);
    free(s);
}
