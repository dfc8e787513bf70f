"""docs/start.md, followed to the letter inside a bare system that systemd has booted (./dev fresh 12 --debs).

Each ```sh NAME block is run by a shell of that person's; one ending in & goes on while the next are run. LINK, CODE and
K7Q-4MX stand for what an earlier block printed. The database of the guide is made here: a PostgreSQL with a certificate of
a CA that the machine trusts."""
import os
import pathlib
import pty
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "start.md"
SQL = """CREATE TABLE orders (id int PRIMARY KEY, customer text);
INSERT INTO orders SELECT i, 'customer ' || i FROM generate_series(1, 100) i;
"""
PASSWORD = "a-long-password-of-the-test"


def run(*args, user=None, **kw):
    if user:
        args = ("runuser", "-u", user, "--", *args)
    r = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=120, **kw)
    if r.returncode:
        sys.exit(f"{' '.join(map(str, args))}: {r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout


def certificate():
    """A CA that this machine trusts, and a key and certificate of db.example.org by it."""
    d = pathlib.Path("/etc/dbtls")
    d.mkdir(mode=0o755)
    ext = d / "ext"
    ext.write_text("subjectAltName=DNS:db.example.org\n")
    ca = d / "ca"
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("openssl", "req", "-x509", *key, "-keyout", f"{ca}.key", "-out", f"{ca}.crt", "-subj", "/CN=test CA", "-days", "2")
    run("openssl", "req", *key, "-keyout", d / "db.key", "-out", d / "db.csr", "-subj", "/CN=db.example.org")
    run("openssl", "x509", "-req", "-in", d / "db.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial",
        "-out", d / "db.crt", "-days", "2", "-extfile", ext)
    os.chmod(d / "db.key", 0o600)
    run("chown", "postgres", d / "db.key")
    pathlib.Path("/usr/local/share/ca-certificates/test-db.crt").write_text((d / "ca.crt").read_text())
    run("update-ca-certificates")
    return d


def database(sql_of_guide):
    tls = certificate()
    with open("/etc/hosts", "a", encoding="ascii") as f:
        f.write("127.0.0.1 db.example.org\n")
    version = max(os.listdir("/usr/lib/postgresql"), key=int)
    run("pg_createcluster", version, "main", "--port", "5432", "--start-conf", "manual")
    conf = pathlib.Path(f"/etc/postgresql/{version}/main")
    with open(conf / "postgresql.conf", "a", encoding="ascii") as f:
        f.write(f"ssl = on\nssl_cert_file = '{tls}/db.crt'\nssl_key_file = '{tls}/db.key'\n")
    run("systemctl", "start", f"postgresql@{version}-main")
    run("createdb", "shop", user="postgres")
    run("psql", "-v", "ON_ERROR_STOP=1", "-d", "shop", user="postgres", input=SQL + sql_of_guide)


class Shell:
    """One block of the guide on a terminal of its own; says yes where phi asks."""

    def __init__(self, name, script):
        self.name, self.script, self.text = name, script, ""
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

    def until(self, pattern, seconds=30):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"the guide says that {self.name} sees {pattern!r}:\n{self.script}\n{self.text}")
            self.reader.join(0.05)

    def end(self):
        try:
            rc = self.process.wait(150)
        except subprocess.TimeoutExpired:
            rc = "no end in 150 s"
        self.reader.join(5)
        if rc:
            journal = subprocess.run(["journalctl", "--no-pager", "-n", "30", "-u", "phi*"], capture_output=True, text=True).stdout
            sys.exit(f"{self.name}: {rc}\n{self.script}\n{self.text}\n{journal}")
        print(f"  {self.name:6} {time.monotonic() - self.t0:5.1f} s  {self.script.strip().splitlines()[-1][:100]}", flush=True)
        return self.text


class Guide:
    WORDS = (("LINK", r"https?://\S+/login/\S+"), ("CODE", r"(?m)^([\w.-]{60,})$"), ("K7Q-4MX", r"\b([0-9A-Z]{3}-[0-9A-Z]{3})\b"))

    def __init__(self):
        self.seen, self.people, self.waiting, self.said = {"A-LONG-PASSWORD": PASSWORD}, {"root"}, [], {}

    def fill(self, script):
        for word in [w for w, _ in self.WORDS] + ["A-LONG-PASSWORD"]:
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
        text = shell.end()
        end = time.monotonic() + 30
        while "has said nothing of its targets here yet" in text and time.monotonic() < end:  # the gateway is seconds old
            text = Shell(name, self.fill(script)).end()
        self.learn(text)
        self.said[script.strip().splitlines()[-1]] = text
        if "phi approve" in script:
            for shell in self.waiting:
                self.said["held"] = shell.end()


def expect(said, what, pattern):
    if not re.search(pattern, said.get(what, "")):
        sys.exit(f"after {what!r} the guide promises {pattern!r}:\n{said.get(what)}")
    print(f"  as promised: {what}: {re.search(pattern, said[what])[0]!r}")


def main():
    text = GUIDE.read_text()
    t0 = time.monotonic()
    database(re.search(r"```sql\n(.*?)```", text, re.S)[1].replace("A-LONG-PASSWORD", PASSWORD))
    t1 = time.monotonic()
    guide = Guide()
    for name, back, script in re.findall(r"```sh (\w+)( &)?\n(.*?)```", text, re.S):
        guide.block(name, back, script)
    expect(guide.said, "phi connect shop -- -c 'SELECT count(*) FROM orders'", r"100")
    expect(guide.said, "held", r"DELETE 1")
    expect(guide.said, "phi log verify", r"verified")
    expect(guide.said, "phi doctor || true   # 1 while something is to be mended", r"OPEN: PostgreSQL answers at db.example.org:5432")
    for unit in "phid", "phi-gateway":
        score = float(re.search(r"exposure level for \S+: ([0-9.]+)", run("systemd-analyze", "security", "--no-pager", f"{unit}.service"))[1])
        if score > 1.5:
            sys.exit(f"systemd-analyze security {unit}: {score}")
        print(f"  systemd-analyze security {unit}: {score}")
    print(f"the guide works: {time.monotonic() - t1:.0f} s (and {t1 - t0:.0f} s for the database that it stands before)")


main()
