#!/bin/sh
# Install the programs that the tests run for real, from Debian's packages; what is there already is left alone.
set -eu
missing=""
need() { ls $2 >/dev/null 2>&1 || command -v "$1" >/dev/null 2>&1 || missing="$missing $3"; }
need initdb "/usr/lib/postgresql/*/bin/initdb" postgresql
need chromium "/usr/bin/google-chrome" chromium
need promtool "/none" prometheus
need prometheus-pushgateway "/none" prometheus-pushgateway
need wrk "/none" wrk
need openssl "/none" openssl
need caddy "/none" caddy
need systemd-analyze "/none" systemd
need cc "/none" gcc
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
[ -n "$missing" ] || exit 0
root=""
[ "$(id -u)" = 0 ] || root=sudo
$root apt-get update -q >/dev/null
# No cluster of its own: the tests make theirs, in folders of their own.
$root sh -c 'mkdir -p /etc/postgresql-common && grep -qs create_main_cluster /etc/postgresql-common/createcluster.conf ||
    echo "create_main_cluster = false" >>/etc/postgresql-common/createcluster.conf'
DEBIAN_FRONTEND=noninteractive $root apt-get install -qy --no-install-recommends $missing >/dev/null
