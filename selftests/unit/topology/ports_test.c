// SPDX-License-Identifier: Apache-2.0
/* Sorted lists of ports against a plain array, grown and shrunk over many pieces; ports that come and go leave no memory behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"
#include "topology/change.h"
#include "topology/snapshot.h"
#include "util/pool.h"

#define N 3000

struct model {
	struct topo_port *port;
	uint8_t key[8];
};

static uint64_t seed = 88172645463325252ULL;
static struct topo_port ports[N];
static char names[N][12];

static int order(const struct model *x, const struct model *y, uint32_t size)
{
	int c = memcmp(x->key, y->key, size);

	return c ? c : strcmp(x->port->o.name, y->port->o.name);
}

static void check(const struct topo_ports *l, const struct model *m, uint32_t n)
{
	struct topo_ports_at at;
	uint32_t i = 0;

	for (struct topo_port *p = topo_ports_first(l, &at); p; p = topo_ports_next(&at), i++) {
		assert_true(i < n && p == m[i].port);
		assert_memory_equal(topo_ports_key(&at), m[i].key, l->key_size);
	}
	assert_int_equal(i, n);
	assert_int_equal(l->n, n);
}

/* The first of the model whose key begins so. */
static void ask(const struct topo_ports *l, const struct model *m, uint32_t n, const uint8_t *key,
		uint32_t len)
{
	struct topo_ports_at at;
	struct topo_port *p = topo_ports_find(l, key, len, &at), *from;
	uint32_t i = 0;

	while (i < n && memcmp(m[i].key, key, len) < 0)
		i++;
	from = topo_ports_from(l, key, len, &at);
	assert_ptr_equal(from, i < n ? m[i].port : NULL);
	assert_ptr_equal(p, i < n && !memcmp(m[i].key, key, len) ? m[i].port : NULL);
}

static void insert(struct topo_ports *l, struct model *m, uint32_t *n, const struct model *x)
{
	uint32_t i = *n;

	assert_int_equal(topo_ports_put(l, x->port, x->key), 0);
	while (i && order(&m[i - 1], x, l->key_size) > 0)
		i--;
	memmove(m + i + 1, m + i, (*n - i) * sizeof(*m));
	m[i] = *x;
	(*n)++;
}

static void one_list(uint32_t key_size, uint32_t keys, bool in_order)
{
	static struct model m[2 * N];
	struct topo_ports l;
	struct pool pool;
	uint32_t n = 0;

	pool_init(&pool);
	topo_ports_init(&l, &pool, key_size);
	for (unsigned int round = 0; round < 3; round++) {
		for (uint32_t i = 0; n < N; i++) {
			struct model x = { .port = &ports[in_order ? i % N : simtest_below(&seed, N)] };

			if (key_size)
				x.key[simtest_below(&seed, key_size)] = (uint8_t)simtest_below(&seed, keys);
			insert(&l, m, &n, &x);
			if (i % 500 == 0)
				check(&l, m, n);
		}
		check(&l, m, n);
		for (unsigned int i = 0; key_size && i < 300; i++) {
			uint8_t key[8] = { 0 };

			key[simtest_below(&seed, key_size)] = (uint8_t)simtest_below(&seed, keys + 1);
			ask(&l, m, n, key, key_size);
			ask(&l, m, n, key, 1 + simtest_below(&seed, key_size));
		}
		while (n > (round == 2 ? 0 : round ? 3 : N / 2)) {
			uint32_t i = simtest_below(&seed, n);

			topo_ports_del(&l, m[i].port, m[i].key);
			memmove(m + i, m + i + 1, (n - i - 1) * sizeof(*m));
			n--;
			if (n % 500 == 0)
				check(&l, m, n);
		}
		check(&l, m, n);
	}
	topo_ports_del(&l, &ports[0], "12345678"); /* not there: nothing happens */
	check(&l, m, 0);
	topo_ports_fini(&l);
	assert_int_equal(pool.used, 0);
	pool_fini(&pool);
}

static void test_list(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "p%04u", i);
		ports[i].o.name = names[i];
	}
	one_list(0, 0, false);
	one_list(0, 0, true);
	one_list(8, 200, false);
	one_list(8, 2, true);
}

/* --- memory --- */

