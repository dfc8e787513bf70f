/* Ends of rights, and who has confirmed that the work under them is gone. */
#include "core/gateway.h"
#include "core/inner.h"

enum { ACK_WAITS, ACK_DONE, ACK_LEASE_OVER };

static enum phi_rc ack_leaf(struct phi_core *c, struct phi_view gateway, struct phi_view grant, const char *cause,
                            struct phi_err *err)
{
    struct phi_entry e;
    core_entry(c, &e, PHI_EV_GRANT_REVOKE_ACKNOWLEDGED, &(struct phi_actor){ .kind = PHI_ACTOR_GATEWAY, .id = gateway });
    phi_entry_str(&e, PHI_F_GRANT, grant);
    phi_entry_ref(&e, PHI_F_GATEWAY, phi_ref_of("Gateway", gateway));
    if (cause)
        phi_entry_str(&e, PHI_F_CAUSE, phi_view_of(cause));
    return core_leaf(c, &e, NULL, NULL, err);
}

enum phi_rc core_end_make(struct phi_core *c, const struct core_grant_row *g, const char *reason, int64_t *ret_seq,
                          struct phi_err *err)
{
    PHI_ARENA(a, 1 << 20);
    struct core_end_row row = { core_next_seq(c), g->id, g->principal, g->target, phi_view_of(reason), core_wall(c) };
    PHI_TRY(core_add(c, CORE_END, &row, err));
    struct core_gateway_row *gw;
    size_t n;
    PHI_TRY(core_list(c, CORE_GATEWAY, CORE_BY_KEY, NULL, (struct core_span){ 0 }, &a, &gw, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct core_ack_row ack = { gw[i].name, row.seq, g->id, ACK_WAITS };
        /* One that was taken away works on to the end of its lease, on targets that it no longer has. */
        if (core_may_last(c, &gw[i].lease_due) && (core_gateway_removed(&gw[i]) || core_gateway_serves(c, gw[i].name, g->target)))
            PHI_TRY(core_add(c, CORE_ACK, &ack, err));
    }
    core_say(c, &(struct phi_event){ .kind = PHI_EVENT_END,
                                     .seq = row.seq,
                                     .request = g->request,
                                     .code = g->code,
                                     .grant = g->id,
                                     .reason = row.reason,
                                     .principal = g->principal,
                                     .target = g->target });
    *ret_seq = row.seq;
    return PHI_OK;
}

enum phi_rc phi_gateway_ack(struct phi_core *c, const struct phi_actor *gateway, int64_t seq, struct phi_err *err)
{
    PHI_ARENA(a, 1 << 14);
    PHI_TRY(core_batched(c, err));
    struct core_ack_row row, key = { .gateway = gateway->id, .seq = seq };
    if (gateway->kind != PHI_ACTOR_GATEWAY)
        return core_no(c, "right.missing", err, PHI_EDENIED, "only gateways acknowledge");
    if (core_get(c, CORE_ACK, CORE_BY_KEY, &key, &a, &row, NULL) != PHI_OK || row.done != ACK_WAITS)
        return PHI_OK; /* it had no lease when the right ended, or has said so before */
    row.done = ACK_DONE;
    PHI_TRY(core_set(c, CORE_ACK, &row, err));
    return ack_leaf(c, row.gateway, row.grant, NULL, err);
}

enum phi_rc phi_gateway_ends(struct phi_core *c, struct phi_arena *a, const struct phi_actor *gateway,
                             struct phi_end **ret, size_t *ret_n, struct phi_err *err)
{
    struct core_ack_row *rows, key = { .gateway = gateway->id };
    size_t n;
    PHI_TRY(core_batched(c, err));
    PHI_TRY(core_list(c, CORE_ACK, CORE_BY_KEY, &key, (struct core_span){ .prefix = 1 }, a, &rows, &n, err));
    *ret = phi_arena_array(a, n + 1, sizeof **ret);
    if (!*ret)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *ret_n = 0;
    for (size_t i = 0; i < n; i++) {
        struct core_end_row end, ekey = { .seq = rows[i].seq };
        if (rows[i].done != ACK_WAITS)
            continue;
        PHI_TRY(core_get(c, CORE_END, CORE_BY_KEY, &ekey, a, &end, err));
        (*ret)[(*ret_n)++] = (struct phi_end){ end.seq, end.grant, end.principal, end.reason };
    }
    return PHI_OK;
}

/* A gateway whose lease is over has cut its work itself: it counts as confirmed from then on. */
static enum phi_rc ack_lapse(struct phi_core *c, struct core_ack_row *row, struct phi_err *err)
{
    if (row->done != ACK_WAITS || core_gateway_may_work(c, row->gateway))
        return PHI_OK;
    row->done = ACK_LEASE_OVER;
    PHI_TRY(core_set(c, CORE_ACK, row, err));
    return ack_leaf(c, row->gateway, row->grant, "lease-ended", err);
}

enum phi_rc core_acks(struct phi_core *c, struct phi_arena *a, struct phi_view grant, const struct phi_view **done,
                      size_t *n_done, const struct phi_view **waiting, size_t *n_waiting, struct phi_err *err)
{
    struct core_ack_row *rows, key = { .grant = grant };
    size_t n;
    PHI_TRY(core_list(c, CORE_ACK, CORE_ACK_BY_GRANT, &key, (struct core_span){ .prefix = 1 }, a, &rows, &n, err));
    struct phi_view *d = phi_arena_array(a, n + 1, sizeof *d), *w = phi_arena_array(a, n + 1, sizeof *w);
    if (!d || !w)
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *n_done = *n_waiting = 0;
    for (size_t i = 0; i < n; i++) {
        PHI_TRY(ack_lapse(c, &rows[i], err));
        if (rows[i].done == ACK_WAITS)
            w[(*n_waiting)++] = rows[i].gateway;
        else
            d[(*n_done)++] = rows[i].gateway;
    }
    *done = d;
    *waiting = w;
    return PHI_OK;
}
