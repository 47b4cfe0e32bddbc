// SPDX-License-Identifier: Apache-2.0
/* What must hold between objects: one row per refusal, each against a base that is accepted; and records that nobody should have written. */
#include "selftests/unit/topology/fixture.h"

struct row {
	const char *name, *in; /* applied on top of the base */
	const char *error;     /* part of the message; NULL = accepted */
};

#define T "tenant: acme\n"

static const char base[] =
	T "bridges: [{name: web}, {name: db}]\n"
	  "routers: [{name: r1}, {name: r2}]\n"
	  "chains:\n"
	  "  - {name: a, rules: [{action: jump, jump: b}, {action: jump, jump: c}]}\n"
	  "  - {name: b, rules: [{action: jump, jump: c}]}\n"
	  "  - {name: c}\n"
	  "ports:\n"
	  "  - {name: vm1, bridge: web, mac: 02:00:00:00:00:01, addresses: [10.0.1.5, \"fd00:1::5\"]}\n"
	  "  - {name: vm2, bridge: db, mac: 02:00:00:00:00:01, addresses: [10.0.1.5]}\n"
	  "  - {name: web-r1, bridge: web, peer: r1-web}\n"
	  "  - {name: r1-web, router: r1, mac: 02:00:00:00:01:01, addresses: [10.0.1.1/24, 10.0.9.1/24, \"fd00:1::1/64\"]}\n"
	  "  - {name: r1-up, router: r1, addresses: [198.51.100.2/24, \"fd00:2::2/64\"]}\n"
	  "  - {name: r2-up, router: r2, addresses: [198.51.100.3/24]}\n"
	  "routes: [{name: def, router: r1, dst: 0.0.0.0/0, port: r1-up, gateway: 198.51.100.1}]\n"
	  "bindings: [{port: vm1, host: h1, interface: veth1}, {port: r1-up, host: h1, interface: eth1}]\n";

#define R1_UP(addresses) T "ports: [{name: r1-up, router: r1, addresses: [" addresses "]}]\n"
#define VM(fields) T "ports: [{name: vm3, bridge: web, " fields "}]\n"
#define ROUTE(fields) T "routes: [{name: x, router: r1, " fields "}]\n"

