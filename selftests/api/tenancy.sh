#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A tenant can neither see nor reference nor exhaust what belongs to others: each route of the server with each verb and each kind of object, generated from
# what 'skep-api --routes' says (tenancy.py), and then quotas against writers side by side.
. "$(dirname "$0")/servers.sh"

servers_up
for t in acme rival; do
	sed "s/TENANT/$t/g" >"$work/$t.yaml" <<-'YAML'
		tenant: TENANT
		address_groups: [{name: TENANT-ag, addresses: [10.9.0.0/24]}]
		port_groups: [{name: TENANT-pg}]
		security_groups: [{name: TENANT-sg}]
		chains: [{name: TENANT-chain}]
		qos_policies: [{name: TENANT-qos}]
		bridges: [{name: TENANT-br}]
		routers: [{name: TENANT-gw}]
		ports:
		  - {name: TENANT-p1, bridge: TENANT-br, mac: "02:00:00:00:00:01", addresses: [10.0.1.11]}
		  - {name: TENANT-up, router: TENANT-gw, addresses: [10.0.9.1/24]}
		bindings: [{port: TENANT-p1, host: h1, interface: TENANT0}]
		pools: [{name: TENANT-pool}]
		members: [{name: TENANT-m1, pool: TENANT-pool, address: 10.0.1.11}]
	YAML
	"$SKEP" apply -f "$work/$t.yaml" >"$work/out" 2>&1 || bail "skep apply: $(cat "$work/out")"
done
api_start 1
api_start 2
export OP BASE=127.0.0.1:8461
for role in admin reader; do
	for t in acme rival; do
		declare -x "${t^^}_${role^^}=$(make_token "tenant-$role" $t)"
	done
done
ACME_RO=$(make_token tenant-admin acme '"read_only": true') || bail 'no token'
MONITOR=$(make_token monitor) && OP_RO=$(make_token operator '' '"read_only": true') || bail 'no token'
EXPIRED=$(make_token tenant-admin acme '"expires_s": 1')
REVOKED=$(make_token tenant-admin acme)
call 1 DELETE "/api/v1/tokens/$(cut -d_ -f2 <<<"$REVOKED")" "$OP"
answers 'an operator writes for any tenant' 200 1 PUT /api/v1/tenants/rival/bridges/rival-br "$OP" -d '{"description": "a"}'
expired() { call 1 GET /api/v1/whoami "$EXPIRED"; [ "$status" = 401 ]; }
wait_for 5 expired || bail 'the token does not expire'
export ACME_RO EXPIRED REVOKED MONITOR OP_RO
"$API" --routes >"$work/routes" || bail 'skep-api --routes'
everything() { redis-cli -s "$work/db.sock" --raw hgetall "$(redis-cli -s "$work/db.sock" --raw keys 'skep:*:t:rival:o')" | sort; }
before=$(everything)
own_before=$("$SKEP" -t acme get -o json)
python3 selftests/api/tenancy.py "$work/routes" >"$work/tap" 2>"$work/err" || { not_ok 'tenancy.py'; note <"$work/err"; }
while read -r line; do
	case $line in ok*) ok "${line#ok - }" ;; not*) not_ok "${line#not ok - }" ;; *) echo "$line" ;; esac
done <"$work/tap"
equal 'after all that the other tenant is as it was' "$before" "$(everything)"
equal '... and nothing was written by who may not' "$own_before" "$("$SKEP" -t acme get -o json)"

# --- quotas, against writers side by side on two instances ---
call 1 PUT /api/v1/tenants/acme/quota "$OP" -d '{"objects": {"bridges": 21, "ports": 100}, "bytes": 1000000, "tokens": 10}'
equal 'a quota' 200 "$status"
settled() { call 2 GET /api/v1/tenants/acme/quota "$OP"; [ "$(field objects.bridges)" = 21 ]; }
wait_for 5 settled || not_ok 'the other instance knows it'
many() { # N: 40 bridges of this writer's, as fast as it can
	local i
	for i in {1..40}; do
		echo "url = http://127.0.0.1:$((8461 + $1 % 2))/api/v1/tenants/acme/bridges/w$1-$i"
		echo 'request = PUT'
		echo 'data = {}'
		echo "header = \"Authorization: Bearer $ACME_ADMIN\""
		echo 'header = "Content-Type: application/json"'
		echo "output = $work/w$1-$i"
		echo 'write-out = "%{http_code}\n"'
		[ "$i" = 40 ] || echo next
	done >"$work/curl$1"
	curl -s -K "$work/curl$1" >"$work/codes$1"
}
writers=()
for w in 1 2 3 4; do many $w & writers+=($!); done
wait "${writers[@]}"
made=$(cat "$work"/codes? | grep -c 201)
refused=$(cat "$work"/codes? | grep -c 403)
equal 'writers side by side make as many as the quota leaves' 20 "$made"
equal '... all others are refused' 140 "$refused"
contains '... told why' 'quota_exceeded.*quota of the tenant is 21 bridges' "$(cat "$work"/w*-40)"
equal '... and so it is in the database' 21 "$("$SKEP" -t acme get bridges -j | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["bridges"]))')"
answers 'what is there may be changed' 200 1 PUT /api/v1/tenants/acme/bridges/acme-br "$ACME_ADMIN" -d '{"description": "b"}'
answers '... and deleted, which makes room' 204 2 DELETE /api/v1/tenants/acme/bridges/"$("$SKEP" -t acme get bridges -j | grep -o 'w[0-9]-[0-9]*' | head -n 1)" "$ACME_ADMIN"
answers '... for one' 201 2 POST /api/v1/tenants/acme/bridges "$ACME_ADMIN" -d '{"name": "one"}'
answers '... not two' 403 2 POST /api/v1/tenants/acme/bridges "$ACME_ADMIN" -d '{"name": "two"}'
answers 'a document neither' 403 1 PUT /api/v1/tenants/acme/topology "$ACME_ADMIN" -d '{"bridges": [{"name": "two"}, {"name": "three"}]}'
answers 'nor a batch' 403 1 POST /api/v1/tenants/acme/batch "$ACME_ADMIN" -d '{"operations": [{"method": "PUT", "path": "bridges/two", "body": {}}]}'
answers 'a batch that takes one away for it' 200 1 POST /api/v1/tenants/acme/batch "$ACME_ADMIN" \
	-d '{"operations": [{"method": "DELETE", "path": "bridges/one"}, {"method": "PUT", "path": "bridges/two", "body": {}}]}'
