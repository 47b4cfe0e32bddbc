// SPDX-License-Identifier: Apache-2.0
/*
 * Mask soundness: a packet that differs only in what a cacheable decision did not read must meet the same decision, and keep what it
 * has of its own.  Tried on every step of every scenario, and on random policies.
 */
#include <arpa/inet.h>
#include <glob.h>
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

#include "selftests/lib/excess.h"
#include "selftests/lib/mask.h"
#include "selftests/lib/scenario.h"
#include "selftests/lib/simtest.h"

#define VARIANTS   40
#define EXCESS_MAX 20.0 /* percent of the fields in masks */

struct state {
	struct sim sim;
	uint64_t random;
	unsigned int cases, cacheable;
	struct excess excess;
};

static const uint8_t protos[] = { IPPROTO_ICMP, IPPROTO_TCP,	IPPROTO_UDP,
				  IPPROTO_SCTP, IPPROTO_ICMPV6, 47 };

static void random_bytes(struct state *st, void *p, size_t n)
{
	for (uint8_t *b = p; n; n--)
		*b++ = (uint8_t)simtest_random(&st->random);
}

/* Telling the way must not change it: not what is read, nor what counts. */
static const char *trace_difference(const struct sim_result *a, const struct sim_result *b)
{
	if (a->verdict != b->verdict || a->reason != b->reason || a->cacheable != b->cacheable)
		return "verdict with and without a trace";
	if (!sim_mask_eq(&a->mask, &b->mask))
		return "mask with and without a trace";
	if (a->n_tags != b->n_tags || a->n_rules != b->n_rules || a->n_logs != b->n_logs ||
	    a->n_outputs != b->n_outputs)
		return "number of tags, rules or outputs with and without a trace";
	return NULL;
}

static int try_trace(struct state *st, const struct scenario_step *step, struct err *err)
{
	struct sim_result res;
	const char *what;

	for (unsigned int flags = 0; flags <= SIM_TRACE; flags += SIM_TRACE) {
		if (sim_run(&st->sim, step->snap, step->view, step->in, step->pkt, 0, SCENARIO_SEED,
			    flags, &res, err))
			return -1;
		what = trace_difference(step->res, &res);
		if (what)
			return err_set(err, -1, "line %u: %s differs", step->line, what);
	}
	return 0;
}

static int try_variants(void *arg, const struct scenario_step *step, struct err *err)
{
	struct state *st = arg;
	char mask[256], a[ADDR_TEXT], d[ADDR_TEXT];

	st->cases++;
	if (try_trace(st, step, err))
		return -1;
	if (!step->res->cacheable)
		return 0;
	st->cacheable++;
	if (excess_try(&st->excess, &st->sim, step->snap, step->view, step->in, step->pkt, 0, SCENARIO_SEED,
		       step->res, err))
		return -1;
	for (unsigned int i = 0; i < VARIANTS; i++) {
		struct pkt pkt = *step->pkt;
		struct sim_result res;
		const char *what;

		mask_vary(&st->random, step->res, &pkt.f);
		if (sim_always_up(&pkt.f))
			continue;
		if (sim_run(&st->sim, step->snap, step->view, step->in, &pkt, 0, SCENARIO_SEED, 0,
			    &res, err))
			return -1;
		what = mask_unsound(&step->pkt->f, step->res, &pkt.f, &res);
		if (what)
			return err_set(
				err, -1,
				"line %u: %s differs (mask: %s; type 0x%04x proto %u frag %u %s>%s l4 0x%x>%u)",
				step->line, what,
				sim_mask_format(&step->res->mask, mask, sizeof(mask)),
				ntohs(pkt.f.eth_type), pkt.f.ip_proto, pkt.f.ip_frag,
				ip_format(&pkt.f.ip_src, a), ip_format(&pkt.f.ip_dst, d),
				ntohs(pkt.f.l4_src), ntohs(pkt.f.l4_dst));
	}
	return 0;
}

static int note_packet(void *arg, const struct scenario_step *step, struct err *err)
{
	struct state *st = arg;

	excess_donor(&st->excess, &step->pkt->f);
	return 0;
}

static void test_scenarios(void **state)
{
	struct state st = { .random = 20251, .excess.random = 3 };
	struct scenario_file *f;
	struct err err = { 0 };
	glob_t paths;

	(void)state;
	sim_init(&st.sim);
	assert_int_equal(glob("selftests/sim/*.sim", 0, NULL, &paths), 0);
	for (size_t i = 0; i < paths.gl_pathc; i++) {
		f = scenario_load(paths.gl_pathv[i], &err);
		assert_non_null(f);
		excess_forget_donors(&st.excess);
		for (unsigned int j = 0; j < scenario_count(f); j++)
			assert_int_equal(scenario_run(f, j, note_packet, &st, &err), 0);
		for (unsigned int j = 0; j < scenario_count(f); j++)
			if (scenario_run(f, j, try_variants, &st, &err))
				fail_msg("%s: %s", scenario_name(f, j), err.text);
		scenario_free(f);
	}
	globfree(&paths);
	sim_fini(&st.sim);
	assert_true(excess_report(&st.excess, "scenarios") < EXCESS_MAX / 3);
	assert_true(st.cacheable > 100);
}

