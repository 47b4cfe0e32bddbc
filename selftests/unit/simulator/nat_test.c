// SPDX-License-Identifier: Apache-2.0
/*
 * Each kind of translation there and back, for each protocol and both families: the packet, its reply, ICMP errors about both from either end and from in
 * between, without a record that should be there or one that should not.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/scenario.h"
#include "selftests/lib/simtest.h"
#include "simulator/conns.h"

/* ba (vm1, vm3) - t - e - outside; bb (vm2) at t too.  t is the tenant's router, e the edge. */
#define NETWORK                                                                                          \
	"bridges: [{name: ba}, {name: bb}]\n"                                                            \
	"ports:\n"                                                                                       \
	"  - {name: vm1, bridge: ba, mac: \"02:00:00:00:00:01\", addresses: [10.1.0.1, \"fd01::1\"]}\n"  \
	"  - {name: vm3, bridge: ba, mac: \"02:00:00:00:00:03\", addresses: [10.1.0.3, \"fd01::3\"]}\n"  \
	"  - {name: vm2, bridge: bb, mac: \"02:00:00:00:00:02\", addresses: [10.2.0.2, \"fd02::2\"]}\n"  \
	"  - {name: ba-t, bridge: ba, peer: ta}\n"                                                       \
	"  - {name: bb-t, bridge: bb, peer: tb}\n"                                                       \
	"  - {name: ta, router: t, peer: ba-t, mac: \"02:aa:00:00:00:01\", addresses: [10.1.0.254/24, \"fd01::fe/64\"]}\n" \
	"  - {name: tb, router: t, peer: bb-t, mac: \"02:aa:00:00:00:02\", addresses: [10.2.0.254/24, \"fd02::fe/64\"]}\n" \
	"  - {name: te, router: t, peer: et, mac: \"02:aa:00:00:00:03\", addresses: [10.9.0.2/24, \"fd09::2/64\"]}\n" \
	"  - {name: et, router: e, peer: te, mac: \"02:aa:00:00:00:04\", addresses: [10.9.0.1/24, \"fd09::1/64\"]}\n" \
	"  - {name: u, router: e, mac: \"02:aa:00:00:00:05\", addresses: [203.0.113.2/24, \"fd03::2/64\"]}\n" \
	"routes:\n"                                                                                      \
	"  - {name: td, router: t, dst: 0.0.0.0/0, port: te, gateway: 10.9.0.1}\n"                       \
	"  - {name: td6, router: t, dst: \"::/0\", port: te, gateway: \"fd09::1\"}\n"                    \
	"  - {name: e1, router: e, dst: 10.0.0.0/8, port: et, gateway: 10.9.0.2}\n"                      \
	"  - {name: e16, router: e, dst: \"fd00::/14\", port: et, gateway: \"fd09::2\"}\n"               \
	"  - {name: ed, router: e, dst: 0.0.0.0/0, port: u, gateway: 203.0.113.1}\n"                     \
	"  - {name: ed6, router: e, dst: \"::/0\", port: u, gateway: \"fd03::1\"}\n"

static uint8_t buf[PKT_MAX], out_buf[PKT_MAX + 4];

struct fixture {
	struct sim sim;
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_conns *conns;
	struct sim_state_view view;
	struct sim_result res;
	uint64_t now;
};

static struct skep_ip ip_of(const char *text)
{
	struct skep_ip ip;

	assert_true(ip_parse(text, &ip));
	return ip;
}

static void blocks(struct fixture *x, const char *router, const char *address)
{
	struct skep_ip ip = ip_of(address);

	assert_int_equal(sim_conns_block_add(x->conns, router, &ip, 0), 0);
	assert_int_equal(sim_conns_block_add(x->conns, router, &ip, 4096), 0);
	assert_int_equal(sim_conns_block_add(x->conns, router, &ip, 20480), 0);
}

static void open_network(struct fixture *x, const char *more)
{
	const struct sim_conns_limits limits = {
		.records = 1000, .records_port = 1000, .affinities = 100, .timeouts = SKEP_TIMEOUTS
	};
	const struct skep_mac gw = { { 2, 0xff, 0, 0, 0, 1 } };
	static const char *const sources[][2] = { { "t", "10.9.0.2" },	 { "t", "fd09::2" },
						  { "e", "203.0.113.2" }, { "e", "fd03::2" },
						  { "t", "10.1.0.254" }, { "t", "fd01::fe" } };
	struct skep_ip a = ip_of("203.0.113.1"), b = ip_of("fd03::1");
	static const char routers[] = "routers: [{name: t}, {name: e}]\n";
	char yaml[8192];

	*x = (struct fixture){ .now = 1000000000 };
	sim_init(&x->sim);
	snprintf(yaml, sizeof(yaml), "%s%s%s", NETWORK, strstr(more, "routers:") ? "" : routers, more);
	x->snap = simtest_snapshot(yaml);
	x->tables = sim_tables_new(100, 100);
	x->conns = sim_conns_new(&limits);
	assert_non_null(x->tables);
	assert_non_null(x->conns);
	sim_tables_set_neigh(x->tables, "u", &a, &gw, true, x->now);
	sim_tables_set_neigh(x->tables, "u", &b, &gw, true, x->now);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		blocks(x, sources[i][0], sources[i][1]);
}

