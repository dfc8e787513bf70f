/* Which text stands behind the name of a prepared statement or portal. An entry becomes valid only when the target
 * confirmed it: a Parse that fails must not change what a name means here while it keeps its old meaning there. */
#include <stdlib.h>
#include <string.h>

#include "gateway/session.h"

static void *keep(struct gw_session *s, size_t head, const struct phi_view *texts, size_t n,
                  struct phi_view **ret)
{
    size_t total = head;
    for (size_t i = 0; i < n; i++)
        total += texts[i].n;
    if (s->kept + total > GW_MAX_KEPT)
        return NULL;
    uint8_t *mem = malloc(total); /* every byte is written below or by the caller */
    uint8_t *at = mem == NULL ? NULL : mem + head;
    for (size_t i = 0; i < n && mem != NULL; i++) {
        if (texts[i].n > 0)
            memcpy(at, texts[i].p, texts[i].n);
        *ret[i] = (struct phi_view){ at, texts[i].n };
        at += texts[i].n;
    }
    if (mem != NULL)
        s->kept += total;
    return mem;
}

struct gw_stmt *gw_stmt_new(struct gw_session *s, struct phi_view name, struct phi_view sql,
                            struct phi_view types)
{
    struct gw_stmt made = { .refs = 1, .owner = s };
    struct phi_view texts[] = { name, sql, types }, *to[] = { &made.name, &made.sql, &made.types };
    struct gw_stmt *st = keep(s, sizeof *st, texts, 3, to);
    if (st == NULL)
        return NULL;
    made.bytes = sizeof *st + name.n + sql.n + types.n;
    *st = made;
    return st;
}

void gw_stmt_drop(struct gw_stmt *st)
{
    if (st == NULL || --st->refs > 0)
        return;
    st->owner->kept -= st->bytes;
    gw_sql_raw_drop(st->raw);
    free(st);
}

struct gw_portal *gw_portal_new(struct gw_session *s, struct phi_view name, struct phi_view body,
                                struct gw_stmt *st)
{
    struct gw_portal made = { .refs = 1, .owner = s, .stmt = st };
    struct phi_view texts[] = { name, body }, *to[] = { &made.name, &made.body };
    struct gw_portal *p = keep(s, sizeof *p, texts, 2, to);
    if (p == NULL)
        return NULL;
    made.bytes = sizeof *p + name.n + body.n;
    st->refs++;
    *p = made;
    return p;
}

void gw_portal_drop(struct gw_portal *p)
{
    if (p == NULL || --p->refs > 0)
        return;
    p->owner->kept -= p->bytes;
    gw_stmt_drop(p->stmt);
    free(p);
}

/* 1: found in `ops`, 0: closed there, -1: not mentioned. */
static int find_in(const struct gw_op *ops, size_t from, size_t to, uint8_t kind,
                   struct phi_view name, const struct gw_op **ret)
{
    uint8_t def = kind == 'S' ? 'P' : 'B';
    for (size_t i = to; i > from; i--) {
        const struct gw_op *op = &ops[i - 1];
        if (op->type == 'C' && op->kind == kind && phi_view_eq(op->stmt->name, name))
            return 0;
        if (op->type != def)
            continue;
        if (phi_view_eq(kind == 'S' ? op->stmt->name : op->portal->name, name)) {
            *ret = op;
            return 1;
        }
    }
    return -1;
}

/* Most units bind a statement that was bound a moment ago. */
static struct gw_stmt *stmt_get(struct gw_session *s, struct phi_view name)
{
    size_t at = name.n == 0 ? 0 : (name.n + name.p[name.n - 1]) % GW_STMTS_RECENT;
    struct gw_stmt *st = s->recent[at];
    if (st == NULL || !phi_view_eq(st->name, name))
        st = s->recent[at] = phi_map_get(s->stmts, name);
    return st;
}

