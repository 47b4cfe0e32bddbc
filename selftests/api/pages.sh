#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lists of tenants and hosts are lists as those of objects are: pages, cursors, sorting, filters, fields.  Long pages end early.  skep follows the pages.
. "$(dirname "$0")/servers.sh"

servers_up
redis() { redis-cli -s "$work/db.sock" "$@"; }
hosts=() uses=()
for i in {100..249}; do # agents that say nothing; each third one lives
	hosts+=("host/h$i" "{\"rev\":1,\"host\":\"h$i\",\"address\":\"10.9.0.$((i - 99))\",\"port\":4789,\"mtu\":$((1400 + i % 2)),\"version\":\"1\"}")
	[ $((i % 3)) = 0 ] && uses+=("host/h$i") && redis set "skep:{hosts}:lease:host/h$i" x PX 600000 >/dev/null
done
redis hset 'skep:{hosts}:o' "${hosts[@]}" use/h123/t108 '{"rev":1}' use/h12/t109 '{"rev":1}' >/dev/null &&
	redis sadd 'skep:{hosts}:leases' "${uses[@]}" >/dev/null && redis set 'skep:{hosts}:rev' 1 >/dev/null || bail 'no hosts'
api_start 1
for i in {100..229}; do call 1 PUT "/api/v1/tenants/t$i" "$OP" -d '{}'; done
equal 'the last tenant is made' 201 "$status"

items() { python3 -c 'import json, sys
for o in json.load(sys.stdin)["items"]: print(*(json.dumps(o.get(f)) for f in sys.argv[1:]))' "$@" <<<"$body" | tr -d '"'; }
list() { call 1 GET "/api/v1/$1" "$OP" -G "${@:2}"; }
walk() { # PATH FIELD [CURL-OPTION...]: all pages
	local next=''
	while :; do
		list "$1" "${@:3}" ${next:+--data-urlencode "cursor=$next"}
		[ "$status" = 200 ] || { echo "status $status"; return; }
		items "$2"
		next=$(field next)
		case $next in None|null|'') return ;; esac
	done
}
names() { seq -f "$1%g" "$2" "$3"; }

# --- tenants ---
list tenants
equal 'tenants: 100, if nothing is said' 100 "$(items name | wc -l)"
equal '... of so many' 130 "$(field total)"
equal 'by pages: all of them, once, by name' "$(names t 100 229)" "$(walk tenants name)"
equal '... by small ones' "$(names t 100 229)" "$(walk tenants name -d limit=7)"
equal '... the other way round' "$(names t 100 229 | tac)" "$(walk tenants name -d limit=7 -d sort=-name)"
equal '... those that match' "$(names t 110 119)" "$(walk tenants name -d limit=3 -d 'filter=name:t11*')"
list tenants -d filter=name:t117
equal 'one: the total says so' '1 t117' "$(field total) $(items name)"
for q in limit=0 limit=1001 sort=nosuch filter=nosuch:1 fields=nosuch cursor=zzzz; do
	list tenants -d "$q"
	equal "tenants?$q" 400 "$status"
done
contains '... says what is wrong' "query parameter 'cursor'" "$body"
T=$(make_token tenant-reader t105)
call 1 GET '/api/v1/tenants?limit=1' "$T"
equal 'who is of one tenant: that one' '1 t105 ' "$(field total) $(items name) $(field next)"
call 1 GET '/api/v1/tenants?filter=name:t106' "$T"
equal '... and no other' '0 ' "$(field total) $(items name)"

# --- hosts ---
list hosts
equal 'hosts: 100, if nothing is said' '100 150' "$(items name | wc -l) $(field total)"
equal 'by pages: all of them, once' "$(names h 100 249)" "$(walk hosts name -d limit=11)"
equal 'those that live' "$(seq -f h%g 102 3 249)" "$(walk hosts name -d limit=11 -d filter=live:true)"
equal 'by what they say of themselves' "$(seq -f h%g 249 -2 101)" "$(walk hosts name -d limit=11 -d filter=mtu:1401 -d sort=-name)"
equal 'by two fields' h248,h249 "$(walk hosts name -d limit=60 -d sort=mtu,-name | sed -n '1p;76p' | paste -sd,)"
list hosts -d filter=tenants:t10* -d fields=name,tenants,live
equal 'by tenant; only some fields' '{"items":[{"name":"h123","tenants":["t108"],"live":true}],"next":null,"total":1}' "$body"
call 1 GET /api/v1/hosts/h123 "$OP"
equal 'one host' 'h123 True' "$(field name) $(field live)"
list hosts -d sort=nosuch
equal 'an unknown field' 400 "$status"

# --- who follows the pages ---
export SKEP_CONTEXTS=$work/none
cli() { SKEP_TOKEN=$OP "$SKEP" --api http://127.0.0.1:8461 "$@"; }
equal 'skep get tenants' "$(names t 100 229)" "$(cli get tenants | grep -o '^t[0-9]*')"
equal 'skep host list' 150 "$(cli -j host list 2>&1 | tee "$work/cli" | grep -o '"h[0-9]*"' | sort -u | wc -l)"

# --- long pages end early ---
python3 -c 'import json
print(json.dumps({"address_groups": [{"name": "g%d" % i, "addresses": ["10.%d.%d.%d" % (i, k // 250, k % 250 + 1) for k in range(6000 if i == 2 else 1500)]} for i in range(6)]}))' >"$work/groups"
answers 'groups with many addresses' 200 1 PUT /api/v1/tenants/t100/topology "$OP" --data-binary "@$work/groups"
list tenants/t100/address_groups
equal 'their list: not all in one answer' '2 6' "$(items name | wc -l) $(field total)"
equal 'by pages: all of them, once; one that is too long is a page by itself' "$(names g 0 5)" "$(walk tenants/t100/address_groups name)"
equal 'their names are one page' "$(names g 0 5)" "$(list tenants/t100/address_groups -d fields=name; items name)"
