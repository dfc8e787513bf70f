/* What changed between two bundles, by the ids of policies: for the log and for those who approve. */
#include "policy/bundle.h"

#define MOST 100 /* ids of a kind; a log entry has an end */

static struct phi_view text_of(const struct phi_bundle *b, const struct cedar_policy *p)
{
    return phi_view_mem(b->text.policies.p + p->from, p->to - p->from);
}

static const struct cedar_policy *policy_of(const struct phi_bundle *b, struct phi_view id)
{
    for (size_t i = 0; b && i < b->policies.n; i++)
        if (phi_view_eq(b->policies.p[i]->id, id))
            return b->policies.p[i];
    return NULL;
}

enum change { ADDED, CHANGED, SAME };

static enum change change_of(const struct phi_bundle *from, const struct phi_bundle *to, const struct cedar_policy *p)
{
    const struct cedar_policy *was = policy_of(from, p->id);
    return !was ? ADDED : phi_view_eq(text_of(from, was), text_of(to, p)) ? SAME : CHANGED;
}

static void ids(struct phi_jw *w, const char *key, const struct phi_bundle *from, const struct phi_bundle *to,
                enum change what)
{
    size_t n = 0;
    phi_jw_key(w, key);
    phi_jw_arr(w);
    for (size_t i = 0; to && i < to->policies.n && n < MOST; i++)
        if (change_of(from, to, to->policies.p[i]) == what) {
            phi_jw_str(w, phi_view_upto(to->policies.p[i]->id, 128));
            n++;
        }
    phi_jw_end(w);
}

void phi_bundle_diff(struct phi_jw *w, const struct phi_bundle *from, const struct phi_bundle *to)
{
    phi_jw_obj(w);
    phi_jw_key(w, "policies");
    phi_jw_obj(w);
    ids(w, "added", from, to, ADDED);
    ids(w, "changed", from, to, CHANGED);
    ids(w, "removed", to, from, ADDED);
    phi_jw_end(w);
    phi_jw_key(w, "requirements");
    phi_jw_bool(w, !from || !phi_view_eq(from->text.requirements, to->text.requirements));
    phi_jw_key(w, "schema");
    phi_jw_bool(w, !from || !phi_view_eq(from->text.schema, to->text.schema));
    phi_jw_end(w);
}
