/* An AuthZEN request as anybody may send it: what is taken is taken as JSON that the policy engine reads, holds nothing that
 * is phi's own to say, and no entity's type or id is empty. And ARAP's times: what is read is written and read again. */
#include "api/arap.h"
#include "base/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void question_check(struct api_call *c, const struct phi_question *q)
{
    const struct phi_json *v;
    struct phi_err err;
    if (!q->subject.type.n || !q->subject.id.n || !q->resource.type.n || !q->resource.id.n || !q->action.n)
        abort();
    if (phi_json_read(&c->arena, q->context, PHI_JSON_INT64, "context", &v, &err) != PHI_OK || v->kind != PHI_JSON_OBJ)
        abort();
    for (size_t i = 0; i < v->n; i++)
        if (phi_context_is_owned(v->keys[i]))
            abort();
    if (q->told.n && (phi_json_read(&c->arena, q->told, PHI_JSON_INT64, "properties", &v, &err) != PHI_OK || v->kind != PHI_JSON_OBJ))
        abort();
}

static void time_check(struct phi_view text)
{
    PHI_BUF(again, 64);
    int64_t ms, same;
    if (!arap_time_read(text, &ms) || ms < -62135596800000 || ms > 253402300799999)
        return;
    phi_text_time(&again, ms);
    if (phi_buf_ok(&again) && ms >= 0 && (!arap_time_read(phi_buf_view(&again), &same) || same != ms))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct api_call c = { 0 };
    struct phi_err err;
    struct phi_question q;
    const struct phi_json *body;
    time_check(phi_view_mem(data, size));
    phi_arena_init(&c.arena, 64u << 20);
    if (phi_json_read(&c.arena, phi_view_mem(data, size), PHI_JSON_INT64 | PHI_JSON_REALS, "body", &body, &err) == PHI_OK) {
        struct authzen_parts p = authzen_parts_of(body);
        if (authzen_read(&c, &p, AUTHZEN_ALL, &q, &err) == PHI_OK)
            question_check(&c, &q);
    }
    phi_arena_done(&c.arena);
    return 0;
}
