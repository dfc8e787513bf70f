/* The one error convention: a code for programs, a sentence for people, an origin for us.
 *
 * Functions that can fail return `enum phi_rc` and take a `struct phi_err *` last, which may be
 * NULL. The message says what is wrong, where, and what to do; it never holds a secret. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define PHI_RC(X)                                                                                  \
    X(OK, "done")                                                                                  \
    X(EINPUT, "the input is not acceptable")                                                       \
    X(EDENIED, "not permitted")                                                                    \
    X(ENOTFOUND, "no such thing")                                                                  \
    X(ECONFLICT, "the state has changed meanwhile")                                                \
    X(ELIMIT, "a limit was reached")                                                               \
    X(EIO, "an operating system or network call failed")                                           \
    X(EAUTH, "not signed in")                                                                      \
    X(EEXPIRED, "the time for this is over")                                                       \
    X(ECORRUPT, "stored data is not what was stored")
#define X(n, text) PHI_##n,
enum phi_rc { PHI_RC(X) };
#undef X

struct phi_err {
    enum phi_rc rc;
    int line;         /* where in our source it was raised */
    const char *file; /* static string */
    char msg[240];    /* NUL-terminated UTF-8, for people */
};

#define PHI_TRY(call)                                                                              \
    do {                                                                                           \
        enum phi_rc rc_ = (call);                                                                  \
        if (rc_ != PHI_OK)                                                                         \
            return rc_;                                                                            \
    } while (0)

/* Fills `err` (may be NULL) and returns `rc`: `return phi_fail(err, PHI_EINPUT, "…", …);` */
#define phi_fail(err, rc, ...) phi_fail_at(err, rc, __FILE__, __LINE__, __VA_ARGS__)

enum phi_rc phi_fail_at(struct phi_err *err, enum phi_rc rc, const char *file, int line,
                        const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Stable name ("EINPUT") and one sentence for each code; static strings. */
const char *phi_rc_name(enum phi_rc rc);
const char *phi_rc_text(enum phi_rc rc);

/* A verdict is no boolean: zeroed memory or a stray 1 never approves. */
enum phi_verdict { PHI_ALLOW = 0x5a3c96a5, PHI_DENY = 0x25c3695a, PHI_NEEDS = 0x33cc5a69 };

#endif
