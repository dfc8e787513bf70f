/* Who may approve what: in the requirement's `from`, and permitted by policy; persons, not accounts. */
#include <string.h>

#include "core/context.h"
#include "core/engine.h"
#include "core/prepare.h"
#include "core/ticket.h"

#define MAX_PLACES 64

/* ---- the Request entity of docs: requesters, requirement, risk, one attribute for each resource type */

/* The requester under every account, and who made the tokens by which a program asks. NULL: not to be told. */
static const struct phi_value *requesters(struct phi_core *c, struct phi_arena *a, const struct core_subject *s,
                                          struct phi_err *err)
{
    const struct phi_view *maker;
    const struct phi_value **set = NULL;
    size_t n_makers, k = 0;
    if (core_token_makers(c, a, s->root, &maker, &n_makers, err) != PHI_OK)
        return NULL;
    for (size_t i = 0; i <= n_makers; i++) {
        struct phi_view *ids;
        size_t n;
        if (core_accounts(c, a, i < n_makers ? maker[i] : s->root, &ids, &n, err) != PHI_OK)
            return NULL;
        const struct phi_value **more = phi_arena_array(a, k + n, sizeof *more);
        if (!more)
            return NULL;
        if (k)
            memcpy(more, set, k * sizeof *set);
        set = more;
        for (size_t j = 0; j < n; j++)
            if (phi_view_is(phi_who_type(ids[j]), "Person"))
                set[k++] = phi_value_entity(a, (struct phi_uid){ PHI_LIT("Person"), ids[j] });
    }
    return phi_value_set(a, set, k);
}

/* The one resource of this type, or NULL where there are none or several. */
static const struct phi_ref *only_of(const struct core_case *q, const char *type)
{
    const struct phi_ref *found = NULL;
    for (size_t i = 0; i < q->n_tries; i++) {
        const struct phi_ref *r = &q->tries[i].pair.resource;
        if (!phi_view_is(r->type, type))
            continue;
        if (found && !phi_ref_eq(*found, *r))
            return NULL;
        found = r;
    }
    return found;
}

static enum phi_rc request_entity(struct phi_core *c, struct phi_entities *es, const struct core_subject *s,
                                  const struct phi_requirement *r, struct phi_err *err)
{
    static const char *const by_type[][2] = {
        { "Schema", "schema" }, { "Table", "table" }, { "Column", "column" }, { "Function", "function" }
    };
    PHI_ARENA(a, (size_t)64 << 20);
    struct phi_ref target = phi_ref_make_parts(&a, "Target", &s->of->target, 1);
    struct phi_attr at[8] = {
        { PHI_LIT("requesters"), requesters(c, &a, s, err) },
        { PHI_LIT("requirement"), phi_value_string(&a, r->name) },
        { PHI_LIT("risk"), phi_value_long(&a, s->risk) },
        { PHI_LIT("target"), phi_value_entity(&a, (struct phi_uid){ target.type, target.id }) },
    };
    size_t n = 4;
    for (size_t i = 0; i < sizeof by_type / sizeof *by_type; i++) {
        const struct phi_ref *one = only_of(s->of, by_type[i][0]);
        if (one)
            at[n++] = (struct phi_attr){ phi_view_of(by_type[i][1]),
                                         phi_value_entity(&a, (struct phi_uid){ one->type, one->id }) };
    }
    const struct phi_value *attrs = phi_value_record(&a, at, n);
    if (!attrs)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    return phi_entities_add(es, (struct phi_uid){ PHI_LIT("Request"), s->id }, NULL, 0, attrs, err);
}

/* ---- candidates */

static enum phi_rc may_approve(struct phi_core *c, const struct core_prepared *p, const struct core_subject *s,
                               struct phi_view person, bool *ret, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct phi_view type = phi_view_is(person, CORE_AUTO) ? PHI_LIT("Service") : PHI_LIT("Person");
    struct phi_ask ask = { .principal = { type, person },
                           .action = { PHI_LIT("phi::Action"), PHI_LIT("approve") },
                           .resource = { PHI_LIT("Request"), s->id } };
    struct phi_answer ans = { .verdict = PHI_DENY };
    struct core_moment m = { .person = type.n == 6 ? person : (struct phi_view){ 0 }, .rated = true, .risk = s->risk };
    PHI_TRY(core_context_at(c, &a, ask.action, (struct phi_view){ 0 }, &m, &ask.context, err));
    *ret = core_ask(c, p, &ask, &a, &ans, NULL) == PHI_OK && ans.verdict == PHI_ALLOW && !ans.partial;
    return PHI_OK;
}

struct gathering {
    struct core_approver *p;
    size_t n, max;
};

