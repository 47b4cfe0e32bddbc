// SPDX-License-Identifier: Apache-2.0
/*
 * Router advertisements without being asked (RFC 4861 6.2.4), out of each local port of a bridge with an IPv6 subnet: three soon after
 * the port came up or its subnets changed, then every 200 to 600 s.
 */
#include "loader/agent.h"

#include <stdlib.h>
#include <string.h>

#include "packet/packet.h"
#include "util/clock.h"
#include "util/hash.h"

#define FIRST_NS   (NSEC_PER_SEC / 4)
#define FAST_NS	   (16 * NSEC_PER_SEC) /* MAX_INITIAL_RTR_ADVERT_INTERVAL */
#define FAST	   3		       /* MAX_INITIAL_RTR_ADVERTISEMENTS */
#define MIN_NS	   (200 * NSEC_PER_SEC)
#define MAX_NS	   (600 * NSEC_PER_SEC)
#define FRAME_MAX  1500
#define TICK_PORTS 256 /* ports served in one tick: the others in the next */

static bool has_subnet6(const struct topo_port *port)
{
	for (uint32_t i = 0; port->bridge && i < port->bridge->n_subnets; i++)
		if (!ip_is_v4(&port->bridge->subnets[i]->prefix) &&
		    port->bridge->subnets[i]->ra != TOPO_RA_NONE)
			return true;
	return false;
}

/* What would be advertised; 0 = nothing. */
static uint64_t contents(const struct agent *a, const struct topo_port *port)
{
	uint8_t buf[FRAME_MAX];
	uint64_t h = 0;

	for (uint32_t i = 0; has_subnet6(port) && i < port->bridge->n_subnets; i++) {
		const struct topo_subnet *s = port->bridge->subnets[i];
		uint32_t len = sim_subnet_serves(s, port) ?
				       sim_ra_build(s, conns_underlay_mtu(a), buf, sizeof(buf)) :
				       0;

		h = len ? hash_bytes(buf, len, h) | 1 : h;
	}
	return h;
}

void advertise_port(struct lport *p, const struct topo_port *port)
{
	uint64_t now_says = p->attached ? contents(p->tenant->agent, port) : 0;

	if (now_says == p->ra_says)
		return;
	p->ra_says = now_says;
	p->ra_fast = now_says ? FAST : 0;
	p->ra_at_ns = now_says ? clock_mono_ns() + FIRST_NS : 0;
}

static void send_frame(struct lport *p, uint32_t len)
{
	struct agent *a = p->tenant->agent;
	struct dp_frame frame = { .data = a->txbuf + DP_HEADROOM, .len = len };
	struct skep_flow verdict = { .action = SKEP_ACT_LOCAL };
	bool peer;

	if (!dp_port_output(a->dp, p->key, &verdict.out, &peer))
		return;
	verdict.flags = peer ? SKEP_F_PEER : 0;
	if (!dp_inject(a->dp, p->key, &frame, &verdict))
		a->stats.advertised++;
}

static void send_all(struct lport *p, const struct topo_port *port)
{
	struct agent *a = p->tenant->agent;

	for (uint32_t i = 0; i < port->bridge->n_subnets; i++) {
		const struct topo_subnet *s = port->bridge->subnets[i];
		uint32_t len = sim_subnet_serves(s, port) ?
				       sim_ra_build(s, conns_underlay_mtu(a), a->txbuf + DP_HEADROOM,
						    FRAME_MAX) :
				       0;

		if (len)
			send_frame(p, len);
	}
}

/* Not all ports at once, and not in step with other hosts. */
static uint64_t next_ns(struct lport *p, uint64_t now)
{
	uint64_t jitter = hash_u64(now ^ p->key) % (MAX_NS - MIN_NS);

	if (p->ra_fast && --p->ra_fast)
		return now + FAST_NS - jitter % (FAST_NS / 4);
	return now + MIN_NS + jitter;
}

void advertise_tick(struct agent *a, uint64_t now_ns)
{
	struct hmap_node *n, *tmp;
	unsigned int sent = 0;

	hmap_for_each (n, tmp, &a->ports) {
		struct lport *p = container_of(n, struct lport, by_key);
		const struct topo_port *port;

		if (!p->ra_at_ns || now_ns < p->ra_at_ns || !p->attached || !p->tenant->snap)
			continue;
		port = topo_find_port(p->tenant->snap, p->name);
		p->ra_at_ns = next_ns(p, now_ns);
		if (!port || !port->admin_up || !port->bridge)
			continue;
		send_all(p, port);
		if (++sent >= TICK_PORTS)
			return;
	}
}
