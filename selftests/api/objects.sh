#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every verb on every kind of object, whole documents, batches, dry runs, preconditions, and two who write at once: against a real Redis.
. "$(dirname "$0")/servers.sh"

servers_up
printf 'tenant: acme\nbridges: [{name: first}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
api_start 1
api_start 2
A=/api/v1/tenants/acme
put() { call 1 PUT "$A/$1" "$OP" -d "$2" "${@:3}"; }
rev() { field rev; }

# --- each kind: created, got by name and id, listed, replaced, patched, deleted ---
declare -A object=(
	[address_groups]='{"addresses": ["10.9.0.0/24"]}|{"addresses": ["10.9.1.0/24"]}|addresses'
	[port_groups]='{"stateful": false}|{"stateful": true}|stateful'
	[security_groups]='{"rules": [{"direction": "ingress", "proto": "tcp", "dst_ports": 80}]}|{"rules": []}|rules'
	[chains]='{"rules": [{"name": "r1", "action": "drop", "proto": "tcp", "dst_ports": 23}]}|{"rules": []}|rules'
	[qos_policies]='{"rate_out": "10Mbit"}|{"rate_out": "20Mbit"}|rate_out'
	[bridges]='{"admin_up": true}|{"admin_up": false}|admin_up'
	[routers]='{"admin_up": true}|{"admin_up": false}|admin_up'
	[ports]='{"bridge": "k-bridges", "mac": "02:00:00:00:00:11", "addresses": ["10.0.1.11"]}|{"hairpin": true}|hairpin'
	[routes]='{"router": "k-routers", "dst": "203.0.113.0/24", "type": "blackhole"}|{"type": "reject"}|type'
	[subnets]='{"bridge": "k-bridges", "prefix": "10.0.1.0/24"}|{"dhcp": false}|dhcp'
	[nats]='{"router": "k-routers", "type": "snat", "to": "192.0.2.7"}|{"to": "192.0.2.8"}|to'
	[floating_ips]='{"router": "k-routers", "address": "192.0.2.50", "fixed": "10.0.1.11", "port": "k-ports"}|{"address": "192.0.2.51"}|address'
	[load_balancers]='{"router": "k-routers"}|{"admin_up": false}|admin_up'
	[pools]='{}|{}|name'
	[members]='{"pool": "k-pools", "address": "10.0.1.12", "port": 80}|{"weight": 2}|weight'
	[vips]='{"load_balancer": "k-load_balancers", "address": "192.0.2.60", "proto": "tcp", "port": 80, "pool": "k-pools"}|{"port": 81}|port'
	[mirrors]='{"at": [{"port": "k-ports", "hook": "pre_in"}], "to": "sink"}|{"admin_up": false}|admin_up'
	[bindings]='{"host": "h1", "interface": "tap0"}|{"interface": "tap1"}|interface'
)
kinds="address_groups port_groups security_groups chains qos_policies bridges routers ports routes subnets nats floating_ips load_balancers pools members vips mirrors bindings"
made=
for k in $kinds; do
	IFS='|' read -r new change field <<<"${object[$k]}"
	n=k-$k
	key=name
	[ "$k" = bindings ] && { n=k-ports; key=port; }
	[ "$k" = mirrors ] && put ports/sink '{"bridge": "k-bridges"}'
	call 1 POST "$A/$k" "$OP" -d "${new/\{/\{\"$key\": \"$n\"$([ "$new" = '{}' ] || echo ,) }"
	[ "$status" = 201 ] || { not_ok "$k: POST: $status"; echo "$body" | note; continue; }
	equal "$k: Location" "$A/$k/$n" "$(header Location)"
	id=$(field id) r=$(rev)
	equal "$k: ETag is the revision" "\"$r\"" "$(header ETag)"
	answers "$k: POST again: it exists" 409 1 POST "$A/$k" "$OP" -d "${new/\{/\{\"$key\": \"$n\"$([ "$new" = '{}' ] || echo ,) }"
	answers "$k: GET by name" 200 1 GET "$A/$k/$n" "$OP"
	one=$body
	answers "$k: GET by id" 200 1 GET "$A/$k/$id" "$OP"
	equal "$k: ... the same" "$one" "$body"
	answers "$k: GET at another server" 200 2 GET "$A/$k/$n" "$OP"
	equal "$k: ... the same" "$one" "$body"
	answers "$k: what is known: 304" 304 1 GET "$A/$k/$n" "$OP" -H "If-None-Match: \"$r\""
	answers "$k: list" 200 1 GET "$A/$k?filter=name:$n" "$OP"
	equal "$k: ... has it" "$one" "$(python3 -c 'import json,sys; print(json.dumps(json.loads(sys.argv[1])["items"][0], separators=(",", ":")))' "$body")"
	answers "$k: PUT of what GET said" 200 1 PUT "$A/$k/$n" "$OP" -d "$one"
	equal "$k: ... changes nothing" "$r" "$(rev)"
	answers "$k: PATCH as dry run" 200 1 PATCH "$A/$k/$n?dry_run=true" "$OP" -d "$change"
	contains "$k: ... says so" '"dry_run":true' "$body"
	answers "$k: PATCH with a stale If-Match" 412 1 PATCH "$A/$k/$n" "$OP" -d "$change" -H 'If-Match: "0"'
	answers "$k: PATCH" 200 1 PATCH "$A/$k/$n" "$OP" -d "$change" -H "If-Match: \"$r\"" -H 'Content-Type: application/merge-patch+json'
	[ "$change" = '{}' ] || { [ "$(rev)" -gt "$r" ] && ok "$k: ... a new revision" || not_ok "$k: ... a new revision"; }
	answers "$k: PATCH of an unknown field" 422 1 PATCH "$A/$k/$n" "$OP" -d '{"nosuch": 1}'
	contains "$k: ... names it" "\"field\":\"nosuch\"|'nosuch'" "$body"
	answers "$k: PUT of another name" 422 1 PUT "$A/$k/$n" "$OP" -d "{\"$key\": \"other\"}"
	answers "$k: If-None-Match: * of one that is there" 412 1 PUT "$A/$k/$n" "$OP" -d "$one" -H 'If-None-Match: *'
	answers "$k: GET of what is not there" 404 1 GET "$A/$k/nosuch" "$OP"
	answers "$k: DELETE of what is not there" 404 1 DELETE "$A/$k/nosuch" "$OP"
	made="$n:$k $made"
