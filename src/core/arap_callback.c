/* Callbacks of ARAP ("Callback Completion"): who asked to hear when a task is over, and what they are told. Delivery is the outbox's. The
 * endpoint is a channel of kind "callback" that an operator registered; callers only name it. */
#include "core/arap.h"

#include <string.h>

#include "base/limits.h"
#include "core/outbox_in.h"

#define ITEMS_MAX 16

static const char *wish_kind(struct phi_arena *a, struct phi_view task)
{
    return phi_arena_str(a, phi_arena_printf(a, "arap-callback/" PHI_FMT, PHI_ARG(task)));
}

/* ---- asking */

static bool listed(struct phi_core *c, struct phi_arena *a, const struct phi_json *callers, const struct phi_actor *by)
{
    struct phi_view name = core_person_name(c, a, by->id);
    for (size_t i = 0; callers && i < callers->n; i++)
        if (phi_view_eq(callers->items[i].str, name))
            return true;
    return callers == NULL;
}

static bool serves(struct phi_core *c, struct phi_arena *a, const struct core_channel_row *ch, const struct phi_actor *by, struct phi_view endpoint)
{
    const struct phi_json *settings;
    return ch->live && phi_view_is(ch->kind, CORE_CALLBACK) &&
           phi_json_read(a, ch->settings, PHI_JSON_STRICT, "settings", &settings, NULL) == PHI_OK &&
           phi_view_eq(phi_json_text(settings, "url"), endpoint) && listed(c, a, phi_json_get(settings, "callers"), by);
}

static enum phi_rc channel_for(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, struct phi_view endpoint,
                               struct phi_view *ret, struct phi_err *err)
{
    struct core_channel_row *ch;
    size_t n;
    PHI_TRY(core_channels_sound(c, a, &ch, &n, err));
    for (size_t i = 0; i < n; i++)
        if (serves(c, a, &ch[i], by, endpoint)) {
            *ret = ch[i].name;
            return PHI_OK;
        }
    return core_no(c, "callback.unregistered", err, PHI_EINPUT, "this callback endpoint is not registered for you: an operator registers it by "
                   "`phi channel set NAME callback url=… callers=…`; or leave \"callback\" out and poll the task");
}

/* The requests of a task: its own, or those of its items. */
static enum phi_rc requests_of(struct phi_core *c, struct phi_arena *a, const struct phi_arap_task *t, struct phi_view *ret, size_t *ret_n,
                               struct phi_err *err)
{
    const struct phi_json *v;
    struct phi_view text;
    ret[0] = t->request;
    *ret_n = 1;
    if (t->evaluation.n)
        return PHI_OK;
    PHI_TRY(phi_arap_items_get(c, a, t, &text, err));
    PHI_TRY(phi_json_read(a, text, PHI_JSON_INT64 | PHI_JSON_REALS, "stored items", &v, err));
    *ret_n = 0;
    for (size_t i = 0; i < v->n && i < ITEMS_MAX; i++) {
        struct core_arap_task_row row, key = { .task = phi_json_text(&v->items[i], "task") };
        PHI_TRY(core_get(c, CORE_ARAP_TASK, CORE_BY_KEY, &key, a, &row, err));
        ret[(*ret_n)++] = row.request;
    }
    return PHI_OK;
}

static enum phi_rc hear_of(struct phi_core *c, struct phi_arena *a, struct phi_view request, const struct phi_arap_task *t,
                           struct phi_view channel, struct phi_err *err)
{
    struct core_arap_callback_row old, row = { request, t->task, channel };
    if (core_get(c, CORE_ARAP_CALLBACK, CORE_BY_KEY, &row, a, &old, NULL) == PHI_OK)
        return core_set(c, CORE_ARAP_CALLBACK, &row, err);
    return core_add(c, CORE_ARAP_CALLBACK, &row, err);
}

/* Asked again, the later wish counts. */
static enum phi_rc wish_put(struct phi_core *c, struct phi_arena *a, const struct phi_arap_task *t, struct phi_view wish, struct phi_err *err)
{
    struct core_text_row row = { t->request, phi_view_of(wish_kind(a, t->task)), core_random(c, a, 16), wish };
    if (core_text_get(c, a, t->request, wish_kind(a, t->task)).n)
        return core_set(c, CORE_TEXT_OF, &row, err);
    return core_add(c, CORE_TEXT_OF, &row, err);
}

