#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The floors of the house: an include goes down only, and the core is pure.
#
#   check-arch.sh [includes|symbols]     both without an argument
#
# ROOT is the tree to check (default: this one), BUILD its build directory; `symbols`
# reads $BUILD/obj/agent/core/*.o of an ordinary build (no sanitizers).
#
# A new library or header is added to the lists below on purpose, or not at all.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "${ROOT:-$here/../..}" && pwd)
BUILD=${BUILD:-build}
[[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD

libc='(aio|alloca|argp|argz|arpa/[a-z]+|assert|ctype|dirent|endian|envz|err|errno|error|fcntl|fnmatch'
libc+='|getopt|glob|grp|ifaddrs|inttypes|libgen|limits|locale|malloc|math|mntent|net/[a-z_]+|netdb'
libc+='|netinet/[a-z0-9_]+|netpacket/packet|poll|pthread|pwd|regex|sched|semaphore|setjmp|signal'
libc+='|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdio_ext|stdlib|stdnoreturn|string|strings'
libc+='|sys/[a-z]+|sysexits|syslog|termios|time|unistd|wchar|wordexp)\.h'
uapi='(linux|asm|asm-generic)/[a-z0-9_/-]+\.h'
freestanding='(limits|stdbool|stddef|stdint|string)\.h'
libbpf='bpf/(bpf|btf|libbpf|libbpf_common|libbpf_legacy)\.h'
bpf_side='bpf/(bpf_helpers|bpf_endian|bpf_core_read|bpf_tracing|bpf_helper_defs)\.h'
agent_libs='(systemd/sd-[a-z]+|libmnl/libmnl|sodium|jansson|libfyaml|sys/capability|seccomp)\.h'
sync_libs='(git2(/[a-z/_]+)?|zlib|gnutls/gnutls|jansson|sodium|systemd/sd-daemon)\.h'
tools_libs='(jansson|libsmartcols|libsmartcols/libsmartcols)\.h'

witness_libs='(systemd/sd-daemon|sodium|sys/capability|seccomp)\.h'

# Of agent/, what stands on nothing of it: keys and the log, which the witness shares.
leaves='(keyfile|keys|log)\.h'

# Headers of bpf/ that need no map and no helper: the agent runs the same lines.
native='bpf/(siphash|lease)\.h'

# What makes keys of the key file: pure, and `hagate discover` runs where no agent does.
keys='agent/(keys|keyfile)\.h'
# What of agent/ hagate-sync shares: the readers of the files, keys, the identity, the log's
# descriptors.
readers='agent/(config|identity|keyfile|keys|log)\.h'

# The floor of a folder; those below agent/ belong to it, but for the core.
floor_of() {
	case $1 in
	include/hagate | bpf | agent/core | loader | wiring | agent | sync | tools | witness) floor=$1 ;;
	agent/core/*) floor='' ;;
	agent/*) floor=agent ;;
	*) floor='' ;;
	esac
}

# What a floor may include: files of this tree, and system headers.
own_of() {
	case $1 in
	include/hagate) own='include/hagate/[^/]+' ;;
	bpf) own='(include/hagate|bpf)/[^/]+' ;;
	agent/core) own='(include/hagate|agent/core)/[^/]+' ;;
	loader) own='(include/hagate|loader|gen)/[^/]+' ;;
	wiring) own="(include/hagate|wiring)/[^/]+|$native" ;;
	agent) own="(include/hagate|loader|wiring)/[^/]+|agent/.+|$native" ;;
	sync) own="(include/hagate|sync)/[^/]+|$readers|$native" ;;
	tools) own="(include/hagate|wiring|tools)/[^/]+|$keys|$native" ;;
	witness) own="(include/hagate|witness|agent/core)/[^/]+|agent/$leaves|$native" ;;
	esac
}

system_of() {
	case $1 in
	include/hagate) system='linux/types\.h' ;;
	bpf) system="$uapi|$bpf_side|stdbool\.h|stddef\.h" ;;
	agent/core) system=$freestanding ;;
	loader) system="$libc|$uapi|$libbpf|libmnl/libmnl\.h" ;;
	wiring) system="$libc|$uapi" ;;
	agent) system="$libc|$uapi|$agent_libs" ;;
	sync) system="$libc|$uapi|$sync_libs" ;;
	tools) system="$libc|$uapi|$tools_libs" ;;
	witness) system="$libc|$uapi|$witness_libs" ;;
	esac
}

faults=0
fault() {
	printf '%s\n' "$*" >&2
	faults=$((faults + 1))
}

# The file of this tree that an include means, or nothing: a header of the system. The
# same order as the compiler's: the folder of the file, then include/, the root, gen/.
target_of() {
	local folder=$1 name=$2 is_quoted=$3

	target=''
	if [[ $is_quoted && -e $folder/$name ]]; then
		target=$folder/$name
	elif [[ -e include/$name ]]; then
		target=include/$name
	elif [[ -e $name ]]; then
		target=$name
	elif [[ $name == *.skel.h ]]; then
		target=gen/$name
	elif [[ $is_quoted ]]; then
		target=nowhere/$name
	fi
}

check_include() {
	local folder=$1 file=$2 line=$3 text=$4 name is_quoted=''

	if [[ $text =~ ^\"([^\"]+)\" ]]; then
		is_quoted=yes
	elif [[ ! $text =~ ^\<([^\>]+)\> ]]; then
		fault "$file:$line: cannot tell what is included: $text"
		return
	fi
	name=${BASH_REMATCH[1]}
	target_of "$folder" "$name" "$is_quoted"
	if [[ /$name/ == */../* ]]; then
		fault "$file:$line: $name: no way up by '..'"
	elif [[ $target ]]; then
		[[ $target =~ ^($own)$ ]] || fault "$file:$line: $floor/ may not include $target"
	elif [[ ! $name =~ ^($system)$ ]]; then
		fault "$file:$line: $floor/ may not include <$name>"
	fi
}

enter_floor() {
	local file=$1

	floor_of "${file%/*}"
	if [[ ! $floor ]]; then
		fault "$file: ${file%/*}/ has no floor in check-arch.sh"
		return
	fi
	own_of "$floor"
	system_of "$floor"
}

check_includes() {
	local files file line text last=''

	cd "$ROOT"
	mapfile -t files < <(find include bpf agent loader wiring sync tools witness -name '*.[ch]' 2>/dev/null | sort)
	if ((${#files[@]} == 0)); then
		fault "no source found below $ROOT"
		return
	fi
	while IFS=: read -r file line text; do
		[[ $file == "$last" ]] || enter_floor "$file"
		last=$file
		[[ ! $floor ]] || check_include "${file%/*}" "$file" "$line" "$text"
	done < <(grep -nHE '^[[:space:]]*#[[:space:]]*include' "${files[@]}" |
		sed -E 's/^([^:]*:[0-9]+:)[[:space:]]*#[[:space:]]*include(_next)?[[:space:]]*/\1/')
	((faults)) || echo "check-arch: includes of ${#files[@]} files go down only"
}

# The core calls itself and mem*; what the compiler adds by itself is named here.
check_symbols() {
	local objects=("$BUILD"/obj/agent/core/*.o) source object name type section own

	if [[ ! -e ${objects[0]} ]]; then
		fault "$BUILD/obj/agent/core: no objects; run make first"
		return
	fi
	for source in "$ROOT"/agent/core/*.c; do
		object=$BUILD/obj/agent/core/$(basename "$source" .c).o
		[[ -e $object && ! $source -nt $object ]] ||
			fault "${source#"$ROOT"/}: its object is missing or older; run make first"
	done
	own=" $(nm --defined-only -j "${objects[@]}" | grep -v '^$\|:$' | tr '\n' ' ') "
	for object in "${objects[@]}"; do
		while IFS='|' read -r name _ type _ _ _ section; do
			name=${name// /} type=${type// /} section=${section// /}
			case $type in
			U | w | v)
				[[ $own == *" $name "* || $name == mem* || $name == __stack_chk_fail ||
					$name == _GLOBAL_OFFSET_TABLE_ ]] ||
					fault "$(basename "$object"): the core may not call $name"
				;;
			[DdBbCcGgSs])
				# Constant after relocation.
				[[ $section == .data.rel.ro* ]] ||
					fault "$(basename "$object"): the core may not have writable data: $name"
				;;
			esac
		done < <(nm -f sysv "$object" | grep '|' | grep -v '^Name ')
	done
	((faults)) || echo "check-arch: ${#objects[@]} objects of the core call nothing and own nothing"
}

case ${1:-all} in
includes) check_includes ;;
symbols) check_symbols ;;
all)
	check_includes
	check_symbols
	;;
*)
	echo "usage: check-arch.sh [includes|symbols]" >&2
	exit 2
	;;
esac
((faults == 0)) || {
	echo "check-arch: $faults fault(s)" >&2
	exit 1
}
