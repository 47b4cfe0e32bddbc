#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A tenant is deleted at one server while others write into it, make tokens of it, and make it again: nothing of it stays, and nobody is told that something was done
# which is not there.
. "$(dirname "$0")/servers.sh"

servers_up
api_start 1 limits.rate=1000000 limits.burst=1000000
api_start 2 limits.rate=1000000 limits.burst=1000000
T=/api/v1/tenants
db() { redis-cli -s "$work/db.sock" --raw "$@"; }
api_records=$(db keys 'skep:*:t:_api:o')

cat >"$work/race.py" <<'PY'
# rounds of: writers at both servers, as the operator and as the tenant's admin, and one who deletes the tenant in their midst
import http.client, json, sys, threading
op, rounds = sys.argv[1], int(sys.argv[2])

class Server:
    def __init__(self, n, token):
        self.c, self.token = http.client.HTTPConnection("127.0.0.1", 8460 + n, timeout=30), token
    def call(self, method, path, body=None, **headers):
        self.c.request(method, path, json.dumps(body) if body is not None else None,
                       {"Authorization": "Bearer " + self.token, "Content-Type": "application/json", **headers})
        r = self.c.getresponse()
        return r.status, r.read(), r.headers

root, problems, after_end, written = Server(1, op), [], 0, 0
def faster(status, body): return status == 409 and b"was changed meanwhile" in body
def check(ok, text):
    if not ok: problems.append(text)

for k in range(rounds):
    t = "t%d" % k
    path = "/api/v1/tenants/" + t
    status, body, _ = root.call("PUT", path, {})
    check(status == 201, "%s is made: %d %s" % (t, status, body))
    status, body, _ = root.call("POST", "/api/v1/tokens", {"name": "admin", "role": "tenant-admin", "tenant": t})
    admin = json.loads(body)["token"]
    go, tokens, done, lock = threading.Barrier(5), [], [], threading.Condition()

    def writer(n, token, nth):
        s = Server(n, token)
        go.wait()
        for i in range(200):
            status, body, _ = s.call("POST", path + "/bridges", {"name": "w%d-%d" % (nth, i)}, **{"Idempotency-Key": "w%d-%d" % (nth, i)})
            with lock:
                done.append((nth, i, status, body))
                lock.notify()
            if status in (404, 401, 429): return # 429: too many of its wrong tokens
    def tokener():
        s = Server(2, admin)
        go.wait()
        for i in range(50):
            status, body, _ = s.call("POST", "/api/v1/tokens", {"name": "x%d" % i, "role": "tenant-admin"})
            if status == 201: tokens.append(json.loads(body)["token"])
            elif status in (401, 403, 429) or (status == 422 and b"does not exist" in body): return
            else: return problems.append("a token: %d %s" % (status, body))
    threads = [threading.Thread(target=writer, args=a) for a in ((1, op, 1), (2, op, 2), (2, admin, 3))] + [threading.Thread(target=tokener)]
    for x in threads: x.start()
    go.wait()
    s = Server(1 + k % 2, op)
    with lock: check(lock.wait_for(lambda: len(done) >= 5 + k % 17, 30), "%s is written" % t)
    for _ in range(50): # others may be faster, again and again
        status, body, _ = s.call("DELETE", path + "?recursive=true")
        if not faster(status, body): break
    check(status == 204, "%s is deleted: %d %s" % (t, status, body))
    # from here on it is not there, at the server that said so
    status, body, _ = s.call("GET", path)
    check(status == 404, "%s is there after its end: %d %s" % (t, status, body))
    for x in threads: x.join()
    for nth, i, status, body in done:
        check(status in (201, 404) or faster(status, body) or (nth == 3 and status in (401, 429)), "write w%d-%d: %d %s" % (nth, i, status, body))
    written += sum(d[2] == 201 for d in done)
    after_end += sum(d[2] != 201 for d in done)
    # the next one of its name: nothing is in it, and no token of before opens it, at any server
    if k % 3 == 0:
        status, body, _ = Server(2 - k % 2, op).call("PUT", path, {})
        check(status == 201, "%s is made again: %d %s" % (t, status, body))
        for n in (1, 2):
            status, body, _ = Server(n, op).call("GET", "/api/v1/tenants")
            check(t in [x["name"] for x in json.loads(body)["items"]], "%s is not on the list of server %d" % (t, n))
        status, body, headers = Server(1 + k % 2, op).call("POST", path + "/bridges", {"name": "w1-0"}, **{"Idempotency-Key": "w1-0"})
        check(status == 201 and not headers.get("Idempotent-Replay"), "an Idempotency-Key of the one before is known: %d %s" % (status, body))
        status, body, _ = Server(2, op).call("DELETE", path + "?recursive=true")
        check(status == 204, "%s is deleted again: %d %s" % (t, status, body))
    for token in tokens + [admin]:
        for n in (1, 2):
            status, body, _ = Server(n, token).call("GET", "/api/v1/whoami")
            if status == 200: problems.append("a token of %s still opens server %d" % (t, n)); break
