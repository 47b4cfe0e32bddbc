// SPDX-License-Identifier: Apache-2.0
/* What the network itself answers: echo replies, ICMP errors, TCP resets.  Called by simulator/ for
 * routers and reject rules. */
#include "packet/packet.h"

#include "packet/wire.h"

#define ANSWER_TTL    64
#define IP4_ERROR_TOS 0xc0 /* precedence "internetwork control", RFC 1812 4.3.2.5 */
#define IP4_ERROR_MAX 576
#define IP6_ERROR_MAX 1280

/* An answer being built: Ethernet (with the tag of the question) and IP header in front of 'l4'. */
struct answer {
	uint8_t *buf;
	uint8_t *ip;
	uint8_t *l4;
	struct pkt_fields f; /* eth_type, ip_src, ip_dst: for the pseudo-header */
	uint32_t l4_len;
	uint32_t len;
};

static uint32_t ip_size(const struct pkt_fields *f)
{
	return is_ipv6(f) ? IP6_SIZE : IP4_SIZE;
}

/* Headers of an answer to 'q' with 'l4_len' bytes of 'proto'.  False when it does not fit. */
static bool answer_begin(struct answer *a, uint8_t *buf, uint32_t cap, const struct pkt *q,
			 const struct skep_mac *src_mac, const struct skep_ip *src, uint8_t proto,
			 uint8_t tos, uint32_t l4_len)
{
	uint32_t ip_len = ip_size(&q->f) + l4_len, len = q->l3_off + ip_len;
	uint8_t *ip = buf + q->l3_off;

	if (cap < len || ip_len > UINT16_MAX)
		return false;
	memcpy(buf, &q->f.eth_src, 6);
	memcpy(buf + 6, src_mac, 6);
	memcpy(buf + 12, q->data + 12, q->l3_off - 12U);
	memset(ip, 0, ip_size(&q->f));
	if (is_ipv6(&q->f)) {
		put16(ip, 0x6000 | (uint32_t)tos << 4);
		put16(ip + 4, l4_len);
		ip[6] = proto;
		ip[7] = ANSWER_TTL;
		memcpy(ip + 8, src, 16);
		memcpy(ip + 24, &q->f.ip_src, 16);
	} else {
		ip[0] = 0x45;
		ip[1] = tos;
		put16(ip + 2, ip_len);
		ip[8] = ANSWER_TTL;
		ip[9] = proto;
		store_v4(ip + 12, src);
		store_v4(ip + 16, &q->f.ip_src);
		store_be16(ip + 10, pkt_csum(ip, IP4_SIZE, 0));
	}
	*a = (struct answer){
		.buf = buf,
		.ip = ip,
		.l4 = ip + ip_size(&q->f),
		.f = { .eth_type = q->f.eth_type, .ip_src = *src, .ip_dst = q->f.ip_src },
		.l4_len = l4_len,
		.len = len,
	};
	return true;
}

/* Puts the checksum of 'proto', whose field is zero, and returns the frame's length. */
static uint32_t answer_end(const struct answer *a, uint8_t proto)
{
	uint32_t sum = proto == IPPROTO_ICMP ? 0 : pkt_pseudo_sum(&a->f, proto, a->l4_len);

	store_be16(a->l4 + l4_csum_off(proto), pkt_csum(a->l4, a->l4_len, sum));
	return a->len;
}

static bool host_source(const struct skep_ip *ip)
{
	if (ip_is_v4(ip)) {
		uint8_t first = (uint8_t)(ntohl(ip_v4(ip)) >> 24);

		return first != 0 && first != 127 && first < 224;
	}
	return !ip_is_zero(ip) && !ip_is_multicast(ip) && !ip_is_loopback(ip);
}

static bool group_destination(const struct pkt_fields *f)
{
	return mac_is_multicast(&f->eth_dst) || ip_is_multicast(&f->ip_dst) ||
	       ip_is_broadcast(&f->ip_dst);
}

static bool single_hosts(const struct pkt_fields *f)
{
	return !group_destination(f) && !mac_is_multicast(&f->eth_src) && host_source(&f->ip_src);
}

