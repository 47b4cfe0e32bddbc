#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tenant, quota, audit, undo, events: what skep says of one state DB, of which it reads and writes itself, and by way of skep-api.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
. selftests/api/up.sh

net_without_telnet
db=$SKEP_DB
unset SKEP_DB
export SKEP_CONTEXTS=$work/none
api_up
sock=unix:$work/api.sock
over_db() { "$SKEP" "$@" --db "$db" 2>&1; echo "status $?"; }
over_api() { "$SKEP" "$@" --api "$sock" 2>&1; echo "status $?"; }
plain() { sed -E 's/"rev":[0-9]+/"rev":0/g'; } # of objects that would be written
same() { # ARGUMENTS...: both ways, as text and as JSON
	equal "skep $*: the same both ways" "$(over_db "$@" | plain)" "$(over_api "$@" | plain)"
	equal "skep -j $*: the same both ways" "$(over_db -j "$@" | plain)" "$(over_api -j "$@" | plain)"
}
last() { "$SKEP" -j audit list "$@" -l 1 --db "$db" | jq -r '.entries[0].id'; } # id of the newest entry
doc() { over_db apply -f - <<<"$1" >/dev/null; }

# --- tenants ---
contains 'tenant create' "tenant 'acme' created" "$(over_api tenant create acme 'the customer')"
equal '... twice: a conflict' "skep: tenant 'acme' exists already status 4" "$(over_api tenant create acme | tr '\n' ' ' | sed 's/ $//')"
contains '... which has changed nothing' '^tenant acme: the customer, revision 0' "$(over_api tenant show acme)"
contains '... of a name that is none' 'is not a name.*status 2' "$(over_api tenant create 'no/name' | tr '\n' ' ')"
same tenant show acme
same tenant show t
contains 'tenant show counts' '^ports +8$' "$(over_db tenant show t)"
same tenant show nosuch
contains 'tenant delete: not one that has objects' 'has objects .--recursive.*status 4' "$(over_api tenant delete t | tr '\n' ' ')"
contains 'tenant delete' "tenant 'acme' deleted" "$(over_api tenant delete acme)"
contains '... twice: not found' 'status 3' "$(over_api tenant delete acme)"
same tenant show acme
same audit list -t acme
doc '{tenant: gone, bridges: [{name: b}]}'
contains 'tenant delete --recursive' "tenant 'gone' deleted" "$(over_api tenant delete gone --recursive)"
equal '-j tenant delete' '{"deleted":"acme2"}' "$("$SKEP" tenant create acme2 --api "$sock" >/dev/null; "$SKEP" -j tenant delete acme2 --api "$sock")"

# --- quotas ---
same quota show -t t
contains 'quota set, over the API' '^ports +9 *$' "$(over_api quota set ports=9 bytes=default -t t)"
same quota show -t t
contains '... one more is let in' 'created' "$(over_api apply -f - <<<'{tenant: t, ports: [{name: p9, bridge: left}]}')"
contains '... two are not' 'may have 9 ports|9' "$(over_api apply -f - <<<'{tenant: t, ports: [{name: p10, bridge: left}]}')"
contains '... status' 'status 1' "$(over_api apply -f - <<<'{tenant: t, ports: [{name: p10, bridge: left}]}')"
contains 'quota set, in the state DB: others stay' '^ports +9 *$' "$(over_db quota set bridges=3 -t t)"
same quota show -t t
knows() { over_api quota set bridges=3 ports=default -t t; }
contains '... default' '^bridges +3 *$' "$(knows)"
refute '... is as if nobody had said it' grep -q '^ports' <(knows)
contains 'audit list --access tells of both' 'root@.* skep +quota/t$' "$(over_db audit list --access -t t)"
contains '... by way of the API, too' '^[^ ]+ +[-0-9]+ [0-9:]+ +root +socket +quota/t$' "$(over_db audit list --access -t t)"
same audit list --access
same audit list --access -t t -l 2
equal '... only so many' 2 "$("$SKEP" audit list --access -l 2 --db "$db" | tail -n +2 | wc -l)"

