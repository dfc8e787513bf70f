# help: tour                    the demo's tour, both sides in one terminal; Enter goes on
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
exec /usr/bin/python3 -B scripts/demo/tour.py
