#!/usr/bin/python3
"""Writes the migrations as C: embed.py OUT.c 001_first.sql …, in the order of their numbers."""
import os
import sys

out, files = sys.argv[1], sorted(sys.argv[2:], key=os.path.basename)
with open(out, "w", encoding="ascii") as f:
    f.write('#include "store/migrations.h"\n\nconst struct store_migration store_migrations[] = {\n')
    for n, path in enumerate(files, 1):
        name = os.path.basename(path)
        if int(name.split("_")[0]) != n:
            sys.exit(f"{path}: migration {n} is missing")
        with open(path, encoding="ascii") as sql:
            lines = sql.read().splitlines()
        f.write(f'    {{ {n}, "{name}",\n')
        for line in lines:
            f.write('      "' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"\n')
        f.write("    },\n")
    f.write("};\n" + f"const int store_migration_count = {len(files)};\n")
