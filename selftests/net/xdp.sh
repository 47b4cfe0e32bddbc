#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The underlay's XDP program, asked for explicitly: the same traffic goes through.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

xdp=xdp
host h1; host h2
# a veth hands XDP frames with partial checksums, and loses what XDP redirects: a real card does neither
for h in h1 h2; do in_host $h ethtool -K u0 tx off rxvlan off >/dev/null 2>&1; done
standard_machines
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{ standard_doc; standard_bindings; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
standard_up || bail 'ports do not come up'
ping4_soon vm1 10.0.2.14 || bail 'no traffic'
contains 'the program is on the interface' 'prog/xdp|xdp' "$(in_host h1 ip link show u0)"
contains 'status says so' '"xdp": *"(native|xdp)' "$(status h1)"
check 'bridged' ping_ok vm1 10.0.1.12 10
check 'routed' ping_ok vm1 10.0.2.14 10
check 'IPv6' ping_ok vm1 fd00:2::14 10
: > "$work/received"
spawn nsenter --net="/run/netns/$id-vm4" "$stream" recv 5001 1000 2000 > "$work/received"
receiver=$!
wait_for 5 grep -q ready "$work/received"
in_vm vm1 "$stream" flows 10.0.2.14 5001 1000 1000
wait $receiver
contains '1000 new flows' '^received 1000 lost 0 duplicated 0' "$(tail -n 1 "$work/received")"
mkdir -p "$work/www" && head -c 8388608 /dev/urandom > "$work/www/big"
http_server vm4 "$work/www" 8080
equal '8 MiB over TCP' "$(sha256sum < "$work/www/big")" "$(in_vm vm1 curl -sS --max-time 60 http://10.0.2.14:8080/big | sha256sum)"
contains 'XDP decapsulated some' '"xdp_decap": *[1-9]' "$(status h2)"

# --- another mode, at the next start: a link keeps the one that it was made with ---

in_host h2 ethtool -K u0 gro off >/dev/null 2>&1
mode_is() { in_host h2 ip link show u0 | grep -q " $1 "; } # the first line's word for it
check 'natively, at first' mode_is xdp
stop_skepd h2
xdp=generic
config h2
start_skepd h2 || bail 'skepd does not start again'
check 'told to, it takes the generic one' mode_is xdpgeneric
stop_skepd h2
xdp=xdp
config h2
start_skepd h2 || bail 'skepd does not start again'
check '... and the native one again' mode_is xdp
check '... and routes' ping_ok vm1 10.0.2.14 10
