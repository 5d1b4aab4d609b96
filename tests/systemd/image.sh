#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# image.sh BUILD: what a machine with systemd boots, in BUILD/vm-systemd: `disk.qcow2`, a
# Debian with hagate as `make install` puts it there, and `initrd.gz`, which mounts that disk
# and hands over to its systemd. The kernel is that of tests/vm/image.sh. The Debian is made once;
# remove BUILD/vm-systemd/base.tar for a new one.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=$1
vm=$build/vm-systemd
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
suite=bookworm
packages="systemd,systemd-sysv,udev,dbus,kmod,iproute2,procps,make,libbpf1,libfyaml0,libsystemd0,\
libmnl0,libsodium23,libjansson4,libsmartcols1,libcap2,libseccomp2,libgit2-1.5,libgnutls30,libelf1,zlib1g"
# In the order of loading; the rest is loaded when the kernel or udev asks for it.
boot_modules="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk
crc16 crc32c_generic mbcache jbd2 ext4"

make_base() {
	# shellcheck disable=SC2016  # apt-get expands these
	mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		sed -n "s/^$suite //p" | head -n 1)
	[ -n "$mirror" ] || { echo "image.sh: apt knows no source of $suite" >&2; exit 1; }
	debootstrap --variant=minbase --include="$packages" "$suite" "$root/base" "$mirror" \
		>"$vm/debootstrap.log" 2>&1 || { tail "$vm/debootstrap.log" >&2; exit 1; }
	rm -rf "$root"/base/var/cache/apt/archives/*.deb "$root"/base/var/lib/apt/lists/* \
		"$root/base/usr/share/doc"
	tar -C "$root/base" -cf "$vm/base.tmp" .
	mv "$vm/base.tmp" "$vm/base.tar"
	rm -rf "$root/base"
}

put_kernel_modules() {
	for tree in "$build"/vm/kernel/lib/modules/*; do
		into=$root/disk/usr/lib/modules/${tree##*/}
		mkdir -p "$into/kernel/drivers" "$into/kernel/fs"
		cp "$tree"/modules.order "$tree"/modules.builtin* "$into/"
		cp -r "$tree/kernel/net" "$tree/kernel/lib" "$tree/kernel/crypto" "$into/kernel/"
		for part in drivers/virtio drivers/block drivers/net/virtio_net.ko \
			drivers/net/net_failover.ko fs/overlayfs fs/ext4 fs/jbd2 fs/mbcache.ko; do
			mkdir -p "$(dirname "$into/kernel/$part")"
			[ ! -e "$tree/kernel/$part" ] || cp -r "$tree/kernel/$part" "$into/kernel/$part"
		done
		chroot "$root/disk" depmod "${tree##*/}"
	done
}

# What stands for the administrator at the keyboard, and for his network configuration.
put_test_parts() {
	install -m 644 "$here/test-shell.service" "$root/disk/etc/systemd/system/test-shell.service"
	for unit in test-shell systemd-networkd; do
		chroot "$root/disk" systemctl --quiet enable "$unit.service"
	done
	chroot "$root/disk" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer \
		dpkg-db-backup.timer e2scrub_all.timer serial-getty@ttyS0.service getty@tty1.service
	echo "/dev/vda / ext4 defaults 0 1" >"$root/disk/etc/fstab"
	: >"$root/disk/etc/machine-id"
	rm -f "$root/disk/etc/hostname"
	mkdir -p "$root/disk/usr/src/hagate/docs" "$root/disk/var/log/journal"
	cp -r "$top/Makefile" "$top/packaging" "$root/disk/usr/src/hagate/"
	cp -r "$top/docs/man" "$root/disk/usr/src/hagate/docs/"
}

make_disk() {
	mkdir "$root/disk"
	tar -C "$root/disk" -xf "$vm/base.tar"
	make -s -C "$top" BUILD="$build" DESTDIR="$root/disk" install >/dev/null
	put_kernel_modules
	put_test_parts
	rm -f "$vm/disk.raw"
	truncate -s 1G "$vm/disk.raw"
	mkfs.ext4 -q -F -d "$root/disk" "$vm/disk.raw"
	qemu-img convert -q -f raw -O qcow2 "$vm/disk.raw" "$vm/disk.qcow2"
	rm -rf "$root/disk" "$vm/disk.raw"
}

make_initrd() {
	mkdir -p "$root/initrd/bin" "$root/initrd/modules" "$root/initrd/dev" "$root/initrd/new"
	cp "$(command -v busybox)" "$root/initrd/bin/busybox"
	for name in $boot_modules; do
		cp "$(find "$build/vm/kernel/lib/modules" -name "$name.ko")" "$root/initrd/modules/"
	done
	echo "$boot_modules" >"$root/initrd/modules/order"
	install -m 755 "$here/init" "$root/initrd/init"
	(cd "$root/initrd" && find . | cpio --quiet -o -H newc) | gzip -1 >"$vm/initrd.gz"
}

mkdir -p "$vm"
[ -e "$vm/base.tar" ] || make_base
make_initrd
make_disk
