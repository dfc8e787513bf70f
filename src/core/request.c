/* The only file that changes a request, and what follows from it in the log. */
#include "core/request.h"

#include <string.h>

#include "core/request_in.h"
#include "core/ticket.h"

#define CODE_TRIES 64

const char *phi_request_status_name(enum phi_request_status s)
{
    switch (s) {
    case PHI_REQUEST_PENDING:
        return "pending";
    case PHI_REQUEST_APPROVED:
        return "approved";
    case PHI_REQUEST_DENIED:
        return "denied";
    case PHI_REQUEST_EXPIRED:
        return "expired";
    case PHI_REQUEST_CANCELLED:
        return "cancelled";
    }
    return "";
}

/* An unlisted cell is 0: nothing leads out of a terminal state. */
static const uint8_t next[PHI_REQUEST_CANCELLED + 1][CORE_REQUEST_EVS] = {
    [PHI_REQUEST_PENDING] = { [CORE_REQUEST_APPROVE] = PHI_REQUEST_APPROVED,
                              [CORE_REQUEST_DENY] = PHI_REQUEST_DENIED,
                              [CORE_REQUEST_EXPIRE] = PHI_REQUEST_EXPIRED,
                              [CORE_REQUEST_CANCEL] = PHI_REQUEST_CANCELLED },
};

enum phi_request_status core_request_next(enum phi_request_status s, enum core_request_ev ev)
{
    if ((int)s < 0 || s > PHI_REQUEST_CANCELLED || (int)ev < 0 || ev >= CORE_REQUEST_EVS)
        return (enum phi_request_status)0;
    return (enum phi_request_status)next[s][ev];
}

/* ---- events out */

static void say(struct phi_core *c, const struct core_request_row *row, enum phi_event_kind kind)
{
    core_say(c, &(struct phi_event){ .kind = kind,
                                     .request = row->id,
                                     .code = row->code,
                                     .status = phi_view_of(phi_request_status_name((enum phi_request_status)row->status)),
                                     .principal = row->requester,
                                     .target = row->target,
                                     .gateway = row->gateway });
}

enum phi_rc core_request_say_votes(struct phi_core *c, const struct core_request_row *row)
{
    say(c, row, PHI_EVENT_VOTES);
    return PHI_OK;
}

/* ---- steps */

static enum phi_rc put_back(struct phi_core *c, struct phi_arena *a, struct core_request_row *row, struct phi_entry *e,
                            struct phi_err *err)
{
    row->rev++;
    phi_entry_str(e, PHI_F_REQ, row->id);
    PHI_TRY(core_leaf_of(c, a, e, CORE_REQUEST, row, &row->leaf, &row->leaf_hash, err));
    return core_set(c, CORE_REQUEST, row, err);
}

enum phi_rc core_request_step(struct phi_core *c, struct phi_arena *a, struct core_request_row *row,
                              enum core_request_ev ev, struct phi_entry *e, struct phi_err *err)
{
    enum phi_request_status to = core_request_next((enum phi_request_status)row->status, ev);
    if (to == 0)
        return core_no(c, "request.ended", err, PHI_ECONFLICT, "this request is %s already",
                       phi_request_status_name((enum phi_request_status)row->status));
    row->status = to;
    row->live = to == PHI_REQUEST_PENDING;
    row->ask = row->live ? row->ask : (struct phi_view){ 0 };
    PHI_TRY(put_back(c, a, row, e, err));
    say(c, row, PHI_EVENT_REQUEST);
    return PHI_OK;
}

/* ---- finding */

enum phi_rc core_request_load(struct phi_core *c, struct phi_arena *a, struct phi_view which,
                              struct core_request_row *ret, struct phi_err *err)
{
    struct core_request_row *rows, key = { .id = which };
    struct phi_code code;
    size_t n = 0;
    bool found = core_get(c, CORE_REQUEST, CORE_BY_KEY, &key, a, ret, NULL) == PHI_OK;
    if (!found && phi_code_read(which, &code)) { /* the newest of that code */
        key.code = phi_view_mem(code.s, PHI_CODE_LEN);
        PHI_TRY(core_list(c, CORE_REQUEST, CORE_REQUEST_BY_CODE, &key,
                          (struct core_span){ .prefix = 1, .limit = 1, .last_first = true }, a, &rows, &n, err));
        if (n)
            *ret = rows[0];
    }
    if (!found && n == 0)
        return core_no(c, "request.unknown", err, PHI_ENOTFOUND, "there is no such request");
    return core_row_check(c, CORE_REQUEST, ret, ret->leaf, ret->leaf_hash, err);
}

