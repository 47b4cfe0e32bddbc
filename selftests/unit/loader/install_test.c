// SPDX-License-Identifier: Apache-2.0
/* From outputs to copies: rewrites, local and remote, one copy per host of a flood and when not:
 * loader/install.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "loader/install.h"
#include "util/pool.h"

/* A bridge with ports on "me", "h1" (two), "h2" (two) and one interior. */
enum { MINE, H1A, H1B, H2A, H2B, INTERIOR, DEAD, STRANGER, N_PORTS };

struct fixture {
	struct topo_bridge bridge;
	struct topo_port ports[N_PORTS];
	struct pool pool;
	struct sim_output outs[N_PORTS];
	uint32_t n;
	struct pkt_fields in;
	struct arena arena;
	struct install_plan plan;
} t;

static bool local(void *arg, uint32_t key, uint32_t *ifindex, bool *peer)
{
	*ifindex = key - 0x100 + 7;
	*peer = true;
	return key == 0x100;
}

static uint32_t peer(void *arg, const char *host)
{
	return !strcmp(host, "h1") ? 1 : !strcmp(host, "h2") ? 2 : 0;
}

static const struct install_env env = { .host = "me", .local = local, .peer = peer };

static int setup(void **state)
{
	static const char *const hosts[] = { "me", "h1", "h1", "h2", "h2", NULL, NULL, "h9" };

	t = (struct fixture){ .in = { .eth_type = 8,
				      .ip_ttl = 64,
				      .eth_dst = { { 2, 0, 0, 0, 0, 1 } },
				      .eth_src = { { 2, 0, 0, 0, 0, 2 } } } };
	arena_init(&t.arena, 0);
	pool_init(&t.pool);
	topo_ports_init(&t.bridge.ports, &t.pool, 0);
	for (int i = 0; i < N_PORTS; i++) {
		t.ports[i] = (struct topo_port){ .o = { .name = "p" },
						 .bridge = &t.bridge,
						 .live_host = hosts[i],
						 .live_key = hosts[i] ? 0x100 + i : 0 };
		if (hosts[i])
			t.ports[i].live_flood_key = 0x900 + hosts[i][1];
		assert_int_equal(topo_ports_put(&t.bridge.ports, &t.ports[i], NULL), 0);
	}
	t.ports[INTERIOR].peer = &t.ports[MINE];
	return 0;
}

static int teardown(void **state)
{
	arena_fini(&t.arena);
	pool_fini(&t.pool);
	return 0;
}

static void output(int port, bool flood)
{
	t.outs[t.n++] = (struct sim_output){ .port = &t.ports[port],
					     .f = t.in,
					     .flooded = flood ? &t.bridge : NULL };
}

static void plan(void)
{
	assert_int_equal(install_plan(&env, &t.in, t.outs, t.n, &t.arena, &t.plan), 0);
}

static void no_outputs(void **state)
{
	plan();
	assert_int_equal(t.plan.n, 0);
	assert_int_equal(t.plan.dead, 0);
}

static void one_local(void **state)
{
	output(MINE, false);
	plan();
	assert_int_equal(t.plan.n, 1);
	assert_int_equal(t.plan.copies[0].verdict.action, SKEP_ACT_LOCAL);
	assert_int_equal(t.plan.copies[0].verdict.out, 7);
	assert_int_equal(t.plan.copies[0].verdict.flags, SKEP_F_PEER);
	assert_int_equal(t.plan.n_hosts, 0);
}

static void one_remote(void **state)
{
	output(H1B, false);
	plan();
	assert_int_equal(t.plan.n, 1);
	assert_int_equal(t.plan.copies[0].verdict.action, SKEP_ACT_ENCAP);
	assert_int_equal(t.plan.copies[0].verdict.out, 0x100 + H1B);
	assert_int_equal(t.plan.copies[0].verdict.peer, 1);
	assert_int_equal(t.plan.n_hosts, 1);
	assert_string_equal(t.plan.hosts[0], "h1");
}

