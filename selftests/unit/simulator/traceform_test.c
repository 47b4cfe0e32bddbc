// SPDX-License-Identifier: Apache-2.0
/* Traces of results made by hand: rewrites, copies, needs, connections, limits; as text and as
 * JSON, whose names must not change. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"

struct fixture {
	struct sim sim;
	struct pkt pkt;
	struct topo_port port;
	struct sim_output outputs[2];
	struct sim_result res;
	json_t *json;
};

static uint8_t buf[PKT_MAX];
static const struct topo_mirror mirror = { .o = { .kind = TOPO_MIRROR, .name = "tap" } };

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	sim_init(&x->sim);
	simtest_packet(
		"eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 198.51.100.7>203.0.113.9 tos 1 / tcp 4000>80 S",
		buf, &x->pkt);
	x->port = (struct topo_port){ .o = { .kind = TOPO_PORT, .name = "web1" },
				      .live_host = "h2",
				      .live_key = 0x102 };
	x->outputs[0] = x->outputs[1] = (struct sim_output){ .port = &x->port, .f = x->pkt.f };
	x->res = (struct sim_result){
		.verdict = SIM_FORWARD, .cacheable = true, .outputs = x->outputs, .n_outputs = 1
	};
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	json_decref(x->json);
	sim_fini(&x->sim);
	free(x);
	return 0;
}

static const char *text(struct fixture *x)
{
	return sim_trace_text(&x->sim, &x->pkt, &x->res);
}

static json_t *get(struct fixture *x, const char *key)
{
	json_decref(x->json);
	x->json = sim_trace_json(&x->sim, &x->pkt, &x->res);
	assert_non_null(x->json);
	return json_object_get(x->json, key);
}

/* Equality with a JSON text. */
#define JSON_EQ(j, want)                                                    \
	do {                                                                \
		char *_s = json_dumps(j, JSON_SORT_KEYS | JSON_ENCODE_ANY); \
		assert_string_equal(_s, want);                              \
		free(_s);                                                   \
	} while (0)

static void test_rewrites(void **state)
{
	struct fixture *x = *state;
	struct pkt_fields *f = &x->outputs[0].f;

	assert_true(ip_parse("10.0.1.5", &f->ip_dst));
	f->l4_dst = htons(8080);
	f->ip_ttl--;
	f->vlan = htons(20 | PKT_VLAN_PRESENT);
	x->outputs[0].set_dscp = true;
	f->ip_tos = 46 << 2 | 1;
	assert_non_null(strstr(
		text(x),
		"  web1 at host h2, key 0x102: eth 02:00:00:00:00:01>02:00:00:00:00:02 ttl 63, vlan none -> 20, dst 203.0.113.9 -> 10.0.1.5, dst_port 80 -> 8080, dscp = 46\n"));
	JSON_EQ(json_object_get(json_array_get(get(x, "outputs"), 0), "rewrites"),
		"[\"vlan none -> 20\", \"dst 203.0.113.9 -> 10.0.1.5\", \"dst_port 80 -> 8080\", \"dscp = 46\"]");
}

static void test_copies(void **state)
{
	struct fixture *x = *state;

	x->res.n_outputs = 2;
	x->outputs[0].mirror = &mirror;
	assert_non_null(strstr(text(x), " ttl 64 (copy for mirror tap)\n  web1 at host"));
	JSON_EQ(json_object_get(json_array_get(get(x, "outputs"), 0), "mirror"), "\"tap\"");
	assert_null(json_object_get(json_array_get(get(x, "outputs"), 1), "mirror"));
	JSON_EQ(json_object_get(json_array_get(get(x, "outputs"), 1), "rewrites"), "[]");
	x->res.n_outputs = 1;
	x->res.verdict = SIM_DROP;
	x->res.reason = SKEP_DROP_SECURITY_GROUP;
	x->res.culprit.object = &x->port.o;
	x->res.hint = "do this";
	assert_non_null(strstr(
		text(x),
		"drop: security_group: no rule of the port's security groups allows it: port 'web1'; sent to mirrors:\n  web1 at"));
	assert_non_null(strstr(text(x), "\nhint: do this\n"));
	JSON_EQ(get(x, "hint"), "\"do this\"");
	JSON_EQ(get(x, "culprit"), "\"port 'web1'\"");
}

