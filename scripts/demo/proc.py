"""Background programs of a demo: started once, found again by pid and start time, stopped by us alone."""
import json
import os
import signal
import subprocess
import time

from place import Trouble


def started_at(pid):
    """The kernel's start time of a process in clock ticks, or None; tells a pid from its later reuse."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def fingerprint(files):
    """Changes when a program or its configuration was written anew."""
    return [[f, os.stat(f).st_mtime_ns, os.stat(f).st_size] for f in files]


class Daemon:
    def __init__(self, place, name, cmd, depends=()):
        self.place, self.name, self.cmd = place, name, cmd
        self.depends = [cmd[0], *depends]
        self.note = place.path("run", name + ".json")
        self.log = place.path("log", name + ".log")

    def known(self):
        """{"pid", "start", "of"} of what runs, else None."""
        try:
            with open(self.note, encoding="utf-8") as f:
                noted = json.load(f)
        except (OSError, ValueError):
            return None
        return noted if started_at(noted["pid"]) == noted["start"] else None

    def pid(self):
        noted = self.known()
        return noted["pid"] if noted else None

    def current(self):
        """Runs, and is what a start would start now."""
        noted = self.known()
        return noted is not None and noted["of"] == fingerprint(self.depends)

    def start(self, env=None, seconds=30):
        with open(self.log, "ab") as log:
            offset = log.tell()
            child = subprocess.Popen(self.cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                     cwd=self.place.state, env={**os.environ, **(env or {})})
        with open(self.note, "w", encoding="utf-8") as f:
            json.dump({"pid": child.pid, "start": started_at(child.pid), "of": fingerprint(self.depends)}, f)
        self.wait_ready(child, offset, seconds)

    def wait_ready(self, child, offset, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            said = self.said(offset)
            if '"ev":"ready"' in said.replace(" ", ""):
                return
            if child.poll() is not None:
                raise Trouble(f"{self.name} ended at once:\n{said[-2000:]}")
            time.sleep(0.02)
        self.stop()
        raise Trouble(f"{self.name} was not ready after {seconds} s; see {self.log}\n{said[-2000:]}")

    def said(self, offset=0):
        with open(self.log, "rb") as f:
            f.seek(offset)
            return f.read().decode(errors="replace")

    def stop(self, sig=signal.SIGTERM, seconds=10):
        """Asks it to end, waits, then insists. Answers whether it ran."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, sig)
            if not self.gone(pid, seconds):
                os.kill(pid, signal.SIGKILL)
                self.gone(pid, 5)
        if os.path.exists(self.note):
            os.unlink(self.note)
        return pid is not None

    def gone(self, pid, seconds):
        end = time.monotonic() + seconds
        while started_at(pid) is not None:
            try:  # reaps it where it is our own child
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True
