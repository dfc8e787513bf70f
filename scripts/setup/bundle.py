"""Run by `meson install`: puts the libraries that scripts/setup/deps.sh unpacked into lib/phi, by their sonames."""
import os
import pathlib
import shutil
import subprocess
import sys

source = pathlib.Path(sys.argv[1])
target = pathlib.Path(os.environ["MESON_INSTALL_DESTDIR_PREFIX"]) / "lib" / "phi"
target.mkdir(parents=True, exist_ok=True)
for link in sorted(source.glob("*.so")):
    dynamic = subprocess.run(["objdump", "-p", link], capture_output=True, text=True, check=True).stdout
    soname = next(line.split()[1] for line in dynamic.splitlines() if line.split()[:1] == ["SONAME"])
    shutil.copyfile(link, target / soname)
    os.chmod(target / soname, 0o644)
