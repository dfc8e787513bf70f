/* Witnesses of the log (C2SP tlog-witness): who they are, what to ask them, what they answered, and which head is published.
 * A head is published once `need` of them have cosigned it; with none needed the newest signed head is. */
#ifndef CORE_WITNESS_H
#define CORE_WITNESS_H

#include "core/types.h"
#include "proof/cosign.h"

struct phi_witness {
    struct phi_view name, line, url; /* line: its cosigner key */
    int64_t size, at_ms;             /* of the head that it cosigned last, and when */
    struct phi_view said;            /* why not, the last time; "" it did */
};

/* `line`: `<name>+<id>+<key>` as the witness publishes it; url: https://… to which /add-checkpoint is added. Again: changed. */
enum phi_rc phi_witness_set(struct phi_core *c, const struct phi_actor *by, struct phi_view line, struct phi_view url,
                            struct phi_err *err);
enum phi_rc phi_witness_remove(struct phi_core *c, const struct phi_actor *by, struct phi_view name, struct phi_err *err);
enum phi_rc phi_witness_list(struct phi_core *c, struct phi_arena *a, struct phi_witness **ret, size_t *ret_n, int64_t *ret_need,
                             struct phi_err *err);
/* From 0 to as many as there are. PHI_EINPUT otherwise. */
enum phi_rc phi_witness_need(struct phi_core *c, const struct phi_actor *by, int64_t need, struct phi_err *err);

struct phi_witness_call {
    struct phi_view name, url, body; /* of add-checkpoint */
};
struct phi_witness_round {
    int64_t size; /* of the head that is asked about */
    struct phi_view note;
    struct phi_witness_call *call; /* those who have not cosigned it yet */
    size_t n;
};
enum phi_rc phi_witness_plan(struct phi_core *c, struct phi_arena *a, struct phi_witness_round *ret, struct phi_err *err);

struct phi_witness_answer {
    struct phi_view name;
    int status;           /* HTTP's; 0: it could not be reached, then body says why */
    struct phi_view body;
};
/* Takes the answers of a round: cosignatures that hold are counted, and the head is published where they are enough.
 * What a witness refuses is an entry of the log, once until it agrees again. */
enum phi_rc phi_witness_answered(struct phi_core *c, const struct phi_witness_round *round, const struct phi_witness_answer *answers,
                                 size_t n, struct phi_err *err);

/* The head for everybody to see: "" before the first. Views in the arena. */
enum phi_rc phi_log_published(struct phi_core *c, struct phi_arena *a, struct phi_view *ret_note, int64_t *ret_size, struct phi_err *err);

#endif
