/* Load for ./dev bench api. One thread, epoll, OpenSSL, keep-alive connections that each ask again as soon as they are answered:
 *   bench-api-load PORT CA.pem evaluate CONNECTIONS SECONDS TOKEN BODY
 *       prints: answers a second, p50, p99, worst in microseconds, how many were not as the first, the fewest and the most answers of
 *       one connection, and microseconds of processor that each cost the load itself; PHI_BENCH_WANT: what the first must contain
 *   bench-api-load PORT CA.pem watch CONNECTIONS TOKEN…
 *       opens event streams, one token after another; prints "open N" when all are; after each line on standard input waits until
 *       every stream has heard of a request and prints the milliseconds since the line: the first, the middle one, the last */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_MAX = 16384, SAMPLES_MAX = 4000000 };

struct conn {
    int fd;
    SSL *ssl;
    uint64_t sent_us, answers;
    size_t n;
    char *in;
    bool heard;
};

static int ep;
static uint32_t *samples;
static size_t n_samples;

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(const char *what)
{
    fprintf(stderr, "bench-api-load: %s: %s\n", what, errno ? strerror(errno) : ERR_reason_error_string(ERR_peek_error()));
    exit(1);
}

static void conn_open(struct conn *c, SSL_CTX *ctx, int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_in from = { .sin_family = AF_INET };
    static uint32_t count;
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + count++ / 20000); /* room for ports */
    if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof from) != 0 || connect(c->fd, (struct sockaddr *)&at, sizeof at) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->ssl = SSL_new(ctx);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_set1_host(c->ssl, "localhost") != 1 ||
        SSL_set_tlsext_host_name(c->ssl, "localhost") != 1 || SSL_connect(c->ssl) != 1) {
        errno = 0;
        die("TLS");
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = { .events = EPOLLIN, .data = { .ptr = c } };
    if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e) != 0)
        die("epoll");
}

static void ask(struct conn *c, const char *text, size_t n, uint64_t now)
{
    c->sent_us = now;
    if (SSL_write(c->ssl, text, (int)n) != (int)n)
        die("write");
}

