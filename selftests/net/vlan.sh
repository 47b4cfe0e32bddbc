#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A VLAN-aware bridge across two hosts: access ports, trunks with machines that have interfaces in several VLANs, a native VLAN, what a
# trunk does not carry, machines that move, static MACs, a hairpin port with a VEPA behind it, a router on one VLAN, spanning
# tree of bridges outside.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

#   VLAN 10: vm1 (h1), vm2 (h2), tr, the router     VLAN 20: vm3 (h1), vm4 (h2), tr     VLAN 30: vm6 (h1)     VLAN 99: vm9 (h1), tr untagged
#   tr (h2): a machine at a trunk.  sw1 (h1), sw2 (h2): trunks of everything.  srv (h2) behind the router.  hp (h1): VEPA, VLAN 10
rules_of() { local p; for p; do echo "{name: p$p, direction: ingress, ethertype: ipv4, proto: tcp, dst_ports: $p},"; done; }
document() {
	cat <<-YAML
		tenant: t
		security_groups: [{name: some, rules: [$(rules_of ${open:-80})]}]
		bridges:
		  - name: lan
		    vlan_aware: true
		    static_macs: [{mac: "02:00:00:00:00:77", port: sw2, vlan: 20}]
		  - {name: ext}
		routers: [{name: r}, {name: r20}]
		ports:
		  - {name: vm1, bridge: lan, vlan: 10, mac: "$(mac_of 1)", addresses: [10.0.10.11, "fd00:10::11", "fd00:10::ff:fe00:1"]}
		  - {name: vm2, bridge: lan, vlan: 10, mac: "$(mac_of 2)", addresses: [10.0.10.12, "fd00:10::12"]${vm2_policy:-}}
		  - {name: vm3, bridge: lan, vlan: 20, mac: "$(mac_of 3)", addresses: [10.0.20.13, "fd00:20::13", "fd00:20::ff:fe00:3", 10.0.10.12]}
		  - {name: vm4, bridge: lan, vlan: 20, mac: "$(mac_of 4)", addresses: [10.0.20.14, "fd00:20::14"]}
		  - {name: vm6, bridge: lan, vlan: 30, mac: "$(mac_of 6)", addresses: [10.0.10.16]}
		  - {name: vm9, bridge: lan, vlan: 99, mac: "$(mac_of 9)", addresses: [10.0.99.19, "fd00:99::19"]}
		  - {name: tr, bridge: lan, vlan: 99, trunk: [10, "20-21"], mac: "$(mac_of 5)"}
		  - {name: sw1, bridge: lan, trunk: all}
		  - {name: sw2, bridge: lan, trunk: all}
		  - {name: hp, bridge: lan, vlan: 10, hairpin: ${hairpin:-false}}
		  - {name: lan-r, bridge: lan, vlan: 10, peer: r-lan}
		  - {name: r-lan, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.10.1/24, "fd00:10::1/64"]}
		  - {name: r-ext, router: r, mac: "02:00:00:00:01:02", addresses: [10.0.5.1/24, "fd00:5::1/64"], peer: ext-r}
		  - {name: ext-r, bridge: ext}
		  - {name: lan-r20, bridge: lan, vlan: 20, peer: r20-lan}
		  - {name: r20-lan, router: r20, mac: "02:00:00:00:01:20", addresses: ["fd00:20::1/64"]}
		  - {name: srv, bridge: ext, mac: "$(mac_of 8)", addresses: [10.0.5.50, "fd00:5::50"]}
		subnets:
		  - {name: net10, bridge: lan, prefix: 10.0.10.0/24, domain: ten.example}
		  - {name: ra10, bridge: lan, prefix: "fd00:10::/64"}
		  - {name: ra20, bridge: lan, prefix: "fd00:20::/64"}
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm3, host: h1, interface: vm3}
		  - {port: vm6, host: h1, interface: vm6}
		  - {port: vm9, host: h1, interface: vm9}
		  - {port: sw1, host: h1, interface: sw1}
		  - {port: hp, host: h1, interface: hp}
		  - {port: vm2, host: ${vm2_host:-h2}, interface: vm2}
		  - {port: vm4, host: h2, interface: vm4}
		  - {port: tr, host: h2, interface: tr}
		  - {port: sw2, host: h2, interface: sw2}
		  - {port: srv, host: h2, interface: srv}
	YAML
}