static const struct row rows[] = {
	{ "nothing more", T, NULL },
	{ "one MAC on two bridges", VM("mac: 02:00:00:00:00:02"), NULL },
	{ "a /31 has no network address", R1_UP("198.51.100.2/31"), "gateway" },
	{ "both ends of a /31", T "ports: [{name: x, router: r2, addresses: [10.9.9.0/31]}, {name: y, router: r1, addresses: [10.9.9.1/31]}]\n", NULL },
	{ "a link-local gateway", ROUTE("dst: \"::/0\", port: r1-up, gateway: \"fe80::1\""), NULL },
	{ "a /32 on a router port", T "ports: [{name: x, router: r2, addresses: [10.9.9.9/32]}]\n", NULL },
	{ "one interface name on two hosts", T "bindings: [{port: vm2, host: h2, interface: veth1}]\n", NULL },
	{ "two subnets of one port may overlap", T "ports: [{name: x, router: r2, addresses: [10.9.0.1/16, 10.9.9.9/24]}]\n", NULL },

	{ "the MAC of a port towards a router is nobody's", T "ports: [{name: web-r1, bridge: web, mac: 02:00:00:00:00:01}]\n", NULL },

	{ "dangling bridge", T "ports: [{name: x, bridge: nope}]\n", "port 'x': field 'bridge': bridge 'nope' does not exist" },
	{ "dangling router", T "ports: [{name: x, router: nope}]\n", "port 'x': field 'router': router 'nope' does not exist" },
	{ "dangling peer", T "ports: [{name: x, bridge: web, peer: nope}]\n", "port 'x': field 'peer': port 'nope' does not exist" },
	{ "dangling chain of a port", VM("in_chain: nope"), "port 'vm3': field 'in_chain': chain 'nope' does not exist" },
	{ "dangling chain of a bridge", T "bridges: [{name: web, out_chain: nope}]\n", "bridge 'web': field 'out_chain': chain 'nope' does not exist" },
	{ "dangling chain of a router", T "routers: [{name: r1, in_chain: nope}]\n", "router 'r1': field 'in_chain': chain 'nope' does not exist" },
	{ "dangling jump", T "chains: [{name: x, rules: [{name: go, action: jump, jump: nope}]}]\n", "chain 'x': rule 'go': field 'jump': chain 'nope' does not exist" },
	{ "dangling router of a route", T "routes: [{name: x, router: nope, dst: 10.0.0.0/8, type: blackhole}]\n", "route 'x': field 'router': router 'nope' does not exist" },
	{ "dangling port of a route", ROUTE("dst: 10.0.0.0/8, port: nope"), "route 'x': field 'port': port 'nope' does not exist" },
	{ "dangling port of a binding", T "bindings: [{port: nope, host: h1, interface: veth9}]\n", "bind 'nope': field 'port': port 'nope' does not exist" },
	{ "an id that is nobody's", VM("in_chain: 018bcfe5-6800-7000-8000-0000000000ff"), "chain '018bcfe5-6800-7000-8000-0000000000ff' does not exist" },

	{ "no name twice in a document", T "bridges: [{name: x}, {name: x}]\n", "bridge 'x': appears twice in the document" },
	{ "no rule's name twice", T "chains: [{name: x, rules: [{name: n, action: drop}, {name: n, action: drop}]}]\n", "chain 'x': rule 'n': field 'name': 'n' is the name of another rule" },
	{ "nor a generated one", T "chains: [{name: x, rules: [{name: rule2, action: drop}, {action: drop}]}]\n", "rule 'rule2': field 'name': 'rule2' is the name of another rule" },
	{ "no id twice", T "bridges: [{name: x, id: 018bcfe5-6800-7000-8000-0000000000ff}, {name: y, id: 018bcfe5-6800-7000-8000-0000000000ff}]\n", "field 'id': '018bcfe5-6800-7000-8000-0000000000ff' is the id of bridge" },

	{ "a MAC twice on a bridge", VM("mac: 02:00:00:00:00:01"), "port 'vm3': field 'mac': '02:00:00:00:00:01' is also that of port 'vm1' on the same bridge 'web' (" },
	{ "the MAC of a router's port", VM("mac: 02:00:00:00:01:01"), "port 'vm3': field 'mac': '02:00:00:00:01:01' is also that of port 'r1-web' on the same bridge 'web'" },
	{ "an address twice on a bridge", VM("addresses: [10.0.1.5]"), "port 'vm3': field 'addresses': '10.0.1.5' is also that of port 'vm1' of bridge 'web' (" },
	{ "an address twice on a port", VM("addresses: [10.0.1.6, 10.0.1.6]"), "port 'vm3': field 'addresses': '10.0.1.6' appears twice" },
	{ "an address twice on a router", R1_UP("198.51.100.2/24, 10.0.1.1/24"), "port 'r1-web': field 'addresses': '10.0.1.1/24' is also that of port 'r1-up' of router 'r1' (" },
	{ "overlapping subnets", R1_UP("198.51.100.2/24, 10.0.1.200/25"), "overlaps that of" },
	{ "overlapping subnets name both", R1_UP("198.51.100.2/24, 10.0.1.200/25"), "port 'r1-up': field 'addresses': subnet of '10.0.1.200/25' overlaps that of '10.0.1.1/24' on port 'r1-web' of the same router 'r1'" },
	{ "a subnet within one further up", R1_UP("198.51.100.2/24, 10.0.0.1/16"), "overlaps" },
	{ "overlapping subnets of IPv6", R1_UP("198.51.100.2/24, \"fd00:1::9/48\""), "overlaps that of" },
	{ "a subnet behind one that lies within the same", T "ports: [{name: x, router: r2, addresses: [10.9.0.1/16, 10.9.1.1/24]}, {name: y, router: r2, addresses: [10.9.200.1/24]}]\n",
	  "subnet of '10.9.200.1/24' overlaps that of '10.9.0.1/16' on port 'x'" },
	{ "a /32 within a subnet", R1_UP("198.51.100.2/24, 10.0.1.9/32"), "overlaps that of" },
	{ "network address", R1_UP("198.51.100.0/24"), "port 'r1-up': field 'addresses': '198.51.100.0/24' is its subnet's network address" },
	{ "broadcast address", R1_UP("198.51.100.255/24"), "'198.51.100.255/24' is its subnet's broadcast address" },
	{ "all ones", VM("addresses: [255.255.255.255]"), "'255.255.255.255' is the broadcast address" },
	{ "router anycast address", R1_UP("198.51.100.2/24, \"fd00:2::/64\""), "'fd00:2::/64' is its subnet's router anycast address" },
	{ "multicast address", R1_UP("224.0.0.1/24"), "is a multicast address" },
	{ "multicast address of IPv6", VM("addresses: [\"ff02::1\"]"), "'ff02::1' is a multicast address" },
	{ "loopback address", R1_UP("127.0.0.1/8"), "is a loopback address" },
	{ "loopback address of IPv6", VM("addresses: [\"::1\"]"), "is a loopback address" },
	{ "unspecified address", VM("addresses: [0.0.0.0]"), "is the unspecified address" },
	{ "unspecified address of IPv6", VM("addresses: [\"::\"]"), "is the unspecified address" },
	{ "no length on a router port", R1_UP("198.51.100.2"), "port 'r1-up': field 'addresses': '198.51.100.2' has no prefix length (a router port's subnet is part of it, want 198.51.100.2/24)" },
	{ "a length on a bridge port", VM("addresses: [10.0.1.6/24]"), "'10.0.1.6/24' has a prefix length" },

	{ "gateway outside", ROUTE("dst: 10.0.0.0/8, port: r1-up, gateway: 10.0.1.9"), "route 'x': field 'gateway': '10.0.1.9' is in no subnet of port 'r1-up'" },
	{ "gateway is oneself", ROUTE("dst: 10.0.0.0/8, port: r1-up, gateway: 198.51.100.2"), "route 'x': field 'gateway': '198.51.100.2' is the address of port 'r1-up' itself" },
	{ "gateway is no machine", ROUTE("dst: 10.0.0.0/8, port: r1-up, gateway: 224.0.0.1"), "'224.0.0.1' is not the address of a machine" },
	{ "the port's subnet moves from under a gateway", R1_UP("192.0.2.2/24"), "route 'def': field 'gateway': '198.51.100.1' is in no subnet of port 'r1-up'" },
	{ "port of another router", ROUTE("dst: 10.0.0.0/8, port: r2-up"), "route 'x': field 'port': 'r2-up' is not a port of router 'r1'" },
	{ "port of a bridge", ROUTE("dst: 10.0.0.0/8, port: vm1"), "'vm1' is not a port of router 'r1'" },

	{ "a peer that has another", T "ports: [{name: x, bridge: db, peer: r1-web}]\n", "port 'x': field 'peer': 'r1-web' is the peer of 'web-r1' already" },
	{ "a peer that says no", T "ports: [{name: x, bridge: db, peer: y}, {name: y, bridge: web, peer: null}]\n", "port 'x': field 'peer': 'y' does not have 'x' as its peer" },
	{ "a bound peer", T "ports: [{name: x, bridge: db, peer: r1-up}]\n", "bind 'r1-up': field 'port': 'r1-up' is linked to its peer 'x' (only a port without peer can be bound)" },
	{ "binding of an interior port", T "bindings: [{port: web-r1, host: h1, interface: veth9}]\n", "bind 'web-r1': field 'port': 'web-r1' is linked to its peer 'r1-web'" },
	{ "an interface twice", T "bindings: [{port: vm2, host: h1, interface: veth1}]\n", "bind 'vm2': field 'interface': 'veth1' of host 'h1' is also bound to port 'vm1' (" },

	{ "a chain that jumps to itself", T "chains: [{name: x, rules: [{name: go, action: jump, jump: x}]}]\n", "chain 'x': rule 'go': field 'jump': 'x' leads back to itself" },
	{ "chains in a circle", T "chains: [{name: c, rules: [{action: jump, jump: a}]}]\n", "leads back to itself (chains must not jump in circles)" },
};

