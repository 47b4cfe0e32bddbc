/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: walks one packet through a tenant's virtual network and says all that follows from it.  A pure function: no I/O,
 * no clock, no globals, no logging.  Same input, same result: on any host, in a test, in the trace tool, under a fuzzer.
 *
 * Order of processing:
 *   port in   admin, DHCP/RA of the bridge's subnets (exterior), mirrors pre_in, anti-spoofing, security groups (egress), inbound chain,
 *             DSCP, mirrors post_in
 *   bridge    VLAN, mirrors in, learn, inbound chain, ARP/ND suppression, unicast or flood, outbound chain, mirrors out
 *   router    L2 address, mirrors in, own ARP/ND, VIPs (skip the inbound chain), inbound chain, DNAT (floating IPs, replies of SNAT,
 *             rules), route, TTL, outbound chain (skipped by replies of VIPs), SNAT (floating IPs, replies of DNAT, rules, hairpin),
 *             MTU, neighbour, mirrors out
 *   port out  admin, mirrors pre_out, outbound chain, security groups (ingress), mirrors post_out -> peer's port in, or output
 * At most SIM_DEVICES_MAX ports are entered on one path.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "maps/drops.h"
#include "maps/flow.h"
#include "packet/packet.h"
#include "topology/topology.h"
#include "util/arena.h"
#include "util/err.h"

#define SIM_DEVICES_MAX 12
#define SIM_OUTPUTS_MAX 1024 /* of one frame; more: the rest is dropped with SKEP_DROP_OVERLOAD in the trace and 'truncated' set */

/* What is learnt rather than configured.  The answer for the same question must not change during one run. */
enum sim_neigh {
	SIM_NEIGH_UNKNOWN, /* never asked, or asked and still waiting */
	SIM_NEIGH_KNOWN,
	SIM_NEIGH_FAILED, /* asked often enough, no answer */
};

/* A connection's addresses as one port emits its packets.  ICMP echo: request sport = id, dport = htons(8 << 8) (or 128 << 8); reply
 * sport = htons(8 << 8), dport = id, so that exchanging the ends gives the other direction.  Protocols without ports: 0. */
struct sim_tuple {
	struct skep_ip src, dst;
	__be16 sport, dport;
	uint8_t proto;
};
void sim_tuple_reverse(const struct sim_tuple *t, struct sim_tuple *out);
bool sim_tuple_eq(const struct sim_tuple *a, const struct sim_tuple *b);
uint64_t sim_tuple_hash(const struct sim_tuple *t); /* never 0 */
/* "tcp 10.0.0.1:4000 > 10.0.0.2:80" */
#define SIM_TUPLE_TEXT 160
const char *sim_tuple_format(const struct sim_tuple *t, char buf[static SIM_TUPLE_TEXT]);

uint64_t sim_name_hash(const char *name); /* never 0; the same on all hosts and versions (it is stored) */

/* One end of a connection was translated by a router: in the original direction 'from' became 'to'. */
struct sim_binding {
	uint64_t router; /* sim_name_hash() of the router's name */
	uint64_t member; /* of the pool member's name; 0 = plain NAT */
	bool dst;	 /* destination (DNAT, VIP); else source */
	struct skep_ip from, to;
	__be16 from_port, to_port; /* echo: the id, of sources only */
};
/* The tuple of a packet of the original direction ('reply': the other one) behind the router that has the binding. */
void sim_tuple_translate(const struct sim_tuple *t, const struct sim_binding *b, bool reply, struct sim_tuple *out);
#define SIM_BINDINGS_MAX 4 /* of one connection; a path that needs more is dropped (SKEP_DROP_OVERLOAD) */

/* TCP flags that were seen in one direction, or'ed: what the state follows from.  Other protocols: SIM_SEEN_ANY. */
#define SIM_SEEN_ANY 0x80 /* (CWR: of no interest) a packet went this way */

/*
 * A record of a connection: one at the port that emits the original direction, one at the port that emits replies (each lives on its port's
 * host).  The simulation is given the record of the ingress port, and none other.
 */
