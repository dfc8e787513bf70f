/* What phid knows of the moment and nobody else may say: named networks, countries, time zones; the environment
 * and tags of resources; each person's own zone and quiet hours. */
#ifndef CORE_KNOWN_H
#define CORE_KNOWN_H

#include "base/cidr.h"
#include "core/types.h"

struct phi_network { /* "office": 10.1.0.0/16; a name may stand several times */
    struct phi_view name;
    struct phi_cidr block;
};

/* A port: where things are, from files that phid reads. */
struct phi_places {
    void *self;
    /* Seconds east of UTC in this zone at this time; false: no such zone. */
    bool (*offset)(void *self, struct phi_view zone, int64_t wall_ms, int64_t *ret_s);
    /* ISO 3166-1 alpha-2, NUL-terminated; false: not known. NULL: no file is configured. */
    bool (*country)(void *self, const struct phi_addr *addr, char ret[3]);
};

/* ---- resources. A fact holds for the resource and all below it: the nearest environment, and all tags. */

struct phi_resource_facts {
    struct phi_ref resource;
    struct phi_view environment; /* "": not said here */
    const struct phi_view *tags; /* sorted */
    size_t n_tags;
};

/* Replaces what was said of this resource of a target; nothing said removes it. Names are 1 to 63 of a-z, 0-9, _ and -.
 * PHI_ENOTFOUND target.unknown. */
enum phi_rc phi_facts_put(struct phi_core *c, const struct phi_actor *by, const struct phi_resource_facts *f,
                          struct phi_err *err);
enum phi_rc phi_facts_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                           struct phi_resource_facts **ret, size_t *ret_n, struct phi_err *err);

/* ---- persons */

struct phi_profile {
    struct phi_view zone;  /* "": the policy's */
    int64_t quiet_from_min, quiet_to_min; /* minutes after local midnight; equal: none. It may reach over midnight */
    int64_t quiet_days;    /* bit 0 is Monday: the days on which quiet hours begin */
    bool quiet_now;        /* on the way out */
};

enum phi_rc phi_profile_get(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_profile *ret,
                            struct phi_err *err);
/* By the person themselves. */
enum phi_rc phi_profile_put(struct phi_core *c, const struct phi_actor *by, const struct phi_profile *p,
                            struct phi_err *err);

/* ---- among core's files */
struct core_local {
    int64_t hour, minute, weekday; /* weekday: 1 is Monday */
};
/* In the person's zone, else the policy's, else UTC; false: that zone is not known here. */
bool core_local_of(struct phi_core *c, struct phi_view person, int64_t wall, struct core_local *ret);
/* False: no environment is said of it or of what it is in. */
bool core_environment_of(struct phi_core *c, struct phi_ref resource, struct phi_view *ret);
size_t core_tags_of(struct phi_core *c, struct phi_ref resource, struct phi_view *ret, size_t max);
bool core_quiet_now(struct phi_core *c, struct phi_view person); /* a root */
/* What is to be told to this person waits until then (wall clock); 0: at once. */
int64_t core_quiet_until(struct phi_core *c, struct phi_view person);

#endif
