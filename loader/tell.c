// SPDX-License-Identifier: Apache-2.0
/*
 * Who has to be told of a connection, whether by a message or by the packet itself; and how many messages a port may cause: by
 * beginning connections and ending them at once it could have us send one with each packet.
 */
#include "loader/agent.h"

#include "packet/packet.h"
#include "util/clock.h"

#define TELL_NS	   (NSEC_PER_SEC / 10000) /* in the long run ... */
#define TELL_BURST 4000			  /* ... after so many at once */

bool tell_shares(const struct topo_port *p)
{
	for (uint32_t i = 0; i < p->more->n_groups; i++)
		if (p->more->groups[i]->stateful)
			return true;
	return false;
}

static const struct topo_port *port_named(const struct tenant *t, const char *name)
{
	return name[0] && t->snap ? topo_find_port(t->snap, name) : NULL;
}

/* Where the port is, if that is another host. */
static const char *host_of(struct tenant *t, const struct topo_port *p)
{
	return p && !conns_port_here(t, p->o.name) ? p->live_host : NULL;
}

/* Does the connection concern other hosts? */
bool tell_needed(struct tenant *t, const struct sim_conn *c)
{
	const struct topo_port *own = port_named(t, c->port), *other = port_named(t, c->other_port);

	return host_of(t, other) || (own && tell_shares(own)) || (other && tell_shares(other));
}

/* May packets of the port make us tell others something now?  What they are told is charged behind (tell_charge()). */
bool tell_may(const struct lport *p, uint64_t now_ns)
{
	return !p || p->told_tat_ns <= now_ns + TELL_BURST * TELL_NS;
}

void tell_charge(struct lport *p, uint64_t messages, uint64_t now_ns)
{
	if (p)
		p->told_tat_ns = (p->told_tat_ns > now_ns ? p->told_tat_ns : now_ns) + messages * TELL_NS;
}

const char *tell_host(struct tenant *t, const struct sim_conn *c)
{
	return host_of(t, port_named(t, c->other_port));
}

/* The kernels can make both records, if a marked packet arrives. */
static bool is_markable(struct tenant *t, const struct sim_conn *c)
{
	const struct topo_port *own = port_named(t, c->port), *other = port_named(t, c->other_port);
	const char *host = host_of(t, other);
	const struct lport *p = ports_find_name(t, c->port);
	uint32_t peer = host ? hosts_peer(t->agent, host) : 0;

	return own && p && peer && !c->reply && !c->reply_seen && !sim_conn_translated(c) && !tell_shares(own) && !tell_shares(other) &&
	       hosts_marks(t->agent, peer, p->key);
}

bool tell_marks(struct tenant *t, const struct sim_conn *c, const struct sim_result *res, const struct pkt *pkt)
{
	return res->n_outputs == 1 && !res->data && !res->fragment && pkt->f.ip_frag == SKEP_FRAG_NONE && is_markable(t, c);
}
