#!/usr/bin/python3
"""Fails on functions that have a safer twin, and on words that do not belong into the tree."""
import re
import sys

from ctext import bare, files, line_of, read, tracked

FUNCTIONS = {
    "strcpy": "phi_buf or snprintf", "strcat": "phi_buf or snprintf", "sprintf": "snprintf", "vsprintf": "vsnprintf",
    "strncpy": "memcpy with a length", "strncat": "phi_buf", "strtok": "a view and memchr", "gets": "fgets",
    "atoi": "a checked reader", "atol": "a checked reader", "atoll": "a checked reader", "atof": "a checked reader",
    "gmtime": "gmtime_r", "localtime": "localtime_r", "ctime": "strftime", "asctime": "strftime",
    "system": "posix_spawn", "popen": "posix_spawn", "alloca": "an arena", "tmpnam": "mkstemp", "mktemp": "mkstemp",
}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(FUNCTIONS) + r")\s*\(")

# Marks of unfinished work: what is not done is an issue, not a comment. Split here so that this file passes.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
# base is about bytes and containers; a product word there is a thing in the wrong room. limits.h is the one list of all limits.
PRODUCT = re.compile(r"(?:^|_)(grant|vote|approver?|approval|requester|gateway|bundle|claim|receipt|policy)s?(?:_|$)")
TEXT = (".c", ".h", ".inc", ".py", ".sh", ".md", ".ts", ".tsx", ".mjs", ".cjs", ".js", ".css", ".html", ".sql", ".build", ".txt",
        ".yaml", ".yml", ".cedar", ".scd", ".conf")


def functions():
    for path in files(".c", ".h"):
        text = bare(read(path))
        for m in CALL.finditer(text):
            yield f"{path}:{line_of(text, m.start())}: {m.group(1)} is banned; use {FUNCTIONS[m.group(1)]}"


def unfinished():
    for path in tracked():
        if not path.endswith(TEXT) and path not in ("dev", ".ci/run"):
            continue
        text = read(path)
        for m in UNFINISHED.finditer(text):
            yield f"{path}:{line_of(text, m.start())}: {m.group(0)}: finish it or file an issue"


def product_words():
    for path in files(".c", ".h", under=("src/base",)):
        if path == "src/base/limits.h":
            continue
        text = bare(read(path))
        for m in re.finditer(r"\b[A-Za-z_]\w*\b", text):
            if PRODUCT.search(m.group(0).lower()):
                yield f"{path}:{line_of(text, m.start())}: \"{m.group(0)}\" is a product word; base knows none"


def main():
    bad = [*functions(), *unfinished(), *product_words()]
    print("\n".join(bad) if bad else "words and functions: nothing banned")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