static void close_network(struct fixture *x)
{
	topo_unref(x->snap);
	sim_tables_free(x->tables);
	sim_conns_free(x->conns);
	sim_fini(&x->sim);
}

static const char *trace(struct fixture *x, const struct pkt *pkt)
{
	const char *text = sim_trace_text(&x->sim, pkt, &x->res);

	return text ? text : "";
}

/* The frame goes in and out by one port: what it is then.  Effects are kept; with them in place nothing more is to be made. */
static const struct topo_port *pass(struct fixture *x, const struct topo_port *in,
				    const uint8_t *frame, uint32_t len, struct pkt *out)
{
	const struct topo_port *port = NULL;
	struct err err = { 0 };
	struct pkt pkt;

	assert_int_equal(pkt_parse(frame, len, &pkt), SKEP_DROP_NONE);
	for (int turn = 0; turn < 2; turn++) {
		int n;

		sim_state_view_init(&x->view, x->tables, x->conns, x->snap, x->now);
		assert_int_equal(sim_run(&x->sim, x->snap, &x->view.view, in, &pkt, x->now, 1, SIM_TRACE,
					 &x->res, &err),
				 0);
		if (x->res.verdict != SIM_FORWARD || x->res.n_outputs != 1)
			fail_msg("%s", trace(x, &pkt));
		if (turn && x->res.n_new_conns)
			fail_msg("a record is made twice: %s", trace(x, &pkt));
		port = x->res.outputs[0].port;
		n = scenario_output_frame(x->res.data ? x->res.data : frame,
					  x->res.data ? x->res.len : len, &x->res.outputs[0], out_buf);
		assert_true(n > 0);
		assert_int_equal(pkt_parse(out_buf, (uint32_t)n, out), SKEP_DROP_NONE);
		if (!pkt_csum_ok(out))
			fail_msg("a checksum is wrong: %s", trace(x, &pkt));
		sim_conns_apply(x->conns, &x->res, &pkt, NULL, NULL, x->now);
	}
	return port;
}

static bool is_v6(const struct pkt_fields *f)
{
	return f->eth_type == htons(ETH_P_IPV6);
}

/* What who got 'f' answers. */
static uint32_t make_reply(const struct pkt_fields *f, uint8_t *frame, struct pkt *pkt)
{
	char line[512], s[ADDR_TEXT], d[ADDR_TEXT], a[ADDR_TEXT], b[ADDR_TEXT], l4[96];

	switch (f->ip_proto) {
	case IPPROTO_TCP:
		snprintf(l4, sizeof(l4), "/ tcp %u>%u SA", ntohs(f->l4_dst), ntohs(f->l4_src));
		break;
	case IPPROTO_UDP:
		snprintf(l4, sizeof(l4), "/ udp %u>%u", ntohs(f->l4_dst), ntohs(f->l4_src));
		break;
	case IPPROTO_SCTP:
		snprintf(l4, sizeof(l4), "/ sctp %u>%u", ntohs(f->l4_dst), ntohs(f->l4_src));
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		snprintf(l4, sizeof(l4), "/ icmp%s reply id %u", is_v6(f) ? "6" : "", ntohs(f->l4_dst));
		break;
	default:
		snprintf(l4, sizeof(l4), "proto %u / data 20", f->ip_proto);
	}
	snprintf(line, sizeof(line), "eth %s>%s / ip%s %s>%s %s", mac_format(&f->eth_dst, s),
		 mac_format(&f->eth_src, d), is_v6(f) ? "6" : "", ip_format(&f->ip_dst, a),
		 ip_format(&f->ip_src, b), l4);
	simtest_packet(line, frame, pkt);
	return pkt->len;
}

#define IP_EQ(x, a, b)                                                                       \
	do {                                                                                 \
		char at[ADDR_TEXT], bt[ADDR_TEXT];                                           \
		if (!ip_eq(a, b))                                                            \
			fail_msg("line %d: %s is not %s\n%s", __LINE__, ip_format(a, at),    \
				 ip_format(b, bt), trace(x, out));                           \
	} while (0)

