#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Static analysis of what git tracks. Exit 1 on findings of shellcheck and cppcheck; clang-tidy's are to
# be read by a person: most speak of ret_ parameters that a function sets whenever it returns 0.
set -u
cd "$(dirname "$0")/.." || exit 2
packages="libbpf libfyaml libsystemd libmnl libsodium jansson smartcols libcap libseccomp"
flags="-std=gnu11 -Iinclude -I. -isystem build/gen -D_GNU_SOURCE -DHG_VERSION=\"0\"
$(pkg-config --cflags $packages | sed 's/-I/-isystem /g')"
status=0

echo "== shellcheck"
git ls-files '*.sh' .ci/run tests/arch/check-arch.sh | sort -u | xargs shellcheck || status=1

echo "== cppcheck"
# shellcheck disable=SC2046  # a list of files
cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr \
	--suppress=missingIncludeSystem --suppress=nullPointerArithmetic \
	--suppress=unknownMacro --suppress=uninitvar -Iinclude -I. \
	-D__x86_64__ -DHG_VERSION='"0"' --std=c11 -j2 \
	$(git ls-files 'agent/*.c' 'loader/*.c' 'tools/*.c' 'witness/*.c') || status=1

echo "== clang-tidy"
checks='-*,clang-analyzer-*,bugprone-*,-bugprone-easily-swappable-parameters'
checks="$checks,-bugprone-reserved-identifier,-bugprone-narrowing-conversions,-bugprone-branch-clone"
checks="$checks,-bugprone-implicit-widening-of-multiplication-result"
checks="$checks,-bugprone-suspicious-string-compare,-clang-analyzer-valist.Uninitialized"
checks="$checks,-clang-analyzer-security.insecureAPI.strcpy,-bugprone-assignment-in-if-condition,-bugprone-sizeof-expression"
checks="$checks,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
# shellcheck disable=SC2046,SC2086  # lists
clang-tidy --quiet --checks="$checks" \
	$(git ls-files 'agent/*.c' 'loader/*.c' 'tools/*.c' 'witness/*.c') -- $flags || status=1
exit $status
