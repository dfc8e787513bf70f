#include "gateway/parser.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/os.h"
#include "base/text.h"
#include "gateway/parser_child.h"
#include "gateway/sql_cache.h"
#include "gateway/sql_raw.h"
#include "net/loop.h"

enum { MAX_PROCS = 8, MAX_WAITING = 4096, HEAD = 5, TIME_MS = 3000 };

struct gw_parser_call {
    struct gw_parser *pool;
    struct gw_parser_call *next;
    gw_parser_fn fn; /* NULL: cancelled */
    void *ctx;
    size_t sent, n; /* of data: 4 bytes of length, then the text */
    uint8_t data[];
};

struct proc {
    struct gw_parser *pool;
    int fd; /* -1: not running */
    pid_t pid;
    struct net_watch *watch;
    struct net_timer *timer;
    struct gw_parser_call *call; /* what it works on */
    bool answered; /* at least once: worth starting again by itself */
    struct phi_buf in;
};

struct gw_parser {
    struct net_loop *loop;
    unsigned n;
    struct proc procs[MAX_PROCS];
    struct gw_parser_call *first, **last; /* waiting */
    struct sql_cache *cache;
    struct gw_parser_stats stats;
    unsigned posted; /* functions that the loop still holds for us */
    bool closed;
};

/* ---- processes ---- */

static bool spawn(int child_fd, pid_t *pid)
{
    char name[] = "phi-parser", flag[] = PARSER_FLAG;
    char *argv[] = { name, flag, NULL }, *envp[] = { NULL };
    posix_spawn_file_actions_t acts;
    posix_spawnattr_t attr;
    sigset_t all, empty;
    sigfillset(&all);
    sigemptyset(&empty);
    if (posix_spawn_file_actions_init(&acts) != 0)
        return false;
    bool ok = posix_spawnattr_init(&attr) == 0;
    if (ok) {
        ok = posix_spawn_file_actions_adddup2(&acts, child_fd, 0) == 0 &&
             posix_spawn_file_actions_addclosefrom_np(&acts, 1) == 0 && posix_spawnattr_setsigmask(&attr, &empty) == 0 &&
             posix_spawnattr_setsigdefault(&attr, &all) == 0 && posix_spawnattr_setpgroup(&attr, 0) == 0 &&
             posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP) == 0 &&
             posix_spawn(pid, "/proc/self/exe", &acts, &attr, argv, envp) == 0;
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&acts);
    return ok;
}

static void on_events(void *ctx, int events);
static void on_time(void *ctx);

static bool start(struct proc *p)
{
    int sv[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0)
        return false;
    bool ok = spawn(sv[1], &p->pid);
    close(sv[1]);
    if (!ok || fcntl(sv[0], F_SETFL, O_NONBLOCK) != 0) {
        close(sv[0]);
        return false;
    }
    p->fd = sv[0];
    p->answered = false;
    if (p->pool->loop && net_watch_open(p->pool->loop, p->fd, on_events, p, &p->watch, NULL) == PHI_OK)
        net_watch_set(p->watch, NET_READ);
    return !p->pool->loop || p->watch;
}

static void stop(struct proc *p)
{
    net_watch_close(p->watch);
    p->watch = NULL;
    if (p->fd < 0)
        return;
    close(p->fd);
    p->fd = -1;
    kill(p->pid, SIGKILL); /* our own child, not reaped yet: the id is still its own */
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    phi_buf_clear(&p->in);
}

/* ---- calls ---- */

static void answer(struct gw_parser_call *c, struct gw_sql_raw *raw)
{
    if (raw && c->fn)
        c->fn(c->ctx, raw);
    gw_sql_raw_drop(raw);
    free(c);
}

static void feed(struct proc *p);

/* Takes the process's call away; the process is free, or gone. */
static struct gw_parser_call *take(struct proc *p)
{
    struct gw_parser_call *c = p->call;
    p->call = NULL;
    if (p->timer)
        net_timer_clear(p->timer);
    return c;
}

static void lost(struct proc *p, const char *sqlstate, const char *message)
{
    struct gw_parser_call *c = take(p);
    bool again = p->answered; /* else it would die again and again; the next call tries */
    stop(p);
    if (again)
        start(p);
    if (c)
        answer(c, sql_raw_error(sqlstate, message));
    feed(p);
}

static void crashed(struct proc *p)
{
    p->pool->stats.crashes++;
    lost(p, "54001", "statement too complex: the parser gave up");
}

static void on_time(void *ctx)
{
    struct proc *p = ctx;
    p->pool->stats.timeouts++;
    lost(p, "57014", "statement too complex: parsing took too long");
}

