/* What a gateway knows of phid: parsed from GET /v1/gateway/snapshot, immutable, counted references. */
#ifndef CLIENT_SNAPSHOT_H
#define CLIENT_SNAPSHOT_H

#include "policy/policy.h"

struct client_principal {
    struct phi_view id, name;
    const struct phi_view *groups;
    size_t n_groups;
};

struct client_credential {
    struct phi_view id, person, target;
    struct phi_view verifier;   /* "SCRAM-SHA-256$4096:…" */
    int64_t ends_boot_ms;       /* CLOCK_BOOTTIME; 0 or less left is ended */
};

struct client_snapshot;

/* `asked_boot_ms`: when the question was sent; remaining times count from there. A snapshot that
 * is not whole (a member is missing, the bundle does not load or has another hash) is PHI_EINPUT. */
/* `before` (may be NULL): the snapshot in force; its bundle is shared when it is the same. */
enum phi_rc client_snapshot_read(struct phi_view text, int64_t asked_boot_ms, const struct client_snapshot *before,
                                 struct client_snapshot **ret, struct phi_err *err);
struct client_snapshot *client_snapshot_ref(struct client_snapshot *s); /* returns s */
void client_snapshot_unref(struct client_snapshot *s);                  /* NULL is fine */

int64_t client_snapshot_seq(const struct client_snapshot *s);
int64_t client_snapshot_protocol(const struct client_snapshot *s); /* what phid speaks with us: PHI_PROTOCOL or older */
int64_t client_snapshot_lease_ms(const struct client_snapshot *s);
const struct phi_bundle *client_snapshot_bundle(const struct client_snapshot *s);
struct phi_view client_snapshot_bundle_hex(const struct client_snapshot *s);
/* Persons (parents: their groups), groups and targets: the base for a request's own entities. */
const struct phi_entities *client_snapshot_entities(const struct client_snapshot *s);
/* The same, prepared for deciding by its bundle: what a request tells stands over it (phi_world_over). */
const struct phi_world *client_snapshot_world(const struct client_snapshot *s);
bool client_snapshot_has_target(const struct client_snapshot *s, struct phi_view name);
const struct client_principal *client_snapshot_principal(const struct client_snapshot *s, struct phi_view id); /* NULL: none */
const struct client_principal *client_snapshot_principal_named(const struct client_snapshot *s, struct phi_view name);
/* NULL: none, or ended by now. The person is in the snapshot. */
const struct client_credential *client_snapshot_credential(const struct client_snapshot *s, struct phi_view id);
int64_t client_snapshot_last_batch(const struct client_snapshot *s);           /* of records, as phid knows it */
struct phi_view client_snapshot_console(const struct client_snapshot *s);    /* "http://localhost:8470" */
struct phi_view client_snapshot_checkpoint(const struct client_snapshot *s); /* signed note; may be empty */

#endif
