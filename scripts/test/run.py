#!/usr/bin/python3
"""Runs tests and prints what failed, what was skipped and why, and a line for each part.

  run.py [--filter RE] [--verbose] PART...     PART: unit:BUILD  flow:BUILD  attacks:BUILD  fuzz:BUILD  check:NAME:COMMAND
"""
import argparse
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import results
from results import Result


def check(spec):
    """A command that passes or fails as a whole."""
    name, _, command = spec.partition(":")
    code, out, took = results.run(["bash", "-c", command], 600)
    return [Result(name, "passed" if code == 0 else "failed", "" if code == 0 else results.ended(code), name)], out, took


def jobs_of(part, keep):
    """(title, jobs side by side, list of functions to call)."""
    kind, _, arg = part.partition(":")
    if kind == "unit":
        found = [p for p in results.unit_programs("build/" + arg) if keep(p[0])]
        return f"unit ({arg})", 2, [lambda p=p: results.run_unit(p) for p in found]
    if kind in ("flow", "attacks"):
        found = sorted((s for s in results.flow_scripts(kind) if keep(s[0])), key=lambda s: -results.declared_timeout(s[1]))
        return f"{kind} ({arg})", 2, [lambda s=s: results.run_flow(s, "build/" + arg) for s in found]
    if kind == "fuzz":
        found = [p for p in results.fuzz_programs("build/" + arg) if keep("fuzz " + p[0])]
        return f"fuzz corpora ({arg})", 2, [lambda p=p: results.run_fuzz_replay(p) for p in found]
    if kind == "check":
        return "checks", 1, [lambda: check(arg)] if keep(arg.partition(":")[0]) else []
    sys.exit(f"run.py: no part \"{kind}\"")


def show(done, verbose):
    rs, out, took = done
    for r in rs:
        if r.state == "failed":
            print(f"  FAILED  {r.name}" + (f" ({r.note})" if r.note else "") + (f"  [{r.where}]" if r.where != r.name else ""))
        elif r.state == "skipped":
            print(f"  skipped {r.name}: {r.note}")
        elif verbose:
            print(f"  ok      {r.name}  {took:.1f} s")
    if any(r.state == "failed" for r in rs):
        print("\n".join("      " + line for line in out.rstrip().splitlines()[-60:]))
    sys.stdout.flush()


def run_part(part, keep, verbose):
    t0 = time.monotonic()
    title, width, jobs = jobs_of(part, keep)
    found = []
    with ThreadPoolExecutor(width) as pool:
        for done in pool.map(lambda job: job(), jobs):
            show(done, verbose)
            found += done[0]
    if jobs and not part.startswith("check"):
        n = sum(r.state == "passed" for r in found)
        print(f"  {title:<46} {time.monotonic() - t0:6.1f} s   {n} of {len(found)} in {len(jobs)} programs")
        sys.stdout.flush()
    return found


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--filter", default="")
    args.add_argument("--verbose", action="store_true")
    args.add_argument("parts", nargs="+")
    opts = args.parse_args()
    found = []
    for part in opts.parts:
        found += run_part(part, lambda name: re.search(opts.filter, name) is not None, opts.verbose)
    n = {s: sum(r.state == s for r in found) for s in ("passed", "failed", "skipped")}
    print(f"{n['passed']} passed, {n['failed']} failed" + (f", {n['skipped']} skipped" if n["skipped"] else ""))
    if not found:
        print("no test was found" + (f" for \"{opts.filter}\"" if opts.filter else ""), file=sys.stderr)
    return 1 if n["failed"] or not found else 0


if __name__ == "__main__":
    sys.exit(main())
