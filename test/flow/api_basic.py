#!/usr/bin/python3
# timeout: 120
"""phid over its real listeners: sign-in, rights, requests, votes, grants, a gateway by certificate, events, the log."""
import base64
import hashlib
import html
import http.client
import json
import os
import queue
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid

from stdkit import FAILED, Answer, check, free_ports

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PHID = os.path.join(TOP, os.environ.get("PHI_BUILD", "build/release"), "src/bin/phid")
BUNDLE = os.path.join(TOP, "src/policy/starter")
RIGHTS = ("see", "ask", "vote", "see-all", "read-log", "see-people", "people", "groups", "targets", "revoke", "operate", "policy", "on-call")


class Api:
    """One who speaks to phid: a person by token, or a gateway by certificate."""

    def __init__(self, port, token=None, tls=None):
        self.port, self.token, self.tls = port, token, tls

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=20)
        return http.client.HTTPConnection("localhost", self.port, timeout=20)

    def call(self, method, path, body=None, headers=None):
        c = self.connect()
        h = dict(headers or {})
        if self.token:
            h.setdefault("Authorization", "Bearer " + self.token)
        if body is not None:
            h.setdefault("Content-Type", "application/json")
        try:
            c.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body, h)
            return Answer(c.getresponse())
        finally:
            c.close()

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.call("POST", path, {} if body is None else body, **kw)


class Events(threading.Thread):
    """Reads an event stream into a queue; `opened` once the first line is here."""

    def __init__(self, api, last=None):
        super().__init__(daemon=True)
        self.opened, self.queue, self.last = threading.Event(), queue.Queue(), None
        self.connection = api.connect()
        headers = {"Authorization": "Bearer " + api.token} if api.token else {}
        self.connection.request("GET", "/v1/events", headers={**headers, **({"Last-Event-ID": last} if last else {})})
        self.response = self.connection.getresponse()
        self.start()

    def run(self):
        event = data = None
        try:
            for line in self.response:
                self.opened.set()
                line = line.decode().rstrip("\n")
                if line.startswith("id:"):
                    self.last = line[3:].strip()
                elif line.startswith("event:"):
                    event = line[6:].strip()
                elif line.startswith("data:"):
                    data = json.loads(line[5:])
                elif not line and event:
                    self.queue.put((event, data, time.monotonic()))
                    event = None
        except (OSError, ValueError, AttributeError, http.client.HTTPException):  # closed meanwhile
            pass
        self.queue.put((None, None, time.monotonic()))
        self.response.close()
        self.connection.close()

    def wait(self, kind, fits=lambda d: True, seconds=30):
        end = time.monotonic() + seconds
        while True:
            try:
                got = self.queue.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                return None
            if got[0] == kind and fits(got[1]):
                return got
            if got[0] is None:
                return None


