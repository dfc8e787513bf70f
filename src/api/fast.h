/* AuthZEN evaluations on the loop's thread. The core thread is asked once for a token and a state of the world; until something
 * changes, questions that the policy answers by itself are answered here (core/judge.h), the others go to core as before.
 *
 * What is kept of a token holds for one epoch of the engine: any command that may change something ends it before its answer
 * leaves, so that nobody is told of a revocation that is not in force here. It also ends by itself, after a second where
 * several phids share a store.
 *
 * Each decision, here and in core, becomes part of a numbered batch of the log within half a second. While batches cannot be
 * stored for five seconds, or 65,536 different decisions wait, evaluations are refused. */
#ifndef API_FAST_H
#define API_FAST_H

#include "api/call.h"
#include "api/engine.h"

struct api_fast;

enum phi_rc api_fast_open(struct net_loop *loop, struct api_engine *engine, bool shared, struct api_fast **ret, struct phi_err *err);
/* Hands in what waits; `done` once it is stored, or cannot be. No more questions afterwards. */
void api_fast_drain(struct api_fast *f, net_fn done, void *ctx);
void api_fast_close(struct api_fast *f); /* NULL is fine */

/* The row is one of those whose answers may be had here. */
bool api_fast_route(const struct api_route *r);
/* Loop's thread. True: c holds the answer. */
bool api_fast_answer(struct api_fast *f, struct api_call *c);
/* Decisions cannot be recorded now: refuse. */
bool api_fast_full(const struct api_fast *f);
/* Core thread, in the batch, after the call was admitted and answered: what may be kept of it. */
void api_fast_learn(struct api_fast *f, struct api_call *c);
/* The call is over without that. */
void api_fast_forget(struct api_call *c);
/* Loop's thread, after the commit: keeps it, and records what the call decided. */
void api_fast_keep(struct api_fast *f, struct api_call *c);
void api_fast_metrics(const struct api_fast *f, struct phi_buf *out);

#endif
