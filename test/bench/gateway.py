#!/usr/bin/python3
"""pgbench -S against the target itself, through PgBouncer (session), HAProxy (tcp) and phi-gateway, which decides each statement.

  gateway.py [--seconds N] [--rounds N] [--clients 1,8,32] [--modes simple,prepared] [--quick]
  gateway.py --only throughput
  gateway.py --only approvals [--approvals N]      approve-to-forward alone (TMPDIR=/dev/shm: without the disk)

All in one run, in turns, medians printed with their ratio to PgBouncer's of the same turn; then approve-to-forward latency, and memory.
Environment: PHI_BENCH_LIBS where PgBouncer's libraries were unpacked."""
import argparse
import glob
import http.client as http_client
import json
import os
import re
import shutil
import statistics
import subprocess
import time
import urllib.parse

import phiflow
from house import Api
from place import free_ports, port_free
from session import Psql

TICK = os.sysconf("SC_CLK_TCK")
# Rows that fit into the target's own buffers, and seconds that are not counted. PgBouncer hands out sessions whose backends have mapped
# all of PostgreSQL's memory in turns before; a client of phi, of HAProxy and of PostgreSQL itself gets a backend of its own, which has
# yet to: with ten times the rows, 32 clients had two page faults a transaction for all of 10 s, and PostgreSQL a sixth more CPU.
SCALE = 1
WARM = 2
ALIKE = "PgBouncer, new"  # the same with a connection to the target of its own for each client, as all others have


def children(pid):
    found = [pid]
    for task in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(task, encoding="ascii") as f:
                below = f.read().split()
        except OSError:  # it has ended
            continue
        for child in below:
            found += children(int(child))
    return found


def cpu_seconds(*pids):
    """Of these processes and all below them; what ended meanwhile is in its parent's account."""
    total = 0
    for pid in pids:
        for p in children(pid):
            try:
                with open(f"/proc/{p}/stat", encoding="ascii", errors="replace") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += sum(int(t) for t in fields[11:15 if p == pid else 13])
    return total / TICK


def pss_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))


class Peers:
    """What stands between pgbench and the target: name -> (environment for pgbench, pid whose CPU counts)."""

    def __init__(self, flow):
        self.flow, self.folder = flow, flow.place.path("bench")
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o755)
        cluster = flow.cluster
        with open(cluster.password_file, encoding="utf-8") as f:
            self.password = f.read().strip()
        self.target = flow.place.ports["cluster"]
        self.running = []

    def start(self, cmd, port, env=None):
        log = open(os.path.join(self.folder, os.path.basename(cmd[0]) + ".log"), "w", encoding="utf-8")
        who = {"user": "nobody"} if os.geteuid() == 0 and "pgbouncer" in cmd[0] else {}
        # A session of its own, as phi's daemons have: the kernel schedules by session (autogroup), and one shared with pgbench wins.
        child = subprocess.Popen(cmd, stdout=log, stderr=log, env={**os.environ, **(env or {})}, start_new_session=True, **who)
        self.running.append(child)
        self.flow.until(lambda: child.poll() is not None or not port_free(port), 10, f"{cmd[0]} does not listen")
        if child.poll() is not None:
            with open(log.name, encoding="utf-8") as f:
                raise phiflow.Failed(f"{cmd[0]} ended:\n{f.read()}")
        return child.pid

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o644)
        return path

    def env(self, port, user="phi_gateway", password=None):
        return {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": user, "PGPASSWORD": password or self.password,
                "PGDATABASE": "shop", "PGSSLMODE": "disable"}

    def pgbouncer(self, name, more=""):
        exe, (port,) = shutil.which("pgbouncer"), free_ports(1)
        if not exe:
            return None
        ini = self.write(name + ".ini", f"""[databases]
shop = host=127.0.0.1 port={self.target} dbname=shop user=phi_gateway password={self.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {self.write("users.txt", f'"phi_gateway" "{self.password}"' + chr(10))}
pool_mode = session
max_client_conn = 200
default_pool_size = 64
ignore_startup_parameters = extra_float_digits
{more}
""")
        return self.env(port), self.start([exe, "-q", ini], port, {"LD_LIBRARY_PATH": os.environ.get("PHI_BENCH_LIBS", "")})

    def haproxy(self):
        exe, (port,) = shutil.which("haproxy"), free_ports(1)
        if not exe:
            return None
        cfg = self.write("haproxy.cfg", f"""global
    maxconn 500
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen pg
    bind 127.0.0.1:{port}
    server target 127.0.0.1:{self.target}
""")
        return self.env(port), self.start([exe, "-db", "-q", "-f", cfg], port, {"LD_LIBRARY_PATH": os.environ.get("PHI_BENCH_LIBS", "")})

    def phi(self):
        u = urllib.parse.urlsplit(self.flow.url("alice"))
        return self.env(u.port, urllib.parse.unquote(u.username), urllib.parse.unquote(u.password)), self.flow.house.gateway.pid()

    def all(self):
        found = {"direct": (self.env(self.target), None), "PgBouncer": self.pgbouncer("pgbouncer"),
                 ALIKE: self.pgbouncer("pgbouncer-new", "server_lifetime = 0"), "HAProxy": self.haproxy(), "phi": self.phi()}
        for name in [n for n, p in found.items() if p is None]:
            print(f"  {name}: not here, left out (./dev setup bench)")
            del found[name]
        return found

    def stop(self):
        for child in self.running:
            child.terminate()
            child.wait(10)


