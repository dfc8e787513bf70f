#include "api/events.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/json_out.h"
#include "base/logline.h"
#include "base/map.h"
#include "base/os.h"
#include "core/gateway.h"
#include "core/token.h"

#define SUBS_MAX        16384
#define SUBS_OF_ONE_MAX 16 /* browser tabs of a person, connections of a gateway */
#define BACKLOG_MAX     (512u * 1024)
#define NOTE_MAX        (256u * 1024)
#define EVENTS_MAX      1024 /* of one batch; more closes the streams */
#define ARENA_MAX       (64u * 1024 * 1024)
#define KEEP_ALIVE_MS   10000

struct note { /* one event on its way to one stream */
    struct api_sub *sub;
    int64_t seq;
    const char *event;
    struct phi_buf data;
    struct note *next;
};

struct notes {
    struct note *first, **end;
};

struct api_sub {
    struct api_hub *hub;
    struct phi_actor actor; /* points into name */
    char *name, *token;
    struct phi_digest key;
    int64_t ends_at; /* boot clock; 0: does not end */
    struct notes missed;
    struct api_sub *next; /* hub->subs */
    /* core thread */
    int64_t last_end;
    _Atomic bool
        over; /* its right to listen has ended: set on the core thread, heeded on the loop */
    /* loop */
    struct net_sse *sse;
    bool leaving;
    struct api_sub *next_open; /* hub->open */
    struct api_job leave;
};

struct said { /* an event of core, copied */
    enum phi_event_kind kind;
    int64_t seq;
    char request[PHI_ID_LEN + 1], grant[PHI_ID_LEN + 1], gateway[129], what[32];
};

struct round { /* the events of one batch, worked out */
    struct api_job job;
    struct api_hub *hub;
    size_t n;
    bool lost;
    struct notes notes;
    struct said said[];
};

struct api_hub {
    struct net_loop *loop;
    struct api_engine *engine;
    struct phi_notifier notifier;
    struct api_sub *subs; /* core thread */
    struct api_sub *open; /* loop */
    struct net_timer *timer;
    _Atomic size_t count;
    bool draining;
};

static void notes_init(struct notes *l)
{
    *l = (struct notes){.end = &l->first};
}

static void notes_free(struct notes *l)
{
    struct note *n;
    while ((n = l->first) != NULL) {
        l->first = n->next;
        phi_buf_done(&n->data);
        free(n);
    }
    notes_init(l);
}

static struct phi_jw *note_begin(struct notes *l, struct api_sub *s, int64_t seq, const char *event,
                                 struct phi_jw *w)
{
    struct note *n = calloc(1, sizeof(*n));
    if (!n)
        return NULL;
    *n = (struct note){.sub = s, .seq = seq, .event = event};
    phi_buf_init(&n->data, NOTE_MAX);
    phi_jw_init(w, &n->data);
    *l->end = n;
    l->end = &n->next;
    phi_jw_obj(w);
    return w;
}

/* ---- what a stream's owner may know (core thread) ---- */

static bool still_welcome(struct phi_core *c, struct phi_arena *a, struct api_sub *s)
{
    struct phi_view name, token = phi_view_of(s->token);
    if (s->actor.kind == PHI_ACTOR_PERSON)
        return api_token_is(token) ? phi_token_alive(c, token) : phi_session_alive(c, token);
    return phi_gateway_find(c, a, &s->key, &name, NULL) == PHI_OK && phi_view_eq(name, s->actor.id);
}

/* Not known: it is not for this stream's owner to see. */
static enum phi_rc request_read(struct phi_core *c, struct phi_arena *a, struct api_sub *s, const struct said *e,
                                struct phi_request *ret, bool *ret_known)
{
    bool person = s->actor.kind == PHI_ACTOR_PERSON; /* is told of no more than these */
    enum phi_rc rc = (person ? phi_request_glance : phi_request_get)(c, a, &s->actor, phi_view_of(e->request), ret, NULL);
    *ret_known = rc == PHI_OK;
    return rc == PHI_ENOTFOUND || rc == PHI_EDENIED ? PHI_OK : rc;
}

static enum phi_rc tell_request(struct phi_core *c, struct phi_arena *a, struct notes *out,
                                struct api_sub *s, const struct said *e)
{
    struct phi_request r;
    struct phi_jw w;
    bool known;
    PHI_TRY(request_read(c, a, s, e, &r, &known));
    if (!known)
        return PHI_OK;
    bool progress = e->kind == PHI_EVENT_VOTES && s->actor.kind == PHI_ACTOR_GATEWAY;
    if (!note_begin(out, s, e->seq, progress ? "votes" : "request", &w))
        return PHI_ELIMIT;
    phi_jw_kv(&w, "id", r.id);
    phi_jw_kv(&w, "code", r.code);
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
    phi_jw_end(&w);
    return PHI_OK;
}

