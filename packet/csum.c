// SPDX-License-Identifier: Apache-2.0
/* The Internet checksum (RFC 1071), and the check of all of a frame's. */
#include "packet/packet.h"

#include "packet/wire.h"

static uint32_t fold(uint64_t sum)
{
	while (sum >> 32)
		sum = (sum & 0xffffffff) + (sum >> 32);
	return (uint32_t)sum;
}

/* Sums 16-bit words as stored; an odd last byte is padded with a zero behind it. */
uint32_t pkt_csum_add(const void *p, size_t len, uint32_t sum)
{
	const uint8_t *b = p;
	uint64_t s = sum;
	uint16_t w;

	for (; len >= 4; len -= 4, b += 4) {
		uint32_t v;

		memcpy(&v, b, 4);
		s += v;
	}
	if (len >= 2) {
		memcpy(&w, b, 2);
		s += w;
		b += 2;
		len -= 2;
	}
	if (len) {
		w = 0;
		memcpy(&w, b, 1);
		s += w;
	}
	return fold(s);
}

uint16_t pkt_csum(const void *p, size_t len, uint32_t start)
{
	uint32_t sum = pkt_csum_add(p, len, start);

	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t pkt_pseudo_sum(const struct pkt_fields *f, uint8_t proto, uint32_t len)
{
	uint8_t tail[8] = { 0 };
	uint32_t sum;

	put32(tail, len);
	tail[7] = proto;
	if (is_ipv6(f)) {
		sum = pkt_csum_add(&f->ip_src, 16, 0);
		sum = pkt_csum_add(&f->ip_dst, 16, sum);
	} else {
		sum = pkt_csum_add(&f->ip_src.w[3], 4, 0);
		sum = pkt_csum_add(&f->ip_dst.w[3], 4, sum);
	}
	return pkt_csum_add(tail, sizeof(tail), sum);
}

bool pkt_csum_ok(const struct pkt *pkt)
{
	const struct pkt_fields *f = &pkt->f;
	const uint8_t *ip = pkt->data + pkt->l3_off, *l4 = pkt->data + pkt->l4_off;
	uint32_t len = pkt->l3_off + pkt->l3_len - pkt->l4_off, sum = 0;

	if (is_ipv4(f) && pkt_csum(ip, ip4_header_len(ip), 0) != 0)
		return false;
	if (!f->has_l4 || f->ip_frag != SKEP_FRAG_NONE || !l4_csum_off(f->ip_proto))
		return true;
	if (f->ip_proto == IPPROTO_UDP) {
		uint32_t udp_len = get16(l4 + 4);

		if (udp_len < UDP_SIZE || udp_len > len)
			return false;
		if (get16(l4 + 6) == 0)
			return is_ipv4(f);
		len = udp_len;
	}
	if (f->ip_proto != IPPROTO_ICMP)
		sum = pkt_pseudo_sum(f, f->ip_proto, len);
	return pkt_csum(l4, len, sum) == 0;
}
