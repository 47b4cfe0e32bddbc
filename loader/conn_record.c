// SPDX-License-Identifier: Apache-2.0
#include "loader/conn_record.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "loader/vips.h"
#include "util/clock.h"

/* --- time --- */

uint32_t conn_jiffies(struct agent *a, uint64_t ns)
{
	uint64_t now = clock_mono_ns(), ago = now > ns ? now - ns : 0;

	return (uint32_t)(dp_jiffies(a->dp) - ago / (NSEC_PER_SEC / dp_hz(a->dp)));
}

uint64_t conn_ns(struct agent *a, uint32_t jiffies)
{
	uint64_t now = clock_mono_ns();
	int32_t ago = (int32_t)((uint32_t)dp_jiffies(a->dp) - jiffies);
	uint64_t ns = ago > 0 ? (uint64_t)ago * (NSEC_PER_SEC / dp_hz(a->dp)) : 0;

	return now > ns ? now - ns : 0;
}

bool conn_over(const struct lport *p, const struct skep_conn_key *key, const struct skep_conn *conn)
{
	uint64_t timeout = skep_conn_timeout(conns_timeouts(p->tenant), key->proto, conn->orig_seen,
					     conn->reply_seen);

	return clock_mono_ns() > conn_ns(p->tenant->agent, conn->last_seen) + timeout * NSEC_PER_SEC;
}

/* --- a record as the kernel has it, and as skepd has it --- */

struct skep_conn_key conn_key(uint32_t port, const struct sim_tuple *t)
{
	return (struct skep_conn_key){ .port = port,
				       .proto = t->proto,
				       .src = t->src,
				       .dst = t->dst,
				       .sport = t->sport,
				       .dport = t->dport };
}

struct skep_detail conn_detail(const struct sim_conn *c)
{
	struct skep_detail d = { .other_src = c->other.src,
				 .other_dst = c->other.dst,
				 .other_sport = c->other.sport,
				 .other_dport = c->other.dport,
				 .n_bindings = c->n_bindings };

	memcpy(d.other_port, c->other_port, sizeof(d.other_port));
	for (uint8_t i = 0; i < c->n_bindings; i++) {
		const struct sim_binding *b = &c->bindings[i];

		d.bindings[i] = (struct skep_binding){ .router = b->router,
						       .member = b->member,
						       .from = b->from,
						       .to = b->to,
						       .from_port = b->from_port,
						       .to_port = b->to_port,
						       .dst = b->dst };
	}
	return d;
}

void conn_find_other(struct tenant *t, const char *name, struct skep_conn *v)
{
	const struct topo_port *port = name[0] && t->snap ? topo_find_port(t->snap, name) : NULL;
	const struct lport *p = ports_find_name(t, name);

	if (p) {
		v->other_key = p->key;
		v->other_peer = 0;
	} else if (port && port->live_host && port->live_key) {
		v->other_peer = (uint16_t)hosts_peer(t->agent, port->live_host);
		v->other_key = v->other_peer ? port->live_key : 0;
	}
}

/* The name of the port at the other end; "" = not known. */
static const char *other_name(const struct lport *p, const struct skep_conn *v)
{
	struct tenant *t = p->tenant;
	const struct lport *other;
	const char *host;

	if (!v->other_key)
		return "";
	if (v->other_peer) {
		host = hosts_name(t->agent, v->other_peer);
		return host ? tenant_port_at(t, host, v->other_key) : "";
	}
	other = ports_find(t->agent, v->other_key);
	return other && other->tenant == t ? other->name : "";
}

