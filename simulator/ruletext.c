// SPDX-License-Identifier: Apache-2.0
/* Conditions of rules as text, for traces and hints: as they are written in documents, in the order
 * in which they are tested. */
#include "simulator/run.h"

#include <stdarg.h>
#include <stdio.h>

#include "topology/ipset.h"

struct line {
	char *p;
	size_t len, size;
};

static void __attribute__((format(printf, 2, 3))) add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (l->len + 1 >= l->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(l->p + l->len, l->size - l->len, fmt, ap);
	va_end(ap);
	l->len += n > 0 ? (size_t)n : 0;
	if (l->len >= l->size)
		l->len = l->size - 1;
}

static const char *range_text(const uint16_t range[2], char buf[static 16])
{
	if (range[0] == range[1])
		snprintf(buf, 16, "%u", range[0]);
	else
		snprintf(buf, 16, "%u-%u", range[0], range[1]);
	return buf;
}

static const char *const fragments[] = { "header", "later", "unfragmented", "any_fragment" };

static void put_ct(struct line *l, uint8_t ct)
{
	static const char *const names[] = { "new", "established", "reply", "related", "invalid" };
	bool first = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (ct & 1u << i) {
			add(l, "%s%s", first ? "" : "|", names[i]);
			first = false;
		}
}

static void put_flags(struct line *l, uint8_t mask, uint8_t value)
{
	static const char *const names[] = {
		"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"
	};
	bool first = true;

	for (unsigned int i = 0; i < 8; i++)
		if (mask & 1u << i) {
			add(l, "%s%s%s", first ? "" : ",", value & 1u << i ? "" : "!", names[i]);
			first = false;
		}
}

static void put_ports(struct line *l, struct topo_port *const *v, uint32_t n)
{
	for (uint32_t i = 0; i < n && i < 4; i++)
		add(l, "%s%s", i ? "|" : "", v[i]->o.name);
	if (n > 4)
		add(l, "|...");
}

static void put_mac(struct line *l, const struct skep_mac *mac, const struct skep_mac *mask)
{
	char a[ADDR_TEXT], m[ADDR_TEXT];

	if (mac_is_broadcast(mask))
		add(l, "%s", mac_format(mac, a));
	else
		add(l, "%s/%s", mac_format(mac, a), mac_format(mask, m));
}

/* In the order of sim_rule_mismatch(). */
static const struct {
	uint32_t bit;
	const char *name;
} conditions[] = {
	{ TOPO_M_IN_PORTS, "in_ports" },
	{ TOPO_M_OUT_PORTS, "out_ports" },
	{ TOPO_M_IN_GROUP, "in_port_group" },
	{ TOPO_M_OUT_GROUP, "out_port_group" },
	{ TOPO_M_ENTRY_GROUP, "entry_port_group" },
	{ TOPO_M_TRAVERSED, "traversed" },
	{ TOPO_M_DST_REWRITTEN, "dst_rewritten" },
	{ TOPO_M_ETH_TYPE, "ethertype" },
	{ TOPO_M_VLAN, "vlan" },
	{ TOPO_M_PROTO, "proto" },
	{ TOPO_M_FRAGMENT, "fragment" },
	{ TOPO_M_DSCP, "dscp" },
	{ TOPO_M_IP_SRC, "src" },
	{ TOPO_M_IP_DST, "dst" },
	{ TOPO_M_SRC_GROUP, "src_group" },
	{ TOPO_M_DST_GROUP, "dst_group" },
	{ TOPO_M_ICMP_TYPE, "icmp_type" },
	{ TOPO_M_ICMP_CODE, "icmp_code" },
	{ TOPO_M_L4_DST, "dst_ports" },
	{ TOPO_M_L4_SRC, "src_ports" },
	{ TOPO_M_TCP_FLAGS, "tcp_flags" },
	{ TOPO_M_ETH_SRC, "eth_src" },
	{ TOPO_M_ETH_DST, "eth_dst" },
	{ TOPO_M_CT, "ct_state" },
	{ TOPO_M_INNER_SRC, "inner_src" },
	{ TOPO_M_INNER_DST, "inner_dst" },
};

static const char *name_of(uint32_t bit)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(conditions); i++)
		if (conditions[i].bit == bit)
			return conditions[i].name;
	return "";
}

static void put_path(struct line *l, const struct topo_rule_more *m, uint32_t bit)
{
	char object[96];

	switch (bit) {
	case TOPO_M_IN_PORTS:
		put_ports(l, m->in_ports, m->n_in_ports);
		break;
	case TOPO_M_OUT_PORTS:
		put_ports(l, m->out_ports, m->n_out_ports);
		break;
	case TOPO_M_IN_GROUP:
		add(l, "%s", m->in_group->o.name);
		break;
	case TOPO_M_OUT_GROUP:
		add(l, "%s", m->out_group->o.name);
		break;
	case TOPO_M_ENTRY_GROUP:
		add(l, "%s", m->entry_group->o.name);
		break;
	case TOPO_M_TRAVERSED:
		add(l, "%s", topo_object_text(m->traversed, object));
		break;
	case TOPO_M_SRC_GROUP:
		add(l, "%s", m->src_group->o.name);
		break;
	case TOPO_M_DST_GROUP:
		add(l, "%s", m->dst_group->o.name);
		break;
	}
}

