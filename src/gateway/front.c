/* A client until its session begins: TLS, sign-in by SCRAM, the policy's word on connecting, the target's connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logline.h"
#include "base/os.h"
#include "gateway/role.h"
#include "gateway/session.h"
#include "gateway/startup.h"

#define SIGN_IN_MS    30000
#define LOOK_UP_MS    50
#define LOOK_UP_TRIES 40
#define AWAY_TRIES    200 /* while phid is away, and is tried again at once */

enum phase { HELLO, LOOK_UP, SASL_FIRST, SASL_FINAL, HELD, TARGET };

struct gw_front {
    struct gw_front *next, **prev;
    struct gw_target *target;
    struct net_conn *conn;
    enum phase phase;
    bool asked_ssl, asked_gss;
    struct phi_arena mem;
    struct gw_startup startup;
    struct gw_signin who;
    bool known;
    struct net_timer *retry;
    int retries;
    struct scram_server scram;
    struct gw_upstream *up;
    struct gw_session *session;
    struct net_later later;
    bool go;
    char version[40];
};

static void front_free(struct gw_front *f)
{
    if (f->next != NULL)
        f->next->prev = f->prev;
    *f->prev = f->next;
    gw_upstream_close(f->up);
    net_timer_close(f->retry);
    net_conn_close(f->conn);
    if (f->later.fn != NULL)
        net_later_cancel(&f->later);
    if (f->session != NULL) {
        f->session->client = NULL;
        if (f->session->front != NULL) {
            gw_leave(f->session);
            gw_live_over(f->session, "unsent"); /* nothing of the client's has reached the target */
        }
        gw_session_free(f->session);
    }
    scram_server_done(&f->scram);
    phi_arena_done(&f->mem);
    free(f);
}

void gw_front_close_all(struct gw_gateway *g)
{
    while (g->fronts != NULL)
        front_free(g->fronts);
}

static void write_buf(struct gw_front *f, const struct phi_buf *b)
{
    if (phi_buf_ok(b))
        net_conn_write(f->conn, phi_buf_view(b));
}

static void fatal(struct gw_front *f, const char *sqlstate, const char *why, const char *hint)
{
    PHI_BUF(b, 4096);
    struct pg_report r = { .severity = "FATAL",
                           .sqlstate = sqlstate,
                           .message = phi_view_of(why),
                           .hint = phi_view_of(hint) };
    pg_add_report(&b, 'E', &r);
    write_buf(f, &b);
    net_conn_finish(f->conn, 1000);
    f->conn = NULL;
    front_free(f);
}

/* --- the target --- */
static void up_status(struct phi_view name, struct phi_view value, void *ctx)
{
    struct gw_front *f = ctx;
    PHI_BUF(b, 1024);
    if (phi_view_is(name, "server_version"))
        snprintf(f->version, sizeof f->version, PHI_FMT, PHI_ARG(value));
    if (!gw_setting_note(f->session, name, value))
        f->version[0] = '\0'; /* refused below: the pin did not hold */
    pg_add_status(&b, name, value);
    write_buf(f, &b);
}

static void up_failed(const char *sqlstate, const char *why, void *ctx)
{
    struct gw_front *f = ctx;
    char text[500];
    f->up = NULL;
    snprintf(text, sizeof text, "phi: %s: %s", f->target->o.name, why);
    fatal(f, sqlstate, text, NULL);
}

static void up_ready(struct net_conn *conn, uint32_t pid, uint32_t key, void *ctx)
{
    struct gw_front *f = ctx;
    struct gw_session *s = f->session;
    struct phi_err err = { 0 };
    PHI_BUF(b, 64);
    f->up = NULL;
    s->server = conn;
    s->server_pid = pid;
    s->server_key = key;
    if (gw_version_check(phi_view_of(f->version), &err) != PHI_OK) {
        fatal(f, "0A000", err.msg, NULL);
        return;
    }
    pg_add_backend_key(&b, s->pid, s->key);
    pg_add_ready(&b, 'I');
    write_buf(f, &b);
    net_conn_deadline(f->conn, 0);
    f->session = NULL;
    f->conn = NULL;
    s->front = NULL;
    gw_unit_clear(&s->unit);
    front_free(f);
    gw_session_start(s);
}

