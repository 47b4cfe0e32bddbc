// SPDX-License-Identifier: Apache-2.0
/* Records of connections when several CPUs work on the same one. */
#include "selftests/bpf/wild.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 200000 /* as many as a fault of one in a thousand needs */
#define EACH   400    /* packets of the one connection between two new ones */

/* One connection that begins and is reset again and again, and new ones: from several CPUs, each with its own share of the latter. */
static void begin_and_end(unsigned int child)
{
	struct frame syn, rst, other;
	char line[128];

	make(&syn, FROM "ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S");
	make(&rst, FROM "ip 10.0.0.1>10.0.0.2 / tcp 4000>80 R");
	for (unsigned int i = 0; i < ROUNDS; i++) {
		pass(i & 1 ? &rst : &syn);
		if (i % EACH)
			continue;
		snprintf(line, sizeof(line), FROM "ip 10.0.0.1>10.0.0.2 / tcp %u>80 S", 10000 + child * 1000 + i / EACH);
		make(&other, line);
		pass(&other);
		del_exact(&other);
	}
}

/* What two CPUs do to one record at once is done to that record only, and once: the ports' counts are those of their records. */
static void test_two_cpus(void **state)
{
	const unsigned int n = ROUNDS / EACH;
	struct skep_lport own, other;
	struct skep_conn_key k;
	struct frame f;
	unsigned int records[2] = { 0 };
	struct skep_conn c;
	pid_t pids[2];

	(void)state;
	fresh_lports();
	make(&f, FROM "ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S");
	put_flows(&f, 0);
	own = get_lport(BPFRUN_LPORT);
	own.conns_max = own.replies_max = 100000;
	put("skep_lports", BPFRUN_LPORT, &own);
	other = get_lport(OTHER_LPORT);
	other.conns_max = other.replies_max = 100000;
	put("skep_lports", OTHER_LPORT, &other);
	for (unsigned int i = 0; i < 2; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (!pids[i]) {
			begin_and_end(i);
			_exit(0);
		}
	}
	for (unsigned int i = 0; i < 2; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	del_exact(&f);
	for (unsigned int i = 0; i < 2 * n + 1; i++) {
		const uint16_t sport = i < 2 * n ? (uint16_t)(10000 + i / n * 1000 + i % n) : 4000;

		k = (struct skep_conn_key){ .port = BPFRUN_KEY, .sport = htons(sport), .dport = htons(80), .proto = 6 };
		ip_parse("10.0.0.1", &k.src);
		ip_parse("10.0.0.2", &k.dst);
		assert_int_equal(bpfrun_get(run, "skep_conns", &k, &c), 0);
		assert_int_equal(c.flags, 0);
		assert_true(i == 2 * n || !(c.orig_seen & SKEP_TCP_RST)); /* nobody has reset the others */
		records[0]++;
		(void)bpfrun_del(run, "skep_conns", &k);
		k = (struct skep_conn_key){ .port = OTHER_KEY, .src = k.dst, .dst = k.src, .sport = htons(80), .dport = htons(sport), .proto = 6 };
		assert_int_equal(bpfrun_get(run, "skep_conns", &k, &c), 0);
		assert_int_equal(c.flags, SKEP_CONN_REPLY);
		records[1]++;
		(void)bpfrun_del(run, "skep_conns", &k);
	}
	assert_int_equal(get_lport(BPFRUN_LPORT).conns, records[0]);
	assert_int_equal(get_lport(BPFRUN_LPORT).replies, 0);
	assert_int_equal(get_lport(OTHER_LPORT).replies, records[1]);
	assert_int_equal(get_lport(OTHER_LPORT).conns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_two_cpus) };

	return cmocka_run_group_tests(tests, open_run, close_run);
}
