/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual network as plain data.  Pure: no I/O, no clock, no globals.
 *
 * A document (YAML or JSON) is what people write; records (one JSON object each, path "<kind>/<name>") are what the state DB
 * keeps; a snapshot is what a simulation reads: reference-counted, all references resolved to pointers, and immutable but for
 * topo_update() (change.h).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "maps/types.h"
#include "topology/ports.h"
#include "topology/tag.h"
#include "util/addr.h"
#include "util/err.h"
#include "util/hmap.h"

#define TOPO_NAME_MAX 63	/* of names of objects, tenants, hosts: [A-Za-z0-9][A-Za-z0-9._-]* */
#define TOPO_IFNAME_MAX 15
#define TOPO_RULES_MAX 10000	/* of one chain */
#define TOPO_ADDRS_MAX 256	/* of one port */
#define TOPO_GROUP_MAX 1000000	/* addresses of one group */
#define TOPO_MEMBERS_MAX 1000	/* of one pool */
#define TOPO_JUMPS_MAX 32	/* chains within chains; a chain that reaches itself is refused at all */
#define TOPO_OBJECTS_MAX 4000000 /* of one tenant */

/* The kinds of configuration, in an order in which references point backwards or sideways. */
#define TOPO_KINDS(X)                                                                              \
	X(ADDRESS_GROUP, "address_group", "address_groups")                                        \
	X(PORT_GROUP, "port_group", "port_groups")                                                 \
	X(SECURITY_GROUP, "security_group", "security_groups")                                     \
	X(CHAIN, "chain", "chains")                                                                \
	X(QOS, "qos", "qos_policies")                                                              \
	X(BRIDGE, "bridge", "bridges")                                                             \
	X(ROUTER, "router", "routers")                                                             \
	X(PORT, "port", "ports")                                                                   \
	X(ROUTE, "route", "routes")                                                                \
	X(SUBNET, "subnet", "subnets")                                                             \
	X(NAT, "nat", "nats")                                                                      \
	X(FLOATING_IP, "floating_ip", "floating_ips")                                              \
	X(LOAD_BALANCER, "load_balancer", "load_balancers")                                        \
	X(POOL, "pool", "pools")                                                                   \
	X(MEMBER, "member", "members")                                                             \
	X(VIP, "vip", "vips")                                                                      \
	X(MIRROR, "mirror", "mirrors")                                                             \
	X(BIND, "bind", "bindings")

enum topo_kind {
#define X(id, name, plural) TOPO_##id,
	TOPO_KINDS(X)
#undef X
	TOPO_KIND_MAX
};
const char *topo_kind_name(enum topo_kind kind);   /* "port" */
const char *topo_kind_plural(enum topo_kind kind); /* "ports" */
int topo_kind_find(const char *name);		   /* by either; -1 */

struct topo_snapshot;

/* What all objects have.  Strings live as long as the snapshot. */
struct topo_object {
	enum topo_kind kind;
	bool changed; /* by what is being validated (validate.h) */
	const char *name;
	const char *id; /* UUID */
	uint64_t rev;	/* revision of the record */
	uint64_t sum;	/* hash of the record: what configuration says is the same when this is */
	struct hmap_node by_name;
};

/* --- sets of addresses --- */

struct topo_ip_range { /* of one family, inclusive */
	struct skep_ip lo, hi;
};

/* Compiled prefixes (ipset.h). */
struct topo_ipset;

struct topo_address_group {
	struct topo_object o;
	struct topo_ipset *set;
	uint32_t n_addresses;
};

/* Ports name their groups; the group lists them. */
struct topo_port_group {
	struct topo_object o;
	bool stateful; /* its members share connections: replies may come by another one than the request left by */
	struct topo_ports ports; /* by name */
};

/* --- rules --- */

enum topo_action {
	TOPO_ACCEPT,
	TOPO_DROP,
	TOPO_REJECT,
	TOPO_JUMP,
	TOPO_RETURN,
	TOPO_CONTINUE, /* counts and logs; then the next rule */
};

