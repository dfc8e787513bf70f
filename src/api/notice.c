/* What any channel says of a message. */
#include "api/notice.h"

#include <string.h>

#include "base/text.h"
#include "proof/body.h"
#include "proof/param.h"

#define STATEMENT_MAX (64u * 1024)
#define LINE_MAX 400

struct phi_view notice_z(struct phi_arena *a, const struct phi_buf *b)
{
    struct phi_view v = phi_buf_view(b);
    return phi_view_mem(phi_arena_str(a, v), v.n);
}

enum phi_rc notice_secret(struct phi_arena *a, const struct api_notice_env *env, struct phi_view name, struct phi_view *ret,
                          struct phi_err *err)
{
    PHI_BUF(text, API_SECRET_LEN);
    enum phi_rc rc = api_secret_get(env->secrets, name, &text, err);
    if (rc == PHI_OK)
        *ret = notice_z(a, &text);
    phi_buf_wipe(&text);
    return rc;
}

/* ---- the exact text */

static void statement_add(struct phi_buf *b, const struct phi_statement *s)
{
    phi_buf_add(b, s->bytes);
    phi_buf_adds(b, "\n");
    for (size_t i = 0; i < s->n_params; i++) {
        phi_buf_printf(b, "  $%zu = ", i + 1);
        if (s->params[i].null)
            phi_buf_adds(b, "NULL");
        else
            phi_param_show(b, s, i);
        phi_buf_adds(b, "\n");
    }
}

/* True: all that would run is in `b`. */
static bool statement_of(struct phi_arena *a, const struct phi_request *r, struct phi_buf *b)
{
    struct phi_body body;
    if (r->body.n == 0 || phi_body_read_text(a, r->body, &body, NULL) != PHI_OK)
        return false;
    switch (body.payload.kind) {
    case PHI_PAYLOAD_PG_QUERY:
        phi_buf_add(b, body.payload.bytes);
        return phi_buf_ok(b);
    case PHI_PAYLOAD_PG_BATCH:
        for (size_t i = 0; i < body.payload.n_statements; i++)
            statement_add(b, &body.payload.statements[i]);
        return phi_buf_ok(b);
    case PHI_PAYLOAD_NONE:   /* a scope: the summary names at most three pairs of it */
    case PHI_PAYLOAD_CHANGE: /* of phi itself: may hold what does not belong outside */
        break;
    }
    return false;
}

static struct phi_view escaped(struct phi_arena *a, struct phi_view v, bool lines)
{
    PHI_BUF(b, 8 * STATEMENT_MAX);
    phi_text_escape(&b, v, lines);
    return phi_buf_ok(&b) ? notice_z(a, &b) : PHI_LIT("");
}

static void statement_put(struct phi_arena *a, const struct phi_request *r, struct notice_text *t)
{
    PHI_BUF(b, STATEMENT_MAX);
    t->whole = statement_of(a, r, &b) && phi_buf_ok(&b) && b.n > 0;
    if (t->whole)
        t->statement = escaped(a, phi_buf_view(&b), true);
    t->whole = t->whole && t->statement.n > 0;
}

/* ---- sentences */

void notice_outcome(struct phi_buf *b, const struct phi_message *m)
{
    const struct phi_request *r = m->request;
    static const struct {
        const char *what, *text;
    } said[] = { { "request.approved", "was approved" },
                 { "request.expired", "has expired: nobody decided in time" },
                 { "request.cancelled", "was cancelled" },
                 { "request.reminder", "still waits for you" },
                 { "request.edited", "was changed by its requester; earlier votes are void" },
                 { "request.escalated", "has waited for long and was escalated" },
                 { "request.commented", "has a new comment" },
                 { "request.asked", "has a question for you" },
                 { "request.break-glass", "broke the glass: it runs WITHOUT approval and must be reviewed" },
                 { "request.reviewed", "was reviewed by somebody else" },
                 { "grant.revoked", "was taken away" } };
    if (phi_view_is(m->what, "request.denied")) {
        phi_buf_printf(b, "was denied by " PHI_FMT, PHI_ARG(r->denied_by));
        if (r->reason.n)
            phi_buf_printf(b, ": " PHI_FMT, PHI_ARG(phi_view_upto(r->reason, LINE_MAX)));
        return;
    }
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (phi_view_is(m->what, said[i].what))
            phi_buf_adds(b, said[i].text);
}