class Phid:
    def __init__(self, folder):
        self.folder, self.config = folder, os.path.join(folder, "phid.yaml")
        self.log = os.path.join(folder, "phid.log")
        self.people, self.gateways = free_ports(2)
        self.url = f"http://localhost:{self.people}"
        self.process = None
        web = os.path.join(folder, "web")
        os.makedirs(web)
        with open(os.path.join(web, "index.html"), "w", encoding="utf-8") as f:
            f.write("<!doctype html><title>phi</title>")
        self.write_config(f"console: {web}\n")

    def write_config(self, more=""):
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"data: {self.folder}/data\npeople: 127.0.0.1:{self.people}\ngateways: 127.0.0.1:{self.gateways}\n"
                    f"url: {self.url}\npolicy: {BUNDLE}\n{more}")
        os.chmod(self.config, 0o600)

    def run(self, *args):
        return subprocess.run([PHID, "--config", self.config, *args], text=True, capture_output=True, timeout=30, check=False)

    def start(self):
        with open(self.log, "ab") as log:
            at = log.tell()
            self.process = subprocess.Popen([PHID, "--config", self.config], stderr=log, stdout=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            with open(self.log, "rb") as f:
                f.seek(at)
                if b'"ready"' in f.read():
                    return True
            time.sleep(0.02)
        return False

    def stop(self, signum=signal.SIGTERM):
        self.process.send_signal(signum)
        return self.process.wait(20)

    def api(self, token=None):
        return Api(self.people, token)

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()


def uid(kind, *parts):
    return {"type": kind, "id": json.dumps(list(parts), separators=(",", ":"))}


def starter():
    texts = {}
    for key, name in (("schema", "schema.cedarschema"), ("policies", "policies.cedar"), ("requirements", "requirements.yaml")):
        with open(os.path.join(BUNDLE, name), encoding="utf-8") as f:
            texts[key] = f.read()
    return texts


def first_start(p):
    bad = os.path.join(p.folder, "bad.yaml")
    with open(bad, "w", encoding="utf-8") as f:
        f.write("data: /nowhere\n\npepole: 127.0.0.1:1\n")
    os.chmod(bad, 0o600)
    got = subprocess.run([PHID, "--config", bad, "--check-config"], text=True, capture_output=True, check=False)
    check("an unknown key in phid.yaml is an error with its line", got.returncode == 1 and ":3:" in got.stderr and "pepole" in got.stderr, got)
    for command, page in (("openapi", "openapi.json"), ("errors", "errors.md"), ("config", "phid.yaml.md")):
        got = subprocess.run([PHID, command], capture_output=True, check=False).stdout
        with open(os.path.join(TOP, "docs", page), "rb") as f:
            check(f"docs/{page} is what phid {command} prints", got == f.read())
    check("a good phid.yaml passes --check-config", p.run("--check-config").returncode == 0)
    os.chmod(p.config, 0o666)
    check("a phid.yaml that others may write is refused", p.run("--check-config").returncode == 1)
    os.chmod(p.config, 0o600)
    got = p.run("bootstrap", "--admin", "root")
    link = re.search(r"(http://\S+)/login/(\S+)", got.stdout)
    check("bootstrap prints a one-time link", got.returncode == 0 and link and link.group(1) == p.url, got)
    again = p.run("bootstrap", "--admin", "other")
    check("a second bootstrap is refused", again.returncode == 1 and "/login/" not in again.stdout, again)
    modes = {n: os.stat(f"{p.folder}/data/{n}").st_mode & 0o777 for n in ("ca.key", "log.key", "log.state", "phi.db")}
    check("secrets in the data folder are 0600", all(m == 0o600 for m in modes.values()), modes)
    check("the data folder is 0700", os.stat(f"{p.folder}/data").st_mode & 0o777 == 0o700)
    return link.group(2)


def plain_http(p):
    nobody = p.api()
    got = nobody.get("/healthz")
    check("healthz says ok", got.status == 200 and got.body == b"ok\n", got)
    check("answers carry the security headers", "frame-ancestors 'none'" in got.headers["Content-Security-Policy"]
          and "unsafe" not in got.headers["Content-Security-Policy"] and got.headers["X-Content-Type-Options"] == "nosniff"
          and got.headers["Referrer-Policy"] == "same-origin" and got.headers["Cache-Control"] == "no-store", got.headers)
    got = nobody.get("/v1/nothing")
    check("an unknown page is 404 and names its request", got.code == "http.not-found" and got.json["instance"] == got.headers["X-Request-Id"], got)
    page = nobody.get(urllib.parse.urlsplit(got.json["type"]).path)
    check("a problem's type leads to a page that says what to do", got.json["type"] == f"{p.url}/errors/http.not-found" and page.status == 200
          and page.headers["Content-Type"].startswith("text/html") and html.escape(got.json["title"]) in page.body.decode(), page)
    with open(os.path.join(TOP, "docs/errors.md"), encoding="utf-8") as f:
        rows = re.findall(r'^\| <a id="([^"]+)"></a>`([^`]+)` \| (\d+) \| (.*?) \| (.*?) \|$', f.read(), re.M)
    wrong = [r for r in rows if r[0] != r[1] or any(html.escape(t, quote=False) not in re.sub(r"</?code>", "`", html.unescape(nobody.get("/errors/" + r[0]).body.decode()))
                                                  for t in (html.unescape(r[3]), r[4]))]
    check(f"each of the {len(rows)} codes has its page and its place in docs/errors.md", not wrong and len(rows) > 100, wrong[:3])
    check("a code that nobody gives has none", nobody.get("/errors/no.such").status == 404 and nobody.get("/errors/%3Cb%3E").code == "not-found")
    got = nobody.call("PATCH", "/v1/people")
    check("a wrong method is 405 with Allow", got.status == 405 and got.headers["Allow"] == "POST, GET", (got, got.headers["Allow"]))
    for host in ("evil.example", f"evil.example:{p.people}", "localhost"):
        got = nobody.get("/healthz", headers={"Host": host})
        check(f"Host {host} is refused", got.code == "http.host", got)
    check("Host 127.0.0.1 with the port is ours", nobody.get("/healthz", headers={"Host": f"127.0.0.1:{p.people}"}).status == 200)
    got = nobody.get("/")
    check("the console's page is served with its type and a strong ETag", got.status == 200 and got.headers["ETag"][0] == '"'
          and got.headers["Content-Type"] == "text/html; charset=utf-8", got)
    check("an unchanged page is 304", nobody.get("/", headers={"If-None-Match": got.headers["ETag"]}).status == 304)
    check("a request's page is the console", nobody.get("/r/K7Q-4MX").body == got.body)
    check("no path leads out of the console's folder", nobody.get("/../phid.yaml").status in (400, 404)
          and nobody.get("/%2e%2e/phid.yaml").status in (400, 404))
    got = nobody.get("/v1/openapi.json")
    with open(os.path.join(TOP, "docs/openapi.json"), "rb") as f:
        check("docs/openapi.json is what phid serves", got.body == f.read())
    check("counters are served to this machine", b"phi_core_batches_total" in nobody.get("/metrics").body)
    got = nobody.post("/v1/sessions", b"{\"link\":\"a\",\"link\":\"b\"}")
    check("a JSON key that stands twice is refused", got.code == "input.json", got)
    got = nobody.post("/v1/sessions", {"link": "x"}, headers={"Content-Type": "text/plain"})
    check("another content type is refused", got.code == "input.content-type", got)


def cookie_sign_in(p, admin):
    link = admin.post("/v1/links", {"person": "root"}).json["link"]
    path = urllib.parse.urlsplit(link).path
    nobody = p.api()
    page = nobody.get(path)
    check("a link's page has one button, no script and no secret", page.status == 200 and page.body.count(b"<button") == 1
          and b"<script" not in page.body and path.rsplit("/", 1)[1].encode() not in page.body, page)
    check("reading the page uses nothing up", nobody.get(path).status == 200)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    got = nobody.post(path, "", headers={**form, "Origin": "http://evil.example"})
    check("another origin cannot use the link", got.status == 403, got)
    got = nobody.post(path, "", headers={**form, "Origin": p.url})
    cookie = got.headers["Set-Cookie"] or ""
    check("the button signs in with a strict cookie", got.status == 303 and got.headers["Location"] == "/"
          and all(f in cookie for f in ("phi_session=", "HttpOnly", "SameSite=Strict", "Path=/")), (got, cookie))
    check("a link works once", nobody.post(path, "", headers={**form, "Origin": p.url}).status == 403)
    jar = {"Cookie": cookie.split(";")[0]}
    who = nobody.get("/v1/whoami", headers=jar)
    check("the cookie is a session", who.status == 200 and who.json["person"]["name"] == "root", who)
    csrf, person = who.json["csrf"], {"name": "by-cookie"}
    for name, headers in (("without Origin and token", {}), ("without token", {"Origin": p.url}),
                          ("from another origin", {"Origin": "http://evil.example", "X-Phi-CSRF": csrf}),
                          ("with a wrong token", {"Origin": p.url, "X-Phi-CSRF": csrf[:-1] + ("A" if csrf[-1] != "A" else "B")}),
                          ("with an empty token", {"Origin": p.url, "X-Phi-CSRF": ""})):
        got = nobody.post("/v1/people", person, headers={**jar, **headers})
        check(f"a cookie's POST {name} is refused", got.code == "auth.csrf", got)
    got = nobody.post("/v1/people", person, headers={**jar, "Origin": p.url, "X-Phi-CSRF": csrf})
    check("a cookie's POST from the console is done", got.status == 201, got)
    got = nobody.call("DELETE", "/v1/sessions/current", headers={**jar, "Origin": p.url, "X-Phi-CSRF": csrf})
    check("signing out ends the session", got.status == 204 and nobody.get("/v1/whoami", headers=jar).code == "auth.required", got)


def furnish(p, admin):
    tokens = {}
    for name, groups in (("alice", ["dev"]), ("bob", ["dba"]), ("mallory", [])):
        got = admin.post("/v1/people", {"name": name, "groups": groups})
        check(f"{name} is added", got.status == 201 and got.json["name"] == name, got)
        secret = admin.post("/v1/links", {"person": name}).json["secret"]
        tokens[name] = p.api().post("/v1/sessions", {"link": secret}).json["token"]
    check("a name is taken once", admin.post("/v1/people", {"name": "alice"}).status == 409)
    check("an unknown member of a body is refused", admin.post("/v1/people", {"name": "x", "admin": True}).code == "input.invalid")
    people = {x["name"]: x for x in admin.get("/v1/people").json["people"]}
    check("people are listed with their groups", people["bob"]["groups"] == ["dba"], people)
    for path, list_ in (("/v1/people", "people"), ("/v1/targets", "targets")):
        whole, walked, next_ = [x["name"] for x in admin.get(path).json[list_]], [], ""
        while next_ is not None:
            page = admin.get(f"{path}?limit=1" + (f"&cursor={next_}" if next_ else "")).json
            walked += [x["name"] for x in page[list_]]
            next_ = page.get("next")
        check(f"{list_} come in pages, by name, each once", walked == whole == sorted(whole) and len(whole) == len(set(whole)), (walked, whole))
        check(f"a cursor of {list_} that is none is refused", admin.get(path + "?cursor=AAAA").code == "cursor.unknown" and admin.get(path + "?limit=501").status == 400)
    got = admin.post("/v1/groups/oncall/members", {"person": "bob"})
    listed = {x["name"]: x["groups"] for x in admin.get("/v1/people").json["people"]}
    check("a group gains a member", got.status == 204 and listed["bob"] == ["dba", "oncall"], (got, listed))
    got = admin.call("DELETE", "/v1/groups/oncall/members/bob")
    check("a group loses a member", got.status == 204, got)
    got = admin.post("/v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:6432", "database": "shop"})
    check("a target is added", got.status == 201, got)
    got = p.api(tokens["alice"]).get("/v1/targets")
    check("anybody signed in sees targets", got.status == 200 and got.json["targets"][0]["address"] == "localhost:6432", got)
    texts = starter()
    live = admin.get("/v1/bundle").json
    check("the starter bundle is live", live["policies"] == texts["policies"] and live["version"] >= 1, live)
    got = admin.call("PUT", "/v1/bundle", {**texts, "policies": "permit (principal, action, resource) when { contxt.met };"})
    check("a bundle that does not load is refused and says where", got.code == "bundle.invalid", got)
    got = admin.call("PUT", "/v1/bundle", {**texts, "policies": texts["policies"] + "\n// again\n"})
    check("a new bundle goes live with a higher version", got.status == 200 and got.json["version"] > live["version"], got)
    return {n: p.api(t) for n, t in tokens.items()}, {n: x["id"] for n, x in people.items()}


