"""For the attacks: everybody's API, by token, cookie or certificate, over a running phiflow.Flow."""
import base64
import http.client
import json
import os
import ssl
import subprocess
import urllib.parse
import uuid

import house as houses


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def code(self):
        return self.json.get("code", "")

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Caller:
    """Sends what it is told and answers whatever comes, refusals too."""

    def __init__(self, port, headers=None, tls=None):
        self.port, self.headers, self.tls = port, headers or {}, tls

    def call(self, method, path, body=None, headers=None):
        c = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=30) if self.tls else \
            http.client.HTTPConnection("localhost", self.port, timeout=30)
        h = {**({"Content-Type": "application/json"} if body is not None else {}), **self.headers, **(headers or {})}
        try:
            c.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body, h)
            return Answer(c.getresponse())
        finally:
            c.close()

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, {} if body is None else body, **more)


def admin(f):
    return by_token(f, f.house.admin().token)


def by_token(f, token):
    return Caller(f.place.ports["people"], {"Authorization": "Bearer " + token})


def person(f, name):
    """By the token that this person's phi uses."""
    with open(f.place.path("people", name, "session"), encoding="utf-8") as file:
        return by_token(f, file.read().split()[1])


def new_person(f, name, *groups):
    """A person more, signed in with phi."""
    admin(f).post("/v1/people", {"name": name, "groups": list(groups)})
    f.house.sign_in(name, admin(f).post("/v1/links", {"person": name}).json["link"])
    return person(f, name)


def by_cookie(f, name):
    """As the console: (caller with cookie alone, headers that its own pages add)."""
    path = urllib.parse.urlsplit(admin(f).post("/v1/links", {"person": name}).json["link"]).path
    bare, origin = Caller(f.place.ports["people"]), f.place.url()
    got = bare.post(path, "", headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": origin})
    bare.headers["Cookie"] = got.headers["Set-Cookie"].split(";")[0]
    return bare, {"Origin": origin, "X-Phi-CSRF": bare.get("/v1/whoami").json["csrf"]}


def gateway(f, state=None):
    """The demo's gateway, or another one by its state folder, as phid sees it."""
    state = state or f.place.path("gateway")
    tls = ssl.create_default_context(cafile=os.path.join(state, "ca.pem"))
    tls.check_hostname = False
    tls.load_cert_chain(os.path.join(state, "cert.pem"), os.path.join(state, "key.pem"))
    return Caller(f.place.ports["gateways"], tls=tls)


def another_gateway(f, name, targets=("shop",)):
    """Enrols one more; it serves nothing, its key is ours to use."""
    state, conf = f.place.path("run", name), f.place.path("run", name + ".yaml")
    os.makedirs(state, mode=0o700)
    code = admin(f).post("/v1/gateways", {"name": name, "targets": list(targets)}).json["code"]
    houses.write(conf, f"name: {name}\nphid: https://127.0.0.1:{f.place.ports['gateways']}\nstate: {state}\ntargets:\n"
                 f"  - name: shop\n    listen: 127.0.0.1:1\n    connect: \"{f.cluster.connect_string()}\"\n"
                 f"    password_file: {f.cluster.password_file}\n")
    subprocess.run([f.place.program("phi-gateway"), "--config", conf, "enroll", code], check=True, stdout=subprocess.DEVNULL)
    return gateway(f, state)


def uid(kind, *parts):
    return {"type": kind, "id": json.dumps(list(parts), separators=(",", ":"))}


ORDERS = uid("Table", "shop", "public", "orders")
ENTITIES = [{"uid": ORDERS, "attrs": {}, "parents": [uid("Schema", "shop", "public")]},
            {"uid": uid("Schema", "shop", "public"), "attrs": {}, "parents": [uid("Target", "shop")]},
            {"uid": uid("Target", "shop"), "attrs": {}, "parents": []}]


class Try:
    """What a gateway sends for one person's statement; every member can be replaced."""

    def __init__(self, f, gw, name, session="s1"):
        self.gw, self.f = gw, f
        self.credential = person(f, name).post("/v1/credentials", {"target": "shop"}).json["id"]
        self.base = {"principal": {"id": person(f, name).get("/v1/whoami").json["person"]["id"]}, "credential": self.credential,
                     "session": session, "target": "shop", "actions": [{"action": "pg:delete", "resource": ORDERS}],
                     "entities": ENTITIES, "context": {}}

    def ask(self, sql="DELETE FROM orders WHERE id = 7", **more):
        text = base64.urlsafe_b64encode(sql.encode()).rstrip(b"=").decode()
        return self.gw.post("/v1/gateway/requests", {**self.base, "settings": {"DateStyle": "ISO, MDY", "TimeZone": "Etc/UTC", "role": "none"},
                            "payload": {"kind": "pg-query", "bytes": text}, "from": {"addr": "127.0.0.1", "application": "psql"},
                            "hold_ms": 300000, **more})

    def granted(self, sql, by="bob"):
        """Asks, and has it approved: the grant."""
        r = self.ask(sql).json["request"]
        return vote(person(self.f, by), r).json["grant"]

    def claim(self, grant, key=None, gw=None, **more):
        return (gw or self.gw).post(f"/v1/grants/{grant['id']}/claims", {
            **self.base, "key": key or str(uuid.uuid4()), "digest": grant["digest"], "act": grant["act"], **more})


def vote(who, request, decision="approve", **more):
    return who.post(f"/v1/requests/{request['id']}/votes", {"decision": decision, "digest": request["digest"],
                    "version": request["version"], **({"reason": "no"} if decision == "deny" else {}), **more})


def ask_scope(who, why="a test", **more):
    """A request of a person's own: pg:write on orders for five minutes."""
    return who.post("/v1/requests", {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]},
                    "for_ms": 300000, "why": why, **more})
