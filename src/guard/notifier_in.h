/* Between the two ends of the socket of the process that runs commands. One packet an ask: this head, then the input; one a reply. */
#ifndef GUARD_NOTIFIER_IN_H
#define GUARD_NOTIFIER_IN_H

#include "guard/notifier.h"

struct guard_command_ask {
    uint32_t seq, command;
};
struct guard_command_reply {
    uint32_t seq;
    uint8_t ok;
    char why[120];
};

_Noreturn void guard_notifier_main(int fd, const struct guard_notifier_conf *conf);

#endif
