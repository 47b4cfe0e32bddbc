#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# skepd is not in the path of live traffic: 100 000 packets/s (RATE) between hosts while agents stop, die and come back, ROUNDS times each, and while the
# state DB is away; not one is lost.  What an agent put into the kernel goes when it is told to go, all of it.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/pace.sh
ROUNDS=${ROUNDS:-1}

direct=1
standard
ping4_soon vm1 10.0.2.14 || bail 'no traffic'
know_gateways

again() { # SIGNAL: the agents of both hosts end by it, and come back
	local h i
	for ((i = 0; i < ROUNDS; i++)); do
		for h in h1 h2; do
			stop_skepd $h "$1"
			back $h || bail "skepd of $h does not come back"
			wait_for 20 port_up $h "$([ $h = h1 ] && echo vm1 || echo vm4)" || not_ok "$h adopts its ports"
		done
	done
}

# --- SIGTERM and back ---
pace_start
again TERM
pace_end "$((ROUNDS * 2)) times SIGTERM and restart"

# --- kill -9 and back ---
pace_start
again KILL
pace_end "$((ROUNDS * 2)) times kill -9 and restart"
check 'new flows work after the restarts' ping_ok vm2 10.0.2.13 3
check 'IPv6 too' ping_ok vm2 fd00:2::13 3

# --- without agents, what is known goes on: flows, and what machines were told of their neighbours ---
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
pace_start
kill -STOP "$db"
check 'state DB hangs: known addresses get new flows' ping_ok vm2 10.0.2.13 3
kill -CONT "$db"
kill -9 "$db"
check 'state DB killed: known addresses get new flows' ping_ok vm3 10.0.1.12 3
pace_end 'state DB hangs and dies'
connected() { status "$1" | grep -qE '"connected": *true'; }
if wait_for 30 connected h1 && wait_for 30 connected h2; then ok 'the agents find the state DB again'; else not_ok 'the agents find the state DB again'; fi
check 'and configuration can be changed again' skep - port unbind vm3

# --- an agent is away ---
stop_skepd h2 TERM
listed() { skep - port list | grep -qE "$1"; }
check 'port list: a port whose host has no agent' wait_for 10 listed '^vm4 .*up, no agent *$'
check '... others have theirs' listed '^vm1 .*up *$'
refute 'host remove: not one that is alive' skep - host remove h1
contains '... it says what to do' 'host leave' "$(skep - host remove h1 2>&1)"
refute '... nor one that nobody knows' skep - host remove h9
contains 'host remove: one that is gone' "t.*still.*2" "$(skep - host remove h2 | tr '\n' ' ')"
refute '... it is no longer listed' grep -q '"h2"' <(skep - -j host list)
check '... its ports wait' listed '^vm4 .*waiting, no agent *$'
start_skepd h2 || bail 'the agent does not come back'
check '... if it comes back after all, its ports are there again' wait_for 10 listed '^vm4 .*up *$'
check '... and reached' wait_for 10 ping_ok vm1 10.0.2.14 1

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
