// SPDX-License-Identifier: Apache-2.0
/* Fields of masks, each varied by itself (excess.h). */
#include "selftests/lib/excess.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "selftests/lib/mask.h"
#include "selftests/lib/simtest.h"

#define TRIES 96 /* values of one field */
#define PREFIXES                                                                              \
	(SIM_FIELD_ETH_DST | SIM_FIELD_ETH_SRC | SIM_FIELD_IP_SRC | SIM_FIELD_IP_DST |         \
	 SIM_FIELD_L4_SRC | SIM_FIELD_L4_DST)

/* Flows carry TTL and length by themselves; ARP, ND and payload are never cacheable. */
static const struct field {
	uint32_t bit;
	const char *name;
} fields[] = {
	{ SIM_FIELD_ETH_DST, "eth_dst" },     { SIM_FIELD_ETH_SRC, "eth_src" },
	{ SIM_FIELD_ETH_TYPE, "eth_type" },   { SIM_FIELD_VLAN, "vlan" },
	{ SIM_FIELD_IP_SRC, "ip_src" },	      { SIM_FIELD_IP_DST, "ip_dst" },
	{ SIM_FIELD_PROTO, "proto" },	      { SIM_FIELD_L4_SRC, "l4_src" },
	{ SIM_FIELD_L4_DST, "l4_dst" },	      { SIM_FIELD_FRAG, "frag" },
	{ SIM_FIELD_TTL, "ttl" },	      { SIM_FIELD_DSCP, "dscp" },
	{ SIM_FIELD_TCP_FLAGS, "tcp_flags" },
};

void excess_donor(struct excess *e, const struct pkt_fields *f)
{
	unsigned int i = e->n_donors < EXCESS_DONORS ? e->n_donors++ :
						       simtest_below(&e->random, EXCESS_DONORS);

	e->donors[i] = *f;
}

void excess_forget_donors(struct excess *e)
{
	e->n_donors = 0;
}

static void random_bytes(struct excess *e, void *p, size_t n)
{
	for (uint8_t *b = p; n; n--)
		*b++ = (uint8_t)simtest_random(&e->random);
}

/* The first 'keep' bits stay, bit 'flip' becomes another (if it is one), the rest is 'from's. */
static void vary_ip(struct skep_ip *ip, const struct skep_ip *from, unsigned int keep, int flip)
{
	unsigned int skip = ip_is_v4(ip) ? 96 : 0;
	uint8_t *to = (uint8_t *)ip;
	const uint8_t *other = (const uint8_t *)from;

	for (unsigned int bit = skip + keep; bit < 128; bit++) {
		uint8_t m = 0x80 >> bit % 8;

		if ((int)(bit - skip) == flip)
			to[bit / 8] ^= m;
		else
			to[bit / 8] = (uint8_t)((to[bit / 8] & ~m) | (other[bit / 8] & m));
	}
}

/* 'len': 0 = any bit of the address; else only the last bit of the prefix, and what is behind it. */
static void vary_address(struct excess *e, struct skep_ip *ip, const struct pkt_fields *donor, bool dst,
			 unsigned int len)
{
	struct skep_ip from, nearby = *ip;

	random_bytes(e, &from, sizeof(from));
	if (donor && simtest_below(&e->random, 4))
		from = simtest_below(&e->random, 2) == dst ? donor->ip_dst : donor->ip_src;
	if (len && simtest_below(&e->random, 2))
		from = nearby; /* the lower bits of this very packet */
	if (ip_is_v4(&from) != ip_is_v4(ip) && donor)
		random_bytes(e, &from, sizeof(from));
	if (len)
		vary_ip(ip, &from, len - 1, (int)len - 1);
	else
		vary_ip(ip, &from, simtest_below(&e->random, 2) ? 0 : simtest_below(&e->random, ip_is_v4(ip) ? 32 : 128), -1);
}

static uint16_t port_near(struct excess *e, uint16_t port)
{
	static const uint16_t known[] = { 0, 1, 22, 53, 68, 67, 80, 443, 546, 547, 1023, 1024, 8080, 65535, 0x0800, 0x8000, 0x0300, 0x0304 };
	unsigned int kind = simtest_below(&e->random, 4);

	if (!kind)
		return htons((uint16_t)(ntohs(port) ^ 1u << simtest_below(&e->random, 16)));
	if (kind == 1)
		return htons(known[simtest_below(&e->random, ARRAY_SIZE(known))]);
	return (uint16_t)simtest_random(&e->random);
}

static void vary_mac(struct excess *e, struct skep_mac *mac, const struct pkt_fields *donor)
{
	if (!donor || !simtest_below(&e->random, 3))
		random_bytes(e, mac, sizeof(*mac));
	else
		*mac = simtest_below(&e->random, 2) ? donor->eth_src : donor->eth_dst;
}

