// SPDX-License-Identifier: Apache-2.0
/*
 * Masks are rounded up to a few lengths of prefixes (more bits are always right, they only make more flows), because each mask that a port
 * has costs its packets without a flow one lookup.
 */
#include "loader/class_key.h"
#include "loader/index.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define STEP4 INDEX_STEP4 /* bits to which the length of a prefix is rounded */
#define STEP6 INDEX_STEP6
#define STEP_MAC 24
#define STEP_L4 4

/* --- masks --- */

static void set_prefix(void *to, unsigned int width, unsigned int len, unsigned int step)
{
	uint8_t *b = to;

	len = (len + step - 1) / step * step;
	if (len > width)
		len = width;
	for (unsigned int i = 0; i < width / 8; i++, len = len > 8 ? len - 8 : 0)
		b[i] |= len >= 8 ? 0xff : (uint8_t)(0xff00 >> len);
}

/* All of a field that was written with what the packet has already, else its leading bits that were read. */
static void set_field(void *to, unsigned int width, unsigned int len, unsigned int step, bool alike)
{
	set_prefix(to, width, alike ? width : len, step);
}

/* A field that was written, but with what this packet has already, looks as if it had not been: it has to be the same for others. */
static uint32_t written_alike(const struct pkt_fields *in, const struct sim_result *res)
{
	uint32_t fields = 0;

	for (uint32_t i = 0; i < res->n_outputs; i++) {
		const struct sim_output *o = &res->outputs[i];
		uint32_t same = 0;

		same |= mac_eq(&in->eth_dst, &o->f.eth_dst) ? SIM_FIELD_ETH_DST : 0;
		same |= mac_eq(&in->eth_src, &o->f.eth_src) ? SIM_FIELD_ETH_SRC : 0;
		same |= ip_eq(&in->ip_src, &o->f.ip_src) ? SIM_FIELD_IP_SRC : 0;
		same |= ip_eq(&in->ip_dst, &o->f.ip_dst) ? SIM_FIELD_IP_DST : 0;
		same |= in->l4_src == o->f.l4_src ? SIM_FIELD_L4_SRC : 0;
		same |= in->l4_dst == o->f.l4_dst ? SIM_FIELD_L4_DST : 0;
		fields |= o->written & same;
	}
	return fields;
}

/* Both kinds of key have the same members, in different places.  Tags, types and kinds of fragments are few: they are in every mask, so that a
 * flow is of one family and one shape of packet. */
#define FILL(k, m, alike, width, step)                                                              \
	do {                                                                                        \
		set_prefix(&(k)->in_key, 32, 32, 8);                                                \
		set_prefix(&(k)->eth_type, 16, 16, 8);                                              \
		set_prefix(&(k)->vlan, 16, 16, 8);                                                  \
		set_prefix(&(k)->frag, 8, 8, 8);                                                    \
		set_prefix(&(k)->proto, 8, (m)->fields & SIM_FIELD_PROTO ? 8 : 0, 8);               \
		set_field(&(k)->eth_dst, 48, (m)->eth_dst_len, STEP_MAC, (alike) & SIM_FIELD_ETH_DST); \
		set_field(&(k)->eth_src, 48, (m)->eth_src_len, STEP_MAC, (alike) & SIM_FIELD_ETH_SRC); \
		set_field(&(k)->src, width, (m)->src_len, step, (alike) & SIM_FIELD_IP_SRC);         \
		set_field(&(k)->dst, width, (m)->dst_len, step, (alike) & SIM_FIELD_IP_DST);         \
		set_field(&(k)->sport, 16, (m)->l4_src_len, STEP_L4, (alike) & SIM_FIELD_L4_SRC);    \
		set_field(&(k)->dport, 16, (m)->l4_dst_len, STEP_L4, (alike) & SIM_FIELD_L4_DST);    \
	} while (0)

void class_mask(const struct sim_result *res, const struct skep_flow *flow, const struct pkt_fields *in, bool v6, struct skep_mask *mask)
{
	const struct sim_mask *m = &res->class_mask;
	const uint32_t alike = written_alike(in, res);
	const uint16_t nat = res->class_nat ? 0xffff : 0;
	const uint8_t ct = res->class_ct ? 0xff : 0, tcp = flow->flags & SKEP_F_TCP ? flow->tcp_mask : 0,
		      tos = flow->flags & SKEP_F_TOS ? 0xfc : 0;

	memset(mask, 0, sizeof(*mask));
	if (v6) {
		FILL(&mask->k6, m, alike, 128, STEP6);
		mask->k6.ct = ct;
		mask->k6.tcp_flags = tcp;
		mask->k6.tos = tos;
		mask->k6.nat = nat;
	} else {
		FILL(&mask->k4, m, alike, 32, STEP4);
		mask->k4.ct = ct;
		mask->k4.tcp_flags = tcp;
		mask->k4.tos = tos;
		mask->k4.nat = nat;
	}
}

void class_state(struct dp_flow_key *key, enum skep_ct ct, uint16_t nat, const struct pkt_fields *f)
{
	const uint8_t tcp = f->ip_proto == IPPROTO_TCP && f->has_l4 ? f->tcp_flags : 0;

	if (key->v6) {
		key->k6.ct = ct;
		key->k6.tcp_flags = tcp;
		key->k6.tos = f->ip_tos & 0xfc;
		key->k6.nat = nat;
	} else {
		key->k4.ct = ct;
		key->k4.tcp_flags = tcp;
		key->k4.tos = f->ip_tos & 0xfc;
		key->k4.nat = nat;
	}
}
