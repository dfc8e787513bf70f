/* A decoded and checked answer of a parser process, and how it is made and kept. */
#ifndef GATEWAY_SQL_RAW_H
#define GATEWAY_SQL_RAW_H

#include "gateway/sql.h"
#include "gateway/sql_pack.h"

#define SQL_RAW_WHOLE UINT32_MAX

struct raw_stmt {
    uint32_t start, len; /* in the text; len SQL_RAW_WHOLE: all of it but blanks around and semicolons at the end */
    uint32_t flags;
    struct phi_view tag, name, refuse;
    const struct sql_ref *refs;
    size_t n;
};

struct gw_sql_raw {
    unsigned holders;
    bool ok;
    char sqlstate[6];
    uint32_t cursor;
    struct phi_view error;
    size_t n;
    struct raw_stmt *stmts;
    struct sql_memo *memo;
    int64_t missed_boot_ms; /* looked for in a fresh catalogue, and not there; 0: never */
    bool whole; /* one statement without anything that depends on a literal: fit for the cache */
};

/* From what a process sent for a text of `text_len` bytes. NULL when it breaks the rules in any way. */
struct gw_sql_raw *sql_raw_read(struct phi_view reply, size_t text_len);
/* A failure that we noticed ourselves. NULL when out of memory. */
struct gw_sql_raw *sql_raw_error(const char *sqlstate, const char *message);

struct phi_view sql_raw_text(const struct raw_stmt *s, struct phi_view sql);

#endif
