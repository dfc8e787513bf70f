#include "proof/events.h"

#include <string.h>

#include "base/limits.h"
#include "proof/body_parts.h"

#define COMMON (PHI_FB(V) | PHI_FB(N) | PHI_FB(T) | PHI_FB(EV) | PHI_FB(BY))
#define MAX_STR 1024

static const struct field_row {
    const char *name;
    enum phi_field_kind kind;
    const char *text;
} fields[PHI_FIELDS_N] = {
#define X(id, name, kind, text) { name, PHI_FK_##kind, text },
    PHI_EVENT_FIELDS(X)
#undef X
};

static const struct event_row {
    const char *name;
    uint64_t must, may;
    const char *text;
} events[PHI_EVS_N] = {
#define X(id, name, must, may, text) { name, must, may, text },
    PHI_EVENTS(X)
#undef X
};

_Static_assert(PHI_FIELDS_N <= 64, "a member is a bit of a 64-bit word");

const char *phi_ev_name(enum phi_ev ev)
{
    return (unsigned)ev < PHI_EVS_N ? events[ev].name : "";
}

const char *phi_ev_text(enum phi_ev ev)
{
    return (unsigned)ev < PHI_EVS_N ? events[ev].text : "";
}

uint64_t phi_ev_must(enum phi_ev ev)
{
    return (unsigned)ev < PHI_EVS_N ? events[ev].must | COMMON : ~0ULL;
}

uint64_t phi_ev_may(enum phi_ev ev)
{
    return (unsigned)ev < PHI_EVS_N ? events[ev].may : 0;
}

bool phi_ev_read(struct phi_view name, enum phi_ev *ret)
{
    for (int i = 0; i < PHI_EVS_N; i++)
        if (phi_view_is(name, events[i].name)) {
            *ret = (enum phi_ev)i;
            return true;
        }
    return false;
}

const char *phi_field_name(enum phi_field f)
{
    return (unsigned)f < PHI_FIELDS_N ? fields[f].name : "";
}

enum phi_field_kind phi_field_kind_of(enum phi_field f)
{
    return fields[(unsigned)f < PHI_FIELDS_N ? f : PHI_F_V].kind;
}

/* ---- building ---- */

static union phi_field_value *put(struct phi_entry *e, enum phi_field f, enum phi_field_kind kind)
{
    if ((unsigned)f >= PHI_FIELDS_N || fields[f].kind != kind) {
        e->bad = true;
        f = PHI_F_EV; /* a place that nothing reads: the event is kept in e->ev */
    }
    e->has |= 1ULL << f;
    return &e->f[f];
}

void phi_entry_init(struct phi_entry *e, enum phi_ev ev, struct phi_ref by, int64_t t_ms)
{
    *e = (struct phi_entry){ .ev = ev, .has = PHI_FB(EV) };
    phi_entry_int(e, PHI_F_V, 1);
    phi_entry_int(e, PHI_F_T, t_ms);
    phi_entry_ref(e, PHI_F_BY, by);
}

void phi_entry_place(struct phi_entry *e, uint64_t n)
{
    phi_entry_int(e, PHI_F_N, n > (uint64_t)PROOF_MAX_MS ? -1 : (int64_t)n);
}

void phi_entry_str(struct phi_entry *e, enum phi_field f, struct phi_view v)
{
    put(e, f, PHI_FK_STR)->str = v;
}

void phi_entry_int(struct phi_entry *e, enum phi_field f, int64_t v)
{
    put(e, f, PHI_FK_INT)->num = v;
}

void phi_entry_hash(struct phi_entry *e, enum phi_field f, const struct phi_digest *h)
{
    put(e, f, PHI_FK_HASH)->hash = *h;
}

void phi_entry_ref(struct phi_entry *e, enum phi_field f, struct phi_ref r)
{
    put(e, f, PHI_FK_REF)->ref = r;
}

void phi_entry_refs(struct phi_entry *e, enum phi_field f, const struct phi_ref *r, size_t n)
{
    union phi_field_value *v = put(e, f, PHI_FK_REFS);
    v->refs.p = r;
    v->refs.n = n;
}

void phi_entry_json(struct phi_entry *e, enum phi_field f, struct phi_view canonical)
{
    put(e, f, PHI_FK_JSON)->str = canonical;
}

bool phi_entry_has(const struct phi_entry *e, enum phi_field f)
{
    return (unsigned)f < PHI_FIELDS_N && (e->has & (1ULL << f));
}

/* ---- checking ---- */

static enum phi_rc check_json(const char *name, struct phi_view v, struct phi_err *err)
{
    PHI_BUF(canon, PHI_MAX_LOG_ENTRY);
    enum phi_rc rc = v.n && v.p[0] == '{' ? phi_json_canon_text(v, &canon, NULL) : PHI_EINPUT;
    if (rc != PHI_OK || !phi_buf_ok(&canon) || !phi_view_eq(phi_buf_view(&canon), v))
        return phi_fail(err, PHI_EINPUT, "log entry: \"%s\" is no canonical JSON object", name);
    return PHI_OK;
}