bool core_request_sees(struct phi_core *c, const struct phi_actor *by, const struct core_request_row *row)
{
    PHI_ARENA(a, 1 << 16);
    struct core_eligible_row *e, key = { .request = row->id };
    size_t n = 0;
    switch (by->kind) {
    case PHI_ACTOR_SYSTEM:
        return true;
    case PHI_ACTOR_GATEWAY:
        return phi_view_eq(row->gateway, by->id) || core_gateway_serves(c, by->id, row->target);
    case PHI_ACTOR_PERSON:
        key.person = core_root(c, &a, by->id);
        if (phi_view_eq(key.person, core_root(c, &a, row->requester)) || core_is_party(c, row->id, by->id))
            return true;
        return (core_list(c, CORE_ELIGIBLE, CORE_ELIGIBLE_BY_PERSON, &key,
                          (struct core_span){ .prefix = 2, .limit = 1 }, &a, &e, &n, NULL) == PHI_OK &&
                n > 0) ||
               core_has(c, by, PHI_RIGHT_SEE_ALL);
    case PHI_ACTOR_NOBODY:
        break;
    }
    return false;
}

enum phi_rc core_request_seen(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              struct phi_view which, struct core_request_row *ret, struct phi_err *err)
{
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_request_load(c, a, which, ret, err));
    if (!core_request_sees(c, by, ret))
        return core_no(c, "request.unknown", err, PHI_ENOTFOUND, "there is no such request");
    return PHI_OK;
}

enum phi_rc phi_request_glance(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                               struct phi_request *ret, struct phi_err *err)
{
    struct core_request_row row;
    PHI_TRY(core_request_seen(c, a, by, which, &row, err));
    *ret = (struct phi_request){ .id = row.id, .code = row.code, .status = (enum phi_request_status)row.status };
    return PHI_OK;
}

/* ---- filing */

static bool code_taken(struct phi_core *c, struct phi_view code)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_request_row *rows, key = { .code = code };
    size_t n = 0;
    if (core_list(c, CORE_REQUEST, CORE_REQUEST_BY_CODE, &key, (struct core_span){ .prefix = 1 }, &a, &rows, &n,
                  NULL) != PHI_OK)
        return true;
    for (size_t i = 0; i < n; i++) {
        struct core_grant_row *g, gkey = { .request = rows[i].id };
        size_t m = 0;
        if (rows[i].live)
            return true;
        if (core_list(c, CORE_GRANT, CORE_GRANT_BY_REQUEST, &gkey, (struct core_span){ .prefix = 1 }, &a, &g, &m,
                      NULL) != PHI_OK ||
            (m && g[0].live))
            return true;
    }
    return false;
}

static enum phi_rc code_new(struct phi_core *c, struct phi_arena *a, struct phi_view *ret, struct phi_err *err)
{
    for (int i = 0; i < CODE_TRIES; i++) {
        uint8_t r[4];
        c->rng->fill(c->rng->self, r, sizeof r);
        struct phi_code code = phi_code_make(r);
        *ret = phi_arena_copy(a, phi_view_mem(code.s, PHI_CODE_LEN));
        if (!code_taken(c, *ret))
            return PHI_OK;
    }
    return phi_fail(err, PHI_ELIMIT, "too many requests are unfinished");
}

