// SPDX-License-Identifier: Apache-2.0
/* Documents' shape: each refusal with file, line, object, field, value and what is allowed. */
#include "selftests/unit/topology/fixture.h"

struct row {
	const char *name, *in;
	const char *error; /* part of the message; NULL = accepted */
};

#define T "tenant: acme\n"
#define RULE(text) T "chains:\n  - name: fw\n    rules:\n      - {name: r, action: drop, " text "}\n"
#define PORT(text) T "ports:\n  - {name: web1, bridge: b, " text "}\n"

static const struct row rows[] = {
	{ "the least document", T, NULL },
	{ "lists may be empty", T "ports:\nbridges: []\n", NULL },
	{ "names are enough to delete", T "ports: [{name: a}]\nroutes: [{name: b}]\nbindings: [{port: a}]\n", NULL },
	{ "several documents", T "---\n" T, NULL },
	{ "JSON, as one list", "[{\"tenant\": \"acme\"}, {\"tenant\": \"b\"}]", NULL },
	{ "all of a rule", RULE("proto: tcp, src: 10.0.0.0/8, dst: 0.0.0.0/0, src_ports: 1, dst_ports: \"80-90\", ethertype: ipv4, eth_src: 02:00:00:00:00:01, eth_dst: 01:00:00:00:00:00/01:00:00:00:00:00, description: x"), NULL },
	{ "ethertypes", RULE("ethertype: 0x88cc"), NULL },
	{ "icmp with IPv6", RULE("proto: icmp, src: fd00::/8, icmp_type: 128, icmp_code: 0"), NULL },
	{ "protocols by number", RULE("proto: 17, dst_ports: 53"), NULL },

	{ "nothing", "", "test.yaml: no document" },
	{ "only a comment", "# x\n", "test.yaml: no document" },
	{ "a text", "hello", "test.yaml: 'hello' is not a document (want tenant: NAME" },
	{ "no tenant", "ports: []\n", "test.yaml:1: field 'tenant' is missing" },
	{ "bad tenant", "tenant: _hosts\n", "test.yaml:1: field 'tenant': '_hosts' is not a name" },
	{ "tenant is a number", "tenant: 12\n", "field 'tenant': '12' is not a name" },
	{ "a misspelt tenant", "ports: []\ntenannt: shop\n", "test.yaml:2: kind 'tenannt' is unknown (a document has tenant," },
	{ "unknown kind", T "prots: []\n", "test.yaml:2: kind 'prots' is unknown (a document has tenant, bridges, routers, ports, routes, subnets, nats, floating_ips, load_balancers, pools, members, vips, security_groups, chains, address_groups, port_groups, qos_policies, mirrors, bindings)" },
	{ "a kind in the singular", T "port: []\n", "test.yaml:2: kind 'port' is unknown" },
	{ "no list", T "ports: {name: a}\n", "test.yaml:2: 'ports' is '{\"name\":\"a\"}', which is not a list" },
	{ "no object", T "ports:\n  - web1\n", "test.yaml:3: port 1: 'web1' is not an object" },
	{ "no name", T "ports:\n  - {bridge: b}\n", "test.yaml:3: port 1: field 'name' is missing" },
	{ "no port of a binding", T "bindings:\n  - {host: h}\n", "test.yaml:3: bind 1: field 'port' is missing" },
	{ "unknown field", PORT("brigde: x"), "test.yaml:3: port 'web1': field 'brigde' is unknown (a port has name, description, bridge, router, peer, mac, addresses, admin_up, port_security, allowed_addresses, security_groups, port_groups, qos, vlan, trunk, hairpin, mtu, hostname, in_chain, out_chain, id)" },
	{ "revisions are not written by people", PORT("rev: 1"), "field 'rev' is unknown" },
	{ "empty name", T "bridges: [{name: \"\"}]\n", "field 'name': '' is not a name" },
	{ "name with a slash", T "bridges: [{name: a/b}]\n", "bridge 'a/b': field 'name': 'a/b' is not a name (want letters, digits" },
	{ "name begins with a dash", T "bridges: [{name: -a}]\n", "'-a' is not a name" },
	{ "name too long", T "bridges: [{name: a123456789b123456789c123456789d123456789e123456789f123456789g123}]\n", "is not a name" },
	{ "name is a number", T "bridges: [{name: 7}]\n", "test.yaml:2: bridge 1: field 'name': '7' is not a name" },
	{ "name with control characters is shown escaped", T "bridges: [{name: \"a\\eb\"}]\n", "'\"a\\u001Bb\"' is not a name" },
	{ "long values are shortened", T "bridges: [{name: b, description: x, admin_up: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg}]\n",
	  "'aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff...' is not a truth value (want true or false)" },
	{ "truth must be one", T "bridges: [{name: b, admin_up: yes}]\n", "field 'admin_up': 'yes' is not a truth value (want true or false)" },
	{ "description is a number", T "bridges: [{name: b, description: 7}]\n", "field 'description': '7' is not a text of at most 1000 bytes" },
	{ "reference is a list", T "bridges: [{name: b, in_chain: [fw]}]\n", "field 'in_chain': '[\"fw\"]' is not the name of a chain" },
	{ "bad id", PORT("id: 12"), "field 'id': '12' is not an id (want a UUID" },
	{ "bad MAC", T "ports:\n  - name: web1\n    bridge: b\n    mac: zz\n", "test.yaml:5: port 'web1': field 'mac': 'zz' is not a unicast Ethernet address (want six octets, 02:00:00:00:00:01)" },
	{ "multicast MAC", PORT("mac: 01:00:00:00:00:01"), "field 'mac': '01:00:00:00:00:01' is not a unicast Ethernet address" },
	{ "zero MAC", PORT("mac: 00:00:00:00:00:00"), "is not a unicast Ethernet address" },
	{ "addresses are no list", PORT("addresses: 10.0.0.1"), "field 'addresses': '10.0.0.1' is not a list (want [10.0.0.1, ...])" },
	{ "bad address", PORT("addresses: [10.0.0.1, 10.0.0.256]"), "field 'addresses': '10.0.0.256' is not an IP address (want 10.0.0.1 or fd00::1" },
	{ "bad prefix length", PORT("addresses: [10.0.0.1/33]"), "'10.0.0.1/33' is not an IP address" },
	{ "no device", T "ports: [{name: web1, admin_up: true}]\n", "port 'web1': field 'bridge' or 'router' is missing" },
	{ "two devices", PORT("router: r"), "port 'web1': field 'router': 'r' cannot be set beside bridge 'b' (want one of them)" },
	{ "its own peer", PORT("peer: web1"), "field 'peer': 'web1' is the port itself" },
	{ "rules are no list", T "chains: [{name: fw, rules: drop}]\n", "chain 'fw': field 'rules': 'drop' is not a list" },
	{ "a rule is no object", T "chains:\n  - name: fw\n    rules:\n      - drop\n", "chain 'fw': field 'rules': rule 1: 'drop' is not an object" },
	{ "no action", T "chains:\n  - name: fw\n    rules:\n      - {action: accept}\n      - {proto: tcp}\n", "test.yaml:6: chain 'fw': rule 2: field 'action' is missing" },
	{ "unknown action", T "chains: [{name: fw, rules: [{action: deny}]}]\n", "chain 'fw': rule 1: field 'action': 'deny' is not allowed (want accept, drop, reject, jump, return or continue)" },
	{ "unknown field of a rule", RULE("port: 80"), "test.yaml:5: chain 'fw': rule 'r': field 'port' is unknown (a rule has name, action" },
	{ "jump without target", T "chains: [{name: fw, rules: [{action: jump}]}]\n", "rule 1: field 'jump' is missing" },
	{ "target without jump", RULE("jump: x"), "field 'jump': 'x' needs field 'action' to be jump, it is 'drop'" },
	{ "unknown protocol", RULE("proto: tpc"), "field 'proto': 'tpc' is not an IP protocol (want tcp, udp, icmp, icmp6, sctp or 0..255)" },
	{ "protocol too large", RULE("proto: 256"), "'256' is not an IP protocol" },
	{ "ports without protocol", RULE("dst_ports: 80"), "rule 'r': field 'dst_ports': '80' needs field 'proto' to be tcp, udp or sctp" },
	{ "ports with icmp", RULE("proto: icmp, src_ports: 80"), "field 'src_ports': '80' needs field 'proto' to be tcp, udp or sctp" },
	{ "reversed range", RULE("proto: tcp, dst_ports: 90-80"), "field 'dst_ports': range '90-80' is reversed (want 80-90)" },
	{ "port too large", RULE("proto: tcp, dst_ports: 65536"), "field 'dst_ports': '65536' is not a port or range of ports (want 0..65535" },
	{ "range too large", RULE("proto: tcp, dst_ports: 1-65536"), "'1-65536' is not a port or range" },
	{ "half a range", RULE("proto: tcp, dst_ports: \"80-\""), "'80-' is not a port or range" },
	{ "negative port", RULE("proto: tcp, dst_ports: -1"), "'-1' is not a port or range" },
	{ "icmp_type without icmp", RULE("proto: tcp, icmp_type: 8"), "field 'icmp_type': '8' needs field 'proto' to be icmp or icmp6" },
	{ "icmp_code without type", RULE("proto: icmp, icmp_code: 8"), "field 'icmp_code': '8' needs field 'icmp_type'" },
	{ "icmp_type too large", RULE("proto: icmp, icmp_type: 256"), "field 'icmp_type': '256' is not a number in range (want 0..255)" },
	{ "prefix with bits behind its length", RULE("src: 10.0.1.5/24"), "field 'src': '10.0.1.5/24' has bits behind the prefix length (want 10.0.1.0/24)" },
	{ "bad prefix", RULE("src: 10.0.1/24"), "field 'src': '10.0.1/24' is not an IP prefix (want 10.0.0.0/8 or fd00::/64)" },
	{ "mixed families", RULE("src: 10.0.0.0/8, dst: \"fd00::/8\""), "field 'dst': 'fd00::/8' and src '10.0.0.0/8' are of different families" },
	{ "ethertype of the other family", RULE("ethertype: ipv6, src: 10.0.0.0/8"), "field 'ethertype': 'ipv6' does not go with src '10.0.0.0/8' (want ipv4)" },
	{ "prefix and arp", RULE("ethertype: arp, dst: 10.0.0.0/8"), "field 'ethertype': 'arp' does not go with dst '10.0.0.0/8' (want ipv4)" },
	{ "protocol and arp", RULE("ethertype: arp, proto: tcp"), "field 'ethertype': 'arp' does not go with field 'proto'" },
	{ "icmp6 with IPv4", RULE("proto: icmp6, src: 10.0.0.0/8"), "field 'proto': 'icmp6' does not go with IPv4 (want icmp)" },
	{ "unknown ethertype", RULE("ethertype: ip"), "field 'ethertype': 'ip' is not an ethertype (want ipv4, ipv6, arp or 0x0600..0xffff)" },
	{ "ethertype is a length", RULE("ethertype: 0x100"), "is not an ethertype" },
	{ "bad MAC mask", RULE("eth_src: 02:00:00:00:00:01/8"), "field 'eth_src': '02:00:00:00:00:01/8' is not an Ethernet address" },
	{ "no router", T "routes:\n  - {name: d, dst: 0.0.0.0/0, port: p}\n", "test.yaml:3: route 'd': field 'router' is missing" },
	{ "no dst", T "routes: [{name: d, router: r, port: p}]\n", "route 'd': field 'dst' is missing" },
	{ "no port of a route", T "routes: [{name: d, router: r, dst: 0.0.0.0/0}]\n", "field 'port' is missing (a route of type 'port' needs a port of its router)" },
	{ "port of a blackhole", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, type: blackhole, port: p}]\n", "field 'port': 'p' does not go with type 'blackhole'" },
	{ "gateway of a reject", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, type: reject, gateway: 10.0.0.1}]\n", "field 'gateway': '10.0.0.1' does not go with type 'reject'" },
	{ "gateway of the other family", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, port: p, gateway: \"fd00::1\"}]\n", "field 'gateway': 'fd00::1' and dst '0.0.0.0/0' are of different families (want IPv4)" },
	{ "src of the other family", T "routes: [{name: d, router: r, dst: \"::/0\", port: p, src: 10.0.0.0/8}]\n", "field 'src': '10.0.0.0/8' and dst '::/0' are of different families (want IPv6)" },
	{ "weight too large", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, port: p, weight: 65536}]\n", "field 'weight': '65536' is not a number in range (want 1..65535)" },
	{ "weight zero", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, port: p, weight: 0}]\n", "(want 1..65535)" },
	{ "unknown type of route", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, type: drop}]\n", "field 'type': 'drop' is not allowed (want port, local, blackhole or reject)" },
	{ "no host", T "bindings: [{port: p, interface: veth1}]\n", "bind 'p': field 'host' is missing" },
	{ "interface too long", T "bindings: [{port: p, host: h, interface: a123456789012345}]\n", "field 'interface': 'a123456789012345' is not an interface name (want 1 to 15" },
	{ "interface with a slash", T "bindings: [{port: p, host: h, interface: a/b}]\n", "is not an interface name" },
	{ "all other conditions", RULE("proto: tcp, src_group: a, dst_group: b, tcp_flags: \"syn,!ack\", dscp: 46, vlan: 10, fragment: later, ct_state: [new, related], in_ports: [p], out_ports: [q, r], in_port_group: g, out_port_group: g, entry_port_group: g, traversed: bridge/b, inner_src: 10.0.0.0/8, inner_dst: 10.0.0.1, dst_rewritten: true, not: [src_group, vlan], invert: true, log: true"), NULL },
	{ "flags without TCP", RULE("proto: udp, tcp_flags: syn"), "rule 'r': field 'tcp_flags': 'syn' needs field 'proto' to be tcp" },
	{ "an unknown flag", RULE("proto: tcp, tcp_flags: \"syn,fun\""), "field 'tcp_flags': 'syn,fun' is not a set of TCP flags (want fin, syn" },
	{ "a flag twice", RULE("proto: tcp, tcp_flags: \"syn,!syn\""), "'syn,!syn' is not a set of TCP flags" },
	{ "DSCP too large", RULE("dscp: 64"), "field 'dscp': '64' is not a number in range (want 0..63)" },
	{ "VLAN of a rule too large", RULE("vlan: 4095"), "(want 0..4094)" },
	{ "an unknown state", RULE("ct_state: [old]"), "field 'ct_state': 'old' is not allowed (want new, established, reply, related or invalid)" },
	{ "states are no list", RULE("ct_state: new"), "field 'ct_state': 'new' is not a list (want [new, ...])" },
	{ "a state twice", RULE("ct_state: [new, new]"), "field 'ct_state': 'new' appears twice" },
	{ "a port of a rule twice", RULE("in_ports: [a, a]"), "field 'in_ports': 'a' appears twice" },
	{ "not of nothing", RULE("not: [src]"), "field 'not': 'src' is not set in the rule (want it set, to be inverted)" },
	{ "not of what is no condition", RULE("not: [action]"), "field 'not': 'action' is not a condition (want names of fields" },
	{ "a device without kind", RULE("traversed: b1"), "field 'traversed': 'b1' is not a device (want bridge/NAME or router/NAME)" },
	{ "quoted addresses of two families", RULE("inner_src: 10.0.0.0/8, inner_dst: \"fd00::/8\""), "field 'inner_dst': 'fd00::/8' and inner_src '10.0.0.0/8' are of different families (want IPv4)" },
	{ "a state of ARP", RULE("ethertype: arp, ct_state: [new]"), "field 'ct_state' does not go with ethertype 'arp'" },

	{ "all of a port", PORT("mac: 02:00:00:00:00:01, allowed_addresses: [10.0.0.0/24, {address: \"fd00::1\", mac: 02:00:00:00:00:02}], security_groups: [a, b], port_groups: [c], qos: q, vlan: 7, trunk: [8, \"20-29\"], hairpin: true, hostname: vm"), NULL },
	{ "a bad MAC in an allowed address", T "ports:\n  - name: web1\n    bridge: b\n    allowed_addresses:\n      - 10.0.0.1\n      - address: 10.0.0.2\n        mac: zz\n",
	  "test.yaml:8: port 'web1': field 'allowed_addresses' element 2: field 'mac': 'zz' is not a unicast Ethernet address" },
	{ "a bad allowed address", T "ports:\n  - name: web1\n    bridge: b\n    allowed_addresses:\n      - 10.0.0.256\n", "test.yaml:6: port 'web1': field 'allowed_addresses' element 1: field 'address': '10.0.0.256' is not an IP prefix" },
	{ "an allowed address is a number", PORT("allowed_addresses: [7]"), "element 1: '7' is not an object (want {address: ...})" },
	{ "an allowed address without address", PORT("allowed_addresses: [{mac: 02:00:00:00:00:02}]"), "field 'allowed_addresses' element 1: field 'address' is missing" },
	{ "an unknown field of one", PORT("allowed_addresses: [{address: 10.0.0.1, port: x}]"), "element 1: field 'port' is unknown (an element has address, mac)" },
	{ "a group twice", PORT("security_groups: [a, a]"), "field 'security_groups': 'a' appears twice" },
	{ "VLAN 0", PORT("vlan: 0"), "field 'vlan': '0' is not a number in range (want 1..4094)" },
	{ "VLAN 4095 in a trunk", PORT("trunk: [4095]"), "field 'trunk': '[4095]' is not a set of VLANs (want all, or a list like" },
	{ "a reversed trunk", PORT("trunk: [\"20-10\"]"), "is not a set of VLANs" },
	{ "all VLANs", PORT("trunk: all"), NULL },
	{ "an MTU on a bridge", PORT("mtu: 1500"), "port 'web1': field 'mtu' does not go with 'bridge' (only ports of routers have it)" },
	{ "an MTU too small", T "ports: [{name: x, router: r, mtu: 500}]\n", "field 'mtu': '500' is not a number in range (want 576..65535)" },
	{ "an MTU too small for IPv6", T "ports: [{name: x, router: r, mtu: 1279, addresses: [\"fd00::1/64\"]}]\n", "port 'x': field 'mtu': 1279 is too small for IPv6 (want 1280 or more" },
	{ "a VLAN on a router", T "ports: [{name: x, router: r, vlan: 5}]\n", "port 'x': field 'vlan' does not go with 'router' (only ports of bridges have it)" },
	{ "security groups on a router", T "ports: [{name: x, router: r, security_groups: [a]}]\n", "field 'security_groups' does not go with 'router'" },
	{ "none of them on a router", T "ports: [{name: x, router: r, security_groups: [], hairpin: false}]\n", NULL },
	{ "security groups on a link", PORT("peer: x, security_groups: [a]"), "field 'security_groups' does not go with 'peer' (only ports without a peer have it)" },
	{ "QoS on a link", PORT("peer: x, qos: q"), "field 'qos' does not go with 'peer'" },

	{ "static MACs and neighbours", T "bridges: [{name: b, vlan_aware: true, static_macs: [{mac: 02:00:00:00:00:01, port: p, vlan: 7}], neighbours: [{address: 10.0.0.1, mac: 02:00:00:00:00:01}]}]\n", NULL },
	{ "a VLAN on a plain bridge", T "bridges:\n  - name: b\n    static_macs:\n      - mac: 02:00:00:00:00:01\n        port: p\n        vlan: 7\n", "test.yaml:7: bridge 'b': field 'static_macs' element 1: field 'vlan' needs the bridge to be vlan_aware" },
	{ "no VLAN on one that is aware", T "bridges: [{name: b, vlan_aware: true, static_macs: [{mac: 02:00:00:00:00:01, port: p}]}]\n", "field 'static_macs' element 1: field 'vlan' is missing" },
	{ "a static MAC without port", T "bridges: [{name: b, static_macs: [{mac: 02:00:00:00:00:01}]}]\n", "bridge 'b': field 'static_macs' element 1: field 'port' is missing" },
	{ "static MACs are no list", T "bridges: [{name: b, static_macs: {mac: x}}]\n", "field 'static_macs': '{\"mac\":\"x\"}' is not a list (want [{mac: ...}, ...])" },

	{ "groups", T "address_groups: [{name: a, addresses: [10.0.0.1, 10.0.0.0/8, \"fd00::/8\"]}]\nport_groups: [{name: p, stateful: true}]\n", NULL },
	{ "a group of a wrong address", T "address_groups: [{name: a, addresses: [10.0.0.1, x]}]\n", "address_group 'a': field 'addresses': 'x' is not an IP prefix" },
	{ "a group with bits behind", T "address_groups: [{name: a, addresses: [10.0.0.1/8]}]\n", "has bits behind the prefix length (want 10.0.0.0/8)" },
	{ "a security group", T "security_groups: [{name: s, egress: rules, stateful: false, rules: [{direction: ingress, proto: tcp, dst_ports: 22, remote: 10.0.0.0/8}, {direction: egress, remote_group: s}, {direction: egress, remote_addresses: a, ethertype: ipv6}]}]\n", NULL },