/* What changes nothing: a reminder, a remark, a broken glass. */
static enum phi_rc tell_about(struct phi_core *c, struct phi_arena *a, struct notes *out,
                              struct api_sub *s, const struct said *e)
{
    struct phi_request r;
    struct phi_jw w;
    bool known;
    PHI_TRY(request_read(c, a, s, e, &r, &known));
    if (!known)
        return PHI_OK;
    if (!note_begin(out, s, e->seq, "told", &w))
        return PHI_ELIMIT;
    phi_jw_kv(&w, "id", r.id);
    phi_jw_kv(&w, "code", r.code);
    phi_jw_kc(&w, "what", e->what);
    phi_jw_kc(&w, "status", phi_request_status_name(r.status));
    phi_jw_end(&w);
    return PHI_OK;
}

static enum phi_rc tell_grant(struct phi_core *c, struct phi_arena *a, struct notes *out,
                              struct api_sub *s, const struct said *e)
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
    phi_jw_end(&w);
    return PHI_OK;
}

/* Every end that this gateway has not acknowledged and this stream has not said. */
static enum phi_rc tell_ends(struct phi_core *c, struct phi_arena *a, struct notes *out,
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
        phi_jw_end(&w);
        last = ends[i].seq > last ? ends[i].seq : last;
    }
    s->last_end = last;
    return PHI_OK;
}

static enum phi_rc tell_gateway(struct phi_core *c, struct phi_arena *a, struct notes *out,
                                struct api_sub *s, const struct said *e)
{
    struct phi_jw w;
    switch (e->kind) {
    case PHI_EVENT_REQUEST:
    case PHI_EVENT_VOTES:
        return phi_view_is(s->actor.id, e->gateway) ? tell_request(c, a, out, s, e) : PHI_OK;
    case PHI_EVENT_GRANT:
    case PHI_EVENT_TOLD: return PHI_OK;
    case PHI_EVENT_END: return tell_ends(c, a, out, s, NULL);
    case PHI_EVENT_SNAPSHOT:
        if (!note_begin(out, s, e->seq, "snapshot", &w))
            return PHI_ELIMIT;
        phi_jw_end(&w);
        return PHI_OK;
    }
    return PHI_EINPUT;
}

static enum phi_rc tell_person(struct phi_core *c, struct phi_arena *a, struct notes *out,
                               struct api_sub *s, const struct said *e)
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

static enum phi_rc sub_tell(struct phi_core *c, struct round *r, struct api_sub *s)
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

/* What a stream of the same session was told in this round. */
struct told {
    struct api_sub *sub;
    struct note **first; /* where its notes begin in the round's list */
    size_t n;
};

static size_t notes_of(struct note *n, const struct api_sub *s)
{
    size_t k = 0;
    for (; n && n->sub == s; n = n->next)
        k++;
    return k;
}

static enum phi_rc copy_told(struct round *r, const struct told *t, struct api_sub *s)
{
    const struct note *from = *t->first;
    s->over = t->sub->over;
    for (size_t i = 0; i < t->n; i++, from = from->next) {
        struct note *n = calloc(1, sizeof(*n));
        if (!n)
            return PHI_ELIMIT;
        *n = (struct note){.sub = s, .seq = from->seq, .event = from->event};
        phi_buf_init(&n->data, NOTE_MAX);
        phi_buf_add(&n->data, phi_buf_view(&from->data));
        *r->notes.end = n;
        r->notes.end = &n->next;
    }
    return PHI_OK;
}

static enum phi_rc person_tell(struct phi_core *c, struct round *r, struct phi_map *told, struct phi_arena *a, struct api_sub *s)
{
    const struct told *before = phi_map_get(told, phi_view_of(s->token));
    if (before)
        return copy_told(r, before, s);
    struct told *t = phi_arena_new(a, struct told);
    if (!t)
        return PHI_ELIMIT;
    *t = (struct told){.sub = s, .first = r->notes.end};
    PHI_TRY(sub_tell(c, r, s));
    t->n = notes_of(*t->first, s);
    return phi_map_put(told, phi_view_of(s->token), t) ? PHI_OK : PHI_ELIMIT;
}

