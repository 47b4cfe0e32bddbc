// SPDX-License-Identifier: Apache-2.0
/* NAT, floating IPs, load balancers, subnets: record -> struct.  Called by snapshot.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "topology/decode.h"

static int own_port(const struct topo_port *port, const struct topo_router *router, const char *field,
		    struct err *err)
{
	if (!port || port->router == router)
		return 0;
	return err_set(err, -EINVAL, "field '%s': '%s' is not a port of router '%s' (want one of its own)",
		       field, port->o.name, router->o.name);
}

int topo_decode_nat(struct topo_snapshot *snap, struct topo_nat *nat, const json_t *rec,
		    struct err *err)
{
	static const char *const types[] = { [TOPO_SNAT] = "snat",
					     [TOPO_DNAT] = "dnat",
					     [TOPO_NO_SNAT] = "no_snat",
					     [TOPO_NO_DNAT] = "no_dnat" };
	const char *type = topo_str(rec, "type"), *to = topo_str(rec, "to");

	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(type, types[i]))
			nat->type = (enum topo_nat_type)i;
	nat->position = (uint32_t)topo_get_int(rec, "position", 100);
	nat->match.name = nat->o.name;
	if (to)
		(void)topo_parse_range(to, &nat->to); /* checked: it parses */
	if (!topo_parse_ports(json_object_get(rec, "to_ports"), nat->to_ports) &&
	    nat->type == TOPO_SNAT) {
		nat->to_ports[0] = 1024;
		nat->to_ports[1] = 65535;
	}
	if (GET_REF(snap, rec, "router", TOPO_ROUTER, struct topo_router, &nat->router, err) ||
	    GET_REF(snap, rec, "port", TOPO_PORT, struct topo_port, &nat->port, err) ||
	    own_port(nat->port, nat->router, "port", err))
		return err->code;
	return topo_decode_match(snap, rec, &nat->match, false, err);
}

static int decode_fip(struct topo_snapshot *snap, struct topo_floating_ip *fip, const json_t *rec,
		      struct err *err)
{
	const char *fixed = topo_str(rec, "fixed");

	(void)ip_parse(topo_str(rec, "address"), &fip->address); /* checked: it parses */
	if (GET_REF(snap, rec, "router", TOPO_ROUTER, struct topo_router, &fip->router, err) ||
	    GET_REF(snap, rec, "port", TOPO_PORT, struct topo_port, &fip->port, err) ||
	    GET_REF(snap, rec, "uplink", TOPO_PORT, struct topo_port, &fip->uplink, err) ||
	    own_port(fip->uplink, fip->router, "uplink", err))
		return err->code;
	if (fixed)
		(void)ip_parse(fixed, &fip->fixed);
	for (uint32_t i = 0; !fixed && i < fip->port->n_addrs; i++)
		if (ip_is_v4(&fip->port->addrs[i].ip) == ip_is_v4(&fip->address)) {
			fip->fixed = fip->port->addrs[i].ip;
			break;
		}
	if (ip_is_zero(&fip->fixed))
		return err_set(err, -EINVAL,
			       "field 'port': '%s' has no address of the family of '%s' (want field 'fixed')",
			       fip->port->o.name, topo_str(rec, "address"));
	return 0;
}

struct topo_floating_ip *topo_fip_make(struct topo_snapshot *snap, const char *name, const json_t *rec,
				       struct err *err)
{
	struct topo_floating_ip *f = pool_alloc(&snap->memory->pool, sizeof(*f));

	if (f) {
		f->o.kind = TOPO_FLOATING_IP;
		f->o.name = topo_text_dup(snap->memory, name);
		f->o.id = topo_text_dup(snap->memory, topo_str(rec, "id"));
		f->o.rev = (uint64_t)json_integer_value(json_object_get(rec, "rev"));
		f->o.sum = topo_record_sum(rec);
	}
	if (!f || !f->o.name || !f->o.id)
		err_set(err, -ENOMEM, "out of memory");
	else if (!decode_fip(snap, f, rec, err))
		return f;
	topo_fip_free(snap, f);
	return NULL;
}

/* The uplink still counts one that names it: a router's port does not go without a new snapshot. */
void topo_fip_free(struct topo_snapshot *snap, struct topo_floating_ip *f)
{
	if (!f)
		return;
	if (f->port)
		f->port->refs--;
	topo_text_free(snap->memory, f->o.name);
	topo_text_free(snap->memory, f->o.id);
	pool_free(&snap->memory->pool, f, sizeof(*f));
}

int topo_decode_load_balancer(struct topo_snapshot *snap, struct topo_load_balancer *lb,
			      const json_t *rec, struct err *err)
{
	lb->admin_up = topo_get_bool(rec, "admin_up", true);
	return GET_REF(snap, rec, "router", TOPO_ROUTER, struct topo_router, &lb->router, err);
}

int topo_decode_pool(struct topo_snapshot *snap, struct topo_pool *pool, const json_t *rec,
		     struct err *err)
{
	return 0;
}

int topo_decode_member(struct topo_snapshot *snap, struct topo_member *m, const json_t *rec,
		       struct err *err)
{
	const char *state = topo_str(rec, "state");

	(void)ip_parse(topo_str(rec, "address"), &m->address); /* checked: it parses */
	m->port = (uint16_t)topo_get_int(rec, "port", 0);
	m->weight = (uint16_t)topo_get_int(rec, "weight", 1);
	m->state = state && !strcmp(state, "down")     ? TOPO_MEMBER_DOWN :
		   state && !strcmp(state, "draining") ? TOPO_MEMBER_DRAINING :
							 TOPO_MEMBER_UP;
	m->healthy = true;
	return GET_REF(snap, rec, "pool", TOPO_POOL, struct topo_pool, &m->pool, err);
}

int topo_decode_vip(struct topo_snapshot *snap, struct topo_vip *vip, const json_t *rec,
		    struct err *err)
{
	const char *affinity = topo_str(rec, "affinity"), *empty = topo_str(rec, "on_empty");

	vip->admin_up = topo_get_bool(rec, "admin_up", true);
	(void)ip_parse(topo_str(rec, "address"), &vip->address); /* checked: it parses */
	vip->proto = !strcmp(topo_str(rec, "proto"), "tcp") ? IPPROTO_TCP : IPPROTO_UDP;
	vip->port = (uint16_t)topo_get_int(rec, "port", 0);
	vip->affinity = affinity && !strcmp(affinity, "source") ? TOPO_AFFINITY_SOURCE :
								  TOPO_AFFINITY_NONE;
	vip->affinity_s = (uint32_t)topo_get_int(rec, "affinity_timeout", 10800);
	vip->reject = empty && !strcmp(empty, "reject");
	if (GET_REF(snap, rec, "load_balancer", TOPO_LOAD_BALANCER, struct topo_load_balancer, &vip->lb,
		    err))
		return err->code;
	return GET_REF(snap, rec, "pool", TOPO_POOL, struct topo_pool, &vip->pool, err);
}
