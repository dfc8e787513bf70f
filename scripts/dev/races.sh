# help: races [--grants N] [--votes N] [--seconds S] [sqlite|pgsql]  16 clients race for one-time grants, effects counted (62,500: a million tries)
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

bash scripts/dev/setup.sh build
step "build phid, phi-gateway, phi" build_release
(($#)) || set -- --grants 62500 --votes 1000
PHI_BUILD=build/release PYTHONPATH=test/lib PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 test/flow/races.py "$@"
