#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Preconditions: each write either looks at If-Match and If-None-Match, or refuses them; none passes them over.
. "$(dirname "$0")/servers.sh"

servers_up
api_start 1
T=/api/v1/tenants/acme

# --- tenants ---
answers 'a tenant that must exist, and does not' 412 1 PUT $T "$OP" -d '{}' -H 'If-Match: *'
answers '... is not there' 404 1 GET $T "$OP"
answers 'one that must not exist' 201 1 PUT $T "$OP" -d '{}' -H 'If-None-Match: *'
answers '... and does' 412 1 PUT $T "$OP" -d '{"description": "x"}' -H 'If-None-Match: *'
answers '... is as it was' 200 1 PUT $T "$OP" -d '{"description": "y"}' -H 'If-Match: *'
answers 'a tag, of which it has none' 400 1 PUT $T "$OP" -d '{}' -H 'If-Match: "1"'
answers '... deleted by one' 400 1 DELETE $T "$OP" -H 'If-Match: "1"'
answers 'nor do lists look at it' 400 1 POST $T/bridges "$OP" -d '{"name": "b"}' -H 'If-Match: "1"'

# --- one object ---
answers 'an object' 201 1 PUT $T/bridges/b "$OP" -d '{}'
tag=$(header ETag)
answers 'weak tags are not the same' 412 1 PUT $T/bridges/b "$OP" -d '{}' -H "If-Match: W/$tag"
answers '... but for GET' 304 1 GET $T/bridges/b "$OP" -H "If-None-Match: W/$tag"
answers 'an asterisk in a list is no tag' 400 1 PUT $T/bridges/b "$OP" -d '{}' -H 'If-Match: "0", *'
answers '... nor one in a tag' 412 1 PUT $T/bridges/b "$OP" -d '{}' -H 'If-Match: "a,*"'
answers 'a list with the right one' 200 1 PUT $T/bridges/b "$OP" -d '{}' -H "If-Match: \"a, b\",W/\"0\" , $tag"
answers 'an asterisk' 200 1 PUT $T/bridges/b "$OP" -d '{"description": "z"}' -H 'If-Match:  * '

# --- the whole network ---
answers 'a document' 200 1 GET $T/topology "$OP"
tag=$(header ETag)
contains '... has a strong tag' '^"[0-9]+"$' "$tag"
answers '... the one of its revision' 304 1 GET $T/topology "$OP" -H "If-None-Match: $tag"
equal '... in full when it is another' 200 "$(call 1 GET $T/topology "$OP" -H 'If-None-Match: "0"'; echo "$status")"
doc='{"bridges": [{"name": "b"}, {"name": "c"}]}'
batch='{"operations": [{"method": "PUT", "path": "bridges/d", "body": {}}]}'
answers 'a document for what is no more' 412 1 PUT $T/topology "$OP" -d "$doc" -H 'If-Match: "0"'
answers '... what it would change' 412 1 POST $T/topology/diff "$OP" -d "$doc" -H 'If-Match: "0"'
answers '... if it is another' 412 1 PUT $T/topology "$OP" -d "$doc" -H "If-None-Match: $tag"
answers 'a batch' 412 1 POST $T/batch "$OP" -d "$batch" -H 'If-Match: "0"'
answers '... nothing was done' 304 1 GET $T/topology "$OP" -H "If-None-Match: $tag"
answers 'a document for what is there' 200 1 PUT $T/topology "$OP" -d "$doc" -H "If-Match: $tag"
equal '... its revision is the next tag' "\"$(header Skep-Revision)\"" "$(call 1 GET $T/topology "$OP"; header ETag)"
answers '... the last one is none any more' 412 1 POST $T/batch "$OP" -d "$batch" -H "If-Match: $tag"
call 1 GET $T/topology "$OP"
tag=$(header ETag)
call 1 GET "$T/audit?limit=1" "$OP"
id=$(field items.0.id)
answers 'undo' 412 1 POST "$T/audit/$id/undo" "$OP" -H 'If-Match: "0"'
answers '... of what is there' 200 1 POST "$T/audit/$id/undo" "$OP" -H "If-Match: $tag"
call 1 GET $T/topology "$OP"
tag=$(header ETag)
codes() { for _ in {1..20}; do printf '%s\n' "url = http://127.0.0.1:8461$T/topology" 'request = PUT' "data = {\"bridges\":[{\"name\":\"r$1\"}]}" "header = \"Authorization: Bearer $OP\"" \
	'header = "Content-Type: application/json"' "header = \"If-Match: ${tag//\"/\\\"}\"" 'output = /dev/null' 'write-out = "%{http_code}\n"' next; done | sed '$d' | curl -s --parallel -K - 2>/dev/null; }
racers=()
for n in 1 2 3; do codes $n >"$work/race$n" & racers+=($!); done
wait "${racers[@]}"
equal 'of many with one tag, side by side, one writes' 1 "$(cat "$work"/race? | grep -c 200)"
equal '... and all are answered' 60 "$(cat "$work"/race? | wc -l)"
api_stop 1
