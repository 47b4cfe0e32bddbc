// SPDX-License-Identifier: Apache-2.0
/* What a change of groups, VLANs, subnets, NAT, load balancers, QoS, mirrors emits: exactly these tags, there and back. */
#include "selftests/unit/topology/fixture.h"

#define T "tenant: acme\n"

#define P_VM "  - {name: vm, bridge: b, mac: 02:00:00:00:00:01, addresses: [10.0.1.5]"
static const char base[] =
	T "address_groups: [{name: g, addresses: [192.0.2.0/24, 198.51.100.7]}]\n"
	  "port_groups: [{name: pg}]\n"
	  "security_groups: [{name: sg, rules: [{name: a, direction: ingress, proto: tcp}]}, {name: other}]\n"
	  "qos_policies: [{name: q, rate_in: 10Mbit}]\n"
	  "bridges: [{name: b}, {name: v, vlan_aware: true}]\n"
	  "routers: [{name: r}, {name: s}]\n"
	  "ports:\n" P_VM ", security_groups: [sg], qos: q}\n"
	  "  - {name: vm2, bridge: b, mac: 02:00:00:00:00:02, addresses: [10.0.1.6]}\n"
	  "  - {name: br, bridge: b, peer: rb}\n"
	  "  - {name: rb, router: r, mac: 02:00:00:00:01:01, addresses: [10.0.1.1/24]}\n"
	  "  - {name: up, router: r, mac: 02:00:00:00:01:02, addresses: [203.0.113.2/24]}\n"
	  "  - {name: v1, bridge: v, vlan: 10, mac: 02:00:00:00:00:03}\n"
	  "  - {name: v2, bridge: v, trunk: [10, 20]}\n"
	  "nats: [{name: n, router: r, type: snat, to: 203.0.113.2, src: 10.0.1.0/24}]\n"
	  "floating_ips: [{name: f, router: r, address: 203.0.113.50, port: vm}]\n"
	  "load_balancers: [{name: l, router: r}]\n"
	  "pools: [{name: p}]\n"
	  "members: [{name: m, pool: p, address: 10.0.1.5}, {name: m2, pool: p, address: 10.0.1.6}]\n"
	  "vips: [{name: w, load_balancer: l, address: 203.0.113.80, proto: tcp, port: 80, pool: p}]\n"
	  "subnets: [{name: net, bridge: b, prefix: 10.0.1.0/24}]\n"
	  "mirrors: [{name: x, to: vm2, at: [{port: vm, hook: pre_in}]}]\n";

