#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 'skep completion bash' in a shell: commands, options, and the names of what there is in a real Redis.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
unset -f skep # the program itself is asked

redis-server --port 0 --unixsocket "$work/db.sock" --save '' --dir "$work" --daemonize no >"$work/redis.log" 2>&1 &
background+=($!)
wait_for 5 test -S "$work/db.sock" || bail 'redis-server does not start'
export SKEP_DB=unix:$work/db.sock
mkdir "$work/bin" && ln -s "$(realpath "$SKEP")" "$work/bin/skep" && PATH=$work/bin:$PATH
skep completion bash >"$work/completion"
check 'it is a script' bash -n "$work/completion"
. "$work/completion"
equal '... that bash asks' 'complete -F _skep skep' "$(complete -p skep)"
refute 'of no other shell' skep completion tcsh

completes() { # TEXT WANT WORD...: what is offered for the last word, sorted
	local text=$1 want=$2
	shift 2
	COMP_WORDS=(skep "$@") COMP_CWORD=$#
	_skep
	equal "$text" "$want" "$(printf '%s\n' "${COMPREPLY[@]}" | sort | xargs)"
}
offered() { COMP_WORDS=(skep "$@") COMP_CWORD=$#; _skep; [ ${#COMPREPLY[@]} -gt 0 ]; }

completes 'commands' 'delete diff drop' d
completes 'verbs' 'bind list unbind' port ''
completes '... that begin so' unbind port u
completes 'options, of this command' '--output' get --o
completes '... of one with a verb' '--help --host' port bind --h
completes '... behind others' '--prune' apply -f x --p
completes 'kinds' 'pools port_groups ports' get po
completes 'what an option may be' 'table' get -o t
completes 'nothing where nothing is known' '' port bind web1 --interface ''
while read -r noun verb; do
	completes "'skep help' and it have '$noun${verb:+ $verb}'" "${verb:-$noun}" "$noun" ${verb:+"$verb"}
done < <(skep help -j | jq -r '.commands[].command')

# --- names ---

completes 'no names in an empty state DB' '' port bind ''
printf '%s\n' 'tenant: acme' 'bridges: [{name: web}, {name: data}]' 'ports: [{name: web1, bridge: web}, {name: web2, bridge: web}, {name: db1, bridge: data}]' >"$work/acme.yaml"
skep apply -f "$work/acme.yaml" >/dev/null || bail 'no document'
offers() { # TEXT WANT WORD...: a machine that is busy may need more than the second that is given
	local text=$1 want=$2
	shift 2
	wait_for 20 offered "$@"
	completes "$text" "$want" "$@"
}
offers 'ports' 'web1 web2' port bind w
offers '... as a value' 'db1' trace --port d
offers '... of both ends' 'web1 web2' why db1 w
completes '... but no third' '' why db1 web1 w
offers 'names of a kind' 'data web' get bridges ''
offers '... also to be deleted' 'data' delete bridges d
offers 'tenants' 'acme' get -t ''
printf '%s\n' 'tenant: other' 'ports: []' 'bridges: [{name: third}]' >"$work/other.yaml"
skep apply -f "$work/other.yaml" >/dev/null || bail 'no second document'
offers '... of which one is named' 'third' get -t other bridges ''
completes 'with none named, none of both' '' get bridges ''
start=$SECONDS
SKEP_DB=192.0.2.1:6379 completes 'a state DB that does not answer' '' get bridges ''
[ $((SECONDS - start)) -le 5 ] && ok '... is not waited for' || not_ok "... is not waited for ($((SECONDS - start)) s)"
printf '%s\n' 'current: prod' 'contexts:' '  prod: {api: "https://skep.example"}' '  proof: {api: "https://skep.example"}' >"$work/contexts"
export SKEP_CONTEXTS=$work/contexts
offers 'contexts, the current one, too' 'prod proof' context use pro
offers '... as a value' 'proof' get --context proo
touch "$work/f1" "$work/f2"
completes 'files' "$work/f1 $work/f2" apply -f "$work/f"
finish
