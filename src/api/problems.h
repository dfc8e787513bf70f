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
    X(BAD_CODE, 403, "auth.code", "This enrolment code is not valid, was used, or is too old",     \
      "Make a new one with `phi gateway add NAME`.")                                               \
    X(BAD_CSRF, 403, "auth.csrf", "This did not come from the console",                            \
      "Reload the page and try again.")                                                            \
    X(NOT_ADMIN, 403, "auth.not-admin", "Only an administrator may do this",                       \
      "Ask an administrator.")                                                                     \
    X(DENIED, 403, "denied", "Not permitted", "`detail` says why.")                                \
    X(POLICY_DENIED, 403, "policy.denied", "The policy does not permit this",                      \
      "`policies` names what decided; ask a policy author.")                                       \
    X(NOT_APPROVER, 403, "request.not-approver", "You may not vote on this request",               \
      "`who` in the request's `needs` lists those who may.")                                       \
    X(NOT_FOUND, 404, "not-found", "There is no such thing, or you may not see it",                \
      "Check the name, id or code.")                                                               \
    X(CONFLICT, 409, "conflict", "The state has changed meanwhile", "Look again and retry.")       \
    X(EXISTS, 409, "exists", "That name is taken", "Choose another name.")                         \
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
 * `detail` is for people, "" takes the title; `request_id` may be "". */
void api_problem_begin(struct phi_jw *w, enum api_problem p, struct phi_view detail,
                       struct phi_view request_id);
void api_problem_page(struct phi_buf *out); /* docs/errors.md */

#endif