struct sim_conn {
	struct sim_tuple tuple; /* as this record's port emits it */
	struct sim_tuple other; /* as the other end's port emits its direction */
	char port[TOPO_NAME_MAX + 1], other_port[TOPO_NAME_MAX + 1];
	bool reply;		/* this port emits the reply direction */
	uint8_t orig_seen, reply_seen;
	uint8_t n_bindings; /* in the order in which the original direction meets them */
	struct sim_binding bindings[SIM_BINDINGS_MAX];
};
/* What TCP's state is called: "syn_sent", "established", "fin_wait", "time_wait", "closed", ...; "unreplied", "replied" of others. */
const char *sim_conn_state(const struct sim_conn *c);
bool sim_conn_translated(const struct sim_conn *c); /* is the other end's tuple another than its own, reversed? */

/* A source for SNAT: the router asks for one that no other connection to this destination uses, now and on any host. */
struct sim_snat {
	const char *router;
	struct topo_ip_range addrs;
	uint16_t ports[2]; /* host order */
	struct sim_tuple tuple; /* before the translation */
};
enum sim_alloc {
	SIM_ALLOC_OK,
	SIM_ALLOC_WAIT, /* this host has no ports of these addresses yet, and has to ask for a block */
	SIM_ALLOC_FULL, /* all in use */
};

struct sim_view {
	/* Port of 'mac' on 'bridge' (in 'vlan'; 0 when the bridge is not VLAN-aware), NULL = not known.  A port of the snapshot. */
	const struct topo_port *(*mac)(void *arg, const struct topo_bridge *bridge, uint16_t vlan,
				       const struct skep_mac *mac);
	enum sim_neigh (*neigh)(void *arg, const struct topo_port *router_port,
				const struct skep_ip *ip, struct skep_mac *mac);
	/* The record of a connection at 'port'; NULL = none.  Those below may be NULL: no connections, no SNAT, no limit. */
	const struct sim_conn *(*conn)(void *arg, const struct topo_port *port,
				       const struct sim_tuple *tuple);
	/* May 'port' begin one more? */
	bool (*conn_room)(void *arg, const struct topo_port *port);
	enum sim_alloc (*snat)(void *arg, const struct sim_snat *ask, struct skep_ip *ip, __be16 *port);
	/* Name of the member that the client was given before; NULL = none. */
	const char *(*affinity)(void *arg, const struct topo_vip *vip, const struct skep_ip *client);
	/* sim_name_hash() of the pool member that a new connection gets whatever the table says, if it takes any; 0 = by the table. */
	uint64_t member;
	/* Largest IP packet (bytes) that reaches the exterior port from this host; 0 = no limit. */
	uint32_t (*mtu)(void *arg, const struct topo_port *port);
	void *arg;
};

enum sim_verdict {
	SIM_FORWARD,  /* outputs[] */
	SIM_DROP,     /* reason, culprit */
	SIM_CONSUMED, /* handled by the network itself: an answer may be in frames[] */
	SIM_NEED,     /* undecided: park the packet, get what 'need' names, run again from the start.  frames[] (ARP, NS) are to be sent */
};

/* Fields whose value the decision depended on, beyond the ingress port, which always counts. */
enum sim_field {
	SIM_FIELD_ETH_DST = 1 << 0, /* the first eth_dst_len bits */
	SIM_FIELD_ETH_SRC = 1 << 1, /* the first eth_src_len bits */
	SIM_FIELD_ETH_TYPE = 1 << 2,
	SIM_FIELD_VLAN = 1 << 3,
	SIM_FIELD_IP_SRC = 1 << 4, /* the first src_len bits */
	SIM_FIELD_IP_DST = 1 << 5, /* the first dst_len bits */
	SIM_FIELD_PROTO = 1 << 6,
	SIM_FIELD_L4_SRC = 1 << 7, /* the first l4_src_len bits; ICMP: type and code */
	SIM_FIELD_L4_DST = 1 << 8, /* the first l4_dst_len bits; ICMP: echo's id */
	SIM_FIELD_FRAG = 1 << 9,
	SIM_FIELD_TTL = 1 << 10, /* "larger than ttl_dec": a flow carries this by itself */
	SIM_FIELD_ARP = 1 << 11, /* operation and hardware addresses */
	SIM_FIELD_ND = 1 << 12,	 /* target and options */
	SIM_FIELD_DSCP = 1 << 13,
	SIM_FIELD_TCP_FLAGS = 1 << 14, /* those in tcp_mask */
	SIM_FIELD_LEN = 1 << 15,       /* "at most mtu": a flow carries this by itself */
	SIM_FIELD_PAYLOAD = 1 << 16,   /* what an ICMP error quotes, DHCP: never cacheable */
};
struct sim_mask {
	uint32_t fields; /* enum sim_field */
	/* leading bits that count; 0 exactly when the field is not in 'fields' */
	uint8_t src_len, dst_len; /* in the family's own bits */
	uint8_t l4_src_len, l4_dst_len; /* 0..16 */
	uint8_t eth_src_len, eth_dst_len; /* 0..48 */
	uint8_t tcp_mask;
};

