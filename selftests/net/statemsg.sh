#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Connections that the host of the other end has to be told of, while the messages that tell it are lost, late, doubled, in another order,
# garbled or forged, and nothing else is.  No packet goes to a machine before its host knows what to do with the answer: so of UDP, which
# sends nothing again, each question has its answer, and no machine ever sees one that was not translated back.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

#   vm1 (h1), vm2 (h2) on 'left' - r - 'ext' with cl (h1), srv (h2); r has two uplinks to out: up1 (h1), up2 (h2), which share connections
document() {
	cat <<-YAML
		tenant: t
		security_groups: [{name: any, rules: [{name: all, direction: ingress}]}]
		port_groups: [{name: uplinks, stateful: true}]
		bridges: [{name: left}, {name: ext}]
		routers: [{name: r}]
		ports:
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24], peer: left-r}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: r-ext, router: r, mac: "02:00:00:00:01:02", addresses: [198.51.100.1/24], peer: ext-r}
		  - {name: ext-r, bridge: ext, peer: r-ext}
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11], security_groups: [any]}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12], security_groups: [any]}
		  - {name: cl, bridge: ext, mac: "$(mac_of 3)", addresses: [198.51.100.98]}
		  - {name: srv, bridge: ext, mac: "$(mac_of 4)", addresses: [198.51.100.99]}
		  - {name: up1, router: r, mac: "02:00:00:00:01:03", addresses: [192.0.2.1/30], port_groups: [uplinks]}
		  - {name: up2, router: r, mac: "02:00:00:00:01:04", addresses: [192.0.2.5/30], port_groups: [uplinks]}
		routes:
		  - {name: back1, router: r, dst: 203.0.113.0/24, port: up1, gateway: 192.0.2.2, weight: 10}
		  - {name: back2, router: r, dst: 203.0.113.0/24, port: up2, gateway: 192.0.2.6, weight: 20}
		nats:
		  - {name: to-srv, router: r, type: snat, port: r-ext, src: 10.0.1.11/32, to: 198.51.100.10}
		  - {name: in, router: r, type: dnat, dst: 198.51.100.20/32, to: 10.0.1.11}
		floating_ips: [{name: f2, router: r, address: 198.51.100.30, fixed: 10.0.1.12, uplink: r-ext}]
		load_balancers: [{name: lb, router: r}]
		pools: [{name: pool}]
		members: [{name: m2, pool: pool, address: 10.0.1.12}]
		vips: [{name: vip, load_balancer: lb, address: 198.51.100.40, proto: udp, port: 7, pool: pool},
		       {name: vipt, load_balancer: lb, address: 198.51.100.40, proto: tcp, port: 80, pool: pool}]
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm2, host: h2, interface: vm2}
		  - {port: cl, host: h1, interface: cl}
		  - {port: srv, host: h2, interface: srv}
		  - {port: up1, host: h1, interface: up1}
		  - {port: up2, host: h2, interface: up2}
	YAML
}

