/* One person's vote on one requirement of one request, as docs/formats.md writes it. */
#ifndef PROOF_VOTE_H
#define PROOF_VOTE_H

#include "proof/body.h"

enum phi_decision { PHI_APPROVE = 0x3a5cc953, PHI_REJECT = 0x65a339ac }; /* zero is neither */

/* What a vote takes away from what was asked. Each member is absent or a bound; never a widening. */
struct phi_narrowing {
    int64_t for_ms;   /* 0: absent */
    int64_t uses;     /* 0: absent */
    int64_t until_ms; /* 0: absent; wall clock */
    int64_t from_ms;  /* 0: absent; wall clock */
    struct phi_budget budget;
    const struct phi_ref *resources; /* sorted; only for a scope */
    size_t n_resources;              /* 0: absent */
};

struct phi_vote {
    struct phi_id id; /* of the request */
    struct phi_digest digest;
    int64_t version;
    struct phi_view requirement;
    enum phi_decision decision;
    struct phi_narrowing narrowing;
    struct phi_digest reason_hash; /* phi_text_hash(salt, reason) */
    struct phi_digest bundle;
    uint8_t nonce[16];
};

bool phi_narrowing_none(const struct phi_narrowing *n);
enum phi_rc phi_narrowing_read(struct phi_arena *a, const struct phi_json *v, struct phi_narrowing *ret,
                               struct phi_err *err);
void phi_narrowing_write(struct phi_jw *w, const struct phi_narrowing *n);
/* PHI_EINPUT, naming the member, unless everything in it lies inside what the body asks. */
enum phi_rc phi_narrowing_check(const struct phi_narrowing *n, const struct phi_body *asked,
                                struct phi_err *err);

enum phi_rc phi_vote_read(struct phi_arena *a, const struct phi_json *v, struct phi_vote *ret,
                          struct phi_err *err);
void phi_vote_write(struct phi_buf *out, const struct phi_vote *v); /* canonical */
/* SHA-256("phi-vote-v1\0" || canonical vote): what a signature or WebAuthn challenge is over. */
enum phi_rc phi_vote_digest(const struct phi_vote *v, struct phi_digest *ret, struct phi_err *err);

const char *phi_decision_name(enum phi_decision d); /* "approve", "deny"; "" for anything else */

#endif
