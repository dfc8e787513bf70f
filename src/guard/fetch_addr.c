/* Which addresses a request may go to. IPv4 is told by its mapped form, so there is one comparison. Sources: IANA's
 * registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890 and its updates). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "guard/fetch_in.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static bool covers(const struct fetch_net *n, const uint8_t addr[16])
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->bytes, addr, whole) != 0)
        return false;
    return !rest || ((n->bytes[whole] ^ addr[whole]) >> (8 - rest)) == 0;
}

bool fetch_net_read(const char *text, struct fetch_net *ret)
{
    char host[64];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    int64_t bits = -1;
    if (len >= sizeof host || (slash && !phi_view_int(phi_view_of(slash + 1), &bits)))
        return false;
    memcpy(host, text, len);
    host[len] = 0;
    *ret = (struct fetch_net){ 0 };
    if (inet_pton(AF_INET6, host, ret->bytes) == 1) {
        ret->bits = (unsigned)(slash ? bits : 128);
        return !slash || (bits >= 0 && bits <= 128);
    }
    memcpy(ret->bytes, mapped, sizeof mapped);
    if (inet_pton(AF_INET, host, ret->bytes + 12) != 1)
        return false;
    ret->bits = 96 + (unsigned)(slash ? bits : 32);
    return !slash || (bits >= 0 && bits <= 32);
}

/* The address as 16 bytes; IPv4 that is carried in IPv6 (mapped, NAT64) as what it leads to. False: another family. */
static bool plain_form(const struct sockaddr *sa, uint8_t ret[16])
{
    static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
    if (sa->sa_family == AF_INET) {
        memcpy(ret, mapped, sizeof mapped);
        memcpy(ret + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
        return true;
    }
    if (sa->sa_family != AF_INET6)
        return false;
    memcpy(ret, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
    if (memcmp(ret, nat64, sizeof nat64) == 0)
        memcpy(ret, mapped, sizeof mapped);
    return true;
}

static bool in_any(const char *const *nets, size_t n, const uint8_t addr[16])
{
    for (size_t i = 0; i < n; i++) {
        struct fetch_net net;
        if (!fetch_net_read(nets[i], &net) || covers(&net, addr)) /* one that cannot be read covers all: refused */
            return true;
    }
    return false;
}

static bool is_public(const uint8_t addr[16])
{
    static const char *const special4[] = {
        "0.0.0.0/8",     "10.0.0.0/8",     "100.64.0.0/10",  "127.0.0.0/8",     "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24",  "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",     "240.0.0.0/4",
    };
    /* of the only block that is given out for the Internet, 2000::/3 */
    static const char *const special6[] = { "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20" };
    if (memcmp(addr, mapped, sizeof mapped) == 0)
        return !in_any(special4, sizeof special4 / sizeof *special4, addr);
    return (addr[0] & 0xe0) == 0x20 && !in_any(special6, sizeof special6 / sizeof *special6, addr);
}

static bool is_loopback(const uint8_t addr[16])
{
    static const char *const loop[] = { "127.0.0.0/8", "::1" };
    return in_any(loop, 2, addr);
}

bool fetch_addr_ok(const struct fetch_nets *allow, const struct sockaddr *sa, bool plain)
{
    uint8_t addr[16];
    if (!plain_form(sa, addr))
        return false;
    bool allowed = false;
    for (size_t i = 0; i < allow->n; i++)
        allowed |= covers(&allow->net[i], addr);
    if (plain)
        return allowed && is_loopback(addr);
    return allowed || is_public(addr);
}
