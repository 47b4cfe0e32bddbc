// SPDX-License-Identifier: Apache-2.0
/* Document + records -> changes: what appears, what does not, ids, references, peers, prune, delete, export. */
#include "selftests/unit/topology/fixture.h"

#define T "tenant: acme\n"

static const char base[] =
	T "bridges: [{name: web, in_chain: fw}, {name: db}]\n"
	  "routers: [{name: r1}]\n"
	  "chains: [{name: fw, rules: [{name: n, action: drop, proto: tcp, dst_ports: 23}]}]\n"
	  "ports:\n"
	  "  - {name: vm1, bridge: web, mac: 02:00:00:00:00:0A, addresses: [10.0.1.5, \"FD00:1:0::5\"]}\n"
	  "  - {name: web-r1, bridge: web, peer: r1-web}\n"
	  "  - {name: r1-web, router: r1, addresses: [10.0.1.1/24]}\n"
	  "routes: [{name: def, router: r1, dst: 10.9.0.0/16, port: r1-web, gateway: 10.0.1.9}]\n"
	  "bindings: [{port: vm1, host: h1, interface: veth1}]\n";

static const json_t *rec(const json_t *records, const char *path)
{
	return json_object_get(records, path);
}

static const char *text(const json_t *records, const char *path, const char *field)
{
	return json_string_value(json_object_get(rec(records, path), field));
}

static json_t *must(const json_t *records, const char *yaml, bool prune)
{
	struct err err = { 0 };
	json_t *changes = changes_of(records, yaml, prune, &err);

	if (!changes)
		fail_msg("%s\nrefused: %s", yaml, err.text);
	return changes;
}

/* Fails unless 'changes' has exactly these paths (NULL-terminated); "-path" = deleted. */
static void expect(const json_t *changes, const char *const *want)
{
	char *dump = json_dumps(changes, JSON_COMPACT);
	size_t n = 0;

	for (; want[n]; n++) {
		const json_t *v = json_object_get(changes, want[n] + (want[n][0] == '-'));

		if (!v || json_is_null(v) != (want[n][0] == '-'))
			fail_msg("want %s, got %s", want[n], dump);
	}
	if (json_object_size(changes) != n)
		fail_msg("want %zu changes, got %s", n, dump);
	free(dump);
}
#define EXPECT(changes, ...) expect(changes, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void test_new_objects(void **state)
{
	json_t *r = json_object(), *c = must(r, base, false);

	EXPECT(c, "bridge/web", "bridge/db", "router/r1", "chain/fw", "port/vm1", "port/web-r1", "port/r1-web",
	       "route/def", "bind/vm1");
	assert_string_equal(text(c, "port/vm1", "mac"), "02:00:00:00:00:0a");
	assert_string_equal(json_string_value(json_array_get(json_object_get(rec(c, "port/vm1"), "addresses"), 1)),
			    "fd00:1::5");
	assert_true(json_is_true(json_object_get(rec(c, "port/vm1"), "admin_up")));
	assert_true(json_is_true(json_object_get(rec(c, "port/vm1"), "port_security")));
	assert_int_equal(json_integer_value(json_object_get(rec(c, "route/def"), "weight")), 100);
	assert_string_equal(text(c, "route/def", "type"), "port");
	assert_string_equal(text(c, "bind/vm1", "name"), "vm1");
	assert_null(json_object_get(rec(c, "bind/vm1"), "port"));
	assert_true(uuid_valid(text(c, "bridge/web", "id")));
	assert_string_not_equal(text(c, "bridge/web", "id"), text(c, "bridge/db", "id"));
	assert_int_equal(json_object_size(r), 0); /* arguments are left alone */
	json_decref(c);
	json_decref(r);
}

