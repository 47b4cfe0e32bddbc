#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# trace, reachability and policy_matrix: the same as the command line says, refusals that name the field, and tenants whose questions are dear.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
. selftests/api/up.sh

net_without_telnet
# vm1 and vm2 are up, as their host says it
records=$(redis-cli -s "$work/db.sock" --scan --pattern 'skep:*:t:t:o')
redis-cli -s "$work/db.sock" hset "$records" live/vm1 '{"rev":1,"host":"h1","key":1}' live/vm2 '{"rev":1,"host":"h1","key":2}' >/dev/null
api_up
ask() { # QUESTION BODY [TENANT]: the answer in $work/body, its status in $status
	status=$(curl -s -o "$work/body" -w '%{http_code}' -D "$work/headers" --max-time 60 --unix-socket "$work/api.sock" -H 'Content-Type: application/json' \
		-d "$2" "http://api/api/v1/tenants/${3:-t}/$1")
}
body() { cat "$work/body"; }
get() { python3 -c 'import json,sys; v = json.load(open(sys.argv[1])); print(eval(sys.argv[2], {"v": v}))' "$work/body" "$1" 2>&1; }
without() { python3 -c 'import json,sys; v = json.load(sys.stdin); [v.pop(k, None) for k in sys.argv[1:]]; print(json.dumps(v, sort_keys=True))' "$@"; }

# --- as on the command line ---
packet='tcp 10.0.1.11:4000 > 10.0.2.14:23 syn'
ask trace "{\"port\": \"vm1\", \"packet\": \"$packet\"}"
equal 'trace' 200 "$status"
equal '... says what skep trace -j says' "$("$SKEP" -j trace --port vm1 "$packet" | without text)" "$(without text <"$work/body")"
contains '... and the same for people' "policy: rule 'no-telnet' of chain 'fw'" "$(get 'v["text"]')"
ask trace '{"port": "vm1", "packet": "udp 10.0.1.11:1 > 10.0.1.12:2", "eth": "02:00:00:00:00:01>02:00:00:00:00:77"}'
contains 'trace with Ethernet addresses' '02:00:00:00:00:77' "$(body)"
ask trace '{"port": "vm1", "hex": "ffffffffffff02000000000108060001080006040001020000000001 0a00010b 000000000000 0a000101"}'
equal 'hex is digits only' 422 "$status"
mac=$(python3 -c 'import json,sys; print("".join(next(p["mac"] for p in json.load(sys.stdin)["ports"] if p["name"] == "vm1").split(":")))' < <("$SKEP" get -j))
ask trace "{\"port\": \"vm1\", \"hex\": \"ffffffffffff${mac}08060001080006040001${mac}0a00010b0000000000000a000101\"}"
equal 'trace of a frame as bytes' 200 "$status"
contains '... is the ARP question' 'arp' "$(get 'v["packet"]')"
ask reachability '{"from": "vm1", "to": "vm4", "proto": "tcp/23"}'
equal 'reachability' 200 "$status"
equal '... says what skep why -j says' "$("$SKEP" -j why vm1 vm4 tcp/23 | without forward_text reply_text)" "$(without forward_text reply_text <"$work/body")"
ask reachability '{"from": "vm1", "to": "vm4", "proto": "tcp/80"}'
contains '... also of ports that are up nowhere' 'bound to no running interface' "$(get 'v["text"]')"

# --- the matrix ---
ask policy_matrix '{"ports": ["vm1", "vm4"], "proto": "tcp/23"}'
equal 'policy_matrix' 200 "$status"
equal '... who may not' deny "$(get 'v["cells"][0][1]["verdict"]')"
equal '... and what decides it' "rule 'no-telnet' of chain 'fw'" "$(get 'v["cells"][0][1]["rule"]')"
equal '... the reason' policy "$(get 'v["cells"][0][1]["reason"]')"
equal '... oneself' self "$(get 'v["cells"][1][1]["verdict"]')"
ask policy_matrix '{"ports": ["vm1", "vm4"], "proto": "tcp/80"}'
equal '... who might, if the ports were up' down "$(get 'v["cells"][0][1]["verdict"]')"
ask policy_matrix '{"proto": "icmp"}'
equal '... of all machines' "$("$SKEP" get -j | python3 -c 'import json,sys; print(sorted(p["name"] for p in json.load(sys.stdin)["ports"] if "bridge" in p and "peer" not in p))')" "$(get 'v["ports"]')"
for pair in 'vm1 vm2' 'vm1 vm4' 'vm4 vm1'; do
	read -r a b <<<"$pair"
	"$SKEP" -j why "$a" "$b" icmp >"$work/why"
	want=$(python3 -c 'import json,sys; w = json.load(open(sys.argv[1])); print("down" if "no running interface" in w["text"] else {True: "allow", False: "deny", None: "unknown"}[w["reachable"]])' "$work/why")
	equal "... $a to $b as skep why" "$want" "$(get "v['cells'][v['ports'].index('$a')][v['ports'].index('$b')]['verdict']")"
