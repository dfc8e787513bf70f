# help: upgrade [COMMIT]         programs of COMMIT (otherwise the newest tag) beside these, over the same data: phid first, gateway first
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

# Before the first release migrations are edited, and data of an older one fits no more: then the commit that edited them last.
commit=${1:-$(git describe --tags --abbrev=0 2>/dev/null || git log -1 --format=%H -- src/store/sql)}
commit=$(git rev-parse --verify "$commit^{commit}") || die "there is no commit $commit"
for file in $(git ls-tree -r --name-only "$commit" src/store/sql); do
    git diff --quiet "$commit" -- "$file" || say "note: $file differs from that of ${commit:0:12}; what was released must not be edited: add a migration"
done
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
