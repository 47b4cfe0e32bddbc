#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# skepd is not in the path of live traffic: 50 000 packets/s between hosts while agents stop, die and come back, and while the
# state DB is away; not one is lost.  What an agent put into the kernel goes when it is told to go, all of it.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

standard
ping4_soon vm1 10.0.2.14 || bail 'no traffic'

RATE=${RATE:-50000} # a second; a machine that cannot send so many sends what it can
mkfifo "$work/go"
stream_start() { # SECONDS: vm1 -> vm4.  At full rate once the flow is known: what a new one loses when skepd is slow is another matter
	total=$((RATE * $1))
	: > "$work/received"
	spawn nsenter --net="/run/netns/$id-vm4" "$stream" recv 5001 $total 3000 > "$work/received"
	receiver=$!
	wait_for 5 grep -q ready "$work/received"
	hits=$(hits)
	spawn nsenter --net="/run/netns/$id-vm1" "$stream" send 10.0.2.14 5001 $total $RATE "$work/go" >"$work/sent"
	sender=$!
	wait_for 10 hit 5 || bail 'the flow does not become known'
	echo >"$work/go"
	wait_for 5 hit 500 || bail 'the stream does not start'
}
counter() { status h1 | json_number counters "$1"; }
hits() { echo $(($(counter flow_hit) + $(counter wild_hit))); }
hit() { [ "$(hits)" -ge $((hits + $1)) ]; }
sending() { kill -0 $sender 2>/dev/null; }
stream_end() { # TEXT
	wait $sender
	wait $receiver
	contains "$1" "^received $total lost 0 duplicated 0" "$(tail -n 1 "$work/received")"
	note < "$work/sent"
	grep -q "^received $total lost 0" "$work/received" && return
	for h in h1 h2; do status $h; done 2>&1 | note # where did they go?
	ip -n "$id-vm1" neigh | note
	in_vm vm4 cat /proc/net/snmp | grep Udp: | note
	note < /proc/net/softnet_stat # of the whole machine
}
still_sending() { if sending; then ok "$1"; else not_ok "$1 (the stream ended too early for this test to say anything)"; fi; }

# --- SIGTERM and back ---
stream_start 12
for h in h1 h2; do
	stop_skepd $h TERM
	start_skepd $h || bail "skepd of $h does not come back"
	wait_for 20 port_up $h "$([ $h = h1 ] && echo vm1 || echo vm4)" || not_ok "$h adopts its ports"
done
still_sending 'both agents restarted under load'
stream_end 'SIGTERM and restart: no packet lost'

# --- kill -9 and back ---
stream_start 12
for h in h1 h2; do
	stop_skepd $h KILL
	start_skepd $h || bail "skepd of $h does not come back"
	wait_for 20 port_up $h "$([ $h = h1 ] && echo vm1 || echo vm4)" || not_ok "$h adopts its ports"
done
still_sending 'both agents killed under load'
stream_end 'kill -9 and restart: no packet lost'
check 'new flows work after the restarts' ping_ok vm2 10.0.2.13 3
check 'IPv6 too' ping_ok vm2 fd00:2::13 3

# --- without agents, what is known goes on: the machines' ARP is not, so it is asked for anew before ---
in_vm vm1 ip neigh flush dev eth0; in_vm vm4 ip neigh flush dev eth0
spawn nsenter --net="/run/netns/$id-vm1" ping -c 120 -i 0.05 -W 1 10.0.2.14 > "$work/ping"
pinger=$!
wait_for 5 grep -q 'icmp_seq=5 ' "$work/ping" || bail 'ping does not start'
stop_skepd h1 TERM; stop_skepd h2 TERM
wait $pinger
contains 'a flow that is installed goes on without any agent' ' 0% packet loss' "$(cat "$work/ping")"
start_skepd h1 && start_skepd h2 || bail 'the agents do not come back'
standard_up || not_ok 'all ports are up again'

# --- the state DB dies ---
db_pid() { local p; for p in /proc/[0-9]*; do case $(readlink "$p/cwd" 2>/dev/null) in "$work"/*) [ "$(cat "$p/comm")" = redis-server ] && echo "${p#/proc/}" ;; esac; done; }
db=$(db_pid | head -n 1)
[ -n "$db" ] || bail 'the private redis-server is not found'
stream_start 6
kill -STOP "$db"
check 'state DB hangs: known addresses get new flows' ping_ok vm2 10.0.2.13 3
kill -CONT "$db"
kill -9 "$db"
check 'state DB killed: known addresses get new flows' ping_ok vm3 10.0.1.12 3
still_sending 'the state DB hung and died under load'
stream_end 'state DB hangs and dies: no packet lost'
connected() { status "$1" | grep -qE '"connected": *true'; }
if wait_for 30 connected h1 && wait_for 30 connected h2; then ok 'the agents find the state DB again'; else not_ok 'the agents find the state DB again'; fi
check 'and configuration can be changed again' skep - port unbind vm3

# --- leaving ---
footprint() { # HOST: what skep left in the kernel
	in_host "$1" ip -o link | grep -o 'skep-[a-z0-9]*' | sort -u
	find "$work/bpf" -path "*/$1/*" -type f
	in_host "$1" tc filter show dev u0 ingress 2>/dev/null
	in_host "$1" bpftool net show 2>/dev/null | grep -i skep
}
contains 'a running host has a footprint' 'skep' "$(footprint h2)"
check 'host leave' skep h2 host leave
gone() { ! kill -0 "${agent_pid[h2]}" 2>/dev/null; }
if wait_for 10 gone; then ok 'its agent has exited'; else not_ok 'its agent has exited'; fi
wait "${agent_pid[h2]}" 2>/dev/null; unset 'agent_pid[h2]'
equal 'host leave removes everything from the kernel' '' "$(footprint h2)"
refute 'its record is gone from the registry' grep -q '"h2"' <(skep - -j host list)
stop_skepd h1 TERM
contains 'SIGTERM leaves the datapath' 'skep' "$(footprint h1)"
check 'skepd --detach' in_host h1 "$SKEPD" -c "$work/h1/skepd.yaml" --detach
equal '... removes everything from the kernel' '' "$(footprint h1)"
check '... again: nothing to do is no error' in_host h1 "$SKEPD" -c "$work/h1/skepd.yaml" --detach
