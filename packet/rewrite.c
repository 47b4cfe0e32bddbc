// SPDX-License-Identifier: Apache-2.0
/*
 * Changes header fields in place, checksums incrementally (RFC 1624, eqn. 3).  A checksum that was
 * wrong stays wrong: a corrupt packet is not laundered.  Called by simulator/ users when a frame
 * leaves with other headers than it came with.
 */
#include "packet/packet.h"

#include <errno.h>

#include "packet/wire.h"

void pkt_csum_replace(uint8_t *csum, const void *old, const void *new_, size_t len)
{
	const uint8_t *o = old;
	uint32_t sum = (uint16_t)~load_be16(csum);

	for (size_t i = 0; i < len; i += 2)
		sum += (uint16_t)~load_be16(o + i);
	sum = pkt_csum_add(new_, len, sum);
	store_be16(csum, pkt_csum(NULL, 0, sum));
}

#define PROTO_DCCP    33
#define PROTO_UDPLITE 136

struct edit {
	uint8_t *data;
	const struct pkt *pkt;
	uint8_t *l4_csum; /* NULL = none to keep */
	bool pseudo;	  /* it covers the addresses */
};

/* Overwrites a field that only the L4 checksum covers. */
static void set_l4(const struct edit *e, uint8_t *p, const void *value, size_t len)
{
	if (e->l4_csum)
		pkt_csum_replace(e->l4_csum, p, value, len);
	memcpy(p, value, len);
}

static void set_address(const struct edit *e, uint8_t *p, const struct skep_ip *ip)
{
	bool v6 = is_ipv6(&e->pkt->f);
	const void *value = v6 ? ip : (const void *)&ip->w[3];
	size_t len = v6 ? 16 : 4;

	if (e->l4_csum && e->pseudo)
		pkt_csum_replace(e->l4_csum, p, value, len);
	if (!v6)
		pkt_csum_replace(e->data + e->pkt->l3_off + 10, p, value, len);
	memcpy(p, value, len);
}

/* Not what would bring another tag to the light, or hide one: the frame would be another kind of frame. */
static bool may_retag(const struct pkt_fields *f, const struct pkt_fields *to)
{
	bool inner = f->eth_type == htons(ETH_P_8021Q) || f->eth_type == htons(ETH_P_8021AD);

	if (to->vlan && !(to->vlan & htons(PKT_VLAN_PRESENT)))
		return false;
	return !inner || !f->vlan == !to->vlan;
}

/* Is every difference one that can be written? */
static bool rewritable(const struct pkt_fields *f, const struct pkt_fields *to)
{
	struct pkt_fields rest = *f;

	rest.eth_dst = to->eth_dst;
	rest.eth_src = to->eth_src;
	if (may_retag(f, to))
		rest.vlan = to->vlan;
	if (is_ip(f)) {
		rest.ip_ttl = to->ip_ttl;
		rest.ip_tos = to->ip_tos;
		if (ip_is_v4(&to->ip_src) == is_ipv4(f))
			rest.ip_src = to->ip_src;
		if (ip_is_v4(&to->ip_dst) == is_ipv4(f))
			rest.ip_dst = to->ip_dst;
		if (f->has_l4 && (f->ip_proto == IPPROTO_TCP || f->ip_proto == IPPROTO_UDP)) {
			rest.l4_src = to->l4_src;
			rest.l4_dst = to->l4_dst;
		} else if (is_icmp(f) && icmp_is_echo(is_ipv6(f), icmp_type(f))) {
			rest.l4_dst = to->l4_dst;
		}
	}
	/* Member by member: padding says nothing. */
	return mac_eq(&rest.eth_dst, &to->eth_dst) && mac_eq(&rest.eth_src, &to->eth_src) &&
	       rest.eth_type == to->eth_type && rest.vlan == to->vlan &&
	       ip_eq(&rest.ip_src, &to->ip_src) && ip_eq(&rest.ip_dst, &to->ip_dst) &&
	       rest.ip_proto == to->ip_proto && rest.ip_ttl == to->ip_ttl &&
	       rest.ip_tos == to->ip_tos && rest.ip_frag == to->ip_frag &&
	       rest.l4_src == to->l4_src && rest.l4_dst == to->l4_dst &&
	       rest.tcp_flags == to->tcp_flags && rest.has_l4 == to->has_l4 &&
	       mac_eq(&rest.arp_sha, &to->arp_sha) && mac_eq(&rest.arp_tha, &to->arp_tha) &&
	       ip_eq(&rest.nd_target, &to->nd_target) && mac_eq(&rest.nd_lla, &to->nd_lla) &&
	       rest.nd_flags == to->nd_flags;
}

