/* Asking phid, holding a statement while people decide, and claiming. */
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "gateway/entities.h"
#include "gateway/session.h"

#define BEAT_MS           3000
#define FIRST_REMINDER_MS 15000
#define REMINDER_MS       60000

/* --- what is sent --- */
struct act_texts {
    struct phi_buf actions, entities, payload, settings, context;
};

static bool act_fill(struct gw_session *s, struct act_texts *t, struct client_act *act)
{
    struct phi_jw w;
    struct phi_buf *bufs[] = { &t->actions, &t->entities, &t->payload, &t->settings, &t->context };
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        phi_buf_init(bufs[i], PHI_MAX_HTTP_BODY);
    gw_actions_json(s, &t->actions);
    gw_entities_json(s->unit.actions, s->unit.n_actions, &t->entities);
    gw_settings_json(s, &t->settings);
    phi_jw_init(&w, &t->payload);
    phi_payload_write(&w, &s->unit.payload);
    phi_jw_init(&w, &t->context);
    struct gw_statement st = gw_statement_of(s);
    gw_context_json(phi_view_of(s->addr), phi_view_of(s->application), &st, &w);
    *act = (struct client_act){ .principal = phi_view_of(s->who.person),
                                .credential = phi_view_of(s->who.credential),
                                .session = phi_view_of(s->id),
                                .statements = (int64_t)s->unit.statements,
                                .target = phi_view_of(s->target->o.name),
                                .actions = phi_buf_view(&t->actions),
                                .entities = phi_buf_view(&t->entities),
                                .payload = phi_buf_view(&t->payload),
                                .settings = phi_buf_view(&t->settings),
                                .context = phi_buf_view(&t->context),
                                .addr = phi_view_of(s->addr),
                                .application = phi_view_of(s->application),
                                .act = &s->unit.act };
    return phi_buf_ok(&t->actions) && phi_buf_ok(&t->entities) && phi_buf_ok(&t->payload) &&
           phi_buf_ok(&t->settings) && t->payload.n <= PHI_MAX_PAYLOAD;
}

static void act_done(struct act_texts *t)
{
    phi_buf_done(&t->actions);
    phi_buf_done(&t->entities);
    phi_buf_done(&t->payload);
    phi_buf_done(&t->settings);
    phi_buf_done(&t->context);
}

/* A statement is held only where waiting keeps nothing open in the target. */
static bool may_hold(const struct gw_session *s)
{
    return !s->open && (s->txn == 'I' || (s->txn == 'T' && s->txn_clean)) && s->hold_ms > 0;
}

static void copy_text(char *to, size_t size, struct phi_view v)
{
    snprintf(to, size, PHI_FMT, PHI_ARG(phi_view_upto(v, size - 1)));
}

/* --- what people read --- */
static void add_people(struct phi_buf *b, const struct phi_json *who)
{
    size_t n = who == NULL ? 0 : who->n;
    for (size_t i = 0; i < n && i < 8; i++) {
        struct phi_view name = { 0 };
        phi_json_str(phi_json_at(who, i), &name);
        phi_buf_adds(b, i == 0 ? " (" : ", ");
        phi_text_escape(b, name, false);
    }
    if (n > 8)
        phi_buf_printf(b, " and %zu more", n - 8);
    if (n > 0)
        phi_buf_addc(b, ')');
}

/* "one dba (bob, carol) and one security (eve), or one owner (dan)" */
static void needs_text(const struct phi_json *needs, struct phi_buf *b)
{
    for (size_t i = 0; needs != NULL && i < needs->n; i++) {
        const struct phi_json *all = phi_json_at(needs, i);
        bool first = true;
        for (size_t j = 0; all != NULL && j < all->n; j++) {
            const struct phi_json *r = phi_json_at(all, j);
            int64_t left = phi_json_num(r, "count", 1) - phi_json_num(r, "have", 0);
            if (left <= 0)
                continue;
            phi_buf_adds(b, !first ? " and " : i > 0 ? ", or " : "");
            first = false;
            if (left == 1)
                phi_buf_adds(b, "one ");
            else
                phi_buf_printf(b, "%lld ", (long long)left);
            phi_text_escape(b, phi_json_text(r, "requirement"), false);
            add_people(b, phi_json_get(r, "who"));
        }
    }
    if (b->n == 0)
        phi_buf_adds(b, "a decision");
}

