#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Requests that take long: others do not wait for them, whatever becomes of the process that works on them nothing is half done, and one tenant's do not keep another's.
. "$(dirname "$0")/servers.sh"

py() { python3 selftests/api/heavy.py "$@"; }
T=/api/v1/tenants
J=application/json
value() { curl -s -H "Authorization: Bearer $OP" "http://127.0.0.1:$((8460 + ${2:-1}))/metrics" | awk -v s="$1" 'index($0, s " ") == 1 { print $2 }'; }
ended() { value "skep_api_heavy_total{end=\"$1\"}" "${2:-1}"; }
child_of() { tr -d ' ' <"/proc/${api_pid[$1]}/task/${api_pid[$1]}/children"; } # one, or several in one word
has_child() { [ -n "$(child_of "$1")" ]; }
no_child() { [ -z "$(child_of "$1")" ]; }
stopped() { # N: its child stands still
	has_child "$1" && kill -STOP "$(child_of "$1")"
}
rev_of() { call 1 GET "$T/$1" "$OP"; field rev; }
in_background() { # N METHOD PATH TOKEN [CURL-OPTION...]: $work/late.* are its answer
	local n=$1 method=$2 path=$3 token=$4
	shift 4
	rm -f "$work"/late.*
	curl -s --max-time 100 -o "$work/late.body" -D "$work/late.headers" -w '%{http_code}' -X "$method" -H "Authorization: Bearer $token" -H "Content-Type: $J" \
		"$@" "http://127.0.0.1:$((8460 + n))$path" >"$work/late.status" &
	late=$!
	background+=("$late")
}
is_problem() { # TEXT PATTERN: of what was asked in the background
	contains "$1" "^503 .*application/problem\+json.*$2" "$(cat "$work/late.status") $(tr -d '\r\n' <"$work/late.headers") $(cat "$work/late.body")"
}

servers_up
api_start 1 memory_max=4GB # of a sanitized program
api_start 2 memory_max=4GB
for t in big yaml small other; do call 1 PUT $T/$t "$OP" -d '{}'; done
call 1 PUT $T/small/bridges/b "$OP" -d '{}'
big=$(make_token tenant-admin big) yaml=$(make_token tenant-admin yaml) small=$(make_token tenant-reader small) other=$(make_token tenant-admin other)
py document 40000 >"$work/doc"
py document 32000 yaml >"$work/doc.yaml"
py document 3000 >"$work/less"

# --- others do not wait ---
few() { # TEXT LONGEST SECONDS: a fifth
	awk -v a="$2" -v b="$3" 'BEGIN { exit !(a <= b / 5) }' && ok "$1: $2 s, of $3 s" || not_ok "$1: $2 s, of $3 s"
}
others() { # TEXT STATUS DURING-ARGUMENTS...
	local text=$1 want=$2 status seconds median p99 longest n
	shift 2
	py during "$@" >"$work/during" || bail 'heavy.py'
	{
		read -r status seconds
		equal "$text" "$want" "$status"
		read -r median p99 longest n
		few '... 99 of 100 questions of another tenant are answered within' "$p99" "$seconds"
		echo "at most $longest s, $n questions" | note
		read -r median p99 longest n && few '... by another instance, too' "$p99" "$seconds"
	} <"$work/during"
}
O=$T/small/bridges/b
others 'a document of 40 000 ports' 200 "$work/doc" $J PUT $T/big/topology "$big" 8461 $O "$small" 8461 8462
others '... which changes nothing' 200 "$work/doc" $J PUT $T/big/topology "$big" 8461 $O "$small" 8461 8462
others '... compared' 200 "$work/doc" $J POST "$T/big/topology/diff?prune=true" "$OP" 8461 $O "$small" 8461 8462
others '... read' 200 - $J GET $T/big/topology "$big" 8461 $O "$small" 8461 8462
others 'a document of 3 MB of YAML' 200 "$work/doc.yaml" application/yaml PUT $T/yaml/topology "$yaml" 8461 $O "$small" 8461 8462
equal 'nothing else became of them' '0 0 0 0' "$(ended died) $(ended late) $(ended left) $(ended refused)"
check 'they had processes of their own' [ "$(ended done)" -ge 5 ]
check '... which are counted' awk -v s="$(value skep_api_heavy_cpu_seconds_total)" 'BEGIN { exit !(s > 0) }'
call 2 GET $T/yaml "$OP"
equal 'all of it is there' 32001 "$(field objects.ports)"

