#!/usr/bin/python3
"""How long phid takes from its start to its first answer after kill -9, and after the machine was restarted, over stores of more and
more live grants (SQLite).

The grants are copies of one that was really approved, put into the file between two starts: what phid does with them at its
start is the same, and the comparison in the background, which finds them out, begins after the first answer."""
import contextlib
import io
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../flow"), os.path.join(HERE, "../lib")]

import api_basic as kit  # noqa: E402

SIZES = [int(n) for n in os.environ.get("PHI_BENCH_GRANTS", "10000,100000,1000000").split(",")]


def grants(db, n):
    c = sqlite3.connect(db)
    have = c.execute("SELECT count(*) FROM grants").fetchone()[0]
    cols = [r[1] for r in c.execute("PRAGMA table_info(grants)")]
    new = ", ".join({"id": "printf('%08x', i) || substr(id, 9)", "request": "printf('%08x', i) || substr(request, 9)"}.get(k, k) for k in cols)
    c.execute(f"WITH RECURSIVE k(i) AS (SELECT {have} UNION ALL SELECT i + 1 FROM k WHERE i + 1 < {n}) "
              f"INSERT INTO grants ({', '.join(cols)}) SELECT {new} FROM (SELECT * FROM grants ORDER BY id DESC LIMIT 1), k")
    c.commit()
    c.close()


def reboot(db):
    """The store was last used in another boot of the machine."""
    c = sqlite3.connect(db)
    c.execute("UPDATE state SET boot_id = 'bench-' || size || '-' || boot")
    c.commit()
    c.close()


def answers(p):
    at = time.monotonic()
    with open(p.log, "ab") as log:
        p.process = subprocess.Popen([kit.PHID, "--config", p.config], stderr=log, stdout=log, stdin=subprocess.DEVNULL)
    while time.monotonic() - at < 120:
        try:
            if p.api().get("/readyz").status == 200:
                return time.monotonic() - at
        except OSError:
            time.sleep(0.002)
    raise RuntimeError(p.said()[-2000:])


def main():
    folder = tempfile.mkdtemp(prefix="phi-bench-", dir="/var/tmp")
    p = kit.Phid(folder)
    try:
        link = re.search(r"/login/(\S+)", p.run("bootstrap", "--admin", "root").stdout).group(1)
        answers(p)
        admin = p.api(p.api().post("/v1/sessions", {"link": link}).json["token"])
        with contextlib.redirect_stdout(io.StringIO()):
            who, ids = kit.furnish(p, admin)
            gw, _ = kit.gateway(p, admin, folder)
        credential = who["alice"].post("/v1/credentials", {"target": "shop"}).json["id"]
        a = kit.Attempt(gw, ids["alice"], credential)
        r = a.ask("DELETE FROM orders WHERE id = 7").json["request"]
        who["bob"].post(f"/v1/requests/{r['id']}/votes", {"decision": "approve", "digest": r["digest"], "version": 1})
        for n in SIZES:
            p.stop(signal.SIGTERM)
            grants(f"{folder}/data/phi.db", n)
            took = []
            answers(p)
            for _ in range(5):
                p.stop(signal.SIGKILL)
                took.append(answers(p))
            with open(f"/proc/{p.process.pid}/status", encoding="ascii") as f:
                rss = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
            print(f"{n:9} live grants   first answer after {min(took) * 1000:5.0f} to {max(took) * 1000:.0f} ms   {rss / 1024:.0f} MB", flush=True)
            took = []
            for _ in range(3):
                p.stop(signal.SIGKILL)
                reboot(f"{folder}/data/phi.db")
                took.append(answers(p))
            print(f"{'':9} and in a new boot   first answer after {min(took) * 1000:5.0f} to {max(took) * 1000:.0f} ms", flush=True)
    finally:
        if p.process and p.process.poll() is None:
            p.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