/* The whole answer is here: its length, 0: not yet. */
static size_t answer_len(const char *in, size_t n)
{
    const char *end = memmem(in, n, "\r\n\r\n", 4), *len = end ? memmem(in, (size_t)(end - in), "Content-Length: ", 16) : NULL;
    size_t all = len ? (size_t)(end - in) + 4 + strtoul(len + 16, NULL, 10) : 0;
    return all && n >= all ? all : 0;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* All answers are to be as the first, but for the head's lines that name a moment or a request. */
static struct {
    char body[IN_MAX];
    size_t n, all;
} first;
static size_t others;

static void first_take(const struct conn *c)
{
    const char *body = memmem(c->in, c->n, "\r\n\r\n", 4), *want = getenv("PHI_BENCH_WANT");
    first.n = body ? c->n - (size_t)(body - c->in) : 0;
    first.all = c->n;
    memcpy(first.body, body, first.n);
    if (strncmp(c->in, "HTTP/1.1 200", 12) != 0 || (want && !memmem(first.body, first.n, want, strlen(want)))) {
        fprintf(stderr, "bench-api-load: the answer is %.*s\n", (int)c->n, c->in);
        exit(1);
    }
}

static bool as_first(const struct conn *c)
{
    return c->n == first.all && memcmp(c->in, "HTTP/1.1 200", 12) == 0 && memcmp(c->in + c->n - first.n, first.body, first.n) == 0;
}

/* What has come to c. True: a whole answer. The usual one is known by its length and its end, without being taken apart. */
static bool answered(struct conn *c)
{
    int got = SSL_read(c->ssl, c->in + c->n, (int)(IN_MAX - c->n));
    if (got <= 0 && SSL_get_error(c->ssl, got) == SSL_ERROR_WANT_READ)
        return false;
    if (got <= 0)
        die("closed");
    c->n += (size_t)got;
    if (first.all && as_first(c))
        return true;
    if (!answer_len(c->in, c->n))
        return false;
    if (!first.all)
        first_take(c);
    others += !as_first(c);
    return true;
}

static double own_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void evaluate_tell(const struct conn *conns, int n, double done, double s, double own)
{
    uint64_t fewest = UINT64_MAX, most = 0;
    for (int i = 0; i < n; i++) {
        fewest = conns[i].answers < fewest ? conns[i].answers : fewest;
        most = conns[i].answers > most ? conns[i].answers : most;
    }
    qsort(samples, n_samples, sizeof *samples, by_value);
    if (!n_samples)
        die("no answer");
    printf("%.0f %u %u %u %zu %llu %llu %.1f\n", done / s, samples[n_samples / 2], samples[(size_t)((double)n_samples * .99)],
           samples[n_samples - 1], others, (unsigned long long)fewest, (unsigned long long)most, own / done);
}

static void evaluate(struct conn *conns, int n, int seconds, const char *text, size_t len)
{
    struct epoll_event ev[256];
    double own = own_us();
    uint64_t begin = now_us(), now = begin, end = begin + (uint64_t)seconds * 1000000, done = 0;
    for (int i = 0; i < n; i++)
        ask(&conns[i], text, len, now);
    while (now < end) {
        int m = epoll_wait(ep, ev, 256, 100);
        now = now_us();
        for (int i = 0; i < m; i++) {
            struct conn *c = ev[i].data.ptr;
            if (!answered(c))
                continue;
            now = now_us();
            if (n_samples < SAMPLES_MAX)
                samples[n_samples++] = (uint32_t)(now - c->sent_us);
            done++;
            c->answers++;
            c->n = 0;
            ask(c, text, len, now);
        }
    }
    evaluate_tell(conns, n, (double)done, (double)(now - begin) / 1e6, own_us() - own);
}

/* Whether what waits at c has a request's event in it. All of it is read: what OpenSSL has read ahead wakes nobody again. */
static bool told(struct conn *c)
{
    char text[4096];
    bool yes = false;
    for (;;) {
        int got = SSL_read(c->ssl, text, sizeof text);
        if (got <= 0 && SSL_get_error(c->ssl, got) != SSL_ERROR_WANT_READ)
            die("a stream was closed");
        if (got <= 0)
            return yes;
        yes = yes || memmem(text, (size_t)got, "event: request", 14);
    }
}

static int hear(struct conn *conns, int n, uint64_t since, double ret[3])
{
    struct epoll_event ev[256];
    int heard = 0;
    for (int i = 0; i < n; i++)
        conns[i].heard = false;
    while (heard < n && now_us() - since < 60000000) {
        int m = epoll_wait(ep, ev, 256, 100);
        for (int i = 0; i < m; i++) {
            struct conn *c = ev[i].data.ptr;
            if (!told(c) || c->heard)
                continue;
            c->heard = true;
            heard++;
            double ms = (double)(now_us() - since) / 1000;
            if (heard == 1)
                ret[0] = ms;
            if (heard == n / 2)
                ret[1] = ms;
            ret[2] = ms;
        }
    }
    return heard;
}

/* Answers (the head of the stream, keep-alives) that came meanwhile are no events. */
static void drain(void)
{
    struct epoll_event ev[256];
    char text[4096];
    for (int m = 1; m > 0;) {
        m = epoll_wait(ep, ev, 256, 300);
        for (int i = 0; i < m; i++)
            while (SSL_read(((struct conn *)ev[i].data.ptr)->ssl, text, sizeof text) > 0)
                ;
    }
}

static void watch(struct conn *conns, int n)
{
    char line[64];
    drain();
    printf("open %d\n", n);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        double ms[3] = { 0 };
        int heard = hear(conns, n, now_us(), ms);
        drain();
        printf("%d %.1f %.1f %.1f\n", heard, ms[0], ms[1], ms[2]);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    bool watches = argc > 5 && strcmp(argv[3], "watch") == 0;
    if (!watches && argc != 8)
        return 2;
    int port = (int)strtol(argv[1], NULL, 10), n = (int)strtol(argv[4], NULL, 10), n_tokens = argc - 5;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct conn *conns = calloc((size_t)n, sizeof *conns);
    static char text[65536];
    ep = epoll_create1(0);
    samples = malloc(SAMPLES_MAX * sizeof *samples);
    if (!ctx || !conns || !samples || SSL_CTX_load_verify_locations(ctx, argv[2], NULL) != 1)
        die("set-up");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (watches)
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1); /* the load shares the processors: it should cost as little as it can */
    for (int i = 0; i < n; i++) {
        conns[i].in = watches ? NULL : malloc(IN_MAX);
        conn_open(&conns[i], ctx, port);
        if (!watches)
            continue;
        snprintf(text, sizeof text, "GET /v1/events HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\n\r\n", port, argv[5 + i % n_tokens]);
        ask(&conns[i], text, strlen(text), now_us());
    }
    if (watches) {
        watch(conns, n);
        return 0;
    }
    int len = snprintf(text, sizeof text,
                       "POST /access/v1/evaluation HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       port, argv[6], strlen(argv[7]), argv[7]);
    evaluate(conns, n, (int)strtol(argv[5], NULL, 10), text, (size_t)len);
    return 0;
}
