// SPDX-License-Identifier: Apache-2.0
/* Groups, VLANs, subnets, NAT, load balancers, QoS, mirrors: from a document to structs; references in lists, ids, deletes, exports. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "selftests/unit/topology/fixture.h"
#include "topology/ipset.h"
#include "topology/maglev.h"

#define T "tenant: acme\n"

static const char base[] =
	T "address_groups: [{name: bad, addresses: [192.0.2.0/24, 192.0.2.7, \"2001:db8::/32\"]}]\n"
	  "port_groups: [{name: up, stateful: true}, {name: empty}]\n"
	  "qos_policies: [{name: slow, rate_in: 10Mbit, rate_out: 1Gbit, burst_out: 100kB, dscp: 8}, {name: mark, dscp: 0}]\n"
	  "security_groups:\n"
	  "  - name: web\n"
	  "    egress: rules\n"
	  "    rules:\n"
	  "      - {name: out, direction: egress, proto: udp, dst_ports: 53, remote: 9.9.9.9}\n"
	  "      - {name: https, direction: ingress, proto: tcp, dst_ports: 443, remote_addresses: bad}\n"
	  "      - {direction: ingress, proto: icmp, remote_group: web, ethertype: ipv6}\n"
	  "  - {name: loose, stateful: false}\n"
	  "bridges:\n"
	  "  - name: v\n"
	  "    vlan_aware: true\n"
	  "    static_macs: [{mac: 02:00:00:00:00:aa, port: t, vlan: 20}]\n"
	  "    neighbours: [{address: 10.1.0.9, mac: 02:00:00:00:00:bb}, {address: 10.1.0.8, mac: 02:00:00:00:00:aa}]\n"
	  "  - {name: b}\n"
	  "routers: [{name: r}]\n"
	  "ports:\n"
	  "  - {name: t, bridge: v, trunk: [10, \"20-29\"], vlan: 7, port_groups: [up]}\n"
	  "  - {name: a, bridge: v, vlan: 10, mac: 02:00:00:00:00:01, addresses: [10.1.0.1]}\n"
	  "  - {name: c, bridge: v, vlan: 20, mac: 02:00:00:00:00:01, addresses: [10.1.0.1]}\n"
	  "  - {name: vr, bridge: v, vlan: 20, peer: rv}\n"
	  "  - {name: rv, router: r, mac: 02:00:00:00:01:01, addresses: [10.1.0.254/24], mtu: 1400}\n"
	  "  - name: vm\n"
	  "    bridge: b\n"
	  "    mac: 02:00:00:00:00:02\n"
	  "    addresses: [10.2.0.2, \"fd00:2::2\"]\n"
	  "    allowed_addresses: [10.2.0.100, {address: \"fd00:2::/80\", mac: 02:00:00:00:00:99}]\n"
	  "    security_groups: [web]\n"
	  "    qos: slow\n"
	  "    hostname: machine\n"
	  "    hairpin: true\n"
	  "  - {name: vm2, bridge: b, mac: 02:00:00:00:00:03, addresses: [10.2.0.3], security_groups: [loose, web]}\n"
	  "  - {name: br, bridge: b, peer: rb}\n"
	  "  - {name: rb, router: r, addresses: [10.2.0.1/24, \"fd00:2::1/64\"]}\n"
	  "  - {name: up, router: r, addresses: [198.51.100.2/24], port_groups: [up]}\n"
	  "chains:\n"
	  "  - name: fw\n"
	  "    rules:\n"
	  "      - {name: all, action: continue, log: true, invert: true, not: [src_group, dscp], src_group: bad, dscp: 46, vlan: 0, fragment: any_fragment,\n"
	  "         ct_state: [new, invalid], proto: tcp, tcp_flags: \"syn,!ack\", in_ports: [vm, up], out_ports: [t], in_port_group: up, out_port_group: empty,\n"
	  "         entry_port_group: up, traversed: router/r, inner_src: 10.0.0.0/8, inner_dst: 10.2.0.2, dst_rewritten: false}\n"
	  "      - {name: few, action: drop}\n"
	  "subnets:\n"
	  "  - name: four\n"
	  "    bridge: b\n"
	  "    prefix: 10.2.0.0/24\n"
	  "    dns: [9.9.9.9]\n"
	  "    routes: [{dst: 10.9.0.0/16, via: 10.2.0.77}]\n"
	  "    options: [{code: 66, text: tftp}, {code: 43, hex: 0aFF}, {code: 42, addresses: [10.2.0.5, 10.2.0.6]}, {code: 26, number: 1300, size: 2}]\n"
	  "    hosts: [{mac: 02:00:00:00:00:78, address: 10.2.0.78}, {mac: 02:00:00:00:00:77, address: 10.2.0.77, hostname: gw}]\n"
	  "  - {name: six, bridge: b, prefix: \"fd00:2::/64\", ra: stateful, mtu: 1300, lease: 60}\n"
	  "  - {name: alone, bridge: v, prefix: 10.3.0.0/24}\n"
	  "nats:\n"
	  "  - {name: z, router: r, type: snat, position: 5, to: 198.51.100.100-198.51.100.110, src: 10.2.0.0/24, port: up}\n"
	  "  - {name: fwd, router: r, type: dnat, proto: tcp, dst: 198.51.100.111, dst_ports: 80-81, to: 10.2.0.2, to_ports: 8080-8081}\n"
	  "  - {name: own, router: r, type: snat, to: 198.51.100.2}\n"
	  "floating_ips:\n"
	  "  - {name: f2, router: r, address: 198.51.100.112, port: vm}\n"
	  "  - {name: f1, router: r, address: 198.51.100.40, fixed: 10.2.0.3, uplink: rv}\n"
	  "load_balancers: [{name: l, router: r}, {name: off, router: r, admin_up: false}]\n"
	  "pools: [{name: p}, {name: none}]\n"
	  "members:\n"
	  "  - {name: m1, pool: p, address: 10.2.0.2}\n"
	  "  - {name: m2, pool: p, address: 10.2.0.3, port: 8080, weight: 3}\n"
	  "  - {name: m3, pool: p, address: 10.2.0.4, state: draining}\n"
	  "vips:\n"
	  "  - {name: v2, load_balancer: l, address: 198.51.100.80, proto: udp, port: 53, pool: p, on_empty: reject}\n"
	  "  - {name: v1, load_balancer: l, address: 198.51.100.80, proto: tcp, port: 443, pool: p, affinity: source, affinity_timeout: 60}\n"
	  "  - {name: v3, load_balancer: off, address: 198.51.100.90, proto: tcp, port: 0, pool: none}\n"
	  "mirrors:\n"
	  "  - {name: y, to: vm2, at: [{port: vm, hook: post_out}, {router: r, hook: in}], match: [{proto: tcp}, {src_group: bad, not: [src_group]}]}\n"
	  "  - {name: x, to: vm2, at: [{port: vm, hook: post_out}, {bridge: b, hook: out}], admin_up: false}\n";

static struct topo_snapshot *s;
static json_t *records;

static int make(void **state)
{
	records = applied(NULL, base);
	s = built(records);
	return 0;
}

static int drop(void **state)
{
	topo_unref(s);
	json_decref(records);
	return 0;
}

#define FIND(KIND, type, name) container_of(topo_find(s, KIND, name), type, o)

static struct skep_ip ip(const char *text)
{
	struct skep_ip out;

	assert_true(ip_parse(text, &out));
	return out;
}

static bool eq(const struct skep_ip *a, const char *text)
{
	struct skep_ip b = ip(text);

	return ip_eq(a, &b);
}

static bool in_set(const struct topo_ipset *set, const char *text)
{
	struct skep_ip a = ip(text);
	unsigned int bits;

	return topo_ipset_has(set, &a, &bits);
}

static bool is_member(const struct topo_security_group *g, const char *text)
{
	struct skep_ip a = ip(text);
	unsigned int bits;

	return topo_member(g, &a, &bits);
}

static void test_groups(void **state)
{
	struct topo_ports_at at;
	const struct topo_address_group *g = FIND(TOPO_ADDRESS_GROUP, struct topo_address_group, "bad");
	const struct topo_port_group *up = FIND(TOPO_PORT_GROUP, struct topo_port_group, "up");

	assert_int_equal(g->n_addresses, 2); /* one lies within another */
	assert_true(in_set(g->set, "192.0.2.9"));
	assert_true(in_set(g->set, "2001:db8::9"));
	assert_false(in_set(g->set, "192.0.3.9"));
	assert_true(up->stateful);
	assert_int_equal(up->ports.n, 2);
	assert_string_equal(topo_ports_first(&up->ports, &at)->o.name, "t");
	assert_string_equal(topo_ports_next(&at)->o.name, "up");
	assert_null(topo_ports_next(&at));
	assert_ptr_equal(topo_find_port(s, "up")->more->groups[0], up);
	assert_int_equal(FIND(TOPO_PORT_GROUP, struct topo_port_group, "empty")->ports.n, 0);
}

