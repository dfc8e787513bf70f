/* Identifiers. UUIDv7 (RFC 9562) for every object: sortable by time, never a secret. Request codes:
 * six Crockford letters for people. Tokens: 256 random bits as base64url, shown once. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/view.h"

#define PHI_ID_LEN 36   /* text form, without NUL */
#define PHI_CODE_LEN 7  /* "K7Q-4MX" */
#define PHI_TOKEN_LEN 43

struct phi_id {
    char s[PHI_ID_LEN + 1];
};
struct phi_code {
    char s[PHI_CODE_LEN + 1];
};

/* `unix_ms` and ten random bytes make the id: pure, so that a simulator can replay it. */
struct phi_id phi_id_make(uint64_t unix_ms, const uint8_t random[10]);
bool phi_id_read(struct phi_view text, struct phi_id *ret); /* canonical lower-case form only */
struct phi_view phi_id_view(const struct phi_id *id);

struct phi_code phi_code_make(const uint8_t random[4]);
/* Accepts what people type: any case, with or without '-', I/L as 1, O as 0. */
bool phi_code_read(struct phi_view text, struct phi_code *ret);

#endif