enum topo_match {		       /* conditions that a rule has; the rest are not looked at */
	TOPO_M_ETH_TYPE = 1 << 0,
	TOPO_M_ETH_SRC = 1 << 1,
	TOPO_M_ETH_DST = 1 << 2,
	TOPO_M_PROTO = 1 << 3,
	TOPO_M_IP_SRC = 1 << 4,
	TOPO_M_IP_DST = 1 << 5,
	TOPO_M_L4_SRC = 1 << 6,
	TOPO_M_L4_DST = 1 << 7,
	TOPO_M_ICMP_TYPE = 1 << 8,
	TOPO_M_ICMP_CODE = 1 << 9,
	TOPO_M_SRC_GROUP = 1 << 10,
	TOPO_M_DST_GROUP = 1 << 11,
	TOPO_M_IN_PORTS = 1 << 12,    /* port by which the packet entered the present device */
	TOPO_M_OUT_PORTS = 1 << 13,   /* port by which it is about to leave it; before that is known: no match */
	TOPO_M_IN_GROUP = 1 << 14,
	TOPO_M_OUT_GROUP = 1 << 15,
	TOPO_M_ENTRY_GROUP = 1 << 16, /* port by which it entered the network */
	TOPO_M_DSCP = 1 << 17,
	TOPO_M_VLAN = 1 << 18,
	TOPO_M_FRAGMENT = 1 << 19,
	TOPO_M_CT = 1 << 20,
	TOPO_M_TCP_FLAGS = 1 << 21,
	TOPO_M_TRAVERSED = 1 << 22,
	TOPO_M_INNER_SRC = 1 << 23, /* of the packet that an ICMP error quotes */
	TOPO_M_INNER_DST = 1 << 24,
	TOPO_M_DST_REWRITTEN = 1 << 25, /* the present router has changed the destination address */
};

enum topo_ct { /* states of a connection, as rules see them; a packet has one or more */
	TOPO_CT_NEW = 1 << 0,	      /* no record yet */
	TOPO_CT_ESTABLISHED = 1 << 1, /* a record exists; either direction */
	TOPO_CT_REPLY = 1 << 2,	      /* against the direction of the packet that made the record */
	TOPO_CT_RELATED = 1 << 3,     /* ICMP error about a packet of a connection that has a record */
	TOPO_CT_INVALID = 1 << 4,     /* can neither begin a connection nor belongs to one */
};

enum topo_fragment {
	TOPO_FRAG_HEADER,	/* has the first bytes of the payload: whole packets and first fragments */
	TOPO_FRAG_LATER,	/* later fragments */
	TOPO_FRAG_UNFRAGMENTED, /* whole packets */
	TOPO_FRAG_ANY_FRAGMENT, /* first and later ones */
};

struct topo_rule {
	const char *name;	  /* unique in its chain; "rule<N>", N from 1, when not given */
	struct topo_chain *chain; /* owner; NULL: of a mirror */
	uint32_t index;		  /* position in the chain, from 0 */
	enum topo_action action;
	bool log;		  /* matches are reported */
	bool invert;		  /* matches when its conditions, taken together, do not */
	struct topo_chain *jump;  /* TOPO_JUMP */
	uint32_t match;		  /* enum topo_match */
	uint32_t negate;	  /* enum topo_match: single conditions that are inverted.  Of a packet that lacks the field: does not match either */
	__be16 eth_type;
	struct skep_mac eth_src, eth_src_mask, eth_dst, eth_dst_mask;
	uint8_t proto;		  /* IPPROTO_*; "icmp" in a rule without a v6 prefix means 1, "icmp6" 58 */
	struct skep_ip ip_src, ip_dst;
	uint8_t ip_src_len, ip_dst_len;
	uint16_t l4_src[2], l4_dst[2]; /* host order, inclusive range; only with proto tcp, udp or sctp */
	uint8_t icmp_type, icmp_code;
	uint8_t dscp;		  /* 0..63 */
	uint16_t vlan;		  /* 0 = untagged (or priority-tagged), 1..4094 */
	uint8_t fragment;	  /* enum topo_fragment */
	uint8_t ct;		  /* enum topo_ct: one of these */
	uint8_t tcp_mask, tcp_value; /* flags & mask == value */
	const struct topo_rule_more *more; /* conditions that few rules have; NULL = none of them */
};

