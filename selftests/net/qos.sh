#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Rates of ports, both ways, on one host and across; what is over them is counted; the DSCP that is written; all of it changed, and taken away.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

Mbit=1000000
qos() { # [FIELDS [PORT]]: the policy of vm1 or another port, or none
	local to=${2:-vm1}
	[ -n "${1:-}" ] && printf 'tenant: t\nqos_policies: [{name: slow, %s}]\n' "$1" || printf 'tenant: t\n'
	{
		standard_doc | sed 1d
		echo '  - {name: up, router: r, mac: "02:00:00:00:01:05", addresses: [203.0.113.1/24, "2001:db8:1::1/64"]}'
	} | { [ -n "${1:-}" ] && sed "s/{name: $to, /&qos: slow, /" || cat; }
}
set_qos() { qos "$@" | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"; }
standard
vm out h1 "$(mac_of 8)" 203.0.113.99/24 203.0.113.1 2001:db8:1::99/64 2001:db8:1::1
{ qos; echo 'bindings: [{port: up, host: h1, interface: out}]'; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
wait_for 20 port_up h1 up || bail 'the uplink does not come up'
ping4_soon vm4 203.0.113.99 || bail 'no traffic to the outside'
for v in vm2 vm3 vm4; do ping4_soon vm1 "$(ip -n "$id-$v" -4 -br addr show dev eth0 | awk '{ sub("/.*", "", $3); print $3 }')" || bail "no traffic to $v"; done

# What comes through: three times at most, for others use the machine, too.  TOS of the last try is in $tos.
address_of() { case $1$2 in out4) echo 203.0.113.99 ;; out6) echo 2001:db8:1::99 ;; vm2b) echo 10.0.1.255 ;; vm14) echo 10.0.1.11 ;; vm16) echo fd00:1::11 ;; vm?4) echo 10.0.2.1${1#vm} ;; vm?6) echo fd00:2::1${1#vm} ;; esac; }
tos=
measure() { # FROM TO FAMILY BIT/S [TOS]: bit/s
	local a m
	a=$(address_of "$2" "$3")
	: > "$work/meter"
	spawn nsenter --net="/run/netns/$id-$2" "$python" "$probe_py" meter "$a" 5001 2.2 > "$work/meter"
	m=$!
	wait_for 5 grep -q ready "$work/meter"
	[ -n "${late:-}" ] && kill -STOP $m
	probe "$1" blast "$a" 5001 "$4" 3 "${5:-0}"
	[ -n "${late:-}" ] && kill -CONT $m
	wait $m
	tos=$(tail -n 1 "$work/meter" | sed 's/.*tos //')
	rate=$(tail -n 1 "$work/meter" | awk '{ print $1 + 0 }')
}
through() { # TEXT WANT FROM TO FAMILY BIT/S [TOS]: within a fifth
	local try got=
	for try in 1 2 3; do
		measure "${@:3}"
		got+=" $rate"
		if [ "$rate" -ge $(($2 * 8 / 10)) ] && [ "$rate" -le $(($2 * 12 / 10)) ]; then ok "$1"; return; fi
	done
	not_ok "$1"
	echo "# want: $2, got:$got (of $6 sent)"
}
policed() { echo $(($(drops h1 policed) + $(drops h2 policed))); }
more() { # TEXT BEFORE: more are counted now
	[ "$(policed)" -gt "$2" ] && ok "$1" || not_ok "$1"
}

for f in 4 6; do through "IPv$f: no policy: all comes through" $((12 * Mbit)) vm1 vm4 $f $((12 * Mbit)); done
equal '... unmarked' 0 "$tos"
equal '... nothing is counted' 0 "$(policed)"

set_qos 'rate_in: 4Mbit, rate_out: 2Mbit, dscp: 46'
slowed() { measure vm1 vm4 4 $((12 * Mbit)) && [ "$tos" = 184 ]; }
wait_for 20 slowed || not_ok 'the policy takes effect'
for f in 4 6; do
	before=$(policed)
	through "IPv$f: rate_in: what the machine sends, across hosts" $((4 * Mbit)) vm1 vm4 $f $((12 * Mbit)) 2
	equal '... marked, its ECN is its own' 186 "$tos"
	more '... the rest is counted' "$before"
	through '... on one host' $((4 * Mbit)) vm1 vm3 $f $((12 * Mbit))
	equal '... marked' 184 "$tos"
	before=$(policed)
	through "IPv$f: rate_out: what it is sent, across hosts" $((2 * Mbit)) vm4 vm1 $f $((6 * Mbit)) 40
	equal '... its mark is of the one who sent it' 40 "$tos"
	more '... the rest is counted' "$before"
	through '... on one host' $((2 * Mbit)) vm3 vm1 $f $((6 * Mbit))
done
late=1 # the machine is so busy that who measures reads nothing before all has come
through 'as much by one who is late to read it' $((4 * Mbit)) vm1 vm4 4 $((12 * Mbit))
late=
before=$(policed)
through 'below the rate all comes through' $((3 * Mbit)) vm1 vm4 4 $((3 * Mbit))
equal '... and nothing is counted' "$before" "$(policed)"
through 'others are not concerned' $((12 * Mbit)) vm2 vm4 4 $((12 * Mbit))

# --- two flows of one port share its rate ---
for v in vm3 vm4; do
	: > "$work/meter.$v"
	spawn nsenter --net="/run/netns/$id-$v" "$python" "$probe_py" meter "$(address_of $v 4)" 5001 2.2 > "$work/meter.$v"
	meters+=($!)
	wait_for 5 grep -q ready "$work/meter.$v"
done
probe vm1 blast 10.0.2.13 5001 $((8 * Mbit)) 3 & blasts=($!)
probe vm1 blast 10.0.2.14 5001 $((8 * Mbit)) 3 & blasts+=($!)
wait "${blasts[@]}" "${meters[@]}"
sum=$(tail -qn 1 "$work/meter.vm3" "$work/meter.vm4" | awk '{ n += $1 } END { print n + 0 }')
[ "$sum" -ge $((3 * Mbit)) ] && [ "$sum" -le $((5 * Mbit)) ] && ok 'two flows of one port share its rate' || not_ok "two flows of one port share its rate: $sum"

# --- super-packets count as what they become ---
mkdir -p "$work/www" && head -c 2097152 /dev/urandom > "$work/www/big"
http_server vm1 "$work/www" 8080
begin=$EPOCHREALTIME
got=$(in_vm vm4 curl -sS --max-time 60 http://10.0.1.11:8080/big | sha256sum)
equal 'TCP comes through whole' "$(sha256sum < "$work/www/big")" "$got"
speed=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { print int(2097152 * 8 / (b - a)) }')
[ "$speed" -le $((48 * Mbit / 10)) ] && ok '... at the rate or below' || not_ok "... at the rate or below: $speed bit/s"

# --- changes ---
set_qos 'rate_in: 8Mbit, burst_in: 100kB, dscp: 10'
changed() { measure vm1 vm4 4 $((12 * Mbit)) && [ "$tos" = 40 ]; }
if wait_for 20 changed; then ok 'another mark'; else not_ok 'another mark'; fi
through '... another rate' $((8 * Mbit)) vm1 vm4 4 $((12 * Mbit))
through '... and none the other way' $((6 * Mbit)) vm4 vm1 6 $((6 * Mbit))
set_qos
free() { measure vm1 vm4 4 $((12 * Mbit)) && [ "$tos" = 0 ]; }
if wait_for 20 free; then ok 'the policy goes, the mark too'; else not_ok 'the policy goes, the mark too'; fi
through '... and the rate' $((12 * Mbit)) vm1 vm4 6 $((12 * Mbit))
equal '... of IPv6' 0 "$tos"

# --- the port of a router ---
set_qos 'rate_in: 4Mbit, rate_out: 2Mbit, dscp: 46' up
marked() { measure out vm4 4 $((12 * Mbit)) && [ "$tos" = 184 ]; }
wait_for 20 marked || not_ok 'the uplink has a policy'
for f in 4 6; do
	through "IPv$f: an uplink: into the network" $((4 * Mbit)) out vm4 $f $((12 * Mbit))
	equal '... marked' 184 "$tos"
	through '... out of it, from another host' $((2 * Mbit)) vm4 out $f $((6 * Mbit)) 40
	equal '... not marked' 40 "$tos"
done
through 'within, all comes through' $((12 * Mbit)) vm1 vm4 4 $((12 * Mbit))

# --- a flood: each copy counts at the port that it is for ---
set_qos 'rate_out: 2Mbit' vm2
flooded() { measure vm1 vm2 b $((6 * Mbit)) && [ "$rate" -lt $((4 * Mbit)) ]; }
wait_for 20 flooded
before=$(policed)
through 'rate_out: broadcasts, too' $((2 * Mbit)) vm1 vm2 b $((6 * Mbit))
more '... the rest is counted' "$before"
