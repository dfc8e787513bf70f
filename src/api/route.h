/* The command table: one row a route. It gives the routing, the needed right, what the body and the
 * query may hold (checked before any handler runs) and the OpenAPI document. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/problems.h"
#include "base/json.h"
#include "core/rights.h"

struct api_call;

enum api_right {
    API_RIGHT_NONE = 1, /* anybody who reaches the listener */
    API_RIGHT_SELF,     /* a signed-in person, about themself: no policy can lock them out of signing out */
    API_RIGHT_GATEWAY,  /* a client certificate that core knows */
    API_RIGHT_ENROL,    /* no certificate yet: the one-time code in the body is the right */
    API_RIGHT_POLICIES, /* from here on: a signed-in person whom the live policy permits the action */
#define X(name, action, text) API_RIGHT_##name,
    PHI_RIGHTS(X)
#undef X
    API_RIGHTS_N
};

/* The action of phi's own that the policy decides; PHI_RIGHTS_N: none. */
enum phi_right api_right_action(enum api_right r);
bool api_right_of_person(enum api_right r); /* needs somebody signed in */

enum api_listener { API_PEOPLE = 1, API_GATEWAYS = 2 };

/* Answers in c. An error undoes what it did and becomes a problem: c->problem, else core's code, else by rc. */
typedef enum phi_rc (*api_handler)(struct api_call *c, struct phi_err *err);

/* How a request is treated before and instead of JSON. */
enum api_flags {
    API_FORM = 1,   /* the body is a form from our own page, not JSON */
    API_STREAM = 2, /* answers with server-sent events */
    API_LOCAL = 4,  /* answered on the loop's thread, never touches core */
    API_RAW = 8,    /* answers something else than JSON */
    API_OPEN = 16,  /* as AuthZEN has it: unknown members and parameters are ignored, any JSON number is taken, and what is
                       no JSON is a 400 */
    API_CHANGE = 32, /* a change of phi itself: where the policy wants it approved, it is filed as a request */
    API_SIGNED = 64  /* the body is kept as it came: its signature, not a session, says who sent it */
};

struct api_route {
    const char *method;  /* "GET", "POST", "PUT", "DELETE" */
    const char *pattern; /* "/v1/grants/{id}/revoke" */
    enum api_right right;
    unsigned listeners; /* enum api_listener, or-ed */
    api_handler handler;
    const char *summary;
    /* Members of the body: "name:str! groups:strs", `!` = must be there, types str int bool strs obj
     * arr any; NULL: no body. */
    const char *body;
    const char *query; /* "box limit", NULL: none */
    unsigned flags;
};

extern const struct api_route api_routes[];
extern const size_t api_routes_n;

#define API_PARAMS 2
struct api_match {
    const struct api_route *route;      /* NULL: see problem */
    enum api_problem problem;           /* NO_ROUTE or NO_METHOD */
    char allow[64];                     /* for NO_METHOD: "GET, POST" */
    struct phi_view params[API_PARAMS]; /* percent-decoded, in the arena */
};

/* Finds the row for a request. `path` is without the query, still percent-encoded; HEAD finds GET. */
void api_match(struct phi_arena *a, enum api_listener listener, struct phi_view method,
               struct phi_view path, struct api_match *ret);

/* Holds `body` against the row's list: PHI_EINPUT names the member that is missing, unknown or of
 * another type. */
enum phi_rc api_body_check(const struct api_route *r, const struct phi_json *body,
                           struct phi_err *err);

/* Walks a list like "name:str! groups:strs": false at its end. */
struct api_member {
    struct phi_view name, type;
    bool must;
};
bool api_member_next(struct phi_view *list, struct api_member *ret);

/* False when the query holds a key that the row does not list, or one twice; names it. */
bool api_query_check(struct phi_arena *a, const struct api_route *r, struct phi_view query,
                     struct phi_view *bad);

/* One call of a route and its answer, as recorded and checked by test/flow/examples.py; each member is JSON text, or NULL. */
struct api_example {
    const char *method, *pattern;
    const char *values; /* of the path's and the query's parameters: an object of strings */
    const char *sent;
    bool form; /* sent as a form */
    int status;
    const char *type, *answer; /* NULL: no body */
};
extern const struct api_example api_examples[];
extern const size_t api_examples_n;
const struct api_example *api_example_of(const struct api_route *r); /* NULL: none */

/* The OpenAPI 3.1 document of the table. */
void api_openapi(struct phi_buf *out);
const char *api_right_name(enum api_right r); /* "none", "self", "see-all", … */

#endif
