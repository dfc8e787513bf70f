/* The entities that phid alone knows: people in their groups, gateways, targets. */
#include "core/entity_in.h"
#include "core/inner.h"

#define WORLD_LIMIT ((size_t)256 << 20)

static struct phi_uid uid(const char *type, struct phi_view id)
{
    return (struct phi_uid){ phi_view_of(type), id };
}

static enum phi_rc add_people(struct phi_core *c, struct phi_arena *a, struct phi_entities *es, struct phi_err *err)
{
    struct core_person_row *people;
    size_t n;
    PHI_TRY(core_list(c, CORE_PERSON, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &people, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_member_row *in, key = { .person = people[i].id };
        size_t m;
        PHI_TRY(core_list(c, CORE_MEMBER, CORE_MEMBER_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, a, &in, &m,
                          err));
        struct phi_uid *parents = phi_arena_array(a, m + 1, sizeof *parents);
        if (!parents)
            return phi_fail(err, PHI_ELIMIT, "too many people");
        for (size_t k = 0; k < m; k++)
            parents[k] = uid("Group", in[k].grp);
        PHI_TRY(phi_entities_add(es, (struct phi_uid){ phi_who_type(people[i].id), people[i].id }, parents, m, NULL, err));
    }
    return PHI_OK;
}

static enum phi_rc add_groups(struct phi_core *c, struct phi_arena *a, struct phi_entities *es, struct phi_err *err)
{
    struct core_member_row *rows;
    size_t n;
    PHI_TRY(core_list(c, CORE_MEMBER, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) /* in the order of groups */
        if (i == 0 || !phi_view_eq(rows[i].grp, rows[i - 1].grp))
            PHI_TRY(phi_entities_add(es, uid("Group", rows[i].grp), NULL, 0, NULL, err));
    return PHI_OK;
}

static enum phi_rc add_targets(struct phi_core *c, struct phi_arena *a, struct phi_entities *es, struct phi_err *err)
{
    struct core_target_row *rows;
    size_t n;
    PHI_TRY(core_list(c, CORE_TARGET, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &rows, &n, err));
    struct phi_view own = PHI_LIT(PHI_OWN_TARGET);
    struct phi_ref self = phi_ref_make_parts(a, "Target", &own, 1);
    PHI_TRY(phi_entities_add(es, (struct phi_uid){ self.type, self.id }, NULL, 0, NULL, err));
    for (size_t i = 0; i < n; i++) {
        struct phi_ref t = phi_ref_make_parts(a, "Target", &rows[i].name, 1);
        PHI_TRY(phi_entities_add(es, (struct phi_uid){ t.type, t.id }, NULL, 0, NULL, err));
    }
    return PHI_OK;
}

static enum phi_rc fill(struct phi_core *c, struct phi_entities *es, struct phi_err *err)
{
    PHI_ARENA(a, WORLD_LIMIT);
    PHI_TRY(add_groups(c, &a, es, err));
    PHI_TRY(add_people(c, &a, es, err));
    PHI_TRY(add_targets(c, &a, es, err));
    return core_entities_load(c, es, err);
}

enum phi_rc core_world(struct phi_core *c, const struct phi_entities **ret, struct phi_err *err)
{
    if (c->world_loaded != c->st.world || !c->world) {
        struct phi_entities *es = phi_entities_open(NULL, WORLD_LIMIT);
        if (!es)
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        enum phi_rc rc = fill(c, es, err);
        if (rc != PHI_OK) {
            phi_entities_close(es);
            return rc;
        }
        core_ready_drop(c);
        phi_entities_close(c->world);
        c->world = es;
        c->world_loaded = c->st.world;
    }
    *ret = c->world;
    return PHI_OK;
}
