// SPDX-License-Identifier: Apache-2.0
/*
 * Ports: a frame enters a device by one and leaves it by one.  simulator.h has the order of what
 * happens at each.  In ends in the device (bridge.c, router.c); out ends in the linked port's in,
 * or leaves the virtual network.
 */
#include "simulator/run.h"

static bool is_exterior_vm(const struct topo_port *port)
{
	return port->bridge && !port->peer;
}

/* The frame is in the port's device now: what the walk knows of the last one is over. */
static void enter(struct walk *w, const struct topo_port *port)
{
	w->in_port = port;
	w->out_port = NULL;
	w->dst_rewritten = false;
	w->via_vip = false;
	w->vlan = 0;
	w->flooded = NULL;
	sim_enter_device(w, port->bridge ? &port->bridge->o : &port->router->o);
	if (port->router) {
		w->l3_in = port;
		w->l3_from = w->f.eth_src;
		w->quiet = !mac_eq(&w->f.eth_dst, &port->mac); /* who answers marks the field */
	}
}

/* Writes, and reads nothing but what says that there is such a field. */
static void mark(struct walk *w, const struct topo_port *port)
{
	const struct topo_qos *qos = port->more->qos;

	if (!qos)
		return;
	sim_tag_object(w, TOPO_TAG_QOS, &qos->o);
	if (qos->dscp < 0 || !see_is_ip(w))
		return;
	set_dscp(w, (uint8_t)qos->dscp);
	STEP(w, 1, "qos", qos->o.name, "DSCP %d", qos->dscp);
}

/* What the port itself has to say about a frame that enters by it; false: the path ended. */
static bool admit(struct walk *w, const struct topo_port *port)
{
	const struct topo_mirror_at *const *mirrors = (const void *)port->more->mirrors;

	if (is_exterior_vm(port) && sim_subnet_in(w, port))
		return false;
	if (mirrors[TOPO_HOOK_PRE_IN])
		sim_mirror(w, mirrors[TOPO_HOOK_PRE_IN]);
	if (is_exterior_vm(port) && port->has_mac && port->port_security &&
	    sim_is_spoofed(w, port)) {
		sim_drop(w, SKEP_DROP_SPOOF, &port->o, NULL);
		return false;
	}
	if (!sim_sg_in(w, port) || !sim_hook(w, port->in_chain))
		return false;
	mark(w, port);
	if (mirrors[TOPO_HOOK_POST_IN])
		sim_mirror(w, mirrors[TOPO_HOOK_POST_IN]);
	return !sim_waits(w);
}

void sim_port_in(struct walk *w, const struct topo_port *port)
{
	struct run *run = w->run;

	if (++w->entered > SIM_DEVICES_MAX) {
		sim_drop(w, SKEP_DROP_BUDGET, &port->o, NULL);
		return;
	}
	if (++run->n_entries > SIM_ENTRIES_MAX) {
		run->truncated = true;
		sim_drop(w, SKEP_DROP_OVERLOAD, &port->o, NULL);
		return;
	}
	sim_tag_object(w, TOPO_TAG_PORT, &port->o);
	STEP(w, 0, "port", port->o.name, "in%s", port->admin_up ? "" : ", administratively down");
	if (!port->bridge && !port->router) {
		sim_need_object(w, port);
		return;
	}
	enter(w, port);
	if (!port->admin_up) {
		if (port->router)
			sim_icmp_error(w, SIM_ERR_ADMIN);
		sim_drop(w, SKEP_DROP_ADMIN_DOWN, &port->o, NULL);
		return;
	}
	if (!admit(w, port))
		return;
	if (port->bridge)
		sim_bridge_in(w, port);
	else
		sim_router_in(w, port);
}

/* Out of the virtual network. */
static void leave(struct walk *w, const struct topo_port *port)
{
	const struct sim_view *view = w->run->view;

	if (!port->live_host) {
		sim_drop(w, SKEP_DROP_NOT_LIVE, &port->o, NULL);
		return;
	}
	if (view->mtu && !sim_mtu_ok(w, view->mtu(view->arg, port), port))
		return;
	if (sim_conn_output(w, port))
		sim_output(w, port);
}

void sim_port_out(struct walk *w, const struct topo_port *port)
{
	const struct topo_mirror_at *const *mirrors = (const void *)port->more->mirrors;

	sim_tag_object(w, TOPO_TAG_PORT, &port->o);
	STEP(w, 0, "port", port->o.name, "out%s", port->admin_up ? "" : ", administratively down");
	w->out_port = port;
	if (!port->admin_up && port != w->exempt) {
		sim_drop(w, SKEP_DROP_ADMIN_DOWN, &port->o, NULL);
		return;
	}
	if (mirrors[TOPO_HOOK_PRE_OUT])
		sim_mirror(w, mirrors[TOPO_HOOK_PRE_OUT]);
	if (!sim_hook(w, port->out_chain) || !sim_sg_out(w, port))
		return;
	if (mirrors[TOPO_HOOK_POST_OUT])
		sim_mirror(w, mirrors[TOPO_HOOK_POST_OUT]);
	if (sim_waits(w))
		return;
	if (port->peer)
		sim_port_in(w, port->peer);
	else
		leave(w, port);
}

void sim_port_bare(struct walk *w, const struct topo_port *port)
{
	const struct topo_mirror_at *const *mirrors = (const void *)port->more->mirrors;

	w->out_port = port;
	if (!port->live_host)
		return;
	sim_mirror(w, mirrors[TOPO_HOOK_PRE_OUT]);
	sim_mirror(w, mirrors[TOPO_HOOK_POST_OUT]);
	sim_output(w, port);
}
