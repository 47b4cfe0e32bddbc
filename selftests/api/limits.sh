#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Clients that are slow, greedy or hostile, a database that is slow or gone: each gets its status and problem document, and the server stays as it is.
. "$(dirname "$0")/servers.sh"

servers_up
printf 'tenant: acme\nbridges: [{name: b}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
mkdir -p "$work/panel/assets" && echo '<!doctype html>hello' >"$work/panel/index.html" && echo 'x()' >"$work/panel/assets/x.js"
echo secret >"$work/secret" && ln -s ../secret "$work/panel/link" && ln -s index.html "$work/panel/inner.html" && mkfifo "$work/panel/fifo"
ulimit -n "$(ulimit -Hn)"
[ "$(ulimit -n)" -ge 11000 ] || bail "needs 11 000 descriptors, may have $(ulimit -Hn)"
api_start 1 limits.body=1MB limits.idle_s=2 limits.request_s=1 limits.connections=10000 limits.connections_per_address=10000 "panel=$work/panel"
A=/api/v1/tenants/acme
rss() { awk '/VmRSS/ { print $2 }' "/proc/${api_pid[1]}/status"; }

answered() { grep -o 'HTTP/1\.1 [1-5]' | wc -l; } # bodies end without a line's end
H='Host: x\r\n'"Authorization: Bearer $OP"'\r\n'

# --- framing ---
J='Content-Type: application/json\r\n'
equal 'Content-Length and Transfer-Encoding: 400' 400 "$(raw "POST $A/bridges HTTP/1.1\r\n$H${J}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" | status_of)"
equal 'two Content-Lengths: 400' 400 "$(raw "POST $A/bridges HTTP/1.1\r\n$H${J}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" | status_of)"
equal 'Transfer-Encoding: gzip' 400 "$(raw "POST $A/bridges HTTP/1.1\r\n$H${J}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" | status_of)"
equal 'a Content-Length that is none' 400 "$(raw "POST $A/bridges HTTP/1.1\r\n$H${J}Content-Length: +2\r\n\r\n{}" | status_of)"
for name in 'Content-Length ' 'Content-Length\t' 'Transfer-Encoding ' 'X(Y)' 'Content-Length\x0b'; do
	out=$(raw "POST $A/bridges HTTP/1.1\r\n$H${J}$name: 49\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: 567890\r\n\r\n")
	equal "a header '$name': 400, and the connection ends" '400 1' "$(status_of <<<"$out") $(answered <<<"$out")"
done
equal 'two Hosts' 400 "$(raw "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" | status_of)"
equal 'no Host' 400 "$(raw "GET /healthz HTTP/1.1\r\n\r\n" | status_of)"
smuggled=$(raw "POST /healthz HTTP/1.1\r\n$H${J}Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/whoami HTTP/1.1\r\n$H\r\n")
equal 'nothing that is smuggled is answered' 1 "$(answered <<<"$smuggled")"
equal 'headers of 40 kB: refused' 4 "$(raw "GET /healthz HTTP/1.1\r\n${H}X-A: $(printf 'a%.0s' {1..40000})\r\n\r\n" | status_of | cut -c1)"
equal 'two Hosts' 400 "$(raw "GET /healthz HTTP/1.1\r\n$H$H\r\n" | status_of)"
equal 'a blank in a name' 400 "$(raw "GET /healthz HTTP/1.1\r\n${H}X-A : b\r\n\r\n" | status_of)"
contains '... as a problem' '/problems/malformed' "$(raw "GET /healthz HTTP/1.1\r\n${H}X-A : b\r\n\r\n")"
equal 'a header that begins as a continuation' 400 "$(raw "GET /healthz HTTP/1.1\r\n X-A: b\r\n${H}\r\n" | status_of)"
# what is refused before there is a request, as docs/api.md says: nothing behind it is answered
early() { # TEXT STATUS REQUEST
	local said
	said=$(raw "$3GET /readyz HTTP/1.1\r\n$H\r\n")
	equal "$1: $2" "$2" "$(status_of <<<"$said")"
	refute '... and nothing behind it' grep -q '"status":"ready"' <<<"$said"
}
early 'a request line that has no version' 400 'GET /healthz\r\n\r\n'
early 'an unknown version' 505 "GET /healthz HTTP/3.0\r\n$H\r\n"
early 'HTTP/2' 505 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
early 'a header without colon' 400 "GET /healthz HTTP/1.1\r\n${H}nonsense\r\n\r\n"
early 'headers that are too long' 431 "GET /healthz HTTP/1.1\r\n${H}X-A: $(printf 'a%.0s' {1..30000})\r\n\r\n"
early 'a request line that is too long' 414 "GET /$(printf 'a%.0s' {1..30000}) HTTP/1.1\r\n$H\r\n"
early 'a Content-Length beyond 64 bits' 413 "POST $A/bridges HTTP/1.1\r\n$H${J}Content-Length: 99999999999999999999999\r\n\r\n{}"
early 'a chunk that is none' 400 "POST $A/bridges HTTP/1.1\r\n$H${J}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"
equal 'a NUL in the path' 400 "$(raw "GET /api%00 HTTP/1.1\r\n$H\r\n" x | status_of)"
equal 'no UTF-8 in the path' 400 "$(raw "GET /api%ff HTTP/1.1\r\n$H\r\n" x | status_of)"
equal 'a slash in disguise' 400 "$(raw "GET $A%2fports HTTP/1.1\r\n$H\r\n" x | status_of)"

