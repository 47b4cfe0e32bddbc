// SPDX-License-Identifier: Apache-2.0
/*
 * VLAN-aware bridges: which VLAN a frame is in, which ports are in it, and the tag with which it
 * leaves.  topology.h says what ports there are.  The tag itself is written last, for each output:
 * until then a frame looks as it came in.  Called by bridge.c, arp.c, nd.c and nexthop.c.
 */
#include "simulator/run.h"

#define VLAN_VID 0xfff

static bool has_bit(const uint64_t *bitmap, uint16_t vlan)
{
	return bitmap && (bitmap[vlan / 64] >> vlan % 64 & 1);
}

bool sim_vlan_trunk(const struct topo_port *port)
{
	return port->more->trunk || !port->more->vlan;
}

bool sim_vlan_has(const struct topo_port *port, uint16_t vlan)
{
	if (!port->bridge->vlan_aware)
		return !vlan;
	if (vlan == port->more->vlan)
		return vlan;
	if (port->more->trunk)
		return has_bit(port->more->trunk, vlan);
	return !port->more->vlan && has_bit(port->bridge->vlans, vlan);
}

/* 802.1Q 8.6.3: between two bridges, not beyond. */
bool sim_vlan_reserved(struct walk *w)
{
	static const struct skep_mac reserved = { { 0x01, 0x80, 0xc2 } };

	return see_eth_in(w, false, &reserved, 0xfffffffffff0);
}

bool sim_vlan_bpdu(struct walk *w, const struct topo_port *port)
{
	return sim_vlan_reserved(w) && sim_vlan_trunk(port) && !see_vlan(w);
}

bool sim_vlan_in(struct walk *w, const struct topo_port *port)
{
	uint16_t tag =
		ntohs(see_vlan(w)) & VLAN_VID; /* 0: untagged, or a priority only (802.1Q 9.6) */
	uint16_t vlan = tag ? tag : port->more->vlan;

	/* who is no bridge of ours has no say in the spanning tree of those who are */
	if (sim_vlan_reserved(w)) {
		sim_drop(w, SKEP_DROP_PROTOCOL, &port->bridge->o, NULL);
		return false;
	}
	if (vlan && !has_bit(port->bridge->vlans, vlan)) {
		sim_drop(w, SKEP_DROP_VLAN, &port->bridge->o, NULL);
		return false;
	}
	if (!vlan || !sim_vlan_has(port, vlan) || (tag && !sim_vlan_trunk(port))) {
		sim_drop(w, SKEP_DROP_VLAN, &port->o, NULL);
		return false;
	}
	w->vlan = vlan;
	return true;
}

/* A tag behind the tag would come to the light, and carry the frame into a VLAN that its sender
 * chose. */
static bool hides_tag(struct walk *w)
{
	uint16_t type = see_eth_type(w);

	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

bool sim_vlan_out(struct walk *w, const struct topo_port *port)
{
	uint16_t tci = ntohs(w->f.vlan), want = 0;

	if (!w->vlan || !sim_vlan_has(port, w->vlan)) {
		sim_drop(w, SKEP_DROP_VLAN, &port->o, NULL);
		return false;
	}
	if (w->vlan != port->more->vlan) /* the priority stays */
		want = PKT_VLAN_PRESENT | (tci & 0xe000) | w->vlan;
	if (want == tci)
		return true;
	if (!want && hides_tag(w)) {
		sim_drop(w, SKEP_DROP_VLAN, &port->o, NULL);
		return false;
	}
	w->f.vlan = htons(want);
	w->written |= SIM_FIELD_VLAN;
	return true;
}
