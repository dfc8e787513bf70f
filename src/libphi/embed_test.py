"""examples/embed.c builds from an installed prefix by pkg-config alone, and decides."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT, LIB, STATIC, DEPS = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve(), sys.argv[4]
BUILD = next(p for p in LIB.parents if (p / "meson-info").is_dir())
SANITIZED = b"__asan_init" in LIB.read_bytes()


def run(*args, env=None, rc=0):
    r = subprocess.run([str(a) for a in args], capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=100)
    assert r.returncode == rc, f"{args}: {r.returncode}\n{r.stdout}{r.stderr}"
    return r.stdout


def install(prefix):
    """What `meson install` puts there for libphi, without building the rest of the project."""
    lib = prefix / "lib"
    (prefix / "include/phi").mkdir(parents=True)
    (lib / "pkgconfig").mkdir(parents=True)
    for h in "policy.h", "version.h":
        shutil.copy(ROOT / "include/phi" / h, prefix / "include/phi" / h)
    shutil.copy(LIB, lib / LIB.name)
    shutil.copy(STATIC, lib / STATIC.name)
    soname = ".".join(LIB.name.split(".")[:3])
    for name in {soname, "libphi.so"} - {LIB.name}:
        (lib / name).symlink_to(LIB.name)
    pc = (BUILD / "meson-private/libphi.pc").read_text().splitlines()
    fixed = {"prefix": str(prefix), "libdir": "${prefix}/lib", "includedir": "${prefix}/include"}
    lines = [f"{l.split('=')[0]}={fixed[l.split('=')[0]]}" if l.split("=")[0] in fixed else l for l in pc]
    (lib / "pkgconfig/libphi.pc").write_text("\n".join(lines) + "\n")


def decides(program, env):
    ask = lambda *a, rc=0: run(program, *a, env=env, rc=rc).strip()
    assert ask("alice", "read").startswith("allow: permitted by policy")
    assert ask("alice", "delete", rc=1) == "needs: needs dba"
    assert ask("alice", "delete", "dba").startswith("allow")
    assert ask("mallory", "read", rc=1).startswith("deny: no policy permits")
    assert ask('a" || "', "read", rc=1).startswith("deny: entity:1:")


def main():
    source = ROOT / "examples/embed.c"
    assert len(source.read_text().splitlines()) < 60, "the example has grown too long"
    with tempfile.TemporaryDirectory() as name:
        prefix = pathlib.Path(name)
        install(prefix)
        pkg = {"PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
        flags = run("pkg-config", "--cflags", "--libs", "libphi", env=pkg).split()
        assert not any(str(ROOT) in f for f in flags), f"the flags name the source tree: {flags}"
        extra = ["-fsanitize=address,undefined"] if SANITIZED else []
        run("cc", "-std=c17", "-Wall", "-Werror", source, *flags, *extra, f"-Wl,-rpath-link,{DEPS}", "-o", prefix / "embed")
        decides(prefix / "embed", {"LD_LIBRARY_PATH": f"{prefix}/lib:{DEPS}"})
        (prefix / "lib" / LIB.name).unlink() # the linker would take it before the archive
        (prefix / "lib/libphi.so").unlink()
        flags = run("pkg-config", "--static", "--cflags", "--libs", "libphi", env=pkg).split()
        run("cc", "-std=c17", "-Wall", "-Werror", source, *flags, *extra, f"-L{DEPS}", f"-Wl,-rpath-link,{DEPS}", "-o", prefix / "embed-static")
        assert "libphi" not in run("readelf", "-d", prefix / "embed-static"), "the static program still wants libphi.so"
        decides(prefix / "embed-static", {"LD_LIBRARY_PATH": DEPS})
        exported = {l.split()[-1].split("@")[0] for l in run("nm", "-D", "--defined-only", LIB).splitlines()}
        own = {s for s in exported if not s.startswith(("__", "_"))}
        want = {"phi_policies_open", "phi_policies_close", "phi_policies_decide", "phi_policies_decide_obliged", "phi_entity_set_open", "phi_entity_set_close"}
        assert own == want, f"exported: {sorted(own)}"
    print("libphi: the example builds from an installed prefix, shared and static, and decides")


main()
