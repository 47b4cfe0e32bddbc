#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A router between two hosts, with a link behind it that takes less than the hosts' own interfaces do: its ICMP errors are for tunnel packets, and
# machines learn what fits; for each kind of tunnel, over IPv4 and IPv6.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

#   h1 (10.250.0.1) -- [wire: a router] -- (10.251.0.2) h2;  interfaces 1600, behind the router 1480, then 1400
mtu_to() { in_ns "$1" ip route get "$2" | grep -oE 'mtu [0-9]+' | grep -oE '[0-9]+'; }
forget() { in_vm vm1 ip route flush cache; in_vm vm1 ip -6 route flush cache; }
learns() { # ADDRESS MTU
	local now
	now=$(mtu_to vm1 "$1") # more than it knows to fit the kernel does not send
	in_vm vm1 ping -q -c 1 -W 1 -M do -s $((${now:-1500} - $([[ $1 = *:* ]] && echo 48 || echo 28))) "$1" >/dev/null 2>&1
	[ "$(mtu_to vm1 "$1")" = "$2" ]
}
known_to_h1() { status h1 | grep -qE "\"host\": *\"h2\"[^}]*\"encap\": *\"$1\""; }
passes() { in_vm vm1 ping -q -c 2 -W 2 -M do -s $(($2 - $([[ $1 = *:* ]] && echo 48 || echo 28))) "$1"; }

host h1; host h2
ip -n "$id-wire" link set h2 nomaster
ip -n "$id-wire" addr add 10.250.0.254/24 dev wire; ip -n "$id-wire" addr add fd00:250::fe/64 dev wire nodad
ip -n "$id-wire" addr add 10.251.0.254/24 dev h2; ip -n "$id-wire" addr add fd00:251::fe/64 dev h2 nodad
in_ns wire sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
ip -n "$id-h2" addr flush dev u0
ip -n "$id-h2" addr add 10.251.0.2/24 dev u0; ip -n "$id-h2" addr add fd00:251::2/64 dev u0 nodad
ip -n "$id-h1" route add default via 10.250.0.254; ip -n "$id-h1" -6 route add default via fd00:250::fe
ip -n "$id-h2" route add default via 10.251.0.254; ip -n "$id-h2" -6 route add default via fd00:251::fe
underlay[h2]=10.251.0.2
standard_machines
mkdir -p "$work/www" && head -c 8388608 /dev/urandom > "$work/www/big"
http_server vm1 "$work/www" 8080
for run in 'vxlan 4 50' 'geneve 4 58' 'nvgre 6 62'; do
	read -r encap family over <<<"$run"
	ip -n "$id-wire" link set h2 mtu 1600
	config h1; config h2
	if [ "$family" = 6 ]; then
		sed -i 's/address: "[^"]*"/address: "fd00:250::1"/' "$work/h1/skepd.yaml"
		sed -i '/^underlay:/s/address: "[^"]*"/address: "fd00:251::2"/' "$work/h2/skepd.yaml"
	fi
	start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
	if [ "$encap" = vxlan ]; then
		{ standard_doc; standard_bindings; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
	fi
	standard_up || bail 'ports do not come up'
	wait_for 20 known_to_h1 "$encap" || bail "h1 does not know of $encap"
	wait_for 10 ping_ok vm1 10.0.1.12 || bail 'no traffic'
	forget
	check "$encap, IPv$family: the interface's MTU is the path's, so far" passes 10.0.1.12 1500
	for path in 1480 1400; do
		fits=$((path - over))
		ip -n "$id-wire" link set h2 mtu $path
		check "$encap, IPv$family: a machine learns of a path of $path" wait_for 10 learns 10.0.1.12 $fits
		check '... and sends that much' passes 10.0.1.12 $fits
		check '... IPv6 too' wait_for 10 learns fd00:1::12 $fits
		check '... and sends that much' passes fd00:1::12 $fits
	done
	contains '... status tells' "\"host\": *\"h2\"[^}]*\"mtu\": *$fits" "$(status h1)"
	forget
	for a in 10.0.1.11 '[fd00:1::11]'; do # the server is on the far side of the limit
		equal "... 8 MiB over TCP, $a" "$(sha256sum < "$work/www/big")" \
			"$(in_vm vm2 curl -gsS --max-time 60 "http://$a:8080/big" | sha256sum)"
	done
	stop_skepd h1; stop_skepd h2
	for h in h1 h2; do in_host $h "$SKEPD" --config "$work/$h/skepd.yaml" --detach > "$work/out" 2>&1 || bail "detach: $(cat "$work/out")"; done
done
