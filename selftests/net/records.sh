#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Records of flows and connections, as IPFIX (taken apart by tshark) and as JSON lines, held against what was sent; a disk that does not answer.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

host h1; host h2
standard_machines
file=$work/flows.json
timeouts='conns: {tcp_closed_s: 1, udp_new_s: 5, udp_replied_s: 5}'
config h1 "flow_records: {ipfix: \"${underlay[h2]}:4739\", file: $file, active_s: 5}" 'flows: {idle_s: 2}' "$timeouts"
config h2 "$timeouts"
spawn nsenter --net="/run/netns/$id-h2" tcpdump -i u0 -U -w "$work/ipfix.pcap" udp port 4739 2>/dev/null
spawn nsenter --net="/run/netns/$id-h2" "$stream" recv 4739 1000000 600000 > /dev/null # somebody takes them
wait_for 10 test -e "$work/ipfix.pcap"
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{
	standard_doc 'in_chain: fw' | grep -v 'name: vm[13]'
	cat <<-YAML
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11, "fd00:1::11"], in_chain: fw, security_groups: [open]}
		  - {name: vm3, bridge: right, mac: "$(mac_of 3)", addresses: [10.0.2.13, "fd00:2::13"], in_chain: fw}
		chains: [{name: fw, rules: [{name: no-discard, action: drop, proto: udp, dst_ports: "9"}]}]
		security_groups: [{name: open, rules: [{name: a4, direction: ingress, ethertype: ipv4}, {name: a6, direction: ingress, ethertype: ipv6}]}]
	YAML
	standard_bindings
} | apply > "$work/apply.out" 2>&1 || bail "apply failed: $(cat "$work/apply.out")"
standard_up || bail 'ports do not come up'
ping4_soon vm1 10.0.1.12 && ping4_soon vm3 10.0.2.14 || bail 'no way'

