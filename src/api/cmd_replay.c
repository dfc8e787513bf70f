/* What was asked, for replaying it against a change of policy. */
#include "api/handlers.h"
#include "core/replay.h"

enum phi_rc api_requests_replay(struct api_call *c, struct phi_err *err)
{
    struct phi_replay_span span;
    struct phi_replay got;
    PHI_TRY(api_query_int(c, "from_ms", 0, INT64_MAX, 0, &span.from_ms, err));
    PHI_TRY(api_query_int(c, "to_ms", 0, INT64_MAX, INT64_MAX, &span.to_ms, err));
    PHI_TRY(api_query_int(c, "skip", 0, INT32_MAX, 0, &span.skip, err));
    PHI_TRY(api_query_int(c, "limit", 1, 200, 100, &span.limit, err));
    PHI_TRY(phi_requests_replay(c->core, &c->arena, &c->actor, &span, &got, err));
    struct phi_jw *w = api_answer(c, 200);
    phi_jw_key(w, "requests");
    phi_jw_raw(w, got.requests);
    phi_jw_key(w, "entities");
    phi_jw_raw(w, got.entities);
    phi_jw_ki(w, "erased", got.erased);
    if (got.next)
        phi_jw_ki(w, "next", got.next);
    phi_jw_end(w);
    return PHI_OK;
}
