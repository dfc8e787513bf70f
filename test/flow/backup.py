#!/usr/bin/python3
# timeout: 240
"""A backup while phid serves, its restore, what gateways make of it, and a log whose key is changed."""
import json
import os
import shutil
import subprocess
import threading

import phiflow
import attackkit as kit

with phiflow.Flow() as f:
    data, saved = f.place.path("phid"), os.path.join(f.folder, "saved")
    state = f.place.path("gateway")
    key_file = os.path.join(f.folder, "operator.pem")

    def phid(*args, check=True):
        done = subprocess.run([*f.house.phid.cmd, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        if check and done.returncode:
            raise phiflow.Failed(f"phid {args[0]}: {done.stderr}{done.stdout}")
        return done

    def works():
        return f.psql("alice", "SELECT 1", check=False).returncode == 0

    def checkpoint():
        return kit.Caller(f.place.ports["people"]).get("/v1/log/checkpoint").body.decode().split("\n")

    def listed(folder):
        with open(os.path.join(folder, "backup.json"), encoding="utf-8") as file:
            return json.load(file)

    @f.test("the log's key is changed while phid serves: who pinned the old one follows, and only by both signatures")
    def _():
        f.contains(f.phi("bob", "log", "verify"), "verified")
        before = kit.Caller(f.place.ports["people"]).get("/v1/log/key").body
        phid("rotate-log-key")
        after = kit.Caller(f.place.ports["people"]).get("/v1/log/key").body
        f.true(after != before, "the old key is still served")
        f.contains(f.phi("bob", "log", "verify"), "verified")  # at once: the answer waits for the new key's first head
        f.contains(phid("backup", saved + "-rotated").stdout, "backed up and checked")  # by the phid that changed it
        f.equal(listed(saved + "-rotated")["key"], after.decode().strip())
        f.contains(phid("rotate-log-key", check=False).stderr, "after the next start")
        out = os.path.join(f.folder, "export")
        f.phi("bob", "log", "export", out)
        old = os.path.join(f.folder, "old.key")
        with open(old, "wb") as file:
            file.write(before)
        f.contains(f.phi("bob", "log", "verify", "--dir", out, "--key", old), "verified")  # offline, from the key that was pinned
        with open(out + "/entries.jsonl", encoding="utf-8") as file:
            text = file.read()
        at = text.index('"signature":"') + 40
        with open(out + "/entries.jsonl", "w", encoding="utf-8") as file:
            file.write(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:])
        f.true(f.phi("bob", "log", "verify", "--dir", out, "--key", old, check=False).returncode != 0, "a false signature leads on to the new key")
        f.until(lambda: os.path.exists(os.path.join(state, "log.key.before")), 60, "the gateway does not follow")
        f.true(works())
        f.house.phid.stop()
        f.house.start(f.house.phid, ["people", "gateways"])
        f.until(works, 20)
        f.contains(f.phi("bob", "log", "verify"), "verified")

    @f.test("a backup while work goes on holds everything that was answered before it began")
    def _():
        stop = threading.Event()

        def busy():
            while not stop.is_set():
                kit.admin(f).post("/v1/groups/filler/members", {"person": "alice"})
                kit.admin(f).call("DELETE", "/v1/groups/filler/members/alice")
        worker = threading.Thread(target=busy)
        worker.start()
        try:
            f.until(lambda: int(checkpoint()[1]) > 40, 20)
            size = int(checkpoint()[1])
            f.contains(phid("backup", saved).stdout, "backed up and checked")
        finally:
            stop.set()
            worker.join()
        said = listed(saved)
        f.true(said["entries"] >= size, said)
        f.true("log.key" not in said["files"] and "ca.key" in said["files"], said)
        f.equal(oct(os.stat(saved).st_mode & 0o777), "0o700")
        f.contains(phid("backup", saved, check=False).stderr, "not empty")
        f.until(lambda: "backup.made" in f.phi("bob", "log", "--limit", "200", "--json"), 5)

    held = kit.Try(f, kit.gateway(f), "alice")
    grant = held.granted("DELETE FROM orders WHERE id = 71")

    @f.test("a restore needs an empty folder and an untouched backup")
    def _():
        phid("backup", saved + "2")
        f.house.phid.stop()
        f.contains(phid("restore", saved + "2", check=False).stderr, "is there already")
        os.rename(data, data + ".lost")
        os.mkdir(data, 0o700)
        spoilt = saved + "3"
        shutil.copytree(saved + "2", spoilt)
        with open(spoilt + "/phi.db", "r+b") as db:
            db.seek(20000)
            db.write(b"spoilt")
        f.contains(phid("restore", spoilt, check=False).stderr, "not the file that was backed up")
        f.equal([n for n in os.listdir(data) if n != "lock"], [])

    def steps():
        return kit.Caller(f.place.ports["people"]).get("/v1/log/steps").json["steps"]

    @f.test("after a restore every right has ended and the log begins anew, naming the old head")
    def _():
        said = listed(saved + "2")
        f.contains(phid("restore", saved + "2").stdout, "it goes on as")
        f.house.start(f.house.phid, ["people", "gateways"])
        f.true(kit.person(f, "bob").get("/v1/whoami").status == 401, "a sign-in of the backup still counts")
        f.house.admin_signed_in()
        f.admin = kit.admin(f)
        first = json.loads(f.admin.get("/v1/log/entries?from=0&limit=1").json["entries"][0])
        f.equal((first["ev"], first["prev_size"], first["prev_root"]), ("log.opened", said["entries"], said["root"]))
        f.true("/restored-" in first["origin"] and checkpoint()[0] == first["origin"], first)
        f.equal(f.admin.get("/v1/grants?box=all&status=live").json.get("grants"), [])
        shown = f.admin.get("/v1/grants?box=all").json["grants"]
        f.equal([g["status"] for g in shown if g["id"] == grant["id"]], ["revoked"])  # its old entries still hold it

    @f.test("no gateway takes the new log before an operator has signed it, and then one that has the operator's key pinned does")
    def _():
        for name in ("alice", "bob"):
            f.house.sign_in(name, f.admin.post("/v1/links", {"person": name}).json["link"])
        f.true(not works(), "the gateway works with a log that nobody has vouched for")
        line = f.phi("bob", "log", "operator", key_file)
        step = [s for s in steps() if s["kind"] == "restored"][-1]
        f.equal(step["note"], "")
        f.true(f.phi("alice", "log", "vouch", key_file, "--yes", check=False).returncode != 0, "anybody vouches")
        link = f.admin.post("/v1/links", {"person": f.admin.get("/v1/whoami").json["person"]["name"]}).json["link"]
        f.house.sign_in("mallory", link)  # mallory's folder, the administrator's session
        f.contains(f.phi("mallory", "log", "vouch", key_file, "--yes"), "Signed")
        f.true(not works(), "the gateway takes the word of an operator whom nobody pinned")
        with open(os.path.join(state, "operators"), "w", encoding="utf-8") as file:
            file.write("# who may say that a log begins anew\n" + line + "\n")
        f.until(works, 60, "the gateway does not take what an operator has signed")
        f.true(os.path.exists(os.path.join(state, "checkpoint.before")), "what the gateway had seen of the old log is gone")
        with open(f.place.path("people", "bob", "operators"), "w", encoding="utf-8") as file:
            file.write(line + "\n")
        f.contains(f.phi("bob", "log", "verify"), "verified")
        f.equal(f.direct("SELECT count(*) FROM orders WHERE id = 71"), "1")
