#!/usr/bin/python3
# timeout: 240
"""The log over HTTP as C2SP says, receipts, exports; and all of it checked by a verifier that is not ours."""
import base64
import csv
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import urllib.error
import urllib.request

import phiflow
import house

HERE = os.path.dirname(os.path.abspath(__file__))


def get(f, path, token=""):
    req = urllib.request.Request(f.place.url() + path)
    if token:
        req.add_header("Authorization", "Bearer " + token)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(req, timeout=20) as a:
            return a.status, a.headers, a.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def root_of(hashes):
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\1" + root_of(hashes[:k]) + root_of(hashes[k:])).digest()


# RFC 5424, section 6: the whole line; what stands in a group is looked at.
PRINTABLE, SD_NAME = r"[\x21-\x7e]", r'[^\x00-\x20"=\]\x7f-\U0010ffff]{1,32}'
SYSLOG = re.compile(rf"""<(0|[1-9]\d?|1[0-8]\d|19[01])>1
    [ ](\d{{4}}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{{1,6}})?(?:Z|[+-]\d\d:\d\d))
    [ ]({PRINTABLE}{{1,255}})[ ]({PRINTABLE}{{1,48}})[ ]({PRINTABLE}{{1,128}})[ ]({PRINTABLE}{{1,32}})
    [ ]\[({SD_NAME})((?:[ ]{SD_NAME}="(?:[^"\\\]]|\\["\\\]])*")*)\]
    [ ]\ufeff(.*)""", re.VERBOSE)


def syslog_read(line):
    """What a receiver makes of a line; None where it is none."""
    m = SYSLOG.fullmatch(line)
    if not m:
        return None
    params = {k: re.sub(r"\\(.)", r"\1", v) for k, v in re.findall(rf' ({SD_NAME})="((?:[^"\\\]]|\\.)*)"', m.group(8))}
    return {"facility": int(m.group(1)) // 8, "severity": int(m.group(1)) % 8, "time": m.group(2), "host": m.group(3), "app": m.group(4),
            "msgid": m.group(6), "sd": m.group(7), "params": params, "entry": json.loads(m.group(9)), "text": m.group(9)}


def second(scratch):
    """Go's own sumdb, built; None and the reason where that cannot be."""
    if not shutil.which("go"):
        return None, "no go here"
    out = os.path.join(scratch, "second")
    cache = {"GOCACHE": os.path.join(scratch, "cache"), "GOFLAGS": "-buildvcs=false"}
    try:
        done = subprocess.run(["go", "build", "-o", out, "."], cwd=os.path.join(HERE, "../second"), env={**os.environ, **cache},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=150, check=False)
    except subprocess.TimeoutExpired:
        return None, "building with go took too long"
    return (None, "go: " + done.stdout.strip()[-200:]) if done.returncode else (out, "")