static void test_security_groups(void **state)
{
	const struct topo_security_group *g = FIND(TOPO_SECURITY_GROUP, struct topo_security_group, "web");
	const struct topo_security_group *loose = FIND(TOPO_SECURITY_GROUP, struct topo_security_group, "loose");

	assert_true(g->stateful && !g->egress_any);
	assert_true(!loose->stateful && loose->egress_any);
	assert_int_equal(g->n_ingress, 2);
	assert_int_equal(g->n_egress, 1);
	assert_int_equal(g->ingress.n_rules, 2);
	assert_int_equal(g->egress.n_rules, 1);
	assert_string_equal(g->ingress.rules[0].name, "https");
	assert_int_equal(g->ingress.rules[0].match, TOPO_M_PROTO | TOPO_M_L4_DST | TOPO_M_SRC_GROUP);
	assert_string_equal(g->ingress.rules[0].more->src_group->o.name, "bad");
	assert_string_equal(g->ingress.rules[1].name, "rule3");
	assert_int_equal(g->ingress.rules[1].index, 1);
	assert_int_equal(g->ingress.rules[1].proto, IPPROTO_ICMPV6);
	assert_ptr_equal(g->rules[1].remote, g);
	assert_int_equal(g->rules[2].direction, TOPO_EGRESS);
	assert_int_equal(g->egress.rules[0].match, TOPO_M_PROTO | TOPO_M_L4_DST | TOPO_M_IP_DST);
	assert_int_equal(g->egress.rules[0].ip_dst_len, 32);
	assert_int_equal(g->ports.n, 2);
	assert_true(is_member(g, "10.2.0.2") && is_member(g, "10.2.0.3"));
	assert_true(is_member(g, "10.2.0.100") && is_member(g, "fd00:2::77"));
	assert_false(is_member(g, "10.2.0.4"));
	assert_int_equal(loose->ports.n, 1);
}

