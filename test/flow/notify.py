#!/usr/bin/python3
# timeout: 300
"""People are told: webhooks, mail, Slack, Teams and a command, over real servers; retries, dead letters, a crash in between."""
import base64
import contextlib
import email
import email.policy
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

import phiflow
import house as houses
import posts

SECRET, SEED, TOKEN, SIGNING, PASSWORD = os.urandom(32), os.urandom(32), "xoxb-canary-7261", "slack-signing-5512", "mail-canary-9914"
folder = tempfile.mkdtemp(prefix="phi-notify-")
os.chmod(folder, 0o711)
ca_file, tls = posts.ca(folder)
web, mail = posts.Web(tls), posts.Mail(tls)
secrets = os.path.join(folder, "secrets")
kept = os.path.join(folder, "kept")
os.makedirs(secrets, mode=0o700)
os.makedirs(kept, mode=0o777)
os.chmod(kept, 0o777)
for name, text in {"hook": "whsec_" + base64.b64encode(SECRET).decode(), "hook-key": "whsk_" + base64.b64encode(SEED).decode(),
                   "slack": TOKEN, "slack-signing": SIGNING, "mail": PASSWORD, "teams": web.url("/teams")}.items():
    with open(os.open(os.path.join(secrets, name), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
        out.write(text + "\n")

plain_config = houses.House.write_config


def write_config(self):
    plain_config(self)
    with open(self.phid_conf, encoding="utf-8") as f:
        text = f.read()
    houses.write(self.phid_conf, text + f"secrets: {secrets}\noutgoing_allow: [127.0.0.1]\noutgoing_ca: {ca_file}\n"
                 f"commands:\n  keep: [/bin/sh, -c, \"cat >> {kept}/got\"]\n  fail: [/bin/false]\n")


houses.House.write_config = write_config


def ed25519_ok(key_seed, text, signature):
    """By openssl, from the seed alone."""
    der = bytes.fromhex("302e020100300506032b657004220420") + key_seed
    at = lambda name, data: open(os.path.join(folder, name), "wb").write(data) and os.path.join(folder, name)  # noqa: E731
    subprocess.run(["openssl", "pkey", "-inform", "DER", "-in", at("k", der), "-pubout", "-out", os.path.join(folder, "pub")], check=True)
    return subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", os.path.join(folder, "pub"), "-rawin", "-in", at("t", text),
                           "-sigfile", at("s", signature)], stdout=subprocess.DEVNULL, check=False).returncode == 0


def command_lines():
    """Of all processes: not each Debian has ps."""
    lines = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", encoding="latin-1") as f:
            lines.append(f.read())
    assert any("phid" in line for line in lines)
    return "\n".join(lines)


def signature_ok(got):
    text = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    parts = dict(p.split(",", 1) for p in got.headers["webhook-signature"].split(" "))
    v1 = base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()
    return parts["v1"] == v1 and ed25519_ok(SEED, text, base64.b64decode(parts["v1a"]))


