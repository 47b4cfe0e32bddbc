#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tunnels over an IPv6 underlay: the same traffic goes through, small and large, known and flooded.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

host h1; host h2
for h in h1 h2; do
	config $h
	sed -i "s/^underlay:.*/underlay: {interface: u0, address: \"fd00:250::${h#h}\"}/" "$work/$h/skepd.yaml"
done
standard_machines
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{ standard_doc 'port_security: false'; standard_bindings; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
standard_up || bail 'ports do not come up'
contains 'the hosts know each other by IPv6' 'fd00:250::2' "$(status h1)"
ping4_soon vm1 10.0.2.14 || bail 'no traffic'
check 'bridged' ping_ok vm1 10.0.1.12 10
check 'routed' ping_ok vm1 10.0.2.14 10
check 'IPv6 in IPv6' ping_ok vm1 fd00:2::14 10
in_host h2 tcpdump -c 1 -nn -i u0 'ip6 and udp port 4789' > "$work/seen" 2>/dev/null &
background+=($!)
wait_for 10 sh -c "nsenter --net=/run/netns/$id-vm1 ping -q -c 1 -W 1 10.0.2.14; test -s '$work/seen'"
contains 'on the wire it is UDP in IPv6' 'IP6 fd00:250::[12]' "$(cat "$work/seen")"
in_vm vm2 ip addr add 10.0.1.77/24 dev eth0 # an address that no port has: asked for by flooding
in_vm vm1 ip neigh flush dev eth0
in_vm vm1 ping -q -c 1 -W 2 10.0.1.77 > /dev/null
contains 'ARP that must be flooded is answered' "$(mac_of 2)" "$(in_vm vm1 ip neigh show 10.0.1.77)"
: > "$work/received"
spawn nsenter --net="/run/netns/$id-vm4" "$stream" recv 5001 1000 2000 > "$work/received"
receiver=$!
wait_for 5 grep -q ready "$work/received"
in_vm vm1 "$stream" flows 10.0.2.14 5001 1000 1000
wait $receiver
contains '1000 new flows' '^received 1000 lost 0 duplicated 0' "$(tail -n 1 "$work/received")"
mkdir -p "$work/www" && head -c 8388608 /dev/urandom > "$work/www/big"
http_server vm4 "$work/www" 8080
for a in 10.0.2.14 '[fd00:2::14]'; do
	equal "8 MiB over TCP, $a" "$(sha256sum < "$work/www/big")" "$(in_vm vm1 curl -gsS --max-time 60 "http://$a:8080/big" | sha256sum)"
done
