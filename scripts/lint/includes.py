#!/usr/bin/python3
"""Fails on an include that rooms.txt does not allow, and on any cycle of includes."""
import os
import re
import sys

from ctext import TOP, bare, files, line_of, read

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def load():
    rooms, only, never = {}, {}, {}
    with open(os.path.join(TOP, "scripts/lint/rooms.txt"), encoding="utf-8") as f:
        for line in f:
            line = line.split("#")[0].strip()
            if not line:
                continue
            head, _, names = line.partition(":")
            kind, key = head.split()
            {"room": rooms, "only": only, "never": never}[kind][key] = set(names.split())
    return rooms, only, never


def room_of(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "src" else "phi" if parts[0] == "include" else parts[0]


def check_rooms(rooms):
    """The table itself has no cycle."""
    bad, done = [], set()

    def visit(room, trail):
        if room in trail:
            bad.append("rooms.txt: cycle " + " -> ".join(trail[trail.index(room):] + [room]))
        elif room not in done:
            for other in sorted(rooms.get(room, ())):
                visit(other, trail + [room])
            done.add(room)
    for room in sorted(rooms):
        visit(room, [])
    return bad


def check_library(path, line, header, room, only, never):
    if room != "test" and header in only and room not in only[header] and not path.endswith("_test.c"):
        return [f"{path}:{line}: <{header}> belongs to {', '.join(sorted(only[header]))}; go through its interface"]
    if header in never and room in never[header] and not path.endswith("_test.c"):
        return [f"{path}:{line}: <{header}> has no place in {room}, which stays pure"]
    return []


def check_own(path, line, header, room, rooms):
    """Answers (what is wrong, the file included or None)."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), header))
    for target in ("src/" + header, "include/" + header, beside):
        if os.path.isfile(os.path.join(TOP, target)):
            break
    else:
        generated = not header.endswith(".h") or "/" in header and header.split("/")[0] in rooms
        return ([] if generated else [f"{path}:{line}: \"{header}\" is not there"]), None
    if target == beside and not path.startswith("test/") and "/" not in header:
        return [f"{path}:{line}: write \"{beside[4:]}\", relative to src/"], target
    other = room_of(target)
    if other != room and other not in rooms.get(room, ()):
        return [f"{path}:{line}: {room} may not include {other} (\"{header}\")"], target
    return [], target


def cycles(graph):
    bad, state = [], {}

    def visit(path, trail):
        state[path] = 1
        for other in graph.get(path, ()):
            if state.get(other) == 1:
                loop = trail[trail.index(other):] if other in trail else [path]
                bad.append("include cycle: " + " -> ".join(loop + [other]))
            elif other not in state:
                visit(other, trail + [other])
        state[path] = 2
    for path in sorted(graph):
        if path not in state:
            visit(path, [path])
    return bad


def main():
    rooms, only, never = load()
    bad, graph = check_rooms(rooms), {}
    for path in files(".c", ".h", ".inc"):
        room = room_of(path)
        if room not in rooms:
            bad.append(f"{path}: no room \"{room}\" in scripts/lint/rooms.txt")
            continue
        text = bare(read(path), keep_strings=True)
        for m in INCLUDE.finditer(text):
            line = line_of(text, m.start())
            if m.group(1) == "<":
                bad += check_library(path, line, m.group(2), room, only, never)
                continue
            wrong, target = check_own(path, line, m.group(2), room, rooms)
            bad += wrong
            if target:
                graph.setdefault(path, []).append(target)
    bad += cycles(graph)
    print("\n".join(bad) if bad else f"includes: {len(graph)} files, no arrow too many, no cycle")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
