// SPDX-License-Identifier: Apache-2.0
/*
 * Which of equal routes, and which MAC is the next hop.  Called by router.c.
 */
#include "simulator/run.h"

#include "util/hash.h"

/* Ports only where every fragment of a packet would give the same. */
static uint64_t hash_flow(struct walk *w)
{
	unsigned int width = ip_width(w);
	uint64_t h = hash_bytes(see_ip_src(w, width), sizeof(struct skep_ip), w->run->seed);
	uint8_t proto = see_proto(w);

	h = hash_bytes(see_ip_dst(w, width), sizeof(struct skep_ip), h);
	h = hash_u64(h ^ proto);
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_SCTP)
		return h;
	if (see_frag(w) != SKEP_FRAG_NONE)
		return h;
	return hash_u64(h ^ ((uint64_t)see_l4_src(w) << 16 | see_l4_dst(w)));
}

/* Highest random weight (Thaler, Ravishankar 1998): a route that goes moves its own flows only. */
const struct topo_route *sim_choose_route(struct walk *w, const struct topo_router *router,
					  const struct topo_route **routes, unsigned int n)
{
	const struct topo_route *best = routes[0];
	uint64_t flow, weight, best_weight = 0;

	if (n == 1)
		return best;
	flow = hash_flow(w);
	for (unsigned int i = 0; i < n; i++) {
		weight = hash_u64(flow ^ hash_str(routes[i]->o.name, w->run->seed));
		if (i && weight <= best_weight)
			continue;
		best = routes[i];
		best_weight = weight;
	}
	STEP(w, 1, "ecmp", router->o.name, "%s, one of %u equal routes", best->o.name, n);
	return best;
}

static bool fail(struct walk *w, const struct topo_port *out)
{
	sim_icmp_error(w, SIM_ERR_HOST);
	sim_drop(w, SKEP_DROP_NO_NEIGHBOUR, &out->o, NULL);
	return false;
}

static bool is_asked(const struct run *run, const struct topo_port *out, const struct skep_ip *hop)
{
	for (const struct emit *e = run->queue; e; e = e->next)
		if (e->solicits && e->port == out &&
		    ip_eq(ip_is_v4(hop) ? &e->f.ip_dst : &e->f.nd_target, hop))
			return true;
	return false;
}

/* What this run learnt itself, then what the view knows. */
static enum sim_neigh look_up(const struct run *run, const struct topo_port *out,
			      const struct skep_ip *hop, struct skep_mac *mac)
{
	for (uint32_t i = 0; i < run->n_neighs; i++)
		if (run->neighs[i].port == out && ip_eq(&run->neighs[i].ip, hop)) {
			*mac = run->neighs[i].mac;
			return SIM_NEIGH_KNOWN;
		}
	return run->view->neigh(run->view->arg, out, hop, mac);
}

/* Is the address that of a linked router's port, or its NAT's? */
static bool is_peers(struct walk *w, const struct topo_port *peer, const struct skep_ip *ip)
{
	const struct topo_router *r = peer->router;
	struct topo_tag tag = { .name = r->o.name, .ip = *ip, .len = (uint8_t)ip_width(w) };

	if (sim_port_owns(peer, ip))
		return true;
	if (!r->n_nats && !r->n_fips && !r->n_vips) /* the first one is a change of the router */
		return false;
	sim_tag_object(w, TOPO_TAG_NAT, &r->o);
	tag.kind = TOPO_TAG_FIP;
	sim_tag(w, &tag);
	tag.kind = TOPO_TAG_VIP;
	sim_tag(w, &tag);
	return sim_port_nat(peer, ip);
}

bool sim_resolve(struct walk *w, const struct topo_port *out, const struct skep_ip *hop,
		 struct skep_mac *mac)
{
	const struct topo_port *peer = out->peer, *owner;

	sim_tag_object(w, TOPO_TAG_PORT, &out->o);
	if (peer && peer->router) {
		sim_tag_object(w, TOPO_TAG_PORT, &peer->o);
		sim_tag_object(w, TOPO_TAG_ROUTER, &peer->router->o);
		*mac = peer->mac;
		return is_peers(w, peer, hop) || fail(w, out);
	}
	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_NEIGH, .name = out->o.name, .ip = *hop });
	if (peer && peer->bridge) { /* peek: no question for what the bridge knows */
		sim_tag_object(w, TOPO_TAG_BRIDGE, &peer->bridge->o);
		if (sim_bridge_owner(peer->bridge, peer->more->vlan, hop, &owner, mac)) {
			if (owner)
				sim_tag_object(w, TOPO_TAG_PORT, &owner->o);
			return true;
		}
	}
	switch (look_up(w->run, out, hop, mac)) {
	case SIM_NEIGH_KNOWN:
		return true;
	case SIM_NEIGH_FAILED:
		return fail(w, out);
	case SIM_NEIGH_UNKNOWN:
		break;
	}
	if (ip_is_v4(hop) && !sim_port_addr(out, hop))
		return fail(w, out); /* nothing to ask from */
	if (!is_asked(w->run, out, hop)) {
		if (ip_is_v4(hop))
			sim_arp_ask(w, out, hop);
		else
			sim_nd_ask(w, out, hop);
	}
	sim_need_neigh(w, out, hop);
	return false;
}
