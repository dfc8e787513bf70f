#!/usr/bin/python3
"""Checks the golden vectors in this folder with nothing but Python's standard library, so that they are
held by an implementation that shares no code with phi. `check.py --write` fills in what is computed
(digests, roots, notes); the C tests read the same files."""
import base64
import hashlib
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def canon(value):
    """RFC 8785 for JSON without fractions: keys by UTF-16 code units, shortest escapes."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda k: k.encode("utf-16-be"))
        return "{" + ",".join(canon(k) + ":" + canon(value[k]) for k in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canon(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def tagged(tag, value):
    return hashlib.sha256(tag.encode() + b"\0" + canon(value).encode()).hexdigest()


# ---- Merkle tree (RFC 6962, section 2.1) ----

def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(root(leaves[:k]), root(leaves[k:]))


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return path(m, leaves[:k]) + [root(leaves[k:])]
    return path(m - k, leaves[k:]) + [root(leaves[:k])]


def subproof(m, leaves, whole):
    n = len(leaves)
    if m == n:
        return [] if whole else [root(leaves)]
    k = split(n)
    if m <= k:
        return subproof(m, leaves[:k], whole) + [root(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [root(leaves[:k])]


# ---- Ed25519 (RFC 8032, section 5.1), slow and plain ----

P = 2 ** 255 - 19
L = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def point_add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_mul(s, p):
    q = (0, 1, 1, 0)
    while s:
        if s & 1:
            q = point_add(q, p)
        p = point_add(p, p)
        s >>= 1
    return q


def recover_x(y, sign):
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P:
        raise ValueError("no point")
    return P - x if x & 1 != sign else x


G_Y = 4 * pow(5, P - 2, P) % P
G_X = recover_x(G_Y, 0)
G = (G_X, G_Y, 1, G_X * G_Y % P)


def compress(p):
    z = pow(p[2], P - 2, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decompress(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = recover_x(y, sign)
    return (x, y, 1, x * y % P)


def hash_int(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def secret(seed):
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return a, h[32:]


def public(seed):
    return compress(point_mul(secret(seed)[0], G))


def ed_sign(seed, text):
    a, prefix = secret(seed)
    pub = compress(point_mul(a, G))
    r = hash_int(prefix, text) % L
    big_r = compress(point_mul(r, G))
    s = (r + hash_int(big_r, pub, text) % L * a) % L
    return big_r + s.to_bytes(32, "little")


def ed_verify(pub, text, sig):
    r, s = sig[:32], int.from_bytes(sig[32:], "little")
    if s >= L:
        return False
    left = point_mul(s, G)
    right = point_add(decompress(r), point_mul(hash_int(r, pub, text) % L, decompress(pub)))
    return compress(left) == compress(right)


# ---- signed notes (C2SP) ----

def key_id(name, pub):
    return hashlib.sha256(name.encode() + b"\n\x01" + pub).digest()[:4]


def vkey(name, pub):
    return "%s+%s+%s" % (name, key_id(name, pub).hex(), base64.b64encode(b"\1" + pub).decode())


def note(name, seed, text):
    sig = key_id(name, public(seed)) + ed_sign(seed, text.encode())
    return text + "\n\u2014 " + name + " " + base64.b64encode(sig).decode() + "\n"


def checkpoint_text(c):
    return "%s\n%d\n%s\n" % (c["origin"], c["size"], base64.b64encode(bytes.fromhex(c["root"])).decode())


# ---- what each file computes ----

def do_bodies(doc):
    for v in doc["vectors"]:
        b = v["body"]
        v["digest"] = tagged("phi-request-v1", b)
        parts = {k: b[k] for k in ("actions", "payload", "requester", "settings", "target") if k in b}
        v["act"] = tagged("phi-act-v1", parts) if "payload" in b else None


def do_votes(doc):
    for v in doc["vectors"]:
        if "reason" in v:
            salt = base64.urlsafe_b64decode(v["salt"] + "==")
            v["vote"]["reason_hash"] = hashlib.sha256(b"phi-body-v1\0" + salt + v["reason"].encode()).hexdigest()
        v["digest"] = tagged("phi-vote-v1", v["vote"])


def least(*bounds):
    bounds = [b for b in bounds if b]
    return min(bounds) if bounds else 0


def within(inner, outer):
    depth = {"Target": 1, "Schema": 2, "Table": 3, "Function": 3, "Column": 4}
    if inner == outer:
        return True
    di, do = depth.get(inner["type"]), depth.get(outer["type"])
    if not di or not do or di <= do or outer["type"] == "Function":
        return False
    return json.loads(inner["id"])[:do] == json.loads(outer["id"])


def meet(xs, ys):
    both = [x for x in xs if any(within(x, y) for y in ys)] + [y for y in ys if any(within(y, x) for x in xs)]
    unique = {(r["type"], r["id"]): r for r in both}
    return [unique[k] for k in sorted(unique, key=lambda k: (k[0].encode(), k[1].encode()))]


def do_grants(doc):
    for v in doc["vectors"]:
        b, ns = v["body"], v["narrowings"]
        acts = {k: b[k] for k in ("actions", "payload", "requester", "settings", "target") if k in b}
        scope = json.loads(json.dumps(b.get("scope")))
        for n in ns:
            if scope and "resources" in n:
                scope["resources"] = meet(scope["resources"], n["resources"])
        for_ms = least(b["bounds"]["for_ms"], *[n.get("for_ms") for n in ns])
        until = least(b["bounds"].get("until_ms"), *[n.get("until_ms") for n in ns])
        start = max(v["now_ms"], b["bounds"].get("from_ms", 0))
        v["grant"] = {
            "v": 1, "id": v["id"], "request": b["id"], "digest": tagged("phi-request-v1", b),
            "act": None if scope else tagged("phi-act-v1", acts), "principal": b["requester"], "target": b["target"],
            "scope": scope, "uses": least(b["bounds"]["uses"], *[n.get("uses") for n in ns]), "for_ms": for_ms,
            "until_ms": least(until, start + for_ms), "bundle": v["bundle"],
        }
        if "from_ms" in b["bounds"]:
            v["grant"]["from_ms"] = b["bounds"]["from_ms"]
        v["digest"] = tagged("phi-grant-v1", v["grant"])


def do_entries(doc):
    for v in doc["vectors"]:
        v["text"] = canon(v["entry"])
        v["leaf"] = leaf_hash(v["text"].encode()).hex()


def do_trees(doc):
    leaves = [leaf_hash(e.encode()) for e in doc["entries"]]
    doc["roots"] = [root(leaves[:n]).hex() for n in range(len(leaves) + 1)]
    doc["inclusion"] = [{"index": i, "size": n, "hashes": [h.hex() for h in path(i, leaves[:n])]}
                        for n in (1, 2, 3, 7, 8, 11, len(leaves)) for i in range(0, n, 2)]
    doc["consistency"] = [{"from": m, "to": n, "hashes": [h.hex() for h in subproof(m, leaves[:n], True)]}
                          for n in (2, 7, 8, len(leaves)) for m in range(1, n + 1)]


def do_checkpoints(doc):
    seed = bytes.fromhex(doc["seed"])
    doc["key"] = vkey(doc["name"], public(seed))
    for v in doc["vectors"]:
        v["note"] = note(doc["name"], seed, checkpoint_text(v))
        text, sig = v["note"].rsplit("\n\n", 1)
        raw = base64.b64decode(sig.split(" ")[2])
        assert ed_verify(public(seed), (text + "\n").encode(), raw[4:])


def cosigned(name, seed, text, time_s):
    """C2SP tlog-cosignature, type 0x04: one signature line."""
    ident = hashlib.sha256(name.encode() + b"\n\x04" + public(seed)).digest()[:4]
    sig = ed_sign(seed, b"cosignature/v1\ntime %d\n" % time_s + text.encode())
    return "\u2014 " + name + " " + base64.b64encode(ident + time_s.to_bytes(8, "big") + sig).decode() + "\n"


def cosigner_key(name, pub):
    ident = hashlib.sha256(name.encode() + b"\n\x04" + pub).digest()[:4]
    return "%s+%s+%s" % (name, ident.hex(), base64.b64encode(b"\4" + pub).decode())


def do_log(doc):
    """A small log as it leaves phi: the head with a cosignature, its tiles, receipts, and the key that comes next."""
    seed, witness, after = (bytes.fromhex(doc[k]) for k in ("seed", "witness_seed", "next_seed"))
    raw = [e.encode() for e in doc["entries"]]
    leaves = [leaf_hash(e) for e in raw]
    head = {"origin": doc["name"], "size": len(raw), "root": root(leaves).hex()}
    text = checkpoint_text(head)
    doc["key"], doc["cosigner"] = vkey(doc["name"], public(seed)), cosigner_key(doc["witness"], public(witness))
    doc["checkpoint"] = note(doc["name"], seed, text) + cosigned(doc["witness"], witness, text, doc["time_s"])
    doc["tile"] = {"path": "0/000.p/%d" % len(raw), "hex": b"".join(leaves).hex()}
    doc["bundle"] = {"path": "entries/000.p/%d" % len(raw), "hex": b"".join(len(e).to_bytes(2, "big") + e for e in raw).hex()}
    doc["receipts"] = []
    for i, e in enumerate(raw):
        way = "".join(base64.b64encode(h).decode() + "\n" for h in path(i, leaves))
        doc["receipts"].append("c2sp.org/tlog-proof@v1\nextra %s\nindex %d\n%s\n%s" % (base64.b64encode(e).decode(), i, way, doc["checkpoint"]))
    doc["next_key"] = vkey(doc["name"], public(after))
    step = "phi-log-key/v1 rotated\n%s\n%s\n" % (doc["key"], doc["next_key"])
    doc["rotated"] = note(doc["name"], seed, step) + note(doc["name"], after, step)[len(step) + 1:]
    anew = "phi-log-key/v1 restored\n%s\n%s\n%d\n%s\n" % (doc["next_key"], vkey(doc["restored_name"], public(after)), len(raw),
                                                          base64.b64encode(root(leaves)).decode())
    doc["operator"], doc["restored"] = vkey(doc["operator_name"], public(witness)), note(doc["operator_name"], witness, anew)


FILES = {"bodies": do_bodies, "votes": do_votes, "grants": do_grants, "entries": do_entries, "trees": do_trees,
         "checkpoints": do_checkpoints, "log": do_log}


def rfc8032():
    """The second test vector of RFC 8032, section 7.1."""
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    assert public(seed).hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert ed_sign(seed, b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")


def main():
    bad = 0
    rfc8032()
    for name, fill in FILES.items():
        where = os.path.join(HERE, name + ".json")
        with open(where, encoding="utf-8") as f:
            stored = f.read()
        doc = json.loads(stored)
        fill(doc)
        text = json.dumps(doc, ensure_ascii=False, indent=1) + "\n"
        if sys.argv[1:] == ["--write"]:
            with open(where, "w", encoding="utf-8") as f:
                f.write(text)
        elif json.loads(stored) != doc:
            print("golden: %s.json differs from what Python computes" % name)
            bad = 1
        else:
            print("golden: %s.json: %d vectors hold" % (name, len(doc.get("vectors", doc.get("roots", doc.get("receipts"))))))
    return bad


if __name__ == "__main__":
    sys.exit(main())
