#!/usr/bin/python3
# timeout: 240
"""Attacks on a right's end: work that goes on in the target after its grant was revoked, over the whole of phi. Each is first
shown to work against the target itself, where nothing but a role's own end stands in the way."""
import re
import socket
import struct
import subprocess
import time

import phiflow
import attackkit as kit
from session import Psql

TRAP = ("DO $$begin begin perform pg_sleep(%s); exception when query_canceled then null; end; perform pg_sleep(%s); "
        "update orders set status = 'returned' where id = %s; end$$;")


with phiflow.Flow() as f:
    alice, bob = kit.person(f, "alice"), kit.person(f, "bob")
    kit.new_person(f, "carol", "dba")
    carol = kit.person(f, "carol")

    def granted(actions):
        r = alice.post("/v1/requests", {"target": "shop", "scope": {"actions": actions, "resources": ["shop"]}, "for_ms": 290000, "why": "cut me"}).json
        for who in (bob, carol):
            if kit.vote(who, r).json["status"] == "approved":
                return r
        raise phiflow.Failed(f"not approved: {r}")

    def revoke(r):
        """Answers the seconds until the answer came."""
        t0 = time.monotonic()
        f.equal(bob.post(f"/v1/grants/{r['code']}/revoke", {"why": "enough"}).status, 200)
        return time.monotonic() - t0

    def gone(like, seconds):
        f.until(lambda: f.direct("SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid() AND query LIKE '"
                                 + like + "'") == "0", seconds, f"{like} still runs in the target")

    def direct_psql():
        """The target without phi."""
        return Psql(f.house, "alice", url=f"host={f.place.socket_dir()} port={f.place.ports['cluster']} user=postgres dbname=shop")

    def status(number):
        return f.direct(f"SELECT status FROM orders WHERE id = {number}")

    f.direct("UPDATE orders SET status = 'open' WHERE id BETWEEN 1 AND 100")

    @f.test("attack_62_a_trapped_cancel_does_not_let_the_statement_commit")
    def _():
        p = direct_psql()
        p.say(TRAP % (20, 0.2, 81))
        f.until(lambda: f.direct("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1")
        p.interrupt()
        p.expect("^DO$", 20)  # lab: one cancel is trapped and the rest commits
        f.equal(status(81), "returned")
        p.close()
        r = granted(["pg:admin"])
        p = Psql(f.house, "alice")
        p.say(TRAP % (30, 0.2, 82))
        f.until(lambda: f.direct("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1")
        revoke(r)
        gone("DO %returned%", 0.6)
        p.expect("FATAL|ERROR", 15)
        p.close()
        time.sleep(0.5)
        f.equal(status(82), "open")

    @f.test("attack_15_a_cursor_gives_no_row_after_the_revocation")
    def _():
        f.direct("CREATE FUNCTION seen(int) RETURNS int LANGUAGE plpgsql AS $$begin return $1; end$$")
        declare = "DECLARE c CURSOR FOR SELECT 'row ' || seen(id) FROM orders ORDER BY id;"
        f.direct("CREATE ROLE passing; GRANT SELECT ON orders TO passing")
        p = direct_psql()
        p.say("SET ROLE passing; BEGIN; " + declare)
        p.expect("^DECLARE CURSOR$")
        f.direct("REVOKE ALL ON orders FROM passing")
        p.say("FETCH 2 FROM c;")
        p.expect("^row 2$")  # lab: an open cursor goes on though the right to its table is gone
        p.close()
        f.direct("DROP ROLE passing")
        r = granted(["pg:read", "pg:write"])
        p = Psql(f.house, "alice")
        for sql, answer in (("BEGIN;", "^BEGIN$"), (declare, "^DECLARE CURSOR$"), ("FETCH 2 FROM c;", "^row 2$")):
            p.say(sql)
            p.expect(answer)
        revoke(r)
        p.say("FETCH 2 FROM c;")
        p.expect("FATAL|ERROR", 15)
        f.true("row" not in p.since(), "it gave a row")
        p.close()

    @f.test("attack_40_a_transaction_opened_under_a_grant_does_not_commit_after_it")
    def _():
        r = granted(["pg:write"])
        p = Psql(f.house, "alice")
        p.say("BEGIN;")
        p.expect("^BEGIN$")
        p.say("UPDATE orders SET status = 'paid' WHERE id = 83;")
        p.expect("^UPDATE 1$")
        t = revoke(r)
        f.true(t < 1.5, f"the revocation took {t:.1f} s")
        f.until(lambda: f.direct("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == "0", 1, "its transaction is still open")
        p.say("COMMIT;")
        p.quiet("^COMMIT$", 1)
        p.close()
        f.equal(status(83), "open")

    @f.test("attack_42_a_copy_stream_is_cut_and_rolled_back")
    def _():
        r = granted(["pg:write"])
        child = f.start("alice", "psql", "-X", "-c", "COPY orders FROM STDIN", f.url("alice"))
        for n in range(20001, 20040):
            child.stdin.write(f"{n}\t1\tkettle\t1.00\topen\t2026-01-01\n")
        child.stdin.flush()
        f.until(lambda: f.direct("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY orders%' AND state = 'active'") == "1", 5)
        revoke(r)
        gone("COPY orders%", 0.6)
        try:
            for n in range(20041, 20400):
                child.stdin.write(f"{n}\t1\tkettle\t1.00\topen\t2026-01-01\n")
            child.stdin.close()
        except BrokenPipeError:
            pass
        f.true(child.wait(10) != 0, "COPY ended well")
        f.equal(f.direct("SELECT count(*) FROM orders WHERE id > 20000"), "0")

    @f.test("attack_43_a_cancel_key_that_is_not_the_sessions_cancels_nothing")
    def _():
        p = Psql(f.house, "alice")
        p.say("DELETE FROM orders WHERE id = 84;")
        p.expect("is waiting", 15)
        for n in range(300):
            with socket.create_connection(("127.0.0.1", f.place.ports["gateway"]), timeout=5) as s:
                s.sendall(struct.pack("!IIII", 16, 80877102, n, n * 2654435761 % 2**32))
        p.quiet("ERROR|Cancel", 0.5)
        p.close()

    @f.test("attack_20_no_role_is_taken_on_over_the_whole_way")
    def _():
        for sql in ("RESET ROLE", "SET ROLE postgres", "SET SESSION AUTHORIZATION postgres", "RESET SESSION AUTHORIZATION", "SET LOCAL ROLE phi_gateway",
                    "SELECT set_config('role', 'postgres', false)"):
            done = f.start("alice", *f.psql_cmd("alice", "-c", sql))
            try:
                said = done.communicate(timeout=1.5)[0]
            except subprocess.TimeoutExpired:
                done.kill()  # it waits for two DBAs
                continue
            f.true(done.returncode != 0 and re.search("phi|42501", said), f"{sql}: {said}")
