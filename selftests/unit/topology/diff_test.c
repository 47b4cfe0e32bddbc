// SPDX-License-Identifier: Apache-2.0
/* What a change emits: exactly these tags, no more; and tags as text, hash and equality. */
#include "selftests/unit/topology/fixture.h"

#define T "tenant: acme\n"

static const char base[] =
	T "bridges: [{name: web, in_chain: fw}, {name: db}]\n"
	  "routers: [{name: r1}]\n"
	  "chains: [{name: fw, rules: [{name: go, action: jump, jump: sub}, {name: n, action: drop, proto: tcp, dst_ports: 23}]}, {name: sub}]\n"
	  "ports:\n"
	  "  - {name: vm1, bridge: web, mac: 02:00:00:00:00:01, addresses: [10.0.1.5]}\n"
	  "  - {name: vm2, bridge: web}\n"
	  "  - {name: web-r1, bridge: web, peer: r1-web}\n"
	  "  - {name: r1-web, router: r1, mac: 02:00:00:00:01:01, addresses: [10.0.1.1/24]}\n"
	  "  - {name: up, router: r1, mac: 02:00:00:00:01:02, addresses: [198.51.100.2/24]}\n"
	  "routes:\n"
	  "  - {name: def, router: r1, dst: 0.0.0.0/0, port: up, gateway: 198.51.100.1}\n"
	  "  - {name: hole, router: r1, dst: 10.66.0.0/16, type: blackhole}\n";

#define VM1(more) "ports: [{name: vm1, bridge: web, mac: 02:00:00:00:00:01, addresses: [10.0.1.5]" more "}]\n"

