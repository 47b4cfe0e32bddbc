// SPDX-License-Identifier: Apache-2.0
/*
 * Translation of addresses by routers.  The destination as a packet comes in: by the record of its connection, a floating IP, a rule.  The source as it
 * leaves: the same, and for packets that turn round (hairpin).  Floating IPs are stateless; rules make a record.  Of a reply each router takes
 * back what it did.  Inside ICMP errors the quoted packet is translated the opposite way.  Called by router.c; lb.c has VIPs.
 */
#include "simulator/run.h"

#include <stdio.h>

#include "util/hash.h"

/* --- writing --- */

static const char *end_text(const struct skep_ip *ip, __be16 port, char buf[static 64])
{
	char a[ADDR_TEXT];

	if (port)
		snprintf(buf, 64, ip_is_v4(ip) ? "%s:%u" : "[%s]:%u", ip_format(ip, a), ntohs(port));
	else
		snprintf(buf, 64, "%s", ip_format(ip, a));
	return buf;
}

static bool is_request(const struct pkt_fields *f)
{
	const uint8_t type = (uint8_t)(ntohs(f->l4_src) >> 8);

	return type == SIM_ICMP_ECHO || type == SIM_ICMP6_ECHO;
}

/* The port, or id, that belongs to an end of the packet as it is now; 0 = it has none. */
static __be16 port_of(const struct pkt_fields *f, bool dst)
{
	if (sim_has_ports(f))
		return dst ? f->l4_dst : f->l4_src;
	if (sim_has_id(f) && is_request(f) != dst)
		return f->l4_dst;
	return 0;
}

static void write_port(struct walk *w, bool dst, __be16 port)
{
	if (!w->f.has_l4)
		return;
	if (sim_has_ports(&w->f)) {
		if (dst)
			set_l4_dst(w, port);
		else
			set_l4_src(w, port);
	} else if (sim_has_id(&w->f) && is_request(&w->f) != dst) {
		set_l4_dst(w, port);
	}
}

/* In the quoted packet, whose ends are the other way round. */
static void write_inner(struct walk *w, bool dst, const struct skep_ip *from, __be16 from_port,
			const struct skep_ip *to, __be16 to_port)
{
	struct pkt_fields *f = &w->run->inner;
	const bool inner_dst = !dst;
	struct skep_ip *ip = inner_dst ? &f->ip_dst : &f->ip_src;

	if (!w->run->quoting || w->generation || !ip_eq(ip, from))
		return;
	if (from_port && port_of(f, inner_dst) != from_port)
		return;
	*ip = *to;
	if (!to_port || !f->has_l4)
		return;
	if (sim_has_ports(f))
		*(inner_dst ? &f->l4_dst : &f->l4_src) = to_port;
	else if (sim_has_id(f) && is_request(f) != inner_dst)
		f->l4_dst = to_port;
}

/* One end becomes another; ports of 0 stay. */
static void translate(struct walk *w, bool dst, const struct skep_ip *to, __be16 port, const char *by)
{
	const struct skep_ip from = dst ? w->f.ip_dst : w->f.ip_src;
	char a[64], b[64];

	STEP(w, 1, "nat", by, "%s %s -> %s", dst ? "destination" : "source",
	     end_text(&from, port ? port_of(&w->f, dst) : 0, a), end_text(to, port, b));
	if (dst) {
		w->nat_was = from;
		set_ip_dst(w, to);
	} else {
		set_ip_src(w, to);
	}
	if (port)
		write_port(w, dst, port);
	w->dst_rewritten = w->dst_rewritten || dst;
}

void sim_nat_apply(struct walk *w, const struct sim_binding *b, bool forward, const char *by)
{
	const struct skep_ip *from = forward ? &b->from : &b->to, *to = forward ? &b->to : &b->from;
	const __be16 from_port = forward ? b->from_port : b->to_port;
	const __be16 to_port = forward ? b->to_port : b->from_port;
	const bool dst = b->dst == forward; /* which end of the packet in hand */

	write_inner(w, dst, from, from_port, to, to_port);
	if (ip_eq(dst ? &w->f.ip_dst : &w->f.ip_src, from))
		translate(w, dst, to, to_port, by);
}

/* --- what a record says of this router --- */

/*
 * The binding of the router for one end of the packet in hand.  In the direction of the record's own port: the original one uses bindings as they were
 * made, replies take them back.  '*forward' says which.
 */
