/* What phid reads from files to know where and when something is: time zones of the machine, countries from a MaxMind
 * file, and the networks and proxies that phid.yaml names. */
#ifndef BIN_PHID_PLACES_H
#define BIN_PHID_PLACES_H

#include "bin/phid_config.h"
#include "core/known.h"

struct phid_places {
    struct phi_places port;
    struct phi_network network[PHID_NETWORKS_MAX];
    size_t n_networks;
    struct phi_cidr proxy[PHID_HOSTS_MAX];
    size_t n_proxies;
    void *inner;
};

/* PHI_EINPUT names what is no network, no file, or no database of countries. */
enum phi_rc phid_places_open(const struct phid_config *c, struct phid_places *ret, struct phi_err *err);
void phid_places_close(struct phid_places *p);

#endif