static void rewrite_ipv4(const struct edit *e, uint8_t *ip, const struct pkt_fields *to)
{
	const struct pkt_fields *f = &e->pkt->f;
	uint8_t word[2];

	if (f->ip_tos != to->ip_tos) {
		word[0] = ip[0];
		word[1] = to->ip_tos;
		pkt_csum_replace(ip + 10, ip, word, 2);
		ip[1] = to->ip_tos;
	}
	if (f->ip_ttl != to->ip_ttl) {
		word[0] = to->ip_ttl;
		word[1] = ip[9];
		pkt_csum_replace(ip + 10, ip + 8, word, 2);
		ip[8] = to->ip_ttl;
	}
	if (!ip_eq(&f->ip_src, &to->ip_src))
		set_address(e, ip + 12, &to->ip_src);
	if (!ip_eq(&f->ip_dst, &to->ip_dst))
		set_address(e, ip + 16, &to->ip_dst);
}

static void rewrite_ipv6(const struct edit *e, uint8_t *ip, const struct pkt_fields *to)
{
	const struct pkt_fields *f = &e->pkt->f;

	if (f->ip_tos != to->ip_tos)
		put16(ip, (uint32_t)(get16(ip) & 0xf00f) | (uint32_t)to->ip_tos << 4);
	ip[7] = to->ip_ttl;
	if (!ip_eq(&f->ip_src, &to->ip_src))
		set_address(e, ip + 8, &to->ip_src);
	if (!ip_eq(&f->ip_dst, &to->ip_dst))
		set_address(e, ip + 24, &to->ip_dst);
}

/* The DEI bit of a tag that stays is not ours.  Returns the frame's length. */
static int rewrite_vlan(uint8_t *data, const struct pkt *pkt, const struct pkt_fields *to)
{
	uint32_t tci = (uint32_t)(ntohs(to->vlan) & ~PKT_VLAN_PRESENT), len = pkt->len;

	if (pkt->f.vlan == to->vlan)
		return (int)len;
	if (!to->vlan) {
		memmove(data + 12, data + 16, len - 16);
		return (int)(len - VLAN_SIZE);
	}
	if (pkt->f.vlan) {
		put16(data + 14, (get16(data + 14) & PKT_VLAN_PRESENT) | tci);
		return (int)len;
	}
	memmove(data + 16, data + 12, len - 12);
	put16(data + 12, ETH_P_8021Q);
	put16(data + 14, tci);
	return (int)(len + VLAN_SIZE);
}

/* Protocols that are not parsed, but whose checksum covers the addresses, at byte 6: UDP-Lite (RFC 3828), DCCP (RFC 4340). */
static bool has_pseudo_csum(const struct pkt *pkt)
{
	const struct pkt_fields *f = &pkt->f;

	return is_ip(f) && (f->ip_proto == PROTO_UDPLITE || f->ip_proto == PROTO_DCCP) &&
	       f->ip_frag != SKEP_FRAG_LATER && pkt->payload_off + 8U <= pkt->l3_off + pkt->l3_len;
}

int pkt_rewrite(uint8_t *data, const struct pkt *pkt, const struct pkt_fields *to)
{
	const struct pkt_fields *f = &pkt->f;
	uint8_t *l4 = data + pkt->l4_off;
	struct edit e = { .data = data, .pkt = pkt };
	bool udp = f->ip_proto == IPPROTO_UDP;
	__be16 l4_csum = 0;

	if (!rewritable(f, to))
		return -EINVAL;
	if (is_ip(f) && pkt->l4_off && l4_csum_off(f->ip_proto)) {
		e.l4_csum = l4 + l4_csum_off(f->ip_proto);
		e.pseudo = f->ip_proto != IPPROTO_ICMP;
		l4_csum = load_be16(e.l4_csum);
		if (udp && l4_csum == 0)
			e.l4_csum = NULL;
	}
	if (has_pseudo_csum(pkt)) {
		e.l4_csum = data + pkt->payload_off + 6;
		e.pseudo = true;
		udp = f->ip_proto == PROTO_UDPLITE;
		if (udp && !load_be16(e.l4_csum))
			e.l4_csum = NULL;
	}
	memcpy(data, &to->eth_dst, 6);
	memcpy(data + 6, &to->eth_src, 6);
	if (is_ipv4(f))
		rewrite_ipv4(&e, data + pkt->l3_off, to);
	else if (is_ipv6(f))
		rewrite_ipv6(&e, data + pkt->l3_off, to);
	if (pkt->l4_off && f->l4_src != to->l4_src)
		set_l4(&e, l4, &to->l4_src, 2);
	if (pkt->l4_off && f->l4_dst != to->l4_dst)
		set_l4(&e, is_icmp(f) ? l4 + 4 : l4 + 2, &to->l4_dst, 2);
	/* Zero means "none" in UDP: 0xffff is the other zero (RFC 768). */
	if (udp && e.l4_csum && load_be16(e.l4_csum) == 0)
		store_be16(e.l4_csum, 0xffff);
	return rewrite_vlan(data, pkt, to);
}
