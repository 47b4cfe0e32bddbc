#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Private Redis servers for tests: one, or a cluster of 3 masters and 3 replicas, on loopback ports that are free, in a temporary directory.
#
#   redis.sh KIND                single, cluster, tls, tls-cluster: prints "tls DIRECTORY" if there are certificates, "node N ADDRESS:PORT PID" for each, then "ready".  Then takes commands on stdin, each answered by "ok" or
#                                "failed": kill N (-9), pause N, resume N, start N (with its old data), master-of KEY (answers "N"), cli N ARGS...
#                                (answers one line).  At the end of stdin, so also when the test dies, kills the servers and removes their data.
#   . redis.sh                   the functions below, for scripts: redis_up KIND; redis_down from a trap
#
# Certificates: ca.pem has signed server.pem (for the address and "state.db") and client.pem; other.pem has signed nothing of that, but stranger.pem.
#
# CLUSTER_NODE_TIMEOUT (ms, 1500), REDIS_ADDRESS (127.0.0.1).
redis_address=${REDIS_ADDRESS:-127.0.0.1}
redis_dir='' redis_base=0 redis_n=0 redis_tls=''
exec {redis_pause}<> <(:)

redis_port() { echo $((redis_base + $1)); }

redis_pid() { cat "$redis_dir/$1/redis.pid" 2>/dev/null; }

redis_secure() { # as options of redis-cli
	[ -z "$redis_tls" ] || echo --tls --cacert "$redis_tls/ca.pem" --cert "$redis_tls/client.pem" --key "$redis_tls/client.key"
}

redis_cli() { # redis_cli N ARGS...
	local n=$1
	shift
	# shellcheck disable=SC2046 # no blanks in these
	redis-cli -h "$redis_address" -p "$(redis_port "$n")" $(redis_secure) "$@"
}

redis_certificate() { # redis_certificate NAME CA [SUBJECT-ALT-NAME]: signed by CA, itself if that is its own name
	local key="$redis_tls/$1.key" from=()
	[ "$1" = "$2" ] || from=(-CA "$redis_tls/$2.pem" -CAkey "$redis_tls/$2.key")
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=skep $1" ${3:+-addext "subjectAltName=$3"} \
		-addext "basicConstraints=critical,CA:$([ "$1" = "$2" ] && echo TRUE || echo FALSE)" "${from[@]}" -keyout "$key" -out "$redis_tls/$1.pem" 2>/dev/null &&
		chmod 600 "$key"
}

redis_certificates() {
	redis_tls=$redis_dir/tls
	mkdir "$redis_tls" && redis_certificate ca ca && redis_certificate other other && redis_certificate stranger other IP:127.0.0.1 &&
		redis_certificate server ca "IP:$redis_address,DNS:state.db" && redis_certificate client ca
}

redis_wait() { # redis_wait SECONDS COMMAND...: until it succeeds
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $until ] || return 1
		read -r -t 0.02 -u "$redis_pause" # a pause that starts no process: nothing is ever written there
	done
	return 0
}

redis_answers() { [ "$(redis_cli "$1" ping 2>/dev/null)" = PONG ]; }

redis_start() { # redis_start N: with the data it has
	local n=$1 d=$redis_dir/$1 args=()
	mkdir -p "$d"
	[ "$redis_n" -gt 1 ] && args=(--cluster-enabled yes --cluster-config-file nodes.conf --cluster-port $((redis_base + 6 + n))
		--cluster-node-timeout "${CLUSTER_NODE_TIMEOUT:-1500}" --cluster-replica-validity-factor 0 --cluster-require-full-coverage no
		--repl-diskless-sync-delay 0 --repl-ping-replica-period 1)
	if [ -n "$redis_tls" ]; then
		args+=(--port 0 --tls-port "$(redis_port "$n")" --tls-replication yes --tls-cluster yes --tls-ca-cert-file "$redis_tls/ca.pem"
			--tls-cert-file "$redis_tls/server.pem" --tls-key-file "$redis_tls/server.key")
	else
		args+=(--port "$(redis_port "$n")")
	fi
	redis-server --bind "$redis_address" --protected-mode no --dir "$d" --appendonly yes --save '' --daemonize no \
		--pidfile "$d/redis.pid" --logfile "$d/redis.log" "${args[@]}" </dev/null >/dev/null 2>&1 &
	echo $! >"$d/redis.pid"
	disown $!
	redis_wait 10 redis_answers "$n" && kill -0 "$(redis_pid "$n")" 2>/dev/null
}

