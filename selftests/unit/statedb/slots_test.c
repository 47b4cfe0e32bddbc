// SPDX-License-Identifier: Apache-2.0
/* The pure part of statedb: slots, addresses, error replies, CLUSTER SLOTS, names of keys, digests
 * of scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "statedb/schema.h"
#include "statedb/sha1.h"
#include "statedb/slots.h"
#include "statedb/statedb.h"
#include "util/cleanup.h"

static void crc_is_xmodem(void **state)
{
	(void)state;
	assert_int_equal(slot_crc16("123456789", 9),
			 0x31c3); /* the check value of the Redis Cluster specification */
	assert_int_equal(slot_crc16("", 0), 0);
}

static void keys_have_known_slots(void **state)
{
	static const struct {
		const char *key;
		uint16_t slot;
	} t[] = {
		{ "foo", 12182 },
		{ "{user1000}.following", 3443 },
		{ "{user1000}.followers", 3443 },
		{ "foo{}{bar}", 8363 },	   /* an empty tag: the whole key */
		{ "foo{{bar}}zap", 4015 }, /* tag "{bar" */
		{ "foo{bar}{zap}", 5061 }, /* the first tag */
		{ "bar", 5061 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		if (slot_of_key(t[i].key, strlen(t[i].key)) != t[i].slot)
			fail_msg("slot of '%s': %u, want %u", t[i].key,
				 slot_of_key(t[i].key, strlen(t[i].key)), t[i].slot);
	}
}

static void addresses_are_parsed(void **state)
{
	static const struct {
		const char *in, *out; /* NULL = refused */
	} t[] = {
		{ "127.0.0.1:6379", "127.0.0.1:6379" },
		{ "[::1]:7000", "[::1]:7000" },
		{ "redis.example.org:65535", "redis.example.org:65535" },
		{ "unix:/run/skep/db.sock", "unix:/run/skep/db.sock" },
		{ "", NULL },
		{ "6379", NULL },
		{ ":6379", NULL },
		{ "host:", NULL },
		{ "host:0", NULL },
		{ "host:65536", NULL },
		{ "host:6379x", NULL },
		{ "host:-1", NULL },
		{ "::1:6379", NULL },
		{ "[::1]", NULL },
		{ "[]:1", NULL },
		{ "[::1:6379", NULL },
		{ "[1.2.3.4]:1", NULL },
		{ "a b:1", NULL },
		{ "unix:", NULL },
		{ "unix:relative", NULL },
	};
	char buf[DB_ADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct db_addr a = { .port = 77 };
		bool ok = db_addr_parse(t[i].in, &a);

		if (ok != (t[i].out != NULL))
			fail_msg("'%s' was %s", t[i].in, ok ? "accepted" : "refused");
		if (ok)
			assert_string_equal(db_addr_format(&a, buf), t[i].out);
		else
			assert_int_equal(a.port, 77);
	}
}

static void error_replies_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		enum reply_kind kind;
		uint16_t slot;
		const char *addr;
	} t[] = {
		{ "MOVED 3999 127.0.0.1:6381", REPLY_MOVED, 3999, "127.0.0.1:6381" },
		{ "MOVED 1 ::1:7000", REPLY_MOVED, 1, "[::1]:7000" },
		{ "MOVED 16383 :7001", REPLY_MOVED, 16383, ":7001" },
		{ "ASK 866 10.0.0.2:7002", REPLY_ASK, 866, "10.0.0.2:7002" },
		{ "MOVED 16384 127.0.0.1:6381", REPLY_ERROR, 0, NULL },
		{ "MOVED 5", REPLY_ERROR, 0, NULL },
		{ "MOVED", REPLY_ERROR, 0, NULL },
		{ "ASK x y", REPLY_ERROR, 0, NULL },
		{ "MOVED 5 host:99999", REPLY_ERROR, 0, NULL },
		{ "TRYAGAIN Multiple keys request during rehashing of slot", REPLY_LATER, 0, NULL },
		{ "CLUSTERDOWN The cluster is down", REPLY_LATER, 0, NULL },
		{ "LOADING Redis is loading the dataset in memory", REPLY_LATER, 0, NULL },
		{ "READONLY You can't write against a read only replica.", REPLY_READONLY, 0,
		  NULL },
		{ "NOSCRIPT No matching script.", REPLY_NOSCRIPT, 0, NULL },
		{ "NOAUTH Authentication required.", REPLY_NOAUTH, 0, NULL },
		{ "ERR unknown command", REPLY_ERROR, 0, NULL },
		{ "LOADINGX", REPLY_ERROR, 0, NULL },
		{ "", REPLY_ERROR, 0, NULL },
	};
	redisReply status = { .type = REDIS_REPLY_STATUS };
	char buf[DB_ADDR_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		redisReply r = { .type = REDIS_REPLY_ERROR,
				 .str = (char *)t[i].text,
				 .len = strlen(t[i].text) };
		struct reply_class c = reply_classify(&r);

		if (c.kind != t[i].kind)
			fail_msg("'%s': kind %d, want %d", t[i].text, c.kind, t[i].kind);
		if (t[i].addr) {
			assert_int_equal(c.slot, t[i].slot);
			assert_string_equal(db_addr_format(&c.addr, buf), t[i].addr);
		}
	}
	assert_int_equal(reply_classify(&status).kind, REPLY_OK);
}

