/* Signing in through the browser: a loopback redirect where there is a screen (RFC 8252), else a code that is typed into a
 * browser anywhere (RFC 8628). Both end at POST /v1/token. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/id.h"
#include "base/os.h"
#include "base/text.h"
#include "bin/phi.h"
#include "net/http.h"

#define WAIT_MS (10 * 60 * 1000)

static const char done_page[] = "<!doctype html><meta charset=\"utf-8\"><title>phi</title><p>You can close this page and go back to the terminal.</p>\n";

static void field(struct phi_buf *b, const char *name, struct phi_view value)
{
    phi_buf_printf(b, "%s%s=", b->n ? "&" : "", name);
    client_path_add(b, value);
}

static struct phi_view machine(struct cli *c)
{
    char host[128] = "";
    const char *user = getenv("USER");
    if (gethostname(host, sizeof host - 1))
        host[0] = 0;
    return phi_arena_printf(&c->arena, "phi on %s%s%s", host[0] ? host : "a machine", user && user[0] ? ", user " : "", user ? user : "");
}

/* Without a word: the caller looks at what came. */
static enum phi_rc post(struct cli *c, const char *path, struct phi_buf *form, struct client_reply *r, struct phi_err *err)
{
    *r = (struct client_reply){ 0 };
    if (!phi_buf_ok(form))
        return phi_fail(err, PHI_ELIMIT, "that is too long to send");
    enum phi_rc rc = client_call_wait(c->client, &c->arena, "POST", path, phi_buf_view(form), r, err);
    phi_buf_wipe(form);
    return rc;
}

static int signed_in(struct cli *c, const struct client_reply *r)
{
    struct phi_err err = { 0 };
    struct client_reply who;
    struct phi_view token = phi_json_text(r->json, "access_token");
    if (cli_session_keep(c, token, &err) != PHI_OK)
        return cli_err(&err);
    char *secret = phi_arena_str(&c->arena, token);
    if (c->server)
        net_http_close(c->server);
    c->server = NULL;
    client_close(c->client);
    net_loop_close(c->loop);
    c->client = NULL;
    c->loop = NULL;
    int rc = cli_open_at(c, c->origin, secret);
    phi_wipe(secret, strlen(secret));
    if (rc || (rc = cli_call(c, "GET", "/v1/whoami", NULL, &who)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, phi_json_get(who.json, "person"));
        return CLI_DONE;
    }
    cli_put(c, "Signed in as ");
    cli_esc(c, phi_json_text(phi_json_get(who.json, "person"), "name"));
    cli_put(c, " for ");
    cli_ms(c, phi_json_num(r->json, "expires_in", 0) * 1000);
    cli_put(c, ".\n");
    return CLI_DONE;
}

static int refused(struct cli *c, const struct client_reply *r, const struct phi_err *err)
{
    struct phi_err e = *err;
    struct phi_view why = phi_json_text(r->json, "error_description");
    if (!r->status)
        return cli_fail(c, r);
    if (why.n)
        phi_fail(&e, PHI_EDENIED, PHI_FMT, PHI_ARG(phi_view_upto(why, 200)));
    return cli_err(&e);
}

/* ---- a code typed elsewhere ---- */

struct pause {
    struct net_loop *loop;
};

static void over(void *ctx)
{
    net_loop_stop(((struct pause *)ctx)->loop);
}

static void wait_ms(struct cli *c, int64_t ms)
{
    struct pause p = { c->loop };
    struct net_timer *t = net_timer_open(c->loop, over, &p);
    if (!t)
        return;
    net_timer_set(t, ms, 0);
    net_loop_run(c->loop);
    net_timer_close(t);
}

static int device_poll(struct cli *c, struct phi_view code, int64_t interval_ms)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    int64_t end = phi_now_boot_ms() + WAIT_MS;
    while (phi_now_boot_ms() < end) {
        PHI_BUF(form, 4096);
        wait_ms(c, interval_ms);
        field(&form, "grant_type", PHI_LIT("urn:ietf:params:oauth:grant-type:device_code"));
        field(&form, "device_code", code);
        if (post(c, "/v1/token", &form, &r, &err) == PHI_OK)
            return signed_in(c, &r);
        if (!phi_view_is(phi_json_text(r.json, "error"), "authorization_pending"))
            return refused(c, &r, &err);
    }
    fputs("phi: nobody confirmed it in time\n", stderr);
    return CLI_EXPIRED;
}

static int device(struct cli *c)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    PHI_BUF(form, 4096);
    PHI_BUF(shown, 4096);
    field(&form, "client_name", machine(c));
    if (post(c, "/v1/device", &form, &r, &err) != PHI_OK)
        return refused(c, &r, &err);
    phi_text_escape(&shown, phi_json_text(r.json, "verification_uri"), false);
    fprintf(stderr, "Open %s in a browser where you are signed in, and type ", phi_buf_str(&shown));
    phi_buf_clear(&shown);
    phi_text_escape(&shown, phi_json_text(r.json, "user_code"), false);
    fprintf(stderr, "%s\nWaiting …\n", phi_buf_str(&shown));
    const char *fast = getenv("PHI_LOGIN_POLL_MS"); /* for tests */
    int64_t ms = phi_json_num(r.json, "interval", 5) * 1000, asked;
    if (fast && phi_view_int(phi_view_of(fast), &asked) && asked >= 50)
        ms = asked;
    return device_poll(c, phi_arena_copy(&c->arena, phi_json_text(r.json, "device_code")), ms < 50 ? 5000 : ms);
}

/* ---- loopback ---- */

