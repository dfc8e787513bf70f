# shellcheck shell=bash
# For flow tests in bash: . test/lib/flow.sh; flow_start [--cluster-only]; then ok, not_ok, skip, as, phi_as.
# Starts a demo of its own in a temporary folder on free ports and stops it at the end; see phiflow.py, which does more.
FLOW_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
FLOW_FAILED=0

flow_demo() { /usr/bin/python3 -B "$FLOW_TOP/scripts/demo/demo.py" "$@" --state "$FLOW_STATE"; }

flow_start() {
    FLOW_STATE=$(mktemp -d /tmp/phi-flow-XXXXXX)
    chmod 711 "$FLOW_STATE"
    trap flow_end EXIT
    trap 'exit 1' INT TERM
    flow_demo up --auto-ports --quiet "$@" || { not_ok "the demo starts"; exit 1; }
    set -a
    eval "$(flow_demo env)"
    set +a
    export PATH=$PHI_BIN:$PATH
}

flow_end() {
    local rc=$?
    flow_demo down --quiet || rc=1
    if grep -lE 'ERROR: [A-Za-z]*Sanitizer|runtime error:' "$FLOW_STATE"/log/*.log 2>/dev/null; then
        not_ok "no sanitizer finding in the daemons' logs"
    fi
    rm -rf "$FLOW_STATE"
    ((rc == 0 && FLOW_FAILED == 0)) || exit 1
}

ok() { printf 'ok - %s\n' "$1"; }
not_ok() {
    FLOW_FAILED=1
    printf 'not ok - %s\n' "$1"
}
skip() { printf 'skip - %s: %s\n' "$1" "$2"; }

# holds "name" command...: ok when the command succeeds; its output is shown when it does not.
holds() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then ok "$name"; else
        not_ok "$name"
        printf '%s\n' "$out" | sed 's/^/  /'
    fi
}

# as NAME command...: with that person's address and token.
as() { PHI_CONFIG_DIR=$FLOW_STATE/people/$1 "${@:2}"; }
phi_as() { as "$1" phi "${@:2}"; }