static enum phi_rc check_value(enum phi_field f, const union phi_field_value *v, struct phi_err *err)
{
    const char *name = fields[f].name;
    switch (fields[f].kind) {
    case PHI_FK_STR:
        return proof_text(v->str, name, 1, MAX_STR, err);
    case PHI_FK_INT:
        if (v->num < 0 || v->num > PROOF_MAX_MS)
            return phi_fail(err, PHI_EINPUT, "log entry: \"%s\" is out of range", name);
        if (f == PHI_F_V && v->num != 1)
            return phi_fail(err, PHI_EINPUT, "log entry: unknown version of the format");
        return PHI_OK;
    case PHI_FK_REF:
        return proof_ref(v->ref, name, err);
    case PHI_FK_REFS:
        if (v->refs.n > PHI_MAX_ACTIONS)
            return phi_fail(err, PHI_EINPUT, "log entry: \"%s\" is too long", name);
        for (size_t i = 0; i < v->refs.n; i++)
            PHI_TRY(proof_ref(v->refs.p[i], name, err));
        return PHI_OK;
    case PHI_FK_JSON:
        return check_json(name, v->str, err);
    case PHI_FK_HASH:
    case PHI_FK_EV:
        return PHI_OK;
    }
    return phi_fail(err, PHI_EINPUT, "log entry: \"%s\" has no kind", name);
}

static enum phi_rc check_entry(const struct phi_entry *e, struct phi_err *err)
{
    if ((unsigned)e->ev >= PHI_EVS_N || e->bad)
        return phi_fail(err, PHI_EINPUT, "log entry: a member was set with the wrong kind, or the event is unknown");
    uint64_t must = phi_ev_must(e->ev), may = must | phi_ev_may(e->ev);
    for (int f = 0; f < PHI_FIELDS_N; f++) {
        uint64_t bit = 1ULL << f;
        if ((must & bit) && !(e->has & bit))
            return phi_fail(err, PHI_EINPUT, "log entry %s lacks \"%s\"", events[e->ev].name, fields[f].name);
        if ((e->has & bit) && !(may & bit))
            return phi_fail(err, PHI_EINPUT, "log entry %s has no member \"%s\"", events[e->ev].name, fields[f].name);
        if (e->has & bit)
            PHI_TRY(check_value((enum phi_field)f, &e->f[f], err));
    }
    return PHI_OK;
}

/* ---- encoding ---- */

static void write_value(struct phi_jw *w, const struct phi_entry *e, enum phi_field f)
{
    const union phi_field_value *v = &e->f[f];
    phi_jw_key(w, fields[f].name);
    switch (fields[f].kind) {
    case PHI_FK_STR:
        phi_jw_str(w, v->str);
        return;
    case PHI_FK_INT:
        phi_jw_int(w, v->num);
        return;
    case PHI_FK_HASH:
        phi_jw_hex(w, phi_digest_view(&v->hash));
        return;
    case PHI_FK_REF:
        phi_ref_write(w, v->ref);
        return;
    case PHI_FK_REFS:
        phi_refs_write(w, v->refs.p, v->refs.n);
        return;
    case PHI_FK_JSON:
        phi_jw_raw(w, v->str);
        return;
    case PHI_FK_EV:
        phi_jw_cstr(w, events[e->ev].name);
        return;
    }
}

enum phi_rc phi_entry_encode(struct phi_buf *out, const struct phi_entry *e, struct phi_err *err)
{
    struct phi_jw w;
    PHI_TRY(check_entry(e, err));
    size_t before = out->n;
    phi_jw_init(&w, out);
    phi_jw_obj(&w);
    for (int f = 0; f < PHI_FIELDS_N; f++)
        if (e->has & (1ULL << f))
            write_value(&w, e, (enum phi_field)f);
    phi_jw_end(&w);
    if (!phi_buf_ok(out) || out->n - before > PHI_MAX_LOG_ENTRY)
        return phi_fail(err, PHI_ELIMIT, "the log entry is over %d bytes", PHI_MAX_LOG_ENTRY);
    return PHI_OK;
}

/* ---- reading ---- */

static enum phi_rc read_json(struct phi_arena *a, const struct phi_json *v, struct phi_view *ret, struct phi_err *err)
{
    PHI_BUF(canon, PHI_MAX_LOG_ENTRY);
    phi_json_canon(&canon, v);
    if (!phi_buf_ok(&canon))
        return phi_fail(err, PHI_ELIMIT, "a member of the log entry is too long");
    *ret = phi_arena_copy(a, phi_buf_view(&canon));
    return PHI_OK;
}

