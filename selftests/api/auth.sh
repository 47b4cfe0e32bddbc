#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who may come in: tokens, sessions, tokens of an issuer, on two instances; what is refused, and how.
. "$(dirname "$0")/servers.sh"

servers_up
printf 'tenant: acme\nbridges: [{name: b1}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
api_start 1
api_start 2
A=/api/v1/tenants/acme

# --- tokens ---
answers 'without credentials: 401' 401 1 GET /api/v1/whoami ''
contains '... told how' 'Bearer' "$(header WWW-Authenticate)"
contains '... as a problem document' '"type":"/problems/unauthorized".*Authorization: Bearer' "$body"
answers 'the first token is an operator' 200 1 GET /api/v1/whoami "$OP"
equal '... of that name' root "$(field name)"
refute 'a name that is none: no token' "$API" -c /dev/null --set db.addresses=127.0.0.1:1 --make-token 'a b'
admin=$(make_token tenant-admin acme)
answers 'a token of one instance is known to the other at once' 200 2 GET $A/bridges/b1 "$admin"
late=0
for _ in {1..20}; do
	call 2 GET /api/v1/whoami "$(make_token tenant-reader acme)"
	[ "$status" = 200 ] || late=$((late + 1))
done
equal '... each of twenty' 0 $late
secret=${admin##*_}
redis-cli -s "$work/db.sock" --raw hgetall "$(redis-cli -s "$work/db.sock" --raw keys 'skep:*_api:o')" >"$work/dump"
redis-cli -s "$work/db.sock" --raw xrange "$(redis-cli -s "$work/db.sock" --raw keys 'skep:*_api:audit')" - + >>"$work/dump"
redis-cli -s "$work/db.sock" --raw xrange "$(redis-cli -s "$work/db.sock" --raw keys 'skep:*_api:log')" - + >>"$work/dump"
check 'the database has its hash' grep -q '"sha256"' "$work/dump"
refute '... and nowhere its secret' grep -q "$secret" "$work/dump"
call 1 GET "/api/v1/tokens?limit=1000" "$OP"
refute '... nor has the list' grep -q "$secret" <<<"$body"
refute '... nor the logs' grep -rq "$secret" "$work/api1/log" "$work/api2/log"

id=$(cut -d_ -f2 <<<"$admin")
call 1 GET /api/v1/whoami "$admin"
answers 'one token, without its secret' 200 1 GET "/api/v1/tokens/$id" "$OP"
contains '... used just now' '"last_used":[0-9]+' "$body"
gone_at() { call 2 GET /api/v1/whoami "$admin"; [ "$status" = 401 ]; }
curl -sN --max-time 30 -H "Authorization: Bearer $admin" -o "$work/stream" -w ended "http://127.0.0.1:8462$A/events" >"$work/ended" &
background+=($!)
follows() { grep -q 'id:' "$work/stream"; }
wait_for 5 follows || not_ok 'a stream of events begins'
answers 'revoked at one instance' 204 1 DELETE "/api/v1/tokens/$id" "$OP"
start=$(date +%s%N)
wait_for 5 gone_at || not_ok 'a revoked token is refused by the other instance'
took=$((($(date +%s%N) - start) / 1000000))
[ $took -lt 1000 ] && ok "it is refused at the other instance within a second ($took ms)" || not_ok "it is refused at the other instance within a second ($took ms)"
ended() { grep -q ended "$work/ended"; }
wait_for 3 ended && ok '... and what it followed there ends' || not_ok '... and what it followed there ends'
answers '... and at this one' 401 1 GET /api/v1/whoami "$admin"
answers 'revoked again: not there' 404 1 DELETE "/api/v1/tokens/$id" "$OP"
short=$(make_token tenant-reader acme '"expires_s": 1')
expired() { call 1 GET /api/v1/whoami "$short"; [ "$status" = 401 ]; }
wait_for 4 expired && ok 'a token expires' || not_ok 'a token expires'
for bad in skep_ skep_0_0 "${OP%?}0" "${OP%?}" "${OP}0" "SKEP${OP#skep}" "$(tr a-f A-F <<<"$OP")" 'a.b.c' 'x' "$(printf 'a%.0s' {1..3000})"; do
	call 1 GET /api/v1/whoami "$bad"
	[ "$status" = 401 ] || [ "$bad" = "$OP" ] || { not_ok "garbage '${bad:0:40}': $status"; }
done
ok 'garbage is no token'
call 1 GET /api/v1/whoami '' -H 'Authorization: Basic cm9vdDpyb290'
equal 'other schemes are not known' 401 "$status"
call 1 GET /api/v1/whoami '' -H "Authorization: bearer  $OP"
equal 'Bearer in any case' 200 "$status"

# --- by who has the database ---
made=$("$SKEP" token create direct tenant-reader -t acme 2>&1)
answers "a token of 'skep token create'" 200 2 GET /api/v1/whoami "$made"
equal '... is what was asked for' 'direct tenant-reader acme' "$(field name) $(field role) $(field tenant)"
contains "... and in the list" "$(cut -d_ -f2 <<<"$made") +direct +tenant-reader +acme" "$("$SKEP" token list -t acme)"
contains '... as JSON too' '"name": *"direct"' "$("$SKEP" token list -j | tr -d '\n')"
refute '... without its secret' grep -q "${made##*_}" <<<"$("$SKEP" token list -j)"
contains 'a role that is none' "field 'role': 'king'.*want operator" "$("$SKEP" token create x king 2>&1)"
contains 'a tenant that is missing' "field 'tenant'" "$("$SKEP" token create x tenant-admin 2>&1)"
contains 'seconds that are none' "'soon' is not a number" "$("$SKEP" token create x operator soon 2>&1)"
check "'skep token revoke'" "$SKEP" token revoke "$(cut -d_ -f2 <<<"$made")"
made_gone() { call 2 GET /api/v1/whoami "$made"; [ "$status" = 401 ]; }
wait_for 2 made_gone && ok '... is felt at once' || not_ok '... is felt at once'
"$SKEP" token revoke 0123456789abcdef >/dev/null 2>&1; equal 'one that is not there: not found' 3 $?
call 1 GET "/api/v1/audit" "$OP"
contains '... all of which is told' "\"tool\":\"skep\"" "$body"

# --- who may make which ---
admin=$(make_token tenant-admin acme)
reader=$(make_token tenant-reader acme)
ro=$(make_token tenant-admin acme '"read_only": true')
oro=$(make_token operator '' '"read_only": true')
answers 'an admin makes tokens of the tenant' 201 1 POST /api/v1/tokens "$admin" -d '{"name": "x", "role": "tenant-reader"}'
answers '... not of others' 403 1 POST /api/v1/tokens "$admin" -d '{"name": "x", "role": "tenant-admin", "tenant": "other"}'
answers '... not operators' 403 1 POST /api/v1/tokens "$admin" -d '{"name": "x", "role": "operator", "tenant": null}'
answers 'a reader makes none' 403 1 POST /api/v1/tokens "$reader" -d '{"name": "x", "role": "tenant-reader"}'
answers 'a bad one is told field by field' 422 1 POST /api/v1/tokens "$OP" -d '{"name": "x", "role": "king"}'
contains '... with what is allowed' '"field":"role","value":"king".*"allowed":"operator, ' "$body"
answers 'for reading only: it reads' 200 1 GET $A/bridges "$ro"
answers '... and does not write' 403 1 PUT $A/bridges/b2 "$ro" -d '{}'
answers '... nor make tokens' 403 1 POST /api/v1/tokens "$ro" -d '{"name": "x", "role": "tenant-reader"}'
answers '... an operator neither' 403 1 PUT $A/quota "$oro" -d '{}'

# --- sessions ---
login() { # N TOKEN: $cookie, $csrf
	call "$1" POST /api/v1/session '' -d "{\"token\": \"$2\"}"
	cookie=$(sed -n 's/^set-cookie: \(skep_session=[^;]*\).*/\1/Ip' <<<"$headers")
	[ "$status" = 201 ] && csrf=$(field csrf)
}
login 1 "$admin"
equal 'a session begins' 201 "$status"
contains '... its cookie is for the server only' 'HttpOnly.*SameSite=Strict' "$(header Set-Cookie)"
answers 'the cookie reads, at any instance' 200 2 GET $A/bridges '' -H "Cookie: a=b; $cookie; c=d"
answers '... and does not write by itself' 403 1 PUT $A/bridges/b2 '' -H "Cookie: $cookie" -d '{}'
answers '... nor with a wrong X-CSRF-Token' 403 1 PUT $A/bridges/b2 '' -H "Cookie: $cookie" -H "X-CSRF-Token: ${csrf%?}0" -d '{}'
answers '... but with the right one' 201 2 PUT $A/bridges/b2 '' -H "Cookie: $cookie" -H "X-CSRF-Token: $csrf" -d '{}'
answers '... from a page of this server' 200 1 PUT $A/bridges/b2 '' -H "Cookie: $cookie" -H "X-CSRF-Token: $csrf" -H 'Origin: http://127.0.0.1:8461' -d '{}'
for origin in http://evil.example null http://127.0.0.1:8461.evil.example http://127.0.0.1 'http://evil.example/127.0.0.1:8461'; do
	answers "... not from $origin" 403 1 PUT $A/bridges/b2 '' -H "Cookie: $cookie" -H "X-CSRF-Token: $csrf" -H "Origin: $origin" -d '{}'
done
answers '... nor across sites' 403 1 PUT $A/bridges/b2 '' -H "Cookie: $cookie" -H "X-CSRF-Token: $csrf" -H 'Sec-Fetch-Site: cross-site' -d '{}'
answers 'another page cannot log in' 403 1 POST /api/v1/session '' -H 'Origin: http://evil.example' -d "{\"token\": \"$admin\"}"
answers '... nor a form' 415 1 POST /api/v1/session '' -H 'Content-Type: text/plain' -d "{\"token\": \"$admin\"}"
answers 'a page that was loaded again asks for its token' 200 2 GET /api/v1/session '' -H "Cookie: $cookie"
equal '... and gets the same' "$csrf" "$(field csrf)"
call 1 OPTIONS $A/bridges '' -H 'Origin: http://evil.example' -H 'Access-Control-Request-Method: PUT'
refute 'no other origin is let in (CORS)' grep -qi access-control <<<"$headers"
call 1 GET $A/bridges '' -H "Cookie: $cookie" -H 'Origin: http://evil.example'
refute '... also not to read' grep -qi access-control <<<"$headers"
redis-cli -s "$work/db.sock" --raw hgetall "$(redis-cli -s "$work/db.sock" --raw keys 'skep:*_api:o')" >"$work/dump"
check 'the database has the session' grep -q '^session/' "$work/dump"
refute '... not its secret' grep -q "${cookie##*_}" "$work/dump"
refute '... nor what guards it' grep -q "$csrf" "$work/dump"
answers 'a session is no bearer token' 401 1 GET /api/v1/whoami "${cookie#*=}"
answers 'it ends' 204 1 DELETE /api/v1/session '' -H "Cookie: $cookie" -H "X-CSRF-Token: $csrf"
contains '... and so does its cookie' 'skep_session=;.*Max-Age=0' "$(header Set-Cookie)"
over() { call 2 GET /api/v1/whoami '' -H "Cookie: $cookie"; [ "$status" = 401 ]; }
wait_for 2 over && ok '... at the other instance too' || not_ok '... at the other instance too'
login 1 "$admin"
answers 'a token that is revoked' 204 1 DELETE "/api/v1/tokens/$(cut -d_ -f2 <<<"$admin")" "$OP"
wait_for 2 over && ok '... ends its sessions' || not_ok '... ends its sessions'
answers 'no session without a token' 401 1 POST /api/v1/session '' -d '{"token": "skep_x"}'
answers '... nor with something else' 422 1 POST /api/v1/session '' -d '{"token": 5}'
login 1 "$ro"
answers 'a session for reading only does not write' 403 1 PUT $A/bridges/b3 '' -H "Cookie: $cookie" -H "X-CSRF-Token: $csrf" -d '{}'
answers '... and may end' 204 1 DELETE /api/v1/session '' -H "Cookie: $cookie" -H "X-CSRF-Token: $csrf"

# --- which sessions there are ---
call 1 PUT /api/v1/tenants/other "$OP" -d '{}'
reader2=$(make_token tenant-reader acme) admin2=$(make_token tenant-admin acme) stranger=$(make_token tenant-admin other)
agent=$(printf 'Mozilla <b>"x"\\\xc3\xa9%.0s' {1..30})
call 1 POST /api/v1/session '' -A "$agent" -d "{\"token\": \"$reader2\"}"
read_cookie=$(sed -n 's/^set-cookie: \(skep_session=[^;]*\).*/\1/Ip' <<<"$headers") read_id=$(sed 's/.*=\(.*\)_.*/\1/' <<<"$read_cookie")
login 1 "$admin2"
admin_cookie=$cookie admin_csrf=$csrf admin_id=$(sed 's/.*=\(.*\)_.*/\1/' <<<"$cookie")
ids() { # TOKEN [CURL-OPTION...]: of the sessions that it sees
	call 2 GET '/api/v1/sessions?limit=1000' "$@"
	python3 -c 'import json, sys; print(*sorted(s["id"] for s in json.loads(sys.argv[1])["items"]))' "$body"
}
both() { [ "$(ids "$admin2")" = "$(printf '%s\n' "$admin_id" "$read_id" | sort | xargs)" ]; }
wait_for 2 both && ok 'an admin sees the sessions of the tenant' || not_ok 'an admin sees the sessions of the tenant'
equal 'others see their own' "$read_id" "$(ids '' -H "Cookie: $read_cookie")"
equal '... also by the token that they were begun with' "$read_id" "$(ids "$reader2")"
equal '... and nobody else' '' "$(ids "$stranger")"
contains 'an operator sees all' "$admin_id" "$(ids "$OP")"
answers 'one session' 200 1 GET "/api/v1/sessions/$read_id" "$reader2"
equal '... where from' 127.0.0.1 "$(field address)"
equal '... by which browser, in 200 characters that harm nobody' "$(printf 'Mozilla <b>"x"\\??%.0s' {1..30} | head -c 200)" "$(field user_agent)"
equal '... with which token' "$(cut -d_ -f2 <<<"$reader2")" "$(field token)"
refute '... no secret' grep -q "${read_cookie##*_}\|sha256\|csrf" <<<"$body"
answers 'the page is bounded' 200 1 GET '/api/v1/sessions?limit=1' "$admin2"
equal '... and goes on' 2 "$(field total)"
answers "another tenant's session is not there" 404 1 DELETE "/api/v1/sessions/$read_id" "$stranger"
answers '... nor the admin’s for a reader' 404 1 DELETE "/api/v1/sessions/$admin_id" "$reader2"
ro2=$(make_token tenant-admin acme '"read_only": true')
answers 'who may only read does not end what is not its own' 403 1 DELETE "/api/v1/sessions/$read_id" "$ro2"
answers '... with a cookie it needs X-CSRF-Token' 403 1 DELETE "/api/v1/sessions/$read_id" '' -H "Cookie: $admin_cookie"
answers 'the admin ends it' 204 1 DELETE "/api/v1/sessions/$read_id" '' -H "Cookie: $admin_cookie" -H "X-CSRF-Token: $admin_csrf"
gone() { call 2 GET /api/v1/whoami '' -H "Cookie: $read_cookie"; [ "$status" = 401 ]; }
wait_for 2 gone && ok '... and who has its cookie is out, everywhere' || not_ok '... and who has its cookie is out, everywhere'
answers '... which is told of' 200 1 GET '/api/v1/audit?limit=1' "$admin2"
contains '... what' "\"method\":\"DELETE\",\"path\":\"/api/v1/sessions/$read_id\"" "$body"
answers '... not twice' 404 1 DELETE "/api/v1/sessions/$read_id" "$admin2"
answers 'one ends one’s own by its token' 204 1 DELETE "/api/v1/sessions/$admin_id" "$admin2"
monitor=$(make_token monitor)
answers 'a monitor has no session' 403 1 POST /api/v1/session '' -d "{\"token\": \"$monitor\"}"

# --- who fails often ---
api_stop 2
api_start 2 # nothing is remembered of the failures above
n401=0 n429=0
for _ in {1..60}; do
	call 2 GET /api/v1/whoami "skep_0123456789abcdef_$(printf '%064d' $RANDOM)"
	[ "$status" = 401 ] && n401=$((n401 + 1))
	[ "$status" = 429 ] && n429=$((n429 + 1)) && retry=$(header Retry-After)
done
[ $n401 -ge 15 ] && [ $n429 -ge 15 ] && ok "wrong tokens are slowed down ($n401 tried, $n429 not)" || not_ok "wrong tokens are slowed down ($n401 tried, $n429 not)"
contains '... told when to come again' '^[1-9][0-9]*$' "${retry:-}"
answers '... a good one from the same address is not' 200 2 GET /api/v1/whoami "$OP"
neighbour=$(make_token tenant-reader acme)
login 2 "$neighbour"
known() { call 2 GET /api/v1/whoami "$neighbour"; [ "$status" = 200 ]; }
wait_for 2 known || not_ok 'a new token is known to all'
cat >"$work/flood.py" <<'PY'
# wrong tokens, as many as go through, on four connections; meanwhile those who share the address
import http.client, os, socket, sys, threading, time
good = [("Authorization", "Bearer " + sys.argv[1]), ("Cookie", sys.argv[2])]
stop, started, wrong, refused = threading.Event(), threading.Barrier(5), [0] * 4, []
def flood(k):
    s = socket.create_connection(("127.0.0.1", 8462))
    while not stop.is_set():
        for _ in range(50):
            s.sendall(b"GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer skep_%s_%s\r\n\r\n" % (os.urandom(8).hex().encode(), os.urandom(32).hex().encode()))
        answers = b""
        while answers.count(b"HTTP/1.1 4") < 50:
            d = s.recv(65536)
            if not d: return
            answers += d
        if not wrong[k]: started.wait()
        wrong[k] += 50
threads = [threading.Thread(target=flood, args=(k,)) for k in range(4)]
for t in threads: t.start()
started.wait()
begin, before = time.monotonic(), sum(wrong)
c = http.client.HTTPConnection("127.0.0.1", 8462, timeout=20)
asked = 0
while asked < 100 or sum(wrong) - before < 2000:
    c.request("GET", "/api/v1/whoami", headers=dict([good[asked % 2]]))
    asked += 1
    r = c.getresponse()
    r.read()
    if r.status != 200: refused.append(r.status)
took, n = time.monotonic() - begin, sum(wrong) - before
stop.set()
for t in threads: t.join()
print(int(n / took), *refused[:10])
PY
read -r rate refused < <(python3 "$work/flood.py" "$neighbour" "$cookie")
[ "${rate:-0}" -gt 0 ] && [ -z "$refused" ] && ok "... nor a token and a session that are right, beside $rate wrong ones a second" ||
	not_ok "... nor a token and a session that are right, beside $rate wrong ones a second (${refused:0:100})"

# --- rates ---
rated=$(make_token tenant-reader acme)
answers 'a tenant gets a rate' 200 1 PUT $A/quota "$OP" -d '{"requests_per_s": 2}'
n=0 too_many=0
while [ $n -lt 40 ]; do
	call 1 GET /api/v1/whoami "$rated"
	[ "$status" = 429 ] && too_many=$((too_many + 1)) && again=$(header Retry-After)
	n=$((n + 1))
done
[ $too_many -gt 5 ] && ok "it is kept to ($too_many of 40 refused)" || not_ok "it is kept to ($too_many of 40 refused)"
contains '... told when to come again' '^[1-9]' "${again:-}"
call 1 PUT /api/v1/tenants/other "$OP" -d '{}'
answers '... others are not slowed' 200 1 GET /api/v1/whoami "$(make_token tenant-reader other)"
answers 'the quota is told' 200 1 GET $A/quota "$OP"
contains '... with what is used' '"used":\{"objects":.*"bridges":2' "$body"
answers 'back to the default' 204 1 DELETE $A/quota "$OP"

# --- the local socket ---
status=$(curl -s -o "$work/body" -w '%{http_code}' --unix-socket "$work/api1/sock" http://api/api/v1/whoami)
equal 'root on the local socket is an operator' 200 "$status"
chmod -R a+rX "$work"; chmod a+rw "$work/api1/sock"
status=$(setpriv --reuid 65534 --regid 65534 --clear-groups curl -s -o /dev/null -w '%{http_code}' --unix-socket "$work/api1/sock" http://api/api/v1/whoami)
equal 'others on it are nobody' 401 "$status"

call 1 GET '/api/v1/audit?limit=1' "$OP"
equal 'what a token did' "token $(cut -d_ -f2 <<<"$OP")" "$(field items.0.source) $(field items.0.token)"
curl -s -o /dev/null -X PUT -H 'Content-Type: application/json' -d '{}' --unix-socket "$work/api1/sock" http://api/api/v1/tenants/sock
call 1 GET '/api/v1/audit?limit=1' "$OP"
equal '... and root on the socket, of the same name' 'root socket 0' "$(field items.0.by) $(field items.0.source) $(field items.0.uid)"
answers "a tenant's token is not called as others are" 422 1 POST /api/v1/tokens "$OP" -d '{"name": "root", "role": "tenant-admin", "tenant": "acme"}'
for h in 'Forwarded: for=192.0.2.1' 'X-Forwarded-For: 192.0.2.1' 'x-forwarded-proto: https' 'X-Forwarded-Host: a' 'X-Real-IP: 192.0.2.1' 'Via: 1.1 proxy'; do
	status=$(curl -s -o /dev/null -w '%{http_code}' -H "$h" --unix-socket "$work/api1/sock" http://api/api/v1/whoami)
	equal "root that passes on what others ask is nobody (${h%%:*})" 401 "$status"
done
status=$(curl -s -o /dev/null -w '%{http_code}' -H 'Via: 1.1 proxy' -H "Authorization: Bearer $OP" --unix-socket "$work/api1/sock" http://api/api/v1/whoami)
equal '... and with a token who that is' 200 "$status"
api_start 4 local_root=nobody limits.token_days=2
status=$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$work/api4/sock" http://api/api/v1/whoami)
equal 'root is nobody, if so set' 401 "$status"
answers 'a token of three days where two are allowed' 422 4 POST /api/v1/tokens "$OP" -d '{"name": "x", "role": "operator", "expires_s": 259200}'
contains '... told so' 'at most 2 days' "$body"
answers '... of one' 201 4 POST /api/v1/tokens "$OP" -d '{"name": "x", "role": "operator", "expires_s": 86400}'
answers '... without a wish' 201 4 POST /api/v1/tokens "$OP" -d '{"name": "x", "role": "operator", "expires_s": null}'
equal '... ends after two' 172800 $(($(field expires) - $(field created)))
api_stop 4

# --- the database is gone ---
answers 'before' 200 1 GET $A/bridges "$OP"
kill -STOP "$redis_pid"
answers 'without the database a known token still lets in' 200 1 GET /api/v1/whoami "$OP"
call 1 POST /api/v1/tokens "$OP" -d '{"name": "x", "role": "operator"}'
equal '... nothing is written' 503 "$status"
contains '... told when to come again' '^[0-9]' "$(header Retry-After)"
no_wait=1 api_start 3
alive() { curl -sf --max-time 2 http://127.0.0.1:8463/healthz; }
wait_for 5 alive || not_ok 'an instance starts without the database'
answers 'an instance that knows nobody lets nobody in' 503 3 GET /api/v1/whoami "$OP"
kill -CONT "$redis_pid"
let_in() { call 3 GET /api/v1/whoami "$OP"; [ "$status" = 200 ]; }
wait_for 15 let_in && ok '... until the database is back' || not_ok '... until the database is back'
for n in 1 2 3; do api_stop $n; done
