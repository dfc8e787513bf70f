#!/usr/bin/python3
# timeout: 180
"""attack 59: phid is down. What needs it is refused at once, what the snapshot allows ends with the lease, 60 s at most."""
import os
import subprocess
import time

import phiflow
import attackkit as kit
from place import Trouble
from session import Psql

with phiflow.Flow() as f:
    bob = kit.person(f, "bob")
    r = kit.ask_scope(kit.person(f, "alice"), "while phid is there").json
    kit.vote(bob, r)
    session, url = Psql(f.house, "alice"), f.url("alice")
    session.say("UPDATE orders SET status = 'paid' WHERE id = 21;")
    session.expect("^UPDATE 1$")
    long = Psql(f.house, "alice")
    long.say("UPDATE orders SET status = 'returned' WHERE id = 22 AND pg_sleep(170) IS NOT NULL;")
    f.until(lambda: f.direct("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'UPDATE%pg_sleep%'") == "1")
    os.kill(f.house.phid.pid(), 9)
    down = time.monotonic()

    def reads():
        session.say("SELECT 'a' || 'nswer' FROM orders WHERE id = 1;")
        try:
            return session.expect("^answer$|ERROR|FATAL|connection", 20).group(0) == "answer"
        except Trouble:
            return False

    @f.test("attack_59_without_phid_no_grant_is_spent")
    def _():
        session.say("UPDATE orders SET status = 'shipped' WHERE id = 21;")
        time.sleep(2)
        f.equal(f.direct("SELECT status FROM orders WHERE id = 21"), "paid")
        session.interrupt()

        def over():  # a Ctrl-C that finds psql at its prompt may take the next line along
            session.say("\\echo 'over'")
            try:
                return session.expect("^over$", 2)
            except Trouble:
                return None
        f.until(over, 20)  # what was said of the refusal is not taken for an answer to what is read next

    @f.test("attack_59_within_60_s_everything_is_refused")
    def _():
        while reads() and time.monotonic() - down < 70:
            time.sleep(0.5)
        f.true(time.monotonic() - down < 65, f"it still answered after {time.monotonic() - down:.0f} s")
        f.true(not reads(), "it answered again")
        new = subprocess.run(["psql", "-X", "-A", "-t", "-c", "SELECT 1", url], capture_output=True, text=True, timeout=30, check=False)
        f.true(new.returncode != 0, f"a new session was let in: {new.stdout}")

    @f.test("attack_59_granted_work_that_runs_is_cut_at_the_leases_end")
    def _():
        while f.direct("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'UPDATE%pg_sleep%'") != "0":
            f.true(time.monotonic() - down < 65, "it still runs")
            time.sleep(0.1)
        f.true(f.direct("SELECT status FROM orders WHERE id = 22") != "returned")

    @f.test("when phid is back, work goes on without anybody doing anything")
    def _():
        f.house.start(f.house.phid, ["people", "gateways"])
        f.until(lambda: f.psql("alice", "SELECT 1", check=False).returncode == 0, 20)

    session.close()
    long.close()
