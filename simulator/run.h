/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the simulator: the state of one run, of one frame's way through it, and who does what.  Not for other modules.
 *
 *   sim.c       a run from start to result; frames made by the network wait in a queue and are walked after the packet
 *   result.c    collects outputs, effects, tags, drops, steps
 *   port.c      port in, port out      bridge.c, router.c   the devices       chain.c   chains
 *   rule.c      conditions of rules    ruletext.c           ... as text
 *   nexthop.c   ECMP, neighbours       arp.c, nd.c, ra.c    responders        icmp.c    echo, errors, resets
 *   secgroup.c  security groups        mirror.c             copies            vlan.c    VLAN-aware bridges
 *   conn.c      connection of a packet nat.c, lb.c          translation       mask.c    what was read
 *   class.c     packets alike           mtu.c                too big           hint.c    what would let a packet pass
 *   subnet.c, dhcp4.c, dhcp6.c
 *   tables.c, conns.c  in-memory views trace.c              the result for people and programs
 *
 * Every read of a header field that decides something goes through a see_*() of see.h.
 */
#pragma once

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "simulator/simulator.h"

/* Ports entered in one run, all copies together: a mesh of bridges multiplies floods. */
#define SIM_ENTRIES_MAX	    4096
#define SIM_RULES_MAX	    1000000 /* rules looked at in one run */
#define SIM_JUMPS_MAX	    64	    /* nested jumps */
#define SIM_FRAMES_MAX	    32	    /* frames made by the network in one run */
#define SIM_GENERATIONS_MAX 4	    /* answers to answers (ARP between two of our own routers) */
#define SIM_ECMP_MAX	    64	    /* routes of equal weight that are looked at */
#define SIM_RESTARTS_MAX    8	    /* runs again because an address was learnt on the way */

#define SIM_ND_RS      133
#define SIM_ND_RA      134
#define SIM_ND_NS      135
#define SIM_ND_NA      136
#define SIM_ICMP_ECHO  8
#define SIM_ICMP6_ECHO 128
#define SIM_TCP_RST    0x04
#define SIM_ND_HOPS    255 /* RFC 4861 7.1: anything else came from beyond a router */

struct sim_outputs {
	struct sim_output *v;
	uint32_t n, max;
};

/* A frame made by the network, waiting for its own walk. */
struct emit {
	struct emit *next;
	const char *what;		/* "ARP request", "echo reply", ... */
	const struct topo_port *port;	/* leaves by it */
	const struct topo_chain *chain; /* outbound chain of the device; NULL = none */
	const struct topo_object *device;
	struct pkt pkt;
	struct pkt_fields f; /* as it leaves the device */
	struct sim_outputs outputs;
	uint8_t generation;
	bool solicits; /* ARP request, NS: is sent also when the packet has to wait */
	bool error;    /* ICMP error, TCP reset, router advertisement */
	bool bare;     /* to the machine behind its exterior port: meets no chain */
};

struct run {
	struct arena *arena;
	const struct topo_snapshot *snap;
	const struct sim_view *view;
	const struct topo_port *in;
	const struct pkt *pkt;
	uint64_t seed;
	bool tracing, hinting;

	bool cacheable, truncated;
	bool looped;	   /* a path was longer than SIM_DEVICES_MAX */
	bool consumed;	   /* a path ended in the network itself */
	uint8_t drop_rank; /* 0 = no drop yet; the first of the highest rank is told */
	uint8_t ttl_dec;   /* of the outputs */
	uint8_t ttl_max;   /* of all paths */
	enum skep_drop reason;
	struct sim_culprit culprit;
	struct sim_need need;
	struct sim_mask mask;

	struct sim_outputs outputs;
	struct sim_learn *learns;
	struct sim_neigh_learn *neighs;
	struct topo_tag *tags;
	/* open addressing, values are position + 1; NULL while there are few tags */
	uint32_t *tag_index;
	struct sim_step *steps;
	struct sim_affinity_learn *affinities;
	const struct topo_rule **rules, **logs;
	uint32_t n_affinities, max_affinities, n_rules_hit, max_rules_hit, n_logs, max_logs;
	uint32_t n_learns, max_learns, n_neighs, max_neighs;
	uint32_t n_tags, max_tags, tag_slots, n_steps, max_steps;

	uint64_t tag_bloom[4];		  /* a tag whose bit is not set is new */
	uint32_t *rule_index, rule_slots; /* as tag_index */
	uint32_t n_copies;		  /* of 'outputs': for mirrors */
	uint8_t main_ttl_dec;		  /* of the packet's own outputs */

