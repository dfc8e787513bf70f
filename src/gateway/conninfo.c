#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/os.h"
#include "gateway/gateway.h"

#define MAX_ROOTS (256 * 1024)

struct pair {
    struct phi_view key, value;
};

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* key = value or key='quoted value', backslash escapes inside either: libpq's rules. */
static bool next_pair(struct phi_arena *a, struct phi_view *rest, struct pair *ret, bool *bad)
{
    size_t i = 0, n = 0, from;
    while (i < rest->n && blank(rest->p[i]))
        i++;
    if (i == rest->n)
        return false;
    from = i;
    while (i < rest->n && rest->p[i] != '=' && !blank(rest->p[i]))
        i++;
    ret->key = (struct phi_view){ rest->p + from, i - from };
    while (i < rest->n && blank(rest->p[i]))
        i++;
    uint8_t *out = phi_arena_alloc(a, rest->n + 1);
    *bad = out == NULL || i == rest->n || rest->p[i] != '=';
    if (*bad)
        return false;
    i++;
    while (i < rest->n && blank(rest->p[i]))
        i++;
    bool quoted = i < rest->n && rest->p[i] == '\'';
    for (i += quoted; i < rest->n && (quoted ? rest->p[i] != '\'' : !blank(rest->p[i])); i++) {
        if (rest->p[i] == '\\' && i + 1 < rest->n)
            i++;
        out[n++] = rest->p[i];
    }
    *bad = quoted && i == rest->n;
    ret->value = (struct phi_view){ out, n };
    *rest = phi_view_from(*rest, i + quoted);
    return !*bad;
}

struct where {
    const char *host, *port, *sslmode, *rootcert;
};

static bool take(struct gw_target_opts *o, struct where *w, const struct pair *p, const char *value)
{
    if (phi_view_is(p->key, "host") || phi_view_is(p->key, "hostaddr"))
        w->host = value;
    else if (phi_view_is(p->key, "port"))
        w->port = value;
    else if (phi_view_is(p->key, "dbname"))
        o->database = value;
    else if (phi_view_is(p->key, "user"))
        o->user = value;
    else if (phi_view_is(p->key, "sslmode"))
        w->sslmode = value;
    else if (phi_view_is(p->key, "sslrootcert"))
        w->rootcert = value;
    else
        return false;
    return true;
}

/* sslrootcert=FILE: these CAs and no other; sslrootcert=system, or none: the machine's. */
static enum phi_rc roots(struct phi_arena *a, const struct where *w, struct gw_target_opts *o,
                         struct phi_err *err)
{
    PHI_BUF(pem, MAX_ROOTS);
    if (w->rootcert[0] == '\0')
        return PHI_OK;
    if (o->sslmode != GW_SSL_VERIFY_FULL)
        return phi_fail(err, PHI_EINPUT, "connect: sslrootcert says nothing without sslmode=verify-full");
    if (strcmp(w->rootcert, "system") == 0)
        return PHI_OK;
    PHI_TRY(phi_file_read(w->rootcert, MAX_ROOTS, &pem, err));
    if (pem.n == 0)
        return phi_fail(err, PHI_EINPUT, "connect: sslrootcert=%s is empty", w->rootcert);
    o->ca_pem = phi_arena_copy(a, phi_buf_view(&pem));
    return PHI_OK;
}

static enum phi_rc place(struct phi_arena *a, const struct where *w, struct gw_target_opts *o,
                         struct phi_err *err)
{
    bool unix_socket = w->host[0] == '/', near = unix_socket || net_host_is_loopback(w->host);
    bool v6 = strchr(w->host, ':') != NULL;
    struct phi_view address = unix_socket
                                  ? phi_arena_printf(a, "unix:%s/.s.PGSQL.%s", w->host, w->port)
                              : v6 ? phi_arena_printf(a, "[%s]:%s", w->host, w->port)
                                   : phi_arena_printf(a, "%s:%s", w->host, w->port);
    o->address = (const char *)address.p;
    o->sslmode = near ? GW_SSL_DISABLE : GW_SSL_VERIFY_FULL;
    if (strcmp(w->sslmode, "verify-full") == 0)
        o->sslmode = GW_SSL_VERIFY_FULL;
    else if (strcmp(w->sslmode, "disable") == 0)
        o->sslmode = GW_SSL_DISABLE;
    else if (w->sslmode[0] != '\0')
        return phi_fail(err, PHI_EINPUT,
                        "connect: sslmode is %s; only verify-full and disable keep their promise",
                        w->sslmode);
    PHI_TRY(roots(a, w, o, err));
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "connect: too long");
}

enum phi_rc gw_conninfo_read(struct phi_arena *a, struct phi_view text, struct gw_target_opts *ret,
                             struct phi_err *err)
{
    struct where w = { "localhost", "5432", "", "" };
    struct pair p;
    bool bad = false;
    while (next_pair(a, &text, &p, &bad))
        if (!take(ret, &w, &p, phi_arena_str(a, p.value)))
            return phi_fail(err, PHI_EINPUT,
                            "connect: \"" PHI_FMT
                            "\" is not known; host, port, dbname, user, sslmode and sslrootcert are",
                            PHI_ARG(phi_view_upto(p.key, 40)));
    if (bad)
        return phi_fail(err, PHI_EINPUT, "connect: expected key=value pairs");
    if (ret->user == NULL || ret->user[0] == '\0')
        return phi_fail(err, PHI_EINPUT, "connect: user= is missing");
    if (ret->database == NULL)
        ret->database = ret->user;
    return place(a, &w, ret, err);
}
