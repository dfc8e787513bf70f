/* A fetch worker: one request, then its end. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "guard/fetch_in.h"

struct work {
    const struct fetch_house *house;
    const struct net_fetch_ask *ask;
    CURL *curl;
    struct curl_slist *fields, *rcpt, *resolve;
    struct phi_buf headers, body;
    size_t sent; /* of the mail */
    bool plain, refused, too_large;
    char host[256], address[64], why[CURL_ERROR_SIZE];
};

/* ---- what libcurl calls ---- */

/* The address that is connected to is the one that is judged: a name cannot change between the two. */
static curl_socket_t socket_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct work *w = ctx;
    const void *ip = a->family == AF_INET ? (const void *)&((struct sockaddr_in *)(void *)&a->addr)->sin_addr
                                          : (const void *)&((struct sockaddr_in6 *)(void *)&a->addr)->sin6_addr;
    if (purpose != CURLSOCKTYPE_IPCXN || !fetch_addr_ok(&w->house->allow, &a->addr, w->plain)) {
        w->refused = true;
        return CURL_SOCKET_BAD;
    }
    if (!inet_ntop(a->family, ip, w->address, sizeof w->address))
        w->address[0] = 0;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t keep(struct work *w, struct phi_buf *b, const char *p, size_t n)
{
    phi_buf_add(b, phi_view_mem(p, n));
    if (phi_buf_ok(b))
        return n;
    w->too_large = true;
    return 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct work *w = ctx;
    return keep(w, &w->body, p, size * n);
}

/* Interim answers (1xx) bring headers of their own: those of the last answer count. */
static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct work *w = ctx;
    if (phi_view_starts(phi_view_mem(p, size * n), PHI_LIT("HTTP/")))
        phi_buf_clear(&w->headers);
    return keep(w, &w->headers, p, size * n);
}

static size_t on_send(char *p, size_t size, size_t n, void *ctx)
{
    struct work *w = ctx;
    struct phi_view part = phi_view_upto(phi_view_from(w->ask->body, w->sent), size * n);
    if (part.n)
        memcpy(p, part.p, part.n);
    w->sent += part.n;
    return part.n;
}

/* ---- setting it up ---- */

static bool is_mail(const struct work *w)
{
    return !w->ask->method;
}

/* Scheme and host; user names and passwords in a URL are refused. */
static bool url_take(struct work *w)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL;
    bool ok = u && !curl_url_set(u, CURLUPART_URL, w->ask->url, CURLU_DISALLOW_USER) &&
              !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) && !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
              curl_url_get(u, CURLUPART_USER, &user, 0) && strlen(host) < sizeof w->host;
    if (ok) {
        memcpy(w->host, host, strlen(host) + 1);
        bool loop = !strcmp(host, "localhost") || !strncmp(host, "127.", 4) || !strcmp(host, "[::1]");
        w->plain = !strcmp(scheme, "http") || (!strcmp(scheme, "smtp") && loop);
        ok = is_mail(w) ? !strncmp(scheme, "smtp", 4) : !strncmp(scheme, "http", 4);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(u);
    return ok;
}

static bool add(struct curl_slist **list, const char *text)
{
    struct curl_slist *more = curl_slist_append(*list, text);
    if (more)
        *list = more;
    return more != NULL;
}

static bool fields_set(struct work *w)
{
    PHI_BUF(line, 64 * 1024);
    bool ok = add(&w->fields, "Expect:") && add(&w->fields, "Accept:");
    for (size_t i = 0; ok && i < w->ask->n_fields; i++) {
        const struct net_http_field *f = &w->ask->fields[i];
        phi_buf_clear(&line);
        phi_buf_printf(&line, f->value[0] ? "%s: %s" : "%s;", f->name, f->value);
        ok = phi_buf_ok(&line) && add(&w->fields, phi_buf_str(&line));
    }
    return ok && !curl_easy_setopt(w->curl, CURLOPT_HTTPHEADER, w->fields);
}

