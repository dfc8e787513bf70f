#!/usr/bin/python3
"""phi against a server of this test's own, which speaks docs/api.md and lies where a test wants it to.

    phi_cli_test.py PHI GOLDEN_DIR TOP

Standard library only. The digests and the log come from test/golden/check.py, which shares no code with phi.
"""
import base64
import fcntl
import http.server
import json
import os
import pty
import re
import select
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

PHI, GOLDEN, TOP = (os.path.abspath(a) for a in sys.argv[1:4])
sys.path.insert(0, GOLDEN)
import check  # noqa: E402

SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
NASTY = "DELETE FROM \"\u202eorders\" WHERE id = 7; -- \x1b]0;owned\x07\x1b[2J\u200b"


def b64(b):
    return base64.urlsafe_b64encode(b).decode().rstrip("=")


def request(code="K7Q-4MX", status="pending", sql="DELETE FROM orders WHERE id = 7;"):
    body = {
        "v": 1, "id": "0198a6b0-1111-7abc-8def-000000000001", "salt": b64(bytes(16)),
        "requester": {"type": "Person", "id": "a"}, "on_behalf": [], "target": {"type": "Target", "id": "[\"shop\"]"},
        "actions": [{"action": "pg:delete", "resource": {"type": "Table", "id": "[\"shop\",\"public\",\"orders\"]"}}],
        "payload": {"kind": "pg-query", "bytes": b64(sql.encode())}, "settings": {"role": "none"},
        "bounds": {"for_ms": 900000, "uses": 1}, "why": "repair \x1b[31m", "ticket": "", "version": 1}
    return {
        "id": body["id"], "code": code, "status": status, "version": 1, "digest": check.tagged("phi-request-v1", body),
        "requester": {"id": "a", "name": "alice\x1b[1m"}, "target": "shop", "summary": "pg:delete on shop/public.orders",
        "why": body["why"], "from": {"addr": "127.0.0.1", "application": "psql"}, "expires_in_ms": 60000,
        "needs": [[{"requirement": "dba", "count": 1, "have": 0, "who": ["bob"]}]], "policies": [{"id": "p", "why": "because"}],
        "votes": [], "grant": None, "denied_by": "", "reason": "", "body": body, "can": {"approve": True}}


def entry(n, t=5):
    return check.canon({"v": 1, "n": n, "t": 1790000000000 + t, "ev": "grant.expired", "grant": "g%d" % n,
                        "by": {"type": "Service", "id": "phid"}})