# A VLAN interface: the kernel's, or where it has none, a tap that does the same.
subif() { # VM VLAN MAC [ADDRESS/LEN]...: eth0.VLAN; in $last, the process
	local v=$1 vlan=$2 mac=$3 a
	shift 3
	last=
	if ! ip -n "$id-$v" link add link eth0 name "eth0.$vlan" type vlan id "$vlan" 2>/dev/null; then
		: > "$work/subif.$v.$vlan"
		spawn nsenter --net="/run/netns/$id-$v" "$O/selftests/net/subif" eth0 "$vlan" "eth0.$vlan" > "$work/subif.$v.$vlan" 2>&1
		last=$!
		wait_for 5 grep -q ready "$work/subif.$v.$vlan" || bail "no interface in VLAN $vlan: $(cat "$work/subif.$v.$vlan")"
	fi
	ip -n "$id-$v" link set "eth0.$vlan" address "$mac" up
	for a in "$@"; do ip -n "$id-$v" addr add "$a" dev "eth0.$vlan" nodad 2>/dev/null || ip -n "$id-$v" addr add "$a" dev "eth0.$vlan"; done
}
no_subif() { # VM VLAN: away with it
	[ -n "$last" ] && kill "$last"
	wait_for 5 gone "$@" || ip -n "$id-$1" link del "eth0.$2"
}
gone() { ! ip -n "$id-$1" link show "eth0.$2"; }
trunk_ns() { # NAME HOST: something at a trunk, up
	new_ns "$1"
	vm_link "$1" "$2"
	ip -n "$id-$1" link set eth0 up
}
capture() { # NAMESPACE INTERFACE FILE FILTER...
	local ns=$1 dev=$2 file=$work/$3
	shift 3
	spawn nsenter --net="/run/netns/$id-$ns" tcpdump -l -n -e -Q in -i "$dev" "$@" > "$file" 2> "$file.err"
	wait_for 5 grep -q 'listening on' "$file.err" || bail "no capture: $(cat "$file.err")"
}
seen() { grep -c '^[0-9:.]* ' "$work/$1"; }
got() { [ "$(seen "$1")" -ge "$2" ]; }
frame() { in_vm "$1" "$raw" send eth0 <<<"$2"; } # MACHINE HEX
silent_to() { ! in_vm "$1" ping -q -c 1 -W 1 "$2"; }

host h1; host h2
vm vm1 h1 "$(mac_of 1)" 10.0.10.11/24 10.0.10.1 fd00:10::11/64 fd00:10::1
vm vm2 h2 "$(mac_of 2)" 10.0.10.12/24 10.0.10.1 fd00:10::12/64 fd00:10::1
vm vm3 h1 "$(mac_of 3)" 10.0.20.13/24 10.0.20.1 fd00:20::13/64 fd00:20::1
vm vm4 h2 "$(mac_of 4)" 10.0.20.14/24 10.0.20.1 fd00:20::14/64 fd00:20::1
vm vm6 h1 "$(mac_of 6)" 10.0.10.16/24 10.0.10.1
vm vm9 h1 "$(mac_of 9)" 10.0.99.19/24 10.0.99.1 fd00:99::19/64 fd00:99::1
vm srv h2 "$(mac_of 8)" 10.0.5.50/24 10.0.5.1 fd00:5::50/64 fd00:5::1
new_ns tr
vm_link tr h2
vm_config tr "$(mac_of 5)" 10.0.99.15/24 '' fd00:99::15/64 fd00:99::1
subif tr 10 "$(mac_of 5)" 10.0.10.15/24 fd00:10::15/64
subif tr 20 "$(mac_of 5)" 10.0.20.15/24 fd00:20::15/64
ip -n "$id-tr" route add 10.0.5.0/24 via 10.0.10.1
trunk_ns sw1 h1
trunk_ns sw2 h2
trunk_ns hp h1
for v in vm1 vm2 vm3 vm4 vm6 vm9 tr srv; do in_vm $v sysctl -qw net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.eth0.accept_ra=0; done
in_vm tr sysctl -qw net.ipv6.conf.eth0/10.accept_ra=0 net.ipv6.conf.eth0/20.accept_ra=0
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
for p in 'h1 vm1' 'h1 vm3' 'h1 vm6' 'h1 vm9' 'h1 sw1' 'h1 hp' 'h2 vm2' 'h2 vm4' 'h2 tr' 'h2 sw2' 'h2 srv'; do
	wait_for 20 port_up $p || bail "port does not come up: $p"
