/* Asks the tracker again about tickets that evaluations rest on, behind their answers: an evaluation waits for nobody, and the next one
 * is right. One question a request at a time, few at once, and a request that a tracker does not answer for waits longer each time. */
#ifndef API_RENEW_H
#define API_RENEW_H

#include "api/call.h"
#include "api/engine.h"

struct api_renew;

enum phi_rc api_renew_open(const struct api_env *env, struct api_engine *engine, struct api_renew **ret, struct phi_err *err);
/* On the loop's thread: soon, unless it was asked about a moment ago, or too many wait. r NULL is fine. */
void api_renew_ask(struct api_renew *r, struct phi_view request);
void api_renew_stop(struct api_renew *r);  /* before the engine's end; NULL is fine */
void api_renew_close(struct api_renew *r); /* after it, and after the end of what reaches out */

#endif
