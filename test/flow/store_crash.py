#!/usr/bin/python3
# timeout: 240
"""Death at the k-th write or sync of the store, on SQLite and on PostgreSQL: nothing acknowledged is lost or without its entry.

store_crash.py [--points N] [--seconds S] [sqlite|pgsql]    without arguments: a bounded part of both, for each test run"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))

import scratch_pg  # noqa: E402

CRASH = os.path.join(HERE, "../..", os.environ.get("PHI_BUILD", "build/release"), "test/crash/crash")
LEAST = 3  # points in a bounded run: crash.c does so many however slow the machine is
# Points over one database. On PostgreSQL each finds what the ones before have left, and nobody asks for the same 600 times an hour.
PART = {"sqlite": 500, "pgsql": 150}
SAID = 1000


def part(kind, place, start, n, seconds):
    done = subprocess.run([CRASH, kind, place, str(start), str(n), str(seconds)], text=True, capture_output=True, check=False)
    m = re.search(r"(\d+) points .* 0 lost", done.stdout)
    good = done.returncode == 0 and m and int(m.group(1)) >= min(LEAST, n)
    return good, (done.stdout + done.stderr).strip()[-1500:]


def points(kind, place, args, anew):
    if args.seconds:
        good, said = part(kind, place, args.start, min(args.points, PART[kind]), args.seconds)
        print(f"{'ok' if good else 'not ok'} - {said}", flush=True)
        return good
    t0 = time.monotonic()
    for at in range(args.start, args.start + args.points, PART[kind]):
        n = min(PART[kind], args.start + args.points - at)
        good, said = part(kind, place, at, n, 0)
        done = at + n - args.start
        if not good or done // SAID != (done - n) // SAID or done == args.points:  # a long run that is cut short has said how far it came
            print(f"{'ok' if good else 'not ok'} - {done} of {args.points} points, {done / (time.monotonic() - t0):.1f} a second; {said}", flush=True)
        if not good:
            return False
        anew()
    return True


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--points", type=int, default=1000000)
    p.add_argument("--seconds", type=int, default=-1)
    p.add_argument("--from", dest="start", type=int, default=int(time.time()) // 60 % 100000)
    p.add_argument("kinds", nargs="*", choices=["sqlite", "pgsql", []])
    args = p.parse_args()
    if args.seconds < 0:
        args.seconds = 8 if args.points == 1000000 else 0
    kinds, good = args.kinds or ["sqlite", "pgsql"], True
    if "sqlite" in kinds:  # in memory where there is room for it: what would be lost with the power is undone by hand
        folder = tempfile.mkdtemp(prefix="phi-crash-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        try:
            good = points("sqlite", os.path.join(folder, "db"), args, lambda: None)
        finally:
            shutil.rmtree(folder)
    if "pgsql" in kinds:
        with scratch_pg.Scratch() as pg:
            good = points("pgsql", pg.conninfo, args, lambda: pg.sql("DROP SCHEMA phi CASCADE")) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
