// SPDX-License-Identifier: Apache-2.0
/*
 * A result for people: an indented tree, the verdict, what leaves and what was changed, and what
 * the flow depends on.  tracejson.c has the same for programs.  Called by 'skep trace', the control
 * socket, tests.
 */
#include "simulator/run.h"

#include <stdarg.h>
#include <stdio.h>

const char *sim_drop_name(enum skep_drop reason)
{
	static const char *const names[] = {
#define X(id, name, help) name,
		SKEP_DROPS(X)
#undef X
	};

	return names[reason];
}

const char *sim_drop_help(enum skep_drop reason)
{
	static const char *const helps[] = {
#define X(id, name, help) help,
		SKEP_DROPS(X)
#undef X
	};

	return helps[reason];
}

const char *sim_culprit_text(const struct sim_culprit *c, char buf[static 192])
{
	const struct topo_route *route;
	char a[ADDR_TEXT], object[96];

	buf[0] = 0;
	if (c->rule) {
		snprintf(buf, 192, "rule '%s' of chain '%s'", c->rule->name,
			 c->rule->chain->o.name);
	} else if (c->object && c->object->kind == TOPO_ROUTE) {
		route = container_of(c->object, struct topo_route, o);
		snprintf(buf, 192, "route '%s' of router '%s'",
			 prefix_format(&route->dst, route->dst_len, a), route->router->o.name);
	} else if (c->object) {
		snprintf(buf, 192, "%s", topo_object_text(c->object, object));
	}
	return buf;
}

const char *sim_ct_text(uint8_t ct, char buf[static 64])
{
	static const char *const names[] = { "new", "established", "reply", "related", "invalid" };
	size_t n = 0;

	buf[0] = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (ct & 1u << i)
			n += (size_t)snprintf(buf + n, 64 - n, "%s%s", n ? " " : "", names[i]);
	return buf;
}

/* One header field in words; false: it is as it was. */
static bool rewrite_ip(const char *name, const struct skep_ip *from, const struct skep_ip *to,
		       char *buf, size_t size)
{
	char a[ADDR_TEXT], b[ADDR_TEXT];

	if (ip_eq(from, to))
		return false;
	snprintf(buf, size, "%s %s -> %s", name, ip_format(from, a), ip_format(to, b));
	return true;
}

static bool rewrite_number(const char *name, unsigned int from, unsigned int to, char *buf,
			   size_t size)
{
	if (from == to)
		return false;
	snprintf(buf, size, "%s %u -> %u", name, from, to);
	return true;
}

static bool rewrite_vlan(__be16 from, __be16 to, char *buf, size_t size)
{
	char a[8] = "none", b[8] = "none";

	if (from == to)
		return false;
	if (from)
		snprintf(a, sizeof(a), "%u", ntohs(from) & 0xfff);
	if (to)
		snprintf(b, sizeof(b), "%u", ntohs(to) & 0xfff);
	snprintf(buf, size, "vlan %s -> %s", a, b);
	return true;
}

bool sim_rewrite_text(const struct pkt_fields *from, const struct sim_output *o, unsigned int i,
		      char *buf, size_t size)
{
	const struct pkt_fields *to = &o->f;

	switch (i) {
	case 0:
		return rewrite_vlan(from->vlan, to->vlan, buf, size);
	case 1:
		return rewrite_ip("src", &from->ip_src, &to->ip_src, buf, size);
	case 2:
		return rewrite_ip("dst", &from->ip_dst, &to->ip_dst, buf, size);
	case 3:
		return rewrite_number("src_port", ntohs(from->l4_src), ntohs(to->l4_src), buf,
				      size);
	case 4:
		return rewrite_number(from->ip_proto == IPPROTO_ICMP ||
						      from->ip_proto == IPPROTO_ICMPV6
					      ? "id"
					      : "dst_port",
				      ntohs(from->l4_dst), ntohs(to->l4_dst), buf, size);
	default:
		if (!o->set_dscp)
			return rewrite_number("dscp", from->ip_tos >> 2, to->ip_tos >> 2, buf,
					      size);
		snprintf(buf, size, "dscp = %u", to->ip_tos >> 2);
		return true;
	}
}

/* Text that grows in the arena. */
struct text {
	struct arena *arena;
	char *p; /* NULL: no memory */
	size_t len, max;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	size_t n;
	char *p;

	va_start(ap, fmt);
	n = (size_t)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= sizeof(line))
		n = sizeof(line) - 1;
	if (!t->p || t->len + n >= t->max) {
		t->max = (t->max + n) * 2;
		p = arena_alloc(t->arena, t->max);
		if (p && t->p)
			memcpy(p, t->p, t->len);
		t->p = p;
	}
	if (!t->p)
		return;
	memcpy(t->p + t->len, line, n);
	t->len += n;
	t->p[t->len] = 0;
}

/* "  vm2 at host h2, key 0x101: eth A>B ttl 63, dst 203.0.113.9 -> 10.0.1.5 (flooded)" */
static void put_output(struct text *t, const struct pkt_fields *from, const struct sim_output *o)
{
	char src[ADDR_TEXT], dst[ADDR_TEXT], change[192];

	put(t, "  %s at host %s, key 0x%x: eth %s>%s", o->port->o.name, o->port->live_host,
	    o->port->live_key, mac_format(&o->f.eth_src, src), mac_format(&o->f.eth_dst, dst));
	if (o->f.eth_type == htons(ETH_P_IP) || o->f.eth_type == htons(ETH_P_IPV6))
		put(t, " ttl %u", o->f.ip_ttl);
	for (unsigned int i = 0; i < SIM_REWRITES; i++)
		if (sim_rewrite_text(from, o, i, change, sizeof(change)))
			put(t, ", %s", change);
	if (o->mirror)
		put(t, " (copy for mirror %s)", o->mirror->o.name);
	put(t, "%s\n", o->flooded ? " (flooded)" : "");
}

