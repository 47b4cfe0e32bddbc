// SPDX-License-Identifier: Apache-2.0
/* What must hold between objects: one row per refusal, each against a base that is accepted; and records that nobody should have written. */
#include "selftests/unit/topology/fixture.h"

struct row {
	const char *name, *in; /* applied on top of the base */
	const char *error;     /* part of the message; NULL = accepted */
};

#define T "tenant: acme\n"

static const char base[] =
	T "bridges: [{name: web}, {name: db}]\n"
	  "routers: [{name: r1}, {name: r2}]\n"
	  "chains:\n"
	  "  - {name: a, rules: [{action: jump, jump: b}, {action: jump, jump: c}]}\n"
	  "  - {name: b, rules: [{action: jump, jump: c}]}\n"
	  "  - {name: c}\n"
	  "ports:\n"
	  "  - {name: vm1, bridge: web, mac: 02:00:00:00:00:01, addresses: [10.0.1.5, \"fd00:1::5\"]}\n"
	  "  - {name: vm2, bridge: db, mac: 02:00:00:00:00:01, addresses: [10.0.1.5]}\n"
	  "  - {name: web-r1, bridge: web, peer: r1-web}\n"
	  "  - {name: r1-web, router: r1, mac: 02:00:00:00:01:01, addresses: [10.0.1.1/24, 10.0.9.1/24, \"fd00:1::1/64\"]}\n"
	  "  - {name: r1-up, router: r1, addresses: [198.51.100.2/24, \"fd00:2::2/64\"]}\n"
	  "  - {name: r2-up, router: r2, addresses: [198.51.100.3/24]}\n"
	  "routes: [{name: def, router: r1, dst: 0.0.0.0/0, port: r1-up, gateway: 198.51.100.1}]\n"
	  "bindings: [{port: vm1, host: h1, interface: veth1}, {port: r1-up, host: h1, interface: eth1}]\n";

#define R1_UP(addresses) T "ports: [{name: r1-up, router: r1, addresses: [" addresses "]}]\n"
#define VM(fields) T "ports: [{name: vm3, bridge: web, " fields "}]\n"
#define ROUTE(fields) T "routes: [{name: x, router: r1, " fields "}]\n"

