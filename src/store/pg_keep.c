/* Before the schema changes: the database's tables as they were, in a schema of their own. What a migration has changed nobody
 * changes back. */
#include <stdio.h>
#include <string.h>

#include "base/logline.h"
#include "store/pg_inner.h"

/* One statement a row, in the order in which they run. The copies have the names of the originals, indexes too, so that the kept
 * schema can be renamed to `phi` and is that. */
static const char statements[] =
    "SELECT s FROM ("
    "SELECT 1 AS o, format('CREATE TABLE %%1$I.%%2$I (LIKE phi.%%2$I INCLUDING ALL EXCLUDING INDEXES)', '%1$s', tablename) AS s"
    " FROM pg_tables WHERE schemaname = 'phi' "
    "UNION ALL SELECT 2, format('INSERT INTO %%1$I.%%2$I SELECT * FROM phi.%%2$I', '%1$s', tablename)"
    " FROM pg_tables WHERE schemaname = 'phi' "
    "UNION ALL SELECT 3, format('ALTER TABLE %%I.%%I ADD CONSTRAINT %%I %%s', '%1$s', c.relname, k.conname, pg_get_constraintdef(k.oid))"
    " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.connamespace = 'phi'::regnamespace AND k.contype IN ('p', 'u') "
    "UNION ALL SELECT 4, replace(x.indexdef, ' ON phi.', ' ON %1$s.') FROM pg_indexes x WHERE x.schemaname = 'phi'"
    " AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.connamespace = 'phi'::regnamespace AND k.conname = x.indexname)"
    ") all_of ORDER BY o, s";

static enum phi_rc copy(struct pg *g, PGconn *c, const char *schema, struct phi_err *err)
{
    PGresult *list = NULL;
    char sql[sizeof statements + 256];
    snprintf(sql, sizeof sql, "CREATE SCHEMA %s", schema);
    PHI_TRY(pg_exec(g, c, sql, NULL, err));
    snprintf(sql, sizeof sql, statements, schema);
    PHI_TRY(pg_exec(g, c, sql, &list, err));
    enum phi_rc rc = PHI_OK;
    for (int i = 0; rc == PHI_OK && i < g->pq->ntuples(list); i++)
        rc = pg_exec(g, c, g->pq->getvalue(list, i, 0), NULL, err);
    g->pq->clear(list);
    return rc;
}

enum phi_rc pg_keep_before(struct pg *g, PGconn *c, int64_t version, struct phi_err *err)
{
    char schema[32], sql[128];
    struct phi_err why = { 0 };
    PGresult *r = NULL;
    snprintf(schema, sizeof schema, "phi_schema_%lld", (long long)version);
    snprintf(sql, sizeof sql, "SELECT FROM pg_namespace WHERE nspname = '%s'", schema);
    PHI_TRY(pg_exec(g, c, sql, &r, err));
    bool there = g->pq->ntuples(r) > 0;
    g->pq->clear(r);
    if (there) /* whoever went back to this schema may still need it */
        return phi_fail(err, PHI_ECONFLICT, "the store's database has a copy of before an earlier update, %s; rename or drop it, then start again", schema);
    if (copy(g, c, schema, &why) != PHI_OK)
        return phi_fail(err, PHI_EIO, "the store could not be copied to %s before its schema changes (%s); see copy_before_update", schema, why.msg);
    PHI_LOG(INFO, "the store's schema is brought up to date; a copy of it as it was is kept", "copy", "schema %s", schema);
    return PHI_OK;
}