struct loopback {
    struct cli *c;
    char state[PHI_TOKEN_LEN + 1];
    struct phi_view code;
    bool refused, late;
};

static void random_text(char ret[PHI_TOKEN_LEN + 1])
{
    uint8_t bits[32];
    PHI_BUF(b, PHI_TOKEN_LEN + 1);
    phi_random(bits, sizeof bits);
    phi_b64u_add(&b, phi_view_mem(bits, sizeof bits));
    memcpy(ret, phi_buf_str(&b), PHI_TOKEN_LEN + 1);
}

static void on_request(struct net_http_req *r, void *ctx)
{
    struct loopback *l = ctx;
    struct phi_view state = { 0 }, code = { 0 };
    bool ours = phi_view_is(net_http_path(r), "/") && phi_view_is(net_http_method(r), "GET") && net_http_param(r, "state", &state) &&
                phi_secret_eq(state, phi_view_of(l->state));
    if (!ours) { /* anybody on this machine may ask */
        net_http_reply(r, 404, NULL, (struct phi_view){ 0 });
        return;
    }
    if (net_http_param(r, "code", &code))
        l->code = phi_arena_copy(&l->c->arena, code);
    else
        l->refused = true;
    net_http_set(r, "Connection", "close");
    net_http_reply(r, 200, "text/html; charset=utf-8", phi_view_of(done_page));
    net_loop_stop(l->c->loop);
}

static void late(void *ctx)
{
    struct loopback *l = ctx;
    l->late = true;
    net_loop_stop(l->c->loop);
}

static void browser_open(const char *url)
{
    pid_t pid = fork();
    if (pid != 0)
        return;
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
    }
    setsid();
    execlp("xdg-open", "xdg-open", url, (char *)NULL);
    _exit(127);
}

static void challenge_add(struct phi_buf *b, const char *verifier)
{
    struct phi_digest d = phi_sha256(phi_view_of(verifier));
    phi_b64u_add(b, phi_digest_view(&d));
}

static int code_use(struct cli *c, const struct loopback *l, const char *verifier, int port)
{
    struct client_reply r;
    struct phi_err err = { 0 };
    PHI_BUF(form, 4096);
    PHI_BUF(uri, 64);
    phi_buf_printf(&uri, "http://127.0.0.1:%d/", port);
    field(&form, "grant_type", PHI_LIT("authorization_code"));
    field(&form, "code", l->code);
    field(&form, "code_verifier", phi_view_of(verifier));
    field(&form, "redirect_uri", phi_buf_view(&uri));
    return post(c, "/v1/token", &form, &r, &err) == PHI_OK ? signed_in(c, &r) : refused(c, &r, &err);
}

static int loopback_wait(struct cli *c, struct loopback *l, struct net_http_server *srv, const char *verifier)
{
    PHI_BUF(url, 4096);
    PHI_BUF(challenge, 64);
    struct net_timer *t = net_timer_open(c->loop, late, l);
    int port = net_http_port(srv);
    challenge_add(&challenge, verifier);
    phi_buf_printf(&url, "%s/authorize?port=%d&state=%s&challenge=" PHI_FMT "&note=", c->origin, port, l->state, PHI_ARG(phi_buf_view(&challenge)));
    client_path_add(&url, machine(c));
    fprintf(stderr, "Confirm in the browser; if none opens, go to\n  %s\n", phi_buf_str(&url));
    if (!getenv("PHI_LOGIN_NO_OPEN"))
        browser_open(phi_buf_str(&url));
    if (t)
        net_timer_set(t, WAIT_MS, 0);
    net_loop_run(c->loop);
    net_timer_close(t);
    net_http_drain(srv, NULL, NULL); /* the page goes out while the code is used */
    if (l->late || l->refused) {
        fputs(l->late ? "phi: nobody confirmed it in time\n" : "phi: it was refused in the browser\n", stderr);
        return l->late ? CLI_EXPIRED : CLI_DENIED;
    }
    return code_use(c, l, verifier, port);
}

static int loopback(struct cli *c)
{
    struct loopback l = { .c = c };
    struct phi_err err = { 0 };
    struct net_http_server *srv;
    char verifier[PHI_TOKEN_LEN + 1];
    struct net_http_opts o = { .address = "127.0.0.1:0", .on_request = on_request, .ctx = &l, .max_conns = 16 };
    random_text(l.state);
    random_text(verifier);
    if (net_http_listen(c->loop, &o, &srv, &err) != PHI_OK)
        return cli_err(&err);
    c->server = srv; /* closed before the loop, whoever ends it */
    int rc = loopback_wait(c, &l, srv, verifier);
    phi_wipe(verifier, sizeof verifier);
    return rc;
}

static bool has_screen(void)
{
    const char *x = getenv("DISPLAY"), *w = getenv("WAYLAND_DISPLAY");
    return (x && x[0]) || (w && w[0]) || getenv("PHI_LOGIN_NO_OPEN");
}

/* Without a link: at the server that is named, or the one of last time. */
int cli_login_browser(struct cli *c)
{
    struct phi_err err = { 0 };
    struct client_url u;
    if (c->n_args) {
        if (client_url_read(c->arg[0], false, &u, &err) != PHI_OK)
            return cli_err(&err);
        snprintf(c->origin, sizeof c->origin, "%s", u.origin);
    }
    if (!c->origin[0])
        return cli_usage(c, "which server? Give its URL, or a one-time link", NULL);
    int rc = cli_open_at(c, c->origin, NULL);
    if (rc)
        return rc;
    return cli_has(c, OPT_DEVICE) || !has_screen() ? device(c) : loopback(c);
}
