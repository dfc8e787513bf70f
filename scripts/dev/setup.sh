# help: setup [-y] [build|test|bench]...   install what building (and testing, benching) needs; changes no service
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/setup/deps.sh

yes=no
groups=()
for arg in "$@"; do
    case $arg in
    -y | --yes) yes=yes ;;
    build | test | bench) groups+=("$arg") ;;
    *) die "setup: \"$arg\" is not an option or a group (build, test, bench)" ;;
    esac
done
((${#groups[@]})) || groups=(build)
case " ${groups[*]} " in *" build "*) ;; *) groups=(build "${groups[@]}") ;; esac

probe() {
    local kind=${1%%:*} what=${1#*:}
    case $kind in
    cmd) have "$what" ;;
    pc) have pkg-config && pkg-config --exists "$what" ;;
    file) compgen -G "$what" >/dev/null ;;
    py) /usr/bin/python3 -c "import $what" 2>/dev/null ;;
    node) have npm && have node && (($(node -p 'parseInt(process.versions.node)') >= what)) ;;
    *) die "packages.txt: no probe \"$kind\"" ;;
    esac
}

known() { apt-cache show --no-all-versions "$1" 2>/dev/null | grep '^Package:' >/dev/null; }

# The first alternative that apt knows; the first of all when it knows none.
choose() {
    local name
    for name in ${1//|/ }; do
        if known "$name"; then
            say "$name"
            return
        fi
    done
    say "${1%%|*}"
}

# The packages of a group whose probe finds nothing, as written in the list.
missing() {
    local group probe_ package
    while read -r group probe_ package; do
        [[ $group == "$1" ]] || continue
        probe "$probe_" || say "$package"
    done < <(grep -v '^#' scripts/setup/packages.txt)
}

# env: what sudo would drop. NEEDRESTART_MODE: list, restart no service.
APT=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -o DPkg::Lock::Timeout=300)
INSTALL=("${APT[@]}" install -y --no-install-recommends)

have_lists() { compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; }

need_apt() { have apt-get || die "set-up knows Debian and Ubuntu only; scripts/setup/packages.txt lists what is needed"; }

# Without root and sudo: the line to run, and the end.
need_root() {
    if ((EUID == 0)) || have sudo; then return 0; fi
    say "Installing needs root, and there is no sudo here. Run this as root, then repeat the command:" >&2
    say "    mkdir -p ${CREATE_CONF%/*} && echo 'create_main_cluster = false' > $CREATE_CONF && apt-get update &&" \
        "apt-get install -y --no-install-recommends $*; rm -f $CREATE_CONF" >&2
    exit 1
}

# What is missing, in $wanted. Which packages there are is only known once apt has its lists.
collect() {
    local group name
    wanted=()
    for group in "${groups[@]}"; do
        [[ $group == bench || $group == proxies ]] && continue
        while read -r name; do wanted+=("$name"); done < <(missing "$group")
    done
    if deps_ready 2>/dev/null || deps_in_system; then return 0; fi
    if deps_in_apt; then
        while read -r name; do wanted+=("$name"); done < <(missing deps)
    elif [[ ! -f $DEPS_KEYRING ]]; then
        wanted+=(debian-archive-keyring)
    fi
}

update_lists() {
    if ((EUID != 0)) && [[ -t 0 ]] && have sudo; then sudo -v; fi
    step "apt-get update" as_root "${APT[@]}" update
}

all_known() {
    local name
    for name in "${wanted[@]}"; do known "$(choose "$name")" || return 1; done
}

ask() {
    local answer
    if [[ $yes == yes || ! -t 0 || ! -t 1 ]]; then return 0; fi
    read -r -p "Install them? [Y/n] " answer
    case $answer in '' | y | Y | yes) ;; *) die "nothing installed" ;; esac
}

CREATE_CONF=/etc/postgresql-common/createcluster.d/phi-setup.conf

# Debian's postgresql makes a cluster "main" and starts it, unless told not to while it is installed.
without_main_cluster() {
    local rc=0
    as_root mkdir -p "${CREATE_CONF%/*}"
    as_root sh -c "echo 'create_main_cluster = false' > $CREATE_CONF"
    "$@" || rc=$?
    as_root rm -f "$CREATE_CONF"
    return "$rc"
}

install_packages() {
    local names=() name
    for name in "${wanted[@]}"; do names+=("$(choose "$name")"); done
    mapfile -t names < <(printf '%s\n' "${names[@]}" | awk '!seen[$0]++')
    say "To install (apt, without recommended packages):"
    printf '%s\n' "${names[*]}" | fold -s -w 100 | sed 's/^/    /'
    LC_ALL=C apt-get -o Debug::NoLocking=1 --assume-no --no-install-recommends install "${names[@]}" 2>/dev/null |
        grep -E '^(Need to get|After this operation)' | sed 's/^/    /' || true
    need_root "${names[@]}"
    ask
    if ((EUID != 0)) && [[ -t 0 ]]; then sudo -v; fi
    if step "install ${#names[@]} packages" without_main_cluster as_root "${INSTALL[@]}" "${names[@]}"; then return 0; fi
    # Old lists name versions that the mirror no longer has.
    update_lists
    step "install ${#names[@]} packages, again" without_main_cluster as_root "${INSTALL[@]}" "${names[@]}"
}

# Daemons that bench compares with and that tests put in front, unpacked with what they need and the system lacks.
# --reinstall: one that the system has is fetched as well.
unpack() {
    local group=$1 names deb debs=$BUILD/bench.debs
    mapfile -t names < <(missing "$group")
    ((${#names[@]})) || return 0
    rm -rf "$debs"
    mkdir -p "$debs/partial" "$BUILD/bench"
    apt-get -o Debug::NoLocking=1 -o Dir::Cache::archives="$debs" -o APT::Sandbox::User="$(id -un)" \
        -o APT::Keep-Downloaded-Packages=true install -y --download-only --reinstall --no-install-recommends "${names[@]}"
    for deb in "$debs"/*.deb; do dpkg-deb -x "$deb" "$BUILD/bench"; done
    rm -rf "$debs"
    [[ -z $(missing "$group") ]]
}

collect
if ((${#wanted[@]})) || ! { deps_ready 2>/dev/null || deps_in_system; }; then need_apt; fi
if ((${#wanted[@]})); then
    # Lists that are absent or too old to know a package.
    if ! have_lists || ! all_known; then
        if ((EUID == 0)) || have sudo; then update_lists; fi
        collect
    fi
    install_packages
fi
if ! deps_ready 2>/dev/null; then step "llhttp, yyjson, libpg_query in build/deps" deps_make; fi
case " ${groups[*]} " in *" bench "*)
    if [[ -n $(missing bench) ]]; then step "pgbouncer, haproxy in build/bench" unpack bench; fi
    ;;
esac
case " ${groups[*]} " in *" test "*)
    if [[ -n $(missing proxies) ]]; then step "nginx, caddy in build/bench" unpack proxies; fi
    ;;
esac
