// SPDX-License-Identifier: Apache-2.0
/* struct dsl_spec -> frame: fills defaults, refuses what contradicts itself, computes lengths and
 * checksums.  Called by dsl_parse.c. */
#include "packet/dsl.h"

#include <errno.h>

#include "packet/wire.h"

struct sizes {
	uint32_t l2, l3, ext, l4, total; /* headers; ext: IPv6 fragment header; total: the frame */
};

static bool is_nd(const struct dsl_spec *s)
{
	return s->l4 == DSL_NS || s->l4 == DSL_NA;
}

static uint8_t protocol(const struct dsl_spec *s)
{
	switch (s->l4) {
	case DSL_TCP:
		return IPPROTO_TCP;
	case DSL_UDP:
		return IPPROTO_UDP;
	case DSL_SCTP:
		return IPPROTO_SCTP;
	case DSL_ICMP:
		return s->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	case DSL_NS:
	case DSL_NA:
		return IPPROTO_ICMPV6;
	default:
		return s->proto == DSL_DEFAULT ? IPPROTO_NONE : (uint8_t)s->proto;
	}
}

/* The link-layer address option; false = none. */
static bool link_option(const struct dsl_spec *s, struct skep_mac *lla)
{
	if (s->lla_kind == DSL_LLA_GIVEN) {
		*lla = s->lla;
		return true;
	}
	*lla = s->eth_src;
	return s->lla_kind == DSL_LLA_DEFAULT && !mac_is_zero(lla) &&
	       (s->l4 == DSL_NA || !ip_is_unspecified(&s->src));
}

static uint32_t l4_size(const struct dsl_spec *s)
{
	struct skep_mac lla;

	switch (s->l4) {
	case DSL_TCP:
		return TCP_SIZE;
	case DSL_UDP:
		return UDP_SIZE;
	case DSL_SCTP:
		return SCTP_SIZE;
	case DSL_ICMP:
		return ICMP_SIZE;
	case DSL_NS:
	case DSL_NA:
		return ND_SIZE + (link_option(s, &lla) ? 8 : 0);
	default:
		return 0;
	}
}

static int contradiction(const struct dsl_spec *s, struct err *err)
{
	if (s->l3 != DSL_NONE && s->type != DSL_DEFAULT)
		return err_set(err, -EINVAL,
			       "packet: layer 'eth': 'type' goes without an ip or arp layer");
	if (s->l3 == DSL_NONE && s->vlan == DSL_DEFAULT &&
	    (s->type == ETH_P_8021Q || s->type == ETH_P_8021AD))
		return err_set(err, -EINVAL, "packet: layer 'eth': a tag is written as 'vlan N'");
	if (s->l3 == DSL_NONE && (s->type == DSL_DEFAULT || s->type == 0) &&
	    s->data >= ETH_P_802_3_MIN)
		return err_set(
			err, -EINVAL,
			"packet: layer 'data': a frame with a length holds at most 1535 bytes");
	if (s->type != DSL_DEFAULT && s->type && s->type < ETH_P_802_3_MIN)
		return err_set(
			err, -EINVAL,
			"packet: layer 'eth': type 0x%04x is a length (want 0, or 0x0600 and above)",
			s->type);
	if (s->pcp && s->vlan == DSL_DEFAULT)
		return err_set(err, -EINVAL, "packet: layer 'eth': 'pcp' needs 'vlan'");
	if (s->l3 != DSL_IP)
		return 0;
	if (s->l4 != DSL_NONE && s->proto != DSL_DEFAULT)
		return err_set(err, -EINVAL,
			       "packet: layer 'ip': 'proto' goes without an L4 layer");
	if (s->l4 != DSL_NONE && s->frag == SKEP_FRAG_LATER)
		return err_set(
			err, -EINVAL,
			"packet: layer 'ip': a later fragment has no L4 layer (want 'proto N / data N')");
	if (s->v6 && s->df)
		return err_set(err, -EINVAL, "packet: layer 'ip': 'df' exists in IPv4 only");
	if (s->v6 && s->id && s->frag == SKEP_FRAG_NONE)
		return err_set(err, -EINVAL, "packet: layer 'ip': 'id' in IPv6 needs 'frag'");
	if (!s->v6 && s->id > UINT16_MAX)
		return err_set(err, -EINVAL, "packet: layer 'ip': id %u: want 0 to 65535", s->id);
	if (s->badcsum && s->v6 &&
	    (!l4_csum_off(protocol(s)) || s->l4 == DSL_NONE || s->frag != SKEP_FRAG_NONE))
		return err_set(err, -EINVAL, "packet: layer 'badcsum': this frame has no checksum");
	return 0;
}

