#include "proof/export.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "proof/events.h"

#define CSV_HEAD "n,time,event,by_type,by,request,grant,person,target,entry\r\n"

static const struct form {
    const char *name, *file, *head;
} forms[] = {
    [PHI_EXPORT_JSON] = { "json", "entries.jsonl", "" },
    [PHI_EXPORT_OCSF] = { "ocsf", "ocsf.jsonl", "" },
    [PHI_EXPORT_CSV] = { "csv", "log.csv", CSV_HEAD },
    [PHI_EXPORT_SYSLOG] = { "syslog", "log.syslog", "" },
};

bool phi_export_form_read(struct phi_view name, enum phi_export_form *ret)
{
    for (size_t i = PHI_EXPORT_JSON; i < sizeof forms / sizeof *forms; i++)
        if (phi_view_is(name, forms[i].name)) {
            *ret = (enum phi_export_form)i;
            return true;
        }
    return false;
}

const char *phi_export_file(enum phi_export_form f)
{
    return forms[f].file;
}

const char *phi_export_head(enum phi_export_form f)
{
    return forms[f].head;
}

static struct phi_view id_of(const struct phi_json *e, const char *member)
{
    return phi_json_text(phi_json_get(e, member), "id");
}

static bool begins(struct phi_view v, const char *prefix)
{
    return phi_view_starts(v, phi_view_of(prefix));
}

/* ---- OCSF ---- */

enum { ACCOUNT_CHANGE = 3001, AUTHENTICATION = 3002, ENTITY_MANAGEMENT = 3004, USER_ACCESS = 3005, GROUP_MANAGEMENT = 3006 };

static const struct ocsf {
    const char *ev; /* or how it begins, ending in a dot */
    int class, activity;
    const char *name;
    int severity; /* 1 informational, 2 low, 3 medium */
    bool failed;
} ocsf[] = {
    { "person.added", ACCOUNT_CHANGE, 1, "Create", 1, false },
    { "person.removed", ACCOUNT_CHANGE, 6, "Delete", 2, false },
    { "account.linked", ACCOUNT_CHANGE, 99, "Linked", 1, false },
    { "session.opened", AUTHENTICATION, 1, "Logon", 1, false },
    { "session.closed", AUTHENTICATION, 2, "Logoff", 1, false },
    { "group.member-added", GROUP_MANAGEMENT, 3, "Add User", 2, false },
    { "group.member-removed", GROUP_MANAGEMENT, 4, "Remove User", 2, false },
    { "grant.made", USER_ACCESS, 1, "Assign Privileges", 2, false },
    { "grant.used", USER_ACCESS, 2, "Revoke Privileges", 1, false },
    { "grant.expired", USER_ACCESS, 2, "Revoke Privileges", 1, false },
    { "grant.returned", USER_ACCESS, 2, "Revoke Privileges", 1, false },
    { "grant.revoked", USER_ACCESS, 2, "Revoke Privileges", 3, false },
    { "action.denied", ENTITY_MANAGEMENT, 2, "Read", 3, true },
    { "request.denied", ENTITY_MANAGEMENT, 3, "Update", 2, true },
    { "request.created", ENTITY_MANAGEMENT, 1, "Create", 1, false },
    { "body.erased", ENTITY_MANAGEMENT, 4, "Delete", 2, false },
    { "key.rotated", ENTITY_MANAGEMENT, 3, "Update", 3, false },
    { "log.opened", ENTITY_MANAGEMENT, 1, "Create", 2, false },
    { "bundle.live", ENTITY_MANAGEMENT, 3, "Update", 2, false },
    { "", ENTITY_MANAGEMENT, 3, "Update", 1, false },
};

static const struct ocsf *ocsf_of(struct phi_view ev)
{
    const struct ocsf *o = ocsf;
    while (o->ev[0] && !phi_view_is(ev, o->ev))
        o++;
    return o;
}

static void thing(struct phi_jw *w, const char *key, struct phi_view uid, struct phi_view type)
{
    phi_jw_key(w, key);
    phi_jw_obj(w);
    phi_jw_kv(w, "type", type);
    phi_jw_kv(w, "uid", uid);
    phi_jw_end(w);
}