static void test_port(void **state)
{
	const struct topo_port_more *m = topo_find_port(s, "vm")->more, *t = topo_find_port(s, "t")->more;

	assert_true(m->hairpin);
	assert_string_equal(m->hostname, "machine");
	assert_int_equal(m->n_allowed, 2);
	assert_int_equal(m->allowed[0].len, 32);
	assert_true(mac_is_zero(&m->allowed[0].mac) && !mac_is_zero(&m->allowed[1].mac));
	assert_int_equal(m->allowed[1].len, 80);
	assert_int_equal(m->n_sgs, 1);
	assert_int_equal(m->qos->rate_in, 10000000);
	assert_int_equal(m->qos->burst_in, 312500);
	assert_int_equal(m->qos->burst_out, 100000);
	assert_int_equal(m->qos->dscp, 8);
	assert_int_equal(FIND(TOPO_QOS, struct topo_qos, "mark")->rate_in, 0);
	assert_int_equal(FIND(TOPO_QOS, struct topo_qos, "mark")->dscp, 0);
	assert_int_equal(topo_find_port(s, "rv")->more->mtu, 1400);
	assert_int_equal(t->vlan, 7);
	assert_true(t->trunk[0] >> 10 & 1 && t->trunk[0] >> 20 & 1 && t->trunk[0] >> 29 & 1);
	assert_false(t->trunk[0] >> 11 & 1 || t->trunk[0] >> 30 & 1);
	assert_non_null(topo_find_port(s, "vr")->more);
	assert_ptr_equal(topo_find_port(s, "br")->more, topo_find_port(s, "rb")->more); /* shared */
}

