#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What agents say of a tenant's ports while somebody looks (GET /api/v1/tenants/{tenant}/live of skep-api), and that they say nothing when nobody does.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

host h1; host h2
standard_machines
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{ standard_doc "in_chain: fw"; standard_bindings; echo 'chains: [{name: fw, rules: [{name: no-discard, action: drop, proto: udp, dst_ports: "9"}]}]'; } |
	apply > "$work/apply.out" 2>&1 || bail "apply failed: $(cat "$work/apply.out")"
apply > "$work/apply.out" 2>&1 <<-YAML || bail "apply failed: $(cat "$work/apply.out")"
	tenant: other
	bridges: [{name: b}]
	ports: [{name: lone, bridge: b}]
YAML
standard_up || bail 'ports do not come up'
ping4_soon vm1 10.0.1.12 && ping4_soon vm1 10.0.2.13 || bail 'no way from vm1'
mkdir -p "$work/api"
cat > "$work/api/api.yaml" <<-YAML
	db: {mode: server, addresses: ["${underlay[h1]}:6379"]}
	listen: ["unix:$work/api/sock"]
YAML
nsenter --net="/run/netns/$id-h2" "$programs/skep-api" -c "$work/api/api.yaml" > "$work/api/log" 2>&1 & background+=($!)
wait_for 10 test -S "$work/api/sock" || bail "skep-api does not start: $(cat "$work/api/log")"