static void set_detail(struct sim_conn *c, const struct skep_detail *d)
{
	c->other = (struct sim_tuple){ .src = d->other_src,
				       .dst = d->other_dst,
				       .sport = d->other_sport,
				       .dport = d->other_dport,
				       .proto = c->tuple.proto };
	c->n_bindings = d->n_bindings > SIM_BINDINGS_MAX ? SIM_BINDINGS_MAX : (uint8_t)d->n_bindings;
	snprintf(c->other_port, sizeof(c->other_port), "%.*s", TOPO_NAME_MAX, d->other_port);
	for (uint8_t i = 0; i < c->n_bindings; i++) {
		const struct skep_binding *b = &d->bindings[i];

		c->bindings[i] = (struct sim_binding){ .router = b->router,
						       .member = b->member,
						       .dst = b->dst,
						       .from = b->from,
						       .to = b->to,
						       .from_port = b->from_port,
						       .to_port = b->to_port };
	}
}

struct sim_conn conn_basics(const struct lport *p, const struct skep_conn_key *key, const struct skep_conn *v)
{
	struct sim_conn c = { .tuple = { .src = key->src,
					 .dst = key->dst,
					 .sport = key->sport,
					 .dport = key->dport,
					 .proto = key->proto },
			      .reply = v->flags & SKEP_CONN_REPLY,
			      .orig_seen = v->orig_seen,
			      .reply_seen = v->reply_seen };

	snprintf(c.port, sizeof(c.port), "%s", p->name);
	return c;
}

/* What follows from the translation, if there is one, and from where the kernel says that the other end is. */
void conn_set_other(const struct lport *p, const struct skep_conn *v, struct sim_conn *c)
{
	struct sim_tuple out = c->tuple;

	if (c->n_bindings)
		sim_tuple_translate(&c->tuple, &c->bindings[0], c->reply, &out);
	sim_tuple_reverse(&out, &c->other);
	snprintf(c->other_port, sizeof(c->other_port), "%s", other_name(p, v));
}

bool conn_read(const struct lport *p, const struct skep_conn_key *key, const struct skep_conn *v, struct sim_conn *c)
{
	struct skep_detail d;

	*c = conn_basics(p, key, v);
	if (v->flags & SKEP_CONN_SKEPD) {
		if (!dp_conn_detail(p->tenant->agent->dp, key, &d))
			return false;
		set_detail(c, &d);
		return true;
	}
	if ((v->flags & SKEP_CONN_NAT) && !vips_binding(p->tenant->agent, v->nat, &c->bindings[0]))
		return false;
	c->n_bindings = v->flags & SKEP_CONN_NAT ? 1 : 0;
	conn_set_other(p, v, c);
	return true;
}

/* --- tuples --- */

static bool is_echo(uint8_t proto, __be16 type_code, uint8_t *request, bool *reply)
{
	uint8_t type = (uint8_t)(ntohs(type_code) >> 8);

	if (proto == IPPROTO_ICMP && (type == 8 || type == 0)) {
		*request = 8;
		*reply = type == 0;
		return true;
	}
	if (proto == IPPROTO_ICMPV6 && (type == 128 || type == 129)) {
		*request = 128;
		*reply = type == 129;
		return true;
	}
	return false;
}

bool conns_tuple(const struct dp_flow_key *key, struct sim_tuple *t)
{
	uint8_t request;
	bool reply;

	memset(t, 0, sizeof(*t));
	if (key->v6) {
		t->src = key->k6.src;
		t->dst = key->k6.dst;
		t->sport = key->k6.sport;
		t->dport = key->k6.dport;
		t->proto = key->k6.proto;
	} else {
		if (key->k4.eth_type != htons(ETH_P_IP))
			return false;
		t->src = ip_from_v4(key->k4.src);
		t->dst = ip_from_v4(key->k4.dst);
		t->sport = key->k4.sport;
		t->dport = key->k4.dport;
		t->proto = key->k4.proto;
	}
	if ((key->v6 ? key->k6.frag : key->k4.frag) != SKEP_FRAG_NONE)
		return false;
	if (t->proto != IPPROTO_ICMP && t->proto != IPPROTO_ICMPV6)
		return true;
	if (!is_echo(t->proto, t->sport, &request, &reply))
		return false;
	if (reply) {
		t->sport = htons((uint16_t)(request << 8));
	} else {
		t->sport = t->dport; /* the id */
		t->dport = htons((uint16_t)(request << 8));
	}
	return true;
}
