"""What the lints share: the project's C files, and C text without comments and strings."""
import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*suffixes, under=("src", "include", "plugins", "test")):
    """Paths relative to the top, sorted."""
    found = []
    for top in under:
        for folder, folders, names in os.walk(os.path.join(TOP, top)):
            folders[:] = sorted(d for d in folders if d not in ("node_modules", "__pycache__", "dist"))
            found += [os.path.relpath(os.path.join(folder, n), TOP) for n in names if n.endswith(suffixes)]
    return sorted(found)


def tracked():
    """Every file that git would carry, present in the work tree."""
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         cwd=TOP, stdout=subprocess.PIPE, check=False).stdout
    return sorted(p for p in out.decode().split("\0") if p and os.path.isfile(os.path.join(TOP, p)))


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def bare(text, keep_strings=False):
    """The text with comments (and what strings hold) blanked; offsets and line numbers stay."""
    def blank(m):
        s = m.group(0)
        if s[0] == "/":
            return re.sub(r"[^\n]", " ", s)
        return s if keep_strings else s[0] + re.sub(r"[^\n]", " ", s[1:-1]) + s[-1]
    return _TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
