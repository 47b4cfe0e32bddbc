// SPDX-License-Identifier: Apache-2.0
/* sim_run() where a scenario's text does not reach: spreading, limits, refusals, what an ICMP error quotes. */
#include <arpa/inet.h>
#include <errno.h>
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

#include "selftests/lib/simtest.h"

struct fixture {
	struct sim sim;
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_tables_view view;
	struct sim_result res;
	struct pkt pkt;
	uint8_t frame[PKT_MAX];
};

static struct fixture *fixture_new(const char *yaml)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	sim_init(&x->sim);
	x->snap = simtest_snapshot(yaml);
	x->tables = sim_tables_new(1000, 1000);
	sim_tables_view_init(&x->view, x->tables, x->snap, 1);
	return x;
}

static void fixture_free(struct fixture *x)
{
	sim_tables_free(x->tables);
	topo_unref(x->snap);
	sim_fini(&x->sim);
	free(x);
}

static int run_pkt(struct fixture *x, const char *port)
{
	struct err err = { 0 };
	int r = sim_run(&x->sim, x->snap, &x->view.view, topo_find_port(x->snap, port), &x->pkt, 1,
			7, 0, &x->res, &err);

	if (r)
		print_message("# %s\n", err.text);
	return r;
}

static void run(struct fixture *x, const char *port, const char *line)
{
	simtest_packet(line, x->frame, &x->pkt);
	assert_int_equal(run_pkt(x, port), 0);
}

static void set_neigh(struct fixture *x, const char *port, const char *text, uint8_t last)
{
	struct skep_mac mac = { { 2, 0xff, 0, 0, 0, last } };
	struct skep_ip ip;

	assert_true(ip_parse(text, &ip));
	assert_int_equal(sim_tables_set_neigh(x->tables, port, &ip, &mac, false, 0), 1);
}

#define ECMP_PORTS                                                                             \
	"routers: [{name: r}]\n"                                                               \
	"ports:\n"                                                                             \
	"  - {name: d, router: r, mac: \"02:aa:00:00:00:01\", addresses: [172.20.1.1/24]}\n"   \
	"  - {name: u, router: r, mac: \"02:aa:00:00:00:02\", addresses: [198.51.100.1/24]}\n" \
	"routes:\n"                                                                            \
	"  - {name: a, router: r, dst: 0.0.0.0/0, port: u, gateway: 198.51.100.11}\n"          \
	"  - {name: b, router: r, dst: 0.0.0.0/0, port: u, gateway: 198.51.100.12}\n"
#define ECMP_THIRD "  - {name: c, router: r, dst: 0.0.0.0/0, port: u, gateway: 198.51.100.13}\n"

/* Which gateway takes flow 'i': the last octet of its MAC. */
static unsigned int gateway_of(struct fixture *x, unsigned int i)
{
	x->pkt.f.l4_src = htons((uint16_t)(1024 + i));
	x->pkt.f.ip_dst.w[3] = htonl(0x08080000 + i * 7);
	assert_int_equal(run_pkt(x, "d"), 0);
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	return x->res.outputs[0].f.eth_dst.b[5];
}

static struct fixture *ecmp_new(const char *yaml)
{
	struct fixture *x = fixture_new(yaml);

	set_neigh(x, "u", "198.51.100.11", 11);
	set_neigh(x, "u", "198.51.100.12", 12);
	set_neigh(x, "u", "198.51.100.13", 13);
	simtest_packet(
		"eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 172.20.1.10>8.8.8.8 / tcp 1>80 S",
		x->frame, &x->pkt);
	return x;
}

static void test_ecmp_spreads(void **state)
{
	struct fixture *x = ecmp_new(ECMP_PORTS);
	const uint32_t read = SIM_FIELD_IP_SRC | SIM_FIELD_IP_DST | SIM_FIELD_PROTO |
			      SIM_FIELD_FRAG | SIM_FIELD_L4_SRC | SIM_FIELD_L4_DST;
	unsigned int n = 0;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		unsigned int g = gateway_of(x, i);

		assert_int_equal(g, gateway_of(x, i)); /* the same flow, the same gateway */
		n += g == 11;
	}
	assert_in_range(n, 400, 600);
	assert_int_equal(x->res.mask.fields & read, read);
	assert_int_equal(x->res.mask.src_len, 32);
	assert_int_equal(x->res.mask.dst_len, 32);
	fixture_free(x);
}

static void test_ecmp_is_consistent(void **state)
{
	struct fixture *x = ecmp_new(ECMP_PORTS ECMP_THIRD), *y = ecmp_new(ECMP_PORTS);
	unsigned int n = 0;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		unsigned int with = gateway_of(x, i), without = gateway_of(y, i);

		n += with == 13;
		if (with != 13)
			assert_int_equal(with,
					 without); /* only the flows of the third had to move */
	}
	assert_in_range(n, 250, 420);
	fixture_free(x);
	fixture_free(y);
}