done
answers 'a router that others need' 409 1 DELETE "$A/routers/k-routers" "$OP"
contains '... who' "'k-" "$body"

# --- who names an object ---
references() { call 1 GET "$A/$1/references" "$OP"; python3 -c 'import json, sys
print(" ".join(sorted("%s:%s:%d:%s" % (i["kind"], i["field"], i["total"], ",".join(i["names"])) for i in json.loads(sys.argv[1])["items"])))' "$body"; }
equal 'who names a port' 'bindings:port:1:k-ports floating_ips:port:1:k-floating_ips mirrors:at.port:1:k-mirrors' "$(references ports/k-ports)"
equal '... by its id' "$(references ports/k-ports)" "$(references "ports/$(call 1 GET "$A/ports/k-ports" "$OP"; field id)")"
put security_groups/remote '{"rules": []}'
for i in 0 1 2 3 4 5 6 7 8 9; do put security_groups/r$i '{"rules": [{"direction": "ingress", "proto": "tcp", "remote_group": "remote"}, {"direction": "ingress", "proto": "udp", "remote_group": "remote"}]}'; done
equal '... within rules, each once; the first eight' 'security_groups:rules.remote_group:10:r0,r1,r2,r3,r4,r5,r6,r7' "$(references security_groups/remote)"
for i in 0 1 2 3 4 5 6 7 8 9; do call 1 DELETE "$A/security_groups/r$i" "$OP"; done
equal '... nobody' '' "$(references security_groups/remote)"
call 1 GET "$A/security_groups/remote/references" "$OP"
tag=$(header ETag)
answers '... as before: 304' 304 1 GET "$A/security_groups/remote/references" "$OP" -H "If-None-Match: $tag"
answers '... of what is not there' 404 1 GET "$A/security_groups/nosuch/references" "$OP"
call 1 DELETE "$A/security_groups/remote" "$OP"

for m in $made; do
	answers "${m#*:}: DELETE" 204 1 DELETE "$A/${m#*:}/${m%:*}" "$OP"
	[ "$m" != k-mirrors:mirrors ] || answers 'and the port that it sent to' 204 1 DELETE "$A/ports/sink" "$OP"
done

# --- problem documents ---
put bridges/b '{}'
answers 'a bad value: 422' 422 1 PUT "$A/ports/p" "$OP" -d '{"bridge": "b", "mac": "zz"}'
equal '... object' port/p "$(field errors.0.object)"
equal '... field' mac "$(field errors.0.field)"
equal '... value' zz "$(field errors.0.value)"
contains '... what is allowed' 'octets' "$(field errors.0.allowed)"
put ports/p '{"bridge": "b", "mac": "02:00:00:00:00:01", "addresses": ["10.0.0.1"]}'
answers 'an address twice: 422' 422 1 PUT "$A/ports/q" "$OP" -d '{"bridge": "b", "mac": "02:00:00:00:00:02", "addresses": ["10.0.0.1"]}'
equal '... said of the one that is written' port/q "$(field errors.0.object)"
answers 'a reference to nothing' 422 1 PUT "$A/ports/q" "$OP" -d '{"bridge": "nosuch"}'
answers 'a type that is none' 422 1 PUT "$A/ports/q" "$OP" -d '{"bridge": 7}'
answers 'an array for an object' 422 1 PUT "$A/ports/q" "$OP" -d '[]'
answers 'no body' 400 1 PUT "$A/ports/q" "$OP"
answers 'a name that is none' 422 1 PUT "$A/bridges/a%20b" "$OP" -d '{}'
answers 'an unknown query parameter' 400 1 GET "$A/ports?nosuch=1" "$OP"
answers 'an unknown kind' 404 1 GET "$A/cheese" "$OP"
answers 'another method' 405 1 PUT "$A/ports" "$OP" -d '{}'
contains '... which there are' 'GET, HEAD, POST|POST, GET, HEAD' "$(header Allow)"

# --- documents ---
answers 'the whole network' 200 1 GET "$A/topology" "$OP"
doc=$body
answers '... applied again' 200 1 PUT "$A/topology" "$OP" -d "$doc"
equal '... changes nothing' '[]' "$(field changes)"
answers '... as YAML' 200 1 GET "$A/topology" "$OP" -H 'Accept: application/yaml'
printf '%s\n' "$body" >"$work/doc.yaml"
check '... that skep takes' sh -c "'$SKEP' diff -f '$work/doc.yaml' | grep -q 'no difference'"
answers '... and the API' 200 1 PUT "$A/topology" "$OP" -H 'Content-Type: application/yaml' --data-binary "@$work/doc.yaml"
equal '... changes nothing' '[]' "$(field changes)"
answers 'a diff' 200 1 POST "$A/topology/diff" "$OP" -d '{"bridges": [{"name": "new"}]}'
contains '... what would be' '"path":"bridge/new","op":"created"' "$body"
answers '... and was not' 404 1 GET "$A/bridges/new" "$OP"
answers 'YAML with an unknown field' 422 1 PUT "$A/topology" "$OP" -H 'Content-Type: application/yaml' --data-binary $'bridges:\n- name: x\n  nosuch: 1\n'
contains '... in which line' 'body:3' "$body"
answers 'nothing half-applied: one of two is wrong' 422 1 PUT "$A/topology" "$OP" -d '{"bridges": [{"name": "half"}], "ports": [{"name": "x", "bridge": "nosuch"}]}'
answers '... the other is not there' 404 1 GET "$A/bridges/half" "$OP"
answers "another tenant's document" 422 1 PUT "$A/topology" "$OP" -d '{"tenant": "other"}'
answers 'prune' 200 1 PUT "$A/topology?prune=true" "$OP" -d '{"bridges": [{"name": "b"}]}'
answers '... what was not named is gone' 404 1 GET "$A/ports/p" "$OP"

# --- batches ---
batch() { call 1 POST "$A/batch" "$OP" -d "{\"operations\": [$1]}"; }
batch '{"method": "POST", "path": "ports", "body": {"name": "x", "bridge": "b", "peer": "y"}},
       {"method": "PUT", "path": "routers/r", "body": {}},
       {"method": "PUT", "path": "ports/y", "body": {"router": "r", "addresses": ["10.5.0.1/24"]}},
       {"method": "PATCH", "path": "ports/x", "body": {"admin_up": false}}'
equal 'a batch' 200 "$status"
answers '... is there' 200 1 GET "$A/ports/x" "$OP"
contains '... patched, linked' '"admin_up":false.*"peer":"y"|"peer":"y".*"admin_up":false' "$body"
r=$(rev)
batch '{"method": "DELETE", "path": "ports/x"}, {"method": "DELETE", "path": "ports/nosuch"}'
equal 'a batch whose second is wrong' 404 "$status"
contains '... says which' 'operation 2' "$body"
answers '... the first was not done' 200 1 GET "$A/ports/x" "$OP"
batch "{\"method\": \"DELETE\", \"path\": \"ports/x\", \"if_match\": $((r - 1))}"
equal 'if_match' 412 "$status"
batch "{\"method\": \"DELETE\", \"path\": \"ports/x\", \"if_match\": $r}, {\"method\": \"DELETE\", \"path\": \"ports/y\"}, {\"method\": \"PUT\", \"path\": \"bridges/z\", \"body\": {}}"
equal 'deleted, and another put' 200 "$status"
answers '... gone' 404 1 GET "$A/ports/x" "$OP"
for bad in '7' '{"method": "GET", "path": "ports/x"}' '{"method": "PUT", "path": "ports", "body": {}}' '{"method": "PUT", "path": "ports/x"}' \
	'{"method": "PUT", "path": "cheese/x", "body": {}}' '{"method": "DELETE", "path": "ports/x", "nosuch": 1}' '{}'; do
	batch "$bad"
	equal "batch of $bad" 422 "$status"
done

# --- lists ---
for i in 3 1 2; do put "ports/l$i" "{\"bridge\": \"b\", \"mac\": \"02:00:00:00:01:0$((9 - i))\"}"; done
call 1 GET "$A/ports?fields=name&filter=name:l*&sort=-mac" "$OP"
contains 'sorted' '"l1"\},\{"name":"l2"\},\{"name":"l3"' "$body"
call 1 GET "$A/ports?fields=name&filter=name:l*&limit=2" "$OP"
contains 'a page' '"items":\[\{"name":"l1"\},\{"name":"l2"\}\].*"total":3' "$body"
next=$(field next)
put ports/l0 '{"bridge": "b"}'
call 1 DELETE "$A/ports/l2" "$OP"
call 1 GET "$A/ports?fields=name&filter=name:l*&limit=2&cursor=$next" "$OP"
contains '... the next one, whatever came and went' '"items":\[\{"name":"l3"\}\],"next":null' "$body"
put security_groups/asked '{"rules": []}'
put security_groups/asks '{"rules": [{"name": "a", "direction": "ingress", "proto": "tcp", "dst_ports": 80}, {"name": "b", "direction": "ingress", "remote_group": "asked"}]}'
call 1 GET "$A/security_groups?fields=name&filter=rules.remote_group:asked" "$OP"
contains 'found by what its rules name' '"items":\[\{"name":"asks"\}\]' "$body"
call 1 GET "$A/security_groups?fields=name&filter=rules.remote_group:*&filter=rules.proto:tcp" "$OP"
contains '... by two of them' '"items":\[\{"name":"asks"\}\]' "$body"
call 1 GET "$A/security_groups?fields=name&filter=rules.remote_group:asks" "$OP"
contains '... by none' '"items":\[\]' "$body"
for bad in 'filter=rules.nosuch:1' 'filter=name.x:1' 'filter=rules.:1' 'filter=.name:1' 'filter=nosuch.name:1' 'sort=rules.name' 'fields=rules.name'; do
	answers "list with $bad" 400 1 GET "$A/security_groups?$bad" "$OP"
done
for bad in 'limit=0' 'limit=1001' 'limit=x' 'sort=nosuch' 'filter=name' 'filter=nosuch:1' 'fields=nosuch' 'cursor=zz' 'limit=1&limit=2'; do
	answers "list with $bad" 400 1 GET "$A/ports?$bad" "$OP"
done

# --- two writers ---
put bridges/race '{}'
r=$(rev)
for i in {1..8}; do
	curl -s -o /dev/null -w '%{http_code}\n' --max-time 20 -X PATCH -H "Authorization: Bearer $OP" -H 'Content-Type: application/json' -H "If-Match: \"$r\"" \
		-d '{"admin_up": false}' "http://127.0.0.1:$((8461 + i % 2))$A/bridges/race" >"$work/race$i" &
	racers+=($!)
done
wait "${racers[@]}"
equal 'eight with one If-Match at two servers: one wins' 1 "$(cat "$work"/race* | grep -c 200)"
equal '... the others are told' 7 "$(cat "$work"/race* | grep -c 412)"
racers=()
for i in {1..40}; do
	curl -s -o /dev/null -w '%{http_code}\n' --max-time 20 -X PUT -H "Authorization: Bearer $OP" -H 'Content-Type: application/json' \
		-d '{"bridge": "race"}' "http://127.0.0.1:$((8461 + i % 2))$A/ports/w$i" >"$work/race$i" &
	racers+=($!)
done
wait "${racers[@]}"
equal 'forty ports at two servers at once: none is lost' 40 "$("$SKEP" get -t acme ports | grep -c '^w[0-9]')"

# --- idempotency ---
call 1 POST "$A/bridges" "$OP" -d '{"name": "once"}' -H 'Idempotency-Key: k1'
once=$body
call 2 POST "$A/bridges" "$OP" -d '{"name": "once"}' -H 'Idempotency-Key: k1'
equal 'the same key at another server: the same status' 201 "$status"
equal '... the same answer' "$once" "$body"
answers 'the same key, another body' 422 2 POST "$A/bridges" "$OP" -d '{"name": "twice"}' -H 'Idempotency-Key: k1'
answers 'a key that is none' 400 1 POST "$A/bridges" "$OP" -d '{"name": "twice"}' -H "Idempotency-Key: $(printf 'a%.0s' {1..65})"

# --- tenants and hosts ---
answers 'a tenant is made' 201 1 PUT /api/v1/tenants/fresh "$OP" -d '{"description": "new"}'
answers '... is there, and empty' 200 2 GET /api/v1/tenants/fresh/ports "$OP"
answers '... described anew' 200 1 PUT /api/v1/tenants/fresh "$OP" -d '{"description": "newer"}'
call 1 GET /api/v1/tenants/fresh "$OP"
equal '... says so' newer "$(field description)"
call 1 GET /api/v1/tenants "$OP"
contains '... listed' '"name":"fresh"' "$body"
answers 'one of a name that is none' 422 1 PUT /api/v1/tenants/_x "$OP" -d '{}'
answers 'with an unknown field' 422 1 PUT /api/v1/tenants/fresh "$OP" -d '{"nosuch": 1}'
call 1 PUT /api/v1/tenants/fresh/bridges/b "$OP" -d '{}'
answers 'one with objects is not deleted' 409 1 DELETE /api/v1/tenants/fresh "$OP"
answers '... unless all of them are meant' 204 1 DELETE '/api/v1/tenants/fresh?recursive=true' "$OP"
answers '... gone' 404 1 GET /api/v1/tenants/fresh "$OP"
gone() { call 2 GET /api/v1/tenants/fresh "$OP"; [ "$status" = 404 ]; }
wait_for 5 gone && ok '... at the other server' || not_ok '... at the other server'
call 1 GET /api/v1/tenants "$OP"
refute '... not listed' grep -q fresh <<<"$body"
answers '... made again' 201 1 PUT /api/v1/tenants/fresh "$OP" -d '{}'
answers 'hosts' 200 1 GET /api/v1/hosts "$OP"
answers 'a host that is not there' 404 1 GET /api/v1/hosts/nosuch "$OP"
