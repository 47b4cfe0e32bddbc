# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests in selftests/net and selftests/fault: hosts and machines as network namespaces, one skepd per host, a state DB
# embedded in the first, TAP.  All names begin with the process id, all files are below $work; everything goes at exit, also on failure.
#
#   plan of addresses: underlay 10.250.0.N and fd00:250::N for host hN, MTU 1600; machines have MTU 1500

set -u
O=${O:-$PWD/build/san} O_FAST=${O_FAST:-$PWD/build}
programs=$O_FAST
[ -n "${sanitized:-}" ] && programs=$O # set before this file is read: tests of correctness, not of timing
SKEPD=${SKEPD:-$programs/skepd} SKEP=${SKEP:-$programs/skep}
stream=$O/selftests/net/stream raw=$O/selftests/net/raw shuttle=$O/selftests/net/shuttle
id=t$$
work=$(mktemp -d "${TMPDIR:-/tmp}/skep-test.XXXXXX")
n_tests=0 n_failed=0
declare -A agent_pid=() # host -> pid of its skepd
background=()		# pids of servers, senders, watchers

# --- TAP ---

ok() { n_tests=$((n_tests + 1)); echo "ok $n_tests - $*"; }
not_ok() { n_tests=$((n_tests + 1)) n_failed=$((n_failed + 1)); echo "not ok $n_tests - $*"; }
note() { sed 's/^/# /'; }
check() { # TEXT COMMAND...: a test that is the command's success
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then ok "$text"; else not_ok "$text"; { echo "failed: $*"; echo "$out" | tail -n 20; } | note; fi
}
refute() { # TEXT COMMAND...: ... its failure
	local text=$1
	shift
	if "$@" >/dev/null 2>&1; then not_ok "$text"; echo "# succeeded, and should not: $*"; else ok "$text"; fi
}
equal() { # TEXT WANT GOT
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1"; printf '# want: %s\n# got:  %s\n' "$2" "$3"; fi
}
contains() { # TEXT PATTERN STRING: an extended regular expression
	if grep -qE -- "$2" <<<"$3"; then ok "$1"; else not_ok "$1"; { echo "want: $2"; echo "in: $3"; } | note; fi
}
bail() { not_ok "$*"; exit 1; }

wait_for() { # SECONDS COMMAND...: until it succeeds; 1 when the time is over
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		pause
	done
}
pause() { read -rt 0.05 <> <(:) || :; } # between two looks at a condition

# --- end ---

