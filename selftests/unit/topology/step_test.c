// SPDX-License-Identifier: Apache-2.0
/*
 * What topo_step lets through, topo_doc_apply and topo_doc_delete let through as well, with the same records; what it refuses, they refuse.  Random changes of ports,
 * bindings and routes in a network where addresses are few and have many meanings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "topology/doc.h"
#include "topology/step.h"
#include "util/hash.h"

#define SEEDS 6
#define STEPS 1500

static const char base[] =
	"tenant: t\n"
	"bridges:\n"
	"- {name: b0, neighbours: [{address: 10.0.0.9, mac: '02:00:00:00:00:09'}]}\n"
	"- {name: b1}\n"
	"- {name: v, vlan_aware: true}\n"
	"routers: [{name: r}]\n"
	"chains: [{name: c, rules: [{action: drop, in_ports: [fixed]}]}]\n"
	"security_groups: [{name: g}]\n"
	"ports:\n"
	"- {name: fixed, bridge: b0, mac: '02:00:00:00:00:f0', addresses: [10.0.0.100]}\n"
	"- {name: b0-r, bridge: b0, peer: r-b0}\n"
	"- {name: r-b0, router: r, addresses: [10.0.0.1/24]}\n"
	"- {name: b1-r, bridge: b1, peer: r-b1}\n"
	"- {name: r-b1, router: r, addresses: [10.0.1.1/24]}\n"
	"- {name: r-up, router: r, addresses: [192.0.2.2/24]}\n"
	"subnets: [{name: s, bridge: b0, prefix: 10.0.0.0/24, hosts: [{mac: '02:00:00:00:00:03', address: 10.0.0.5}]}]\n"
	"nats: [{name: n, router: r, type: snat, to: 10.0.0.7}]\n"
	"floating_ips: [{name: f, router: r, address: 192.0.2.50, fixed: 10.0.0.100, port: fixed}]\n";

struct world {
	json_t *records;
	struct topo_step *step;
	uint64_t random;
	unsigned int uuids, accepted, refused, unknown, good;
};

static uint32_t below(struct world *w, uint32_t n)
{
	w->random += 0x9e3779b97f4a7c15ull;
	return (uint32_t)(hash_u64(w->random) % n);
}

static void uuid(void *arg, char out[static 37])
{
	struct world *w = arg;

	snprintf(out, 37, "00000000-0000-4000-8000-%012x", ++w->uuids);
}

static const char *by_id(void *arg, enum topo_kind kind, const char *id)
{
	(void)arg;
	(void)kind;
	(void)id;
	return NULL;
}

static json_t *get(void *arg, const char *path)
{
	const struct world *w = arg;

	return json_incref(json_object_get(w->records, path));
}

static void begin(struct world *w, uint64_t seed)
{
	struct err err = { 0 };
	json_t *docs = topo_doc_parse(base, sizeof(base) - 1, "base", &err), *none = json_object();

	*w = (struct world){ .random = seed * 1000003 };
	if (!docs)
		fail_msg("%s", err.text);
	w->records = topo_doc_apply(none, json_array_get(docs, 0), false, uuid, w, &err);
	if (!w->records)
		fail_msg("%s", err.text);
	w->step = topo_step_new("t", w->records, &err);
	assert_non_null(w->step);
	json_decref(none);
	json_decref(docs);
}

static void end(struct world *w)
{
	topo_step_free(w->step);
	json_decref(w->records);
}

/* --- random objects --- */

