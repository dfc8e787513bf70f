/* Channels, contacts, and what could not be sent. */
#include "api/handlers.h"
#include "api/notice.h"
#include "core/channel.h"

static enum phi_rc done(struct api_call *c)
{
    c->status = 204;
    return PHI_OK;
}

/* ---- channels */

enum phi_rc api_channel_put(struct api_call *c, struct phi_err *err)
{
    struct phi_view kind = phi_json_text(c->body, "kind"), settings;
    PHI_TRY(api_channel_check(&c->arena, kind, phi_json_get(c->body, "settings"), &settings, err));
    PHI_TRY(phi_channel_put(c->core, &c->arena, &c->actor, c->params[0], kind, settings, err));
    return done(c);
}

static struct phi_view channel_key(struct phi_arena *a, const void *item)
{
    const struct phi_channel *v = item;
    (void)a;
    return v->name;
}

enum phi_rc api_channel_list(struct api_call *c, struct phi_err *err)
{
    struct phi_channel *ch;
    size_t n;
    struct api_slice page;
    PHI_TRY(phi_channel_list(c->core, &c->arena, &c->actor, &ch, &n, err));
    PHI_TRY(api_slice(c, &(struct api_sliced){ ch, n, sizeof *ch, channel_key, false }, &page, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "channels");
    phi_jw_arr(w);
    for (size_t i = page.from; i < page.to; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "name", ch[i].name);
        phi_jw_kv(w, "kind", ch[i].kind);
        phi_jw_key(w, "settings");
        phi_jw_raw(w, ch[i].settings);
        phi_jw_kb(w, "live", ch[i].live);
        phi_jw_kv(w, "why_off", ch[i].why_off);
        phi_jw_ki(w, "waiting", ch[i].waiting);
        phi_jw_ki(w, "dead", ch[i].dead);
        phi_jw_ki(w, "dropped", ch[i].dropped);
        phi_jw_ki(w, "paused_ms", ch[i].paused_ms);
        phi_jw_ki(w, "last_sent_ms", ch[i].ok_ms);
        phi_jw_kv(w, "last_error", ch[i].error);
        phi_jw_end(w);
    }
    api_slice_end(w, &page);
    return PHI_OK;
}

enum phi_rc api_channel_del(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_channel_del(c->core, &c->arena, &c->actor, c->params[0], err));
    return done(c);
}

enum phi_rc api_channel_switch(struct api_call *c, struct phi_err *err)
{
    bool on = false;
    phi_json_bool(phi_json_get(c->body, "on"), &on);
    PHI_TRY(phi_channel_switch(c->core, &c->arena, &c->actor, c->params[0], on, phi_json_text(c->body, "why"), err));
    return done(c);
}

enum phi_rc api_channel_test(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_outbox_test(c->core, &c->arena, &c->actor, c->params[0], err));
    phi_jw_end(api_answer(c, 202));
    return PHI_OK;
}

/* ---- contacts */

static struct phi_view contact_key(struct phi_arena *a, const void *item)
{
    const struct phi_contact *v = item;
    return phi_arena_printf(a, PHI_FMT " " PHI_FMT, PHI_ARG(v->person), PHI_ARG(v->kind));
}

enum phi_rc api_contact_list(struct api_call *c, struct phi_err *err)
{
    struct phi_contact *k;
    size_t n;
    struct api_slice page;
    PHI_TRY(phi_contact_list(c->core, &c->arena, &c->actor, &k, &n, err));
    PHI_TRY(api_slice(c, &(struct api_sliced){ k, n, sizeof *k, contact_key, false }, &page, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "contacts");
    phi_jw_arr(w);
    for (size_t i = page.from; i < page.to; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "person", k[i].person);
        phi_jw_kv(w, "name", k[i].name);
        phi_jw_kv(w, "kind", k[i].kind);
        phi_jw_kv(w, "address", k[i].address);
        phi_jw_end(w);
    }
    api_slice_end(w, &page);
    return PHI_OK;
}

enum phi_rc api_contact_put(struct api_call *c, struct phi_err *err)
{
    struct phi_view address = phi_json_text(c->body, "address");
    if (address.n == 0)
        return phi_fail(err, PHI_EINPUT, "\"address\" is empty; DELETE removes a contact");
    PHI_TRY(phi_contact_put(c->core, &c->arena, &c->actor, c->params[0], c->params[1], address, err));
    return done(c);
}

enum phi_rc api_contact_del(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_contact_put(c->core, &c->arena, &c->actor, c->params[0], c->params[1], (struct phi_view){ 0 }, err));
    return done(c);
}

/* ---- messages */

static enum phi_rc letters(struct api_call *c, enum phi_message_status status, struct phi_err *err)
{
    struct phi_letter *l;
    size_t n;
    struct phi_page page = { .after = api_query(c, "cursor") };
    PHI_TRY(api_query_int(c, "limit", 1, PHI_PAGE_MAX, 100, &page.limit, err));
    PHI_TRY(phi_outbox_list(c->core, &c->arena, &c->actor, status, &page, &l, &n, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "notifications");
    phi_jw_arr(w);
    for (size_t i = 0; i < n; i++) {
        phi_jw_obj(w);
        phi_jw_kv(w, "id", l[i].id);
        phi_jw_kv(w, "channel", l[i].channel);
        phi_jw_kv(w, "kind", l[i].kind);
        phi_jw_kv(w, "what", l[i].what);
        phi_jw_kv(w, "request", l[i].request);
        phi_jw_kv(w, "code", l[i].code);
        phi_jw_kv(w, "to", l[i].name);
        phi_jw_kv(w, "error", l[i].error);
        phi_jw_ki(w, "tries", l[i].tries);
        phi_jw_ki(w, "created_ms", l[i].created_ms);
        phi_jw_ki(w, "due_in_ms", l[i].due_ms);
        phi_jw_end(w);
    }
    phi_jw_end(w);
    if (page.next.n)
        phi_jw_kv(w, "next", page.next);
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc api_notification_dead(struct api_call *c, struct phi_err *err)
{
    return letters(c, PHI_MESSAGE_DEAD, err);
}

enum phi_rc api_notification_waiting(struct api_call *c, struct phi_err *err)
{
    return letters(c, PHI_MESSAGE_WAITING, err);
}

enum phi_rc api_notification_resend(struct api_call *c, struct phi_err *err)
{
    PHI_TRY(phi_outbox_resend(c->core, &c->arena, &c->actor, c->params[0], err));
    phi_jw_end(api_answer(c, 202));
    return PHI_OK;
}
