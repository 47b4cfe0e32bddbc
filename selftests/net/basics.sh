#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two hosts, two bridges, one router, four machines: every kind of packet gets where it should, once, and none is lost.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

standard
# --- reachability: bridged and routed, on one host and across, both families ---
ping4_soon vm1 10.0.1.12 || bail 'vm1 never reaches vm2'
check 'bridged, across hosts, IPv4' ping_ok vm1 10.0.1.12 10
check 'routed, on one host, IPv4' ping_ok vm1 10.0.2.13 10
check 'routed, across hosts, IPv4' ping_ok vm1 10.0.2.14 10
check 'bridged, across hosts, the other way' ping_ok vm4 10.0.2.13 10
check 'the router answers its own address' ping_ok vm1 10.0.1.1 3
check 'the router answers its address on the other side' ping_ok vm1 10.0.2.1 3
check 'bridged, across hosts, IPv6' ping_ok vm1 fd00:1::12 10
check 'routed, on one host, IPv6' ping_ok vm1 fd00:2::13 10
check 'routed, across hosts, IPv6' ping_ok vm1 fd00:2::14 10
check 'the router answers its own IPv6 address' ping_ok vm1 fd00:1::1 3
refute 'an address that nobody has stays silent' in_vm vm1 ping -q -c 1 -W 1 10.0.1.99
contains 'no route: the router says so' 'Net Unreachable|Network is unreachable|Unreachable' "$(in_vm vm1 ping -c 1 -W 2 192.0.2.1 2>&1)"
contains 'TTL exceeded: the router says so' 'Time to live exceeded' "$(in_vm vm1 ping -c 1 -W 2 -t 1 10.0.2.14 2>&1)"
contains 'a router takes one from the TTL' 'ttl=63' "$(in_vm vm1 ping -c 1 -W 2 10.0.2.14)"
contains 'a bridge takes none' 'ttl=64' "$(in_vm vm1 ping -c 1 -W 2 10.0.1.12)"

# --- ARP ---
in_vm vm1 ip neigh flush dev eth0
check 'ARP: the neighbour answers, or the bridge for it' ping_ok vm1 10.0.1.12
contains 'ARP: with the right address' "$(mac_of 2)" "$(in_vm vm1 ip neigh show 10.0.1.12)"
check 'ARP: the gateway answers' ping_ok vm1 10.0.1.1
contains 'ARP: the gateway is the router port' '02:00:00:00:01:01' "$(in_vm vm1 ip neigh show 10.0.1.1)"

# --- nothing lost, nothing twice ---
receive() { # VM PORT TOTAL: in the background; its verdict is in $work/received
	: > "$work/received"
	spawn nsenter --net="/run/netns/$id-$1" "$stream" recv "$2" "$3" 2000 > "$work/received"
	receiver=$!
	wait_for 5 grep -q ready "$work/received"
}
flows() { # TEXT FROM TO ADDRESS FLOWS RATE [BURST]
	local total=$(($5 * ${7:-1}))
	receive "$3" 5001 $total
	in_vm "$2" "$stream" flows "$4" 5001 "$5" "$6" "${7:-1}"
	wait $receiver
	contains "$1" "^received $total lost 0 duplicated 0" "$(tail -n 1 "$work/received")"
}
flows '1000 new flows at 1000/s, bridged across hosts' vm1 vm2 10.0.1.12 1000 1000
flows '1000 new flows at 1000/s, routed across hosts' vm1 vm4 10.0.2.14 1000 1000
flows '1000 new flows at 1000/s, routed on one host' vm1 vm3 10.0.2.13 1000 1000
flows '1000 new flows at 1000/s, IPv6, across hosts' vm1 vm4 fd00:2::14 1000 1000
flows '300 new flows of 16 packets back to back' vm1 vm4 10.0.2.14 300 300 16

# --- bulk, with super-packets ---
mkdir -p "$work/www" && head -c 33554432 /dev/urandom > "$work/www/big"
sum=$(sha256sum < "$work/www/big")
fetch() { in_vm "$1" curl -sS --max-time 60 "http://$2:8080/big" | sha256sum; }
for v in vm2 vm3 vm4; do http_server $v "$work/www" 8080; done
equal '32 MiB over TCP arrive as they were: bridged across hosts' "$sum" "$(fetch vm1 10.0.1.12)"
equal '... routed across hosts' "$sum" "$(fetch vm1 10.0.2.14)"
equal '... routed on one host' "$sum" "$(fetch vm1 10.0.2.13)"
http_server vm4 "$work/www" 8086 '[::]'
equal '... IPv6, routed across hosts' "$sum" "$(in_vm vm1 curl -sS --max-time 60 'http://[fd00:2::14]:8086/big' | sha256sum)"

# --- broadcast: one copy each, and not to the other bridge ---
copies() { # VM: counts in the background
	spawn nsenter --net="/run/netns/$id-$1" "$raw" count eth0 'skep-broadcast-test' 5 2000 > "$work/copies.$1"
	counters+=($!)
	wait_for 5 grep -q ready "$work/copies.$1"
}
counters=()
for v in vm2 vm3 vm4; do copies $v; done
payload=$(printf 'skep-broadcast-test' | od -An -tx1 -v | tr -d ' \n')
printf 'ffffffffffff 020000000001 88b5 %s 00000000000000000000000000000000000000000000\n' "$payload" | in_vm vm1 "$raw" send eth0
wait "${counters[@]}"
equal 'a broadcast reaches the other machine of its bridge once' 1 "$(tail -n 1 "$work/copies.vm2")"
equal '... and none of another bridge' '0 0' "$(tail -n 1 "$work/copies.vm3") $(tail -n 1 "$work/copies.vm4")"

# --- what operators see ---
contains 'flow list shows the flow' '^vm1 +(ip|icmp|tcp|udp) 10\.0\.1\.11 > ' "$(skep h1 flow list)"
contains 'status counts packets' '"tx_tunnel": *[1-9]' "$(status h1)"
contains 'host list: both alive' '"h1".*alive.*"h2".*alive' "$(skep - -j host list | tr -d '\n')"
contains 'the maps are pinned and readable' '"key"' "$(bpftool -j map dump pinned "$(find "$work/bpf" -path "*h1*" -name skep_flows4 | head -n 1)")"
contains 'flow flush' '^[0-9]+ flows flushed' "$(skep h1 flow flush)"
check 'after a flush traffic goes on' ping_ok vm1 10.0.2.14 3
