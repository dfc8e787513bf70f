#include "core/session.h"

#include <string.h>

#include "core/inner.h"

enum phi_rc phi_link_make(struct phi_core *c, const struct phi_actor *by, struct phi_view person,
                          struct phi_link *ret, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_person_row who;
    struct phi_entry e;
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    PHI_TRY(core_person_find(c, &a, person, &who, err));
    core_new_token(c, ret->secret);
    struct phi_digest hash = core_secret_hash(phi_view_of(ret->secret));
    struct core_link_row row = { phi_digest_view(&hash), core_new_id(c, &a), who.id, core_due_in(c, PHI_LINK_MS) };
    PHI_TRY(core_add(c, CORE_LINK, &row, err));
    ret->expires_in_ms = PHI_LINK_MS;
    core_entry(c, &e, PHI_EV_LINK_MADE, by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", who.id));
    phi_entry_str(&e, PHI_F_LINK, row.id);
    phi_entry_int(&e, PHI_F_UNTIL_MS, row.due.wall);
    return core_leaf(c, &e, NULL, NULL, err);
}

static enum phi_rc link_take(struct phi_core *c, struct phi_arena *a, struct phi_view secret,
                             struct core_link_row *ret, struct phi_err *err)
{
    struct phi_digest hash = core_secret_hash(secret);
    struct core_link_row key = { .hash = phi_digest_view(&hash) };
    enum phi_rc rc = core_get(c, CORE_LINK, CORE_BY_KEY, &key, a, ret, NULL);
    if (rc != PHI_OK || !phi_secret_eq(ret->hash, phi_digest_view(&hash)) || core_left(c, &ret->due) <= 0)
        return core_no(c, "link.over", err, PHI_EAUTH, "this link is used, over or unknown; ask for another");
    return core_del(c, CORE_LINK, &key, err);
}

enum phi_rc phi_session_open(struct phi_core *c, struct phi_arena *a, struct phi_view secret,
                             char token[PHI_TOKEN_LEN + 1], struct phi_session *ret, struct phi_err *err)
{
    struct core_link_row link;
    struct phi_entry e;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(link_take(c, a, secret, &link, err));
    core_new_token(c, token);
    struct phi_digest hash = core_secret_hash(phi_view_of(token));
    struct core_session_row row = { core_bytes(a, &hash), core_new_id(c, a), link.person,
                                    core_due_in(c, PHI_SESSION_MS) };
    PHI_TRY(core_add(c, CORE_SESSION, &row, err));
    *ret = (struct phi_session){ .id = row.id, .person = row.person, .expires_in_ms = PHI_SESSION_MS };
    core_entry(c, &e, PHI_EV_SESSION_OPENED, &(struct phi_actor){ PHI_ACTOR_PERSON, row.person });
    phi_entry_str(&e, PHI_F_SESSION, row.id);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row.person));
    phi_entry_str(&e, PHI_F_LINK, link.id);
    phi_entry_int(&e, PHI_F_UNTIL_MS, row.due.wall);
    return core_leaf(c, &e, NULL, NULL, err);
}

static enum phi_rc session_row(struct phi_core *c, struct phi_arena *a, struct phi_view token,
                               struct core_session_row *ret, struct phi_err *err)
{
    struct phi_digest hash = core_secret_hash(token);
    struct core_session_row key = { .hash = phi_digest_view(&hash) };
    enum phi_rc rc = core_get(c, CORE_SESSION, CORE_BY_KEY, &key, a, ret, NULL);
    if (rc != PHI_OK || !phi_secret_eq(ret->hash, phi_digest_view(&hash)) || core_left(c, &ret->due) <= 0)
        return core_no(c, "session.over", err, PHI_EAUTH, "you are not signed in; ask for a sign-in link");
    return PHI_OK;
}

/* Proves to forms that they come from this session's own page; says nothing of the token. */
static void csrf_of(struct phi_view token, char ret[PHI_TOKEN_LEN + 1])
{
    struct phi_digest d = phi_hmac_sha256(token, PHI_LIT("phi-csrf-v1"));
    PHI_BUF(b, PHI_TOKEN_LEN + 1);
    phi_b64u_add(&b, phi_digest_view(&d));
    memcpy(ret, phi_buf_str(&b), PHI_TOKEN_LEN + 1);
}

enum phi_rc phi_session_find(struct phi_core *c, struct phi_arena *a, struct phi_view token, struct phi_session *ret,
                             struct phi_err *err)
{
    struct core_session_row row;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(session_row(c, a, token, &row, err));
    *ret = (struct phi_session){ .id = row.id, .person = row.person, .expires_in_ms = core_left(c, &row.due) };
    csrf_of(token, ret->csrf);
    return PHI_OK;
}

enum phi_rc phi_session_close(struct phi_core *c, struct phi_view token, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 16);
    struct core_session_row row;
    struct phi_entry e;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(session_row(c, &a, token, &row, err));
    PHI_TRY(core_del(c, CORE_SESSION, &row, err));
    core_entry(c, &e, PHI_EV_SESSION_CLOSED, &(struct phi_actor){ PHI_ACTOR_PERSON, row.person });
    phi_entry_str(&e, PHI_F_SESSION, row.id);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row.person));
    return core_leaf(c, &e, NULL, NULL, err);
}
