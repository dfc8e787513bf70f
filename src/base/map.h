/* Hash map from bytes to pointers. Hashing is keyed with random bits of the process, so that nobody
 * can choose keys that collide. Keys are copied, values are borrowed. Insertion order is kept. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/view.h"

struct phi_map; /* opaque */

struct phi_map *phi_map_open(size_t max_entries); /* NULL when out of memory */
void phi_map_close(struct phi_map *m);            /* NULL is fine; values are not touched */
bool phi_map_put(struct phi_map *m, struct phi_view key, void *value); /* replaces; false: full */
void *phi_map_get(const struct phi_map *m, struct phi_view key); /* NULL: absent */
void *phi_map_del(struct phi_map *m, struct phi_view key); /* the value that was there, or NULL */
size_t phi_map_count(const struct phi_map *m);

/* The same keyed hash, for tables of one's own. */
uint64_t phi_map_hash(struct phi_view key);

/* Walks in insertion order: start with *at = NULL; false at the end. The entry just returned may be
 * deleted during the walk, others may not. */
bool phi_map_next(const struct phi_map *m, void **at, struct phi_view *key, void **value);

#endif
