/* Passkeys of people: registered by whoever is signed in, used to sign in and to sign votes. What an answer must be
 * is proof/webauthn.h's; here are challenges (one-time, PHI_CHALLENGE_MS), the keys, their counters and the log. */
#ifndef CORE_PASSKEY_H
#define CORE_PASSKEY_H

#include "core/types.h"
#include "proof/webauthn.h"

#define PHI_CHALLENGE_LEN 32

enum phi_passkey_for { PHI_PASSKEY_ADD = 1, PHI_PASSKEY_SIGN_IN };

struct phi_passkey_view {
    struct phi_view uid, name; /* uid: ours, no secret */
    struct phi_view id, cose;  /* the authenticator's */
    int64_t created_ms, used_ms; /* wall clock; used_ms 0: never */
};

/* A challenge for this purpose; `person` (an id) for PHI_PASSKEY_ADD, "" for signing in. PHI_ELIMIT: too many are open. */
enum phi_rc phi_passkey_begin(struct phi_core *c, enum phi_passkey_for what, struct phi_view person,
                              uint8_t ret[PHI_CHALLENGE_LEN], struct phi_err *err);
/* Whoever has a passkey shows it (PHI_STRONG_MS ago at most, by the session's strong_ms) before their keys change: a
 * stolen session makes no key of its own. PHI_EDENIED passkey.show. */
enum phi_rc phi_passkey_may_change(struct phi_core *c, const struct phi_actor *by, int64_t strong_ms, int64_t created_ms,
                                   struct phi_err *err);
/* PHI_EDENIED passkey.refused with what did not fit; PHI_ECONFLICT passkey.known; PHI_ELIMIT over PHI_MAX_PASSKEYS. */
enum phi_rc phi_passkey_add(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                            const struct phi_webauthn_rp *rp, const struct phi_webauthn_answer *got,
                            struct phi_passkey_view *ret, struct phi_err *err);
/* Of a person (an id), oldest first. */
enum phi_rc phi_passkey_list(struct phi_core *c, struct phi_arena *a, struct phi_view person,
                             struct phi_passkey_view **ret, size_t *ret_n, struct phi_err *err);
/* One's own, by its uid; PHI_ECONFLICT passkey.last: the last one stays. */
enum phi_rc phi_passkey_remove(struct phi_core *c, const struct phi_actor *by, struct phi_view uid, struct phi_err *err);
/* Who signs in with this answer: the challenge is used up. PHI_EAUTH passkey.refused, one sentence for all reasons
 * that would tell a stranger something. */
enum phi_rc phi_passkey_sign_in(struct phi_core *c, struct phi_arena *a, struct phi_view id,
                                const struct phi_webauthn_rp *rp, const struct phi_webauthn_answer *got,
                                struct phi_view *ret_person, struct phi_err *err);
/* A signature over `challenge` by one of the person's own keys; its counter moves on. */
enum phi_rc phi_passkey_check(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_view id,
                              struct phi_view challenge, const struct phi_webauthn_rp *rp,
                              const struct phi_webauthn_answer *got, struct phi_passkey_view *ret, struct phi_err *err);

#endif