finish() {
	local rc=$? p h n
	trap - EXIT INT TERM HUP
	trap '' PIPE # who read our words has gone: the rest is to be done all the same
	if [ $rc -ne 0 ] || [ $n_failed -gt 0 ]; then
		for h in "$work"/*/log; do [ -s "$h" ] && { echo "--- $h"; tail -n 30 "$h"; } >&2; done
	fi
	for p in "${background[@]}" "${agent_pid[@]}"; do kill -CONT "$p" 2>/dev/null; kill "$p" 2>/dev/null; done
	for p in "${background[@]}" "${agent_pid[@]}"; do wait "$p" 2>/dev/null; done
	for h in "$work"/*/log; do
		grep -qE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$h" 2>/dev/null || continue
		not_ok "skepd: no report of a sanitizer (${h#"$work"/})"
		tail -n 60 "$h" >&2
		[ $rc -eq 0 ] && rc=1
	done
	type -t more_cleanup >/dev/null && more_cleanup
	kill_owned
	wait_for 5 none_owned || kill_owned KILL
	for n in $(ip netns list | awk '{ print $1 }' | grep "^$id-"); do ip netns del "$n"; done
	mountpoint -q "$work/bpf" && umount -l "$work/bpf"
	rm -rf "$work"
	[ $rc -ne 0 ] && exit $rc
	[ $n_tests -gt 0 ] && [ $n_failed -eq 0 ] && exit 0
	exit 1
}
# What an agent leaves running on purpose (its private redis-server) is known by its working directory below $work.
owned() {
	local p
	for p in /proc/[0-9]*; do
		case $(readlink "$p/cwd" 2>/dev/null) in "$work"/*) echo "${p#/proc/}" ;; esac
	done
}
none_owned() { [ -z "$(owned)" ]; }
kill_owned() { local p; for p in $(owned); do kill "-${1:-TERM}" "$p" 2>/dev/null; done; }
trap finish EXIT
trap 'exit 130' INT TERM HUP PIPE

# --- hosts and machines ---

in_ns() { local n=$1; shift; nsenter --net="/run/netns/$id-$n" "$@"; }
in_host() { in_ns "$@"; }
in_vm() { in_ns "$@"; }

new_ns() {
	ip netns add "$id-$1" || bail "cannot make namespace $1"
	ip -n "$id-$1" link set lo up
	in_ns "$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.default.router_solicitations=0 net.ipv6.conf.all.router_solicitations=0
}

n_hosts=0
declare -A underlay=() # host -> its address
host() { # NAME: connected to the others by a bridge in a namespace of its own; with $direct set, to the only other one by a cable
	local h=$1
	if [ $n_hosts -eq 0 ]; then
		mkdir -p "$work/bpf" && mount -t bpf bpf "$work/bpf" || bail 'cannot mount bpffs'
		new_ns wire
		ip -n "$id-wire" link add wire mtu 1600 type bridge mcast_snooping 0
		ip -n "$id-wire" link set wire up
	fi
	n_hosts=$((n_hosts + 1))
	new_ns "$h"
	if [ -z "${direct:-}" ]; then
		ip link add u0 mtu 1600 netns "$id-$h" type veth peer "$h" mtu 1600 netns "$id-wire"
		ip -n "$id-wire" link set "$h" master wire up
	elif [ $n_hosts -eq 1 ]; then
		ip link add u0 mtu 1600 netns "$id-$h" type veth peer cable mtu 1600 netns "$id-wire"
	else
		ip -n "$id-wire" link set cable name u0 netns "$id-$h"
	fi
	underlay[$h]=10.250.0.$n_hosts
	ip -n "$id-$h" addr add "10.250.0.$n_hosts/24" dev u0
	ip -n "$id-$h" addr add "fd00:250::$n_hosts/64" dev u0 nodad
	ip -n "$id-$h" link set u0 up
	mkdir -p "$work/$h"
}

vm_link() { # VM HOST [INTERFACE]: the veth between them; the machine's end is eth0
	ip link add "${3:-$1}" mtu 1500 netns "$id-$2" type veth peer eth0 mtu 1500 netns "$id-$1"
	ip -n "$id-$2" link set "${3:-$1}" up
}
vm_config() { # VM MAC ADDRESS/LEN GATEWAY [ADDRESS6/LEN GATEWAY6] [DEVICE]
	local dev=${7:-eth0}
	ip -n "$id-$1" link set "$dev" address "$2" up
	ip -n "$id-$1" addr add "$3" dev "$dev"
	[ -n "${4:-}" ] && ip -n "$id-$1" route add default via "$4"
	if [ -n "${5:-}" ]; then
		ip -n "$id-$1" addr add "$5" dev "$dev" nodad
		ip -n "$id-$1" -6 route add default via "$6"
	fi
}
vm() { # VM HOST MAC ADDRESS/LEN GATEWAY [ADDRESS6/LEN GATEWAY6]
	local v=$1 h=$2
	shift 2
	new_ns "$v"
	vm_link "$v" "$h"
	vm_config "$v" "$@"
}

# --- agents ---

first_host=
config() { # HOST [YAML-LINES]: configuration of its skepd; the first has the embedded DB, unless $db_yaml says where the DB is
	local h=$1 db tunnel
	shift
	if [ -n "${db_yaml:-}" ]; then
		db=$db_yaml
	elif [ -z "$first_host" ] || [ "$first_host" = "$h" ]; then
		first_host=$h
		db="{mode: embedded, listen: \"${underlay[$h]}:6379\"}"
	else
		db="{mode: server, addresses: [\"${underlay[$first_host]}:6379\"]}"
	fi
	{
		echo "host: $h"
		echo "db: $db"
		tunnel=${underlay[$h]}
		[ -n "${under6:-}" ] && tunnel=fd00:250::${tunnel##*.}
		echo "underlay: {interface: u0, address: \"$tunnel\"${tunnel_port:+, port: $tunnel_port}${xdp:+, xdp: $xdp}${encap:+, encap: $encap}${dscp:+, dscp: $dscp}}"
		echo "paths: {state: $work/$h, run: $work/$h, bpffs: $work/bpf}"
		[ $# -gt 0 ] && printf '%s\n' "$@"
	} > "$work/$h/skepd.yaml"
}
start_skepd() { # HOST: returns when it answers; NICE=-10, as under systemd
	local h=$1
	[ -f "$work/$h/skepd.yaml" ] || config "$h"
	nice -n "${NICE:-0}" nsenter --net="/run/netns/$id-$h" "$SKEPD" -c "$work/$h/skepd.yaml" >> "$work/$h/log" 2>&1 </dev/null & # its own pid
	agent_pid[$h]=$!
	wait_for 20 skep "$h" status || { tail -n 20 "$work/$h/log" | note; return 1; }
}
stop_skepd() { # HOST [SIGNAL]
	kill "-${2:-TERM}" "${agent_pid[$1]}" && wait "${agent_pid[$1]}" 2>/dev/null
	unset "agent_pid[$1]"
}
skep() { # HOST ARGUMENTS...: as an operator on that host
	local h=$1
	shift
	case $h in -) in_host "$first_host" "$SKEP" --config "$work/$first_host/skepd.yaml" "$@" ;;
	*) in_host "$h" "$SKEP" --config "$work/$h/skepd.yaml" "$@" ;; esac
}
status() { skep "$1" -j status; }
drops() { # HOST REASON: its counter
	status "$1" | json_number "drops" "$2"
}
# The number of member $2 in the flat object $1 of a JSON line on standard input; 0 when it is not there.
json_number() { sed -n "s/.*\"$1\": *{\([^}]*\)}.*/\1/p" | sed -n "s/.*\"$2\": *\([0-9]*\).*/\1/p" | grep . || echo 0; }
port_up() { status "$1" | grep -qE "\"port\": *\"$2\"[^}]*\"state\": *\"up\""; }