done
for v in vm1 vm2 vm3 vm4 tr srv; do tcp_echo $v 80; done

# --- access ports ---
check 'VLAN 10: access port to access port, across hosts' ping_ok vm1 10.0.10.12 5
check '... IPv6' ping_ok vm1 fd00:10::12 5
check 'VLAN 20' ping_ok vm3 10.0.20.14 5
check '... IPv6' ping_ok vm3 fd00:20::14 5

# --- a machine in several VLANs ---
check 'a trunk: its machine in VLAN 10' ping_ok vm1 10.0.10.15 5
check '... IPv6' ping_ok vm1 fd00:10::15 5
check '... the other way' ping_ok tr 10.0.10.12 5
check '... in VLAN 20' ping_ok tr 10.0.20.13 5
check '... IPv6' ping_ok vm4 fd00:20::15 5
check 'the native VLAN: untagged' ping_ok tr 10.0.99.19 5
check '... IPv6' ping_ok vm9 fd00:99::15 5
equal 'TCP: who asked, and who answered' '10.0.10.11 tr' "$(tcp_ask vm1 10.0.10.15 80)"
equal '... from the trunk' '10.0.20.15 vm3' "$(tcp_ask tr 10.0.20.13 80)"
mkdir -p "$work/www" && head -c 8388608 /dev/urandom > "$work/www/big"
sum=$(sha256sum < "$work/www/big")
fetch() { in_vm "$1" curl -sS --max-time 60 "http://$2:8080/big" | sha256sum; }
http_server tr "$work/www" 8080
http_server vm1 "$work/www" 8080
equal '8 MiB of TCP out of a trunk' "$sum" "$(fetch vm1 10.0.10.15)"
equal '... and into one' "$sum" "$(fetch tr 10.0.10.11)"

# --- isolation: vm3 has vm2's address in another VLAN ---
ip -n "$id-vm3" addr add 10.0.10.12/24 dev eth0
in_vm vm3 arping -q -c 2 -A -I eth0 10.0.10.12 2>/dev/null || in_vm vm3 busybox arping -q -c 2 -A -I eth0 10.0.10.12
equal 'an address of another VLAN is another machine' '10.0.10.11 vm2' "$(tcp_ask vm1 10.0.10.12 80)"
ip -n "$id-vm4" addr add 10.0.10.14/24 dev eth0
ip -n "$id-vm4" route add 10.0.10.12/32 dev eth0 src 10.0.20.14
equal '... there it answers' '10.0.20.14 vm3' "$(tcp_ask vm4 10.0.10.12 80)"
check 'no way from VLAN 20 into VLAN 10' silent_to vm3 10.0.10.11
check '... not to its router either' silent_to vm3 10.0.10.1
capture vm3 eth0 leak ether proto 0x88b5
capture vm2 eth0 both ether proto 0x88b5
capture tr eth0 tagged vlan 10 and ether proto 0x88b5
frame vm1 "ffffffffffff 020000000001 88b5 0a0b0c0d"
check 'a broadcast reaches its VLAN' wait_for 5 got both 1
check '... tagged, where there are several' wait_for 5 got tagged 1
frame vm1 "$(mac_of 3 | tr -d :) 020000000001 88b5 0a0b0c0d"
frame vm1 "ffffffffffff 020000000001 88b5 0a0b0c0d"
wait_for 5 got both 2
equal '... and no other, nor do frames to a MAC there' 0 "$(seen leak)"

