#!/usr/bin/python3
# timeout: 240
"""Attacks over the doors: crawled links, forged pages, frames, control characters, false messages, secrets left behind."""
import os
import re
import socket
import time
import unicodedata

import phiflow
import attackkit as kit

NASTY = "\x1b]0;owned\x07\x1b[31mred\x1b[0m \x9b31m \u202egnp.exe\u202c \u200bzero\u2066 \x00\x08\r\x7f\u2028 \x1b]8;;http://evil.example\x1b\\here"


def raw(f, text, seconds=3):
    """What comes back for these bytes, before the server closes or falls silent."""
    with socket.create_connection(("127.0.0.1", f.place.ports["people"]), timeout=seconds) as s:
        s.sendall(text.encode("latin-1"))
        out = b""
        try:
            while part := s.recv(65536):
                out += part
        except OSError:
            pass
        return out


def controls(text):
    """What a terminal would obey or a reader would be fooled by."""
    return sorted({f"U+{ord(c):04X}" for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")})


with phiflow.Flow() as f:
    alice, bob, admin = kit.person(f, "alice"), kit.person(f, "bob"), kit.admin(f)
    nobody = kit.Caller(f.place.ports["people"])

    def size():
        """Of the signed log, once the signer has caught up."""
        last = -1
        while (now := int(nobody.get("/v1/log/checkpoint").body.split(b"\n")[1])) != last:
            last = now
            time.sleep(0.5)
        return now

    @f.test("attack_32_every_link_and_page_is_crawled_and_nothing_changes")
    def _():
        r = kit.ask_scope(alice, "crawled").json
        link = admin.post("/v1/links", {"person": "bob"}).json["link"]
        bare, _ = kit.by_cookie(f, "bob")
        before, seen = size(), 0
        paths = {p for p in nobody.get("/v1/openapi.json").json["paths"]} | {"/", "/r/" + r["code"], "/login/" + link.rsplit("/", 1)[1]}
        for who in (nobody, bob, bare, admin):
            for path in paths:
                at = path.replace("{id}", r["code"]).replace("{group}", "dba").replace("{person}", "bob").replace("{secret}", "x" * 43)
                for method in ("GET", "HEAD", "OPTIONS"):
                    if path == "/v1/events":
                        continue  # streams until the reader goes
                    got = who.call(method, at)
                    seen += 1
                    for more in set(re.findall(rb'(?:href|src|action)="(/[^"]*)"', got.body)):
                        who.get(more.decode())
                    for verb in ("approve", "vote", "deny", "decision=approve"):
                        who.get(f"{at}?{verb}")
        f.true(seen > 300, seen)
        f.equal(bob.get(f"/v1/requests/{r['id']}").json["status"], "pending")
        f.equal(size(), before)
        f.equal(nobody.post("/v1/sessions", {"link": link.rsplit("/", 1)[1]}).status, 201)  # the crawled link still signs in
        kit.vote(bob, r, "deny")

    @f.test("attack_34_a_cookie_alone_decides_nothing")
    def _():
        bare, ours = kit.by_cookie(f, "bob")
        r = kit.ask_scope(alice, "across sites").json
        at = f"/v1/requests/{r['id']}/votes"
        vote = {"decision": "deny", "reason": "no", "digest": r["digest"], "version": r["version"]}
        cases = ({}, {"Origin": "http://evil.example"}, {"Origin": ours["Origin"]}, {"X-Phi-CSRF": ours["X-Phi-CSRF"]},
                 {"Origin": "null", "X-Phi-CSRF": ours["X-Phi-CSRF"]}, {"Origin": "http://evil.example", "X-Phi-CSRF": ours["X-Phi-CSRF"]},
                 {"Origin": ours["Origin"] + ".evil.example", "X-Phi-CSRF": ours["X-Phi-CSRF"]},
                 {"Origin": ours["Origin"].replace("http:", "https:"), "X-Phi-CSRF": ours["X-Phi-CSRF"]},
                 {"Referer": ours["Origin"] + "/", "X-Phi-CSRF": "x"}, {"Origin": ours["Origin"], "X-Phi-CSRF": ours["X-Phi-CSRF"][:-1]},
                 {"Origin": "http://evil.example", "Content-Type": "text/plain"},
                 {"Origin": "http://evil.example", "Content-Type": "application/x-www-form-urlencoded"})
        for headers in cases:
            f.true(bare.post(at, vote, headers=headers).status in (400, 403, 415), headers)
        f.equal(bob.get(f"/v1/requests/{r['id']}").json["status"], "pending")
        got = bare.post(at, vote, headers=ours)
        f.equal(got.json["status"], "denied")

    @f.test("attack_34_no_page_may_be_framed_and_no_cookie_travels_across_sites")
    def _():
        link = admin.post("/v1/links", {"person": "bob"}).json["link"].rsplit("/", 1)[1]
        for path in ("/", "/r/K7Q-4MX", "/login/" + link, "/v1/whoami", "/nothing", "/healthz"):
            got = nobody.get(path)
            f.contains(got.headers["Content-Security-Policy"] or "", "frame-ancestors 'none'")
            f.equal(got.headers["Access-Control-Allow-Origin"], None)
        signed = nobody.post("/login/" + link, "", headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": f.place.url()})
        for part in ("SameSite=Strict", "HttpOnly"):
            f.contains(signed.headers["Set-Cookie"], part)

    @f.test("attack_33_the_same_server_under_another_name_is_refused")
    def _():
        for host in ("evil.example", f"evil.example:{f.place.ports['people']}", f"localhost.evil.example:{f.place.ports['people']}", "localhost"):
            f.true(nobody.get("/v1/whoami", headers={"Host": host}).status in (400, 421), host)

    @f.test("attack_06_what_people_wrote_is_inert_on_a_terminal")
    def _():
        made = kit.ask_scope(alice, NASTY.replace("\x00", ""))
        if made.status == 400:  # refused outright is inert too; then what is let in
            made = kit.ask_scope(alice, "".join(c for c in NASTY if unicodedata.category(c) != "Cc"))
        sql = "DELETE FROM orders WHERE id = 7 AND item <> '" + NASTY.replace("\x00", "") + "'"
        child = f.start("alice", *f.psql_cmd("alice", "-c", sql))
        held = f.until(lambda: [x for x in bob.get("/v1/requests?box=inbox").json["requests"] if (x.get("payload") or {}).get("text", "").startswith("DELETE")])[0]
        codes = [held["code"]] + ([made.json["code"]] if made.status == 201 else [])
        for command in [("inbox",), ("log",), ("request",), ("grant",)] + [("show", c) for c in codes] + [("show", c, "--json") for c in codes] \
                + [("approve", c, "--digest", "0" * 64) for c in codes]:
            done = f.phi("bob", *command, check=False)
            f.equal(controls(done.stdout + done.stderr), [])
        if kit.vote(bob, held, "deny", reason=NASTY.replace("\x00", "")).status != 200:
            f.equal(kit.vote(bob, held, "deny").status, 200)
        f.equal(controls(child.communicate(timeout=10)[0]), [])

    @f.test("attack_56_messages_that_two_readers_could_read_differently_are_refused")
    def _():
        host = f"Host: localhost:{f.place.ports['people']}\r\n"
        body = '{"link":"x"}'
        post = f"POST /v1/sessions HTTP/1.1\r\n{host}Content-Type: application/json\r\n"
        two = (post + f"Content-Length: {len(body)}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
               post + f"Content-Length: {len(body)}\r\nContent-Length: {len(body) + 1}\r\n\r\n{body}",
               post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
               post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", post + f"Content-Length: +{len(body)}\r\n\r\n{body}",
               post + f"Content-Length : {len(body)}\r\n\r\n{body}", f"GET /healthz HTTP/1.1\r\n{host}{host}\r\n",
               "GET /healthz HTTP/1.1\r\n\r\n", f"GET /healthz HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n", f"GET /healthz HTTP/1.1\n{host}\n",
               f"GET /healthz HTTP/1.1\r\n{host}X\0Y: a\r\n\r\n")
        for text in two:
            got = raw(f, text)
            f.true(re.match(rb"HTTP/1.1 (4|501)", got) or got == b"", f"{text!r}: {got[:80]!r}")
            f.true(got.count(b"HTTP/1.1 ") <= 1, f"two answers to {text!r}")
        for false in ('{"link":"a","link":"b"}', '{"link":"a"}{"link":"b"}', '{"link":"\\ud800"}', '{"link":"a",}', "{'link':'a'}", '{"link":"a"}//x', "[" * 100 + "]" * 100,
                      '{"link":NaN}', '{"link":1e999}', '{"link":"\\u0000"}', '\ufeff{"link":"a"}'):
            got = nobody.post("/v1/sessions", false.encode("utf-8", "surrogatepass"))
            f.equal((got.status, got.code), (400, got.code))
            f.true(got.code.startswith("input."), (false, got))
        got = nobody.post("/v1/sessions", b'{"link":"\xff\xfe"}')
        f.equal(got.status, 400)
        for number in ("9223372036854775808", "1e30", "1.5", "-1", "0", '"300000"', "true"):
            text = '{"target":"shop","scope":{"actions":["pg:write"],"resources":["shop/public.orders"]},"why":"x","for_ms":%s}' % number
            f.equal(alice.post("/v1/requests", text).status, 400)

    @f.test("attack_55_headers_about_oneself_are_not_believed")
    def _():
        forged = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6;host=evil.example", "X-Real-IP": "6.6.6.6", "X-Forwarded-Host": "evil.example",
                  "X-Forwarded-Proto": "https", "Date": "Fri, 01 Jan 2100 00:00:00 GMT", "X-Phi-Person": "bob", "X-Remote-User": "bob",
                  "X-Client-Cert": "demo", "X-Device": "managed"}
        mallory = kit.person(f, "mallory")
        f.equal(mallory.get("/v1/whoami", headers=forged).json["person"]["name"], "mallory")
        f.equal(nobody.get("/v1/whoami", headers=forged).status, 401)
        f.equal(mallory.get("/v1/gateway/snapshot", headers=forged).status, 404)
        r = kit.ask_scope(alice, "without them").json
        made = alice.post("/v1/requests", {"target": "shop", "scope": {"actions": ["pg:write"], "resources": ["shop/public.orders"]}, "for_ms": 240000,
                                           "why": "forged"}, headers=forged)
        for part in ("6.6.6.6", "evil.example", "2100", "managed"):
            f.true(part not in made.body.decode(), f"{part} came through: {made}")
        for x in (r, made.json):
            f.equal(kit.vote(bob, x, "deny").status, 200)

    @f.test("attack_49_no_secret_is_left_in_a_log_a_store_or_an_argument")
    def _():
        secrets = {"alice's token": alice.headers["Authorization"].split()[1], "the admin's": admin.headers["Authorization"].split()[1],
                   "a credential": alice.post("/v1/credentials", {"target": "shop"}).json["password"],
                   "a link": admin.post("/v1/links", {"person": "mallory"}).json["secret"],
                   "an enrolment code": admin.post("/v1/gateways", {"name": "never", "targets": ["shop"]}).json["code"].split(".")[1]}
        with open(f.cluster.password_file, encoding="utf-8") as file:
            secrets["the target's password"] = file.read().strip()
        f.psql("alice", "SELECT 1")
        own = {f.place.path("run", "admin-token"), f.place.path("gateway", "target-password"), f.place.path("run", "console-link")}
        for folder, _, names in os.walk(f.place.state):
            if folder.startswith((f.place.path("people"), f.place.path("pg"))):
                continue
            for name in names:
                path = os.path.join(folder, name)
                if path in own or not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    data = file.read()
                for what, secret in secrets.items():
                    f.true(secret.encode() not in data, f"{what} stands in {path}")
        for pid in (f.house.phid.pid(), f.house.gateway.pid()):
            for what in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{what}", "rb") as file:
                    data = file.read()
                f.true(not any(s.encode() in data for s in secrets.values()), f"a secret in {what}")
            with open(f"/proc/{pid}/limits", encoding="ascii") as file:
                f.true(re.search(r"Max core file size\s+0\s+0", file.read()), "core files are on")
