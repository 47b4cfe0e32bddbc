#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wildcard flows and connections that begin in the kernel: scans and floods, many connections, without skepd, behind a change of policy, over
# limits, and when their machine moves.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh
attack=$O/selftests/net/attack

dns='- {name: dns, direction: ingress, ethertype: ipv4, proto: udp, dst_ports: "5353-5354"}'
document() { # with the rules of $dns
	standard_doc "security_groups: [web]"
	cat <<-YAML
		security_groups:
		  - name: web
		    rules:
		      - {name: http, direction: ingress, ethertype: ipv4, proto: tcp, dst_ports: "80"}
		      - {name: ping, direction: ingress, ethertype: ipv4, proto: icmp}
		      $dns
	YAML
	standard_bindings
}

host h1; host h2
for h in h1 h2; do config $h "conns: {udp_new_s: 30, udp_replied_s: 30, tcp_syn_s: 30, icmp_s: 5, port_max: 12000}"; done
standard_machines
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
standard_up || bail 'ports do not come up'
for v in vm1 vm2 vm3; do
	tcp_echo $v 80
	spawn nsenter --net="/run/netns/$id-$v" "$attack" serve 5353 > /dev/null
	wait_for 5 udp_listening $v 5353 || bail "no server in $v"
done
cat > "$work/tcp.py" <<'PYTHON'
"""scan ADDRESS FIRST N: a SYN to each of so many ports; ask ADDRESS PORT N: so many connections one after the other, each answered."""
import socket, sys

what, address, port, n = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
done = 0
for i in range(n):
    s = socket.socket()
    if what == "scan":
        s.setblocking(False)
        s.connect_ex((address, port + i))
        done += 1
    else:
        s.settimeout(5)
        try:
            s.connect((address, port))
            done += s.recv(1) != b""
        except OSError:
            pass
    s.close()
print("done", done)
PYTHON
tcp() { in_vm "$1" "$python" "$work/tcp.py" "${@:2}"; }       # VM scan|ask ADDRESS PORT N
udp() { in_vm "$1" "$attack" ask "$2" 5353 "$3" 20000 "$4"; } # VM ADDRESS N SOURCE-PORT
upcalls() { echo $(($(stat_of h1 upcalls) + $(stat_of h2 upcalls))); }
few() { # TEXT BEFORE MOST: upcalls since then
	local n=$(($(upcalls) - $2))
	if [ $n -le "$3" ]; then ok "$1: $n upcalls"; else not_ok "$1: $n upcalls, want $3 at most"; fi
}
n_conns() { conns "$1" "$2" | grep -o '"dport"' | wc -l; }
n_at_least() { [ "$(n_conns "$1" "$2")" -ge "$3" ]; }
n_at_most() { [ "$(n_conns "$1" "$2")" -le "$3" ]; }
kernel_conns() { # HOST: records in its table
	bpftool -j map dump pinned "$(find "$work/bpf" -path "*$1*" -name skep_conns | head -n 1)" 2>/dev/null | grep -o '"key"' | wc -l
}
for v in 10.0.1.12 10.0.2.13; do ping4_soon vm1 $v || bail 'no traffic'; done
declare -A to=([vm2]=10.0.1.12 [vm3]=10.0.2.13)

# --- what nobody answers is not written to the state DB: a scan would be ---
written=$(stat_of h1 mirrored)
contains 'nobody listens' 'answered 0 ' "$(ATTACK_ANSWER_MS=1 in_vm vm1 "$attack" ask 10.0.1.12 5354 500 20000 8000)"
can '... such connections are in conn list' wait_for 15 n_at_least h1 vm1 500
talk one vm1 10.0.1.12 80 && ok '... and one that is answered' || not_ok '... and one that is answered'
one_in_db() { [ "$(stat_of h1 mirrored)" -gt "$written" ]; }
can '... which the DB has' wait_for 15 one_in_db
n=$(($(stat_of h1 mirrored) - written))
if [ $n -le 50 ]; then ok "... the others are not written: $n are"; else not_ok "... the others are not written: $n are"; fi

# --- (b) many connections: the first ones are skepd's, the others of their class are not ---
for v in vm2 vm3; do
	udp vm1 ${to[$v]} 5 10000 > /dev/null
	tcp vm1 ask ${to[$v]} 80 3 > /dev/null
done
where=(across 'on one host') n=0
for v in vm2 vm3; do
	a=$(upcalls)
	contains "2000 UDP connections ${where[n]} are answered" 'answered 2000 ' "$(udp vm1 ${to[$v]} 2000 11000)"
	few '... nearly without skepd' $a 100
	a=$(upcalls)
	equal "500 TCP connections ${where[n]}" 'done 500' "$(tcp vm1 ask ${to[$v]} 80 500)"
	few '... nearly without skepd' $a 100
	n=$((n + 1))
done
can 'they are in conn list, where they began' wait_for 15 n_at_least h1 vm1 4000
can '... at the other host' wait_for 15 n_at_least h2 vm2 2000
can '... at the other machine of the host' wait_for 15 n_at_least h1 vm3 2000

