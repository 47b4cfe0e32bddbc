#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# skep over the API: the same verbs say the same as on the state DB; contexts and login; tokens go nowhere in clear.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
. selftests/api/up.sh

net_without_telnet
db=$SKEP_DB
unset SKEP_DB
export SKEP_CONTEXTS=$work/contexts/skep/contexts.yaml
port=$((20000 + RANDOM % 20000))
api_up --set "listen=unix:$work/api.sock,127.0.0.1:$port"
sock=unix:$work/api.sock
over_db() { "$SKEP" "$@" --db "$db" 2>&1; echo "status $?"; }
over_api() { "$SKEP" "$@" --api "$sock" 2>&1; echo "status $?"; }
# what agents publish, and revisions, are not the API's
plain() { sed -E 's/"rev":[0-9]+/"rev":0/g; s/,? ?"warning":null//'; }
same() { # TEXT ARGUMENTS...: both ways, the same output and status
	local text=$1
	shift
	equal "$text" "$(over_db "$@" | plain)" "$(over_api "$@" | plain)"
}

# --- reading ---
same 'get tenants' get tenants
for kind in ports bridges routers chains; do same "get $kind" get $kind; done
same 'get as YAML' get -o yaml
same 'get one' get port vm1 -o yaml
same 'get what is not there' get port nosuch
same 'get an unknown kind' get cheese
same 'port list' port list
same 'diff without a difference' diff -f "$work/net.yaml"
sed 's/dst_ports: 23/dst_ports: 24/' "$work/net.yaml" >"$work/changed.yaml"
same 'diff of a change' diff -f "$work/changed.yaml"
same 'diff with --prune' diff -f "$work/changed.yaml" --prune
same 'apply --dry-run' apply -f "$work/changed.yaml" --dry-run
same 'why not' why vm1 vm4 tcp/23
same 'why -j' -j why vm1 vm4 tcp/23
same 'an unknown port' why vm1 vm4 tcp

trace_db() { "$SKEP" trace --port vm1 'tcp 10.0.1.11:4000 > 10.0.2.14:23 syn' --db "$db"; }
equal 'trace' "$(trace_db)" "$("$SKEP" trace --port vm1 'tcp 10.0.1.11:4000 > 10.0.2.14:23 syn' --api "$sock")"

# --- writing, one way and back the other ---
over_api apply -f "$work/changed.yaml" >"$work/out"
contains 'apply' 'chain/fw changed' "$(cat "$work/out")"
contains '... is in the state DB' 'no difference' "$(over_db diff -f "$work/changed.yaml")"
contains 'apply again changes nothing' 'nothing to change' "$(over_api apply -f "$work/changed.yaml")"
contains 'port bind' 'bound' "$(over_api port bind vm1 --host h1 --interface tap0)"
contains '... is in the state DB' '^vm1 .*h1:tap0' "$(over_db port list)"
same 'port list shows it' port list
contains 'port bind elsewhere: conflict' 'status [14]' "$(over_api port bind vm2 --host h1 --interface tap0)"
contains 'port unbind' 'unbound' "$(over_api port unbind vm1)"
contains 'delete what others need: conflict' "refers to it" "$(over_api delete chain fw)"
contains '... status' 'status 4' "$(over_api delete chain fw)"
over_api apply -f - <<<'{tenant: t, bridges: [{name: extra}]}' >/dev/null
contains 'delete' 'bridge/extra deleted' "$(over_api delete bridge extra)"
same '... it is gone' get bridge extra
over_api apply -f - <<<'{tenant: new, bridges: [{name: b}]}' >"$work/out"
contains 'apply makes a tenant' 'bridge/b created' "$(cat "$work/out")"
curl -s -X DELETE --unix-socket "$work/api.sock" 'http://api/api/v1/tenants/new?recursive=true' >/dev/null