static void put_value(struct line *l, const struct topo_rule *r, uint32_t bit)
{
	char buf[ADDR_TEXT];

	switch (bit) {
	case TOPO_M_ETH_TYPE:
		add(l, "0x%04x", ntohs(r->eth_type));
		break;
	case TOPO_M_VLAN:
		add(l, "%u", r->vlan);
		break;
	case TOPO_M_PROTO:
		add(l, "%s", proto_format(r->proto, buf));
		break;
	case TOPO_M_FRAGMENT:
		add(l, "%s", fragments[r->fragment & 3]);
		break;
	case TOPO_M_DSCP:
		add(l, "%u", r->dscp);
		break;
	case TOPO_M_IP_SRC:
		add(l, "%s", prefix_format(&r->ip_src, r->ip_src_len, buf));
		break;
	case TOPO_M_IP_DST:
		add(l, "%s", prefix_format(&r->ip_dst, r->ip_dst_len, buf));
		break;
	case TOPO_M_ICMP_TYPE:
		add(l, "%u", r->icmp_type);
		break;
	case TOPO_M_ICMP_CODE:
		add(l, "%u", r->icmp_code);
		break;
	case TOPO_M_L4_DST:
		add(l, "%s", range_text(r->l4_dst, buf));
		break;
	case TOPO_M_L4_SRC:
		add(l, "%s", range_text(r->l4_src, buf));
		break;
	case TOPO_M_TCP_FLAGS:
		put_flags(l, r->tcp_mask, r->tcp_value);
		break;
	case TOPO_M_ETH_SRC:
		put_mac(l, &r->eth_src, &r->eth_src_mask);
		break;
	case TOPO_M_ETH_DST:
		put_mac(l, &r->eth_dst, &r->eth_dst_mask);
		break;
	case TOPO_M_CT:
		put_ct(l, r->ct);
		break;
	case TOPO_M_INNER_SRC:
		add(l, "%s", prefix_format(&r->more->inner_src, r->more->inner_src_len, buf));
		break;
	case TOPO_M_INNER_DST:
		add(l, "%s", prefix_format(&r->more->inner_dst, r->more->inner_dst_len, buf));
		break;
	case TOPO_M_DST_REWRITTEN:
		add(l, "true");
		break;
	default:
		put_path(l, r->more, bit);
	}
}

const char *sim_rule_text(const struct topo_rule *r, char *buf, size_t size)
{
	struct line l = { .p = buf, .size = size };

	buf[0] = 0;
	if (r->invert)
		add(&l, "not: ");
	for (unsigned int i = 0, n = 0; i < ARRAY_SIZE(conditions); i++) {
		uint32_t bit = conditions[i].bit;

		if (!(r->match & bit))
			continue;
		add(&l, "%s%s%s ", n++ ? ", " : "", r->negate & bit ? "not " : "",
		    conditions[i].name);
		put_value(&l, r, bit);
	}
	return buf;
}

static void put_packet_ip(struct line *l, const struct walk *w, uint32_t bit)
{
	bool icmp = w->f.ip_proto == IPPROTO_ICMP || w->f.ip_proto == IPPROTO_ICMPV6;
	char buf[ADDR_TEXT];

	switch (bit) {
	case TOPO_M_PROTO:
		add(l, " is %s", proto_format(w->f.ip_proto, buf));
		break;
	case TOPO_M_DSCP:
		add(l, " is %u", w->f.ip_tos >> 2);
		break;
	case TOPO_M_IP_SRC:
	case TOPO_M_SRC_GROUP:
		add(l, " is %s", ip_format(&w->f.ip_src, buf));
		break;
	case TOPO_M_IP_DST:
	case TOPO_M_DST_GROUP:
		add(l, " is %s", ip_format(&w->f.ip_dst, buf));
		break;
	case TOPO_M_TCP_FLAGS:
		if (w->f.ip_proto != IPPROTO_TCP)
			break;
		add(l, " is ");
		put_flags(l, w->f.tcp_flags, w->f.tcp_flags);
		break;
	case TOPO_M_CT:
		if (!w->run->ct_known)
			break;
		add(l, " is ");
		put_ct(l, w->run->ct);
		break;
	case TOPO_M_L4_DST:
	case TOPO_M_L4_SRC:
		if (w->f.has_l4 && !icmp)
			add(l, " is %u", ntohs(bit == TOPO_M_L4_DST ? w->f.l4_dst : w->f.l4_src));
		break;
	case TOPO_M_ICMP_TYPE:
	case TOPO_M_ICMP_CODE:
		if (w->f.has_l4 && icmp)
			add(l, " is %u",
			    ntohs(w->f.l4_src) >> (bit == TOPO_M_ICMP_TYPE ? 8 : 0) & 0xff);
		break;
	}
}

const char *sim_mismatch_text(const struct walk *w, const struct topo_rule *r, uint32_t bit,
			      char *buf, size_t size)
{
	struct line l = { .p = buf, .size = size };
	uint16_t type = ntohs(w->f.eth_type);
	char mac[ADDR_TEXT];

	(void)r;
	buf[0] = 0;
	add(&l, "%s", name_of(bit));
	if (bit == TOPO_M_ETH_TYPE)
		add(&l, " is 0x%04x", type);
	else if (bit == TOPO_M_ETH_SRC)
		add(&l, " is %s", mac_format(&w->f.eth_src, mac));
	else if (bit == TOPO_M_ETH_DST)
		add(&l, " is %s", mac_format(&w->f.eth_dst, mac));
	else if (bit == TOPO_M_VLAN)
		add(&l, " is %u", w->vlan ? w->vlan : ntohs(w->f.vlan) & 0xfff);
	else if ((bit == TOPO_M_IN_PORTS || bit == TOPO_M_IN_GROUP) && w->in_port)
		add(&l, ": came in by %s", w->in_port->o.name);
	else if ((bit == TOPO_M_OUT_PORTS || bit == TOPO_M_OUT_GROUP) && w->out_port)
		add(&l, ": leaves by %s", w->out_port->o.name);
	else if (type == ETH_P_IP || type == ETH_P_IPV6)
		put_packet_ip(&l, w, bit);
	return buf;
}
