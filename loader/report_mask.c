// SPDX-License-Identifier: Apache-2.0
/* For which packets flows are: in words, for wildcard ones (report_flows.c), and whether they are those that somebody asks about (telemetry_flows.c). */
#include "loader/vips.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define TCP_FLAGS "fin\0syn\0rst\0psh\0ack\0urg\0ece\0cwr"

/* What both kinds of key have, and the bits of each that count. */
struct match {
	uint32_t fields; /* enum sim_field */
	uint8_t src_len, dst_len, sport_len, dport_len, eth_src_len, eth_dst_len, proto, ct, tcp_flags, tcp_mask, tos;
	bool by_ct, by_nat, icmp;
	uint16_t eth_type, vlan, sport, dport, nat;
	struct skep_ip src, dst;
	struct skep_mac eth_src, eth_dst;
};

static uint8_t bits(const void *p, size_t size)
{
	const uint8_t *b = p;
	int n = 0;

	for (size_t i = 0; i < size; i++)
		n += __builtin_popcount(b[i]);
	return (uint8_t)n;
}

static bool any(const void *p, size_t size)
{
	return bits(p, size) != 0;
}

#define TAKE(m, k, w)                                                                             \
	do {                                                                                      \
		(m)->fields = (any(&(w)->eth_dst, 6) ? SIM_FIELD_ETH_DST : 0) |                   \
			      (any(&(w)->eth_src, 6) ? SIM_FIELD_ETH_SRC : 0) |                   \
			      (any(&(w)->eth_type, 2) ? SIM_FIELD_ETH_TYPE : 0) |                 \
			      (any(&(w)->vlan, 2) ? SIM_FIELD_VLAN : 0) |                         \
			      (any(&(w)->src, sizeof((w)->src)) ? SIM_FIELD_IP_SRC : 0) |         \
			      (any(&(w)->dst, sizeof((w)->dst)) ? SIM_FIELD_IP_DST : 0) |         \
			      ((w)->proto ? SIM_FIELD_PROTO : 0) |                                \
			      (any(&(w)->sport, 2) ? SIM_FIELD_L4_SRC : 0) |                      \
			      (any(&(w)->dport, 2) ? SIM_FIELD_L4_DST : 0) |                      \
			      ((w)->frag ? SIM_FIELD_FRAG : 0) | ((w)->tos ? SIM_FIELD_DSCP : 0) | \
			      ((w)->tcp_flags ? SIM_FIELD_TCP_FLAGS : 0);                         \
		(m)->src_len = bits(&(w)->src, sizeof((w)->src));                                 \
		(m)->dst_len = bits(&(w)->dst, sizeof((w)->dst));                                 \
		(m)->sport_len = bits(&(w)->sport, 2);                                            \
		(m)->dport_len = bits(&(w)->dport, 2);                                            \
		(m)->eth_src_len = bits(&(w)->eth_src, 6);                                        \
		(m)->eth_dst_len = bits(&(w)->eth_dst, 6);                                        \
		(m)->by_ct = (w)->ct;                                                             \
		(m)->by_nat = (w)->nat;                                                           \
		(m)->tcp_mask = (w)->tcp_flags;                                                   \
		(m)->proto = (k)->proto;                                                          \
		(m)->ct = (k)->ct;                                                                \
		(m)->nat = (k)->nat;                                                              \
		(m)->tcp_flags = (k)->tcp_flags;                                                  \
		(m)->tos = (k)->tos;                                                              \
		(m)->eth_type = ntohs((k)->eth_type);                                             \
		(m)->vlan = ntohs((k)->vlan);                                                     \
		(m)->sport = ntohs((k)->sport);                                                   \
		(m)->dport = ntohs((k)->dport);                                                   \
		(m)->eth_src = (k)->eth_src;                                                      \
		(m)->eth_dst = (k)->eth_dst;                                                      \
		(m)->icmp = (k)->proto == IPPROTO_ICMP || (k)->proto == IPPROTO_ICMPV6;           \
	} while (0)

static bool take(const struct agent *a, const struct dp_flow_key *key, struct match *m)
{
	struct skep_mask mask;

	*m = (struct match){ 0 };
	if (!dp_flow_mask(key) || !dp_wild_mask(a->dp, dp_flow_mask(key), &mask))
		return false;
	if (key->v6) {
		TAKE(m, &key->k6, &mask.k6);
		m->src = key->k6.src;
		m->dst = key->k6.dst;
	} else {
		TAKE(m, &key->k4, &mask.k4);
		m->src = ip_from_v4(key->k4.src);
		m->dst = ip_from_v4(key->k4.dst);
	}
	return true;
}

