#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# NAT between two hosts and an outside network of real kernels: floating IPs with all ways to turn round, source NAT from both hosts at once,
# port forwarding, exemption, two translations on one path; echo, errors and traceroute through each; IPv4 and IPv6.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

#   vm1 (h1) vm2 (h2) vm5 (h1) vm6 (h2) on 'left' - r - uplink (h1) - out, a Linux router - far
#   vm3 (h1) vm4 (h2) on 'right' - r2 - r.  vm5 and vm6 have floating IPs, the others share addresses.  At the end the uplink is at h3.
document() {
	cat <<-YAML
		tenant: t
		bridges: [{name: left}, {name: right}]
		routers: [{name: r}, {name: r2}]
		ports:
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24, "fd00:1::1/64"], peer: left-r${mtu:+, mtu: $mtu}}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: r2-right, router: r2, mac: "02:00:00:00:01:02", addresses: [10.0.2.1/24, "fd00:2::1/64"], peer: right-r}
		  - {name: right-r, bridge: right, peer: r2-right}
		  - {name: r-r2, router: r, mac: "02:00:00:00:01:03", addresses: [100.64.0.1/24, "fd00:64::1/64"], peer: r2-r}
		  - {name: r2-r, router: r2, mac: "02:00:00:00:01:04", addresses: [100.64.0.2/24, "fd00:64::2/64"], peer: r-r2}
		  - {name: up, router: r, mac: "02:00:00:00:01:05", addresses: [203.0.113.1/24, "2001:db8:1::1/64"]}
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11, "fd00:1::11"]}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12, "fd00:1::12"]}
		  - {name: vm5, bridge: left, mac: "$(mac_of 5)", addresses: [10.0.1.15, "fd00:1::15"]}
		  - {name: vm6, bridge: left, mac: "$(mac_of 6)", addresses: [10.0.1.16, "fd00:1::16"]}
		  - {name: vm3, bridge: right, mac: "$(mac_of 3)", addresses: [10.0.2.13, "fd00:2::13"]}
		  - {name: vm4, bridge: right, mac: "$(mac_of 4)", addresses: [10.0.2.14, "fd00:2::14"]}
		routes:
		  - {name: default, router: r, dst: 0.0.0.0/0, port: up, gateway: 203.0.113.99}
		  - {name: default6, router: r, dst: "::/0", port: up, gateway: "2001:db8:1::99"}
		  - {name: out, router: r2, dst: 0.0.0.0/0, port: r2-r, gateway: 100.64.0.1}
		  - {name: out6, router: r2, dst: "::/0", port: r2-r, gateway: "fd00:64::1"}
		nats:
		  - {name: plain, router: r, type: no_snat, position: 1, dst: 198.51.100.200/32, src: 10.0.1.0/24}
		  - {name: plain6, router: r, type: no_snat, position: 1, dst: "2001:db8:2::200/128", src: "fd00:1::/64"}
		  - {name: shared, router: r, type: snat, port: up, src: 10.0.1.0/24, to: 203.0.113.10-203.0.113.11, to_ports: "20000-24095"}
		  - {name: shared6, router: r, type: snat, port: up, src: "fd00:1::/64", to: "2001:db8:1::10", to_ports: "20000-24095"}
		  - {name: second, router: r, type: snat, port: up, src: 100.64.0.0/24, to: 203.0.113.12, to_ports: "40000-43999"}
		  - {name: second6, router: r, type: snat, port: up, src: "fd00:64::/64", to: "2001:db8:1::12", to_ports: "40000-43999"}
		  - {name: first, router: r2, type: snat, port: r2-r, src: 10.0.2.0/24, to: 100.64.0.2, to_ports: "30000-33999"}
		  - {name: first6, router: r2, type: snat, port: r2-r, src: "fd00:2::/64", to: "fd00:64::2", to_ports: "30000-33999"}
		  - {name: tiny, router: r, type: snat, position: 50, port: up, proto: udp, dst_ports: 5999, src: 10.0.1.0/24, to: 203.0.113.13, to_ports: "5000-5099"}
		  - {name: tiny6, router: r, type: snat, position: 50, port: up, proto: udp, dst_ports: 5999, src: "fd00:1::/64", to: "2001:db8:1::13", to_ports: "5000-5099"}
		  - {name: fwd, router: r, type: dnat, proto: tcp, dst: 203.0.113.20/32, dst_ports: 2000-2009, to: 10.0.1.11, to_ports: "80-89"}
		  - {name: fwdu, router: r, type: dnat, proto: udp, dst: 203.0.113.20/32, dst_ports: 2000-2009, to: 10.0.1.12, to_ports: "50-59"}
		  - {name: fwd6, router: r, type: dnat, proto: tcp, dst: "2001:db8:1::20/128", dst_ports: 2000-2009, to: "fd00:1::11", to_ports: "80-89"}
		  - {name: fwdu6, router: r, type: dnat, proto: udp, dst: "2001:db8:1::20/128", dst_ports: 2000-2009, to: "fd00:1::12", to_ports: "50-59"}
		  - {name: deep, router: r, type: dnat, proto: tcp, dst: 203.0.113.21/32, to: 100.64.0.9}
		  - {name: deepu, router: r, type: dnat, proto: udp, dst: 203.0.113.21/32, to: 100.64.0.9}
		  - {name: deep6, router: r, type: dnat, dst: "2001:db8:1::21/128", to: "fd00:64::9"}
		  - {name: deeper, router: r2, type: dnat, dst: 100.64.0.9/32, to: 10.0.2.14}
		  - {name: deeper6, router: r2, type: dnat, dst: "fd00:64::9/128", to: "fd00:2::14"}
		floating_ips:
		  - {name: f5, router: r, address: 203.0.113.35, fixed: 10.0.1.15}
		  - {name: f6, router: r, address: 203.0.113.36, fixed: 10.0.1.${moved:-16}}
		  - {name: f56, router: r, address: "2001:db8:1::35", fixed: "fd00:1::15"}
		  - {name: f66, router: r, address: "2001:db8:1::36", fixed: "fd00:1::${moved:-16}"}
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm5, host: h1, interface: vm5}
		  - {port: vm3, host: h1, interface: vm3}
		  - {port: up, host: h1, interface: out}
		  - {port: vm2, host: h2, interface: vm2}
		  - {port: vm6, host: h2, interface: vm6}
		  - {port: vm4, host: h2, interface: vm4}
	YAML
}

