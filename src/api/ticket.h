/* Asking a tracker about a ticket (docs/tickets.md): a webhook that phid.yaml names, by the process that alone reaches out, before
 * the request is filed and again before a vote or a claim that rests on the answer. Whoever asks, votes or claims waits for it
 * in their call; nothing is stored meanwhile, so after a crash of either process the call is simply made again. */
#ifndef API_TICKET_H
#define API_TICKET_H

#include "api/call.h"
#include "core/decide.h"
#include "core/request.h"
#include "core/ticket.h"

#define API_TICKET_VOTE_MS 8000
#define API_TICKET_CLAIM_MS 1500 /* a gateway tries again after 2 s, and gives up after 5 s */

/* Fills ask->ticket_facts. *ret_waits: the answer is under way, and the handler returns PHI_OK at once; it is called again. Without
 * a tracker, or a ticket, nothing is asked. Problems: ticket.unknown, ticket.unchecked; a broken glass goes on without. */
enum phi_rc api_ticket_of_ask(struct api_call *c, struct phi_request_ask *ask, bool *ret_waits, struct phi_err *err);
/* Before a vote on this request or a claim of this grant, or (actor SYSTEM) behind an evaluation. A ticket that is gone by now counts as
 * closed. */
enum phi_rc api_ticket_again(struct api_call *c, struct phi_view which, int64_t deadline_ms, bool *ret_waits, struct phi_err *err);

/* An evaluation asks nobody, but has what it rests on asked again behind it: `renew_ms` of its question, and then its answer. */
int64_t api_ticket_renew_ms(const struct api_env *env);
void api_ticket_renew(struct api_call *c, const struct phi_renewals *of);

/* The tracker's answer, held against what was asked: PHI_EINPUT says what is wrong with it. */
enum phi_rc api_ticket_answer_read(struct phi_arena *a, struct phi_view body, struct phi_view ticket, struct phi_view nonce,
                                   struct phi_ticket_facts *ret, struct phi_err *err);

#endif