static void unreachable(void **state)
{
	output(DEAD, false);
	output(STRANGER, false);
	plan();
	assert_int_equal(t.plan.n, 0);
	assert_int_equal(t.plan.dead, 2);
	/* the flow waits for that host to become known */
	assert_int_equal(t.plan.n_hosts, 1);
	assert_string_equal(t.plan.hosts[0], "h9");
}

static void rewrite(void **state)
{
	output(H1A, false);
	t.outs[0].f.eth_dst.b[5] = 9;
	t.outs[0].f.ip_ttl = 62;
	plan();
	assert_int_equal(t.plan.copies[0].verdict.flags, SKEP_F_ETH_DST);
	assert_int_equal(t.plan.copies[0].verdict.ttl_dec, 2);
	assert_int_equal(t.plan.copies[0].verdict.eth_dst.b[5], 9);
	t.outs[0].f.eth_src.b[5] = 8;
	plan();
	assert_int_equal(t.plan.copies[0].verdict.flags, SKEP_F_ETH_DST | SKEP_F_ETH_SRC);
}

static void rewrite_that_the_datapath_lacks(void **state)
{
	struct pkt_fields changed[5];

	for (int i = 0; i < 5; i++)
		changed[i] = t.in;
	changed[0].ip_dst.w[2] = htonl(0xffff); /* of the other family */
	changed[1].l4_src = 1;	    /* no protocol with ports */
	changed[2].eth_type = 1;
	changed[3].ip_tos = 1; /* ECN */
	changed[4].ip_ttl = 65;
	for (int i = 0; i < 5; i++) {
		t.n = 0;
		output(H1A, false);
		t.outs[0].f = changed[i];
		plan();
		assert_int_equal(t.plan.n, 0);
		assert_true(t.plan.unsupported);
	}
}

/* Which keys go to a host, as text: "1:9xx" */
static uint32_t keys_to(uint32_t host, uint32_t keys[static 8])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t.plan.n; i++)
		if (t.plan.copies[i].verdict.action == SKEP_ACT_ENCAP &&
		    t.plan.copies[i].verdict.peer == host)
			keys[n++] = t.plan.copies[i].verdict.out;
	return n;
}

static void flood_all(void)
{
	output(MINE, true);
	output(H1A, true);
	output(H1B, true);
	output(H2A, true);
	output(H2B, true);
}

static void flood_one_copy_per_host(void **state)
{
	uint32_t keys[8];

	flood_all();
	plan();
	assert_int_equal(t.plan.n, 3);
	assert_true(t.plan.uniform);
	assert_int_equal(keys_to(1, keys), 1);
	assert_int_equal(keys[0], 0x900 + '1');
	assert_int_equal(keys_to(2, keys), 1);
	assert_int_equal(keys[0], 0x900 + '2');
	assert_int_equal(t.plan.n_hosts, 2);
}

static void flood_without_a_filtered_port(void **state)
{
	uint32_t keys[8];

	flood_all();
	t.n--; /* policy took H2B */
	plan();
	assert_int_equal(keys_to(1, keys), 1);
	assert_int_equal(keys_to(2, keys), 1);
	assert_int_equal(keys[0], 0x100 + H2A); /* not the flood key: H2B must not get it */
}

static void flood_keys_that_are_missing_or_differ(void **state)
{
	uint32_t keys[8];

	t.ports[H1A].live_flood_key = 0x999;
	t.ports[H2A].live_flood_key = t.ports[H2B].live_flood_key = 0;
	flood_all();
	plan();
	assert_int_equal(keys_to(1, keys), 2);
	assert_int_equal(keys_to(2, keys), 2);
	assert_int_equal(keys[1], 0x100 + H2B);
}

static void unicast_never_floods(void **state)
{
	uint32_t keys[8];

	output(H1A, false);
	output(H1B, false);
	plan();
	assert_int_equal(keys_to(1, keys), 2);
}

static const struct install_copy *only(void)
{
	plan();
	assert_int_equal(t.plan.n, 1);
	return &t.plan.copies[0];
}