attack=$O/selftests/net/attack between=$O/selftests/net/between
host h1; host h2
config h1
encap=nvgre config h2 # which understands no marks: messages to it are waited for even where nothing is translated
vm vm1 h1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1
vm vm2 h2 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1
vm cl h1 "$(mac_of 3)" 198.51.100.98/24 198.51.100.1
vm srv h2 "$(mac_of 4)" 198.51.100.99/24 198.51.100.1
new_ns out
for u in 1:2 2:6; do
	ip link add up${u%:*} mtu 1500 netns "$id-h${u%:*}" type veth peer eth${u%:*} mtu 1500 netns "$id-out"
	ip -n "$id-h${u%:*}" link set up${u%:*} up
	ip -n "$id-out" addr add 192.0.2.${u#*:}/30 dev eth${u%:*}
	in_ns out sysctl -qw net.ipv4.conf.eth${u%:*}.rp_filter=0
	ip -n "$id-out" link set eth${u%:*} up
done
in_ns out sysctl -qw net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.all.rp_filter=0
ip -n "$id-out" addr add 203.0.113.5/32 dev lo
by_uplink() { ip -n "$id-out" route replace 198.51.100.0/24 via "192.0.2.$1" src 203.0.113.5; }
by_uplink 1
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
for p in 'h1 vm1' 'h1 cl' 'h1 up1' 'h2 vm2' 'h2 srv' 'h2 up2'; do wait_for 20 port_up $p || bail "port does not come up: $p"; done
for v in vm1 vm2 srv; do
	tcp_echo $v 80
	spawn nsenter --net="/run/netns/$id-$v" "$attack" serve 7 > "$work/served.$v"
	wait_for 5 grep -q ready "$work/served.$v" || bail "no server in $v"
done
for t in 'vm1 10.0.1.12' 'vm1 198.51.100.99' 'srv 198.51.100.20' 'cl 198.51.100.30'; do ping4_soon $t || bail "no traffic: $t"; done

# What answers from an address that nobody asked.
for t in 'cl 10.0.1.0/24' 'srv 10.0.1.0/24' 'out 10.0.1.0/24'; do
	read -r v net <<<"$t"
	in_vm $v nft "add table ip w; add chain ip w c { type filter hook prerouting priority -300; }" || bail 'nft'
	[ $v = vm1 ] || in_vm $v nft add rule ip w c ip saddr "$net" counter
done
strangers() { for v in cl srv out; do in_vm $v nft list chain ip w c; done | grep -oE 'packets [0-9]+' | awk '{ n += $2 } END { print n + 0 }'; }

port=20000
ask() { # TEXT VM ADDRESS: 40 connections of one datagram, from ports that nobody had
	local out
	port=$((port + 40))
	out=$(in_vm "$2" "$attack" ask "$3" 7 40 400 $port)
	contains "$1" '^asked 40 answered 40 ' "$out"
	echo "# $out"
}
all_kinds() { # TEXT
	ask "$1: a VIP whose member is on another host" cl 198.51.100.40
	ask '... source NAT' vm1 198.51.100.99
	ask '... destination NAT' srv 198.51.100.20
	ask '... a floating IP' cl 198.51.100.30
	ask '... a group that lets answers in, towards a host without marks' vm1 10.0.1.12
	ask '... and with' vm2 10.0.1.11
}
treat() { # HOW...: of all messages of skepds from here on
	nsenter --net="/run/netns/$id-wire" "$between" h1 h2 "$@" > "$work/between" &
	relay=$!
	background+=($relay)
	wait_for 5 grep -q ready "$work/between" || bail 'nobody stands in between'
}
untreated() { kill $relay; wait $relay 2>/dev/null; tail -n 1 "$work/between" | note; }
passed() { sed -n "s/.*$1 \([0-9]*\).*/\1/p" "$work/between"; }
sum() { echo $(($(stat_of h1 "$1") + $(stat_of h2 "$1"))); }
settled() { [ "$(sum state_unacked)" = 0 ]; }
more() { # TEXT MEMBER BEFORE
	local now
	now=$(sum "$2")
	[ "$now" -gt "$3" ] && ok "$1 ($((now - $3)))" || not_ok "$1 ($2 is still $now)"
}

all_kinds 'nothing in the way'
equal '... and nothing was given up' 0 "$(sum state_lost)"

# VNI 1 behind UDP, VSID 1 behind GRE
in_ns wire nft 'add table bridge mean; add chain bridge mean c { type filter hook forward priority 0; };
	add rule bridge mean c ether type ip ip protocol udp @th,96,24 1 drop
	add rule bridge mean c ether type ip ip protocol gre @th,32,24 1 drop' || bail 'nft cannot drop'

treat
all_kinds 'by way of the one in between'
untreated

treat delay=3
before=$(sum held)
all_kinds 'messages 3 ms late'
untreated
more '... packets have waited for them' held "$before"

treat only=items drop=1/2
before=$(sum state_resent)
all_kinds 'every second one is lost'
untreated
more '... they are sent again' state_resent "$before"

treat drop=1/4
all_kinds 'a quarter of all is lost'
untreated

treat dropfirst=5
all_kinds 'the first five are lost'
untreated

treat only=acks drop=1/2
all_kinds 'every second acknowledgement is lost'
untreated

treat # what is not acknowledged yet is no loss of what follows
wait_for 5 settled || not_ok 'messages are acknowledged or given up'
untreated
lost=$(sum state_lost)
treat dup=3
all_kinds 'each comes four times'
untreated
treat swap
all_kinds 'each comes behind the next one'
untreated
equal '... nothing was given up' "$lost" "$(sum state_lost)"

treat garble
before=$(sum state_refused)
stranger=$(($(drops h1 unknown_peer) + $(drops h2 unknown_peer)))
bad=$(($(drops h1 bad_header) + $(drops h2 bad_header)))
all_kinds 'cut short, oversize, garbled, forged ones come first'
untreated
more '... they are refused' state_refused "$before"
[ $(($(drops h1 unknown_peer) + $(drops h2 unknown_peer))) -gt "$stranger" ] && ok '... those of a stranger are dropped' || not_ok '... those of a stranger are dropped'
[ $(($(drops h1 bad_header) + $(drops h2 bad_header))) -gt "$bad" ] && ok '... and those that are longer than they are' || not_ok '... and those that are longer than they are'

# --- none arrives for three seconds ---
treat drop=1/1
lost=$(sum state_lost)
port=$((port + 40))
out=$(in_vm cl "$attack" ask 198.51.100.40 7 1 1 $port)
contains 'all are lost: nobody answers' '^asked 1 answered 0 ' "$out"
more '... for it was given up' state_lost "$lost"
contains '... the packet is dropped, and counted' '^[1-9]' "$(drops h1 untold)"
refute '... the connection has not begun' grep -q "\"sport\": *$port" <<<"$(conns h1 cl)"
spawn nsenter --net="/run/netns/$id-cl" bash -c 'exec 3<>/dev/tcp/198.51.100.40/80 && read -rt 15 -u 3 l && echo "$l"' > "$work/late"
wait_for 3 [ -s "$work/never" ]
equal '... TCP does not get through either' '' "$(cat "$work/late")"
untreated
treat
wait_for 10 [ -s "$work/late" ]
contains '... and when they arrive again it does, by itself' ' vm2$' "$(cat "$work/late")"
all_kinds 'everything begins as before'

# --- ports that share connections ---
can 'two uplinks: a connection by the first' talk two out 198.51.100.20 80
contains '... the host of the second knows it' '"direction": *"original"' "$(conns h2 up2)"
by_uplink 5
can '... and it goes on there' say two
by_uplink 1
untreated
treat drop=1/4
can '... messages get lost: another one begins' talk three out 198.51.100.20 80
for u in 5 1 5 1; do by_uplink $u; say three || not_ok "alternating uplinks ($u)"; done
ok '... and goes on by both'
untreated

# a host that does not answer, for a connection that does not end there: it begins late once, and then at once
treat drop=1/1
by_uplink 1
can '... all are lost: one begins by the first uplink all the same' talk four out 198.51.100.20 80
before=$(sum held)
can '... and the next' talk five out 198.51.100.20 80
equal '... which does not wait for a host that is silent' "$before" "$(sum held)"
untreated
in_ns wire nft delete table bridge mean

equal 'no machine was answered by one that it did not ask' 0 "$(strangers)"
