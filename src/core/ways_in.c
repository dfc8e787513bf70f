/* Where somebody is signed in: sessions with phi, and credentials for targets. A lost machine has both, so they are shown and ended together. */
#include <stdlib.h>

#include "core/inner.h"
#include "core/session.h"

static enum phi_rc credentials_of(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct core_credential_row **ret,
                                  size_t *ret_n, struct phi_err *err)
{
    struct core_credential_row key = { .person = person };
    return core_list(c, CORE_CREDENTIAL, CORE_CREDENTIAL_BY_PERSON, &key, (struct core_span){ .prefix = 1 }, a, ret, ret_n, err);
}

/* Oneself, by any account; everybody for who may revoke. "": oneself. */
static enum phi_rc whose(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view person, struct phi_view *ret,
                         struct phi_err *err)
{
    struct core_person_row row;
    PHI_TRY(core_batched(c, err));
    *ret = by->id;
    if (!person.n)
        return PHI_OK;
    bool known = core_person_find(c, a, person, &row, NULL) == PHI_OK;
    if (!known || !core_same_person(c, by->id, row.id))
        PHI_TRY(core_need(c, by, PHI_RIGHT_REVOKE, err));
    if (!known)
        return core_no(c, "person.unknown", err, PHI_ENOTFOUND, "there is no such person");
    *ret = row.id;
    return PHI_OK;
}

/* ---- showing */

static int newest_first(const void *x, const void *y)
{
    const struct phi_session *a = x, *b = y;
    return phi_view_cmp(b->id, a->id);
}

enum phi_rc phi_ways_in_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view person,
                             struct phi_session **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_credential_row *rows;
    struct phi_session *sessions;
    struct phi_view id;
    size_t n;
    PHI_TRY(whose(c, a, by, person, &id, err));
    PHI_TRY(phi_session_list(c, a, id, &sessions, ret_n, err));
    PHI_TRY(credentials_of(c, a, id, &rows, &n, err));
    *ret = phi_arena_array(a, *ret_n + n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *ret_n; i++)
        (*ret)[i] = sessions[i];
    for (size_t i = 0; i < n; i++)
        if (core_left(c, &rows[i].due) > 0)
            (*ret)[(*ret_n)++] = (struct phi_session){ .id = rows[i].id, .person = id, .kind = PHI_LIT("credential"), .target = rows[i].target,
                                                       .device = rows[i].device, .created_ms = rows[i].due.wall - PHI_CREDENTIAL_MS,
                                                       .expires_in_ms = core_left(c, &rows[i].due) };
    qsort(*ret, *ret_n, sizeof **ret, newest_first);
    return PHI_OK;
}

/* ---- ending */

enum phi_rc core_credentials_over(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_view id,
                                  const char *cause, int64_t *n, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)16 << 20);
    struct core_credential_row *rows;
    size_t all;
    PHI_TRY(credentials_of(c, &a, person, &rows, &all, err));
    for (size_t i = 0; i < all; i++)
        if (!id.n || phi_view_eq(rows[i].id, id) || phi_view_eq(rows[i].session, id)) {
            PHI_TRY(core_credential_end(c, by, &rows[i], cause, err));
            ++*n;
        }
    return PHI_OK;
}

enum phi_rc core_ways_in_over(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_view id, struct phi_view keep,
                              int64_t *ret_n, struct phi_err *err)
{
    enum phi_rc rc = phi_session_end(c, by, person, id, keep, ret_n, err);
    if (rc != PHI_OK && !(rc == PHI_ENOTFOUND && id.n))
        return rc;
    PHI_TRY(core_credentials_over(c, by, person, id, "revoked", ret_n, err));
    if (id.n && *ret_n == 0)
        return core_no(c, "session.unknown", err, PHI_ENOTFOUND, "there is no such session; `phi session` lists them");
    c->why = "";
    return PHI_OK;
}

enum phi_rc phi_ways_in_end(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_view id, struct phi_view keep,
                            int64_t *ret_n, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct phi_view who;
    PHI_TRY(whose(c, &a, by, person, &who, err));
    return core_ways_in_over(c, by, who, id, keep, ret_n, err);
}
