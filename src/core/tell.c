/* Who is told what: worked out from what a command said, inside that command's transaction. */
#include <string.h>

#include "core/outbox_in.h"

struct telling {
    struct phi_core *c;
    struct phi_arena *a;
    struct core_channel_row *channel;
    size_t n_channels;
    struct core_request_row row;
    struct phi_view root; /* the requester, as linked now */
};

struct people {
    struct phi_view *p;
    size_t n, max;
};

void core_outbox_wake(struct phi_core *c)
{
    core_say(c, &(struct phi_event){ .kind = PHI_EVENT_TOLD, .reason = PHI_LIT("outbox") });
}

/* ---- who */

static enum phi_rc people_add(struct phi_arena *a, struct people *to, struct phi_view person, struct phi_err *err)
{
    for (size_t i = 0; i < to->n; i++)
        if (phi_view_eq(to->p[i], person))
            return PHI_OK;
    if (to->n == to->max) {
        size_t max = to->max ? 2 * to->max : 16;
        struct phi_view *more = phi_arena_array(a, max, sizeof *more);
        if (!more)
            return phi_fail(err, PHI_ELIMIT, "too many people are to be told");
        if (to->n)
            memcpy(more, to->p, to->n * sizeof *more);
        to->p = more;
        to->max = max;
    }
    to->p[to->n++] = person;
    return PHI_OK;
}

static enum phi_rc approvers_of(struct telling *t, const struct core_draft *d, const struct core_vote_row *votes,
                                size_t n_votes, const struct phi_requirement *r, struct people *to, struct phi_err *err)
{
    struct core_subject s = core_subject_of(d);
    struct core_approver *p;
    unsigned stage;
    size_t n;
    PHI_TRY(core_approvers(t->c, t->a, &s, r, &p, &n, err));
    PHI_TRY(core_stage(t->c, t->a, &t->row, d, r, &stage, err));
    for (size_t i = 0; i < n; i++) {
        bool may = (p[i].sets & core_stage_sets(r, stage)) && core_was_eligible(t->c, &t->row, r->name, p[i].root);
        for (size_t k = 0; k < n_votes; k++)
            may &= !phi_view_eq(votes[k].root, p[i].root);
        if (may && !phi_view_is(p[i].root, CORE_AUTO))
            PHI_TRY(people_add(t->a, to, p[i].root, err));
    }
    return PHI_OK;
}

/* Whose vote would help now: of the current stage, and of the fallback once its time has come. */
static enum phi_rc approvers(struct telling *t, struct people *to, struct phi_err *err)
{
    struct core_draft d = { 0 };
    struct core_vote_row *votes;
    struct core_names *names;
    size_t n, n_votes;
    PHI_TRY(core_bundle_load(t->c, err));
    PHI_TRY(core_draft_of_row(t->c, t->a, &t->row, &d, err));
    PHI_TRY(core_votes(t->c, t->a, &t->row, &votes, &n_votes, err));
    PHI_TRY(core_needs_read(t->a, t->row.needs, &names, &n, err));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < names[i].n; k++) {
            const struct phi_requirement *r = phi_bundle_requirement(t->c->bundle, names[i].v[k]);
            if (r)
                PHI_TRY(approvers_of(t, &d, votes, n_votes, r, to, err));
        }
    return PHI_OK;
}