struct sim_output {
	const struct topo_port *port;	  /* exterior port of the snapshot; live */
	struct pkt_fields f;		  /* headers as they leave */
	const struct topo_bridge *flooded; /* it left by flooding this bridge; NULL = unicast */
	const struct topo_mirror *mirror;  /* a copy for this mirror; NULL = the packet itself */
	uint32_t written; /* enum sim_field: of 'f', what was written on the way, also if with what was there */
	bool set_dscp; /* f's DSCP was written (it is not in the mask): write it always, also when this packet had it already */
};

/* A frame that the network itself sends: ARP/ND request or answer, echo reply, ICMP error, TCP reset.  Bytes are as they leave (before
 * the per-output rewrite from 'f' of its own parse to outputs[].f). */
struct sim_frame {
	const uint8_t *data;
	uint32_t len;
	const struct sim_output *outputs;
	uint32_t n_outputs;
	bool error; /* ICMP error or TCP reset: rate-limited by who sends it */
};

struct sim_learn { /* the source MAC was seen on this port; publish it */
	const struct topo_bridge *bridge;
	uint16_t vlan;
	struct skep_mac mac;
	const struct topo_port *port;
};
struct sim_neigh_learn {
	const struct topo_port *port; /* router port */
	struct skep_ip ip;
	struct skep_mac mac;
};

struct sim_affinity_learn { /* the client keeps this member; publish it */
	const struct topo_vip *vip;
	struct skep_ip client;
	const struct topo_member *member;
};

enum sim_need_kind {
	SIM_NEED_NONE,
	SIM_NEED_NEIGH,
	SIM_NEED_OBJECT,
	SIM_NEED_SNAT,	   /* a block of ports of one of 'snat.addrs' */
	SIM_NEED_FRAGMENT, /* the ports of this later fragment: those of its first (pkt_set_ports()) */
};
struct sim_need {
	enum sim_need_kind kind;
	const struct topo_port *port; /* NEIGH: router port */
	struct skep_ip ip;	      /* NEIGH */
	const char *path;	      /* OBJECT: record "port/web1" of this tenant */
	struct sim_snat snat;	      /* SNAT */
};

/* Who is to blame, by name.  All NULL = nobody in particular. */
struct sim_culprit {
	const struct topo_object *object; /* port, bridge, router, chain, route, security group, NAT, VIP, ... */
	const struct topo_rule *rule;
};

struct sim_step {
	uint16_t depth;	  /* 0 = the ingress port; a device inside a device's output is one deeper */
	const char *what; /* "port", "bridge", "router", "chain", "rule", "route", "neighbour", "drop", "output", "answer", ... */
	const char *name; /* of the object; "" = none */
	const char *text; /* what was tested, what it gave, what was changed */
};

