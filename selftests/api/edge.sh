#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Those who have no credentials, or those of one tenant only, and would take what is everybody's: memory, time, connections.
. "$(dirname "$0")/servers.sh"

servers_up
for t in acme beta; do printf 'tenant: %s\nbridges: [{name: b}]\n' $t | "$SKEP" apply -f - >/dev/null || bail 'skep apply'; done
api_start 1 limits.body=8MB memory_max=128MB
ACME=$(make_token tenant-admin acme) && BETA=$(make_token tenant-admin beta) || bail 'no tokens'
T=/api/v1/tenants

# --- bodies ---
lists() { python3 -c "import sys; sys.stdout.write('[[]' + ',[]' * $1 + ']')"; }
lists 33000 >"$work/lists"
answers 'a long body of nobody' 413 1 POST /api/v1/session '' --data-binary "@$work/lists" -H 'Expect:'
answers '... in chunks' 413 1 POST /api/v1/session '' --data-binary "@$work/lists" -H 'Transfer-Encoding: chunked' -H 'Expect:'
equal 'a GET with a body: it is not waited for' 400 "$(raw 'GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n' x | status_of)"
lists 300000 >"$work/lists"
answers 'a million bytes that are lists: too many values' 413 1 POST $T/acme/trace "$ACME" --data-binary "@$work/lists" -H 'Expect:'
contains '... it says so' 'too many values' "$body"
head -c 1100000 /dev/zero | tr "\0" " " >"$work/blank"
answers 'a question of more than a megabyte' 413 1 POST $T/acme/trace "$ACME" --data-binary "@$work/blank" -H 'Expect:'
python3 - "$BETA" "$work" <<'PY' &
import socket, sys, time
token, work = sys.argv[1:]
keep = []
for _ in range(8):
    s = socket.create_connection(("127.0.0.1", 8461))
    s.sendall(("PUT /api/v1/tenants/beta/topology HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
               "Content-Length: 8000000\r\n\r\n" % token).encode())
    s.settimeout(1)
    keep.append(s)
for s in keep:
    try: s.sendall(b" " * 5000000)
    except OSError: pass # refused
open(work + "/sent", "w").write("all")
try: keep[0].settimeout(60); keep[0].recv(1)
except OSError: pass
PY
sender=$!
background+=("$sender")
wait_for 30 test -s "$work/sent" || not_ok 'eight large bodies'
answers 'while one tenant sends large bodies, another one writes' 201 1 PUT $T/acme/bridges/small "$ACME" -d '{}'
python3 -c 'print("{\"bridges\": [" + ", ".join("{\"name\": \"b%d\"}" % i for i in range(5000)) + "]}")' >"$work/doc"
answers '... also a document' 200 1 PUT $T/acme/topology "$ACME" --data-binary "@$work/doc" -H 'Expect:'
kill $sender 2>/dev/null

# --- who is refused ---
metric() { call 1 GET /metrics "$OP"; sed -n "s/^skep_api_$1 //p" <<<"$body"; }
before=$(metric 'denied_total{reason="unauthorized"}')
answers 'a wrong token' 401 1 GET "$T/acme" "${ACME%?}#"
contains '... is told of in the log, with the reason' "GET $T/acme .*status=401.*client=127.0.0.1.*why=.*token" "$(cat "$work/api1/log")"
equal '... and counted' $((before + 1)) "$(metric 'denied_total{reason="unauthorized"}')"