/* Parses a reply as the wire has it. */
static redisReply *wire(const char *text)
{
	redisReader *rd = redisReaderCreate();
	void *r = NULL;

	redisReaderFeed(rd, text, strlen(text));
	assert_int_equal(redisReaderGetReply(rd, &r), REDIS_OK);
	redisReaderFree(rd);
	assert_non_null(r);
	return r;
}

static void slot_maps_are_parsed(void **state)
{
	static const char *const bad[] = {
		"+OK\r\n",
		"-ERR This instance has cluster support disabled\r\n",
		"*1\r\n+x\r\n",
		"*1\r\n*2\r\n:0\r\n:1\r\n",
		"*1\r\n*3\r\n:5\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\nh\r\n:1\r\n",
		"*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:70000\r\n",
		"*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\nh\r\n",
	};
	static struct slot_map map;
	struct db_addr asked = { .port = 1, .host = "10.0.0.9" };
	char buf[DB_ADDR_TEXT];
	struct err err;
	redisReply *r;

	(void)state;
	r = wire(
		"*3\r\n"
		"*3\r\n:0\r\n:100\r\n*3\r\n$8\r\n10.0.0.1\r\n:7000\r\n$2\r\nid\r\n"
		"*4\r\n:101\r\n:200\r\n*3\r\n$-1\r\n:7001\r\n$2\r\nid\r\n*3\r\n$8\r\n10.0.0.3\r\n:7003\r\n$2\r\nid\r\n"
		"*3\r\n:300\r\n:300\r\n*3\r\n$8\r\n10.0.0.1\r\n:7000\r\n$2\r\nid\r\n");
	assert_int_equal(slot_map_parse(r, &asked, &map, &err), 0);
	assert_int_equal(map.n_masters, 2);
	assert_string_equal(db_addr_format(&map.masters[map.owner[100]], buf), "10.0.0.1:7000");
	assert_string_equal(db_addr_format(&map.masters[map.owner[101]], buf), "10.0.0.9:7001");
	assert_int_equal(map.owner[300], map.owner[0]);
	assert_int_equal(map.owner[201], DB_SLOT_NOBODY);
	freeReplyObject(r);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		r = wire(bad[i]);
		if (slot_map_parse(r, &asked, &map, &err) >= 0)
			fail_msg("accepted: %s", bad[i]);
		freeReplyObject(r);
	}
}

static void keys_of_a_space_share_a_slot(void **state)
{
	char a[DB_KEY], b[DB_KEY];

	(void)state;
	for (unsigned int shard = 0; shard <= DB_SHARD_HOSTS; shard++)
		for (int k = 1; k < SPACE_KEY_MAX; k++) {
			schema_space_key(a, shard, "evil{s00}", SPACE_OBJECTS);
			schema_space_key(b, shard, "evil{s00}", (enum space_key)k);
			assert_int_equal(slot_of_key(a, strlen(a)), slot_of_key(b, strlen(b)));
			assert_string_not_equal(a, b);
		}
	assert_string_equal(schema_space_key(a, 7, "acme", SPACE_LOG), "skep:{s07}:t:acme:log");
	assert_string_equal(schema_space_key(a, DB_SHARD_HOSTS, DB_HOSTS, SPACE_OBJECTS),
			    "skep:{hosts}:o");
	assert_string_equal(schema_lease_key(a, "host/h1"), "skep:{hosts}:lease:host/h1");
	assert_int_equal(slot_of_key(a, strlen(a)), slot_of_key(KEY_LEASES, strlen(KEY_LEASES)));
}

static void names_are_checked(void **state)
{
	char longest[DB_NAME_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[DB_NAME_MAX] = 0;
	assert_true(schema_name_ok("acme"));
	assert_true(schema_name_ok(longest));
	longest[DB_NAME_MAX] = 'a';
	longest[DB_NAME_MAX + 1] = 0;
	assert_false(schema_name_ok(longest));
	assert_false(schema_name_ok(""));
	assert_false(schema_name_ok("a b"));
	assert_false(schema_name_ok("a\nb"));
}

static void digests_are_sha1(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
		{ "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
	};
	char out[SHA1_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		sha1_text(t[i].in, strlen(t[i].in), out);
		assert_string_equal(out, t[i].out);
	}
}

static void modes_are_parsed(void **state)
{
	enum db_mode mode = DB_SERVER;

	(void)state;
	assert_true(db_mode_parse("embedded", &mode));
	assert_int_equal(mode, DB_EMBEDDED);
	assert_true(db_mode_parse("cluster", &mode));
	assert_int_equal(mode, DB_CLUSTER);
	assert_false(db_mode_parse("Cluster", &mode));
	assert_int_equal(mode, DB_CLUSTER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_xmodem),
		cmocka_unit_test(keys_have_known_slots),
		cmocka_unit_test(addresses_are_parsed),
		cmocka_unit_test(error_replies_are_told_apart),
		cmocka_unit_test(slot_maps_are_parsed),
		cmocka_unit_test(keys_of_a_space_share_a_slot),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(digests_are_sha1),
		cmocka_unit_test(modes_are_parsed),
	};

	return cmocka_run_group_tests_name("statedb/slots", tests, NULL, NULL);
}
