/* phi doctor: what is wrong with this installation, as seen from where it is run, and how to mend it. */
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/os.h"
#include "base/text.h"
#include "bin/phi.h"

enum { CLOCK_APART_MS = 2000, TRY_MS = 2000, CERT_SOON_S = 30 * 24 * 3600, CERT_WARN_S = 14 * 24 * 3600, UNSIGNED_MANY = 1000, CHANNEL_MANY = 1000 };

struct doctor {
    struct cli *c;
    struct phi_jw w; /* --json */
    bool json;
    int bad;
};

enum level { FINE, WARN, BAD }; /* WARN: one may live with it, and know it */

static void finding(struct doctor *d, enum level level, const char *about, struct phi_view what, const char *mend)
{
    static const char *const marks[] = { [FINE] = "ok   ", [WARN] = "warn ", [BAD] = "BAD  " };
    d->bad += level == BAD;
    if (d->json) {
        phi_jw_obj(&d->w);
        phi_jw_kc(&d->w, "about", about);
        phi_jw_kb(&d->w, "ok", level != BAD);
        phi_jw_kv(&d->w, "what", what);
        phi_jw_kc(&d->w, "mend", mend);
        phi_jw_end(&d->w);
        return;
    }
    cli_put(d->c, marks[level]);
    cli_put(d->c, about);
    cli_put(d->c, ": ");
    cli_esc(d->c, what);
    cli_put(d->c, "\n");
    if (level != FINE) {
        cli_put(d->c, "     mend: ");
        cli_put(d->c, mend);
        cli_put(d->c, "\n");
    }
}

/* One finding. `mend` is empty when all is well. */
static void say(struct doctor *d, const char *about, struct phi_view what, const char *mend)
{
    finding(d, mend[0] ? BAD : FINE, about, what, mend);
}

static void clock_look(struct doctor *d, const struct phi_json *v, int64_t sent_ms)
{
    int64_t now = phi_now_wall_ms(), middle = sent_ms + (now - sent_ms) / 2;
    int64_t apart = phi_json_num(v, "now_ms", 0) - middle;
    apart = apart < 0 ? -apart : apart;
    say(d, "clock", phi_arena_printf(&d->c->arena, "%lld ms apart from the server's", (long long)apart),
        apart <= CLOCK_APART_MS ? "" : "set both clocks by NTP (systemd-timesyncd or chrony); rights end by the server's");
}

static void log_look(struct doctor *d, const struct phi_json *v)
{
    const struct phi_json *log = phi_json_get(v, "log");
    bool writable = true; /* an older server does not say */
    phi_json_bool(phi_json_get(log, "writable"), &writable);
    if (!writable)
        say(d, "log", PHI_LIT("it cannot be written: nothing is approved, and no grant is used"),
            "the server's journal says why (journalctl -u phid): a full disk, most often (df), or the folder's owner");
    long long size = phi_json_num(log, "size", 0), behind = size - phi_json_num(log, "signed", 0);
    say(d, "log", phi_arena_printf(&d->c->arena, "%lld entries, %lld of them not signed yet", size, behind),
        behind < UNSIGNED_MANY ? "" : "the signer does not sign: see the server's journal (journalctl -u phid -u phi-signer@*), the disk, its folder's owner");
}

/* A gateway renews its certificate when two thirds of the time are over: past three quarters something keeps it from that. */
static void certificate_look(struct doctor *d, const char *about, const struct phi_json *g)
{
    int64_t begins = phi_json_num(g, "certificate_begins_ms", 0), ends = phi_json_num(g, "certificate_ends_ms", 0);
    int64_t left = ends - phi_now_wall_ms(), least = begins ? (ends - begins) / 4 : CERT_SOON_S * 1000LL;
    PHI_BUF(time, 64);
    phi_text_time(&time, ends);
    say(d, about, phi_arena_printf(&d->c->arena, "its certificate ends at %s; the gateway renews it by itself", phi_buf_str(&time)),
        left > least ? ""
        : left > 0   ? "it should have by now: the gateway's journal says what keeps it from that"
                     : "phi gateway add NAME --target … and, on its machine, phi-gateway --config … enroll CODE --again");
}

/* What browsers and the CLI see. Whoever has a proxy in front looks there. */
static void people_look(struct doctor *d, const struct phi_json *v)
{
    int64_t ends = phi_json_num(v, "people_certificate_ends_ms", 0), left = ends - phi_now_wall_ms();
    bool https = false;
    PHI_BUF(time, 64);
    phi_json_bool(phi_json_get(v, "https"), &https);
    if (!ends) {
        say(d, "https", https ? PHI_LIT("by a proxy in front of the server: its certificate is looked after there")
                              : PHI_LIT("none: the server is meant for this machine alone"), "");
        return;
    }
    phi_text_time(&time, ends);
    say(d, "https", phi_arena_printf(&d->c->arena, "the server's certificate for people ends at %s", phi_buf_str(&time)),
        left > CERT_WARN_S * 1000LL ? "" : "renew it where it came from, then systemctl reload phid (SIGHUP reads it again)");
}

