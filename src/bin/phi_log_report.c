/* log report: the entries of a period that speak of a control, each with its receipt. The whole log is verified on the way:
 * a report of a false log is none. */
#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "base/text.h"
#include "bin/phi_log.h"

#define RECEIPTS_MAX 10000
#define REPORT_MAX (64u << 20)

/* Which events are evidence for a control. A word ending in '.' stands for all that begin with it. */
static const struct control {
    const char *name, *title, *events;
} controls[] = {
    { "CC6.1", "SOC 2 CC6.1: logical access is restricted", "bundle.live credential. gateway. session. action.denied request.denied" },
    { "CC6.2", "SOC 2 CC6.2: users are registered, authorised and removed", "person. account. link. session. credential. token." },
    { "CC6.3", "SOC 2 CC6.3: access is granted, changed and removed by role and least privilege", "request. grant. group." },
    { "A.5.15", "ISO/IEC 27001 A.5.15: access control", "bundle.live group. action.denied request.approved request.denied" },
    { "A.5.18", "ISO/IEC 27001 A.5.18: access rights", "request. grant. group. person." },
    { "A.8.2", "ISO/IEC 27001 A.8.2: privileged access rights", "request. grant. action.denied" },
    { "7.2", "PCI DSS 7.2: access is defined and assigned", "bundle.live group. request.approved grant.made grant.revoked grant.expired" },
    { "8.6", "PCI DSS 8.6: application and system accounts", "token. gateway. credential." },
    { "10.2", "PCI DSS 10.2: audit logs", "person. group. session. action.denied grant. records.batch log. key." },
    { "AC-3(2)", "NIST SP 800-53 AC-3(2): dual authorization", "request.voted request.approved request.denied grant.made" },
    { "AC-6(9)", "NIST SP 800-53 AC-6(9): use of privileged functions is logged", "grant.claimed grant.outcome grant.given-back records.batch action.denied" },
};

struct report {
    struct cli *c;
    const struct control *control;
    int64_t from_ms, to_ms;
    struct phi_buf rows;
    uint64_t at[RECEIPTS_MAX];
    size_t n;
};

static bool speaks(const struct control *c, struct phi_view ev)
{
    struct phi_view rest = phi_view_of(c->events), word;
    while (phi_view_split(&rest, ' ', &word))
        if (phi_view_eq(word, ev) || (word.p[word.n - 1] == '.' && phi_view_starts(ev, word)))
            return true;
    return false;
}

static void cell(struct phi_buf *b, struct phi_view v)
{
    PHI_BUF(text, 8192);
    phi_text_escape(&text, v, false);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '|')
            phi_buf_addc(b, '\\');
        phi_buf_addc(b, text.p[i]);
    }
    phi_buf_adds(b, " | ");
}

static bool take(void *ctx, struct phi_view entry)
{
    struct report *r = ctx;
    const struct phi_json *e;
    PHI_ARENA(a, 4 << 20);
    if (phi_json_read(&a, entry, PHI_JSON_STRICT, "entry", &e, NULL) != PHI_OK)
        return true; /* the audit names it */
    int64_t t = phi_json_num(e, "t", -1);
    if (t < r->from_ms || t >= r->to_ms || !speaks(r->control, phi_json_text(e, "ev")))
        return true;
    if (r->n == RECEIPTS_MAX) {
        cli_err(&(struct phi_err){ .rc = PHI_ELIMIT, .msg = "a report holds at most 10,000 entries: choose a shorter period" });
        return false;
    }
    r->at[r->n++] = (uint64_t)phi_json_num(e, "n", 0);
    phi_buf_printf(&r->rows, "| [%lld](receipts/%lld.tlog-proof) | ", (long long)phi_json_num(e, "n", 0), (long long)phi_json_num(e, "n", 0));
    phi_text_time(&r->rows, t);
    phi_buf_adds(&r->rows, " | ");
    cell(&r->rows, phi_json_text(e, "ev"));
    cell(&r->rows, phi_json_text(phi_json_get(e, "by"), "id"));
    cell(&r->rows, phi_json_text(e, phi_json_text(e, "req").n ? "req" : "grant"));
    phi_buf_adds(&r->rows, "\n");
    return true;
}

