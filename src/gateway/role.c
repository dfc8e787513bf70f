#include "gateway/role.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/logline.h"
#include "base/os.h"

#define TAG_HEX    8
#define RETRY_MS   1000
#define MAX_TRIES  10
#define ITERATIONS 4096 /* the password is 256 random bits: stretching adds nothing */

struct gw_role {
    struct gw_role *next, **prev; /* of the target */
    struct gw_target *t;
    struct gw_door door;
    char name[48];
    uint8_t password[48];
    gw_role_fn done;
    void *ctx;
    bool pending, unwanted; /* under way in the target; nobody waits for it any more */
    int tries;
    struct net_timer *retry;
};

bool gw_target_roles_ok(const char *member_of)
{
    struct phi_view list = phi_view_of(member_of), part;
    while (phi_view_split(&list, ',', &part)) {
        part = phi_view_trim(part);
        for (size_t i = 0; i < part.n; i++) {
            uint8_t c = part.p[i];
            bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
            if (!letter && (i == 0 || c < '0' || c > '9'))
                return false;
        }
        if (part.n == 0 || part.n > 63)
            return false;
    }
    return true;
}

/* Ours among the roles of all gateways before this target. */
static void tag_of(const struct gw_target *t, char ret[TAG_HEX + 1])
{
    char hex[PHI_HEX_LEN + 1];
    struct phi_digest d = phi_sha256(phi_view_of(t->o.gateway));
    phi_digest_hex(&d, hex);
    snprintf(ret, TAG_HEX + 1, "%.8s", hex);
}

static void role_free(struct gw_role *r)
{
    r->t->n_roles--;
    if (r->next != NULL)
        r->next->prev = r->prev;
    *r->prev = r->next;
    net_timer_close(r->retry);
    phi_wipe(r->password, sizeof r->password);
    phi_wipe(&r->door.keys, sizeof r->door.keys);
    free(r);
}

/* --- dropping --- */
static void drop(void *ctx);

static void on_dropped(bool ok, const char *why, void *ctx)
{
    struct gw_role *r = ctx;
    if (!ok && !r->t->gw->closing && ++r->tries < MAX_TRIES) {
        net_timer_set(r->retry, RETRY_MS, 0);
        return;
    }
    if (!ok)
        PHI_LOG(ERROR, "role-left", "role", "%s: %s", r->name, why);
    role_free(r);
}

/* Its backend is gone or going; what it owns is taken over, or the role could not be dropped. */
static void drop(void *ctx)
{
    struct gw_role *r = ctx;
    PHI_BUF(sql, 2000);
    phi_buf_printf(&sql,
                   "SELECT pg_catalog.set_config('lock_timeout', '2s', true), "
                   "(SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity WHERE usename = '%s');"
                   "DO $phi$BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '%s') THEN "
                   "REASSIGN OWNED BY \"%s\" TO CURRENT_USER; DROP OWNED BY \"%s\"; DROP ROLE \"%s\"; END IF; END$phi$",
                   r->name, r->name, r->name, r->name, r->name);
    gw_super_run(r->t->roles, phi_buf_view(&sql), NULL, on_dropped, r);
}

void gw_role_drop(struct gw_role *r)
{
    if (r == NULL)
        return;
    r->unwanted = true;
    if (r->pending)
        return; /* on_made goes on */
    if (r->t->roles != NULL)
        drop(r);
    else
        role_free(r); /* the gateway is closing: the next start finds it */
}

/* --- making --- */
static void on_made(bool ok, const char *why, void *ctx)
{
    struct gw_role *r = ctx;
    r->pending = false;
    if (r->unwanted && (ok || !r->t->gw->closing))
        drop(r); /* also where nobody knows whether it was made */
    else if (r->unwanted)
        role_free(r);
    else
        r->done(ok, why, r->ctx);
}