/* Behind rule->more: ports, groups, devices, quoted addresses. */
struct topo_rule_more {
	struct topo_address_group *src_group, *dst_group;
	struct topo_port **in_ports, **out_ports; /* sorted by address of the struct */
	uint32_t n_in_ports, n_out_ports;
	struct topo_port_group *in_group, *out_group, *entry_group;
	struct topo_object *traversed; /* bridge or router */
	struct skep_ip inner_src, inner_dst;
	uint8_t inner_src_len, inner_dst_len;
};

struct topo_classifier; /* classifier.h: which rules of a long chain are worth testing */

struct topo_chain {
	struct topo_object o;
	struct topo_rule *rules;
	uint32_t n_rules;
	struct topo_classifier *classifier; /* NULL: short, tested one by one */
};

/* --- security groups --- */

enum topo_direction { TOPO_INGRESS, TOPO_EGRESS }; /* as the machine behind the port sees it: to it, from it */

/* Allows what it says.  'rule' holds the conditions of an accept rule; the remote end is its src (ingress) or dst (egress). */
struct topo_sg_rule {
	struct topo_rule rule;
	enum topo_direction direction;
	struct topo_security_group *remote; /* members' addresses; NULL = any, or what 'rule' says */
};

struct topo_security_group {
	struct topo_object o;
	bool stateful;	  /* replies and related errors of what is allowed are allowed too */
	bool egress_any;  /* everything may leave; else only what egress rules allow */
	struct topo_sg_rule *rules; /* ingress ones first */
	uint32_t n_ingress, n_egress;
	struct topo_chain ingress, egress; /* the same as chains, compiled; their rules have topo_rule_more.* as above, and 'remote' by position */
	struct topo_ports ports; /* members, by name */
	struct topo_prefixes *members; /* addresses and allowed addresses of its ports: topo_member() */
};
/* Is the address one of the group's members'?  '*bits': so many leading bits of 'ip' (of its family) decided. */
bool topo_member(const struct topo_security_group *group, const struct skep_ip *ip, unsigned int *bits);

/* --- QoS --- */

struct topo_qos {
	struct topo_object o;
	uint64_t rate_in, rate_out;   /* bit/s into, out of the network by the port; 0 = unlimited */
	uint64_t burst_in, burst_out; /* bytes */
	int16_t dscp;		      /* written into IP packets that enter by the port; -1 = none */
};

/* A MAC that configuration places without a port of that MAC. */
struct topo_static_mac {
	struct skep_mac mac;
	uint16_t vlan;
	struct topo_port *port;
};
struct topo_static_neigh { /* answered for by the bridge */
	struct skep_ip ip;
	struct skep_mac mac;
};

/*
 * VLAN-aware: each frame belongs to a VLAN: its tag's, or the port's 'vlan' when untagged.  Ports with 'vlan' and no trunk are access ports: no tags.
 * Ports with neither are trunks of all VLANs of the bridge.  VLANs of the bridge: those that a port names.
 * Not VLAN-aware: tags are payload; one MAC table.
 */
struct topo_bridge {
	struct topo_object o;
	bool admin_up;
	bool vlan_aware;
	uint64_t *vlans; /* VLAN-aware: bitmap of 4096 */
	uint32_t *vlan_ports; /* private: how many ports name each */
	struct topo_static_mac *static_macs;
	struct topo_static_neigh *static_neighs;
	uint32_t n_static_macs, n_static_neighs;
	struct topo_subnet **subnets; /* by name */
	uint32_t n_subnets;
	struct topo_mirror_at *mirrors[2]; /* in, out */
	struct topo_chain *in_chain, *out_chain; /* NULL = accept */
	struct topo_ports ports;		 /* by name */
	struct topo_port **links; /* those with a peer, by name */
	uint32_t n_links;
	/* Private: whom the bridge knows by configuration: VMs by their ports' MAC and addresses, router ports that are linked to one of its
	 * ports, static MACs.  topo_bridge_find_*() */
	struct topo_ports macs, ips;
};

enum topo_route_type { TOPO_ROUTE_PORT, TOPO_ROUTE_LOCAL, TOPO_ROUTE_BLACKHOLE, TOPO_ROUTE_REJECT };