static void test_ecmp_keeps_fragments_together(void **state)
{
	struct fixture *x = ecmp_new(ECMP_PORTS ECMP_THIRD);

	(void)state;
	for (unsigned int i = 0; i < 50; i++) {
		unsigned int first;

		x->pkt.f.ip_frag = SKEP_FRAG_FIRST;
		x->pkt.f.has_l4 = true;
		first = gateway_of(x, i);
		assert_int_equal(x->res.mask.fields & (SIM_FIELD_L4_SRC | SIM_FIELD_L4_DST), 0);
		x->pkt.f.ip_frag = SKEP_FRAG_LATER;
		x->pkt.f.has_l4 = false;
		assert_int_equal(first, gateway_of(x, i));
	}
	fixture_free(x);
}

static void test_refuses_interior_ingress(void **state)
{
	struct fixture *x = fixture_new(
		"bridges: [{name: a}, {name: b}]\n"
		"ports: [{name: p, bridge: a, peer: q}, {name: q, bridge: b, peer: p}]\n");
	struct err err = { 0 };

	(void)state;
	memset(&x->res, 0x5a, sizeof(x->res));
	simtest_packet("eth 02:00:00:00:00:01>02:00:00:00:00:02 type 0x88b5 / data 10", x->frame,
		       &x->pkt);
	assert_int_equal(sim_run(&x->sim, x->snap, &x->view.view, topo_find_port(x->snap, "p"),
				 &x->pkt, 1, 7, 0, &x->res, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "'p'"));
	assert_int_equal(((uint8_t *)&x->res)[0], 0x5a); /* untouched */
	fixture_free(x);
}

static void test_needs_the_device(void **state)
{
	struct fixture *x = fixture_new("bridges: [{name: a}]\nports: [{name: p, bridge: a}]\n");
	struct topo_port port = *topo_find_port(x->snap, "p");
	struct err err = { 0 };

	(void)state;
	port.bridge = NULL;
	simtest_packet("eth 02:00:00:00:00:01>02:00:00:00:00:02 type 0x88b5 / data 10", x->frame,
		       &x->pkt);
	assert_int_equal(
		sim_run(&x->sim, x->snap, &x->view.view, &port, &x->pkt, 1, 7, 0, &x->res, &err),
		0);
	assert_int_equal(x->res.verdict, SIM_NEED);
	assert_int_equal(x->res.need.kind, SIM_NEED_OBJECT);
	assert_string_equal(x->res.need.path, "port/p");
	assert_false(x->res.cacheable);
	fixture_free(x);
}

static char *many_ports(unsigned int n)
{
	size_t size = n * 40 + 100, len;
	char *yaml = malloc(size);

	assert_non_null(yaml);
	len = (size_t)snprintf(yaml, size, "bridges: [{name: b}]\nports:\n");
	for (unsigned int i = 0; i < n; i++)
		len += (size_t)snprintf(yaml + len, size - len, "  - {name: p%u, bridge: b}\n", i);
	return yaml;
}

static void test_flood_is_bounded(void **state)
{
	char *yaml = many_ports(SIM_OUTPUTS_MAX + 10);
	struct fixture *x = fixture_new(yaml);

	(void)state;
	run(x, "p0", "eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff type 0x88b5 / data 10");
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_int_equal(x->res.n_outputs, SIM_OUTPUTS_MAX);
	assert_true(x->res.truncated);
	fixture_free(x);
	free(yaml);
}

static void test_large_flood_has_unique_tags(void **state)
{
	char *yaml = many_ports(600);
	struct fixture *x = fixture_new(yaml);

	(void)state;
	run(x, "p0", "eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff type 0x88b5 / data 10");
	assert_int_equal(x->res.n_outputs, 599);
	assert_false(x->res.truncated);
	assert_int_equal(x->res.n_tags, 600 + 3); /* ports, bridge, flood, source MAC */
	for (uint32_t i = 0; i < x->res.n_tags; i++)
		for (uint32_t j = 0; j < i; j++)
			assert_false(topo_tag_eq(&x->res.tags[i], &x->res.tags[j]));
	fixture_free(x);
	free(yaml);
}

/* Eight bridges, each linked to each: floods would multiply without end. */
static void test_mesh_terminates(void **state)
{
	char yaml[16384];
	struct err err = { 0 };
	struct fixture *x;
	size_t n = (size_t)snprintf(yaml, sizeof(yaml), "bridges:\n");

	(void)state;
	for (unsigned int i = 0; i < 8; i++)
		n += (size_t)snprintf(yaml + n, sizeof(yaml) - n, "  - {name: b%u}\n", i);
	n += (size_t)snprintf(yaml + n, sizeof(yaml) - n, "ports:\n  - {name: p, bridge: b0}\n");
	for (unsigned int i = 0; i < 8; i++)
		for (unsigned int j = 0; j < 8; j++)
			if (i != j)
				n += (size_t)snprintf(
					yaml + n, sizeof(yaml) - n,
					"  - {name: p%u-%u, bridge: b%u, peer: p%u-%u}\n", i, j, i,
					j, i);
	x = fixture_new(yaml);
	run(x, "p", "eth 02:00:00:00:00:01>ff:ff:ff:ff:ff:ff type 0x88b5 / data 10");
	assert_int_equal(x->res.verdict, SIM_DROP);
	assert_int_equal(x->res.reason, SKEP_DROP_BUDGET);
	/* and a trace of it can be had */
	assert_int_equal(sim_run(&x->sim, x->snap, &x->view.view, topo_find_port(x->snap, "p"),
				 &x->pkt, 1, 7, SIM_TRACE, &x->res, &err),
			 0);
	assert_non_null(strstr(sim_trace_text(&x->sim, &x->pkt, &x->res), "drop: budget"));
	fixture_free(x);
}

