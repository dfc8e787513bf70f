#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "gateway/upstream.h"
#include "wire/pg.h"

#define MAX_ROW (8 * 1024 * 1024)

struct job {
    struct job *next;
    struct phi_buf sql; /* a Query message */
    gw_row_fn row;
    gw_done_fn done;
    void *ctx;
    bool sent, failed;
    char why[200];
};

struct gw_super {
    struct gw_door *door;
    struct gw_upstream *up;
    struct net_conn *conn;
    struct job *head, **tail;
    char version[32];
};

static void finish(struct gw_super *s, bool ok, const char *why)
{
    struct job *j = s->head;
    s->head = j->next;
    if (s->head == NULL)
        s->tail = &s->head;
    j->done(ok && !j->failed, j->failed ? j->why : why, j->ctx);
    phi_buf_done(&j->sql);
    free(j);
}

static void fail_all(struct gw_super *s, const char *why)
{
    /* Only those that wait now: a callback may ask again, and that one shall connect anew. */
    struct job *last = s->head;
    while (last != NULL && last->next != NULL)
        last = last->next;
    while (s->head != NULL) {
        bool end = s->head == last;
        finish(s, false, why);
        if (end)
            break;
    }
}

static void pump(struct gw_super *s);

static void super_status(struct phi_view name, struct phi_view value, void *ctx)
{
    struct gw_super *s = ctx;
    if (phi_view_is(name, "server_version"))
        snprintf(s->version, sizeof s->version, PHI_FMT, PHI_ARG(value));
}

static void super_row(struct gw_super *s, struct phi_view body)
{
    struct phi_view cols[GW_MAX_COLS], params;
    struct pg_rd r = { body, false };
    size_t n = pg_rd16(&r);
    params = r.v;
    if (n > GW_MAX_COLS || r.bad) {
        s->head->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        bool null = false;
        if (!pg_value_next(&params, &null, &cols[i])) {
            s->head->failed = true;
            return;
        }
        if (!null && cols[i].p == NULL)
            cols[i].p = (const uint8_t *)"";
    }
    if (s->head->row != NULL && !s->head->failed)
        s->head->row(cols, n, s->head->ctx);
}

static void super_message(struct gw_super *s, uint8_t type, struct phi_view body)
{
    if (s->head == NULL || !s->head->sent)
        return;
    if (type == 'D') {
        super_row(s, body);
    } else if (type == 'E') {
        s->head->failed = true;
        snprintf(s->head->why, sizeof s->head->why, PHI_FMT, PHI_ARG(pg_field(body, 'M')));
    } else if (type == 'Z') {
        finish(s, true, "");
        pump(s);
    }
}

static void super_data(struct net_conn *c, struct phi_view in, void *ctx)
{
    struct gw_super *s = ctx;
    (void)in;
    while (s->conn == c) {
        uint8_t type = 0;
        struct phi_view all = net_conn_in(c), rest = all, body;
        enum phi_frame f = pg_frame(&rest, MAX_ROW, &type, &body);
        if (f == PHI_FRAME_MORE)
            return;
        if (f == PHI_FRAME_BAD) {
            net_conn_close(c);
            s->conn = NULL;
            fail_all(s, "the target broke the protocol");
            return;
        }
        super_message(s, type, body);
        if (s->conn == c)
            net_conn_take(c, all.n - rest.n);
    }
}

static void super_closed(struct net_conn *c, const struct phi_err *why, void *ctx)
{
    struct gw_super *s = ctx;
    (void)c;
    s->conn = NULL;
    fail_all(s, why->rc == PHI_OK ? "the target closed the connection" : why->msg);
    pump(s);
}

static const struct net_conn_events super_conn = { .on_data = super_data, .on_closed = super_closed };

static void super_ready(struct net_conn *conn, uint32_t pid, uint32_t key, void *ctx)
{
    struct gw_super *s = ctx;
    (void)pid;
    (void)key;
    s->up = NULL;
    s->conn = conn;
    net_conn_bind(conn, &super_conn, s);
    pump(s);
}

static void super_failed(const char *sqlstate, const char *why, void *ctx)
{
    struct gw_super *s = ctx;
    (void)sqlstate;
    s->up = NULL;
    fail_all(s, why);
    pump(s);
}

static const struct gw_upstream_events super_up = {
    .on_status = super_status, .on_ready = super_ready, .on_failed = super_failed};

static void super_connect(struct gw_super *s)
{
    static const char *const fixed[] = { "application_name",
                                         "phi-gateway",
                                         "client_encoding",
                                         "UTF8",
                                         "search_path",
                                         "pg_catalog, pg_temp",
                                         "standard_conforming_strings",
                                         "on" };
    struct phi_view pairs[sizeof fixed / sizeof *fixed];
    struct phi_err err = { 0 };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        pairs[i] = phi_view_of(fixed[i]);
    s->up = gw_upstream_open(s->door, pairs, sizeof fixed / sizeof *fixed / 2, &super_up, s, &err);
    if (s->up == NULL)
        fail_all(s, err.msg);
}

static void pump(struct gw_super *s)
{
    if (s->head == NULL || s->head->sent)
        return;
    if (s->conn != NULL) {
        s->head->sent = true;
        net_conn_write(s->conn, phi_buf_view(&s->head->sql));
    } else if (s->up == NULL) {
        super_connect(s);
    }
}

struct gw_super *gw_super_open(struct gw_door *door)
{
    struct gw_super *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->door = door;
        s->tail = &s->head;
    }
    return s;
}

void gw_super_close(struct gw_super *s)
{
    if (s == NULL)
        return;
    gw_upstream_close(s->up);
    net_conn_close(s->conn);
    s->up = NULL;
    s->conn = NULL;
    fail_all(s, "the gateway is closing");
    while (s->head != NULL)
        finish(s, false, "the gateway is closing");
    free(s);
}

void gw_super_run(struct gw_super *s, struct phi_view sql, gw_row_fn row, gw_done_fn done,
                  void *ctx)
{
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL) {
        done(false, "out of memory", ctx);
        return;
    }
    *j = (struct job){ .row = row, .done = done, .ctx = ctx };
    phi_buf_init(&j->sql, 1024 * 1024);
    pg_add_query(&j->sql, sql);
    *s->tail = j;
    s->tail = &j->next;
    pump(s);
}

const char *gw_super_version(const struct gw_super *s)
{
    return s->version;
}
