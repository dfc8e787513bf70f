#!/usr/bin/python3
# timeout: 300
"""Random sequences of the simple and the extended protocol, with names that are made, dropped, shadowed and lost in failed
transactions. Everything allowed: the gateway answers what PostgreSQL answers, message by message, and leaves the same rows.
Allowed once and forbidden later: whatever was prepared, bound or declared before, no row changes any more.

usage: gateway_sequences.py [FIRST [COUNT]]      PHI_BUILD names the build folder; a seed's sequence is always the same"""
import random
import struct
import sys

from gateway_wire import Client, Cluster, Direct, FLUSH, Gateway, Refused, SYNC, bind, cstr, describe, execute, fields, lab_functions, parse

FIRST = int(sys.argv[1]) if len(sys.argv) > 1 else 1
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 8
ALL = "pg:connect pg:select pg:set pg:insert pg:update pg:delete pg:truncate pg:call pg:copy pg:ddl pg:admin"
READS = ["select id from orders order by id", "select count(*) from orders", "select 1/0", "values (1), (2), (3)", "select v from orders where id = 2"]
WRITES = ["delete from orders where id = 3", "insert into orders values (100, 'n')", "update orders set v = v || 'x' where id < 4 returning id",
          "select d()"]
FRESH = "truncate orders; insert into orders select g, 'x' from generate_series(1, 10) g"
ROWS = "select id, v from orders order by id"
MOODS = ["begin", "begin", "commit", "rollback", "savepoint s", "rollback to s", "release s", "deallocate all", "close all", "discard all", "reset all",
         "set timezone to 'UTC'", "show timezone", "syntax eror", "", "select 1; select 2"]


class Sequence:
    """Messages by chance. A Query stands only where no unsynchronised message waits, as clients do it."""

    def __init__(self, seed, writes):
        self.chance, self.texts = random.Random(seed), READS + WRITES if writes else READS
        self.writes = writes

    def name(self):
        return self.chance.choice("ccddab")  # the protocol's own are "", a and b

    def text(self):
        return self.chance.choice(self.texts)

    def sql(self):
        n = self.name()
        return self.chance.choice([
            self.text(), self.text(), self.chance.choice(MOODS), f"prepare {n} as {self.text()}", f"execute {n}", f"execute {n}", f"deallocate {n}",
            f"declare {n} cursor for {self.chance.choice(READS)}", f"declare {n} cursor with hold for {self.chance.choice(READS)}",
            f"fetch 2 from {n}", f"close {n}"])

    def extended(self):
        some = self.chance.choice
        for _ in range(self.chance.randint(1, 5)):
            name, portal = some(["", "a", "b"]), some(["", "a", "b"])
            yield from some([
                [parse(self.sql(), name)], [bind(stmt=name, portal=portal)], [execute(portal, some([0, 0, 1, 2]))],
                [describe("S", name)], [describe("P", portal)], [("C", b"S" + cstr(name))], [("C", b"P" + cstr(portal))],
                [parse(self.sql()), bind(), describe("P"), execute()],
                [parse(self.sql(), name), bind(stmt=name, portal=portal), execute(portal)],
                [FLUSH]])

    def shady(self):
        """What takes a name away and gives it another meaning, and may fail: the transaction is often an aborted one."""
        name = self.chance.choice("ccdab")
        sql = self.chance.choice(["begin", "select 1/0", f"deallocate {name}", f"prepare {name} as {self.chance.choice(READS)}", f"execute {name}",
                                  f"execute {name}", "rollback", "discard all", f"declare {name} cursor for select 1", f"fetch 1 from {name}"])
        if self.chance.random() < 0.7:
            return [("Q", cstr(sql))]
        ran = [execute()] if self.chance.random() < 0.5 else []
        return [parse(sql), bind(), *ran, *self.chance.choice([[], [FLUSH]]), SYNC]

    def step(self):
        if self.chance.random() < 0.5:
            return [("Q", cstr(self.sql()))]
        return [*self.extended(), SYNC]


def talk(client, messages, chance=None):
    """Sends in pieces of any size, and answers up to the last ReadyForQuery."""
    data = b"".join(t.encode() + struct.pack("!I", len(b) + 4) + b for t, b in messages)
    while data:
        n = chance.randint(1, len(data)) if chance else len(data)
        client.sock.sendall(data[:n])
        data = data[n:]
    return client.until()


