# help: clean [all]             remove what builds made; "all" removes unpacked dependencies and node's packages too
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh

for mounted in "$BUILD"/fresh-*/proc; do
    if mountpoint -q "$mounted" 2>/dev/null; then die "${mounted%/proc} is in use; ./dev fresh unmounts it when it ends"; fi
done
if [[ ${1:-} == all ]]; then
    rm -rf "$BUILD" web/node_modules web/dist
elif [[ -d $BUILD ]]; then
    find "$BUILD" -mindepth 1 -maxdepth 1 ! -name deps ! -name bench ! -name cache -exec rm -rf {} +
    rm -rf web/dist
fi