def body_for(operation):
    kinds = {"string": "x", "integer": 1, "boolean": True, "array": [], "object": {}}
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return None if schema is None else {m: kinds[schema["properties"][m]["type"]] for m in schema["required"]}


def rights_walk(p, alice, bare):
    """Every route, by everyone who lacks its right."""
    wrong = []
    walked = 0
    for path, methods in p.api().get("/v1/openapi.json").json["paths"].items():
        at = re.sub(r"\{[a-z]+\}", "x", path)
        for method, operation in methods.items():
            right, body = operation["x-phi-right"], body_for(operation)
            asked = []
            if right not in ("none", "gateway", "enrol"):
                asked += [("nobody", p.api().call(method.upper(), at, body), "auth.required"),
                          ("a false token", p.api("x" * 43).call(method.upper(), at, body), "auth.required"),
                          ("a client without certificate, on the gateways' listener", bare.call(method.upper(), at, body),
                           "auth.certificate" if path == "/v1/events" else "http.not-found")]
            if right not in ("none", "gateway", "enrol", "self", "see", "ask", "vote"):
                asked.append(("a person", alice.call(method.upper(), at, body), "right.missing"))
            if right == "gateway":
                asked += [("no certificate", bare.call(method.upper(), at, body), "auth.certificate"),
                          ("a person", alice.call(method.upper(), at, body), "http.not-found")]
            if right == "enrol":
                asked.append(("a false code", None, "auth.code"))
            for who, got, want in asked:
                walked += 1
                if got is not None and got.code != want and not (want == "http.not-found" and got.code == "http.method"):
                    wrong.append((who, method, path, got, want))
    check(f"no route serves who lacks its right ({walked} combinations)", not wrong and walked > 70, wrong[:5])