static void test_bridge(void **state)
{
	const struct topo_bridge *v = FIND(TOPO_BRIDGE, struct topo_bridge, "v");
	const struct skep_mac twice = { { 2, 0, 0, 0, 0, 1 } }, fixed = { { 2, 0, 0, 0, 0, 0xaa } },
			      router = { { 2, 0, 0, 0, 1, 1 } };
	struct skep_ip a = ip("10.1.0.1"), allowed = ip("10.2.0.100");
	const struct skep_mac *mac;

	assert_true(v->vlan_aware);
	assert_true(v->vlans[0] >> 7 & 1 && v->vlans[0] >> 10 & 1 && v->vlans[0] >> 29 & 1);
	assert_false(v->vlans[0] & 1 || v->vlans[0] >> 11 & 1);
	assert_null(FIND(TOPO_BRIDGE, struct topo_bridge, "b")->vlans);
	assert_string_equal(topo_bridge_find_mac(v, 10, &twice)->o.name, "a");
	assert_string_equal(topo_bridge_find_mac(v, 20, &twice)->o.name, "c");
	assert_null(topo_bridge_find_mac(v, 7, &twice));
	assert_string_equal(topo_bridge_find_mac(v, 20, &fixed)->o.name, "t");
	assert_null(topo_bridge_find_mac(v, 10, &fixed));
	assert_string_equal(topo_bridge_find_mac(v, 20, &router)->o.name, "vr");
	assert_null(topo_bridge_find_mac(v, 10, &router));
	assert_string_equal(topo_bridge_find_ip_in(v, 10, &a, &mac)->o.name, "a");
	assert_string_equal(topo_bridge_find_ip_in(v, 20, &a, &mac)->o.name, "c");
	assert_null(topo_bridge_find_ip_in(v, 7, &a, &mac));
	assert_string_equal(topo_bridge_find_ip(v, &a, &mac)->o.name, "a");
	assert_null(topo_bridge_find_ip(FIND(TOPO_BRIDGE, struct topo_bridge, "b"), &allowed, &mac));
	assert_int_equal(v->n_static_neighs, 2);
	assert_true(eq(&v->static_neighs[0].ip, "10.1.0.8")); /* by address */
}

