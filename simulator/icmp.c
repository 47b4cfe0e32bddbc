// SPDX-License-Identifier: Apache-2.0
/*
 * What the network answers to IP packets: echo replies, ICMP errors, and the TCP reset of a reject rule.  They leave by the router port
 * that the packet came in by, to who sent it there, and have their own walk (sim.c).  About bridges alone, they leave by the ingress port.
 */
#include "simulator/run.h"

#define ERROR_FRAME 1536 /* RFC 4443 2.4c: at most 1280 behind the Ethernet header */
#define RESET_FRAME 160
#define IP6_MTU_MIN 1280

static const struct {
	uint8_t type4, code4, type6, code6;
	const char *text;
} errors[] = {
	[SIM_ERR_NET] = { 3, 0, 1, 0, "ICMP network unreachable" },
	[SIM_ERR_HOST] = { 3, 1, 1, 3, "ICMP host unreachable" },
	[SIM_ERR_PORT] = { 3, 3, 1, 4, "ICMP port unreachable" },
	[SIM_ERR_ADMIN] = { 3, 13, 1, 1, "ICMP administratively prohibited" },
	[SIM_ERR_TTL] = { 11, 0, 3, 0, "ICMP time exceeded" },
	[SIM_ERR_BIG] = { 3, 4, 2, 0, "ICMP packet too big" },
	[SIM_ERR_FRAG] = { 3, 4, 2, 0, "ICMP fragmentation needed" },
};

/* From a host, to a host?  What a NAT has rewritten was read as a whole. */
static void see_hosts(struct walk *w)
{
	static const struct skep_ip none;
	const struct skep_ip broadcast = ip_from_v4(0xffffffff), loopback = { { 0, 0, 0, htonl(1) } };

	if (ip_width(w) == 32) {
		(void)sim_ip_special(w, true);
		(void)see_ip_top(w, false, 0xe000, 0xefff);
		(void)see_ip_is(w, false, &broadcast);
	} else {
		(void)see_ip_top(w, true, 0xff00, 0xffff);
		(void)see_ip_is(w, true, &none);
		(void)see_ip_is(w, true, &loopback);
		(void)see_ip_top(w, false, 0xff00, 0xffff);
	}
}

/* Whether there is an answer depends on the packet as it came in: what pkt_may_icmp_error() looks at. */
static bool may_answer(struct walk *w)
{
	struct sim_mask *m = &w->run->mask;

	if (w->generation)
		return false;
	m->fields |= SIM_FIELD_ETH_TYPE;
	if (w->quiet || !see_is_ip(w))
		return false;
	/* may have been rewritten; the first byte tells groups */
	m->eth_dst_len = m->eth_dst_len < 8 ? 8 : m->eth_dst_len;
	m->eth_src_len = m->eth_src_len < 8 ? 8 : m->eth_src_len;
	see(w, SIM_FIELD_PROTO | SIM_FIELD_FRAG);
	if (w->f.ip_proto == IPPROTO_ICMP || w->f.ip_proto == IPPROTO_ICMPV6)
		(void)see_icmp_type(w);
	see_hosts(w);
	return pkt_may_icmp_error(w->pkt);
}

/* Source address of an error: the router's where the packet came in; on bridges, that of the address it was for. */
static struct skep_ip error_source(const struct walk *w)
{
	const struct topo_addr *a;

	if (!w->l3_in)
		return w->pkt->f.ip_dst;
	a = sim_port_addr(w->l3_in, &w->pkt->f.ip_src); /* not what NAT has made of it */
	if (a)
		return a->ip;
	return ip_is_v4(&w->pkt->f.ip_src) ? (struct skep_ip){ 0 } : sim_link_local(&w->l3_in->mac);
}

static void emit_back(struct walk *w, const char *what, const uint8_t *buf, uint32_t len)
{
	const struct topo_port *port = w->l3_in;
	struct emit *e;

	if (port)
		e = sim_emit(w, what, buf, len, port, port->router->out_chain, &port->router->o,
			     &port->mac, &w->l3_from, false);
	else
		e = sim_emit(w, what, buf, len, w->run->in, NULL, &w->run->in->o, &w->pkt->f.eth_dst,
			     &w->pkt->f.eth_src, false);
	if (e)
		e->error = true;
}

/* 'info': the second word, an MTU or zero. */
static void send_error(struct walk *w, enum sim_error error, uint32_t info)
{
	bool v6 = ip_width(w) == 128;
	struct skep_ip src = error_source(w);
	uint8_t *buf;
	uint32_t len;

	if (ip_is_zero(&src)) /* a router without any address of the family has no voice in it */
		return;
	buf = arena_alloc(w->run->arena, ERROR_FRAME);
	if (!buf)
		return;
	len = pkt_build_icmp_error(buf, ERROR_FRAME, w->pkt,
				   v6 ? errors[error].type6 : errors[error].type4,
				   v6 ? errors[error].code6 : errors[error].code4,
				   info,
				   w->l3_in ? &w->l3_in->mac : &w->pkt->f.eth_dst, &src);
	emit_back(w, errors[error].text, buf, len);
}

void sim_icmp_error(struct walk *w, enum sim_error error)
{
	if (may_answer(w))
		send_error(w, error, error == SIM_ERR_FRAG ? w->pkt->l3_len : 0);
}

/* A link must carry 1280 bytes of IPv6, and hosts do not believe less (RFC 8201 4). */
void sim_icmp_too_big(struct walk *w, uint32_t mtu)
{
	if (ip_width(w) == 128 && mtu < IP6_MTU_MIN)
		mtu = IP6_MTU_MIN;
	if (may_answer(w))
		send_error(w, SIM_ERR_BIG, mtu);
}

void sim_reject(struct walk *w)
{
	uint8_t *buf;
	uint32_t len;

	if (!may_answer(w))
		return;
	if (w->f.ip_proto != IPPROTO_TCP || w->f.ip_frag != SKEP_FRAG_NONE || !w->f.has_l4) {
		send_error(w, SIM_ERR_ADMIN, 0);
		return;
	}
	w->run->cacheable = false; /* flags and sequence numbers decide, and no flow key has them */
	if (w->f.tcp_flags & SIM_TCP_RST)
		return;
	buf = arena_alloc(w->run->arena, RESET_FRAME);
	if (!buf)
		return;
	len = pkt_build_tcp_reset(buf, RESET_FRAME, w->pkt);
	emit_back(w, "TCP reset", buf, len);
}

void sim_icmp_echo(struct walk *w, const struct topo_port *port)
{
	uint8_t *buf;
	uint32_t len;

	if (w->generation || ip_is_multicast(&w->f.ip_src) || ip_is_unspecified(&w->f.ip_src) ||
	    ip_is_broadcast(&w->f.ip_src) || ip_is_loopback(&w->f.ip_src))
		return;
	buf = arena_alloc(w->run->arena, w->pkt->len + 64);
	if (!buf)
		return;
	len = pkt_build_echo_reply(buf, w->pkt->len + 64, w->pkt);
	sim_emit(w, "echo reply", buf, len, port, port->router->out_chain, &port->router->o,
		 &port->mac, &w->l3_from, false);
}