/* "10.0.1.0/24", "[fd00::5]:80", "any:4096-8191", "any" */
static void end_text(const struct skep_ip *ip, uint8_t len, uint8_t port_len, uint16_t port, char buf[static 96])
{
	const unsigned int last = port | (0xffffU >> port_len);
	const bool by_port = port_len;
	char ip_text[ADDR_TEXT] = "any";
	bool brackets = len && by_port && !ip_is_v4(ip);

	if (len)
		prefix_format(ip, len, ip_text);
	if (len == ip_bits(ip))
		ip_format(ip, ip_text);
	if (!by_port)
		snprintf(buf, 96, "%s", ip_text);
	else if (last == port)
		snprintf(buf, 96, "%s%s%s:%u", brackets ? "[" : "", ip_text, brackets ? "]" : "", port);
	else
		snprintf(buf, 96, "%s%s%s:%u-%u", brackets ? "[" : "", ip_text, brackets ? "]" : "", port, last);
}

static size_t ip_words(const struct match *m, bool v6, char *buf, size_t size)
{
	bool l4 = m->fields & SIM_FIELD_PROTO && !m->icmp;
	char src[96], dst[96], number[PROTO_TEXT];
	const char *proto = v6 ? "ip6" : "ip";
	int n;

	end_text(&m->src, m->src_len, l4 ? m->sport_len : 0, m->sport, src);
	end_text(&m->dst, m->dst_len, l4 ? m->dport_len : 0, m->dport, dst);
	if (m->fields & SIM_FIELD_PROTO)
		proto = proto_format(m->proto, number);
	n = snprintf(buf, size, "%s%s %s > %s", proto == number ? "proto " : "", proto, src, dst);
	if (m->icmp && m->fields & SIM_FIELD_L4_SRC && (size_t)n < size)
		n += snprintf(buf + n, size - (size_t)n, " type %u code %u", m->sport >> 8,
			      m->sport & 0xff);
	return (size_t)n;
}

static size_t tcp_words(const struct match *m, char *buf, size_t size)
{
	const char *name = TCP_FLAGS;
	size_t n = 0;

	for (int i = 0; i < 8; i++, name += strlen(name) + 1)
		if (m->tcp_mask & 1u << i && n < size)
			n += (size_t)snprintf(buf + n, size - n, " %s%s",
					      m->tcp_flags & 1u << i ? "" : "no-", name);
	return n;
}

/* "to 10.0.2.5:8080": what the load balancer makes of the destination; of a reply's source. */
static void nat_words(const struct agent *a, const struct match *m, char *buf, size_t size)
{
	const bool reply = m->ct == SKEP_CT_REPLY;
	struct sim_binding b;
	char end[96];

	if (!vips_binding(a, m->nat, &b))
		return;
	end_text(reply ? &b.from : &b.to, (uint8_t)ip_bits(&b.to), 16, ntohs(reply ? b.from_port : b.to_port), end);
	snprintf(buf, size, " %s %s", reply ? "as" : "to", end);
}

static void words(const struct match *m, bool v6, char *buf, size_t size)
{
	static const char *const cts[] = { "untracked", "new", "established", "reply" };
	bool ip = v6 || m->eth_type == ETH_P_IP;
	char mac[ADDR_TEXT];
	size_t n;

	if (ip)
		n = ip_words(m, v6, buf, size);
	else
		n = (size_t)snprintf(buf, size, "type 0x%04x", m->eth_type);
	if (!ip && m->fields & SIM_FIELD_ETH_SRC && n < size)
		n += (size_t)snprintf(buf + n, size - n, " %s >", mac_format(&m->eth_src, mac));
	if (!ip && m->fields & SIM_FIELD_ETH_DST && n < size)
		n += (size_t)snprintf(buf + n, size - n, " %s", mac_format(&m->eth_dst, mac));
	if (ip && m->fields & SIM_FIELD_ETH_DST && !m->dst_len && n < size) /* a bridge decided, by this */
		n += (size_t)snprintf(buf + n, size - n, " at %s", mac_format(&m->eth_dst, mac));
	if (m->vlan && n < size)
		n += (size_t)snprintf(buf + n, size - n, " vlan %u", m->vlan & 0xfff);
	if (n < size)
		n += tcp_words(m, buf + n, size - n);
	if (m->fields & SIM_FIELD_DSCP && n < size)
		n += (size_t)snprintf(buf + n, size - n, " dscp %u", m->tos >> 2);
	if (m->by_ct && n < size)
		snprintf(buf + n, size - n, " %s", m->ct < ARRAY_SIZE(cts) ? cts[m->ct] : "?");
}