/* --- random policies and packets --- */

static const char *random_rule(struct state *st, char *buf, size_t size)
{
	static const char *const actions[] = { "accept", "drop", "return", "reject", "continue" };
	static const char *const conditions[] = {
		"",
		", ethertype: 0x86dd",
		", ethertype: 0x0800",
		", proto: tcp",
		", proto: udp",
		", proto: icmp",
		", proto: icmp6",
		", proto: tcp, dst_ports: 1000-40000",
		", proto: udp, src_ports: 0-30000",
		", proto: icmp, icmp_type: 8",
		", src: 172.20.0.0/16",
		", dst: 172.20.2.0/25",
		", src: \"fd20:1::/32\"",
		", dst: \"fd20:2::/64\"",
		", eth_src: \"02:00:00:00:00:01\"",
		", eth_dst: \"02:00:00:00:00:00/ff:00:00:00:00:00\"",
		", proto: udp, dst: 172.20.2.10, dst_ports: 53",
		", proto: udp, dst_ports: 53, not: [dst_ports]",
		", proto: tcp, dst_ports: 53, invert: true",
		", src: 172.20.0.0/16, not: [src]",
		", src_group: ag",
		", dst_group: ag",
		", dst_group: ag, not: [dst_group]",
		", dscp: 10",
		", fragment: any_fragment",
		", fragment: later, invert: true",
		", proto: tcp, tcp_flags: \"syn,!ack\"",
		", vlan: 0",
		", vlan: 7",
		", in_ports: [vm1, ra]",
		", out_port_group: pg",
		", entry_port_group: pg",
		", traversed: router/r",
	};

	snprintf(buf, size, "          - {action: %s%s}\n", actions[simtest_below(&st->random, 5)],
		 conditions[simtest_below(&st->random, sizeof(conditions) / sizeof(*conditions))]);
	return buf;
}

static struct topo_snapshot *random_network(struct state *st)
{
	char yaml[16384], rule[256];
	size_t n = (size_t)snprintf(yaml, sizeof(yaml),
				    "address_groups: [{name: ag, addresses: [172.20.2.8/29, 10.1.2.3, \"fd20:2::/64\"]}]\n"
				    "port_groups: [{name: pg}]\n"
				    "qos_policies: [{name: q, dscp: %u}]\n"
				    "security_groups:\n"
				    "  - {name: sg, stateful: false, egress: rules, rules: [\n"
				    "     {direction: ingress, proto: udp, remote_group: sg},\n"
				    "     {direction: ingress, proto: udp, dst_ports: 53},\n"
				    "     {direction: ingress, proto: tcp, remote: 172.20.0.0/16},\n"
				    "     {direction: egress, remote_addresses: ag}]}\n"
				    "chains:\n",
				    simtest_below(&st->random, 64));

	for (unsigned int c = 0; c < 4; c++) {
		n += (size_t)snprintf(yaml + n, sizeof(yaml) - n,
				      "      - name: c%u\n        rules:\n", c);
		for (unsigned int r = 0; r < 3; r++)
			n += (size_t)snprintf(yaml + n, sizeof(yaml) - n, "%s",
					      random_rule(st, rule, sizeof(rule)));
	}
	snprintf(
		yaml + n, sizeof(yaml) - n,
		"bridges: [{name: ba, out_chain: c0}, {name: bb}]\n"
		"routers: [{name: r, in_chain: c1}]\n"
		"ports:\n"
		"  - {name: vm1, bridge: ba, in_chain: c2, port_groups: [pg], qos: q}\n"
		"  - {name: vm2, bridge: bb, mac: \"02:00:00:00:00:02\", out_chain: c3,\n"
		"     security_groups: [sg], addresses: [172.20.2.10, \"fd20:2::10\"]}\n"
		"  - {name: tap, bridge: ba, mac: \"02:00:00:00:00:05\"}\n"
		"  - {name: vm3, bridge: ba, mac: \"02:00:00:00:00:03\", addresses: [172.20.1.3]}\n"
		"  - {name: a-r, bridge: ba, peer: ra}\n"
		"  - {name: b-r, bridge: bb, peer: rb}\n"
		"  - {name: ra, router: r, peer: a-r, mac: \"02:aa:00:00:00:01\", addresses: [172.20.1.1/24, \"fd20:1::1/64\"]}\n"
		"  - {name: rb, router: r, peer: b-r, mac: \"02:aa:00:00:00:02\", addresses: [172.20.2.1/24, \"fd20:2::1/64\"]}\n"
		"  - {name: u, router: r, mac: \"02:aa:00:00:00:03\", addresses: [198.51.100.2/24]}\n"
		"  - {name: w, router: r, mac: \"02:aa:00:00:00:04\", addresses: [198.51.101.2/24]}\n"
		"mirrors:\n"
		"  - {name: m, to: tap, at: [{bridge: bb, hook: out}], match: [{dscp: 3}, {proto: udp, dst_ports: 53}]}\n"
		"routes:\n"
		"  - {name: e1, router: r, dst: 0.0.0.0/0, port: u, gateway: 198.51.100.1}\n"
		"  - {name: e2, router: r, dst: 0.0.0.0/0, port: w, gateway: 198.51.101.1}\n"
		"  - {name: h, router: r, dst: 10.0.0.0/12, type: blackhole}\n"
		"  - {name: s, router: r, dst: 10.0.0.0/9, src: 172.20.0.0/17, port: u, gateway: 198.51.100.1}\n");
	return simtest_snapshot(yaml);
}

