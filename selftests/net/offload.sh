#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Machines as QEMU with several queues has them: super-packets whose checksum is left to others go from tap to tap, over another host or not, and every
# byte and checksum is right; then jumbo frames, over an underlay that takes them and over one that does not.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
super=$O/selftests/net/super

host h1; host h2
for n in "wire wire" "wire h1" "wire h2" "h1 u0" "h2 u0"; do ip -n "$id-${n% *}" link set "${n#* }" mtu 9100; done
for v in 3:h1 4:h2; do
	vm vm${v%:*} ${v#*:} "$(mac_of ${v%:*})" 10.0.2.1${v%:*}/24 10.0.2.1 fd00:2::1${v%:*}/64 fd00:2::1
	ip -n "$id-vm${v%:*}" link set eth0 mtu 9000
	ip -n "$id-${v#*:}" link set vm${v%:*} mtu 9000
done
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{ standard_doc; standard_bindings; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
wait_for 20 port_up h1 vm3 && wait_for 20 port_up h2 vm4 && ping4_soon vm3 10.0.2.14 || bail 'no traffic'

# --- super-packets, several queues ---

down() { ! port_up "$1" "$2"; }
offload() { # KIND QUEUES SIZE: prints what arrived
	local rc pid
	mkfifo "$work/go"
	"$super" "$1" "/run/netns/$id-h1" vm1 "/run/netns/$id-h2" vm2 "$2" "$3" < "$work/go" > "$work/super" 2>&1 &
	pid=$! # pause() has others
	background+=($pid)
	exec 9> "$work/go"
	wait_for 10 port_up h1 vm1 && wait_for 10 port_up h2 vm2 && echo >&9
	wait $pid
	rc=$?
	exec 9>&-
	rm "$work/go"
	cat "$work/super"
	wait_for 5 down h1 vm1; wait_for 5 down h2 vm2
	return $rc
}
for kind in tcp4 tcp6 udp4 udp6; do
	out=$(offload $kind 1 42000); rc=$?
	[ $rc -eq 77 ] && ok "$kind # SKIP a tap of this kernel takes no such super-packets" && continue
	if [ $rc -eq 0 ]; then ok "$kind: a super-packet with its checksum left to others"; else not_ok "$kind: a super-packet with its checksum left to others"; note <<<"$out"; fi
	note <<<"$out"
	out=$(offload $kind 4 42000); rc=$?
	if [ $rc -eq 0 ]; then ok "$kind: four of them, by four queues"; else not_ok "$kind: four of them, by four queues"; fi
	note <<<"$out"
	case $kind in tcp*) contains "$kind: they arrive whole" 'in 4 frames, largest 42000' "$out" ;; esac
done

# --- jumbo frames ---

ping_df() { in_vm vm3 ping -q -c 3 -i 0.1 -W 2 -M do -s "$1" 10.0.2.14; }
check 'a frame of 9000 bytes' ping_df 8972
check '... of IPv6' in_vm vm3 ping -q -c 3 -i 0.1 -W 2 -M do -s 8952 fd00:2::14
mkdir -p "$work/www" && head -c 33554432 /dev/urandom > "$work/www/big"
sum=$(sha256sum < "$work/www/big")
http_server vm4 "$work/www" 8080
fetch() { [ "$(in_vm vm3 curl -sS --max-time 60 "http://$1:8080/big" | sha256sum)" = "$sum" ]; }
check '32 MiB over TCP in jumbo frames' fetch 10.0.2.14
for n in "h1 u0" "h2 u0" "wire h1" "wire h2" "wire wire"; do ip -n "$id-${n% *}" link set "${n#* }" mtu 1500; done
small() { [ "$(status h1 | sed -n 's/.*"underlay_mtu": *\([0-9]*\).*/\1/p')" = 1500 ]; }
wait_for 10 small || not_ok 'the smaller underlay is noticed'
refute 'too big for an underlay of 1500' ping_df 8972
contains '... and told, with the size that fits' 'mtu ?= ?1450|Frag needed' "$(in_vm vm3 ping -c 3 -i 0.2 -W 2 -M do -s 8972 10.0.2.14 2>&1)"
check 'what fits goes on' ping_df 1400
check '32 MiB over TCP all the same' fetch 10.0.2.14
check '... over IPv6' fetch '[fd00:2::14]'
