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

api_stop 1 && ok 'it stops' || not_ok 'it stops'
