"""deb.py DESTDIR OUT VERSION: what `meson install` put into DESTDIR, as Debian packages in OUT.

packaging/deb/control says what packages there are, NAME.install what is in each (paths and patterns below DESTDIR), and
NAME.postinst and so on what runs. Every file must be in exactly one package. Dependencies come from dpkg-shlibdeps."""
import glob
import gzip
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HERE = ROOT / "packaging" / "deb"
DEST, OUT, VERSION = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3]
EPOCH = int(subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True).stdout)
ARCH = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def paragraphs(text):
    for part in text.strip().split("\n\n"):
        fields = re.findall(r"^([A-Z][A-Za-z-]*): (.*(?:\n .*)*)", part, re.M)
        yield dict(fields)


def files_of(name):
    for pattern in (HERE / f"{name}.install").read_text().split():
        found = glob.glob(str(DEST / pattern))
        if not found and not pattern.endswith(".a"):
            sys.exit(f"deb: {name}.install: nothing is at {pattern}")
        for path in map(pathlib.Path, found):
            if path.is_dir() and not path.is_symlink():
                yield from (p for p in path.rglob("*") if p.is_symlink() or p.is_file())
            else:
                yield path


def is_elf(path):
    return not path.is_symlink() and path.is_file() and path.read_bytes()[:4] == b"\x7fELF"


def shlibs(tree):
    """What its programs need of the system; what lies in usr/lib/phi comes with phi-approval-common."""
    elf = [p for p in tree.rglob("*") if is_elf(p)]
    if not elf:
        return ""
    work = OUT / "shlibdeps"
    (work / "debian").mkdir(parents=True, exist_ok=True)
    (work / "debian/control").write_text("Source: phi\n\nPackage: phi\nArchitecture: any\n")
    libs = [DEST / "usr/lib/phi", *DEST.glob("usr/lib/*-linux-*")]
    (work / "debian/shlibs.local").write_text("".join(
        f"{m[1]} {m[2]}\n" for d in libs for so in d.glob("*.so.*") if (m := re.match(r"(.+)\.so\.(.+)", so.name))))
    r = subprocess.run(["dpkg-shlibdeps", "-O", "--ignore-missing-info", *(f"-l{d}" for d in libs), *map(str, elf)],
                       cwd=work, capture_output=True, text=True)
    if r.returncode:
        sys.exit(r.stderr)
    return r.stdout.strip().partition("=")[2]


def place(name, tree):
    for path in files_of(name):
        to = tree / path.relative_to(DEST)
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            to.symlink_to(os.readlink(path))
        elif "/share/man/" in str(path):
            to.with_name(to.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
        else:
            shutil.copyfile(path, to)
            os.chmod(to, 0o755 if is_elf(path) and "/bin/" in str(path) else 0o644)
        if is_elf(to):
            subprocess.run(["strip", "--strip-unneeded", "--remove-section=.comment", "--remove-section=.note", to], check=True)
        yield path
    doc = tree / "usr/share/doc" / name
    doc.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "copyright", doc / "copyright")
    log = f"phi ({VERSION}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n"
    (doc / "changelog.Debian.gz").write_bytes(gzip.compress(log.encode(), 9, mtime=0))


def control(fields, tree):
    name, meta = fields["Package"], tree / "DEBIAN"
    depends = fields["Depends"].replace("${version}", VERSION).replace("${shlibs:Depends}", shlibs(tree))
    fields["Depends"] = ", ".join(d.strip() for d in depends.split(",") if d.strip())
    if not fields["Depends"]:
        del fields["Depends"]
    meta.mkdir()
    real = [p for p in tree.rglob("*") if p.is_file() and not p.is_symlink() and meta not in p.parents]
    head = {"Package": name, "Source": "phi", "Version": VERSION, "Architecture": ARCH, "Maintainer": "phi <security@phi.invalid>",
            "Installed-Size": str(sum(p.stat().st_size for p in real) // 1024 + 1), "Priority": "optional"}
    text = "".join(f"{k}: {v}\n" for k, v in {**head, **{k: v for k, v in fields.items() if k not in head and k != "Description"}}.items())
    (meta / "control").write_text(text + f"Description: {fields['Description']}\n")
    (meta / "md5sums").write_text("".join(
        f"{hashlib.md5(p.read_bytes(), usedforsecurity=False).hexdigest()}  {p.relative_to(tree)}\n" for p in sorted(real)))
    conf = [f"/{p.relative_to(tree)}\n" for p in sorted(real) if p.is_relative_to(tree / "etc")]
    if conf:
        (meta / "conffiles").write_text("".join(conf))
    for script in "postinst", "prerm", "postrm":
        if (HERE / f"{name}.{script}").exists():
            shutil.copyfile(HERE / f"{name}.{script}", meta / script)
            os.chmod(meta / script, 0o755)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    os.environ["SOURCE_DATE_EPOCH"] = str(EPOCH)
    taken = {}
    for fields in paragraphs((HERE / "control").read_text()):
        name = fields["Package"]
        tree = OUT / "tree" / name
        for path in place(name, tree):
            if path in taken:
                sys.exit(f"deb: {path} is in {taken[path]} and in {name}")
            taken[path] = name
        control(fields, tree)
        for path in [tree, *tree.rglob("*")]:
            if path.is_dir():
                os.chmod(path, 0o755)
            os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
        deb = OUT / f"{name}_{VERSION}_{ARCH}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, deb], check=True, stdout=subprocess.DEVNULL)
        print(f"  {deb.name}  {deb.stat().st_size // 1024} KB")
    left = [p for p in DEST.rglob("*") if (p.is_file() or p.is_symlink()) and p not in taken]
    if left:
        sys.exit("deb: in no package: " + ", ".join(str(p.relative_to(DEST)) for p in left))
    shutil.rmtree(OUT / "tree")
    shutil.rmtree(OUT / "shlibdeps", ignore_errors=True)


main()