static const struct gw_upstream_events up_events = {
    .on_status = up_status, .on_ready = up_ready, .on_failed = up_failed};

/* False: the front is gone. */
static bool session_make(struct gw_front *f)
{
    struct gw_session *s = gw_session_open(f->target, &f->who, f->conn);
    f->session = s;
    if (s == NULL) {
        fatal(f, "53200", "phi: out of memory", NULL);
        return false;
    }
    if (f->startup.hold_ms >= 0)
        s->hold_ms = f->startup.hold_ms;
    snprintf(s->addr, sizeof s->addr, "%s", net_conn_peer_host(f->conn));
    snprintf(s->application, sizeof s->application, PHI_FMT,
             PHI_ARG(phi_view_upto(f->startup.application, 64)));
    if (!phi_utf8_ok(phi_view_of(s->application)))
        s->application[0] = '\0'; /* cut inside a character */
    return true;
}

static void open_target(struct gw_front *f, struct gw_door *door)
{
    struct phi_view pairs[2 * (GW_STARTUP_MAX + 3)];
    struct phi_err err = { 0 };
    size_t n = f->startup.n;
    memcpy(pairs, f->startup.pairs, 2 * n * sizeof *pairs);
    const struct phi_view pinned[] = { PHI_LIT("client_encoding"),
                                       PHI_LIT("UTF8"),
                                       PHI_LIT("standard_conforming_strings"),
                                       PHI_LIT("on"),
                                       PHI_LIT("search_path"),
                                       phi_buf_view(&f->target->path_text) };
    memcpy(pairs + 2 * n, pinned, sizeof pinned);
    f->up = gw_upstream_open(door, pairs, n + 3, &up_events, f, &err);
    if (f->up == NULL)
        fatal(f, "58000", err.msg, NULL);
}

static void on_role(bool ok, const char *why, void *ctx)
{
    struct gw_front *f = ctx;
    char text[500];
    if (ok) {
        open_target(f, gw_role_door(f->session->own_role));
        return;
    }
    snprintf(text, sizeof text, "phi: %s: no role can be made for this session: %s", f->target->o.name, why);
    fatal(f, "58000", text, "the gateway's role needs CREATEROLE, and must be able to grant the roles of member_of");
}

static void go_to_target(struct gw_front *f)
{
    struct gw_target *t = f->target;
    f->phase = TARGET;
    net_conn_deadline(f->conn, SIGN_IN_MS);
    if (t->roles == NULL) {
        open_target(f, &t->door);
        return;
    }
    f->session->own_role = gw_role_make(t, f->who.ends_boot_ms - phi_now_boot_ms(), on_role, f);
    if (f->session->own_role == NULL)
        fatal(f, "53200", "phi: out of memory", NULL);
}

/* --- a connection that needs somebody's approval --- */
static void on_later(void *ctx)
{
    struct gw_front *f = ctx;
    struct gw_refusal *r = &f->session->refusal;
    if (f->go && f->phase == HELD)
        go_to_target(f);
    else if (!f->go)
        fatal(f, r->sqlstate[0] != '\0' ? r->sqlstate : "42501",
              r->message.n > 0 ? phi_buf_str(&r->message) : "phi: the right to connect has ended",
              r->hint.n > 0 ? phi_buf_str(&r->hint) : NULL);
}

void gw_front_next(struct gw_front *f, bool go)
{
    bool asked = f->later.fn != NULL;
    f->go = go;
    f->later = asked ? f->later : (struct net_later){ .fn = on_later, .ctx = f };
    net_later(f->target->gw->loop, &f->later);
}

