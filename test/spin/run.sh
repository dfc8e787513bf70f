#!/bin/bash
# Checks the model of a grant's life with spin: clean as it is, and each seeded fault caught.
set -euo pipefail
cd "$(dirname "$0")"
model=$PWD/grant.pml

for tool in spin cc; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check NAME [-DBUG_NAME]: prints what pan found, answers 0 when it found no error
check() {
    local name=$1 dir=$work/$1 out
    shift
    mkdir "$dir" && cd "$dir"
    spin -a "$@" "$model" >spin.out
    cc -O1 -w -DSAFETY -DNOCLAIM -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c
    out=$(timeout 300 ./pan -E -m500000 -w24 2>&1) || true
    grep -q "errors:" <<<"$out" || { echo "$out"; echo "pan did not finish: $name"; exit 1; }
    grep -Eo "[0-9]+ states, stored|errors: [0-9]+|assertion violated .*\)" <<<"$out" | tr '\n' ' '
    grep -q "errors: 0" <<<"$out"
}

bad=0
if found=$(check clean); then
    echo "  the model: $found"
else
    echo "  FAILED  the model: $found"
    bad=1
fi
for bug in $(grep -o 'BUG_[A-Z_]*' "$model" | sort -u | grep -v '^BUG_$'); do
    if found=$(check "$bug" "-D$bug"); then
        echo "  FAILED  $bug is not caught: $found"
        bad=1
    else
        echo "  caught  $bug: $found"
    fi
done
exit "$bad"
