/* Between gateway and target: forwarding a decided unit, refusing in the target, and streaming the answer. */
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "gateway/session.h"

#define MAX_WHOLE (1024 * 1024) /* messages that are looked at must fit into this */

bool gw_rights_hold(struct gw_session *s)
{
    if (s->n_live == 0)
        return true;
    int64_t now = phi_now_boot_ms();
    for (size_t i = 0; i < s->n_live; i++)
        if (now >= s->live[i].ends_boot_ms) {
            gw_event(s, EV_END);
            return false;
        }
    return true;
}

/* --- forwarding --- */
static bool only_parses(const struct gw_unit *u)
{
    return u->flush && !u->runs;
}

static void before_forward(struct gw_session *s)
{
    struct gw_unit *u = &s->unit;
    bool harmless = (u->flags & GW_SQL_HARMLESS) || !u->runs;
    s->failed = s->failed && s->open; /* the Sync that follows a failed Flush makes nothing good */
    s->tag[0] = '\0';
    s->rows = -1;
    s->copy_ended = false;
    s->acc_begins = (s->acc_begins || !s->acc_runs) && (u->only_begins || !u->runs);
    s->acc_runs = s->acc_runs || u->runs;
    s->dirty = s->dirty || !harmless;
    s->pin_due = s->pin_due || !harmless;
    s->txn_dirty = s->txn_dirty || !harmless;
    if (u->runs && (u->flags & (GW_SQL_DDL | GW_SQL_ADMIN)))
        s->txn_ddl = true;
    for (size_t i = 0; i < u->n; i++)
        if (u->ops[i].type == 'B')
            u->ops[i].portal->live = u->live;
    for (struct gw_named *n = u->named; n != NULL; n = n->next)
        gw_maps_sql(s, n->st, n->text, n->alone);
    struct gw_live *l = gw_live_find(s, u->live);
    if (l != NULL && (u->flags & GW_SQL_HELD_CURSOR))
        l->keeps = true;
}

void gw_forward(struct gw_session *s)
{
    struct gw_unit *u = &s->unit;
    struct phi_view bytes = phi_buf_view(&u->bytes);
    gw_wait_clear(s);
    if (!gw_rights_hold(s))
        return;
    if (s->front != NULL) {
        gw_front_next(s->front, true);
        return;
    }
    before_forward(s);
    if (!gw_flight_add(s, u)) {
        gw_kill(s, "53200", "phi: out of memory");
        return;
    }
    gw_deadline_set(s);
    /* Parse and Describe alone: a Sync of ours closes what the target would keep open outside a transaction, and
     * changes nothing inside one, which thereby stays as clean as it was. */
    if (only_parses(u) && !s->open) {
        PHI_BUF(sync, 16);
        pg_add_empty(&sync, 'S');
        s->own = GW_OWN_SYNC;
        gw_to_server(s, phi_view_upto(bytes, bytes.n - PG_HEAD));
        gw_to_server(s, phi_buf_view(&sync));
        return;
    }
    gw_to_server(s, bytes);
    if (u->flush) {
        s->open = true;
        gw_event(s, EV_FLUSHED);
    }
}

void gw_probe(struct gw_session *s)
{
    PHI_BUF(b, 16);
    if (s->front != NULL || s->open) { /* nothing opens before admission; a Sync would end what is open; bytes of a living connection came a moment ago */
        gw_event(s, EV_ALIVE);
        return;
    }
    pg_add_empty(&b, 'S');
    s->own = GW_OWN_PROBE;
    gw_to_server(s, phi_buf_view(&b));
}

/* Nothing of the client's is under way while it is held, so the answer can be told apart, whatever is sent behind it. */
bool gw_ahead_probe(struct gw_session *s)
{
    PHI_BUF(b, 16);
    if (s->front != NULL || s->open)
        return false;
    if (s->ahead_probe)
        return true;
    pg_add_empty(&b, 'S');
    s->ahead_probe = gw_to_server(s, phi_buf_view(&b));
    return true;
}

/* --- refusing --- */
static void report_refusal(struct gw_session *s, struct phi_buf *b)
{
    struct gw_refusal *f = &s->refusal;
    struct pg_report r = { .severity = "ERROR",
                           .sqlstate = f->sqlstate,
                           .message = phi_buf_view(&f->message),
                           .hint = phi_buf_view(&f->hint),
                           .position = f->position };
    pg_add_report(b, 'E', &r);
}

