#!/usr/bin/python3
# timeout: 120
"""Two phids over one PostgreSQL: what is approved on one wakes the waiter on the other; killing either loses nothing; the log
stays one log, signed by one key; one-time grants are spent once however many ask on both; the database may go away and come back."""
import concurrent.futures
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]

import api_basic as kit  # noqa: E402
import scratch_pg  # noqa: E402
from api_basic import check  # noqa: E402

RACES = int(os.environ.get("PHI_RACES", "25"))  # one-time grants, 16 clients each


def node(folder, name, pg, password_file):
    os.makedirs(os.path.join(folder, name))
    p = kit.Phid(os.path.join(folder, name))
    p.write_config(f'store:\n  postgresql: "{pg.conninfo}"\n  password_file: {password_file}\n')
    return p


def join(a, b):
    """The second data folder, as an operator makes it."""
    os.mkdir(f"{b.folder}/data", 0o700)
    for name in os.listdir(f"{a.folder}/data"):
        if name.startswith(("ca", "log.", "origin")):
            shutil.copy2(f"{a.folder}/data/{name}", f"{b.folder}/data/{name}")
            st = os.stat(f"{a.folder}/data/{name}")
            os.chown(f"{b.folder}/data/{name}", st.st_uid, st.st_gid)


def refused_starts(folder, pg, password_file):
    c = node(folder, "c", pg, password_file)
    done = c.run("link", "root")
    check("a phid with another log key is refused", done.returncode == 1 and "another key" in done.stderr, done)
    os.chmod(password_file, 0o644)
    done = c.run("link", "root")
    check("a password file that others may read is refused", done.returncode == 1 and "others may read it" in done.stderr, done)
    os.chmod(password_file, 0o600)
    c.write_config(f'store:\n  postgresql: "{pg.conninfo} password=x"\n')
    done = c.run("link", "root")
    check("a password in phid.yaml is refused", done.returncode == 1 and "password_file" in done.stderr, done)
    c.write_config(f'store:\n  postgresql: "{pg.conninfo}"\n  copy_before_update: soon\n')
    done = c.run("--check-config")
    check("whether to copy before an update is true or false", done.returncode == 1 and "copy_before_update" in done.stderr, done)
    c.write_config("store:\n  postgre: x\n")
    check("an unknown word under store is an error", c.run("--check-config").returncode == 1)


class Cast:
    """alice, bob, a gateway that may speak to either node."""

    def __init__(self, a, b, folder, secret):
        self.a, self.b = a, b
        token = a.api().post("/v1/sessions", {"link": secret}).json["token"]
        self.admin = a.api(token)
        who, self.ids = kit.furnish(a, self.admin)
        self.tokens = {n: api.token for n, api in who.items()}
        self.gw, _ = kit.gateway(a, self.admin, folder)
        self.credential = self.of("alice", a).post("/v1/credentials", {"target": "shop"}).json["id"]

    def of(self, name, on):
        return on.api(self.tokens[name])

    def gateway_on(self, on):
        return kit.Api(on.gateways, tls=self.gw.tls)

    def attempt(self, on):
        return kit.Attempt(self.gateway_on(on), self.ids["alice"], self.credential)

    def approve(self, request, on):
        body = {"decision": "approve", "digest": request["digest"], "version": 1}
        return self.of("bob", on).post(f"/v1/requests/{request['id']}/votes", body)

    def granted(self, sql, ask_on, approve_on):
        r = self.attempt(ask_on).ask(sql).json["request"]
        got = self.approve(r, approve_on)
        if got.status != 200:
            raise RuntimeError(f"not approved: {got}")
        return got.json["grant"]


