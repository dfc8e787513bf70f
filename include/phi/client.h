/* A client of phid for C programs: ask, wait, use. Blocking; a client belongs to one thread. Texts are UTF-8 and
 * NUL-terminated. What went wrong is said in `err` for people, and what to do next (cut to `err_size`; NULL with 0 is fine). */
#ifndef PHI_CLIENT_H
#define PHI_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct phi_client;

struct phi_client_options {
    const char *url;   /* "https://phi.example:8470"; http:// leads to this machine only */
    const char *token; /* bearer; NULL: none */
    const char *ca_pem; /* trust only these certificates (PEM text); NULL: the system's */
};
/* Connects with the first call. NULL on failure. */
struct phi_client *phi_client_open(const struct phi_client_options *o, char *err, size_t err_size);
void phi_client_close(struct phi_client *c); /* NULL is fine */

/* Far apart in bits: neither zeroed memory nor a stray 1 is a yes. */
enum phi_client_answer {
    PHI_CLIENT_YES = 0x5a3c96a5,
    PHI_CLIENT_NO = 0x25c3695a,      /* denied, by policy or by somebody; `err` says why */
    PHI_CLIENT_PENDING = 0x33cc5a69, /* needs an approval, or still waits for one */
    PHI_CLIENT_OVER = 0x4c33a596,    /* nobody answered in time, or the right has ended */
    PHI_CLIENT_ERROR = 0x6b94d21d    /* no answer, or the call was not acceptable */
};

/* May the token's person do this now? `resource` as people write it: "shop", "shop/public.orders". Consumes nothing; PENDING: only
 * after an approval. */
enum phi_client_answer phi_client_may(struct phi_client *c, const char *action, const char *resource, char *err, size_t err_size);

struct phi_client_ask {
    const char *target;   /* "shop" */
    const char *action;   /* "pg:write" */
    const char *resource; /* "shop/public.orders" */
    const char *why;
    int64_t for_ms; /* how long the grant is to live, at most; from 1 */
};
struct phi_client_request { /* plain data; keep it as long as you like */
    char id[64], code[16], grant[64];
    int64_t remaining_ms; /* of the grant, when it was last looked at */
};
/* YES: allowed without or already with an approval; PENDING: filed, wait for it. */
enum phi_client_answer phi_client_ask(struct phi_client *c, const struct phi_client_ask *ask, struct phi_client_request *ret, char *err,
                                      size_t err_size);
/* Until somebody has answered, at most `timeout_ms` (0: looks once): YES, NO, OVER or, when time is up, PENDING. */
enum phi_client_answer phi_client_wait(struct phi_client *c, struct phi_client_request *r, int64_t timeout_ms, char *err, size_t err_size);
/* Looks whether the right lives, runs `work`, and gives the right back. YES: it ran, its result is in *ret (may be NULL).
 * `work` is not ended when the right ends: heed r->remaining_ms. */
enum phi_client_answer phi_client_use(struct phi_client *c, struct phi_client_request *r, int (*work)(void *ctx), void *ctx, int *ret,
                                      char *err, size_t err_size);

#ifdef __cplusplus
}
#endif

#endif
