#!/usr/bin/python3
"""Changes one byte of the demo's log as somebody with the database file could, shows that verification names the entry, and
puts the byte back."""
import json
import os
import re
import sqlite3

from place import Place, Trouble, main_guard
from postgres import Cluster
import house as houses


class Tamper:
    def __init__(self, house):
        self.house = house
        self.database = house.place.path("phid", "phi.db")
        self.note = house.place.path("run", "tampered.json")  # what the byte was, should this program be killed

    def edit(self, change):
        """With phid stopped: phid holds the file for itself. change(connection) does it; its answer is ours."""
        self.house.phid.stop()
        db = sqlite3.connect(self.database)
        try:
            with db:
                return change(db)
        finally:
            db.close()
            self.house.start(self.house.phid, ["people", "gateways"])

    def change(self):
        """One digit of the newest vote, else of the newest entry. Answers (index, entry before, entry after)."""
        def one_byte(db):
            index, entry = db.execute("SELECT idx, entry FROM leaf ORDER BY entry LIKE '%\"vote\":{%' DESC, idx DESC LIMIT 1").fetchone()
            at = [m.start() for m in re.finditer("[0-9]", entry)][-1]
            false = entry[:at] + str((int(entry[at]) + 1) % 10) + entry[at + 1:]
            with open(self.note, "w", encoding="utf-8") as f:
                json.dump([index, entry], f)
            db.execute("UPDATE leaf SET entry = ? WHERE idx = ?", (false, index))
            return index, entry, false
        return self.edit(one_byte)

    def put_back(self):
        """Answers whether anything was to put back."""
        if not os.path.exists(self.note):
            return False
        with open(self.note, encoding="utf-8") as f:
            index, entry = json.load(f)
        self.edit(lambda db: db.execute("UPDATE leaf SET entry = ? WHERE idx = ?", (entry, index)))
        os.unlink(self.note)
        return True

    def verify(self):
        """(exit code, what phi log verify says)"""
        done = self.house.phi("bob", "log", "verify", check=False)
        return done.returncode, (done.stdout + done.stderr).rstrip()


def marked(before, after):
    """The neighbourhood of the changed byte."""
    at = next(i for i, (a, b) in enumerate(zip(before, after)) if a != b)
    low, high = max(0, at - 24), at + 12
    return f"…{before[low:high]}…\n      …{after[low:high]}…\n       {' ' * (at - low)}^"


def show(text):
    print("\n".join("      " + line for line in text.splitlines()), flush=True)


def walk(tamper):
    tamper.put_back()
    print("  phi log verify, before:")
    rc, said = tamper.verify()
    show(said)
    if rc:
        raise Trouble("the log does not verify as it is; nothing was changed")
    try:
        index, before, after = tamper.change()
        print(f"  phid stopped, one byte of entry {index} changed in {tamper.database}, phid started:\n      {marked(before, after)}")
        rc, said = tamper.verify()
        print("  phi log verify:")
        show(said)
        if rc == 0 or not re.search(rf"\b{index}\b", said):
            raise Trouble(f"verification does not name entry {index}")
    finally:
        tamper.put_back()
    rc, said = tamper.verify()
    print("  the byte put back; phi log verify:")
    show(said)
    if rc:
        raise Trouble("the log does not verify again")
    return 0


def main():
    place = Place()
    place.load_ports()
    house = houses.House(place, Cluster(place))
    if not house.phid.pid():
        raise Trouble("the demo does not run; ./dev up starts it")
    return walk(Tamper(house))


if __name__ == "__main__":
    main_guard(main)
