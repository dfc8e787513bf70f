#include "api/ticket.h"

#include <stdio.h>

#include "api/handlers.h"
#include "api/notice.h"
#include "api/secrets.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/os.h"

#define WANT_TICKET 0x71
#define ANSWER_MAX 16384

struct asking { /* lives in the call between its two runs */
    struct phi_view ticket, nonce;
};

enum heard { HEARD, HEARD_NONE, HEARD_NOTHING }; /* an answer, that there is no such ticket, or no answer (why is in err) */

/* ---- the question */

static struct phi_view question(struct api_call *c, const struct asking *q, struct phi_view person, struct phi_view name)
{
    PHI_BUF(text, 4096);
    struct phi_jw w;
    phi_jw_init(&w, &text);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "nonce", q->nonce);
    phi_jw_key(&w, "person");
    phi_jw_obj(&w);
    phi_jw_kv(&w, "id", person);
    phi_jw_kv(&w, "name", name);
    phi_jw_end(&w);
    phi_jw_kv(&w, "ticket", q->ticket);
    phi_jw_end(&w);
    return notice_z(&c->arena, &text);
}

static struct phi_view nonce_new(struct phi_arena *a)
{
    PHI_BUF(text, 64);
    uint8_t r[16];
    phi_random(r, sizeof r);
    phi_b64u_add(&text, phi_view_mem(r, sizeof r));
    return phi_arena_copy(a, phi_buf_view(&text));
}

static enum phi_rc signature(struct api_call *c, struct phi_view id, struct phi_view at, struct phi_view body, const char **ret,
                             struct phi_err *err)
{
    PHI_BUF(secret, API_SECRET_LEN);
    PHI_BUF(sig, 512);
    enum phi_rc rc = api_secret_get(c->env->secrets, phi_view_of(c->env->tickets_secret), &secret, err);
    if (rc == PHI_OK)
        rc = notice_sign(&sig, id, at, body, phi_buf_view(&secret), (struct phi_view){ 0 }, err);
    phi_buf_wipe(&secret);
    PHI_TRY(rc);
    *ret = (const char *)notice_z(&c->arena, &sig).p;
    return PHI_OK;
}

