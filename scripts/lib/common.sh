# Sourced by every command of ./dev, which has changed to the top of the tree.
# shellcheck shell=bash
TOP=$PWD
BUILD=$TOP/build
PHI_DEV_T0=${PHI_DEV_T0:-$(date +%s%N)}
export LC_ALL=C.UTF-8

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' red='' plain=''
fi

say() { printf '%s\n' "$*"; }
die() {
    printf '%sdev:%s %s\n' "$red" "$plain" "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# seconds_since NANOSECONDS: with one decimal.
seconds_since() {
    local ms=$((($(date +%s%N) - $1) / 1000000))
    printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# step "what it does" command...: runs it quietly and prints the seconds; on failure prints its output and fails.
# The full output is kept in build/log/.
step() {
    local what=$1 t0 log rc=0
    shift
    t0=$(date +%s%N)
    mkdir -p "$BUILD/log"
    log=$BUILD/log/$(printf '%s' "$what" | tr -cs 'A-Za-z0-9' '-').log
    if [[ -t 1 ]]; then printf '  %-46s %s…%s' "$what" "$dim" "$plain"; fi
    "$@" >"$log" 2>&1 </dev/null || rc=$?
    if [[ -t 1 ]]; then printf '\r\e[K'; fi
    if ((rc == 0)); then
        printf '  %-46s %s%6s s%s\n' "$what" "$dim" "$(seconds_since "$t0")" "$plain"
        return 0
    fi
    printf '  %-46s %sfailed%s after %s s\n' "$what" "$red" "$plain" "$(seconds_since "$t0")"
    tail -n 40 "$log" | sed 's/^/    /'
    say "    (all of it: ${log#"$TOP/"})"
    return "$rc"
}

# as_root command...: through sudo where needed; without sudo, prints the line to run and ends.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        say "This needs root, and there is no sudo here. Run as root, then repeat the command:" >&2
        printf '   ' >&2
        printf ' %q' "$@" >&2
        printf '\n' >&2
        exit 1
    fi
}

# use_deps: lets pkg-config find what scripts/setup/deps.sh put under build/deps.
use_deps() {
    if [[ -d $BUILD/deps/pkgconfig ]]; then
        export PKG_CONFIG_PATH=$BUILD/deps/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
    fi
}

# port_free PORT: nobody listens there on the loopback.
port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
