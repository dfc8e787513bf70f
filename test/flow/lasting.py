#!/usr/bin/python3
# timeout: 180
"""An installation that lasts: certificates that renew themselves, gateways that are taken away, other versions beside this one,
configurations that are checked, secrets that others may read, and an end without a loss."""
import http.client
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import time

import phiflow
import house as houses

LIFE_S = 12
plain_config = houses.House.write_config


def write_config(self):
    plain_config(self)
    with open(self.phid_conf, encoding="utf-8") as file:
        text = file.read()
    houses.write(self.phid_conf, text + f"gateway_certificates: {LIFE_S}s\n")


houses.House.write_config = write_config


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


with phiflow.Flow() as f:
    import attackkit as kit
    admin = kit.admin(f)
    state = f.place.path("gateway")
    f.house.sign_in("admin", admin.post("/v1/links", {"person": "admin"}).json["link"])

    first = tempfile.mkdtemp(prefix="phi-first-")
    for name in ("cert.pem", "key.pem", "ca.pem"):
        shutil.copy(os.path.join(state, name), first)

    def openssl(cert, *what):
        return subprocess.run(["openssl", "x509", "-in", cert, "-noout", *what], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def entries(kind):
        return [e for e in map(json.loads, admin.get("/v1/log/entries?from=0&limit=1000").json["entries"]) if e["ev"] == kind]

    @f.test("a gateway renews its certificate by itself, for the key that it has, and goes on with it")
    def _():
        mine = os.path.join(state, "cert.pem")
        old, key = text(os.path.join(first, "cert.pem")), openssl(os.path.join(first, "cert.pem"), "-pubkey")
        f.until(lambda: text(mine) != old, 60, "no new certificate came")
        f.equal(openssl(mine, "-pubkey"), key)
        f.true(openssl(mine, "-serial") != openssl(os.path.join(first, "cert.pem"), "-serial"))
        f.equal(os.stat(mine).st_mode & 0o777, 0o600)
        f.until(lambda: entries("gateway.certified"), 10)
        f.true(all(e["gateway"]["id"] == "demo" and e["key_hash"] and e["until_ms"] for e in entries("gateway.certified")))
        while subprocess.run(["openssl", "x509", "-in", os.path.join(first, "cert.pem"), "-noout", "-checkend", "0"], stdout=subprocess.DEVNULL,
                             check=False).returncode == 0:
            time.sleep(0.2)
        f.equal(f.psql("alice", "SELECT count(*) FROM orders"), "10000")
        f.true("the certificate is not renewed" not in f.log("phi-gateway"), f.log("phi-gateway")[-800:])

    @f.test("a certificate that has ended opens nothing")
    def _():
        try:
            got = kit.gateway(f, first).get("/v1/gateway/lease")
            f.equal(got.status, 401)
        except (ssl.SSLError, ConnectionError, http.client.HTTPException):
            pass  # refused by TLS itself

    @f.test("nobody is given a certificate for another key than their own")
    def _():
        pem = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], stdout=subprocess.PIPE, check=True).stdout
        other = subprocess.run(["openssl", "pkey", "-pubout"], input=pem, stdout=subprocess.PIPE, check=True).stdout.decode()
        got = kit.gateway(f).post("/v1/gateway/certificate", {"public_key": other})
        f.equal(got.status, 403)
        f.equal(kit.gateway(f).post("/v1/gateway/certificate", {"public_key": "no key"}).status, 400)
        f.true(kit.Caller(f.place.ports["people"]).post("/v1/gateway/certificate", {"public_key": other}).status in (401, 404))

    @f.test("a gateway of before, which says no protocol, is served; one that is too old is told what to do; one that is newer hears what phid speaks")
    def _():
        gw = kit.gateway(f)

        def says(protocol):
            return gw.call("GET", "/v1/gateway/snapshot?version=0.0.9", headers={"Phi-Protocol": protocol} if protocol else {})
        f.equal([says(p).json["protocol"] for p in (None, "1", "2", "3")], [1, 1, 2, 3])
        got = says("0")
        f.equal((got.status, got.json["code"]), (409, "gateway.protocol"))
        f.contains(got.json["next"], "up to date")
        f.equal(says("99").json["protocol"], 3)
        f.equal(says("x").status, 409)

    @f.test("what a gateway sent and understood in protocol 1 is still taken and answered (test/golden/gateway-1.json)")
    def _():
        golden = json.loads(text(os.path.join(phiflow._HERE, "../golden/gateway-1.json")))
        gw = kit.gateway(f)
        attempt = kit.Try(f, gw, "alice", "golden")
        known = {"PERSON": attempt.base["principal"]["id"], "CREDENTIAL": attempt.credential}

        def fill(v):
            if isinstance(v, dict):
                return {k: fill(x) for k, x in v.items()}
            if isinstance(v, list):
                return [fill(x) for x in v]
            if isinstance(v, str) and v.startswith("$"):
                return known[v[1:]]
            return v

        def path_of(path):
            return "/".join(known[p[1:]] if p.startswith("$") else p for p in path.split("/"))

        def holds(shape, v, where):
            if isinstance(shape, dict):
                f.true(isinstance(v, dict), f"{where}: {v!r}")
                for k, x in shape.items():
                    f.true(k in v, f"{where}: {k} is gone")
                    holds(x, v[k], f"{where}.{k}")
            elif isinstance(shape, list):
                f.true(isinstance(v, list), f"{where}: {v!r}")
                for x in v:
                    holds(shape[0], x, where)
            elif isinstance(shape, str) and shape.startswith("="):
                f.equal(v, shape[1:])
            else:
                f.true(isinstance(v, {"text": str, "number": int, "bool": bool}[shape]), f"{where}: {v!r} is no {shape}")

        for step in golden["exchanges"]:
            if step.get("by") == "bob":
                r = kit.person(f, "bob").get(f"/v1/requests/{known['REQUEST']}").json
                grant = kit.vote(kit.person(f, "bob"), r).json["grant"]
                known.update(GRANT=grant["id"], DIGEST=grant["digest"], ACT=grant["act"])
                continue
            got = gw.call(step["method"], path_of(step["path"]), fill(step["body"]) if "body" in step else None)
            f.equal((step["path"], got.status), (step["path"], step["status"]))
            if "answer" in step:
                holds(step["answer"], got.json, step["path"])
            for name, path in step.get("keep", {}).items():
                v = got.json
                for part in path.split("."):
                    v = v[part]
                known[name] = v + step.get("plus", 0) if isinstance(v, int) else v

    @f.test("phi doctor knows of certificates, the gateway's and that of people's listener")
    def _():
        said = f.house.phi("admin", "doctor", check=False).stdout
        f.contains(said, "gateway demo: its certificate ends at")
        f.contains(said, "renews it by itself")

    @f.test("SIGTERM: what was asked is answered whole, and phid ends with 0; the gateway too")
    def _():
        half, stop, answered = [], threading.Event(), [0]

        def ask():
            while not stop.is_set():
                try:
                    got = kit.person(f, "alice").get("/v1/whoami")
                    if got.status != 200 or "person" not in got.json:
                        half.append((got.status, got.body))
                    answered[0] += 1
                except (ConnectionError, http.client.RemoteDisconnected):
                    if stop.wait(0.01):
                        return
                except (http.client.HTTPException, ValueError) as e:
                    half.append(repr(e))
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for t in threads:
            t.start()
        f.until(lambda: answered[0] > 20, 30)
        f.house.phid.stop()
        stop.set()
        for t in threads:
            t.join()
        f.equal(half, [])
        f.contains(f.log("phid"), '"stopped"')
        f.house.phid.start()
        f.until(lambda: f.psql("alice", "SELECT 1", check=False).stdout.strip() == "1", 30)

    @f.test("a gateway that was taken away asks for nothing more, and what needs phid does not happen")
    def _():
        gw = kit.gateway(f)
        f.equal(gw.get("/v1/gateway/lease").status, 200)
        f.equal(kit.person(f, "bob").call("DELETE", "/v1/gateways/demo").status, 403)
        f.contains(f.phi("admin", "gateway", "remove", "demo"), "ends with its lease")
        f.equal(gw.get("/v1/gateway/lease").status, 401)
        f.equal(admin.call("DELETE", "/v1/gateways/demo").status, 404)
        f.equal(len(entries("gateway.removed")), 1)
        done = f.psql("alice", "DELETE FROM orders WHERE id = 1", check=False)
        f.true(done.returncode != 0, done.stdout)
        f.equal(f.direct("SELECT count(*) FROM orders WHERE id = 1"), "1")
        f.equal([g["enrolled"] for g in admin.get("/v1/gateways").json["gateways"]], [False])  # while its lease may last

    @f.test("the log says of gateways what the store holds")
    def _():
        f.house.phid.stop()
        f.house.phid.start()
        said = f.until(lambda: (lambda s: s if s["state"] != "running" else None)(admin.get("/v1/log/comparison").json), 30)
        f.equal(said["found"], "")

    f.house.gateway.stop()
    f.house.phid.stop()
    shutil.rmtree(first)

    def run(program, conf, *args):
        done = subprocess.run([f.place.program(program), "--config", conf, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, check=False)
        return done.returncode, done.stdout

    phid_conf, gateway_conf = f.house.phid_conf, f.house.gateway_conf

    def changed(conf, more):
        path = f.place.path("run", "changed.yaml")
        if os.path.exists(path):
            os.unlink(path)
        houses.write(path, text(conf) + more)
        return path

    @f.test("--check-config says what is wrong, where, and starts nothing")
    def _():
        f.equal(run("phid", phid_conf, "--check-config"), (0, "phid.yaml is well formed\n"))
        f.equal(run("phi-gateway", gateway_conf, "--check-config"), (0, "gateway.yaml is well formed\n"))
        lines = len(text(phid_conf).splitlines())
        for more, word in (("colour: red\n", f"phid.yaml:{lines + 1}: \"colour\" is not known"), ("outgoing_uid: many\n", f"phid.yaml:{lines + 1}: \"outgoing_uid\" is a whole number"),
                           ("tls: {cert: /x}\n", "tls"), ("hosts: [\n", "phid.yaml"), ("gateway_certificates: soon\n", "stands twice"), ("secrets: 7\n", "secrets"), ("store: {postgresql: 7}\n", "store")):
            rc, said = run("phid", changed(phid_conf, more), "--check-config")
            f.equal(rc, 1)
            f.contains(said, word)
        for more, word in (("parsers: 99\n", "\"parsers\" is 1 to 8"), ("colour: red\n", "colour"),
                           ("  - name: x\n    listen: 10.0.0.1:1\n    connect: \"host=h dbname=d user=u\"\n", "without tls_cert"),
                           ("  - name: x\n    listen: 127.0.0.1:1\n    connect: \"host=h dbname=d user=u sslmode=require\"\n", "sslmode")):
            rc, said = run("phi-gateway", changed(gateway_conf, more), "--check-config")
            f.equal(rc, 1)
            f.contains(said, word)

    tls = tempfile.mkdtemp(prefix="phi-tls-")
    key, cert = os.path.join(tls, "key.pem"), os.path.join(tls, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=localhost",
                    "-days", "1"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.makedirs(os.path.join(tls, "secrets"), mode=0o700)
    with open(os.open(os.path.join(tls, "secrets", "slack"), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
        file.write("xoxb")
    https = f"secrets: {tls}/secrets\ntls: {{cert: {cert}, key: {key}}}\n"

    def refuses(program, conf, path, mode, *args):
        before = os.stat(path).st_mode & 0o777
        os.chmod(path, mode)
        try:
            rc, said = run(program, conf, *args)
        finally:
            os.chmod(path, before)
        f.true(rc == 1, f"{program} with {path} as {mode:o} ended with {rc}: {said}")
        f.contains(said, os.path.basename(path))
        f.contains(said, "chmod")

    with open(phid_conf, encoding="utf-8") as file:
        plain = file.read()
    with_tls = f.place.path("run", "tls.yaml")
    houses.write(with_tls, "".join(x for x in plain.splitlines(True) if not x.startswith("url:")) + https)
    OPEN = (("phid", phid_conf, phid_conf, 0o620), ("phid", phid_conf, f.place.path("phid"), 0o750), ("phid", phid_conf, f.place.path("phid", "log.key"), 0o640),
            ("phid", phid_conf, f.place.path("phid", "ca.key"), 0o604), ("phid", with_tls, key, 0o604), ("phi-gateway", gateway_conf, f.cluster.password_file, 0o640),
            ("phi-gateway", gateway_conf, f.place.path("gateway", "key.pem"), 0o644))
    for program, conf, path, mode in OPEN:
        @f.test(f"{program} does not start while {os.path.basename(path)} has mode {mode:o}, and says how to mend it")
        def _(program=program, conf=conf, path=path, mode=mode):
            refuses(program, conf, path, mode)

    @f.test("--check-config looks at the permissions of what it names, too")
    def _():
        refuses("phid", with_tls, key, 0o604, "--check-config")
        refuses("phid", with_tls, os.path.join(tls, "secrets", "slack"), 0o640, "--check-config")
        refuses("phid", with_tls, os.path.join(tls, "secrets"), 0o777, "--check-config")
        refuses("phid", with_tls, f.place.path("phid"), 0o750, "--check-config")
        refuses("phi-gateway", gateway_conf, f.cluster.password_file, 0o640, "--check-config")

    @f.test("phid.yaml with the people's certificate is well formed")
    def _():
        f.equal(run("phid", with_tls, "--check-config")[0], 0)
    shutil.rmtree(tls)
