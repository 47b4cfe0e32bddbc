#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong for people who use skep over the API: words that are misspelt, tokens that are missing, old or another server's, certificates, servers that are not there or
# have no time, proxies.  What it says, and what it does not send.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
. selftests/api/up.sh

net_without_telnet
db=$SKEP_DB
unset SKEP_DB
export SKEP_CONTEXTS=$work/contexts.yaml
pair() { # NAME SUBJECT: a key and its certificate
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -addext "subjectAltName=$2" -keyout "$work/$1.key" -out "$work/$1.pem" 2>/dev/null &&
		chmod 600 "$work/$1.key" || bail 'openssl cannot make a pair'
}
pair right IP:127.0.0.1
pair other IP:127.0.0.1
for _ in {1..20}; do
	port=$((20000 + RANDOM % 20000))
	(: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
done
api_up --set "listen=unix:$work/api.sock,127.0.0.1:$port" --set "tls.certificate=$work/right.pem" --set "tls.key=$work/right.key"
url=https://127.0.0.1:$port
make_token() { "$SKEP" token create "$@" --db "$db"; }
admin=$(make_token ann tenant-admin -t t) reader=$(make_token rob tenant-reader -t t) old=$(make_token old tenant-admin -t t 1)
[ -n "$admin" ] && [ -n "$reader" ] && [ -n "$old" ] || bail 'no tokens'
says() { # TEXT PATTERN STATUS [NAME=VALUE...] ARGUMENTS...
	local text=$1 pattern=$2 status=$3
	shift 3
	contains "$text" "$pattern.* status $status\$" "$(env "${settings[@]}" "$SKEP" "$@" </dev/null 2>&1 | tr '\n' ' '; echo "status ${PIPESTATUS[0]}")"
}
settings=()

# --- words ---
says 'a noun' "no command 'audt' .did you mean 'audit'.*skep help" 2 audt list
says 'a verb' "'audit' cannot 'lsit' .did you mean 'list'. want list, show" 2 audit lsit
says 'no verb' "'audit' what. .want list, show" 2 audit
says 'a kind' "'brigde' is not a kind of object .did you mean 'bridge'. want " 2 get brigde --db "$db"
says 'a kind of an option' "'prot' is not a kind of object .did you mean 'port'" 2 audit list --object prot/x --db "$db"
says 'an option' "unknown option '--tennant' .did you mean '--tenant'" 2 get ports --tennant t
says 'an option with its argument' "unknown option '--tennant=t' .did you mean '--tenant'" 2 get ports --tennant=t
says 'a letter' "unknown option '-Z' .see" 2 get ports -Z
says 'what is like nothing' "no command 'xyzzy' .see 'skep help'" 2 xyzzy
says 'a very long word' 'no command' 2 "$(printf 'a%.0s' {1..300})"
says '-j' '^{"error":{"code":"usage","message":".*did you mean' 2 -j audt list

# --- tokens ---
settings=("SKEP_CA=$work/right.pem")
says 'none' "'$url' wants a token .want 'skep login', or SKEP_TOKEN and SKEP_API" 1 get ports --api "$url"
says 'none, -j' '"code":"unauthorized"' 1 -j get ports --api "$url"
settings+=("SKEP_API=$url")
says 'none, SKEP_API' "'$url' wants a token" 1 get ports
expired() { ! SKEP_CA=$work/right.pem SKEP_API=$url SKEP_TOKEN=$old "$SKEP" get ports; }
wait_for 5 expired || bail 'a token does not expire'
settings+=("SKEP_TOKEN=$old")
says 'one that has expired' "the token is not valid .it may have expired.*'skep login'" 1 get ports
settings=("${settings[@]/#SKEP_TOKEN=*/SKEP_TOKEN=skep_1_2}")
says 'one that is none' "the token is not valid .*'skep login'" 1 get ports
settings=("${settings[@]/#SKEP_TOKEN=*/SKEP_TOKEN=$reader}")
says 'one that may not' 'this is for tenant-admin' 1 delete port vm1
says "another tenant's network" "there is no tenant 'other'" 3 get ports -t other
says "a tenant's token makes no tenants" 'for an operator to make' 1 tenant create x
says 'SKEP_API and SKEP_TOKEN together' 'vm1' 0 get ports
says "another way to write the same server" 'vm1' 0 get ports --api "$url/"

# --- a token is for one server: who listens at $odd writes down what it is told ---
python3 - "$work/odd.port" "$work/asked" <<-'PY' >>"$work/odd" &
	import http.server, os, sys, time
	asked = {}
	class Odd(http.server.BaseHTTPRequestHandler):
	    def answer(self):
	        self.rfile.read(int(self.headers.get("Content-Length", 0)))
	        path = self.path.split("?")[0]
	        asked[path] = n = asked.get(path, 0) + 1
	        print(self.command, path, "token" if self.headers["Authorization"] else "no token", flush=True)
	        word = path.split("/")[-1] # later-STATUS-SECONDS-TIMES
	        status, headers, body = 500, [], b""
	        if word.startswith("later-"):
	            status, seconds, times = [int(w) for w in word.split("-")[1:]]
	            if n > times:
	                status, body = 200, b'{"well": true}'
	            else:
	                headers = [("Retry-After", str(seconds))] if seconds else []
	                body = b'{"type": "/problems/busy", "detail": "too much to do"}'
	        self.send_response(status)
	        for h in headers: self.send_header(*h)
	        self.send_header("Content-Length", str(len(body)))
	        self.end_headers()
	        self.wfile.write(body)
	    do_GET = do_POST = do_PUT = do_DELETE = answer
	    def log_message(self, *a): pass
	s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
	open(sys.argv[1] + ".new", "w").write(str(s.server_port))
	os.rename(sys.argv[1] + ".new", sys.argv[1])
	s.serve_forever()
PY
background+=($!)
wait_for 5 test -s "$work/odd.port" || bail 'the other server does not start'
odd=http://127.0.0.1:$(cat "$work/odd.port")
heard() { tail -n 1 "$work/odd"; }
export SKEP_CA=$work/right.pem
SKEP_TOKEN=$admin "$SKEP" login prod --api "$url" >/dev/null 2>&1 || bail 'login'
settings=("SKEP_API=$url" "SKEP_TOKEN=$admin")
: >"$work/odd"
says "SKEP_API's token, --api another" 'answers 500' 1 api /x --api "$odd"
equal '... is not sent' 'GET /x no token' "$(heard)"
settings=("SKEP_TOKEN=$admin")
: >"$work/odd"
says 'SKEP_TOKEN alone is for the server that --api names' 'answers 500' 1 api /x --api "$odd"
equal '... is sent' 'GET /x token' "$(heard)"
settings=("SKEP_API=$odd" "SKEP_TOKEN=$admin")
says 'SKEP_TOKEN beside SKEP_API' 'answers 500' 1 api /x
equal '... is sent' 'GET /x token' "$(heard)"
says '... to it by --api as well' 'answers 500' 1 api /x --api "$odd/"
equal '... ' 'GET /x token' "$(heard)"
: >"$work/odd"
says '... to a context it is not' 'vm1' 0 get ports --context prod
says '... nor to another path of the same server' 'answers 500' 1 api /x --api "$odd/other"
equal '... ' 'GET /other/x no token' "$(heard)"
settings=("SKEP_API=http://192.0.2.1:8460" "SKEP_TOKEN=$admin")
says 'in clear to another host: never' "a token is not sent to 'http://192.0.2.1:8460' in clear .want https" 2 get ports
settings=("SKEP_API=http://localhost.example:8460" "SKEP_TOKEN=$admin")
says '... whatever it is called' 'in clear' 2 get ports
settings=("SKEP_TOKEN=$reader")
says 'SKEP_TOKEN alone is for the context in use, in place of its own' 'this is for tenant-admin' 1 delete port vm1
settings=("SKEP_API=$odd" "SKEP_TOKEN=skep_1_2")
: >"$work/odd"
contains 'login elsewhere takes no heed of it' "context 'again': ann" "$(env "${settings[@]}" "$SKEP" login again --api "unix:$work/api.sock" <<<"$admin" 2>&1)"
refute '... nor asks there' test -s "$work/odd"
settings=("SKEP_TOKEN=$admin")
says 'login with SKEP_TOKEN' "context 'third': ann" 0 login third --api "$url"
rm -f "$SKEP_CONTEXTS"

# --- certificates ---
unset SKEP_CA
settings=()
says 'a certificate of nobody that is known' "'$url' is not known to be what it says: .*want SKEP_CA=FILE" 1 get ports --api "$url"
says '... -j' '"code":"untrusted"' 1 -j get ports --api "$url"
settings=("SKEP_CA=$work/other.pem")
says 'the wrong CA' 'is not known to be what it says: .*is that its name, and the file of SKEP_CA' 1 get ports --api "$url"
settings=("SKEP_CA=$work/nosuch.pem")
says 'no CA file' "cannot read certificates from '$work/nosuch.pem'" 1 get ports --api "$url"
settings=("SKEP_CA=$work/right.pem")
says 'another name' "does not match target host name 'localhost'" 1 get ports --api "https://localhost:$port"
settings=("SKEP_CA=$work/right.pem" "SKEP_API=$odd")
says "a CA of SKEP_API's is no other server's" 'is not known to be' 1 get ports --api "$url"
mkdir "$work/certs"
cp "$work/right.pem" "$work/certs/$(openssl x509 -hash -noout -in "$work/right.pem").0"
trusting() { # SKEP_CA: on a system that knows the server
	unshare -m sh -c 'mount --bind "$1" /etc/ssl/certs && shift && exec "$@"' - "$work/certs" env ${1:+"SKEP_CA=$1"} "$SKEP" get ports --api "$url" 2>&1
}
contains 'one that the system knows' 'wants a token' "$(trusting)"
contains '... SKEP_CA is instead of those' 'is not known to be' "$(trusting "$work/other.pem")"

# --- servers that are not there, or are something else ---
settings=("SKEP_CA=$work/right.pem")
says 'nobody listens' "'https://127.0.0.1:1' cannot be reached: .*127.0.0.1 port 1" 1 get ports --api https://127.0.0.1:1
says 'no such name' "Could not resolve host: nosuch.invalid" 1 get ports --api https://nosuch.invalid
says 'no such socket' "cannot be reached: No such file or directory .is skep-api running" 1 get ports --api "unix:$work/nosuch.sock"
says 'http:// to TLS' 'does it speak TLS. then https://' 1 get ports --api "http://127.0.0.1:$port"
says 'https:// to what is none' 'does it speak TLS at that port. else http://' 1 get ports --api "${odd/http/https}"
says 'something else' "answers 500, and does not say why .is it a skep-api" 1 get ports --api "$odd"
settings+=("https_proxy=http://127.0.0.1:1")
says 'a proxy that is not there' 'https_proxy or all_proxy is in the environment; no_proxy' 1 get ports --api "$url"
settings+=("no_proxy=127.0.0.1")
says '... is not asked for what no_proxy names' 'wants a token' 1 get ports --api "$url"

# --- 'later' ---
settings=()
asked() { grep -c " $1 " "$work/odd"; }
says '429: it is asked again when the server says' '{"well": true}' 0 api /later-429-1-2 --api "$odd"
equal '... so often' 3 "$(asked /later-429-1-2)"
says '503, a read' '{"well": true}' 0 api /later-503-1-1 --api "$odd"
says '503, a change: it may have been done' 'too much to do .try again in 1 s' 1 api post /later-503-1-9 --api "$odd"
equal '... is asked once' 1 "$(asked /later-503-1-9)"
says '429, a change: nothing was done, so again' '{"well": true}' 0 api post /later-429-1-1 --api "$odd"
says 'much later' 'too much to do .try again in 3600 s' 1 api /later-429-3600-1 --api "$odd"
says 'who does not say when is not asked again' 'too much to do' 1 api /later-429-0-1 --api "$odd"
equal '... is asked once' 1 "$(asked /later-429-0-1)"