static bool body_set(struct work *w)
{
    CURL *c = w->curl;
    if (!strcmp(w->ask->method, "GET"))
        return !curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    return !curl_easy_setopt(c, CURLOPT_POST, 1L) && !curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, w->ask->method) &&
           !curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)w->ask->body.n) &&
           !curl_easy_setopt(c, CURLOPT_POSTFIELDS, w->ask->body.n ? (const char *)w->ask->body.p : "");
}

static bool mail_set(struct work *w)
{
    CURL *c = w->curl;
    bool ok = true;
    for (size_t i = 0; ok && i < w->ask->n_mail_to; i++)
        ok = add(&w->rcpt, w->ask->mail_to[i]);
    if (ok && w->ask->user)
        ok = !curl_easy_setopt(c, CURLOPT_USERNAME, w->ask->user) && !curl_easy_setopt(c, CURLOPT_PASSWORD, w->ask->password ? w->ask->password : "");
    return ok && !curl_easy_setopt(c, CURLOPT_USE_SSL, w->plain ? (long)CURLUSESSL_TRY : (long)CURLUSESSL_ALL) &&
           !curl_easy_setopt(c, CURLOPT_MAIL_FROM, w->ask->mail_from) && !curl_easy_setopt(c, CURLOPT_MAIL_RCPT, w->rcpt) &&
           !curl_easy_setopt(c, CURLOPT_READFUNCTION, on_send) && !curl_easy_setopt(c, CURLOPT_READDATA, w) &&
           !curl_easy_setopt(c, CURLOPT_UPLOAD, 1L) && !curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)w->ask->body.n);
}

static bool trust_set(struct work *w)
{
    const struct phi_buf *ca = &w->house->ca;
    struct curl_blob blob = { ca->p, ca->n, CURL_BLOB_NOCOPY };
    CURL *c = w->curl;
    return !curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) && !curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) &&
           !curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           (!ca->n || (!curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob) && !curl_easy_setopt(c, CURLOPT_CAPATH, "/etc/ssl/certs")));
}

static bool limits_set(struct work *w)
{
    CURL *c = w->curl;
    return !curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, is_mail(w) ? "smtp,smtps" : "http,https") &&
           !curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) && !curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) &&
           !curl_easy_setopt(c, CURLOPT_PROXY, "") && !curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
           !curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           !curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)w->ask->deadline_ms) &&
           !curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, socket_open) && !curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, w) &&
           !curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) && !curl_easy_setopt(c, CURLOPT_WRITEDATA, w) &&
           !curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) && !curl_easy_setopt(c, CURLOPT_HEADERDATA, w) &&
           !curl_easy_setopt(c, CURLOPT_ERRORBUFFER, w->why) && !curl_easy_setopt(c, CURLOPT_USERAGENT, "phi/" PHI_VERSION);
}

static bool set_up(struct work *w)
{
    phi_buf_init(&w->headers, FETCH_HEADERS_MAX);
    phi_buf_init(&w->body, w->ask->max_body);
    w->curl = curl_easy_init();
    return w->curl && limits_set(w) && trust_set(w) && !curl_easy_setopt(w->curl, CURLOPT_URL, w->ask->url) &&
           (is_mail(w) ? mail_set(w) : body_set(w) && fields_set(w)) &&
           (!w->house->resolve || (add(&w->resolve, w->house->resolve) && !curl_easy_setopt(w->curl, CURLOPT_RESOLVE, w->resolve)));
}

/* ---- the answer ---- */

/* A mail server's refusal is an answer: libcurl says it as an error of its own. */
static bool is_refusal(const struct work *w, CURLcode code)
{
    long status = 0;
    if (!is_mail(w) || (code != CURLE_SEND_ERROR && code != CURLE_LOGIN_DENIED && code != CURLE_WEIRD_SERVER_REPLY))
        return false;
    curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &status);
    return status >= 400 && status <= 599;
}

