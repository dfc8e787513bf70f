/* include/phi/client.h over client/api.h. */
#include "phi/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/id.h"
#include "base/os.h"
#include "base/text.h"
#include "client/api.h"
#include "proof/entity.h"

#define CALL_MEMORY (8u * 1024 * 1024)
enum { POLL_FIRST_MS = 500, POLL_MOST_MS = 5000 };

struct phi_client {
    struct net_loop *loop;
    struct client *api;
    char me[64]; /* id of the token's person, once asked */
};

static enum phi_client_answer say(enum phi_client_answer a, const char *why, char *err, size_t n)
{
    if (err && n)
        snprintf(err, n, "%s", why);
    return a;
}

static enum phi_client_answer say_view(enum phi_client_answer a, struct phi_view why, char *err, size_t n)
{
    if (err && n)
        snprintf(err, n, PHI_FMT, PHI_ARG(phi_view_upto(why, 4096)));
    return a;
}

struct phi_client *phi_client_open(const struct phi_client_options *o, char *err, size_t err_size)
{
    struct phi_err why = { 0 };
    struct phi_client *c = calloc(1, sizeof *c);
    if (!c) {
        say(PHI_CLIENT_ERROR, "out of memory", err, err_size);
        return NULL;
    }
    struct client_opts opts = { .url = o->url, .token = o->token, .check_name = true,
                                .ca_pem = o->ca_pem ? phi_view_of(o->ca_pem) : (struct phi_view){ 0 } };
    if (net_loop_open(&c->loop, &why) == PHI_OK && client_open(c->loop, &opts, &c->api, &why) == PHI_OK)
        return c;
    say(PHI_CLIENT_ERROR, why.msg, err, err_size);
    phi_client_close(c);
    return NULL;
}

void phi_client_close(struct phi_client *c)
{
    if (!c)
        return;
    client_close(c->api);
    net_loop_close(c->loop);
    free(c);
}

/* A 403 is a no; all else that is no success is an error. */
static enum phi_client_answer call(struct phi_client *c, struct phi_arena *a, const char *method, const char *path,
                                   struct phi_buf *body, struct client_reply *r, char *err, size_t err_size)
{
    struct phi_err why = { 0 };
    struct phi_view text = body ? phi_buf_view(body) : (struct phi_view){ 0 };
    if (body && !phi_buf_ok(body))
        return say(PHI_CLIENT_ERROR, "this is too long", err, err_size);
    if (client_call_wait(c->api, a, method, path, text, r, &why) == PHI_OK)
        return PHI_CLIENT_YES;
    const char *words = r->err.msg[0] ? r->err.msg : why.msg;
    return say(r->status == 403 ? PHI_CLIENT_NO : PHI_CLIENT_ERROR, words[0] ? words : "no answer", err, err_size);
}

static enum phi_client_answer whoami(struct phi_client *c, char *err, size_t err_size)
{
    PHI_ARENA(a, CALL_MEMORY);
    struct client_reply r;
    if (c->me[0])
        return PHI_CLIENT_YES;
    enum phi_client_answer got = call(c, &a, "GET", "/v1/whoami", NULL, &r, err, err_size);
    struct phi_view id = phi_json_text(phi_json_get(r.json, "person"), "id");
    if (got != PHI_CLIENT_YES)
        return got;
    if (!id.n || id.n >= sizeof c->me)
        return say(PHI_CLIENT_ERROR, "phid's answer makes no sense", err, err_size);
    memcpy(c->me, id.p, id.n);
    return PHI_CLIENT_YES;
}

static void question_write(struct phi_buf *out, const char *me, const char *action, struct phi_ref on)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_key(&w, "subject");
    phi_ref_write(&w, phi_ref_of("Person", phi_view_of(me)));
    phi_jw_key(&w, "action");
    phi_jw_obj(&w);
    phi_jw_kc(&w, "name", action);
    phi_jw_end(&w);
    phi_jw_key(&w, "resource");
    phi_ref_write(&w, on);
    phi_jw_end(&w);
}

