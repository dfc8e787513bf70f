#!/usr/bin/python3
"""The demo's target by itself: what the gateway's role may and may not do."""
import subprocess

import phiflow

with phiflow.Flow(cluster_only=True) as f:
    def start_as_gateway(sql):
        with open(f.cluster.password_file, encoding="utf-8") as file:
            word = file.read().strip()
        return subprocess.Popen(["psql", "-X", "-A", "-t", "-q", f.cluster.connect_string(), "-c", sql], text=True,
                                env={"PGPASSWORD": word, "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def as_gateway(sql):
        return start_as_gateway(sql).communicate(timeout=30)[0].strip()

    @f.test("the shop has 10,000 orders")
    def _():
        f.equal(f.direct("SELECT count(*), min(id), max(id) FROM orders"), "10000|1|10000")

    @f.test("the gateway's role signs in and is no superuser")
    def _():
        f.equal(as_gateway("SELECT rolsuper, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = current_user"), "f|f|f")

    @f.test("the gateway's role may end its own sessions, as cutting needs")
    def _():
        others = "FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid() AND state = 'active'"
        sleeper = start_as_gateway("SELECT pg_sleep(60)")
        f.until(lambda: as_gateway(f"SELECT count(*) {others}") == "1", what="the sleeping session")
        f.equal(as_gateway(f"SELECT pg_terminate_backend(pid) {others}"), "t")
        f.contains(sleeper.communicate(timeout=10)[0], "terminating connection")

    @f.test("the superuser cannot come over TCP")
    def _():
        port = f.place.ports["cluster"]
        done = subprocess.run(["psql", "-X", f"host=127.0.0.1 port={port} user=postgres dbname=postgres", "-c", "SELECT 1"],
                              env={"PGPASSWORD": "x", "PATH": "/usr/bin:/bin"}, text=True, capture_output=True, check=False)
        f.true(done.returncode != 0)
        f.contains(done.stderr, "rejects connection")
