/* Who else is told of a request, and what people say about it. None of it is a vote. */
#include "core/request_in.h"

void core_tell(struct phi_core *c, const struct core_request_row *row, const char *what)
{
    core_say(c, &(struct phi_event){ .kind = PHI_EVENT_TOLD,
                                     .request = row->id,
                                     .code = row->code,
                                     .reason = phi_view_of(what),
                                     .status = phi_view_of(phi_request_status_name((enum phi_request_status)row->status)),
                                     .principal = row->requester,
                                     .target = row->target,
                                     .gateway = row->gateway });
}

bool core_is_party(struct phi_core *c, struct phi_view request, struct phi_view person)
{
    PHI_ARENA(a, 1 << 16);
    struct core_party_row *rows, key = { .request = request, .person = core_root(c, &a, person) };
    size_t n = 0;
    return core_list(c, CORE_PARTY, CORE_PARTY_BY_PERSON, &key, (struct core_span){ .prefix = 2, .limit = 1 }, &a, &rows,
                     &n, NULL) == PHI_OK &&
           n > 0;
}

bool core_only_watches(struct phi_core *c, struct phi_view request, struct phi_view person)
{
    PHI_ARENA(a, 1 << 16);
    struct phi_view root = core_root(c, &a, person);
    struct core_party_row p, reviewer = { request, PHI_LIT("reviewer"), root }, behalf = { request, PHI_LIT("behalf"), root };
    struct core_eligible_row *e, key = { .request = request, .person = root };
    size_t n = 0;
    if (core_get(c, CORE_PARTY, CORE_BY_KEY, &reviewer, &a, &p, NULL) == PHI_OK ||
        core_get(c, CORE_PARTY, CORE_BY_KEY, &behalf, &a, &p, NULL) == PHI_OK)
        return false;
    return core_list(c, CORE_ELIGIBLE, CORE_ELIGIBLE_BY_PERSON, &key, (struct core_span){ .prefix = 2, .limit = 1 }, &a,
                     &e, &n, NULL) != PHI_OK ||
           n == 0;
}

static enum phi_rc party_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             const struct core_request_row *row, const char *kind, struct phi_view name,
                             struct phi_err *err)
{
    struct core_person_row person;
    struct phi_entry e;
    PHI_TRY(core_person_find(c, a, name, &person, err));
    struct core_party_row party = { row->id, phi_view_of(kind), core_root(c, a, person.id) };
    enum phi_rc rc = core_add(c, CORE_PARTY, &party, NULL);
    if (rc == PHI_ECONFLICT)
        return PHI_OK;
    if (rc != PHI_OK)
        return phi_fail(err, rc, "the %s cannot be stored", kind);
    core_entry(c, &e, PHI_EV_REQUEST_PARTY_ADDED, by);
    phi_entry_str(&e, PHI_F_REQ, row->id);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of_who(party.person));
    phi_entry_str(&e, PHI_F_KIND, party.kind);
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc core_parties_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             const struct core_request_row *row, const char *kind, const struct phi_view *names,
                             size_t n, struct phi_err *err)
{
    if (n > PHI_MAX_WATCHERS)
        return phi_fail(err, PHI_EINPUT, "at most %d of one kind", PHI_MAX_WATCHERS);
    for (size_t i = 0; i < n; i++)
        PHI_TRY(party_put(c, a, by, row, kind, names[i], err));
    if (n)
        core_tell(c, row, kind);
    return PHI_OK;
}

