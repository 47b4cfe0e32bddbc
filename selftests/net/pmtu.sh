#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packets larger than the way: who sends them learns it, whoever has the limit (the underlay, the near router, one behind it, a Linux host
# outside) and whatever is between them (SNAT, floating IPs, VIPs, security groups); fragments, in any order; fragments made on the way.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

#   vm1 (h1), vm2 (h2) - left - r = s - right - srv (h2), srv2 (h1)
#                                   s - ext - gw (h2, Linux) - far
#   limits: underlay 1450; r to s 1400; s to right 1300; gw to far 1280.  Back: s to r 1380, r to left 1290
document() {
	cat <<-YAML
		tenant: t
		security_groups:
		  - {name: shut}
		  - name: server
		    rules:
		      - {name: tcp, direction: ingress, proto: tcp, dst_ports: "9000"}
		      - {name: udp, direction: ingress, proto: udp, dst_ports: "9000"}
		bridges: [{name: left}, {name: right}, {name: ext}]
		routers: [{name: r}, {name: s}]
		ports:
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11, "fd00:1::11"], security_groups: [shut]}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12, "fd00:1::12"]}
		  - {name: srv, bridge: right, mac: "$(mac_of 3)", addresses: [10.0.2.13, "fd00:2::13"], security_groups: [server]}
		  - {name: srv2, bridge: right, mac: "$(mac_of 4)", addresses: [10.0.2.14, "fd00:2::14"], security_groups: [server]}
		  - {name: gw, bridge: ext, mac: "$(mac_of 5)"}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24, "fd00:1::1/64"], mtu: ${left_mtu:-1290}}
		  - {name: r-core, router: r, mac: "02:00:00:00:01:02", addresses: [172.16.0.1/24, "fd00:c::1/64"], mtu: 1400, peer: s-core}
		  - {name: s-core, router: s, mac: "02:00:00:00:01:03", addresses: [172.16.0.2/24, "fd00:c::2/64"], mtu: 1380}
		  - {name: s-right, router: s, mac: "02:00:00:00:01:04", addresses: [10.0.2.1/24, "fd00:2::1/64"], mtu: ${right_mtu:-1300}, peer: right-s}
		  - {name: right-s, bridge: right}
		  - {name: s-ext, router: s, mac: "02:00:00:00:01:05", addresses: [198.51.100.1/24, "fd00:e::1/64"], peer: ext-s}
		  - {name: ext-s, bridge: ext}
		routes:
		  - {name: out4, router: r, dst: 0.0.0.0/0, port: r-core, gateway: 172.16.0.2}
		  - {name: out6, router: r, dst: "::/0", port: r-core, gateway: "fd00:c::2"}
		  - {name: far4, router: s, dst: 203.0.113.0/24, port: s-ext, gateway: 198.51.100.2}
		  - {name: far6, router: s, dst: "fd00:f::/64", port: s-ext, gateway: "fd00:e::2"}
		nats:
		  - {name: snat4, router: r, type: snat, port: r-core, src: 10.0.1.0/24, to: 172.16.0.10}
		  - {name: snat6, router: r, type: snat, port: r-core, src: "fd00:1::/64", to: "fd00:c::10"}
		floating_ips:
		  - {name: f4, router: r, address: 172.16.0.20, fixed: 10.0.1.12}
		  - {name: f6, router: r, address: "fd00:c::20", fixed: "fd00:1::12"}
		load_balancers: [{name: lb, router: s}]
		pools: [{name: p4}, {name: p6}]
		members:
		  - {name: m4, pool: p4, address: 10.0.2.13, port: 9000}
		  - {name: n4, pool: p4, address: 10.0.2.14, port: 9000}
		  - {name: m6, pool: p6, address: "fd00:2::13", port: 9000}
		  - {name: n6, pool: p6, address: "fd00:2::14", port: 9000}
		vips:
		  - {name: t4, load_balancer: lb, address: 192.0.2.40, proto: tcp, port: 80, pool: p4}
		  - {name: u4, load_balancer: lb, address: 192.0.2.40, proto: udp, port: 80, pool: p4}
		  - {name: t6, load_balancer: lb, address: "fd00:d::40", proto: tcp, port: 80, pool: p6}
		  - {name: u6, load_balancer: lb, address: "fd00:d::40", proto: udp, port: 80, pool: p6}
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm2, host: h2, interface: vm2}
		  - {port: srv, host: h2, interface: srv}
		  - {port: srv2, host: h1, interface: srv2}
		  - {port: gw, host: h2, interface: gw}
	YAML
}
big_py=$PWD/selftests/lib/big.py
big() { in_vm "$1" timeout 60 "$python" "$big_py" "${@:2}"; }
serve() {
	spawn nsenter --net="/run/netns/$id-$1" "$python" "$big_py" serve 9000
	wait_for 10 listening "$1" 9000 || bail "no server in $1"
}
forget() { local v; for v in vm1 vm2 srv srv2 far; do ip -n "$id-$v" route flush cache; ip -n "$id-$v" -6 route flush cache; done; }
mtu_to() { ip -n "$id-$1" route get "$2" | grep -oE 'mtu [0-9]+' | grep -oE '[0-9]+'; } # what the kernel of VM knows of the way to ADDRESS
learns() { # TEXT VM ADDRESS MTU...: large echo requests; after each the kernel knows more
	local text=$1 v=$2 a=$3 m
	shift 3
	for m; do
		in_vm "$v" ping -q -c 1 -W 1 -M do -s $(($(mtu_to "$v" "$a" || echo 1500) - $([[ $a = *:* ]] && echo 48 || echo 28))) "$a" >/dev/null 2>&1
		equal "$text: $m" "$m" "$(mtu_to "$v" "$a")"
	done
}
members_know() { # ADDRESS: what the member that was asked knows of the way back
	local a b
	a=$(mtu_to srv "$1") b=$(mtu_to srv2 "$1")
	echo "${a:-$b}"
}