static const struct sim_binding *recorded(struct walk *w, const struct topo_router *r, bool dst,
					  bool *forward)
{
	const struct sim_conn *c = w->run->conn;
	const uint64_t router = sim_name_hash(r->o.name);

	if (!w->run->ct_known || !c)
		return NULL;
	*forward = !c->reply;
	for (uint8_t i = 0; i < c->n_bindings; i++) {
		const struct sim_binding *b =
			&c->bindings[*forward ? i : (uint8_t)(c->n_bindings - 1 - i)];
		const struct skep_ip *now = dst ? &w->f.ip_dst : &w->f.ip_src;

		if (b->router != router || (b->dst == *forward) != dst)
			continue;
		if (ip_eq(now, *forward ? &b->from : &b->to) || w->run->quoting)
			return b;
	}
	return NULL;
}

/* --- floating IPs --- */

static const struct topo_floating_ip *search(struct topo_floating_ip *const *v, uint32_t n,
					     const struct skep_ip *ip, bool fixed)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct skep_ip *at = fixed ? &v[mid]->fixed : &v[mid]->address;

		if (memcmp(at, ip, sizeof(*ip)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == n || !ip_eq(fixed ? &v[lo]->fixed : &v[lo]->address, ip))
		return NULL;
	return v[lo];
}

static void tag_fip(struct walk *w, const struct topo_router *r, const struct skep_ip *ip)
{
	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_FIP,
				       .name = r->o.name,
				       .ip = *ip,
				       .len = (uint8_t)ip_width(w) });
}

static const struct topo_floating_ip *fip_by_address(struct walk *w, const struct topo_router *r)
{
	const struct skep_ip *ip = see_ip_dst(w, ip_width(w));

	tag_fip(w, r, ip);
	return search(r->fips, r->n_fips, ip, false);
}

static bool in_subnet_of(const struct topo_port *p, const struct skep_ip *ip)
{
	return sim_port_subnet(p, ip);
}

/* The floating IP that a source takes when it leaves by 'out'; hairpin: whatever its uplink. */
static const struct topo_floating_ip *fip_by_fixed(struct walk *w, const struct topo_router *r,
						   const struct topo_port *out, bool hairpin)
{
	const struct skep_ip *ip = see_ip_src(w, ip_width(w));
	const struct topo_floating_ip *f;

	tag_fip(w, r, ip);
	f = search(r->fips_by_fixed, r->n_fips, ip, true);
	if (!f || hairpin || f->uplink == out)
		return f;
	return f->uplink || in_subnet_of(out, &f->fixed) ? NULL : f;
}

/* --- rules --- */

static bool is_stage(const struct topo_nat *n, bool dst)
{
	return dst == (n->type == TOPO_DNAT || n->type == TOPO_NO_DNAT);
}

/* The first rule of the stage that matches; NULL: none. */
static const struct topo_nat *find_rule(struct walk *w, const struct topo_router *r, bool dst,
					const struct topo_port *port)
{
	if (!r->n_nats)
		return NULL;
	sim_tag_object(w, TOPO_TAG_NAT, &r->o);
	for (uint32_t i = 0; i < r->n_nats; i++) {
		const struct topo_nat *n = r->nats[i];

		if (!is_stage(n, dst) || (n->port && n->port != port))
			continue;
		/* of the family that it translates to */
		if (!ip_is_zero(&n->to.lo) && ip_is_v4(&n->to.lo) != (ip_width(w) == 32))
			continue;
		if (sim_rule_matches(w, &n->match))
			return n;
		if (sim_waits(w))
			return NULL;
	}
	return NULL;
}

static bool full(struct walk *w, enum skep_drop reason, const struct topo_object *o)
{
	w->run->cacheable = false;
	sim_drop(w, reason, o, NULL);
	return false;
}

static struct skep_ip nth_ip(const struct topo_ip_range *r, uint32_t n)
{
	struct skep_ip ip = r->lo;
	const uint32_t span = ntohl(r->hi.w[3]) - ntohl(r->lo.w[3]);

	/* of a range over more than the last 32 bits, the first of them */
	ip.w[3] = htonl(ntohl(ip.w[3]) + (span == UINT32_MAX ? n : n % (span + 1)));
	return ip;
}

