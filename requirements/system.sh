#!/bin/sh
# Install the programs that the tests run for real, from Debian's packages; what is there already is left alone.
# With `image` those of `make test-image` alone.
set -eu
missing="" newer=""
need() { ls $2 >/dev/null 2>&1 || command -v "$1" >/dev/null 2>&1 || missing="$missing $3"; }
tests() {
    need initdb "/usr/lib/postgresql/*/bin/initdb" postgresql
    need chromium "/usr/bin/google-chrome" chromium
    need prometheus "/none" prometheus
    need prometheus-pushgateway "/none" prometheus-pushgateway
    need prometheus-alertmanager "/none" prometheus-alertmanager
    need wrk "/none" wrk
    need openssl "/none" openssl
    need caddy "/none" caddy
    need systemd-analyze "/none" systemd
    need cc "/none" gcc
    [ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
    docker compose version >/dev/null 2>&1 || docker-compose version --short 2>/dev/null | grep -q "^[2-9]" || newer=docker-compose
}
image() {
    need buildah "/none" buildah
    need debootstrap "/usr/sbin/debootstrap" debootstrap
    need unshare "/none" util-linux
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring" # Ubuntu has it apart.
}
"${1:-tests}"
[ -n "$missing$newer" ] || exit 0
root=""
[ "$(id -u)" = 0 ] || root=sudo
$root apt-get update -q >/dev/null
# No cluster of its own: the tests make theirs, in folders of their own.
$root sh -c 'mkdir -p /etc/postgresql-common && grep -qs create_main_cluster /etc/postgresql-common/createcluster.conf ||
    echo "create_main_cluster = false" >>/etc/postgresql-common/createcluster.conf'
# Nor are services started, now or at the next boot: they would hold the ports of the stack.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null
    $root chmod 755 $policy
    trap '$root rm -f $policy' EXIT
fi
[ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive $root apt-get install -qy --no-install-recommends $missing >/dev/null
for package in $missing; do
    case $package in prometheus*) [ ! -d /run/systemd/system ] || $root systemctl --quiet disable "$package" ;; esac
done
# Compose reads its file without an engine. Debian 12 has version 1 alone, so one program is taken out of Debian 13's package.
if [ -n "$newer" ]; then
    folder=$(mktemp -d)
    mkdir "$folder/sources" "$folder/lists"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$file" ] || sed s/bookworm/trixie/g "$file" >"$folder/sources/$(basename "$file" | sed 's/^sources.list$/main.list/')"
    done
    from="-qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$folder/sources -o Dir::State::Lists=$folder/lists -o APT::Sandbox::User=root"
    (cd "$folder" && $root apt-get $from update && $root apt-get $from download $newer && dpkg -x $newer*.deb .)
    $root install "$folder/usr/libexec/docker/cli-plugins/docker-compose" /usr/local/bin
    $root rm -rf "$folder"
fi
