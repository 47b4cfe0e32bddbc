// SPDX-License-Identifier: Apache-2.0
/* The index of flows: exactly the flows that carry a tag go, prefixes find addresses below them,
 * bounds hold: loader/index.c, dst_tree.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>

#include "loader/dst_tree.h"
#include "loader/index.h"
#include "util/hash.h"

static unsigned int n_removed;
static uint16_t last_removed;
static const char scope_a[] = "a", scope_b[] = "b";

static void removed(void *arg, struct index_flow *f)
{
	n_removed++;
	last_removed = ntohs(f->key.k4.sport);
}

static struct skep_ip ip(const char *text)
{
	struct skep_ip i;

	if (!ip_parse(text, &i))
		fail_msg("'%s' is no address", text);
	return i;
}

static struct dp_flow_key key(uint16_t n)
{
	return (struct dp_flow_key){ .k4 = { .in_key = 0x100, .sport = htons(n) } };
}

static struct topo_tag port_tag(const char *name)
{
	return (struct topo_tag){ .kind = TOPO_TAG_PORT, .name = name };
}

static struct topo_tag dst_tag(const char *router, const char *addr)
{
	return (struct topo_tag){ .kind = TOPO_TAG_DST,
				  .name = router,
				  .ip = ip(addr),
				  .len = strchr(addr, ':') ? 128 : 32 };
}

static struct topo_tag prefix_tag(const char *router, const char *addr, uint8_t len)
{
	return (struct topo_tag){
		.kind = TOPO_TAG_DST, .name = router, .ip = ip(addr), .len = len
	};
}

static struct index_flow *add(struct index *x, const void *scope, uint16_t n,
			      const struct topo_tag *tags, uint32_t n_tags)
{
	struct skep_flow v = { .action = SKEP_ACT_LOCAL, .out = n };
	struct dp_flow_key k = key(n);

	return index_add(x, &k, &v, scope, tags, n_tags, NULL, 0);
}

static bool has(struct index *x, uint16_t n)
{
	struct dp_flow_key k = key(n);

	return index_find(x, &k);
}

static int setup(void **state)
{
	n_removed = 0;
	*state = index_new(1000, 42, removed, NULL);
	return !*state;
}

static int teardown(void **state)
{
	index_free(*state);
	return 0;
}

static void exactly_the_tagged(void **state)
{
	struct index *x = *state;
	struct topo_tag ab[] = { port_tag("a"), port_tag("b") }, b = port_tag("b"),
			a = port_tag("a"), c = port_tag("c");

	assert_non_null(add(x, scope_a, 1, ab, 2));
	assert_non_null(add(x, scope_a, 2, &b, 1));
	assert_non_null(add(x, scope_b, 3, &b, 1));
	assert_int_equal(index_invalidate(x, scope_a, &c), 0);
	assert_int_equal(index_invalidate(x, scope_a, &a), 1);
	assert_false(has(x, 1));
	assert_true(has(x, 2));
	assert_int_equal(index_invalidate(x, scope_a, &b), 1);
	assert_false(has(x, 2));
	assert_true(has(x, 3)); /* another tenant's port of the same name */
	assert_int_equal(n_removed, 2);
}

static void tags_differ_in_every_part(void **state)
{
	struct index *x = *state;
	struct topo_tag mac1 = { .kind = TOPO_TAG_MAC,
				 .name = "b1",
				 .mac = { { 2, 0, 0, 0, 0, 1 } } },
			mac2 = mac1, other = mac1;
	struct topo_tag neigh = { .kind = TOPO_TAG_NEIGH, .name = "p", .ip = ip("10.0.0.1") },
			neigh2 = neigh;

	mac2.mac.b[5] = 2;
	other.name = "b2";
	neigh2.ip = ip("10.0.0.2");
	add(x, scope_a, 1, &mac1, 1);
	add(x, scope_a, 2, &neigh, 1);
	assert_int_equal(index_invalidate(x, scope_a, &mac2), 0);
	assert_int_equal(index_invalidate(x, scope_a, &other), 0);
	assert_int_equal(index_invalidate(x, scope_a, &neigh2), 0);
	assert_true(index_uses(x, scope_a, &mac1));
	assert_false(index_uses(x, scope_b, &mac1));
	assert_int_equal(index_invalidate(x, scope_a, &mac1), 1);
	assert_int_equal(index_invalidate(x, scope_a, &neigh), 1);
	assert_false(index_uses(x, scope_a, &mac1));
}

