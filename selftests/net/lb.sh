#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Load balancers across hosts with real TCP and UDP: members everywhere, weights, draining, health, affinity, members that come and go, pools with
# nobody in them; what runs goes on, also over a restart of skepd; IPv4 and IPv6.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

#   vm1 (h1) vm2 (h2) on 'left' - r - 'right': vm3 (h1) vm4 (h2) vm5 (h1); r - uplink (h1) - cli.  VIPs: one address, a port each.
members() { # POOL SUFFIX PORT [N:FIELD:_VALUE...]: of machines N
	local m n a
	for m in "${@:4}"; do
		n=${m%%:*} m=${m//_/ }
		case $2:$n in 4:[12]) a=10.0.1.1$n ;; 4:*) a=10.0.2.1$n ;; 6:[12]) a=fd00:1::1$n ;; *) a=fd00:2::1$n ;; esac
		echo "  - {name: $1$2-vm$n, pool: $1$2, address: \"$a\", port: $3, ${m#*:}}"
	done
}
web='2:weight:_1 3:weight:_1 4:weight:_1' # changed by tests
document() {
	local f vip
	cat <<-YAML
		tenant: t
		bridges: [{name: left}, {name: right}]
		routers: [{name: r}]
		ports:
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24, "fd00:1::1/64"], peer: left-r}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: r-right, router: r, mac: "02:00:00:00:01:02", addresses: [10.0.2.1/24, "fd00:2::1/64"], peer: right-r}
		  - {name: right-r, bridge: right, peer: r-right}
		  - {name: up, router: r, mac: "02:00:00:00:01:05", addresses: [203.0.113.1/24, "2001:db8:1::1/64"]}
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11, "fd00:1::11"]}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12, "fd00:1::12"]}
		  - {name: vm3, bridge: right, mac: "$(mac_of 3)", addresses: [10.0.2.13, "fd00:2::13"]}
		  - {name: vm4, bridge: right, mac: "$(mac_of 4)", addresses: [10.0.2.14, "fd00:2::14"]}
		  - {name: vm5, bridge: right, mac: "$(mac_of 5)", addresses: [10.0.2.15, "fd00:2::15"]}
		load_balancers: [{name: lb, router: r}]
		pools: [{name: web4}, {name: web6}, {name: heavy4}, {name: heavy6}, {name: own4}, {name: own6}, {name: dns4}, {name: dns6}, {name: shut4}, {name: shut6}, {name: none}]
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm3, host: h1, interface: vm3}
		  - {port: vm5, host: h1, interface: vm5}
		  - {port: up, host: h1, interface: cli}
		  - {port: vm2, host: h2, interface: vm2}
		  - {port: vm4, host: h2, interface: vm4}
		members:
	YAML
	for f in 4 6; do
		members web $f 80 $web
		members heavy $f 81 2:weight:_1 3:weight:_2 4:weight:_4
		members own $f 80 1:weight:_1
		members dns $f 53 2:weight:_1 3:weight:_1 4:weight:_1
		members shut $f 99 2:weight:_1 3:weight:_1 4:weight:_1
	done
	echo 'vips:'
	for f in 4 6; do
		[ $f = 4 ] && vip=198.51.100.80 || vip='"2001:db8:9::80"'
		cat <<-YAML
			  - {name: web$f, load_balancer: lb, address: $vip, proto: tcp, port: 80, pool: web$f, on_empty: reject}
			  - {name: heavy$f, load_balancer: lb, address: $vip, proto: tcp, port: 81, pool: heavy$f}
			  - {name: same$f, load_balancer: lb, address: $vip, proto: tcp, port: 82, pool: web$f, affinity: source}
			  - {name: own$f, load_balancer: lb, address: $vip, proto: tcp, port: 83, pool: own$f}
			  - {name: refuse$f, load_balancer: lb, address: $vip, proto: tcp, port: 84, pool: none, on_empty: reject}
			  - {name: refuseu$f, load_balancer: lb, address: $vip, proto: udp, port: 84, pool: none, on_empty: reject}
			  - {name: silent$f, load_balancer: lb, address: $vip, proto: tcp, port: 85, pool: none}
			  - {name: dns$f, load_balancer: lb, address: $vip, proto: udp, port: 53, pool: dns$f}
			  - {name: shut$f, load_balancer: lb, address: $vip, proto: udp, port: 99, pool: shut$f}
			  - {name: shutt$f, load_balancer: lb, address: $vip, proto: tcp, port: 99, pool: shut$f}
		YAML
	done
}
change() { document | apply --prune > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"; }

host h1; host h2
for v in 1:h1 2:h2; do vm vm${v%:*} ${v#*:} "$(mac_of ${v%:*})" 10.0.1.1${v%:*}/24 10.0.1.1 fd00:1::1${v%:*}/64 fd00:1::1; done
for v in 3:h1 4:h2 5:h1; do vm vm${v%:*} ${v#*:} "$(mac_of ${v%:*})" 10.0.2.1${v%:*}/24 10.0.2.1 fd00:2::1${v%:*}/64 fd00:2::1; done
vm cli h1 "$(mac_of 8)" 203.0.113.99/24 203.0.113.1 2001:db8:1::99/64 2001:db8:1::1
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
for p in 'h1 vm1' 'h1 vm3' 'h1 vm5' 'h1 up' 'h2 vm2' 'h2 vm4'; do wait_for 20 port_up $p || bail "port does not come up: $p"; done
hops() { probe "$@" | tr '\n' ' ' | sed 's/ $//'; } # VM hops ADDRESS PORT
for v in vm1 vm2 vm3 vm4 vm5; do
	in_vm $v sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	tcp_echo $v 80; tcp_echo $v 81
	spawn nsenter --net="/run/netns/$id-$v" "$python" "$probe_py" names 53 $v
	wait_for 5 udp_listening $v 53
	ping4_soon $v 203.0.113.99 || bail "$v does not reach the client"
done

declare -A hold_in=()
hold() { # NAME VM ADDRESS PORT COUNT: connections that stay
	local fd
	mkfifo "$work/hold.$1"
	: > "$work/hold.$1.out"
	exec {fd}<> "$work/hold.$1"
	hold_in[$1]=$fd
	spawn nsenter --net="/run/netns/$id-$2" "$python" "$probe_py" hold "${@:3}" "$work/hold.$1" > "$work/hold.$1.out"
	wait_for 20 grep -q ready "$work/hold.$1.out"
}
held() { sed -n 's/^ready //p' "$work/hold.$1.out"; }
alive() { # NAME: whose connections are alive
	local lines
	lines=$(grep -c ^alive "$work/hold.$1.out")
	echo >&"${hold_in[$1]}"
	answered_hold() { [ "$(grep -c ^alive "$work/hold.$1.out")" -gt "$lines" ]; }
	wait_for 10 answered_hold "$1"
	sed -n 's/^alive //p' "$work/hold.$1.out" | tail -n 1
}
without() { tr ' ' '\n' <<<"$2" | grep -v "^$1=" | tr '\n' ' ' | sed 's/ $//'; }
between() { # TEXT LOW HIGH NUMBER
	if [ "${4:-0}" -ge "$2" ] && [ "${4:-0}" -le "$3" ]; then ok "$1"; else not_ok "$1"; echo "# want: $2 to $3, got: ${4:-none}"; fi
}
part() { tr ' ' '\n' <<<"$2" | sed -n "s/^$1=//p"; } # WHO of a spread
member() { skep - member "$1" "$2" --tenant t > "$work/out" 2>&1 || not_ok "member $1 $2: $(cat "$work/out")"; }
gone() { [ -z "$(part "$1" "$(probe cli spread tcp "$vip" 80 20)")" ]; }
back() { [ -n "$(part "$1" "$(probe cli spread tcp "$vip" 80 20)")" ]; }

for f in 4 6; do
	if [ $f = 4 ]; then
		family=IPv4 vip=198.51.100.80 left=10.0.1.1 cli=203.0.113.99 up=203.0.113.1 ttl=11/0 port=3/3
	else
		family=IPv6 vip=2001:db8:9::80 left=fd00:1::1 cli=2001:db8:1::99 up=2001:db8:1::1 ttl=3/0 port=1/4
	fi
	# --- who answers, and whom it sees ---
	for v in cli vm1 vm4; do
		seen=$(probe $v spread tcp $vip 80 30)
		contains "$family: from $v: all members, on both hosts" '^vm2=[0-9]+ vm3=[0-9]+ vm4=[0-9]+$' "$seen"
		contains '... UDP' '^vm2=[0-9]+ vm3=[0-9]+ vm4=[0-9]+$' "$(probe $v spread udp $vip 53 30)"
	done
	seen=$(for _ in $(seq 60); do tcp_ask vm1 $vip 80; done | sort -u | tr '\n' ' ')
	equal 'a member on the client'\''s subnet sees the router, others the client' "$left vm2 ${left}1 vm3 ${left}1 vm4 " "$seen"
	equal '... a client from outside is seen by all' "$cli vm2 $cli vm3 $cli vm4 " \
		"$(for _ in $(seq 20); do tcp_ask cli $vip 80; done | sort -u | tr '\n' ' ')"
	equal 'a machine reaches itself through a VIP' "$left vm1" "$(tcp_ask vm1 $vip 83)"
	equal '... for others, too' "$cli vm1" "$(tcp_ask cli $vip 83)"

	# --- errors and fragments ---
	for v in cli vm1; do
		[ $v = cli ] && gw=$up || gw=$left
		for _ in 1 2 3 4 5 6; do probe $v fate udp $vip 99; probe $v fate tcp $vip 99; done | sort | uniq -c > "$work/fates"
		equal "$family: from $v: closed ports of members refuse, as the VIP" '12 refused soon' "$(sed 's/^ *//' "$work/fates")"
		equal '... traceroute' "$gw $ttl $vip $port $gw $ttl $vip $port" "$(hops $v hops $vip 99; echo -n ' '; hops $v hops $vip 99)"
		contains '... a datagram in fragments' ' vm[234] 4000$' "$(probe $v big $vip 53 4000)"
	done

	# --- weights 1, 2, 4: four standard deviations and what the table rounds ---
	seen=$(probe cli spread tcp $vip 81 500)
	between "$family: 500 connections, weight 1 of 7" 37 106 "$(part vm2 "$seen")"
	between '... 2 of 7' 99 187 "$(part vm3 "$seen")"
	between '... 4 of 7' 238 334 "$(part vm4 "$seen")"
	equal '... nobody is left without' '' "$(part nobody "$seen")"

	# --- affinity ---
	seen=$(probe cli spread tcp $vip 82 20)
	contains "$family: affinity: one member for a client" '^vm[234]=20$' "$seen"
	who=$(cut -d= -f1 <<<"$seen")

	# --- a member more, a member less ---
	hold more$f cli $vip 80 40
	all=$(held more$f)
	contains "$family: 40 connections" '^vm2=[0-9]+ vm3=[0-9]+ vm4=[0-9]+$' "$all"
	web='2:weight:_1 3:weight:_1 4:weight:_1 5:weight:_1'
	change
	if wait_for 10 back vm5; then ok 'a new member takes its share'; else not_ok 'a new member takes its share'; fi
	equal '... and all that runs goes on' "$all" "$(alive more$f)"
	equal '... and affinity too' "$who=20" "$(probe cli spread tcp $vip 82 20)"
	web='2:weight:_1 3:weight:_1 4:state:_draining 5:weight:_1'
	change
	if wait_for 10 gone vm4; then ok 'draining: no new connections'; else not_ok 'draining: no new connections'; fi
	equal '... what runs goes on' "$all" "$(alive more$f)"
	web='2:weight:_1 3:weight:_1 5:weight:_1'
	change
	if wait_for 10 gone vm4; then ok 'a member goes'; else not_ok 'a member goes'; fi
	equal '... only its connections end' "$(without vm4 "$all")" "$(alive more$f)"
	web='2:weight:_1 3:weight:_1 4:weight:_1'
	change
	if wait_for 10 back vm4; then ok '... and comes back'; else not_ok '... and comes back'; fi

	# --- health ---
	hold health$f vm1 $vip 80 40
	all=$(held health$f)
	contains "$family: 40 connections from inside" '^vm2=[0-9]+ vm3=[0-9]+ vm4=[0-9]+$' "$all"
	member down web$f-vm2
	if wait_for 10 gone vm2; then ok 'a member is down: no new connections'; else not_ok 'a member is down: no new connections'; fi
	equal '... its connections end, no others' "$(without vm2 "$all")" "$(alive health$f)"
	contains '... the drop says so' '^[1-9]' "$(drops h1 no_member)"
	member down web$f-vm3; member down web$f-vm4
	if wait_for 10 gone 'vm[34]'; then ok 'all are down'; else not_ok 'all are down'; fi
	equal '... refused at once: on_empty' 'refused soon' "$(probe cli fate tcp $vip 80)"
	for m in 2 3 4; do member up web$f-vm$m; done
	for m in 2 3 4; do wait_for 10 back vm$m || not_ok "vm$m comes back"; done
	ok '... and up again'

	# --- nobody ---
	equal "$family: an empty pool refuses: TCP" 'refused soon' "$(probe cli fate tcp $vip 84)"
	equal '... from inside' 'refused soon' "$(probe vm4 fate tcp $vip 84)"
	contains '... UDP' '^(refused|unreachable|prohibited) soon$' "$(probe cli fate udp $vip 84)"
	equal '... or is silent' silent "$(probe cli fate tcp $vip 85 1)"
	equal 'a service that no VIP has is silent' silent "$(probe cli fate tcp $vip 86 1)"
done

# --- skepd stops, is killed, comes back ---
hold restart cli 198.51.100.80 80 20
hold restart6 vm1 2001:db8:9::80 80 20
all=$(held restart) all6=$(held restart6)
for h in h1 h2; do
	for signal in TERM KILL; do
		stop_skepd $h $signal
		equal "skepd of $h is gone ($signal): all that runs goes on" "$all / $all6" "$(alive restart) / $(alive restart6)"
		start_skepd $h || bail "skepd of $h does not come back"
		wait_for 20 port_up $h "$([ $h = h1 ] && echo vm1 || echo vm2)" || not_ok "ports of $h come up"
		equal '... and when it is back' "$all / $all6" "$(alive restart) / $(alive restart6)"
	done
done
contains 'new connections begin' '^vm2=[0-9]+ vm3=[0-9]+ vm4=[0-9]+$' "$(probe cli spread tcp 198.51.100.80 80 30)"
