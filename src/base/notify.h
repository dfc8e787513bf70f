/* What a service tells the supervisor that started it (systemd's sd_notify protocol: datagrams to
 * $NOTIFY_SOCKET). Without one nothing is said and nothing fails. */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…". False: nobody is there to hear it. */
bool phi_notify(const char *state);

/* How often WATCHDOG=1 is due, half of what the supervisor waits for it; 0: it does not watch this process. */
int64_t phi_notify_every_ms(void);

#endif
