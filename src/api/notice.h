/* What leaves: a message of the outbox (core/outbox.h) as a channel wants it, and what the channel's answer means.
 * Pure but for secrets, which are read from their files when they are needed. Texts that people wrote are shown, never
 * interpreted: escaped where a format has markup, and put where it has none wherever the format lets us. */
#ifndef API_NOTICE_H
#define API_NOTICE_H

#include "api/secrets.h"
#include "core/outbox.h"
#include "net/fetch.h"

enum api_notice_way { API_NOTICE_FETCH = 1, API_NOTICE_COMMAND };

struct api_notice { /* all in the arena that it was made in; may hold a secret: the arena is wiped after */
    enum api_notice_way way;
    struct net_fetch_ask ask; /* FETCH */
    const char *command;      /* COMMAND: its name in phid.yaml */
    struct phi_view input;    /* and what it reads */
    const char *mail_to[1];
    struct net_http_field fields[8];
    char ref[300];            /* what the channel will call it, where we say so; else "" */
};

struct api_notice_env {
    const char *origin; /* of the console: links begin with it */
    const char *secrets; /* folder of secret files, "" none */
    int64_t now_ms;     /* wall clock */
};

/* `ret` must not move. PHI_EINPUT: the channel's settings are not usable, and will not be by trying again; PHI_EIO: a secret's file
 * cannot be read now. */
enum phi_rc api_notice_make(struct phi_arena *a, const struct api_notice_env *env, const struct phi_message *m,
                            struct api_notice *ret, struct phi_err *err);

/* What became of it, into `ret` (how, ref, error, after_ms), texts in the arena. `answer` NULL: see `why`. */
void api_notice_answer(struct phi_arena *a, const struct phi_message *m, const struct api_notice *n,
                       const struct net_fetch_answer *answer, const struct phi_err *why, struct phi_sent *ret);

/* Holds a channel's settings against what its kind takes, and writes them canonically. PHI_EINPUT says what to mend. */
enum phi_rc api_channel_check(struct phi_arena *a, struct phi_view kind, const struct phi_json *settings,
                              struct phi_view *ret, struct phi_err *err);

/* ---- the parts, for each kind of channel a file */

struct notice_text { /* what any channel says, unescaped UTF-8 on one line each, but `statement` */
    struct phi_view title; /* "K7Q-4MX: alice asks for pg:delete on shop/public.orders" */
    struct phi_view link;  /* of the request, or of the console */
    struct phi_view lines[12];
    size_t n_lines;
    struct phi_view statement; /* the exact text, "" when it is not to be shown */
    bool whole;                /* `statement` is all that would run, nothing is cut or left out */
};
/* `show`: the exact text too. */
void notice_text(struct phi_arena *a, const struct api_notice_env *env, const struct phi_message *m, bool show,
                 struct notice_text *ret);
/* What stands behind an event's name: "request.denied" -> "was denied by bob: wrong ticket". */
void notice_outcome(struct phi_buf *b, const struct phi_message *m);

#define NOTICE_MAKER(kind)                                                                                   \
    enum phi_rc notice_##kind(struct phi_arena *a, const struct api_notice_env *env, const struct phi_message *m, \
                              const struct phi_json *settings, struct api_notice *ret, struct phi_err *err)
NOTICE_MAKER(webhook);
NOTICE_MAKER(email);
NOTICE_MAKER(slack);
NOTICE_MAKER(teams);
NOTICE_MAKER(command);
NOTICE_MAKER(callback);
void notice_event_json(struct phi_buf *out, const struct api_notice_env *env, const struct phi_message *m, bool show);
void notice_slack_answer(struct phi_arena *a, const struct phi_message *m, const struct net_fetch_answer *answer,
                         struct phi_sent *ret);
/* Standard Webhooks: the values of webhook-signature for these parts. Secrets are base64 behind whsec_ and whsk_. */
enum phi_rc notice_sign(struct phi_buf *out, struct phi_view id, struct phi_view timestamp, struct phi_view body,
                        struct phi_view secret, struct phi_view key, struct phi_err *err);
struct phi_view notice_z(struct phi_arena *a, const struct phi_buf *b); /* a NUL-terminated copy in the arena */
enum phi_rc notice_secret(struct phi_arena *a, const struct api_notice_env *env, struct phi_view name, struct phi_view *ret,
                          struct phi_err *err);

#endif
