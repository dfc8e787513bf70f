#include "api/authzen.h"

#include "api/handlers.h"
#include "api/json_out.h"
#include "api/ticket.h"
#include "base/limits.h"

#define CLEAN_MAX (1024u * 1024)

/* ---- what a caller says, as Cedar can say it */

/* Cedar's decimal has four places and 64 bits: ten thousandths, false where the number is none of these exactly. */
static bool decimal_of(double v, long long *ret)
{
    double scaled = v * 10000.0;
    if (!(scaled > -9.0e15 && scaled < 9.0e15))
        return false;
    *ret = (long long)scaled;
    return (double)*ret == scaled;
}

static bool decimal_write(struct phi_jw *w, double v)
{
    long long n;
    if (!decimal_of(v, &n))
        return false;
    unsigned long long m = n < 0 ? (unsigned long long)-n : (unsigned long long)n;
    PHI_BUF(text, 64);
    phi_buf_printf(&text, "%s%llu.%04llu", n < 0 ? "-" : "", m / 10000, m % 10000);
    phi_jw_obj(w);
    phi_jw_key(w, "__extn");
    phi_jw_obj(w);
    phi_jw_kc(w, "fn", "decimal");
    phi_jw_kv(w, "arg", phi_buf_view(&text));
    phi_jw_end(w);
    phi_jw_end(w);
    return true;
}

static bool sayable(const struct phi_json *v)
{
    long long n;
    return v->kind != PHI_JSON_NULL && (v->kind != PHI_JSON_REAL || decimal_of(v->real, &n));
}

static void clean_write(struct phi_jw *w, const struct phi_json *v)
{
    switch (v->kind) {
    case PHI_JSON_NULL: break;
    case PHI_JSON_BOOL: phi_jw_bool(w, v->b); break;
    case PHI_JSON_INT: phi_jw_int(w, v->i); break;
    case PHI_JSON_REAL: decimal_write(w, v->real); break;
    case PHI_JSON_STR: phi_jw_str(w, v->str); break;
    case PHI_JSON_ARR:
        phi_jw_arr(w);
        for (size_t i = 0; i < v->n; i++)
            if (sayable(&v->items[i]))
                clean_write(w, &v->items[i]);
        phi_jw_end(w);
        break;
    case PHI_JSON_OBJ:
        phi_jw_obj(w);
        for (size_t i = 0; i < v->n; i++) {
            if (!sayable(&v->items[i]))
                continue;
            phi_jw_keyv(w, v->keys[i]);
            clean_write(w, &v->items[i]);
        }
        phi_jw_end(w);
        break;
    }
}

static enum phi_rc text_keep(struct api_call *c, struct phi_buf *text, struct phi_view *ret, struct phi_err *err)
{
    *ret = phi_arena_copy(&c->arena, phi_buf_view(text));
    return phi_buf_ok(text) && phi_arena_ok(&c->arena) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the request is too large");
}

enum phi_rc authzen_clean(struct api_call *c, const struct phi_json *v, struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(text, CLEAN_MAX);
    struct phi_jw w;
    *ret = (struct phi_view){ 0 };
    if (!v)
        return PHI_OK;
    phi_jw_init(&w, &text);
    clean_write(&w, v);
    return text_keep(c, &text, ret, err);
}

/* ---- reading */

static const struct phi_json *object_of(const struct phi_json *v)
{
    return v && v->kind == PHI_JSON_OBJ ? v : NULL;
}

struct authzen_parts authzen_parts_of(const struct phi_json *body)
{
    return (struct authzen_parts){ phi_json_get(body, "subject"), phi_json_get(body, "action"),
                                   phi_json_get(body, "resource"), phi_json_get(body, "context") };
}

static enum phi_rc need_object(const struct phi_json *v, const char *name, struct phi_err *err)
{
    if (!v)
        return phi_fail(err, PHI_EINPUT, "\"%s\" is missing", name);
    return v->kind == PHI_JSON_OBJ ? PHI_OK : phi_fail(err, PHI_EINPUT, "\"%s\" must be an object", name);
}

static enum phi_rc need_text(const struct phi_json *v, const char *name, const char *key, struct phi_view *ret,
                             struct phi_err *err)
{
    const struct phi_json *text = phi_json_get(v, key);
    if (!phi_json_str(text, ret) || ret->n == 0)
        return phi_fail(err, PHI_EINPUT, "\"%s.%s\" must be there, as a string that is not empty", name, key);
    if (ret->n > PHI_MAX_ENTITY_ID)
        return phi_fail(err, PHI_EINPUT, "\"%s.%s\" has at most %d bytes", name, key, PHI_MAX_ENTITY_ID);
    return PHI_OK;
}

