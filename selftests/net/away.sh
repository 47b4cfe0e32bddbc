#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# While skepd is away machines still learn their neighbours' MACs, of those that they have asked for before: bridged and routed, IPv4 and IPv6, by
# questions to all and by those to the neighbour alone; so new connections of known classes go on beginning. Never an address that is not so any more.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

# a neighbour is doubted after a second or two, and forgotten when it has not answered for three
impatient() { # VM
	in_vm "$1" sysctl -qw net.ipv4.neigh.eth0.base_reachable_time_ms=1000 net.ipv6.neigh.eth0.base_reachable_time_ms=1000 \
		net.ipv4.neigh.eth0.delay_first_probe_time=1 net.ipv6.neigh.eth0.delay_first_probe_time=1
}
forget() { local v; for v in vm1 vm2 vm3 vm4; do in_vm $v ip neigh flush dev eth0; done; } # all that machines know
knows() { in_vm "$1" ip neigh show "$2" | grep -q "lladdr $3 "; } # VM ADDRESS MAC
answers() { status "$1" | sed -n 's/.*"answers": *\([0-9]*\).*/\1/p'; }
counter() { # HOST NAME: in the kernel, without skepd
	bpftool -j map dump pinned "$(find "$work/bpf" -path "*/$1/*" -name skep_counters | head -n 1)" |
		"$python" -c 'import json, sys
print(sum(v["value"][sys.argv[1]] for v in json.load(sys.stdin)[0]["formatted"]["values"]))' "$2"
}
stop_both() { stop_skepd h1 KILL; stop_skepd h2 KILL; }
start_both() { start_skepd h1 && start_skepd h2 && standard_up || bail 'the agents do not come back'; }
gone() { ! in_vm "$1" ping -q -c 1 -W 1 "$2" >/dev/null; }

standard
for v in vm1 vm2 vm3 vm4; do impatient $v; done
tcp_echo vm4 7001
tcp_echo vm2 7001
ask_all() { # each pair and family
	ping4_soon vm1 10.0.1.12 && ping_ok vm1 10.0.2.14 && ping_ok vm2 10.0.2.13 && ping_ok vm1 10.0.2.13 &&
		ping_ok vm1 fd00:1::12 && ping_ok vm1 fd00:2::14 && ping_ok vm2 fd00:2::13 && ping_ok vm4 fd00:1::11 &&
		[ -n "$(tcp_ask vm1 10.0.2.14 7001)" ] && [ -n "$(tcp_ask vm1 10.0.1.12 7001)" ]
}
can 'all is well while skepd is there' ask_all
equal '... and the kernel has answered nothing' '0 0' "$(counter h1 ANSWER) $(counter h2 ANSWER)"
[ "$(answers h1)" -ge 4 ] && ok 'status counts the answers that the kernel has' || not_ok "status counts the answers that the kernel has: $(answers h1)"
refute 'they are no flows' grep -q 'arp' <(skep h1 flow list)

# --- killed ---
all_of() { # TEXT
	check "$1: bridged, across hosts" ping_ok vm1 10.0.1.12 3
	check "$1: routed, across hosts" ping_ok vm1 10.0.2.14 3
	check "$1: routed, on one host" ping_ok vm1 10.0.2.13 3
	check "$1: bridged, across hosts, IPv6" ping_ok vm1 fd00:1::12 3
	check "$1: routed, across hosts, IPv6" ping_ok vm1 fd00:2::14 3
	check "$1: ... the other way" ping_ok vm4 fd00:1::11 3
}
stop_both
refuses() { gone vm1 10.0.1.99 && [ "$(in_vm vm1 ip neigh show 10.0.1.99 | grep -c lladdr)" = 0 ]; }
forget
wait_for 10 ping_ok vm1 10.0.1.12 # until BPF has noticed: three seconds
all_of 'killed, all forgotten'
check 'the neighbour is where it is' knows vm1 10.0.1.12 "$(mac_of 2)"
check '... and the router' knows vm1 10.0.1.1 02:00:00:00:01:01
check '... and its IPv6 address' knows vm1 fd00:1::1 02:00:00:00:01:01
contains 'a new TCP connection, routed' . "$(tcp_ask vm1 10.0.2.14 7001)"
contains 'a new TCP connection, bridged' . "$(tcp_ask vm1 10.0.1.12 7001)"
can 'what nobody has asked for stays silent' refuses
[ "$(counter h1 ANSWER)" -ge 4 ] && ok 'the kernel counts what it answers' || not_ok "the kernel counts what it answers: $(counter h1 ANSWER)"

# questions to the neighbour alone: traffic that goes on while neighbours are doubted again and again, none of them ever forgotten
spawn nsenter --net="/run/netns/$id-vm1" ping -q -c 160 -i 0.05 -W 1 10.0.1.12 > "$work/ping.bridged"
one=$!
spawn nsenter --net="/run/netns/$id-vm1" ping -q -c 160 -i 0.05 -W 1 fd00:2::14 > "$work/ping.routed"
wait $one $!
contains 'doubted for eight seconds, nothing is lost' ' 0% packet loss' "$(cat "$work/ping.bridged")"
contains '... nor routed, by IPv6' ' 0% packet loss' "$(cat "$work/ping.routed")"

# --- back, and away again before machines have asked anything ---
start_both
adopted() { [ "$(answers h1)" -ge 4 ]; }
can 'the next skepd takes over what the last one has said' wait_for 10 adopted
stop_both
forget
wait_for 10 ping_ok vm1 10.0.1.12
all_of 'killed again at once'

# --- what has changed meanwhile is not told as it was ---
start_both
can 'all is well again' wait_for 10 ask_all
new=02:00:00:00:00:22
{ standard_doc | sed "s/$(mac_of 2)/$new/"; standard_bindings; } | apply > "$work/apply.out" 2>&1 || bail "apply failed: $(cat "$work/apply.out")"
in_vm vm2 ip link set eth0 address $new
in_vm vm2 ip -6 addr add fd00:1::12/64 dev eth0 nodad 2>/dev/null
in_vm vm2 ip route replace default via 10.0.1.1
old_answers() { bpftool map dump pinned "$(find "$work/bpf" -path "*/h1/*" -name skep_answers | head -n 1)" | tr -d ' \n' | grep -q '"mac":{"b":\[2,0,0,0,0,2\]'; }
without_old() { ! old_answers; }
can 'the machine has another MAC: no answer has the old one' wait_for 10 without_old
forget
can 'the new one is told' ping4_soon vm1 10.0.1.12
stop_both
forget
wait_for 10 ping_ok vm1 10.0.2.14
in_vm vm1 ping -q -c 2 -W 1 10.0.1.12 >/dev/null
refute 'the old MAC is not told by the kernel' knows vm1 10.0.1.12 "$(mac_of 2)"
check 'the new one is' knows vm1 10.0.1.12 $new

# --- a port that is no longer here has no answers ---
start_both
can 'and all is well' wait_for 10 ask_all

# --- a machine that asks under many names has its part of the table, and no more ---
{ standard_doc | sed "s/$(mac_of 2)/$new/; /name: vm1/s/}/, port_security: false}/"; standard_bindings; } | apply > "$work/apply.out" 2>&1 ||
	bail "apply failed: $(cat "$work/apply.out")"
before=$(answers h1)
for ((i = 0; i < 300; i++)); do
	mac=$(printf '02aa0000%04x' $i)
	echo "ffffffffffff $mac 0806 0001080006040001 $mac 0a000142 000000000000 0a000101"
done | in_vm vm1 "$raw" send eth0
many() { local n; n=$(answers h1); [ "$n" -ge 256 ] && [ "$n" -le $((256 + before)) ]; }
can '256 of 300 are kept' wait_for 10 many
check '... and it can ask on' ping_ok vm1 10.0.1.1
check 'a port is unbound' skep - port unbind vm1
no_answers() { ! bpftool map dump pinned "$(find "$work/bpf" -path "*/h1/*" -name skep_answers | head -n 1)" | tr -d ' \n' | grep -q '"eth_src":{"b":\[2,0,0,0,0,1\]'; }
can 'its answers go' wait_for 10 no_answers
