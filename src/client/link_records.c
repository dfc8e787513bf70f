#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/logline.h"
#include "base/os.h"
#include "client/link_in.h"

/* Plain allows and denials, told to phid in numbered batches. One batch is under way at a time; it is sent again under the same
 * number until that number comes back. Numbers follow each other; the first snapshot says where to go on. */

enum { BATCH_COUNT = 512, BATCH_BYTES = 64 * 1024, SEND_MS = 5000, FLUSH_MS = 500 };

struct record {
    int64_t first_ms, last_ms; /* CLOCK_BOOTTIME */
    uint64_t key;              /* hash of the text */
    uint32_t count;
    uint32_t from, n;          /* in `text`: the members that equal ones share */
    struct phi_hasher *hasher; /* NULL once the batch is sealed */
    struct phi_digest bytes;
};

struct link_batch {
    struct link_batch *next;
    uint64_t serial;
    int64_t number; /* 0: not yet sent */
    struct phi_buf text;
    size_t n, count; /* records; statements */
    struct record records[BATCH_COUNT];
};

static void send_first(void *ctx);

static void seal(struct link_batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->records[i].hasher) {
            b->records[i].bytes = phi_hasher_end(b->records[i].hasher);
            b->records[i].hasher = NULL;
        }
}

static void batch_free(struct link_batch *b)
{
    seal(b);
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
    char hex[PHI_HEX_LEN + 1];
    phi_buf_printf(out, "{\"batch\":%lld,\"records\":[", (long long)b->number);
    for (size_t i = 0; i < b->n; i++) {
        const struct record *r = &b->records[i];
        phi_digest_hex(&r->bytes, hex);
        phi_buf_printf(out, "%s{\"count\":%u,\"first_ms_ago\":%lld,\"last_ms_ago\":%lld,\"bytes_hash\":\"%s\",", i ? "," : "",
                       (unsigned)r->count, (long long)(now - r->first_ms), (long long)(now - r->last_ms), hex);
        phi_buf_add(out, phi_view_upto(phi_view_from(phi_buf_view(&b->text), r->from), r->n));
    }
    phi_buf_adds(out, "]}");
}

/* The open batch takes more until its time is over; any other goes at once. */
static void send_due(struct client_link *l)
{
    struct link_records *rs = &l->records;
    int64_t left = rs->first && rs->first == rs->open ? rs->first->records[0].first_ms + FLUSH_MS - phi_now_boot_ms() : 0;
    if (left > 0)
        net_timer_set(rs->retry, left, 0);
    else
        send_first(l);
}

static void on_sent(const struct client_reply *r, void *ctx)
{
    struct client_link *l = ctx;
    struct link_records *rs = &l->records;
    struct link_batch *b = rs->first;
    rs->call = NULL;
    if (r->rc != PHI_OK || phi_json_num(r->json, "batch", -1) != b->number) {
        if (!link_unreachable(l, r)) /* without them nothing more is allowed, so it must be seen */
            PHI_LOG(ERROR, "phid refused records", "why", "%s", r->err.msg);
        net_timer_set(rs->retry, link_backoff(&rs->attempts), 0);
        return;
    }
    rs->attempts = 0;
    rs->count -= b->count;
    rs->first = b->next;
    batch_free(b);
    send_due(l);
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
    seal(b);
    if (!b->number)
        b->number = rs->next++;
    write_batch(&body, b);
    if (phi_buf_ok(&body))
        rs->call = client_send(l->api, "POST", "/v1/gateway/records", phi_buf_view(&body), SEND_MS, on_sent, l, NULL);
    if (!rs->call)
        net_timer_set(rs->retry, link_backoff(&rs->attempts), 0);
}

/* ---- Taking ---- */

static struct link_batch *batch_for(struct client_link *l, size_t bytes)
{
    struct link_records *rs = &l->records;
    struct link_batch *b = rs->open;
    if (b && b->n < BATCH_COUNT && b->text.n + bytes <= BATCH_BYTES)
        return b;
    b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->serial = ++rs->serial;
    phi_buf_init(&b->text, BATCH_BYTES + bytes);
    struct link_batch **at = &rs->first;
    while (*at)
        at = &(*at)->next;
    *at = b;
    rs->open = b;
    if (!rs->call && rs->first == b)
        net_timer_set(rs->retry, FLUSH_MS, 0);
    else if (!rs->call && !rs->first->number)
        net_later(l->loop, &rs->flush); /* the one before is full */
    return b;
}

