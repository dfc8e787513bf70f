/* What each kind of channel may be told about itself. */
#include <string.h>

#include "api/notice.h"
#include "base/limits.h"

enum rule { URL = 1, HTTPS, SERVER, SECRET, MAIL, WORD, SHOW, FLAG, EVENTS, NAMES };

static const struct setting {
    const char *kind, *name;
    enum rule rule;
    bool must;
    const char *help;
} settings_known[] = {
    { "webhook", "url", URL, true, "https://…" },
    { "webhook", "secret", SECRET, false, "name of the secret whsec_… for v1 signatures" },
    { "webhook", "key", SECRET, false, "name of the secret whsk_… for v1a signatures" },
    { "webhook", "events", EVENTS, false, "which events; all when absent" },
    { "webhook", "show", SHOW, false, "summary or statement" },
    { "email", "server", SERVER, true, "smtps://host or smtp://host:587 (with STARTTLS)" },
    { "email", "from", MAIL, true, "the sender's address" },
    { "email", "user", WORD, false, "to sign in at the server as" },
    { "email", "secret", SECRET, false, "name of the secret that is the password" },
    { "email", "show", SHOW, false, "summary or statement" },
    { "slack", "secret", SECRET, true, "name of the secret that is the bot's token, xoxb-…" },
    { "slack", "signing", SECRET, false, "name of the app's signing secret, for buttons" },
    { "slack", "team", WORD, false, "the workspace's id, T…, for buttons" },
    { "slack", "room", WORD, false, "id of the channel that gets every request too" },
    { "slack", "buttons", FLAG, false, "people may vote there" },
    { "slack", "url", URL, false, "another address of Slack's API" },
    { "slack", "show", SHOW, false, "summary or statement" },
    { "teams", "secret", SECRET, true, "name of the secret that is the workflow's address" },
    { "teams", "events", EVENTS, false, "which events; all when absent" },
    { "teams", "show", SHOW, false, "summary or statement" },
    { "command", "command", WORD, true, "name of the command in phid.yaml" },
    { "command", "events", EVENTS, false, "which events; all when absent" },
    { "command", "show", SHOW, false, "summary or statement" },
    { "callback", "url", HTTPS, true, "https://…, the endpoint exactly as callers name it" },
    { "callback", "callers", NAMES, false, "names of the people and services that may have it called; everybody when absent" },
    { "callback", "secret", SECRET, false, "name of the secret whsec_… for v1 signatures" },
    { "callback", "key", SECRET, false, "name of the secret whsk_… for v1a signatures" },
    { "callback", "token", SECRET, false, "name of the secret that is sent as a bearer token" },
};
#define KNOWN_N (sizeof settings_known / sizeof *settings_known)

static const char *const events_known[] = {
    "request.created", "request.edited", "request.approved", "request.denied", "request.expired", "request.cancelled",
    "request.reminder", "request.escalated", "request.commented", "request.asked", "request.break-glass",
    "request.reviewed", "grant.revoked"
};

static bool plain(struct phi_view v, const char *marks, size_t max)
{
    if (v.n == 0 || v.n > max)
        return false;
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] <= 0x20 || v.p[i] >= 0x7f || strchr(marks, v.p[i]))
            return false;
    return true;
}

static bool scheme_ok(struct phi_view v, const char *a, const char *b)
{
    bool known = phi_view_starts(v, phi_view_of(a)) || phi_view_starts(v, phi_view_of(b));
    return known && plain(v, "\"'<>\\@", 2000);
}

static bool events_ok(const struct phi_json *v)
{
    if (v->kind != PHI_JSON_ARR || v->n == 0 || v->n > 32)
        return false;
    for (size_t i = 0; i < v->n; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof events_known / sizeof *events_known; k++)
            known |= v->items[i].kind == PHI_JSON_STR && phi_view_is(v->items[i].str, events_known[k]);
        if (!known)
            return false;
    }
    return true;
}

static bool names_ok(const struct phi_json *v)
{
    if (v->kind != PHI_JSON_ARR || v->n == 0 || v->n > 64)
        return false;
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i].kind != PHI_JSON_STR || !plain(v->items[i].str, "\"'<>\\", PHI_MAX_NAME))
            return false;
    return true;
}

