#!/usr/bin/python3
"""Runs the attacks: tests named attack_NN_* wherever they stand, against the rows of test/attacks/attacks.tsv.

  attacks.py BUILD [--require 9-24,30]     a required row that is not built fails
"""
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

import results

NAME = re.compile(r"\battack_(\d+)_\w+")


def rows():
    """{number: short name} of the table."""
    path = os.path.join(results.TOP, "test/attacks/attacks.tsv")
    table = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            for line in f:
                if line.strip() and not line.startswith("#"):
                    number, name = line.rstrip("\n").split("\t")[:2]
                    table[int(number)] = name
    return table


def numbers(text):
    wanted = set()
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        wanted.update(range(int(low), int(high or low) + 1))
    return wanted


def named(path):
    """Numbers of the attacks that a source names."""
    with open(path, encoding="utf-8", errors="replace") as f:
        return {int(n) for n in NAME.findall(f.read())}


def unit_with_attacks(build):
    """meson names a unit test room/file; its source is src/room/file_test.c."""
    for program in results.unit_programs(build):
        for source in (f"src/{program[0]}_test.c", f"test/{program[0]}_test.c", f"test/{program[0]}.c"):
            path = os.path.join(results.TOP, source)
            if os.path.exists(path) and named(path):
                yield program, path


def silent(path, missing, rs, out):
    """What a program names and said nothing of: it ended before, which is a failure, not an attack that nobody has built."""
    skipped = bool(rs) and all(r.state == "skipped" for r in rs)
    at = os.path.relpath(path, results.TOP)
    return [(n, results.Result(f"{at} names attack {n} and gave no result of it", "skipped" if skipped else "failed", out, at)) for n in sorted(missing)]


def collect(build):
    """{number: [results]} of every attack that is built."""
    found = {}
    jobs = [(path, lambda p=p: results.run_unit(p)) for p, path in unit_with_attacks(build)]
    scripts = [s for folder in ("attacks", "flow") for s in results.flow_scripts(folder)
               if NAME.search(s[0]) or named(s[1])]
    jobs += [(s[1], lambda s=s: results.run_flow(s, build)) for s in scripts]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda job: (job[0], job[1]()), jobs))
    for path, (rs, out, _) in done:
        missing = named(path)
        for r in rs:
            m = NAME.search(r.name) or NAME.search(r.where)
            if m:
                r.note = r.note or (out if r.state == "failed" else "")
                missing.discard(int(m.group(1)))
                found.setdefault(int(m.group(1)), []).append(r)
        for number, r in silent(path, missing, rs, out):
            found.setdefault(number, []).append(r)
    return found


def state_of(rs):
    states = {r.state for r in rs}
    return "failed" if "failed" in states else "passed" if "passed" in states else "skipped" if states else "not built"


def main():
    build, required = sys.argv[1], set()
    if "--require" in sys.argv:
        required = numbers(sys.argv[sys.argv.index("--require") + 1])
    table, found = rows(), collect(build)
    count = {"passed": 0, "failed": 0, "skipped": 0, "not built": 0}
    for number in sorted(set(table) | set(found) | required):
        state = state_of(found.get(number, []))
        missing = state in ("not built", "skipped") and number in required
        print(f"  {number:3}  {state:<9}  {table.get(number, '(not in the table)')}" + ("  REQUIRED" if missing else ""))
        for r in found.get(number, []):
            if r.state != "passed":
                print("\n".join(f"           {line}" for line in [r.name] + r.note.rstrip().splitlines()[-20:]))
        count[state] += 1
        count["failed"] += missing
    print(f"{count['not built']} not built")
    print(f"{count['passed']} passed, {count['failed']} failed" + (f", {count['skipped']} skipped" if count["skipped"] else ""))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
