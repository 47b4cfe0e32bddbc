/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about packets that nobody has sent: the frame that a machine behind a port would send, and whether two ends reach each other,
 * there and back.  Pure, as the simulator is.  Used by skepd's control socket, by skep and by skep-api.
 */
#pragma once

#include <jansson.h>

#include "simulator/simulator.h"

/* One end of a question: a port and its address, or an address that no port has ('port' NULL: outside). */
struct sim_end {
	const struct topo_port *port;
	struct skep_ip ip;   /* zero: the port has none */
	struct skep_mac mac; /* the port's, or one that stands for it */
	bool named;	     /* the port, rather than an address that leads to it */
	bool told;	     /* the port is of a bridge, and nothing but the question says that its machine has 'ip' */
};

/*
 * Builds the frame of 'text' (packet/short.h, or packet.h's language when it begins with "eth ") as the machine behind the exterior port 'in' would
 * send it: the Ethernet addresses are the port's and its gateway's or the destination's, or those of 'eth' ("SRC>DST"; NULL = none
 * given).  Its length, or -errno with 'err' (tagged "usage"); -EHOSTUNREACH: nobody is known to have the destination.
 */
int sim_probe(const struct sim_view *view, const struct topo_port *in, const char *text,
	      const char *eth, uint8_t *buf, uint32_t cap, struct err *err);
/* The same; 'ends' (2, or NULL) that are told are where they say. */
int sim_probe_ends(const struct sim_view *view, const struct topo_port *in, const char *text,
		   const char *eth, const struct sim_end *ends, uint8_t *buf, uint32_t cap,
		   struct err *err);

/*
 * Finds the ends of a question: "vm1", "10.0.1.5", "vm1/10.0.1.5".  An end without address gets one of a family that both have: the
 * port's first; FROM a router's exterior port the gateway of its default route, of another of its routes, or a neighbour.
 */
int sim_find_ends(const struct topo_snapshot *snap, const char *from, const char *to, bool v6_only,
		  struct sim_end *a, struct sim_end *b, struct err *err);

/* May a question begin FROM there?  0, or the error that sim_find_ends() would have of it. */
int sim_check_from(const struct topo_snapshot *snap, const char *from, struct err *err);

/* Walks a frame that enters by the exterior port 'in', as sim_run() with SIM_TRACE does; -EINVAL with 'err' also when every host drops such a frame at
 * once.  '*pkt' points into 'frame'. */
int sim_trace(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
	      const struct topo_port *in, const uint8_t *frame, uint32_t len, uint64_t now_ns,
	      uint64_t seed, struct pkt *pkt, struct sim_result *res, struct err *err);

/* What was found out. */
struct sim_why {
	enum { SIM_WHY_YES, SIM_WHY_NO, SIM_WHY_UNKNOWN } reachable;
	enum skep_drop reason;	/* of NO, if a packet was dropped; else SKEP_DROP_NONE */
	char culprit[192];	/* of that: "rule 'no-telnet' of chain 'fw'"; "" = nobody in particular */
	char rule[192];	/* that lets the request in, or drops it: "rule 'http' of security group 'web'"; "" = none does */
	char text[512];	    /* one sentence for people: which direction ends where, because of whom, and what would let it pass */
	json_t *forward, *reply; /* sim_trace_json() of each; NULL = there was none.  The caller's */
	char *forward_text, *reply_text; /* sim_trace_text() of each; malloc'ed, the caller's */
};
void sim_why_fini(struct sim_why *why);

/*
 * May 'from' (a port, an address that a port has, or PORT/ADDRESS) open 'what' ("tcp/443", "udp/53", "icmp") towards 'to' (the same, or any
 * address), and do the answers come back?  Neighbours outside are taken to answer; on bridges of ours nobody answers who is not known.
 * 0, or -errno with 'err'.
 */
int sim_why(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
	    const char *from, const char *to, const char *what, uint64_t now_ns, uint64_t seed,
	    struct sim_why *why, struct err *err);
/* The same, without traces (forward, reply and their texts stay NULL), for those who ask it many times. */
int sim_reaches(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
		const char *from, const char *to, const char *what, uint64_t now_ns, uint64_t seed,
		struct sim_why *why, struct err *err);
/* {"tenant", "reachable": true, false or null, "text", "rule", "forward", "forward_text", "reply", "reply_text"}, null where there is none: new
 * reference, NULL = no memory. */
json_t *sim_why_json(const struct sim_why *why, const char *tenant);
/* Is it a service: "tcp/443", "udp/53", "icmp", "icmp6"?  0, or -EINVAL with 'err'. */
int sim_service_check(const char *what, struct err *err);

/* --- what is learnt, as records have it --- */

/* The view of 'snap' through a record set ("mac/..", "neigh/..", "aff/..": docs/topology.md), which stays the caller's and is not copied. */
struct sim_records_view {
	struct sim_view view;
	const struct topo_snapshot *snap;
	const json_t *records;
};
void sim_records_view_init(struct sim_records_view *v, const struct topo_snapshot *snap,
			   const json_t *records);
