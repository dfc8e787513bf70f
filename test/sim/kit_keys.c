/* People's passkeys in tests: the same ones in every run. */
#include <string.h>

#include "kit.h"

#include "core/passkey.h"
#include "proof/soft_key_test.h"

#define ORIGIN "http://localhost:8470"

static const struct phi_webauthn_rp rp = { { (const uint8_t *)"localhost", 9 }, { (const uint8_t *)ORIGIN, sizeof ORIGIN - 1 } };

struct keyed {
    struct kit *k;
    struct phi_actor by;
    struct told told;
    struct phi_view which;
    struct phi_ballot ballot;
    struct phi_request *ret;
    char id[5];
};

/* Ed25519 from a seed that is no secret, so that a run can be replayed byte for byte. */
static struct keyed keyed(struct kit *k, enum kit_who who, int n, const char *type)
{
    struct keyed o = { .k = k, .by = kit_actor(k, who), .id = { 'k', (char)('a' + (int)who), (char)('0' + n), 'x', 0 } };
    struct phi_digest seed = phi_sha256(phi_view_of(o.id));
    o.told = (struct told){ .type = type, .origin = ORIGIN, .more = "", .rp_id = "localhost", .flags = 0x05, .tail = "" };
    o.told.key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed.b, sizeof seed.b);
    return o;
}

static enum phi_rc run(struct keyed *o, enum phi_rc (*what)(struct phi_core *, void *, struct phi_err *))
{
    o->told.key_id = o->id;
    o->k->err = (struct phi_err){ 0 };
    enum phi_rc rc = o->told.key ? phi_core_do(o->k->core, what, o, &o->k->err) : PHI_ELIMIT;
    o->k->why = rc == PHI_OK ? "" : phi_core_why(o->k->core);
    EVP_PKEY_free(o->told.key);
    return rc;
}

static enum phi_rc run_add(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct keyed *o = arg;
    struct phi_webauthn_answer got;
    struct phi_passkey_view key;
    uint8_t challenge[PHI_CHALLENGE_LEN];
    PHI_TRY(phi_passkey_begin(c, PHI_PASSKEY_ADD, o->by.id, challenge, err));
    o->told.challenge = phi_view_mem(challenge, sizeof challenge);
    told_make(&o->k->a, &o->told, &got);
    return phi_passkey_add(c, &o->k->a, &o->by, PHI_LIT("key"), &rp, &got, &key, err);
}

enum phi_rc kit_key_add(struct kit *k, enum kit_who who, int n)
{
    struct keyed o = keyed(k, who, n, "webauthn.create");
    o.told.flags = 0x45;
    return run(&o, run_add);
}

static enum phi_rc run_remove(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct keyed *o = arg;
    struct phi_passkey_view *keys;
    size_t n;
    PHI_TRY(phi_passkey_list(c, &o->k->a, o->by.id, &keys, &n, err));
    for (size_t i = 0; i < n; i++)
        if (phi_view_is(keys[i].id, o->id))
            return phi_passkey_remove(c, &o->by, keys[i].uid, err);
    return phi_fail(err, PHI_ENOTFOUND, "no such key");
}

enum phi_rc kit_key_remove(struct kit *k, enum kit_who who, int n)
{
    struct keyed o = keyed(k, who, n, "");
    return run(&o, run_remove);
}

static enum phi_rc run_vote(struct phi_core *c, void *arg, struct phi_err *err)
{
    struct keyed *o = arg;
    struct phi_vote_text text;
    struct phi_signature s = { .rp = rp, .id = phi_view_of(o->id) };
    PHI_TRY(phi_request_vote_text(c, &o->k->a, &o->by, o->which, &o->ballot, &text, err));
    o->told.challenge = phi_digest_view(&text.digest);
    told_get(&o->k->a, &o->told, &s.answer);
    o->ballot.nonce = text.nonce;
    o->ballot.salt = text.salt;
    o->ballot.signature = &s;
    return phi_request_vote(c, &o->k->a, &o->by, o->which, &o->ballot, o->ret, err);
}

enum phi_rc kit_vote_signed(struct kit *k, enum kit_who who, const struct phi_request *seen, bool approve, int64_t for_ms, int n,
                            struct phi_request *ret)
{
    struct keyed o = keyed(k, who, n, "webauthn.get");
    o.which = seen->id;
    o.ballot = (struct phi_ballot){ .approve = approve,
                                    .digest = seen->digest,
                                    .version = seen->version,
                                    .reason = PHI_LIT("because"),
                                    .narrowing = { .for_ms = for_ms } };
    o.ret = ret;
    return run(&o, run_vote);
}
