#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the verifier has to walk through to accept each program, against the figures
# kept in docs/verifier.txt: growth by more than a tenth fails, so that it is noticed
# and gets its reason in a commit. --update writes the file. Needs root.
set -eu

cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
BOOK=docs/verifier.txt
COUNT=$BUILD/tests/bpf/test_verifier

[ "$(id -u)" = 0 ] || { echo "verifier.sh: needs root" >&2; exit 1; }
[ -x "$COUNT" ] || make --no-print-directory BUILD="$BUILD" "$COUNT"
now=$("$COUNT" --print)
[ -n "$now" ] || { echo "verifier.sh: no figures from $COUNT" >&2; exit 1; }

if [ "${1:-}" = --update ]; then
	{
		echo "# program instructions-processed; written by tests/bpf/verifier.sh --update"
		echo "$now"
	} >"$BOOK"
	cat "$BOOK"
	exit 0
fi

[ -r "$BOOK" ] || { echo "verifier.sh: $BOOK is missing; run it with --update" >&2; exit 1; }
echo "$now" | awk -v book="$BOOK" '
	BEGIN {
		while ((getline line < book) > 0)
			if (line !~ /^#/ && split(line, field, " ") == 2)
				known[field[1]] = field[2]
	}
	!($1 in known) { print "verifier: " $1 " is not in " book; failed = 1; next }
	{
		printf "verifier: %s %d instructions (book: %d)\n", $1, $2, known[$1]
		if ($2 > known[$1] * 1.1) {
			print "verifier: " $1 " grew by more than a tenth"
			failed = 1
		}
		seen[$1] = 1
	}
	END {
		for (name in known)
			if (!(name in seen)) {
				print "verifier: " name " is in " book " but not built"
				failed = 1
			}
		exit failed
	}'