static bool spoke_as(struct phi_core *c, struct phi_view request, struct phi_view root)
{
    PHI_ARENA(a, 1 << 16);
    struct core_party_row *rows, key = { request, PHI_LIT(CORE_PARTY_MAKER), { 0 } };
    size_t n;
    if (core_list(c, CORE_PARTY, CORE_BY_KEY, &key, (struct core_span){ .prefix = 2 }, &a, &rows, &n, NULL) != PHI_OK)
        return true; /* not to be told: then nobody approves */
    for (size_t i = 0; i < n; i++)
        if (core_same_person(c, rows[i].person, root))
            return true;
    return false;
}

/* The requester, whoever speaks or spoke as them, and everybody for whom they act. */
static bool is_of_requester(struct phi_core *c, const struct core_subject *s, struct phi_view root)
{
    bool service = !phi_view_is(phi_who_type(s->root), "Person");
    bool is = phi_view_eq(root, s->root) || (service && (core_speaks_as(c, root, s->root) || spoke_as(c, s->id, root)));
    for (size_t i = 0; i < s->of->n_behalf && !is; i++)
        is = core_same_person(c, root, s->of->behalf[i].id);
    return is;
}

static enum phi_rc gather(struct phi_core *c, struct phi_arena *a, const struct core_subject *s,
                          struct gathering *g, struct phi_view person, size_t set, struct phi_err *err)
{
    struct phi_view root = core_root(c, a, person);
    if (is_of_requester(c, s, root))
        return PHI_OK;
    for (size_t i = 0; i < g->n; i++)
        if (phi_view_eq(g->p[i].person, person)) {
            g->p[i].sets |= 1ULL << set;
            return PHI_OK;
        }
    if (g->n == g->max) {
        size_t max = g->max ? 2 * g->max : 16;
        struct core_approver *more = phi_arena_array(a, max, sizeof *more);
        if (!more)
            return phi_fail(err, PHI_ELIMIT, "too many approvers");
        if (g->n)
            memcpy(more, g->p, g->n * sizeof *more);
        g->p = more;
        g->max = max;
    }
    g->p[g->n++] = (struct core_approver){ .person = person, .root = root, .sets = 1ULL << set };
    return PHI_OK;
}

