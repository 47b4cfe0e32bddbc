#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# skep against a real Redis, without any agent: every command that works on the state DB alone, its output and its exit status.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

redis-server --port 0 --unixsocket "$work/db.sock" --save '' --dir "$work" --daemonize no > "$work/redis.log" 2>&1 &
background+=($!)
wait_for 5 test -S "$work/db.sock" || bail 'redis-server does not start'
export SKEP_DB=unix:$work/db.sock
s() { "$SKEP" "$@" > "$work/out" 2> "$work/err"; }
status_is() { # TEXT WANT ARGUMENTS...
	local text=$1 want=$2 rc
	shift 2
	s "$@"; rc=$?
	if [ $rc -eq "$want" ]; then ok "$text"; else not_ok "$text (status $rc, want $want)"; head -n 5 "$work/out" "$work/err" | note; fi
}
out() { cat "$work/out"; }

# --- an empty database ---
status_is 'get tenants of an empty database' 0 get tenants
status_is 'no tenant: not found' 3 get
contains '... says what to do' 'skep apply' "$(cat "$work/err")"

# --- apply, diff, get ---
standard_doc 'out_chain: fw' > "$work/net.yaml"
cat >> "$work/net.yaml" <<-YAML
	chains:
	  - name: fw
	    rules:
	      - {name: no-telnet, action: drop, proto: tcp, dst_ports: 23}
	      - {name: web, action: accept, proto: tcp, dst_ports: "80-90"}
	routes:
	  - {name: nowhere, router: r, dst: 203.0.113.0/24, type: blackhole}
YAML
status_is 'diff before apply' 0 diff -f "$work/net.yaml"
contains '... shows what would be new' '^\+ port/vm1' "$(out)"
status_is 'apply --dry-run' 0 apply -f "$work/net.yaml" --dry-run
contains '... says would be' 'port/vm1 would be created' "$(out)"
status_is '... and created nothing' 3 get
status_is 'apply' 0 apply -f "$work/net.yaml"
contains '... one line an object' '^port/vm1 created' "$(out)"
status_is 'apply again' 0 apply -f "$work/net.yaml"
contains '... changes nothing' 'nothing to change' "$(out)"
status_is 'get as YAML' 0 get -o yaml
cp "$work/out" "$work/exported.yaml"
status_is 'apply of a file that is not there: failed' 1 apply -f /nonexistent.yaml
printf 'tenant: t\nports: [{name: p9, bridge: nobody}]\n' >"$work/reference.yaml"
status_is '... of a reference to what is not there: a wrong document' 1 apply -f "$work/reference.yaml"
status_is 'what get exports, apply takes' 0 apply -f "$work/exported.yaml"
contains '... without a change' 'nothing to change' "$(out)"
status_is 'diff of the export' 0 diff -f "$work/exported.yaml" --prune
contains '... no difference, also with --prune' 'no difference' "$(out)"
status_is 'get as JSON' 0 get -j
check '... is JSON that apply takes' sh -c "'$SKEP' get -o json | '$SKEP' apply -f -"
status_is 'get a kind' 0 get ports
contains '... as a table' '^NAME +.*MAC' "$(out)"
status_is 'get one chain' 0 get chain fw
contains '... with its rules' 'no-telnet +drop +.*dst_ports 23' "$(out)"
status_is 'get what is not there: not found' 3 get port nosuch
status_is 'get an unknown kind: usage' 2 get cheese
contains '... lists the kinds' 'bridge.*router.*port' "$(cat "$work/err")"
sed 's/dst_ports: 23/dst_ports: 24/' "$work/net.yaml" > "$work/changed.yaml"
status_is 'diff of a change' 0 diff -f "$work/changed.yaml"
contains '... names the object' '^~ chain/fw' "$(out)"
status_is 'diff -j' 0 -j diff -f "$work/changed.yaml"
contains '... has before and after' '"op":"changed","before":\{.*"after":\{' "$(out)"

# --- ports ---
status_is 'port list' 0 port list
contains '... linked' '^r-left .*linked' "$(out)"
contains '... unbound' '^vm1 .*unbound' "$(out)"
status_is 'port bind' 0 port bind vm1 --host h1 --interface tap0
status_is 'port bind, the same again' 0 port bind vm1 --host h1 --interface tap0
status_is 'port bind elsewhere: conflict' 4 port bind vm1 --host h2 --interface tap0
contains '... names where it is' "interface 'tap0' of host 'h1'" "$(cat "$work/err")"
status_is 'port bind of nothing: not found' 3 port bind nosuch --host h1 --interface tap0
status_is 'port bind without --host: usage' 2 port bind vm1 --interface tap0
status_is 'port list shows the binding' 0 port list
contains '... as waiting' '^vm1 .*h1:tap0 +waiting' "$(out)"
contains 'the host is told which tenants are its' '"use/h1/t"' "$(redis-cli -s "$work/db.sock" hkeys "$(redis-cli -s "$work/db.sock" --scan --pattern 'skep:{hosts}:o')" | sed 's/^/"/;s/$/"/')"
status_is 'port unbind' 0 port unbind vm1
status_is 'port unbind again: not found' 3 port unbind vm1
status_is 'host list without hosts' 0 host list