static void test_unchanged(void **state)
{
	json_t *r = applied(NULL, base), *c;

	c = must(r, base, false);
	EXPECT(c);
	json_decref(c);
	c = must(r, base, true);
	EXPECT(c);
	json_decref(c);
	/* written differently, meaning the same */
	c = must(r, T "ports: [{name: vm1, bridge: web, mac: 02:00:00:00:00:0a, admin_up: true, in_chain: null, addresses: [10.0.1.5, \"fd00:1:0:0::5\"]}]\n"
		      "chains: [{name: fw, rules: [{name: n, action: drop, proto: tcp, dst_ports: \"23-23\"}]}]\n", false);
	EXPECT(c);
	json_decref(c);
	/* the revision that the database put does not make a difference */
	json_object_set_new(json_object_get(r, "bridge/web"), "rev", json_integer(7));
	c = must(r, base, false);
	EXPECT(c);
	json_decref(c);
	json_decref(r);
}

static void test_change_keeps_id(void **state)
{
	json_t *r = applied(NULL, base), *c;

	c = must(r, T "bridges: [{name: web, admin_up: false}]\n", false);
	EXPECT(c, "bridge/web");
	assert_string_equal(text(c, "bridge/web", "id"), text(r, "bridge/web", "id"));
	assert_true(json_is_false(json_object_get(rec(c, "bridge/web"), "admin_up")));
	assert_null(json_object_get(rec(c, "bridge/web"), "in_chain")); /* not said = default */
	json_decref(c);
	json_decref(r);
}

static void test_ids(void **state)
{
	static const char mine[] = "018bcfe5-6800-7000-8000-00000000abcd";
	json_t *r = applied(NULL, base), *c;
	struct err err = { 0 };

	c = must(r, T "bridges: [{name: x, id: 018bcfe5-6800-7000-8000-00000000abcd}]\n", false);
	assert_string_equal(text(c, "bridge/x", "id"), mine);
	json_decref(c);
	assert_null(changes_of(r, T "bridges: [{name: web, id: 018bcfe5-6800-7000-8000-00000000abcd}]\n", false, &err));
	assert_non_null(strstr(err.text, "bridge 'web': field 'id': '018bcfe5-6800-7000-8000-00000000abcd' is not the id of the present one"));
	json_decref(r);
}

static void test_references_by_id(void **state)
{
	json_t *r = applied(NULL, base), *c;
	char yaml[1024];

	snprintf(yaml, sizeof(yaml),
		 T "ports: [{name: vm2, bridge: %s, in_chain: %s}]\nbindings: [{port: %s, host: h2, interface: v}]\n"
		   "chains: [{name: x, rules: [{action: jump, jump: %s}]}]\n",
		 text(r, "bridge/db", "id"), text(r, "chain/fw", "id"), text(r, "port/vm1", "id"),
		 text(r, "chain/fw", "id"));
	c = must(r, yaml, false);
	EXPECT(c, "port/vm2", "bind/vm1", "chain/x");
	assert_string_equal(text(c, "port/vm2", "bridge"), "db");
	assert_string_equal(text(c, "port/vm2", "in_chain"), "fw");
	assert_string_equal(text(c, "bind/vm1", "host"), "h2");
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(rec(c, "chain/x"), "rules"), 0), "jump")), "fw");
	json_decref(c);
	json_decref(r);
}

static void test_reference_to_id_in_same_document(void **state)
{
	json_t *r = json_object();
	json_t *c = must(r, T "ports: [{name: p, bridge: 018bcfe5-6800-7000-8000-00000000abcd}]\n"
			      "bridges: [{name: b, id: 018bcfe5-6800-7000-8000-00000000abcd}]\n", false);

	assert_string_equal(text(c, "port/p", "bridge"), "b");
	json_decref(c);
	json_decref(r);
}

/* --- peers --- */

static void test_peer_is_filled_in(void **state)
{
	json_t *r = applied(NULL, base), *c;

	assert_string_equal(text(r, "port/r1-web", "peer"), "web-r1");
	/* also where the other end exists already, and is not in the document */
	c = must(r, T "ports: [{name: a, bridge: db}]\n", false);
	json_object_update(r, c);
	json_decref(c);
	c = must(r, T "ports: [{name: b, router: r1, peer: a}]\n", false);
	EXPECT(c, "port/b", "port/a");
	assert_string_equal(text(c, "port/a", "peer"), "b");
	assert_null(text(r, "port/a", "peer")); /* the caller's record is left alone */
	json_decref(c);
	json_decref(r);
}

