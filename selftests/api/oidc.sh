#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tokens of an external issuer: keys from a file and from a URL, rotated; what is refused.  Keys and signatures are made with openssl.
. "$(dirname "$0")/servers.sh"

b64url() { basenc --base64url -w0 | tr -d '='; }
for k in one two evil; do
	openssl genrsa -out "$work/$k.pem" 2048 2>/dev/null || bail 'openssl cannot make a key'
	openssl rsa -in "$work/$k.pem" -pubout -out "$work/$k.pub" 2>/dev/null
done
openssl genpkey -algorithm ed25519 -out "$work/ed.pem" || bail 'openssl cannot make a key'
rsa_jwk() { # KEY
	printf '{"kty": "RSA", "use": "sig", "kid": "%s", "e": "AQAB", "n": "%s"}' "$1" \
		"$(openssl rsa -in "$work/$1.pem" -noout -modulus | cut -d= -f2 | basenc --base16 -d | b64url)"
}
ed_jwk() { printf '{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "%s"}' "$(openssl pkey -in "$work/ed.pem" -pubout -outform DER | tail -c 32 | b64url)"; }
keys() { # JWK...: the set, in place at once
	local IFS=,
	printf '{"keys": [%s]}' "$*" >"$work/keys.new"
	mv "$work/keys.new" "$work/keys/jwks.json"
}
now=$(date +%s)
claims() { # [MORE]: of a good token; a later member is put in place of an earlier one
	python3 -c 'import json, sys
c = {"iss": "https://id.example", "aud": "skep", "sub": "ann", "exp": int(sys.argv[1]) + 600, "tenant": "acme", "role": "tenant-admin"}
for k, v in json.loads(sys.argv[2]).items():
	c[k] = v
print(json.dumps({k: v for k, v in c.items() if v is not None}))' "$now" "${1:-"{}"}"
}
jwt() { # KEY [CLAIMS [HEADER]]
	local header=${3:-} input
	[ -n "$header" ] || { [ "$1" = ed ] && header='{"alg": "EdDSA", "kid": "ed"}' || header="{\"alg\": \"RS256\", \"kid\": \"$1\"}"; }
	input=$(printf %s "$header" | b64url).$(claims "${2:-}" | b64url)
	printf %s "$input" >"$work/input"
	case $1 in
	ed) echo "$input.$(openssl pkeyutl -sign -rawin -inkey "$work/ed.pem" -in "$work/input" | b64url)" ;;
	*) echo "$input.$(openssl dgst -sha256 -sign "$work/$1.pem" "$work/input" | b64url)" ;;
	esac
}

