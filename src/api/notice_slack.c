/* Slack: chat.postMessage and chat.update with Block Kit. What people wrote stands in plain_text and rich_text only,
 * which Slack does not read as markup; the fallback text is escaped as Slack asks (&, <, >). A message's name is
 * "channel:ts". The buttons carry what is voted on: id, digest, version. */

#include "api/notice.h"

#define BODY_MAX (64u * 1024)
#define SECTION_MAX 2900 /* of 3,000 characters */

static void put_text(struct phi_jw *w, const char *key, const char *type, struct phi_view v)
{
    phi_jw_key(w, key);
    phi_jw_obj(w);
    phi_jw_kc(w, "type", type);
    phi_jw_kv(w, "text", v);
    phi_jw_end(w);
}

static void section(struct phi_jw *w, struct phi_view v)
{
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "section");
    put_text(w, "text", "plain_text", v);
    phi_jw_end(w);
}

static void preformatted(struct phi_jw *w, struct phi_view v)
{
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "rich_text");
    phi_jw_key(w, "elements");
    phi_jw_arr(w);
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "rich_text_preformatted");
    phi_jw_key(w, "elements");
    phi_jw_arr(w);
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "text");
    phi_jw_kv(w, "text", v);
    phi_jw_end(w);
    phi_jw_end(w);
    phi_jw_end(w);
    phi_jw_end(w);
    phi_jw_end(w);
}

static void button(struct phi_jw *w, const char *action, const char *label, const char *style, struct phi_view value,
                   struct phi_view digest)
{
    PHI_BUF(ask, 256);
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "button");
    phi_jw_kc(w, "action_id", action);
    put_text(w, "text", "plain_text", phi_view_of(label));
    phi_jw_kc(w, "style", style);
    phi_jw_kv(w, "value", value);
    phi_buf_printf(&ask, "%s exactly what is shown? Digest " PHI_FMT "…", label, PHI_ARG(phi_view_upto(digest, 16)));
    phi_jw_key(w, "confirm");
    phi_jw_obj(w);
    put_text(w, "title", "plain_text", phi_view_of(label));
    put_text(w, "text", "plain_text", phi_buf_view(&ask));
    put_text(w, "confirm", "plain_text", phi_view_of(label));
    put_text(w, "deny", "plain_text", PHI_LIT("Back"));
    phi_jw_end(w);
    phi_jw_end(w);
}

static void link_button(struct phi_jw *w, struct phi_view link)
{
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "button");
    phi_jw_kc(w, "action_id", "open");
    put_text(w, "text", "plain_text", PHI_LIT("Open in phi"));
    phi_jw_kv(w, "url", link);
    phi_jw_end(w);
}

static void actions(struct phi_jw *w, const struct notice_text *t, const struct phi_request *r, bool buttons)
{
    PHI_BUF(value, 512);
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "actions");
    phi_jw_kc(w, "block_id", "phi");
    phi_jw_key(w, "elements");
    phi_jw_arr(w);
    if (buttons) {
        struct phi_jw v;
        phi_jw_init(&v, &value);
        phi_jw_obj(&v);
        phi_jw_kv(&v, "id", r->id);
        phi_jw_kv(&v, "digest", r->digest);
        phi_jw_ki(&v, "version", r->version);
        phi_jw_end(&v);
        button(w, "approve", "Approve", "primary", phi_buf_view(&value), r->digest);
        button(w, "deny", "Deny", "danger", phi_buf_view(&value), r->digest);
    }
    link_button(w, t->link);
    phi_jw_end(w);
    phi_jw_end(w);
}

/* A chat shows no passkey: a vote that must be signed is made in the console. */
static bool wants_signature(const struct phi_request *r)
{
    for (size_t i = 0; i < r->n_needs; i++)
        for (size_t k = 0; k < r->needs[i].n; k++)
            if (r->needs[i].needs[k].is_signed && !phi_view_is(r->needs[i].needs[k].kind, "mfa")) /* that is the asker's */
                return true;
    return false;
}

/* Where all that would run is on the screen, and this reader may vote. */
static bool has_buttons(const struct phi_message *m, const struct phi_json *settings, const struct notice_text *t)
{
    bool on = false;
    const struct phi_request *r = m->request;
    return phi_json_bool(phi_json_get(settings, "buttons"), &on) && on && r && r->status == PHI_REQUEST_PENDING && t->whole && !wants_signature(r) &&
           t->statement.n <= SECTION_MAX && (m->person.n == 0 || r->can_vote);
}

static void statement(struct phi_arena *a, struct phi_jw *w, const struct notice_text *t)
{
    if (t->statement.n == 0)
        return;
    preformatted(w, phi_view_upto(t->statement, SECTION_MAX));
    if (t->statement.n > SECTION_MAX)
        section(w, phi_arena_printf(a, "… %zu more bytes: open it in phi to see them", t->statement.n - SECTION_MAX));
}

