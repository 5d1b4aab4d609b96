#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# image.sh BUILD: what a gateway VM boots, in BUILD/vm: `vmlinuz` of Debian's stock kernel,
# `base.gz`, an initramfs with its modules, busybox and the programs of BUILD/bin, and
# `state.img`, an empty ext4 file system. The kernel package is unpacked, not installed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$1
vm=$build/vm
root=$vm/root
modules="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover
net_failover virtio_net virtio_blk crc16 crc32c_generic mbcache jbd2 ext4 cls_bpf sch_ingress"

mkdir -p "$vm"
if ! [ -e "$vm/vmlinuz" ]; then
	package=$(apt-cache depends linux-image-amd64 |
		sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
	[ -n "$package" ] || { echo "image.sh: no kernel package known: run 'apt-get update'" >&2; exit 1; }
	rm -rf "$vm/kernel" "$vm"/linux-image-*.deb
	(cd "$vm" && apt-get -qq -o APT::Sandbox::User=root download "$package")
	dpkg-deb -x "$vm"/linux-image-*.deb "$vm/kernel"
	rm -f "$vm"/linux-image-*.deb
	cp "$vm"/kernel/boot/vmlinuz-* "$vm/vmlinuz"
fi

rm -rf "$root"
mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" \
	"$root/run" "$root/etc/hagate" "$root/var/lib/hagate"
put() { # PROGRAM: with the libraries that it needs
	cp "$1" "$root/bin/"
	for library in $(ldd "$1" | grep -o '/[^ ]*'); do
		mkdir -p "$root$(dirname "$library")"
		[ -e "$root$library" ] || cp -L "$library" "$root$library"
	done
}
put "$build/bin/hagated"
put "$build/bin/hagate"
cp "$(command -v busybox)" "$root/bin/busybox"
for name in sh mount insmod ip stty cat sleep mkdir sysctl hostname uname dd sync sed poweroff; do
	ln -s busybox "$root/bin/$name"
done
for name in $modules; do # in the order of loading
	cp "$(find "$vm/kernel/lib/modules" -name "$name.ko")" "$root/modules/"
done
echo "$modules" >"$root/modules/order"
install -m 755 "$here/init" "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc) | gzip -1 >"$vm/base.gz"

truncate -s 16M "$vm/state.raw"
mkfs.ext4 -q -F "$vm/state.raw"
qemu-img convert -q -f raw -O qcow2 "$vm/state.raw" "$vm/state.img"
