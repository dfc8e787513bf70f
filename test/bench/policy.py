#!/usr/bin/python3
"""Decisions per engine, all in one run: phi, Cedar's native Rust crate, cedar-wasm and casbin (npm), over workloads of the shapes
published with Cedar (gdrive, github, tinytodo; 5 to 50 of each entity) and over scoped policies from 10 to 100,000.

  policy.py [--seconds S] [--rounds N] [--quick] [--only WORKLOAD]

Median and 99th percentile of single decisions in ns, requests and entities prepared before (as far as an engine can), with
explanation; x is the ratio to phi's. Each engine has N turns a workload, one after the other, and its middle turn counts: a
machine that others share is slow for seconds, not for a decision. A decision that differs between engines is an error. casbin has no attributes, so only the
scoped policies; its and cedar-wasm's slow cells stop when the time is over. Without cargo the native crate is left out."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import policy_data  # noqa: E402  (beside this file)

TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("PHI_BUILD", os.path.join(TOP, "build", "release"))
NODE = os.path.join(TOP, "test", "node")
SLOW = {"cedar-wasm": 10000, "casbin": 1000}  # most policies that an engine is asked to hold here: past that a call takes seconds


def build_native():
    if not shutil.which("cargo"):
        print("cargo is not here: the native Cedar crate is left out")
        return None
    target = os.path.join(TOP, "build", "cedar-native")
    crate = os.path.join(target, "crate")  # cargo writes beside its manifest
    shutil.copytree(os.path.join(HERE, "cedar-native"), crate, dirs_exist_ok=True)
    done = subprocess.run(["nice", "cargo", "build", "--release", "--quiet"], cwd=crate, env={**os.environ, "CARGO_TARGET_DIR": target},
                          capture_output=True, text=True, check=False)
    if done.returncode:
        print("the native Cedar crate does not build here, left out:", done.stderr.strip().splitlines()[-1:])
        return None
    return os.path.join(target, "release", "cedar-native")


def engines(native):
    found = {"phi": lambda d, s: [os.path.join(BUILD, "test", "bench", "bench-policy"), d, str(s)]}
    if native:
        found["native"] = lambda d, s: [native, d, str(s)]
    for name, module in (("cedar-wasm", "@cedar-policy/cedar-wasm"), ("casbin", "casbin")):
        if shutil.which("node") and os.path.isdir(os.path.join(NODE, "node_modules", module)):
            found[name] = lambda d, s, name=name: ["node", os.path.join(HERE, "policy_peers.mjs"), NODE, name, d, str(s)]
        else:
            print(f"{module} is not installed (npm ci in test/node): left out")
    return found


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print("   failed:", command[0], done.stderr.strip()[-400:])
        return None
    return json.loads(done.stdout)


def middle(turns):
    """The turn whose median is the middle one; with the quickest and the slowest turn's. None if one of them failed."""
    if not turns or None in turns:
        return None
    turns = sorted(turns, key=lambda r: r["explain"]["median"])
    return {**turns[len(turns) // 2], "turns": [turns[i]["explain"]["median"] for i in (0, -1)]}


def same(ours, theirs):
    n = min(len(ours), len(theirs))
    return ours[:n] == theirs[:n]


def cell(result, phi):
    if result is None:
        return "-"
    e = result["explain"]
    turns = "–".join(f"{t:,}" for t in result["turns"])
    return f"{e['median']:,} p99 {e['p99']:,}" + (f" (turns {turns})" if result is phi else f" ({e['median'] / max(phi['explain']['median'], 1):,.0f}x)")


def fits(kind, n, name):
    return n <= SLOW.get(name, n) if kind == "scoped" else name != "casbin"


def workload(found, kind, n, opts):
    with tempfile.TemporaryDirectory(prefix="phi-bench-") as folder:
        policy_data.write(folder, kind, n, 500 if kind != "scoped" else 2000)
        turns, wrong = {name: [] for name in found if fits(kind, n, name)}, 0
        for _ in range(opts.rounds):
            for name, had in turns.items():
                had.append(run(found[name](folder, opts.seconds)))
        results = {name: middle(had) for name, had in turns.items()}
        phi = results["phi"]
        if phi is None:
            return 1
        for name, r in results.items():
            if r and not same(phi["answers"], r["answers"]):
                print(f"   {name} DECIDES OTHERWISE")
                wrong += 1
        d = {k: phi[k]["median"] for k in ("decide", "reason", "fresh", "sweep", "walker")}
        print(f"{kind}-{n}: " + " | ".join(f"{name} {cell(r, phi)}" for name, r in results.items()))
        print(f"    phi: verdict only {d['decide']:,}, reason in words {d['reason']:,}, request prepared each time {d['fresh']:,}, "
              f"sweep {d['sweep']:,} each, phi_decide {d['walker']:,}; loads in {phi['load_ms']:,.0f} ms"
              + (f", native in {results['native']['load_ms']:,.0f} ms" if results.get("native") else ""))
        return wrong


def main():
    opts = argparse.ArgumentParser()
    opts.add_argument("--seconds", type=float, default=0.2)
    opts.add_argument("--rounds", type=int, default=5)
    opts.add_argument("--quick", action="store_true")
    opts.add_argument("--only", default="")
    opts = opts.parse_args()
    found = engines(build_native())
    sizes = [5, 50] if opts.quick else [5, 10, 15, 20, 30, 40, 50]
    scoped = [10, 1000, 100000] if opts.quick else [10, 100, 1000, 10000, 100000]
    wrong = 0
    print("ns per decision with explanation: median, p99, of the middle turn (ratio of medians to phi)")
    for kind, ns in (("gdrive", sizes), ("github", sizes), ("tinytodo", sizes), ("scoped", scoped)):
        for n in ns:
            if opts.only in f"{kind}-{n}":
                wrong += workload(found, kind, n, opts)
    many = [run([os.path.join(BUILD, "test", "bench", "bench-policy"), "load", "1000000"]) for _ in range(3)]
    many = sorted((m for m in many if m), key=lambda m: m["seconds"])
    if many:
        print(f"1,000,000 entities: {many[0]['seconds']:.2f} s (slowest of 3: {many[-1]['seconds']:.2f} s; CPU {many[0]['cpu']:.2f} s), {many[0]['mb']:.0f} MB")
    return 1 if wrong or not many else 0


if __name__ == "__main__":
    sys.exit(main())
