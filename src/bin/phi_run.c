/* run: asks, waits, and runs a command with what the grant gives; the command ends when the grant does.
 * One loop: phid's events, a clock and the command's end each make it look. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "base/text.h"
#include "bin/phi_place.h"

enum { TICK_MS = 1000, PLAIN_EVERY_MS = 60000, AGAIN_MS = 1000, GRACE_MS = 10000, EXEC_FAILED = 127 };

struct run {
    struct cli *c;
    struct phi_view request, grant; /* ids; empty: none was needed */
    struct net_http_stream *stream;
    struct net_timer *tick, *again;
    struct net_signal *child, *term, *hangup, *interrupt;
    bool look, late, signalled; /* phid knows something; nobody decided in time; we shall end */
    int64_t began_ms, said_ms, limit_ms, ends_ms, kill_ms; /* CLOCK_BOOTTIME; 0: none */
    char code[32], who[512];
    pid_t pid;
    int status;       /* of the command, from waitpid */
    bool over, ended; /* the command; the grant */
    char file[1024];  /* to be removed; "": none */
};

/* ---- what phid says ---- */

static void wake(struct run *r)
{
    net_loop_stop(r->c->loop);
}

static void opened(void *ctx) /* what happened before is asked for once */
{
    struct run *r = ctx;
    r->look = true;
    wake(r);
}

static void event(struct phi_view id, struct phi_view kind, struct phi_view data, void *ctx)
{
    struct run *r = ctx;
    (void)id, (void)data;
    if (!phi_view_is(kind, "request") && !phi_view_is(kind, "grant"))
        return;
    r->look = true;
    wake(r);
}

static void closed(int status, const struct phi_err *why, void *ctx)
{
    struct run *r = ctx;
    (void)status, (void)why;
    r->stream = NULL;
    net_timer_set(r->again, AGAIN_MS, 0);
}

static void open_stream(void *ctx)
{
    static const struct net_http_stream_events events = { opened, event, closed };
    struct run *r = ctx;
    r->stream = client_events(r->c->client, NULL, &events, r, NULL);
    if (!r->stream)
        net_timer_set(r->again, AGAIN_MS, 0);
}

/* The request as it is now; false: phid did not say. */
static bool look(struct run *r, struct client_reply *reply)
{
    PHI_BUF(path, 256);
    struct phi_err err;
    phi_buf_adds(&path, "/v1/requests/");
    client_path_add(&path, r->request);
    r->look = false; /* before asking: what happens meanwhile asks again */
    return client_call_wait(r->c->client, &r->c->arena, "GET", phi_buf_str(&path), (struct phi_view){ 0 }, reply, &err) == PHI_OK;
}

/* ---- progress, on standard error ---- */

static void progress(struct run *r)
{
    int64_t now = phi_now_boot_ms();
    bool tty = isatty(2), first = r->said_ms == 0;
    PHI_BUF(b, 1024);
    if (!tty && !first && now - r->said_ms < PLAIN_EVERY_MS)
        return;
    r->said_ms = now;
    phi_buf_printf(&b, "%sphi: %s waits for %s", tty ? "\r\033[K" : "", r->code, r->who);
    if (!first) {
        phi_buf_adds(&b, ", for ");
        phi_text_duration(&b, now - r->began_ms);
    }
    phi_buf_adds(&b, tty ? "" : "\n");
    fputs(phi_buf_str(&b), stderr);
}

static void progress_over(const struct run *r)
{
    if (isatty(2) && r->said_ms)
        fputs("\r\033[K", stderr);
}

static void read_needs(struct run *r, const struct phi_json *v)
{
    const struct phi_json *need = phi_json_at(phi_json_at(phi_json_get(v, "needs"), 0), 0);
    struct phi_view names = cli_names(r->c, phi_json_get(need, "who"));
    PHI_BUF(b, sizeof r->who - 1);
    PHI_BUF(code, sizeof r->code - 1);
    phi_text_escape(&code, phi_json_text(v, "code"), false);
    phi_text_escape(&b, need ? phi_json_text(need, "requirement") : PHI_LIT("a decision"), false);
    if (names.n) {
        phi_buf_adds(&b, " (");
        phi_text_escape(&b, phi_view_upto(names, 300), false);
        phi_buf_adds(&b, ")");
    }
    snprintf(r->code, sizeof r->code, "%s", phi_buf_str(&code));
    snprintf(r->who, sizeof r->who, "%s", phi_buf_str(&b));
}

