/* Between the files of ARAP's request service: one task (arap.c), several as one (arap_items.c). */
#ifndef API_ARAP_IN_H
#define API_ARAP_IN_H

#include "api/arap.h"
#include "core/request.h"

struct arap_submission { /* one resource and action of it */
    struct authzen_parts parts;
    const struct phi_json *denial;
    struct phi_view until; /* requested_until; "" not said */
};
/* Checks and files it; the same denial again is the same task. `asked`: hash of the whole submission. */
enum phi_rc arap_submit_one(struct api_call *c, const struct arap_submission *s, struct phi_view asked, struct phi_arap_task *ret,
                            struct phi_err *err);
/* The member "result" where the request is approved, else nothing. */
enum phi_rc arap_result_write(struct api_call *c, struct phi_jw *w, const struct phi_arap_task *t, const struct phi_request *r,
                              struct phi_err *err);
struct phi_view arap_url_of(struct api_call *c, const struct phi_arap_task *t, const char *more);
/* Location, Retry-After, and 202 instead of 201 while it is pending. */
enum phi_rc arap_answer_end(struct api_call *c, int status, const struct phi_arap_task *t, bool pending, struct phi_err *err);

/* ---- arap_items.c */
enum phi_rc arap_items_submit(struct api_call *c, struct phi_view asked, struct phi_arap_task *ret, struct phi_err *err);
bool arap_is_items(const struct phi_arap_task *t);
enum phi_rc arap_items_answer(struct api_call *c, int status, const struct phi_arap_task *t, struct phi_err *err);
enum phi_rc arap_items_cancel(struct api_call *c, const struct phi_arap_task *t, struct phi_err *err);

#endif
