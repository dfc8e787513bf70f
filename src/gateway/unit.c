/* Collects a client's messages into units: a Query, or everything up to Sync or Flush. A unit is decided as a whole. */
#include <stdlib.h>
#include <string.h>

#include "gateway/session.h"

#define REST_LIMIT (512 * 1024) /* bytes a client may send ahead while it waits */

void gw_unit_init(struct gw_unit *u)
{
    memset(u, 0, sizeof *u);
    phi_buf_init(&u->bytes, PHI_MAX_HELD_BATCH);
    phi_arena_init(&u->mem, 4 * PHI_MAX_HELD_BATCH);
}

void gw_unit_clear(struct gw_unit *u)
{
    for (size_t i = 0; i < u->n; i++) {
        gw_stmt_drop(u->ops[i].stmt);
        gw_portal_drop(u->ops[i].portal);
    }
    phi_arena_done(&u->mem);
    memset(&u->n, 0, sizeof *u - offsetof(struct gw_unit, n));
    phi_buf_clear(&u->bytes);
}

void gw_unit_done(struct gw_unit *u)
{
    gw_unit_clear(u);
    phi_buf_done(&u->bytes);
    free(u->ops);
    u->ops = NULL;
}

bool gw_unit_add(struct gw_unit *u, struct gw_op op)
{
    if (u->n == u->cap) {
        size_t cap = u->cap == 0 ? 16 : 2 * u->cap;
        struct gw_op *more = cap > 2 * GW_MAX_OPS ? NULL : realloc(u->ops, cap * sizeof *more);
        if (more == NULL) {
            gw_stmt_drop(op.stmt);
            gw_portal_drop(op.portal);
            return false;
        }
        u->ops = more;
        u->cap = cap;
    }
    u->ops[u->n++] = op;
    if (op.type == 'P' || op.type == 'C')
        u->defs++;
    return true;
}

static bool add_op(struct gw_session *s, struct gw_op op)
{
    return gw_unit_add(&s->unit, op);
}

static bool too_much(struct gw_session *s)
{
    gw_kill(s, "54000",
            "phi: more prepared statements, portals or messages than one session may hold");
    return false;
}

/* What is refused here is refused as soon as its unit is whole: the client must be able to find its place again. */
static void broken(struct gw_session *s, const char *sqlstate, const char *what,
                   struct phi_view name, const char *text)
{
    if (s->unit.broken)
        return;
    s->unit.broken = true;
    PHI_BUF(shown, 300);
    phi_text_escape(&shown, phi_view_upto(name, 100), false);
    gw_refuse_with(s, sqlstate, "%s%s%s%s%s", what, name.n > 0 ? " \"" : "", phi_buf_str(&shown),
                   name.n > 0 ? "\" " : " ", text);
}

static bool on_query(struct gw_session *s, struct phi_view body)
{
    struct phi_view sql;
    if (!pg_query_read(body, &sql))
        return false;
    struct gw_stmt *st = gw_stmt_new(s, (struct phi_view){ 0 }, sql, (struct phi_view){ 0 });
    s->unit.simple = true;
    return st == NULL ? too_much(s)
                      : add_op(s, (struct gw_op){ .type = 'Q', .stmt = st }) || too_much(s);
}

static bool on_parse(struct gw_session *s, struct phi_view body)
{
    struct pg_parse p;
    if (!pg_parse_read(body, &p))
        return false;
    struct gw_stmt *st = gw_stmt_new(s, p.name, p.sql, p.types);
    return st == NULL ? too_much(s)
                      : add_op(s, (struct gw_op){ .type = 'P', .stmt = st }) || too_much(s);
}

static bool on_bind(struct gw_session *s, struct phi_view body)
{
    struct pg_bind b;
    if (!pg_bind_read(body, &b))
        return false;
    struct gw_stmt *st = gw_find_stmt(s, b.stmt);
    if (st == NULL) {
        broken(s, "26000", "prepared statement", b.stmt,
               "does not exist, or was not made through the gateway");
        return true;
    }
    struct gw_portal *p = gw_portal_new(s, b.portal, body, st);
    if (p == NULL)
        return too_much(s);
    st->refs++;
    return add_op(s, (struct gw_op){ .type = 'B', .stmt = st, .portal = p }) || too_much(s);
}

static bool on_execute(struct gw_session *s, struct phi_view body)
{
    struct pg_execute e;
    if (!pg_execute_read(body, &e))
        return false;
    struct gw_portal *p = s->unit.broken ? NULL : gw_find_portal(s, e.portal);
    if (p == NULL) {
        broken(s, "34000", "portal", e.portal,
               "does not exist, or was not made through the gateway");
        return true;
    }
    p->refs++;
    return add_op(s, (struct gw_op){ .type = 'E', .portal = p, .max_rows = e.max_rows }) ||
           too_much(s);
}

static bool on_object(struct gw_session *s, uint8_t type, struct phi_view body)
{
    struct pg_object o;
    if (!pg_object_read(body, &o))
        return false;
    struct gw_op op = { .type = type, .kind = o.kind };
    if (type == 'C') {
        op.stmt = gw_stmt_new(s, o.name, (struct phi_view){ 0 }, (struct phi_view){ 0 });
        if (op.stmt == NULL)
            return too_much(s);
    }
    return add_op(s, op) || too_much(s);
}

