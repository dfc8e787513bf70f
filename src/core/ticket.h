/* What a tracker of tickets said of the ticket that a request names: phid asks it over a webhook (api/ticket.h) before the
 * request is filed, and again before a vote and a claim where the live policy rests on it (`context.ticket_facts`, or a
 * requirement with `checked`). The answer is kept with the request as a text of it, so it goes when the person is forgotten. */
#ifndef CORE_TICKET_H
#define CORE_TICKET_H

#include "core/core.h"

struct phi_ticket_facts {
    bool open;             /* false too where there is no such ticket any more */
    bool assigned;         /* to the person who asks */
    struct phi_view title; /* at most PHI_MAX_TICKET_TITLE bytes */
};

struct phi_ticket_due {
    struct phi_view request;      /* id */
    struct phi_view ticket;       /* "": nothing is to be asked */
    struct phi_view person, name; /* who asked for the request */
};
/* Whether the tracker is to be asked before `by`, a person, votes on this request, or, a gateway, claims this grant, or because phid
 * itself found this request in an evaluation's `tickets`: where the policy rests on the answer and the last one is older than
 * `renew_ms` (-1: always). What `by` may not see is not due: the vote or claim itself says so. Never for a broken glass, which must not wait for a tracker in an outage. */
enum phi_rc phi_ticket_due(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view which,
                           int64_t renew_ms, struct phi_ticket_due *ret, struct phi_err *err);
/* The answer, logged (ticket.checked). */
enum phi_rc phi_ticket_put(struct phi_core *c, struct phi_arena *a, struct phi_view request, const struct phi_ticket_facts *f,
                           struct phi_err *err);

/* ---- among core's files */
struct core_case;
struct phi_requirement;
struct phi_value;
#define CORE_TEXT_TICKET "ticket" /* {"asked_ms","assigned","open","title"} */
struct phi_view core_ticket_text(struct phi_core *c, struct phi_arena *a, const struct phi_ticket_facts *f);
/* context.ticket_facts; NULL: not known. */
const struct phi_value *core_ticket_value(struct phi_arena *a, struct phi_view text);
bool core_ticket_meets(const struct phi_requirement *r, struct phi_view text); /* of kind ticket: its `checked` */
/* PHI_ECONFLICT ticket.stale: the policy rests on an answer that is older than PHI_TICKET_FRESH_MS. */
enum phi_rc core_ticket_fresh(struct phi_core *c, const struct core_case *of, bool glass, struct phi_err *err);
/* The policy rests on an answer that is older than `ms`, or was never given. */
bool core_ticket_ages(struct phi_core *c, const struct core_case *of, bool glass, int64_t ms);

#endif
