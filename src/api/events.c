#include "api/events_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/logline.h"
#include "base/os.h"
#include "core/await.h"

#define SUBS_OF_ONE_MAX 16 /* browser tabs of a person, connections of a gateway */
#define BACKLOG_MAX     (512u * 1024)
#define KEEP_ALIVE_MS   10000
#define BEATS           16 /* in that time: each stream has its turn in one of them */
#define SEND_EACH       64 /* streams that are written to before others have their turn: below a millisecond */

/* ---- sending (loop) ---- */

static void sub_gone(struct api_job *j)
{
    struct api_sub *s = j->arg;
    atomic_fetch_sub(&s->hub->count, 1);
    s->gone = true;
    if (!s->waiting)
        api_sub_free(s);
}

/* A gateway whose last stream ended may be gone: what it filed for when a request is approved is forgotten with it. */
static enum phi_rc sub_leave(struct phi_core *c, void *arg, struct phi_err *err)
{
    (void)err;
    struct api_sub *s = arg;
    bool others = s->actor.kind != PHI_ACTOR_GATEWAY;
    for (struct api_sub **p = &s->hub->subs; *p;) {
        if (*p == s) {
            *p = s->next;
            continue;
        }
        others = others || ((*p)->actor.kind == PHI_ACTOR_GATEWAY && phi_view_eq((*p)->actor.id, s->actor.id));
        p = &(*p)->next;
    }
    if (!others)
        phi_claims_forget(c, &s->actor);
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
    s->leave = (struct api_job){ .run = sub_leave, .done = sub_gone, .arg = s };
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

static void text_send(struct api_sub *s, struct api_text *t)
{
    if (!s->sse)
        return;
    if (phi_buf_ok(&t->all))
        net_sse_send(s->sse, phi_buf_view(&t->all));
    else
        sub_cut(s);
}

static struct api_note *sending_take(struct api_hub *h)
{
    struct api_note *n = h->sending.first;
    h->sending.first = n->next;
    if (!n->next)
        h->sending.last = NULL;
    n->sub->waiting--;
    return n;
}

static void note_over(struct api_note *n)
{
    if (n->sub->gone && !n->sub->waiting)
        api_sub_free(n->sub);
    api_note_free(n);
}

static void send_some(void *ctx)
{
    struct api_hub *h = ctx;
    for (int i = 0; i < SEND_EACH && h->sending.first; i++) {
        struct api_note *n = sending_take(h);
        text_send(n->sub, n->text);
        note_over(n);
    }
    if (h->sending.first)
        net_later(h->loop, &h->soon);
}

/* Behind what is still to be sent. */
static void notes_take(struct api_hub *h, struct api_notes *l)
{
    bool idle = !h->sending.first;
    for (struct api_note *n = l->first; n; n = n->next)
        n->sub->waiting++;
    if (l->first && h->sending.last)
        h->sending.last->next = l->first;
    else if (l->first)
        h->sending.first = l->first;
    if (l->first)
        h->sending.last = l->last;
    l->first = l->last = NULL;
    api_notes_free(l);
    if (idle)
        send_some(h);
}

struct part { /* of a round: some streams' notes */
    struct api_job job;
    struct api_hub *hub;
    struct api_notes notes;
};

static void part_done(struct api_job *j)
{
    struct part *p = j->arg;
    notes_take(p->hub, &p->notes);
    free(p);
}

void api_hub_pass(struct api_hub *h, struct api_notes *l)
{
    struct part *p = l->first ? calloc(1, sizeof(*p)) : NULL;
    if (!p)
        return;
    *p = (struct part){ .hub = h, .notes = *l };
    p->job = (struct api_job){ .done = part_done, .arg = p };
    api_notes_init(l);
    api_engine_pass(h->engine, &p->job);
}

static void all_cut(struct api_hub *h)
{
    while (h->open)
        sub_cut(h->open);
}

static void round_done(struct api_job *j)
{
    struct api_round *r = j->arg;
    if (j->rc == PHI_OK) {
        notes_take(r->hub, &r->notes);
    } else {
        PHI_LOG(ERROR, "events lost, streams closed", "why", "%s", j->err.msg);
        all_cut(r->hub);
    }
    api_notes_free(&r->notes);
    free(r);
}

/* Every 10 s each: a sign of life, and an end to those whose session is over. Not all at once: they may be ten thousand. */
static void keep_alive(void *ctx)
{
    struct api_hub *h = ctx;
    int64_t now = phi_now_boot_ms();
    struct api_sub *next;
    h->turn = (h->turn + 1) % BEATS;
    for (struct api_sub *s = h->open; s; s = next) {
        next = s->next_open;
        if (s->over || (s->ends_at && now >= s->ends_at))
            sub_cut(s);
        else if (s->beat == h->turn)
            net_sse_comment(s->sse, "phi");
    }
}

/* ---- the hub ---- */

static void copy_text(char *to, size_t size, struct phi_view v)
{
    snprintf(to, size, PHI_FMT, PHI_ARG(v));
}

static struct api_said said_of(const struct phi_event *e)
{
    struct api_said s = { .kind = e->kind, .seq = e->seq };
    copy_text(s.request, sizeof(s.request), e->request);
    copy_text(s.grant, sizeof(s.grant), e->grant);
    copy_text(s.gateway, sizeof(s.gateway), e->gateway);
    if (e->kind == PHI_EVENT_TOLD)
        copy_text(s.what, sizeof(s.what), e->reason);
    return s;
}

static void keep(struct api_hub *h, const struct api_said *s)
{
    h->kept[h->n_kept++ % KEPT_MAX] = (struct api_kept){ *s, phi_now_boot_ms() };
}

/* Core thread, inside phi_core_batch: only takes note. Also where nobody listens yet: one who comes back may be on the way. */
static void fan_out(void *self, const struct phi_event *events, size_t n)
{
    struct api_hub *h = self;
    bool lost = !events || n > EVENTS_MAX;
    if (!h->engine || (!n && !lost))
        return;
    struct api_round *r = calloc(1, sizeof(*r) + (lost ? 0 : n) * sizeof(r->said[0]));
    if (!r)
        abort(); /* out of memory with streams open: a restart makes all clients read the state again */
    *r = (struct api_round){ .hub = h, .n = lost ? 0 : n, .lost = lost };
    api_notes_init(&r->notes);
    for (size_t i = 0; i < r->n; i++) {
        r->said[i] = said_of(&events[i]);
        keep(h, &r->said[i]);
    }
    if (lost)
        h->n_kept = 0; /* nobody can be told what came before */
    r->job = (struct api_job){ .run = api_round_run, .done = round_done, .arg = r, .reads = true };
    api_engine_follow(h->engine, &r->job);
}

struct api_hub *api_hub_open(struct net_loop *loop)
{
    struct api_hub *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->loop = loop;
    h->notifier = (struct phi_notifier){ .self = h, .fan_out = fan_out };
    h->kept = calloc(KEPT_MAX, sizeof(*h->kept));
    h->soon = (struct net_later){ .fn = send_some, .ctx = h };
    h->timer = net_timer_open(loop, keep_alive, h);
    if (!h->timer || !h->kept) {
        net_timer_close(h->timer);
        free(h->kept);
        free(h);
        return NULL;
    }
    net_timer_set(h->timer, KEEP_ALIVE_MS / BEATS, KEEP_ALIVE_MS / BEATS);
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
    net_later_cancel(&h->soon);
    while (h->sending.first)
        note_over(sending_take(h));
    net_timer_close(h->timer);
    free(h->kept);
    free(h);
}

/* ---- streams ---- */

struct api_sub *api_sub_make(struct api_call *c, struct phi_err *err)
{
    struct api_sub *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    api_notes_init(&s->missed);
    s->name = strndup((const char *)c->actor.id.p, c->actor.id.n);
    s->token = strndup(c->token.n ? (const char *)c->token.p : "", c->token.n);
    s->key = c->key;
    bool person = c->actor.kind == PHI_ACTOR_PERSON;
    s->ends_at = person ? phi_now_boot_ms() + c->session.expires_in_ms : 0;
    if (s->name && s->token) {
        s->actor = (struct phi_actor){ .kind = c->actor.kind, .id = phi_view_of(s->name), .withheld = c->actor.withheld };
        if ((person ? api_tell_missed(c->core, c->hub, s, c->last_event, err)
                    : api_tell_ends(c->core, &c->arena, &s->missed, s, err)) == PHI_OK)
            return s;
    }
    api_sub_free(s);
    return NULL;
}

void api_sub_free(struct api_sub *s)
{
    if (!s)
        return;
    api_notes_free(&s->missed);
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
    s->beat = h->beats++ % BEATS;
    net_sse_comment(s->sse, "phi");
    for (const struct api_note *n = s->missed.first; n; n = n->next)
        text_send(s, n->text);
    api_notes_free(&s->missed);
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
    phi_claims_forget(c->core, &c->actor);
    return stream_make(c, err);
}
