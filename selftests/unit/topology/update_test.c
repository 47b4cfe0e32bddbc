// SPDX-License-Identifier: Apache-2.0
/*
 * A snapshot changed in place is the one that a build makes of the same records, and the tags are those of the difference; what is refused changes
 * nothing.  Random networks, random changes of one to several records, good ones and bad ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/random_private.h"
#include "selftests/unit/topology/update_dump.h"
#include "topology/change.h"

#define SEEDS 8
#define STEPS 400
#define TAGS  4096

struct world {
	struct random_topo t; /* its records are where the changes begin */
	json_t *records;      /* what 'snap' was made of */
	struct topo_snapshot *snap;
	unsigned int uuids;
	bool hard; /* the change is one that need not be done in place */
	unsigned int in_place, built, refused;
};

static uint32_t below(struct world *w, uint32_t n)
{
	return random_below(&w->t, n);
}

#define PICK(w, list) (list)[below(w, sizeof(list) / sizeof((list)[0]))]

static json_t *get(void *arg, const char *path)
{
	return json_incref(json_object_get(arg, path));
}

/* --- tags --- */

struct tags {
	char *v[TAGS];
	size_t n;
};

static void on_tag(void *arg, const struct topo_tag *tag)
{
	struct tags *tags = arg;
	char text[256];

	topo_tag_format(tag, text, sizeof(text));
	for (size_t i = 0; i < tags->n; i++)
		if (!strcmp(tags->v[i], text))
			return;
	assert_true(tags->n < TAGS);
	tags->v[tags->n++] = strdup(text);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *text_of(struct tags *tags)
{
	size_t size = 1;
	char *text;

	qsort(tags->v, tags->n, sizeof(tags->v[0]), by_text);
	for (size_t i = 0; i < tags->n; i++)
		size += strlen(tags->v[i]) + 1;
	text = calloc(1, size);
	assert_non_null(text);
	for (size_t i = 0; i < tags->n; i++) {
		memcpy(text + strlen(text), tags->v[i], strlen(tags->v[i]));
		memcpy(text + strlen(text), "\n", 1);
		free(tags->v[i]);
	}
	return text;
}

/* --- random records --- */

static const char *const machines[] = { "vm0", "vm1", "vm2", "vm3", "vm4", "vm5", "a10", "a20", "t1", "t2", "x0",
					"x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",	 "x8",	"x9" };
static const char *const others[] = { "b0-r0", "r0-b0", "v-r0", "r0-v", "r0-r1", "r1-r0", "up1", "up2" };

static void set(json_t *rec, const char *key, json_t *value)
{
	assert_int_equal(json_object_set_new(rec, key, value), 0);
}

/* "x": of so many the first ones, or one that is not there. */
static json_t *some(struct world *w, const json_t *records, const char *kind, const char *prefix,
		    unsigned int n)
{
	json_t *list = json_array();
	char name[16], path[64];

	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s%u", prefix, i);
		snprintf(path, sizeof(path), "%s/%s", kind, name);
		if (json_object_get(records, path) ? below(w, 2) : !below(w, 200))
			json_array_append_new(list, json_string(name));
	}
	return list;
}

static json_t *addresses(struct world *w)
{
	static const char *const ips[] = { "10.0.0.10",	 "10.0.0.11",  "10.0.0.12", "10.0.0.99", "10.0.1.14", "10.0.1.15",
					   "10.0.2.16",	 "10.0.2.17",  "fd00::10",  "fd00::11",	 "fd00:1::5", "fd00:2::9" };
	json_t *list = json_array();

	for (unsigned int i = 0; i < sizeof(ips) / sizeof(ips[0]); i++)
		if (!below(w, 6))
			json_array_append_new(list, json_string(ips[i]));
	return list;
}

