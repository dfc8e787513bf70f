/* Asks the log's witnesses to cosign its heads (C2SP tlog-witness), by the process that reaches out: one round at a time,
 * on the loop's thread. */
#ifndef API_WITNESS_H
#define API_WITNESS_H

#include "api/engine.h"
#include "net/fetch.h"

struct api_witness;

enum phi_rc api_witness_open(struct net_loop *loop, struct api_engine *engine, struct net_fetch fetch, struct api_witness **ret,
                             struct phi_err *err);
void api_witness_stop(struct api_witness *w); /* no new round; before the engine's end. NULL is fine */
/* After the engine and the process that reaches out were closed: nothing calls back any more. NULL is fine. */
void api_witness_close(struct api_witness *w);

#endif