/* Sends what the socket takes. */
static bool push(struct proc *p)
{
    struct gw_parser_call *c = p->call;
    while (c && c->sent < c->n) {
        ssize_t put = send(p->fd, c->data + c->sent, c->n - c->sent, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            break;
        if (put <= 0)
            return false;
        c->sent += (size_t)put;
    }
    if (p->watch)
        net_watch_set(p->watch, NET_READ | (c && c->sent < c->n ? NET_WRITE : 0));
    return true;
}

static void feed(struct proc *p)
{
    struct gw_parser *pool = p->pool;
    while (!p->call && pool->first) {
        struct gw_parser_call *c = pool->first;
        pool->first = c->next;
        if (!pool->first)
            pool->last = &pool->first;
        pool->stats.waiting--;
        if (!c->fn) {
            free(c);
            continue;
        }
        if (p->fd < 0 && !start(p)) {
            answer(c, sql_raw_error("57014", "no parser process can be started"));
            continue;
        }
        p->call = c;
        if (p->timer)
            net_timer_set(p->timer, TIME_MS, 0);
        if (!push(p))
            crashed(p);
    }
}

static void done(struct proc *p, struct phi_view reply, bool bye)
{
    struct gw_parser_call *c = take(p);
    struct phi_view sql = phi_view_mem(c->data + 4, c->n - 4);
    p->answered = true;
    struct gw_sql_raw *raw = sql_raw_read(reply, sql.n);
    if (!raw) {
        p->pool->stats.crashes++;
        raw = sql_raw_error("54001", "statement too complex: the parser's answer cannot be used");
        bye = true;
    } else {
        sql_cache_put(p->pool->cache, sql, raw);
    }
    if (bye) {
        stop(p);
        start(p);
    } else {
        phi_buf_clear(&p->in);
    }
    answer(c, raw);
    feed(p);
}

/* Reads what is there; false when the process is gone or talks nonsense. */
static bool pull(struct proc *p)
{
    for (;;) {
        uint8_t *room = phi_buf_room(&p->in, 16 * 1024);
        ssize_t got = room ? recv(p->fd, room, 16 * 1024, 0) : -1;
        if (got < 0 && room && errno == EINTR)
            continue;
        if (got < 0 && room && errno == EAGAIN)
            return true;
        if (got <= 0 || !p->call)
            return false; /* nobody asked: not to be trusted */
        phi_buf_commit(&p->in, (size_t)got);
        const uint8_t *h = p->in.p;
        size_t n = p->in.n < HEAD ? 0 : (size_t)h[1] << 24 | (size_t)h[2] << 16 | (size_t)h[3] << 8 | h[4];
        if (n > SQL_MAX_REPLY || (p->in.n >= HEAD && p->in.n > HEAD + n))
            return false;
        if (p->in.n >= HEAD && p->in.n == HEAD + n) {
            done(p, phi_view_from(phi_buf_view(&p->in), HEAD), h[0] & PARSER_BYE);
            return true;
        }
    }
}

static void on_events(void *ctx, int events)
{
    struct proc *p = ctx;
    (void)events;
    if (!push(p) || !pull(p))
        crashed(p);
}

/* ---- the pool ---- */

enum phi_rc gw_parser_open(struct net_loop *loop, unsigned n, struct gw_parser **ret, struct phi_err *err)
{
    struct gw_parser *pool = calloc(1, sizeof *pool);
    *ret = NULL;
    if (!pool)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    pool->loop = loop;
    pool->n = n < 1 ? 1 : n > MAX_PROCS ? MAX_PROCS : n;
    pool->last = &pool->first;
    pool->cache = sql_cache_open();
    bool ok = pool->cache != NULL;
    for (unsigned i = 0; i < pool->n; i++) {
        struct proc *p = &pool->procs[i];
        p->pool = pool;
        p->fd = -1;
        phi_buf_init(&p->in, SQL_MAX_REPLY + 64 * 1024);
        ok = ok && start(p);
        if (ok && loop) {
            p->timer = net_timer_open(loop, on_time, p);
            ok = p->timer != NULL;
        }
    }
    if (!ok) {
        gw_parser_close(pool);
        return phi_fail(err, PHI_EIO, "cannot start the parser processes");
    }
    *ret = pool;
    return PHI_OK;
}

void gw_parser_close(struct gw_parser *pool)
{
    if (!pool)
        return;
    for (unsigned i = 0; i < pool->n; i++) {
        stop(&pool->procs[i]);
        net_timer_close(pool->procs[i].timer);
        free(pool->procs[i].call);
        phi_buf_done(&pool->procs[i].in);
    }
    while (pool->first) {
        struct gw_parser_call *next = pool->first->next;
        free(pool->first);
        pool->first = next;
    }
    sql_cache_close(pool->cache);
    pool->closed = true;
    if (!pool->posted)
        free(pool);
}

struct gw_sql_raw *gw_parser_cached(struct gw_parser *pool, struct phi_view sql)
{
    struct gw_sql_raw *raw = sql_cache_get(pool->cache, sql);
    if (raw)
        pool->stats.hits++;
    return gw_sql_raw_hold(raw);
}

/* What no process needs to be asked: NULL when one does. */
static struct gw_sql_raw *refuse_early(struct phi_view sql)
{
    if (sql.n > PHI_MAX_SQL)
        return sql_raw_error("54000", "statement is too long for phi");
    if (!phi_utf8_ok(sql))
        return sql_raw_error("22021", "invalid byte sequence for encoding \"UTF8\"");
    if (sql.n && memchr(sql.p, 0, sql.n))
        return sql_raw_error("22021", "a zero byte in the statement");
    return NULL;
}

static struct gw_parser_call *call_new(struct gw_parser *pool, struct phi_view sql, gw_parser_fn fn, void *ctx)
{
    struct gw_parser_call *c = pool->stats.waiting < MAX_WAITING ? calloc(1, sizeof *c + 4 + sql.n) : NULL;
    if (!c)
        return NULL;
    c->pool = pool;
    c->fn = fn;
    c->ctx = ctx;
    c->n = 4 + sql.n;
    for (int i = 0; i < 4; i++)
        c->data[i] = (uint8_t)(sql.n >> (24 - 8 * i));
    if (sql.n)
        memcpy(c->data + 4, sql.p, sql.n);
    *pool->last = c;
    pool->last = &c->next;
    pool->stats.waiting++;
    return c;
}

struct early {
    struct gw_parser_call *call;
    struct gw_sql_raw *raw;
};

static void answer_early(void *ctx)
{
    struct early *e = ctx;
    answer(e->call, e->raw);
    free(e);
}

static struct gw_parser_call *parse_early(struct gw_parser *pool, struct gw_sql_raw *raw, gw_parser_fn fn, void *ctx)
{
    struct early *e = calloc(1, sizeof *e);
    struct gw_parser_call *c = calloc(1, sizeof *c);
    if (e && c) {
        *c = (struct gw_parser_call){ .pool = pool, .fn = fn, .ctx = ctx };
        *e = (struct early){ .call = c, .raw = raw };
        if (net_post(pool->loop, answer_early, e))
            return c;
    }
    free(e);
    free(c);
    gw_sql_raw_drop(raw);
    return NULL;
}

static void kick(void *ctx)
{
    struct gw_parser *pool = ctx;
    pool->posted--;
    if (pool->closed) {
        if (!pool->posted)
            free(pool);
        return;
    }
    for (unsigned i = 0; i < pool->n; i++)
        if (!pool->procs[i].call)
            feed(&pool->procs[i]);
}

struct gw_parser_call *gw_parser_parse(struct gw_parser *pool, struct phi_view sql, gw_parser_fn fn, void *ctx)
{
    struct gw_sql_raw *raw = refuse_early(sql);
    if (raw)
        return parse_early(pool, raw, fn, ctx);
    pool->stats.misses++;
    struct gw_parser_call *c = call_new(pool, sql, fn, ctx);
    if (!c)
        return NULL;
    if (!net_post(pool->loop, kick, pool)) { /* the next answer of any process takes it along, or nothing does */
        gw_parser_cancel(c);
        return NULL;
    }
    pool->posted++;
    return c;
}

void gw_parser_cancel(struct gw_parser_call *call)
{
    if (call)
        call->fn = NULL;
}

static void keep(void *ctx, struct gw_sql_raw *raw)
{
    *(struct gw_sql_raw **)ctx = gw_sql_raw_hold(raw);
}

struct gw_sql_raw *gw_parser_now(struct gw_parser *pool, struct phi_view sql)
{
    struct gw_sql_raw *got = refuse_early(sql);
    if (got || pool->loop)
        return got ? got : sql_raw_error("57014", "this parser pool belongs to a loop");
    pool->stats.misses++;
    struct proc *p = &pool->procs[0];
    if (!call_new(pool, sql, keep, &got))
        return NULL;
    feed(p);
    int64_t end = phi_now_boot_ms() + TIME_MS;
    while (p->call) {
        bool more = p->call->sent < p->call->n;
        struct pollfd pf = { .fd = p->fd, .events = (short)(POLLIN | (more ? POLLOUT : 0)) };
        int64_t left = end - phi_now_boot_ms();
        int n = left > 0 ? poll(&pf, 1, (int)left) : 0;
        if (n == 0)
            on_time(p);
        else if (n > 0)
            on_events(p, 0);
    }
    return got;
}

struct gw_parser_stats gw_parser_stats(const struct gw_parser *pool)
{
    struct gw_parser_stats s = pool->stats;
    s.cached = sql_cache_count(pool->cache);
    return s;
}

bool gw_parser_child(int argc, char **argv, int *ret)
{
    if (argc != 2 || strcmp(argv[1], PARSER_FLAG) != 0)
        return false;
    *ret = 1;
    {
        PHI_BUF(warm, SQL_MAX_REPLY); /* what the library sets up once, it may still use all system calls for */
        parser_pack("SELECT 1", &warm);
    }
    if (parser_confine())
        *ret = parser_serve();
    _exit(*ret); /* no exit handlers: they need more system calls than are left */
}
