#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes that wait until hosts have them (?wait): many at once ask the state DB as one does; when the server stops they are told that they were done.
. "$(dirname "$0")/servers.sh"

servers_up
printf 'tenant: acme\nbridges: [{name: b}]\nports: [{name: p, bridge: b, mac: "02:00:00:00:00:01"}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
redis() { redis-cli -s "$work/db.sock" "$@"; }
redis set 'skep:{hosts}:lease:host/h1' x PX 600000 >/dev/null && redis sadd 'skep:{hosts}:leases' host/h1 >/dev/null || bail 'no lease' # an agent that says nothing
api_start 1
A=/api/v1/tenants/acme
answers 'a binding' 201 1 PUT $A/bindings/p "$OP" -d '{"host": "h1", "interface": "tap0"}'
answers 'a host that does not say so is waited for' 202 1 PUT "$A/bridges/b1?wait=200ms" "$OP" -d '{}'
equal '... by name' h1 "$(field waiting_for.0)"
cat >"$work/waiters.py" <<'PY'
import collections, http.client, sys, threading
token, n = sys.argv[1], 100
got = collections.Counter()
def one(i):
    try:
        c = http.client.HTTPConnection("127.0.0.1", 8461, timeout=60)
        c.request("PUT", "/api/v1/tenants/acme/bridges/w%d?wait=30s" % i, "{}", {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
        got[c.getresponse().status] += 1
    except Exception as e: got[type(e).__name__] += 1
threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
for t in threads: t.start()
for t in threads: t.join()
print(" ".join("%s:%d" % x for x in got.items()))
PY
python3 "$work/waiters.py" "$OP" >"$work/waiters" &
waiters=$!
background+=("$waiters")
all_written() { call 1 GET "$A/bridges?limit=1&filter=name:w*" "$OP"; [ "$(field total)" = 100 ]; }
wait_for 15 all_written || not_ok '100 writes that wait'
calls() { redis info commandstats | sed -n 's/^cmdstat_\(hgetall\|evalsha\|fcall\|fcall_ro\|eval\|get\|hget\)[^:]*:calls=\([0-9]*\),.*/\2/p' | awk '{ n += $1 } END { print n }'; }
before=$(calls) at=$(date +%s%N)
more() { [ $(($(calls) - before)) -ge 100 ] && [ $(($(date +%s%N) - at)) -gt 500000000 ]; }
wait_for 15 more || not_ok '... which look'
rate=$((($(calls) - before) * 1000000000 / ($(date +%s%N) - at)))
[ $rate -lt 500 ] && ok "100 that wait ask $rate times a second" || not_ok "100 that wait ask $rate times a second"
start=$SECONDS
api_stop 1
wait $waiters
equal 'when the server stops, they are told that they were written' '202:100' "$(cat "$work/waiters")"
[ $((SECONDS - start)) -lt 4 ] && ok '... at once' || not_ok "... at once ($((SECONDS - start)) s)"
