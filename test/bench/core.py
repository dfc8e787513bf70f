#!/usr/bin/python3
"""The core over its stores: durable requests, claims and log entries a second, latency, and whether history makes them dearer."""
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))

import scratch_pg  # noqa: E402

BUILD = os.path.join(HERE, "../..", os.environ.get("PHI_BUILD", "build/release"))
SECONDS = os.environ.get("PHI_BENCH_SECONDS", "3")
HISTORY = [os.environ["PHI_BENCH_HISTORY"]] if "PHI_BENCH_HISTORY" in os.environ else []  # entries, 10000000 say: only what a claim costs then

HELD = os.environ.get("PHI_BENCH_HELD", "20000")  # requests pending at once, and then as many live grants; 0: none


def disk(folder):
    """What the disk allows: nothing durable is faster than one append with fdatasync."""
    took = []
    fd = os.open(os.path.join(folder, "probe"), os.O_WRONLY | os.O_CREAT, 0o600)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        at = time.monotonic()
        os.write(fd, bytes(16384))
        os.fdatasync(fd)
        took.append((time.monotonic() - at) * 1000)
    os.close(fd)
    took.sort()
    print(f"disk: 16 KB with fdatasync    {len(took):21.0f}/s   p50 {took[len(took) // 2]:7.2f} ms   p99 {took[int(len(took) * .99)]:7.2f} ms", flush=True)


def main():
    if not os.environ.get("PHI_BENCH_BUILT"):
        subprocess.run(["ninja", "-C", BUILD, "test/crash/core-bench"], check=True, stdout=subprocess.DEVNULL)
    program = os.path.join(BUILD, "test/crash/core-bench")
    with open("/proc/loadavg", encoding="ascii") as f:
        print(f"load before: {f.read().split()[0]} on {os.cpu_count()} processors", flush=True)
    with tempfile.TemporaryDirectory(prefix="phi-bench-", dir="/var/tmp") as folder:
        disk(folder)
        good = subprocess.run([program, "sqlite", os.path.join(folder, "db"), SECONDS, *HISTORY], check=False).returncode == 0
        if not HISTORY and HELD != "0":
            good = subprocess.run([program, "sqlite", os.path.join(folder, "held"), SECONDS, "held", HELD], check=False).returncode == 0 and good
    with scratch_pg.Scratch() as pg:
        good = subprocess.run([program, "pgsql", pg.conninfo, SECONDS, *HISTORY], check=False).returncode == 0 and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
