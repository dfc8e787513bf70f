/* Between phid and a fetch worker: what either may be sent by the other, were it taken over. */
#include <stdlib.h>

#include "guard/fetch_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    PHI_ARENA(a, 1 << 20);
    struct phi_view in = phi_view_mem(p, n), frame, v;
    struct net_fetch_ask ask;
    struct fetch_answer x;
    if (fetch_frame(in, 1 << 16, &frame) == 0 && frame.n != n - 4)
        abort();
    if (fetch_answer_read(in, &x) && (x.rc > PHI_ECORRUPT || x.address.n >= 64))
        abort();
    if (fetch_ask_read(&a, in, &ask) && (!ask.url || ask.n_fields > FETCH_FIELDS_MAX || ask.n_mail_to > FETCH_RCPT_MAX))
        abort();
    struct net_fetch_answer answer = { .headers = in };
    if (net_fetch_header(&answer, "location", &v) && v.n && (v.p < p || v.p + v.n > p + n))
        abort();
    struct fetch_net net;
    char text[64] = "";
    for (size_t i = 0; i < n && i < sizeof text - 1; i++)
        text[i] = (char)p[i];
    if (fetch_net_read(text, &net) && net.bits > 128)
        abort();
    return 0;
}
