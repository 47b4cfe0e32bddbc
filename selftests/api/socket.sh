#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sockets that systemd has opened: taken where 'listen' names them, and left to it; connections wait while the server is started again.  Those that it opens itself; its end.
. "$(dirname "$0")/servers.sh"

servers_up
cat >"$work/hold.py" <<'PY'
# opens the sockets, and starts a server with them each time a line comes
import os, socket, subprocess, sys
path, work = sys.argv[1], sys.argv[2]
a = socket.socket(); a.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); a.bind(("127.0.0.1", 8461)); a.listen(64)
b = socket.socket(socket.AF_UNIX); b.bind(path); b.listen(64)
open(work + "/open", "w").write("x")
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        x, y = os.dup2(a.fileno(), 30), os.dup2(b.fileno(), 31)
        os.dup2(x, 3); os.dup2(y, 4)
        os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()))
        log = os.open(work + "/api1/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 2)
        os.execv(sys.argv[3], sys.argv[3:])
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("over", flush=True)
PY
mkdir -p "$work/api1"
coproc hold { python3 "$work/hold.py" "$work/api.sock" "$work" "$API" -c /dev/null --set db.mode=server --set "db.addresses=unix:$work/db.sock" \
	--set "listen=127.0.0.1:8461,unix:$work/api.sock"; }
background+=("$hold_PID")
holder=$hold_PID
to=${hold[1]} from=${hold[0]}
wait_for 5 test -e "$work/open" || bail 'no sockets'
inode=$(stat -c %i "$work/api.sock")
curl -s --max-time 20 -o "$work/early" -w '%{http_code}' http://127.0.0.1:8461/healthz >"$work/early.status" &
early=$!
echo start >&"$to"
read -rt 10 pid <&"$from" || bail 'no server'
wait $early
equal 'who came before the server waits for it' 200 "$(cat "$work/early.status")"
answers 'it answers on TCP' 200 1 GET /healthz ''
equal '... and on the socket' 200 "$(curl -s -o "$work/body" -w '%{http_code}' --unix-socket "$work/api.sock" http://api/api/v1/whoami)"
kill "$pid"
read -rt 20 said <&"$from"
equal 'it stops' over "$said"
equal '... and leaves the socket where it was' "$inode" "$(stat -c %i "$work/api.sock")"
curl -s --max-time 20 -o "$work/late" -w '%{http_code}' --unix-socket "$work/api.sock" http://api/healthz >"$work/late.status" &
late=$!
echo start >&"$to"
read -rt 10 pid <&"$from" || bail 'no server'
wait $late
equal 'who came in between is answered by the next one' 200 "$(cat "$work/late.status")"
kill "$pid"
read -rt 20 said <&"$from"
equal 'that one stops as well' over "$said"
kill "$holder"
# without systemd
no_wait=1 api_start 2 "listen=127.0.0.1:8462,unix:$work/made/api.sock"
wait_for 10 test -S "$work/made/api.sock" && ok 'the folder of its socket is made' || not_ok 'the folder of its socket is made'
equal '... which others may look into' 755 "$(stat -c %a "$work/made" 2>/dev/null)"
equal '... and only who is of the group may connect' 660 "$(stat -c %a "$work/made/api.sock" 2>/dev/null)"
# who was let in, and has not yet said what it wants, when the server is told to stop
wait_for 10 api_ready 2 || bail 'no second server'
exec 5<>/dev/tcp/127.0.0.1/8462
api_ready 2 >"$work/later" # accepted after that one
kill "${api_pid[2]}"
refused() { ! curl -s --max-time 5 http://127.0.0.1:8462/healthz; }
wait_for 5 refused && ok 'a server that stops lets nobody in' || not_ok 'a server that stops lets nobody in'
(trap '' PIPE && printf 'GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n' >&5) 2>/dev/null
said=$(timeout 10 cat <&5 | tr -d '\r')
exec 5>&-
contains '... and answers who was in' '^HTTP/1.1 200' "$said"
contains '... for the last time' '^Connection: close' "$said"
gone() { ! kill -0 "${api_pid[2]}"; }
wait_for 2 gone && ok '... and is gone at once' || not_ok '... and is gone at once'
wait "${api_pid[2]}"
equal '... as it should be' 0 "$?"
