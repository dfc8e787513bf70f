/* AuthZEN Authorization API 1.0 (openid/authzen, api/authorization-api-1_0.md): reading its requests and writing its
 * decisions. What a caller may say and what is ignored: docs/authzen.md. */
#ifndef API_AUTHZEN_H
#define API_AUTHZEN_H

#include "api/call.h"
#include "core/decide.h"

/* The four parts of a question, as they stand in a request or as its defaults; NULL: not there. */
struct authzen_parts {
    const struct phi_json *subject, *action, *resource, *context;
};

/* Which of the parts a search leaves open: its id (or the whole action) does not count. */
enum authzen_open { AUTHZEN_ALL, AUTHZEN_NO_SUBJECT, AUTHZEN_NO_RESOURCE, AUTHZEN_NO_ACTION };

struct authzen_parts authzen_parts_of(const struct phi_json *body);
/* PHI_EINPUT names the member that is missing or of another type, or that is phi's own to say (context.met, …). */
enum phi_rc authzen_read(struct api_call *c, const struct authzen_parts *p, enum authzen_open open,
                         struct phi_question *ret, struct phi_err *err);
/* An object of a caller as text that the policy engine takes: numbers that are no integers become decimals where
 * they can, what Cedar cannot say (null, other numbers) is left out, as if the caller had not sent it. */
enum phi_rc authzen_clean(struct api_call *c, const struct phi_json *v, struct phi_view *ret, struct phi_err *err);

/* ---- arap.c: what the profile adds to a decision */

struct arap_reference { /* context.approval of a question asked again */
    bool given, live;
    struct phi_view id;
    const char *why; /* reason code where it does not serve; "": it may */
};
/* Sets q->grant to the grant that the reference stands for; to one that is none where it does not serve. */
enum phi_rc arap_approval_read(struct api_call *c, const struct authzen_parts *p, struct phi_question *q,
                               struct arap_reference *ret, struct phi_err *err);
/* Members of the decision's context: reason, next_action, evaluation_id, access_request, approval. */
void arap_context_write(struct api_call *c, struct phi_jw *w, const struct authzen_parts *p, const struct phi_question *q,
                        const struct phi_evaluation *e, const struct arap_reference *r);

#endif
