/* A gateway in front of a real PostgreSQL with a phid that is only pretended, for flow tests of this room: it reads one
 * command a line from standard input and says on standard output what the gateway asked of phid.
 *     usage: gw-fake LISTEN CONNINFO [SEARCH_PATH [CA_FILE [CERT_FILE KEY_FILE]]]
 * alice's credential is "cred", its password "sesame". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "gateway/gateway.h"
#include "gateway/parser.h"
#include "gateway/phid.h"
#include "net/loop.h"

struct client_ask { /* the fake's own: one answer under way */
    struct client_ask *next;
    bool cancelled, is_claim;
    client_answer_fn answer;
    client_claim_fn claim;
    void *ctx;
    struct fake *fake;
    char act[PHI_HEX_LEN + 1], grant[64];
};

struct pending {
    struct pending *next;
    char id[16], act[PHI_HEX_LEN + 1];
};

struct fake {
    struct net_loop *loop;
    struct gw_gateway *gw;
    struct pending *pending;
    char allow[1024], deny[1024], verifier[256];
    bool unreachable, unrecorded, grant_all, used, end_first, lost_first;
    int64_t grant_ms, credential_ms, rows_left, bytes_left;
    uint64_t decided;
    int n_requests, n_claims, n_records;
    char line[512];
    size_t n_line;
};

#define SAY(...) (printf(__VA_ARGS__), fflush(stdout))

static bool fake_signin(void *ctx, struct phi_view name, struct phi_view credential,
                        struct phi_view target, struct gw_signin *ret)
{
    struct fake *f = ctx;
    memset(ret, 0, sizeof *ret);
    snprintf(ret->person, sizeof ret->person, "01900000-0000-7000-8000-000000000001");
    snprintf(ret->credential, sizeof ret->credential, "cred");
    snprintf(ret->name, sizeof ret->name, "alice");
    ret->ends_boot_ms = phi_now_boot_ms() + f->credential_ms;
    return phi_view_is(name, "alice") && phi_view_is(credential, "cred") &&
           phi_view_is(target, "shop") && f->credential_ms > 0 &&
           scram_verifier_read(phi_view_of(f->verifier), &ret->verifier);
}

static bool fake_hurry(void *ctx)
{
    return ((struct fake *)ctx)->unreachable;
}

static bool fake_credential_good(void *ctx, struct phi_view credential)
{
    (void)credential;
    return ((struct fake *)ctx)->credential_ms > 0;
}

static bool listed(const char *list, struct phi_view action)
{
    char word[64];
    snprintf(word, sizeof word, " " PHI_FMT " ", PHI_ARG(action));
    return strstr(list, word) != NULL;
}

static enum phi_verdict fake_decide(void *ctx, const struct gw_try *t, struct phi_buf *reason)
{
    struct fake *f = ctx;
    enum phi_verdict v = PHI_ALLOW;
    for (size_t i = 0; i < t->n; i++) {
        if (listed(f->deny, t->actions[i].action)) {
            phi_buf_printf(reason, PHI_FMT " on " PHI_FMT " is not permitted",
                           PHI_ARG(t->actions[i].action), PHI_ARG(t->actions[i].resource.id));
            return PHI_DENY;
        }
        if (!listed(f->allow, t->actions[i].action))
            v = PHI_NEEDS;
    }
    return v;
}

static bool fake_fresh(void *ctx)
{
    return !((struct fake *)ctx)->unreachable;
}

static uint64_t fake_decided(void *ctx)
{
    struct fake *f = ctx;
    return f->unreachable ? 0 : f->decided;
}

static bool fake_record(void *ctx, struct phi_view person, struct phi_view target,
                        struct phi_view session, struct phi_view actions_json, struct phi_view bytes,
                        struct client_record_at *ret)
{
    struct fake *f = ctx;
    (void)person;
    (void)target;
    (void)session;
    (void)bytes;
    if (f->unrecorded)
        return false;
    if (ret != NULL)
        *ret = (struct client_record_at){ .batch = 1 };
    f->n_records++;
    SAY("record " PHI_FMT "\n", PHI_ARG(actions_json));
    return true;
}

static bool fake_record_again(void *ctx, const struct client_record_at *at, struct phi_view bytes)
{
    struct fake *f = ctx;
    (void)bytes;
    f->n_records++;
    SAY("record again %d\n", (int)at->batch);
    return !f->unrecorded;
}

