// SPDX-License-Identifier: Apache-2.0
/* Stands in for conns.c until it is written: no connection is ever known. */
#include "simulator/conns.h"

#define WEAK __attribute__((weak))

static const char nothing;

WEAK uint64_t sim_tuple_hash(const struct sim_tuple *t)
{
	return 1;
}
WEAK bool sim_tuple_eq(const struct sim_tuple *a, const struct sim_tuple *b)
{
	return false;
}
WEAK uint64_t sim_name_hash(const char *name)
{
	return 1;
}
WEAK struct sim_conns *sim_conns_new(const struct sim_conns_limits *limits)
{
	return (struct sim_conns *)(uintptr_t)&nothing;
}
WEAK void sim_conns_free(struct sim_conns *c)
{
}
WEAK const struct sim_conn *sim_conns_find(const struct sim_conns *c, const char *port,
					   const struct sim_tuple *tuple, uint64_t now_ns)
{
	return NULL;
}
WEAK int sim_conns_put(struct sim_conns *c, const struct sim_conn *conn, uint64_t now_ns)
{
	return 0;
}
WEAK bool sim_conns_del(struct sim_conns *c, const char *port, const struct sim_tuple *tuple)
{
	return false;
}
WEAK bool sim_conns_touch(struct sim_conns *c, const char *port, const struct sim_tuple *tuple,
			  bool opposite, uint8_t seen, uint64_t now_ns)
{
	return false;
}
WEAK void sim_conns_expire(struct sim_conns *c, uint64_t now_ns, uint32_t max,
			   void (*cb)(void *arg, const struct sim_conn *conn), void *arg)
{
}
WEAK void sim_conns_walk(struct sim_conns *c,
			 void (*cb)(void *arg, const struct sim_conn *conn, uint64_t last_ns),
			 void *arg)
{
}
WEAK uint32_t sim_conns_count(const struct sim_conns *c, const char *port)
{
	return 0;
}
WEAK void sim_conns_drop_port(struct sim_conns *c, const char *port)
{
}
WEAK int sim_conns_block_add(struct sim_conns *c, const char *router, const struct skep_ip *ip,
			     uint16_t first)
{
	return 0;
}
WEAK void sim_conns_block_del(struct sim_conns *c, const char *router, const struct skep_ip *ip,
			      uint16_t first)
{
}
WEAK uint64_t sim_conns_block_used(const struct sim_conns *c, const char *router,
				   const struct skep_ip *ip, uint16_t first, uint64_t now_ns)
{
	return now_ns;
}
WEAK void sim_conns_block_full(struct sim_conns *c, const char *router, const struct skep_ip *ip,
			       uint64_t until_ns)
{
}
WEAK int sim_conns_set_affinity(struct sim_conns *c, const char *vip, const struct skep_ip *client,
				const char *member, uint64_t timeout_ns, uint64_t now_ns)
{
	return 0;
}
WEAK void sim_conns_affinity_aged(struct sim_conns *c, uint64_t now_ns,
				  void (*cb)(void *arg, const char *vip,
					     const struct skep_ip *client),
				  void *arg)
{
}
WEAK unsigned int sim_conns_apply(struct sim_conns *c, const struct sim_result *res,
				  const struct pkt *pkt, bool (*here)(void *arg, const char *port),
				  void *arg, uint64_t now_ns)
{
	return 0;
}
WEAK void sim_state_view_init(struct sim_state_view *v, struct sim_tables *t,
			      const struct sim_conns *c, const struct topo_snapshot *snap,
			      uint64_t now_ns)
{
	sim_tables_view_init(&v->tables, t, snap, now_ns);
	v->view = v->tables.view;
}
