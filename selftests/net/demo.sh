#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 'make demo' does what it says, and cleans up.
cd "$(dirname "$0")/../.." || exit 1

out=$(mktemp)
trap 'rm -f "$out"' EXIT
if O=${O_FAST:-$O} timeout 120 packaging/demo/run >"$out" 2>&1; then
	echo 'ok 1 - the demonstration runs to its end'
else
	echo 'not ok 1 - the demonstration runs to its end'
	tail -n 60 "$out" | sed 's/^/# /'
fi
left=$(ip netns list | grep -E '^skep-(h|vm)[0-9]')
if [ -z "$left" ]; then
	echo 'ok 2 - ... and leaves no namespace behind'
else
	echo 'not ok 2 - ... and leaves no namespace behind'
	sed 's/^/# /' <<<"$left"
fi
echo 1..2