/* What an entry is about: the request, the grant, or whatever else it names. */
static void entity(struct phi_jw *w, const struct phi_json *e)
{
    static const char *const texts[] = { "grant", "req", "claim", "credential", "token", "link", "session", "bundle", "origin" };
    static const char *const refs[] = { "gateway", "target", "person", "group" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (phi_json_text(e, texts[i]).n) {
            const char *type = strcmp(texts[i], "req") == 0 ? "request" : strcmp(texts[i], "origin") == 0 ? "log" : texts[i];
            thing(w, "entity", phi_json_text(e, texts[i]), phi_view_of(type));
            return;
        }
    for (size_t i = 0; i < sizeof refs / sizeof *refs; i++)
        if (id_of(e, refs[i]).n) {
            thing(w, "entity", id_of(e, refs[i]), phi_view_of(refs[i]));
            return;
        }
    thing(w, "entity", PHI_LIT("log"), PHI_LIT("log"));
}

static void about(struct phi_jw *w, const struct phi_json *e, int class)
{
    struct phi_view person = id_of(e, "person"), type = PHI_LIT("Person");
    if (!person.n) {
        const struct phi_json *terms = phi_json_get(e, "terms");
        person = phi_json_text(phi_json_get(terms, "principal"), "id");
    }
    if (!person.n) {
        person = id_of(e, "by");
        type = phi_json_text(phi_json_get(e, "by"), "type");
    }
    if (class == ENTITY_MANAGEMENT) {
        entity(w, e);
        return;
    }
    thing(w, "user", person, type);
    if (class == GROUP_MANAGEMENT)
        thing(w, "group", id_of(e, "group"), PHI_LIT("group"));
    if (class == USER_ACCESS) {
        phi_jw_key(w, "privileges");
        phi_jw_arr(w);
        phi_jw_str(w, phi_json_text(e, "grant"));
        phi_jw_end(w);
    }
}

static void metadata(struct phi_jw *w, struct phi_view origin, const struct phi_json *e)
{
    PHI_BUF(uid, 512);
    phi_buf_printf(&uid, PHI_FMT "/%lld", PHI_ARG(origin), (long long)phi_json_num(e, "n", -1));
    phi_jw_key(w, "metadata");
    phi_jw_obj(w);
    phi_jw_kv(w, "event_code", phi_json_text(e, "ev"));
    phi_jw_kv(w, "log_name", origin);
    phi_jw_key(w, "product");
    phi_jw_obj(w);
    phi_jw_kc(w, "name", "phi (just-in-time approval)");
    phi_jw_kc(w, "vendor_name", "phi");
    phi_jw_end(w);
    phi_jw_ki(w, "sequence", phi_json_num(e, "n", -1));
    phi_jw_kv(w, "uid", phi_buf_view(&uid));
    phi_jw_kc(w, "version", "1.3.0");
    phi_jw_end(w);
}

static void ocsf_write(struct phi_buf *out, struct phi_view origin, const struct phi_json *e, struct phi_view text)
{
    struct phi_jw w;
    enum phi_ev ev;
    const struct ocsf *o = ocsf_of(phi_json_text(e, "ev"));
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    phi_jw_ki(&w, "activity_id", o->activity);
    phi_jw_kc(&w, "activity_name", o->name);
    phi_jw_key(&w, "actor");
    phi_jw_obj(&w);
    thing(&w, "user", id_of(e, "by"), phi_json_text(phi_json_get(e, "by"), "type"));
    phi_jw_end(&w);
    phi_jw_ki(&w, "category_uid", 3);
    phi_jw_ki(&w, "class_uid", o->class);
    about(&w, e, o->class);
    if (phi_ev_read(phi_json_text(e, "ev"), &ev))
        phi_jw_kc(&w, "message", phi_ev_text(ev));
    metadata(&w, origin, e);
    phi_jw_kv(&w, "raw_data", text); /* byte for byte what was hashed */
    phi_jw_ki(&w, "severity_id", o->severity);
    phi_jw_ki(&w, "status_id", o->failed ? 2 : 1);
    phi_jw_ki(&w, "time", phi_json_num(e, "t", 0));
    phi_jw_ki(&w, "type_uid", o->class * 100 + o->activity);
    phi_jw_end(&w);
    phi_buf_addc(out, '\n');
}

/* ---- CSV ---- */

/* A spreadsheet runs what begins like a formula; an apostrophe keeps it text. */
static void field(struct phi_buf *out, struct phi_view v, bool last)
{
    phi_buf_addc(out, '"');
    if (v.n && strchr("=+-@\t\r", v.p[0]))
        phi_buf_addc(out, '\'');
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '"')
            phi_buf_addc(out, '"');
        phi_buf_addc(out, v.p[i]);
    }
    phi_buf_adds(out, last ? "\"\r\n" : "\",");
}

