# SPDX-License-Identifier: Apache-2.0
# Sourced behind net.sh by tests of what goes on under load: numbered packets from vm1 to vm4, known flows, at $RATE a second, or as many as the
# machine can send; each that is lost is known.  shellcheck shell=bash

pace=$O/selftests/net/pace
RATE=${RATE:-100000}
PACE_MAX=${PACE_MAX:-120} # seconds
# Machines know their gateways: ARP is answered by skepd, so without one for long they would not.
know_gateways() {
	local v
	for v in vm1 vm2; do in_vm $v ip neigh replace 10.0.1.1 lladdr 02:00:00:00:01:01 nud permanent dev eth0; done
	for v in vm3 vm4; do in_vm $v ip neigh replace 10.0.2.1 lladdr 02:00:00:00:01:02 nud permanent dev eth0; done
}
back() { start_skepd "$1" || wait_for 60 skep "$1" status; } # HOST: the stream goes before it, on a busy machine for long
pace_start() { # at full rate once the flows are known: what new ones lose when skepd is slow is another matter
	: > "$work/pace.out"
	: > "$work/hold"
	hits=$(hits)
	spawn nice -n -10 "$pace" "/run/netns/$id-vm4" "/run/netns/$id-vm1" 10.0.2.14 5001 "$RATE" "$PACE_MAX" "$work/hold" > "$work/pace.out"
	pacer=$! # it goes before others, for it makes the rate
	wait_for 20 hit 100 || bail 'the flows do not become known'
	rm "$work/hold"
	wait_for 20 hit 5000 || bail 'the stream does not start'
}
counter() { status h1 | json_number counters "$1"; }
hits() { echo $(($(counter flow_hit) + $(counter wild_hit))); }
hit() { [ "$(hits)" -ge $((hits + $1)) ]; }
pace_end() { # TEXT [MOST]: not one is lost, or so many at most
	local lost
	if ! grep -q sent "$work/pace.out"; then ok "under load, all the time: $1"; else not_ok "under load, all the time: $1 (longer than PACE_MAX=$PACE_MAX s)"; fi
	: > "$work/hold"
	wait "$pacer"
	lost=$(sed -n 's/^received [0-9]* lost \([0-9]*\) duplicated 0.*/\1/p' "$work/pace.out")
	note < "$work/pace.out"
	if [ -n "$lost" ] && [ "$lost" -le "${2:-0}" ]; then
		ok "$1: $lost packets lost"
		return
	fi
	not_ok "$1: ${lost:-not known how many} packets lost"
	for h in h1 h2; do status $h; done 2>&1 | note # where did they go?
	ip -n "$id-vm1" neigh | note
	note < /proc/net/softnet_stat # of the whole machine
}
