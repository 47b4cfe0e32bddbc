#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ports that are network cards: XDP carries what it can between cards and other hosts, TC the rest, and the machines outside notice no difference.
# A card whose XDP hook is taken works in TC; other people's programs are there still when skepd has gone.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

#   vm1 (h1) vm2 vm3 (h2) on 'left' - r - up1 (h1, card1) - out1; r - up2 (h1, card2) - out2
document() {
	cat <<-YAML
		tenant: t
		bridges: [{name: left}]
		routers: [{name: r}]
		ports:
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24, "fd00:1::1/64"], peer: left-r}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: up1, router: r, mac: "02:00:00:00:01:05", addresses: [203.0.113.1/24, "2001:db8:1::1/64"]}
		  - {name: up2, router: r, mac: "02:00:00:00:01:06", addresses: [198.51.100.1/24, "2001:db8:2::1/64"]}
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11, "fd00:1::11"]}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12, "fd00:1::12"]}
		  - {name: vm3, bridge: left, mac: "$(mac_of 3)", addresses: [10.0.1.13]}
		floating_ips:
		  - {name: f2, router: r, address: 203.0.113.33, fixed: 10.0.1.13}
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm2, host: h2, interface: vm2}
		  - {port: vm3, host: h2, interface: vm3}
		  - {port: up1, host: h1, interface: card1}
		  - {port: up2, host: h1, interface: card2}
	YAML
}
# A veth is a card when its ends do what a card and its wire do: no tag and no checksum beside the frame, no super-packets, and NAPI at the far
# end, without which it takes no frame that XDP redirects to it.
like_a_card() { in_ns "$1" ethtool -K "$2" tx off tso off gso off rxvlan off txvlan off gro on; }
card() { # OUTSIDE CARD MAC ADDRESS/LEN GATEWAY ADDRESS6/LEN GATEWAY6
	new_ns "$1"
	vm_link "$1" h1 "$2"
	vm_config "$1" "${@:3}"
	like_a_card "$1" eth0 && like_a_card h1 "$2" && in_host h1 ethtool -K "$2" gro off
} >/dev/null 2>&1
xdp=xdp
host h1; host h2
for h in h1 h2; do like_a_card $h u0 && in_host $h ethtool -K u0 gro off && like_a_card wire $h; done >/dev/null 2>&1
vm vm1 h1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1 fd00:1::11/64 fd00:1::1
vm vm2 h2 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1 fd00:1::12/64 fd00:1::1
vm vm3 h2 "$(mac_of 3)" 10.0.1.13/24 10.0.1.1
card out1 card1 02:00:00:00:00:a1 203.0.113.99/24 203.0.113.1 2001:db8:1::99/64 2001:db8:1::1
card out2 card2 02:00:00:00:00:a2 198.51.100.99/24 198.51.100.1 2001:db8:2::99/64 2001:db8:2::1
config h1 'border: {interfaces: [card1, card2]}'
config h2
start_skepd h2 || bail 'skepd does not start'
# somebody else's program, for which one of ours will do, is on the second card
in_host h1 bpftool net attach xdp pinned "$(echo "$work"/bpf/skep/h2/abi*/progs/skep_xdp_under)" dev card2 || bail 'no foreign program'
foreign() { in_host h1 ip -d link show card2 | grep -o 'prog/xdp id [0-9]*'; }
theirs=$(foreign)
start_skepd h1 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
for p in h1:vm1 h2:vm2 h2:vm3 h1:up1 h1:up2; do wait_for 20 port_up ${p%:*} ${p#*:} || bail "port ${p#*:} does not come up"; done
counter() { status h1 | json_number counters "$1"; }
grew() { # TEXT COUNTER BY COMMAND...: it succeeds, and the counter grows by so much at least
	local text=$1 name=$2 by=$3 before after
	shift 3
	before=$(counter "$name")
	check "$text" "$@"
	after=$(counter "$name")
	if [ $((after - before)) -ge "$by" ]; then ok "... by XDP ($name: $((after - before)))"; else not_ok "... by XDP ($name: $((after - before)), want $by)"; fi
}
flood() { in_vm "$1" ping -q -c 300 -i 0.002 -W 2 ${3:-} "$2"; }

ping4_soon out1 10.0.1.12 && wait_for 10 in_vm out1 ping -q -c 1 -W 1 10.0.1.11 || bail 'no traffic'
contains 'the program is on the card' 'prog/xdp' "$(in_host h1 ip link show card1)"
contains 'the taken hook is told, and who has it' "card2.*XDP is held by program .skep_xdp_under. \(id [0-9]+\), using TC alone" "$(status h1)"
refute 'no other warning of XDP' grep -qE 'sends no frames|forward|native XDP|VLAN' <<<"$(status h1)"
grew 'outside to a machine of another host' xdp_port 200 flood out1 10.0.1.12
grew 'and its answers' xdp_deliver 200 flood out1 10.0.1.12
grew 'the machine to the outside' xdp_deliver 200 flood vm2 203.0.113.99
grew 'IPv6' xdp_port 200 flood out1 fd00:1::12
grew 'IPv6, back' xdp_deliver 200 flood vm2 2001:db8:1::99
grew 'a floating IP' xdp_port 200 flood out1 203.0.113.33
check 'a machine of the same host' flood out1 10.0.1.11
check 'the card without XDP' flood out2 10.0.1.12
check '... and from card to card' flood out2 203.0.113.99

mkdir -p "$work/www" && head -c 8388608 /dev/urandom > "$work/www/big"
sum=$(sha256sum < "$work/www/big")
for v in vm1 vm2 vm3 out1 out2; do http_server $v "$work/www" 8080; done
fetch() { [ "$(in_vm "$1" curl -sS --max-time 60 "http://$2:8080/big" | sha256sum)" = "$sum" ]; }
grew '8 MiB over TCP, in' xdp_port 1000 fetch vm2 203.0.113.99
grew '8 MiB over TCP, out' xdp_deliver 1000 fetch out1 10.0.1.12
grew '8 MiB over TCP, from a floating IP' xdp_deliver 1000 fetch out1 203.0.113.33
grew '8 MiB over TCP, IPv6' xdp_port 1000 fetch vm2 '[2001:db8:1::99]'
check '8 MiB over TCP, to a machine of the same host' fetch vm1 203.0.113.99
check '8 MiB over TCP, from a machine of the same host' fetch out1 10.0.1.11

# what XDP leaves to TC
check 'fragments' in_vm out1 ping -q -c 3 -i 0.1 -W 2 -s 4000 10.0.1.12
check 'fragments, back' in_vm vm2 ping -q -c 3 -i 0.1 -W 2 -s 4000 203.0.113.99
contains 'a TTL that ends at the router' 'Time to live exceeded' "$(in_vm out1 ping -c 1 -W 2 -t 1 10.0.1.12)"
check 'one that just does not' in_vm out1 ping -q -c 1 -W 2 -t 2 10.0.1.12
for n in "out1 eth0" "h1 card1"; do ip -n "$id-${n% *}" link set "${n#* }" mtu 3000; done
contains 'too big for the way' 'Frag needed|too long|[Mm]essage too long' "$(in_vm out1 ping -c 2 -i 0.2 -W 2 -M do -s 2000 10.0.1.12 2>&1)"
for n in "out1 eth0" "h1 card1"; do ip -n "$id-${n% *}" link set "${n#* }" mtu 1500; done
check 'what fits goes on' flood out1 10.0.1.12

# malformed and tagged frames
up1=0200000001050200000000a1
send() { in_vm out1 "$raw" send eth0 <<<"$1"; }
before=$(drops h1 bad_header)
send "${up1}0800$(printf '43%.0s' {1..40})" || not_ok 'a frame is sent'
more() { [ "$(drops h1 "$1")" -gt "$2" ]; }
check 'a header that lies is dropped, with its reason' wait_for 5 more bad_header "$before"
before=$(drops h1 bad_mac)
send "020000000105030000000001""88cc$(printf '00%.0s' {1..46})" || not_ok 'a frame is sent'
check 'a multicast source too' wait_for 5 more bad_mac "$before"
packet=08004500002e0000000040113350cb0071630a00010c0fa01389001a00006672616d652066726f6d206f757473696465 # UDP from out1 to vm2, type first
arrive() { # N FRAME: so many frames with the text come out at vm2
	local n
	: > "$work/counted"
	spawn nsenter --net="/run/netns/$id-vm2" "$raw" count eth0 'frame from outside' 1 1500 > "$work/counted"
	n=${background[-1]}
	wait_for 5 grep -q ready "$work/counted"
	send "$2" && send "$2"
	wait "$n"
	[ "$(tail -n 1 "$work/counted")" = "$1" ]
}
check 'frames without a tag arrive' arrive 2 "$up1$packet"
check 'with one they do not, flow or no flow' arrive 0 "${up1}81000007$packet"

# a card that begins to take tags out of frames, and the underlay interface
offload() { in_host h1 ethtool -K "$1" rxvlan "$2" >/dev/null; }
is_blind() { status h1 | grep -qF "interface '$1': XDP would not see VLAN tags"; }
has_xdp() { in_host h1 ip link show "$1" | grep -q prog/xdp; }
sees() { ! is_blind "$1" && has_xdp "$1"; }
for i in card1 u0; do
	offload $i on
	check "$i takes tags out of frames: it is told" wait_for 5 is_blind $i
	refute '... and XDP is off it' has_xdp $i
	check '... and traffic goes on' flood out1 10.0.1.12
	check '... in both directions' flood vm2 203.0.113.99
	offload $i off
	check '... and back, when it does not any more' wait_for 5 sees $i
	grew 'outside to a machine of another host' xdp_port 200 flood out1 10.0.1.12
	grew 'and its answers' xdp_deliver 200 flood out1 10.0.1.12
done

# a restart, and the end
link() { in_host h1 bpftool -j link show | tr '{' '\n' | grep -c '"type":"xdp"'; }
links=$(link)
stop_skepd h1
check 'traffic goes on while skepd is not there' flood out1 10.0.1.12
start_skepd h1 || bail 'skepd does not start again'
wait_for 20 port_up h1 up1 || bail 'port does not come up again'
equal 'the links are taken over' "$links" "$(link)"
ping4_soon out1 10.0.1.12
grew 'after a restart' xdp_port 200 flood out1 10.0.1.12
equal "the other's program is where it was" "$theirs" "$(foreign)"
stop_skepd h1
in_host h1 bpftool net detach xdp dev card2
start_skepd h1 || bail 'skepd does not start again'
wait_for 20 port_up h1 up2 && ping4_soon out2 203.0.113.99
grew 'card to card, both with XDP' xdp_port 400 flood out2 203.0.113.99
stop_skepd h1
in_host h1 bpftool net attach xdp pinned "$(echo "$work"/bpf/skep/h2/abi*/progs/skep_xdp_under)" dev vm1 || not_ok 'another foreign program'
theirs=$(in_host h1 ip -d link show vm1 | grep -o 'prog/xdp id [0-9]*')
check 'the datapath is removed' in_host h1 "$SKEPD" -c "$work/h1/skepd.yaml" --detach
refute 'no program of ours is left on a card' grep -q prog/xdp <<<"$(in_host h1 ip link show card1; in_host h1 ip link show card2; in_host h1 ip link show u0)"
equal "the other's is left alone" "$theirs" "$(in_host h1 ip -d link show vm1 | grep -o 'prog/xdp id [0-9]*')"
