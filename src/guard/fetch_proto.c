#include <string.h>

#include "guard/fetch_in.h"

/* ---- writing ---- */

static void put(struct phi_buf *b, struct phi_view v)
{
    phi_buf_add32(b, (uint32_t)v.n);
    phi_buf_add(b, v);
}

static void puts_(struct phi_buf *b, const char *s)
{
    put(b, phi_view_of(s));
}

/* Printable and without blanks: nothing that could end a line or begin another part. */
static bool word_ok(const char *s)
{
    if (!s || !*s)
        return false;
    for (; *s; s++)
        if (*s <= ' ' || *s == 0x7f)
            return false;
    return true;
}

static bool line_ok(const char *s)
{
    for (; s && *s; s++)
        if ((unsigned char)*s < ' ' && *s != '\t')
            return false;
    return s != NULL;
}

static enum phi_rc mail_check(const struct net_fetch_ask *q, struct phi_err *err)
{
    if (!word_ok(q->mail_from) || strpbrk(q->mail_from, "<>") || q->n_mail_to < 1 || q->n_mail_to > FETCH_RCPT_MAX)
        return phi_fail(err, PHI_EINPUT, "a mail has one sender and 1 to %d recipients", FETCH_RCPT_MAX);
    for (size_t i = 0; i < q->n_mail_to; i++)
        if (!word_ok(q->mail_to[i]) || strpbrk(q->mail_to[i], "<>"))
            return phi_fail(err, PHI_EINPUT, "recipient %zu is no plain address", i + 1);
    return PHI_OK;
}

static enum phi_rc ask_check(const struct net_fetch_ask *q, struct phi_err *err)
{
    if (!word_ok(q->url) || strlen(q->url) > 8000)
        return phi_fail(err, PHI_EINPUT, "the URL is empty, too long, or has blanks in it");
    if (q->n_fields > FETCH_FIELDS_MAX || q->body.n > NET_FETCH_MAX_SEND)
        return phi_fail(err, PHI_ELIMIT, "more than %d header fields or %u bytes to send", FETCH_FIELDS_MAX, NET_FETCH_MAX_SEND);
    for (size_t i = 0; i < q->n_fields; i++)
        if (!word_ok(q->fields[i].name) || strpbrk(q->fields[i].name, ":;") || !line_ok(q->fields[i].value))
            return phi_fail(err, PHI_EINPUT, "header field %zu has a character that none may hold", i + 1);
    if (q->method)
        return word_ok(q->method) ? PHI_OK : phi_fail(err, PHI_EINPUT, "the method has blanks in it");
    return mail_check(q, err);
}

enum phi_rc fetch_ask_write(struct phi_buf *b, const struct net_fetch_ask *q, struct phi_err *err)
{
    PHI_TRY(ask_check(q, err));
    size_t at = b->n;
    phi_buf_add32(b, 0);
    phi_buf_add64(b, (uint64_t)q->deadline_ms);
    phi_buf_add32(b, (uint32_t)q->max_body);
    puts_(b, q->url);
    puts_(b, q->method);
    puts_(b, q->user);
    puts_(b, q->password);
    puts_(b, q->mail_from);
    put(b, q->body);
    phi_buf_add32(b, (uint32_t)q->n_fields);
    for (size_t i = 0; i < q->n_fields; i++) {
        puts_(b, q->fields[i].name);
        puts_(b, q->fields[i].value);
    }
    phi_buf_add32(b, (uint32_t)(q->method ? 0 : q->n_mail_to));
    for (size_t i = 0; !q->method && i < q->n_mail_to; i++)
        puts_(b, q->mail_to[i]);
    if (!phi_buf_ok(b))
        return phi_fail(err, PHI_ELIMIT, "the request is too large");
    phi_buf_put32(b, at, (uint32_t)(b->n - at - 4));
    return PHI_OK;
}

void fetch_answer_write(struct phi_buf *b, const struct fetch_answer *x)
{
    size_t at = b->n;
    phi_buf_add32(b, 0);
    phi_buf_add32(b, (uint32_t)x->rc);
    phi_buf_add32(b, x->maybe_done);
    phi_buf_add32(b, (uint32_t)x->status);
    put(b, x->address);
    put(b, x->headers);
    put(b, x->body);
    put(b, x->why);
    if (phi_buf_ok(b))
        phi_buf_put32(b, at, (uint32_t)(b->n - at - 4));
}

