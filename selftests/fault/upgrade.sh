#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# skepd and its programs give way to another version, and that one to this again, on both hosts, under load: known flows, established connections and new
# ones of known classes lose nothing; nor when a process dies in the middle of it.  A datapath of another ABI is refused, and replaced when told to.
# ROUNDS: upgrades and downgrades of each host.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh && . selftests/lib/pace.sh
attack=$O/selftests/net/attack
ours=$SKEPD other=${SKEPD_OTHER:-$O_FAST/other/build/skepd}
[ -x "$other" ] || bail "no $other (run 'make O=$O_FAST other-version')"
ROUNDS=${ROUNDS:-1}

direct=1
host h1; host h2
for h in h1 h2; do config $h 'conns: {port_max: 60000}'; done
standard_machines
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{
	standard_doc 'security_groups: [some]'
	cat <<-YAML
		security_groups:
		  - name: some
		    rules:
		      - {name: http, direction: ingress, ethertype: ipv4, proto: tcp, dst_ports: "80"}
		      - {name: udp, direction: ingress, ethertype: ipv4, proto: udp, dst_ports: "5001-5353"}
		      - {name: ping, direction: ingress, ethertype: ipv4, proto: icmp}
	YAML
	standard_bindings
} | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
standard_up || bail 'ports do not come up'
ping4_soon vm1 10.0.2.14 || bail 'no traffic'
know_gateways
for v in vm1 vm4; do tcp_echo $v 80; done
spawn nsenter --net="/run/netns/$id-vm4" "$attack" serve 5353 > /dev/null
wait_for 5 udp_listening vm4 5353 || bail 'no server in vm4'
talk there vm1 10.0.2.14 80 && talk back vm4 10.0.1.11 80 || bail 'no connection through the security groups'

# --- what is compared ---
links() { local l; for l in "$work/bpf/skep/$1"/*/links/*; do echo "${l##*/} $(bpftool -j link show pinned "$l" | grep -oE "\"$2\": ?[0-9]+")"; done; } # HOST id|prog_id
declare -A ids=() progs=()
for h in h1 h2; do ids[$h]=$(links $h id) progs[$h]=$(links $h prog_id); done
contains 'the interfaces have links' '^[0-9]+-in "id"' "${ids[h1]}"
wrong=
same_links() { # HOST: the same ids, and every one of them another program
	local now
	[ "$(links "$1" id)" = "${ids[$1]}" ] || wrong="$wrong; links of $1: ${ids[$1]} now $(links "$1" id)"
	now=$(links "$1" prog_id)
	[ -z "$(comm -12 <(sort <<<"$now") <(sort <<<"${progs[$1]}"))" ] || wrong="$wrong; programs of $1: ${progs[$1]} now $now"
	progs[$1]=$now
}
version() { status "$1" | grep -oE '"datapath": *\{"version": *"[^"]*"' | grep -oE '[^"]*"$' | tr -d '"'; }
to_version() { # HOST PROGRAM
	stop_skepd "$1"
	SKEPD=$2
	back "$1" || bail "skepd of $1 does not come back"
}
ready() { wait_for 20 port_up "$1" "$([ "$1" = h1 ] && echo vm1 || echo vm4)" || wrong="$wrong; $1 has no ports"; }
talks() { say there && say back; }

# --- up and down ---
contains 'the class of new connections becomes known' '^asked 20 answered 20 ' "$(in_vm vm1 "$attack" ask 10.0.2.14 5353 20 50 60000)"
pace_start
# on a busy machine the server may be late; what is lost is never answered
ATTACK_ANSWER_MS=8000 spawn nsenter --net="/run/netns/$id-vm1" "$attack" ask 10.0.2.14 5353 $((ROUNDS * 4000)) 400 20000 > "$work/asked"
asker=$!
ups=0 downs=0
for ((i = 0; i < ROUNDS; i++)); do
	for h in h1 h2; do
		to_version $h "$other"; ready $h; same_links $h; ups=$((ups + 1))
		[ "$(version $h)" = 0.0.0-other ] || wrong="$wrong; $h says it is $(version $h)"
		talks || wrong="$wrong; no answer behind an upgrade of $h"
	done
	for h in h1 h2; do
		to_version $h "$ours"; ready $h; same_links $h; downs=$((downs + 1))
		[ "$(version $h)" = 0.0.0-other ] && wrong="$wrong; $h says it is $(version $h)"
		talks || wrong="$wrong; no answer behind a downgrade of $h"
	done
