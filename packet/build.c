// SPDX-License-Identifier: Apache-2.0
/* Frames that the network sends of its own accord: ARP (RFC 826), neighbour solicitation and
 * advertisement (RFC 4861), datagrams around a payload.  Called by simulator/. */
#include "packet/packet.h"

#include "packet/wire.h"

static const struct skep_mac broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static const struct skep_mac no_mac;

uint32_t pkt_build_arp(uint8_t *buf, uint32_t cap, uint16_t op, const struct skep_mac *eth_dst,
		       const struct skep_mac *sha, const struct skep_ip *spa,
		       const struct skep_mac *tha, const struct skep_ip *tpa)
{
	uint8_t *arp = buf + ETH_SIZE;

	if (cap < ETH_SIZE + ARP_SIZE)
		return 0;
	if (!eth_dst || mac_is_zero(eth_dst))
		eth_dst = &broadcast;
	if (!tha)
		tha = &no_mac;
	memcpy(buf, eth_dst, 6);
	memcpy(buf + 6, sha, 6);
	put16(buf + 12, ETH_P_ARP);
	put16(arp, 1);
	put16(arp + 2, ETH_P_IP);
	arp[4] = 6;
	arp[5] = 4;
	put16(arp + 6, op);
	memcpy(arp + 8, sha, 6);
	store_v4(arp + 14, spa);
	memcpy(arp + 18, tha, 6);
	store_v4(arp + 24, tpa);
	return ETH_SIZE + ARP_SIZE;
}

/* NS or NA with the given fields; 'lla' NULL = no option. */
static uint32_t build_nd(uint8_t *buf, uint32_t cap, uint8_t type, const struct skep_mac *eth_dst,
			 const struct skep_mac *eth_src, const struct skep_ip *src,
			 const struct skep_ip *dst, const struct skep_ip *target, uint8_t flags,
			 const struct skep_mac *lla)
{
	uint32_t len = ND_SIZE + (lla ? 8 : 0);
	uint8_t *ip = buf + ETH_SIZE, *nd = ip + IP6_SIZE;
	struct pkt_fields f = { .eth_type = htons(ETH_P_IPV6), .ip_src = *src, .ip_dst = *dst };

	if (cap < ETH_SIZE + IP6_SIZE + len)
		return 0;
	memcpy(buf, eth_dst, 6);
	memcpy(buf + 6, eth_src, 6);
	put16(buf + 12, ETH_P_IPV6);
	put32(ip, 0x60000000);
	put16(ip + 4, len);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, src, 16);
	memcpy(ip + 24, dst, 16);
	memset(nd, 0, len);
	nd[0] = type;
	nd[4] = flags & 0xe0;
	memcpy(nd + 8, target, 16);
	if (lla) {
		nd[ND_SIZE] = type == ND_NA ? 2 : 1;
		nd[ND_SIZE + 1] = 1;
		memcpy(nd + ND_SIZE + 2, lla, 6);
	}
	store_be16(nd + 2, pkt_csum(nd, len, pkt_pseudo_sum(&f, IPPROTO_ICMPV6, len)));
	return ETH_SIZE + IP6_SIZE + len;
}

uint32_t pkt_build_ns(uint8_t *buf, uint32_t cap, const struct skep_mac *src_mac,
		      const struct skep_ip *src, const struct skep_ip *target)
{
	const uint8_t *t = (const uint8_t *)target;
	struct skep_mac eth_dst = { { 0x33, 0x33, 0xff, t[13], t[14], t[15] } };
	struct skep_ip dst = { { htonl(0xff020000), 0, htonl(1), 0 } };

	dst.w[3] = target->w[3] | htonl(0xff000000);
	return build_nd(buf, cap, ND_NS, &eth_dst, src_mac, src, &dst, target, 0,
			ip_is_unspecified(src) ? NULL : src_mac);
}

uint32_t pkt_build_na(uint8_t *buf, uint32_t cap, const struct skep_mac *eth_dst,
		      const struct skep_mac *mac, const struct skep_ip *src,
		      const struct skep_ip *dst, const struct skep_ip *target, uint8_t flags)
{
	return build_nd(buf, cap, ND_NA, eth_dst, mac, src, dst, target, flags, mac);
}

uint32_t pkt_build_ip(uint8_t *buf, uint32_t cap, const struct pkt_fields *f,
		      const uint8_t *payload, uint32_t len)
{
	bool v6 = !ip_is_v4(&f->ip_src), udp = f->ip_proto == IPPROTO_UDP;
	uint32_t head = v6 ? IP6_SIZE : IP4_SIZE, l4_len = len + (udp ? UDP_SIZE : 0);
	struct pkt_fields sum = { .eth_type = htons(v6 ? ETH_P_IPV6 : ETH_P_IP),
				  .ip_src = f->ip_src,
				  .ip_dst = f->ip_dst };
	uint8_t *ip = buf + ETH_SIZE, *l4 = ip + head;
	uint16_t csum;

	if ((!udp && f->ip_proto != IPPROTO_ICMPV6) || (!udp && (!v6 || len < 4)) ||
	    ip_is_v4(&f->ip_dst) == v6 || head + l4_len > UINT16_MAX ||
	    cap < ETH_SIZE + head + l4_len)
		return 0;
	memcpy(buf, &f->eth_dst, 6);
	memcpy(buf + 6, &f->eth_src, 6);
	store_be16(buf + 12, sum.eth_type);
	memset(ip, 0, head);
	if (v6) {
		put16(ip, 0x6000 | (uint32_t)f->ip_tos << 4);
		put16(ip + 4, l4_len);
		ip[6] = f->ip_proto;
		ip[7] = f->ip_ttl;
		memcpy(ip + 8, &f->ip_src, 16);
		memcpy(ip + 24, &f->ip_dst, 16);
	} else {
		ip[0] = 0x45;
		ip[1] = f->ip_tos;
		put16(ip + 2, head + l4_len);
		ip[8] = f->ip_ttl;
		ip[9] = f->ip_proto;
		store_v4(ip + 12, &f->ip_src);
		store_v4(ip + 16, &f->ip_dst);
		store_be16(ip + 10, pkt_csum(ip, IP4_SIZE, 0));
	}
	if (udp) {
		store_be16(l4, f->l4_src);
		store_be16(l4 + 2, f->l4_dst);
		put16(l4 + 4, l4_len);
		put16(l4 + 6, 0);
	}
	memcpy(l4 + l4_len - len, payload, len);
	csum = pkt_csum(l4, l4_len, pkt_pseudo_sum(&sum, f->ip_proto, l4_len));
	store_be16(l4 + l4_csum_off(f->ip_proto), udp && !csum ? 0xffff : csum);
	return ETH_SIZE + head + l4_len;
}