struct topo_route {
	/* connected and local routes are derived from ports: name "<port>:connected" / "<port>:local", id "", not found by name */
	struct topo_object o;
	struct topo_router *router;
	enum topo_route_type type;
	struct skep_ip dst, src; /* prefixes; src of length 0 = any */
	uint8_t dst_len, src_len;
	struct topo_port *port;	 /* PORT, LOCAL */
	struct skep_ip gateway;	 /* zero = directly connected */
	uint32_t weight;	 /* smaller wins; equal = ECMP.  Configured 1..65535, derived 0 */
	struct topo_route *next; /* of the same dst prefix: by weight, then name */
};

struct topo_prefixes; /* private: prefixes in order, each with a value */

struct topo_router {
	struct topo_object o;
	bool admin_up;
	struct topo_chain *in_chain, *out_chain;
	struct topo_port **ports;
	uint32_t n_ports;
	struct topo_prefixes *by_dst; /* routes, configured and derived: prefix -> struct topo_route, and its 'next'.  topo_routes_first() */
	uint32_t n_routes;
	struct topo_nat **nats; /* by position, then name */
	uint32_t n_nats;
	struct topo_floating_ip **fips, **fips_by_fixed; /* sorted by address; by fixed */
	uint32_t n_fips, max_fips;
	struct topo_vip **vips; /* by address, proto, port */
	uint32_t n_vips;
	/* Addresses that are the router's because of NAT and VIPs (not its ports' own): it answers ARP and ND for them.  Sorted, disjoint. */
	struct topo_ip_range *nat_addrs;
	uint32_t n_nat_addrs, max_nat_addrs;
	struct topo_mirror_at *mirrors[2]; /* in, out */
};
/* Is the address one of nat_addrs?  O(log n). */
bool topo_router_nat_addr(const struct topo_router *router, const struct skep_ip *ip);
/* The same; '*bits': so many leading bits of 'ip' (of its family) decided. */
bool topo_router_nat_near(const struct topo_router *router, const struct skep_ip *ip,
			  unsigned int *bits);

struct topo_addr {
	struct skep_ip ip;
	uint8_t len; /* router port: prefix length of its subnet; bridge port: 32 or 128 */
};

/* A further address that the machine behind a port may use. */
struct topo_allowed {
	struct skep_ip ip;
	uint8_t len;
	struct skep_mac mac; /* zero = the port's */
};

struct topo_port {
	struct topo_object o;
	struct topo_bridge *bridge; /* exactly one of bridge and router */
	struct topo_router *router;
	struct topo_port *peer; /* interior: linked to this port, and it to us; NULL = exterior */
	bool admin_up;
	bool port_security;	/* exterior bridge port with a MAC: only its own MAC and addresses may send.  Default true */
	bool has_mac;
	uint8_t more_kind;	/* private: decode_port.c */
	struct skep_mac mac;	/* router port: its own (generated from the id when not given); bridge port: the VM's, if known */
	uint32_t n_addrs;
	struct topo_addr *addrs; /* router port: its own; bridge port: the VM's known addresses */
	struct topo_chain *in_chain, *out_chain;
	const struct topo_port_more *more; /* never NULL: what few ports have */
	/* binding: where it should be (kind "bind"); exterior ports only */
	const char *host, *interface; /* NULL = not bound */
	/* live state (record "live/<port>"): where it is; host NULL = nowhere */
	const char *live_host;
	uint32_t live_key;	/* tunnel key on that host */
	uint32_t live_flood_key; /* of its bridge on that host; 0 = none (router port) */
	uint32_t refs;		 /* private: other records that name it, ports apart */
};

/* Behind port->more; ports that have the same share it. */
struct topo_port_more {
	uint16_t vlan;	       /* bridge port: access or native VLAN; 0 = none */
	uint16_t mtu;	       /* router port: largest IP packet; 0 = no limit of its own */
	bool hairpin;	       /* bridge port: a frame may leave by it again */
	uint32_t n_allowed, n_sgs, n_groups;
	const uint64_t *trunk; /* bridge port: bitmap of 4096; NULL = no list */
	const char *hostname;  /* given by DHCP; NULL = none */
	struct topo_allowed *allowed;
	struct topo_security_group **sgs;
	struct topo_port_group **groups;
	struct topo_qos *qos;
	struct topo_mirror_at *mirrors[4]; /* per enum topo_hook PRE_IN..POST_OUT: lists, by name of the mirror */
};