# --- (a) scans and floods cost skepd nearly nothing ---
for v in vm2 vm3; do
	tcp vm1 scan ${to[$v]} 20000 5 > /dev/null
	a=$(upcalls)
	equal "2000 closed ports of $v are scanned" 'done 2000' "$(tcp vm1 scan ${to[$v]} 20100 2000)"
	few '... nearly without skepd, as soon as it has said what their class is' $a 500
	a=$(upcalls)
	equal '... once more' 'done 2000' "$(tcp vm1 scan ${to[$v]} 20100 2000)"
	few '... nearly without skepd' $a 20
	check '... and the open one is open' tcp_ask vm1 ${to[$v]} 80
done
a=$(upcalls)
in_vm vm1 "$attack" flood eth0 1000 q "$(mac_of 1)" "$(mac_of 2)" 10.0.1.11 10.0.1.12 > "$work/flood"
contains 'a flood to a closed port from random ones' 'sent [0-9]{4,}' "$(cat "$work/flood")"
few '... nearly without skepd' $a 100

# --- (d) policy changes: what it does not admit any more ends ---
talk two vm1 10.0.1.12 80 && ok 'a connection of the kernel stays' || not_ok 'a connection of the kernel stays'
rule=$dns dns=
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
gone() { ! conns "$1" "$2" | grep -q '5353'; }
can 'a rule goes: so do its connections, where they began' wait_for 20 gone h1 vm1
can '... at the other host' wait_for 20 gone h2 vm2
contains '... new ones are refused' 'answered 0 ' "$(udp vm1 10.0.1.12 1 9000)"
contains '... on one host' 'answered 0 ' "$(udp vm1 10.0.2.13 1 9000)"
can '... that of another rule goes on' say two
dns=$rule
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
again() { udp "$1" "$2" 1 "$3" | grep -q 'answered 1 '; }
can 'the rule is back' wait_for 10 again vm1 10.0.1.12 9001
can '... on one host' wait_for 10 again vm1 10.0.2.13 9001

# --- (c) without skepd: known classes have new connections, old ones go on ---
udp vm1 10.0.1.12 5 9100 > /dev/null; udp vm1 10.0.2.13 5 9100 > /dev/null
tcp vm1 ask 10.0.1.12 80 3 > /dev/null
stop_skepd h1 KILL; stop_skepd h2 KILL
contains 'skepd is killed on both hosts: new UDP connections' 'answered 100 ' "$(udp vm1 10.0.1.12 100 9200)"
contains '... on one host' 'answered 100 ' "$(udp vm1 10.0.2.13 100 9200)"
equal '... TCP' 'done 20' "$(tcp vm1 ask 10.0.1.12 80 20)"
can '... an old one goes on' say two
start_skepd h1 && start_skepd h2 || bail 'skepd does not start again'
has() { conns "$1" "$2" | grep -oE ':92[0-9][0-9]\b' | sort -u | wc -l | grep -qx 100; }
can 'it is back: they are in conn list, where they began' wait_for 20 has h1 vm1
can '... at the other host' wait_for 20 has h2 vm2
can '... an old one goes on' say two
contains '... and new ones begin' 'answered 10 ' "$(udp vm1 10.0.1.12 10 9400)"

# --- (g) the machine moves to the other host ---
a=$(stat_of h1 mirrored)
talk three vm1 10.0.1.12 80 || not_ok 'another connection'
in_db() { [ "$(stat_of h1 mirrored)" -gt "$a" ] && [ "$(stat_of h1 mirror_lost)" = 0 ]; }
can 'a connection of the kernel is kept in the DB' wait_for 10 in_db
ip -n "$id-h1" link del vm1
vm_link vm1 h2
vm_config vm1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1
skep - port unbind vm1 > /dev/null 2>&1
skep - port bind vm1 --host h2 --interface vm1 > "$work/out" 2>&1 || not_ok "bind: $(cat "$work/out")"
can 'a machine moves' wait_for 20 port_up h2 vm1
can '... its connection goes on' say two 15
can '... one that nobody has used since, too' say three 15
can '... new ones begin' wait_for 10 again vm1 10.0.2.13 9500

# --- (e) they end when they are idle ---
idle() { n_at_most h2 vm2 8 && n_at_most h1 vm3 8; }
can 'idle connections are over' wait_for 60 idle
if type -P bpftool > /dev/null; then
	none() { [ "$(kernel_conns h1)" -le 8 ]; }
	can '... and leave the kernel' wait_for 30 none
fi

# --- (f) a port may have so many ---
a=$(drops h2 conn_limit)
udp vm1 10.0.2.13 12300 20000 > "$work/many"
contains 'more connections than a port may have: the others are refused' 'answered (11|12)[0-9]{3} ' "$(cat "$work/many")"
if [ "$(drops h2 conn_limit)" -gt "$a" ]; then ok '... counted'; else not_ok "... counted: $(drops h2 conn_limit), was $a; $(cat "$work/many")"; fi