def gateway(p, admin, folder):
    bare = ssl.create_default_context()
    bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
    bare = Api(p.gateways, tls=bare)
    got = admin.post("/v1/gateways", {"name": "gw1", "targets": ["shop"]})
    check("a gateway's code is made", got.status == 201 and got.json["expires_in_ms"] <= 600000, got)
    code = got.json["code"]
    key, cert, ca = (os.path.join(folder, n) for n in ("gw.key", "gw.pem", "ca.pem"))
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
    public = subprocess.run(["openssl", "pkey", "-in", key, "-pubout"], check=True, capture_output=True, text=True).stdout
    check("a false enrolment code is refused", bare.post("/v1/gateways/enroll", {"code": code[:-4] + "AAAA", "public_key": public}).code == "auth.code")
    got = bare.post("/v1/gateways/enroll", {"code": code, "public_key": "no key"})
    check("an enrolment without a key is refused and leaves the code good", got.code == "input.invalid", got)
    got = bare.post("/v1/gateways/enroll", {"code": code, "public_key": public})
    check("enrolment signs the gateway's key", got.status == 201 and got.json["name"] == "gw1", got)
    for path, text in ((cert, got.json["certificate"]), (ca, got.json["ca"])):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    der = ssl.PEM_cert_to_DER_cert(got.json["ca"])
    pin = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    check("the code names the CA by its hash", code.split(".")[0] == pin, (code, pin))
    check("an enrolment code works once", bare.post("/v1/gateways/enroll", {"code": code, "public_key": public}).code == "auth.code")
    tls = ssl.create_default_context(cafile=ca)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.load_cert_chain(cert, key)
    gw = Api(p.gateways, tls=tls)
    got = gw.get("/v1/gateway/lease")
    check("the gateway is known by its certificate", got.status == 200 and got.json["lease_ms"] > 0, got)
    old = ssl.create_default_context(cafile=ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        Api(p.gateways, tls=old).get("/healthz")
        check("TLS 1.2 is refused", False)
    except (ssl.SSLError, OSError):
        check("TLS 1.2 is refused", True)
    return gw, bare


def false_gateway(p, folder):
    key, cert = os.path.join(folder, "x.key"), os.path.join(folder, "x.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=gw1"],
                   check=True, capture_output=True)
    tls = ssl.create_default_context(cafile=os.path.join(folder, "ca.pem"))
    tls.load_cert_chain(cert, key)
    try:
        got = Api(p.gateways, tls=tls).get("/v1/gateway/lease")
        check("a certificate of another CA opens nothing", got.status == 401, got)
    except (ssl.SSLError, OSError):
        check("a certificate of another CA opens nothing", True)