static void test_peer_is_kept(void **state)
{
	json_t *r = applied(NULL, base), *c;

	/* the end that never named its peer may go on not naming it */
	c = must(r, T "ports: [{name: r1-web, router: r1, addresses: [10.0.1.1/24]}]\n", false);
	EXPECT(c);
	json_decref(c);
	c = must(r, T "ports: [{name: web-r1, bridge: web}]\n", false);
	EXPECT(c);
	json_decref(c);
	json_decref(r);
}

static void test_unlink(void **state)
{
	json_t *r = applied(NULL, base), *c;

	c = must(r, T "ports: [{name: web-r1, bridge: web, peer: null}]\n", false);
	EXPECT(c, "port/web-r1", "port/r1-web");
	assert_null(text(c, "port/web-r1", "peer"));
	assert_null(text(c, "port/r1-web", "peer"));
	json_decref(c);
	json_decref(r);
}

static void test_relink(void **state)
{
	json_t *r = applied(NULL, base), *c;

	c = must(r, T "ports: [{name: web-r1, bridge: web, peer: x}, {name: x, router: r1}]\n", false);
	EXPECT(c, "port/web-r1", "port/r1-web", "port/x");
	assert_null(text(c, "port/r1-web", "peer"));
	assert_string_equal(text(c, "port/x", "peer"), "web-r1");
	json_decref(c);
	json_decref(r);
}

/* --- prune, delete --- */

static void test_prune(void **state)
{
	json_t *r = applied(NULL, base), *c;

	put_live(r, "vm1", "h1", 5, 6);
	json_object_set_new(r, "mac/db/02:00:00:00:00:01", json_pack("{s:s}", "port", "vm9"));
	json_object_set_new(r, "mac/web/02:00:00:00:00:01", json_pack("{s:s}", "port", "vm1"));
	json_object_set_new(r, "neigh/r1-web/10.0.1.7", json_pack("{s:s}", "mac", "02:00:00:00:00:07"));
	json_object_set_new(r, "other/thing", json_object());
	c = must(r, T "bridges: [{name: web, in_chain: fw}]\nrouters: [{name: r1}]\nchains: [{name: fw, rules: [{name: n, action: drop, proto: tcp, dst_ports: 23}]}]\n"
		      "ports: [{name: web-r1, bridge: web, peer: r1-web}, {name: r1-web, router: r1, addresses: [10.0.1.1/24]}]\n", true);
	EXPECT(c, "-port/vm1", "-bridge/db", "-route/def", "-bind/vm1", "-live/vm1", "-mac/db/02:00:00:00:00:01",
	       "-mac/web/02:00:00:00:00:01");
	json_decref(c);
	c = must(r, T, true);
	EXPECT(c, "-port/vm1", "-port/web-r1", "-port/r1-web", "-bridge/db", "-bridge/web", "-router/r1",
	       "-chain/fw", "-route/def", "-bind/vm1", "-live/vm1", "-mac/db/02:00:00:00:00:01",
	       "-mac/web/02:00:00:00:00:01", "-neigh/r1-web/10.0.1.7");
	json_decref(c);
	json_decref(r);
}

static void test_prune_is_refused_as_a_whole(void **state)
{
	json_t *r = applied(NULL, base);
	struct err err = { 0 };

	assert_null(changes_of(r, T "bridges: [{name: web, in_chain: fw}]\n", true, &err));
	assert_non_null(strstr(err.text, "bridge 'web': field 'in_chain': chain 'fw' does not exist"));
	json_decref(r);
}

static json_t *deleted(const json_t *records, const char *yaml, struct err *err)
{
	json_t *doc = doc_of(yaml, err), *c;

	if (!doc)
		fail_msg("%s", err->text);
	c = topo_doc_delete(records, doc, err);
	json_decref(doc);
	return c;
}