static const struct row rows[] = {
	{ "nothing more", T, NULL },
	{ "one MAC on two bridges", VM("mac: 02:00:00:00:00:02"), NULL },
	{ "a /31 has no network address", R1_UP("198.51.100.2/31"), "gateway" },
	{ "both ends of a /31", T "ports: [{name: x, router: r2, addresses: [10.9.9.0/31]}, {name: y, router: r1, addresses: [10.9.9.1/31]}]\n", NULL },
	{ "a link-local gateway", ROUTE("dst: \"::/0\", port: r1-up, gateway: \"fe80::1\""), NULL },
	{ "a /32 on a router port", T "ports: [{name: x, router: r2, addresses: [10.9.9.9/32]}]\n", NULL },
	{ "one interface name on two hosts", T "bindings: [{port: vm2, host: h2, interface: veth1}]\n", NULL },
	{ "two subnets of one port may overlap", T "ports: [{name: x, router: r2, addresses: [10.9.0.1/16, 10.9.9.9/24]}]\n", NULL },

	{ "the MAC of a port towards a router is nobody's", T "ports: [{name: web-r1, bridge: web, mac: 02:00:00:00:00:01}]\n", NULL },

	{ "dangling bridge", T "ports: [{name: x, bridge: nope}]\n", "port 'x': field 'bridge': bridge 'nope' does not exist" },
	{ "dangling router", T "ports: [{name: x, router: nope}]\n", "port 'x': field 'router': router 'nope' does not exist" },
	{ "dangling peer", T "ports: [{name: x, bridge: web, peer: nope}]\n", "port 'x': field 'peer': port 'nope' does not exist" },
	{ "dangling chain of a port", VM("in_chain: nope"), "port 'vm3': field 'in_chain': chain 'nope' does not exist" },
	{ "dangling chain of a bridge", T "bridges: [{name: web, out_chain: nope}]\n", "bridge 'web': field 'out_chain': chain 'nope' does not exist" },
	{ "dangling chain of a router", T "routers: [{name: r1, in_chain: nope}]\n", "router 'r1': field 'in_chain': chain 'nope' does not exist" },
	{ "dangling jump", T "chains: [{name: x, rules: [{name: go, action: jump, jump: nope}]}]\n", "chain 'x': rule 'go': field 'jump': chain 'nope' does not exist" },
	{ "dangling router of a route", T "routes: [{name: x, router: nope, dst: 10.0.0.0/8, type: blackhole}]\n", "route 'x': field 'router': router 'nope' does not exist" },
	{ "dangling port of a route", ROUTE("dst: 10.0.0.0/8, port: nope"), "route 'x': field 'port': port 'nope' does not exist" },
	{ "dangling port of a binding", T "bindings: [{port: nope, host: h1, interface: veth9}]\n", "bind 'nope': field 'port': port 'nope' does not exist" },
	{ "an id that is nobody's", VM("in_chain: 018bcfe5-6800-7000-8000-0000000000ff"), "chain '018bcfe5-6800-7000-8000-0000000000ff' does not exist" },

	{ "no name twice in a document", T "bridges: [{name: x}, {name: x}]\n", "bridge 'x': appears twice in the document" },
	{ "no rule's name twice", T "chains: [{name: x, rules: [{name: n, action: drop}, {name: n, action: drop}]}]\n", "chain 'x': rule 'n': field 'name': 'n' is the name of another rule" },
	{ "nor a generated one", T "chains: [{name: x, rules: [{name: rule2, action: drop}, {action: drop}]}]\n", "rule 'rule2': field 'name': 'rule2' is the name of another rule" },
	{ "no id twice", T "bridges: [{name: x, id: 018bcfe5-6800-7000-8000-0000000000ff}, {name: y, id: 018bcfe5-6800-7000-8000-0000000000ff}]\n", "field 'id': '018bcfe5-6800-7000-8000-0000000000ff' is the id of bridge" },

	{ "a MAC twice on a bridge", VM("mac: 02:00:00:00:00:01"), "port 'vm3': field 'mac': '02:00:00:00:00:01' is also that of port 'vm1' on the same bridge 'web' (" },
	{ "... by one whose name comes first", T "ports: [{name: a, bridge: web, mac: 02:00:00:00:00:01}]\n", "port 'a': field 'mac': '02:00:00:00:00:01' is also that of port 'vm1' on the same bridge 'web' (" },
	{ "an address by one whose name comes first", T "ports: [{name: a, bridge: web, addresses: [10.0.1.5]}]\n", "port 'a': field 'addresses': '10.0.1.5' is also that of port 'vm1' of bridge 'web' (" },
	{ "an interface by one whose name comes first", T "ports: [{name: a, bridge: web}]\nbindings: [{port: a, host: h1, interface: veth1}]\n", "bind 'a': field 'interface': 'veth1' of host 'h1' is also bound to port 'vm1' (" },
	{ "subnets by a wider one", T "ports: [{name: x, router: r1, addresses: [10.0.0.1/16]}]\n", "port 'x': field 'addresses': subnet of '10.0.0.1/16' overlaps that of '10.0.1.1/24' on port 'r1-web'" },
	{ "an id by one whose name comes first", T "bridges: [{name: a, id: 00000000-0000-4000-8000-000000000001}, {name: b, id: 00000000-0000-4000-8000-000000000001}]\n", "bridge 'b': field 'id'" },
	{ "the MAC of a router's port", VM("mac: 02:00:00:00:01:01"), "port 'vm3': field 'mac': '02:00:00:00:01:01' is also that of port 'r1-web' on the same bridge 'web'" },
	{ "an address twice on a bridge", VM("addresses: [10.0.1.5]"), "port 'vm3': field 'addresses': '10.0.1.5' is also that of port 'vm1' of bridge 'web' (" },
	{ "an address twice on a port", VM("addresses: [10.0.1.6, 10.0.1.6]"), "port 'vm3': field 'addresses': '10.0.1.6' appears twice" },
	{ "an address twice on a router", R1_UP("198.51.100.2/24, 10.0.1.1/24"), "port 'r1-up': field 'addresses': '10.0.1.1/24' is also that of port 'r1-web' of router 'r1' (" },
	{ "overlapping subnets", R1_UP("198.51.100.2/24, 10.0.1.200/25"), "overlaps that of" },
	{ "overlapping subnets name both", R1_UP("198.51.100.2/24, 10.0.1.200/25"), "port 'r1-up': field 'addresses': subnet of '10.0.1.200/25' overlaps that of '10.0.1.1/24' on port 'r1-web' of the same router 'r1'" },
	{ "a subnet within one further up", R1_UP("198.51.100.2/24, 10.0.0.1/16"), "overlaps" },
	{ "overlapping subnets of IPv6", R1_UP("198.51.100.2/24, \"fd00:1::9/48\""), "overlaps that of" },
	{ "a subnet behind one that lies within the same", T "ports: [{name: x, router: r2, addresses: [10.9.0.1/16, 10.9.1.1/24]}, {name: y, router: r2, addresses: [10.9.200.1/24]}]\n",
	  "subnet of '10.9.200.1/24' overlaps that of '10.9.0.1/16' on port 'x'" },
	{ "a /32 within a subnet", R1_UP("198.51.100.2/24, 10.0.1.9/32"), "overlaps that of" },
	{ "network address", R1_UP("198.51.100.0/24"), "port 'r1-up': field 'addresses': '198.51.100.0/24' is its subnet's network address" },
	{ "broadcast address", R1_UP("198.51.100.255/24"), "'198.51.100.255/24' is its subnet's broadcast address" },
	{ "all ones", VM("addresses: [255.255.255.255]"), "'255.255.255.255' is the broadcast address" },
	{ "router anycast address", R1_UP("198.51.100.2/24, \"fd00:2::/64\""), "'fd00:2::/64' is its subnet's router anycast address" },
	{ "multicast address", R1_UP("224.0.0.1/24"), "is a multicast address" },
	{ "multicast address of IPv6", VM("addresses: [\"ff02::1\"]"), "'ff02::1' is a multicast address" },
	{ "loopback address", R1_UP("127.0.0.1/8"), "is a loopback address" },
	{ "loopback address of IPv6", VM("addresses: [\"::1\"]"), "is a loopback address" },
	{ "unspecified address", VM("addresses: [0.0.0.0]"), "is the unspecified address" },
	{ "unspecified address of IPv6", VM("addresses: [\"::\"]"), "is the unspecified address" },
	{ "no length on a router port", R1_UP("198.51.100.2"), "port 'r1-up': field 'addresses': '198.51.100.2' has no prefix length (a router port's subnet is part of it, want 198.51.100.2/24)" },
	{ "a length on a bridge port", VM("addresses: [10.0.1.6/24]"), "'10.0.1.6/24' has a prefix length" },

	{ "gateway outside", ROUTE("dst: 10.0.0.0/8, port: r1-up, gateway: 10.0.1.9"), "route 'x': field 'gateway': '10.0.1.9' is in no subnet of port 'r1-up'" },
	{ "gateway is oneself", ROUTE("dst: 10.0.0.0/8, port: r1-up, gateway: 198.51.100.2"), "route 'x': field 'gateway': '198.51.100.2' is the address of port 'r1-up' itself" },
	{ "gateway is no machine", ROUTE("dst: 10.0.0.0/8, port: r1-up, gateway: 224.0.0.1"), "'224.0.0.1' is not the address of a machine" },
	{ "the port's subnet moves from under a gateway", R1_UP("192.0.2.2/24"), "route 'def': field 'gateway': '198.51.100.1' is in no subnet of port 'r1-up'" },
	{ "port of another router", ROUTE("dst: 10.0.0.0/8, port: r2-up"), "route 'x': field 'port': 'r2-up' is not a port of router 'r1'" },
	{ "port of a bridge", ROUTE("dst: 10.0.0.0/8, port: vm1"), "'vm1' is not a port of router 'r1'" },

	{ "a peer that has another", T "ports: [{name: x, bridge: db, peer: r1-web}]\n", "port 'x': field 'peer': 'r1-web' is the peer of 'web-r1' already" },
	{ "a peer that says no", T "ports: [{name: x, bridge: db, peer: y}, {name: y, bridge: web, peer: null}]\n", "port 'x': field 'peer': 'y' does not have 'x' as its peer" },
	{ "a bound peer", T "ports: [{name: x, bridge: db, peer: r1-up}]\n", "bind 'r1-up': field 'port': 'r1-up' is linked to its peer 'x' (only a port without peer can be bound)" },
	{ "binding of an interior port", T "bindings: [{port: web-r1, host: h1, interface: veth9}]\n", "bind 'web-r1': field 'port': 'web-r1' is linked to its peer 'r1-web'" },
	{ "an interface twice", T "bindings: [{port: vm2, host: h1, interface: veth1}]\n", "bind 'vm2': field 'interface': 'veth1' of host 'h1' is also bound to port 'vm1' (" },

	{ "a chain that jumps to itself", T "chains: [{name: x, rules: [{name: go, action: jump, jump: x}]}]\n", "chain 'x': rule 'go': field 'jump': 'x' leads back to itself" },
	{ "chains in a circle", T "chains: [{name: c, rules: [{action: jump, jump: a}]}]\n", "leads back to itself (chains must not jump in circles)" },
	/* --- VLANs, static entries --- */
#define VLANS(more, ports) T "bridges: [{name: v, vlan_aware: true" more "}]\nports:\n" ports
#define V10 "  - {name: v10, bridge: v, vlan: 10, mac: 02:00:00:00:00:01, addresses: [10.7.0.1]}\n"
	{ "one MAC and one address in two VLANs", VLANS("", V10 "  - {name: v20, bridge: v, vlan: 20, mac: 02:00:00:00:00:01, addresses: [10.7.0.1]}\n"), NULL },
	{ "a MAC twice in a VLAN", VLANS("", V10 "  - {name: v11, bridge: v, vlan: 10, mac: 02:00:00:00:00:01}\n"), "port 'v11': field 'mac': '02:00:00:00:00:01' is also that of port 'v10' on the same bridge 'v', VLAN 10" },
	{ "an address twice in a VLAN", VLANS("", V10 "  - {name: v11, bridge: v, vlan: 10, mac: 02:00:00:00:00:02, addresses: [10.7.0.1]}\n"), "port 'v11': field 'addresses': '10.7.0.1' is also that of port 'v10' of bridge 'v'" },
	{ "a VLAN on a plain bridge", VM("vlan: 7"), "port 'vm3': field 'vlan' needs bridge 'web' to be VLAN-aware" },
	{ "a trunk on a plain bridge", VM("trunk: all"), "port 'vm3': field 'trunk' needs bridge 'web' to be VLAN-aware" },
	{ "static MACs in two VLANs", VLANS(", static_macs: [{mac: 02:00:00:00:00:09, port: t, vlan: 10}, {mac: 02:00:00:00:00:09, port: t, vlan: 20}]", "  - {name: t, bridge: v, trunk: [10, 20]}\n"), NULL },
	{ "a static MAC twice", VLANS(", static_macs: [{mac: 02:00:00:00:00:09, port: t, vlan: 10}, {mac: 02:00:00:00:00:09, port: t, vlan: 10}]", "  - {name: t, bridge: v, trunk: [10, 20]}\n"), "bridge 'v': field 'static_macs' element 2: field 'mac': '02:00:00:00:00:09' appears twice" },
	{ "a static MAC in a VLAN that the port lacks", VLANS(", static_macs: [{mac: 02:00:00:00:00:09, port: t, vlan: 30}]", "  - {name: t, bridge: v, trunk: [10, 20]}\n"), "element 1: field 'vlan': 30 is not a VLAN of port 't'" },
	{ "a static MAC that a port has", VLANS(", static_macs: [{mac: 02:00:00:00:00:01, port: t, vlan: 10}]", V10 "  - {name: t, bridge: v, trunk: [10, 20]}\n"), "element 1: field 'mac': '02:00:00:00:00:01' is that of port 'v10'" },
	{ "a static MAC that sorts behind", VLANS(", static_macs: [{mac: 02:00:00:00:00:01, port: a, vlan: 10}]", V10 "  - {name: a, bridge: v}\n"), "is that of port 'v10'" },
	{ "a static MAC of another bridge's port", T "bridges: [{name: db, static_macs: [{mac: 02:00:00:00:00:09, port: vm1}]}]\n", "bridge 'db': field 'static_macs' element 1: field 'port': 'vm1' is not a port of the bridge" },
	{ "dangling port of a static MAC", T "bridges: [{name: db, static_macs: [{mac: 02:00:00:00:00:09, port: nope}]}]\n", "bridge 'db': field 'static_macs' element 1: field 'port': port 'nope' does not exist" },
	{ "a neighbour", T "bridges: [{name: db, neighbours: [{address: 10.0.1.6, mac: 02:00:00:00:00:09}, {address: \"fd00::6\", mac: 02:00:00:00:00:09}]}]\n", NULL },
	{ "a neighbour twice", T "bridges: [{name: db, neighbours: [{address: 10.0.1.6, mac: 02:00:00:00:00:09}, {address: 10.0.1.6, mac: 02:00:00:00:00:08}]}]\n", "bridge 'db': field 'neighbours': field 'address': '10.0.1.6' appears twice" },
	{ "a neighbour that is a port", T "bridges: [{name: db, neighbours: [{address: 10.0.1.5, mac: 02:00:00:00:00:09}]}]\n", "field 'neighbours': field 'address': '10.0.1.5' is that of port 'vm2'" },
	{ "a neighbour of multicast", T "bridges: [{name: db, neighbours: [{address: 224.0.0.1, mac: 02:00:00:00:00:09}]}]\n", "'224.0.0.1' is a multicast address" },
	{ "a machine with the router's address", VM("addresses: [10.0.1.1], mac: 02:00:00:00:00:07"), "'10.0.1.1' is also that of port 'r1-web' of router 'r1'" },

	/* --- ports' policy --- */
	{ "allowed addresses may be shared", T "ports:\n  - {name: a, bridge: web, mac: 02:00:00:00:00:0a, allowed_addresses: [10.0.1.100]}\n  - {name: b, bridge: web, mac: 02:00:00:00:00:0b, allowed_addresses: [10.0.1.100]}\n", NULL },
	{ "an allowed address twice", VM("mac: 02:00:00:00:00:0a, allowed_addresses: [10.0.1.100, 10.0.1.100]"), "port 'vm3': field 'allowed_addresses' element 2: '10.0.1.100/32' appears twice" },
	{ "an allowed address without MAC", VM("allowed_addresses: [10.0.1.100]"), "field 'allowed_addresses' element 1: '10.0.1.100/32' needs field 'mac', of the element or of the port" },
	{ "dangling security group", VM("security_groups: [nope]"), "port 'vm3': field 'security_groups': security_group 'nope' does not exist" },
	{ "dangling port group", VM("port_groups: [nope]"), "port 'vm3': field 'port_groups': port_group 'nope' does not exist" },
	{ "dangling QoS", VM("qos: nope"), "port 'vm3': field 'qos': qos 'nope' does not exist" },
	{ "a security group that names itself", T "security_groups: [{name: s, rules: [{direction: ingress, remote_group: s}]}]\n", NULL },
	{ "dangling remote group", T "security_groups: [{name: s, rules: [{name: r, direction: ingress, remote_group: nope}]}]\n", "security_group 's': rule 'r': field 'remote_group': security_group 'nope' does not exist" },
	{ "dangling remote addresses", T "security_groups: [{name: s, rules: [{direction: ingress, remote_addresses: nope}]}]\n", "security_group 's': rule 'rule1': field 'remote_addresses': address_group 'nope' does not exist" },
	{ "no rule's name twice in a group", T "security_groups: [{name: s, rules: [{name: r, direction: ingress}, {name: r, direction: ingress, proto: tcp}]}]\n", "security_group 's': rule 'r': field 'name': 'r' is the name of another rule of the group" },
	{ "dangling group of a rule", T "chains: [{name: x, rules: [{name: r, action: drop, src_group: nope}]}]\n", "chain 'x': rule 'r': field 'src_group': address_group 'nope' does not exist" },
	{ "dangling port of a rule", T "chains: [{name: x, rules: [{name: r, action: drop, in_ports: [vm1, nope]}]}]\n", "chain 'x': rule 'r': field 'in_ports': port 'nope' does not exist" },
	{ "dangling port group of a rule", T "chains: [{name: x, rules: [{name: r, action: drop, entry_port_group: nope}]}]\n", "field 'entry_port_group': port_group 'nope' does not exist" },
	{ "dangling device of a rule", T "chains: [{name: x, rules: [{name: r, action: drop, traversed: router/web}]}]\n", "rule 'r': field 'traversed': router 'web' does not exist" },

	/* --- mirrors --- */
#define MIRROR(to, at) T "mirrors: [{name: m, to: " to ", at: [" at "]}]\n"
	{ "a mirror", MIRROR("vm2", "{port: vm1, hook: pre_in}, {port: vm1, hook: post_in}, {bridge: web, hook: out}"), NULL },
	{ "a mirror to a link", MIRROR("web-r1", "{port: vm1, hook: pre_in}"), "mirror 'm': field 'to': 'web-r1' is linked to its peer 'r1-web' (want a port without peer)" },
	{ "a mirror of itself", MIRROR("vm1", "{port: vm1, hook: post_out}"), "mirror 'm': field 'to': 'vm1' is also in field 'at'" },
	{ "a mirror twice at a place", MIRROR("vm2", "{port: vm1, hook: pre_in}, {port: vm1, hook: pre_in}"), "mirror 'm': field 'at': port 'vm1' appears twice with one hook" },
	{ "dangling target of a mirror", MIRROR("nope", ""), "mirror 'm': field 'to': port 'nope' does not exist" },
	{ "dangling place of a mirror", MIRROR("vm2", "{router: nope, hook: in}"), "mirror 'm': field 'at' element 1: field 'router': router 'nope' does not exist" },
	{ "dangling group of a mirror", T "mirrors: [{name: m, to: vm2, match: [{dst_group: nope}]}]\n", "mirror 'm': condition 1: field 'dst_group': address_group 'nope' does not exist" },

	/* --- subnets --- */
#define SUBNETS(list) T "subnets: [" list "]\n"
	{ "two subnets", SUBNETS("{name: a, bridge: web, prefix: 10.0.1.0/24}, {name: b, bridge: web, prefix: 10.0.2.0/24}, {name: c, bridge: web, prefix: \"fd00:1::/64\"}, {name: d, bridge: db, prefix: 10.0.1.0/24}"), NULL },
	{ "overlapping prefixes", SUBNETS("{name: a, bridge: web, prefix: 10.0.0.0/16}, {name: b, bridge: web, prefix: 10.0.2.0/24}"), "subnet 'b': field 'prefix': '10.0.2.0/24' overlaps '10.0.0.0/16' of subnet 'a' on the same bridge 'web'" },
	{ "dangling bridge of a subnet", SUBNETS("{name: a, bridge: nope, prefix: 10.0.1.0/24}"), "subnet 'a': field 'bridge': bridge 'nope' does not exist" },
	{ "a gateway that no machine can be", SUBNETS("{name: a, bridge: web, prefix: 10.0.1.0/24, gateway: 10.0.1.255}"), "subnet 'a': field 'gateway': '10.0.1.255' is its subnet's broadcast address" },
	{ "hosts", SUBNETS("{name: a, bridge: web, prefix: 10.0.1.0/24, hosts: [{mac: 02:00:00:00:00:01, address: 10.0.1.5}, {mac: 02:00:00:00:00:09, address: 10.0.1.9}]}"), NULL },
	{ "two hosts of a MAC", SUBNETS("{name: a, bridge: web, prefix: 10.0.1.0/24, hosts: [{mac: 02:00:00:00:00:09, address: 10.0.1.8}, {mac: 02:00:00:00:00:09, address: 10.0.1.9}]}"), "subnet 'a': host '02:00:00:00:00:09': field 'mac': '02:00:00:00:00:09' appears twice" },
	{ "two hosts of an address", SUBNETS("{name: a, bridge: web, prefix: 10.0.1.0/24, hosts: [{mac: 02:00:00:00:00:08, address: 10.0.1.9}, {mac: 02:00:00:00:00:09, address: 10.0.1.9}]}"), "host '02:00:00:00:00:09': field 'address': '10.0.1.9' appears twice" },
	{ "a host outside", SUBNETS("{name: a, bridge: web, prefix: 10.0.1.0/24, hosts: [{mac: 02:00:00:00:00:09, address: 10.0.2.9}]}"), "field 'address': '10.0.2.9' is not in prefix '10.0.1.0/24'" },
	{ "a host with a port's address", SUBNETS("{name: a, bridge: web, prefix: 10.0.1.0/24, hosts: [{mac: 02:00:00:00:00:09, address: 10.0.1.5}]}"), "field 'address': '10.0.1.5' is that of port 'vm1'" },
	{ "a host that is the gateway", SUBNETS("{name: a, bridge: web, prefix: 10.0.1.0/24, hosts: [{mac: 02:00:00:00:00:09, address: 10.0.1.1}]}"), "field 'address': '10.0.1.1' is the gateway's" },
	{ "a host that is the network", SUBNETS("{name: a, bridge: web, prefix: 10.0.1.0/24, hosts: [{mac: 02:00:00:00:00:09, address: 10.0.1.0}]}"), "is its subnet's network address" },

	/* --- NAT --- */
#define FIP(text) T "floating_ips: [{name: f, router: r1, " text "}]\n"
#define SNAT(text) T "nats: [{name: n, router: r1, type: snat, " text "}]\n"
#define DNAT(text) T "nats: [{name: n, router: r1, type: dnat, " text "}]\n"
	{ "a floating IP by port", FIP("address: 198.51.100.50, port: vm1"), NULL },
	{ "a floating IP by address", FIP("address: \"fd00:2::50\", fixed: \"fd00:1::5\", uplink: r1-up"), NULL },
	{ "two of one address", T "floating_ips: [{name: f, router: r1, address: 198.51.100.50, port: vm1}, {name: g, router: r1, address: 198.51.100.50, fixed: 10.0.1.6}]\n", "floating_ip 'g': field 'address': '198.51.100.50' is in use by floating_ip 'f' of the same router 'r1'" },
	{ "two for one address", T "floating_ips: [{name: f, router: r1, address: 198.51.100.50, port: vm1}, {name: g, router: r1, address: 198.51.100.51, fixed: 10.0.1.5}]\n", "floating_ip 'g': field 'fixed': '10.0.1.5' is also that of floating_ip 'f' of the same router 'r1'" },
	{ "the same on another router", T "floating_ips: [{name: f, router: r1, address: 198.51.100.50, port: vm1}, {name: g, router: r2, address: 198.51.100.50, port: vm2}]\n", NULL },
	{ "a floating IP that is a port's", FIP("address: 198.51.100.2, port: vm1"), "floating_ip 'f': field 'address': '198.51.100.2' is in use by port 'r1-up' of the same router 'r1'" },
	{ "a floating IP that is a machine's", FIP("address: \"fd00:1::5\", fixed: \"fd00:1::6\""), "floating_ip 'f': field 'address': 'fd00:1::5' is the address of port 'vm1' on bridge 'web'" },
	{ "a floating IP of multicast", FIP("address: 224.0.0.5, port: vm1"), "floating_ip 'f': field 'address': '224.0.0.5' is a multicast address" },
	{ "a floating IP for the router", FIP("address: 198.51.100.50, fixed: 10.0.1.1"), "floating_ip 'f': field 'fixed': '10.0.1.1' is that of port 'r1-web' of router 'r1' (want a machine's)" },
	{ "a floating IP for a floating IP", T "floating_ips: [{name: f, router: r1, address: 198.51.100.50, port: vm1}, {name: g, router: r1, address: 198.51.100.51, fixed: 198.51.100.50}]\n", "floating_ip 'g': field 'fixed': '198.51.100.50' is that of floating_ip 'f'" },
	{ "a floating IP of a router's port", FIP("address: 198.51.100.50, port: r1-web"), "floating_ip 'f': field 'port': 'r1-web' is not a machine's port" },
	{ "a floating IP of a link", FIP("address: 198.51.100.50, port: web-r1, fixed: 10.0.1.6"), "field 'port': 'web-r1' is not a machine's port" },
	{ "a floating IP of a port without such address", T "ports: [{name: x, bridge: web}]\nfloating_ips: [{name: f, router: r1, address: 198.51.100.50, port: x}]\n", "floating_ip 'f': field 'port': 'x' has no address of the family of '198.51.100.50'" },
	{ "a floating IP of another address", FIP("address: 198.51.100.50, port: vm1, fixed: 10.0.1.6"), "field 'fixed': '10.0.1.6' is not an address of port 'vm1'" },
	{ "another router's uplink", FIP("address: 198.51.100.50, port: vm1, uplink: r2-up"), "floating_ip 'f': field 'uplink': 'r2-up' is not a port of router 'r1'" },
	{ "dangling router of a floating IP", T "floating_ips: [{name: f, router: nope, address: 198.51.100.50, port: vm1}]\n", "floating_ip 'f': field 'router': router 'nope' does not exist" },

	{ "snat to the port's own address", SNAT("to: 198.51.100.2"), NULL },
	{ "snat to a range with the port's own address", SNAT("to: 198.51.100.1-198.51.100.9"), "nat 'n': field 'to': '198.51.100.2' is in use by port 'r1-up' of the same router 'r1'" },
	{ "two snat rules of one range", T "nats: [{name: n, router: r1, type: snat, to: 198.51.100.50-198.51.100.60, src: 10.0.1.0/25}, {name: o, router: r1, type: snat, to: 198.51.100.55, src: 10.0.1.128/25}]\n", NULL },
	{ "a floating IP in a range", SNAT("to: 198.51.100.40-198.51.100.60") "floating_ips: [{name: f, router: r1, address: 198.51.100.50, port: vm1}]\n", "floating_ip 'f': field 'address': '198.51.100.50' is in use by nat 'n' of the same router 'r1'" },
	{ "a floating IP in the longer of two ranges", T "nats: [{name: n, router: r1, type: snat, to: 198.51.100.40-198.51.100.60}, {name: o, router: r1, type: snat, to: 198.51.100.45-198.51.100.46}]\nfloating_ips: [{name: f, router: r1, address: 198.51.100.50, port: vm1}]\n", "'198.51.100.50' is in use by nat 'n'" },
	{ "a range with a machine in it", SNAT("to: 10.0.1.4-10.0.1.9"), "nat 'n': field 'to': '10.0.1.5' is the address of port 'vm1' on bridge 'web'" },
	{ "a range too large", SNAT("to: 100.64.0.1-100.65.0.9"), "nat 'n': field 'to': the range has more than 65536 addresses" },
	{ "a range of IPv6 too large", SNAT("to: \"fd00:9::1-fd00:a::1\""), "the range has more than 65536 addresses" },
	{ "a range of multicast", SNAT("to: 224.0.0.1"), "nat 'n': field 'to': '224.0.0.1' is a multicast address" },
	{ "another router's port of a NAT rule", SNAT("to: 198.51.100.2, port: r2-up"), "nat 'n': field 'port': 'r2-up' is not a port of router 'r1'" },
	{ "port forwarding from the port's own address", DNAT("proto: tcp, dst: 198.51.100.2, dst_ports: 80, to: 10.0.1.5"), NULL },
	{ "dnat of a floating IP", DNAT("dst: 198.51.100.50, to: 10.0.1.5") "floating_ips: [{name: f, router: r1, address: 198.51.100.50, fixed: 10.0.1.6}]\n", "nat 'n': field 'dst': '198.51.100.50' is in use by floating_ip 'f'" },
	{ "dnat to a floating IP", DNAT("dst: 198.51.100.51, to: 198.51.100.50") "floating_ips: [{name: f, router: r1, address: 198.51.100.50, fixed: 10.0.1.6}]\n", "nat 'n': field 'to': '198.51.100.50' is that of floating_ip 'f' of router 'r1' (want an address that is not translated again)" },
	{ "two routers of one address on a bridge", T "ports: [{name: web-r2, bridge: web, peer: r2-web}, {name: r2-web, router: r2, addresses: [10.0.1.2/24]}]\n"
	  "floating_ips: [{name: f, router: r1, address: 10.0.1.77, fixed: 10.5.0.1}, {name: g, router: r2, address: 10.0.1.77, fixed: 10.5.0.2}]\n", "its NAT or VIP address '10.0.1.77' is also one of router 'r1' on the same bridge 'web'" },

	/* --- load balancing --- */
#define LB "load_balancers: [{name: l, router: r1}]\npools: [{name: p}]\n"
#define VIP(name, text) "{name: " name ", load_balancer: l, pool: p, " text "}"
#define MEMBER(name, text) "{name: " name ", pool: p, " text "}"
	{ "VIPs of one address", T LB "vips: [" VIP("v", "address: 198.51.100.80, proto: tcp, port: 80") ", " VIP("w", "address: 198.51.100.80, proto: tcp, port: 443") ", " VIP("x", "address: 198.51.100.80, proto: udp, port: 80") ", " VIP("y", "address: 198.51.100.80, proto: tcp, port: 0") "]\n", NULL },
	{ "a VIP twice", T LB "vips: [" VIP("v", "address: 198.51.100.80, proto: tcp, port: 80") ", " VIP("w", "address: 198.51.100.80, proto: tcp, port: 80") "]\n", "vip 'w': field 'address': '198.51.100.80' tcp/80 is also that of vip 'v' on the same router 'r1'" },
	{ "a VIP twice by two load balancers", T LB "vips: [" VIP("v", "address: 198.51.100.80, proto: tcp, port: 80") ", {name: w, load_balancer: k, pool: p, address: 198.51.100.80, proto: tcp, port: 80}]\n", "load_balancer 'k' does not exist" },
	{ "a VIP that is a floating IP", T LB "vips: [" VIP("v", "address: 198.51.100.80, proto: tcp, port: 80") "]\nfloating_ips: [{name: f, router: r1, address: 198.51.100.80, port: vm1}]\n", "vip 'v': field 'address': '198.51.100.80' is in use by floating_ip 'f'" },
	{ "a VIP in a range", T LB "vips: [" VIP("v", "address: 198.51.100.80, proto: tcp, port: 80") "]\nnats: [{name: n, router: r1, type: snat, to: 198.51.100.80}]\n", "vip 'v': field 'address': '198.51.100.80' is in use by nat 'n'" },
	{ "a VIP that is the port's", T LB "vips: [" VIP("v", "address: 198.51.100.2, proto: tcp, port: 80") "]\n", "vip 'v': field 'address': '198.51.100.2' is in use by port 'r1-up'" },
	{ "a VIP that is a machine's", T LB "vips: [" VIP("v", "address: 10.0.1.5, proto: tcp, port: 80") "]\n", "vip 'v': field 'address': '10.0.1.5' is the address of port 'vm1' on bridge 'web'" },
	{ "a VIP on the members' subnet", T LB "vips: [" VIP("v", "address: 10.0.1.80, proto: tcp, port: 80") "]\nmembers: [" MEMBER("m", "address: 10.0.1.5") "]\n", NULL },
	{ "a member of the other family", T LB "vips: [" VIP("v", "address: 10.0.1.80, proto: tcp, port: 80") "]\nmembers: [" MEMBER("m", "address: \"fd00:1::5\"") "]\n", "vip 'v': field 'pool': member 'm' of pool 'p' has address 'fd00:1::5', not of the family of '10.0.1.80' (want IPv4)" },
	{ "a member that is the VIP", T LB "vips: [" VIP("v", "address: 10.0.1.80, proto: tcp, port: 80") "]\nmembers: [" MEMBER("m", "address: 10.0.1.80, port: 81") "]\n", "member 'm' of pool 'p' has address '10.0.1.80', which is router 'r1' itself" },
	{ "a member that is the router", T LB "vips: [" VIP("v", "address: 10.0.1.80, proto: tcp, port: 80") "]\nmembers: [" MEMBER("m", "address: 10.0.1.1") "]\n", "has address '10.0.1.1', which is router 'r1' itself" },
	{ "a member twice", T LB "members: [" MEMBER("m", "address: 10.0.1.5, port: 80") ", " MEMBER("n", "address: 10.0.1.5, port: 80") "]\n", "'10.0.1.5' port 80 is also that of member" },
	{ "two ports of a machine are two members", T LB "members: [" MEMBER("m", "address: 10.0.1.5, port: 80") ", " MEMBER("n", "address: 10.0.1.5, port: 81") "]\n", NULL },
	{ "a member of multicast", T LB "members: [" MEMBER("m", "address: 224.0.0.1") "]\n", "member 'm': field 'address': '224.0.0.1' is a multicast address" },
	{ "dangling pool", T LB "vips: [{name: v, load_balancer: l, pool: nope, address: 198.51.100.80, proto: tcp, port: 80}]\n", "vip 'v': field 'pool': pool 'nope' does not exist" },
	{ "dangling pool of a member", T "members: [{name: m, pool: nope, address: 10.0.0.1}]\n", "member 'm': field 'pool': pool 'nope' does not exist" },
	{ "dangling router of a load balancer", T "load_balancers: [{name: l, router: nope}]\n", "load_balancer 'l': field 'router': router 'nope' does not exist" },
};

