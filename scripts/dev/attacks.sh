# help: attacks [--require 9-24,30]   the attacks of test/attacks/attacks.tsv; a required one that is not built fails
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

case ${1:-} in
'') ;;
--require) [[ ${2:-} =~ ^[0-9,-]+$ ]] || die "attacks: --require wants numbers, as in 9-24,30" ;;
*) die "attacks: no option \"$1\"" ;;
esac
bash scripts/dev/setup.sh build test
step "build with gcc" build_gcc
exec /usr/bin/python3 -B scripts/test/attacks.py build/gcc "$@"