static void hosts(void **state)
{
	struct index *x = *state;
	const char *const names[] = { "h1", "h2", "h1" };
	struct skep_flow v = { .action = SKEP_ACT_ENCAP };
	struct dp_flow_key k = key(1);
	struct topo_tag t = port_tag("h1");

	assert_non_null(index_add(x, &k, &v, scope_a, &t, 1, names, 3));
	assert_int_equal(index_invalidate_host(x, "h3"), 0);
	assert_int_equal(index_invalidate_host(x, "h2"), 1);
	assert_int_equal(index_invalidate_host(x, "h1"), 0);
	assert_int_equal(index_count(x), 0);
}

static void prefixes(void **state)
{
	static const struct {
		const char *addr;
		uint8_t len;
		unsigned int want;
	} table[] = {
		{ "10.0.2.0", 24, 1 }, { "10.0.0.0", 23, 2 },
		{ "0.0.0.0", 0, 5 },   { "10.0.1.7", 32, 1 },
		{ "10.0.1.8", 32, 0 }, { "10.0.3.0", 24, 0 },
		{ "::", 0, 2 },	       { "fd00::", 64, 1 },
		{ "fd00:1::", 64, 0 }, { "255.255.255.255", 32, 1 },
	};
	static const char *const addrs[] = { "10.0.1.7",	"10.0.0.1", "10.0.2.9", "192.0.2.1",
					     "255.255.255.255", "fd00::1",  "fe80::1" };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct topo_tag other = dst_tag("r2", "10.0.1.7"),
				net = prefix_tag("r1", table[i].addr, table[i].len);
		struct index *x = *state;
		unsigned int got;

		for (uint16_t n = 0; n < ARRAY_SIZE(addrs); n++) {
			struct topo_tag t = dst_tag("r1", addrs[n]);

			assert_non_null(add(x, scope_a, n + 1, &t, 1));
		}
		add(x, scope_a, 100, &other, 1);
		got = index_invalidate(x, scope_a, &net);
		if (got != table[i].want)
			fail_msg("%s/%u: want %u flows, got %u", table[i].addr, table[i].len,
				 table[i].want, got);
		assert_true(has(x, 100));
		teardown(state);
		setup(state);
	}
}

/* Against a plain search, over random addresses. */
static void tree_agrees_with_search(void **state)
{
	enum { N = 500 };
	static struct dst_node nodes[N];
	struct dst_node *root = NULL;
	bool in[N] = { 0 };
	uint64_t r = 7;

	for (int step = 0; step < 20000; step++) {
		unsigned int i, len;
		struct skep_ip net, addr;
		struct dst_node *found;
		bool want = false;

		r = hash_u64(r + (uint64_t)step);
		i = r % N;
		addr = ip_from_v4(htonl(0x0a000000 | (uint32_t)hash_u64(i) % 4096 << 8 | i % 256));
		if (in[i])
			dst_remove(&root, &nodes[i]);
		else if (!dst_find(root, &addr, 32))
			dst_insert(&root, &nodes[i], &addr, hash_u64(i * 31));
		else
			continue;
		in[i] = !in[i];
		len = 8 + (r >> 32) % 25;
		net = ip_from_v4(htonl(0x0a000000 | (uint32_t)(r >> 40) % (1 << 20)));
		for (int n = 0; n < N; n++)
			want = want || (in[n] && ip_in_prefix(&nodes[n].ip, &net, len));
		found = dst_find(root, &net, len);
		if (want != (found != NULL) || (found && !ip_in_prefix(&found->ip, &net, len)))
			fail_msg("step %d: want %d, found %p", step, want, (void *)found);
	}
}

