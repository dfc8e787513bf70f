/* Policies: annotations, effect, scope, conditions (cedar-docs, "Policy grammar"). */
#include "policy/syntax.h"

static enum phi_rc full(struct cedar_lex *l)
{
    return phi_fail(l->err, PHI_ELIMIT, "%s is too large", l->file);
}

enum phi_rc cedar_parse_uid(struct cedar_lex *l, struct phi_uid *ret)
{
    struct cedar_place at = l->tok.at;
    bool entity = false;
    PHI_TRY(cedar_lex_path(l, &ret->type, &entity));
    if (!entity)
        return cedar_fail(l, at, "expected an entity such as Group::\"dev\"");
    PHI_TRY(cedar_unescape(l, &l->tok, &ret->id, NULL));
    return cedar_lex_next(l);
}

/* `var` is "principal" or "resource"; NULL: of an action, which takes none. */
static enum phi_rc read_slot(struct cedar_lex *l, const char *var, struct cedar_scope *s)
{
    if (!l->slots)
        return cedar_fail(l, l->tok.at, "templates (`?principal`, `?resource`) are not accepted in a bundle");
    PHI_TRY(cedar_lex_next(l));
    if (!var || !cedar_lex_is(l, var))
        return cedar_fail(l, l->tok.at, "only `?%s` may stand here", var ? var : "principal and ?resource of their own scopes");
    s->slot = true;
    return cedar_lex_next(l);
}

static enum phi_rc one_uid(struct cedar_lex *l, const char *var, struct cedar_scope *s)
{
    if (l->tok.kind == TOK_QUESTION)
        return read_slot(l, var, s);
    struct phi_uid *uid = phi_arena_new(l->arena, struct phi_uid);
    if (!uid)
        return full(l);
    PHI_TRY(cedar_parse_uid(l, uid));
    s->uids = uid;
    s->n = 1;
    return PHI_OK;
}

static enum phi_rc no_entity(struct cedar_lex *l, bool entity)
{
    return entity ? cedar_fail(l, l->tok.at, "expected a type, found an entity") : PHI_OK;
}

static enum phi_rc parse_is(struct cedar_lex *l, const char *var, struct cedar_scope *s)
{
    bool entity = false;
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(cedar_lex_path(l, &s->type, &entity));
    PHI_TRY(no_entity(l, entity));
    s->kind = SCOPE_IS;
    if (!cedar_lex_is(l, "in"))
        return PHI_OK;
    s->kind = SCOPE_IS_IN;
    PHI_TRY(cedar_lex_next(l));
    return one_uid(l, var, s);
}

static enum phi_rc parse_scope(struct cedar_lex *l, const char *var, struct cedar_scope *s)
{
    s->at = l->tok.at;
    if (!cedar_lex_is(l, var))
        return cedar_lex_unexpected(l, var);
    PHI_TRY(cedar_lex_next(l));
    if (cedar_lex_is(l, "is"))
        return parse_is(l, var, s);
    if (l->tok.kind == TOK_EQ)
        s->kind = SCOPE_EQ;
    else if (cedar_lex_is(l, "in"))
        s->kind = SCOPE_IN;
    else
        return PHI_OK;
    PHI_TRY(cedar_lex_next(l));
    return one_uid(l, var, s);
}

static enum phi_rc parse_action_list(struct cedar_lex *l, struct cedar_scope *s)
{
    struct cedar_list list = { 0 };
    bool more = l->tok.kind != TOK_RBRACK;
    while (more) {
        struct phi_uid *uid = phi_arena_new(l->arena, struct phi_uid);
        if (!uid || !cedar_list_add(l->arena, &list, uid))
            return full(l);
        PHI_TRY(cedar_parse_uid(l, uid));
        PHI_TRY(cedar_lex_maybe(l, TOK_COMMA, &more));
        more = more && l->tok.kind != TOK_RBRACK;
    }
    struct phi_uid *uids = phi_arena_array(l->arena, list.n + 1, sizeof *uids);
    if (!uids)
        return full(l);
    for (size_t i = 0; i < list.n; i++)
        uids[i] = *(struct phi_uid *)list.p[i];
    s->uids = uids;
    s->n = list.n;
    return cedar_lex_take(l, TOK_RBRACK, "`,` or `]`");
}

static enum phi_rc parse_action(struct cedar_lex *l, struct cedar_scope *s)
{
    s->at = l->tok.at;
    if (!cedar_lex_is(l, "action"))
        return cedar_lex_unexpected(l, "action");
    PHI_TRY(cedar_lex_next(l));
    if (cedar_lex_is(l, "is"))
        return cedar_fail(l, l->tok.at, "`is` may not follow `action` in the scope");
    if (l->tok.kind == TOK_EQ)
        s->kind = SCOPE_EQ;
    else if (cedar_lex_is(l, "in"))
        s->kind = SCOPE_IN;
    else
        return PHI_OK;
    PHI_TRY(cedar_lex_next(l));
    bool list = false;
    if (s->kind == SCOPE_IN)
        PHI_TRY(cedar_lex_maybe(l, TOK_LBRACK, &list));
    PHI_TRY(list ? parse_action_list(l, s) : one_uid(l, NULL, s));
    for (size_t i = 0; i < s->n; i++)
        if (!cedar_is_action_type(s->uids[i].type))
            return cedar_fail(l, s->at, "the action must be of a type `Action`, not `" PHI_FMT "`",
                              PHI_ARG(s->uids[i].type));
    return PHI_OK;
}