enum phi_rc phi_request_remark(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                               struct phi_view which, bool question, struct phi_view text, struct phi_request *ret,
                               struct phi_err *err)
{
    struct core_request_row row;
    struct core_remark_row *rows;
    struct phi_entry e;
    size_t n;
    PHI_TRY(core_request_seen(c, a, by, which, &row, err));
    if (by->kind != PHI_ACTOR_PERSON)
        return core_no(c, "right.missing", err, PHI_EDENIED, "persons comment");
    if (text.n == 0 || text.n > PHI_MAX_WHY)
        return phi_fail(err, PHI_EINPUT, "a remark has 1 to %d bytes", PHI_MAX_WHY);
    struct core_remark_row remark = { row.id, core_new_id(c, a), core_root(c, a, by->id),
                                      question ? PHI_LIT("question") : PHI_LIT("comment"), core_wall(c) };
    PHI_TRY(core_list(c, CORE_REMARK, CORE_BY_KEY, &remark, (struct core_span){ .prefix = 1 }, a, &rows, &n, err));
    if (n >= PHI_MAX_REMARKS)
        return core_no(c, "remark.quota", err, PHI_ELIMIT, "a request takes %d remarks", PHI_MAX_REMARKS);
    struct phi_view salt = core_random(c, a, 16);
    struct phi_digest hash = core_salted(salt, text);
    PHI_TRY(core_text_put(c, remark.id, "remark", salt, text, err));
    PHI_TRY(core_add(c, CORE_REMARK, &remark, err));
    core_entry(c, &e, PHI_EV_REQUEST_REMARKED, by);
    phi_entry_str(&e, PHI_F_REQ, row.id);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", remark.person));
    phi_entry_str(&e, PHI_F_KIND, remark.kind);
    phi_entry_hash(&e, PHI_F_REASON_HASH, &hash);
    PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    core_tell(c, &row, question ? "question" : "comment");
    return core_request_view(c, a, by, &row, ret, err);
}

enum phi_rc phi_request_watch(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              struct phi_view which, bool suggested, const struct phi_view *names, size_t n,
                              struct phi_request *ret, struct phi_err *err)
{
    struct core_request_row row;
    PHI_TRY(core_request_seen(c, a, by, which, &row, err));
    bool own = by->kind == PHI_ACTOR_PERSON && core_same_person(c, by->id, row.requester);
    if (!own && (by->kind != PHI_ACTOR_PERSON ||
                 (core_only_watches(c, row.id, by->id) && !core_has(c, by, PHI_RIGHT_REVOKE))))
        return core_no(c, "right.missing", err, PHI_EDENIED,
                       "its requester, its approvers and whoever has the right \"revoke\" name watchers");
    PHI_TRY(core_parties_put(c, a, by, &row, suggested ? "suggested" : "watcher", names, n, err));
    return core_request_view(c, a, by, &row, ret, err);
}

/* ---- showing */

static enum phi_rc parties_view(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                                const char *kind, const struct phi_view **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_party_row *rows, key = { .request = row->id, .kind = phi_view_of(kind) };
    PHI_TRY(core_list(c, CORE_PARTY, CORE_BY_KEY, &key, (struct core_span){ .prefix = 2 }, a, &rows, ret_n, err));
    struct phi_view *v = phi_arena_array(a, *ret_n + 1, sizeof *v);
    if (!v)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *ret_n; i++)
        v[i] = core_person_name(c, a, rows[i].person);
    *ret = v;
    return PHI_OK;
}

enum phi_rc core_talk_view(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                           struct phi_request *ret, struct phi_err *err)
{
    struct core_remark_row *rows, key = { .request = row->id };
    PHI_TRY(parties_view(c, a, row, "watcher", &ret->watchers, &ret->n_watchers, err));
    PHI_TRY(parties_view(c, a, row, "behalf", &ret->on_behalf, &ret->n_on_behalf, err));
    PHI_TRY(parties_view(c, a, row, "suggested", &ret->suggested, &ret->n_suggested, err));
    PHI_TRY(core_list(c, CORE_REMARK, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &rows, &ret->n_remarks,
                      err));
    struct phi_remark *r = phi_arena_array(a, ret->n_remarks + 1, sizeof *r);
    if (!r)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < ret->n_remarks; i++)
        r[i] = (struct phi_remark){ rows[i].id, core_person_name(c, a, rows[i].person), rows[i].kind,
                                    core_text_get(c, a, rows[i].id, "remark"), rows[i].at_ms };
    ret->remarks = r;
    return PHI_OK;
}