static enum phi_rc properties_of(const struct phi_json *v, const char *name, const struct phi_json **ret,
                                 struct phi_err *err)
{
    *ret = phi_json_get(v, "properties");
    return !*ret || (*ret)->kind == PHI_JSON_OBJ ? PHI_OK
                                                 : phi_fail(err, PHI_EINPUT, "\"%s.properties\" must be an object", name);
}

static enum phi_rc party_read(const struct phi_json *v, const char *name, bool open, struct phi_ref *ret,
                              const struct phi_json **properties, struct phi_err *err)
{
    PHI_TRY(need_object(v, name, err));
    PHI_TRY(need_text(v, name, "type", &ret->type, err));
    if (!open)
        PHI_TRY(need_text(v, name, "id", &ret->id, err));
    return properties_of(v, name, properties, err);
}

/* Members of the caller's context and, above them, the action's properties. What phi owns neither may say. */
static enum phi_rc context_of(struct api_call *c, const struct phi_json *context, const struct phi_json *of_action,
                              struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(text, CLEAN_MAX);
    struct phi_jw w;
    const struct phi_json *both[] = { of_action, context };
    phi_jw_init(&w, &text);
    phi_jw_obj(&w);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; both[k] && i < both[k]->n; i++) {
            struct phi_view key = both[k]->keys[i];
            if (k == 1 && phi_view_is(key, "can"))
                continue; /* what the enforcement point can do is its own to say: can_of */
            if (phi_context_is_owned(key))
                return phi_fail(err, PHI_EINPUT, "%s." PHI_FMT " is phi's own and nobody else may say it",
                                k ? "context" : "action.properties", PHI_ARG(key));
            bool machinery = k == 1 && (phi_view_is(key, "approval") || phi_view_is(key, "access_request"));
            const char *name = phi_arena_str(&c->arena, key);
            if (machinery || !sayable(&both[k]->items[i]) || (k == 1 && name && phi_json_get(of_action, name)))
                continue;
            phi_jw_keyv(&w, key);
            clean_write(&w, &both[k]->items[i]);
        }
    phi_jw_end(&w);
    return text_keep(c, &text, ret, err);
}

/* `context.can`: kinds of obligations. They make no fact of the context, and matter only where the answer can carry obligations. */
static enum phi_rc can_of(struct api_call *c, const struct phi_json *can, struct phi_question *ret, struct phi_err *err)
{
    if (!can)
        return PHI_OK;
    struct phi_view *kinds = phi_arena_array(&c->arena, can->n + 1, sizeof *kinds);
    bool ok = kinds && can->kind == PHI_JSON_ARR && can->n <= PHI_MAX_CAN;
    for (size_t i = 0; ok && i < can->n; i++)
        ok = phi_json_str(&can->items[i], &kinds[i]) && kinds[i].n > 0 && kinds[i].n <= PHI_MAX_NAME;
    ret->can = kinds;
    ret->n_can = ok ? can->n : 0;
    return ok ? PHI_OK : phi_fail(err, PHI_EINPUT, "\"context.can\" must be a list of at most %d kinds of obligations, such as [\"mask\"]",
                                  PHI_MAX_CAN);
}

enum phi_rc authzen_read(struct api_call *c, const struct authzen_parts *p, enum authzen_open open,
                         struct phi_question *ret, struct phi_err *err)
{
    const struct phi_json *of_subject, *of_resource, *of_action = NULL;
    *ret = (struct phi_question){ 0 };
    PHI_TRY(party_read(p->subject, "subject", open == AUTHZEN_NO_SUBJECT, &ret->subject, &of_subject, err));
    if (open != AUTHZEN_NO_ACTION) {
        PHI_TRY(need_object(p->action, "action", err));
        PHI_TRY(need_text(p->action, "action", "name", &ret->action, err));
        PHI_TRY(properties_of(p->action, "action", &of_action, err));
    }
    PHI_TRY(party_read(p->resource, "resource", open == AUTHZEN_NO_RESOURCE, &ret->resource, &of_resource, err));
    if (p->context && p->context->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "\"context\" must be an object");
    PHI_TRY(context_of(c, object_of(p->context), of_action, &ret->context, err));
    PHI_TRY(can_of(c, phi_json_get(p->context, "can"), ret, err));
    return authzen_clean(c, of_resource, &ret->told, err);
}