struct gw_stmt *gw_stmt_forget(struct gw_session *s, struct phi_view name)
{
    memset(s->recent, 0, sizeof s->recent);
    return phi_map_del(s->stmts, name);
}

struct gw_stmt *gw_find_stmt(struct gw_session *s, struct phi_view name)
{
    const struct gw_op *op = NULL;
    int got = s->unit.defs == 0 ? -1 : find_in(s->unit.ops, 0, s->unit.n, 'S', name, &op);
    if (got < 0)
        got = find_in(s->flight, s->at_flight, s->n_flight, 'S', name, &op);
    if (got >= 0)
        return got == 0 ? NULL : op->stmt;
    return stmt_get(s, name);
}

/* The unnamed portal stands outside the map: it comes and goes with nearly every unit. */
static struct gw_portal *portal_take(struct gw_session *s, struct phi_view name)
{
    struct gw_portal *p = s->unnamed;
    if (name.n > 0)
        return phi_map_del(s->portals, name);
    s->unnamed = NULL;
    return p;
}

struct gw_portal *gw_find_portal(struct gw_session *s, struct phi_view name)
{
    const struct gw_op *op = NULL;
    int got = find_in(s->unit.ops, 0, s->unit.n, 'P', name, &op);
    if (got < 0)
        got = find_in(s->flight, s->at_flight, s->n_flight, 'P', name, &op);
    if (got >= 0)
        return got == 0 ? NULL : op->portal;
    return name.n == 0 ? s->unnamed : phi_map_get(s->portals, name);
}

static bool flight_room(struct gw_session *s, size_t n)
{
    if (s->at_flight == s->n_flight)
        s->at_flight = s->n_flight = 0;
    if (s->n_flight + n <= s->cap_flight)
        return true;
    size_t cap = s->cap_flight < 16 ? 16 : s->cap_flight;
    while (cap < s->n_flight + n)
        cap *= 2;
    struct gw_op *more = cap > 4 * GW_MAX_OPS ? NULL : realloc(s->flight, cap * sizeof *more);
    if (more == NULL)
        return false;
    s->flight = more;
    s->cap_flight = cap;
    return true;
}

bool gw_flight_add(struct gw_session *s, const struct gw_unit *u)
{
    if (!flight_room(s, u->n))
        return false;
    for (size_t i = 0; i < u->n; i++) {
        struct gw_op op = u->ops[i];
        if (op.type == 'Q' || op.type == 'S' || op.type == 'H')
            continue;
        if (op.stmt != NULL)
            op.stmt->refs++;
        if (op.portal != NULL)
            op.portal->refs++;
        s->flight[s->n_flight++] = op;
    }
    return true;
}

static void op_drop(struct gw_op *op)
{
    gw_stmt_drop(op->stmt);
    gw_portal_drop(op->portal);
    op->stmt = NULL;
    op->portal = NULL;
}

static void put_stmt(struct gw_session *s, struct gw_stmt *st)
{
    struct gw_stmt *old = gw_stmt_forget(s, st->name);
    gw_stmt_drop(old);
    if (phi_map_put(s->stmts, st->name, st))
        st->refs++; /* a full map leaves the name unknown, so its use is refused */
}

static struct phi_view sql_key(struct phi_buf *b, uint8_t kind, struct phi_view name)
{
    phi_buf_addc(b, kind);
    phi_buf_add(b, name);
    return phi_buf_view(b);
}

static void sql_forget(struct gw_session *s, uint8_t kind, struct phi_view name)
{
    PHI_BUF(key, 256);
    struct phi_view k = sql_key(&key, kind, name);
    gw_stmt_drop(phi_map_del(s->sql_stmts, k));
    for (struct gw_stmt **at = &s->promised; *at != NULL; at = &(*at)->next)
        if (phi_view_eq((*at)->name, k)) {
            struct gw_stmt *gone = *at;
            *at = gone->next;
            gw_stmt_drop(gone);
            return;
        }
}

