#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum phi_rc phi_fail_at(struct phi_err *err, enum phi_rc rc, const char *file, int line,
                        const char *fmt, ...)
{
    if (!err)
        return rc;
    err->rc = rc;
    err->file = file;
    err->line = line;
    /* Formatted apart first: an argument may be the message that is being replaced. */
    char msg[sizeof(err->msg)];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    memcpy(err->msg, msg, sizeof(msg));
    return rc;
}

static const struct {
    const char *name, *text;
} codes[] = {
#define X(n, t) { #n, t },
    PHI_RC(X)
#undef X
};

const char *phi_rc_name(enum phi_rc rc)
{
    size_t i = (size_t)rc;
    return i < sizeof(codes) / sizeof(*codes) ? codes[i].name : "unknown";
}

const char *phi_rc_text(enum phi_rc rc)
{
    size_t i = (size_t)rc;
    return i < sizeof(codes) / sizeof(*codes) ? codes[i].text : "an unknown error";
}
