"""phid and phi-gateway of a demo, and the people, target and policies they start with."""
import hashlib
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

from place import TOP, Trouble
from postgres import DATABASE
from proc import Daemon

PEOPLE = (("alice", ["dev"]), ("bob", ["dba"]), ("mallory", []))
ADMIN = "admin"
TARGET = "shop"
GATEWAY = "demo"
BUNDLE = os.path.join(TOP, "src/policy/starter")


def same(path, text):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read() == text
    except OSError:
        return False


def write(path, text):
    """Writes only what differs, so that a daemon is not restarted for nothing; 0600. Answers whether it did."""
    if same(path, text):
        return False
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
    return True


class ApiError(Trouble):
    def __init__(self, status, problem):
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail') or problem.get('title', '')}")
        self.status = status


class Api:
    """The public API as one person."""

    def __init__(self, url, token=""):
        self.url, self.token = url, token

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        req = urllib.request.Request(self.url + path, data, method=method)
        if data is not None:
            req.add_header("Content-Type", "application/json")
        if self.token:
            req.add_header("Authorization", "Bearer " + self.token)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on the loopback
        try:
            with opener.open(req, timeout=20) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as e:
            raise ApiError(e.code, as_object(e.read())) from None
        except OSError as e:
            raise Trouble(f"{method} {path}: {e}") from None
        return json.loads(text) if text[:1] in ("{", "[") else text

    def make(self, path, body):
        """A POST for something that may be there from an earlier start."""
        try:
            return self.call("POST", path, body)
        except ApiError as e:
            if e.status != 409:
                raise
            return None


def as_object(data):
    try:
        return dict(json.loads(data))
    except ValueError:
        return {"title": data.decode(errors="replace")[:300]}