/*
 * An ICMP error about what left as 'got', by who got it or ('between') somebody on the way, must come back to the sender of 'sent' and quote that.  'got'
 * left by 'far', 'sent' came in by 'near'.
 */
static void check_error(struct fixture *x, const struct pkt *sent, const struct topo_port *near,
			const struct pkt *got, const struct topo_port *far, bool between)
{
	static uint8_t frame[PKT_MAX];
	const bool v6 = is_v6(&got->f);
	const struct skep_ip other = ip_of(v6 ? "fd77::7" : "192.0.2.77");
	const struct skep_ip *src = between ? &other : &got->f.ip_dst;
	struct pkt pkt, *out = &pkt;
	struct pkt_quote quote;
	uint32_t len;

	if (between && strcmp(far->o.name, "u") != 0)
		return; /* a machine may not claim to be another */
	len = pkt_build_icmp_error(frame, sizeof(frame), got, v6 ? 2 : 3, v6 ? 0 : 4, 1400, &got->f.eth_dst,
				   src);
	assert_true(len > 0);
	assert_ptr_equal(pass(x, far, frame, len, out), near);
	assert_false(x->res.cacheable);
	IP_EQ(x, &out->f.ip_dst, &sent->f.ip_src);
	if (!between)
		IP_EQ(x, &out->f.ip_src, &sent->f.ip_dst);
	assert_true(pkt_quoted(out, &quote));
	IP_EQ(x, &quote.f.ip_src, &sent->f.ip_src);
	IP_EQ(x, &quote.f.ip_dst, &sent->f.ip_dst);
	assert_int_equal(quote.f.l4_src, sent->f.l4_src);
	assert_int_equal(quote.f.l4_dst, sent->f.l4_dst);
}

enum { RECORD = 1, STATELESS = 2, NO_ERROR = 4 };

static void round_trip(const char *topology, const char *in, const char *line, const char *leaves,
		       int flags)
{
	static uint8_t got_frame[PKT_MAX + 4], reply_frame[PKT_MAX], back_frame[PKT_MAX + 4];
	struct pkt sent, got, reply, back, *out = &back;
	const struct topo_port *near, *far;
	struct fixture fx, *x = &fx;
	uint32_t len;

	open_network(x, topology);
	near = topo_find_port(x->snap, in);
	assert_non_null(near);
	simtest_packet(line, buf, &sent);
	far = pass(x, near, buf, sent.len, &got);
	if (strcmp(far->o.name, leaves) != 0)
		fail_msg("%s: leaves by %s", line, far->o.name);
	assert_int_equal(sim_conns_count(x->conns, NULL), flags & RECORD ? 2 : 0);
	memcpy(got_frame, out_buf, got.len);
	assert_int_equal(pkt_parse(got_frame, got.len, &got), SKEP_DROP_NONE);
	if (!(flags & NO_ERROR)) {
		check_error(x, &sent, near, &got, far, false);
		check_error(x, &sent, near, &got, far, true);
	}
	len = make_reply(&got.f, reply_frame, &reply);
	assert_ptr_equal(pass(x, far, reply_frame, len, &back), near);
	IP_EQ(x, &back.f.ip_src, &sent.f.ip_dst);
	IP_EQ(x, &back.f.ip_dst, &sent.f.ip_src);
	assert_int_equal(sim_conns_count(x->conns, NULL), flags & RECORD ? 2 : 0);
	if (sent.f.ip_proto == IPPROTO_ICMP || sent.f.ip_proto == IPPROTO_ICMPV6) {
		assert_int_equal(back.f.l4_dst, sent.f.l4_dst);
	} else {
		assert_int_equal(back.f.l4_src, sent.f.l4_dst);
		assert_int_equal(back.f.l4_dst, sent.f.l4_src);
	}
	memcpy(back_frame, out_buf, back.len);
	assert_int_equal(pkt_parse(back_frame, back.len, &back), SKEP_DROP_NONE);
	if (!(flags & NO_ERROR))
		check_error(x, &reply, far, &back, near, false);
	close_network(x);
}

struct flow {
	const char *in, *macs, *a4, *b4, *a6, *b6; /* from a to b */
	const char *leaves;
};

