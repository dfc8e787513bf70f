#!/usr/bin/python3
# timeout: 240
"""The gateway against a real PostgreSQL, with a pretended phid (gw-fake): what phid is asked, what reaches the target,
what the client hears. Each scenario is a function; its name is the claim. An attack marked "lab" is first shown to work
against the target itself.

usage: gateway_wire.py [NAME…]      PHI_BUILD names the build folder"""
import base64
import hashlib
import hmac
import os
import queue
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts/demo"))

import postgres  # noqa: E402

FAKE = os.path.join(TOP, os.environ.get("PHI_BUILD", "build/release"), "src/gateway/gw-fake")
ONLY = sys.argv[1:]
BIN = postgres.bin_dir()
AS = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []


class Cluster:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="phigw", dir="/tmp")
        if AS:
            shutil.chown(self.dir, "postgres")
        self.run("initdb", "-D", self.dir + "/d", "-A", "trust", "-U", "gw", "--no-sync")
        with open(self.dir + "/d/postgresql.conf", "a") as conf:
            conf.write(f"unix_socket_directories='{self.dir}'\nlisten_addresses=''\nfsync=off\n")
        self.run("pg_ctl", "-D", self.dir + "/d", "-l", self.dir + "/log", "-w", "start")
        self.sql("create database shop", "postgres")
        self.sql("create table orders(id int primary key, v text); create table z(a int)")

    def run(self, tool, *args):
        subprocess.run([*AS, f"{BIN}/{tool}", *args], check=True, stdout=subprocess.DEVNULL, cwd="/tmp")

    def sql(self, text, db="shop"):
        done = subprocess.run([f"{BIN}/psql", "-h", self.dir, "-U", "gw", "-d", db, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", text],
                              check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def fresh(self):
        self.sql("truncate orders, z; insert into orders select g, 'x' from generate_series(1, 10) g")

    def stop(self):
        self.run("pg_ctl", "-D", self.dir + "/d", "-m", "immediate", "stop")
        shutil.rmtree(self.dir)


class Gateway:
    def __init__(self, cluster, connect=None, *more):
        connect = connect or f"host={cluster.dir} port=5432 dbname=shop user=gw"
        self.proc = subprocess.Popen([FAKE, "127.0.0.1:0", connect, "public", *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines, self.seen, self.when = queue.Queue(), [], 0
        threading.Thread(target=self._pump, daemon=True).start()
        self.port = int(self.wait("port ").split()[1])
        time.sleep(0.3)

    def _pump(self):
        for line in self.proc.stdout:
            self.lines.put((time.time(), line.rstrip("\n")))

    def wait(self, start, timeout=20.0):
        """The next line that begins with `start`; the ones before are kept in `seen`."""
        end = time.time() + timeout
        while True:
            try:
                self.when, line = self.lines.get(timeout=max(0.01, end - time.time()))
            except queue.Empty:
                raise AssertionError(f"gateway never said {start!r}; it said {self.seen[-5:]}")
            self.seen.append(line)
            if line.startswith(start):
                return line

    def said(self, start):
        """All that it has said until now: it says things before it does them, and its answer to this comes behind them."""
        when = self.when
        self.tell("heard")
        self.seen.pop()
        self.when = when
        return [line for line in self.seen if line.startswith(start)]

    def tell(self, line):
        self.proc.stdin.write(line + "\n")
        self.proc.stdin.flush()
        self.wait("ok " + line.split()[0])

    def reset(self):
        for line in ("unreachable 0", "unrecorded 0", "grant-all 0", "grant-ms 600000", "credential-ms 3600000",
                     "allow pg:connect pg:select pg:set", "forbid pg:admin", "expire", "rows -1", "bytes -1"):
            self.tell(line)
        while not self.lines.empty():
            self.lines.get()
        self.seen = []

    def stop(self):
        self.proc.stdin.write("quit\n")
        self.proc.stdin.close()
        rc = self.proc.wait(10)
        assert rc == 0, f"gw-fake ended with {rc}"


class Refused(Exception):
    pass


def cstr(s):
    return s.encode() + b"\0"


class Client:
    """PostgreSQL's protocol by hand, so that nothing between hides a message."""

    def __init__(self, gw, user="alice~cred", password="sesame", **params):
        self.gw, self.buf, self.status = gw, b"", {}
        self.sock = socket.create_connection(("127.0.0.1", gw.port))
        self.sock.settimeout(20)
        params = {"user": user, "database": "shop", **params}
        body = struct.pack("!I", 196608) + b"".join(cstr(k) + cstr(v) for k, v in params.items()) + b"\0"
        self.sock.sendall(struct.pack("!I", len(body) + 4) + body)
        self.scram(password)
        self.notices = []
        for kind, body in self.until("Z"):
            if kind == "N":
                self.notices.append(fields(body))
            if kind == "K":
                self.key = struct.unpack("!II", body)
            if kind == "S":
                name, value = body[:-1].split(b"\0")
                self.status[name.decode()] = value.decode()

    def scram(self, password):
        kind, body = self.message()
        if kind == "E":
            raise Refused(fields(body))
        assert (kind, body[:4]) == ("R", b"\0\0\0\n"), (kind, body)
        first = "n=,r=abcdefghijklmnop"
        data = ("n,," + first).encode()
        self.send(("p", cstr("SCRAM-SHA-256") + struct.pack("!I", len(data)) + data))
        kind, body = self.message()
        if kind == "E":
            raise Refused(fields(body))
        server = body[4:].decode()
        attrs = dict(a.split("=", 1) for a in server.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(attrs["s"]), int(attrs["i"]))
        ckey = hmac.digest(salted, b"Client Key", "sha256")
        final = "c=biws,r=" + attrs["r"]
        sig = hmac.digest(hashlib.sha256(ckey).digest(), f"{first},{server},{final}".encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(ckey, sig))).decode()
        self.send(("p", f"{final},p={proof}".encode()))
        kind, body = self.message()
        if kind == "E":
            raise Refused(fields(body))
        kind, body = self.message()
        if kind == "E":
            raise Refused(fields(body))
        assert (kind, body) == ("R", b"\0\0\0\0")

    def message(self):
        while len(self.buf) < 5 or len(self.buf) < 1 + struct.unpack("!I", self.buf[1:5])[0]:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.buf += data
        n = 1 + struct.unpack("!I", self.buf[1:5])[0]
        kind, body, self.buf = chr(self.buf[0]), self.buf[5:n], self.buf[n:]
        if kind == "E" and b"SFATAL" in body:
            raise Refused(fields(body))
        return kind, body

    def until(self, stop="Z"):
        seen = []
        while True:
            seen.append(self.message())
            if seen[-1][0] == stop:
                return seen

    def send(self, *messages):
        self.sock.sendall(b"".join(t.encode() + struct.pack("!I", len(b) + 4) + b for t, b in messages))

    def query(self, sql):
        self.send(("Q", cstr(sql)))

    def run(self, sql):
        self.query(sql)
        return Answer(self.until())

    def batch(self, *messages):
        self.send(*messages, SYNC)
        return Answer(self.until())

    def cancel(self, pid=None, key=None):
        k = socket.create_connection(("127.0.0.1", self.gw.port))
        k.sendall(struct.pack("!IIII", 16, 80877102, pid if pid is not None else self.key[0], key if key is not None else self.key[1]))
        k.recv(1)
        k.close()

    def notice(self):
        while True:
            kind, body = self.message()
            if kind == "N":
                return fields(body)
            assert kind == "S", (kind, body)

    def close(self):
        self.sock.close()


def fields(body):
    return {f[:1].decode(): f[1:].decode() for f in body.split(b"\0") if f}


class Direct(Client):
    """The target without phi in front of it."""

    def __init__(self, db, base="shop"):
        self.buf, self.sock = b"", socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(db.dir + "/.s.PGSQL.5432")
        body = struct.pack("!I", 196608) + b"user\0gw\0database\0" + cstr(base) + b"\0"
        self.sock.sendall(struct.pack("!I", len(body) + 4) + body)
        self.until()


class Answer:
    def __init__(self, messages):
        self.messages = messages
        self.state = messages[-1][1].decode()
        self.kinds = "".join(k for k, _ in messages)
        errors = [fields(b) for k, b in messages if k == "E"]
        self.error = errors[0] if errors else {}
        self.code = self.error.get("C")
        self.tags = [b[:-1].decode() for k, b in messages if k == "C"]
        self.rows = [row(b) for k, b in messages if k == "D"]


def row(body):
    n, at, out = struct.unpack("!H", body[:2])[0], 2, []
    for _ in range(n):
        size = struct.unpack("!i", body[at:at + 4])[0]
        out.append(None if size < 0 else body[at + 4:at + 4 + size].decode())
        at += 4 + max(size, 0)
    return out


def parse(sql, name="", types=()):
    return "P", cstr(name) + cstr(sql) + struct.pack("!h", len(types)) + b"".join(struct.pack("!I", t) for t in types)


def bind(*values, stmt="", portal=""):
    body = cstr(portal) + cstr(stmt) + struct.pack("!hh", 0, len(values))
    for v in values:
        body += struct.pack("!i", len(v)) + v.encode()
    return "B", body + struct.pack("!h", 0)


def execute(portal="", rows=0):
    return "E", cstr(portal) + struct.pack("!I", rows)


def describe(kind, name=""):
    return "D", kind.encode() + cstr(name)


SYNC, FLUSH = ("S", b""), ("H", b"")


# ---- scenarios: (db, gw) -> None -----------------------------------------------------------------
def plain_select_passes_and_is_recorded(db, gw):
    c = Client(gw)
    assert c.run("select count(*) from orders").rows == [["10"]]
    assert any('"pg:select"' in line for line in gw.said("record"))
    assert c.status["standard_conforming_strings"] == "on" and c.status["client_encoding"] == "UTF8"


def delete_waits_and_runs_once_approved(db, gw):
    c = Client(gw)
    c.query("delete from orders where id = 7")
    n = c.notice()
    assert n["M"] == "phi K7Q-4MX is waiting for one dba (bob, carol): pg:delete on shop/public.orders", n
    assert n["H"] == "http://localhost:8470/r/K7Q-4MX · valid 15 min · Ctrl-C cancels", n
    assert db.sql("select count(*) from orders") == "10"
    gw.tell("approve")
    begun = time.time()
    a = Answer(c.until())
    assert a.tags == ["DELETE 1"] and a.state == "I" and time.time() - begun < 0.1, (a.messages, time.time() - begun)
    assert db.sql("select count(*) from orders") == "9"
    gw.wait("outcome claim")
    assert gw.seen[-1].split()[2:] == ["done", "DELETE", "1", "1"], gw.seen[-1]
    assert c.run("select 1").rows == [["1"]]


def waiting_shows_a_beat_every_three_seconds(db, gw):
    c = Client(gw)
    c.query("delete from orders where id = 7")
    c.notice()
    begun = time.time()
    kind, body = c.message()
    assert kind == "S" and body == b"phi.waiting\0K7Q-4MX\0" and 2.5 < time.time() - begun < 4
    gw.tell("approve")
    assert Answer(c.until()).tags == ["DELETE 1"]


def denied_says_who_and_why(db, gw):
    c = Client(gw)
    c.query("delete from orders where id = 7")
    c.notice()
    gw.tell("deny wrong ticket")
    a = Answer(c.until())
    assert a.code == "42501" and a.error["M"] == 'phi K7Q-4MX was denied by bob: "wrong ticket"' and a.state == "I", a.error
    assert db.sql("select count(*) from orders") == "10"
    assert not gw.said("claim")


def hold_ends_with_the_link(db, gw):
    c = Client(gw, options="-c phi.hold=1s")
    c.query("delete from orders where id = 7")
    c.notice()
    a = Answer(c.until())
    assert a.code == "42501" and "http://localhost:8470/r/K7Q-4MX" in a.error["H"], a.error
    assert not gw.said("leave")  # it lives on until pending_ttl
    c = Client(gw, hold="0")
    a = c.run("delete from orders where id = 7")
    assert a.code == "42501" and "N" not in a.kinds and "K7Q-4MX" in a.error["M"], a.messages


def attack_43_only_the_sessions_own_cancel_key_cancels_a_hold(db, gw):
    c = Client(gw)
    c.query("delete from orders where id = 7")
    c.notice()
    c.cancel(key=c.key[1] ^ 1)
    c.cancel(pid=c.key[0] ^ 1)
    time.sleep(0.2)
    assert not gw.said("leave")
    c.cancel()
    a = Answer(c.until())
    assert a.code == "57014" and a.state == "I"
    gw.wait("leave req")
    assert c.run("select 1").rows == [["1"]]


def cancel_reaches_a_running_statement(db, gw):
    gw.tell("allow pg:connect pg:select pg:set pg:call pg:read pg:write")
    c = Client(gw)
    c.query("select pg_sleep(20)")
    time.sleep(0.5)
    c.cancel()
    begun = time.time()
    a = Answer(c.until())
    assert a.code == "57014" and time.time() - begun < 2, a.messages


def leaving_during_the_hold_cancels_the_request(db, gw):
    c = Client(gw)
    c.query("delete from orders where id = 7")
    c.notice()
    c.close()
    gw.wait("leave req")
    gw.tell("approve")
    time.sleep(0.3)
    assert db.sql("select count(*) from orders") == "10"


def inside_a_transaction_it_is_refused_in_the_target(db, gw):
    c = Client(gw)
    c.run("begin")
    assert c.run("select count(*) from orders").rows == [["10"]]
    a = c.run("delete from orders where id = 7")
    assert a.code == "42501" and a.state == "E" and "N" not in a.kinds, a.messages
    assert "K7Q-4MX" in a.error["M"] and "http://localhost:8470" in a.error["H"]
    a = c.run("select 1")
    assert a.code == "25P02" and a.state == "E", a.messages
    a = c.run("commit")
    assert a.tags == ["ROLLBACK"] and a.state == "I"


def after_a_bare_begin_it_is_held(db, gw):
    c = Client(gw)
    assert c.run("begin").state == "T"
    assert c.run("set transaction isolation level serializable").state == "T"
    c.query("delete from orders where id = 7")
    c.notice()
    gw.tell("approve")
    a = Answer(c.until())
    assert a.tags == ["DELETE 1"] and a.state == "T", a.messages
    assert c.run("commit").tags == ["COMMIT"]
    assert db.sql("select count(*) from orders") == "9"


def syntax_errors_are_answered_by_the_gateway_itself(db, gw):
    c = Client(gw)
    a = c.run("delete fro orders")
    assert a.code == "42601" and a.error.get("P") == "8" and a.state == "I", a.error
    a = c.batch(parse("delete fro orders"), bind(), execute())
    assert a.code == "42601" and a.state == "I"
    c.run("begin")
    c.run("select 1")
    a = c.run("nonsense")
    assert a.code == "42601" and a.state == "E"
    assert not gw.said("ask") and c.run("rollback").state == "I"


def denied_by_policy_is_one_sentence(db, gw):
    c = Client(gw)
    a = c.run("do $$begin delete from orders; end$$")
    assert a.code == "42501" and "pg:admin" in a.error["M"], a.error
    gw.wait("denied pg:admin")
    gw.tell("unrecorded 1")
    assert c.run("do $$begin delete from orders; end$$").code == "58000"
    gw.tell("unrecorded 0")
    a = c.run("copy orders to program 'true'")
    assert a.code == "42501", a.error
    assert db.sql("select count(*) from orders") == "10" and not gw.said("ask")


def attack_11_two_statements_are_bound_together(db, gw):
    c = Client(gw)
    c.query("select 1; delete from orders where id = 7")
    c.notice()
    assert '"pg:delete"' in gw.said("ask")[0] and base64.urlsafe_b64encode(b"select 1; delete from orders where id = 7").decode().rstrip("=") in gw.said("ask")[0]
    gw.tell("deny no")
    assert Answer(c.until()).code == "42501"


def attack_13_changed_bind_values_need_their_own_approval(db, gw):
    c = Client(gw)
    a = c.batch(parse("delete from orders where id = $1", "d", (23,)), describe("S", "d"))
    assert a.state == "I" and not a.error and not gw.said("ask")  # Parse alone asks nobody
    for n in ("7", "8"):
        c.send(bind(n, stmt="d"), execute(), SYNC)
        c.notice()
        gw.tell("approve")
        a = Answer(c.until())
        assert a.tags == ["DELETE 1"], a.messages
    assert len(gw.said("claim")) == 2 and len(gw.said("ask")) == 2
    one, two = gw.said("ask")
    assert one != two  # other values, another payload


def lab_functions(db, base="shop"):
    db.sql("create or replace function d() returns int language plpgsql volatile as $$begin delete from orders; return 1; end$$;"
           "create or replace function s() returns int language plpgsql stable as $$begin return d(); end$$;"
           "create or replace function i() returns int language plpgsql immutable as $$begin return d(); end$$;"
           "create or replace function lit() returns int language plpgsql as "
           "$$begin perform set_config('standard_conforming_strings', 'off', false); return 1; end$$", base)


def refused_rows(db, gw, c, sql):
    """What is held and then denied leaves all rows."""
    c.query(sql)
    c.notice()
    gw.tell("deny no")
    assert Answer(c.until()).code == "42501"
    assert db.sql("select count(*) from orders") == "10", sql


def attack_12_another_literal_needs_its_own_approval(db, gw):
    c = Client(gw)
    for n in (1, 2):
        c.query(f"delete from orders where id = {n}")
        c.notice()
        gw.tell("approve")
        assert Answer(c.until()).tags == ["DELETE 1"]
    assert gw.said("pending") == ["pending req%d" % n for n in (int(gw.said("pending")[0][11:]), int(gw.said("pending")[0][11:]) + 1)]
    assert len(gw.said("claim")) == 2


def attack_14_bind_without_execute_is_decided(db, gw):
    d = Direct(db)
    d.batch(parse("select i()"), bind())
    assert db.sql("select count(*) from orders") == "0"  # the attack works without phi
    db.fresh()
    c = Client(gw)
    c.send(parse("select i()"), bind(), SYNC)
    c.notice()
    assert db.sql("select count(*) from orders") == "10"
    gw.tell("deny no")
    assert Answer(c.until()).code == "42501"
    assert db.sql("select count(*) from orders") == "10"


def attack_14_execute_after_the_grants_end_asks_again(db, gw):
    gw.tell("grant-ms 300")
    c = Client(gw)
    c.batch(parse("delete from orders where id = 7", "d"))
    c.send(bind(stmt="d"), execute(), SYNC)
    c.notice()
    gw.tell("approve")
    assert Answer(c.until()).tags == ["DELETE 1"]
    db.fresh()
    time.sleep(0.302)
    c.send(bind(stmt="d"), execute(), SYNC)
    c.notice()
    gw.tell("deny over")
    assert Answer(c.until()).code == "42501" and db.sql("select count(*) from orders") == "10"


def attack_17_labels_prove_nothing(db, gw):
    d = Direct(db)
    for sql in ("select s()", "explain select i()"):
        d.run(sql)
        assert db.sql("select count(*) from orders") == "0", sql
        db.fresh()
    c = Client(gw)
    for sql in ("select s()", "explain select i()", "select i()", "select * from orders where id = d()"):
        refused_rows(db, gw, c, sql)


def attack_18_read_only_is_no_shelter_for_administration(db, gw):
    path = tempfile.mktemp(prefix="phigw", dir="/tmp")
    d = Direct(db)
    d.run(f"begin read only; copy (select 1) to program 'touch {path}'; commit")
    assert os.path.exists(path)
    os.unlink(path)
    c = Client(gw)
    for sql in (f"begin read only; copy (select 1) to program 'touch {path}'; commit", "select pg_reload_conf()"):
        a = c.run(sql)
        assert a.code == "42501" and a.state == "I", (sql, a.error)
    assert not os.path.exists(path)


def attack_19_explain_analyze_is_its_statement(db, gw):
    Direct(db).run("explain analyze delete from orders")
    assert db.sql("select count(*) from orders") == "0"
    db.fresh()
    refused_rows(db, gw, Client(gw), "explain analyze delete from orders")
    assert '"pg:delete"' in gw.said("ask")[0]


def attack_20_roles_cannot_be_changed(db, gw):
    c = Client(gw)
    for sql in ("reset role", "set role postgres", "set session authorization postgres", "reset session authorization", "set local role gw"):
        a = c.run(sql)
        assert a.code == "42501" and a.state == "I", (sql, a.messages)


def attack_10_string_settings_cannot_be_changed(db, gw):
    d = Direct(db)
    d.run("set standard_conforming_strings = off")
    d.run("select '\\'' ; delete from orders; --'")
    assert db.sql("select count(*) from orders") == "0"
    db.fresh()
    c = Client(gw)
    for sql in ("set standard_conforming_strings = off", "set client_encoding = 'LATIN1'",
                "select set_config('standard_conforming_strings', 'off', false)", "set search_path = evil"):
        a = c.run(sql)
        assert a.code == "42501" and a.error["M"].count("phi: ") == 1, (sql, a.messages)
    # what drivers and dumps send says what is so already
    for sql in ("set client_encoding to 'UTF8'", "set names 'utf-8'", "set local standard_conforming_strings = on"):
        assert c.run(sql).tags == ["SET"], sql
    assert c.run("select '\\''").code == "42601" and c.run("select '\\'").rows == [["\\"]]


def attack_22_startup_parameters_are_an_allow_list(db, gw):
    for bad in ({"client_encoding": "LATIN1"}, {"options": "-c standard_conforming_strings=off"}, {"search_path": "evil"},
                {"options": "-c search_path=evil"}, {"role": "postgres"}, {"session_authorization": "x"}, {"replication": "database"}):
        try:
            Client(gw, **bad)
        except Refused as e:
            assert e.args[0]["S"] == "FATAL", e
        else:
            raise AssertionError(bad)
    assert Client(gw, client_encoding="SQL_ASCII").status["client_encoding"] == "UTF8"
    assert Client(gw, client_encoding="'utf-8'").status["client_encoding"] == "UTF8"


def attack_41_commit_at_the_edge(db, gw):
    gw.tell("grant-ms 400")
    for late in (-0.02, -0.002, 0.0, 0.001, 0.02):
        db.fresh()
        c = Client(gw)
        c.query("begin; delete from orders where id = 7")
        c.notice()
        gw.tell("approve")
        assert Answer(c.until()).state == "T"
        gw.wait("claim claim")
        time.sleep(max(0, gw.when + 0.4 + late - time.time()))
        try:
            done = c.run("commit").tags == ["COMMIT"]
        except (Refused, EOFError, OSError):
            done = False
        time.sleep(0.3)
        left = db.sql("select count(*) from orders")
        assert not (done and left == "10"), late
        assert late < 0 or left == "10", f"committed {late * 1000} ms after the end"


def attack_61_texts_behind_something_not_harmless_must_be_plain(db, gw):
    d = Direct(db)
    d.batch(parse("select lit()"), bind(), execute(), parse("select '\\'' || (select d()) --'"), bind(), execute())
    assert db.sql("select count(*) from orders") == "0"
    db.fresh()
    gw.tell("allow pg:connect pg:select pg:set pg:call pg:write pg:delete")
    c = Client(gw)
    a = c.batch(parse("select lit()"), bind(), execute(), parse("select '\\' || (select count(*) from orders) --'"), bind(), execute())
    assert a.code == "42501" and not a.rows, a.messages
    try:
        c.run("select lit()")
        c.run("select 1")
        raise AssertionError("the session went on after standard_conforming_strings drifted")
    except (Refused, EOFError):
        pass


def attack_16_temporary_tables_do_not_shadow(db, gw):
    d = Direct(db)
    d.run("create temp table orders(id int)")
    assert d.run("select count(*) from orders").rows == [["0"]]
    gw.tell("allow pg:connect pg:select pg:set pg:ddl")
    c = Client(gw)
    c.run("create temp table orders(id int)")
    assert c.run("select count(*) from orders").rows == [["10"]]


def connecting(gw, **params):
    """A client whose pg:connect waits for somebody: a function that waits for it or for what it was told instead."""
    got = []

    def run():
        try:
            got.append(Client(gw, **params))
        except (Refused, OSError, EOFError) as e:
            got.append(e)

    t = threading.Thread(target=run, daemon=True)
    t.start()
    return lambda: (t.join(20), got[0])[1]


def a_connection_that_needs_approval_is_held(db, gw):
    gw.tell("allow pg:select pg:set")
    before = db.sql("select count(*) from pg_stat_activity")
    done = connecting(gw)
    gw.wait("pending")
    assert '"pg:connect"' in gw.said("ask")[0] and db.sql("select count(*) from pg_stat_activity") == before  # nothing is open yet
    gw.tell("approve")
    c = done()
    assert "waiting for one dba" in c.notices[0]["M"] and len(gw.said("claim")) == 1, c.notices
    assert len(c.run("select * from orders").rows) == 10 and not gw.said("outcome")
    c.close()
    line = gw.wait("outcome")
    assert " done " in line, line
    for what, code in (("deny no", "42501"), ("expire", "42501")):
        done = connecting(gw)
        gw.wait("pending")
        gw.tell(what)
        assert done().args[0]["C"] == code
    assert connecting(gw, hold="0")().args[0]["C"] == "42501"
    assert db.sql("select count(*) from pg_stat_activity") == before
    gw.tell("expire")
    s = connecting(gw, hold="1s")()
    assert "nobody decided" in s.args[0]["M"], s


def attack_46_a_session_ends_with_the_grant_that_let_it_in(db, gw):
    gw.tell("allow pg:select pg:set")

    def let_in():
        done = connecting(gw)
        request = gw.wait("pending").split()[1]
        gw.tell("approve")
        return done(), "grant-" + request

    gw.tell("grant-ms 2500")
    c, _ = let_in()
    begin = time.time()
    assert len(c.run("select * from orders").rows) == 10
    assert until_cut(c)[1]["C"] == "57P01" and time.time() - begin < 6
    gw.tell("grant-ms 600000")
    c, grant = let_in()
    gw.tell("end " + grant)
    assert until_cut(c)[1]["C"] == "57P01" and gw.said("ack 77")


def leaving_while_a_connection_is_held_cancels_its_request(db, gw):
    gw.tell("allow pg:select pg:set")
    s = socket.create_connection(("127.0.0.1", gw.port))
    c = Client.__new__(Client)
    c.gw, c.buf, c.sock = gw, b"", s
    s.settimeout(20)
    body = struct.pack("!I", 196608) + b"".join(cstr(x) for x in ("user", "alice~cred", "database", "shop")) + b"\0"
    s.sendall(struct.pack("!I", len(body) + 4) + body)
    c.scram("sesame")
    c.notice()
    s.close()
    gw.wait("leave req")
    gw.tell("credential-ms 0")  # whoever is held when the credential is withdrawn hears so
    gw.tell("credential-ms 3600000")
    done = connecting(gw)
    gw.wait("pending")
    gw.tell("credential-ms 0")
    gw.tell("back")
    assert "credential" in done().args[0]["M"]


def wrong_credentials_sign_nobody_in(db, gw):
    for user, pw in (("alice~cred", "wrong"), ("alice~none", "sesame"), ("bob~cred", "sesame"), ("alice", "sesame")):
        try:
            Client(gw, user=user, password=pw)
        except Refused as e:
            assert e.args[0]["C"] == "28P01", e
        else:
            raise AssertionError(user)


def attack_21_a_credential_that_ended_signs_nobody_in_and_ends_its_sessions(db, gw):
    gw.tell("credential-ms 1000")
    c = Client(gw)
    try:
        c.sock.settimeout(4)
        c.message()
        raise AssertionError("still open")
    except (Refused, EOFError):
        pass
    gw.tell("credential-ms 0")
    try:
        Client(gw)
        raise AssertionError("late login")
    except Refused as e:
        assert e.args[0]["C"] == "28P01"


def attack_23_bytes_behind_an_sslrequest_end_the_connection(db, gw):
    s = socket.create_connection(("127.0.0.1", gw.port))
    s.sendall(struct.pack("!II", 8, 80877103) + b"\0\0\0\x08x")
    assert s.recv(10) in (b"",)
    s = socket.create_connection(("127.0.0.1", gw.port))
    s.sendall(struct.pack("!II", 8, 80877104))
    assert s.recv(1) == b"N"
    s.sendall(struct.pack("!II", 8, 80877103))
    assert s.recv(1) == b"N"


def function_calls_are_refused(db, gw):
    c = Client(gw)
    c.send(("F", struct.pack("!IHHH", 1598, 0, 0, 0)))
    a = Answer(c.until())
    assert a.code == "0A000" and a.state == "I"
    assert c.run("select 1").rows == [["1"]]


def attack_40_a_transaction_is_cut_at_its_grants_end(db, gw):
    gw.tell("grant-ms 1500")
    c = Client(gw)
    c.query("begin; delete from orders where id = 7")
    c.notice()
    gw.tell("approve")
    assert Answer(c.until()).state == "T"
    begun = time.time()
    try:
        c.message()
        raise AssertionError("still open")
    except Refused as e:
        assert e.args[0]["C"] == "57P01" and time.time() - begun < 2.5
    time.sleep(0.3)
    assert db.sql("select count(*) from orders") == "10"
    assert db.sql("select count(*) from pg_stat_activity where state like 'idle in%'") == "0"


def cut_of_a_trapped_one(gw, db):
    """How long it took from the grant's end until nothing of it was left."""
    c = Client(gw)
    c.query("do $$begin begin perform pg_sleep(3); exception when query_canceled then null; end; "
            "perform pg_sleep(1); delete from orders where id = 10; end$$")
    c.notice()
    gw.tell("approve")
    time.sleep(0.5)
    assert db.sql("select count(*) from pg_stat_activity where query like 'do $$%' and state = 'active'") == "1"
    grant = gw.said("pending")[-1].split()[1]
    begun = time.time()
    gw.tell("end grant-" + grant)
    gw.wait("ack 77")
    took = gw.when - begun
    assert db.sql("select count(*) from pg_stat_activity where query like 'do $$%' and state = 'active'") == "0"
    return took


def attack_62_a_trapped_cancel_is_terminated_within_250_ms(db, gw):
    gw.tell("allow pg:connect pg:select pg:set")
    gw.tell("forbid none")
    took = []
    while not took or (took[-1] >= 0.25 and len(took) < 5):  # a machine that is busy with other things is late now and then, not each time
        took.append(cut_of_a_trapped_one(gw, db))
    assert took[-1] < 0.25 and max(took) < 1, took  # within a second is the promise, on any machine
    time.sleep(1.5)
    assert db.sql("select count(*) from orders") == "10"
    assert any("unknown" in line for line in gw.said("outcome"))


def an_end_without_work_is_acknowledged_at_once(db, gw):
    gw.tell("end grant-nobody")
    assert gw.said("ack 77")


def attack_42_a_copy_is_cut_and_rolled_back(db, gw):
    gw.tell("grant-ms 1200")
    c = Client(gw)
    c.query("copy z from stdin")
    c.notice()
    gw.tell("approve")
    c.until("G")
    sent = 0
    try:
        for _ in range(600):
            c.send(("d", b"1\n" * 500))
            sent += 500
            time.sleep(0.01)
        raise AssertionError("COPY ran on")
    except OSError:
        pass
    gw.wait("outcome claim")
    assert sent > 0 and db.sql("select count(*) from z") == "0"


def until_cut(c):
    """What came before the FATAL, by kind, and the FATAL's fields."""
    kinds = ""
    try:
        while True:
            kinds += c.message()[0]
    except Refused as e:
        return kinds, e.args[0]


def attack_42_a_copy_ends_at_its_byte_cap(db, gw):
    gw.tell("bytes 100000")
    gw.tell("grant-all 1")
    c = Client(gw)
    c.query("copy z from stdin")
    c.until("G")
    c.send(*[("d", b"1\n" * 500) for _ in range(100)])  # to the last byte
    c.send(("d", b"1\n"))
    error = until_cut(c)[1]
    assert error["C"] == "53400" and "100000 bytes" in error["M"], error
    line = gw.wait("outcome claim")
    assert " unknown " in line and line.endswith(" 100000"), line
    assert db.sql("select count(*) from z") == "0"
    c = Client(gw)
    c.query("copy z from stdin")
    c.until("G")
    c.send(("d", b"1\n" * 50000), ("c", b""))
    assert Answer(c.until()).tags == ["COPY 50000"]
    db.sql("delete from z")


def bounded(gw, what):
    gw.tell(what)
    gw.tell("grant-all 1")
    gw.tell("allow pg:connect pg:set")
    return Client(gw)


def rows_end_at_the_budget_in_the_middle_of_a_statement(db, gw):
    c = bounded(gw, "rows 1000")
    assert len(c.run("select * from orders, generate_series(1, 100)").rows) == 1000
    line = gw.wait("outcome")
    assert " done SELECT 1000 1000 " in line, line
    c.query("select * from orders, generate_series(1, 200000) g where g % 2 = 0")
    kinds, error = until_cut(c)
    assert kinds.count("D") == 1000 and error["C"] == "53400" and "1000 rows" in error["M"], (len(kinds), error)
    assert " unknown " in gw.wait("outcome")  # said once its backend is gone
    assert db.sql("select count(*) from pg_stat_activity where query like '%200000%' and pid <> pg_backend_pid()") == "0"
    c = bounded(gw, "rows 10")
    c.query("copy orders to stdout")
    assert Answer(c.until()).kinds.count("d") == 10
    gw.wait("outcome")
    gw.tell("rows 9")
    c.query("copy orders to stdout")
    kinds, error = until_cut(c)
    assert kinds.count("d") == 9 and "9 rows" in error["M"], (kinds, error)
    gw.wait("outcome")


def bytes_end_at_the_budget(db, gw):
    c = bounded(gw, "bytes 50000")
    c.query("select repeat('x', 60000) from orders")
    kinds, error = until_cut(c)
    assert "D" not in kinds and error["C"] == "53400" and "50000 bytes" in error["M"], (kinds, error)
    gw.wait("outcome")


def a_suspended_portal_goes_on_under_the_same_budget(db, gw):
    c = bounded(gw, "rows 7")
    c.run("begin")
    a = c.batch(parse("select * from orders order by id"), bind(portal="p"), execute("p", 3))
    assert len(a.rows) == 3 and not gw.said("outcome"), gw.seen
    assert len(c.batch(execute("p", 3)).rows) == 3 and len(gw.said("claim")) == 1
    c.send(execute("p", 3), SYNC)
    kinds, error = until_cut(c)
    assert kinds.count("D") == 1 and error["C"] == "53400", (kinds, error)
    assert " unknown " in gw.wait("outcome")


def a_suspended_portal_ends_with_its_transaction(db, gw):
    c = bounded(gw, "rows 7")
    c.run("begin")
    c.batch(parse("select * from orders order by id"), bind(portal="p"), execute("p", 3))
    assert c.run("commit").tags == ["COMMIT"]
    assert " done " in gw.wait("outcome") and len(gw.said("claim")) == 1


def a_transactions_statements_are_claimed_and_counted_one_by_one(db, gw):
    c = bounded(gw, "rows 5")
    c.run("begin")
    for _ in range(3):
        assert len(c.run("select * from orders limit 5").rows) == 5
        line = gw.wait("outcome")
        assert " done SELECT 5 5 " in line, line
    c.run("select id from orders limit 1; select id from orders limit 1; select id from orders limit 1")
    assert gw.said("statements")[-1] == "statements 3", gw.seen
    c.batch(parse("select id from orders limit 1"), bind(), execute(), bind(), execute())
    assert gw.said("statements")[-1] == "statements 2", gw.seen
    assert c.run("commit").tags == ["COMMIT"]


def copy_in_and_out_work(db, gw):
    gw.tell("allow pg:connect pg:select pg:set pg:copy pg:insert")
    c = Client(gw)
    c.query("copy z from stdin")
    c.until("G")
    c.send(*[("d", b"%d\n" % i) for i in range(1000)], ("c", b""))
    assert Answer(c.until()).tags == ["COPY 1000"]
    c.query("copy z to stdout")
    a = Answer(c.until())
    assert a.kinds.count("d") == 1000, a.kinds[:20]
    c.query("copy z from stdin")
    c.until("G")
    c.send(("d", b"x\n"), ("c", b""))
    a = Answer(c.until())
    assert a.code == "22P02" and a.state == "I"
    c.send(("d", b"late\n"), ("c", b""))
    assert c.run("select 1").rows == [["1"]]


def big_results_stream(db, gw):
    c = Client(gw)
    a = c.run("select repeat('x', 100000) from generate_series(1, 200)")
    assert len(a.rows) == 200 and all(len(r[0]) == 100000 for r in a.rows), (a.error, len(a.rows))
    a = c.run("select repeat('x', 30000000)")
    assert len(a.rows[0][0]) == 30000000


def a_failed_parse_does_not_change_what_a_name_means(db, gw):
    gw.tell("allow pg:connect pg:select pg:set")
    c = Client(gw)
    assert not c.batch(parse("delete from orders where id = 7", "a")).error
    a = c.batch(parse("select 1", "a"))
    assert a.code == "42P05", a.error  # the target refused: the name keeps its meaning
    c.send(bind(stmt="a"), execute(), SYNC)
    c.notice()
    gw.tell("deny no")
    assert Answer(c.until()).code == "42501" and db.sql("select count(*) from orders") == "10"


def a_name_that_is_closed_or_made_anew_does_not_keep_its_text(db, gw):
    gw.tell("allow pg:connect pg:select pg:set")
    c = Client(gw)

    def closed(how, name):
        assert not c.batch(*how).error, how
        a = c.batch(bind(stmt=name), execute())
        assert a.code == "26000", (how, a.messages)

    def held(name):
        c.send(bind(stmt=name), execute(), SYNC)
        c.notice()
        gw.tell("deny no")
        assert Answer(c.until()).code == "42501" and db.sql("select count(*) from orders") == "10"

    for name in ("s", "", "{", "a longer name than the others"):  # "s" and "{" are 8 apart: what is kept of names is kept in 8 places
        for _ in range(3):
            assert not c.batch(parse("select count(*) from orders", name)).error
            for _ in range(3):
                assert c.batch(bind(stmt=name), execute()).rows == [["10"]]
            closed([("C", b"S" + cstr(name))], name)
        c.batch(parse("delete from orders where id = 3", name))
        held(name)
        c.batch(("C", b"S" + cstr(name)))
    c.batch(parse("select count(*) from orders", "s"))
    c.batch(parse("delete from orders where id = 4", "{"))
    assert c.batch(bind(stmt="s"), execute()).rows == [["10"]]
    held("{")
    assert c.batch(bind(stmt="s"), execute()).rows == [["10"]]
    closed([parse("deallocate s"), bind(), execute()], "s")
    held("{")
    closed([parse("deallocate all"), bind(), execute()], "{")


def flush_with_only_parse_leaves_nothing_open(db, gw):
    c = Client(gw)
    c.send(parse("select count(*) from orders", "f"), describe("S", "f"), FLUSH)
    seen = c.until("T")
    assert [k for k, _ in seen] == ["1", "t", "T"], seen
    time.sleep(0.2)
    assert db.sql("select count(*) from pg_stat_activity where backend_type = 'client backend' and state = 'idle in transaction'") == "0"
    assert db.sql("select count(*) from pg_locks l join pg_class r on r.oid = l.relation where r.relname = 'orders'") == "0"
    a = c.batch(bind(stmt="f"), execute())
    assert a.rows == [["10"]] and a.kinds == "2DCZ", a.kinds


def flush_then_delete_is_held_and_runs(db, gw):
    c = Client(gw)
    c.send(parse("delete from orders where id = $1", "f", (23,)), describe("S", "f"), FLUSH)
    c.until("n")
    c.send(bind("7", stmt="f"), execute(), SYNC)
    c.notice()
    gw.tell("approve")
    assert Answer(c.until()).tags == ["DELETE 1"]


def flush_in_a_bare_transaction_does_not_keep_it_from_being_held(db, gw):
    c = Client(gw)
    c.run("begin")
    c.send(parse("delete from orders where id = $1", "f", (23,)), describe("S", "f"), FLUSH)
    c.until("n")
    c.send(bind("7", stmt="f"), execute(), SYNC)
    c.notice()
    gw.tell("approve")
    a = Answer(c.until())
    assert a.tags == ["DELETE 1"] and a.state == "T"
    assert c.run("commit").tags == ["COMMIT"]


def a_failing_flush_is_skipped_to_sync(db, gw):
    c = Client(gw)
    c.send(parse("select nothing_there", "f"), describe("S", "f"), FLUSH)
    c.until("E")
    c.send(bind(stmt="f"), execute(), SYNC)
    a = Answer(c.until())
    assert a.kinds == "Z" and a.state == "I", a.messages
    assert c.run("select 1").rows == [["1"]]


def attack_15_a_cursor_ends_with_its_grant(db, gw):
    gw.tell("allow pg:connect pg:set")
    c = Client(gw)
    c.run("begin")
    c.send(parse("select id from orders order by id"), bind(portal="p"), execute("p", 3), SYNC)
    c.notice()
    gw.tell("approve")
    a = Answer(c.until())
    assert len(a.rows) == 3 and a.kinds.endswith("sZ"), a.kinds
    a = c.batch(execute("p", 3))
    assert len(a.rows) == 3 and len(gw.said("claim")) == 1
    gw.tell("end grant-" + gw.said("pending")[-1].split()[1])
    try:
        c.batch(execute("p", 3))
        raise AssertionError("attack 15: rows after the cut")
    except (Refused, EOFError, OSError):
        pass
    gw.wait("ack 77")


def a_used_grant_is_asked_for_again(db, gw):
    gw.tell("used")
    c = Client(gw)
    c.query("delete from orders where id = 7")
    c.notice()
    gw.tell("approve")
    gw.wait("claim refused")
    gw.wait("pending")
    gw.tell("approve")
    gw.wait("claim claim")
    assert Answer([m for m in c.until() if m[0] not in "NS"]).tags == ["DELETE 1"]


def with_phid_gone_the_hold_goes_on_and_nothing_passes(db, gw):
    c = Client(gw)
    c.query("delete from orders where id = 7")
    c.notice()
    gw.tell("unreachable 1")
    gw.tell("lost")
    gw.tell("back")  # asks again, and phid does not answer
    time.sleep(0.5)
    assert db.sql("select count(*) from orders") == "10"
    other = Client(gw)
    a = other.run("delete from orders where id = 8")
    assert a.code == "58000", a.error
    gw.tell("unreachable 0")
    gw.tell("back")
    gw.wait("pending")
    gw.tell("approve")
    assert Answer([m for m in c.until() if m[0] not in "NS"]).tags == ["DELETE 1"]


def attack_59_granted_work_is_cut_when_the_lease_ends(db, gw):
    c = Client(gw)
    c.query("update orders set v = 'y' where pg_sleep(1) is not null")
    c.notice()
    gw.tell("approve")
    gw.wait("claim claim")
    time.sleep(0.3)
    gw.tell("lost")
    try:
        c.until()
        raise AssertionError("it went on")
    except Refused as e:
        assert e.args[0]["C"] == "57P01", e
    gw.wait("outcome claim")
    assert db.sql("select count(*) from pg_stat_activity where state = 'active' and query like 'update%'") == "0"
    assert db.sql("select count(*) from orders where v = 'y'") == "0"


def a_grant_that_ends_while_its_claim_is_under_way_lets_nothing_through(db, gw):
    c = Client(gw)
    c.query("delete from orders where id = 7")
    c.notice()
    gw.tell("end-first")
    gw.tell("approve")
    a = Answer([m for m in c.until() if m[0] not in "NS"])
    assert a.code == "42501" and "ended" in a.error["M"], a.messages
    gw.wait("outcome claim")
    assert "unsent" in gw.seen[-1] and db.sql("select count(*) from orders") == "10"


def a_claim_answered_after_phid_was_lost_and_found_lets_nothing_through(db, gw):
    c = Client(gw)
    c.query("delete from orders where id = 7")
    c.notice()
    gw.tell("lost-first")
    gw.tell("approve")
    a = Answer([m for m in c.until() if m[0] not in "NS"])
    assert a.code == "42501" and "out of reach" in a.error["M"], a.messages
    gw.wait("outcome claim")
    assert "unsent" in gw.seen[-1] and db.sql("select count(*) from orders") == "10"


def unrecorded_means_refused(db, gw):
    c = Client(gw)
    gw.tell("unrecorded 1")
    assert c.run("select count(*) from orders").code == "58000"
    assert c.run("begin").state == "T"  # nothing to record


def scope_grants_claim_each_use_even_in_transactions(db, gw):
    gw.tell("grant-all 1")
    c = Client(gw)
    c.run("begin")
    c.run("select 1 from orders")
    for n in ["1", "2", "3"] + ["99"] * 20:
        a = c.run("delete from orders where id = " + n)
        assert a.tags == ["DELETE " + ("0" if n == "99" else "1")] and a.state == "T", a.messages
    assert c.run("commit").tags == ["COMMIT"] and len(gw.said("claim")) == 23
    assert db.sql("select count(*) from orders") == "7"


def pipelined_syncs_are_answered_in_order(db, gw):
    c = Client(gw)
    c.send(*[m for i in range(50) for m in (parse(f"select {i}"), bind(), execute(), SYNC)])
    for i in range(50):
        assert Answer(c.until()).rows == [[str(i)]]
    c.send(*[("Q", cstr("delete fro x")) for _ in range(2000)])
    for i in range(2000):
        assert Answer(c.until()).code == "42601"


def sql_prepare_and_execute_mean_the_inner_statement(db, gw):
    c = Client(gw)
    assert c.run("prepare q as select count(*) from orders").tags == ["PREPARE"], gw.said("ask")
    assert c.run("execute q").rows == [["10"]]
    assert c.run("deallocate q").tags == ["DEALLOCATE"]
    assert c.run("execute q").code == "42501"
    c.run("begin")
    assert c.run("declare c cursor for select id from orders order by id").tags == ["DECLARE CURSOR"]
    assert len(c.run("fetch 3 from c").rows) == 3
    c.run("commit")


def shadowed(gw, db, *lines):
    """What EXECUTE is taken for after these: the rows deleted without anybody's word, and what was asked."""
    c = Client(gw)
    c.query("prepare x as delete from orders where id < 5")
    c.notice()
    gw.tell("approve")
    assert Answer(c.until()).tags == ["PREPARE"]
    for line in lines:
        c.batch(*line) if isinstance(line, list) else c.run(line)
    before, held = db.sql("select count(*) from orders"), len(gw.said("pending"))
    c.query("execute x")
    first = c.message()
    assert first[0] == "E", (lines, fields(first[1]), gw.said("pending")[held:])
    a = Answer([first, *c.until()])
    assert a.code == "42501" and "pg:admin" in a.error["M"] and db.sql("select count(*) from orders") == before, (lines, a.messages)
    c.close()


def attack_58_a_name_means_only_what_the_target_confirmed(db, gw):
    one = [parse("deallocate x"), bind()], [parse("prepare x as select 1"), bind()]
    shadowed(gw, db, "begin", "select 1/0", "deallocate x", "prepare x as select 1", "rollback")
    shadowed(gw, db, "begin", "select 1", "discard all", "rollback", "prepare x as select 1")
    shadowed(gw, db, *one)  # bound, and never executed
    shadowed(gw, db, [*one[0], execute(), parse("select 1/0"), bind(), execute(), *one[1], execute()])
    c = Client(gw)
    a = c.batch(*[m for sql in ("prepare y as select 1", "deallocate y", "prepare y as select 2") for m in (parse(sql), bind(), execute())])
    assert a.tags == ["PREPARE", "DEALLOCATE", "PREPARE"], a.messages
    assert c.run("execute y").rows == [["2"]]
    c.run("prepare y as select 3")
    assert c.run("execute y").code == "42501"  # refused by the target, and not known any more


def attack_58_code_that_runs_may_not_give_a_name_another_meaning(db, gw):
    db.sql("create or replace function renames() returns int language plpgsql as $$ begin execute 'deallocate x'; "
           "execute 'prepare x as delete from orders'; return 1; end $$")
    c = Client(gw)
    assert c.run("prepare x as select 1").tags == ["PREPARE"] and c.run("prepare keeps as select 2").tags == ["PREPARE"]
    gw.tell("allow pg:connect pg:select pg:set pg:call")
    assert c.run("select renames()").tags == ["SELECT 1"]
    a = c.run("execute x")
    assert a.code == "42501" and "pg:admin" in a.error["M"], a.messages
    assert c.run("execute keeps").rows == [["2"]]
    db.fresh()
    c.run("deallocate all")
    c.run("prepare x as select 1")
    c.send(parse("select renames()"), bind(), execute(), FLUSH, parse("execute x"), bind(), execute(), SYNC)
    assert Answer(c.until()).code == "42501"
    assert db.sql("select count(*) from orders") == "10"


def attack_17_what_stands_in_an_execute_is_decided_too(db, gw):
    c = Client(gw)
    assert c.run("prepare q(int) as select $1").tags == ["PREPARE"]
    assert c.run("execute q(1)").rows == [["1"]]
    for sql in ("execute q(d())", "explain analyze execute q(d())", "execute q(case when d() > 0 then 1 end)"):
        refused_rows(db, gw, c, sql)
    for sql in ("execute q(pg_catalog.lo_import('/etc/passwd')::int)", "execute q(pg_catalog.pg_reload_conf()::int)"):
        assert c.run(sql).code in ("42501", "57014"), sql


def cursors_are_read_to_their_end(db, gw):
    """As psql's FETCH_COUNT, psycopg's named cursors and Django's do: FETCH after FETCH, and the same name again."""
    c = Client(gw)
    for end in ("commit", "rollback"):
        c.run("begin")
        assert c.run("declare c cursor for select id from orders order by id").tags == ["DECLARE CURSOR"]
        for want in (4, 4, 2, 0):
            a = c.run("fetch forward 4 from c")
            assert len(a.rows) == want and a.state == "T", a.messages
        assert c.run("select count(*) from orders").rows == [["10"]]
        c.run(end)
    c.run("declare h cursor with hold for select id from orders")
    assert len(c.run("fetch 3 from h").rows) == 3 and len(c.run("fetch all from h").rows) == 7
    c.run("close h")
    assert c.run("fetch 1 from h").code == "42501"


def a_failed_flush_is_told_as_failed(db, gw):
    gw.tell("grant-all 1")
    c = Client(gw)
    c.send(parse("insert into orders values (1, 'again')"), bind(), execute(), FLUSH)
    while c.message()[0] != "E":
        pass
    c.send(SYNC)
    c.until()
    assert gw.wait("outcome").split()[2] == "failed"


def a_statement_from_psql_on_a_pipe(db, gw):
    env = dict(os.environ, PGPASSWORD="sesame", LC_ALL="C")
    p = subprocess.Popen([f"{BIN}/psql", "-h", "127.0.0.1", "-p", str(gw.port), "-U", "alice~cred", "-d", "shop", "-X"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    p.stdin.write("delete from orders where id = 7;\n")
    p.stdin.close()
    gw.wait("pending")
    gw.tell("approve")
    out, err = p.stdout.read(), p.stderr.read()
    assert out == "DELETE 1\n" and "phi K7Q-4MX is waiting" in err and p.wait() == 0, (out, err)


def stripping_proxy(answer, context=None):
    """Somebody between gateway and target who answers the SSLRequest; says what it got to hear in the clear."""
    server, heard = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        while True:
            try:
                conn, _ = server.accept()
            except OSError:
                return
            conn.settimeout(3)
            try:
                conn.recv(8)
                conn.sendall(answer)
                if context:
                    conn = context.wrap_socket(conn, server_side=True)
                heard.append(conn.recv(1000))
            except OSError as e:
                heard.append(e)
            conn.close()

    threading.Thread(target=serve, daemon=True).start()
    return server, heard


def certificates(db):
    at = db.dir + "/tls"
    if os.path.isdir(at):
        return at
    os.makedirs(at)
    make = lambda *a: subprocess.run(["openssl", *a], check=True, capture_output=True, cwd=at)
    make("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
         "-subj", "/CN=test CA", "-days", "2", "-addext", "basicConstraints=critical,CA:TRUE")
    make("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "s.key", "-out", "s.csr", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost")
    make("x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "s.pem", "-days", "2", "-copy_extensions", "copyall")
    make("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "evil.key", "-out", "evil.pem", "-subj", "/CN=localhost",
         "-days", "2", "-addext", "subjectAltName=DNS:localhost")
    make("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "o.key", "-out", "o.csr", "-subj", "/CN=other",
         "-addext", "subjectAltName=DNS:other.example")
    make("x509", "-req", "-in", "o.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "o.pem", "-days", "2", "-copy_extensions", "copyall")
    return at


def attack_23_bytes_between_sslrequest_and_tls_end_the_connection(db, gw):
    at = certificates(db)
    other = Gateway(db, None, at + "/ca.pem", at + "/s.pem", at + "/s.key")
    env = dict(os.environ, PGPASSWORD="sesame")
    url = f"host=localhost port={other.port} user=alice~cred dbname=shop sslrootcert={at}/ca.pem sslmode="
    run = lambda mode: subprocess.run([f"{BIN}/psql", "-X", "-qAt", url + mode, "-c", "select count(*) from orders"], env=env, capture_output=True, text=True)
    assert run("verify-full").stdout == "10\n", run("verify-full")
    assert "only served over TLS" in run("disable").stderr
    s = socket.create_connection(("127.0.0.1", other.port))
    body = struct.pack("!I", 196608) + b"user\0alice~cred\0\0"
    s.sendall(struct.pack("!II", 8, 80877103) + struct.pack("!I", len(body) + 4) + body)
    assert s.recv(10) == b""
    other.stop()


def attack_24_tls_to_the_target_cannot_be_stripped(db, gw):
    at = certificates(db)
    evil = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    evil.load_cert_chain(at + "/evil.pem", at + "/evil.key")
    good = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    good.load_cert_chain(at + "/s.pem", at + "/s.key")
    named = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # the right CA, another server's name
    named.load_cert_chain(at + "/o.pem", at + "/o.key")
    for answer, context, heard_startup in ((b"N", None, False), (b"S", evil, False), (b"S", named, False), (b"S", good, True)):
        server, heard = stripping_proxy(answer, context)
        other = Gateway(db, f"host=localhost port={server.getsockname()[1]} dbname=shop user=gw sslmode=verify-full sslrootcert={at}/ca.pem")
        try:
            Client(other)
            raise AssertionError("signed in through a proxy")
        except Refused as e:
            assert e.args[0]["C"] in ("08001", "08004"), e
        got = any(isinstance(h, bytes) and b"database" in h for h in heard)
        assert got == heard_startup, (answer, heard)
        server.close()
        other.stop()


def another_server(version):
    """Somebody who signs in whoever comes and says that it is this version of PostgreSQL."""
    server = socket.create_server(("127.0.0.1", 0))
    message = lambda t, b: t.encode() + struct.pack("!I", len(b) + 4) + b

    def serve():
        while True:
            try:
                conn, _ = server.accept()
            except OSError:
                return
            try:
                conn.settimeout(5)
                conn.recv(2000)
                conn.sendall(message("R", bytes(4)) + message("S", cstr("server_version") + cstr(version)) + message("S", cstr("client_encoding") + cstr("UTF8"))
                             + message("S", cstr("standard_conforming_strings") + cstr("on")) + message("K", struct.pack("!II", 7, 7)) + message("Z", b"I"))
                conn.recv(2000)
            except OSError:
                pass
            conn.close()

    threading.Thread(target=serve, daemon=True).start()
    return server


def servers_newer_than_the_parser_are_refused_by_name(db, gw):
    for version in ("18.1 (Debian 18.1-1)", "18beta2", "19devel", "180.0", "EnterpriseDB"):
        server = another_server(version)
        other = Gateway(db, f"host=127.0.0.1 port={server.getsockname()[1]} dbname=shop user=gw sslmode=disable")
        try:
            Client(other)
            raise AssertionError(f"signed in to a {version}")
        except Refused as e:
            assert e.args[0]["C"] == "0A000" and "parser knows PostgreSQL 17, target is " + version[:40] in e.args[0]["M"], e
        server.close()
        other.stop()
    for version in ("17.6", "13.0"):
        server = another_server(version)
        other = Gateway(db, f"host=127.0.0.1 port={server.getsockname()[1]} dbname=shop user=gw sslmode=disable")
        assert Client(other).status["server_version"] == version
        server.close()
        other.stop()


def main():
    names = ONLY or [n for n, f in list(globals().items()) if callable(f) and getattr(f, "__code__", None)
                     and f.__code__.co_varnames[:2] == ("db", "gw") and f.__code__.co_argcount == 2]
    db, gw, bad = Cluster(), None, 0
    try:
        lab_functions(db)
        gw = Gateway(db)
        for name in names:
            db.fresh()
            gw.reset()
            try:
                globals()[name](db, gw)
                print(f"ok - {name}", flush=True)
            except Exception as e:  # pylint: disable=broad-except
                bad += 1
                print(f"not ok - {name}\n  {type(e).__name__}: {e}", flush=True)
                if gw.proc.poll() is not None:
                    print(f"  gw-fake is gone: {gw.proc.returncode}")
                    break
        gw.stop()
    finally:
        if gw is not None and gw.proc.poll() is None:
            gw.proc.terminate()
        db.stop()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
