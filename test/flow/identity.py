#!/usr/bin/python3
# timeout: 180
"""Who people are: sign-in with a real OpenID Connect provider, groups from claims, rotated keys, device and loopback sign-in,
sessions, tokens, service accounts, and tokens of other issuers exchanged for short ones."""
import base64
import hashlib
import http.client
import html
import http.cookies
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__))
import api_basic  # noqa: E402
from api_basic import FAILED, Phid, check, free_ports, starter  # noqa: E402

PHI = os.path.join(os.path.dirname(os.path.dirname(api_basic.PHID)), "bin/phi")
NODE = os.path.join(api_basic.TOP, "test/node")
SECRET = "a-secret&of%the=client"
JWT = "urn:ietf:params:oauth:token-type:jwt"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class Page:
    def __init__(self, url, response):
        self.url, self.status, self.headers = url, response.status, response.headers
        self.body = response.read().decode(errors="replace")

    def field(self, name):
        found = re.search(rf'name="{name}" value="([^"]*)"', self.body)
        return html.unescape(found.group(1)) if found else None

    @property
    def next(self):
        found = re.search(r'http-equiv="refresh" content="0;url=([^"]*)"', self.body)
        return html.unescape(found.group(1)) if found else self.headers.get("Location")


class Browser:
    """Keeps cookies per host and port, follows nothing by itself."""

    def __init__(self):
        self.cookies = {}

    def ask(self, method, url, form=None, headers=None):
        u = urllib.parse.urlsplit(url)
        c = http.client.HTTPConnection(u.hostname, u.port, timeout=20)
        jar = self.cookies.setdefault(u.netloc, {})
        h = {"Cookie": "; ".join(f"{k}={v}" for k, v in jar.items())} if jar else {}
        if form is not None:
            h["Content-Type"] = "application/x-www-form-urlencoded"
            h["Origin"] = f"{u.scheme}://{u.netloc}"
        h.update(headers or {})
        try:
            c.request(method, (u.path or "/") + ("?" + u.query if u.query else ""), None if form is None else urllib.parse.urlencode(form), h)
            page = Page(url, c.getresponse())
        finally:
            c.close()
        for line in page.headers.get_all("Set-Cookie") or []:
            for name, m in http.cookies.SimpleCookie(line).items():
                jar[name] = m.value
                if m["max-age"] == "0" or "1970" in m["expires"]:
                    jar.pop(name)
        return page

    def follow(self, page, until):
        for _ in range(12):
            if page.next is None:
                return page
            url = urllib.parse.urljoin(page.url, page.next)
            if until and url.startswith(until):
                return url
            page = self.ask("GET", url)
        raise RuntimeError("too many steps")


class Provider:
    def __init__(self, folder, port, redirect):
        self.folder, self.port, self.redirect, self.process = folder, port, redirect, None
        self.issuer = f"http://127.0.0.1:{port}"

    def start(self, seed):
        self.stop()
        with open(os.path.join(self.folder, "provider.log"), "ab") as log:
            self.process = subprocess.Popen(["node", os.path.join(NODE, "provider.mjs"), str(self.port), self.redirect, seed],
                                            stdout=subprocess.PIPE, stderr=log, cwd=NODE)
        return self.process.stdout.readline().strip() == b"ready"

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def post(self, path, value):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            c.request("POST", path, json.dumps(value))
            return c.getresponse().read().decode()
        finally:
            c.close()

    def accounts(self, **accounts):
        self.post("/accounts", accounts)

    def mint(self, claims, **more):
        now = int(time.time())
        full = {"iss": self.issuer, "aud": "phi-ci", "iat": now, "exp": now + 300, "sub": "repo:acme/shop:ref:refs/heads/main",
                "repository": "acme/shop", "ref": "refs/heads/main", "jti": secrets.token_hex(8), **claims}
        return self.post("/mint", {"claims": {k: v for k, v in full.items() if v is not None}, **more})


def to_provider(b, p, name="idp", form=None):
    page = b.ask("POST", f"{p.url}/login/oidc/{name}", form or {"next": "/"})
    return page


def sign_in(b, p, account, name="idp", change=lambda url: url):
    """The whole way: phid, provider, its form, back to phid. Returns phid's last page."""
    page = b.follow(to_provider(b, p, name), f"{p.url}/login/oidc/")
    if isinstance(page, Page):
        if page.status != 200 or "login" not in page.body:
            return page
        page = b.ask("POST", page.url, {"login": account})
        page = b.follow(page, f"{p.url}/login/oidc/")
    return b.ask("GET", change(page)) if isinstance(page, str) else page


def me(b, p):
    page = b.ask("GET", f"{p.url}/v1/whoami")
    return json.loads(page.body) if page.status == 200 else None


def config(idp, **more):
    return {"kind": "oidc", "config": {"issuer": idp.issuer, "client_id": "phi", "secret": True, "title": "Acme <b>", "groups_claim": "groups",
                                       "groups": {"acme-dba": "dba", "acme-dev": "dev"}, "strong": ["mfa"], "create": True, **more}}


