// SPDX-License-Identifier: Apache-2.0
/*
 * The packet inside an ICMP error: what it was, and its translation.  The quote comes from anybody
 * and may be cut anywhere behind 8 bytes of its payload (RFC 792; RFC 1812 and 4443 quote more), so
 * nothing is read that is not there.  Called by the simulator for connections and NAT, and by skepd
 * before it sends the error on.
 */
#include "packet/packet.h"

#include "packet/wire.h"

#define QUOTE_L4_MIN 8

/* Destination unreachable, source quench, time exceeded, parameter problem; packet too big (v6). */
static bool is_error(const struct pkt_fields *f)
{
	uint8_t type = icmp_type(f);

	if (is_ipv6(f))
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 11 || type == 12;
}

/* The IP header at 'q' (a frame's struct pkt of which only the quote is there).  *off: behind its
 * headers; *end: of what is there of it. */
static bool parse_ip4(struct pkt *q, uint32_t *off, uint32_t *end)
{
	const uint8_t *ip = q->data + q->l3_off;
	uint32_t left = *end - q->l3_off, ihl, total;
	struct pkt_fields *f = &q->f;
	uint16_t frag;

	if (left < IP4_SIZE || ip[0] >> 4 != 4)
		return false;
	ihl = ip4_header_len(ip);
	total = get16(ip + 2);
	if (ihl < IP4_SIZE || ihl > left || total < ihl)
		return false;
	if (total < left)
		*end = q->l3_off + total;
	frag = get16(ip + 6);
	f->ip_frag = frag & IP4_OFFSET ? SKEP_FRAG_LATER
		     : frag & IP4_MF   ? SKEP_FRAG_FIRST
				       : SKEP_FRAG_NONE;
	f->ip_tos = ip[1];
	f->ip_ttl = ip[8];
	f->ip_proto = ip[9];
	f->ip_src = load_v4(ip + 12);
	f->ip_dst = load_v4(ip + 16);
	*off = q->l3_off + ihl;
	return true;
}

static bool parse_ip6(struct pkt *q, uint32_t *off, uint32_t *end)
{
	const uint8_t *ip = q->data + q->l3_off;
	uint32_t left = *end - q->l3_off, total;
	struct pkt_fields *f = &q->f;

	if (left < IP6_SIZE || ip[0] >> 4 != 6)
		return false;
	total = IP6_SIZE + get16(ip + 4);
	if (total < left)
		*end = q->l3_off + total;
	f->ip_tos = (uint8_t)(get16(ip) >> 4);
	f->ip_ttl = ip[7];
	memcpy(&f->ip_src, ip + 8, 16);
	memcpy(&f->ip_dst, ip + 24, 16);
	if (ip_is_v4(&f->ip_src) || ip_is_v4(&f->ip_dst))
		return false;
	*off = q->l3_off + IP6_SIZE;
	return pkt_walk_extensions(q, ip[6], off, *end) == SKEP_DROP_NONE;
}

/* 8 bytes are there: ports of TCP, UDP and SCTP, type, code and id of ICMP. */
static void parse_l4(struct pkt_quote *quote, const uint8_t *data, uint32_t off)
{
	struct pkt_fields *f = &quote->f;
	const uint8_t *l4 = data + off;
	bool icmp = f->ip_proto == (is_ipv6(f) ? IPPROTO_ICMPV6 : IPPROTO_ICMP);

	if (f->ip_frag == SKEP_FRAG_LATER ||
	    (!icmp && f->ip_proto != IPPROTO_TCP && f->ip_proto != IPPROTO_UDP &&
	     f->ip_proto != IPPROTO_SCTP))
		return;
	quote->l4_off = (uint16_t)off;
	f->has_l4 = true;
	f->l4_src = load_be16(l4);
	if (!icmp)
		f->l4_dst = load_be16(l4 + 2);
	else if (icmp_is_echo(is_ipv6(f), l4[0]))
		f->l4_dst = load_be16(l4 + 4);
}

bool pkt_quoted(const struct pkt *pkt, struct pkt_quote *quote)
{
	uint32_t off, end = pkt->l3_off + pkt->l3_len;
	struct pkt q = { .data = pkt->data, .l3_off = pkt->payload_off };

	if (!pkt->l4_off || !is_icmp(&pkt->f) || !is_error(&pkt->f))
		return false;
	q.f.eth_type = pkt->f.eth_type;
	if (!(is_ipv6(&pkt->f) ? parse_ip6 : parse_ip4)(&q, &off, &end))
		return false;
	if (end < off || end - off < QUOTE_L4_MIN)
		return false;
	*quote = (struct pkt_quote){ .f = q.f, .l3_off = q.l3_off };
	parse_l4(quote, pkt->data, off);
	return true;
}