static bool fake_record_denied(void *ctx, const struct gw_try *t, struct phi_view session,
                               struct phi_view bytes, struct phi_view reason)
{
    struct fake *f = ctx;
    (void)t;
    (void)session;
    (void)bytes;
    if (!f->unrecorded)
        SAY("denied " PHI_FMT "\n", PHI_ARG(reason));
    return !f->unrecorded;
}

static struct pending *find(struct fake *f, const char *act)
{
    for (struct pending *p = f->pending; p != NULL; p = p->next)
        if (strcmp(p->act, act) == 0)
            return p;
    struct pending *p = calloc(1, sizeof *p);
    snprintf(p->id, sizeof p->id, "req%d", ++f->n_requests);
    snprintf(p->act, sizeof p->act, "%s", act);
    p->next = f->pending;
    f->pending = p;
    return p;
}

static void answer_json(struct fake *f, struct client_ask *a, struct client_answer *out,
                        struct phi_arena *mem)
{
    struct phi_view text;
    if (f->grant_all) {
        out->kind = CLIENT_GRANT;
        text = phi_arena_printf(mem, "{\"answer\":\"grant\",\"grant\":{\"id\":\"grant-all\"}}");
    } else {
        struct pending *p = find(f, a->act);
        out->kind = CLIENT_PENDING;
        text = phi_arena_printf(mem,
                                "{\"answer\":\"pending\",\"url\":\"http://localhost:8470/r/"
                                "K7Q-4MX\",\"request\":{\"id\":\"%s\","
                                "\"code\":\"K7Q-4MX\",\"summary\":\"pg:delete on "
                                "shop/public.orders\",\"expires_in_ms\":900000,"
                                "\"needs\":[[{\"requirement\":\"dba\",\"count\":1,\"have\":0,"
                                "\"who\":[\"bob\",\"carol\"]}]]}}",
                                p->id);
        SAY("pending %s\n", p->id);
    }
    phi_json_read(mem, text, 0, "fake", &out->json, NULL);
}

static void reply(void *ctx)
{
    struct client_ask *a = ctx;
    struct fake *f = a->fake;
    PHI_ARENA(mem, 65536);
    if (!a->cancelled && a->is_claim) {
        struct client_claim c = { .kind = CLIENT_ALLOW,
                                  .ends_boot_ms = phi_now_boot_ms() + f->grant_ms,
                                  .rows_left = f->rows_left,
                                  .bytes_left = f->bytes_left };
        snprintf(c.id, sizeof c.id, "claim%d", ++f->n_claims);
        if (f->unreachable || f->used)
            c.kind = CLIENT_DENY;
        c.unreachable = f->unreachable;
        if (f->used)
            snprintf(c.code, sizeof c.code, "grant.used");
        f->used = false;
        snprintf(c.err.msg, sizeof c.err.msg, "claim refused");
        for (int n = 0; f->end_first && n < 1000; n++) { /* it, and many others behind it */
            char grant[32];
            snprintf(grant, sizeof grant, "grant-%d", n);
            gw_on_end(f->gw, 78 + n, phi_view_of(n ? grant : a->grant), PHI_LIT("revoked"));
        }
        if (f->lost_first) {
            gw_on_lost(f->gw, "lease over");
            gw_on_snapshot(f->gw);
        }
        f->end_first = f->lost_first = false;
        SAY("claim %s\n", c.kind == CLIENT_ALLOW ? c.id : "refused");
        a->claim(&c, a->ctx);
    } else if (!a->cancelled) {
        struct client_answer ans = { .kind = CLIENT_DENY, .unreachable = f->unreachable };
        snprintf(ans.err.msg, sizeof ans.err.msg, "connection refused");
        if (!f->unreachable)
            answer_json(f, a, &ans, &mem);
        a->answer(&ans, a->ctx);
    }
    free(a);
}

static struct client_ask *ask(struct fake *f, const struct client_act *act, void *ctx)
{
    struct client_ask *a = calloc(1, sizeof *a);
    *a = (struct client_ask){ .fake = f, .ctx = ctx };
    phi_digest_hex(act->act, a->act);
    net_post(f->loop, reply, a);
    return a;
}

static struct client_ask *fake_request(void *ctx, const struct client_act *act,
                                       client_answer_fn done, void *done_ctx, struct phi_err *err)
{
    struct client_ask *a = ask(ctx, act, done_ctx);
    (void)err;
    a->answer = done;
    SAY("ask hold=%lld " PHI_FMT " " PHI_FMT " " PHI_FMT " " PHI_FMT "\n", (long long)act->hold_ms,
        PHI_ARG(act->actions), PHI_ARG(act->payload), PHI_ARG(act->settings),
        PHI_ARG(act->entities));
    return a;
}