/* All protocols, both families; 'echo' false: ports are part of the rule. */
static void all(const char *topology, const struct flow *f, int flags, bool others)
{
	static const char *const l4[] = { "/ tcp 5000>80 S", "/ udp 5000>80", "/ icmp%s echo id 5000",
					  "/ sctp 5000>80", "proto 47 / data 20" };

	for (int v6 = 0; v6 < 2; v6++)
		for (size_t i = 0; i < (others ? 5 : 2); i++) {
			char line[512], tail[64];

			snprintf(tail, sizeof(tail), i == 2 ? "/ icmp%s echo id 5000" : "%s",
				 i == 2 ? (v6 ? "6" : "") : l4[i]);
			snprintf(line, sizeof(line), "eth %s / ip%s %s>%s %s", f->macs, v6 ? "6" : "",
				 v6 ? f->a6 : f->a4, v6 ? f->b6 : f->b4, tail);
			round_trip(topology, f->in, line, f->leaves, flags);
		}
}

#define VM1_TO_T "02:00:00:00:00:01>02:aa:00:00:00:01"
#define VM3_TO_T "02:00:00:00:00:03>02:aa:00:00:00:01"
#define VM2_TO_T "02:00:00:00:00:02>02:aa:00:00:00:02"
#define GW_TO_E	 "02:ff:00:00:00:01>02:aa:00:00:00:05"

static const struct flow vm1_out = { "vm1",	VM1_TO_T, "10.1.0.1", "8.8.8.8",
				     "fd01::1", "fd88::8", "u" };

static void test_snat(void **state)
{
	(void)state;
	all("nats:\n"
	    "  - {name: s4, router: e, type: snat, port: u, src: 10.0.0.0/8, to: 203.0.113.2}\n"
	    "  - {name: s6, router: e, type: snat, port: u, src: \"fd00::/8\", to: \"fd03::2\"}\n",
	    &vm1_out, RECORD, true);
}

static void test_two_snats(void **state)
{
	(void)state;
	all("nats:\n"
	    "  - {name: t4, router: t, type: snat, port: te, src: 10.0.0.0/8, to: 10.9.0.2}\n"
	    "  - {name: t6, router: t, type: snat, port: te, src: \"fd00::/8\", to: \"fd09::2\"}\n"
	    "  - {name: s4, router: e, type: snat, port: u, src: 10.9.0.0/24, to: 203.0.113.2}\n"
	    "  - {name: s6, router: e, type: snat, port: u, src: \"fd09::/64\", to: \"fd03::2\"}\n",
	    &vm1_out, RECORD, true);
}

static void test_snat_behind_floating_ip(void **state)
{
	(void)state;
	all("nats:\n"
	    "  - {name: t4, router: t, type: snat, port: te, src: 10.0.0.0/8, to: 10.9.0.2}\n"
	    "  - {name: t6, router: t, type: snat, port: te, src: \"fd00::/8\", to: \"fd09::2\"}\n"
	    "floating_ips:\n"
	    "  - {name: f4, router: e, address: 203.0.113.9, fixed: 10.9.0.2}\n"
	    "  - {name: f6, router: e, address: \"fd03::9\", fixed: \"fd09::2\"}\n",
	    &vm1_out, RECORD, true);
}

static void test_dnat(void **state)
{
	static const struct flow f = { "u",	 GW_TO_E,   "203.0.113.1", "203.0.113.77",
				       "fd03::1", "fd03::77", "vm1" };

	(void)state;
	all("nats:\n"
	    "  - {name: d4, router: e, type: dnat, dst: 203.0.113.77, to: 10.1.0.1}\n"
	    "  - {name: d6, router: e, type: dnat, dst: \"fd03::77\", to: \"fd01::1\"}\n",
	    &f, RECORD, true);
	all("nats:\n"
	    "  - {name: d4, router: e, type: dnat, proto: tcp, dst: 203.0.113.77, dst_ports: 80, to: 10.1.0.1, to_ports: 8080}\n"
	    "  - {name: d6, router: e, type: dnat, proto: tcp, dst: \"fd03::77\", dst_ports: 80, to: \"fd01::1\", to_ports: 8080}\n"
	    "  - {name: u4, router: e, type: dnat, proto: udp, dst: 203.0.113.77, dst_ports: 80, to: 10.1.0.1, to_ports: 53}\n"
	    "  - {name: u6, router: e, type: dnat, proto: udp, dst: \"fd03::77\", dst_ports: 80, to: \"fd01::1\", to_ports: 53}\n",
	    &f, RECORD, false);
}

#define FIPS                                                                   \
	"floating_ips:\n"                                                      \
	"  - {name: f4, router: e, address: 203.0.113.9, fixed: 10.1.0.1}\n"   \
	"  - {name: f6, router: e, address: \"fd03::9\", fixed: \"fd01::1\"}\n"
