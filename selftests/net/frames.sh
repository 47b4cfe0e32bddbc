#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Frames that the kernel treats specially on their way: VLAN tags (beside the frame, not in it), payloads shorter than an IP header, and
# packets that are in a tunnel of the machine's own already.  The first of each goes by skepd, the later ones by the flow.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

standard
ping4_soon vm1 10.0.1.12 || bail 'no traffic'

capture() { # NAMESPACE INTERFACE FILE FILTER...
	local ns=$1 dev=$2 file=$work/$3
	shift 3
	spawn nsenter --net="/run/netns/$id-$ns" tcpdump -l -n -e -i "$dev" "$@" > "$file" 2> "$file.err"
	wait_for 5 grep -q 'listening on' "$file.err" || bail "no capture: $(cat "$file.err")"
}
seen() { grep -c '^[0-9:.]* ' "$work/$1"; }
got() { [ "$(seen "$1")" -ge "$2" ]; }
frames() { # MACHINE HEX: four times, the first alone
	local n
	for n in 1 2 3 4; do
		echo "$2" | in_vm "$1" "$raw" send eth0
		[ $n = 1 ] && pause && pause
	done
}

a=020000000001 b=020000000002 all=ffffffffffff
udp='4500 0020 0001 0000 4011 64ab 0a00010b 0a00010c 0001 0002 000c 0000 deadbeef'

capture vm2 eth0 tagged vlan 7 and udp
capture h1 u0 outer vlan
capture h1 u0 tunnel udp port 4789 and 'ether[62:4] = 0x81000007'
frames vm1 "$b $a 8100 0007 0800 $udp"
check 'tagged frames keep their tag' wait_for 5 got tagged 4
check '... inside the tunnel' wait_for 5 got tunnel 4
equal '... and the underlay sees none' 0 "$(seen outer)"

capture vm2 eth0 double vlan 7 and vlan 8
capture vm3 eth0 double3 vlan 7 # another bridge
frames vm1 "$all $a 8100 0007 8100 0008 88b5 0102 0304"
check 'doubly tagged broadcasts' wait_for 5 got double 4
equal '... stay on their bridge' 0 "$(seen double3)"
equal '... and the underlay sees no tag' 0 "$(seen outer)"

capture vm2 eth0 short ether proto 0x88b5 and 'ether[14:4] = 0x0a0b0c0d'
frames vm1 "$b $a 88b5 0a0b 0c0d"
check 'frames with four bytes of payload' wait_for 5 got short 4
equal 'none of them lost' 0 "$(drops h1 rewrite)"

for n in 1 2; do
	ip -n "$id-vm$n" link add own mtu 1400 type vxlan id 5 dev eth0 remote 10.0.1.1$((3 - n)) dstport 8472
	ip -n "$id-vm$n" addr add 192.168.77.$n/24 dev own
	ip -n "$id-vm$n" link set own up
done
check "ping in the machines' own tunnel" ping_ok vm1 192.168.77.2 5
mkdir -p "$work/www" && head -c 4194304 /dev/urandom > "$work/www/big"
http_server vm2 "$work/www" 8080
equal '4 MiB over TCP in it' "$(sha256sum < "$work/www/big")" \
	"$(in_vm vm1 curl -sS --max-time 30 http://192.168.77.2:8080/big | sha256sum)"
equal 'none of it refused' '0 0' "$(drops h1 rewrite) $(drops h2 rewrite)"