/* ---- deciding */

/* "this needs an approval: dba, or lead and sec" */
static struct phi_view needs_text(struct api_call *c, const struct phi_evaluation *e)
{
    PHI_BUF(text, 8192);
    phi_buf_adds(&text, "this needs an approval: ");
    for (size_t i = 0; i < e->n_needs; i++)
        for (size_t k = 0; k < e->needs[i].n; k++) {
            phi_buf_adds(&text, k ? " and " : i ? ", or " : "");
            phi_buf_add(&text, e->needs[i].needs[k].requirement);
        }
    return phi_arena_copy(&c->arena, phi_buf_view(&text));
}

static void obligations_write(struct phi_jw *w, const struct phi_evaluation *e)
{
    phi_jw_key(w, "obligations");
    phi_jw_arr(w);
    for (size_t i = 0; i < e->n_obligations; i++) {
        const struct phi_obligation *o = &e->obligations[i];
        phi_jw_obj(w);
        phi_jw_kv(w, "name", o->name);
        phi_jw_kv(w, "kind", o->kind);
        if (o->rows)
            phi_jw_ki(w, "rows", o->rows);
        if (o->why.n)
            phi_jw_kv(w, "why", o->why);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

static void context_write(struct api_call *c, struct phi_jw *w, const struct authzen_parts *p,
                          const struct phi_question *q, const struct phi_evaluation *e, const struct arap_reference *r)
{
    phi_jw_key(w, "context");
    phi_jw_obj(w);
    if (e->verdict != PHI_ALLOW) {
        phi_jw_key(w, "reason_user");
        phi_jw_obj(w);
        phi_jw_kv(w, "en", e->verdict == PHI_NEEDS && !e->tickets.stale ? needs_text(c, e) : e->reason);
        phi_jw_end(w);
    }
    arap_context_write(c, w, p, q, e, r);
    if (e->verdict == PHI_NEEDS) {
        phi_jw_key(w, "needs");
        api_w_needs(w, e->needs, e->n_needs);
    }
    if (e->n_obligations)
        obligations_write(w, e);
    api_w_policies(w, e->policies, e->n_policies);
    phi_jw_end(w);
}

/* One question from its parts to `"decision":…,"context":{…}` in w's open object. */
static enum phi_rc answer_one(struct api_call *c, struct phi_jw *w, const struct authzen_parts *p, bool *ret_true,
                              struct phi_err *err)
{
    struct phi_question q;
    struct phi_evaluation e;
    struct arap_reference r;
    PHI_TRY(authzen_read(c, p, AUTHZEN_ALL, &q, err));
    PHI_TRY(arap_approval_read(c, p, &q, &r, err));
    q.renew_ms = api_ticket_renew_ms(c->env);
    PHI_TRY(phi_evaluate(c->core, &c->arena, &c->actor, &q, &e, err));
    api_ticket_renew(c, &e.tickets);
    struct api_judged *j = phi_arena_new(&c->arena, struct api_judged);
    if (!j)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *j = (struct api_judged){ q.subject, q.resource, q.action, e.verdict, c->judged };
    c->judged = j;
    phi_jw_kb(w, "decision", e.verdict == PHI_ALLOW);
    context_write(c, w, p, &q, &e, &r);
    *ret_true = e.verdict == PHI_ALLOW;
    return PHI_OK;
}

enum phi_rc api_authzen_evaluate(struct api_call *c, struct phi_err *err)
{
    struct authzen_parts p = authzen_parts_of(c->body);
    bool yes;
    PHI_TRY(answer_one(c, api_answer(c, 200), &p, &yes, err));
    phi_jw_end(&c->w);
    return PHI_OK;
}

/* ---- several at once */

enum semantic { EXECUTE_ALL, DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT };

static enum phi_rc semantic_read(const struct phi_json *body, enum semantic *ret, struct phi_err *err)
{
    static const char *const names[] = { "execute_all", "deny_on_first_deny", "permit_on_first_permit" };
    const struct phi_json *options = phi_json_get(body, "options");
    struct phi_view v = phi_json_text(options, "evaluations_semantic");
    *ret = EXECUTE_ALL;
    if (options && options->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "\"options\" must be an object");
    if (!phi_json_get(options, "evaluations_semantic"))
        return PHI_OK;
    for (int i = EXECUTE_ALL; i <= PERMIT_ON_FIRST_PERMIT; i++)
        if (phi_view_is(v, names[i])) {
            *ret = (enum semantic)i;
            return PHI_OK;
        }
    return phi_fail(err, PHI_EINPUT, "\"options.evaluations_semantic\" is execute_all, deny_on_first_deny or permit_on_first_permit");
}

/* A part that the item has replaces the default whole, but for the members without which it says nothing: those fall back to the
 * default's (the certification scenario, 3.2.7). */
static const struct phi_json *part_merged(struct phi_arena *a, const struct phi_json *top, const struct phi_json *own,
                                          const char *const needed[2])
{
    if (!object_of(own) || !object_of(top))
        return own ? own : top;
    struct phi_json *items = phi_arena_array(a, own->n + 2, sizeof *items), *ret = phi_arena_new(a, struct phi_json);
    struct phi_view *keys = phi_arena_array(a, own->n + 2, sizeof *keys);
    if (!items || !keys || !ret)
        return own;
    *ret = *own;
    for (size_t i = 0; i < own->n; i++) {
        items[i] = own->items[i];
        keys[i] = own->keys[i];
    }
    for (size_t k = 0; k < 2 && needed[k]; k++) {
        const struct phi_json *from = phi_json_get(top, needed[k]);
        if (!from || phi_json_get(own, needed[k]))
            continue;
        items[ret->n] = *from;
        keys[ret->n++] = phi_view_of(needed[k]);
    }
    ret->items = items;
    ret->keys = keys;
    return ret;
}

static struct authzen_parts merged(struct phi_arena *a, const struct authzen_parts *top, const struct phi_json *item)
{
    static const char *const entity[2] = { "type", "id" }, *const action[2] = { "name", NULL };
    struct authzen_parts p = authzen_parts_of(item);
    return (struct authzen_parts){ part_merged(a, top->subject, p.subject, entity), part_merged(a, top->action, p.action, action),
                                   part_merged(a, top->resource, p.resource, entity), p.context ? p.context : top->context };
}

/* What is wrong with one item denies that item; what is wrong with phid fails the whole. */
static enum phi_rc item_answer(struct api_call *c, struct phi_jw *w, const struct authzen_parts *top,
                               const struct phi_json *item, bool *ret_true, struct phi_err *err)
{
    struct phi_err why = { 0 };
    struct authzen_parts p = merged(&c->arena, top, item);
    *ret_true = false;
    phi_jw_obj(w);
    enum phi_rc rc = item->kind == PHI_JSON_OBJ ? answer_one(c, w, &p, ret_true, &why)
                                                : phi_fail(&why, PHI_EINPUT, "an evaluation must be an object");
    if (rc == PHI_EINPUT || rc == PHI_EDENIED) {
        phi_jw_kb(w, "decision", false);
        phi_jw_key(w, "context");
        phi_jw_obj(w);
        phi_jw_key(w, "error");
        phi_jw_obj(w);
        phi_jw_ki(w, "status", rc == PHI_EINPUT ? 400 : 403);
        phi_jw_kc(w, "message", why.msg);
        phi_jw_end(w);
        phi_jw_end(w);
        rc = PHI_OK;
    }
    phi_jw_end(w);
    if (rc != PHI_OK && err)
        *err = why;
    return rc;
}

enum phi_rc api_authzen_evaluations(struct api_call *c, struct phi_err *err)
{
    const struct phi_json *list = phi_json_get(c->body, "evaluations");
    struct authzen_parts top = authzen_parts_of(c->body);
    enum semantic semantic;
    bool stop = false, yes;
    PHI_TRY(semantic_read(c->body, &semantic, err));
    if (!list || list->n == 0)
        return api_authzen_evaluate(c, err);
    if (list->n > PHI_MAX_EVALUATIONS)
        return phi_fail(err, PHI_EINPUT, "\"evaluations\" has at most %d members", PHI_MAX_EVALUATIONS);
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "evaluations");
    phi_jw_arr(w);
    for (size_t i = 0; i < list->n && !stop; i++) {
        PHI_TRY(item_answer(c, w, &top, &list->items[i], &yes, err));
        stop = (semantic == DENY_ON_FIRST_DENY && !yes) || (semantic == PERMIT_ON_FIRST_PERMIT && yes);
    }
    phi_jw_end(w);
    phi_jw_end(w);
    return PHI_OK;
}
