// SPDX-License-Identifier: Apache-2.0
/* Snapshots: what records become, what is derived, and that references are counted. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "selftests/unit/topology/fixture.h"

#define T "tenant: acme\n"

static const char base[] =
	T "bridges: [{name: web, in_chain: fw}, {name: db, admin_up: false}]\n"
	  "routers: [{name: r1, out_chain: fw}]\n"
	  "chains:\n"
	  "  - name: fw\n"
	  "    rules:\n"
	  "      - {name: all, action: reject, ethertype: ipv4, eth_src: 02:00:00:00:00:01, eth_dst: 03:00:00:00:00:01/01:00:00:00:00:00, proto: tcp, src: 10.0.0.0/8, dst: 10.1.2.3, src_ports: 7, dst_ports: 80-90}\n"
	  "      - {action: jump, jump: sub}\n"
	  "      - {action: accept, proto: icmp, icmp_type: 8, icmp_code: 0}\n"
	  "      - {action: return, proto: icmp, src: \"fd00::/8\"}\n"
	  "      - {action: drop, proto: icmp, ethertype: ipv6}\n"
	  "      - {action: drop, proto: icmp6}\n"
	  "  - {name: sub}\n"
	  "ports:\n"
	  "  - {name: vm1, bridge: web, mac: 02:00:00:00:00:01, addresses: [10.0.1.5, \"fd00:1::5\"], out_chain: sub, port_security: false}\n"
	  "  - {name: vm0, bridge: web, admin_up: false}\n"
	  "  - {name: web-r1, bridge: web, peer: r1-web}\n"
	  "  - {name: r1-web, router: r1, addresses: [10.0.1.1/24, \"fd00:1::1/64\"]}\n"
	  "  - {name: r1-up, router: r1, mac: 02:00:00:00:09:09, addresses: [198.51.100.2/31]}\n"
	  "routes:\n"
	  "  - {name: def, router: r1, dst: 0.0.0.0/0, src: 10.0.0.0/8, port: r1-up, gateway: 198.51.100.3, weight: 7}\n"
	  "  - {name: hole, router: r1, dst: 10.66.0.0/16, type: blackhole}\n"
	  "bindings: [{port: vm1, host: h1, interface: veth1}]\n";

static struct skep_ip ip(const char *text)
{
	struct skep_ip v;

	assert_true(ip_parse(text, &v));
	return v;
}

static void test_objects(void **state)
{
	json_t *r = applied(NULL, base);
	struct topo_snapshot *s;
	const struct topo_port *p;
	char text[96];

	json_object_set_new(json_object_get(r, "port/vm1"), "rev", json_integer(42));
	s = built(r);
	assert_string_equal(s->tenant, "acme");
	assert_int_equal(s->rev, 1);
	assert_int_equal(s->n_bridges, 2);
	assert_int_equal(s->ports.n, 5);
	p = topo_find_port(s, "vm1");
	assert_non_null(p);
	assert_int_equal(p->o.rev, 42);
	assert_string_equal(p->o.id, json_string_value(json_object_get(json_object_get(r, "port/vm1"), "id")));
	assert_string_equal(p->bridge->o.name, "web");
	assert_null(p->router);
	assert_null(p->peer);
	assert_true(p->admin_up);
	assert_false(p->port_security);
	assert_string_equal(p->out_chain->o.name, "sub");
	assert_null(p->in_chain);
	assert_int_equal(p->n_addrs, 2);
	assert_int_equal(p->addrs[1].len, 128);
	assert_string_equal(p->host, "h1");
	assert_string_equal(p->interface, "veth1");
	assert_null(p->live_host);
	assert_false(topo_find_port(s, "vm0")->has_mac);
	assert_false(topo_find_port(s, "vm0")->admin_up);
	assert_ptr_equal(topo_find_port(s, "web-r1")->peer, topo_find_port(s, "r1-web"));
	assert_ptr_equal(topo_find_port(s, "r1-web")->peer, topo_find_port(s, "web-r1"));
	assert_null(topo_find_port(s, "web"));
	assert_null(topo_find(s, TOPO_BRIDGE, "vm1"));
	assert_string_equal(topo_object_text(topo_find(s, TOPO_CHAIN, "fw"), text), "chain 'fw'");
	topo_unref(s);
	json_decref(r);
}

static void test_device_lists(void **state)
{
	struct topo_ports_at at;
	json_t *r = applied(NULL, base);
	struct topo_snapshot *s = built(r);
	const struct topo_bridge *b = topo_find_port(s, "vm1")->bridge;
	const struct topo_router *router = topo_find_port(s, "r1-up")->router;

	assert_int_equal(b->ports.n, 3);
	assert_string_equal(topo_ports_first(&b->ports, &at)->o.name, "vm0"); /* by name: the same on all hosts */
	assert_string_equal(topo_ports_next(&at)->o.name, "vm1");
	assert_string_equal(topo_ports_next(&at)->o.name, "web-r1");
	assert_string_equal(b->in_chain->o.name, "fw");
	assert_int_equal(router->n_ports, 2);
	assert_string_equal(router->out_chain->o.name, "fw");
	topo_unref(s);
	json_decref(r);
}