static void test_rule(void **state)
{
	const struct topo_chain *c = FIND(TOPO_CHAIN, struct topo_chain, "fw");
	const struct topo_rule *r = &c->rules[0];
	const struct topo_rule_more *m = r->more;

	assert_int_equal(r->action, TOPO_CONTINUE);
	assert_true(r->log && r->invert);
	assert_int_equal(r->match, TOPO_M_PROTO | TOPO_M_SRC_GROUP | TOPO_M_DSCP | TOPO_M_VLAN | TOPO_M_FRAGMENT | TOPO_M_CT |
					   TOPO_M_TCP_FLAGS | TOPO_M_IN_PORTS | TOPO_M_OUT_PORTS | TOPO_M_IN_GROUP |
					   TOPO_M_OUT_GROUP | TOPO_M_ENTRY_GROUP | TOPO_M_TRAVERSED | TOPO_M_INNER_SRC |
					   TOPO_M_INNER_DST | TOPO_M_DST_REWRITTEN);
	assert_int_equal(r->negate, TOPO_M_SRC_GROUP | TOPO_M_DSCP | TOPO_M_DST_REWRITTEN);
	assert_int_equal(r->dscp, 46);
	assert_int_equal(r->vlan, 0);
	assert_int_equal(r->fragment, TOPO_FRAG_ANY_FRAGMENT);
	assert_int_equal(r->ct, TOPO_CT_NEW | TOPO_CT_INVALID);
	assert_int_equal(r->tcp_mask, 0x12);
	assert_int_equal(r->tcp_value, 0x02);
	assert_string_equal(m->src_group->o.name, "bad");
	assert_int_equal(m->n_in_ports, 2);
	assert_true(m->in_ports[0] < m->in_ports[1]);
	assert_string_equal(m->out_ports[0]->o.name, "t");
	assert_string_equal(m->in_group->o.name, "up");
	assert_string_equal(m->out_group->o.name, "empty");
	assert_string_equal(m->entry_group->o.name, "up");
	assert_int_equal(m->traversed->kind, TOPO_ROUTER);
	assert_int_equal(m->inner_src_len, 8);
	assert_int_equal(m->inner_dst_len, 32);
	assert_null(c->rules[1].more);
	assert_int_equal(c->rules[1].match, 0);
}

static void test_subnets(void **state)
{
	const struct topo_bridge *b = FIND(TOPO_BRIDGE, struct topo_bridge, "b");
	const struct topo_subnet *four = b->subnets[0], *six = b->subnets[1];
	const struct topo_subnet *alone = FIND(TOPO_SUBNET, struct topo_subnet, "alone");

	assert_int_equal(b->n_subnets, 2);
	assert_string_equal(four->o.name, "four");
	assert_true(four->dhcp && four->ra == TOPO_RA_NONE && four->lease_s == 86400);
	assert_true(eq(&four->gateway, "10.2.0.1") && eq(&four->server, "10.2.0.1"));
	assert_string_equal(four->router_port->o.name, "rb");
	assert_true(eq(&four->routes[0].via, "10.2.0.77") && four->routes[0].len == 16);
	assert_int_equal(four->n_options, 4);
	assert_int_equal(four->options[0].len, 4);
	assert_memory_equal(four->options[0].data, "tftp", 4);
	assert_memory_equal(four->options[1].data, "\x0a\xff", 2);
	assert_int_equal(four->options[2].len, 8);
	assert_memory_equal(four->options[2].data, "\x0a\x02\x00\x05\x0a\x02\x00\x06", 8);
	assert_int_equal(four->options[3].len, 2);
	assert_memory_equal(four->options[3].data, "\x05\x14", 2);
	assert_int_equal(four->n_hosts, 2);
	assert_string_equal(four->hosts[0].hostname, "gw"); /* by MAC */
	assert_true(six->ra == TOPO_RA_STATEFUL && six->mtu == 1300 && six->lease_s == 60);
	assert_true(eq(&six->gateway, "fd00:2::1"));
	assert_true(ip_is_zero(&alone->gateway) && eq(&alone->server, "10.3.0.1"));
	assert_null(alone->router_port);
}

