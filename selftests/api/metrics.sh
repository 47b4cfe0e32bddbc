#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The metrics of skep-api: for whom, whether promtool has anything to say, and whether they count what was done.  And the log as JSON lines.
. "$(dirname "$0")/servers.sh"

servers_up
printf 'tenant: acme\nbridges: [{name: b1}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
api_start 1 log.format=json log_level=debug
A=/api/v1/tenants/acme
reader=$(make_token tenant-reader acme) admin=$(make_token tenant-admin acme)

answers 'without credentials: 401' 401 1 GET /metrics ''
answers 'a tenant: 403' 403 1 GET /metrics "$admin"
answers 'an operator' 200 1 GET /metrics "$OP"
contains '... as text' '^text/plain; version=0.0.4' "$(header Content-Type)"
out=$(promtool check metrics <"$work/body" 2>&1); rc=$?
equal 'promtool has nothing to say' '0 ' "$rc $out"

value() { call 1 GET /metrics "$OP" && awk -v s="$1" 'index($0, s " ") == 1 { print $2; found = 1 } END { if (!found) print 0 }' "$work/body"; }
one="skep_api_requests_total{method=\"GET\",route=\"/api/v1/tenants/{tenant}/{kind}/{name}\",status=\"200\"}"
b=$(value "$one")
for _ in 1 2 3 4 5; do call 1 GET $A/bridges/b1 "$reader"; done
equal 'requests by route and status' 5 $(($(value "$one") - b))
call 1 GET $A/bridges/nobody "$reader"
equal '... of what is not there' 1 "$(value "${one/200/404}")"
for i in $(seq 50); do call 1 GET "/no/such/path/$i" "$reader"; done
equal 'paths that are none are one series' 50 "$(value 'skep_api_requests_total{method="",route="(none)",status="404"}')"
b=$(value 'skep_api_request_duration_seconds_count{method="PUT"}')
answers 'a write' 201 1 PUT $A/bridges/b2 "$admin" -d '{}'
equal 'time by method' 1 $(($(value 'skep_api_request_duration_seconds_count{method="PUT"}') - b))
check 'the state DB' [ "$(value 'skep_api_db_request_duration_seconds_count{request="commit"}')" -ge 1 ]
equal '... is connected' 1 "$(value skep_api_db_connected)"
equal 'open connections: this one' 1 "$(value skep_api_connections_open)"
check 'memory' [ "$(value process_resident_memory_bytes)" -gt 1000000 ]
age=$(($(date +%s) - $(ps -o etimes= -p "${api_pid[1]}"))) started=$(value process_start_time_seconds)
check 'when it was started' [ $((${started%.*} - age)) -ge -2 -a $((${started%.*} - age)) -le 2 ]
fds=$(value process_open_fds) now=$(find "/proc/${api_pid[1]}/fd" -mindepth 1 | wc -l) # this one's connection comes and goes
check 'open files' [ $((fds - now)) -ge 0 -a $((fds - now)) -le 1 ]
equal '... of so many' "$(awk '/Max open files/ { print $4 }' "/proc/${api_pid[1]}/limits")" "$(value process_max_fds)"
call 1 GET /metrics "$OP"
equal 'docs/monitoring.md has all of them' '' "$(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$work/body" | python3 selftests/lib/documented.py docs/monitoring.md)"

# --- the log ---
id=feedface0123 trace=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
call 1 GET $A/bridges/b1 "$reader" -H "X-Request-Id: $id" -H "traceparent: $trace"
line() { grep "\"request_id\":\"$id\"" "$work/api1/log"; }
wait_for 5 line
check 'every line of the log is JSON' python3 -c 'import json, sys
for l in open(sys.argv[1]):
    o = json.loads(l)
    assert o["time"].endswith("Z") and o["program"] == "skep-api" and o["message"] and o["level"] in ("debug", "info", "warning", "error"), l' "$work/api1/log"
contains 'a request has its id and its trace' "\"message\":\"GET $A/bridges/b1\".*\"traceparent\":\"$trace\".*\"status\":\"200\".*\"caller\":\"test\".*\"tenant\":\"acme\"" "$(line)"
refute 'no secret is logged' grep -qE "${OP##*_}|${reader##*_}|${admin##*_}" "$work/api1/log"
call 1 GET "$A/bridges/%ff%fe%0a%22injected" "$reader" -H "X-Request-Id: odd"
check '... odd names do not break a line' python3 -c 'import json, sys
[json.loads(l) for l in open(sys.argv[1])]' "$work/api1/log"
api_start 2 limits.rate=1 limits.burst=3
call 2 GET $A/bridges/b1 "$reader" -H "X-Request-Id: quiet"
refute 'reads are logged on request only' grep -q quiet "$work/api2/log"
call 2 PUT $A/bridges/b2 "$admin" -d '{"description": "traced"}' -H "X-Request-Id: traced" -H "traceparent: $trace"
contains 'a request whose trace is recorded is logged, with the revision that it made' "PUT .*request_id=traced, traceparent=$trace, status=200,.* revision=$(header Skep-Revision)\)" "$(grep traced "$work/api2/log")"
call 2 GET $A/bridges/b2 "$OP" -H "X-Request-Id: unrecorded" -H "traceparent: ${trace%01}00"
refute '... one whose trace is not is not' grep -q unrecorded "$work/api2/log"
limited() { call 2 GET $A/bridges/b1 "$reader"; [ "$status" = 429 ]; }
check 'who asks too often: 429' wait_for 10 limited
call 2 GET /metrics "$OP"
check '... is counted' grep -qE '^skep_api_requests_total\{.*status="429"\} [1-9]' "$work/body"
kill -STOP "$redis_pid"
call 2 PUT $A/bridges/b3 "$OP" -d '{}' -H "X-Request-Id: broken"
kill -CONT "$redis_pid"
equal 'the state DB hangs: 503' 503 "$status"
contains '... is a warning, with its id' 'warning: PUT .*request_id=broken.*status=503' "$(grep broken "$work/api2/log")"