static void test_row(void **state)
{
	const struct row *row = *state;
	json_t *records = applied(NULL, base), *before = json_deep_copy(records), *changes;
	struct err err = { 0 };

	changes = changes_of(records, row->in, false, &err);
	if (!row->error && !changes)
		fail_msg("%s\nrefused: %s", row->in, err.text);
	if (row->error && changes)
		fail_msg("%s\naccepted", row->in);
	if (row->error && !strstr(err.text, row->error))
		fail_msg("%s\ngot:  %s\nwant: %s", row->in, err.text, row->error);
	assert_true(json_equal(records, before)); /* nothing half-applied */
	json_decref(changes);
	json_decref(records);
	json_decref(before);
}

static void test_deep_jumps(void **state)
{
	char text[8192];
	struct err err = { 0 };
	size_t n;

	for (int deep = TOPO_JUMPS_MAX; deep <= TOPO_JUMPS_MAX + 1; deep++) {
		json_t *records = json_object(), *changes;

		n = (size_t)snprintf(text, sizeof(text), "tenant: a\nchains:\n- {name: c%d}\n", deep);
		for (int i = 0; i < deep; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
					      "- {name: c%d, rules: [{action: jump, jump: c%d}]}\n", i, i + 1);
		changes = changes_of(records, text, false, &err);
		if (deep <= TOPO_JUMPS_MAX)
			assert_non_null(changes);
		else
			assert_non_null(strstr(err.text, "chain 'c0': its jumps are nested 33 deep (at most 32)"));
		json_decref(changes);
		json_decref(records);
	}
}

