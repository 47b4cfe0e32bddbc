#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A tenant's name is given away again: nothing of the one before is seen, undone or opened by the next one, nor by who was shut out with it.
. "$(dirname "$0")/servers.sh"

b64url() { basenc --base64url -w0 | tr -d '='; }
openssl genpkey -algorithm ed25519 -out "$work/ed.pem" || bail 'openssl cannot make a key'
printf '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "%s"}]}' \
	"$(openssl pkey -in "$work/ed.pem" -pubout -outform DER | tail -c 32 | b64url)" >"$work/jwks.json"
jwt() { # [MORE-CLAIMS]: of an admin of 'flat'
	local input
	input=$(printf '{"alg": "EdDSA", "kid": "ed"}' | b64url).$(printf '{"iss": "https://id.example", "aud": "skep", "sub": "ann", "exp": %d,
		"tenant": "flat", "role": "tenant-admin"%s}' $(($(date +%s) + 600)) "${1:+, $1}" | b64url)
	printf %s "$input" >"$work/input"
	echo "$input.$(openssl pkeyutl -sign -rawin -inkey "$work/ed.pem" -in "$work/input" | b64url)"
}
items() { python3 -c 'import json, sys; print(len(json.loads(sys.argv[1])["items"]))' "$body"; }
newest() { call 1 GET "$T/audit?limit=1" "$OP"; field items.0.id; }

servers_up
oidc=(oidc.issuer=https://id.example oidc.audience=skep "oidc.jwks=$work/jwks.json")
api_start 1 "${oidc[@]}"
T=/api/v1/tenants/flat

# --- the first one ---
answers 'a tenant' 201 1 PUT $T "$OP" -d '{}'
first=$(make_token tenant-admin flat)
ann=$(jwt)
answers '... writes' 201 1 PUT $T/bridges/secret "$first" -d '{"description": "of the first"}'
call 1 PUT $T/ports/p "$first" -d '{"bridge": "secret"}'
answers '... describes itself again' 200 1 PUT $T "$OP" -d '{"description": "x"}'
answers '... and its token is good still' 200 1 GET $T/audit "$first"
equal '... for all that it did' 2 "$(items)"
answers 'who reads its events' 200 1 GET $T "$first"
curl -sN --max-time 1 -H "Authorization: Bearer $first" "http://127.0.0.1:8461$T/events" >"$work/stream"
seen=$(sed -n 's/^id: //p' "$work/stream" | tail -n 1)
[ -n "$seen" ] && ok '... knows where it was' || not_ok '... knows where it was'
call 1 PUT $T/bridges/late "$first" -d '{"description": "of the first, too"}'
call 1 GET "/api/v1/audit" "$first"
about=$(items)
[ "$about" -gt 0 ] && ok 'it is told of its own tokens' || not_ok 'it is told of its own tokens'
api_space=$(redis-cli -s "$work/db.sock" --raw keys 'skep:*_api:o')
record=$(redis-cli -s "$work/db.sock" --raw hget "$api_space" "token/$(cut -d_ -f2 <<<"$first")")
answers 'it is deleted' 204 1 DELETE "$T?recursive=true" "$OP"
gone=$(newest)
answers 'a token for it is refused: it is not there' 422 1 POST /api/v1/tokens "$OP" -d '{"name": "x", "role": "tenant-admin", "tenant": "flat"}'
contains '... told so' "tenant 'flat' does not exist" "$body"
answers '... also to an admin of it, by the issuer' 422 1 POST /api/v1/tokens "$ann" -d '{"name": "x", "role": "tenant-admin"}'
answers '... and one of a tenant that never was' 422 1 POST /api/v1/tokens "$OP" -d '{"name": "x", "role": "tenant-admin", "tenant": "never"}'
answers 'its audit is not there either' 404 1 GET $T/audit "$ann"
answers '... but for operators' 200 1 GET $T/audit "$OP"

# --- the next one of its name ---
answers 'the next one' 201 1 PUT $T "$OP" -d '{}'
second=$(make_token tenant-admin flat)
answers '... writes' 201 1 PUT $T/bridges/own "$second" -d '{}'
answers '... sees of the audit' 200 1 GET $T/audit "$second"
equal '... its own only' 1 "$(items)"
refute '... nothing of the first' grep -q secret <<<"$body"
answers '... also not by the id of an entry' 404 1 GET "$T/audit/$gone" "$second"
answers '... nor behind a cursor' 200 1 GET "$T/audit?cursor=$(newest)" "$second"
equal '... which has nothing' '0 ' "$(items) $(field next)"
answers '... and undoes nothing of it' 404 1 POST "$T/audit/$gone/undo" "$second"
answers '... of tokens and quotas' 200 1 GET /api/v1/audit "$second"
equal '... it is told of what concerns it' 2 "$(items)"
answers 'operators see all of it' 200 1 GET $T/audit "$OP"
[ "$(items)" -gt 4 ] && ok '... also what was before' || not_ok '... also what was before'
curl -sN --max-time 1 -H "Authorization: Bearer $second" -H "Last-Event-ID: $seen" "http://127.0.0.1:8461$T/events" >"$work/stream"
contains 'events where the first one was: a reset' 'event: reset' "$(cat "$work/stream")"
refute '... without what it did' grep -q 'of the first' "$work/stream"
answers 'it describes itself' 200 1 PUT $T "$OP" -d '{"description": "y"}'
answers '... and sees no more' 200 1 GET $T/audit "$second"
equal '... than before' 1 "$(items)"
answers 'what the issuer told the first one' 401 1 GET $T/bridges "$(jwt "\"iat\": $(($(date +%s) - 3600))")"
contains '... opens nothing' 'issued before its tenant was made' "$body"
answers '... but a newer one' 200 1 GET $T/bridges "$(jwt "\"iat\": $(($(date +%s) + 1))")"

# --- what a deletion that was cut short leaves ---
answers 'the first one does not come in' 401 1 GET $T/bridges "$first"
redis-cli -s "$work/db.sock" hset "$api_space" "token/$(cut -d_ -f2 <<<"$first")" "$record" >/dev/null
api_start 2 "${oidc[@]}"
answers '... also if its token was left' 401 2 GET $T/bridges "$first"
answers '... the second one does' 200 2 GET $T/bridges "$second"
record=$(redis-cli -s "$work/db.sock" --raw hget "$api_space" "token/$(cut -d_ -f2 <<<"$second")")
life=$(redis-cli -s "$work/db.sock" --raw hget "$api_space" tenant/flat)
answers 'it is deleted, too' 204 2 DELETE "$T?recursive=true" "$OP"
redis-cli -s "$work/db.sock" hset "$api_space" "token/$(cut -d_ -f2 <<<"$second")" "$record" tenant/flat "$life" >/dev/null
for n in 1 2; do api_stop $n; done
api_start 1 "${oidc[@]}"
answers 'its token was left' 200 1 GET /api/v1/whoami "$second"
answers 'the third one' 201 1 PUT $T "$OP" -d '{}'
answers '... is not opened by it' 401 1 GET $T/bridges "$second"
api_stop 1