struct row {
	const char *name;
	const char *apply, *delete_; /* documents, or NULL */
	const char *ill;	     /* member that is found unhealthy */
	const char *want;	     /* tags as text, sorted, separated by spaces */
};
static const struct row rows[] = {
	{ "nothing", T, NULL, NULL, "" },
	{ "descriptions", T "pools: [{name: p, description: x}]\nqos_policies: [{name: q, rate_in: 10Mbit, description: x}]\n", NULL, NULL, "" },

	{ "an address more", T "address_groups: [{name: g, addresses: [192.0.2.0/24, 198.51.100.7, 10.9.0.0/16]}]\n", NULL, NULL, "group:g/10.9.0.0/16" },
	{ "an address less", T "address_groups: [{name: g, addresses: [192.0.2.0/24]}]\n", NULL, NULL, "group:g/198.51.100.7" },
	{ "an address within another", T "address_groups: [{name: g, addresses: [192.0.2.0/24, 192.0.2.9, 198.51.100.7]}]\n", NULL, NULL, "" },
	{ "another order", T "address_groups: [{name: g, addresses: [198.51.100.7, 192.0.2.0/24]}]\n", NULL, NULL, "" },
	{ "a group goes", NULL, T "address_groups: [{name: g}]\n", NULL, "group:g/192.0.2.0/24 group:g/198.51.100.7" },
	{ "a stateful group of ports", T "port_groups: [{name: pg, stateful: true}]\n", NULL, NULL, "pgroup:pg" },
	{ "a port joins a group", T "ports:\n" P_VM ", security_groups: [sg], qos: q, port_groups: [pg]}\n", NULL, NULL, "pgroup:pg port:vm" },

	{ "a security group's rule", T "security_groups: [{name: sg, rules: [{name: a, direction: ingress, proto: udp}]}]\n", NULL, NULL, "sgroup:sg" },
	{ "a security group without state", T "security_groups: [{name: other, stateful: false}]\n", NULL, NULL, "sgroup:other" },
	{ "a port leaves a security group", T "ports:\n" P_VM ", qos: q}\n", NULL, NULL, "member:sg/10.0.1.5 port:vm" },
	{ "a port joins another", T "ports:\n" P_VM ", security_groups: [sg, other], qos: q}\n", NULL, NULL, "member:other/10.0.1.5 port:vm" },
	{ "an allowed address", T "ports:\n" P_VM ", security_groups: [sg], qos: q, allowed_addresses: [10.0.9.0/24]}\n", NULL, NULL, "member:sg/10.0.9.0/24 port:vm" },
	{ "a member's address", T "ports:\n  - {name: vm, bridge: b, mac: 02:00:00:00:00:01, addresses: [10.0.1.7], security_groups: [sg], qos: q}\n", NULL, NULL,
	  "fip:r/10.0.1.5 fip:r/10.0.1.7 fip:r/203.0.113.50 fip:r/203.0.113.50 flood:b member:sg/10.0.1.5 member:sg/10.0.1.7 neigh:b/10.0.1.5 neigh:b/10.0.1.7 neigh:rb/10.0.1.5 neigh:rb/10.0.1.7 port:vm" },

	{ "a rate", T "qos_policies: [{name: q, rate_in: 20Mbit}]\n", NULL, NULL, "qos:q" },
	{ "no policy for a port", T "ports:\n" P_VM ", security_groups: [sg]}\n", NULL, NULL, "port:vm" },

	{ "a bridge becomes VLAN-aware", T "bridges: [{name: b, vlan_aware: true}]\n", NULL, NULL, "bridge:b" },
	{ "a VLAN of an access port", T "ports: [{name: v1, bridge: v, vlan: 20, mac: 02:00:00:00:00:03}]\n", NULL, NULL,
	  "flood:v mac:v/02:00:00:00:00:03@10 mac:v/02:00:00:00:00:03@20 port:v1" },
	{ "a VLAN that nobody had", T "ports: [{name: v1, bridge: v, vlan: 30, mac: 02:00:00:00:00:03}]\n", NULL, NULL,
	  "bridge:v flood:v mac:v/02:00:00:00:00:03@10 mac:v/02:00:00:00:00:03@30 port:v1" },
	{ "a trunk", T "ports: [{name: v2, bridge: v, trunk: [10]}]\n", NULL, NULL, "bridge:v flood:v port:v2" },
	{ "a static MAC", T "bridges: [{name: v, vlan_aware: true, static_macs: [{mac: 02:00:00:00:00:99, port: v2, vlan: 20}]}]\n", NULL, NULL,
	  "bridge:v mac:v/02:00:00:00:00:99@20" },
	{ "a neighbour", T "bridges: [{name: b, neighbours: [{address: 10.0.1.99, mac: 02:00:00:00:00:99}]}]\n", NULL, NULL, "bridge:b neigh:b/10.0.1.99 neigh:rb/10.0.1.99" },
	{ "a port with hairpin", T "ports: [{name: vm2, bridge: b, mac: 02:00:00:00:00:02, addresses: [10.0.1.6], hairpin: true}]\n", NULL, NULL, "flood:b port:vm2" },
	{ "an MTU", T "ports: [{name: up, router: r, mac: 02:00:00:00:01:02, addresses: [203.0.113.2/24], mtu: 1400}]\n", NULL, NULL, "port:up" },

	{ "a subnet's lease", T "subnets: [{name: net, bridge: b, prefix: 10.0.1.0/24, lease: 60}]\n", NULL, NULL, "bridge:b" },
	{ "a subnet goes", NULL, T "subnets: [{name: net}]\n", NULL, "bridge:b" },

	{ "a NAT rule", T "nats: [{name: n, router: r, type: snat, to: 203.0.113.2, src: 10.0.0.0/16}]\n", NULL, NULL, "nat:r" },
	{ "a NAT rule of another address", T "nats: [{name: n, router: r, type: snat, to: 203.0.113.3, src: 10.0.1.0/24}]\n", NULL, NULL, "nat:r router:r" },
	{ "a NAT rule moves", T "nats: [{name: n, router: s, type: no_snat}]\n", NULL, NULL, "nat:r nat:s router:s" },
	{ "a NAT rule goes", NULL, T "nats: [{name: n}]\n", NULL, "nat:r" },
	{ "a floating IP goes", NULL, T "floating_ips: [{name: f}]\n", NULL, "fip:r/10.0.1.5 fip:r/203.0.113.50 router:r" },
	{ "a floating IP of another machine", T "floating_ips: [{name: f, router: r, address: 203.0.113.50, port: vm2}]\n", NULL, NULL,
	  "fip:r/10.0.1.5 fip:r/10.0.1.6 fip:r/203.0.113.50 fip:r/203.0.113.50" },
	{ "a floating IP's uplink", T "floating_ips: [{name: f, router: r, address: 203.0.113.50, port: vm, uplink: rb}]\n", NULL, NULL,
	  "fip:r/10.0.1.5 fip:r/10.0.1.5 fip:r/203.0.113.50 fip:r/203.0.113.50" },

	{ "a new VIP", T "vips: [{name: y, load_balancer: l, address: 203.0.113.80, proto: tcp, port: 443, pool: p}]\n", NULL, NULL, "vip:r/203.0.113.80" },
	{ "a VIP's affinity", T "vips: [{name: w, load_balancer: l, address: 203.0.113.80, proto: tcp, port: 80, pool: p, affinity: source}]\n", NULL, NULL,
	  "vip:r/203.0.113.80 vip:r/203.0.113.80" },
	{ "a load balancer goes down", T "load_balancers: [{name: l, router: r, admin_up: false}]\n", NULL, NULL, "router:r vip:r/203.0.113.80 vip:r/203.0.113.80" },
	{ "a load balancer moves", T "load_balancers: [{name: l, router: s}]\n", NULL, NULL, "router:r router:s vip:r/203.0.113.80 vip:s/203.0.113.80" },
	{ "a member drains", T "members: [{name: m, pool: p, address: 10.0.1.5, state: draining}]\n", NULL, NULL, "pool:p" },
	{ "a member goes", NULL, T "members: [{name: m}]\n", NULL, "pool:p" },
	{ "a member is ill", NULL, NULL, "m2", "pool:p" },

	{ "a mirror's conditions", T "mirrors: [{name: x, to: vm2, at: [{port: vm, hook: pre_in}], match: [{proto: tcp}]}]\n", NULL, NULL, "mirror:x" },
	{ "a mirror elsewhere", T "mirrors: [{name: x, to: vm2, at: [{port: vm, hook: post_in}]}]\n", NULL, NULL, "mirror:x port:vm" },
	{ "a mirror of a router", T "mirrors: [{name: x, to: vm2, at: [{port: vm, hook: pre_in}, {router: r, hook: in}]}]\n", NULL, NULL, "mirror:x router:r" },
	{ "a mirror of a bridge", T "mirrors: [{name: z, to: vm2, at: [{bridge: v, hook: out}]}]\n", NULL, NULL, "bridge:v mirror:z" },
	{ "a mirror goes", NULL, T "mirrors: [{name: x}]\n", NULL, "mirror:x port:vm" },
};

