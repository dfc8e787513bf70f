/* Every way the API can say no: one list gives the status, the stable code, the title and the next
 * step of an RFC 9457 problem, and the page docs/errors.md. A code, once published, keeps its meaning. */
#ifndef API_PROBLEMS_H
#define API_PROBLEMS_H

#include "base/json.h"

/*  X(NAME, status, code, title, next step) */
#define API_PROBLEMS(X)                                                                            \
    X(BAD_INPUT, 400, "input.invalid", "The input is not acceptable",                              \
      "Correct what `detail` names and send it again.")                                            \
    X(BAD_JSON, 400, "input.json", "The body is not the JSON that this route takes",               \
      "Send one JSON object; docs/api.md and /v1/openapi.json say which members.")                 \
    X(BAD_TYPE, 415, "input.content-type", "The body must be application/json",                    \
      "Send `Content-Type: application/json`.")                                                    \
    X(NOT_JSON, 400, "input.not-json", "The body must be application/json",                      \
      "Send `Content-Type: application/json`.")                                                    \
    X(TOO_LARGE, 413, "input.too-large", "The body is too large", "Send less.")                    \
    X(BAD_HOST, 421, "http.host", "This server does not go by that name",                          \
      "Use the url in phid.yaml, or add the name to `hosts` there.")                               \
    X(NO_ROUTE, 404, "http.not-found", "There is no such page", "docs/api.md lists all routes.")   \
    X(NO_METHOD, 405, "http.method", "This page does not take that method",                        \
      "The `Allow` header lists the methods.")                                                     \
    X(NOT_SIGNED_IN, 401, "auth.required", "You are not signed in",                                \
      "Sign in with `phi login URL`, or ask an administrator for a link.")                         \
    X(NO_CERTIFICATE, 401, "auth.certificate", "No enrolled gateway holds this certificate",       \
      "Enrol the gateway with `phi-gateway enroll CODE`.")                                         \
    X(BAD_LINK, 403, "auth.link", "This link is not valid, was used, or is too old",               \
      "Ask for a new one.")                                                                        \
    X(LOGIN_REFUSED, 403, "login.refused", "The sign-in was refused",                             \
      "`detail` says why; begin again, or ask an administrator.")                                  \
    X(LOGIN_OVER, 404, "login.over", "This sign-in is over or unknown", "Begin again.")            \
    X(SESSION_UNKNOWN, 404, "session.unknown", "There is no such session of yours", "`phi session list` lists them.") \
    X(PROVIDER_UNKNOWN, 404, "provider.unknown", "There is no such provider", "`GET /v1/providers` lists them.") \
    X(IDENTITY_UNKNOWN, 403, "identity.unknown", "Nobody here has that account",                   \
      "An administrator links it: `POST /v1/identities`.")                                         \
    X(IDENTITY_NAME, 403, "identity.name", "The provider's name for you cannot be used here",      \
      "An administrator links your account: `POST /v1/identities`.")                               \
    X(IDENTITY_TAKEN, 409, "identity.taken", "That account is somebody else's", "Unlink it first.") \
    X(TOKEN_BY_TOKEN, 403, "token.by-token", "A token may not do this", "Sign in with `phi login` and do it yourself.") \
    X(TOKEN_OTHER, 403, "token.other", "A token is for oneself or for a service account", "Make a service account.") \
    X(TOKEN_QUOTA, 429, "token.quota", "You have too many tokens", "Revoke some: `phi token revoke ID`.") \
    X(TOKEN_UNKNOWN, 404, "token.unknown", "There is no such token of yours", "`phi token list` lists them.") \
    X(BAD_CODE, 403, "auth.code", "This enrolment code is not valid, was used, or is too old",     \
      "Make a new one with `phi gateway add NAME`.")                                               \
    X(BAD_CSRF, 403, "auth.csrf", "This did not come from the console",                            \
      "Reload the page and try again.")                                                            \
    X(DENIED, 403, "denied", "Not permitted", "`detail` says why.")                                \
    X(POLICY_DENIED, 403, "policy.denied", "The policy does not permit this",                      \
      "`policies` names what decided; ask a policy author.")                                       \
    X(NOT_APPROVER, 403, "request.not-approver", "You may not vote on this request",               \
      "`who` in the request's `needs` lists those who may.")                                       \
    X(NOT_FOUND, 404, "not-found", "There is no such thing, or you may not see it",                \
      "Check the name, id or code.")                                                               \
    X(CONFLICT, 409, "conflict", "The state has changed meanwhile", "Look again and retry.")       \
    X(EXISTS, 409, "exists", "That name is taken", "Choose another name.")                         \
    X(PERSON_ACTIVE, 409, "person.active", "This person still has a pending request or a live grant", \
      "End these first, then forget.")                                                             \
    X(PERSON_SELF, 409, "person.self", "Nobody forgets themself", "Ask another administrator.")     \
    X(REQUEST_CHANGED, 409, "request.changed", "The request is not the one that you were shown",   \
      "Look at the request again; then vote on its present digest.")                               \
    X(REQUEST_SELF, 403, "request.self", "Nobody votes on what they asked for",                    \
      "Ask one of those whom the request names.")                                                  \
    X(REQUEST_OVER, 409, "request.ended", "The request is over", "Make a new request.")            \
    X(VOTE_TWICE, 409, "vote.twice", "You have voted on this request", "Nothing to do.")           \
    X(VOTE_WIDER, 400, "vote.wider", "A vote can only narrow what was asked",                      \
      "Narrow, approve as asked, or deny.")                                                        \
    X(GRANT_ENDED, 403, "grant.ended", "The grant is over", "Make a new request.")                 \
    X(GRANT_MISMATCH, 403, "grant.mismatch", "The grant is for something else",                    \
      "What runs must be what was approved; make a request for this.")                             \
    X(GRANT_USED, 409, "grant.used", "The grant's uses are spent", "Make a new request.")          \
    X(GRANT_UNKNOWN, 404, "grant.unknown", "There is no such grant, or you may not see it",        \
      "Check the id or code; `phi grant` lists yours.")                                            \
    X(GRANT_EARLY, 403, "grant.early", "The grant begins later", "Wait until it begins.")          \
    X(GRANT_WINDOW, 403, "grant.window", "The grant serves at other hours only",                   \
      "Wait for its next window, or make a request for now.")                                      \
    X(GRANT_BUDGET, 403, "grant.budget", "The grant's budget is spent",                            \
      "Make a new request with the budget that the work needs.")                                   \
    X(GRANT_BUSY, 409, "grant.busy", "Another use of the grant still runs on the same budget",     \
      "Wait until it has ended.")                                                                  \
    X(CLAIM_UNKNOWN, 404, "claim.unknown", "This gateway has no such claim",                       \
      "Report the outcome of a claim that this gateway made.")                                     \
    X(CLAIM_OVER, 409, "claim.over", "The claim has another outcome already",                      \
      "Nothing to do: the first outcome stands.")                                                  \
    X(LEASE_OVER, 403, "lease.over", "The gateway's lease is over",                                \
      "The gateway renews it by itself; if it cannot, look at its connection to phid.")            \
    X(CREDENTIAL_OVER, 403, "credential.over", "The credential is over or another's",              \
      "Connect again with `phi connect`, which makes a new one.")                                  \
    X(RECORDS_GAP, 400, "records.gap", "A batch of records was skipped",                           \
      "Send the batches in their order; the snapshot names the last.")                             \
    X(RIGHT_MISSING, 403, "right.missing", "You lack the right to do this",                        \
      "Ask whoever runs phi here, or whoever writes its policy.")                                  \
    X(PASSKEY_REFUSED, 403, "passkey.refused", "The passkey's answer does not fit",                 \
      "Begin again on this server's own page; `detail` says what did not fit.")                    \
    X(PASSKEY_KNOWN, 409, "passkey.known", "This passkey is registered already", "Nothing to do.") \
    X(PASSKEY_UNKNOWN, 404, "passkey.unknown", "You have no such passkey", "Look at the list of your passkeys.") \
    X(PASSKEY_LAST, 409, "passkey.last", "Your last passkey stays", "Register another one first.") \
    X(PASSKEY_SHOW, 403, "passkey.show", "This needs your passkey, shown lately",                  \
      "Sign in with one of your passkeys, then do it again.")                                      \
    X(PASSKEY_HERE, 409, "passkey.here", "Passkeys do not work under this address",                \
      "Serve the console over https under a name, or as http://localhost.")                        \
    X(PASSKEY_NONE, 409, "passkey.none", "You have no passkey", "Register one on your account's page in the console.") \
    X(RECOVERY_NEEDED, 409, "recovery.needed", "This person has a passkey",                        \
      "Ask for a recovery (`POST /v1/recoveries`); another operator confirms it.")                 \
    X(RECOVERY_NONE, 409, "recovery.none", "This person has no passkey", "Make a sign-in link instead.") \
    X(RECOVERY_SELF, 403, "recovery.self", "A recovery takes three people",                        \
      "One asks, another confirms, for a third.")                                                  \
    X(RECOVERY_UNKNOWN, 404, "recovery.unknown", "There is no such recovery", "Ask for it again.") \
    X(VOTE_UNSIGNED, 403, "vote.unsigned", "This needs your passkey",                              \
      "Do it in the console, in a browser that has your passkey.")                                 \
    X(LOGIN_BUSY, 429, "login.busy", "Too many people sign in at once", "Try again in a minute.")  \
    X(RIGHT_NEEDS, 403, "right.needs-approval", "The policy gives this right after an approval only", \
      "Send it as a change that waits for its approval, as `phi` does.")                           \
    X(BUNDLE_RIGHTS, 422, "bundle.rights", "The schema lacks an action of phi's own",              \
      "Take phi's own actions from the schema of `phi policy init`.")                              \
    X(RIGHTS_LOCKOUT, 409, "rights.lockout", "Nobody could run phi any more",                      \
      "Give the right that `detail` names to somebody first.")                                     \
    X(FORWARD_HELD, 403, "forward.held", "This needs an approval first",                             \
      "Open `page` in a browser, or send `ask` with a reason as `why` to POST /v1/requests; then try again.") \
    X(ARAP_NOT_REQUESTABLE, 400, "arap.not_requestable", "This access cannot be requested",          \
      "Evaluate again; only a denial with `context.access_request` can be asked about.")            \
    X(ARAP_EXPIRED, 410, "arap.expired_denial", "The denial is too old to be asked about",          \
      "Evaluate again and submit what that answer holds.")                                          \
    X(ARAP_BINDING, 400, "arap.invalid_denial_binding", "The submission is not about that denial",  \
      "Send subject, resource, action and context as they were evaluated, and `denial` as it was answered.") \
    X(ARAP_DUPLICATE, 409, "arap.duplicate_request", "The Idempotency-Key was used for another submission", \
      "Take a new key for a new submission.")                                                       \
    X(ARAP_UNKNOWN_TASK, 404, "arap.unknown_task", "There is no such task, or you may not see it",  \
      "Check the task's status_endpoint.")                                                          \
    X(ARAP_TASK_STATE, 409, "arap.invalid_task_state", "The task is over", "Nothing to do.")        \
    X(CHANNEL_CALLBACK, 409, "channel.callback", "This channel speaks of access requests only", \
      "Submit an access request over ARAP that names its endpoint as `callback`; `phi channel` then says how it fared.") \
    X(CALLBACK_UNREGISTERED, 400, "callback.unregistered", "This callback endpoint is not registered for you", \
      "An operator registers it by `phi channel set NAME callback url=… callers=…`; or leave `callback` out and poll the task.") \
    X(ENTITY_UNKNOWN, 404, "entity.unknown", "There is no such entity", "`GET /v1/entities` lists them.") \
    X(TARGET_UNKNOWN, 404, "target.unknown", "There is no such target", "`phi target` lists them.") \
    X(PERSON_UNKNOWN, 404, "person.unknown", "There is no such person",                            \
      "Check the name; an administrator can list people.")                                         \
    X(POLICY_NONE, 403, "policy.none", "No policy is live, so everything is denied",               \
      "An administrator makes one live with `phi policy`.")                                        \
    X(POLICY_UNKNOWN, 404, "policy.unknown", "There is no policy of that version", "Check the version.") \
    X(REQUEST_UNKNOWN, 404, "request.unknown", "There is no such request, or you may not see it",  \
      "Check the id or code.")                                                                     \
    X(CURSOR_UNKNOWN, 400, "cursor.unknown", "The cursor is not one of this list",                 \
      "Send the `next` of an earlier answer as it came, or none to begin anew.")                   \
    X(PRECONDITION, 412, "precondition.failed", "What If-Match names is not what is there",         \
      "Get it again, look at what has changed, and send the new ETag.")                            \
    X(PRECONDITION_NONE, 400, "precondition.unknown", "This route takes no If-Match",              \
      "Send it without; PUT /v1/bundle takes one, votes have the digest and version for it.")      \
    X(REQUEST_QUOTA, 429, "request.quota", "Too many of your requests are pending",                \
      "Cancel some, or wait until they are answered.")                                             \
    X(REQUEST_NOT_YOURS, 403, "request.not-yours", "Only the requester may do this",               \
      "Ask the requester.")                                                                        \
    X(REQUEST_EXACT, 400, "request.exact", "A request for exact bytes cannot be edited",           \
      "Send other bytes: that is another request.")                                                \
    X(REQUEST_SCOPE, 400, "request.scope", "None of these actions fits these resources",           \
      "Name actions that the policy's schema has for these resources.")                            \
    X(REQUEST_ERASED, 410, "request.erased", "The body of this request was erased",                \
      "Its hashes are still in the log; make a new request.")                                      \
    X(TICKET_UNKNOWN, 400, "ticket.unknown", "The tracker knows no such ticket",                   \
      "Check the ticket's id, or leave it out where the policy does not ask for one.")             \
    X(TICKET_UNCHECKED, 424, "ticket.unchecked", "The tracker could not be asked about the ticket", \
      "Try again; if it stays so, an operator must look at `tickets` in phid.yaml and at the tracker.") \
    X(TICKET_STALE, 409, "ticket.stale", "What is known of the ticket is too old",                 \
      "Vote in the console or with `phi`: the tracker is asked again there.")                      \
    X(EXTEND_NONE, 404, "extend.none", "You hold no such live grant to go on from",                \
      "Make a new request.")                                                                       \
    X(EXTEND_WIDER, 400, "extend.wider", "An extension asks for more than the grant gives",        \
      "Make a new request for the rest.")                                                          \
    X(EXTEND_OFTEN, 429, "extend.often", "The grant was extended too often", "Make a new request.") \
    X(IDEMPOTENCY_MISMATCH, 409, "idempotency.mismatch", "The Idempotency-Key was used for another request", \
      "Take a new key for a new request.")                                                         \
    X(REMARK_QUOTA, 429, "remark.quota", "The request takes no more remarks", "Talk elsewhere.")   \
    X(GLASS_NONE, 403, "glass.none", "No policy lets you break the glass for this",                \
      "Make a request without it, or ask a policy author.")                                        \
    X(GLASS_REASON, 400, "glass.reason", "Breaking the glass needs a reason", "Say why with `-m`.") \
    X(GLASS_UNREVIEWED, 403, "glass.unreviewed", "Your last break-glass was not reviewed yet",     \
      "Ask an approver or administrator to review it; until then make a request.")                 \
    X(GLASS_SELF, 403, "glass.self", "Nobody reviews their own break-glass", "Ask somebody else.") \
    X(GLASS_REVIEWED, 409, "glass.reviewed", "There is no open review of this grant", "Nothing to do.") \
    X(GLASS_LIVE, 409, "glass.live", "The grant still lives", "Revoke it first, or wait for its end.") \
    X(DELEGATION_UNKNOWN, 404, "delegation.unknown", "There is no such delegation",                \
      "Check the id; `GET /v1/delegations` lists yours.")                                          \
    X(DELEGATION_SERVICE, 400, "delegation.service", "A service does not vote", "Name a person.") \
    X(DELEGATION_SELF, 400, "delegation.self", "One delegates to somebody else", "Name another person.") \
    X(DELEGATION_QUOTA, 429, "delegation.quota", "Too many of your delegations are live", "End some first.") \
    X(ON_CALL_UNKNOWN, 404, "on-call.unknown", "Nobody is on call under that name", "`phi on-call` lists who is.") \
    X(ON_CALL_QUOTA, 429, "on-call.quota", "Too many are on call", "End a list first: `phi on-call end LIST`.") \
    X(CHANNEL_UNKNOWN, 404, "channel.unknown", "There is no such channel", "`phi channel` lists them.") \
    X(CHANNEL_KIND, 409, "channel.kind", "The channel is of another kind", "Remove it first, or choose another name.") \
    X(CHANNEL_OFF, 409, "channel.off", "The channel is off", "Switch it on first: `phi channel on NAME`.") \
    X(CHANNEL_QUOTA, 429, "channel.quota", "There are too many channels", "Remove one first.")     \
    X(CONTACT_UNKNOWN, 404, "contact.unknown", "phi knows no such contact", "`phi contact set PERSON KIND ADDRESS` sets one.") \
    X(CONTACT_TAKEN, 409, "contact.taken", "That address is somebody else's", "Remove it there first.") \
    X(MESSAGE_UNKNOWN, 404, "message.unknown", "There is no such message for you", "`phi notify` lists what could not be sent.") \
    X(MESSAGE_SENT, 409, "message.sent", "The message is being sent, or was", "Nothing to do.")    \
    X(BAD_SIGNATURE, 401, "chat.signature", "The signature is not a known chat's, or is too old",  \
      "Compare the app's signing secret with phid.yaml's, and the clocks.")                        \
    X(CREDENTIAL_UNKNOWN, 404, "credential.unknown", "There is no such credential of yours", "Check the id.") \
    X(GATEWAY_PROTOCOL, 409, "gateway.protocol", "This gateway is too old for this phid", "Bring phi-gateway up to date: it may be one release behind phid, or ahead.") \
    X(GATEWAY_UNKNOWN, 404, "gateway.unknown", "There is no such gateway", "`phi gateway` lists them.") \
    X(GROUP_NOT_MEMBER, 404, "group.not-member", "They are not in that group", "Nothing to do.")   \
    X(PERSON_NAME_TAKEN, 409, "person.name-taken", "That name is taken", "Choose another name.")   \
    X(PERSON_NOT_FIRST, 409, "person.not-first", "There is a first person already",                \
      "Ask an administrator for a link.")                                                          \
    X(LOG_CORRUPT, 503, "log.corrupt", "What is stored is not what the log says",                  \
      "Nothing was done with it; an operator must run `phi log verify`.")                          \
    X(LIMIT, 429, "limit", "A limit was reached", "`detail` names it; wait, or ask for less.")     \
    X(BUNDLE_INVALID, 422, "bundle.invalid", "The policy bundle does not load",                    \
      "`detail` names the place and the reason.")                                                  \
    X(BUSY, 503, "server.busy", "The server has too much to do", "Try again in a moment.")         \
    X(UNAVAILABLE, 503, "server.unavailable", "The store or the log is not available",             \
      "Nothing was changed; an operator must look at phid's log.")                                 \
    X(INTERNAL, 500, "server.error", "The server failed", "Report it with the request id.")

enum api_problem {
    API_OK = 0,
#define X(name, status, code, title, next) API_##name,
    API_PROBLEMS(X)
#undef X
        API_PROBLEM_N
};

struct api_problem_text {
    const char *name; /* as in the enum, without API_ */
    int status;
    const char *code, *title, *next;
};

const struct api_problem_text *api_problem_text(enum api_problem p); /* never NULL */
enum api_problem api_problem_of_rc(enum phi_rc rc);     /* for errors without a code of their own */
enum api_problem api_problem_by_code(const char *code); /* API_OK when there is no such code */

/* The problem as one JSON object, left open so that a caller can add members: end with phi_jw_end.
 * `type` leads to phid's page of it at `origin`; `detail` is for people, "" takes the title; `request_id` may be "". */
void api_problem_begin(struct phi_jw *w, const char *origin, enum api_problem p, struct phi_view detail,
                       struct phi_view request_id);
void api_problem_page(struct phi_buf *out); /* docs/errors.md */

#endif
