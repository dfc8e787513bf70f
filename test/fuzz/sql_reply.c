/* A parser process that was taken over sends anything: reading and resolving its reply must be safe. */
#include <stdlib.h>

#include "gateway/sql_raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t sql[256];
    struct phi_view text = { sql, sizeof sql };
    struct gw_sql_raw *raw = sql_raw_read(phi_view_mem(data, size), text.n);
    if (!raw)
        return 0;
    PHI_ARENA(a, 16 * 1024 * 1024);
    struct gw_sql_env env = { .target = PHI_LIT("shop") };
    const struct gw_sql_facts *f = NULL;
    if (gw_sql_resolve(raw, text, &env, &a, &f))
        for (size_t i = 0; i < f->n; i++)
            if (f->stmts[i].text.n > text.n || (f->stmts[i].n && !(f->flags & GW_SQL_ADMIN)))
                abort(); /* a slice outside, or an action although nothing is known of the target */
    gw_sql_raw_drop(raw);
    return 0;
}
