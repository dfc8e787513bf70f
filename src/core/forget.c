#include "core/forget.h"

#include <string.h>

#include "core/outbox_in.h"
#include "base/json.h"
#include "core/risk.h"
#include "core/oncall.h"

#define PAGE 500

struct forgetting {
    const struct phi_actor *by;
    struct phi_view person;
    struct phi_forgotten *sum;
};

/* ---- texts */

static enum phi_rc text_del(struct phi_core *c, struct forgetting *f, struct phi_view owner, struct phi_view kind,
                            struct phi_err *err)
{
    struct core_text_row key = { .owner = owner, .kind = kind };
    enum phi_rc rc = core_del(c, CORE_TEXT_OF, &key, err);
    f->sum->texts += rc == PHI_OK;
    return rc == PHI_ENOTFOUND ? PHI_OK : rc;
}

static enum phi_rc texts_del(struct phi_core *c, struct forgetting *f, struct phi_view owner, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)64 << 20);
    struct core_text_row *rows, key = { .owner = owner };
    size_t n;
    PHI_TRY(core_list(c, CORE_TEXT_OF, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(text_del(c, f, owner, rows[i].kind, err));
    return PHI_OK;
}

static enum phi_rc erased_leaf(struct phi_core *c, struct forgetting *f, struct phi_view request, struct phi_err *err)
{
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_BODY_ERASED, f->by);
    phi_entry_str(&e, PHI_F_CAUSE, PHI_LIT("person-forgotten"));
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", f->person));
    if (request.n)
        phi_entry_str(&e, PHI_F_REQ, request);
    return core_leaf(c, &e, NULL, NULL, err);
}

static enum phi_rc requests_erase(struct phi_core *c, struct forgetting *f, struct phi_err *err)
{
    size_t n = PAGE;
    for (int64_t at = 0; n == PAGE; at += PAGE) {
        PHI_ARENA(a, (size_t)64 << 20);
        struct core_request_row *rows, key = { .requester = f->person };
        struct core_span span = { .prefix = 1, .limit = PAGE, .offset = at };
        PHI_TRY(core_list(c, CORE_REQUEST, CORE_REQUEST_BY_REQUESTER, &key, span, &a, &rows, &n, err));
        for (size_t i = 0; i < n; i++) {
            PHI_TRY(texts_del(c, f, rows[i].id, err));
            PHI_TRY(erased_leaf(c, f, rows[i].id, err));
            f->sum->requests++;
        }
    }
    return PHI_OK;
}

static enum phi_rc grants_erase(struct phi_core *c, struct forgetting *f, struct phi_err *err)
{
    size_t n = PAGE;
    for (int64_t at = 0; n == PAGE; at += PAGE) {
        PHI_ARENA(a, (size_t)64 << 20);
        struct core_grant_row *rows, key = { .principal = f->person };
        struct core_span span = { .prefix = 1, .limit = PAGE, .offset = at };
        PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_PRINCIPAL, &key, span, &a, &rows, &n, err));
        for (size_t i = 0; i < n; i++)
            PHI_TRY(texts_del(c, f, rows[i].id, err));
    }
    return PHI_OK;
}

/* ---- what they wrote about others' requests: the log says where */

static enum phi_rc vote_erase(struct phi_core *c, struct forgetting *f, struct phi_view request, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_vote_row vote, key = { .request = request, .root = core_root(c, &a, f->person) };
    if (core_get(c, CORE_VOTE, CORE_BY_KEY, &key, &a, &vote, NULL) != PHI_OK || !phi_view_eq(vote.person, f->person))
        return PHI_OK;
    return text_del(c, f, vote.id, PHI_LIT("reason"), err);
}

