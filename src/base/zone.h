/* Time zones: the machine's own files (TZif, RFC 9636), read without touching the process's own zone, so that
 * many zones serve at once and no thread waits for another. */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/err.h"
#include "base/view.h"

#define PHI_ZONE_NAME_MAX 64

struct phi_zone; /* immutable */

/* "Europe/Berlin", "UTC": letters, digits, _ + - and single slashes inside. Says nothing of whether it is there. */
bool phi_zone_name_ok(struct phi_view name);
/* Reads /usr/share/zoneinfo/NAME; "UTC" needs no file. PHI_EINPUT names what is wrong. Close it. */
enum phi_rc phi_zone_open(struct phi_view name, struct phi_zone **ret, struct phi_err *err);
/* From a file's bytes. */
enum phi_rc phi_zone_read(struct phi_view tzif, struct phi_zone **ret, struct phi_err *err);
void phi_zone_close(struct phi_zone *z); /* NULL is fine */
/* Seconds east of UTC at this second since 1970. */
int64_t phi_zone_offset(const struct phi_zone *z, int64_t unix_s);

#endif