static enum phi_rc parse_note(struct cedar_lex *l, struct cedar_list *notes)
{
    struct cedar_note *note = phi_arena_new(l->arena, struct cedar_note);
    if (!note || !cedar_list_add(l->arena, notes, note))
        return full(l);
    if (l->tok.kind != TOK_IDENT)
        return cedar_lex_unexpected(l, "the annotation's name");
    note->key = l->tok.text;
    for (size_t i = 0; i + 1 < notes->n; i++)
        if (phi_view_eq(((struct cedar_note *)notes->p[i])->key, note->key))
            return cedar_fail(l, l->tok.at, "annotation @" PHI_FMT " stands twice",
                              PHI_ARG(note->key));
    PHI_TRY(cedar_lex_next(l));
    bool text = false;
    PHI_TRY(cedar_lex_maybe(l, TOK_LPAREN, &text));
    if (!text)
        return PHI_OK;
    if (l->tok.kind != TOK_STRING)
        return cedar_lex_unexpected(l, "a string");
    PHI_TRY(cedar_unescape(l, &l->tok, &note->text, NULL));
    PHI_TRY(cedar_lex_next(l));
    return cedar_lex_take(l, TOK_RPAREN, "`)`");
}

static enum phi_rc parse_notes(struct cedar_lex *l, struct cedar_policy *p)
{
    struct cedar_list list = { 0 };
    bool more = false;
    PHI_TRY(cedar_lex_maybe(l, TOK_AT, &more));
    while (more) {
        PHI_TRY(parse_note(l, &list));
        PHI_TRY(cedar_lex_maybe(l, TOK_AT, &more));
    }
    struct cedar_note *notes = phi_arena_array(l->arena, list.n + 1, sizeof *notes);
    if (!notes)
        return full(l);
    for (size_t i = 0; i < list.n; i++) {
        notes[i] = *(struct cedar_note *)list.p[i];
        if (phi_view_is(notes[i].key, "id"))
            p->id = notes[i].text;
        if (phi_view_is(notes[i].key, "why"))
            p->why = notes[i].text;
    }
    p->notes = notes;
    p->n_notes = list.n;
    return PHI_OK;
}

static enum phi_rc parse_conds(struct cedar_lex *l, struct cedar_policy *p)
{
    struct cedar_list list = { 0 };
    while (cedar_lex_is(l, "when") || cedar_lex_is(l, "unless")) {
        struct cedar_cond *cond = phi_arena_new(l->arena, struct cedar_cond);
        if (!cond || !cedar_list_add(l->arena, &list, cond))
            return full(l);
        cond->unless = cedar_lex_is(l, "unless");
        PHI_TRY(cedar_lex_next(l));
        PHI_TRY(cedar_lex_take(l, TOK_LBRACE, "`{`"));
        PHI_TRY(cedar_parse_expr(l, &cond->e));
        PHI_TRY(cedar_lex_take(l, TOK_RBRACE, "`}`"));
    }
    struct cedar_cond *conds = phi_arena_array(l->arena, list.n + 1, sizeof *conds);
    if (!conds)
        return full(l);
    for (size_t i = 0; i < list.n; i++)
        conds[i] = *(struct cedar_cond *)list.p[i];
    p->conds = conds;
    p->n_conds = list.n;
    return PHI_OK;
}

static enum phi_rc parse_policy(struct cedar_lex *l, struct cedar_policy *p)
{
    p->from = l->tok.from;
    PHI_TRY(parse_notes(l, p));
    p->at = l->tok.at;
    p->forbid = cedar_lex_is(l, "forbid");
    if (!p->forbid && !cedar_lex_is(l, "permit"))
        return cedar_lex_unexpected(l, "`permit` or `forbid`");
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(cedar_lex_take(l, TOK_LPAREN, "`(`"));
    PHI_TRY(parse_scope(l, "principal", &p->principal));
    PHI_TRY(cedar_lex_take(l, TOK_COMMA, "`,`"));
    PHI_TRY(parse_action(l, &p->action));
    PHI_TRY(cedar_lex_take(l, TOK_COMMA, "`,`"));
    PHI_TRY(parse_scope(l, "resource", &p->resource));
    bool comma = false; /* one may trail */
    PHI_TRY(cedar_lex_maybe(l, TOK_COMMA, &comma));
    PHI_TRY(cedar_lex_take(l, TOK_RPAREN, "`)`"));
    PHI_TRY(parse_conds(l, p));
    p->to = l->tok.from + 1;
    return cedar_lex_take(l, TOK_SEMI, "`when`, `unless` or `;`");
}

bool cedar_is_template(const struct cedar_policy *p)
{
    return p->principal.slot || p->resource.slot;
}

static enum phi_rc parse_all(struct phi_arena *a, struct phi_view text, const char *file, bool slots,
                             struct cedar_policies *ret, struct phi_err *err)
{
    struct cedar_lex l;
    struct cedar_list list = { 0 };
    PHI_TRY(cedar_lex_init(&l, a, text, file, err));
    l.slots = slots;
    while (l.tok.kind != TOK_END) {
        struct cedar_policy *p = phi_arena_new(a, struct cedar_policy);
        if (!p || !cedar_list_add(a, &list, p))
            return full(&l);
        PHI_TRY(parse_policy(&l, p));
        if (p->id.n == 0)
            p->id = phi_arena_printf(a, "policy%zu", list.n - 1);
    }
    if (!phi_arena_ok(a))
        return full(&l);
    *ret = (struct cedar_policies){ (struct cedar_policy *const *)list.p, list.n };
    return PHI_OK;
}

enum phi_rc cedar_policies_parse(struct phi_arena *a, struct phi_view text, const char *file,
                                 struct cedar_policies *ret, struct phi_err *err)
{
    return parse_all(a, text, file, false, ret, err);
}

enum phi_rc cedar_templates_parse(struct phi_arena *a, struct phi_view text, const char *file,
                                  struct cedar_policies *ret, struct phi_err *err)
{
    return parse_all(a, text, file, true, ret, err);
}