static enum phi_rc read_value(struct phi_arena *a, const struct phi_json *v, enum phi_field f, struct phi_entry *e,
                              struct phi_err *err)
{
    union phi_field_value *x = put(e, f, fields[f].kind);
    bool ok = true;
    switch (fields[f].kind) {
    case PHI_FK_STR:
        ok = phi_json_str(v, &x->str);
        break;
    case PHI_FK_INT:
        ok = phi_json_int(v, &x->num);
        break;
    case PHI_FK_HASH: {
        struct phi_view hex = { 0 };
        ok = phi_json_str(v, &hex) && phi_digest_from_hex(hex, &x->hash);
        break;
    }
    case PHI_FK_REF:
        return phi_ref_read(v, fields[f].name, &x->ref, err);
    case PHI_FK_REFS:
        return phi_refs_read(a, v, fields[f].name, &x->refs.p, &x->refs.n, err);
    case PHI_FK_JSON:
        return read_json(a, v, &x->str, err);
    case PHI_FK_EV:
        return PHI_OK; /* read before the others */
    }
    return ok ? PHI_OK : phi_fail(err, PHI_EINPUT, "log entry: \"%s\" is of the wrong kind", fields[f].name);
}

static bool field_of(struct phi_view key, enum phi_field *ret)
{
    for (int f = 0; f < PHI_FIELDS_N; f++)
        if (phi_view_is(key, fields[f].name)) {
            *ret = (enum phi_field)f;
            return true;
        }
    return false;
}

enum phi_rc phi_entry_read(struct phi_arena *a, struct phi_view text, struct phi_entry *ret, struct phi_err *err)
{
    const struct phi_json *v = NULL;
    PHI_BUF(again, PHI_MAX_LOG_ENTRY);
    *ret = (struct phi_entry){ 0 };
    if (text.n > PHI_MAX_LOG_ENTRY)
        return phi_fail(err, PHI_ELIMIT, "the log entry is over %d bytes", PHI_MAX_LOG_ENTRY);
    PHI_TRY(phi_json_read(a, text, PHI_JSON_STRICT, "log entry", &v, err));
    if (v->kind != PHI_JSON_OBJ)
        return phi_fail(err, PHI_EINPUT, "a log entry must be an object");
    if (!phi_ev_read(phi_json_text(v, "ev"), &ret->ev))
        return phi_fail(err, PHI_ENOTFOUND, "this phi does not know the log entry's event");
    for (size_t i = 0; i < v->n; i++) {
        enum phi_field f;
        if (!field_of(v->keys[i], &f))
            return phi_fail(err, PHI_EINPUT, "the log entry has a member that is not in the audit list");
        PHI_TRY(read_value(a, &v->items[i], f, ret, err));
    }
    PHI_TRY(phi_entry_encode(&again, ret, err));
    if (!phi_view_eq(phi_buf_view(&again), text))
        return phi_fail(err, PHI_EINPUT, "the log entry is not canonical");
    return phi_arena_ok(a) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "out of memory");
}

/* ---- the page ---- */

static const char *kind_text(enum phi_field_kind k)
{
    switch (k) {
    case PHI_FK_STR:
        return "text";
    case PHI_FK_INT:
        return "integer";
    case PHI_FK_HASH:
        return "hash";
    case PHI_FK_REF:
        return "entity";
    case PHI_FK_REFS:
        return "entities";
    case PHI_FK_JSON:
        return "object";
    case PHI_FK_EV:
        return "event";
    }
    return "";
}

static void page_members(struct phi_buf *out, uint64_t bits)
{
    bool any = false;
    for (int f = 0; f < PHI_FIELDS_N; f++)
        if (bits & (1ULL << f)) {
            phi_buf_printf(out, "%s`%s`", any ? " " : "", fields[f].name);
            any = true;
        }
}

void phi_events_page(struct phi_buf *out)
{
    phi_buf_adds(out, "# Audit events\n\n"
                      "Generated from `src/proof/events.h`; a test fails where the two differ. Each event is one leaf of the log\n"
                      "(docs/formats.md, *Log entry*). Every entry has `v` (1), `n` (its index), `t` (wall clock, ms), `ev` and `by`.\n\n"
                      "| event | meaning | has | may have |\n|---|---|---|---|\n");
    for (int i = 0; i < PHI_EVS_N; i++) {
        phi_buf_printf(out, "| `%s` | %s | ", events[i].name, events[i].text);
        page_members(out, events[i].must);
        phi_buf_adds(out, " | ");
        page_members(out, events[i].may);
        phi_buf_adds(out, " |\n");
    }
    phi_buf_adds(out, "\n## Members\n\n| member | kind | meaning |\n|---|---|---|\n");
    for (int f = 0; f < PHI_FIELDS_N; f++)
        phi_buf_printf(out, "| `%s` | %s | %s |\n", fields[f].name, kind_text(fields[f].kind), fields[f].text);
}
