# SPDX-License-Identifier: Apache-2.0
# Sourced behind net.sh by tests of what goes on under load: numbered packets from vm1 to vm4, known flows, at $RATE a second, or as many as the
# machine can send; each that is lost is known.  shellcheck shell=bash

pace=$O/selftests/net/pace
RATE=${RATE:-100000}
pace_start() { # SECONDS.  At full rate once the flows are known: what new ones lose when skepd is slow is another matter
	total=$((RATE * $1))
	: > "$work/received"
	: > "$work/hold"
	spawn nsenter --net="/run/netns/$id-vm4" "$pace" recv 5001 $total 3000 > "$work/received"
	receiver=$!
	wait_for 5 grep -q ready "$work/received" || bail 'the receiver does not start'
	hits=$(hits)
	spawn nice -n -10 nsenter --net="/run/netns/$id-vm1" "$pace" send 10.0.2.14 5001 $total "$RATE" "$work/hold" > "$work/sent" # first among others: it makes the rate
	sender=$!
	wait_for 10 hit 100 || bail 'the flows do not become known'
	rm "$work/hold"
	wait_for 5 hit 5000 || bail 'the stream does not start'
}
counter() { status h1 | json_number counters "$1"; }
hits() { echo $(($(counter flow_hit) + $(counter wild_hit))); }
hit() { [ "$(hits)" -ge $((hits + $1)) ]; }
sending() { kill -0 "$sender" 2>/dev/null; }
pace_end() { # TEXT [MOST]: not one is lost, or so many at most
	wait "$sender"
	wait "$receiver"
	local lost
	lost=$(sed -n 's/^received [0-9]* lost \([0-9]*\) duplicated 0.*/\1/p' "$work/received")
	note < "$work/sent"
	if [ -n "$lost" ] && [ "$lost" -le "${2:-0}" ]; then
		ok "$1: $lost packets lost"
		return
	fi
	not_ok "$1: ${lost:-not known how many} packets lost"
	note < "$work/received"
	for h in h1 h2; do status $h; done 2>&1 | note # where did they go?
	ip -n "$id-vm1" neigh | note
	note < /proc/net/softnet_stat # of the whole machine
}
still_sending() { if sending; then ok "$1"; else not_ok "$1 (the stream ended too early for this test to say anything)"; fi; }
