// SPDX-License-Identifier: Apache-2.0
/* What an error's text says of object, field, value and what is allowed, is in the problem document's "errors". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "api/problem.h"
#include "util/cleanup.h"
#include "util/json.h"

static const struct {
	const char *text, *errors; /* NULL: none */
} cases[] = {
	{ "out of memory", NULL },
	{ "query parameter 'sort': 'colour' is not a field of ports (want name, id)",
	  "[{\"parameter\": \"sort\", \"value\": \"colour\", \"detail\": \"is not a field of ports\", \"allowed\": \"name, id\"}]" },
	{ "query parameter 'page' is not known here (want limit)", "[{\"parameter\": \"page\", \"detail\": \"is not known here\", \"allowed\": \"limit\"}]" },
	{ "cannot delete bridge 'b': port 'p' refers to it in field 'bridge' (delete or change that first, or both together)",
	  "[{\"object\": \"port/p\", \"field\": \"bridge\", \"detail\": \"refers to it in field 'bridge' (delete or change that first, or both together)\"}]" },
	{ "cannot delete bridge 'b'", NULL },
	{ "the quota of the tenant is 5 floating_ips; it has 5, this would make 6 (delete some, or ask an operator for more)",
	  "[{\"field\": \"objects.floating_ips\", \"detail\": \"the quota of the tenant is 5 floating_ips; it has 5, this would make 6 (delete some, or ask an operator for more)\", \"allowed\": \"at most 5\"}]" },
	{ "the quota of the tenant is 9 tokens (revoke one)", "[{\"field\": \"tokens\", \"detail\": \"the quota of the tenant is 9 tokens (revoke one)\", \"allowed\": \"at most 9\"}]" },
	{ "port 'web1': field 'mac': 'zz' is not an address (want six octets)",
	  "[{\"object\": \"port/web1\", \"field\": \"mac\", \"value\": \"zz\", \"detail\": \"is not an address\", \"allowed\": \"six octets\"}]" },
	{ "operation 1: port: field 'name': '0' is not a name (want letters)",
	  "[{\"operation\": 1, \"field\": \"name\", \"value\": \"0\", \"detail\": \"is not a name\", \"allowed\": \"letters\"}]" },
	{ "nosuch: field 'name': '0' is not a name", NULL },
	{ "field 'port' is missing", "[{\"field\": \"port\", \"detail\": \"is missing\"}]" },
	{ "security_group 'web': rule 2: field 'proto': 'x' is not a protocol (want tcp)",
	  "[{\"object\": \"security_group/web\", \"element\": 2, \"field\": \"proto\", \"value\": \"x\", \"detail\": \"is not a protocol\", \"allowed\": \"tcp\"}]" },
	{ "chain 'fw': rule 'ssh': field 'proto': 'x' is not a protocol",
	  "[{\"object\": \"chain/fw\", \"rule\": \"ssh\", \"field\": \"proto\", \"value\": \"x\", \"detail\": \"is not a protocol\"}]" },
	{ "subnet 's': field 'hosts' element 12: field 'mac': 'x' is not one",
	  "[{\"object\": \"subnet/s\", \"in\": \"hosts\", \"element\": 12, \"field\": \"mac\", \"value\": \"x\", \"detail\": \"is not one\"}]" },
	{ "operation 2: port 'p': field 'bridge': 'x' does not exist",
	  "[{\"operation\": 2, \"object\": \"port/p\", \"field\": \"bridge\", \"value\": \"x\", \"detail\": \"does not exist\"}]" },
	{ "body:3: port 'p': field 'mtu' is missing",
	  "[{\"line\": 3, \"object\": \"port/p\", \"field\": \"mtu\", \"detail\": \"is missing\"}]" },
	{ "chain 'fw': field 'rules': rule 1: 'drop' is not an object (want {name: ...})",
	  "[{\"object\": \"chain/fw\", \"field\": \"rules\", \"element\": 1, \"detail\": \"'drop' is not an object\", \"allowed\": \"{name: ...}\"}]" },
};

static void test_errors(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_json_ json_t *body = NULL, *want = NULL;
		struct err err = { 0 };
		json_t *got;

		err_set(&err, -22, "%s", cases[i].text);
		body = problem_body(422, "invalid", "id", &err);
		want = cases[i].errors ? json_loads(cases[i].errors, 0, NULL) : NULL;
		got = json_object_get(body, "errors");
		assert_string_equal(json_str(body, "detail"), cases[i].text);
		if (!got != !want || (want && !json_equal(got, want))) {
			_free_ char *text = got ? json_dumps(got, 0) : NULL;

			fail_msg("%s\n got %s\nwant %s", cases[i].text, text ? text : "none",
				 cases[i].errors ? cases[i].errors : "none");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_errors) };

	return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
