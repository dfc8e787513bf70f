/* What one gateway may know: its targets, the bundle, and who has a live credential there. */
#include "core/gateway.h"
#include "core/inner.h"
#include "core/person.h"

static bool listed(const struct phi_snapshot_person *p, size_t n, struct phi_view id)
{
    for (size_t i = 0; i < n; i++)
        if (phi_view_eq(p[i].id, id))
            return true;
    return false;
}

struct filling {
    struct phi_snapshot_credential *creds;
    struct phi_snapshot_person *people;
    size_t n_creds, n_people, max;
};

static enum phi_rc person_in(struct phi_core *c, struct phi_arena *a, struct filling *f, struct phi_view id,
                             struct phi_err *err)
{
    struct phi_person p;
    if (listed(f->people, f->n_people, id))
        return PHI_OK;
    PHI_TRY(phi_person_get(c, a, id, &p, err));
    f->people[f->n_people++] = (struct phi_snapshot_person){ p.id, p.name, p.groups, p.n_groups };
    return PHI_OK;
}

static enum phi_rc target_in(struct phi_core *c, struct phi_arena *a, struct filling *f, struct phi_view target,
                             struct phi_err *err)
{
    struct core_credential_row *rows, key = { .target = target };
    size_t n;
    PHI_TRY(core_list(c, CORE_CREDENTIAL, CORE_CREDENTIAL_BY_TARGET, &key, (struct core_span){ .prefix = 1 }, a, &rows,
                      &n, err));
    struct phi_snapshot_credential *creds = phi_arena_array(a, f->n_creds + n + 1, sizeof *creds);
    struct phi_snapshot_person *people = phi_arena_array(a, f->n_people + n + 1, sizeof *people);
    if (!creds || !people)
        return phi_fail(err, PHI_ELIMIT, "the snapshot is too large");
    for (size_t i = 0; i < f->n_creds; i++)
        creds[i] = f->creds[i];
    for (size_t i = 0; i < f->n_people; i++)
        people[i] = f->people[i];
    f->creds = creds;
    f->people = people;
    for (size_t i = 0; i < n; i++) {
        int64_t left = core_left(c, &rows[i].due);
        if (left <= 0)
            continue;
        f->creds[f->n_creds++] =
            (struct phi_snapshot_credential){ rows[i].id, rows[i].person, rows[i].target, rows[i].verifier, left };
        PHI_TRY(person_in(c, a, f, rows[i].person, err));
    }
    return PHI_OK;
}

static enum phi_rc groups_in(struct phi_core *c, struct phi_arena *a, struct phi_snapshot *s, struct phi_err *err)
{
    struct core_member_row *rows;
    size_t n;
    PHI_TRY(core_list(c, CORE_MEMBER, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &rows, &n, err));
    struct phi_view *g = phi_arena_array(a, n + 1, sizeof *g);
    if (!g)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !phi_view_eq(rows[i].grp, rows[i - 1].grp))
            g[s->n_groups++] = rows[i].grp;
    s->groups = g;
    return PHI_OK;
}

enum phi_rc phi_gateway_snapshot(struct phi_core *c, struct phi_arena *a, const struct phi_actor *gateway,
                                 struct phi_view version, struct phi_snapshot *ret, struct phi_err *err)
{
    struct core_gateway_row row;
    struct filling f = { 0 };
    *ret = (struct phi_snapshot){ 0 };
    /* A gateway that has seen a log and is shown none takes that for a phid that hides its log. */
    if (c->st.gen > 0 && c->st.note.n == 0)
        return core_no(c, "log.unsigned", err, PHI_ECONFLICT, "the log begins anew and its first head is not signed yet");
    PHI_TRY(core_gateway_renew(c, a, gateway, version, &row, err));
    PHI_TRY(core_gateway_targets(c, a, gateway->id, &ret->targets, &ret->n_targets, err));
    PHI_TRY(phi_bundle_get(c, a, &ret->bundle, err));
    for (size_t i = 0; i < ret->n_targets; i++)
        PHI_TRY(target_in(c, a, &f, ret->targets[i], err));
    PHI_TRY(groups_in(c, a, ret, err));
    ret->seq = c->st.snapshot_seq;
    ret->lease_ms = core_left(c, &row.lease_due);
    ret->last_batch = row.last_batch;
    ret->people = f.people;
    ret->n_people = f.n_people;
    ret->credentials = f.creds;
    ret->n_credentials = f.n_creds;
    ret->checkpoint = phi_arena_copy(a, c->st.note);
    return PHI_OK;
}
