# help: lint                    the include graph, banned functions and words, function lengths, headers, scripts
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh

rc=0
run() { "$@" | sed 's/^/  /' || rc=1; }

shell_scripts() { git ls-files --cached --others --exclude-standard 'dev' '.ci/run' '*.sh'; }

check_shell() {
    local file bad=0
    while read -r file; do bash -n "$file" || bad=1; done < <(shell_scripts)
    if have shellcheck; then
        shell_scripts | xargs shellcheck -x -S warning || bad=1
        ((bad)) || say "scripts: shellcheck is content"
    else
        ((bad)) || say "scripts: bash reads them (shellcheck is not installed)"
    fi
    return "$bad"
}

# Other rooms' checks (generated documents that must be fresh and the like): each an executable test/lint/*.
check_others() {
    local check bad=0
    for check in test/lint/*; do
        if [[ -x $check && -f $check ]]; then "$check" || bad=1; fi
    done
    return "$bad"
}

export PYTHONDONTWRITEBYTECODE=1
run /usr/bin/python3 scripts/lint/includes.py
run /usr/bin/python3 scripts/lint/banned.py
run /usr/bin/python3 scripts/lint/lengths.py
run /usr/bin/python3 scripts/lint/headers.py
run check_shell
run check_others
exit "$rc"
