/* A submission of several resources and actions (ARAP's `items`): each is a task of its own with its own denial, request, votes and
 * approval; the handle over them says how each stands. All are filed or none. */
#include "api/arap_in.h"
#include "base/limits.h"

#define ITEMS_MAX 16

bool arap_is_items(const struct phi_arap_task *t)
{
    return t->evaluation.n == 0; /* a single task has the one that denied it */
}

/* As it came; it was bound to a denial, so RFC 8785 can say it. */
static void value_write(struct api_call *c, struct phi_jw *w, const struct phi_json *v)
{
    PHI_BUF(text, 256 * 1024);
    phi_json_canon(&text, v);
    phi_jw_raw(w, phi_buf_ok(&text) ? phi_arena_copy(&c->arena, phi_buf_view(&text)) : PHI_LIT("null"));
}

/* ---- submitting */

static enum phi_rc item_of(struct api_call *c, const struct phi_json *item, struct arap_submission *ret, struct phi_err *err)
{
    struct authzen_parts whole = authzen_parts_of(c->body);
    const struct phi_json *own = phi_json_get(item, "requested_access"), *all = phi_json_get(c->body, "requested_access");
    if (item->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "each of \"items\" is an object with resource, action and denial");
    *ret = (struct arap_submission){ { whole.subject, phi_json_get(item, "action"), phi_json_get(item, "resource"), whole.context },
                                     phi_json_get(item, "denial"), phi_json_text(own, "requested_until") };
    if (!ret->until.n)
        ret->until = phi_json_text(all, "requested_until");
    return ret->denial ? PHI_OK : api_refuse(c, err, API_ARAP_BINDING, "each of \"items\" carries the \"denial\" of its own evaluation: phi makes none over several");
}

static enum phi_rc items_check(struct api_call *c, const struct phi_json *items, struct phi_err *err)
{
    if (phi_json_get(c->body, "resource") || phi_json_get(c->body, "action"))
        return phi_fail(err, PHI_EINPUT, "with \"items\" there is no \"resource\" and no \"action\" beside them");
    if (items->kind != PHI_JSON_ARR || items->n == 0 || items->n > ITEMS_MAX)
        return phi_fail(err, PHI_EINPUT, "\"items\" is a list of 1 to %d", ITEMS_MAX);
    return PHI_OK;
}

