"""man_config.py: phid.yaml(5) in scdoc's form, from docs/phid.yaml.md, which `phid config` writes and a test holds to it."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def plain(text):
    return re.sub(r"([\\_*#~])", r"\\\1", text.replace("`", '"').replace("–", "-"))


def main():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*) \|$", (ROOT / "docs/phid.yaml.md").read_text(encoding="utf-8"), re.M)
    print('phid.yaml(5) "phi" "phi (just-in-time approval)"\n\n# NAME\n\nphid.yaml - what phid needs to start\n\n# DESCRIPTION\n\n'
          "YAML, a key a line; all else is in the store and changed by logged actions. An unknown key is an error with its line. Neither group\n"
          "nor others may write the file. *phid --config* _FILE_ *--check-config* reads it and looks at what it names. A secret is a file that\n"
          "only its owner may read, or _credential:NAME_, a file of systemd's _LoadCredential=_.\n\n# KEYS\n")
    for key, kind, otherwise, what in rows:
        default = plain(otherwise)
        says = "It must be there." if otherwise == "must be there" else f"Otherwise {default}." if otherwise not in ("–", "") else ""
        print(f"*{plain(key)}* ({plain(kind)})\n\t{plain(what)}. {says}\n".replace("..", "."))
    print("# SEE ALSO\n\n*phid*(8), *gateway.yaml*(5)")


main()