#define FIPS_T                                                                                     \
	"floating_ips:\n"                                                                          \
	"  - {name: f4, router: t, address: 10.9.0.9, fixed: 10.1.0.1, uplink: te}\n"              \
	"  - {name: f6, router: t, address: \"fd09::9\", fixed: \"fd01::1\", uplink: te}\n"

static void test_floating_ip(void **state)
{
	static const struct flow in = { "u",	  GW_TO_E,   "203.0.113.1", "203.0.113.9",
					"fd03::1", "fd03::9", "vm1" };

	(void)state;
	all(FIPS, &in, STATELESS, true);
	all(FIPS, &vm1_out, STATELESS, true);
}

/* From the same subnet, from another one; with and without a floating IP of their own. */
static void test_floating_ip_from_inside(void **state)
{
	static const struct flow same = { "vm3",     VM3_TO_T,	"10.1.0.3", "10.9.0.9",
					  "fd01::3", "fd09::9", "vm1" };
	static const struct flow other = { "vm2",     VM2_TO_T,	 "10.2.0.2", "10.9.0.9",
					   "fd02::2", "fd09::9", "vm1" };
	static const char both[] = FIPS_T
		"  - {name: g4, router: t, address: 10.9.0.10, fixed: 10.1.0.3, uplink: te}\n"
		"  - {name: g6, router: t, address: \"fd09::10\", fixed: \"fd01::3\", uplink: te}\n"
		"  - {name: h4, router: t, address: 10.9.0.11, fixed: 10.2.0.2, uplink: te}\n"
		"  - {name: h6, router: t, address: \"fd09::11\", fixed: \"fd02::2\", uplink: te}\n";

	(void)state;
	all(FIPS_T, &same, RECORD, true);
	all(FIPS_T, &other, RECORD, true);
	all(both, &same, STATELESS, true);
	all(both, &other, STATELESS, true);
}

#define LB                                                                                              \
	"load_balancers: [{name: lb, router: t}]\n"                                                     \
	"pools: [{name: p4}, {name: p6}]\n"                                                             \
	"members:\n"                                                                                    \
	"  - {name: m4, pool: p4, address: 10.1.0.1, port: 8080}\n"                                     \
	"  - {name: m6, pool: p6, address: \"fd01::1\", port: 8080}\n"                                  \
	"vips:\n"                                                                                       \
	"  - {name: v4, load_balancer: lb, address: 10.9.0.80, proto: tcp, port: 80, pool: p4}\n"       \
	"  - {name: w4, load_balancer: lb, address: 10.9.0.80, proto: udp, port: 0, pool: p4}\n"        \
	"  - {name: v6, load_balancer: lb, address: \"fd09::80\", proto: tcp, port: 80, pool: p6}\n"    \
	"  - {name: w6, load_balancer: lb, address: \"fd09::80\", proto: udp, port: 0, pool: p6}\n"

static void test_vip(void **state)
{
	static const struct flow outside = { "u",	GW_TO_E,    "203.0.113.1", "10.9.0.80",
					     "fd03::1", "fd09::80", "vm1" };
	static const struct flow same = { "vm3",     VM3_TO_T,	 "10.1.0.3", "10.9.0.80",
					  "fd01::3", "fd09::80", "vm1" };
	static const struct flow other = { "vm2",     VM2_TO_T,	  "10.2.0.2", "10.9.0.80",
					   "fd02::2", "fd09::80", "vm1" };
	static const struct flow self = { "vm1",     VM1_TO_T,	 "10.1.0.1", "10.9.0.80",
					  "fd01::1", "fd09::80", "vm1" };

	(void)state;
	all(LB, &outside, RECORD, false);
	all(LB, &same, RECORD, false);
	all(LB, &other, RECORD, false);
	all(LB, &self, RECORD, false);
}

/* The router's chains are not for a VIP's packets, replies, and errors about them. */
static void test_vip_skips_chains(void **state)
{
	static const struct flow outside = { "u",	GW_TO_E,    "203.0.113.1", "10.9.0.80",
					     "fd03::1", "fd09::80", "vm1" };

	(void)state;
	all(LB "chains: [{name: none, rules: [{name: all, action: drop}]}]\n"
	       "routers: [{name: t, in_chain: none}, {name: e}]\n",
	    &outside, RECORD, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snat),
		cmocka_unit_test(test_two_snats),
		cmocka_unit_test(test_snat_behind_floating_ip),
		cmocka_unit_test(test_dnat),
		cmocka_unit_test(test_floating_ip),
		cmocka_unit_test(test_floating_ip_from_inside),
		cmocka_unit_test(test_vip),
		cmocka_unit_test(test_vip_skips_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
