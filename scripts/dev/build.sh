# help: build                   build what ./dev up runs, into build/release
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

step "build phid, phi-gateway, phi" build_release
if [[ -f web/package.json ]]; then step "build the console" web_build; fi
