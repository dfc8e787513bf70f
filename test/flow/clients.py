#!/usr/bin/python3
# timeout: 180
"""The clients that others use: clients/python/phi.py and include/phi/client.h, against a running phid over HTTPS."""
import json
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../../clients/python")]
import phi  # noqa: E402
from stdkit import BUILD, FAILED, Phid, certificate, check  # noqa: E402


def answer(bob, decision, code=None):
    """bob answers what comes into his inbox."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for r in bob.get("/v1/requests?box=inbox&status=pending").json["requests"]:
            if code in (None, r["code"]):
                bob.post(f"/v1/requests/{r['id']}/votes", {"decision": decision, "digest": r["digest"], "version": r["version"], "reason": "so be it"})
                return
        time.sleep(0.05)


def later(*args):
    t = threading.Thread(target=answer, args=args, daemon=True)
    t.start()
    return t


def raises(kind, function, **want):
    try:
        function()
    except kind as e:
        return all(getattr(e, k) == v for k, v in want.items()) and e
    return None


def python_client(p, alice, bob):
    c = phi.Client(p.url, token=alice.token, ca_file=p.cert)
    orders = ["shop", "public", "orders"]
    check("python: may: yes, and no", c.may("pg:select", "Table", orders) is True and c.may("pg:delete", "Table", orders) is False)
    check("python: ask: nothing to wait for where the policy allows", c.ask("shop", ["pg:select"], ["shop/public.orders"], "look").wait().status == "allowed")
    r = c.ask("shop", ["pg:delete"], ["shop/public.orders"], "python", for_s=60, key="one")
    check("python: ask: a request with a code waits", r.status == "pending" and r.code, r.answer)
    check("python: ask: the same key is the same request", c.ask("shop", ["pg:delete"], ["shop/public.orders"], "python", for_s=60, key="one").id == r.id)
    e = raises(phi.StillPending, lambda: r.wait(0.2))
    check("python: wait: time is up, it goes on", e and e.request is r, e)
    voter = later(bob, "approve", r.code)
    check("python: wait: approved", r.wait(60).status == "approved" and r.grant["remaining_ms"] > 0)
    voter.join()
    with r.use() as used:
        check("python: use: in the block it is allowed, for a while", c.may("pg:delete", "Table", orders) is True and 0 < used.remaining_s() <= 60)
    check("python: use: after it the grant is given back", c.may("pg:delete", "Table", orders) is False and r.refresh().grant["status"] == "returned", r.answer)
    check("python: use: no second time", raises(phi.Expired, lambda: r.use().__enter__()))
    r = c.ask("shop", ["pg:delete"], ["shop/public.items"], "python")
    voter = later(bob, "deny", r.code)
    e = raises(phi.Denied, lambda: r.wait(60), reason="so be it")
    check("python: wait: denied, with the reason", e, e)
    voter.join()
    r = c.ask("shop", ["pg:delete"], ["shop/public.items"], "python")
    check("python: cancel", r.cancel().status == "cancelled" and raises(phi.Denied, r.wait))
    e = raises(phi.Denied, lambda: phi.Client(p.url, token=p.person("eve").token, ca_file=p.cert).ask("shop", ["pg:select"], ["shop/public.orders"], "no"))
    check("python: ask: what is not permitted is said", e, e)
    check("python: a problem has code and next step", (e := raises(phi.Problem, lambda: c.request("ZZZ-ZZZ"))) and e.status == 404 and e.code and e.next, e)
    check("python: another's certificate is refused", raises(phi.Unreachable, lambda: phi.Client(p.url, token=alice.token).whoami()))
    check("python: no token is sent in the clear", raises(ValueError, lambda: phi.Client("http://phi.example", token="x")))
    check("python: a token that is none", raises(phi.Problem, lambda: phi.Client(p.url, token="x", ca_file=p.cert).whoami(), status=401, code="auth.required"))
    p.stop()
    e = raises(phi.Unreachable, c.whoami)
    check("python: a phid that is down is unreachable", e, e)
    p.start()
    check("python: and reached again", c.whoami()["person"]["name"] == "alice")


def c_client(p, alice, bob):
    program = os.path.join(BUILD, "test/api/client-demo")
    with open(p.cert, encoding="ascii") as f:
        env = {**os.environ, "PHI_URL": p.url, "PHI_TOKEN": alice.token, "PHI_CA_PEM": f.read()}

    def run(*args, **more):
        return subprocess.run([program, *args], env={**env, **more}, capture_output=True, text=True, timeout=120, check=False)
    got = run("may", "pg:select", "shop/public.orders")
    check("c: may: yes", got.stdout.startswith("may yes") and got.returncode == 0, got)
    got = run("may", "pg:delete", "shop/public.orders")
    check("c: may: after an approval", got.stdout.startswith("may pending") and "dba" in got.stdout, got)
    got = run("may", "pg:select", "hr/public.pay")
    check("c: may: no, and why", got.stdout.startswith("may no ") and len(got.stdout) > 20, got)
    voter = later(bob, "approve")
    got = run("ask", "pg:delete", "shop/public.third")
    voter.join()
    lines = got.stdout.splitlines()
    check("c: ask, wait, use, given back", [x.split()[:2] for x in lines] == [["ask", "pending"], ["wait", "yes"], ["the", "work"], ["use", "yes"], ["again", "over"]]
          and lines[3] == "use yes 7", got)
    voter = later(bob, "deny")
    got = run("ask", "pg:delete", "shop/public.fourth")
    voter.join()
    check("c: denied, with the reason", "wait no so be it" in got.stdout and got.returncode == 1, got)
    check("c: a token that is none", "error" in run("may", "pg:select", "shop/public.orders", PHI_TOKEN="x").stdout)
    check("c: http to elsewhere is refused", "open:" in run("may", "pg:select", "shop", PHI_URL="http://phi.example:1").stdout)
    with open(certificate(p.folder, "another")[0], encoding="ascii") as f:
        got = run("may", "pg:select", "shop", PHI_CA_PEM=f.read())
    check("c: another's certificate is refused", "may error" in got.stdout, got)
    got = run("may", "pg:select", "shop", PHI_URL=p.url.replace("localhost", "127.0.0.2"))
    check("c: a certificate for another name is refused, its CA known or not", "may error" in got.stdout, got)
    check("c: no sanitizer finding", "runtime error" not in got.stderr and "Sanitizer" not in got.stderr, got.stderr)


def main():
    with Phid() as p:
        alice, bob = p.person("alice", "dev"), p.person("bob", "dba")
        p.admin.post("/v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:6432", "database": "shop"})
        python_client(p, alice, bob)
        c_client(p, alice, bob)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