def all_that_works(flow, name, pid, pgbench_pid):
    """CPU of the program between, and of all that works for a transaction: it, PostgreSQL, pgbench, and phid, which keeps phi's records."""
    with open(os.path.join(flow.cluster.data, "postmaster.pid"), encoding="ascii") as f:
        others = [int(f.readline()), pgbench_pid] + ([flow.house.phid.pid()] if name == "phi" else [])
    between = cpu_seconds(pid) if pid else 0
    return time.time(), between, between + cpu_seconds(*others)


def pgbench(flow, name, peer, folder, mode, clients, seconds):
    """What is counted begins when all have connected and WARM seconds have passed."""
    env, pid = peer
    prefix = os.path.join(folder, "lat")
    for old in glob.glob(prefix + "*"):
        os.unlink(old)
    with open(os.path.join(folder, "pgbench.out"), "w+", encoding="utf-8") as out:
        child = subprocess.Popen(["pgbench", "-n", "-S", "-M", mode, "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(seconds + WARM), "-l",
                                  "--log-prefix", prefix], env={**os.environ, **env}, stdout=out, stderr=out, cwd=folder)
        flow.until(lambda: child.poll() is not None or any(os.stat(p).st_size for p in glob.glob(prefix + "*")), 30, "nothing runs")
        time.sleep(WARM)
        begin, between, every = all_that_works(flow, name, pid, child.pid)
        time.sleep(seconds - 1)
        end, between_end, every_end = all_that_works(flow, name, pid, child.pid)
        if child.wait(60):
            out.seek(0)
            raise phiflow.Failed(f"pgbench failed through {name} (port {env['PGPORT']}), -M {mode} -c {clients}:\n{out.read()[-2000:]}")
    times = []
    for path in glob.glob(prefix + "*"):
        with open(path, encoding="ascii") as f:
            times += [int(t[2]) for t in map(str.split, f) if begin <= int(t[4]) + int(t[5]) / 1e6 < end]
        os.unlink(path)
    times.sort()
    return {"tps": len(times) / (end - begin), "mean": statistics.fmean(times), "p99": times[int(len(times) * 0.99)],
            "cpu": (between_end - between) * 1e6 / len(times), "all": (every_end - every) * 1e6 / len(times)}


def turns(flow, peers, mode, clients, opts):
    """Each program in turn, another one first each time, since a shared machine's minutes differ: name -> its figures, turn by turn."""
    names = list(peers.found)
    runs = {name: [] for name in names}
    for n in range(opts.rounds):
        for name in names[n % len(names):] + names[:n % len(names)]:
            runs[name].append(pgbench(flow, name, peers.found[name], peers.folder, mode, clients, opts.seconds))
    return runs


def throughput(flow, peers, opts):
    print(f"\nmedians of {opts.rounds} turns of {opts.seconds - 1} s after {WARM} s; ratio: the median of each turn's to PgBouncer's in the same turn, and the "
          f"least and most; alike: to {ALIKE}; CPU of a transaction: of the program, and of all that worked for it")
    print(f"{'':10}{'':15}{'clients':>8}{'TPS':>8}{'ratio':>7}{'':13}{'alike':>7}{'mean µs':>9}{'p99 µs':>9}{'CPU µs':>8}{'of all':>8}")
    print("aim: ratio 1.00 prepared, 0.75 simple")
    for mode in opts.modes.split(","):
        for clients in (int(c) for c in opts.clients.split(",")):
            runs = turns(flow, peers, mode, clients, opts)
            for name, rs in runs.items():
                m = {k: statistics.median(r[k] for r in rs) for k in rs[0]}
                ratios, alike = (sorted(r["tps"] / b["tps"] for r, b in zip(rs, runs.get(base) or runs["direct"])) for base in ("PgBouncer", ALIKE))
                print(f"{mode:10}{name:15}{clients:>8}{m['tps']:>8.0f}{statistics.median(ratios):>7.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"
                      f"{statistics.median(alike):>7.2f}{m['mean']:>9.0f}{m['p99']:>9.0f}{m['cpu']:>8.1f}{m['all']:>8.1f}", flush=True)


