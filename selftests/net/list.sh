#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who lists everything that skepd knows keeps no packet waiting: while 100 000 connections are listed, and flows, and top is watched, first
# packets that need skepd are answered as soon as else, or nearly.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

attack=$O/selftests/net/attack
want=${CONNS:-100000} # records: two for each connection
slow=${SLOW_US:-150000} # a turn is a millisecond; the machine may be busy
host h1
vm vm1 h1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1
vm vm2 h1 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1
vm vm3 h1 "$(mac_of 3)" 10.0.1.13/24 10.0.1.1
config h1 'conns: {max: 400000, port_max: 200000, udp_new_s: 600, udp_replied_s: 600}'
start_skepd h1 || bail 'skepd does not start'
# each connection of vm3 is skepd's work: it is of a stateful group
apply > "$work/apply.out" 2>&1 <<-YAML || bail "apply failed: $(cat "$work/apply.out")"
	tenant: t
	security_groups: [{name: any, rules: [{name: udp, direction: ingress, ethertype: ipv4, proto: udp}]}]
	port_groups: [{name: shared, stateful: true}]
	bridges: [{name: left}]
	ports:
	  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11], security_groups: [any]}
	  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12], security_groups: [any]}
	  - {name: vm3, bridge: left, mac: "$(mac_of 3)", addresses: [10.0.1.13], security_groups: [any], port_groups: [shared]}
	bindings: [{port: vm1, host: h1, interface: vm1}, {port: vm2, host: h1, interface: vm2}, {port: vm3, host: h1, interface: vm3}]
YAML
for p in vm1 vm2 vm3; do wait_for 20 port_up h1 $p || bail "port '$p' does not come up"; done
spawn nsenter --net="/run/netns/$id-vm2" "$attack" serve 7 > "$work/served"
wait_for 5 grep -q ready "$work/served" || bail 'no server'

ask() { timeout 30 nsenter --net="/run/netns/$id-$1" "$attack" ask 10.0.1.12 7 "$2" "$3" "$4"; } # VM COUNT RATE SOURCE-PORT
conns_known() { skep h1 -j top -n 1 | "$python" -c 'import json, sys; print(json.load(sys.stdin)["conns"])'; }
all_known() { [ "$(conns_known)" -ge "$1" ]; }
timeout 60 nsenter --net="/run/netns/$id-vm1" "$attack" ask 10.0.1.12 7 $((want / 2)) 20000 10000 > "$work/made" || bail "connections are not made: $(cat "$work/made")"
check "skepd knows $want records" wait_for 30 all_known $((want / 100 * 99))

next_port=20000 # each flow is a new one
longest() { # COMMAND...: what first packets of vm3 wait at most while the command runs, in microseconds
	local out pid max=0 us
	"$@" > "$work/listed" 2> "$work/listed.err" &
	pid=$!
	while :; do
		out=$(ask vm3 20 1000 $next_port) || { echo "a first packet was lost: $out"; break; }
		next_port=$((next_port + 20))
		us=$(sed -n 's/.*max_us \([0-9]*\).*/\1/p' <<< "$out")
		[ "$us" -gt $max ] && max=$us
		kill -0 $pid 2>/dev/null || break
	done
	wait $pid && echo $max $next_port || cat "$work/listed.err"
}
while_it() { # TEXT COMMAND...: what skepd does in one go makes them wait each time; what else the machine does, not
	local text=$1 out max try
	shift
	for try in 1 2 3; do
		out=$(longest "$@")
		read -r max next_port <<< "$out"
		[[ $out =~ ^[0-9]+\ [0-9]+$ ]] || { not_ok "$text: $out"; return; }
		echo "# $text: no first packet took more than $max us"
		[ "$max" -le "$slow" ] && { ok "$text: first packets do not wait"; return; }
	done
	not_ok "$text: first packets wait"
}
listed() { "$python" -c 'import json, sys; d = json.load(sys.stdin); l = d[sys.argv[1]]; print(len(l), d["truncated"], len({json.dumps({k: r[k] for k in ("port", "src", "sport", "dst", "dport")}) for r in l}) if sys.argv[1] == "conns" else "")' "$1" < "$work/listed"; }

while_it 'top' skep h1 -j top -n 2 -d 1
while_it 'all connections' skep h1 -j conn list --limit 1000000
read -r n cut different <<< "$(listed conns)"
[ "$n" -ge $((want / 100 * 99)) ] && ok "all are listed: $n" || not_ok "all are listed: $n of $want"
equal 'each once' "$n" "$different"
equal 'and no more are said to be there' False "$cut"
while_it 'connections of one address, of which there are none' skep h1 -j conn list --address 10.9.9.9
equal '... and none is listed' '0 False 0' "$(listed conns)"
while_it 'connections without a limit' skep h1 -j conn list
equal 'are 20000, and it is said that there are more' '20000 True 20000' "$(listed conns)"
while_it 'all flows' skep h1 -j flow list --limit 20000

# a list says what is so now: connections that have just been answered are listed as answered, not as they were when skepd last looked at the kernel's records
states() { "$python" -c 'import collections, json, sys
print(*sorted(collections.Counter(c["state"] for c in json.load(sys.stdin)["conns"] if c["dport"] == 9).items()))' < "$work/listed"; }
ask_9() { timeout 30 nsenter --net="/run/netns/$id-vm1" "$attack" ask 10.0.1.12 9 50 1000 $next_port; }
list_vm1() { skep h1 -j conn list --port vm1 --address 10.0.1.12 --limit 1000000 > "$work/listed"; }
unanswered() { list_vm1 && [ "$(states)" = "('unreplied', 50)" ]; }
contains 'nobody answers' 'answered 0' "$(ATTACK_ANSWER_MS=1 ask_9)"
check '... and so it is listed' wait_for 10 unanswered
spawn nsenter --net="/run/netns/$id-vm2" "$attack" serve 9 > "$work/served.9"
wait_for 5 grep -q ready "$work/served.9" || bail 'no server'
contains 'somebody answers' 'answered 50' "$(ask_9)"
list_vm1 || not_ok 'conn list'
equal '... and so it is listed' "('replied', 50)" "$(states)"

# several at once, one of which does not read: each has its answer
for i in 1 2 3; do spawn skep h1 -j conn list --limit 30000 > "$work/many.$i"; pids[i]=$!; done
for i in 1 2 3; do can "three at once: $i" wait "${pids[i]}"; contains '... has its answer' '"truncated": ?true' "$(tail -c 100 "$work/many.$i")"; done
