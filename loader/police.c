// SPDX-License-Identifier: Apache-2.0
/*
 * Rates of local ports: a port's QoS policy as policers of the datapath, one for what it sends and one for what it is sent.  Set
 * whenever the snapshot says so, and again when the interface was attached anew.
 */
#include <string.h>

#include "loader/agent.h"
#include "util/log.h"

static uint32_t set(struct lport *p, uint64_t rate, uint64_t burst, uint32_t *index)
{
	uint32_t was = *index;
	int rc = dp_policer_set(p->tenant->agent->dp, rate, burst, index);

	if (rc)
		log_error("port '%s' of tenant '%s': its rate cannot be set: %s", p->name,
			  p->tenant->name, strerror(-rc));
	return was;
}

void ports_police(struct lport *p, const struct topo_port *port)
{
	const struct topo_qos *q = port->more->qos;
	struct agent *a = p->tenant->agent;
	uint32_t in, out;

	if (!p->attached)
		return;
	in = set(p, q ? q->rate_in : 0, q ? q->burst_in : 0, &p->police_in);
	out = set(p, q ? q->rate_out : 0, q ? q->burst_out : 0, &p->police_out);
	(void)dp_port_police(a->dp, p->key, p->police_in, p->police_out);
	/* flows to the port name its policer */
	if (out != p->police_out && p->flood)
		p->flood->dirty = true;
	if (out != p->police_out)
		tenant_invalidate(p->tenant, &(struct topo_tag){ .kind = TOPO_TAG_PORT,
								 .name = p->name });
	(void)in;
}

void ports_unpolice(struct lport *p)
{
	struct agent *a = p->tenant->agent;

	(void)dp_policer_set(a->dp, 0, 0, &p->police_in);
	(void)dp_policer_set(a->dp, 0, 0, &p->police_out);
}

uint32_t ports_policer(void *agent, uint32_t key)
{
	const struct lport *p = ports_find(agent, key);

	return p ? p->police_out : 0;
}
