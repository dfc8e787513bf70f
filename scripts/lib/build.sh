# shellcheck shell=bash
# Building into build/NAME. Sourced after common.sh.

# build_dir NAME meson-options...: configures where options or dependencies changed, then builds.
build_dir() {
    local dir=$BUILD/$1 want
    shift
    use_deps
    want="$* CC=${CC:-} $(cat "$BUILD/deps/stamp" 2>/dev/null || true)"
    mkdir -p "$BUILD"
    (
        flock 8
        if [[ ! -f $dir/build.ninja || $(cat "$dir/.configured" 2>/dev/null) != "$want" ]]; then
            rm -rf "$dir"
            meson setup "$dir" "$@" || exit 1
            printf '%s\n' "$want" >"$dir/.configured"
        fi
        nice ninja -C "$dir" -j "${PHI_JOBS:-$(nproc)}"
    ) 8>"$BUILD/.${dir##*/}.lock"
}

# What users run: warnings never fail it, unit tests are left out.
build_release() { build_dir release -Dtests=disabled; }

# What the tests run, and what bench must not: both compilers, warnings are errors. maybe-uninitialized stays a warning: what
# it says depends on the optimiser of each gcc, so a newer one would stop a build that nobody could have known of.
build_gcc() { CC=gcc build_dir gcc -Dtests=enabled -Dwerror=true -Dc_args=-Wno-error=maybe-uninitialized; }
build_asan() {
    CC=clang build_dir asan -Dtests=enabled -Dwerror=true -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
        -Dbuildtype=debug -Doptimization=1
}

# npm_packages DIR: what DIR/package-lock.json names, once.
npm_packages() {
    local stamp=$BUILD/.npm-${1//\//-}
    if [[ -d $1/node_modules && -f $stamp ]] && cmp -s "$stamp" "$1/package-lock.json"; then return 0; fi
    mkdir -p "$BUILD"
    (cd "$1" && npm ci --no-audit --no-fund --fetch-retries=1 --fetch-timeout=30000) || return 1
    cp "$1/package-lock.json" "$stamp"
}

# The console: web/dist. Needs node and the packages of web/package-lock.json.
web_stale() {
    [[ ! -f web/dist/.built ]] ||
        [[ -n $(find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -newer web/dist/.built -print -quit) ]]
}

web_build() {
    npm_packages web || return 1
    web_stale || return 0
    (cd web && npm run --silent build) || return 1
    touch web/dist/.built
}