def wakes(cast, rounds=20):
    stream = kit.Events(cast.gateway_on(cast.b))
    stream.opened.wait(30)
    took = []
    for i in range(rounds):
        r = cast.attempt(cast.b).ask(f"DELETE FROM orders WHERE id = {i}").json["request"]
        at = time.monotonic()
        got = cast.approve(r, cast.a)
        heard = stream.wait("request", lambda d, r=r: d["id"] == r["id"] and d["status"] == "approved")
        if not heard or not heard[1]["grant"]:
            check("the approval on one phid reaches the gateway on the other", False, (got, heard))
            return
        took.append((heard[2] - at) * 1000)
    # A machine may be busy with other tests, so what is held to 100 ms is what it can do; polling alone would take a second.
    few, middle = sorted(took)[len(took) // 5], statistics.median(took)
    check(f"an approval on one phid wakes the waiter on the other within 100 ms (median {middle:.0f}, worst {max(took):.0f})",
          few < 100 and middle < 500, took)
    stream.connection.sock.shutdown(2)


def entries(on, token):
    got, n = [], 0
    while True:
        page = on.api(token).get(f"/v1/log/entries?from={n}&limit=1000").json["entries"]
        got += page
        n += len(page)
        if len(page) < 1000:
            return got


def one_log(cast, what):
    both = [entries(on, cast.admin.token) for on in (cast.a, cast.b)]
    n = min(map(len, both))
    check(f"both phids show one log {what}", both[0][:n] == both[1][:n] and n > 0 and
          [json.loads(e)["n"] for e in both[0]] == list(range(len(both[0]))))
    return both[0]


def signed(on, size, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        note = on.api().get("/v1/log/checkpoint").body.decode().split("\n")
        if len(note) > 1 and int(note[1]) >= size:
            return True
        time.sleep(0.05)
    return False


def races(cast, pg):
    """Whoever is given the use acts in a target database, where nothing keeps an act from being done twice."""
    pg.sql("CREATE DATABASE target")
    pg.sql("CREATE TABLE effect (grant_id text)", "target")
    spent = 0

    def try_it(client, grant):
        got = client.claim(grant, str(uuid.uuid4()))
        if got.status == 200:
            pg.sql(f"INSERT INTO effect VALUES ('{grant['id']}')", "target")
        return got

    refused = set()
    for i in range(RACES):
        grant = cast.granted(f"DELETE FROM orders WHERE id = {1000 + i}", cast.a, cast.b)
        clients = [cast.attempt(cast.a if k % 2 else cast.b) for k in range(16)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            done = list(pool.map(lambda c, g=grant: try_it(c, g), clients))
        won = [d for d in done if d.status == 200]
        refused |= {d.code for d in done if d.status != 200}
        spent += len(won)
        if len(won) != 1:
            check("a one-time grant is spent once", False, done)
            return
    check(f"{RACES} one-time grants, 16 clients over two phids: each done once", pg.sql("SELECT count(*), count(DISTINCT grant_id) FROM effect", "target") == f"{RACES}|{RACES}" and spent == RACES and refused <= {"grant.used", "grant.ended", "conflict"},
          (spent, refused))


def killed(cast):
    """Node a dies while alice waits there; all goes on at b."""
    r = cast.attempt(cast.a).ask("DELETE FROM orders WHERE id = 7777").json["request"]
    before = entries(cast.a, cast.admin.token)
    cast.a.stop(signal.SIGKILL)
    got = cast.approve(r, cast.b)
    check("after one phid was killed the other approves what waited there", got.status == 200 and got.json["grant"], got)
    got = cast.attempt(cast.b).claim(got.json["grant"], "after-the-kill")
    check("and the gateway claims it there", got.status == 200, got)
    after = entries(cast.b, cast.admin.token)
    check("nothing of the log is lost", after[:len(before)] == before and len(after) > len(before))
    check("the other phid takes over the signing", signed(cast.b, len(after)), cast.b.said()[-800:])
    got = cast.attempt(cast.b).ask("DELETE FROM orders WHERE id = 7778").json["request"]
    check("the killed one starts again", cast.a.start(), cast.a.said()[-600:])
    cast.b.stop(signal.SIGKILL)
    check("killing the other one loses nothing either", cast.approve(got, cast.a).status == 200)
    check("it takes over the signing in turn", signed(cast.a, len(entries(cast.a, cast.admin.token))), cast.a.said()[-800:])
    check("both are there again", cast.b.start(), cast.b.said()[-600:])
    one_log(cast, "after both were killed")


def hears(cast, on, other, i):
    """False also where the stream was ended, because something may have been missed: whoever listens comes back."""
    stream = kit.Events(cast.gateway_on(on))
    stream.opened.wait(30)
    r = cast.attempt(on).ask(f"DELETE FROM orders WHERE id = {4300 + 10 * i + (on is cast.b)}").json["request"]
    cast.approve(r, other)
    heard = stream.wait("request", lambda d: d["id"] == r["id"] and d["status"] == "approved")
    if stream.connection.sock:
        stream.connection.sock.shutdown(2)
    return bool(heard)


def database_away(cast, pg):
    pg.stop()
    got = cast.attempt(cast.a).ask("DELETE FROM orders WHERE id = 1")
    check("without the database nothing is answered as done", got.status in (500, 503), got)
    pg.start()
    end = time.monotonic() + 15
    while time.monotonic() < end:
        got = cast.attempt(cast.a).ask("DELETE FROM orders WHERE id = 4242")
        if got.status == 200:
            break
        time.sleep(0.1)
    check("when it is back both go on", got.status == 200 and cast.of("alice", cast.b).get("/v1/whoami").status == 200, got)
    check("and the approval crosses over", cast.approve(got.json["request"], cast.b).status == 200)
    for on, other in ((cast.a, cast.b), (cast.b, cast.a)):
        check("each hears the other again", any(hears(cast, on, other, i) for i in range(5)), on.said()[-800:])
    one_log(cast, "after the database was away")


def published(on):
    note = on.api().get("/v1/log/checkpoint").body.decode().split("\n")
    return int(note[1]) if len(note) > 1 else 0


def another_key(cast):
    """The phid that signs changes the key; the other one serves on and signs nothing until it has the key as well."""
    cast.attempt(cast.a).ask("DELETE FROM orders WHERE id = 9100")
    old = cast.a.api().get("/v1/log/key").body
    done = {on: on.run("rotate-log-key") for on in (cast.a, cast.b)}
    holder = next((on for on in done if done[on].returncode == 0), cast.a)
    other = cast.b if holder is cast.a else cast.a
    check("the phid that signs changes the log's key", done[holder].returncode == 0, done)
    check("the other one says who can", done[other].returncode == 1 and "run this there" in done[other].stderr, done[other])
    check("both show the new key", cast.a.api().get("/v1/log/key").body == cast.b.api().get("/v1/log/key").body != old)
    cast.attempt(other).ask("DELETE FROM orders WHERE id = 9101")
    size = len(entries(other, cast.admin.token))
    check("heads go on under it, on both phids", signed(holder, size) and signed(other, size), size)
    holder.stop(signal.SIGKILL)
    got = cast.attempt(other).ask("DELETE FROM orders WHERE id = 9102")
    check("without it the other one serves on", got.status == 200 and cast.approve(got.json["request"], other).status == 200, got)
    end = time.monotonic() + 60
    while time.monotonic() < end and "was changed on another phid" not in other.said():
        time.sleep(0.05)
    check("and says what it lacks", "log.state" in other.said() and "was changed on another phid" in other.said(), other.said()[-800:])
    size = len(entries(other, cast.admin.token))
    check("nothing is signed by the old key", published(other) < size, size)
    other.stop()
    check("nor does it start again without the new one", not other.start() and "log.key.next" in other.said(), other.said()[-800:])
    shutil.rmtree(f"{other.folder}/data")
    join(holder, other)
    check("with the files of the one that made it, it does", other.start(), other.said()[-800:])
    check("and signs all that was not signed", signed(other, size, 60), other.said()[-800:])
    check("the one that made it starts again beside it", holder.start(), holder.said()[-800:])
    cast.attempt(holder).ask("DELETE FROM orders WHERE id = 9103")
    check("whoever signs now, both show it", signed(holder, size + 1, 60) and signed(other, size + 1, 60))
    one_log(cast, "after its key was changed")


def same_folder(a):
    done = a.run("link", "root")
    check("a second phid in the same data folder is refused", done.returncode == 1 and "has the data folder" in done.stderr, done)


def run(folder, pg):
    password_file = os.path.join(folder, "password")
    with open(os.open(password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write("not needed over the socket\n")
    a, b = node(folder, "a", pg, password_file), node(folder, "b", pg, password_file)
    try:
        secret = re.search(r"/login/(\S+)", a.run("bootstrap", "--admin", "root").stdout).group(1)
        check("the first phid starts on PostgreSQL", a.start(), a.said()[-600:])
        same_folder(a)
        join(a, b)
        check("the second phid starts beside it", b.start(), b.said()[-600:])
        cast = Cast(a, b, folder, secret)
        refused_starts(folder, pg, password_file)
        wakes(cast)
        races(cast, pg)
        log = one_log(cast, "while both serve")
        check("the head is published by both", signed(a, len(log)) and signed(b, len(log)))
        killed(cast)
        database_away(cast, pg)
        for on, other in ((a, b), (b, a)):
            cast.attempt(on).ask("DELETE FROM orders WHERE id = 9000")
            size = len(entries(on, cast.admin.token))
            check("whoever logs, the head is signed soon, on both phids", signed(on, size) and signed(other, size), size)
        another_key(cast)
        kit.the_log(a, cast.admin)
    finally:
        for p in (a, b):
            if p.process and p.process.poll() is None:
                p.stop()
            said = p.said() if os.path.exists(p.log) else ""
            check("no sanitizer finding in phid", not re.search(r"runtime error|AddressSanitizer|LeakSanitizer", said), said[-3000:])


def main(run=run, name="phi-nodes-"):
    folder = tempfile.mkdtemp(prefix=name)
    try:
        with scratch_pg.Scratch() as pg:
            run(folder, pg)
    finally:
        if not os.environ.get("PHI_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if kit.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