done

ask reachability '{"from": "vm1", "to": "vm2", "proto": "tcp/80"}'
equal 'reachability of ports that are up' True "$(get 'v["reachable"]')"
ask policy_matrix '{"ports": ["vm2", "vm1"], "proto": "tcp/80"}'
equal 'policy_matrix of ports that are up' allow "$(get 'v["cells"][1][0]["verdict"]')"
equal '... in the order in which they were named' "['vm2', 'vm1']" "$(get 'v["ports"]')"

# --- which rule says so ---
cat >"$work/groups" <<'YAML'
tenant: groups
bridges: [{name: b}]
security_groups:
- {name: web, rules: [{name: http, direction: ingress, proto: tcp, dst_ports: 80}]}
chains:
- {name: fw, rules: [{name: counted, action: continue}, {name: mail, action: accept, proto: tcp, dst_ports: 25}, {name: rest, action: drop}]}
ports:
- {name: a, bridge: b, mac: "02:00:00:00:00:0a", addresses: [10.0.0.10]}
- {name: b, bridge: b, mac: "02:00:00:00:00:0b", addresses: [10.0.0.11], security_groups: [web]}
- {name: d, bridge: b, mac: "02:00:00:00:00:0d", addresses: [10.0.0.13]}
- {name: c, bridge: b, mac: "02:00:00:00:00:0c", addresses: [10.0.0.12], out_chain: fw}
YAML
"$SKEP" apply -f "$work/groups" >/dev/null || bail 'apply groups'
records=$(redis-cli -s "$work/db.sock" --scan --pattern 'skep:*:t:groups:o')
redis-cli -s "$work/db.sock" hset "$records" live/a '{"rev":1,"host":"h1","key":1}' live/b '{"rev":1,"host":"h1","key":2}' live/c '{"rev":1,"host":"h1","key":3}' live/d '{"rev":1,"host":"h1","key":4}' >/dev/null
decided() { # TEXT PROTO TO VERDICT RULE
	ask policy_matrix "{\"ports\": [\"a\", \"$3\"], \"proto\": \"$2\"}" groups
	equal "$1: $4 by ${5:-nobody}" "$4 $5" "$(get 'v["cells"][0][1]["verdict"] + " " + v["cells"][0][1].get("rule", "")')"
	cell=$(get 'v["cells"][0][1].get("text", "")') at=$(get 'v["cells"][0][1].get("at", "")')
	ask reachability "{\"from\": \"a\", \"to\": \"$3\", \"proto\": \"$2\"}" groups
	equal '... reachability says the same' "$5" "$(get 'v["rule"] or ""')"
}
decided 'a rule of a security group' tcp/80 b allow "rule 'http' of security group 'web'"
decided 'what no rule allows' tcp/23 b deny ''
contains '... ends at a port' "port 'b'" "$at"
contains '... and needs a rule' "add an ingress rule for tcp/23 from 10.0.0.10 to security group 'web'" "$cell"
decided 'a rule of a chain' tcp/25 c allow "rule 'mail' of chain 'fw'"
decided '... that drops' tcp/23 c deny "rule 'rest' of chain 'fw'"
equal '... is where it ends' '' "$at"
ask policy_matrix '{"ports": ["d", "a"], "proto": "tcp/80"}' groups
equal 'what nothing is in the way of is allowed by no rule' "allow None" "$(get 'v["cells"][0][1]["verdict"] + " " + str(v["cells"][0][1].get("rule"))')"

