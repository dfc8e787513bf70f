"""A psql of one person that stays open, on a terminal of its own, as somebody would have it."""
import fcntl
import os
import pty
import re
import subprocess
import termios
import threading
import time

from place import Trouble


def terminal():
    """(master, slave) of a terminal that echoes nothing, changes no line end, and turns Ctrl-C into SIGINT."""
    master, slave = pty.openpty()
    mode = termios.tcgetattr(slave)
    mode[1] &= ~termios.OPOST
    mode[3] = (mode[3] & ~(termios.ECHO | termios.ICANON)) | termios.ISIG | termios.NOFLSH  # not ICANON: its lines end at 4,096 bytes
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    return master, slave


class Psql:
    """Statements go in by say(); what comes back, notices included, is waited for by expect()."""

    def __init__(self, house, name, url=None, env=None):
        self.url = url or house.phi(name, "connect", "shop", "--print", "url").stdout.strip()
        self.master, slave = terminal()
        self.child = subprocess.Popen(
            ["psql", "-X", "-n", "-A", "-t", "-P", "pager=off", "-v", "PROMPT1=", "-v", "PROMPT2=", "-v", "PROMPT3=", self.url],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env={**os.environ, **(env or {})},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text, self.mark, self.arrived = "", 0, threading.Condition()
        self.at, self.over = 0.0, False
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while not self.over:
            try:
                part = os.read(self.master, 65536)
            except OSError:  # EIO: the last program on the terminal is gone
                part = b""
            with self.arrived:
                self.text += part.decode(errors="replace")
                self.at = time.monotonic()
                self.heard()
                self.over = not part
                self.arrived.notify_all()

    def heard(self):
        """Called with each new part of self.text."""

    def say(self, sql):
        """Sends a statement; expect() then looks only at what comes after it."""
        with self.arrived:
            self.mark = len(self.text)
        data = (sql + "\n").encode()
        while data:
            data = data[os.write(self.master, data):]

    def since(self):
        return self.text[self.mark:]

    def expect(self, pattern, seconds=20):
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
        os.write(self.master, b"\x03")

    def hang_up(self):
        """The terminal's window is closed: no farewell, SIGHUP."""
        self.child.send_signal(1)
        self._end()

    def close(self):
        for _ in range(20):
            if self.child.poll() is not None or self.over:
                break
            try:
                self.say("\\q")
                self.child.wait(0.25)
            except subprocess.TimeoutExpired:
                self.interrupt()  # a statement still waits
            except OSError:
                break
        self._end()

    def _end(self):
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.reader.join(5)
        if self.master >= 0:
            os.close(self.master)
            self.master = -1
