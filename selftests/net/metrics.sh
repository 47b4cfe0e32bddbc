#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The metrics of skepd, held against what is sent and done, by promtool and by a real Prometheus, which asks a skep-api too; its rules and the dashboard's
# expressions.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

declare -A at=([h1]=127.0.0.1 [h2]=10.250.0.2)
scrape() { in_host "$1" curl -sS --max-time 10 "http://${at[$1]}:9460/metrics"; }
value() { # HOST SERIES: its number, 0 when it is not there
	scrape "$1" | awk -v s="$2" 'index($0, s " ") == 1 { print $2; found = 1 } END { if (!found) print 0 }'
}
at_least() { [ "$(value "$1" "$2" | cut -d. -f1)" -ge "$3" ]; }
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a >= b * 0.95 && a <= b * 1.05 + 5) }'; }

host h1; host h2
standard_machines
config h1 'metrics: {listen: "127.0.0.1:9460", ports: 1}'
config h2 "metrics: {listen: \"${at[h2]}:9460\"}"
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{ standard_doc "in_chain: fw"; standard_bindings; echo 'chains: [{name: fw, rules: [{name: no-discard, action: drop, proto: udp, dst_ports: "9"}]}]'; } |
	apply > "$work/apply.out" 2>&1 || bail "apply failed: $(cat "$work/apply.out")"
standard_up || bail 'ports do not come up'
ping4_soon vm1 10.0.1.12 && ping4_soon vm1 10.0.2.13 || bail 'no way from vm1'

# --- the text ---
scrape h1 > "$work/metrics"
out=$(promtool check metrics < "$work/metrics" 2>&1); rc=$?
equal 'promtool has nothing to say' '0 ' "$rc $out"
contains 'build info' '^skep_build_info\{version="[0-9.]+",host="h1"\} 1$' "$(cat "$work/metrics")"
equal 'every family is explained' "$(grep -c '^# TYPE' "$work/metrics")" "$(grep -c '^# HELP [a-z_0-9]* .' "$work/metrics")"
equal 'docs/monitoring.md has all of them' '' "$(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$work/metrics" | python3 selftests/lib/documented.py docs/monitoring.md)"
n=$(grep -vc '^#' "$work/metrics")
check "it is not too long ($n series)" [ "$n" -lt 800 ] # a reason for a drop has two: of the kernel, of skepd
contains 'HEAD' '^HTTP/1.1 200' "$(in_host h1 curl -sSI http://127.0.0.1:9460/metrics)"
contains 'another path' '404' "$(in_host h1 curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:9460/etc/passwd)"
contains 'another verb' '405' "$(in_host h1 curl -sS -o /dev/null -w '%{http_code}' -d x=y http://127.0.0.1:9460/metrics)"
refute 'nobody else is listened to' in_host h1 curl -sS --max-time 1 "http://${underlay[h1]}:9460/metrics"

# --- what is counted is what was done ---
equal 'ports up' 2 "$(value h1 'skep_ports{state="up"}')"
equal 'peers' 1 "$(value h1 skep_peers)"
equal 'the lease' 1 "$(value h1 skep_lease_held)"
equal 'the state DB' 1 "$(value h1 skep_db_connected)"
check 'requests to the state DB took their time' at_least h1 'skep_db_request_duration_seconds_count{request="put"}' 1
check 'upcalls are measured' at_least h1 'skep_upcall_duration_seconds_count{waited="no"}' 5
equal 'the sum of a histogram is not zero' 1 "$(awk -v s="$(value h1 'skep_upcall_duration_seconds_sum{waited="no"}')" 'BEGIN { print (s > 0) }')"
check 'a change took its time until it was in force' at_least h1 skep_change_in_force_seconds_count 1
check 'a change took its time until it was here' at_least h1 skep_change_delivery_seconds_count 1
wait_for 10 at_least h1 'skep_table_entries{table="wildcards4"}' 1
check 'wildcard flows' at_least h1 'skep_table_entries{table="wildcards4"}' 1
equal '... and how many there may be' 16384 "$(value h1 'skep_table_entries_max{table="wildcards4"}')"

dropped() { # HOST REASON: of both sources
	echo $(($(value "$1" "skep_drops_total{reason=\"$2\",source=\"kernel\"}") + $(value "$1" "skep_drops_total{reason=\"$2\",source=\"agent\"}")))
}
before=$(dropped h1 policy)
in_vm vm1 "$stream" send 10.0.2.13 9 500 1000
after=$(dropped h1 policy)
equal 'drops by reason' 500 $((after - before))
equal '... as skep status says' "$(drops h1 policy)" "$after"