def test_sign_in(p, idp, admin):
    idp.accounts(carol={"claims": {"groups": ["acme-dba", "else"]}, "login": {"amr": ["pwd", "mfa"]}}, dan={"claims": {"groups": ["acme-dev"]}})
    a = admin.call("PUT", "/v1/providers/idp", config(idp))
    check("a provider is set by an administrator", a.status == 200, a)
    b = Browser()
    page = b.ask("GET", f"{p.url}/login")
    check("the sign-in page has a button for it, its title escaped", "Acme &lt;b&gt;" in page.body and "<b>" not in page.body, page.body)
    page = sign_in(b, p, "carol")
    who = me(b, p)
    check("an account that is new becomes a person", who and who["person"]["name"] == "carol", (page.status, page.body, p.said()[-600:]))
    if not who:
        return
    check("and is in the groups that the claim maps to, and no other", who["person"]["groups"] == ["dba"], who)
    s = json.loads(b.ask("GET", f"{p.url}/v1/sessions").body)["sessions"][0]
    check("the session knows the provider and the second factor", s["provider"] == "idp" and "second_factor_at" in s and s["kind"] == "web", s)
    b2 = Browser()
    idp.accounts(carol={"claims": {"groups": []}, "login": {"amr": ["pwd"]}})
    sign_in(b2, p, "carol")
    check("a group that the provider no longer says is left at once", me(b, p)["person"]["groups"] == [], me(b, p))
    s = json.loads(b2.ask("GET", f"{p.url}/v1/sessions").body)["sessions"]
    check("without a second factor none is noted", len(s) == 2 and "second_factor_at" not in s[0], s)
    again = b.ask("GET", f"{p.url}/v1/whoami")
    check("two sign-ins are one person", json.loads(again.body)["person"]["id"] == me(b2, p)["person"]["id"])


def test_attacks(p, idp, admin):
    b, other = Browser(), Browser()
    page = to_provider(b, p)
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.next).query))
    check("PKCE, state and nonce go along", asked["code_challenge_method"] == "S256" and len(asked["state"]) == 43 and len(asked["nonce"]) == 43, asked)
    check("the cookie of a sign-in is HttpOnly and Lax", "HttpOnly" in page.headers["Set-Cookie"] and "SameSite=Lax" in page.headers["Set-Cookie"], page.headers["Set-Cookie"])
    back = []
    sign_in(b, p, "dan", change=lambda url: back.append(url) or url)
    check("dan is signed in", me(b, p) and me(b, p)["person"]["groups"] == ["dev"])
    page = b.ask("GET", back[0])
    check("an answer is taken once", page.status in (403, 404), page.body)
    page = sign_in(other, p, "dan", change=lambda url: back.append(url) or url + "x")
    check("a changed answer is refused", page.status != 200 and me(other, p) is None, page.body)
    thief = Browser()
    page = to_provider(thief, p)
    victim = Browser()
    stolen = []
    sign_in(thief, p, "dan", change=lambda url: stolen.append(url) or f"{p.url}/healthz")
    page = victim.ask("GET", stolen[0])
    check("an answer counts only in the browser that asked (login CSRF)", page.status == 403 and me(victim, p) is None, page.body)
    forged = urllib.parse.urlsplit(stolen[0])
    q = dict(urllib.parse.parse_qsl(forged.query))
    q["iss"] = "https://evil.test"
    page = thief.ask("GET", forged._replace(query=urllib.parse.urlencode(q)).geturl())
    check("an answer that names another issuer is refused (mix-up)", page.status == 403 and "iss" in page.body, page.body)
    page = victim.ask("GET", f"{p.url}/login/oidc/idp/callback?error=access_denied&error_description=%3Cscript%3E&state=x")
    check("an error of the provider is shown without its markup", page.status == 403 and "<script" not in page.body, page.body)
    page = victim.ask("POST", f"{p.url}/login/oidc/idp", {"next": "//evil.test/"})
    check("a sign-in begins", page.status == 200)
    page = victim.ask("POST", f"{p.url}/login/oidc/idp", {"next": "/"}, {"Origin": "https://evil.test"})
    check("not from another site's form", page.status == 403, page.status)
    idp.accounts(ALICE={"claims": {"preferred_username": "Admin"}}, eve={"claims": {"preferred_username": "аdmin"}},
                 mallory={"claims": {"preferred_username": "carol"}})
    for account, why in (("ALICE", "somebody"), ("eve", "cannot be one"), ("mallory", "somebody")):
        e = Browser()
        page = sign_in(e, p, account)
        check(f"a name of somebody else's is not given to {account}", page.status == 403 and why in page.body and me(e, p) is None, page.body)