print("%d writes before, %d after" % (written, after_end), file=sys.stderr)
for p in problems[:20]: print(p)
PY
equal 'tenants that are deleted while others write: what is told is so' '' "$(python3 "$work/race.py" "$OP" "${ROUNDS:-40}" 2>"$work/said")"
note <"$work/said"
left() { # what is still in the database, but for the records that say that there was such a tenant
	local k
	for k in $(db keys 'skep:*:t:t[0-9]*:o'); do db hkeys "$k" | grep -v '^info/tenant$' | sed "s,^,$k ,"; done
	db keys 'skep:*:t:t[0-9]*:stash:reserved'
	db hgetall "$api_records" | grep -E '"tenant":"t[0-9]+"'
	db hkeys skep:{meta}:tenants | grep '^t[0-9]'
	for k in $(db keys 'skep:*:t:t[0-9]*:o'); do db hget "$k" info/tenant | grep -v '"deleted":true}$'; done
}
equal '... and nothing stays' '' "$(left)"

# --- one who dies between what is told and what is done: the state DB takes nothing but what lies with the audit meanwhile ---
told() { # how many entries there are of it
	call 2 GET "/api/v1/audit?object=tenant/$1" "$OP"
	python3 -c 'import json, sys; print(len(json.loads(sys.argv[1])["items"]))' "$body"
}
made() { call 2 GET $T/torn "$OP"; [ "$status" = 200 ] && [ "$(field description)" = "$1" ]; }
closed() { db hget "$api_records" tenant/torn | grep -qv '"open"'; }
for description in first second; do
	db acl setuser default -xadd '(+xadd ~skep:*:t:_api:*)' >/dev/null
	call 1 PUT $T/torn "$OP" -d "{\"description\": \"$description\"}"
	[ "$status" -ge 500 ] && ok "a tenant's $description description is not written ($status)" || not_ok "a tenant's $description description is not written ($status)"
	kill -9 "${api_pid[1]}"
	wait "${api_pid[1]}" 2>/dev/null
	refute '... nor there' made $description
	db acl setuser default clearselectors +xadd >/dev/null
	wait_for 20 made $description && ok '... what the audit tells of is done by another server' || not_ok '... what the audit tells of is done by another server'
	wait_for 10 closed && ok '... once' || not_ok '... once'
	api_start 1 limits.rate=1000000 limits.burst=1000000
done
equal '... each is told of once' 2 "$(told torn)"
call 1 GET $T "$OP"
contains '... it is on the list' '"torn"' "$body"
answers '... it has tokens' 200 2 GET $T/torn "$(make_token tenant-reader torn)"

