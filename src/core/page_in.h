/* How core walks a table for a page. */
#ifndef CORE_PAGE_IN_H
#define CORE_PAGE_IN_H

#include "core/inner.h"
#include "core/page.h"

struct core_walk {
    enum core_table table;
    int ix;
    size_t prefix;   /* the index's column after it is the row's id; the last one in it, if there is one, is `live` */
    bool rising;     /* by name from a to z; else newest first */
    size_t n_parts;  /* 2: what lives, and then what has ended */
    const void *key; /* a row with what the prefix begins with; may be NULL where that is nothing */
    /* One row: whether it counts for the page. */
    enum phi_rc (*take)(void *ctx, const void *row, bool *ret_taken, struct phi_err *err);
    void *ctx;
};
/* PHI_EINPUT when page->after is no cursor of such a walk. */
enum phi_rc core_page_walk(struct phi_core *c, struct phi_arena *a, const struct core_walk *w, struct phi_page *page,
                           struct phi_err *err);

#endif