/* Each field that can be written, with its value and nothing else. */
static void rewrites(void **state)
{
	struct pkt_fields *f = &t.outs[0].f;
	const struct skep_rewrite *rw;

	t.in.ip_proto = IPPROTO_TCP;
	t.in.has_l4 = 1;
	t.in.ip_tos = 1;
	ip_parse("10.0.0.1", &t.in.ip_src);
	ip_parse("10.0.0.2", &t.in.ip_dst);
	output(H1A, false);
	assert_false(install_rewrites(&only()->rewrite));
	ip_parse("10.0.0.9", &f->ip_src);
	rw = &only()->rewrite;
	assert_int_equal(rw->what, SKEP_RW_SRC);
	assert_true(ip_eq(&rw->src, &f->ip_src));
	ip_parse("10.0.0.8", &f->ip_dst);
	f->l4_src = htons(1);
	f->l4_dst = htons(2);
	f->ip_tos = 0xb9;
	f->vlan = htons(7 | PKT_VLAN_PRESENT);
	rw = &only()->rewrite;
	assert_int_equal(rw->what, SKEP_RW_SRC | SKEP_RW_DST | SKEP_RW_SPORT | SKEP_RW_DPORT |
					   SKEP_RW_DSCP | SKEP_RW_VLAN_PUSH);
	assert_true(ip_eq(&rw->dst, &f->ip_dst));
	assert_int_equal(ntohs(rw->sport), 1);
	assert_int_equal(ntohs(rw->dport), 2);
	assert_int_equal(rw->dscp, 0x2e);
	assert_int_equal(ntohs(rw->vlan), 7);
	*f = t.in;
	t.in.vlan = htons(9 | PKT_VLAN_PRESENT);
	assert_int_equal(only()->rewrite.what, SKEP_RW_VLAN_POP);
	f->vlan = htons(8 | PKT_VLAN_PRESENT);
	assert_int_equal(only()->rewrite.what, SKEP_RW_VLAN_SET);
	assert_int_equal(ntohs(t.plan.copies[0].rewrite.vlan), 8);
	t.in.ip_proto = f->ip_proto = IPPROTO_ICMP;
	t.in.l4_src = f->l4_src = htons(8 << 8);
	*f = t.in;
	f->l4_dst = htons(77);
	assert_int_equal(only()->rewrite.what, SKEP_RW_ECHO_ID);
	assert_int_equal(ntohs(t.plan.copies[0].rewrite.sport), 77);
}

static void copies_that_differ(void **state)
{
	uint32_t keys[8];

	flood_all();
	t.outs[2].f.eth_dst.b[0] = 6; /* H1B gets another header */
	plan();
	assert_false(t.plan.uniform);
	assert_int_equal(keys_to(1, keys), 2);
	assert_int_equal(keys_to(2, keys), 1);
}

static void members_and_set_verdict(void **state)
{
	struct install_set set;

	flood_all();
	for (uint32_t i = 0; i < t.n; i++)
		t.outs[i].f.ip_ttl = 63;
	plan();
	assert_int_equal(install_set(&t.plan, &t.in, SKEP_DROP_POLICY, &t.arena, &set), 0);
	assert_int_equal(set.n, 4);
	assert_int_equal(set.outs[0].action, SKEP_ACT_LOCAL);
	assert_int_equal(set.outs[0].flags, SKEP_F_PEER);
	assert_int_equal(set.outs[1].action, SKEP_ACT_DROP);
	assert_int_equal(set.outs[1].out, SKEP_DROP_POLICY);
	assert_int_equal(set.outs[2].action, SKEP_ACT_ENCAP);
	assert_int_equal(set.outs[2].peer, 1);
	for (uint32_t i = 0; i < set.n; i++)
		assert_false(install_rewrites(&set.rewrites[i]));
	assert_int_equal(set.flow.action, SKEP_ACT_SET);
	assert_int_equal(set.flow.ttl_dec, 1);
	assert_int_equal(set.flow.flags, 0);
}