# --- what a port does not carry ---
before=$(drops h1 vlan)
frame vm1 "020000000002 020000000001 8100 0014 88b5 0102 0304" # an access port, tag 20
more() { [ "$(drops "$1" vlan)" -gt "$2" ]; }
can 'an access port takes no tags' more h1 "$before"
frame vm1 "020000000002 020000000001 8100 a000 88b5 01020304" # a priority is no tag
check '... but priorities' wait_for 5 got both 3
capture vm6 eth0 thirty ether proto 0x88b5
capture sw1 eth0 sw1.thirty vlan 30 and ether proto 0x88b5
capture tr eth0 tr.thirty vlan 30
before=$(drops h2 vlan)
frame tr "ffffffffffff 020000000005 8100 001e 88b5 0a0b0c0d"
can 'a VLAN that the trunk does not carry is dropped' more h2 "$before"
before=$(drops h2 vlan)
frame tr "ffffffffffff 020000000005 8100 0fa0 88b5 0a0b0c0d"
can 'one that the bridge does not have, too' more h2 "$before"
before=$(drops h2 vlan)
capture vm1 eth0 hidden vlan or ether proto 0x8100
frame tr "ffffffffffff 020000000005 8100 000a 8100 001e 88b5 0a0b0c0d"
frame tr "020000000001 020000000005 8100 000a 8100 001e 88b5 0a0b0c0d"
can 'a tag hidden behind a tag gets nowhere' more h2 "$before"
frame vm6 "ffffffffffff 020000000006 88b5 0a0b0c0d"
check 'what it does not carry is not sent to it' wait_for 5 got sw1.thirty 1
equal '...' '0 0' "$(seen tr.thirty) $(seen thirty)"
equal '...' 0 "$(seen hidden)"
trace() { skep - trace --port "$@" 2>&1; }
contains 'trace says which VLAN it is' 'in VLAN 20' "$(trace tr 'icmp 10.0.20.15 > 10.0.20.13')"
contains '... or which it may not be' 'drop: .*VLAN.*tr' "$(trace tr 'icmp 10.0.10.15 > 10.0.10.16 vlan 30')"

# --- a router on one VLAN ---
check 'the router on VLAN 10: gateway' ping_ok vm1 10.0.10.1 3
check '... through it' ping_ok vm1 10.0.5.50 5
check '... IPv6' ping_ok vm2 fd00:5::50 5
check '... from a trunk' ping_ok tr 10.0.5.50 5
equal '... and to a machine behind one' '10.0.5.50 tr' "$(tcp_ask srv 10.0.10.15 80)"

# --- what the network tells machines stays in the VLAN ---
lease() { # VM: "address router domain" of the offer, or nothing
	in_vm "$1" busybox udhcpc -q -n -f -i eth0 -t 2 -T 1 -s "$work/say" 2>/dev/null | tail -n 1
}
printf '#!/bin/bash\n[ "$1" = bound ] && echo "$ip $router $domain"\n' > "$work/say"
chmod +x "$work/say"
equal 'DHCP in VLAN 10' '10.0.10.11 10.0.10.1 ten.example' "$(lease vm1)"
equal '... at the other host' '10.0.10.12 10.0.10.1 ten.example' "$(lease vm2)"
equal '... not for VLAN 20' '' "$(lease vm3)"
capture vm1 eth0 ra10 'icmp6 and ip6[40] == 134'
capture vm3 eth0 ra20 'icmp6 and ip6[40] == 134'
for v in vm1 vm3; do # the kernel asks
	in_vm $v sysctl -qw net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.eth0.router_solicitations=3
	ip -n "$id-$v" link set eth0 down
	ip -n "$id-$v" link set eth0 up
done
own_address() { ip -n "$id-$1" -6 addr show dev eth0 dynamic | grep -q "$2"; }
can 'SLAAC in VLAN 10' wait_for 10 own_address vm1 fd00:10::ff:fe00:1
can '... in VLAN 20' wait_for 10 own_address vm3 fd00:20::ff:fe00:3
both_routers() { grep -q '02:00:00:00:01:01' "$work/ra10" && grep -q '02:00:00:00:01:20' "$work/ra20"; }
check '... each from its router' wait_for 5 both_routers
refute '... and no other' own_address vm1 fd00:20::
refute '...' own_address vm3 fd00:10::
equal '...' 00 "$(grep -c '02:00:00:00:01:20' "$work/ra10")$(grep -c '02:00:00:00:01:01' "$work/ra20")"
for v in vm1 vm3; do # what going down has lost
	n=$([ $v = vm1 ] && echo 10 || echo 20) i=$([ $v = vm1 ] && echo 11 || echo 13)
	ip -n "$id-$v" addr replace fd00:$n::$i/64 dev eth0 nodad
	ip -n "$id-$v" route replace default via 10.0.$n.1
