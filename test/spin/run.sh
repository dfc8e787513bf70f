#!/bin/bash
# Checks the models with spin: grant.pml (a grant's life; a claim that is made with it,
# -DPART_AWAIT), rights.pml (whom it rests on and when it serves; break-glass
# by itself, -DPART_GLASS; reboots, -DPART_BOOT) and standing.pml (for whom it stands and who signs; changes of phi, -DPART_CHANGE; quiet hours,
# -DPART_QUIET): clean as they are, and each seeded fault caught. Two checks run at a time.
set -euo pipefail
cd "$(dirname "$0")"

for tool in spin cc; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done

# one MODEL FAULT [-D…]: FAULT is "clean" or a BUG_…; prints what pan found, answers 0 when that is as it should be
one() {
    local model=$PWD/$1 name=$2 dir out found opt=-O0
    shift 2
    dir=$(mktemp -d "$work/XXXXXX") && cd "$dir"
    [ "$name" = clean ] && opt=-O1 || set -- "$@" "-D$name"
    spin -a "$@" "$model" >spin.out
    cc $opt -w -DSAFETY -DNOCLAIM -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c
    out=$(timeout 300 ./pan -E -m500000 -w21 2>&1) || true
    grep -q "errors:" <<<"$out" || { echo "  FAILED  pan did not finish: $name: $out"; return 1; }
    found=$(grep -Eo "[0-9]+ states, stored|errors: [0-9]+|assertion violated .*\)" <<<"$out" | tr '\n' ' ')
    if grep -q "errors: 0" <<<"$out"; then
        [ "$name" = clean ] && { echo "  clean   $(basename "$model") $*: $found"; return 0; }
        echo "  FAILED  $name is not caught: $found"
    else
        [ "$name" != clean ] && { echo "  caught  $name: $found"; return 0; }
        echo "  FAILED  the model $(basename "$model") $*: $found"
    fi
    return 1
}

if [ "${1-}" = --one ]; then
    shift
    one "$@"
    exit
fi
work=$(mktemp -d)
export work
trap 'rm -rf "$work"' EXIT
list() {
    local part
    for model in grant.pml rights.pml standing.pml; do
        echo "$model clean"
        for bug in $(grep -o 'BUG_[A-Z_]*' "$model" | sort -u | grep -v '^BUG_$'); do
            case $bug in
            BUG_AWAIT*) part=" -DPART_AWAIT" ;;
            BUG_GLASS*) part=" -DPART_GLASS" ;;
            BUG_BOOT*) part=" -DPART_BOOT" ;;
            BUG_CHANGE*) part=" -DPART_CHANGE" ;;
            BUG_QUIET*) part=" -DPART_QUIET" ;;
            *) part= ;;
            esac
            echo "$model $bug$part" # (xargs -L joins a line that ends in a blank with the next)
        done
    done
    echo "grant.pml clean -DPART_AWAIT"
    echo "rights.pml clean -DPART_GLASS"
    echo "rights.pml clean -DPART_BOOT"
    echo "standing.pml clean -DPART_CHANGE"
    echo "standing.pml clean -DPART_QUIET"
}
list | xargs -P2 -L1 ./run.sh --one
