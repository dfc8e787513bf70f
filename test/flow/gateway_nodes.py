#!/usr/bin/python3
# timeout: 240
"""A gateway with the addresses of two phids over one PostgreSQL: the one that it talks to is killed while alice waits, and her
statement runs once it is approved on the other; each in turn; and a sign-in right after a restart is not refused."""
import os
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib")]

import api_basic as kit  # noqa: E402
import nodes  # noqa: E402
from api_basic import check  # noqa: E402

GATEWAY = os.path.join(os.path.dirname(kit.PHID), "phi-gateway")


class Gateway:
    def __init__(self, folder, phids, pg):
        self.log, self.state = os.path.join(folder, "gw.log"), os.path.join(folder, "gw")
        self.port, = kit.free_ports(1)
        self.config = os.path.join(folder, "gateway.yaml")
        urls = "".join(f"  - https://127.0.0.1:{p.gateways}\n" for p in phids)
        with open(os.open(self.config, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
            f.write(f"name: gw2\nphid:\n{urls}state: {self.state}\ntargets:\n  - name: shop\n    listen: 127.0.0.1:{self.port}\n"
                    f"    connect: \"host={pg.folder} dbname=shop user=postgres\"\n")
        self.process = None

    def enroll(self, code):
        return subprocess.run([GATEWAY, "--config", self.config, "enroll", code], capture_output=True, text=True, timeout=60, check=False)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([GATEWAY, "--config", self.config], stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while '"ev":"ready"' not in self.said() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        return '"ev":"ready"' in self.said()

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)


class Psql(threading.Thread):
    """One statement of alice's, and how it ended."""

    def __init__(self, cast, gateway, on, sql):
        super().__init__(daemon=True)
        c = cast.of("alice", on).post("/v1/credentials", {"target": "shop"}).json
        env = {**os.environ, "PGPASSWORD": c["password"], "PGCONNECT_TIMEOUT": "30"}
        self.child = subprocess.Popen(["psql", "-X", "-v", "ON_ERROR_STOP=1", "-c", sql, f"host=127.0.0.1 port={gateway.port} user={c['user']} dbname=shop"],
                                      env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.text, self.at = "", 0.0
        self.start()

    def run(self):
        for line in self.child.stdout:
            self.text += line
        self.child.wait()
        self.at = time.monotonic()

    def waits(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end and "is waiting for" not in self.text and self.is_alive():
            time.sleep(0.02)
        m = re.search(r"phi (\S+) is waiting for", self.text)
        return m and m.group(1)


def over(cast, gateway, from_, to, number):
    """alice waits; whom the gateway talks to dies; bob approves on the other. Answers the seconds from approval to her rows."""
    p = Psql(cast, gateway, from_, f"DELETE FROM orders WHERE id = {number}")
    code = p.waits()
    if not code:
        return None, p.text
    from_.stop(signal.SIGKILL)
    request = cast.of("bob", to).get(f"/v1/requests/{code}").json
    approved = time.monotonic()
    got = cast.approve(request, to)
    p.join(30)
    return (p.at - approved if got.status == 200 and "DELETE 1" in p.text else None), (got, p.text)


def run(folder, pg):
    password_file = os.path.join(folder, "password")
    with open(os.open(password_file, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write("not needed over the socket\n")
    pg.sql("CREATE DATABASE shop")
    pg.sql("CREATE TABLE orders AS SELECT i AS id FROM generate_series(1, 100) i", "shop")
    a, b = nodes.node(folder, "a", pg, password_file), nodes.node(folder, "b", pg, password_file)
    gateway = Gateway(folder, (a, b), pg)
    try:
        secret = re.search(r"/login/(\S+)", a.run("bootstrap", "--admin", "root").stdout).group(1)
        check("the first phid starts", a.start(), a.said()[-600:])
        nodes.join(a, b)
        check("the second phid starts", b.start(), b.said()[-600:])
        cast = nodes.Cast(a, b, folder, secret)
        code = cast.admin.post("/v1/gateways", {"name": "gw2", "targets": ["shop"]}).json["code"]
        got = gateway.enroll(code)
        check("the gateway signs on", got.returncode == 0, got)
        check("the gateway serves", gateway.start(), gateway.said()[-600:])
        took, why = over(cast, gateway, a, b, 1)
        check(f"the phid that the gateway talks to is killed, and the waiter goes on through the other ({took} s)", took is not None and took < 25, why)
        check("the killed one starts again", a.start(), a.said()[-600:])
        took, why = over(cast, gateway, b, a, 2)
        check(f"and the other way round ({took} s)", took is not None and took < 25, why)
        a.stop(signal.SIGKILL)  # nobody is left
        time.sleep(3)           # so that the gateway has tried some times, and waits longer each time
        check("after both were away the first starts again", a.start(), a.said()[-600:])
        begin = time.monotonic()
        p = Psql(cast, gateway, a, "SELECT count(*) FROM orders")
        p.join(40)
        took = p.at - begin
        check(f"a new credential signs in at once ({took:.2f} s)", "98" in p.text and took < 25, p.text)
        check("both deletes ran once, by one claim each", pg.sql("SELECT count(*) FROM orders", "shop") == "98")
        check("the second starts again", b.start(), b.said()[-600:])
        nodes.one_log(cast, "at the end")
    finally:
        gateway.stop()
        for said in [p.said() for p in (a, b) if p.process and (p.process.poll() is not None or p.stop() is not None)] + [gateway.said() if gateway.process else ""]:
            check("no sanitizer finding", not re.search(r"runtime error|AddressSanitizer|LeakSanitizer", said), said[-3000:])


if __name__ == "__main__":
    sys.exit(nodes.main(run, "phi-gwnodes-"))