static void test_nat(void **state)
{
	const struct topo_router *r = FIND(TOPO_ROUTER, struct topo_router, "r");
	static const struct {
		const char *ip;
		bool is;
	} addrs[] = { { "198.51.100.39", false },  { "198.51.100.40", true },  { "198.51.100.41", false },
		      { "198.51.100.80", true },   { "198.51.100.90", false }, { "198.51.100.99", false },
		      { "198.51.100.100", true },  { "198.51.100.105", true }, { "198.51.100.110", true },
		      { "198.51.100.111", true },  { "198.51.100.112", true }, { "198.51.100.113", false },
		      { "198.51.100.2", false },   { "10.2.0.2", false },	{ "fd00:2::2", false } };

	assert_int_equal(r->n_nats, 3);
	assert_string_equal(r->nats[0]->o.name, "z"); /* by position, then name */
	assert_string_equal(r->nats[1]->o.name, "fwd");
	assert_string_equal(r->nats[2]->o.name, "own");
	assert_int_equal(r->nats[0]->to_ports[0], 1024);
	assert_int_equal(r->nats[0]->to_ports[1], 65535);
	assert_string_equal(r->nats[0]->port->o.name, "up");
	assert_int_equal(r->nats[0]->match.match, TOPO_M_IP_SRC);
	assert_int_equal(r->nats[1]->type, TOPO_DNAT);
	assert_int_equal(r->nats[1]->to_ports[1], 8081);
	assert_true(eq(&r->nats[1]->to.lo, "10.2.0.2") && eq(&r->nats[1]->to.hi, "10.2.0.2"));
	assert_int_equal(r->n_fips, 2);
	assert_string_equal(r->fips[0]->o.name, "f1"); /* by address */
	assert_string_equal(r->fips_by_fixed[0]->o.name, "f2");
	assert_true(eq(&r->fips[1]->fixed, "10.2.0.2"));
	assert_string_equal(r->fips[1]->uplink->o.name, "up");
	assert_string_equal(r->fips[0]->uplink->o.name, "rv");
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		struct skep_ip a = ip(addrs[i].ip);

		if (topo_router_nat_addr(r, &a) != addrs[i].is)
			fail_msg("%s", addrs[i].ip);
	}
}

static void test_load_balancer(void **state)
{
	const struct topo_router *r = FIND(TOPO_ROUTER, struct topo_router, "r");
	const struct topo_pool *p = FIND(TOPO_POOL, struct topo_pool, "p");
	json_t *ill = json_copy(records);
	struct topo_snapshot *t;

	assert_int_equal(r->n_vips, 3);
	assert_string_equal(r->vips[0]->o.name, "v1"); /* by address, protocol, port */
	assert_string_equal(r->vips[1]->o.name, "v2");
	assert_true(r->vips[0]->affinity == TOPO_AFFINITY_SOURCE && r->vips[0]->affinity_s == 60 && !r->vips[0]->reject);
	assert_true(r->vips[1]->reject && r->vips[1]->proto == IPPROTO_UDP && r->vips[1]->affinity_s == 10800);
	assert_int_equal(p->n_members, 3);
	assert_int_equal(p->members[1]->weight, 3);
	assert_true(p->members[2]->state == TOPO_MEMBER_DRAINING && p->members[2]->healthy);
	for (uint64_t h = 0; h < 1000; h++) /* the one that is draining takes nothing new */
		assert_ptr_not_equal(topo_maglev_pick(p, h * 0x9e3779b97f4a7c15), p->members[2]);
	assert_null(topo_maglev_pick(FIND(TOPO_POOL, struct topo_pool, "none"), 5));
	json_object_set_new(ill, "health/m2", json_pack("{s:b, s:s}", "up", 0, "host", "h1"));
	json_object_set_new(ill, "health/m1", json_pack("{s:b}", "up", 1));
	json_object_set_new(ill, "health/gone", json_pack("{s:b}", "up", 0));
	t = built(ill);
	p = container_of(topo_find(t, TOPO_POOL, "p"), struct topo_pool, o);
	assert_true(p->members[0]->healthy && !p->members[1]->healthy);
	assert_ptr_equal(topo_maglev_pick(p, 5), p->members[0]);
	topo_unref(t);
	json_decref(ill);
}