#define SG(text) T "security_groups:\n  - name: s\n    rules:\n      - {name: r, direction: ingress, " text "}\n"
	{ "no direction", T "security_groups: [{name: s, rules: [{proto: tcp}]}]\n", "security_group 's': rule 1: field 'direction' is missing" },
	{ "two remotes", SG("remote: 10.0.0.0/8, remote_group: s"), "test.yaml:5: security_group 's': rule 'r': field 'remote_group': 's' cannot be set beside 'remote' (want one of them)" },
	{ "a remote of the other family", SG("ethertype: ipv6, remote: 10.0.0.0/8"), "rule 'r': field 'remote': '10.0.0.0/8' does not go with ethertype 'ipv6' (want IPv6)" },
	{ "ports of nothing", SG("dst_ports: 22"), "rule 'r': field 'dst_ports': '22' needs field 'proto' to be tcp, udp or sctp" },
	{ "icmp6 from IPv4", SG("proto: icmp6, remote: 10.0.0.0/8"), "field 'proto': 'icmp6' does not go with IPv4 (want icmp)" },
	{ "ARP in a security group", SG("ethertype: arp"), "field 'ethertype': 'arp' is not allowed (want ipv4 or ipv6)" },
	{ "an egress rule without effect", T "security_groups: [{name: s, rules: [{direction: egress, proto: tcp}]}]\n", "security_group 's': rule 1: field 'direction': 'egress' needs field 'egress' of the group to be rules, it is any" },

	{ "a policy", T "qos_policies: [{name: q, rate_in: 10Mbit, rate_out: 1000, burst_in: 64kB, dscp: 8}]\n", NULL },
	{ "a rate without unit", T "qos_policies: [{name: q, rate_in: 10Mb}]\n", "qos 'q': field 'rate_in': '10Mb' is not a rate (want 1000 or more bit/s, or 10Mbit, 500kbit, 1Gbit)" },
	{ "a rate too small", T "qos_policies: [{name: q, rate_in: 999}]\n", "'999' is not a rate" },
	{ "a rate too large", T "qos_policies: [{name: q, rate_in: 18446744073709551615Gbit}]\n", "is not a rate" },
	{ "a negative rate", T "qos_policies: [{name: q, rate_in: -5}]\n", "is not a rate" },
	{ "a burst too small", T "qos_policies: [{name: q, rate_in: 1Mbit, burst_in: 1kB}]\n", "field 'burst_in': '1kB' is not a number of bytes (want 1514 or more" },
	{ "a burst without rate", T "qos_policies: [{name: q, rate_in: 1Mbit, burst_out: 64kB}]\n", "qos 'q': field 'burst_out': '64kB' needs field 'rate_out'" },

