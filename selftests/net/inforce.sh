#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A write through the API that waits: when it is answered, both hosts treat packets as it says; a host that does not say so is named.  A change with a trace is
# found in the audit and in the logs of all.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh
API=${API:-$(dirname "$SKEPD")/skep-api}

standard
ping4_soon vm1 10.0.1.12 || bail 'vm1 never reaches vm2'
spawn "$API" -c /dev/null --set "db.addresses=unix:$work/h1/db.sock" --set "listen=unix:$work/api.sock" 2>"$work/api.log"
ready() { curl -sf --max-time 2 --unix-socket "$work/api.sock" http://x/readyz; }
wait_for 10 ready || { note <"$work/api.log"; bail 'skep-api does not start'; }
call() { # METHOD PATH BODY [HEADER]: $status, $body, $headers
	status=$(curl -s --max-time 30 -o "$work/body" -D "$work/headers" -w '%{http_code}' --unix-socket "$work/api.sock" -X "$1" \
		-H 'Content-Type: application/json' ${4:+-H "$4"} ${3:+-d "$3"} "http://x/api/v1/tenants/t/$2")
	body=$(cat "$work/body") headers=$(cat "$work/headers")
}
one() { in_vm vm1 ping -q -c 1 -W 1 10.0.1.12; }

call PUT 'chains/fw?wait=10s' '{"rules": [{"name": "no-ping", "action": "drop", "proto": "icmp"}]}'
equal 'a chain that nobody uses' 201 "$status"
contains '... in force' 'Skep-In-Force: true' "$headers"
wrong=0
for _ in {1..5}; do
	call PATCH 'ports/vm2?wait=10s' '{"out_chain": "fw"}'
	{ [ "$status" = 200 ] && grep -q 'Skep-In-Force: true' <<<"$headers"; } || { wrong=$((wrong + 1)); echo "$status $body" | note; }
	one >/dev/null && { wrong=$((wrong + 1)); echo 'a ping got through a firewall that is in force' | note; }
	call PATCH 'ports/vm2?wait=10s' '{"out_chain": null}'
	[ "$status" = 200 ] || wrong=$((wrong + 1))
	one >/dev/null || { wrong=$((wrong + 1)); echo 'a ping was dropped by a firewall that is gone' | note; }
done
equal 'five times there and gone: packets obey at once' 0 $wrong
start=$(date +%s%N)
call PATCH 'ports/vm1?wait=10s' '{"hairpin": true}'
echo "# in force on both hosts after $((($(date +%s%N) - start) / 1000000)) ms"

# --- one change, from its request to both kernels ---
new_trace() { trace=00-$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')-b7ad6b7169203331-$1; }
said() { grep -F "$trace" "$1"; } # FILE
new_trace 01
call PATCH 'ports/vm1?wait=10s' '{"hairpin": false}' "traceparent: $trace"
equal 'a change with a trace' 200 "$status"
revision=$(sed -n 's/^Skep-Revision: \([0-9]*\).*/\1/p' <<<"$headers")
wait_for 5 said "$work/api.log"
contains "skep-api's log has it, and the revision it made" "PATCH .*traceparent=$trace, status=200, .*tenant=t, revision=$revision\)" "$(said "$work/api.log")"
call GET 'audit?limit=1'
contains 'the audit has it' "\"crev\": *$revision[,}].*\"traceparent\": *\"$trace\"" "$body"
for h in h1 h2; do
	can "skepd of $h says when it is in force" wait_for 10 said "$work/$h/log"
	contains '... whose, and since when' "a change is in force \(tenant=t, revision=$revision, traceparent=$trace, duration_ms=[0-9.]+\)" "$(said "$work/$h/log")"
done
new_trace 03
TRACEPARENT=$trace skep h1 apply -f - >/dev/null <<<'{tenant: t, bridges: [{name: traced}]}'
for h in h1 h2; do can "one that is applied without the API, too ($h)" wait_for 10 said "$work/$h/log"; done
new_trace 00
quiet=$trace
call PATCH 'ports/vm1?wait=10s' '{"hairpin": true}' "traceparent: $trace"
call PATCH 'ports/vm1?wait=10s' '{"hairpin": false}' 'traceparent: 00-0-0-01'
new_trace 01
call PATCH 'ports/vm1?wait=10s' '{"hairpin": true}' "traceparent: $trace"
for h in h1 h2; do can "the next one that somebody records ($h)" wait_for 10 said "$work/$h/log"; done
refute 'a trace that nobody records is not logged' grep -qF "$quiet" "$work/h1/log" "$work/h2/log" "$work/api.log"
refute 'nor one that is none' grep -qF '00-0-0-01' "$work/h1/log" "$work/h2/log" "$work/api.log"

kill -STOP "${agent_pid[h2]}"
call PATCH 'ports/vm1?wait=500ms' '{"hairpin": false}'
equal 'a host that hangs: 202' 202 "$status"
contains '... named' '"waiting_for":\["h2"\]' "$body"
contains '... and what was written' '"result":\{.*"hairpin":false' "$body"
kill -CONT "${agent_pid[h2]}"
stop_skepd h2
call PATCH 'ports/vm1?wait=10s' '{"hairpin": true}'
equal 'a host whose agent is gone is not waited for' 200 "$status"
