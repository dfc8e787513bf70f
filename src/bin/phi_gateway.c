/* phi-gateway: enforcement in front of PostgreSQL. Parses its arguments and configuration and hands over. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logline.h"
#include "base/notify.h"
#include "base/os.h"
#include "base/text.h"
#include "base/yaml.h"
#include "client/enroll.h"
#include "gateway/gateway.h"
#include "gateway/parser.h"
#include "gateway/phid.h"

#define MAX_CONFIG  (64 * 1024)
#define MAX_TARGETS 32
#define MAX_SECRET  4096
#define MAX_PEM     (1024 * 1024) /* a system's whole bundle of CAs */
#define DRAIN_MS    30000

static const char usage[] = "usage: phi-gateway --config FILE [--check-config]\n"
                            "       phi-gateway --config FILE enroll CODE [--again]   writes key "
                            "and certificate to its state folder\n"
                            "       phi-gateway --version\n";

struct config {
    const char *name, *state, *phid[CLIENT_MAX_NODES];
    size_t n_phids;
    int64_t parsers;
    struct gw_target_opts targets[MAX_TARGETS];
    size_t n;
};

struct args {
    const char *config, *command, *code;
    bool check, again, version, help;
};

static int fail(const struct phi_err *err)
{
    fprintf(stderr, "phi-gateway: %s\n", err->msg);
    return 1;
}

/* --- configuration --- */
static const char *text(struct phi_arena *a, const struct phi_json *v, const char *key)
{
    const struct phi_json *found = phi_json_get(v, key);
    return found != NULL && found->kind == PHI_JSON_STR ? phi_arena_str(a, found->str) : NULL;
}

static enum phi_rc need(const struct phi_json *v, const char *what, const char *key,
                        const char *got, struct phi_err *err)
{
    if (got != NULL && got[0] != '\0')
        return PHI_OK;
    return phi_fail(err, PHI_EINPUT, "gateway.yaml:%u: %s needs \"%s\", a text", v->line, what,
                    key);
}

/* What a supervisor hands over is there only when it starts us, and only then is it needed. */
static bool only_in_service(const char *path)
{
    return strncmp(path, "credential:", 11) == 0 && getenv("CREDENTIALS_DIRECTORY") == NULL;
}

static enum phi_rc file_into(struct phi_arena *a, const char *path, bool secret,
                             struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(b, secret ? MAX_SECRET : MAX_PEM);
    if (path == NULL)
        return PHI_OK;
    PHI_TRY(secret ? phi_file_read_secret(path, MAX_SECRET, &b, err)
                   : phi_file_read(path, MAX_PEM, &b, err));
    *ret = phi_arena_copy(a, phi_buf_view(&b));
    if (secret)
        *ret = phi_view_trim(*ret); /* editors end files with a newline */
    phi_buf_wipe(&b);
    return PHI_OK;
}

static enum phi_rc client_tls(struct phi_arena *a, const struct phi_json *v, struct net_tls **ret,
                              struct phi_err *err)
{
    struct net_tls_server_opts o = { 0 };
    const char *cert = text(a, v, "tls_cert"), *key = text(a, v, "tls_key");
    if (cert == NULL && key == NULL)
        return PHI_OK;
    PHI_TRY(need(v, "a target with TLS", "tls_cert", cert, err));
    PHI_TRY(need(v, "a target with TLS", "tls_key", key, err));
    PHI_TRY(file_into(a, cert, false, &o.cert_pem, err));
    PHI_BUF(secret, MAX_PEM);
    PHI_TRY(phi_file_read_secret(key, MAX_PEM, &secret, err));
    o.key_pem = phi_buf_view(&secret);
    enum phi_rc rc = net_tls_server_open(&o, ret, err);
    phi_buf_wipe(&secret);
    return rc;
}

/* Plain connections of clients only from this machine. */
static enum phi_rc listen_check(const struct phi_json *v, const struct gw_target_opts *o,
                                struct phi_err *err)
{
    struct net_hostport hp;
    if (o->client_tls != NULL || strncmp(o->listen, "unix:", 5) == 0)
        return PHI_OK;
    PHI_TRY(net_hostport_read(o->listen, &hp, err));
    if (net_host_is_loopback(hp.host))
        return PHI_OK;
    return phi_fail(err, PHI_EINPUT,
                    "gateway.yaml:%u: target %s listens on %s without tls_cert and tls_key",
                    v->line, o->name, o->listen);
}

/* role: fixed (that of `connect`), or session, with member_of: the roles whose rights it has */
static enum phi_rc role_read(struct phi_arena *a, const struct phi_json *v, struct gw_target_opts *o,
                             struct phi_err *err)
{
    const char *role = text(a, v, "role");
    o->member_of = text(a, v, "member_of");
    o->session_roles = role != NULL && strcmp(role, "session") == 0;
    if (role != NULL && !o->session_roles && strcmp(role, "fixed") != 0)
        return phi_fail(err, PHI_EINPUT, "gateway.yaml:%u: role is fixed or session", v->line);
    if (o->member_of != NULL && !o->session_roles)
        return phi_fail(err, PHI_EINPUT, "gateway.yaml:%u: member_of is for \"role: session\"", v->line);
    if (o->member_of != NULL && !gw_target_roles_ok(o->member_of))
        return phi_fail(err, PHI_EINPUT, "gateway.yaml:%u: member_of is a list of plain role names, separated by commas", v->line);
    return PHI_OK;
}

