/* Reading ahead, for a store to which each read is a journey (ports.h): before a batch runs, its commands say what they will
 * read, in rounds, because what is read next may stand in what was read before; each round is one journey for all of them. Only
 * a hint: what was not foreseen is read when it is needed. */
#ifndef CORE_AHEAD_H
#define CORE_AHEAD_H

#include "core/batch.h"
#include "core/ports.h"

struct core_ahead;

enum core_hand { CORE_HAND_WAITS, CORE_HAND_NONE, CORE_HAND_ROW }; /* fetched with this round; there is no such row; *ret is it */
/* `key` is a row of the table; its texts must live until the batch has begun to run. `ret` may be NULL; its texts live as long as the
 * foreseeing, and nobody has held it against the log. */
enum core_hand core_ahead_get(struct core_ahead *h, enum core_table t, int ix, const void *key, void *ret);
void core_ahead_list(struct core_ahead *h, enum core_table t, int ix, const void *key, struct core_span span);
void core_ahead_leaf(struct core_ahead *h, int64_t idx); /* what core_row_check reads */
/* Who this person is (core_root), where that is known already. */
bool core_ahead_root(struct core_ahead *h, struct phi_view person, struct phi_view *ret);
struct phi_core *core_ahead_core(struct core_ahead *h);
struct phi_arena *core_ahead_arena(struct core_ahead *h);

enum phi_rc core_ahead_all(struct phi_core *c, const struct phi_core_cmd *cmds, size_t n, struct phi_err *err);

#endif