live() { curl -sS --unix-socket "$work/api/sock" "http://localhost/api/v1/tenants/${2:-t}/live${1:-}"; }
json() { "$python" -c 'import json, sys; j = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
says() { [ "$(live "${2:-}" "${3:-}" | json "$1" 2>/dev/null)" = True ]; }
redis() { in_host h1 redis-cli -h "${underlay[h1]}" "$@"; }
telemetry_key() { redis --scan --pattern 'skep:*:t:t:stash:telemetry' | grep .; }
writes() { redis info commandstats | sed -n 's/^cmdstat_\(hset\|hdel\|xadd\):calls=\([0-9]*\).*/\2/p' | awk '{ n += $1 } END { print n }'; }

# --- hosts, as operators see them ---
hosts() { skep - host list "$@"; }
contains 'host list over the API' '^h1 .* alive +2$' "$(hosts --api "unix:$work/api/sock")"
equal '... says what the state DB has' "$(hosts)" "$(hosts --api "unix:$work/api/sock")"

# --- who waits for agents is not slow ---
kill -STOP "${agent_pid[h2]}"
equal 'a change is waited for, in vain' 202 "$(curl -sS -o /dev/null -w '%{http_code}' --max-time 20 --unix-socket "$work/api/sock" -X PUT -H 'Content-Type: application/json' -d '{"bridges": [{"name": "waited"}]}' 'http://localhost/api/v1/tenants/t/topology?wait=3s')"
kill -CONT "${agent_pid[h2]}"
puts() { curl -sS --unix-socket "$work/api/sock" http://localhost/metrics | awk -v s="skep_api_request_duration_seconds_$1 " 'index($0, s) == 1 { print $2 }'; }
equal '... that is the time of the client' "1 1" "$(puts 'count{method="PUT"}') $(puts 'bucket{method="PUT",le="2.097152"}')"

# --- skep port list by way of the API shows what is up, and makes agents say nothing ---
equal 'skep port list --api' "$(skep h1 port list -t t)" "$("$SKEP" port list -t t --api "unix:$work/api/sock")"
equal '... as JSON' "$(skep h1 -j port list -t t)" "$("$SKEP" -j port list -t t --api "unix:$work/api/sock")"

# --- nobody looks: nothing is said ---
refute 'nobody looks: nothing is said' telemetry_key
t=$(live)
equal 'the first look: where ports are' "True h1 h2" "$(json "j['ports']['vm1']['up'], j['ports']['vm1']['host'], j['ports']['vm4']['host']" <<<"$t" | tr -d "(),'")"

# --- somebody looks ---
can 'a moment later: what ports carry' wait_for 8 says "all('rx_packets' in j['ports'][p] for p in ('vm1', 'vm2', 'vm3', 'vm4')) and sorted(j['hosts']) == ['h1', 'h2']"
before=$(live | json "j['ports']['vm1']['rx_packets']")
in_vm vm1 "$stream" send 10.0.1.12 7003 1000 2000
in_vm vm1 "$stream" send 10.0.2.13 9 50 1000
can 'packets of a machine' wait_for 8 says "abs(j['ports']['vm1']['rx_packets'] - $before - 1050) <= 20"
can '... and at the other end' wait_for 8 says "j['ports']['vm2']['tx_packets'] >= 1000"
can 'rates' wait_for 8 eval 'in_vm vm1 "$stream" send 10.0.1.12 7003 1000 2000; says "j[\"ports\"][\"vm1\"][\"rx_pps\"] > 50"'
in_vm vm1 "$stream" send 10.0.2.13 9 20 1000
can 'the last drops, and who is to blame' wait_for 8 says \
	"any(d['reason'] == 'policy' and d['port'] == 'vm1' and 'no-discard' in d['culprit'] and '10.0.2.13:9' in d['packet'] and d['host'] == 'h1' for d in j['drops'])"
can 'drops are counted' wait_for 8 says "j['ports']['vm1']['drops'] >= 70"
check 'events: ports that came up' says "{e['port'] for e in j['events'] if e['event'] == 'port_up'} == {'vm1', 'vm2', 'vm3', 'vm4'}"
check '... the newest first' says "[e['at_ms'] for e in j['events']] == sorted([e['at_ms'] for e in j['events']], reverse=True)"

# --- flows of a port ---
flows() { curl -sS --unix-socket "$work/api/sock" "http://localhost/api/v1/tenants/${2:-t}/live/flows?$1"; }
shows() { [ "$(flows "$2" "${3:-t}" | json "$1" 2>/dev/null)" = True ]; }
talk() { in_vm vm1 "$stream" send 10.0.1.12 7003 100 2000; in_vm vm1 "$stream" send 10.0.2.13 9 20 1000; }
flow_of() { flows "$1" | json "next(f['id'] for f in j['flows'] if $2)"; }
shows_after_talk() { talk; shows "$@"; }
goes="any({'port': 'vm2', 'host': 'h2'} in f['output'] and f['packets'] > 0 for f in j['flows'])"
dropped="any(f['action'] == 'drop' and f['reason'] == 'policy' and 'no-discard' in f['culprit'] for f in j['flows'])"
talk
can 'flows of a port: where they go, as its host has them' wait_for 10 shows_after_talk "j['host'] == 'h1' and j['age_ms'] < 5000 and $goes" port=vm1
can '... and which are dropped, by which rule' wait_for 10 shows_after_talk "$dropped" port=vm1
can '... by port number' wait_for 10 shows_after_talk "$dropped and not $goes" 'port=vm1&proto=udp&number=9'
can '... by address' wait_for 10 shows_after_talk "$goes" 'port=vm1&address=10.0.1.0/24'
can '... none of an address of another family' wait_for 10 shows "j['flows'] == []" 'port=vm1&proto=tcp&address=2001:db8::1'
can '... at how many packets a second' wait_for 10 shows_after_talk "any(f['pps'] > 5 for f in j['flows'])" port=vm1
drop=$(flow_of port=vm1 "f['action'] == 'drop' and 'no-discard' in f.get('culprit', '')")
can 'the way of a dropped one: the rule that decides' wait_for 10 shows_after_talk \
	"j['flow']['id'] == '$drop' and j['trace']['verdict'] == 'drop' and any(r['rule'] == 'no-discard' for r in j['trace']['rules'])" "port=vm1&flow=$drop"
way=$(flow_of port=vm1 "f['output'] and f['output'][0]['port'] == 'vm2'")
can '... of one that arrives' wait_for 10 shows_after_talk \
	"j['trace']['verdict'] == 'forward' and j['trace']['outputs'][0]['port'] == 'vm2' and j['trace']['steps'][0]['name'] == 'vm1'" "port=vm1&flow=$way"
apply > /dev/null <<< '{tenant: t, chains: [{name: fw, rules: []}]}'
arrives="any(any(o['port'] == 'vm3' for o in f['output']) for f in j['flows'])"
can 'a rule is taken away: it is seen on its flows' wait_for 10 shows_after_talk "not $dropped and $arrives" 'port=vm1&number=9'
apply > /dev/null <<< '{tenant: t, chains: [{name: fw, rules: [{name: no-discard, action: drop, proto: udp, dst_ports: "9"}]}]}'
can 'a flow that is not there' wait_for 10 shows "j['flows'] is not None and j['flow'] is None and j['trace'] is None" 'port=vm1&flow=00000000000000ff'
check 'a port that is up nowhere' shows "j['host'] is None and j['flows'] is None" port=lone other
contains "another tenant's port" '"status": *404' "$(flows port=vm1 other)"
for bad in '' port= 'port=vm1&proto=x' 'port=vm1&proto=0' 'port=vm1&address=10.' 'port=vm1&number=0' 'port=vm1&number=65536' 'port=vm1&flow=x' 'port=vm1&flow=0000000000000000'; do
	contains "flows?$bad" '"status": *40[04]' "$(flows "$bad")"
done

# --- a person who asks something else each time loads nobody ---
w=$(writes) s=$SECONDS
for n in $(seq 200); do flows "port=vm1&number=$n" > /dev/null; done
s=$((SECONDS - s + 1))
check "200 questions in $s s, $(($(writes) - w)) writes" [ $(($(writes) - w)) -le $((s * 4 + 10)) ]
wishes() { redis --scan --pattern 'skep:*:t:t:*' | while read -r k; do redis hget "$k" wish/telemetry 2>/dev/null; done | grep -ao '"vm1 [^"]*"' | sort -u | wc -l; }
can '... of which the last few count' wait_for 10 eval 'shows "j[\"flows\"] is not None" "port=vm1&number=200" && [ "$(wishes)" -ge 1 ] && [ "$(wishes)" -le 8 ]'

ip -n "$id-h1" link del vm3
can 'a port goes down' wait_for 10 says "not j['ports']['vm3']['up'] and any(e['event'] == 'port_down' and e['port'] == 'vm3' for e in j['events'])"
apply > /dev/null <<< '{tenant: t, ports: [{name: later, bridge: left}]}'
can 'a change is told' wait_for 10 says "any(e['event'] == 'changed' and 'port/later' in e['text'] for e in j['events'])"

# --- where ports are, and nothing else ---
equal 'places: where a port is' "h1 True 2" "$(live '?places=true&port=vm1' | json "j['ports']['vm1']['host'], j['ports']['vm1']['up'], len(j['ports']['vm1'])" | tr -d "(),'")"

# --- what health checks have found ---
apply > /dev/null <<< '{tenant: t, pools: [{name: pool}], members: [{name: m1, pool: pool, address: 10.0.2.13, port: 80}, {name: m2, pool: pool, address: 10.0.2.14, port: 80}]}'
skep - --tenant t member down m1 > /dev/null
can 'a member that was found down; of others nothing was found, and nobody asked about ports' wait_for 10 says "j['members'] == {'m1': {'up': False}} and j['ports'] == {}" '?places=true&member=m1,m2,nobody'
check 'ports, if they are asked for' says "sorted(j['ports']) == ['vm1'] and 'm1' in j['members']" '?member=m1&port=vm1'
check 'no member is told of who asks for none' says "'members' not in j" '?places=true'

# --- what is asked for ---
check 'one port' says "sorted(j['ports']) == ['vm1'] and all(d['port'] == 'vm1' for d in j['drops'])" '?port=vm1'
check 'two ports' says "sorted(j['ports']) == ['vm1', 'vm2']" '?port=vm1,vm2'
check 'one host' says "set(p['host'] for p in j['ports'].values()) == {'h2'} and sorted(j['hosts']) == ['h2']" '?host=h2'
contains 'something else' '"status": *400' "$(live '?colour=red')"
contains 'a tenant that is not there' '"status": *404' "$(live '' nobody)"
equal 'another tenant sees nothing of it' '[] [] [] []' "$(live '' other | json "[list(j[k]) for k in ('ports', 'hosts', 'drops', 'events')]" | sed 's/^\[\(.*\)\]$/\1/; s/, \[/ [/g')"

# --- a host with many ports says it in turns; packets pass meanwhile ---
n=600
in_host h1 sysctl -qw net.ipv6.conf.default.disable_ipv6=1 # both ends of a pair are ports of one bridge: what one of them sent would go round for ever
ip -n "$id-h1" -batch - <<< "$(for i in $(seq 1 2 $n); do echo "link add d$i type veth peer d$((i + 1))"; echo "link set d$i up"; echo "link set d$((i + 1)) up"; done)"
{
	echo 'tenant: many'; echo 'bridges: [{name: b}]'; echo 'ports:'
	for i in $(seq $n); do echo "  - {name: d$i, bridge: b}"; done
	echo 'bindings:'
	for i in $(seq $n); do echo "  - {port: d$i, host: h1, interface: d$i}"; done
} | apply > "$work/apply.out" 2>&1 || bail "apply failed: $(tail -n 1 "$work/apply.out")"
can 'many ports come up' wait_for 60 says "sum(p['up'] for p in j['ports'].values()) == $n" '' many
can '... and each says what it carries' wait_for 30 says "sum('rx_packets' in p for p in j['ports'].values()) == $n and j['hosts']['h1']['ports_here'] == $n" '' many
can '... those of the other tenant, too' wait_for 10 says "'rx_packets' in j['ports']['vm1']"
for i in $(seq 1 20 $n); do ip -n "$id-h1" link del "d$i"; live '' many > /dev/null; done # in twos, while others are being said
can 'ports that go are no trouble' wait_for 20 says "sum(p['up'] for p in j['ports'].values()) == $n * 9 // 10 and sum('rx_packets' in p and p['state'] == 'up' for p in j['ports'].values()) == $n * 9 // 10" '' many

# --- many look: the state DB is read and written no more often ---
reads() { redis info commandstats | sed -n 's/^cmdstat_hgetall:calls=\([0-9]*\).*/\1/p'; }
r=$(reads) w=$(writes) s=$SECONDS
for _ in $(seq 200); do live > /dev/null; done
s=$((SECONDS - s + 1))
check "... and not more seldom" [ $(($(reads) - r)) -ge 2 ]
check "200 looks in $s s, $(($(reads) - r)) reads" [ $(($(reads) - r)) -le $((s * 2 + 4)) ]
check "... $(($(writes) - w)) writes" [ $(($(writes) - w)) -le $((s * 4 + 10)) ]

# --- a host is gone; nobody looks any more ---
stop_skepd h2 KILL
can 'an agent that was killed: its ports are not up, and why' wait_for 20 says \
	"[j['ports'][p] for p in ('vm2', 'vm4')] == [{'host': 'h2', 'up': False, 'state': 'no agent', 'was_up': True}] * 2 and j['ports']['vm1']['up']"
equal 'skep port list --api says so, as the state DB does' "$(skep h1 -j port list -t t)" "$("$SKEP" -j port list -t t --api "unix:$work/api/sock")"
contains '... up, but without agent' '^vm4 .*up, no agent$' "$("$SKEP" port list -t t --api "unix:$work/api/sock")"
can 'a host that says nothing any more is not quoted' wait_for 20 says "sorted(j['hosts']) == ['h1'] and 'rx_packets' not in j['ports']['vm2']"
silent() { ! telemetry_key; }
can 'nobody looks: it is taken back' wait_for 40 silent
w=$(writes)
until [ "${ticks:=0}" -ge 60 ]; do ticks=$((ticks + 1)); pause; done
equal '... and nothing more is written' 0 $(($(writes) - w))

# --- the state DB hangs ---
pid=$(redis info server | sed -n 's/^process_id:\([0-9]*\).*/\1/p')
kill -STOP "$pid"
can 'the state DB does not answer: what is known, and why it is old' wait_for 20 says "'vm1' in j['ports'] and 'state DB' in j['telemetry_error']"
kill -CONT "$pid"
can '... and again when it does' wait_for 20 says "j['telemetry_error'] is None and 'h1' in j['hosts']"
