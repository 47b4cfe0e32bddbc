#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Events of a tenant: in order, from every server, resumed; and a server that stops with streams open.
. "$(dirname "$0")/servers.sh"

servers_up
printf 'tenant: acme\nbridges: [{name: b}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
api_start 1 limits.rate=1000000 limits.burst=1000000
api_start 2
A=/api/v1/tenants/acme
follow() { # FILE N [CURL-OPTION...]
	curl -sN --max-time 60 -H "Authorization: Bearer $OP" "${@:3}" "http://127.0.0.1:$((8460 + $2))$A/events" >"$1" 2>/dev/null &
	background+=("$!")
	follower=$!
}
has() { grep -q "$2" "$1"; }
events() { grep -c '^event: ' "$1"; }

follow "$work/one" 1
first=$follower
wait_for 5 has "$work/one" '^id: ' && ok 'a stream begins with where it is' || not_ok 'a stream begins with where it is'
call 1 POST "$A/bridges" "$OP" -d '{"name": "here"}'
call 2 POST "$A/bridges" "$OP" -d '{"name": "there"}'
call 2 DELETE "$A/bridges/here" "$OP"
wait_for 5 has "$work/one" '"name":"here".*"object":null' && ok 'what is written anywhere is told' || not_ok 'what is written anywhere is told'
equal '... in order' 'put here put there delete here ' "$(sed -n 's/^event: \(.*\)/\1/p; s/.*"name":"\([^"]*\)","rev".*/\1/p' "$work/one" | tr '\n' ' ')"
id=$(sed -n 's/^id: //p' "$work/one" | sed -n 2p)
kill "$first"
for i in {1..5}; do call 1 PUT "$A/bridges/m$i" "$OP" -d '{}'; done
follow "$work/two" 1 -H "Last-Event-ID: $id"
wait_for 5 has "$work/two" '"name":"m5"' && ok 'who comes back gets what it missed' || not_ok 'who comes back gets what it missed'
equal '... all of it, once' 7 "$(events "$work/two")"
follow "$work/other" 2 -H "Last-Event-ID: $id"
wait_for 5 has "$work/other" '"name":"m5"' && ok 'also at a server that has never been asked' || not_ok 'also at a server that has never been asked'
equal '... all of it, once, with the same ids' "$(sed '/^:/d; /^$/d' "$work/two")" "$(sed '/^:/d; /^$/d' "$work/other")"
api_start 3
follow "$work/late" 3 -H "Last-Event-ID: $id"
wait_for 5 has "$work/late" '"name":"m5"' && ok 'also at one that was started since' || not_ok 'also at one that was started since'
equal '... all of it' 7 "$(events "$work/late")"
# resumed again and again while both write: what each stream has seen in the end is every write, once, in order
for i in {1..10}; do
	follow "$work/chain$i" $((1 + i % 2)) ${last:+-H "Last-Event-ID: $last"}
	wait_for 5 has "$work/chain$i" '^id: \|^: connected' || not_ok "stream $i begins"
	call $((1 + i % 2)) PUT "$A/bridges/chain$i" "$OP" -d '{}'
	call $((2 - i % 2)) PUT "$A/bridges/chain$i" "$OP" -d '{"description": "again"}'
	wait_for 5 has "$work/chain$i" "\"chain$i\".*again" || not_ok "stream $i tells"
	[ "$i" = 10 ] && break
	# what comes while nobody listens; the next stream begins where the first write was told
	kill "$follower"
	wait "$follower" 2>/dev/null
	last=$(grep '^id: ' "$work/chain$i" | sed -n 's/^id: //p' | tail -n 2 | head -n 1)
done
equal 'resumed at the other server each time: nothing is missed, nothing is new' "$(for i in {1..10}; do printf 'chain%d \nchain%d again\n' "$i" "$i"; done)" \
	"$(cat "$work"/chain{1..10} | python3 -c 'import json, sys
seen = set()
for line in sys.stdin:
    if line.startswith("data: "):
        d = json.loads(line[6:])
        if d["kind"] == "bridges" and d["name"].startswith("chain") and (d["rev"], d["name"]) not in seen:
            seen.add((d["rev"], d["name"]))
            print(d["name"], (d["object"] or {}).get("description", ""))')"
equal '... nor is any a reset' 0 "$(cat "$work"/chain* | grep -c '^event: reset')"
rev=${id%-*} epoch=${id#*-}
follow "$work/rewound" 2 -H "Last-Event-ID: $rev-00000000"
wait_for 5 has "$work/rewound" '^event: reset' && ok 'an id of a history that was taken back: reset' || not_ok 'an id of a history that was taken back: reset'
follow "$work/future" 2 -H "Last-Event-ID: 999999-$epoch"
wait_for 15 has "$work/future" '^event: reset' && ok 'an id that nobody has told: reset' || not_ok 'an id that nobody has told: reset'
follow "$work/begin" 2 -H "Last-Event-ID: 0-$epoch"
wait_for 5 has "$work/begin" '"name":"m5"\|^event: reset' && ok 'an id of the beginning: all of it, or reset' || not_ok 'an id of the beginning: all of it, or reset'
follow "$work/three" 1 -H 'Last-Event-ID: 0'
wait_for 5 has "$work/three" '^event: reset' && ok 'what is not remembered: reset' || not_ok 'what is not remembered: reset'
follow "$work/four" 1 -H 'Last-Event-ID: nonsense'
wait_for 5 has "$work/four" '^event: reset' && ok 'nonsense: reset' || not_ok 'nonsense: reset'
call 1 POST "$A/batch" "$OP" -d '{"operations": [{"method": "PUT", "path": "bridges/x1", "body": {}}, {"method": "PUT", "path": "bridges/x2", "body": {}}]}'
wait_for 5 has "$work/two" '"name":"x2"' || not_ok 'a batch is told'
equal 'a commit has one id' 1 "$(sed -n '/"chain10".*again/,$p' "$work/two" | grep -c '^id: ')"
python3 -c 'print("{\"bridges\": [" + ", ".join("{\"name\": \"n%d\"}" % i for i in range(1500)) + "]}")' >"$work/many"
call 1 PUT "$A/topology" "$OP" -d "@$work/many"
equal 'a large document' 200 "$status"
wait_for 5 has "$work/two" '^event: reset' && ok '... is a reset' || not_ok '... is a reset'
answers 'a tenant that is not there' 404 1 GET /api/v1/tenants/nosuch/events "$OP"
# who does not read is let go
python3 - "$A" "$OP" "$work/stuck" <<'PY' &
import socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096); s.connect(("127.0.0.1", 8461))
s.sendall(("GET %s/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % tuple(sys.argv[1:3])).encode())
open(sys.argv[3], "w").write("x")
t = time.time()
while time.time() - t < 100: time.sleep(0.1)
PY
background+=("$!")
wait_for 5 test -s "$work/stuck"
streams() { call 1 GET /api/v1/status "$OP"; field http.streams; }
before=$(streams)
long=$(printf 'x%.0s' {1..200})
for i in {1..60}; do
	python3 -c 'print("{\"operations\": [" + ", ".join("{\"method\": \"PATCH\", \"path\": \"bridges/n%d\", \"body\": {\"description\": \"'"$i$long"'\"}}" % i for i in range(900)) + "]}")' >"$work/batch"
	call 1 POST "$A/batch" "$OP" -d "@$work/batch"
	[ "$status" = 200 ] || { not_ok "batch $i: $status"; echo "$body" | head -c 300 | note; break; }
	[ "$(streams)" -lt "$before" ] && break
done
[ "$(streams)" -lt "$before" ] && ok "who does not read is let go (after $i batches)" || not_ok 'who does not read is let go'

# --- who can be told of nothing any more is not left in silence ---
ended() { ! kill -0 "$1" 2>/dev/null; }
printf 'tenant: brief\nbridges: [{name: b}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
A=/api/v1/tenants/brief follow "$work/brief" 1
brief=$follower
wait_for 5 has "$work/brief" '^id: ' || not_ok 'a stream of another tenant'
answers 'its tenant is deleted' 204 1 DELETE '/api/v1/tenants/brief?recursive=true' "$OP"
wait_for 5 ended "$brief" && ok '... the stream ends' || not_ok '... the stream ends'
follow "$work/five" 1
five=$follower
wait_for 5 has "$work/five" '^id: ' || not_ok 'a stream'
kill -STOP "$redis_pid"
wait_for 15 ended "$five" && ok 'the state DB is away: a stream ends' || not_ok 'the state DB is away: a stream ends'
answers '... and does not begin again' 503 1 GET "$A/events" "$OP"
kill -CONT "$redis_pid"
readable() { call 1 GET "$A/bridges?limit=1" "$OP"; [ "$status" = 200 ]; }
wait_for 15 readable || not_ok 'the state DB is back'
follow "$work/six" 1 -H "Last-Event-ID: 0"
wait_for 5 has "$work/six" '^event: reset' && ok '... until it is back' || not_ok '... until it is back'
api_stop 1 && ok 'a server stops with streams open' || not_ok 'a server stops with streams open'