redis_kill() { # redis_kill N
	local pid
	pid=$(redis_pid "$1")
	[ -n "$pid" ] || return 0
	kill -CONT "$pid" 2>/dev/null
	kill -KILL "$pid" 2>/dev/null
	redis_wait 5 eval "! kill -0 $pid" || return 1
	rm -f "$redis_dir/$1/redis.pid"
}

redis_down() {
	local n
	[ -n "$redis_dir" ] || return 0
	for ((n = 0; n < redis_n; n++)); do redis_kill "$n"; done
	rm -rf "$redis_dir"
	redis_dir=
}

redis_ports_free() {
	local p
	for ((p = redis_base; p < redis_base + 12; p++)); do
		(: <>"/dev/tcp/$redis_address/$p") 2>/dev/null && return 1
	done
	return 0
}

redis_synced() { # every node knows 3 masters and all slots, every replica has its master's data
	local n
	for ((n = 0; n < 6; n++)); do
		redis_cli "$n" cluster info | grep -q 'cluster_state:ok' || return 1
		[ "$(redis_cli "$n" cluster nodes | grep -c ' slave \|,slave ')" -eq 3 ] || return 1
		redis_cli "$n" info replication | grep -q 'role:master' && continue
		redis_cli "$n" info replication | grep -q 'master_link_status:up' || return 1
	done
}

redis_up() { # redis_up KIND
	local n addresses=()
	redis_n=1
	case $1 in *cluster) redis_n=6 ;; esac
	redis_dir=$(mktemp -d /tmp/skep-redis.XXXXXX) || return 1
	case $1 in tls*) redis_certificates || return 1 ;; esac
	for _ in {1..50}; do
		redis_base=$((12000 + RANDOM % 18000))
		redis_ports_free && break
	done
	for ((n = 0; n < redis_n; n++)); do
		redis_start "$n" || return 1
		addresses+=("$redis_address:$(redis_port "$n")")
	done
	[ "$redis_n" -gt 1 ] || return 0
	# shellcheck disable=SC2046
	redis-cli $(redis_secure) --cluster create "${addresses[@]}" --cluster-replicas 1 --cluster-yes >"$redis_dir/create.log" 2>&1 || return 1
	redis_wait 20 redis_synced
}

redis_master_of() { # redis_master_of KEY: the node's number
	local n slot at
	for ((n = 0; n < redis_n; n++)); do
		slot=$(redis_cli "$n" cluster keyslot "$1" 2>/dev/null) || continue
		at=$(redis_cli "$n" cluster nodes | awk -v s="$slot" '$3 ~ /master/ && $3 !~ /fail/ { for (i = 9; i <= NF; i++) {
			split($i, r, "-"); if (s >= r[1] + 0 && s <= (r[2] == "" ? r[1] : r[2]) + 0) { split($2, a, /[:@]/); print a[2] } } }')
		[ -n "$at" ] && { echo $((at - redis_base)); return 0; }
	done
	return 1
}

redis_commands() {
	local verb n rest
	while read -r verb n rest; do
		case $verb in
		kill) redis_kill "$n" ;;
		pause) kill -STOP "$(redis_pid "$n")" ;;
		resume) kill -CONT "$(redis_pid "$n")" ;;
		start) redis_start "$n" ;;
		master-of) redis_master_of "$n"; continue ;;
		cli)
			eval "redis_cli $n $rest" 2>&1 | tr '\n' ' '
			echo
			continue
			;;
		*) false ;;
		esac && echo ok || echo failed
	done
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -u
	trap redis_down EXIT
	trap 'exit 1' TERM INT HUP
	redis_up "${1:?kind}" || { echo "failed"; cat "$redis_dir"/create.log "$redis_dir"/*/redis.log >&2; exit 1; }
	[ -z "$redis_tls" ] || echo "tls $redis_tls"
	for ((i = 0; i < redis_n; i++)); do echo "node $i $redis_address:$(redis_port $i) $(redis_pid $i)"; done
	echo ready
	redis_commands
fi
