#include <stdlib.h>

#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"
#include "client/link_in.h"

/* Plain allows, told to phid in numbered batches. One batch is under way at a time; it is sent again under the same
 * number until that number comes back. Numbers follow each other; the first snapshot says where to go on. */

enum { BATCH_COUNT = 1024, BATCH_BYTES = 512 * 1024, SEND_MS = 5000 };

struct record {
    int64_t at_boot_ms;
    uint32_t from, n; /* in `text`: the members after t_ms_ago */
};

struct link_batch {
    struct link_batch *next;
    int64_t number; /* 0: not yet sent */
    struct phi_buf text;
    size_t count;
    struct record records[BATCH_COUNT];
};

static void send_first(void *ctx);

static void batch_free(struct link_batch *b)
{
    phi_buf_done(&b->text);
    free(b);
}

enum phi_rc link_records_open(struct client_link *l, struct phi_err *err)
{
    l->records.flush = (struct net_later){ .fn = send_first, .ctx = l };
    l->records.retry = net_timer_open(l->loop, send_first, l);
    return l->records.retry ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

void link_records_begin(struct client_link *l, int64_t last)
{
    if (!l->records.next)
        l->records.next = last + 1;
}

void link_records_close(struct client_link *l)
{
    struct link_records *r = &l->records;
    if (r->flush.fn)
        net_later_cancel(&r->flush);
    net_timer_close(r->retry);
    for (struct link_batch *b = r->first, *next; b; b = next) {
        next = b->next;
        batch_free(b);
    }
    r->first = r->open = NULL;
}

/* ---- Sending ---- */

static void write_batch(struct phi_buf *out, const struct link_batch *b)
{
    int64_t now = phi_now_boot_ms();
    phi_buf_printf(out, "{\"batch\":%lld,\"records\":[", (long long)b->number);
    for (size_t i = 0; i < b->count; i++) {
        const struct record *r = &b->records[i];
        phi_buf_printf(out, "%s{\"t_ms_ago\":%lld,", i ? "," : "", (long long)(now - r->at_boot_ms));
        phi_buf_add(out, phi_view_upto(phi_view_from(phi_buf_view(&b->text), r->from), r->n));
    }
    phi_buf_adds(out, "]}");
}

static void on_sent(const struct client_reply *r, void *ctx)
{
    struct client_link *l = ctx;
    struct link_records *rs = &l->records;
    struct link_batch *b = rs->first;
    rs->call = NULL;
    if (r->rc != PHI_OK || phi_json_num(r->json, "batch", -1) != b->number) {
        if (!link_unreachable(r)) /* without them nothing more is allowed, so it must be seen */
            PHI_LOG(ERROR, "phid refused records", "why", "%s", r->err.msg);
        net_timer_set(rs->retry, link_backoff(&rs->attempts), 0);
        return;
    }
    rs->attempts = 0;
    rs->count -= b->count;
    rs->first = b->next;
    batch_free(b);
    send_first(l);
}

static void send_first(void *ctx)
{
    struct client_link *l = ctx;
    struct link_records *rs = &l->records;
    struct link_batch *b = rs->first;
    PHI_BUF(body, PHI_MAX_HTTP_BODY);
    if (rs->call || !b)
        return;
    if (b == rs->open)
        rs->open = NULL; /* a batch under way takes no more */
    if (!b->number)
        b->number = rs->next++;
    write_batch(&body, b);
    if (phi_buf_ok(&body))
        rs->call = client_send(l->api, "POST", "/v1/gateway/records", phi_buf_view(&body), SEND_MS, on_sent, l, NULL);
    if (!rs->call)
        net_timer_set(rs->retry, link_backoff(&rs->attempts), 0);
}

/* ---- Taking ---- */

static struct link_batch *batch_for(struct link_records *rs, size_t bytes)
{
    struct link_batch *b = rs->open;
    if (b && b->count < BATCH_COUNT && b->text.n + bytes <= BATCH_BYTES)
        return b;
    b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    phi_buf_init(&b->text, BATCH_BYTES + bytes);
    struct link_batch **at = &rs->first;
    while (*at)
        at = &(*at)->next;
    *at = b;
    rs->open = b;
    return b;
}

static void write_record(struct phi_buf *out, struct client_link *l, struct phi_view principal, struct phi_view target,
                         struct phi_view session, struct phi_view actions_json, struct phi_view act_hex)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "principal", principal);
    phi_jw_kv(&w, "target", target);
    phi_jw_kv(&w, "session", session);
    phi_jw_key(&w, "actions");
    phi_jw_raw(&w, actions_json);
    phi_jw_kv(&w, "act", act_hex);
    phi_jw_kv(&w, "bundle", client_snapshot_bundle_hex(l->snapshot));
    phi_jw_end(&w);
}

bool client_link_record(struct client_link *l, struct phi_view principal, struct phi_view target,
                        struct phi_view session, struct phi_view actions_json, struct phi_view act_hex)
{
    PHI_BUF(one, 256 * 1024);
    if (!l->snapshot || !client_link_may_record(l))
        return false;
    write_record(&one, l, principal, target, session, actions_json, act_hex);
    struct link_batch *b = phi_buf_ok(&one) ? batch_for(&l->records, one.n) : NULL;
    if (!b)
        return false;
    struct record r = { phi_now_boot_ms(), (uint32_t)b->text.n, (uint32_t)one.n - 1 };
    phi_buf_add(&b->text, phi_view_from(phi_buf_view(&one), 1)); /* without its first brace: t_ms_ago goes before */
    if (!phi_buf_ok(&b->text))
        return false;
    b->records[b->count++] = r;
    l->records.count++;
    if (!l->records.call)
        net_later(l->loop, &l->records.flush);
    return true;
}

bool client_link_may_record(const struct client_link *l)
{
    const struct link_batch *b = l->records.first;
    if (l->records.count >= PHI_RECORD_MAX_COUNT)
        return false;
    return !b || !b->count || phi_now_boot_ms() - b->records[0].at_boot_ms <= PHI_RECORD_MAX_AGE_MS;
}

bool client_link_idle(const struct client_link *l)
{
    return !l->records.first && !l->queue.first && !l->asks;
}
