#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Answers that one can go on with: the revisions that were written, and, of what is refused, what would have been taken.
. "$(dirname "$0")/servers.sh"

servers_up
api_start 1
T=/api/v1/tenants/acme
answers 'a tenant' 201 1 PUT $T "$OP" -d '{}'
answers 'a bridge' 201 1 POST $T/bridges "$OP" -d '{"name": "b1"}'
answers 'a port' 201 1 POST $T/ports "$OP" -d '{"name": "p1", "bridge": "b1"}'
# what agents say counts revisions, too, but not the network's
space=$(redis-cli -s "$work/db.sock" --scan --pattern 'skep:*:t:acme:rev')
redis-cli -s "$work/db.sock" incrby "$space" 5 >/dev/null

# --- what was written ---
rev_of() { curl -s -H "Authorization: Bearer $OP" "http://127.0.0.1:8461$T/$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["rev"])'; }
after_of() { python3 -c 'import json, sys; print(next((c["after"] or {}).get("rev") for c in json.loads(sys.argv[1])["changes"] if c["path"] == sys.argv[2]))' "$body" "$1"; }
answers 'a batch' 200 1 POST $T/batch "$OP" -d '{"operations": [{"method": "PUT", "path": "bridges/b2", "body": {}}, {"method": "PATCH", "path": "ports/p1", "body": {"description": "x"}}]}'
made=$(after_of bridge/b2) changed=$(after_of port/p1) revision=$(field revision)
equal '... says the revision of what it made' "$(rev_of bridges/b2)" "$made"
equal '... of what it changed' "$(rev_of ports/p1)" "$changed"
equal '... of the network' "$(header Skep-Revision)" "$revision"
call 1 GET $T/topology "$OP"
equal '... which is its tag' "\"$revision\"" "$(header ETag)"
call 1 GET $T "$OP"
equal '... and what the tenant tells' "$revision" "$(field revision)"
answers '... by that revision it is written again' 200 1 PATCH $T/ports/p1 "$OP" -d '{"description": "y"}' -H "If-Match: \"$changed\""
answers '... in a batch' 200 1 POST $T/batch "$OP" -d "{\"operations\": [{\"method\": \"DELETE\", \"path\": \"bridges/b2\", \"if_match\": $made}]}"
call 1 GET "$T/audit?limit=1" "$OP"
id=$(field items.0.id)
equal 'the audit calls the revision of the network as others do' "$(field items.0.crev)" "$(field items.0.revision)"
answers 'undo' 200 1 POST "$T/audit/$id/undo" "$OP"
equal '... says the revision, too' "$(rev_of bridges/b2)" "$(after_of bridge/b2)"
answers 'a document' 200 1 PUT $T/topology "$OP" -d '{"bridges": [{"name": "b1", "description": "z"}, {"name": "b3"}]}'
equal '... says it of what it changed' "$(rev_of bridges/b1)" "$(after_of bridge/b1)"
equal '... and made' "$(rev_of bridges/b3)" "$(after_of bridge/b3)"
before=$(rev_of bridges/b1)
answers 'a dry run' 200 1 PUT "$T/bridges/b4?dry_run=true" "$OP" -d '{"description": "never"}'
refute '... knows no revision of what is not there' test 0 -lt "$(after_of bridge/b4)"
answers '... of what is' 200 1 PUT "$T/bridges/b1?dry_run=true" "$OP" -d '{"description": "never"}'
equal '... has the one that it still has' "$before $before" "$(field changes.0.before.rev) $(after_of bridge/b1)"
answers 'what changes nothing' 200 1 PUT $T/topology "$OP" -d '{"bridges": [{"name": "b3"}]}'
equal '... has the revision of the network' "$(header Skep-Revision)" "$(field revision)"

# --- conditions that are none ---
for match in 5 '"5' '5"' '' ',' '"5" "6"' 'W/5' 'w/"5"' '"5", *' '*, "5"' '* *' '"5",7' '"a b'; do
	answers "If-Match: $match" 400 1 PATCH $T/ports/p1 "$OP" -d '{}' -H "If-Match${match:+: }${match:-;}"
	contains '... says how it is written' 'in quotes' "$(field detail)"
	answers "If-None-Match: $match" 400 1 PUT $T/ports/p1 "$OP" -d '{"bridge": "b1"}' -H "If-None-Match${match:+: }${match:-;}"
done
for match in '"5"' 'W/"5"' '"a b"' '""' '"0" , W/"1",, "2"'; do
	answers "If-Match: $match" 412 1 PATCH $T/ports/p1 "$OP" -d '{}' -H "If-Match: $match"
done
answers 'If-None-Match of a GET is a matter of caches' 200 1 GET $T/ports/p1 "$OP" -H 'If-None-Match: 5'

# --- tokens ---
admin=$(make_token tenant-admin acme)
reader=$(make_token tenant-reader acme)
for wish in '"role": "operator"' '"role": "operator", "tenant": null' '"role": "operator", "tenant": "acme"' '"role": "operator", "expires_s": -1' '"role": "tenant-admin", "tenant": "other"'; do
	answers "a token of more rights: $wish" 403 1 POST /api/v1/tokens "$admin" -d "{\"name\": \"t\", $wish}"
	contains '... says so' 'with more rights' "$(field detail)"
done
answers 'a token of a role that is none' 422 1 POST /api/v1/tokens "$admin" -d '{"name": "t", "role": "root"}'
answers '... of the same rights' 201 1 POST /api/v1/tokens "$admin" -d '{"name": "t", "role": "tenant-admin"}'

# --- whose audit ---
answers 'the audit of an object' 200 1 GET "$T/audit?object=port/p1" "$OP"
some=$(field items)
refute '... has entries' test "$some" = '[]'
answers '... as paths call it' 200 1 GET "$T/audit?object=ports/p1" "$OP"
equal '... is the same' "$some" "$(field items)"
id=$(curl -s -H "Authorization: Bearer $OP" "http://127.0.0.1:8461$T/ports/p1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
answers 'a binding' 201 1 POST $T/bindings "$OP" -d '{"port": "p1", "host": "h1", "interface": "tap1"}'
for called in bind/p1 binding/p1 bindings/p1; do
	answers "the audit of $called" 200 1 GET "$T/audit?object=$called" "$OP"
	equal '... has what made it' created "$(field items.0.objects.0 | sed s,bind/p1,created,)"
done
for none in web1 colour/p1 port port/ /p1 ports/p1/references 'port/p%201' about/acme; do
	answers "audit?object=$none" 400 1 GET "$T/audit?object=$none" "$OP"
	contains '... says how an object is called' 'port/web1' "$(field errors.0.allowed)"
done
answers 'the audit of tokens' 200 1 GET "/api/v1/audit?object=about/acme" "$OP"
refute '... has entries' test "$(field items)" = '[]'
tok=$(field items.0.objects.0)
answers "... of one: ${tok%%/*}" 200 1 GET "/api/v1/audit?object=$tok" "$OP"
answers '... of what it has not' 400 1 GET "/api/v1/audit?object=port/p1" "$OP"
contains '... names what it has' 'token/ID' "$(field errors.0.allowed)"

# --- paths that are none ---
nowhere() { # METHOD PATH WORDS...: each of which is said
	local method=$1 path=$2 word
	shift 2
	answers "$method $path" 404 1 "$method" "$path" "$OP" -d '{}'
	for word in "$@"; do contains "... says $word" "$word" "$(field detail)"; done
}
nowhere POST $T/port '(want ports)'
nowhere POST $T/binding '(want bindings)'
nowhere POST $T/nosuch "'nosuch' is not known here" ports bridges qos_policies topology batch reachability
nowhere POST $T/ports/ "without the '/'"
nowhere POST $T/ "without the '/'"
nowhere POST $T/ports/p1/reference '(want references)'
nowhere POST /api/v2 '(want v1)'
nowhere POST /api/v1/tenant/acme tenants tokens
nowhere POST $T/audit/1/redo '(want undo)'
nowhere POST $T/ports/p1/references/x 'there is nothing at this path$'
nowhere GET $T/topology/ "without the '/'"
call 1 GET /api/v1 ''
equal 'the index is for all who look' 200 "$status"
equal '... says where the description is' /openapi.json "$(field openapi)"
equal '... and where to begin' '/api/v1/tenants /api/v1/hosts' "$(field tenants) $(field hosts)"
equal '... nothing that has no path of its own' '' "$(field ports)"

# --- queries ---
for query in filter=colour:red sort=-colour fields=name,colour; do
	answers "?$query" 400 1 GET "$T/ports?$query" "$OP"
	equal '... names the parameter, and the value' "${query%%=*} colour" "$(field errors.0.parameter) $(field errors.0.value)"
	contains '... and the fields that there are' '^name, .*mac.*security_groups' "$(field errors.0.allowed)"
done
answers '?page=2' 400 1 GET "$T/ports?page=2" "$OP"
equal '... lists what lists take' 'page limit, cursor, sort, filter, fields' "$(field errors.0.parameter) $(field errors.0.allowed)"
answers '?dryrun=true' 400 1 PUT "$T/topology?dryrun=true" "$OP" -d '{}'
equal '... lists what writes take' 'dry_run, wait, prune' "$(field errors.0.allowed)"
answers '?x=' 400 1 GET "$T/ports/p1?x=" "$OP"
equal '... none, where there is none' none "$(field errors.0.allowed)"

# --- addresses, however they are written ---
answers 'machines' 200 1 PUT $T/topology "$OP" -d '{"bridges": [{"name": "b9"}], "routers": [{"name": "r9"}], "ports": [
  {"name": "m1", "bridge": "b9", "mac": "02:00:00:00:00:AA", "addresses": ["10.0.1.10", "fd00::10"]}, {"name": "m2", "bridge": "b9", "mac": "02:00:00:00:00:bb", "addresses": ["10.0.2.10"]},
  {"name": "r9-1", "router": "r9", "addresses": ["10.0.1.1/24"]}]}'
