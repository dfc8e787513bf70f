# help: fuzz [TARGET] [SECONDS]  fuzz one target, or each in turn (60 s); crashes become seeds in test/fuzz/corpus; policy-diff: against cedar-wasm
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

target=${1:-} seconds=${2:-60}
if [[ $target =~ ^[0-9]+$ ]]; then seconds=$target target=''; fi
bash scripts/dev/setup.sh build test
step "build with clang, ASan and UBSan" build_asan
if [[ $target == policy-diff ]]; then # against another engine, so no libFuzzer target; a new seed each time
    step "client drivers for node" npm_packages test/node
    exec node test/fuzz/policy_diff.mjs --program "$BUILD/asan/test/fuzz/policy-diff" --seconds "$seconds" --seed "${PHI_SEED:-$(date +%s)}"
fi
mapfile -t programs < <(find "$BUILD/asan" -type f -name "fuzz-${target:-*}" ! -name '*.*' -executable | sort)
((${#programs[@]})) || die "no fuzz target${target:+ named $target}"
rc=0
for program in "${programs[@]}"; do
    name=${program##*/fuzz-}
    seeds=test/fuzz/corpus/$name work=$BUILD/fuzz/$name
    mkdir -p "$seeds" "$work"
    dict=()
    [[ ! -f test/fuzz/$name.dict ]] || dict=(-dict="test/fuzz/$name.dict")
    say "fuzz $name, $seconds s"
    if ! UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$work/crash-" "${dict[@]}" "$work" "$seeds" >"$work.log" 2>&1; then
        rc=1
        tail -n 30 "$work.log"
        find "$work" -name 'crash-*' -newer "$program" -exec cp -t "$seeds" {} +
        say "the input is kept in $seeds; make it pass"
    else
        grep -E 'stat::(number_of_executed_units|average_exec_per_sec|new_units_added)' "$work.log" | sed 's/^/    /'
    fi
done
exit "$rc"
