/* How core walks a table for a page. */
#ifndef CORE_PAGE_IN_H
#define CORE_PAGE_IN_H

#include "core/inner.h"
#include "core/page.h"

struct core_walk {
    enum core_table table;
    int ix;
    size_t prefix;  /* the column after it is the row's id */
    bool rising;    /* by name from a to z; else newest first */
    size_t n_parts; /* one after the other, such as what lives and then what has ended: the key tells them apart */
    const void *(*key)(void *ctx, size_t part, struct phi_view id);
    /* One row: its id, and whether it counts for the page. */
    enum phi_rc (*take)(void *ctx, const void *row, bool *ret_taken, struct phi_err *err);
    struct phi_view (*id)(const void *row);
    void *ctx;
};
/* PHI_EINPUT when page->after is no cursor of such a walk. */
enum phi_rc core_page_walk(struct phi_core *c, struct phi_arena *a, const struct core_walk *w, struct phi_page *page,
                           struct phi_err *err);

#endif
