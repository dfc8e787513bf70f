# help: fmt [FILE]...           format C with clang-format: the files given, else the lines changed since the last commit
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh

have git-clang-format || die "clang-format is not installed (package clang-format)"
if (($#)); then
    clang-format -i --style=file "$@"
    say "formatted $# files"
    exit 0
fi
git clang-format --style=file --force --quiet HEAD || true # 1: it changed something
mapfile -t new < <(git ls-files --others --exclude-standard -- '*.c' '*.h')
((${#new[@]} == 0)) || clang-format -i --style=file "${new[@]}"
git diff --stat HEAD -- '*.c' '*.h'
