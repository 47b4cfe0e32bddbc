#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Chains: drops and rejects, named by 'drop watch' and 'trace'; a change takes effect on running flows, and on no others.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

fw() { # RULES: the chain of all machine ports
	printf 'tenant: t\nchains:\n  - name: fw\n    rules:\n'
	printf '      - %s\n' "$@"
}
with_fw() { fw "$@" | cat - <(standard_doc 'out_chain: fw' | sed 1d); }

host h1; host h2
standard_machines
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{ with_fw '{name: no-telnet, action: drop, proto: tcp, dst_ports: 23}' \
	'{name: no-finger, action: reject, proto: tcp, dst_ports: 79}' \
	'{name: no-tftp, action: reject, proto: udp, dst_ports: 69}'; standard_bindings; } | apply > "$work/out" 2>&1 ||
	bail "apply: $(cat "$work/out")"
standard_up || bail 'ports do not come up'
ping4_soon vm1 10.0.2.14 || bail 'no traffic'
mkdir -p "$work/www" && echo hello > "$work/www/index.html"
for p in 23 79 80 81; do http_server vm4 "$work/www" $p; done
get() { in_vm vm1 curl -sS --max-time "${2:-3}" "http://10.0.2.14:$1/index.html"; }

# --- drop ---
equal 'an open port answers' hello "$(get 80 2>&1)"
spawn nsenter --net="/run/netns/$id-h1" "$SKEP" --config "$work/h1/skepd.yaml" drop watch -n 1 --timeout 10 > "$work/drops"
watcher=$!
wait_for 5 grep -q REASON "$work/drops" || bail 'drop watch does not start'
spawn nsenter --net="/run/netns/$id-h1" "$SKEP" --config "$work/h1/skepd.yaml" -j drop watch -n 1 --timeout 10 > "$work/drops.json"
watchers() { [ "$(in_host h1 ss -Hx state established | grep -c "$work/h1/skepd.sock")" -ge 2 ]; }
wait_for 5 watchers # JSON has no heading to wait for
refute 'a dropped port stays silent' get 23 2
check 'drop watch saw it' wait $watcher
contains 'drop watch names the rule and its chain' "policy.*no-telnet.*fw" "$(cat "$work/drops")"
contains 'drop watch quotes the packet' '10\.0\.1\.11:[0-9]+ > 10\.0\.2\.14:23' "$(cat "$work/drops")"
contains 'drop watch -j has stable names' '"reason": ?"policy"' "$(cat "$work/drops.json")"
contains 'the reason is counted' '^[1-9]' "$(status h1 | json_number drops policy)"
contains 'flow list shows the drop and who is to blame' 'drop: policy, rule .no-telnet.' "$(skep h1 flow list)"
trace() { skep - trace --port vm1 "$@" 2>&1; }
contains 'trace names the rule' 'no-telnet' "$(trace 'tcp 10.0.1.11:4000 > 10.0.2.14:23 syn')"
contains 'trace of an open port ends at the machine' 'vm4' "$(trace 'tcp 10.0.1.11:4000 > 10.0.2.14:80 syn')"
contains 'trace -j has the verdict' '"drop"' "$(trace -j 'tcp 10.0.1.11:4000 > 10.0.2.14:23 syn')"

# --- reject ---
contains 'TCP reject: refused at once' 'refused|reset|Failed to connect|Couldn' "$(get 79 5 2>&1)"
begin=$SECONDS
get 79 5 >/dev/null 2>&1
[ $((SECONDS - begin)) -lt 4 ] && ok 'TCP reject: no time-out' || not_ok 'TCP reject: no time-out'
contains 'UDP reject: an ICMP error comes' 'refused|No route|prohibited' "$(in_vm vm1 bash -c 'exec 3<>/dev/udp/10.0.2.14/69; echo x >&3; echo x >&3; read -rt 2 -u 3 || echo x >&3; read -rt 1 -u 3' 2>&1)"

# --- change while a flow runs ---
answers() { get 81 1 | grep -q hello; }
silent() { ! answers; }
check 'before the change the port answers' answers
receive_total=40000
: > "$work/received"
spawn nsenter --net="/run/netns/$id-vm3" "$stream" recv 5001 $receive_total 3000 > "$work/received"
receiver=$!
wait_for 5 grep -q ready "$work/received"
spawn nsenter --net="/run/netns/$id-vm2" "$stream" send 10.0.2.13 5001 $receive_total 10000
# one TCP connection that stays open: its packets meet the flow that exists
spawn nsenter --net="/run/netns/$id-vm1" ping -q -i 0.02 -c 1000000 10.0.2.14 > "$work/ping"
fw '{name: no-telnet, action: drop, proto: tcp, dst_ports: 23}' '{name: no-81, action: drop, proto: tcp, dst_ports: 81}' |
	apply > "$work/out" 2>&1 || not_ok "change the chain: $(cat "$work/out")"
if wait_for 5 silent; then ok 'a new rule takes effect on a running flow'; else not_ok 'a new rule takes effect on a running flow'; fi
equal 'the other port still answers' hello "$(get 80 2>&1)"
fw '{name: no-telnet, action: drop, proto: tcp, dst_ports: 23}' | apply >/dev/null 2>&1
if wait_for 5 answers; then ok 'the rule goes, the port answers again'; else not_ok 'the rule goes, the port answers again'; fi
wait $receiver
contains "other flows lose nothing while rules change" "^received $receive_total lost 0 duplicated 0" "$(tail -n 1 "$work/received")"

# --- on the way in, by address, IPv6, jump ---
fw '{name: six, action: drop, ethertype: ipv6, src: "fd00:1::11/128"}' '{name: rest, action: jump, jump: more}' \
	'{name: never, action: accept}' > "$work/doc"
printf '  - name: more\n    rules:\n      - {name: no-ping-12, action: drop, proto: icmp, src: 10.0.1.12/32}\n      - {name: back, action: return}\n' >> "$work/doc"
apply < "$work/doc" > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
blocked() { ! in_vm "$1" ping -q -c 1 -W 1 "$2"; }
if wait_for 10 blocked vm1 fd00:2::14; then ok 'an IPv6 prefix is dropped'; else not_ok 'an IPv6 prefix is dropped'; fi
check '... its neighbour is not' ping_ok vm2 fd00:2::14 3
if wait_for 10 blocked vm2 10.0.2.14; then ok 'a rule of a chain that was jumped to drops'; else not_ok 'a rule of a chain that was jumped to drops'; fi
check '... and returns for others' ping_ok vm1 10.0.2.14 3
refute 'a drop behind the router' in_vm vm2 ping -q -e 777 -c 1 -W 1 10.0.2.14
contains '... does not swallow the same flow at TTL 1: the router answers' 'exceeded' "$(in_vm vm2 ping -e 777 -t 1 -c 1 -W 2 10.0.2.14 2>&1)"
contains 'trace shows the jump' 'no-ping-12' "$(skep - trace --port vm2 'icmp 10.0.1.12 > 10.0.2.14' 2>&1)"

# --- anti-spoofing ---
in_vm vm1 ip addr add 10.0.1.77/24 dev eth0
before=$(status h1 | json_number drops spoof)
refute 'a foreign source address does not pass' in_vm vm1 ping -q -c 2 -W 1 -I 10.0.1.77 10.0.1.12
[ "$(status h1 | json_number drops spoof)" -gt "$before" ] && ok 'and is counted as spoof' || not_ok 'and is counted as spoof'