/* A long line of chains must not cost stack. */
static void test_long_jumps(void **state)
{
	json_t *records = json_object();
	struct err err = { 0 };

	for (int i = 0; i < 100000; i++) {
		char path[32];

		snprintf(path, sizeof(path), "chain/c%06d", i);
		json_object_set_new(records, path,
				    json_pack("{s:o, s:o, s:[{s:s, s:o}]}", "name", json_string(path + 6), "id",
					      json_sprintf("018bcfe5-6800-7000-8000-%012d", i), "rules", "action",
					      "jump", "jump", json_sprintf("c%06d", (i + 1) % 100000)));
	}
	assert_int_equal(topo_validate(records, &err), -EINVAL);
	assert_non_null(strstr(err.text, "leads back to itself"));
	json_decref(records);
}

/* Records as no apply writes them: an error with the object's name, never a crash. */
static void test_bad_records(void **state)
{
#define ID "\"id\":\"018bcfe5-6800-7000-8000-000000000001\""
	static const struct {
		const char *records, *error; /* NULL = ignored */
	} bad[] = {
		{ "{\"port/a\": 1}", "port 'a': the record is '1' and not an object" },
		{ "{\"port/a\": null}", "port 'a': the record is 'null' and not an object" },
		{ "{\"port/a\": {}}", "port 'a': field 'name' is missing" },
		{ "{\"bridge/a\": {\"name\": \"a\"}}", "bridge 'a': field 'id' is missing" },
		{ "{\"bridge/a\": {\"name\": \"b\", " ID "}}", "bridge 'a': field 'name': 'b' is not the record's name" },
		{ "{\"bridge/a\": {\"name\": \"a\", " ID ", \"rev\": -1}}", "field 'rev': '-1' is not a revision" },
		{ "{\"bridge/a\": {\"name\": \"a\", " ID ", \"color\": 1}}", "field 'color' is unknown" },
		{ "{\"port/a\": {\"name\": \"a\", " ID "}}", "port 'a': field 'bridge' or 'router' is missing" },
		{ "{\"port/a\": {\"name\": \"a\", " ID ", \"bridge\": 7}}", "field 'bridge': '7' is not the name of a bridge" },
		{ "{\"chain/a\": {\"name\": \"a\", " ID ", \"rules\": [{}]}}", "chain 'a': rule 1: field 'action' is missing" },
		{ "{\"chain/a\": {\"name\": \"a\", " ID ", \"rules\": [[]]}}", "rule 1: '[]' is not an object" },
		{ "{\"bind/a\": {\"name\": \"a\", " ID "}}", "bind 'a': field 'host' is missing" },
		{ "{\"live/a\": 1, \"mac/b/zz\": [], \"neigh/x\": null, \"what\": 1, \"/\": 2, \"\": 3}", NULL },
		{ "{\"port/\": {\"name\": \"\"}}", "port '': field 'name': '' is not a name" },
	};
#undef ID
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *records = json_loads(bad[i].records, 0, NULL);
		struct err err = { 0 }, err2 = { 0 };
		int rc = topo_validate(records, &err);
		struct topo_snapshot *snap = topo_build("t", 1, records, &err2);

		assert_non_null(records);
		assert_int_equal(rc, bad[i].error ? -EINVAL : 0);
		assert_true(!snap == !!bad[i].error);
		if (bad[i].error && (!strstr(err.text, bad[i].error) || strcmp(err.text, err2.text) != 0))
			fail_msg("%s\ngot:  %s\nand:  %s\nwant: %s", bad[i].records, err.text, err2.text, bad[i].error);
		topo_unref(snap);
		json_decref(records);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deep_jumps),
		cmocka_unit_test(test_long_jumps),
		cmocka_unit_test(test_bad_records),
	};
	int failed = RUN_ROWS(rows, test_row);

	return failed + cmocka_run_group_tests_name("validate", tests, NULL, NULL);
}
