/* PostgreSQL's protocol 3.0 (manual, chapter 55 "Frontend/Backend Protocol") as a codec without
 * I/O. Readers take borrowed views and answer views into them; nothing is copied or kept. Every
 * reader is strict: a body must be used up to its last byte. Builders append whole messages to a
 * buffer, whose badness is checked once by the caller. */
#ifndef WIRE_PG_H
#define WIRE_PG_H

#include "base/buf.h"
#include "wire/frame.h"

#define PG_PROTOCOL_3  196608U /* 3.0 */
#define PG_MAX_STARTUP 10000   /* PostgreSQL's own MAX_STARTUP_PACKET_LENGTH */
#define PG_HEAD        5       /* type byte and length word */

/* --- before the first typed message --- */
enum pg_hello_kind { PG_HELLO_STARTUP, PG_HELLO_SSL, PG_HELLO_GSS, PG_HELLO_CANCEL };

struct pg_hello {
    enum pg_hello_kind kind;
    uint16_t minor; /* STARTUP: minor version asked for; the major one is 3 */
    struct phi_view
        params;        /* STARTUP: walk with pg_param_next; every name and value is terminated */
    uint32_t pid, key; /* CANCEL */
};

/* Reads one untyped message at the front of `in` and consumes it. BAD: length out of bounds, another
 * major version, unterminated or odd parameters, bytes after the list's end. */
enum phi_frame pg_hello_read(struct phi_view *in, struct pg_hello *ret);
/* False at the end. Names may repeat: the caller decides what that means. */
bool pg_param_next(struct phi_view *params, struct phi_view *name, struct phi_view *value);

/* --- typed messages --- */
/* One whole message at the front of `in`, consumed; `max` bounds the body. */
enum phi_frame pg_frame(struct phi_view *in, size_t max, uint8_t *type, struct phi_view *body);
/* Only type and body length, consuming nothing: for relaying without waiting for the whole. */
enum phi_frame pg_frame_head(struct phi_view in, size_t max, uint8_t *type, size_t *body_len);

/* A cursor over a body; reading past the end makes it bad and answers zero or an empty view. */
struct pg_rd {
    struct phi_view v;
    bool bad;
};
uint8_t pg_rd8(struct pg_rd *r);
uint16_t pg_rd16(struct pg_rd *r);
uint32_t pg_rd32(struct pg_rd *r);
struct phi_view pg_rd_str(struct pg_rd *r); /* up to and past the next NUL, without it */
struct phi_view pg_rd_bytes(struct pg_rd *r, size_t n);
bool pg_rd_end(const struct pg_rd *r); /* not bad and nothing left */

/* --- what a client sends --- */
struct pg_parse {
    struct phi_view name, sql;
    struct phi_view types; /* OIDs, 4 bytes each, big-endian */
};
struct pg_bind {
    struct phi_view portal, stmt;
    struct phi_view formats; /* 2 bytes each */
    struct phi_view params;  /* walk with pg_value_next */
    uint16_t n_params;
    struct phi_view results; /* 2 bytes each */
};
struct pg_execute {
    struct phi_view portal;
    uint32_t max_rows; /* 0: all */
};
struct pg_object { /* Describe, Close */
    uint8_t kind;  /* 'S' statement, 'P' portal */
    struct phi_view name;
};
bool pg_query_read(struct phi_view body, struct phi_view *sql);
bool pg_parse_read(struct phi_view body, struct pg_parse *ret);
bool pg_bind_read(struct phi_view body, struct pg_bind *ret);
bool pg_execute_read(struct phi_view body, struct pg_execute *ret);
bool pg_object_read(struct phi_view body, struct pg_object *ret);
/* The next parameter value of a Bind that was read: `null` or `value`. False at the end. */
bool pg_value_next(struct phi_view *params, bool *null, struct phi_view *value);
/* The i-th 16- or 32-bit word of formats, results or types; 0 past the end. */
uint16_t pg_word16(struct phi_view words, size_t i);
uint32_t pg_word32(struct phi_view words, size_t i);

/* --- what a server sends --- */
bool pg_status_read(struct phi_view body, struct phi_view *name, struct phi_view *value);
bool pg_field_next(struct phi_view *fields, uint8_t *code, struct phi_view *value);
/* One field of an ErrorResponse or NoticeResponse body; empty when absent. */
struct phi_view pg_field(struct phi_view fields, uint8_t code);

/* --- building --- */
size_t pg_begin(struct phi_buf *b, uint8_t type);      /* answers where the message began */
void pg_end(struct phi_buf *b, size_t at);             /* fills in its length */
void pg_add_str(struct phi_buf *b, struct phi_view s); /* and a NUL; bad when it holds one itself */
void pg_add_empty(struct phi_buf *b, uint8_t type);    /* Sync, Flush, Terminate, CopyDone, … */
void pg_add_body(struct phi_buf *b, uint8_t type, struct phi_view body);
void pg_add_query(struct phi_buf *b, struct phi_view sql);
void pg_add_execute(struct phi_buf *b, struct phi_view portal, uint32_t max_rows);
void pg_add_status(struct phi_buf *b, struct phi_view name, struct phi_view value);
void pg_add_ready(struct phi_buf *b, uint8_t state); /* 'I', 'T', 'E' */
void pg_add_backend_key(struct phi_buf *b, uint32_t pid, uint32_t key);
void pg_add_auth(struct phi_buf *b, uint32_t code, struct phi_view data);
void pg_add_cancel(struct phi_buf *b, uint32_t pid, uint32_t key);
void pg_add_ssl_request(struct phi_buf *b);
/* `pairs`: name, value, name, value, …, `n` pairs. */
void pg_add_startup(struct phi_buf *b, const struct phi_view *pairs, size_t n);

struct pg_report {        /* of an ErrorResponse or NoticeResponse; empty fields are left out */
    const char *severity; /* "ERROR", "FATAL", "NOTICE" */
    const char *sqlstate; /* five characters */
    struct phi_view message, detail, hint;
    uint32_t position; /* in characters, from 1; 0: none */
};
/* NULs inside the texts become blanks. */
void pg_add_report(struct phi_buf *b, uint8_t type, const struct pg_report *r);

#endif
