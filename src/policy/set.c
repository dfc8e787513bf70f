/* Policy sets: static policies, templates and the templates' links. */
#include "policy/est.h"

static enum phi_rc full(struct phi_err *err)
{
    return phi_fail(err, PHI_ELIMIT, "the policies are too large");
}

static enum phi_rc fill(struct phi_arena *a, struct cedar_scope *s, const struct phi_uid *uid, const char *slot,
                        struct phi_err *err)
{
    if (s->slot == !uid)
        return phi_fail(err, PHI_EINPUT, s->slot ? "the link gives no value for %s" : "the template has no %s", slot);
    if (!uid)
        return PHI_OK;
    struct phi_uid *own = phi_arena_new(a, struct phi_uid);
    if (!own)
        return full(err);
    *own = *uid;
    s->uids = own;
    s->n = 1;
    s->slot = false;
    return PHI_OK;
}

enum phi_rc cedar_template_link(struct phi_arena *a, const struct cedar_policy *t, struct phi_view id,
                                const struct phi_uid *principal, const struct phi_uid *resource,
                                struct cedar_policy **ret, struct phi_err *err)
{
    struct cedar_policy *p = phi_arena_new(a, struct cedar_policy);
    if (!p)
        return full(err);
    *p = *t;
    p->id = id;
    PHI_TRY(fill(a, &p->principal, principal, "?principal", err));
    PHI_TRY(fill(a, &p->resource, resource, "?resource", err));
    *ret = p;
    return PHI_OK;
}

static struct cedar_policy *find(const struct cedar_list *list, struct phi_view id)
{
    for (size_t i = 0; i < list->n; i++)
        if (phi_view_eq(((struct cedar_policy *)list->p[i])->id, id))
            return list->p[i];
    return NULL;
}

static enum phi_rc read_named(struct phi_arena *a, const struct phi_json *v, bool templates, struct cedar_list *ret,
                              struct phi_err *err)
{
    if (!v)
        return PHI_OK;
    if (v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "staticPolicies and templates must be objects: id to policy");
    for (size_t i = 0; i < v->n; i++) {
        struct cedar_policy *p = NULL;
        PHI_TRY(cedar_policy_from_json(a, &v->items[i], v->keys[i], &p, err));
        p->id = v->keys[i];
        if (cedar_is_template(p) != templates)
            return phi_fail(err, PHI_EINPUT, "policy \"" PHI_FMT "\" %s", PHI_ARG(phi_view_upto(p->id, 60)),
                            templates ? "has no slot, so it is no template" : "has a slot, so it is a template");
        if (!cedar_list_add(a, ret, p))
            return full(err);
    }
    return PHI_OK;
}

static enum phi_rc read_value(const struct phi_json *values, const char *slot, struct phi_uid *uid,
                              const struct phi_uid **ret, struct phi_err *err)
{
    const struct phi_json *v = phi_json_get(values, slot);
    *ret = NULL;
    if (!v)
        return PHI_OK;
    PHI_TRY(phi_uid_from_json(v, uid, err));
    *ret = uid;
    return PHI_OK;
}

static enum phi_rc read_link(struct phi_arena *a, const struct phi_json *v, const struct cedar_list *templates,
                             struct cedar_list *policies, struct phi_err *err)
{
    static const char *const keys[] = { "templateId", "newId", "values", NULL }, *const slots[] = { "?principal", "?resource", NULL };
    const struct phi_json *values = phi_json_get(v, "values");
    struct phi_uid uids[2];
    const struct phi_uid *given[2];
    struct phi_view of, id;
    struct cedar_policy *p = NULL;
    PHI_TRY(phi_json_only(v, keys, err));
    PHI_TRY(phi_json_need_str(v, "templateId", &of, err));
    PHI_TRY(phi_json_need_str(v, "newId", &id, err));
    const struct cedar_policy *t = find(templates, of);
    if (!t)
        return phi_fail(err, PHI_EINPUT, "there is no template \"" PHI_FMT "\"", PHI_ARG(phi_view_upto(of, 60)));
    if (!values || values->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "values of a link must be an object: slot to entity");
    PHI_TRY(phi_json_only(values, slots, err));
    for (int i = 0; i < 2; i++)
        PHI_TRY(read_value(values, slots[i], &uids[i], &given[i], err));
    PHI_TRY(cedar_template_link(a, t, id, given[0], given[1], &p, err));
    if (find(policies, id) || find(templates, id))
        return phi_fail(err, PHI_ECONFLICT, "the id \"" PHI_FMT "\" stands twice", PHI_ARG(phi_view_upto(id, 60)));
    return cedar_list_add(a, policies, p) ? PHI_OK : full(err);
}

enum phi_rc cedar_set_from_json(struct phi_arena *a, const struct phi_json *v, struct cedar_policy_set *ret,
                                struct phi_err *err)
{
    static const char *const keys[] = { "staticPolicies", "templates", "templateLinks", NULL };
    struct cedar_list policies = { 0 }, templates = { 0 };
    const struct phi_json *links = phi_json_get(v, "templateLinks");
    if (!v || v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "a policy set must be an object with staticPolicies, templates, templateLinks");
    PHI_TRY(phi_json_only(v, keys, err));
    PHI_TRY(read_named(a, phi_json_get(v, "staticPolicies"), false, &policies, err));
    PHI_TRY(read_named(a, phi_json_get(v, "templates"), true, &templates, err));
    if (links && links->kind != PHI_JSON_ARR)
        return phi_fail(err, PHI_EINPUT, "templateLinks must be a list");
    for (size_t i = 0; links && i < links->n; i++)
        PHI_TRY(read_link(a, &links->items[i], &templates, &policies, err));
    *ret = (struct cedar_policy_set){ { (struct cedar_policy *const *)policies.p, policies.n },
                                      { (struct cedar_policy *const *)templates.p, templates.n } };
    return PHI_OK;
}
