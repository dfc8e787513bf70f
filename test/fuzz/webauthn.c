/* Attestation objects and authenticator data as an authenticator may send them: whatever they hold, nothing but a
 * verdict comes of it, and what is taken as a key is a piece of what was sent. */
#include "proof/webauthn.h"

#include <stdlib.h>

#include "proof/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(struct phi_view v, const uint8_t *data, size_t size)
{
    return v.n == 0 || (v.p >= data && v.n <= size && v.p + v.n <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct phi_webauthn_rp rp = { { (const uint8_t *)"localhost", 9 }, { (const uint8_t *)"http://localhost", 16 } };
    static const char make[] = "{\"type\":\"webauthn.create\",\"challenge\":\"AAAA\",\"origin\":\"http://localhost\"}";
    static const char get[] = "{\"type\":\"webauthn.get\",\"challenge\":\"AAAA\",\"origin\":\"http://localhost\"}";
    struct phi_view bytes = phi_view_mem(data, size), rest = bytes, challenge = phi_view_mem("\0\0\0", 3);
    struct phi_webauthn_answer got = { phi_view_of(make), bytes, { 0 } };
    struct phi_passkey key;
    uint32_t count;
    if (cbor_skip(&rest, 0) && !inside(rest, data, size))
        abort();
    if (phi_webauthn_register(&rp, challenge, &got, &key, NULL) == PHI_OK) {
        if (!inside(key.id, data, size) || !inside(key.cose, data, size) || !key.id.n || !key.cose.n)
            abort();
        got = (struct phi_webauthn_answer){ phi_view_of(get), bytes, bytes };
        if (phi_webauthn_assert(&rp, challenge, &key, &got, &count, NULL) == PHI_OK)
            abort(); /* nobody signed this */
    }
    got = (struct phi_webauthn_answer){ bytes, bytes, bytes };
    return phi_webauthn_register(&rp, challenge, &got, &key, NULL) == PHI_OK ? 1 : 0;
}
