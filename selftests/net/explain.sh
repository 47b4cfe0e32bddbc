#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What operators are told, held against what happens: traces and the flows of the datapath, 'why' and real attempts, counters of rules and
# the packets sent, logged matches, connections.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

#   vm1 (h1), vm2 (h2) - left - r - right - srv (h2)        r - ext - out (h1): SNAT, a floating IP of vm2, a VIP for srv
document() {
	cat <<-YAML
		tenant: t
		chains:
		  - name: fw
		    rules:
		      - {name: six, action: continue, ethertype: ipv6, proto: udp, dst_ports: "7000-7999"}
		      - {name: four, action: continue, ethertype: ipv4, proto: udp, dst_ports: "7000-7999"}
		      - {name: seen, action: continue, proto: tcp, dst_ports: "443", log: true}
		      - {name: no-discard, action: drop, proto: udp, dst_ports: "7009"}
		      - {name: pings4, action: continue, proto: icmp, icmp_type: 8}
		      - {name: pings6, action: continue, proto: icmp6, icmp_type: 128}
		security_groups:
		  - name: web
		    rules:
		      - {name: https, direction: ingress, proto: tcp, dst_ports: "443"}
		      - {name: push, direction: ingress, proto: tcp, dst_ports: "9000"}
		      - {name: udp, direction: ingress, proto: udp, dst_ports: "7000-7999"}
		      - {name: ping4, direction: ingress, ethertype: ipv4, proto: icmp}
		      - {name: ping6, direction: ingress, ethertype: ipv6, proto: icmp6}
		${more_rules:-}
		  - name: shut
		    stateful: ${stateful:-true}
		bridges: [{name: left}, {name: right}, {name: ext}]
		routers: [{name: r, in_chain: fw}]
		ports:
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11, "fd00:1::11"], security_groups: [shut]}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12, "fd00:1::12"]}
		  - {name: srv, bridge: right, mac: "$(mac_of 3)", addresses: [10.0.2.13, "fd00:2::13"], security_groups: [web]}
		  - {name: out, bridge: ext, mac: "$(mac_of 4)", addresses: [198.51.100.99, "fd00:e::99"]}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24, "fd00:1::1/64"]}
		  - {name: right-r, bridge: right, peer: r-right}
		  - {name: r-right, router: r, mac: "02:00:00:00:01:02", addresses: [10.0.2.1/24, "fd00:2::1/64"]}
		  - {name: ext-r, bridge: ext, peer: r-ext}
		  - {name: r-ext, router: r, mac: "02:00:00:00:01:03", addresses: [198.51.100.1/24, "fd00:e::1/64"]}
		nats:
		  - {name: snat4, router: r, type: snat, port: r-ext, src: 10.0.1.0/24, to: 198.51.100.10}
		  - {name: snat6, router: r, type: snat, port: r-ext, src: "fd00:1::/64", to: "fd00:e::10"}
		floating_ips:
		  - {name: f4, router: r, address: 198.51.100.20, fixed: 10.0.1.12}
		  - {name: f6, router: r, address: "fd00:e::20", fixed: "fd00:1::12"}
		load_balancers: [{name: lb, router: r}]
		pools: [{name: p4}, {name: p6}, {name: q4}, {name: q6}]
		members:
		  - {name: m4, pool: p4, address: 10.0.2.13, port: 443}
		  - {name: m6, pool: p6, address: "fd00:2::13", port: 443}
		  - {name: o4, pool: q4, address: 10.0.2.13, port: 9000}
		  - {name: o6, pool: q6, address: "fd00:2::13", port: 9000}
		vips:
		  - {name: v4, load_balancer: lb, address: 198.51.100.40, proto: tcp, port: 80, pool: p4}
		  - {name: w4, load_balancer: lb, address: 198.51.100.40, proto: tcp, port: 81, pool: q4}
		  - {name: w6, load_balancer: lb, address: "fd00:e::40", proto: tcp, port: 81, pool: q6}
		  - {name: v6, load_balancer: lb, address: "fd00:e::40", proto: tcp, port: 80, pool: p6}
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm2, host: h2, interface: vm2}
		  - {port: srv, host: h2, interface: srv}
		  - {port: out, host: h1, interface: out}
	YAML
}
change() { document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"; }

# Facts of a JSON document on standard input: an expression over it, 'j'.
json() { "$python" -c 'import json, sys; j = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
trace() { skep "$1" trace --port "$2" "${@:3}" 2>&1; }
holds() { # TEXT EXPRESSION JSON: true of it
	local got
	got=$(json "$2" <<<"$3" 2>&1)
	if [ "$got" = True ]; then ok "$1"; else not_ok "$1"; printf '%s\n' "not so: $2" "$got" "$3" | note; fi
}
why() { skep "$1" why "${@:2}" 2>&1; }
asks() { # VM ADDRESS PORT OWN-PORT [LINE]: one TCP connection; what the server said
	in_vm "$1" timeout 6 "$python" -c '
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3, ("::" if ":" in sys.argv[1] else "0.0.0.0", int(sys.argv[3])))
print(s.recv(200).decode().strip())' "$2" "$3" "$4" 2>/dev/null
}
opens() { # VM ADDRESS PORT OWN-PORT: one that stays; what the server said is in $said
	: > "$work/said"
	spawn nsenter --net="/run/netns/$id-$1" "$python" -c '
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3, ("::" if ":" in sys.argv[1] else "0.0.0.0", int(sys.argv[3])))
print(s.recv(200).decode().strip(), flush=True)
s.settimeout(None)
s.recv(1)' "$2" "$3" "$4" > "$work/said" 2>/dev/null
	wait_for 5 test -s "$work/said"
	said=$(cat "$work/said")
}
n_of() { # HOST KIND NAME RULE [packets|bytes]: the counter
	skep "$1" -j rule list | json "sum(r['${5:-packets}'] for r in j['rules'] if r.get('$2') == '$3' and r['rule'] == '$4')"
}
exit_of() { local rc; skep "$@" > "$work/status" 2>&1; rc=$?; echo $rc; } # HOST COMMAND...: exit status
counted() { [ "$(n_of "${@:1:4}")" = "$5" ]; } # ... = N

