/* What a tracker answers about a ticket: what is taken is about that ticket, of that question, and short. */
#include <stdlib.h>

#include "api/ticket.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    PHI_ARENA(a, 4 << 20);
    const struct phi_json *v;
    struct phi_ticket_facts f;
    struct phi_view body = phi_view_mem(p, n), nonce = PHI_LIT("n0nce"), ticket = PHI_LIT("OPS-7");
    bool ok = api_ticket_answer_read(&a, body, ticket, nonce, &f, NULL) == PHI_OK;
    if (!ok)
        return 0;
    if (f.title.n > PHI_MAX_TICKET_TITLE || phi_json_read(&a, body, PHI_JSON_INT64 | PHI_JSON_REALS, "body", &v, NULL) != PHI_OK ||
        !phi_view_eq(phi_json_text(v, "nonce"), nonce) || !phi_view_eq(phi_json_text(v, "ticket"), ticket) || !phi_json_get(v, "open"))
        abort();
    return 0;
}
