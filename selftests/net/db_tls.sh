#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The state DB over TLS, both ends with certificates: agents, skep and skep-api; who has none learns nothing; a certificate is renewed under traffic.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh && . selftests/lib/redis.sh

direct=1
host h1; host h2
redis_dir=$work redis_address=${underlay[h1]}
redis_certificates || bail 'no certificates'
tls() { echo "{ca: $redis_tls/ca.pem, certificate: $redis_tls/$1.pem, key: $redis_tls/$1.key}"; }
first_host=h1
db_yaml="{mode: embedded, listen: \"${underlay[h1]}:6379\", tls: $(tls server)}" config h1
remote="{mode: server, addresses: [\"${underlay[h1]}:6379\"], tls: $(tls client)}"
db_yaml=$remote config h2
standard_machines
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
{ standard_doc; standard_bindings; } | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
check 'two hosts share an embedded state DB over TLS' standard_up
check '... and traffic passes' ping4_soon vm1 10.0.2.14
equal 'nobody warns of a database without password' 0 "$(grep -c 'without a password' "$work/h1/log")"
equal 'skep asks it on the other host, too' "$(skep h1 get -t t)" "$(skep h2 get -t t)"

# --- who has no certificate, or another one ---
printf 'db: {mode: server, addresses: ["%s:6379"]}\n' "${underlay[h1]}" > "$work/none.yaml"
contains 'without TLS: why not, and what to do' "does it want TLS\? 'db.tls.ca'" "$(in_host h2 "$SKEP" --config "$work/none.yaml" get -t t 2>&1)"
printf 'db: {mode: server, addresses: ["%s:6379"], tls: %s}\n' "${underlay[h1]}" "$(tls stranger)" > "$work/stranger.yaml"
out=$(in_host h2 "$SKEP" --config "$work/stranger.yaml" get -t t 2>&1)
equal 'a certificate of somebody else: refused' 1 "$(grep -cE 'certificate|CA' <<< "$out" | sed 's/[1-9].*/1/')"
refute '... and nothing is told' grep -q bridges <<< "$out"
printf 'db: {mode: server, addresses: ["%s:6379"], tls: {ca: %s}}\n' "${underlay[h1]}" "$redis_tls/other.pem" > "$work/other.yaml"
contains 'a server that is not trusted is told nothing' 'is not trusted: .*issuer is unknown' "$(in_host h2 "$SKEP" --config "$work/other.yaml" get -t t 2>&1)"

# --- skep-api ---
mkdir -p "$work/api"
printf 'db: %s\nlisten: ["unix:%s"]\n' "$remote" "$work/api/sock" > "$work/api/api.yaml"
spawn nsenter --net="/run/netns/$id-h2" "$programs/skep-api" -c "$work/api/api.yaml" > "$work/api/log" 2>&1
ready() { curl -sf --max-time 2 -o /dev/null --unix-socket "$work/api/sock" http://x/readyz; }
can 'skep-api, too' wait_for 10 ready
contains '... serves it' '"vm1"' "$(curl -s --unix-socket "$work/api/sock" http://x/api/v1/tenants/t/ports)"

# --- another certificate ---
serial() { in_host h2 openssl s_client -connect "${underlay[h1]}:6379" -cert "$redis_tls/client.pem" -key "$redis_tls/client.key" < /dev/null 2>/dev/null | openssl x509 -noout -serial; }
old=$(serial)
redis_certificate server ca "IP:${underlay[h1]}" || bail 'no certificate'
stop_skepd h1
start_skepd h1 || bail 'skepd does not start again'
renewed() { local now; now=$(serial); [ -n "$now" ] && [ "$now" != "$old" ]; }
contains 'the server had one' '^serial=' "$old"
can 'a renewed one is shown when its skepd was started again' wait_for 20 renewed
seen() { skep h2 -j status | grep -qE '"db": *\{[^}]*"connected": *true'; }
can '... and the others are back' wait_for 20 seen
check '... what they write arrives' skep h2 apply -f - <<< '{tenant: t2, bridges: [{name: b}]}'
contains '... at the first one' 'b' "$(skep h1 get -t t2)"
