// SPDX-License-Identifier: Apache-2.0
// How kinds of objects are called and shown.  Which fields they have is the OpenAPI document's business (schema.js).
export const GROUPS = [
	['Network', ['bridges', 'routers', 'ports', 'routes', 'subnets']],
	['Policy', ['security_groups', 'chains', 'address_groups', 'port_groups']],
	['Services', ['nats', 'floating_ips', 'load_balancers', 'vips', 'pools', 'members']],
	['Other', ['qos_policies', 'mirrors', 'bindings']],
];

/* kind: as records and events call it.  columns: of lists, behind the name.  about: for those who see an empty list. */
const K = {
	bridges: { kind: 'bridge', one: 'Bridge', many: 'Bridges', columns: ['admin_up', 'vlan_aware', 'in_chain', 'out_chain', 'description'],
		about: 'A bridge is an Ethernet switch that spans all hosts. Machines plug into its ports.' },
	routers: { kind: 'router', one: 'Router', many: 'Routers', columns: ['admin_up', 'in_chain', 'out_chain', 'description'],
		about: 'A router connects bridges with each other and, by an uplink, with the outside.' },
	ports: { kind: 'port', one: 'Port', many: 'Ports', columns: ['is', 'is_on', 'device', 'addresses', 'mac', 'peer', 'security_groups'],
		fields: ['bridge', 'router', 'admin_up'],
		about: 'A port is a place on a bridge or a router: for a machine, or linked to another port.' },
	routes: { kind: 'route', one: 'Route', many: 'Routes', columns: ['router', 'dst', 'type', 'port', 'gateway', 'weight'],
		about: 'A route tells a router where packets for a prefix go. The networks of its own ports need none.' },
	subnets: { kind: 'subnet', one: 'Subnet', many: 'Subnets', columns: ['bridge', 'prefix', 'gateway', 'dhcp', 'ra', 'dns'],
		about: 'A subnet is what machines on a bridge are told by DHCP and router advertisements.' },
	security_groups: { kind: 'security_group', one: 'Security group', many: 'Security groups', columns: ['rules', 'stateful', 'egress', 'description'],
		about: 'A security group says what the machines in it may receive and send. Ports name the groups that they are in.' },
	chains: { kind: 'chain', one: 'Chain', many: 'Chains', columns: ['rules', 'description'],
		about: 'A chain is a list of rules; the first that matches decides. Ports, bridges and routers name chains.' },
	address_groups: { kind: 'address_group', one: 'Address group', many: 'Address groups', columns: ['addresses', 'description'],
		about: 'An address group is a set of prefixes for rules to name.' },
	port_groups: { kind: 'port_group', one: 'Port group', many: 'Port groups', columns: ['stateful', 'description'],
		about: 'A port group is a set of ports for rules to name. Ports name the groups that they are in.' },
	nats: { kind: 'nat', one: 'NAT rule', many: 'NAT rules', columns: ['router', 'type', 'position', 'port', 'src', 'dst', 'to', 'to_ports'],
		about: 'A NAT rule translates sources or destinations at a router: the way out, port forwarding, exemptions.' },
	floating_ips: { kind: 'floating_ip', one: 'Floating IP', many: 'Floating IPs', columns: ['address', 'router', 'port', 'fixed', 'uplink'],
		about: 'A floating IP is an outside address of one machine, both ways and for every protocol.' },
	load_balancers: { kind: 'load_balancer', one: 'Load balancer', many: 'Load balancers', columns: ['router', 'admin_up', 'description'],
		about: 'A load balancer has virtual addresses at a router, and spreads their connections over pools.' },
	vips: { kind: 'vip', one: 'Virtual address', many: 'Virtual addresses', columns: ['load_balancer', 'address', 'proto', 'port', 'pool', 'affinity', 'admin_up'],
		about: 'A virtual address is where clients reach a load balancer.' },
	pools: { kind: 'pool', one: 'Pool', many: 'Pools', columns: ['description'],
		about: 'A pool is a set of members that serve the same thing.' },
	members: { kind: 'member', one: 'Member', many: 'Members', columns: ['pool', 'address', 'port', 'weight', 'state'],
		about: 'A member is a server in a pool.' },
	qos_policies: { kind: 'qos', one: 'QoS policy', many: 'QoS policies', columns: ['rate_in', 'rate_out', 'burst_in', 'burst_out', 'dscp'],
		about: 'A QoS policy bounds the rates of ports that name it.' },
	mirrors: { kind: 'mirror', one: 'Mirror', many: 'Mirrors', columns: ['to', 'at', 'match', 'admin_up'],
		about: 'A mirror copies packets to a port, as they are at a place in the network.' },
	bindings: { kind: 'bind', one: 'Binding', many: 'Bindings', columns: ['port', 'host', 'interface'],
		about: 'A binding says on which host and interface a port is. Operators write bindings.' },
};

export const KINDS = K;
export const PLURALS = GROUPS.flatMap(([, plurals]) => plurals);
const byKind = Object.fromEntries(Object.entries(K).map(([plural, k]) => [k.kind, plural]));

/* By the name in records ("qos"), in documents ("qos_policies") or in traces; undefined: none of them. */
export const pluralOf = (kind) => byKind[kind] || (K[kind] ? kind : { binding: 'bindings', qos_policy: 'qos_policies' }[kind]);
export const kindOf = (plural) => K[plural]?.kind;