static __be16 target_port(const struct topo_nat *n, __be16 port, uint32_t hash)
{
	const uint16_t *from = n->match.l4_dst, *to = n->to_ports;
	const uint32_t span = (uint32_t)to[1] - to[0] + 1;

	if (!to[0] && !to[1])
		return port;
	if ((n->match.match & TOPO_M_L4_DST) && from[1] - from[0] == to[1] - to[0])
		return htons((uint16_t)(to[0] + (ntohs(port) - from[0])));
	return htons((uint16_t)(to[0] + hash % span));
}

static bool dnat(struct walk *w, const struct topo_router *r, const struct topo_nat *n)
{
	const uint64_t hash = hash_u64(sim_tuple_hash(&w->run->tuple) ^ w->run->seed);
	const __be16 port = port_of(&w->f, true);
	struct sim_binding b = { .router = sim_name_hash(r->o.name),
				 .dst = true,
				 .from = w->f.ip_dst,
				 .to = nth_ip(&n->to, (uint32_t)hash),
				 .from_port = port,
				 .to_port = sim_has_ports(&w->f) ?
						    target_port(n, port, (uint32_t)(hash >> 32)) :
						    port };

	if (!sim_bind(w, &b))
		return full(w, SKEP_DROP_OVERLOAD, &n->o);
	sim_nat_apply(w, &b, true, n->o.name);
	return true;
}

/* A source that nobody else uses towards this destination. */
static bool snat(struct walk *w, const struct topo_router *r, const struct topo_object *by,
		 const struct topo_ip_range *addrs, const uint16_t ports[2])
{
	const struct sim_view *view = w->run->view;
	struct sim_snat ask = { .router = r->o.name,
				.addrs = *addrs,
				.ports = { ports[0], ports[1] } };
	struct sim_binding b = { .router = sim_name_hash(r->o.name), .from = w->f.ip_src };
	enum sim_alloc got = SIM_ALLOC_OK;

	sim_tuple_of(&w->f, &ask.tuple);
	b.from_port = port_of(&w->f, false);
	b.to = addrs->lo;
	b.to_port = b.from_port;
	if (view->snat)
		got = view->snat(view->arg, &ask, &b.to, &b.to_port);
	else
		STEP(w, 1, "snat", by->name, "any free port will do");
	w->run->cacheable = w->run->cacheable && view->snat;
	if (got == SIM_ALLOC_WAIT) {
		STEP(w, 1, "need", by->name, "a block of source ports");
		if (w->run->need.kind == SIM_NEED_NONE)
			w->run->need = (struct sim_need){ .kind = SIM_NEED_SNAT, .snat = ask };
		return false;
	}
	if (got == SIM_ALLOC_FULL)
		return full(w, SKEP_DROP_NAT_FULL, by);
	if (!b.from_port)
		b.to_port = 0;
	if (!sim_bind(w, &b))
		return full(w, SKEP_DROP_OVERLOAD, by);
	sim_nat_apply(w, &b, true, by->name);
	return true;
}

/* --- the destination --- */

static bool has_nat(const struct topo_router *r)
{
	return r->n_nats || r->n_fips || r->n_vips;
}

static bool is_own(const struct topo_router *r, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < r->n_ports; i++)
		if (sim_port_owns(r->ports[i], ip))
			return true;
	return false;
}

/* A packet that can neither begin a connection nor belongs to one has no business with a rule that makes one. */
static bool may_begin(struct walk *w, const struct topo_object *by)
{
	const uint8_t ct = sim_ct(w);

	if (sim_waits(w))
		return false;
	if (ct & (TOPO_CT_NEW | TOPO_CT_ESTABLISHED | TOPO_CT_RELATED))
		return true;
	sim_drop(w, SKEP_DROP_NAT_NONE, by, NULL);
	return false;
}

bool sim_nat_in(struct walk *w, const struct topo_port *in)
{
	const struct topo_router *r = in->router;
	const struct sim_binding *b;
	const struct topo_floating_ip *f;
	const struct topo_nat *rule;
	bool forward;

	if (w->generation || w->via_vip || !has_nat(r))
		return true;
	/* only what is addressed to the router's own or translated addresses may be a reply */
	if (topo_router_nat_addr(r, see_ip_dst(w, ip_width(w))) || is_own(r, &w->f.ip_dst)) {
		f = fip_by_address(w, r);
		if (f && !sim_is_error(w)) {
			translate(w, true, &f->fixed, 0, f->o.name);
			return true;
		}
		(void)sim_ct(w);
		if (sim_waits(w))
			return false;
		b = recorded(w, r, true, &forward);
		if (b) {
			sim_nat_apply(w, b, forward, "connection");
			return true;
		}
		if (f) {
			write_inner(w, true, &f->address, 0, &f->fixed, 0);
			translate(w, true, &f->fixed, 0, f->o.name);
			return true;
		}
	}
	rule = find_rule(w, r, true, in);
	if (sim_waits(w))
		return false;
	if (!rule || rule->type == TOPO_NO_DNAT)
		return true;
	if (!may_begin(w, &rule->o))
		return false;
	b = recorded(w, r, true, &forward);
	if (b)
		sim_nat_apply(w, b, forward, "connection");
	else if (w->run->conn)
		return true; /* it has begun without */
	else
		return dnat(w, r, rule);
	return true;
}

