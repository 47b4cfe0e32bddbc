# SPDX-License-Identifier: Apache-2.0
# Sourced behind net.sh by tests of connections: servers that say who asked, and repeat what they are told; clients that can be talked to.

python=/usr/bin/python3
[ -x $python ] || python=python3
probe_py=$PWD/selftests/lib/probe.py

tcp_echo() { # VM PORT
	spawn nsenter --net="/run/netns/$id-$1" "$O/selftests/net/echo" tcp "$2" "$1"
	wait_for 5 listening "$1" "$2" || bail "no server in $1"
}
udp_echo() { # VM PORT
	spawn nsenter --net="/run/netns/$id-$1" "$O/selftests/net/echo" udp "$2" "$1"
	wait_for 5 udp_listening "$1" "$2" || bail "no UDP server in $1"
}
udp_listening() { in_vm "$1" ss -Hlun "sport = :$2" | grep -q .; }
tcp_ask() { # VM ADDRESS PORT: who the server saw, and who it is
	in_vm "$1" timeout 6 bash -c 'exec 3<>/dev/tcp/$0/$1 && read -rt 5 -u 3 l && echo "$l"' "$2" "$3" 2>/dev/null
}
udp_ask() { in_vm "$1" timeout 6 bash -c 'exec 3<>/dev/udp/$0/$1 && echo x >&3 && head -n 1 <&3' "$2" "$3" 2>/dev/null; }
refused_or_silent() { [ -z "$(in_vm "$1" timeout 2 bash -c 'exec 3<>/dev/tcp/$0/$1 && read -rt 1 -u 3 l && echo "$l"' "$2" "$3" 2>/dev/null)" ]; }

can() { # TEXT COMMAND...: as check, in this shell
	local text=$1
	shift
	if "$@" > "$work/out" 2>&1; then ok "$text"; else not_ok "$text"; note < "$work/out"; fi
}
cannot() { local text=$1; shift; if "$@" >/dev/null 2>&1; then not_ok "$text"; else ok "$text"; fi; }
declare -A talk_in=()
talk() { # NAME VM ADDRESS PORT: opens a connection that stays
	local fd
	mkfifo "$work/talk.$1"
	: > "$work/talk.$1.out"
	exec {fd}<> "$work/talk.$1"
	talk_in[$1]=$fd
	spawn nsenter --net="/run/netns/$id-$2" bash -c 'exec 3<>/dev/tcp/$0/$1 || exit 1; read -rt 8 -u 3 l || exit 1; echo "$l"
		while read -r l; do echo "$l" >&3; read -rt 15 -u 3 l || exit 1; echo "$l"; done < "$2"' "$3" "$4" "$work/talk.$1" \
		> "$work/talk.$1.out" 2>/dev/null
	wait_for 8 test -s "$work/talk.$1.out"
}
n_said=0
answered() { grep -qx "$2" "$work/talk.$1.out"; }
say() { # NAME: something over the connection; the answer comes back
	n_said=$((n_said + 1))
	echo "word-$n_said" >&"${talk_in[$1]}" && wait_for "${2:-8}" answered "$1" "word-$n_said"
}
conns() { skep "$1" -j conn list --port "$2"; }
stat_of() { status "$1" | grep -oE "\"$2\": *[0-9]+" | head -n 1 | grep -oE '[0-9]+$'; }
probe() { in_vm "$1" "$python" "$probe_py" "${@:2}"; } # VM COMMAND...
