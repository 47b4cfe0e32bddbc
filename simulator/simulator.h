/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: walks one packet through a tenant's virtual network and says all that follows from it.  A pure function: no I/O,
 * no clock, no globals, no logging.  Same input, same result: on any host, in a test, in the trace tool, under a fuzzer.
 *
 * Order of processing: port in (admin, anti-spoofing, inbound chain) -> bridge (inbound chain, learn, ARP/ND suppression, unicast or
 * flood, outbound chain) or router (L2 address, own ARP/ND/echo, inbound chain, route, TTL, outbound chain, neighbour) -> ... ->
 * port out (admin, outbound chain) -> output.  At most SIM_DEVICES_MAX ports are entered on one path.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "maps/drops.h"
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
struct sim_view {
	/* Port of 'mac' on 'bridge', NULL = not known.  A port of the snapshot. */
	const struct topo_port *(*mac)(void *arg, const struct topo_bridge *bridge,
				       const struct skep_mac *mac);
	enum sim_neigh (*neigh)(void *arg, const struct topo_port *router_port,
				const struct skep_ip *ip, struct skep_mac *mac);
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
	SIM_FIELD_ETH_DST = 1 << 0,
	SIM_FIELD_ETH_SRC = 1 << 1,
	SIM_FIELD_ETH_TYPE = 1 << 2,
	SIM_FIELD_VLAN = 1 << 3,
	SIM_FIELD_IP_SRC = 1 << 4, /* the first src_len bits */
	SIM_FIELD_IP_DST = 1 << 5, /* the first dst_len bits */
	SIM_FIELD_PROTO = 1 << 6,
	SIM_FIELD_L4_SRC = 1 << 7, /* ICMP: type and code */
	SIM_FIELD_L4_DST = 1 << 8,
	SIM_FIELD_FRAG = 1 << 9,
	SIM_FIELD_TTL = 1 << 10, /* "larger than ttl_dec": a flow carries this by itself */
	SIM_FIELD_ARP = 1 << 11, /* operation and hardware addresses */
	SIM_FIELD_ND = 1 << 12,	 /* target and options */
};
struct sim_mask {
	uint32_t fields; /* enum sim_field */
	uint8_t src_len, dst_len; /* in the family's own bits */
};

struct sim_output {
	const struct topo_port *port;	  /* exterior port of the snapshot; live */
	struct pkt_fields f;		  /* headers as they leave */
	const struct topo_bridge *flooded; /* it left by flooding this bridge; NULL = unicast */
};

/* A frame that the network itself sends: ARP/ND request or answer, echo reply, ICMP error, TCP reset.  Bytes are as they leave (before
 * the per-output rewrite from 'f' of its own parse to outputs[].f). */
struct sim_frame {
	const uint8_t *data;
	uint32_t len;
	const struct sim_output *outputs;
	uint32_t n_outputs;
};

struct sim_learn { /* the source MAC was seen on this port; publish it */
	const struct topo_bridge *bridge;
	struct skep_mac mac;
	const struct topo_port *port;
};
struct sim_neigh_learn {
	const struct topo_port *port; /* router port */
	struct skep_ip ip;
	struct skep_mac mac;
};

enum sim_need_kind { SIM_NEED_NONE, SIM_NEED_NEIGH, SIM_NEED_OBJECT };
struct sim_need {
	enum sim_need_kind kind;
	const struct topo_port *port; /* NEIGH: router port */
	struct skep_ip ip;	      /* NEIGH */
	const char *path;	      /* OBJECT: record "port/web1" of this tenant */
};

/* Who is to blame, by name.  All NULL = nobody in particular. */
struct sim_culprit {
	const struct topo_object *object; /* port, bridge, router, chain or route */
	const struct topo_rule *rule;
};

