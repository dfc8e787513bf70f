"""What phi understands of SQL beside what a real server does with it: for tests that hold the two together."""
import json
import os
import socket
import struct
import subprocess
import tempfile


class Wire:
    """A PostgreSQL connection without a library between, over the cluster's own socket. Answers whole replies."""

    def __init__(self, path, user, database):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.settimeout(60)
        self.buf = b""
        body = struct.pack("!I", 196608) + b"user\0" + user.encode() + b"\0database\0" + database.encode() + b"\0\0"
        self.sock.sendall(struct.pack("!I", len(body) + 4) + body)
        self.reply()

    def take(self, n):
        while len(self.buf) < n:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError("the server closed the connection")
            self.buf += data
        head, self.buf = self.buf[:n], self.buf[n:]
        return head

    def reply(self):
        """Messages (kind, body) up to ReadyForQuery; answers COPY IN with nothing."""
        seen = []
        while True:
            kind = self.take(1).decode()
            seen.append((kind, self.take(struct.unpack("!I", self.take(4))[0] - 4)))
            if kind == "G":
                self.send(("c", b""))
            if kind == "Z":
                return seen

    def send(self, *messages):
        self.sock.sendall(b"".join(k.encode() + struct.pack("!I", len(b) + 4) + b for k, b in messages))

    def query(self, text):
        data = text.encode() if isinstance(text, str) else text
        self.send(("Q", data + b"\0"))
        return self.reply()

    def tags(self, text):
        """(command tags, SQLSTATE or None) of one Query."""
        seen = self.query(text)
        error = next((b for k, b in seen if k == "E"), None)
        state = next((f[1:].decode() for f in error.split(b"\0") if f[:1] == b"C"), "?") if error else None
        return [b[:-1].decode() for k, b in seen if k == "C"], state

    def rows(self, text):
        out = []
        for kind, b in self.query(text):
            if kind == "D":
                count, at, row = struct.unpack("!H", b[:2])[0], 2, []
                for _ in range(count):
                    n = struct.unpack("!i", b[at:at + 4])[0]
                    at += 4
                    row.append(None if n < 0 else b[at:at + n].decode())
                    at += max(n, 0)
                out.append(row)
        return out


def connect(flow, user="postgres", database="shop"):
    path = os.path.join(flow.place.socket_dir(), f".s.PGSQL.{flow.place.ports['cluster']}")
    return Wire(path, user, database)


def _escape(value):
    if value is None:
        return "\\N"
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


class Facts:
    """gw-sql-facts over the catalogue as it is now."""

    def __init__(self, wire):
        self.program = os.path.join(os.environ.get("PHI_BUILD", "build/release"), "src/gateway/gw-sql-facts")
        self.folder = tempfile.TemporaryDirectory(prefix="phi-facts-")
        queries = subprocess.run([self.program, "--queries"], stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")[:-1]
        for i, query in enumerate(queries):
            with open(os.path.join(self.folder.name, str(i)), "w", encoding="utf-8") as f:
                for row in wire.rows(query):
                    f.write("\t".join(map(_escape, row)) + "\n")
        self.process = subprocess.Popen([self.program, self.folder.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, text):
        data = text.encode() if isinstance(text, str) else text
        self.process.stdin.write(data + b"\0")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(f"gw-sql-facts ended at {data!r}")
        return json.loads(line)

    def actions(self, text):
        """Sorted actions of all statements."""
        return sorted({a for s in self(text)["stmts"] for a in s["actions"]})

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.folder.cleanup()