with phiflow.Flow() as f:
    import attackkit as kit
    admin, alice, bob = kit.admin(f), kit.person(f, "alice"), kit.person(f, "bob")
    nobody = kit.Caller(f.place.ports["people"])
    f.house.sign_in("admin", admin.post("/v1/links", {"person": "admin"}).json["link"])

    def put(channel, kind, **settings):
        got = admin.call("PUT", f"/v1/channels/{channel}", {"kind": kind, "settings": settings})
        f.equal(got.status, 204)

    def drop(channel):
        f.equal(admin.call("DELETE", f"/v1/channels/{channel}").status, 204)

    def channel(name):
        return next(c for c in admin.get("/v1/channels").json["channels"] if c["name"] == name)

    def ask(why="a test", **more):
        got = kit.ask_scope(alice, why, **more)
        f.equal(got.status, 201)
        return got.json

    def starts():
        """After a kill: its last thread may hold folder and ports for a moment more."""
        try:
            f.house.phid.start()
        except phiflow.Trouble as e:
            if "has the data folder" not in str(e) and "in use" not in str(e):
                raise
            return False
        return True

    def dead_about(code):
        return [d for d in admin.get("/v1/notifications/dead").json["notifications"] if d["code"] == code]

    def mails_about(code):
        return [m for m in mail.mails if code in decoded(m["data"])]

    def decoded(data):
        m = email.message_from_bytes(data, policy=email.policy.default)
        return m["subject"] + "\n" + m.get_body(("plain",)).get_content()

    @f.test("a webhook gets each event once, signed both ways, and no statement unless it is to be shown")
    def _():
        put("hook", "webhook", url=web.url("/hook"), secret="hook", key="hook-key")
        r = ask("for the <b>books</b> & more")
        f.until(lambda: web.at("/hook"), 30)
        kit.vote(bob, r)
        f.until(lambda: len(web.at("/hook")) == 2, 30)
        first, second = web.at("/hook")
        f.equal([g.json["type"] for g in (first, second)], ["request.created", "request.approved"])
        f.true(signature_ok(first) and signature_ok(second), "a signature is wrong")
        f.equal((first.json["data"]["code"], first.json["data"]["why"]), (r["code"], "for the <b>books</b> & more"))
        f.true("statement" not in first.json["data"])
        f.true(first.headers["webhook-id"] != second.headers["webhook-id"])
        drop("hook")

    @f.test("what fails for now is sent again under the same id; 410 switches the channel off")
    def _():
        web.answers["/again"] = [(503, {}, {}), (200, {}, {})]
        put("again", "webhook", url=web.url("/again"), secret="hook", events=["request.created"])
        ask()
        f.until(lambda: len(web.at("/again")) == 2, 40)
        a, b = web.at("/again")
        f.equal((a.headers["webhook-id"], a.body), (b.headers["webhook-id"], b.body))
        web.answers["/again"] = [(410, {}, {})]
        ask("another")
        f.until(lambda: not channel("again")["live"], 30)
        f.contains(f.phi("admin", "channel"), "off")
        drop("again")

    @f.test("a refusal is a dead letter that operators see and send again")
    def _():
        web.answers["/dead"] = [(400, {}, {})]
        put("dead", "webhook", url=web.url("/dead"), secret="hook", events=["request.created"])
        r = ask("dead")
        dead = f.until(lambda: dead_about(r["code"]), 30)[0]
        f.equal((dead["code"], dead["error"], dead["tries"]), (r["code"], "it answered 400", 0))
        f.contains(f.phi("admin", "notify"), "it answered 400")
        f.equal(alice.get("/v1/notifications/dead").json["notifications"], [])
        f.equal(alice.post(f"/v1/notifications/{dead['id']}/resend").status, 404)
        f.contains(f.phi("admin", "notify", "resend", dead["id"]), "On its way")
        f.until(lambda: len(web.at("/dead")) == 2, 30)
        f.equal(web.at("/dead")[1].headers["webhook-id"], dead["id"])
        f.until(lambda: not dead_about(r["code"]), 20)
        drop("dead")

    @f.test("phid is killed between commit and answer: it is sent again under the same id")
    def _():
        held = threading.Event()
        web.answers["/crash"] = [held]
        put("crash", "webhook", url=web.url("/crash"), secret="hook", events=["request.created"])
        ask("crash")
        first = f.until(lambda: web.at("/crash"), 30)[0]
        f.house.phid.stop(signal.SIGKILL)
        held.set()
        f.until(starts, 20)
        f.until(lambda: len(web.at("/crash")) == 2, 90)
        f.equal(web.at("/crash")[1].headers["webhook-id"], first.headers["webhook-id"])
        drop("crash")

    @f.test("mail goes out under TLS, signed in, to approvers and asker; one thread a request; nothing is injected")
    def _():
        put("mail", "email", server=f"smtp://localhost:{mail.port}", **{"from": "phi@example.test"}, user="phi", secret="mail", show="statement")
        for who, at in (("alice", "alice@example.test"), ("bob", "bob@example.test")):
            f.phi("admin", "contact", "set", who, "email", at)
        nasty = "x\r\nBcc: all@example.test\r\n\r\n.\r\nMAIL FROM:<e@e>\r\n<script>alert(1)</script>"
        r = ask(nasty)
        (m,) = f.until(lambda: mails_about(r["code"]), 30)
        f.true(m["tls"])
        f.equal(m["user"], [b"phi", PASSWORD.encode()])
        f.equal((m["from"].split(" ")[1], [t.split(" ")[1] for t in m["to"]]), ("FROM:<phi@example.test>", ["TO:<bob@example.test>"]))
        first = email.message_from_bytes(m["data"], policy=email.policy.default)
        f.equal((first["bcc"], first["to"], first["auto-submitted"]), (None, "bob@example.test", "auto-generated"))
        f.contains(first["subject"], "alice asks for pg:write on shop/public.orders")
        html = first.get_body(("html",)).get_content()
        f.contains(html, "&lt;script&gt;alert(1)&lt;/script&gt;")
        f.true("<script" not in html and "\\x0d" in first.get_body(("plain",)).get_content())
        kit.vote(bob, r)
        f.until(lambda: len(mails_about(r["code"])) == 3, 30)
        later = [email.message_from_bytes(x["data"], policy=email.policy.default) for x in mails_about(r["code"])[1:]]
        by = {str(x["to"]): x for x in later}
        f.contains(by["alice@example.test"]["subject"], "was approved")
        f.equal(by["bob@example.test"]["references"], first["message-id"])

    @f.test("what the mail server refuses for good is dead at once")
    def _():
        mail.refuse = "550 no such mailbox"
        r = ask("refused")
        dead = f.until(lambda: dead_about(r["code"]), 30)
        f.contains(dead[0]["error"], "550")
        mail.refuse = None
        drop("mail")

    def slack(name):
        return [g for g in web.at("/api/chat.postMessage") + web.at("/api/chat.update") if name in g.body.decode()]

    def press(value, action="approve", user="U0BOB", team="T1", at=None, secret=SIGNING):
        payload = {"type": "block_actions", "team": {"id": team}, "user": {"id": user}, "actions": [{"action_id": action, "value": value}]}
        body = "payload=" + urllib.parse.quote_plus(json.dumps(payload))
        stamp = str(int(at or time.time()))
        sign = "v0=" + hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        head = {"Content-Type": "application/x-www-form-urlencoded", "X-Slack-Signature": sign, "X-Slack-Request-Timestamp": stamp}
        return (lambda: nobody.call("POST", "/v1/chat/slack", body, headers=head)), head, body

    def buttons(got):
        blocks = json.loads(got.body)["blocks"]
        return {e["action_id"]: e for b in blocks if b["type"] == "actions" for e in b["elements"]}

    gw = kit.gateway(f)
    admin.post("/v1/grants/revoke", {"everything": True, "why": "what follows asks anew"})

    def held(sql, session):
        """A statement of alice's that a gateway holds."""
        got = kit.Try(f, gw, "alice", session).ask(sql)
        f.true("request" in got.json, got)
        return got.json["request"]

    @f.test("Slack shows the exact statement with buttons; pressing one is a vote of that person on that digest; then the message changes")
    def _():
        put("slack", "slack", url=web.url("/api"), secret="slack", signing="slack-signing", team="T1", buttons=True, show="statement")
        f.phi("admin", "contact", "set", "bob", "slack", "U0BOB")
        sql = "DELETE FROM orders WHERE note = '<!channel> *bold* & <https://evil.example|click>' -- \u202e"
        r = held(sql, "slack-1")
        got = f.until(lambda: slack(r["code"]), 30)[0]
        f.equal((got.headers["authorization"], got.json["channel"]), ("Bearer " + TOKEN, "U0BOB"))
        shown = [b["elements"][0]["elements"][0]["text"] for b in got.json["blocks"] if b["type"] == "rich_text"]
        f.equal(shown, [sql.replace("\u202e", "\\u{202e}")])
        f.true("<" not in got.json["text"] and not any(b["type"] == "section" and b["text"]["type"] != "plain_text" for b in got.json["blocks"]))
        send, head, body = press(buttons(got)["approve"]["value"])
        f.equal(nobody.call("POST", "/v1/chat/slack", body + "&x=1", headers=head).status, 401)
        f.equal(press(buttons(got)["approve"]["value"], secret="guess")[0]().status, 401)
        f.equal(press(buttons(got)["approve"]["value"], at=time.time() - 3600)[0]().status, 401)
        f.equal(press(buttons(got)["approve"]["value"], team="T2")[0]().status, 401)
        f.equal(press(buttons(got)["approve"]["value"], user="U0EVE")[0]().status, 404)
        f.equal(bob.get(f"/v1/requests/{r['id']}").json["status"], "pending")
        f.equal(send().status, 200)
        f.equal(bob.get(f"/v1/requests/{r['id']}").json["status"], "approved")
        changed = f.until(lambda: [g for g in web.at("/api/chat.update") if r["code"] in g.body.decode()], 30)[0]
        f.equal((changed.json["channel"], changed.json["ts"][:11]), ("D0001", "1700000000."))
        f.equal(set(buttons(changed)), {"open"})
        f.contains(changed.json["text"], "was approved")

    @f.test("a vote that does not count says why; a scope has no buttons, for its text is not all that would run")
    def _():
        r = held("DELETE FROM orders WHERE id = 8", "slack-2")
        got = f.until(lambda: slack(r["code"]), 30)[0]
        old = json.loads(buttons(got)["deny"]["value"])
        f.equal(press(json.dumps({**old, "digest": "0" * 64}))[0]().status, 200)
        f.until(lambda: [g for g in slack("Not counted") if "not what you saw" in g.body.decode()], 30)
        f.equal(bob.get(f"/v1/requests/{r['id']}").json["status"], "pending")
        f.equal(press(json.dumps(old), action="deny")[0]().status, 200)
        f.equal(bob.get(f"/v1/requests/{r['id']}").json["status"], "denied")
        s = ask("a scope")
        got = f.until(lambda: slack(s["code"]), 30)[0]
        f.equal(set(buttons(got)), {"open"})
        drop("slack")

    @f.test("where the vote must be signed Slack has no buttons but the way to the console, and one that was forged does nothing")
    def _():
        texts = {k: admin.get("/v1/bundle").json[k] for k in ("schema", "policies", "requirements")}
        signed = texts["requirements"].replace("  kind: approval\n", "  kind: approval\n  signed: true\n", 1)
        f.equal(admin.call("PUT", "/v1/bundle", {**texts, "requirements": signed}).status, 200)
        put("slack", "slack", url=web.url("/api"), secret="slack", signing="slack-signing", team="T1", buttons=True, show="statement")
        r = held("DELETE FROM orders WHERE id = 9", "slack-3")
        got = f.until(lambda: slack(r["code"]), 30)[0]
        f.equal(set(buttons(got)), {"open"})
        f.equal(press(json.dumps({"id": r["id"], "digest": r["digest"], "version": r["version"]}))[0]().status, 403)
        f.equal(bob.get(f"/v1/requests/{r['id']}").json["status"], "pending")
        drop("slack")
        f.equal(admin.call("PUT", "/v1/bundle", texts).status, 200)

    @f.test("Teams gets a card with a link, a command the event on its standard input; who fails is tried again")
    def _():
        put("teams", "teams", secret="teams", events=["request.created"])
        put("keep", "command", command="keep", events=["request.created"])
        put("fail", "command", command="fail", events=["request.created"])
        r = ask("teams *and* [x](https://evil.example)")
        card = f.until(lambda: web.at("/teams"), 30)[0].json["attachments"][0]
        f.equal(card["contentType"], "application/vnd.microsoft.card.adaptive")
        f.true(all(b["type"] == "RichTextBlock" for b in card["content"]["body"]))
        f.equal(card["content"]["actions"], [{"type": "Action.OpenUrl", "title": "Open in phi", "url": f.place.url() + "/r/" + r["code"]}])
        at = os.path.join(kept, "got")
        f.until(lambda: os.path.exists(at) and os.path.getsize(at) and open(at, encoding="utf-8").read().endswith("\n"), 30)
        with open(at, encoding="utf-8") as file:
            f.equal(json.loads(file.read().splitlines()[-1])["data"]["code"], r["code"])
        f.until(lambda: channel("fail")["last_error"] == "the command ended with 1", 30)
        for name in ("teams", "keep", "fail"):
            drop(name)

    @f.test("more than a few prompts in a row become one digest")
    def _():
        put("mail", "email", server=f"smtp://localhost:{mail.port}", **{"from": "phi@example.test"})
        before = len(mail.mails)
        gone = [ask(f"many {i}") for i in range(12)]
        f.until(lambda: channel("mail")["waiting"] and not [w for w in admin.get("/v1/notifications/waiting").json["notifications"] if w["what"] != "digest"], 40)
        f.true(len(mail.mails) - before <= 6, f"{len(mail.mails) - before} mails for {len(gone)} requests")
        for r in gone:
            alice.post(f"/v1/requests/{r['id']}/cancel")
        drop("mail")

    put("shown", "webhook", url=web.url("/shown"), secret="hook", events=["request.created"])
    web.answers["/shown"] = [(403, {}, {})] * 2
    for why in ("shown 1", "shown 2"):
        ask(why)
    f.until(lambda: channel("shown")["dead"] == 2, 30)
    given = {"links": [admin.post("/v1/links", {"person": "admin"}).json["link"] for _ in range(2)], "channel": "shown", "error": "it answered 403"}
    done = subprocess.run(["node", os.path.join(os.path.dirname(os.path.abspath(__file__)), "_notify_steps.mjs")], env={**f.env("admin"), "PHI_NOTIFY": json.dumps(given)},
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, phiflow.SKIP_EXIT):
        f.failed += 1
    if done.returncode == 0:
        f.until(lambda: len(web.at("/shown")) == 4, 30)
    drop("shown")

    @f.test("settings that cannot work are refused with what to mend; only operators set channels")
    def _():
        for kind, settings, word in (("webhook", {"url": "https://x.example/"}, "signed"), ("webhook", {"url": "ftp://x", "secret": "hook"}, "url"),
                                     ("slack", {"secret": "slack", "buttons": True}, "show"), ("email", {"server": "smtp://x", "from": "a\r\nb@c"}, "from"),
                                     ("webhook", {"url": "https://x/", "secret": "../../etc/shadow"}, "secret"), ("command", {"command": "keep", "argv": ["x"]}, "argv"),
                                     ("pigeon", {}, "kind"), ("webhook", {"url": "https://x/", "secret": "hook", "events": ["all"]}, "events")):
            got = admin.call("PUT", "/v1/channels/bad", {"kind": kind, "settings": settings})
            f.equal(got.status, 400)
            f.contains(got.json["detail"], word)
        f.equal(bob.call("PUT", "/v1/channels/bad", {"kind": "webhook", "settings": {"url": "https://x/", "secret": "hook"}}).status, 403)
        f.equal(bob.get("/v1/channels").status, 403)
        f.equal([c["address"] for c in bob.get("/v1/contacts").json["contacts"]], ["bob@example.test", "U0BOB"])

    @f.test("who is told by what is a change that the policy can want approved")
    def _():
        texts = {k: admin.get("/v1/bundle").json[k] for k in ("schema", "policies", "requirements")}
        own = re.compile(r'@id\("(operators|admins)"\).*?;\n', re.S)
        more = ('@id("o") permit (principal in Group::"admin", action in [phi::Action::"auditor", phi::Action::"author", phi::Action::"people", phi::Action::"groups", '
                'phi::Action::"targets", phi::Action::"revoke"], resource);\n'
                '@id("op") permit (principal in Group::"admin", action == phi::Action::"operate", resource) when { context.met.contains("dba") };\n')
        f.equal(admin.call("PUT", "/v1/bundle", {**texts, "policies": own.sub("", texts["policies"]) + more}).status, 200)
        got = admin.call("PUT", "/v1/channels/later", {"kind": "webhook", "settings": {"url": web.url("/later"), "secret": "hook"}}, headers={"Phi-Why": "the new pager"})
        f.equal(got.status, 202)
        r = got.json["request"]
        f.equal(kit.vote(bob, r).json["status"], "approved")
        f.equal(admin.call("PUT", "/v1/bundle", texts).status, 200)
        f.equal(channel("later")["live"], True)
        f.true("BAD  channel" not in f.house.phi("admin", "doctor", check=False).stdout)
        drop("later")

    @f.test("no secret is in an answer, a log, the store's settings or a command line")
    def _():
        canaries = [TOKEN, SIGNING, PASSWORD, base64.b64encode(SECRET).decode(), base64.b64encode(SEED).decode()]
        seen = f.log("phid") + admin.get("/v1/channels").body.decode() + command_lines()
        with open(f.place.path("phid", "phi.db"), "rb") as db:
            seen += db.read().decode("latin-1")
        f.equal([c for c in canaries if c in seen], [])
