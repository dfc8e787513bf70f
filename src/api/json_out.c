#include "api/json_out.h"

#include "base/text.h"
#include "proof/param.h"

#define MAX_SHOWN_TEXT (2u * 1024 * 1024)

void api_w_strs(struct phi_jw *w, const char *key, const struct phi_view *v, size_t n)
{
    phi_jw_key(w, key);
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++)
        phi_jw_str(w, v[i]);
    phi_jw_end(w);
}

void api_w_bundle(struct phi_jw *w, const struct phi_bundle_view *b)
{
    phi_jw_kv(w, "hash", b->hash);
    phi_jw_ki(w, "version", b->version);
    phi_jw_kv(w, "schema", b->schema);
    phi_jw_kv(w, "policies", b->policies);
    phi_jw_kv(w, "requirements", b->requirements);
}

/* Core wrote this text; it is checked all the same before it goes out as JSON. */
static const struct phi_json *json_of(struct phi_arena *a, struct phi_view text)
{
    const struct phi_json *v = NULL;
    if (!text.n || phi_json_read(a, text, PHI_JSON_STRICT, "stored JSON", &v, NULL) != PHI_OK)
        return NULL;
    return v;
}

static void json_kv(struct phi_jw *w, const char *key, const struct phi_json *v)
{
    phi_jw_key(w, key);
    if (v)
        phi_jw_value(w, v);
    else
        phi_jw_null(w);
}

static void person_kv(struct phi_jw *w, const char *key, struct phi_view id, struct phi_view name)
{
    phi_jw_key(w, key);
    phi_jw_obj(w);
    phi_jw_kv(w, "id", id);
    phi_jw_kv(w, "name", name);
    phi_jw_end(w);
}

static void budget_kv(struct phi_jw *w, const char *key, const struct phi_budget *b)
{
    phi_jw_key(w, key);
    phi_jw_obj(w);
    phi_jw_ki(w, "statements", b->statements);
    phi_jw_ki(w, "rows", b->rows);
    phi_jw_ki(w, "bytes", b->bytes);
    phi_jw_end(w);
}

void api_w_grant(struct phi_jw *w, struct phi_arena *a, const struct phi_grant_view *g)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "id", g->id);
    phi_jw_kv(w, "request", g->request);
    phi_jw_kv(w, "code", g->code);
    phi_jw_kv(w, "digest", g->digest);
    phi_jw_kv(w, "act", g->act);
    person_kv(w, "principal", g->principal.id, g->principal_name);
    phi_jw_kv(w, "target", g->target);
    phi_jw_kc(w, "status", phi_grant_status_name(g->status));
    phi_jw_ki(w, "uses", g->uses);
    phi_jw_ki(w, "used", g->used);
    phi_jw_ki(w, "remaining_ms", g->remaining_ms);
    json_kv(w, "scope", json_of(a, g->scope));
    phi_jw_kv(w, "summary", g->summary);
    phi_jw_ki(w, "begins_in_ms", g->begins_in_ms);
    phi_jw_ki(w, "first_use_ms", g->first_use_ms);
    budget_kv(w, "budget", &g->budget);
    budget_kv(w, "spent", &g->spent);
    phi_jw_key(w, "windows");
    phi_windows_write(w, g->windows, g->n_windows);
    phi_jw_kv(w, "review", g->review);
    phi_jw_kv(w, "reviewer", g->reviewer);
    phi_jw_end(w);
}

static void need_write(struct phi_jw *w, const struct phi_need *n)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "requirement", n->requirement);
    phi_jw_kv(w, "kind", n->kind);
    if (n->is_signed)
        phi_jw_kb(w, "signed", true);
    phi_jw_ki(w, "count", n->count);
    phi_jw_ki(w, "have", n->have);
    phi_jw_ki(w, "stage", n->stage ? n->stage : 1);
    api_w_strs(w, "who", n->who, n->n_who);
    api_w_strs(w, "from", n->from, n->n_from);
    phi_jw_end(w);
}