static void same_key_replaces(void **state)
{
	struct index *x = *state;
	struct topo_tag a = port_tag("a"), b = port_tag("b");
	struct index_flow *f;

	add(x, scope_a, 1, &a, 1);
	f = add(x, scope_a, 1, &b, 1);
	assert_int_equal(n_removed, 1);
	assert_int_equal(index_count(x), 1);
	assert_int_equal(index_invalidate(x, scope_a, &a), 0);
	assert_ptr_equal(index_find_cookie(x, f->verdict.cookie), f);
	assert_int_equal(index_invalidate(x, scope_a, &b), 1);
}

static void the_oldest_makes_room(void **state)
{
	struct index *x = index_new(3, 1, removed, NULL);
	struct topo_tag t = port_tag("a");

	for (uint16_t n = 1; n <= 4; n++)
		assert_non_null(add(x, scope_a, n, &t, 1));
	assert_int_equal(index_count(x), 3);
	assert_int_equal(n_removed, 1);
	assert_int_equal(last_removed, 1);
	assert_false(has(x, 1));
	assert_int_equal(index_invalidate(x, scope_a, &t), 3);
	index_free(x);
}

/* A port that floods makes room itself, and for others. */
static void each_port_has_its_part(void **state)
{
	struct index *x = index_new(8, 1, removed, NULL);
	const struct skep_flow v = { .action = SKEP_ACT_DROP };
	struct dp_flow_key k, first = { .k4 = { .in_key = 0x900, .sport = 1 } };

	assert_non_null(index_add(x, &first, &v, scope_a, NULL, 0, NULL, 0));
	for (uint16_t n = 1; n <= 100; n++) {
		k = (struct dp_flow_key){ .k4 = { .in_key = 0x901, .sport = n } };
		assert_non_null(index_add(x, &k, &v, scope_a, NULL, 0, NULL, 0));
		assert_non_null(index_find(x, &first)); /* the oldest of all, and the only one of its port */
	}
	assert_int_equal(index_count(x), 8);
	for (uint16_t n = 1; n <= 4; n++) {
		k = (struct dp_flow_key){ .k4 = { .in_key = 0x900, .sport = n } };
		assert_non_null(index_add(x, &k, &v, scope_a, NULL, 0, NULL, 0));
	}
	for (uint16_t n = 1; n <= 4; n++) { /* none of them had to go for another */
		k = (struct dp_flow_key){ .k4 = { .in_key = 0x900, .sport = n } };
		assert_non_null(index_find(x, &k));
	}
	assert_int_equal(index_count(x), 8);
	index_free(x);
}

static void cookies(void **state)
{
	struct index *x = *state;
	struct skep_flow v = { .action = SKEP_ACT_DROP, .cookie = 77 };
	struct dp_flow_key k1 = key(1), k2 = key(2);
	struct index_flow *f = index_add(x, &k1, &v, scope_a, NULL, 0, NULL, 0), *g;

	assert_int_equal(f->verdict.cookie, 77);
	assert_null(index_add(x, &k2, &v, scope_a, NULL, 0, NULL, 0)); /* taken */
	v.cookie = 0;
	g = index_add(x, &k2, &v, scope_a, NULL, 0, NULL, 0);
	assert_non_null(g);
	assert_int_not_equal(g->verdict.cookie, 0);
	assert_ptr_equal(index_find_cookie(x, 77), f);
	assert_null(index_find_cookie(x, 0));
	index_del(x, f);
	assert_null(index_find_cookie(x, 77));
}

