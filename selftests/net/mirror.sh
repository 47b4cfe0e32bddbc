#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Mirrors at every hook of a path over two hosts, to a machine on either: each copy has the bytes that the hook saw, the first packet's and the
# flow's; the flow itself is not disturbed; conditions, drops, floods, mirrors of mirrors, and the end of it.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

# Every mirror looks for a port of its own: 7000 and the hook's number to tap1 (h1), 7100 and that to tap2 (h2).
hooks=('port: vm1, hook: pre_in' 'port: vm1, hook: post_in' 'bridge: left, hook: in' 'bridge: left, hook: out' 'port: left-r, hook: pre_out'
	'port: left-r, hook: post_out' 'port: r-left, hook: pre_in' 'port: r-left, hook: post_in' 'router: r, hook: in' 'router: r, hook: out'
	'port: r-right, hook: pre_out' 'port: r-right, hook: post_out' 'port: right-r, hook: pre_in' 'port: right-r, hook: post_in'
	'bridge: right, hook: in' 'bridge: right, hook: out' 'port: vm4, hook: pre_out' 'port: vm4, hook: post_out')
mirror() { # NAME TAP HOOK [MATCH [FIELDS]]
	local match=
	[ -n "${4:-}" ] && match=", match: [{proto: udp, dst_ports: \"$4\"}]"
	echo "  - {name: $1, to: $2, at: [{$3}]$match${5:+, $5}}"
}
per_hook() {
	local i
	for i in "${!hooks[@]}"; do
		mirror "m1-$i" tap1 "${hooks[i]}" $((7000 + i)) "${1:-}"
		mirror "m2-$i" tap2 "${hooks[i]}" $((7100 + i)) "${1:-}"
	done
}
document() { # mirrors on standard input
	standard_doc | sed 's/{name: vm1, /&qos: mark, in_chain: fw, /; s/^bridges: \[/&{name: taps}, /'
	cat <<-YAML
		  - {name: tap1, bridge: taps}
		  - {name: tap2, bridge: taps}
		qos_policies: [{name: mark, dscp: 46}]
		chains: [{name: fw, rules: [{name: no, action: drop, proto: udp, dst_ports: "7950-7959"}]}]
	YAML
	standard_bindings
	echo '  - {port: tap1, host: h1, interface: tap1}'
	echo '  - {port: tap2, host: h2, interface: tap2}'
	echo 'mirrors:'
	cat
}
change() { document | apply --prune > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"; }

host h1; host h2
standard_machines
for v in tap1:h1 tap2:h2; do
	new_ns ${v%:*}
	in_ns ${v%:*} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 # says nothing
	vm_link ${v%:*} ${v#*:}
	ip -n "$id-${v%:*}" link set eth0 up promisc on
done
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
per_hook | document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
standard_up && wait_for 20 port_up h1 tap1 && wait_for 20 port_up h2 tap2 || bail 'ports do not come up'
ping4_soon vm1 10.0.2.14 || bail 'no traffic'

captures=()
capture() { # VM PORTS COUNT: in the background
	: > "$work/capture.$1"
	spawn nsenter --net="/run/netns/$id-$1" "$python" "$probe_py" capture eth0 "$2" "$3" "${4:-8}" > "$work/capture.$1"
	captures+=($!)
	wait_for 5 grep -q ready "$work/capture.$1"
}
captured() { grep -v ready "$work/capture.$1" | sort; }
done_capturing() { wait "${captures[@]}"; captures=(); }
send() { in_vm "$1" "$raw" send eth0 < "$2"; } # VM FILE
frames() { "$python" "$probe_py" frames "$@"; }
same() { # TEXT WANT-FILE VM: the frames that it captured, in any order
	sort "$2" > "$work/want"
	captured "$3" > "$work/got"
	if cmp -s "$work/want" "$work/got"; then ok "$1"; else not_ok "$1"; diff "$work/want" "$work/got" | head -n 8 | note; fi
}

gw=02:00:00:00:01:01 gw2=02:00:00:00:01:02 last=$((${#hooks[@]} - 1))
ports() { seq "$1" $(($1 + last)); }
for f in 4 6; do
	[ $f = 4 ] && from=10.0.1.11 to=10.0.2.14 || { from=fd00:1::11 to=fd00:2::14; }
	send_as=("$(mac_of 1)" $gw $from $to 64 0) marked=("$(mac_of 1)" $gw $from $to 64 184) routed=($gw2 "$(mac_of 4)" $from $to 63 184)
	for base in 7000 7100; do
		frames "${send_as[@]}" $(ports $base) > "$work/sent.$base"
		frames "${routed[@]}" $(ports $base) > "$work/arrives.$base"
		# pre_in of the machine's port; from then on marked; from the router's 'out' on routed
		{ frames "${send_as[@]}" $base; frames "${marked[@]}" $(seq $((base + 1)) $((base + 8)))
			frames "${routed[@]}" $(seq $((base + 9)) $((base + last))); } > "$work/copies.$base"
	done
	cat "$work"/sent.* > "$work/sent"; cat "$work"/arrives.* > "$work/arrives"
	for round in 'first packets' 'packets of flows'; do
		capture tap1 7000-7999 $((last + 1)); capture tap2 7000-7999 $((last + 1)); capture vm4 7000-7999 $((last * 2 + 2))
		send vm1 "$work/sent"
		done_capturing
		same "IPv$f, $round: every hook, to the same host" "$work/copies.7000" tap1
		same '... to the other host' "$work/copies.7100" tap2
		same '... and each arrives once, as it should' "$work/arrives" vm4
	done
done

# --- what is dropped was seen before ---
{ mirror pre tap1 'port: vm1, hook: pre_in' 7950-7959; mirror post tap2 'port: vm1, hook: post_in' 7950-7959; } | change
frames "$(mac_of 1)" $gw 10.0.1.11 10.0.2.14 64 0 7950 7951 > "$work/sent"
seen_by() { # VM PORTS FILE COUNT: sends from vm1 until the machine has it; for changes take their time
	capture "$1" "$2" "$4" 1
	send vm1 "$3"
	done_capturing
	[ "$(captured "$1" | wc -l)" -ge "$4" ]
}
wait_for 10 seen_by tap1 7950-7959 "$work/sent" 2
capture tap1 7950-7959 2; capture tap2 7950-7959 1 1; capture vm4 7950-7959 1 1
send vm1 "$work/sent"
done_capturing
same 'a chain drops it: before the chain there is a copy' "$work/sent" tap1
same '... behind it none' /dev/null tap2
same '... nor does it arrive' /dev/null vm4

# --- floods ---
{ mirror flood tap1 'bridge: left, hook: out' 7960; mirror one tap2 'port: vm2, hook: post_out' 7960; } | change
frames "$(mac_of 1)" ff:ff:ff:ff:ff:ff 10.0.1.11 10.0.1.255 64 0 7960 > "$work/sent"
frames "$(mac_of 1)" ff:ff:ff:ff:ff:ff 10.0.1.11 10.0.1.255 64 184 7960 > "$work/arrives"
wait_for 10 seen_by tap2 7960-7960 "$work/sent" 1
capture tap1 7960-7960 1; capture tap2 7960-7960 1; capture vm2 7960-7960 1
send vm1 "$work/sent"
done_capturing
same 'a flood: one copy of the bridge' "$work/arrives" tap1
same '... one of a port' "$work/arrives" tap2
same '... and it arrives once' "$work/arrives" vm2

# --- mirrors of mirrors: copies are looked at by nobody ---
{ mirror a tap1 'port: vm1, hook: pre_in' 7970-7979; mirror b tap2 'port: tap1, hook: post_out' 7970-7979
	mirror c tap1 'port: tap2, hook: post_out' 7970-7979; mirror d tap2 'bridge: taps, hook: in' 7970-7979
	mirror e tap1 'bridge: taps, hook: out' 7980-7989; } | change
frames "$(mac_of 1)" $gw 10.0.1.11 10.0.2.14 64 0 7970 7971 > "$work/sent"
wait_for 10 seen_by tap1 7970-7979 "$work/sent" 2
capture tap1 7970-7979 2; capture tap2 7970-7979 1 1
send vm1 "$work/sent"
done_capturing
same 'mirrors in a ring: a copy' "$work/sent" tap1
same '... and no copy of the copy' /dev/null tap2
frames 02:00:00:00:00:77 ff:ff:ff:ff:ff:ff 10.9.9.9 10.9.9.255 64 0 7972 > "$work/sent"
cat "$work/sent" "$work/sent" > "$work/twice"
capture tap2 7970-7979 2; capture tap1 7970-7979 1 2
send tap1 "$work/sent"
done_capturing
same 'a machine that is mirrored to sends: the other has it and the copy' "$work/twice" tap2
same '... and itself the copy of what the other was sent' "$work/sent" tap1

# --- traffic under a mirror; the end of it ---
{ mirror near tap1 'port: vm2, hook: pre_in' 5001; mirror far tap2 'router: r, hook: out' 5001; mirror all tap2 'port: vm4, hook: post_in'; } | change
frames "$(mac_of 2)" $gw 10.0.1.12 10.0.2.13 64 0 5001 > "$work/sent"
seen_from2() { capture tap1 5001-5001 1 1; send vm2 "$work/sent"; done_capturing; [ -n "$(captured tap1)" ]; }
wait_for 10 seen_from2
total=5000
: > "$work/received"
spawn nsenter --net="/run/netns/$id-vm3" "$stream" recv 5001 $total 2000 > "$work/received"
receiver=$!
wait_for 5 grep -q ready "$work/received"
capture tap1 5001-5001 $total; capture tap2 5001-5001 $total
in_vm vm2 "$stream" send 10.0.2.13 5001 $total 2000
wait $receiver
done_capturing
contains "a mirrored flow: nothing lost, nothing twice" "^received $total lost 0 duplicated 0" "$(tail -n 1 "$work/received")"
equal '... a copy of each, to both' "$total $total" "$(captured tap1 | sort -u | wc -l) $(captured tap2 | sort -u | wc -l)"
mkdir -p "$work/www" && head -c 8388608 /dev/urandom > "$work/www/big"
http_server vm4 "$work/www" 8080
equal '... super-packets' "$(sha256sum < "$work/www/big")" "$(in_vm vm1 curl -sS --max-time 60 http://10.0.2.14:8080/big | sha256sum)"

# --- what the network answers itself: question and answer ---
mirror own tap2 'port: vm1, hook: pre_in}, {port: vm1, hook: post_out' | change
asks() { in_vm vm1 ip neigh flush dev eth0; ping_ok vm1 10.0.1.1; }
: > "$work/dump"
spawn nsenter --net="/run/netns/$id-tap2" tcpdump -l -n -e -i eth0 'arp host 10.0.1.1 or icmp' > "$work/dump" 2> "$work/dump.err"
wait_for 5 grep -q listening "$work/dump.err"
for what in 'who-has 10\.0\.1\.1 ' '10\.0\.1\.1 is-at 02:00:00:00:01:01' '10\.0\.1\.11 > 10\.0\.1\.1: ICMP echo request' \
	'10\.0\.1\.1 > 10\.0\.1\.11: ICMP echo reply'; do
	dumped() { asks; grep -qE "$what" "$work/dump"; }
	if wait_for 10 dumped; then ok "what the network answers is mirrored: ${what//\\/}"; else not_ok "mirrored: $what"; note < "$work/dump"; fi
done

frames "$(mac_of 1)" $gw 10.0.1.11 10.0.2.14 64 0 $(seq 7000 7017) > "$work/sent"
frames $gw2 "$(mac_of 4)" 10.0.1.11 10.0.2.14 63 184 $(seq 7000 7017) > "$work/arrives"
for how in 'admin_up: false' gone; do
	per_hook | change
	wait_for 10 seen_by tap1 7000-7999 "$work/sent" 18 || not_ok 'mirrors come'
	[ "$how" = gone ] && change < /dev/null || per_hook "$how" | change
	no_copy() { capture tap1 7000-7999 1 1; send vm1 "$work/sent"; done_capturing; [ -z "$(captured tap1)" ]; }
	if wait_for 10 no_copy; then ok "mirrors end ($how)"; else not_ok "mirrors end ($how)"; fi
	capture vm4 7000-7999 18; capture tap1 7000-7999 1 1
	send vm1 "$work/sent"
	done_capturing
	same '... packets arrive' "$work/arrives" vm4
	same '... without copies' /dev/null tap1
done
