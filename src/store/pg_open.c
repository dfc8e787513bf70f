/* Opening: the schema, and the steady clock that all phids of a database share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "store/migrations.h"
#include "store/pg_inner.h"

#define HELD_ARENA ((size_t)256 << 20)

/* The driver's own tables, beside those of src/store/sql. */
static const char own_tables[] =
    "CREATE SCHEMA IF NOT EXISTS phi;"
    "CREATE TABLE IF NOT EXISTS phi.migration (version INT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL,"
    " at TIMESTAMPTZ NOT NULL DEFAULT now());"
    "ALTER TABLE phi.migration ADD COLUMN IF NOT EXISTS digest TEXT NOT NULL DEFAULT '';" /* of a build that kept none */
    "CREATE TABLE IF NOT EXISTS phi.lease (name BYTEA PRIMARY KEY, holder BYTEA NOT NULL, fence BIGINT NOT NULL,"
    " until TIMESTAMPTZ NOT NULL);"
    "CREATE TABLE IF NOT EXISTS phi.outbox (seq BIGINT PRIMARY KEY, node BYTEA NOT NULL, kind BIGINT NOT NULL,"
    " request BYTEA NOT NULL, code BYTEA NOT NULL, grant_id BYTEA NOT NULL, principal BYTEA NOT NULL,"
    " target BYTEA NOT NULL, gateway BYTEA NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp());"
    "CREATE INDEX IF NOT EXISTS outbox_at ON phi.outbox (at);"
    "CREATE TABLE IF NOT EXISTS phi.boot (id TEXT PRIMARY KEY, shift_ms BIGINT NOT NULL);";

/* One row, one column, as a number; `none` where there is no row or it is NULL. */
static enum phi_rc number(struct pg *g, PGconn *c, const char *sql, int64_t none, int64_t *ret, struct phi_err *err)
{
    PGresult *r = NULL;
    PHI_TRY(pg_exec(g, c, sql, &r, err));
    bool there = g->pq->ntuples(r) == 1 && !g->pq->getisnull(r, 0, 0);
    *ret = there ? strtoll(g->pq->getvalue(r, 0, 0), NULL, 10) : none;
    g->pq->clear(r);
    return PHI_OK;
}

static enum phi_rc server_check(struct pg *g, PGconn *c, struct phi_err *err)
{
    int64_t version, syncs;
    PHI_TRY(number(g, c, "SELECT current_setting('server_version_num')", 0, &version, err));
    PHI_TRY(number(g, c, "SELECT CASE WHEN current_setting('fsync') = 'on' THEN 1 ELSE 0 END", 0, &syncs, err));
    if (version < 130000)
        return phi_fail(err, PHI_EINPUT, "the store's PostgreSQL is older than 13");
    if (!syncs)
        return phi_fail(err, PHI_EINPUT, "the store's PostgreSQL runs with fsync = off, so nothing in it is durable");
    return PHI_OK;
}

/* ---- migrations */

static enum phi_rc migrate_one(struct pg *g, PGconn *c, const struct store_migration *m, struct phi_err *err)
{
    char done[256];
    snprintf(done, sizeof done, "INSERT INTO phi.migration (version, name, digest) VALUES (%d, '%s', '%s')", m->version, m->name, m->digest);
    PHI_TRY(pg_exec(g, c, m->pgsql, NULL, err));
    return pg_exec(g, c, done, NULL, err);
}

/* Those that this database had are those that this phid knows. */
static enum phi_rc same_migrations(struct pg *g, PGconn *c, int64_t version, struct phi_err *err)
{
    char sql[192];
    for (int i = 0; i < (int)version; i++) {
        int64_t same = 0;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM phi.migration WHERE version = %d AND digest = '%s'", i + 1, store_migrations[i].digest);
        PHI_TRY(number(g, c, sql, 0, &same, err));
        if (same != 1)
            return STORE_MIGRATION_DIFFERS(err, &store_migrations[i], "schema phi of the store's database");
    }
    return PHI_OK;
}

