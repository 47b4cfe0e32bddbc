// SPDX-License-Identifier: Apache-2.0
/* Messages between agents that arrive twice, late, not whole, or behind the end of what they are about; that are acknowledged, or not.  What state.c calls
 * is in this file. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loader/agent.h"
#include "loader/hold.h"
#include "loader/peers.h"
#include "util/clock.h"
#include "util/loop.h"

static struct tenant tenant;
static unsigned int n_put, n_sent, n_acks;
static struct host h2 = { .name = "h2" }, h3 = { .name = "h3" };
static struct peers_head last; /* of the last message that was sent */
static bool no_room;

uint32_t hosts_peer(void *agent, const char *name)
{
	(void)agent;
	return !strcmp(name, "h2") || !strcmp(name, "h3");
}

int dp_send_control(struct dp *dp, uint32_t peer, const void *data, uint32_t len)
{
	struct peers_buf b = { .p = (uint8_t *)data, .max = len };

	(void)dp;
	(void)peer;
	assert_true(peers_get_head(&b, &last));
	n_acks += last.kind == PEERS_ACK;
	n_sent += last.kind == PEERS_ITEMS;
	return 0;
}

struct host *hosts_find(const struct agent *a, const char *name)
{
	(void)a;
	return !strcmp(name, "h2") ? &h2 : !strcmp(name, "h3") ? &h3 : NULL;
}

/* --- one connection waits, under the number 7, for h2 --- */

#define HOLD 7
static unsigned int waits, told, untold;
static bool unsure;

bool hold_awaits(struct agent *a, uint32_t id, const char *host)
{
	(void)a;
	assert_int_equal(id, HOLD);
	return !strcmp(host, "h2");
}

void hold_sent(struct agent *a, uint32_t id, bool sure)
{
	(void)a;
	assert_int_equal(id, HOLD);
	waits += sure;
	unsure = !sure;
}

void hold_answered(struct agent *a, uint32_t id, const char *host, bool acked)
{
	(void)a;
	assert_int_equal(id, HOLD);
	assert_string_equal(host, "h2");
	told += acked;
	untold += !acked;
}

struct tenant *tenant_find(const struct agent *a, const char *name)
{
	(void)a;
	return strcmp(name, "t") ? NULL : &tenant;
}

bool conns_port_here(void *t, const char *port)
{
	(void)t;
	return !strcmp(port, "vm1");
}

bool conns_remote_put(struct tenant *t, const struct sim_conn *conn, uint64_t last_ns)
{
	if (no_room)
		return false;
	n_put++;
	assert_true(sim_conns_put(t->conns, conn, last_ns) >= 0);
	return true;
}

void conns_remote_end(struct tenant *t, const char *port, const struct sim_tuple *tuple)
{
	(void)sim_conns_del(t->conns, port, tuple);
}

void upcall_drain(struct agent *a)
{
	(void)a;
}

static struct config config = { .host = "h1" };
static struct agent agent = { .config = &config };

static struct sim_conn a_conn(bool reply, uint8_t orig_seen, uint8_t reply_seen)
{
	struct sim_conn c = { .tuple = { .src = ip_from_v4(inet_addr("10.0.0.1")),
					 .dst = ip_from_v4(inet_addr("10.0.0.2")),
					 .sport = htons(80),
					 .dport = htons(4000),
					 .proto = 6 },
			      .port = "vm1",
			      .reply = reply,
			      .orig_seen = orig_seen,
			      .reply_seen = reply_seen };

	c.other = (struct sim_tuple){ .src = c.tuple.dst,
				      .dst = c.tuple.src,
				      .sport = c.tuple.dport,
				      .dport = c.tuple.sport,
				      .proto = 6 };
	return c;
}

static void say(const char *sender, uint32_t seq, uint8_t what, const struct sim_conn *c)
{
	struct peers_head h = { .kind = PEERS_ITEMS,
				.epoch = (uint32_t)sender[1],
				.seq = seq,
				.n_items = 1,
				.tenant = "t" };
	struct peers_item i = { .what = what, .conn = *c };
	uint8_t bytes[DP_CONTROL_MAX];
	struct peers_buf b = { .p = bytes, .max = sizeof(bytes) };

	snprintf(h.sender, sizeof(h.sender), "%s", sender);
	assert_true(peers_put_head(&b, &h));
	assert_true(peers_put_item(&b, &i));
	state_received(&agent, bytes, b.n);
}

