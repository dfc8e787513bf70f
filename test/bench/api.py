#!/usr/bin/python3
"""The standard API over TLS, audit on: AuthZEN evaluations a second and their latency at 1, 64 and 512 connections; event
watchers, from the approval to the last one that hears of it; memory. Load and phid share the machine's processors."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../flow")]
import stdkit  # noqa: E402
from authzen import ALICE, BASE, ENTITIES, POLICIES, REQUIREMENTS, SCHEMA, WRITE, ask, record  # noqa: E402

SECONDS = int(os.environ.get("PHI_BENCH_SECONDS", "5"))
WATCHERS = int(os.environ.get("PHI_BENCH_WATCHERS", "10000"))
LOAD = os.path.join(stdkit.BUILD, "test/bench/bench-api-load")


def memory(p):
    with open(f"/proc/{p.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmRSS"))


def cpu(p):
    with open(f"/proc/{p.process.pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_core(p):
    """Evaluations that went to the core thread."""
    lines = p.admin.get("/metrics").body.decode().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('phi_evaluations_total{where="core"}'))


def evaluations(p):
    print("aim: 50000/s on two processors, p99 under 2 ms at 64 connections")
    questions = (("allow", BASE, '"decision":true'), ("deny", ask(ALICE, WRITE, record(2)), '"decision":false'))
    for name, question, want in questions:
        for n in (1, 64, 512):
            before, core = cpu(p), in_core(p)
            got = subprocess.run([LOAD, str(p.people), p.cert, "evaluate", str(n), str(SECONDS), p.admin.token, json.dumps(question)],
                                 capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "PHI_BENCH_WANT": want})
            if got.returncode:
                sys.exit(got.stderr)
            rate, p50, p99, worst, others, fewest, most, own = (float(x) for x in got.stdout.split())
            used = (cpu(p) - before) / (rate * SECONDS) * 1e6
            print(f"evaluation, {name:5} {n:4} connections {rate:9.0f}/s   p50 {p50 / 1000:7.2f} ms   p99 {p99 / 1000:7.2f} ms   worst {worst / 1000:7.1f} ms   "
                  f"processor each: phid {used:5.1f} us, load {own:5.1f} us   a connection {fewest:.0f} to {most:.0f}   by core {in_core(p) - core}"
                  f"{'' if not others else f'   {others:.0f} OTHER ANSWERS'}", flush=True)
    print(f"memory after it {memory(p):.0f} MB")


def watchers(p, n):
    alice, bob = p.person("alice", "dev"), p.person("bob", "dba")
    tokens = [bob.token] + [p.person(f"dba{i}", "dba").token for i in range((n - 1) // 16)]
    p.admin.post("/v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:6432", "database": "shop"})
    print("aim: 10000 watchers told within 300 ms, in under 200 MB")
    before = memory(p)
    load = subprocess.Popen([LOAD, str(p.people), p.cert, "watch", str(n), *tokens], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = load.stdout.readline()
    if not line.startswith("open"):
        print(f"watchers: {n} streams could not be opened")
        return
    after = memory(p)
    for name in ("orders", "items", "third"):
        load.stdin.write("now\n")
        load.stdin.flush()
        got = alice.post("/v1/requests", {"target": "shop", "scope": {"actions": ["pg:delete"], "resources": [f"shop/public.{name}"]}, "for_ms": 60000, "why": "bench"})
        heard, first, middle, last = (float(x) for x in load.stdout.readline().split())
        print(f"watchers: request made -> {heard:.0f} of {n} told: first {first:.0f} ms, middle {middle:.0f} ms, last {last:.0f} ms", flush=True)
        r = got.json
        load.stdin.write("now\n")
        load.stdin.flush()
        voted = bob.post(f"/v1/requests/{r['id']}/votes", {"decision": "approve", "digest": r["digest"], "version": r["version"]})
        if voted.status != 200:
            print("the vote failed:", voted)
        heard, first, middle, last = (float(x) for x in load.stdout.readline().split())
        print(f"watchers: approval     -> {heard:.0f} of {n} told: first {first:.0f} ms, middle {middle:.0f} ms, last {last:.0f} ms", flush=True)
    print(f"watchers: memory {after:.0f} MB with {n} streams over TLS, {before:.0f} MB without")
    load.stdin.close()
    load.wait(60)


def main():
    if not os.environ.get("PHI_BENCH_BUILT"):
        subprocess.run(["ninja", "-C", stdkit.BUILD, "test/bench/bench-api-load"], check=True, stdout=subprocess.DEVNULL)
    with open("/proc/loadavg", encoding="ascii") as f:
        print(f"load before: {f.read().split()[0]} on {os.cpu_count()} processors", flush=True)
    with stdkit.Phid() as p:
        got = p.bundle(SCHEMA, POLICIES, REQUIREMENTS)
        if got.status != 200:
            sys.exit(f"the policy is not taken: {got}")
        p.admin.put("/v1/entities", {"entities": ENTITIES})
        evaluations(p)
        watchers(p, WATCHERS)
    return 1 if stdkit.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
