# SPDX-License-Identifier: Apache-2.0
# Sourced behind lib/net.sh: a private redis-server and one skep-api on UNIX sockets, at which root is an operator.  shellcheck shell=bash
API=${API:-$programs/skep-api}
redis-server --port 0 --unixsocket "$work/db.sock" --save '' --dir "$work" --daemonize no >"$work/redis.log" 2>&1 &
background+=($!)
wait_for 5 test -S "$work/db.sock" || bail 'redis-server does not start'
export SKEP_DB=unix:$work/db.sock
mkdir -p "$work/api"
api_answers() { curl -sf --max-time 2 --unix-socket "$work/api.sock" http://api/readyz; }
api_up() { # OPTION...: more settings
	"$API" -c /dev/null --set db.mode=server --set "db.addresses=unix:$work/db.sock" --set "listen=unix:$work/api.sock" "$@" >>"$work/api/log" 2>&1 &
	api_pid=$!
	background+=("$api_pid")
	wait_for 10 api_answers || bail 'skep-api does not answer'
}
net_without_telnet() { # lib/net.sh's machines and networks; a chain of all ports drops telnet.  The document is $work/net.yaml
	standard_doc 'out_chain: fw' >"$work/net.yaml"
	cat >>"$work/net.yaml" <<-YAML
		chains:
		  - name: fw
		    rules:
		      - {name: no-telnet, action: drop, proto: tcp, dst_ports: 23}
	YAML
	"$SKEP" apply -f "$work/net.yaml" >/dev/null || bail 'apply'
}
