/* Secrets by name: files of that name in the folder that phid.yaml's `secrets` names. They are read when they are needed, so that one
 * that was changed counts at once, never kept, never shown. */
#ifndef API_SECRETS_H
#define API_SECRETS_H

#include "base/buf.h"

#define API_SECRET_LEN 4096

/* [A-Za-z0-9_.-], 1 to 64, no dot first: it leads out of no folder. */
bool api_secret_name_ok(struct phi_view name);
/* Without blanks at its ends; the caller wipes the buffer. PHI_EINPUT: no folder is configured, or the file is no single
 * line; PHI_EDENIED: others may read the file; PHI_EIO. */
enum phi_rc api_secret_get(const char *folder, struct phi_view name, struct phi_buf *ret, struct phi_err *err);

#endif
