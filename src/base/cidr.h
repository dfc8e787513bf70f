/* Internet addresses and blocks of them (RFC 4632, RFC 4291), as text and as bytes. An IPv4 address is held as
 * its IPv4-mapped IPv6 address, so that ::ffff:10.0.0.1 and 10.0.0.1 are one. */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include "base/buf.h"
#include "base/err.h"

struct phi_addr {
    uint8_t b[16];
};
struct phi_cidr {
    struct phi_addr first;
    unsigned bits; /* of the 128; IPv4's /8 is 104 */
};

/* "10.1.2.3", "2001:db8::1" or "[2001:db8::1]"; no port, no zone. False on anything else. */
bool phi_addr_read(struct phi_view text, struct phi_addr *ret);
bool phi_addr_is_v4(const struct phi_addr *a);
void phi_addr_write(struct phi_buf *out, const struct phi_addr *a);
/* The block of `v4_bits` or `v6_bits` that the address is in. */
struct phi_cidr phi_addr_block(const struct phi_addr *a, unsigned v4_bits, unsigned v6_bits);

/* "10.0.0.0/8", "2001:db8::/32" or one address. PHI_EINPUT names the text, and the block that was meant where
 * bits stand behind its end. */
enum phi_rc phi_cidr_read(struct phi_view text, struct phi_cidr *ret, struct phi_err *err);
bool phi_cidr_has(const struct phi_cidr *c, const struct phi_addr *a);
void phi_cidr_write(struct phi_buf *out, const struct phi_cidr *c);

#endif
