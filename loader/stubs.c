// SPDX-License-Identifier: Apache-2.0
/* Stands in for what is not written yet; goes with the last of it. */
#include "loader/agent.h"

#define WEAK __attribute__((weak))

WEAK void conns_view(struct tenant *t, struct conns_view *v, uint64_t now_ns)
{
	sim_tables_view_init(&v->s.tables, t->tables, t->snap, now_ns);
	v->s.view = v->s.tables.view;
	v->tenant = t;
}

WEAK unsigned int conns_commit(struct tenant *t, const struct sim_result *res, const struct pkt *pkt)
{
	return 0;
}

WEAK struct park_what natblock_ask(struct tenant *t, const struct sim_snat *ask)
{
	return (struct park_what){
		.kind = PARK_SNAT, .scope = t, .name = ask->router, .ip = ask->addrs.lo
	};
}

WEAK void rules_packet(struct tenant *t, const struct topo_port *in, const struct sim_result *res,
		       const struct pkt *pkt)
{
}

WEAK void rules_flow(struct tenant *t, struct index_flow *f, const struct sim_result *res)
{
}
