/* Between the files that keep messages and say who is told. */
#ifndef CORE_OUTBOX_IN_H
#define CORE_OUTBOX_IN_H

#include "core/channel.h"
#include "core/outbox.h"
#include "core/request_in.h"

/* ---- channel.c */
/* All channels, held against their leaves. */
enum phi_rc core_channels(struct phi_core *c, struct phi_arena *a, struct core_channel_row **ret, size_t *ret_n,
                          struct phi_err *err);
/* The same, without those that are not what their leaf says. */
enum phi_rc core_channels_sound(struct phi_core *c, struct phi_arena *a, struct core_channel_row **ret, size_t *ret_n,
                                struct phi_err *err);
/* All zero where there is none yet. */
void core_channel_state(struct phi_core *c, struct phi_arena *a, struct phi_view channel,
                        struct core_channel_state_row *ret);
enum phi_rc core_channel_state_put(struct phi_core *c, const struct core_channel_state_row *row, struct phi_err *err);
/* Where this person (a root) is reached by this kind; "" nowhere. */
struct phi_view core_contact_of(struct phi_core *c, struct phi_arena *a, struct phi_view person, struct phi_view kind);
bool core_channel_has_people(struct phi_view kind); /* its messages are for persons, not for whoever reads the channel */
/* Off, without being asked: what the channel answered. */
enum phi_rc core_channel_off(struct phi_core *c, struct phi_arena *a, struct core_channel_row *row, const char *cause,
                             struct phi_view why, struct phi_err *err);
enum phi_rc core_contacts_forget(struct phi_core *c, const struct phi_actor *by, struct phi_view person, struct phi_err *err);

/* ---- arap_callback.c */
#define CORE_CALLBACK "callback" /* the kind of channel that speaks of ARAP's tasks, and of nothing else */
/* This request is over: those who asked to hear of a task that is over by it are told. */
enum phi_rc core_callbacks_due(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row, const struct core_channel_row *ch,
                               size_t n_ch, struct phi_err *err);
/* What the caller gave to be given back. */
struct phi_view core_callback_state_of(struct phi_core *c, struct phi_arena *a, struct phi_view task);

/* ---- outbox.c */
/* One message to be kept: for a person (a root), or "" for the channel's readers. */
struct core_news {
    const struct core_channel_row *channel;
    struct phi_view person, request, what, note;
    int64_t version;
    bool prompt; /* somebody is asked to do something: counted, and in a digest when there are too many */
    bool loud;   /* neither counted nor put off */
};
enum phi_rc core_message_new(struct phi_core *c, struct phi_arena *a, const struct core_news *n, struct phi_err *err);
/* The message of this channel, request and person. PHI_ENOTFOUND. */
enum phi_rc core_message_of(struct phi_core *c, struct phi_arena *a, const struct core_news *n,
                            struct core_message_row *ret, struct phi_err *err);
/* What was sent, or is about to be, is to say this instead, from at_ms on. */
enum phi_rc core_message_change(struct phi_core *c, struct phi_arena *a, struct core_message_row *row,
                                struct phi_view what, int64_t at_ms, struct phi_err *err);
/* When this may reach the person: now, or when their quiet hours are over. */
int64_t core_message_when(struct phi_core *c, struct phi_view person, bool loud);
enum phi_rc core_message_del(struct phi_core *c, struct phi_arena *a, const struct core_message_row *row, struct phi_err *err);
/* All messages of a channel, or all for a person. */
enum phi_rc core_messages_forget(struct phi_core *c, struct phi_view channel, struct phi_view person, struct phi_err *err);

/* ---- tell.c */
/* What follows for the outbox from what a command said: in its transaction. */
enum phi_rc core_outbox_note(struct phi_core *c, size_t first_said, struct phi_err *err);
/* phids look into the outbox after this batch. */
void core_outbox_wake(struct phi_core *c);

#endif
