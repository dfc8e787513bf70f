#!/usr/bin/python3
"""Lengths of functions, signature to closing brace. Fails over 80 lines; reports the aim (median 15, 90th percentile 45).

  lengths.py        one line, and what fails
  lengths.py --top  the ten longest as well
"""
import re
import sys

from ctext import bare, files, read

LIMIT, MEDIAN, NINTH = 80, 15, 45
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)
NAME = re.compile(r"(?!__attribute__)\b([A-Za-z_]\w*)\s*\(")


def functions(path):
    """Yields (lines, path:line, name)."""
    text = DIRECTIVE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), bare(read(path)))
    depth, head = 0, 0
    start = name = None
    for m in re.finditer(r"[{};]", text):
        c, at = m.group(0), m.start()
        if c == "{":
            if depth == 0:
                before = text[head:at]
                found = NAME.search(before)
                if before.rstrip().endswith(")") and found and "=" not in before:
                    start, name = head + len(before) - len(before.lstrip()), found.group(1)
            depth += 1
        elif c == "}":
            depth -= 1
            if depth == 0 and start is not None:
                first = text.count("\n", 0, start) + 1
                yield text.count("\n", start, at) + 1, f"{path}:{first}", name
                start = None
        if depth == 0:
            head = m.end()


def main():
    # A test that is one table may be long; product code may not.
    found = sorted((f for p in files(".c", ".h") for f in functions(p)), reverse=True)
    product = [f for f in found if "_test.c" not in f[1] and not f[1].startswith("test/")]
    long = [f for f in product if f[0] > LIMIT]
    if product:
        sizes = sorted(f[0] for f in product)
        median, ninth = sizes[len(sizes) // 2], sizes[min(len(sizes) - 1, len(sizes) * 9 // 10)]
        aims = [f"median {median}" + (f" (aim {MEDIAN})" if median > MEDIAN else ""),
                f"90th percentile {ninth}" + (f" (aim {NINTH})" if ninth > NINTH else ""), f"longest {sizes[-1]}"]
        print(f"functions: {len(product)}, lines: " + ", ".join(aims))
    else:
        print("functions: none yet")
    if "--top" in sys.argv:
        print("\n".join(f"    {n:3} {name}  {where}" for n, where, name in product[:10]))
    for n, where, name in long:
        print(f"{where}: {name} has {n} lines; {LIMIT} is the limit")
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