struct sim_result {
	enum sim_verdict verdict; /* DROP and CONSUMED may have outputs all the same: copies for mirrors */
	enum skep_drop reason; /* DROP; CONSUMED: SKEP_DROP_CONSUMED */
	struct sim_culprit culprit;
	bool cacheable; /* the verdict holds for every packet with the same flow key: install it.  False: ARP, ND, answers, errors */
	bool truncated; /* more than SIM_OUTPUTS_MAX */
	/* routers passed: by the output that passed the most; DROP: by the longest path.  A TTL that is not larger is another case.  The packet's own
	 * outputs differ: not cacheable; copies for mirrors may have passed fewer or more */
	uint8_t ttl_dec;
	const struct sim_output *outputs;
	uint32_t n_outputs;
	const struct sim_frame *frames;
	uint32_t n_frames;
	const struct sim_learn *learns;
	uint32_t n_learns;
	const struct sim_neigh_learn *neighs;
	uint32_t n_neighs;
	const struct sim_affinity_learn *affinities;
	uint32_t n_affinities;
	/*
	 * The connection.  'ct': enum topo_ct, 0 = nobody asked.  'conn': the view's record, if the run looked for it.  'new_conns': records to be
	 * made if the packet is sent: [0] of the ingress port, [1] of the port it leaves by (absent when it goes nowhere or to several).  With
	 * them in place the packet has to be simulated again before a flow is installed: it is established now.
	 */
	uint8_t ct;
	const struct sim_conn *conn;
	const struct sim_conn *new_conns;
	uint32_t n_new_conns;
	bool end_conn; /* policy no longer admits the connection of 'conn': remove its records (with SIM_RECHECK) */
	const struct topo_rule *const *rules; /* of chains and security groups, that matched, in order: for their counters.  No duplicates */
	uint32_t n_rules;
	const struct topo_rule *const *logs;  /* of these, those with 'log' */
	uint32_t n_logs;
	/* The packet's bytes were changed beyond its headers (an ICMP error was translated inside): outputs[] are of these instead */
	const uint8_t *data;
	uint32_t len;
	uint32_t mtu; /* packets of this flow with more than so many bytes of IP are another case; 0 = no limit */
	uint32_t fragment; /* IPv4 without DF, larger than the way is wide: send in fragments of at most so many bytes of IP; 0 = as it is */
	struct sim_need need;
	const struct topo_tag *tags; /* no duplicates */
	uint32_t n_tags;
	struct sim_mask mask;
	/*
	 * The class of packets that all get this result, whatever connection they belong to: 'mask' without the fields that were read to find the
	 * connection only.  0 = there is none: the record, or what was made of it (NAT), decided.  With 'class_ct' the result holds
	 * for packets of which the ingress port's record says the same (maps/flow.h); NEW, and there are new_conns: each makes its own.
	 * 'class_out': where it goes (one port), which has to be the other end that the record names.  NULL: the same whatever it names.
	 * 'class_nat': it holds for connections that a load balancer has translated so, or, if they are new, does: by the table of 'class_vip's pool.
	 */
	bool has_class;
	uint8_t class_ct; /* enum skep_ct; NONE = nobody asked */
	struct sim_mask class_mask;
	const struct topo_port *class_out;
	const struct sim_binding *class_nat; /* NULL = the connection is not translated */
	const struct topo_vip *class_vip;    /* of new ones */
	const struct sim_step *steps; /* only with SIM_TRACE */
	uint32_t n_steps;
	const char *hint; /* DROP, only with SIM_TRACE or SIM_HINT: what would let it pass; NULL = nothing known */
};

enum sim_flags {
	SIM_TRACE = 1 << 0,   /* fill steps[] */
	SIM_RECHECK = 1 << 1, /* rules see the original direction of a connection as new (its bindings hold): would it be admitted today? */
	SIM_HINT = 1 << 2,    /* fill hint */
};

struct sim { /* scratch of one thread; results live in it until the next run */
	struct arena arena;
};
void sim_init(struct sim *sim);
void sim_fini(struct sim *sim);

/*
 * 'pkt' entered by the exterior port 'in' of 'snap'.  Reads 'view', writes only '*res', which is owned by the arena of 'sim' until
 * the next sim_run().  Returns 0, or -errno with '*res' untouched (-ENOMEM: the arena's limit; -EINVAL: 'in' is no exterior port).
 * 'seed' salts hashes (ECMP) and must be the same on all hosts.
 */
int sim_run(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
	    const struct topo_port *in, const struct pkt *pkt, uint64_t now_ns, uint64_t seed,
	    unsigned int flags, struct sim_result *res, struct err *err);