# --- a request as it is ---
contains 'api' '^\{"name": ?"left"' "$(over_api api tenants/t/bridges/left)"
contains 'api: an absolute path, another type' '^skep_api_build_info' "$(over_api api /metrics)"
echo '{"name": "raw"}' >"$work/raw.json"
contains 'api: a body' '"name": ?"raw".*' "$(over_api api post tenants/t/bridges -f "$work/raw.json")"
contains '... it is in the state DB' 'raw' "$(over_db get bridges)"
equal 'api delete' 'status 0' "$(over_api api DELETE tenants/t/bridges/raw | tail -n 1)"
contains 'api: what is not there' 'status 3' "$(over_api api tenants/t/bridges/raw)"
contains 'api: no method' "'fetch' is not a method" "$(over_api api fetch /x)"
contains 'api without one' 'which API' "$(env -u SKEP_API SKEP_CONTEXTS=/nonexistent "$SKEP" api /x 2>&1)"

# --- tokens and contexts ---
token=$("$API" -c /dev/null --set db.mode=server --set "db.addresses=$db" --make-token cli 2>/dev/null) || bail 'make-token'
url=http://127.0.0.1:$port
contains 'without a token: refused' 'status [1-4]' "$("$SKEP" get ports --api "$url" 2>&1; echo "status $?")"
contains 'with SKEP_TOKEN' '^vm1' "$(SKEP_API=$url SKEP_TOKEN=$token "$SKEP" get ports 2>&1)"
contains 'login with a wrong token' 'status 1' "$("$SKEP" login --api "$url" <<<'skep_x_y' 2>&1; echo "status $?")"
refute '... writes nothing' test -e "$SKEP_CONTEXTS"
contains 'login' "context 'prod': cli, operator" "$("$SKEP" login prod --api "$url" --tenant t <<<"$token" 2>&1)"
equal '... for its owner only' 600 "$(stat -c %a "$SKEP_CONTEXTS")"
contains '... from now on that server is asked' '^vm1' "$("$SKEP" get ports 2>&1)"
contains 'login at another place' "context 'other'" "$(SKEP_TOKEN=$token "$SKEP" login other --api "$url" 2>&1)"
contains '... keeps the first' '^vm1' "$("$SKEP" get ports --context prod 2>&1)"
contains 'an unknown context' "context 'nosuch' does not exist" "$("$SKEP" get ports --context nosuch 2>&1)"

# --- what is not done over the API is done nowhere else ---
contains 'token create goes to the server of the context' '^skep_' "$("$SKEP" token create made tenant-reader --context prod 2>&1)"
contains '... which has made it, of the tenant of the context' ' made +tenant-reader +t +no +cli ' "$("$SKEP" token list --db "$db")"
tokens() { "$SKEP" token list "$@" | sed -E 's/ +[^ ]+( [0-9:]{5})?$//' | sort; } # when they were used, a server knows sooner
equal 'token list says the same' "$(tokens --db "$db")" "$(tokens)"
equal '... of one tenant' "$(tokens --db "$db" -t t)" "$(tokens -t t)"
contains 'token create of an operator' '^skep_' "$("$SKEP" token create boss operator 3600 2>&1)"
made=$("$SKEP" token list --db "$db" | sed -n 's/ *made .*//p')
contains 'token revoke' "token $made revoked" "$("$SKEP" token revoke "$made" 2>&1)"
refute '... it is gone' grep -q "$made" <("$SKEP" token list --db "$db")
contains '... twice: not found' 'status 3' "$("$SKEP" token revoke "$made" 2>&1; echo "status $?")"
contains '... what is no id' 'status 3' "$("$SKEP" token revoke ../tenants/t 2>&1; echo "status $?")"
same 'host list' host list
for command in 'host remove h1'; do
	contains "$command: not over the API, and not somewhere else" "in the state DB only.*$url.*--db.*status 1" "$("$SKEP" $command 2>&1 | tr '\n' ' '; echo "status ${PIPESTATUS[0]}")"
	contains '... with --db, there' 'status 3' "$("$SKEP" $command --db "$db" 2>&1; echo "status $?")"