/* Whether something that speaks PostgreSQL answers there: its answer to SSLRequest is one letter. */
static bool postgres_answers(int fd)
{
    static const uint8_t ask[8] = { 0, 0, 0, 8, 4, 210, 22, 47 };
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char got = 0;
    return send(fd, ask, sizeof ask, MSG_NOSIGNAL) == sizeof ask && poll(&p, 1, TRY_MS) == 1 && recv(fd, &got, 1, 0) == 1 &&
           (got == 'S' || got == 'N' || got == 'E');
}

static bool connects(const struct addrinfo *a, int *ret)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), failed = 0;
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    socklen_t n = sizeof failed;
    if (fd < 0)
        return false;
    connect(fd, a->ai_addr, a->ai_addrlen); /* poll tells how it went */
    if (poll(&p, 1, TRY_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &n) == 0 && failed == 0) {
        *ret = fd;
        return true;
    }
    close(fd);
    return false;
}

static bool reachable(const char *host, int64_t port)
{
    struct addrinfo want = { .ai_socktype = SOCK_STREAM }, *list = NULL;
    char service[16];
    bool answers = false;
    snprintf(service, sizeof service, "%d", (int)port);
    if (getaddrinfo(host, service, &want, &list) != 0)
        return false; /* whoever cannot name it cannot reach it by that name */
    for (const struct addrinfo *a = list; a && !answers; a = a->ai_next) {
        int fd;
        if (!connects(a, &fd))
            continue;
        answers = postgres_answers(fd);
        close(fd);
    }
    freeaddrinfo(list);
    return answers;
}

static void way_round_look(struct doctor *d, const struct phi_json *t)
{
    struct phi_arena *a = &d->c->arena;
    const char *name = phi_arena_str(a, phi_json_text(t, "name")), *host = phi_arena_str(a, phi_json_text(t, "host"));
    int64_t port = phi_json_num(t, "port", 0);
    const char *about = (const char *)phi_arena_printf(a, "way round phi to %s", name).p;
    if (!host[0]) {
        say(d, about, PHI_LIT("none over the network: the gateway uses a socket on its machine"), "");
        return;
    }
    if (!reachable(host, port)) {
        say(d, about, phi_arena_printf(a, "closed: %s:%d does not answer here", host, (int)port), "");
        return;
    }
    say(d, about, phi_arena_printf(a, "OPEN: PostgreSQL answers at %s:%d from here, without phi", host, (int)port),
        "unless this is the gateway's own machine: let only the gateway through (firewall, listen_addresses, pg_hba.conf), and "
        "take people's own passwords away from the database");
}

static void parser_look(struct doctor *d, const struct phi_json *t)
{
    struct phi_view version = phi_json_text(t, "server_version"), trouble = phi_json_text(t, "trouble");
    const char *name = phi_arena_str(&d->c->arena, phi_json_text(t, "name"));
    int64_t major = 0, parser = phi_json_num(t, "parser", 0);
    for (size_t i = 0; i < version.n && version.p[i] >= '0' && version.p[i] <= '9' && major < 1000; i++)
        major = major * 10 + (version.p[i] - '0');
    const char *about = (const char *)phi_arena_printf(&d->c->arena, "target %s", name).p;
    if (trouble.n)
        say(d, about, trouble, "see the gateway's journal; nothing is let through meanwhile");
    else if (!version.n)
        say(d, about, PHI_LIT("the gateway has not signed in to it yet"), "");
    else
        say(d, about, phi_arena_printf(&d->c->arena, "PostgreSQL " PHI_FMT ", the parser knows %d", PHI_ARG(phi_view_upto(version, 40)), (int)parser),
            major <= parser ? "" : "a newer phi-gateway, or an older PostgreSQL: what the parser does not know is refused");
}

static bool is_true(const struct phi_json *v, const char *key)
{
    bool b = false;
    const struct phi_json *m = phi_json_get(v, key);
    return m && phi_json_bool(m, &b) && b;
}