static enum phi_rc gather_set(struct phi_core *c, struct phi_arena *a, const struct core_subject *s,
                              struct gathering *g, struct phi_uid from, size_t set, struct phi_err *err)
{
    struct core_member_row *rows, key = { .grp = from.id };
    struct core_person_row person;
    size_t n;
    if (phi_view_is(from.type, "Person"))
        return core_person_find(c, a, from.id, &person, NULL) == PHI_OK && phi_view_is(phi_who_type(person.id), "Person")
                   ? gather(c, a, s, g, person.id, set, err)
                                                                        : PHI_OK;
    if (phi_view_is(from.type, "Service"))
        return phi_view_is(from.id, CORE_AUTO) ? gather(c, a, s, g, PHI_LIT(CORE_AUTO), set, err) : PHI_OK;
    if (!phi_view_is(from.type, "Group"))
        return PHI_OK; /* nobody else votes */
    PHI_TRY(core_list(c, CORE_MEMBER, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        if (phi_view_is(phi_who_type(rows[i].person), "Person")) /* a program never votes */
            PHI_TRY(gather(c, a, s, g, rows[i].person, set, err));
    return PHI_OK;
}

/* Keeps whom the policy permits; accounts of one person become one approver with all their sets. */
static enum phi_rc permitted(struct phi_core *c, const struct core_prepared *prepared, const struct core_subject *s,
                             struct gathering *g, struct phi_err *err)
{
    size_t k = 0;
    for (size_t i = 0; i < g->n; i++) {
        struct core_approver p = g->p[i];
        bool yes = false;
        PHI_TRY(may_approve(c, prepared, s, p.person, &yes, err));
        size_t at = 0;
        while (at < k && !phi_view_eq(g->p[at].root, p.root))
            at++;
        if (!yes)
            continue;
        if (at < k)
            g->p[at].sets |= p.sets;
        else
            g->p[k++] = p;
    }
    g->n = k;
    return PHI_OK;
}

static bool none_awake(struct phi_core *c, const struct gathering *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (!core_quiet_now(c, g->p[i].root))
            return false;
    return g->n > 0;
}

static enum phi_rc gather_all(struct phi_core *c, struct phi_arena *a, const struct core_subject *s,
                              struct gathering *g, const struct phi_requirement *r, size_t set, struct phi_err *err)
{
    const struct phi_requirement_set *of = &r->sets[set];
    PHI_TRY(gather_set(c, a, s, g, of->from, set, err));
    for (size_t i = 0; i < of->n_also; i++)
        PHI_TRY(gather_set(c, a, s, g, of->also[i], set, err));
    bool later = s->age_ms >= r->fallback_ms || none_awake(c, g); /* nobody is reached now: it is the others' turn at once */
    for (size_t i = 0; i < r->n_fallback && later; i++)
        PHI_TRY(gather_set(c, a, s, g, r->fallback[i], set, err));
    return PHI_OK;
}

/* Those to whom one of these has delegated; not whoever may approve by themselves, nor the requester. */
static enum phi_rc delegates(struct phi_core *c, struct phi_arena *a, const struct core_subject *s,
                             struct gathering *g, struct phi_err *err)
{
    size_t own = g->n, n;
    for (size_t i = 0; i < own; i++) {
        struct core_delegation_row *d;
        PHI_TRY(core_delegations_of(c, a, g->p[i].root, &d, &n, err));
        for (size_t k = 0; k < n; k++) {
            struct core_approver as = { d[k].taker, core_root(c, a, d[k].taker), g->p[i].sets, d[k].id, g->p[i].root };
            /* made after the request: it serves for later ones */
            bool known = is_of_requester(c, s, as.root) ||
                         (s->age_ms != INT64_MAX && core_wall(c) - d[k].at_ms < s->age_ms);
            for (size_t j = 0; j < g->n; j++)
                known |= phi_view_eq(g->p[j].root, as.root);
            struct core_approver *more = known ? NULL : phi_arena_array(a, g->n + 1, sizeof *more);
            if (known)
                continue;
            if (!more)
                return phi_fail(err, PHI_ELIMIT, "too many approvers");
            memcpy(more, g->p, g->n * sizeof *more);
            more[g->n++] = as;
            g->p = more;
        }
    }
    return PHI_OK;
}

enum phi_rc core_approvers(struct phi_core *c, struct phi_arena *a, const struct core_subject *s,
                           const struct phi_requirement *r, struct core_approver **ret, size_t *ret_n,
                           struct phi_err *err)
{
    struct gathering g = { 0 };
    struct phi_entities *es;
    *ret_n = 0;
    if (!core_met_by_votes(r))
        return PHI_OK;
    for (size_t i = 0; i < r->n_sets && i < 64; i++)
        PHI_TRY(gather_all(c, a, s, &g, r, i, err));
    PHI_TRY(core_case_entities(c, s->of, &es, err));
    enum phi_rc rc = request_entity(c, es, s, r, err);
    struct core_prepared prepared = { 0 };
    if (rc == PHI_OK)
        rc = core_prepare(c, es, &prepared, err);
    if (rc == PHI_OK && phi_bundle_check_entities(c->bundle, es, NULL) != PHI_OK)
        g.n = 0; /* the policies were checked against a schema that these do not keep to */
    if (rc == PHI_OK)
        rc = permitted(c, &prepared, s, &g, err);
    core_prepared_done(&prepared);
    phi_entities_close(es);
    if (rc == PHI_OK && r->delegation)
        rc = delegates(c, a, s, &g, err);
    *ret = g.p;
    *ret_n = rc == PHI_OK ? g.n : 0;
    return rc;
}

/* ---- places: a matching of persons to places, each person one (augmenting paths) */

struct place {
    size_t requirement, set;
};
struct seating {
    const struct place *place;
    size_t n_places, n_people;
    const uint64_t *sets; /* [person * n_requirements + requirement] */
    size_t n_requirements;
    int *seat; /* of each person: a place or -1 */
    bool *tried;
};

static bool seat_one(struct seating *s, size_t place)
{
    const struct place *at = &s->place[place];
    for (size_t p = 0; p < s->n_people; p++) {
        if (s->tried[p] || !(s->sets[p * s->n_requirements + at->requirement] >> at->set & 1))
            continue;
        s->tried[p] = true;
        if (s->seat[p] < 0 || seat_one(s, (size_t)s->seat[p])) {
            s->seat[p] = (int)place;
            return true;
        }
    }
    return false;
}

static bool seat_all(const struct phi_requirement *const *r, size_t n_requirements, unsigned stage,
                     const uint64_t *sets, size_t n_people)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct place place[MAX_PLACES];
    struct seating s = { place, 0, n_people, sets, n_requirements, NULL, NULL };
    for (size_t i = 0; i < n_requirements; i++)
        for (size_t k = 0; k < r[i]->n_sets; k++)
            for (unsigned u = 0; u < r[i]->sets[k].count && (!stage || r[i]->sets[k].stage == stage); u++) {
                if (s.n_places == MAX_PLACES)
                    return false;
                place[s.n_places++] = (struct place){ i, k };
            }
    s.seat = phi_arena_array(&a, n_people + 1, sizeof *s.seat);
    s.tried = phi_arena_array(&a, n_people + 1, sizeof *s.tried);
    if (!s.seat || !s.tried || s.n_places == 0)
        return false;
    for (size_t p = 0; p < n_people; p++)
        s.seat[p] = -1;
    for (size_t i = 0; i < s.n_places; i++) {
        memset(s.tried, 0, n_people * sizeof *s.tried);
        if (!seat_one(&s, i))
            return false;
    }
    return true;
}

static struct phi_view authority(const struct core_approver *p)
{
    return p->via.n ? p->giver : p->root;
}

bool core_filled(const struct phi_requirement *r, unsigned stage, const struct core_approver *p, size_t n)
{
    PHI_ARENA(a, (size_t)1 << 20);
    uint64_t *sets = phi_arena_array(&a, n + 1, sizeof *sets);
    size_t k = 0;
    for (size_t i = 0; sets && i < n; i++) {
        bool twice = false; /* whoever delegated, and who votes for them, are one */
        for (size_t j = 0; j < i; j++)
            twice |= phi_view_eq(authority(&p[i]), authority(&p[j]));
        if (!twice)
            sets[k++] = p[i].sets;
    }
    return sets && seat_all(&r, 1, stage, sets, k);
}

unsigned core_stages(const struct phi_requirement *r)
{
    unsigned last = 1;
    for (size_t i = 0; i < r->n_sets; i++)
        last = r->sets[i].stage > last ? r->sets[i].stage : last;
    return last;
}

uint64_t core_stage_sets(const struct phi_requirement *r, unsigned stage)
{
    uint64_t sets = 0;
    for (size_t i = 0; i < r->n_sets && i < 64; i++)
        sets |= r->sets[i].stage == stage ? 1ULL << i : 0;
    return sets;
}

int64_t core_places(const struct phi_requirement *r)
{
    int64_t n = 0;
    for (size_t i = 0; i < r->n_sets; i++)
        n += r->sets[i].count;
    return n;
}

static bool merge(struct phi_view *roots, uint64_t *sets, size_t *n, size_t max, size_t n_req, size_t req,
                  const struct core_approver *p)
{
    size_t i = 0;
    while (i < *n && !phi_view_eq(roots[i], p->root))
        i++;
    if (i == max)
        return false;
    if (i == *n)
        roots[(*n)++] = p->root;
    sets[i * n_req + req] |= p->sets;
    return true;
}

enum phi_rc core_feasible(struct phi_core *c, struct phi_arena *a, const struct core_subject *s,
                          const struct phi_alternative *option, bool *ret, struct phi_err *err)
{
    struct core_approver *list[PHI_MAX_REQUIREMENTS];
    size_t n[PHI_MAX_REQUIREMENTS], total = 0, people = 0, proofs = 0;
    *ret = false;
    for (size_t i = 0; i < option->n; i++) {
        n[i] = 0;
        if (option->requirements[i]->kind == PHI_REQUIRE_MFA) {
            proofs++;
            continue;
        }
        if (!core_met_by_votes(option->requirements[i]))
            return PHI_OK;
        PHI_TRY(core_approvers(c, a, s, option->requirements[i], &list[i], &n[i], err));
        total += n[i];
    }
    struct phi_view *roots = phi_arena_array(a, total + 1, sizeof *roots);
    uint64_t *sets = phi_arena_array(a, total * option->n + 1, sizeof *sets);
    if (!roots || !sets)
        return phi_fail(err, PHI_ELIMIT, "too many approvers");
    for (size_t i = 0; i < option->n; i++)
        for (size_t k = 0; k < n[i]; k++)
            if (list[i][k].via.n == 0) /* who votes for somebody is that somebody */
                merge(roots, sets, &people, total, option->n, i, &list[i][k]);
    *ret = proofs == option->n || seat_all(option->requirements, option->n, 0, sets, people);
    return PHI_OK;
}

/* ---- kinds */

static bool ticket_fits(const struct phi_requirement *r, struct phi_view ticket)
{
    for (size_t i = 0; i < r->n_patterns; i++)
        if (phi_pattern_fits(r->patterns[i], ticket))
            return true;
    return ticket.n > 0 && r->n_patterns == 0;
}

bool core_met_alone(const struct phi_requirement *r, const struct core_case *of)
{
    switch (r->kind) {
    case PHI_REQUIRE_JUSTIFICATION:
        return of->why.n > 0;
    case PHI_REQUIRE_TICKET:
        return ticket_fits(r, of->ticket) && core_ticket_meets(r, of->ticket_facts);
    case PHI_REQUIRE_APPROVAL:
    case PHI_REQUIRE_MFA:
    case PHI_REQUIRE_BREAK_GLASS:
        break;
    }
    return false;
}

bool core_met_by_votes(const struct phi_requirement *r)
{
    return r->kind == PHI_REQUIRE_APPROVAL && core_places(r) > 0;
}
