/* Configuration of identity providers, and claims held against it: a configuration, an empty line, claims. */
#include <stdlib.h>

#include "core/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    PHI_ARENA(a, 4 << 20);
    struct phi_view config = phi_view_mem(p, n), claims = { 0 }, missing, name;
    const struct phi_json *v;
    struct phi_oidc_conf o;
    struct phi_workload_conf w;
    for (size_t i = 0; i + 1 < n; i++)
        if (p[i] == '\n' && p[i + 1] == '\n') {
            config = phi_view_mem(p, i);
            claims = phi_view_mem(p + i + 2, n - i - 2);
            break;
        }
    if (phi_oidc_conf_read(&a, config, &o, NULL) == PHI_OK && (!o.issuer.n || !o.client_id.n || !o.name_claim.n))
        abort();
    bool trust = phi_workload_conf_read(&a, config, &w, NULL) == PHI_OK;
    if (trust && (!w.rights || !w.claims->n || w.max_ms < 1000))
        abort();
    if (trust && phi_json_read(&a, claims, PHI_JSON_REALS, "claims", &v, NULL) == PHI_OK && v->kind == PHI_JSON_OBJ)
        phi_workload_fits(&w, v, &missing);
    if (phi_claim_name(&a, claims, &name))
        for (size_t i = 0; i < name.n; i++)
            if (name.p[i] >= 0x80 || name.p[i] <= ' ' || (name.p[i] >= 'A' && name.p[i] <= 'Z'))
                abort();
    return 0;
}