# --- as any other write ---
answers 'If-Match of another network' 412 1 PUT $T/other/topology "$other" --data-binary "@$work/less" -H 'If-Match: "1"'
answers 'tried only' 200 1 PUT "$T/other/topology?dry_run=true" "$other" --data-binary "@$work/less"
check '... told' grep -q '"dry_run":true' "$work/body"
call 1 GET $T/other "$OP"
equal '... nothing is written' 0 "$(field objects.ports)"
sed 's/"mac": "02:00:00:00:00:05"/"mac": "zz"/' "$work/less" >"$work/wrong"
answers 'one that is wrong' 422 1 PUT $T/other/topology "$other" --data-binary "@$work/wrong"
contains '... told where' "port 'p5'.*'zz'" "$body"
head -c 100000 "$work/less" >"$work/cut"
answers 'one that is no JSON' 400 1 PUT $T/other/topology "$other" --data-binary "@$work/cut"
call 1 PUT $T/other/quota "$OP" -d '{"objects": {"ports": 100}}'
answers 'beyond the quota' 403 1 PUT $T/other/topology "$other" --data-binary "@$work/less"
call 1 DELETE $T/other/quota "$OP"
answers 'with an Idempotency-Key, and ?wait' 200 1 PUT "$T/other/topology?wait=5s" "$other" --data-binary "@$work/less" -H 'Idempotency-Key: one'
equal '... it is in force' true "$(header Skep-In-Force)"
rev=$(header Skep-Revision)
answers '... again' 200 2 PUT "$T/other/topology?wait=5s" "$other" --data-binary "@$work/less" -H 'Idempotency-Key: one'
equal '... is the same' "true $rev" "$(header Idempotent-Replay) $(header Skep-Revision)"
answers 'the audit' 200 1 GET "$T/other/audit?limit=1" "$other"
equal '... has it' "PUT $T/other/topology" "$(field items.0.method) $(field items.0.path)"
python3 -c 'import json; print(json.dumps({"operations": [{"method": "DELETE", "path": "ports/p%d" % i} for i in range(500)]}))' >"$work/batch"
answers 'a batch' 200 1 POST $T/other/batch "$other" --data-binary "@$work/batch"
equal '... of what it says' 500 "$(python3 -c 'import json, sys; print(len(json.loads(sys.stdin.read())["changes"]))' <"$work/body")"
answers '... is undone' 200 1 POST "$T/other/audit/$(call 1 GET "$T/other/audit?limit=1" "$other"; field items.0.id)/undo" "$other"
call 2 GET $T/other "$OP"
equal '... all is there again' 3001 "$(field objects.ports)"
answers 'read' 200 1 GET $T/other/topology "$other"
tag=$(header ETag)
answers '... as YAML' 200 1 GET $T/other/topology "$other" -H 'Accept: application/yaml'
contains '... it is' '^tenant: other' "$body"
answers '... not again' 304 1 GET $T/other/topology "$other" -H "If-None-Match: $tag"
answers '... and taken back' 200 1 PUT $T/other/topology "$other" --data-binary "@$work/less" -H "If-Match: $tag"

