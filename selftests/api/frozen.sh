#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A state DB that hangs, its connections open, is one that is not there: within 3 s nothing is told that might be old, and nobody is sent here.  One that is
# only busy for a while is there.
. "$(dirname "$0")/servers.sh"

servers_up
printf 'tenant: acme\nbridges: [{name: b1}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
api_start 1
A=/api/v1/tenants/acme
readable() { call 1 GET "$A/bridges/b1" "$OP"; [ "$status" = 200 ]; }
ready() { call 1 GET /readyz ''; [ "$status" = 200 ]; }
unreadable() { ! readable && [ "$status" = 503 ]; }
unready() { ! ready && [ "$status" = 503 ]; }
now_ms() { local t=${EPOCHREALTIME/./}; echo "${t%???}"; }

check 'it is read' wait_for 10 readable

# --- busy ---
redis-cli -s "$work/db.sock" client pause 1500 all >/dev/null
call 1 PUT "$A/bridges/b2" "$OP" -d '{}' && echo "$status" >"$work/put" &
put=$!
away=0
while kill -0 $put 2>/dev/null; do
	readable && ready || away=$((away + 1))
done
wait $put
equal 'while the state DB is busy for 1.5 s, reads are answered, and it is ready' 0 $away
equal '... and the write that waited is done' 201 "$(cat "$work/put")"

# --- frozen, while nobody asks it anything ---
kill -STOP "$redis_pid"
start=$(now_ms)
check 'a state DB that hangs: not ready' wait_for 6 unready
took=$(($(now_ms) - start))
[ $took -ge 2000 ] && [ $took -le 4500 ] && ok "... after $took ms" || not_ok "... after $took ms"
unreadable && ok '... reads are 503' || not_ok '... reads are 503'
contains '... as a problem' '/problems/unavailable' "$body"
[ -n "$(header Retry-After)" ] && ok '... with Retry-After' || not_ok '... with Retry-After'
answers '... no stream of events begins' 503 1 GET "$A/events" "$OP"
call 1 GET /api/v1/status "$OP"
contains '... the operator is told' 'does not answer' "$(field db.error)"
answers '... but alive' 200 1 GET /healthz ''
kill -CONT "$redis_pid"
check 'it goes on: ready' wait_for 5 ready
check '... reads are answered' wait_for 5 readable
api_stop 1
