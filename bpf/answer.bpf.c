// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Behind skep_tc_port while skepd is away: who asks for an address that skepd has told it before gets the same answer from here.  Else machines
 * would forget their neighbours within a minute, and traffic that has all its flows would stop.  What is answered, and to whom, skepd alone has
 * decided (skep_answers); the frame is, byte for byte, that of packet/packet.h: pkt_build_arp() and pkt_build_na().
 */
#include "bpf/csum.h"
#include "bpf/police.h"
#include "bpf/upcall.h"

char _license[] SEC("license") = "Dual BSD/GPL";

#define ARPHRD_ETHER 1
#define ARP_REQUEST  1
#define ARP_REPLY    2
#define ND_NS	     135
#define ND_HOPS	     255 /* RFC 4861 7.1.1: anything else came from beyond a router */
#define ND_SIZE	     24
#define OPT_SOURCE   1
#define OPT_TARGET   2

struct arp { /* RFC 826 */
	__be16 hw, proto;
	__u8 hw_len, proto_len;
	__be16 op;
	struct skep_mac sha;
	__be32 spa;
	struct skep_mac tha;
	__be32 tpa;
} __attribute__((packed));

struct nd { /* RFC 4861 4.3, 4.4: a solicitation or advertisement, and its one option */
	__u8 type, code;
	__be16 csum;
	__u8 flags, pad[3];
	struct skep_ip target;
	__u8 opt, opt_len; /* of 8 bytes */
	struct skep_mac lla;
};

struct na {
	struct ip6 ip;
	struct nd nd;
};

SKEP_ASSERT(sizeof(struct arp) == ARP_SIZE);
SKEP_ASSERT(sizeof(struct nd) == ND_SIZE + 8);
SKEP_ASSERT(sizeof(struct na) == IP6_SIZE + ND_SIZE + 8);

static __always_inline int same_mac(const struct skep_mac *a, const struct skep_mac *b)
{
	__u8 diff = 0;

	for (int i = 0; i < 6; i++)
		diff |= a->b[i] ^ b->b[i];
	return !diff;
}

/* A well-formed request that its sender makes for itself: the rest of the key. */
static __always_inline int is_request(struct __sk_buff *skb, const struct parsed *p, struct skep_answer_key *k)
{
	struct arp q;

	if (bpf_skb_load_bytes(skb, p->l3_off, &q, sizeof(q)) || q.hw != bpf_htons(ARPHRD_ETHER) || q.proto != bpf_htons(ETH_P_IP) ||
	    q.hw_len != 6 || q.proto_len != 4 || q.op != bpf_htons(ARP_REQUEST) || !same_mac(&q.sha, &k->eth_src))
		return 0;
	k->src.w[2] = k->target.w[2] = bpf_htonl(0xffff);
	k->src.w[3] = q.spa;
	k->target.w[3] = q.tpa;
	return 1;
}

/* The same of a solicitation: with the one option that it may have, or none. */
static __always_inline int is_solicitation(struct __sk_buff *skb, const struct parsed *p, struct skep_answer_key *k)
{
	__be16 len;
	struct nd q;

	if (p->l4_off != p->l3_off + IP6_SIZE || p->k6.proto != IPPROTO_ICMPV6 || p->ttl != ND_HOPS ||
	    bpf_skb_load_bytes(skb, p->l3_off + 4, &len, sizeof(len)) || bpf_skb_load_bytes(skb, p->l4_off, &q, ND_SIZE) ||
	    q.type != ND_NS || q.code || (q.target.w[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000) || is_v4_mapped(&q.target))
		return 0;
	if (len == bpf_htons(sizeof(q))) {
		if (bpf_skb_load_bytes(skb, p->l4_off + ND_SIZE, &q.opt, 8) || q.opt != OPT_SOURCE || q.opt_len != 1 ||
		    !same_mac(&q.lla, &k->eth_src))
			return 0;
	} else if (len != bpf_htons(ND_SIZE)) {
		return 0;
	}
	k->src = p->k6.src;
	k->target = q.target;
	return 1;
}

/* To all who may have the address, as RFC 826 and RFC 4861 7.2.2 have it, or to the one who is believed to (RFC 1122 2.3.2.1, RFC 4861 7.3.3). */
static __always_inline int is_for(const struct parsed *p, const struct skep_ip *target, const struct skep_mac *mac)
{
	const __u8 *dst = p->k4.eth_dst.b, *low = (const __u8 *)&target->w[3];
	const struct skep_ip *to = &p->k6.dst;

	if (!p->is_v6)
		return same_mac(&p->k4.eth_dst, mac) || (dst[0] & dst[1] & dst[2] & dst[3] & dst[4] & dst[5]) == 0xff;
	if (same_mac(&p->k4.eth_dst, mac))
		return to->w[0] == target->w[0] && to->w[1] == target->w[1] && to->w[2] == target->w[2] && to->w[3] == target->w[3];
	return dst[0] == 0x33 && dst[1] == 0x33 && dst[2] == 0xff && dst[3] == low[1] && dst[4] == low[2] && dst[5] == low[3] &&
	       to->w[0] == bpf_htonl(0xff020000) && !to->w[1] && to->w[2] == bpf_htonl(1) &&
	       to->w[3] == (target->w[3] | bpf_htonl(0xff000000));
}

/*
 * The frame gets this length.  Of the two calls one changes it in any case, and by that the kernel forgets what the card has summed up, which the
 * new bytes would not match.
 */
static __always_inline int resize(struct __sk_buff *skb, __u32 len)
{
	return bpf_skb_change_tail(skb, len + 1, 0) || bpf_skb_change_tail(skb, len, 0) ? -1 : 0;
}

static __always_inline int put_macs(struct __sk_buff *skb, const struct skep_mac *to, const struct skep_mac *from)
{
	struct skep_mac macs[2] = { *to, *from };

	return bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0);
}