# --- audit ---
same audit list -t t
same audit list -t t --since 1h
same audit list -t t -l 1
same audit list -t t --object port/p9
same audit list -t t --object ports/p9
same audit list -t t --by root
same audit list -t t --by nobody
equal '--object finds what was done to it' 1 "$("$SKEP" -j audit list -t t --object ports/p9 --db "$db" | jq '.entries | length')"
equal '--by finds whose it was' 'root' "$("$SKEP" -j audit list -t t --by root --db "$db" | jq -r '[.entries[].by] | unique | .[]')"
id=$(last -t t)
same audit show "$id" -t t
contains 'audit show tells who, and what' '^\+ port/p9' "$(over_api audit show "$id" -t t)"
contains '... by name' 'by root, with socket' "$(over_api audit show "$id" -t t)"
doc '{tenant: t, bridges: [{name: left, description: "\u001b[31mred"}]}'
contains 'audit show: no control characters for the terminal' 'description: .\[31mred' "$(over_api audit show "$(last -t t)" -t t)"
refute '... ' grep -q $'\033' <("$SKEP" audit show "$(last -t t)" -t t --db "$db")
refute '... nor in diff' grep -q $'\033' <("$SKEP" diff -f "$work/net.yaml" --db "$db")
for i in $(seq 12); do doc "{tenant: many, bridges: [{name: b$i}]}"; done
equal 'audit list without an end: newest first' 'bridge/b12 bridge/b1' "$("$SKEP" -j audit list -t many --since 1d --api "$sock" | jq -r '[.entries[].objects[0]] | "\(first) \(last)"')"
same audit list -t many

# --- undo ---
for way in over_db over_api; do
	doc '{tenant: t, bridges: [{name: extra}]}'
	id=$(last -t t)
	same undo "$id" -t t --dry-run
	contains "$way: undo --dry-run" 'bridge/extra would be deleted' "$($way undo "$id" -t t --dry-run)"
	contains '... does nothing' '^extra' "$(over_db get bridges -t t)"
	contains "$way: undo" 'bridge/extra deleted' "$($way undo "$id" -t t)"
	refute '... is done' grep -q '^extra' <(over_db get bridges -t t)
	same undo "$id" -t t
	contains "$way: undo twice: a conflict" 'was deleted since.*status 4' "$($way undo "$id" -t t | tr '\n' ' ')"
	id=$(last -t t)
	contains "$way: undo of an undo" 'bridge/extra created' "$($way undo "$id" -t t)"
	doc '{tenant: t, ports: [{name: user, bridge: extra}]}'
	same undo "$(last -t t --object bridge/extra)" -t t --dry-run
	contains "$way: what others need by now stays" "cannot be undone.*refers|cannot be undone.*does not exist" "$($way undo "$(last -t t --object bridge/extra)" -t t)"
	over_db delete port user -t t >/dev/null
	contains "$way: a deletion comes back" 'port/user created' "$($way undo "$(last -t t)" -t t)"
	over_db delete port user -t t >/dev/null
	over_db delete bridge extra -t t >/dev/null
done

# --- events ---
"$SKEP" -j events -t t --db "$db" >"$work/db.events" 2>&1 &
background+=($!)
"$SKEP" -j events -t t --api "$sock" >"$work/api.events" 2>&1 &
background+=($!)
n=0
both_hear() { n=$((n + 1)) && doc "{tenant: t, bridges: [{name: warm$n}]}" && [ -s "$work/db.events" ] && [ -s "$work/api.events" ]; }
wait_for 20 both_hear || bail 'nobody hears of changes'
doc '{tenant: t, bridges: [{name: heard}]}'
doc '{tenant: t, bridges: [{name: heard, admin_up: false}]}'
over_api delete bridge heard -t t >/dev/null
told() { jq -c 'select(.name == "heard")' "$1"; }
over() { [ "$(told "$1" | wc -l)" -ge "${2:-3}" ]; }
wait_for 10 over "$work/db.events" && wait_for 10 over "$work/api.events" || bail "events: $(cat "$work/db.events" "$work/api.events")"
equal 'events: made, changed, deleted' 'put true,put false,delete null' "$(told "$work/db.events" | jq -r '"\(.event) \(.object.admin_up)"' | paste -sd,)"
equal '... the same both ways' "$(told "$work/db.events")" "$(told "$work/api.events")"
kill "$api_pid"
wait "$api_pid" 2>/dev/null
doc '{tenant: t, bridges: [{name: heard}]}'
api_up
wait_for 20 over "$work/api.events" 4 && ok '... a server that was away has told it afterwards' || not_ok '... a server that was away has told it afterwards'
for way in over_db over_api; do
	contains "$way: events -n" 'only 0 of 1 events in 1 s.*status 1' "$($way events -t t -n 1 --timeout 1 | tr '\n' ' ')"
	contains "$way: events --timeout" '^TIME +REV +EVENT +OBJECT status 0' "$($way events -t t --timeout 1 | tr '\n' ' ')"
	$way events -t t -n 1 >"$work/one" &
	pid=$!
	one_heard() { n=$((n + 1)) && doc "{tenant: t, bridges: [{name: warm$n}]}" && [ ! -e "/proc/$pid" ]; }
	wait_for 20 one_heard || not_ok "$way: events -n 1 does not end"
	wait $pid
	contains "$way: events as a table" ' put +bridge/warm[0-9]+ status 0' "$(tr '\n' ' ' <"$work/one")"
done
