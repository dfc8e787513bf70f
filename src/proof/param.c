#include "proof/param.h"

#include <string.h>

#include "base/hash.h"
#include "base/text.h"

/* Built-in type OIDs never change (pg_type.dat). */
enum { OID_UNDECLARED = 0, OID_BOOL = 16, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_TEXT = 25, OID_VARCHAR = 1043, OID_UUID = 2950 };

static bool is_binary(const struct phi_statement *s, size_t i)
{
    if (s->n_formats == 0)
        return false;
    return s->formats[s->n_formats == 1 ? 0 : i] == 1;
}

static bool is_plain_text(struct phi_view v)
{
    return phi_utf8_ok(v) && (v.n == 0 || !memchr(v.p, 0, v.n));
}

static bool read_integer(struct phi_view v, int64_t *ret)
{
    if (v.n != 2 && v.n != 4 && v.n != 8)
        return false;
    uint64_t u = v.p[0] & 0x80 ? UINT64_MAX : 0; /* the sign, extended */
    for (size_t i = 0; i < v.n; i++)
        u = u << 8 | v.p[i];
    *ret = (int64_t)u;
    return true;
}

static void show_uuid(struct phi_buf *out, struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            phi_buf_addc(out, '-');
        phi_hex_add(out, phi_view_mem(v.p + i, 1));
    }
}

static void show_hex(struct phi_buf *out, struct phi_view v)
{
    phi_buf_adds(out, "\\x");
    phi_hex_add(out, v);
}

static void show_binary(struct phi_buf *out, uint32_t type, struct phi_view v)
{
    int64_t n = 0;
    bool is_int = read_integer(v, &n);
    if ((type == OID_INT2 && v.n == 2) || (type == OID_INT4 && v.n == 4) || (type == OID_INT8 && v.n == 8)) {
        phi_buf_printf(out, "%lld", (long long)n);
    } else if (type == OID_BOOL && v.n == 1) {
        phi_buf_adds(out, v.p[0] ? "true" : "false");
    } else if (type == OID_UUID && v.n == 16) {
        show_uuid(out, v);
    } else if ((type == OID_TEXT || type == OID_VARCHAR) && is_plain_text(v)) {
        phi_buf_add(out, v);
    } else {
        show_hex(out, v);
        if (type == OID_UNDECLARED && is_int)
            phi_buf_printf(out, " (%lld if an integer)", (long long)n);
    }
}

void phi_param_show(struct phi_buf *out, const struct phi_statement *s, size_t i)
{
    struct phi_view v = s->params[i].bytes;
    if (is_binary(s, i))
        show_binary(out, i < s->n_types ? s->types[i] : OID_UNDECLARED, v);
    else if (is_plain_text(v))
        phi_buf_add(out, v);
    else
        show_hex(out, v);
}
