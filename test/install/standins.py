"""Who stands outside phi while the guide is followed: an identity provider (oidc-provider), a Slack, and a person at a browser.

The names that the guide uses lead to loopback addresses by /etc/hosts, with certificates of a CA that the machine trusts."""
import hashlib
import hmac
import html.parser
import http.cookiejar
import json
import pathlib
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/lib"))
import posts  # noqa: E402

PROVIDER, SLACK = "127.0.0.67", "127.0.0.66"
CLIENT_SECRET = "a-secret&of%the=client"  # as in provider.mjs


class Forms(html.parser.HTMLParser):
    """The forms of a page, and where it sends one by itself."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.refresh = [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form":
            self.forms.append((a.get("action"), {}))
        elif tag in ("input", "button") and a.get("name") and self.forms:
            self.forms[-1][1].setdefault(a["name"], a.get("value") or "")
        elif tag == "meta" and a.get("http-equiv") == "refresh":
            self.refresh = a["content"].partition("url=")[2]


class Browser:
    """One person's: keeps cookies, follows redirects, fills in what it is told to."""

    def __init__(self):
        jar = http.cookiejar.CookieJar(http.cookiejar.DefaultCookiePolicy(rfc2965=False))
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar),
                                                  urllib.request.HTTPSHandler(context=ssl.create_default_context()))
        self.url = self.text = ""

    def open(self, url, form=None):
        for _ in range(12):
            data = None if form is None else urllib.parse.urlencode(form).encode()
            request = urllib.request.Request(url, data)
            if data is not None:
                u = urllib.parse.urlsplit(url)
                request.add_unredirected_header("Origin", f"{u.scheme}://{u.netloc}")
            with self.opener.open(request, timeout=20) as answer:
                self.url, self.text = answer.geturl(), answer.read().decode(errors="replace")
            refresh = Forms(self.text).refresh
            if not refresh:
                return
            url, form = urllib.parse.urljoin(self.url, refresh), None
        sys.exit(f"the browser is sent round in circles: {self.url}")

    def submit(self, field, **values):
        """The form that has this field."""
        for action, fields in Forms(self.text).forms:
            if field in fields:
                self.open(urllib.parse.urljoin(self.url, action) if action else self.url, {**fields, **values})
                return
        sys.exit(f"no form with {field!r} at {self.url}:\n{self.text}")


def confirm_device(url, code, account):
    """What somebody does whom `phi login` has shown a code."""
    b = Browser()
    b.open(f"{url}?code={code}")
    b.submit("next")
    b.submit("login", login=account)
    b.submit("csrf", answer="yes")
    if "signed in as you" not in b.text:
        sys.exit(f"{account} was not signed in: {b.url}\n{b.text}")


def provider(tls, redirect, accounts):
    """oidc-provider as https://login.acme.example; accounts: name -> groups."""
    p = subprocess.Popen(["node", ROOT / "test/node/provider.mjs", "443", redirect, "guide", "https://login.acme.example",
                          tls / "world.key", tls / "world.crt", PROVIDER], stdout=subprocess.PIPE, cwd=ROOT / "test/node")
    if p.stdout.readline().strip() != b"ready":
        sys.exit("the provider does not start")
    b = Browser()
    known = {name: {"claims": {"groups": groups}} for name, groups in accounts.items()}
    b.opener.open(urllib.request.Request("https://login.acme.example/accounts", json.dumps(known).encode()), timeout=20).close()
    return p


class Slack:
    """Takes what phid posts and sends pressed buttons back, signed as Slack does."""

    def __init__(self, tls, signing, team):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "world.crt", tls / "world.key")
        self.web, self.signing, self.team = posts.Web(context, (SLACK, 443)), signing, team

    def until(self, find, what, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = find()
            if found:
                return found
            time.sleep(0.05)
        return sys.exit(f"Slack was not told {what}")

    def messages(self, user):
        """Those to this user, newest last."""
        return [g.json for g in self.web.at("/api/chat.postMessage") if g.json["channel"] == user]

    def press(self, user, action, url):
        def shown():
            for m in reversed(self.messages(user)):
                for e in (e for b in m["blocks"] if b["type"] == "actions" for e in b["elements"]):
                    if e["action_id"] == action:
                        return m, e["value"]
            return None
        message, value = self.until(shown, f"of something that {user} can {action}")
        payload = {"type": "block_actions", "team": {"id": self.team}, "user": {"id": user}, "actions": [{"action_id": action, "value": value}]}
        body = "payload=" + urllib.parse.quote_plus(json.dumps(payload))
        stamp = str(int(time.time()))
        sign = "v0=" + hmac.new(self.signing.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/x-www-form-urlencoded", "X-Slack-Signature": sign,
                                                              "X-Slack-Request-Timestamp": stamp})
        urllib.request.urlopen(request, timeout=20).close()
        return message

    def changed(self, pattern):
        return self.until(lambda: [g.json["text"] for g in self.web.at("/api/chat.update") if pattern in g.json["text"]], f"{pattern!r}")[-1]