static void put_outputs(struct text *t, const struct pkt_fields *from, const struct sim_output *v,
			uint32_t n)
{
	for (; n; n--, v++)
		put_output(t, from, v);
}

const char *sim_frame_text(struct sim *sim, const struct sim_frame *f, struct pkt *pkt)
{
	char *text;

	if (pkt_parse(f->data, f->len, pkt) != SKEP_DROP_NONE)
		return "";
	text = pkt_summary(pkt, &sim->arena);
	return text ? text : "";
}

static void put_need(struct text *t, const struct sim_need *need)
{
	char a[ADDR_TEXT], b[ADDR_TEXT];

	switch (need->kind) {
	case SIM_NEED_NONE:
		break;
	case SIM_NEED_NEIGH:
		put(t, "need: the MAC of %s at port '%s'\n", ip_format(&need->ip, a),
		    need->port->o.name);
		break;
	case SIM_NEED_OBJECT:
		put(t, "need: object %s\n", need->path);
		break;
	case SIM_NEED_SNAT:
		put(t, "need: source ports of %s-%s for router '%s'\n",
		    ip_format(&need->snat.addrs.lo, a), ip_format(&need->snat.addrs.hi, b),
		    need->snat.router);
		break;
	case SIM_NEED_FRAGMENT:
		put(t, "need: the ports of the packet's first fragment\n");
		break;
	}
}

static void put_verdict(struct text *t, const struct sim_result *res)
{
	char culprit[192];

	switch (res->verdict) {
	case SIM_DROP:
		sim_culprit_text(&res->culprit, culprit);
		put(t, "drop: %s: %s%s%s%s\n", sim_drop_name(res->reason),
		    sim_drop_help(res->reason), culprit[0] ? ": " : "", culprit,
		    res->n_outputs ? "; sent to mirrors:" : "");
		break;
	case SIM_NEED:
		put_need(t, &res->need);
		break;
	case SIM_CONSUMED:
		put(t, "consumed: handled by the network itself\n");
		break;
	case SIM_FORWARD:
		put(t, "forward:%s\n", res->truncated ? " (truncated)" : "");
		break;
	}
}

static void put_connection(struct text *t, const struct sim_result *res)
{
	char ct[64], tuple[SIM_TUPLE_TEXT];

	if (res->ct)
		put(t, "connection: %s\n", sim_ct_text(res->ct, ct));
	if (res->conn)
		put(t, "  %s of port %s: %s%s\n", sim_tuple_format(&res->conn->tuple, tuple),
		    res->conn->port, sim_conn_state(res->conn),
		    res->end_conn ? ", no longer admitted: ends" : "");
	for (uint32_t i = 0; i < res->n_new_conns; i++)
		put(t, "  new record of port %s: %s%s\n", res->new_conns[i].port,
		    sim_tuple_format(&res->new_conns[i].tuple, tuple),
		    res->new_conns[i].reply ? " (replies)" : "");
}

static void put_flow(struct text *t, const struct sim_result *res)
{
	char buf[256];

	if (!res->cacheable) {
		put(t, "no flow: every such packet is decided anew\n");
		return;
	}
	put(t, "flow depends on: in_port%s%s\n", res->mask.fields ? " " : "",
	    sim_mask_format(&res->mask, buf, sizeof(buf)));
	if (res->mtu)
		put(t, "largest packet: %u bytes\n", res->mtu);
	put(t, "tags:");
	for (uint32_t i = 0; i < res->n_tags; i++)
		put(t, " %s", topo_tag_format(&res->tags[i], buf, sizeof(buf)));
	put(t, "\n");
}

/* What the summary leaves out, where it is not as usual. */
static void put_ip(struct text *t, const struct pkt *pkt)
{
	const struct pkt_fields *f = &pkt->f;
	bool v6 = f->eth_type == htons(ETH_P_IPV6);
	bool nd = v6 && f->ip_proto == IPPROTO_ICMPV6 && f->ip_ttl == 255;

	if (v6 || f->eth_type == htons(ETH_P_IP)) {
		if (f->ip_ttl != 64 && !nd)
			put(t, " ttl %u", f->ip_ttl);
		if (pkt->l3_len > 576)
			put(t, " size %u", pkt->l3_len);
		if (pkt->df)
			put(t, " df");
	}
	put(t, "\n");
}

char *sim_trace_text(struct sim *sim, const struct pkt *pkt, const struct sim_result *res)
{
	struct text t = { .arena = &sim->arena, .max = 2048 };
	char *summary = pkt_summary(pkt, &sim->arena);
	struct pkt frame = { 0 };

	put(&t, "%s", summary ? summary : "");
	put_ip(&t, pkt);
	for (uint32_t i = 0; i < res->n_steps; i++) {
		const struct sim_step *s = &res->steps[i];

		put(&t, "%*s%s%s%s: %s\n", 2 * s->depth, "", s->what, s->name[0] ? " " : "",
		    s->name, s->text);
	}
	put_verdict(&t, res);
	put_outputs(&t, &pkt->f, res->outputs, res->n_outputs);
	if (res->fragment)
		put(&t, "  in fragments of at most %u bytes\n", res->fragment);
	if (res->hint)
		put(&t, "hint: %s\n", res->hint);
	for (uint32_t i = 0; i < res->n_frames; i++) {
		put(&t, "sends: %s\n", sim_frame_text(sim, &res->frames[i], &frame));
		put_outputs(&t, &frame.f, res->frames[i].outputs, res->frames[i].n_outputs);
	}
	put_connection(&t, res);
	put_flow(&t, res);
	return t.p;
}
