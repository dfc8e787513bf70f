#include "core/channel.h"

#include "core/outbox_in.h"

/* ---- rows */

static enum phi_rc channel_load(struct phi_core *c, struct phi_arena *a, struct phi_view name,
                                struct core_channel_row *ret, struct phi_err *err)
{
    struct core_channel_row key = { .name = name };
    if (core_get(c, CORE_CHANNEL, CORE_BY_KEY, &key, a, ret, NULL) != PHI_OK)
        return core_no(c, "channel.unknown", err, PHI_ENOTFOUND, "there is no such channel");
    return core_row_check(c, CORE_CHANNEL, ret, ret->leaf, ret->leaf_hash, err);
}

enum phi_rc core_channels(struct phi_core *c, struct phi_arena *a, struct core_channel_row **ret, size_t *ret_n,
                          struct phi_err *err)
{
    PHI_TRY(core_list(c, CORE_CHANNEL, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, ret, ret_n, err));
    for (size_t i = 0; i < *ret_n; i++)
        PHI_TRY(core_row_check(c, CORE_CHANNEL, &(*ret)[i], (*ret)[i].leaf, (*ret)[i].leaf_hash, err));
    return PHI_OK;
}

enum phi_rc core_channels_sound(struct phi_core *c, struct phi_arena *a, struct core_channel_row **ret, size_t *ret_n,
                                struct phi_err *err)
{
    size_t n, k = 0;
    PHI_TRY(core_list(c, CORE_CHANNEL, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, ret, &n, err));
    for (size_t i = 0; i < n; i++)
        if (core_row_check(c, CORE_CHANNEL, &(*ret)[i], (*ret)[i].leaf, (*ret)[i].leaf_hash, NULL) == PHI_OK)
            (*ret)[k++] = (*ret)[i];
    *ret_n = k;
    return PHI_OK;
}

void core_channel_state(struct phi_core *c, struct phi_arena *a, struct phi_view channel,
                        struct core_channel_state_row *ret)
{
    struct core_channel_state_row key = { .channel = channel };
    if (core_get(c, CORE_CHANNEL_STATE, CORE_BY_KEY, &key, a, ret, NULL) != PHI_OK)
        *ret = key;
}

enum phi_rc core_channel_state_put(struct phi_core *c, const struct core_channel_state_row *row, struct phi_err *err)
{
    enum phi_rc rc = core_set(c, CORE_CHANNEL_STATE, row, NULL);
    return rc == PHI_ENOTFOUND ? core_add(c, CORE_CHANNEL_STATE, row, err) : rc;
}

bool core_channel_has_people(struct phi_view kind)
{
    return phi_view_is(kind, "email") || phi_view_is(kind, "slack");
}

static enum phi_rc channel_write(struct phi_core *c, struct phi_arena *a, struct core_channel_row *row, struct phi_entry *e,
                                 struct phi_err *err)
{
    phi_entry_str(e, PHI_F_CHANNEL, row->name);
    PHI_TRY(core_leaf_of(c, a, e, CORE_CHANNEL, row, &row->leaf, &row->leaf_hash, err));
    return row->rev == 0 ? core_add(c, CORE_CHANNEL, row, err) : core_set(c, CORE_CHANNEL, row, err);
}

/* ---- what admins do */