static enum phi_rc target_read(struct phi_arena *a, const struct phi_json *v, bool serving,
                               struct gw_target_opts *o, struct phi_err *err)
{
    static const char *const keys[] = { "name",     "listen",  "connect", "password_file", "ca_file",
                                        "tls_cert", "tls_key", "hold",    "search_path",   "role",    "member_of",     NULL };
    if (v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "gateway.yaml:%u: a target is an object", v->line);
    PHI_TRY(phi_json_only(v, keys, err));
    o->name = text(a, v, "name");
    o->listen = text(a, v, "listen");
    o->search_path = text(a, v, "search_path");
    const char *hold = text(a, v, "hold");
    PHI_TRY(need(v, "a target", "name", o->name, err));
    PHI_TRY(need(v, "a target", "listen", o->listen, err));
    PHI_TRY(need(v, "a target", "connect", text(a, v, "connect"), err));
    PHI_TRY(gw_conninfo_read(a, phi_json_text(v, "connect"), o, err));
    const char *password = text(a, v, "password_file");
    if (serving || password == NULL || !only_in_service(password))
        PHI_TRY(file_into(a, password, true, &o->password, err));
    PHI_TRY(file_into(a, text(a, v, "ca_file"), false, &o->ca_pem, err));
    if (hold != NULL && !phi_text_duration_read(phi_view_of(hold), &o->hold_ms))
        return phi_fail(err, PHI_EINPUT, "gateway.yaml:%u: hold is like 5m or 30s", v->line);
    PHI_TRY(client_tls(a, v, &o->client_tls, err));
    PHI_TRY(role_read(a, v, o, err));
    return listen_check(v, o, err);
}

/* phid: URL, or a list of them */
static enum phi_rc phids_read(struct phi_arena *a, const struct phi_json *v, struct config *ret,
                              struct phi_err *err)
{
    const struct phi_json *list = phi_json_get(v, "phid");
    bool one = list == NULL || list->kind != PHI_JSON_ARR;
    size_t n = one ? 1 : list->n;
    if (n == 0 || n > CLIENT_MAX_NODES)
        return phi_fail(err, PHI_EINPUT, "gateway.yaml: \"phid\" is a URL or a list of 1 to %d",
                        CLIENT_MAX_NODES);
    for (; ret->n_phids < n; ret->n_phids++) {
        const struct phi_json *url = one ? list : phi_json_at(list, ret->n_phids);
        const char *text = url != NULL && url->kind == PHI_JSON_STR ? phi_arena_str(a, url->str) : NULL;
        PHI_TRY(need(v, "the file", "phid", text, err));
        ret->phid[ret->n_phids] = text;
    }
    return PHI_OK;
}

static enum phi_rc config_read(struct phi_arena *a, const char *path, bool serving, struct config *ret,
                               struct phi_err *err)
{
    static const char *const keys[] = { "name", "phid", "state", "targets", "parsers", NULL };
    const struct phi_json *v = NULL;
    PHI_BUF(b, MAX_CONFIG);
    PHI_TRY(phi_file_read(path, MAX_CONFIG, &b, err));
    PHI_TRY(phi_yaml_read(a, phi_arena_copy(a, phi_buf_view(&b)), "gateway.yaml", &v, err));
    PHI_TRY(phi_json_only(v, keys, err));
    *ret = (struct config){
        .name = text(a, v, "name"), .state = text(a, v, "state")};
    ret->parsers = phi_json_num(v, "parsers", 2);
    PHI_TRY(phids_read(a, v, ret, err));
    PHI_TRY(need(v, "the file", "state", ret->state, err));
    const struct phi_json *targets = phi_json_get(v, "targets");
    if (targets == NULL || targets->kind != PHI_JSON_ARR || targets->n == 0 ||
        targets->n > MAX_TARGETS)
        return phi_fail(err, PHI_EINPUT, "gateway.yaml: \"targets\" is a list of 1 to %d targets",
                        MAX_TARGETS);
    if (ret->parsers < 1 || ret->parsers > 8)
        return phi_fail(err, PHI_EINPUT, "gateway.yaml: \"parsers\" is 1 to 8");
    for (size_t i = 0; i < targets->n; i++, ret->n++)
        PHI_TRY(target_read(a, phi_json_at(targets, i), serving, &ret->targets[i], err));
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "gateway.yaml: too large");
}

/* --- running --- */
struct running {
    struct net_loop *loop;
    struct gw_gateway *gw;
    struct gw_link *link;
    struct net_signal *term, *interrupt;
    struct net_timer *flush, *beats;
    int flushes;
};

static void flush_tick(void *ctx)
{
    struct running *r = ctx;
    if ((gw_link_idle(r->link) && gw_settled(r->gw)) || ++r->flushes > 50)
        net_loop_stop(r->loop);
}