static enum phi_rc remarks_erase(struct phi_core *c, struct forgetting *f, struct phi_view request, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)4 << 20);
    struct core_remark_row *rows, key = { .request = request };
    size_t n;
    PHI_TRY(core_list(c, CORE_REMARK, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        if (core_same_person(c, rows[i].person, f->person))
            PHI_TRY(text_del(c, f, rows[i].id, PHI_LIT("remark"), err));
    return PHI_OK;
}

/* An edit voided the vote: its text lies where the vote's own nonce leads. */
static enum phi_rc void_erase(struct phi_core *c, struct forgetting *f, const struct phi_json *vote, struct phi_err *err)
{
    struct phi_view nonce = phi_json_text(vote, "nonce");
    return nonce.n ? text_del(c, f, nonce, PHI_LIT(CORE_TEXT_VOID), err) : PHI_OK;
}

/* Requests and grants belong to their requester: of these only what this person said of them goes. All else that an entry
 * of theirs names (a delegation, say) is theirs whole. */
static enum phi_rc entry_erase(struct phi_core *c, struct forgetting *f, const struct phi_json *e, struct phi_err *err)
{
    struct phi_view ev = phi_json_text(e, "ev"), req = phi_json_text(e, "req"), grant = phi_json_text(e, "grant");
    if (req.n && phi_view_is(ev, "request.voted")) {
        PHI_TRY(vote_erase(c, f, req, err));
        PHI_TRY(void_erase(c, f, phi_json_get(e, "vote"), err));
    }
    if (req.n && phi_view_is(ev, "request.remarked"))
        PHI_TRY(remarks_erase(c, f, req, err));
    if (req.n && phi_view_is(ev, "request.denied"))
        PHI_TRY(text_del(c, f, req, PHI_LIT("denied"), err));
    if (phi_view_is(ev, "grants.revoked"))
        PHI_TRY(text_del(c, f, phi_json_text(e, "reason_hash"), PHI_LIT("revoked"), err));
    if (grant.n && phi_view_is(ev, "grant.revoked"))
        PHI_TRY(text_del(c, f, grant, PHI_LIT("revoked"), err));
    if (grant.n && phi_view_is(ev, "glass.reviewed"))
        PHI_TRY(text_del(c, f, grant, PHI_LIT("review"), err));
    for (size_t i = 0; i < e->n; i++) {
        struct phi_id id;
        bool other = phi_view_is(e->keys[i], "req") || phi_view_is(e->keys[i], "grant");
        if (!other && e->items[i].kind == PHI_JSON_STR && phi_id_read(e->items[i].str, &id))
            PHI_TRY(texts_del(c, f, e->items[i].str, err));
    }
    return PHI_OK;
}

static enum phi_rc said_page(struct phi_core *c, struct forgetting *f, int64_t at, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)128 << 20);
    struct core_leaf_row *rows, key = { .idx = at };
    struct core_span span = { .at_least = true, .limit = PAGE };
    size_t n;
    PHI_TRY(core_list(c, CORE_LEAF, CORE_BY_KEY, &key, span, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++) {
        const struct phi_json *e;
        if (!memmem(rows[i].entry.p, rows[i].entry.n, f->person.p, f->person.n))
            continue;
        PHI_TRY(phi_json_read(&a, rows[i].entry, PHI_JSON_STRICT, "entry", &e, err));
        const struct phi_json *by = phi_json_get(e, "by");
        if (phi_view_is(phi_json_text(by, "type"), "Person") && phi_view_eq(phi_json_text(by, "id"), f->person))
            PHI_TRY(entry_erase(c, f, e, err));
    }
    return PHI_OK;
}

/* So many entries at once and no more: what is left stands in a timer, whose ticks go on with it, so that nobody waits while
 * a long log is read. */
