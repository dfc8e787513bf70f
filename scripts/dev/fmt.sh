# help: fmt [FILE]...           format C files with clang-format: those given, else those changed since the last commit
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh

have clang-format || die "clang-format is not installed (package clang-format)"
if (($#)); then
    files=("$@")
else
    mapfile -t files < <({ git diff --name-only --diff-filter=d HEAD; git ls-files --others --exclude-standard; } | grep -E '\.[ch]$' | sort -u)
fi
((${#files[@]})) || { say "nothing changed"; exit 0; }
clang-format -i --style=file "${files[@]}"
say "formatted ${#files[@]} files"
