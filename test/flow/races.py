#!/usr/bin/python3
# timeout: 150
"""One-time grants and one person's votes, by many at once: 16 clients over two phids on PostgreSQL and over one on SQLite.

races.py [--grants N] [--votes N] [--seconds S] [pgsql|sqlite]    each grant is tried by every client; who is told that it may acts in a target database,
where nothing keeps an act from being done twice, and the acts are counted there. After S seconds no more grants are made, and what was
done by then is counted. Without arguments: a small part, for each test run"""
import argparse
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]

import api_basic as kit  # noqa: E402
import nodes  # noqa: E402
import scratch_pg  # noqa: E402
from api_basic import check  # noqa: E402

CLIENTS = 16
LOT = 20  # grants that wait to be tried at a time; nobody may leave more than 100 requests open


class Kept(kit.Api):
    """A caller who keeps the connection."""

    def __init__(self, of):
        super().__init__(of.port, of.token, of.tls)
        self.line = None

    def call(self, method, path, body=None, headers=None):
        h = {"Content-Type": "application/json", **({"Authorization": "Bearer " + self.token} if self.token else {}), **(headers or {})}
        self.line = self.line or self.connect()
        self.line.request(method, path, json.dumps(body) if body is not None else None, h)
        return kit.Answer(self.line.getresponse())


class Attempt(kit.Attempt):
    """On another table for each 500 requests: nobody may make more than 600 an hour of the same."""

    n = 0

    def what(self, sql, session):
        return json.loads(json.dumps(super().what(sql, session)).replace("orders", f"orders_{self.n // 500}"))