with phiflow.Flow() as f, tempfile.TemporaryDirectory() as scratch:
    token = f.house.admin().token
    api = f.house.admin()
    for i in range(70):  # past one full tile
        api.call("POST", "/v1/groups/filler/members", {"person": "alice"})
        api.call("DELETE", "/v1/groups/filler/members/alice")
        api.call("POST", "/v1/groups/filler/members", {"person": "bob"})
        api.call("DELETE", "/v1/groups/filler/members/bob")

    def checkpoint():
        status, headers, body = get(f, "/checkpoint")
        f.equal(status, 200)
        f.equal(headers["Content-Type"], "text/plain; charset=utf-8")
        f.equal(headers["Cache-Control"], "no-store")
        lines = body.decode().split("\n")
        return int(lines[1]), base64.b64decode(lines[2])

    size, root = f.until(lambda: (lambda c: c if c[0] > 290 else None)(checkpoint()))

    @f.test("tiles, partial ones too, lead to the signed root, and anybody may keep them")
    def _():
        hashes = b""
        for path, width in (("/tile/0/000", 256), (f"/tile/0/001.p/{size - 256}", size - 256)):
            status, headers, body = get(f, path)
            f.equal((status, len(body), headers["Content-Type"]), (200, width * 32, "application/octet-stream"))
            f.equal(headers["Cache-Control"], "public, max-age=31536000, immutable")
            hashes += body
        leaves = [hashes[i:i + 32] for i in range(0, len(hashes), 32)]
        f.equal(root_of(leaves), root)
        f.equal(get(f, "/tile/1/000.p/1")[2], root_of(leaves[:256]))
        f.equal(get(f, "/tile/0/000.p/255")[2], hashes[:255 * 32])
        f.equal(get(f, "/tile/0/000.p/1")[2], hashes[:32])

    @f.test("entry bundles hash to the tiles, and are for those who may read the log")
    def _():
        hashes = get(f, "/tile/0/000")[2] + get(f, f"/tile/0/001.p/{size - 256}")[2]
        n = 0
        for path in ("/tile/entries/000", f"/tile/entries/001.p/{size - 256}"):
            f.equal(get(f, path)[0], 401)
            status, headers, body = get(f, path, token)
            f.equal((status, headers["Cache-Control"]), (200, "private, max-age=31536000, immutable"))
            while body:
                (length,) = struct.unpack(">H", body[:2])
                f.equal(leaf(body[2:2 + length]), hashes[32 * n:32 * n + 32])
                f.equal(json.loads(body[2:2 + length])["n"], n)
                body, n = body[2 + length:], n + 1
        f.equal(n, size)

    @f.test("what is not signed, and any other spelling of a path, is not there")
    def _():
        f.true(checkpoint()[0] < 256 + 250, "the log is longer than this test thinks")
        for path in ("/tile/0/001.p/250", "/tile/0/001", "/tile/1/000", "/tile/1/000.p/2", "/tile/2/000.p/1", "/tile/0/0",
                     "/tile/0/000.p/0", "/tile/0/000.p/256", "/tile/00/000", "/tile/64/000", "/tile/0/x000/000", "/tile/0/000/",
                     "/tile/0/%30%30%30", "/tile/0", "/tile", "/tile/-1/000", "/tile/8/0/000"):
            f.equal((path, get(f, path)[0]), (path, 404))
        f.equal(get(f, "/tile/entries/002.p/1", token)[0], 404)

    os.makedirs(scratch + "/keys")
    with open(scratch + "/keys/log", "wb") as out:
        out.write(get(f, "/v1/log/key")[2])

    @f.test("phi log prove writes a receipt, and phi log check holds it with the key alone")
    def _():
        path = os.path.join(scratch, "7.tlog-proof")
        f.phi("bob", "log", "prove", "7", "--out", path)
        alone = {"PATH": f.env("bob")["PATH"], "PHI_CONFIG_DIR": scratch + "/nobody", "PHI_URL": "http://127.0.0.1:9"}
        check = lambda *more: subprocess.run(["phi", "log", "check", path, *more], env=alone, text=True, stdin=subprocess.DEVNULL,
                                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        good = check("--key", scratch + "/keys/log")
        f.equal(good.returncode, 0)
        f.contains(good.stdout, "verified: entry 7 of")
        f.true(check().returncode != 0, "held without a key")
        with open(path, encoding="utf-8") as src:
            lines = src.read().split("\n")
        lines[1] = "extra " + base64.b64encode(base64.b64decode(lines[1][6:]).replace(b'"v":1', b'"v":1 ')).decode()
        with open(path, "w", encoding="utf-8") as out:
            out.write("\n".join(lines))
        bad = check("--key", scratch + "/keys/log")
        f.equal(bad.returncode, 1)
        f.contains(bad.stdout, "FALSE")

    @f.test("receipts of all that names a request, by its code")
    def _():
        f.phi("alice", "request", "pg:write", "shop/public.orders", "--for", "5m", "-m", "a receipt")
        code = json.loads(f.phi("alice", "inbox", "--mine", "--json"))["requests"][0]["code"]
        f.phi("alice", "cancel", code)
        f.until(lambda: len(f.phi("bob", "log", "prove", code, "--out", scratch + "/all", check=False).stdout.split()) >= 2)
        names = os.listdir(scratch + "/all")
        for name in names:
            said = json.loads(f.phi("bob", "log", "check", f"{scratch}/all/{name}", "--key", scratch + "/keys/log", "--json"))
            f.equal((said["verified"], f"{said['index']}.tlog-proof"), (True, name))

    @f.test("exports verify elsewhere; a changed byte is named")
    def _():
        for form in ("json", "tiles"):
            out = f"{scratch}/{form}"
            f.phi("bob", "log", "export", out, "--format", form)
            verify = ("log", "verify", "--dir", out, "--key", scratch + "/keys/log")
            f.contains(f.phi("bob", *verify), "verified")
            path = out + ("/entries.jsonl" if form == "json" else "/tile/entries/000")
            with open(path, "r+b") as src:
                text = src.read()
                src.seek(text.index(b'"n":100,') + 4)
                src.write(b"9")
            said = f.phi("bob", *verify, check=False)
            f.equal(said.returncode, 1)
            f.contains(said.stdout, "entry 100")

    @f.test("as syslog every entry is one line of RFC 5424, with what it names as structured data")
    def _():
        out = scratch + "/syslog"
        f.phi("bob", "log", "export", out, "--format", "syslog")
        with open(out + "/checkpoint", encoding="utf-8") as src:
            origin, count = src.read().split("\n")[:2]
        with open(out + "/log.syslog", encoding="utf-8", newline="") as src:
            lines = src.read().split("\n")
        f.equal((len(lines) - 1, lines[-1]), (int(count), ""))
        said = [syslog_read(line) for line in lines[:-1]]
        f.true(None not in said, f"no line of RFC 5424: {lines[said.index(None)][:300]}" if None in said else "")
        for n, s in enumerate(said):
            e = s["entry"]
            f.equal((s["facility"], s["host"], s["app"], s["sd"], s["msgid"]), (13, origin, "phi", "phi@32473", e["ev"][:32]))
            f.equal(s["text"], json.dumps(e, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
            f.equal(s["params"], {k: v for k, v in (("n", str(n)), ("by", e["by"]["id"]), ("request", e.get("req")), ("grant", e.get("grant")),
                                                    ("person", e.get("person", {}).get("id")), ("target", e.get("target", {}).get("id"))) if v})
            f.equal(s["severity"], 4 if e["ev"] in ("action.denied", "request.denied", "grant.revoked", "key.rotated") else 5)
        f.true(any("target" in s["params"] and '"' in s["params"]["target"] for s in said), "nothing here had to be escaped")

    @f.test("as CSV and as OCSF the same entries are there, byte for byte")
    def _():
        with open(scratch + "/syslog/log.syslog", encoding="utf-8", newline="") as src:
            entries = [syslog_read(line)["text"] for line in src.read().split("\n")[:-1]]
        for form, name in (("csv", "log.csv"), ("ocsf", "ocsf.jsonl")):
            f.phi("bob", "log", "export", f"{scratch}/{form}", "--format", form)
            with open(f"{scratch}/{form}/{name}", encoding="utf-8", newline="") as src:
                texts = [r["entry"] for r in csv.DictReader(src)] if form == "csv" else [json.loads(line)["raw_data"] for line in src]
            f.equal(texts[:len(entries)], entries)

    @f.test("a report of a control holds that control's entries of the period, each with a receipt that holds")
    def _():
        out = scratch + "/report"
        f.phi("bob", "log", "report", "--control", "CC6.3", "--from", "2026-01-01", "--out", out)
        with open(out + "/report.md", encoding="utf-8") as src:
            rows = [line.split(" | ") for line in src if line.startswith("| [")]
        f.true(len(rows) > 280 and all(r[2].split(".")[0] in ("request", "grant", "group") for r in rows), len(rows))
        f.equal(len(os.listdir(out + "/receipts")), len(rows))
        f.contains(f.phi("bob", "log", "check", f"{out}/receipts/{os.listdir(out + '/receipts')[0]}", "--key", scratch + "/keys/log"), "verified")
        f.phi("bob", "log", "report", "--control", "AC-3(2)", "--from", "2026-01-01", "--to", "2026-01-02", "--out", out + "-none")
        f.equal(os.listdir(out + "-none/receipts"), [])
        f.equal(f.phi("bob", "log", "report", "--control", "nonsense", "--out", out, check=False).returncode, 2)

    secret = "reason-4711"
    asked = []

    @f.test("nobody is forgotten while a request of theirs is pending or a grant lives")
    def _():
        f.phi("alice", "request", "pg:write", "shop/public.orders", "--for", "5m", "-m", secret)
        asked.append(json.loads(f.phi("alice", "inbox", "--mine", "--json"))["requests"][0])
        said = f.phi("bob", "person", "forget", "alice", "--yes", check=False)
        f.equal(said.returncode, 3)  # bob is no administrator
        for _ in range(2):
            try:
                api.call("POST", "/v1/people/alice/forget")
                f.true(False, "forgotten all the same")
            except house.ApiError as e:
                f.equal(e.status, 409)
            if asked[0]["status"] == "pending":
                f.phi("bob", "approve", asked[0]["code"], "--digest", asked[0]["digest"], "--yes", "-m", secret + "-bob")
                asked[0]["status"] = "approved"
        f.phi("bob", "revoke", asked[0]["code"], "-m", "over")

    @f.test("forgetting erases names, reasons and bodies; the log still verifies, and the body says that it is erased")
    def _():
        f.until(lambda: api.call("GET", "/v1/grants?box=all&status=live").get("grants") == [])
        done = api.call("POST", "/v1/people/alice/forget")
        f.true(done["requests"] >= 2 and done["texts"] >= done["requests"], done)
        f.equal(f.phi("alice", "whoami", check=False).returncode != 0, True)
        shown = api.call("GET", "/v1/requests/" + asked[0]["id"])
        f.equal((shown["erased"], shown["body"], shown["digest"]), (True, None, asked[0]["digest"]))
        f.true("alice" not in json.dumps(shown) and f"{secret}\"" not in json.dumps(shown), shown)
        f.equal([p["name"] for p in api.call("GET", "/v1/people")["people"] if p["id"] == done["id"]], ["forgotten-" + done["id"][-12:]])
        f.contains(f.phi("bob", "log", "verify"), "verified")
        f.house.phid.stop()
        f.house.start(f.house.phid, ["people", "gateways"])
        said = f.until(lambda: (lambda s: s if s["state"] != "running" else None)(api.call("GET", "/v1/log/comparison")), 30)
        f.equal(said["found"], "")
        again = api.make("/v1/people", {"name": "alice", "groups": []})
        f.true(again["id"] != done["id"])

    @f.test("after the next start nothing of it is in the store's file")
    def _():
        f.house.phid.stop()
        with open(f.place.path("phid", "phi.db"), "rb") as db:
            text = db.read()
        f.true((secret + '"').encode() not in text and secret.encode() + b"\x00" not in text, "the reason is still there")
        f.equal(text.count(secret.encode()), text.count((secret + "-bob").encode()))  # bob's own reason stays
        f.house.start(f.house.phid, ["people", "gateways"])
        f.contains(f.phi("bob", "log", "verify"), "verified")

    program, why = second(scratch)
    if not program:
        f.skip("Go's sumdb verifies checkpoint, tiles, entries, consistency and receipts", why)
    else:
        @f.test("Go's sumdb verifies checkpoint, tiles, entries, consistency and receipts")
        def _():
            run = lambda *args: subprocess.run([program, *args], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                               timeout=60, check=False)
            key = ("-key", scratch + "/keys/log")
            said = run("log", "-url", f.place.url(), *key, "-token", token)
            f.true(said.returncode == 0, said.stdout)
            f.contains(said.stdout, "each with its inclusion, rebuild the signed root")
            proofs = [f"{scratch}/all/{n}" for n in os.listdir(scratch + "/all")]
            said = run("receipt", *key, *proofs)
            f.equal((said.returncode, said.stdout.count("holds receipt")), (0, len(proofs)))
            said = run("receipt", *key, scratch + "/7.tlog-proof")  # spoilt above
            f.equal(said.returncode, 1)