struct row {
	const char *name;
	const char *apply;  /* document, or NULL */
	const char *delete_; /* document, or NULL */
	const char *live;   /* port that appears, or NULL */
	const char *want;   /* tags as text, sorted, separated by spaces */
};
static const struct row rows[] = {
	{ "nothing", T, NULL, NULL, "" },
	{ "a description", T "bridges: [{name: web, in_chain: fw, description: x}]\n", NULL, NULL, "" },
	{ "a rule", T "chains: [{name: fw, rules: [{name: go, action: jump, jump: sub}, {name: n, action: drop, proto: tcp, dst_ports: 24}]}]\n", NULL, NULL, "chain:fw" },
	{ "a rule of a chain that others jump to", T "chains: [{name: sub, rules: [{action: drop}]}]\n", NULL, NULL, "chain:sub" },
	{ "a rule's name", T "chains: [{name: fw, rules: [{name: go, action: jump, jump: sub}, {name: m, action: drop, proto: tcp, dst_ports: 23}]}]\n", NULL, NULL, "chain:fw" },
	{ "the order of rules", T "chains: [{name: fw, rules: [{name: n, action: drop, proto: tcp, dst_ports: 23}, {name: go, action: jump, jump: sub}]}]\n", NULL, NULL, "chain:fw" },
	{ "a new chain", T "chains: [{name: x}]\n", NULL, NULL, "chain:x" },
	{ "a bridge's chain", T "bridges: [{name: web}]\n", NULL, NULL, "bridge:web" },
	{ "a bridge goes down", T "bridges: [{name: db, admin_up: false}]\n", NULL, NULL, "bridge:db" },
	{ "a bridge goes", NULL, T "bridges: [{name: db}]\n", NULL, "bridge:db" },
	{ "a router's chain", T "routers: [{name: r1, out_chain: sub}]\n", NULL, NULL, "router:r1" },
	{ "a port's chain", T VM1(", in_chain: sub"), NULL, NULL, "port:vm1" },
	{ "a port's security", T VM1(", port_security: false"), NULL, NULL, "port:vm1" },
	{ "a port goes down", T VM1(", admin_up: false"), NULL, NULL, "flood:web port:vm1" },
	{ "a binding alone", T "bindings: [{port: vm1, host: h1, interface: veth1}]\n", NULL, NULL, "" },
	{ "a port comes to life", NULL, NULL, "vm1", "flood:web port:vm1" },
	{ "an uplink comes to life", NULL, NULL, "up", "dst:r1/0.0.0.0/0 dst:r1/198.51.100.0/24 port:up" },
	{ "a port's MAC", T "ports: [{name: vm1, bridge: web, mac: 02:00:00:00:00:02, addresses: [10.0.1.5]}]\n", NULL, NULL,
	  "flood:web mac:web/02:00:00:00:00:01 mac:web/02:00:00:00:00:02 neigh:r1-web/10.0.1.5 neigh:web/10.0.1.5 port:vm1" },
	{ "a port's address", T "ports: [{name: vm1, bridge: web, mac: 02:00:00:00:00:01, addresses: [10.0.1.6]}]\n", NULL, NULL,
	  "flood:web neigh:r1-web/10.0.1.5 neigh:r1-web/10.0.1.6 neigh:web/10.0.1.5 neigh:web/10.0.1.6 port:vm1" },
	{ "an address without MAC is no neighbour", T "ports: [{name: vm2, bridge: web, addresses: [10.0.1.7]}]\n", NULL, NULL, "flood:web port:vm2" },
	{ "a new port", T "ports: [{name: vm3, bridge: web, mac: 02:00:00:00:00:03, addresses: [10.0.1.7]}]\n", NULL, NULL,
	  "flood:web mac:web/02:00:00:00:00:03 neigh:r1-web/10.0.1.7 neigh:web/10.0.1.7 port:vm3" },
	{ "a port goes", NULL, T "ports: [{name: vm1}]\n", NULL,
	  "flood:web mac:web/02:00:00:00:00:01 neigh:r1-web/10.0.1.5 neigh:web/10.0.1.5 port:vm1" },
	{ "a port moves to another bridge", T "ports: [{name: vm1, bridge: db, mac: 02:00:00:00:00:01, addresses: [10.0.1.5]}]\n", NULL, NULL,
	  "flood:db flood:web mac:db/02:00:00:00:00:01 mac:web/02:00:00:00:00:01 neigh:db/10.0.1.5 neigh:r1-web/10.0.1.5 neigh:web/10.0.1.5 port:vm1" },
	{ "a MAC moves between ports", T "ports: [{name: vm1, bridge: web}, {name: vm2, bridge: web, mac: 02:00:00:00:00:01, addresses: [10.0.1.5]}]\n", NULL, NULL,
	  "flood:web mac:web/02:00:00:00:00:01 neigh:r1-web/10.0.1.5 neigh:web/10.0.1.5 port:vm1 port:vm2" },
	{ "a router port's MAC", T "ports: [{name: r1-web, router: r1, mac: 02:00:00:00:01:09, addresses: [10.0.1.1/24]}]\n", NULL, NULL,
	  "mac:web/02:00:00:00:01:01 mac:web/02:00:00:00:01:09 neigh:r1-web/10.0.1.1 neigh:web/10.0.1.1 port:r1-web router:r1" },
	{ "a router port's address", T "ports: [{name: r1-web, router: r1, mac: 02:00:00:00:01:01, addresses: [10.0.1.2/24]}]\n", NULL, NULL,
	  "dst:r1/10.0.1.1 dst:r1/10.0.1.2 neigh:r1-web/10.0.1.1 neigh:r1-web/10.0.1.2 neigh:web/10.0.1.1 neigh:web/10.0.1.2 port:r1-web router:r1" },
	{ "a router port's subnet", T "ports: [{name: r1-web, router: r1, mac: 02:00:00:00:01:01, addresses: [10.0.1.1/25]}]\n", NULL, NULL,
	  "dst:r1/10.0.1.0/24 dst:r1/10.0.1.0/25 port:r1-web router:r1" },
	{ "a link is cut", T "ports: [{name: web-r1, bridge: web, peer: null}]\n", NULL, NULL,
	  "dst:r1/10.0.1.0/24 flood:web mac:web/02:00:00:00:01:01 neigh:web/10.0.1.1 port:r1-web port:web-r1" },
	{ "a new route", T "routes: [{name: x, router: r1, dst: 10.7.0.0/16, type: reject}]\n", NULL, NULL, "dst:r1/10.7.0.0/16" },
	{ "a route goes", NULL, T "routes: [{name: hole}]\n", NULL, "dst:r1/10.66.0.0/16" },
	{ "a route's type", T "routes: [{name: hole, router: r1, dst: 10.66.0.0/16, type: reject}]\n", NULL, NULL, "dst:r1/10.66.0.0/16" },
	{ "a route's prefix", T "routes: [{name: hole, router: r1, dst: 10.67.0.0/16, type: blackhole}]\n", NULL, NULL, "dst:r1/10.66.0.0/16 dst:r1/10.67.0.0/16" },
	{ "a route's weight", T "routes: [{name: hole, router: r1, dst: 10.66.0.0/16, type: blackhole, weight: 5}]\n", NULL, NULL, "dst:r1/10.66.0.0/16 dst:r1/10.66.0.0/16" },
	{ "a route's gateway", T "routes: [{name: def, router: r1, dst: 0.0.0.0/0, port: up, gateway: 198.51.100.9}]\n", NULL, NULL, "dst:r1/0.0.0.0/0" },
	{ "one bridge comes, another goes", T "bridges: [{name: x}]\n", T "bridges: [{name: db}]\n", NULL, "bridge:db bridge:x" },
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

static void join(struct seen *seen, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	qsort(seen->text, seen->n, sizeof(seen->text[0]), by_text);
	for (size_t i = 0; i < seen->n; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? " " : "", seen->text[i]);
}

static json_t *without(json_t *records, const char *yaml)
{
	struct err err = { 0 };
	json_t *doc = doc_of(yaml, &err), *changes = topo_doc_delete(records, doc, &err), *merged;

	if (!changes)
		fail_msg("%s", err.text);
	merged = topo_records_merge(records, changes);
	json_decref(changes);
	json_decref(doc);
	json_decref(records);
	return merged;
}

static void test_row(void **state)
{
	const struct row *row = *state;
	json_t *r = applied(NULL, base);
	struct topo_snapshot *old = built(r), *new_;
	struct seen there = { 0 }, back = { 0 };
	char got[2048];

	if (row->apply)
		r = applied(r, row->apply);
	if (row->delete_)
		r = without(r, row->delete_);
	if (row->live)
		put_live(r, row->live, "h1", 5, 6);
	new_ = built(r);
	topo_diff(old, new_, on_tag, &there);
	join(&there, got, sizeof(got));
	if (strcmp(got, row->want) != 0)
		fail_msg("got  %s\nwant %s", got, row->want);
	topo_diff(new_, old, on_tag, &back); /* a change undone touches the same, but for who listens on a link that is gone */
	join(&back, got, sizeof(got));
	if (!strstr(row->name, "link") && strcmp(got, row->want) != 0)
		fail_msg("back: got  %s\nwant %s", got, row->want);
	topo_unref(old);
	topo_unref(new_);
	json_decref(r);
}

static void test_from_nothing(void **state)
{
	json_t *r = applied(NULL, T "bridges: [{name: b}]\nrouters: [{name: r}]\nchains: [{name: c}]\nports: [{name: p, router: r, addresses: [10.0.0.1/32]}]\n");
	struct topo_snapshot *s = built(r);
	struct seen in = { 0 }, out = { 0 };
	char got[512];

	topo_diff(NULL, s, on_tag, &in);
	join(&in, got, sizeof(got));
	assert_string_equal(got, "bridge:b chain:c dst:r/10.0.0.1 port:p router:r");
	topo_diff(s, NULL, on_tag, &out);
	join(&out, got, sizeof(got));
	assert_string_equal(got, "bridge:b chain:c dst:r/10.0.0.1 port:p router:r");
	topo_diff(NULL, NULL, on_tag, &out);
	topo_unref(s);
	json_decref(r);
}

/* Made anew under the same name: nothing of it may be taken for the old one. */
static void test_reborn(void **state)
{
	static const char doc[] = T "bridges: [{name: b}]\nports: [{name: p, bridge: b}]\n";
	json_t *a = applied(NULL, doc), *b = json_deep_copy(a);
	struct topo_snapshot *x, *y;
	struct seen seen = { 0 };
	char got[512];

	json_object_set_new(json_object_get(b, "port/p"), "id", json_string("018bcfe5-6800-7000-8000-0000000000ff"));
	x = built(a);
	y = built(b);
	topo_diff(x, y, on_tag, &seen);
	join(&seen, got, sizeof(got));
	assert_string_equal(got, "flood:b port:p");
	topo_unref(x);
	topo_unref(y);
	json_decref(a);
	json_decref(b);
}

/* --- tags --- */

static struct topo_tag dst(const char *name, const char *prefix)
{
	struct topo_tag t = { .kind = TOPO_TAG_DST, .name = name };
	unsigned int len;

	assert_true(prefix_parse(prefix, &t.ip, &len));
	t.len = (uint8_t)len;
	return t;
}

static void test_tag_equality(void **state)
{
	char other_b1[] = "b1";
	struct topo_tag mac = { .kind = TOPO_TAG_MAC, .name = "b1", .mac = { { 2, 0, 0, 0, 0, 1 } } }, same = mac;
	struct topo_tag net = dst("r1", "10.0.0.0/8"), shorter = dst("r1", "10.0.0.0/7");
	struct topo_tag port = { .kind = TOPO_TAG_PORT, .name = "b1", .len = 3 };
	struct topo_tag bridge = { .kind = TOPO_TAG_BRIDGE, .name = "b1" }, port2 = { .kind = TOPO_TAG_PORT, .name = "b1" };

	same.name = other_b1; /* by text, not by pointer */
	same.len = 9;	      /* not a member that counts */
	assert_true(topo_tag_eq(&mac, &same));
	assert_int_equal(topo_tag_hash(&mac), topo_tag_hash(&same));
	same.mac.b[5] = 2;
	assert_false(topo_tag_eq(&mac, &same));
	assert_int_not_equal(topo_tag_hash(&mac), topo_tag_hash(&same));
	assert_false(topo_tag_eq(&net, &shorter));
	assert_int_not_equal(topo_tag_hash(&net), topo_tag_hash(&shorter));
	assert_true(topo_tag_eq(&port, &port2));
	assert_int_equal(topo_tag_hash(&port), topo_tag_hash(&port2));
	assert_false(topo_tag_eq(&port, &bridge));
	assert_int_not_equal(topo_tag_hash(&port2), topo_tag_hash(&bridge));
}

static void test_tag_text(void **state)
{
	struct topo_tag t = { .kind = TOPO_TAG_MAC, .name = "b1", .mac = { { 2, 0, 0, 0, 0, 1 } } };
	char text[96];

	assert_string_equal(topo_tag_format(&t, text, sizeof(text)), "mac:b1/02:00:00:00:00:01");
	t = dst("r1", "10.0.2.0/24");
	assert_string_equal(topo_tag_format(&t, text, sizeof(text)), "dst:r1/10.0.2.0/24");
	t = dst("r1", "10.0.2.0/32");
	assert_string_equal(topo_tag_format(&t, text, sizeof(text)), "dst:r1/10.0.2.0");
	t.kind = TOPO_TAG_NEIGH;
	assert_string_equal(topo_tag_format(&t, text, sizeof(text)), "neigh:r1/10.0.2.0");
	t.kind = TOPO_TAG_FLOOD;
	assert_string_equal(topo_tag_format(&t, text, sizeof(text)), "flood:r1");
	assert_string_equal(topo_tag_format(&t, text, 4), "flo");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_nothing),
		cmocka_unit_test(test_reborn),
		cmocka_unit_test(test_tag_equality),
		cmocka_unit_test(test_tag_text),
	};
	int failed = RUN_ROWS(rows, test_row);

	return failed + cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
