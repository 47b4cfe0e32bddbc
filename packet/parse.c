// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes -> struct pkt.  packet.h has the rules and their order, bpf/ has the same rules in its own
 * words, and a differential test holds both together.  Called for each upcall, by the builders'
 * users, and by the text form.
 */
#include "packet/packet.h"

#include "packet/wire.h"

static enum skep_drop parse_arp(struct pkt *pkt);
static enum skep_drop parse_ipv4(struct pkt *pkt);
static enum skep_drop parse_ipv6(struct pkt *pkt);
static enum skep_drop parse_l4(struct pkt *pkt, uint32_t off, uint32_t end);
static void parse_nd(struct pkt *pkt, uint32_t end);

enum skep_drop pkt_parse(const uint8_t *data, uint32_t len, struct pkt *pkt)
{
	struct pkt_fields *f = &pkt->f;
	uint16_t type;

	memset(pkt, 0, sizeof(*pkt));
	pkt->data = data;
	pkt->len = len;
	if (len < ETH_SIZE)
		return SKEP_DROP_TRUNCATED;
	memcpy(&f->eth_dst, data, 6);
	memcpy(&f->eth_src, data + 6, 6);
	type = get16(data + 12);
	pkt->l3_off = ETH_SIZE;
	if (type == ETH_P_8021Q || type == ETH_P_8021AD) {
		if (len < ETH_SIZE + VLAN_SIZE)
			return SKEP_DROP_TRUNCATED;
		f->vlan = htons(get16(data + 14) | PKT_VLAN_PRESENT);
		type = get16(data + 16);
		pkt->l3_off += VLAN_SIZE;
	}
	pkt->l3_len = len - pkt->l3_off;
	pkt->payload_off = pkt->l3_off;
	f->eth_type = type < ETH_P_802_3_MIN ? 0 : htons(type);

	switch (type) {
	case ETH_P_ARP:
		return parse_arp(pkt);
	case ETH_P_IP:
		return parse_ipv4(pkt);
	case ETH_P_IPV6:
		return parse_ipv6(pkt);
	default:
		return SKEP_DROP_NONE;
	}
}

static enum skep_drop parse_arp(struct pkt *pkt)
{
	static const uint8_t ethernet_ipv4[6] = { 0, 1, 8, 0, 6, 4 };
	const uint8_t *arp = pkt->data + pkt->l3_off;
	struct pkt_fields *f = &pkt->f;

	if (pkt->l3_len < ARP_SIZE)
		return SKEP_DROP_TRUNCATED;
	if (memcmp(arp, ethernet_ipv4, sizeof(ethernet_ipv4)) != 0)
		return SKEP_DROP_NONE;
	pkt->l3_len = ARP_SIZE;
	pkt->payload_off += ARP_SIZE;
	f->ip_proto = arp[7];
	memcpy(&f->arp_sha, arp + 8, 6);
	f->ip_src = load_v4(arp + 14);
	memcpy(&f->arp_tha, arp + 18, 6);
	f->ip_dst = load_v4(arp + 24);
	return SKEP_DROP_NONE;
}

static enum skep_drop parse_ipv4(struct pkt *pkt)
{
	const uint8_t *ip = pkt->data + pkt->l3_off;
	struct pkt_fields *f = &pkt->f;
	uint32_t ihl, total;
	uint16_t frag;

	if (pkt->l3_len < IP4_SIZE)
		return SKEP_DROP_TRUNCATED;
	ihl = ip4_header_len(ip);
	if (ip[0] >> 4 != 4 || ihl < IP4_SIZE)
		return SKEP_DROP_BAD_HEADER;
	if (ihl > pkt->l3_len)
		return SKEP_DROP_TRUNCATED;
	total = get16(ip + 2);
	if (total < ihl)
		return SKEP_DROP_BAD_HEADER;
	if (total > pkt->l3_len)
		return SKEP_DROP_TRUNCATED;

	pkt->l3_len = total;
	frag = get16(ip + 6);
	pkt->frag_id = get16(ip + 4);
	pkt->frag_off = (uint16_t)((frag & IP4_OFFSET) * 8);
	pkt->frag_more = frag & IP4_MF;
	pkt->df = frag & IP4_DF;
	f->ip_frag = frag & IP4_OFFSET ? SKEP_FRAG_LATER
		     : frag & IP4_MF   ? SKEP_FRAG_FIRST
				       : SKEP_FRAG_NONE;
	f->ip_tos = ip[1];
	f->ip_ttl = ip[8];
	f->ip_proto = ip[9];
	f->ip_src = load_v4(ip + 12);
	f->ip_dst = load_v4(ip + 16);
	return parse_l4(pkt, pkt->l3_off + ihl, pkt->l3_off + total);
}

enum skep_drop pkt_walk_extensions(struct pkt *pkt, uint8_t next, uint32_t *off, uint32_t end)
{
	struct pkt_fields *f = &pkt->f;

	for (unsigned int n = 0;; n++) {
		const uint8_t *h = pkt->data + *off;
		uint32_t size;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING &&
		    next != IPPROTO_FRAGMENT && next != IPPROTO_AH && next != IPPROTO_DSTOPTS)
			break;
		if (n == PKT_EXT_MAX)
			return SKEP_DROP_BAD_HEADER;
		if (end - *off < 8)
			return SKEP_DROP_TRUNCATED;
		size = next == IPPROTO_FRAGMENT ? IP6_FRAG_SIZE
		       : next == IPPROTO_AH	? (h[1] + 2U) * 4
						: (h[1] + 1U) * 8;
		if (size > end - *off)
			return SKEP_DROP_TRUNCATED;
		*off += size;
		if (next == IPPROTO_FRAGMENT) {
			uint16_t frag = get16(h + 2);

			pkt->frag_id = get32(h + 4);
			pkt->frag_off = frag & IP6_OFFSET;
			pkt->frag_more = frag & IP6_MF;
			if (frag & IP6_OFFSET) {
				f->ip_frag = SKEP_FRAG_LATER;
				next = h[0];
				break;
			}
			if (frag & IP6_MF)
				f->ip_frag = SKEP_FRAG_FIRST;
		}
		next = h[0];
	}
	f->ip_proto = next;
	return SKEP_DROP_NONE;
}

