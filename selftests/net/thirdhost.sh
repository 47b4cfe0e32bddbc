#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A third host comes later, and goes again; the tunnels are IPv6, on a UDP port of our own choice.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

under6=1 tunnel_port=4790
host h1; host h2; host h3
standard_machines
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{ standard_doc; standard_bindings; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
standard_up || bail 'ports do not come up'
check 'bridged across hosts, IPv4 in IPv6' ping4_soon vm1 10.0.1.12
check 'routed across hosts, IPv4 in IPv6' ping_ok vm1 10.0.2.14 10
check 'routed across hosts, IPv6 in IPv6' ping_ok vm1 fd00:2::14 10
contains 'the peer is known by its IPv6 address' '"address": *"fd00:250::2"' "$(status h1)"
tunnelled() { in_host h1 timeout 5 tcpdump -nni u0 -c 5 "ip6 and udp dst port $1" 2>/dev/null | wc -l; }
spawn nsenter --net="/run/netns/$id-vm1" ping -q -i 0.05 -c 400 10.0.1.12 > /dev/null
equal 'the tunnel uses the port that was asked for' 5 "$(tunnelled 4790)"

# --- a host that comes later: floods reach it, in one copy ---
new_ns vm5
vm_link vm5 h3
vm_config vm5 "$(mac_of 5)" 10.0.1.15/24 10.0.1.1 fd00:1::15/64 fd00:1::1
new_ns vm6
vm_link vm6 h3
vm_config vm6 "$(mac_of 6)" 10.0.1.16/24 10.0.1.1 fd00:1::16/64 fd00:1::1
start_skepd h3 || bail 'skepd of h3 does not start'
apply <<-YAML > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
	tenant: t
	ports:
	  - {name: vm5, bridge: left, mac: "$(mac_of 5)", addresses: [10.0.1.15, "fd00:1::15"]}
	  - {name: vm6, bridge: left, mac: "$(mac_of 6)", addresses: [10.0.1.16, "fd00:1::16"]}
	bindings:
	  - {port: vm5, host: h3, interface: vm5}
	  - {port: vm6, host: h3, interface: vm6}
YAML
wait_for 20 port_up h3 vm5 && wait_for 20 port_up h3 vm6 || bail 'ports of h3 do not come up'
check 'the third host: from the first' ping4_soon vm1 10.0.1.15
check '... from the second' ping4_soon vm2 10.0.1.16
check '... routed' ping4_soon vm3 10.0.1.15
counters=()
count() { # NAMESPACE INTERFACE
	spawn nsenter --net="/run/netns/$id-$1" "$raw" count "$2" 'skep-broadcast-test' 5 2000 > "$work/copies.$1"
	counters+=($!)
	wait_for 5 grep -q ready "$work/copies.$1"
}
for v in vm2 vm5 vm6; do count $v eth0; done
count h3 u0
payload=$(printf 'skep-broadcast-test' | od -An -tx1 -v | tr -d ' \n')
printf 'ffffffffffff 020000000001 88b5 %s 00000000000000000000000000000000000000000000\n' "$payload" | in_vm vm1 "$raw" send eth0
wait "${counters[@]}"
equal 'a broadcast reaches each machine once' '1 1 1' "$(tail -qn 1 "$work/copies.vm2" "$work/copies.vm5" "$work/copies.vm6" | tr '\n' ' ' | sed 's/ $//')"
equal 'and the third host in one tunnel packet' 1 "$(tail -n 1 "$work/copies.h3")"

# --- and leaves: the others forget it ---
skep h3 host leave > /dev/null || not_ok 'host leave'
forgot() { ! status h1 | grep -q '"h3"'; }
if wait_for 10 forgot; then ok 'a host that left is forgotten'; else not_ok 'a host that left is forgotten'; fi
check 'the others go on' ping_ok vm1 10.0.2.14 5
wait "${agent_pid[h3]}" 2>/dev/null; unset 'agent_pid[h3]'