static void refuse_here(struct gw_session *s)
{
    PHI_BUF(b, 16 * 1024);
    report_refusal(s, &b);
    if (!s->unit.flush)
        pg_add_ready(&b, 'I');
    s->skip_to_sync = s->unit.flush;
    gw_to_client(s, phi_buf_view(&b));
    gw_event(s, s->unit.flush ? EV_FLUSHED : EV_READY);
}

/* Inside a transaction the target must fail as well, or it would stay open and could be committed. */
static void refuse_there(struct gw_session *s)
{
    PHI_BUF(b, 128);
    pg_add_execute(&b, phi_view_of(s->portal_name), 0);
    pg_add_empty(&b, s->unit.flush ? 'H' : 'S');
    s->refusing = true;
    gw_to_server(s, phi_buf_view(&b));
    if (s->unit.flush) {
        s->open = true;
        s->skip_to_sync = true;
        gw_event(s, EV_FLUSHED);
    }
}

void gw_refuse(struct gw_session *s)
{
    gw_wait_clear(s);
    if (s->front != NULL) {
        gw_front_next(s->front, false);
        return;
    }
    if (!gw_rights_hold(s))
        return;
    if (s->txn == 'I' && !s->open)
        refuse_here(s);
    else
        refuse_there(s);
}

static bool names_our_portal(const struct gw_session *s, struct phi_view body)
{
    struct phi_view m = pg_field(body, 'M');
    return s->refusing && phi_view_is(pg_field(body, 'C'), "34000") && m.n > 0 &&
           memmem(m.p, m.n, s->portal_name, strlen(s->portal_name)) != NULL;
}

/* --- a query of our own: the pinned settings, and which prepared statements the target really has --- */
void gw_own_query(struct gw_session *s)
{
    PHI_BUF(sql, 4096);
    PHI_BUF(b, 8192);
    phi_buf_adds(&sql, "SELECT pg_catalog.set_config('search_path', '");
    struct phi_view path = phi_buf_view(&s->target->path_text);
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] == '\'')
            phi_buf_addc(&sql, '\'');
        phi_buf_addc(&sql, path.p[i]);
    }
    phi_buf_adds(
        &sql, "', false), pg_catalog.current_setting('role'); "
              "SELECT CASE WHEN from_sql THEN 'p' ELSE 's' END || name, statement FROM pg_catalog.pg_prepared_statements"
              " UNION ALL SELECT 'c' || name, statement FROM pg_catalog.pg_cursors");
    pg_add_query(&b, phi_buf_view(&sql));
    s->own = GW_OWN_PIN;
    s->own_ok = s->own_again = false;
    s->own_part = 0;
    s->own_no++;
    gw_to_server(s, phi_buf_view(&b));
}

static void own_row(struct gw_session *s, struct phi_view body)
{
    struct pg_rd r = { body, false };
    struct phi_view first, second, values;
    bool null1 = false, null2 = false;
    if (pg_rd16(&r) != 2)
        return;
    values = r.v;
    if (!pg_value_next(&values, &null1, &first) || !pg_value_next(&values, &null2, &second) ||
        null1 || null2)
        return;
    if (s->own_part == 0) {
        snprintf(s->role, sizeof s->role, PHI_FMT,
                 PHI_ARG(phi_view_upto(second, sizeof s->role - 1)));
        s->own_ok = second.n < sizeof s->role;
        return;
    }
    gw_maps_seen(s, first, second);
}

/* --- what the target says --- */
struct run { /* bytes seen and not yet passed on: one write for all that came together */
    struct phi_view in;
    size_t done, seen;
};

static void run_pass(struct gw_session *s, struct run *r)
{
    if (r->seen > r->done)
        gw_to_client(s, (struct phi_view){ r->in.p + r->done, r->seen - r->done });
    r->done = r->seen;
}

static void on_status(struct gw_session *s, struct phi_view body)
{
    struct phi_view name, value;
    if (!pg_status_read(body, &name, &value) || !gw_setting_note(s, name, value))
        gw_kill(s, "08P01",
                "phi: a setting of the session changed in a way that makes statements unreadable; "
                "the session ends");
}

static void on_tag(struct gw_session *s, struct phi_view body)
{
    struct pg_rd r = { body, false };
    struct phi_view tag = pg_rd_str(&r);
    int64_t rows = 0;
    size_t at = tag.n;
    struct phi_view kept = phi_view_upto(tag, sizeof s->tag - 1);
    if (kept.n > 0)
        memcpy(s->tag, kept.p, kept.n);
    s->tag[kept.n] = '\0';
    while (at > 0 && tag.p[at - 1] != ' ')
        at--;
    if (at > 0 && phi_view_int(phi_view_from(tag, at), &rows))
        s->rows = (s->rows < 0 ? 0 : s->rows) + rows;
}