/* Each chain jumps twice to the next: 2^30 evaluations if nobody counts. */
static void test_chains_terminate_closed(void **state)
{
	char yaml[8192];
	struct fixture *x;
	size_t n = (size_t)snprintf(yaml, sizeof(yaml), "chains:\n");

	(void)state;
	for (unsigned int i = 0; i < 30; i++)
		n += (size_t)snprintf(
			yaml + n, sizeof(yaml) - n,
			"  - {name: c%u, rules: [{action: jump, jump: c%u}, {action: jump, jump: c%u}]}\n",
			i, i + 1, i + 1);
	snprintf(yaml + n, sizeof(yaml) - n,
		 "  - {name: c30, rules: []}\n"
		 "bridges: [{name: b}]\n"
		 "ports: [{name: p, bridge: b, in_chain: c0}, {name: q, bridge: b}]\n");
	x = fixture_new(yaml);
	run(x, "p", "eth 02:00:00:00:00:01>02:00:00:00:00:02 type 0x88b5 / data 10");
	assert_int_equal(x->res.verdict, SIM_DROP);
	assert_int_equal(x->res.reason, SKEP_DROP_OVERLOAD);
	fixture_free(x);
}

#define ROUTER                   \
	"routers: [{name: r}]\n" \
	"ports: [{name: d, router: r, mac: \"02:aa:00:00:00:01\", addresses: [172.20.1.1/24]}]\n"

static void test_error_quotes_what_came_in(void **state)
{
	struct fixture *x = fixture_new(ROUTER);
	const struct sim_frame *f;
	struct pkt reply;

	(void)state;
	run(x, "d",
	    "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 172.20.1.10>8.8.8.8 ttl 9 / udp 7>9 / data 20");
	assert_int_equal(x->res.n_frames, 1);
	f = &x->res.frames[0];
	assert_int_equal(pkt_parse(f->data, f->len, &reply), SKEP_DROP_NONE);
	assert_true(pkt_csum_ok(&reply));
	assert_int_equal(ntohs(reply.f.l4_src), 3 << 8);
	/* header and at least eight bytes behind it, RFC 792 */
	assert_true(f->len >= reply.payload_off + 28u);
	assert_memory_equal(f->data + reply.payload_off, x->frame + ETH_HLEN, 28);
	fixture_free(x);
}

static void test_no_answer_to_a_multicast_sender(void **state)
{
	struct fixture *x = fixture_new(ROUTER);

	(void)state;
	run(x, "d",
	    "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 224.0.0.1>172.20.1.1 / icmp echo");
	assert_int_equal(x->res.n_frames, 0);
	run(x, "d",
	    "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 255.255.255.255>172.20.1.1 / icmp echo");
	assert_int_equal(x->res.n_frames, 0);
	fixture_free(x);
}

static void test_always_up(void **state)
{
	static const struct {
		const char *line;
		bool up;
	} cases[] = {
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / arp request 10.0.0.1>10.0.0.2", true },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip6 fd00::1>fd00::2 / ns fd00::2",
		  true },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip6 fd00::1>fd00::2 / na fd00::1",
		  true },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip6 fd00::1>fd00::2 / icmp6 echo",
		  false },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip6 fe80::1>ff02::2 / icmp6 133/0",
		  true },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip6 fe80::1>ff02::1 / icmp6 134/0",
		  true },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip6 fe80::1>ff02::1 / icmp6 137/0",
		  false },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / icmp 135/0",
		  false },
		{ "eth 02:00:00:00:00:01>02:00:00:00:00:02 type 0x88b5 / data 10", false },
	};
	static uint8_t buf[PKT_MAX];
	struct pkt pkt;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		simtest_packet(cases[i].line, buf, &pkt);
		assert_int_equal(sim_always_up(&pkt.f), cases[i].up);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecmp_spreads),
		cmocka_unit_test(test_ecmp_is_consistent),
		cmocka_unit_test(test_ecmp_keeps_fragments_together),
		cmocka_unit_test(test_refuses_interior_ingress),
		cmocka_unit_test(test_needs_the_device),
		cmocka_unit_test(test_flood_is_bounded),
		cmocka_unit_test(test_large_flood_has_unique_tags),
		cmocka_unit_test(test_mesh_terminates),
		cmocka_unit_test(test_chains_terminate_closed),
		cmocka_unit_test(test_error_quotes_what_came_in),
		cmocka_unit_test(test_no_answer_to_a_multicast_sender),
		cmocka_unit_test(test_always_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