/* Local copies say what differs from the one before, remote ones what differs from the last local one; the TTL goes up and down. */
static void set_of_different_copies(void **state)
{
	struct install_set set;

	t.in.vlan = htons(5 | PKT_VLAN_PRESENT);
	output(H1A, false); /* a mirror's copy: as it came, but for the tag */
	t.outs[0].f.vlan = 0;
	output(MINE, false); /* routed */
	t.outs[1].f.ip_ttl = 62;
	t.outs[1].f.eth_dst.b[5] = 9;
	t.outs[1].f.ip_tos = 4;
	output(MINE, false);
	t.outs[2].f.vlan = 0;
	t.outs[2].f.ip_ttl = 63;
	output(H2A, false);
	plan();
	assert_false(t.plan.uniform);
	assert_true(t.plan.one_dscp);
	t.plan.least_ttl = 3;
	assert_int_equal(install_set(&t.plan, &t.in, SKEP_DROP_NONE, &t.arena, &set), 0);
	assert_int_equal(set.flow.ttl_dec, 3);
	assert_false(install_rewrites(&set.rewrite));
	assert_int_equal(set.n, 4);
	/* routed, keeps the tag */
	assert_int_equal(set.rewrites[0].what, SKEP_RW_ETH_DST | SKEP_RW_DSCP);
	assert_int_equal(set.rewrites[0].ttl_dec, 255);
	assert_int_equal(set.rewrites[0].dscp, 1);
	/* untagged, other MAC and DSCP again */
	assert_int_equal(set.rewrites[1].what, SKEP_RW_ETH_DST | SKEP_RW_DSCP | SKEP_RW_VLAN_POP);
	assert_int_equal(set.rewrites[1].ttl_dec, 255);
	assert_int_equal(set.rewrites[1].dscp, 0);
	assert_true(mac_eq(&set.rewrites[1].eth_dst, &t.in.eth_dst));
	/* the mirror's: from there */
	assert_int_equal(set.outs[2].out, 0x100 + H1A);
	assert_int_equal(set.rewrites[2].what, 0);
	assert_int_equal(set.rewrites[2].ttl_dec, 255);
	/* tagged again; not from the copy before */
	assert_int_equal(set.outs[3].out, 0x100 + H2A);
	assert_int_equal(set.rewrites[3].what, SKEP_RW_VLAN_PUSH);
	assert_int_equal(ntohs(set.rewrites[3].vlan), 5);
	assert_int_equal(set.rewrites[3].ttl_dec, 255);
}

/* A DSCP that is set is written also when this packet has it already; copies that differ in that hold for one DSCP only. */
static void dscp_that_is_set(void **state)
{
	t.in.ip_tos = 46 << 2;
	output(MINE, false);
	t.outs[0].set_dscp = true;
	plan();
	assert_int_equal(only()->rewrite.what, SKEP_RW_DSCP);
	assert_int_equal(only()->rewrite.dscp, 46);
	assert_false(t.plan.one_dscp);
	output(H1A, false);
	plan();
	assert_true(t.plan.one_dscp);
	t.outs[1].set_dscp = true;
	plan();
	assert_true(t.plan.uniform);
	assert_false(t.plan.one_dscp);
	t.outs[1].f.vlan = htons(5 | PKT_VLAN_PRESENT);
	plan();
	assert_true(t.plan.one_dscp);
}

static void a_mirror_is_no_flood(void **state)
{
	static const struct topo_mirror mirror;
	uint32_t keys[8];

	flood_all();
	t.outs[t.n] = t.outs[1];
	t.outs[t.n++].mirror = &mirror;
	plan();
	assert_int_equal(keys_to(1, keys), 2);
	assert_int_equal(keys[0], 0x900 + '1');
	assert_int_equal(keys[1], 0x100 + H1A);
}