/* Signed in, and nothing opened yet: notices are what the protocol lets a server say here. */
static void hold_connect(struct gw_front *f, const struct phi_pair *pair)
{
    struct gw_session *s = f->session;
    f->phase = HELD;
    s->front = f;
    net_conn_deadline(f->conn, 0);
    if (!gw_judge_connect(s, pair)) {
        fatal(f, "53200", "phi: out of memory", NULL);
        return;
    }
    s->state = GW_JUDGE;
    gw_event(s, EV_NEEDS);
}

/* --- may this person connect at all? --- */
static bool record_connect(struct gw_front *f, const struct phi_pair *pair)
{
    const struct gw_phid *p = &f->target->gw->phid;
    struct phi_jw w;
    PHI_BUF(actions, 1024);
    phi_jw_init(&w, &actions);
    phi_pairs_write(&w, pair, 1);
    return phi_buf_ok(&actions) &&
           p->record(p->ctx, phi_view_of(f->who.person), phi_view_of(f->target->o.name),
                     phi_view_of(f->who.credential), phi_buf_view(&actions), (struct phi_view){ 0 }, NULL);
}

static void admit(struct gw_front *f)
{
    const struct gw_phid *p = &f->target->gw->phid;
    struct phi_pair pair = { PHI_LIT("pg:connect"),
                             phi_ref_make(&f->mem, "Target", f->target->o.name, NULL) };
    struct gw_try t = { .person = phi_view_of(f->who.person),
                        .target = phi_view_of(f->target->o.name),
                        .addr = phi_view_of(net_conn_peer_host(f->conn)),
                        .application = f->startup.application,
                        .actions = &pair,
                        .n = 1 };
    char text[1200];
    PHI_BUF(why, 1000);
    PHI_BUF(policies, 16 * 1024);
    t.policies = &policies;
    switch (p->decide(p->ctx, &t, &why)) {
    case PHI_ALLOW:
        if (!record_connect(f, &pair))
            fatal(f, "58000", GW_UNRECORDED, NULL);
        else if (session_make(f))
            go_to_target(f);
        return;
    case PHI_NEEDS:
        if (session_make(f))
            hold_connect(f, &pair);
        return;
    case PHI_DENY: break;
    }
    bool kept = gw_record_deny(p, &t, phi_view_of(f->who.credential), (struct phi_view){ 0 },
                               phi_buf_view(&why));
    snprintf(text, sizeof text, "phi: %s", phi_buf_str(&why));
    fatal(f, kept ? "42501" : "58000", kept ? text : GW_UNRECORDED, NULL);
}

/* --- SCRAM --- */
static bool sasl_initial(struct phi_view body, struct phi_view *data)
{
    struct pg_rd r = { body, false };
    struct phi_view mechanism = pg_rd_str(&r);
    uint32_t len = pg_rd32(&r);
    *data = pg_rd_bytes(&r, len);
    return pg_rd_end(&r) && phi_view_is(mechanism, SCRAM_MECHANISM);
}

static void on_sasl_first(struct gw_front *f, struct phi_view body)
{
    uint8_t random[SCRAM_NONCE_RAW];
    struct phi_view data;
    struct phi_err err = { 0 };
    PHI_BUF(first, SCRAM_MAX_TEXT);
    PHI_BUF(b, 2 * SCRAM_MAX_TEXT);
    phi_random(random, sizeof random);
    if (!sasl_initial(body, &data) ||
        scram_server_first(&f->scram, data, random, &first, &err) != PHI_OK) {
        fatal(f, "08P01", "phi: malformed sign-in", NULL);
        return;
    }
    pg_add_auth(&b, 11, phi_buf_view(&first));
    write_buf(f, &b);
    f->phase = SASL_FINAL;
}