static enum phi_rc parties(struct telling *t, const char *kind, struct people *to, struct phi_err *err)
{
    struct core_party_row *rows, key = { .request = t->row.id, .kind = phi_view_of(kind) };
    size_t n;
    PHI_TRY(core_list(t->c, CORE_PARTY, CORE_BY_KEY, &key, (struct core_span){ .prefix = 2 }, t->a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(people_add(t->a, to, core_root(t->c, t->a, rows[i].person), err));
    return PHI_OK;
}

/* Who is answerable for a broken glass: its reviewers, who could have approved it, and who may end it. */
static enum phi_rc alarmed(struct telling *t, struct people *to, struct phi_err *err)
{
    struct core_eligible_row *e, key = { .request = t->row.id, .version = t->row.version };
    struct core_person_row *all;
    size_t n;
    PHI_TRY(parties(t, "reviewer", to, err));
    PHI_TRY(core_list(t->c, CORE_ELIGIBLE, CORE_BY_KEY, &key, (struct core_span){ .prefix = 2 }, t->a, &e, &n, err));
    for (size_t i = 0; i < n; i++)
        if (!phi_view_is(e[i].person, CORE_AUTO))
            PHI_TRY(people_add(t->a, to, core_root(t->c, t->a, e[i].person), err));
    PHI_TRY(core_list(t->c, CORE_PERSON, CORE_BY_KEY, NULL, (struct core_span){ 0 }, t->a, &all, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct phi_actor who = { .kind = PHI_ACTOR_PERSON, .id = all[i].id };
        if (all[i].same_as.n == 0 && core_has(t->c, &who, PHI_RIGHT_REVOKE))
            PHI_TRY(people_add(t->a, to, all[i].id, err));
    }
    return PHI_OK;
}

/* Who wrote the newest remark. */
static struct phi_view author(struct telling *t)
{
    struct core_remark_row *rows, key = { .request = t->row.id };
    size_t n = 0;
    enum phi_rc rc = core_list(t->c, CORE_REMARK, CORE_BY_KEY, &key,
                               (struct core_span){ .prefix = 1, .limit = 1, .last_first = true }, t->a, &rows, &n, NULL);
    return rc == PHI_OK && n ? core_root(t->c, t->a, rows[0].person) : (struct phi_view){ 0 };
}

static enum phi_rc askers(struct telling *t, struct people *to, struct phi_err *err)
{
    struct core_remark_row *rows, key = { .request = t->row.id };
    size_t n;
    PHI_TRY(core_list(t->c, CORE_REMARK, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, t->a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        if (phi_view_is(rows[i].kind, "question"))
            PHI_TRY(people_add(t->a, to, core_root(t->c, t->a, rows[i].person), err));
    return PHI_OK;
}

/* ---- by channels that have persons */

enum manner { ASK, INFORM, ALARM };

static bool wants_room(const struct core_channel_row *ch)
{
    return memmem(ch->settings.p, ch->settings.n, "\"room\":", 7) != NULL;
}

static enum phi_rc news(struct telling *t, const struct core_channel_row *ch, struct phi_view person, const char *what,
                        enum manner how, struct phi_err *err)
{
    struct core_news n = { .channel = ch,
                           .person = person,
                           .request = t->row.id,
                           .what = phi_view_of(what),
                           .version = t->row.version,
                           .prompt = how == ASK && person.n,
                           .loud = how == ALARM };
    struct core_message_row row;
    if (person.n && core_contact_of(t->c, t->a, person, ch->kind).n == 0)
        return PHI_OK;
    enum phi_rc rc = core_message_of(t->c, t->a, &n, &row, err);
    if (rc == PHI_ENOTFOUND || (rc == PHI_OK && row.status == PHI_MESSAGE_DEAD))
        return core_message_new(t->c, t->a, &n, err);
    PHI_TRY(rc);
    if (row.status == PHI_MESSAGE_HELD && how != ALARM)
        return PHI_OK; /* the digest shows it as it is then */
    if (row.sent == 0 && !row.leased) /* it has not left: what leaves is of now anyway */
        return PHI_OK;
    return core_message_change(t->c, t->a, &row, n.what, core_message_when(t->c, person, how == ALARM), err);
}

static enum phi_rc tell_people(struct telling *t, const struct people *to, const char *what, enum manner how,
                               struct phi_err *err)
{
    for (size_t i = 0; i < t->n_channels; i++)
        for (size_t k = 0; k < to->n && core_channel_has_people(t->channel[i].kind); k++)
            PHI_TRY(news(t, &t->channel[i], to->p[k], what, how, err));
    return PHI_OK;
}

static enum phi_rc tell_rooms(struct telling *t, const char *what, enum manner how, struct phi_err *err)
{
    for (size_t i = 0; i < t->n_channels; i++)
        if (core_channel_has_people(t->channel[i].kind) && wants_room(&t->channel[i]))
            PHI_TRY(news(t, &t->channel[i], (struct phi_view){ 0 }, what, how, err));
    return PHI_OK;
}

/* Those who have no message yet get one; what others have is shown anew without a prompt. */
static enum phi_rc tell_new_approvers(struct telling *t, struct phi_err *err)
{
    struct people to = { 0 };
    struct core_message_row row;
    PHI_TRY(approvers(t, &to, err));
    for (size_t i = 0; i < t->n_channels; i++)
        for (size_t k = 0; k < to.n && core_channel_has_people(t->channel[i].kind); k++) {
            struct core_news n = { .channel = &t->channel[i], .person = to.p[k], .request = t->row.id };
            enum phi_rc rc = core_message_of(t->c, t->a, &n, &row, err);
            if (rc == PHI_ENOTFOUND)
                rc = news(t, &t->channel[i], to.p[k], "request.created", ASK, err);
            PHI_TRY(rc);
        }
    return PHI_OK;
}

/* ---- by channels of their own: one message an event */

static bool wants(const struct telling *t, const struct core_channel_row *ch, const char *what)
{
    const struct phi_json *v, *list;
    if (phi_json_read(t->a, ch->settings, PHI_JSON_STRICT, "settings", &v, NULL) != PHI_OK)
        return false;
    list = phi_json_get(v, "events");
    for (size_t i = 0; list && i < list->n; i++)
        if (phi_view_is(list->items[i].str, what))
            return true;
    return list == NULL;
}

static enum phi_rc publish(struct telling *t, const char *what, struct phi_err *err)
{
    for (size_t i = 0; i < t->n_channels; i++) {
        const struct core_channel_row *ch = &t->channel[i];
        struct core_news n = { .channel = ch, .request = t->row.id, .what = phi_view_of(what), .version = t->row.version };
        if (!core_channel_has_people(ch->kind) && !phi_view_is(ch->kind, CORE_CALLBACK) && wants(t, ch, what))
            PHI_TRY(core_message_new(t->c, t->a, &n, err));
    }
    return PHI_OK;
}

/* ---- what happened */

static const char *ended_as(int64_t status)
{
    switch ((enum phi_request_status)status) {
    case PHI_REQUEST_APPROVED:
        return "request.approved";
    case PHI_REQUEST_DENIED:
        return "request.denied";
    case PHI_REQUEST_EXPIRED:
        return "request.expired";
    case PHI_REQUEST_CANCELLED:
        return "request.cancelled";
    case PHI_REQUEST_PENDING:
        break;
    }
    return "request.edited";
}

static enum phi_rc one(struct telling *t, struct phi_view person, const char *what, enum manner how, struct phi_err *err)
{
    struct people to = { &person, 1, 1 };
    return tell_people(t, &to, what, how, err);
}

/* What was sent says how it ended; what never left need not. */
static enum phi_rc settle(struct telling *t, const char *what, struct phi_err *err)
{
    for (size_t i = 0; i < t->n_channels; i++) {
        struct core_message_row *rows, key = { .request = t->row.id, .channel = t->channel[i].name };
        size_t n;
        if (!core_channel_has_people(t->channel[i].kind))
            continue;
        PHI_TRY(core_list(t->c, CORE_MESSAGE, CORE_MESSAGE_BY_REQUEST, &key, (struct core_span){ .prefix = 2 }, t->a, &rows,
                          &n, err));
        for (size_t k = 0; k < n; k++) {
            if (rows[k].status == PHI_MESSAGE_DEAD)
                continue;
            bool there = rows[k].leased || (rows[k].sent > 0 && rows[k].ref.n);
            /* what a chat shows is changed without a sound */
            bool silent = phi_view_is(t->channel[i].kind, "slack");
            int64_t when = core_message_when(t->c, rows[k].person, silent);
            PHI_TRY(there ? core_message_change(t->c, t->a, &rows[k], phi_view_of(what), when, err)
                          : core_message_del(t->c, t->a, &rows[k], err));
        }
    }
    return PHI_OK;
}

static enum phi_rc ended(struct telling *t, bool at_once, struct phi_err *err)
{
    const char *what = ended_as(t->row.status);
    struct people watchers = { 0 };
    PHI_TRY(publish(t, what, err));
    PHI_TRY(settle(t, what, err));
    PHI_TRY(core_callbacks_due(t->c, t->a, &t->row, t->channel, t->n_channels, err));
    if (t->row.glass)
        return PHI_OK; /* the alarm says more */
    PHI_TRY(parties(t, "watcher", &watchers, err));
    PHI_TRY(tell_people(t, &watchers, what, INFORM, err));
    /* Who cancelled knows, and so does whoever got the answer with the question. */
    return at_once || t->row.status == PHI_REQUEST_CANCELLED ? PHI_OK : one(t, t->root, what, INFORM, err);
}

static enum phi_rc pending(struct telling *t, struct phi_err *err)
{
    const char *what = t->row.version > 1 ? "request.edited" : "request.created";
    struct people to = { 0 }, watchers = { 0 };
    PHI_TRY(publish(t, what, err));
    if (t->row.status != PHI_REQUEST_PENDING)
        return PHI_OK;
    PHI_TRY(approvers(t, &to, err));
    PHI_TRY(tell_people(t, &to, what, ASK, err));
    PHI_TRY(tell_rooms(t, what, ASK, err));
    PHI_TRY(parties(t, "watcher", &watchers, err));
    return tell_people(t, &watchers, what, INFORM, err);
}

static enum phi_rc remarked(struct telling *t, bool question, struct phi_err *err)
{
    struct people to = { 0 };
    struct phi_view by = author(t);
    if (!question)
        PHI_TRY(askers(t, &to, err));
    PHI_TRY(people_add(t->a, &to, t->root, err));
    for (size_t i = 0; i < to.n; i++)
        if (!phi_view_eq(to.p[i], by))
            PHI_TRY(one(t, to.p[i], question ? "request.asked" : "request.commented", INFORM, err));
    return publish(t, question ? "request.asked" : "request.commented", err);
}

static enum phi_rc told(struct telling *t, struct phi_view what, struct phi_err *err)
{
    struct people to = { 0 };
    bool live = t->row.status == PHI_REQUEST_PENDING;
    if (phi_view_is(what, "comment") || phi_view_is(what, "question"))
        return remarked(t, phi_view_is(what, "question"), err);
    if (phi_view_is(what, "reminder") && live) {
        PHI_TRY(approvers(t, &to, err));
        PHI_TRY(publish(t, "request.reminder", err));
        return tell_people(t, &to, "request.reminder", ASK, err);
    }
    if (phi_view_is(what, "escalated") && live) {
        PHI_TRY(publish(t, "request.escalated", err));
        return tell_new_approvers(t, err);
    }
    if (phi_view_is(what, "break-glass")) {
        PHI_TRY(alarmed(t, &to, err));
        PHI_TRY(publish(t, "request.break-glass", err));
        PHI_TRY(tell_rooms(t, "request.break-glass", ALARM, err));
        return tell_people(t, &to, "request.break-glass", ALARM, err);
    }
    if (phi_view_is(what, "reviewed")) {
        PHI_TRY(publish(t, "request.reviewed", err));
        return one(t, t->root, "request.reviewed", INFORM, err);
    }
    if ((phi_view_is(what, "watcher") || phi_view_is(what, "suggested")) && live) {
        PHI_TRY(parties(t, "watcher", &to, err));
        return tell_people(t, &to, "request.created", INFORM, err);
    }
    return PHI_OK;
}

static enum phi_rc happened(struct telling *t, const struct phi_event *e, bool at_once, struct phi_err *err)
{
    switch (e->kind) {
    case PHI_EVENT_REQUEST:
        return phi_view_is(e->status, "pending") ? pending(t, err) : ended(t, at_once, err);
    case PHI_EVENT_VOTES:
        return t->row.status == PHI_REQUEST_PENDING ? tell_new_approvers(t, err) : PHI_OK;
    case PHI_EVENT_TOLD:
        return told(t, e->reason, err);
    case PHI_EVENT_GRANT:
        PHI_TRY(publish(t, "grant.revoked", err));
        return one(t, t->root, "grant.revoked", INFORM, err);
    case PHI_EVENT_END:
    case PHI_EVENT_SNAPSHOT:
        break;
    }
    return PHI_OK;
}

/* Filed by this very command: its asker has the answer in hand. */
static bool filed_now(const struct phi_core *c, size_t first, size_t at)
{
    for (size_t i = first; i < at; i++)
        if (c->said[i].kind == PHI_EVENT_REQUEST && phi_view_is(c->said[i].status, "pending") &&
            phi_view_eq(c->said[i].request, c->said[at].request))
            return true;
    return false;
}

static bool matters(const struct phi_event *e)
{
    switch (e->kind) {
    case PHI_EVENT_REQUEST:
    case PHI_EVENT_VOTES:
    case PHI_EVENT_TOLD:
        return e->request.n > 0;
    case PHI_EVENT_GRANT:
        return e->request.n > 0 && phi_view_is(e->status, "revoked");
    case PHI_EVENT_END:
    case PHI_EVENT_SNAPSHOT:
        break;
    }
    return false;
}

/* That somebody cannot be told must not keep a right from ending: it is counted, and shown with the channels. */
static enum phi_rc missed(struct telling *t, const struct phi_err *why, struct phi_err *err)
{
    for (size_t i = 0; i < t->n_channels; i++) {
        struct core_channel_state_row st;
        core_channel_state(t->c, t->a, t->channel[i].name, &st);
        st.dropped++;
        st.error = phi_view_of(why->msg);
        PHI_TRY(core_channel_state_put(t->c, &st, err));
    }
    return PHI_OK;
}

static enum phi_rc noted(struct telling *t, size_t at, bool at_once, struct phi_err *err)
{
    struct phi_err why = { 0 };
    enum phi_rc rc = core_request_load(t->c, t->a, t->c->said[at].request, &t->row, &why);
    if (rc == PHI_OK) {
        t->root = core_root(t->c, t->a, t->row.requester);
        rc = happened(t, &t->c->said[at], at_once, &why);
    }
    if (rc == PHI_OK && !phi_arena_ok(t->a))
        rc = phi_fail(&why, PHI_ELIMIT, "too many people are to be told");
    if (rc == PHI_EIO && err)
        *err = why;
    return rc == PHI_OK || rc == PHI_EIO ? rc : missed(t, &why, err);
}

enum phi_rc core_outbox_note(struct phi_core *c, size_t first_said, struct phi_err *err)
{
    struct telling t = { .c = c };
    for (size_t i = first_said; i < c->n_said; i++) {
        PHI_ARENA(a, (size_t)64 << 20);
        t.a = &a;
        if (!matters(&c->said[i]))
            continue;
        PHI_TRY(core_channels_sound(c, &a, &t.channel, &t.n_channels, err));
        if (t.n_channels == 0)
            return PHI_OK;
        PHI_TRY(noted(&t, i, filed_now(c, first_said, i), err));
    }
    return PHI_OK;
}