static void too_many_tags(void **state)
{
	struct index *x = *state;
	static struct topo_tag tags[INDEX_FLOW_TAGS_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		tags[i] = port_tag("p");
	assert_null(add(x, scope_a, 1, tags, ARRAY_SIZE(tags)));
	assert_int_equal(index_count(x), 0);
	assert_non_null(add(x, scope_a, 1, tags, INDEX_FLOW_TAGS_MAX));
}

static void del_in_walk(void *arg, struct index_flow *f)
{
	index_del(arg, f);
}

static void walk_of_a_scope(void **state)
{
	struct index *x = *state;

	for (uint16_t n = 1; n <= 10; n++)
		add(x, n % 2 ? scope_a : scope_b, n, NULL, 0);
	index_walk(x, scope_a, del_in_walk, x);
	assert_int_equal(index_count(x), 5);
	assert_true(has(x, 2));
	index_walk(x, NULL, del_in_walk, x);
	assert_int_equal(index_count(x), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- looked at again --- */

struct seen {
	unsigned int calls;
	uint32_t ports; /* bit per source port */
};

static void see(void *arg, struct index_flow *f)
{
	struct seen *s = arg;

	s->calls++;
	s->ports |= 1u << ntohs(f->key.k4.sport);
}

static uint32_t tagged(struct index *x, const void *scope, struct topo_tag tag)
{
	struct seen s = { 0 };

	index_tagged(x, scope, &tag, see, &s);
	return s.ports;
}

static struct index_flow *add_flow(struct index *x, uint16_t n, const struct topo_tag *tags,
				   uint32_t count)
{
	struct dp_flow_key k = key(n);
	struct skep_flow v = { .action = SKEP_ACT_DROP };

	return index_add(x, &k, &v, scope_a, tags, count, NULL, 0);
}

static void tagged_flows_are_shown(void **state)
{
	struct index *x = index_new(100, 7, removed, NULL);
	struct topo_tag group = {
		.kind = TOPO_TAG_GROUP, .name = "g", .ip = ip("10.0.0.9"), .len = 32
	};

	(void)state;
	add_flow(x, 1, (struct topo_tag[]){ port_tag("p"), dst_tag("r", "10.0.0.1") }, 2);
	add_flow(x, 2, (struct topo_tag[]){ port_tag("p"), dst_tag("r", "10.0.1.1") }, 2);
	add_flow(x, 3, (struct topo_tag[]){ port_tag("q"), dst_tag("r", "10.0.0.1"), group }, 3);
	add_flow(x, 4, (struct topo_tag[]){ dst_tag("r", "fd00::1"), dst_tag("s", "10.0.0.1") }, 2);
	assert_int_equal(tagged(x, scope_a, port_tag("p")), 1 << 1 | 1 << 2);
	assert_int_equal(tagged(x, scope_b, port_tag("p")), 0);
	assert_int_equal(tagged(x, scope_a, prefix_tag("r", "10.0.0.0", 24)), 1 << 1 | 1 << 3);
	assert_int_equal(tagged(x, scope_a, prefix_tag("r", "10.0.0.0", 23)),
			 1 << 1 | 1 << 2 | 1 << 3);
	assert_int_equal(tagged(x, scope_a, prefix_tag("r", "0.0.0.0", 0)),
			 1 << 1 | 1 << 2 | 1 << 3);
	assert_int_equal(tagged(x, scope_a, prefix_tag("r", "::", 0)), 1 << 4);
	assert_int_equal(tagged(x, scope_a, prefix_tag("r", "10.9.0.0", 16)), 0);
	group.ip = ip("10.0.0.0");
	group.len = 8;
	assert_int_equal(tagged(x, scope_a, group), 1 << 3);
	group.name = "h";
	assert_int_equal(tagged(x, scope_a, group), 0);
	index_free(x);
}

static void a_flow_gets_other_tags(void **state)
{
	struct index *x = index_new(100, 7, removed, NULL);
	struct topo_tag a[] = { port_tag("p"), dst_tag("r", "10.0.0.1") };
	struct topo_tag b[] = { dst_tag("r", "10.0.0.1"), port_tag("q"), port_tag("q"),
				{ .kind = TOPO_TAG_CONN, .name = "p", .hash = 5 } };
	const char *hosts[] = { "h1" };
	struct index_flow *f = add_flow(x, 1, a, 2);

	(void)state;
	assert_false(f->conn);
	assert_int_equal(index_retag(x, f, a, 2, NULL, 0), 0);
	assert_int_equal(tagged(x, scope_a, port_tag("p")), 1 << 1);
	assert_int_equal(index_retag(x, f, b, 4, hosts, 1), 0);
	assert_int_equal(f->n_refs, 4);
	assert_true(f->conn);
	assert_false(index_uses(x, scope_a, &a[0]));
	assert_int_equal(tagged(x, scope_a, port_tag("q")), 1 << 1);
	assert_int_equal(tagged(x, scope_a, prefix_tag("r", "10.0.0.0", 8)), 1 << 1);
	assert_int_equal(index_retag(x, f, a, INDEX_FLOW_TAGS_MAX + 1, NULL, 0), -E2BIG);
	assert_int_equal(index_invalidate_host(x, "h1"), 1);
	assert_int_equal(index_count(x), 0);
	assert_false(index_uses(x, scope_a, &b[0]));
	index_free(x);
}

static void marked_flows_come_in_order(void **state)
{
	struct index *x = index_new(100, 7, removed, NULL);
	struct index_flow *f[5];

	(void)state;
	for (uint16_t i = 0; i < 5; i++)
		f[i] = add_flow(x, i, NULL, 0);
	index_mark(x, f[3]);
	index_mark(x, f[1]);
	index_mark(x, f[4]);
	index_mark(x, f[3]);
	index_mark(x, f[0]);
	assert_int_equal(index_marked(x), 4);
	assert_int_equal(index_marks(x), 4);
	assert_false(index_marks_done(x, 1));
	index_del(x, f[1]); /* one that goes is marked no more */
	assert_ptr_equal(index_next_marked(x), f[3]);
	assert_true(index_marks_done(x, 2));
	assert_false(index_marks_done(x, 4));
	index_mark(x, f[3]); /* again: behind the others */
	assert_ptr_equal(index_next_marked(x), f[4]);
	assert_ptr_equal(index_next_marked(x), f[0]);
	assert_true(index_marks_done(x, 4)); /* whatever was marked since */
	assert_false(index_marks_done(x, 5));
	assert_ptr_equal(index_next_marked(x), f[3]);
	assert_null(index_next_marked(x));
	assert_int_equal(index_marked(x), 0);
	index_free(x);
}


/* A flow of many packets names a prefix itself: what is said of a part of it, or of more than it, concerns it. */
static void tags_with_prefixes(void **state)
{
	struct index *x = *state;
	const struct topo_tag wide = prefix_tag("r", "198.51.100.0", 24), narrow = dst_tag("r", "198.51.100.0"),
			      all = prefix_tag("r", "0.0.0.0", 0), six = prefix_tag("r", "2001:db8::", 32),
			      inside = dst_tag("r", "198.51.100.7"), around = prefix_tag("r", "198.51.0.0", 16),
			      half = prefix_tag("r", "198.51.100.128", 25), beside = dst_tag("r", "198.51.101.1"),
			      six_inside = prefix_tag("r", "2001:db8:1::", 48);

	assert_non_null(add(x, NULL, 1, &wide, 1));
	assert_non_null(add(x, NULL, 2, &narrow, 1));
	assert_non_null(add(x, NULL, 3, &six, 1));
	assert_false(index_uses(x, NULL, &beside));
	assert_true(index_uses(x, NULL, &half));
	assert_int_equal(index_invalidate(x, NULL, &inside), 1);
	assert_false(has(x, 1));
	assert_true(has(x, 2));
	assert_non_null(add(x, NULL, 1, &wide, 1));
	assert_int_equal(index_invalidate(x, NULL, &around), 2);
	assert_non_null(add(x, NULL, 4, &all, 1));
	assert_int_equal(index_invalidate(x, NULL, &beside), 1);
	assert_int_equal(index_invalidate(x, NULL, &six_inside), 1);
	assert_int_equal(index_count(x), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tags_with_prefixes),
		T(exactly_the_tagged),
		T(tagged_flows_are_shown),
		T(a_flow_gets_other_tags),
		T(marked_flows_come_in_order),
		T(tags_differ_in_every_part),
		T(hosts),
		T(prefixes),
		T(tree_agrees_with_search),
		T(same_key_replaces),
		T(the_oldest_makes_room),
		T(each_port_has_its_part),
		T(cookies),
		T(too_many_tags),
		T(walk_of_a_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