enum phi_rc phi_channel_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                            struct phi_view kind, struct phi_view settings, struct phi_err *err)
{
    struct core_channel_row row = { .rev = -1 }, *all;
    struct phi_entry e;
    size_t n;
    PHI_TRY(core_need(c, by, PHI_RIGHT_OPERATE, err));
    if (!core_slug_ok(name))
        return phi_fail(err, PHI_EINPUT, "a channel's name is 1 to 63 of a-z, 0-9, _ and -");
    if (settings.n > PHI_MAX_CHANNEL_SETTINGS)
        return phi_fail(err, PHI_EINPUT, "a channel's settings are at most %d bytes", PHI_MAX_CHANNEL_SETTINGS);
    enum phi_rc rc = channel_load(c, a, name, &row, err);
    if (rc != PHI_OK && rc != PHI_ENOTFOUND)
        return rc;
    PHI_TRY(core_channels(c, a, &all, &n, err));
    if (rc == PHI_ENOTFOUND && n >= PHI_MAX_CHANNELS)
        return core_no(c, "channel.quota", err, PHI_ELIMIT, "there are %d channels already", PHI_MAX_CHANNELS);
    if (rc == PHI_OK && !phi_view_eq(row.kind, kind))
        return core_no(c, "channel.kind", err, PHI_ECONFLICT, "this channel is of kind " PHI_FMT "; remove it first",
                       PHI_ARG(row.kind));
    row = (struct core_channel_row){ .name = name,
                                     .kind = kind,
                                     .settings = settings,
                                     .live = 1,
                                     .at_ms = core_wall(c),
                                     .rev = rc == PHI_OK ? row.rev + 1 : 0 };
    core_entry(c, &e, PHI_EV_CHANNEL_SET, by);
    phi_entry_str(&e, PHI_F_KIND, kind);
    PHI_TRY(channel_write(c, a, &row, &e, err));
    core_outbox_wake(c);
    return PHI_OK;
}

static enum phi_rc switch_to(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct core_channel_row *row, bool on, const char *cause, struct phi_view why,
                             struct phi_err *err)
{
    struct core_channel_state_row st;
    struct phi_entry e;
    row->live = on;
    row->why_off = on ? (struct phi_view){ 0 } : why;
    row->rev++;
    core_entry(c, &e, PHI_EV_CHANNEL_SWITCHED, by);
    phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
    PHI_TRY(channel_write(c, a, row, &e, err));
    core_channel_state(c, a, row->name, &st);
    st.pause_ms = st.fails = 0;
    return core_channel_state_put(c, &st, err);
}

enum phi_rc phi_channel_switch(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                               bool on, struct phi_view why, struct phi_err *err)
{
    struct core_channel_row row;
    PHI_TRY(core_need(c, by, PHI_RIGHT_OPERATE, err));
    PHI_TRY(channel_load(c, a, name, &row, err));
    if (why.n > PHI_MAX_WHY)
        return phi_fail(err, PHI_EINPUT, "a reason has at most %d bytes", PHI_MAX_WHY);
    if ((row.live != 0) == on)
        return PHI_OK;
    core_outbox_wake(c);
    return switch_to(c, a, by, &row, on, on ? "on" : "off", why.n ? why : PHI_LIT("switched off by an administrator"), err);
}

enum phi_rc core_channel_off(struct phi_core *c, struct phi_arena *a, struct core_channel_row *row, const char *cause,
                             struct phi_view why, struct phi_err *err)
{
    if (!row->live)
        return PHI_OK;
    return switch_to(c, a, &(struct phi_actor){ .kind = PHI_ACTOR_SYSTEM }, row, false, cause, why, err);
}

enum phi_rc phi_channel_del(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                            struct phi_err *err)
{
    struct core_channel_row row;
    struct core_channel_state_row st = { .channel = name };
    struct phi_entry e;
    PHI_TRY(core_need(c, by, PHI_RIGHT_OPERATE, err));
    PHI_TRY(channel_load(c, a, name, &row, err));
    PHI_TRY(core_messages_forget(c, name, (struct phi_view){ 0 }, err));
    enum phi_rc rc = core_del(c, CORE_CHANNEL_STATE, &st, NULL);
    if (rc != PHI_OK && rc != PHI_ENOTFOUND)
        return phi_fail(err, rc, "the channel's state cannot be removed");
    PHI_TRY(core_del(c, CORE_CHANNEL, &row, err));
    core_entry(c, &e, PHI_EV_CHANNEL_REMOVED, by);
    phi_entry_str(&e, PHI_F_CHANNEL, name);
    return core_leaf(c, &e, NULL, NULL, err);
}

/* ---- showing */

