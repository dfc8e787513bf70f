/* C2SP tlog-tiles: the tree and the entries of a log as files that never change. https://c2sp.org/tlog-tiles
 *
 * A path is what stands after "tile/": "<L>/<N>[.p/<W>]" or "entries/<N>[.p/<W>]". Hash i of tile N of level L is the
 * root of the leaves [(256·N + i)·256^L, (256·N + i + 1)·256^L). */
#ifndef PROOF_TILE_H
#define PROOF_TILE_H

#include "proof/tree.h"

#define PHI_TILE_WIDTH 256
#define PHI_TILE_PATH_MAX 64
#define PHI_TILE_ENTRY_MAX 65535 /* an entry bundle gives each entry's length two bytes */

struct phi_tile {
    bool entries;   /* an entry bundle; level is 0 */
    unsigned level; /* 0 to 63; no log reaches past 7 */
    uint64_t index;
    unsigned width; /* 1 to 256; 256: a full one */
};

/* Only the one spelling of a path is read: PHI_EINPUT for any other. */
enum phi_rc phi_tile_read(struct phi_view path, struct phi_tile *ret, struct phi_err *err);
void phi_tile_write(struct phi_buf *out, const struct phi_tile *t);
/* All of it lies within a tree of so many leaves. */
bool phi_tile_within(const struct phi_tile *t, uint64_t size);
/* The tile of that level that holds the node (8·level, at), as wide as a tree of `size` leaves has it. width 0: none. */
struct phi_tile phi_tile_of(unsigned level, uint64_t at, uint64_t size);

/* One entry of a bundle: its length in two bytes, then itself. PHI_ELIMIT: longer than that can say. */
enum phi_rc phi_bundle_entry_add(struct phi_buf *out, struct phi_view entry, struct phi_err *err);
/* Splits the next entry off; false at the end and on a bundle cut short (then `rest` is not empty). */
bool phi_bundle_entry_next(struct phi_view *rest, struct phi_view *ret);

/* Any node of a tree of `size` leaves, from its tiles (ctx of phi_tile_node is a struct phi_tiles). Tiles are asked for
 * by path and kept; they prove nothing until what was computed from them was held against a signed root. */
struct phi_tiles {
    uint64_t size;
    enum phi_rc (*fetch)(void *ctx, const struct phi_tile *t, struct phi_buf *ret, struct phi_err *err);
    void *ctx;
    struct phi_tiles_kept *kept; /* begins as NULL; phi_tiles_done */
    struct phi_err *err;         /* where a failed fetch says why; may be NULL */
};
enum phi_rc phi_tile_node(void *tiles, unsigned level, uint64_t index, struct phi_digest *ret);
void phi_tiles_done(struct phi_tiles *t);

#endif
