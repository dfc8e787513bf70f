# help: crash [--points N] [sqlite|pgsql]  kill the store at its k-th write or sync, N points each (10,000)
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

bash scripts/dev/setup.sh build
step "build phid, phi-gateway, phi" build_release
ninja -C "$BUILD/release" test/crash/crash >/dev/null
(($#)) || set -- --points 10000
PHI_BUILD=build/release PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 test/flow/store_crash.py "$@"