static void put_portal(struct gw_session *s, struct gw_portal *p)
{
    gw_portal_drop(portal_take(s, p->name));
    if (p->name.n > 0)
        sql_forget(s, 'c', p->name); /* cursors and portals are one name space */
    if (p->name.n == 0)
        s->unnamed = p;
    else if (!phi_map_put(s->portals, p->name, p))
        return;
    p->refs++;
}

static void closed(struct gw_session *s, const struct gw_op *op)
{
    if (op->kind == 'S')
        gw_stmt_drop(gw_stmt_forget(s, op->stmt->name));
    else
        gw_portal_drop(portal_take(s, op->stmt->name));
}

bool gw_flight_answer(struct gw_session *s, uint8_t type)
{
    static const uint8_t answers[UINT8_MAX + 1] = { /* which message each answers */
        ['1'] = 'P', ['2'] = 'B', ['3'] = 'C', ['C'] = 'E', ['I'] = 'E', ['s'] = 'E', ['T'] = 'D', ['n'] = 'D'};
    if (s->at_flight == s->n_flight)
        return false;
    struct gw_op *op = &s->flight[s->at_flight];
    if (answers[type] != op->type)
        return false;
    if (op->type == 'P')
        put_stmt(s, op->stmt);
    else if (op->type == 'B')
        put_portal(s, op->portal);
    else if (op->type == 'C')
        closed(s, op);
    op_drop(op);
    s->at_flight++;
    return true;
}

void gw_flight_clear(struct gw_session *s)
{
    for (size_t i = s->at_flight; i < s->n_flight; i++)
        op_drop(&s->flight[i]);
    s->at_flight = s->n_flight = 0;
}

typedef void (*drop_fn)(void *v);
static void drop_stmt(void *v)
{
    gw_stmt_drop(v);
}
static void drop_portal(void *v)
{
    gw_portal_drop(v);
}

static void empty_map(struct phi_map *m, drop_fn drop)
{
    void *at = NULL, *value = NULL;
    struct phi_view key;
    if (m == NULL || phi_map_count(m) == 0)
        return;
    while (phi_map_next(m, &at, &key, &value)) {
        phi_map_del(m, key);
        drop(value);
    }
}

static void empty_portals(struct gw_session *s)
{
    gw_portal_drop(portal_take(s, (struct phi_view){ 0 }));
    empty_map(s->portals, drop_portal);
}

void gw_maps_txn_end(struct gw_session *s)
{
    empty_portals(s);
}

void gw_maps_forget_stmts(struct gw_session *s)
{
    memset(s->recent, 0, sizeof s->recent);
    gw_maps_sql_answer(s, false);
    empty_map(s->stmts, drop_stmt);
    empty_map(s->sql_stmts, drop_stmt);
}

static void sql_promise(struct gw_session *s, uint8_t kind, const struct gw_sql_stmt *st,
                        const struct gw_stmt *text)
{
    PHI_BUF(key, 256);
    struct phi_view k = sql_key(&key, kind, st->name);
    struct gw_stmt *made =
        phi_buf_ok(&key) ? gw_stmt_new(s, k, text->sql, (struct phi_view){ 0 }) : NULL;
    if (made == NULL)
        return; /* the name stays unknown */
    made->raw = gw_sql_raw_hold(text->raw);
    made->next = s->promised;
    s->promised = made;
}

static bool executed(const struct gw_unit *u, const struct gw_stmt *text)
{
    bool found = u->simple;
    for (size_t i = 0; i < u->n && !found; i++)
        found = u->ops[i].type == 'E' && u->ops[i].portal->stmt == text;
    return found;
}

/* A name is forgotten as soon as something that may change it is forwarded, and means a text only once the target
 * has confirmed that it took it: PREPARE and DECLARE fail when the name is taken, and in a failed transaction nothing works. */
