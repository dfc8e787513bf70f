# help: as NAME                 a shell as alice, bob or mallory of the demo
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/demo.sh

(($# == 1)) || die "usage: ./dev as alice (or bob, or mallory)"
[[ $1 =~ ^[a-z][a-z0-9-]*$ ]] || die "\"$1\" is nobody's name"
demo as "$1"
