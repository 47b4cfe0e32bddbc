// SPDX-License-Identifier: Apache-2.0
/* Stands in for what is not written yet; goes with the last of it. */
#include "simulator/run.h"


#define WEAK __attribute__((weak))

WEAK bool topo_router_nat_addr(const struct topo_router *router, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < router->n_nat_addrs; i++)
		if (memcmp(ip, &router->nat_addrs[i].lo, sizeof(*ip)) >= 0 &&
		    memcmp(ip, &router->nat_addrs[i].hi, sizeof(*ip)) <= 0)
			return true;
	return false;
}

WEAK uint8_t sim_ct(struct walk *w)
{
	return TOPO_CT_NEW;
}

WEAK uint8_t sim_ct_ask(struct walk *w)
{
	return TOPO_CT_NEW;
}

WEAK void sim_conn_output(struct walk *w, const struct topo_port *port)
{
}

WEAK bool sim_vip_in(struct walk *w, const struct topo_port *in)
{
	return true;
}

WEAK bool sim_nat_in(struct walk *w, const struct topo_port *in)
{
	return true;
}

WEAK bool sim_nat_out(struct walk *w, const struct topo_port *in, const struct topo_port *out)
{
	return true;
}

WEAK bool sim_nat_owns(struct walk *w, const struct topo_router *r, const struct skep_ip *ip)
{
	return false;
}

WEAK const char *sim_conn_state(const struct sim_conn *c)
{
	return "";
}

WEAK const char *sim_tuple_format(const struct sim_tuple *t, char buf[static SIM_TUPLE_TEXT])
{
	buf[0] = 0;
	return buf;
}
