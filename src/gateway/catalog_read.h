/* Look-ups in a target's catalogue, for sql_resolve.c. */
#ifndef GATEWAY_CATALOG_READ_H
#define GATEWAY_CATALOG_READ_H

#include "gateway/catalog.h"

enum { CAT_SYSTEM = 1, CAT_VIEW = 2, CAT_RULES = 4, CAT_TRIGGERS = 8, CAT_USERTYPES = 16, CAT_FOREIGN = 32 };

struct cat_use { /* something that an expression stored with a relation runs or reads */
    const struct cat_use *next;
    char where; /* 'v' view, 'p' row security policy, 'd' default, 'c' check, 'i' index, 'D' check of a column's domain */
    char what;  /* 'F' function, 'R' relation, 'N' node of an expression */
    struct phi_view schema, name;
};

struct cat_rel {
    struct phi_view schema, name;
    unsigned flags;
    const struct cat_use *uses;
};

struct cat_func { /* all functions of a name */
    const struct cat_func *next;
    struct phi_view schema, name;
    bool user;
};

struct cat_op { /* user-defined operators of a name */
    const struct cat_op *next;
    struct phi_view op_schema, schema, name; /* the operator's schema; the function that it runs */
    bool foreign_to_builtin; /* both sides are types of the target's users, so no built-in value can choose it */
};

struct cat_type { /* user-defined types of a name */
    const struct cat_type *next;
    struct phi_view schema, name;
    bool harmless; /* nothing user-defined runs when a value is made */
};

struct cat_cast {
    const struct cat_cast *next;
    struct phi_view schema, name; /* what runs */
    bool needs_user_type;         /* one side is a type that only user-defined things can give */
};

/* Differs between any two finished catalogues of this process; 0: not finished. */
uint64_t cat_serial(const struct gw_catalog *c);
bool cat_finished(const struct gw_catalog *c); /* NULL: false */
const struct cat_rel *cat_rel(const struct gw_catalog *c, struct phi_view schema, struct phi_view name);
const struct cat_func *cat_funcs(const struct gw_catalog *c, struct phi_view name);
const struct cat_op *cat_ops(const struct gw_catalog *c, struct phi_view name);
const struct cat_type *cat_types(const struct gw_catalog *c, struct phi_view name);
const struct cat_cast *cat_casts(const struct gw_catalog *c);

#endif
