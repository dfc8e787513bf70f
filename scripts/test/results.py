"""Named results of tests, and the ways to get them: cmocka programs, flow scripts, fuzz corpora."""
import json
import os
import re
import signal
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIP_EXIT = 77
FINDING = re.compile(r"ERROR: (?:Address|Leak|Undefined)\w*Sanitizer|runtime error:")
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


class Result:
    """One named thing that passed, failed or was skipped."""

    def __init__(self, name, state, note="", where=""):
        self.name, self.state, self.note, self.where = name, state, note, where


def run(cmd, timeout, env=None, cwd=TOP):
    """Answers (exit code, output, seconds); the whole process group ends with the time."""
    t0 = time.monotonic()
    child = subprocess.Popen(cmd, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        out, _ = child.communicate(timeout=timeout)
        code = child.returncode
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGTERM)  # a flow test stops its demo on this
        try:
            out, _ = child.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, _ = child.communicate()
        code = "timeout"
    return code, out.decode(errors="replace"), time.monotonic() - t0


def ended(code):
    if code == "timeout":
        return "took too long"
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


# cmocka's TAP: "ok 3 - name", "not ok 3 - name", "not ok 3 # SKIP name"; flow tests: "ok - name", "skip - name: why".
LINE = re.compile(r"^(not ok|ok|skip)(?: \d+)?(?: (?:-|(# SKIP)))? (\S.*?)\s*$", re.M)


def said_before(out, at):
    """What a cmocka test printed last before it was skipped."""
    line = out[:at].rstrip().rpartition("\n")[2].lstrip("# ")
    return "" if line.startswith("1..") or LINE.match(line) else line


def parse(where, code, out, whole=False):
    """Results of one program; a program that fails without naming a test is itself the failed one. whole: one that ends well
    without naming any is itself the passed one."""
    results = []
    for m in LINE.finditer(out):
        word, skip, name = m.groups()
        note = ""
        if skip or word == "skip":
            name, _, note = name.partition(": ")
            results.append(Result(name, "skipped", note or said_before(out, m.start()) or "no reason given", where))
        else:
            results.append(Result(name, "passed" if word == "ok" else "failed", "", where))
    if code == SKIP_EXIT:
        if not any(r.state == "skipped" for r in results):
            results.append(Result(where, "skipped", "no reason given", where))
    elif code != 0 and not any(r.state == "failed" for r in results):
        results.append(Result(where, "failed", ended(code), where))
    elif FINDING.search(out) and not any(r.state == "failed" for r in results):
        results.append(Result(where, "failed", "a sanitizer's finding", where))
    elif not results:
        results.append(Result(where, "passed" if whole else "failed", "" if whole else "ended well but named no test", where))
    return results


def unit_programs(build):
    """The unit tests of a build folder as meson lists them: (name, command, environment, seconds)."""
    listed = subprocess.run(["meson", "introspect", "--tests", build], cwd=TOP, stdout=subprocess.PIPE, check=True)
    for t in json.loads(listed.stdout):
        yield t["name"], t["cmd"], t["env"], t["timeout"] or 120, t.get("workdir") or os.path.join(TOP, build)


def run_unit(program):
    """Thrice the time that meson gives: the sanitizers and a busy machine are slow."""
    name, cmd, env, seconds, workdir = program
    code, out, took = run(cmd, 3 * seconds, {"CMOCKA_MESSAGE_OUTPUT": "TAP", **SANITIZERS, **env}, workdir)
    return parse(name, code, out, whole="1.." not in out), out, took


RUNNERS = {".py": ["/usr/bin/python3"], ".sh": ["bash"], ".cjs": ["node"], ".mjs": ["node"]}


def is_script(path):
    with open(path, "rb") as f:
        return f.read(2) == b"#!"


def flow_scripts(folder):
    """Scripts of test/<folder>, which begin with #!, whatever their mode; others and those that start with _ are their helpers."""
    at = os.path.join(TOP, "test", folder)
    for name in sorted(os.listdir(at)) if os.path.isdir(at) else ():
        path = os.path.join(at, name)
        if os.path.splitext(name)[1] in RUNNERS and not name.startswith("_") and is_script(path):
            yield f"{folder}/{name}", path


def declared_timeout(path):
    with open(path, encoding="utf-8") as f:
        m = re.search(r"timeout: (\d+)", "".join(f.readlines()[:12]))
    return int(m.group(1)) if m else 180


def run_flow(script, build):
    name, path = script
    env = {"PHI_BUILD": os.path.join(TOP, build), "NODE_PATH": os.path.join(TOP, "web/node_modules"),
           "PYTHONPATH": os.path.join(TOP, "test/lib"), "PYTHONDONTWRITEBYTECODE": "1", **SANITIZERS}
    code, out, took = run(RUNNERS[os.path.splitext(path)[1]] + [path], declared_timeout(path), env)
    return parse(name, code, out), out, took


def fuzz_programs(build):
    """Fuzz targets are programs named fuzz-NAME; their seeds are in test/fuzz/corpus/NAME."""
    for folder, _, names in os.walk(os.path.join(TOP, build)):
        for n in sorted(names):
            path = os.path.join(folder, n)
            if n.startswith("fuzz-") and "." not in n and os.access(path, os.X_OK):
                yield n[5:], path


def run_fuzz_replay(program):
    name, path = program
    corpus = os.path.join(TOP, "test/fuzz/corpus", name)
    if not os.path.isdir(corpus):
        return [Result(f"fuzz {name}", "skipped", f"test/fuzz/corpus/{name} is not there", path)], "", 0.0
    code, out, took = run([path, "-runs=0", corpus], 300, SANITIZERS, cwd=os.path.dirname(path))
    state = "passed" if code == 0 else "failed"
    return [Result(f"fuzz {name}: {len(os.listdir(corpus))} seeds", state, "" if code == 0 else ended(code), path)], out, took
