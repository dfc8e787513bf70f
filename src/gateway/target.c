#include "gateway/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logline.h"
#include "base/os.h"
#include "gateway/role.h"
#include "gateway/session.h"

#define REFRESH_MS 5000
#define RETRY_MS   2000
#define MISSED_MS  1000
#define SWEEP_TICKS 16

enum phi_rc gw_version_check(struct phi_view v, struct phi_err *err)
{
    int64_t major = 0;
    size_t n = 0;
    while (n < v.n && v.p[n] >= '0' && v.p[n] <= '9')
        n++;
    if (!phi_view_int(phi_view_upto(v, n), &major) || major > GW_PARSER_MAJOR)
        return phi_fail(err, PHI_EDENIED, "parser knows PostgreSQL %d, target is " PHI_FMT,
                        GW_PARSER_MAJOR, PHI_ARG(phi_view_upto(v, 40)));
    return PHI_OK;
}

/* --- the catalogue --- */
static void load_part(struct gw_target *t);

static void load_begin(struct gw_target *t)
{
    if (t->loading != NULL)
        return;
    t->loading = gw_catalog_open();
    t->loads++;
    t->missed = false;
    t->began_boot_ms = phi_now_boot_ms();
    t->loading_part = 0;
    t->loading_want = t->want;
    if (t->loading != NULL)
        load_part(t);
}

static void load_soon(struct gw_target *t)
{
    int64_t age = phi_now_boot_ms() - t->began_boot_ms;
    t->missed = true;
    if (t->loading != NULL)
        return;
    if (age >= MISSED_MS)
        load_begin(t);
    else
        net_timer_set(t->again, MISSED_MS - age, 0);
}

static void on_again(void *ctx)
{
    struct gw_target *t = ctx;
    if (t->missed)
        load_soon(t);
}

uint64_t gw_target_missed(struct gw_target *t)
{
    uint64_t number = t->loads + 1; /* what is being read now may have looked too early */
    load_soon(t);
    return number;
}

static void tell_sessions(struct gw_target *t)
{
    struct gw_session *next = NULL;
    for (struct gw_session *s = t->gw->sessions; s != NULL; s = next) {
        next = s->next; /* freeing waits for the loop, so this stays good */
        if (s->target == t)
            gw_session_catalog(s);
    }
}

/* Without a catalogue every statement with an action is pg:admin: that is the safe side. */
static void load_over(struct gw_target *t, bool ok, const char *why)
{
    struct phi_err err = { 0 };
    if (ok && gw_catalog_finish(t->loading, &err) != PHI_OK) {
        ok = false;
        why = err.msg;
    }
    struct gw_catalog *old = t->catalog;
    t->catalog = ok ? t->loading : NULL;
    if (!ok) {
        gw_catalog_drop(t->loading);
        if (!t->said_trouble)
            PHI_LOG(ERROR, "catalogue-unread", "why", "%s", why);
    }
    t->said_trouble = !ok;
    gw_catalog_drop(old);
    t->loading = NULL;
    t->have = t->loading_want;
    t->loads_done = t->loads;
    t->loaded_boot_ms = phi_now_boot_ms();
    if (t->gw->closing)
        return;
    if (ok && t->have < t->want)
        load_begin(t);
    else if (t->missed)
        load_soon(t);
    tell_sessions(t);
}

static void part_row(const struct phi_view *cols, size_t n, void *ctx)
{
    struct gw_target *t = ctx;
    struct phi_err err = { 0 };
    if (!t->loading_bad && gw_catalog_row(t->loading, (enum gw_catalog_part)t->loading_part, cols,
                                          n, &err) != PHI_OK) {
        t->loading_bad = true;
        snprintf(t->trouble, sizeof t->trouble, "%s", err.msg);
    }
}

static void part_done(bool ok, const char *why, void *ctx)
{
    struct gw_target *t = ctx;
    if (t->loading_bad) {
        ok = false;
        why = t->trouble;
    }
    if (!ok) {
        load_over(t, false, why);
    } else if (++t->loading_part == GW_CATALOG_N) {
        load_over(t, true, "");
    } else {
        load_part(t);
    }
}

static void load_part(struct gw_target *t)
{
    t->loading_bad = false;
    gw_super_run(t->reader, phi_view_of(gw_catalog_sql[t->loading_part].sql), part_row, part_done,
                 t);
}

void gw_target_refresh(struct gw_target *t)
{
    t->want++;
    load_begin(t);
}

void gw_target_tick(struct gw_target *t)
{
    int64_t age = phi_now_boot_ms() - t->loaded_boot_ms;
    if (!t->swept && t->roles != NULL && ++t->sweep_in % SWEEP_TICKS == 0)
        gw_roles_sweep(t); /* the target was away at the start */
    if (t->loading == NULL && age >= (t->catalog == NULL ? RETRY_MS : REFRESH_MS))
        load_begin(t);
}

bool gw_target_waits(const struct gw_target *t)
{
    return t->loading != NULL && (t->catalog == NULL || t->have < t->want);
}

/* --- opening --- */
static const char *keep(struct gw_target *t, const char *text)
{
    return text == NULL ? NULL : phi_arena_str(&t->mem, phi_view_of(text));
}