	struct emit *queue, **queue_tail;
	uint32_t n_emits, n_entries, n_rules;

	/* the connection of the packet, looked up once: conn.c */
	const struct topo_port *conn_out; /* by which the packet leaves; NULL = no record is to be made */
	struct sim_tuple conn_out_tuple;  /* as it leaves */
	bool recheck;	  /* SIM_RECHECK */
	bool ct_known;	  /* 'ct', 'conn' and 'tuple' are valid */
	bool tuple_read;  /* the tuple is in the mask: for the sake of the connection alone */
	bool elsewhere;	  /* the connection's record is of another way: rules do not see it */
	bool left_elsewhere, left_as_recorded; /* outputs of the packet, other than its record says, or not */
	bool ct_asked;	  /* a rule asked for the state: a record is made when the packet passes */
	uint8_t ct;	  /* enum topo_ct */
	const struct sim_conn *conn;
	struct sim_tuple tuple;
	struct sim_binding bindings[SIM_BINDINGS_MAX]; /* made in this run */
	uint8_t n_bindings;
	const struct topo_vip *vip; /* by whose pool's table the binding was chosen */
	bool quoting;		/* the packet is an ICMP error of a connection or through NAT: 'quote' is translated with it */
	struct pkt_quote quote; /* as it came */
	struct pkt_fields inner; /* of the quoted packet, as they are now */
	uint32_t mtu, fragment; /* of the result */
	const char *hint;
	bool end_conn;
};

/* One frame on its way.  Copied for each member of a flood. */
struct walk {
	struct run *run;
	const struct pkt *pkt;	     /* as it came in, or was made */
	struct sim_outputs *outputs; /* of the packet, or of the frame */
	const struct topo_port
		*l3_in; /* router port by which it entered the last router; NULL = none yet */
	const struct topo_bridge *flooded;
	const struct topo_port *exempt; /* a port that is down still says so (ICMP); NULL = none */
	struct pkt_fields f;		/* headers as they are now */
	struct skep_mac l3_from;	/* who sent it to l3_in */
	uint32_t written;		/* enum sim_field: no longer the packet's own */
	uint16_t depth;
	uint8_t entered; /* ports */
	uint8_t ttl_dec;
	uint8_t generation; /* 0 = the packet; else made by the network */
	bool quiet;	    /* a copy by flooding, or not addressed to the router: nobody answers */
	const struct topo_port *in_port, *out_port; /* of the present device; out_port NULL = not known yet */
	const struct topo_object *devices[SIM_DEVICES_MAX]; /* bridges and routers passed so far, the present one last */
	uint8_t n_devices;
	bool dst_rewritten; /* by the present router */
	const struct topo_floating_ip *fip; /* the present router's, that the packet was for */
	bool no_dnat;	    /* a rule of the present router wants the destination as it is */
	bool via_vip;	    /* the present router's VIP took it: no chains of the router */
	bool mirrored;	    /* is a mirror's copy: no policy, no mirrors */
	uint16_t vlan;	    /* of the present VLAN-aware bridge; 0 = another kind */
};

/* --- result.c --- */
void sim_tag(struct walk *w, const struct topo_tag *tag);
void sim_tag_object(struct walk *w, enum topo_tag_kind kind, const struct topo_object *o);
void sim_output(struct walk *w, const struct topo_port *port);
/* The same for a mirror's copy: no policy, no record of a connection. */
void sim_output_copy(struct walk *w, const struct topo_port *port,
		     const struct topo_mirror *mirror);
/* Of the packet's outputs, those for mirrors only. */
void sim_keep_copies(struct run *run);
void sim_learn_mac(struct walk *w, const struct topo_bridge *bridge, const struct skep_mac *mac,
		   const struct topo_port *port);
void sim_learn_neigh(struct walk *w, const struct topo_port *port, const struct skep_ip *ip,
		     const struct skep_mac *mac);
/* The path ends here. */
void sim_drop(struct walk *w, enum skep_drop reason, const struct topo_object *object,
	      const struct topo_rule *rule);
void sim_consume(struct walk *w, const struct topo_object *object, const char *text);
void sim_need_neigh(struct walk *w, const struct topo_port *port, const struct skep_ip *ip);
void sim_need_object(struct walk *w, const struct topo_port *port);
/* Queues a frame of the network: 'data' (arena) leaves by 'port' from 'eth_src' to 'eth_dst', after 'chain' of 'device'.  NULL: not queued. */
struct emit *sim_emit(struct walk *w, const char *what, const uint8_t *data, uint32_t len,
		      const struct topo_port *port, const struct topo_chain *chain,
		      const struct topo_object *device, const struct skep_mac *eth_src,
		      const struct skep_mac *eth_dst, bool solicits);
