"""The examples of everyday policy: each loads without a warning, is formatted, and answers as its tests say; a test that is
turned round fails, so that they can."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

PHI, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])


def phi(*args):
    return subprocess.run([PHI, "policy", *map(str, args)], capture_output=True, text=True, timeout=60)


def example(folder, tmp):
    check, test = phi("check", folder), phi("test", folder)
    assert check.returncode == 0 and ", 0 warnings" in check.stdout, f"{folder}: {check.stdout}{check.stderr}"
    assert test.returncode == 0 and ", 0 failed" in test.stdout and "0 passed" not in test.stdout, f"{folder}: {test.stdout}{test.stderr}"
    fmt = phi("fmt", "--check", folder / "policies.cedar")
    assert fmt.returncode == 0, f"{folder}: {fmt.stdout}{fmt.stderr}"
    turned = tmp / folder.name
    shutil.copytree(folder, turned)
    cases = turned / "tests/cases.yaml"
    text = cases.read_text()
    assert "answer: deny" in text and "answer: allow" in text, folder
    cases.write_text(text.replace("answer: deny", "answer: allow"))
    assert phi("test", turned).returncode != 0, f"{folder}: its tests cannot fail"


with tempfile.TemporaryDirectory() as tmp:
    found = sorted(p for p in (ROOT / "examples/policies").iterdir() if p.is_dir())
    assert len(found) >= 7, found
    for folder in found:
        example(folder, pathlib.Path(tmp))
    print(f"{len(found)} examples")