/* "public, app" becomes the list for the parser and the pinned text, which ends in pg_temp. */
static bool set_path(struct gw_target *t, const char *text)
{
    struct phi_view rest = phi_arena_copy(&t->mem, phi_view_of(text == NULL ? "public" : text)),
                    part;
    phi_buf_init(&t->path_text, 1024);
    while (phi_view_split(&rest, ',', &part)) {
        part = phi_view_trim(part);
        if (part.n == 0 || phi_view_is(part, "pg_temp") || phi_view_is(part, "pg_catalog") ||
            part.p[0] == '"' || part.p[0] == '$' || t->n_path == sizeof t->path / sizeof *t->path)
            return false;
        t->path[t->n_path++] = part;
        phi_buf_adds(&t->path_text, "\"");
        phi_buf_add(&t->path_text, part);
        phi_buf_adds(&t->path_text, "\", ");
    }
    phi_buf_adds(&t->path_text, "pg_temp");
    return phi_buf_ok(&t->path_text) && memchr(t->path_text.p, '\\', t->path_text.n) == NULL;
}

static enum phi_rc set_door(struct gw_target *t, struct phi_err *err)
{
    struct net_hostport hp = { .host = "" };
    if (strncmp(t->o.address, "unix:", 5) != 0)
        PHI_TRY(net_hostport_read(t->o.address, &hp, err));
    t->door = (struct gw_door){ .loop = t->gw->loop,
                                .name = t->o.name,
                                .address = t->o.address,
                                .host = phi_arena_str(&t->mem, phi_view_of(hp.host)),
                                .database = t->o.database,
                                .user = t->o.user,
                                .password = phi_buf_view(&t->secret) };
    struct net_tls_client_opts tls = { .ca_pem = t->o.ca_pem };
    if (t->o.sslmode == GW_SSL_VERIFY_FULL)
        return net_tls_client_open(&tls, &t->door.tls, err);
    return PHI_OK;
}

static _Thread_local uint64_t last_place;

static enum phi_rc target_open(struct gw_target *t, const struct gw_target_opts *o,
                               struct phi_err *err)
{
    phi_arena_init(&t->mem, 256 * 1024);
    phi_buf_init(&t->secret, 4096);
    phi_buf_add(&t->secret, o->password);
    t->o = *o;
    t->o.name = keep(t, o->name);
    t->o.listen = keep(t, o->listen);
    t->o.address = keep(t, o->address);
    t->o.database = keep(t, o->database);
    t->o.user = keep(t, o->user);
    t->o.member_of = keep(t, o->member_of);
    t->o.gateway = keep(t, o->gateway == NULL ? "" : o->gateway);
    t->o.ca_pem = phi_arena_copy(&t->mem, o->ca_pem);
    t->o.password = (struct phi_view){ 0 };
    if (t->o.hold_ms == 0)
        t->o.hold_ms = PHI_DEFAULT_HOLD_MS;
    if (!set_path(t, o->search_path))
        return phi_fail(err, PHI_EINPUT,
                        "target %s: search_path must be plain schema names separated by commas",
                        o->name);
    t->place = ++last_place;
    PHI_TRY(set_door(t, err));
    t->cutter = gw_super_open(&t->door);
    t->reader = gw_super_open(&t->door);
    t->roles = o->session_roles ? gw_super_open(&t->door) : NULL;
    t->again = net_timer_open(t->gw->loop, on_again, t);
    if (!phi_arena_ok(&t->mem) || t->again == NULL || t->cutter == NULL || t->reader == NULL ||
        (o->session_roles && t->roles == NULL))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    struct net_listen_opts l = {
        .address = t->o.listen,
        .limits = { .max_in = PHI_MAX_HELD_BATCH + 1024 * 1024, .max_out = 16 * 1024 * 1024 },
        .on_accept = gw_front_accept,
        .ctx = t
    };
    return net_listen(t->gw->loop, &l, &t->listener, err);
}

enum phi_rc gw_add_target(struct gw_gateway *g, const struct gw_target_opts *o, struct phi_err *err)
{
    struct gw_target *t = calloc(1, sizeof *t);
    if (t == NULL)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    t->gw = g;
    enum phi_rc rc = target_open(t, o, err);
    if (rc != PHI_OK) {
        gw_target_close(t);
        return rc;
    }
    t->next = g->targets;
    g->targets = t;
    gw_roles_sweep(t);
    gw_target_refresh(t);
    return PHI_OK;
}

void gw_target_stop(struct gw_target *t)
{
    net_listener_close(t->listener);
    net_timer_close(t->again);
    t->again = NULL;
    struct gw_super *roles = t->roles;
    t->roles = NULL; /* whatever ends now is not asked for again */
    gw_super_close(roles);
    gw_super_close(t->cutter);
    gw_super_close(t->reader); /* answers what is under way, so `loading` is gone afterwards */
    t->listener = NULL;
    t->cutter = t->reader = NULL;
}

void gw_target_close(struct gw_target *t)
{
    gw_target_stop(t);
    gw_roles_close(t);
    gw_catalog_drop(t->loading);
    gw_catalog_drop(t->catalog);
    net_tls_close(t->door.tls);
    phi_wipe(&t->door.keys, sizeof t->door.keys);
    phi_buf_wipe(&t->secret);
    phi_buf_done(&t->secret);
    phi_buf_done(&t->path_text);
    phi_arena_done(&t->mem);
    free(t);
}
