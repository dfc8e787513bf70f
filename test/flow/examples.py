#!/usr/bin/python3
# timeout: 300
"""Every example of the OpenAPI document is executed: one story of a team, a gateway and an application goes through every route.

  examples.py             each call is sent as the document that phid serves says; its answer must have the example's shape
  examples.py --record    writes src/api/examples.json from what phid answers (then: ninja, phid openapi > docs/openapi.json)
"""
import base64
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]
import api_basic  # noqa: E402
import identity  # noqa: E402
import keys  # noqa: E402
import posts  # noqa: E402
import stdkit  # noqa: E402
from api_basic import FAILED, Phid, check, free_ports, uid  # noqa: E402
from story import Story, Wrong  # noqa: E402

FILE = os.path.join(api_basic.TOP, "src/api/examples.json")
SIGNING = "slack-signing-5512"
MORE_SCHEMA = """
entity Document in [Target] = { title: String };
action "doc:share" appliesTo { principal: [Person], resource: [Document], context: { met: Set<String> } };
action "http:write" appliesTo { principal: [Person], resource: [Target], context: { met: Set<String>, method?: String, path?: String, host?: String } };
"""
MORE_POLICIES = """
@id("share") permit (principal in Group::"dev", action == Action::"doc:share", resource);
@id("wiki-write") @why("Writing to the wiki needs a DBA")
permit (principal in Group::"dev", action == Action::"http:write", resource == Target::"[\\"wiki\\"]") when { context.met.contains("dba") };
@id("outage") @why("In an outage, looked at afterwards")
permit (principal in Group::"dev", action == Action::"pg:insert", resource in Target::"[\\"shop\\"]") when { context.met.contains("glass") };
"""
MORE_REQUIREMENTS = "glass: {kind: break-glass, ttl: 15m}\n"
SCOPE = {"actions": ["pg:write"], "resources": ["shop/public.orders"]}