#define SUBNET(text) T "subnets: [{name: s, bridge: b, " text "}]\n"
	{ "all of a subnet", SUBNET("prefix: 10.0.0.0/24, gateway: 10.0.0.1, server: 10.0.0.2, dns: [9.9.9.9], ntp: [10.0.0.3], domain: a.example, mtu: 1400, lease: 60, routes: [{dst: 10.1.0.0/16, via: 10.0.0.9}], options: [{code: 66, text: x}, {code: 43, hex: 0a0B}, {code: 42, addresses: [10.0.0.1]}, {code: 19, number: 1, size: 1}], hosts: [{mac: 02:00:00:00:00:09, address: 10.0.0.9, hostname: nine}]"), NULL },
	{ "all of an IPv6 subnet", SUBNET("prefix: \"fd00::/64\", gateway: \"fe80::1\", ra: stateful, dns: [\"fd00::53\"], routes: [{dst: \"fd01::/64\", via: \"fe80::2\"}]"), NULL },
	{ "a gateway outside", SUBNET("prefix: 10.0.0.0/24, gateway: 10.0.1.1"), "subnet 's': field 'gateway': '10.0.1.1' is not in prefix '10.0.0.0/24'" },
	{ "a gateway of the other family of a subnet", SUBNET("prefix: 10.0.0.0/24, gateway: \"fd00::1\""), "field 'gateway': 'fd00::1' is not of the family of the prefix (want IPv4)" },
	{ "a DNS server of the other family", SUBNET("prefix: 10.0.0.0/24, dns: [9.9.9.9, \"fd00::1\"]"), "field 'dns': 'fd00::1' is not of the family of prefix '10.0.0.0/24' (want IPv4)" },
	{ "a route of the other family", SUBNET("prefix: 10.0.0.0/24, routes: [{dst: 10.0.0.0/8, via: \"fd00::1\"}]"), "field 'routes' element 1: field 'via': 'fd00::1' is not of the family of the subnet (want IPv4)" },
	{ "a host of the other family", SUBNET("prefix: 10.0.0.0/24, hosts: [{mac: 02:00:00:00:00:09, address: \"fd00::9\"}]"), "field 'hosts' element 1: field 'address': 'fd00::9' is not of the family of the subnet" },
	{ "advertisements of IPv4", SUBNET("prefix: 10.0.0.0/24, ra: slaac"), "field 'ra': 'slaac' does not go with prefix '10.0.0.0/24'" },
	{ "SLAAC in a /80", SUBNET("prefix: \"fd00::/80\""), "field 'ra': 'slaac' needs a prefix of length 64, it is 80 (want stateful or none)" },
	{ "stateful without DHCP", SUBNET("prefix: \"fd00::/64\", ra: stateful, dhcp: false"), "field 'ra': 'stateful' needs dhcp: true" },
	{ "a subnet's MTU too small for IPv6", SUBNET("prefix: \"fd00::/64\", mtu: 1000"), "field 'mtu': 1000 is too small for IPv6" },
	{ "a subnet of multicast", SUBNET("prefix: 224.0.0.0/8"), "field 'prefix': '224.0.0.0/8' is not a subnet of machines" },
	{ "a lease too short", SUBNET("prefix: 10.0.0.0/24, lease: 59"), "field 'lease': '59' is not a number in range (want 60..2147483647)" },
	{ "an option without value", SUBNET("prefix: 10.0.0.0/24, options: [{code: 66}]"), "subnet 's': option 1: field 'text', 'hex', 'addresses' or 'number' is missing (want one of them)" },
	{ "an option with two", SUBNET("prefix: 10.0.0.0/24, options: [{code: 66, text: x, hex: \"00\"}]"), "option 1: it has more than one of" },
	{ "an option that DHCP needs", SUBNET("prefix: 10.0.0.0/24, options: [{code: 53, hex: \"00\"}]"), "option 1: field 'code': 53 is not for people to set (want another, for IPv4)" },
	{ "an option twice", SUBNET("prefix: 10.0.0.0/24, options: [{code: 66, text: x}, {code: 66, text: y}]"), "option 2: field 'code': 66 appears twice" },
	{ "an option too large for IPv4", SUBNET("prefix: 10.0.0.0/24, options: [{code: 300, text: x}]"), "field 'code': 300 is not for people to set" },
	{ "a number too large for its size", SUBNET("prefix: 10.0.0.0/24, options: [{code: 19, number: 256, size: 1}]"), "option 1: field 'number': 256 does not fit into 1 bytes" },
	{ "a size that no number has", SUBNET("prefix: 10.0.0.0/24, options: [{code: 19, number: 256, size: 3}]"), "field 'size': 3 is not allowed (want 1, 2 or 4)" },
	{ "half a byte", SUBNET("prefix: 10.0.0.0/24, options: [{code: 66, hex: abc}]"), "option 1: field 'hex': 'abc' is not bytes (want an even number" },