/* --- addresses for machines --- */

enum topo_ra { TOPO_RA_NONE, TOPO_RA_SLAAC, TOPO_RA_STATELESS, TOPO_RA_STATEFUL }; /* SLAAC alone; + DHCPv6 for options; DHCPv6 for addresses */

struct topo_dhcp_option {
	uint16_t code;
	uint16_t len;
	const uint8_t *data;
};
struct topo_dhcp_route { /* option 121; of an IPv6 subnet: RFC 4191 route information */
	struct skep_ip dst, via;
	uint8_t len;
};
struct topo_dhcp_host { /* machines that have no port of their own; ports' MACs and addresses are hosts too */
	struct skep_mac mac;
	struct skep_ip ip;
	const char *hostname;
};

/* What machines on a bridge are told: DHCPv4, or router advertisements and DHCPv6, by family of 'prefix'. */
struct topo_subnet {
	struct topo_object o;
	struct topo_bridge *bridge;
	struct skep_ip prefix;
	uint8_t len;
	bool dhcp;		 /* answer DHCP (IPv6: as 'ra' says) */
	enum topo_ra ra;	 /* IPv6 */
	struct skep_ip gateway;	 /* zero: the address in 'prefix' of a router's port that is linked to the bridge, if there is one (resolved here) */
	struct topo_port *router_port; /* that router's port; NULL = none */
	struct skep_ip server;	 /* DHCP server identifier; default: the gateway, else the prefix's first address */
	struct skep_ip *dns, *ntp;
	uint32_t n_dns, n_ntp;
	const char *domain;	 /* NULL = none */
	uint16_t mtu;		 /* 0 = what the underlay carries */
	uint32_t lease_s;	 /* also lifetimes of RA */
	struct topo_dhcp_route *routes;
	uint32_t n_routes;
	struct topo_dhcp_option *options; /* custom, as configured; win over generated ones */
	uint32_t n_options;
	struct topo_dhcp_host *hosts; /* by MAC */
	uint32_t n_hosts;
};

/* --- NAT and load balancing: on routers --- */

enum topo_nat_type { TOPO_SNAT, TOPO_DNAT, TOPO_NO_SNAT, TOPO_NO_DNAT };

/* First match of its stage (dnat: before routing; snat: after it and after the outbound chain) wins. */
struct topo_nat {
	struct topo_object o;
	struct topo_router *router;
	enum topo_nat_type type;
	uint32_t position; /* smaller first, then by name */
	struct topo_port *port; /* snat: leaving by it; dnat: entered by it; NULL = any */
	struct topo_rule match; /* proto, src, dst, src_ports, dst_ports only */
	struct topo_ip_range to;
	uint16_t to_ports[2];	/* host order; snat: default 1024..65535; dnat: 0,0 = keep the port.  dnat with ranges of equal size: by offset */
};

/* 1:1, stateless, every protocol. */
struct topo_floating_ip {
	struct topo_object o;
	struct topo_router *router;
	struct skep_ip address, fixed;
	struct topo_port *port;	  /* that 'fixed' belongs to, if it was named */
	struct topo_port *uplink; /* source is rewritten when leaving by it.  Default (resolved here): the router's port with 'address' in its subnet; NULL:
				     any port in whose subnet 'fixed' is not */
};

struct topo_load_balancer {
	struct topo_object o;
	struct topo_router *router;
	bool admin_up;
};

enum topo_member_state { TOPO_MEMBER_UP, TOPO_MEMBER_DRAINING, TOPO_MEMBER_DOWN };
struct topo_member {
	struct topo_object o;
	struct topo_pool *pool;
	struct skep_ip address;
	uint16_t port;	 /* host order; 0 = the VIP's */
	uint16_t weight; /* 0 = no new connections */
	enum topo_member_state state; /* configured; */
	bool healthy;		      /* record "health/<member>" {"up": bool}; true when there is none */
};