class Cookies:
    """A browser's session."""

    def __init__(self, p, admin, name):
        link = admin.post("/v1/links", {"person": name}).json["secret"]
        got = p.api().call("POST", f"/login/{link}", "", headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": p.url})
        self.p, self.jar = p, {"Cookie": got.headers["Set-Cookie"].split(";")[0]}
        self.csrf = p.api().get("/v1/whoami", headers=self.jar).json["csrf"]

    def call(self, method, path, body=None, headers=None):
        return self.p.api().call(method, path, body, headers={**self.jar, "Origin": self.p.url, "X-Phi-CSRF": self.csrf, **(headers or {})})


def vote_of(r, decision="approve"):
    return {"decision": decision, "digest": r["digest"], "version": r["version"]}


def ask(why, **more):
    return {"target": "shop", "scope": SCOPE, "for_ms": 600000, "why": why, **more}


class Team:
    """Who is there, and how they speak."""

    def __init__(self, p, story, idp, folder, web):
        self.p, self.s, self.idp, self.folder, self.web = p, story, idp, folder, web
        self.nobody = p.api()

    def api_of(self, name):
        secret = self.admin.post("/v1/links", {"person": name}).json["secret"]
        return self.p.api(self.p.api().post("/v1/sessions", {"link": secret}).json["token"])

    # ---- documents, health ----
    def documents(self):
        s = self.s
        for route in ("GET /healthz", "GET /readyz", "GET /metrics", "GET /login.css"):
            s.do(self.nobody, route)
        s.do(self.nobody, "GET /v1/openapi.json", show=lambda j: {k: j[k] for k in ("openapi", "info")})
        s.do(self.nobody, "GET /errors/{code}", values={"code": "request.changed"})
        s.do(self.nobody, "GET /.well-known/authzen-configuration")

    # ---- people ----
    def people(self):
        s, admin = self.s, self.admin
        s.do(admin, "POST /v1/people", {"name": "alice", "groups": ["dev"]})
        for name, groups in (("bob", ["dba"]), ("carol", ["phi-operators"]), ("zoe", [])):
            admin.post("/v1/people", {"name": name, "groups": groups})
        s.do(admin, "GET /v1/people")
        s.do(admin, "POST /v1/groups/{group}/members", {"person": "bob"}, values={"group": "oncall"})
        s.do(admin, "DELETE /v1/groups/{group}/members/{person}", values={"group": "oncall", "person": "bob"})
        s.do(admin, "POST /v1/accounts", {"name": "alice-admin", "person": "alice"})
        s.do(admin, "POST /v1/services", {"name": "ci-deploy", "groups": ["dev"]})
        s.do(admin, "POST /v1/people/{person}/forget", values={"person": "zoe"})
        link = s.do(admin, "POST /v1/links", {"person": "alice"}).json["secret"]
        s.do(self.nobody, "GET /login/{secret}", values={"secret": link})
        got = s.do(self.nobody, "POST /v1/sessions", {"link": link})
        self.alice = self.p.api(got.json["token"])
        self.alice_id = got.json["person"]["id"]
        link = admin.post("/v1/links", {"person": "alice"}).json["secret"]
        s.do(self.nobody, "POST /login/{secret}", form={}, values={"secret": link}, fresh=("secret",), headers={"Origin": self.p.url})
        self.bob, self.carol = self.api_of("bob"), self.api_of("carol")
        s.do(self.alice, "GET /v1/whoami")

    def sessions(self):
        s = self.s
        other = self.api_of("alice")
        self.api_of("alice")
        mine = s.do(other, "GET /v1/sessions").json["sessions"]
        victim = next(x for x in mine if not x["current"])
        s.do(other, "DELETE /v1/sessions/{id}", values={"id": victim["id"]}, fresh=("id",))
        s.do(other, "DELETE /v1/sessions")
        s.do(other, "DELETE /v1/sessions/current")
        self.alice = self.api_of("alice")
        made = s.do(self.alice, "POST /v1/tokens", {"name": "reports", "rights": ["see"], "for_ms": 604800000}).json
        s.do(self.admin, "GET /v1/tokens", values={"all": "1"})
        s.do(self.alice, "DELETE /v1/tokens/{id}", values={"id": made["id"]})
        s.do(self.alice, "PUT /v1/profile", {"zone": "Europe/Berlin", "quiet": {"from": "22:00", "to": "07:00"}})
        s.do(self.alice, "GET /v1/profile")

    # ---- providers, devices, tokens of others ----
    def providers(self):
        s, admin, p = self.s, self.admin, self.p
        s.do(admin, "PUT /v1/providers/{name}", identity.config(self.idp, title="Acme"), values={"name": "idp"})
        s.do(admin, "GET /v1/providers")
        s.do(self.nobody, "GET /v1/login")
        s.do(self.nobody, "GET /login", values={"next": "/"})
        s.do(self.nobody, "POST /login/oidc/{provider}", form={"next": "/"}, values={"provider": "idp"}, headers={"Origin": p.url})
        self.idp.accounts(dan={"claims": {"groups": ["acme-dev"]}})
        back, browser = [], identity.Browser()
        identity.sign_in(browser, p, "dan", change=lambda url: back.append(url) or f"{p.url}/healthz")
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back[0]).query))
        jar = "; ".join(f"{k}={v}" for k, v in browser.cookies[urllib.parse.urlsplit(p.url).netloc].items())
        s.do(self.nobody, "GET /login/oidc/{provider}/callback", values={"provider": "idp"}, headers={"Cookie": jar}, query=query)
        s.do(admin, "POST /v1/identities", {"provider": "idp", "subject": "al-77", "person": "alice"})
        s.do(admin, "GET /v1/identities", values={"person": "alice"})
        s.do(admin, "DELETE /v1/identities/{provider}/{subject}", values={"provider": "idp", "subject": "al-77"})
        self.alice = self.api_of("alice")
        s.do(admin, "DELETE /v1/providers/{name}", values={"name": "idp"})

    def devices(self):
        s, p = self.s, self.p
        made = s.do(self.nobody, "POST /v1/device", form={"client_name": "phi on box"}).json
        web = Cookies(p, self.admin, "alice")
        s.do(web, "GET /device", values={"code": made["user_code"]})
        s.do(web, "POST /device", form={"code": made["user_code"], "csrf": web.csrf, "answer": "yes"}, fresh=("csrf",))
        s.do(self.nobody, "POST /v1/token", form={"grant_type": identity.DEVICE, "device_code": made["device_code"]}, headers={"Origin": p.url})
        loop = {"port": "45123", "state": "s" * 22, "challenge": base64.urlsafe_b64encode(hashlib.sha256(b"v" * 64).digest()).rstrip(b"=").decode(), "note": "phi on box"}
        s.do(web, "GET /authorize", values=loop)
        s.do(web, "POST /authorize", form={**loop, "csrf": web.csrf, "answer": "yes"}, fresh=("csrf",))

    def passkeys(self):
        s = self.s
        key = self.key = keys.Passkey(self.folder, "localhost", self.p.url)
        options = s.do(self.bob, "POST /v1/passkeys/options").json["publicKey"]
        s.do(self.bob, "POST /v1/passkeys", {"name": "bob's laptop", **key.made(options["challenge"])}, fresh=("client", "attestation"))
        s.do(self.bob, "GET /v1/passkeys")
        options = s.do(self.nobody, "POST /v1/sessions/passkey/options").json["publicKey"]
        s.do(self.nobody, "POST /v1/sessions/passkey", key.signed(options["challenge"]), fresh=("id", "client", "auth", "sig"), headers={"Origin": self.p.url})

    def recoveries(self):
        """bob has lost his first key; nobody comes in for him by one operator's word."""
        s = self.s
        second = keys.Passkey(self.folder, "localhost", self.p.url)
        options = self.bob.post("/v1/passkeys/options").json["publicKey"]
        made = self.bob.post("/v1/passkeys", {"name": "second", **second.made(options["challenge"])}).json["passkey"]
        s.do(self.bob, "DELETE /v1/passkeys/{id}", values={"id": made["id"]}, fresh=("id",))
        asked = s.do(self.admin, "POST /v1/recoveries", {"person": "bob"}).json["recovery"]
        s.do(self.admin, "GET /v1/recoveries")
        s.do(self.carol, "POST /v1/recoveries/{id}/approve", values={"id": asked["id"]})

    # ---- what is protected ----
    def targets(self):
        s, admin = self.s, self.admin
        s.do(admin, "POST /v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:6432", "database": "shop"})
        admin.post("/v1/targets", {"name": "wiki", "kind": "http", "address": "localhost:1"})
        s.do(self.alice, "GET /v1/targets")
        s.do(admin, "PUT /v1/facts", {"resource": "shop", "environment": "production", "tags": ["pci"]})
        s.do(self.alice, "GET /v1/facts")
        s.do(admin, "PUT /v1/on-call/{list}", {"people": ["bob"], "for_ms": 43200000}, values={"list": "db"})
        s.do(self.alice, "GET /v1/on-call")
        s.do(admin, "DELETE /v1/on-call/{list}", values={"list": "db"})
        texts = api_basic.starter()
        texts = {"schema": texts["schema"] + MORE_SCHEMA, "policies": texts["policies"] + MORE_POLICIES, "requirements": texts["requirements"] + MORE_REQUIREMENTS}
        s.do(admin, "PUT /v1/bundle", texts)
        s.do(self.alice, "GET /v1/bundle")
        self.credential = s.do(self.alice, "POST /v1/credentials", {"target": "shop"}).json["id"]

    # ---- requests, votes, grants ----
    def requests(self):
        s, alice, bob = self.s, self.alice, self.bob
        r = s.do(alice, "POST /v1/requests", ask("nightly fix", ticket="OPS-7", uses=5, watchers=["carol"])).json
        by = {"id": r["code"]}
        r = s.do(alice, "PUT /v1/requests/{id}", ask("nightly fix, shorter", for_ms=300000), values=by).json
        s.do(bob, "GET /v1/requests", values={"box": "inbox", "status": "pending", "limit": "50"})
        s.do(bob, "GET /v1/requests/{id}", values=by)
        s.do(bob, "POST /v1/requests/{id}/remarks", {"kind": "question", "text": "Which orders?"}, values=by)
        s.do(alice, "POST /v1/requests/{id}/watchers", {"people": ["carol"]}, values=by)
        s.do(bob, "POST /v1/requests/{id}/votes/options", {**vote_of(r), "reason": "fine"}, values=by, fresh=("version",))
        got = s.do(bob, "POST /v1/requests/{id}/votes", {**vote_of(r), "reason": "fine", "narrowing": {"for_ms": 120000}}, values=by)
        grant = {"id": got.json["grant"]["id"]}
        s.do(alice, "GET /v1/grants", values={"box": "mine", "status": "live", "limit": "50"})
        s.do(bob, "POST /v1/grants/{id}/revoke", {"why": "enough"}, values=grant)
        r = alice.post("/v1/requests", ask("to give back")).json
        g = bob.post(f"/v1/requests/{r['code']}/votes", vote_of(r)).json["grant"]
        s.do(alice, "POST /v1/grants/{id}/return", values={"id": g["id"]}, fresh=("id",))
        r = alice.post("/v1/requests", ask("to cancel")).json
        s.do(self.admin, "GET /v1/requests/replay", values={"from_ms": "0", "to_ms": "99999999999999", "skip": "1", "limit": "1"})
        s.do(alice, "POST /v1/requests/{id}/cancel", values={"id": r["code"]}, fresh=("id",))
        d = s.do(bob, "POST /v1/delegations", {"to": "carol", "for_ms": 86400000, "why": "holidays"}).json
        s.do(bob, "GET /v1/delegations")
        s.do(bob, "DELETE /v1/delegations/{id}", values={"id": d["id"]})
        g = alice.post("/v1/requests", ask("outage", break_glass=True, scope={"actions": ["pg:insert"], "resources": ["shop/public.orders"]})).json["grant"]
        s.do(self.admin, "POST /v1/grants/revoke", {"why": "the outage is over", "person": "alice"})
        s.do(bob, "POST /v1/grants/{id}/review", {"note": "was needed"}, values={"id": g["id"]}, fresh=("id",))

    # ---- a gateway ----
    def enrol(self):
        s = self.s
        bare = ssl.create_default_context()
        bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
        code = s.do(self.admin, "POST /v1/gateways", {"name": "gw1", "targets": ["shop"]}).json["code"]
        at = lambda name: os.path.join(self.folder, name)  # noqa: E731
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", at("gw.key")], check=True)
        public = subprocess.run(["openssl", "pkey", "-in", at("gw.key"), "-pubout"], check=True, capture_output=True, text=True).stdout
        got = s.do(api_basic.Api(self.p.gateways, tls=bare), "POST /v1/gateways/enroll", {"code": code, "public_key": public}, fresh=("public_key",)).json
        for name, text in (("gw.pem", got["certificate"]), ("ca.pem", got["ca"])):
            with open(at(name), "w", encoding="utf-8") as f:
                f.write(text)
        tls = ssl.create_default_context(cafile=at("ca.pem"))
        tls.load_cert_chain(at("gw.pem"), at("gw.key"))
        self.gw = api_basic.Api(self.p.gateways, tls=tls)
        s.do(self.gw, "POST /v1/gateway/certificate", {"public_key": public}, fresh=("public_key",))

    def held(self, sql):
        what = api_basic.Attempt(self.gw, self.alice_id, self.credential).what(sql, "s1")
        return {**what, "settings": {"DateStyle": "ISO, MDY", "TimeZone": "Etc/UTC", "role": "none"}, "hold_ms": 60000,
                "payload": {"kind": "pg-query", "bytes": base64.urlsafe_b64encode(sql.encode()).rstrip(b"=").decode()}}

    def gateway(self):
        s, gw = self.s, self.gw
        s.do(gw, "GET /v1/gateway/snapshot", values={"version": "0.1.0"})
        s.do(gw, "GET /v1/gateway/lease")
        a = api_basic.Attempt(gw, self.alice_id, self.credential)
        r = s.do(gw, "POST /v1/gateway/requests", self.held("DELETE FROM orders WHERE id = 7")).json["request"]
        g = self.bob.post(f"/v1/requests/{r['code']}/votes", vote_of(r)).json["grant"]
        s.do(gw, "GET /v1/gateway/requests/{id}", values={"id": r["id"]}, until=lambda got: got.json.get("status") == "approved")
        claim = s.do(gw, "POST /v1/grants/{id}/claims", {**a.what("", "s1"), "key": str(uuid.uuid4()), "act": r["act"]}, values={"id": g["id"]}).json["claim"]
        s.do(gw, "POST /v1/claims/{id}/outcome", {"outcome": "done", "tag": "DELETE 1", "rows": 1}, values={"id": claim})
        r = gw.post("/v1/gateway/requests", self.held("DELETE FROM orders WHERE id = 8")).json["request"]
        ahead = {**a.what("", "s1"), "key": str(uuid.uuid4()), "act": r["act"]}
        s.do(gw, "POST /v1/gateway/requests/{id}/claims", ahead, values={"id": r["id"]}, fresh=("id", "key", "act"))
        s.do(gw, "DELETE /v1/gateway/requests/{id}/claims/{key}", values={"id": r["id"], "key": ahead["key"]}, fresh=("id", "key"))
        s.do(gw, "POST /v1/gateway/requests/{id}/leave", {"waiter": "s1"}, values={"id": r["id"]}, fresh=("id",))
        record = {"count": 3, "first_ms_ago": 7, "last_ms_ago": 5, "principal": {"id": self.alice_id}, "target": "shop", "session": "s1", "bytes_hash": "0" * 64,
                  "bundle": "0" * 64, "actions": [{"action": "pg:select", "resource": uid("Table", "shop", "public", "orders")}]}
        s.do(gw, "POST /v1/gateway/records", {"batch": 1, "records": [record]})
        s.do(gw, "POST /v1/gateway/acks", {"seq": 1})
        s.do(gw, "POST /v1/gateway/report", {"targets": [{"name": "shop", "host": "db.example.org", "port": 5432, "server_version": "17.2", "parser": 17, "tls": True,
                                                        "trouble": ""}], "certificate_begins_ms": 1790000000000, "certificate_ends_ms": 1800000000000})
        s.do(self.admin, "GET /v1/gateways")
        s.do(self.alice, "GET /v1/doctor")
        self.admin.post("/v1/gateways", {"name": "gw2", "targets": ["shop"]})
        s.do(self.admin, "DELETE /v1/gateways/{name}", values={"name": "gw2"})

    def events(self):
        for who in (self.alice, self.gw):
            stream = Stream(who)
            self.s.do(stream, "GET /v1/events")

    # ---- telling people ----
    def telling(self):
        s, admin, web = self.s, self.admin, self.web
        hook = {"kind": "webhook", "settings": {"url": web.url("/hook"), "secret": "hook", "events": ["request.created"]}}
        s.do(admin, "PUT /v1/channels/{name}", hook, values={"name": "hook"})
        s.do(admin, "POST /v1/channels/{name}/test", values={"name": "hook"})
        web.answers["/dead"] = [(400, {}, None)] * 9
        web.answers["/busy"] = [(503, {"Retry-After": "600"}, None)] * 9
        for name in ("dead", "busy"):
            admin.call("PUT", f"/v1/channels/{name}", {"kind": "webhook", "settings": {"url": web.url("/" + name), "secret": "hook"}})
            admin.post(f"/v1/channels/{name}/test")
        dead = s.do(admin, "GET /v1/notifications/dead", values={"limit": "50"}, until=lambda got: got.json["notifications"]).json["notifications"]
        s.do(admin, "POST /v1/notifications/{id}/resend", values={"id": dead[0]["id"]})
        s.do(admin, "GET /v1/notifications/waiting", values={"limit": "50"}, until=lambda got: any(n["tries"] for n in got.json["notifications"]))
        s.do(admin, "GET /v1/channels")
        s.do(admin, "POST /v1/channels/{name}/switch", {"on": False, "why": "moving house"}, values={"name": "hook"})
        for name in ("hook", "busy", "dead"):
            s.do(admin, "DELETE /v1/channels/{name}", values={"name": name}, fresh=("name",))
        s.do(admin, "PUT /v1/people/{person}/contacts/{kind}", {"address": "bob@example.com"}, values={"person": "bob", "kind": "email"})
        s.do(admin, "GET /v1/contacts")
        s.do(admin, "DELETE /v1/people/{person}/contacts/{kind}", values={"person": "bob", "kind": "email"})
        slack = {"url": web.url("/api"), "secret": "slack", "signing": "slack-signing", "team": "T1", "buttons": True, "show": "statement"}
        admin.call("PUT", "/v1/channels/slack", {"kind": "slack", "settings": slack})
        admin.call("PUT", "/v1/people/bob/contacts/slack", {"address": "U0BOB"})
        r = self.gw.post("/v1/gateway/requests", self.held("DELETE FROM orders WHERE id = 9")).json["request"]
        value = json.dumps({k: r[k] for k in ("id", "digest", "version")})
        press = {"type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U0BOB"}, "actions": [{"action_id": "approve", "value": value}]}
        s.do(self.nobody, "POST /v1/chat/slack", form={"payload": json.dumps(press)}, fresh=("payload",), headers=lambda call: keys.slack(SIGNING, urllib.parse.urlencode(call["body"])))
        admin.call("DELETE", "/v1/channels/slack")

    # ---- the standard API ----
    def authzen(self):
        s, alice, admin = self.s, self.alice, self.admin
        who, table = {"type": "Person", "id": self.alice_id}, uid("Table", "shop", "public", "orders")
        question = {"subject": who, "action": {"name": "pg:update"}, "resource": table}
        s.do(alice, "POST /access/v1/evaluation", {**question, "context": {}})
        s.do(alice, "POST /access/v1/evaluations", {"subject": who, "resource": table, "evaluations": [{"action": {"name": "pg:select"}}, {"action": {"name": "pg:delete"}}],
                                                   "options": {"evaluations_semantic": "execute_all"}})
        document = {"type": "Document", "id": "handbook"}
        s.do(admin, "PUT /v1/entities", {"entities": [{"uid": document, "attrs": {"title": "Handbook"}, "parents": [uid("Target", "wiki")]}]})
        s.do(admin, "GET /v1/entities", values={"type": "Document", "limit": "50"})
        s.do(admin, "POST /access/v1/search/subject", {"subject": {"type": "Person"}, "action": {"name": "doc:share"}, "resource": document})
        s.do(alice, "POST /access/v1/search/resource", {"subject": who, "action": {"name": "doc:share"}, "resource": {"type": "Document"}})
        s.do(alice, "POST /access/v1/search/action", {"subject": who, "resource": document})
        s.do(admin, "DELETE /v1/entities/{type}/{id}", values={"type": "Document", "id": "handbook"})

    def arap(self):
        """Over HTTPS alone: a phid of its own."""
        s = self.s
        with stdkit.Phid() as q:
            s.plain.append(("https://phi.example.org", q.url))
            s.learned["https://phi.example.org"] = q.url
            alice, _ = q.person("alice", "dev"), q.person("bob", "dba")
            q.admin.post("/v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:6432", "database": "shop"})
            question = {"subject": {"type": "Person", "id": alice.id}, "action": {"name": "pg:delete"}, "resource": uid("Table", "shop", "public", "orders")}
            c = alice.post("/access/v1/evaluation", question).json["context"]
            about = {"evaluation_id": c["evaluation_id"], "expires_at": c["access_request"]["expires_at"], "binding_token": c["access_request"]["binding_token"]}
            s.do(q.api(), "GET /access/v1/jwks")
            task = s.do(alice, "POST /access/v1/requests", {**question, "denial": about}, fresh=("subject", "denial")).json["task"]["id"]
            s.do(alice, "GET /access/v1/requests/{task}", values={"task": task})
            s.do(alice, "POST /access/v1/requests/{task}/cancel", values={"task": task})

    def forward(self):
        s, p = self.s, self.p
        way = {"X-Forwarded-Method": "POST", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "wiki.example", "X-Forwarded-Uri": "/edit"}
        s.do(self.alice, "GET /v1/authz", values={"target": "wiki", "action": "http:write"}, headers=way, status=403)
        web = Cookies(p, self.admin, "alice")
        s.do(web, "GET /held", values={"target": "wiki", "action": "http:write"}, headers={"Accept": "text/html"}, status=403)
        s.do(web, "POST /held", form={"target": "wiki", "action": "http:write", "why": "a typo", "csrf": web.csrf}, fresh=("csrf",))

    # ---- the log ----
    def log(self):
        s, nobody, bob, admin = self.s, self.nobody, self.bob, self.admin
        s.do(nobody, "GET /v1/log/checkpoint")
        s.do(nobody, "GET /checkpoint")
        s.do(nobody, "GET /v1/log/key")
        s.do(bob, "GET /v1/log/entries", values={"from": "0", "limit": "2"})
        end = time.monotonic() + 30
        while int(nobody.get("/v1/log/checkpoint").body.split(b"\n")[1]) < 8 and time.monotonic() < end:
            time.sleep(0.05)
        s.do(nobody, "GET /v1/log/consistency", values={"from": "3", "to": "7"})
        s.do(bob, "GET /v1/log/proof", values={"index": "2", "size": "7"})
        s.do(bob, "GET /v1/log/receipts/{index}", values={"index": "2"})
        s.do(nobody, "GET /tile/{path*}", values={"path*": "0/000.p/4"})
        s.do(bob, "GET /tile/entries/{path*}", values={"path*": "000.p/4"})
        s.do(bob, "GET /v1/log/comparison", until=lambda got: got.json["state"] != "running")
        key = keys.witness_line("witness.example")
        s.do(admin, "PUT /v1/log/witnesses", {"key": key, "url": "https://witness.example/add"}, fresh=("key",))
        s.do(nobody, "GET /v1/log/witnesses")
        s.do(admin, "PUT /v1/log/witness-need", {"need": 0})
        s.do(admin, "DELETE /v1/log/witnesses/{name}", values={"name": "witness.example"})

    def restored(self):
        """A backup is restored: the log begins anew, and an operator vouches for it."""
        p, s, data = self.p, self.s, f"{self.folder}/data"
        made = p.run("backup", f"{self.folder}/saved")
        check("a backup is made", made.returncode == 0, made)
        p.stop()
        os.rename(data, data + ".lost")
        os.mkdir(data, 0o700)
        done = p.run("restore", f"{self.folder}/saved")
        check("and restored", done.returncode == 0, done)
        link = p.run("link", "root").stdout
        check("phid starts again", p.start(), p.said()[-600:])
        self.admin = p.api(p.api().post("/v1/sessions", {"link": link.rsplit("/login/", 1)[1].split()[0]}).json["token"])
        steps = s.do(self.nobody, "GET /v1/log/steps").json["steps"]
        note = keys.note_signed(steps[-1]["text"], "phi-operator", self.folder)
        s.do(self.admin, "POST /v1/log/steps/{n}", {"note": note}, values={"n": str(steps[-1]["n"])}, fresh=("n", "note"))