static struct phi_view needs_json(struct phi_arena *a, const struct core_ruling *r)
{
    PHI_BUF(b, 1 << 16);
    struct phi_jw w;
    phi_jw_init(&w, &b);
    phi_jw_arr(&w);
    for (size_t i = 0; i < r->n_options; i++) {
        phi_jw_arr(&w);
        for (size_t k = 0; k < r->options[i].n; k++)
            phi_jw_str(&w, r->options[i].requirements[k]->name);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    return phi_arena_copy(a, phi_buf_view(&b));
}

static struct phi_view policies_json(struct phi_arena *a, const struct core_ruling *r)
{
    PHI_BUF(b, 1 << 18);
    struct phi_jw w;
    phi_jw_init(&w, &b);
    phi_jw_arr(&w);
    for (size_t i = 0; i < r->n_policies; i++) {
        phi_jw_obj(&w);
        phi_jw_kv(&w, "id", r->policies[i].id);
        phi_jw_kv(&w, "why", r->policies[i].why);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    return phi_arena_copy(a, phi_buf_view(&b));
}

static enum phi_rc eligible_put(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                                const struct core_draft *d, const struct core_ruling *ruling, struct phi_err *err)
{
    struct core_subject s = core_subject_of(d);
    s.id = row->id;
    for (size_t i = 0; i < ruling->n_options; i++)
        for (size_t k = 0; k < ruling->options[i].n; k++) {
            const struct phi_requirement *r = ruling->options[i].requirements[k];
            struct core_approver *p;
            size_t n;
            PHI_TRY(core_approvers(c, a, &s, r, &p, &n, err));
            for (size_t j = 0; j < n; j++) {
                struct core_eligible_row e = { row->id, row->version, r->name, p[j].root };
                enum phi_rc rc = core_add(c, CORE_ELIGIBLE, &e, NULL);
                if (rc != PHI_OK && rc != PHI_ECONFLICT) /* the same requirement stands in two options */
                    return phi_fail(err, rc, "the approvers cannot be stored");
            }
        }
    return PHI_OK;
}

static int64_t pending_ttl(const struct core_ruling *r)
{
    int64_t ttl = 0;
    for (size_t i = 0; i < r->n_options; i++)
        for (size_t k = 0; k < r->options[i].n; k++) {
            int64_t t = r->options[i].requirements[k]->pending_ttl_ms;
            if (t > 0 && (ttl == 0 || t < ttl))
                ttl = t;
        }
    return ttl ? ttl : PHI_DEFAULT_PENDING_MS;
}

/* What the body, the ruling and the clock say; the rest of the row stays. */
static enum phi_rc row_fill(struct phi_core *c, struct phi_arena *a, struct core_request_row *row,
                            const struct core_draft *d, const struct core_ruling *ruling, struct phi_err *err)
{
    PHI_BUF(summary, 4096);
    phi_body_summary(&summary, &d->body);
    row->version = d->body.version;
    row->digest = core_hex(a, &d->digest);
    row->act = d->body.has_scope ? (struct phi_view){ 0 } : core_hex(a, &d->act);
    row->summary = phi_arena_copy(a, phi_buf_view(&summary));
    row->scoped = d->body.has_scope;
    row->for_ms = d->body.bounds.for_ms;
    row->uses = d->body.bounds.uses;
    row->bundle = phi_arena_copy(a, c->bundle_hash);
    row->needs = needs_json(a, ruling);
    row->policies = policies_json(a, ruling);
    row->extends = d->body.extends;
    row->glass = d->glass;
    row->risk = d->of.risk + 1;
    row->behalf = (int64_t)d->body.n_on_behalf;
    row->asked_ms = core_wall(c);
    row->due = core_due_in(c, pending_ttl(ruling));
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the request is too large");
}

static enum phi_rc body_put(struct phi_core *c, const struct core_request_row *row, const struct core_draft *d,
                            struct phi_err *err)
{
    PHI_BUF(body, PHI_MAX_REQUEST_BODY);
    phi_body_write(&body, &d->body);
    if (!phi_buf_ok(&body))
        return phi_fail(err, PHI_ELIMIT, "a request's body is at most %d bytes", PHI_MAX_REQUEST_BODY);
    return core_text_put(c, row->id, "body", (struct phi_view){ 0 }, phi_buf_view(&body), err);
}

static enum phi_rc text_drop(struct phi_core *c, struct phi_view owner, const char *kind, struct phi_err *err)
{
    struct core_text_row key = { .owner = owner, .kind = phi_view_of(kind) };
    enum phi_rc rc = core_del(c, CORE_TEXT_OF, &key, NULL);
    return rc == PHI_OK || rc == PHI_ENOTFOUND ? PHI_OK : phi_fail(err, rc, "a text cannot be removed");
}

/* What was known of this version, and nothing of the one before. */
static enum phi_rc facts_put(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                             const struct core_draft *d, struct phi_digest *ret_hash, struct phi_err *err)
{
    struct phi_view salt = core_random(c, a, 16);
    const struct {
        const char *kind;
        struct phi_view text;
    } part[] = { { "context", d->of.context },
                 { "entities", d->of.entities },
                 { "addr", d->addr },
                 { "application", d->application },
                 { "device", d->of.device },
                 { CORE_TEXT_TICKET, d->of.ticket_facts },
                 { "risk", d->reasons } };
    PHI_BUF(all, (size_t)8 << 20);
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        phi_buf_add64(&all, part[i].text.n);
        phi_buf_add(&all, part[i].text);
        PHI_TRY(text_drop(c, row->id, part[i].kind, err));
        if (part[i].text.n)
            PHI_TRY(core_text_put(c, row->id, part[i].kind, salt, part[i].text, err));
    }
    if (!phi_buf_ok(&all))
        return phi_fail(err, PHI_ELIMIT, "the gateway's facts are too large");
    *ret_hash = core_salted(salt, phi_buf_view(&all));
    return PHI_OK;
}

static void created_entry(struct phi_core *c, struct phi_entry *e, const struct phi_actor *by,
                          const struct core_request_row *row, const struct core_draft *d,
                          const struct phi_digest *facts)
{
    struct phi_digest bundle = core_unhex(row->bundle);
    core_entry(c, e, PHI_EV_REQUEST_CREATED, by);
    phi_entry_str(e, PHI_F_REQ, row->id);
    phi_entry_hash(e, PHI_F_DIGEST, &d->digest);
    phi_entry_int(e, PHI_F_VERSION, row->version);
    phi_entry_ref(e, PHI_F_REQUESTER, d->body.requester);
    phi_entry_ref(e, PHI_F_TARGET, d->body.target);
    phi_entry_hash(e, PHI_F_BUNDLE, &bundle);
    phi_entry_str(e, PHI_F_CODE, row->code);
    phi_entry_int(e, PHI_F_UNTIL_MS, row->due.wall);
    phi_entry_hash(e, PHI_F_FACTS_HASH, facts);
    if (row->behalf)
        phi_entry_refs(e, PHI_F_ON_BEHALF, d->body.on_behalf, d->body.n_on_behalf);
    if (row->extends.n)
        phi_entry_str(e, PHI_F_EXTENDS, row->extends);
    if (row->glass)
        phi_entry_str(e, PHI_F_KIND, PHI_LIT("break-glass"));
    if (!d->body.has_scope)
        phi_entry_hash(e, PHI_F_ACT, &d->act);
    if (row->gateway.n) {
        phi_entry_ref(e, PHI_F_GATEWAY, phi_ref_of("Gateway", row->gateway));
        phi_entry_str(e, PHI_F_SESSION, row->session);
        phi_entry_str(e, PHI_F_CREDENTIAL, row->credential);
    }
}

/* Whoever can act as the service that asks: they count as it, also once their token has ended. */
static enum phi_rc makers_put(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row, struct phi_err *err)
{
    const struct phi_view *maker;
    size_t n;
    PHI_TRY(core_token_makers(c, a, row->requester, &maker, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_party_row p = { row->id, PHI_LIT(CORE_PARTY_MAKER), maker[i] };
        enum phi_rc rc = core_add(c, CORE_PARTY, &p, NULL);
        if (rc != PHI_OK && rc != PHI_ECONFLICT)
            return phi_fail(err, rc, "those who speak as the service cannot be stored");
    }
    return PHI_OK;
}

/* Those for whom it is: they see it and are told. */
static enum phi_rc behalf_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, const struct core_request_row *row,
                              const struct core_draft *d, struct phi_err *err)
{
    struct phi_view id[PHI_MAX_ON_BEHALF];
    size_t n = 0;
    for (; n < d->body.n_on_behalf && n < PHI_MAX_ON_BEHALF; n++)
        id[n] = d->body.on_behalf[n].id;
    return core_parties_put(c, a, by, row, "behalf", id, n, err);
}

enum phi_rc core_request_file(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                              const struct core_draft *d, const struct core_ruling *ruling,
                              struct core_request_row *row, struct phi_err *err)
{
    struct phi_digest facts;
    struct phi_entry e;
    *row = (struct core_request_row){ .id = phi_arena_copy(a, phi_id_view(&d->body.id)),
                                      .status = PHI_REQUEST_PENDING,
                                      .live = 1,
                                      .requester = d->requester,
                                      .root = d->root,
                                      .target = d->target,
                                      .gateway = d->gateway,
                                      .credential = d->credential,
                                      .session = d->session,
                                      .created_ms = core_wall(c) };
    PHI_TRY(code_new(c, a, &row->code, err));
    PHI_TRY(row_fill(c, a, row, d, ruling, err));
    if (row->scoped)
        PHI_TRY(core_ask_hash(a, d, &row->ask, err));
    PHI_TRY(body_put(c, row, d, err));
    PHI_TRY(facts_put(c, a, row, d, &facts, err));
    PHI_TRY(eligible_put(c, a, row, d, ruling, err));
    created_entry(c, &e, by, row, d, &facts);
    PHI_TRY(core_leaf_of(c, a, &e, CORE_REQUEST, row, &row->leaf, &row->leaf_hash, err));
    PHI_TRY(core_add(c, CORE_REQUEST, row, err));
    struct core_waiter_row waiter = { row->id, d->session, d->gateway };
    if (d->session.n)
        PHI_TRY(core_add(c, CORE_WAITER, &waiter, err));
    PHI_TRY(core_timers_put(c, row, ruling, err));
    PHI_TRY(core_parties_put(c, a, by, row, "watcher", d->watchers, d->n_watchers, err));
    PHI_TRY(behalf_put(c, a, by, row, d, err));
    PHI_TRY(makers_put(c, a, row, err));
    PHI_TRY(core_parties_put(c, a, by, row, "suggested", d->suggested, d->n_suggested, err));
    say(c, row, PHI_EVENT_REQUEST);
    return PHI_OK;
}

/* What a void vote said stays, under the nonce that its entry in the log names: so it is found when its writer is forgotten. */
static enum phi_rc void_text(struct phi_core *c, struct phi_arena *a, const struct core_vote_row *v, struct phi_err *err)
{
    struct core_text_row text, key = { .owner = v->id, .kind = PHI_LIT("reason") };
    const struct phi_json *doc;
    if (core_get(c, CORE_TEXT_OF, CORE_BY_KEY, &key, a, &text, NULL) != PHI_OK)
        return PHI_OK; /* erased */
    PHI_TRY(phi_json_read(a, v->vote, PHI_JSON_STRICT, "stored vote", &doc, err));
    PHI_TRY(core_text_put(c, phi_json_text(doc, "nonce"), CORE_TEXT_VOID, text.salt, text.text, err));
    return core_del(c, CORE_TEXT_OF, &key, err);
}

static enum phi_rc votes_void(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row,
                              struct phi_err *err)
{
    struct core_vote_row *v, key = { .request = row->id };
    size_t n;
    PHI_TRY(core_list(c, CORE_VOTE, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &v, &n, err));
    for (size_t i = 0; i < n; i++) {
        PHI_TRY(void_text(c, a, &v[i], err));
        PHI_TRY(core_del(c, CORE_VOTE, &v[i], err));
    }
    return PHI_OK;
}

enum phi_rc core_request_refile(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                struct core_request_row *row, const struct core_draft *d,
                                const struct core_ruling *ruling, struct phi_err *err)
{
    struct phi_digest facts, bundle;
    struct phi_entry e;
    if (row->status != PHI_REQUEST_PENDING)
        return core_no(c, "request.ended", err, PHI_ECONFLICT, "this request has ended");
    PHI_TRY(votes_void(c, a, row, err));
    row->ask = (struct phi_view){ 0 };
    PHI_TRY(row_fill(c, a, row, d, ruling, err));
    PHI_TRY(text_drop(c, row->id, "body", err));
    PHI_TRY(body_put(c, row, d, err));
    PHI_TRY(facts_put(c, a, row, d, &facts, err));
    PHI_TRY(eligible_put(c, a, row, d, ruling, err));
    bundle = core_unhex(row->bundle);
    core_entry(c, &e, PHI_EV_REQUEST_EDITED, by);
    phi_entry_hash(&e, PHI_F_DIGEST, &d->digest);
    phi_entry_int(&e, PHI_F_VERSION, row->version);
    phi_entry_hash(&e, PHI_F_BUNDLE, &bundle);
    phi_entry_int(&e, PHI_F_UNTIL_MS, row->due.wall);
    phi_entry_hash(&e, PHI_F_FACTS_HASH, &facts);
    PHI_TRY(put_back(c, a, row, &e, err));
    PHI_TRY(core_timers_put(c, row, ruling, err));
    PHI_TRY(core_parties_put(c, a, by, row, "watcher", d->watchers, d->n_watchers, err));
    PHI_TRY(core_parties_put(c, a, by, row, "suggested", d->suggested, d->n_suggested, err));
    say(c, row, PHI_EVENT_REQUEST);
    return PHI_OK;
}
