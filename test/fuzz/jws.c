/* A key set, an empty line, a token: both as strangers may send them. */
#include "proof/jws.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char fixed[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
    PHI_ARENA(a, 1 << 20);
    struct phi_view set = phi_view_mem(p, n), token = { 0 };
    for (size_t i = 0; i + 1 < n; i++)
        if (p[i] == '\n' && p[i + 1] == '\n') {
            set = phi_view_mem(p, i);
            token = phi_view_mem(p + i + 2, n - i - 2);
            break;
        }
    struct phi_jwks *keys = NULL;
    struct phi_jws t;
    if (phi_jwks_read(set, &keys, NULL) != PHI_OK && phi_jwks_read(phi_view_of(fixed), &keys, NULL) != PHI_OK)
        __builtin_trap();
    if (phi_jws_open(&a, token, keys, &t, NULL) == PHI_OK) {
        struct phi_jwt_want w = { .iss = PHI_LIT("i"), .aud = PHI_LIT("a"), .now_ms = 1790000000000, .max_age_ms = 1000 };
        if (t.claims->kind != PHI_JSON_OBJ)
            __builtin_trap();
        phi_jwt_check(&t, &w, NULL);
    }
    phi_jws_peek_issuer(&a, token);
    phi_jwks_close(keys);
    return 0;
}
