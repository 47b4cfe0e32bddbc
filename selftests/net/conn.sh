#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Connections across hosts with real TCP, UDP and ping: stateful security groups, NAT, floating IPs, a load balancer, two uplinks that share
# connections; and what keeps them: lost messages between agents, a killed skepd, a machine that moves, a change of policy.
sanitized=1
cd "$(dirname "$0")/../.." && . selftests/lib/net.sh && . selftests/lib/talk.sh

#   vm1 (h1), vm2 (h2) on 'left' - r - 'ext' with srv (h2); r has two uplinks to cli: up1 (h1), up2 (h2)
document() {
	cat <<-YAML
		tenant: t
		security_groups:
		  - name: web
		    rules:
		      - {name: http, direction: ingress, ethertype: ipv4, proto: tcp, dst_ports: "80"}
		      - {name: ping, direction: ingress, ethertype: ipv4, proto: icmp}
		${more_rules:-}
		${chains:-}
		port_groups: [{name: uplinks, stateful: true}]
		bridges: [{name: left}, {name: ext}]
		routers: [{name: r}]
		ports:
		  - {name: r-left, router: r, mac: "02:00:00:00:01:01", addresses: [10.0.1.1/24], peer: left-r}
		  - {name: left-r, bridge: left, peer: r-left}
		  - {name: r-ext, router: r, mac: "02:00:00:00:01:02", addresses: [198.51.100.1/24], peer: ext-r}
		  - {name: ext-r, bridge: ext, peer: r-ext}
		  - {name: vm1, bridge: left, mac: "$(mac_of 1)", addresses: [10.0.1.11], security_groups: [web]}
		  - {name: vm2, bridge: left, mac: "$(mac_of 2)", addresses: [10.0.1.12]}
		  - {name: srv, bridge: ext, mac: "$(mac_of 3)", addresses: [198.51.100.99]${srv_chain:-}}
		  - {name: up1, router: r, mac: "02:00:00:00:01:03", addresses: [192.0.2.1/30], port_groups: [uplinks]}
		  - {name: up2, router: r, mac: "02:00:00:00:01:04", addresses: [192.0.2.5/30], port_groups: [uplinks]}
		routes:
		  - {name: back1, router: r, dst: 203.0.113.0/24, port: up1, gateway: 192.0.2.2, weight: 10}
		  - {name: back2, router: r, dst: 203.0.113.0/24, port: up2, gateway: 192.0.2.6, weight: 20}
		nats:
		  - {name: out, router: r, type: snat, port: r-ext, src: 10.0.1.0/24, to: 198.51.100.10-198.51.100.11, to_ports: "2048-4095"}
		  - {name: in, router: r, type: dnat, proto: tcp, dst: 198.51.100.20/32, dst_ports: "8080", to: 10.0.1.11, to_ports: "80"}
		floating_ips: [{name: f2, router: r, address: 198.51.100.30, fixed: 10.0.1.12, uplink: r-ext}]
		load_balancers: [{name: lb, router: r}]
		pools: [{name: pool}]
		members:
		  - {name: m1, pool: pool, address: 10.0.1.11, port: 80}
		  - {name: m2, pool: pool, address: 10.0.1.12, port: 80}
		vips: [{name: vip, load_balancer: lb, address: 198.51.100.40, proto: tcp, port: 80, pool: pool}]
		bindings:
		  - {port: vm1, host: h1, interface: vm1}
		  - {port: vm2, host: h2, interface: vm2}
		  - {port: srv, host: h2, interface: srv}
		  - {port: up1, host: h1, interface: up1}
		  - {port: up2, host: h2, interface: up2}
	YAML
}