/* Sessions are gone; outcomes and records may still wait for phid. */
static void drained(void *ctx)
{
    struct running *r = ctx;
    r->flush = net_timer_open(r->loop, flush_tick, r);
    if (r->flush != NULL)
        net_timer_set(r->flush, 0, 100);
    else
        net_loop_stop(r->loop);
}

static void on_signal(void *ctx)
{
    struct running *r = ctx;
    PHI_LOG(INFO, "draining", NULL, " ");
    phi_notify("STOPPING=1");
    gw_drain(r->gw, DRAIN_MS, drained, r);
}

/* From the loop that relays: while it turns, sessions move. */
static void beat(void *ctx)
{
    (void)ctx;
    phi_notify("WATCHDOG=1");
}

static enum phi_rc beat_open(struct running *r, struct phi_err *err)
{
    int64_t every = phi_notify_every_ms();
    if (every == 0)
        return PHI_OK;
    r->beats = net_timer_open(r->loop, beat, r);
    if (r->beats == NULL)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    net_timer_set(r->beats, every, every);
    return PHI_OK;
}

static enum phi_rc add_target(struct running *r, const struct gw_target_opts *o, struct phi_err *err)
{
    struct gw_target_opts with = *o;
    with.gateway = gw_link_name(r->link);
    return gw_add_target(r->gw, &with, err);
}

static enum phi_rc start(struct running *r, const struct config *c, struct phi_err *err)
{
    PHI_TRY(net_loop_open(&r->loop, err));
    PHI_TRY(gw_open(r->loop, NULL, (unsigned)c->parsers, &r->gw, err));
    PHI_TRY(gw_link_open(r->loop, c->phid, c->n_phids, c->state, r->gw, &r->link, err));
    struct gw_phid port = gw_link_port(r->link);
    gw_set_phid(r->gw, &port);
    for (size_t i = 0; i < c->n; i++)
        PHI_TRY(add_target(r, &c->targets[i], err));
    PHI_TRY(beat_open(r, err));
    PHI_TRY(net_signal_open(r->loop, SIGTERM, on_signal, r, &r->term, err));
    return net_signal_open(r->loop, SIGINT, on_signal, r, &r->interrupt, err);
}

static int serve(const struct config *c)
{
    struct running r = { 0 };
    struct phi_err err = { 0 };
    enum phi_rc rc = start(&r, c, &err);
    if (rc == PHI_OK) {
        PHI_LOG(INFO, "ready", "targets", "%zu", c->n);
        phi_notify("READY=1");
        net_loop_run(r.loop);
    }
    net_timer_close(r.flush);
    net_timer_close(r.beats);
    net_signal_close(r.term);
    net_signal_close(r.interrupt);
    gw_close(r.gw);
    gw_link_close(r.link);
    net_loop_close(r.loop);
    return rc == PHI_OK ? 0 : fail(&err);
}

static int enroll(const struct config *c, const struct args *a)
{
    struct net_loop *loop = NULL;
    struct phi_err err = { 0 };
    enum phi_rc rc = net_loop_open(&loop, &err);
    for (size_t i = 0; i < c->n_phids && rc == (i == 0 ? PHI_OK : PHI_EIO); i++)
        rc = client_enroll(loop, c->phid[i], a->code, c->state, a->again, &err);
    net_loop_close(loop);
    if (rc != PHI_OK)
        return fail(&err);
    printf("enrolled; key and certificate are in %s\n", c->state);
    return 0;
}

static bool args_read(int argc, char **argv, struct args *a)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            a->config = argv[++i];
        else if (strcmp(argv[i], "--check-config") == 0)
            a->check = true;
        else if (strcmp(argv[i], "--again") == 0)
            a->again = true;
        else if (strcmp(argv[i], "--version") == 0)
            a->version = true;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            a->help = true;
        else if (argv[i][0] != '-' && a->command == NULL)
            a->command = argv[i];
        else if (a->command != NULL && a->code == NULL)
            a->code = argv[i]; /* may begin with '-': it is base64url */
        else
            return false;
    }
    bool enrolling = a->command != NULL && strcmp(a->command, "enroll") == 0 && a->code != NULL;
    return a->version || a->help || (a->config != NULL && (a->command == NULL || enrolling));
}

int main(int argc, char **argv)
{
    int rc = 0;
    struct args a = { 0 };
    static struct config config;
    struct phi_err err = { 0 };
    PHI_ARENA(mem, 4 * 1024 * 1024);
    if (gw_parser_child(argc, argv, &rc))
        return rc;
    if (!args_read(argc, argv, &a)) {
        fputs(usage, stderr);
        return 2;
    }
    if (a.help || a.version) {
        fputs(a.help ? usage : "phi-gateway " PHI_VERSION "\n", stdout);
        return 0;
    }
    phi_log_setup("phi-gateway", PHI_LOG_INFO);
    phi_no_core();
    if (config_read(&mem, a.config, a.command == NULL && !a.check, &config, &err) != PHI_OK)
        return fail(&err);
    if (a.check) {
        puts("gateway.yaml is well formed");
        return 0;
    }
    return a.command != NULL ? enroll(&config, &a) : serve(&config);
}
