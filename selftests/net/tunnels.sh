#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Geneve and NVGRE: each host is sent to by the kind it asked for, over IPv4 and IPv6, by TC and by XDP; the same traffic goes through as by
# VXLAN.  A host changes its mind, and its flows at others follow.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

kinds=(vxlan geneve nvgre)
filter=([0]='udp port 4789' [1]='udp port 6081' [2]='ip proto 47 or ip6 proto 47')

capture() { # HOST FILE FILTER...: ends with the first packet
	local h=$1 file=$work/$2
	shift 2
	spawn nsenter --net="/run/netns/$id-$h" tcpdump -c 1 -l -nn -v -i u0 "$@" > "$file" 2> "$file.err"
	wait_for 5 grep -q 'listening on' "$file.err" || bail "no capture: $(cat "$file.err")"
}
came_by() { # TEXT HOST KIND: what the host receives now
	rm -f "$work/seen"
	capture "$2" seen "dst host $(tunnel_of "$2") and (${filter[$3]})"
	ping_ok vm1 10.0.2.14 > /dev/null && ping_ok vm4 10.0.2.13 > /dev/null && wait_for 5 grep -q . "$work/seen"
	contains "$1" '.' "$(cat "$work/seen")"
}
tunnel_of() { [ -n "${under6:-}" ] && echo "fd00:250::${1#h}" || echo "10.250.0.${1#h}"; }
knows() { status "$1" | grep -qE "\"host\": *\"$2\"[^}]*\"encap\": *\"$3\""; }
traffic() { # TEXT
	check "$1: bridged" ping_ok vm1 10.0.1.12 5
	check "$1: routed" ping_ok vm1 10.0.2.14 5
	check "$1: IPv6" ping_ok vm1 fd00:2::14 5
	check "$1: as large as fits" in_vm vm1 ping -q -c 2 -W 2 -M do -s 1472 10.0.2.14
	in_vm vm1 ip neigh flush dev eth0
	in_vm vm1 ping -q -c 1 -W 2 10.0.1.77 > /dev/null
	contains "$1: ARP that must be flooded is answered" "$(mac_of 2)" "$(in_vm vm1 ip neigh show 10.0.1.77)"
	: > "$work/received"
	spawn nsenter --net="/run/netns/$id-vm4" "$stream" recv 5001 500 2000 > "$work/received"
	receiver=$!
	wait_for 5 grep -q ready "$work/received"
	in_vm vm1 "$stream" flows 10.0.2.14 5001 500 1000
	wait $receiver
	contains "$1: 500 new flows" '^received 500 lost 0 duplicated 0' "$(tail -n 1 "$work/received")"
	for a in 10.0.2.14 '[fd00:2::14]'; do
		equal "$1: 8 MiB over TCP, $a" "$(sha256sum < "$work/www/big")" \
			"$(in_vm vm1 curl -gsS --max-time 60 "http://$a:8080/big" | sha256sum)"
	done
}
restart() { # HOST KIND
	stop_skepd "$1"
	encap=${kinds[$2]} config "$1"
	start_skepd "$1" || bail 'skepd does not start'
	[ "$1" = h1 ] && other=h2 || other=h1
	check "$other knows that $1 asks for ${kinds[$2]}" wait_for 20 knows $other "$1" "${kinds[$2]}"
	standard_up || bail 'ports do not come up'
	wait_for 10 ping_ok vm1 10.0.2.14 || bail 'no traffic'
}

host h1; host h2
for n in h1 h2; do ip -n "$id-$n" link set u0 mtu 1700; ip -n "$id-wire" link set $n mtu 1700; done
standard_machines
in_vm vm2 ip addr add 10.0.1.77/24 dev eth0 # an address that no port has
mkdir -p "$work/www" && head -c 8388608 /dev/urandom > "$work/www/big"
http_server vm4 "$work/www" 8080
for under6 in '' yes; do
	family=${under6:+6}; family=${family:-4}
	encap=geneve config h1; encap=nvgre config h2
	start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
	if [ $family = 4 ]; then
		{ standard_doc 'port_security: false'; standard_bindings; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
	fi
	standard_up || bail 'ports do not come up'
	wait_for 10 ping_ok vm1 10.0.2.14 || bail 'no traffic'
	came_by "IPv$family: h1 is sent Geneve" h1 1
	came_by "IPv$family: h2 is sent NVGRE" h2 2
	traffic "to h1 Geneve, to h2 NVGRE, IPv$family"
	if [ $family = 4 ]; then # what adjust_room refuses: VXLAN by the kernel's device, which every host takes
		for n in 1 2; do
			ip -n "$id-vm$n" link add own mtu 1400 type vxlan id 5 dev eth0 remote 10.0.1.1$((3 - n)) dstport 8472
			ip -n "$id-vm$n" addr add 192.168.77.$n/24 dev own
			ip -n "$id-vm$n" link set own up
		done
		http_server vm2 "$work/www" 8081
		equal "8 MiB over TCP in the machines' own tunnel" "$(sha256sum < "$work/www/big")" \
			"$(in_vm vm1 curl -sS --max-time 60 http://192.168.77.2:8081/big | sha256sum)"
	fi
	restart h1 2; restart h2 1
	came_by "IPv$family: h1 is sent NVGRE now" h1 2
	came_by "IPv$family: h2 is sent Geneve now" h2 1
	traffic "to h1 NVGRE, to h2 Geneve, IPv$family"
	equal 'nothing was refused' '0 0 0 0' "$(drops h1 rewrite) $(drops h2 rewrite) $(drops h1 bad_tunnel) $(drops h2 bad_tunnel)"
	if [ $family = 4 ]; then
		restart h1 0
		traffic 'to h1 VXLAN, to h2 Geneve'
	fi
	stop_skepd h1; stop_skepd h2
	for h in h1 h2; do in_host $h "$SKEPD" --config "$work/$h/skepd.yaml" --detach > "$work/out" 2>&1 || bail "detach: $(cat "$work/out")"; done
done