static void test_mirrors(void **state)
{
	const struct topo_port *vm = topo_find_port(s, "vm");
	const struct topo_mirror_at *at = vm->more->mirrors[TOPO_HOOK_POST_OUT];

	assert_string_equal(at->mirror->o.name, "x"); /* by name */
	assert_string_equal(at->next->mirror->o.name, "y");
	assert_null(at->next->next);
	assert_null(vm->more->mirrors[TOPO_HOOK_PRE_IN]);
	assert_false(at->mirror->admin_up);
	assert_int_equal(at->next->mirror->n_match, 2);
	assert_int_equal(at->next->mirror->match[1].negate, TOPO_M_SRC_GROUP);
	assert_string_equal(FIND(TOPO_BRIDGE, struct topo_bridge, "b")->mirrors[1]->mirror->o.name, "x");
	assert_string_equal(FIND(TOPO_ROUTER, struct topo_router, "r")->mirrors[0]->mirror->o.name, "y");
	assert_null(FIND(TOPO_ROUTER, struct topo_router, "r")->mirrors[1]);
}

/* --- documents --- */

static void test_export_comes_back(void **state)
{
	struct err err = { 0 };
	json_t *doc = topo_doc_export(records, "acme", NULL, NULL, &err), *changes, *fresh = json_object();
	uint64_t n = 0;

	changes = topo_doc_apply(records, doc, true, next_uuid, &n, &err);
	assert_non_null(changes);
	assert_int_equal(json_object_size(changes), 0);
	json_decref(changes);
	changes = topo_doc_apply(fresh, doc, true, next_uuid, &n, &err);
	assert_int_equal(json_object_size(changes), json_object_size(records));
	json_decref(changes);
	json_decref(fresh);
	json_decref(doc);
}

/* Each row deletes an object that something names in a list, a rule, a nested object, or a device. */
static void test_delete_refused(void **state)
{
	static const struct {
		const char *doc, *error;
	} rows[] = {
		{ T "address_groups: [{name: bad}]\n", "cannot delete address_group 'bad': " },
		{ T "port_groups: [{name: empty}]\n", "cannot delete port_group 'empty': chain 'fw' refers to it in field 'out_port_group'" },
		{ T "port_groups: [{name: up}]\n", "cannot delete port_group 'up': " },
		{ T "security_groups: [{name: loose}]\n", "cannot delete security_group 'loose': port 'vm2' refers to it in field 'security_groups'" },
		{ T "qos_policies: [{name: slow}]\n", "cannot delete qos 'slow': port 'vm' refers to it in field 'qos'" },
		{ T "ports: [{name: t}]\n", "cannot delete port 't': " },
		{ T "ports: [{name: vm2}]\n", "cannot delete port 'vm2': mirror " },
		{ T "routers: [{name: r}]\n", "cannot delete router 'r': " },
		{ T "pools: [{name: none}]\n", "cannot delete pool 'none': vip 'v3' refers to it in field 'pool'" },
		{ T "load_balancers: [{name: off}]\n", "cannot delete load_balancer 'off': vip 'v3' refers to it in field 'load_balancer'" },
		{ T "bridges: [{name: v}]\n", "cannot delete bridge 'v': " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = { 0 };
		json_t *doc = doc_of(rows[i].doc, &err), *changes = topo_doc_delete(records, doc, &err);

		if (changes || !strstr(err.text, rows[i].error))
			fail_msg("%s\ngot: %s", rows[i].doc, changes ? "accepted" : err.text);
		assert_int_equal(err.code, -EBUSY);
		json_decref(doc);
	}
}

static void test_delete(void **state)
{
	struct err err = { 0 };
	json_t *doc = doc_of(T "members: [{name: m2}]\nmirrors: [{name: y}, {name: x}]\nvips: [{name: v3}]\nrouters: [{name: lone}]\n", &err), *changes;
	json_t *more = applied(json_copy(records), T "routers: [{name: lone}]\n");

	json_object_set_new(more, "health/m2", json_pack("{s:b}", "up", 0));
	json_object_set_new(more, "aff/v3/192.0.2.1", json_object());
	json_object_set_new(more, "aff/v1/192.0.2.1", json_object());
	json_object_set_new(more, "natblock/lone/192.0.2.1/1024", json_object());
	json_object_set_new(more, "natblock/r/192.0.2.1/1024", json_object());
	changes = topo_doc_delete(more, doc, &err);
	assert_non_null(changes);
	assert_int_equal(json_object_size(changes), 8);
	assert_true(json_is_null(json_object_get(changes, "aff/v3/192.0.2.1")));
	assert_true(json_is_null(json_object_get(changes, "natblock/lone/192.0.2.1/1024")));
	assert_true(json_is_null(json_object_get(changes, "health/m2")));
	json_decref(changes);
	json_decref(more);
	json_decref(doc);
}

static void test_references_by_id(void **state)
{
	const char *group = json_string_value(json_object_get(json_object_get(records, "security_group/loose"), "id"));
	const char *router = json_string_value(json_object_get(json_object_get(records, "router/r"), "id"));
	const char *port = json_string_value(json_object_get(json_object_get(records, "port/vm"), "id"));
	struct err err = { 0 };
	json_t *changes, *rule;
	char text[512];

	snprintf(text, sizeof(text),
		 T "ports: [{name: new, bridge: b, security_groups: [web, %s]}]\n"
		   "chains: [{name: c, rules: [{action: drop, traversed: router/%s, in_ports: [up, %s]}]}]\n",
		 group, router, port);
	changes = changes_of(records, text, false, &err);
	if (!changes)
		fail_msg("%s", err.text);
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(json_object_get(changes, "port/new"), "security_groups"), 1)),
			    "loose");
	rule = json_array_get(json_object_get(json_object_get(changes, "chain/c"), "rules"), 0);
	assert_string_equal(json_string_value(json_object_get(rule, "traversed")), "router/r");
	assert_string_equal(json_string_value(json_array_get(json_object_get(rule, "in_ports"), 1)), "vm");
	json_decref(changes);
}