static void title_put(struct phi_buf *b, const struct phi_message *m)
{
    const struct phi_request *r = m->request;
    if (phi_view_is(m->what, "digest"))
        phi_buf_printf(b, "%lld requests wait for you", (long long)(m->n_digest + (size_t)m->n_more));
    else if (phi_view_is(m->what, "answer"))
        phi_buf_printf(b, "Not counted: " PHI_FMT, PHI_ARG(m->note));
    else if (!r)
        phi_buf_adds(b, "phi reaches you here");
    else if (phi_view_is(m->what, "request.created"))
        phi_buf_printf(b, PHI_FMT ": " PHI_FMT " asks for " PHI_FMT, PHI_ARG(r->code), PHI_ARG(r->requester_name),
                       PHI_ARG(phi_view_upto(r->summary, LINE_MAX)));
    else {
        phi_buf_printf(b, PHI_FMT " of " PHI_FMT " ", PHI_ARG(r->code), PHI_ARG(r->requester_name));
        notice_outcome(b, m);
    }
}

static void line(struct phi_arena *a, struct notice_text *t, const struct phi_buf *b)
{
    if (t->n_lines < sizeof t->lines / sizeof *t->lines && b->n)
        t->lines[t->n_lines++] = escaped(a, phi_buf_view(b), false);
}

static void labelled(struct phi_arena *a, struct notice_text *t, const char *label, struct phi_view v)
{
    PHI_BUF(b, 4096);
    if (v.n == 0)
        return;
    phi_buf_printf(&b, "%s: " PHI_FMT "%s", label, PHI_ARG(phi_view_upto(v, LINE_MAX)), v.n > LINE_MAX ? " …" : "");
    line(a, t, &b);
}

static void needs_put(struct phi_arena *a, struct notice_text *t, const struct phi_request *r)
{
    for (size_t i = 0; i < r->n_needs && i < 2; i++) {
        PHI_BUF(b, 4096);
        phi_buf_adds(&b, i ? "or needs: " : "needs: ");
        for (size_t k = 0; k < r->needs[i].n; k++)
            phi_buf_printf(&b, "%s%lld of %lld " PHI_FMT, k ? ", " : "", (long long)r->needs[i].needs[k].have,
                           (long long)r->needs[i].needs[k].count, PHI_ARG(r->needs[i].needs[k].requirement));
        line(a, t, &b);
    }
}

static void bounds_put(struct phi_arena *a, struct notice_text *t, const struct phi_request *r)
{
    PHI_BUF(b, 512);
    phi_buf_adds(&b, "asks for: ");
    phi_text_duration(&b, r->for_ms);
    if (r->uses)
        phi_buf_printf(&b, ", %lld use%s", (long long)r->uses, r->uses == 1 ? "" : "s");
    line(a, t, &b);
    phi_buf_clear(&b);
    if (r->status != PHI_REQUEST_PENDING)
        return;
    phi_buf_adds(&b, "expires in: ");
    phi_text_duration(&b, r->expires_in_ms);
    line(a, t, &b);
}

static void request_put(struct phi_arena *a, const struct phi_message *m, struct notice_text *t)
{
    const struct phi_request *r = m->request;
    bool created = phi_view_is(m->what, "request.created");
    labelled(a, t, "what", created ? (struct phi_view){ 0 } : r->summary);
    labelled(a, t, "why", r->why);
    labelled(a, t, "ticket", r->ticket);
    bounds_put(a, t, r);
    if (r->status == PHI_REQUEST_PENDING)
        needs_put(a, t, r);
    if ((phi_view_is(m->what, "request.commented") || phi_view_is(m->what, "request.asked")) && r->n_remarks)
        labelled(a, t, "said", r->remarks[r->n_remarks - 1].text);
    labelled(a, t, "digest", r->digest);
}

static void digest_put(struct phi_arena *a, const struct phi_message *m, struct notice_text *t)
{
    for (size_t i = 0; i < m->n_digest && i < 10; i++) {
        PHI_BUF(b, 4096);
        phi_buf_printf(&b, PHI_FMT ": " PHI_FMT " asks for " PHI_FMT, PHI_ARG(m->digest[i].code),
                       PHI_ARG(m->digest[i].requester_name), PHI_ARG(phi_view_upto(m->digest[i].summary, LINE_MAX)));
        line(a, t, &b);
    }
    PHI_BUF(b, 128);
    int64_t more = (m->n_digest > 10 ? (int64_t)m->n_digest - 10 : 0) + m->n_more;
    if (more)
        phi_buf_printf(&b, "and %lld more", (long long)more);
    line(a, t, &b);
}