static void send_notice(struct gw_session *s, struct phi_view message, struct phi_view hint)
{
    PHI_BUF(b, 16 * 1024);
    struct pg_report r = {
        .severity = "NOTICE", .sqlstate = "00000", .message = message, .hint = hint};
    pg_add_report(&b, 'N', &r);
    if (phi_buf_ok(&b))
        gw_to_client(s, phi_buf_view(&b));
}

static void send_beat(struct gw_session *s)
{
    PHI_BUF(b, 128);
    pg_add_status(&b, PHI_LIT("phi.waiting"), phi_view_of(s->wait.code));
    gw_to_client(s, phi_buf_view(&b));
}

static void full_notice(struct gw_session *s, int64_t valid_ms)
{
    PHI_BUF(m, 8 * 1024);
    PHI_BUF(h, 1024);
    phi_buf_printf(&m, "phi %s is waiting for %s: %s", s->wait.code, phi_buf_str(&s->wait.who),
                   phi_buf_str(&s->wait.shown));
    phi_buf_printf(&h, "%s · valid ", phi_buf_str(&s->wait.url));
    phi_text_duration(&h, valid_ms);
    phi_buf_adds(&h, " · Ctrl-C cancels");
    send_notice(s, phi_buf_view(&m), phi_buf_view(&h));
}

static void short_notice(struct gw_session *s)
{
    PHI_BUF(m, 2 * 1024);
    phi_buf_printf(&m, "phi %s is still waiting for %s, ", s->wait.code, phi_buf_str(&s->wait.who));
    phi_text_duration(&m, s->wait.until_boot_ms - phi_now_boot_ms());
    phi_buf_adds(&m, " left");
    send_notice(s, phi_buf_view(&m), (struct phi_view){ 0 });
}

/* --- the clock of a hold --- */
static void arm(struct gw_session *s)
{
    struct gw_wait *w = &s->wait;
    int64_t next = w->until_boot_ms;
    if (w->next_beat_ms < next)
        next = w->next_beat_ms;
    if (w->next_notice_ms < next)
        next = w->next_notice_ms;
    if (w->next_ahead_ms < next)
        next = w->next_ahead_ms;
    int64_t in = next - phi_now_boot_ms();
    net_timer_set(w->timer, in > 1 ? in : 1, 0);
}

static void refuse_waiting(struct gw_session *s, const char *why)
{
    struct gw_wait *w = &s->wait;
    gw_refuse_with(s, "42501", "phi %s is waiting for %s: %s; %s", w->code, phi_buf_str(&w->who),
                   phi_buf_str(&w->shown), why);
    phi_buf_printf(&s->refusal.hint, "%s · once it is approved, send the same again",
                   phi_buf_str(&w->url));
}

/* --- the claim, before the approval: only for a target that answers --- */
static void ahead_drop(struct gw_session *s)
{
    const struct gw_phid *p = &s->gw->phid;
    if (s->wait.ahead != NULL)
        p->ahead_drop(p->ctx, s->wait.ahead);
    s->wait.ahead = NULL;
}

void gw_ahead_alive(struct gw_session *s)
{
    const struct gw_phid *p = &s->gw->phid;
    struct gw_wait *w = &s->wait;
    struct act_texts t;
    struct client_act act;
    if (s->state != GW_HELD || p->ahead == NULL || w->request[0] == '\0')
        return;
    if (w->ahead != NULL) {
        p->ahead_again(p->ctx, w->ahead);
        return;
    }
    if (act_fill(s, &t, &act))
        w->ahead = p->ahead(p->ctx, phi_view_of(w->request), &act);
    act_done(&t);
}

static void ahead_look(struct gw_session *s, int64_t now)
{
    s->wait.next_ahead_ms = now + PHI_AWAIT_RENEW_MS;
    if (s->ahead_probe) /* it has not answered since the last time */
        ahead_drop(s);
    else if (!gw_ahead_probe(s))
        gw_ahead_alive(s);
}

