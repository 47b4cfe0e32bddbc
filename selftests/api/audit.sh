#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The audit: an entry for each write and for none that was not made, with who, what, before and after; undo.
. "$(dirname "$0")/servers.sh"

servers_up
printf 'tenant: acme\nbridges: [{name: b0}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
printf 'tenant: rival\nbridges: [{name: b0}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
api_start 1
api_start 2 log.writes=yes
admin=$(make_token tenant-admin acme) reader=$(make_token tenant-reader acme) rival=$(make_token tenant-admin rival)
T=/api/v1/tenants/acme
entries() { # QUERY: how many; $body is the list
	call 1 GET "$T/audit?limit=1000$1" "$OP"
	python3 -c 'import json, sys; print(len(json.loads(sys.argv[1])["items"]))' "$body"
}
newest() { # its id
	call 1 GET "$T/audit?limit=1" "$OP"
	field items.0.id
}
undo() { call "${2:-1}" POST "$T/audit/$1/undo" "${3:-$admin}"; }

# --- what is told ---
equal "what 'skep' writes is in it" 1 "$(entries '')"
call 1 GET "$T/audit" "$reader"
contains '... by whom, as the machine knows' "\"by\":\"root@$(hostname)\",\"tool\":\"skep\"" "$body"
trace=00-0123456789abcdef0123456789abcdef-0123456789abcdef-01
answers 'a write' 201 2 PUT $T/bridges/b1 "$admin" -H 'X-Request-Id: req-77' -H "traceparent: $trace" -d '{"description": "first"}'
rev=$(header Skep-Revision)
id=$(newest)
answers 'its entry' 200 1 GET "$T/audit/$id" "$reader"
equal '... who' test "$(field by)"
equal '... with which token' "$(cut -d_ -f2 <<<"$admin")" "$(field token)"
equal '... as what' tenant-admin "$(field role)"
equal '... of which tenant, who makes place for more' acme "$(field caller_tenant)"
equal '... what' "PUT $T/bridges/b1" "$(field method) $(field path)"
equal '... from where' 127.0.0.1 "$(field address)"
equal '... in which request' req-77 "$(field request)"
equal '... of which trace' "$trace" "$(field traceparent)"
equal '... the revision' "$rev" "$(field crev)"
now=$(date +%s%3N) at=$(field time_ms)
[ $((now - at)) -lt 10000 ] && [ $((at - now)) -lt 1000 ] && ok '... when' || not_ok "... when ($at, now $now)"
equal '... the object' 'bridge/b1 created' "$(field changes.0.path) $(field changes.0.op)"
equal '... before' '' "$(field changes.0.before)"
equal '... after' first "$(field changes.0.after.description)"
call 2 GET $T/bridges/b1 "$admin"
logged() { grep -q "PUT $T/bridges/b1.*$(cut -d_ -f2 <<<"$admin")" "$work/api2/log"; }
wait_for 5 logged && ok '... the log tells of it too, if so set' || not_ok '... the log tells of it too, if so set'
refute '... and of nothing else' grep -q "GET $T" "$work/api2/log"
call 1 PATCH $T/bridges/b1 "$admin" -d '{"description": "second"}'
call 1 GET "$T/audit/$(newest)" "$reader"
equal 'a change: before and after' 'first second' "$(field changes.0.before.description) $(field changes.0.after.description)"
contains 'no entry has a token' '^0$' "$(grep -c "${admin##*_}" <<<"$body")"

# --- and what is not ---
answers 'an operator is of none' 201 1 PUT $T/bridges/op "$OP" -d '{}'
call 1 GET "$T/audit/$(newest)" "$reader"
equal '... and makes place for itself' '' "$(field caller_tenant)"
n=$(entries '')
answers 'what is refused' 422 1 PUT $T/bridges/b9 "$admin" -d '{"nonsense": 1}'
answers '... for its revision' 412 1 PUT $T/bridges/b1 "$admin" -H 'If-Match: "1"' -d '{}'
answers '... for who asks' 403 1 PUT $T/bridges/b9 "$reader" -d '{}'
answers '... what is only tried' 200 1 PUT "$T/bridges/b9?dry_run=true" "$admin" -d '{}'
answers '... what changes nothing' 200 1 PATCH $T/bridges/b1 "$admin" -d '{"description": "second"}'
answers '... what is half right' 422 1 POST $T/batch "$admin" \
	-d '{"operations": [{"method": "PUT", "path": "bridges/b8", "body": {}}, {"method": "PUT", "path": "ports/p", "body": {"bridge": "nosuch"}}]}'
equal 'leaves no entry' "$n" "$(entries '')"
answers 'a batch' 200 1 POST $T/batch "$admin" \
	-d '{"operations": [{"method": "PUT", "path": "bridges/b7", "body": {}}, {"method": "PUT", "path": "ports/p7", "body": {"bridge": "b7"}}]}'
equal '... is one entry' $((n + 1)) "$(entries '')"
answers '... with all its objects' 200 1 GET "$T/audit/$(newest)" "$reader"
contains '... of both kinds' '"path":"bridge/b7".*"path":"port/p7"' "$body"
writer() { # N
	local i
	for i in {1..25}; do
		echo "url = http://127.0.0.1:$((8461 + $1 % 2))$T/bridges/w$1-$i"
		printf '%s\n' 'request = PUT' 'data = {}' "header = \"Authorization: Bearer $admin\"" 'header = "Content-Type: application/json"' \
			'output = /dev/null' 'write-out = "%{http_code}\n"'
		[ "$i" = 25 ] || echo next
	done >"$work/curl$1"
	curl -s -K "$work/curl$1" >"$work/codes$1"
}
n=$(entries '')
writers=()
for w in 1 2 3 4; do writer $w & writers+=($!); done
wait "${writers[@]}"
equal 'a hundred writes of four writers at two instances are made' 100 "$(cat "$work"/codes? | grep -c 201)"
equal '... and told, each once' $((n + 100)) "$(entries '')"
equal '... by its object' 25 "$(for i in {1..25}; do entries "&object=bridge/w1-$i"; done | grep -c '^1$')"

# --- pages ---
python3 - "$admin" "$T" >"$work/pages" <<'PY'
import http.client, json, sys
c, seen, cursor, pages = http.client.HTTPConnection("127.0.0.1:8461"), [], "", 0
while True:
    c.request("GET", sys.argv[2] + "/audit?limit=17" + cursor, headers={"Authorization": "Bearer " + sys.argv[1]})
    page = json.loads(c.getresponse().read())
    seen += [e["id"] for e in page["items"]]
    pages += 1
    if not page["next"]:
        break
    cursor = "&cursor=" + page["next"]
print(len(seen), len(set(seen)), seen == sorted(seen, key=lambda i: [int(x) for x in i.split("-")], reverse=True), pages > 5)
PY
equal 'page by page: all, each once, newest first' "$((n + 100)) $((n + 100)) True True" "$(cat "$work/pages")"
equal 'of one object' 2 "$(entries '&object=bridge/b1')"
equal '... not those whose names begin alike' 0 "$(entries '&object=bridge/w1')"
equal 'of one person' 1 "$(entries "&by=root@$(hostname)")"
for bad in limit=0 limit=1001 limit=x cursor=x cursor=1 'cursor=1-1%20' 'by=a%20b' nonsense=1 "object=$(printf 'a%.0s' {1..300})"; do
	call 1 GET "$T/audit?$bad" "$reader"
	[ "$status" = 400 ] || not_ok "?${bad:0:30}: $status"
done
ok 'bad questions are refused'

# --- whose it is ---
answers "another tenant's entry is not there" 404 1 GET "/api/v1/tenants/rival/audit/$id" "$rival"
answers '... nor undone' 404 1 POST "/api/v1/tenants/rival/audit/$id/undo" "$rival"
answers '... nor by its path' 404 1 GET "$T/audit/$id" "$rival"
answers 'a reader undoes nothing' 403 1 POST "$T/audit/$id/undo" "$reader"
answers 'an entry that is none' 404 1 POST "$T/audit/nosuch/undo" "$admin"
answers 'tokens have entries of their own' 200 1 GET "/api/v1/audit?limit=1000" "$OP"
contains '... with the tenant' '"tenant":"rival"' "$body"
answers '... of which an admin sees those of the tenant' 200 1 GET "/api/v1/audit?limit=1000" "$admin"
refute '... only' grep -q rival <<<"$body"

# --- undo ---
call 1 PUT $T/bridges/u "$admin" -d '{"description": "one"}'; created=$(newest)
call 1 PATCH $T/bridges/u "$admin" -d '{"description": "two"}'; changed=$(newest)
undo "$created"
equal 'what was changed since is not undone' 409 "$status"
contains '... told what' "'bridge/u' was changed since" "$body"
answers 'to undo may be tried' 200 1 POST "$T/audit/$changed/undo?dry_run=true" "$admin"
call 1 GET $T/bridges/u "$reader"
equal '... and changes nothing then' two "$(field description)"
undo "$changed" 2
equal 'a change is undone, at the other instance' 200 "$status"
call 2 GET $T/bridges/u "$reader"
equal '... it is as before' one "$(field description)"
undone=$(newest)
call 1 GET "$T/audit/$undone" "$reader"
equal '... which is told of' "$T/audit/$changed/undo" "$(field path)"
undo "$changed"
equal '... and not undone again' 409 "$status"
undo "$undone"
equal 'the undoing is undone' 200 "$status"
call 1 GET $T/bridges/u "$reader"
equal '... it is changed again' two "$(field description)"
undo "$(newest)"
undo "$created"
equal 'then the creation is undone' 200 "$status"
answers '... it is gone' 404 1 GET $T/bridges/u "$reader"
call 1 PUT $T/bridges/d "$admin" -d '{}'
call 1 PUT $T/ports/dp "$admin" -d '{"bridge": "d", "mac": "02:00:00:00:00:09"}'
uuid=$(field id)
call 1 PUT $T/bindings/dp "$OP" -d '{"host": "h1", "interface": "tap9"}'
answers 'a port that is bound is deleted' 204 1 DELETE $T/ports/dp "$admin"
deleted=$(newest)
call 1 GET "$T/audit/$deleted" "$reader"
contains '... with its binding' '"path":"bind/dp","op":"deleted"' "$body"
undo "$deleted"
equal 'where it was is for operators to say' 403 "$status"
answers '... nothing was done' 404 1 GET $T/ports/dp "$reader"
undo "$deleted" 1 "$OP"
equal 'an operator undoes it' 200 "$status"
call 1 GET $T/ports/dp "$reader"
equal '... it is the same port' "$uuid" "$(field id)"
answers '... in its place' 200 1 GET $T/bindings/dp "$reader"
call 1 PUT $T/bridges/e "$admin" -d '{}'; created=$(newest)
call 1 PUT $T/ports/ep "$admin" -d '{"bridge": "e"}'
undo "$created"
equal 'what is in use is not undone' 409 "$status"
contains '... told why' "bridge.*'e'" "$body"
answers '... it is still there' 200 1 GET $T/bridges/e "$reader"
printf 'tenant: acme\nbridges: [{name: many0}]\nports:\n' >"$work/many.yaml"
for i in {1..2000}; do echo "  - {name: many$i, bridge: many0}"; done >>"$work/many.yaml"
call 1 PUT $T/topology "$admin" -H 'Content-Type: application/yaml' --data-binary @"$work/many.yaml"
equal 'a large document' 200 "$status"
undo "$(newest)"
equal '... is undone as a whole' 200 "$status"
answers '... to the last' 404 1 GET $T/ports/many2000 "$reader"
printf 'tenant: acme\nbridges: [{name: "by-skep"}]\n' | "$SKEP" apply -f - >/dev/null
undo "$(newest)"
equal "what 'skep' did is undone, too" 200 "$status"
answers '... gone' 404 1 GET $T/bridges/by-skep "$reader"

# --- too many questions; last, for what follows would be put off too ---
many() { # 300 questions at once
	local i
	for i in {1..300}; do
		printf '%s\n' "url = http://127.0.0.1:8461$T/audit?limit=1" "header = \"Authorization: Bearer $reader\"" 'output = /dev/null' 'write-out = "%{http_code}\n"'
		[ "$i" = 300 ] || echo next
	done >"$work/many"
	curl -s -K "$work/many"
}
equal 'too many questions are put off' yes "$(many | grep -q 429 && echo yes)"
answers '... of this tenant, not of others' 200 1 GET /api/v1/tenants/rival/audit "$rival"
free_again() { call 1 GET "$T/audit" "$reader"; [ "$status" = 200 ]; }
wait_for 10 free_again && ok '... for a while' || not_ok '... for a while'
for n in 1 2; do api_stop $n; done