void sim_step(struct run *run, unsigned int depth, const char *what, const char *name,
	      const char *fmt, ...) __attribute__((format(printf, 5, 6)));
#define STEP(w, deeper, what, name, ...)                                                    \
	do {                                                                                \
		if ((w)->run->tracing)                                                      \
			sim_step((w)->run, (w)->depth + (deeper), what, name, __VA_ARGS__); \
	} while (0)

/* --- trace.c, for tracejson.c too --- */
const char *sim_drop_name(enum skep_drop reason);
const char *sim_drop_help(enum skep_drop reason);
/* The i-th field: "ip_dst/24"; "" = not in the mask, NULL = there are no more. */
const char *sim_mask_field(const struct sim_mask *m, unsigned int i, char buf[static 32]);
const char *sim_ct_text(uint8_t ct, char buf[static 64]); /* "established reply" */
/* The i-th of the fields that may be rewritten, besides MACs and TTL: "dst 203.0.113.9 -> 10.0.1.5"; false: it is as in 'from'. */
#define SIM_REWRITES 6
bool sim_rewrite_text(const struct pkt_fields *from, const struct sim_output *o, unsigned int i,
		      char *buf, size_t size);
/* The frame in short; '*pkt' is what it parses to. */
const char *sim_frame_text(struct sim *sim, const struct sim_frame *f, struct pkt *pkt);

/* --- the devices --- */
void sim_port_in(struct walk *w, const struct topo_port *port);
void sim_port_out(struct walk *w, const struct topo_port *port);
/* Out of the exterior port without chains and security groups: mirrors see it. */
void sim_port_bare(struct walk *w, const struct topo_port *port);
void sim_bridge_in(struct walk *w, const struct topo_port *port);
void sim_router_in(struct walk *w, const struct topo_port *port);
/* false: the chain ended the path. */
bool sim_hook(struct walk *w, const struct topo_chain *chain);

/* --- policy --- */
/* Does the packet meet the rule's conditions (with negation and inversion)?  Marks what it reads. */
bool sim_rule_matches(struct walk *w, const struct topo_rule *r);
/* rule.c: the first condition (enum topo_match) that does not hold; 0 = all do.  Marks what it reads. */
uint32_t sim_rule_mismatch(struct walk *w, const struct topo_rule *r);
/* May L4 ports, ICMP types and ids be read?  Of a later fragment whose first one is not known: no, and the run waits for it (sim_waits()). */
bool sim_l4_known(struct walk *w);
/* The packet waits for the first of its fragments: no use in going on. */
static inline bool sim_waits(const struct walk *w)
{
	return !w->generation && w->run->need.kind == SIM_NEED_FRAGMENT;
}
/* The frame is in 'device' from now on: for rules' 'traversed'. */
static inline void sim_enter_device(struct walk *w, const struct topo_object *device)
{
	if (w->n_devices < SIM_DEVICES_MAX)
		w->devices[w->n_devices++] = device;
}
/* result.c: the rule matched: for its counter and its log. */
void sim_rule_hit(struct walk *w, const struct topo_rule *r);
/* Positions of a chain's rules that are worth testing, in order; NULL: all, 0..n-1. */
const uint32_t *sim_candidates(struct walk *w, const struct topo_chain *chain, uint32_t *n);
/* ruletext.c: "proto tcp, dst_ports 22", for traces and hints; what the packet has instead, "proto udp". */
const char *sim_rule_text(const struct topo_rule *r, char *buf, size_t size);
const char *sim_mismatch_text(const struct walk *w, const struct topo_rule *r, uint32_t bit,
			      char *buf, size_t size);
/* hint.c: what would let the packet pass that is about to be dropped (arena); NULL = nothing known. */
const char *sim_hint(struct walk *w, enum skep_drop reason, const struct topo_object *object,
		     const struct topo_rule *rule);
/* antispoof.c: does the frame claim to be from somebody whom the machine behind the port is not? */
bool sim_is_spoofed(struct walk *w, const struct topo_port *port);
/* Is it an answer of a DHCP server, or a router advertisement, where the network itself serves? */
bool sim_poses_as_server(struct walk *w, const struct topo_port *port);
/* Security groups of a bridge's exterior port: what its machine sends (in), or is sent (out).  false: the path ended. */
bool sim_sg_in(struct walk *w, const struct topo_port *port);
bool sim_sg_out(struct walk *w, const struct topo_port *port);
/* Copies to the mirrors of a list; the walk itself goes on. */
void sim_mirror(struct walk *w, const struct topo_mirror_at *list);

