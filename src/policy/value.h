/* Inside of values: read by the evaluator, built by the parser. */
#ifndef POLICY_VALUE_H
#define POLICY_VALUE_H

#include "policy/policy.h"

enum cedar_ext { CEDAR_DECIMAL, CEDAR_IP, CEDAR_DATETIME, CEDAR_DURATION };

struct phi_value {
    enum phi_value_kind kind;
    bool has_unknown; /* is unknown, or holds something that is */
    union {
        bool b;
        int64_t i;
        struct phi_view s;
        struct phi_uid uid;
        struct { /* sorted, no repetition */
            const struct phi_value *const *items;
            size_t n;
        } set;
        struct { /* sorted by name */
            const struct phi_attr *attrs;
            size_t n;
        } record;
        struct {
            enum cedar_ext kind;
            uint8_t prefix; /* ip */
            bool v6;
            int64_t n; /* decimal times 10,000; milliseconds */
            uint8_t ip[16];
        } ext;
    } u;
};

extern const struct phi_value cedar_true, cedar_false;

const struct phi_value *cedar_bool(bool b);
int cedar_value_cmp(const struct phi_value *a, const struct phi_value *b); /* a total order */
bool cedar_set_has(const struct phi_value *set, const struct phi_value *v);
const struct phi_value *cedar_record_get(const struct phi_value *record, struct phi_view name);
/* A copy that borrows nothing from elsewhere; NULL when the arena is full. */
const struct phi_value *cedar_value_copy(struct phi_arena *a, const struct phi_value *v);

#endif
