# SPDX-License-Identifier: Apache-2.0
# Sourced by tests of skep-api that need several instances, on TCP: in a network namespace of their own, so that ports are free.  shellcheck shell=bash
#
#   servers_up               one redis-server; $OP is an operator's token
#   api_start N [SETTING...] instance N on 127.0.0.1:(8460+N) and the socket $work/apiN/sock
#   call N METHOD PATH TOKEN [CURL-OPTION...]  sets $status, $body, $headers; TOKEN '' = none
#   field NAME               of $body
if [ -z "${SKEP_OWN_NET:-}" ]; then
	export SKEP_OWN_NET=1
	exec unshare --net -- "$0" "$@"
fi
ip link set lo up
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
API=${API:-$programs/skep-api}
declare -A api_pid=()

servers_up() {
	mkdir -p "$work/redis"
	redis-server --port 0 --unixsocket "$work/db.sock" --save '' --dir "$work/redis" --daemonize no >"$work/redis/redis.log" 2>&1 &
	redis_pid=$!
	background+=("$redis_pid")
	wait_for 5 test -S "$work/db.sock" || bail 'redis-server does not start'
	export SKEP_DB=unix:$work/db.sock
	OP=$(api_run --make-token root) || bail 'skep-api --make-token fails'
}

api_run() { # OPTION...: the program, at this database; in a subshell of its own
	exec "$API" -c /dev/null --set db.mode=server --set "db.addresses=unix:$work/db.sock" "$@"
}

api_ready() { curl -sf --max-time 2 "http://127.0.0.1:$((8460 + $1))/readyz"; }

api_start() { # N [SETTING...]
	local n=$1 s sets=()
	shift
	for s in "$@"; do sets+=(--set "$s"); done
	mkdir -p "$work/api$n"
	(api_run --set "listen=127.0.0.1:$((8460 + n)),unix:$work/api$n/sock" "${sets[@]}" >>"$work/api$n/log" 2>&1) &
	api_pid[$n]=$!
	background+=("$!")
	[ -n "${no_wait:-}" ] && return
	wait_for 10 api_ready "$n" || bail "instance $n does not answer"
}

api_stop() { # N
	kill "${api_pid[$1]}" && wait "${api_pid[$1]}"
}

call() { # N METHOD PATH TOKEN [CURL-OPTION...]
	local n=$1 method=$2 path=$3 token=$4 auth=()
	shift 4
	case $* in *Content-Type:*) ;; *) auth+=(-H 'Content-Type: application/json') ;; esac
	[ -n "$token" ] && auth+=(-H "Authorization: Bearer $token")
	status=$(curl -s --max-time 20 -o "$work/body" -D "$work/headers" -w '%{http_code}' -X "$method" "${auth[@]}" "$@" \
		"http://127.0.0.1:$((8460 + n))$path")
	body=$(cat "$work/body" 2>/dev/null)
	headers=$(tr -d '\r' <"$work/headers" 2>/dev/null)
}
field() { python3 -c 'import json, sys
v = json.loads(sys.argv[1])
for k in sys.argv[2].split("."): v = v[int(k)] if isinstance(v, list) else v.get(k)
print("" if v is None else v)' "$body" "$1"; }
header() { sed -n "s/^$1: //Ip" <<<"$headers"; }
answers() { # TEXT STATUS CALL-ARGUMENTS...
	local text=$1 want=$2
	shift 2
	call "$@"
	equal "$text" "$want" "$status"
	[ "$want" = "$status" ] || { echo "$body" | head -c 400; echo; } | note
}
# raw TEXT [x]: sends it (with its escapes) to the first server, prints what comes back; with x, until the headers are here
raw() {
	python3 - "$@" <<'PY'
import socket, sys
s = socket.create_connection(("127.0.0.1", 8461)); s.settimeout(8)
s.sendall(sys.argv[1].encode().decode("unicode_escape").encode("latin1"))
out = b""
try:
    while True:
        d = s.recv(65536)
        if not d: break
        out += d
        if b"\r\n\r\n" in out and len(sys.argv) > 2: break
except OSError: pass
sys.stdout.write(out.decode("latin1").replace("\r", ""))
PY
}
status_of() { sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p'; }
make_token() { # ROLE TENANT [MORE-JSON]: prints the token
	call 1 POST /api/v1/tokens "$OP" -d "{\"name\": \"test\", \"role\": \"$1\", \"tenant\": ${2:+\"}${2:-null}${2:+\"}${3:+, $3}}"
	[ "$status" = 201 ] || { echo "# no token: $body" >&2; return 1; }
	field token
}