static json_t *allowed(struct world *w)
{
	static const char *const prefixes[] = { "10.0.0.0/24", "10.0.0.0/25", "10.0.0.64/26", "10.0.0.10/32", "fd00::/64",
						"fd00::/16",   "10.0.1.0/24" };
	json_t *list = json_array();

	for (unsigned int i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!below(w, 4))
			json_array_append_new(list, json_pack("{s:s}", "address", prefixes[i]));
	return list;
}

/* One more field of the port's record, at random. */
static void change_field(struct world *w, const json_t *records, json_t *rec)
{
	static const char *const macs[] = { "02:00:00:00:00:00", "02:00:00:00:00:01", "02:00:00:00:00:02",
					    "02:00:00:00:00:06", "02:00:00:00:00:77", "02:00:00:00:00:78" };
	static const char *const bridges[] = { "b0", "b1", "v" };
	json_t *list;

	switch (below(w, 15)) {
	case 0:
		set(rec, "admin_up", json_boolean(below(w, 2)));
		break;
	case 1:
	case 2:
		if (below(w, 5))
			set(rec, "mac", json_string(PICK(w, macs)));
		else
			json_object_del(rec, "mac");
		break;
	case 3:
	case 4:
		set(rec, "addresses", addresses(w));
		break;
	case 5:
	case 6:
		set(rec, "security_groups", some(w, records, "security_group", "sg", 3));
		break;
	case 7:
		set(rec, "port_groups", some(w, records, "port_group", "pg", 3));
		break;
	case 8:
	case 9:
		set(rec, "allowed_addresses", allowed(w));
		break;
	case 10:
		list = some(w, records, "chain", "c", 5);
		if (json_array_size(list))
			set(rec, "in_chain", json_incref(json_array_get(list, 0)));
		else
			json_object_del(rec, "in_chain");
		json_decref(list);
		break;
	case 11:
		set(rec, "bridge", json_string(PICK(w, bridges)));
		break;
	case 12:
		if (below(w, 2))
			set(rec, "vlan", json_integer(10 * (1 + below(w, 3))));
		else
			json_object_del(rec, "vlan");
		break;
	case 13:
		if (!below(w, 3))
			json_object_del(rec, "trunk");
		else if (!below(w, 3))
			set(rec, "trunk", json_string("all"));
		else
			set(rec, "trunk", json_pack("[i, s]", 10 * (int)below(w, 3) + 10, "20-29"));
		break;
	default:
		set(rec, below(w, 2) ? "port_security" : "hairpin", json_boolean(below(w, 2)));
		if (!below(w, 4))
			set(rec, "hostname", json_string(below(w, 2) ? "one" : "another"));
		if (!below(w, 4))
			set(rec, "description", json_string(below(w, 2) ? "this" : "that"));
	}
}

static json_t *new_port(struct world *w, const char *name)
{
	char id[40];

	snprintf(id, sizeof(id), "11111111-0000-7000-8000-%012x", ++w->uuids);
	return json_pack("{s:s, s:s, s:i, s:s}", "name", name, "id", id, "rev", 1, "bridge",
			 below(w, 2) ? "b0" : "v");
}

static void change_machine(struct world *w, json_t *records, const char *name)
{
	char path[64];
	json_t *rec;

	snprintf(path, sizeof(path), "port/%s", name);
	rec = json_object_get(records, path);
	if (rec && !below(w, 5)) { /* it goes, and its binding, if nobody forgets that */
		json_object_del(records, path);
		snprintf(path, sizeof(path), "bind/%s", name);
		if (below(w, 20))
			json_object_del(records, path);
		return;
	}
	rec = rec && below(w, 20) ? json_deep_copy(rec) : new_port(w, name);
	for (unsigned int n = 1 + below(w, json_object_size(rec) > 5 ? 2 : 8); n; n--)
		change_field(w, records, rec);
	set(rec, "rev", json_integer(below(w, 1000)));
	if (!below(w, 60)) {
		set(rec, "peer", json_string(PICK(w, others)));
		w->hard = true;
	}
	if (!below(w, 60))
		set(rec, "colour", json_string("blue"));
	set(records, path, rec);
}