# --- two who delete it at the same time; one who dies in between ---
# ... while it is deleted
call 1 PUT $T/torn/bridges/b "$OP" -d '{}'
token=$(make_token tenant-admin torn)
ended() { call 2 GET "/api/v1/tokens/$(cut -d_ -f2 <<<"$token")" "$OP"; [ "$status" = 404 ]; }
n=$(told torn)
db acl setuser default -xlen '(+xlen ~skep:*:t:torn:* ~skep:*:t:_api:log)' >/dev/null # what is told of cannot be, with what goes with it
call 1 DELETE "$T/torn?recursive=true" "$OP"
[ "$status" -ge 500 ] && ok "a tenant's end gets stuck ($status)" || not_ok "a tenant's end gets stuck ($status)"
kill -9 "${api_pid[1]}"
wait "${api_pid[1]}" 2>/dev/null
answers '... when it has no configuration any more' 404 2 GET $T/torn "$OP"
refute '... but tokens' ended
db acl setuser default clearselectors +xlen >/dev/null
wait_for 20 ended && ok '... another server ends it' || not_ok '... another server ends it'
over() { db hget "$api_records" tenant/torn | grep -q '"deleted":[0-9]*}$'; }
wait_for 20 over && ok '... once' || not_ok '... once'
equal '... which is told of' $((n + 1)) "$(told torn)"
call 2 GET '/api/v1/audit?object=tenant/torn&limit=1' "$OP"
equal '... with who had begun' "DELETE $T/torn" "$(field items.0.method) $(field items.0.path)"
api_start 1 limits.rate=1000000 limits.burst=1000000
answers '... it can be made again' 201 1 PUT $T/torn "$OP" -d '{}'
answers '... and is empty' 200 1 GET $T/torn/bridges "$OP"
equal '... of the one before' 0 "$(field total)"

for i in {1..10}; do
	call 1 PUT $T/twice "$OP" -d '{}'
	call 2 PUT $T/twice/bridges/b "$OP" -d '{}'
	curl -s --max-time 20 -o "$work/out1" -w '%{http_code}' -X DELETE -H "Authorization: Bearer $OP" "http://127.0.0.1:8461$T/twice?recursive=true" >"$work/one" &
	one=$!
	call 2 DELETE "$T/twice?recursive=true" "$OP"
	wait $one
	case "$(cat "$work/one") $status" in '204 204' | '204 404' | '404 204') ;; *) not_ok "two who delete: $(cat "$work/one") $status" ;; esac
done
call 1 GET $T "$OP"
refute 'two who delete a tenant: it is gone' grep -q twice <<<"$body"
call 1 PUT $T/half "$OP" -d '{}'
call 1 PUT $T/half/bridges/b "$OP" -d '{}'
token=$(make_token tenant-admin half)
key=$(db keys 'skep:*:t:half:o')
# as a server leaves it that dies behind the first step
crev=$(db get "${key%:o}:crev") rev=$(($(db get "${key%:o}:rev") + 1))
db eval "redis.call('HDEL', KEYS[1], 'bridge/b'); redis.call('HSET', KEYS[1], 'info/tenant', '{\"rev\":$rev,\"deleted\":true,\"closing\":true}')
	redis.call('SET', KEYS[2], '$rev'); redis.call('SET', KEYS[3], '$((crev + 1))')
	redis.call('XADD', KEYS[4], '*', 'rev', '$rev', 'crev', '$((crev + 1))', 'id', 'x', 'changes', '{\"bridge/b\":null,\"info/tenant\":{\"rev\":$rev,\"deleted\":true,\"closing\":true}}')" \
	4 "$key" "${key%:o}:rev" "${key%:o}:crev" "${key%:o}:log" >/dev/null
gone() { call "$1" GET $T/half "$OP"; [ "$status" = 404 ]; }
wait_for 5 gone 1 && wait_for 5 gone 2 && ok 'a tenant whose deletion was begun is not there' || not_ok 'a tenant whose deletion was begun is not there'
answers '... nor can it be made' 409 2 PUT $T/half "$OP" -d '{}'
contains '... for it is being deleted' 'being deleted' "$body"
answers '... its deletion goes on' 204 2 DELETE "$T/half" "$OP"
answers '... its tokens are gone' 401 2 GET /api/v1/whoami "$token"
answers '... then it can' 201 1 PUT $T/half "$OP" -d '{}'
answers 'not with what it has, if that is not said' 201 2 PUT $T/half/bridges/b "$OP" -d '{}'
answers '... it is deleted' 409 1 DELETE $T/half "$OP"
contains '... what it has' 'has 1 objects' "$body"
for n in 1 2; do api_stop $n; done