done
before=$(drops h2 spoof)
frame tr "ffffffffffff 020000000005 8100 000a 0800 4500 0024 0001 0000 4011 6fbb 0a000a0f ffffffff 0043 0044 0010 0000 0201060000000000"
more_spoofed() { [ "$(drops h2 spoof)" -gt "$before" ]; }
can 'a machine on a trunk does not serve DHCP in VLAN 10' wait_for 5 more_spoofed

# --- MACs that nobody told: found where they send from; one that moves; static ones ---
subif sw1 20 02:00:00:00:00:42 10.0.20.42/24 fd00:20::42/64
check 'a MAC behind a trunk is learnt' ping_ok vm4 10.0.20.42 3
check '... IPv6' ping_ok vm4 fd00:20::42 3
capture sw1 eth0 old host 10.0.20.42 and vlan 20
no_subif sw1 20
subif sw2 20 02:00:00:00:00:42 10.0.20.42/24 fd00:20::42/64
moved() { ping_ok sw2 10.0.20.14; }
can 'it moves to the other host, and sends' wait_for 10 moved
can '... and is found there' wait_for 5 ping_ok vm4 10.0.20.42 3
check '... also by who never heard it there' ping_ok vm3 10.0.20.42 3
at=$(seen old)
check '... with every packet' ping_ok vm3 10.0.20.42 5
equal '... the old place hears no more of it' "$at" "$(seen old)"
no_subif sw2 20
capture sw1 eth0 sw1.static ether dst 02:00:00:00:00:77
capture sw2 eth0 sw2.static vlan 20 and ether dst 02:00:00:00:00:77
frame vm3 "020000000077 020000000003 88b5 0a0b0c0d"
check 'a static MAC: where it says' wait_for 5 got sw2.static 1
equal '... and nowhere else' 0 "$(seen sw1.static)"
frame sw1 "020000000003 020000000077 8100 0014 88b5 0a0b0c0d"
check '... nobody takes it over' wait_for 5 got leak 1
frame vm3 "020000000077 020000000003 88b5 0a0b0c0d"
wait_for 5 got sw2.static 2
equal '... by sending from it' '2 0' "$(seen sw2.static) $(seen sw1.static)"
frame vm1 "020000000077 020000000001 88b5 0a0b0c0d"
check 'in another VLAN it is a MAC like any' wait_for 5 got sw1.static 1

# --- a machine with a port moves ---
ip -n "$id-h2" link del vm2
vm_link vm2 h1
in_vm vm2 sysctl -qw net.ipv6.conf.eth0.accept_ra=0
vm_config vm2 "$(mac_of 2)" 10.0.10.12/24 10.0.10.1 fd00:10::12/64 fd00:10::1
vm2_host=h1
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
wait_for 20 port_up h1 vm2 || not_ok 'the port comes up on the other host'
can 'a machine moved: found in its VLAN' wait_for 10 ping_ok vm1 10.0.10.12 3
can '... from a trunk' wait_for 10 ping_ok tr 10.0.10.12 3
can '... through the router' wait_for 10 ping_ok srv fd00:10::12 3
equal '... and no other VLAN sees it' '10.0.20.14 vm3' "$(tcp_ask vm4 10.0.10.12 80)"

# --- hairpin: two machines behind one port, as VEPA wants it ---
for n in 1 2; do
	new_ns hp$n
	ip -n "$id-hp" link add link eth0 name mv$n address "02:00:00:00:00:5$n" type macvlan mode vepa
	ip -n "$id-hp" link set mv$n netns "$id-hp$n" name eth0
	vm_config hp$n "02:00:00:00:00:5$n" 10.0.10.5$n/24 10.0.10.1 fd00:10::5$n/64 fd00:10::1
done
check 'two machines behind one port' ping_ok hp1 10.0.10.15 2
check '...' ping_ok hp2 10.0.10.11 2
check 'not from the one to the other' silent_to hp1 10.0.10.52
hairpin=true
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
can 'but on a hairpin port' wait_for 10 ping_ok hp1 10.0.10.52 3
can '... IPv6' wait_for 10 ping_ok hp2 fd00:10::51 3