def plain(message):
    """What must be equal. The gateway itself words syntax errors and unknown names: there, only the SQLSTATE."""
    kind, body = message
    if kind in "EN":
        return kind, fields(body)["C"]
    if kind != "T":
        return kind, body
    columns, at = [], 2
    while at < len(body):
        end = body.index(b"\0", at)
        columns.append((body[at:end], body[end + 5:end + 19]))  # without the number of its table, which is the database's own
        at = end + 19
    return kind, columns


def whole_refused(answer):
    """By the gateway itself: PostgreSQL's own errors name a file."""
    return any(k == "E" and "F" not in fields(b) for k, b in answer)


def same_answers(db, gw, seed):
    """Answers how many batches were compared. A sequence ends early at a batch that the gateway refuses as a whole where PostgreSQL runs its beginning: one
    with a syntax error, or the Bind of a name that it does not know, or knows from PREPARE or DECLARE."""
    gw.tell("allow " + ALL)
    gw.tell("forbid pg:none")
    for base in db.both:
        base.run(FRESH)
    q, cuts = Sequence(seed, True), random.Random(seed)
    ours, theirs, told = Client(gw), Direct(db, "mirror"), []
    for _ in range(30):
        messages = q.step()
        told.append(messages)
        want, got = talk(theirs, messages), talk(ours, messages, cuts)
        if [plain(m) for m in got] == [plain(m) for m in want]:
            continue
        assert whole_refused(got), (seed, told[-6:], want, got)
        break
    else:
        for c in (ours, theirs):
            c.run("rollback")
        assert db.both[0].run(ROWS).rows == db.both[1].run(ROWS).rows, (seed, told)
    ours.close()
    theirs.close()
    return len(told)


def nothing_left_over(db, gw, seed):
    """Under one policy names are filled with writes; under the next, whatever is done with them, no row changes."""
    q, told = Sequence(seed, True), []
    c = Client(gw)

    def run(messages):
        told.append(messages)
        return talk(c, messages, q.chance)
    for _ in range(6):
        gw.tell("allow " + ALL)
        gw.tell("forbid pg:none")
        db.both[0].run(FRESH)
        told.clear()
        for sql in ("rollback", "deallocate all"):
            run([("Q", cstr(sql))])
        for name in "cd":
            run([("Q", cstr(f"prepare {name} as {q.chance.choice(WRITES)}"))])
        run([m for name in "ab" for m in (parse(q.chance.choice(WRITES), name), SYNC)][:-1] + [SYNC])
        c.until()  # two Syncs
        gw.tell("allow pg:connect pg:select pg:set")
        gw.tell("forbid pg:insert pg:update pg:delete pg:truncate pg:call pg:copy pg:ddl pg:admin")
        for _ in range(18):
            run(q.shady() if q.chance.random() < 0.8 else q.step())
        run([("Q", cstr("commit"))])
        assert len(db.both[0].run(ROWS).rows) == 10 and db.both[0].run(ROWS + " limit 1").rows == [["1", "x"]], (seed, told)
    c.close()


def main():
    db, bad, compared = Cluster(), 0, 0
    gw = None
    try:
        lab_functions(db)
        db.sql("create database mirror", "postgres")
        db.sql("create table orders(id int primary key, v text); create table z(a int)", "mirror")
        lab_functions(db, "mirror")
        db.both = Direct(db), Direct(db, "mirror")
        gw = Gateway(db)
        for name, check in (("what is allowed is answered as PostgreSQL answers it", same_answers),
                            ("what was prepared under an older policy changes nothing under the new one", nothing_left_over)):
            failed = None
            gw.reset()
            for seed in range(FIRST, FIRST + COUNT):
                try:
                    compared += check(db, gw, seed) or 0
                except AssertionError as e:
                    failed = e
                    break
            bad += failed is not None
            print(f"{'not ok' if failed else 'ok'} - {COUNT} sequences: {name}" + (f"\n  {failed}" if failed else ""), flush=True)
        bad += compared < 4 * COUNT
        print(f"{'not ok' if compared < 4 * COUNT else 'ok'} - {compared} batches were compared")
        gw.stop()
    finally:
        if gw is not None and gw.proc.poll() is None:
            gw.proc.terminate()
        db.stop()
    sys.exit(1 if bad else 0)


main()