static void write_make(struct gw_role *r, int64_t for_ms, struct phi_buf *sql)
{
    uint8_t salt[16];
    struct phi_view list = phi_view_of(r->t->o.member_of == NULL ? "" : r->t->o.member_of), part;
    PHI_BUF(verifier, 300);
    phi_random(salt, sizeof salt);
    scram_verifier_make(r->door.password, phi_view_mem(salt, sizeof salt), ITERATIONS, &verifier);
    phi_buf_printf(sql,
                   "DO $phi$BEGIN EXECUTE pg_catalog.format('CREATE ROLE \"%s\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE "
                   "NOREPLICATION NOBYPASSRLS INHERIT CONNECTION LIMIT 1 PASSWORD ''%s'' VALID UNTIL %%L ROLE CURRENT_USER",
                   r->name, phi_buf_str(&verifier));
    for (bool first = true; list.n > 0 && phi_view_split(&list, ',', &part); first = false) {
        part = phi_view_trim(part);
        phi_buf_printf(sql, "%s\"" PHI_FMT "\"", first ? " IN ROLE " : ", ", PHI_ARG(part));
    }
    phi_buf_printf(sql, "', pg_catalog.clock_timestamp() + interval '%lld milliseconds'); END$phi$", (long long)for_ms);
}

struct gw_role *gw_role_make(struct gw_target *t, int64_t for_ms, gw_role_fn done, void *ctx)
{
    uint8_t random[40];
    char tag[TAG_HEX + 1];
    PHI_BUF(hex, 17);
    PHI_BUF(word, sizeof((struct gw_role *)0)->password);
    PHI_BUF(sql, 4096);
    struct gw_role *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    *r = (struct gw_role){ .t = t, .door = t->door, .done = done, .ctx = ctx, .pending = true };
    r->retry = net_timer_open(t->gw->loop, drop, r);
    phi_random(random, sizeof random);
    phi_hex_add(&hex, phi_view_mem(random, 8));
    phi_b64u_add(&word, phi_view_mem(random + 8, 32));
    tag_of(t, tag);
    snprintf(r->name, sizeof r->name, "phi_%s_%s", tag, phi_buf_str(&hex));
    snprintf((char *)r->password, sizeof r->password, "%s", phi_buf_str(&word));
    phi_buf_wipe(&word);
    phi_wipe(random, sizeof random);
    r->door.user = r->name;
    r->door.password = phi_view_of((const char *)r->password);
    r->door.keys = (struct scram_keys){ 0 };
    t->n_roles++;
    r->prev = &t->all_roles;
    r->next = t->all_roles;
    if (r->next != NULL)
        r->next->prev = &r->next;
    t->all_roles = r;
    if (r->retry == NULL) {
        role_free(r);
        return NULL;
    }
    write_make(r, for_ms, &sql);
    gw_super_run(t->roles, phi_buf_view(&sql), NULL, on_made, r);
    return r;
}

struct gw_door *gw_role_door(struct gw_role *r)
{
    return &r->door;
}

/* --- what an earlier run left --- */
static void on_swept(bool ok, const char *why, void *ctx)
{
    struct gw_target *t = ctx;
    if (!ok && !t->gw->closing)
        PHI_LOG(WARN, "roles-unswept", "why", "%s", why);
    t->swept = ok;
}

void gw_roles_sweep(struct gw_target *t)
{
    char tag[TAG_HEX + 1];
    PHI_BUF(sql, 2000);
    if (t->roles == NULL || t->swept || t->n_roles > 0)
        return;
    tag_of(t, tag);
    phi_buf_printf(&sql,
                   "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity WHERE usename LIKE 'phi\\_%s\\_%%';"
                   "DO $phi$DECLARE r record; BEGIN FOR r IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname LIKE 'phi\\_%s\\_%%' "
                   "OR (rolname ~ '^phi_[0-9a-f]{8}_[0-9a-f]{16}$' AND rolvaliduntil < pg_catalog.now() AND NOT EXISTS "
                   "(SELECT FROM pg_catalog.pg_stat_activity a WHERE a.usename = rolname)) LOOP "
                   "BEGIN EXECUTE pg_catalog.format('REASSIGN OWNED BY %%I TO CURRENT_USER; DROP OWNED BY %%I; DROP ROLE %%I', r.rolname, r.rolname, r.rolname); "
                   "EXCEPTION WHEN OTHERS THEN RAISE WARNING 'phi: role %% is left: %%', r.rolname, SQLERRM; END; "
                   "END LOOP; END$phi$",
                   tag, tag);
    gw_super_run(t->roles, phi_buf_view(&sql), NULL, on_swept, t);
}

void gw_roles_close(struct gw_target *t)
{
    while (t->all_roles != NULL)
        role_free(t->all_roles);
}

size_t gw_roles_count(const struct gw_gateway *g)
{
    size_t n = 0;
    for (const struct gw_target *t = g->targets; t != NULL; t = t->next)
        n += t->n_roles;
    return n;
}