/* Gateways first: they act on it. Of persons each session is worked out once, however many streams it has. */
static enum phi_rc round_tell(struct phi_core *c, struct round *r, struct phi_map *told)
{
    PHI_ARENA(a, ARENA_MAX);
    for (struct api_sub *s = r->hub->subs; s; s = s->next)
        if (s->actor.kind == PHI_ACTOR_GATEWAY && !s->over)
            PHI_TRY(sub_tell(c, r, s));
    for (struct api_sub *s = r->hub->subs; s; s = s->next)
        if (s->actor.kind != PHI_ACTOR_GATEWAY && !s->over)
            PHI_TRY(person_tell(c, r, told, &a, s));
    return PHI_OK;
}

static enum phi_rc round_run(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct round *r = arg;
    if (r->lost)
        return phi_fail(err, PHI_ELIMIT, "one batch said more than %d things", EVENTS_MAX);
    struct phi_map *told = phi_map_open(SUBS_MAX);
    enum phi_rc rc = told ? round_tell(c, r, told) : PHI_ELIMIT;
    phi_map_close(told);
    return rc == PHI_OK ? PHI_OK : phi_fail(err, rc, "cannot work out the events");
}

/* ---- sending (loop) ---- */

static void sub_gone(struct api_job *j)
{
    struct api_sub *s = j->arg;
    atomic_fetch_sub(&s->hub->count, 1);
    api_sub_free(s);
}

static enum phi_rc sub_leave(struct phi_core *c, void *arg, struct phi_err *err)
{
    (void)c, (void)err;
    struct api_sub *s = arg;
    for (struct api_sub **p = &s->hub->subs; *p; p = &(*p)->next)
        if (*p == s) {
            *p = s->next;
            break;
        }
    return PHI_OK;
}

/* Its last notes may still be on their way: it goes through the core thread, and is freed behind them. */
static void sub_end(struct api_sub *s)
{
    struct api_hub *h = s->hub;
    if (s->leaving)
        return;
    s->leaving = true;
    s->sse = NULL;
    for (struct api_sub **p = &h->open; *p; p = &(*p)->next_open)
        if (*p == s) {
            *p = s->next_open;
            break;
        }
    s->leave = (struct api_job){.run = sub_leave, .done = sub_gone, .arg = s};
    api_engine_follow(h->engine, &s->leave);
}

static void sse_closed(struct net_sse *sse, void *ctx)
{
    (void)sse;
    sub_end(ctx);
}

static void sub_cut(struct api_sub *s)
{
    if (s->sse)
        net_sse_close(s->sse);
    sub_end(s);
}

static void notes_send(struct notes *l)
{
    for (struct note *n = l->first; n; n = n->next) {
        char id[24];
        if (!n->sub->sse)
            continue;
        snprintf(id, sizeof(id), "%lld", (long long)n->seq);
        if (!phi_buf_ok(&n->data))
            sub_cut(n->sub);
        else
            net_sse_event(n->sub->sse, id, n->event, phi_buf_view(&n->data));
    }
    notes_free(l);
}

static void all_cut(struct api_hub *h)
{
    while (h->open)
        sub_cut(h->open);
}

static void round_done(struct api_job *j)
{
    struct round *r = j->arg;
    if (j->rc == PHI_OK) {
        notes_send(&r->notes);
    } else {
        PHI_LOG(ERROR, "events lost, streams closed", "why", "%s", j->err.msg);
        all_cut(r->hub);
    }
    notes_free(&r->notes);
    free(r);
}

/* Every 10 s: a sign of life, and an end to those whose session is over. */
static void keep_alive(void *ctx)
{
    struct api_hub *h = ctx;
    int64_t now = phi_now_boot_ms();
    struct api_sub *next;
    for (struct api_sub *s = h->open; s; s = next) {
        next = s->next_open;
        if (s->over || (s->ends_at && now >= s->ends_at))
            sub_cut(s);
        else
            net_sse_comment(s->sse, "phi");
    }
}

/* ---- the hub ---- */

static void copy_text(char *to, size_t size, struct phi_view v)
{
    snprintf(to, size, PHI_FMT, PHI_ARG(v));
}

/* Core thread, inside phi_core_batch: only takes note. */
static void fan_out(void *self, const struct phi_event *events, size_t n)
{
    struct api_hub *h = self;
    bool lost = !events || n > EVENTS_MAX;
    if (!h->subs || !h->engine || (!n && !lost))
        return;
    struct round *r = calloc(1, sizeof(*r) + (lost ? 0 : n) * sizeof(r->said[0]));
    if (!r)
        abort(); /* out of memory with streams open: a restart makes all clients read the state again */
    *r = (struct round){.hub = h, .n = lost ? 0 : n, .lost = lost};
    notes_init(&r->notes);
    for (size_t i = 0; i < r->n; i++) {
        r->said[i] = (struct said){.kind = events[i].kind, .seq = events[i].seq};
        copy_text(r->said[i].request, sizeof(r->said[i].request), events[i].request);
        copy_text(r->said[i].grant, sizeof(r->said[i].grant), events[i].grant);
        copy_text(r->said[i].gateway, sizeof(r->said[i].gateway), events[i].gateway);
        if (events[i].kind == PHI_EVENT_TOLD)
            copy_text(r->said[i].what, sizeof(r->said[i].what), events[i].reason);
    }
    r->job = (struct api_job){.run = round_run, .done = round_done, .arg = r, .reads = true};
    api_engine_follow(h->engine, &r->job);
}