static void on_timer(void *ctx)
{
    struct gw_session *s = ctx;
    struct gw_wait *w = &s->wait;
    int64_t now = phi_now_boot_ms();
    if (s->state != GW_HELD)
        return;
    if (now >= w->until_boot_ms) {
        refuse_waiting(s, "nobody decided while it was held");
        gw_event(s, EV_TIMEOUT);
        gw_client_data(s);
        return;
    }
    if (now >= w->next_beat_ms) {
        send_beat(s);
        w->next_beat_ms = now + BEAT_MS;
    }
    if (now >= w->next_notice_ms) {
        short_notice(s);
        w->next_notice_ms = now + REMINDER_MS;
    }
    if (now >= w->next_ahead_ms)
        ahead_look(s, now);
    arm(s);
}

static void hold_begin(struct gw_session *s)
{
    struct gw_wait *w = &s->wait;
    int64_t now = phi_now_boot_ms();
    w->held_once = true;
    w->since_boot_ms = now;
    w->until_boot_ms = now + s->hold_ms;
    w->next_beat_ms = now + BEAT_MS;
    w->next_notice_ms = now + FIRST_REMINDER_MS;
}

/* --- answers --- */
/* The event may have come before the answer that names the request. */
static void decided_meanwhile(struct gw_session *s)
{
    const struct gw_recent *r = gw_recent_find(s->gw, s->wait.request);
    if (r == NULL || s->state != GW_HELD)
        return;
    if (!r->approved) {
        gw_refuse_with(s, "42501", "phi %s was denied, cancelled or expired", s->wait.code);
        phi_buf_add(&s->refusal.hint, phi_buf_view(&s->wait.url));
    }
    gw_event(s, r->approved ? EV_AGAIN : EV_DENY);
}

static void pending(struct gw_session *s, const struct phi_json *json)
{
    struct gw_wait *w = &s->wait;
    const struct phi_json *req = phi_json_get(json, "request");
    struct phi_view url = phi_json_text(json, "url");
    char before[sizeof w->code];
    snprintf(before, sizeof before, "%s", w->code);
    copy_text(w->request, sizeof w->request, phi_json_text(req, "id"));
    copy_text(w->code, sizeof w->code, phi_json_text(req, "code"));
    phi_buf_clear(&w->url);
    phi_buf_clear(&w->who);
    phi_buf_clear(&w->shown);
    phi_text_escape(&w->url, url, false);
    needs_text(phi_json_get(req, "needs"), &w->who);
    phi_text_escape(&w->shown, phi_json_text(req, "summary"), false);
    if (!may_hold(s)) {
        refuse_waiting(s, s->hold_ms == 0 ? "this session does not wait (hold=0)"
                                          : "nothing is held inside a transaction");
        gw_event(s, EV_DENY);
        return;
    }
    if (!w->held_once)
        hold_begin(s);
    if (strcmp(before, w->code) != 0)
        full_notice(s, phi_json_num(req, "expires_in_ms", 0));
    gw_event(s, EV_PENDING);
    decided_meanwhile(s);
}

static void denied(struct gw_session *s, const struct client_answer *a)
{
    if (a->unreachable && s->wait.held_once && phi_now_boot_ms() < s->wait.until_boot_ms) {
        gw_event(s,
                 EV_UNREACHED); /* it was held before: it goes on waiting, nothing is let through */
        arm(s);
        return;
    }
    PHI_BUF(why, 1000);
    phi_text_escape(&why, phi_view_of(a->err.msg), false);
    gw_refuse_with(s, a->unreachable ? "58000" : "42501", "phi: %s%s",
                   a->unreachable ? "phid cannot be asked now: " : "", phi_buf_str(&why));
    gw_event(s, EV_DENY);
}

static void on_answer(const struct client_answer *a, void *ctx)
{
    struct gw_session *s = ctx;
    s->wait.ask = NULL;
    switch (a->kind) {
    case CLIENT_ALLOW: gw_event(s, gw_record_allow(s, NULL) ? EV_ALLOW : EV_DENY); break;
    case CLIENT_GRANT:
        copy_text(s->wait.grant, sizeof s->wait.grant,
                  phi_json_text(phi_json_get(a->json, "grant"), "id"));
        gw_event(s, EV_GRANTED);
        break;
    case CLIENT_PENDING: pending(s, a->json); break;
    case CLIENT_DENY: denied(s, a); break;
    }
    gw_client_data(s);
}

