# SPDX-License-Identifier: Apache-2.0
# Sourced by guest: skep-api.  shellcheck shell=bash
sock=/run/skep-api/api.sock api=https://127.0.0.1:8460
tls() { curl -s --max-time 60 --cacert /etc/skep/api.pem -H "Authorization: Bearer $token" "$@"; }
code() { "$@" -o /dev/null -w '%{http_code}'; }
local_as() { # USER CURL-OPTION...: on the socket, by somebody
	local user=$1
	shift
	setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups curl -s --max-time 60 --unix-socket $sock "$@"
}
whoami_as() { local user=$1; shift; code local_as "$user" http://skep/api/v1/whoami "$@"; }
up() { [ "$(whoami_as root)" = 200 ]; }

soon 'root on the socket is let in' up

# --- what it may ---

equal 'it is not root' "$(id -u skep-api)" "$(status_of skep-api Uid | cut -f1)"
equal '... has no capability' '0000000000000000 0000000000000000' "$(status_of skep-api CapEff) $(status_of skep-api CapBnd)"
equal '... gets none, and a list of system calls' '1 2' "$(status_of skep-api NoNewPrivs) $(status_of skep-api Seccomp)"
equal 'its memory is bounded' 2147483648 "$(property skep-api MemoryMax)"
refute 'it sees no process of others' grep -q . <(nsenter -m -t "$(property skep-api MainPID)" setpriv --reuid skep-api --regid skep --clear-groups --bounding-set=-all ls -d /proc/1 2>/dev/null)

# --- who may connect, and who that is ---

equal 'its socket is of the group' 'skep-api:skep 660' "$(stat -c '%U:%G %a' $sock)"
useradd -M -G skep member && useradd -M -G skep-api servant && useradd -M stranger
token=$(skep-api --make-token root)
equal 'root is an operator there' operator "$(local_as root http://skep/api/v1/whoami | sed -n 's/.*"role": *"\([a-z-]*\)".*/\1/p')"
equal 'who is of the group may connect, and is nobody' 401 "$(whoami_as member)"
equal '... but with a token' 200 "$(whoami_as member -H "Authorization: Bearer $token")"
equal 'others may not connect' 000 "$(whoami_as stranger)"
equal '... nor who may read the secrets' 000 "$(whoami_as servant)"
equal 'who the server is, is nobody' 401 "$(whoami_as skep-api)"
equal 'over TLS a token is asked for' '401 200' "$(token=none; code tls $api/api/v1/whoami) $(code tls $api/api/v1/whoami)"
unshare --user --map-root-user --setuid 0 true 2>/dev/null
equal 'root of a user namespace is not root' 401 "$(setpriv --reuid member --regid skep --clear-groups unshare --user --map-root-user \
	curl -s --max-time 60 --unix-socket $sock -o /dev/null -w '%{http_code}' http://skep/api/v1/whoami)"

# --- it works ---

cat >"$work/net.yaml" <<'Y'
tenant: acme
bridges: [{name: web}]
ports:
  - {name: web1, bridge: web, mac: "02:00:00:00:00:01", addresses: [10.0.1.11]}
  - {name: web2, bridge: web, mac: "02:00:00:00:00:02", addresses: [10.0.1.12]}
Y
check 'a document is applied' skep apply -f "$work/net.yaml"
has_port() { tls "$api/api/v1/tenants/acme/ports/$1" | grep -q "\"$1\""; }
soon '... and read' has_port web1
equal 'a port is made on the socket' 201 "$(code local_as root -H 'Content-Type: application/json' -d '{"name": "web3", "bridge": "web"}' http://skep/api/v1/tenants/acme/ports)"

# --- started again while it is asked ---

ask() { # NAME COMMAND...: until the file 'over' is there; what the answers were
	local name=$1
	shift
	while [ ! -e "$work/over" ]; do code "$@" && echo " $?" || echo " $?"; done >"$work/$name"
}
ask tls tls "$api/api/v1/tenants/acme/ports" &
ask local local_as root http://skep/api/v1/tenants/acme/ports &
asked() { [ "$(cat "$work/tls" "$work/local" | wc -l)" -ge "$1" ] && [ -s "$work/tls" ] && [ -s "$work/local" ]; }
for i in 1 2 3; do
	so_far=$(cat "$work/tls" "$work/local" 2>/dev/null | wc -l)
	wait_for 60 asked $((so_far + 4))
	check "it is started again while it is asked ($i)" systemctl restart skep-api
done
wait_for 60 asked $(($(cat "$work/tls" "$work/local" | wc -l) + 4))
touch "$work/over"
wait %1 %2
equal 'each of those who asked was answered' '200 0' "$(sort -u "$work/tls" "$work/local")"
echo "# $(cat "$work/tls" "$work/local" | wc -l) requests"

# --- another certificate ---

shows() { openssl s_client -connect 127.0.0.1:8460 </dev/null 2>/dev/null | openssl x509 -noout -subject | grep -q "CN = $1"; }
before=$(property skep-api MainPID)
check 'the first certificate' shows one
pair two
check 'systemctl reload' systemctl reload skep-api
soon 'the second one' shows two
equal '... by the same process' "$before" "$(property skep-api MainPID)"

# --- killed ---

kill -KILL "$before"
again() { [ "$(property skep-api MainPID)" -gt 0 ] && [ "$(property skep-api MainPID)" != "$before" ] && up; }
soon 'killed, it is started again' again
equal '... by systemd, once' 1 "$(property skep-api NRestarts)"
equal '... at the same sockets' 200 "$(code tls $api/api/v1/tenants/acme/ports)"

# --- stopped ---

check 'systemctl stop' systemctl stop skep-api.socket skep-api
equal '... ends well' 'inactive success 0' "$(property skep-api ActiveState) $(property skep-api Result) $(property skep-api ExecMainStatus)"
refute '... and its socket is gone' test -e $sock
equal 'what it listened on is in the journal' 2 "$(journal skep-api | grep -E 'listening on (127.0.0.1:8460|unix:/run/skep-api/api.sock)$' | sort -u | wc -l)"

# --- by hand ---

install -d -o skep-api -g skep /run/skep-api
setpriv --reuid skep-api --regid skep --groups skep-api --bounding-set -all --no-new-privs skep-api 2>"$work/by-hand" &
by_hand=$!
soon 'started by hand, with the rights given up, it serves, too' up
equal '... for the same group' 'skep-api:skep 660' "$(stat -c '%U:%G %a' $sock)"
kill $by_hand
wait $by_hand
equal '... and ends well' 0 $?

# --- without the socket unit ---

check 'without sockets of systemd it starts, too' systemctl start skep-api
soon '... and opens them itself' up
equal '... for the same group' 'skep-api:skep 660' "$(stat -c '%U:%G %a' $sock)"
equal '... of which a member is nobody' 401 "$(whoami_as member)"