static void conditions(void **state)
{
	struct sim_result res = { .mtu = 1400,
				  .ct = TOPO_CT_ESTABLISHED,
				  .mask = { .fields = SIM_FIELD_DSCP | SIM_FIELD_TCP_FLAGS,
					    .tcp_mask = SKEP_TCP_SYN | SKEP_TCP_ACK } };
	struct pkt pkt = { .l3_len = 1400 };
	struct skep_flow v = { 0 };

	t.in.ip_proto = IPPROTO_TCP;
	t.in.tcp_flags = SKEP_TCP_ACK | SKEP_TCP_FIN;
	t.in.ip_tos = 0x2a;
	output(MINE, false);
	plan();
	install_conditions(&v, &t.plan, &t.in, &res);
	assert_int_equal(v.flags, SKEP_F_TOS | SKEP_F_TCP | SKEP_F_CONN);
	assert_int_equal(v.mtu, 1400);
	assert_int_equal(v.tos, 0x28);
	assert_int_equal(v.tcp_mask, SKEP_TCP_SYN | SKEP_TCP_ACK);
	assert_int_equal(v.tcp_value, SKEP_TCP_ACK);
	assert_int_equal(v.tcp_seen, SKEP_TCP_ACK | SKEP_TCP_FIN);
	pkt.f = t.in;
	assert_true(install_holds(&v, &pkt));
	pkt.f.ip_tos = 0x29; /* ECN is of no interest */
	assert_true(install_holds(&v, &pkt));
	pkt.f.ip_tos = 0x2c;
	assert_false(install_holds(&v, &pkt));
	pkt.f = t.in;
	pkt.l3_len = 1401;
	assert_false(install_holds(&v, &pkt));
	pkt.l3_len = 9000;
	pkt.seg_len = 1400;
	assert_true(install_holds(&v, &pkt));
	pkt.f.tcp_flags = SKEP_TCP_SYN;
	assert_false(install_holds(&v, &pkt));
	v.flags = SKEP_F_CONN;
	assert_false(install_holds(&v, &pkt)); /* a new connection behind a FIN */
	v.tcp_seen = SKEP_TCP_ACK;
	assert_true(install_holds(&v, &pkt));
	v.ttl_dec = 64;
	assert_false(install_holds(&v, &pkt));
	/* what is no TCP has no flags, what is no IP no length */
	v = (struct skep_flow){ 0 };
	t.in.ip_proto = IPPROTO_UDP;
	res.mask.fields = SIM_FIELD_TCP_FLAGS;
	install_conditions(&v, &t.plan, &t.in, &res);
	assert_int_equal(v.flags, 0);
	t.in.eth_type = htons(0x0806);
	res.mask.fields = SIM_FIELD_DSCP;
	install_conditions(&v, &t.plan, &t.in, &res);
	assert_int_equal(v.flags, 0);
	assert_int_equal(v.mtu, 0);
}

static void same_verdict(void **state)
{
	struct skep_flow a = { .action = SKEP_ACT_ENCAP,
			       .out = 1,
			       .peer = 2,
			       .cookie = 3,
			       .packets = 4 },
			 b = a;

	b.cookie = 9;
	b.packets = 0;
	assert_true(install_same(&a, &b));
	b.ttl_dec = 1;
	assert_false(install_same(&a, &b));
	b = a;
	b.peer = 3;
	assert_false(install_same(&a, &b));
	b = a;
	b.eth_src.b[0] = 1;
	assert_false(install_same(&a, &b));
	b = a;
	b.rewrite = 1;
	assert_false(install_same(&a, &b));
	b = a;
	b.mtu = 1400;
	assert_false(install_same(&a, &b));
	b = a;
	b.tos = 4;
	assert_false(install_same(&a, &b));
	b = a;
	b.tcp_value = 2;
	assert_false(install_same(&a, &b));
	b = a;
	b.police = 2;
	assert_false(install_same(&a, &b));
	b = a;
	b.tcp_seen = 2; /* not a verdict */
	assert_true(install_same(&a, &b));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(no_outputs),
		T(one_local),
		T(one_remote),
		T(unreachable),
		T(rewrite),
		T(rewrite_that_the_datapath_lacks),
		T(rewrites),
		T(set_of_different_copies),
		T(dscp_that_is_set),
		T(a_mirror_is_no_flood),
		T(conditions),
		T(flood_one_copy_per_host),
		T(flood_without_a_filtered_port),
		T(flood_keys_that_are_missing_or_differ),
		T(unicast_never_floods),
		T(copies_that_differ),
		T(members_and_set_verdict),
		T(same_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