STAGES = ("vote sent to its leaf: phid reads, waits for a commit that runs", "its leaf to the claim's: one transaction, where it was filed before",
          "claim's leaf to the statement: commit, event, both asked, passed on")


def leaves(flow, since):
    """(request -> wall ms of its vote's leaf, of its first claim's leaf), of the entries from `since` on. Leaves are made just before their commit."""
    voted, claimed, of, at = {}, {}, {}, since
    while True:
        page = flow.house.admin().call("GET", f"/v1/log/entries?from={at}&limit=1000")["entries"]
        if not page:
            return {r: (voted[r], claimed[g]) for g, r in of.items() if g in claimed and r in voted}
        at += len(page)
        for e in map(json.loads, page):
            if e["ev"] == "request.voted":
                voted[e["req"]] = e["t"]
            elif e["ev"] == "grant.made":
                of[e["grant"]] = e["req"]
            elif e["ev"] == "grant.claimed":
                claimed.setdefault(e["grant"], e["t"])


def where_it_went(flow, since, asked):
    """Of each approval the three stages between four clocks' words, all of this machine; a leaf's is in whole milliseconds."""
    found, rows = leaves(flow, since), []
    for request, (sent, ran) in asked.items():
        if request in found:
            voted, claimed = (ms + 0.5 for ms in found[request])
            rows.append((ran - sent, voted - sent, claimed - voted, ran - claimed))
    rows.sort()
    slow = rows[-max(1, len(rows) // 20):]
    print(f"  of these, by the log's own times (± 0.5 ms; {len(rows)} found){'':14} median   of the slowest 5 %")
    for n, stage in enumerate(STAGES, 1):
        print(f"    {stage:68} {statistics.median(r[n] for r in rows):5.1f} ms {statistics.fmean(r[n] for r in slow):8.1f} ms")


SYNCED = 33 * 4120  # what phid commits for a vote, its grant and its claim: so many frames of SQLite's log


def bare_syncs(folder, count):
    """Milliseconds that the disk itself takes for as many bytes, written over what is there, one at a time and with nothing else under way."""
    took, block = [], os.urandom(SYNCED)
    with open(os.path.join(folder, "syncs"), "w+b", buffering=0) as f:
        f.write(bytes(64 * SYNCED))
        os.fsync(f.fileno())
        for n in range(count):
            time.sleep(0.01)
            t0 = time.monotonic()
            os.pwrite(f.fileno(), block, n % 64 * SYNCED)
            os.fdatasync(f.fileno())
            took.append((time.monotonic() - t0) * 1000)
    os.unlink(f.name)
    return took


def approve_to_forward(flow, count):
    """From the moment that the approval leaves over an open connection until the target runs the statement (its own clock, in the
    row that it returns), and until that row has arrived on the client's terminal."""
    ran, seen, asked = [], [], {}
    since = int(flow.house.admin().call("GET", "/v1/log/entries?limit=1")["size"])
    secret = flow.house.admin().call("POST", "/v1/links", {"person": "bob"})["link"].rpartition("/")[2]
    bob = Api(flow.place.url(), Api(flow.place.url()).call("POST", "/v1/sessions", {"link": secret})["token"])
    where = urllib.parse.urlsplit(bob.url)
    psql = Psql(flow.house, "alice")
    try:
        for n in range(count):
            psql.say(f"DELETE FROM orders WHERE id = {5000 + n} RETURNING 'ran at', extract(epoch FROM clock_timestamp());")
            psql.expect(r"NOTICE:  phi ([0-9A-Z-]{7})", 5)
            r = flow.until(lambda: bob.call("GET", "/v1/requests?box=inbox")["requests"], 5)[0]
            vote = json.dumps({"decision": "approve", "digest": r["digest"], "version": r["version"]})
            http = http_client.HTTPConnection(where.hostname, where.port, timeout=10)
            http.connect()
            t0, m0 = time.time(), time.monotonic()
            http.request("POST", f"/v1/requests/{r['id']}/votes", vote, {"Content-Type": "application/json", "Authorization": "Bearer " + bob.token})
            at = psql.expect(r"^ran at\|([0-9.]+)", 5)
            ran.append((float(at.group(1)) - t0) * 1000)
            asked[r["id"]] = t0 * 1000, float(at.group(1)) * 1000
            seen.append((psql.at - m0) * 1000)
            psql.expect(r"^DELETE ", 5)
            if http.getresponse().status != 200:
                raise phiflow.Failed("the approval was not taken")
            http.close()
    finally:
        psql.close()
    print(f"\napprove to forward, {count} times (vote with claim, commit, event, claim known); aim: p99 under 5 ms")
    for what, times in (("until the target runs the statement", ran), ("until the row is on the client's terminal", seen),
                        ("one sync of such a commit's bytes, alone", bare_syncs(flow.place.state, count))):
        times.sort()
        print(f"  {what:42} median {statistics.median(times):.1f} ms, p99 {times[int(count * 0.99)]:.1f} ms")
    where_it_went(flow, since, asked)


def memory(flow):
    print("\nmemory (PSS); aim: phid 20 MB, phi-gateway 20 MB, a parser 10 MB, a TLS session 64 KB")
    for name, daemon in (("phid", flow.house.phid), ("phi-gateway", flow.house.gateway)):
        for pid in children(daemon.pid()):
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                cmd = b" ".join(f.read().split(b"\0")[:3]).decode(errors="replace").split("/")[-1]
            print(f"  {name:12} {cmd[:40]:40} {pss_kb(pid) / 1024:8.1f} MB")


def tls_memory(flow, peers, sessions=60):
    """What a client's session over TLS costs the gateway: its growth from 10 sessions that have run statements to 10 + `sessions`."""
    cert, key = os.path.join(peers.folder, "tls.crt"), os.path.join(peers.folder, "tls.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.chmod(key, 0o600)
    with open(flow.house.gateway_conf, "a", encoding="utf-8") as f:
        f.write(f"    tls_cert: {cert}\n    tls_key: {key}\n")
    flow.house.gateway.stop()
    flow.house.gateway.start()
    script = peers.write("sleep.sql", "SELECT abalance FROM pgbench_accounts WHERE aid = 1;\n\\sleep 20 s\n")
    env = {**os.environ, **peers.phi()[0], "PGSSLMODE": "require"}
    kb, running = [], []
    try:
        for n in (10, sessions):
            running.append(subprocess.Popen(["pgbench", "-n", "-f", script, "-c", str(n), "-T", "30"], env=env, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL, start_new_session=True))
            time.sleep(4)  # nothing tells when the last of them sleeps
            kb.append(pss_kb(flow.house.gateway.pid()))
            with open(f"/proc/{flow.house.gateway.pid()}/net/tcp", encoding="ascii") as f:
                port = f":{flow.place.ports['gateway']:04X}"
                there = sum(1 for line in f if line.split()[1].endswith(port) and line.split()[3] == "01")
            if there != sum((10, sessions)[:len(kb)]):
                raise phiflow.Failed(f"{there} sessions are open, not {sum((10, sessions)[:len(kb)])}")
    finally:
        for child in running:
            child.terminate()
            child.wait(10)
    print(f"  a client's session over TLS, with its connection to the target: {(kb[1] - kb[0]) / sessions:.1f} KB")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--seconds", type=int, default=5)
    args.add_argument("--rounds", type=int, default=7)
    args.add_argument("--clients", default="1,8,32")
    args.add_argument("--modes", default="simple,prepared")
    args.add_argument("--approvals", type=int, default=200)
    args.add_argument("--quick", action="store_true")
    args.add_argument("--only", choices=["approvals", "throughput"])
    opts = args.parse_args()
    if opts.quick:
        opts.seconds, opts.rounds, opts.clients, opts.approvals = 2, 1, "8", 20
    with phiflow.Flow() as flow:
        print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before")
        if opts.only == "approvals":
            approve_to_forward(flow, opts.approvals)
            return
        peers = Peers(flow)
        memory(flow)
        env = peers.env(peers.target)
        subprocess.run(["pgbench", "-i", "-q", "-s", str(SCALE)], env={**os.environ, **env}, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            peers.found = peers.all()
            throughput(flow, peers, opts)
            if opts.only:
                return
            approve_to_forward(flow, opts.approvals)
            memory(flow)
            tls_memory(flow, peers)
        finally:
            peers.stop()


main()