answers 'others have their own' 201 1 PUT /api/v1/tenants/rival/bridges/more "$RIVAL_ADMIN" -d '{}'
answers 'a tenant cannot raise its own' 403 1 PUT /api/v1/tenants/acme/quota "$ACME_ADMIN" -d '{}'
answers '... and sees it' 200 1 GET /api/v1/tenants/acme/quota "$ACME_READER"
answers 'the operator keeps to it too' 403 1 POST /api/v1/tenants/acme/bridges "$OP" -d '{"name": "three"}'
answers 'bytes count' 200 1 PUT /api/v1/tenants/acme/quota "$OP" -d '{"bytes": 10000}'
settled() { call 1 GET /api/v1/tenants/acme/quota "$OP"; [ "$(field bytes)" = 10000 ]; }
wait_for 5 settled
python3 -c 'import json; print(json.dumps({"addresses": ["10.%d.%d.0/24" % (i // 250, i % 250) for i in range(1000)]}))' >"$work/large"
answers '... for large objects' 403 1 PUT /api/v1/tenants/acme/address_groups/large "$ACME_ADMIN" -d @"$work/large"
contains '... told' 'bytes of configuration' "$body"
n=0
for _ in {1..12}; do
	call 1 POST /api/v1/tokens "$ACME_ADMIN" -d '{"name": "x", "role": "tenant-reader"}'
	[ "$status" = 201 ] && n=$((n + 1))
done
call 1 PUT /api/v1/tenants/acme/quota "$OP" -d '{"tokens": 5}'
answers 'tokens are counted' 403 1 POST /api/v1/tokens "$ACME_ADMIN" -d '{"name": "x", "role": "tenant-reader"}'
contains '... told' 'quota of the tenant is 5 tokens' "$body"

# --- a tenant's end ---
answers 'a tenant is made' 201 1 PUT /api/v1/tenants/brief "$OP" -d '{"description": "short-lived"}'
brief=$(make_token tenant-admin brief)
answers '... which writes' 201 1 PUT /api/v1/tenants/brief/bridges/b "$brief" -d '{}'
call 1 POST /api/v1/session '' -d "{\"token\": \"$brief\"}"
cookie=$(sed -n 's/^set-cookie: \(skep_session=[^;]*\).*/\1/Ip' <<<"$headers")
answers '... by its session' 200 1 GET /api/v1/tenants/brief/bridges '' -H "Cookie: $cookie"
call 1 PUT /api/v1/tenants/brief/quota "$OP" -d '{"tokens": 7}'
answers 'it is deleted' 204 1 DELETE '/api/v1/tenants/brief?recursive=true' "$OP"
out() { call 2 GET /api/v1/whoami "$brief"; [ "$status" = 401 ]; }
wait_for 2 out && ok '... its tokens let nobody in' || not_ok '... its tokens let nobody in'
answers 'the next one of its name' 201 1 PUT /api/v1/tenants/brief "$OP" -d '{}'
answers '... is not opened by them' 401 1 GET /api/v1/tenants/brief/bridges "$brief"
answers '... nor by the session' 401 1 GET /api/v1/tenants/brief/bridges '' -H "Cookie: $cookie"
answers '... nor has its quota' 200 1 GET /api/v1/tenants/brief/quota "$OP"
equal '... but the default' 1000 "$(field tokens)"
answers 'all of which is told' 200 1 GET '/api/v1/audit?object=tenant/brief' "$OP"
equal '... each time' 3 "$(python3 -c 'import json, sys; print(len(json.loads(sys.argv[1])["items"]))' "$body")"
for n in 1 2; do api_stop $n; done
