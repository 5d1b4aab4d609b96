#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs or removes what `make` built. Called by the Makefile:
#   install.sh install|uninstall BUILD DESTDIR sbindir bindir mandir compdir unitdir
# Makes /etc/hagate where it is missing; never touches what is in it, /var/lib/hagate or a
# running gateway.
set -eu

if [ $# -ne 8 ]; then
	sed -n '3,4s/^# //p' "$0" >&2
	exit 2
fi
action=$1 build=$2 destdir=$3 sbindir=$4 bindir=$5 mandir=$6 compdir=$7 unitdir=$8
here=$(cd "$(dirname "$0")" && pwd)
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

# put MODE SOURCE TARGET, or remove TARGET
put() {
	if [ "$action" = install ]; then
		install -D -m "$1" "$2" "$destdir$3"
		echo "  $destdir$3"
	elif [ -e "$destdir$3" ] || [ -L "$destdir$3" ]; then
		rm -f "$destdir$3"
		echo "  removed $destdir$3"
	fi
}

# The units run what is installed here.
put_units() {
	work=$(mktemp -d)
	for unit in hagated hagate-sync hagate-witness; do
		sed -e "s#@sbindir@#$sbindir#g" -e "s#@bindir@#$bindir#g" "$here/$unit.service" >"$work/$unit.service"
		put 644 "$work/$unit.service" "$unitdir/$unit.service"
	done
}

# Where node.yaml and the key go, also before `hagate init`: a node that joins has no init.
put_config_directory() {
	if [ "$action" = install ]; then
		[ -d "$destdir/etc/hagate" ] || install -d -m 755 "$destdir/etc/hagate"
		echo "  $destdir/etc/hagate"
	elif [ -d "$destdir/etc/hagate" ]; then
		rmdir --ignore-fail-on-non-empty "$destdir/etc/hagate"
	fi
}

put_completions() {
	put 644 "$here/hagate.bash-completion" "$compdir/hagate"
	for name in hagated hagate-load hagate-sync hagate-learn hagate-witness; do
		if [ "$action" = install ]; then
			ln -sfn hagate "$destdir$compdir/$name"
			echo "  $destdir$compdir/$name"
		else
			put 644 - "$compdir/$name"
		fi
	done
}

# Pages by their section: hagate.1 -> man1/hagate.1
put_manuals() {
	for source in "$here"/../docs/man/*.scd; do
		page=$(basename "$source" .scd)
		put 644 "$build/man/$page" "$mandir/man${page##*.}/$page"
	done
}

tell_next() {
	[ -z "$destdir" ] || return 0
	getent group hagate >/dev/null 2>&1 ||
		echo "Optional: groupadd --system hagate   (its members may run 'hagate status')"
	if [ -d /run/systemd/system ]; then
		echo "Next: systemctl daemon-reload"
	fi
	echo "On the first node: hagate init; on one that joins it: hagate discover; see hagate(1)"
}

case $action in
install | uninstall) ;;
*)
	echo "install.sh: '$action' is neither install nor uninstall" >&2
	exit 2
	;;
esac

if [ "$action" = uninstall ] && [ -z "$destdir" ] && [ -d /run/systemd/system ]; then
	for unit in hagated hagate-sync hagate-witness; do
		systemctl --quiet is-active "$unit" || systemctl --quiet is-enabled "$unit" 2>/dev/null ||
			continue
		echo "install.sh: $unit still runs, or starts at the next boot; run" \
			"'systemctl disable --now $unit', then try again" >&2
		exit 1
	done
fi

if [ "$action" = uninstall ] && [ -z "$destdir" ] && [ -d /sys/fs/bpf/hagate ]; then
	echo "install.sh: the data path is still loaded on this machine's NICs; stop hagated," \
		"run 'hagate-load detach', then try again" >&2
	exit 1
fi

put 755 "$build/bin/hagated" "$sbindir/hagated"
put 755 "$build/bin/hagate-load" "$sbindir/hagate-load"
put 755 "$build/bin/hagate-witness" "$sbindir/hagate-witness"
put 755 "$build/bin/hagate-sync" "$sbindir/hagate-sync"
put 755 "$build/bin/hagate-learn" "$sbindir/hagate-learn"
put 755 "$build/bin/hagate" "$bindir/hagate"
put_units
put_config_directory
put_completions
put_manuals
if [ "$action" = install ]; then
	tell_next
elif [ -z "$destdir" ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
