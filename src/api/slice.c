/* Lists that core makes whole, given out in pages. */
#include "api/call.h"
#include "base/hash.h"

#define KEY_MAX 8192

static enum phi_rc after_read(struct api_call *c, struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(b, KEY_MAX);
    struct phi_view text = api_query(c, "cursor");
    *ret = (struct phi_view){ 0 };
    if (!text.n)
        return PHI_OK;
    if (!phi_b64u_read(text, &b) || !phi_buf_ok(&b) || b.n < 3 || !phi_view_starts(phi_buf_view(&b), PHI_LIT("s.")))
        return api_refuse(c, err, API_CURSOR_UNKNOWN, "\"cursor\" is not the `next` of an earlier answer of this list");
    *ret = phi_arena_copy(&c->arena, phi_view_from(phi_buf_view(&b), 2));
    return PHI_OK;
}

static struct phi_view next_of(struct api_call *c, struct phi_view key)
{
    PHI_BUF(plain, KEY_MAX);
    PHI_BUF(text, 2 * KEY_MAX);
    phi_buf_printf(&plain, "s." PHI_FMT, PHI_ARG(key));
    phi_b64u_add(&text, phi_buf_view(&plain));
    return phi_arena_copy(&c->arena, phi_buf_view(&text));
}

enum phi_rc api_slice(struct api_call *c, const struct api_sliced *of, struct api_slice *ret, struct phi_err *err)
{
    const char *items = of->items;
    struct phi_view after;
    int64_t limit;
    *ret = (struct api_slice){ .from = 0 };
    PHI_TRY(after_read(c, &after, err));
    PHI_TRY(api_query_int(c, "limit", 1, PHI_PAGE_MAX, PHI_PAGE_MAX, &limit, err));
    for (; after.n && ret->from < of->n; ret->from++) {
        int order = phi_view_cmp(of->key(&c->arena, items + ret->from * of->size), after);
        if (of->falling ? order < 0 : order > 0)
            break;
    }
    ret->to = of->n - ret->from > (size_t)limit ? ret->from + (size_t)limit : of->n;
    if (ret->to < of->n)
        ret->next = next_of(c, of->key(&c->arena, items + (ret->to - 1) * of->size));
    return PHI_OK;
}

void api_slice_end(struct phi_jw *w, const struct api_slice *s)
{
    phi_jw_end(w);
    if (s->next.n)
        phi_jw_kv(w, "next", s->next);
    phi_jw_end(w);
}
