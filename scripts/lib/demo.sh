# shellcheck shell=bash
# demo VERB...: scripts/demo/demo.py with the system's Python.
demo() { /usr/bin/python3 -B scripts/demo/demo.py "$@"; }
