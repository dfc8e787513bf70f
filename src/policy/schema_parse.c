/* Reads the text of a schema into a draft with unresolved names. */
#include "policy/schema.h"

static enum phi_rc full(struct cedar_lex *l)
{
    return phi_fail(l->err, PHI_ELIMIT, "%s is too large", l->file);
}

struct phi_view cedar_qualified(struct phi_arena *a, struct phi_view space, struct phi_view name)
{
    if (space.n == 0)
        return name;
    return phi_arena_printf(a, PHI_FMT "::" PHI_FMT, PHI_ARG(space), PHI_ARG(name));
}

static enum phi_rc read_path(struct cedar_lex *l, struct phi_view *ret)
{
    bool entity = false;
    PHI_TRY(cedar_lex_path(l, ret, &entity));
    return entity ? cedar_fail(l, l->tok.at, "expected a type, found an entity") : PHI_OK;
}

static enum phi_rc new_type(struct cedar_lex *l, enum cedar_type_kind kind, struct cedar_type **ret)
{
    *ret = phi_arena_new(l->arena, struct cedar_type);
    if (!*ret)
        return full(l);
    (*ret)->kind = kind;
    (*ret)->at = l->tok.at;
    return PHI_OK;
}

static enum phi_rc read_ref(struct cedar_lex *l, struct phi_view space, struct cedar_type **ret)
{
    PHI_TRY(new_type(l, TYPE_REF, ret));
    (*ret)->space = space;
    return read_path(l, &(*ret)->name);
}

static enum phi_rc read_type(struct cedar_lex *l, struct phi_view space, struct cedar_type **ret);

static enum phi_rc skip_notes(struct cedar_lex *l)
{
    bool at = false, text = false;
    PHI_TRY(cedar_lex_maybe(l, TOK_AT, &at));
    while (at) {
        PHI_TRY(cedar_lex_take(l, TOK_IDENT, "the annotation's name"));
        PHI_TRY(cedar_lex_maybe(l, TOK_LPAREN, &text));
        if (text) {
            PHI_TRY(cedar_lex_take(l, TOK_STRING, "a string"));
            PHI_TRY(cedar_lex_take(l, TOK_RPAREN, "`)`"));
        }
        PHI_TRY(cedar_lex_maybe(l, TOK_AT, &at));
    }
    return PHI_OK;
}

/* A word that policies could not name; in quotes it may be an attribute or an action. */
static enum phi_rc word_check(struct cedar_lex *l)
{
    if (l->tok.kind == TOK_IDENT && cedar_is_reserved(l->tok.text) && !phi_view_is(l->tok.text, "__cedar"))
        return cedar_fail(l, l->tok.at, "`" PHI_FMT "` is a reserved word", PHI_ARG(l->tok.text));
    return PHI_OK;
}

static enum phi_rc read_name(struct cedar_lex *l, struct phi_view *ret)
{
    PHI_TRY(word_check(l));
    if (l->tok.kind == TOK_STRING)
        PHI_TRY(cedar_unescape(l, &l->tok, ret, NULL));
    else if (l->tok.kind == TOK_IDENT)
        *ret = l->tok.text;
    else
        return cedar_lex_unexpected(l, "a name");
    return cedar_lex_next(l);
}

static enum phi_rc read_attr(struct cedar_lex *l, struct phi_view space, struct cedar_list *list)
{
    struct cedar_attr_type *attr = phi_arena_new(l->arena, struct cedar_attr_type);
    bool optional = false;
    if (!attr || !cedar_list_add(l->arena, list, attr))
        return full(l);
    PHI_TRY(skip_notes(l));
    PHI_TRY(read_name(l, &attr->name));
    PHI_TRY(cedar_lex_maybe(l, TOK_QUESTION, &optional));
    attr->required = !optional;
    PHI_TRY(cedar_lex_take(l, TOK_COLON, "`:`"));
    return read_type(l, space, &attr->type);
}

