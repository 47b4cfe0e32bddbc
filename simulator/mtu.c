// SPDX-License-Identifier: Apache-2.0
/*
 * Packets that are larger than the way is wide (RFC 1191, 1812 4.2.2.7, 8200 5, 8201): the sender
 * is told, or an IPv4 packet without DF is sent in fragments.  Of a super-packet its segments
 * count.  Called by router.c for the router port that it leaves by, and by port.c where it leaves
 * the virtual network.
 */
#include "simulator/run.h"

#define IP4_MTU_MIN 68 /* RFC 791: what every link carries */

static uint32_t ip_bytes(const struct pkt *pkt)
{
	return pkt->seg_len ? pkt->seg_len : pkt->l3_len;
}

static void note(uint32_t *least, uint32_t mtu)
{
	if (!*least || mtu < *least)
		*least = mtu;
}

bool sim_mtu_ok(struct walk *w, uint32_t mtu, const struct topo_port *out)
{
	struct run *run = w->run;

	if (!mtu || w->generation || !see_is_ip(w))
		return true;
	see(w, SIM_FIELD_LEN);
	note(&run->mtu, mtu);
	if (ip_bytes(w->pkt) <= mtu)
		return true;
	run->cacheable = false; /* smaller ones have the same key */
	if (ip_width(w) == 32 && !w->pkt->df && mtu >= IP4_MTU_MIN) {
		STEP(w, 1, "fragment", out->o.name, "%u bytes, in pieces of at most %u",
		     w->pkt->l3_len, mtu);
		note(&run->fragment, mtu);
		return true;
	}
	STEP(w, 1, "mtu", out->o.name, "%u bytes, more than %u", ip_bytes(w->pkt), mtu);
	sim_icmp_too_big(w, mtu);
	sim_drop(w, SKEP_DROP_TOO_BIG, &out->o, NULL);
	return false;
}