struct sim_step {
	uint16_t depth;	  /* 0 = the ingress port; a device inside a device's output is one deeper */
	const char *what; /* "port", "bridge", "router", "chain", "rule", "route", "neighbour", "drop", "output", "answer", ... */
	const char *name; /* of the object; "" = none */
	const char *text; /* what was tested, what it gave, what was changed */
};

struct sim_result {
	enum sim_verdict verdict;
	enum skep_drop reason; /* DROP; CONSUMED: SKEP_DROP_CONSUMED */
	struct sim_culprit culprit;
	bool cacheable; /* the verdict holds for every packet with the same flow key: install it.  False: ARP, ND, answers, errors */
	bool truncated; /* more than SIM_OUTPUTS_MAX */
	uint8_t ttl_dec; /* routers passed; the same on all outputs, else cacheable is false.  DROP: by the longest path; a smaller TTL is another case */
	const struct sim_output *outputs;
	uint32_t n_outputs;
	const struct sim_frame *frames;
	uint32_t n_frames;
	const struct sim_learn *learns;
	uint32_t n_learns;
	const struct sim_neigh_learn *neighs;
	uint32_t n_neighs;
	struct sim_need need;
	const struct topo_tag *tags; /* no duplicates */
	uint32_t n_tags;
	struct sim_mask mask;
	const struct sim_step *steps; /* only with SIM_TRACE */
	uint32_t n_steps;
};

enum sim_flags {
	SIM_TRACE = 1 << 0, /* fill steps[] */
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

/* Is this frame one that is never decided from a flow (ARP, ND)?  BPF sends those up always. */
bool sim_always_up(const struct pkt_fields *f);

/* The result as a tree for people (from the arena), and as data with stable names (new reference). */
char *sim_trace_text(struct sim *sim, const struct pkt *pkt, const struct sim_result *res);
json_t *sim_trace_json(struct sim *sim, const struct pkt *pkt, const struct sim_result *res);
/* "rule 'block-telnet' of chain 'fw'", "route '10.0.0.0/8' of router 'r1'", "port 'web1'"; "" for nobody. */
const char *sim_culprit_text(const struct sim_culprit *c, char buf[static 192]);
/* "eth_dst ip_dst/24 ...", in the order of enum sim_field; cut when 'size' is too small. */
const char *sim_mask_format(const struct sim_mask *mask, char *buf, size_t size);

/*
 * In-memory view: MAC and neighbour tables of one tenant, by name, so that they outlive snapshots.  Used by the agent, the trace
 * tool and tests.  Sources: this host learnt it ('own'), or the state DB told.
 */
struct sim_tables;
struct sim_tables *sim_tables_new(uint32_t max_macs, uint32_t max_neighs); /* NULL: no memory */
void sim_tables_free(struct sim_tables *t);
/* Learn or refresh.  1 = new or changed, 0 = refreshed, -ENOSPC when full, -ENOMEM. */
int sim_tables_set_mac(struct sim_tables *t, const char *bridge, const struct skep_mac *mac,
		       const char *port, bool own, uint64_t now_ns);
int sim_tables_set_neigh(struct sim_tables *t, const char *port, const struct skep_ip *ip,
			 const struct skep_mac *mac, bool own, uint64_t now_ns);
/* Marks the address as not answering; until 'until_ns' the view says FAILED. */
int sim_tables_fail_neigh(struct sim_tables *t, const char *port, const struct skep_ip *ip,
			  uint64_t until_ns);
bool sim_tables_del_mac(struct sim_tables *t, const char *bridge, const struct skep_mac *mac);
bool sim_tables_del_neigh(struct sim_tables *t, const char *port, const struct skep_ip *ip);
/* Calls back for own entries last refreshed before 'older_ns'; the callback may delete the one it is shown, and may be NULL.  Failures that
 * ended before 'older_ns' are forgotten. */
void sim_tables_aged(struct sim_tables *t, uint64_t older_ns,
		     void (*mac)(void *arg, const char *bridge, const struct skep_mac *mac, const char *port),
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
