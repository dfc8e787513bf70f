# help: upgrade [COMMIT]         programs of COMMIT (otherwise the newest tag, else 30 commits back) beside these: phid first, gateway first
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

commit=${1:-$(git describe --tags --abbrev=0 2>/dev/null || git rev-parse --verify -q HEAD~30)} || die "there is no earlier commit"
commit=$(git rev-parse --verify "$commit^{commit}")
tree=$BUILD/old-tree

unpack_old() {
    rm -rf "$tree"
    mkdir -p "$tree"
    git archive "$commit" | tar -C "$tree" -x
}

build_old() {
    use_deps
    [[ -f $BUILD/old/build.ninja ]] || meson setup "$BUILD/old" "$tree" -Dtests=disabled
    nice ninja -C "$BUILD/old" -j "${PHI_JOBS:-$(nproc)}"
}

bash scripts/dev/setup.sh build
step "this tree's programs" build_release
step "unpack ${commit:0:12}" unpack_old
step "its programs" build_old
PHI_BUILD=build/release exec /usr/bin/python3 -B test/install/upgrade.py "$BUILD/old"