struct topo_pool {
	struct topo_object o;
	struct topo_member **members; /* by name */
	uint32_t n_members;
	const struct topo_maglev *maglev; /* over members that take new connections; NULL = there is none.  maglev.h */
};

enum topo_affinity { TOPO_AFFINITY_NONE, TOPO_AFFINITY_SOURCE };
struct topo_vip {
	struct topo_object o;
	struct topo_load_balancer *lb;
	bool admin_up;
	struct skep_ip address;
	uint8_t proto;	/* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t port;	/* host order; 0 = all ports of the protocol, and members get the packet's */
	struct topo_pool *pool;
	enum topo_affinity affinity;
	uint32_t affinity_s; /* idle time after which a client is free to get another member */
	bool reject;	     /* no member: TCP reset or ICMP port unreachable; else dropped */
};

/* --- mirrors --- */

enum topo_hook {
	TOPO_HOOK_PRE_IN,   /* port: before the inbound security groups and chain.  Bridge, router: "in": as it enters the device */
	TOPO_HOOK_POST_IN,  /* port */
	TOPO_HOOK_PRE_OUT,  /* port */
	TOPO_HOOK_POST_OUT, /* port.  Bridge, router: "out": as it leaves the device */
};
struct topo_mirror_place {
	struct topo_object *object; /* port, bridge or router */
	enum topo_hook hook;	    /* bridge and router: PRE_IN, POST_OUT */
};
struct topo_mirror {
	struct topo_object o;
	bool admin_up;
	struct topo_mirror_place *at;
	uint32_t n_at;
	struct topo_port *to; /* exterior; gets copies as they are at the hook, no policy */
	struct topo_rule *match; /* any of them; none = everything */
	uint32_t n_match;
};
struct topo_mirror_at {
	struct topo_mirror *mirror;
	struct topo_mirror_at *next;
};

struct topo_snapshot {
	uint32_t refs;
	const char *tenant;
	uint64_t rev;
	struct topo_bridge *bridges;
	struct topo_router *routers;
	struct topo_ports ports; /* by name */
	struct topo_chain *chains;
	struct topo_address_group *address_groups;
	struct topo_port_group *port_groups;
	struct topo_security_group *security_groups;
	struct topo_qos *qos_policies;
	struct topo_subnet *subnets;
	struct topo_nat *nats;
	struct topo_load_balancer *load_balancers;
	struct topo_pool *pools;
	struct topo_member *members;
	struct topo_vip *vips;
	struct topo_mirror *mirrors;
	uint32_t n_bridges, n_routers, n_chains, n_address_groups, n_port_groups,
		n_security_groups, n_qos_policies, n_subnets, n_nats,
		n_load_balancers, n_pools, n_members, n_vips, n_mirrors;
	struct hmap by_name; /* struct topo_object.by_name, hash of kind and name */
	struct topo_memory *memory;
};

struct topo_snapshot *topo_ref(struct topo_snapshot *snap);
void topo_unref(struct topo_snapshot *snap); /* takes NULL */
struct topo_object *topo_find(const struct topo_snapshot *snap, enum topo_kind kind, const char *name);
struct topo_port *topo_find_port(const struct topo_snapshot *snap, const char *name);
/* The bridge's port behind which a MAC (in a VLAN; 0: the bridge is not VLAN-aware), or an address, is by configuration; '*mac' is the
 * address's.  NULL: not known.  O(log n). */
struct topo_port *topo_bridge_find_mac(const struct topo_bridge *bridge, uint16_t vlan,
				       const struct skep_mac *mac);
struct topo_port *topo_bridge_find_ip(const struct topo_bridge *bridge, const struct skep_ip *ip,
				      const struct skep_mac **mac);
/* The same in one VLAN (0: the bridge is not VLAN-aware); the other one takes the first VLAN that has it. */
struct topo_port *topo_bridge_find_ip_in(const struct topo_bridge *bridge, uint16_t vlan,
					 const struct skep_ip *ip, const struct skep_mac **mac);
/* "port 'web1'" for messages */
const char *topo_object_text(const struct topo_object *o, char buf[static 96]);

/* --- documents --- */

