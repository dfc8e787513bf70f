/* Core's structs as docs/api.md writes them. Each writes one value, unless its name says members. */
#ifndef API_JSON_OUT_H
#define API_JSON_OUT_H

#include "base/json.h"
#include "core/bundle.h"
#include "core/request.h"

void api_w_strs(struct phi_jw *w, const char *key, const struct phi_view *v,
                size_t n);                                            /* key and list */
void api_w_time(struct phi_jw *w, const char *key, int64_t wall_ms); /* key and RFC 3339 */
void api_w_bundle(struct phi_jw *w, const struct phi_bundle_view *b); /* members */
void api_w_grant(struct phi_jw *w, struct phi_arena *a, const struct phi_grant_view *g);
void api_w_needs(struct phi_jw *w, const struct phi_need_set *needs, size_t n);
void api_w_policies(struct phi_jw *w, const struct phi_decider *p, size_t n); /* key and list */
/* `a` holds the parsed body while it is written. */
void api_w_request(struct phi_jw *w, struct phi_arena *a, const struct phi_request *r);

#endif