/* ---- the clock and the signals ---- */

static void end_command(struct run *r, int with)
{
    if (r->pid <= 0 || r->over)
        return;
    if (kill(-r->pid, with)) /* its group, where it has one */
        kill(r->pid, with);
    if (!r->kill_ms)
        r->kill_ms = phi_now_boot_ms() + GRACE_MS;
}

static void grant_over(struct run *r, const char *why)
{
    if (r->ended || r->over)
        return;
    r->ended = true;
    fprintf(stderr, "phi: the grant %s; the command is told to end\n", why);
    end_command(r, SIGTERM);
}

static void on_tick(void *ctx)
{
    struct run *r = ctx;
    int64_t now = phi_now_boot_ms();
    if (!r->pid && r->limit_ms && now >= r->limit_ms) {
        r->late = true;
        wake(r);
    }
    if (!r->pid && r->code[0])
        progress(r);
    if (r->pid && r->ends_ms && now >= r->ends_ms)
        grant_over(r, "has run out");
    if (r->pid && !r->over && r->kill_ms && now >= r->kill_ms && kill(-r->pid, SIGKILL))
        kill(r->pid, SIGKILL);
}

static void on_child(void *ctx)
{
    struct run *r = ctx;
    if (r->pid > 0 && !r->over && waitpid(r->pid, &r->status, WNOHANG) == r->pid) {
        r->over = true;
        wake(r);
    }
}

static void stop(struct run *r, int with)
{
    end_command(r, with);
    if (!r->pid) {
        r->signalled = true;
        wake(r);
    }
}

static void on_term(void *ctx)
{
    stop(ctx, SIGTERM);
}

static void on_hangup(void *ctx)
{
    stop(ctx, SIGHUP);
}

/* From a terminal the command gets it by itself, and decides; without one it is for us alone. */
static void on_interrupt(void *ctx)
{
    struct run *r = ctx;
    if (!r->pid)
        stop(r, SIGINT);
    else if (!isatty(0))
        end_command(r, SIGINT);
}

static enum phi_rc open_all(struct run *r, struct phi_err *err)
{
    struct net_loop *l = r->c->loop;
    r->began_ms = phi_now_boot_ms();
    r->tick = net_timer_open(l, on_tick, r);
    r->again = net_timer_open(l, open_stream, r);
    if (!r->tick || !r->again)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(net_signal_open(l, SIGCHLD, on_child, r, &r->child, err));
    PHI_TRY(net_signal_open(l, SIGTERM, on_term, r, &r->term, err));
    PHI_TRY(net_signal_open(l, SIGHUP, on_hangup, r, &r->hangup, err));
    PHI_TRY(net_signal_open(l, SIGINT, on_interrupt, r, &r->interrupt, err));
    net_timer_set(r->tick, TICK_MS, TICK_MS);
    return PHI_OK;
}

static void close_all(struct run *r)
{
    net_http_stream_close(r->stream);
    net_timer_close(r->tick);
    net_timer_close(r->again);
    net_signal_close(r->child);
    net_signal_close(r->term);
    net_signal_close(r->hangup);
    net_signal_close(r->interrupt);
    if (r->file[0])
        unlink(r->file);
}

/* ---- asking ---- */

static struct phi_view kept(struct run *r, struct phi_view v)
{
    return phi_arena_copy(&r->c->arena, v);
}

static void take_grant(struct run *r, const struct phi_json *g, int64_t sent_ms)
{
    r->grant = kept(r, phi_json_text(g, "id"));
    r->request = kept(r, phi_json_text(g, "request"));
    int64_t left = phi_json_num(g, "remaining_ms", 0);
    r->ends_ms = r->grant.n ? sent_ms + left : 0;
}