def test_more_accounts(p, idp, admin):
    admin.post("/v1/people", {"name": "frank"})
    idp.accounts(f1={"claims": {"preferred_username": "frank"}}, f2={"claims": {"preferred_username": "frank"}},
                 g1={"claims": {"email": "Frank.G@Acme.Test", "email_verified": False}})
    admin.call("PUT", "/v1/providers/idp", config(idp, create=False))
    b = Browser()
    check("without create and adopt nobody new comes in", sign_in(b, p, "f1").status == 403)
    admin.call("PUT", "/v1/providers/idp", config(idp, create=False, adopt=True))
    sign_in(b, p, "f1")
    check("with adopt a person who was added before gets the account of that name", me(b, p) and me(b, p)["person"]["name"] == "frank")
    b2 = Browser()
    check("but no second account takes it over", sign_in(b2, p, "f2").status == 403 and me(b2, p) is None)
    a = admin.post("/v1/identities", {"provider": "idp", "subject": "f2", "person": "frank"})
    sign_in(b2, p, "f2")
    check("an administrator links a second account to one person", a.status == 204 and me(b2, p)["person"]["name"] == "frank", a)
    a = admin.post("/v1/identities", {"provider": "idp", "subject": "f2", "person": "carol"})
    check("an account is one person's", a.status == 409 and a.code == "identity.taken", a)
    a = admin.call("DELETE", "/v1/identities/idp/f2")
    check("unlinking ends its person's sessions", a.status == 204 and me(b2, p) is None and me(b, p) is None, a)
    admin.call("PUT", "/v1/providers/idp", config(idp, name_claim="email"))
    check("an address that nobody verified is no name", sign_in(Browser(), p, "g1").status == 403)
    idp.accounts(g1={"claims": {"email": "Frank.G@Acme.Test", "email_verified": True}})
    b = Browser()
    sign_in(b, p, "g1")
    check("a verified one is, in small letters", me(b, p) and me(b, p)["person"]["name"] == "frank.g@acme.test", me(b, p))
    admin.call("PUT", "/v1/providers/idp", config(idp))
    bad = {"issuer": "ftp://x"}, {"client_id": 7}, {"unknown": 1}, {"groups": {"a": "Not A Group"}}, {"groups": None}
    for wrong in bad:
        a = admin.call("PUT", "/v1/providers/wrong", config(idp, **wrong))
        ok = a.status == 400 or wrong == {"issuer": "ftp://x"}
        check(f"a configuration with {wrong} is refused", ok, a)


def test_userinfo(p, idp, admin):
    idp.accounts(gina={"claims": {"groups": None}, "info": {"groups": ["acme-dba"]}}, hugo={"info": {"sub": "gina", "groups": ["acme-dba"]}})
    b = Browser()
    sign_in(b, p, "gina")
    check("without userinfo only the id_token's groups count", me(b, p) and me(b, p)["person"]["groups"] == [], me(b, p))
    idp.accounts(gina={"info": {"groups": ["acme-dba"], "email": "x"}})
    admin.call("PUT", "/v1/providers/idp", config(idp, userinfo=True))
    sign_in(b, p, "gina")
    check("with it those that only the userinfo endpoint says", me(b, p)["person"]["groups"] == ["dba"], (me(b, p), p.said()[-400:]))
    idp.accounts(gina={"claims": {"groups": ["acme-dev"]}, "info": {"groups": ["acme-dba"]}})
    sign_in(b, p, "gina")
    check("what the signed token says stands above", me(b, p)["person"]["groups"] == ["dev"], me(b, p))
    e = Browser()
    page = sign_in(e, p, "hugo")
    check("an answer about somebody else (sub) is refused", page.status == 403 and me(e, p) is None, page.body)
    admin.call("PUT", "/v1/providers/idp", config(idp))


def test_keys(p, idp):
    check("the provider comes back with other keys", idp.start("two"))
    idp.accounts(dan={"claims": {"groups": ["acme-dev"]}})
    time.sleep(10.5)  # keys are not asked for anew within 10 s
    b = Browser()
    page = sign_in(b, p, "dan")
    check("a token of a key that is not known yet makes phid look again", me(b, p) is not None, (page.status, page.body, p.said()[-500:]))


def token(p, **form):
    page = Browser().ask("POST", f"{p.url}/v1/token", form, {"Origin": p.url})
    return page.status, json.loads(page.body)


def browser_of(p, name, admin):
    b = Browser()
    secret = admin.post("/v1/links", {"person": name}).json["secret"]
    b.ask("POST", f"{p.url}/login/{secret}", {})
    return b