static void test_needs(void **state)
{
	struct fixture *x = *state;

	x->res.verdict = SIM_NEED;
	x->res.n_outputs = 0;
	x->res.cacheable = false;
	x->res.need.kind = SIM_NEED_FRAGMENT;
	assert_non_null(strstr(text(x), "need: the ports of the packet's first fragment\n"));
	JSON_EQ(get(x, "need"), "{\"fragment\": true}");
	x->res.need.kind = SIM_NEED_SNAT;
	x->res.need.snat.router = "r1";
	assert_true(ip_parse("203.0.113.1", &x->res.need.snat.addrs.lo));
	assert_true(ip_parse("203.0.113.4", &x->res.need.snat.addrs.hi));
	assert_non_null(
		strstr(text(x), "need: source ports of 203.0.113.1-203.0.113.4 for router 'r1'\n"));
	JSON_EQ(get(x, "need"),
		"{\"snat\": {\"from\": \"203.0.113.1\", \"router\": \"r1\", \"to\": \"203.0.113.4\"}}");
	x->res.need = (struct sim_need){ .kind = SIM_NEED_OBJECT, .path = "port/x" };
	JSON_EQ(get(x, "need"), "{\"object\": \"port/x\"}");
	x->res.verdict = SIM_FORWARD;
	x->res.need.kind = SIM_NEED_NONE;
	assert_null(get(x, "need"));
}

static void test_limits(void **state)
{
	struct fixture *x = *state;

	assert_null(get(x, "mtu"));
	assert_null(get(x, "fragment"));
	x->res.mtu = 1450;
	x->res.fragment = 1400;
	assert_non_null(strstr(text(x), "\nlargest packet: 1450 bytes\n"));
	assert_non_null(strstr(text(x), "\n  in fragments of at most 1400 bytes\n"));
	JSON_EQ(get(x, "mtu"), "1450");
	JSON_EQ(get(x, "fragment"), "1400");
}

static void test_connection(void **state)
{
	struct fixture *x = *state;
	struct sim_conn conns[2] = { 0 };

	assert_null(get(x, "ct"));
	assert_int_equal(json_array_size(get(x, "new_conns")), 0);
	x->res.ct = TOPO_CT_NEW;
	x->res.new_conns = conns;
	x->res.n_new_conns = 2;
	for (unsigned int i = 0; i < 2; i++) {
		conns[i].tuple = (struct sim_tuple){ .src = x->pkt.f.ip_src,
						     .dst = x->pkt.f.ip_dst,
						     .sport = x->pkt.f.l4_src,
						     .dport = x->pkt.f.l4_dst,
						     .proto = IPPROTO_TCP };
		conns[i].other = (struct sim_tuple){ .src = x->pkt.f.ip_dst,
						     .dst = x->pkt.f.ip_src,
						     .sport = x->pkt.f.l4_dst,
						     .dport = x->pkt.f.l4_src,
						     .proto = IPPROTO_TCP };
	}
	memcpy(conns[0].port, "vm1", 4);
	memcpy(conns[1].port, "web1", 5);
	conns[1].reply = true;
	assert_non_null(strstr(
		text(x),
		"\nconnection: new\n"
		"  new record of port vm1: tcp 198.51.100.7:4000 > 203.0.113.9:80\n"
		"  new record of port web1: tcp 198.51.100.7:4000 > 203.0.113.9:80 (replies)\n"));
	JSON_EQ(get(x, "ct"), "[\"new\"]");
	assert_int_equal(json_array_size(get(x, "new_conns")), 2);
	JSON_EQ(json_object_get(json_array_get(get(x, "new_conns"), 1), "port"), "\"web1\"");
	x->res.n_new_conns = 0;
	x->res.ct = TOPO_CT_ESTABLISHED | TOPO_CT_REPLY;
	x->res.conn = &conns[1];
	x->res.end_conn = true;
	assert_non_null(strstr(
		text(x),
		"\nconnection: established reply\n  tcp 198.51.100.7:4000 > 203.0.113.9:80 of port web1: "));
	assert_non_null(strstr(text(x), ", no longer admitted: ends\n"));
	JSON_EQ(get(x, "ct"), "[\"established\", \"reply\"]");
	JSON_EQ(json_object_get(get(x, "conn"), "reply"), "true");
	JSON_EQ(get(x, "end_conn"), "true");
}

static void test_mask(void **state)
{
	struct sim_mask mask = { .fields = SIM_FIELD_DSCP | SIM_FIELD_TCP_FLAGS | SIM_FIELD_LEN |
					   SIM_FIELD_PAYLOAD | SIM_FIELD_IP_SRC | SIM_FIELD_ETH_DST | SIM_FIELD_ETH_SRC |
					   SIM_FIELD_L4_SRC | SIM_FIELD_L4_DST,
				 .src_len = 24,
				 .eth_dst_len = 48,
				 .eth_src_len = 9,
				 .l4_src_len = 6,
				 .l4_dst_len = 16,
				 .tcp_mask = 0x12 };
	char line[256];

	(void)state;
	assert_string_equal(sim_mask_format(&mask, line, sizeof(line)),
			    "eth_dst eth_src/9 ip_src/24 l4_src/6 l4_dst dscp tcp_flags/0x12 len payload");
	assert_string_equal(sim_mask_format(&mask, line, 12), "eth_dst eth");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_rewrites), T(test_copies),     T(test_needs),
		T(test_limits),	  T(test_connection), T(test_mask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
