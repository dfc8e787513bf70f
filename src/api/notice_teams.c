/* Microsoft Teams: an Adaptive Card 1.4 to a workflow's webhook. A link only: nothing is decided there. RichTextBlock
 * shows its text as it is (TextBlock would read markdown in it). */
#include "api/notice.h"

#define CARD_MAX (24u * 1024) /* Teams takes 28 KB */

static void block(struct phi_jw *w, struct phi_view text, bool bold, bool mono)
{
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "RichTextBlock");
    phi_jw_key(w, "inlines");
    phi_jw_arr(w);
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "TextRun");
    phi_jw_kv(w, "text", text);
    if (bold)
        phi_jw_kc(w, "weight", "Bolder");
    if (mono)
        phi_jw_kc(w, "fontType", "Monospace");
    phi_jw_end(w);
    phi_jw_end(w);
    phi_jw_end(w);
}

static void card(struct phi_jw *w, const struct notice_text *t)
{
    phi_jw_obj(w);
    phi_jw_kc(w, "$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
    phi_jw_kc(w, "type", "AdaptiveCard");
    phi_jw_kc(w, "version", "1.4");
    phi_jw_key(w, "body");
    phi_jw_arr(w);
    block(w, t->title, true, false);
    for (size_t i = 0; i < t->n_lines; i++)
        block(w, t->lines[i], false, false);
    if (t->statement.n && t->statement.n < CARD_MAX / 2)
        block(w, t->statement, false, true);
    phi_jw_end(w);
    phi_jw_key(w, "actions");
    phi_jw_arr(w);
    phi_jw_obj(w);
    phi_jw_kc(w, "type", "Action.OpenUrl");
    phi_jw_kc(w, "title", "Open in phi");
    phi_jw_kv(w, "url", t->link);
    phi_jw_end(w);
    phi_jw_end(w);
    phi_jw_end(w);
}

NOTICE_MAKER(teams)
{
    PHI_BUF(body, CARD_MAX);
    struct notice_text t;
    struct phi_view url;
    struct phi_jw w;
    notice_text(a, env, m, phi_view_is(phi_json_text(settings, "show"), "statement"), &t);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "type", "message");
    phi_jw_key(&w, "attachments");
    phi_jw_arr(&w);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "contentType", "application/vnd.microsoft.card.adaptive");
    phi_jw_key(&w, "content");
    card(&w, &t);
    phi_jw_end(&w);
    phi_jw_end(&w);
    phi_jw_end(&w);
    if (!phi_buf_ok(&body))
        return phi_fail(err, PHI_EINPUT, "the message is too large");
    PHI_TRY(notice_secret(a, env, phi_json_text(settings, "secret"), &url, err)); /* whoever has the address may post */
    ret->way = API_NOTICE_FETCH;
    ret->fields[0] = (struct net_http_field){ "Content-Type", "application/json" };
    ret->ask = (struct net_fetch_ask){ .url = phi_arena_str(a, url),
                                       .method = "POST",
                                       .fields = ret->fields,
                                       .n_fields = 1,
                                       .body = notice_z(a, &body) };
    return PHI_OK;
}