struct edit {
	uint8_t *icmp_csum;
	uint8_t *ip_csum; /* of the quote; NULL = IPv6 */
	uint8_t *l4_csum; /* NULL = none, not there, or zero ("none") in UDP */
};

/* Writes into the quote; the outer checksum covers all of it. */
static void put(const struct edit *e, uint8_t *p, const void *value, size_t len)
{
	pkt_csum_replace(e->icmp_csum, p, value, len);
	memcpy(p, value, len);
}

/* A checksum of the quote that covers what is about to change from 'old' to 'new_'. */
static void follow(const struct edit *e, uint8_t *csum, const void *old, const void *new_,
		   size_t len)
{
	uint8_t now[2];

	if (!csum)
		return;
	memcpy(now, csum, 2);
	pkt_csum_replace(now, old, new_, len);
	put(e, csum, now, 2);
}

static void set_address(const struct edit *e, uint8_t *p, const struct skep_ip *ip, bool pseudo)
{
	const void *value = e->ip_csum ? (const void *)&ip->w[3] : ip;
	size_t len = e->ip_csum ? 4 : 16;

	follow(e, e->ip_csum, p, value, len);
	if (pseudo)
		follow(e, e->l4_csum, p, value, len);
	put(e, p, value, len);
}

static void set_port(const struct edit *e, uint8_t *p, __be16 port)
{
	follow(e, e->l4_csum, p, &port, 2);
	put(e, p, &port, 2);
}

/* The L4 checksum of the quote, if it is there. */
static uint8_t *find_l4_csum(uint8_t *data, const struct pkt *pkt, const struct pkt_quote *quote)
{
	uint32_t off = l4_csum_off(quote->f.ip_proto), end = pkt->l3_off + pkt->l3_len;
	uint8_t *csum = data + quote->l4_off + off;

	if (!quote->l4_off || !off || quote->l4_off + off + 2 > end)
		return NULL;
	if (quote->f.ip_proto == IPPROTO_UDP && !get16(csum))
		return NULL;
	return csum;
}

static void rewrite_l4(const struct edit *e, uint8_t *l4, const struct pkt_fields *f,
		       const struct pkt_fields *to)
{
	if (is_icmp(f)) {
		if (icmp_is_echo(is_ipv6(f), icmp_type(f)) && f->l4_dst != to->l4_dst)
			set_port(e, l4 + 4, to->l4_dst);
		return;
	}
	if (f->ip_proto != IPPROTO_TCP && f->ip_proto != IPPROTO_UDP)
		return;
	if (f->l4_src != to->l4_src)
		set_port(e, l4, to->l4_src);
	if (f->l4_dst != to->l4_dst)
		set_port(e, l4 + 2, to->l4_dst);
}

void pkt_rewrite_quote(uint8_t *data, const struct pkt *pkt, const struct pkt_quote *quote,
		       const struct pkt_fields *to)
{
	const struct pkt_fields *f = &quote->f;
	uint8_t *ip = data + quote->l3_off;
	bool v6 = is_ipv6(f), pseudo = f->ip_proto != IPPROTO_ICMP;
	struct edit e = {
		.icmp_csum = data + pkt->l4_off + 2,
		.ip_csum = v6 ? NULL : ip + 10,
		.l4_csum = find_l4_csum(data, pkt, quote),
	};

	if (!ip_eq(&f->ip_src, &to->ip_src))
		set_address(&e, ip + (v6 ? 8 : 12), &to->ip_src, pseudo);
	if (!ip_eq(&f->ip_dst, &to->ip_dst))
		set_address(&e, ip + (v6 ? 24 : 16), &to->ip_dst, pseudo);
	if (quote->l4_off)
		rewrite_l4(&e, data + quote->l4_off, f, to);
	if (e.l4_csum && f->ip_proto == IPPROTO_UDP && !get16(e.l4_csum))
		put(&e, e.l4_csum, (const uint8_t[2]){ 0xff, 0xff },
		    2); /* zero would mean "none" */
}