static enum phi_rc said_erase(struct phi_core *c, struct forgetting *f, int64_t at, int64_t size, struct phi_err *err)
{
    PHI_BUF(left, 64);
    struct core_timer_row t = { f->person, PHI_LIT(CORE_TIMER_FORGET), core_wall(c), { 0 } };
    for (int64_t to = at + PHI_FORGET_ENTRIES; at < size && at < to; at += PAGE)
        PHI_TRY(said_page(c, f, at, err));
    enum phi_rc rc = core_del(c, CORE_TIMER, &t, NULL);
    if (rc != PHI_OK && rc != PHI_ENOTFOUND)
        return phi_fail(err, rc, "the timer cannot be removed");
    if (at >= size)
        return PHI_OK;
    f->sum->entries_left += size - at;
    phi_buf_printf(&left, "%lld %lld", (long long)at, (long long)size);
    t.data = phi_buf_view(&left);
    return core_add(c, CORE_TIMER, &t, err);
}

enum phi_rc core_forget_more(struct phi_core *c, const struct core_timer_row *t, struct phi_err *err)
{
    struct phi_forgotten sum = { 0 };
    struct phi_actor by = { .kind = PHI_ACTOR_SYSTEM };
    struct forgetting f = { .by = &by, .person = t->request, .sum = &sum };
    struct phi_view size = t->data, at;
    int64_t from, to;
    bool read = phi_view_split(&size, ' ', &at) && phi_view_int(at, &from) && phi_view_int(size, &to);
    if (!read)
        return phi_fail(err, PHI_ECORRUPT, "a timer's data cannot be read");
    PHI_TRY(said_erase(c, &f, from, to, err));
    return sum.entries_left ? PHI_OK : erased_leaf(c, &f, (struct phi_view){ 0 }, err);
}

/* ---- acting no more */

static enum phi_rc must_be_idle(struct phi_core *c, struct phi_view person, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_request_row *r, rkey = { .requester = person, .live = 1 };
    struct core_grant_row *g, gkey = { .principal = person, .live = 1 };
    struct core_span one = { .prefix = 2, .limit = 1 };
    size_t n, m;
    PHI_TRY(core_list(c, CORE_REQUEST, CORE_REQUEST_BY_REQUESTER, &rkey, one, &a, &r, &n, err));
    PHI_TRY(core_list(c, CORE_GRANT, CORE_GRANT_BY_PRINCIPAL, &gkey, one, &a, &g, &m, err));
    if (n || m)
        return core_no(c, "person.active", err, PHI_ECONFLICT,
                       n ? "a request of this person is pending; it must end first" : "a grant of this person lives; revoke it first");
    return PHI_OK;
}

