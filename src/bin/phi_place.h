/* Where a client connects: a short-lived credential for a target, as `phi connect` and `phi run` hand it on. */
#ifndef BIN_PHI_PLACE_H
#define BIN_PHI_PLACE_H

#include "bin/phi.h"

struct cli_place {
    char host[256], port[8], database[256], user[256];
    struct phi_view password; /* secret; lives in the answer's arena */
};

/* Asks for a credential; `r` keeps the answer. CLI_DONE, or the exit code after saying why. */
int cli_place_get(struct cli *c, const char *target, struct cli_place *ret, struct client_reply *r);
/* "postgresql://user:password@host:port/database" and a newline; with `jdbc` as JDBC writes it. Holds the password. */
void cli_place_url(struct phi_buf *b, const struct cli_place *p, bool jdbc);

#endif
