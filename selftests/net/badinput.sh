#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What people, databases, machines and strangers may get wrong: each its clear error or its counted drop, nothing half-applied.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

standard
ping4_soon vm1 10.0.2.14 || bail 'no traffic'
snapshot() { skep - get -o json; }
before=$(snapshot)

refused() { # TEXT PATTERN: the document on standard input is refused with a message like PATTERN, and nothing changed
	local out rc
	out=$(apply 2>&1); rc=$?
	[ $rc -eq 1 ] || [ $rc -eq 3 ] && ok "$1: refused" || { not_ok "$1: refused (status $rc)"; echo "# $out"; }
	contains "$1: told" "$2" "$out"
	[ "$(snapshot)" = "$before" ] || not_ok "$1: something was applied"
}

# --- documents ---
refused 'not YAML' 'standard input:[0-9]+' <<<'tenant: t
bridges: [{name: b'
refused 'an unknown kind' "brigdes" <<<'{"tenant": "t", "brigdes": []}'
refused 'an unknown field' "colour" <<<'{"tenant": "t", "bridges": [{"name": "new", "colour": "red"}]}'
refused 'a bad MAC' "port 'x'.*mac.*zz.*want" <<<'{"tenant": "t", "bridges": [{"name": "new"}], "ports": [{"name": "x", "bridge": "new", "mac": "zz"}]}'
refused 'a bad prefix' "10.0.0.1/8.*10.0.0.0/8" <<<'{"tenant": "t", "chains": [{"name": "new", "rules": [{"name": "r1", "action": "drop", "src": "10.0.0.1/8"}]}]}'
refused 'an unknown action' "rule.*explode.*accept" <<<'{"tenant": "t", "chains": [{"name": "new", "rules": [{"name": "r1", "action": "explode"}]}]}'
refused 'a dangling reference' "x.*nosuch" <<<'{"tenant": "t", "bridges": [{"name": "new"}], "ports": [{"name": "x", "bridge": "nosuch"}]}'
refused 'a duplicate address' "10.0.1.11.*vm1|vm1.*10.0.1.11" <<<'{"tenant": "t", "bridges": [{"name": "new"}], "ports": [{"name": "x", "bridge": "left", "mac": "02:00:00:00:00:77", "addresses": ["10.0.1.11"]}]}'
refused 'an overlapping subnet' "10.0.1.129/25.*r-left|r-left.*10.0.1" <<<'{"tenant": "t", "ports": [{"name": "x", "router": "r", "addresses": ["10.0.1.129/25"]}]}'
refused 'a binding of an interior port' "left-r" <<<'{"tenant": "t", "bindings": [{"port": "left-r", "host": "h1", "interface": "x"}]}'
refused 'a chain that jumps to itself' "loop" <<<'{"tenant": "t", "chains": [{"name": "loop", "rules": [{"name": "r1", "action": "jump", "jump": "loop"}]}]}'
refused 'two documents, the second wrong' "zz" <<<'tenant: t
bridges: [{name: new}]
---
tenant: t
ports: [{name: x, bridge: new, mac: zz}]'
out=$(skep - delete bridge left 2>&1); rc=$?
[ $rc -ne 0 ] && ok 'a bridge with ports cannot be deleted' || not_ok 'a bridge with ports cannot be deleted'
contains '... naming who refers to it' 'left-r|vm[12]' "$out"
equal 'after all that nothing has changed' "$before" "$(snapshot)"
contains 'with -j the error is JSON' '^\{"error": ?\{"code": ?"[a-z_]+", ?"message": ?".*zz' \
	"$(skep - -j apply -f - 2>/dev/null <<<'{"tenant": "t", "ports": [{"name": "x", "bridge": "left", "mac": "zz"}]}')"
out=$(skep - apply -f "$work/nosuch.yaml" 2>&1); rc=$?
contains 'a file that is not there' 'nosuch.yaml.*No such file' "$out"
equal '... which is no object that was not found' 1 $rc
contains 'a directory for a document is named' "$work.*[Ii]s a directory" "$(skep - apply -f "$work" 2>&1)"
out=$(skep h1 rule list --chain nosuch 2>&1); rc=$?
equal 'rules of a chain that is not there: not found' 3 $rc
contains '... named' "chain.*'nosuch'" "$out"
check 'kinds as documents call them, in the singular' skep - get binding
check '... with hyphens' skep - get qos-policy
skep - apply -f - > "$work/out" 2>&1 <<<'{"tenant": "gone", "bridges": [{"name": "b"}], "ports": [{"name": "p", "bridge": "b", "admin_up": false}], "pools": [{"name": "w"}], "members": [{"name": "m", "pool": "w", "address": "10.9.9.9"}]}'
contains 'a port that is switched off' '^p .*admin down' "$(skep - -t gone port list 2>&1)"
contains 'a tenant is listed while it has something' '^gone' "$(skep - get tenants)"
refute 'nobody has said how a member is' grep -q down <<<"$(skep - -t gone get members)"
skep - -t gone member down m > "$work/out" 2>&1
contains '... an operator has: down' '^m .*down' "$(skep - -t gone get member m)"
refute '... not in documents' grep -q health <<<"$(skep - -t gone get member m -o yaml)"
skep - -t gone delete -f - > "$work/out" 2>&1 <<<'{"tenant": "gone", "bridges": [{"name": "b"}], "ports": [{"name": "p"}], "pools": [{"name": "w"}], "members": [{"name": "m"}]}'
refute '... not when that is deleted' grep -q gone <<<"$(skep - get tenants)"
check '... and commands want no --tenant any more' skep - port list
skep - frobnicate > "$work/out" 2>&1; equal 'an unknown command: usage' 2 $?
skep - port bind > "$work/out" 2>&1; equal 'a missing argument: usage' 2 $?
skep - get --nonsense > "$work/out" 2>&1; equal 'an unknown option: usage' 2 $?

# --- databases ---
with_db() { in_host h1 env SKEP_DB="$1" timeout 20 "$SKEP" get tenants 2>&1; }
out=$(with_db 127.0.0.1:1); [ $? -eq 1 ] && ok 'nobody listens: failed' || not_ok 'nobody listens: failed'
contains '... told with the address' '127.0.0.1:1.*[Cc]onnection refused' "$out"
spawn nsenter --net="/run/netns/$id-h1" busybox httpd -f -p 7001 -h "$work"
wait_for 5 listening h1 7001
out=$(with_db 127.0.0.1:7001); [ $? -eq 1 ] && ok 'the server speaks something else: failed' || not_ok 'the server speaks something else: failed'
contains '... told with the address' '127.0.0.1:7001' "$out"
mkdir -p "$work/locked"
spawn nsenter --net="/run/netns/$id-h1" redis-server --port 7002 --save '' --requirepass secret --dir "$work/locked" --daemonize no > /dev/null
wait_for 5 listening h1 7002
out=$(with_db 127.0.0.1:7002); [ $? -eq 1 ] && ok 'the server wants a password: failed' || not_ok 'the server wants a password: failed'
contains '... told' '7002.*(NOAUTH|[Aa]uthentication|password)' "$out"
check 'with the password it works' in_host h1 env SKEP_DB=127.0.0.1:7002 SKEP_DB_PASSWORD=secret "$SKEP" get tenants
in_host h1 redis-cli -p 7002 -a secret --no-auth-warning set 'skep:{meta}:schema' 999 > /dev/null
out=$(in_host h1 env SKEP_DB=127.0.0.1:7002 SKEP_DB_PASSWORD=secret "$SKEP" get tenants 2>&1)
[ $? -eq 1 ] && ok 'a newer schema: refused' || not_ok 'a newer schema: refused'
contains '... told with both versions' 'schema.*999' "$out"
out=$(in_host h1 env SKEP_SOCKET="$work/nosuch.sock" "$SKEP" status 2>&1); rc=$?
[ $rc -ne 0 ] && ok 'no agent: failed' || not_ok 'no agent: failed'
contains '... told with the path' 'nosuch.sock' "$out"
# a configuration that cannot be
out=$(in_host h1 "$SKEPD" -c <(echo 'underlay: {interface: u0, colour: red}') 2>&1); rc=$?
[ $rc -ne 0 ] && ok 'skepd refuses an unknown setting' || not_ok 'skepd refuses an unknown setting'
contains '... named' 'colour' "$out"

# --- packets of a hostile machine ---
drop_is_counted() { # TEXT REASON HEX...: sent by vm1; the reason's counter grows by as many
	local text=$1 reason=$2 was now
	shift 2
	was=$(status h1 | json_number drops "$reason")
	printf '%s\n' "$@" | in_vm vm1 "$raw" send eth0
	grown() { now=$(status h1 | json_number drops "$reason"); [ "$now" -ge $((was + $#)) ]; }
	if wait_for 3 grown "$@"; then ok "$text: $reason"; else not_ok "$text: $reason"; echo "# counter: $was -> $now, all: $(status h1 | grep -o '"drops": *{[^}]*}')"; fi
}
eth='020000000101 020000000001 '
ip_ok='45 00 0028 0001 0000 40 06 0000 0a00010b 0a00020e' # checksum is not looked at by BPF
pad='000000000000000000000000000000000000'
drop_is_counted 'an IPv4 header cut short' truncated "${eth}0800 4500002800010000 40" "${eth}0800 45"
drop_is_counted 'IPv4 with IHL 4' bad_header "${eth}0800 44 00 0028 0001 0000 40 06 0000 0a00010b 0a00020e $pad$pad"
drop_is_counted 'IPv4 with version 5' bad_header "${eth}0800 55 00 0028 0001 0000 40 06 0000 0a00010b 0a00020e $pad$pad"
drop_is_counted 'IPv4 that claims more than there is' truncated "${eth}0800 45 00 0528 0001 0000 40 06 0000 0a00010b 0a00020e $pad$pad"
drop_is_counted 'a TCP header cut short' truncated "${eth}0800 45 00 001c 0001 0000 40 06 0000 0a00010b 0a00020e 0fa0005000000001"
drop_is_counted 'TCP with data offset 4' bad_header "${eth}0800 $ip_ok 0fa0 0050 00000001 00000000 4002 ffff 0000 0000"
drop_is_counted 'an IPv6 header cut short' truncated "${eth}86dd 6000000000080640"
drop_is_counted 'a multicast source address' bad_mac "020000000101 010000000001 0800 $ip_ok 0fa0 0050 00000001 00000000 5002 ffff 0000 0000"
check 'the machine still talks' ping_ok vm1 10.0.2.14 3

# --- tunnels ---
new_ns stranger
ip link add u0 mtu 1600 netns "$id-stranger" type veth peer stranger mtu 1600 netns "$id-wire"
ip -n "$id-wire" link set stranger master wire up
ip -n "$id-stranger" addr add 10.250.0.99/24 dev u0
ip -n "$id-stranger" link set u0 up
key=$(status h1 | grep -oE '"port": *"vm1"[^}]*' | grep -oE '"key": *[0-9]+' | grep -oE '[0-9]+')
vni=$(printf '%06x' "$key")
inner=020000000001020000000002$(printf '\x88\xb5skep-stranger-test...........................' | od -An -tx1 -v | tr -d ' \n')
tunnel() { in_ns "$1" "$stream" datagram 10.250.0.1 4789 "$2"; } # NS HEX
tunnel_drop() { # TEXT REASON NS HEX
	local was
	was=$(status h1 | json_number drops "$2")
	tunnel "$3" "$4"
	grown() { [ "$(status h1 | json_number drops "$1")" -gt "$2" ]; }
	if wait_for 3 grown "$2" "$was"; then ok "$1: $2"; else not_ok "$1: $2"; echo "# $(status h1 | grep -o '"drops": *{[^}]*}')"; fi
}
copies() { spawn nsenter --net="/run/netns/$id-vm1" "$raw" count eth0 "$1" 5 1500 > "$work/copies"; counter=$!; wait_for 5 grep -q ready "$work/copies"; }
copies skep-stranger-test
tunnel_drop "a stranger's tunnel packet with a valid key" unknown_peer stranger "08000000${vni}00$inner"
wait $counter
equal '... does not reach the machine' 0 "$(tail -n 1 "$work/copies")"
tunnel_drop 'an unknown key from a known host' unknown_key h2 "08000000fffffe00$inner"
tunnel_drop 'a VXLAN header without a key' bad_tunnel h2 "00000000${vni}00$inner"
tunnel_drop 'a tunnel packet that ends in the inner header' bad_tunnel h2 "08000000${vni}00020000"
copies skep-stranger-test
tunnel h2 "08000000${vni}00$inner"
wait $counter
equal 'the same packet from a known host is delivered once' 1 "$(tail -n 1 "$work/copies")"

# --- a second agent on the machine, that has directories of its own but wants the name and the devices of the first ---
mkdir -p "$work/second"
sed -e '/^paths:/d' "$work/h2/skepd.yaml" > "$work/second/skepd.yaml"
printf '%s\n' "paths: {state: $work/second, run: $work/second, bpffs: $work/bpf}" 'instance: second' >> "$work/second/skepd.yaml"
devices=$(ip -n "$id-h2" -o link | cut -d: -f1,2)
out=$(in_host h2 timeout 20 "$SKEPD" -c "$work/second/skepd.yaml" 2>&1); rc=$?
equal 'a second agent with the same device_prefix does not start' 1 $rc
contains '... told why' "another skepd is running with the devices 'skep-\.\.\.'.*device_prefix" "$out"
lacks() { case $2 in *"$1"*) return 1 ;; esac; }
check '... never says that it runs' lacks 'is running on' "$out"
equal '... the devices of the first are the same' "$devices" "$(ip -n "$id-h2" -o link | cut -d: -f1,2)"
check '... and new flows of its machines work' ping_ok vm2 10.0.1.11 3

# the message quotes the beginning of the name, which ends within a character
contains 'a name in another script that is too long is refused, not hung up on' 'no_such_tenant' \
	"$(skep h1 -j flow list --tenant "a$(printf 'é%.0s' $(seq 60))" 2>&1)"
check 'after all that traffic goes on' ping_ok vm1 10.0.2.14 5
check 'and configuration too' skep - port unbind vm4