static enum phi_rc sessions_end(struct phi_core *c, struct forgetting *f, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_session_row *s, key = { .person = f->person };
    struct core_link_row *l;
    size_t n, m;
    PHI_TRY(core_list(c, CORE_SESSION, CORE_SESSION_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, &a, &s, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(core_session_over(c, f->by, &s[i], "person-forgotten", err));
    PHI_TRY(core_ways_in_end(c, f->by, f->person, err));
    PHI_TRY(core_list(c, CORE_LINK, CORE_BY_KEY, NULL, (struct core_span){ 0 }, &a, &l, &m, err));
    for (size_t i = 0; i < m; i++)
        if (phi_view_eq(l[i].person, f->person))
            PHI_TRY(core_del(c, CORE_LINK, &l[i], err));
    return PHI_OK;
}

static enum phi_rc rights_end(struct phi_core *c, struct forgetting *f, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_credential_row *k, ckey = { .person = f->person };
    struct core_member_row *m, mkey = { .person = f->person };
    struct core_delegation_row *d;
    struct core_span one = { .prefix = 1 };
    struct phi_entry e;
    size_t n, groups, given;
    PHI_TRY(core_list(c, CORE_CREDENTIAL, CORE_CREDENTIAL_BY_PERSON, &ckey, one, &a, &k, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(core_credential_end(c, f->by, &k[i], "person-forgotten", err));
    PHI_TRY(core_on_call_forget(c, f->by, f->person, err));
    PHI_TRY(core_delegations_of(c, &a, f->person, &d, &given, err));
    for (size_t i = 0; i < given; i++)
        PHI_TRY(core_delegation_over(c, &a, f->by, &d[i], "person-forgotten", err));
    PHI_TRY(core_list(c, CORE_MEMBER, CORE_MEMBER_BY_PERSON, &mkey, one, &a, &m, &groups, err));
    for (size_t i = 0; i < groups; i++) {
        PHI_TRY(core_del(c, CORE_MEMBER, &m[i], err));
        core_entry(c, &e, PHI_EV_GROUP_MEMBER_REMOVED, f->by);
        phi_entry_ref(&e, PHI_F_GROUP, phi_ref_of("Group", m[i].grp));
        phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", f->person));
        PHI_TRY(core_leaf(c, &e, NULL, NULL, err));
    }
    return PHI_OK;
}

/* The row stays, so that ids lead somewhere; its name and every account name go, with their salts. */
static enum phi_rc names_erase(struct phi_core *c, struct forgetting *f, struct core_person_row *row, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_account_row *acc, key = { .person = f->person };
    size_t n;
    PHI_TRY(core_list(c, CORE_ACCOUNT, CORE_ACCOUNT_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, &a, &acc, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(core_del(c, CORE_ACCOUNT, &acc[i], err));
    row->name = phi_arena_printf(&a, "forgotten-" PHI_FMT, PHI_ARG(phi_view_from(row->id, row->id.n - 12)));
    row->salt = (struct phi_view){ 0 };
    return core_set(c, CORE_PERSON, row, err);
}

static enum phi_rc profile_erase(struct phi_core *c, struct phi_view person, struct phi_err *err)
{
    struct core_profile_row key = { .person = person };
    enum phi_rc rc = core_del(c, CORE_PROFILE, &key, err);
    return rc == PHI_ENOTFOUND ? PHI_OK : rc;
}

static enum phi_rc forget_one(struct phi_core *c, struct forgetting *f, struct core_person_row *row, struct phi_err *err)
{
    struct phi_entry e;
    f->person = row->id;
    PHI_TRY(sessions_end(c, f, err));
    PHI_TRY(rights_end(c, f, err));
    PHI_TRY(core_contacts_forget(c, f->by, row->id, err));
    int64_t before = f->sum->entries_left;
    PHI_TRY(said_erase(c, f, 0, c->st.base + c->st.size, err));
    PHI_TRY(requests_erase(c, f, err));
    PHI_TRY(grants_erase(c, f, err));
    PHI_TRY(texts_del(c, f, row->id, err));
    PHI_TRY(core_risk_forget(c, row->id, err));
    PHI_TRY(profile_erase(c, row->id, err));
    PHI_TRY(names_erase(c, f, row, err));
    if (f->sum->entries_left == before) /* else it is said once that is so */
        PHI_TRY(erased_leaf(c, f, (struct phi_view){ 0 }, err));
    core_entry(c, &e, PHI_EV_PERSON_REMOVED, f->by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row->id));
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc phi_person_forget(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view person,
                              struct phi_forgotten *ret, struct phi_err *err)
{
    struct core_person_row who, *rows;
    size_t n;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    PHI_TRY(core_person_find(c, a, person, &who, err));
    struct phi_view root = core_root(c, a, who.id);
    if (by->kind == PHI_ACTOR_PERSON && core_same_person(c, by->id, root))
        return core_no(c, "person.self", err, PHI_ECONFLICT, "another administrator must do this");
    *ret = (struct phi_forgotten){ .id = root };
    struct forgetting f = { .by = by, .sum = ret };
    PHI_TRY(core_list(c, CORE_PERSON, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &rows, &n, err));
    for (int step = 0; step < 2; step++)
        for (size_t i = 0; i < n; i++)
            if (phi_view_eq(rows[i].id, root) || phi_view_eq(rows[i].same_as, root))
                PHI_TRY(step ? forget_one(c, &f, &rows[i], err) : must_be_idle(c, rows[i].id, err));
    core_world_changed(c);
    core_snapshot_changed(c, (struct phi_view){ 0 });
    PHI_TRY(core_rights_check(c, err));
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}
