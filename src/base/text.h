/* Text as people see it. What came from outside is stored raw and shown escaped: control
 * characters, bidi controls, invisible and non-UTF-8 bytes appear as \x1b, \u{202e}, … */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"

bool phi_utf8_ok(struct phi_view v); /* RFC 3629, no surrogates, NUL allowed */
/* Decodes one code point at the front of a non-empty view; 0 bytes taken when it is not UTF-8. */
size_t phi_utf8_next(struct phi_view v, uint32_t *code_point);
void phi_utf8_add(struct phi_buf *b, uint32_t code_point);

/* Appends `v` safe for a terminal, a NOTICE or a log line. `multiline` keeps '\n' and '\t'. A
 * backslash is left as it is, except before what would read as an escape of ours: it is doubled. */
void phi_text_escape(struct phi_buf *b, struct phi_view v, bool multiline);

/* "9 min 59 s", "2 h", "45 s": two units at most, rounded down; negative is "0 s". */
void phi_text_duration(struct phi_buf *b, int64_t ms);
/* "10m", "1h30m", "45s", "2d" to milliseconds; false on anything else, zero, or over 366 days. */
bool phi_text_duration_read(struct phi_view v, int64_t *ret_ms);
/* RFC 3339 UTC with milliseconds, "2026-11-21T07:29:25.123Z"; valid to year 9999. */
void phi_text_time(struct phi_buf *b, int64_t unix_ms);
bool phi_text_time_read(struct phi_view v, int64_t *ret_unix_ms);

#endif