static void csv_write(struct phi_buf *out, const struct phi_json *e, struct phi_view text)
{
    PHI_BUF(time, 64);
    phi_text_time(&time, phi_json_num(e, "t", 0));
    phi_buf_printf(out, "%lld,", (long long)phi_json_num(e, "n", -1));
    field(out, phi_buf_view(&time), false);
    field(out, phi_json_text(e, "ev"), false);
    field(out, phi_json_text(phi_json_get(e, "by"), "type"), false);
    field(out, id_of(e, "by"), false);
    field(out, phi_json_text(e, "req"), false);
    field(out, phi_json_text(e, "grant"), false);
    field(out, id_of(e, "person"), false);
    field(out, id_of(e, "target"), false);
    field(out, text, true);
}

/* ---- RFC 5424 ---- */

static void param(struct phi_buf *out, const char *name, struct phi_view v)
{
    if (!v.n)
        return;
    phi_buf_printf(out, " %s=\"", name);
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '"' || v.p[i] == '\\' || v.p[i] == ']')
            phi_buf_addc(out, '\\');
        phi_buf_addc(out, v.p[i]);
    }
    phi_buf_addc(out, '"');
}

/* HOSTNAME and MSGID are printable ASCII of at most so many bytes (6.2.4, 6.2.7). */
static void header_text(struct phi_buf *out, struct phi_view v, size_t max)
{
    if (!v.n)
        phi_buf_addc(out, '-');
    for (size_t i = 0; i < v.n && i < max; i++)
        phi_buf_addc(out, v.p[i] > 32 && v.p[i] < 127 ? v.p[i] : '?');
}

static int pri(struct phi_view ev)
{
    bool loud = phi_view_is(ev, "action.denied") || phi_view_is(ev, "request.denied") || phi_view_is(ev, "grant.revoked") ||
                phi_view_is(ev, "key.rotated") || begins(ev, "break-glass.");
    return 13 * 8 + (loud ? 4 : 5); /* facility log audit; warning or notice */
}

static void syslog_write(struct phi_buf *out, struct phi_view origin, const struct phi_json *e, struct phi_view text)
{
    struct phi_view ev = phi_json_text(e, "ev");
    PHI_BUF(n, 32);
    phi_buf_printf(&n, "%lld", (long long)phi_json_num(e, "n", -1));
    phi_buf_printf(out, "<%d>1 ", pri(ev));
    phi_text_time(out, phi_json_num(e, "t", 0));
    phi_buf_addc(out, ' ');
    header_text(out, origin, 255);
    phi_buf_adds(out, " phi - ");
    header_text(out, ev, 32);
    phi_buf_adds(out, " [phi@32473"); /* the enterprise number that RFC 5612 keeps for examples: phi has none of its own */
    param(out, "n", phi_buf_view(&n));
    param(out, "by", id_of(e, "by"));
    param(out, "request", phi_json_text(e, "req"));
    param(out, "grant", phi_json_text(e, "grant"));
    param(out, "person", id_of(e, "person"));
    param(out, "target", id_of(e, "target"));
    phi_buf_adds(out, "] \xef\xbb\xbf");
    phi_buf_add(out, text);
    phi_buf_addc(out, '\n');
}

enum phi_rc phi_export_entry(struct phi_buf *out, enum phi_export_form f, struct phi_view origin, struct phi_view entry,
                             struct phi_err *err)
{
    PHI_ARENA(a, 16 * PHI_MAX_LOG_ENTRY);
    const struct phi_json *e;
    if (phi_json_read(&a, entry, PHI_JSON_STRICT, "entry", &e, NULL) != PHI_OK || e->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "this is no entry of phi's log");
    switch (f) {
    case PHI_EXPORT_JSON:
        phi_buf_add(out, entry);
        phi_buf_addc(out, '\n');
        break;
    case PHI_EXPORT_OCSF:
        ocsf_write(out, origin, e, entry);
        break;
    case PHI_EXPORT_CSV:
        csv_write(out, e, entry);
        break;
    case PHI_EXPORT_SYSLOG:
        syslog_write(out, origin, e, entry);
        break;
    }
    return phi_buf_ok(out) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the exported entry is too long");
}
