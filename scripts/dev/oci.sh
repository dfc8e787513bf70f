# help: oci                      images of phid and phi-gateway by packaging/oci/Containerfile, each started once (root, buildah)
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

((EUID == 0)) || die "oci needs root: sudo ./dev oci"
have buildah || die "buildah is not installed (package buildah)"
[[ -n $(compgen -G "$BUILD/debs/*.deb") ]] || bash scripts/dev/deb.sh -y
[[ -f $BUILD/fresh-12.tar ]] || bash scripts/dev/fresh.sh 12 true

# Everything of it in one folder; the machine's own images are not touched.
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs PHI_OCI=$BUILD/oci
oci() { buildah --root "$PHI_OCI/root" --runroot "$PHI_OCI/run" "$@"; }

base() {
    local c m
    rm -rf "$PHI_OCI"
    mkdir -p "$PHI_OCI"
    c=$(oci from scratch)
    m=$(oci mount "$c")
    tar -C "$m" -xf "$BUILD/fresh-12.tar"
    cp -a /etc/apt/apt.conf.d/. "$m/etc/apt/apt.conf.d/" 2>/dev/null || true # the machine's proxies
    oci commit -q "$c" localhost/phi-base && oci rm "$c"
}

image() {
    oci build --pull-never --network host -f packaging/oci/Containerfile --build-arg BASE=localhost/phi-base --build-arg "PROGRAM=$1" -t "$1" "$BUILD/debs"
}

step "a base of Debian 12" base
step "the image of phid" image phid
step "the image of phi-gateway" image phi-gateway
exec /usr/bin/python3 -B test/install/oci.py
