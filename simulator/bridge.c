// SPDX-License-Identifier: Apache-2.0
/*
 * The bridge: learns who is where, answers ARP and ND for addresses it knows by configuration, sends a frame to the one port of its
 * destination, or to all.  Entered from port.c only.
 */
#include "simulator/run.h"

/* A MAC that configuration places is not learnt: nobody takes it over by sending from it. */
static void learn(struct walk *w, const struct topo_bridge *b, const struct topo_port *in)
{
	const struct skep_mac *src = see_eth_src(w);
	char m[ADDR_TEXT];

	if (topo_bridge_find_mac(b, w->vlan, src))
		return;
	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_MAC, .name = b->o.name, .mac = *src });
	STEP(w, 1, "learn", b->o.name, "%s is at port %s", mac_format(src, m), in->o.name);
	sim_learn_mac(w, b, src, in);
}

static void flood(struct walk *w, const struct topo_bridge *b, const struct topo_port *in)
{
	sim_tag_object(w, TOPO_TAG_FLOOD, &b->o);
	if (!sim_hook(w, b->out_chain))
		return;
	sim_mirror(w, b->mirrors[1]);
	for (uint32_t i = 0; i < b->n_ports && !w->run->looped; i++) { /* a loop spoils all copies */
		const struct topo_port *p = b->ports[i];
		struct walk copy;

		if (p == in)
			continue;
		if (!p->peer && !p->live_host) { /* nobody is there; will be known by this tag */
			sim_tag_object(w, TOPO_TAG_PORT, &p->o);
			continue;
		}
		copy = *w;
		copy.quiet = true;
		copy.flooded = b;
		copy.depth++;
		sim_port_out(&copy, p);
	}
}

static void unicast(struct walk *w, const struct topo_bridge *b, const struct topo_port *in,
		    const struct topo_port *to)
{
	if (to == in) {
		sim_drop(w, SKEP_DROP_HAIRPIN, &in->o, NULL);
		return;
	}
	w->out_port = to;
	if (!sim_hook(w, b->out_chain))
		return;
	sim_mirror(w, b->mirrors[1]);
	w->depth++;
	sim_port_out(w, to);
}

/* Where is the MAC?  Known by configuration, seen in this very run, or learnt before. */
static const struct topo_port *find_mac(struct walk *w, const struct topo_bridge *b,
					const struct skep_mac *mac, const char **how)
{
	const struct run *run = w->run;
	const struct topo_port *p;

	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_MAC, .name = b->o.name, .mac = *mac });
	*how = "configured";
	p = topo_bridge_find_mac(b, w->vlan, mac);
	if (p)
		return p;
	*how = "learnt";
	for (uint32_t i = 0; i < run->n_learns; i++)
		if (run->learns[i].bridge == b && mac_eq(&run->learns[i].mac, mac))
			return run->learns[i].port;
	p = run->view->mac(run->view->arg, b, w->vlan, mac);
	return p && p->bridge == b ? p : NULL;
}

void sim_bridge_in(struct walk *w, const struct topo_port *in)
{
	const struct topo_bridge *b = in->bridge;
	const struct skep_mac *dst = see_eth_dst(w), *src = see_eth_src(w);
	const struct topo_port *to = NULL;
	const char *how = "";
	char m[ADDR_TEXT];

	sim_tag_object(w, TOPO_TAG_BRIDGE, &b->o);
	if (mac_is_multicast(src) || mac_eq(src, dst)) {
		sim_drop(w, SKEP_DROP_BAD_MAC, &in->o, NULL);
		return;
	}
	if (!b->admin_up) {
		sim_drop(w, SKEP_DROP_ADMIN_DOWN, &b->o, NULL);
		return;
	}
	sim_mirror(w, b->mirrors[0]);
	/* also what the chain drops: that says nothing about where the sender is */
	learn(w, b, in);
	STEP(w, 0, "bridge", b->o.name, "to %s", mac_format(dst, m));
	if (!sim_hook(w, b->in_chain))
		return;
	if (mac_is_multicast(dst)) {
		if (sim_arp_suppress(w, in, &to) || sim_nd_suppress(w, in, &to))
			return;
		how = "owner of the address";
	} else {
		to = find_mac(w, b, dst, &how);
	}
	if (to) {
		STEP(w, 1, "unicast", to->o.name, "%s", how);
		unicast(w, b, in, to);
		return;
	}
	STEP(w, 1, "flood", b->o.name, "%s", mac_is_multicast(dst) ? "multicast" : "unknown MAC");
	flood(w, b, in);
}