# --- bodies ---
answers 'malformed JSON' 400 1 POST "$A/bridges" "$OP" -d '{"name": "x"'
contains '... where' 'line 1, column' "$body"
answers 'a key twice' 400 1 POST "$A/bridges" "$OP" -d '{"name": "x", "name": "y"}'
answers 'something behind it' 400 1 POST "$A/bridges" "$OP" -d '{"name": "x"} {}'
answers 'no UTF-8' 400 1 POST "$A/bridges" "$OP" --data-binary $'{"name": "\xff"}'
python3 -c 'print("[" * 100000)' >"$work/deep"
answers 'nested 100 000 deep' 400 1 POST "$A/bridges" "$OP" --data-binary "@$work/deep"
for depth in 1 2 5 10 20 31; do # wrong at each depth
	b=$(python3 -c "print('{\"name\": \"x\", \"description\": ' + '[' * $depth + '}' + ']' * $depth + '}')")
	answers "malformed $depth deep" 400 1 POST "$A/bridges" "$OP" -d "$b"
	b=$(python3 -c "print('{\"name\": \"x\", \"description\": ' + '[' * ($depth - 1) + '1' + ']' * ($depth - 1) + '}')")
	answers "of a wrong type $depth deep" 422 1 POST "$A/bridges" "$OP" -d "$b"
done
answers 'another type' 415 1 POST "$A/bridges" "$OP" -d 'a=b' -H 'Content-Type: application/x-www-form-urlencoded'
head -c 2000000 /dev/zero | tr '\0' ' ' >"$work/big"
answers 'too long' 413 1 POST "$A/bridges" "$OP" --data-binary "@$work/big" -H 'Expect:'
answers 'too long, in chunks' 413 1 POST "$A/bridges" "$OP" --data-binary "@$work/big" -H 'Transfer-Encoding: chunked' -H 'Expect:'
answers 'too long, without credentials' 401 1 POST "$A/bridges" '' --data-binary "@$work/big" -H 'Transfer-Encoding: chunked' -H 'Expect:'
answers 'a GET with a body' 400 1 GET "$A/bridges" "$OP" -d '{}'
answers '... and it works' 200 1 GET "$A/bridges/b" "$OP"

# --- the panel's files ---
answers 'the panel' 200 1 GET / ''
contains '... with a policy' "default-src 'self'" "$(header Content-Security-Policy)"
answers 'an asset' 200 1 GET /assets/x.js ''
contains '... for ever' immutable "$(header Cache-Control)"
answers 'a link within' 404 1 GET /link ''
answers 'a link that stays there' 200 1 GET /inner.html ''
answers 'a pipe' 404 1 GET /fifo ''
for path in '/../secret' '/..%2fsecret' '/%2e%2e/secret' '/assets/../../secret' '/assets/..%2f..%2fsecret' '/.hidden' '/assets/' '//etc/passwd' '/..\\secret' '/%2e%2e%5csecret'; do
	out=$(raw "GET $path HTTP/1.1\r\nHost: x\r\n\r\n" x)
	refute "nothing by '$path'" grep -q secret <<<"$(sed '1,/^$/d' <<<"$out" | grep -v problems)"
	[[ "$(status_of <<<"$out")" == 40[04] ]] || { not_ok "... 400 or 404"; echo "$out" | note; }