static const char *const ports[] = { "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "fixed", "b0-r", "nosuch" };
static const char *const bridges[] = { "b0", "b0", "b1", "v", "nosuch" };
#define PICK(w, list) (list)[below(w, sizeof(list) / sizeof((list)[0]))]

static json_t *random_port(struct world *w)
{
	json_t *o = json_pack("{s:s}", "name", ports[below(w, 10)]);

	if (below(w, 20))
		json_object_set_new(o, "bridge", json_string(PICK(w, bridges)));
	else
		json_object_set_new(o, "router", json_string("r"));
	if (below(w, 8))
		json_object_set_new(o, "mac", json_sprintf("02:00:00:00:00:%02x", below(w, 12)));
	if (below(w, 4)) {
		json_t *list = json_array();

		for (uint32_t n = below(w, 3); n; n--)
			json_array_append_new(list, json_sprintf("10.0.%u.%u", below(w, 2), below(w, 14)));
		json_object_set_new(o, "addresses", list);
	}
	if (!below(w, 6))
		json_object_set_new(o, "vlan", json_integer(1 + below(w, 3)));
	if (!below(w, 20))
		json_object_set_new(o, "allowed_addresses", json_pack("[{s:s}]", "address", "10.0.0.12"));
	if (!below(w, 5))
		json_object_set_new(o, "security_groups", json_pack("[s]", below(w, 4) ? "g" : "nosuch"));
	if (!below(w, 10))
		json_object_set_new(o, "in_chain", json_string("c"));
	if (!below(w, 5))
		json_object_set_new(o, "hairpin", json_true());
	if (!below(w, 40))
		json_object_set_new(o, "peer", json_string(PICK(w, ports)));
	return o;
}

static json_t *random_object(struct world *w, enum topo_kind kind)
{
	if (kind == TOPO_PORT)
		return random_port(w);
	if (kind == TOPO_BIND)
		return json_pack("{s:s, s:s, s:o}", "port", PICK(w, ports), "host", below(w, 2) ? "h1" : "h2", "interface",
				 json_sprintf("tap%u", below(w, 4)));
	return json_pack("{s:o, s:s, s:o, s:s, s:o}", "name", json_sprintf("route%u", below(w, 4)), "router", "r", "dst",
			 json_sprintf("172.16.%u.0/24", below(w, 3)), "port", below(w, 3) ? "r-up" : "r-b0", "gateway",
			 json_sprintf("%s.%u", below(w, 2) ? "192.0.2" : "10.0.0", below(w, 4)));
}

/* --- one change --- */

static void set(struct world *w, const char *path, json_t *rec)
{
	if (rec)
		json_object_set(w->records, path, rec);
	else
		json_object_del(w->records, path);
}

/* What everybody agrees on: the records as they are from now on. */
static void take(struct world *w, const json_t *changes)
{
	const struct topo_source source = { get, w };
	struct err err = { 0 };
	bool broken = false;
	const char *path;
	json_t *rec;

	json_object_foreach((json_t *)changes, path, rec)
	{
		json_t *was = json_incref(json_object_get(w->records, path)), *now = json_is_null(rec) ? NULL : rec;

		set(w, path, now);
		broken = broken || topo_step_take(w->step, path, was, now, &source);
		json_decref(was);
	}
	if (!broken)
		return;
	topo_step_free(w->step);
	w->step = topo_step_new("t", w->records, &err);
	assert_non_null(w->step);
}

static void judge(struct world *w, const char *path, json_t *rec, const json_t *want, const struct err *whole)
{
	const struct topo_source source = { get, w };
	json_t *was = json_incref(json_object_get(w->records, path));
	struct err err = { 0 };
	char *text = rec ? json_dumps(rec, JSON_COMPACT) : strdup("null");
	int rc;

	set(w, path, rec);
	rc = topo_step_try(w->step, path, was, rec, &source, &err);
	w->good += !!want;
	if (!rc && !want)
		fail_msg("%s = %s: let through, but: %s", path, text, whole->text);
	if (rc == -EINVAL && want)
		fail_msg("%s = %s: refused: %s", path, text, err.text);
	if (!rc) {
		json_t *now = json_object_get(want, path);

		w->accepted++;
		if (json_object_size(want) != 1 || !now || (rec ? !json_equal(now, rec) : !json_is_null(now)))
			fail_msg("%s = %s: changes more than that: %s", path, text, json_dumps(want, 0));
	} else {
		set(w, path, was);
		w->refused += rc == -EINVAL;
		w->unknown += rc == -EOPNOTSUPP && want;
		if (want)
			take(w, want);
	}
	free(text);
	json_decref(was);
}

static void put(struct world *w, enum topo_kind kind)
{
	json_t *object = random_object(w, kind), *doc, *want, *rec;
	struct err err = { 0 }, whole = { 0 };
	unsigned int uuids = w->uuids;
	char path[TOPO_PATH];

	rec = topo_doc_record(w->records, kind, object, by_id, uuid, w, &err);
	doc = json_pack("{s:s, s:[O]}", "tenant", "t", topo_kind_plural(kind), object);
	w->uuids = uuids;
	want = topo_doc_apply(w->records, doc, false, uuid, w, &whole);
	if (!rec && want)
		fail_msg("no record: %s", err.text);
	if (rec && (!want || json_object_size(want))) {
		topo_path(kind, json_string_value(json_object_get(rec, "name")), path);
		judge(w, path, rec, want, &whole);
	}
	json_decref(want);
	json_decref(doc);
	json_decref(rec);
	json_decref(object);
}

static void delete(struct world *w, enum topo_kind kind)
{
	const char *name = kind == TOPO_ROUTE ? (below(w, 2) ? "route0" : "route1") : ports[below(w, 10)];
	json_t *doc = json_pack("{s:s, s:[{s:s}]}", "tenant", "t", topo_kind_plural(kind), topo_shapes[kind].key, name), *want;
	struct err whole = { 0 };
	char path[TOPO_PATH];

	topo_path(kind, name, path);
	want = topo_doc_delete(w->records, doc, &whole);
	/* what goes with it is the caller's to delete */
	if (json_object_get(w->records, path) && (!want || json_object_size(want) == 1))
		judge(w, path, NULL, want, &whole);
	else if (want)
		take(w, want);
	json_decref(want);
	json_decref(doc);
}

static void same_verdict(void **state)
{
	static const enum topo_kind kinds[] = { TOPO_PORT, TOPO_PORT, TOPO_PORT, TOPO_BIND, TOPO_ROUTE };
	unsigned int accepted = 0, refused = 0, unknown = 0, good = 0;
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		begin(&w, seed);
		for (int i = 0; i < STEPS; i++) {
			enum topo_kind kind = PICK(&w, kinds);

			if (below(&w, 4))
				put(&w, kind);
			else
				delete(&w, kind);
		}
		accepted += w.accepted;
		refused += w.refused;
		unknown += w.unknown;
		good += w.good;
		end(&w);
	}
	printf("# %u of %u good changes taken, %u refused, %u good ones not known\n", accepted, good, refused, unknown);
	/* with a floor under it: what is never taken is never wrong */
	assert_true(accepted > good / 3);
	assert_true(refused > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_verdict),
	};

	return cmocka_run_group_tests_name("step", tests, NULL, NULL);
}