mkdir "$work/keys"
servers_up
printf 'tenant: acme\nbridges: [{name: b1}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
T=/api/v1/tenants/acme
keys "$(rsa_jwk one)" "$(ed_jwk)"
oidc=(oidc.issuer=https://id.example oidc.audience=skep)
api_start 1 "${oidc[@]}" "oidc.jwks=$work/keys/jwks.json"

# --- from a file ---
answers 'a token of the issuer (RS256)' 200 1 GET /api/v1/whoami "$(jwt one)"
equal '... who' 'ann tenant-admin acme' "$(field name) $(field role) $(field tenant)"
answers '... (EdDSA)' 200 1 GET /api/v1/whoami "$(jwt ed '{"sub": "bob", "role": "tenant-reader"}')"
equal '... who' 'bob tenant-reader acme' "$(field name) $(field role) $(field tenant)"
token=$(jwt one)
answers 'it writes' 201 1 PUT $T/bridges/b2 "$token" -d '{}'
answers '... and is told of by name' 200 1 GET "$T/audit?by=ann" "$token"
contains '... in the audit' '"by":"ann"' "$body"
contains '... who that is' '"source":"issuer","issuer":"https://id.example","subject":"ann"' "$body"
answers '... in its tenant only' 404 1 GET /api/v1/tenants/other "$token"
refused() { # TEXT TOKEN PATTERN
	call 1 GET /api/v1/whoami "$2"
	if [ "$status" = 401 ]; then contains "$1: refused" "$3" "$body"; else not_ok "$1: refused ($status)"; fi
	# who fails often is slowed down: wait until this one may fail again
	local until=$((SECONDS + 3))
	while [ "$status" = 429 ] && [ $SECONDS -lt $until ]; do pause; call 1 GET /api/v1/whoami "$2"; done
}
none="$(printf '{"alg": "none", "kid": "one"}' | b64url).$(claims | b64url)."
refused 'algorithm none' "$none" 'algorithm is not allowed'
hs="$(printf '{"alg": "HS256", "kid": "one"}' | b64url).$(claims | b64url)"
hs=$hs.$(printf %s "$hs" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(basenc --base16 -w0 "$work/one.pub")" -binary | b64url)
refused 'the public key as a secret (HS256)' "$hs" 'algorithm is not allowed'
refused "another's key under a known name" "$(jwt evil '{}' '{"alg": "RS256", "kid": "one"}')" 'signature is wrong'
refused "another's key" "$(jwt evil)" 'no such key'
refused 'expired' "$(jwt one "{\"exp\": $((now - 61))}")" 'has expired'
refused 'without end' "$(jwt one '{"exp": null}')" 'when it expires'
refused 'not valid yet' "$(jwt one "{\"nbf\": $((now + 300))}")" 'not valid yet'
refused 'another issuer' "$(jwt one '{"iss": "https://id.example/evil"}')" 'another issuer'
refused 'another audience' "$(jwt one '{"aud": ["x", "y"]}')" 'another audience'
refused 'no role' "$(jwt one '{"role": "admin"}')" 'no role'
refused 'no tenant' "$(jwt one '{"tenant": null}')" 'names no tenant'
refused 'a space of the database for a tenant' "$(jwt one '{"tenant": "_api"}')" 'names no tenant'
answers 'clocks may differ by a minute' 200 1 GET /api/v1/whoami "$(jwt one "{\"exp\": $((now - 30))}")"
names=
for sub in 'a|b' 'a b' root skep-api "$(printf 'x%.0s' {1..62})yz" "$(printf 'x%.0s' {1..62})yw"; do
	call 1 PUT $T/bridges/b3 "$(jwt ed "{\"sub\": \"$sub\"}")" -d "{\"description\": \"$sub\"}"
	call 1 GET "$T/audit?limit=1" "$token"
	equal "subject '${sub:0:8}' is told of as it is" "$sub" "$(field items.0.subject)"
	names+="$(field items.0.by)"$'\n'
done
equal '... each by another name' 6 "$(sort -u <<<"${names%?}" | wc -l)"
refute '... none by one that others have' grep -qx 'root\|skep-api' <<<"$names"
call 1 POST /api/v1/session '' -d "{\"token\": \"$(jwt ed '{"sub": "a|b"}')\"}"
cookie=$(sed -n 's/^set-cookie: \(skep_session=[^;]*\).*/\1/Ip' <<<"$headers") csrf=$(field csrf)
call 1 PUT $T/bridges/b3 '' -H "Cookie: $cookie" -H "X-CSRF-Token: $csrf" -d '{"description": "by session"}'
call 1 GET "$T/audit?limit=1" "$token"
equal 'a session says whose it is' 'session a|b' "$(field items.0.source) $(field items.0.subject)"
answers 'an operator of the issuer' 200 1 GET /api/v1/status "$(jwt one '{"role": ["x", "operator"], "tenant": null}')"
call 1 POST /api/v1/session '' -d "{\"token\": \"$(jwt one)\"}"
equal 'a session is begun with one' 201 "$status"
[ "$(field expires)" -le $((now + 700)) ] && ok '... and ends with it' || not_ok "... and ends with it ($(field expires))"
contains '... the cookie too' 'Max-Age=6[0-9][0-9]' "$(header Set-Cookie)"
keys "$(rsa_jwk two)"
changed() { call 1 GET /api/v1/whoami "$(jwt two)"; [ "$status" = 200 ]; }
wait_for 10 changed && ok 'the file is read again when it changes' || not_ok 'the file is read again when it changes'
call 1 GET /api/v1/whoami "$token"
equal '... a key that is gone lets nobody in, not even again' 401 "$status"
echo nonsense >"$work/keys/jwks.json"
told() { grep -q 'keeping the old ones' "$work/api1/log"; }
asked() { call 1 GET /api/v1/whoami "$(jwt two)"; told; }
wait_for 10 asked && ok 'a file that is damaged is told of' || not_ok 'a file that is damaged is told of'
answers '... and what was known stays' 200 1 GET /api/v1/whoami "$(jwt two '{"sub": "carl"}')"
api_stop 1

# --- configuration ---
started() { timeout 10 "$API" -c /dev/null --set "db.addresses=unix:$work/db.sock" --set "listen=127.0.0.1:8469" --set oidc.issuer=https://id.example "$@" 2>&1; }
contains 'a file that is not there: said at the start' 'oidc.jwks.*nosuch.*No such file' "$(started --set "oidc.jwks=$work/nosuch")"
contains '... that has no keys' 'not a JSON Web Key Set' "$(started --set "oidc.jwks=$work/keys/jwks.json")"
for url in http://id.example/jwks ftp://127.0.0.1/x file:///etc/passwd http://127.0.0.1.evil.example/ http://localhost:80@evil.example/; do
	contains "... nor from $url" 'is not allowed \(want a file, https' "$(started --set "oidc.jwks=$url")"
done

# --- from a URL ---
cat >"$work/server.py" <<'PY'
import http.server, os, sys, time
class H(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        with open("../asked", "a") as f:
            f.write(self.path + "\n")
        while os.path.exists("../hang"):
            time.sleep(0.1)
        super().do_GET()
    def log_message(self, *a):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8480), H).serve_forever()
PY
keys "$(rsa_jwk one)"
(cd "$work/keys" && exec python3 "$work/server.py") &
background+=($!)
serving() { curl -sf http://127.0.0.1:8480/; }
wait_for 5 serving || bail 'no server'
: >"$work/asked"
asked() { grep -c jwks "$work/asked"; }
api_start 2 "${oidc[@]}" oidc.jwks=http://127.0.0.1:8480/jwks.json
answers 'keys from a URL' 200 2 GET /api/v1/whoami "$(jwt one)"
keys "$(rsa_jwk one)" "$(rsa_jwk two)"
before=$(asked)
answers 'a key that is new is asked for at once' 200 2 GET /api/v1/whoami "$(jwt two)"
equal '... once' $((before + 1)) "$(asked)"
for i in {1..10}; do call 2 GET /api/v1/whoami "$(jwt evil '{}' "{\"alg\": \"RS256\", \"kid\": \"evil$i\"}")"; done
equal '... keys that nobody has make no more questions' $((before + 1)) "$(asked)"
evil=$(jwt evil '{}' '{"alg": "RS256", "kid": "one"}')
neighbours=("$(jwt two '{"sub": "n1"}')" "$(jwt two '{"sub": "n2"}')" "$(jwt two '{"sub": "n3"}')")
n429=0
for _ in {1..40}; do
	call 2 GET /api/v1/whoami "$evil"
	[ "$status" = 429 ] && n429=$((n429 + 1))
done
[ $n429 -gt 0 ] && ok "an address that shows wrong tokens is slowed down ($n429 of 40)" || not_ok 'an address that shows wrong tokens is slowed down'
for good in "${neighbours[@]}"; do answers '... and who shares it is let in' 200 2 GET /api/v1/whoami "$good"; done
api_stop 2
touch "$work/hang"
api_start 2 "${oidc[@]}" oidc.jwks=http://127.0.0.1:8480/jwks.json
(call 2 GET /api/v1/whoami "$(jwt one)"; echo "$status" >"$work/waited") &
waiting=$!
answers 'an issuer that hangs: others are served meanwhile' 200 2 GET /api/v1/whoami "$OP"
took=$(curl -s -o /dev/null -w '%{time_total}' -H "Authorization: Bearer $OP" http://127.0.0.1:8462/api/v1/whoami)
python3 -c "import sys; sys.exit(not float('$took') < 0.5)" && ok "... at once ($took s)" || not_ok "... at once ($took s)"
rm "$work/hang"
wait $waiting
equal '... and who waits for it is let in when it answers' 200 "$(cat "$work/waited")"
api_stop 2