done
contains '--db is stronger than the current context' '^vm1' "$("$SKEP" get ports --db "$db" 2>&1)"
contains 'a token is not sent in clear' 'in clear' "$(SKEP_API=http://192.0.2.1:80 SKEP_TOKEN=$token "$SKEP" get ports 2>&1)"
contains '... nor to a name that looks like this host' 'in clear' "$(SKEP_API=http://127.0.0.1.example:80 SKEP_TOKEN=$token "$SKEP" get ports 2>&1)"
contains '... nor behind a user name' 'in clear' "$(SKEP_API=http://127.0.0.1@192.0.2.1:80 SKEP_TOKEN=$token "$SKEP" get ports 2>&1)"
contains 'what is no address' 'is no API' "$("$SKEP" get ports --api ftp://x 2>&1)"
contains 'nobody is there' 'cannot be reached' "$("$SKEP" get ports --api http://127.0.0.1:1 2>&1)"

# --- contexts ---
contains 'context list' "^- +prod +$url +t +yes" "$("$SKEP" context list)"
contains '... the current one' '^\* +other +http[^ ]+ +- +yes' "$("$SKEP" context list)"
refute '... without tokens' grep -q "${token##*_}" <("$SKEP" context list; "$SKEP" -j context list)
contains 'context use' "context 'prod' used" "$("$SKEP" context use prod)"
contains '... is current' '^\* +prod' "$("$SKEP" context list)"
contains '... one that is not there' 'does not exist.*status 3' "$("$SKEP" context use nosuch 2>&1 | tr '\n' ' '; echo "status ${PIPESTATUS[0]}")"
contains 'context remove' "context 'other' removed" "$("$SKEP" context remove other)"
contains '... the others stay' '^vm1' "$("$SKEP" get ports 2>&1)"
cp "$SKEP_CONTEXTS" "$work/contexts.kept"
contains 'logout' 'removed' "$("$SKEP" logout)"
equal '... nothing is left' '{"contexts":[]}' "$("$SKEP" -j context list | tr -d ' ')"
refute '... nor its token' grep -q "${token##*_}" "$SKEP_CONTEXTS"
contains '... twice: there is none' 'does not exist' "$("$SKEP" logout 2>&1)"
contains '... the state DB is asked again' '^vm1' "$(SKEP_DB=$db "$SKEP" get ports 2>&1)"
cp "$work/contexts.kept" "$SKEP_CONTEXTS"