#define NAT(text) T "nats: [{name: n, router: r, " text "}]\n"
	{ "NAT rules", NAT("type: snat, to: 192.0.2.1-192.0.2.9, to_ports: 1024-2047, src: 10.0.0.0/8, port: up") "\nload_balancers: []\n", NULL },
	{ "port forwarding", NAT("type: dnat, proto: tcp, dst: 192.0.2.1, dst_ports: 8000-8009, to: 10.0.0.1, to_ports: 80-89"), NULL },
	{ "snat without address", NAT("type: snat"), "nat 'n': field 'to' is missing (type 'snat' needs an address or a range)" },
	{ "an exemption with address", NAT("type: no_snat, to: 192.0.2.1"), "field 'to' does not go with type 'no_snat'" },
	{ "an exemption with ports", NAT("type: no_dnat, to_ports: 5"), "field 'to_ports' does not go with type 'no_dnat'" },
	{ "NAT of two families", NAT("type: snat, src: 10.0.0.0/8, to: \"fd00::1\""), "field 'src': '10.0.0.0/8' is not of the family of 'to' (want IPv6)" },
	{ "a range of two families", NAT("type: snat, to: \"10.0.0.1-fd00::1\""), "field 'to': '10.0.0.1-fd00::1' is not an address or a range of addresses" },
	{ "a reversed range of addresses", NAT("type: snat, to: 10.0.0.9-10.0.0.1"), "is not an address or a range of addresses (want 10.0.0.1 or 10.0.0.1-10.0.0.9)" },
	{ "to_ports without protocol", NAT("type: dnat, to: 10.0.0.1, to_ports: 80"), "field 'to_ports': '80' needs field 'proto' to be tcp or udp" },
	{ "to_ports of SCTP", NAT("type: dnat, proto: sctp, to: 10.0.0.1, to_ports: 80"), "needs field 'proto' to be tcp or udp" },
	{ "to_ports of another length", NAT("type: dnat, proto: tcp, dst_ports: 80-90, to: 10.0.0.1, to_ports: 180-185"), "field 'to_ports': '180-185' is not as long as field 'dst_ports' (want one port, or as many)" },
	{ "port 0", NAT("type: snat, to: 192.0.2.1, to_ports: 0-100"), "field 'to_ports': port 0 cannot be used" },
	{ "a floating IP of nobody", T "floating_ips: [{name: f, router: r, address: 192.0.2.1}]\n", "floating_ip 'f': field 'port' or 'fixed' is missing" },
	{ "a floating IP of two families", T "floating_ips: [{name: f, router: r, address: 192.0.2.1, fixed: \"fd00::1\"}]\n", "field 'fixed': 'fd00::1' is not of the family of 'address' (want IPv4)" },
	{ "a load balancer", T "load_balancers: [{name: l, router: r}]\npools: [{name: p}]\nmembers: [{name: m, pool: p, address: 10.0.0.1, port: 80, weight: 0, state: draining}]\nvips: [{name: v, load_balancer: l, address: 192.0.2.1, proto: tcp, port: 0, pool: p, affinity: source, affinity_timeout: 5, on_empty: reject}]\n", NULL },
	{ "a VIP without port", T "vips: [{name: v, load_balancer: l, address: 192.0.2.1, proto: tcp, pool: p}]\n", "vip 'v': field 'port' is missing" },
	{ "a VIP of ICMP", T "vips: [{name: v, load_balancer: l, address: 192.0.2.1, proto: icmp, port: 1, pool: p}]\n", "field 'proto': 'icmp' is not allowed (want tcp or udp)" },
	{ "a weight too large", T "members: [{name: m, pool: p, address: 10.0.0.1, weight: 1001}]\n", "member 'm': field 'weight': '1001' is not a number in range (want 0..1000)" },

