/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about packets that nobody has sent: the frame that a machine behind a port would send, and whether two ends reach each other,
 * there and back.  Pure, as the simulator is.  Used by skepd's control socket and by skep.
 */
#pragma once

#include <jansson.h>

#include "simulator/simulator.h"

/*
 * Builds the frame of 'text' (packet/short.h, or packet.h's language when it begins with "eth ") as the machine behind the exterior port 'in' would
 * send it: the Ethernet addresses are the port's and its gateway's or the destination's, or those of 'eth' ("SRC>DST"; NULL = none
 * given).  Its length, or -errno with 'err' (tagged "usage").
 */
int sim_probe(const struct sim_view *view, const struct topo_port *in, const char *text,
	      const char *eth, uint8_t *buf, uint32_t cap, struct err *err);

/* One end of a question: a port and its address, or an address that no port has ('port' NULL: outside). */
struct sim_end {
	const struct topo_port *port;
	struct skep_ip ip; /* zero: the port has none */
};

/* What was found out. */
struct sim_why {
	enum { SIM_WHY_YES, SIM_WHY_NO, SIM_WHY_UNKNOWN } reachable;
	char text[512];	    /* one sentence for people: which direction ends where, because of whom, and what would let it pass */
	json_t *forward, *reply; /* sim_trace_json() of each; NULL = there was none.  The caller's */
	char *forward_text, *reply_text; /* sim_trace_text() of each; malloc'ed, the caller's */
};
void sim_why_fini(struct sim_why *why);

/*
 * May 'from' (a port's name, or an address that a port has) open 'what' ("tcp/443", "udp/53", "icmp") towards 'to' (a port's name or any
 * address), and do the answers come back?  MACs that nobody has asked for yet are taken to be there.  0, or -errno with 'err'.
 */
int sim_why(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
	    const char *from, const char *to, const char *what, uint64_t now_ns, uint64_t seed,
	    struct sim_why *why, struct err *err);
