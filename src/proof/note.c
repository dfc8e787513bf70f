#include "proof/note.h"

#include <string.h>

#include "base/text.h"

#define DASH "\xe2\x80\x94 " /* em dash and a space begin a signature line */

static bool note_bytes_ok(struct phi_view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] < 0x20 && v.p[i] != '\n')
            return false;
    return phi_utf8_ok(v);
}

enum phi_rc phi_note_sign(struct phi_buf *out, struct phi_view text, struct phi_view name, const struct phi_key *key,
                          struct phi_err *err)
{
    struct phi_sig sig;
    uint8_t raw[4 + PHI_SIG_LEN];
    struct phi_vkey vk = { name, key->pub };
    if (!text.n || text.p[text.n - 1] != '\n' || !note_bytes_ok(text) || !phi_vkey_name_ok(name))
        return phi_fail(err, PHI_EINPUT, "this text or key name cannot stand in a signed note");
    PHI_TRY(phi_key_sign(key, text, &sig, err));
    uint32_t id = phi_vkey_id(&vk);
    for (int i = 0; i < 4; i++)
        raw[i] = (uint8_t)(id >> (24 - 8 * i));
    memcpy(raw + 4, sig.b, sizeof sig.b);
    phi_buf_add(out, text);
    phi_buf_adds(out, "\n" DASH);
    phi_buf_add(out, name);
    phi_buf_addc(out, ' ');
    phi_b64_add(out, phi_view_mem(raw, sizeof raw));
    phi_buf_addc(out, '\n');
    return phi_buf_ok(out) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the note is too long");
}

/* Cuts at the last empty line: the text keeps its newline, the signatures follow it. */
static bool cut(struct phi_view note, struct phi_view *text, struct phi_view *sigs)
{
    for (size_t i = note.n; i >= 2; i--)
        if (note.p[i - 1] == '\n' && note.p[i - 2] == '\n') {
            *text = phi_view_upto(note, i - 1);
            *sigs = phi_view_from(note, i);
            return sigs->n > 0 && sigs->p[sigs->n - 1] == '\n';
        }
    return false;
}

enum sig_is { SIG_OTHER, SIG_GOOD, SIG_FALSE, SIG_MALFORMED };

static enum sig_is judge(struct phi_view line, struct phi_view text, const struct phi_vkey *vk)
{
    struct phi_view name, rest = phi_view_from(line, sizeof DASH - 1);
    PHI_BUF(raw, PHI_NOTE_MAX);
    if (!phi_view_starts(line, PHI_LIT(DASH)) || !phi_view_split(&rest, ' ', &name) || !phi_vkey_name_ok(name) ||
        !phi_b64_read(rest, &raw) || !phi_buf_ok(&raw) || raw.n < 5)
        return SIG_MALFORMED;
    uint32_t id = (uint32_t)raw.p[0] << 24 | (uint32_t)raw.p[1] << 16 | (uint32_t)raw.p[2] << 8 | raw.p[3];
    if (!phi_view_eq(name, vk->name) || id != phi_vkey_id(vk))
        return SIG_OTHER;
    struct phi_sig sig;
    if (raw.n != 4 + sizeof sig.b)
        return SIG_FALSE;
    memcpy(sig.b, raw.p + 4, sizeof sig.b);
    return phi_key_verify(&vk->pub, text, &sig) ? SIG_GOOD : SIG_FALSE;
}

enum phi_rc phi_note_open(struct phi_view note, const struct phi_vkey *vk, struct phi_view *ret, struct phi_err *err)
{
    struct phi_view text, sigs, line;
    size_t n = 0, good = 0;
    if (note.n > PHI_NOTE_MAX || !note_bytes_ok(note) || !cut(note, &text, &sigs))
        return phi_fail(err, PHI_EINPUT, "this is no signed note");
    while (phi_view_split(&sigs, '\n', &line)) {
        enum sig_is is = judge(line, text, vk);
        if (is == SIG_MALFORMED || ++n > PHI_NOTE_SIGS_MAX)
            return phi_fail(err, PHI_EINPUT, "the note's signature lines are malformed or too many");
        if (is == SIG_FALSE)
            return phi_fail(err, PHI_EDENIED, "the note's signature is false");
        good += is == SIG_GOOD;
    }
    if (!good)
        return phi_fail(err, PHI_EDENIED, "the note is not signed by the expected key");
    *ret = text;
    return PHI_OK;
}

bool phi_note_names(struct phi_view note, const struct phi_vkey *vk)
{
    struct phi_view text, sigs, line;
    if (note.n > PHI_NOTE_MAX || !cut(note, &text, &sigs))
        return false;
    while (phi_view_split(&sigs, '\n', &line)) {
        enum sig_is is = judge(line, text, vk);
        if (is == SIG_GOOD || is == SIG_FALSE)
            return true;
    }
    return false;
}

void phi_checkpoint_text(struct phi_buf *out, const struct phi_checkpoint *c)
{
    phi_buf_add(out, c->origin);
    phi_buf_printf(out, "\n%llu\n", (unsigned long long)c->size);
    phi_b64_add(out, phi_digest_view(&c->root));
    phi_buf_addc(out, '\n');
}

enum phi_rc phi_checkpoint_sign(struct phi_buf *out, const struct phi_checkpoint *c, const struct phi_key *key,
                                struct phi_err *err)
{
    PHI_BUF(text, 1024);
    phi_checkpoint_text(&text, c);
    if (!phi_buf_ok(&text))
        return phi_fail(err, PHI_EINPUT, "the log's origin is too long");
    return phi_note_sign(out, phi_buf_view(&text), c->origin, key, err);
}

enum phi_rc phi_checkpoint_read(struct phi_view text, struct phi_checkpoint *ret, struct phi_err *err)
{
    struct phi_view size, root, rest = text;
    struct phi_checkpoint c = { 0 };
    int64_t n = 0;
    PHI_BUF(raw, 64);
    if (!phi_view_split(&rest, '\n', &c.origin) || !c.origin.n || !phi_view_split(&rest, '\n', &size) ||
        !phi_view_split(&rest, '\n', &root) || !phi_view_int(size, &n) || n < 0 || (uint64_t)n > PHI_TREE_SIZE_MAX ||
        (size.n > 1 && size.p[0] == '0') || size.p[0] == '-' || !phi_b64_read(root, &raw) || raw.n != sizeof c.root.b)
        return phi_fail(err, PHI_EINPUT, "this is no checkpoint (origin, size, root)");
    c.size = (uint64_t)n;
    memcpy(c.root.b, raw.p, sizeof c.root.b);
    *ret = c;
    return PHI_OK;
}

enum phi_rc phi_checkpoint_open(struct phi_view note, const struct phi_vkey *vk, struct phi_checkpoint *ret,
                                struct phi_err *err)
{
    struct phi_view text;
    struct phi_checkpoint c;
    PHI_TRY(phi_note_open(note, vk, &text, err));
    PHI_TRY(phi_checkpoint_read(text, &c, err));
    if (!phi_view_eq(c.origin, vk->name))
        return phi_fail(err, PHI_EDENIED, "the checkpoint is of another log");
    *ret = c;
    return PHI_OK;
}
