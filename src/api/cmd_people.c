/* People, groups, accounts, links; targets and credentials; the bundle. */
#include "api/handlers.h"
#include "api/json_out.h"
#include "core/bundle.h"
#include "core/forget.h"
#include "core/target.h"

static struct phi_view member(struct api_call *c, const char *key)
{
    return phi_json_text(c->body, key);
}

enum phi_rc api_person_add(struct api_call *c, struct phi_err *err)
{
    const struct phi_view *groups;
    size_t n;
    struct phi_person p;
    PHI_TRY(api_body_strs(c, "groups", &groups, &n, err));
    PHI_TRY(phi_person_add(c->core, &c->arena, &c->actor, member(c, "name"), groups, n, &p, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kv(w, "id", p.id);
    phi_jw_kv(w, "name", p.name);
    phi_jw_end(w);
    return PHI_OK;
}

static enum phi_rc page_read(struct api_call *c, struct phi_page *ret, struct phi_err *err)
{
    *ret = (struct phi_page){ .after = api_query(c, "cursor") };
    return api_query_int(c, "limit", 1, PHI_PAGE_MAX, PHI_PAGE_MAX, &ret->limit, err);
}

static void next_write(struct phi_jw *w, const struct phi_page *page)
{
    if (page->next.n)
        phi_jw_kv(w, "next", page->next);
}

enum phi_rc api_person_list(struct api_call *c, struct phi_err *err)
{
    struct phi_person *p;
    size_t n;
    struct phi_page page;
    PHI_TRY(page_read(c, &page, err));
    PHI_TRY(phi_person_list(c->core, &c->arena, &c->actor, &page, &p, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "people");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "id", p[i].id);
        phi_jw_kv(w, "name", p[i].name);
        api_w_strs(w, "groups", p[i].groups, p[i].n_groups);
        api_w_strs(w, "accounts", p[i].accounts, p[i].n_accounts);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    next_write(w, &page);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_person_forget(struct api_call *c, struct phi_err *err)
{
    struct phi_forgotten f;
    PHI_TRY(phi_person_forget(c->core, &c->arena, &c->actor, c->params[0], &f, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kv(w, "id", f.id);
    phi_jw_ki(w, "requests", f.requests);
    phi_jw_ki(w, "texts", f.texts);
    phi_jw_ki(w, "entries_left", f.entries_left);
    phi_jw_end(w);
    return PHI_OK;
}

static enum phi_rc done(struct api_call *c)
{
    c->status = 204;
    return PHI_OK;
}

enum phi_rc api_member_add(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_group_add_member(c->core, &c->actor, c->params[0], member(c, "person"), err));
    return done(c);
}

enum phi_rc api_member_del(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_group_del_member(c->core, &c->actor, c->params[0], c->params[1], err));
    return done(c);
}

enum phi_rc api_account_add(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_account_link(c->core, &c->actor, member(c, "name"), member(c, "person"), err));
    return done(c);
}

enum phi_rc api_link_make(struct api_call *c, struct phi_err *err)
{
    struct phi_link l;
    PHI_TRY(phi_link_make(c->core, &c->actor, member(c, "person"), &l, err));
    struct phi_view url = phi_arena_printf(&c->arena, "%s/login/%s", c->env->origin, l.secret);
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kv(w, "link", url);
    phi_jw_kc(w, "secret", l.secret);
    phi_jw_ki(w, "expires_in_ms", l.expires_in_ms);
    phi_jw_end(w);
    return PHI_OK;
}

static void target_write(struct phi_jw *w, const struct phi_target *t)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "name", t->name);
    phi_jw_kv(w, "kind", t->kind);
    phi_jw_kv(w, "address", t->address);
    phi_jw_kv(w, "database", t->database);
    phi_jw_end(w);
}

enum phi_rc api_target_add(struct api_call *c, struct phi_err *err)
{
    struct phi_target t = { .name = member(c, "name"),
                            .kind = member(c, "kind"),
                            .address = member(c, "address"),
                            .database = member(c, "database") };
    PHI_TRY(phi_target_put(c->core, &c->actor, &t, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kv(w, "name", t.name);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_target_list(struct api_call *c, struct phi_err *err)
{
    struct phi_target *t;
    size_t n;
    struct phi_page page;
    PHI_TRY(page_read(c, &page, err));
    PHI_TRY(phi_target_list(c->core, &c->arena, &page, &t, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "targets");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        target_write(w, &t[i]);
    phi_jw_end(w);
    next_write(w, &page);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_credential_make(struct api_call *c, struct phi_err *err)
{
    struct phi_credential k;
    PHI_TRY(phi_credential_make(c->core, &c->arena, &c->actor, member(c, "target"), &k, err));
    struct phi_jw *w = api_answer(c, 201);
    phi_jw_kv(w, "id", k.id);
    phi_jw_kv(w, "user", k.user);
    phi_jw_kc(w, "password", k.password);
    phi_jw_key(w, "target");
    target_write(w, &k.target);
    phi_jw_ki(w, "expires_in_ms", k.expires_in_ms);
    phi_jw_end(w);
    phi_wipe(&k.password, sizeof(k.password));
    return PHI_OK;
}

static struct phi_view bundle_etag(struct api_call *c, const struct phi_bundle_view *b)
{
    return phi_arena_printf(&c->arena, "\"%lld-" PHI_FMT "\"", (long long)b->version, PHI_ARG(phi_view_upto(b->hash, 16)));
}

enum phi_rc api_bundle_match(struct api_call *c, struct phi_err *err)
{
    struct phi_bundle_view b;
    PHI_TRY(phi_bundle_get(c->core, &c->arena, &b, err));
    if (phi_view_eq(c->if_match, bundle_etag(c, &b)) || (phi_view_is(c->if_match, "*") && b.hash.n))
        return PHI_OK;
    c->problem = API_PRECONDITION;
    return phi_fail(err, PHI_ECONFLICT, "another policy is live by now: version %lld", (long long)b.version);
}

enum phi_rc api_bundle_put(struct api_call *c, struct phi_err *err)
{
    struct phi_bundle_view b;
    enum phi_rc rc = phi_bundle_put(c->core, &c->arena, &c->actor, member(c, "schema"),
                                    member(c, "policies"), member(c, "requirements"), &b, err);
    if (rc == PHI_EINPUT && !phi_core_why(c->core)[0])
        c->problem = API_BUNDLE_INVALID;
    PHI_TRY(rc);
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_kv(w, "hash", b.hash);
    phi_jw_ki(w, "version", b.version);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_bundle_get(struct api_call *c, struct phi_err *err)
{
    struct phi_bundle_view b;
    PHI_TRY(phi_bundle_get(c->core, &c->arena, &b, err));
    c->etag = bundle_etag(c, &b);
    struct phi_jw *w = api_answer(c, 200);
    api_w_bundle(w, &b);
    phi_jw_end(w);
    return PHI_OK;
}
