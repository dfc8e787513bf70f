#include "base/json.h"
#include "base/text.h"
#include "gateway/sql.h"

static bool plain_name(struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];
        bool first = (c >= 'a' && c <= 'z') || c == '_';
        if (!first && !(i && c >= '0' && c <= '9'))
            return false;
    }
    return v.n > 0;
}

/* A name that is not plain stands in double quotes, a quote in it doubled; what could fool an eye is escaped. */
static void add_name(struct phi_buf *out, struct phi_view v)
{
    if (plain_name(v)) {
        phi_buf_add(out, v);
        return;
    }
    phi_buf_addc(out, '"');
    for (struct phi_view rest = v; rest.n;) {
        size_t n = 0;
        while (n < rest.n && rest.p[n] != '"')
            n++;
        phi_text_escape(out, phi_view_upto(rest, n), false);
        phi_buf_adds(out, n < rest.n ? "\"\"" : "");
        rest = phi_view_from(rest, n < rest.n ? n + 1 : n);
    }
    phi_buf_addc(out, '"');
}

/* A target's name may hold '-' and digits first, as people write them. */
static void add_target(struct phi_buf *out, struct phi_view v)
{
    bool plain = v.n > 0;
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];
        plain &= (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }
    if (plain)
        phi_buf_add(out, v);
    else
        add_name(out, v);
}

bool gw_sql_show_id(struct phi_buf *out, struct phi_view id)
{
    PHI_ARENA(a, 64 * 1024);
    const struct phi_json *v = NULL;
    if (phi_json_read(&a, id, PHI_JSON_STRICT, "id", &v, NULL) != PHI_OK || v->kind != PHI_JSON_ARR || !v->n)
        return false;
    for (size_t i = 0; i < v->n; i++)
        if (v->items[i].kind != PHI_JSON_STR)
            return false;
    add_target(out, v->items[0].str);
    for (size_t i = 1; i < v->n; i++) {
        phi_buf_addc(out, i == 1 ? '/' : '.');
        add_name(out, v->items[i].str);
    }
    return true;
}
