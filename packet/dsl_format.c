// SPDX-License-Identifier: Apache-2.0
/* Frame -> one line of text, the canonical form of what dsl_parse.c reads.  Called by tests,
 * scenarios and traces. */
#include "packet/packet.h"

#include "maps/maps.h"
#include "packet/dsl.h"
#include "packet/text.h"
#include "packet/wire.h"

static void add_pair(struct text *t, const struct skep_ip *a, const struct skep_ip *b)
{
	char x[ADDR_TEXT], y[ADDR_TEXT];

	text_add(t, "%s>%s", ip_format(a, x), ip_format(b, y));
}

static void add_number(struct text *t, const char *word, uint32_t v)
{
	if (v)
		text_add(t, " %s %u", word, v);
}

static void add_eth(struct text *t, const struct pkt *pkt, bool known)
{
	const struct pkt_fields *f = &pkt->f;
	uint16_t tci = ntohs(f->vlan);
	char x[ADDR_TEXT], y[ADDR_TEXT];

	text_add(t, "eth %s>%s", mac_format(&f->eth_src, x), mac_format(&f->eth_dst, y));
	if (f->vlan) {
		text_add(t, " vlan %u", tci & 0xfffU);
		add_number(t, "pcp", tci >> 13);
	}
	if (!known)
		text_add(t, " type 0x%04x", ntohs(f->eth_type));
}

static void add_arp(struct text *t, const struct pkt *pkt)
{
	static const struct skep_mac zero;
	const struct pkt_fields *f = &pkt->f;
	uint16_t op = get16(pkt->data + pkt->l3_off + 6);
	char x[ADDR_TEXT];

	if (op == 1 || op == 2)
		text_add(t, " / arp %s ", op == 1 ? "request" : "reply");
	else
		text_add(t, " / arp %u ", op);
	add_pair(t, &f->ip_src, &f->ip_dst);
	if (!mac_eq(&f->arp_sha, &f->eth_src))
		text_add(t, " sha %s", mac_format(&f->arp_sha, x));
	if (!mac_eq(&f->arp_tha, op == 2 ? &f->eth_dst : &zero))
		text_add(t, " tha %s", mac_format(&f->arp_tha, x));
}

static void add_ip(struct text *t, const struct pkt *pkt)
{
	const uint8_t *ip = pkt->data + pkt->l3_off;
	const struct pkt_fields *f = &pkt->f;

	text_add(t, " / ip ");
	add_pair(t, &f->ip_src, &f->ip_dst);
	text_add(t, " ttl %u", f->ip_ttl);
	add_number(t, "tos", f->ip_tos);
	if (f->ip_frag != SKEP_FRAG_NONE)
		text_add(t, " frag %s", f->ip_frag == SKEP_FRAG_FIRST ? "first" : "later");
	if (is_ipv4(f)) {
		if (get16(ip + 6) & IP4_DF)
			text_add(t, " df");
		add_number(t, "id", get16(ip + 4));
	}
	if (!f->has_l4)
		text_add(t, " proto %u", f->ip_proto);
}

static void add_letters(struct text *t, const char *before, const char *set, uint8_t flags,
			uint8_t first, bool left)
{
	char letters[9] = "";
	size_t n = 0;

	for (size_t i = 0; set[i]; i++)
		if (flags & (uint8_t)(left ? first << i : first >> i))
			letters[n++] = set[i];
	if (n)
		text_add(t, "%s%s", before, letters);
}

static void add_tcp(struct text *t, const struct pkt *pkt)
{
	const uint8_t *tcp = pkt->data + pkt->l4_off;

	text_add(t, " / tcp %u>%u", get16(tcp), get16(tcp + 2));
	add_letters(t, " ", DSL_TCP_FLAGS, pkt->f.tcp_flags, 1, true);
	add_number(t, "seq", get32(tcp + 4));
	add_number(t, "ack", get32(tcp + 8));
}

static bool is_nd(const struct pkt_fields *f)
{
	uint8_t type = icmp_type(f);

	return is_ipv6(f) && (type == ND_NS || type == ND_NA) && !ip_is_zero(&f->nd_target);
}