/*
 * Parses text of one or more documents (YAML stream or JSON).  Returns an array of {tenant, <plural>: [...]} objects: new reference,
 * every object still as written but checked for shape: known kinds and fields, types, formats, ranges, names; defaults
 * are not filled in.  NULL with 'err' naming file line, object, field, value and what is allowed.
 * 'file' is for messages only.  Size limit 64 MiB, depth limit 16; anchors, duplicate keys and tags are refused.
 */
json_t *topo_doc_parse(const char *text, size_t len, const char *file, struct err *err);

/*
 * A record set is a JSON object {"port/web1": {...}, "live/web1": {...}, ...}: what the state DB holds of a tenant.
 * Applies a document (one element of the above) to 'records' and returns the changes as {"path": {record} | null}: new
 * reference, null = deleted.  Fills defaults, resolves references by name or id to names, gives new objects ids from 'uuid' (called
 * once per new object; 36 characters + NUL), keeps ids of old ones.  Unchanged objects do not appear.  The result was validated as a whole
 * (topo_validate on records + changes).  With 'prune', configuration objects of the tenant that the document does not name are deleted.
 */
json_t *topo_doc_apply(const json_t *records, const json_t *doc, bool prune,
		       void (*uuid)(void *arg, char out[static 37]), void *arg, struct err *err);
/* Changes that delete what 'doc' names (each object needs its name only).  Refuses when others still refer to one. */
json_t *topo_doc_delete(const json_t *records, const json_t *doc, struct err *err);
/* records + changes: new reference */
json_t *topo_records_merge(const json_t *records, const json_t *changes);
/* The configuration in 'records' as a document that apply would take; 'kind' and 'name' (may be NULL) narrow it. */
json_t *topo_doc_export(const json_t *records, const char *tenant, const char *kind, const char *name,
			struct err *err);

/* References, uniqueness of addresses and subnets, peers that point at each other, recursion of chains ...: 0 or -EINVAL with
 * the object's and field's name.  Bad records never make it crash. */
int topo_validate(const json_t *records, struct err *err);

/* Builds a snapshot from records, one reference for the caller.  NULL: 'err'.  Records of unknown kinds are ignored ("mac/.."). */
struct topo_snapshot *topo_build(const char *tenant, uint64_t rev, const json_t *records, struct err *err);

/* --- routes --- */

/* Candidates for (src, dst): longest dst prefix with a matching src and a usable port (topo_route_usable), least weight.  Writes up to
 * 'max' equal ones and returns their number; 0 = none.  *dst_len_tested and *src_len_tested: bits of dst and src that the answer depended on. */
unsigned int topo_route_lookup(const struct topo_router *router, const struct skep_ip *src,
			       const struct skep_ip *dst, const struct topo_route **out,
			       unsigned int max, unsigned int *dst_len_tested,
			       unsigned int *src_len_tested);
/* A walk over all of a router's routes: IPv4 before IPv6, by dst, of one address the wider one first; of one prefix by weight, then name. */
struct topo_prefix_at { /* private */
	const struct topo_prefix_side *side;
	uint32_t piece, i;
	bool v4;
};
struct topo_routes_at {
	const struct topo_router *router;
	struct topo_prefix_at at;
	const struct topo_route *route;
};
const struct topo_route *topo_routes_first(const struct topo_router *router, struct topo_routes_at *at);
const struct topo_route *topo_routes_next(struct topo_routes_at *at);
/* The longest one to 'dst' that cannot be used; NULL: none. */
const struct topo_route *topo_route_unusable(const struct topo_router *router, const struct skep_ip *dst);
/* Blackhole, reject, local: always.  Port: router port up, and (interior: linked to a peer) or (exterior: live). */
bool topo_route_usable(const struct topo_route *route);

/* --- what changed --- */

/* Calls back for each tag (tag.h says what each stands for) whose meaning differs between two snapshots of a tenant; NULL = an
 * empty one.  The tag's name lives as long as the snapshots.  In a fixed order; a tag may come twice. */
void topo_diff(const struct topo_snapshot *old, const struct topo_snapshot *new_,
	       void (*cb)(void *arg, const struct topo_tag *tag), void *arg);