static void txn_ended(struct gw_session *s)
{
    gw_maps_txn_end(s);
    s->pin_due = s->pin_due || s->txn_dirty; /* a rollback takes settings back */
    s->txn_dirty = false;
    if (s->txn_ddl) {
        s->txn_ddl = false;
        gw_target_refresh(s->target);
    }
}

static void ready_common(struct gw_session *s, uint8_t state)
{
    bool begins = s->acc_runs ? s->acc_begins : true;
    s->txn_clean = state == 'T' && begins && (s->txn == 'I' ? s->acc_runs : s->txn_clean);
    s->txn = state;
    s->open = s->dirty = s->acc_runs = s->acc_begins = s->refusing = false;
    gw_flight_clear(s);
    gw_maps_sql_answer(s, !s->failed);
    if (state == 'I')
        txn_ended(s);
    gw_live_settle(s);
}

/* True: the client sees it. */
static bool on_ready(struct gw_session *s, struct phi_view body)
{
    enum gw_own own = s->own;
    if (body.n != 1 || (body.p[0] != 'I' && body.p[0] != 'T' && body.p[0] != 'E')) {
        gw_kill(s, "08P01", "phi: the target broke the protocol");
        return false;
    }
    if (s->ahead_probe) {
        s->ahead_probe = false;
        gw_ahead_alive(s);
        return false;
    }
    s->own = GW_OWN_NONE;
    if (own == GW_OWN_PROBE) {
        if (s->cancelled) {
            gw_refuse_with(s, "57014", "canceling statement due to user request");
            gw_leave(s);
        }
        gw_event(s, s->cancelled ? EV_DENY : EV_ALIVE);
        return false;
    }
    if (own == GW_OWN_PIN) {
        if (s->own_again) {
            gw_event(s, EV_READY); /* still due: it is sent again */
            return false;
        }
        if (!s->own_ok) {
            gw_kill(s, "58000",
                    "phi: the session's settings could not be checked; the session ends");
            return false;
        }
        gw_maps_keep_seen(s);
        s->pin_due = false;
        gw_event(s, EV_READY);
        return false;
    }
    bool failed = s->failed;
    ready_common(s, body.p[0]);
    if (own == GW_OWN_SYNC)
        s->skip_to_sync = failed;
    gw_event(s, EV_READY); /* the next unit is looked for when these bytes have been passed on */
    return own != GW_OWN_SYNC;
}

static bool on_error(struct gw_session *s, struct phi_view body, struct run *r)
{
    s->failed = true;
    gw_flight_clear(s);
    gw_maps_sql_answer(s, false);
    if (s->open &&
        s->state ==
            GW_IDLE) /* nothing with a Sync is under way: the target skips to the client's */
        s->skip_to_sync = true;
    if (s->own == GW_OWN_PIN) { /* a cancel that came too late for its statement may hit ours */
        s->own_again = phi_view_is(pg_field(body, 'C'), "57014");
        return false;
    }
    if (!names_our_portal(s, body))
        return true;
    PHI_BUF(b, 16 * 1024);
    report_refusal(s, &b);
    run_pass(s, r); /* what came before it goes first */
    gw_to_client(s, phi_buf_view(&b));
    return false;
}

/* The answer to an Execute. What is suspended under a budget goes on under the same claim. */
static void executed(struct gw_session *s, bool suspended)
{
    const struct gw_op *op = s->at_flight < s->n_flight ? &s->flight[s->at_flight] : NULL;
    struct gw_live *l =
        op != NULL && op->type == 'E' ? gw_live_find(s, op->portal->live) : NULL;
    if (l != NULL && !l->outcome_sent && gw_live_bounded(l))
        l->suspended = suspended;
}

