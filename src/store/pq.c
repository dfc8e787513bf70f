#include "store/pq.h"

#include <dlfcn.h>
#include <stdbool.h>

const struct pq *pq_load(struct phi_err *err)
{
    static struct pq pq;
    static void *lib;
    if (lib)
        return &pq;
    void *found = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!found) {
        phi_fail(err, PHI_EIO, "the store is PostgreSQL, and its client library libpq.so.5 is not installed (Debian: libpq5)");
        return NULL;
    }
    bool all = true;
#define X(f) all = (*(void **)(void *)&pq.f = dlsym(found, "PQ" #f)) != NULL && all;
    PQ_FUNCTIONS(X)
#undef X
    if (!all) {
        phi_fail(err, PHI_EIO, "libpq.so.5 is too old; phi needs that of PostgreSQL 14 or newer");
        dlclose(found);
        return NULL;
    }
    lib = found;
    return &pq;
}
