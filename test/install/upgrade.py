"""upgrade.py OLD: the programs of build folder OLD beside those of PHI_BUILD, on one installation's data.

phid first: an old phid and gateway; then this phid over the same data with the old gateway, which nobody restarts; then this gateway too.
Gateway first: an old phid with this gateway. Each time a plain read and a write that somebody approves."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/lib"))
import phiflow  # noqa: E402

OLD = {name: os.path.abspath(os.path.join(sys.argv[1], "src/bin", name)) for name in ("phid", "phi-gateway")}


def with_old(*names):
    for name in OLD:
        os.environ.pop("PHI_" + name.upper().replace("-", "_"), None)
    for name in names:
        os.environ["PHI_" + name.upper().replace("-", "_")] = OLD[name]


def works(f, row):
    """alice reads, and deletes one row once bob has approved exactly that."""
    import attackkit as kit
    bob = kit.person(f, "bob")
    f.until(lambda: f.psql("alice", "SELECT 1", check=False).stdout.strip() == "1", 30, "the gateway does not answer")
    waits = subprocess.Popen(f.psql_cmd("alice", "-c", f"DELETE FROM orders WHERE id = {row}"), env=f.env("alice"), stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    r = f.until(lambda: bob.get("/v1/requests?box=inbox&status=pending").json["requests"], 30)[0]
    f.equal(kit.vote(bob, r).status, 200)
    f.equal((waits.wait(30), f.direct(f"SELECT count(*) FROM orders WHERE id = {row}")), (0, "0"))


def change(f, daemon, name):
    """This version's program takes over from the old one."""
    with_old(*(n for n in OLD if n != name and "PHI_" + n.upper().replace("-", "_") in os.environ))
    daemon.stop()
    daemon.cmd[0] = f.place.program(name)
    daemon.start()


def main():
    with_old(*OLD)
    failed = 0
    try:
        with phiflow.Flow() as f:
            f.test("the old phid with the old gateway")(lambda: works(f, 1))
            f.test("this phid takes over the data; the old gateway goes on")(lambda: (change(f, f.house.phid, "phid"), works(f, 2)))
            f.test("the log is whole over both")(lambda: f.contains(f.phi("bob", "log", "verify"), "verified"))
            f.test("this gateway takes over the old one's key and memory of the log")(lambda: (change(f, f.house.gateway, "phi-gateway"), works(f, 3)))
    except SystemExit as e:
        failed |= int(bool(e.code))
    with_old("phid")
    with phiflow.Flow() as f:
        f.failed += failed
        f.test("the old phid with this gateway")(lambda: works(f, 1))


main()