static json_t *get(void *arg, const char *path)
{
	return json_incref(json_object_get(arg, path));
}

static void ignore(void *arg, const struct topo_tag *tag)
{
	(void)arg;
	(void)tag;
}

static void update(struct topo_snapshot *s, json_t *records, const char *path, json_t *rec)
{
	const struct topo_source source = { .get = get, .arg = records };

	if (rec)
		json_object_set_new(records, path, rec);
	else
		json_object_del(records, path);
	assert_int_equal(topo_update(s, s->rev + 1, &path, 1, &source, ignore, NULL), 0);
}

#define ID "11111111-0000-7000-8000-00000000000"

static json_t *port(unsigned int i)
{
	char mac[20];

	snprintf(mac, sizeof(mac), "02:00:00:00:00:%02x", i % 7);
	return json_pack("{s:s, s:s, s:s, s:s, s:[s, s], s:[s], s:[s], s:[{s:s}], s:s, s:[i], s:b}", "name", "x",
			 "id", ID "9", "bridge", "b", "mac", mac, "addresses", "10.0.0.1",
			 i % 2 ? "fd00::1" : "fd00::2", "security_groups", "g", "port_groups", "p",
			 "allowed_addresses", "address", i % 3 ? "10.0.0.0/24" : "10.0.0.0/25", "hostname",
			 i % 5 ? "short" : "a-much-longer-name", "trunk", (int)(i % 4) + 1, "admin_up",
			 (int)(i & 1));
}

static void test_no_leak(void **state)
{
	json_t *records = json_pack("{s:{s:s, s:s, s:b}, s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}, s:{s:s, s:s}}",
				    "bridge/b", "name", "b", "id", ID "1", "vlan_aware", 1, "security_group/g",
				    "name", "g", "id", ID "2", "port_group/p", "name", "p", "id", ID "3",
				    "pool/l", "name", "l", "id", ID "4", "member/m", "name", "m", "id", ID "5",
				    "pool", "l", "address", "10.0.0.1", "router/r", "name", "r", "id", ID "0");
	struct err err = { 0 };
	struct topo_snapshot *s = topo_build("t", 1, records, &err);
	size_t used = 0;

	(void)state;
	assert_non_null(s);
	for (unsigned int i = 0; i < 1000; i++) {
		update(s, records, "port/x", port(i));
		update(s, records, "live/x", json_pack("{s:s, s:i}", "host", i % 2 ? "h1" : "another", "key", 7));
		update(s, records, "bind/x", json_pack("{s:s, s:s, s:s, s:s}", "name", "x", "id", ID "8", "host",
						       i % 3 ? "h1" : "third", "interface", "tap0"));
		update(s, records, "port/x", port(i + 1));
		update(s, records, "health/m", json_pack("{s:b}", "up", (int)(i & 1)));
		update(s, records, "floating_ip/f", json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", "f", "id", ID "7", "router",
							      "r", "address", i % 2 ? "192.0.2.1" : "192.0.2.2",
							      "port", "x"));
		update(s, records, "floating_ip/f", NULL);
		update(s, records, "route/a", json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", "a", "id", ID "7", "router", "r",
							"dst", i % 2 ? "192.0.2.1/32" : "192.0.2.0/24", "type", "blackhole"));
		update(s, records, "route/a", json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", "a", "id", ID "6", "router", "r",
							"dst", i % 3 ? "192.0.2.1/32" : "192.0.2.0/24", "type", "reject"));
		update(s, records, "route/a", NULL);
		json_object_del(records, "bind/x");
		update(s, records, "port/x", NULL);
		update(s, records, "live/x", NULL);
		update(s, records, "health/m", NULL);
		used = i == 20 ? s->memory->pool.used : used;
	}
	assert_int_equal(s->memory->pool.used, used);
	assert_int_equal(s->memory->texts.n, 0);
	assert_int_equal(s->memory->mores.n, 0);
	/* somebody else looks at it */
	topo_ref(s);
	assert_int_equal(topo_update(s, 9, (const char *[]){ "live/x" }, 1,
				     &(struct topo_source){ .get = get, .arg = records }, ignore, NULL),
			 -EOPNOTSUPP);
	topo_unref(s);
	topo_unref(s);
	json_decref(records);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_no_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
