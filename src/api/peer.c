#include "api/peer.h"

#include <stdio.h>
#include <string.h>

static bool is_trusted(const struct phi_cidr *trusted, size_t n, const struct phi_addr *a)
{
    for (size_t i = 0; i < n; i++)
        if (phi_cidr_has(&trusted[i], a))
            return true;
    return false;
}

bool api_peer_is_trusted(const struct phi_cidr *trusted, size_t n, const char *peer)
{
    struct phi_addr at;
    return phi_addr_read(phi_view_of(peer), &at) && is_trusted(trusted, n, &at);
}

/* The part behind the last comma; what stands before is left in *rest. */
static struct phi_view last_of(struct phi_view *rest)
{
    size_t at = rest->n;
    while (at > 0 && rest->p[at - 1] != ',')
        at--;
    struct phi_view last = phi_view_trim(phi_view_from(*rest, at));
    *rest = phi_view_upto(*rest, at ? at - 1 : 0);
    return last;
}

static void say(const struct phi_addr *a, char ret[API_PEER_MAX])
{
    PHI_BUF(b, API_PEER_MAX);
    phi_addr_write(&b, a);
    snprintf(ret, API_PEER_MAX, "%s", phi_buf_str(&b));
}

void api_peer_find(const struct phi_cidr *trusted, size_t n, const char *peer, struct phi_view forwarded,
                   char ret[API_PEER_MAX])
{
    struct phi_addr at, said;
    size_t len = strnlen(peer, API_PEER_MAX - 1);
    memcpy(ret, peer, len);
    ret[len] = 0;
    if (n == 0 || !phi_addr_read(phi_view_of(peer), &at))
        return;
    while (is_trusted(trusted, n, &at) && forwarded.n) {
        if (!phi_addr_read(last_of(&forwarded), &said)) {
            snprintf(ret, API_PEER_MAX, "unknown"); /* never the proxy's own, which may stand in a network that is trusted */
            return;
        }
        at = said;
        say(&at, ret);
    }
}