static void test_rules(void **state)
{
	json_t *r = applied(NULL, base);
	struct topo_snapshot *s = built(r);
	const struct topo_chain *c = container_of(topo_find(s, TOPO_CHAIN, "fw"), struct topo_chain, o);
	const struct topo_rule *all = &c->rules[0];
	char text[ADDR_TEXT];

	assert_int_equal(c->n_rules, 6);
	assert_string_equal(all->name, "all");
	assert_ptr_equal(all->chain, c);
	assert_int_equal(all->action, TOPO_REJECT);
	assert_int_equal(all->match, TOPO_M_ETH_TYPE | TOPO_M_ETH_SRC | TOPO_M_ETH_DST | TOPO_M_PROTO | TOPO_M_IP_SRC |
					     TOPO_M_IP_DST | TOPO_M_L4_SRC | TOPO_M_L4_DST);
	assert_int_equal(all->eth_type, htons(0x0800));
	assert_true(mac_is_broadcast(&all->eth_src_mask));
	assert_string_equal(mac_format(&all->eth_dst, text), "01:00:00:00:00:00"); /* masked */
	assert_int_equal(all->proto, IPPROTO_TCP);
	assert_int_equal(all->ip_src_len, 8);
	assert_int_equal(all->ip_dst_len, 32);
	assert_int_equal(all->l4_src[0], 7);
	assert_int_equal(all->l4_src[1], 7);
	assert_int_equal(all->l4_dst[0], 80);
	assert_int_equal(all->l4_dst[1], 90);
	assert_string_equal(c->rules[1].name, "rule2");
	assert_int_equal(c->rules[1].index, 1);
	assert_string_equal(c->rules[1].jump->o.name, "sub");
	assert_int_equal(c->rules[2].proto, IPPROTO_ICMP);
	assert_int_equal(c->rules[2].match, TOPO_M_PROTO | TOPO_M_ICMP_TYPE | TOPO_M_ICMP_CODE);
	assert_int_equal(c->rules[2].icmp_type, 8);
	assert_int_equal(c->rules[3].proto, IPPROTO_ICMPV6); /* "icmp" of IPv6 prefixes */
	assert_int_equal(c->rules[4].proto, IPPROTO_ICMPV6);
	assert_int_equal(c->rules[5].proto, IPPROTO_ICMPV6);
	topo_unref(s);
	json_decref(r);
}

