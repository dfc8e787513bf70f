#!/usr/bin/python3
# timeout: 180
"""Forward authentication behind real proxies: nginx (auth_request) and Caddy (forward_auth) in front of a small application.
Programs get a problem, browsers a page that asks, waits and goes on by itself."""
import glob
import http.client
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from stdkit import FAILED, TOP, Phid, check, free_ports  # noqa: E402

UNPACKED = os.path.join(TOP, "build/bench")
LIBRARIES = ":".join(glob.glob(UNPACKED + "/usr/lib/*-linux-gnu*"))

SCHEMA = """
action "http:read", "http:write" appliesTo {
  principal: [Person],
  resource: [Target],
  context: { met: Set<String>, method?: String, path?: String, host?: String },
};
"""
POLICIES = """
@id("wiki-read") permit (principal in Group::"dev", action == Action::"http:read", resource == Target::"[\\"wiki\\"]")
  unless { context has path && context.path like "/secret*" };
@id("wiki-write") @why("Writing to the wiki needs a DBA")
permit (principal in Group::"dev", action == Action::"http:write", resource == Target::"[\\"wiki\\"]") when { context.met.contains("dba") };
"""
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      auth_request /phi;
      auth_request_set $phi_held $upstream_http_phi_held;
      auth_request_set $phi_name $upstream_http_phi_name;
      error_page 403 = @held;
      proxy_set_header Phi-Name $phi_name;
      proxy_pass http://127.0.0.1:{app};
    }}
    location = /phi {{
      internal;
      proxy_pass http://localhost:{phid}/v1/authz?target=wiki;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Content-Type "";
      proxy_set_header Host localhost:{phid};
      proxy_set_header X-Forwarded-Method $request_method;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Uri $request_uri;
    }}
    location @held {{
      if ($http_accept ~ text/html) {{ return 303 $phi_held; }}
      default_type application/problem+json;
      return 403 '{{"type":"about:blank","status":403,"title":"This needs an approval first","page":"$phi_held"}}';
    }}
  }}
}}
"""
CADDY = """
{{
	admin off
	auto_https off
}}
http://localhost:{port} {{
	forward_auth localhost:{phid} {{
		uri /v1/authz?target=wiki&held=redirect
		header_up Host localhost:{phid}
		copy_headers Phi-Name
	}}
	reverse_proxy 127.0.0.1:{app}
}}
"""


class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = f"the wiki says hello to {self.headers.get('Phi-Name')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


def fetch(port, method, path, **headers):
    c = http.client.HTTPConnection("localhost", port, timeout=30)
    try:
        body = b"x" if method == "POST" else None
        c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        r = c.getresponse()
        r.body = r.read().decode()
        return r
    finally:
        c.close()


def listening(port, process):
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            http.client.HTTPConnection("localhost", port, timeout=5).connect()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def sign_in(p, person):
    """A browser's cookie."""
    secret = p.admin.post("/v1/links", {"person": person}).json["secret"]
    got = p.api().call("POST", "/login/" + secret, "", headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": p.url})
    return got.headers["Set-Cookie"].split(";")[0]


def form_of(page):
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))


def programs(name, port, p, alice):
    bearer = {"Authorization": "Bearer " + alice.token}
    got = fetch(port, "GET", "/page", **bearer)
    check(f"{name}: what is allowed goes through, with her name", got.status == 200 and got.body == "the wiki says hello to alice", got.body)
    got = fetch(port, "GET", "/page")
    check(f"{name}: without a token it does not", got.status == 401, got.body)
    got = fetch(port, "GET", "/page", Phi_Name="root", **bearer)
    check(f"{name}: a name that a client says itself does not pass", got.body == "the wiki says hello to alice", got.body)
    got = fetch(port, "POST", "/page", **bearer)
    check(f"{name}: what needs an approval is a 403 with a problem for programs", got.status == 403 and "problem+json" in got.headers["Content-Type"]
          and json.loads(got.body)["page"].startswith(p.url + "/held?"), (got.status, got.body))
    got = fetch(port, "GET", "/secret/x", **bearer)
    check(f"{name}: the policy sees the path", got.status == 403, got.status)
    check(f"{name}: asking the proxy has filed nothing", alice.get("/v1/requests?box=mine&status=pending").json["requests"] == [])


