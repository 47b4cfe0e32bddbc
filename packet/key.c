// SPDX-License-Identifier: Apache-2.0
/* Fields -> the flow caches' keys, and the spreading hash.  maps/flow.h says what is in a key. */
#include "packet/packet.h"

#include "packet/wire.h"
#include "util/hash.h"

bool pkt_flow_key(const struct pkt_fields *f, uint32_t in_key, struct skep_flow_key4 *key4,
		  struct skep_flow_key6 *key6)
{
	if (is_ipv6(f)) {
		memset(key6, 0, sizeof(*key6));
		key6->in_key = in_key;
		key6->eth_dst = f->eth_dst;
		key6->eth_src = f->eth_src;
		key6->eth_type = f->eth_type;
		key6->vlan = f->vlan;
		key6->src = f->ip_src;
		key6->dst = f->ip_dst;
		key6->sport = f->l4_src;
		key6->dport = f->l4_dst;
		key6->proto = f->ip_proto;
		key6->frag = f->ip_frag;
		return true;
	}
	memset(key4, 0, sizeof(*key4));
	key4->in_key = in_key;
	key4->eth_dst = f->eth_dst;
	key4->eth_src = f->eth_src;
	key4->eth_type = f->eth_type;
	key4->vlan = f->vlan;
	key4->src = ip_v4(&f->ip_src);
	key4->dst = ip_v4(&f->ip_dst);
	key4->sport = f->l4_src;
	key4->dport = f->l4_dst;
	key4->proto = f->ip_proto;
	key4->frag = f->ip_frag;
	return false;
}

uint64_t pkt_hash(const struct pkt_fields *f)
{
	struct {
		struct skep_ip src, dst;
		__be16 sport, dport;
		uint32_t proto;
	} in = { .src = f->ip_src, .dst = f->ip_dst, .proto = f->ip_proto };

	if (!is_ip(f) && f->eth_type != htons(ETH_P_ARP)) {
		memcpy(&in.src, &f->eth_src, 6);
		memcpy(&in.dst, &f->eth_dst, 6);
		in.proto = f->eth_type;
	}
	if (f->ip_frag == SKEP_FRAG_NONE) {
		in.sport = f->l4_src;
		in.dport = f->l4_dst;
	}
	return hash_bytes(&in, sizeof(in), 0);
}