static bool fits(enum rule rule, const struct phi_json *v)
{
    struct phi_view s = v->kind == PHI_JSON_STR ? v->str : (struct phi_view){ 0 };
    switch (rule) {
    case URL:
        return scheme_ok(s, "https://", "http://");
    case HTTPS:
        return scheme_ok(s, "https://", "https://");
    case SERVER:
        return scheme_ok(s, "smtps://", "smtp://");
    case SECRET:
        return api_secret_name_ok(s);
    case MAIL:
        return plain(s, "\"<>()[]\\,;:", 254) && memchr(s.p, '@', s.n);
    case WORD:
        return plain(s, "\"'<>\\", 128);
    case SHOW:
        return phi_view_is(s, "summary") || phi_view_is(s, "statement");
    case FLAG:
        return v->kind == PHI_JSON_BOOL;
    case EVENTS:
        return events_ok(v);
    case NAMES:
        return names_ok(v);
    }
    return false;
}

static const struct setting *find(struct phi_view kind, struct phi_view name)
{
    for (size_t i = 0; i < KNOWN_N; i++)
        if (phi_view_is(kind, settings_known[i].kind) && phi_view_is(name, settings_known[i].name))
            return &settings_known[i];
    return NULL;
}

static enum phi_rc together(struct phi_view kind, const struct phi_json *s, struct phi_err *err)
{
    bool buttons = false;
    phi_json_bool(phi_json_get(s, "buttons"), &buttons);
    if (phi_view_is(kind, "webhook") && !phi_json_get(s, "secret") && !phi_json_get(s, "key"))
        return phi_fail(err, PHI_EINPUT, "a webhook is signed: name a \"secret\" or a \"key\"");
    if (phi_view_is(kind, "callback") && !phi_json_get(s, "secret") && !phi_json_get(s, "key") && !phi_json_get(s, "token"))
        return phi_fail(err, PHI_EINPUT, "a callback proves who calls: name a \"secret\", a \"key\" or a \"token\"");
    if (buttons && (!phi_json_get(s, "signing") || !phi_json_get(s, "team") ||
                    !phi_view_is(phi_json_text(s, "show"), "statement")))
        return phi_fail(err, PHI_EINPUT, "\"buttons\" needs \"signing\", \"team\" and show: statement: nobody votes on what they do not see");
    if (phi_view_is(kind, "email") && !phi_json_get(s, "secret") != !phi_json_get(s, "user"))
        return phi_fail(err, PHI_EINPUT, "\"user\" and \"secret\" belong together");
    return PHI_OK;
}

enum phi_rc api_channel_check(struct phi_arena *a, struct phi_view kind, const struct phi_json *settings,
                              struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(out, 64 * 1024);
    bool known = false;
    for (size_t i = 0; i < KNOWN_N; i++) {
        const struct setting *s = &settings_known[i];
        if (!phi_view_is(kind, s->kind))
            continue;
        known = true;
        if (s->must && !phi_json_get(settings, s->name))
            return phi_fail(err, PHI_EINPUT, "a channel of kind %s needs \"%s\": %s", s->kind, s->name, s->help);
    }
    if (!known)
        return phi_fail(err, PHI_EINPUT, "\"kind\" is webhook, email, slack, teams, command or callback");
    for (size_t i = 0; i < settings->n; i++) {
        const struct setting *s = find(kind, settings->keys[i]);
        if (!s)
            return phi_fail(err, PHI_EINPUT, "a channel of kind " PHI_FMT " has no setting \"" PHI_FMT "\"", PHI_ARG(kind),
                            PHI_ARG(phi_view_upto(settings->keys[i], 64)));
        if (!fits(s->rule, &settings->items[i]))
            return phi_fail(err, PHI_EINPUT, "\"%s\" must be: %s", s->name, s->help);
    }
    PHI_TRY(together(kind, settings, err));
    phi_json_canon(&out, settings);
    *ret = notice_z(a, &out);
    return phi_buf_ok(&out) && phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the settings are too large");
}
