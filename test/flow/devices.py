#!/usr/bin/python3
# timeout: 120
"""Devices: who comes with the certificate of one acts with context.device, from the API, the CLI and through a gateway."""
import concurrent.futures
import itertools
import os
import ssl
import subprocess
import sys
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
import api_basic  # noqa: E402
from stdkit import BUILD, FAILED, Api, Phid, check  # noqa: E402

ONLY = '\n@id("office-laptops") forbid (principal, action in Action::"pg:write", resource) unless { context has device && ["laptop-7", "laptop-8"].contains(context.device) };\n'
count = itertools.count()


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


class Authority:
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.cert, self.key = (os.path.join(folder, f"{name}.{x}") for x in ("pem", "key"))
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out", self.cert, "-days", "2",
                "-subj", "/CN=" + name)

    def device(self, subject, days="1", name=None):
        """One PEM file with certificate and key."""
        base = os.path.join(self.folder, name or f"{self.name}-{next(count)}")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", base + ".k", "-out", base + ".csr", "-subj", subject)
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-out", base + ".c", "-days", days)
        with open(base + ".both", "w", encoding="ascii", opener=lambda f, m: os.open(f, m, 0o600)) as f:
            for part in (".c", ".k"):
                with open(base + part, encoding="ascii") as one:
                    f.write(one.read())
        return base + ".both"


def with_device(p, who, file):
    """The same person, from a machine that shows that certificate."""
    context = ssl.create_default_context(cafile=p.cert)
    context.load_cert_chain(file)
    other = type("P", (), {"context": context, "people": p.people})
    return Api(other, who.token)


def ask(who, **headers):
    return who.call("POST", "/v1/requests", {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]}, "for_ms": 60000,
                                             "why": f"test {next(count)}"}, headers=headers)


def refused(p, who, file):
    """TLS 1.3 tells the client only when it reads: an error, or no answer. In a thread of its own: OpenSSL keeps errors by thread, and
    Python 3.13 takes one that was left there for the next connection's."""
    def attempt():
        try:
            return with_device(p, who, file).get("/healthz").status
        except (ssl.SSLError, OSError):
            return "refused"

    with concurrent.futures.ThreadPoolExecutor(1) as own:
        return own.submit(attempt).result()


def over_the_api(p, alice, laptop, ours, theirs):
    check("without a certificate people come in as before", alice.get("/v1/whoami").status == 200)
    check("but what rests on the device is refused", ask(alice).status == 403)
    check("from a laptop it is asked for", ask(laptop).status == 201)
    check("a header says nothing", ask(alice, **{"X-Device": "laptop-7", "X-SSL-Client-CN": "laptop-7", "X-Client-Cert": "laptop-7"}).status == 403)
    check("another device of ours is another device", ask(with_device(p, alice, ours.device("/CN=phone-1"))).status == 403)
    check("a name that stands twice is none", ask(with_device(p, alice, ours.device("/CN=laptop-7/CN=laptop-7"))).status == 403)
    check("another CA's certificate opens nothing", refused(p, alice, theirs.device("/CN=laptop-7")) == "refused")
    body = {"subject": {"type": "Person", "id": alice.id}, "action": {"name": "pg:write"}, "resource": {"type": "Target", "id": '["shop"]'}}
    check("nobody says it in AuthZEN", alice.post("/access/v1/evaluation", {**body, "context": {"device": "laptop-7"}}).status == 400)


def through_a_gateway(p, alice, laptop, bob):
    gw, _ = api_basic.gateway(p, p.admin, p.folder)
    plain, good = (who.post("/v1/credentials", {"target": "shop"}).json["id"] for who in (alice, laptop))
    a, b = api_basic.Attempt(gw, alice.id, plain), api_basic.Attempt(gw, alice.id, good)
    got = a.ask("DELETE FROM orders WHERE id = 1")
    check("a credential that was issued to no device does not do", got.json["answer"] == "deny", got)
    got = b.ask("DELETE FROM orders WHERE id = 2")
    check("one that was issued to the laptop does", got.json["answer"] == "pending", got)
    r = got.json["request"]
    got = bob.post(f"/v1/requests/{r['id']}/votes", {"decision": "approve", "digest": r["digest"], "version": r["version"]})
    check("its approval decides with that device", got.status == 200 and got.json["status"] == "approved", got)
    grant = got.json["grant"]
    got = a.claim(grant, str(uuid.uuid4()))
    check("another session of hers, from elsewhere, cannot claim it", got.status == 403 and got.code == "policy.denied", got)
    got = b.claim(grant, str(uuid.uuid4()))
    check("the laptop's session can", got.status == 200, got)


