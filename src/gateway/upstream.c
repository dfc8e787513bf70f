#include "gateway/upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "wire/pg.h"

#define MAX_SIGN_IN (64 * 1024) /* nothing a server says before it is ready is longer */

enum phase { CONNECT, TLS_ANSWER, AUTH, SASL_FIRST, SASL_FINAL, SETTLE };

struct gw_upstream {
    struct gw_door *door;
    const struct gw_upstream_events *ev;
    void *ctx;
    struct net_conn *conn;
    enum phase phase;
    struct phi_buf startup;
    struct scram_client scram;
    uint32_t pid, key;
};

static void upstream_free(struct gw_upstream *u)
{
    phi_buf_done(&u->startup);
    scram_client_done(&u->scram);
    free(u);
}

void gw_upstream_close(struct gw_upstream *u)
{
    if (u == NULL)
        return;
    net_conn_close(u->conn);
    upstream_free(u);
}

static void fail(struct gw_upstream *u, const char *sqlstate, const char *fmt, struct phi_view what)
{
    char why[400];
    PHI_BUF(text, sizeof why - 1);
    phi_buf_adds(&text, fmt);
    phi_buf_add(&text, phi_view_upto(what, sizeof why - 1 - text.n));
    snprintf(why, sizeof why, "%s", phi_buf_str(&text));
    const struct gw_upstream_events *ev = u->ev;
    void *ctx = u->ctx;
    gw_upstream_close(u);
    ev->on_failed(sqlstate, why, ctx);
}

static void send_startup(struct gw_upstream *u)
{
    u->phase = AUTH;
    net_conn_write(u->conn, phi_buf_view(&u->startup));
}

static void send_sasl_initial(struct gw_upstream *u)
{
    uint8_t random[SCRAM_NONCE_RAW];
    PHI_BUF(first, SCRAM_MAX_TEXT);
    PHI_BUF(out, 2 * SCRAM_MAX_TEXT);
    phi_random(random, sizeof random);
    scram_client_first(&u->scram, random, &first);
    size_t at = pg_begin(&out, 'p');
    pg_add_str(&out, PHI_LIT(SCRAM_MECHANISM));
    phi_buf_add32(&out, (uint32_t)first.n);
    phi_buf_add(&out, phi_buf_view(&first));
    pg_end(&out, at);
    u->phase = SASL_FIRST;
    net_conn_write(u->conn, phi_buf_view(&out));
}

static bool offers_scram(struct phi_view list)
{
    struct pg_rd r = { list, false };
    for (;;) {
        struct phi_view name = pg_rd_str(&r);
        if (r.bad || name.n == 0)
            return false;
        if (phi_view_is(name, SCRAM_MECHANISM))
            return true;
    }
}

/* Methods that would hand the password itself, or something as good, to whoever answers are refused. */
static bool on_auth_new(struct gw_upstream *u, uint32_t code, struct phi_view data)
{
    if (code == 0) {
        u->phase = SETTLE;
        return true;
    }
    if (code == 10 && offers_scram(data) && u->door->password.n > 0) {
        send_sasl_initial(u);
        return true;
    }
    if (code == 10)
        fail(u, "28P01", "the target wants a password, and none is configured",
             (struct phi_view){ 0 });
    else
        fail(u, "28000",
             "the target asks for a sign-in method that the gateway does not use (only trust and "
             "SCRAM-SHA-256)",
             (struct phi_view){ 0 });
    return false;
}

static bool on_sasl(struct gw_upstream *u, uint32_t code, struct phi_view data)
{
    struct phi_err err = { 0 };
    PHI_BUF(out, SCRAM_MAX_TEXT);
    if (u->phase == SASL_FIRST && code == 11) {
        enum phi_rc rc =
            scram_client_final(&u->scram, data, u->door->password, &u->door->keys, &out, &err);
        if (rc == PHI_OK) {
            PHI_BUF(msg, 2 * SCRAM_MAX_TEXT);
            pg_add_body(&msg, 'p', phi_buf_view(&out));
            u->phase = SASL_FINAL;
            return net_conn_write(u->conn, phi_buf_view(&msg));
        }
    } else if (u->phase == SASL_FINAL && code == 12) {
        if (scram_client_verify(&u->scram, data, &err) == PHI_OK) {
            u->phase = AUTH; /* AuthenticationOk must follow */
            return true;
        }
    } else {
        snprintf(err.msg, sizeof err.msg, "unexpected sign-in message of the target");
    }
    fail(u, "28000", "", phi_view_of(err.msg));
    return false;
}

