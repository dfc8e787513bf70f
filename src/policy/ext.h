/* Extension types: decimal, ipaddr, datetime, duration (cedar-spec, Cedar/Spec/Ext). */
#ifndef POLICY_EXT_H
#define POLICY_EXT_H

#include "policy/value.h"

enum cedar_fn {
    FN_DECIMAL,
    FN_IP,
    FN_DATETIME,
    FN_DURATION, /* up to here: functions of one string */
    FN_LESS_THAN,
    FN_LESS_THAN_OR_EQUAL,
    FN_GREATER_THAN,
    FN_GREATER_THAN_OR_EQUAL,
    FN_IS_IPV4,
    FN_IS_IPV6,
    FN_IS_LOOPBACK,
    FN_IS_MULTICAST,
    FN_IS_IN_RANGE,
    FN_OFFSET,
    FN_DURATION_SINCE,
    FN_TO_DATE,
    FN_TO_TIME,
    FN_TO_MILLISECONDS,
    FN_TO_SECONDS,
    FN_TO_MINUTES,
    FN_TO_HOURS,
    FN_TO_DAYS
};

struct cedar_fn_info {
    const char *name;
    bool method; /* called as receiver.name(…) */
    unsigned n;  /* arguments, the receiver counted */
};

bool cedar_fn_find(struct phi_view name, enum cedar_fn *ret);
const struct cedar_fn_info *cedar_fn_info(enum cedar_fn fn);
/* NULL: a type, range or text error (or the arena is full). */
const struct phi_value *cedar_fn_call(struct phi_arena *a, enum cedar_fn fn,
                                      const struct phi_value *const *args);
/* Name of the type in schemas: "decimal", "ipaddr", "datetime", "duration". */
bool cedar_ext_find(struct phi_view type, enum cedar_ext *ret);

#endif
