"""The images that ./dev oci has built: phid bootstraps and serves as the image's own user, phi-gateway reads its configuration."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/demo"))
from place import free_ports  # noqa: E402

OCI = pathlib.Path(os.environ["PHI_OCI"])
UID = 10000


def buildah(*args):
    return ["buildah", "--root", str(OCI / "root"), "--runroot", str(OCI / "run"), *args]


def out(*args, rc=0):
    r = subprocess.run(args, capture_output=True, text=True, timeout=60, check=False)
    if r.returncode != rc:
        sys.exit(f"{' '.join(args)}: {r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout + r.stderr


def folder(at, name):
    path = at / name
    path.mkdir(mode=0o700)
    os.chown(path, UID, UID)
    return path


def program(container, conf, state, *args):
    """As the image says: its user, its entry point; `--config /etc/phi/config.yaml` and args."""
    return buildah("run", "--network", "host", "-v", f"{conf}:/etc/phi", "-v", f"{state[0]}:{state[1]}", container, "--",
                   "/usr/local/bin/program", "--config", "/etc/phi/config.yaml", *args)


def child_of(pid, name):
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            stat = (p / "stat").read_text()
            parent = int(stat.rpartition(")")[2].split()[1])
            if parent == pid:
                found = int(p.name) if f"({name})" in stat else child_of(int(p.name), name)
                if found:
                    return found
        except OSError:
            continue
    return None


def phid(at):
    people, gateways = free_ports(2)
    conf, data = folder(at, "phid.etc"), folder(at, "phid.data")
    (conf / "config.yaml").write_text(f"data: /var/lib/phi\nlog: oci.test/1\npeople: 127.0.0.1:{people}\ngateways: 127.0.0.1:{gateways}\n")
    c = out(*buildah("from", "--pull-never", "localhost/phid")).strip()
    said = out(*program(c, conf, (data, "/var/lib/phi"), "bootstrap", "--admin", "ada"))
    if not re.search(r"/login/\S+", said):
        sys.exit(said)
    serving = subprocess.Popen(program(c, conf, (data, "/var/lib/phi")), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    pid, end = None, time.monotonic() + 30
    while time.monotonic() < end and serving.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{people}/healthz", timeout=5) as answer:
                assert answer.read().strip() == b"ok"
            pid = child_of(serving.pid, "program")
            break
        except OSError:
            time.sleep(0.05)
    if not pid:
        serving.kill()
        sys.exit(f"phid does not serve:\n{serving.stdout.read()}")
    owner = os.stat(f"/proc/{pid}").st_uid
    with urllib.request.urlopen(f"http://127.0.0.1:{people}/", timeout=5) as answer:
        console = b"<script" in answer.read()
    os.kill(pid, signal.SIGTERM)
    said = serving.communicate(timeout=30)[0]
    if owner != UID or not console or serving.returncode or '"stopped"' not in said:
        sys.exit(f"user {owner}, console {console}, end {serving.returncode}:\n{said}")
    print(f"  phid: bootstraps, serves with its console as user {owner}, ends with 0 on SIGTERM")


def gateway(at):
    conf, state = folder(at, "gw.etc"), folder(at, "gw.state")
    (conf / "config.yaml").write_text("phid: https://127.0.0.1:1\nstate: /var/lib/phi-gateway\ntargets:\n  - name: shop\n    listen: 127.0.0.1:6432\n"
                                      "    connect: \"host=db.example.org dbname=shop user=phi_gateway sslmode=verify-full\"\n    password_file: credential:shop\n")
    c = out(*buildah("from", "--pull-never", "localhost/phi-gateway")).strip()
    out(*program(c, conf, (state, "/var/lib/phi-gateway"), "--check-config"))
    said = out(*program(c, conf, (state, "/var/lib/phi-gateway"), "enroll", "A" * 43 + ".code"), rc=1)
    print(f"  phi-gateway: its configuration is well formed; enrolling without a phid: {said.strip().splitlines()[0]}")


def main():
    at = pathlib.Path(tempfile.mkdtemp(prefix="phi-oci-"))
    os.chmod(at, 0o755)
    try:
        phid(at)
        gateway(at)
    finally:
        shutil.rmtree(at, ignore_errors=True)
        shutil.rmtree(OCI, ignore_errors=True)
    print("the images work")


main()
