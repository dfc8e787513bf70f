# help: up [-y] [--check]       build and start the demo; --check walks its tour by itself and exits 0 or 1
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh
. scripts/lib/demo.sh

yes='' check=no
for arg in "$@"; do
    case $arg in
    -y | --yes) yes=-y ;;
    --check) check=yes ;;
    *) die "up: no option \"$arg\" (there are -y and --check)" ;;
    esac
done

# shellcheck disable=SC2086
bash scripts/dev/setup.sh $yes build
bash scripts/dev/build.sh
demo up
say
say "phi is up after $(seconds_since "$PHI_DEV_T0") s. The tour (./dev tour walks it in one terminal):"
say
demo lines
if [[ $check == yes ]]; then
    say
    /usr/bin/python3 -B scripts/demo/check.py
fi