static enum phi_rc send(struct api_call *c, struct phi_view ticket, struct phi_view person, struct phi_view name, int64_t deadline_ms,
                        struct phi_err *err)
{
    struct asking *q = phi_arena_new(&c->arena, struct asking);
    struct net_fetch_ask *ask = phi_arena_new(&c->arena, struct net_fetch_ask);
    struct net_http_field *f = phi_arena_array(&c->arena, 5, sizeof *f);
    if (!q || !ask || !f)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *q = (struct asking){ ticket, nonce_new(&c->arena) };
    struct phi_view body = question(c, q, person, name), at = phi_arena_printf(&c->arena, "%lld", (long long)(phi_now_wall_ms() / 1000));
    const char *sig;
    PHI_TRY(signature(c, q->nonce, at, body, &sig, err));
    f[0] = (struct net_http_field){ "Content-Type", "application/json" };
    f[1] = (struct net_http_field){ "User-Agent", "phi-approval" };
    f[2] = (struct net_http_field){ "webhook-id", phi_arena_str(&c->arena, q->nonce) };
    f[3] = (struct net_http_field){ "webhook-timestamp", phi_arena_str(&c->arena, at) };
    f[4] = (struct net_http_field){ "webhook-signature", sig };
    *ask = (struct net_fetch_ask){ .url = c->env->tickets_url, .method = "POST", .fields = f, .n_fields = 5, .body = body,
                                   .deadline_ms = deadline_ms, .max_body = ANSWER_MAX };
    c->ask = ask;
    c->asked = WANT_TICKET;
    c->flow = q;
    return phi_arena_ok(&c->arena) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* ---- the answer */

enum phi_rc api_ticket_answer_read(struct phi_arena *a, struct phi_view body, struct phi_view ticket, struct phi_view nonce,
                                   struct phi_ticket_facts *ret, struct phi_err *err)
{
    const struct phi_json *v;
    *ret = (struct phi_ticket_facts){ 0 };
    PHI_TRY(phi_json_read(a, body, PHI_JSON_INT64 | PHI_JSON_REALS, "its answer", &v, err));
    if (!phi_view_eq(phi_json_text(v, "nonce"), nonce))
        return phi_fail(err, PHI_EINPUT, "its answer has not the nonce of the question");
    if (!phi_view_eq(phi_json_text(v, "ticket"), ticket))
        return phi_fail(err, PHI_EINPUT, "its answer is about another ticket");
    if (!phi_json_bool(phi_json_get(v, "open"), &ret->open) || !phi_json_bool(phi_json_get(v, "assigned"), &ret->assigned))
        return phi_fail(err, PHI_EINPUT, "its answer must say \"open\" and \"assigned\", each true or false");
    ret->title = phi_json_text(v, "title");
    return ret->title.n <= PHI_MAX_TICKET_TITLE ? PHI_OK :
                                                  phi_fail(err, PHI_EINPUT, "its \"title\" has more than %d bytes", PHI_MAX_TICKET_TITLE);
}

static enum heard hear(struct api_call *c, struct phi_ticket_facts *ret, struct phi_err *err)
{
    const struct asking *q = c->flow;
    *ret = (struct phi_ticket_facts){ 0 };
    c->asked = 0;
    if (c->got.rc != PHI_OK)
        return phi_fail(err, PHI_EIO, "%s", c->got.why), HEARD_NOTHING;
    if (c->got.status == 404)
        return HEARD_NONE;
    if (c->got.status >= 300 && c->got.status < 400)
        return phi_fail(err, PHI_EIO, "it answers %d; redirects are not followed", c->got.status), HEARD_NOTHING;
    if (c->got.status != 200)
        return phi_fail(err, PHI_EIO, "it answers %d", c->got.status), HEARD_NOTHING;
    return api_ticket_answer_read(&c->arena, c->got.body, q->ticket, q->nonce, ret, err) == PHI_OK ? HEARD : HEARD_NOTHING;
}

static enum phi_rc unchecked(struct api_call *c, struct phi_err *err)
{
    char why[160];
    snprintf(why, sizeof why, "the tracker cannot be asked: %.120s", err->msg);
    return api_refuse(c, err, API_TICKET_UNCHECKED, why);
}

static bool has_tracker(const struct api_env *env)
{
    return env->tickets_url && env->tickets_url[0];
}

int64_t api_ticket_renew_ms(const struct api_env *env)
{
    return has_tracker(env) ? env->tickets_again_ms : 0;
}

void api_ticket_renew(struct api_call *c, const struct phi_renewals *of)
{
    for (size_t i = 0; i < of->n && c->n_renew < API_RENEW_MAX; i++)
        c->renew[c->n_renew++] = of->request[i];
}

enum phi_rc api_ticket_of_ask(struct api_call *c, struct phi_request_ask *ask, bool *ret_waits, struct phi_err *err)
{
    struct phi_ticket_facts *facts = phi_arena_new(&c->arena, struct phi_ticket_facts);
    *ret_waits = false;
    if (!facts)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    if (!has_tracker(c->env) || ask->ticket.n == 0)
        return PHI_OK;
    if (ask->ticket.n > PHI_MAX_NAME)
        return phi_fail(err, PHI_EINPUT, "a ticket has at most %d bytes", PHI_MAX_NAME);
    if (c->asked != WANT_TICKET) {
        *ret_waits = true;
        enum phi_rc rc = send(c, ask->ticket, c->person.id, c->person.name, API_TICKET_VOTE_MS, err);
        if (rc == PHI_OK || !ask->break_glass)
            return rc == PHI_OK ? rc : unchecked(c, err);
        *ret_waits = false;
        return PHI_OK;
    }
    switch (hear(c, facts, err)) {
    case HEARD:
        ask->ticket_facts = facts;
        return PHI_OK;
    case HEARD_NONE:
        return ask->break_glass ? PHI_OK : api_refuse(c, err, API_TICKET_UNKNOWN, "the tracker knows no such ticket");
    case HEARD_NOTHING:
        break;
    }
    return ask->break_glass ? PHI_OK : unchecked(c, err);
}

enum phi_rc api_ticket_again(struct api_call *c, struct phi_view which, int64_t deadline_ms, bool *ret_waits, struct phi_err *err)
{
    struct phi_ticket_due due;
    struct phi_ticket_facts facts;
    bool asked = c->asked == WANT_TICKET;
    *ret_waits = false;
    if (!has_tracker(c->env))
        return PHI_OK;
    PHI_TRY(phi_ticket_due(c->core, &c->arena, &c->actor, which, c->env->tickets_again_ms, &due, err));
    if (due.ticket.n == 0)
        return PHI_OK;
    if (!asked) {
        *ret_waits = true;
        return send(c, due.ticket, due.person, due.name, deadline_ms, err) == PHI_OK ? PHI_OK : unchecked(c, err);
    }
    if (!phi_view_eq(((const struct asking *)c->flow)->ticket, due.ticket))
        return api_refuse(c, err, API_REQUEST_CHANGED, "the request was changed while the tracker was asked");
    if (hear(c, &facts, err) == HEARD_NOTHING)
        return unchecked(c, err);
    return phi_ticket_put(c->core, &c->arena, due.request, &facts, err);
}
