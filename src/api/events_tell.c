/* What a stream's owner may know of what a batch did: worked out on the core thread, behind its commit. */
#include <stdio.h>
#include <stdlib.h>

#include "api/events_in.h"
#include "api/json_out.h"
#include "base/map.h"
#include "core/gateway.h"
#include "core/token.h"

#define NOTE_MAX  (256u * 1024)
#define TEXT_MAX  (16u * 1024 * 1024)
#define ARENA_MAX (64u * 1024 * 1024)
#define PASS_EACH 64 /* streams */

void api_notes_init(struct api_notes *l)
{
    *l = (struct api_notes){ 0 };
    phi_buf_init(&l->one, NOTE_MAX);
}

static void text_drop(struct api_text *t)
{
    if (atomic_fetch_sub(&t->refs, 1) > 1)
        return;
    phi_buf_done(&t->all);
    free(t);
}

void api_note_free(struct api_note *n)
{
    text_drop(n->text);
    free(n);
}

void api_notes_free(struct api_notes *l)
{
    struct api_note *n;
    while ((n = l->first) != NULL) {
        l->first = n->next;
        api_note_free(n);
    }
    phi_buf_done(&l->one);
    api_notes_init(l);
}

static struct api_note *note_add(struct api_notes *l, struct api_sub *s, struct api_text *text)
{
    struct api_note *n = calloc(1, sizeof(*n));
    if (!n)
        return NULL;
    *n = (struct api_note){ .sub = s, .text = text };
    atomic_fetch_add(&text->refs, 1);
    if (l->last)
        l->last->next = n;
    else
        l->first = n;
    l->last = n;
    return n;
}

/* The note of this stream, which is the last one where it has one. */
static struct api_note *note_of(struct api_notes *l, struct api_sub *s)
{
    if (l->last && l->last->sub == s)
        return l->last;
    struct api_text *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    phi_buf_init(&t->all, TEXT_MAX);
    struct api_note *n = note_add(l, s, t);
    if (!n)
        free(t);
    return n;
}

static struct phi_jw *note_begin(struct api_notes *l, struct api_sub *s, int64_t seq, const char *event,
                                 struct phi_jw *w)
{
    if (!note_of(l, s))
        return NULL;
    l->seq = seq;
    l->event = event;
    phi_buf_clear(&l->one);
    phi_jw_init(w, &l->one);
    phi_jw_obj(w);
    return w;
}

static void note_end(struct api_notes *l, struct phi_jw *w)
{
    struct phi_buf *all = &l->last->text->all;
    char id[24];
    snprintf(id, sizeof(id), "%lld", (long long)l->seq);
    phi_jw_end(w);
    if (!phi_buf_ok(&l->one) || !net_sse_make(all, id, l->event, phi_buf_view(&l->one)))
        all->bad = true; /* its stream is closed */
}

static bool still_welcome(struct phi_core *c, struct phi_arena *a, struct api_sub *s)
{
    struct phi_view name, token = phi_view_of(s->token);
    if (s->actor.kind == PHI_ACTOR_PERSON)
        return api_token_is(token) ? phi_token_alive(c, token) : phi_session_alive(c, token);
    return phi_gateway_find(c, a, &s->key, &name, NULL) == PHI_OK && phi_view_eq(name, s->actor.id);
}

/* Not known: it is not for this stream's owner to see. */
static enum phi_rc request_read(struct phi_core *c, struct phi_arena *a, struct api_sub *s, const struct api_said *e,
                                struct phi_request *ret, bool *ret_known)
{
    bool person = s->actor.kind == PHI_ACTOR_PERSON; /* is told of no more than these */
    enum phi_rc rc = (person                         ? phi_request_glance
                      : e->kind == PHI_EVENT_REQUEST ? phi_request_result
                                                     : phi_request_get)(c, a, &s->actor, phi_view_of(e->request), ret, NULL);
    *ret_known = rc == PHI_OK;
    return rc == PHI_ENOTFOUND || rc == PHI_EDENIED ? PHI_OK : rc;
}

/* Begins what is said of the request under this name; not begun where it is not for this stream's owner to see. */
static enum phi_rc request_begin(struct phi_core *c, struct phi_arena *a, struct api_notes *out, struct api_sub *s,
                                 const struct api_said *e, const char *event, struct phi_request *r, struct phi_jw *w, bool *ret_begun)
{
    PHI_TRY(request_read(c, a, s, e, r, ret_begun));
    if (!*ret_begun)
        return PHI_OK;
    if (!note_begin(out, s, e->seq, event, w))
        return PHI_ELIMIT;
    phi_jw_kv(w, "id", r->id);
    phi_jw_kv(w, "code", r->code);
    return PHI_OK;
}