static bool on_auth(struct gw_upstream *u, struct phi_view body)
{
    struct pg_rd r = { body, false };
    uint32_t code = pg_rd32(&r);
    bool after_sasl = u->scram.step == 3;
    if (r.bad || u->phase == SETTLE || (after_sasl && code != 0)) {
        fail(u, "08P01", "malformed sign-in message of the target", (struct phi_view){ 0 });
        return false;
    }
    return u->phase == AUTH ? on_auth_new(u, code, r.v) : on_sasl(u, code, r.v);
}

static bool on_ready(struct gw_upstream *u)
{
    const struct gw_upstream_events *ev = u->ev;
    void *ctx = u->ctx;
    struct net_conn *conn = u->conn;
    uint32_t pid = u->pid, key = u->key;
    net_conn_deadline(conn, 0);
    upstream_free(u);
    ev->on_ready(conn, pid, key, ctx);
    return false;
}

/* False: `u` is gone. */
static bool on_message(struct gw_upstream *u, uint8_t type, struct phi_view body)
{
    struct phi_view name, value;
    struct pg_rd r = { body, false };
    switch (type) {
    case 'R': return on_auth(u, body);
    case 'E': fail(u, "08004", "the target refused: ", pg_field(body, 'M')); return false;
    case 'S':
        if (u->phase == SETTLE && pg_status_read(body, &name, &value)) {
            if (u->ev->on_status != NULL)
                u->ev->on_status(name, value, u->ctx);
            return true;
        }
        break;
    case 'K':
        u->pid = pg_rd32(&r);
        u->key = pg_rd32(&r);
        if (u->phase == SETTLE && pg_rd_end(&r))
            return true;
        break;
    case 'N': return true;
    case 'Z':
        if (u->phase == SETTLE && u->pid != 0)
            return true; /* the caller of this function hands over */
        break;
    default: break;
    }
    fail(u, "08P01", "unexpected message of the target while signing in", (struct phi_view){ 0 });
    return false;
}

static bool on_tls_answer(struct gw_upstream *u, struct net_conn *c, struct phi_view in)
{
    struct phi_err err = { 0 };
    if (in.n != 1 || in.p[0] != 'S') {
        fail(u, "08001", "the target does not speak TLS, and the gateway does not fall back",
             (struct phi_view){ 0 });
        return false;
    }
    net_conn_take(c, 1);
    if (net_conn_start_tls(c, u->door->tls, u->door->host, &err) != PHI_OK) {
        fail(u, "08001", "TLS with the target: ", phi_view_of(err.msg));
        return false;
    }
    return true;
}

static void on_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct gw_upstream *u = ctx;
    if (u->phase == TLS_ANSWER) {
        on_tls_answer(u, c, in);
        return;
    }
    for (;;) {
        uint8_t type = 0;
        struct phi_view body, all = net_conn_in(c), rest = all;
        enum phi_frame f = pg_frame(&rest, MAX_SIGN_IN, &type, &body);
        if (f == PHI_FRAME_MORE)
            return;
        if (f == PHI_FRAME_BAD) {
            fail(u, "08P01", "the target does not speak PostgreSQL's protocol",
                 (struct phi_view){ 0 });
            return;
        }
        bool alive = on_message(u, type, body);
        if (!alive)
            return;
        net_conn_take(c, all.n - rest.n);
        if (type == 'Z') {
            on_ready(u);
            return;
        }
    }
}

static void on_open(struct net_conn *c, void *ctx)
{
    struct gw_upstream *u = ctx;
    if (u->door->tls == NULL || net_conn_is_tls(c)) {
        send_startup(u);
        return;
    }
    PHI_BUF(b, 16);
    pg_add_ssl_request(&b);
    u->phase = TLS_ANSWER;
    net_conn_write(c, phi_buf_view(&b));
}