static void test_derived_routes(void **state)
{
	static const struct {
		const char *name, *dst;
		enum topo_route_type type;
		unsigned int weight;
	} want[] = {
		{ "def", "0.0.0.0/0", TOPO_ROUTE_PORT, 7 },
		{ "r1-web:connected", "10.0.1.0/24", TOPO_ROUTE_PORT, 0 },
		{ "r1-web:local", "10.0.1.1/32", TOPO_ROUTE_LOCAL, 0 },
		{ "hole", "10.66.0.0/16", TOPO_ROUTE_BLACKHOLE, 100 },
		{ "r1-up:connected", "198.51.100.2/31", TOPO_ROUTE_PORT, 0 },
		{ "r1-up:local", "198.51.100.2/32", TOPO_ROUTE_LOCAL, 0 },
		{ "r1-web:connected", "fd00:1::/64", TOPO_ROUTE_PORT, 0 },
		{ "r1-web:local", "fd00:1::1/128", TOPO_ROUTE_LOCAL, 0 },
	};
	json_t *r = applied(NULL, base);
	struct topo_snapshot *s = built(r);
	const struct topo_router *router = &s->routers[0];
	const struct topo_route *all[ARRAY_SIZE(want)];
	struct topo_routes_at at;
	char text[ADDR_TEXT];

	assert_int_equal(router->n_routes, ARRAY_SIZE(want));
	topo_routes_first(router, &at);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++, topo_routes_next(&at)) {
		const struct topo_route *x = at.route;

		all[i] = x;
		assert_string_equal(x->o.name, want[i].name);
		assert_string_equal(prefix_format(&x->dst, x->dst_len, text), want[i].dst);
		assert_int_equal(x->type, want[i].type);
		assert_int_equal(x->weight, want[i].weight);
		assert_ptr_equal(x->router, router);
	}
	assert_null(at.route);
	assert_string_equal(ip_format(&all[0]->gateway, text), "198.51.100.3");
	assert_int_equal(all[0]->src_len, 8);
	assert_true(ip_is_zero(&all[1]->gateway));
	assert_non_null(topo_find(s, TOPO_ROUTE, "def"));
	assert_null(topo_find(s, TOPO_ROUTE, "r1-web:local"));
	topo_unref(s);
	json_decref(r);
}

static void test_derived_mac(void **state)
{
	json_t *r = applied(NULL, base);
	struct topo_snapshot *s = built(r), *again = built(r);
	const struct topo_port *p = topo_find_port(s, "r1-web");
	char text[ADDR_TEXT];

	assert_true(p->has_mac);
	assert_int_equal(p->mac.b[0], 0x02);
	assert_false(mac_eq(&p->mac, &topo_find_port(s, "r1-up")->mac));
	assert_true(mac_eq(&p->mac, &topo_find_port(again, "r1-web")->mac));
	assert_string_equal(mac_format(&topo_find_port(s, "r1-up")->mac, text), "02:00:00:00:09:09");
	topo_unref(s);
	topo_unref(again);
	json_decref(r);
}

static void test_live(void **state)
{
	json_t *r = applied(NULL, base);
	struct topo_snapshot *s;

	put_live(r, "vm1", "h2", 7, 9);
	put_live(r, "r1-up", "h2", 8, 9);
	put_live(r, "web-r1", "h2", 10, 9); /* interior: cannot be anywhere */
	put_live(r, "gone", "h2", 11, 9);
	put_live(r, "vm0", "h2", 0x1000000, 9); /* no tunnel key */
	s = built(r);
	assert_string_equal(topo_find_port(s, "vm1")->live_host, "h2");
	assert_int_equal(topo_find_port(s, "vm1")->live_key, 7);
	assert_int_equal(topo_find_port(s, "vm1")->live_flood_key, 9);
	assert_int_equal(topo_find_port(s, "r1-up")->live_key, 8);
	assert_int_equal(topo_find_port(s, "r1-up")->live_flood_key, 0);
	assert_null(topo_find_port(s, "web-r1")->live_host);
	assert_null(topo_find_port(s, "vm0")->live_host);
	topo_unref(s);
	json_decref(r);
}

