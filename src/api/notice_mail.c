/* Mail: RFC 5322 with two parts (RFC 2046), both in base64, so that no text of anybody's can begin a header, a part or an
 * SMTP command. Header values are plain ASCII or encoded words (RFC 2047). */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/notice.h"
#include "base/text.h"

#define MAIL_MAX (1024u * 1024)

static void html(struct phi_buf *b, struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        uint8_t ch = v.p[i];
        const char *as = ch == '&' ? "&amp;" : ch == '<' ? "&lt;" : ch == '>' ? "&gt;" : ch == '"' ? "&quot;" : ch == '\'' ? "&#39;" : NULL;
        if (as)
            phi_buf_adds(b, as);
        else
            phi_buf_addc(b, ch);
    }
}

static void base64_lines(struct phi_buf *out, struct phi_view v)
{
    for (size_t i = 0; i < v.n; i += 57) { /* 76 characters */
        phi_b64_add(out, phi_view_upto(phi_view_from(v, i), 57));
        phi_buf_adds(out, "\r\n");
    }
}

/* Encoded words of at most 75 characters that end between code points. */
static void subject(struct phi_buf *out, struct phi_view v)
{
    size_t from = 0;
    phi_buf_adds(out, "Subject:");
    while (from < v.n && from < 400) {
        size_t to = from;
        while (to < v.n) {
            uint32_t cp;
            size_t k = phi_utf8_next(phi_view_from(v, to), &cp);
            if (k == 0 || to + k - from > 42)
                break;
            to += k;
        }
        if (to == from)
            break;
        phi_buf_adds(out, " =?utf-8?B?");
        phi_b64_add(out, phi_view_mem(v.p + from, to - from));
        phi_buf_adds(out, "?=\r\n");
        from = to;
    }
}

static void date(struct phi_buf *out, int64_t ms)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    if (gmtime_r(&t, &tm))
        phi_buf_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
                       months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void plain_part(struct phi_buf *b, const struct notice_text *t)
{
    phi_buf_printf(b, PHI_FMT "\r\n\r\n", PHI_ARG(t->title));
    for (size_t i = 0; i < t->n_lines; i++)
        phi_buf_printf(b, PHI_FMT "\r\n", PHI_ARG(t->lines[i]));
    if (t->statement.n)
        phi_buf_printf(b, "\r\n" PHI_FMT "\r\n", PHI_ARG(t->statement));
    phi_buf_printf(b, "\r\nLook and decide (signed in): " PHI_FMT "\r\n\r\n-- \r\nphi (just-in-time approval). Opening the link changes nothing.\r\n",
                   PHI_ARG(t->link));
}

static void html_part(struct phi_buf *b, const struct notice_text *t)
{
    phi_buf_adds(b, "<!doctype html><html lang=\"en\"><body style=\"font-family:sans-serif\"><p><b>");
    html(b, t->title);
    phi_buf_adds(b, "</b></p><p>");
    for (size_t i = 0; i < t->n_lines; i++) {
        html(b, t->lines[i]);
        phi_buf_adds(b, "<br>");
    }
    phi_buf_adds(b, "</p>");
    if (t->statement.n) {
        phi_buf_adds(b, "<pre>");
        html(b, t->statement);
        phi_buf_adds(b, "</pre>");
    }
    phi_buf_adds(b, "<p><a href=\"");
    html(b, t->link);
    phi_buf_adds(b, "\">Look and decide (signed in)</a></p><p>phi (just-in-time approval). Opening the link changes nothing.</p></body></html>\r\n");
}

static void part(struct phi_buf *out, const struct phi_message *m, const char *type, const struct phi_buf *body)
{
    phi_buf_printf(out, "--phi-" PHI_FMT "\r\nContent-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
                   PHI_ARG(m->id), type);
    base64_lines(out, phi_buf_view(body));
}

/* Ids are ours and addresses were checked when they were set. */
static void headers(struct phi_buf *out, const struct api_notice_env *env, const struct phi_message *m, struct phi_view from,
                    const struct notice_text *t, const char *id)
{
    PHI_BUF(title, 4096);
    phi_buf_adds(&title, "phi ");
    phi_buf_add(&title, t->title);
    phi_buf_printf(out, "From: \"phi approvals\" <" PHI_FMT ">\r\nTo: <" PHI_FMT ">\r\n", PHI_ARG(from), PHI_ARG(m->address));
    subject(out, phi_buf_view(&title));
    date(out, env->now_ms);
    phi_buf_printf(out, "Message-ID: %s\r\n", id);
    if (m->ref.n)
        phi_buf_printf(out, "In-Reply-To: " PHI_FMT "\r\nReferences: " PHI_FMT "\r\n", PHI_ARG(m->ref), PHI_ARG(m->ref));
    phi_buf_printf(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"phi-" PHI_FMT "\"\r\n\r\n",
                   PHI_ARG(m->id));
}

static struct phi_view host_of(struct phi_view address)
{
    const uint8_t *at = memchr(address.p, '@', address.n);
    return at ? phi_view_from(address, (size_t)(at - address.p) + 1) : PHI_LIT("localhost");
}

NOTICE_MAKER(email)
{
    PHI_BUF(out, MAIL_MAX);
    PHI_BUF(text, MAIL_MAX);
    PHI_BUF(page, MAIL_MAX);
    struct notice_text t;
    struct phi_view from = phi_json_text(settings, "from"), name = phi_json_text(settings, "secret"), password = { 0 };
    notice_text(a, env, m, phi_view_is(phi_json_text(settings, "show"), "statement"), &t);
    struct phi_view id = phi_arena_printf(a, "<" PHI_FMT ".%lld@" PHI_FMT ">", PHI_ARG(m->id), (long long)m->content,
                                          PHI_ARG(host_of(from)));
    headers(&out, env, m, from, &t, (const char *)id.p);
    plain_part(&text, &t);
    part(&out, m, "text/plain", &text);
    html_part(&page, &t);
    part(&out, m, "text/html", &page);
    phi_buf_printf(&out, "--phi-" PHI_FMT "--\r\n", PHI_ARG(m->id));
    if (!phi_buf_ok(&out) || !phi_buf_ok(&text) || !phi_buf_ok(&page))
        return phi_fail(err, PHI_EINPUT, "the message is too large");
    if (name.n)
        PHI_TRY(notice_secret(a, env, name, &password, err));
    ret->way = API_NOTICE_FETCH;
    ret->mail_to[0] = phi_arena_str(a, m->address);
    ret->ask = (struct net_fetch_ask){ .url = phi_arena_str(a, phi_json_text(settings, "server")),
                                       .body = notice_z(a, &out),
                                       .user = name.n ? phi_arena_str(a, phi_json_text(settings, "user")) : NULL,
                                       .password = name.n ? phi_arena_str(a, password) : NULL,
                                       .mail_from = phi_arena_str(a, from),
                                       .mail_to = ret->mail_to,
                                       .n_mail_to = 1,
                                       .deadline_ms = 30000 };
    if (!m->ref.n) /* the thread hangs on the first */
        snprintf(ret->ref, sizeof ret->ref, PHI_FMT, PHI_ARG(id));
    return PHI_OK;
}