class Client:
    """A gateway's worker with a line to one phid and one to the target."""

    def __init__(self, pg, cast, on):
        self.at = Attempt(Kept(cast.gateway_on(on)), cast.ids["alice"], cast.credential)
        self.target = subprocess.Popen([pg.bin + "/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", pg.folder, "-U", "postgres", "-d", "target"],
                                       stdin=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
        self.won, self.tried, self.refused = 0, 0, {}

    def race(self, grants, start):
        for g in grants:
            start.wait(60)
            self.at.n = g["at"]
            got = self.at.claim(g, str(uuid.uuid4()))
            self.tried += 1
            if got.status == 200:
                self.won += 1
                self.target.stdin.write(f"INSERT INTO effect VALUES ('{g['id']}');\n")
            else:
                self.refused[got.code] = self.refused.get(got.code, 0) + 1

    def close(self):
        self.target.stdin.close()
        return self.target.wait(60)


def grants_race(pg, cast, on, args, name):
    n = args.grants
    pg.sql("DROP DATABASE IF EXISTS target")
    pg.sql("CREATE DATABASE target")
    pg.sql("CREATE TABLE effect (grant_id text)", "target")
    clients = [Client(pg, cast, on[i % len(on)]) for i in range(CLIENTS)]
    alice, bob, done, t0 = (Attempt(Kept(cast.gateway_on(on[0])), cast.ids["alice"], cast.credential), Kept(cast.of("bob", on[-1])), 0, time.monotonic())
    while done < n and (not args.seconds or time.monotonic() - t0 < args.seconds):
        lot = []
        alice.gw.get("/v1/gateway/lease")
        for i in range(done, min(n, done + LOT)):
            alice.n = i
            r = alice.ask(f"DELETE FROM orders WHERE id = {i}").json["request"]
            voted = bob.post(f"/v1/requests/{r['id']}/votes", {"decision": "approve", "digest": r["digest"], "version": 1})
            lot.append({**voted.json["grant"], "at": i})
        start = threading.Barrier(CLIENTS)
        threads = [threading.Thread(target=c.race, args=(lot, start)) for c in clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        done += len(lot)
        if done % (LOT * 50) == 0:
            print(f"# {name}: {done} grants, {done * CLIENTS / (time.monotonic() - t0):.0f} tries a second", flush=True)
    n = done
    closed = [c.close() for c in clients]
    counted = pg.sql("SELECT count(*), count(DISTINCT grant_id) FROM effect", "target")
    tried, won = sum(c.tried for c in clients), sum(c.won for c in clients)
    codes = {k for c in clients for k in c.refused}
    check(f"{name}: {n} one-time grants, {tried} tries of {CLIENTS} clients over {len(on)} phid(s): each done once",
          counted == f"{n}|{n}" and won == n and tried == n * CLIENTS and not any(closed) and codes <= {"grant.used", "grant.ended", "conflict"},
          (counted, won, tried, closed, codes))


def votes_race(cast, on, n, name):
    """Two DBAs are needed; bob alone votes again and again, on all phids at once."""
    ask = {"target": "shop", "scope": {"actions": ["pg:admin"], "resources": ["shop/public.orders"]}, "for_ms": 60000, "why": "to be voted on"}
    cast.admin.post("/v1/people", {"name": "carol", "groups": ["dba"]})  # with one DBA alone nobody could ever approve this
    asked = cast.of("alice", on[0]).post("/v1/requests", ask)
    check(f"{name}: alice asks for what two must approve", asked.status == 201, asked)
    if asked.status != 201:
        return
    r = asked.json
    answers, lock = {}, threading.Lock()
    start = threading.Barrier(CLIENTS)

    def votes(i):
        bob = Kept(cast.of("bob", on[i % len(on)]))
        start.wait(60)
        for _ in range(i, n, CLIENTS):
            got = bob.post(f"/v1/requests/{r['id']}/votes", {"decision": "approve", "digest": r["digest"], "version": 1})
            with lock:
                key = (got.status, got.code if got.status != 200 else "")
                answers[key] = answers.get(key, 0) + 1
    threads = [threading.Thread(target=votes, args=(i,)) for i in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    now = cast.of("alice", on[-1]).get(f"/v1/requests/{r['id']}").json
    voted = [e for e in map(json.loads, nodes.entries(on[0], cast.admin.token)) if e["ev"] == "request.voted" and e["req"] == r["id"]]
    check(f"{name}: {n} votes of one person at once count as one", now["status"] == "pending" and len(now["votes"]) == 1 and len(voted) == 1 and sum(answers.values()) == n,
          (now["status"], len(now["votes"]), len(voted), answers))
    cast.of("alice", on[0]).post(f"/v1/requests/{r['id']}/cancel")


def house(folder, pg, name):
    """The phids, running, and who acts over them."""
    os.makedirs(folder)
    if name == "sqlite":
        on = [kit.Phid(os.path.join(folder, "a"))]
    else:
        password = os.path.join(folder, "password")
        with open(os.open(password, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
            f.write("not needed over the socket\n")
        on = [nodes.node(folder, n, pg, password) for n in ("a", "b")]
    return on


def run(folder, pg, name, args):
    on = house(folder, pg, name)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            secret = re.search(r"/login/(\S+)", on[0].run("bootstrap", "--admin", "root").stdout).group(1)
            up = on[0].start()
            for other in on[1:]:
                nodes.join(on[0], other)
                up = other.start() and up
            cast = nodes.Cast(on[0], on[-1], folder, secret)
        check(f"{name}: {len(on)} phid(s) serve", up and not kit.FAILED, said.getvalue()[-2000:])
        votes_race(cast, on, args.votes, name)
        grants_race(pg, cast, on, args, name)
    finally:
        for p in on:
            if p.process and p.process.poll() is None:
                p.stop()
            check("no sanitizer finding in phid", not re.search(r"runtime error|AddressSanitizer|LeakSanitizer", p.said()), p.said()[-3000:])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--grants", type=int, default=20)
    p.add_argument("--votes", type=int, default=160)
    p.add_argument("--seconds", type=int, default=0)
    p.add_argument("kinds", nargs="*", choices=["sqlite", "pgsql", []])
    args = p.parse_args()
    folder = tempfile.mkdtemp(prefix="phi-races-")
    try:
        with scratch_pg.Scratch() as pg:
            for name in args.kinds or ["sqlite", "pgsql"]:
                run(os.path.join(folder, name), pg, name, args)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if kit.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