struct seen {
	char text[64][96];
	size_t n;
};

static void on_tag(void *arg, const struct topo_tag *tag)
{
	struct seen *seen = arg;

	assert_true(seen->n < 64);
	topo_tag_format(tag, seen->text[seen->n++], sizeof(seen->text[0]));
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void check(const struct topo_snapshot *from, const struct topo_snapshot *to, const char *want, const char *way)
{
	struct seen seen = { 0 };
	char got[2048] = "";
	size_t n = 0;

	topo_diff(from, to, on_tag, &seen);
	qsort(seen.text, seen.n, sizeof(seen.text[0]), by_text);
	for (size_t i = 0; i < seen.n; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s", i ? " " : "", seen.text[i]);
	if (strcmp(got, want) != 0)
		fail_msg("%s\ngot  %s\nwant %s", way, got, want);
}

static void test_row(void **state)
{
	const struct row *row = *state;
	json_t *r = applied(NULL, base);
	struct topo_snapshot *old = built(r), *new_;
	struct err err = { 0 };
	char path[80];

	if (row->apply)
		r = applied(r, row->apply);
	if (row->delete_) {
		json_t *doc = doc_of(row->delete_, &err), *changes = topo_doc_delete(r, doc, &err), *merged;

		if (!changes)
			fail_msg("%s", err.text);
		merged = topo_records_merge(r, changes);
		json_decref(changes);
		json_decref(doc);
		json_decref(r);
		r = merged;
	}
	if (row->ill) {
		snprintf(path, sizeof(path), "health/%s", row->ill);
		json_object_set_new(r, path, json_pack("{s:b}", "up", 0));
	}
	new_ = built(r);
	check(old, new_, row->want, "there");
	check(new_, old, row->want, "back");
	topo_unref(old);
	topo_unref(new_);
	json_decref(r);
}

/* Packets through a router without VIPs have no tags of them, whether it has other NAT or not: also the first one that is down. */
static void test_first_vip(void **state)
{
	json_t *r = applied(NULL, base);
	struct topo_snapshot *old, *new_;

	(void)state;
	r = applied(r, T "nats: [{name: ns, router: s, type: no_snat}]\n"
			 "load_balancers: [{name: ls, router: s}]\n");
	old = built(r);
	r = applied(r, T "vips: [{name: ws, load_balancer: ls, address: 203.0.113.90, proto: tcp, port: 80, pool: p, admin_up: false}]\n");
	new_ = built(r);
	check(old, new_, "router:s vip:s/203.0.113.90", "there");
	check(new_, old, "router:s vip:s/203.0.113.90", "back");
	topo_unref(old);
	topo_unref(new_);
	json_decref(r);
}

/* --- tags as values --- */

static void differ(struct topo_tag a, struct topo_tag b)
{
	assert_true(topo_tag_eq(&a, &a) && topo_tag_eq(&b, &b));
	assert_false(topo_tag_eq(&a, &b));
	assert_int_not_equal(topo_tag_hash(&a), topo_tag_hash(&b));
}

static void test_tags(void **state)
{
	struct topo_tag mac = { .kind = TOPO_TAG_MAC, .name = "v", .mac = { { 2, 0, 0, 0, 0, 1 } }, .vlan = 10 };
	struct topo_tag conn = { .kind = TOPO_TAG_CONN, .name = "vm", .hash = 0xabc }, fip = { .kind = TOPO_TAG_FIP, .name = "r" };
	struct topo_tag group = { .kind = TOPO_TAG_GROUP, .name = "g", .len = 24 }, other = mac, same;
	struct topo_tag neigh = { .kind = TOPO_TAG_NEIGH, .name = "p" };
	char text[96];

	other.vlan = 20;
	differ(mac, other);
	other = conn;
	other.hash++;
	differ(conn, other);
	assert_true(ip_parse("192.0.2.0", &group.ip) && ip_parse("192.0.2.1", &fip.ip));
	other = group;
	other.len = 25;
	differ(group, other);
	other = fip;
	assert_true(ip_parse("192.0.2.2", &other.ip));
	differ(fip, other);
	other = fip;
	other.len = 24; /* a flow of many packets names a prefix */
	differ(fip, other);
	same = neigh;
	same.len = 32; /* no member that counts */
	assert_true(topo_tag_eq(&neigh, &same));
	assert_int_equal(topo_tag_hash(&neigh), topo_tag_hash(&same));
	assert_string_equal(topo_tag_format(&mac, text, sizeof(text)), "mac:v/02:00:00:00:00:01@10");
	assert_string_equal(topo_tag_format(&conn, text, sizeof(text)), "conn:vm/0000000000000abc");
	assert_string_equal(topo_tag_format(&group, text, sizeof(text)), "group:g/192.0.2.0/24");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_first_vip), cmocka_unit_test(test_tags) };
	int failed = RUN_ROWS(rows, test_row);

	return failed + cmocka_run_group_tests_name("diff of kinds", tests, NULL, NULL);
}