static void gateway_look(struct doctor *d, const struct phi_json *g)
{
    struct phi_arena *a = &d->c->arena;
    const char *name = phi_arena_str(a, phi_json_text(g, "name"));
    const char *about = (const char *)phi_arena_printf(a, "gateway %s", name).p;
    const struct phi_json *targets = phi_json_get(g, "targets");
    int64_t lease = phi_json_num(g, "lease_ms", 0);
    if (!is_true(g, "enrolled")) {
        say(d, about, PHI_LIT("not enrolled"), "on its machine: phi-gateway --config /etc/phi/gateway.yaml enroll CODE; phi gateway add makes a new code");
        return;
    }
    say(d, about, lease > 0 ? phi_arena_printf(a, "its lease lasts %lld s more", (long long)lease / 1000) : PHI_LIT("it has no lease: it decides nothing"),
        lease > 0 ? "" : "is it running (systemctl status phi-gateway), and can it reach the server's gateway port?");
    if (!targets) {
        say(d, about, PHI_LIT("has said nothing of its targets here yet"),
            "ask again in a few seconds; a gateway that is older than the server never says it");
        return;
    }
    certificate_look(d, about, g);
    for (size_t i = 0; i < targets->n; i++) {
        parser_look(d, &targets->items[i]);
        way_round_look(d, &targets->items[i]);
    }
}

/* Messages that wait: a channel that tells nobody is found here, not when somebody was not told. */
static void channel_look(struct doctor *d, const struct phi_json *ch)
{
    struct phi_arena *a = &d->c->arena;
    const char *about = (const char *)phi_arena_printf(a, "channel " PHI_FMT, PHI_ARG(phi_view_upto(phi_json_text(ch, "name"), 64))).p;
    long long waiting = phi_json_num(ch, "waiting", 0), dead = phi_json_num(ch, "dead", 0), dropped = phi_json_num(ch, "dropped", 0);
    struct phi_view error = phi_view_upto(phi_json_text(ch, "last_error"), 200);
    bool live = false;
    phi_json_bool(phi_json_get(ch, "live"), &live);
    if (!live)
        say(d, about, PHI_LIT("it is off: nobody is told by it"), "phi channel says why; phi channel on NAME");
    else if (dead || dropped || (error.n && waiting))
        say(d, about, phi_arena_printf(a, "%lld messages wait, %lld could not be sent, %lld were dropped: " PHI_FMT, waiting, dead, dropped, PHI_ARG(error)),
            "phi notify lists them; mend what the message says, then phi notify resend ID");
    else
        say(d, about, phi_arena_printf(a, "%lld messages wait", waiting), waiting < CHANNEL_MANY ? "" : "the other side is too slow or away: phi channel");
}

/* Said to who may list people: whoever has such a right alone makes a sign-in link for anybody, a group's member, or the policy. */
static void alone_look(struct doctor *d, const struct phi_json *alone)
{
    if (!alone)
        return;
    if (!alone->n)
        return say(d, "second person", PHI_LIT("nobody changes people, groups or the policy alone"), "");
    finding(d, WARN, "second person",
            phi_arena_printf(&d->c->arena, "one person alone may change: " PHI_FMT "; with that one becomes anybody who has no passkey", PHI_ARG(cli_names(d->c, alone))),
            "docs/rights.md, \"A second person\": a policy under which another operator approves it");
}

static void look(struct doctor *d, const struct phi_json *v, int64_t sent_ms)
{
    const struct phi_json *gateways = phi_json_get(v, "gateways");
    say(d, "server", phi_arena_printf(&d->c->arena, "%s answers, phi " PHI_FMT, d->c->origin, PHI_ARG(phi_view_upto(phi_json_text(v, "version"), 40))), "");
    clock_look(d, v, sent_ms);
    log_look(d, v);
    people_look(d, v);
    for (size_t i = 0; gateways && i < gateways->n; i++)
        gateway_look(d, &gateways->items[i]);
    if (!gateways || !gateways->n)
        say(d, "gateways", PHI_LIT("none: phi stands before nothing"), "phi target add, then phi gateway add NAME --target TARGET");
    const struct phi_json *channels = phi_json_get(v, "channels");
    for (size_t i = 0; channels && i < channels->n; i++)
        channel_look(d, &channels->items[i]);
    alone_look(d, phi_json_get(v, "alone"));
}

int cli_do_doctor(struct cli *c)
{
    struct client_reply r;
    struct doctor d = { .c = c, .json = cli_has(c, OPT_JSON) };
    PHI_BUF(out, 1 << 20);
    int rc = cli_open(c);
    int64_t sent = phi_now_wall_ms();
    if (rc || (rc = cli_call(c, "GET", "/v1/doctor", NULL, &r)))
        return rc;
    phi_jw_init(&d.w, &out);
    phi_jw_arr(&d.w);
    look(&d, r.json, sent);
    phi_jw_end(&d.w);
    if (d.json) {
        const struct phi_json *v = NULL;
        if (phi_json_read(&c->arena, phi_buf_view(&out), PHI_JSON_STRICT, "findings", &v, NULL) == PHI_OK)
            cli_json(c, v);
    } else if (!d.bad) {
        cli_put(c, "Nothing is wrong as seen from here.\n");
    }
    return d.bad ? CLI_ERROR : CLI_DONE;
}