#define AT(text) T "mirrors: [{name: m, to: p, at: [{" text "}]}]\n"
	{ "a mirror", T "mirrors: [{name: m, to: p, at: [{port: a, hook: pre_in}, {bridge: b, hook: in}, {router: r, hook: out}], match: [{proto: tcp}, {src: 10.0.0.0/8, not: [src]}]}]\n", NULL },
	{ "a mirror nowhere", AT("hook: in"), "mirror 'm': field 'at' element 1: field 'port', 'bridge' or 'router' is missing" },
	{ "a mirror at two", AT("port: a, bridge: b, hook: in"), "field 'at' element 1: it names more than one of" },
	{ "a hook of ports", AT("bridge: b, hook: pre_in"), "field 'hook': 'pre_in' is not one of a bridge or router (want in or out)" },
	{ "a hook of bridges", AT("port: a, hook: in"), "field 'hook': 'in' is not one of a port (want pre_in, post_in, pre_out or post_out)" },
	{ "a condition of a mirror", T "mirrors: [{name: m, to: p, match: [{dst_ports: 5}]}]\n", "mirror 'm': condition 1: field 'dst_ports': '5' needs field 'proto'" },
	{ "an action of a mirror", T "mirrors: [{name: m, to: p, match: [{action: drop}]}]\n", "condition 1: field 'action' is unknown" },

	{ "not YAML", "tenant: [\n", "test.yaml:2: not YAML" },
	{ "the second document is bad", T "---\ntenant: b\nports:\n- {name: p, x: 1}\n", "test.yaml:5: port 'p': field 'x' is unknown" },
};