class Phid:
    """What the server holds; tests change it."""

    def __init__(self):
        self.request, self.votes, self.asked, self.changed = request(), [], [], threading.Event()
        self.after = None  # the status that the request takes once somebody listens
        self.problem = self.doctor = None
        self.address = "localhost:6432"
        self.entries = [entry(n) for n in range(1203)]
        self.sign()

    def sign(self, size=None):
        """Signs the entries as they are now: later changes to them are forgeries."""
        size = len(self.entries) if size is None else size
        self.leaves = [check.leaf_hash(e.encode()) for e in self.entries[:size]]
        self.note = check.note("phi.example/log", SEED, check.checkpoint_text(
            {"origin": "phi.example/log", "size": size, "root": check.root(self.leaves).hex()}))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, kind="application/json"):
        data = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def events(self, phid):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        phid.changed.wait(5)
        if phid.after:
            phid.request["status"] = phid.after
        event = "id: 1\nevent: request\ndata: " + json.dumps({"id": phid.request["id"]}) + "\n\n"
        self.wfile.write(("%x\r\n%s\r\n" % (len(event), event)).encode())
        self.wfile.flush()
        self.rfile.read(1)  # until phi has seen enough and hangs up
        self.close_connection = True

    def handle_any(self):
        phid = self.server.phid
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"null") if length else None
        path, _, query = self.path.partition("?")
        args = dict(a.split("=", 1) for a in query.split("&") if a)
        phid.asked.append((self.command, path, self.headers.get("Authorization"), body))
        if phid.problem:
            return self.answer(phid.problem["status"], phid.problem, "application/problem+json")
        if path == "/v1/sessions":
            return self.answer(200, {"token": "t0ken", "person": {"id": "b", "name": "bob"}, "expires_in_ms": 3600000})
        if path == "/v1/sessions/current":
            self.send_response(204)
            return self.end_headers()
        if path == "/v1/whoami":
            return self.answer(200, {"person": {"id": "b", "name": "bob", "groups": ["dba"]}, "rights": []})
        if path == "/v1/doctor":
            return self.answer(200, dict(phid.doctor, now_ms=int(time.time() * 1000) + phid.doctor["now_ms"]))
        if path == "/v1/events":
            return self.events(phid)
        if path.startswith("/v1/log/"):
            return self.log(phid, path, args)
        if path == "/v1/requests":
            return self.answer(201 if self.command == "POST" else 200,
                               phid.request if self.command == "POST" else {"requests": [phid.request]})
        if path.endswith("/votes"):
            phid.votes.append(body)
            return self.answer(200, dict(phid.request, status="approved"))
        if path.startswith("/v1/requests/"):
            phid.changed.set()
            return self.answer(200, phid.request)
        if path.endswith("/revoke"):
            return self.answer(200, {"grant": {}, "acknowledged": ["gw1"], "waiting": []})
        if path == "/v1/credentials":
            return self.answer(200, {"id": "c", "user": "bob~c", "password": "s:e\\c'r@t", "expires_in_ms": 1,
                                     "target": {"name": "shop", "kind": "postgresql", "address": phid.address, "database": "shop"}})
        return self.answer(404, {"status": 404, "code": "not-found", "detail": "There is no such thing", "next": "Check it."})

    do_GET = do_POST = do_DELETE = do_PUT = handle_any

    def log(self, phid, path, args):
        if path.endswith("/key"):
            return self.answer(200, check.vkey("phi.example/log", check.public(SEED)) + "\n", "text/plain")
        if path.endswith("/checkpoint"):
            return self.answer(200, phid.note, "text/plain")
        if path.endswith("/entries"):
            start = int(args["from"])
            return self.answer(200, {"size": len(phid.entries), "entries": phid.entries[start:start + int(args["limit"])]})
        index, size = int(args["index"]), int(args["size"])
        return self.answer(200, {"index": index, "size": size, "leaf_hash": phid.leaves[index].hex(),
                                 "hashes": [h.hex() for h in check.path(index, phid.leaves[:size])]})


