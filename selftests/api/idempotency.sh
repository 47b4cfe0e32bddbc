#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Idempotency-Key at several servers: each request is done once, also when two of them are asked in the same instant, or one dies between the write and its answer.
. "$(dirname "$0")/servers.sh"

servers_up
printf 'tenant: acme\nbridges: [{name: b}]\n' | "$SKEP" apply -f - >/dev/null || bail 'skep apply'
api_start 1
api_start 2
A=/api/v1/tenants/acme
post() { call "$1" POST "$A/bridges" "$OP" -d "{\"name\": \"$2\"}" -H "Idempotency-Key: $3"; }

# --- in the same instant ---
same() { # N ROUND NTH
	curl -s --max-time 20 -o "$work/same-$1-$2-$3" -w '%{http_code}\n' -X POST -H "Authorization: Bearer $OP" -H 'Content-Type: application/json' \
		-H "Idempotency-Key: round-$2" -d "{\"name\": \"round$2\"}" "http://127.0.0.1:$((8460 + $1))$A/bridges" >"$work/status-$1-$2-$3"
}
for i in {1..30}; do
	pids=()
	for nth in a b; do for n in 1 2; do same $n "$i" $nth & pids+=($!); done; done
	wait "${pids[@]}"
done
equal 'two servers, one key, in the same instant: nobody hears that it exists' 0 "$(grep -l 'exists' "$work"/same-* 2>/dev/null | wc -l)"
equal '... but that it is done, or being done' '' "$(cat "$work"/status-* | grep -v '^201$\|^409$' | sort | uniq -c)"
n=0
for i in {1..30}; do
	post $((1 + i % 2)) "round$i" "round-$i"
	[ "$status" = 201 ] && [ "$(header Idempotent-Replay)" = true ] && [ "$(field name)" = "round$i" ] && n=$((n + 1))
done
equal '... and then the answer, from any' 30 "$n"
call 1 GET "$A/audit?limit=1000" "$OP"
equal '... each written once' 30 "$(grep -o '"bridge/round[0-9]*"' <<<"$body" | wc -l)"

# --- bound to the request, and to who sends it ---
post 1 mine mine
answers 'the same key, another body' 422 2 POST "$A/bridges" "$OP" -d '{"name": "other"}' -H 'Idempotency-Key: mine'
answers '... another query' 422 2 POST "$A/bridges?dry_run=true" "$OP" -d '{"name": "mine"}' -H 'Idempotency-Key: mine'
call 1 PUT "$A/bridges/pre" "$OP" -d '{}' -H 'Idempotency-Key: pre'
answers '... another precondition' 422 2 PUT "$A/bridges/pre" "$OP" -d '{}' -H 'If-None-Match: *' -H 'Idempotency-Key: pre'
admin=$(make_token tenant-admin acme)
again=$(make_token tenant-admin acme)
answers "another's key is not ours" 201 2 POST "$A/bridges" "$admin" -d '{"name": "other"}' -H 'Idempotency-Key: mine'
answers '... nor that of another token of the same name' 409 2 POST "$A/bridges" "$again" -d '{"name": "other"}' -H 'Idempotency-Key: mine'
contains '... which does the request itself' 'exists' "$body"
answers 'what was refused is not kept' 409 1 POST "$A/bridges" "$again" -d '{"name": "mine"}' -H 'Idempotency-Key: freed'
call 1 DELETE "$A/bridges/mine" "$OP"
answers '... for it may be over' 201 2 POST "$A/bridges" "$again" -d '{"name": "mine"}' -H 'Idempotency-Key: freed'
answers 'a tenant that is not there' 404 1 POST /api/v1/tenants/nosuch/bridges "$OP" -d '{"name": "x"}' -H 'Idempotency-Key: k'
call 1 GET /api/v1/tenants "$OP"
refute '... nor is there one now' grep -q nosuch <<<"$body"

# --- bounded ---
reserved() { redis-cli -s "$work/db.sock" "$@"; }
set_key=$(reserved --raw keys 'skep:*:t:acme:stash:reserved')
before=$(reserved zcard "$set_key")
[ "$before" -ge 33 ] && ok "the keys of a tenant are counted ($before)" || not_ok "the keys of a tenant are counted ($before)"
now=$(reserved --raw time | head -n 1)
for ((i = 0; i < 100000; i += 1000)); do
	seq -f "filler%.0f" $i $((i + 999)) | sed "s/^/$((now + 1000)) /"
done | xargs -n 4000 redis-cli -s "$work/db.sock" zadd "$set_key" >/dev/null
answers 'no more than 100 000' 429 2 POST "$A/bridges" "$OP" -d '{"name": "toomany"}' -H 'Idempotency-Key: toomany'
[ -n "$(header Retry-After)" ] && ok '... told when to come back' || not_ok '... told when to come back'
post 1 round1 round-1
equal '... those that are known are answered' 201 "$status"
reserved zremrangebyscore "$set_key" $((now + 1000)) $((now + 1000)) >/dev/null
answers '... and again when some have lapsed' 201 2 POST "$A/bridges" "$OP" -d '{"name": "toomany"}' -H 'Idempotency-Key: toomany'