static void test_delete_cascades(void **state)
{
	json_t *r = applied(NULL, base), *c;
	struct err err = { 0 };

	put_live(r, "vm1", "h1", 5, 6);
	put_live(r, "vm10", "h1", 7, 6);
	c = deleted(r, T "ports: [{name: vm1}]\n", &err);
	EXPECT(c, "-port/vm1", "-bind/vm1", "-live/vm1");
	json_decref(c);
	/* by id, and with a document that says more than names */
	char yaml[256];

	snprintf(yaml, sizeof(yaml), T "ports: [{name: %s}]\n", text(r, "port/vm1", "id"));
	c = deleted(r, yaml, &err);
	EXPECT(c, "-port/vm1", "-bind/vm1", "-live/vm1");
	json_decref(c);
	c = deleted(r, base, &err);
	assert_non_null(c);
	assert_int_equal(json_object_size(c), 10);
	json_decref(c);
	c = deleted(r, T "bindings: [{port: vm1}]\n", &err);
	EXPECT(c, "-bind/vm1");
	json_decref(c);
	json_decref(r);
}

static void test_delete_refused(void **state)
{
	static const struct {
		const char *yaml, *error;
	} rows[] = {
		{ T "chains: [{name: fw}]\n", "cannot delete chain 'fw': bridge 'web' refers to it in field 'in_chain'" },
		{ T "bridges: [{name: web}]\n", "cannot delete bridge 'web': port 'vm1' refers to it in field 'bridge'" },
		{ T "routers: [{name: r1}]\n", "cannot delete router 'r1': port 'r1-web' refers to it in field 'router'" },
		{ T "ports: [{name: web-r1}]\n", "cannot delete port 'web-r1': port 'r1-web' refers to it in field 'peer'" },
		{ T "ports: [{name: web-r1}, {name: r1-web}]\n", "cannot delete port 'r1-web': route 'def' refers to it in field 'port'" },
		{ T "chains: [{name: target}]\n", "cannot delete chain 'target': chain 'user' refers to it in field 'jump'" },
		{ T "ports: [{name: nope}]\n", "cannot delete port 'nope': it does not exist" },
		{ T "bindings: [{port: web-r1}]\n", "cannot delete bind 'web-r1': it does not exist" },
	};
	json_t *r = applied(applied(NULL, base), T "chains: [{name: target}, {name: user, rules: [{action: jump, jump: target}]}]\n");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = { 0 };

		assert_null(deleted(r, rows[i].yaml, &err));
		if (!strstr(err.text, rows[i].error))
			fail_msg("got:  %s\nwant: %s", err.text, rows[i].error);
	}
	json_decref(r);
}

static void test_delete_together(void **state)
{
	json_t *r = applied(NULL, base), *c;
	struct err err = { 0 };

	c = deleted(r, T "routers: [{name: r1}]\nports: [{name: r1-web}, {name: web-r1}]\nroutes: [{name: def}]\n", &err);
	EXPECT(c, "-router/r1", "-port/r1-web", "-port/web-r1", "-route/def");
	json_decref(c);
	json_decref(r);
}

/* --- export --- */

static void test_export_is_what_apply_takes(void **state)
{
	json_t *r = applied(NULL, base), *doc, *c, *fresh = json_object();
	struct err err = { 0 };
	uint64_t n = 0;
	char *dump;

	doc = topo_doc_export(r, "acme", NULL, NULL, &err);
	assert_non_null(doc);
	c = topo_doc_apply(r, doc, true, next_uuid, &n, &err);
	EXPECT(c);
	json_decref(c);
	c = topo_doc_apply(fresh, doc, true, next_uuid, &n, &err);
	assert_int_equal(json_object_size(c), json_object_size(r));
	json_decref(c);
	dump = json_dumps(doc, 0); /* and its text is a document */
	json_decref(doc);
	doc = doc_of(dump, &err);
	assert_non_null(doc);
	free(dump);
	json_decref(doc);
	json_decref(fresh);
	json_decref(r);
}