void notice_text(struct phi_arena *a, const struct api_notice_env *env, const struct phi_message *m, bool show,
                 struct notice_text *ret)
{
    PHI_BUF(title, 4096);
    *ret = (struct notice_text){ 0 };
    title_put(&title, m);
    ret->title = escaped(a, phi_buf_view(&title), false);
    ret->link = m->request ? phi_arena_printf(a, "%s/r/" PHI_FMT, env->origin, PHI_ARG(m->request->code))
                           : phi_arena_printf(a, "%s/", env->origin);
    if (m->request)
        request_put(a, m, ret);
    else if (m->n_digest)
        digest_put(a, m, ret);
    if (m->request && show)
        statement_put(a, m->request, ret);
}

/* ---- by kind */

static const struct {
    const char *kind;
    enum phi_rc (*make)(struct phi_arena *, const struct api_notice_env *, const struct phi_message *,
                        const struct phi_json *, struct api_notice *, struct phi_err *);
} makers[] = { { "webhook", notice_webhook },
               { "email", notice_email },
               { "slack", notice_slack },
               { "teams", notice_teams },
               { "command", notice_command },
               { "callback", notice_callback } };

enum phi_rc api_notice_make(struct phi_arena *a, const struct api_notice_env *env, const struct phi_message *m,
                            struct api_notice *ret, struct phi_err *err)
{
    const struct phi_json *settings;
    memset(ret, 0, sizeof *ret);
    PHI_TRY(phi_json_read(a, m->settings, PHI_JSON_STRICT, "settings", &settings, err));
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (phi_view_is(m->kind, makers[i].kind)) {
            PHI_TRY(makers[i].make(a, env, m, settings, ret, err));
            return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_EINPUT, "the message is too large");
        }
    return phi_fail(err, PHI_EINPUT, "there is no such kind of channel");
}

/* What the other side said, for the list of dead letters: a status, never its text. */
static void refused(struct phi_arena *a, int status, const struct net_fetch_answer *answer, struct phi_sent *ret)
{
    struct phi_view after;
    int64_t seconds;
    bool later = status >= 500 || status == 408 || status == 425 || status == 429 || (status >= 300 && status < 400);
    ret->how = status == 410 ? PHI_SENT_GONE : later && status >= 400 ? PHI_SENT_LATER : PHI_SENT_NEVER;
    ret->error = phi_arena_printf(a, "it answered %d%s", status,
                                  status >= 300 && status < 400 ? ", a redirect, which phi never follows: set the address where it leads" : "");
    if (net_fetch_header(answer, "retry-after", &after) && phi_view_int(after, &seconds) && seconds > 0)
        ret->after_ms = (seconds < 86400 ? seconds : 86400) * 1000;
}

static void unreachable(struct phi_arena *a, const struct phi_err *why, struct phi_sent *ret)
{
    ret->how = why->rc == PHI_EDENIED || why->rc == PHI_EINPUT ? PHI_SENT_NEVER : PHI_SENT_LATER;
    ret->error = phi_arena_copy(a, phi_view_of(why->msg));
}

void api_notice_answer(struct phi_arena *a, const struct phi_message *m, const struct api_notice *n,
                       const struct net_fetch_answer *answer, const struct phi_err *why, struct phi_sent *ret)
{
    ret->how = PHI_SENT_OK;
    ret->ref = phi_view_of(n->ref);
    if (!answer) {
        unreachable(a, why, ret);
    } else if (!n->ask.method) { /* mail: 4xx may pass, 5xx will not */
        ret->error = phi_arena_printf(a, "the mail server answered %d", answer->status);
        ret->how = answer->status >= 500 ? PHI_SENT_NEVER : answer->status >= 400 ? PHI_SENT_LATER : PHI_SENT_OK;
    } else if (answer->status < 200 || answer->status > 299) {
        refused(a, answer->status, answer, ret);
    } else if (phi_view_is(m->kind, "slack")) {
        notice_slack_answer(a, m, answer, ret);
    }
}
