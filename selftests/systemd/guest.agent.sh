# SPDX-License-Identifier: Apache-2.0
# Sourced by guest: skepd, with the network of guest.api.sh.  shellcheck shell=bash
machine() { # NAME MAC ADDRESS: a network namespace, and its interface on this host, tap-NAME
	ip netns add "$1"
	ip link add "tap-$1" type veth peer name eth0 netns "$1" address "$2"
	ip link set "tap-$1" up
	ip -n "$1" link set lo up
	ip -n "$1" link set eth0 up
	ip -n "$1" addr add "$3/24" dev eth0
}
machine web1 02:00:00:00:00:01 10.0.1.11
machine web2 02:00:00:00:00:02 10.0.1.12
check 'a port is bound' skep port bind web1 --host h1 --interface tap-web1
check '... and another' skep port bind web2 --host h1 --interface tap-web2
reach() { ip netns exec web1 ping -q -c 1 -W 2 10.0.1.12; }
soon 'machines reach each other' reach

# --- what it may ---

mask() { # CAPABILITY-NUMBER...: as /proc has it
	local m=0 c
	for c in "$@"; do m=$((m | 1 << c)); done
	printf '%016x' $m
}
equal 'it has CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF, and no more' "$(mask 12 38 39)" "$(status_of skepd CapEff)"
equal '... gets none, and a list of system calls' '1 2' "$(status_of skepd NoNewPrivs) $(status_of skepd Seccomp)"
check 'it has made its devices' ip link show skep-up
check 'a network card is bound' skep port bind web3 --host h1 --interface card
soon '... and the kernel forwards for its XDP' grep -qx 1 /proc/sys/net/ipv4/conf/skep-up/forwarding
equal 'the agent warns of nothing' '[]' "$(skep status -j | tr -d ' \n' | sed -n 's/.*"warnings":\(\[[^]]*\]\).*/\1/p')"
soon 'records of flows are where the unit lets them be' test -s /var/log/skep/flows.json

# --- started again ---

flows() { skep flow list -j | grep -o '"cookie"' | wc -l; }
soon 'the kernel has flows' test "$(flows)" -gt 0
check 'systemctl stop' systemctl stop skepd
equal '... ends well' 'inactive success 0' "$(property skepd ActiveState) $(property skepd Result) $(property skepd ExecMainStatus)"
check '... and the network goes on' reach
ip netns exec web1 ping -q -i 0.2 -W 2 10.0.1.12 >"$work/ping" &
ping=$!
check 'systemctl start' systemctl start skepd
check 'systemctl restart' systemctl restart skepd
before=$(property skepd MainPID)
kill -KILL "$before"
again() { [ "$(property skepd MainPID)" -gt 0 ] && [ "$(property skepd MainPID)" != "$before" ] && [ "$(property skepd ActiveState)" = active ] && skep status; }
soon 'killed, it is started again' again
kill -INT $ping
wait $ping
equal 'no packet was lost meanwhile' ' 0% packet loss' "$(sed -n 's/.*received,\( [0-9.]*% packet loss\).*/\1/p' "$work/ping")"
equal '... by systemd, once' 1 "$(property skepd NRestarts)"

# --- an embedded state DB ---

sed -i 's/^db:.*/db: {mode: embedded, listen: "127.0.0.1:6380", password_file: \/etc\/skep\/db.password}/' /etc/skep/skepd.yaml
check 'with a state DB of its own' systemctl restart skepd
check '... a document is applied' skep apply -f "$work/net.yaml"
check '... a port is bound' skep port bind web1 --host h1 --interface tap-web1
redis=$(pgrep -P "$(property skepd MainPID)" redis-server)
equal '... that server may no more than its agent' "$(mask 12 38 39)" "$(sed -n 's/^CapBnd:[[:space:]]*//p' "/proc/${redis:-0}/status")"
check 'systemctl stop' systemctl stop skepd
refute '... ends it, too' test -d "/proc/$redis"
check 'systemctl stop skep-api' systemctl stop skep-api
equal '... ends well' 'inactive success 0' "$(property skep-api ActiveState) $(property skep-api Result) $(property skep-api ExecMainStatus)"