static void add_nd(struct text *t, const struct pkt *pkt)
{
	static const struct skep_mac zero;
	const struct pkt_fields *f = &pkt->f;
	bool ns = icmp_type(f) == ND_NS;
	const struct skep_mac *want = ns && ip_is_zero(&f->ip_src) ? &zero : &f->eth_src;
	char x[ADDR_TEXT];

	text_add(t, " / %s %s", ns ? "ns" : "na", ip_format(&f->nd_target, x));
	add_letters(t, " flags ", DSL_ND_FLAGS, f->nd_flags, 0x80, false);
	if (!mac_eq(&f->nd_lla, want))
		text_add(t, " %s %s", ns ? "slla" : "tlla",
			 mac_is_zero(&f->nd_lla) ? "none" : mac_format(&f->nd_lla, x));
}

static void add_icmp(struct text *t, const struct pkt *pkt)
{
	const uint8_t *icmp = pkt->data + pkt->l4_off;
	bool v6 = is_ipv6(&pkt->f);

	text_add(t, " / %s ", v6 ? "icmp6" : "icmp");
	if (icmp_is_echo(v6, icmp[0]) && icmp[1] == 0) {
		text_add(t, "%s",
			 icmp[0] == ICMP4_ECHO || icmp[0] == ICMP6_ECHO_REQUEST ? "echo" : "reply");
		add_number(t, "id", get16(icmp + 4));
		add_number(t, "seq", get16(icmp + 6));
	} else {
		text_add(t, "%u/%u", icmp[0], icmp[1]);
		add_number(t, "info", get32(icmp + 4));
	}
}

static void add_l4(struct text *t, const struct pkt *pkt)
{
	const struct pkt_fields *f = &pkt->f;

	switch (f->ip_proto) {
	case IPPROTO_TCP:
		add_tcp(t, pkt);
		break;
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		text_add(t, " / %s %u>%u", f->ip_proto == IPPROTO_UDP ? "udp" : "sctp",
			 ntohs(f->l4_src), ntohs(f->l4_dst));
		if (f->ip_proto == IPPROTO_UDP && get16(pkt->data + pkt->l4_off + 6) == 0)
			text_add(t, " nocsum");
		break;
	default:
		add_icmp(t, pkt);
	}
}

static char *format_bad(const uint8_t *data, uint32_t len, enum skep_drop drop, struct arena *arena)
{
	static const char digits[] = "0123456789abcdef";
	const char *reason = skep_drop_name(drop);
	size_t head = strlen(reason) + sizeof("bad  / hex ") - 1;
	char *s = arena_alloc(arena, head + 2 * (size_t)len + 1);

	if (!s)
		return NULL;
	snprintf(s, head + 1, "bad %s / hex ", reason);
	for (uint32_t i = 0; i < len; i++) {
		s[head + 2 * i] = digits[data[i] >> 4];
		s[head + 2 * i + 1] = digits[data[i] & 15];
	}
	return s;
}

char *pkt_dsl_format(const uint8_t *data, uint32_t len, struct arena *arena)
{
	struct text t = { .n = 0 };
	struct pkt pkt;
	enum skep_drop drop = pkt_parse(data, len, &pkt);
	const struct pkt_fields *f = &pkt.f;
	bool arp, nd = false;
	uint32_t data_len;

	if (drop)
		return format_bad(data, len, drop, arena);
	arp = f->eth_type == htons(ETH_P_ARP) && ip_is_v4(&f->ip_src); /* else of another kind */
	add_eth(&t, &pkt, is_ip(f) || arp);
	if (arp) {
		add_arp(&t, &pkt);
		return text_done(&t, arena);
	}
	if (is_ip(f))
		add_ip(&t, &pkt);
	if (f->has_l4) {
		nd = is_icmp(f) && is_nd(f);
		(nd ? add_nd : add_l4)(&t, &pkt);
	}
	data_len = pkt.l3_off + pkt.l3_len - pkt.payload_off;
	if (!f->eth_type && data_len >= ETH_P_802_3_MIN) /* more than its length can say: padding */
		data_len = ETH_P_802_3_MIN - 1;
	if (!nd && data_len)
		text_add(&t, " / data %u", data_len);
	if (is_ip(f) && !pkt_csum_ok(&pkt))
		text_add(&t, " / badcsum");
	return text_done(&t, arena);
}
