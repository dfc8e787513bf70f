/* Lists in pages: newest first, or by name, each page from where the last one ended. A cursor is opaque and of no right: it says where,
 * never what one may see. Rows that come while one walks are newer than the walk: nothing is skipped or comes twice for them. */
#ifndef CORE_PAGE_H
#define CORE_PAGE_H

#include "base/view.h"

#define PHI_PAGE_MAX 500

struct phi_page {
    struct phi_view after; /* `next` of the page before; "" for the first */
    int64_t limit;         /* 1 to PHI_PAGE_MAX; else the latter */
    struct phi_view next;  /* set: where to go on; "" when that was all */
};

#endif