def browsers(name, port, p, bob, cookie):
    headers = {"Cookie": cookie, "Accept": "text/html,application/xhtml+xml"}
    got = fetch(port, "POST", "/edit?x=1", **headers)
    where = got.headers["Location"] or ""
    check(f"{name}: a browser is led to the page that asks", got.status == 303 and where.startswith(p.url + "/held?"), (got.status, where, got.body))
    at = where[len(p.url):]
    page = fetch(p.people, "GET", at, **headers)
    form = form_of(page.body)
    check(f"{name}: it has a form and changes nothing by itself", page.status == 403 and form["target"] == "wiki" and form["action"] == "http:write"
          and "<script" not in page.body, page.body)
    body = urllib.parse.urlencode({**form, "why": "a typo"})
    c = http.client.HTTPConnection("localhost", p.people, timeout=30)
    for cheat, want in (({"csrf": "x"}, 403), ({}, 303)):
        c.request("POST", "/held", urllib.parse.urlencode({**form, "why": "a typo", **cheat}),
                  {**headers, "Content-Type": "application/x-www-form-urlencoded", "Origin": p.url})
        got = c.getresponse()
        got.read()
        check(f"{name}: the form {'of another session is refused' if cheat else 'asks'}", got.status == want, (got.status, body))
    at = got.headers["Location"]
    page = fetch(p.people, "GET", at, **headers)
    check(f"{name}: the page waits and looks again by itself", page.status == 200 and page.headers["Refresh"] and "Waiting" in page.body, page.body)
    r = bob.get("/v1/requests?box=inbox&status=pending").json["requests"][0]
    check(f"{name}: the approver sees why", r["why"] == "a typo" and r["summary"], r)
    got = bob.post(f"/v1/requests/{r['id']}/votes", {"decision": "approve", "digest": r["digest"], "version": r["version"]})
    check(f"{name}: he approves", got.status == 200, got)
    page = fetch(p.people, "GET", at, **headers)
    back = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.body)
    check(f"{name}: then it goes on to where it came from", back and back.group(1).replace("&#61;", "=") == f"http://localhost:{port}/edit?x=1", page.body)
    got = fetch(port, "POST", "/edit?x=1", **headers)
    check(f"{name}: and there it is allowed", got.status == 200 and "alice" in got.body, got.body)
    bob.post(f"/v1/grants/{r['code']}/revoke", {"why": "done"})
    check(f"{name}: until it is revoked", fetch(port, "POST", "/edit", **headers).status == 303)


def in_a_browser(p, bob, served):
    """The steps are in _forward_steps.mjs."""
    links = [p.admin.post("/v1/links", {"person": "alice"}).json["link"] for _ in range(2 * len(served) + 1)]
    given = {"url": p.url, "bob": bob.token, "links": links, "proxies": {name: f"http://localhost:{port}" for name, port in served.items()}}
    done = subprocess.run(["node", os.path.join(os.path.dirname(os.path.abspath(__file__)), "_forward_steps.mjs")], env={**os.environ, "PHI_FORWARD": json.dumps(given)},
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 77):
        FAILED.append("in a browser")


def pages(p, cookie):
    headers = {"Cookie": cookie, "Accept": "text/html"}
    got = fetch(p.people, "GET", "/held?target=wiki&action=http:write")
    check("page: who is not signed in is told to", got.status == 200 and "Sign in" in got.body, got.body)
    got = fetch(p.people, "GET", "/held?target=wiki&action=http:read&to=" + urllib.parse.quote("https://evil.example/"), **headers)
    check("page: it leads nowhere that phid.yaml does not list", got.status == 200 and "evil.example" not in got.body, got.body)
    for to in ("http://localhost:1@evil.example/", "//evil.example", "javascript:alert(1)"):
        got = fetch(p.people, "GET", "/held?target=wiki&action=http:read&to=" + urllib.parse.quote(to), **headers)
        check(f"page: nor to {to}", "refresh" not in got.body, got.body)
    got = fetch(p.people, "GET", "/held?target=%3Cb%3Ex&action=http:write", **headers)
    check("page: what comes in the address is text", "<b>x" not in got.body, got.body)
    got = fetch(p.people, "GET", "/held?action=http:write", **headers)
    check("page: without a target it is an error", got.status == 400, got.status)


def main():
    app = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App)
    threading.Thread(target=app.serve_forever, daemon=True).start()
    ports = dict(zip(("nginx", "caddy"), free_ports(2)))
    more = "apps: [" + ", ".join(f'"http://localhost:{n}"' for n in ports.values()) + "]\n"
    started, served = [], {}
    with Phid(tls=False, more=more) as p:
        try:
            alice, bob = p.person("alice", "dev"), p.person("bob", "dba")
            got = p.bundle(SCHEMA, POLICIES)
            check("the policy goes live", got.status == 200, got)
            p.admin.post("/v1/targets", {"name": "wiki", "kind": "http", "address": "localhost:80"})
            cookie = sign_in(p, "alice")
            for name, text in (("nginx", NGINX), ("caddy", CADDY)):
                binary = shutil.which(name, path=f"{UNPACKED}/usr/sbin:{UNPACKED}/usr/bin:/usr/sbin:/usr/bin")
                if not binary:
                    print(f"skip - {name} is not installed")
                    continue
                conf = os.path.join(p.folder, name + ".conf")
                with open(conf, "w", encoding="utf-8") as f:
                    f.write(text.format(folder=p.folder, port=ports[name], app=app.server_port, phid=p.people))
                command = [binary, "-c", conf, "-e", f"{p.folder}/nginx.err"] if name == "nginx" else [binary, "run", "--adapter", "caddyfile", "--config", conf]
                with open(os.path.join(p.folder, name + ".out"), "wb") as out:
                    process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "LD_LIBRARY_PATH": LIBRARIES, "HOME": p.folder, "XDG_DATA_HOME": p.folder, "XDG_CONFIG_HOME": p.folder})
                started.append(process)
                if not listening(ports[name], process):
                    with open(os.path.join(p.folder, name + ".out"), encoding="utf-8", errors="replace") as f:
                        check(f"{name} starts", False, f.read()[-1000:])
                    continue
                programs(name, ports[name], p, alice)
                browsers(name, ports[name], p, bob, cookie)
                served[name] = ports[name]
            pages(p, cookie)
            sys.stdout.flush()
            if served:
                in_a_browser(p, bob, served)
        finally:
            for process in started:
                process.terminate()
                process.wait(20)
    app.shutdown()
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
