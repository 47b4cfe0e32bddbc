// SPDX-License-Identifier: Apache-2.0
/* Documents' shape: each refusal with file, line, object, field, value and what is allowed. */
#include "selftests/unit/topology/fixture.h"

struct row {
	const char *name, *in;
	const char *error; /* part of the message; NULL = accepted */
};

#define T "tenant: acme\n"
#define RULE(text) T "chains:\n  - name: fw\n    rules:\n      - {name: r, action: drop, " text "}\n"
#define PORT(text) T "ports:\n  - {name: web1, bridge: b, " text "}\n"

static const struct row rows[] = {
	{ "the least document", T, NULL },
	{ "lists may be empty", T "ports:\nbridges: []\n", NULL },
	{ "names are enough to delete", T "ports: [{name: a}]\nroutes: [{name: b}]\nbindings: [{port: a}]\n", NULL },
	{ "several documents", T "---\n" T, NULL },
	{ "JSON, as one list", "[{\"tenant\": \"acme\"}, {\"tenant\": \"b\"}]", NULL },
	{ "all of a rule", RULE("proto: tcp, src: 10.0.0.0/8, dst: 0.0.0.0/0, src_ports: 1, dst_ports: \"80-90\", ethertype: ipv4, eth_src: 02:00:00:00:00:01, eth_dst: 01:00:00:00:00:00/01:00:00:00:00:00, description: x"), NULL },
	{ "ethertypes", RULE("ethertype: 0x88cc"), NULL },
	{ "icmp with IPv6", RULE("proto: icmp, src: fd00::/8, icmp_type: 128, icmp_code: 0"), NULL },
	{ "protocols by number", RULE("proto: 17, dst_ports: 53"), NULL },

	{ "nothing", "", "test.yaml: no document" },
	{ "only a comment", "# x\n", "test.yaml: no document" },
	{ "a text", "hello", "test.yaml: 'hello' is not a document (want tenant: NAME" },
	{ "no tenant", "ports: []\n", "test.yaml:1: field 'tenant' is missing" },
	{ "bad tenant", "tenant: _hosts\n", "test.yaml:1: field 'tenant': '_hosts' is not a name" },
	{ "tenant is a number", "tenant: 12\n", "field 'tenant': '12' is not a name" },
	{ "unknown kind", T "prots: []\n", "test.yaml:2: kind 'prots' is unknown (a document has tenant, chains, bridges, routers, ports, routes, bindings)" },
	{ "a kind in the singular", T "port: []\n", "test.yaml:2: kind 'port' is unknown" },
	{ "no list", T "ports: {name: a}\n", "test.yaml:2: 'ports' is '{\"name\":\"a\"}', which is not a list" },
	{ "no object", T "ports:\n  - web1\n", "test.yaml:3: port 1: 'web1' is not an object" },
	{ "no name", T "ports:\n  - {bridge: b}\n", "test.yaml:3: port 1: field 'name' is missing" },
	{ "no port of a binding", T "bindings:\n  - {host: h}\n", "test.yaml:3: bind 1: field 'port' is missing" },
	{ "unknown field", PORT("brigde: x"), "test.yaml:3: port 'web1': field 'brigde' is unknown (a port has name, description, bridge, router, peer, mac, addresses, admin_up, port_security, in_chain, out_chain, id)" },
	{ "revisions are not written by people", PORT("rev: 1"), "field 'rev' is unknown" },
	{ "empty name", T "bridges: [{name: \"\"}]\n", "field 'name': '' is not a name" },
	{ "name with a slash", T "bridges: [{name: a/b}]\n", "bridge 'a/b': field 'name': 'a/b' is not a name (want letters, digits" },
	{ "name begins with a dash", T "bridges: [{name: -a}]\n", "'-a' is not a name" },
	{ "name too long", T "bridges: [{name: a123456789b123456789c123456789d123456789e123456789f123456789g123}]\n", "is not a name" },
	{ "name is a number", T "bridges: [{name: 7}]\n", "test.yaml:2: bridge 1: field 'name': '7' is not a name" },
	{ "name with control characters is shown escaped", T "bridges: [{name: \"a\\eb\"}]\n", "'\"a\\u001Bb\"' is not a name" },
	{ "long values are shortened", T "bridges: [{name: b, description: x, admin_up: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg}]\n",
	  "'aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff...' is not a truth value (want true or false)" },
	{ "truth must be one", T "bridges: [{name: b, admin_up: yes}]\n", "field 'admin_up': 'yes' is not a truth value (want true or false)" },
	{ "description is a number", T "bridges: [{name: b, description: 7}]\n", "field 'description': '7' is not a text of at most 1000 bytes" },
	{ "reference is a list", T "bridges: [{name: b, in_chain: [fw]}]\n", "field 'in_chain': '[\"fw\"]' is not the name of a chain" },
	{ "bad id", PORT("id: 12"), "field 'id': '12' is not an id (want a UUID" },
	{ "bad MAC", T "ports:\n  - name: web1\n    bridge: b\n    mac: zz\n", "test.yaml:5: port 'web1': field 'mac': 'zz' is not a unicast Ethernet address (want six octets, 02:00:00:00:00:01)" },
	{ "multicast MAC", PORT("mac: 01:00:00:00:00:01"), "field 'mac': '01:00:00:00:00:01' is not a unicast Ethernet address" },
	{ "zero MAC", PORT("mac: 00:00:00:00:00:00"), "is not a unicast Ethernet address" },
	{ "addresses are no list", PORT("addresses: 10.0.0.1"), "field 'addresses': '10.0.0.1' is not a list (want [10.0.0.1, ...])" },
	{ "bad address", PORT("addresses: [10.0.0.1, 10.0.0.256]"), "field 'addresses': '10.0.0.256' is not an IP address (want 10.0.0.1 or fd00::1" },
	{ "bad prefix length", PORT("addresses: [10.0.0.1/33]"), "'10.0.0.1/33' is not an IP address" },
	{ "no device", T "ports: [{name: web1, admin_up: true}]\n", "port 'web1': field 'bridge' or 'router' is missing" },
	{ "two devices", PORT("router: r"), "port 'web1': field 'router': 'r' cannot be set beside bridge 'b' (want one of them)" },
	{ "its own peer", PORT("peer: web1"), "field 'peer': 'web1' is the port itself" },
	{ "rules are no list", T "chains: [{name: fw, rules: drop}]\n", "chain 'fw': field 'rules': 'drop' is not a list" },
	{ "a rule is no object", T "chains:\n  - name: fw\n    rules:\n      - drop\n", "chain 'fw': rule 1: 'drop' is not an object" },
	{ "no action", T "chains:\n  - name: fw\n    rules:\n      - {action: accept}\n      - {proto: tcp}\n", "test.yaml:6: chain 'fw': rule 2: field 'action' is missing" },
	{ "unknown action", T "chains: [{name: fw, rules: [{action: deny}]}]\n", "chain 'fw': rule 1: field 'action': 'deny' is not allowed (want accept, drop, reject, jump or return)" },
	{ "unknown field of a rule", RULE("port: 80"), "test.yaml:5: chain 'fw': rule 'r': field 'port' is unknown (a rule has name, action" },
	{ "jump without target", T "chains: [{name: fw, rules: [{action: jump}]}]\n", "rule 1: field 'jump' is missing" },
	{ "target without jump", RULE("jump: x"), "field 'jump': 'x' needs field 'action' to be jump, it is 'drop'" },
	{ "unknown protocol", RULE("proto: tpc"), "field 'proto': 'tpc' is not an IP protocol (want tcp, udp, icmp, icmp6, sctp or 0..255)" },
	{ "protocol too large", RULE("proto: 256"), "'256' is not an IP protocol" },
	{ "ports without protocol", RULE("dst_ports: 80"), "rule 'r': field 'dst_ports': '80' needs field 'proto' to be tcp, udp or sctp" },
	{ "ports with icmp", RULE("proto: icmp, src_ports: 80"), "field 'src_ports': '80' needs field 'proto' to be tcp, udp or sctp" },
	{ "reversed range", RULE("proto: tcp, dst_ports: 90-80"), "field 'dst_ports': range '90-80' is reversed (want 80-90)" },
	{ "port too large", RULE("proto: tcp, dst_ports: 65536"), "field 'dst_ports': '65536' is not a port or range of ports (want 0..65535" },
	{ "range too large", RULE("proto: tcp, dst_ports: 1-65536"), "'1-65536' is not a port or range" },
	{ "half a range", RULE("proto: tcp, dst_ports: \"80-\""), "'80-' is not a port or range" },
	{ "negative port", RULE("proto: tcp, dst_ports: -1"), "'-1' is not a port or range" },
	{ "icmp_type without icmp", RULE("proto: tcp, icmp_type: 8"), "field 'icmp_type': '8' needs field 'proto' to be icmp or icmp6" },
	{ "icmp_code without type", RULE("proto: icmp, icmp_code: 8"), "field 'icmp_code': '8' needs field 'icmp_type'" },
	{ "icmp_type too large", RULE("proto: icmp, icmp_type: 256"), "field 'icmp_type': '256' is not a number in range (want 0..255)" },
	{ "prefix with bits behind its length", RULE("src: 10.0.1.5/24"), "field 'src': '10.0.1.5/24' has bits behind the prefix length (want 10.0.1.0/24)" },
	{ "bad prefix", RULE("src: 10.0.1/24"), "field 'src': '10.0.1/24' is not an IP prefix (want 10.0.0.0/8 or fd00::/64)" },
	{ "mixed families", RULE("src: 10.0.0.0/8, dst: \"fd00::/8\""), "field 'dst': 'fd00::/8' and src '10.0.0.0/8' are of different families" },
	{ "ethertype of the other family", RULE("ethertype: ipv6, src: 10.0.0.0/8"), "field 'ethertype': 'ipv6' does not go with src '10.0.0.0/8' (want ipv4)" },
	{ "prefix and arp", RULE("ethertype: arp, dst: 10.0.0.0/8"), "field 'ethertype': 'arp' does not go with dst '10.0.0.0/8' (want ipv4)" },
	{ "protocol and arp", RULE("ethertype: arp, proto: tcp"), "field 'ethertype': 'arp' does not go with field 'proto'" },
	{ "icmp6 with IPv4", RULE("proto: icmp6, src: 10.0.0.0/8"), "field 'proto': 'icmp6' does not go with IPv4 (want icmp)" },
	{ "unknown ethertype", RULE("ethertype: ip"), "field 'ethertype': 'ip' is not an ethertype (want ipv4, ipv6, arp or 0x0600..0xffff)" },
	{ "ethertype is a length", RULE("ethertype: 0x100"), "is not an ethertype" },
	{ "bad MAC mask", RULE("eth_src: 02:00:00:00:00:01/8"), "field 'eth_src': '02:00:00:00:00:01/8' is not an Ethernet address" },
	{ "no router", T "routes:\n  - {name: d, dst: 0.0.0.0/0, port: p}\n", "test.yaml:3: route 'd': field 'router' is missing" },
	{ "no dst", T "routes: [{name: d, router: r, port: p}]\n", "route 'd': field 'dst' is missing" },
	{ "no port of a route", T "routes: [{name: d, router: r, dst: 0.0.0.0/0}]\n", "field 'port' is missing (a route of type 'port' needs a port of its router)" },
	{ "port of a blackhole", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, type: blackhole, port: p}]\n", "field 'port': 'p' does not go with type 'blackhole'" },
	{ "gateway of a reject", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, type: reject, gateway: 10.0.0.1}]\n", "field 'gateway': '10.0.0.1' does not go with type 'reject'" },
	{ "gateway of the other family", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, port: p, gateway: \"fd00::1\"}]\n", "field 'gateway': 'fd00::1' and dst '0.0.0.0/0' are of different families (want IPv4)" },
	{ "src of the other family", T "routes: [{name: d, router: r, dst: \"::/0\", port: p, src: 10.0.0.0/8}]\n", "field 'src': '10.0.0.0/8' and dst '::/0' are of different families (want IPv6)" },
	{ "weight too large", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, port: p, weight: 65536}]\n", "field 'weight': '65536' is not a number in range (want 1..65535)" },
	{ "weight zero", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, port: p, weight: 0}]\n", "(want 1..65535)" },
	{ "unknown type of route", T "routes: [{name: d, router: r, dst: 0.0.0.0/0, type: drop}]\n", "field 'type': 'drop' is not allowed (want port, local, blackhole or reject)" },
	{ "no host", T "bindings: [{port: p, interface: veth1}]\n", "bind 'p': field 'host' is missing" },
	{ "interface too long", T "bindings: [{port: p, host: h, interface: a123456789012345}]\n", "field 'interface': 'a123456789012345' is not an interface name (want 1 to 15" },
	{ "interface with a slash", T "bindings: [{port: p, host: h, interface: a/b}]\n", "is not an interface name" },
	{ "not YAML", "tenant: [\n", "test.yaml:2: not YAML" },
	{ "the second document is bad", T "---\ntenant: b\nports:\n- {name: p, x: 1}\n", "test.yaml:5: port 'p': field 'x' is unknown" },
};