static enum phi_rc verdict(const struct work *w, CURLcode code, struct phi_err *err)
{
    if (code == CURLE_OK || is_refusal(w, code))
        return PHI_OK;
    if (w->refused && code == CURLE_COULDNT_CONNECT)
        return phi_fail(err, PHI_EDENIED, w->plain ? "%s: without TLS only an allowed loopback address may be reached"
                                                   : "%s has an address inside or of special use, which `outgoing` does not allow", w->host);
    if (w->too_large)
        return phi_fail(err, PHI_ELIMIT, "%s: the answer is larger than %zu bytes", w->host, w->ask->max_body);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return phi_fail(err, PHI_EEXPIRED, "%s did not answer within %lld ms", w->host, (long long)w->ask->deadline_ms);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return phi_fail(err, PHI_EINPUT, "%s: not an address that can be asked", w->host);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return phi_fail(err, PHI_EIO, "%s: its certificate is not trusted (%s)", w->host, w->why);
    return phi_fail(err, PHI_EIO, "%s: %s", w->host, curl_easy_strerror(code));
}

static void send_all(int fd, struct phi_view v)
{
    while (v.n) {
        ssize_t n = write(fd, v.p, v.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(1); /* nobody waits any more */
        v = phi_view_from(v, (size_t)n);
    }
}

static void answer(int fd, const struct work *w, enum phi_rc rc, const struct phi_err *err)
{
    PHI_BUF(out, FETCH_ANSWER_MAX);
    struct fetch_answer x = { .rc = rc, .address = phi_view_of(w->address) };
    long status = 0, asked = 0;
    double began = 0;
    if (w->curl) {
        curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(w->curl, CURLINFO_REQUEST_SIZE, &asked);
        curl_easy_getinfo(w->curl, CURLINFO_PRETRANSFER_TIME, &began);
    }
    x.maybe_done = is_mail(w) ? w->sent > 0 : asked > 0 || began > 0;
    x.status = (int)status;
    if (rc == PHI_OK) {
        x.headers = phi_buf_view(&w->headers);
        x.body = phi_buf_view(&w->body);
    } else {
        x.why = phi_view_of(err->msg);
    }
    fetch_answer_write(&out, &x);
    send_all(fd, phi_buf_view(&out));
}

static void run(int fd, struct work *w)
{
    struct phi_err err = { 0 };
    enum phi_rc rc;
    if (!url_take(w))
        rc = phi_fail(&err, PHI_EINPUT, "not an https or http URL, or for mail smtps or smtp, without user name");
    else if (!set_up(w))
        rc = phi_fail(&err, PHI_ELIMIT, "%s: the request cannot be set up", w->host);
    else
        rc = verdict(w, curl_easy_perform(w->curl), &err);
    answer(fd, w, rc, &err);
}

static struct phi_view ask_receive(int fd, struct phi_buf *b)
{
    struct phi_view v = { 0 };
    for (;;) {
        int state = fetch_frame(phi_buf_view(b), FETCH_ASK_MAX, &v);
        if (state == 0)
            return v;
        uint8_t *room = state < 0 ? NULL : phi_buf_room(b, 64 * 1024);
        ssize_t n = room ? read(fd, room, 64 * 1024) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(1);
        phi_buf_commit(b, (size_t)n);
    }
}

void fetch_worker(int fd, const struct fetch_house *h)
{
    PHI_BUF(in, FETCH_ASK_MAX + 128 * 1024);
    PHI_ARENA(a, FETCH_ASK_MAX);
    struct net_fetch_ask ask;
    struct work w = { .house = h, .ask = &ask };
    signal(SIGPIPE, SIG_IGN);
    fetch_confine();
    if (!fetch_ask_read(&a, ask_receive(fd, &in), &ask))
        _exit(1);
    run(fd, &w);
    _exit(0); /* and all its memory with it */
}
