# help: deb [-y]                 Debian packages of phi, in build/debs; they install on Debian 12 and 13
# shellcheck shell=bash
set -euo pipefail
. scripts/lib/common.sh
. scripts/lib/build.sh

yes=''
case ${1:-} in -y | --yes) yes=-y ;; '') ;; *) die "usage: ./dev deb [-y]" ;; esac
# shellcheck disable=SC2086
bash scripts/dev/setup.sh $yes build
have dpkg-shlibdeps || die "dpkg-shlibdeps is not installed (package dpkg-dev)"

build_deb() {
    build_dir deb --prefix=/usr --libdir="lib/$(gcc -print-multiarch)" --sysconfdir=/etc --buildtype=release -Db_ndebug=false -Dtests=disabled
}

# Where each file of an installation goes; deb.py refuses what no package takes.
install_all() {
    local dest=$BUILD/debs.root page
    rm -rf "$dest"
    DESTDIR=$dest meson install -C "$BUILD/deb" --no-rebuild
    mkdir -p "$dest/usr/share/phi" "$dest/usr/share/man/man8"
    cp -r web/dist "$dest/usr/share/phi/web"
    rm -f "$dest/usr/share/phi/web/.built"
    mkdir -p "$dest/usr/share/man/man3" "$dest/usr/share/man/man5"
    for page in phid.8 phi-gateway.8 gateway.yaml.5 libphi.3; do scdoc <"man/$page.scd" >"$dest/usr/share/man/man${page##*.}/$page"; done
    /usr/bin/python3 -B scripts/gen/man_config.py | scdoc >"$dest/usr/share/man/man5/phid.yaml.5"
    install -Dm644 -t "$dest/usr/share/doc/libphi-approval-dev" examples/embed.c
    install -Dm644 -t "$dest/usr/lib/systemd/system" packaging/systemd/*
    install -Dm644 -t "$dest/etc/phi" packaging/etc/*.yaml
    install -Dm644 -t "$dest/usr/share/doc/phi-approval-server" docs/*.md
}

version=$(sed -n "s/^ *version : '\(.*\)',/\1/p" meson.build | head -n 1)-1
step "build the programs" build_deb
step "build the console" web_build
step "install into build/debs.root" install_all
/usr/bin/python3 -B scripts/deb.py "$BUILD/debs.root" "$BUILD/debs" "$version"