static enum phi_rc tell_request(struct phi_core *c, struct phi_arena *a, struct api_notes *out,
                                struct api_sub *s, const struct api_said *e)
{
    struct phi_request r;
    struct phi_jw w;
    bool begun, progress = e->kind == PHI_EVENT_VOTES && s->actor.kind == PHI_ACTOR_GATEWAY;
    PHI_TRY(request_begin(c, a, out, s, e, progress ? "votes" : "request", &r, &w, &begun));
    if (!begun)
        return PHI_OK;
    phi_jw_kc(&w, "status", phi_request_status_name(r.status));
    if (progress) {
        phi_jw_key(&w, "needs");
        api_w_needs(&w, r.needs, r.n_needs);
    } else if (s->actor.kind == PHI_ACTOR_GATEWAY) {
        phi_jw_key(&w, "grant");
        if (r.grant)
            api_w_grant(&w, a, r.grant);
        else
            phi_jw_null(&w);
        phi_jw_kv(&w, "denied_by", r.denied_by);
        phi_jw_kv(&w, "reason", r.reason);
    }
    note_end(out, &w);
    return PHI_OK;
}

/* What changes nothing: a reminder, a remark, a broken glass. */
static enum phi_rc tell_about(struct phi_core *c, struct phi_arena *a, struct api_notes *out,
                              struct api_sub *s, const struct api_said *e)
{
    struct phi_request r;
    struct phi_jw w;
    bool begun;
    PHI_TRY(request_begin(c, a, out, s, e, "told", &r, &w, &begun));
    if (!begun)
        return PHI_OK;
    phi_jw_kc(&w, "what", e->what);
    phi_jw_kc(&w, "status", phi_request_status_name(r.status));
    note_end(out, &w);
    return PHI_OK;
}

static enum phi_rc tell_grant(struct phi_core *c, struct phi_arena *a, struct api_notes *out,
                              struct api_sub *s, const struct api_said *e)
{
    struct phi_grant_view g;
    struct phi_jw w;
    enum phi_rc rc = phi_grant_get(c, a, &s->actor, phi_view_of(e->grant), &g, NULL);
    if (rc != PHI_OK)
        return rc == PHI_ENOTFOUND || rc == PHI_EDENIED ? PHI_OK : rc;
    if (!note_begin(out, s, e->seq, "grant", &w))
        return PHI_ELIMIT;
    phi_jw_kv(&w, "id", g.id);
    phi_jw_kv(&w, "request", g.request);
    phi_jw_kv(&w, "code", g.code);
    phi_jw_kc(&w, "status", phi_grant_status_name(g.status));
    note_end(out, &w);
    return PHI_OK;
}

