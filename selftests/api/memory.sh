#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# memory_max: what is known of tenants is let go when others need the place; one that does not fit alone is refused, and the server serves the others.
. "$(dirname "$0")/servers.sh"

servers_up
tenant() { # NAME PORTS
	python3 -c 'import sys
print("tenant: %s\nbridges: [{name: b}]\nports:" % sys.argv[1])
for i in range(int(sys.argv[2])): print("  - {name: p%d, bridge: b, mac: \"02:00:00:00:%02x:%02x\", description: \"%s\"}" % (i, i // 256, i % 256, "x" * 100))' "$1" "$2" |
		"$SKEP" apply -f - >/dev/null || bail "skep apply $1"
}
for i in 1 2 3 4; do tenant "middle$i" 7000; done
tenant small 5
tenant huge 30000
api_start 1 memory_max=64MB
metric() { curl -s -H "Authorization: Bearer $OP" http://127.0.0.1:8461/metrics | awk -v n="skep_api_cache_$1" '$1 == n { print $2 }'; }
T=/api/v1/tenants
for round in 1 2; do
	for i in 1 2 3 4; do
		answers "tenant $i of several that do not fit together (round $round)" 200 1 GET "$T/middle$i/ports?limit=1" "$OP"
	done
done
most=$((32 << 20))
[ "$(metric bytes)" -le $most ] && [ "$(metric bytes)" -gt 1000000 ] && ok "what is known of them is bounded ($(metric bytes) bytes)" || not_ok "what is known of them is bounded ($(metric bytes) bytes)"
[ "$(metric dropped_total)" -ge 4 ] && ok "others had to go ($(metric dropped_total))" || not_ok "others had to go ($(metric dropped_total))"
before=$(metric refused_total)
answers 'one that does not fit alone' 503 1 GET "$T/huge/ports?limit=1" "$OP"
contains '... told why' "tenant 'huge' is too large for this server's memory" "$body"
answers '... at once, the next time' 503 1 GET "$T/huge/ports?limit=1" "$OP"
equal '... without reading it again' $((before + 1)) "$(metric refused_total)"
answers 'others are served' 200 1 GET "$T/small/ports/p1" "$OP"
answers '... and written' 201 1 PUT "$T/small/bridges/more" "$OP" -d '{}'
# one in use is not let go: a stream goes on, whatever others need
curl -sN --max-time 60 -H "Authorization: Bearer $OP" "http://127.0.0.1:8461$T/middle1/events" >"$work/stream" 2>/dev/null &
background+=($!)
wait_for 5 grep -q '^id: ' "$work/stream" || not_ok 'a stream'
for i in 2 3 4 2 3 4; do call 1 GET "$T/middle$i/ports?limit=1" "$OP"; done
answers 'its tenant is written' 201 1 PUT "$T/middle1/bridges/told" "$OP" -d '{}'
wait_for 5 grep -q '"told"' "$work/stream" && ok 'a stream goes on while others need the place' || not_ok 'a stream goes on while others need the place'
refute '... from where it was' grep -q '^event: reset' "$work/stream"
api_stop 1