static enum skep_drop parse_ipv6(struct pkt *pkt)
{
	const uint8_t *ip = pkt->data + pkt->l3_off;
	uint32_t off = pkt->l3_off + IP6_SIZE, end, payload;
	struct pkt_fields *f = &pkt->f;
	enum skep_drop drop;

	if (pkt->l3_len < IP6_SIZE)
		return SKEP_DROP_TRUNCATED;
	if (ip[0] >> 4 != 6)
		return SKEP_DROP_BAD_HEADER;
	payload = get16(ip + 4);
	if (payload > pkt->l3_len - IP6_SIZE)
		return SKEP_DROP_TRUNCATED;

	pkt->l3_len = IP6_SIZE + payload;
	f->ip_tos = (uint8_t)(get16(ip) >> 4);
	f->ip_ttl = ip[7];
	memcpy(&f->ip_src, ip + 8, 16);
	memcpy(&f->ip_dst, ip + 24, 16);
	if (ip_is_v4(&f->ip_src) || ip_is_v4(&f->ip_dst))
		return SKEP_DROP_BAD_HEADER;
	end = off + payload;
	drop = pkt_walk_extensions(pkt, ip[6], &off, end);
	if (drop)
		return drop;
	return parse_l4(pkt, off, end);
}

static enum skep_drop parse_l4(struct pkt *pkt, uint32_t off, uint32_t end)
{
	struct pkt_fields *f = &pkt->f;
	const uint8_t *l4 = pkt->data + off;
	uint32_t left = end - off, size;

	pkt->payload_off = (uint16_t)off;
	if (f->ip_frag == SKEP_FRAG_LATER)
		return SKEP_DROP_NONE;
	switch (f->ip_proto) {
	case IPPROTO_TCP:
		if (left < TCP_SIZE)
			return SKEP_DROP_TRUNCATED;
		size = (uint32_t)(l4[12] >> 4) * 4;
		if (size < TCP_SIZE)
			return SKEP_DROP_BAD_HEADER;
		if (size > left)
			return SKEP_DROP_TRUNCATED;
		f->tcp_flags = l4[13];
		break;
	case IPPROTO_UDP:
		size = UDP_SIZE;
		break;
	case IPPROTO_SCTP:
		size = SCTP_SIZE;
		break;
	case IPPROTO_ICMP:
		if (is_ipv6(f))
			return SKEP_DROP_NONE;
		size = ICMP_SIZE;
		break;
	case IPPROTO_ICMPV6:
		if (!is_ipv6(f))
			return SKEP_DROP_NONE;
		size = ICMP_SIZE;
		break;
	default:
		return SKEP_DROP_NONE;
	}
	if (left < size)
		return SKEP_DROP_TRUNCATED;

	pkt->l4_off = (uint16_t)off;
	pkt->payload_off = (uint16_t)(off + size);
	f->has_l4 = true;
	f->l4_src = load_be16(l4); /* ICMP: type and code are in the place of the source port */
	if (!is_icmp(f))
		f->l4_dst = load_be16(l4 + 2);
	else if (icmp_is_echo(is_ipv6(f), l4[0]))
		f->l4_dst = load_be16(l4 + 4);
	if (is_icmp(f) && is_ipv6(f))
		parse_nd(pkt, end);
	return SKEP_DROP_NONE;
}

/* Neighbour discovery: what is not valid leaves the nd_ fields zero, and nobody will take it for
 * ND. */
static void parse_nd(struct pkt *pkt, uint32_t end)
{
	const uint8_t *nd = pkt->data + pkt->l4_off;
	uint32_t len = end - pkt->l4_off, off;
	struct pkt_fields *f = &pkt->f;
	struct skep_ip target = { 0 };
	struct skep_mac lla = { 0 };
	bool found = false; /* the first counts, as in Linux */
	uint8_t want;

	switch (nd[0]) {
	case ND_RS:
		off = 8;
		break;
	case ND_RA:
		off = 16;
		break;
	case ND_NS:
	case ND_NA:
		off = ND_SIZE;
		break;
	default:
		return;
	}
	if (f->ip_ttl != 255 || nd[1] != 0 || f->ip_frag != SKEP_FRAG_NONE || len < off)
		return;
	if (off == ND_SIZE) {
		memcpy(&target, nd + 8, 16);
		if (ip_is_multicast(&target) || ip_is_v4(&target))
			return;
	}
	want = nd[0] == ND_NA ? 2 : 1;
	while (off < len) {
		uint32_t size;

		if (len - off < 8)
			return;
		size = nd[off + 1] * 8U;
		if (size == 0 || size > len - off)
			return;
		if (nd[off] == want && size == 8 && !found) {
			memcpy(&lla, nd + off + 2, 6);
			found = true;
		}
		off += size;
	}
	f->nd_target = target;
	f->nd_lla = lla;
	if (nd[0] == ND_NA)
		f->nd_flags = nd[4] & 0xe0;
}