static void test_row(void **state)
{
	const struct row *row = *state;
	json_t *records = applied(NULL, base), *before = json_deep_copy(records), *changes;
	struct err err = { 0 };

	changes = changes_of(records, row->in, false, &err);
	if (!row->error && !changes)
		fail_msg("%s\nrefused: %s", row->in, err.text);
	if (row->error && changes)
		fail_msg("%s\naccepted", row->in);
	if (row->error && !strstr(err.text, row->error))
		fail_msg("%s\ngot:  %s\nwant: %s", row->in, err.text, row->error);
	assert_true(json_equal(records, before)); /* nothing half-applied */
	json_decref(changes);
	json_decref(records);
	json_decref(before);
}

static void test_deep_jumps(void **state)
{
	char text[8192];
	struct err err = { 0 };
	size_t n;

	for (int deep = TOPO_JUMPS_MAX; deep <= TOPO_JUMPS_MAX + 1; deep++) {
		json_t *records = json_object(), *changes;

		n = (size_t)snprintf(text, sizeof(text), "tenant: a\nchains:\n- {name: c%d}\n", deep);
		for (int i = 0; i < deep; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
					      "- {name: c%d, rules: [{action: jump, jump: c%d}]}\n", i, i + 1);
		changes = changes_of(records, text, false, &err);
		if (deep <= TOPO_JUMPS_MAX)
			assert_non_null(changes);
		else
			assert_non_null(strstr(err.text, "chain 'c0': its jumps are nested 33 deep (at most 32)"));
		json_decref(changes);
		json_decref(records);
	}
}

