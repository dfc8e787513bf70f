/* What people wrote, on its way out by every channel: no header, part or markup of theirs begins. Also channels' settings and what
 * Slack answers. The first byte says which; fields are ended by NUL. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/notice.h"
#include "proof/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void folder_remove(void)
{
    char path[80];
    snprintf(path, sizeof path, "%s/s", folder);
    unlink(path);
    rmdir(folder);
}

/* One secret that fits every kind. */
static void folder_make(void)
{
    char path[80];
    snprintf(folder, sizeof folder, "/tmp/phi-fuzz-notice-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    snprintf(path, sizeof path, "%s/s", folder);
    int fd = creat(path, 0600);
    if (fd < 0 || write(fd, "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n", 51) != 51)
        abort();
    close(fd);
    atexit(folder_remove);
}

static struct phi_view field(struct phi_view *rest)
{
    struct phi_view v = { 0 };
    phi_view_split(rest, 0, &v);
    return v;
}

static struct phi_view body_of(struct phi_arena *a, struct phi_view bytes)
{
    PHI_BUF(out, 1 << 20);
    struct phi_pair pair = { PHI_LIT("pg:delete"), phi_ref_make(a, "Table", "shop", "public", "orders", NULL) };
    struct phi_view shop = PHI_LIT("shop");
    struct phi_body b = { .requester = phi_ref_of("Person", PHI_LIT("0192f3a0-0000-7000-8000-000000000000")),
                          .target = phi_ref_make_parts(a, "Target", &shop, 1),
                          .actions = &pair,
                          .n_actions = 1,
                          .payload = { .kind = PHI_PAYLOAD_PG_QUERY, .bytes = bytes },
                          .bounds = { .for_ms = 60000, .uses = 1 },
                          .version = 1 };
    phi_id_read(PHI_LIT("0192f3a0-0000-7000-8000-000000000001"), &b.id);
    phi_body_write(&out, &b);
    return notice_z(a, &out);
}

static void mail_holds(struct phi_view v)
{
    static const char *const known[] = { "From: ", "To: ", "Subject:", "Date: ", "Message-ID: ", "In-Reply-To: ", "References: ", "Auto-Submitted: ",
                                         "MIME-Version: ", "Content-Type: ", "Content-Transfer-Encoding: ", "--phi-", " =?utf-8?B?" };
    bool head = true;
    while (v.n) {
        const uint8_t *end = memmem(v.p, v.n, "\r\n", 2);
        struct phi_view line = phi_view_upto(v, end ? (size_t)(end - v.p) : v.n);
        bool ok = end && line.n <= 998;
        for (size_t i = 0; i < line.n; i++)
            ok = ok && line.p[i] >= 0x20 && line.p[i] < 0x7f;
        bool named = line.n == 0;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            named = named || phi_view_starts(line, phi_view_of(known[i]));
        if (!ok || (head && !named))
            abort();
        head = line.n == 0 ? false : head || phi_view_starts(line, PHI_LIT("--phi-"));
        v = phi_view_from(v, line.n + 2);
    }
}

static void json_holds(struct phi_arena *a, struct phi_view v, bool slack)
{
    const struct phi_json *j;
    if (phi_json_read(a, v, PHI_JSON_STRICT, "body", &j, NULL) != PHI_OK)
        abort();
    struct phi_view text = phi_json_text(j, "text");
    if (slack && (memchr(text.p, '<', text.n) || memchr(text.p, '>', text.n)))
        abort();
}

static void leaves(struct phi_arena *a, uint8_t which, struct phi_view rest)
{
    static const struct {
        const char *kind, *settings;
    } kinds[] = { { "email", "{\"from\":\"phi@example.test\",\"server\":\"smtps://mail.example.test\",\"show\":\"statement\"}" },
                  { "slack", "{\"buttons\":true,\"secret\":\"s\",\"show\":\"statement\"}" },
                  { "webhook", "{\"secret\":\"s\",\"show\":\"statement\",\"url\":\"https://example.test/\"}" },
                  { "teams", "{\"secret\":\"s\",\"show\":\"statement\"}" },
                  { "command", "{\"command\":\"c\",\"show\":\"statement\"}" },
                  { "callback", "{\"secret\":\"s\",\"url\":\"https://example.test/\"}" } };
    static const char *const whats[] = { "request.created", "request.denied", "request.commented", "request.reminder" };
    struct phi_remark remark = { .kind = PHI_LIT("comment") };
    struct phi_request r = { .id = PHI_LIT("0192f3a0-0000-7000-8000-000000000001"), .code = PHI_LIT("K7Q-4MX"), .status = PHI_REQUEST_PENDING,
                             .version = 1, .for_ms = 60000, .uses = 1, .can_vote = true, .remarks = &remark, .n_remarks = 1 };
    r.requester_name = field(&rest);
    r.summary = field(&rest);
    r.why = field(&rest);
    r.ticket = field(&rest);
    r.denied_by = field(&rest);
    r.reason = remark.text = field(&rest);
    r.body = body_of(a, rest);
    struct phi_message m = { .id = r.id, .content = 1, .channel = PHI_LIT("c"), .person = r.id, .name = r.requester_name,
                             .address = PHI_LIT("bob@example.test"), .request = &r };
    struct api_notice_env env = { "http://localhost:8470", folder, 1700000000000 };
    struct api_notice n;
    m.kind = phi_view_of(kinds[which % 6].kind);
    m.settings = phi_view_of(kinds[which % 6].settings);
    m.what = phi_view_of(whats[which / 6 % 4]);
    m.note = PHI_LIT("tsk_AAAAAAAAAAAAAAAAAAAAAA approved");
    m.state = r.why;
    if (api_notice_make(a, &env, &m, &n, NULL) != PHI_OK)
        return;
    if (which % 6 == 0)
        mail_holds(n.ask.body);
    else
        json_holds(a, n.way == API_NOTICE_COMMAND ? phi_view_trim(n.input) : n.ask.body, which % 6 == 1);
}

static void settings(struct phi_arena *a, struct phi_view rest)
{
    const struct phi_json *v;
    struct phi_view out;
    static const char *const kinds[] = { "webhook", "email", "slack", "teams", "command", "callback" };
    if (phi_json_read(a, rest, PHI_JSON_STRICT, "settings", &v, NULL) != PHI_OK || v->kind != PHI_JSON_OBJ)
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (api_channel_check(a, phi_view_of(kinds[i]), v, &out, NULL) == PHI_OK)
            json_holds(a, out, false);
}

static void answer(struct phi_arena *a, struct phi_view rest)
{
    struct phi_message m = { .kind = PHI_LIT("slack") };
    struct net_fetch_answer got = { .status = 200, .body = rest };
    struct phi_sent sent = { 0 };
    notice_slack_answer(a, &m, &got, &sent);
    if (sent.how != PHI_SENT_OK && sent.how != PHI_SENT_LATER && sent.how != PHI_SENT_NEVER)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PHI_ARENA(a, (size_t)64 << 20);
    if (!folder[0])
        folder_make();
    if (size == 0)
        return 0;
    struct phi_view rest = phi_view_mem(data + 1, size - 1);
    if (data[0] < 20)
        leaves(&a, data[0], rest);
    else if (data[0] % 2)
        settings(&a, rest);
    else
        answer(&a, rest);
    return 0;
}
