#include "bin/phid_places.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/zone.h"

#ifdef PHI_HAVE_MAXMINDDB
#include <maxminddb.h>
#endif

#define ZONES_MAX 64

struct inner { /* the core thread's alone */
    struct known_zone {
        char name[PHI_ZONE_NAME_MAX + 1];
        struct phi_zone *zone; /* NULL: there is none of this name */
    } zone[ZONES_MAX];
    size_t n_zones, next;
#ifdef PHI_HAVE_MAXMINDDB
    MMDB_s db;
    bool has_db;
#endif
};

/* ---- zones: read once; the one that came first makes room */

static const struct phi_zone *zone_find(struct inner *in, struct phi_view name)
{
    for (size_t i = 0; i < in->n_zones; i++)
        if (phi_view_is(name, in->zone[i].name))
            return in->zone[i].zone;
    if (!phi_zone_name_ok(name))
        return NULL;
    struct known_zone *z = &in->zone[in->next];
    in->next = (in->next + 1) % ZONES_MAX;
    in->n_zones += in->n_zones < ZONES_MAX;
    phi_zone_close(z->zone);
    *z = (struct known_zone){ .zone = NULL };
    memcpy(z->name, name.p, name.n);
    if (phi_zone_open(name, &z->zone, NULL) != PHI_OK)
        z->zone = NULL;
    return z->zone;
}

static bool offset(void *self, struct phi_view zone, int64_t wall_ms, int64_t *ret_s)
{
    const struct phi_zone *z = zone_find(self, zone);
    if (z)
        *ret_s = phi_zone_offset(z, wall_ms / 1000);
    return z != NULL;
}

/* ---- countries */

#ifdef PHI_HAVE_MAXMINDDB
static bool country(void *self, const struct phi_addr *addr, char ret[3])
{
    struct inner *in = self;
    int status = MMDB_SUCCESS;
    MMDB_entry_data_s code;
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    bool is_v4 = phi_addr_is_v4(addr);
    memcpy(&v4.sin_addr, addr->b + 12, 4);
    memcpy(&v6.sin6_addr, addr->b, 16);
    MMDB_lookup_result_s found =
        MMDB_lookup_sockaddr(&in->db, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6, &status);
    if (status != MMDB_SUCCESS || !found.found_entry)
        return false;
    if (MMDB_get_value(&found.entry, &code, "country", "iso_code", NULL) != MMDB_SUCCESS || !code.has_data ||
        code.type != MMDB_DATA_TYPE_UTF8_STRING || code.data_size != 2)
        return false;
    memcpy(ret, code.utf8_string, 2);
    ret[2] = 0;
    return ret[0] >= 'A' && ret[0] <= 'Z' && ret[1] >= 'A' && ret[1] <= 'Z';
}

static enum phi_rc countries_open(struct inner *in, const char *path, struct phid_places *p, struct phi_err *err)
{
    int rc = MMDB_open(path, MMDB_MODE_MMAP, &in->db);
    if (rc != MMDB_SUCCESS)
        return phi_fail(err, PHI_EINPUT, "phid.yaml: \"countries\": %s: %s", path, MMDB_strerror(rc));
    in->has_db = true;
    p->port.country = country;
    return PHI_OK;
}
#else
static enum phi_rc countries_open(struct inner *in, const char *path, struct phid_places *p, struct phi_err *err)
{
    (void)in, (void)p;
    return phi_fail(err, PHI_EINPUT, "phid.yaml: \"countries\": %s: this phid was built without libmaxminddb", path);
}
#endif

/* ---- opening */

static enum phi_rc networks_read(const struct phid_config *c, struct phid_places *p, struct phi_err *err)
{
    for (size_t i = 0; i < c->networks.n; i++) {
        struct phi_network *n = &p->network[p->n_networks++];
        n->name = phi_view_of(c->networks.name[i]);
        if (phi_cidr_read(phi_view_of(c->networks.block[i]), &n->block, err) != PHI_OK)
            return phi_fail(err, PHI_EINPUT, "phid.yaml: network \"%s\": \"%.60s\" is no address and no block such as 10.0.0.0/8",
                            c->networks.name[i], c->networks.block[i]);
    }
    for (size_t i = 0; i < c->trusted_proxies.n; i++)
        if (phi_cidr_read(phi_view_of(c->trusted_proxies.item[i]), &p->proxy[p->n_proxies++], err) != PHI_OK)
            return phi_fail(err, PHI_EINPUT, "phid.yaml: \"trusted_proxies\": \"%.60s\" is no address and no block such as 10.0.0.0/8",
                            c->trusted_proxies.item[i]);
    return PHI_OK;
}

enum phi_rc phid_places_open(const struct phid_config *c, struct phid_places *ret, struct phi_err *err)
{
    struct inner *in = calloc(1, sizeof *in);
    *ret = (struct phid_places){ .port = { in, offset, NULL }, .inner = in };
    if (!in)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    PHI_TRY(networks_read(c, ret, err));
    return c->countries[0] ? countries_open(in, c->countries, ret, err) : PHI_OK;
}

void phid_places_close(struct phid_places *p)
{
    struct inner *in = p->inner;
    if (!in)
        return;
    for (size_t i = 0; i < in->n_zones; i++)
        phi_zone_close(in->zone[i].zone);
#ifdef PHI_HAVE_MAXMINDDB
    if (in->has_db)
        MMDB_close(&in->db);
#endif
    free(in);
    *p = (struct phid_places){ .inner = NULL };
}
