# help: fresh 12|13 [COMMAND]   the tree in a bare Debian 12 or 13 under build/: ./dev up --check && ./dev test, or COMMAND
# help: fresh 12|13 --debs [COMMAND]   phi's packages (./dev deb) installed in a bare Debian: the guide's steps, or COMMAND
# shellcheck shell=bash
#
# debootstrap makes the bare system once (build/fresh-12.tar keeps it); each run unpacks it anew, so that set-up starts from
# nothing. The committed tree is cloned in; proxy variables, extra CAs and the machine's mirror go with it.
set -euo pipefail
. scripts/lib/common.sh
. scripts/setup/deps.sh
. scripts/lib/build.sh

case ${1:-} in
12) suite=bookworm ;;
13) suite=trixie ;;
*) die "usage: ./dev fresh 12|13 [COMMAND]" ;;
esac
release=$1
shift
debs=no
if [[ ${1:-} == --debs ]]; then
    debs=yes
    shift
fi
default='./dev up -y --check && ./dev test -y'
[[ $debs == no ]] || default='/usr/bin/python3 -B test/install/guide.py'
command=${*:-$default}
((EUID == 0)) || die "fresh needs root for chroot: sudo ./dev fresh $release"
have debootstrap || die "debootstrap is not installed (package debootstrap)"

root=$BUILD/fresh-$release
[[ $debs == no ]] || root=$BUILD/fresh-$release-debs
kept=$BUILD/fresh-$release.tar
mapfile -t mirrors < <(deps_mirrors)
mirror=${mirrors[0]}
mounts=()
init='' # the booted system's first process, as this one sees it

finish() {
    local rc=$? i
    if [[ -n $init ]]; then kill -9 "$init" 2>/dev/null || true; fi
    # What a run left behind inside, by the root folder of each process: only those are ours to end.
    for pid in /proc/[0-9]*; do
        if [[ $(readlink "$pid/root" 2>/dev/null) == "$root" ]]; then kill -9 "${pid#/proc/}" 2>/dev/null || true; fi
    done
    for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do umount -l "${mounts[i]}" 2>/dev/null || true; done
    exit "$rc"
}
trap finish EXIT
trap 'exit 130' INT TERM