enum phi_rc phi_arap_callback_ask(struct phi_core *c, struct phi_arena *a, const struct phi_actor *by, const struct phi_arap_task *t,
                                  struct phi_view endpoint, struct phi_view wish, struct phi_err *err)
{
    struct phi_view requests[ITEMS_MAX], channel = { 0 };
    bool waits = false;
    size_t n;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(channel_for(c, a, by, endpoint, &channel, err));
    PHI_TRY(requests_of(c, a, t, requests, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_request_row row;
        PHI_TRY(core_request_load(c, a, requests[i], &row, err));
        if (row.status != PHI_REQUEST_PENDING)
            continue;
        PHI_TRY(hear_of(c, a, requests[i], t, channel, err));
        waits = true;
    }
    return waits ? wish_put(c, a, t, wish, err) : PHI_OK;
}

/* ---- telling */

static bool task_row(struct phi_core *c, struct phi_arena *a, struct phi_view task, struct phi_arap_task *ret)
{
    struct core_arap_task_row row, key = { .task = task };
    if (core_get(c, CORE_ARAP_TASK, CORE_BY_KEY, &key, a, &row, NULL) != PHI_OK)
        return false;
    *ret = (struct phi_arap_task){ row.task, row.request, row.caller, row.evaluation, row.approval, row.at_ms };
    return true;
}

static const struct phi_json *wish_of(struct phi_core *c, struct phi_arena *a, const struct phi_arap_task *t)
{
    const struct phi_json *v;
    struct phi_view text = core_text_get(c, a, t->request, wish_kind(a, t->task));
    return text.n && phi_json_read(a, text, PHI_JSON_STRICT, "stored callback", &v, NULL) == PHI_OK ? v : NULL;
}

struct phi_view core_callback_state_of(struct phi_core *c, struct phi_arena *a, struct phi_view task)
{
    struct phi_arap_task t;
    return task_row(c, a, task, &t) ? phi_json_text(wish_of(c, a, &t), "state") : (struct phi_view){ 0 };
}

/* "" while one of them is pending. */
static enum phi_rc status_of(struct phi_core *c, struct phi_arena *a, const struct phi_view *requests, size_t n, const char **ret,
                             struct phi_err *err)
{
    *ret = "";
    for (size_t i = 0; i < n; i++) {
        struct core_request_row row;
        PHI_TRY(core_request_load(c, a, requests[i], &row, err));
        if (row.status == PHI_REQUEST_PENDING) {
            *ret = "";
            return PHI_OK;
        }
        const char *status = phi_request_status_name((enum phi_request_status)row.status);
        *ret = i == 0 || strcmp(*ret, status) == 0 ? status : "partial";
    }
    return PHI_OK;
}

static bool wanted(const struct phi_json *wish, const char *status)
{
    const struct phi_json *events = phi_json_get(wish, "events");
    for (size_t i = 0; events && i < events->n; i++)
        if (phi_view_is(events->items[i].str, status))
            return true;
    return events == NULL;
}

static enum phi_rc tell(struct phi_core *c, struct phi_arena *a, const struct core_arap_callback_row *row, const struct phi_arap_task *t,
                        const struct core_channel_row *ch, size_t n_ch, const char *status, struct phi_err *err)
{
    for (size_t i = 0; i < n_ch; i++) {
        struct core_news n = { .channel = &ch[i], .request = row->request, .what = PHI_LIT("arap.task"), .version = 1, .loud = true,
                               .note = phi_arena_printf(a, PHI_FMT " %s", PHI_ARG(row->task), status) };
        if (phi_view_eq(ch[i].name, row->channel) && phi_view_is(ch[i].kind, CORE_CALLBACK) && wanted(wish_of(c, a, t), status))
            return core_message_new(c, a, &n, err);
    }
    return PHI_OK; /* the channel was taken away since */
}

static enum phi_rc due(struct phi_core *c, struct phi_arena *a, const struct core_arap_callback_row *row, const struct core_channel_row *ch,
                       size_t n_ch, struct phi_err *err)
{
    struct phi_view requests[ITEMS_MAX];
    struct phi_arap_task t;
    const char *status;
    size_t n;
    PHI_TRY(core_del(c, CORE_ARAP_CALLBACK, row, err));
    if (!task_row(c, a, row->task, &t) || requests_of(c, a, &t, requests, &n, NULL) != PHI_OK)
        return PHI_OK; /* erased */
    PHI_TRY(status_of(c, a, requests, n, &status, err));
    if (!status[0])
        return PHI_OK;
    for (size_t i = 0; i < n; i++) { /* several may be over by one command: it is told once */
        struct core_arap_callback_row old, key = { .request = requests[i], .task = row->task };
        if (core_get(c, CORE_ARAP_CALLBACK, CORE_BY_KEY, &key, a, &old, NULL) == PHI_OK)
            PHI_TRY(core_del(c, CORE_ARAP_CALLBACK, &old, err));
    }
    return tell(c, a, row, &t, ch, n_ch, status, err);
}

enum phi_rc core_callbacks_due(struct phi_core *c, struct phi_arena *a, const struct core_request_row *row, const struct core_channel_row *ch,
                               size_t n_ch, struct phi_err *err)
{
    struct core_arap_callback_row *rows, key = { .request = row->id };
    size_t n;
    PHI_TRY(core_list(c, CORE_ARAP_CALLBACK, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &rows, &n, err));
    for (size_t i = 0; i < n; i++)
        PHI_TRY(due(c, a, &rows[i], ch, n_ch, err));
    return PHI_OK;
}