host h1; host h2
for n in h1 h2; do ip -n "$id-$n" link set u0 mtu 1500; ip -n "$id-wire" link set $n mtu 1500; done
vm vm1 h1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1 fd00:1::11/64 fd00:1::1
vm vm2 h2 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1 fd00:1::12/64 fd00:1::1
vm srv h2 "$(mac_of 3)" 10.0.2.13/24 10.0.2.1 fd00:2::13/64 fd00:2::1
vm srv2 h1 "$(mac_of 4)" 10.0.2.14/24 10.0.2.1 fd00:2::14/64 fd00:2::1
vm gw h2 "$(mac_of 5)" 198.51.100.2/24 198.51.100.1 fd00:e::2/64 fd00:e::1
new_ns far
ip link add to-far mtu 1500 netns "$id-gw" type veth peer eth0 mtu 1500 netns "$id-far"
ip -n "$id-gw" addr add 203.0.113.1/24 dev to-far; ip -n "$id-gw" addr add fd00:f::1/64 dev to-far nodad
ip -n "$id-gw" link set to-far up
ip -n "$id-gw" route add 203.0.113.9/32 dev to-far mtu lock 1280
ip -n "$id-gw" -6 route add fd00:f::9/128 dev to-far mtu lock 1280
vm_config far "$(mac_of 6)" 203.0.113.9/24 203.0.113.1 fd00:f::9/64 fd00:f::1
in_ns gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
for p in 'h1 vm1' 'h1 srv2' 'h2 vm2' 'h2 srv' 'h2 gw'; do wait_for 20 port_up $p || bail "port does not come up: $p"; done
for v in vm1 vm2 srv srv2 far; do serve $v; done
reach() { ping_ok vm1 203.0.113.9 && ping_ok vm1 fd00:f::9; }
wait_for 10 reach || bail 'no traffic'