void gw_ask(struct gw_session *s)
{
    const struct gw_phid *p = &s->gw->phid;
    struct act_texts t;
    struct client_act act;
    struct client_answer no = { .kind = CLIENT_DENY, .unreachable = true };
    bool fits = act_fill(s, &t, &act);
    act.hold_ms = may_hold(s) ? s->hold_ms : 0;
    ahead_drop(s); /* where it was made meanwhile, its use is there again when phid looks for a grant */
    if (fits)
        s->wait.ask = p->request(p->ctx, &act, on_answer, s, &no.err);
    act_done(&t);
    if (fits && s->wait.ask == NULL)
        denied(s, &no);
    if (!fits) {
        gw_refuse_with(s, "54000",
                       "phi: this is too large to be put before people (%d bytes at most)",
                       PHI_MAX_PAYLOAD);
        gw_event(s, EV_DENY);
    }
}

void gw_hold(struct gw_session *s)
{
    ahead_look(s, phi_now_boot_ms());
    arm(s);
}

/* --- claiming --- */
static void claim_failed(struct gw_session *s, const struct client_claim *c)
{
    bool used = strcmp(c->code, "grant.used") == 0 || strcmp(c->code, "grant.ended") == 0;
    if (used &&
        !s->wait.claim_again) { /* another waiter took the use, or it ended: ask anew, once */
        s->wait.claim_again = true;
        gw_event(s, EV_AGAIN);
        return;
    }
    if (c->unreachable && s->wait.held_once && phi_now_boot_ms() < s->wait.until_boot_ms) {
        gw_event(s, EV_UNREACHED);
        arm(s);
        return;
    }
    PHI_BUF(why, 1000);
    phi_text_escape(&why, phi_view_of(c->err.msg), false);
    gw_refuse_with(s, c->unreachable ? "58000" : "42501", "phi: %s", phi_buf_str(&why));
    gw_event(s, EV_DENY);
}

/* Why a use that is ours must be given back; NULL: it may be forwarded. */
static const char *too_late(const struct gw_session *s, const struct client_claim *c)
{
    const struct gw_phid *p = &s->gw->phid;
    if (s->wait.too_late != NULL)
        return s->wait.too_late;
    if (c->ends_boot_ms <= phi_now_boot_ms())
        return "the grant ended before its use";
    return p->fresh(p->ctx) ? NULL : "phid cannot be reached any more; nothing was run";
}

static enum gw_event claimed(struct gw_session *s, const struct client_claim *c)
{
    const struct gw_phid *p = &s->gw->phid;
    const char *why = too_late(s, c);
    struct gw_live *l = why == NULL ? gw_live_add(s, s->wait.grant, c) : NULL;
    if (l != NULL) {
        s->unit.live = l->id;
        return EV_CLAIMED;
    }
    p->outcome(p->ctx, c->id, "unsent", (struct phi_view){ 0 }, -1, 0);
    if (why != NULL)
        gw_refuse_with(s, "42501", "phi: %s", why);
    else
        gw_refuse_with(s, "54000", "phi: more than %d grants at work in one transaction",
                       GW_MAX_LIVE);
    return EV_DENY;
}

static void on_claim(const struct client_claim *c, void *ctx)
{
    struct gw_session *s = ctx;
    s->wait.ask = NULL;
    if (c->kind == CLIENT_ALLOW)
        gw_event(s, claimed(s, c));
    else
        claim_failed(s, c);
    gw_client_data(s);
}

/* --- asking for the claim --- */
void gw_claim(struct gw_session *s)
{
    const struct gw_phid *p = &s->gw->phid;
    struct act_texts t;
    struct client_act act;
    struct client_claim no = { .kind = CLIENT_DENY, .unreachable = true };
    if (!gw_judge_again(s)) { /* it means something else by now: that needs its own answer */
        snprintf(no.code, sizeof no.code, "grant.ended");
        snprintf(no.err.msg, sizeof no.err.msg,
                 "what this statement touches has changed since it was asked for; send it again");
        no.unreachable = false;
        claim_failed(s, &no);
        return;
    }
    s->wait.too_late = NULL;
    if (act_fill(s, &t, &act))
        s->wait.ask = p->claim(p->ctx, phi_view_of(s->wait.grant), &act, s->wait.ahead, on_claim, s, &no.err);
    act_done(&t);
    if (s->wait.ask == NULL)
        claim_failed(s, &no);
    else
        s->wait.ahead = NULL;
}