static void on_sasl_final(struct gw_front *f, struct phi_view body)
{
    struct phi_err err = { 0 };
    PHI_BUF(final, SCRAM_MAX_TEXT);
    PHI_BUF(b, 2 * SCRAM_MAX_TEXT);
    enum phi_rc rc = scram_server_final(&f->scram, body, &final, &err);
    if (rc != PHI_OK || !f->known) {
        PHI_LOG(WARN, "sign-in-failed", "from", "%s", net_conn_peer(f->conn));
        fatal(f, "28P01", "phi: the credential is unknown, has ended, or its password is wrong",
              "phi connect issues a new one");
        return;
    }
    pg_add_auth(&b, 12, phi_buf_view(&final));
    pg_add_auth(&b, 0, (struct phi_view){ 0 });
    write_buf(f, &b);
    admit(f);
}

static void sasl_begin(struct gw_front *f);

static void on_retry(void *ctx)
{
    sasl_begin(ctx);
}

/* A credential that was issued a moment ago may be known only with the next snapshot: wait for it a little. */
static bool look_up_later(struct gw_front *f)
{
    const struct gw_phid *p = &f->target->gw->phid;
    if (f->startup.credential.n == 0)
        return false;
    if (f->retries++ >= (p->hurry(p->ctx) ? AWAY_TRIES : LOOK_UP_TRIES))
        return false;
    if (f->retry == NULL)
        f->retry = net_timer_open(f->target->gw->loop, on_retry, f);
    if (f->retry == NULL)
        return false;
    f->phase = LOOK_UP;
    net_timer_set(f->retry, LOOK_UP_MS, 0);
    return true;
}

static void sasl_begin(struct gw_front *f)
{
    PHI_BUF(b, 64);
    const struct gw_phid *p = &f->target->gw->phid;
    const struct gw_startup *s = &f->startup;
    struct scram_verifier mock;
    f->known = p->signin(p->ctx, s->user, s->credential, phi_view_of(f->target->o.name), &f->who);
    if (!f->known && look_up_later(f))
        return;
    /* An unknown one goes through the same motions. */
    scram_verifier_mock(s->user,
                        phi_view_mem(f->target->gw->mock_secret, sizeof f->target->gw->mock_secret),
                        &mock);
    scram_server_init(&f->scram, f->known ? &f->who.verifier : &mock);
    pg_add_auth(&b, 10, phi_view_mem(SCRAM_MECHANISM "\0", sizeof SCRAM_MECHANISM + 1));
    write_buf(f, &b);
    f->phase = SASL_FIRST;
}

/* --- hello --- */
static void negotiate(struct gw_front *f, uint16_t minor)
{
    const struct gw_startup *s = &f->startup;
    PHI_BUF(b, 1024);
    if (minor == 0 && s->n_extensions == 0)
        return;
    size_t at = pg_begin(&b, 'v');
    phi_buf_add32(&b, 0);
    phi_buf_add32(&b, (uint32_t)s->n_extensions);
    for (size_t i = 0; i < s->n_extensions; i++)
        pg_add_str(&b, s->extensions[i]);
    pg_end(&b, at);
    write_buf(f, &b);
}

static void on_startup(struct gw_front *f, const struct pg_hello *h)
{
    const char *sqlstate = "08P01";
    struct phi_err err = { 0 };
    if (f->target->o.client_tls != NULL && !net_conn_is_tls(f->conn)) {
        fatal(f, "28000", "phi: this gateway is only served over TLS", "sslmode=verify-full");
    } else if (gw_startup_read(&f->mem, h->params, &f->startup, &sqlstate, &err) != PHI_OK) {
        fatal(f, sqlstate, err.msg, NULL);
    } else if (!phi_view_is(f->startup.database, f->target->o.name) &&
               !phi_view_is(f->startup.database, f->target->o.database)) {
        fatal(f, "3D000", "phi: this gateway port serves another database", f->target->o.name);
    } else {
        negotiate(f, h->minor);
        sasl_begin(f);
    }
}