/* In the transaction that holds the lock, so that phids that start together do it once. */
static enum phi_rc migrate(struct pg *g, PGconn *c, struct phi_err *err)
{
    int64_t version, gaps;
    PHI_TRY(pg_exec(g, c, own_tables, NULL, err));
    PHI_TRY(number(g, c, "SELECT max(version) FROM phi.migration", 0, &version, err));
    PHI_TRY(number(g, c, "SELECT max(version) - count(*) FROM phi.migration", 0, &gaps, err));
    if (version > store_migration_count)
        return phi_fail(err, PHI_EINPUT, "the store's database is of a newer phi (schema %lld, this one knows %d); start that one",
                        (long long)version, store_migration_count);
    if (gaps != 0)
        return phi_fail(err, PHI_ECORRUPT, "the store's database lacks a migration");
    PHI_TRY(same_migrations(g, c, version, err));
    if (version > 0 && version < store_migration_count && !g->no_copy)
        PHI_TRY(pg_keep_before(g, c, version, err));
    for (int i = (int)version; i < store_migration_count; i++)
        PHI_TRY(migrate_one(g, c, &store_migrations[i], err));
    return PHI_OK;
}

/* ---- the clock: this machine's steady one, shifted so that it goes on from what was committed last */

struct last { /* the head row's view of time */
    bool there;
    int64_t wall, boot;
    char boot_id[64];
};

static enum phi_rc last_read(struct pg *g, PGconn *c, struct last *ret, struct phi_err *err)
{
    PGresult *r = NULL;
    PHI_TRY(pg_exec(g, c, "SELECT anchor_wall, anchor_boot, encode(boot_id, 'escape') FROM phi.state WHERE id = 0", &r, err));
    ret->there = g->pq->ntuples(r) == 1;
    if (ret->there) {
        ret->wall = strtoll(g->pq->getvalue(r, 0, 0), NULL, 10);
        ret->boot = strtoll(g->pq->getvalue(r, 0, 1), NULL, 10);
        snprintf(ret->boot_id, sizeof ret->boot_id, "%s", g->pq->getvalue(r, 0, 2));
    }
    g->pq->clear(r);
    return PHI_OK;
}

static enum phi_rc boot_keep(struct pg *g, PGconn *c, bool alone, struct phi_err *err)
{
    char sql[256];
    snprintf(sql, sizeof sql, "%sINSERT INTO phi.boot (id, shift_ms) VALUES ('%.60s', %lld) ON CONFLICT (id) DO UPDATE SET shift_ms = excluded.shift_ms",
             alone ? "DELETE FROM phi.boot; " : "", g->base->boot_id(g->base->self), (long long)g->shift);
    return pg_exec(g, c, sql, NULL, err);
}

/* Where this boot of this machine has been here before its shift is known exactly. Else the wall clock says how long
 * nobody was here; where it stands before the last anchor and no other phid lives, rights do not go on (another
 * boot_id makes core end them). */
static enum phi_rc clock_settle(struct pg *g, PGconn *c, struct phi_err *err)
{
    struct last last = { 0 };
    char sql[160];
    int64_t known, others, here = g->base->boot_ms(g->base->self);
    int64_t gone = 0;
    const char *mine = g->base->boot_id(g->base->self);
    if (strspn(mine, "0123456789abcdefABCDEF-_.boot") != strlen(mine))
        return phi_fail(err, PHI_EINPUT, "the machine's boot id is not one");
    PHI_TRY(last_read(g, c, &last, err));
    snprintf(sql, sizeof sql, "SELECT shift_ms FROM phi.boot WHERE id = '%.60s'", mine);
    PHI_TRY(number(g, c, sql, INT64_MIN, &known, err));
    PHI_TRY(number(g, c, "SELECT count(*) FROM phi.lease WHERE until > clock_timestamp()", 0, &others, err));
    snprintf(g->boot_id, sizeof g->boot_id, "%s", last.there && last.boot_id[0] ? last.boot_id : mine);
    if (!last.there)
        return boot_keep(g, c, true, err);
    gone = g->base->wall_ms(g->base->self) - last.wall;
    if (known != INT64_MIN) {
        g->shift = known;
    } else if (gone >= 0 || others > 0) {
        g->shift = last.boot - here + (gone > 0 ? gone : 0);
    } else {
        uint8_t bits[8];
        phi_random(bits, sizeof bits);
        snprintf(g->boot_id, sizeof g->boot_id, "%.40s.%02x%02x%02x%02x", mine, bits[0], bits[1], bits[2], bits[3]);
        g->shift = 0;
        return boot_keep(g, c, true, err);
    }
    if (here + g->shift < last.boot)
        g->shift = last.boot - here;
    return boot_keep(g, c, false, err);
}