# --- a server that dies between the write and its answer, or before the write ---
# what it says to the database goes through here: from a request on that has WORD in it no answer comes back any more, and with 'hold' no request gets there either
cat >"$work/proxy.py" <<'PY'
import selectors, socket, sys
path, server, word, hold = sys.argv[1], sys.argv[2], sys.argv[3].encode(), sys.argv[4] == "hold"
listener = socket.socket(socket.AF_UNIX); listener.bind(path); listener.listen(16)
sel, other, clients, deaf = selectors.DefaultSelector(), {}, set(), False
sel.register(listener, selectors.EVENT_READ)
def close(*both):
    for s in both:
        try: sel.unregister(s)
        except (KeyError, ValueError): pass
        s.close()
while True:
    for key, _ in sel.select():
        s = key.fileobj
        if s is listener:
            c, d = listener.accept()[0], socket.socket(socket.AF_UNIX)
            d.connect(server)
            other[c], other[d] = d, c
            clients.add(c)
            for x in (c, d): sel.register(x, selectors.EVENT_READ)
            continue
        if s.fileno() < 0: continue
        try: data = s.recv(1 << 16)
        except OSError: data = b""
        if not data:
            close(s, other[s])
            continue
        if s in clients and word in data:
            deaf = True
            open(path + ".word", "w").write("x")
        if not deaf or (s in clients and not hold): other[s].sendall(data)
PY
lost() { # NAME answer|hold: a bridge of that name, with that key, at a server that hears no answer
	python3 "$work/proxy.py" "$work/proxy.sock" "$work/db.sock" "bridge/$1" "$2" &
	background+=($!)
	proxy=$!
	wait_for 5 test -S "$work/proxy.sock" || bail 'no proxy'
	api_start 3 "db.addresses=unix:$work/proxy.sock"
	curl -s --max-time 60 -o "$work/lost" -X POST -H "Authorization: Bearer $OP" -H 'Content-Type: application/json' -H "Idempotency-Key: $1" \
		-d "{\"name\": \"$1\"}" "http://127.0.0.1:8463$A/bridges" &
	background+=($!)
	wait_for 10 test -e "$work/proxy.sock.word" || not_ok "'$1' is on its way"
	[ "$2" = hold ] || wait_for 10 has "$1" || not_ok "the database has '$1'"
}
die() {
	kill -KILL "${api_pid[3]}" "$proxy"
	wait "${api_pid[3]}" "$proxy" 2>/dev/null
	rm -f "$work/proxy.sock" "$work/proxy.sock.word"
}
objects=$(reserved --raw keys 'skep:*:t:acme:o')
has() { [ "$(reserved --raw hexists "$objects" "bridge/$1")" = 1 ]; }
lost orphan answer
die
post 2 orphan orphan
equal 'a write whose server died before it answered: it was done' 201 "$status"
equal '... told to be a repeat' true "$(header Idempotent-Replay)"
equal '... with its revision' "$(reserved --raw get "${objects%:o}:crev")" "$(header Skep-Revision)"
answers '... for that request only' 422 1 POST "$A/bridges" "$OP" -d '{"name": "orphan2"}' -H 'Idempotency-Key: orphan'
call 1 GET "$A/audit?object=bridge/orphan" "$OP"
equal '... once' 1 "$(grep -o '"bridge/orphan"' <<<"$body" | wc -l)"
lost never hold
post 2 never never
equal 'one that is being worked on at another server' 409 "$status"
contains '... says so' 'is being worked on' "$body"
die
post 1 never never
equal '... also when that has died, for nobody knows' 409 "$status"
stash=$(for k in $(reserved --raw keys 'skep:*:t:acme:stash:idem/*'); do [ "$(reserved hexists "$k" status)" = 0 ] && echo "$k"; done)
ttl=$(reserved ttl "$stash")
[ "$ttl" -gt 60 ] && [ "$ttl" -le 120 ] && ok "... for two minutes ($ttl s)" || not_ok "... for two minutes ($ttl s)"
reserved del "$stash" >/dev/null # they are over
post 2 never never
equal '... then it is done' 201 "$status"
equal '... for the first time' '' "$(header Idempotent-Replay)"
# and one that was only slow: its reservation has lapsed, and another has done it meanwhile
lost slow hold
stash=$(for k in $(reserved --raw keys 'skep:*:t:acme:stash:idem/*'); do [ "$(reserved hexists "$k" status)" = 0 ] && echo "$k"; done)
reserved del "$stash" >/dev/null
post 2 slow slow
equal 'a lapsed reservation is free' 201 "$status"
die
for n in 1 2; do api_stop $n; done