/* Is this frame one that is never decided from a flow (ARP, ND with RS and RA)?  BPF sends those up always. */
bool sim_always_up(const struct pkt_fields *f);

/* Are machines that send untagged frames into the bridge by 'port' in the subnet's VLAN?  Always true of bridges without VLANs. */
bool sim_subnet_serves(const struct topo_subnet *s, const struct topo_port *port);
/*
 * The unsolicited router advertisement for the machines of a bridge (to all nodes), from who speaks for 'subnet': to be sent out of each exterior port
 * of the bridge from time to time.  'mtu': the largest IP packet that reaches the port, 0 = no limit.  Its length; 0 when there is nothing to say: not
 * IPv6, 'ra: none', another subnet of the same router speaks for this one too; or 'cap' (1500 is always enough) is too small.
 */
uint32_t sim_ra_build(const struct topo_subnet *subnet, uint32_t mtu, uint8_t *buf, uint32_t cap);

/* The result as a tree for people (from the arena), and as data with stable names (new reference). */
char *sim_trace_text(struct sim *sim, const struct pkt *pkt, const struct sim_result *res);
json_t *sim_trace_json(struct sim *sim, const struct pkt *pkt, const struct sim_result *res);
/* "rule 'block-telnet' of chain 'fw'", "route '10.0.0.0/8' of router 'r1'", "port 'web1'"; "" for nobody. */
const char *sim_culprit_text(const struct sim_culprit *c, char buf[static 192]);
bool sim_mask_eq(const struct sim_mask *a, const struct sim_mask *b);
/* "eth_dst ip_dst/24 l4_dst/6 ...", in the order of enum sim_field; cut when 'size' is too small. */
const char *sim_mask_format(const struct sim_mask *mask, char *buf, size_t size);

/*
 * In-memory view: MAC and neighbour tables of one tenant, by name, so that they outlive snapshots.  Used by the agent, the trace
 * tool and tests.  Sources: this host learnt it ('own'), or the state DB told.
 */
struct sim_tables;
#define SIM_MACS_PORT	8192 /* of all bridges, that one port may have: so nobody fills the table for the others */
#define SIM_NEIGHS_PORT 16384 /* of one router port */
struct sim_tables *sim_tables_new(uint32_t max_macs, uint32_t max_neighs); /* NULL: no memory */
void sim_tables_free(struct sim_tables *t);
/* Learn or refresh.  1 = new or changed, 0 = refreshed, -ENOSPC when full, -ENOMEM. */
int sim_tables_set_mac(struct sim_tables *t, const char *bridge, uint16_t vlan,
		       const struct skep_mac *mac, const char *port, bool own, uint64_t now_ns);
int sim_tables_set_neigh(struct sim_tables *t, const char *port, const struct skep_ip *ip,
			 const struct skep_mac *mac, bool own, uint64_t now_ns);
/* Marks the address as not answering; until 'until_ns' the view says FAILED. */
int sim_tables_fail_neigh(struct sim_tables *t, const char *port, const struct skep_ip *ip,
			  uint64_t until_ns);
bool sim_tables_del_mac(struct sim_tables *t, const char *bridge, uint16_t vlan,
			const struct skep_mac *mac);
bool sim_tables_del_neigh(struct sim_tables *t, const char *port, const struct skep_ip *ip);
/* Calls back for own entries last refreshed before 'older_ns'; the callback may delete the one it is shown, and may be NULL.  Failures that
 * ended before 'older_ns' are forgotten. */
void sim_tables_aged(struct sim_tables *t, uint64_t older_ns,
		     void (*mac)(void *arg, const char *bridge, uint16_t vlan, const struct skep_mac *mac,
				 const char *port),
		     void (*neigh)(void *arg, const char *port, const struct skep_ip *ip), void *arg);
/* The view of 'snap' through these tables as of 'now_ns'; entries that point to objects not in 'snap' are not seen. */
struct sim_tables_view {
	struct sim_view view;
	struct sim_tables *tables;
	const struct topo_snapshot *snap;
	uint64_t now_ns;
};
void sim_tables_view_init(struct sim_tables_view *v, struct sim_tables *t,
			  const struct topo_snapshot *snap, uint64_t now_ns);
