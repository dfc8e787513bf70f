#include "proof/tile.h"

#include <stdlib.h>
#include <string.h>

/* ---- paths ---- */

static bool small(struct phi_view v, unsigned max, unsigned *ret)
{
    int64_t n;
    if (!v.n || v.n > 3 || v.p[0] == '-' || (v.n > 1 && v.p[0] == '0') || !phi_view_int(v, &n) || n > max)
        return false;
    *ret = (unsigned)n;
    return true;
}

static bool digits3(struct phi_view v, uint64_t *n)
{
    if (v.n != 3 || *n > UINT64_MAX / 1000 - 1)
        return false;
    for (size_t i = 0; i < 3; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return false;
        *n = *n * 10 + (uint64_t)(v.p[i] - '0');
    }
    return true;
}

/* "x001/x234/067" and what follows the last group. No leading "x000". */
static bool index_read(struct phi_view *rest, uint64_t *ret, struct phi_view *last)
{
    struct phi_view part;
    bool first = true;
    *ret = 0;
    while (phi_view_split(rest, '/', &part)) {
        if (!part.n || part.p[0] != 'x') {
            *last = phi_view_from(part, 3);
            return digits3(phi_view_upto(part, 3), ret);
        }
        part = phi_view_from(part, 1);
        if (!digits3(part, ret) || (first && phi_view_is(part, "000")))
            return false;
        first = false;
    }
    return false;
}

static bool path_read(struct phi_view path, struct phi_tile *t)
{
    struct phi_view rest = path, part, last;
    if (path.n > PHI_TILE_PATH_MAX || !path.n || path.p[path.n - 1] == '/' || !phi_view_split(&rest, '/', &part))
        return false;
    t->entries = phi_view_is(part, "entries");
    if ((!t->entries && !small(part, 63, &t->level)) || !index_read(&rest, &t->index, &last))
        return false;
    t->width = PHI_TILE_WIDTH;
    if (!last.n)
        return !rest.n;
    return phi_view_is(last, ".p") && small(rest, PHI_TILE_WIDTH - 1, &t->width) && t->width > 0;
}

enum phi_rc phi_tile_read(struct phi_view path, struct phi_tile *ret, struct phi_err *err)
{
    struct phi_tile t = { 0 };
    if (!path_read(path, &t))
        return phi_fail(err, PHI_EINPUT, "this is no tile's path (<L>/<N>, entries/<N>, .p/<W>)");
    *ret = t;
    return PHI_OK;
}

void phi_tile_write(struct phi_buf *out, const struct phi_tile *t)
{
    unsigned group[8];
    int n = 0;
    for (uint64_t at = t->index; n == 0 || at; at /= 1000)
        group[n++] = (unsigned)(at % 1000);
    if (t->entries)
        phi_buf_adds(out, "entries");
    else
        phi_buf_printf(out, "%u", t->level);
    while (n-- > 0)
        phi_buf_printf(out, "/%s%03u", n ? "x" : "", group[n]);
    if (t->width != PHI_TILE_WIDTH)
        phi_buf_printf(out, ".p/%u", t->width);
}

/* ---- places ---- */

bool phi_tile_within(const struct phi_tile *t, uint64_t size)
{
    unsigned bits = 8 * t->level;
    uint64_t complete = bits < 64 ? size >> bits : 0; /* hashes of this level that the tree has */
    return t->width >= 1 && t->width <= PHI_TILE_WIDTH && t->index <= complete / PHI_TILE_WIDTH &&
           t->index * PHI_TILE_WIDTH + t->width <= complete;
}

struct phi_tile phi_tile_of(unsigned level, uint64_t at, uint64_t size)
{
    unsigned bits = 8 * level;
    uint64_t complete = bits < 64 ? size >> bits : 0, index = at / PHI_TILE_WIDTH;
    struct phi_tile t = { .level = level, .index = index };
    if (at < complete) {
        uint64_t left = complete - index * PHI_TILE_WIDTH;
        t.width = left < PHI_TILE_WIDTH ? (unsigned)left : PHI_TILE_WIDTH;
    }
    return t;
}

/* ---- entry bundles ---- */

enum phi_rc phi_bundle_entry_add(struct phi_buf *out, struct phi_view entry, struct phi_err *err)
{
    if (entry.n > PHI_TILE_ENTRY_MAX)
        return phi_fail(err, PHI_ELIMIT, "an entry of %zu bytes does not fit an entry bundle", entry.n);
    phi_buf_add16(out, (uint16_t)entry.n);
    phi_buf_add(out, entry);
    return PHI_OK;
}

bool phi_bundle_entry_next(struct phi_view *rest, struct phi_view *ret)
{
    if (rest->n < 2)
        return false;
    size_t n = (size_t)rest->p[0] << 8 | rest->p[1];
    if (rest->n - 2 < n)
        return false;
    *ret = phi_view_upto(phi_view_from(*rest, 2), n);
    *rest = phi_view_from(*rest, 2 + n);
    return true;
}

/* ---- nodes out of tiles ---- */

struct phi_tiles_kept {
    struct phi_tile tile;
    struct phi_digest hash[PHI_TILE_WIDTH];
    struct phi_tiles_kept *next;
};

static enum phi_rc tile_take(struct phi_tiles *s, const struct phi_tile *t, struct phi_tiles_kept **ret)
{
    PHI_BUF(raw, PHI_TILE_WIDTH * PHI_SHA256_LEN + 1);
    for (struct phi_tiles_kept *k = s->kept; k; k = k->next)
        if (k->tile.level == t->level && k->tile.index == t->index) {
            *ret = k;
            return PHI_OK;
        }
    PHI_TRY(s->fetch(s->ctx, t, &raw, s->err));
    if (!phi_buf_ok(&raw) || raw.n != t->width * PHI_SHA256_LEN)
        return phi_fail(s->err, PHI_EINPUT, "a tile of %u hashes has %zu bytes", t->width, raw.n);
    struct phi_tiles_kept *k = calloc(1, sizeof *k);
    if (!k)
        return phi_fail(s->err, PHI_ELIMIT, "out of memory");
    k->tile = *t;
    k->next = s->kept;
    memcpy(k->hash, raw.p, raw.n);
    *ret = s->kept = k;
    return PHI_OK;
}

/* A tile has the hashes of every eighth level; those between are made of them. */
enum phi_rc phi_tile_node(void *tiles, unsigned level, uint64_t index, struct phi_digest *ret)
{
    struct phi_tiles *s = tiles;
    struct phi_tiles_kept *k = NULL;
    unsigned up = level % 8, n = 1u << up;
    if (level >= PHI_TREE_LEVELS || index >= s->size >> level)
        return PHI_ENOTFOUND;
    uint64_t at = index << up;
    struct phi_tile t = phi_tile_of(level / 8, at, s->size);
    if (!t.width)
        return PHI_ENOTFOUND;
    PHI_TRY(tile_take(s, &t, &k));
    struct phi_digest h[PHI_TILE_WIDTH / 2];
    memcpy(h, &k->hash[at % PHI_TILE_WIDTH], n * sizeof *h);
    for (; n > 1; n /= 2)
        for (unsigned i = 0; i < n / 2; i++)
            h[i] = phi_node_hash(&h[2 * i], &h[2 * i + 1]);
    *ret = h[0];
    return PHI_OK;
}

void phi_tiles_done(struct phi_tiles *t)
{
    while (t->kept) {
        struct phi_tiles_kept *k = t->kept;
        t->kept = k->next;
        free(k);
    }
}
