#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Load balancers in the kernel: once a member of a VIP is known, connections to it begin without skepd, at the client and at the member, also when
# that is on another host (Geneve); they are translated both ways, told to skepd, kept over its death; the table follows the pool.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

v4=198.51.100.80 v6=2001:db8:9::80 members='3 4'
document() {
	local m f
	standard_doc "security_groups: [any]"
	cat <<-YAML
		security_groups:
		  - {name: any, rules: [{name: t4, direction: ingress, ethertype: ipv4}, {name: t6, direction: ingress, ethertype: ipv6}]}
		load_balancers: [{name: lb, router: r}]
		pools: [{name: web4}, {name: web6}]
		vips:
		  - {name: web4, load_balancer: lb, address: $v4, proto: tcp, port: 80, pool: web4}
		  - {name: dns4, load_balancer: lb, address: $v4, proto: udp, port: 53, pool: web4}
		  - {name: web6, load_balancer: lb, address: "$v6", proto: tcp, port: 80, pool: web6}
		members:
	YAML
	for m in $members; do
		[ "$m" = 2 ] && f=1 || f=2
		echo "  - {name: four$m, pool: web4, address: \"10.0.$f.1$m\", port: 8080}"
		echo "  - {name: six$m, pool: web6, address: \"fd00:$f::1$m\", port: 8080}"
	done
	standard_bindings
}
change() { document | apply --prune > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"; }
upcalls() { echo $(($(stat_of h1 upcalls) + $(stat_of h2 upcalls))); }
few() { # TEXT BEFORE MOST
	local n=$(($(upcalls) - $2))
	if [ $n -le "$3" ]; then ok "$1: $n upcalls"; else not_ok "$1: $n upcalls, want $3 at most"; fi
}
spread() { probe vm1 spread "$@"; }
total() { tr ' ' '\n' <<<"$1" | sed -n 's/^vm[234]=//p' | paste -sd+ | bc; }
parts() { tr ' ' '\n' <<<"$1" | sed -n 's/^\(vm[234]\)=.*/\1/p' | sort | tr '\n' ' '; }

host h1; host h2
for h in h1 h2; do encap=geneve config $h; done
standard_machines
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
standard_up || bail 'ports do not come up'
for v in vm2 vm3 vm4; do
	tcp_echo $v 8080
	spawn nsenter --net="/run/netns/$id-$v" "$python" "$probe_py" names 8080 $v
	wait_for 5 udp_listening $v 8080 || bail "no server in $v"
done
for a in 10.0.1.12 10.0.2.13 10.0.2.14; do ping4_soon vm1 $a || bail 'no traffic'; done

for what in "tcp $v4 80" "udp $v4 53" "tcp $v6 80"; do
	spread $what 40 > "$work/out" || not_ok "$what: $(cat "$work/out")" # each member becomes known
	a=$(upcalls)
	got=$(spread $what 300)
	equal "$what: 300 connections are answered" 300 "$(total "$got")"
	equal '... by all members' 'vm3 vm4 ' "$(parts "$got")"
	few '... nearly without skepd' "$a" 40
done
a=$(skep h1 -j flow list 2>&1)
contains 'flow list says whom they go to' 'to 10\.0\.2\.14:8080' "$a"
contains '... and whose name replies bear' "as $v4:80" "$(skep h2 -j flow list 2>&1)"

talk two vm1 $v4 80 && ok 'a connection stays' || not_ok 'a connection stays'
n_translated() { conns "$1" "$2" | grep -o '"bindings"' | wc -l; }
in_list() { [ "$(conns "$1" "$2" | grep -c "$3")" -gt 0 ]; }
can 'skepd learns of them, where they began' wait_for 10 in_list h1 vm1 198.51.100.80
can '... and where they go' wait_for 10 in_list h2 vm4 10.0.2.14

stop_skepd h1 KILL; stop_skepd h2 KILL
for what in "tcp $v4 80" "tcp $v6 80"; do
	got=$(spread $what 60)
	equal "skepd is killed on both hosts: $what" 60 "$(total "$got")"
	equal '... from all members' 'vm3 vm4 ' "$(parts "$got")"
done
can '... an old connection goes on' say two
start_skepd h1 && start_skepd h2 || bail 'skepd does not start again'
standard_up || bail 'ports do not come up again'
equal 'it is back: new connections' 30 "$(total "$(spread tcp $v4 80 30)")"
can '... old ones go on' say two

members=3
change
only() { [ "$(parts "$(spread tcp $v4 80 20)")" = "$1" ]; }
can 'a member leaves: the other has its part' wait_for 10 only 'vm3 '
spread tcp $v4 80 10 > /dev/null
a=$(upcalls)
equal '... and new connections' 200 "$(total "$(spread tcp $v4 80 200)")"
few '... nearly without skepd' "$a" 40
members='2 3 4'
change
can 'it is back, with one of the client'"'"'s own subnet' wait_for 10 only 'vm2 vm3 vm4 '
spread tcp $v4 80 40 > /dev/null
a=$(upcalls)
equal '... whose connections turn round at the router, which skepd sees to' 90 "$(total "$(spread tcp $v4 80 90)")"
refute 'no drop for want of room or of a table' test "$(drops h1 conn_limit)" -gt 0
for h in h1 h2; do equal "$h: nobody complains" '' "$(grep -iE 'error|Sanitizer' "$work/$h/log" | head -n 3)"; done
finish
