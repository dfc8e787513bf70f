#include "proof/succession.h"

#include <string.h>

#include "base/text.h"
#include "proof/cosign.h"

#define HEAD "phi-log-key/v1 "

static const char *kind_name(enum phi_succession_kind k)
{
    return k == PHI_SUCCESSION_ROTATED ? "rotated" : "restored";
}

bool phi_vkey_eq(const struct phi_vkey *a, const struct phi_vkey *b)
{
    return phi_view_eq(a->name, b->name) && memcmp(a->pub.b, b->pub.b, sizeof a->pub.b) == 0;
}

void phi_succession_write(struct phi_buf *out, const struct phi_succession *s)
{
    phi_buf_printf(out, HEAD "%s\n", kind_name(s->kind));
    phi_vkey_write(out, &s->from);
    phi_buf_addc(out, '\n');
    phi_vkey_write(out, &s->to);
    phi_buf_addc(out, '\n');
    if (s->kind == PHI_SUCCESSION_ROTATED)
        return;
    phi_buf_printf(out, "%llu\n", (unsigned long long)s->size);
    phi_b64_add(out, phi_digest_view(&s->root));
    phi_buf_addc(out, '\n');
}

static enum phi_rc no_text(struct phi_err *err)
{
    return phi_fail(err, PHI_EINPUT, "this says nothing of a log's next key");
}

static enum phi_rc head_read(struct phi_view rest, struct phi_succession *s, struct phi_err *err)
{
    struct phi_view line;
    int64_t size;
    PHI_BUF(root, 64);
    if (!phi_view_split(&rest, '\n', &line) || !phi_view_int(line, &size) || size < 1 || !phi_view_split(&rest, '\n', &line) ||
        !phi_b64_read(line, &root) || root.n != sizeof s->root.b)
        return no_text(err);
    s->size = (uint64_t)size;
    memcpy(s->root.b, root.p, sizeof s->root.b);
    return PHI_OK;
}

enum phi_rc phi_succession_read(struct phi_view text, struct phi_succession *ret, struct phi_err *err)
{
    struct phi_succession s = { 0 };
    struct phi_view rest = text, kind, line;
    PHI_BUF(again, 4096);
    if (text.n > 4000 || !phi_view_split(&rest, '\n', &kind))
        return no_text(err);
    if (phi_view_is(kind, HEAD "rotated"))
        s.kind = PHI_SUCCESSION_ROTATED;
    else if (phi_view_is(kind, HEAD "restored"))
        s.kind = PHI_SUCCESSION_RESTORED;
    else
        return no_text(err);
    if (!phi_view_split(&rest, '\n', &line))
        return no_text(err);
    PHI_TRY(phi_vkey_read(line, &s.from, err));
    if (!phi_view_split(&rest, '\n', &line))
        return no_text(err);
    PHI_TRY(phi_vkey_read(line, &s.to, err));
    if (s.kind == PHI_SUCCESSION_RESTORED)
        PHI_TRY(head_read(rest, &s, err));
    bool same = phi_view_eq(s.from.name, s.to.name);
    phi_succession_write(&again, &s);
    if (!phi_buf_ok(&again) || !phi_view_eq(phi_buf_view(&again), text) || same != (s.kind == PHI_SUCCESSION_ROTATED) ||
        phi_vkey_eq(&s.from, &s.to))
        return no_text(err);
    *ret = s;
    return PHI_OK;
}

static bool any_signed(struct phi_view note, const struct phi_vkey *keys, size_t n)
{
    struct phi_view text;
    for (size_t i = 0; i < n; i++)
        if (phi_note_open(note, &keys[i], &text, NULL) == PHI_OK)
            return true;
    return false;
}

enum phi_rc phi_succession_open(struct phi_view note, const struct phi_vkey *have, const struct phi_vkey *operators,
                                size_t n_operators, struct phi_succession *ret, struct phi_err *err)
{
    struct phi_view text, sigs;
    PHI_TRY(phi_note_cut(note, &text, &sigs, err));
    PHI_TRY(phi_succession_read(text, ret, err));
    if (!phi_vkey_eq(&ret->from, have))
        return phi_fail(err, PHI_EDENIED, "this leads on from another key");
    if (ret->kind == PHI_SUCCESSION_RESTORED)
        return any_signed(note, operators, n_operators)
                   ? PHI_OK
                   : phi_fail(err, PHI_EDENIED, "no operator whose key is pinned here has signed the log's new origin");
    PHI_TRY(phi_note_open(note, &ret->from, &text, err));
    return phi_note_open(note, &ret->to, &text, err);
}

void phi_succession_follow(const struct phi_view *notes, const struct phi_view *texts, size_t n, const struct phi_vkey *operators,
                           size_t n_operators, struct phi_vkey *key, bool *ret_restored, bool *ret_unsigned)
{
    struct phi_succession s;
    *ret_restored = *ret_unsigned = false;
    for (size_t i = 0; i < n; i++) {
        if (phi_succession_open(notes[i], key, operators, n_operators, &s, NULL) == PHI_OK) {
            *key = s.to;
            *ret_restored = *ret_restored || s.kind == PHI_SUCCESSION_RESTORED;
        } else if (phi_succession_read(texts[i], &s, NULL) == PHI_OK && phi_vkey_eq(&s.from, key)) {
            *ret_unsigned = true;
        }
    }
}

enum phi_rc phi_operators_read(struct phi_view text, struct phi_vkey *ret, size_t *ret_n, struct phi_err *err)
{
    struct phi_view line;
    *ret_n = 0;
    while (phi_view_split(&text, '\n', &line)) {
        line = phi_view_trim(line);
        if (!line.n || line.p[0] == '#')
            continue;
        if (*ret_n == PHI_OPERATORS_MAX)
            return phi_fail(err, PHI_ELIMIT, "more than %d operators' keys", PHI_OPERATORS_MAX);
        PHI_TRY(phi_vkey_read(line, &ret[(*ret_n)++], err));
    }
    return PHI_OK;
}
