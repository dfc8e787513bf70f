/* Every limit of phi, named in one place. Bytes unless the name says otherwise. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* What gateways and phid speak to each other (docs/api.md, Gateways). It rises with each change that the other side must
 * know of; each program speaks this one and those from the oldest on, so that either may be brought up to date first. */
#define PHI_PROTOCOL        3
#define PHI_PROTOCOL_OLDEST 1
#define PHI_PROTOCOL_CERTIFICATES 2 /* from here on a gateway's certificate can be renewed, and its report says when it began */
#define PHI_PROTOCOL_AHEAD 3        /* from here on a claim can be filed before the approval */
#define PHI_PROTOCOL_HEADER "Phi-Protocol"
#define PHI_TEXT(n)  PHI_TEXT_(n)
#define PHI_TEXT_(n) #n

#define PHI_MAX_JSON_DEPTH 64
#define PHI_MAX_HTTP_HEAD (16 * 1024)
#define PHI_MAX_HTTP_BODY (2 * 1024 * 1024)
#define PHI_MAX_SQL (1024 * 1024)          /* one Query or Parse text that phi will look at */
#define PHI_MAX_PAYLOAD (1280 * 1024)      /* one request's payload, encoded */
#define PHI_MAX_REQUEST_BODY (2 * 1024 * 1024)
#define PHI_MAX_WHY 2000
#define PHI_MAX_NAME 128                   /* person, group, target, gateway */
#define PHI_MAX_ACTIONS 64                 /* action-resource pairs of one request */
#define PHI_MAX_BUNDLE (10 * 1024 * 1024)
#define PHI_MAX_ALTERNATIVES 16
#define PHI_MAX_REQUIREMENTS 8             /* of one alternative */
#define PHI_MAX_CAN 16                     /* kinds of obligations that an enforcement point says it can meet */
#define PHI_MAX_USES 1000000
#define PHI_MAX_WINDOWS 8                  /* of one schedule */
#define PHI_MAX_WATCHERS 32                /* of one request, and as many suggested approvers */
#define PHI_MAX_REMARKS 200                /* of one request */
#define PHI_MAX_DELEGATIONS 16             /* live ones of one person */
#define PHI_MAX_ON_CALL 32                 /* persons in one list */
#define PHI_MAX_ON_CALL_ROWS 2000          /* in all lists */
#define PHI_MAX_ON_CALL_MS (31LL * 24 * 3600 * 1000)
#define PHI_MAX_DELEGATION_MS (31LL * 24 * 3600 * 1000)
#define PHI_MAX_PASSKEYS 20                /* of one person */
#define PHI_MAX_LOGINS 5000                /* sign-ins under way at once */
#define PHI_STRONG_MS (10LL * 60 * 1000)   /* how long a passkey that was shown lets one change one's passkeys */
#define PHI_CHALLENGE_MS (5LL * 60 * 1000) /* how long a passkey's challenge may be answered */
#define PHI_MAX_CHANNELS 32
#define PHI_MAX_CHANNEL_SETTINGS 4096
#define PHI_MAX_ADDRESS 254                /* a mail address, a chat's user id */
#define PHI_MAX_OUTBOX 20000               /* messages that wait for one channel; more are counted, not kept */
#define PHI_MAX_DEAD 1000                  /* dead letters of one channel; the oldest go */
#define PHI_OUTBOX_TRIES 9                 /* then a message is a dead letter */
#define PHI_OUTBOX_LEASE_MS 60000          /* a message that was taken and not reported is sent again after it */
#define PHI_OUTBOX_AGE_MS (3LL * 24 * 3600 * 1000) /* older ones are not sent any more */
#define PHI_PROMPTS_MS (10LL * 60 * 1000)  /* window in which prompts to one person are counted … */
#define PHI_PROMPTS_MAX 5                  /* … and how many stand alone; the rest come as one digest */
#define PHI_MAX_TICKET_TITLE 300
#define PHI_TICKET_RENEW_MS (60LL * 1000)      /* before a vote or claim, and behind an evaluation, the tracker is asked again after that */
#define PHI_MAX_RENEWALS 4                     /* old answers that one evaluation has asked again */
#define PHI_TICKET_FRESH_MS (5LL * 60 * 1000)  /* no vote or claim rests on an answer that is older */
#define PHI_CHAT_WINDOW_MS (5LL * 60 * 1000) /* how old a signed callback may be */
#define PHI_MAX_GLASS_MS (4LL * 3600 * 1000)      /* life of a break-glass grant */
#define PHI_DEFAULT_GLASS_MS (30LL * 60 * 1000)
#define PHI_MAX_ENTITY_ID 1024              /* bytes of an id that an application tells */
#define PHI_MAX_ENTITIES_PUT 1000           /* entities told in one call */
#define PHI_MAX_EVALUATIONS 1000            /* in one AuthZEN call */
#define PHI_SEARCH_LOOKS 2000               /* entities that one page of a search looks at */
#define PHI_SEARCH_PAGE 200                 /* results in a page, where the caller does not say */
#define PHI_ARAP_DENIAL_MS (10 * 60 * 1000) /* how long a requestable denial may be asked about */
#define PHI_IDEMPOTENCY_MS (24LL * 3600 * 1000)
#define PHI_FORGET_ENTRIES 2000            /* of the log that one step of forgetting somebody reads */
#define PHI_MAX_EXTENSIONS 8               /* one after the other; then a request of its own is needed */
#define PHI_MAX_GRANT_MS (366LL * 24 * 3600 * 1000)
#define PHI_MAX_PENDING_PER_PERSON 100
#define PHI_MAX_ASKS_PER_HOUR 600          /* requests of one person for one resource and action that come to be */
#define PHI_MAX_ON_BEHALF 8                /* persons that one request acts for */
#define PHI_MAX_LOG_ENTRY 65535            /* what an entry bundle of C2SP tlog-tiles can say */
#define PHI_MAX_PG_MESSAGE (64 * 1024 * 1024)
#define PHI_MAX_HELD_BATCH (4 * 1024 * 1024)
#define PHI_MAX_AWAIT 4096                 /* claims filed beforehand, in all … */
#define PHI_MAX_AWAIT_OF_GATEWAY 1024      /* … and of one gateway */
#define PHI_MAX_AWAIT_BODY (256 * 1024)    /* of one */
#define PHI_MAX_AWAIT_BYTES (64 * 1024 * 1024)
#define PHI_MAX_AWAIT_TRIES 32             /* that one grant is offered to */
#define PHI_AWAIT_MS (3LL * 60 * 1000)     /* then one lapses, unless it is filed anew … */
#define PHI_AWAIT_RENEW_MS (60LL * 1000)   /* … which gateways do, each time the target answered */
#define PHI_LEASE_MS 60000                 /* a snapshot older than this decides nothing */
#define PHI_RECORD_MAX_AGE_MS 5000         /* oldest plain allow not yet acknowledged */
#define PHI_RECORD_MAX_COUNT 65536
#define PHI_GATEWAY_CODE_MS (10 * 60 * 1000)
#define PHI_LINK_MS (15 * 60 * 1000)
#define PHI_SESSION_MS (12LL * 3600 * 1000)
#define PHI_SESSION_IDLE_MS (2LL * 3600 * 1000) /* of a browser's session */
#define PHI_LOGIN_MS (10LL * 60 * 1000)     /* a sign-in under way */
#define PHI_MAX_TOKEN_MS (366LL * 24 * 3600 * 1000)
#define PHI_MAX_WORKLOAD_MS (12LL * 3600 * 1000) /* a token given for another issuer's */
#define PHI_MAX_TOKENS 100                 /* of one maker */
#define PHI_ALONE_LOOKS 2000               /* people whose rights `phi doctor` looks at */
#define PHI_MAX_PROVIDERS 64
#define PHI_CREDENTIAL_MS (8LL * 3600 * 1000)
#define PHI_DEFAULT_HOLD_MS (5 * 60 * 1000)
#define PHI_DEFAULT_PENDING_MS (15 * 60 * 1000)

#endif
