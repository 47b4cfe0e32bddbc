#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One machine floods its host with new flows of every kind, as fast as it can: the tables fill, and the first packets of another machine's
# flows arrive all the same, every one, though each has to go through skepd.  What is lost is lost by the flood.  When it is over,
# everything is as before, by itself.  Times are printed, not judged.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

# vm1 (h1) floods, towards vm2 (h2) mostly; vm3 (h1) talks to vm4 (h2).  vm3 is of a stateful group: each of its connections is skepd's work.
document() {
	cat <<-YAML
		tenant: t
		security_groups:
		  - name: any
		    rules:
		      - {name: udp, direction: ingress, ethertype: ipv4, proto: udp}
		      - {name: icmp, direction: ingress, ethertype: ipv4, proto: icmp}
		port_groups: [{name: shared, stateful: true}]
		chains:
		  - name: fw
		    rules:
		      - {name: no, action: drop, proto: udp, dst_ports: 32768-65535}
		bridges: [{name: left}, {name: right}]
		routers: [{name: r}]
		ports:
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24], peer: left-r}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: r-right, router: r, mac: "02:00:00:00:01:02", addresses: [10.0.2.1/24], peer: right-r}
		  - {name: right-r, bridge: right, peer: r-right}
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11], security_groups: [any], in_chain: fw}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12], security_groups: [any]}
		  - {name: vm3, bridge: right, mac: "$(mac_of 3)", addresses: [10.0.2.13], security_groups: [any], port_groups: [shared]}
		  - {name: vm4, bridge: right, mac: "$(mac_of 4)", addresses: [10.0.2.14], security_groups: [any]}
	YAML
	standard_bindings
}

attack=$O/selftests/net/attack
small='conns: {max: 16384, port_max: 3000, udp_new_s: 5, udp_replied_s: 30}'
host h1; host h2
for h in h1 h2; do config $h "$small" 'flows: {max: 2048, wildcards_max: 256, idle_s: 2}'; done
for v in 1:h1:1 2:h2:1 3:h1:2 4:h2:2; do
	IFS=: read -r n h net <<<"$v"
	vm vm$n $h "$(mac_of $n)" 10.0.$net.1$n/24 10.0.$net.1
done
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply >"$work/apply.out" 2>&1 || bail "apply failed: $(cat "$work/apply.out")"
standard_up || bail 'ports do not come up'
spawn nsenter --net="/run/netns/$id-vm4" "$attack" serve 7 >"$work/served"
spawn nsenter --net="/run/netns/$id-vm2" "$attack" serve 7 >"$work/served2"
wait_for 5 grep -q ready "$work/served" "$work/served2"
for pair in vm3:10.0.2.14 vm1:10.0.1.12 vm1:10.0.2.14; do ping4_soon ${pair%:*} ${pair#*:} || bail "no traffic from ${pair%:*}"; done

of_port() { # PORT MEMBER
	status h1 | grep -oE "\"port\": *\"$1\"[^}]*" | grep -oE "\"$2\": *[0-9]+" | grep -oE '[0-9]+$' || echo 0
}
at_least() { [ "$(of_port "$1" "$2")" -ge "$3" ]; }
at_most() { [ "$(of_port "$1" "$2")" -le "$3" ]; }
dropped() { [ "$(drops h1 "$1")" -ge "$2" ]; }
pressed() { status h1 | grep -qE "\"what\": *\"$1\""; }
relieved() { ! pressed '[a-z0-9_]*'; }

next_port=20000
first_packets() { # TEXT [COUNT]: vm3 to vm4, one new flow after the other
	local n=${2:-300} out
	out=$(in_vm vm3 "$attack" ask 10.0.2.14 7 "$n" 300 $next_port)
	next_port=$((next_port + n))
	contains "$1" "^asked $n answered $n " "$out"
	echo "# $out"
}
flood() { # WHAT DESTINATION-MAC DESTINATION
	nsenter --net="/run/netns/$id-vm1" "$attack" flood eth0 0 "$1" "$(mac_of 1)" "$2" 10.0.1.11 "$3" > "$work/flood" &
	flooder=$!
	background+=($flooder)
}
calm() {
	kill $flooder; wait $flooder 2>/dev/null
	awk '{ printf "# flood: %d packets, %.0f a second\n", $2, $2 * 1000 / $4 }' "$work/flood"
}
gateway=02:00:00:00:01:01

first_packets 'without a flood: all first packets arrive'
up=$(of_port vm3 upcalls)
[ "$up" -ge 300 ] && ok '... and each of them by way of skepd' || not_ok "... and each of them by way of skepd (only $up)"

# --- more than skepd is asked to do for one port ---
flood d $gateway 10.0.2.14 # neighbours that nobody has seen
wait_for 20 dropped upcall_rate 10000 || not_ok 'the flood meets its budget'
first_packets 'unknown addresses: all first packets of another port arrive'
calm
before=$(of_port vm1 upcall_drops)
[ "$before" -ge 10000 ] && ok '... the flooder has lost its own' || not_ok "... the flooder has lost its own (only $before)"
wait_for 20 relieved && ok '... nothing remains' || { not_ok '... nothing remains'; skep h1 status | note; }
check '... and the flooder may talk again' in_vm vm1 "$attack" ask 10.0.1.12 7 1 1

# --- skepd does not read for a while: the queue is full ---
flood d $gateway 10.0.2.14
kill -STOP "${agent_pid[h1]}"
wait_for 2 [ -s "$work/never" ] # less than the agent is given before it counts as dead
kill -CONT "${agent_pid[h1]}"
wait_for 20 dropped upcall_queue 1 || not_ok 'the queue is full'
first_packets 'queue full, skepd late: all first packets arrive afterwards'
calm

# --- wildcard flows, and flows: each wrong sender is one ---
flood ms $gateway 10.0.2.14
wait_for 20 pressed flows && ok 'random senders: the flows are at their limit' || not_ok 'random senders: the flows are at their limit'
first_packets '... all first packets of another port arrive'
calm
wait_for 30 relieved && ok '... nothing remains' || { not_ok '... nothing remains'; skep h1 status | note; }

# --- connections: allowed and forbidden ports ---
flood p "$(mac_of 2)" 10.0.1.12
wait_for 20 dropped conn_limit 1000 && ok 'connections: the port has as many as it may have' || not_ok 'connections: the port has as many as it may have'
at_least vm1 conns 2900 && at_most vm1 conns 3200 && ok '... and no more' || not_ok "... and no more ($(of_port vm1 conns))"
first_packets '... all first packets of another port arrive'
calm
at_least vm1 conns_refused 1000 && ok '... what was refused is counted' || not_ok '... what was refused is counted'
equal '... for that port only' 0 "$(of_port vm3 conns_refused)"
wait_for 40 at_most vm1 conns 100 && ok '... they expire' || not_ok "... they expire ($(of_port vm1 conns))"
check '... and the flooder may begin others' in_vm vm1 "$attack" ask 10.0.1.12 7 20 100

equal 'no packet of the other port was refused the way to skepd' 0 "$(of_port vm3 upcall_drops)"
first_packets 'after all: first packets arrive as before' 100