/* [{"action","resource","task"}], to be said again as they came. */
static struct phi_view items_text(struct api_call *c, const struct phi_json *items, const struct phi_arap_task *tasks)
{
    PHI_BUF(text, 1024 * 1024);
    struct phi_jw w;
    phi_jw_init(&w, &text);
    phi_jw_arr(&w);
    for (size_t i = 0; i < items->n; i++) {
        phi_jw_obj(&w);
        phi_jw_key(&w, "action");
        value_write(c, &w, phi_json_get(&items->items[i], "action"));
        phi_jw_key(&w, "resource");
        value_write(c, &w, phi_json_get(&items->items[i], "resource"));
        phi_jw_kv(&w, "task", tasks[i].task);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
    return phi_buf_ok(&text) ? phi_arena_copy(&c->arena, phi_buf_view(&text)) : (struct phi_view){ 0 };
}

enum phi_rc arap_items_submit(struct api_call *c, struct phi_view asked, struct phi_arap_task *ret, struct phi_err *err)
{
    const struct phi_json *items = phi_json_get(c->body, "items");
    struct phi_arap_task tasks[ITEMS_MAX];
    PHI_TRY(items_check(c, items, err));
    for (size_t i = 0; i < items->n; i++) {
        struct arap_submission s;
        PHI_TRY(item_of(c, &items->items[i], &s, err));
        PHI_TRY(arap_submit_one(c, &s, asked, &tasks[i], err));
        for (size_t k = 0; k < i; k++)
            if (phi_view_eq(tasks[k].task, tasks[i].task))
                return api_refuse(c, err, API_ARAP_BINDING, "two of \"items\" carry the same denial");
    }
    struct phi_view text = items_text(c, items, tasks);
    if (!text.n)
        return phi_fail(err, PHI_ELIMIT, "\"items\" are too large");
    return phi_arap_items_make(c->core, &c->arena, &c->actor, tasks, items->n, text, asked, ret, err);
}

/* ---- how they stand */

struct standing {
    const struct phi_json *said[ITEMS_MAX]; /* {"action","resource","task"} */
    struct phi_arap_task task[ITEMS_MAX];
    struct phi_request request[ITEMS_MAX];
    size_t n;
    bool pending, mixed;
};

static enum phi_rc standing_of(struct api_call *c, const struct phi_arap_task *t, struct standing *s, struct phi_err *err)
{
    struct phi_view text;
    const struct phi_json *v;
    *s = (struct standing){ .n = 0 };
    PHI_TRY(phi_arap_items_get(c->core, &c->arena, t, &text, err));
    PHI_TRY(phi_json_read(&c->arena, text, PHI_JSON_INT64 | PHI_JSON_REALS, "stored items", &v, err));
    for (size_t i = 0; i < v->n && i < ITEMS_MAX; i++) {
        s->said[i] = &v->items[i];
        PHI_TRY(phi_arap_task_find(c->core, &c->arena, &c->actor, phi_json_text(&v->items[i], "task"), &s->task[i], err));
        PHI_TRY(phi_request_get(c->core, &c->arena, &c->actor, s->task[i].request, &s->request[i], err));
        s->pending |= s->request[i].status == PHI_REQUEST_PENDING;
        s->mixed |= s->request[i].status != s->request[0].status;
        s->n++;
    }
    return PHI_OK;
}

static enum phi_rc item_write(struct api_call *c, struct phi_jw *w, const struct standing *s, size_t i, struct phi_err *err)
{
    phi_jw_obj(w);
    phi_jw_key(w, "resource");
    value_write(c, w, phi_json_get(s->said[i], "resource"));
    phi_jw_key(w, "action");
    value_write(c, w, phi_json_get(s->said[i], "action"));
    phi_jw_kc(w, "status", phi_request_status_name(s->request[i].status));
    phi_jw_key(w, "links");
    phi_jw_obj(w);
    phi_jw_kv(w, "ticket", phi_arena_printf(&c->arena, "%s/r/" PHI_FMT, c->env->origin, PHI_ARG(s->request[i].code)));
    phi_jw_end(w);
    PHI_TRY(arap_result_write(c, w, &s->task[i], &s->request[i], err));
    phi_jw_end(w);
    return PHI_OK;
}

enum phi_rc arap_items_answer(struct api_call *c, int status, const struct phi_arap_task *t, struct phi_err *err)
{
    struct standing s;
    PHI_TRY(standing_of(c, t, &s, err));
    struct phi_jw *w = api_answer(c, status);
    phi_jw_key(w, "task");
    phi_jw_obj(w);
    phi_jw_kv(w, "id", t->task);
    phi_jw_kc(w, "status", s.pending ? "pending" : s.mixed ? "partial" : phi_request_status_name(s.request[0].status));
    phi_jw_kv(w, "status_endpoint", arap_url_of(c, t, ""));
    if (s.pending) {
        phi_jw_key(w, "links");
        phi_jw_obj(w);
        phi_jw_kv(w, "cancel", arap_url_of(c, t, "/cancel"));
        phi_jw_end(w);
    }
    phi_jw_key(w, "items");
    phi_jw_arr(w);
    for (size_t i = 0; i < s.n; i++)
        PHI_TRY(item_write(c, w, &s, i, err));
    phi_jw_end(w);
    phi_jw_end(w);
    phi_jw_end(w);
    return arap_answer_end(c, status, t, s.pending, err);
}

enum phi_rc arap_items_cancel(struct api_call *c, const struct phi_arap_task *t, struct phi_err *err)
{
    struct standing s;
    struct phi_request r;
    PHI_TRY(standing_of(c, t, &s, err));
    if (!s.pending)
        return api_refuse(c, err, API_ARAP_TASK_STATE, "every item of this task is over");
    for (size_t i = 0; i < s.n; i++)
        if (s.request[i].status == PHI_REQUEST_PENDING && phi_request_get(c->core, &c->arena, &c->actor, s.task[i].request, &r, err) == PHI_OK &&
            r.status == PHI_REQUEST_PENDING) /* two items may have joined one request */
            PHI_TRY(phi_request_cancel(c->core, &c->arena, &c->actor, s.task[i].request, &r, err));
    return PHI_OK;
}