static struct client_ask *fake_claim(void *ctx, struct phi_view grant, const struct client_act *act,
                                     struct client_ahead *ahead, client_claim_fn done, void *done_ctx,
                                     struct phi_err *err)
{
    struct client_ask *a = ask(ctx, act, done_ctx);
    (void)err;
    snprintf(a->grant, sizeof a->grant, PHI_FMT, PHI_ARG(grant));
    (void)ahead;
    a->is_claim = true;
    a->claim = done;
    SAY("statements %lld\n", (long long)act->statements);
    return a;
}

static void fake_cancel(void *ctx, struct client_ask *a)
{
    (void)ctx;
    a->cancelled = true;
}

static void fake_leave(void *ctx, struct phi_view request, struct phi_view waiter)
{
    (void)ctx;
    (void)waiter;
    SAY("leave " PHI_FMT "\n", PHI_ARG(request));
}

static bool fake_outcome(void *ctx, const char *claim, const char *outcome, struct phi_view tag,
                         int64_t rows, int64_t bytes)
{
    struct fake *f = ctx;
    SAY("outcome %s %s " PHI_FMT " %lld", claim, outcome, PHI_ARG(tag), (long long)rows);
    if (f->rows_left >= 0 || f->bytes_left >= 0)
        SAY(" %lld", (long long)bytes);
    SAY("\n");
    return true;
}

static void fake_ack(void *ctx, int64_t seq)
{
    (void)ctx;
    SAY("ack %lld\n", (long long)seq);
}

static void decided(struct fake *f, const char *status, const char *reason)
{
    struct pending *all = f->pending, *next;
    f->pending = NULL;
    for (; all != NULL; all = next) {
        PHI_ARENA(mem, 65536);
        const struct phi_json *ev = NULL;
        next = all->next;
        struct phi_view text =
            phi_arena_printf(&mem,
                             "{\"id\":\"%s\",\"status\":\"%s\",\"grant\":{\"id\":\"grant-%s\"},"
                             "\"denied_by\":\"bob\",\"reason\":\"%s\",\"code\":\"K7Q-4MX\"}",
                             all->id, status, all->id, reason);
        phi_json_read(&mem, text, 0, "fake", &ev, NULL);
        gw_on_request(f->gw, ev);
        free(all);
    }
}

static void end_grants(struct fake *f, const char *grant)
{
    gw_on_end(f->gw, 77, phi_view_of(grant), PHI_LIT("revoked"));
}

static void command(struct fake *f, char *line)
{
    char *arg = strchr(line, ' ');
    f->decided++;
    if (arg != NULL)
        *arg++ = '\0';
    else
        arg = line + strlen(line);
    if (strcmp(line, "approve") == 0)
        decided(f, "approved", "");
    else if (strcmp(line, "deny") == 0)
        decided(f, "denied", arg);
    else if (strcmp(line, "expire") == 0)
        decided(f, "expired", "");
    else if (strcmp(line, "end") == 0)
        end_grants(f, arg);
    else if (strcmp(line, "lost") == 0)
        gw_on_lost(f->gw, "lease over");
    else if (strcmp(line, "back") == 0)
        gw_on_snapshot(f->gw);
    else if (strcmp(line, "unreachable") == 0)
        f->unreachable = arg[0] == '1';
    else if (strcmp(line, "unrecorded") == 0)
        f->unrecorded = arg[0] == '1';
    else if (strcmp(line, "grant-all") == 0)
        f->grant_all = arg[0] == '1';
    else if (strcmp(line, "end-first") == 0)
        f->end_first = true;
    else if (strcmp(line, "lost-first") == 0)
        f->lost_first = true;
    else if (strcmp(line, "used") == 0)
        f->used = true;
    else if (strcmp(line, "grant-ms") == 0)
        f->grant_ms = strtoll(arg, NULL, 10);
    else if (strcmp(line, "rows") == 0)
        f->rows_left = strtoll(arg, NULL, 10);
    else if (strcmp(line, "bytes") == 0)
        f->bytes_left = strtoll(arg, NULL, 10);
    else if (strcmp(line, "credential-ms") == 0)
        f->credential_ms = strtoll(arg, NULL, 10);
    else if (strcmp(line, "allow") == 0)
        snprintf(f->allow, sizeof f->allow, " %s ", arg);
    else if (strcmp(line, "forbid") == 0)
        snprintf(f->deny, sizeof f->deny, " %s ", arg);
    else if (strcmp(line, "quit") == 0)
        net_loop_stop(f->loop);
    SAY("ok %s\n", line);
}

