/* Who says who people are. A provider of kind "oidc" signs people in (OpenID Connect); one of kind "workload" is an issuer
 * whose tokens are exchanged for short ones of phi's. Both are changed by logged actions only. */
#ifndef CORE_IDENTITY_H
#define CORE_IDENTITY_H

#include "core/person.h"

struct phi_provider {
    struct phi_view name, kind, config; /* config: canonical JSON */
    int64_t at_ms;
};

/* config of "oidc": {"issuer","client_id","title"?,"secret"?:true,"scope"?,"name_claim"?,"groups_claim"?,
 * "groups"?:{"theirs":"ours"},"strong"?:["mfa"],"create"?,"adopt"?} */
struct phi_oidc_conf {
    struct phi_view issuer, client_id, title, scope;
    struct phi_view name_claim;   /* "preferred_username" */
    struct phi_view groups_claim; /* "" none: the provider says nothing of groups */
    const struct phi_json *groups; /* object, or NULL */
    const struct phi_json *strong; /* values of amr or acr that stand for a second factor, or NULL */
    bool secret; /* phid has a file `oidc-NAME` with the client's secret */
    bool create; /* an account that nobody has linked becomes a person of its name */
    bool userinfo; /* name and groups may stand in the userinfo endpoint's answer instead of the id_token */
    bool adopt;  /* and becomes the person who has that name already, where that one has no account here */
};
enum phi_rc phi_oidc_conf_read(struct phi_arena *a, struct phi_view config, struct phi_oidc_conf *ret, struct phi_err *err);

/* config of "workload": {"issuer","audience","claims":{"name":"pattern"},"service","rights":["see","ask"],"max_ms"}. In a pattern
 * `*` stands for any text without '/', `**` for any text. */
struct phi_workload_conf {
    struct phi_view issuer, audience, service;
    const struct phi_json *claims; /* an object of at least one text */
    uint32_t rights;               /* bits of enum phi_right */
    int64_t max_ms;
};
enum phi_rc phi_workload_conf_read(struct phi_arena *a, struct phi_view config, struct phi_workload_conf *ret,
                                   struct phi_err *err);
bool phi_claim_fits(struct phi_view pattern, struct phi_view text);
/* Does every claim that the configuration pins stand in `claims` (a token's), as a text or true/false, and fit? `missing`
 * names the first that does not. */
bool phi_workload_fits(const struct phi_workload_conf *w, const struct phi_json *claims, struct phi_view *missing);

/* Right "people". Replaces one of that name; PHI_EINPUT says what is wrong with the configuration. */
enum phi_rc phi_provider_put(struct phi_core *c, const struct phi_actor *by, struct phi_view name, struct phi_view kind,
                             struct phi_view config, struct phi_err *err);
enum phi_rc phi_provider_del(struct phi_core *c, const struct phi_actor *by, struct phi_view name, struct phi_err *err);
/* Need no right: sign-in uses them. `kind` "" is any. PHI_ENOTFOUND. */
enum phi_rc phi_provider_get(struct phi_core *c, struct phi_arena *a, struct phi_view name, struct phi_view kind,
                             struct phi_provider *ret, struct phi_err *err);
enum phi_rc phi_provider_list(struct phi_core *c, struct phi_arena *a, struct phi_view kind, struct phi_provider **ret,
                              size_t *ret_n, struct phi_err *err);

/* ---- accounts at a provider ---- */

struct phi_sign_in { /* what a verified answer of the provider says */
    struct phi_view provider, subject;
    struct phi_view name; /* of the name claim, "" none */
    const struct phi_json *groups; /* of the groups claim: a text or a list; NULL: not there */
};
/* The claim as a name here: letters of ASCII become small, nothing else is changed; false when it cannot be one (attack 57). */
bool phi_claim_name(struct phi_arena *a, struct phi_view claim, struct phi_view *ret);
/* The person whose account this is, in the groups that the provider says now. PHI_EDENIED: nobody's, and `conf` does not
 * let it become somebody's. */
enum phi_rc phi_identity_sign_in(struct phi_core *c, struct phi_arena *a, const struct phi_oidc_conf *conf,
                                 const struct phi_sign_in *in, struct phi_person *ret, struct phi_err *err);
/* Right "people": the account `subject` at `provider` is `person` (name or id). PHI_ECONFLICT: somebody else's. */
enum phi_rc phi_identity_link(struct phi_core *c, const struct phi_actor *by, struct phi_view provider, struct phi_view subject,
                              struct phi_view person, struct phi_err *err);
enum phi_rc phi_identity_unlink(struct phi_core *c, const struct phi_actor *by, struct phi_view provider, struct phi_view subject,
                                struct phi_err *err);
struct phi_identity {
    struct phi_view provider, subject;
    int64_t at_ms;
};
enum phi_rc phi_identity_list(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_identity **ret,
                              size_t *ret_n, struct phi_err *err);

/* ---- sign-ins under way ---- */

struct phi_login {
    struct phi_view kind, code, person, data; /* data: JSON */
    int64_t expires_in_ms;
};
/* Kept under the hash of `secret` for `ms`. PHI_ECONFLICT: it is there already. */
enum phi_rc phi_login_put(struct phi_core *c, struct phi_view secret, const struct phi_login *l, int64_t ms, struct phi_err *err);
/* PHI_ENOTFOUND: none of this kind, or over. `take`: it is gone afterwards. */
enum phi_rc phi_login_get(struct phi_core *c, struct phi_arena *a, struct phi_view secret, const char *kind, bool take,
                          struct phi_login *ret, struct phi_err *err);
enum phi_rc phi_login_by_code(struct phi_core *c, struct phi_arena *a, const char *kind, struct phi_view code,
                              struct phi_login *ret, struct phi_err *err);
/* Says who confirmed (or with "" in `person` that it was refused: data says so) what waits under this code. */
enum phi_rc phi_login_settle(struct phi_core *c, const char *kind, struct phi_view code, struct phi_view person,
                             struct phi_view data, struct phi_err *err);

#endif
