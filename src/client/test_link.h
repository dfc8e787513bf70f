/* A link to the phid of test_phid.h, and what it was told. */
#ifndef CLIENT_TEST_LINK_H
#define CLIENT_TEST_LINK_H

#include "client/enroll.h"
#include "client/link.h"
#include "client/test_phid.h"

struct world {
    struct phid p;
    struct client_link *l;
    int snapshots, requests, votes, ends, lost, answers, claims;
    int64_t end_seq, witness_ms;
    bool dead_first, twice; /* two phids, the first of which is not there; both are the same */
    char last[300], why[300];
    struct client_answer answer;
    struct client_claim claim;
};

static inline void on_snapshot(struct client_snapshot *s, void *ctx)
{
    struct world *w = ctx;
    assert_non_null(s);
    w->snapshots++;
}

static inline void on_request(const struct phi_json *ev, void *ctx)
{
    struct world *w = ctx;
    w->requests++;
    snprintf(w->last, sizeof w->last, PHI_FMT " " PHI_FMT, PHI_ARG(phi_json_text(ev, "id")),
             PHI_ARG(phi_json_text(ev, "status")));
}

static inline void on_votes(const struct phi_json *ev, void *ctx)
{
    struct world *w = ctx;
    w->votes += phi_json_get(ev, "needs") != NULL;
}

static inline void on_end(int64_t seq, struct phi_view grant, struct phi_view principal, struct phi_view reason, void *ctx)
{
    struct world *w = ctx;
    w->ends++;
    w->end_seq = seq;
    snprintf(w->last, sizeof w->last, PHI_FMT " " PHI_FMT " " PHI_FMT, PHI_ARG(grant), PHI_ARG(principal), PHI_ARG(reason));
}

static inline void on_lost(const char *why, void *ctx)
{
    struct world *w = ctx;
    w->lost++;
    snprintf(w->why, sizeof w->why, "%s", why);
}

static const struct client_link_events events = { on_snapshot, on_request, on_votes, on_end, on_lost };

#define UNTIL(w, condition)                                                                                            \
    while (!(condition))                                                                                               \
    net_loop_once((w)->p.loop)

static inline void link_start(struct world *w)
{
    struct phi_err err;
    const char *urls[] = { w->p.url, w->p.url };
    size_t first = w->dead_first || w->twice ? 0 : 1;
    if (w->dead_first)
        urls[0] = "https://127.0.0.1:1";
    struct client_link_opts o = { .urls = urls + first, .n_urls = 2 - first, .state_dir = w->p.dir, .events = &events, .ctx = w, .witness_ms = w->witness_ms };
    if (client_link_open(w->p.loop, &o, &w->l, &err) != PHI_OK)
        fail_msg("%s", err.msg);
}

static inline void world_open(struct world *w)
{
    struct phi_err err;
    phid_open(&w->p);
    if (client_enroll(w->p.loop, w->p.url, w->p.code, w->p.dir, false, &err) != PHI_OK)
        fail_msg("%s", err.msg);
    link_start(w);
    UNTIL(w, w->snapshots && w->p.sse);
}

static inline void world_close(struct world *w)
{
    client_link_close(w->l);
    phid_close(&w->p);
}

static inline void say(struct world *w, const char *event, const char *json)
{
    assert_true(net_sse_event(w->p.sse, "1", event, phi_view_of(json)));
}

static inline void answered(const struct client_answer *a, void *ctx)
{
    struct world *w = ctx;
    w->answers++;
    w->answer = *a;
}

static inline void claimed(const struct client_claim *c, void *ctx)
{
    struct world *w = ctx;
    w->claims++;
    w->claim = *c;
}

__attribute__((unused)) static const struct client_act link_alice = { .principal = PHI_LIT("0192f3a4-5b6c-7d8e-9fa0-b1c2d3e4f501"),
                                         .credential = PHI_LIT("c1"),
                                         .session = PHI_LIT("s1"),
                                         .target = PHI_LIT("shop"),
                                         .actions = PHI_LIT("[{\"action\":\"pg:delete\"}]"),
                                         .payload = PHI_LIT("{\"kind\":\"pg-query\"}"),
                                         .hold_ms = 1000 };

#endif