enum phi_rc api_tell_ends(struct phi_core *c, struct phi_arena *a, struct api_notes *out,
                             struct api_sub *s, struct phi_err *err)
{
    struct phi_end *ends;
    struct phi_jw w;
    size_t n;
    int64_t last = s->last_end;
    PHI_TRY(phi_gateway_ends(c, a, &s->actor, &ends, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (ends[i].seq <= s->last_end)
            continue;
        if (!note_begin(out, s, ends[i].seq, "end", &w))
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        phi_jw_ki(&w, "seq", ends[i].seq);
        phi_jw_kv(&w, "grant", ends[i].grant);
        phi_jw_kv(&w, "principal", ends[i].principal);
        phi_jw_kv(&w, "reason", ends[i].reason);
        note_end(out, &w);
        last = ends[i].seq > last ? ends[i].seq : last;
    }
    s->last_end = last;
    return PHI_OK;
}

static enum phi_rc tell_gateway(struct phi_core *c, struct phi_arena *a, struct api_notes *out,
                                struct api_sub *s, const struct api_said *e)
{
    struct phi_jw w;
    switch (e->kind) {
    case PHI_EVENT_REQUEST:
    case PHI_EVENT_VOTES:
        return phi_view_is(s->actor.id, e->gateway) ? tell_request(c, a, out, s, e) : PHI_OK;
    case PHI_EVENT_GRANT:
    case PHI_EVENT_TOLD: return PHI_OK;
    case PHI_EVENT_END: return api_tell_ends(c, a, out, s, NULL);
    case PHI_EVENT_SNAPSHOT:
        if (!note_begin(out, s, e->seq, "snapshot", &w))
            return PHI_ELIMIT;
        note_end(out, &w);
        return PHI_OK;
    }
    return PHI_EINPUT;
}

static enum phi_rc tell_person(struct phi_core *c, struct phi_arena *a, struct api_notes *out,
                               struct api_sub *s, const struct api_said *e)
{
    switch (e->kind) {
    case PHI_EVENT_REQUEST:
    case PHI_EVENT_VOTES: return tell_request(c, a, out, s, e);
    case PHI_EVENT_GRANT:
    case PHI_EVENT_END: return e->grant[0] ? tell_grant(c, a, out, s, e) : PHI_OK;
    case PHI_EVENT_TOLD: return tell_about(c, a, out, s, e);
    case PHI_EVENT_SNAPSHOT: return PHI_OK;
    }
    return PHI_EINPUT;
}

static enum phi_rc sub_tell(struct phi_core *c, struct api_round *r, struct api_sub *s)
{
    PHI_ARENA(a, ARENA_MAX);
    if (!still_welcome(c, &a, s)) {
        s->over = true;
        return PHI_OK;
    }
    for (size_t i = 0; i < r->n; i++)
        PHI_TRY((s->actor.kind == PHI_ACTOR_GATEWAY ? tell_gateway : tell_person)(c, &a, &r->notes, s, &r->said[i]));
    return PHI_OK;
}

/* ---- what a stream that comes back has missed */

static const struct api_kept *kept_at(const struct api_hub *h, uint64_t i)
{
    return &h->kept[i % KEPT_MAX];
}

/* The first kept event that it may not have heard; false: that is not known any more. */
static bool missed_from(const struct api_hub *h, struct phi_view last, uint64_t *ret)
{
    uint64_t oldest = h->n_kept > KEPT_MAX ? h->n_kept - KEPT_MAX : 0, i = h->n_kept;
    int64_t seq;
    if (!phi_view_int(last, &seq))
        return false;
    while (i > oldest && kept_at(h, i - 1)->said.seq != seq)
        i--;
    if (i == oldest)
        return false;
    int64_t heard = kept_at(h, i - 1)->at_ms;
    while (i > oldest && kept_at(h, i - 1)->at_ms > heard - MISSED_MS)
        i--;
    *ret = i;
    return h->n_kept - i <= MISSED_MAX;
}

static enum phi_rc tell_one(struct phi_core *c, struct api_sub *s, const struct api_said *e)
{
    PHI_ARENA(a, ARENA_MAX);
    return tell_person(c, &a, &s->missed, s, e);
}

enum phi_rc api_tell_missed(struct phi_core *c, const struct api_hub *h, struct api_sub *s, struct phi_view last, struct phi_err *err)
{
    struct phi_jw w;
    uint64_t i;
    if (last.n == 0)
        return PHI_OK;
    if (!missed_from(h, last, &i)) {
        if (!note_begin(&s->missed, s, h->n_kept ? kept_at(h, h->n_kept - 1)->said.seq : 0, "reset", &w))
            return phi_fail(err, PHI_ELIMIT, "out of memory");
        note_end(&s->missed, &w);
        return PHI_OK;
    }
    for (; i < h->n_kept; i++)
        if (tell_one(c, s, &kept_at(h, i)->said) != PHI_OK)
            return phi_fail(err, PHI_ELIMIT, "what was missed cannot be worked out");
    return PHI_OK;
}

/* ---- rounds */

/* What a stream of the same session was told in this round. */
struct told {
    struct api_sub *sub;
    struct api_text *text; /* a reference; NULL: nothing */
};

static void told_free(struct phi_map *told)
{
    void *at = NULL, *value;
    struct phi_view key;
    while (told && phi_map_next(told, &at, &key, &value)) {
        struct told *t = value;
        if (t->text)
            text_drop(t->text);
    }
    phi_map_close(told);
}

static enum phi_rc tell_same(struct api_round *r, const struct told *t, struct api_sub *s)
{
    s->over = t->sub->over;
    return !t->text || note_add(&r->notes, s, t->text) ? PHI_OK : PHI_ELIMIT;
}

static enum phi_rc person_tell(struct phi_core *c, struct api_round *r, struct phi_map *told, struct phi_arena *a, struct api_sub *s)
{
    const struct told *before = phi_map_get(told, phi_view_of(s->token));
    if (before)
        return tell_same(r, before, s);
    struct told *t = phi_arena_new(a, struct told);
    if (!t)
        return PHI_ELIMIT;
    PHI_TRY(sub_tell(c, r, s));
    struct api_note *last = r->notes.last;
    *t = (struct told){ .sub = s, .text = last && last->sub == s ? last->text : NULL };
    if (!phi_map_put(told, phi_view_of(s->token), t))
        return PHI_ELIMIT;
    if (t->text)
        atomic_fetch_add(&t->text->refs, 1);
    return PHI_OK;
}

/* Gateways first: they act on it, and wait for nobody else. Of persons each session is worked out once, however many streams it
 * has. What is ready is sent while the rest is worked out. */
static enum phi_rc round_tell(struct phi_core *c, struct api_round *r, struct phi_map *told, struct phi_arena *a)
{
    size_t n = 0;
    for (struct api_sub *s = r->hub->subs; s; s = s->next)
        if (s->actor.kind == PHI_ACTOR_GATEWAY && !s->over)
            PHI_TRY(sub_tell(c, r, s));
    api_hub_pass(r->hub, &r->notes);
    for (struct api_sub *s = r->hub->subs; s; s = s->next) {
        if (s->actor.kind == PHI_ACTOR_GATEWAY || s->over)
            continue;
        PHI_TRY(person_tell(c, r, told, a, s));
        if (++n % PASS_EACH == 0)
            api_hub_pass(r->hub, &r->notes);
    }
    return PHI_OK;
}

enum phi_rc api_round_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct api_round *r = arg;
    PHI_ARENA(a, ARENA_MAX);
    if (r->lost)
        return phi_fail(err, PHI_ELIMIT, "one batch said more than %d things", EVENTS_MAX);
    struct phi_map *told = phi_map_open(SUBS_MAX);
    enum phi_rc rc = told ? round_tell(c, r, told, &a) : PHI_ELIMIT;
    told_free(told);
    return rc == PHI_OK ? PHI_OK : phi_fail(err, rc, "cannot work out the events");
}