def over_the_cli(p, alice, file):
    def phi(**more):
        env = {k: v for k, v in os.environ.items() if not k.startswith("PHI_")}
        env.update(PHI_URL=p.url, PHI_TOKEN=alice.token, PHI_CA=p.cert, PHI_CONFIG_DIR=p.folder, **more)
        return subprocess.run([os.path.join(BUILD, "src/bin/phi"), "request", "pg:write", "shop/public.orders", "-m", f"cli {next(count)}", "--json"], env=env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    got = phi()
    check("phi without its machine's certificate is refused", got.returncode == 3, got)
    got = phi(PHI_DEVICE=file)
    check("phi with PHI_DEVICE is not", got.returncode in (0, 5) and "pending" in got.stdout, got)
    os.chmod(file, 0o644)
    got = phi(PHI_DEVICE=file)
    check("a key that others can read is refused", got.returncode == 1 and "600" in got.stderr, got)
    os.chmod(file, 0o600)


def crl(ours, *revoked, days="1"):
    """The authority's list, as `openssl ca` makes it; the number rises."""
    at = lambda name: os.path.join(ours.folder, name)  # noqa: E731
    with open(at("ca.cnf"), "w", encoding="ascii") as f:
        f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={at('index')}\ncrlnumber={at('number')}\ndefault_md=sha256\n")
    for name, text in (("index", ""), ("number", "01\n")):
        if not os.path.exists(at(name)):
            with open(at(name), "w", encoding="ascii") as f:
                f.write(text)
    ca = ("ca", "-config", at("ca.cnf"), "-cert", ours.cert, "-keyfile", ours.key)
    for file in revoked:
        openssl(*ca, "-revoke", file)
    end = ("-crldays", days) if days else ("-crlsec", "1")
    openssl(*ca, "-gencrl", *end, "-out", at("crl.new"))
    os.replace(at("crl.new"), at("crl.pem"))
    return at("crl.pem")


def again(p, n):
    """phid has read its files for the n-th time."""
    return until(lambda: p.said().count("the certificate was read again") >= n)


def until(fits, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if fits():
            return True
        time.sleep(0.1)
    return False


def configure(p, line):
    with open(p.config, "a", encoding="utf-8") as f:
        f.write(line)
    p.stop()
    p.start()


def taken_back(p, alice, ours, theirs):
    lost, kept = ours.device("/CN=laptop-7"), ours.device("/CN=laptop-8")
    configure(p, f"devices_revoked: {crl(ours)}\n")
    open_one, other = with_device(p, alice, lost), with_device(p, alice, kept)
    check("with a list that names nobody devices come in", ask(open_one).status == 201 and ask(other).status == 201)
    crl(ours, lost)
    check("a new list is read by itself", again(p, 1), p.said()[-500:])
    check("a connection that is open already has no device any more", ask(open_one).status == 403)
    check("and no new one is made with that certificate", refused(p, alice, lost) == "refused")
    check("others' certificates are good, on open connections and on new ones", ask(other).status == 201 and ask(with_device(p, alice, kept)).status == 201)
    check("who shows none is let in as before", alice.get("/v1/whoami").status == 200)
    with open(os.path.join(ours.folder, "crl.pem"), "w", encoding="ascii") as f:
        f.write("no list\n")
    check("what is no list changes nothing, and phid says so", until(lambda: "the certificate stays as it was" in p.said()) and refused(p, alice, lost) == "refused"
          and ask(other).status == 201, p.said()[-500:])
    crl(ours, days=None)
    check("a list that has ended", again(p, 2) and until(lambda: ask(other).status == 403) and refused(p, alice, kept) == "refused", p.said()[-500:])
    crl(theirs)
    check("nor does another CA's list stand for this one's", again(p, 3) and refused(p, alice, kept) == "refused", p.said()[-500:])
    crl(ours)
    check("a good list brings the others back", again(p, 4) and ask(with_device(p, alice, kept)).status == 201 and refused(p, alice, lost) == "refused", p.said()[-500:])


def behind_a_proxy(p, alice, file):
    configure(p, "trusted_proxies: [127.0.0.1]\n")
    check("a proxy's certificate is nobody's device", ask(with_device(p, alice, file)).status == 403)


def main():
    with Phid() as p:
        ours, theirs = Authority(p.folder, "devices"), Authority(p.folder, "others")
        with open(p.config, "a", encoding="utf-8") as f:
            f.write(f"devices: {ours.cert}\n")
        p.stop()
        p.start()
        p.admin.post("/v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:6432", "database": "shop"})
        alice, bob = p.person("alice", "dev"), p.person("bob", "dba")
        got = p.bundle(policies=ONLY)
        check("a policy of devices goes live", got.status == 200, got)
        file = ours.device("/CN=laptop-7")
        laptop = with_device(p, alice, file)
        over_the_api(p, alice, laptop, ours, theirs)
        through_a_gateway(p, alice, laptop, bob)
        over_the_cli(p, alice, file)
        taken_back(p, alice, ours, theirs)
        behind_a_proxy(p, alice, file)
    return 1 if FAILED or api_basic.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
