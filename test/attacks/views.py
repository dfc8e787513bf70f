#!/usr/bin/python3
# timeout: 240
"""Two log heads shown to two readers: a witness that saw the one cosigns no other, and who wants its cosignature is not fooled."""
import os
import shutil

import phiflow
import attackkit as kit
import witness

with phiflow.Flow() as f:
    data = f.place.path("phid")
    f.house.phid.stop()
    with open(f.house.phid_conf, "a", encoding="utf-8") as conf:
        conf.write("outgoing_allow: [127.0.0.1]\n")
    f.house.start(f.house.phid, ["people", "gateways"])
    anybody = kit.Caller(f.place.ports["people"])
    log_key = anybody.get("/v1/log/key").body.decode()
    w = witness.Witness(f.folder, log_key)

    def shown():
        text = anybody.get("/checkpoint").body.decode()
        return int(text.split("\n")[1]), text

    def what_is_said():
        return anybody.get("/v1/log/witnesses").json["witnesses"][0]

    def busy(n):
        """Makes history: two entries each."""
        for _ in range(n):
            f.house.admin().call("POST", "/v1/groups/filler/members", {"person": "alice"})
            f.house.admin().call("DELETE", "/v1/groups/filler/members/alice")

    @f.test("a witness is asked for each head, and no head is shown without its cosignature when one is needed")
    def _():
        f.equal(kit.person(f, "alice").call("PUT", "/v1/log/witnesses", {"key": w.line, "url": w.url}).status, 403)
        f.equal(kit.admin(f).call("PUT", "/v1/log/witnesses", {"key": w.line, "url": w.url}).status, 200)
        f.until(lambda: w.size > 0, 20, "the witness is not asked")
        f.equal(kit.admin(f).call("PUT", "/v1/log/witness-need", {"need": 2}).status, 400)
        f.equal(kit.admin(f).call("PUT", "/v1/log/witness-need", {"need": 1}).status, 200)
        size = w.size
        busy(3)
        f.until(lambda: w.size > size and shown()[0] == w.size, 20, "no cosigned head is shown")
        f.contains(shown()[1], "\u2014 " + w.name + " ")
        cosigner = os.path.join(f.folder, "cosigner")
        with open(cosigner, "w", encoding="utf-8") as file:
            file.write(w.line + "\n")
        with open(os.path.join(f.folder, "log-key"), "w", encoding="utf-8") as file:
            file.write(log_key)
        receipt = os.path.join(f.folder, "3.tlog-proof")
        f.phi("bob", "log", "prove", "3", "--out", receipt)
        f.contains(f.phi("bob", "log", "check", receipt, "--key", f.folder + "/log-key", "--witness", cosigner), "verified")
        f.contains(f.phi("bob", "log", "verify"), "verified")

    @f.test("a witness that is away holds the shown head back, and nothing else")
    def _():
        w.away = True
        before = shown()[0]
        busy(2)
        f.until(lambda: w.answered[-1:] == [503], 20)
        f.equal(f.psql("alice", "SELECT count(*) FROM orders WHERE id = 1"), "1")
        f.until(lambda: what_is_said()["refuses"] != "", 20)
        f.equal(shown()[0], before)
        w.away = False
        f.until(lambda: shown()[0] > before, 20, "the head does not go on when the witness is back")

    @f.test("a witness that forgot what it had cosigned is asked from where it stands")
    def _():
        w.size, w.root = 0, b""
        busy(1)
        f.until(lambda: 409 in w.answered[-6:] and w.size and shown()[0] == w.size, 20, "it is not asked again")

    @f.test("attack_30_of_two_heads_shown_to_two_readers_only_one_is_cosigned_and_the_other_is_an_alarm")
    def _():
        fork = os.path.join(f.folder, "fork")
        f.house.phid.stop()
        shutil.copytree(data, fork, copy_function=shutil.copy2)
        for name in os.listdir(data):
            st = os.stat(os.path.join(data, name))
            os.chown(os.path.join(fork, name), st.st_uid, st.st_gid)
        os.chmod(fork, 0o700)
        f.house.start(f.house.phid, ["people", "gateways"])
        before = w.size
        busy(2)  # one history, which the witness sees …
        f.until(lambda: w.size >= before + 4 and shown()[0] == w.size, 20)
        first, seen = shown()
        f.house.phid.stop()
        shutil.move(data, data + ".one")
        shutil.move(fork, data)
        f.house.start(f.house.phid, ["people", "gateways"])
        busy(5)  # … and another one, with the same key, signed by a signer whose memory was put back as well
        f.until(lambda: what_is_said()["refuses"] in ("not-consistent", "has-seen-more"), 30, "the witness's refusal is no alarm")
        f.until(lambda: what_is_said()["refuses"] == "not-consistent", 30, "the other history is not found to be one")
        f.until(lambda: any("witness.refused" in e for e in kit.person(f, "bob").get("/v1/log/entries?from=0&limit=1000").json["entries"]), 20,
                "the log does not say it")
        f.true(shown()[0] <= first and w.size == first, "the other history's head is shown, or cosigned")
        f.contains(seen, "\u2014 " + w.name + " ")
    w.close()
