/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the simulator: reading header fields.  Every read that decides something goes through a see_*(): it puts the field into the mask, unless
 * this path has overwritten it (then the packet's own value no longer counts).  Tests of addresses, MACs and ports mark no more leading bits
 * than decide them (util/near.h), also when the answer is no: packets that fare alike share a flow.
 *
 * While a run lasts, SIM_FIELD_L4_* and SIM_FIELD_ETH_SRC and _DST in the mask mean the whole field, whatever the length says; sim_mask_settle() ends that.
 */
#pragma once

#include "simulator/run.h"
#include "util/near.h"

/* mask.c: fields and lengths agree. */
struct sim_mask sim_mask_settle(const struct sim_mask *mask);

static inline void see(struct walk *w, uint32_t fields)
{
	if (!w->generation)
		w->run->mask.fields |= fields & ~w->written;
}

/* The leading bits of a field that has a length, which is 'len'. */
static inline void see_bits(const struct walk *w, uint32_t field, uint8_t *len, unsigned int bits)
{
	if (!w->generation && *len < bits && !(w->written & field))
		*len = (uint8_t)bits;
}

static inline const struct skep_mac *see_eth_dst(struct walk *w)
{
	see(w, SIM_FIELD_ETH_DST);
	return &w->f.eth_dst;
}

static inline const struct skep_mac *see_eth_src(struct walk *w)
{
	see(w, SIM_FIELD_ETH_SRC);
	return &w->f.eth_src;
}

static inline void see_eth_bits(struct walk *w, bool src, unsigned int bits)
{
	struct sim_mask *m = &w->run->mask;

	see_bits(w, src ? SIM_FIELD_ETH_SRC : SIM_FIELD_ETH_DST,
		 src ? &m->eth_src_len : &m->eth_dst_len, bits);
}

/* Has the MAC these values in the bits of 'mask'? */
static inline bool see_eth_in(struct walk *w, bool src, const struct skep_mac *want, uint64_t mask)
{
	const struct skep_mac *mac = src ? &w->f.eth_src : &w->f.eth_dst;
	const uint64_t other = (near_mac_number(mac) ^ near_mac_number(want)) & mask;

	see_eth_bits(w, src, near48(other, mask));
	return !other;
}

#define SEE_MAC_ALL 0xffffffffffffULL
static inline bool see_eth_is(struct walk *w, bool src, const struct skep_mac *want)
{
	return see_eth_in(w, src, want, SEE_MAC_ALL);
}

static inline bool see_eth_multicast(struct walk *w, bool src)
{
	see_eth_bits(w, src, 8);
	return mac_is_multicast(src ? &w->f.eth_src : &w->f.eth_dst);
}

/* Is it sent to the very MAC that it comes from? */
static inline bool see_eth_same(struct walk *w)
{
	const uint64_t other = near_mac_number(&w->f.eth_src) ^ near_mac_number(&w->f.eth_dst);
	const unsigned int bits = near48(other, SEE_MAC_ALL);

	see_eth_bits(w, true, bits);
	see_eth_bits(w, false, bits);
	return !other;
}

static inline uint16_t see_eth_type(struct walk *w) /* host order */
{
	see(w, SIM_FIELD_ETH_TYPE);
	return ntohs(w->f.eth_type);
}

static inline __be16 see_vlan(struct walk *w)
{
	see(w, SIM_FIELD_VLAN);
	return w->f.vlan;
}

static inline void see_ip_bits(struct walk *w, bool src, unsigned int bits)
{
	const uint32_t field = src ? SIM_FIELD_IP_SRC : SIM_FIELD_IP_DST;
	struct sim_mask *m = &w->run->mask;
	uint8_t *len = src ? &m->src_len : &m->dst_len;

	if (*len >= bits || w->generation || (w->written & field))
		return;
	m->fields |= field;
	*len = (uint8_t)bits;
}

static inline const struct skep_ip *see_ip_src(struct walk *w, unsigned int len)
{
	see_ip_bits(w, true, len);
	return &w->f.ip_src;
}

static inline const struct skep_ip *see_ip_dst(struct walk *w, unsigned int len)
{
	see_ip_bits(w, false, len);
	return &w->f.ip_dst;
}

static inline bool see_is_ip(struct walk *w)
{
	uint16_t type = see_eth_type(w);

	return type == ETH_P_IP || type == ETH_P_IPV6;
}

/* Those below make sense for IP packets only. */
static inline unsigned int ip_width(const struct walk *w)
{
	return w->f.eth_type == htons(ETH_P_IPV6) ? 128 : 32;
}

/* Is it this address? */
static inline bool see_ip_is(struct walk *w, bool src, const struct skep_ip *want)
{
	const struct skep_ip *ip = src ? &w->f.ip_src : &w->f.ip_dst;
	const bool v4 = ip_width(w) == 32;

	if (v4 && !near_is_v4(want))
		return false;
	see_ip_bits(w, src, near_ip(ip, want, v4));
	return ip_eq(ip, want);
}

/* Is it in a prefix of its family? */
static inline bool see_ip_in(struct walk *w, bool src, const struct skep_ip *net, unsigned int len)
{
	const struct skep_ip *ip = src ? &w->f.ip_src : &w->f.ip_dst;
	unsigned int bits;
	uint32_t other;

	if (ip_width(w) == 32) {
		other = ntohl(ip->w[3] ^ net->w[3]);
		bits = len && other >> (32 - len) ? (unsigned int)__builtin_clz(other) + 1 : 0;
	} else {
		bits = near_ip(ip, net, false);
		bits = bits < len || (bits == len && !ip_eq(ip, net)) ? bits : 0;
	}
	see_ip_bits(w, src, bits ? bits : len);
	return !bits; /* else: those that tell that it is not */
}

/* Are the first 16 bits from lo to hi? */
static inline bool see_ip_top(struct walk *w, bool src, uint16_t lo, uint16_t hi)
{
	const uint32_t first = ntohl((src ? &w->f.ip_src : &w->f.ip_dst)->w[ip_width(w) == 32 ? 3 : 0]);
	const uint16_t x = (uint16_t)(first >> 16);

	see_ip_bits(w, src, near16_range(x, lo, hi));
	return x >= lo && x <= hi;
}

static inline uint8_t see_proto(struct walk *w)
{
	see(w, SIM_FIELD_PROTO);
	return w->f.ip_proto;
}

static inline uint8_t see_frag(struct walk *w)
{
	see(w, SIM_FIELD_FRAG);
	return w->f.ip_frag;
}

/* Whether there are ports at all follows from the protocol and the fragment kind. */
static inline bool see_has_l4(struct walk *w)
{
	see(w, SIM_FIELD_PROTO | SIM_FIELD_FRAG);
	return w->f.has_l4;
}

static inline uint16_t see_l4_src(struct walk *w) /* host order */
{
	see(w, SIM_FIELD_L4_SRC);
	return ntohs(w->f.l4_src);
}

static inline uint16_t see_l4_dst(struct walk *w)
{
	see(w, SIM_FIELD_L4_DST);
	return ntohs(w->f.l4_dst);
}

static inline bool see_l4_in(struct walk *w, bool src, uint16_t lo, uint16_t hi)
{
	const uint16_t x = ntohs(src ? w->f.l4_src : w->f.l4_dst);
	struct sim_mask *m = &w->run->mask;

	see_bits(w, src ? SIM_FIELD_L4_SRC : SIM_FIELD_L4_DST, src ? &m->l4_src_len : &m->l4_dst_len,
		 near16_range(x, lo, hi));
	return x >= lo && x <= hi;
}

/* Of UDP, for one: from this port to that one? */
static inline bool see_l4_ports(struct walk *w, uint16_t from, uint16_t to)
{
	return see_l4_in(w, false, to, to) && see_l4_in(w, true, from, from);
}

static inline uint8_t see_icmp_type(struct walk *w)
{
	see_bits(w, SIM_FIELD_L4_SRC, &w->run->mask.l4_src_len, 8);
	return (uint8_t)(ntohs(w->f.l4_src) >> 8);
}

static inline bool see_icmp_is(struct walk *w, uint8_t type)
{
	return see_l4_in(w, true, (uint16_t)(type << 8), (uint16_t)(type << 8 | 0xff));
}

static inline uint8_t see_dscp(struct walk *w)
{
	see(w, SIM_FIELD_DSCP);
	return w->f.ip_tos >> 2;
}

static inline uint8_t see_tcp_flags(struct walk *w, uint8_t mask) /* of TCP with its header only */
{
	see(w, SIM_FIELD_TCP_FLAGS);
	if (!w->generation)
		w->run->mask.tcp_mask |= mask;
	return w->f.tcp_flags & mask;
}

static inline uint8_t see_ttl(struct walk *w)
{
	see(w, SIM_FIELD_TTL);
	return w->f.ip_ttl;
}

static inline const struct pkt_fields *see_arp(struct walk *w)
{
	see(w, SIM_FIELD_ARP);
	see_ip_src(w, 32);
	see_ip_dst(w, 32);
	return &w->f;
}

static inline const struct pkt_fields *see_nd(struct walk *w)
{
	see(w, SIM_FIELD_ND);
	see_ip_src(w, 128);
	return &w->f;
}

static inline void set_macs(struct walk *w, const struct skep_mac *src, const struct skep_mac *dst)
{
	w->f.eth_src = *src;
	w->f.eth_dst = *dst;
	w->written |= SIM_FIELD_ETH_SRC | SIM_FIELD_ETH_DST;
}

static inline void set_ip_src(struct walk *w, const struct skep_ip *ip)
{
	w->f.ip_src = *ip;
	w->written |= SIM_FIELD_IP_SRC;
}

static inline void set_ip_dst(struct walk *w, const struct skep_ip *ip)
{
	w->f.ip_dst = *ip;
	w->written |= SIM_FIELD_IP_DST;
}

static inline void set_dscp(struct walk *w, uint8_t dscp)
{
	w->f.ip_tos = (uint8_t)(dscp << 2 | (w->f.ip_tos & 3));
	w->written |= SIM_FIELD_DSCP;
}

static inline void set_l4_src(struct walk *w, __be16 port)
{
	w->f.l4_src = port;
	w->written |= SIM_FIELD_L4_SRC;
}

static inline void set_l4_dst(struct walk *w, __be16 port)
{
	w->f.l4_dst = port;
	w->written |= SIM_FIELD_L4_DST;
}
