#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ports and interfaces come and go in any order.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh

host h1; host h2
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
standard_doc | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
new_ns vm1
vm vm2 h2 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1 fd00:1::12/64 fd00:1::1
bind() { skep - port bind "$1" --host "$2" --interface "$3"; }
state() { status "$1" | grep -oE "\"port\": *\"$2\"[^}]*\"state\": *\"[a-z]*\"" | sed 's/.*"\([a-z]*\)"$/\1/'; }
state_is() { [ "$(state "$1" "$2")" = "$3" ]; }
becomes() { # TEXT HOST PORT STATE
	if wait_for 10 state_is "$2" "$3" "$4"; then ok "$1"; else not_ok "$1"; echo "# state of $3 on $2: $(state "$2" "$3")"; fi
}

# --- late interface ---
check 'a port is bound to an interface that is not there yet' bind vm1 h1 vm1
check 'another to one that is' bind vm2 h2 vm2
becomes 'the first waits' h1 vm1 waiting
becomes 'the second is up' h2 vm2 up
contains 'port list shows both' 'waiting' "$(skep - port list | grep '^vm1 ')"
vm_link vm1 h1
vm_config vm1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1 fd00:1::11/64 fd00:1::1
becomes 'the interface appears: the port is up' h1 vm1 up
check 'traffic' ping4_soon vm1 10.0.1.12

count() { status h1 | grep -oE "\"$1\": *[0-9]+" | head -n 1 | grep -oE '[0-9]+$'; }
builds=$(count builds) updates=$(count updates)

# --- deleted and made again ---
ip -n "$id-h1" link del vm1
becomes 'the interface is deleted: the port waits' h1 vm1 waiting
refute 'nobody answers' in_vm vm2 ping -q -c 1 -W 1 10.0.1.11
vm_link vm1 h1
vm_config vm1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1 fd00:1::11/64 fd00:1::1
becomes 'it is made again: the port is up' h1 vm1 up
check 'traffic again' ping4_soon vm2 10.0.1.11

# --- refusals ---
out=$(bind vm1 h2 other 2>&1); rc=$?
equal 'a second binding is refused as a conflict' 4 $rc
contains '... naming where the port is bound' "interface 'vm1' of host 'h1'" "$out"
check 'the same binding again is no error' bind vm1 h1 vm1
out=$(bind nosuch h1 vm1 2>&1); rc=$?
equal 'a port that does not exist: not found' 3 $rc
contains '... named' "nosuch" "$out"
out=$(bind vm3 h1 'bad/name' 2>&1); rc=$?
equal 'an interface name that cannot be' 1 $rc
contains '... named, with what is allowed' "bad/name.*want 1 to 15" "$out"
out=$(bind left-r h1 vm9 2>&1); rc=$?
[ $rc -ne 0 ] && ok 'an interior port cannot be bound' || not_ok 'an interior port cannot be bound'
contains '... named' 'left-r' "$out"
contains 'errors are JSON with -j' '"error": ?\{"code": ?"conflict"' "$(skep - -j port bind vm1 --host h2 --interface x)"
out=$(bind vm3 h1 vm1 2>&1); rc=$?
[ $rc -ne 0 ] && ok 'two ports on one interface are refused' || not_ok 'two ports on one interface are refused'
contains '... naming interface, host and port' "vm1.*h1.*vm1" "$out"

# --- unbind ---
check 'unbind' skep - port unbind vm1
gone() { [ -z "$(state h1 vm1)" ]; }
if wait_for 10 gone; then ok 'the agent lets go of the interface'; else not_ok 'the agent lets go of the interface'; fi
refute 'nobody answers any more' in_vm vm2 ping -q -c 1 -W 1 10.0.1.11
out=$(skep - port unbind vm1 2>&1); rc=$?
equal 'unbinding what is not bound: not found' 3 $rc

# --- moving to the other host, with its interface ---
ip -n "$id-h1" link del vm1
vm_link vm1 h2
vm_config vm1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1 fd00:1::11/64 fd00:1::1
check 'the port moves to the other host' bind vm1 h2 vm1
becomes 'and is up there' h2 vm1 up
check 'traffic, now on one host' ping4_soon vm2 10.0.1.11

equal 'the agent has built no snapshot anew for all that' "$builds" "$(count builds)"
[ "$(count updates)" -gt "$updates" ] && ok '... and has changed its own' || not_ok "... and has changed its own ($updates, $(count updates))"

# --- another port gets the interface while the agent is away ---
key_of() { status "$1" | grep -oE "\"port\": *\"$2\"[^}]*\"key\": *[0-9]+" | sed 's/.*[^0-9]//'; }
before=$(key_of h2 vm2)
stop_skepd h2 KILL
skep - port unbind vm2 >/dev/null && bind vm3 h2 vm2 >/dev/null || not_ok 'the interface is bound to another port'
start_skepd h2 || bail 'skepd does not come back'
becomes 'the other port is up' h2 vm3 up
after=$(key_of h2 vm3)
[ -n "$before" ] && [ -n "$after" ] && [ "$before" != "$after" ] && ok 'and has a key of its own' || not_ok "and has a key of its own ($before, $after)"
