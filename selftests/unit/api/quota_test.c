// SPDX-License-Identifier: Apache-2.0
/* api/quota.c: how much a tenant may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "api/quota.h"
#include "util/cleanup.h"

static void read_and_shown(void **state)
{
	static const struct {
		const char *json, *err;
	} table[] = {
		{ "{}", NULL },
		{ "{\"objects\": {\"ports\": 0, \"bindings\": 5}, \"bytes\": 1000, \"tokens\": 0, \"requests_per_s\": 5}", NULL },
		{ "{\"rev\": 3, \"used\": {}, \"requests_per_s\": null}", NULL },
		{ "[]", "want an object" },
		{ "{\"object\": {}}", "field 'object' is not known" },
		{ "{\"objects\": 5}", "'objects' is not an object" },
		{ "{\"objects\": {\"port\": 5}}", "'port' is not a kind" },
		{ "{\"objects\": {\"unicorns\": 5}}", "'unicorns' is not a kind" },
		{ "{\"objects\": {\"ports\": -1}}", "field 'ports': '-1'" },
		{ "{\"objects\": {\"ports\": \"5\"}}", "field 'ports': '5'" },
		{ "{\"objects\": {\"ports\": 1.5}}", "field 'ports'" },
		{ "{\"objects\": {\"ports\": 4000001}}", "0 to 4000000" },
		{ "{\"bytes\": null}", "field 'bytes': 'null'" },
		{ "{\"requests_per_s\": 0}", "1 to 1000000" },
	};
	struct quota q, before;

	(void)state;
	quota_defaults(&before);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		json_t *o = json_loads(table[i].json, 0, NULL);
		struct err err = { 0 };
		int rc;

		q = before;
		assert_non_null(o);
		rc = quota_parse(o, &q, &err);
		if (table[i].err ? rc != -EINVAL || !strstr(err.text, table[i].err) : rc != 0)
			fail_msg("%s: %d '%s'", table[i].json, rc, err.text);
		if (rc)
			assert_memory_equal(&q, &before, sizeof(q));
		json_decref(o);
		if (i == 1) {
			assert_int_equal(q.objects[TOPO_PORT], 0);
			assert_int_equal(q.objects[TOPO_BIND], 5);
			assert_int_equal(q.objects[TOPO_BRIDGE], QUOTA_OBJECTS_DEFAULT);
			assert_int_equal(q.requests_per_s, 5);
			o = quota_json(&q);
			assert_int_equal(quota_parse(o, &q, &err), 0);
			assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "objects"), "bindings")), 5);
			json_decref(o);
		}
	}
}

/* What is written is read again: defaults too. */
static void there_and_back(void **state)
{
	struct quota q, back;
	struct err err = { 0 };
	json_t *o;

	(void)state;
	quota_defaults(&q);
	q.objects[TOPO_CHAIN] = 7;
	o = quota_json(&q);
	if (quota_parse(o, &back, &err))
		fail_msg("%s", err.text);
	assert_memory_equal(&q, &back, sizeof(q));
	json_decref(o);
}

static json_t *obj(int rev)
{
	return json_pack("{s:i, s:s}", "rev", rev, "name", "b");
}

static void counted(void **state)
{
	json_t *records = json_object(), *one = obj(1), *two = obj(123456), *fresh = json_pack("{s:s}", "name", "b");
	struct quota_use use, again, none = { 0 };

	(void)state;
	quota_count(records, &use);
	assert_memory_equal(&use, &none, sizeof(use));
	json_object_set(records, "bridge/b", one);
	json_object_set(records, "port/p", one);
	json_object_set(records, "port/q", one);
	json_object_set(records, "live/p", one); /* what agents publish is not the tenant's */
	json_object_set(records, "use/h1/t", one);
	json_object_set(records, "nonsense", one);
	quota_count(records, &use);
	assert_int_equal(use.objects[TOPO_PORT], 2);
	assert_int_equal(use.objects[TOPO_BRIDGE], 1);
	assert_int_equal(use.bytes, 3 * strlen("{\"name\":\"b\"}") + strlen("bridge/bport/pport/q"));
	/* one by one comes to the same; revisions, which grow by themselves, are nothing */
	again = none;
	quota_count_change(&again, "bridge/b", NULL, fresh);
	quota_count_change(&again, "bridge/b", fresh, two);
	quota_count_change(&again, "port/p", json_null(), one);
	quota_count_change(&again, "port/q", NULL, two);
	quota_count_change(&again, "live/q", NULL, two);
	assert_memory_equal(&use, &again, sizeof(use));
	quota_count_change(&again, "port/q", one, json_null());
	quota_count_change(&again, "port/p", one, NULL);
	quota_count_change(&again, "bridge/b", one, NULL);
	assert_memory_equal(&again, &none, sizeof(use));
	json_decref(records);
	json_decref(one);
	json_decref(two);
	json_decref(fresh);
}

static void kept_to(void **state)
{
	struct quota_use before = { 0 }, after = { 0 };
	struct err err = { 0 };
	struct quota q;

	(void)state;
	quota_defaults(&q);
	q.objects[TOPO_PORT] = 3;
	q.bytes = 1000;
	before.objects[TOPO_PORT] = 2;
	after.objects[TOPO_PORT] = 3;
	after.bytes = 1000;
	assert_int_equal(quota_check(&q, &before, &after, &err), 0);
	after.objects[TOPO_PORT] = 4;
	assert_int_equal(quota_check(&q, &before, &after, &err), -EDQUOT);
	assert_string_equal(err_name(&err), "quota_exceeded");
	assert_non_null(strstr(err.text, "is 3 ports; it has 2, this would make 4"));
	/* who has more already may have less, or change something */
	before.objects[TOPO_PORT] = 10;
	after.objects[TOPO_PORT] = 9;
	assert_int_equal(quota_check(&q, &before, &after, &err), 0);
	after.objects[TOPO_PORT] = 10;
	assert_int_equal(quota_check(&q, &before, &after, &err), 0);
	after.bytes = 1001;
	assert_int_equal(quota_check(&q, &before, &after, &err), -EDQUOT);
	before.bytes = 1001;
	assert_int_equal(quota_check(&q, &before, &after, &err), 0);
}

/* A record takes what it takes as JSON, whatever is in it. */
static void as_json(void **state)
{
	static const char *const values[] = {
		"{}", "[]", "\"\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u20ac\"", "\"\\u0000\\u0000\"", "\"\xc3\xa4\xf0\x9f\x90\x9d\"",
		"-9223372036854775808", "0", "1.5", "1e300", "true", "false", "null", "[[], {}, [1, \"a\"]]", "{\"a\": {\"\\\"\": []}, \"b\": [true, null]}",
	};
	struct quota_use use;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		json_t *record = json_object(), *records = json_object();

		json_object_set_new(record, "value", json_loads(values[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
		json_object_set_new(records, "port/p", record);
		assert_non_null(json_object_get(record, "value"));
		quota_count(records, &use);
		assert_int_equal(use.bytes, json_dumpb(record, NULL, 0, JSON_COMPACT) + strlen("port/p"));
		json_object_set_new(record, "rev", json_integer(1234567));
		quota_count(records, &use);
		assert_int_equal(use.bytes, json_dumpb(record, NULL, 0, JSON_COMPACT) - strlen(",\"rev\":1234567") + strlen("port/p"));
		json_decref(records);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_and_shown),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(counted),
		cmocka_unit_test(kept_to),
		cmocka_unit_test(as_json),
	};

	return cmocka_run_group_tests_name("api/quota", tests, NULL, NULL);
}
