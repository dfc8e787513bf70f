#!/usr/bin/python3
"""Writes the examples of the OpenAPI document as C: examples.py OUT.c examples.json. test/flow/examples.py records and runs them."""
import json
import sys


def text(v):
    """A C string of JSON, ASCII only, in pieces that a compiler takes."""
    if v is None:
        return "NULL"
    s = json.dumps(v, separators=(",", ":")).replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
    parts, at = [], 0
    while at < len(s):
        end = min(at + 2000, len(s))
        while end < len(s) and s[end - 1] == "\\":
            end -= 1
        parts.append('"' + s[at:end] + '"')
        at = end
    return "\n      ".join(parts)


out, source = sys.argv[1:]
with open(source, encoding="utf-8") as f:
    rows = json.load(f)
with open(out, "w", encoding="ascii") as f:
    f.write('#include "api/route.h"\n\nconst struct api_example api_examples[] = {\n')
    for r in rows:
        method, pattern = r["route"].split(" ")
        sent = r.get("form", r.get("body"))
        media = '"' + r["type"] + '"' if "type" in r else "NULL"
        f.write(f'    {{ "{method}", "{pattern}", {text(r.get("values"))}, {text(sent)}, {"true" if "form" in r else "false"}, {r["status"]}, {media},\n'
                f'      {text(r.get("answer"))} }},\n')
    f.write("};\n" + "const size_t api_examples_n = sizeof(api_examples) / sizeof(api_examples[0]);\n")
