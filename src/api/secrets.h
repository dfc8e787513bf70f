/* Secrets by name: phid.yaml's `notify` says in which file each stands. They are read when they are needed, so that one that
 * was changed counts at once, never kept, never shown. */
#ifndef API_SECRETS_H
#define API_SECRETS_H

#include "base/buf.h"

#define API_SECRETS_MAX 32
#define API_SECRET_LEN 4096

struct api_secrets {
    struct {
        const char *name, *file;
    } at[API_SECRETS_MAX];
    size_t n;
};

bool api_secret_known(const struct api_secrets *s, struct phi_view name);
/* Without blanks at its ends; the caller wipes the buffer. PHI_EINPUT: phid.yaml has no such secret, or it is empty; PHI_EDENIED:
 * others may read the file; PHI_EIO. */
enum phi_rc api_secret_get(const struct api_secrets *s, struct phi_view name, struct phi_buf *ret, struct phi_err *err);

#endif