static void test_row(void **state)
{
	const struct row *row = *state;
	struct err err = { 0 };
	json_t *docs = topo_doc_parse(row->in, strlen(row->in), "test.yaml", &err);

	if (!row->error && !docs)
		fail_msg("%s\nrefused: %s", row->in, err.text);
	if (row->error && docs)
		fail_msg("%s\naccepted", row->in);
	if (row->error && !strstr(err.text, row->error))
		fail_msg("%s\ngot:  %s\nwant: %s", row->in, err.text, row->error);
	if (row->error)
		assert_true(err.code == -EINVAL);
	json_decref(docs);
}

static void test_limits(void **state)
{
	size_t size = 400000, n;
	char *text = test_malloc(size);
	struct err err = { 0 };

	n = (size_t)snprintf(text, size, "tenant: a\nchains:\n- name: fw\n  rules:\n");
	for (int i = 0; i <= TOPO_RULES_MAX; i++)
		n += (size_t)snprintf(text + n, size - n, "  - {action: drop}\n");
	assert_null(topo_doc_parse(text, n, "f", &err));
	assert_non_null(strstr(err.text, "f:4: chain 'fw': field 'rules': 10001 rules are too many (at most 10000)"));
	n = (size_t)snprintf(text, size, "tenant: a\nports:\n- name: p\n  bridge: b\n  addresses:\n");
	for (int i = 0; i <= TOPO_ADDRS_MAX; i++)
		n += (size_t)snprintf(text + n, size - n, "  - 10.0.%d.%d\n", i / 200, i % 200 + 1);
	assert_null(topo_doc_parse(text, n, "f", &err));
	assert_non_null(strstr(err.text, "257 addresses are too many (at most 256)"));
	test_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_limits) };
	int failed = RUN_ROWS(rows, test_row);

	return failed + cmocka_run_group_tests_name("doc", tests, NULL, NULL);
}
