/* The short way through judging: a unit of one statement whose facts this session was plainly allowed a moment ago. What
 * is asked here is only whether it is the same: the facts have a number that changes with the text's skeleton, the
 * catalogue and the path, and the decision one that changes with the snapshot. Anything else goes the long way. */
#include "gateway/session.h"

#define MAX_SHORT 16 /* messages of a unit that goes it */

/* Facts of one plain statement: nothing in them but actions. NULL: the long way. */
static const struct gw_sql_facts *plain_facts(const struct gw_session *s, const struct gw_stmt *st,
                                              uint64_t *id)
{
    const uint32_t plain = GW_SQL_HARMLESS | GW_SQL_PARAMS | GW_SQL_WRITES | GW_SQL_WHERE;
    struct gw_sql_env env = gw_env_of(s);
    const struct gw_sql_facts *f = st->raw == NULL ? NULL : gw_sql_known(st->raw, &env, id);
    if (f == NULL || f->n != 1 || f->refuse.n > 0 || !(f->flags & GW_SQL_HARMLESS) ||
        (f->flags & ~plain) != 0 || f->n_actions > PHI_MAX_ACTIONS)
        return NULL;
    return f;
}

static bool bound_here(const struct gw_unit *u, size_t i)
{
    for (size_t j = i; j > 0; j--)
        if (u->ops[j - 1].type == 'B' && u->ops[j - 1].portal == u->ops[i].portal)
            return true;
    return false;
}

/* The statement that an op uses, as `use_op` does; false: the long way. */
static bool stmt_of(const struct gw_session *s, size_t i, const struct gw_stmt **ret)
{
    const struct gw_unit *u = &s->unit;
    const struct gw_op *op = &u->ops[i];
    switch (op->type) {
    case 'P':
        *ret = op->stmt;
        return !s->dirty || gw_sql_reads_plain(op->stmt->sql);
    case 'Q':
    case 'B': *ret = op->stmt; return true;
    case 'E':
        if (bound_here(u, i))
            return true;
        *ret = op->portal->stmt;
        return op->portal->live == 0;
    default: return true;
    }
}

/* All statements of the unit have the same plain facts. NULL: the long way. */
static const struct gw_sql_facts *known_facts(struct gw_session *s, uint64_t *id)
{
    struct gw_unit *u = &s->unit;
    const struct gw_sql_facts *f = NULL;
    u->runs = false;
    for (size_t i = 0; i < u->n && u->n <= MAX_SHORT; i++) {
        const struct gw_stmt *st = NULL;
        uint64_t one = 0;
        u->runs =
            u->runs || u->ops[i].type == 'Q' || u->ops[i].type == 'B' || u->ops[i].type == 'E';
        if (!stmt_of(s, i, &st))
            return NULL;
        if (st == NULL)
            continue;
        const struct gw_sql_facts *of = plain_facts(s, st, &one);
        if (of == NULL || (f != NULL && one != *id))
            return NULL;
        f = of;
        *id = one;
    }
    return f;
}

static bool pairs_of(struct gw_session *s, const struct gw_sql_facts *f)
{
    struct phi_pair *pairs = phi_arena_array(&s->unit.mem, f->n_actions, sizeof *pairs);
    for (size_t i = 0; pairs != NULL && i < f->n_actions; i++)
        pairs[i] = (struct phi_pair){
            f->actions[i].action, { f->actions[i].type, f->actions[i].id }
        };
    s->unit.actions = pairs;
    s->unit.n_actions = f->n_actions;
    return pairs != NULL;
}

/* Not yet known to be allowed, or its record has been sent: decided, and remembered when it is. */
static bool judge_first(struct gw_session *s, const struct gw_sql_facts *f, struct gw_ticket *t,
                        uint64_t id, uint64_t decided, enum gw_event *ret)
{
    PHI_BUF(reason, 1000);
    struct client_record_at at = { 0 };
    if (!pairs_of(s, f) || gw_verdict(s, &reason) != PHI_ALLOW)
        return false; /* the long way finds out why */
    *ret = gw_record_allow(s, &at) ? EV_ALLOW : EV_DENY;
    if (*ret == EV_ALLOW)
        *t = (struct gw_ticket){ .facts = id, .decided = decided, .text_bytes = gw_text_bytes(&s->unit), .at = at };
    return true;
}

/* True: `ret` is the answer. It is what the long way would answer: the facts are those of the catalogue in force, and
 * the decision is of the snapshot in force. */
bool gw_judge_known(struct gw_session *s, enum gw_event *ret)
{
    const struct gw_phid *p = &s->gw->phid;
    struct gw_unit *u = &s->unit;
    uint64_t id = 0, decided = p->decided(p->ctx);
    const struct gw_sql_facts *f = decided == 0 ? NULL : known_facts(s, &id);
    if (f == NULL)
        return false;
    u->flags = f->flags;
    u->kind = f->stmts[0].tag;
    u->many_kinds = false;
    u->only_begins = false;
    u->named = NULL;
    *ret = EV_ALLOW;
    if (!u->runs || f->n_actions == 0)
        return true;
    struct gw_ticket *t = &s->tickets[id % GW_TICKETS];
    if (t->facts == id && t->decided == decided && t->text_bytes == gw_text_bytes(u) &&
        p->record_again(p->ctx, &t->at, phi_buf_view(&u->bytes)))
        return true;
    return judge_first(s, f, t, id, decided, ret);
}