static bool is_there(void)
{
	return sim_conns_count(tenant.conns, "vm1");
}

static int begin(void **state)
{
	struct sim_conns_limits limits = { .records = 16, .records_port = 16, .timeouts = SKEP_TIMEOUTS };

	(void)state;
	tenant = (struct tenant){ .agent = &agent, .conns = sim_conns_new(&limits) };
	tenant.snap = (struct topo_snapshot *)&tenant; /* never looked at */
	tenant.name[0] = 't';
	n_put = n_sent = n_acks = waits = told = untold = 0;
	no_room = unsure = false;
	h2.unacked = h3.unacked = 0;
	h2.silent = h3.silent = false;
	agent.stats = (struct agent_stats){ 0 };
	agent.loop = loop_new();
	return !agent.loop || state_init(&agent);
}

static int end(void **state)
{
	(void)state;
	state_fini(&agent);
	loop_free(agent.loop);
	sim_conns_free(tenant.conns);
	return 0;
}

/* Its acknowledgement was lost, and the machines have begun anew meanwhile. */
static void an_end_counts_once(void **state)
{
	const struct sim_conn c = a_conn(true, SKEP_TCP_SYN, 0);

	(void)state;
	say("h2", 1, PEERS_SET, &c);
	say("h2", 2, PEERS_END, &c);
	assert_false(is_there());
	say("h2", 3, PEERS_SET, &c);
	say("h2", 2, PEERS_END, &c);
	assert_true(is_there());
	say("h2", 4, PEERS_END, &c);
	assert_false(is_there());
	assert_int_equal(agent.stats.state_refused, 1);
}

static void a_late_end_is_that_of_the_one_before(void **state)
{
	const struct sim_conn c = a_conn(true, SKEP_TCP_SYN, 0);

	(void)state;
	say("h2", 7, PEERS_SET, &c);
	say("h2", 6, PEERS_END, &c);
	assert_true(is_there());
	/* of another sender nothing is known */
	say("h3", 1, PEERS_END, &c);
	assert_false(is_there());
}

static void what_was_said_before_the_end_does_not_count(void **state)
{
	const struct sim_conn c = a_conn(true, SKEP_TCP_SYN, 0);

	(void)state;
	say("h2", 0xffffffff, PEERS_SET, &c);
	say("h2", 0, PEERS_END, &c); /* numbers go round */
	say("h2", 0xffffffff, PEERS_SET, &c);
	assert_false(is_there());
	say("h2", 1, PEERS_SET, &c);
	assert_true(is_there());
}

/* Policy has changed: the connection ends here, while the other host says that it is in use. */
static void what_ended_here_is_not_brought_back(void **state)
{
	const struct sim_conn in_use = a_conn(true, SKEP_TCP_SYN | SKEP_TCP_ACK, SKEP_TCP_SYN | SKEP_TCP_ACK);
	const struct sim_conn fresh = a_conn(true, SKEP_TCP_SYN, 0);
	const struct sim_conn original = a_conn(false, SKEP_TCP_SYN, 0);

	(void)state;
	say("h2", 1, PEERS_SET, &in_use);
	assert_true(is_there());
	(void)sim_conns_del(tenant.conns, "vm1", &in_use.tuple);
	state_ended(&tenant, &in_use);
	say("h2", 2, PEERS_SET, &in_use);
	assert_false(is_there());
	say("h2", 3, PEERS_SET, &original); /* that one would have begun here */
	assert_false(is_there());
	say("h2", 4, PEERS_SET, &fresh); /* one that begins there */
	assert_true(is_there());
	say("h2", 5, PEERS_SET, &in_use); /* is answered */
	assert_true(is_there());
	assert_int_equal(n_put, 3);
}

/* --- acknowledgements --- */

