/* Slack's interactive callbacks (api.slack.com, "Verifying requests from Slack"): signed, young, taken once; then the one vote
 * function, for the person whose contact the Slack user is, on the digest that the button was shown with. */
#include <string.h>

#include "api/handlers.h"
#include "api/secrets.h"
#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"
#include "core/channel.h"
#include "core/outbox.h"
#include "core/request.h"
#include "net/http.h"

#define SIGNATURE_LEN (3 + PHI_HEX_LEN) /* "v0=" and hex */

static enum phi_rc refuse(struct api_call *c, struct phi_err *err)
{
    return api_refuse(c, err, API_BAD_SIGNATURE, "this does not carry the signature of a chat that phi knows, or is too old");
}

static bool young(struct phi_view stamp, int64_t now_ms)
{
    int64_t s;
    if (!phi_view_int(stamp, &s) || s < 0 || s > INT64_MAX / 2000)
        return false;
    int64_t age = now_ms - s * 1000;
    return age <= PHI_CHAT_WINDOW_MS && age >= -PHI_CHAT_WINDOW_MS;
}

static bool signed_by(const struct api_call *c, struct phi_view secret)
{
    char hex[PHI_HEX_LEN + 1];
    PHI_BUF(text, PHI_MAX_HTTP_BODY + 256);
    PHI_BUF(want, SIGNATURE_LEN + 1);
    phi_buf_printf(&text, "v0:" PHI_FMT ":", PHI_ARG(c->stamp));
    phi_buf_add(&text, c->raw);
    struct phi_digest mac = phi_hmac_sha256(secret, phi_buf_view(&text));
    phi_digest_hex(&mac, hex);
    phi_buf_printf(&want, "v0=%s", hex);
    return phi_buf_ok(&text) && phi_buf_ok(&want) && phi_secret_eq(phi_buf_view(&want), c->signature);
}

/* The live channel with buttons whose app signed this. */
static enum phi_rc channel_find(struct api_call *c, struct phi_channel *ret, const struct phi_json **settings, struct phi_err *err)
{
    struct phi_channel *ch;
    struct phi_actor phid = { .kind = PHI_ACTOR_SYSTEM };
    size_t n;
    PHI_TRY(phi_channel_list(c->core, &c->arena, &phid, &ch, &n, err));
    for (size_t i = 0; i < n; i++) {
        PHI_BUF(secret, API_SECRET_LEN);
        bool on = false;
        if (!phi_view_is(ch[i].kind, "slack") || !ch[i].live ||
            phi_json_read(&c->arena, ch[i].settings, PHI_JSON_STRICT, "settings", settings, NULL) != PHI_OK)
            continue;
        phi_json_bool(phi_json_get(*settings, "buttons"), &on);
        bool ours = on && api_secret_get(c->env->secrets, phi_json_text(*settings, "signing"), &secret, NULL) == PHI_OK &&
                    signed_by(c, phi_buf_view(&secret));
        phi_buf_wipe(&secret);
        *ret = ch[i];
        if (ours)
            return PHI_OK;
    }
    return refuse(c, err);
}

/* payload={…}, urlencoded */
static enum phi_rc payload_read(struct api_call *c, const struct phi_json **ret, struct phi_err *err)
{
    struct phi_view rest = c->raw, pair, name, text;
    while (phi_view_split(&rest, '&', &pair))
        if (phi_view_split(&pair, '=', &name) && phi_view_is(name, "payload") &&
            net_percent_decode(&c->arena, pair, true, &text))
            return phi_json_read(&c->arena, text, PHI_JSON_REALS | PHI_JSON_INT64, "payload", ret, err);
    return phi_fail(err, PHI_EINPUT, "the form has no payload");
}

/* What voting answers before it has written anything: the voter hears why. */
static bool is_answer(const char *why)
{
    static const char *const known[] = { "request.ended", "request.self", "request.changed", "request.not-approver",
                                         "request.unknown", "vote.twice", "ticket.stale" };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(why, known[i]) == 0)
            return true;
    return false;
}

static enum phi_rc vote(struct api_call *c, const struct phi_actor *by, bool approve, struct phi_view value,
                        struct phi_err *err)
{
    const struct phi_json *v;
    struct phi_request r;
    enum phi_verdict may;
    struct phi_view reason;
    PHI_TRY(phi_right_ask(c->core, &c->arena, by, PHI_RIGHT_VOTE, (struct phi_view){ 0 }, &may, &reason, err));
    if (may != PHI_ALLOW)
        return api_refuse(c, err, API_RIGHT_MISSING, "this person has not the right to vote");
    PHI_TRY(phi_json_read(&c->arena, value, PHI_JSON_STRICT, "value", &v, err));
    struct phi_ballot ballot = { .approve = approve,
                                 .digest = phi_json_text(v, "digest"),
                                 .version = phi_json_num(v, "version", -1),
                                 .reason = approve ? (struct phi_view){ 0 } : PHI_LIT("denied in the chat") };
    return phi_request_vote(c->core, &c->arena, by, phi_json_text(v, "id"), &ballot, &r, err);
}

static enum phi_rc pressed(struct api_call *c, const struct phi_channel *ch, const struct phi_json *settings,
                           const struct phi_json *payload, struct phi_err *err)
{
    const struct phi_json *action = phi_json_at(phi_json_get(payload, "actions"), 0);
    struct phi_view id = phi_json_text(action, "action_id"), user = phi_json_text(phi_json_get(payload, "user"), "id");
    struct phi_actor by = { .kind = PHI_ACTOR_PERSON };
    bool approve = phi_view_is(id, "approve");
    if (!phi_view_eq(phi_json_text(phi_json_get(payload, "team"), "id"), phi_json_text(settings, "team")))
        return refuse(c, err);
    if (!phi_view_is(phi_json_text(payload, "type"), "block_actions") || (!approve && !phi_view_is(id, "deny")))
        return PHI_OK; /* "open" and what else a chat tells of */
    if (phi_contact_who(c->core, &c->arena, PHI_LIT("slack"), user, &by.id, err) != PHI_OK)
        return api_refuse(c, err, API_CONTACT_UNKNOWN, "no person has this Slack user as a contact");
    enum phi_rc rc = vote(c, &by, approve, phi_json_text(action, "value"), err);
    if (rc == PHI_OK || !is_answer(phi_core_why(c->core)))
        return rc;
    PHI_LOG(INFO, "a vote in the chat did not count", "why", "%s", err->msg);
    return phi_outbox_answer(c->core, &c->arena, ch->name, by.id, phi_view_of(err->msg), err);
}

enum phi_rc api_chat_slack(struct api_call *c, struct phi_err *err)
{
    struct phi_channel ch;
    const struct phi_json *settings, *payload;
    const struct phi_view both[] = { c->stamp, c->signature };
    if (c->signature.n != SIGNATURE_LEN || !young(c->stamp, phi_now_wall_ms()))
        return refuse(c, err);
    PHI_TRY(channel_find(c, &ch, &settings, err));
    struct phi_digest hash = phi_sha256_parts(both, 2);
    enum phi_rc rc = phi_callback_once(c->core, &c->arena, &hash, err);
    c->status = 200;
    if (rc == PHI_ECONFLICT)
        return PHI_OK; /* taken before: nothing happens, and nobody learns more */
    PHI_TRY(rc);
    PHI_TRY(payload_read(c, &payload, err));
    return pressed(c, &ch, settings, payload, err);
}