static void test_row(void **state)
{
	const struct row *row = *state;
	struct err err = { 0 };
	json_t *docs = topo_doc_parse(row->in, strlen(row->in), "test.yaml", &err);

	if (!row->error && !docs)
		fail_msg("%s\nrefused: %s", row->in, err.text);
	if (row->error && docs)
		fail_msg("%s\naccepted", row->in);
	if (row->error && !strstr(err.text, row->error))
		fail_msg("%s\ngot:  %s\nwant: %s", row->in, err.text, row->error);
	if (row->error)
		assert_true(err.code == -EINVAL);
	json_decref(docs);
}

static void test_limits(void **state)
{
	size_t size = 400000, n;
	char *text = test_malloc(size);
	struct err err = { 0 };

	n = (size_t)snprintf(text, size, "tenant: a\nchains:\n- name: fw\n  rules:\n");
	for (int i = 0; i <= TOPO_RULES_MAX; i++)
		n += (size_t)snprintf(text + n, size - n, "  - {action: drop}\n");
	assert_null(topo_doc_parse(text, n, "f", &err));
	assert_non_null(strstr(err.text, "f:4: chain 'fw': field 'rules': 10001 rules are too many (at most 10000)"));
	n = (size_t)snprintf(text, size, "tenant: a\nports:\n- name: p\n  bridge: b\n  addresses:\n");
	for (int i = 0; i <= TOPO_ADDRS_MAX; i++)
		n += (size_t)snprintf(text + n, size - n, "  - 10.0.%d.%d\n", i / 200, i % 200 + 1);
	assert_null(topo_doc_parse(text, n, "f", &err));
	assert_non_null(strstr(err.text, "257 addresses are too many (at most 256)"));
	test_free(text);
}

