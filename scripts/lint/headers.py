#!/usr/bin/python3
"""Each header compiles alone, and only once however often it is included."""
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from ctext import TOP, files

MODULES = ["libllhttp", "yyjson", "libpg_query", "libuv", "openssl", "sqlite3", "libfyaml", "libseccomp", "libpq"]


def flags():
    env = dict(os.environ)
    deps = os.path.join(TOP, "build/deps/pkgconfig")
    if os.path.isdir(deps):
        env["PKG_CONFIG_PATH"] = deps + ":" + env.get("PKG_CONFIG_PATH", "")
    out = subprocess.run(["pkg-config", "--cflags"] + MODULES, env=env, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False, text=True)
    return out.stdout.split()


def alone(path, cflags):
    cmd = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-DPHI_VERSION=\"0\"", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
           "-Isrc", "-Iinclude", *cflags, "-x", "c", "-"]
    twice = f'#include "{path}"\n#include "{path}"\n'
    done = subprocess.run(cmd, cwd=TOP, input=twice, stderr=subprocess.PIPE, text=True, check=False)
    return "" if done.returncode == 0 else f"{path} does not compile alone:\n{done.stderr}"


def main():
    headers = files(".h", under=("src", "include"))
    cflags = flags()
    with ThreadPoolExecutor(2) as pool:
        bad = [b for b in pool.map(lambda p: alone(p, cflags), headers) if b]
    print("\n".join(bad) if bad else f"headers: each of {len(headers)} compiles alone")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