host h1; host h2
vm vm1 h1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1 fd00:1::11/64 fd00:1::1
vm vm2 h2 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1 fd00:1::12/64 fd00:1::1
vm srv h2 "$(mac_of 3)" 10.0.2.13/24 10.0.2.1 fd00:2::13/64 fd00:2::1
vm out h1 "$(mac_of 4)" 198.51.100.99/24 198.51.100.1 fd00:e::99/64 fd00:e::1
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
for p in 'h1 vm1' 'h1 out' 'h2 vm2' 'h2 srv'; do wait_for 20 port_up $p || bail "port does not come up: $p"; done
for v in vm1 vm2 srv out; do tcp_echo $v 443; tcp_echo $v 22; done
for v in srv out; do
	spawn nsenter --net="/run/netns/$id-$v" "$python" "$PWD/selftests/lib/big.py" serve 9000
	wait_for 10 listening $v 9000 || bail "no server in $v"
done
ready() { ping_ok vm1 10.0.2.13 && ping_ok vm1 fd00:2::13; }
wait_for 10 ready || bail 'no traffic'

own=40000 # source ports: each connection has its own, known to trace
for f in 4 6; do
	if [ $f = 4 ]; then
		vm1=10.0.1.11 vm2=10.0.1.12 srv=10.0.2.13 out=198.51.100.99 masked=198.51.100.10 fip=198.51.100.20 vip=198.51.100.40
		b1=$vm1 bs=$srv bo=$out bv=$vip bm=$masked b2=$vm2 proto=icmp rule=ping4 chain_rule=pings4 udp_rule=four gateway=10.0.1.1
	else
		vm1=fd00:1::11 vm2=fd00:1::12 srv=fd00:2::13 out=fd00:e::99 masked=fd00:e::10 fip=fd00:e::20 vip=fd00:e::40
		b1=[$vm1] bs=[$srv] bo=[$out] bv=[$vip] bm=[$masked] b2=[$vm2] proto=icmp6 rule=ping6 chain_rule=pings6 udp_rule=six gateway=fd00:1::1
	fi

	# --- trace: before there is anything ---
	own=$((own + 10))
	syn="tcp $b1:$own > $bs:443 syn"
	t=$(trace h1 vm1 "$syn")
	for word in 'port vm1' 'bridge left' 'router r' 'chain fw' 'seen' 'route' 'port srv' 'security_group web' 'https'; do
		contains "trace names what the packet meets: $word, IPv$f" "${word// /.*}" "$t"
	done
	t=$(trace h1 vm1 -j "$syn")
	holds "trace -j: the verdict, IPv$f" "j['verdict'] == 'forward'" "$t"
	holds '... where it leaves' "[(o['port'], o['host']) for o in j['outputs']] == [('srv', 'h2')]" "$t"
	holds '... what was read' "{'l4_dst', 'proto'} <= set(j['mask']) and any(m.startswith('ip_dst/') for m in j['mask'])" "$t"
	holds '... what it depends on' "{'router:r', 'chain:fw', 'sgroup:web', 'port:srv'} <= set(j['tags'])" "$t"
	holds '... the rules that count it' "[list(r.values()) for r in j['rules']] == [['fw', 'seen'], ['web', 'https']]" "$t"
	holds '... the connection is new' "j['ct'] == ['new'] and len(j['new_conns']) == 2" "$t"
	holds '... nothing was sent' "not [c for c in j['conns'] if c['proto'] == 'tcp' and c['sport'] == $own]" "$(skep h1 -j conn list --port vm1)"
	contains '--diff: no flow yet' 'no flow yet' "$(trace h1 vm1 --diff "$syn")"

	# --- the same packet, in earnest: the datapath does what the trace says, both ways ---
	opens vm1 $srv 443 $own
	equal "it happens so, IPv$f" "$vm1 srv" "$said"
	contains '--diff: the flow agrees' 'agrees|does the same' "$(trace h1 vm1 --diff "${syn/syn/ack}")"
	equal '... exit status' 0 "$(exit_of h1 trace --port vm1 --diff "${syn/syn/ack}")"
	contains '--diff of a port elsewhere: where to ask' "datapath of h1: .*on host 'h2'" "$(trace h1 srv --diff "tcp $bs:443 > $b1:$own ack")"
	contains '... at the other host, for the answer' 'agrees|does the same' "$(trace h2 srv --diff "tcp $bs:443 > $b1:$own ack")"
	t=$(trace h1 vm1 --diff -j "${syn/syn/ack}")
	holds '... -j' "j['diff']['flow'] == 'agrees' and 'established' in j['ct']" "$t"
	# somebody tampers with the flow: it drops
	map=$(find "$work/bpf" -path '*h1*' -name skep_flows$f)
	bpftool -j map dump pinned "$map" > "$work/flows"
	"$python" - "$work/flows" $own > "$work/tampered" <<-'PYTHON'
		import json, sys
		for f in json.load(open(sys.argv[1])):
		    k = f["formatted"]["key"]
		    if k["sport"] == list(int(sys.argv[2]).to_bytes(2, "big")):
		        print("key", "hex", *(b[2:] for b in f["key"]), "value", "hex", "01", *(b[2:] for b in f["value"][1:]))
	PYTHON
	check 'the flow is where the maps say' test "$(wc -l < "$work/tampered")" = 1
	bpftool map update pinned "$map" $(cat "$work/tampered") || not_ok 'bpftool cannot write the flow'
	t=$(trace h1 vm1 --diff "${syn/syn/ack}")
	contains '--diff: a flow that was tampered with differs' 'datapath of h1: the flow sends it elsewhere' "$t"
	equal '... exit status' 1 "$(exit_of h1 trace --port vm1 --diff "${syn/syn/ack}")"
	skep h1 flow flush > "$work/flush"
	contains '... and is gone when flushed' 'no flow yet' "$(trace h1 vm1 --diff "${syn/syn/ack}")"
	own=$((own + 1))
	opens vm1 $out 443 $own
	equal "SNAT, IPv$f" "$masked out" "$said"
	t=$(trace h1 vm1 --diff -j "tcp $b1:$own > $bo:443 ack")
	holds '... --diff' "j['diff']['flow'] == 'agrees'" "$t"
	holds '... what is changed' "any('$vm1 -> $masked' in r for r in j['outputs'][0]['rewrites'])" "$t"
	own=$((own + 1))
	opens out $vip 80 $own
	equal "a VIP, IPv$f" "$out srv" "$said"
	t=$(trace h1 out --diff -j "tcp $bo:$own > $bv:80 ack")
	holds '... --diff' "j['diff']['flow'] == 'agrees'" "$t"
	holds '... what is changed' "any('$vip -> $srv' in r for r in j['outputs'][0]['rewrites'])" "$t"
	contains '... the answer' 'agrees|does the same' "$(trace h2 srv --diff "tcp $bs:443 > $bo:$own ack")"
	own=$((own + 1))
	opens vm2 $out 443 $own
	equal "a floating IP, IPv$f" "$fip out" "$said"
	contains '... --diff' 'agrees|does the same' "$(trace h2 vm2 --diff "tcp $b2:$own > $bo:443 ack")"
	contains 'what skepd answers itself' 'no flow, and none will be made' "$(trace h1 vm1 --diff "icmp $vm1 > $gateway")"

	# --- conn list: as it was ---
	t=$(skep h1 -j conn list --port vm1)
	c="[c for c in j['conns'] if c['sport'] == $((own - 2)) and c['src'] == '$vm1']"
	holds "conn list: the connection through SNAT, IPv$f" "len($c) == 1 and ${c}[0]['direction'] == 'original' and ${c}[0]['dport'] == 443" "$t"
	holds '... its translation' "${c}[0]['nat'][0]['router'] == 'r' and ${c}[0]['nat'][0]['end'] == 'src' and '$masked' in ${c}[0]['nat'][0]['to']" "$t"
	contains '... for people' "tcp +.*$vm1.*$out" "$(skep h1 conn list --port vm1 | tr -d '[]')"

	can "a connection that stays, IPv$f" talk stays$f vm1 $srv 443
	can '... is in use' say stays$f
	states() { skep "$1" -j conn list --port "$2" | json "[c['state'] for c in j['conns'] if 443 in (c['sport'], c['dport']) and c['state'] == 'established'] != []"; }
	both() { [ "$(states h1 vm1)" = True ] && [ "$(states h2 srv)" = True ]; }
	can '... established, both hosts say' wait_for 5 both

	# --- a flow lasts: megabytes over a connection cost skepd nothing after the first packets ---
	for way in "vm1 $out SNAT" "vm1 $srv groups" "out $vip VIP" "vm2 $out floating"; do
		set -- $way
		a=$(($(stat_of h1 simulations) + $(stat_of h2 simulations)))
		equal "4 MB, $3, IPv$f" ok "$(in_vm $1 "$python" "$PWD/selftests/lib/big.py" push $2 $([ $3 = VIP ] && echo 81 || echo 9000) 4000000)"
		b=$(($(stat_of h1 simulations) + $(stat_of h2 simulations)))
		[ $((b - a)) -lt 60 ] && ok '... a few simulations do' || not_ok "... a few simulations do: $((b - a))"
	done

	# --- a drop ---
	in_vm vm1 "$stream" send $srv 7009 5 1000
	t="udp $b1:$own > $bs:7009"
	contains "a drop: who, IPv$f" "no-discard.*fw" "$(trace h1 vm1 "$t")"
	contains '... and what would let it pass' "an accept rule for udp/7009 from $vm1 to $srv before it" "$(trace h1 vm1 "$t")"
	in_vm vm1 "$python" -c "import socket; s = socket.socket(socket.AF_INET6 if $f == 6 else socket.AF_INET, socket.SOCK_DGRAM); s.bind(('$vm1', $own)); s.sendto(b'x', ('$srv', 7009))"
	drops_so() { trace h1 vm1 --diff "$t" | grep -q 'drops it for the same reason'; }
	can '... --diff: the flow drops it' wait_for 5 drops_so

	# --- why, and real attempts ---
	contains "why: yes, and the answer comes back, IPv$f" '^yes.*srv.*answer' "$(why h1 $vm1 $srv tcp/443 | tail -n 1)"
	contains '... by names of ports, too' "$([ $f = 4 ] && echo '^yes' || echo .)" "$(why h1 vm1 srv tcp/443 | tail -n 1)"
	contains '... asked anywhere' '^yes' "$(why h2 $vm1 $srv tcp/443 | tail -n 1)"
	contains '... both ways in the tree' 'security_group.*shut|reply of a connection' "$(why h1 $vm1 $srv tcp/443)"
	t=$(why h1 $srv $vm1 tcp/443 | tail -n 1)
	contains 'the other way round: no, and who refuses' "^no.*security group.*vm1" "$t"
	contains '... and what would help' "add an ingress rule for tcp/443 from $srv to security group 'shut'" "$t"
	equal '... so it is' '' "$(asks srv $vm1 443 $((own + 2)))"
	t=$(why h1 $vm1 $srv tcp/22 | tail -n 1)
	contains 'a port that the group does not open' "^no.*port 'srv'.*add an ingress rule for tcp/22 from $vm1 to security group 'web'" "$t"
	equal '... so it is' '' "$(asks vm1 $srv 22 $((own + 3)))"
	more_rules="      - {name: ssh, direction: ingress, proto: tcp, dst_ports: \"22\", remote: \"$vm1\"}"
	change
	own=$((own + 10))
	allowed() { own=$((own + 1)); [ "$(asks vm1 $srv 22 $own)" = "$vm1 srv" ]; }
	can '... with the rule that it asks for: it passes' wait_for 10 allowed
	contains '... and why says so' '^yes' "$(why h1 $vm1 $srv tcp/22 | tail -n 1)"
	more_rules=
	change
	holds '... -j' "j['reachable'] is True and j['forward']['verdict'] == 'forward' and j['reply']['verdict'] == 'forward'" \
		"$(skep h1 -j why $vm1 $srv tcp/443)"
	holds '... of a no' "j['reachable'] is False and j['forward']['hint'].startswith('add an ingress rule')" "$(skep h1 -j why $vm1 $srv tcp/23)"
	contains "why, through SNAT, IPv$f" '^yes' "$(why h1 $vm1 $out tcp/443 | tail -n 1)"
	contains '... to a VIP' '^yes' "$(why h1 $out $vip tcp/80 | tail -n 1)"
	contains '... to a floating IP' "^yes.*'vm2'" "$(why h1 $out $fip tcp/443 | tail -n 1)"
	contains '... to the gateway' '^yes: the network itself answers' "$(why h1 $vm1 $gateway icmp | tail -n 1)"
	for a in ${vm1%11}99 ${srv%13}99; do # on the same bridge, and behind the router
		t=$(why h1 $vm1 $a tcp/443)
		contains "... to $a, which nobody has" "^no: nobody is known to have $a on bridge '(left|right)'\$" "$(tail -n 1 <<<"$t")"
		refute '... blames nobody' grep -qE 'hint|add ' <<<"$t"
	done
	contains '... from an address that the port says it does not have' "^no.*not the port's" "$(why h1 vm1/${vm1%11}98 $srv tcp/443 | tail -n 1)"
	equal 'exit status of why: yes' 0 "$(exit_of h1 why $vm1 $srv tcp/443)"
	equal '... no' 1 "$(exit_of h1 why $vm1 $srv tcp/22)"
	equal '... no, -j' 1 "$(exit_of h1 why -j $vm1 $srv tcp/22)"
	equal '... no such port' 3 "$(exit_of h1 why nobody $srv tcp/22)"
	equal '... no such service' 2 "$(exit_of h1 why $vm1 $srv ssh)"
	equal '... of a packet that is none' 2 "$(exit_of h1 trace --port vm1 "tcp $b1:1 > $srv")"
	refute 'why: no tags' grep -qE '^(tags|flow depends on):' <<<"$(why h1 $vm1 $srv tcp/443)"
	contains '... but with -v' '^tags: port:vm1' "$(why h1 -v $vm1 $srv tcp/443 2>&1)"
	skep h1 -j flow list | json '"\n".join(f["port"] + " " + f["packet"] for f in j["flows"][:20])' > "$work/listed"
	check 'there are flows to trace' test -s "$work/listed"
	while read -r port packet; do
		t=$(trace h1 $port "$packet")
		case $(head -n 1 <<<"$t") in
			"$packet"*) ok "trace takes what flow list prints: $packet" ;;
			*) not_ok "trace takes what flow list prints: $packet"; note <<<"$t" ;;
		esac
	done < "$work/listed"
	stateful=false
	change
	told() { why h1 $vm1 $srv tcp/443 | tail -n 1 | grep -q '^no: the answer is dropped'; }
	can 'why: without state the answer is dropped' wait_for 10 told
	own=$((own + 1))
	equal '... so it is' '' "$(asks vm1 $srv 443 $own)"
	stateful=true
	change
	told() { why h1 $vm1 $srv tcp/443 | tail -n 1 | grep -q '^yes'; }
	can '... with it, it passes' wait_for 10 told
	own=$((own + 1))
	equal '... so it is' "$vm1 srv" "$(asks vm1 $srv 443 $own)"

	# --- counters: as many as were sent, though flows come and go meanwhile ---
	a=$(n_of h1 chain fw $chain_rule) b=$(n_of h1 security_group web $rule) c=$(n_of h1 chain fw $chain_rule bytes) d=$(n_of h2 security_group web $rule)
	ping_ok vm1 $srv 40 > "$work/ping" || { not_ok '40 pings'; note < "$work/ping"; }
	can "rule list: 40 pings are 40, IPv$f" wait_for 5 counted h1 chain fw $chain_rule $((a + 40))
	can '... of the rule that let them in' wait_for 5 counted h1 security_group web $rule $((b + 40))
	equal '... replies are no one'\''s' "$d" "$(n_of h2 security_group web $rule)"
	equal '... in bytes' $((40 * ($f == 4 ? 98 : 118))) $(($(n_of h1 chain fw $chain_rule bytes) - c))
	a=$(n_of h1 chain fw $udp_rule) b=$(n_of h1 security_group web udp)
	spawn nsenter --net="/run/netns/$id-vm1" "$stream" send $srv 7001 3000 3000
	sender=$!
	for _ in 1 2 3; do skep h1 flow flush > "$work/flush"; pause; pause; done
	wait $sender
	can '3000 datagrams while flows are flushed' wait_for 5 counted h1 chain fw $udp_rule $((a + 3000))
	can '... of the rule that let them in' wait_for 5 counted h1 security_group web udp $((b + 3000))
	a=$(n_of h1 chain fw no-discard)
	in_vm vm1 "$stream" flows $srv 7009 50 2000 4
	can 'dropped ones: 50 flows of 4' wait_for 5 counted h1 chain fw no-discard $((a + 200))
	contains '... for people' 'chain +fw +no-discard +[1-9]' "$(skep h1 rule list)"
	contains '...' 'security-group +web +https +[1-9]' "$(skep h1 rule list)"
	refute '... of one chain' grep -q https <<<"$(skep h1 rule list --chain fw)"

	# --- log watch ---
	spawn nsenter --net="/run/netns/$id-h1" "$SKEP" --config "$work/h1/skepd.yaml" log watch -n 1 --timeout 10 > "$work/log"
	watcher=$!
	wait_for 5 grep -q RULE "$work/log" || not_ok 'log watch does not start'
	own=$((own + 1))
	equal "a connection that a rule logs, IPv$f" "$vm1 srv" "$(asks vm1 $srv 443 $own)"
	can '... log watch saw it' wait $watcher
	contains '... with rule and packet' "vm1 +fw/seen +continue +.*$own > .*443" "$(cat "$work/log")"
	contains '... and skepd wrote it' "rule 'seen' of chain 'fw': continue: .*$own" "$(cat "$work/h1/log")"
done
