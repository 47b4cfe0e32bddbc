// SPDX-License-Identifier: Apache-2.0
/* A packet in a few words, for people: traces, drop events, flow lists. */
#include "packet/packet.h"

#include "packet/text.h"
#include "packet/wire.h"

static const struct {
	uint8_t bit;
	const char *name;
} tcp_flags[] = {
	{ TCP_SYN, "syn" }, { TCP_ACK, "ack" }, { TCP_FIN, "fin" },
	{ TCP_RST, "rst" }, { TCP_PSH, "psh" },
};

static void add_host(struct text *t, const struct skep_ip *ip, bool with_port, __be16 port)
{
	char x[ADDR_TEXT];

	if (!with_port)
		text_add(t, " %s", ip_format(ip, x));
	else
		text_add(t, ip_is_v4(ip) ? " %s:%u" : " [%s]:%u", ip_format(ip, x), ntohs(port));
}

static void add_hosts(struct text *t, const struct pkt_fields *f, bool with_ports)
{
	add_host(t, &f->ip_src, with_ports, f->l4_src);
	text_add(t, " >");
	add_host(t, &f->ip_dst, with_ports, f->l4_dst);
}

static void add_icmp(struct text *t, const struct pkt_fields *f)
{
	bool v6 = is_ipv6(f);
	uint8_t type = icmp_type(f);
	char x[ADDR_TEXT];

	text_add(t, "%s", v6 ? "icmp6" : "icmp");
	add_hosts(t, f, false);
	if (icmp_is_echo(v6, type))
		text_add(t, " %s id %u",
			 type == ICMP4_ECHO || type == ICMP6_ECHO_REQUEST ? "echo" : "reply",
			 ntohs(f->l4_dst));
	else if (v6 && type == ND_NS && !ip_is_zero(&f->nd_target))
		text_add(t, " who-has %s", ip_format(&f->nd_target, x));
	else if (v6 && type == ND_NA && !ip_is_zero(&f->nd_target))
		text_add(t, " %s advertised", ip_format(&f->nd_target, x));
	else
		text_add(t, " type %u code %u", type, ntohs(f->l4_src) & 0xffU);
}

static void add_tcp_flags(struct text *t, uint8_t flags)
{
	const char *sep = " ";

	for (size_t i = 0; i < sizeof(tcp_flags) / sizeof(tcp_flags[0]); i++)
		if (flags & tcp_flags[i].bit) {
			text_add(t, "%s%s", sep, tcp_flags[i].name);
			sep = ",";
		}
}

static void add_ip(struct text *t, const struct pkt_fields *f)
{
	if (is_icmp(f)) {
		add_icmp(t, f);
	} else if (f->has_l4) {
		text_add(t, "%s",
			 f->ip_proto == IPPROTO_TCP   ? "tcp"
			 : f->ip_proto == IPPROTO_UDP ? "udp"
						      : "sctp");
		add_hosts(t, f, true);
		add_tcp_flags(t, f->ip_proto == IPPROTO_TCP ? f->tcp_flags : 0);
	} else {
		text_add(t, "ip");
		add_hosts(t, f, false);
		text_add(t, " proto %u", f->ip_proto);
	}
	if (f->ip_frag != SKEP_FRAG_NONE)
		text_add(t, " (%s fragment)", f->ip_frag == SKEP_FRAG_FIRST ? "first" : "later");
}

static void add_arp(struct text *t, const struct pkt_fields *f)
{
	char x[ADDR_TEXT], y[ADDR_TEXT];

	if (f->ip_proto == 1)
		text_add(t, "arp who-has %s tell %s", ip_format(&f->ip_dst, x),
			 ip_format(&f->ip_src, y));
	else if (f->ip_proto == 2)
		text_add(t, "arp %s is-at %s", ip_format(&f->ip_src, x),
			 mac_format(&f->arp_sha, y));
	else
		text_add(t, "arp operation %u of %s", f->ip_proto, ip_format(&f->ip_src, x));
}

char *pkt_summary(const struct pkt *pkt, struct arena *arena)
{
	const struct pkt_fields *f = &pkt->f;
	char x[ADDR_TEXT], y[ADDR_TEXT];
	struct text t = { .n = 0 };

	if (f->vlan)
		text_add(&t, "vlan %u ", ntohs(f->vlan) & 0xfffU);
	if (is_ip(f))
		add_ip(&t, f);
	else if (f->eth_type == htons(ETH_P_ARP) && ip_is_v4(&f->ip_src))
		add_arp(&t, f);
	else
		text_add(&t, "ethertype 0x%04x %s > %s", ntohs(f->eth_type),
			 mac_format(&f->eth_src, x), mac_format(&f->eth_dst, y));
	return text_done(&t, arena);
}
