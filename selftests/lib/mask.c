// SPDX-License-Identifier: Apache-2.0
/* Packets that differ in what a decision did not read, and whether they fare alike. */
#include "selftests/lib/mask.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selftests/lib/simtest.h"

static const uint8_t protos[] = { IPPROTO_ICMP, IPPROTO_TCP,	IPPROTO_UDP,
				  IPPROTO_SCTP, IPPROTO_ICMPV6, 47 };

static void random_bytes(uint64_t *random, void *p, size_t n)
{
	for (uint8_t *b = p; n; n--)
		*b++ = (uint8_t)simtest_random(random);
}

/* Bits of 'ip' behind the first 'len' become others. */
static void vary_ip(uint64_t *random, struct skep_ip *ip, unsigned int len)
{
	unsigned int skip = ip_is_v4(ip) ? 96 : 0;
	struct skep_ip other;

	if (skip + len >= 128)
		return;
	random_bytes(random, &other, sizeof(other));
	if (!simtest_below(random, 4)) { /* nearby: one bit, often the first of these */
		unsigned int bit = skip + len;

		if (simtest_below(random, 2))
			bit += simtest_below(random, 128 - bit);
		memset(&other, 0, sizeof(other));
		((uint8_t *)&other)[bit / 8] = 0x80 >> bit % 8;
	}
	for (unsigned int bit = skip + len; bit < 128; bit++) {
		uint8_t mask = 0x80 >> bit % 8;

		((uint8_t *)ip)[bit / 8] ^= ((uint8_t *)&other)[bit / 8] & mask;
	}
}

static void vary_bits(uint64_t *random, uint8_t *byte, uint8_t bits)
{
	uint8_t other = (uint8_t)simtest_random(random);

	*byte = (uint8_t)((*byte & ~bits) | (other & bits));
}

/* Bits behind the first 'len' become others: all of them, or just one, often the first. */
static void vary_behind(uint64_t *random, uint8_t *bytes, unsigned int width, unsigned int len)
{
	uint8_t other[8];
	unsigned int bit;

	if (len >= width)
		return;
	random_bytes(random, other, sizeof(other));
	if (!simtest_below(random, 8))
		memset(other, 0xff, sizeof(other));
	if (!simtest_below(random, 4)) { /* nearby */
		bit = simtest_below(random, 2) ? len : len + simtest_below(random, width - len);
		memset(other, 0, sizeof(other));
		other[bit / 8] = 0x80 >> bit % 8;
		for (unsigned int i = 0; i < width / 8; i++)
			other[i] ^= bytes[i];
	}
	for (bit = len; bit < width; bit++) {
		uint8_t mask = 0x80 >> bit % 8;

		bytes[bit / 8] = (uint8_t)((bytes[bit / 8] & ~mask) | (other[bit / 8] & mask));
	}
}

/* Fields as a parser gives them: no ports where there are none. */
void mask_settle(struct pkt_fields *f)
{
	bool known = f->ip_proto == IPPROTO_TCP || f->ip_proto == IPPROTO_UDP ||
		     f->ip_proto == IPPROTO_SCTP || f->ip_proto == IPPROTO_ICMP ||
		     f->ip_proto == IPPROTO_ICMPV6;

	f->has_l4 = known && f->ip_frag != SKEP_FRAG_LATER;
	if (!f->has_l4)
		f->l4_src = f->l4_dst = 0;
	if (!f->has_l4 || f->ip_proto != IPPROTO_TCP)
		f->tcp_flags = 0;
}

static void become_another_type(uint64_t *random, struct pkt_fields *f)
{
	static const uint16_t types[] = { ETH_P_IP, ETH_P_IPV6, 0x88b5, 0 };
	struct pkt_fields n = { .eth_dst = f->eth_dst, .eth_src = f->eth_src, .vlan = f->vlan };
	uint16_t type = types[simtest_below(random, 4)];

	n.eth_type = htons(type);
	if (type == ETH_P_IP || type == ETH_P_IPV6) {
		n.ip_src = n.ip_dst = ip_from_v4(0);
		if (type == ETH_P_IPV6)
			n.ip_src = n.ip_dst = (struct skep_ip){ { htonl(0xfd000000) } };
		vary_ip(random, &n.ip_src, 8);
		vary_ip(random, &n.ip_dst, 8);
		n.ip_proto = IPPROTO_UDP;
		n.ip_ttl = 64;
		mask_settle(&n);
	}
	*f = n;
}

/* A field is in the mask exactly when it has a length. */
static void mask_check(const struct sim_mask *m)
{
	const bool agree = !(m->fields & SIM_FIELD_ETH_DST) == !m->eth_dst_len &&
			   !(m->fields & SIM_FIELD_ETH_SRC) == !m->eth_src_len &&
			   !(m->fields & SIM_FIELD_IP_SRC) == !m->src_len &&
			   !(m->fields & SIM_FIELD_IP_DST) == !m->dst_len &&
			   !(m->fields & SIM_FIELD_L4_SRC) == !m->l4_src_len &&
			   !(m->fields & SIM_FIELD_L4_DST) == !m->l4_dst_len;

	if (!agree || m->eth_dst_len > 48 || m->eth_src_len > 48 || m->l4_src_len > 16 ||
	    m->l4_dst_len > 16) {
		fprintf(stderr, "a mask whose fields and lengths do not agree\n");
		abort();
	}
}

