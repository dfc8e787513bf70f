#!/usr/bin/python3
# timeout: 240
"""Attacks on the record: an older database put back, another history grown from it, a row changed by hand, a full disk."""
import os
import shutil
import sqlite3
import subprocess

import phiflow
import attackkit as kit
from place import Trouble
from session import Psql

with phiflow.Flow() as f:
    data = f.place.path("phid")
    kept = os.path.join(f.folder, "kept")

    def copy(source, target):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, copy_function=shutil.copy2)
        for folder, _, names in os.walk(source):  # owners too: the signer's files are its own
            for name in names:
                st = os.stat(os.path.join(folder, name))
                os.chown(os.path.join(target, os.path.relpath(os.path.join(folder, name), source)), st.st_uid, st.st_gid)
        os.chmod(target, 0o700)

    def busy(n):
        """Makes history."""
        for i in range(n):
            kit.admin(f).post("/v1/groups/filler/members", {"person": "alice" if i % 2 else "bob"})
            kit.admin(f).call("DELETE", "/v1/groups/filler/members/" + ("alice" if i % 2 else "bob"))

    def start():
        """Whether phid serves."""
        try:
            f.house.start(f.house.phid, ["people", "gateways"])
            return True
        except Trouble:
            return False

    def verifies():
        return f.phi("bob", "log", "verify", check=False).returncode == 0

    def with_old_database(names):
        f.house.phid.stop()
        copy(data, os.path.join(f.folder, "now"))
        for name in ("phi.db-wal", "phi.db-shm"):
            if os.path.exists(os.path.join(data, name)):
                os.unlink(os.path.join(data, name))
        for name in names:
            shutil.copy2(os.path.join(kept, name), os.path.join(data, name))

    def put_back():
        f.house.phid.stop()
        copy(os.path.join(f.folder, "now"), data)
        f.true(start(), "phid does not start again")
        f.house.gateway.stop()  # one that saw a false log trusts that phid no more until somebody looked
        f.house.start(f.house.gateway, ["gateway"])
        f.until(verifies, 5, "the log does not verify again")

    def edit(sql, *args):
        """One statement on the database file, with phid stopped; answers its row."""
        f.house.phid.stop()
        db = sqlite3.connect(os.path.join(data, "phi.db"))
        row = db.execute(sql, args).fetchone()
        db.commit()
        db.close()
        f.true(start(), "phid does not start")
        return row

    busy(3)
    f.house.phid.stop()
    copy(data, kept)
    start()

    def signed():
        return int(kit.Caller(f.place.ports["people"]).get("/v1/log/checkpoint").body.split(b"\n")[1])

    before = signed()
    busy(5)
    f.until(lambda: signed() > before, 5, "no newer head is signed")
    f.until(verifies, 5)
    f.house.gateway.stop()
    f.house.start(f.house.gateway, ["gateway"])

    def seen():
        """The size of the log that the gateway remembers."""
        with open(f.place.path("gateway", "checkpoint"), encoding="utf-8") as file:
            return int(file.read().split("\n")[1])

    size = signed()
    f.until(lambda: seen() >= size, 60, "the gateway does not look at the log's head")

    @f.test("attack_28_a_log_cut_back_is_found_by_who_saw_more_of_it")
    def _():
        with_old_database(["phi.db", "log.state"])  # all of phid's state, the signer's memory too
        try:
            if start():
                f.true(not verifies(), "phi log verify is content with less than it saw")
                f.until(lambda: f.psql("alice", "SELECT 1", check=False).returncode != 0, 10, "the gateway works with a log that was cut back")
        finally:
            put_back()

    @f.test("attack_31_another_history_is_not_signed")
    def _():
        with_old_database(["phi.db"])  # the signer remembers
        try:
            if start():
                try:
                    busy(12)  # longer than what was signed, and different
                except (Trouble, KeyError, phiflow.Failed):
                    pass
                f.true(not verifies(), "the other history verifies")
        finally:
            put_back()

    @f.test("attack_29_a_grant_made_fresh_again_by_hand_is_not_served")
    def _():
        held = kit.Try(f, kit.gateway(f), "alice")
        used, waiting = held.granted("DELETE FROM orders WHERE id = 31"), held.ask("DELETE FROM orders WHERE id = 32").json["request"]
        fresh = edit("SELECT status, live, used FROM grants WHERE id = ?", used["id"])
        f.equal(held.claim(used).status, 200)
        f.true(edit("SELECT status, live, used FROM grants WHERE id = ?", used["id"]) != fresh)
        f.house.phid.stop()
        copy(data, os.path.join(f.folder, "now"))
        edit("UPDATE grants SET status = ?, live = ?, used = ? WHERE id = ?", *fresh, used["id"])
        edit("UPDATE request SET (status, live) = (SELECT status, live FROM request WHERE id = ?) WHERE id = ?", used["request"], waiting["id"])
        f.true(held.claim(used).status != 200, "the spent grant was spent again")
        f.true(held.ask("DELETE FROM orders WHERE id = 32").json.get("answer") != "grant")
        put_back()

    @f.test("attack_29_a_row_added_by_hand_is_found_when_phid_compares_its_store_with_the_log")
    def _():
        def compared():
            """What phid found since its start, once it has looked at everything."""
            return f.until(lambda: (lambda s: s if s["state"] != "running" else None)(kit.admin(f).get("/v1/log/comparison").json), 30)
        f.house.phid.stop()
        f.true(start())
        f.equal(compared()["found"], "")
        f.house.phid.stop()
        copy(data, os.path.join(f.folder, "now"))
        edit("INSERT INTO member SELECT 'admin', id, 0 FROM person WHERE name = 'mallory'")
        said = compared()
        f.equal(said["state"], "false")
        f.contains(said["found"], "member")
        put_back()
        f.equal(compared()["state"], "whole")

    @f.test("attack_60_with_the_logs_disk_full_nothing_granted_runs_and_reading_stops")
    def _():
        f.house.phid.stop()
        copy(data, kept)
        size = sum(os.path.getsize(os.path.join(data, n)) for n in os.listdir(data)) // 1024 + 4096
        if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k,mode=0700", "tmpfs", data], check=False, stderr=subprocess.DEVNULL).returncode:
            start()
            raise phiflow.Skipped("a small disk needs root and the right to mount")
        p = None
        try:
            for name in os.listdir(kept):
                at = shutil.copy2(os.path.join(kept, name), os.path.join(data, name))
                st = os.stat(os.path.join(kept, name))
                os.chown(at, st.st_uid, st.st_gid)
            f.true(start())
            f.until(lambda: f.psql("alice", "SELECT 1", check=False).returncode == 0, 20, "the gateway does not come back")
            r = kit.ask_scope(kit.person(f, "alice"), "before the disk is full").json
            f.equal(kit.vote(kit.person(f, "bob"), r).json["status"], "approved")
            p = Psql(f.house, "alice")
            p.say("UPDATE orders SET status = 'paid' WHERE id = 33;")
            p.expect("^UPDATE 1$", 5)
            with open(os.path.join(data, "ballast"), "wb", buffering=0) as ballast:
                try:
                    while True:
                        ballast.write(b"\0" * 4096)
                except OSError:
                    pass
            for n in range(5):
                p.say(f"UPDATE orders SET status = 'returned' WHERE id = 33 /* {n} */;")
                p.quiet("^UPDATE 1$", 0.5)
                p.interrupt()
            f.equal(f.direct("SELECT status FROM orders WHERE id = 33"), "paid")

            def stopped():
                done = f.start("alice", "psql", "-X", "-A", "-t", "-c", "SELECT count(*) FROM orders WHERE id = 1", p.url)
                try:
                    done.communicate(timeout=15)
                except subprocess.TimeoutExpired:
                    done.kill()
                    return True
                return done.returncode != 0
            f.until(stopped, 20, "plain reads go on without a record")
            f.until(lambda: "BAD  log: it cannot be written" in f.phi("alice", "doctor", check=False).stdout, 20, "phi doctor does not see it")
            os.unlink(os.path.join(data, "ballast"))
            f.house.phid.stop()
            f.true(start(), "phid does not start with room again")
            f.until(lambda: f.psql("alice", "SELECT 1", check=False).returncode == 0, 20, "nothing works with room again")
        finally:
            if p:
                p.close()
            f.house.phid.stop()
            subprocess.run(["umount", "-l", data], check=False)