# --- what becomes of the process ---
rev=$(rev_of other)
sed 's/02:00:00/02:00:09/g' "$work/less" >"$work/changed"
in_background 1 PUT $T/other/topology "$other" --data-binary "@$work/changed"
wait_for 10 stopped 1 || not_ok 'a process for it'
child=$(child_of 1)
equal 'it has no connection of ours' '0 1 2 3' "$(ls "/proc/$child/fd" | sort -n | xargs)"
equal '... gives way to others' 5 "$(awk '{ print $19 }' "/proc/$child/stat")"
equal '... and is the first to go when memory is short' 1000 "$(cat "/proc/$child/oom_score_adj")"
answers 'others are answered while it stands still' 200 1 GET $O "$small"
kill -KILL "$child"
wait "$late"
is_problem 'it dies: told' 'Retry-After: 1.*has died, and nothing was done'
equal '... counted' 1 "$(ended died)"
equal '... nothing was done' "$rev" "$(rev_of other)"
check '... and nothing is left of it' no_child 1
answers 'the next one is as ever' 200 1 PUT "$T/other/topology?dry_run=true" "$other" --data-binary "@$work/changed"

in_background 1 PUT $T/other/topology "$other" --data-binary "@$work/changed"
wait_for 10 stopped 1 || not_ok 'a process for it'
kill "$late"
check 'the client goes: so does the process' wait_for 5 no_child 1
equal '... counted' 1 "$(ended left)"
equal '... nothing was done' "$rev" "$(rev_of other)"

in_background 1 PUT $T/other/topology "$other" --data-binary "@$work/changed"
wait_for 10 stopped 1 || not_ok 'a process for it'
answers 'another instance writes meanwhile' 201 2 PUT $T/other/bridges/meanwhile "$other" -d '{}'
kill -CONT "$(child_of 1)"
wait "$late"
equal '... then it is planned again' 200 "$(cat "$work/late.status")"
answers '... both are there' 200 1 GET $T/other/bridges/meanwhile "$other"
answers '... both' 200 2 GET $T/other/ports/p5 "$other"
equal '... of them' 02:00:09:00:00:05 "$(field mac)"

api_start 3 limits.heavy_s=1
in_background 3 GET $T/big/topology "$big"
wait_for 10 stopped 3 || not_ok 'a process for it'
wait "$late"
is_problem 'it takes too long: told' "Retry-After: 30.*limits.heavy_s"
equal '... counted' 1 "$(ended late 3)"
check '... it has ended' no_child 3
api_stop 3

# --- turns ---
in_background 1 PUT "$T/other/topology?dry_run=true" "$other" --data-binary "@$work/less"
wait_for 10 stopped 1 || not_ok 'a process for it'
first=$(child_of 1)
queued=()
for _ in $(seq 16); do
	curl -s -o /dev/null --max-time 60 -X PUT -H "Authorization: Bearer $other" -H "Content-Type: $J" --data-binary "@$work/less" "http://127.0.0.1:8461$T/other/topology?dry_run=true" &
	queued+=("$!")
done
background+=("${queued[@]}")
all_wait() { [ "$(value skep_api_heavy_waiting)" = 16 ]; }
check 'many of one tenant wait' wait_for 20 all_wait
equal '... one is worked on' "$first" "$(child_of 1)"
answers '... one more is refused' 503 1 PUT "$T/other/topology?dry_run=true" "$other" --data-binary "@$work/less"
contains '... told' 'wait already' "$body"
answers '... small ones are not' 200 1 PUT $T/other/bridges/b1 "$other" -d '{}'
kill "${queued[@]}"
none_waits() { [ "$(value skep_api_heavy_waiting)" = 0 ]; }
check '... those whose clients go do not' wait_for 20 none_waits
kill -CONT "$first"
wait "$late"
equal '... and the first one is answered' 200 "$(cat "$work/late.status")"
call 1 PUT $T/third "$OP" -d '{}'
third=$(make_token tenant-admin third)
read -r before statuses <<<"$(py order "$work/less" 8461 "$OP" 6 other "$other" third "$third")"
equal 'of two tenants, all are answered' 200 "$statuses"
check "... the one of the second is not behind the six of the first (but $before)" [ "$before" -lt 4 ]

# --- the end ---
in_background 1 GET "$T/big/topology" "$big" -H 'Accept: application/yaml'
wait_for 10 stopped 1 || not_ok 'a process for it'
child=$(child_of 1)
api_stop 1
equal 'the server stops: well' 0 $?
refute '... with its processes' kill -0 "$child"
wait "$late"
is_problem '... who waits is told' 'the server stops'
api_stop 2