class Attempt:
    """alice's statement as the gateway files it."""

    def __init__(self, gw, alice_id, credential):
        self.gw, self.alice, self.credential = gw, alice_id, credential

    def what(self, sql, session):
        table = uid("Table", "shop", "public", "orders")
        return {"principal": {"id": self.alice}, "session": session, "target": "shop", "credential": self.credential,
                "actions": [{"action": "pg:delete", "resource": table}],
                "entities": [{"uid": table, "attrs": {}, "parents": [uid("Schema", "shop", "public")]},
                             {"uid": uid("Schema", "shop", "public"), "attrs": {}, "parents": [uid("Target", "shop")]}],
                "context": {}}

    def ask(self, sql, session="s1"):
        return self.gw.post("/v1/gateway/requests", {
            **self.what(sql, session), "settings": {"DateStyle": "ISO, MDY", "TimeZone": "Etc/UTC", "role": "none"},
            "payload": {"kind": "pg-query", "bytes": base64.urlsafe_b64encode(sql.encode()).rstrip(b"=").decode()},
            "from": {"addr": "127.0.0.1", "application": "psql"}, "hold_ms": 300000})

    def claim(self, grant, key, session="s1", **more):
        body = {**self.what("", session), "key": key, "digest": grant["digest"], "act": grant["act"], **more}
        return self.gw.post(f"/v1/grants/{grant['id']}/claims", body)