void api_w_needs(struct phi_jw *w, const struct phi_need_set *needs, size_t n)
{
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_arr(w);
        for (size_t j = 0; j < needs[i].n; j++)
            need_write(w, &needs[i].needs[j]);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

void api_w_policies(struct phi_jw *w, const struct phi_decider *p, size_t n)
{
    phi_jw_key(w, "policies");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "id", p[i].id);
        phi_jw_kv(w, "why", p[i].why);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

static void param_write(struct phi_jw *w, const struct phi_statement *s, size_t i)
{
    PHI_BUF(shown, MAX_SHOWN_TEXT);
    if (s->params[i].null) {
        phi_jw_null(w);
        return;
    }
    phi_param_show(&shown, s, i);
    phi_jw_str(w, phi_buf_view(&shown));
}

static void batch_write(struct phi_jw *w, const struct phi_payload *p)
{
    PHI_BUF(text, MAX_SHOWN_TEXT);
    size_t bytes = 0;
    for (size_t i = 0; i < p->n_statements; i++) {
        phi_buf_adds(&text, i ? ";\n" : "");
        phi_buf_add(&text, p->statements[i].bytes);
        bytes += p->statements[i].bytes.n;
    }
    phi_jw_kv(w, "text", phi_buf_view(&text));
    phi_jw_key(w, "params");
    phi_jw_arr(w);
    for (size_t i = 0; i < p->n_statements; i++)
        for (size_t j = 0; j < p->statements[i].n_params; j++)
            param_write(w, &p->statements[i], j);
    phi_jw_end(w);
    phi_jw_ki(w, "bytes", (int64_t)bytes);
}

static void payload_write(struct phi_jw *w, const struct phi_payload *p)
{
    phi_jw_key(w, "payload");
    switch (p->kind) {
    case PHI_PAYLOAD_NONE: phi_jw_null(w); return;
    case PHI_PAYLOAD_PG_QUERY:
    case PHI_PAYLOAD_CHANGE:
        phi_jw_obj(w);
        phi_jw_kc(w, "kind", p->kind == PHI_PAYLOAD_CHANGE ? "phi-change" : "pg-query");
        phi_jw_kv(w, "text", p->bytes);
        api_w_strs(w, "params", NULL, 0);
        phi_jw_ki(w, "bytes", (int64_t)p->bytes.n);
        phi_jw_end(w);
        return;
    case PHI_PAYLOAD_PG_BATCH:
        phi_jw_obj(w);
        phi_jw_kc(w, "kind", "pg-batch");
        batch_write(w, p);
        phi_jw_end(w);
        return;
    }
}

static void actions_write(struct phi_jw *w, const struct phi_pair *p, size_t n)
{
    phi_jw_key(w, "actions");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        PHI_BUF(label, 64 * 1024);
        phi_ref_label(&label, p[i].resource);
        phi_jw_obj(w);
        phi_jw_kv(w, "action", p[i].action);
        phi_jw_key(w, "resource");
        phi_ref_write(w, p[i].resource);
        phi_jw_kv(w, "label", phi_buf_view(&label));
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

void api_w_time(struct phi_jw *w, const char *key, int64_t ms)
{
    PHI_BUF(text, 64);
    phi_text_time(&text, ms);
    phi_jw_kv(w, key, phi_buf_view(&text));
}

static void votes_write(struct phi_jw *w, const struct phi_request *r)
{
    phi_jw_key(w, "votes");
    phi_jw_arr(w);
    for (size_t i = 0; i < r->n_votes; i++) {
        const struct phi_request_vote *v = &r->votes[i];
        phi_jw_obj(w);
        phi_jw_kv(w, "person", v->name);
        phi_jw_kc(w, "decision", v->approve ? "approve" : "deny");
        phi_jw_kv(w, "requirement", v->requirement);
        phi_jw_kv(w, "reason", v->reason);
        api_w_time(w, "at", v->at_ms);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

/* What the body holds, as people read it, and the body itself for those who check the digest. */
static void body_write(struct phi_jw *w, struct phi_arena *a, const struct phi_request *r)
{
    struct phi_body b = { 0 };
    const struct phi_json *v = json_of(a, r->body);
    if (v && phi_body_read(a, v, &b, NULL) != PHI_OK)
        v = NULL;
    if (!v)
        b = (struct phi_body){ 0 };
    payload_write(w, &b.payload);
    json_kv(w, "scope", phi_json_get(v, "scope"));
    json_kv(w, "settings", phi_json_get(v, "settings"));
    json_kv(w, "body", v);
    phi_jw_kb(w, "erased", r->body.n == 0);
}

static void remarks_write(struct phi_jw *w, const struct phi_request *r)
{
    phi_jw_key(w, "remarks");
    phi_jw_arr(w);
    for (size_t i = 0; i < r->n_remarks; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "person", r->remarks[i].name);
        phi_jw_kv(w, "kind", r->remarks[i].kind);
        phi_jw_kv(w, "text", r->remarks[i].text);
        api_w_time(w, "at", r->remarks[i].at_ms);
        phi_jw_end(w);
    }
    phi_jw_end(w);
}

static void can_write(struct phi_jw *w, const struct phi_request *r)
{
    phi_jw_key(w, "can");
    phi_jw_obj(w);
    phi_jw_kb(w, "approve", r->can_vote);
    phi_jw_kb(w, "deny", r->can_vote && !r->can_cancel); /* the requester shows a passkey, or cancels */
    phi_jw_kb(w, "cancel", r->can_cancel);
    phi_jw_kv(w, "why_not", r->why_not);
    phi_jw_end(w);
}

static void state_write(struct phi_jw *w, struct phi_arena *a, const struct phi_request *r)
{
    api_w_time(w, "created_at", r->created_ms);
    phi_jw_ki(w, "expires_in_ms", r->expires_in_ms);
    phi_jw_key(w, "needs");
    api_w_needs(w, r->needs, r->n_needs);
    api_w_policies(w, r->policies, r->n_policies);
    votes_write(w, r);
    phi_jw_key(w, "grant");
    if (r->grant)
        api_w_grant(w, a, r->grant);
    else
        phi_jw_null(w);
    phi_jw_kv(w, "denied_by", r->denied_by);
    phi_jw_kv(w, "reason", r->reason);
    api_w_strs(w, "watchers", r->watchers, r->n_watchers);
    api_w_strs(w, "suggested", r->suggested, r->n_suggested);
    api_w_strs(w, "on_behalf", r->on_behalf, r->n_on_behalf);
    remarks_write(w, r);
    can_write(w, r);
}

/* Those that were asked for. */
static void bounds_members(struct phi_jw *w, const struct phi_bounds *b)
{
    const struct {
        const char *key;
        int64_t v;
    } m[] = { { "from_ms", b->from_ms }, { "until_ms", b->until_ms }, { "statements", b->budget.statements },
              { "rows", b->budget.rows }, { "bytes", b->budget.bytes } };
    for (size_t i = 0; i < sizeof(m) / sizeof(m[0]); i++)
        if (m[i].v)
            phi_jw_ki(w, m[i].key, m[i].v);
    if (!b->n_windows)
        return;
    phi_jw_key(w, "windows");
    phi_windows_write(w, b->windows, b->n_windows);
}

void api_w_request(struct phi_jw *w, struct phi_arena *a, const struct phi_request *r)
{
    phi_jw_obj(w);
    phi_jw_kv(w, "id", r->id);
    phi_jw_kv(w, "code", r->code);
    phi_jw_kc(w, "status", phi_request_status_name(r->status));
    phi_jw_ki(w, "version", r->version);
    phi_jw_kv(w, "digest", r->digest);
    phi_jw_kv(w, "act", r->act);
    person_kv(w, "requester", r->requester.id, r->requester_name);
    phi_jw_kv(w, "target", r->target);
    phi_jw_kv(w, "gateway", r->gateway);
    phi_jw_kv(w, "summary", r->summary);
    actions_write(w, r->actions, r->n_actions);
    body_write(w, a, r);
    phi_jw_key(w, "bounds");
    phi_jw_obj(w);
    phi_jw_ki(w, "for_ms", r->for_ms);
    phi_jw_ki(w, "uses", r->uses);
    bounds_members(w, &r->bounds);
    phi_jw_end(w);
    phi_jw_kv(w, "extends", r->extends);
    phi_jw_kb(w, "break_glass", r->break_glass);
    phi_jw_key(w, "risk");
    if (r->risk < 0)
        phi_jw_null(w);
    else
        phi_jw_int(w, r->risk);
    phi_jw_key(w, "risk_reasons");
    phi_jw_raw(w, r->risk_reasons.n ? r->risk_reasons : PHI_LIT("[]"));
    phi_jw_kv(w, "why", r->why);
    phi_jw_kv(w, "ticket", r->ticket);
    phi_jw_key(w, "ticket_facts");
    phi_jw_raw(w, r->ticket_facts.n ? r->ticket_facts : PHI_LIT("null"));
    phi_jw_key(w, "from");
    phi_jw_obj(w);
    phi_jw_kv(w, "addr", r->from_addr);
    phi_jw_kv(w, "application", r->from_application);
    phi_jw_end(w);
    state_write(w, a, r);
    phi_jw_end(w);
}