/* --- conn.c, nat.c, lb.c, quote.c --- */
/* The packet's enum topo_ct bits; looks the connection up and marks what that depends on.  Frames of the network: established | reply | related. */
uint8_t sim_ct(struct walk *w);
/* For a rule: as sim_ct(), and the connection is recorded if the packet passes. */
uint8_t sim_ct_ask(struct walk *w);
/* The packet leaves by the exterior port: records that are to be made.  false: there is no room for one, the path ended. */
bool sim_conn_output(struct walk *w, const struct topo_port *port);
/* Is the port at the other end of the packet's connection (or shares its records)? */
bool sim_conn_is_with(struct walk *w, const struct topo_port *port);
/* Has the packet left by other ports only than the record of its connection says?  Then it is walked again: run->elsewhere. */
bool sim_conn_elsewhere(const struct run *run);
/* The mask with what the connection was looked for by; the class of packets that the result is for. */
void sim_conn_masks(const struct run *run, struct sim_result *res);
/* The connection's part of the result. */
void sim_conn_finish(struct run *run, struct sim_result *res);
bool sim_conn_has_moved(const struct run *run);
void sim_conn_class(const struct run *run, struct sim_result *res); /* class.c */
/* TCP, UDP; an ICMP echo. */
bool sim_has_ports(const struct pkt_fields *f);
bool sim_has_id(const struct pkt_fields *f);
void sim_tuple_of(const struct pkt_fields *f, struct sim_tuple *t);
/* Is the packet an ICMP error? */
bool sim_is_error(struct walk *w);
/* A translation that was made; false: too many. */
bool sim_bind(struct walk *w, const struct sim_binding *b);
/* Carries it out on the packet in hand, as it was made or ('forward' false) taken back; 'by' for the trace. */
void sim_nat_apply(struct walk *w, const struct sim_binding *b, bool forward, const char *by);
/* One end of the packet becomes another address (a port of 0 stays); of the packet that it quotes, the opposite end does if it is 'from'. */
void sim_nat_end(struct walk *w, bool dst, const struct skep_ip *to, __be16 port, const char *by);
void sim_nat_inner(struct walk *w, bool dst, const struct skep_ip *from, const struct skep_ip *to);
/* fip.c: the floating IP that is the destination; that belongs to the source.  NULL: none.  Is 'out' its way out?  Translations. */
const struct topo_floating_ip *sim_fip_to(struct walk *w, const struct topo_router *r);
const struct topo_floating_ip *sim_fip_of(struct walk *w, const struct topo_router *r);
bool sim_fip_leaves(const struct topo_floating_ip *f, const struct topo_port *out);
void sim_fip_in(struct walk *w, const struct topo_floating_ip *f);
void sim_fip_out(struct walk *w, const struct topo_floating_ip *f);
void sim_fip_quote(struct walk *w, const struct topo_router *r, const struct topo_port *out);
/* Does the packet come from a member of a VIP of the router, as a reply?  Its chains are not for it. */
bool sim_vip_reply(struct walk *w, const struct topo_router *r);
/* The hooks of a router, in this order; false: the path ended. */
bool sim_vip_in(struct walk *w, const struct topo_port *in);  /* may set via_vip */
bool sim_nat_in(struct walk *w, const struct topo_port *in);  /* destination */
bool sim_nat_out(struct walk *w, const struct topo_port *in, const struct topo_port *out); /* source */
/* Is the destination the router's by NAT or VIP only (never a place to send a packet to)? */
bool sim_nat_owns(struct walk *w, const struct topo_router *r);

/* --- services --- */
/* DHCP and router solicitations of the machine behind an exterior port of a bridge; true: answered, the path ended. */
bool sim_subnet_in(struct walk *w, const struct topo_port *port);
/* Is the packet too big for a way of 'mtu' bytes of IP (0 = no limit)?  Then it is answered and dropped, or marked for fragments.  false: the
 * path ended.  'out': whose limit it is, a router's port, or the exterior port. */
