# shellcheck shell=bash
# llhttp, yyjson and libpg_query 17 for systems that do not package them. Sourced by scripts/dev/setup.sh.
#
# Leaves build/deps/pkgconfig with libllhttp.pc, yyjson.pc and libpg_query.pc. Where the system has the packages (Debian 13
# on), only what lacks a .pc file is written. Elsewhere Debian 13's packages are fetched with a private apt configuration
# (nothing of the system's is changed, signatures are checked against debian-archive-keyring) and unpacked beside them.

DEPS_SUITE=trixie
DEPS_PACKAGES=(libllhttp-dev libyyjson-dev libpg-query-dev)
DEPS_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# What must be the same for build/deps to be taken as it is.
deps_stamp() {
    local codename
    codename=$(. /etc/os-release && printf '%s' "${ID:-}-${VERSION_CODENAME:-}")
    printf '3 %s %s %s\n' "$TOP" "$codename" "$(dpkg --print-architecture)"
}

deps_ready() {
    [[ -f $BUILD/deps/stamp && $(<"$BUILD/deps/stamp") == "$(deps_stamp)" ]] || return 1
    PKG_CONFIG_PATH=$BUILD/deps/pkgconfig pkg-config --exists libllhttp yyjson libpg_query
}

# Every gateway must speak the same grammar, so only libpg_query 17 will do (Debian 12 packages 15).
deps_in_system() {
    [[ -f /usr/include/llhttp.h && -f /usr/include/yyjson.h && -f /usr/include/pg_query.h ]] &&
        [[ $(dpkg-query -W -f '${Version}' libpg-query-dev 2>/dev/null) == 17-* ]]
}

deps_in_apt() {
    apt-cache show --no-all-versions libpg-query-dev 2>/dev/null | grep '^Version: 17-' >/dev/null &&
        known libllhttp-dev && known libyyjson-dev
}

# The mirrors to try, best first: the one this machine uses for its own release, so that a local mirror or proxy serves us too.
deps_mirrors() {
    local codename uri
    if [[ -n ${PHI_DEBIAN_MIRROR:-} ]]; then
        say "$PHI_DEBIAN_MIRROR"
        return
    fi
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    apt-get indextargets --format '$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 2>/dev/null |
        awk -F'|' -v c="$codename" '($1 == c || $2 == c) && $3 == "main" && !seen[$4]++ { print $4 }' |
        while read -r uri; do
            case $uri in
            */ubuntu/ | */ubuntu) say "${uri%ubuntu*}debian" ;;
            *) say "$uri" ;;
            esac
        done
}

# A configuration of its own for apt: the machine's proxies, credentials and acquire options; nothing else of the machine.
deps_apt_conf() {
    local dir=$1 mirror=$2
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/debs"
    : >"$dir/status"
    printf 'deb [signed-by=%s arch=%s] %s %s main\n' "$DEPS_KEYRING" "$(dpkg --print-architecture)" "$mirror" "$DEPS_SUITE" \
        >"$dir/sources.list"
    {
        apt-config dump | grep '^Acquire::' || true
        cat <<EOF
Dir::State "$dir";
Dir::State::lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::main "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "$(id -un)";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "2";
EOF
    } >"$dir/apt.conf"
}

deps_fetch() {
    local dir=$1 mirror runtime
    for mirror in $(deps_mirrors); do
        rm -rf "$dir"
        deps_apt_conf "$dir" "$mirror"
        export APT_CONFIG=$dir/apt.conf
        if apt-get update -o APT::Update::Error-Mode=any 2>&1; then
            runtime=$(apt-cache depends "${DEPS_PACKAGES[@]}" | awk '$1 == "Depends:" { print $2 }' | sort -u)
            # shellcheck disable=SC2086
            if (cd "$dir/debs" && apt-get download "${DEPS_PACKAGES[@]}" $runtime 2>&1); then
                unset APT_CONFIG
                return 0
            fi
        fi
        unset APT_CONFIG
        say "nothing usable at $mirror"
    done
    return 1
}

# A Debian version as pkg-config compares it: 17-6.1.0-1 is 17.6.1.0.
deps_version() {
    local v=${1%-*}
    v=${v%%[~+]*}
    say "${v//-/.}"
}

# deps_pc NAME VERSION LIBRARY PREFIX LIBDIR: a .pc file; -isystem because the warnings in these headers are not ours.
deps_pc() {
    cat <<EOF
prefix=$4
libdir=$5
includedir=\${prefix}/include

Name: $1
Description: $1, as packaged by Debian
Version: $2
Libs: -L\${libdir} -l$3
Cflags: -isystem \${includedir}
EOF
}

# Writes the three .pc files into $1/pkgconfig for what will stand at $2.
deps_write_pc() {
    local at=$1 final=$2 prefix=$2/usr libdir deb version
    libdir=$prefix/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
    mkdir -p "$at/pkgconfig"
    for name in libllhttp:llhttp:libllhttp-dev yyjson:yyjson:libyyjson-dev libpg_query:pg_query:libpg-query-dev; do
        IFS=: read -r pc library deb <<<"$name"
        version=$(dpkg-deb -f "$at"/apt/debs/"$deb"_*.deb Version)
        deps_pc "$pc" "$(deps_version "$version")" "$library" "$prefix" "$libdir" >"$at/pkgconfig/$pc.pc"
    done
}

deps_unpack() {
    local new=$1 deb
    deps_fetch "$new/apt" || return 1
    for deb in "$new"/apt/debs/*.deb; do
        dpkg-deb -x "$deb" "$new" || return 1
    done
    deps_write_pc "$new" "$BUILD/deps" || return 1
    rm -rf "$new/apt" "$new/usr/share"
}

# Debian's libpg-query-dev has no .pc file; the other two have.
deps_from_system() {
    local new=$1 version
    mkdir -p "$new/pkgconfig"
    version=$(dpkg-query -W -f '${Version}' libpg-query-dev)
    printf 'Name: libpg_query\nDescription: the parser of PostgreSQL 17\nVersion: %s\nLibs: -lpg_query\nCflags:\n' \
        "$(deps_version "$version")" >"$new/pkgconfig/libpg_query.pc"
}

deps_make() {
    local new=$BUILD/deps.new
    mkdir -p "$BUILD"
    exec 9>"$BUILD/.deps.lock"
    flock 9
    if deps_ready; then return 0; fi
    rm -rf "$new"
    if deps_in_system; then
        deps_from_system "$new"
    else
        deps_unpack "$new" || {
            say "could not get ${DEPS_PACKAGES[*]} of Debian $DEPS_SUITE; PHI_DEBIAN_MIRROR=URL names another mirror"
            return 1
        }
    fi
    deps_stamp >"$new/stamp"
    rm -rf "$BUILD/deps"
    mv "$new" "$BUILD/deps"
    deps_ready
}
