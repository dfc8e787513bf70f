/* connect: a short-lived credential, and a client that uses it. The password is in no argument list, no
 * environment and no file on a disk: psql reads it from memory that only this process tree has. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "bin/phi_place.h"

/* What would have to be escaped to be shown is no name of a host, a database or a user. */
static bool plain(struct phi_view v)
{
    PHI_BUF(b, 8192);
    phi_text_escape(&b, v, false);
    return phi_view_eq(phi_buf_view(&b), v);
}

static bool copy(char *to, size_t n, struct phi_view v)
{
    if (!v.n || v.n >= n || !plain(v))
        return false;
    memcpy(to, v.p, v.n);
    to[v.n] = 0;
    return true;
}

/* "localhost:6432", "[::1]:6432" */
static bool split_address(struct phi_view address, struct cli_place *p)
{
    size_t at = address.n;
    int64_t port = 0;
    while (at && address.p[at - 1] != ':')
        at--;
    if (!at)
        return false;
    struct phi_view host = phi_view_upto(address, at - 1), tail = phi_view_from(address, at);
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = phi_view_upto(phi_view_from(host, 1), host.n - 2);
    return phi_view_int(tail, &port) && port > 0 && port < 65536 && copy(p->host, sizeof p->host, host) &&
           copy(p->port, sizeof p->port, tail);
}

static enum phi_rc read_place(const struct phi_json *v, struct cli_place *p, struct phi_err *err)
{
    const struct phi_json *target = phi_json_get(v, "target");
    if (!phi_view_is(phi_json_text(target, "kind"), "postgresql"))
        return phi_fail(err, PHI_EINPUT, "this phi knows no client for that kind of target");
    p->password = phi_json_text(v, "password");
    struct phi_view database = phi_json_text(target, "database");
    if (!p->password.n || !plain(p->password) || !split_address(phi_json_text(target, "address"), p) ||
        !copy(p->database, sizeof p->database, database.n ? database : phi_json_text(target, "name")) ||
        !copy(p->user, sizeof p->user, phi_json_text(v, "user")))
        return phi_fail(err, PHI_EINPUT, "the server's answer has no usable address");
    return PHI_OK;
}

/* ---- printing ---- */

static void quoted(struct phi_buf *b, const char *name, struct phi_view v) /* for a POSIX shell */
{
    phi_buf_printf(b, "export %s='", name);
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '\'')
            phi_buf_adds(b, "'\\'");
        phi_buf_addc(b, v.p[i]);
    }
    phi_buf_adds(b, "'\n");
}

void cli_place_url(struct phi_buf *b, const struct cli_place *p, bool jdbc)
{
    bool v6 = strchr(p->host, ':') != NULL;
    phi_buf_adds(b, jdbc ? "jdbc:postgresql://" : "postgresql://");
    if (!jdbc) {
        client_path_add(b, phi_view_of(p->user));
        phi_buf_addc(b, ':');
        client_path_add(b, p->password);
        phi_buf_addc(b, '@');
    }
    phi_buf_printf(b, "%s%s%s:%s/", v6 ? "[" : "", p->host, v6 ? "]" : "", p->port);
    client_path_add(b, phi_view_of(p->database));
    if (jdbc) {
        phi_buf_adds(b, "?user=");
        client_path_add(b, phi_view_of(p->user));
        phi_buf_adds(b, "&password=");
        client_path_add(b, p->password);
    }
}

