#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What 'skep top', 'flow list' and 'conn list' say, held against what is sent: rates, totals, who is busiest, who is to blame; as tables, as JSON and on
# a terminal.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

document() {
	cat <<-YAML
		tenant: t
		chains:
		  - name: fw
		    rules:
		      - {name: no-discard, action: drop, proto: udp, dst_ports: "9"}
		security_groups:
		  - name: open
		    rules: [{name: all4, direction: ingress, ethertype: ipv4}, {name: all6, direction: ingress, ethertype: ipv6}]
	YAML
	standard_doc "in_chain: fw, security_groups: [open]" | tail -n +2
	standard_bindings
}
host h1; host h2
standard_machines
vm lone h1 "$(mac_of 7)" 10.9.0.17/24 10.9.0.1
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/apply.out" 2>&1 || bail "apply failed: $(cat "$work/apply.out")"
apply > "$work/apply.out" 2>&1 <<-YAML || bail "apply failed: $(cat "$work/apply.out")"
	tenant: other
	bridges: [{name: b}]
	ports: [{name: lone, bridge: b, mac: "$(mac_of 7)", addresses: [10.9.0.17]}]
	bindings: [{port: lone, host: h1, interface: lone}]
YAML
standard_up && wait_for 10 port_up h1 lone || bail 'ports do not come up'

json() { "$python" -c 'import json, sys; j = json.loads(sys.stdin.readlines()[-1]); print(eval(sys.argv[1]))' "$1"; }
holds() { # TEXT EXPRESSION JSON: true of it
	local got
	got=$(json "$2" <<<"$3" 2>&1)
	if [ "$got" = True ]; then ok "$1"; else not_ok "$1"; printf '%s\n' "not so: $2" "$got" "$3" | note; fi
}
exit_of() { skep "$@" >/dev/null 2>&1; echo $?; }

# --- the load: 1000/s allowed and 200/s refused within h1, 100/s to h2; a connection that stays ---
wait_for 10 ping_ok vm1 10.0.2.13 && wait_for 10 ping_ok vm1 10.0.1.12 || bail 'no way from vm1'
udp_echo vm3 7002
tcp_echo vm3 443
can 'a connection that stays' talk stays vm1 10.0.2.13 443
spawn nsenter --net="/run/netns/$id-vm3" "$python" -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 7001))
while True: s.recv(2000)'
spawn nsenter --net="/run/netns/$id-vm1" "$stream" send 10.0.2.13 7001 1000000 1000
spawn nsenter --net="/run/netns/$id-vm1" "$stream" send 10.0.2.13 9 1000000 200
spawn nsenter --net="/run/netns/$id-vm1" "$stream" send 10.0.1.12 7003 1000000 100
busy() { [ "$(skep h1 -j flow list --action drop | json 'len(j["flows"])')" -gt 0 ]; }
can 'the load runs' wait_for 10 busy