done
equal 'links were updated in place, ports adopted, connections answered each time' '' "$wrong"
pace_end "$ups upgrades, $downs downgrades"
wait $asker
contains 'new connections, and their replies' "^asked ([0-9]+) answered \1 " "$(cat "$work/asked")"
contains 'nobody leaves maps behind' '^0$' "$(find "$work/bpf/skep" -name 'skep_other' -o -name '*skep_stages-*' | wc -l)"
contains 'a program tells its version' 'version = "[0-9]' "$(bpftool prog show pinned "$(find "$work/bpf/skep/h1" -name skep_tc_port)")"
conn_of() { conns "$1" "$2" | grep -c '"dport": *80\b'; }
contains 'the connections have their records, at both ends' '^[1-9].* [1-9]' "$(conn_of h1 vm1) $(conn_of h2 vm4)"

# --- killed in the middle: on a random point of its start ---
kill_starting() { # HOST PROGRAM MS
	nsenter --net="/run/netns/$id-$1" "$2" -c "$work/$1/skepd.yaml" >> "$work/$1/log" 2>&1 </dev/null &
	local pid=$!
	"$python" -c "import select; select.select([], [], [], $3 / 1000)"
	kill -KILL $pid
	wait $pid 2>/dev/null
}
pace_start
stop_skepd h1; stop_skepd h2
killed=0
while [ $killed -lt $((ROUNDS * 6)) ]; do
	for h in h1 h2; do
		kill_starting $h "$([ $((killed / 2 % 2)) = 0 ] && echo "$other" || echo "$ours")" $((RANDOM % 200 + 5))
		killed=$((killed + 1))
	done
done
SKEPD=$ours
back h1 && back h2 || bail 'the agents do not come back'
wrong=
ready h1; ready h2
pace_end "$killed processes of both versions killed while they started"
can 'the connections go on' talks
for h in h1 h2; do progs[$h]=; same_links $h; done
equal 'on the same links' '' "$wrong"
contains 'and nothing is left behind' '^0$' "$(find "$work/bpf/skep" -name 'skep_other' -o -name '*skep_stages-*' | wc -l)"

# --- another ABI ---
pace_start
abi=$(cd "$work/bpf/skep/h1" && echo abi*)
for h in h1 h2; do stop_skepd $h; mv "$work/bpf/skep/$h/$abi" "$work/bpf/skep/$h/abi0"; done
for h in h1 h2; do
	in_host $h timeout 10 "$SKEPD" -c "$work/$h/skepd.yaml" > "$work/out" 2>&1
	equal "a datapath of another ABI is refused ($h)" 1 $?
	contains '... by name, with what to do' "'abi0', this one is '$abi'.*skepd --replace" "$(cat "$work/out")"
done
pace_end 'refused'
for h in h1 h2; do mv "$work/bpf/skep/$h/abi0" "$work/bpf/skep/$h/$abi"; done
back h1 && back h2 || bail 'the agents do not come back'
ready h1; ready h2
pace_start
wrong=
for h in h1 h2; do
	stop_skepd $h
	check "skepd --replace ($h)" in_host $h "$SKEPD" -c "$work/$h/skepd.yaml" --replace
	back $h || bail 'the agent does not come back'
	ready $h; progs[$h]=; same_links $h
done
equal 'replaced, on the same links' '' "$wrong"
replaced() { [ -z "$(find "$work/bpf/skep" -name 'replaced-*' -o -name abi0)" ]; }
check 'the old datapath has gone' wait_for 20 replaced
pace_end 'a datapath replaced on both hosts costs two seconds at most' $((RATE * 2))
can 'the connections go on' talks
check 'new flows work' ping_ok vm2 10.0.2.13 3