static void channel_out(struct phi_core *c, struct phi_arena *a, const struct core_channel_row *row,
                        struct phi_channel *ret)
{
    struct core_channel_state_row st;
    core_channel_state(c, a, row->name, &st);
    *ret = (struct phi_channel){ .name = row->name,
                                 .kind = row->kind,
                                 .settings = row->settings,
                                 .live = row->live != 0,
                                 .why_off = row->why_off,
                                 .waiting = st.waiting,
                                 .dead = st.dead,
                                 .dropped = st.dropped,
                                 .paused_ms = st.pause_ms > core_wall(c) ? st.pause_ms - core_wall(c) : 0,
                                 .ok_ms = st.ok_ms,
                                 .error = st.error };
}

enum phi_rc phi_channel_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_channel **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_channel_row *rows;
    PHI_TRY(core_need(c, by, PHI_RIGHT_OPERATE, err));
    PHI_TRY(core_channels(c, a, &rows, ret_n, err));
    *ret = phi_arena_array(a, *ret_n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    for (size_t i = 0; i < *ret_n; i++)
        channel_out(c, a, &rows[i], &(*ret)[i]);
    return PHI_OK;
}

enum phi_rc phi_channel_get(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                            struct phi_channel *ret, struct phi_err *err)
{
    struct core_channel_row row;
    PHI_TRY(core_need(c, by, PHI_RIGHT_OPERATE, err));
    PHI_TRY(channel_load(c, a, name, &row, err));
    channel_out(c, a, &row, ret);
    return PHI_OK;
}

/* ---- contacts */

struct phi_view core_contact_of(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_view kind)
{
    struct core_contact_row row, key = { .person = person, .kind = kind };
    if (core_get(c, CORE_CONTACT, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK ||
        core_row_check(c, CORE_CONTACT, &row, row.leaf, row.leaf_hash, NULL) != PHI_OK)
        return (struct phi_view){ 0 };
    return row.address;
}

/* A mail address or a chat's user id, plain enough to stand in a header or a command of SMTP. */
static bool address_ok(struct phi_view kind, struct phi_view v)
{
    size_t at = 0;
    if (v.n > PHI_MAX_ADDRESS)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        uint8_t ch = v.p[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
        bool mark = ch == '.' || ch == '_' || ch == '-' || ch == '+';
        at += ch == '@';
        if (!plain && (phi_view_is(kind, "slack") || (!mark && (ch != '@' || i == 0 || i + 1 == v.n))))
            return false;
    }
    return v.n && v.p[0] != '-' && at == (phi_view_is(kind, "email") ? 1 : 0);
}

static enum phi_rc contact_remove(struct phi_core *c, const struct phi_actor *by, const struct core_contact_row *row,
                                  struct phi_err *err)
{
    struct phi_entry e;
    PHI_TRY(core_del(c, CORE_CONTACT, row, err));
    core_entry(c, &e, PHI_EV_CONTACT_REMOVED, by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row->person));
    phi_entry_str(&e, PHI_F_KIND, row->kind);
    return core_leaf(c, &e, NULL, NULL, err);
}

static enum phi_rc contact_write(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                                 struct core_contact_row *row, bool known, struct phi_err *err)
{
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_CONTACT_SET, by);
    phi_entry_ref(&e, PHI_F_PERSON, phi_ref_of("Person", row->person));
    phi_entry_str(&e, PHI_F_KIND, row->kind);
    PHI_TRY(core_leaf_of(c, a, &e, CORE_CONTACT, row, &row->leaf, &row->leaf_hash, err));
    enum phi_rc rc = known ? core_set(c, CORE_CONTACT, row, err) : core_add(c, CORE_CONTACT, row, err);
    if (rc == PHI_ECONFLICT)
        return core_no(c, "contact.taken", err, PHI_ECONFLICT, "this " PHI_FMT " address is somebody else's",
                       PHI_ARG(row->kind));
    return rc;
}