found() { # FILTER NAMES
	answers "filter=$1" 200 1 GET "$T/ports?fields=name&filter=$1" "$OP"
	equal '... finds' "$2" "$(python3 -c 'import json, sys; print(" ".join(i["name"] for i in json.loads(sys.argv[1])["items"]))' "$body")"
}
found mac:02-00-00-00-00-aa m1
found mac:02:00:00:00:00:BB m2
found 'mac:02:00:00:00:00:*' 'm1 m2'
found mac:02-00-00-00-00 ''
found addresses:10.0.1.0/24 'm1 r9-1'
found addresses:10.0.0.0/8 'm1 m2 r9-1'
found addresses:10.0.1.10 m1
found addresses:10.0.1.1 r9-1
found addresses:10.0.1.1/24 r9-1
found addresses:FD00:0::/64 m1
found addresses:FD00:0:0::10 m1
found addresses:10.0.1 ''
found 'addresses:10.0.1*' 'm1 r9-1'

# --- who is in the way ---
answers 'what is in use' 409 1 DELETE $T/bridges/b9 "$OP"
contains '... by whom' '^port/m[12] bridge$' "$(field errors.0.object) $(field errors.0.field)"
answers 'a quota' 200 1 PUT $T/quota "$OP" -d '{"objects": {"routers": 1}}'
answers '... that is used up' 403 1 POST $T/routers "$OP" -d '{"name": "more"}'
equal '... which' 'objects.routers at most 1' "$(field errors.0.field) $(field errors.0.allowed)"
answers 'the MAC of another' 422 1 PUT $T/topology "$OP" -d '{"ports": [{"name": "a", "bridge": "b9", "mac": "02:00:00:00:00:aa"}]}'
equal '... is told of who came last' 'port/a mac' "$(field errors.0.object) $(field errors.0.field)"
api_stop 1