const WORDS = {
	db: 'State DB', http: 'HTTP', id: 'Id', rev: 'Revision', mac: 'MAC', qos: 'QoS policy', dns: 'DNS servers', ntp: 'NTP servers', dhcp: 'DHCP', mtu: 'MTU', encap: 'Encapsulation',
	vlan: 'VLAN', vlan_aware: 'VLAN-aware', ra: 'Router advertisements', dscp: 'DSCP', admin_up: 'Enabled', src: 'Source', dst: 'Destination',
	eth_src: 'Ethernet source', eth_dst: 'Ethernet destination', ct_state: 'Connection state', proto: 'Protocol', icmp_type: 'ICMP type',
	icmp_code: 'ICMP code', tcp_flags: 'TCP flags', in_chain: 'Inbound chain', out_chain: 'Outbound chain', static_macs: 'Static MACs',
	rate_in: 'Rate in', rate_out: 'Rate out', device: 'On', is: 'State', is_on: 'Host', src_ports: 'Source ports', dst_ports: 'Destination ports', src_group: 'Source group', dst_group: 'Destination group',
};

/* "security_groups" -> "Security groups" */
export const fieldLabel = (name) => WORDS[name] || (name[0].toUpperCase() + name.slice(1)).replaceAll('_', ' ');

/* Small signs, drawn: each a path in a box of 16 by 16. */
export const SIGNS = {
	bridges: 'M2 10h12M4 10V6M8 10V6M12 10V6M2 10v2.5M14 10v2.5',
	routers: 'M8 2a6 6 0 1 0 0 12A6 6 0 1 0 8 2M5 8h6M9 6l2 2-2 2',
	ports: 'M3 3h10v10H3zM6 6h4v4H6z',
	routes: 'M3 13V8a3 3 0 0 1 3-3h6M10 2.5 12.5 5 10 7.5',
	subnets: 'M8 2v4M3 14v-4h10v4M8 6v4',
	security_groups: 'M8 1.8 13 4v4c0 3-2 5.2-5 6.2C5 13.2 3 11 3 8V4z',
	chains: 'M3 4h10M3 8h10M3 12h6',
	address_groups: 'M3 3h4v4H3zM9 3h4v4H9zM3 9h4v4H3zM9 9h4v4H9z',
	port_groups: 'M3 3h7v7H3zM6 13h7V6',
	nats: 'M2 5h10M9.5 2.5 12 5 9.5 7.500M14 11H4M6.5 8.5 4 11l2.5 2.5',
	floating_ips: 'M8 14s5-4.5 5-8A5 5 0 0 0 3 6c0 3.5 5 8 5 8zM8 7.500a1.5 1.5 0 1 0 0-3 1.5 1.5 0 1 0 0 3',
	load_balancers: 'M8 2v4M8 6 3 10v3M8 6v7M8 6l5 4v3',
	vips: 'M8 2l2 4 4 .6-3 3 .8 4.400L8 12l-3.8 2 .8-4.4-3-3L6 6z',
	pools: 'M2 5c0-1.5 2.7-2.5 6-2.500S14 3.5 14 5s-2.7 2.5-6 2.500S2 6.5 2 5zM2 5v6c0 1.5 2.7 2.5 6 2.500s6-1 6-2.500V5',
	members: 'M3 3h10v4H3zM3 9h10v4H3zM5.5 5h.1M5.5 11h.1',
	qos_policies: 'M2 12a6 6 0 0 1 12 0M8 12l3-4',
	mirrors: 'M8 2v12M5 5 2.5 8 5 11zM11 5l2.5 3L11 11z',
	bindings: 'M6.5 9.500l3-3M5 8 3.5 9.500a2.1 2.1 0 0 0 3 3L8 11M8 5l1.5-1.500a2.1 2.1 0 0 1 3 3L11 8',
	topology: 'M8 2.500v3M8 5.5 4 10M8 5.5 12 10M2.5 10h3v3h-3zM10.5 10h3v3h-3zM6.5 1h3v3h-3z',
	trace: 'M2 12h3l2-8 3 8 1.5-4H14',
	policy: 'M2.5 2.500h11v11h-11zM6.2 2.500v11M9.8 2.500v11M2.5 6.200h11M2.5 9.800h11',
	history: 'M8 2.500a5.5 5.5 0 1 1-5.2 3.700M2.5 2.500v3.700h3.700M8 5v3.200l2 1.5',
	capacity: 'M3 13V8M6.3 13V4M9.7 13V6M13 13V2.5',
	gateways: 'M8 14V3M4.5 6.500 8 3l3.500 3.500M2.5 14h11',
	tenants: 'M5.5 7.500a2.5 2.500 0 1 0 0-5 2.5 2.500 0 1 0 0 5M1.500 13.500c0-5 8-5 8 0M11 7.500a2 2 0 1 0 0-4M11.500 9.500c2 0 3 1.500 3 4',
	hosts: 'M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.1M5 11h.1',
	status: 'M1.5 8H5l1.5-4 3 8L11 8h3.5',
	tokens: 'M5.5 10.500a3 3 0 1 1 2.6-1.500L13.5 9v2.500h-2V10H8',
};