/* A long line of chains must not cost stack. */
static void test_long_jumps(void **state)
{
	json_t *records = json_object();
	struct err err = { 0 };

	for (int i = 0; i < 100000; i++) {
		char path[32];

		snprintf(path, sizeof(path), "chain/c%06d", i);
		json_object_set_new(records, path,
				    json_pack("{s:o, s:o, s:[{s:s, s:o}]}", "name", json_string(path + 6), "id",
					      json_sprintf("018bcfe5-6800-7000-8000-%012d", i), "rules", "action",
					      "jump", "jump", json_sprintf("c%06d", (i + 1) % 100000)));
	}
	assert_int_equal(topo_validate(records, &err), -EINVAL);
	assert_non_null(strstr(err.text, "leads back to itself"));
	json_decref(records);
}

/* Records as no apply writes them: an error with the object's name, never a crash. */
static void test_bad_records(void **state)
{
#define ID "\"id\":\"018bcfe5-6800-7000-8000-000000000001\""
	static const struct {
		const char *records, *error; /* NULL = ignored */
	} bad[] = {
		{ "{\"port/a\": 1}", "port 'a': the record is '1' and not an object" },
		{ "{\"port/a\": null}", "port 'a': the record is 'null' and not an object" },
		{ "{\"port/a\": {}}", "port 'a': field 'name' is missing" },
		{ "{\"bridge/a\": {\"name\": \"a\"}}", "bridge 'a': field 'id' is missing" },
		{ "{\"bridge/a\": {\"name\": \"b\", " ID "}}", "bridge 'a': field 'name': 'b' is not the record's name" },
		{ "{\"bridge/a\": {\"name\": \"a\", " ID ", \"rev\": -1}}", "field 'rev': '-1' is not a revision" },
		{ "{\"bridge/a\": {\"name\": \"a\", " ID ", \"color\": 1}}", "field 'color' is unknown" },
		{ "{\"port/a\": {\"name\": \"a\", " ID "}}", "port 'a': field 'bridge' or 'router' is missing" },
		{ "{\"port/a\": {\"name\": \"a\", " ID ", \"bridge\": 7}}", "field 'bridge': '7' is not the name of a bridge" },
		{ "{\"chain/a\": {\"name\": \"a\", " ID ", \"rules\": [{}]}}", "chain 'a': rule 1: field 'action' is missing" },
		{ "{\"chain/a\": {\"name\": \"a\", " ID ", \"rules\": [[]]}}", "rule 1: '[]' is not an object" },
		{ "{\"bind/a\": {\"name\": \"a\", " ID "}}", "bind 'a': field 'host' is missing" },
		{ "{\"live/a\": 1, \"mac/b/zz\": [], \"neigh/x\": null, \"what\": 1, \"/\": 2, \"\": 3}", NULL },
		{ "{\"port/\": {\"name\": \"\"}}", "port '': field 'name': '' is not a name" },
	};
#undef ID
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *records = json_loads(bad[i].records, 0, NULL);
		struct err err = { 0 }, err2 = { 0 };
		int rc = topo_validate(records, &err);
		struct topo_snapshot *snap = topo_build("t", 1, records, &err2);

		assert_non_null(records);
		assert_int_equal(rc, bad[i].error ? -EINVAL : 0);
		assert_true(!snap == !!bad[i].error);
		if (bad[i].error && (!strstr(err.text, bad[i].error) || strcmp(err.text, err2.text) != 0))
			fail_msg("%s\ngot:  %s\nand:  %s\nwant: %s", bad[i].records, err.text, err2.text, bad[i].error);
		topo_unref(snap);
		json_decref(records);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deep_jumps),
		cmocka_unit_test(test_long_jumps),
		cmocka_unit_test(test_bad_records),
	};
	int failed = RUN_ROWS(rows, test_row);

	return failed + cmocka_run_group_tests_name("validate", tests, NULL, NULL);
}
