#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/api-guide.md: its commands, as written, against a server that listens on TCP, with a token.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
. selftests/api/up.sh

api_tcp_answers() { curl -sf --max-time 2 "$API/readyz"; }
program=$API
for _ in {1..20}; do
	port=$((20000 + RANDOM % 20000))
	(: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
done
api_up --set "listen=unix:$work/api.sock,127.0.0.1:$port"
export API=http://127.0.0.1:$port TOKEN PATH=$(dirname "$(realpath "$SKEP")"):$PATH
unset SKEP_DB
TOKEN=$("$program" -c /dev/null --set db.mode=server --set "db.addresses=unix:$work/db.sock" --make-token guide 2>/dev/null) || bail 'skep-api --make-token'
check 'the server answers on TCP' api_tcp_answers
mkdir "$work/guide"
selftests/api/guide.py docs/api-guide.md "$work/guide" >"$work/out"
sed -n 's/^\(not \)\{0,1\}ok [0-9]* - /\1ok - /p; /^#/p' "$work/out" | awk -v n=$n_tests '/^(not )?ok/ { n++; sub(/ok - /, "ok " n " - ") } { print }'
n_tests=$((n_tests + $(grep -cE '^(not )?ok ' "$work/out"))) n_failed=$((n_failed + $(grep -cE '^not ok ' "$work/out")))
grep -q '^1\.\.' "$work/out" || not_ok 'the guide was read to its end'
check 'the server still answers' api_tcp_answers