class Cli(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="phi-cli-")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.phid = self.phid = Phid()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        self.env = dict(os.environ, PHI_CONFIG_DIR=os.path.join(self.dir, "conf"), LC_ALL="C.UTF-8")
        for name in ("PHI_URL", "PHI_TOKEN", "PHI_CA"):
            self.env.pop(name, None)
        self.phi("login", self.url + "/login/secret")

    def tearDown(self):
        self.phid.changed.set()
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.dir)

    def phi(self, *args, rc=0, env=None):
        done = subprocess.run([PHI, *args], env=env or self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, check=False)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, rc, "phi %s\n%s%s" % (" ".join(args), out, err))
        self.assertNotIn("\x1b", out + err)
        self.assertNotIn("\u202e", out + err)
        return out + err

    def on_terminal(self, args, say, columns=80):
        """Runs phi on a pty, answers its question, returns (exit code, what the terminal saw)."""
        pid, fd = pty.fork()
        if pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.execve(PHI, [PHI, *args], self.env)
        seen, said, end = b"", False, time.monotonic() + 30
        while time.monotonic() < end and select.select([fd], [], [], 30)[0]:
            try:
                part = os.read(fd, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
            if b"[y/N]" in seen and not said:
                said = True
                os.write(fd, say.encode() + b"\n")
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()

    def test_a_session_is_kept_for_oneself_and_for_its_server(self):
        path = os.path.join(self.env["PHI_CONFIG_DIR"], "session")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertIn("bob", self.phi("whoami"))
        self.assertEqual(self.phid.asked[-1][2], "Bearer t0ken")
        n = len(self.phid.asked)
        self.phi("whoami", rc=1, env=dict(self.env, PHI_URL="http://localhost:%d" % self.server.server_port))
        self.assertEqual(len(self.phid.asked), n)  # the token went nowhere
        os.chmod(path, 0o644)
        self.phi("whoami", rc=1)
        os.chmod(path, 0o600)
        self.phi("logout")
        self.assertFalse(os.path.exists(path))

    def test_a_link_is_not_used_up_where_no_session_can_be_kept(self):
        n = len(self.phid.asked)
        self.assertIn("/proc/phi", self.phi("login", self.url + "/login/secret", rc=1, env=dict(self.env, PHI_CONFIG_DIR="/proc/phi")))
        self.assertEqual(len(self.phid.asked), n)

    def test_exit_codes(self):
        self.assertNotIn("did you mean", self.phi("nonsense", rc=2))
        for typed, meant in (("requst", "request"), ("loign", "login"), ("shows", "show"), ("inbix", "inbox")):
            self.assertIn(f"did you mean {meant}?", self.phi(typed, rc=2))
        self.phi("show", rc=2)
        self.assertIn("the server http://127.0.0.1:1 does not answer", self.phi("whoami", rc=6, env=dict(self.env, PHI_URL="http://127.0.0.1:1", PHI_TOKEN="x")))
        self.phi("gateway", "list", rc=1)
        self.phid.problem = {"status": 403, "code": "request.not-approver", "detail": "no\x1b[1m", "next": "ask"}
        self.assertIn("request.not-approver", self.phi("show", "K7Q-4MX", rc=3))

    def test_a_problem_is_said_in_the_words_of_the_terminal(self):
        """What went wrong, with flags for members of JSON; then the next step, in commands."""
        ask = ("request", "pg:write", "shop/public.orders", "-m", "x")
        for args, code, detail, next_, line, then in (
                (ask, "input.invalid", "why must be 0 to 2000 bytes of text", "Correct what `detail` names", "--why must be", "`phi request --help`"),
                (ask, "input.invalid", '"for_ms" must be positive', "Correct what `detail` names", "--for must be", "`phi request --help`"),
                (ask, "input.invalid", '"salt" must be a text', "Correct what `detail` names", '"salt" must be', "`phi request --help`"),
                (ask, "input.invalid", "whys and wherefores", "Correct what `detail` names", "whys and", "`phi request --help`"),
                (ask, "policy.denied", "no policy permits it", "`policies` names", "no policy permits it", "Ask a policy author."),
                (ask, "policy.denied", "nobody may; ask a policy author", "`policies` names", "nobody may", None),
                (ask, "grant.used", "the uses are spent", "Make a new request.", "the uses are spent", "Make a new request."),
                (ask, "session.unknown", "there is none; `phi session` lists them", "`phi session list`", "there is none", None)):
            self.phid.problem = {"status": 400, "code": code, "title": "t", "detail": detail, "next": next_}
            said = self.phi(*args, rc=1).splitlines()
            self.assertTrue(said[0].startswith("phi: " + line) and said[0].endswith(f" ({code})"), said)
            self.assertEqual(len(said), 1 if then is None else 2, said)
            if then:
                self.assertIn(then, said[1])
        self.phid.problem = None

    def test_no_next_step_for_programs_reaches_a_terminal(self):
        with open(os.path.join(TOP, "src/api/problems.h"), encoding="utf-8") as f:
            listed = re.findall(r'X\(\w+, \d+, "([^"]+)", "[^"]+",[\s\\]*"([^"]*)"', f.read())
        with open(os.path.join(TOP, "src/bin/phi_words.c"), encoding="utf-8") as f:
            said = set(re.findall(r'{ "([^"]+)", (?:"|NULL|OTHER)', f.read()))
        self.assertGreater(len(listed), 100)
        own = ("arap.", "forward.", "records.", "claim.", "callback.", "channel.callback")  # of programs and gateways alone
        for code, next_ in listed:
            if re.search(r"`(detail|policies|who|needs)`|/v1/|JSON|If-Match|Idempotency|[Ss]end (it|one|the|`)", next_) and not code.startswith(own):
                self.assertIn(code, said, next_)

    def test_what_comes_from_outside_is_inert(self):
        self.phid.request = request(sql=NASTY)
        for args in (("show", "k7q4mx"), ("inbox",), ("show", "K7Q-4MX", "--json"), ("inbox", "--json")):
            self.assertIn("K7Q-4MX", self.phi(*args))
        self.assertIn("\\x1b]0;owned", self.phi("show", "K7Q-4MX"))
        shown = json.loads(self.phi("show", "K7Q-4MX", "--json"))
        self.assertEqual(shown, json.loads(json.dumps(self.phid.request)))

    def test_a_list_fits_its_terminal(self):
        self.phid.request["why"] = "né a reason that nobody reads to its end " * 4
        whole = self.phi("inbox")
        self.assertIn(self.phid.request["why"].strip(), whole)  # a pipe gets all of it
        self.assertNotIn("STATUS", whole)  # what waits for a vote is pending
        self.assertIn("STATUS", self.phi("inbox", "--all"))
        for columns in (80, 60):
            rc, seen = self.on_terminal(["inbox"], "", columns)
            self.assertEqual(rc, 0)
            self.assertEqual(max(len(line.rstrip("\r")) for line in seen.split("\n")), columns, seen)
            for part in ("K7Q-4MX", "…", "1 min"):
                self.assertIn(part, seen)
        self.phid.request["why"] = ""
        self.assertNotIn("WHY", self.phi("inbox"))  # nobody gave one

    def test_approving_needs_the_digest_without_a_terminal(self):
        digest = self.phid.request["digest"]
        self.phi("approve", "K7Q-4MX", rc=2)
        self.phi("approve", "K7Q-4MX", "--yes", rc=2)
        self.phi("approve", "K7Q-4MX", "--digest", "0" * 64, rc=1)
        self.assertEqual(self.phid.votes, [])
        self.phi("approve", "K7Q-4MX", "--digest", digest, "--for", "5m", "--uses", "1", "-m", "fine")
        self.assertEqual(self.phid.votes, [{"decision": "approve", "digest": digest, "version": 1, "reason": "fine",
                                            "narrowing": {"for_ms": 300000, "uses": 1}}])

    def test_a_text_that_the_digest_is_not_of_is_not_approved(self):
        self.phid.request["body"]["payload"]["bytes"] = b64(b"SELECT 1")
        self.assertIn("do not decide on it", self.phi("show", "K7Q-4MX"))
        self.phi("approve", "K7Q-4MX", "--digest", self.phid.request["digest"], rc=1)
        self.assertEqual(self.phid.votes, [])

    def test_a_terminal_sees_it_and_is_asked(self):
        self.phid.request = request(sql=NASTY)
        rc, seen = self.on_terminal(["approve", "K7Q-4MX"], "n")
        self.assertEqual((rc, self.phid.votes), (1, []))
        for part in ("DELETE FROM", "repair", "1 use", self.phid.request["digest"]):
            self.assertIn(part, seen)
        self.assertNotIn("\x1b", seen)
        rc, seen = self.on_terminal(["approve", "K7Q-4MX"], "y")
        self.assertEqual(rc, 0, seen)
        self.assertEqual([v["digest"] for v in self.phid.votes], [self.phid.request["digest"]])

    def test_denying_sends_the_reason(self):
        self.phi("deny", "K7Q-4MX", "-m", "wrong ticket")
        self.assertEqual(self.phid.votes[0]["decision"], "deny")
        self.assertEqual(self.phid.votes[0]["reason"], "wrong ticket")

    def test_a_request_is_filed_and_waited_for(self):
        ask = ("request", "pg:write", "shop/public.orders", "--for", "10m", "-m", "repair")
        self.assertIn("K7Q-4MX is pending", self.phi(*ask))
        sent = [a for a in self.phid.asked if a[0] == "POST"][-1][3]
        self.assertEqual(sent, {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]},
                                "for_ms": 600000, "why": "repair"})
        for status, rc in (("approved", 0), ("denied", 3), ("expired", 4)):
            self.phid.request, self.phid.after = request(), status
            self.phid.changed.clear()
            self.assertIn(status, self.phi(*ask, "--wait", rc=rc))
        self.phi("request", "pg:write", rc=2)
        self.phi("request", "pg:write", "pg:read", rc=2)

    def test_connect_prints_addresses(self):
        self.assertEqual(self.phi("connect", "shop", "--print", "url").strip(),
                         "postgresql://bob~c:s%3Ae%5Cc%27r%40t@localhost:6432/shop")
        self.assertIn("jdbc:postgresql://localhost:6432/shop?user=bob~c&password=s%3Ae", self.phi("connect", "shop", "--print", "jdbc"))
        self.assertIn("[shop]\nhost=localhost\nport=6432\n", self.phi("connect", "shop", "--print", "service"))
        shell = subprocess.run(["sh", "-c", self.phi("connect", "shop", "--print", "env") + "printf %s \"$PGPASSWORD\""],
                               stdout=subprocess.PIPE, check=True)
        self.assertEqual(shell.stdout.decode(), "s:e\\c'r@t")
        self.phi("connect", "shop", "--print", "nonsense", rc=2)
        for bad in ("localhost", ":1", "host:0", "host:65536", "ho\x1b[31mst:1", "a\nport=2:1", "\u202ehost:1", "host:1 "):
            self.phid.address = bad
            self.phi("connect", "shop", "--print", "service", rc=1)

    def test_connect_hands_the_password_over_unseen(self):
        fake = os.path.join(self.dir, "psql")
        with open(fake, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\nstat -L -c %a $PGPASSFILE; cat $PGPASSFILE; echo \"args: $*\"; env | grep -v ^PGPASSFILE\n")
        os.chmod(fake, 0o755)
        said = self.phi("connect", "shop", "--", "-c", "SELECT 1", env=dict(self.env, PATH=self.dir + ":/usr/bin:/bin", PGPASSWORD="old"))
        self.assertIn("600\n*:*:*:bob~c:s\\:e\\\\c'r@t\nargs: -c SELECT 1\n", said)
        self.assertEqual(said.count("c'r@t"), 1)
        self.assertNotIn("old", re.findall(r"PGPASSWORD=(.*)", said))

    def test_the_log_is_verified_and_a_false_entry_named(self):
        self.assertIn("verified: all 1203 entries", self.phi("log", "verify"))
        good = self.phid.entries[:]
        for bad in (0, 700, 1202):
            self.phid.entries = good[:]
            self.phid.entries[bad] = entry(bad, t=6)
            said = self.phi("log", "verify", rc=1)
            self.assertIn("entry %d is not what was signed" % bad, said)
            self.assertEqual(json.loads(self.phi("log", "verify", "--json", rc=1))["entry"], bad)
        self.phid.entries = good[:-1]
        self.assertIn("entry 1202 is missing", self.phi("log", "verify", rc=1))
        self.phid.entries = good
        self.assertIn("verified", self.phi("log", "verify"))

    def test_two_histories_are_found_out(self):
        self.phi("log", "verify")
        self.phid.entries[3] = entry(3, t=9)
        self.phid.entries.append(entry(1203))
        self.phid.sign()  # rewritten, and signed all the same
        self.assertIn("not those of an earlier checkpoint", self.phi("log", "verify", rc=1))
        self.phid.entries = [entry(n) for n in range(1000)]
        self.phid.sign()
        self.assertIn("fewer entries", self.phi("log", "verify", rc=1))

    def test_an_export_is_verified_elsewhere(self):
        out = os.path.join(self.dir, "out")
        self.phi("log", "export", out)
        key = os.path.join(out, "key")
        alone = dict(self.env, PHI_CONFIG_DIR=os.path.join(self.dir, "nobody"))
        self.assertIn("verified: all 1203", self.phi("log", "verify", "--dir", out, "--key", key, env=alone))
        path = os.path.join(out, "entries.jsonl")
        with open(path, "r+b") as f:
            text = f.read()
            f.seek(text.index(b'"g77"') + 3)
            f.write(b"8")
        self.assertIn("entry 77 is not what was hashed", self.phi("log", "verify", "--dir", out, "--key", key, rc=1, env=alone))
        os.unlink(os.path.join(out, "leaves"))
        self.assertIn("do not lead to the signed root", self.phi("log", "verify", "--dir", out, "--key", key, rc=1, env=alone))

    def test_exported_tiles_are_verified_elsewhere_and_name_a_false_entry(self):
        out = os.path.join(self.dir, "out")
        self.phi("log", "export", out, "--format", "tiles")
        verify = ("log", "verify", "--dir", out, "--key", os.path.join(out, "key"))
        self.assertIn("verified: all 1203", self.phi(*verify))
        names = sorted(os.path.relpath(os.path.join(d, f), out) for d, _, fs in os.walk(os.path.join(out, "tile")) for f in fs)
        self.assertEqual(names, ["tile/0/000", "tile/0/001", "tile/0/002", "tile/0/003", "tile/0/004.p/179", "tile/1/000.p/4",
                                 "tile/entries/000", "tile/entries/001", "tile/entries/002", "tile/entries/003", "tile/entries/004.p/179"])
        self.assertEqual(os.path.getsize(os.path.join(out, "tile/0/004.p/179")), 179 * 32)
        bundle, leaves = os.path.join(out, "tile/entries/001"), os.path.join(out, "tile/0/001")
        with open(bundle, "r+b") as f:
            text = f.read()
            f.seek(text.index(b'"g300"') + 3)
            f.write(b"9")
        self.assertIn("entry 300 is not what was hashed", self.phi(*verify, rc=1))
        os.rename(leaves, leaves + ".away")  # then only the other tiles can say where
        self.assertIn("FALSE", self.phi(*verify, rc=1))
        os.rename(leaves + ".away", leaves)
        with open(bundle, "wb") as f:
            f.write(text[:5000])
        self.assertIn("is missing", self.phi(*verify, rc=1))
        with open(bundle, "wb") as f:
            f.write(text)
        self.assertIn("verified", self.phi(*verify))

    def test_exports_for_other_tools(self):
        out = os.path.join(self.dir, "out")
        for form, name, lines in (("ocsf", "ocsf.jsonl", 1203), ("syslog", "log.syslog", 1203), ("csv", "log.csv", 1204)):
            self.phi("log", "export", out, "--format", form)
            with open(os.path.join(out, name), encoding="utf-8", newline="") as f:
                self.assertEqual(len(f.read().splitlines()), lines, form)
        self.phi("log", "export", out, "--format", "xml", rc=2)

    def test_the_log_is_shown(self):
        said = self.phi("log", "--limit", "3")
        self.assertEqual(len(said.splitlines()), 3)
        self.assertIn("grant.expired", said)
        self.assertEqual(len(self.phi("log", "--from", "0", "--limit", "5").splitlines()), 5)

    def test_doctor_names_what_is_wrong_and_how_to_mend_it(self):
        day, now = 86400000, int(time.time() * 1000)
        behind = socket.create_server(("127.0.0.1", 0))  # a database that answers beside the gateway
        closed = socket.create_server(("127.0.0.1", 0))
        target = {"name": "shop", "host": "127.0.0.1", "port": closed.getsockname()[1], "server_version": "17.2", "parser": 17, "tls": True, "trouble": ""}
        closed.close()

        def answers():
            while True:
                try:
                    one = behind.accept()[0]
                except OSError:
                    return
                with one:
                    one.recv(8)
                    one.sendall(b"N")
        threading.Thread(target=answers, daemon=True).start()
        gateway = {"name": "prod", "serves": ["shop"], "enrolled": True, "lease_ms": 50000, "version": "1", "report_age_ms": 7,
                   "certificate_begins_ms": now - 10 * day, "certificate_ends_ms": now + 20 * day, "targets": [target]}
        channel = {"name": "chat", "live": True, "waiting": 0, "dead": 0, "dropped": 0, "last_error": ""}
        fine = {"version": "1", "now_ms": 0, "https": True, "people_certificate_ends_ms": now + 60 * day, "gateways": [gateway], "channels": [channel],
                "log": {"origin": "o", "size": 10, "signed": 9, "writable": True}, "alone": []}

        def of(**over):
            return dict(fine, **over)

        def gw(**over):
            return of(gateways=[dict(gateway, **over)])

        def tg(**over):
            return gw(targets=[dict(target, **over)])

        def ch(**over):
            return of(channels=[dict(channel, **over)])
        self.phid.doctor = fine
        said = self.phi("doctor")
        self.assertIn("Nothing is wrong", said)
        self.assertNotIn("mend:", said)
        for bad, about, mend in (
                (of(now_ms=5000), "clock", "NTP"),
                (of(log=dict(fine["log"], size=2000)), "log", "signer"),
                (of(log=dict(fine["log"], writable=False)), "log", "df"),
                (of(people_certificate_ends_ms=now + 3 * day), "https", "systemctl reload phid"),
                (of(gateways=[]), "gateways", "phi gateway add"),
                (gw(enrolled=False), "gateway prod", "enroll CODE"),
                (gw(lease_ms=0), "gateway prod", "systemctl status phi-gateway"),
                (gw(certificate_ends_ms=now + day), "gateway prod", "journal"),
                (gw(certificate_ends_ms=now - day), "gateway prod", "enroll CODE --again"),
                (tg(server_version="18.1"), "target shop", "older PostgreSQL"),
                (tg(trouble="cannot connect"), "target shop", "journal"),
                (tg(port=behind.getsockname()[1]), "way round phi to shop", "pg_hba.conf"),
                (ch(live=False), "channel chat", "phi channel on"),
                (ch(dead=1, last_error="refused"), "channel chat", "phi notify resend"),
                (ch(waiting=1000), "channel chat", "too slow")):
            self.phid.doctor = bad
            said = self.phi("doctor", rc=1)
            self.assertRegex(said, "(?m)^BAD  %s: .*\\n     mend: .*%s" % (about, re.escape(mend)))
            self.assertEqual(said.count("BAD"), 1, said)
            found = [x for x in json.loads(self.phi("doctor", "--json", rc=1)) if not x["ok"]]
            self.assertEqual([x["about"] for x in found], [about])
        behind.close()
        self.phid.doctor = of(alone=["people"])  # one may live with it
        self.assertIn("warn second person", self.phi("doctor"))

    def test_a_starter_is_written_once(self):
        where = os.path.join(self.dir, "bundle")
        self.phi("policy", "init", where)
        self.assertEqual(sorted(os.listdir(where)), ["policies.cedar", "requirements.yaml", "schema.cedarschema"])
        self.phi("policy", "init", where, rc=1)

    def test_revoking_says_who_confirmed(self):
        self.assertIn("gw1", self.phi("revoke", "K7Q-4MX", "-m", "enough"))

    def test_generated_files_are_those_of_the_table(self):
        for form, path in (("bash", "completions/phi.bash"), ("zsh", "completions/_phi"), ("man", "man/phi.1.scd")):
            with open(os.path.join(TOP, path), encoding="utf-8") as f:
                self.assertEqual(f.read(), self.phi("completion", form), "write it anew: phi completion %s > %s" % (form, path))
        script = os.path.join(TOP, "completions/phi.bash")
        done = subprocess.run(["bash", "-c", ". %s; COMP_WORDS=(phi log v); COMP_CWORD=2; _phi; echo ${COMPREPLY[@]}" % script],
                              stdout=subprocess.PIPE, check=True)
        self.assertEqual(done.stdout.decode().strip(), "verify vouch")


if __name__ == "__main__":
    unittest.main(argv=["phi_cli_test"], verbosity=1)