class Stream:
    """The beginning of an event stream, as an answer."""

    def __init__(self, api):
        self.api = api

    def call(self, method, path, body=None, headers=None):
        c = self.api.connect()
        c.request(method, path, body, {**({"Authorization": "Bearer " + self.api.token} if self.api.token else {}), **(headers or {})})
        r = c.getresponse()
        got = type("Begun", (), {"status": r.status, "headers": r.headers, "body": r.readline()})
        r.close()
        c.close()
        return got


CHAPTERS = ("documents", "people", "sessions", "providers", "targets", "devices", "passkeys", "requests", "enrol", "gateway", "events", "telling", "authzen", "arap", "forward",
            "log", "recoveries", "restored")


def tell(team):
    for chapter in CHAPTERS:
        at = time.monotonic()
        getattr(team, chapter)()
        print(f"   {chapter}: {time.monotonic() - at:.1f} s", flush=True)


def furnish(p, folder):
    ca_file, tls = posts.ca(folder)
    os.makedirs(f"{folder}/secrets", mode=0o700)
    for name, text in (("oidc-idp", identity.SECRET), ("slack", "xoxb-canary-1"), ("slack-signing", SIGNING),
                       ("hook", "whsec_" + base64.b64encode(os.urandom(32)).decode())):
        with open(os.open(f"{folder}/secrets/{name}", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
            f.write(text + "\n")
    p.write_config(f"console: {folder}/web\nsecrets: {folder}/secrets\noutgoing_allow: [127.0.0.1]\noutgoing_ca: {ca_file}\n")
    return posts.Web(tls)


def main():
    record = FILE if "--record" in sys.argv else None
    folder = tempfile.mkdtemp(prefix="phi-examples-")
    p = Phid(folder)
    idp = identity.Provider(folder, free_ports(1)[0], f"{p.url}/login/oidc/idp/callback")
    try:
        web = furnish(p, folder)
        secret = p.run("bootstrap", "--admin", "root").stdout.rsplit("/login/", 1)[1].split()[0]
        check("phid and a provider start", p.start() and idp.start("one"), p.said())
        admin = p.api(p.api().post("/v1/sessions", {"link": secret}).json["token"])
        document = p.api().get("/v1/openapi.json").json
        routes = [f"{m.upper()} {path}" for path, ms in document["paths"].items() for m in ms]
        plain = [("http://localhost:8470", p.url), ("http://localhost:9000", idp.issuer), ("https://localhost:9443", web.url("")), ("localhost:8471", f"localhost:{p.gateways}")]
        story = Story(record, plain, None if record else document)
        team = Team(p, story, idp, folder, web)
        team.admin = admin
        tell(team)
        left = [r for r in routes if r not in story.done]
        check(f"every one of {len(routes)} routes was called as its example says", not left, left)
        if record:
            story.save(routes)
        else:
            bare = [r for r in routes if not has_example(story.steps[r])]
            check("every route has an example of what goes in and out", not bare, bare)
    except Wrong as e:
        check("the story goes as the examples say", False, f"{sys.exc_info()[2].tb_next and trail()}: {e}")
    finally:
        idp.stop()
        if p.process and p.process.poll() is None:
            p.stop()
        said = p.said()
        found = re.search(r"(?s)(ERROR: \w+Sanitizer|runtime error).{0,6000}", said)
        check("no sanitizer finding in phid", not found, found and found[0])
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if FAILED or stdkit.FAILED else 0


def has_example(o):
    """Of its answer, and of the body where there is one."""
    ways = [v.get("content", {}) for k, v in o["responses"].items() if k.isdigit()] + [o.get("requestBody", {}).get("content", {})]
    return len(ways) > 1 and all("example" in m or kind == "application/octet-stream" for way in ways for kind, m in way.items())


def trail():
    """Where in the story it went wrong."""
    at, found = sys.exc_info()[2], ""
    while at:
        if at.tb_frame.f_code.co_name in CHAPTERS:
            found = f"{at.tb_frame.f_code.co_name}, line {at.tb_lineno}"
        at = at.tb_next
    return found


if __name__ == "__main__":
    sys.exit(main())