static void random_packet(struct state *st, struct pkt *pkt)
{
	static const struct skep_mac macs[] = {
		{ { 2, 0, 0, 0, 0, 1 } },    { { 2, 0, 0, 0, 0, 3 } },
		{ { 2, 0xaa, 0, 0, 0, 1 } }, { { 2, 0xaa, 0, 0, 0, 1 } },
		{ { 2, 0xaa, 0, 0, 0, 1 } }, { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
		{ { 2, 0, 0, 0, 0, 0x99 } },
	};
	static const char *const v4[] = {
		"172.20.1.10", "172.20.2.10", "172.20.2.200", "10.1.2.3",
		"10.64.1.1",   "8.8.8.8",     "172.20.1.1",   "10.200.0.1"
	};
	static const char *const v6[] = { "fd20:1::10", "fd20:2::10", "fd20:2::1", "fd99::1" };
	static const uint8_t tos[] = { 0, 3, 10 }, flags[] = { 0x02, 0x12, 0x10 };
	struct pkt_fields *f = &pkt->f;

	*f = (struct pkt_fields){ .eth_src = macs[0], .ip_ttl = 64 };
	f->eth_dst = macs[1 + simtest_below(&st->random, 6)];
	if (simtest_below(&st->random, 3)) {
		f->eth_type = htons(ETH_P_IP);
		ip_parse(v4[simtest_below(&st->random, 8)], &f->ip_src);
		ip_parse(v4[simtest_below(&st->random, 8)], &f->ip_dst);
	} else {
		f->eth_type = htons(ETH_P_IPV6);
		ip_parse(v6[simtest_below(&st->random, 4)], &f->ip_src);
		ip_parse(v6[simtest_below(&st->random, 4)], &f->ip_dst);
	}
	f->ip_proto = protos[simtest_below(&st->random, sizeof(protos))];
	f->ip_frag = simtest_below(&st->random, 6) ? SKEP_FRAG_NONE
						   : (uint8_t)simtest_below(&st->random, 3);
	random_bytes(st, &f->l4_src, 2);
	f->l4_dst = simtest_below(&st->random, 3) ? htons(53)
						  : htons((uint16_t)simtest_random(&st->random));
	f->ip_tos = (uint8_t)(tos[simtest_below(&st->random, 3)] << 2);
	f->tcp_flags = flags[simtest_below(&st->random, 3)];
	mask_settle(f);
}

static void test_random(void **state)
{
	struct state st = { .random = 4711, .excess.random = 5 };
	struct sim_tables *tables = sim_tables_new(100, 100);
	const struct skep_mac gw = { { 2, 0xff, 0, 0, 0, 1 } };
	_Alignas(8) static uint8_t frame[PKT_MAX];
	struct err err = { 0 };
	struct skep_ip ip;
	struct pkt base;

	(void)state;
	sim_init(&st.sim);
	simtest_packet(
		"eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 172.20.1.10>172.20.2.10 / udp 1>2",
		frame, &base);
	ip_parse("198.51.100.1", &ip);
	sim_tables_set_neigh(tables, "u", &ip, &gw, false, 0);
	ip_parse("198.51.101.1", &ip);
	sim_tables_set_neigh(tables, "w", &ip, &gw, false, 0);
	for (unsigned int i = 0; i < 60; i++) {
		struct topo_snapshot *snap = random_network(&st);
		struct sim_tables_view view;
		struct sim sim;

		sim_init(&sim);
		sim_tables_view_init(&view, tables, snap, 1);
		for (unsigned int j = 0; j < 60; j++) {
			struct scenario_step step = { .snap = snap,
						      .view = &view.view,
						      .line = i * 60 + j };
			struct pkt pkt = base;
			struct sim_result res;

			random_packet(&st, &pkt);
			if (sim_always_up(&pkt.f))
				continue;
			excess_donor(&st.excess, &pkt.f);
			step.in = topo_find_port(snap, "vm1");
			step.pkt = &pkt;
			step.res = &res;
			assert_int_equal(sim_run(&sim, snap, &view.view, step.in, &pkt, 0,
						 SCENARIO_SEED, 0, &res, &err),
					 0);
			if (try_variants(&st, &step, &err))
				fail_msg("%s", err.text);
		}
		sim_fini(&sim);
		topo_unref(snap);
	}
	sim_tables_free(tables);
	sim_fini(&st.sim);
	assert_true(excess_report(&st.excess, "random policies") < EXCESS_MAX);
	assert_true(st.cacheable > 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