/* --- ends of waiting --- */
void gw_wait_clear(struct gw_session *s)
{
    struct gw_wait *w = &s->wait;
    const struct gw_phid *p = &s->gw->phid;
    if (w->ask != NULL)
        p->cancel(p->ctx, w->ask);
    w->ask = NULL;
    ahead_drop(s);
    if (w->held_once) /* else it was never set */
        net_timer_clear(w->timer);
    w->held_once = w->claim_again = false;
    w->request[0] = w->code[0] = w->grant[0] = '\0';
}

void gw_leave(struct gw_session *s)
{
    const struct gw_phid *p = &s->gw->phid;
    if (s->wait.request[0] != '\0')
        p->leave(p->ctx, phi_view_of(s->wait.request), phi_view_of(s->id));
    gw_wait_clear(s);
}

static void request_denied(struct gw_session *s, struct phi_view status, const struct phi_json *ev)
{
    PHI_BUF(by, 300);
    PHI_BUF(why, 2000);
    struct phi_view who = phi_json_text(ev, "denied_by"), reason = phi_json_text(ev, "reason");
    if (phi_view_is(status, "denied") && who.n > 0) {
        phi_buf_adds(&by, " by ");
        phi_text_escape(&by, who, false);
    }
    if (reason.n > 0) {
        phi_buf_adds(&why, ": \"");
        phi_text_escape(&why, reason, false);
        phi_buf_addc(&why, '"');
    }
    gw_refuse_with(s, "42501", "phi %s %s%s%s", s->wait.code,
                   phi_view_is(status, "denied")    ? "was denied"
                   : phi_view_is(status, "expired") ? "expired: nobody decided in time"
                                                    : "was cancelled",
                   phi_buf_str(&by), phi_buf_str(&why));
    phi_buf_add(&s->refusal.hint, phi_buf_view(&s->wait.url));
}

void gw_wait_request(struct gw_session *s, const struct phi_json *ev)
{
    struct phi_view status = phi_json_text(ev, "status");
    if (s->state != GW_HELD || !phi_view_is(phi_json_text(ev, "id"), s->wait.request))
        return;
    if (phi_view_is(status, "approved")) {
        copy_text(s->wait.grant, sizeof s->wait.grant,
                  phi_json_text(phi_json_get(ev, "grant"), "id"));
        gw_event(s, s->wait.grant[0] != '\0' ? EV_GRANTED : EV_AGAIN);
    } else if (!phi_view_is(status, "pending")) {
        request_denied(s, status, ev);
        gw_event(s, EV_DENY);
    }
    gw_client_data(s);
}

void gw_wait_votes(struct gw_session *s, const struct phi_json *ev)
{
    if (s->state != GW_HELD || !phi_view_is(phi_json_text(ev, "id"), s->wait.request))
        return;
    phi_buf_clear(&s->wait.who);
    needs_text(phi_json_get(ev, "needs"), &s->wait.who);
    short_notice(s);
}

void gw_wait_back(struct gw_session *s)
{
    if (s->state == GW_HELD)
        gw_event(s, EV_AGAIN);
}

bool gw_wait_init(struct gw_session *s)
{
    phi_buf_init(&s->wait.url, 1024);
    phi_buf_init(&s->wait.who, 4096);
    phi_buf_init(&s->wait.shown, 4096);
    s->wait.timer = net_timer_open(s->gw->loop, on_timer, s);
    return s->wait.timer != NULL;
}

void gw_wait_done(struct gw_session *s)
{
    gw_wait_clear(s);
    net_timer_close(s->wait.timer);
    phi_buf_done(&s->wait.url);
    phi_buf_done(&s->wait.who);
    phi_buf_done(&s->wait.shown);
}