# --- JSON: what is said is what is sent ---
# Twice as long a time as walks over flows have between them: what they see comes late, and lasts.
measure() { t=$(skep h1 -j top -n 3 -d 1 "$@"); }
near() { echo "$2 * 0.7 <= $1 <= $2 * 1.3"; }
p() { echo "[p for p in j['top_ports'] if p['port'] == '$1'][0]['$2']"; }
flow() { echo "[f for f in j['top_flows'] if '$1' in f['packet']][0]['$2']"; }
steady() { measure; [ "$(json "$(near "$(p vm3 tx_pps)" 1000) and $(near "$(p vm1 drops_ps)" 200)" <<<"$t")" = True ]; }
wait_for 20 steady
equal 'top -j: a line for each look' 3 "$(wc -l <<<"$t")"
holds 'what a machine sends' "$(near "$(p vm1 rx_pps)" 1300)" "$t"
holds '... in bits' "$(near "$(p vm1 rx_bps)" $((1300 * 64 * 8)))" "$t"
holds 'what another is sent, past its interface'\''s counters' "$(near "$(p vm3 tx_pps)" 1000)" "$t"
holds 'what is dropped of a port'\''s packets' "$(near "$(p vm1 drops_ps)" 200)" "$t"
holds 'who does nothing' "$(p lone rx_packets) >= 0 and $(p lone drops_ps) == 0" "$t"
holds 'the busiest first' "j['top_ports'][0]['port'] == 'vm1' and ':7001' in j['top_flows'][0]['packet']" "$t"
holds 'a flow' "$(near "$(flow :7001 pps)" 1000) and $(flow :7001 tenant) == 't' and $(flow :7001 output) == [{'port': 'vm3', 'host': 'h1'}]" "$t"
holds 'a flow that drops, and who is to blame' "$(near "$(flow '13:9' pps)" 200) and 'no-discard' in $(flow '13:9' culprit)" "$t"
holds 'totals' "$(near "j['rates']['rx_packets']" 1300) and $(near "j['rates']['to_hosts']" 100)" "$t"
holds 'drops by reason' "$(near "[d for d in j['drops'] if d['reason'] == 'policy'][0]['pps']" 200)" "$t"
holds '... and the last one' "'no-discard' in [d for d in j['drops'] if d['reason'] == 'policy'][0]['last']['culprit']" "$t"
holds 'head' "j['host'] == 'h1' and j['ports_up'] == 3 and j['peers'] == 1 and j['flows'] > 3 and j['conns'] > 0 and sorted(j['tenants']) == ['other', 't']" "$t"
holds 'how full tables are' "{x['name']: x['used'] > 0 for x in j['tables'] if x['used'] <= x['max']} .items() >= {'flows': True, 'conns': True, 'ports': True}.items()" "$t"
holds 'the agent is asked once for each look' "j['time_ns'] > j['ports_time_ns']" "$t"
measure --sort drops
holds '--sort drops' "j['top_ports'][0]['port'] == 'vm1' and {f['action'] for f in j['top_flows']} == {'drop'}" "$t"
t=$(skep h1 -j top -n 1 -d 0.2 --tenant other)
holds '--tenant' "[p['port'] for p in j['top_ports']] == ['lone'] and {f['tenant'] for f in j['top_flows']} <= {'other'}" "$t"
equal '... that is not there' 3 "$(exit_of h1 top -n 1 --tenant nobody)"
equal 'sorted by nonsense' 2 "$(exit_of h1 top -n 1 --sort colour)"
equal 'no time at all' 2 "$(exit_of h1 top -n 1 -d 0)"

# --- tables ---
t=$(skep h1 top -n 2 -d 0.5 < /dev/null)
equal 'tables: as often as asked' 2 "$(grep -c '^PORT ' <<<"$t")"
contains '... ports' "^vm1 +t +vm1 .*[0-9]" "$t"
contains '... flows' "udp 10.0.1.11.* > 10.0.2.13:4096-8191.* +vm3\$" "$t"
contains '... to another host' ':4096-8191.* +vm2@h2$' "$t"
contains '... drops' "policy +rule 'no-discard' of chain 'fw' \(vm1: udp " "$t"
refute '... without escapes' grep -q $'\033' <<<"$t"

# --- a terminal ---
screen() { # COLUMNS ROWS [ARGUMENTS...]: steps on standard input
	local line columns=$1 rows=$2
	shift 2
	while IFS= read -r line; do
		case $line in
		'ok '*) ok "at ${columns}x$rows: ${line#ok }" ;;
		'not ok '*) not_ok "at ${columns}x$rows: ${line#not ok }" ;;
		*) echo "$line" ;;
		esac
	done < <(nsenter --net="/run/netns/$id-h1" "$python" selftests/lib/screen.py "$columns" "$rows" \
		env LC_ALL=C.UTF-8 ${no_color:+NO_COLOR=1} "$SKEP" --config "$work/h1/skepd.yaml" top -d 0.5 "$@" 2>&1 || echo "not ok screen.py")
}
screen 80 24 <<-'STEPS'
	see ^h1 +up .*ports 3 of 3 up
	see ^vm1 +t +vm1
	see udp 10\.0\.1\.11.* vm3$
	see drop: policy
	see ^q quit +s sort bits
	full
	key s
	see sort packets
	key t
	see tenant other
	hide ^vm1
	key a
	see ^vm1
	key +
	see every 0\.2 s
	key h
	see how full tables are
	key h
	hide how full tables are
	key v
	see view ports
	hide FLOW
	key vvv
	see FLOW
	key p
	see paused
	size 200 50
	full
	key p
	hide paused
	full
	size 60 12
	full
	see ^vm1
	key q
	exit 0
