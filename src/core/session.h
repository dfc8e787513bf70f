/* One-time links and the sessions (cookies, API tokens) that they turn into. Secrets are 256 random
 * bits, leave once, are stored hashed and compared in constant time. */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include "core/types.h"

struct phi_link {
    char secret[PHI_TOKEN_LEN + 1];
    int64_t expires_in_ms;
};

struct phi_session {
    struct phi_view id;     /* not a secret; changes nothing by itself */
    struct phi_view person; /* id */
    int64_t expires_in_ms;
    char csrf[PHI_TOKEN_LEN + 1]; /* derived from the token; only phi_session_find fills it */
    /* only phi_session_find and phi_session_list fill these */
    int64_t idle_in_ms; /* ends when not used for so long; 0: not for that */
    int64_t created_ms, seen_ms;
    int64_t strong_ms; /* wall clock when a second factor was last shown; 0: never */
    struct phi_view kind, note, address, provider;
    struct phi_view target, device; /* of a credential (kind "credential", phi_ways_in_list) */
};

struct phi_session_how { /* how somebody came in; texts may be "" */
    struct phi_view kind; /* "web" (a cookie), "cli" */
    struct phi_view note; /* which machine or browser, for people */
    struct phi_view address, provider;
    int64_t strong_ms; /* as in phi_session */
};

/* For `person` (name or id); by whoever has the right "people", or SYSTEM. */
enum phi_rc phi_link_make(struct phi_core *c, const struct phi_actor *by, struct phi_view person,
                          struct phi_link *ret, struct phi_err *err);
/* Consumes the link. PHI_EAUTH when it is unknown, used or over (one sentence for all three). `token`
 * receives the session's secret. `how` may be NULL. */
enum phi_rc phi_session_open(struct phi_core *c, struct phi_arena *a, struct phi_view secret,
                             const struct phi_session_how *how, char token[PHI_TOKEN_LEN + 1], struct phi_session *ret, struct phi_err *err);
/* Begins a session of this person (an id), for a caller that has made sure who it is. A cookie's session ends also
 * when it is not used for PHI_SESSION_IDLE_MS. */
enum phi_rc phi_session_begin(struct phi_core *c, struct phi_arena *a, struct phi_view person,
                              const struct phi_session_how *how, char token[PHI_TOKEN_LEN + 1], struct phi_session *ret,
                              struct phi_err *err);
/* The same question, without counting as use: for what goes on by itself, such as a stream of events. */
bool phi_session_alive(struct phi_core *c, struct phi_view token);
/* A second factor was shown now in this session. */
enum phi_rc phi_session_strong(struct phi_core *c, struct phi_view token, struct phi_err *err);
/* Live sessions of a person (an id), newest first. */
enum phi_rc phi_session_list(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_session **ret,
                             size_t *ret_n, struct phi_err *err);
/* Ends the person's session `id`, or with "" all but `keep` (an id, may be ""). PHI_ENOTFOUND: no such session of theirs. */
enum phi_rc phi_session_end(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_view id,
                            struct phi_view keep, int64_t *ret_n, struct phi_err *err);
/* Where `person` ("": the actor; name or id) is signed in: sessions, and credentials for targets, newest first. Others' for who has the
 * right "revoke". */
enum phi_rc phi_ways_in_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view person,
                             struct phi_session **ret, size_t *ret_n, struct phi_err *err);
/* Ends the one of this id, or with "" all but the session `keep`: what still runs by them is cut. PHI_ENOTFOUND: there is no such. */
enum phi_rc phi_ways_in_end(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_view id, struct phi_view keep,
                            int64_t *ret_n, struct phi_err *err);
/* PHI_EAUTH when the token is no live session's. */
enum phi_rc phi_session_find(struct phi_core *c, struct phi_arena *a, struct phi_view token, struct phi_session *ret,
                             struct phi_err *err);
/* Signing out: what was issued to the session ends with it. */
enum phi_rc phi_session_close(struct phi_core *c, struct phi_view token, struct phi_err *err);

#endif