static __always_inline int reply(struct __sk_buff *skb, __u32 off, const struct skep_answer_key *k, const struct skep_mac *mac)
{
	struct arp a = { .hw = bpf_htons(ARPHRD_ETHER),
			 .proto = bpf_htons(ETH_P_IP),
			 .hw_len = 6,
			 .proto_len = 4,
			 .op = bpf_htons(ARP_REPLY),
			 .sha = *mac,
			 .spa = k->target.w[3],
			 .tha = k->eth_src,
			 .tpa = k->src.w[3] };

	if (resize(skb, off + sizeof(a)) || put_macs(skb, &k->eth_src, mac))
		return -1;
	return bpf_skb_store_bytes(skb, off, &a, sizeof(a), 0);
}

/*
 * The question's checksum may have been left to the card; then so is the answer's, and it holds the sum of the pseudo header.  That is what is
 * stored.  A difference that is none of the pseudo header's changes it in all other states, and makes the whole sum of it.
 */
static __always_inline int advertise(struct __sk_buff *skb, __u32 off, const struct skep_answer_key *k, const struct skep_mac *mac, __u8 flags)
{
	struct na a = { .ip = { .ver_tc_flow = bpf_htonl(0x60000000),
				.len = bpf_htons(sizeof(a.nd)),
				.next = IPPROTO_ICMPV6,
				.hops = ND_HOPS },
			.nd = { .type = ND_NA, .flags = flags, .target = k->target, .opt = OPT_TARGET, .opt_len = 1, .lla = *mac } };
	__u64 pseudo = bpf_htonl(sizeof(a.nd)) + (__u64)bpf_htonl(IPPROTO_ICMPV6), sum = 0;
	const __u32 *w = (const __u32 *)&a.nd;

	for (int i = 0; i < 4; i++) {
		a.ip.src[i] = k->target.w[i];
		a.ip.dst[i] = k->src.w[i];
		pseudo += (__u64)k->target.w[i] + k->src.w[i];
	}
	for (int i = 0; i < sizeof(a.nd) / 4; i++)
		sum += w[i];
	a.nd.csum = fold16(pseudo);
	if (resize(skb, off + sizeof(a)) || put_macs(skb, &k->eth_src, mac) || bpf_skb_store_bytes(skb, off, &a, sizeof(a), 0))
		return -1;
	return bpf_l4_csum_replace(skb, off + IP6_SIZE + 2, 0, fold32(sum + 2 * pseudo), 0);
}

/* A tag that the answer may keep: it leaves by the port that the question came in by. */
static __always_inline int is_plain_tag(struct __sk_buff *skb, const struct parsed *p)
{
	__be16 tpid = bpf_htons(ETH_P_8021Q);

	if (skb->vlan_present)
		tpid = skb->vlan_proto;
	else if (p->l3_off != ETH_SIZE && bpf_skb_load_bytes(skb, 12, &tpid, sizeof(tpid)))
		return 0;
	return tpid == bpf_htons(ETH_P_8021Q);
}

SEC("tc")
int skep_tc_answer(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, key;
	struct skep_iface *iface = bpf_map_lookup_elem(&skep_ifaces, &ifindex);
	struct skep_answer_key k = {};
	struct skep_answer *a;
	struct skep_port *port;
	struct parsed p = {};
	struct skep_mac mac;
	int is_known;
	__u8 flags;

	if (!iface)
		return drop(skb, SKEP_DROP_UNKNOWN_IFACE, 0, 0);
	key = iface->key;
	p.k4.in_key = key;
	if (parse(skb, &p) || skb->gso_size || !is_plain_tag(skb, &p))
		return drop(skb, SKEP_DROP_NO_AGENT, key, 0);
	k.in_key = key;
	k.eth_src = p.k4.eth_src;
	k.vlan = p.k4.vlan;
	is_known = p.is_v6 ? is_solicitation(skb, &p, &k) : is_request(skb, &p, &k);
	a = is_known ? bpf_map_lookup_elem(&skep_answers, &k) : NULL;
	if (!a)
		return drop(skb, SKEP_DROP_NO_AGENT, key, 0);
	mac = a->mac;
	flags = a->flags;
	if (!is_for(&p, &k.target, &mac))
		return drop(skb, SKEP_DROP_NO_AGENT, key, 0);
	if (p.is_v6 ? advertise(skb, p.l3_off, &k, &mac, flags) : reply(skb, p.l3_off, &k, &mac))
		return drop(skb, SKEP_DROP_REWRITE, key, 0);
	port = bpf_map_lookup_elem(&skep_ports, &key);
	if (port && port->police && policed(skb, port->police, typical_headers(skb)))
		return drop(skb, SKEP_DROP_POLICED, key, 0);
	count(SKEP_CNT_ANSWER);
	count(SKEP_CNT_TX_PORT);
	return bpf_redirect(ifindex, 0);
}
