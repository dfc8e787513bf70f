# help: bench [WHAT]            measure: gateway, memory, or another test/bench/WHAT.py; without WHAT, all of them
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

what=${1:-}
[[ $what =~ ^[a-z0-9_-]*$ ]] || die "bench: \"$what\" is no name"
shopt -s nullglob
found=(test/bench/"${what:-*}".py test/bench/"${what:-*}".sh)
if [[ -z $what ]]; then found=(test/bench/*.py test/bench/*.sh); fi
files=()
for file in "${found[@]}"; do if [[ -x $file ]]; then files+=("$file"); fi; done
((${#files[@]})) || die "bench: nothing to measure${what:+ called $what}; test/bench/ has: $(cd test/bench 2>/dev/null && echo ./*)"

bash scripts/dev/setup.sh build bench
step "build phid, phi-gateway, phi" build_release
# The peers that bench compares with were unpacked, not installed.
export PATH=$BUILD/bench/usr/sbin:$BUILD/bench/usr/bin:$PATH
libraries=$(find "$BUILD/bench/usr/lib" -maxdepth 1 -mindepth 1 -type d -name '*-linux-gnu*' 2>/dev/null | head -n 1)
export PHI_BENCH_LIBS=$libraries PHI_BUILD=$BUILD/release PYTHONPATH=$TOP/test/lib PYTHONDONTWRITEBYTECODE=1
rc=0
for file in "${files[@]}"; do
    say "bench ${file##*/}"
    case $file in
    *.py) /usr/bin/python3 "$file" || rc=1 ;;
    *) bash "$file" || rc=1 ;;
    esac
done
exit "$rc"
