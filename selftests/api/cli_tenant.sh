#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a tenant's admin, who has a token and neither the state DB nor an agent, is told by skep.
. "$(dirname "$0")/servers.sh"

servers_up
db=$SKEP_DB
cat >"$work/net.yaml" <<-'YAML'
	tenant: acme
	bridges: [{name: b1}]
	routers: [{name: r1}]
	ports:
	  - {name: web1, bridge: b1, addresses: [10.0.1.11]}
	  - {name: web2, bridge: b1, mac: "02:00:00:00:00:02", addresses: [10.0.1.12]}
	  - {name: up, router: r1, addresses: [10.0.1.1/24], peer: down}
	  - {name: down, bridge: b1, peer: up}
	bindings: [{port: web1, host: h1, interface: tap1}]
	load_balancers: [{name: lb, router: r1}]
	pools: [{name: web}]
	members:
	  - {name: m1, pool: web, address: 10.0.1.11}
	  - {name: m2, pool: web, address: 10.0.1.12, weight: 3}
	vips: [{name: v, load_balancer: lb, address: 203.0.113.80, proto: tcp, port: 80, pool: web}]
YAML
"$SKEP" apply -f "$work/net.yaml" >"$work/out" 2>&1 || bail "skep apply: $(cat "$work/out")"
unset SKEP_DB
api_start 1
export SKEP_CONTEXTS=$work/contexts/contexts.yaml
admin=$(make_token tenant-admin acme)
"$SKEP" login --api http://127.0.0.1:8461 <<<"$admin" >"$work/out" 2>&1 || bail "skep login: $(cat "$work/out")"
over_db() { "$SKEP" "$@" -t acme --db "$db" 2>&1; echo "status $?"; }
as_admin() { "$SKEP" "$@" 2>&1; echo "status $?"; }
same() { equal "skep $*" "$(over_db "$@")" "$(as_admin "$@")"; }

# --- tables and lists ---
same get ports
equal '... columns are in the order of the schema' 'NAME BRIDGE ROUTER PEER MAC ADDRESSES' "$("$SKEP" get ports | sed -n 2p | xargs -n 1 | grep -xE 'NAME|BRIDGE|ROUTER|MAC|ADDRESSES|PEER' | xargs)"
same port list
same -j port list
contains '... whose host has no agent' '"host_alive":false' "$(as_admin -j port list)"

# --- what operators do ---
contains 'a port that is bound already: who may not is told so' 'only operators say.*status 1' "$(as_admin port bind web1 --host h1 --interface x | tr '\n' ' ')"
refute '... and not what else there is to do' grep -q 'port unbind' <("$SKEP" port bind web1 --host h1 --interface x 2>&1)
contains '... as of one that is not' 'only operators say.*status 1' "$(as_admin port bind web2 --host h1 --interface x | tr '\n' ' ')"
contains 'an operator is told the way' 'port unbind.*status 4' "$(SKEP_API=http://127.0.0.1:8461 SKEP_TOKEN=$OP "$SKEP" port bind web1 --host h1 --interface x -t acme 2>&1 | tr '\n' ' '; echo "status ${PIPESTATUS[0]}")"

# --- who gets a new connection, and why ---
contains 'trace of a new packet to a VIP says how its member is chosen' 'member m[12]: of pool web, weight [13] of 4, by the hash of addresses and ports' "$(as_admin trace --port web2 'tcp 10.0.1.12:4000 > 203.0.113.80:80 syn' | tr -s ' ')"

# --- what a health checker tells ---
same get members
equal 'member down' 'member/m1 down status 0' "$(as_admin member down m1 | xargs)"
contains '... is in the state DB' '^m1 .* down' "$(over_db get members)"
same get members
contains '... the other one is chosen' 'member m2: of pool web, weight 3 of 3' "$(as_admin trace --port web2 'tcp 10.0.1.12:4000 > 203.0.113.80:80 syn' | tr -s ' ')"
refute '... nothing of it is in the document' grep -q health <("$SKEP" get -o yaml)
equal 'member up, as JSON' '{"health/m1":{"up":true}} status 0' "$("$SKEP" -j member up m1 | tr -d '\n'; echo " status $?")"
same get members
same member down nosuch
same -j member down nosuch
M=/api/v1/tenants/acme/members/m1/health
call 1 PUT /api/v1/tenants/rival "$OP" -d "{}"
reader=$(make_token tenant-reader acme) other=$(make_token tenant-admin rival)
audited() { call 1 GET /api/v1/tenants/acme/audit "$OP"; field items.0.id; }
revised() { call 1 GET /api/v1/tenants/acme "$OP"; field revision; }
before="$(audited) $(revised)"
answers 'it is told over REST' 200 1 PUT $M "$admin" -d '{"state": "down"}'
equal '... answered with' '{"name":"m1","state":"down"}' "$body"
answers '... read' 200 1 GET $M "$reader"
equal '... as it was told' '{"name":"m1","state":"down"}' "$body"
answers '... of all' 200 1 GET /api/v1/tenants/acme/health "$reader"
equal '... of whom it was told' '{"members":{"m1":"down"}}' "$body"
equal 'it is no configuration: no audit, no revision' "$before" "$(audited) $(revised)"
answers 'a reader may not' 403 1 PUT $M "$reader" -d '{"state": "up"}'
answers 'nor may another tenant' 404 1 PUT $M "$other" -d '{"state": "up"}'
answers 'a member that is not there' 404 1 PUT ${M/m1/nosuch} "$admin" -d '{"state": "up"}'
for wrong in '{"state": "cheese"}' '{"state": 1}' '{}' '[]' '{"state": "up", "host": "h1"}'; do answers "what is no state: $wrong" 422 1 PUT $M "$admin" -d "$wrong"; done
contains '... told what is wanted' "field 'host' is not known .want state" "$body"
answers 'it is forgotten' 200 1 PUT $M "$admin" -d '{"state": null}'
answers '... gone' 200 1 GET $M "$reader"
equal '... for all' '{"name":"m1","state":null}' "$body"
answers 'down once more' 200 1 PUT $M "$admin" -d '{"state": "down"}'
answers '... it goes with its member' 204 1 DELETE ${M%/health} "$admin"
answers '... so' 200 1 GET /api/v1/tenants/acme/health "$reader"
equal '... nothing is left' '{"members":{}}' "$body"