static enum phi_rc read_record(struct cedar_lex *l, struct phi_view space, struct cedar_type **ret)
{
    struct cedar_list list = { 0 };
    PHI_TRY(new_type(l, TYPE_RECORD, ret));
    PHI_TRY(cedar_lex_take(l, TOK_LBRACE, "`{`"));
    bool more = l->tok.kind != TOK_RBRACE;
    while (more) {
        PHI_TRY(read_attr(l, space, &list));
        PHI_TRY(cedar_lex_maybe(l, TOK_COMMA, &more));
        more = more && l->tok.kind != TOK_RBRACE;
    }
    struct cedar_attr_type *attrs = phi_arena_array(l->arena, list.n + 1, sizeof *attrs);
    struct phi_view *names = phi_arena_array(l->arena, list.n + 1, sizeof *names);
    bool over = false;
    if (!attrs || !names)
        return full(l);
    for (size_t i = 0; i < list.n; i++) {
        attrs[i] = *(struct cedar_attr_type *)list.p[i];
        names[i] = attrs[i].name;
    }
    const struct phi_view *twice = cedar_first_double(l->arena, names, list.n, &over);
    if (over)
        return full(l);
    if (twice)
        return cedar_fail(l, (*ret)->at, "attribute `" PHI_FMT "` stands twice", PHI_ARG(*twice));
    (*ret)->attrs = attrs;
    (*ret)->n = list.n;
    return cedar_lex_take(l, TOK_RBRACE, "`,` or `}`");
}

static enum phi_rc read_set(struct cedar_lex *l, struct phi_view space, struct cedar_type **ret)
{
    PHI_TRY(new_type(l, TYPE_SET, ret));
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(cedar_lex_take(l, TOK_LT, "`<`"));
    PHI_TRY(read_type(l, space, &(*ret)->elem));
    return cedar_lex_take(l, TOK_GT, "`>`");
}

static enum phi_rc read_type(struct cedar_lex *l, struct phi_view space, struct cedar_type **ret)
{
    PHI_TRY(cedar_lex_enter(l));
    if (l->tok.kind == TOK_LBRACE)
        PHI_TRY(read_record(l, space, ret));
    else if (cedar_lex_is(l, "Set"))
        PHI_TRY(read_set(l, space, ret));
    else
        PHI_TRY(read_ref(l, space, ret));
    cedar_lex_leave(l);
    return PHI_OK;
}

/* Path, or [Path, …] */
static enum phi_rc read_entity_types(struct cedar_lex *l, struct phi_view space,
                                     struct cedar_list *list)
{
    bool many = false, more = true;
    PHI_TRY(cedar_lex_maybe(l, TOK_LBRACK, &many));
    more = !many || l->tok.kind != TOK_RBRACK;
    while (more) {
        struct cedar_type *t = NULL;
        PHI_TRY(read_ref(l, space, &t));
        if (!cedar_list_add(l->arena, list, t))
            return full(l);
        if (!many)
            return PHI_OK;
        PHI_TRY(cedar_lex_maybe(l, TOK_COMMA, &more));
        more = more && l->tok.kind != TOK_RBRACK;
    }
    return cedar_lex_take(l, TOK_RBRACK, "`,` or `]`");
}

static enum phi_rc read_enum(struct cedar_lex *l, struct cedar_list *ids)
{
    bool more = true;
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(cedar_lex_take(l, TOK_LBRACK, "`[`"));
    while (more) {
        struct phi_view *id = phi_arena_new(l->arena, struct phi_view);
        if (!id || !cedar_list_add(l->arena, ids, id))
            return full(l);
        if (l->tok.kind != TOK_STRING)
            return cedar_lex_unexpected(l, "an id in quotes");
        PHI_TRY(cedar_unescape(l, &l->tok, id, NULL));
        PHI_TRY(cedar_lex_next(l));
        PHI_TRY(cedar_lex_maybe(l, TOK_COMMA, &more));
        more = more && l->tok.kind != TOK_RBRACK;
    }
    return cedar_lex_take(l, TOK_RBRACK, "`,` or `]`");
}