# --- a token reaches its server only ---
heard() { # whoever is at $odd: what it was told is in $work/odd; it serves nobody
	python3 - "$work/odd.port" >"$work/odd" <<-'PY' &
		import socket, sys, os
		s = socket.create_server(("127.0.0.1", 0))
		open(sys.argv[1] + ".new", "w").write(str(s.getsockname()[1]))
		os.rename(sys.argv[1] + ".new", sys.argv[1])
		while True:
		    c = s.accept()[0]
		    c.settimeout(5)
		    print(c.recv(65536).decode(errors="replace"), flush=True)
		    c.sendall(b"HTTP/1.1 500 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		    c.close()
	PY
	background+=($!)
	wait_for 5 test -s "$work/odd.port" || bail 'the other server does not start'
	odd=http://127.0.0.1:$(cat "$work/odd.port")
}
heard
contains '--context is stronger than SKEP_API' '^vm1' "$(SKEP_API=$odd "$SKEP" get ports --context prod 2>&1)"
contains '... and SKEP_TOKEN and SKEP_CA are for that one' '^vm1' "$(SKEP_API=$odd SKEP_TOKEN=skep_x_y SKEP_CA=/nowhere "$SKEP" get ports --context prod 2>&1)"
contains 'SKEP_TOKEN alone replaces the one of the context' 'status 1' "$(SKEP_TOKEN=skep_x_y "$SKEP" get ports --context prod 2>&1; echo "status $?")"
for both in "--api $odd --context prod" "--db $db --context prod" "--api $odd --db $db"; do
	contains "$(sed 's/ [^-][^ ]*//g' <<<"$both"): usage" 'status 2' "$("$SKEP" get ports $both 2>&1; echo "status $?")"
done
contains 'a server by its address' 'status 1' "$("$SKEP" get ports --api "$odd" 2>&1; echo "status $?")"
contains '... is asked' '^GET /api/v1/' "$(cat "$work/odd")"
refute '... without the token of a context' grep -qi authorization "$work/odd"
: >"$work/odd"
for var in http_proxy all_proxy ALL_PROXY; do
	contains "$var is not for what is in clear" '^vm1' "$(env $var=$odd "$SKEP" get ports --context prod 2>&1)"
	contains '... nor for a socket' '^vm1' "$(env $var=$odd "$SKEP" get ports --api "$sock" 2>&1)"
done
refute '... it has heard nothing' test -s "$work/odd"

# --- contexts are the owner's, and so is the terminal ---
chmod 620 "$SKEP_CONTEXTS"
contains 'a contexts file that others may write is not used' 'may be written by others.*status 1' "$("$SKEP" get ports 2>&1 | tr '\n' ' '; echo "status ${PIPESTATUS[0]}")"
chmod 600 "$SKEP_CONTEXTS"
chown 65534 "$SKEP_CONTEXTS"
contains '... nor one of somebody else' "somebody else's" "$("$SKEP" get ports 2>&1)"
chown 0 "$SKEP_CONTEXTS"
equal 'login: an interrupt leaves the terminal as it was' 'hidden, shown, signal 2' "$(python3 - "$SKEP" "$url" <<-'PY'
	import os, pty, signal, sys, termios
	pid, fd = pty.fork()
	if pid == 0:
	    signal.signal(signal.SIGINT, signal.SIG_DFL)
	    os.execv(sys.argv[1], [sys.argv[1], "login", "x", "--api", sys.argv[2]])
	seen = b""
	while b"token: " not in seen:
	    seen += os.read(fd, 100)
	echo = lambda: "shown" if termios.tcgetattr(fd)[3] & termios.ECHO else "hidden"
	first = echo()
	keep = os.open(os.readlink(f"/proc/{pid}/fd/0"), os.O_RDWR | os.O_NOCTTY)
	os.write(fd, b"\x03")
	status = os.waitpid(pid, 0)[1]
	print(f"{first}, {echo()}, signal {os.WTERMSIG(status)}")
PY
)"

# --- a server that is not as it should be ---
python3 - "$work/endless.port" <<-'PY' &
	import http.server, json, os, sys
	long = "a" * 3000
	class Endless(http.server.BaseHTTPRequestHandler):
	    def do_GET(self):
	        cursor = self.path.partition("&cursor=")[2]
	        body = json.dumps({"items": [], "next": {"": long, long: "b", "b": "b"}.get(cursor)}).encode()
	        self.send_response(200)
	        self.send_header("Content-Length", str(len(body)))
	        self.end_headers()
	        self.wfile.write(body)
	    def do_POST(self): # takes it, and says nothing
	        self.rfile.read(int(self.headers["Content-Length"]))
	    def log_message(self, *a): pass
	s = http.server.HTTPServer(("127.0.0.1", 0), Endless)
	open(sys.argv[1] + ".new", "w").write(str(s.server_port))
	os.rename(sys.argv[1] + ".new", sys.argv[1])
	s.serve_forever()
PY
background+=($!)
wait_for 5 test -s "$work/endless.port" || bail 'the endless server does not start'
contains 'a list whose page leads to itself ends, behind a cursor of 3000 bytes' 'has no end.*status 1' \
	"$(timeout 10 "$SKEP" token list --api "http://127.0.0.1:$(cat "$work/endless.port")" 2>&1 | tr '\n' ' '; echo "status ${PIPESTATUS[0]}")"
contains 'no answer to a change: it may be in force' 'may be in force.*status 1' \
	"$("$SKEP" token create x operator --api "http://127.0.0.1:$(cat "$work/endless.port")" 2>&1 | tr '\n' ' '; echo "status ${PIPESTATUS[0]}")"
echo 'contexts: []' >"$SKEP_CONTEXTS"
contains 'a broken contexts file' "field 'contexts'" "$("$SKEP" get ports 2>&1)"