sum_of() { scrape h1 | awk -v s="$1{" 'index($0, s) == 1 { n += $NF } END { print n + 0 }'; }
sum_of skep_port_receive_packets_total > /dev/null # the others' sums begin with their first sample
b=$(sum_of skep_port_receive_packets_total)
in_vm vm1 "$stream" send 10.0.1.12 7003 1000 2000
in_vm vm3 "$stream" send 10.0.1.12 7003 1000 2000
check 'traffic of ports' near $(($(sum_of skep_port_receive_packets_total) - b)) 2000
equal 'one port has a name, as configured; the others are one' "1 1" \
	"$(scrape h1 | grep -c '^skep_port_receive_bytes_total{tenant="t"') $(scrape h1 | grep -c '^skep_port_receive_bytes_total{tenant="",port="(others)"}')"
equal 'by default, all of these have names' 2 "$(scrape h2 | grep -c '^skep_port_receive_bytes_total{tenant="t",port="vm[24]"}')"

# a packet that waits for its neighbour
in_vm vm3 ip neigh flush dev eth0
b=$(value h1 'skep_upcall_duration_seconds_count{waited="yes"}')
in_vm vm1 ping -q -c 1 -W 1 10.0.2.99 > /dev/null
wait_for 5 at_least h1 'skep_upcall_duration_seconds_count{waited="yes"}' $((b + 1))
check 'a packet that waited is measured apart' at_least h1 'skep_upcall_duration_seconds_count{waited="yes"}' $((b + 1))

# --- who asks badly, or much ---
for _ in $(seq 40); do spawn nsenter --net="/run/netns/$id-h1" bash -c 'exec 3<>/dev/tcp/127.0.0.1/9460; printf "GET /metrics" >&3; read -rt 20 -u 3 l'; done
check 'connections that say little end: others are served' wait_for 40 scrape h1
check '... and packets pass meanwhile' ping_ok vm1 10.0.2.14 5
printf 'GET /metrics HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n' "$(head -c 100000 /dev/zero | tr '\0' x)" > "$work/big"
contains 'headers without end' '^HTTP/1.1 (431|400|413|414)' "$(in_host h1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/9460; cat "$0" >&3 2>/dev/null; timeout 5 head -n 1 <&3' "$work/big")"
for _ in $(seq 8); do spawn nsenter --net="/run/netns/$id-h1" curl -sS --max-time 20 -o "$work/many.$_" http://127.0.0.1:9460/metrics; pids+=($!); done
wait "${pids[@]}"
equal 'eight at a time are told all of it' 8 "$(grep -l '^skep_port_upcalls_total{tenant="",port="(others)"}' "$work"/many.* | wc -l)"

# --- a real Prometheus, with the rules and the dashboard that are packaged ---
mkdir -p "$work/prometheus" && cp packaging/prometheus/skep.rules.yaml "$work/prometheus"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=skep-api -addext "subjectAltName=IP:${underlay[h2]}" \
	-keyout "$work/prometheus/key.pem" -out "$work/prometheus/ca.pem" 2>/dev/null || bail 'no certificate'
mkdir -p "$work/api"
cat > "$work/api/api.yaml" <<-YAML
	db: {mode: server, addresses: ["${underlay[h1]}:6379"]}
	listen: ["${underlay[h2]}:8460", "unix:$work/api/sock"]
	tls: {certificate: $work/prometheus/ca.pem, key: $work/prometheus/key.pem}
YAML
skep - token create prometheus monitor > "$work/prometheus/token" || bail 'no token'
nsenter --net="/run/netns/$id-h2" "$programs/skep-api" -c "$work/api/api.yaml" > "$work/api/log" 2>&1 & background+=($!)
sed -e 's/scrape_interval: .*/scrape_interval: 1s/' -e "s/192.168.50.1:9460/127.0.0.1:9460/; s/192.168.50.2:9460/${underlay[h2]}:9460/; s/192.168.50.1:8460/${underlay[h2]}:8460/" \
	-e "s|/etc/prometheus/skep.token|$work/prometheus/token|; s|/etc/prometheus/skep-ca.pem|$work/prometheus/ca.pem|" packaging/prometheus/skep.scrape.yaml > "$work/prometheus/prometheus.yml"
ask_api() { curl -s -o /dev/null -w '%{http_code}' --max-time 5 --unix-socket "$work/api/sock" "http://x$1" "${@:2}"; }
check 'the packaged piece of configuration will do' promtool check config "$work/prometheus/prometheus.yml"
spawn nsenter --net="/run/netns/$id-h1" prometheus --config.file="$work/prometheus/prometheus.yml" --storage.tsdb.path="$work/prometheus/data" \
	--web.listen-address=127.0.0.1:9090 --log.level=warn > "$work/prometheus/log" 2>&1
