/* The statements of the PostgreSQL driver, made from the description of the tables. */
#include "store/pg_inner.h"

/* ---- SQL from the description of the tables; $1, $2, … in the order in which values are given */

void pg_sql_columns(struct phi_buf *b, const struct core_table_def *d)
{
    for (int i = 0; i < d->n_cols; i++)
        phi_buf_printf(b, "%s%s", i ? ", " : "", d->cols[i].name);
}

int pg_sql_where(struct phi_buf *b, const struct core_table_def *d, int ix, int n, int from)
{
    const struct core_index *index = &d->index[ix];
    int k = 0;
    for (; k < n && k < index->n; k++)
        phi_buf_printf(b, "%s%s = $%d", k ? " AND " : " WHERE ", d->cols[index->cols[k]].name, from + k);
    return from + k;
}

void pg_sql_add(struct phi_buf *b, const struct core_table_def *d)
{
    phi_buf_printf(b, "INSERT INTO %s (", d->name);
    pg_sql_columns(b, d);
    phi_buf_adds(b, ") VALUES (");
    for (int i = 0; i < d->n_cols; i++)
        phi_buf_printf(b, "%s$%d", i ? ", " : "", i + 1);
    phi_buf_adds(b, ") ON CONFLICT DO NOTHING"); /* an error would end the transaction */
}

/* $1 to $n: all columns, in their order; one more: what its `rev` must be. */
void pg_sql_set(struct phi_buf *b, const struct core_table_def *d)
{
    phi_buf_printf(b, "UPDATE %s SET ", d->name);
    for (int i = 0; i < d->n_cols; i++)
        phi_buf_printf(b, "%s%s = $%d", i ? ", " : "", d->cols[i].name, i + 1);
    for (int k = 0; k < d->index[0].n; k++)
        phi_buf_printf(b, "%s%s = $%d", k ? " AND " : " WHERE ", d->cols[d->index[0].cols[k]].name, d->index[0].cols[k] + 1);
    if (d->rev >= 0)
        phi_buf_printf(b, " AND rev = $%d", d->n_cols + 1);
}

/* Another row that has the new row's other unique key: asked beforehand, because the error would end the transaction. */
void pg_sql_free(struct phi_buf *b, const struct core_table_def *d)
{
    for (int ix = 1; ix < d->n_index; ix++) {
        if (!d->index[ix].unique)
            continue;
        phi_buf_printf(b, " AND NOT EXISTS (SELECT 1 FROM %s o", d->name);
        for (int k = 0; k < d->index[ix].n; k++)
            phi_buf_printf(b, "%so.%s = $%d", k ? " AND " : " WHERE ", d->cols[d->index[ix].cols[k]].name, d->index[ix].cols[k] + 1);
        phi_buf_adds(b, " AND NOT (");
        for (int k = 0; k < d->index[0].n; k++)
            phi_buf_printf(b, "%so.%s = $%d", k ? " AND " : "", d->cols[d->index[0].cols[k]].name, d->index[0].cols[k] + 1);
        phi_buf_adds(b, "))");
    }
}

void pg_sql_list(struct phi_buf *b, const struct core_table_def *d, int ix, const struct core_span *s)
{
    const struct core_index *index = &d->index[ix];
    phi_buf_adds(b, "SELECT ");
    pg_sql_columns(b, d);
    phi_buf_printf(b, " FROM %s", d->name);
    int next = pg_sql_where(b, d, ix, (int)s->prefix, 1);
    if (s->at_least || s->at_most) {
        const char *col = d->cols[index->cols[s->prefix]].name, *glue = s->prefix ? "AND" : "WHERE";
        if (s->at_least)
            phi_buf_printf(b, " %s %s >= $%d", glue, col, next);
        if (s->at_most)
            phi_buf_printf(b, " %s %s <= $%d", s->at_least ? "AND" : glue, col, next);
        next++;
    }
    const char *dir = s->last_first ? " DESC" : "";
    for (int i = 0; i < index->n; i++)
        phi_buf_printf(b, "%s%s%s", i ? ", " : " ORDER BY ", d->cols[index->cols[i]].name, dir);
    for (int i = 0; ix > 0 && i < d->index[0].n; i++)
        phi_buf_printf(b, ", %s%s", d->cols[d->index[0].cols[i]].name, dir);
    phi_buf_printf(b, " LIMIT NULLIF($%d, 0) OFFSET $%d", next, next + 1);
}
