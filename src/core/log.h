/* The audit log, read-only but for the checkpoint: entries, head, proofs. RFC 6962 tree. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "core/types.h"
#include "proof/tile.h"

struct phi_log_head {
    int64_t size;
    struct phi_digest root;
    struct phi_view origin;
    struct phi_view checkpoint;   /* last signed note, "" before the first */
    int64_t checkpoint_size;
};

enum phi_rc phi_log_get_head(struct phi_core *c, struct phi_arena *a, struct phi_log_head *ret, struct phi_err *err);
/* Entries from..from+n-1 as texts; fewer at the end. limit <= 1000. Members that are personal are not in them. */
enum phi_rc phi_log_entries(struct phi_core *c, struct phi_arena *a, int64_t from, int64_t limit,
                            struct phi_view **ret, size_t *ret_n, struct phi_err *err);
enum phi_rc phi_log_inclusion(struct phi_core *c, struct phi_arena *a, int64_t index, int64_t size,
                              struct phi_digest *ret_leaf, struct phi_digest **ret, size_t *ret_n,
                              struct phi_err *err);
enum phi_rc phi_log_consistency(struct phi_core *c, struct phi_arena *a, int64_t from, int64_t to,
                                struct phi_digest **ret, size_t *ret_n, struct phi_err *err);
/* The bytes of a tile or an entry bundle of the signed log. PHI_ENOTFOUND: the signed log does not have all of it. */
enum phi_rc phi_log_tile(struct phi_core *c, struct phi_arena *a, const struct phi_tile *t, struct phi_buf *ret,
                         struct phi_err *err);
/* The signer's note for `size`; older ones than the last are ignored. */
enum phi_rc phi_log_checkpoint_put(struct phi_core *c, int64_t size, struct phi_view note, struct phi_err *err);

#endif
