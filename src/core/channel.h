/* Channels: the ways out by which people are told (a webhook, a mail server, a chat, a command), and contacts: where a
 * person is reached by a kind of channel. Both are set by admins, logged, and held against their leaves before use,
 * because who controls them reads requests, and a chat's user may vote as the person whose contact it is. */
#ifndef CORE_CHANNEL_H
#define CORE_CHANNEL_H

#include "core/types.h"

struct phi_channel {
    struct phi_view name, kind;     /* kind: webhook, email, slack, teams, command, callback */
    struct phi_view settings;       /* canonical JSON object, without secrets */
    bool live;
    struct phi_view why_off;        /* one sentence, "" while it is live */
    int64_t waiting, dead, dropped; /* messages; dropped: not kept because too many waited */
    int64_t paused_ms;              /* nothing leaves for so long after failures, 0 none */
    int64_t ok_ms;                  /* wall clock of the last success, 0 none */
    struct phi_view error;          /* the last failure in words, "" after a success */
};

/* Adds or replaces; it is live then. `settings` must be canonical; what it may say per kind is the caller's to check. */
enum phi_rc phi_channel_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                            struct phi_view kind, struct phi_view settings, struct phi_err *err);
/* On: what waited is sent. Off: it waits. `why` is a sentence for people. */
enum phi_rc phi_channel_switch(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                               bool on, struct phi_view why, struct phi_err *err);
/* What waits for it and its dead letters go too. */
enum phi_rc phi_channel_del(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                            struct phi_err *err);
/* Admins; by name. */
enum phi_rc phi_channel_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_channel **ret, size_t *ret_n, struct phi_err *err);
/* By SYSTEM or an admin; held against its leaf. PHI_ENOTFOUND. */
enum phi_rc phi_channel_get(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view name,
                            struct phi_channel *ret, struct phi_err *err);

struct phi_contact {
    struct phi_view person, name, kind, address; /* person: id; kind: email, slack */
};

/* Admins. One of a kind a person; PHI_ECONFLICT when it is another's. An empty address removes it. */
enum phi_rc phi_contact_put(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view person,
                            struct phi_view kind, struct phi_view address, struct phi_err *err);
/* An admin sees everybody's, a person their own. */
enum phi_rc phi_contact_list(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by,
                             struct phi_contact **ret, size_t *ret_n, struct phi_err *err);
/* Whose this is: the person's id. PHI_ENOTFOUND. For callbacks whose signature was checked. */
enum phi_rc phi_contact_who(struct phi_core *c, struct phi_arena *a, struct phi_view kind, struct phi_view address,
                            struct phi_view *ret_person, struct phi_err *err);

/* Takes a signed callback once: PHI_ECONFLICT (chat.replayed) when this hash was taken within twice PHI_CHAT_WINDOW_MS. */
enum phi_rc phi_callback_once(struct phi_core *c, struct phi_arena *a, const struct phi_digest *hash, struct phi_err *err);

#endif
