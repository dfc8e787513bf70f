/* Who hears of what. Core says after each commit what happened; a job on the core thread finds out,
 * for every open stream, whether its owner may know, and what to tell; the loop sends it.
 *
 * A stream whose events could not be worked out is closed: its client connects again and reads the
 * state. Streams and their backlogs are bounded. */
#ifndef API_EVENTS_H
#define API_EVENTS_H

#include "api/engine.h"
#include "net/http.h"

struct api_hub;
struct api_sub;
struct api_call;

struct api_hub *api_hub_open(struct net_loop *loop); /* NULL when out of memory */
void api_hub_bind(struct api_hub *h, struct api_engine *e);
const struct phi_notifier *api_hub_notifier(struct api_hub *h); /* core's port */
void api_hub_drain(struct api_hub *h); /* closes all streams; on the loop */
void api_hub_close(struct api_hub *h); /* after the engine */
size_t api_hub_count(const struct api_hub *h);

/* A stream for who asks in c, with what it missed. Core thread, in a handler. NULL: out of memory. */
struct api_sub *api_sub_make(struct api_call *c, struct phi_err *err);
void api_sub_free(struct api_sub *s); /* one that was never joined; NULL is fine */
/* Core thread, after the commit: from now on events are worked out for it. */
void api_sub_join(struct api_hub *h, struct api_sub *s);
/* Loop: answers the request with the stream. r NULL: the client has left. False: one has too many
 * streams, or all have; r is still to be answered. */
bool api_sub_serve(struct api_hub *h, struct api_sub *s, struct net_http_req *r);
/* Loop: closes the streams of the session with this secret: it has signed out. */
void api_hub_forget(struct api_hub *h, struct phi_view token);

#endif
