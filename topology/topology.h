/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual network as plain data.  Pure: no I/O, no clock, no globals.
 *
 * A document (YAML or JSON) is what people write; records (one JSON object each, path "<kind>/<name>") are what the state DB
 * keeps; a snapshot is what a simulation reads: immutable, reference-counted, all references resolved to pointers.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "maps/types.h"
#include "topology/tag.h"
#include "util/addr.h"
#include "util/err.h"
#include "util/hmap.h"

#define TOPO_NAME_MAX 63	/* of names of objects, tenants, hosts: [A-Za-z0-9][A-Za-z0-9._-]* */
#define TOPO_IFNAME_MAX 15
#define TOPO_RULES_MAX 10000	/* of one chain */
#define TOPO_ADDRS_MAX 256	/* of one port */
#define TOPO_JUMPS_MAX 32	/* chains within chains; a chain that reaches itself is refused at all */
#define TOPO_OBJECTS_MAX 1000000 /* of one tenant */

/* The kinds of configuration, in an order in which references point backwards or sideways. */
#define TOPO_KINDS(X)                                                                              \
	X(CHAIN, "chain", "chains")                                                                \
	X(BRIDGE, "bridge", "bridges")                                                             \
	X(ROUTER, "router", "routers")                                                             \
	X(PORT, "port", "ports")                                                                   \
	X(ROUTE, "route", "routes")                                                                \
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
	const char *name;
	const char *id; /* UUID */
	uint64_t rev;	/* revision of the record */
	struct hmap_node by_name;
};

enum topo_action { TOPO_ACCEPT, TOPO_DROP, TOPO_REJECT, TOPO_JUMP, TOPO_RETURN };

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
};

struct topo_rule {
	const char *name;	  /* unique in its chain; "rule<N>", N from 1, when not given */
	struct topo_chain *chain; /* owner */
	uint32_t index;		  /* position in the chain, from 0 */
	enum topo_action action;
	struct topo_chain *jump;  /* TOPO_JUMP */
	uint32_t match;		  /* enum topo_match */
	__be16 eth_type;
	struct skep_mac eth_src, eth_src_mask, eth_dst, eth_dst_mask;
	uint8_t proto;		  /* IPPROTO_*; "icmp" in a rule without a v6 prefix means 1, "icmp6" 58 */
	struct skep_ip ip_src, ip_dst;
	uint8_t ip_src_len, ip_dst_len;
	uint16_t l4_src[2], l4_dst[2]; /* host order, inclusive range; only with proto tcp, udp or sctp */
	uint8_t icmp_type, icmp_code;
};

struct topo_chain {
	struct topo_object o;
	struct topo_rule *rules;
	uint32_t n_rules;
};

/* Whom a bridge knows by configuration: VMs by their ports' MAC and addresses, router ports that are linked to one of its ports. */
struct topo_known {
	union {
		struct skep_mac mac;
		struct skep_ip ip;
	};
	struct topo_port *port;	 /* the bridge's */
	struct topo_port *owner; /* has the MAC and the address: 'port' itself, or its peer on a router */
};

struct topo_bridge {
	struct topo_object o;
	bool admin_up;
	struct topo_chain *in_chain, *out_chain; /* NULL = accept */
	struct topo_port **ports;		 /* by name */
	uint32_t n_ports;
	struct topo_known *macs, *ips; /* sorted */
	uint32_t n_macs, n_ips;
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
};

struct topo_router {
	struct topo_object o;
	bool admin_up;
	struct topo_chain *in_chain, *out_chain;
	struct topo_port **ports;
	uint32_t n_ports;
	struct topo_route **routes; /* configured and derived; IPv4 before IPv6, each longest dst prefix first */
	uint32_t n_routes;
};

struct topo_addr {
	struct skep_ip ip;
	uint8_t len; /* router port: prefix length of its subnet; bridge port: 32 or 128 */
};

struct topo_port {
	struct topo_object o;
	struct topo_bridge *bridge; /* exactly one of bridge and router */
	struct topo_router *router;
	struct topo_port *peer; /* interior: linked to this port, and it to us; NULL = exterior */
	bool admin_up;
	bool port_security;	/* exterior bridge port with a MAC: only its own MAC and addresses may send.  Default true */
	bool has_mac;
	struct skep_mac mac;	/* router port: its own (generated from the id when not given); bridge port: the VM's, if known */
	struct topo_addr *addrs; /* router port: its own; bridge port: the VM's known addresses */
	uint32_t n_addrs;
	struct topo_chain *in_chain, *out_chain;
	/* binding: where it should be (kind "bind"); exterior ports only */
	const char *host, *interface; /* NULL = not bound */
	/* live state (record "live/<port>"): where it is; host NULL = nowhere */
	const char *live_host;
	uint32_t live_key;	/* tunnel key on that host */
	uint32_t live_flood_key; /* of its bridge on that host; 0 = none (router port) */
};

struct topo_snapshot {
	uint32_t refs;
	const char *tenant;
	uint64_t rev;
	struct topo_bridge *bridges;
	struct topo_router *routers;
	struct topo_port *ports;
	struct topo_chain *chains;
	struct topo_route *routes; /* configured and derived */
	uint32_t n_bridges, n_routers, n_ports, n_chains, n_routes;
	struct hmap by_name; /* struct topo_object.by_name, hash of kind and name */
	struct topo_memory *memory;
};

struct topo_snapshot *topo_ref(struct topo_snapshot *snap);
void topo_unref(struct topo_snapshot *snap); /* takes NULL */
struct topo_object *topo_find(const struct topo_snapshot *snap, enum topo_kind kind, const char *name);
struct topo_port *topo_find_port(const struct topo_snapshot *snap, const char *name);
/* The bridge's port behind which a MAC, or an address, is by configuration; '*mac' is the address's.  NULL: not known.  O(log n). */
struct topo_port *topo_bridge_find_mac(const struct topo_bridge *bridge, const struct skep_mac *mac);
struct topo_port *topo_bridge_find_ip(const struct topo_bridge *bridge, const struct skep_ip *ip,
				      const struct skep_mac **mac);
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
/* Blackhole, reject, local: always.  Port: router port up, and (interior: linked to a peer) or (exterior: live). */
bool topo_route_usable(const struct topo_route *route);

/* --- what changed --- */

/* Calls back for each tag (tag.h says what each stands for) whose meaning differs between two snapshots of a tenant; NULL = an
 * empty one.  The tag's name lives as long as the snapshots.  In a fixed order; a tag may come twice. */
void topo_diff(const struct topo_snapshot *old, const struct topo_snapshot *new_,
	       void (*cb)(void *arg, const struct topo_tag *tag), void *arg);