void pg_clock_see(struct pg *g, int64_t anchor_boot)
{
    int64_t ahead = anchor_boot - (g->base->boot_ms(g->base->self) + g->shift);
    if (ahead > 0)
        g->shift += ahead;
}

static int64_t clock_wall(void *self)
{
    struct pg *g = self;
    return g->base->wall_ms(g->base->self);
}

static int64_t clock_boot(void *self)
{
    struct pg *g = self;
    return g->base->boot_ms(g->base->self) + g->shift;
}

static const char *clock_boot_id(void *self)
{
    return ((struct pg *)self)->boot_id;
}

const struct phi_clock *phi_store_pgsql_clock(struct phi_store *s)
{
    return &((struct pg *)s->self)->clock;
}

/* ---- opening */

static enum phi_rc set_up_begun(struct pg *g, PGconn *c, struct phi_err *err)
{
    char lock[96];
    snprintf(lock, sizeof lock, "BEGIN; SELECT pg_advisory_xact_lock(%d)", PG_LOCK);
    PHI_TRY(pg_exec(g, c, lock, NULL, err));
    PHI_TRY(migrate(g, c, err));
    PHI_TRY(clock_settle(g, c, err));
    PHI_TRY(number(g, c, "SELECT max(seq) FROM phi.outbox", 0, &g->heard, err));
    return pg_exec(g, c, "COMMIT", NULL, err);
}

enum phi_rc pg_set_up(struct pg *g, struct phi_err *err)
{
    PGconn *c = NULL;
    PHI_TRY(pg_connect(g, &c, err));
    enum phi_rc rc = server_check(g, c, err);
    if (rc == PHI_OK)
        rc = set_up_begun(g, c, err);
    g->pq->finish(c);
    return rc;
}

/* A password in conninfo would stand in phid.yaml and in messages. */
static enum phi_rc conninfo_check(struct pg *g, struct phi_err *err)
{
    char *why = NULL;
    bool has = false;
    PQconninfoOption *all = g->pq->conninfoParse(g->conninfo, &why);
    if (!all) {
        phi_fail(err, PHI_EINPUT, "store: %.*s", why ? (int)strcspn(why, "\n") : 0, why ? why : "");
        g->pq->freemem(why);
        return PHI_EINPUT;
    }
    for (PQconninfoOption *o = all; o->keyword; o++)
        has = has || (strcmp(o->keyword, "password") == 0 && o->val && o->val[0]);
    g->pq->conninfoFree(all);
    return has ? phi_fail(err, PHI_EINPUT, "store: the password stands in a file of its own; name it by password_file") : PHI_OK;
}

enum phi_rc phi_store_pgsql_open(const struct phi_store_pgsql_opts *o, struct phi_store **ret, struct phi_err *err)
{
    uint8_t bits[8];
    struct pg *g = calloc(1, sizeof *g);
    if (!g)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    g->store = (struct phi_store){ &pg_ops, g };
    g->stop_fd = -1;
    phi_arena_init(&g->held.a, HELD_ARENA);
    g->heard_at = o->clock->boot_ms(o->clock->self);
    g->conninfo = strdup(o->conninfo);
    g->password_file = strdup(o->password_file ? o->password_file : "");
    g->name = strdup(o->name ? o->name : "phid");
    g->base = o->clock;
    g->no_copy = o->no_copy;
    g->clock = (struct phi_clock){ g, clock_wall, clock_boot, clock_boot_id };
    phi_random(bits, sizeof bits);
    for (int i = 0; i < 8; i++)
        snprintf(g->node + 2 * i, 3, "%02x", bits[i]);
    g->pq = pq_load(err);
    enum phi_rc rc = !g->pq                                            ? PHI_EIO
                     : !g->conninfo || !g->password_file || !g->name ? phi_fail(err, PHI_ELIMIT, "out of memory")
                                                                       : conninfo_check(g, err);
    if (rc == PHI_OK)
        rc = pg_set_up(g, err);
    if (rc != PHI_OK) {
        phi_store_close(&g->store);
        return rc;
    }
    *ret = &g->store;
    return PHI_OK;
}
