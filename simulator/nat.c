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

/* In the quoted packet, whose ends are the other way round.  false: it is about something else. */
static bool write_inner(struct walk *w, bool dst, const struct skep_ip *from, __be16 from_port,
			const struct skep_ip *to, __be16 to_port)
{
	struct pkt_fields *f = &w->run->inner;
	const bool inner_dst = !dst;
	struct skep_ip *ip = inner_dst ? &f->ip_dst : &f->ip_src;

	if (!w->run->quoting || w->generation || !ip_eq(ip, from))
		return false;
	if (from_port && f->has_l4 && port_of(f, inner_dst) != from_port)
		return false;
	*ip = *to;
	if ((!from_port && !to_port) || !f->has_l4)
		return true;
	if (sim_has_ports(f))
		*(inner_dst ? &f->l4_dst : &f->l4_src) = to_port;
	else if (sim_has_id(f) && is_request(f) != inner_dst)
		f->l4_dst = to_port;
	return true;
}

void sim_nat_inner(struct walk *w, bool dst, const struct skep_ip *from, const struct skep_ip *to)
{
	(void)write_inner(w, dst, from, 0, to, 0);
}

void sim_nat_end(struct walk *w, bool dst, const struct skep_ip *to, __be16 port, const char *by)
{
	const struct skep_ip from = dst ? w->f.ip_dst : w->f.ip_src;
	char a[64], b[64];

	STEP(w, 1, "nat", by, "%s %s -> %s", dst ? "destination" : "source",
	     end_text(&from, port ? port_of(&w->f, dst) : 0, a), end_text(to, port, b));
	if (dst)
		set_ip_dst(w, to);
	else
		set_ip_src(w, to);
	if (port)
		write_port(w, dst, port);
	w->dst_rewritten = w->dst_rewritten || dst;
}

