"""Stand-ins for what people are told by: an HTTPS server that plays webhooks, Slack and Teams, and a mail server with STARTTLS.
They keep what they got and answer what a test says."""
import base64
import http.server
import json
import os
import socketserver
import ssl
import subprocess
import threading


def ca(folder):
    """A CA and a certificate for localhost and 127.0.0.1: (CA's file, server's context)."""
    at = lambda name: os.path.join(folder, name)  # noqa: E731
    with open(at("ext"), "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n")
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", *key, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "2", "-subj", "/CN=test CA",
                    "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"], **quiet)
    subprocess.run(["openssl", "req", *key, "-keyout", at("s.key"), "-out", at("s.csr"), "-subj", "/CN=localhost"], **quiet)
    subprocess.run(["openssl", "x509", "-req", "-in", at("s.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial",
                    "-days", "2", "-extfile", at("ext"), "-out", at("s.pem")], **quiet)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(at("s.pem"), at("s.key"))
    return at("ca.pem"), tls


class Quiet(http.server.BaseHTTPRequestHandler):
    """Answers, and says nothing on the terminal."""

    def answer(self, status, headers, data):
        self.send_response(status)
        for k, v in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def serve(handler, at, tls=None):
    """A server that answers by this handler as long as the test runs."""
    server = QuietServer(at, handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Got:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, {k.lower(): v for k, v in headers.items()}, body

    @property
    def json(self):
        return json.loads(self.body)


class Web:
    """answers[path]: a list of what the next posts to it get, (status, headers, JSON or None) or an Event to wait for; then 200."""

    def __init__(self, tls, at=("127.0.0.1", 0)):
        web = self
        self.got, self.answers, self.lock, self.ts = [], {}, threading.Lock(), 0

        class Handler(Quiet):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                with web.lock:
                    web.got.append(Got(self.path, dict(self.headers), body))
                    planned = web.answers.get(self.path) or []
                    answer = planned.pop(0) if planned else None
                    web.ts += 1
                    ts = web.ts
                if isinstance(answer, threading.Event):
                    answer.wait(60)
                    answer = None
                status, headers, out = answer or (200, {}, None)
                if out is None:
                    out = {"ok": True, "channel": "D0001", "ts": f"1700000000.{ts:06d}"} if "/chat." in self.path else {}
                data = json.dumps(out).encode()
                self.answer(status, {"Content-Type": "application/json", **headers}, data)

        self.server = serve(Handler, at, tls)
        self.port = self.server.server_address[1]

    def url(self, path):
        return f"https://localhost:{self.port}{path}"

    def at(self, path):
        with self.lock:
            return [g for g in self.got if g.path == path]


class Mail:
    """SMTP with STARTTLS and AUTH PLAIN; mails: {"from", "to", "data", "tls", "user"}. refuse: answer to RCPT."""

    def __init__(self, tls):
        mail = self
        self.mails, self.refuse = [], None

        class Handler(socketserver.StreamRequestHandler):
            def say(self, text):
                self.wfile.write((text + "\r\n").encode())
                self.wfile.flush()

            def lines(self):
                while line := self.rfile.readline():
                    yield line.rstrip(b"\r\n").decode("latin-1")

            def data(self):
                self.say("354 go on")
                out = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    out += line[1:] if line.startswith(b".") else line
                return out

            def handle(self):
                now = {"tls": False, "user": None, "to": []}
                self.say("220 localhost")
                more = self.lines()
                for line in more:
                    word = line.split(" ")[0].upper()
                    if word == "EHLO":
                        self.say("250-localhost\r\n250-AUTH PLAIN\r\n250 8BITMIME" if now["tls"] else "250-localhost\r\n250 STARTTLS")
                    elif word == "STARTTLS":
                        self.say("220 now")
                        self.request = tls.wrap_socket(self.request, server_side=True)
                        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb")
                        now["tls"] = True
                    elif word == "AUTH":
                        text = line.split(" ")[2] if len(line.split(" ")) > 2 else (self.say("334 ") or next(more))
                        now["user"] = base64.b64decode(text).split(b"\0")[1:]
                        self.say("235 in")
                    elif word == "MAIL":
                        now["from"] = line
                        self.say("250 ok")
                    elif word == "RCPT":
                        now["to"].append(line)
                        self.say(mail.refuse or "250 ok")
                    elif word == "DATA":
                        now["data"] = self.data()
                        mail.mails.append(dict(now))
                        self.say("250 kept")
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