def test_device(p, admin):
    page = Browser().ask("POST", f"{p.url}/v1/device", {"client_name": "phi on <box>"})
    d = json.loads(page.body)
    check("a device gets its codes", page.status == 200 and re.fullmatch("[B-Z]{4}-[B-Z]{4}", d["user_code"]), page.body)
    status, t = token(p, grant_type=DEVICE, device_code=d["device_code"])
    check("and waits", status == 400 and t["error"] == "authorization_pending", t)
    page = Browser().ask("GET", d["verification_uri_complete"])
    check("who is not signed in must sign in first", "Sign in" in page.body and "Sign it in" not in page.body and page.field("next").startswith("/device?code="), page.body)
    b = browser_of(p, "carol", admin)
    page = b.ask("GET", d["verification_uri_complete"])
    check("who is sees what asks, and from where", "phi on &lt;box&gt;" in page.body and "127.0.0.1" in page.body and "carol" in page.body, page.body)
    code, csrf = page.field("code"), page.field("csrf")
    page = b.ask("POST", f"{p.url}/device", {"code": code, "csrf": "x" * 43, "answer": "yes"})
    check("not without the page's proof", page.status == 403, page.status)
    page = b.ask("POST", f"{p.url}/device", {"code": code, "csrf": csrf, "answer": "yes"}, {"Origin": "https://evil.test"})
    check("nor from elsewhere", page.status == 403, page.status)
    page = b.ask("POST", f"{p.url}/device", {"code": code, "csrf": csrf, "answer": "yes"})
    check("confirmed", page.status == 200 and "signed in as you" in page.body, page.body)
    page = b.ask("POST", f"{p.url}/device", {"code": code, "csrf": csrf, "answer": "no"})
    check("a code is answered once", page.status in (404, 409), page.status)
    status, t = token(p, grant_type=DEVICE, device_code=d["device_code"])
    who = p.api(t.get("access_token")).get("/v1/whoami")
    check("the device is signed in as who confirmed", status == 200 and who.json["person"]["name"] == "carol", (t, who))
    status, again = token(p, grant_type=DEVICE, device_code=d["device_code"])
    check("its code is used up", status == 400 and again["error"] == "expired_token", again)
    d = json.loads(Browser().ask("POST", f"{p.url}/v1/device", {"client_name": "x"}).body)
    b.ask("POST", f"{p.url}/device", {"code": d["user_code"].lower().replace("-", ""), "csrf": csrf, "answer": "no"})
    status, t = token(p, grant_type=DEVICE, device_code=d["device_code"])
    check("refused is refused", status == 400 and t["error"] == "access_denied", t)
    return b


def test_loopback(p, admin):
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    b = browser_of(p, "carol", admin)
    ask = {"port": "45123", "state": "s" * 22, "challenge": challenge, "note": "phi on box"}
    page = b.ask("GET", f"{p.url}/authorize?" + urllib.parse.urlencode(ask))
    form = {"csrf": page.field("csrf"), "answer": "yes", **ask}
    page = b.ask("POST", f"{p.url}/authorize", form)
    check("a confirmed loopback sign-in goes back to the CLI's port", page.next.startswith("http://127.0.0.1:45123/?code="), page.body)
    code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.next).query))["code"]
    status, t = token(p, grant_type="authorization_code", code=code, code_verifier="w" * 64, redirect_uri="http://127.0.0.1:45123/")
    check("a stolen code is worth nothing without the verifier, and is gone", status == 400 and t["error"] == "invalid_grant", t)
    page = b.ask("POST", f"{p.url}/authorize", form)
    code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.next).query))["code"]
    status, t = token(p, grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri="http://127.0.0.1:45123/")
    who = p.api(t.get("access_token")).get("/v1/whoami")
    check("the CLI is signed in", status == 200 and who.json["person"]["name"] == "carol", (t, who))
    for wrong in ({"port": "80"}, {"port": "45123@evil.test"}, {"state": "\"><script>"}, {"challenge": "short"}):
        page = b.ask("GET", f"{p.url}/authorize?" + urllib.parse.urlencode({**ask, **wrong}))
        check(f"{wrong} is refused", page.status == 400, page.status)
    return p.api(t["access_token"])


def test_sessions(p, carol, b):
    all_ = carol.get("/v1/sessions").json["sessions"]
    mine = [s for s in all_ if s["current"]]
    check("one's sessions are listed, with what they are", len(mine) == 1 and mine[0]["note"] == "phi on box" and mine[0]["kind"] == "cli", all_)
    other = next(s for s in all_ if not s["current"] and s["kind"] == "web")
    a = carol.call("DELETE", f"/v1/sessions/{other['id']}")
    check("one is ended by its owner", a.status == 200 and other["id"] not in [s["id"] for s in carol.get("/v1/sessions").json["sessions"]], a)
    a = carol.call("DELETE", "/v1/sessions")
    check("all others are", a.status == 200 and len(carol.get("/v1/sessions").json["sessions"]) == 1 and me(b, p) is None, a)