static void test_kind_names(void **state)
{
	assert_int_equal(topo_kind_find("security_group"), TOPO_SECURITY_GROUP);
	assert_int_equal(topo_kind_find("security-group"), TOPO_SECURITY_GROUP);
	assert_int_equal(topo_kind_find("floating-ips"), TOPO_FLOATING_IP);
	assert_int_equal(topo_kind_find("qos_policies"), TOPO_QOS);
	assert_int_equal(topo_kind_find("security-grou"), -1);
	assert_int_equal(topo_kind_find("security-groupss"), -1);
	assert_int_equal(topo_kind_find("po-rt"), -1);
	assert_int_equal(topo_kind_find("floating ip"), -1);
}

static void test_many_members(void **state)
{
	json_t *all = json_copy(records);
	struct err err = { 0 };

	for (int i = 0; i <= TOPO_MEMBERS_MAX; i++) {
		char path[32];

		snprintf(path, sizeof(path), "member/x%d", i);
		json_object_set_new(all, path,
				    json_pack("{s:s, s:o, s:s, s:o}", "name", path + 7, "id",
					      json_sprintf("018bcfe5-6800-7001-8000-%012d", i), "pool", "none", "address",
					      json_sprintf("10.5.%d.%d", i / 200, i % 200 + 1)));
	}
	assert_int_equal(topo_validate(all, &err), -EINVAL);
	assert_string_equal(err.text, "pool 'none': 1001 members are too many (at most 1000)");
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_security_groups),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_bridge),
		cmocka_unit_test(test_rule),
		cmocka_unit_test(test_subnets),
		cmocka_unit_test(test_nat),
		cmocka_unit_test(test_load_balancer),
		cmocka_unit_test(test_mirrors),
		cmocka_unit_test(test_export_comes_back),
		cmocka_unit_test(test_delete_refused),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_references_by_id),
		cmocka_unit_test(test_kind_names),
		cmocka_unit_test(test_many_members),
	};

	return cmocka_run_group_tests_name("kinds", tests, make, drop);
}