/* ---- reading ---- */

static bool take_n(struct phi_view *v, size_t n, struct phi_view *ret)
{
    *ret = phi_view_upto(*v, n);
    *v = phi_view_from(*v, ret->n);
    return ret->n == n;
}

static bool take32(struct phi_view *v, uint32_t *ret)
{
    struct phi_view b;
    if (!take_n(v, 4, &b))
        return false;
    *ret = (uint32_t)b.p[0] << 24 | (uint32_t)b.p[1] << 16 | (uint32_t)b.p[2] << 8 | b.p[3];
    return true;
}

static bool take64(struct phi_view *v, int64_t *ret)
{
    uint32_t hi, lo;
    if (!take32(v, &hi) || !take32(v, &lo))
        return false;
    *ret = (int64_t)((uint64_t)hi << 32 | lo);
    return true;
}

static bool take(struct phi_view *v, struct phi_view *ret)
{
    uint32_t n;
    return take32(v, &n) && take_n(v, n, ret);
}

/* A text that was not there is empty, and stays NULL. */
static bool take_str(struct phi_arena *a, struct phi_view *v, const char **ret)
{
    struct phi_view s;
    if (!take(v, &s) || (s.n && memchr(s.p, 0, s.n)))
        return false;
    *ret = s.n ? phi_arena_str(a, s) : NULL;
    return phi_arena_ok(a);
}

static bool take_fields(struct phi_arena *a, struct phi_view *v, struct net_fetch_ask *ret)
{
    uint32_t n;
    if (!take32(v, &n) || n > FETCH_FIELDS_MAX)
        return false;
    struct net_http_field *f = phi_arena_array(a, n + 1, sizeof *f);
    for (uint32_t i = 0; f && i < n; i++) {
        if (!take_str(a, v, &f[i].name) || !take_str(a, v, &f[i].value) || !f[i].name)
            return false;
        if (!f[i].value)
            f[i].value = "";
    }
    ret->fields = f;
    ret->n_fields = n;
    return f != NULL;
}

static bool take_rcpt(struct phi_arena *a, struct phi_view *v, struct net_fetch_ask *ret)
{
    uint32_t n;
    if (!take32(v, &n) || n > FETCH_RCPT_MAX)
        return false;
    const char **to = phi_arena_array(a, n + 1, sizeof *to);
    for (uint32_t i = 0; to && i < n; i++)
        if (!take_str(a, v, &to[i]) || !to[i])
            return false;
    ret->mail_to = to;
    ret->n_mail_to = n;
    return to != NULL;
}

bool fetch_ask_read(struct phi_arena *a, struct phi_view v, struct net_fetch_ask *ret)
{
    uint32_t max;
    *ret = (struct net_fetch_ask){ 0 };
    if (!take64(&v, &ret->deadline_ms) || !take32(&v, &max) || !take_str(a, &v, &ret->url) || !take_str(a, &v, &ret->method) ||
        !take_str(a, &v, &ret->user) || !take_str(a, &v, &ret->password) || !take_str(a, &v, &ret->mail_from) ||
        !take(&v, &ret->body) || !take_fields(a, &v, ret) || !take_rcpt(a, &v, ret) || v.n)
        return false;
    ret->max_body = max;
    return ret->url != NULL && (ret->method || ret->n_mail_to);
}

bool fetch_answer_read(struct phi_view v, struct fetch_answer *ret)
{
    uint32_t rc, maybe, status;
    if (!take32(&v, &rc) || !take32(&v, &maybe) || !take32(&v, &status) || !take(&v, &ret->address) ||
        !take(&v, &ret->headers) || !take(&v, &ret->body) || !take(&v, &ret->why) || v.n)
        return false;
    ret->rc = (enum phi_rc)rc;
    ret->maybe_done = maybe != 0;
    ret->status = (int)(status & 0xfff);
    return rc <= PHI_ECORRUPT && ret->address.n < 64 && (!ret->address.n || !memchr(ret->address.p, 0, ret->address.n));
}

int fetch_frame(struct phi_view in, size_t max, struct phi_view *ret)
{
    uint32_t n;
    if (!take32(&in, &n))
        return 1;
    if (n > max || in.n > n)
        return -1;
    *ret = in;
    return in.n == n ? 0 : 1;
}