class House:
    def __init__(self, place, cluster):
        self.place, self.cluster = place, cluster
        self.phid_conf, self.gateway_conf = place.path("phid.yaml"), place.path("gateway.yaml")
        self.phid = Daemon(place, "phid", [place.program("phid"), "--config", self.phid_conf], [self.phid_conf])
        self.gateway = Daemon(place, "phi-gateway", [place.program("phi-gateway"), "--config", self.gateway_conf],
                              [self.gateway_conf])

    def write_config(self):
        at, p = self.place.path, self.place.ports
        web = os.path.join(TOP, "web/dist")
        write(self.phid_conf, f"data: {at('phid')}\npeople: 127.0.0.1:{p['people']}\ngateways: 127.0.0.1:{p['gateways']}\n"
              f"url: {self.place.url()}\n" + (f"console: {web}\n" if os.path.isdir(web) else ""))
        write(self.gateway_conf, f"name: {GATEWAY}\nphid: https://127.0.0.1:{p['gateways']}\nstate: {at('gateway')}\ntargets:\n"
              f"  - name: {TARGET}\n    listen: 127.0.0.1:{p['gateway']}\n    connect: \"{self.cluster.connect_string()}\"\n"
              f"    password_file: {self.cluster.password_file}\n")

    def person_env(self, name):
        """What makes a shell that person's: the CLI's address and folder, the built programs first on PATH."""
        return {"PHI_URL": self.place.url(), "PHI_CONFIG_DIR": self.place.path("people", name),
                "PATH": os.path.join(self.place.build, "src/bin") + ":" + os.environ.get("PATH", "/usr/bin:/bin")}

    def phi(self, name, *args, check=True, **more):
        done = subprocess.run([self.place.program("phi"), *args], env={**os.environ, **self.person_env(name)}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **more)
        if check and done.returncode:
            raise Trouble(f"phi {' '.join(args)} as {name} failed:\n{done.stdout}{done.stderr}")
        return done

    def once(self, what):
        """The file that says a first-start step is done."""
        return self.place.path("run", "done-" + what)

    def offline_link(self, *command):
        """An administrator's one-time link, by a phid command that wants the data folder for itself."""
        done = subprocess.run([*self.phid.cmd, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        m = re.search(r"https?://\S+/login/\S+", done.stdout)
        if done.returncode or not m:
            raise Trouble(f"phid {command[0]} failed:\n{done.stdout}{done.stderr}")
        write(self.place.path("run", "admin-link"), m.group(0))

    def bootstrap(self):
        """Before phid serves for the first time: the administrator's one-time link."""
        if os.path.exists(self.once("bootstrap")):
            return False
        self.offline_link("bootstrap", "--admin", ADMIN)
        return write(self.once("bootstrap"), "")

    def sign_in(self, name, link):
        folder = self.place.path("people", name)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.phi(name, "login", link)

    def signed_in(self, name):
        """For some hours to come: a session lasts twelve."""
        session = self.place.path("people", name, "session")
        recent = os.path.exists(session) and time.time() - os.stat(session).st_mtime < 6 * 3600
        return recent and self.phi(name, "whoami", check=False).returncode == 0

    def admin(self):
        """The API as the administrator."""
        with open(self.place.path("run", "admin-token"), encoding="utf-8") as f:
            return Api(self.place.url(), f.read())

    def take_admin_link(self):
        """Signs the administrator in with the link that waits; answers whether that went."""
        link = self.place.path("run", "admin-link")
        if not os.path.exists(link):
            return False
        with open(link, encoding="utf-8") as f:
            secret = f.read().rpartition("/")[2]
        os.unlink(link)
        try:
            answer = Api(self.place.url()).call("POST", "/v1/sessions", {"link": secret})
        except ApiError:
            return False
        write(self.place.path("run", "admin-token"), answer["token"])
        return True

    def admin_lives(self):
        try:
            self.admin().call("GET", "/v1/whoami")
            return True
        except (ApiError, OSError):
            return False

    def admin_signed_in(self):
        """After a day nobody is signed in any more; then phid, stopped for a moment, makes its owner a new link."""
        if self.take_admin_link() or self.admin_lives():
            return False
        self.phid.stop()
        self.offline_link("link", ADMIN)
        self.start(self.phid, ["people", "gateways"])
        if not self.take_admin_link():
            raise Trouble("the administrator's new link does not sign in")
        return True

    def furnish(self):
        """People, groups, target and policies: at the first start, and again where their source or a port changed."""
        texts = {}
        for key, name in (("schema", "schema.cedarschema"), ("policies", "policies.cedar"), ("requirements", "requirements.yaml")):
            with open(os.path.join(BUNDLE, name), encoding="utf-8") as f:
                texts[key] = f.read()
        target = {"name": TARGET, "kind": "postgresql", "address": f"localhost:{self.place.ports['gateway']}", "database": DATABASE}
        stamp = hashlib.sha256(json.dumps([texts, target]).encode()).hexdigest()
        if same(self.once("furnish"), stamp):
            return False
        api = self.admin()
        for name, groups in PEOPLE:
            api.make("/v1/people", {"name": name, "groups": groups})
        api.make("/v1/targets", target)
        api.call("PUT", "/v1/bundle", texts)
        return write(self.once("furnish"), stamp)

    def enroll(self):
        if os.path.exists(self.once("enroll")):
            return False
        code = self.admin().call("POST", "/v1/gateways", {"name": GATEWAY, "targets": [TARGET]})["code"]
        done = subprocess.run([*self.gateway.cmd, "enroll", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode:
            raise Trouble(f"phi-gateway enroll failed:\n{done.stdout}")
        return write(self.once("enroll"), "")

    def sign_everybody_in(self):
        out = [name for name, _ in PEOPLE if not self.signed_in(name)]
        for name in out:
            self.sign_in(name, self.admin().call("POST", "/v1/links", {"person": name})["link"])
        return bool(out)

    def console_link(self):
        """A fresh one-time link to the console for bob, for the tour to print."""
        write(self.place.path("run", "console-link"), self.admin().call("POST", "/v1/links", {"person": "bob"})["link"])

    def start(self, daemon, key_ports):
        """Starts it, or starts it anew where its program or configuration changed. Answers whether it did."""
        if daemon.current():
            return False
        daemon.stop()
        for key in key_ports:
            self.place.want_port(key)
        daemon.start()
        return True
