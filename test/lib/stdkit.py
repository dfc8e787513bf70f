"""For tests of the standard API: a phid of its own with HTTPS on free ports, an administrator, and checks by name."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.path.join(TOP, os.environ.get("PHI_BUILD", "build/release"))
PHID = os.path.join(BUILD, "src/bin/phid")
STARTER = os.path.join(TOP, "src/policy/starter")
FAILED = []


def check(name, value, more=""):
    print(f"{'ok' if value else 'not ok'} - {name}" + ("" if value else f"  {more}"), flush=True)
    if not value:
        FAILED.append(name)


def free_ports(n):
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def certificate(folder, name="localhost", days=2):
    """A self-signed certificate; answers its file and its key's."""
    cert, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                    "-days", str(days), "-subj", "/CN=" + name, "-addext", f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1"],
                   check=True, capture_output=True)
    os.chmod(key, 0o600)
    return cert, key


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        try:
            return self.json.get("code")
        except (ValueError, AttributeError):
            return None

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Api:
    """One who speaks to phid, with a token or none. The connection stays open."""

    def __init__(self, phid, token=None):
        self.phid, self.token, self.connection = phid, token, None

    def connect(self):
        if self.phid.context:
            return http.client.HTTPSConnection("localhost", self.phid.people, context=self.phid.context, timeout=30)
        return http.client.HTTPConnection("localhost", self.phid.people, timeout=30)

    def call(self, method, path, body=None, headers=None):
        h = dict(headers or {})
        if self.token:
            h.setdefault("Authorization", "Bearer " + self.token)
        if body is not None:
            h.setdefault("Content-Type", "application/json")
        data = json.dumps(body) if isinstance(body, (dict, list)) else body
        for again in (True, False):
            self.connection = self.connection or self.connect()
            try:
                self.connection.request(method, path, data, h)
                return Answer(self.connection.getresponse())
            except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLError):
                self.connection.close()
                self.connection = None
                if not again:
                    raise

    def get(self, path, **kw):
        return self.call("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.call("POST", path, {} if body is None else body, **kw)

    def put(self, path, body, **kw):
        return self.call("PUT", path, body, **kw)


class Phid:
    """`with Phid() as p:`; p.admin is signed in. tls: HTTPS with a certificate of its own."""

    def __init__(self, tls=True, more="", binary=PHID):
        self.folder = tempfile.mkdtemp(prefix="phi-std-")
        self.binary, self.process = binary, None
        self.people, self.gateways = free_ports(2)
        self.log, self.config = os.path.join(self.folder, "phid.log"), os.path.join(self.folder, "phid.yaml")
        self.url = f"{'https' if tls else 'http'}://localhost:{self.people}"
        self.context = None
        if tls:
            self.cert, self.key = certificate(self.folder)
            self.context = ssl.create_default_context(cafile=self.cert)
            more += f"tls: {{cert: {self.cert}, key: {self.key}}}\n"
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f"data: {self.folder}/data\npeople: 127.0.0.1:{self.people}\ngateways: 127.0.0.1:{self.gateways}\n"
                    f"url: {self.url}\npolicy: {STARTER}\n{more}")
        os.chmod(self.config, 0o600)

    def __enter__(self):
        got = subprocess.run([self.binary, "--config", self.config, "bootstrap", "--admin", "root"], text=True, capture_output=True, timeout=60, check=False)
        link = re.search(r"/login/(\S+)", got.stdout)
        if not link:
            raise RuntimeError(got.stderr)
        try:
            self.start()
            self.admin = self.api(self.api().post("/v1/sessions", {"link": link.group(1)}).json["token"])
        except BaseException as e:
            self.__exit__(type(e), e, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        if self.process and self.process.poll() is None:
            self.stop()
        said = self.said()
        check("no sanitizer finding in phid", not re.search(r"runtime error|AddressSanitizer|LeakSanitizer", said), said[-3000:])
        if (FAILED or kind) and not os.environ.get("PHI_QUIET"):
            print(said[-2000:])
        if os.environ.get("PHI_KEEP"):
            print("kept:", self.folder)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        with open(self.log, "ab") as log:
            at = log.tell()
            self.process = subprocess.Popen([self.binary, "--config", self.config], stderr=log, stdout=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            with open(self.log, "rb") as f:
                f.seek(at)
                if b'"ready"' in f.read():
                    return
            time.sleep(0.02)
        raise RuntimeError("phid does not start: " + self.said()[-2000:])

    def stop(self, signum=signal.SIGTERM):
        self.process.send_signal(signum)
        return self.process.wait(60)

    def api(self, token=None):
        return Api(self, token)

    def person(self, name, *groups):
        """Adds the person and signs them in."""
        self.admin.post("/v1/people", {"name": name, "groups": list(groups)})
        link = self.admin.post("/v1/links", {"person": name}).json["secret"]
        api = self.api(self.api().post("/v1/sessions", {"link": link}).json["token"])
        api.id = api.get("/v1/whoami").json["person"]["id"]
        return api

    def bundle(self, schema="", policies="", requirements=""):
        """Makes the starter with these additions live."""
        texts = {}
        for key, name, more in (("schema", "schema.cedarschema", schema), ("policies", "policies.cedar", policies),
                                ("requirements", "requirements.yaml", requirements)):
            with open(os.path.join(STARTER, name), encoding="utf-8") as f:
                texts[key] = f.read() + "\n" + more
        return self.admin.put("/v1/bundle", texts)

    def said(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""
