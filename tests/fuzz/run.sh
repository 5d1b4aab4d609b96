#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs fuzzers: tests/fuzz/run.sh BINARY...
# FUZZ_SECONDS (60) each. fuzz_NAME starts from tests/fuzz/corpus/NAME, which is copied
# beside the binary, so that what is found does not land in the source tree, and uses
# tests/fuzz/fuzz_NAME.dict when there is one. Exit 1 when a fuzzer found something;
# its log and the input that reproduces it stay where the summary says.
set -u

seconds=${FUZZ_SECONDS:-60}
here=$(dirname "$0")
failed=0

if [ $# -eq 0 ]; then
	echo "usage: $0 FUZZER..." >&2
	exit 2
fi

for fuzzer in "$@"; do
	file=$(basename "$fuzzer")
	name=${file#fuzz_}
	work=$(dirname "$fuzzer")/runs/$name
	log=$work/log
	corpus=$work/corpus

	mkdir -p "$corpus" "$work/crash" || exit 1
	rm -f "$work/crash"/*
	if [ -d "$here/corpus/$name" ]; then
		cp -r "$here/corpus/$name/." "$corpus/" || exit 1
	fi
	set -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$work/crash/"
	if [ -f "$here/$file.dict" ]; then
		set -- "$@" -dict="$here/$file.dict"
	fi

	"$fuzzer" "$@" "$corpus" >"$log" 2>&1
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	speed=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
	cover=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
	if [ "$status" -eq 0 ]; then
		echo "$file: ok, ${runs:-0} runs in ${seconds}s (${speed:-0}/s), coverage ${cover:-0}"
		continue
	fi
	failed=1
	echo "$file: FAILED (exit $status) after ${runs:-?} runs"
	grep -m 3 -E 'ERROR|SUMMARY|runtime error' "$log" | sed 's/^/    /'
	for input in "$work/crash"/*; do
		[ -e "$input" ] && echo "    reproduce: $fuzzer $input"
	done
	echo "    log: $log"
done
exit "$failed"