enum phi_rc phi_contact_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view person,
                            struct phi_view kind, struct phi_view address, struct phi_err *err)
{
    struct core_person_row who;
    struct core_contact_row row, key = { 0 };
    PHI_TRY(core_need(c, by, PHI_RIGHT_PEOPLE, err));
    PHI_TRY(core_person_find(c, a, person, &who, err));
    if (!core_channel_has_people(kind))
        return phi_fail(err, PHI_EINPUT, "a contact is of kind email or slack");
    key = (struct core_contact_row){ .person = core_root(c, a, who.id), .kind = kind };
    bool known = core_get(c, CORE_CONTACT, CORE_BY_KEY, &key, a, &row, NULL) == PHI_OK;
    if (address.n == 0)
        return known ? contact_remove(c, by, &row, err)
                     : core_no(c, "contact.unknown", err, PHI_ENOTFOUND, "this person has no such contact");
    if (!address_ok(kind, address))
        return phi_fail(err, PHI_EINPUT, "%s", phi_view_is(kind, "email") ? "this is no plain mail address (name@host)"
                                                                          : "this is no user id of the chat (letters and digits, as U0123ABCD)");
    key.address = address;
    key.salt = core_random(c, a, 16);
    key.rev = known ? row.rev + 1 : 0;
    return contact_write(c, a, by, &key, known, err);
}

enum phi_rc phi_contact_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_contact **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_contact_row *rows;
    size_t n;
    bool admin;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_list(c, CORE_CONTACT, CORE_BY_KEY, NULL, (struct core_span){ 0 }, a, &rows, &n, err));
    *ret = phi_arena_array(a, n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *ret_n = 0;
    admin = core_has(c, by, PHI_RIGHT_SEE_PEOPLE);
    for (size_t i = 0; i < n; i++)
        if (admin || (by->kind == PHI_ACTOR_PERSON && core_same_person(c, by->id, rows[i].person)))
            (*ret)[(*ret_n)++] = (struct phi_contact){ rows[i].person, core_person_name(c, a, rows[i].person),
                                                       rows[i].kind, rows[i].address };
    return PHI_OK;
}

enum phi_rc phi_contact_who(struct phi_core *c, struct phi_arena *a, struct phi_view kind, struct phi_view address,
                            struct phi_view *ret_person, struct phi_err *err)
{
    struct core_contact_row row, key = { .kind = kind, .address = address };
    PHI_TRY(core_batched(c, err));
    if (core_get(c, CORE_CONTACT, CORE_CONTACT_BY_ADDRESS, &key, a, &row, NULL) != PHI_OK)
        return core_no(c, "contact.unknown", err, PHI_ENOTFOUND, "phi knows nobody by this address");
    PHI_TRY(core_row_check(c, CORE_CONTACT, &row, row.leaf, row.leaf_hash, err));
    *ret_person = row.person;
    return PHI_OK;
}

enum phi_rc core_contacts_forget(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_err *err)
{
    PHI_ARENA(a, (size_t)1 << 20);
    struct core_contact_row *rows, key = { .person = person };
    size_t n;
    PHI_TRY(core_list(c, CORE_CONTACT, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, &a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(contact_remove(c, by, &rows[i], err));
    return core_messages_forget(c, (struct phi_view){ 0 }, person, err);
}

/* ---- callbacks */

enum phi_rc phi_callback_once(struct phi_core *c, struct phi_arena *a, const struct phi_digest *hash, struct phi_err *err)
{
    struct core_seen_row *old, row = { phi_digest_view(hash), core_wall(c) };
    struct core_seen_row past = { .at_ms = core_wall(c) - 2 * PHI_CHAT_WINDOW_MS };
    size_t n;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_list(c, CORE_SEEN, CORE_SEEN_BY_TIME, &past, (struct core_span){ .at_most = true, .limit = 100 }, a, &old,
                      &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(core_del(c, CORE_SEEN, &old[i], err));
    enum phi_rc rc = core_add(c, CORE_SEEN, &row, NULL);
    if (rc == PHI_ECONFLICT)
        return core_no(c, "chat.replayed", err, PHI_ECONFLICT, "this callback was taken before");
    return rc == PHI_OK ? rc : phi_fail(err, rc, "the callback cannot be remembered");
}
