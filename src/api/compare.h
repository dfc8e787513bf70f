/* Holds the store against its log in the background, at the start and once an hour: a piece at a time on the core thread. */
#ifndef API_COMPARE_H
#define API_COMPARE_H

#include "api/engine.h"

struct api_compare;

enum phi_rc api_compare_open(struct net_loop *loop, struct api_engine *engine, struct api_compare **ret, struct phi_err *err);
void api_compare_stop(struct api_compare *k);  /* before the engine's end; NULL is fine */
void api_compare_close(struct api_compare *k); /* after it */

/* What was found last; on the core thread. */
struct api_compare_said {
    const char *state; /* "running", "whole" or "false" */
    int64_t rows, at_ms; /* at_ms: when it came to that, by the wall */
    const char *found;   /* a sentence, "" nothing */
};
struct api_compare_said api_compare_said(const struct api_compare *k);

#endif