host h1; host h2; host h3
for v in 1:h1 2:h2 5:h1 6:h2; do
	vm vm${v%:*} ${v#*:} "$(mac_of ${v%:*})" 10.0.1.1${v%:*}/24 10.0.1.1 fd00:1::1${v%:*}/64 fd00:1::1
done
for v in 3:h1 4:h2; do
	vm vm${v%:*} ${v#*:} "$(mac_of ${v%:*})" 10.0.2.1${v%:*}/24 10.0.2.1 fd00:2::1${v%:*}/64 fd00:2::1
done
outside() { # HOST: where the link to 'out' is
	vm_link out "$1"
	vm_config out "$(mac_of 8)" 203.0.113.99/24 '' 2001:db8:1::99/64 2001:db8:1::1
	ip -n "$id-out" route add 10.0.1.0/24 via 203.0.113.1
	ip -n "$id-out" -6 route replace fd00:1::/64 via 2001:db8:1::1
}
new_ns out
outside h1
new_ns far
ip link add eth1 mtu 1500 netns "$id-out" type veth peer eth0 mtu 1500 netns "$id-far"
in_ns out sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
ip -n "$id-out" link set eth1 up
ip -n "$id-out" addr add 198.51.100.1/24 dev eth1
ip -n "$id-out" addr add 2001:db8:2::1/64 dev eth1 nodad
vm_config far "$(mac_of 9)" 198.51.100.7/24 198.51.100.1 2001:db8:2::7/64 2001:db8:2::1
ip -n "$id-far" addr add 198.51.100.200/24 dev eth0
ip -n "$id-far" addr add 2001:db8:2::200/64 dev eth0 nodad preferred_lft 0 # none to ask from
for v in vm1 vm2 vm3 vm4 vm5 vm6 far; do in_ns $v sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0; done

start_skepd h1 && start_skepd h2 && start_skepd h3 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
for p in 'h1 vm1' 'h1 vm3' 'h1 vm5' 'h1 up' 'h2 vm2' 'h2 vm4' 'h2 vm6'; do wait_for 20 port_up $p || bail "port does not come up: $p"; done
for v in vm1 vm2 vm4 vm5 vm6 far; do
	tcp_echo $v 80; udp_echo $v 53
	spawn nsenter --net="/run/netns/$id-$v" "$python" "$probe_py" names 54 $v
	wait_for 5 udp_listening $v 54 || bail "no server in $v"
done
tcp_echo vm1 85
for v in vm1 vm2 vm3 vm4 vm5 vm6; do
	ping4_soon $v 198.51.100.7 || bail "$v does not reach the outside"
	wait_for 10 in_vm $v ping -q -c 1 -W 1 2001:db8:2::7 || bail "$v does not reach the outside, IPv6"
done

for v in far vm6; do # 253: for experiments, without ports
	for f in 4 6; do
		: > "$work/serve"
		spawn nsenter --net="/run/netns/$id-$v" "$python" "$probe_py" serve_ip $f 253 > "$work/serve"
		wait_for 5 grep -q ready "$work/serve" || bail "no raw server in $v"
	done
done
hops() { probe "$@" | tr '\n' ' ' | sed 's/ $//'; } # VM hops ADDRESS PORT
# The same for both families: addresses by family, type and code of "time exceeded" and "port unreachable".
for six in '' 6; do
	if [ -z "$six" ]; then
		far=198.51.100.7 plain=198.51.100.200 shared='203\.0\.113\.1[01]' second=203.0.113.12 fwd=203.0.113.20 deep=203.0.113.21
		fip5=203.0.113.35 fip6=203.0.113.36 left=10.0.1.1 right=10.0.2.1 link=100.64.0.1 up=203.0.113.1 up_out=203.0.113.99 far_gw=198.51.100.1
		ttl=11/0 port=3/3 family=IPv4
	else
		far=2001:db8:2::7 plain=2001:db8:2::200 shared='2001:db8:1::10' second=2001:db8:1::12 fwd=2001:db8:1::20 deep=2001:db8:1::21
		fip5=2001:db8:1::35 fip6=2001:db8:1::36 left=fd00:1::1 right=fd00:2::1 link=fd00:64::1 up=2001:db8:1::1 up_out=2001:db8:1::99 far_gw=2001:db8:2::1
		ttl=3/0 port=1/4 family=IPv6
	fi
	fixed() { echo "${left}$1"; } # VM's number: 10.0.1.1 and 1, fd00:1::1 and 1

	# --- floating IPs ---
	equal "$family: floating IP, out: TCP" "$fip5 far" "$(tcp_ask vm5 $far 80)"
	equal '... from the other host' "$fip6 far" "$(tcp_ask vm6 $far 80)"
	equal '... UDP' "$fip6 x" "$(udp_ask vm6 $far 53)"
	equal '... in: TCP' "$far vm5" "$(tcp_ask far $fip5 80)"
	equal '... to the other host' "$far vm6" "$(tcp_ask far $fip6 80)"
	equal '... UDP' "$far x" "$(udp_ask far $fip6 53)"
	check '... ping out' ping_ok vm6 $far 3
	check '... ping in' ping_ok far $fip6 3
	equal '... a closed port, out' 'refused soon' "$(probe vm6 fate udp $far 9)"
	equal '... in' 'refused soon' "$(probe far fate udp $fip6 9)"
	equal '... in, TCP' 'refused soon' "$(probe far fate tcp $fip6 9)"
	equal '... traceroute out' "$left $ttl $up_out $ttl $far $port" "$(hops vm6 hops $far 33434)"
	equal '... traceroute in' "$far_gw $ttl $up $ttl $fip6 $port" "$(hops far hops $fip6 33434)"

	# --- turning round ---
	equal "$family: hairpin: a machine's floating IP is its own, for its neighbour too" "$fip5 vm6" "$(tcp_ask vm5 $fip6 80)"
	equal '... UDP' "$fip6 x" "$(udp_ask vm6 $fip5 53)"
	check '... ping' ping_ok vm5 $fip6 3
	equal '... one that has none: the router speaks for it' "$left vm6" "$(tcp_ask vm1 $fip6 80)"
	equal '... from the other host' "$left vm5" "$(tcp_ask vm2 $fip5 80)"
	check '... ping' ping_ok vm2 $fip5 3
	equal '... a closed port' 'refused soon' "$(probe vm2 fate udp $fip5 9)"
	equal '... traceroute' "$left $ttl $fip5 $port" "$(hops vm2 hops $fip5 33434)"
	spawn nsenter --net="/run/netns/$id-vm5" "$raw" count eth0 "to-myself$six" 0 5000 > "$work/own"
	own=$!
	wait_for 5 grep -q ready "$work/own"
	in_vm vm5 "$stream" datagram $fip5 53 "$(printf 'to-myself%s' "$six" | od -An -tx1 -v | tr -d ' \n')"
	wait $own
	equal '... a machine to its own: it comes back' 1 "$(tail -n 1 "$work/own")" # no kernel takes what has its own source
	equal '... port forwarding, from inside' "$left vm1" "$(tcp_ask vm2 $fwd 2000)"
	equal '... to itself' "$left vm1" "$(tcp_ask vm1 $fwd 2000)"
	equal '... floating IP to port forwarding' "$fip5 vm1" "$(tcp_ask vm5 $fwd 2000)"

	# --- many behind one address, from both hosts at once ---
	: > "$work/sources"
	spawn nsenter --net="/run/netns/$id-far" "$python" "$probe_py" sources 5001 1000 6 > "$work/sources"
	sources=$!
	wait_for 5 grep -q ready "$work/sources"
	probe vm1 flows $far 5001 500 vm1 > "$work/flows1" & flows1=$!
	probe vm2 flows $far 5001 500 vm2 > "$work/flows2" & flows2=$!
	wait $flows1 $flows2 $sources
	equal "$family: 500 UDP flows from each host are answered, each its own" "$(printf 'answered 500 wrong 0%.0s\n' 1 2)" \
		"$(cat "$work/flows1" "$work/flows2")"
	contains '... no two have one source' "^texts 1000 shared 0 moved 0 ports 2[0-4][0-9]{3}-2[0-4][0-9]{3} addresses $shared" "$(tail -n 1 "$work/sources")"
	contains '... TCP' "^$shared far" "$(tcp_ask vm2 $far 80)"
	check '... ping' ping_ok vm2 $far 3
	equal '... a closed port' 'refused soon' "$(probe vm2 fate udp $far 9)"
	equal '... TCP' 'refused soon' "$(probe vm2 fate tcp $far 9)"
	equal '... traceroute' "$left $ttl $up_out $ttl $far $port" "$(hops vm2 hops $far 33434)"
	contains '... echo with a short TTL' 'ime to live exceeded|Hop limit' "$(in_vm vm2 ping -c 1 -W 2 -t 2 $far 2>&1)"
	equal '... what is exempt leaves as it is' "$(fixed 2) far" "$(tcp_ask vm2 $plain 80)"

	# --- port forwarding ---
	equal "$family: port forwarding: TCP, first of the range" "$far vm1" "$(tcp_ask far $fwd 2000)"
	equal '... in the middle' "$far vm1" "$(tcp_ask far $fwd 2005)"
	equal '... UDP, to another machine, on the other host' "$far x" "$(udp_ask far $fwd 2003)"
	equal '... a closed port' 'refused soon' "$(probe far fate tcp $fwd 2001)"
	equal '... UDP' 'refused soon' "$(probe far fate udp $fwd 2001)"
	equal '... outside of the range' 'silent' "$(probe far fate udp $fwd 2010 1)"
	equal '... traceroute' "$far_gw $ttl $up $ttl $fwd $port" "$(hops far hops $fwd 2001)"

	# --- two on one path ---
	equal "$family: twice source: TCP" "$second far" "$(tcp_ask vm3 $far 80)"
	equal '... from the other host' "$second far" "$(tcp_ask vm4 $far 80)"
	equal '... UDP' "$second x" "$(udp_ask vm4 $far 53)"
	check '... ping' ping_ok vm4 $far 3
	equal '... a closed port' 'refused soon' "$(probe vm4 fate udp $far 9)"
	equal '... traceroute' "$right $ttl $link $ttl $up_out $ttl $far $port" "$(hops vm4 hops $far 33434)"
	equal '... twice destination: TCP' "$far vm4" "$(tcp_ask far $deep 80)"
	equal '... UDP' "$far x" "$(udp_ask far $deep 53)"
	equal '... a closed port' 'refused soon' "$(probe far fate udp $deep 9)"
	contains '... traceroute' "^$far_gw $ttl $up $ttl [^ ]+ $ttl $deep $port$" "$(hops far hops $deep 33434)"
	# --- protocols without ports ---
	equal "$family: another protocol: floating IP, out" "$fip6 x by $far" "$(probe vm6 ask_ip $far 253)"
	equal '... in' "$far x by $fip6" "$(probe far ask_ip $fip6 253)"
	equal '... hairpin' "$left x by $fip6" "$(probe vm1 ask_ip $fip6 253)"
	contains '... source' "^$shared x by $far" "$(probe vm1 ask_ip $far 253)"
	if [ -z "$six" ]; then
		contains '... another host: the other address' "^$shared x by $far" "$(probe vm2 ask_ip $far 253)"
	else
		equal '... another host, and no address left' silent "$(probe vm2 ask_ip $far 253)"
		contains '... which it says' '^[1-9]' "$(drops h2 nat_full)"
	fi
	equal '... twice' "$second x by $far" "$(probe vm4 ask_ip $far 253)"

	# --- fragments: only the first one has ports ---
	equal "$family: fragments: floating IP, out" "$fip6 far 4000" "$(probe vm6 big $far 54 4000)"
	equal '... in' "$far vm6 4000" "$(probe far big $fip6 54 4000)"
	equal '... hairpin' "$left vm6 4000" "$(probe vm1 big $fip6 54 4000)"
	contains '... source' "^$shared far 4000" "$(probe vm2 big $far 54 4000)"
	equal '... port forwarding' "$far vm2 4000" "$(probe far big $fwd 2004 4000)"
	equal '... twice source' "$second far 4000" "$(probe vm4 big $far 54 4000)"
	equal '... twice destination' "$far vm4 4000" "$(probe far big $deep 54 4000)"
	check '... echo' in_vm vm4 ping -q -c 3 -i 0.05 -W 2 -s 4000 $far
	equal "$family: source and destination" "${link%1}2 vm1" "$(tcp_ask vm4 $fwd 2000)"
done

# --- more than there are ports: 100 for two hosts ---
for far in 198.51.100.7 2001:db8:2::7; do
	: > "$work/sources"
	spawn nsenter --net="/run/netns/$id-far" "$python" "$probe_py" sources 5999 150 5 > "$work/sources"
	sources=$!
	wait_for 5 grep -q ready "$work/sources"
	equal "150 flows, 100 ports: 100 flows ($far)" 'answered 100 wrong 0' "$(probe vm1 flows $far 5999 150 vm1 4)"
	equal '... and none of another host' 'answered 0 wrong 0' "$(probe vm2 flows $far 5999 3 vm2 2)"
	wait $sources
	contains '... with their own ports, and none untranslated' '^texts 100 shared 0 moved 0 ports 5000-5099 addresses [^,]*13$' "$(tail -n 1 "$work/sources")"
	contains '... the rest is dropped, and says why' '^[1-9]' "$(drops h1 nat_full)"
	contains '... there too' '^[1-9]' "$(drops h2 nat_full)"
done

# --- agents are killed while ports are in use: nobody gets them a second time ---
: > "$work/sources"
spawn nsenter --net="/run/netns/$id-far" "$python" "$probe_py" sources 5002 400 90 > "$work/sources"
sources=$!
wait_for 5 grep -q ready "$work/sources"
for v in vm1 vm2; do equal "100 flows of $v" 'answered 100 wrong 0' "$(probe $v flows 198.51.100.7 5002 100 a-$v 6 10000)"; done
for h in h1 h2; do stop_skepd $h KILL; done
for h in h1 h2; do start_skepd $h || bail "skepd of $h does not come back"; done
for p in 'h1 vm1' 'h1 up' 'h2 vm2'; do wait_for 20 port_up $p || not_ok "port comes up: $p"; done
for v in vm2 vm1; do equal "both agents were killed: 100 more of $v" 'answered 100 wrong 0' "$(probe $v flows 198.51.100.7 5002 100 b-$v 6 20000)"; done
wait $sources
contains '... no two have one source' '^texts 400 shared 0 moved 0 ' "$(tail -n 1 "$work/sources")"

# --- another range: what leaves with an address that is gone ends, the rest goes on ---
can 'a connection through source NAT' talk range vm1 198.51.100.7 80
recorded() { skep h1 conn list --port vm1 | grep -qE 'established.* > 203\.0\.113\.1[01]:'; }
check '... is recorded' recorded
can '... and one through another rule' talk other vm4 198.51.100.7 80
document | sed 's/203.0.113.10-203.0.113.11/203.0.113.14-203.0.113.15/' | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
ranged() { tcp_ask vm1 198.51.100.7 80 | grep -qE '^203\.0\.113\.1[45] far'; }
if wait_for 10 ranged; then ok 'another range: new connections use it'; else not_ok 'another range: new connections use it'; fi
cannot '... those with an address that is gone end' say range 2
refute '... so do their records' recorded
can '... others go on' say other
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
ranged() { tcp_ask vm1 198.51.100.7 80 | grep -qE '^203\.0\.113\.1[01] far'; }
if wait_for 10 ranged; then ok 'the old range again'; else not_ok 'the old range again'; fi

# --- a floating IP that goes to another machine ---
moved=12
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
for fip in 203.0.113.36 2001:db8:1::36; do
	arrives() { tcp_ask far $fip 80 | grep -q ' vm2$'; }
	if wait_for 10 arrives; then ok "$fip leads to another machine"; else not_ok "$fip leads to another machine"; fi
	far=198.51.100.7
	[ $fip = 203.0.113.36 ] || far=2001:db8:2::7
	equal '... which leaves by it' "$fip far" "$(tcp_ask vm2 $far 80)"
	contains '... the other one does not' '^(203\.0\.113\.1[01]|2001:db8:1::10) far$' "$(tcp_ask vm6 $far 80)"
done
moved=
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
for fip in 203.0.113.36 2001:db8:1::36; do
	arrives() { tcp_ask far $fip 80 | grep -q ' vm6$'; }
	if wait_for 10 arrives; then ok "$fip leads back"; else not_ok "$fip leads back"; fi
done

# --- a megabyte through each ---
mkdir -p "$work/www" && head -c 1048576 /dev/urandom > "$work/www/big"
sum=$(sha256sum < "$work/www/big")
fetch() { in_vm "$1" curl -sS --max-time 30 "http://$2/big" | sha256sum; }
for v in far vm1 vm4 vm6; do http_server $v "$work/www" 88 '[::]'; done
equal 'a megabyte through a floating IP' "$sum" "$(fetch vm5 198.51.100.7:88)"
equal '... IPv6, inwards' "$sum" "$(fetch far '[2001:db8:1::36]:88')"
equal '... source NAT' "$sum" "$(fetch vm2 198.51.100.7:88)"
equal '... IPv6' "$sum" "$(fetch vm2 '[2001:db8:2::7]:88')"
equal '... port forwarding' "$sum" "$(fetch far 203.0.113.20:2008)"
equal '... two translations' "$sum" "$(fetch vm4 198.51.100.7:88)"
equal '... IPv6, inwards' "$sum" "$(fetch far '[2001:db8:1::21]:88')"
# --- narrow links: outside's, then the inner router's port ---
too_big() { in_vm "$1" ping -c 2 -i 0.2 -W 1 -M "do" -s 1400 "$2" 2>&1; } # VM ADDRESS
learnt() { in_vm "$1" ip route get "$2" | grep -q "mtu $3"; }
ip -n "$id-out" link set eth1 mtu 1400
for far in 198.51.100.7 2001:db8:2::7; do
	for v in vm6 vm2 vm4; do
		contains "$v is told that $far is behind a narrow link" 'mtu ?= ?1400' "$(too_big $v $far)"
		check '... by a packet that it believes' learnt $v $far 1400
	done
done
ip -n "$id-out" link set eth1 mtu 1500
mtu=1350
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
for to in 203.0.113.36 2001:db8:1::36; do
	told() { too_big far $to | grep -qE 'mtu ?= ?1350'; }
	if wait_for 10 told; then ok "$to tells that there is a narrow port"; else not_ok "$to tells that there is a narrow port"; fi
	check '... by a packet that is believed' learnt far $to 1350
done
equal '... TCP comes through' "$sum" "$(fetch vm6 198.51.100.7:88)"
equal '... behind source NAT' "$sum" "$(fetch vm1 '[2001:db8:2::7]:88')"

equal 'no message between the hosts was lost' '0 0' "$(stat_of h1 state_lost) $(stat_of h2 state_lost)"

# --- the uplink moves to a third host ---
names='snat1 snat2 twice fip fwd deep snat6 fip6 fwd6'
can 'connections, from the uplink'\''s host' talk snat1 vm1 198.51.100.7 80
can '... from another' talk snat2 vm2 198.51.100.7 80
can '... twice' talk twice vm4 198.51.100.7 80
can '... by a floating IP' talk fip vm6 198.51.100.7 80
can '... inwards' talk fwd far 203.0.113.20 2000
can '... twice' talk deep far 203.0.113.21 80
can '... IPv6' talk snat6 vm2 2001:db8:2::7 80
can '... by a floating IP' talk fip6 far 2001:db8:1::36 80
can '... inwards' talk fwd6 far 2001:db8:1::20 2000
for n in $names; do say $n || not_ok "'$n' runs"; done
ip -n "$id-h1" link del out
outside h3
skep - port unbind up --tenant t >/dev/null 2>&1
skep - port bind up --host h3 --interface out --tenant t > "$work/out" 2>&1 || not_ok "bind: $(cat "$work/out")"
wait_for 20 port_up h3 up || not_ok 'the uplink comes up on another host'
for n in $names; do can "the uplink moved: '$n' goes on" say $n 15; done
contains 'new connections: source NAT' '^203\.0\.113\.1[01] far' "$(tcp_ask vm1 198.51.100.7 80)"
equal '... inwards' '2001:db8:2::7 vm1' "$(tcp_ask far 2001:db8:1::20 2000)"
equal '... a floating IP' '198.51.100.7 vm6' "$(tcp_ask far 203.0.113.36 80)"
equal '... traceroute' '10.0.2.1 11/0 100.64.0.1 11/0 203.0.113.99 11/0 198.51.100.7 3/3' "$(hops vm4 hops 198.51.100.7 33434)"