static enum phi_rc read_names(struct cedar_lex *l, bool quotes, struct cedar_list *names)
{
    bool more = true;
    while (more) {
        struct phi_view *name = phi_arena_new(l->arena, struct phi_view);
        if (!name || !cedar_list_add(l->arena, names, name))
            return full(l);
        if (l->tok.kind == TOK_STRING && !quotes)
            return cedar_lex_unexpected(l, "the entity type's name, without quotes");
        PHI_TRY(read_name(l, name));
        PHI_TRY(cedar_lex_maybe(l, TOK_COMMA, &more));
    }
    return PHI_OK;
}

static enum phi_rc read_entity_body(struct cedar_lex *l, struct phi_view space,
                                    struct cedar_entity_type *e)
{
    bool equals = false;
    if (cedar_lex_is(l, "enum"))
        return read_enum(l, &e->ids);
    if (cedar_lex_is(l, "in")) {
        PHI_TRY(cedar_lex_next(l));
        PHI_TRY(read_entity_types(l, space, &e->parents));
    }
    PHI_TRY(cedar_lex_maybe(l, TOK_ASSIGN, &equals));
    if (equals || l->tok.kind == TOK_LBRACE)
        PHI_TRY(read_type(l, space, &e->attrs));
    if (!cedar_lex_is(l, "tags"))
        return PHI_OK;
    PHI_TRY(cedar_lex_next(l));
    return read_type(l, space, &e->tags);
}

static enum phi_rc read_entity(struct cedar_lex *l, struct phi_view space,
                               struct cedar_schema_draft *d)
{
    struct cedar_list names = { 0 };
    struct cedar_entity_type body = { .at = l->tok.at };
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(read_names(l, false, &names));
    PHI_TRY(read_entity_body(l, space, &body));
    for (size_t i = 0; i < names.n; i++) {
        struct cedar_entity_type *e = phi_arena_new(l->arena, struct cedar_entity_type);
        if (!e || !cedar_list_add(l->arena, &d->entities, e))
            return full(l);
        *e = body;
        e->name = cedar_qualified(l->arena, space, *(struct phi_view *)names.p[i]);
    }
    return PHI_OK;
}

static enum phi_rc read_action_ref(struct cedar_lex *l, struct phi_view space,
                                   struct cedar_list *refs)
{
    struct cedar_ref *ref = phi_arena_new(l->arena, struct cedar_ref);
    bool entity = false;
    if (!ref || !cedar_list_add(l->arena, refs, ref))
        return full(l);
    ref->at = l->tok.at;
    ref->space = space;
    if (l->tok.kind == TOK_STRING)
        return read_name(l, &ref->id);
    PHI_TRY(cedar_lex_path(l, &ref->type, &entity));
    if (entity)
        return read_name(l, &ref->id);
    ref->id = ref->type;
    ref->type = (struct phi_view){ 0 };
    return PHI_OK;
}

static enum phi_rc read_action_refs(struct cedar_lex *l, struct phi_view space,
                                    struct cedar_list *refs)
{
    bool many = false;
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(cedar_lex_maybe(l, TOK_LBRACK, &many));
    if (!many)
        return read_action_ref(l, space, refs);
    bool more = l->tok.kind != TOK_RBRACK;
    while (more) {
        PHI_TRY(read_action_ref(l, space, refs));
        PHI_TRY(cedar_lex_maybe(l, TOK_COMMA, &more));
        more = more && l->tok.kind != TOK_RBRACK;
    }
    return cedar_lex_take(l, TOK_RBRACK, "`,` or `]`");
}

static enum phi_rc read_applies_part(struct cedar_lex *l, struct phi_view space,
                                     struct cedar_action *a)
{
    struct cedar_token what = l->tok;
    PHI_TRY(cedar_lex_take(l, TOK_IDENT, "principal, resource or context"));
    PHI_TRY(cedar_lex_take(l, TOK_COLON, "`:`"));
    if (phi_view_is(what.text, "principal"))
        return read_entity_types(l, space, &a->principals);
    if (phi_view_is(what.text, "resource"))
        return read_entity_types(l, space, &a->resources);
    if (phi_view_is(what.text, "context"))
        return read_type(l, space, &a->context);
    return cedar_fail(l, what.at, "expected principal, resource or context");
}