def held_delete(p, gw, who, ids, credential):
    alice, bob, mallory = who["alice"], who["bob"], who["mallory"]
    a = Attempt(gw, ids["alice"], credential)
    stream, bobs, mallorys = Events(gw), Events(bob), Events(mallory)
    check("event streams open at once", all(s.opened.wait(30) for s in (stream, bobs, mallorys)))
    got = a.ask("DELETE FROM orders WHERE id = 7")
    check("a DELETE is held as pending", got.status == 200 and got.json["answer"] == "pending", got)
    r = got.json["request"]
    check("the request says what it is", r["status"] == "pending" and re.fullmatch(r"[0-9A-Z]{3}-[0-9A-Z]{3}", r["code"])
          and r["payload"]["text"] == "DELETE FROM orders WHERE id = 7" and r["actions"][0]["label"] == "shop/public.orders"
          and r["needs"][0][0]["requirement"] == "dba" and r["needs"][0][0]["who"] == ["bob"]
          and r["requester"]["name"] == "alice" and "pg:delete on shop/public.orders" in r["summary"], r)
    check("its page's address comes with it", got.json["url"] == f"{p.url}/r/{r['code']}", got.json["url"])
    canon = json.dumps(r["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    check("the digest is that of the body", hashlib.sha256(b"phi-request-v1\0" + canon).hexdigest() == r["digest"], r["body"])
    check("bob hears of it", bobs.wait("request", lambda d: d["code"] == r["code"]))
    check("the same bytes join the pending request", a.ask("DELETE FROM orders WHERE id = 7").json["request"]["id"] == r["id"])
    check("bob's inbox lists it", [x["id"] for x in bob.get("/v1/requests?box=inbox").json["requests"]] == [r["id"]])
    check("mallory's and alice's inboxes are empty", not mallory.get("/v1/requests?box=inbox").json["requests"]
          and not alice.get("/v1/requests?box=inbox").json["requests"])
    check("alice finds it by its code as people type it", alice.get(f"/v1/requests/{r['code'].lower().replace('-', '')}").json["id"] == r["id"])
    check("mallory may not see it", mallory.get(f"/v1/requests/{r['code']}").status == 404)
    vote = {"decision": "approve", "digest": r["digest"], "version": r["version"]}
    at = f"/v1/requests/{r['code']}/votes"
    got = mallory.post(at, vote)
    check("mallory's vote is refused", got.status in (403, 404), got)
    got = alice.post(at, vote)
    check("alice cannot approve her own", got.status == 403 and got.code == "request.self", got)
    got = bob.post(at, {**vote, "digest": "0" * 64})
    check("a vote on another digest is refused", got.status == 409 and got.code == "request.changed", got)
    got = bob.post(at, {**vote, "version": 2})
    check("a vote on another version is refused", got.code == "request.changed", got)
    sent = time.monotonic()
    got = bob.post(at, vote)
    check("bob approves", got.status == 200 and got.json["status"] == "approved", got)
    heard = stream.wait("request", lambda d: d["id"] == r["id"] and d["status"] == "approved")
    check("the gateway hears of it with the grant", heard and heard[1]["grant"]["status"] == "ready", heard)
    print(f"   approve to event: {(heard[2] - sent) * 1000 if heard else -1:.1f} ms")
    heard = mallorys.wait("request", seconds=0.3)
    check("mallory hears nothing", heard is None, heard)
    g = heard_grant = got.json["grant"]
    key = str(uuid.uuid4())
    got = a.claim(g, key, digest="0" * 64)
    check("a claim for other bytes is refused", got.code == "grant.mismatch", got)
    got = a.claim(g, key)
    check("the claim spends the use", got.status == 200 and got.json["remaining_ms"] > 0, got)
    claim = got.json["claim"]
    check("the same key gives the same answer", a.claim(g, key).json["claim"] == claim)
    got = a.claim(g, str(uuid.uuid4()))
    check("a second use is refused", got.code in ("grant.used", "grant.ended"), got)
    got = gw.post(f"/v1/claims/{claim}/outcome", {"outcome": "done", "tag": "DELETE 1", "rows": 1})
    check("the outcome is taken", got.status == 204, got)
    check("bob cannot vote twice", bob.post(at, vote).status == 409)
    return a, stream, heard_grant


def denied(a, bob, alice, stream):
    r = a.ask("DELETE FROM orders WHERE id = 8").json["request"]
    got = bob.post(f"/v1/requests/{r['id']}/votes", {"decision": "deny", "digest": r["digest"], "version": 1, "reason": "wrong ticket"})
    check("bob denies with a reason", got.json["status"] == "denied" and got.json["reason"] == "wrong ticket" and got.json["denied_by"] == "bob", got)
    heard = stream.wait("request", lambda d: d["id"] == r["id"] and d["status"] == "denied")
    check("the gateway hears who denied and why", heard and heard[1]["denied_by"] == "bob" and heard[1]["reason"] == "wrong ticket", heard)
    r = a.ask("DELETE FROM orders WHERE id = 9").json["request"]
    got = a.gw.post(f"/v1/gateway/requests/{r['id']}/leave", {"waiter": "s1"})
    check("the waiter's leaving cancels", got.status == 204 and alice.get(f"/v1/requests/{r['id']}").json["status"] == "cancelled", got)


def scope_and_revoke(gw, alice, bob, mallory, stream):
    ask = {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]}, "for_ms": 600000, "why": "nightly fix"}
    got = mallory.post("/v1/requests", ask)
    check("mallory's request is denied by policy with its name", got.status == 403 and got.code == "policy.denied" and "policies" in got.json, got)
    got = alice.post("/v1/requests", ask)
    check("alice asks for ten minutes", got.status == 201 and got.json["scope"]["actions"] == ["pg:write"] and got.json["why"] == "nightly fix", got)
    r = got.json
    check("alice may cancel it and not approve it", r["can"]["cancel"] and not r["can"]["approve"] and r["can"]["why_not"], r["can"])
    got = bob.post(f"/v1/requests/{r['code']}/votes", {"decision": "approve", "digest": r["digest"], "version": 1, "narrowing": {"for_ms": 86400000}})
    check("a vote that widens is refused", got.code == "vote.wider", got)
    got = bob.post(f"/v1/requests/{r['code']}/votes", {"decision": "approve", "digest": r["digest"], "version": 1, "narrowing": {"for_ms": 300000}})
    check("bob approves a shorter time", got.status == 200 and 0 < got.json["grant"]["remaining_ms"] <= 300000, got)
    mine = alice.get("/v1/grants?box=mine&status=live").json["grants"]
    check("the grant is alice's", [g["id"] for g in mine] == [got.json["grant"]["id"]], mine)
    check("mallory cannot revoke it", mallory.post(f"/v1/grants/{r['code']}/revoke", {"why": "x"}).status in (403, 404))
    got = bob.post(f"/v1/grants/{r['code']}/revoke", {"why": "enough"})
    check("bob revokes, and the answer says who has not confirmed", got.status == 200 and got.json["grant"]["status"] == "revoked"
          and got.json["waiting"] == ["gw1"], got)
    end = stream.wait("end", lambda d: d["grant"] == mine[0]["id"])
    check("the gateway hears of the end", end and end[1]["reason"] == "revoked", end)
    again = Events(gw)
    check("an end not confirmed is said again on a new stream", again.wait("end", lambda d: d["seq"] == end[1]["seq"]))
    check("the gateway confirms", gw.post("/v1/gateway/acks", {"seq": end[1]["seq"]}).status == 204)
    got = bob.post(f"/v1/grants/{r['code']}/revoke", {"why": "enough"})
    check("then nobody is waited for", got.json["acknowledged"] == ["gw1"] and got.json["waiting"] == [], got)


def comes_back(alice, bob, mallory):
    ask = {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]}, "for_ms": 60000, "why": "a stream breaks"}
    stream = Events(bob)
    stream.opened.wait(30)
    r = alice.post("/v1/requests", ask).json
    check("bob hears of a request", stream.wait("request", lambda d: d["code"] == r["code"]))
    last = stream.last
    stream.connection.sock.shutdown(socket.SHUT_RDWR)
    alice.post(f"/v1/requests/{r['code']}/cancel", {})
    new = alice.post("/v1/requests", {**ask, "why": "meanwhile"}).json
    back = Events(bob, last)
    check("a stream that comes back is told what ended meanwhile", back.wait("request", lambda d: d["code"] == r["code"] and d["status"] == "cancelled"))
    check("and what came to be", back.wait("request", lambda d: d["code"] == new["code"] and d["status"] == "pending"))
    check("and goes on from there", alice.post(f"/v1/requests/{new['code']}/cancel", {}).status == 200
          and back.wait("request", lambda d: d["code"] == new["code"] and d["status"] == "cancelled"))
    other = Events(mallory, last)
    heard = other.wait("request", seconds=0.5)
    check("nobody is told more than they may see", heard is None, heard)
    lost = Events(bob, "999999999999")
    check("one that phid knows nothing of must read everything anew", lost.wait("reset"))
    for e in (back, other, lost):
        e.connection.sock.shutdown(socket.SHUT_RDWR)


