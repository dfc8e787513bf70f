"""A psql of one person that stays open, as somebody at a terminal would have it."""
import re
import signal
import subprocess
import threading
import time

from place import Trouble


class Psql:
    """Statements go in by say(); what comes back, notices included, is waited for by expect()."""

    def __init__(self, house, name, url=None):
        self.url = url or house.phi(name, "connect", "shop", "--print", "url").stdout.strip()
        self.child = subprocess.Popen(["psql", "-X", "-A", "-t", "-f", "-", self.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, bufsize=0, start_new_session=True)
        self.text, self.mark, self.arrived = "", 0, threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            part = self.child.stdout.read(65536)
            with self.arrived:
                self.text += part.decode(errors="replace") if part else ""
                self.at = time.monotonic()
                self.over = not part
                self.arrived.notify_all()
            if not part:
                return

    at, over = 0.0, False

    def say(self, sql):
        """Sends a statement; expect() then looks only at what comes after it."""
        with self.arrived:
            self.mark = len(self.text)
        self.child.stdin.write((sql + "\n").encode())

    def since(self):
        return self.text[self.mark:]

    def expect(self, pattern, seconds=5):
        """The match of pattern in what came since the last say(); Trouble when it does not come."""
        end = time.monotonic() + seconds
        with self.arrived:
            while True:
                m = re.search(pattern, self.since(), re.M)
                if m:
                    return m
                left = end - time.monotonic()
                if left <= 0 or self.over:
                    raise Trouble(f"psql said no /{pattern}/ within {seconds} s but: {self.since().strip() or 'nothing'}")
                self.arrived.wait(left)

    def quiet(self, pattern, seconds):
        """Pattern does not come for that long."""
        try:
            m = self.expect(pattern, seconds)
        except Trouble:
            return
        raise Trouble(f"psql said {m.group(0)!r}, which it should not")

    def interrupt(self):
        """Ctrl-C."""
        self.child.send_signal(signal.SIGINT)

    def close(self):
        try:
            self.child.stdin.close()
        except OSError:
            pass
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