static void blocks(struct phi_arena *a, struct phi_jw *w, const struct phi_message *m, const struct phi_json *settings,
                   const struct notice_text *t)
{
    PHI_BUF(lines, BODY_MAX);
    phi_jw_key(w, "blocks");
    phi_jw_arr(w);
    section(w, phi_view_upto(t->title, SECTION_MAX));
    for (size_t i = 0; i < t->n_lines; i++)
        phi_buf_printf(&lines, "%s" PHI_FMT, i ? "\n" : "", PHI_ARG(t->lines[i]));
    if (lines.n)
        section(w, phi_view_upto(phi_buf_view(&lines), SECTION_MAX));
    statement(a, w, t);
    actions(w, t, m->request, has_buttons(m, settings, t));
    phi_jw_end(w);
}

/* "&", "<" and ">" are all that Slack's markup is made of when nothing is linked by itself. */
static struct phi_view fallback(struct phi_arena *a, struct phi_view v)
{
    PHI_BUF(b, 8192);
    for (size_t i = 0; i < v.n && i < 1000; i++) {
        const char *as = v.p[i] == '&' ? "&amp;" : v.p[i] == '<' ? "&lt;" : v.p[i] == '>' ? "&gt;" : NULL;
        if (as)
            phi_buf_adds(&b, as);
        else
            phi_buf_addc(&b, v.p[i]);
    }
    return notice_z(a, &b);
}

static bool is_update(const struct phi_message *m)
{
    return m->ref.n && !phi_view_is(m->what, "request.reminder") && !phi_view_is(m->what, "request.commented") &&
           !phi_view_is(m->what, "request.asked");
}

static void place(struct phi_jw *w, const struct phi_message *m, const struct phi_json *settings)
{
    struct phi_view rest = m->ref, channel;
    if (!m->ref.n) {
        phi_jw_kv(w, "channel", m->person.n ? m->address : phi_json_text(settings, "room"));
        return;
    }
    phi_view_split(&rest, ':', &channel);
    phi_jw_kv(w, "channel", channel);
    phi_jw_kv(w, is_update(m) ? "ts" : "thread_ts", rest);
}

NOTICE_MAKER(slack)
{
    PHI_BUF(body, BODY_MAX);
    struct notice_text t;
    struct phi_view token, base = phi_json_text(settings, "url");
    struct phi_jw w;
    notice_text(a, env, m, phi_view_is(phi_json_text(settings, "show"), "statement"), &t);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    place(&w, m, settings);
    phi_jw_kv(&w, "text", fallback(a, t.title));
    phi_jw_kb(&w, "unfurl_links", false);
    phi_jw_kb(&w, "unfurl_media", false);
    phi_jw_kc(&w, "parse", "none");
    blocks(a, &w, m, settings, &t);
    phi_jw_end(&w);
    if (!phi_buf_ok(&body))
        return phi_fail(err, PHI_EINPUT, "the message is too large");
    PHI_TRY(notice_secret(a, env, phi_json_text(settings, "secret"), &token, err));
    ret->way = API_NOTICE_FETCH;
    ret->fields[0] = (struct net_http_field){ "Content-Type", "application/json; charset=utf-8" };
    ret->fields[1] = (struct net_http_field){ "Authorization", (const char *)phi_arena_printf(a, "Bearer " PHI_FMT, PHI_ARG(token)).p };
    ret->ask = (struct net_fetch_ask){
        .url = (const char *)phi_arena_printf(a, PHI_FMT "/chat.%s", PHI_ARG(base.n ? base : PHI_LIT("https://slack.com/api")),
                                              is_update(m) ? "update" : "postMessage").p,
        .method = "POST",
        .fields = ret->fields,
        .n_fields = 2,
        .body = notice_z(a, &body)
    };
    return PHI_OK;
}

/* ---- what it answers: always 200, with "ok" */

static bool any_of(struct phi_view v, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (phi_view_is(v, list[i]))
            return true;
    return false;
}

void notice_slack_answer(struct phi_arena *a, const struct phi_message *m, const struct net_fetch_answer *answer,
                         struct phi_sent *ret)
{
    static const char *const later[] = { "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout" };
    static const char *const moot[] = { "message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found" };
    const struct phi_json *v;
    bool ok = false;
    ret->how = PHI_SENT_LATER;
    ret->error = PHI_LIT("Slack answered with something else than JSON");
    if (phi_json_read(a, answer->body, PHI_JSON_REALS | PHI_JSON_INT64, "answer", &v, NULL) != PHI_OK)
        return;
    struct phi_view error = phi_json_text(v, "error"), channel = phi_json_text(v, "channel"), ts = phi_json_text(v, "ts");
    phi_json_bool(phi_json_get(v, "ok"), &ok);
    ret->error = (struct phi_view){ 0 };
    if (ok || (m->ref.n && any_of(error, moot, sizeof moot / sizeof *moot))) { /* what is gone need not be changed */
        ret->how = PHI_SENT_OK;
        if (ok && !m->ref.n && channel.n && ts.n && channel.n + ts.n < 100)
            ret->ref = phi_arena_printf(a, PHI_FMT ":" PHI_FMT, PHI_ARG(channel), PHI_ARG(ts));
        return;
    }
    ret->error = phi_arena_printf(a, "Slack answered \"" PHI_FMT "\"", PHI_ARG(phi_view_upto(error, 80)));
    ret->how = any_of(error, later, sizeof later / sizeof *later) ? PHI_SENT_LATER : PHI_SENT_NEVER;
}