def heard_until(stream, code, status):
    """What a stream was told, up to that."""
    heard = []
    while not heard or (heard[-1][1]["code"], heard[-1][1].get("status")) != (code, status):
        got = stream.queue.get(timeout=60)
        heard.append(got[:2])
        if got[0] is None:
            break
    return heard


def crowd(p, admin, alice):
    """More streams than are written to in one turn, some of which go away between: each is told everything, once and in order."""
    streams = []
    for i in range(10):
        admin.post("/v1/people", {"name": f"dba{i}", "groups": ["dba"]})
        secret = admin.post("/v1/links", {"person": f"dba{i}"}).json["secret"]
        who = p.api(p.api().post("/v1/sessions", {"link": secret}).json["token"])
        streams += [Events(who) for _ in range(15)]
    check("150 event streams are open", all(s.opened.wait(60) for s in streams))
    leaving, staying = streams[::7], [s for i, s in enumerate(streams) if i % 7]
    ask = {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]}, "for_ms": 60000}
    codes = [alice.post("/v1/requests", {**ask, "why": f"a crowd watches {i}"}).json["code"] for i in range(4)]
    for s in leaving:
        s.connection.sock.shutdown(socket.SHUT_RDWR)
    for code in codes:
        alice.post(f"/v1/requests/{code}/cancel", {})
    told = [[(event, d["code"], d["status"]) for event, d in heard_until(s, codes[-1], "cancelled") if event] for s in staying]
    want = [("request", code, status) for status in ("pending", "cancelled") for code in codes]
    wrong = [t for t in told if t != want]
    check("each of them is told everything, once and in order", not wrong, (len(wrong), wrong[:1], want))
    for s in staying:
        s.connection.sock.shutdown(socket.SHUT_RDWR)


def many_streams(mallory):
    held = [Events(mallory) for _ in range(15)]
    held[-1].opened.wait(30)
    got = mallory.get("/v1/events")
    check("nobody holds more than 16 event streams", got.status == 429 and got.code == "limit", got)
    for e in held:
        e.connection.sock.shutdown(socket.SHUT_RDWR)


def authzen(alice, ids):
    def ask(action, **more):
        return alice.post("/access/v1/evaluation", {"subject": {"type": "Person", "id": ids["alice"]}, "action": {"name": action},
                                                    "resource": uid("Target", "shop"), "context": {}, **more})
    got = ask("pg:connect")
    check("AuthZEN answers true for what is allowed", got.status == 200 and got.json["decision"] is True, got)
    got = ask("pg:delete")
    check("AuthZEN answers false with the needs", got.json["decision"] is False and got.json["context"]["needs"][0][0]["requirement"] == "dba", got)
    got = ask("pg:delete", context={"met": ["dba"]})
    check("AuthZEN refuses what only phi may assert", got.status == 400, got)
    got = alice.post("/access/v1/evaluation", {"subject": {"type": "Person", "id": ids["bob"]}, "action": {"name": "pg:connect"},
                                               "resource": uid("Target", "shop"), "context": {}})
    check("a person asks AuthZEN about herself only", got.status == 403, got)


def records(gw, ids):
    record = {"count": 3, "first_ms_ago": 7, "last_ms_ago": 5, "principal": {"id": ids["alice"]}, "target": "shop", "session": "s1",
              "bytes_hash": "0" * 64, "bundle": "0" * 64,
              "actions": [{"action": "pg:select", "resource": uid("Table", "shop", "public", "orders")}]}
    got = gw.post("/v1/gateway/records", {"batch": 1, "records": [record]})
    check("records of plain allows are taken", got.status == 200 and got.json["batch"] == 1, got)
    check("a batch sent again is acknowledged again", gw.post("/v1/gateway/records", {"batch": 1, "records": [record]}).status == 200)
    for member, bad in (("count", 0), ("last_ms_ago", 8), ("bytes_hash", "00")):
        got = gw.post("/v1/gateway/records", {"batch": 2, "records": [{**record, member: bad}]})
        check(f"a record whose {member} cannot be is refused", got.status == 400, got)
    check("a skipped batch is refused", gw.post("/v1/gateway/records", {"batch": 3, "records": [record]}).status == 400)


def root_of(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + root_of(leaves[:k]) + root_of(leaves[k:])).digest()