static void head(struct phi_buf *b, const struct report *r, const struct log_check *k)
{
    phi_buf_printf(b, "# %s\n\nLog `" PHI_FMT "`, verified whole up to its %llu entries. Period ", r->control->title, PHI_ARG(k->head.origin),
                   (unsigned long long)k->head.size);
    phi_text_time(b, r->from_ms);
    phi_buf_adds(b, " up to ");
    phi_text_time(b, r->to_ms);
    phi_buf_printf(b, ". %zu entries. Each has a receipt that `phi log check` holds against the log's public key, offline; persons stand by their "
                      "pseudonymous id.\n\n| entry | time | event | by | request or grant |\n|---|---|---|---|---|\n",
                   r->n);
}

static enum phi_rc put(const char *dir, const char *name, struct phi_view v, struct phi_err *err)
{
    PHI_BUF(path, 4096);
    phi_buf_printf(&path, "%s/%s", dir, name);
    if (!phi_buf_ok(&path))
        return phi_fail(err, PHI_ELIMIT, "the path is too long: %s", dir);
    return phi_file_write(phi_buf_str(&path), v, 0644, err);
}

static int write_all(struct log_check *k, struct report *r, const char *dir)
{
    struct phi_err err = { 0 };
    char name[1024];
    PHI_BUF(text, REPORT_MAX + 4096);
    head(&text, r, k);
    phi_buf_add(&text, phi_buf_view(&r->rows));
    if (snprintf(name, sizeof name, "%s/receipts", dir) >= (int)sizeof name)
        return cli_err(&(struct phi_err){ .rc = PHI_ELIMIT, .msg = "the path of --out is too long" });
    if (!phi_buf_ok(&r->rows) || !phi_buf_ok(&text))
        return cli_err(&(struct phi_err){ .rc = PHI_ELIMIT, .msg = "the report is too long: choose a shorter period" });
    if (phi_dir_make(name, 0755, &err) != PHI_OK || put(dir, "report.md", phi_buf_view(&text), &err) != PHI_OK ||
        put(dir, "checkpoint", phi_buf_view(&k->note), &err) != PHI_OK || put(dir, "key", phi_buf_view(&k->key_text), &err) != PHI_OK)
        return cli_err(&err);
    for (size_t i = 0; i < r->n; i++) {
        PHI_BUF(receipt, 1 << 20);
        int rc = cli_log_receipt(k, r->at[i], &receipt);
        if (rc)
            return rc;
        snprintf(name, sizeof name, "receipts/%llu.tlog-proof", (unsigned long long)r->at[i]);
        if (put(dir, name, phi_buf_view(&receipt), &err) != PHI_OK)
            return cli_err(&err);
    }
    return CLI_DONE;
}

/* ---- arguments ---- */

static int find(struct cli *c, struct report *r)
{
    const char *name = cli_opt(c, OPT_CONTROL);
    PHI_BUF(all, 512);
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        if (name && strcmp(name, controls[i].name) == 0)
            r->control = &controls[i];
        phi_buf_printf(&all, " %s", controls[i].name);
    }
    return r->control ? CLI_DONE : cli_usage(c, "--control takes one of", phi_buf_str(&all));
}

static int report(struct log_check *k, struct report *r)
{
    struct cli *c = k->c;
    const char *out = cli_opt(c, OPT_OUT);
    int rc = find(c, r);
    if (rc || (rc = cli_when(c, OPT_FROM, 0, &r->from_ms)) || (rc = cli_when(c, OPT_TO, phi_now_wall_ms(), &r->to_ms)))
        return rc;
    if (!out)
        return cli_usage(c, "--out names the folder that the report is written to", NULL);
    if ((rc = cli_open(c)) || (rc = cli_log_key(k, true)) || (rc = cli_log_head(k)) || (rc = cli_log_walk(k, take, r)) ||
        (rc = cli_log_judge(k, true)))
        return rc;
    return write_all(k, r, out);
}

int cli_do_log_report(struct cli *c)
{
    static struct report r;
    struct log_check k;
    r = (struct report){ .c = c };
    phi_buf_init(&r.rows, REPORT_MAX);
    cli_log_begin(&k, c);
    int rc = report(&k, &r);
    cli_log_done(&k);
    phi_buf_done(&r.rows);
    return rc;
}
