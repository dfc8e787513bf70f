"""A witness of logs for tests (C2SP tlog-witness and tlog-cosignature), written from the specifications and sharing no code with phi.
Ed25519 is OpenSSL's. One log; what it cosigned last it keeps in memory."""
import base64
import hashlib
import http.server
import os
import struct
import subprocess
import tempfile
import threading
import time


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def consistent(m, first, n, second, proof):
    """RFC 9162, 2.1.4.2."""
    if m == n:
        return not proof and first == second
    if m == 0 or m > n:
        return False
    proof = list(proof)
    if m & (m - 1) == 0:
        proof.insert(0, first)
    if not proof:
        return False
    fn, sn = m - 1, n - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first and sr == second


class Key:
    """An Ed25519 key, by the openssl program."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "witness.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.path], check=True)
        der = subprocess.run(["openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout
        self.public = der[-32:]

    def sign(self, text):
        with tempfile.NamedTemporaryFile() as f:
            f.write(text)
            f.flush()
            return subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", self.path, "-rawin", "-in", f.name], check=True,
                                  stdout=subprocess.PIPE).stdout


def verify(public, text, signature):
    with tempfile.TemporaryDirectory() as d:
        for name, data in (("k", bytes.fromhex("302a300506032b6570032100") + public), ("t", text), ("s", signature)):
            with open(os.path.join(d, name), "wb") as f:
                f.write(data)
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", d + "/k", "-rawin", "-in", d + "/t",
                               "-sigfile", d + "/s"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


class Witness:
    def __init__(self, folder, log_line, name="witness.test/w1"):
        self.key, self.name = Key(folder), name
        origin, _, key = log_line.strip().split("+", 2)
        self.origin, self.log_id, self.log_key = origin, None, base64.b64decode(key)[1:]
        self.size, self.root, self.asked, self.answered, self.away = 0, b"", 0, [], False
        raw = b"\4" + self.key.public
        self.id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        self.line = f"{name}+{self.id.hex()}+{base64.b64encode(raw).decode()}"
        witness = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, text = witness.add_checkpoint(body) if self.path == "/add-checkpoint" else (404, b"")
                witness.answered.append(status)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                if status == 409:
                    self.send_header("Content-Type", "text/x.tlog.size")
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def signed_by_log(self, text, sigs):
        for line in sigs.split(b"\n"):
            if line.startswith("\u2014 ".encode() + self.origin.encode() + b" "):
                raw = base64.b64decode(line.rsplit(b" ", 1)[1])
                want = hashlib.sha256(self.origin.encode() + b"\n\1" + self.log_key).digest()[:4]
                if raw[:4] == want:
                    return verify(self.log_key, text, raw[4:])
        return False

    def add_checkpoint(self, body):
        self.asked += 1
        if self.away:
            return 503, b""
        head, _, note = body.partition(b"\n\n")
        lines = head.split(b"\n")
        text, _, sigs = note.partition(b"\n\n")
        text += b"\n"
        origin, size, root = text.split(b"\n")[:3]
        size, root, old = int(size), base64.b64decode(root), int(lines[0].split()[1])
        if origin.decode() != self.origin:
            return 404, b""
        if not self.signed_by_log(text, sigs):
            return 403, b""
        if old > size:
            return 400, b""
        if old != self.size:
            return 409, b"%d\n" % self.size
        proof = [base64.b64decode(p) for p in lines[1:]]
        if self.size and not consistent(self.size, self.root, size, root, proof):
            return 422, b""
        self.size, self.root = size, root
        now = int(time.time())
        sig = self.key.sign(b"cosignature/v1\ntime %d\n" % now + text)
        return 200, "\u2014 ".encode() + self.name.encode() + b" " + base64.b64encode(self.id + struct.pack(">Q", now) + sig) + b"\n"