# --- what the sending kernel learns, one limit after the other ---
learns 'underlay, IPv4' vm1 10.0.1.12 1450
learns 'underlay, IPv6' vm1 fd00:1::12 1450
learns 'near router, far router, IPv4' vm1 10.0.2.13 1400 1300
learns 'near router, far router, IPv6' vm1 fd00:2::13 1400 1300
for f in 4 6; do
	[ $f = 4 ] && far=203.0.113.9 vm2=10.0.1.12 fip=172.16.0.20 vip=192.0.2.40 masked=172.16.0.10 ||
		far=fd00:f::9 vm2=fd00:1::12 fip=fd00:c::20 vip=fd00:d::40 masked=fd00:c::10
	learns "near router, then a Linux host outside, through SNAT, IPv$f" vm1 $far 1400 1280
	learns "... through a floating IP, IPv$f" vm2 $far 1400 1280
	learns "from outside to a floating IP, IPv$f" far $fip 1380 1290
	forget

	# --- TCP: nobody tells the sizes but the network ---
	data=10485760
	equal "TCP, 10 MB to a machine of the same bridge, IPv$f" ok "$(big vm1 push $vm2 9000 $data)"
	equal '... whose kernel knows' 1450 "$(mtu_to vm1 $vm2)"
	equal "SNAT, limits at the near router and outside, IPv$f" ok "$(big vm1 push $far 9000 $data)"
	equal '... whose kernel knows' 1280 "$(mtu_to vm1 $far)"
	equal "floating IP, IPv$f" ok "$(big vm2 push $far 9000 $data)"
	equal '... whose kernel knows' 1280 "$(mtu_to vm2 $far)"
	forget
	equal "... the connection comes from outside, IPv$f" ok "$(big far pull $fip 9000 $data)"
	equal '... whose kernel knows' 1280 "$(mtu_to vm2 $far)"
	forget
	equal "... data from outside, IPv$f" ok "$(big far push $fip 9000 $data)"
	equal '... whose kernel knows' 1290 "$(mtu_to far $fip)"
	equal "VIP behind SNAT, limits at the near and the far router, IPv$f" ok "$(big vm1 push $vip 80 $data)"
	equal '... whose kernel knows' 1300 "$(mtu_to vm1 $vip)"
	forget
	equal "... data from the member, IPv$f" ok "$(big vm1 pull $vip 80 $data)"
	equal '... whose kernel knows' 1290 "$(members_know $masked)"
	equal "... to outside, IPv$f" ok "$(big far pull $vip 80 $data)"
	equal '... whose kernel knows' 1280 "$(members_know $far)"

	# --- datagrams: fragments by kernels, by routers (IPv4), in any order ---
	for order in '' 'forward 1024' 'reverse 1024' 'shuffled 512' 'twice 1024'; do
		equal "UDP of 6000 bytes, ${order:-by the kernel}: bridged, IPv$f" "$([ $f = 4 ] && echo 10.0.1.11 || echo fd00:1::11) 6000" \
			"$(big vm1 ask $vm2 9000 6000 6000 $order)"
		equal '... SNAT' "$masked 6000" "$(big vm1 ask $far 9000 6000 6000 $order)"
		equal '... VIP' "$masked 6000" "$(big vm1 ask $vip 80 6000 6000 $order)"
		equal '... VIP, from outside' "$far 6000" "$(big far ask $vip 80 6000 6000 $order)"
		equal '... floating IP, from outside' "$far 6000" "$(big far ask $fip 9000 6000 6000 $order)"
	done
	before=$(drops h1 fragment)
	equal "a fragment that overlaps others is left out, IPv$f" "$masked 100" "$(big vm1 ask $vip 80 3000 100 overlap 1024)"
	[ "$(drops h1 fragment)" -gt "$before" ] && ok '... and counted' || not_ok '... and counted'
done

# --- IPv4 without DF: in pieces, and nobody is told ---
capture() { # NAMESPACE INTERFACE FILE FILTER...
	local ns=$1 dev=$2 file=$work/$3
	shift 3
	spawn nsenter --net="/run/netns/$id-$ns" tcpdump -l -n -v -Q in -i "$dev" "$@" > "$file" 2> "$file.err"
	wait_for 5 grep -q 'listening on' "$file.err" || bail "no capture: $(cat "$file.err")"
}
capture gw eth0 pieces 'ip[6:2] & 0x3fff != 0'
capture vm1 eth0 told 'icmp[icmptype] == 3'
forget
equal 'IPv4 without DF: the router cuts' '172.16.0.10 100' "$(big vm1 ask 203.0.113.9 9000 1450 100)"
lengths() { grep -oE 'flags \[[^]]*\].*length [0-9]+' "$work/pieces" | sed -E 's/.*\[(.*)\].*length /\1 /' | tr '\n' ' '; }
cut() { [ "$(lengths)" = '+ 1396 none 102 ' ]; }
wait_for 5 cut
equal '... at its limit' '+ 1396 none 102 ' "$(lengths)"
equal '... and tells nobody' 0 "$(grep -c ICMP "$work/told")"

# --- limits change ---
left_mtu=1284 right_mtu=1290
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
for a in 10.0.2.13 fd00:2::13; do
	lowered() { in_vm vm1 ping -q -c 1 -W 1 -M do -s $([[ $a = *:* ]] && echo 1252 || echo 1272) $a >/dev/null 2>&1; [ "$(mtu_to vm1 $a)" = 1290 ]; }
	can "a limit is lowered: traffic learns it ($a)" wait_for 10 lowered
done
equal '... TCP too' ok "$(big vm1 push 192.0.2.40 80 10485760)"
for n in h1 h2; do ip -n "$id-$n" link set u0 mtu 1400; ip -n "$id-wire" link set $n mtu 1400; done
for a in 10.0.1.12 fd00:1::12; do
	narrow() { in_vm vm1 ping -q -c 1 -W 1 -M do -s 1402 $a >/dev/null 2>&1; [ "$(mtu_to vm1 $a)" = 1350 ]; }
	can "the underlay becomes narrower ($a)" wait_for 10 narrow
done
equal '... TCP too' ok "$(big vm1 push 10.0.1.12 9000 10485760)"