static void vary_proto(struct excess *e, struct pkt_fields *f, const struct pkt_fields *donor)
{
	static const uint8_t protos[] = { 1, 6, 17, 47, 58, 132, 136 };

	f->ip_proto = donor && simtest_below(&e->random, 2) ? donor->ip_proto :
							    protos[simtest_below(&e->random, ARRAY_SIZE(protos))];
	if (donor && simtest_below(&e->random, 2)) { /* with that protocol's numbers, and flags */
		f->l4_src = donor->l4_src;
		f->l4_dst = donor->l4_dst;
	}
	f->tcp_flags = f->ip_proto == 6 ? (simtest_below(&e->random, 2) ? 0x02 : 0x10) : 0;
}

static void vary_type(struct excess *e, struct pkt_fields *f, const struct pkt_fields *donor)
{
	struct pkt_fields n = { .eth_dst = f->eth_dst, .eth_src = f->eth_src, .vlan = f->vlan, .eth_type = htons(0x88b5) };

	if (donor && donor->eth_type != htons(ETH_P_ARP) && simtest_below(&e->random, 4)) {
		n = *donor;
		n.eth_dst = f->eth_dst;
		n.eth_src = f->eth_src;
		n.vlan = f->vlan;
	}
	*f = n;
}

/* The first 'len' - 1 bits are those of before, the last of the prefix is not; of what is behind it, sometimes. */
static void keep_prefix(struct excess *e, uint8_t *now, const uint8_t *before, unsigned int width, unsigned int len)
{
	const bool rest = simtest_below(&e->random, 2);

	for (unsigned int at = 0; len && at < width; at++) {
		const uint8_t m = 0x80 >> at % 8, was = before[at / 8] & m;

		if (at == len - 1)
			now[at / 8] = (uint8_t)((now[at / 8] & ~m) | (was ^ m));
		else if (at < len || rest)
			now[at / 8] = (uint8_t)((now[at / 8] & ~m) | was);
	}
}

static void vary(struct excess *e, uint32_t bit, struct pkt_fields *f, const struct sim_result *res,
		 unsigned int len)
{
	const struct pkt_fields *donor = e->n_donors ? &e->donors[simtest_below(&e->random, e->n_donors)] : NULL;
	const struct pkt_fields was = *f;

	switch (bit) {
	case SIM_FIELD_ETH_DST:
		vary_mac(e, &f->eth_dst, donor);
		keep_prefix(e, f->eth_dst.b, was.eth_dst.b, 48, len);
		break;
	case SIM_FIELD_ETH_SRC:
		vary_mac(e, &f->eth_src, donor);
		keep_prefix(e, f->eth_src.b, was.eth_src.b, 48, len);
		break;
	case SIM_FIELD_ETH_TYPE:
		vary_type(e, f, donor);
		break;
	case SIM_FIELD_VLAN:
		f->vlan = donor && simtest_below(&e->random, 2) ? donor->vlan :
			  simtest_below(&e->random, 3) ?
			  htons((uint16_t)(simtest_below(&e->random, 4096) | PKT_VLAN_PRESENT)) : 0;
		break;
	case SIM_FIELD_IP_SRC:
		vary_address(e, &f->ip_src, donor, false, len);
		break;
	case SIM_FIELD_IP_DST:
		vary_address(e, &f->ip_dst, donor, true, len);
		break;
	case SIM_FIELD_PROTO:
		vary_proto(e, f, donor);
		break;
	case SIM_FIELD_L4_SRC:
		f->l4_src = donor && simtest_below(&e->random, 2) ? donor->l4_src : port_near(e, f->l4_src);
		keep_prefix(e, (uint8_t *)&f->l4_src, (const uint8_t *)&was.l4_src, 16, len);
		break;
	case SIM_FIELD_L4_DST:
		f->l4_dst = donor && simtest_below(&e->random, 2) ? donor->l4_dst : port_near(e, f->l4_dst);
		keep_prefix(e, (uint8_t *)&f->l4_dst, (const uint8_t *)&was.l4_dst, 16, len);
		break;
	case SIM_FIELD_FRAG:
		f->ip_frag = (uint8_t)simtest_below(&e->random, 3);
		break;
	case SIM_FIELD_TTL:
		f->ip_ttl = (uint8_t)simtest_below(&e->random, (uint32_t)res->ttl_dec + 2);
		break;
	case SIM_FIELD_DSCP:
		f->ip_tos = (uint8_t)((f->ip_tos & 3) |
				      (donor && simtest_below(&e->random, 2) ? donor->ip_tos & 0xfc :
									       simtest_below(&e->random, 64) << 2));
		break;
	default:
		f->tcp_flags = (uint8_t)((f->tcp_flags & ~res->mask.tcp_mask) |
					 (simtest_random(&e->random) & res->mask.tcp_mask));
		break;
	}
	mask_settle(f);
}

