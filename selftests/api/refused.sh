#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is refused although it looks as what is not, and in which words.
. "$(dirname "$0")/servers.sh"

servers_up
printf 'tenant: acme\nbridges: [{name: b1}]\nports: [{name: p1, bridge: b1}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
api_start 1
T=/api/v1/tenants/acme

# --- words ---
answers 'an object without a name' 422 1 POST $T/ports "$OP" -d '{"bridge": "b1"}'
refute '... is not called (null)' grep -q '(null)' <<<"$body"
contains '... but what it is' "\"detail\":\"port: field 'name'" "$body"
answers '... with one that is none' 422 1 POST $T/ports "$OP" -d '{"name": 5, "bridge": "b1"}'
refute '... is not called (null)' grep -q '(null)' <<<"$body"
answers '... in a document' 422 1 PUT $T/topology "$OP" -d '{"ports": [{"bridge": "b1"}]}'
refute '... neither' grep -q '(null)' <<<"$body"

# --- a binding that is there, by its port's id ---
answers 'a port' 200 1 GET $T/ports/p1 "$OP"
id=$(field id)
answers '... is bound' 201 1 POST $T/bindings "$OP" -d '{"port": "p1", "host": "h1", "interface": "tap1"}'
answers '... not again' 409 1 POST $T/bindings "$OP" -d '{"port": "p1", "host": "h2", "interface": "tap2"}'
answers '... nor by its id' 409 1 POST $T/bindings "$OP" -d "{\"port\": \"$id\", \"host\": \"h2\", \"interface\": \"tap2\"}"
answers '... it is where it was' 200 1 GET $T/bindings/p1 "$OP"
equal '... there' 'h1 tap1' "$(field host) $(field interface)"

# --- pages of others ---
admin=$(make_token tenant-admin acme)
call 1 POST /api/v1/session '' -d "{\"token\": \"$admin\"}"
cookie=$(sed -n 's/^set-cookie: \(skep_session=[^;]*\).*/\1/Ip' <<<"$headers") csrf=$(field csrf)
for site in none cross-site same-site; do
	answers "a write of Sec-Fetch-Site: $site" 403 1 PUT $T/bridges/b2 '' -H "Cookie: $cookie" -H "X-CSRF-Token: $csrf" -H "Sec-Fetch-Site: $site" -d '{}'
done
answers '... same-origin' 201 1 PUT $T/bridges/b2 '' -H "Cookie: $cookie" -H "X-CSRF-Token: $csrf" -H 'Sec-Fetch-Site: same-origin' -d '{}'

# --- who is shut out while its write waits ---
short=$(make_token tenant-admin acme '"expires_s": 2')
kill -STOP "$redis_pid"
call 1 PUT $T/bridges/first "$admin" -d '{}' &
sent() { call 1 GET /metrics "$OP"; [ "$(sed -n 's/^skep_api_requests_pending //p' <<<"$body")" = 2 ]; } # it, and this question
first=$!
wait_for 5 sent || not_ok 'a write is on its way'
(call 1 PUT $T/bridges/late "$short" -d '{}'; echo "$status" >"$work/late") &
late=$!
over() { call 1 GET /api/v1/whoami "$short"; [ "$status" = 401 ]; }
wait_for 5 over || not_ok 'the token expires'
kill -CONT "$redis_pid"
wait "$first" "$late"
equal 'a write that waited behind another, whose token has expired, is refused' 403 "$(cat "$work/late")"
answers '... it was not done' 404 1 GET $T/bridges/late "$OP"
answers '... the other was' 200 1 GET $T/bridges/first "$OP"
api_stop 1
