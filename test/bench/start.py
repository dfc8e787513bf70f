#!/usr/bin/python3
"""How long phid takes until it serves, and to end on SIGTERM: with an empty store, and with one that has been used. Aim: under 200 ms."""
import json
import os
import signal
import statistics
import subprocess
import time

import phiflow
import attackkit as kit

RUNS, USED = 15, 2000


def once(f):
    """(ms until it says ready, ms from SIGTERM to its end)"""
    env = dict(os.environ)
    t0 = time.monotonic()
    p = subprocess.Popen([f.place.program("phid"), "--config", f.house.phid_conf], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True, env=env)
    for line in p.stderr:
        if json.loads(line)["ev"] == "ready":
            break
    ready = time.monotonic()
    p.send_signal(signal.SIGTERM)
    p.stderr.read()
    if p.wait(30):
        raise SystemExit(f"phid ended with {p.returncode}")
    return (ready - t0) * 1000, (time.monotonic() - ready) * 1000


def line(f, what):
    starts, ends = zip(*(once(f) for _ in range(RUNS)))
    print(f"  {what:<34} {statistics.median(starts):6.0f} ms until ready ({max(starts):.0f} at most), {statistics.median(ends):5.0f} ms to end ({max(ends):.0f})",
          flush=True)


with phiflow.Flow() as f:
    f.house.gateway.stop()
    f.house.phid.stop()
    line(f, "a new installation")
    f.house.phid.start()
    alice, bob = kit.person(f, "alice"), kit.person(f, "bob")
    for i in range(USED // 4):
        r = kit.ask_scope(alice, f"bench {i}")
        if r.status == 429:
            break
        alice.post(f"/v1/requests/{r.json['id']}/cancel")
    size = kit.admin(f).get("/v1/doctor").json["log"]["size"]
    f.house.phid.stop()
    line(f, f"a log of {size} entries")
