// SPDX-License-Identifier: Apache-2.0
/* What was learnt, read from records; and questions asked many times: the same answers as with traces, and who is to blame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maps/maps.h"
#include "selftests/lib/simtest.h"
#include "simulator/probe.h"

#define NETWORK                                                                                                     \
	"security_groups: [{name: web, rules: [{direction: ingress, proto: tcp, dst_ports: \"80\"}]}]\n"             \
	"chains: [{name: fw, rules: [{name: no-dns, action: drop, proto: udp, dst_ports: 53}]}]\n"                   \
	"bridges: [{name: b}, {name: v, vlan_aware: true}]\n"                                                        \
	"routers: [{name: r}]\n"                                                                                     \
	"ports:\n"                                                                                                   \
	"  - {name: vm1, bridge: b, mac: \"02:00:00:00:00:01\", addresses: [10.0.1.1]}\n"                            \
	"  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\", addresses: [10.0.1.2], security_groups: [web]}\n"    \
	"  - {name: vm3, bridge: b, mac: \"02:00:00:00:00:03\", addresses: [10.0.1.3], out_chain: fw}\n"             \
	"  - {name: any, bridge: b}\n"                                                                               \
	"  - {name: va, bridge: v, vlan: 10}\n"                                                                      \
	"  - {name: up, router: r, addresses: [198.51.100.2/24]}\n"                                                  \
	"load_balancers: [{name: lb, router: r}]\n"                                                                  \
	"pools: [{name: p}]\n"                                                                                       \
	"vips: [{name: vip, load_balancer: lb, address: 198.51.100.40, proto: tcp, port: 80, pool: p}]\n"

#define RECORDS                                                                                                     \
	"{\"mac/b/02:00:00:00:00:99\": {\"port\": \"any\"}, \"mac/b/02:00:00:00:00:98\": {\"port\": \"va\"},"        \
	" \"mac/b/02:00:00:00:00:97\": {\"port\": 7}, \"mac/b/02:00:00:00:00:96\": [],"                              \
	" \"mac/v/02:00:00:00:00:99@10\": {\"port\": \"va\"},"                                                       \
	" \"neigh/up/198.51.100.1\": {\"mac\": \"02:00:00:00:00:77\"}, \"neigh/up/198.51.100.9\": {\"mac\": \"x\"}," \
	" \"aff/vip/192.0.2.1\": {\"member\": \"m1\"}}"

static struct topo_snapshot *snap;
static json_t *records;
static struct sim_records_view view;

static int set_up(void **state)
{
	snap = simtest_snapshot(NETWORK);
	records = json_loads(RECORDS, 0, NULL);
	sim_records_view_init(&view, snap, records);
	return records ? 0 : -1;
}

static int tear_down(void **state)
{
	json_decref(records);
	topo_unref(snap);
	return 0;
}

static const char *mac_at(const char *bridge, uint16_t vlan, const char *text)
{
	const struct topo_bridge *b = (void *)topo_find(snap, TOPO_BRIDGE, bridge);
	const struct topo_port *p;
	struct skep_mac mac;

	assert_true(mac_parse(text, &mac));
	p = view.view.mac(view.view.arg, b, vlan, &mac);
	return p ? p->o.name : "nowhere";
}

static void test_macs(void **state)
{
	assert_string_equal(mac_at("b", 0, "02:00:00:00:00:99"), "any");
	assert_string_equal(mac_at("v", 10, "02:00:00:00:00:99"), "va");
	assert_string_equal(mac_at("v", 20, "02:00:00:00:00:99"), "nowhere");
	assert_string_equal(mac_at("b", 0, "02:00:00:00:00:9a"), "nowhere");
	/* a port of another bridge, and records that are not as they should be */
	assert_string_equal(mac_at("b", 0, "02:00:00:00:00:98"), "nowhere");
	assert_string_equal(mac_at("b", 0, "02:00:00:00:00:97"), "nowhere");
	assert_string_equal(mac_at("b", 0, "02:00:00:00:00:96"), "nowhere");
}

static enum sim_neigh neigh_at(const char *text, struct skep_mac *mac)
{
	struct skep_ip ip;

	assert_true(ip_parse(text, &ip));
	return view.view.neigh(view.view.arg, topo_find_port(snap, "up"), &ip, mac);
}

static void test_neighbours(void **state)
{
	char text[ADDR_TEXT];
	struct skep_mac mac;

	assert_int_equal(neigh_at("198.51.100.1", &mac), SIM_NEIGH_KNOWN);
	assert_string_equal(mac_format(&mac, text), "02:00:00:00:00:77");
	assert_int_equal(neigh_at("198.51.100.3", &mac), SIM_NEIGH_UNKNOWN);
	assert_int_equal(neigh_at("198.51.100.9", &mac), SIM_NEIGH_UNKNOWN);
}

static void test_affinity(void **state)
{
	const struct topo_vip *vip = (void *)topo_find(snap, TOPO_VIP, "vip");
	struct skep_ip ip;

	assert_true(ip_parse("192.0.2.1", &ip));
	assert_string_equal(view.view.affinity(view.view.arg, vip, &ip), "m1");
	assert_true(ip_parse("192.0.2.2", &ip));
	assert_null(view.view.affinity(view.view.arg, vip, &ip));
}

static const struct {
	const char *from, *to, *what;
	int reachable;
	const char *reason, *culprit;
} questions[] = {
	{ "vm1", "vm2", "tcp/80", SIM_WHY_YES, "none", "" },
	{ "vm1", "vm2", "tcp/81", SIM_WHY_NO, "security_group", "port 'vm2'" },
	{ "vm1", "vm3", "udp/53", SIM_WHY_NO, "policy", "rule 'no-dns' of chain 'fw'" },
	{ "vm1", "vm3", "udp/54", SIM_WHY_YES, "none", "" },
	{ "vm1", "10.0.1.99", "icmp", SIM_WHY_UNKNOWN, "none", "" },
};

static void test_reaches(void **state)
{
	struct err err = { 0 };
	struct sim sim;

	sim_init(&sim);
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		struct sim_why why, full;

		assert_int_equal(sim_reaches(&sim, snap, &view.view, questions[i].from, questions[i].to,
					     questions[i].what, 1, 0, &why, &err),
				 0);
		assert_int_equal(sim_why(&sim, snap, &view.view, questions[i].from, questions[i].to,
					 questions[i].what, 1, 0, &full, &err),
				 0);
		if ((int)why.reachable != questions[i].reachable || (int)full.reachable != (int)why.reachable ||
		    strcmp(skep_drop_name(why.reason), questions[i].reason) != 0 ||
		    strcmp(why.culprit, questions[i].culprit) != 0)
			fail_msg("%s %s %s: %d, %s, '%s'", questions[i].from, questions[i].to,
				 questions[i].what, why.reachable, skep_drop_name(why.reason),
				 why.culprit);
		assert_null(why.forward);
		assert_null(why.forward_text);
		sim_why_fini(&why);
		sim_why_fini(&full);
	}
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_macs),
					    cmocka_unit_test(test_neighbours),
					    cmocka_unit_test(test_affinity),
					    cmocka_unit_test(test_reaches) };

	return cmocka_run_group_tests_name("records", tests, set_up, tear_down);
}
