// SPDX-License-Identifier: Apache-2.0
/*
 * What topo_step says of a change, topo_doc_apply and topo_doc_delete say of it as well, in the same words: random changes of objects of every kind, good and bad, in
 * networks where addresses are few and have many meanings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "selftests/unit/topology/step_world.h"
#include "topology/doc.h"
#include "topology/step.h"

#define SEEDS 6
#define STEPS 1500

struct counts {
	unsigned int accepted, refused, unknown, deleted, kept, good[TOPO_KIND_MAX], bad[TOPO_KIND_MAX];
};

struct test {
	struct world w;
	struct topo_step *step;
	struct counts n;
};

static void uuid(void *arg, char out[static 37])
{
	struct world *w = arg;

	snprintf(out, 37, "00000000-0000-4000-8000-%012x", ++w->uuids);
}

static const char *by_id(void *arg, enum topo_kind kind, const char *id)
{
	const struct world *w = arg;
	enum topo_kind k;
	const char *path, *name;
	json_t *rec;

	json_object_foreach(w->records, path, rec)
		if (topo_path_parse(path, &k, &name) && k == kind && !strcmp(topo_str(rec, "id"), id))
			return name;
	return NULL;
}

static void begin(struct test *t, uint64_t seed)
{
	static size_t pieces;
	struct err err = { 0 };
	json_t *docs = topo_doc_parse(world_base, strlen(world_base), "base", &err), *none = json_object();
	int rc;

	t->w = (struct world){ .random = seed * 1000003 };
	if (!docs)
		fail_msg("%s", err.text);
	t->w.records = topo_doc_apply(none, json_array_get(docs, 0), false, uuid, &t->w, &err);
	if (!t->w.records)
		fail_msg("%s", err.text);
	t->step = topo_step_begin(t->w.records); /* as topo_step_new(), bit by bit */
	assert_non_null(t->step);
	do
		rc = topo_step_more(t->step, 1 + pieces++ % 7);
	while (rc > 0);
	assert_int_equal(rc, 0);
	json_decref(none);
	json_decref(docs);
}

static void end(struct test *t)
{
	topo_step_free(t->step);
	json_decref(t->w.records);
}

/* What everybody agrees on: the records as they are from now on. */
static void take(struct test *t, const json_t *changes)
{
	const char *path;
	json_t *rec;

	json_object_foreach((json_t *)changes, path, rec)
	{
		if (json_is_null(rec))
			json_object_del(t->w.records, path);
		else
			json_object_set(t->w.records, path, rec);
	}
	assert_int_equal(topo_step_take(t->step, changes), 0);
}

static void same_error(const char *what, const json_t *object, const struct err *mine, const struct err *whole)
{
	if (mine->code != whole->code || strcmp(mine->text, whole->text) || strcmp(err_name(mine), err_name(whole)))
		fail_msg("%s %s\n  says '%s' (%d)\n  but  '%s' (%d)", what, json_dumps(object, JSON_COMPACT), mine->text, mine->code,
			 whole->text, whole->code);
}

/* True: the document was taken. */
static bool compare(struct test *t, const json_t *doc)
{
	unsigned int uuids = t->w.uuids;
	struct err err = { 0 }, whole = { 0 };
	json_t *changes = topo_doc_changes(t->w.records, doc, by_id, uuid, &t->w, &err), *want;
	int rc = !changes ? err.code : json_object_size(changes) ? topo_step_judge(t->step, changes, &err) : 0;

	t->w.uuids = uuids;
	want = topo_doc_apply(t->w.records, doc, false, uuid, &t->w, &whole);
	if (rc == -EOPNOTSUPP) {
		t->n.unknown++;
	} else if (rc) {
		if (want)
			fail_msg("%s\n  refused: %s", json_dumps(doc, JSON_COMPACT), err.text);
		same_error("", doc, &err, &whole);
		t->n.refused++;
	} else {
		if (!want)
			fail_msg("%s\n  let through, but: %s", json_dumps(doc, JSON_COMPACT), whole.text);
		if (!json_equal(want, changes))
			fail_msg("%s\n  changes %s\n  but     %s", json_dumps(doc, 0), json_dumps(changes, 0), json_dumps(want, 0));
		t->n.accepted++;
	}
	if (want)
		take(t, want);
	json_decref(changes);
	json_decref(want);
	return want;
}

/* One object, or several that go together. */
static void put(struct test *t, uint32_t n)
{
	json_t *doc = json_pack("{s:s}", "tenant", "t");
	enum topo_kind kind = TOPO_PORT;
	bool good;

	for (uint32_t i = 0; i < n; i++) {
		kind = world_kind(&t->w);
		if (!json_object_get(doc, topo_kind_plural(kind)))
			json_object_set_new(doc, topo_kind_plural(kind), json_array());
		json_array_append_new(json_object_get(doc, topo_kind_plural(kind)), world_object(&t->w, kind));
	}
	good = compare(t, doc);
	if (n == 1)
		(good ? t->n.good : t->n.bad)[kind]++;
	json_decref(doc);
}

