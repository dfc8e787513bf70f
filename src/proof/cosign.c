#include "proof/cosign.h"

#include <ctype.h>
#include <string.h>

#define COSIGNATURE 0x04 /* C2SP signed-note: signature type */
#define RAW_LEN (4 + 8 + PHI_SIG_LEN)
#define DASH "\xe2\x80\x94 "

/* ---- keys ---- */

uint32_t phi_cosigner_id(const struct phi_cosigner *c)
{
    struct phi_view parts[] = { c->name, PHI_LIT("\n\x04"), phi_view_mem(c->pub.b, sizeof c->pub.b) };
    struct phi_digest d = phi_sha256_parts(parts, 3);
    return (uint32_t)d.b[0] << 24 | (uint32_t)d.b[1] << 16 | (uint32_t)d.b[2] << 8 | d.b[3];
}

void phi_cosigner_write(struct phi_buf *out, const struct phi_cosigner *c)
{
    uint8_t raw[1 + sizeof c->pub.b] = { COSIGNATURE };
    memcpy(raw + 1, c->pub.b, sizeof c->pub.b);
    phi_buf_add(out, c->name);
    phi_buf_printf(out, "+%08x+", phi_cosigner_id(c));
    phi_b64_add(out, phi_view_mem(raw, sizeof raw));
}

enum phi_rc phi_cosigner_read(struct phi_view line, struct phi_cosigner *ret, struct phi_err *err)
{
    struct phi_view rest = phi_view_trim(line), name, id;
    struct phi_cosigner c = { 0 };
    char said[16];
    PHI_BUF(raw, 64);
    PHI_BUF(want, 16);
    while (rest.n && isspace(rest.p[rest.n - 1]))
        rest.n--;
    if (!phi_view_split(&rest, '+', &name) || !phi_view_split(&rest, '+', &id) || !phi_vkey_name_ok(name) || id.n != 8 ||
        !phi_b64_read(rest, &raw) || !phi_buf_ok(&raw) || raw.n != 1 + sizeof c.pub.b || raw.p[0] != COSIGNATURE)
        return phi_fail(err, PHI_EINPUT, "this is no cosigner's key line (name+id+key, type 4)");
    c.name = name;
    memcpy(c.pub.b, raw.p + 1, sizeof c.pub.b);
    phi_buf_printf(&want, "%08x", phi_cosigner_id(&c));
    memcpy(said, id.p, 8);
    said[8] = 0;
    if (strcmp(phi_buf_str(&want), said) != 0)
        return phi_fail(err, PHI_EINPUT, "the cosigner's key line's id does not fit its key");
    *ret = c;
    return PHI_OK;
}

/* ---- signing ---- */

