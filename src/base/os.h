/* Small wrappers of the operating system that more than one room needs. */
#ifndef BASE_OS_H
#define BASE_OS_H

#include "base/buf.h"

int64_t phi_now_wall_ms(void); /* CLOCK_REALTIME since 1970 */
int64_t phi_now_boot_ms(void); /* CLOCK_BOOTTIME */

/* Reads a whole file of at most max bytes. Names the path in the error. "credential:NAME" is the file NAME of
 * $CREDENTIALS_DIRECTORY (systemd's LoadCredential=). */
enum phi_rc phi_file_read(const char *path, size_t max, struct phi_buf *ret, struct phi_err *err);
/* As above, and refuses a file that group or others may read or write (secrets). */
enum phi_rc phi_file_read_secret(const char *path, size_t max, struct phi_buf *ret, struct phi_err *err);
/* Writes to path.tmp with `mode`, fsyncs, renames, fsyncs the folder: all or nothing. */
enum phi_rc phi_file_write(const char *path, struct phi_view content, unsigned mode, struct phi_err *err);
enum phi_rc phi_dir_make(const char *path, unsigned mode, struct phi_err *err); /* with parents */

void phi_no_core(void); /* no core files, not dumpable: for processes with secrets */

#endif
