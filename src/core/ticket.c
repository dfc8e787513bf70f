#include "core/ticket.h"

#include "core/request_in.h"

struct heard {
    int64_t asked_ms;
    struct phi_ticket_facts facts;
};

static bool heard_read(struct phi_arena *a, struct phi_view text, struct heard *ret)
{
    const struct phi_json *v;
    *ret = (struct heard){ .asked_ms = -1 };
    if (text.n == 0 || phi_json_read(a, text, PHI_JSON_STRICT, "ticket", &v, NULL) != PHI_OK)
        return false;
    ret->asked_ms = phi_json_num(v, "asked_ms", -1);
    ret->facts.title = phi_json_text(v, "title");
    return phi_json_bool(phi_json_get(v, "open"), &ret->facts.open) && phi_json_bool(phi_json_get(v, "assigned"), &ret->facts.assigned);
}

struct phi_view core_ticket_text(struct phi_core *c, struct phi_arena *a, const struct phi_ticket_facts *f)
{
    PHI_BUF(text, 4096);
    struct phi_jw w;
    phi_jw_init(&w, &text);
    phi_jw_obj(&w);
    phi_jw_ki(&w, "asked_ms", core_wall(c));
    phi_jw_kb(&w, "assigned", f->assigned);
    phi_jw_kb(&w, "open", f->open);
    phi_jw_kv(&w, "title", f->title);
    phi_jw_end(&w);
    return phi_arena_copy(a, phi_buf_view(&text));
}

const struct phi_value *core_ticket_value(struct phi_arena *a, struct phi_view text)
{
    struct heard h;
    if (!heard_read(a, text, &h))
        return NULL;
    struct phi_attr at[] = { { PHI_LIT("assigned"), phi_value_bool(a, h.facts.assigned) },
                             { PHI_LIT("open"), phi_value_bool(a, h.facts.open) },
                             { PHI_LIT("title"), phi_value_string(a, h.facts.title) } };
    return phi_value_record(a, at, sizeof at / sizeof *at);
}

bool core_ticket_meets(const struct phi_requirement *r, struct phi_view text)
{
    PHI_ARENA(a, 1 << 16);
    struct heard h;
    switch (r->checked) {
    case PHI_TICKET_NAMED:
        return true;
    case PHI_TICKET_OPEN:
        return heard_read(&a, text, &h) && h.facts.open;
    case PHI_TICKET_ASSIGNED:
        return heard_read(&a, text, &h) && h.facts.open && h.facts.assigned;
    }
    return false;
}

/* Set back by a clock counts as old. */
static bool older(struct phi_core *c, struct phi_view text, int64_t ms)
{
    PHI_ARENA(a, 1 << 16);
    struct heard h;
    if (!heard_read(&a, text, &h))
        return true;
    int64_t age = core_wall(c) - h.asked_ms;
    return age < 0 || age > ms;
}

enum phi_rc core_ticket_fresh(struct phi_core *c, const struct core_case *of, bool glass, struct phi_err *err)
{
    if (!c->says_ticket || glass || of->ticket.n == 0 || of->ticket_facts.n == 0 || !older(c, of->ticket_facts, PHI_TICKET_FRESH_MS))
        return PHI_OK; /* what was never answered is unknown, and the policy denies what rests on it */
    return core_no(c, "ticket.stale", err, PHI_ECONFLICT, "what the tracker said of this ticket is too old, and it must be asked again");
}

bool core_ticket_ages(struct phi_core *c, const struct core_case *of, bool glass, int64_t ms)
{
    return c->says_ticket && !glass && of->ticket.n && older(c, of->ticket_facts, ms);
}

static enum phi_rc request_of(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                              struct core_request_row *ret, struct phi_err *err)
{
    struct core_grant_row g;
    if (by->kind == PHI_ACTOR_SYSTEM)
        return core_request_load(c, a, which, ret, err);
    if (by->kind != PHI_ACTOR_GATEWAY)
        return core_request_seen(c, a, by, which, ret, err);
    PHI_TRY(core_grant_load(c, a, which, &g, err));
    if (!core_gateway_serves(c, by->id, g.target))
        return PHI_ENOTFOUND;
    return core_request_load(c, a, g.request, ret, err);
}

static bool is_due(struct phi_core *c, const struct core_request_row *row, const struct core_draft *d, int64_t renew_ms)
{
    bool lives = row->status == PHI_REQUEST_PENDING || row->status == PHI_REQUEST_APPROVED;
    return lives && !row->glass && d->body.ticket.n && older(c, d->of.ticket_facts, renew_ms);
}

enum phi_rc phi_ticket_due(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                           int64_t renew_ms, struct phi_ticket_due *ret, struct phi_err *err)
{
    struct core_request_row row;
    struct core_draft d;
    *ret = (struct phi_ticket_due){ 0 };
    PHI_TRY(core_batched(c, err));
    bool known = core_bundle_load(c, NULL) == PHI_OK && c->says_ticket && request_of(c, a, by, which, &row, NULL) == PHI_OK &&
                 core_draft_of_row(c, a, &row, &d, NULL) == PHI_OK && is_due(c, &row, &d, renew_ms);
    c->why = "";
    if (!known)
        return PHI_OK;
    *ret = (struct phi_ticket_due){ row.id, d.body.ticket, d.requester, core_person_name(c, a, d.requester) };
    return PHI_OK;
}

enum phi_rc phi_ticket_put(struct phi_core *c, struct phi_arena *a, struct phi_view request, const struct phi_ticket_facts *f,
                           struct phi_err *err)
{
    struct core_text_row key = { .owner = request, .kind = PHI_LIT(CORE_TEXT_TICKET) };
    struct phi_view text = core_ticket_text(c, a, f), salt = core_random(c, a, 16);
    struct phi_digest hash = core_salted(salt, text);
    struct phi_entry e;
    PHI_TRY(core_batched(c, err));
    enum phi_rc rc = core_del(c, CORE_TEXT_OF, &key, NULL);
    if (rc != PHI_OK && rc != PHI_ENOTFOUND)
        return phi_fail(err, rc, "what is known of the ticket cannot be changed");
    PHI_TRY(core_text_put(c, request, CORE_TEXT_TICKET, salt, text, err));
    core_entry(c, &e, PHI_EV_TICKET_CHECKED, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM });
    phi_entry_str(&e, PHI_F_REQ, request);
    phi_entry_hash(&e, PHI_F_FACTS_HASH, &hash);
    return core_leaf(c, &e, NULL, NULL, err);
}