# --- trace ---
status_is 'trace of a dropped packet' 0 trace --port vm1 'tcp 10.0.1.11:4000 > 10.0.2.14:23 syn'
contains '... names the rule' 'no-telnet' "$(out)"
status_is 'trace to a blackhole' 0 trace --port vm1 'icmp 10.0.1.11 > 203.0.113.5'
contains '... names the route' "203.0.113.0/24.*router 'r'" "$(out)"
status_is 'trace of a forged address' 0 trace --port vm1 'udp 10.0.1.99:1 > 10.0.2.14:2'
contains '... is a spoof' 'spoof' "$(out)"
status_is 'trace of ARP' 0 trace --port vm1 'arp who-has 10.0.1.1 from 10.0.1.11'
contains '... is answered' 'answer r-left: ARP reply' "$(out)"
status_is 'trace of IPv6' 0 trace --port vm1 'tcp [fd00:1::11]:4000 > [fd00:2::14]:23 syn'
contains '... meets the same rule' 'no-telnet' "$(out)"
status_is 'trace in the full language' 0 trace --port vm1 'eth 02:00:00:00:00:01>02:00:00:00:01:01 / ip 10.0.1.11>10.0.2.14 ttl 1 / udp 1>2'
contains '... TTL' 'ttl' "$(out)"
status_is 'trace -j' 0 -j trace --port vm1 'tcp 10.0.1.11:4000 > 10.0.2.14:23 syn'
contains '... is JSON with the reason' '"reason": ?"policy"' "$(out)"
status_is 'trace without a port: usage' 2 trace 'icmp 10.0.1.11 > 10.0.1.12'
status_is 'trace from an unknown port: not found' 3 trace --port nosuch 'icmp 10.0.1.11 > 10.0.1.12'
status_is 'trace from an interior port: refused' 1 trace --port r-left 'icmp 10.0.1.11 > 10.0.1.12'
for good in 'tcp 10.0.1.11 > 10.0.1.12:80' 'tcp 10.0.1.11:80 10.0.1.12:80'; do # as lists print them
	status_is "trace of '$good'" 0 trace --port vm1 "$good"
done
for bad in 'tcp 10.0.1.11:80' 'tcp 10.0.1.11:80 > fd00:1::12' 'tcp 10.0.1.11:99999 > 10.0.1.12:80' 'ipx a > b' \
	'icmp 10.0.1.11 > fd00::1' 'udp 10.0.1.11:1 > 10.0.1.12:2 syn' 'icmp 10.0.1.11 > 10.0.1.12 ttl 0' 'arp who-has fd00::1 from 10.0.1.11' ''; do
	status_is "trace of '$bad': usage" 2 trace --port vm1 "$bad"
done

# --- delete, prune, tenants ---
status_is 'delete what others need: conflict' 4 delete chain fw
contains '... names who' "port 'vm[1-4]'" "$(cat "$work/err")"
status_is 'delete one object' 0 delete route nowhere
status_is 'delete it again: not found' 3 delete route nowhere
printf '{"tenant": "other", "bridges": [{"name": "b"}]}' | s apply -f - && ok 'a second tenant' || not_ok 'a second tenant'
status_is 'with two tenants --tenant is needed: usage' 2 get
status_is 'with it, fine' 0 get -t other bridges
printf 'tenant: other\nbridges: [{name: c}]\n' > "$work/other.yaml"
status_is 'apply --prune' 0 apply -f "$work/other.yaml" --prune
contains '... deletes what is not named' 'bridge/b deleted' "$(out)"
status_is '--tenant that contradicts the document: refused' 1 apply -t t -f "$work/other.yaml"
status_is 'delete by document' 0 delete -f "$work/other.yaml"
status_is 'an unknown tenant: not found' 3 get -t nosuch

# --- many at once: nobody's change is lost ---
racers=()
for i in 1 2 3 4 5 6; do
	printf '{"tenant": "t", "bridges": [{"name": "race%d"}]}' $i | "$SKEP" apply -f - > "$work/race$i" 2>&1 &
	racers+=($!)
done
failed=0
for p in "${racers[@]}"; do wait "$p" || failed=$((failed + 1)); done
equal 'six at once: all succeed' 0 $failed
equal '... and none is lost' 6 "$("$SKEP" get -t t bridges | grep -c '^race')"

# --- what the README promises ---
sed -n '/^tenant: acme/,/^```/p' README.md | sed '$d' > "$work/readme.yaml"
status_is "the README's network" 0 apply -f "$work/readme.yaml"
status_is '... its bindings' 0 port bind web1 -t acme --host h1 --interface tap0
status_is '... its trace' 0 trace -t acme --port web1 'tcp 10.0.1.11:4000 > 10.0.2.12:23 syn'
contains '... which names the rule' 'no-telnet' "$(out)"
status_is "the demonstration's network" 0 apply -f packaging/demo/network.yaml

# --- the rest ---
status_is 'version' 0 version
status_is '--version' 0 --version
contains '... is the same' '^skep [0-9]' "$(out)"
status_is 'help' 0 help
contains '... lists the commands' 'port bind PORT --host' "$(out)"
status_is 'help -j' 0 help -j
contains '... is JSON' '"command":"port bind"' "$(out)"
status_is 'help of a command' 0 help trace
contains '... lists its options' '--eth SRC>DST' "$(out)"
status_is '--help' 0 port bind --help
status_is 'an unknown command: usage' 2 cheese
status_is 'a noun without its verb: usage' 2 port
contains '... lists the verbs' 'list, bind, unbind' "$(cat "$work/err")"
status_is '-j: errors are JSON on standard output' 3 -j get -t nosuch
contains '... with a code' '^\{"error":\{"code":"no_such_tenant","message":' "$(out)"
undocumented=
while read -r c; do grep -q "^.It Cm $c" docs/man/skep.1 || undocumented="$undocumented $c,"; done \
	< <("$SKEP" help | sed -n 's/^  \(\(port\|flow\|drop\|host\) [a-z]*\|[a-z]*\) .*/\1/p')
equal 'every command is in the manual page' '' "$undocumented"
