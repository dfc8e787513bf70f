#include "guard/signer_proto.h"

#include <string.h>

static uint64_t take64(struct phi_view *v)
{
    uint64_t x = 0;
    for (int i = 0; i < 8; i++)
        x = x << 8 | v->p[i];
    *v = phi_view_from(*v, 8);
    return x;
}

static void take_digest(struct phi_view *v, struct phi_digest *d)
{
    memcpy(d->b, v->p, sizeof d->b);
    *v = phi_view_from(*v, sizeof d->b);
}

void guard_ask_write(struct phi_buf *b, const struct guard_ask *a)
{
    phi_buf_addc(b, (uint8_t)a->kind);
    phi_buf_add(b, phi_view_mem(a->with.b, sizeof a->with.b));
    phi_buf_add64(b, a->seq);
    phi_buf_add64(b, a->old_size);
    phi_buf_add64(b, a->size);
    phi_buf_add(b, phi_digest_view(&a->root));
    phi_buf_add16(b, (uint16_t)a->proof.n);
    phi_buf_add(b, phi_view_mem(a->proof.hash, a->proof.n * sizeof *a->proof.hash));
}

bool guard_ask_read(struct phi_view v, struct guard_ask *ret)
{
    struct guard_ask a = { 0 };
    if (v.n < 1 + sizeof a.with.b + 58 || (v.p[0] != GUARD_SIGN && v.p[0] != GUARD_NEXT))
        return false;
    a.kind = (enum guard_kind)v.p[0];
    memcpy(a.with.b, v.p + 1, sizeof a.with.b);
    v = phi_view_from(v, 1 + sizeof a.with.b);
    a.seq = take64(&v);
    a.old_size = take64(&v);
    a.size = take64(&v);
    take_digest(&v, &a.root);
    a.proof.n = (size_t)v.p[0] << 8 | v.p[1];
    v = phi_view_from(v, 2);
    if (a.proof.n > PHI_TREE_PROOF_MAX || v.n != a.proof.n * PHI_SHA256_LEN)
        return false;
    for (size_t i = 0; i < a.proof.n; i++)
        take_digest(&v, &a.proof.hash[i]);
    *ret = a;
    return true;
}

void guard_reply_write(struct phi_buf *b, const struct guard_reply *r)
{
    phi_buf_add64(b, r->seq);
    phi_buf_addc(b, r->rc);
    phi_buf_add64(b, r->size);
    phi_buf_add(b, phi_digest_view(&r->root));
    phi_buf_add(b, r->text);
}

bool guard_reply_read(struct phi_view v, struct guard_reply *ret)
{
    if (v.n < 49)
        return false;
    ret->seq = take64(&v);
    ret->rc = v.p[0];
    v = phi_view_from(v, 1);
    ret->size = take64(&v);
    take_digest(&v, &ret->root);
    ret->text = v;
    return ret->rc <= PHI_ECORRUPT;
}

enum phi_rc guard_judge(const struct phi_checkpoint *last, const struct guard_ask *a, struct phi_err *err)
{
    if (a->old_size != last->size)
        return phi_fail(err, PHI_ECONFLICT, "the last signed head has %llu entries", (unsigned long long)last->size);
    if (a->size < last->size || a->size > PHI_TREE_SIZE_MAX)
        return phi_fail(err, PHI_EDENIED, "the log would shrink from %llu to %llu entries", (unsigned long long)last->size,
                        (unsigned long long)a->size);
    if (!phi_tree_consistent(last->size, &last->root, a->size, &a->root, &a->proof))
        return phi_fail(err, PHI_EDENIED, "the new head of %llu entries does not continue the %llu signed before",
                        (unsigned long long)a->size, (unsigned long long)last->size);
    return PHI_OK;
}