def test_tokens(p, admin, carol):
    week = 7 * 24 * 3600 * 1000
    a = carol.post("/v1/tokens", {"name": "reports", "rights": ["see"], "for_ms": week})
    secret = a.json["token"]
    check("a token begins with what scanners look for", a.status == 201 and secret.startswith("phi_") and len(secret) == 47, a)
    t = p.api(secret)
    check("it speaks for its maker, with what it carries", t.get("/v1/whoami").json["person"]["name"] == "carol" and t.get("/v1/requests").status == 200)
    a = t.post("/v1/requests", {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop"]}, "why": "x"})
    check("and nothing that it does not carry", a.status == 403 and a.code == "right.missing" and "token" in a.json["detail"], a)
    a = t.post("/v1/tokens", {"name": "more", "rights": ["see"], "for_ms": week})
    check("a token makes no token", a.status == 403 and a.code == "token.by-token", a)
    check("and ends no session", t.call("DELETE", "/v1/sessions").status == 403)
    for wrong in ({"rights": ["vote"]}, {"rights": ["root"]}, {"rights": []}, {"for_ms": 0}, {"for_ms": 400 * 24 * 3600 * 1000}):
        a = carol.post("/v1/tokens", {"name": "x", "rights": ["see"], "for_ms": week, **wrong})
        check(f"{wrong} is refused", a.status == 400, a)
    a = carol.post("/v1/tokens", {"name": "x", "rights": ["see"], "for_ms": week, "service": "admin"})
    check("nobody makes a token for another person", a.status == 403 and a.code == "token.other", a)
    stream = api_basic.Events(t)
    check("it may watch", stream.opened.wait(10))
    all_ = carol.get("/v1/tokens").json["tokens"]
    check("its list says when it was last used, and never the token", len(all_) == 1 and "used_at" in all_[0] and secret not in json.dumps(all_), all_)
    check("another's token cannot be revoked", p.api(secret).call("DELETE", f"/v1/tokens/{all_[0]['id']}").status == 403)
    check("it is revoked", carol.call("DELETE", f"/v1/tokens/{all_[0]['id']}").status == 204 and t.get("/v1/whoami").status == 401)
    admin.post("/v1/groups/dba/members", {"person": "carol"})
    admin.call("DELETE", "/v1/groups/dba/members/carol")
    check("and watches nothing any more", stream.wait("request", seconds=0.5) is None)
    short = p.api(carol.post("/v1/tokens", {"name": "short", "rights": ["see"], "for_ms": 1000}).json["token"])
    time.sleep(1.2)
    check("and ends by itself", short.get("/v1/whoami").status == 401)
    a = admin.post("/v1/services", {"name": "ci-deploy", "groups": ["dev"]})
    check("a service account is added", a.status == 201, a)
    check("a person without the right adds none", carol.post("/v1/services", {"name": "mine"}).status == 403)
    for wrong in ("auto", "phid", "A", "admin", "00000000-0000-7000-8000-000000000000"):
        check(f"none is called {wrong}", admin.post("/v1/services", {"name": wrong}).status in (400, 409))
    a = admin.post("/v1/tokens", {"name": "ci", "rights": ["see", "ask"], "for_ms": week, "service": "ci-deploy"})
    s = p.api(a.json["token"])
    check("its token speaks for it", s.get("/v1/whoami").json["person"]["name"] == "ci-deploy", a)
    return s


def test_service_asks(p, admin, s):
    texts = starter()
    texts["policies"] += '\n@id("ci") permit (principal == Service::"ci-deploy", action in phi::Action::"requester", resource);\n'
    check("before the policy says so it may not even ask", s.get("/v1/requests").status == 403)
    a = admin.call("PUT", "/v1/bundle", texts)
    check("a policy for the service", a.status == 200, a)
    admin.post("/v1/targets", {"name": "shop", "kind": "postgresql", "address": "localhost:1", "database": "shop"})
    a = admin.post("/v1/groups/dba/members", {"person": "carol"})
    check("carol may approve", a.status == 204, a)
    a = s.post("/v1/requests", {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop"]}, "why": "deploy", "for_ms": 60000})
    check("a service asks, and its request says what it is", a.status == 201 and a.json["body"]["requester"] == {"type": "Service", "id": "ci-deploy"}, a)
    code = a.json.get("code", "")
    secret = admin.post("/v1/links", {"person": "carol"}).json["secret"]
    carol = p.api(p.api().post("/v1/sessions", {"link": secret}).json["token"])
    seen = carol.get(f"/v1/requests/{code}").json
    own = admin.get(f"/v1/requests/{code}").json
    admin.post("/v1/groups/dba/members", {"person": "admin"})
    v = admin.post(f"/v1/requests/{code}/votes", {"decision": "approve", "digest": own.get("digest"), "version": 1})
    check("nobody approves who could act as the service (made its token)", v.status == 403, v)
    a = carol.post(f"/v1/requests/{code}/votes", {"decision": "approve", "digest": seen.get("digest"), "version": 1})
    check("a person approves it", a.status == 200 and a.json["status"] == "approved" and a.json["grant"]["principal"]["name"] == "ci-deploy", a)


class Cli:
    def __init__(self, p, name):
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PHI_") and k != "DISPLAY"}
        self.env.update(PHI_CONFIG_DIR=os.path.join(p.folder, name), PHI_LOGIN_POLL_MS="100")

    def start(self, *args, **env):
        return subprocess.Popen([PHI, *args], env={**self.env, **env}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def run(self, *args, **env):
        done = self.start(*args, **env)
        out, err = done.communicate(timeout=30)
        return done.returncode, out, err


def read_until(process, pattern):
    """Lines of standard error up to the one that has what is looked for."""
    said = ""
    for line in process.stderr:
        said += line
        found = re.search(pattern, line)
        if found:
            return found
    raise RuntimeError("phi ended: " + said)


def test_cli(p, idp, admin):
    b = browser_of(p, "carol", admin)
    cli = Cli(p, "device")
    login = cli.start("login", p.url, "--device")
    code = read_until(login, "type ([B-Z]{4}-[B-Z]{4})").group(1)
    page = b.ask("GET", f"{p.url}/device?code={code}")
    check("phi login --device: the page says which machine asks", "phi on " in page.body and os.uname().nodename in page.body, page.body)
    b.ask("POST", f"{p.url}/device", {"code": code, "csrf": page.field("csrf"), "answer": "yes"})
    out, err = login.communicate(timeout=30)
    check("and it is signed in", login.returncode == 0 and "Signed in as carol" in out, (out, err))
    check("its session file is its owner's alone", os.stat(os.path.join(p.folder, "device/session")).st_mode & 0o777 == 0o600)
    cli2 = Cli(p, "loopback")
    login = cli2.start("login", p.url, PHI_LOGIN_NO_OPEN="1")
    url = read_until(login, r"(http://\S+/authorize\S+)").group(1)
    port = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["port"]
    stranger = Browser().ask("GET", f"http://127.0.0.1:{port}/?code=x&state=wrong")
    page = b.ask("GET", url)
    form = {name: page.field(name) for name in ("csrf", "port", "state", "challenge", "note")}
    page = b.ask("POST", f"{p.url}/authorize", {**form, "answer": "yes"})
    end = b.ask("GET", page.next)
    out, err = login.communicate(timeout=30)
    check("phi login through the browser", login.returncode == 0 and "Signed in as carol" in out and end.status == 200, (out, err))
    check("a stranger's answer on that port is not taken", stranger.status == 404)
    login = cli2.start("login", PHI_LOGIN_NO_OPEN="1")
    url = read_until(login, r"(http://\S+/authorize\S+)").group(1)
    page = b.ask("GET", url)
    form = {name: page.field(name) for name in ("csrf", "port", "state", "challenge", "note")}
    page = b.ask("POST", f"{p.url}/authorize", {**form, "answer": "no"})
    b.ask("GET", page.next)
    login.communicate(timeout=30)
    check("refused in the browser: exit code 3", login.returncode == 3, login.returncode)
    rc, out, err = cli.run("session", "list")
    check("phi session list", rc == 0 and "phi on " in out and "cli" in out, (out, err))
    rc, out, err = cli.run("session", "end", "--all")
    check("phi session end --all", rc == 0 and cli2.run("whoami")[0] == 1 and cli.run("whoami")[0] == 0, (out, err))
    rc, out, err = cli.run("token", "create", "reports", "--for", "30d", "--scope", "see")
    check("phi token create prints the token and nothing else", rc == 0 and re.fullmatch(r"phi_[\w-]{43}\n", out), (out, err))
    rc, text, err = Cli(p, "nobody").run("whoami", PHI_URL=p.url, PHI_TOKEN=out.strip())
    check("which PHI_TOKEN takes", rc == 0 and "carol" in text, (text, err))
    rc, text, err = cli.run("token", "list", "--json")
    mine = json.loads(text)["tokens"]
    check("phi token list and revoke", len(mine) == 1 and cli.run("token", "revoke", mine[0]["id"])[0] == 0 and cli.run("token")[1] == "None.\n", text)
    root = Cli(p, "admin")
    link = admin.post("/v1/links", {"person": "admin"}).json["link"]
    check("phi login with a one-time link still works", root.run("login", link)[0] == 0)
    with open(os.path.join(p.folder, "idp2.yaml"), "w", encoding="utf-8") as f:
        f.write(f"kind: oidc\nissuer: {idp.issuer}\nclient_id: other\ntitle: Other\n")
    rc, out, err = root.run("provider", "set", "other", os.path.join(p.folder, "idp2.yaml"))
    check("phi provider set, list, remove", rc == 0 and "other" in root.run("provider")[1] and root.run("provider", "remove", "other")[0] == 0, (out, err))
    check("phi service add", root.run("service", "add", "robot", "--group", "dev")[0] == 0)


def test_browser(p, idp):
    idp.accounts(erin={"claims": {"groups": ["acme-dev"]}})
    steps = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_identity_steps.mjs")
    done = subprocess.run(["node", steps], env={**os.environ, "PHI_IDENTITY": json.dumps({"url": p.url, "issuer": idp.issuer})}, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=120)
    print(done.stdout, end="", flush=True)
    if done.returncode not in (0, 77):
        FAILED.append("browser")


def github(idp, **more):
    return {"kind": "workload", "config": {"issuer": idp.issuer, "audience": "phi-ci", "service": "ci-deploy", "rights": ["see", "ask"], "max_ms": 600000,
                                           "claims": {"repository": "acme/shop", "ref": "refs/heads/*"}, **more}}


def documented_claims():
    """What docs/ci.md says to pin of each issuer's tokens: {issuer: [claims]}."""
    with open(os.path.join(api_basic.TOP, "docs/ci.md"), encoding="utf-8") as f:
        rows = re.findall(r"^\| (GitHub Actions|GitLab|Kubernetes) \| .*? \| (.*) \|$", f.read(), re.M)
    return {name: [c.split(":")[0] for c in re.findall(r"`([^`]+)`", text)] for name, text in rows}


# As GitLab 17 and Kubernetes 1.30 document theirs, besides iss, aud, iat, exp and jti.
GITLAB = {"namespace_id": "72", "namespace_path": "acme", "project_id": "20", "project_path": "acme/shop", "user_id": "1", "user_login": "dan", "user_email": "dan@acme.test",
          "user_access_level": "developer", "pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main",
          "ref_protected": "true", "environment": "production", "environment_protected": "true", "deployment_tier": "production", "runner_id": 1,
          "runner_environment": "gitlab-hosted", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "private", "ci_config_ref_uri": "gitlab.test/acme/shop//.gitlab-ci.yml@refs/heads/main",
          "sub": "project_path:acme/shop:ref_type:branch:ref:main", "repository": None}
KUBERNETES = {"sub": "system:serviceaccount:prod:deployer", "aud": ["phi-ci"], "repository": None, "ref": None,
              "kubernetes.io": {"namespace": "prod", "node": {"name": "n1", "uid": "7c1b"}, "pod": {"name": "deploy-x7", "uid": "aa07"},
                                "serviceaccount": {"name": "deployer", "uid": "81f4"}}}


def shaped_like_others(idp, admin, exchange):
    """Tokens as GitLab and Kubernetes make them, pinned by what docs/ci.md names."""
    named = documented_claims()
    check("docs/ci.md pins claims that such tokens have", set(named) == {"GitHub Actions", "GitLab", "Kubernetes"} and all(c in GITLAB for c in named["GitLab"])
          and named["Kubernetes"] == ["sub", "/kubernetes.io/namespace"], named)
    gitlab = {c: GITLAB[c] for c in named["GitLab"]}
    inside = {"/kubernetes.io/namespace": "prod", "/kubernetes.io/serviceaccount/name": "deployer"}
    cases = (("gitlab", gitlab, GITLAB, {"a fork": {"project_path": "eve/shop"}, "another branch": {"ref": "topic"}, "a tag of that name": {"ref_type": "tag"},
                                        "a branch that anybody may push to": {"ref_protected": "false"}, "a token without that": {"ref_protected": None}}),
             ("gitlab, by sub", {"sub": "project_path:acme/shop:ref_type:branch:ref:*"}, {**GITLAB, "aud": ["phi-ci"]},
              {"a tag": {"sub": "project_path:acme/shop:ref_type:tag:ref:main"}, "a group below": {"sub": "project_path:acme/shop/x:ref_type:branch:ref:main"}}),
             ("kubernetes", {"sub": "system:serviceaccount:prod:deployer"}, KUBERNETES, {"another namespace": {"sub": "system:serviceaccount:dev:deployer"},
                                                                                          "an audience of the cluster's own": {"aud": ["https://kubernetes.default.svc"]}, "no audience": {"aud": []}}),
             ("kubernetes, deeper", inside, {**KUBERNETES, "aud": ["other", "phi-ci"]},
              {"another namespace": {"kubernetes.io": {"namespace": "dev", "serviceaccount": {"name": "deployer"}}}, "a namespace beside": {"kubernetes.io": {}, "namespace": "prod"},
               "none of it": {"kubernetes.io": None}, "a text in its place": {"kubernetes.io": "prod"}}))
    for name, pins, claims, others in cases:
        got = admin.call("PUT", "/v1/providers/gh", github(idp, claims=pins))
        status, t = exchange(idp.mint(claims))
        check(f"{name}: its token is exchanged", got.status == 200 and status == 200, (got, t))
        for what, change in others.items():
            status, t = exchange(idp.mint({**claims, **change}))
            check(f"{name}: {what} is refused", status == 400 and "access_token" not in t, t)
    admin.call("PUT", "/v1/providers/gh", github(idp))


def test_workload(p, idp, admin):
    def exchange(tok, **form):
        return token(p, grant_type=EXCHANGE, subject_token=tok, subject_token_type=JWT, **form)
    good = idp.mint({})
    status, t = exchange(good)
    check("no issuer is trusted unless configured", status == 400 and t["error"] == "invalid_grant", t)
    for wrong in ({"claims": {}}, {"claims": {"repository": "**"}}, {"service": "carol"}, {"max_ms": 0}, {"rights": ["vote"]}, {"service": "nobody"}):
        a = admin.call("PUT", "/v1/providers/gh", github(idp, **wrong))
        check(f"a trust with {wrong} is refused", a.status in (400, 404), a)
    a = admin.call("PUT", "/v1/providers/gh", github(idp))
    check("an issuer is trusted for one repository", a.status == 200, a)
    status, t = exchange(good)
    who = p.api(t.get("access_token")).get("/v1/whoami")
    check("its token becomes a short one of the service's", status == 200 and 590 <= t["expires_in"] <= 600 and who.json["person"]["name"] == "ci-deploy", (t, who))
    status, t = exchange(good)
    check("once", status == 400 and "already" in t["error_description"], t)
    now = int(time.time())
    wrong = {
        "of another audience": idp.mint({"aud": "https://github.com/acme"}),
        "of another repository": idp.mint({"repository": "acme/other"}),
        "of a repository that begins alike": idp.mint({"repository": "acme/shop-evil"}),
        "of another owner": idp.mint({"repository": "evil/acme/shop"}),
        "of a deeper ref": idp.mint({"ref": "refs/heads/a/b"}),
        "of a pull request": idp.mint({"ref": "refs/pull/7/merge"}),
        "without the claim": idp.mint({"repository": None}),
        "whose claim is a list": idp.mint({"repository": ["acme/shop"]}),
        "that is over": idp.mint({"iat": now - 900, "exp": now - 120}),
        "of the future": idp.mint({"iat": now + 600, "nbf": now + 600, "exp": now + 900}),
        "without an end": idp.mint({"exp": None}),
        "of another issuer": idp.mint({"iss": "https://token.actions.evil.test"}),
        "signed by a stranger": idp.mint({}, key="stranger"),
        "with alg none": idp.mint({}, alg="none"),
        "with HMAC by the public key": idp.mint({}, alg="HS256"),
        "of a key that the issuer lacks": idp.mint({}, kid="nobody"),
        "with a key of its own": idp.mint({}, key="stranger", header={"jwk": {"kty": "RSA"}, "jku": "https://evil.test/k"}),
        "with crit": idp.mint({}, header={"crit": ["exp"]}),
        "that is none": "a.b.c",
    }
    for what, tok in wrong.items():
        status, t = exchange(tok)
        check(f"a token {what} is refused", status == 400 and "access_token" not in t, t)
    first = idp.mint({}, alg="ES256")
    status, t = exchange(first)
    check("a token of an elliptic key is fine", status == 200, t)
    shaped_like_others(idp, admin, exchange)
    text, sig = first.rsplit(".", 1)
    raw = base64.urlsafe_b64decode(sig + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    status, t = exchange(text + "." + base64.urlsafe_b64encode(other).decode().rstrip("="))
    check("once, also under the other signature that anybody can make of an elliptic one", status == 400 and "already" in t["error_description"], t)
    status, t = token(p, grant_type=EXCHANGE, subject_token=idp.mint({}), subject_token_type="urn:ietf:params:oauth:token-type:saml2")
    check("another type is refused", status == 400 and t["error"] == "invalid_request", t)
    status, t = exchange(idp.mint({}, alg="EdDSA"))
    check("another algorithm of the issuer's own keys is fine", status == 200, t)
    check("the provider is trusted no more", admin.call("DELETE", "/v1/providers/gh").status == 204 and exchange(idp.mint({}))[0] == 400)


def test_log(p, admin):
    text = json.dumps(admin.get("/v1/log/entries?limit=1000").json["entries"])
    for event in ("provider.set", "identity.linked", "identity.removed", "token.made", "token.revoked", "session.opened", "session.closed", "provider.removed"):
        check(f"{event} is in the log", event in text)
    said = p.said() + text
    check("and no secret is, there or in phid's own log", SECRET not in said and "phi_" not in p.said() and "eyJ" not in said)


def main():
    folder = tempfile.mkdtemp(prefix="phi-identity-")
    p = idp = None
    try:
        p = Phid(folder)
        idp = Provider(folder, free_ports(1)[0], f"{p.url}/login/oidc/idp/callback")
        os.makedirs(f"{folder}/secrets", mode=0o700)
        with open(f"{folder}/secrets/oidc-idp", "w", encoding="utf-8", opener=lambda f, m: os.open(f, m, 0o600)) as f:
            f.write(SECRET + "\n")
        web = os.path.join(api_basic.TOP, "web/dist")
        console = f"console: {web}\n" if os.path.exists(os.path.join(web, "index.html")) else ""
        p.write_config(f"{console}secrets: {folder}/secrets\noutgoing_allow: [127.0.0.1]\n")
        link = p.run("bootstrap", "--admin", "admin").stdout
        check("phid and the provider start", p.start() and idp.start("one"), p.said())
        admin = p.api(p.api().post("/v1/sessions", {"link": re.search(r"/login/(\S+)", link).group(1)}).json["token"])
        test_sign_in(p, idp, admin)
        test_attacks(p, idp, admin)
        test_more_accounts(p, idp, admin)
        test_userinfo(p, idp, admin)
        test_browser(p, idp)
        test_keys(p, idp)
        b = test_device(p, admin)
        carol = test_loopback(p, admin)
        test_sessions(p, carol, b)
        s = test_tokens(p, admin, carol)
        test_cli(p, idp, admin)
        test_service_asks(p, admin, s)
        test_workload(p, idp, admin)
        test_log(p, admin)
        check("phid stops cleanly", p.stop() == 0, p.said()[-800:])
    finally:
        if idp:
            idp.stop()
        if p and p.process and p.process.poll() is None:
            p.process.kill()
            p.process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(FAILED)} failed" if FAILED else "all passed")
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