static enum phi_rc read_applies(struct cedar_lex *l, struct phi_view space, struct cedar_action *a)
{
    a->applies = true;
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(cedar_lex_take(l, TOK_LBRACE, "`{`"));
    bool more = l->tok.kind != TOK_RBRACE;
    while (more) {
        PHI_TRY(read_applies_part(l, space, a));
        PHI_TRY(cedar_lex_maybe(l, TOK_COMMA, &more));
        more = more && l->tok.kind != TOK_RBRACE;
    }
    return cedar_lex_take(l, TOK_RBRACE, "`,` or `}`");
}

static enum phi_rc read_action(struct cedar_lex *l, struct phi_view space,
                               struct cedar_schema_draft *d)
{
    struct cedar_list names = { 0 };
    struct cedar_action body = { .at = l->tok.at };
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(read_names(l, true, &names));
    if (cedar_lex_is(l, "in"))
        PHI_TRY(read_action_refs(l, space, &body.refs));
    if (cedar_lex_is(l, "appliesTo"))
        PHI_TRY(read_applies(l, space, &body));
    for (size_t i = 0; i < names.n; i++) {
        struct cedar_action *a = phi_arena_new(l->arena, struct cedar_action);
        if (!a || !cedar_list_add(l->arena, &d->actions, a))
            return full(l);
        *a = body;
        a->uid.type = cedar_qualified(l->arena, space, PHI_LIT("Action"));
        a->uid.id = *(struct phi_view *)names.p[i];
    }
    return PHI_OK;
}

static enum phi_rc read_common(struct cedar_lex *l, struct phi_view space,
                               struct cedar_schema_draft *d)
{
    struct cedar_common *c = phi_arena_new(l->arena, struct cedar_common);
    if (!c || !cedar_list_add(l->arena, &d->common, c))
        return full(l);
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(word_check(l));
    c->name = cedar_qualified(l->arena, space, l->tok.text);
    PHI_TRY(cedar_lex_take(l, TOK_IDENT, "the type's name"));
    PHI_TRY(cedar_lex_take(l, TOK_ASSIGN, "`=`"));
    return read_type(l, space, &c->type);
}

static enum phi_rc read_decl(struct cedar_lex *l, struct phi_view space,
                             struct cedar_schema_draft *d)
{
    PHI_TRY(skip_notes(l));
    if (cedar_lex_is(l, "entity"))
        PHI_TRY(read_entity(l, space, d));
    else if (cedar_lex_is(l, "action"))
        PHI_TRY(read_action(l, space, d));
    else if (cedar_lex_is(l, "type"))
        PHI_TRY(read_common(l, space, d));
    else
        return cedar_lex_unexpected(l, "`entity`, `action`, `type` or `namespace`");
    return cedar_lex_take(l, TOK_SEMI, "`;`");
}

static enum phi_rc read_namespace(struct cedar_lex *l, struct cedar_schema_draft *d)
{
    struct phi_view space = { 0 };
    PHI_TRY(cedar_lex_next(l));
    PHI_TRY(read_path(l, &space));
    PHI_TRY(cedar_lex_take(l, TOK_LBRACE, "`{`"));
    while (l->tok.kind != TOK_RBRACE)
        PHI_TRY(read_decl(l, space, d));
    return cedar_lex_next(l);
}

enum phi_rc cedar_schema_read(struct cedar_lex *l, struct cedar_schema_draft *d)
{
    while (l->tok.kind != TOK_END) {
        PHI_TRY(skip_notes(l));
        if (cedar_lex_is(l, "namespace"))
            PHI_TRY(read_namespace(l, d));
        else
            PHI_TRY(read_decl(l, (struct phi_view){ 0 }, d));
    }
    return PHI_OK;
}
