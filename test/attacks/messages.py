#!/usr/bin/python3
# timeout: 240
"""Attacks by way of what people are told: opened links, replayed callbacks, addresses inside the network, secrets left behind."""
import base64
import contextlib
import email
import email.policy
import hashlib
import hmac
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.parse

import phiflow
import attackkit as kit
import house as houses
import posts

TOKEN, SIGNING, PASSWORD, HOOK = "xoxb-canary-83152", "canary-signing-77120", "canary-mail-40961", base64.b64encode(b"canary-hook-66018-canary-hook-66").decode()
folder = tempfile.mkdtemp(prefix="phi-messages-")
os.chmod(folder, 0o711)
ca_file, tls = posts.ca(folder)
web, mail = posts.Web(tls), posts.Mail(tls)
secrets = os.path.join(folder, "secrets")
os.makedirs(secrets, mode=0o700)
for name, text in {"hook": "whsec_" + HOOK, "slack": TOKEN, "slack-signing": SIGNING, "mail": PASSWORD, "teams": web.url("/teams")}.items():
    with open(os.open(os.path.join(secrets, name), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
        out.write(text + "\n")

plain_config = houses.House.write_config
allowed = []


def write_config(self):
    plain_config(self)
    with open(self.phid_conf, encoding="utf-8") as f:
        text = f.read()
    houses.write(self.phid_conf, text + f"secrets: {secrets}\noutgoing_ca: {ca_file}\n" + "".join(f"outgoing_allow: [{a}]\n" for a in allowed))


houses.House.write_config = write_config

with phiflow.Flow() as f:
    admin, alice, bob = kit.admin(f), kit.person(f, "alice"), kit.person(f, "bob")
    nobody = kit.Caller(f.place.ports["people"])
    gw = kit.gateway(f)

    def put(channel, kind, **settings):
        got = admin.call("PUT", f"/v1/channels/{channel}", {"kind": kind, "settings": settings})
        f.equal(got.status, 204)

    def channels():
        return {c["name"]: c for c in admin.get("/v1/channels").json["channels"]}

    def size():
        """Of the signed log, once the signer has caught up."""
        last = -1
        while (now := int(nobody.get("/v1/log/checkpoint").body.split(b"\n")[1])) != last:
            last = now
            time.sleep(0.5)
        return now

    @f.test("attack_36_no_webhook_reaches_inside_however_the_address_is_written")
    def _():
        p = web.port
        inside = [f"https://127.0.0.1:{p}/", f"https://localhost:{p}/", f"https://localhost.:{p}/", f"https://127.1:{p}/", f"https://2130706433:{p}/",
                  f"https://0x7f000001:{p}/", f"https://017700000001:{p}/", f"https://0.0.0.0:{p}/", f"https://[::1]:{p}/", f"https://[::]:{p}/",
                  f"https://[::ffff:127.0.0.1]:{p}/", f"https://[::ffff:7f00:1]:{p}/", f"https://[64:ff9b::7f00:1]:{p}/", f"http://127.0.0.1:{p}/",
                  "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "https://[fd00:ec2::254]/", "https://[fe80::1]/",
                  "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.0.1/", "https://100.64.0.1/", "https://[::ffff:10.0.0.1]/",
                  "https://[fc00::1]/", "https://224.0.0.1/", "https://255.255.255.255/"]
        for i, url in enumerate(inside):
            put(f"in-{i}", "webhook", url=url, secret="hook", events=["request.created"])
        kit.ask_scope(alice, "inside")
        f.until(lambda: all(c["last_error"] for c in channels().values()), 60)
        wrong = {inside[int(n[3:])]: c["last_error"] for n, c in channels().items() if "does not allow" not in c["last_error"] and "without TLS" not in c["last_error"]}
        # a machine without IPv6 says that it cannot be reached, a resolver that it does not know "localhost.": as good
        f.equal({u: e for u, e in wrong.items() if "[" not in u and "resolve" not in e}, {})
        f.equal(web.got, [])
        for i in range(len(inside)):
            admin.call("DELETE", f"/v1/channels/in-{i}")

    allowed.append("127.0.0.1")
    f.house.phid.stop()
    f.house.write_config()
    f.house.phid.start()

    @f.test("attack_36_a_redirect_is_not_followed_and_only_the_allowed_address_is_reached")
    def _():
        web.answers["/redirect"] = [(302, {"Location": web.url("/secret")}, {}), (307, {"Location": "https://169.254.169.254/"}, {})]
        put("redirect", "webhook", url=web.url("/redirect"), secret="hook", events=["request.created"])
        put("other", "webhook", url=f"https://127.0.0.2:{web.port}/other", secret="hook", events=["request.created"])
        for why in ("one", "two"):
            kit.ask_scope(alice, why)
        f.until(lambda: len(web.at("/redirect")) == 2 and channels()["redirect"]["dead"] == 2 and channels()["other"]["dead"] == 2, 60)
        f.contains(channels()["redirect"]["last_error"], "a redirect, which phi never follows")
        f.contains(channels()["other"]["last_error"], "does not allow")
        f.equal([g.path for g in web.got if g.path != "/redirect"], [])
        for name in ("redirect", "other"):
            admin.call("DELETE", f"/v1/channels/{name}")

    put("mail", "email", server=f"smtp://localhost:{mail.port}", **{"from": "phi@example.test"}, user="phi", secret="mail", show="statement")
    put("slack", "slack", url=web.url("/api"), secret="slack", signing="slack-signing", team="T1", buttons=True, show="statement")
    put("teams", "teams", secret="teams")
    put("hook", "webhook", url=web.url("/hook"), secret="hook", show="statement")
    for kind, at in (("email", "bob@example.test"), ("slack", "U0BOB")):
        f.equal(admin.call("PUT", f"/v1/people/bob/contacts/{kind}", {"address": at}).status, 204)

    def texts_about(code):
        """Everything that a scanner in between sees of this request."""
        out = [g.body.decode() for g in web.got]
        for m in mail.mails:
            parts = email.message_from_bytes(m["data"], policy=email.policy.default)
            out.append(parts["subject"] + "".join(p.get_content() for p in parts.walk() if p.get_content_maintype() == "text"))
        return [t for t in out if code in t]

    def held(sql, session):
        got = kit.Try(f, gw, "alice", session).ask(sql)
        f.true("request" in got.json, got)
        return got.json["request"]

    @f.test("attack_32_every_link_in_a_message_is_opened_by_a_scanner_and_nothing_changes")
    def _():
        r = held("DELETE FROM orders WHERE id = 32", "scan")
        f.until(lambda: len(texts_about(r["code"])) >= 4, 40)
        links = {u for t in texts_about(r["code"]) for u in re.findall(r"https?://localhost:\d+[^\s\"'<>\\)]*", t) if f":{f.place.ports['people']}" in u}
        f.true(any(u.endswith("/r/" + r["code"]) for u in links), links)
        cookie, _ = kit.by_cookie(f, "bob")
        before = size()
        for who in (nobody, cookie, bob):
            for url in links:
                at = urllib.parse.urlsplit(url)
                for path in (at.path, at.path + "?decision=approve&digest=" + r["digest"], at.path + "/approve", at.path + "/votes"):
                    for method in ("GET", "HEAD", "OPTIONS"):
                        who.call(method, path)
        f.equal(size(), before)
        f.equal(bob.get(f"/v1/requests/{r['id']}").json["status"], "pending")

    def callback(value, action="approve", at=None):
        payload = {"type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U0BOB"}, "actions": [{"action_id": action, "value": value}]}
        body = "payload=" + urllib.parse.quote_plus(json.dumps(payload))
        stamp = str(int(at or time.time()))
        sign = "v0=" + hmac.new(SIGNING.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        head = {"Content-Type": "application/x-www-form-urlencoded", "X-Slack-Signature": sign, "X-Slack-Request-Timestamp": stamp}
        return lambda **more: nobody.call("POST", "/v1/chat/slack", body, headers={**head, **more})

    def answers():
        return len([g for g in web.at("/api/chat.postMessage") if "Not counted" in g.body.decode()])

    @f.test("attack_35_a_replayed_callback_does_nothing_and_outlives_no_restart")
    def _():
        r = held("DELETE FROM orders WHERE id = 35", "replay")
        value = json.dumps({"id": r["id"], "digest": r["digest"], "version": r["version"]})
        first = callback(value)
        f.equal(first().status, 200)
        f.equal(bob.get(f"/v1/requests/{r['id']}").json["status"], "approved")
        before = size()
        # Without the memory of what was taken it would be acted on: a second press, newly signed, is answered.
        f.equal(callback(value, at=time.time() + 1)().status, 200)
        f.until(lambda: answers() == 1, 30)
        for _ in range(20):
            f.equal(first().status, 200)
        f.until(lambda: not admin.get("/v1/notifications/waiting").json["notifications"], 30)  # what is sent at least once is sent once here
        f.house.phid.stop()
        f.house.phid.start()
        f.equal(first().status, 200)
        f.equal((first(**{"X-Slack-Request-Timestamp": str(int(time.time()) + 2)}).status, first(**{"X-Slack-Signature": "v0=" + "0" * 64}).status), (401, 401))
        f.equal([callback(value, at=time.time() + off)().status for off in (-301, -86400, 330)], [401, 401, 401])
        marker = held("DELETE FROM orders WHERE id = 36", "marker")  # once this was told, an answer would have been too
        f.until(lambda: [g for g in web.at("/api/chat.postMessage") if marker["code"] in g.body.decode()], 30)
        f.equal(answers(), 1)
        entries = bob.get(f"/v1/log/entries?from={before}&limit=100").json["entries"]
        f.equal([e for e in entries if '"request.voted"' in json.dumps(e) and r["id"] in json.dumps(e)], [])

    def family(pid):
        """phid and what it forked."""
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [pid] + [p for c in file.read().split() for p in family(int(c))]
        return []  # it has ended meanwhile

    def shown(pid):
        """What /proc shows of a process, by name; nothing where it has ended meanwhile."""
        found = {}
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            for name in ("cmdline", "environ", "limits"):
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    found[name] = file.read().decode("latin-1")
        return found if len(found) == 3 else {}

    @f.test("attack_49_the_secrets_of_channels_are_in_no_log_argument_environment_store_answer_or_core_file")
    def _():
        canaries = [TOKEN, SIGNING, PASSWORD, HOOK, base64.b64decode(HOOK).decode(), web.url("/teams")]
        web.answers["/hook"] = [(400, {}, {})]
        mail.refuse = "550 no"
        kit.ask_scope(alice, "to be refused")
        f.until(lambda: channels()["hook"]["dead"] and channels()["mail"]["dead"], 40)
        seen = {"log": f.log("phid"), "gateway's log": f.log("phi-gateway"),
                "answers": "".join(admin.get(p).body.decode() for p in ("/v1/channels", "/v1/contacts", "/v1/notifications/dead", "/metrics", "/v1/openapi.json"))}
        living = {pid: texts for pid in family(f.house.phid.pid()) if (texts := shown(pid))}
        f.true(len(living) >= 3, f"phid, the signer and the notifier: {list(living)}")
        for pid, texts in living.items():
            seen |= {f"{name} of {pid}": text for name, text in texts.items()}
            f.true(re.search(r"Max core file size\s+0\s+0", texts["limits"]), f"{pid} may write a core file")
        for folder_, _, names in os.walk(f.place.path("phid")):
            for name in names:
                if os.path.isfile(os.path.join(folder_, name)):
                    with open(os.path.join(folder_, name), "rb") as file:
                        seen[name] = file.read().decode("latin-1")
        f.equal([(where, c) for where, text in seen.items() for c in canaries if c in text], [])
        f.equal(subprocess.run(["find", f.place.state, "-name", "core*", "-type", "f"], stdout=subprocess.PIPE, text=True, check=True).stdout, "")