/* Ports of routers and links. */
static void change_other(struct world *w, json_t *records)
{
	char path[64];
	json_t *rec;

	snprintf(path, sizeof(path), "port/%s", PICK(w, others));
	rec = json_deep_copy(json_object_get(records, path));
	if (!rec)
		return;
	switch (below(w, 8)) {
	case 0:
		set(rec, "addresses", json_pack("[s]", "10.77.0.1/24"));
		w->hard = true;
		break;
	case 1:
		set(rec, "mac", json_string("02:aa:00:00:00:99"));
		w->hard = true;
		break;
	case 2:
		set(rec, "port_groups", some(w, records, "port_group", "pg", 2));
		break;
	default:
		set(rec, "admin_up", json_boolean(below(w, 2)));
	}
	if (!below(w, 40)) {
		json_object_del(records, path);
		json_decref(rec);
		w->hard = true;
	} else {
		set(records, path, rec);
	}
}

static void change_place(struct world *w, json_t *records, const char *name)
{
	const bool live = below(w, 2);
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", live ? "live" : "bind", name);
	if (!below(w, 4))
		json_object_del(records, path);
	else if (live)
		set(records, path,
		    json_pack("{s:s, s:i, s:i}", "host", below(w, 2) ? "h1" : below(w, 9) ? "h2" : "not a name",
			      "key", 0x100 + (int)below(w, 3), "flood", 0x500 + (int)below(w, 2)));
	else
		set(records, path,
		    json_pack("{s:s, s:s, s:s, s:s, s:i}", "name", name, "id",
			      "22222222-0000-7000-8000-000000000001", "host", below(w, 2) ? "h1" : "h2",
			      "interface", below(w, 2) ? "tap0" : "tap1", "rev", (int)below(w, 9)));
}

static void change_route(struct world *w, json_t *records)
{
	static const char *const names[] = { "d0", "d6", "e0", "e6", "x0", "y0", "y1", "y2" };
	static const char *const dsts[] = { "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.0.1/32", "0.0.0.0/0", "198.51.100.0/24" };
	static const char *const gateways[] = { "10.9.0.1", "198.51.100.1" };
	static const struct {
		const char *router, *port;
	} ways[] = { { "r0", "r0-b0" }, { "r0", "r0-r1" }, { "r1", "up1" }, { "r1", "up2" }, { "r1", "r1-r0" }, { "r1", "r1-r0" } };
	const char *name = PICK(w, names);
	const unsigned int way = below(w, 6);
	char path[64], id[40];
	json_t *rec;

	snprintf(path, sizeof(path), "route/%s", name);
	snprintf(id, sizeof(id), "33333333-0000-7000-8000-%012x", ++w->uuids);
	if (!below(w, 4)) {
		json_object_del(records, path);
		return;
	}
	rec = json_object_get(records, path);
	rec = rec ? json_deep_copy(rec) :
		    json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", name, "id", id, "router", ways[way].router, "port",
			      below(w, 30) ? ways[way].port : "up2", "dst", PICK(w, dsts));
	set(rec, "rev", json_integer(below(w, 100)));
	if (below(w, 2) && !strchr(json_string_value(json_object_get(rec, "dst")), ':'))
		set(rec, "dst", json_string(PICK(w, dsts)));
	if (below(w, 2))
		set(rec, "weight", json_integer(1 + below(w, 3)));
	if (!below(w, 3) && !strchr(json_string_value(json_object_get(rec, "dst")), ':'))
		set(rec, "gateway", json_string(PICK(w, gateways)));
	set(records, path, rec);
}

