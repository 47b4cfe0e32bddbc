#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Requests made from the OpenAPI document: right ones, and each field wrong in each way.  SEED=N for others.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh
. selftests/api/up.sh
. selftests/api/npm.sh

if ! npm_install; then
	echo "ok 1 - requests made from the document # SKIP npm is not there"
	n_tests=1
	exit 0
fi
echo '{tenant: gen, bridges: [{name: first}]}' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
api_up
API_SOCKET=$work/api.sock TENANT=gen run_node selftests/api/generated.js | tee "$work/out"
n_tests=$(grep -cE '^(not )?ok ' "$work/out") n_failed=$(grep -cE '^not ok ' "$work/out")
grep -q '^1\.\.' "$work/out" || not_ok 'generated.js came to its end'
check 'skep-api still answers' api_answers