def the_log(p, alice):
    entries = alice.get("/v1/log/entries?from=0&limit=1000").json["entries"]
    leaves = [hashlib.sha256(b"\0" + e.encode()).digest() for e in entries]
    check("entries are numbered from 0", [json.loads(e)["n"] for e in entries] == list(range(len(entries))))
    kinds = {json.loads(e)["ev"] for e in entries}
    check("the log has what happened", {"request.created"} <= kinds and len(kinds) > 8, kinds)
    end = time.monotonic() + 30
    while True:
        note = p.api().get("/v1/log/checkpoint").body.decode().split("\n")
        if int(note[1]) >= len(leaves) or time.monotonic() > end:
            break
        time.sleep(0.02)
    size = int(note[1])
    check("the newest head is signed", size == len(leaves), (size, len(leaves)))
    check("the signed root is that of the entries", base64.b64decode(note[2]) == root_of(leaves[:size]), note)
    key = p.api().get("/v1/log/key").body.decode().strip()
    check("the key names the log", key.startswith(note[0] + "+") and note[4].startswith("\u2014 " + note[0] + " "), (key, note))
    got = alice.get(f"/v1/log/proof?index=0&size={size}").json
    check("an inclusion proof leads to its entry", got["leaf_hash"] == leaves[0].hex() and got["hashes"], got)
    got = p.api().get(f"/v1/log/consistency?from=1&to={size}")
    check("a consistency proof is public", got.status == 200 and got.json["hashes"], got)
    return entries


def signing_out(p, admin):
    secret = admin.post("/v1/links", {"person": "mallory"}).json["secret"]
    here = p.api(p.api().post("/v1/sessions", {"link": secret}).json["token"])
    stream = Events(here)
    stream.opened.wait(30)
    check("signing out", here.call("DELETE", "/v1/sessions/current").status == 204)
    stream.join(3)
    check("signing out closes the session's event stream", not stream.is_alive())


def is_signer(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as f:
        return "sign" in f.read()


def signer_killed(p):
    with open(f"/proc/{p.process.pid}/task/{p.process.pid}/children", encoding="ascii") as f:
        children = [c for c in f.read().split() if is_signer(c)]
    check("phid has one child that is the signer", len(children) == 1, children)
    os.kill(int(children[0]), signal.SIGKILL)
    check("phid ends with an error when its signer is gone", p.process.wait(20) == 1 and "the signer has ended" in p.said())
    check("both start again", p.start())


def restarts(p, who, before):
    at = time.monotonic()
    check("SIGTERM ends phid in order, and soon", p.stop() == 0 and time.monotonic() - at < 10, p.said()[-600:])
    check("it starts again", p.start())
    check("sessions outlive a restart", who["alice"].get("/v1/whoami").status == 200)
    p.stop(signal.SIGKILL)
    check("it starts after a kill", p.start())
    after = who["bob"].get("/v1/log/entries").json["entries"]
    check("nothing of the log is lost", after[:len(before)] == before, len(after))
    signer_killed(p)
    the_log(p, who["bob"])


def main():
    folder = tempfile.mkdtemp(prefix="phi-api-")
    p = Phid(folder)
    try:
        secret = first_start(p)
        check("phid starts", p.start())
        token = p.api().post("/v1/sessions", {"link": secret})
        check("the first administrator signs in", token.status == 201 and token.json["person"]["name"] == "root", token)
        check("that link is used up", p.api().post("/v1/sessions", {"link": secret}).code == "auth.link")
        admin = p.api(token.json["token"])
        rights = admin.get("/v1/whoami").json["rights"]
        check("the first administrator has every right", set(RIGHTS) == set(rights), rights)
        plain_http(p)
        cookie_sign_in(p, admin)
        who, ids = furnish(p, admin)
        gw, bare = gateway(p, admin, folder)
        false_gateway(p, folder)
        rights_walk(p, who["alice"], bare)
        got = who["alice"].post("/v1/credentials", {"target": "shop"})
        check("alice gets a credential", got.status == 201 and got.json["user"].startswith("alice~") and got.json["password"], got)
        snap = gw.get("/v1/gateway/snapshot?version=0.1.0").json
        check("the snapshot has her and her verifier", [x["name"] for x in snap["principals"]] == ["alice"]
              and snap["credentials"][0]["verifier"].startswith("SCRAM-SHA-256$") and snap["targets"] == ["shop"]
              and snap["console"] == p.url, snap)
        a, stream, _ = held_delete(p, gw, who, ids, got.json["id"])
        denied(a, who["bob"], who["alice"], stream)
        scope_and_revoke(gw, who["alice"], who["bob"], who["mallory"], stream)
        comes_back(who["alice"], who["bob"], who["mallory"])
        many_streams(who["mallory"])
        authzen(who["alice"], ids)
        records(gw, ids)
        crowd(p, admin, who["alice"])
        listed = admin.get("/v1/gateways").json["gateways"]
        check("the gateway is listed with its version", listed[0]["name"] == "gw1" and listed[0]["version"] == "0.1.0" and listed[0]["last_seen"], listed)
        signing_out(p, admin)
        restarts(p, who, the_log(p, who["bob"]))
    finally:
        if p.process and p.process.poll() is None:
            p.stop()
        said = p.said() if os.path.exists(p.log) else ""
        check("no sanitizer finding in phid", not re.search(r"runtime error|AddressSanitizer|LeakSanitizer", said), said[-3000:])
        if FAILED:
            print(said[-3000:])
        if not os.environ.get("PHI_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