void mask_vary(uint64_t *random, const struct sim_result *res, struct pkt_fields *f)
{
	uint32_t free_ = ~res->mask.fields;
	bool ip;

	mask_check(&res->mask);
	vary_behind(random, f->eth_dst.b, 48, res->mask.eth_dst_len);
	vary_behind(random, f->eth_src.b, 48, res->mask.eth_src_len);
	if (free_ & SIM_FIELD_VLAN)
		f->vlan = simtest_below(random, 2)
				  ? htons((uint16_t)(simtest_below(random, 4096) |
						     PKT_VLAN_PRESENT))
				  : 0;
	if ((free_ & SIM_FIELD_ETH_TYPE) && simtest_below(random, 2))
		become_another_type(random, f);
	ip = f->eth_type == htons(ETH_P_IP) || f->eth_type == htons(ETH_P_IPV6);
	if (!ip)
		return;
	vary_ip(random, &f->ip_src, res->mask.src_len);
	vary_ip(random, &f->ip_dst, res->mask.dst_len);
	if (free_ & SIM_FIELD_PROTO)
		f->ip_proto = protos[simtest_below(random, sizeof(protos))];
	if (free_ & SIM_FIELD_FRAG)
		f->ip_frag = (uint8_t)simtest_below(random, 3);
	vary_behind(random, (uint8_t *)&f->l4_src, 16, res->mask.l4_src_len);
	vary_behind(random, (uint8_t *)&f->l4_dst, 16, res->mask.l4_dst_len);
	f->ip_ttl = (uint8_t)(res->ttl_dec + 1 + simtest_below(random, 255 - res->ttl_dec));
	vary_bits(random, &f->ip_tos, free_ & SIM_FIELD_DSCP ? 0xff : 0x03);
	vary_bits(random, &f->tcp_flags,
		  free_ & SIM_FIELD_TCP_FLAGS ? 0xff : (uint8_t)~res->mask.tcp_mask);
	mask_settle(f);
}

/* What leaves is the variant's own, but for what the first packet's flow rewrites. */
static bool same_rewrite(const struct pkt_fields *in, const struct sim_output *o,
			 const struct pkt_fields *in2, const struct sim_output *o2)
{
	const struct pkt_fields *out = &o->f, *out2 = &o2->f;
	struct pkt_fields want = *in2;

	if (o->set_dscp != o2->set_dscp || o->mirror != o2->mirror)
		return false;
	if (o->set_dscp)
		want.ip_tos = (out->ip_tos & 0xfc) | (want.ip_tos & 3);
	if (in->vlan != out->vlan)
		want.vlan = out->vlan;
	if (!ip_eq(&in->ip_src, &out->ip_src))
		want.ip_src = out->ip_src;
	if (!ip_eq(&in->ip_dst, &out->ip_dst))
		want.ip_dst = out->ip_dst;
	if (in->l4_src != out->l4_src)
		want.l4_src = out->l4_src;
	if (in->l4_dst != out->l4_dst)
		want.l4_dst = out->l4_dst;

	if (!mac_eq(&in->eth_dst, &out->eth_dst))
		want.eth_dst = out->eth_dst;
	if (!mac_eq(&in->eth_src, &out->eth_src))
		want.eth_src = out->eth_src;
	want.ip_ttl = (uint8_t)(want.ip_ttl - (in->ip_ttl - out->ip_ttl));
	return !memcmp(&want, out2, sizeof(want));
}

const char *mask_difference(const struct pkt_fields *in, const struct sim_result *a,
			      const struct pkt_fields *in2, const struct sim_result *b)
{
	if (a->verdict != b->verdict)
		return "verdict";
	if (a->reason != b->reason)
		return "reason";
	if (a->culprit.object != b->culprit.object || a->culprit.rule != b->culprit.rule)
		return "culprit";
	if (!b->cacheable)
		return "cacheable";
	if (a->ttl_dec != b->ttl_dec)
		return "ttl_dec";
	if (a->n_outputs != b->n_outputs)
		return "number of outputs";
	if (a->n_learns != b->n_learns)
		return "what is learnt";
	for (uint32_t i = 0; i < a->n_outputs; i++) {
		if (a->outputs[i].port != b->outputs[i].port ||
		    a->outputs[i].flooded != b->outputs[i].flooded)
			return "output port";
		if (!same_rewrite(in, &a->outputs[i], in2, &b->outputs[i]))
			return "rewrite";
	}
	return NULL;
}

const char *mask_unsound(const struct pkt_fields *in, const struct sim_result *a,
			 const struct pkt_fields *in2, const struct sim_result *b)
{
	if (a->n_rules != b->n_rules || a->n_logs != b->n_logs ||
	    (a->n_rules && memcmp(a->rules, b->rules, a->n_rules * sizeof(*a->rules))))
		return "the rules that are counted";
	return mask_difference(in, a, in2, b);
}