static void write_record(struct phi_buf *out, struct client_link *l, struct phi_view principal, struct phi_view target,
                         struct phi_view session, struct phi_view actions_json, const struct client_denial *denied)
{
    struct phi_jw w;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_kv(&w, "principal", principal);
    phi_jw_kv(&w, "target", target);
    phi_jw_kv(&w, "session", session);
    phi_jw_key(&w, "actions");
    phi_jw_raw(&w, actions_json);
    phi_jw_kv(&w, "bundle", client_snapshot_bundle_hex(l->snapshot));
    if (denied) {
        phi_jw_key(&w, "denied");
        phi_jw_obj(&w);
        phi_jw_key(&w, "policies");
        phi_jw_raw(&w, denied->policies.n ? denied->policies : PHI_LIT("[]"));
        phi_jw_kv(&w, "reason", denied->reason);
        phi_jw_end(&w);
    }
    phi_jw_end(&w);
}

static struct record *find(const struct link_batch *b, uint64_t key, struct phi_view text)
{
    for (size_t i = 0; b && i < b->n; i++) {
        const struct record *r = &b->records[i];
        if (r->key == key && phi_view_eq(phi_view_upto(phi_view_from(phi_buf_view(&b->text), r->from), r->n), text))
            return (struct record *)(uintptr_t)r;
    }
    return NULL;
}

static struct record *begin(struct client_link *l, uint64_t key, struct phi_view text, int64_t now)
{
    struct link_batch *b = batch_for(l, text.n);
    if (!b)
        return NULL;
    struct record *r = &b->records[b->n];
    *r = (struct record){ .first_ms = now, .key = key, .from = (uint32_t)b->text.n, .n = (uint32_t)text.n };
    phi_buf_add(&b->text, text);
    if (!phi_buf_ok(&b->text))
        return NULL;
    r->hasher = phi_hasher_open();
    b->n++;
    return r;
}

static void take(struct link_records *rs, struct record *r, struct phi_view bytes, int64_t now)
{
    phi_hasher_add(r->hasher, bytes);
    r->last_ms = now;
    r->count++;
    rs->open->count++;
    rs->count++;
}

static bool may_record(const struct link_records *rs, int64_t now)
{
    const struct link_batch *b = rs->first;
    return rs->count < PHI_RECORD_MAX_COUNT && (!b || !b->n || now - b->records[0].first_ms <= PHI_RECORD_MAX_AGE_MS);
}

/* `one`: the members that equal ones share. */
static bool take_one(struct client_link *l, const struct phi_buf *one, struct phi_view bytes, struct client_record_at *ret)
{
    struct link_records *rs = &l->records;
    int64_t now = phi_now_boot_ms();
    if (!phi_buf_ok(one))
        return false;
    struct phi_view text = phi_view_from(phi_buf_view(one), 1); /* without its first brace: what differs goes before */
    uint64_t key = phi_map_hash(text);
    struct record *r = find(rs->open, key, text);
    if (!r)
        r = begin(l, key, text, now);
    if (!r)
        return false;
    take(rs, r, bytes, now);
    if (ret)
        *ret = (struct client_record_at){ rs->open->serial, (size_t)(r - rs->open->records) };
    return true;
}

bool client_link_record(struct client_link *l, struct phi_view principal, struct phi_view target,
                        struct phi_view session, struct phi_view actions_json, struct phi_view bytes,
                        struct client_record_at *ret)
{
    PHI_BUF(one, 256 * 1024);
    if (!l->snapshot || !client_link_may_record(l))
        return false;
    write_record(&one, l, principal, target, session, actions_json, NULL);
    return take_one(l, &one, bytes, ret);
}

bool client_link_record_denied(struct client_link *l, struct phi_view principal, struct phi_view target,
                               struct phi_view session, struct phi_view actions_json, struct phi_view bytes,
                               const struct client_denial *why)
{
    PHI_BUF(one, 256 * 1024);
    if (!l->snapshot || !client_link_may_record(l))
        return false;
    write_record(&one, l, principal, target, session, actions_json, why);
    return take_one(l, &one, bytes, NULL);
}

bool client_link_record_again(struct client_link *l, const struct client_record_at *at, struct phi_view bytes)
{
    struct link_records *rs = &l->records;
    int64_t now = phi_now_boot_ms();
    if (!rs->open || rs->open->serial != at->batch || at->index >= rs->open->n || !may_record(rs, now))
        return false;
    take(rs, &rs->open->records[at->index], bytes, now);
    return true;
}

bool client_link_may_record(const struct client_link *l)
{
    return may_record(&l->records, phi_now_boot_ms());
}

bool client_link_idle(const struct client_link *l)
{
    return !l->records.first && !l->queue.first && !l->asks && !link_ahead_settling(l, NULL);
}
