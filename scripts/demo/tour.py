#!/usr/bin/python3
"""The demo's tour in one terminal: alice's psql and everybody's phi, told as they happen. It is the walk of check.py, so what
it shows is checked. Enter goes on; without a terminal it goes on by itself."""
import sys

from check import Walk
from place import Place, Trouble, main_guard
from postgres import Cluster
from session import Psql
import house as houses

LONGEST = 14  # lines of one answer
COLOURS = {"alice": "36", "bob": "33", "mallory": "31"}


def paint(name, text):
    return f"\x1b[{COLOURS[name]}m{text}\x1b[0m" if sys.stdout.isatty() and name in COLOURS else text


def tell(name, text):
    for line in text.rstrip("\n").splitlines():
        print(f"  {paint(name, name.rjust(7) + ' │')} {line}", flush=True)


class ToldPsql(Psql):
    """Shows what alice types and what psql answers, line by line."""

    def __init__(self, house, name):
        self.name, self.shown, self.typed = name, 0, False
        super().__init__(house, name)
        self.expect('Type "help"', 10)

    def heard(self):
        if not self.typed:  # psql's greeting and farewell
            self.shown = len(self.text)
        end = self.text.rfind("\n") + 1
        if end > self.shown:
            tell(self.name, self.text[self.shown:end])
            self.shown = end

    def say(self, sql):
        self.typed = True
        tell(self.name, f"shop=> {sql}")
        super().say(sql)

    def interrupt(self):
        tell(self.name, "^C")
        super().interrupt()

    def close(self):
        self.typed = False
        super().close()


class Told(Walk):
    def psql(self):
        tell("alice", "$ phi connect shop")
        return ToldPsql(self.house, "alice")

    def phi(self, name, *args, check=True):
        if "--json" in args:
            return super().phi(name, *args, check=check)
        tell(name, "$ phi " + " ".join(f'"{a}"' if " " in a else a for a in args))
        done = super().phi(name, *args, check=check)
        lines = (done.stdout + done.stderr).rstrip().splitlines()
        if len(lines) > LONGEST:
            lines = [f"… {len(lines) - LONGEST} more above"] + lines[-LONGEST:]
        tell(name, "\n".join(lines))
        return done

    def vote(self, name, verb, code, *more, check=True):
        pause(f"{name} is about to {verb} {code}")
        return super().vote(name, verb, code, *more, check=check)


def pause(what):
    if sys.stdin.isatty() and sys.stdout.isatty():
        input(f"  … {what}: Enter ")


def main():
    place = Place()
    place.load_ports()
    cluster = Cluster(place)
    walk = Told(cluster, houses.House(place, cluster))
    if not walk.house.gateway.pid():
        raise Trouble("the demo does not run; ./dev up starts it")
    try:
        for what, step in walk.steps():
            print(f"\n{what}")
            step()
            pause("next")
    finally:
        walk.close()
    print("\nThat was all. What a changed log looks like: ./dev tamper")
    return 0


if __name__ == "__main__":
    main_guard(main)