# --- policy and connections of a trunk: the record does not say in which VLAN they are ---
vm2_policy=', security_groups: [some]' open='7001 7002'
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
for p in 7001 7002; do tcp_echo vm2 $p; done
for n in 1 2 3; do
	for p in 7001 7002; do can "a connection of a trunk, in VLAN 10, to port $p" talk t$n$p tr 10.0.10.12 $p; done
done
of_trunk() { conns h2 tr | grep -oE '"dport": *700[12]' | grep -oE '[0-9]+$' | sort | uniq -c | xargs; }
have() { [ "$(of_trunk)" = "$1" ]; }
can 'are known at the trunk' wait_for 5 have '3 7001 3 7002'
open=7002
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
can 'those that policy admits no more end' wait_for 10 have '3 7002'
check '... the others do not' say t27002
have '3 7002' && ok '... they stay' || not_ok "... they stay: $(of_trunk)"
vm2_policy=

# --- spanning tree of the bridges outside: what the kernel's bridge sends (it listens in the first namespace only) ---
capture vm1 eth0 bpdu ether dst 01:80:c2:00:00:00
capture sw2 eth0 sw2.bpdu -xx ether dst 01:80:c2:00:00:00
capture tr eth0 tr.bpdu ether dst 01:80:c2:00:00:00
ip -n "$id-sw1" link add name br0 address 02:00:00:00:01:00 type bridge stp_state 1 hello_time 100
ip -n "$id-sw1" link set eth0 master br0
ip -n "$id-sw1" link set br0 up
check 'BPDUs of a bridge at one trunk arrive at others' wait_for 10 got sw2.bpdu 2
contains '... as they are: its claim to be the root' 'STP 802\.1d, Config.*bridge-id 8000\.02:00:00:00:01:00' "$(cat "$work/sw2.bpdu")"
contains '... untagged, behind LLC' '0x0000: +0180 c200 0000 .* 0026 4242' "$(cat "$work/sw2.bpdu")"
check '... at all trunks' wait_for 5 got tr.bpdu 1
equal '... machines see none of it' 0 "$(seen bpdu)"
before=$(drops h1 protocol)
frame vm1 "0180c2000000 020000000001 0026 424203 0000000000 0000 020000000001 00000000 0000 020000000001 8001 0000 1400 0200 0f00 0000000000000000"
silenced() { [ "$(drops h1 protocol)" -gt "$before" ]; }
can '... and have no say in it' wait_for 5 silenced
refute '...' grep -q '02:00:00:00:00:01 >' "$work/sw2.bpdu"

# --- while skepd is away, neighbours are told in their VLAN, by the tag that was asked with ---
tr_forgets() { in_vm tr ip neigh flush dev eth0.10; in_vm tr ip neigh flush dev eth0.20; }
tr_forgets # or it might never ask: who is asked knows who has asked
for v in '20.15 10.0.20.14' '20.15 10.0.20.13' '10.15 10.0.10.11' '10.15 10.0.10.1' '10.15 10.0.5.50'; do
	can "there: 10.0.$v" wait_for 5 in_vm tr ping -q -c 1 -W 1 -I "10.0.${v% *}" "${v#* }"
done
stop_skepd h1; stop_skepd h2
# nobody but the machine at the trunk itself knows its addresses: who answers it has to have them
in_vm vm1 ip neigh replace 10.0.10.15 lladdr "$(mac_of 5)" dev eth0
for v in vm3 vm4; do in_vm $v ip neigh replace 10.0.20.15 lladdr "$(mac_of 5)" dev eth0; done
tr_forgets; in_vm srv ip neigh flush dev eth0
for v in '20.15 10.0.20.14' '20.15 10.0.20.13' '10.15 10.0.10.11' '10.15 10.0.5.50'; do
	check "away: 10.0.$v" in_vm tr ping -q -c 2 -W 2 -i 0.2 -I "10.0.${v% *}" "${v#* }"
done
contains 'the neighbour is known in its VLAN' 'eth0\.20 lladdr 02:00:00:00:00:04' "$(in_vm tr ip neigh show 10.0.20.14)"
