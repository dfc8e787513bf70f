#!/usr/bin/python3
# timeout: 240
"""A claim that is filed while alice waits: it is made with the grant, in one transaction, and given back where she is gone."""
import contextlib
import json
import os
import random
import signal
import threading
import time

import phiflow
import attackkit as kit
from session import Psql

CODE = r"phi (\w{3}-\w{3}) is waiting"
RANDOM = random.Random(int(os.environ.get("PHI_SEED", "7")))


def wait(psql, sql):
    psql.say(sql)
    return psql.expect(CODE, 15).group(1)


def entries(f):
    """The whole log."""
    found = []
    while True:
        page = kit.admin(f).get(f"/v1/log/entries?from={len(found)}&limit=1000").json["entries"]
        found += [json.loads(e) for e in page]
        if len(page) < 1000:
            return found


def of_request(f, id):
    """What the log says of it: [event or its outcome], in order."""
    return [e.get("outcome") or e["ev"] for e in entries(f) if e.get("req") == id]


def main(f):
    def shown(code):
        return json.loads(f.phi("bob", "show", code, "--json"))

    def approve(code, check=True):
        f.phi("bob", "approve", code, "--digest", shown(code)["digest"], check=check)

    def there(id):
        return f.direct(f"SELECT count(*) FROM orders WHERE id = {id}") == "1"

    @contextlib.contextmanager
    def standstill(i):
        """Of the gateway, after its filing: a message of its own that nothing shows, so each time it has more time for it."""
        time.sleep(0.2 * 2 ** i)
        os.kill(f.house.gateway.pid(), signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(f.house.gateway.pid(), signal.SIGCONT)

    @f.test("the claim is in the log with its grant, though the gateway is at a standstill, and serves it when it goes on")
    def _():
        for i in range(6):
            p = Psql(f.house, "alice")
            code = wait(p, f"DELETE FROM orders WHERE id = {21 + i};")
            request = shown(code)["id"]
            with standstill(i):
                approve(code)
                log = entries(f)
                assert there(21 + i), "the gateway stands still"
            p.expect("^DELETE 1$", 30)
            p.close()
            f.until(lambda: of_request(f, request)[-2:] == ["done", "grant.used"], 20, "its outcome is not told")
            made = next(k for k, e in enumerate(log) if e["ev"] == "grant.made" and e["req"] == request)
            if len(log) > made + 2:
                f.equal([e["ev"] for e in log[made:made + 3]], ["grant.made", "request.approved", "grant.claimed"])
                f.equal(of_request(f, request).count("grant.claimed"), 1)
                return
        f.true(False, "no claim was made with its grant")

    @f.test("Ctrl-C while the gateway has not heard of the approval: its use is given back, and serves the next")
    def _():
        for i in range(6):
            p = Psql(f.house, "alice")
            code = wait(p, f"DELETE FROM orders WHERE id = {31 + i};")
            request = shown(code)["id"]
            with standstill(i):
                approve(code)
                p.hang_up()
            # Whichever it reads first, the approval or that she is gone: it ran, or it is given back.
            f.until(lambda: {"done", "unsent", "failed", "unknown"} & set(of_request(f, request)) or "grant.claimed" not in of_request(f, request), 30,
                    "a claim is open")
            if "unsent" in of_request(f, request):
                f.true(there(31 + i), "it was given back, and ran")
                p = Psql(f.house, "alice")
                p.say(f"DELETE FROM orders WHERE id = {31 + i};")
                p.expect("^DELETE 1$", 30)
                p.close()
                return

    @f.test("votes, Ctrl-C, revocations and a phid that is killed, at any moment: done ran once, unsent did not")
    def _():
        requests = {}
        for n in range(int(os.environ.get("PHI_ROUNDS", "12"))):
            one(f, approve, shown, n, requests)
        f.until(lambda: all(settled(of_request(f, r)) for r in requests.values()), 60,
                lambda: {n: of_request(f, r) for n, r in requests.items() if not settled(of_request(f, r))})
        for n, r in requests.items():
            said = of_request(f, r)
            done, gone = said.count("done"), not there(100 + n)
            f.true(gone if done else not gone or "unknown" in said or "failed" in said, f"statement {n}: gone {gone}, and the log says {said}")
            f.true(done <= 1, f"statement {n} was done {done} times")
        print("  outcomes:", {k: sum(of_request(f, r).count(k) for r in requests.values()) for k in ("done", "unsent", "failed", "unknown", "grant.claimed")})


def settled(said):
    return said.count("grant.claimed") == sum(said.count(o) for o in ("done", "unsent", "failed", "unknown"))


def one(f, approve, shown, n, requests):
    p = Psql(f.house, "alice")
    code = wait(p, f"DELETE FROM orders WHERE id = {100 + n};")
    requests[n] = shown(code)["id"]
    what = RANDOM.choice(["stay", "ctrl-c", "ctrl-c", "close", "revoke", "kill"])
    vote = threading.Thread(target=approve, args=(code, False))
    vote.start()
    time.sleep(RANDOM.random() * 0.6)  # anywhere in what the vote's program does
    if what == "ctrl-c":
        p.interrupt()
    elif what == "close":
        p.hang_up()
    elif what == "revoke":
        f.phi("bob", "revoke", code, "-m", "no", check=False)
    elif what == "kill":
        vote.join()
        os.kill(f.house.phid.pid(), 9)
        f.house.start(f.house.phid, ["people", "gateways"])
    vote.join()
    if what in ("stay", "kill"):
        p.expect("^DELETE 1$", 60)
    if what != "close":
        p.close()


with phiflow.Flow() as flow:
    flow.direct("INSERT INTO orders SELECT n, 1, 'kettle', 10, 'open', now() FROM generate_series(21, 400) n ON CONFLICT DO NOTHING")
    main(flow)