host h1; host h2
config h1 "conns: {tcp_syn_s: 20}" "log_level: debug"
config h2 "conns: {tcp_syn_s: 20}" "log_level: debug"
vm vm1 h1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1
vm vm2 h2 "$(mac_of 2)" 10.0.1.12/24 10.0.1.1
vm srv h2 "$(mac_of 3)" 198.51.100.99/24 198.51.100.1
new_ns cli
ip link add up1 mtu 1500 netns "$id-h1" type veth peer eth0 mtu 1500 netns "$id-cli"
ip link add up2 mtu 1500 netns "$id-h2" type veth peer eth1 mtu 1500 netns "$id-cli"
ip -n "$id-h1" link set up1 up; ip -n "$id-h2" link set up2 up
in_ns cli sysctl -qw net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0
ip -n "$id-cli" addr add 192.0.2.2/30 dev eth0; ip -n "$id-cli" addr add 192.0.2.6/30 dev eth1
ip -n "$id-cli" addr add 203.0.113.5/32 dev lo
ip -n "$id-cli" link set eth0 up; ip -n "$id-cli" link set eth1 up
by_uplink() { ip -n "$id-cli" route replace 198.51.100.0/24 via "192.0.2.$1" src 203.0.113.5; }
by_uplink 1

start_skepd h1 && start_skepd h2 || bail 'skepd does not start'
document | apply > "$work/out" 2>&1 || bail "apply: $(cat "$work/out")"
for p in 'h1 vm1' 'h1 up1' 'h2 vm2' 'h2 srv' 'h2 up2'; do wait_for 20 port_up $p || bail "port does not come up: $p"; done
for v in vm1 vm2 srv; do tcp_echo $v 80; tcp_echo $v 81; udp_echo $v 53; done
ping4_soon vm2 10.0.1.11 || bail 'no traffic'

# --- security group ---
equal 'a rule of the group lets it in' '10.0.1.12 vm1' "$(tcp_ask vm2 10.0.1.11 80)"
check 'nothing else' refused_or_silent vm2 10.0.1.11 81
contains '... and says who dropped it' '^[1-9]' "$(drops h2 security_group)"
equal 'what the machine begins is answered: TCP' '10.0.1.11 vm2' "$(tcp_ask vm1 10.0.1.12 81)"
equal '... UDP' '10.0.1.11 x' "$(udp_ask vm1 10.0.1.12 53)"
check '... ping' ping_ok vm1 10.0.1.12 3

# --- source NAT: ports are leased from the DB ---
source='198\.51\.100\.1[01]'
contains 'SNAT across hosts: TCP' "^$source srv" "$(tcp_ask vm1 198.51.100.99 80)"
contains '... UDP' "^$source x" "$(udp_ask vm1 198.51.100.99 53)"
check '... ping' ping_ok vm1 198.51.100.99 3
check 'a machine of the other host with a floating IP' ping_ok vm2 198.51.100.99 3
equal '... leaves with that' '198.51.100.30 srv' "$(tcp_ask vm2 198.51.100.99 80)"
equal '... and is reached by it' '198.51.100.99 vm2' "$(tcp_ask srv 198.51.100.30 81)"
contains 'the lease is in the DB' '[1-9]' "$(stat_of h1 blocks_leased)"
contains 'connections are listed with their translation' "\"from\": *\"10\.0\.1\.11:[0-9]+\", *\"to\": *\"$source:" "$(conns h1 vm1)"
contains '... at both ends' '"direction": *"reply"' "$(conns h2 srv)"
many() { local i; for i in $(seq 40); do tcp_ask vm1 198.51.100.99 81 | grep -q srv || return 1; done; }
check '40 connections in a row' many

# --- destination NAT, load balancer ---
equal 'DNAT across hosts' '198.51.100.99 vm1' "$(tcp_ask srv 198.51.100.20 8080)"
seen=
for _ in $(seq 24); do seen+=" $(tcp_ask srv 198.51.100.40 80)"; done
contains 'load balancer: a member on this host' ' vm2' "$seen"
contains '... and one on the other' ' vm1' "$seen"
equal '... every one is answered' 24 "$(wc -w <<<"$seen" | awk '{ print $1 / 2 }')"

# --- messages between agents get lost ---
# VNI 1 behind UDP: some messages, and some of their acknowledgements
in_ns wire nft 'add table bridge lossy; add chain bridge lossy c { type filter hook forward priority 0; };
	add rule bridge lossy c ether type ip ip protocol udp @th,96,24 1 numgen random mod 100 < 15 drop' || bail 'nft cannot drop'
before=$(stat_of h1 state_resent)
check 'messages lost: connections begin all the same' many
[ "$(stat_of h1 state_resent)" -gt "$before" ] && ok '... for messages are repeated' || not_ok '... for messages are repeated'
equal '... until they arrive' 0 "$(stat_of h1 state_lost)"
in_ns wire nft delete table bridge lossy