static void on_cancel(struct gw_front *f, const struct pg_hello *h)
{
    struct gw_gateway *g = f->target->gw;
    for (struct gw_session *s = g->sessions; s != NULL; s = s->next)
        if (s->pid == h->pid && phi_secret_eq(phi_view_mem(&s->key, sizeof s->key),
                                              phi_view_mem(&h->key, sizeof h->key))) {
            gw_event(s, EV_CANCEL);
            gw_client_data(s);
            break;
        }
    front_free(f); /* closes without a word, as PostgreSQL does */
}

/* Bytes behind an SSLRequest that came before our answer: somebody puts words into the client's mouth. */
static void on_encrypt(struct gw_front *f, enum pg_hello_kind kind)
{
    bool *asked = kind == PG_HELLO_SSL ? &f->asked_ssl : &f->asked_gss;
    struct net_tls *tls = kind == PG_HELLO_SSL ? f->target->o.client_tls : NULL;
    if (*asked || net_conn_is_tls(f->conn) || net_conn_in(f->conn).n > 0) {
        front_free(f);
        return;
    }
    *asked = true;
    net_conn_write(f->conn, tls != NULL ? PHI_LIT("S") : PHI_LIT("N"));
    if (tls != NULL && net_conn_start_tls(f->conn, tls, NULL, NULL) != PHI_OK)
        front_free(f);
}

static void on_hello(struct gw_front *f)
{
    struct phi_view all = net_conn_in(f->conn), in = all;
    struct pg_hello h;
    enum phi_frame got = pg_hello_read(&in, &h);
    if (got == PHI_FRAME_MORE)
        return;
    if (got == PHI_FRAME_BAD) {
        fatal(f, "08P01", "phi: malformed startup packet", NULL);
        return;
    }
    struct phi_view params = h.params;
    if (h.kind == PG_HELLO_STARTUP)
        h.params = phi_arena_copy(&f->mem, params);
    net_conn_take(f->conn, all.n - in.n);
    switch (h.kind) {
    case PG_HELLO_STARTUP: on_startup(f, &h); break;
    case PG_HELLO_CANCEL: on_cancel(f, &h); break;
    case PG_HELLO_SSL:
    case PG_HELLO_GSS: on_encrypt(f, h.kind); break;
    }
}

static void front_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct gw_front *f = ctx;
    uint8_t type = 0, copy[SCRAM_MAX_TEXT];
    struct phi_view body, all = in;
    if (f->phase == TARGET || f->phase == LOOK_UP || f->phase == HELD)
        return; /* what is sent ahead waits */
    if (f->phase == HELLO) {
        on_hello(f);
        return;
    }
    enum phi_frame got = pg_frame(&in, sizeof copy, &type, &body);
    if (got == PHI_FRAME_MORE)
        return;
    if (got == PHI_FRAME_BAD || type != 'p') {
        fatal(f, "08P01", "phi: unexpected message while signing in", NULL);
        return;
    }
    memcpy(copy, body.p, body.n);
    net_conn_take(c, all.n - in.n);
    if (f->phase == SASL_FIRST)
        on_sasl_first(f, phi_view_mem(copy, body.n));
    else
        on_sasl_final(f, phi_view_mem(copy, body.n));
}

static void front_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    struct gw_front *f = ctx;
    (void)c;
    (void)why;
    f->conn = NULL;
    front_free(f);
}

static const struct net_conn_events front_events = { .on_data = front_data,
                                                     .on_closed = front_closed };

void gw_front_accept(struct net_conn *conn, void *target)
{
    struct gw_target *t = target;
    struct gw_front *f = calloc(1, sizeof *f);
    if (f == NULL || t->gw->draining) {
        free(f);
        net_conn_close(conn);
        return;
    }
    *f =
        (struct gw_front){ .target = t, .conn = conn, .next = t->gw->fronts, .prev = &t->gw->fronts };
    if (f->next != NULL)
        f->next->prev = &f->next;
    t->gw->fronts = f;
    phi_arena_init(&f->mem, 256 * 1024);
    net_conn_bind(conn, &front_events, f);
    net_conn_deadline(conn, SIGN_IN_MS);
}