/* Does the flow depend on, or count, something else? */
static bool depends_otherwise(const struct sim_result *a, const struct sim_result *b)
{
	if (a->n_tags != b->n_tags || a->n_rules != b->n_rules || a->n_logs != b->n_logs || a->mtu != b->mtu)
		return true;
	for (uint32_t i = 0; i < a->n_tags; i++)
		if (!topo_tag_eq(&a->tags[i], &b->tags[i]))
			return true;
	for (uint32_t i = 0; i < a->n_rules; i++)
		if (a->rules[i] != b->rules[i])
			return true;
	return false;
}

struct trial {
	struct sim *sim;
	const struct topo_snapshot *snap;
	const struct sim_view *view;
	const struct topo_port *in;
	const struct pkt *pkt;
	uint64_t now_ns, seed;
	const struct sim_result *res;
};

/* 0: nothing makes a difference; 1: to tags or counters; 2: to the decision; -1 with 'err'. */
static int matters(struct excess *e, const struct trial *t, uint32_t bit, unsigned int len, struct err *err)
{
	int most = 0;

	for (unsigned int i = 0; i < TRIES && most < 2; i++) {
		struct pkt pkt = *t->pkt;
		struct sim_result res;

		vary(e, bit, &pkt.f, t->res, len);
		if (!memcmp(&pkt.f, &t->pkt->f, sizeof(pkt.f)))
			continue;
		if (sim_always_up(&pkt.f))
			return 2;
		if (sim_run(t->sim, t->snap, t->view, t->in, &pkt, t->now_ns, t->seed, 0, &res, err))
			return -1;
		if (mask_difference(&t->pkt->f, t->res, &pkt.f, &res) || res.n_new_conns != t->res->n_new_conns)
			most = 2;
		else if (!most && depends_otherwise(t->res, &res))
			most = 1;
	}
	return most;
}

static unsigned int length(const struct sim_mask *m, uint32_t bit)
{
	switch (bit) {
	case SIM_FIELD_ETH_DST:
		return m->eth_dst_len;
	case SIM_FIELD_ETH_SRC:
		return m->eth_src_len;
	case SIM_FIELD_IP_SRC:
		return m->src_len;
	case SIM_FIELD_IP_DST:
		return m->dst_len;
	case SIM_FIELD_L4_SRC:
		return m->l4_src_len;
	case SIM_FIELD_L4_DST:
		return m->l4_dst_len;
	default:
		return 0;
	}
}

int excess_try(struct excess *e, struct sim *sim, const struct topo_snapshot *snap,
	       const struct sim_view *view, const struct topo_port *in, const struct pkt *pkt,
	       uint64_t now_ns, uint64_t seed, const struct sim_result *res, struct err *err)
{
	const struct trial t = { sim, snap, view, in, pkt, now_ns, seed, res };

	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++) {
		const unsigned int len = length(&res->mask, fields[i].bit);
		int much;

		if (!(res->mask.fields & fields[i].bit))
			continue;
		much = matters(e, &t, fields[i].bit, 0, err);
		if (much < 0)
			return -1;
		e->read[i]++;
		e->idle[i] += !much;
		e->tags_only[i] += much == 1;
		if (!much || !len)
			continue;
		much = matters(e, &t, fields[i].bit, len, err);
		if (much < 0)
			return -1;
		e->long_[i] += !much;
	}
	return 0;
}

double excess_report(const struct excess *e, const char *title)
{
	unsigned int read = 0, idle = 0, long_ = 0, tags = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!e->read[i])
			continue;
		printf("#   %-10s in %6u masks: %5.2f %% made no difference, %5.2f %% to tags or counters only", fields[i].name,
		       e->read[i], 100.0 * e->idle[i] / e->read[i], 100.0 * e->tags_only[i] / e->read[i]);
		if (fields[i].bit & PREFIXES)
			printf("; the prefix's last bit: %5.2f %%", 100.0 * e->long_[i] / e->read[i]);
		printf("\n");
		read += e->read[i];
		idle += e->idle[i];
		long_ += e->long_[i];
		tags += e->tags_only[i];
	}
	printf("# %s: %u fields in masks, %.2f %% made no difference, %.2f %% to tags or counters only, %u prefixes longer than it takes\n",
	       title, read, read ? 100.0 * idle / read : 0, read ? 100.0 * tags / read : 0, long_);
	return read ? 100.0 * (idle + long_) / read : 0;
}
