#include "proof/cbor.h"

/* The argument of a head; false where it is cut off or not the shortest form. */
static bool argument(struct phi_view *in, unsigned low, uint64_t *ret)
{
    static const uint64_t least[] = { 24, 1U << 8, 1U << 16, 1ULL << 32 };
    *ret = low;
    if (low < 24)
        return true;
    if (low > 27)
        return false; /* reserved, or of indefinite length */
    size_t n = (size_t)1 << (low - 24);
    if (in->n < n)
        return false;
    *ret = 0;
    for (size_t i = 0; i < n; i++)
        *ret = *ret << 8 | in->p[i];
    *in = phi_view_from(*in, n);
    return *ret >= least[low - 24];
}

static struct cbor_item text_item(struct phi_view *in, uint64_t n, enum cbor_kind kind)
{
    struct cbor_item bad = { 0 };
    if (n > in->n)
        return bad;
    struct cbor_item item = { .kind = kind, .bytes = phi_view_upto(*in, (size_t)n) };
    *in = phi_view_from(*in, (size_t)n);
    return item;
}

struct cbor_item cbor_next(struct phi_view *in)
{
    struct cbor_item bad = { 0 };
    uint64_t n;
    if (in->n == 0)
        return bad;
    unsigned head = in->p[0];
    *in = phi_view_from(*in, 1);
    if (!argument(in, head & 31, &n) || n > INT64_MAX)
        return bad;
    switch (head >> 5) {
    case 0: return (struct cbor_item){ .kind = CBOR_INT, .num = (int64_t)n };
    case 1: return (struct cbor_item){ .kind = CBOR_INT, .num = -1 - (int64_t)n };
    case 2: return text_item(in, n, CBOR_BYTES);
    case 3: return text_item(in, n, CBOR_TEXT);
    case 4: return n > in->n ? bad : (struct cbor_item){ .kind = CBOR_ARRAY, .num = (int64_t)n };
    case 5: return n > in->n / 2 ? bad : (struct cbor_item){ .kind = CBOR_MAP, .num = (int64_t)n };
    case 7: return n >= 20 && n <= 22 && (head & 31) < 24 ? (struct cbor_item){ .kind = CBOR_SIMPLE, .num = (int64_t)n } : bad;
    }
    return bad; /* 6: a tag */
}

bool cbor_skip(struct phi_view *in, int depth)
{
    struct cbor_item item = cbor_next(in);
    int64_t n = item.kind == CBOR_ARRAY ? item.num : item.kind == CBOR_MAP ? 2 * item.num : 0;
    if (item.kind == CBOR_BAD || depth > CBOR_DEPTH)
        return false;
    for (int64_t i = 0; i < n; i++)
        if (!cbor_skip(in, depth + 1))
            return false;
    return true;
}
