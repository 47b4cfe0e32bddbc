#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The OpenAPI document: it is valid, linted, complete, and what the server answers is what it says.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
. selftests/api/up.sh
. selftests/api/npm.sh

check 'skep-api --openapi prints the document' sh -c "'$API' --openapi >'$work/openapi.json'"
if ! npm_install; then
	echo "ok $((n_tests + 1)) - the document is valid # SKIP npm is not there"
	exit 0
fi
check '... which is valid OpenAPI 3.1' "$modules/.bin/validate-api" "$work/openapi.json"
cat >"$work/spectral.yaml" <<'YAML'
extends: spectral:oas
rules:
  operation-tag-defined: error
  operation-description: error
  operation-operationId-unique: error
  oas3-unused-component: error
YAML
check '... and has nothing that spectral complains about' \
	"$modules/.bin/spectral" lint "$work/openapi.json" --ruleset "$work/spectral.yaml" --fail-severity warn --quiet

# the document's own examples, as one network
node -e 'const d = JSON.parse(require("fs").readFileSync(process.argv[1])), out = { tenant: "t" };
	for (const p of Object.keys(d.components.schemas.document.properties)) {
		const item = d.components.schemas.document.properties[p].items;
		if (item) out[p] = d.components.schemas[item.$ref.split("/").pop()].examples;
	}
	console.log(JSON.stringify(out));' "$work/openapi.json" >"$work/examples.json"
check 'the examples of all kinds together are a network' "$SKEP" apply -f "$work/examples.json"
api_up
curl -s --unix-socket "$work/api.sock" http://api/openapi.json | node -e 'process.stdout.write(JSON.stringify(JSON.parse(require("fs").readFileSync(0))))' >"$work/served"
node -e 'process.stdout.write(JSON.stringify(JSON.parse(require("fs").readFileSync(0))))' <"$work/openapi.json" >"$work/printed"
check 'the server serves the same document' cmp "$work/served" "$work/printed"
doc() { curl -s --unix-socket "$work/api.sock" -D "$work/headers" -o "$work/doc" -w '%{http_code} %{size_download}' "$@" http://api/openapi.json; }
said() { tr -d '\r' <"$work/headers" | sed -n "s/^$1: //Ip"; }
read -r status plain <<<"$(doc)"
etag=$(said ETag)
cp "$work/doc" "$work/raw"
contains '... with a strong ETag' '^"[0-9a-f]+"$' "$etag"
equal '... that may be kept, and is asked for again' no-cache "$(said Cache-Control)"
equal '... by what the client takes' Accept-Encoding "$(said Vary)"
equal '... which it is not sent twice' '304 0' "$(doc -H "If-None-Match: \"other\", W/$etag")"
equal '... but told its tag' "$etag" "$(said ETag)"
read -r status packed <<<"$(doc -H 'Accept-Encoding: br, gzip;q=0.5')"
equal '... compressed for who takes that' gzip "$(said Content-Encoding)"
[ "$packed" -lt $((plain / 5)) ] && ok "... to $packed of $plain bytes" || not_ok "... to $packed of $plain bytes"
check '... and the same' sh -c "gzip -dc '$work/doc' | cmp - '$work/raw'" 2>/dev/null
refute '... with a tag of its own' test "$etag" = "$(said ETag)"
equal '... which is known as well' '304 0' "$(doc -H 'Accept-Encoding: gzip' -H "If-None-Match: $(said ETag)")"
for no in 'gzip;q=0' 'identity' 'gzip;q=0, *' 'deflate'; do
	doc -H "Accept-Encoding: $no" >/dev/null
	equal "... as it is for '$no'" '' "$(said Content-Encoding)"
done

n_before=$n_tests
API_SOCKET=$work/api.sock TENANT=t run_node selftests/api/answers.js >"$work/answers" 2>&1 || n_failed=$((n_failed + 1))
grep -q '^1\.\.' "$work/answers" || not_ok 'answers.js came to its end'
awk -v n="$n_before" '/^(not )?ok [0-9]+/ { n++; sub(/ok [0-9]+/, "ok " n) } !/^1\.\./' "$work/answers"
n_tests=$((n_before + $(grep -cE '^(not )?ok ' "$work/answers")))
check 'and the server lives' api_answers
