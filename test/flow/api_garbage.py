#!/usr/bin/python3
# timeout: 180
"""Every route, by one who has its right, with what nobody meant to send: an answer below 500 each time, and phid lives on."""
import json
import os
import random
import re
import shutil
import sys
import tempfile
import urllib.parse

import api_basic as a

ROUNDS = int(os.environ.get("PHI_ROUNDS", "40"))
SEED = int(os.environ.get("PHI_SEED", "7"))
SKIP = {("DELETE", "/v1/sessions/current")}  # would end the walk
TEXTS = ["", "x", "alice", "bob", "root", "shop", "gw1", "admin", "dev", "é\u202e\u200b", "\u0001\n\t", "a" * 4000, "'; DROP TABLE grant; --", "..", "/", "%00",
         "K7Q-4MX", "00000000-0000-7000-8000-000000000000", "0" * 64, "pg:delete", "pg:write", "shop/public.orders", "Type::\"x\"",
         "[\"shop\",\"public\",\"orders\"]", "approve", "deny", "done", "-1", "\U0001f600", "{\"a\":1}"]
NUMBERS = [0, 1, -1, 2, 1000, 2**31, 2**53 - 1, -(2**53) + 1]


class Garbage:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def text(self):
        return self.r.choice(TEXTS)

    def any(self, depth=0):
        kind = self.r.randrange(7 if depth < 4 else 5)
        if kind == 0:
            return self.r.choice(NUMBERS)
        if kind == 1:
            return self.r.choice([True, False, None])
        if kind < 5:
            return self.text()
        if kind == 5:
            return [self.any(depth + 1) for _ in range(self.r.randrange(4))]
        return self.object(depth + 1)

    def object(self, depth=0):
        keys = ["id", "type", "name", "kind", "bytes", "actions", "resources", "action", "resource", "uid", "attrs", "parents", "statements",
                "params", "t_ms_ago", "principal", "target", "session", "for_ms", "uses", "addr", "met", self.text()[:50]]
        return {k: self.any(depth + 1) for k in self.r.sample(keys, self.r.randrange(6))}

    def of(self, schema):
        if self.r.random() < 0.1:
            return self.any()
        kind = schema.get("type")
        if kind == "string":
            return self.text()
        if kind == "integer":
            return self.r.choice(NUMBERS)
        if kind == "boolean":
            return self.r.random() < 0.5
        if kind == "array":
            inner = schema.get("items")
            return [self.of(inner) if inner else self.any(1) for _ in range(self.r.randrange(4))]
        return self.object() if kind == "object" else self.any()

    def body(self, schema):
        names = [n for n in schema["properties"] if n in schema["required"] or self.r.random() < 0.5]
        if self.r.random() < 0.05:
            names = names[1:]
        return {n: self.of(schema["properties"][n]) for n in names}


def routes(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if (method.upper(), path) not in SKIP and path != "/v1/events":
                yield method.upper(), path, operation


def send(g, api, method, path, operation):
    at = re.sub(r"\{[a-z]+\}", lambda _: urllib.parse.quote(g.text(), safe=""), path)
    query = [(p["name"], g.text()) for p in operation["parameters"] if p["in"] == "query" and g.r.random() < 0.7]
    if query:
        at += "?" + urllib.parse.urlencode(query)
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    body = None if schema is None else json.dumps(g.body(schema)).encode()
    if body and g.r.random() < 0.1:
        cut = g.r.randrange(len(body))
        body = body[:cut] + bytes([g.r.randrange(256)]) + body[cut + 1:]
    return at, body, api.call(method, at, body)


def main():
    folder = tempfile.mkdtemp(prefix="phi-api-")
    p = a.Phid(folder)
    try:
        link = re.search(r"/login/(\S+)", p.run("bootstrap", "--admin", "root").stdout).group(1)
        a.check("phid starts", p.start())
        admin = p.api(p.api().post("/v1/sessions", {"link": link}).json["token"])
        who, _ = a.furnish(p, admin)
        gw, _ = a.gateway(p, admin, folder)
        who["alice"].post("/v1/credentials", {"target": "shop"})
        g, bad, sent, classes = Garbage(SEED), [], 0, {}
        document = p.api().get("/v1/openapi.json").json
        for _ in range(ROUNDS):
            for method, path, operation in routes(document):
                right = operation["x-phi-right"]
                for api in ([gw] if right in ("gateway", "enrol") else [admin, who["alice"]]):
                    at, body, got = send(g, api, method, path, operation)
                    sent += 1
                    classes[got.status // 100] = classes.get(got.status // 100, 0) + 1
                    if got.status >= 500:
                        bad.append((method, at[:200], body, got))
        a.check(f"no answer of {sent} is a failure of the server ({classes})", not bad, bad[:3])
        a.check("good input came through too", classes.get(2, 0) > sent / 20, classes)
        a.check("phid still serves", admin.get("/v1/whoami").status == 200)
        a.check("and stops in order", p.stop() == 0)
    finally:
        if p.process and p.process.poll() is None:
            p.stop()
        said = p.said() if os.path.exists(p.log) else ""
        a.check("no sanitizer finding in phid", not re.search(r"runtime error|AddressSanitizer|LeakSanitizer", said), said[-3000:])
        if not os.environ.get("PHI_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
    return 1 if a.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
