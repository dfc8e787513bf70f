"""docs/start.md and then docs/team.md, followed to the letter inside a bare system that systemd has booted (./dev fresh 12 --debs).

Each ```sh NAME block is run by a shell of that person's; one ending in & goes on while the next are run. LINK, CODE and
K7Q-4MX stand for what an earlier block printed. Where a shell is told to open a page in a browser, its person does. The
databases of the guide are made here (two PostgreSQL clusters with a certificate of a CA that the machine trusts), and
standins.py plays the identity provider and Slack; an ```slack NAME block is a button that this person presses."""
import os
import pathlib
import pty
import re
import subprocess
import sys
import threading
import time

import standins

ROOT = pathlib.Path(__file__).resolve().parents[2]
SQL = {"shop": """CREATE TABLE orders (id int PRIMARY KEY, customer text);
INSERT INTO orders SELECT i, 'customer ' || i FROM generate_series(1, 100) i;
""", "billing": """CREATE TABLE invoices (id int PRIMARY KEY, paid bool NOT NULL DEFAULT false);
INSERT INTO invoices SELECT i FROM generate_series(1, 100) i;
"""}
OURS = {"A-LONG-PASSWORD": "a-long-password-of-the-test", "CLIENT-SECRET": standins.CLIENT_SECRET, "BOT-TOKEN": "xoxb-canary-of-the-test",
        "SIGNING-SECRET": "signing-secret-of-the-test", "INSIDE-ADDRESSES": f"{standins.PROVIDER}, {standins.SLACK}"}
GROUPS = {"ada": ["acme-ops"], "alice": ["acme-dev"], "bob": ["acme-dba", "else"], "carol": ["acme-dba"], "dave": ["acme-dev"]}
LIMIT_S = 600  # "in ten minutes"