struct api_hub *api_hub_open(struct net_loop *loop)
{
    struct api_hub *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->loop = loop;
    h->notifier = (struct phi_notifier){.self = h, .fan_out = fan_out};
    h->timer = net_timer_open(loop, keep_alive, h);
    if (!h->timer) {
        free(h);
        return NULL;
    }
    net_timer_set(h->timer, KEEP_ALIVE_MS, KEEP_ALIVE_MS);
    return h;
}

void api_hub_bind(struct api_hub *h, struct api_engine *e)
{
    h->engine = e;
}

const struct phi_notifier *api_hub_notifier(struct api_hub *h)
{
    return &h->notifier;
}

size_t api_hub_count(const struct api_hub *h)
{
    return atomic_load(&h->count);
}

void api_hub_drain(struct api_hub *h)
{
    h->draining = true;
    all_cut(h);
}

void api_hub_close(struct api_hub *h)
{
    if (!h)
        return;
    net_timer_close(h->timer);
    free(h);
}

/* ---- streams ---- */

struct api_sub *api_sub_make(struct api_call *c, struct phi_err *err)
{
    struct api_sub *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    notes_init(&s->missed);
    s->name = strndup((const char *)c->actor.id.p, c->actor.id.n);
    s->token = strndup(c->token.n ? (const char *)c->token.p : "", c->token.n);
    s->key = c->key;
    bool person = c->actor.kind == PHI_ACTOR_PERSON;
    s->ends_at = person ? phi_now_boot_ms() + c->session.expires_in_ms : 0;
    if (s->name && s->token) {
        s->actor = (struct phi_actor){.kind = c->actor.kind, .id = phi_view_of(s->name), .withheld = c->actor.withheld};
        if (person || tell_ends(c->core, &c->arena, &s->missed, s, err) == PHI_OK)
            return s;
    }
    api_sub_free(s);
    return NULL;
}

void api_sub_free(struct api_sub *s)
{
    if (!s)
        return;
    notes_free(&s->missed);
    if (s->token)
        phi_wipe(s->token, strlen(s->token));
    free(s->token);
    free(s->name);
    free(s);
}

void api_sub_join(struct api_hub *h, struct api_sub *s)
{
    s->hub = h;
    s->next = h->subs;
    h->subs = s;
    atomic_fetch_add(&h->count, 1);
}

static bool has_room(const struct api_hub *h, const struct api_sub *s)
{
    size_t mine = 0;
    for (const struct api_sub *o = h->open; o; o = o->next_open)
        mine += o->actor.kind == s->actor.kind && phi_view_eq(o->actor.id, s->actor.id);
    return mine < SUBS_OF_ONE_MAX && api_hub_count(h) <= SUBS_MAX && !h->draining;
}

bool api_sub_serve(struct api_hub *h, struct api_sub *s, struct net_http_req *r)
{
    bool room = has_room(h, s);
    s->sse = r && room ? net_sse_open(r, BACKLOG_MAX, sse_closed, s) : NULL;
    if (!s->sse) {
        sub_end(s);
        return room;
    }
    s->next_open = h->open;
    h->open = s;
    net_sse_comment(s->sse, "phi");
    notes_send(&s->missed);
    return true;
}

void api_hub_forget(struct api_hub *h, struct phi_view token)
{
    struct api_sub *next;
    for (struct api_sub *s = h->open; s; s = next) {
        next = s->next_open;
        if (s->actor.kind == PHI_ACTOR_PERSON && phi_secret_eq(phi_view_of(s->token), token))
            sub_cut(s);
    }
}

/* ---- routes ---- */

static enum phi_rc stream_make(struct api_call *c, struct phi_err *err)
{
    c->sub = api_sub_make(c, err);
    c->status = 200;
    return c->sub ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

enum phi_rc api_events_person(struct api_call *c, struct phi_err *err)
{
    return stream_make(c, err);
}

enum phi_rc api_events_gateway(struct api_call *c, struct phi_err *err)
{
    return stream_make(c, err);
}