/* What people type for a kind: its name, the key of documents, the singular of that. */
static void test_kind_find(void **state)
{
	(void)state;
	assert_int_equal(topo_kind_find("bind"), TOPO_BIND);
	assert_int_equal(topo_kind_find("bindings"), TOPO_BIND);
	assert_int_equal(topo_kind_find("binding"), TOPO_BIND);
	assert_int_equal(topo_kind_find("qos"), TOPO_QOS);
	assert_int_equal(topo_kind_find("qos-policy"), TOPO_QOS);
	assert_int_equal(topo_kind_find("qos_policy"), TOPO_QOS);
	assert_int_equal(topo_kind_find("qos-policies"), TOPO_QOS);
	assert_int_equal(topo_kind_find("security-group"), TOPO_SECURITY_GROUP);
	for (int i = 0; i < TOPO_KIND_MAX; i++) {
		assert_int_equal(topo_kind_find(topo_kind_name((enum topo_kind)i)), i);
		assert_int_equal(topo_kind_find(topo_kind_plural((enum topo_kind)i)), i);
	}
	assert_int_equal(topo_kind_find("qos_policie"), -1);
	assert_int_equal(topo_kind_find("por"), -1);
	assert_int_equal(topo_kind_find(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_limits),
					    cmocka_unit_test(test_kind_find) };
	int failed = RUN_ROWS(rows, test_row);

	return failed + cmocka_run_group_tests_name("doc", tests, NULL, NULL);
}