ask() { in_host h1 "$python" selftests/lib/prom.py http://127.0.0.1:9090 "$@"; }
is() { [ "$(ask value "$1")" = "$2" ]; }
can 'Prometheus scrapes both agents' wait_for 60 is 'sum(up{job="skep"})' 2.0
can '... and skep-api, over TLS, by a token that may only read' wait_for 30 is 'sum(up{job="skep-api"})' 1.0
i=100
load() { # some of everything, for rates over ten seconds
	i=$((i + 1))
	in_vm vm1 "$stream" send 10.0.2.13 9 200 1000 && in_vm vm1 "$stream" flows 10.0.2.14 5001 200 1000
	ip -n "$id-h1" link add later type dummy 2>/dev/null || ip -n "$id-h1" link del later
	apply > /dev/null <<-YAML
		tenant: t
		ports: [{name: later, bridge: left, addresses: [10.0.1.$i]}]
		bindings: [{port: later, host: h1, interface: later}]
	YAML
	ask_api /api/v1/tenants/t/ports
	ask_api "/api/v1/tenants/t/bridges/later$i" -X PUT -H 'Content-Type: application/json' -d '{}'
}
some() { is "count(sum(rate($1[10s])) > 0)" 1.0; }
seen() {
	load && is 'count(rate(skep_change_in_force_seconds_count[10s]) > 0)' 2.0 && some 'skep_drops_total{reason="policy"}' &&
		some skep_port_drops_total && some skep_db_request_duration_seconds_count &&
		some skep_api_requests_total && some skep_api_db_request_duration_seconds_count
}
can 'rates are seen' wait_for 40 seen
while IFS= read -r line; do
	case $line in
	'ok '*) ok "dashboard, ${line#ok }" ;;
	*) not_ok "dashboard, ${line#not ok }" ;;
	esac
done < <(ask dashboard packaging/grafana/skep.json)
equal 'no alert' 0 "$(ask value 'count(ALERTS{alertstate="firing"})' | sed 's/\..*//')"
equal 'what Prometheus has is what skepd said' 1.0 "$(ask value 'count(skep_build_info{host="h1", instance="127.0.0.1:9460"})')"

# --- counters go on over a restart and over another interface, or begin at 0: they do not go backwards to something else ---
in_vm vm1 "$stream" send 10.0.2.13 9 300 2000
all_dropped() { [ "$(dropped h1 policy)" -ge $((after + 300)) ]; }
wait_for 5 all_dropped
kernel=$(value h1 'skep_drops_total{reason="policy",source="kernel"}') agent=$(value h1 'skep_drops_total{reason="policy",source="agent"}')
check "the kernel has dropped some ($kernel), and skepd others ($agent)" [ "$kernel" -gt 0 -a "$agent" -gt 0 ]
stop_skepd h1 && start_skepd h1 || bail 'skepd does not start again'
wait_for 10 scrape h1
check "the kernel's go on over a restart" at_least h1 'skep_drops_total{reason="policy",source="kernel"}' "$kernel"
equal "... skepd's begin at 0" 0 "$(value h1 'skep_drops_total{reason="policy",source="agent"}')"
standard_up || bail 'ports do not come up again'
tx() { sum_of skep_port_transmit_packets_total; } # one of h1's ports has a name, the other is among the others
scrape h1 >/dev/null
ping4_soon vm1 10.0.2.13 || bail 'no way after the restart'
b=$(tx)
in_vm vm1 "$stream" send 10.0.2.13 7009 1000 2000 # from flow to flow: skepd counts them
in_vm vm4 "$stream" send 10.0.2.13 7009 500 2000  # by way of the interface, which counts them
near_tx() { near $(($(tx) - b)) "$1"; }
check 'packets to a machine, from this host and from another' wait_for 10 near_tx 1500
ip -n "$id-h1" link del vm3 && vm_link vm3 h1 && vm_config vm3 "$(mac_of 3)" 10.0.2.13/24 10.0.2.1
wait_for 20 port_up h1 vm3 && ping4_soon vm1 10.0.2.13 || bail 'vm3 does not come back'
check 'another interface begins at 0: the port goes on' near_tx 1500

# --- taken by another: it runs without, and tries again ---
stop_skepd h2
in_host h2 busybox httpd -f -p "${at[h2]}:9460" -h "$work" & taken=$!
background+=($taken)
wait_for 5 in_host h2 curl -s -o /dev/null "http://${at[h2]}:9460/"
start_skepd h2 || bail 'skepd does not start'
contains 'the port is taken: said, once' 'cannot listen at' "$(grep -c 'cannot listen at' "$work/h2/log" | grep -x 1 && grep 'cannot listen at' "$work/h2/log")"
kill $(in_host h2 ss -Hltnp 'sport = :9460' | sed -n 's/.*pid=\([0-9]*\).*/\1/p')
check '... and is had when it is free' wait_for 10 at_least h2 skep_ports{state=\"up\"} 2
