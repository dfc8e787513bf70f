# help: test [--fast] [-v] [NAME]   everything that must hold; --fast leaves the sanitizers out; NAME: a pattern of test names
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

fast=no yes='' pattern='' options=()
for arg in "$@"; do
    case $arg in
    --fast) fast=yes ;;
    -y | --yes) yes=-y ;;
    -v | --verbose) options+=(--verbose) ;;
    -*) die "test: no option \"$arg\"" ;;
    *) pattern=$arg ;;
    esac
done
[[ -z $pattern ]] || options+=(--filter "$pattern")

# shellcheck disable=SC2086
bash scripts/dev/setup.sh $yes build test
step "build with gcc" build_gcc
parts=(unit:gcc)
if [[ $fast == no ]]; then
    step "build with clang, ASan and UBSan" build_asan
    parts+=(unit:asan fuzz:asan)
fi
step "client drivers for node" npm_packages test/node
if [[ -f web/package.json ]]; then
    step "build the console" web_build
    parts+=("check:console's own tests:cd web && npm run --silent --if-present test")
fi
parts+=("check:policies against cedar-wasm:node test/fuzz/policy_diff.mjs --program $BUILD/gcc/test/fuzz/policy-diff --cases 20000")
parts+=(flow:gcc attacks:gcc)
[[ $fast == yes ]] || parts+=(flow:asan "check:spin model:test/spin/run.sh")
parts+=("check:lint:bash scripts/dev/lint.sh")

# Nobody wants a test's files back after a power cut: where there is memory to spare they are there, and no commit waits for a disk.
kib_free() { df --output=avail "$1" 2>/dev/null | tail -n 1 || echo 0; }
if [[ -z ${TMPDIR:-} && -w /dev/shm ]] && (($(kib_free /dev/shm) > 4 << 20 && $(awk '/^MemAvailable/ { print $2 }' /proc/meminfo) > 8 << 20)); then
    TMPDIR=$(mktemp -d /dev/shm/phi-test-XXXXXX)
    export TMPDIR
    chmod 1777 "$TMPDIR"
    trap 'rm -rf "$TMPDIR"' EXIT
fi

/usr/bin/python3 -B scripts/lint/lengths.py --top || true
/usr/bin/python3 -B scripts/test/run.py "${options[@]}" "${parts[@]}"