static void on_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    struct gw_upstream *u = ctx;
    (void)c;
    u->conn = NULL;
    fail(u, "08001", "the target cannot be reached: ",
         phi_view_of(why->rc == PHI_OK ? "it closed the connection" : why->msg));
}

static const struct net_conn_events upstream_conn = {
    .on_open = on_open, .on_data = on_data, .on_closed = on_closed};

#define MAX_PAIRS 24

struct gw_upstream *gw_upstream_open(struct gw_door *door, const struct phi_view *pairs, size_t n,
                                     const struct gw_upstream_events *ev, void *ctx,
                                     struct phi_err *err)
{
    struct phi_view all[2 * MAX_PAIRS];
    struct gw_upstream *u = calloc(1, sizeof *u);
    if (u == NULL || n + 2 > MAX_PAIRS) {
        free(u);
        phi_fail(err, PHI_ELIMIT, "out of memory, or too many startup parameters");
        return NULL;
    }
    *u = (struct gw_upstream){ .door = door, .ev = ev, .ctx = ctx };
    phi_buf_init(&u->startup, PG_MAX_STARTUP);
    scram_client_init(&u->scram);
    all[0] = PHI_LIT("user");
    all[1] = phi_view_of(door->user);
    all[2] = PHI_LIT("database");
    all[3] = phi_view_of(door->database);
    memcpy(all + 4, pairs, 2 * n * sizeof *pairs);
    pg_add_startup(&u->startup, all, n + 2);
    struct net_connect_opts o = {
        .address = door->address,
        .deadline_ms = 10000,
        .limits = { .max_in = 2 * 1024 * 1024, .max_out = PHI_MAX_HELD_BATCH + 65536 }
    };
    if (!phi_buf_ok(&u->startup))
        phi_fail(err, PHI_ELIMIT, "startup parameters are too long");
    else if (net_connect(door->loop, &o, &upstream_conn, u, &u->conn, err) == PHI_OK)
        return u;
    upstream_free(u);
    return NULL;
}

/* --- a cancel: connect, send, let the server close --- */
struct cancel {
    uint32_t pid, key;
    struct net_tls *tls;
    const char *host;
    bool asked;
};

static void cancel_send(struct net_conn *c, struct cancel *k)
{
    PHI_BUF(b, 32);
    pg_add_cancel(&b, k->pid, k->key);
    net_conn_write(c, phi_buf_view(&b));
}

static void cancel_open(struct net_conn *c, void *ctx)
{
    struct cancel *k = ctx;
    PHI_BUF(b, 16);
    if (k->tls == NULL || net_conn_is_tls(c)) {
        cancel_send(c, k);
        return;
    }
    pg_add_ssl_request(&b);
    net_conn_write(c, phi_buf_view(&b));
}

static void cancel_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct cancel *k = ctx;
    bool tls = in.n == 1 && in.p[0] == 'S' && !k->asked && k->tls != NULL;
    net_conn_take(c, in.n);
    k->asked = true;
    if (!tls || net_conn_start_tls(c, k->tls, k->host, NULL) != PHI_OK) {
        net_conn_close(c);
        free(k);
    }
}

static void cancel_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    (void)c;
    (void)why;
    free(ctx);
}

static const struct net_conn_events cancel_conn = {
    .on_open = cancel_open, .on_data = cancel_data, .on_closed = cancel_closed};

void gw_send_cancel(struct gw_door *door, uint32_t pid, uint32_t key)
{
    struct cancel *k = calloc(1, sizeof *k);
    struct net_conn *conn;
    struct net_connect_opts o = { .address = door->address, .deadline_ms = 5000 };
    if (k == NULL)
        return; /* terminating follows anyway where it matters */
    *k = (struct cancel){ .pid = pid, .key = key, .tls = door->tls, .host = door->host };
    if (net_connect(door->loop, &o, &cancel_conn, k, &conn, NULL) != PHI_OK)
        free(k);
}