static void delete(struct test *t, enum topo_kind kind)
{
	const char *name = world_name(&t->w, kind);
	json_t *doc = json_pack("{s:s, s:[{s:s}]}", "tenant", "t", topo_kind_plural(kind), topo_shapes[kind].key, name), *want, *changes;
	struct err err = { 0 }, whole = { 0 }, valid = { 0 };

	want = topo_doc_delete(t->w.records, doc, &whole);
	changes = topo_step_delete(t->step, kind, name, &err);
	if (!want != !changes)
		fail_msg("%s '%s': says '%s', but '%s'", topo_kind_name(kind), name, err.text, whole.text);
	if (!want)
		same_error("delete", doc, &err, &whole);
	else if (!json_equal(want, changes))
		fail_msg("%s '%s' changes %s, but %s", topo_kind_name(kind), name, json_dumps(changes, 0), json_dumps(want, 0));
	*(want ? &t->n.deleted : &t->n.kept) += 1;
	if (want) {
		take(t, want);
		if (topo_validate(t->w.records, &valid))
			fail_msg("without %s '%s': %s", topo_kind_name(kind), name, valid.text);
	}
	json_decref(changes);
	json_decref(want);
	json_decref(doc);
}

static void same_verdict(void **state)
{
	static struct test t;
	unsigned int all;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		begin(&t, seed);
		for (int i = 0; i < STEPS; i++) {
			if (world_below(&t.w, 6))
				put(&t, world_below(&t.w, 4) ? 1 : 2 + world_below(&t.w, 3));
			else
				delete(&t, world_kind(&t.w));
		}
		end(&t);
	}
	all = t.n.accepted + t.n.refused + t.n.unknown;
	print_message("# %u taken, %u refused, %u not known; %u deleted, %u not\n", t.n.accepted, t.n.refused, t.n.unknown, t.n.deleted, t.n.kept);
	for (int k = 0; k < TOPO_KIND_MAX; k++)
		print_message("# %-16s %u good, %u bad\n", topo_kind_name((enum topo_kind)k), t.n.good[k], t.n.bad[k]);
	/* with a floor under it: what is not known is never wrong, nor what is not tried */
	assert_true(t.n.unknown < all / 50);
	assert_true(t.n.deleted > 100 && t.n.kept > 100);
	for (int k = 0; k < TOPO_KIND_MAX; k++)
		assert_true(t.n.good[k] > 10);
	assert_true(t.n.refused > all / 5);
}

/* What chance comes across too rarely: documents one behind the other, and whether each is taken. */
static void rare(void **state)
{
	static const struct {
		const char *doc;
		bool taken;
	} steps[] = {
		/* a subnet's gateway is the router's address, which is no machine's there */
		{ "subnets: [{name: s0, bridge: b0, prefix: 10.0.0.0/28}]", true },
		{ "ports: [{name: k0, router: r0, addresses: [10.0.0.15/24]}]", false },
		{ "ports: [{name: k0, router: r0, addresses: [10.0.0.14/24]}]", true },
		/* two links for one port, one without a word of the other */
		{ "ports: [{name: p0, bridge: b0, peer: l0}, {name: l0, bridge: b0}]", false },
		/* a link and what is translated behind it, both new */
		{ "{ports: [{name: p1, bridge: b2, vlan: 1, peer: k3}], floating_ips: [{name: f1, router: r1, address: 10.0.2.9, fixed: 10.0.3.3}]}", true },
		{ "ports: [{name: p2, bridge: b2, vlan: 1, mac: '02:00:00:00:00:01', addresses: [10.0.2.9]}]", false },
		{ "pools: [{name: pool0, id: 00000000-0000-4000-8000-000000000001}]", false },
	};
	static struct test t;

	(void)state;
	begin(&t, 1);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct err err = { 0 };
		json_t *docs = topo_doc_parse_for(steps[i].doc, strlen(steps[i].doc), "step", "t", &err);

		if (!docs)
			fail_msg("%s: %s", steps[i].doc, err.text);
		if (compare(&t, json_array_get(docs, 0)) != steps[i].taken)
			fail_msg("%s: %s", steps[i].doc, steps[i].taken ? "refused" : "taken");
		json_decref(docs);
	}
	assert_int_equal(t.n.unknown, 0);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_verdict),
		cmocka_unit_test(rare),
	};

	return cmocka_run_group_tests_name("step", tests, NULL, NULL);
}
