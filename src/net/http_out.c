#include "net/http_srv.h"

#include "base/os.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = { { 200, "OK" },
                  { 201, "Created" },
                  { 202, "Accepted" },
                  { 204, "No Content" },
                  { 303, "See Other" },
                  { 304, "Not Modified" },
                  { 400, "Bad Request" },
                  { 401, "Unauthorized" },
                  { 403, "Forbidden" },
                  { 404, "Not Found" },
                  { 405, "Method Not Allowed" },
                  { 408, "Request Timeout" },
                  { 409, "Conflict" },
                  { 410, "Gone" },
                  { 413, "Content Too Large" },
                  { 414, "URI Too Long" },
                  { 415, "Unsupported Media Type" },
                  { 417, "Expectation Failed" },
                  { 421, "Misdirected Request" },
                  { 422, "Unprocessable Content" },
                  { 424, "Failed Dependency" },
                  { 429, "Too Many Requests" },
                  { 431, "Request Header Fields Too Large" },
                  { 500, "Internal Server Error" },
                  { 501, "Not Implemented" },
                  { 503, "Service Unavailable" },
                  { 505, "HTTP Version Not Supported" } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].text;
    return "Other";
}

/* RFC 9110, 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". */
static void add_date(struct phi_buf *b)
{
    static const char days[7][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    int64_t now = phi_now_wall_ms(), month = 0;
    PHI_BUF(t, 64);
    phi_text_time(&t, now); /* 2026-11-21T07:29:25.123Z */
    if (now < 0 || t.n < 19 || !phi_view_int(phi_view_mem(t.p + 5, 2), &month) || month < 1 || month > 12)
        return;
    const char *s = phi_buf_str(&t);
    phi_buf_printf(b, "Date: %s, %.2s %s %.4s %.8s GMT\r\n", days[now / 86400000 % 7], s + 8, months[month - 1], s,
                   s + 11);
}

/* Status line and Date: the same for all answers of a second. */
static void add_line(struct phi_buf *b, int status)
{
    static _Thread_local struct {
        int64_t second;
        int status;
        size_t n;
        char text[160];
    } last;
    int64_t second = phi_now_wall_ms() / 1000;
    if (last.second != second || last.status != status) {
        PHI_BUF(line, sizeof last.text);
        phi_buf_printf(&line, "HTTP/1.1 %d %s\r\n", status, status_text(status));
        add_date(&line);
        last.second = second;
        last.status = status;
        last.n = line.n;
        memcpy(last.text, line.p, line.n);
    }
    phi_buf_add(b, phi_view_mem(last.text, last.n));
}

void net_http_set_lines(struct net_http_req *r, struct phi_view lines)
{
    phi_buf_add(&r->extra, lines);
}

void net_http_setv(struct net_http_req *r, const char *name, struct phi_view value)
{
    if (!http_token_ok(name) || !http_value_ok(value)) {
        r->bad_extra = true;
        return;
    }
    phi_buf_adds(&r->extra, name);
    phi_buf_adds(&r->extra, ": ");
    phi_buf_add(&r->extra, value);
    phi_buf_adds(&r->extra, "\r\n");
}

void net_http_set(struct net_http_req *r, const char *name, const char *value)
{
    net_http_setv(r, name, phi_view_of(value));
}

static void add_field(struct phi_buf *b, const char *name, const char *value)
{
    phi_buf_adds(b, name);
    phi_buf_adds(b, ": ");
    phi_buf_adds(b, value);
    phi_buf_adds(b, "\r\n");
}

/* Without printf: each answer has one. */
static void add_length(struct phi_buf *b, size_t n)
{
    char text[20], *at = text + sizeof text;
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    phi_buf_adds(b, "Content-Length: ");
    phi_buf_add(b, phi_view_mem(at, (size_t)(text + sizeof text - at)));
    phi_buf_adds(b, "\r\n");
}

static bool extra_ok(const struct net_http_req *r)
{
    return !r->bad_extra && phi_buf_ok(&r->extra);
}

void net_http_reply(struct net_http_req *r, int status, const char *type, struct phi_view body)
{
    struct http_conn *hc = r->hc;
    if (!extra_ok(r)) {
        phi_buf_clear(&r->extra);
        status = 500;
        type = "text/plain";
        body = PHI_LIT("the answer had an unacceptable header\n");
    }
    bool close = !hc->reader->keep_alive || hc->server->draining;
    bool empty = status == 204 || status == 304;
    PHI_BUF(head, 4 * 1024);
    phi_buf_room(&head, 256);
    add_line(&head, status);
    if (type && !empty)
        add_field(&head, "Content-Type", type);
    if (!empty)
        add_length(&head, body.n);
    if (close)
        phi_buf_adds(&head, "Connection: close\r\n");
    if (empty || hc->reader->parser.method == HTTP_HEAD)
        body.n = 0;
    if (phi_buf_ok(&head))
        net_conn_writev(hc->c, (struct phi_view[]){ phi_buf_view(&head), phi_buf_view(&r->extra), PHI_LIT("\r\n"), body }, 4);
    http_conn_answered(hc, close || !phi_buf_ok(&head));
    http_req_free(r);
}

void net_http_defer(struct net_http_req *r, void (*on_gone)(struct net_http_req *r, void *ctx), void *ctx)
{
    r->deferred = true;
    r->on_gone = on_gone;
    r->ctx = ctx;
}

void http_write_problem(struct http_conn *hc, int status, const char *why)
{
    PHI_BUF(b, 1024);
    add_line(&b, status);
    phi_buf_printf(&b, "Content-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                   strlen(why) + 1, why);
    net_conn_write(hc->c, phi_buf_view(&b));
}

/* ---- Server-sent events ---- */

struct net_sse {
    struct http_conn *hc; /* NULL: closed by the owner */
    size_t max_backlog;
    void (*on_closed)(struct net_sse *s, void *ctx);
    void *ctx;
    bool slow;
};

struct net_sse *net_sse_open(struct net_http_req *r, size_t max_backlog, void (*on_closed)(struct net_sse *s, void *ctx),
                             void *ctx)
{
    struct http_conn *hc = r->hc;
    struct net_sse *s = extra_ok(r) ? calloc(1, sizeof *s) : NULL;
    if (!s) {
        net_http_reply(r, 500, "text/plain", PHI_LIT("no event stream\n"));
        return NULL;
    }
    *s = (struct net_sse){ .hc = hc, .max_backlog = max_backlog, .on_closed = on_closed, .ctx = ctx };
    PHI_BUF(head, 128 * 1024);
    add_line(&head, 200);
    phi_buf_adds(&head, "Content-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                        "Transfer-Encoding: chunked\r\n");
    phi_buf_add(&head, phi_buf_view(&r->extra));
    phi_buf_adds(&head, "\r\n");
    net_conn_deadline(hc->c, 0);
    net_conn_take(hc->c, net_conn_in(hc->c).n);
    net_conn_write(hc->c, phi_buf_view(&head));
    net_conn_resume(hc->c);
    hc->req = NULL;
    hc->sse = s;
    http_req_free(r);
    http_reader_drop(hc); /* nothing is read any more, and streams are many */
    return s;
}

static void add_lines(struct phi_buf *b, const char *field, struct phi_view text)
{
    do { /* CR, LF and CRLF all end a line there */
        size_t n = 0;
        while (n < text.n && text.p[n] != '\n' && text.p[n] != '\r')
            n++;
        phi_buf_adds(b, field);
        phi_buf_add(b, phi_view_upto(text, n));
        phi_buf_addc(b, '\n');
        bool crlf = n + 1 < text.n && text.p[n] == '\r' && text.p[n + 1] == '\n';
        bool more = n < text.n;
        text = phi_view_from(text, n + (crlf ? 2 : 1));
        if (!more)
            return;
    } while (true);
}

bool net_sse_send(struct net_sse *s, struct phi_view events)
{
    char size[24];
    if (!s->hc || s->slow)
        return false;
    if (!events.n) /* an empty chunk would end the stream */
        return true;
    struct phi_view parts[3] = { { 0 }, events, PHI_LIT("\r\n") };
    parts[0] = phi_view_mem(size, (size_t)snprintf(size, sizeof size, "%zx\r\n", events.n));
    if (!net_conn_writev(s->hc->c, parts, 3))
        return false;
    if (net_conn_queued(s->hc->c) > s->max_backlog) {
        s->slow = true;
        net_conn_deadline(s->hc->c, 1); /* closes it from the loop */
    }
    return !s->slow;
}

static bool one_line(const char *s)
{
    return !strpbrk(s, "\r\n");
}

bool net_sse_make(struct phi_buf *out, const char *id, const char *event, struct phi_view data)
{
    if ((id && !one_line(id)) || (event && !one_line(event)))
        return false;
    if (id)
        phi_buf_printf(out, "id: %s\n", id);
    if (event)
        phi_buf_printf(out, "event: %s\n", event);
    add_lines(out, "data: ", data);
    phi_buf_addc(out, '\n');
    return true;
}

bool net_sse_event(struct net_sse *s, const char *id, const char *event, struct phi_view data)
{
    PHI_BUF(b, 16 * 1024 * 1024);
    return net_sse_make(&b, id, event, data) && phi_buf_ok(&b) && net_sse_send(s, phi_buf_view(&b));
}

bool net_sse_comment(struct net_sse *s, const char *text)
{
    PHI_BUF(b, 4096);
    add_lines(&b, ": ", phi_view_of(text));
    phi_buf_addc(&b, '\n');
    return phi_buf_ok(&b) && net_sse_send(s, phi_buf_view(&b));
}

void net_sse_close(struct net_sse *s)
{
    struct http_conn *hc = s->hc;
    hc->sse = NULL;
    struct net_conn *c = hc->c;
    net_conn_write(c, PHI_LIT("0\r\n\r\n"));
    http_conn_drop(hc);
    net_conn_finish(c, HTTP_FINISH_MS);
    free(s);
}

void http_sse_gone(struct net_sse *s)
{
    s->hc = NULL;
    if (s->on_closed)
        s->on_closed(s, s->ctx);
    free(s);
}