static void only_what_was_taken_is_acknowledged(void **state)
{
	struct sim_conn c = a_conn(true, SKEP_TCP_SYN, 0);
	struct peers_head h = { .kind = PEERS_ITEMS, .epoch = '2', .seq = 9, .n_items = 2, .sender = "h2", .tenant = "t" };
	struct peers_item i = { .what = PEERS_SET, .conn = c };
	uint8_t bytes[DP_CONTROL_MAX];
	struct peers_buf b = { .p = bytes, .max = sizeof(bytes) };

	(void)state;
	say("h2", 1, PEERS_SET, &c);
	say("h2", 1, PEERS_SET, &c); /* again: its acknowledgement was lost */
	assert_int_equal(n_acks, 2);
	no_room = true;
	say("h2", 2, PEERS_SET, &c);
	no_room = false;
	assert_true(peers_put_head(&b, &h) && peers_put_item(&b, &i));
	state_received(&agent, bytes, b.n); /* one of the two is missing */
	state_received(&agent, bytes, b.n / 2);
	snprintf(c.port, sizeof(c.port), "vm9"); /* not here, or not yet */
	say("h2", 3, PEERS_SET, &c);
	assert_int_equal(n_acks, 2);
	say("h2", 4, PEERS_END, &c);
	assert_int_equal(n_acks, 3);
}

static void tell(const char *host)
{
	const struct sim_conn c = a_conn(true, SKEP_TCP_SYN, 0);

	state_put(&tenant, host, &c);
	state_flush(&agent);
}

static void answer(const char *sender, uint32_t epoch, uint32_t seq)
{
	struct peers_head h = { .kind = PEERS_ACK, .epoch = epoch, .seq = seq };
	uint8_t bytes[128];
	struct peers_buf b = { .p = bytes, .max = sizeof(bytes) };

	snprintf(h.sender, sizeof(h.sender), "%s", sender);
	assert_true(peers_put_head(&b, &h));
	state_received(&agent, bytes, b.n);
}

static void whoever_waits_hears_of_it_once(void **state)
{
	struct peers_head sent;

	(void)state;
	tell("h2");
	state_hold(&agent, HOLD);
	tell("h3"); /* for whom nobody waits */
	assert_int_equal(waits, 0);
	tell("h2");
	state_hold(&agent, 0);
	assert_int_equal(waits, 1);
	sent = last;
	tell("h2");
	assert_int_equal(waits, 1);
	answer("h2", last.epoch, last.seq); /* of another message */
	answer("h3", sent.epoch, sent.seq); /* of another host */
	answer("h2", sent.epoch + 1, sent.seq);
	assert_int_equal(told + untold, 0);
	answer("h2", sent.epoch, sent.seq);
	answer("h2", sent.epoch, sent.seq);
	assert_int_equal(told, 1);
	assert_int_equal(untold, 0);
}

static void what_is_never_acknowledged_is_given_up(void **state)
{
	uint64_t start = clock_mono_ns(), took;

	(void)state;
	state_hold(&agent, HOLD);
	tell("h2");
	state_hold(&agent, 0);
	while (!untold && clock_mono_ns() < start + 20 * NSEC_PER_SEC)
		assert_int_equal(loop_once(agent.loop, 100), 0);
	took = clock_mono_ns() - start;
	assert_int_equal(untold, 1);
	assert_int_equal(told, 0);
	assert_int_equal(n_sent, 13);
	assert_int_equal(agent.stats.state_resent, 12);
	assert_true(took > 900 * NSEC_PER_MSEC);
	assert_true(h2.silent);
	assert_int_equal(h2.unacked, 0);
	tell("h2");
	answer("h2", last.epoch, last.seq);
	assert_false(h2.silent);
}

/* A dead host leaves room for messages to others: half of what is left is theirs. */
static void one_host_does_not_take_all_the_room(void **state)
{
	(void)state;
	state_hold(&agent, HOLD);
	while (!unsure && n_sent < 100000)
		tell("h2");
	state_hold(&agent, 0);
	assert_true(h2.unacked > 1000);
	for (unsigned int i = 0; i < 1000; i++)
		tell("h3");
	assert_int_equal(h3.unacked, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_end_counts_once, begin, end),
		cmocka_unit_test_setup_teardown(a_late_end_is_that_of_the_one_before, begin, end),
		cmocka_unit_test_setup_teardown(what_was_said_before_the_end_does_not_count, begin, end),
		cmocka_unit_test_setup_teardown(what_ended_here_is_not_brought_back, begin, end),
		cmocka_unit_test_setup_teardown(only_what_was_taken_is_acknowledged, begin, end),
		cmocka_unit_test_setup_teardown(whoever_waits_hears_of_it_once, begin, end),
		cmocka_unit_test_setup_teardown(what_is_never_acknowledged_is_given_up, begin, end),
		cmocka_unit_test_setup_teardown(one_host_does_not_take_all_the_room, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