static void put_eth(const struct dsl_spec *s, uint8_t *buf)
{
	uint32_t type = s->l3 == DSL_ARP		     ? ETH_P_ARP
			: s->l3 == DSL_IP		     ? (s->v6 ? ETH_P_IPV6 : ETH_P_IP)
			: s->type == DSL_DEFAULT || !s->type ? s->data
							     : s->type;

	memcpy(buf, &s->eth_dst, 6);
	memcpy(buf + 6, &s->eth_src, 6);
	if (s->vlan != DSL_DEFAULT) {
		put16(buf + 12, ETH_P_8021Q);
		put16(buf + 14, s->pcp << 13 | s->vlan);
		buf += VLAN_SIZE;
	}
	put16(buf + 12, type);
}

static void put_ip4(const struct dsl_spec *s, uint8_t *ip, uint32_t len)
{
	ip[0] = 0x45;
	ip[1] = (uint8_t)s->tos;
	put16(ip + 2, len);
	put16(ip + 4, s->id);
	put16(ip + 6, (s->df ? IP4_DF : 0U) | (s->frag == SKEP_FRAG_FIRST ? IP4_MF : 0U) |
			      (s->frag == SKEP_FRAG_LATER ? DSL_LATER_OFFSET / 8 : 0U));
	ip[8] = s->ttl == DSL_DEFAULT ? 64 : (uint8_t)s->ttl;
	ip[9] = protocol(s);
	store_v4(ip + 12, &s->src);
	store_v4(ip + 16, &s->dst);
	store_be16(ip + 10, pkt_csum(ip, IP4_SIZE, 0));
}

static void put_ip6(const struct dsl_spec *s, uint8_t *ip, uint32_t len)
{
	put16(ip, 0x6000 | s->tos << 4);
	put16(ip + 4, len - IP6_SIZE);
	ip[6] = s->frag == SKEP_FRAG_NONE ? protocol(s) : IPPROTO_FRAGMENT;
	ip[7] = s->ttl != DSL_DEFAULT ? (uint8_t)s->ttl : is_nd(s) ? 255 : 64;
	memcpy(ip + 8, &s->src, 16);
	memcpy(ip + 24, &s->dst, 16);
	if (s->frag == SKEP_FRAG_NONE)
		return;
	ip[IP6_SIZE] = protocol(s);
	put16(ip + IP6_SIZE + 2, s->frag == SKEP_FRAG_FIRST ? IP6_MF : DSL_LATER_OFFSET);
	put32(ip + IP6_SIZE + 4, s->id);
}

static void put_arp(const struct dsl_spec *s, uint8_t *to)
{
	const struct skep_mac *sha = s->has_sha ? &s->sha : &s->eth_src;
	const struct skep_mac *tha = s->has_tha ? &s->tha : s->arp_op == 2 ? &s->eth_dst : NULL;
	uint8_t arp[ETH_SIZE + ARP_SIZE];

	(void)pkt_build_arp(arp, sizeof(arp), (uint16_t)s->arp_op, &s->eth_dst, sha, &s->src, tha,
			    &s->dst);
	memcpy(to, arp + ETH_SIZE, ARP_SIZE);
}

