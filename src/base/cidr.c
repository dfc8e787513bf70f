#include "base/cidr.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool phi_addr_read(struct phi_view v, struct phi_addr *ret)
{
    char text[INET6_ADDRSTRLEN];
    *ret = (struct phi_addr){ { 0 } };
    if (v.n >= 2 && v.p[0] == '[' && v.p[v.n - 1] == ']')
        v = phi_view_mem(v.p + 1, v.n - 2);
    if (v.n == 0 || v.n >= sizeof text || memchr(v.p, 0, v.n))
        return false;
    memcpy(text, v.p, v.n);
    text[v.n] = 0;
    if (inet_pton(AF_INET6, text, ret->b) == 1)
        return true;
    memcpy(ret->b, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, ret->b + sizeof mapped) == 1;
}

bool phi_addr_is_v4(const struct phi_addr *a)
{
    return memcmp(a->b, mapped, sizeof mapped) == 0;
}

void phi_addr_write(struct phi_buf *out, const struct phi_addr *a)
{
    char text[INET6_ADDRSTRLEN];
    bool v4 = phi_addr_is_v4(a);
    if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->b + sizeof mapped : a->b, text, sizeof text))
        phi_buf_adds(out, text);
}

static void cut(struct phi_addr *a, unsigned bits)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned keep = bits > 8 * i ? bits - 8 * i : 0;
        if (keep < 8)
            a->b[i] &= (uint8_t)(0xff00U >> keep);
    }
}

struct phi_cidr phi_addr_block(const struct phi_addr *a, unsigned v4_bits, unsigned v6_bits)
{
    struct phi_cidr c = { *a, phi_addr_is_v4(a) ? 96 + v4_bits : v6_bits };
    cut(&c.first, c.bits);
    return c;
}

enum phi_rc phi_cidr_read(struct phi_view text, struct phi_cidr *ret, struct phi_err *err)
{
    struct phi_view rest = text, host;
    struct phi_addr given;
    int64_t bits = -1;
    bool slash = text.n && memchr(text.p, '/', text.n);
    phi_view_split(&rest, '/', &host);
    bool good = phi_addr_read(host, &given) && (!slash || phi_view_int(rest, &bits));
    bool v4 = host.n == 0 || !memchr(host.p, ':', host.n);
    int64_t most = v4 ? 32 : 128;
    if (!good || (slash && (bits < 0 || bits > most)))
        return phi_fail(err, PHI_EINPUT, "\"" PHI_FMT "\" is no address and no block such as 10.0.0.0/8",
                        PHI_ARG(phi_view_upto(text, 60)));
    unsigned n = (unsigned)(slash ? bits : most);
    *ret = v4 ? phi_addr_block(&given, n, n) : (struct phi_cidr){ given, n };
    cut(&ret->first, ret->bits);
    if (memcmp(ret->first.b, given.b, sizeof given.b) == 0)
        return PHI_OK;
    PHI_BUF(meant, 80);
    phi_cidr_write(&meant, ret);
    return phi_fail(err, PHI_EINPUT, "\"" PHI_FMT "\" has bits behind its end; the block is %s",
                    PHI_ARG(phi_view_upto(text, 60)), phi_buf_str(&meant));
}

bool phi_cidr_has(const struct phi_cidr *c, const struct phi_addr *a)
{
    struct phi_addr in = *a;
    cut(&in, c->bits);
    return memcmp(in.b, c->first.b, sizeof in.b) == 0;
}

void phi_cidr_write(struct phi_buf *out, const struct phi_cidr *c)
{
    unsigned off = phi_addr_is_v4(&c->first) && c->bits >= 96 ? 96 : 0;
    phi_addr_write(out, &c->first);
    phi_buf_printf(out, "/%u", c->bits - off);
}
