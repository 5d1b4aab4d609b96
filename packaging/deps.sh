#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs the Debian packages that building and testing hagate needs.
#   deps.sh            install
#   deps.sh --quiet    install only what is missing; say nothing when all is there
#   deps.sh --vm       the same as --quiet, with what `make check-vm` needs besides
#   deps.sh --list     print the list
set -eu

build="gcc make pkg-config clang llvm libbpf-dev bpftool libelf-dev zlib1g-dev linux-libc-dev
libfyaml-dev libsystemd-dev libmnl-dev libsodium-dev libjansson-dev libsmartcols-dev libcap-dev
libseccomp-dev libgnutls28-dev libgit2-dev scdoc bash-completion git"
test="libcmocka-dev python3 python3-pytest python3-scapy python3-pyroute2 iproute2 tcpdump stress-ng
clang-tidy cppcheck clang-format libclang-rt-14-dev valgrind shellcheck keepalived nginx-light xdp-tools
nftables ethtool iputils-ping iputils-arping procps util-linux kmod man-db spin"
vm="qemu-system-x86 qemu-utils busybox-static cpio e2fsprogs debootstrap"

[ "${1:-}" = --vm ] || vm=
list=$(echo $build $test $vm)
if [ "${1:-}" = --list ]; then
	printf '%s\n' "$list"
	exit 0
fi
missing=
for p in $list; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
if [ -z "$missing" ]; then
	[ -n "${1:-}" ] || echo "deps: everything is installed"
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "deps: missing:$missing" >&2
	echo "deps: run 'sudo make deps', or install them with your package manager" >&2
	exit 1
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086  # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