/* One message into the unit. False: malformed, or the session is over. */
static bool collect(struct gw_session *s, uint8_t type, struct phi_view body, bool *whole)
{
    switch (type) {
    case 'Q': *whole = true; return on_query(s, body);
    case 'P': return on_parse(s, body);
    case 'B': return on_bind(s, body);
    case 'E': return on_execute(s, body);
    case 'D':
    case 'C': return on_object(s, type, body);
    case 'S':
    case 'H':
        *whole = true;
        s->unit.flush = type == 'H';
        return body.n == 0 && (add_op(s, (struct gw_op){ .type = type }) || too_much(s));
    case 'F':
        *whole = true;
        s->unit.simple = true; /* its answer ends with ReadyForQuery like a Query's */
        broken(s, "0A000", "phi: the function call message", (struct phi_view){ 0 }, "is not served");
        return true;
    default: return false;
    }
}

/* A Query or FunctionCall may not stand behind unsynchronised messages: what they do together is one unit. */
static bool mixed(const struct gw_session *s, uint8_t type)
{
    return (type == 'Q' || type == 'F') && (s->unit.n > 0 || s->unit.broken);
}

static void on_message(struct gw_session *s, uint8_t type, struct phi_view body,
                       struct phi_view message)
{
    bool whole = false;
    if (type == 'X') {
        gw_event(s, EV_GONE);
        return;
    }
    if (type == 'd' || type == 'c' || type == 'f')
        return; /* late data of a COPY that failed: PostgreSQL ignores it too */
    if (s->skip_to_sync && type != 'S')
        return;
    s->skip_to_sync = false;
    if (mixed(s, type) || !collect(s, type, body, &whole)) {
        if (!s->closing && s->state != GW_DEAD && s->state != GW_CUT)
            gw_kill(s, "08P01", "phi: malformed or unexpected protocol message");
        return;
    }
    if (s->state != GW_IDLE)
        return;
    phi_buf_add(&s->unit.bytes, message);
    if (!phi_buf_ok(&s->unit.bytes)) {
        gw_kill(s, "54000", "phi: a batch of messages is larger than the gateway holds (4 MB)");
        return;
    }
    if (whole)
        gw_event(s, EV_UNIT);
}

/* --- COPY … FROM STDIN: messages stream through --- */
static bool copy_forward(struct gw_session *s, struct phi_view bytes)
{
    return gw_rights_hold(s) && gw_to_server(s, bytes);
}

/* True: go on looking. */
static bool copy_data(struct gw_session *s, struct phi_view in)
{
    uint8_t type = 0;
    size_t len = 0;
    enum phi_frame f = pg_frame_head(in, PHI_MAX_PG_MESSAGE, &type, &len);
    if (f == PHI_FRAME_MORE)
        return false;
    bool data = type == 'd', end = type == 'c' || type == 'f';
    bool sync = type == 'S' && s->copy_extended, flush = type == 'H' && s->copy_extended;
    if (f == PHI_FRAME_READY && type == 'X') {
        gw_event(s, EV_GONE);
        return false;
    }
    if (s->copy_ended && !sync && !flush)
        return false; /* the next unit waits for this one's end */
    if (f == PHI_FRAME_BAD || (!data && !end && !sync && !flush)) {
        gw_kill(s, "08P01", "phi: unexpected protocol message during COPY");
        return false;
    }
    if (in.n < PG_HEAD + len && in.n < GW_HIGH_WATER / 4)
        return false;
    if (data && !gw_live_meter(s, 0, (int64_t)len))
        return false;
    size_t now = in.n < PG_HEAD + len ? in.n : PG_HEAD + len;
    s->copy_pass = PG_HEAD + len - now;
    if (end)
        s->copy_ended = true;
    bool ok = copy_forward(s, phi_view_upto(in, now));
    if (ok && s->client != NULL)
        net_conn_take(s->client, now);
    return ok;
}

static bool copy_rest(struct gw_session *s, struct phi_view in)
{
    size_t now = in.n < s->copy_pass ? in.n : s->copy_pass;
    s->copy_pass -= now;
    bool ok = copy_forward(s, phi_view_upto(in, now));
    if (ok && s->client != NULL)
        net_conn_take(s->client, now);
    return ok;
}

/* Nothing can be taken now; still notice a client that says good-bye, and do not let it fill our memory. */
static void wait_data(struct gw_session *s, struct phi_view in)
{
    uint8_t type = 0;
    size_t len = 0;
    if (pg_frame_head(in, PHI_MAX_PG_MESSAGE, &type, &len) == PHI_FRAME_READY && type == 'X')
        gw_event(s, EV_GONE);
    else if (in.n > REST_LIMIT)
        net_conn_pause(s->client);
}

static bool idle_data(struct gw_session *s, struct phi_view in)
{
    uint8_t type = 0;
    struct phi_view body, rest = in;
    enum phi_frame f = pg_frame(&rest, PHI_MAX_HELD_BATCH, &type, &body);
    if (f == PHI_FRAME_MORE)
        return false;
    if (f == PHI_FRAME_BAD) {
        gw_kill(s, "08P01",
                "phi: a protocol message is malformed or larger than the gateway holds (4 MB)");
        return false;
    }
    on_message(s, type, body, phi_view_upto(in, in.n - rest.n));
    if (s->client != NULL)
        net_conn_take(s->client, in.n - rest.n);
    return true;
}

void gw_client_data(struct gw_session *s)
{
    if (s->stepping)
        return; /* the loop below is running further up the stack */
    s->stepping = true;
    bool more = true;
    while (more && s->client != NULL && !s->closing) {
        struct phi_view in = net_conn_in(s->client);
        if (in.n == 0)
            break;
        if (s->state == GW_COPY) {
            more = s->copy_pass > 0 ? copy_rest(s, in) : copy_data(s, in);
        } else if (s->state == GW_IDLE) {
            more = idle_data(s, in);
        } else {
            wait_data(s, in);
            more = false;
        }
    }
    s->stepping = false;
}