# --- refusals ---
refused() { # FIELD QUESTION BODY
	ask "$2" "$3"
	equal "$2 ${3:0:60}: refused" 422 "$status"
	equal "... names $1" "$1" "$(get 'v["errors"][0]["field"]')"
}
refused port trace '{"port": "nosuch", "packet": "icmp 10.0.1.11 > 10.0.1.12"}'
refused port trace '{"port": "r-left", "packet": "icmp 10.0.1.11 > 10.0.1.12"}'
refused packet trace '{"port": "vm1", "packet": "ipx a > b"}'
refused packet trace '{"port": "vm1"}'
refused packet trace '{"port": "vm1", "packet": "icmp 10.0.1.11 > 10.0.1.12", "hex": "00"}'
refused hex trace '{"port": "vm1", "hex": "0"}'
refused tos trace '{"port": "vm1", "packet": "icmp 10.0.1.11 > 10.0.1.12", "tos": 1}'
refused proto reachability '{"from": "vm1", "to": "vm4", "proto": "tcp"}'
refused from reachability '{"from": "nosuch", "to": "vm4", "proto": "icmp"}'
refused to reachability '{"from": "vm1", "to": "nosuch", "proto": "icmp"}'
refused ports policy_matrix '{"ports": [], "proto": "icmp"}'
refused ports policy_matrix '{"ports": ["vm1", "vm1"], "proto": "icmp"}'
refused ports policy_matrix "{\"ports\": $(python3 -c 'import json; print(json.dumps(["p%d" % i for i in range(201)]))'), \"proto\": \"icmp\"}"
ask trace '{"port": "vm1", "packet": "icmp 10.0.1.11 > 10.0.1.12"}' nosuch
equal 'of a tenant that does not exist' 404 "$status"

# --- a network made to be slow: each question is bounded, and others are served ---
python3 -c '
import json
rules = [{"action": "continue", "log": True, "src": "10.0.0.0/8", "dscp": 0}] * 10000
chains = [{"name": "j%d" % i, "rules": [{"action": "jump", "jump": "j%d" % (i + 1)}] * 40 + [{"action": "continue"}]} for i in range(4)]
ports = [{"name": "p%d" % i, "bridge": "b", "in_chain": "j0", "out_chain": "c", "addresses": ["10.0.%d.%d" % (i // 200, i % 200 + 1)]} for i in range(200)]
print(json.dumps({"tenant": "evil", "bridges": [{"name": "b"}], "chains": [{"name": "c", "rules": rules}, {"name": "j4", "rules": [{"action": "continue"}] * 50}] + chains, "ports": ports}))
' >"$work/evil.json"
"$SKEP" apply -f "$work/evil.json" >/dev/null || bail 'apply evil.json'
seen=()
for _ in {1..40}; do
	ask trace '{"port": "p0", "packet": "eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff / ip 10.0.0.1>10.255.255.255 / udp 1>2"}' evil
	seen+=("$status")
	[ "$status" = 429 ] && break
done
equal 'who asks too much is told to wait' 429 "$status"
contains '... and how long' '^[Rr]etry-[Aa]fter: [0-9]+' "$(cat "$work/headers")"
refute '... and no answer is a failure of ours' grep -qE '^(5[^0]|50[^3])' < <(printf '%s\n' "${seen[@]}")
ask trace '{"port": "vm1", "packet": "icmp 10.0.1.11 > 10.0.1.12"}'
equal 'others are answered' 200 "$status"
curl -s -o "$work/matrix" -w '%{http_code}' --max-time 120 --unix-socket "$work/api.sock" -H 'Content-Type: application/json' \
	-d '{"proto": "icmp"}' http://api/api/v1/tenants/evil/policy_matrix >"$work/matrix.status" &
background+=($!)
slowest=0
until [ -s "$work/matrix.status" ]; do
	began=${EPOCHREALTIME/./}
	ask reachability '{"from": "vm1", "to": "vm2", "proto": "icmp"}'
	took=$((${EPOCHREALTIME/./} - began))
	[ "$status" = 200 ] || [ "$status" = 429 ] || { not_ok "while a slow matrix is made: $status"; break; }
	[ $took -gt $slowest ] && slowest=$took
	[ $SECONDS -lt 200 ] || { not_ok 'the slow matrix ends'; break; }
	pause
done
contains 'a slow matrix ends, with an answer or a refusal' '^(200|503|429)$' "$(cat "$work/matrix.status")"
check "... and nobody waits for it (the slowest other answer took $((slowest / 1000)) ms)" test $slowest -lt 5000000