bool sim_nat_owns(struct walk *w, const struct topo_router *r, const struct skep_ip *ip)
{
	return !w->generation && r->n_nat_addrs && topo_router_nat_addr(r, ip) && !is_own(r, ip);
}

/* --- the source --- */

/* May the source be one that the router gave another name in the other direction? */
static bool may_be_reply(const struct topo_router *r)
{
	for (uint32_t i = 0; i < r->n_nats; i++)
		if (r->nats[i]->type == TOPO_DNAT)
			return true;
	return r->n_vips;
}

/* Out by the port that it came in by, with a new destination: the answer must come back this way. */
static bool turn_round(struct walk *w, const struct topo_router *r, const struct topo_port *out)
{
	static const uint16_t ports[2] = { 1024, 65535 };
	const struct topo_floating_ip *f = r->n_fips ? fip_by_fixed(w, r, out, true) : NULL;
	const struct topo_addr *own;
	struct topo_ip_range range;

	if (f) {
		if (!w->via_vip && ip_eq(&w->f.ip_src, &w->f.ip_dst))
			return true; /* a machine that asks for itself is told so */
		if (!w->via_vip) {
			write_inner(w, false, &f->fixed, 0, &f->address, 0);
			translate(w, false, &f->address, 0, f->o.name);
			return true;
		}
	}
	own = sim_port_addr(out, &w->f.ip_src);
	if (!own || !may_begin(w, &out->o))
		return !own;
	if (w->run->conn)
		return true;
	range = (struct topo_ip_range){ own->ip, own->ip };
	if (!w->run->n_bindings) { /* a floating IP's: the reply's source goes back with the record */
		struct sim_binding b = { .router = sim_name_hash(r->o.name),
					 .dst = true,
					 .from = w->nat_was,
					 .to = w->f.ip_dst,
					 .from_port = port_of(&w->f, true),
					 .to_port = port_of(&w->f, true) };

		if (!sim_bind(w, &b))
			return full(w, SKEP_DROP_OVERLOAD, &r->o);
	}
	return snat(w, r, &out->o, &range, ports);
}

static bool by_rule(struct walk *w, const struct topo_router *r, const struct topo_port *out)
{
	const struct topo_nat *rule = find_rule(w, r, false, out);
	const struct sim_binding *b;
	bool forward;

	if (sim_waits(w))
		return false;
	if (!rule || rule->type == TOPO_NO_SNAT)
		return true;
	if (!may_begin(w, &rule->o))
		return false;
	b = recorded(w, r, false, &forward);
	if (b)
		sim_nat_apply(w, b, forward, "connection");
	/* what has begun without, and replies, keep their source */
	return w->run->conn ? true : snat(w, r, &rule->o, &rule->to, rule->to_ports);
}

bool sim_nat_out(struct walk *w, const struct topo_port *in, const struct topo_port *out)
{
	const struct topo_router *r = in->router;
	const bool hairpin = w->dst_rewritten && in == out;
	const struct topo_floating_ip *f;
	const struct sim_binding *b;
	bool forward;

	if (w->generation || !has_nat(r))
		return true;
	if (may_be_reply(r) || w->run->ct_known || hairpin)
		(void)sim_ct(w);
	if (sim_waits(w))
		return false;
	b = recorded(w, r, false, &forward);
	if (b) {
		sim_nat_apply(w, b, forward, "connection");
		return true;
	}
	if (hairpin)
		return turn_round(w, r, out);
	f = r->n_fips ? fip_by_fixed(w, r, out, false) : NULL;
	if (f) {
		(void)(sim_is_error(w) && sim_ct(w));
		write_inner(w, false, &f->fixed, 0, &f->address, 0);
		translate(w, false, &f->address, 0, f->o.name);
		return true;
	}
	return by_rule(w, r, out);
}