static void put_l4(const struct dsl_spec *s, uint8_t *l4, uint32_t len)
{
	struct skep_mac lla;

	if (s->l4 == DSL_TCP || s->l4 == DSL_UDP || s->l4 == DSL_SCTP) {
		put16(l4, s->sport);
		put16(l4 + 2, s->dport);
	}
	switch (s->l4) {
	case DSL_TCP:
		put32(l4 + 4, s->seq);
		put32(l4 + 8, s->ack);
		l4[12] = TCP_SIZE / 4 << 4;
		l4[13] = (uint8_t)s->flags;
		put16(l4 + 14, 65535);
		break;
	case DSL_UDP:
		put16(l4 + 4, len);
		break;
	case DSL_ICMP:
		l4[0] = (uint8_t)s->icmp_type;
		l4[1] = (uint8_t)s->icmp_code;
		put32(l4 + 4, s->info | s->icmp_id << 16 | s->icmp_seq);
		break;
	case DSL_NS:
	case DSL_NA:
		l4[0] = s->l4 == DSL_NS ? ND_NS : ND_NA;
		l4[4] = (uint8_t)s->flags;
		memcpy(l4 + 8, &s->target, 16);
		if (link_option(s, &lla)) {
			l4[ND_SIZE] = s->l4 == DSL_NS ? 1 : 2;
			l4[ND_SIZE + 1] = 1;
			memcpy(l4 + ND_SIZE + 2, &lla, 6);
		}
		break;
	default:
		break;
	}
}

/* CRC-32C over the packet, least significant byte first (RFC 9260 appendix A). */
static void put_sctp_crc(uint8_t *l4, uint32_t len)
{
	uint32_t crc = ~0U;

	for (uint32_t i = 0; i < len; i++) {
		crc ^= l4[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	crc = ~crc;
	for (int i = 0; i < 4; i++)
		l4[8 + i] = (uint8_t)(crc >> 8 * i);
}

static void spoil(uint8_t *csum)
{
	uint16_t v = (uint16_t)(get16(csum) ^ 0x5555);

	put16(csum, v ? v : 0xaaaa); /* zero would mean "none" in UDP */
}

static void put_checksums(const struct dsl_spec *s, uint8_t *ip, uint8_t *l4, uint32_t len)
{
	struct pkt_fields f = { .eth_type = htons(s->v6 ? ETH_P_IPV6 : ETH_P_IP),
				.ip_src = s->src,
				.ip_dst = s->dst };
	uint8_t proto = protocol(s);
	uint32_t off = s->l4 == DSL_NONE || s->nocsum ? 0 : l4_csum_off(proto);

	if (s->l4 == DSL_SCTP)
		put_sctp_crc(l4, len);
	if (off) {
		uint16_t sum = pkt_csum(l4, len,
					proto == IPPROTO_ICMP ? 0 : pkt_pseudo_sum(&f, proto, len));

		store_be16(l4 + off, s->l4 == DSL_UDP && !sum ? 0xffff : sum);
	}
	if (!s->badcsum)
		return;
	if (off && s->frag == SKEP_FRAG_NONE)
		spoil(l4 + off);
	else if (!s->v6)
		spoil(ip + 10);
}

int dsl_build(const struct dsl_spec *s, uint8_t *buf, uint32_t cap, struct err *err)
{
	struct sizes z = { .l2 = ETH_SIZE + (s->vlan == DSL_DEFAULT ? 0 : VLAN_SIZE) };
	uint32_t ip_len;

	if (contradiction(s, err))
		return -EINVAL;
	if (s->l3 == DSL_ARP) {
		z.l3 = ARP_SIZE;
	} else if (s->l3 == DSL_IP) {
		z.l3 = s->v6 ? IP6_SIZE : IP4_SIZE;
		z.ext = s->v6 && s->frag != SKEP_FRAG_NONE ? IP6_FRAG_SIZE : 0;
		z.l4 = l4_size(s);
	}
	ip_len = z.l3 + z.ext + z.l4 + s->data;
	z.total = z.l2 + ip_len;
	if (s->l3 == DSL_IP && ip_len - (s->v6 ? IP6_SIZE : 0) > UINT16_MAX)
		return err_set(
			err, -EINVAL,
			"packet: layer 'data': %u bytes make the IP packet longer than 65535",
			s->data);
	if (z.total > cap)
		return err_set(err, -EINVAL, "packet: %u bytes, more than the buffer's %u", z.total,
			       cap);

	memset(buf, 0, z.total);
	put_eth(s, buf);
	if (s->l3 == DSL_ARP) {
		put_arp(s, buf + z.l2);
	} else if (s->l3 == DSL_IP) {
		uint8_t *ip = buf + z.l2, *l4 = ip + z.l3 + z.ext;

		(s->v6 ? put_ip6 : put_ip4)(s, ip, ip_len);
		put_l4(s, l4, z.l4 + s->data);
		put_checksums(s, ip, l4, z.l4 + s->data);
	}
	return (int)z.total;
}