STEPS
screen 200 50 --sort drops <<-'STEPS'
	see ^ +[0-9.]+k? +.*drop: policy, rule 'no-discard' of chain 'fw'$
	full
	signal SIGTSTP
	away
	signal SIGCONT
	see ^vm1 .*[0-9]$
	full
	signal SIGTERM
	exit -15
STEPS
no_color=1 screen 80 24 <<-STEPS
	see ^vm1
	plain
	run kill -STOP ${agent_pid[h1]}
	see did not answer
	full
	run kill -CONT ${agent_pid[h1]}
	hide did not answer
	see ^q quit
	plain
	signal SIGINT
	exit 0
STEPS

# --- flow list ---
t=$(skep h1 -j flow list --sort rate --limit 2)
holds 'flow list: the fastest' "len(j['flows']) == 2 and j['total'] > 2 and ':7001' in j['flows'][0]['packet'] and $(near "j['flows'][0]['pps']" 1000)" "$t"
holds '... with names' "j['flows'][0]['port'] == 'vm1' and j['flows'][0]['tenant'] == 't' and j['flows'][0]['output'] == [{'port': 'vm3', 'host': 'h1'}] and 'port:vm3' in j['flows'][0]['tags']" "$t"
holds '... with age' "0 < j['flows'][0]['age_ms'] < 600000 and j['flows'][0]['idle_ms'] < 5000" "$t"
t=$(skep h1 -j flow list --tenant t --action drop)
holds '--action' "{f['action'] for f in j['flows']} == {'drop'} and 'no-discard' in j['flows'][0]['culprit']" "$t"
t=$(skep h1 -j flow list --port vm3)
holds '--port' "{f['port'] for f in j['flows']} == {'vm3'}" "$t"
t=$(skep h1 -j flow list --tenant other)
holds '--tenant' "{f['tenant'] for f in j['flows']} <= {'other'}" "$t"
t=$(skep h1 -j flow list --rate 1 --sort rate)
holds '--rate' "$(near "j['flows'][0]['pps']" 1000)" "$t"
t=$(skep h1 flow list --tenant t)
contains 'for people' '^vm1 +udp .*:4096-8191.* +vm2@h2 +[0-9]+ +[0-9]+ +[0-9.]+' "$t"
w="[f for f in j['flows'] if f['tags'] and f.get('mask') and '13:4096-8191 ' in f['match'] + ' ']"
holds 'wildcards: what they look at' "{'ip_dst', 'proto', 'l4_dst'} <= {m.split('/')[0] for m in ${w}[0]['mask'].split()} and 'l4_src' not in ${w}[0]['mask']" \
	"$(skep h1 -j flow list --tenant t)"
contains '-v: masks' 'mask +.*ip_dst' "$(skep h1 flow list -v)"
contains '-v: tags' 'tags +port:vm1 .*port:vm3' "$(skep h1 flow list -v)"
equal 'sorted by nonsense' 2 "$(exit_of h1 flow list --sort colour)"
equal 'an action that is none' 2 "$(exit_of h1 flow list --action fly)"

# --- conn list ---
can 'the connection is in use' say stays
c="[c for c in j['conns'] if c['proto'] == 'tcp']"
t=$(skep h1 -j conn list --port vm1 --proto tcp --state established --address 10.0.2.13)
holds 'conn list' "len(j['conns']) == 1 and $c[0]['other_port'] == 'vm3' and $c[0]['other_host'] == 'h1' and $c[0]['host'] == 'h1'" "$t"
holds '... both directions' "$c[0]['src'] == $c[0]['other_dst'] and $c[0]['sport'] == $c[0]['other_dport'] and $c[0]['other_sport'] == 443" "$t"
holds '... how long it has' "$c[0]['timeout_s'] - 30 < $c[0]['left_s'] <= $c[0]['timeout_s']" "$t"
contains 'for people' '^vm1 +tcp +10.0.1.11:[0-9]+ +10.0.2.13:443 +established +original +vm3 ' "$(skep h1 conn list --proto tcp)"
contains '... to another host' '^vm1 +udp +.*:7003 +[a-z]+ +original +vm2@h2 ' "$(skep h1 conn list --address 10.0.1.12)"
holds '--state' "j['conns'] == []" "$(skep h1 -j conn list --state fin_wait --address 10.0.1.12)"
equal 'an address that is none' 2 "$(exit_of h1 conn list --address here)"
holds '--limit' "len(j['conns']) == 1" "$(skep h1 -j conn list --limit 1)"