static void test_known(void **state)
{
	json_t *r = applied(NULL, base);
	struct topo_snapshot *s = built(r);
	const struct topo_bridge *b = topo_find_port(s, "vm1")->bridge;
	const struct topo_port *router_port = topo_find_port(s, "r1-web");
	const struct skep_mac *mac = NULL;
	struct skep_mac other = { { 2, 9, 9, 9, 9, 9 } };
	struct skep_ip a = ip("10.0.1.5"), gw = ip("fd00:1::1"), no = ip("10.0.1.6");

	assert_ptr_equal(topo_bridge_find_mac(b, 0, &topo_find_port(s, "vm1")->mac), topo_find_port(s, "vm1"));
	assert_ptr_equal(topo_bridge_find_mac(b, 0, &router_port->mac), topo_find_port(s, "web-r1"));
	assert_null(topo_bridge_find_mac(b, 0, &other));
	assert_ptr_equal(topo_bridge_find_ip(b, &a, &mac), topo_find_port(s, "vm1"));
	assert_true(mac_eq(mac, &topo_find_port(s, "vm1")->mac));
	assert_ptr_equal(topo_bridge_find_ip(b, &gw, &mac), topo_find_port(s, "web-r1"));
	assert_true(mac_eq(mac, &router_port->mac));
	assert_null(topo_bridge_find_ip(b, &no, &mac));
	topo_unref(s);
	json_decref(r);
}

static void test_references(void **state)
{
	json_t *r = applied(NULL, base);
	struct topo_snapshot *s = built(r);

	assert_ptr_equal(topo_ref(s), s);
	topo_unref(s);
	assert_string_equal(topo_find_port(s, "vm1")->o.name, "vm1"); /* still there: ASan would tell */
	json_decref(r); /* nothing of the records is borrowed */
	assert_string_equal(topo_find_port(s, "vm1")->host, "h1");
	topo_unref(s);
	topo_unref(NULL);
}

static void test_order_of_records_does_not_matter(void **state)
{
	struct topo_ports_at at, k;
	struct topo_routes_at here, there;
	json_t *r = applied(NULL, base), *turned = json_object();
	struct topo_snapshot *a, *b;
	const char *keys[32], *path;
	size_t n = 0;
	json_t *v;

	json_object_foreach(r, path, v)
		keys[n++] = path;
	while (n--)
		json_object_set(turned, keys[n], json_object_get(r, keys[n]));
	a = built(r);
	b = built(turned);
	assert_int_equal(a->ports.n, b->ports.n);
	topo_ports_first(&b->ports, &k);
	for (struct topo_port *p = topo_ports_first(&a->ports, &at); p; p = topo_ports_next(&at)) {
		assert_string_equal(p->o.name, topo_ports_here(&k)->o.name);
		topo_ports_next(&k);
	}
	topo_routes_first(&b->routers[0], &there);
	for (const struct topo_route *x = topo_routes_first(&a->routers[0], &here); x; x = topo_routes_next(&here)) {
		assert_string_equal(x->o.name, there.route->o.name);
		topo_routes_next(&there);
	}
	topo_unref(a);
	topo_unref(b);
	json_decref(turned);
	json_decref(r);
}

static void test_kinds(void **state)
{
	assert_int_equal(topo_kind_find("port"), TOPO_PORT);
	assert_int_equal(topo_kind_find("bindings"), TOPO_BIND);
	assert_int_equal(topo_kind_find("nope"), -1);
	assert_string_equal(topo_kind_name(TOPO_ROUTE), "route");
	assert_string_equal(topo_kind_plural(TOPO_BRIDGE), "bridges");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_objects),	      cmocka_unit_test(test_device_lists),
		cmocka_unit_test(test_rules),	      cmocka_unit_test(test_derived_routes),
		cmocka_unit_test(test_derived_mac),   cmocka_unit_test(test_live),
		cmocka_unit_test(test_known),	      cmocka_unit_test(test_references),
		cmocka_unit_test(test_kinds),	      cmocka_unit_test(test_order_of_records_does_not_matter),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