bool report_mask(const struct agent *a, const struct dp_flow_key *key, char *mask, char *match,
		 size_t size)
{
	struct match m;
	size_t n;

	if (!take(a, key, &m))
		return false;
	sim_mask_format(&(struct sim_mask){ .fields = m.fields,
					    .src_len = m.src_len,
					    .dst_len = m.dst_len,
					    .l4_src_len = m.sport_len,
					    .l4_dst_len = m.dport_len,
					    .eth_src_len = m.eth_src_len,
					    .eth_dst_len = m.eth_dst_len,
					    .tcp_mask = m.tcp_mask },
			mask, size);
	n = strlen(mask);
	if (m.by_ct)
		n += (size_t)snprintf(mask + n, size - n, "%sct", n ? " " : "");
	if (m.by_nat && n < size)
		snprintf(mask + n, size - n, " nat");
	words(&m, key->v6, match, size);
	n = strlen(match);
	if (m.by_nat)
		nat_words(a, &m, match + n, size - n);
	return true;
}

/* --- are these the packets? --- */

static void take_exact(const struct dp_flow_key *key, struct match *m)
{
	const uint8_t len = key->v6 ? 128 : 32;

	*m = (struct match){ .fields = SIM_FIELD_ETH_TYPE | SIM_FIELD_PROTO, .src_len = len, .dst_len = len, .sport_len = 16, .dport_len = 16 };
	if (key->v6) {
		m->eth_type = ntohs(key->k6.eth_type);
		m->proto = key->k6.proto;
		m->src = key->k6.src;
		m->dst = key->k6.dst;
		m->sport = ntohs(key->k6.sport);
		m->dport = ntohs(key->k6.dport);
	} else {
		m->eth_type = ntohs(key->k4.eth_type);
		m->proto = key->k4.proto;
		m->src = ip_from_v4(key->k4.src);
		m->dst = ip_from_v4(key->k4.dst);
		m->sport = ntohs(key->k4.sport);
		m->dport = ntohs(key->k4.dport);
	}
	m->icmp = m->proto == IPPROTO_ICMP || m->proto == IPPROTO_ICMPV6;
}

static bool address_meets(const struct flow_wish *w, const struct skep_ip *ip, unsigned int len)
{
	return ip_in_prefix(&w->address, ip, len < w->len ? len : w->len);
}

static bool end_meets(const struct flow_wish *w, uint16_t port, uint8_t len)
{
	return len && !((uint32_t)(port ^ w->number) >> (16 - len));
}

/* A flow for one service has clients with any port: that one of these might be the number does not make it what is asked for. */
static bool number_meets(const struct flow_wish *w, const struct match *m)
{
	if (m->fields & SIM_FIELD_PROTO && m->icmp)
		return false;
	return (!m->sport_len && !m->dport_len) || end_meets(w, m->sport, m->sport_len) || end_meets(w, m->dport, m->dport_len);
}

bool report_meets(const struct agent *a, const struct dp_flow_key *key, const struct flow_wish *w)
{
	struct match m;
	bool by_proto;

	if (!w->by_proto && !w->by_address && !w->number)
		return true;
	if (!take(a, key, &m))
		take_exact(key, &m);
	if (!key->v6 && m.fields & SIM_FIELD_ETH_TYPE && m.eth_type != ETH_P_IP)
		return false;
	by_proto = m.fields & SIM_FIELD_PROTO;
	if (w->by_proto && by_proto && m.proto != w->proto && !(m.icmp && w->proto == IPPROTO_ICMP))
		return false;
	if (w->number && !number_meets(w, &m))
		return false;
	return !w->by_address || (ip_is_v4(&w->address) == !key->v6 && (address_meets(w, &m.src, m.src_len) || address_meets(w, &m.dst, m.dst_len)));
}
