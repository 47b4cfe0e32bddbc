// SPDX-License-Identifier: Apache-2.0
#include "loader/replay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "packet/packet.h"

#define ETH_IPV4 0x0800

struct out {
	uint8_t *p;
	uint32_t n;
};

static void put(struct out *o, const void *p, uint32_t n)
{
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void put8(struct out *o, uint8_t v)
{
	put(o, &v, 1);
}

static void put16(struct out *o, uint16_t v)
{
	v = htons(v);
	put(o, &v, 2);
}

static void zero(struct out *o, uint32_t n)
{
	memset(o->p + o->n, 0, n);
	o->n += n;
}

static void put_eth(struct out *o, const struct skep_mac *dst, const struct skep_mac *src,
		    __be16 vlan, __be16 type)
{
	put(o, dst, 6);
	put(o, src, 6);
	if (vlan) {
		put16(o, 0x8100);
		put16(o, ntohs(vlan) & ~PKT_VLAN_PRESENT);
	}
	put(o, &type, 2);
}

/* Returns the length of the L4 header that follows. */
static uint32_t l4_len(uint8_t proto, uint8_t frag)
{
	if (frag == SKEP_FRAG_LATER)
		return 8;
	return proto == IPPROTO_TCP ? 20 : proto == IPPROTO_SCTP ? 12 : 8;
}

static void put_l4(struct out *o, uint8_t proto, uint8_t frag, __be16 sport, __be16 dport,
		   uint8_t flags)
{
	uint32_t len = l4_len(proto, frag), at = o->n;

	zero(o, len);
	if (frag == SKEP_FRAG_LATER)
		return;
	memcpy(o->p + at, &sport, 2); /* ICMP: type and code */
	switch (proto) {
	case IPPROTO_TCP:
		memcpy(o->p + at + 2, &dport, 2);
		o->p[at + 12] = 5 << 4;
		o->p[at + 13] = flags;
		break;
	case IPPROTO_UDP:
		memcpy(o->p + at + 2, &dport, 2);
		o->p[at + 5] = 8;
		break;
	case IPPROTO_SCTP:
		memcpy(o->p + at + 2, &dport, 2);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		memcpy(o->p + at + 4, &dport, 2); /* id of an echo */
		break;
	default:
		memset(o->p + at, 0, 4);
	}
}

static void put_ipv4(struct out *o, const struct skep_flow_key4 *k, uint8_t tos, uint8_t flags)
{
	uint32_t at = o->n;
	uint16_t sum;

	put8(o, 0x45);
	put8(o, tos);
	put16(o, (uint16_t)(20 + l4_len(k->proto, k->frag)));
	put16(o, 0);
	put16(o, k->frag == SKEP_FRAG_FIRST ? 0x2000 : k->frag == SKEP_FRAG_LATER ? 185 : 0);
	put8(o, REPLAY_TTL);
	put8(o, k->proto);
	put16(o, 0);
	put(o, &k->src, 4);
	put(o, &k->dst, 4);
	sum = pkt_csum(o->p + at, 20, 0);
	memcpy(o->p + at + 10, &sum, 2);
	put_l4(o, k->proto, k->frag, k->sport, k->dport, flags);
}

static void put_ipv6(struct out *o, const struct skep_flow_key6 *k, uint8_t tos, uint8_t flags)
{
	/* a class of any protocol has 0, which in IPv6 is an extension header */
	const uint8_t proto = k->proto || k->frag == SKEP_FRAG_LATER ? k->proto : IPPROTO_NONE;

	put8(o, 0x60 | tos >> 4);
	put8(o, (uint8_t)(tos << 4));
	zero(o, 2);
	put16(o, (uint16_t)((k->frag ? 8 : 0) + l4_len(proto, k->frag)));
	put8(o, k->frag ? IPPROTO_FRAGMENT : proto);
	put8(o, REPLAY_TTL);
	put(o, &k->src, 16);
	put(o, &k->dst, 16);
	if (k->frag) {
		put8(o, proto);
		put8(o, 0);
		put16(o, k->frag == SKEP_FRAG_FIRST ? 1 : 185 << 3);
		zero(o, 4);
	}
	put_l4(o, proto, k->frag, k->sport, k->dport, flags);
}

uint32_t replay_frame(const struct dp_flow_key *key, uint8_t buf[static REPLAY_MAX])
{
	return replay_flow(key, &(struct skep_flow){ 0 }, buf);
}

uint32_t replay_flow(const struct dp_flow_key *key, const struct skep_flow *flow,
		     uint8_t buf[static REPLAY_MAX])
{
	uint8_t tos = flow->flags & SKEP_F_TOS ? flow->tos : 0, flags = SKEP_TCP_ACK;
	struct out o = { .p = buf };

	if (flow->flags & SKEP_F_TCP)
		flags = (uint8_t)((flags & ~flow->tcp_mask) | flow->tcp_value);

	if (key->v6) {
		put_eth(&o, &key->k6.eth_dst, &key->k6.eth_src, key->k6.vlan, key->k6.eth_type);
		put_ipv6(&o, &key->k6, tos, flags);
		return o.n;
	}
	if (!key->k4.eth_type)
		return 0; /* 802.3 */
	put_eth(&o, &key->k4.eth_dst, &key->k4.eth_src, key->k4.vlan, key->k4.eth_type);
	if (ntohs(key->k4.eth_type) == ETH_IPV4)
		put_ipv4(&o, &key->k4, tos, flags);
	else
		zero(&o, 46);
	return o.n;
}
