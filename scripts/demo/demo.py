#!/usr/bin/python3
"""Starts and stops the demo, or one like it for a test.

  demo.py up [--state DIR] [--build DIR] [--auto-ports] [--cluster-only] [--quiet]
  demo.py down|status|env|lines|as NAME [--state DIR]
"""
import argparse
import os
import time

from place import NAMES, PORTS, Place, Trouble, main_guard
from postgres import Cluster
from proc import Daemon
import house as houses
from tamper import Tamper


class Steps:
    """Prints each step with its seconds."""

    def __init__(self, quiet):
        self.quiet = quiet

    def __call__(self, what, function, *args):
        t0 = time.monotonic()
        answer = function(*args)
        if not self.quiet and answer is not False:
            print(f"  {what:<46} {time.monotonic() - t0:6.1f} s", flush=True)
        return answer


def start_cluster(place):
    cluster = Cluster(place)
    cluster.init()
    if not cluster.running():
        place.want_port("cluster")
        cluster.start()
    cluster.seed()
    cluster.set_password()
    return cluster


def start_phid(place, house):
    try:
        return house.start(house.phid, ["people", "gateways"])
    except Trouble as t:
        if "another build of phi" not in str(t):
            raise
        raise Trouble(f"{t}\n{place.state} was filled by an earlier build, whose store this one does not read. To keep it and begin anew:\n"
                      f"  ./dev down; mv {place.state} {place.state}.old; ./dev up") from t


def start_house(place, cluster, step):
    house = houses.House(place, cluster)
    house.write_config()
    step("first administrator", house.bootstrap)
    step("the log as it was before ./dev tamper", Tamper(house).put_back)
    step("phid", start_phid, place, house)
    step("the administrator signed in", house.admin_signed_in)
    step("people, target, policies", house.furnish)
    step("the gateway's certificate", house.enroll)
    step("phi-gateway", house.start, house.gateway, ["gateway"])
    step("alice, bob, mallory signed in", house.sign_everybody_in)
    house.console_link()
    return house


def up(place, cluster_only=False, quiet=False):
    step = Steps(quiet)
    place.make()
    cluster = step("PostgreSQL with the database shop", start_cluster, place)
    place.save_ports("cluster")
    house = None if cluster_only else start_house(place, cluster, step)
    place.save_ports()
    return cluster, house


def down(place):
    """Stops what up started, and nothing else. Answers what it stopped."""
    stopped = []
    if not os.path.isdir(place.state):
        return stopped
    place.load_ports()
    for name in ("phi-gateway", "phid"):
        if Daemon(place, name, ["/"]).stop():
            stopped.append(name)
    if os.path.isdir(place.path("pg", "data")) and Cluster(place).stop():
        stopped.append("PostgreSQL")
    return stopped


def status(place):
    place.load_ports()
    for name in ("phid", "phi-gateway"):
        pid = Daemon(place, name, ["/"]).pid()
        print(f"  {name:<12} {'runs, pid ' + str(pid) if pid else 'does not run'}")
    runs = os.path.isdir(place.path("pg", "data")) and Cluster(place).running()
    print(f"  {'PostgreSQL':<12} {'runs' if runs else 'does not run'}")
    for key, _, _ in PORTS:
        print(f"  {NAMES[key]:<20} 127.0.0.1:{place.ports[key]}")


def shell_env(place):
    """Lines for eval in a shell."""
    place.load_ports()
    print(f"PHI_DEMO_STATE='{place.state}'")
    for key, env, _ in PORTS:
        print(f"{env}={place.ports[key]}")
    print(f"PHI_URL='{place.url()}'\nPHI_BIN='{os.path.join(place.build, 'src/bin')}'")


TOUR = """\
  1  ./dev as alice        then: phi connect shop            and in it: SELECT * FROM orders LIMIT 3;
  2  in alice's psql:      DELETE FROM orders WHERE id = 7;  waits, and says for whom
  3  ./dev as bob          then: phi inbox, phi show CODE, phi approve CODE; or {url}
  4  in alice's psql:      the same DELETE waits again; WHERE id = 8 waits for an approval of its own
  5  as alice:             phi request pg:write shop/public.orders --for 10m -m "repair"; bob approves, then: phi revoke CODE
  6  as bob:               phi log, phi log verify; then ./dev tamper shows what a changed log looks like
  7  now try to cheat:     ./dev as mallory, phi approve CODE; alice approves herself; a DO block; two statements in one"""


def lines(place):
    """The tour, for a reader to copy."""
    place.load_ports()
    print(TOUR.format(url=place.url()))
    link = place.path("run", "console-link")
    if os.path.exists(link):
        with open(link, encoding="utf-8") as f:
            print(f"\n  the console as bob: {f.read().strip()} (works once; ./dev up prints another)")


def as_person(place, name):
    """A shell with that person's prompt and credentials."""
    place.load_ports()
    folder = place.path("people", name)
    if not os.path.isdir(folder):
        raise Trouble(f"nobody called {name} is signed in; the demo has alice, bob and mallory (./dev up starts it)")
    env = {**os.environ, **houses.House(place, Cluster(place)).person_env(name)}
    rc = place.path("people", name, "bashrc")
    with open(rc, "w", encoding="utf-8") as f:
        f.write("[ -f ~/.bashrc ] && . ~/.bashrc\n"
                f"export PATH='{env['PATH'].split(':')[0]}':$PATH\nPS1='{name}$ '\n")
    os.execvpe("bash", ["bash", "--rcfile", rc, "-i"], env)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("verb", choices=["up", "down", "status", "env", "as", "lines"])
    args.add_argument("name", nargs="?")
    args.add_argument("--state")
    args.add_argument("--build")
    for flag in ("--auto-ports", "--cluster-only", "--quiet"):
        args.add_argument(flag, action="store_true")
    opts = args.parse_args()
    place = Place(opts.state, opts.build, opts.auto_ports)
    if opts.verb == "up":
        up(place, opts.cluster_only, opts.quiet)
    elif opts.verb == "down":
        stopped = down(place)
        if not opts.quiet:
            print("stopped " + ", ".join(stopped) if stopped else "nothing of the demo runs")
    elif opts.verb == "as":
        as_person(place, opts.name or "")
    else:
        {"status": status, "env": shell_env, "lines": lines}[opts.verb](place)
    return 0


if __name__ == "__main__":
    main_guard(main)
