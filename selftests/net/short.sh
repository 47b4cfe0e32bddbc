#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fifty short connections a second between hosts, by a stateful security group and by source NAT: no reply is lost, for each connection's state
# is on the other host before its first packet is.
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

seconds=${SHORT_SECONDS:-20} rate=50
document() {
	cat <<-YAML
		tenant: t
		security_groups: [{name: closed, rules: []}]
		bridges: [{name: left}, {name: ext}]
		routers: [{name: r}]
		ports:
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24], peer: left-r}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: r-ext, router: r, mac: "02:00:00:00:01:02", addresses: [198.51.100.1/24], peer: ext-r}
		  - {name: ext-r, bridge: ext, peer: r-ext}
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11], security_groups: [closed]}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12]}
		  - {name: srv, bridge: ext, mac: "$(mac_of 3)", addresses: [198.51.100.99]}
		nats: [{name: out, router: r, type: snat, port: r-ext, src: 10.0.1.0/24, to: 198.51.100.10}]
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm2, host: h2, interface: vm2}
		  - {port: srv, host: h2, interface: srv}
	YAML
}

host h1; host h2
vm vm1 h1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1
vm vm2 h2 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1
vm srv h2 "$(mac_of 3)" 198.51.100.99/24 198.51.100.1
start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
for p in 'h1 vm1' 'h2 vm2' 'h2 srv'; do wait_for 20 port_up $p || bail "port does not come up: $p"; done
tcp_echo vm2 80
tcp_echo srv 80
ping4_soon vm1 10.0.1.12 || bail 'no traffic'
n=$((seconds * rate))
equal 'a short connection' '1 answered, 0 retransmissions' "$(in_vm vm1 "$O/selftests/net/short" 10.0.1.12 80 1 1)"
equal 'by a security group: all are answered, nothing is lost' "$n answered, 0 retransmissions" \
	"$(in_vm vm1 timeout $((seconds + 30)) "$O/selftests/net/short" 10.0.1.12 80 $n $rate)"
equal 'by source NAT: the same' "$n answered, 0 retransmissions" \
	"$(in_vm vm1 timeout $((seconds + 30)) "$O/selftests/net/short" 198.51.100.99 80 $n $rate)"
refute 'nobody comes in' [ -n "$(tcp_ask vm2 10.0.1.11 80)" ]
finish