apply() { skep - apply -f - "$@"; } # the document on standard input

# Two bridges and a router on two hosts: vm1 (left, h1) vm2 (left, h2) vm3 (right, h1) vm4 (right, h2).
mac_of() { echo "02:00:00:00:00:0$1"; }
standard_doc() { # extra YAML lines for the ports of each machine, e.g. "out_chain: fw"
	cat <<-YAML
		tenant: t
		bridges: [{name: left}, {name: right}]
		routers: [{name: r}]
		ports:
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24, "fd00:1::1/64"], peer: left-r}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: r-right, router: r, mac: "02:00:00:00:01:02", addresses: [10.0.2.1/24, "fd00:2::1/64"], peer: right-r}
		  - {name: right-r, bridge: right, peer: r-right}
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11, "fd00:1::11"]${1:+, $1}}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12, "fd00:1::12"]${1:+, $1}}
		  - {name: vm3, bridge: right, mac: "$(mac_of 3)", addresses: [10.0.2.13, "fd00:2::13"]${1:+, $1}}
		  - {name: vm4, bridge: right, mac: "$(mac_of 4)", addresses: [10.0.2.14, "fd00:2::14"]${1:+, $1}}
	YAML
}
standard_bindings() {
	cat <<-YAML
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm2, host: h2, interface: vm2}
		  - {port: vm3, host: h1, interface: vm3}
		  - {port: vm4, host: h2, interface: vm4}
	YAML
}
standard_machines() {
	vm vm1 h1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1 fd00:1::11/64 fd00:1::1
	vm vm2 h2 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1 fd00:1::12/64 fd00:1::1
	vm vm3 h1 "$(mac_of 3)" 10.0.2.13/24 10.0.2.1 fd00:2::13/64 fd00:2::1
	vm vm4 h2 "$(mac_of 4)" 10.0.2.14/24 10.0.2.1 fd00:2::14/64 fd00:2::1
}
standard_up() { # all four ports are bound
	wait_for 20 port_up h1 vm1 && wait_for 20 port_up h1 vm3 && wait_for 20 port_up h2 vm2 && wait_for 20 port_up h2 vm4
}
standard() { # [EXTRA-PORT-FIELDS]: all of it, running
	host h1; host h2
	standard_machines
	start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
	{ standard_doc "${1:-}"; standard_bindings; } | apply >"$work/apply.out" 2>&1 ||
		bail "apply failed: $(cat "$work/apply.out")"
	standard_up || bail 'ports do not come up'
}

# --- traffic ---

ping_ok() { in_vm "$1" ping -q -c "${3:-1}" -W 2 -i 0.05 "$2"; } # VM ADDRESS [COUNT]: all of them answered
ping4_soon() { wait_for 10 in_vm "$1" ping -q -c 1 -W 1 "$2"; }
spawn() { "$@" & background+=($!); } # a program, not a function: the pid must be its own
http_server() { # VM DIRECTORY PORT [ADDRESS]
	spawn nsenter --net="/run/netns/$id-$1" busybox httpd -f -p "${4:+$4:}$3" -h "$2"
	wait_for 5 listening "$1" "$3" || bail "no HTTP server in $1"
}
listening() { in_vm "$1" ss -Hltn "sport = :$2" | grep -q .; }
