# help: tamper                  change one byte of the demo's log, see verification name the entry, put it back
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
exec /usr/bin/python3 -B scripts/demo/tamper.py
