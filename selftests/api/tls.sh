#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# TLS: what is spoken, the cookie's name, certificates that are exchanged while the server runs, files that are wrong.
. "$(dirname "$0")/servers.sh"

servers_up
pair() { # NAME: a key and its certificate, in place at once
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -addext 'subjectAltName=IP:127.0.0.1' -keyout "$work/$1.key" -out "$work/$1.pem" 2>/dev/null &&
		chmod 600 "$work/$1.key" || bail 'openssl cannot make a pair'
}
use() { cp -p "$work/$1.pem" "$work/cert.pem" && cp -p "$work/$1.key" "$work/cert.key"; }
pair one && pair two && use one
tls=("tls.certificate=$work/cert.pem" "tls.key=$work/cert.key")
said() { timeout 10 "$API" -c /dev/null --set "db.addresses=unix:$work/db.sock" --set listen=127.0.0.1:8469 --set "tls.certificate=$1" --set "tls.key=$2" 2>&1 | head -n 5; }
chmod 644 "$work/two.key"
contains 'a key that everybody may read' 'everybody may read' "$(said "$work/two.pem" "$work/two.key")"
chmod 600 "$work/two.key"
contains 'no pair' 'not a pair' "$(said "$work/two.pem" "$work/one.key")"
contains 'no certificate' 'want certificates in PEM' "$(said "$work/one.key" "$work/one.key")"
no_wait=1 api_start 1 "${tls[@]}"
https() { curl -s --max-time 10 --cacert "$work/cert.pem" "$@"; }
up() { https -f https://127.0.0.1:8461/readyz; }
wait_for 10 up || bail 'no TLS'
ok 'it speaks TLS'
speaks() { openssl s_client -connect 127.0.0.1:8461 "$@" </dev/null 2>&1 | grep -q '^New, TLSv1'; }
check 'TLS 1.3' speaks -tls1_3
check 'TLS 1.2, with forward secrecy' speaks -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256
for cipher in AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-SHA AES256-SHA256 ECDHE-RSA-AES128-SHA; do
	refute "not $cipher" speaks -tls1_2 -cipher "$cipher:@SECLEVEL=0"
done
refute 'not TLS 1.1' speaks -tls1_1 -cipher DEFAULT:@SECLEVEL=0
out=$(https -D - -o /dev/null -X POST -H 'Content-Type: application/json' -d "{\"token\": \"$OP\"}" https://127.0.0.1:8461/api/v1/session | tr -d '\r')
contains 'browsers come back with TLS' '^Strict-Transport-Security: max-age=' "$out"
contains 'a cookie that no other host can set' '^Set-Cookie: __Host-skep_session=.*; Path=/;.*; Secure$' "$out"
cookie=$(sed -n 's/^Set-Cookie: \([^;]*\).*/\1/p' <<<"$out")
equal '... with which one is let in' 200 "$(https -o /dev/null -w '%{http_code}' -H "Cookie: $cookie" https://127.0.0.1:8461/api/v1/whoami)"
equal '... by that name only' 401 "$(https -o /dev/null -w '%{http_code}' -H "Cookie: ${cookie#__Host-}" https://127.0.0.1:8461/api/v1/whoami)"
shows() { openssl s_client -connect 127.0.0.1:8461 </dev/null 2>/dev/null | openssl x509 -noout -subject | grep -q "CN = $1"; }
check 'the first certificate' shows one
use two
kill -HUP "${api_pid[1]}"
wait_for 5 shows two && ok 'SIGHUP: the second one' || not_ok 'SIGHUP: the second one'
echo nonsense >"$work/cert.pem"
kill -HUP "${api_pid[1]}"
kept() { grep -q 'keeping the old ones' "$work/api1/log"; }
wait_for 5 kept && ok 'files that are wrong are told of' || not_ok 'files that are wrong are told of'
check '... and what was there stays' shows two
api_stop 1 && ok 'it stops' || not_ok 'it stops'
