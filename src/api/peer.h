/* Whose request it is. What a proxy says of its client (X-Forwarded-For) is believed of trusted proxies only and is
 * nothing but a claim otherwise. */
#ifndef API_PEER_H
#define API_PEER_H

#include "base/cidr.h"

#define API_PEER_MAX 64

/* `peer`: the address of the connection. `forwarded`: the values of all X-Forwarded-For headers in their order, joined by
 * commas. Writes the address that is nearest to us and no trusted proxy; the peer itself where it is not trusted, and
 * "unknown" where what a trusted one says is no list of addresses. */
void api_peer_find(const struct phi_cidr *trusted, size_t n, const char *peer, struct phi_view forwarded,
                   char ret[API_PEER_MAX]);
bool api_peer_is_trusted(const struct phi_cidr *trusted, size_t n, const char *peer);

#endif
