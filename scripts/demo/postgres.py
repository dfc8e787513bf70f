"""The demo's private PostgreSQL cluster. Never the system's: own folder, own port, own socket, no service."""
import glob
import os
import pwd
import re
import secrets
import shutil
import subprocess

from place import TOP, Trouble

NEWEST = 17  # the parser's PostgreSQL; newer targets are refused by the gateway
ROLE = "phi_gateway"
DATABASE = "shop"

CONF = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 120
shared_buffers = 64MB
password_encryption = 'scram-sha-256'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %u@%d %a '
cluster_name = 'phi-demo'
"""
# The first match wins: the superuser only over the socket, which only the cluster's own user may open.
HBA = """\
local all postgres           trust
local all all                scram-sha-256
host  all postgres 127.0.0.1/32 reject
host  all all 127.0.0.1/32   scram-sha-256
"""


def bin_dir():
    """The newest PostgreSQL here that the parser understands."""
    found = []
    for path in glob.glob("/usr/lib/postgresql/*/bin"):
        m = re.fullmatch(r".*/(\d+)/bin", path)
        if m and int(m.group(1)) <= NEWEST and os.access(os.path.join(path, "initdb"), os.X_OK):
            found.append((int(m.group(1)), path))
    if not found:
        raise Trouble(f"no PostgreSQL server up to version {NEWEST} under /usr/lib/postgresql; run ./dev setup")
    return max(found)[1]


class Cluster:
    def __init__(self, place):
        self.place = place
        self.bin = bin_dir()
        self.data = place.path("pg", "data")
        self.user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        self.password_file = place.path("gateway", "target-password")

    def run(self, *cmd, check=True, **more):
        who = {}
        if self.user:
            entry = pwd.getpwnam(self.user)
            who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        done = subprocess.run(cmd, cwd="/", env={**env, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}, **who, **more,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if check and done.returncode:
            raise Trouble(f"{os.path.basename(cmd[0])} failed:\n{done.stdout}{self.tail()}")
        return done

    def tail(self):
        try:
            with open(self.log(), encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-15:])
        except OSError:
            return ""

    def log(self):
        return self.place.path("pg", "log")

    def own(self, path):
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def make_folders(self):
        for path in (self.place.path("pg"), self.place.socket_dir()):
            os.makedirs(path, mode=0o700, exist_ok=True)
            self.own(path)
        if self.run("test", "-x", self.place.path("pg"), check=False).returncode:
            raise Trouble(f"the user {self.user}, who runs PostgreSQL where we are root, cannot reach {self.place.state}; "
                          "choose another folder: PHI_DEMO_STATE=/var/lib/phi-demo ./dev up")

    def init(self):
        self.make_folders()
        if os.path.exists(os.path.join(self.data, "PG_VERSION")):
            return
        shutil.rmtree(self.data, ignore_errors=True)
        self.run(self.bin + "/initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                 "--auth-local=trust", "--auth-host=scram-sha-256")

    def configure(self):
        conf = CONF.format(port=self.place.ports["cluster"], sockets=self.place.socket_dir())
        for name, text in (("postgresql.auto.conf", conf), ("pg_hba.conf", HBA)):
            path = os.path.join(self.data, name)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            self.own(path)

    def running(self):
        return self.run(self.bin + "/pg_ctl", "-D", self.data, "status", check=False).returncode == 0

    def start(self):
        self.configure()
        self.run(self.bin + "/pg_ctl", "-D", self.data, "-l", self.log(), "-w", "-t", "30", "start")

    def stop(self):
        if os.path.isdir(self.data) and self.running():
            self.run(self.bin + "/pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")
            return True
        return False

    def sql(self, text, database="postgres"):
        """As the superuser over the private socket; answers unaligned rows."""
        return self.run(self.bin + "/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.place.socket_dir(),
                        "-p", str(self.place.ports["cluster"]), "-U", "postgres", "-d", database, input=text).stdout

    def seed(self):
        if self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'").strip() == "1":
            return
        # No superuser, no replication, no other role's rights: what the gateway cannot do, nobody can do through it.
        self.sql(f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;"
                 f"GRANT pg_read_all_stats TO {ROLE};")
        # Made whole under another name first, so that a run cut short is not taken for a seeded one.
        self.sql(f"DROP DATABASE IF EXISTS {DATABASE}_new;")
        self.sql(f"CREATE DATABASE {DATABASE}_new OWNER {ROLE};")
        with open(os.path.join(TOP, "scripts/demo/shop.sql"), encoding="utf-8") as f:
            self.sql(f"SET ROLE {ROLE};\nBEGIN;\n{f.read()}\nCOMMIT;\nRESET ROLE;\nVACUUM ANALYZE;", DATABASE + "_new")
        self.sql(f"REVOKE ALL ON DATABASE {DATABASE}_new FROM PUBLIC;")
        self.sql(f"ALTER DATABASE {DATABASE}_new RENAME TO {DATABASE};")

    def set_password(self):
        """A password that nobody knows but the gateway's file."""
        if os.path.exists(self.password_file):
            return
        word = secrets.token_urlsafe(24)
        self.sql(f"ALTER ROLE {ROLE} PASSWORD '{word}';")
        with open(os.open(self.password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            f.write(word + "\n")

    def connect_string(self):
        return f"host=127.0.0.1 port={self.place.ports['cluster']} dbname={DATABASE} user={ROLE}"