def run(*args, user=None, **kw):
    if user:
        args = ("runuser", "-u", user, "--", *args)
    r = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=120, **kw)
    if r.returncode:
        sys.exit(f"{' '.join(map(str, args))}: {r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout


def certificate():
    """A CA that this machine trusts, and by it what the databases and who stands outside show."""
    d = pathlib.Path("/etc/dbtls")
    d.mkdir(mode=0o755)
    ext, ca = d / "ext", d / "ca"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("openssl", "req", "-x509", *key, "-keyout", f"{ca}.key", "-out", f"{ca}.crt", "-subj", "/CN=test CA", "-days", "2",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    for name, names in ("db", "DNS:db.example.org"), ("world", "DNS:login.acme.example,DNS:slack.com"):
        ext.write_text(f"subjectAltName={names}\n")
        run("openssl", "req", *key, "-keyout", d / f"{name}.key", "-out", d / f"{name}.csr", "-subj", f"/CN={name}")
        run("openssl", "x509", "-req", "-in", d / f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-out", d / f"{name}.crt", "-days", "2", "-extfile", ext)
        os.chmod(d / f"{name}.key", 0o600)
    run("chown", "postgres", d / "db.key")
    pathlib.Path("/usr/local/share/ca-certificates/test-db.crt").write_text((d / "ca.crt").read_text())
    run("update-ca-certificates")
    return d


def hosts():
    with open("/etc/hosts", "a", encoding="ascii") as f:
        f.write(f"127.0.0.1 db.example.org\n{standins.PROVIDER} login.acme.example\n{standins.SLACK} slack.com\n")


def database(tls, name, port, sql_of_guide):
    version = max(os.listdir("/usr/lib/postgresql"), key=int)
    run("pg_createcluster", version, name, "--port", port, "--start-conf", "manual")
    with open(f"/etc/postgresql/{version}/{name}/postgresql.conf", "a", encoding="ascii") as f:
        f.write(f"ssl = on\nssl_cert_file = '{tls}/db.crt'\nssl_key_file = '{tls}/db.key'\n")
    run("systemctl", "start", f"postgresql@{version}-{name}")
    run("createdb", "-p", port, name, user="postgres")
    run("psql", "-p", port, "-v", "ON_ERROR_STOP=1", "-d", name, user="postgres",
        input=SQL[name] + sql_of_guide.replace("A-LONG-PASSWORD", OURS["A-LONG-PASSWORD"]))


class Shell:
    """One block of the guide on a terminal of its own; says yes where phi asks, and opens the browser where it is told to."""

    def __init__(self, name, script):
        self.name, self.script, self.text, self.asked = name, script, "", set()
        home = "/root" if name == "root" else f"/home/{name}"
        env = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive", "PAGER": "cat"}
        args = ["bash", "-euo", "pipefail", "-c", script]
        if name != "root":
            args = ["runuser", "-u", name, "--", *args]
        self.master, slave = pty.openpty()
        self.t0 = time.monotonic()
        self.process = subprocess.Popen(args, cwd="/src/debs" if name == "root" else home, env=env, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            try:
                got = os.read(self.master, 65536).decode(errors="replace")
            except OSError:  # the last one has closed the terminal
                return
            if not got:
                return
            self.text += got.replace("\r", "")
            if got.rstrip().endswith("[y/N]"):
                os.write(self.master, b"y\n")
            for url, code in re.findall(r"Open (\S+) in a browser where you are signed in, and type (\S+)\n", self.text):
                if code not in self.asked:
                    self.asked.add(code)
                    standins.confirm_device(url, code, self.name)

    def until(self, pattern, seconds=30):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"the guide says that {self.name} sees {pattern!r}:\n{self.script}\n{self.text}")
            self.reader.join(0.05)

    def end(self, quiet=False):
        try:
            rc = self.process.wait(150)
        except subprocess.TimeoutExpired:
            rc = "no end in 150 s"
        self.reader.join(5)
        if rc:
            journal = subprocess.run(["journalctl", "--no-pager", "-n", "30", "-u", "phi*"], capture_output=True, text=True).stdout
            sys.exit(f"{self.name}: {rc}\n{self.script}\n{self.text}\n{journal}")
        if not quiet:
            print(f"  {self.name:6} {time.monotonic() - self.t0:5.1f} s  {self.script.strip().splitlines()[-1][:100]}", flush=True)
        return self.text


class Guide:
    WORDS = (("LINK", r"https?://\S+/login/\S+"), ("CODE", r"(?m)^([\w.-]{60,})$"), ("K7Q-4MX", r"\b([0-9A-Z]{3}-[0-9A-Z]{3})\b"))

    def __init__(self, slack):
        self.seen, self.people, self.waiting, self.said, self.slack = dict(OURS), {"root"}, [], {}, slack
        self.t0, self.at = time.monotonic(), {}

    def fill(self, script):
        for word in [w for w, _ in self.WORDS] + list(OURS):
            used = re.compile(rf"(?<![\w-]){word}(?![\w-])")
            if used.search(script):
                if word not in self.seen:
                    sys.exit(f"the guide uses {word} before anything has printed one")
                script = used.sub(self.seen[word], script)
        return script

    def learn(self, text):
        for word, pattern in self.WORDS:
            for m in re.finditer(pattern, text):
                self.seen[word] = m[m.lastindex or 0]

    def block(self, name, back, script):
        if name not in self.people:
            run("useradd", "--create-home", "--shell", "/bin/bash", name)
            self.people.add(name)
        shell = Shell(name, self.fill(script))
        if back:
            shell.until(r"is waiting for")
            self.learn(shell.text)
            self.waiting.append(shell)
            return
        text, end = shell.end(), time.monotonic() + 90
        yet = "has said nothing of its targets here yet", "has not signed in to it yet"
        while any(y in text for y in yet) and time.monotonic() < end:  # the gateway is seconds old
            time.sleep(0.3)
            text = Shell(name, self.fill(script)).end(quiet=True)
        self.learn(text)
        self.said[script.strip().splitlines()[-1]] = text
        if "phi approve" in script:
            self.held()

    def held(self):
        """Who waited goes on: what was approved, and when."""
        for shell in self.waiting:
            last = shell.script.strip().splitlines()[-1]
            self.said[last] = shell.end()
            self.at[last] = time.monotonic() - self.t0
        self.waiting = []

    def press(self, name, action):
        self.slack.press(f"U0123{name.upper()}", action, "http://localhost:8470/v1/chat/slack")
        print(f"  {name:6}        presses {action!r} in Slack", flush=True)
        self.held()

    def follow(self, text):
        for kind, name, back, script in re.findall(r"```(sh|slack) (\w+)( &)?\n(.*?)```", text, re.S):
            if kind == "slack":
                self.press(name, script.strip())
            else:
                self.block(name, back, script)


def expect(said, what, pattern):
    if not re.search(pattern, said.get(what, "")):
        sys.exit(f"after {what!r} the guide promises {pattern!r}:\n{said.get(what)}")
    print(f"  as promised: {what}: {re.search(pattern, said[what])[0]!r}")


def units():
    for unit in "phid", "phi-gateway":
        score = float(re.search(r"exposure level for \S+: ([0-9.]+)", run("systemd-analyze", "security", "--no-pager", f"{unit}.service"))[1])
        if score > 1.5:
            sys.exit(f"systemd-analyze security {unit}: {score}")
        print(f"  systemd-analyze security {unit}: {score}")


FIRST = "phi connect shop -- -c 'DELETE FROM orders WHERE id = 7'"
SECOND = "phi connect billing -- -c 'UPDATE invoices SET paid = true WHERE id = 12'"


def start_expected(said):
    expect(said, "phi connect shop -- -c 'SELECT count(*) FROM orders'", r"100")
    expect(said, FIRST, r"DELETE 1")
    expect(said, "phi log verify", r"verified")
    expect(said, "phi doctor || true   # 1 while something is to be mended", r"OPEN: PostgreSQL answers at db.example.org:5432")


def team_expected(said, slack):
    expect(said, "phi whoami", r"(?s)dave.*\bdev\b")
    expect(said, "phi person", r"(?s)carol.*dba")
    expect(said, "phi channel", r"chat")
    expect(said, SECOND, r"UPDATE 1")
    expect(said, "phi log verify", r"verified")
    expect(said, "phi doctor || true   # the ways round, on one machine for all", r"target billing: PostgreSQL")
    for user in "U0123BOB", "U0123CAROL":
        if len([m for m in slack.messages(user) if "billing" in m["text"]]) != 1:
            sys.exit(f"Slack: {user} should have got one message about it: {slack.messages(user)}")
    print(f"  Slack: {slack.changed('was approved')!r}")
    paid = run("psql", "-p", "5433", "-At", "-d", "billing", "-c", "SELECT id FROM invoices WHERE paid", user="postgres")
    if paid != "12\n":
        sys.exit(f"what was paid: {paid!r}")


def shipped():
    """What else a package promises: pages that man finds, completions, what a compiler needs."""
    files = run("dpkg", "-L", "phi-approval", "phi-approval-server", "phi-approval-gateway").split()
    for path in ("man/man1/phi.1.gz", "man/man5/phid.yaml.5.gz", "man/man5/gateway.yaml.5.gz", "man/man8/phid.8.gz", "man/man8/phi-gateway.8.gz",
                 "bash-completion/completions/phi", "zsh/site-functions/_phi"):
        if f"/usr/share/{path}" not in files or not os.path.getsize(f"/usr/share/{path}"):
            sys.exit(f"no package brings {path}")
    debs = "/src/debs/libphi-approval-dev_*.deb /src/debs/libphi-approval0_*.deb /src/debs/phi-approval-common_*.deb"
    run("bash", "-c", f"apt-get install -y --no-install-recommends {debs}")
    run("bash", "-c", "test -f /usr/include/phi/policy.h && ls /usr/lib/*/libphi.so /usr/lib/*/libphi.a /usr/lib/*/pkgconfig/libphi.pc && ldconfig -p | grep libphi.so.0")


def main():
    start, team = ((ROOT / "docs" / name).read_text() for name in ("start.md", "team.md"))
    t0 = time.monotonic()
    hosts()
    tls = certificate()
    database(tls, "shop", 5432, re.search(r"```sql\n(.*?)```", start, re.S)[1])
    database(tls, "billing", 5433, re.search(r"```sql billing\n(.*?)```", team, re.S)[1])
    slack = standins.Slack(tls, OURS["SIGNING-SECRET"], "T0123ACME")
    provider = standins.provider(tls, "http://localhost:8470/login/oidc/acme/callback", GROUPS)
    made = time.monotonic() - t0
    try:
        guide = Guide(slack)
        guide.follow(start)
        start_expected(guide.said)
        guide.follow(team)
        team_expected(guide.said, slack)
    finally:
        provider.kill()
    units()
    shipped()
    print(f"the guide works: first approved statement after {guide.at[FIRST]:.0f} s; with provider, three groups, five people, two databases and "
          f"Slack, one approved there after {guide.at[SECOND]:.0f} s (and {made:.0f} s for what it stands before)")
    if guide.at[SECOND] > LIMIT_S:
        sys.exit(f"that is more than {LIMIT_S} s")


main()