enum phi_client_answer phi_client_may(struct phi_client *c, const char *action, const char *resource, char *err, size_t err_size)
{
    PHI_ARENA(a, CALL_MEMORY);
    PHI_BUF(body, 64 * 1024);
    struct phi_err why = { 0 };
    struct client_reply r;
    struct phi_ref on;
    bool yes = false;
    if (phi_ref_from_label(&a, phi_view_of(resource), (struct phi_view){ 0 }, &on, &why) != PHI_OK)
        return say(PHI_CLIENT_ERROR, why.msg, err, err_size);
    enum phi_client_answer got = whoami(c, err, err_size);
    if (got != PHI_CLIENT_YES)
        return got;
    question_write(&body, c->me, action, on);
    got = call(c, &a, "POST", "/access/v1/evaluation", &body, &r, err, err_size);
    if (got != PHI_CLIENT_YES)
        return got;
    const struct phi_json *context = phi_json_get(r.json, "context");
    if (!phi_json_bool(phi_json_get(r.json, "decision"), &yes))
        return say(PHI_CLIENT_ERROR, "phid's answer makes no sense", err, err_size);
    bool needs = phi_view_is(phi_json_text(context, "reason"), "approval_required");
    return yes ? PHI_CLIENT_YES
               : say_view(needs ? PHI_CLIENT_PENDING : PHI_CLIENT_NO, phi_json_text(phi_json_get(context, "reason_user"), "en"), err, err_size);
}

/* ---- asking and waiting */

static void keep(char *ret, size_t n, struct phi_view v)
{
    snprintf(ret, n, PHI_FMT, PHI_ARG(phi_view_upto(v, n - 1)));
}

static void grant_keep(struct phi_client_request *r, const struct phi_json *grant)
{
    keep(r->grant, sizeof r->grant, phi_json_text(grant, "id"));
    r->remaining_ms = phi_json_num(grant, "remaining_ms", 0);
}

static enum phi_client_answer status_of(struct phi_client_request *r, const struct phi_json *v, char *err, size_t err_size)
{
    struct phi_view status = phi_json_text(v, "status");
    keep(r->id, sizeof r->id, phi_json_text(v, "id"));
    keep(r->code, sizeof r->code, phi_json_text(v, "code"));
    if (phi_view_is(status, "pending"))
        return say(PHI_CLIENT_PENDING, "it waits for an approval", err, err_size);
    if (phi_view_is(status, "approved")) {
        grant_keep(r, phi_json_get(v, "grant"));
        return PHI_CLIENT_YES;
    }
    if (phi_view_is(status, "expired"))
        return say(PHI_CLIENT_OVER, "nobody answered in time", err, err_size);
    if (phi_view_is(status, "denied"))
        return say_view(PHI_CLIENT_NO, phi_json_text(v, "reason"), err, err_size);
    return say(phi_view_is(status, "cancelled") ? PHI_CLIENT_NO : PHI_CLIENT_ERROR,
               phi_view_is(status, "cancelled") ? "it was cancelled" : "phid's answer makes no sense", err, err_size);
}

static void ask_write(struct phi_buf *out, const struct phi_client_ask *ask)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_kc(&w, "target", ask->target);
    phi_jw_key(&w, "scope");
    phi_jw_obj(&w);
    phi_jw_key(&w, "actions");
    phi_jw_arr(&w);
    phi_jw_cstr(&w, ask->action);
    phi_jw_end(&w);
    phi_jw_key(&w, "resources");
    phi_jw_arr(&w);
    phi_jw_cstr(&w, ask->resource);
    phi_jw_end(&w);
    phi_jw_end(&w);
    phi_jw_ki(&w, "for_ms", ask->for_ms);
    phi_jw_kc(&w, "why", ask->why);
    phi_jw_end(&w);
}

