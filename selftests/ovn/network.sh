# SPDX-License-Identifier: Apache-2.0
# The network of network.yaml in OVN's northbound DB; 'nb' is ovn-nbctl.  Sourced by selftests/ovn/run.
nb ls-add ba -- ls-add bb -- ls-add be -- lr-add r

machine() { # BRIDGE PORT MAC ADDRESSES: with anti-spoofing
	nb lsp-add "$1" "$2" -- lsp-set-addresses "$2" "$3 $4" -- lsp-set-port-security "$2" "$3 $4"
}
machine ba vm1 02:00:00:00:00:01 '172.20.1.10 fd20:1::10'
machine ba vm3 02:00:00:00:00:03 '172.20.1.13 fd20:1::13'
machine bb vm2 02:00:00:00:00:02 '172.20.2.10 fd20:2::10'
machine bb vm4 02:00:00:00:00:04 '172.20.2.14 fd20:2::14'
nb lsp-add be o -- lsp-set-addresses o '02:ff:00:00:00:50 203.0.113.50 fd03::50'

link() { # ROUTER-PORT BRIDGE MAC ADDRESSES...
	local port=$1 bridge=$2
	shift 2
	nb lrp-add r "$port" "$@" -- lsp-add "$bridge" "$bridge-r" -- lsp-set-type "$bridge-r" router \
		-- lsp-set-addresses "$bridge-r" router -- lsp-set-options "$bridge-r" "router-port=$port"
}
link ra ba 02:aa:00:00:00:01 172.20.1.1/24 fd20:1::1/64
link rb bb 02:aa:00:00:00:02 172.20.2.1/24 fd20:2::1/64
link rx be 02:aa:00:00:00:03 203.0.113.2/24 fd03::2/64
nb lrp-set-gateway-chassis rx h1 10

nb lr-route-add r 0.0.0.0/0 203.0.113.50 rx -- lr-route-add r ::/0 fd03::50 rx
nb lr-route-add r 10.9.0.0/16 discard -- lr-route-add r fd09::/16 discard
nb lr-route-add r 10.7.0.0/16 172.20.2.10 rb

# port vm3's chain
nb acl-add ba from-lport 1000 'inport == "vm3" && udp.dst == 53' drop
nb acl-add ba from-lport 1000 'inport == "vm3" && ip4.dst == 10.8.0.0/16' drop
nb acl-add ba from-lport 1000 'inport == "vm3" && ip6.dst == fd08::/16 && tcp' drop
nb acl-add ba from-lport 1000 'inport == "vm3" && tcp.dst == 23' reject
nb acl-add ba from-lport 1000 'inport == "vm3" && udp.dst == 23' reject
nb acl-add ba from-lport 1000 'inport == "vm3" && ip.dscp == 10' drop
nb acl-add ba from-lport 1000 'inport == "vm3" && icmp4.type == 13' drop

# security group
nb pg-add web vm4
nb acl-add web from-lport 1000 'inport == @web && ip' allow-related
nb acl-add web to-lport 1000 'outport == @web && tcp.dst == 80' allow-related
nb acl-add web to-lport 1000 'outport == @web && ip4.src == 203.0.113.0/24 && 8080 <= tcp.dst <= 8090' allow-related
nb acl-add web to-lport 1000 'outport == @web && ip4.src == 172.20.1.0/24 && icmp4.type == 8' allow-related
nb acl-add web to-lport 900 'outport == @web && ip' drop

# NAT
nb --stateless lr-nat-add r dnat_and_snat 203.0.113.9 172.20.1.10
nb --stateless lr-nat-add r dnat_and_snat fd03::9 fd20:1::10
nb lr-nat-add r snat 203.0.113.2 172.20.2.0/24 -- lr-nat-add r snat fd03::2 fd20:2::/64

# load balancer
nb lb-add v1 203.0.113.80:80 172.20.2.10:8080 tcp -- lb-add v2 203.0.113.81:443 172.20.2.14:8081 tcp -- lb-add v3 203.0.113.82:53 172.20.2.10:5353 udp
for v in v1 v2 v3; do nb lr-lb-add r $v; done
