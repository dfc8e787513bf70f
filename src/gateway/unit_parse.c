/* A unit's texts are parsed, and looked up anew where they name what the catalogue lacks, before it is judged. */
#include "base/os.h"
#include "gateway/session.h"

#define MISSING_MS 5000 /* what a fresh catalogue lacked is not looked for again so soon: temporary tables, mistakes */

static void on_parsed(void *ctx, struct gw_sql_raw *raw)
{
    struct gw_session *s = ctx;
    s->parsing = NULL;
    s->unit.ops[s->unit.parsing].stmt->raw = gw_sql_raw_hold(raw);
    gw_parse_unit(s);
    gw_client_data(s);
}

/* False: the parser is asked, or the unit is refused. */
static bool parse_op(struct gw_session *s, struct gw_op *op)
{
    if ((op->type != 'P' && op->type != 'Q') || op->stmt->raw != NULL)
        return true;
    if (op->stmt->sql.n > PHI_MAX_SQL) {
        gw_refuse_with(s, "54000", "phi: a statement of %zu bytes is longer than phi looks at (%d)",
                       op->stmt->sql.n, PHI_MAX_SQL);
        gw_event(s, EV_DENY);
        return false;
    }
    op->stmt->raw = gw_parser_cached(s->gw->parser, op->stmt->sql);
    if (op->stmt->raw != NULL)
        return true;
    s->parsing = gw_parser_parse(s->gw->parser, op->stmt->sql, on_parsed, s);
    if (s->parsing == NULL) {
        gw_refuse_with(s, "53000", "phi: the parser is overloaded; try again");
        gw_event(s, EV_DENY);
    }
    return false;
}

struct gw_sql_env gw_env_of(const struct gw_session *s)
{
    const struct gw_target *t = s->target;
    /* What this transaction changed in the catalogue nobody else can see yet: everything is unknown then. */
    return (struct gw_sql_env){ .target = phi_view_of(t->o.name),
                                .catalog = s->txn_ddl ? NULL : t->catalog,
                                .path = t->path,
                                .n_path = t->n_path,
                                .place = t->place };
}

/* True when the statement names what the catalogue lacks, and that is news. */
static bool lacks(struct gw_session *s, struct gw_stmt *st)
{
    struct gw_sql_env env = gw_env_of(s);
    const struct gw_sql_facts *f = NULL;
    uint64_t id = 0;
    if (st == NULL || st->raw == NULL)
        return false;
    f = gw_sql_known(st->raw, &env, &id);
    if (f == NULL && !gw_sql_resolve(st->raw, st->sql, &env, &s->unit.mem, &f))
        return false;
    if (!(f->flags & GW_SQL_MISSING))
        return false;
    int64_t now = phi_now_boot_ms();
    if (gw_sql_still_missing(st->raw, now - MISSING_MS))
        return false;
    gw_sql_missed(st->raw, now);
    return true;
}

/* A table made a moment ago by somebody else should not read as an unknown one. True: wait for the catalogue. */
static bool look_again(struct gw_session *s)
{
    struct gw_unit *u = &s->unit;
    bool any = false;
    if (u->looked || u->broken || s->txn_ddl || s->target->catalog == NULL)
        return false;
    u->looked = true;
    for (size_t i = 0; i < u->n; i++)
        if (u->ops[i].type == 'P' || u->ops[i].type == 'Q' || u->ops[i].type == 'B')
            any = lacks(s, u->ops[i].stmt) || any;
    if (any)
        s->wants_load = gw_target_missed(s->target);
    return any;
}

void gw_parse_unit(struct gw_session *s)
{
    struct gw_unit *u = &s->unit;
    for (; u->parsing < u->n && !u->broken; u->parsing++)
        if (!parse_op(s, &u->ops[u->parsing]))
            return;
    bool waits = gw_target_waits(s->target) || s->wants_load > s->target->loads_done;
    s->wants_catalog = waits || look_again(s);
    if (!s->wants_catalog) {
        s->wants_load = 0;
        gw_event(s, EV_PARSED);
    }
}

void gw_parse_unit_cancel(struct gw_session *s)
{
    gw_parser_cancel(s->parsing);
    s->parsing = NULL;
    s->wants_catalog = false;
    s->wants_load = 0;
}