/* Who complains about a packet that went through here does so by the address that the packet's sender knows, as in Linux. */
void sim_nat_apply(struct walk *w, const struct sim_binding *b, bool forward, const char *by)
{
	const struct skep_ip *from = forward ? &b->from : &b->to, *to = forward ? &b->to : &b->from;
	const __be16 from_port = forward ? b->from_port : b->to_port;
	const __be16 to_port = forward ? b->to_port : b->from_port;
	const bool dst = b->dst == forward; /* which end of the packet in hand */
	const bool inner = write_inner(w, dst, from, from_port, to, to_port);

	if (!ip_eq(dst ? &w->f.ip_dst : &w->f.ip_src, from) && (!inner || dst))
		return;
	sim_nat_end(w, dst, to, to_port, by);
	if (from_port && !to_port) /* what came from port 0 is answered there */
		write_port(w, dst, 0);
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

/* --- rules --- */

static bool is_stage(const struct topo_nat *n, bool dst)
{
	return dst == (n->type == TOPO_DNAT || n->type == TOPO_NO_DNAT);
}

/* The first rule of the stage that matches; NULL: none. */
static const struct topo_nat *find_rule(struct walk *w, const struct topo_router *r, bool dst,
					const struct topo_port *port)
{
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

static unsigned __int128 number(const struct skep_ip *ip)
{
	unsigned __int128 n = 0;

	for (int i = 0; i < 4; i++)
		n = n << 32 | ntohl(ip->w[i]);
	return n;
}

/* The address of the range that a hash chooses: of more than 2^32, one of the first. */
static struct skep_ip nth_ip(const struct topo_ip_range *r, uint32_t hash)
{
	const unsigned __int128 span = number(&r->hi) - number(&r->lo);
	unsigned __int128 n = number(&r->lo) + (span >= UINT32_MAX ? hash : hash % ((uint32_t)span + 1));
	struct skep_ip ip;

	for (int i = 3; i >= 0; i--, n >>= 32)
		ip.w[i] = htonl((uint32_t)n);
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
	if (!sim_has_ports(&w->f) && !sim_has_id(&w->f))
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

/* Is the destination a port's? */
static bool is_own(struct walk *w, const struct topo_router *r)
{
	for (uint32_t i = 0; i < r->n_ports; i++)
		if (sim_port_is_end(w, r->ports[i], false))
			return true;
	return false;
}

/* Is an end of the packet the router's because of NAT? */
static bool is_nat_addr(struct walk *w, const struct topo_router *r, bool src)
{
	unsigned int bits = 0;
	const bool is = topo_router_nat_near(r, src ? &w->f.ip_src : &w->f.ip_dst, &bits);

	see_ip_bits(w, src, bits);
	return is;
}

/* Could a reply be addressed to it?  Sources that the router gives are its NAT's, or that of a port: by a rule, or of the port where packets turn
 * round, which is where replies come in. */
static bool may_be_source(struct walk *w, const struct topo_router *r, const struct topo_port *in,
			  bool src)
{
	if (is_nat_addr(w, r, src) || sim_port_is_end(w, in, src))
		return true;
	for (uint32_t i = 0; i < r->n_nats; i++)
		if (r->nats[i]->type == TOPO_SNAT && see_ip_is(w, src, &r->nats[i]->to.lo))
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

/* As the record says; false: it says nothing. */
static bool by_record(struct walk *w, const struct topo_router *r, bool dst)
{
	const struct sim_binding *b;
	bool forward;

	b = recorded(w, r, dst, &forward);
	if (b)
		sim_nat_apply(w, b, forward, "connection");
	return b;
}

static bool dst_by_rule(struct walk *w, const struct topo_router *r, const struct topo_port *in)
{
	const struct topo_nat *rule = find_rule(w, r, true, in);

	if (sim_waits(w))
		return false;
	if (!rule)
		return true;
	if (rule->type == TOPO_NO_DNAT) {
		STEP(w, 1, "nat", rule->o.name, "no translation of the destination");
		w->no_dnat = true;
		return true;
	}
	if (!may_begin(w, &rule->o))
		return false;
	if (by_record(w, r, true) || w->run->conn) /* without: it has begun so */
		return true;
	return dnat(w, r, rule);
}

bool sim_nat_in(struct walk *w, const struct topo_port *in)
{
	const struct topo_router *r = in->router;
	const struct topo_floating_ip *f;

	w->fip = NULL;
	w->no_dnat = false;
	if (w->generation || !has_nat(r)) /* the first NAT of a router is a change of the router */
		return true;
	sim_tag_object(w, TOPO_TAG_NAT, &r->o);
	if (w->via_vip)
		return true;
	f = sim_fip_to(w, r);
	if (f) {
		sim_fip_in(w, f);
		return true;
	}
	if (may_be_source(w, r, in, false) || (r->n_nats && sim_is_error(w))) {
		(void)sim_ct(w);
		if (sim_waits(w))
			return false;
		if (by_record(w, r, true))
			return true;
	}
	return dst_by_rule(w, r, in);
}

bool sim_nat_owns(struct walk *w, const struct topo_router *r)
{
	return !w->generation && !w->no_dnat && r->n_nat_addrs && is_nat_addr(w, r, false) &&
	       !is_own(w, r);
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

/* The connection knows that its destination was a floating IP: the reply will not leave where floating IPs are taken back. */
static bool bind_fip(struct walk *w, const struct topo_router *r)
{
	const __be16 port = port_of(&w->f, true);
	const struct sim_binding b = { .router = sim_name_hash(r->o.name),
				       .dst = true,
				       .from = w->fip->address,
				       .to = w->fip->fixed,
				       .from_port = port,
				       .to_port = port };

	return sim_bind(w, &b) || full(w, SKEP_DROP_OVERLOAD, &w->fip->o);
}

/* Out by the port that it came in by, with a new destination: the answer must come back this way. */
static bool turn_round(struct walk *w, const struct topo_router *r, const struct topo_port *out)
{
	static const uint16_t ports[2] = { 1024, 65535 };
	const struct topo_addr *own = sim_port_addr(out, &w->f.ip_src);
	struct topo_ip_range range;

	if (!own || !sim_port_owns(out, &own->ip))
		return true; /* nothing to ask by */
	if (!may_begin(w, &out->o))
		return false;
	if (w->run->conn)
		return true;
	if (w->fip && !bind_fip(w, r))
		return false;
	range = (struct topo_ip_range){ own->ip, own->ip };
	return snat(w, r, &out->o, &range, ports);
}

/* The source is as the record says.  False: the router has it no longer, so that no reply would find its way. */
static bool keeps_source(struct walk *w, const struct topo_router *r, const struct topo_port *out)
{
	if (w->run->conn->reply || w->run->quoting || may_be_source(w, r, out, true))
		return true;
	w->run->end_conn = true;
	return full(w, SKEP_DROP_NAT_NONE, &r->o);
}

static bool src_by_rule(struct walk *w, const struct topo_router *r, const struct topo_port *out,
			bool hairpin)
{
	const struct topo_nat *rule = find_rule(w, r, false, out);

	if (sim_waits(w))
		return false;
	if (rule && rule->type == TOPO_NO_SNAT)
		STEP(w, 1, "nat", rule->o.name, "no translation of the source");
	if (!rule || rule->type == TOPO_NO_SNAT)
		return hairpin ? turn_round(w, r, out) : true;
	if (!may_begin(w, &rule->o))
		return false;
	/* what has begun without, and replies, keep their source */
	if (by_record(w, r, false))
		return keeps_source(w, r, out);
	if (w->run->conn)
		return true;
	if (w->fip && hairpin && !bind_fip(w, r))
		return false;
	return snat(w, r, &rule->o, &rule->to, rule->to_ports);
}

/* Does the source take its floating IP?  By the way out; and where both ends must pass the router again: towards another floating IP, and where a packet
 * turns round. */
static bool takes_fip(const struct walk *w, const struct topo_floating_ip *f,
		      const struct topo_port *out, bool hairpin)
{
	const struct sim_conn *c = w->run->ct_known ? w->run->conn : NULL;

	if (sim_fip_leaves(f, out) || w->fip)
		return true;
	return hairpin && !w->via_vip && !(c && c->reply);
}

/* Is the record of use for the source of a packet that leaves by 'out'? */
static bool needs_record(struct walk *w, const struct topo_router *r, const struct topo_floating_ip *f,
			 const struct topo_port *in, const struct topo_port *out, bool hairpin)
{
	if (w->run->ct_known || hairpin || may_be_reply(r))
		return true;
	if (w->fip && !sim_fip_leaves(w->fip, in))
		return true;
	return (f && !sim_fip_leaves(f, out)) || (r->n_nats && sim_is_error(w));
}

bool sim_nat_out(struct walk *w, const struct topo_port *in, const struct topo_port *out)
{
	const struct topo_router *r = in->router;
	const bool hairpin = w->dst_rewritten && in == out;
	const struct topo_floating_ip *f;

	if (w->generation || !has_nat(r))
		return true;
	sim_tag_object(w, TOPO_TAG_NAT, &r->o);
	f = sim_fip_of(w, r);
	if (needs_record(w, r, f, in, out, hairpin))
		(void)sim_ct(w);
	if (sim_waits(w))
		return false;
	if (by_record(w, r, false))
		return keeps_source(w, r, out);
	if (w->fip && see_ip_is(w, true, &w->f.ip_dst))
		return true; /* a machine that asks for itself is told so */
	if (f && takes_fip(w, f, out, hairpin)) {
		sim_fip_out(w, f);
		return true;
	}
	sim_fip_quote(w, r, out);
	if (!src_by_rule(w, r, out, hairpin))
		return false;
	/* from inside to a floating IP: what answers does not pass its way out */
	if (w->fip && !hairpin && !sim_fip_leaves(w->fip, in) && w->run->ct_known &&
	    (w->run->ct & TOPO_CT_NEW))
		return bind_fip(w, r);
	return true;
}