static void test_export_narrowed(void **state)
{
	json_t *r = applied(NULL, base), *doc;
	struct err err = { 0 };

	doc = topo_doc_export(r, "acme", "bridges", NULL, &err);
	assert_int_equal(json_object_size(doc), 2);
	assert_int_equal(json_array_size(json_object_get(doc, "bridges")), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(doc, "bridges"), 0), "name")), "db");
	json_decref(doc);
	doc = topo_doc_export(r, "acme", "bind", "vm1", &err);
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(doc, "bindings"), 0), "port")), "vm1");
	json_decref(doc);
	assert_null(topo_doc_export(r, "acme", "port", "nope", &err));
	assert_int_equal(err.code, -ENOENT);
	assert_non_null(strstr(err.text, "port 'nope' does not exist in tenant 'acme'"));
	assert_null(topo_doc_export(r, "acme", "prot", NULL, &err));
	assert_non_null(strstr(err.text, "'prot' is not a kind of object"));
	json_decref(r);
}

/* --- no memory: fail the n-th allocation of every one that there is --- */

static unsigned long allocs, fail_at;

static void *failing_malloc(size_t size)
{
	return ++allocs == fail_at ? NULL : malloc(size);
}

static void test_no_memory(void **state)
{
	json_t *r = applied(NULL, base), *want = must(r, T "ports: [{name: web-r1, bridge: web, peer: x}, {name: x, router: r1}]\n", false);
	json_t *doc = doc_of(T "ports: [{name: web-r1, bridge: web, peer: x}, {name: x, router: r1}]\n", &(struct err){ 0 });
	json_t *before = json_deep_copy(r), *c = NULL;
	unsigned int refused = 0;

	for (fail_at = 1; fail_at < 100000; fail_at++) {
		uint64_t n = json_object_size(r) * 1000;
		struct err err = { 0 };

		allocs = 0;
		json_set_alloc_funcs(failing_malloc, free);
		c = topo_doc_apply(r, doc, false, next_uuid, &n, &err);
		json_set_alloc_funcs(malloc, free);
		if (c && !json_equal(c, want))
			fail_msg("allocation %lu failed: wrong changes", fail_at);
		if (!c) {
			assert_true(err.code < 0 && err.text[0]);
			refused++;
		}
		assert_true(json_equal(r, before));
		json_decref(c);
		if (allocs < fail_at)
			break;
	}
	assert_true(allocs < fail_at && refused > 50);
	json_decref(before);
	json_decref(want);
	json_decref(doc);
	json_decref(r);
}

static void test_no_memory_to_parse(void **state)
{
	for (fail_at = 1; fail_at < 100000; fail_at++) {
		struct err err = { 0 };
		json_t *docs;

		allocs = 0;
		json_set_alloc_funcs(failing_malloc, free);
		docs = topo_doc_parse(base, sizeof(base) - 1, "f", &err);
		json_set_alloc_funcs(malloc, free);
		assert_true(docs || err.text[0]);
		json_decref(docs);
		if (allocs < fail_at)
			break;
	}
	assert_true(allocs < fail_at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_objects),
		cmocka_unit_test(test_unchanged),
		cmocka_unit_test(test_change_keeps_id),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_references_by_id),
		cmocka_unit_test(test_reference_to_id_in_same_document),
		cmocka_unit_test(test_peer_is_filled_in),
		cmocka_unit_test(test_peer_is_kept),
		cmocka_unit_test(test_unlink),
		cmocka_unit_test(test_relink),
		cmocka_unit_test(test_prune),
		cmocka_unit_test(test_prune_is_refused_as_a_whole),
		cmocka_unit_test(test_delete_cascades),
		cmocka_unit_test(test_delete_refused),
		cmocka_unit_test(test_delete_together),
		cmocka_unit_test(test_export_is_what_apply_takes),
		cmocka_unit_test(test_export_narrowed),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_memory_to_parse),
	};

	return cmocka_run_group_tests_name("apply", tests, NULL, NULL);
}