static void signed_text(struct phi_buf *out, struct phi_view text, uint64_t time_s)
{
    phi_buf_printf(out, "cosignature/v1\ntime %llu\n", (unsigned long long)time_s);
    phi_buf_add(out, text);
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

enum phi_rc phi_cosign(struct phi_buf *out, struct phi_view text, struct phi_view name, const struct phi_key *key,
                       int64_t time_s, struct phi_err *err)
{
    PHI_BUF(said, PHI_NOTE_MAX);
    uint8_t raw[RAW_LEN];
    struct phi_sig sig;
    struct phi_cosigner c = { name, key->pub };
    struct phi_checkpoint head;
    PHI_TRY(phi_checkpoint_read(text, &head, err)); /* nothing else is ever cosigned */
    if (!phi_vkey_name_ok(name) || time_s < 0)
        return phi_fail(err, PHI_EINPUT, "this name or time cannot stand in a cosignature");
    signed_text(&said, text, (uint64_t)time_s);
    if (!phi_buf_ok(&said))
        return phi_fail(err, PHI_ELIMIT, "the checkpoint is too long");
    PHI_TRY(phi_key_sign(key, phi_buf_view(&said), &sig, err));
    put32(raw, phi_cosigner_id(&c));
    put32(raw + 4, (uint32_t)((uint64_t)time_s >> 32));
    put32(raw + 8, (uint32_t)time_s);
    memcpy(raw + 12, sig.b, sizeof sig.b);
    phi_buf_adds(out, DASH);
    phi_buf_add(out, name);
    phi_buf_addc(out, ' ');
    phi_b64_add(out, phi_view_mem(raw, sizeof raw));
    phi_buf_addc(out, '\n');
    return phi_buf_ok(out) ? PHI_OK : phi_fail(err, PHI_ELIMIT, "the note is too long");
}

/* ---- verifying ---- */

enum phi_rc phi_note_cut(struct phi_view note, struct phi_view *ret_text, struct phi_view *ret_sigs, struct phi_err *err)
{
    for (size_t i = note.n; i >= 2 && note.n <= PHI_NOTE_MAX; i--)
        if (note.p[i - 1] == '\n' && note.p[i - 2] == '\n') {
            *ret_text = phi_view_upto(note, i - 1);
            *ret_sigs = phi_view_from(note, i);
            if (!ret_sigs->n || ret_sigs->p[ret_sigs->n - 1] != '\n')
                break;
            return PHI_OK;
        }
    return phi_fail(err, PHI_EINPUT, "this is no signed note");
}

static uint64_t take(const uint8_t *p, int n)
{
    uint64_t x = 0;
    for (int i = 0; i < n; i++)
        x = x << 8 | p[i];
    return x;
}

static bool sig_holds(const uint8_t raw[RAW_LEN], struct phi_view text, const struct phi_cosigner *c)
{
    PHI_BUF(said, PHI_NOTE_MAX);
    struct phi_sig sig;
    uint64_t time_s = take(raw + 4, 8);
    memcpy(sig.b, raw + 12, sizeof sig.b);
    signed_text(&said, text, time_s);
    return time_s <= INT64_MAX && phi_buf_ok(&said) && phi_key_verify(&c->pub, phi_buf_view(&said), &sig);
}

enum phi_rc phi_cosign_find(struct phi_view note, const struct phi_cosigner *c, int64_t *ret_time_s, struct phi_view *ret_line,
                            struct phi_err *err)
{
    struct phi_view text, sigs, line, name;
    PHI_TRY(phi_note_cut(note, &text, &sigs, err));
    while (phi_view_split(&sigs, '\n', &line)) {
        PHI_BUF(raw, PHI_NOTE_MAX);
        struct phi_view rest = phi_view_from(line, sizeof DASH - 1);
        if (!phi_view_starts(line, PHI_LIT(DASH)) || !phi_view_split(&rest, ' ', &name) || !phi_b64_read(rest, &raw) ||
            raw.n < 5)
            return phi_fail(err, PHI_EINPUT, "the note's signature lines are malformed");
        if (!phi_view_eq(name, c->name) || take(raw.p, 4) != phi_cosigner_id(c))
            continue;
        if (raw.n != RAW_LEN || !sig_holds(raw.p, text, c))
            return phi_fail(err, PHI_EDENIED, "the cosignature of " PHI_FMT " is false", PHI_ARG(phi_view_upto(c->name, 80)));
        *ret_time_s = (int64_t)take(raw.p + 4, 8);
        *ret_line = phi_view_mem(line.p, line.n + 1);
        return PHI_OK;
    }
    return phi_fail(err, PHI_ENOTFOUND, PHI_FMT " did not cosign this", PHI_ARG(phi_view_upto(c->name, 80)));
}

/* ---- add-checkpoint ---- */

void phi_witness_ask_write(struct phi_buf *out, const struct phi_witness_ask *a)
{
    phi_buf_printf(out, "old %llu\n", (unsigned long long)a->old_size);
    for (size_t i = 0; i < a->proof.n; i++) {
        phi_b64_add(out, phi_digest_view(&a->proof.hash[i]));
        phi_buf_addc(out, '\n');
    }
    phi_buf_addc(out, '\n');
    phi_buf_add(out, a->note);
}

static bool size_read(struct phi_view v, uint64_t *ret)
{
    int64_t n;
    if (!phi_view_int(v, &n) || n < 0 || v.p[0] == '-' || (v.n > 1 && v.p[0] == '0'))
        return false;
    *ret = (uint64_t)n;
    return true;
}

enum phi_rc phi_witness_ask_read(struct phi_view body, struct phi_witness_ask *ret, struct phi_err *err)
{
    struct phi_witness_ask a = { 0 };
    struct phi_view line, rest = body;
    if (body.n > PHI_WITNESS_BODY_MAX || !phi_view_split(&rest, '\n', &line) || !phi_view_starts(line, PHI_LIT("old ")) ||
        !size_read(phi_view_from(line, 4), &a.old_size))
        return phi_fail(err, PHI_EINPUT, "the first line must be \"old <size>\"");
    while (phi_view_split(&rest, '\n', &line) && line.n) {
        PHI_BUF(raw, 64);
        if (a.proof.n == 63 || !phi_b64_read(line, &raw) || raw.n != PHI_SHA256_LEN)
            return phi_fail(err, PHI_EINPUT, "the consistency proof is malformed");
        memcpy(a.proof.hash[a.proof.n++].b, raw.p, raw.n);
    }
    a.note = rest;
    if (!rest.n)
        return phi_fail(err, PHI_EINPUT, "there is no checkpoint");
    *ret = a;
    return PHI_OK;
}

int phi_witness_judge(const struct phi_checkpoint *last, const struct phi_vkey *log, const struct phi_witness_ask *a,
                      struct phi_checkpoint *ret)
{
    struct phi_checkpoint head;
    enum phi_rc rc = phi_checkpoint_open(a->note, log, &head, NULL);
    if (rc != PHI_OK)
        return rc == PHI_EDENIED ? 403 : 400;
    if (a->old_size > head.size)
        return 400;
    if (a->old_size != last->size)
        return 409;
    if (a->old_size == head.size && a->old_size && !phi_digest_eq(&head.root, &last->root))
        return 409;
    bool good = last->size ? phi_tree_consistent(last->size, &last->root, head.size, &head.root, &a->proof) : !a->proof.n;
    if (!good)
        return 422;
    *ret = head;
    return 200;
}
