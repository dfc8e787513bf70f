/* Gateways: enrolment, leases, the scoped snapshot, records of plain allows, acknowledgements. */
#ifndef CORE_GATEWAY_H
#define CORE_GATEWAY_H

#include "core/page.h"
#include "core/bundle.h"
#include "core/types.h"

struct phi_gateway {
    struct phi_view name;
    const struct phi_view *targets;
    size_t n_targets;
    bool enrolled;
    int64_t lease_ms;     /* what is left of its lease, 0: none */
    int64_t last_seen_ms; /* wall clock, 0: never */
    struct phi_view version;
};

/* By an admin. `code` receives the enrolment secret (10 min, one use); asking again for a name that
 * exists voids the code before and replaces its targets; its key stays until the new code is used. */
enum phi_rc phi_gateway_add(struct phi_core *c, const struct phi_actor *by, struct phi_view name,
                            const struct phi_view *targets, size_t n_targets, char code[PHI_TOKEN_LEN + 1],
                            int64_t *ret_expires_in_ms, struct phi_err *err);
enum phi_rc phi_gateway_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_page *page,
                             struct phi_gateway **ret, size_t *ret_n, struct phi_err *err);
/* Consumes the code and binds the key (SHA-256 of its SubjectPublicKeyInfo in DER). PHI_EAUTH. */
enum phi_rc phi_gateway_enroll(struct phi_core *c, struct phi_arena *a, struct phi_view code,
                               const struct phi_digest *key, struct phi_view *ret_name, struct phi_err *err);
/* It was given a certificate anew, for the key that it has: so says the log. */
enum phi_rc phi_gateway_certified(struct phi_core *c, const struct phi_actor *gateway, int64_t until_ms, struct phi_err *err);
/* Its key opens nothing any more, at once; its lease counts until it ends, since it may still act on it until then. */
enum phi_rc phi_gateway_remove(struct phi_core *c, const struct phi_actor *by, struct phi_view name, struct phi_err *err);
/* The gateway that holds this key, for each connection. PHI_EAUTH. */
enum phi_rc phi_gateway_find(struct phi_core *c, struct phi_arena *a, const struct phi_digest *key,
                             struct phi_view *ret_name, struct phi_err *err);

struct phi_snapshot_person {
    struct phi_view id, name;
    const struct phi_view *groups;
    size_t n_groups;
};
struct phi_snapshot_credential {
    struct phi_view id, person, target, verifier;
    int64_t expires_in_ms;
};
struct phi_snapshot {
    int64_t seq, lease_ms;
    struct phi_bundle_view bundle;
    const struct phi_view *targets;
    size_t n_targets;
    const struct phi_snapshot_person *people; /* those with a live credential for one of its targets */
    size_t n_people;
    const struct phi_snapshot_credential *credentials;
    size_t n_credentials;
    const struct phi_view *groups; /* all that people are in, sorted */
    size_t n_groups;
    int64_t last_batch;         /* of records: the gateway numbers on behind it */
    struct phi_view checkpoint; /* the last signed note, "" before the first */
};

/* Both begin (renew) the gateway's lease. `version` is what the gateway says of itself, may be "". No snapshot between a restore
 * and the first signed head (why: log.unsigned). */
enum phi_rc phi_gateway_snapshot(struct phi_core *c, struct phi_arena *a, const struct phi_actor *gateway,
                                 struct phi_view version, struct phi_snapshot *ret, struct phi_err *err);
enum phi_rc phi_gateway_lease(struct phi_core *c, const struct phi_actor *gateway, int64_t *ret_seq,
                              int64_t *ret_lease_ms, struct phi_err *err);

struct phi_record { /* what the gateway decided alone: plain allows, or denials, of one kind */
    int64_t first_ms_ago, last_ms_ago, count;
    struct phi_view principal, target, session, bundle;
    struct phi_view bytes_hash; /* hex, SHA-256 over what was forwarded, in order */
    const struct phi_pair *actions;
    size_t n_actions;
    bool denied;
    struct phi_view reason;          /* what the client was told; denials only */
    const struct phi_view *policies; /* ids of those that denied; none: nothing permits it */
    size_t n_policies;
};
/* One leaf a batch, and one for denials that agree in principal, target, session, bundle and policies.
 * A number at or below the last is acknowledged again and ignored; PHI_EINPUT when one was skipped. */
enum phi_rc phi_gateway_records(struct phi_core *c, const struct phi_actor *gateway, int64_t batch,
                                const struct phi_record *records, size_t n, struct phi_err *err);
/* The gateway's work under the ended right `seq` (PHI_EVENT_END) is gone. Idempotent. */
enum phi_rc phi_gateway_ack(struct phi_core *c, const struct phi_actor *gateway, int64_t seq, struct phi_err *err);

struct phi_end { /* an end that this gateway has not acknowledged: send it again on (re)connection */
    int64_t seq;
    struct phi_view grant, principal, reason;
};
enum phi_rc phi_gateway_ends(struct phi_core *c, struct phi_arena *a, const struct phi_actor *gateway,
                             struct phi_end **ret, size_t *ret_n, struct phi_err *err);

#endif
