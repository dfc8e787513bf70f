#!/usr/bin/python3
"""A PostgreSQL for one test run: starts in a temporary folder on a private socket, prints its libpq conninfo on one line,
and is gone when standard input ends. As a module: with scratch_pg.Scratch() as pg: pg.conninfo, pg.sql(text)."""
import os
import pwd
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/demo"))
import postgres  # noqa: E402

CONF = """\
listen_addresses = ''
unix_socket_directories = '{folder}'
max_connections = 60
shared_buffers = 64MB
logging_collector = off
"""


class Scratch:
    def __init__(self, more=""):
        self.bin, self.more = postgres.bin_dir(), more
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None

    def run(self, *cmd, check=True, **kw):
        who = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LD_PRELOAD"))}
        return subprocess.run(cmd, cwd="/", env={**env, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}, **who, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=check, **kw).stdout

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="phi-pg-")
        self.data = os.path.join(self.folder, "data")
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        try:
            self.run(self.bin + "/initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--auth=trust")
            with open(os.path.join(self.data, "postgresql.auto.conf"), "w", encoding="ascii") as f:
                f.write(CONF.format(folder=self.folder) + self.more)
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.conninfo = f"host={self.folder} dbname=postgres user=postgres"
        return self

    def start(self):
        self.run(self.bin + "/pg_ctl", "-D", self.data, "-l", os.path.join(self.folder, "log"), "-w", "-t", "30", "start")

    def stop(self, mode="fast"):
        self.run(self.bin + "/pg_ctl", "-D", self.data, "-m", mode, "-w", "stop", check=False)

    def sql(self, text, database="postgres"):
        return self.run(self.bin + "/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "postgres", "-d", database,
                        "-c", text).strip()

    def __exit__(self, *_):
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    with Scratch() as pg:
        print(pg.conninfo, flush=True)
        sys.stdin.read()