static void change_fip(struct world *w, json_t *records)
{
	static const char *const names[] = { "f0", "f1", "f2", "g0", "g1", "g2", "g3" };
	static const char *const ips[] = { "198.51.100.9", "198.51.100.10", "198.51.100.2", "203.0.113.10", "198.51.100.80",
					   "198.51.100.20" };
	static const char *const fixed[] = { "10.0.0.10", "10.0.0.11", "10.0.1.14" };
	const char *name = PICK(w, names);
	char path[64], id[40];
	json_t *rec;

	snprintf(path, sizeof(path), "floating_ip/%s", name);
	snprintf(id, sizeof(id), "44444444-0000-7000-8000-%012x", ++w->uuids);
	rec = json_object_get(records, path);
	if (rec && !below(w, 3)) {
		json_object_del(records, path);
		return;
	}
	rec = rec && below(w, 8) ? json_deep_copy(rec) :
				   json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", name, "id", id, "router",
					     below(w, 2) ? "r0" : "r1", "address", PICK(w, ips), "fixed",
					     PICK(w, fixed));
	set(rec, "rev", json_integer(below(w, 100)));
	if (below(w, 2))
		set(rec, "address", json_string(PICK(w, ips)));
	if (!below(w, 3)) {
		json_object_del(rec, "fixed");
		set(rec, "port", json_string(PICK(w, machines)));
	} else if (!below(w, 3)) {
		json_object_del(rec, "port");
		set(rec, "fixed", json_string(PICK(w, fixed)));
	}
	if (!below(w, 5))
		set(rec, "uplink", json_string(below(w, 2) ? "up1" : "up2"));
	else if (!below(w, 3))
		json_object_del(rec, "uplink");
	set(records, path, rec);
}

static void change_one(struct world *w, json_t *records)
{
	char path[64];

	switch (below(w, 14)) {
	case 12:
	case 13:
		change_fip(w, records);
		break;
	case 10:
	case 11:
		change_route(w, records);
		break;
	case 0:
		snprintf(path, sizeof(path), "health/m%u", below(w, 5));
		if (below(w, 3))
			set(records, path, json_pack("{s:b}", "up", (int)below(w, 2)));
		else
			json_object_del(records, path);
		break;
	case 1:
		change_other(w, records);
		break;
	case 2:
	case 3:
		change_place(w, records, below(w, 4) ? PICK(w, machines) : PICK(w, others));
		break;
	default:
		change_machine(w, records, PICK(w, machines));
	}
}

/* --- one step --- */

/* Does a record that is not a port's name it? */
static bool named(const json_t *records, const char *port)
{
	const char *path;
	json_t *rec;
	char want[80];
	bool found = false;

	snprintf(want, sizeof(want), "\"%s\"", port);
	json_object_foreach((json_t *)records, path, rec)
	{
		char *text;

		if (!strncmp(path, "port/", 5) || !strncmp(path, "bind/", 5) || !strncmp(path, "live/", 5))
			continue;
		text = json_dumps(rec, JSON_ENCODE_ANY);
		found = found || strstr(text, want);
		free(text);
	}
	return found;
}

static uint32_t changed_paths(struct world *w, const json_t *now, const char **paths, uint32_t max)
{
	const char *path;
	uint32_t n = 0;
	json_t *rec;

	json_object_foreach(w->records, path, rec) if (!json_equal(rec, json_object_get(now, path)))
	{
		assert_true(n < max);
		paths[n++] = path;
		/* floating IPs and others look at it */
		if (!strncmp(path, "port/", 5) && (named(w->records, path + 5) || named(now, path + 5)))
			w->hard = true;
	}
	json_object_foreach((json_t *)now, path, rec) if (!json_object_get(w->records, path))
	{
		assert_true(n < max);
		paths[n++] = path;
		/* the one named has to be there already */
		if (!strncmp(path, "port/", 5) && named(now, path + 5))
			w->hard = true;
	}
	return n;
}

static void take(struct world *w, json_t *now, struct topo_snapshot *snap)
{
	json_decref(w->records);
	w->records = now;
	if (snap == w->snap)
		return;
	topo_unref(w->snap);
	w->snap = snap;
}

static void same_text(char *a, char *b)
{
	if (strcmp(a, b) != 0)
		fprintf(stderr, "in place:\n%s\nbuilt:\n%s\n", a, b);
	assert_string_equal(a, b);
	free(a);
	free(b);
}