lines() { "$python" -c 'import json, sys
r = [json.loads(l) for l in open(sys.argv[1])]
print(eval(sys.argv[2]))' "$file" "$1"; }
holds() { [ "$(lines "$1" 2>/dev/null)" = True ]; }
# the stream's packets have 24 bytes of payload: 52 of IP, 66 of Ethernet
sent='f.get("port") == "vm3" and f["kind"] == "flow" and f.get("proto") == "udp"'

# --- what is sent is what is told, in parts ---
in_vm vm3 "$stream" send 10.0.2.14 7003 3000 500
in_vm vm3 "$stream" send 10.0.1.12 7004 700 2000
in_vm vm3 "$stream" send 10.0.2.14 9 300 1000
can 'all packets are told' wait_for 30 holds "sum(f['packets'] for f in r if $sent and f['action'] == 'forward') == 3700"
check 'in several records: a flow that goes on is told now and then' holds "len([f for f in r if $sent and f['end'] == 'active']) >= 1"
check 'bytes' holds "sum(f['bytes'] for f in r if $sent and f['action'] == 'forward') == 3700 * 66"
check 'where to' holds "{(f.get('out_port'), f.get('out_host')) for f in r if $sent and f['action'] == 'forward'} == {('vm4', 'h2'), ('vm2', 'h2')}"
can 'what is dropped, and why' wait_for 30 holds "sum(f['packets'] for f in r if $sent and f['action'] == 'drop' and f['reason'] == 'policy' and 'no-discard' in f['culprit']) == 300"
check 'times are those of the day' holds "all(0 <= __import__('time').time() * 1000 - f['end_ms'] < 120000 and f['start_ms'] <= f['end_ms'] for f in r)"
check 'no record overlaps the next one of its flow' holds "all(a['end_ms'] <= b['start_ms'] + 2 for m in {f.get('match') for f in r if $sent} for a, b in zip(*(lambda x: (x, x[1:]))(sorted([f for f in r if $sent and f.get('match') == m], key=lambda f: f['start_ms']))))"
can 'flows that are idle end' wait_for 40 holds "any(f['end'] == 'idle' for f in r if f['kind'] == 'flow')"

# --- connections ---
mkdir -p "$work/www" && echo hello > "$work/www/x" && http_server vm2 "$work/www" 8080
equal 'a connection' hello "$(in_vm vm1 curl -sS --max-time 5 http://10.0.1.12:8080/x)"
can 'is told when it is over' wait_for 40 holds "[(c['src'], c['dst'], c['dport'], c['post_dst'], c['post_dport'], c['port'], c['out_port'], c['end']) for c in r if c['kind'] == 'connection' and c['proto'] == 'tcp'] == [('10.0.1.11', '10.0.1.12', 8080, '10.0.1.12', 8080, 'vm1', 'vm2', 'ended')]"

# --- the same, as others read it ---
templates() { tshark -r "$work/ipfix.pcap" -d udp.port==4739,cflow "$@" 2>/dev/null; }
seen() { [ "$(templates -T fields -e cflow.template_id | tr ',' '\n' | grep -c .)" -ge 5 ]; }
can 'templates come first' wait_for 10 seen
templates -V > "$work/dissected"
refute 'tshark finds nothing malformed' grep -qiE 'malformed|no template found|exception|unknown (element|field|type)' "$work/dissected"
"$python" selftests/lib/ipfix.py "$work/dissected" > "$work/ipfix.json" 2> "$work/err" || note < "$work/err"
ipfix() { "$python" -c 'import json, sys
r = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$work/ipfix.json" "$1"; }
again() { templates -V > "$work/dissected" && "$python" selftests/lib/ipfix.py "$work/dissected" > "$work/ipfix.json" && [ "$(ipfix "$1")" = True ]; }
v3='x.get("IfName") == "vm3" and x.get("Protocol") == "UDP" and "Packets" in x'
can 'packets' wait_for 20 again "sum(int(x['Packets']) for x in r if $v3 and x['ForwardingStatus'].startswith('Forward')) == 3700"
check 'bytes of IP' again "sum(int(x['Octets']) for x in r if $v3 and x['ForwardingStatus'].startswith('Forward')) == 3700 * 52"
check 'bytes of Ethernet' again "sum(int(x['Layer2OctetDeltaCount']) for x in r if $v3 and x['ForwardingStatus'].startswith('Forward')) == 3700 * 66"
check 'what a rule drops' again "sum(int(x['Packets']) for x in r if $v3 and x['ForwardingStatus'].startswith('Drop')) == 300"
check 'tenant, ports' again "{(x['VRFname'], x['VirtualStationInterfaceName']) for x in r if $v3 and x['ForwardingStatus'].startswith('Forward')} == {('t', 'vm4'), ('t', 'vm2')}"
check 'a connection, and what it is translated to' again "[(x['SrcAddr'], x['DstAddr'], x['DstPort'], x['PostNATDestinationIPv4Address'], x['PostNAPTDestinationTransportPort']) for x in r if 'PostNATDestinationIPv4Address' in x and x['Protocol'] == 'TCP'] == [('10.0.1.11', '10.0.1.12', '8080', '10.0.1.12', '8080')]"
check 'sampling is told' again "any(x.get('SamplingProbability', '').startswith('1') for x in r)"
numbers() { templates -T fields -e cflow.sequence -e cflow.len | "$python" -c 'import sys; n = [int(l.split()[0]) for l in sys.stdin if l.strip()]; print(n == sorted(n) and n[-1] > 0)'; }
equal 'messages are numbered by their records' True "$(numbers)"

# --- the file is moved away; the collector goes ---
mv "$file" "$file.1"
can 'a file that was moved away is made anew' wait_for 15 eval 'in_vm vm3 "$stream" send 10.0.2.14 7005 10 1000; test -s "$file"'
mode=$(stat -c %a "$file")
equal '... for its owner and group only' 640 "$mode"
before=$(status h1 | wc -c)
ip -n "$id-h2" link set u0 down
in_vm vm3 "$stream" send 10.0.2.13 9 10 1000
check 'without a collector, skepd goes on' test "$before" -gt 0 -a -n "$(status h1)"
ip -n "$id-h2" link set u0 up

# --- a collector that there is no way to yet, and one that comes and goes ---
stop_skepd h1
away=203.0.113.9
sed -i 's/^flow_records:.*/flow_records: {ipfix: "'$away':4740", active_s: 5}/' "$work/h1/skepd.yaml"
: >"$work/h1/log"
if start_skepd h1; then ok 'no way to the collector: skepd starts'; else not_ok 'no way to the collector: skepd starts'; fi
contains '... and says so' "no way to '$away:4740': Network is unreachable" "$(cat "$work/h1/log")"
ip -n "$id-h2" addr add "$away/32" dev u0
ip -n "$id-h1" route add "$away/32" dev u0
logged() { [ "$(grep -c "$1" "$work/h1/log")" -ge "$2" ]; }
told_of() { in_vm vm3 "$stream" send 10.0.2.14 7010 20 1000 && logged "$@"; }
can 'the way appears: it is gone' wait_for 20 logged "there is a way to the collector '$away:4740'" 1
can '... but nobody is there' wait_for 60 told_of "the collector '$away:4740' cannot be reached" 1
nsenter --net="/run/netns/$id-h2" "$stream" recv 4740 1000000 600000 > /dev/null & collector=$!
background+=($collector)
can 'somebody comes: said' wait_for 90 told_of "the collector '$away:4740' is there again" 1
kill $collector
can 'and goes: said again' wait_for 60 told_of "the collector '$away:4740' cannot be reached" 2

# --- one of many ---
stop_skepd h1
sed -i 's/^flow_records:.*/flow_records: {file: '"${file//\//\\/}"', sample: 20, active_s: 5}/; s/^conns:.*/conns: {udp_new_s: 5}/' "$work/h1/skepd.yaml"
rm -f "$file"
start_skepd h1 || bail 'skepd does not start'
wait_for 20 port_up h1 vm1
in_vm vm1 "$stream" flows 10.0.1.12 5001 2000 500
sampled() { n=$(lines "len([c for c in r if c['kind'] == 'connection' and c.get('dport') == 5001])") && [ "${n:-0}" -ge 50 ]; }
can 'one connection of twenty is told' wait_for 40 sampled
check "... about so many: $n of 2000" [ "$n" -le 170 ]
check '... and says so' holds "all(f['sample'] == 20 for f in r)"

# --- a disk that does not answer: packets are not its concern (a reader that does not read: unit/loader/records_file_test) ---
cold=$work/cold
thaw() { fsfreeze -u "$cold" 2>/dev/null; }
more_cleanup() { umount -l "$cold" 2>/dev/null; }
trap 'thaw; exit 130' INT TERM
stop_skepd h1
mkdir "$cold" && truncate -s 64M "$work/disk" && mkfs.ext4 -q "$work/disk" && mount -o loop "$work/disk" "$cold" || bail 'no disk to be frozen'
file=$cold/flows.json
sed -i "s|^flow_records:.*|flow_records: {file: $file, active_s: 5}|" "$work/h1/skepd.yaml"
echo 'metrics: {listen: "127.0.0.1:9460"}' >> "$work/h1/skepd.yaml"
start_skepd h1 || bail 'skepd does not start'
wait_for 20 port_up h1 vm1
ping4_soon vm1 10.0.1.12 && ping4_soon vm3 10.0.2.14 || bail 'no way'
failed() { in_host h1 curl -sS --max-time 5 http://127.0.0.1:9460/metrics | sed -n 's/^skep_flow_records_failed_total //p'; }
lost() { [ "$(failed)" -gt 0 ]; }
first_packets() { # each of them comes up to skepd, and ends flows, which are told
	for _ in {1..8}; do
		skep h1 flow flush > /dev/null && in_vm vm1 ping -q -c 4 -i 0.1 -W 2 10.0.1.12 > "$work/ping" || { cat "$work/ping"; return 1; }
		grep -q ' 0% packet loss' "$work/ping" || { cat "$work/ping"; return 1; }
	done
}
told() { [ -s "$file" ]; }
can 'the file is on that disk' wait_for 20 eval 'first_packets && told'
equal 'nothing was lost' 0 "$(failed)"
fsfreeze -f "$cold" || bail 'cannot freeze'
first_packets > "$work/first" 2>&1; rc=$?
in_vm vm1 "$stream" flows 10.0.1.12 5001 9000 3000
wait_for 20 lost; n=$(failed)
thaw
equal 'first packets pass while the disk does not answer' 0 $rc
[ $rc -eq 0 ] || note < "$work/first"
check "what there is no room for is lost, and counted: ${n:-none} records" [ "${n:-0}" -gt 0 ]
can 'when it answers again, what was kept is written, whole' wait_for 20 holds 'len(r) > 1000'
before=$(wc -l < "$file")
more() { skep h1 flow flush > /dev/null && ping_ok vm1 10.0.1.12 && [ "$(wc -l < "$file")" -gt $((before + 2)) ]; }
can '... and what is told from then on' wait_for 20 more
stop_skepd h1