static int print(struct cli *c, const struct cli_place *p, const char *form)
{
    struct phi_buf *b = &c->out;
    if (!strcmp(form, "url") || !strcmp(form, "jdbc")) {
        cli_place_url(b, p, form[0] == 'j');
        phi_buf_addc(b, '\n');
    } else if (!strcmp(form, "env")) {
        quoted(b, "PGHOST", phi_view_of(p->host));
        quoted(b, "PGPORT", phi_view_of(p->port));
        quoted(b, "PGDATABASE", phi_view_of(p->database));
        quoted(b, "PGUSER", phi_view_of(p->user));
        quoted(b, "PGPASSWORD", p->password);
    } else if (!strcmp(form, "service")) {
        phi_buf_printf(b, "[%s]\nhost=%s\nport=%s\ndbname=%s\nuser=%s\npassword=" PHI_FMT "\n", c->arg[0], p->host, p->port,
                       p->database, p->user, PHI_ARG(p->password));
    } else {
        return cli_usage(c, "--print takes url, env, jdbc or service, not ", form);
    }
    return CLI_DONE;
}

/* ---- psql ---- */

static void pass_part(struct phi_buf *b, struct phi_view v) /* libpq, "The Password File" */
{
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == ':' || v.p[i] == '\\')
            phi_buf_addc(b, '\\');
        phi_buf_addc(b, v.p[i]);
    }
}

/* A password file in memory. Its descriptor stays open over exec; psql opens it by PGPASSFILE. */
static int pass_file(const struct cli_place *p)
{
    PHI_BUF(line, 4096);
    phi_buf_adds(&line, "*:*:*:"); /* one server, however psql comes to name it */
    pass_part(&line, phi_view_of(p->user));
    phi_buf_addc(&line, ':');
    pass_part(&line, p->password);
    phi_buf_addc(&line, '\n');
    int fd = memfd_create("phi-pass", 0);
    bool ok = phi_buf_ok(&line) && fd >= 0 && !fchmod(fd, 0600) && write(fd, line.p, line.n) == (ssize_t)line.n;
    phi_buf_wipe(&line);
    if (!ok && fd >= 0)
        close(fd);
    return ok ? fd : -1;
}

static void set_environment(const struct cli_place *p, int fd)
{
    static const char *const stray[] = { "PGPASSWORD", "PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGREQUIREAUTH" };
    char path[32];
    for (size_t i = 0; i < sizeof stray / sizeof *stray; i++)
        unsetenv(stray[i]);
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    setenv("PGPASSFILE", path, 1);
    setenv("PGHOST", p->host, 1);
    setenv("PGPORT", p->port, 1);
    setenv("PGDATABASE", p->database, 1);
    setenv("PGUSER", p->user, 1);
}

static int run_psql(struct cli *c, const struct cli_place *p)
{
    char *argv[256] = { (char[]){ "psql" } };
    size_t n = 1;
    for (char **a = c->rest; a && *a && n < 255; a++)
        argv[n++] = *a;
    int fd = pass_file(p);
    if (fd < 0) {
        fprintf(stderr, "phi: cannot hand the password on: %s\n", strerror(errno));
        return CLI_ERROR;
    }
    set_environment(p, fd);
    execvp(argv[0], argv);
    fprintf(stderr, "phi: cannot start psql (%s); `phi connect TARGET --print url` gives an address for other clients\n", strerror(errno));
    return CLI_ERROR;
}

int cli_place_get(struct cli *c, const char *target, struct cli_place *ret, struct client_reply *r)
{
    struct phi_err err = { 0 };
    struct phi_jw w;
    PHI_BUF(body, 4096);
    phi_jw_init(&w, &body);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "target", target);
    phi_jw_end(&w);
    int rc = cli_call(c, "POST", "/v1/credentials", &body, r);
    if (rc)
        return rc;
    return read_place(r->json, ret, &err) == PHI_OK ? CLI_DONE : cli_err(&err);
}

int cli_do_connect(struct cli *c)
{
    struct client_reply r;
    struct cli_place p = { 0 };
    int rc = cli_open(c);
    if (rc || (rc = cli_place_get(c, c->arg[0], &p, &r)))
        return rc;
    if (cli_has(c, OPT_JSON)) {
        cli_json(c, r.json);
        return CLI_DONE;
    }
    return cli_has(c, OPT_PRINT) ? print(c, &p, cli_opt(c, OPT_PRINT)) : run_psql(c, &p);
}