static void step(struct world *w, json_t *now, uint64_t rev)
{
	const char *paths[512];
	const uint32_t n = changed_paths(w, now, paths, 512);
	const struct topo_source source = { .get = get, .arg = now };
	struct err err = { 0 };
	struct topo_snapshot *want = topo_build("t", rev, now, &err), *old;
	struct tags tags = { 0 }, want_tags = { 0 };
	char *before = dump(w->snap);
	int rc;

	old = topo_build("t", w->snap->rev, w->records, &err);
	assert_non_null(old);
	rc = topo_update(w->snap, rev, paths, n, &source, on_tag, &tags);
	if (rc) {
		assert_int_equal(rc, -EOPNOTSUPP);
		assert_int_equal(tags.n, 0);
		same_text(dump(w->snap), before);
		w->refused += !want;
		w->built += !!want;
		assert_true(!want || w->hard);
		if (want)
			take(w, json_incref(now), want);
	} else {
		assert_non_null(want);
		free(before);
		topo_diff(old, want, on_tag, &want_tags);
		same_text(text_of(&tags), text_of(&want_tags));
		same_text(dump(w->snap), dump(want));
		w->in_place++;
		take(w, json_incref(now), w->snap);
		topo_unref(want);
	}
	topo_unref(old);
	json_decref(now);
}

static void life(uint64_t seed, unsigned int *in_place, unsigned int *built, unsigned int *refused)
{
	struct world w = { 0 };
	struct err err = { 0 };

	random_topo_init(&w.t, seed);
	w.records = json_incref(w.t.records);
	w.snap = topo_build("t", 1, w.records, &err);
	assert_non_null(w.snap);
	for (unsigned int i = 0; i < STEPS; i++) {
		json_t *now = json_copy(w.records);

		w.hard = false;
		for (unsigned int n = below(&w, 10) ? 1 + below(&w, 3) : 1 + below(&w, 40); n; n--)
			change_one(&w, now);
		step(&w, now, i + 2);
	}
	*in_place += w.in_place;
	*built += w.built;
	*refused += w.refused;
	topo_unref(w.snap);
	json_decref(w.records);
	random_topo_fini(&w.t);
}

static void test_random(void **state)
{
	unsigned int in_place = 0, built = 0, refused = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		life(seed, &in_place, &built, &refused);
	printf("# %u changes in place, %u by building anew, %u refused\n", in_place, built, refused);
	assert_true(in_place > SEEDS * STEPS / 3);
	assert_true(built && refused);
}

/* A router that begins, and ends, to have NAT, at an address that is its own already. */
static void test_first_nat(void **state)
{
	static const char *const path = "floating_ip/f";
	json_t *records = json_pack("{s:{s:s, s:s}, s:{s:s, s:s, s:s, s:[s]}}", "router/r", "name", "r", "id",
				    "11111111-0000-7000-8000-000000000001", "port/p", "name", "p", "id",
				    "11111111-0000-7000-8000-000000000002", "router", "r", "addresses",
				    "192.0.2.1/24");
	const struct topo_source source = { .get = get, .arg = records };
	struct err err = { 0 };
	struct topo_snapshot *snap = topo_build("t", 1, records, &err);

	(void)state;
	assert_non_null(snap);
	for (int i = 0; i < 2; i++) {
		struct tags tags = { 0 };
		char *text;

		if (i)
			json_object_del(records, path);
		else
			set(records, path,
			    json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", "f", "id",
				      "11111111-0000-7000-8000-000000000003", "router", "r", "address",
				      "192.0.2.1", "fixed", "10.0.0.1"));
		assert_int_equal(topo_update(snap, 2, &path, 1, &source, on_tag, &tags), 0);
		text = text_of(&tags);
		assert_string_equal(text, "fip:r/10.0.0.1\nfip:r/192.0.2.1\nrouter:r\n");
		free(text);
	}
	topo_unref(snap);
	json_decref(records);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_first_nat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
