#!/usr/bin/python3
"""Writes the migrations as C, in both dialects: embed.py OUT.c 001_first.sql …, in the order of their numbers.

The files are SQLite's. PostgreSQL's are derived, so that the two cannot drift: whole numbers are BIGINT, texts and blobs are
BYTEA (bytes in the order of memcmp, whatever the database's encoding and collation). What this does not know is an error."""
import hashlib
import os
import re
import sys

KNOWN = re.compile(r"(CREATE TABLE|CREATE (UNIQUE )?INDEX|ALTER TABLE \w+ (ADD|DROP) COLUMN|DROP (TABLE|INDEX)|UPDATE|INSERT INTO|DELETE FROM)\b")


def blob(match):
    return "'\\x" + match.group(1) + "'"


def postgresql(path, text):
    text = re.sub(r"--[^\n]*", "", text)
    statements = [s.strip() for s in text.split(";") if s.strip()]
    for s in statements:
        if not KNOWN.match(s):
            sys.exit(f"{path}: embed.py does not know how to say this to PostgreSQL: {s.splitlines()[0]}")
    text = ";\n".join(statements) + ";"
    text = re.sub(r"\bINTEGER\b", "BIGINT", text)
    text = re.sub(r"\b(TEXT|BLOB)\b", "BYTEA", text)
    text = re.sub(r"\)\s*STRICT\s*(,\s*WITHOUT ROWID)?\s*;", ");", text)
    return re.sub(r"\b[xX]'([0-9a-fA-F]*)'", blob, text)


def digest(text):
    """What a store keeps of each migration it had, so that one which was edited later is noticed; remarks and blanks do not count."""
    return hashlib.sha256(" ".join(re.sub(r"--[^\n]*", "", text).split()).encode("ascii")).hexdigest()


def literal(f, lines):
    for line in lines:
        f.write('      "' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"\n')


out, files = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
with open(out, "w", encoding="ascii") as f:
    f.write('#include "store/migrations.h"\n\nconst struct store_migration store_migrations[] = {\n')
    for n, path in enumerate(files, 1):
        name = os.path.basename(path)
        if int(name.split("_")[0]) != n:
            sys.exit(f"{path}: migration {n} is missing")
        with open(path, encoding="ascii") as sql:
            text = sql.read()
        f.write(f'    {{ {n}, "{name}", "{digest(text)}",\n')
        literal(f, text.splitlines())
        f.write("      ,\n")
        literal(f, postgresql(path, text).splitlines())
        f.write("    },\n")
    f.write("};\n" + f"const int store_migration_count = {len(files)};\n")