uint32_t pkt_build_echo_reply(uint8_t *buf, uint32_t cap, const struct pkt *req)
{
	bool v6 = is_ipv6(&req->f);
	uint8_t proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	uint32_t l4_len = req->l3_off + req->l3_len - req->l4_off;
	const uint8_t *l4 = req->data + req->l4_off;
	struct answer a;

	if (!is_icmp(&req->f) || icmp_type(&req->f) != (v6 ? ICMP6_ECHO_REQUEST : ICMP4_ECHO) ||
	    req->f.ip_frag != SKEP_FRAG_NONE || !single_hosts(&req->f))
		return 0;
	if (pkt_csum(l4, l4_len, v6 ? pkt_pseudo_sum(&req->f, proto, l4_len) : 0) != 0)
		return 0;
	if (!answer_begin(&a, buf, cap, req, &req->f.eth_dst, &req->f.ip_dst, proto, req->f.ip_tos,
			  l4_len))
		return 0;
	memcpy(a.l4, l4, l4_len);
	a.l4[0] = v6 ? ICMP6_REPLY : ICMP4_REPLY;
	put16(a.l4 + 2, 0);
	return answer_end(&a, proto);
}

uint32_t pkt_build_icmp_error(uint8_t *buf, uint32_t cap, const struct pkt *about, uint8_t type,
			      uint8_t code, uint32_t info, const struct skep_mac *src_mac,
			      const struct skep_ip *src)
{
	bool v6 = is_ipv6(&about->f);
	uint8_t proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	uint32_t quote = (v6 ? IP6_ERROR_MAX - IP6_SIZE : IP4_ERROR_MAX - IP4_SIZE) - ICMP_SIZE;
	struct answer a;

	if (!is_ip(&about->f) || ip_is_v4(src) == v6)
		return 0;
	if (quote > about->l3_len)
		quote = about->l3_len;
	if (!answer_begin(&a, buf, cap, about, src_mac, src, proto, v6 ? 0 : IP4_ERROR_TOS,
			  ICMP_SIZE + quote))
		return 0;
	a.l4[0] = type;
	a.l4[1] = code;
	put16(a.l4 + 2, 0);
	put32(a.l4 + 4, info);
	memcpy(a.l4 + ICMP_SIZE, about->data + about->l3_off, quote);
	return answer_end(&a, proto);
}

uint32_t pkt_build_tcp_reset(uint8_t *buf, uint32_t cap, const struct pkt *about)
{
	const struct pkt_fields *f = &about->f;
	const uint8_t *tcp = about->data + about->l4_off;
	uint32_t seg_len = about->l3_off + about->l3_len - about->payload_off;
	struct answer a;

	if (!is_ip(f) || !f->has_l4 || f->ip_proto != IPPROTO_TCP || f->ip_frag != SKEP_FRAG_NONE ||
	    f->tcp_flags & TCP_RST || !single_hosts(f))
		return 0;
	if (!answer_begin(&a, buf, cap, about, &f->eth_dst, &f->ip_dst, IPPROTO_TCP, 0, TCP_SIZE))
		return 0;
	seg_len += !!(f->tcp_flags & TCP_SYN) + !!(f->tcp_flags & TCP_FIN);
	memset(a.l4, 0, TCP_SIZE);
	store_be16(a.l4, f->l4_dst);
	store_be16(a.l4 + 2, f->l4_src);
	a.l4[12] = TCP_SIZE / 4 << 4;
	if (f->tcp_flags & TCP_ACK) {
		put32(a.l4 + 4, get32(tcp + 8));
		a.l4[13] = TCP_RST;
	} else {
		put32(a.l4 + 8, get32(tcp + 4) + seg_len);
		a.l4[13] = TCP_RST | TCP_ACK;
	}
	return answer_end(&a, IPPROTO_TCP);
}

static bool icmp_is_query(bool v6, uint8_t type)
{
	if (v6)
		return type >= 128 && type != ICMP6_REDIRECT;
	switch (type) {
	case 0:	 /* echo reply */
	case 8:	 /* echo */
	case 9:	 /* router advertisement */
	case 10: /* router solicitation */
	case 13: /* timestamp */
	case 14:
	case 15: /* information */
	case 16:
	case 17: /* address mask */
	case 18:
		return true;
	default:
		return false;
	}
}

bool pkt_may_icmp_error(const struct pkt *about)
{
	const struct pkt_fields *f = &about->f;

	if (!is_ip(f) || f->ip_frag == SKEP_FRAG_LATER || !single_hosts(f))
		return false;
	return !is_icmp(f) || icmp_is_query(is_ipv6(f), icmp_type(f));
}
