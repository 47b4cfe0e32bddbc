#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Machines behind taps, as QEMU has them: super-packets with virtio headers go in and out whole.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

host h1; host h2
tap_vm() { # VM HOST MAC ADDRESS GATEWAY ADDRESS6 GATEWAY6
	local v=$1 h=$2
	new_ns "$v"
	: > "$work/$v.ready"
	spawn "$shuttle" "/run/netns/$id-$h" "$v" "/run/netns/$id-$v" eth0 1500 > "$work/$v.ready"
	wait_for 5 grep -q ready "$work/$v.ready" || bail "no tap for $v"
	vm_config "$v" "$3" "$4" "$5" "$6" "$7"
}
tap_vm vm1 h1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1 fd00:1::11/64 fd00:1::1
tap_vm vm2 h2 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1 fd00:1::12/64 fd00:1::1
vm vm3 h1 "$(mac_of 3)" 10.0.2.13/24 10.0.2.1 fd00:2::13/64 fd00:2::1
tap_vm vm4 h2 "$(mac_of 4)" 10.0.2.14/24 10.0.2.1 fd00:2::14/64 fd00:2::1
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{ standard_doc; standard_bindings; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
standard_up || bail 'ports do not come up'
ping4_soon vm1 10.0.2.14 || bail 'no traffic'
check 'tap to tap, bridged' ping_ok vm1 10.0.1.12 10
check 'tap to tap, routed' ping_ok vm1 10.0.2.14 10
check 'tap to veth on one host' ping_ok vm1 10.0.2.13 10
check 'veth to tap across hosts' ping_ok vm3 10.0.1.12 10
check 'IPv6' ping_ok vm1 fd00:2::14 10
mkdir -p "$work/www" && head -c 16777216 /dev/urandom > "$work/www/big"
sum=$(sha256sum < "$work/www/big")
for v in vm2 vm3 vm4; do http_server $v "$work/www" 8080; done
fetch() { in_vm vm1 curl -sS --max-time 60 "http://$1:8080/big" | sha256sum; }
equal '16 MiB over TCP, tap to tap, bridged' "$sum" "$(fetch 10.0.1.12)"
equal '... routed' "$sum" "$(fetch 10.0.2.14)"
equal '... from a veth on the same host' "$sum" "$(fetch 10.0.2.13)"
# the bytes per packet tell whether super-packets stayed whole on the way into the machine
average=$(in_vm vm1 cat /sys/class/net/eth0/statistics/rx_bytes /sys/class/net/eth0/statistics/rx_packets | tr '\n' ' ' | awk '{ print int($1 / $2) }')
[ "$average" -gt 3000 ] && ok "super-packets stay whole ($average bytes a packet)" || not_ok "super-packets stay whole ($average bytes a packet)"