/* Looks at one whole message; false: it was dealt with and is not passed on. */
static bool look(struct gw_session *s, uint8_t type, struct phi_view body, struct run *r)
{
    switch (type) {
    case 'Z': return on_ready(s, body);
    case 'E': return on_error(s, body, r);
    case 'S': on_status(s, body); return true;
    case 'C':
        if (s->own == GW_OWN_PIN)
            s->own_part++;
        else
            on_tag(s, body);
        executed(s, false);
        if (s->at_flight < s->n_flight && !gw_flight_answer(s, type))
            gw_kill(s, "08P01", "phi: the target's answers are out of step");
        break;
    case '1':
    case '2':
    case '3':
    case 'I':
    case 's':
    case 'n':
        if (type == 's')
            executed(s, true);
        if (s->at_flight < s->n_flight && !gw_flight_answer(s, type))
            gw_kill(s, "08P01", "phi: the target's answers are out of step");
        break;
    case 'G':
        s->copy_extended = !s->unit.simple;
        s->copy_ended = false;
        if (s->client != NULL)
            net_conn_resume(s->client);
        gw_event(s, EV_COPY_IN);
        break;
    case 'D':
        if (s->own == GW_OWN_PIN)
            own_row(s, body);
        break;
    default: break;
    }
    return s->own != GW_OWN_PIN && s->own != GW_OWN_PROBE;
}

/* Types that are only passed on; a DataRow is looked at only while a query of our own runs. */
static bool streams(const struct gw_session *s, uint8_t type)
{
    switch (type) {
    case 'D': return s->own != GW_OWN_PIN;
    case 'd':
    case 'c':
    case 't':
    case 'A':
    case 'N':
    case 'H':
    case 'V': return true;
    default: return false;
    }
}

static bool known(uint8_t type)
{
    static const bool types[UINT8_MAX + 1] = {
        ['Z'] = true, ['E'] = true, ['S'] = true, ['C'] = true, ['1'] = true, ['2'] = true, ['3'] = true,
        ['I'] = true, ['s'] = true, ['n'] = true, ['G'] = true, ['D'] = true, ['d'] = true, ['c'] = true,
        ['t'] = true, ['A'] = true, ['N'] = true, ['H'] = true, ['V'] = true, ['T'] = true};
    return types[type];
}

/* A row description is long and streams, but it answers a Describe. */
static bool begins_stream(struct gw_session *s, uint8_t type)
{
    if (type != 'T' || s->own == GW_OWN_PIN)
        return streams(s, type);
    if (s->at_flight < s->n_flight && !gw_flight_answer(s, type))
        gw_kill(s, "08P01", "phi: the target's answers are out of step");
    return true;
}

/* One message, or what is there of a streaming one. False: no more can be done with these bytes. */
static bool server_step(struct gw_session *s, struct run *r)
{
    struct phi_view rest = phi_view_from(r->in, r->seen), body;
    uint8_t type = 0;
    size_t len = 0;
    enum phi_frame f = pg_frame_head(rest, INT32_MAX, &type, &len);
    if (f == PHI_FRAME_MORE)
        return false;
    if (f == PHI_FRAME_BAD || !known(type)) {
        gw_kill(s, "08P01", "phi: the target broke the protocol");
        return false;
    }
    size_t whole = PG_HEAD + len;
    bool have = rest.n >= whole;
    if (s->n_live > 0 && (type == 'D' || type == 'd') && s->own == GW_OWN_NONE) {
        run_pass(s, r); /* a cut writes to the client itself */
        if (!gw_live_meter(s, 1, (int64_t)len))
            return false;
    }
    if (!have && !streams(s, type) && type != 'T') {
        if (whole > MAX_WHOLE)
            gw_kill(s, "08P01", "phi: a message of the target is too long");
        return false;
    }
    if ((type == 'T' || streams(s, type)) && begins_stream(s, type)) {
        r->seen += have ? whole : rest.n;
        s->pass = have ? 0 : whole - rest.n;
        return true;
    }
    if (!have)
        return false;
    body = (struct phi_view){ rest.p + PG_HEAD, len };
    if (s->own != GW_OWN_NONE)
        run_pass(s, r); /* a step behind our own question may write to the client itself */
    if (look(s, type, body, r)) {
        r->seen += whole;
    } else {
        run_pass(s, r);
        r->seen += whole;
        r->done = r->seen;
    }
    return true;
}

void gw_server_data(struct gw_session *s)
{
    struct run r = { .in = net_conn_in(s->server) };
    if (!gw_rights_hold(s))
        return;
    if (s->pass > 0) {
        r.seen = r.in.n < s->pass ? r.in.n : s->pass;
        s->pass -= r.seen;
    }
    s->in_server = true;
    while (!s->closing && s->server != NULL && r.seen < r.in.n && server_step(s, &r))
        ;
    if (!s->closing && s->server != NULL) {
        run_pass(s, &r);
        net_conn_take(s->server, r.seen);
    }
    s->in_server = false;
    if (s->next_due && !s->closing) {
        s->next_due = false;
        gw_next(s);
    }
}