bool sim_mtu_ok(struct walk *w, uint32_t mtu, const struct topo_port *out);
/* The VLAN of a frame that enters a VLAN-aware bridge; false: the path ended.  And out of it: is the port in the frame's VLAN, with the tag as it has to be? */
bool sim_vlan_in(struct walk *w, const struct topo_port *port);
bool sim_vlan_out(struct walk *w, const struct topo_port *port);
/* A trunk: carries tags.  Is the port in the VLAN (of another kind of bridge: 0)?  Has an untagged frame to pass from trunk to trunk (802.1D BPDU and its like)? */
bool sim_vlan_trunk(const struct topo_port *port);
bool sim_vlan_has(const struct topo_port *port, uint16_t vlan);
bool sim_vlan_bpdu(struct walk *w, const struct topo_port *port);
bool sim_vlan_reserved(struct walk *w); /* to 01:80:c2:00:00:00 .. 0f */
/* bridge.c: it depends on who has the address (the next). */
void sim_tag_owner(struct walk *w, const struct topo_bridge *b, const struct skep_ip *ip);
/* Who has the address, in the frame's VLAN, by configuration: the MAC, and the bridge's port (NULL: a static neighbour).  false: nobody known. */
bool sim_bridge_owner(const struct topo_bridge *b, uint16_t vlan, const struct skep_ip *ip,
		      const struct topo_port **owner, struct skep_mac *mac);
/* The bridge's port behind which a router answers for the address because of NAT; NULL = none. */
const struct topo_port *sim_bridge_nat(const struct topo_bridge *b, uint16_t vlan,
				       const struct skep_ip *ip);
/* arp.c: does the router answer for it by this port because of NAT or a VIP? */
bool sim_port_nat(const struct topo_port *port, const struct skep_ip *ip);
void sim_tag_nat(struct walk *w, const struct topo_port *port, const struct skep_ip *ip);

/* --- nexthop.c --- */
const struct topo_route *sim_choose_route(struct walk *w, const struct topo_router *router,
					  const struct topo_route **routes, unsigned int n);
/* Finds the MAC of 'hop' behind 'out'; false: the path ended (drop or need). */
bool sim_resolve(struct walk *w, const struct topo_port *out, const struct skep_ip *hop,
		 struct skep_mac *mac);

/* --- responders --- */
bool sim_is_arp(const struct walk *w);
bool sim_arp_suppress(struct walk *w, const struct topo_port *in, const struct topo_port **to);
void sim_arp_router(struct walk *w, const struct topo_port *port);
void sim_arp_ask(struct walk *w, const struct topo_port *port, const struct skep_ip *ip);

bool sim_is_nd(const struct walk *w);
bool sim_nd_suppress(struct walk *w, const struct topo_port *in, const struct topo_port **to);
void sim_nd_router(struct walk *w, const struct topo_port *port);
void sim_nd_ask(struct walk *w, const struct topo_port *port, const struct skep_ip *ip);
struct skep_ip
sim_link_local(const struct skep_mac *mac); /* fe80:: and modified EUI-64, RFC 4291 appendix A */

enum sim_error {
	SIM_ERR_NET,   /* no route */
	SIM_ERR_HOST,  /* no neighbour */
	SIM_ERR_PORT,  /* nobody listens */
	SIM_ERR_ADMIN, /* prohibited */
	SIM_ERR_TTL,
	SIM_ERR_BIG,  /* larger than the MTU: sim_icmp_too_big() */
	SIM_ERR_FRAG, /* a chain drops the first fragment: what is not larger than it needs none */
};
/* Queues an ICMP or ICMPv6 error to the sender if one may be sent; the path is ended by the caller. */
void sim_icmp_error(struct walk *w, enum sim_error error);
void sim_icmp_too_big(struct walk *w, uint32_t mtu);
void sim_icmp_echo(struct walk *w, const struct topo_port *port);
/* The answer of a reject rule: TCP reset, or an ICMP error. */
void sim_reject(struct walk *w);
/* The address of 'port' (else of its router) of the family of 'peer', best one in the subnet of 'peer'.  NULL = none. */
const struct topo_addr *sim_port_addr(const struct topo_port *port, const struct skep_ip *peer);
bool sim_port_owns(const struct topo_port *port,
		   const struct skep_ip *ip); /* link-local one included */
/* The same of an end of the packet, with what it takes to tell in the mask. */
bool sim_port_is_end(struct walk *w, const struct topo_port *port, bool src);
/* router.c: is an end of the packet nobody's address, or a group's?  0/8, 127/8, 224/3; ::/32, ff00::/8. */
bool sim_ip_special(struct walk *w, bool src);
/* The port's subnet that holds 'ip'; NULL = none. */
const struct topo_addr *sim_port_subnet(const struct topo_port *port, const struct skep_ip *ip);

#include "simulator/see.h"