static int decided(struct run *r, const struct client_reply *reply)
{
    int rc = cli_request_status(reply->json);
    PHI_BUF(why, 1024);
    progress_over(r);
    if (rc == CLI_DONE) {
        take_grant(r, phi_json_get(reply->json, "grant"), reply->sent_boot_ms);
        return CLI_DONE;
    }
    phi_text_escape(&why, phi_json_text(reply->json, "reason"), false);
    fprintf(stderr, "phi: %s is " PHI_FMT "%s%s\n", r->code, PHI_ARG(phi_json_text(reply->json, "status")),
            why.n ? ": " : "", phi_buf_str(&why));
    return rc;
}

static int await(struct run *r)
{
    struct client_reply reply = { 0 };
    open_stream(r);
    progress(r);
    for (;;) {
        if (!r->look && !r->late && !r->signalled)
            net_loop_run(r->c->loop);
        if (r->look && look(r, &reply) && cli_request_status(reply.json) != CLI_PENDING)
            return decided(r, &reply);
        if (!r->late && !r->signalled)
            continue;
        progress_over(r);
        fprintf(stderr, "phi: %s still waits for %s\n", r->code, r->who);
        return CLI_PENDING;
    }
}

static int ask(struct run *r)
{
    struct cli *c = r->c;
    struct client_reply reply;
    PHI_BUF(body, 64 * 1024);
    int rc = cli_request_body(c, &body);
    if (rc || (rc = cli_call(c, "POST", "/v1/requests", &body, &reply)))
        return rc;
    struct phi_view verdict = phi_json_text(reply.json, "verdict");
    if (phi_view_is(verdict, "allow"))
        return CLI_DONE;
    if (phi_view_is(verdict, "grant")) {
        take_grant(r, phi_json_get(reply.json, "grant"), reply.sent_boot_ms);
        open_stream(r);
        return CLI_DONE;
    }
    r->request = kept(r, phi_json_text(reply.json, "id"));
    read_needs(r, reply.json);
    return await(r);
}

/* ---- the command ---- */

static int write_file(struct run *r, const char *path, const struct cli_place *p)
{
    PHI_BUF(url, 4096);
    cli_place_url(&url, p, false);
    phi_buf_addc(&url, '\n');
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && phi_buf_ok(&url) && write(fd, url.p, url.n) == (ssize_t)url.n;
    int why = errno;
    phi_buf_wipe(&url);
    if (fd >= 0) {
        close(fd);
        snprintf(r->file, sizeof r->file, "%s", path);
    }
    if (!ok)
        fprintf(stderr, "phi: %s: %s\n", path, strerror(why));
    return ok ? CLI_DONE : CLI_ERROR;
}

static void set_place(const struct cli_place *p, const char *file)
{
    static const char *const all[] = { "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGPASSWORD", "DATABASE_URL", "PGREQUIREAUTH" };
    PHI_BUF(url, 4096);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        unsetenv(all[i]);
    setenv("PGHOST", p->host, 1);
    setenv("PGPORT", p->port, 1);
    setenv("PGDATABASE", p->database, 1);
    setenv("PGUSER", p->user, 1);
    if (file) {
        setenv("DATABASE_URL_FILE", file, 1);
        return;
    }
    char *password = strndup((const char *)p->password.p, p->password.n);
    cli_place_url(&url, p, false);
    setenv("DATABASE_URL", phi_buf_str(&url), 1);
    setenv("PGPASSWORD", password ? password : "", 1);
    phi_buf_wipe(&url);
    free(password);
}

/* Without a terminal it leads a group of its own, so that its children hear the end too. */
static int start(struct run *r)
{
    bool group = !isatty(0);
    fflush(NULL);
    r->pid = fork();
    if (r->pid < 0) {
        fprintf(stderr, "phi: cannot start a process: %s\n", strerror(errno));
        r->pid = 0;
        return CLI_ERROR;
    }
    if (r->pid > 0)
        return CLI_DONE;
    if (group)
        setpgid(0, 0);
    execvp(r->c->rest[0], r->c->rest);
    fprintf(stderr, "phi: %s: %s\n", r->c->rest[0], strerror(errno));
    _exit(errno == ENOENT ? EXEC_FAILED : EXEC_FAILED - 1);
}