void gw_maps_sql(struct gw_session *s, const struct gw_sql_stmt *st, struct gw_stmt *text,
                 bool alone)
{
    bool certain = alone && executed(&s->unit, text);
    if (st->flags & GW_SQL_PREPARE) {
        gw_stmt_drop(gw_stmt_forget(s, st->name));
        sql_forget(s, 'p', st->name);
        if (certain)
            sql_promise(s, 'p', st, text);
    }
    if (st->flags & GW_SQL_DECLARE) {
        gw_portal_drop(portal_take(s, st->name));
        sql_forget(s, 'c', st->name);
        if (certain)
            sql_promise(s, 'c', st, text);
    }
    if (st->flags & GW_SQL_DEALLOCATE) {
        gw_stmt_drop(gw_stmt_forget(s, st->name));
        sql_forget(s, 'p', st->name);
    }
    if (st->flags & GW_SQL_CLOSE) {
        sql_forget(s, 'c', st->name);
        gw_portal_drop(portal_take(s, st->name));
    }
    if (((st->flags & GW_SQL_DEALLOCATE) && st->name.n == 0) ||
        ((st->flags & GW_SQL_SETS) && phi_view_is(st->name, "all")))
        gw_maps_forget_stmts(s);
    if ((st->flags & GW_SQL_CLOSE) && st->name.n == 0)
        empty_portals(s);
}

void gw_maps_sql_answer(struct gw_session *s, bool done)
{
    while (s->promised != NULL) {
        struct gw_stmt *st = s->promised;
        s->promised = st->next;
        st->next = NULL;
        gw_stmt_drop(phi_map_del(s->sql_stmts, st->name));
        if (!done || !phi_map_put(s->sql_stmts, st->name, st))
            gw_stmt_drop(st);
    }
}

/* The target's word on a name that it holds, "p" and a PREPARE's, "c" and a cursor's or portal's, "s" and a protocol's. */
void gw_maps_seen(struct gw_session *s, struct phi_view key, struct phi_view sql)
{
    struct phi_view name = phi_view_from(key, 1);
    bool protocol = key.n > 0 && key.p[0] == 's';
    struct gw_stmt *st = phi_map_get(protocol ? s->stmts : s->sql_stmts, protocol ? name : key);
    struct gw_portal *p = key.n > 1 && key.p[0] == 'c' ? phi_map_get(s->portals, name) : NULL;
    if (st != NULL && phi_view_eq(st->sql, sql))
        st->seen = s->own_no;
    if (p != NULL && phi_view_eq(p->stmt->sql, sql))
        p->seen = s->own_no;
}

void gw_maps_keep_seen(struct gw_session *s)
{
    struct phi_map *both[] = { s->stmts, s->sql_stmts };
    struct phi_view name;
    void *at = NULL, *value = NULL;
    for (size_t i = 0; i < 2; i++, at = NULL)
        while (phi_map_next(both[i], &at, &name, &value)) {
            const struct gw_stmt *st = value;
            if (name.n > 0 && st->seen != s->own_no) /* nothing but the protocol reaches the unnamed one */
                gw_stmt_drop(phi_map_del(both[i], name));
        }
    memset(s->recent, 0, sizeof s->recent);
    while (phi_map_next(s->portals, &at, &name, &value)) {
        const struct gw_portal *p = value;
        if (p->seen != s->own_no)
            gw_portal_drop(portal_take(s, name));
    }
}

struct gw_stmt *gw_maps_sql_find(struct gw_session *s, uint8_t kind, struct phi_view name)
{
    PHI_BUF(key, 256);
    struct phi_view k = sql_key(&key, kind, name);
    return phi_buf_ok(&key) ? phi_map_get(s->sql_stmts, k) : NULL;
}

void gw_maps_done(struct gw_session *s)
{
    gw_flight_clear(s);
    free(s->flight);
    s->flight = NULL;
    empty_portals(s);
    gw_maps_forget_stmts(s);
    phi_map_close(s->portals);
    phi_map_close(s->stmts);
    phi_map_close(s->sql_stmts);
}