bare() {
    rm -rf "$root"
    debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
        --include=ca-certificates "$suite" "$root" "$mirror" || return 1
    rm -rf "$root"/var/cache/apt/archives/*.deb
    tar -C "$root" -cf "$kept.new" . && mv "$kept.new" "$kept"
}

unpack() {
    if mountpoint -q "$root/proc" 2>/dev/null; then return 1; fi
    rm -rf "$root"
    mkdir -p "$root"
    tar -C "$root" -xf "$kept"
}

# The machine's way out: mirrors, proxies, certificates, resolver.
carry() {
    local name
    printf 'deb %s %s main\n' "$mirror" "$suite" >"$root/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(http|https|ftp|Check|Retries|ForceIPv)' >"$root/etc/apt/apt.conf.d/90machine" || true
    if [[ -d /etc/apt/auth.conf.d ]]; then cp -a /etc/apt/auth.conf.d/. "$root/etc/apt/auth.conf.d/"; fi
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
    mkdir -p "$root/usr/local/share/ca-certificates"
    cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
    for name in SSL_CERT_FILE NODE_EXTRA_CA_CERTS CURL_CA_BUNDLE REQUESTS_CA_BUNDLE; do
        if [[ -f ${!name:-} ]]; then cp -L "${!name}" "$root/usr/local/share/ca-certificates/carried-${name,,}.crt"; fi
    done
    chroot "$root" update-ca-certificates
    if [[ -f $HOME/.npmrc ]]; then install -m 600 "$HOME/.npmrc" "$root/root/.npmrc"; fi
}

inside() {
    local pass=() name
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY npm_config_registry PHI_DEBIAN_MIRROR; do
        if [[ -n ${!name:-} ]]; then pass+=("$name=${!name}"); fi
    done
    # A chroot shares the machine's network, where a demo may run already.
    local free
    mapfile -t free < <(/usr/bin/python3 -c 'import sys; sys.path.insert(0, "scripts/demo"); from place import free_ports; print(*free_ports(4), sep="\n")')
    pass+=("PHI_PORT=${free[0]}" "PHI_API_PORT=${free[1]}" "PHI_PG_PORT=${free[2]}" "PHI_CLUSTER_PORT=${free[3]}")
    if [[ -n ${NODE_EXTRA_CA_CERTS:-} ]]; then pass+=("NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt"); fi
    local enter=(chroot "$root")
    [[ -z $init ]] || enter=(nsenter --target "$init" --pid --mount --uts --ipc --cgroup --net --root --wd)
    "${enter[@]}" env -i HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" PATH=/usr/sbin:/usr/bin:/sbin:/bin "${pass[@]}" \
        bash -c "$1" </dev/null
}

# Starts systemd in the bare system, in namespaces of its own. Its network is a loopback interface alone: the guide's ports
# are those that a demo on this machine may have, and what it installs was downloaded before.
boot() {
    local group=/sys/fs/cgroup
    [[ ! -d $group/unified ]] || group=$group/unified
    mkdir -p "$group/phi-fresh"
    rm -f "$root/run/phi-booted"
    setsid bash -c '
        echo $$ >"$2/phi-fresh/cgroup.procs"
        exec unshare --fork --pid --mount --uts --ipc --cgroup --net --kill-child bash -c "
            set -e
            root=$1
            /usr/bin/python3 scripts/lib/lo_up.py
            mount --bind \$root \$root
            mount -t proc proc \$root/proc
            mount --bind \$root/proc/sys \$root/proc/sys && mount -o remount,bind,ro \$root/proc/sys
            mount -t sysfs -o ro sysfs \$root/sys
            mount -t cgroup2 cgroup2 \$root/sys/fs/cgroup
            mount -t tmpfs tmpfs \$root/run
            mount -t tmpfs tmpfs \$root/tmp
            mount -t tmpfs -o mode=755 tmpfs \$root/dev
            mkdir \$root/dev/pts \$root/dev/shm
            for d in null zero full random urandom tty; do touch \$root/dev/\$d; mount --bind /dev/\$d \$root/dev/\$d; done
            mount -t devpts -o newinstance,ptmxmode=0666 devpts \$root/dev/pts
            ln -s pts/ptmx \$root/dev/ptmx
            ln -s /proc/self/fd \$root/dev/fd
            mount -t tmpfs tmpfs \$root/dev/shm
            hostname phi-fresh
            cd \$root
            pivot_root . mnt # not a chroot: in one, a unit could not have PrivateUsers=
            umount -l /mnt
            mount --make-rshared / # what is mounted for the credentials of a unit must be seen by all
            exec chroot . env -i container=phi-fresh PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd systemd.unit=multi-user.target
        "' fresh "$root" "$group" </dev/null >"$BUILD/log/boot.log" 2>&1 &
    local shell=$! child
    for _ in $(seq 100); do
        child=$(pgrep -P "$shell" | head -n 1) || child=''
        if [[ -n $child && -S /proc/$child/root/run/dbus/system_bus_socket ]]; then break; fi
        sleep 0.1
    done
    [[ -n ${child:-} ]] || return 1
    init=$child
    # "degraded" will do: some units of a whole machine fail in a container.
    [[ $(inside 'systemctl is-system-running --wait') =~ running|degraded ]]
}

mount_all() {
    local at
    mount -t proc proc "$root/proc" && mounts+=("$root/proc")
    mount -t sysfs -o ro sysfs "$root/sys" && mounts+=("$root/sys")
    for at in dev dev/pts dev/shm; do
        mkdir -p "$root/$at"
        mount --bind "/$at" "$root/$at" && mounts+=("$root/$at")
    done
}

bring_tree() {
    rm -rf "$root/src/phi"
    git clone -q --no-hardlinks "$TOP" "$root/src/phi"
}

# What the guide says, apart from what only the test needs (python3 runs it; postgresql is the database to stand before;
# node is the identity provider).
install_debs() {
    mkdir -p "$root/src/debs"
    cp "$BUILD"/debs/*.deb "$root/src/debs/"
    cp -r test/node/node_modules "$root/src/phi/test/node/"
    inside 'mkdir -p /etc/postgresql-common/createcluster.d && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/phi-setup.conf'
    inside 'export DEBIAN_FRONTEND=noninteractive; apt-get update && apt-get install -y --no-install-recommends python3 postgresql postgresql-client curl openssl nodejs systemd dbus'
    inside 'apt-get install -y --no-install-recommends --download-only /src/debs/*.deb'
    inside "systemctl mask systemd-logind getty@tty1 systemd-sysctl systemd-udevd systemd-modules-load"
}

mkdir -p "$BUILD"
if [[ ! -f $kept ]]; then step "debootstrap of Debian $release" bare; fi
step "unpack Debian $release" unpack
mount_all
step "carry proxies, certificates, mirror" carry
step "clone the tree in" bring_tree
if [[ $debs == yes ]]; then
    [[ -n $(compgen -G "$BUILD/debs/*.deb") ]] || bash scripts/dev/deb.sh -y
    step "the test's identity provider" npm_packages test/node
    step "bring the packages" install_debs
    for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do umount -l "${mounts[i]}"; done
    mounts=()
    boot # not in a step of its own: it sets $init
fi
# A bare Debian has no list of packages yet, and no git that set-up's clone would need.
inside "cd /src/phi && $command"