done

# --- slow ones ---
slow() { # slow HOW: a byte each 0.2 s; prints the seconds until it is cut, and what was said
	python3 - "$1" "$A" "$OP" <<'PY'
import socket, sys, time
how, a, op = sys.argv[1:]
s = socket.create_connection(("127.0.0.1", 8461)); s.settimeout(0.2)
head = "POST %s/bridges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n" % (a, op)
if how == "body": s.sendall(head.encode())
t, out, text = time.time(), b"", "GET /healthz HTTP/1.1\r\nX-Slow: " if how == "headers" else ""
k = 0
while time.time() - t < 15:
    try:
        s.send((text[k] if k < len(text) else "a").encode()); k += 1
    except OSError: break
    try:
        d = s.recv(4096)
        if not d: break
        out += d
    except socket.timeout: pass
    except OSError: break
print("%d %s" % (time.time() - t, out[:40].decode("latin1").split("\r")[0]))
PY
}
read -r took said <<<"$(slow headers)"
[ "$took" -le 6 ] && ok "headers that never end: cut after $took s" || not_ok "headers that never end: cut after $took s"
read -r took said <<<"$(slow body)"
[ "$took" -le 6 ] && ok "a body that never ends: cut after $took s" || not_ok "a body that never ends: cut after $took s"
contains '... with a status' 408 "$said"

# --- many idle ones ---
python3 - "$work" <<'PY' &
import socket, sys
keep = [socket.create_connection(("127.0.0.1", 8461)) for _ in range(9900)]
for s in keep: s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
for s in keep: s.settimeout(20); s.recv(4096)
open(sys.argv[1] + "/idle", "w").write("ready")
s = keep[0]
try:
    while True: # until the last is cut
        if not any(True for s in keep[-1:] if s.recv(1)): break
except OSError: pass
PY
idler=$!
before=$(rss)
wait_for 60 test -s "$work/idle" || not_ok '9 900 connections'
after=$(rss)
answers 'with 9 900 idle connections it answers' 200 1 GET "$A/bridges/b" "$OP"
each=$(((after - before) * 1024 / 9900))
most=40000
ldd "$API" | grep -q libasan && most=100000 # what it marks around each allocation
[ $each -lt $most ] && ok "memory of one: $each bytes" || not_ok "memory of one: $each bytes"
wait $idler
open_ones() { call 1 GET /api/v1/status "$OP"; [ "$(field http.open)" -lt 10 ]; }
wait_for 20 open_ones && ok 'idle ones are closed' || not_ok 'idle ones are closed'

# --- the database ---
answers 'ready' 200 1 GET /readyz ''
kill -STOP "$redis_pid"
start=$SECONDS
answers 'a write to a database that does not answer' 503 1 POST "$A/bridges" "$OP" -d '{"name": "late"}'
[ $((SECONDS - start)) -le 18 ] && ok '... within its time' || not_ok "... after $((SECONDS - start)) s"
contains '... as a problem' '/problems/unavailable' "$body"
[ -n "$(header Retry-After)" ] && ok '... with Retry-After' || not_ok '... with Retry-After'
kill -CONT "$redis_pid"
works() { call 1 POST "$A/bridges" "$OP" -d "{\"name\": \"again$RANDOM\"}"; [ "$status" = 201 ]; }
wait_for 15 works && ok 'it comes back: writes go on' || { not_ok 'it comes back: writes go on'; echo "$body" | note; }
kill -KILL "$redis_pid"
down() { call 1 GET "$A/bridges/b" "$OP"; [ "$status" = 503 ]; }
wait_for 15 down && ok 'a database that is gone: 503' || not_ok 'a database that is gone: 503'
call 1 GET /api/v1/tenants "$OP"
equal '... also what is asked of it' 503 "$status"
refute '... without its own words, or where it is' grep -qE "db\\.sock|'.*' cannot be|Connection|refused" <<<"$body"
contains '... which are in the log' 'why=.*(db\.sock|reached)' "$(cat "$work/api1/log")"
answers '... not ready' 503 1 GET /readyz ''
refute '... without a word of where it is' grep -qE 'db\.sock|reached' <<<"$body"
answers '... but alive' 200 1 GET /healthz ''
api_stop 1 && ok 'it stops' || not_ok 'it stops'