static void check_grant(struct run *r)
{
    struct client_reply reply;
    if (!look(r, &reply))
        return;
    const struct phi_json *g = phi_json_get(reply.json, "grant");
    struct phi_view status = phi_json_text(g, "status");
    int64_t ends = reply.sent_boot_ms + phi_json_num(g, "remaining_ms", 0);
    if (!phi_view_eq(phi_json_text(g, "id"), r->grant))
        return;
    if (phi_view_is(status, "revoked"))
        grant_over(r, "was revoked");
    else if (phi_view_is(status, "expired"))
        grant_over(r, "has run out");
    else if (!phi_view_is(status, "used") && ends < r->ends_ms)
        r->ends_ms = ends;
}

static int wait_command(struct run *r)
{
    while (!r->over) {
        if (!r->look || !r->grant.n)
            net_loop_run(r->c->loop);
        if (r->look && r->grant.n && !r->over)
            check_grant(r);
    }
    if (r->ended)
        return CLI_EXPIRED;
    return WIFEXITED(r->status) ? WEXITSTATUS(r->status) : 128 + WTERMSIG(r->status);
}

/* What is left of the right is nobody's business any more. It may be over already, which is as good. */
static void give_back(struct run *r)
{
    struct client_reply reply;
    struct phi_err err;
    PHI_BUF(path, 256);
    if (!r->grant.n || r->ended)
        return;
    phi_buf_adds(&path, "/v1/grants/");
    client_path_add(&path, r->grant);
    phi_buf_adds(&path, "/return");
    if (client_call_wait(r->c->client, &r->c->arena, "POST", phi_buf_str(&path), PHI_LIT("{}"), &reply, &err) != PHI_OK && !reply.status)
        fprintf(stderr, "phi: the grant could not be given back (%s); it ends by itself\n", err.msg);
}

static int with_place(struct run *r)
{
    struct cli *c = r->c;
    struct cli_place p = { 0 };
    struct client_reply reply;
    const char *file = cli_opt(c, OPT_FILE);
    struct phi_view target = cli_request_target(c);
    char name[256];
    snprintf(name, sizeof name, PHI_FMT, PHI_ARG(phi_view_upto(target, sizeof name - 1)));
    int rc = cli_place_get(c, name, &p, &reply);
    if (!rc && file)
        rc = write_file(r, file, &p);
    if (!rc)
        set_place(&p, file);
    if (!rc)
        rc = start(r);
    if (!rc)
        rc = wait_command(r);
    give_back(r);
    return rc;
}

static int usage(struct cli *c, struct run *r)
{
    const char *file = cli_opt(c, OPT_FILE), *limit = cli_opt(c, OPT_TIMEOUT);
    int64_t ms = 0;
    if (!c->rest || !c->rest[0])
        return cli_usage(c, "which command? Put it behind --", NULL);
    if (!cli_request_target(c).n)
        return cli_usage(c, "which target? Name it, or a resource of it", NULL);
    if (file && (!file[0] || strlen(file) >= sizeof r->file))
        return cli_usage(c, "--file takes the path of a file that is not there yet", NULL);
    if (limit && !phi_text_duration_read(phi_view_of(limit), &ms))
        return cli_usage(c, "--timeout is like 10m or 30s, not ", limit);
    r->limit_ms = limit ? phi_now_boot_ms() + ms : 0;
    return CLI_DONE;
}

int cli_do_run(struct cli *c)
{
    struct run r = { .c = c };
    struct phi_err err = { 0 };
    for (int i = 0; i < c->n_opt[OPT_SCOPE] && c->n_args < CLI_ARGS_MAX; i++)
        c->arg[c->n_args++] = c->opt[OPT_SCOPE][i]; /* another way to name an action */
    int rc = usage(c, &r);
    if (rc || (rc = cli_open(c)))
        return rc;
    if (open_all(&r, &err) != PHI_OK)
        rc = cli_err(&err);
    if (!rc && c->n_args)
        rc = ask(&r);
    if (!rc)
        rc = with_place(&r);
    close_all(&r);
    return rc;
}