enum phi_client_answer phi_client_ask(struct phi_client *c, const struct phi_client_ask *ask, struct phi_client_request *ret, char *err,
                                      size_t err_size)
{
    PHI_ARENA(a, CALL_MEMORY);
    PHI_BUF(body, 64 * 1024);
    struct client_reply r;
    *ret = (struct phi_client_request){ 0 };
    ask_write(&body, ask);
    enum phi_client_answer got = call(c, &a, "POST", "/v1/requests", &body, &r, err, err_size);
    if (got != PHI_CLIENT_YES)
        return got;
    struct phi_view verdict = phi_json_text(r.json, "verdict");
    if (phi_view_is(verdict, "allow"))
        return PHI_CLIENT_YES;
    if (!phi_view_is(verdict, "grant"))
        return status_of(ret, r.json, err, err_size);
    const struct phi_json *grant = phi_json_get(r.json, "grant");
    keep(ret->id, sizeof ret->id, phi_json_text(grant, "request"));
    keep(ret->code, sizeof ret->code, phi_json_text(grant, "code"));
    grant_keep(ret, grant);
    return PHI_CLIENT_YES;
}

static enum phi_client_answer look(struct phi_client *c, struct phi_client_request *r, char *err, size_t err_size)
{
    PHI_ARENA(a, CALL_MEMORY);
    struct client_reply reply;
    struct phi_id id;
    char path[96];
    if (!phi_id_read(phi_view_of(r->id), &id))
        return say(PHI_CLIENT_ERROR, "this is no request", err, err_size);
    snprintf(path, sizeof path, "/v1/requests/%s", id.s);
    enum phi_client_answer got = call(c, &a, "GET", path, NULL, &reply, err, err_size);
    return got == PHI_CLIENT_YES ? status_of(r, reply.json, err, err_size) : got;
}

static void rest(int64_t ms)
{
    struct timespec t = { ms / 1000, (ms % 1000) * 1000000 };
    while (nanosleep(&t, &t) != 0)
        ;
}

enum phi_client_answer phi_client_wait(struct phi_client *c, struct phi_client_request *r, int64_t timeout_ms, char *err, size_t err_size)
{
    int64_t end = phi_now_boot_ms() + timeout_ms, pause = POLL_FIRST_MS;
    if (!r->id[0])
        return PHI_CLIENT_YES; /* it was allowed without */
    for (;;) {
        enum phi_client_answer got = look(c, r, err, err_size);
        int64_t left = end - phi_now_boot_ms();
        if (got != PHI_CLIENT_PENDING || left <= 0)
            return got;
        rest(pause < left ? pause : left);
        pause = pause * 3 / 2 < POLL_MOST_MS ? pause * 3 / 2 : POLL_MOST_MS;
    }
}

/* ---- using */

static void give_back(struct phi_client *c, const struct phi_client_request *r)
{
    PHI_ARENA(a, CALL_MEMORY);
    PHI_BUF(body, 16);
    struct client_reply reply;
    struct phi_id id;
    char path[96];
    if (!phi_id_read(phi_view_of(r->grant), &id))
        return;
    snprintf(path, sizeof path, "/v1/grants/%s/return", id.s);
    call(c, &a, "POST", path, &body, &reply, NULL, 0); /* it may have ended by itself */
}

enum phi_client_answer phi_client_use(struct phi_client *c, struct phi_client_request *r, int (*work)(void *ctx), void *ctx, int *ret,
                                      char *err, size_t err_size)
{
    int result;
    enum phi_client_answer got = r->id[0] ? look(c, r, err, err_size) : PHI_CLIENT_YES;
    if (got != PHI_CLIENT_YES)
        return got;
    if (r->id[0] && r->remaining_ms <= 0)
        return say(PHI_CLIENT_OVER, "the right has ended", err, err_size);
    result = work(ctx);
    if (ret)
        *ret = result;
    give_back(c, r);
    return PHI_CLIENT_YES;
}
