// SPDX-License-Identifier: Apache-2.0
/*
 * The mask of a run when it is over, and as text.  While it lasts, a field that was read as a whole has its bit, and one of which only leading bits were
 * has its length (see.h).  Called by sim.c; traces, tests.
 */
#include "simulator/run.h"

#include <stdio.h>

static void settle(struct sim_mask *m, uint32_t field, uint8_t *len, uint8_t width)
{
	if (m->fields & field)
		*len = width;
	else if (*len)
		m->fields |= field;
}

struct sim_mask sim_mask_settle(const struct sim_mask *mask)
{
	struct sim_mask m = *mask;

	settle(&m, SIM_FIELD_ETH_DST, &m.eth_dst_len, 48);
	settle(&m, SIM_FIELD_ETH_SRC, &m.eth_src_len, 48);
	settle(&m, SIM_FIELD_L4_SRC, &m.l4_src_len, 16);
	settle(&m, SIM_FIELD_L4_DST, &m.l4_dst_len, 16);
	return m;
}

bool sim_mask_eq(const struct sim_mask *a, const struct sim_mask *b)
{
	return a->fields == b->fields && a->src_len == b->src_len && a->dst_len == b->dst_len &&
	       a->l4_src_len == b->l4_src_len && a->l4_dst_len == b->l4_dst_len &&
	       a->eth_src_len == b->eth_src_len && a->eth_dst_len == b->eth_dst_len &&
	       a->tcp_mask == b->tcp_mask;
}

/* --- as text --- */

static const struct {
	uint32_t bit;
	const char *name;
} fields[] = {
	{ SIM_FIELD_ETH_DST, "eth_dst" },
	{ SIM_FIELD_ETH_SRC, "eth_src" },
	{ SIM_FIELD_ETH_TYPE, "eth_type" },
	{ SIM_FIELD_VLAN, "vlan" },
	{ SIM_FIELD_IP_SRC, "ip_src" },
	{ SIM_FIELD_IP_DST, "ip_dst" },
	{ SIM_FIELD_PROTO, "proto" },
	{ SIM_FIELD_L4_SRC, "l4_src" },
	{ SIM_FIELD_L4_DST, "l4_dst" },
	{ SIM_FIELD_FRAG, "frag" },
	{ SIM_FIELD_TTL, "ttl" },
	{ SIM_FIELD_ARP, "arp" },
	{ SIM_FIELD_ND, "nd" },
	{ SIM_FIELD_DSCP, "dscp" },
	{ SIM_FIELD_TCP_FLAGS, "tcp_flags" },
	{ SIM_FIELD_LEN, "len" },
	{ SIM_FIELD_PAYLOAD, "payload" },
};

/* Whole MACs and ports are told without. */
static unsigned int unless(unsigned int len, unsigned int whole)
{
	return len == whole ? 0 : len;
}

/* The leading bits that count, to be told; 0 = none are. */
static unsigned int length(const struct sim_mask *m, uint32_t field)
{
	switch (field) {
	case SIM_FIELD_ETH_DST:
		return unless(m->eth_dst_len, 48);
	case SIM_FIELD_ETH_SRC:
		return unless(m->eth_src_len, 48);
	case SIM_FIELD_IP_SRC:
		return m->src_len;
	case SIM_FIELD_IP_DST:
		return m->dst_len;
	case SIM_FIELD_L4_SRC:
		return unless(m->l4_src_len, 16);
	case SIM_FIELD_L4_DST:
		return unless(m->l4_dst_len, 16);
	default:
		return 0;
	}
}

const char *sim_mask_field(const struct sim_mask *m, unsigned int i, char buf[static 32])
{
	unsigned int len;

	if (i >= ARRAY_SIZE(fields))
		return NULL;
	if (!(m->fields & fields[i].bit))
		return "";
	len = length(m, fields[i].bit);
	if (len)
		snprintf(buf, 32, "%s/%u", fields[i].name, len);
	else if (fields[i].bit == SIM_FIELD_TCP_FLAGS)
		snprintf(buf, 32, "%s/0x%02x", fields[i].name, m->tcp_mask);
	else
		snprintf(buf, 32, "%s", fields[i].name);
	return buf;
}

const char *sim_mask_format(const struct sim_mask *mask, char *buf, size_t size)
{
	char buf32[32];
	const char *name;
	size_t n = 0;

	buf[0] = 0;
	for (unsigned int i = 0; (name = sim_mask_field(mask, i, buf32)) != NULL; i++)
		if (name[0] && n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? " " : "", name);
	return buf;
}