# --- time ---
python3 -c 'print("{\"bridges\": [" + ", ".join("{\"nam\": \"b%d\"}" % i for i in range(5000)) + "]}")' >"$work/wrong"
call 1 PUT $T/beta/quota "$OP" -d '{"objects": {"bridges": 4000}}'
answers 'more objects than the quota allows are refused before they are looked at' 403 1 POST $T/beta/topology/diff "$BETA" --data-binary "@$work/wrong" -H 'Expect:'
head -c 5000000 /dev/zero | tr '\0' ' ' >"$work/blank"
answers 'a question about a document of 5 MB: not of a tenant' 413 1 POST $T/acme/topology/diff "$ACME" --data-binary "@$work/blank" -H 'Expect:'
cat >"$work/turns.py" <<'PY'
import socket, sys, time, threading
acme, beta = sys.argv[1:]
def ask(path, token, n=1):
    return ("GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % (path, token)).encode() * n
got, n, connections = 0, 1440, 360
def read(busy):
    global got
    try:
        while True:
            d = busy.recv(1 << 20)
            if not d: break
            got += d.count(b"HTTP/1.1 200")
    except OSError: pass
path = "/api/v1/tenants/acme/bridges?limit=1000&sort=-rev"
reader, began = None, time.time()
for _ in range(connections):
    busy = socket.create_connection(("127.0.0.1", 8461))
    reader = threading.Thread(target=read, args=(busy,), daemon=True)
    reader.start()
    busy.sendall(ask(path, acme, n // connections))
while not got: time.sleep(0.001)
worst = 0
while got < n / 2 and reader.is_alive():
    t = time.time()
    s = socket.create_connection(("127.0.0.1", 8461)); s.settimeout(60)
    s.sendall(ask("/api/v1/tenants/beta/bridges/b", beta)); s.recv(4096); s.close()
    worst = max(worst, time.time() - t)
print("%d %d %d" % (worst * 1000, (time.time() - began) / got * connections * 1000, got))
PY
others_have_turns() { # TEXT BUSY-TOKEN OTHER-TOKEN
	local worst round got
	read -r worst round got <<<"$(python3 "$work/turns.py" "$2" "$3")"
	[ "$got" -lt 1440 ] && [ "$worst" -lt $((round / 3)) ] && ok "while $1 asks by 360 connections, another one does not wait for all of them: $worst ms, of $round ms" ||
		not_ok "while $1 asks by 360 connections, another one does not wait for all of them: $worst ms, of $round ms ($got of 1440 were answered)"
}
others_have_turns 'one tenant' "$ACME" "$BETA"
others_have_turns 'an operator' "$(make_token operator '')" "$BETA"
others_have_turns "an operator's token" "$(make_token operator '')" "$OP"

api_stop 1

# --- connections ---
ip addr add 127.0.0.9/32 dev lo
api_start 1 limits.connections=200 limits.connections_per_address=50 limits.request_s=2 limits.idle_s=60 trusted_proxies=127.0.0.9
cat >"$work/takers.py" <<'PY'
import socket, sys, time
work, address, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
keep = []
for _ in range(n):
    s = socket.create_connection(("127.0.0.1", 8461), source_address=(address, 0))
    try: s.sendall(b"G")
    except OSError: pass
    keep.append(s)
open(work + "/taken-" + address, "w").write("all")
until = time.time() + 20
for s in keep:
    s.settimeout(max(0.1, until - time.time()))
    try:
        while s.recv(4096): pass
    except OSError: pass
open(work + "/cut-" + address, "w").write("all")
PY
python3 "$work/takers.py" "$work" 127.0.0.2 300 &
background+=("$!")
wait_for 10 test -s "$work/taken-127.0.0.2" || not_ok 'connections of one address'
answers 'one address with all connections that it may have leaves some for others' 200 1 GET /healthz ''
wait_for 8 test -s "$work/cut-127.0.0.2" && ok '... and its own, which say nothing, are cut soon' || not_ok '... and its own, which say nothing, are cut soon'
python3 "$work/takers.py" "$work" 127.0.0.9 100 &
background+=("$!")
many() { call 1 GET /api/v1/status "$OP"; [ "$(field http.open)" -ge 100 ]; }
wait_for 10 many && ok 'a proxy may have more' || { not_ok 'a proxy may have more'; echo "$body" | note; }
by() { # NAME CURL-OPTION...: the address that the audit has of a write
	local name=$1
	shift
	call 1 PUT "$T/acme/bridges/$name" "$ACME" -d '{}' "$@"
	call 1 GET "$T/acme/audit?limit=1" "$ACME"
	field items.0.address
}
equal 'X-Forwarded-For of anybody is not believed' 127.0.0.1 "$(by from1 -H 'X-Forwarded-For: 192.0.2.7')"
equal '... of a proxy it is' 192.0.2.7 "$(by from2 --interface 127.0.0.9 -H 'X-Forwarded-For: 192.0.2.7')"
equal '... the last one that is not a proxy' 192.0.2.8 "$(by from3 --interface 127.0.0.9 -H 'X-Forwarded-For: 192.0.2.7, 192.0.2.8, 127.0.0.9')"
equal '... if it is an address' 127.0.0.9 "$(by from4 --interface 127.0.0.9 -H 'X-Forwarded-For: root')"

# --- streams ---
api_stop 1
api_start 1 memory_max=64MB
python3 - "$ACME" "$work" <<'PY' &
import socket, sys, time
token, work = sys.argv[1:]
keep = []
for _ in range(40):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048); s.connect(("127.0.0.1", 8461)); s.settimeout(20)
    s.sendall(("GET /api/v1/tenants/acme/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % token).encode())
    s.recv(10); keep.append(s)
open(work + "/streams", "w").write("all")
time.sleep(60)
PY
background+=("$!")
wait_for 20 test -s "$work/streams" || not_ok '40 streams'
python3 -c '
import json
print(json.dumps({"operations": [{"method": "PUT", "path": "bridges/s%d" % i, "body": {"description": "x" * 900}} for i in range(900)]}))' >"$work/batch"
answers 'a megabyte of events for 40 who do not read' 200 1 POST $T/acme/batch "$OP" --data-binary "@$work/batch" -H 'Expect:'
bytes=$(metric stream_bytes)
[ -n "$bytes" ] && [ "$bytes" -lt 17000000 ] && ok "... takes $bytes bytes" || not_ok "... takes ${bytes:-no} bytes"
answers '... and who reads is served' 200 1 GET $T/acme/bridges/s1 "$ACME"

api_stop 1 && ok 'it stops' || not_ok 'it stops'
