#include "proof/receipt.h"

#include <string.h>

#include "base/json.h"
#include "proof/tile.h"

#define FIRST "c2sp.org/tlog-proof@v1\n"

void phi_receipt_write(struct phi_buf *out, const struct phi_receipt *r)
{
    phi_buf_adds(out, FIRST "extra ");
    phi_b64_add(out, r->entry);
    phi_buf_printf(out, "\nindex %llu\n", (unsigned long long)r->index);
    for (size_t i = 0; i < r->proof.n; i++) {
        phi_b64_add(out, phi_digest_view(&r->proof.hash[i]));
        phi_buf_addc(out, '\n');
    }
    phi_buf_addc(out, '\n');
    phi_buf_add(out, r->checkpoint);
}

static bool index_read(struct phi_view line, uint64_t *ret)
{
    int64_t n;
    struct phi_view v = phi_view_from(line, 6);
    if (!phi_view_starts(line, PHI_LIT("index ")) || !phi_view_int(v, &n) || n < 0 || v.p[0] == '-' ||
        (v.n > 1 && v.p[0] == '0'))
        return false;
    *ret = (uint64_t)n;
    return true;
}

enum phi_rc phi_receipt_read(struct phi_arena *a, struct phi_view text, struct phi_receipt *ret, struct phi_err *err)
{
    struct phi_receipt r = { 0 };
    struct phi_view rest, line;
    PHI_BUF(entry, PHI_TILE_ENTRY_MAX);
    if (text.n > PHI_RECEIPT_MAX || !phi_view_starts(text, PHI_LIT(FIRST)))
        return phi_fail(err, PHI_EINPUT, "this is no receipt (c2sp.org/tlog-proof@v1)");
    rest = phi_view_from(text, sizeof FIRST - 1);
    if (!phi_view_split(&rest, '\n', &line) || !phi_view_starts(line, PHI_LIT("extra ")) ||
        !phi_b64_read(phi_view_from(line, 6), &entry) || !phi_buf_ok(&entry))
        return phi_fail(err, PHI_EINPUT, "the receipt lacks the entry (\"extra\")");
    if (!phi_view_split(&rest, '\n', &line) || !index_read(line, &r.index))
        return phi_fail(err, PHI_EINPUT, "the receipt's index is malformed");
    while (phi_view_split(&rest, '\n', &line) && line.n) {
        PHI_BUF(raw, 64);
        if (r.proof.n == PHI_TREE_PROOF_MAX || !phi_b64_read(line, &raw) || raw.n != PHI_SHA256_LEN)
            return phi_fail(err, PHI_EINPUT, "the receipt's proof is malformed");
        memcpy(r.proof.hash[r.proof.n++].b, raw.p, raw.n);
    }
    r.checkpoint = rest;
    r.entry = phi_arena_copy(a, phi_buf_view(&entry));
    if (!phi_arena_ok(a))
        return phi_fail(err, PHI_ELIMIT, "out of memory");
    *ret = r;
    return PHI_OK;
}

static enum phi_rc entry_check(const struct phi_receipt *r, struct phi_err *err)
{
    PHI_ARENA(a, 16 * PHI_TILE_ENTRY_MAX);
    PHI_BUF(canon, PHI_TILE_ENTRY_MAX);
    const struct phi_json *v;
    if (phi_json_canon_text(r->entry, &canon, NULL) != PHI_OK || !phi_view_eq(phi_buf_view(&canon), r->entry) ||
        phi_json_read(&a, r->entry, PHI_JSON_STRICT, "entry", &v, NULL) != PHI_OK || phi_json_num(v, "v", -1) != 1)
        return phi_fail(err, PHI_EDENIED, "what was logged is no entry of phi's");
    if (phi_json_num(v, "n", -1) != (int64_t)r->index)
        return phi_fail(err, PHI_EDENIED, "the entry says that it stands elsewhere");
    return PHI_OK;
}

enum phi_rc phi_receipt_check(const struct phi_receipt *r, const struct phi_vkey *log, const struct phi_cosigner *cosigners,
                              size_t n_cosigners, size_t need, struct phi_checkpoint *ret, size_t *ret_cosigned,
                              struct phi_err *err)
{
    struct phi_checkpoint head;
    size_t have = 0;
    PHI_TRY(phi_checkpoint_open(r->checkpoint, log, &head, err));
    struct phi_digest leaf = phi_leaf_hash(r->entry);
    if (!phi_tree_included(r->index, head.size, &leaf, &r->proof, &head.root))
        return phi_fail(err, PHI_EDENIED, "the entry is not in the signed log of %llu entries", (unsigned long long)head.size);
    PHI_TRY(entry_check(r, err));
    for (size_t i = 0; i < n_cosigners; i++) {
        int64_t time_s;
        struct phi_view line;
        enum phi_rc rc = phi_cosign_find(r->checkpoint, &cosigners[i], &time_s, &line, err);
        if (rc != PHI_OK && rc != PHI_ENOTFOUND)
            return rc;
        have += rc == PHI_OK;
    }
    if (have < need)
        return phi_fail(err, PHI_EDENIED, "%zu of the %zu witnesses asked for cosigned this", have, need);
    *ret = head;
    *ret_cosigned = have;
    return PHI_OK;
}
