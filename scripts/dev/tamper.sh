# help: tamper [--cases N]      change one byte of the demo's log, see it named, put it back; N: random cases over a log of 100,000 entries
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
if [[ ${1:-} != --cases ]]; then exec /usr/bin/python3 -B scripts/demo/tamper.py; fi
[[ ${2:-} =~ ^[0-9]+$ ]] || die "tamper: --cases takes a number"
. scripts/lib/build.sh
bash scripts/dev/setup.sh build test
step "build the test" build_gcc
PHI_TAMPER_CASES=$2 exec "$BUILD/gcc/src/proof/test-proof-tamper"
