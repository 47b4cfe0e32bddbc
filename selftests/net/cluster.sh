#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The state DB as a real Redis Cluster of three masters and three replicas: the same traffic, and on through the death of a master.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

host h1; host h2
new_ns db
ip link add u0 mtu 1600 netns "$id-db" type veth peer db mtu 1600 netns "$id-wire"
ip -n "$id-wire" link set db master wire up
ip -n "$id-db" addr add 10.250.0.200/24 dev u0
ip -n "$id-db" link set u0 up
coproc REDIS { REDIS_ADDRESS=10.250.0.200 exec nsenter --net="/run/netns/$id-db" selftests/lib/redis.sh cluster; }
more_cleanup() { exec {redis_in}>&-; eval "exec ${REDIS[1]}>&-"; wait "$redis_pid" 2>/dev/null; }
redis_pid=$REDIS_PID
exec {redis_in}>&"${REDIS[1]}" {redis_out}<&"${REDIS[0]}"
seeds=()
while read -rt 60 -u "$redis_out" word n address _; do
	[ "$word" = ready ] && break
	[ "$word" = node ] && seeds[n]=$address
done
[ "${word:-}" = ready ] || bail 'no Redis Cluster'
redis() { echo "$*" >&"$redis_in"; read -rt 30 -u "$redis_out" answer; echo "$answer"; }

db_yaml="{mode: cluster, addresses: [\"${seeds[0]}\", \"${seeds[3]}\"], wait_replicas: 1}"
first_host=h1
standard_machines
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{ standard_doc; standard_bindings; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
standard_up || bail 'ports do not come up'
ok 'two agents on a cluster'
check 'bridged across hosts' ping4_soon vm1 10.0.1.12
check 'routed across hosts' ping_ok vm1 10.0.2.14 10
check 'IPv6' ping_ok vm1 fd00:2::14 10
contains 'status shows the cluster' '"mode": *"cluster"' "$(status h1)"
equal 'all six nodes serve one database: tenants' '{"tenants":["t"]}' "$(skep - -j get tenants)"

# --- a master dies ---
n=$(redis master-of "skep:{meta}:tenants")
[[ $n =~ ^[0-5]$ ]] || bail "no master found: $n"
: > "$work/received"
spawn nsenter --net="/run/netns/$id-vm4" "$stream" recv 5001 60000 3000 > "$work/received"
receiver=$!
wait_for 5 grep -q ready "$work/received"
spawn nsenter --net="/run/netns/$id-vm1" "$stream" send 10.0.2.14 5001 60000 10000
equal "kill the master that has the tenants' list" ok "$(redis kill "$n")"
check 'meanwhile new flows go through' ping_ok vm2 10.0.2.13 5
wait $receiver
contains 'and running flows lose nothing' '^received 60000 lost 0 duplicated 0' "$(tail -n 1 "$work/received")"
change() { skep - apply -f - <<<'{"tenant": "t", "bridges": [{"name": "after"}]}'; }
if wait_for 20 change; then ok 'the replica takes over: configuration can be changed'; else not_ok 'the replica takes over'; fi
contains 'nothing was lost' 'after' "$(skep - get bridges)"
equal 'the dead node comes back' ok "$(redis start "$n")"
check 'and a port can be unbound' wait_for 20 skep - port unbind vm3
down() { ! status h1 | grep -q '"port": *"vm3"'; }
if wait_for 15 down; then ok 'which its agent hears of'; else not_ok 'which its agent hears of'; fi
check 'the other ports go on' ping_ok vm1 10.0.2.14 5