# --- two uplinks that share connections ---
can 'from outside by the first uplink' talk two cli 198.51.100.20 8080
contains '... to the machine behind DNAT' '203\.0\.113\.5 vm1' "$(cat "$work/talk.two.out")"
by_uplink 5
can 'the client goes on by the second uplink' say two
by_uplink 1
can '... and by the first again' say two
for u in 5 1 5 1 5; do by_uplink $u; say two || not_ok "alternating uplinks ($u)"; done
ok 'alternating uplinks'
contains 'both uplinks know the connection' '"direction": *"original"' "$(conns h2 up2)"

# --- skepd is killed ---
can 'a connection through SNAT' talk snat vm1 198.51.100.99 81
can 'a connection to a VIP' talk vip srv 198.51.100.40 80
for h in h1 h2; do
	stop_skepd $h KILL
	for n in snat two vip; do can "skepd of $h is dead: '$n' goes on" say $n; done
	start_skepd $h || bail "skepd of $h does not come back"
	wait_for 20 port_up $h "$([ $h = h1 ] && echo vm1 || echo vm2)" || not_ok "ports of $h come up"
	for n in snat two vip; do can "skepd of $h is back: '$n' goes on" say $n; done
done
skep h1 flow flush >/dev/null; skep h2 flow flush >/dev/null
for n in snat two vip; do can "all flows deleted: '$n' goes on" say $n; done

# --- policy changes: what would not be admitted today ends, the rest goes on ---
more_rules='      - {name: other, direction: ingress, ethertype: ipv4, proto: tcp, dst_ports: "81"}'
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
admitted() { tcp_ask vm2 10.0.1.11 81 | grep -q vm1; }
if wait_for 10 admitted; then ok 'a rule more: the port answers'; else not_ok 'a rule more: the port answers'; fi
can 'a connection that the rule admits' talk sg vm2 10.0.1.11 81
can '... is in use' say sg
more_rules=
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
ended() { ! conns h1 vm1 | grep -q '"sport": *81,'; }
if wait_for 10 ended; then ok 'the rule goes: so does its connection'; else not_ok 'the rule goes: so does its connection'; fi
cannot '... for good' say sg 2
for n in snat two vip; do can "... '$n' goes on" say $n; done

# a rule for SYNs alone admits the connection that such a one began, whatever it sends now
srv_chain=', in_chain: begin'
begin() { # ACTION
	chains="chains:
  - name: begin
    rules:
      - {name: syn, action: $1, proto: tcp, tcp_flags: \"syn,!ack\"}
      - {name: mid, action: accept, ct_state: [established]}
      - {name: ping, action: accept, proto: icmp}
      - {name: arp, action: accept, ethertype: arp}
      - {name: rest, action: drop}"
	document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"
}
rechecked=$(stat_of h2 rechecked)
begin accept
looked_at() { [ "$(stat_of h2 rechecked)" -gt "$rechecked" ]; }
if wait_for 10 looked_at; then ok 'a rule for SYNs: connections are looked at'; else not_ok 'a rule for SYNs: connections are looked at'; fi
for n in vip two snat; do can "... '$n' goes on" say $n; done
begin drop
vip_ended() { ! conns h2 srv | grep -q '198.51.100.40'; }
if wait_for 10 vip_ended; then ok '... it goes: so does the connection'; else not_ok '... it goes: so does the connection'; fi
chains= srv_chain=
document | apply > "$work/out" 2>&1 || not_ok "apply: $(cat "$work/out")"

# --- the machine moves to the other host ---
ip -n "$id-h1" link del vm1
vm_link vm1 h2
vm_config vm1 "$(mac_of 1)" 10.0.1.11/24 10.0.1.1
skep - port unbind vm1 >/dev/null 2>&1
skep - port bind vm1 --host h2 --interface vm1 > "$work/out" 2>&1 || not_ok "bind: $(cat "$work/out")"
wait_for 20 port_up h2 vm1 || not_ok 'the port comes up on the other host'
can 'a machine moved: its connection through SNAT goes on' say snat 15
can '... and the one to it through DNAT' say two 15
check '... new ones begin' ping_ok vm1 198.51.100.99 3