static void on_input(void *ctx, int events)
{
    struct fake *f = ctx;
    (void)events;
    ssize_t n = read(0, f->line + f->n_line, sizeof f->line - 1 - f->n_line);
    if (n <= 0) {
        net_loop_stop(f->loop);
        return;
    }
    f->n_line += (size_t)n;
    for (char *end; (end = memchr(f->line, '\n', f->n_line)) != NULL;) {
        size_t used = (size_t)(end - f->line) + 1;
        *end = '\0';
        command(f, f->line);
        memmove(f->line, f->line + used, f->n_line - used);
        f->n_line -= used;
    }
}

static struct gw_phid port_of(struct fake *f)
{
    return (struct gw_phid){ .ctx = f,
                             .signin = fake_signin,
                             .hurry = fake_hurry,
                             .credential_good = fake_credential_good,
                             .decide = fake_decide,
                             .fresh = fake_fresh,
                             .decided = fake_decided,
                             .record = fake_record,
                             .record_again = fake_record_again,
                             .record_denied = fake_record_denied,
                             .request = fake_request,
                             .claim = fake_claim,
                             .cancel = fake_cancel,
                             .leave = fake_leave,
                             .outcome = fake_outcome,
                             .ack = fake_ack };
}

static int run(struct fake *f, char **argv, int argc)
{
    PHI_ARENA(mem, 65536);
    PHI_BUF(verifier, 512);
    f->decided = 1;
    struct phi_err err = { 0 };
    struct net_watch *watch = NULL;
    struct gw_target_opts o = {
        .name = "shop", .listen = argv[1], .search_path = argc > 3 ? argv[3] : NULL};
    struct gw_phid port = port_of(f);
    PHI_BUF(ca, 65536);
    if (argc > 4 && phi_file_read(argv[4], 65536, &ca, &err) == PHI_OK)
        o.ca_pem = phi_buf_view(&ca);
    PHI_BUF(cert, 65536);
    PHI_BUF(key, 65536);
    if (argc > 6 && phi_file_read(argv[5], 65536, &cert, &err) == PHI_OK &&
        phi_file_read(argv[6], 65536, &key, &err) == PHI_OK) {
        struct net_tls_server_opts tls = { .cert_pem = phi_buf_view(&cert),
                                           .key_pem = phi_buf_view(&key) };
        if (net_tls_server_open(&tls, &o.client_tls, &err) != PHI_OK)
            return 1;
    }
    scram_verifier_make(PHI_LIT("sesame"), PHI_LIT("0123456789abcdef"), 4096, &verifier);
    snprintf(f->verifier, sizeof f->verifier, "%s", phi_buf_str(&verifier));
    if (net_loop_open(&f->loop, &err) != PHI_OK ||
        gw_open(f->loop, &port, 1, &f->gw, &err) != PHI_OK ||
        gw_conninfo_read(&mem, phi_view_of(argv[2]), &o, &err) != PHI_OK ||
        gw_add_target(f->gw, &o, &err) != PHI_OK ||
        net_watch_open(f->loop, 0, on_input, f, &watch, &err) != PHI_OK) {
        fprintf(stderr, "gw-fake: %s\n", err.msg);
        return 1;
    }
    net_watch_set(watch, NET_READ);
    SAY("port %d\n", gw_target_port(f->gw, "shop"));
    net_loop_run(f->loop);
    net_watch_close(watch);
    gw_close(f->gw);
    net_tls_close(o.client_tls);
    net_loop_close(f->loop);
    while (f->pending != NULL) {
        struct pending *p = f->pending;
        f->pending = p->next;
        free(p);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int rc = 0;
    struct fake f = { .grant_ms = 600000,
                      .credential_ms = 3600000,
                      .rows_left = -1,
                      .bytes_left = -1,
                      .allow = " pg:connect pg:select pg:set ",
                      .deny = " pg:admin " };
    if (gw_parser_child(argc, argv, &rc))
        return rc;
    if (argc < 3) {
        fprintf(stderr,
                "usage: gw-fake LISTEN CONNINFO [SEARCH_PATH [CA_FILE [CERT_FILE KEY_FILE]]]\n");
        return 2;
    }
    return run(&f, argv, argc);
}
