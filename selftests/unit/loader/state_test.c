// SPDX-License-Identifier: Apache-2.0
/* Messages between agents that arrive twice, late, or behind the end of what they are about.  What state.c calls is in this file. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "loader/agent.h"
#include "loader/peers.h"

static struct tenant tenant;
static unsigned int n_put;

uint32_t hosts_peer(void *agent, const char *name)
{
	(void)agent;
	return !strcmp(name, "h2") || !strcmp(name, "h3");
}

int dp_send_control(struct dp *dp, uint32_t peer, const void *data, uint32_t len)
{
	(void)dp;
	(void)peer;
	(void)data;
	(void)len;
	return 0;
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

void conns_remote_put(struct tenant *t, const struct sim_conn *conn, uint64_t last_ns)
{
	n_put++;
	assert_true(sim_conns_put(t->conns, conn, last_ns) >= 0);
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
	n_put = 0;
	agent.stats = (struct agent_stats){ 0 };
	return state_init(&agent);
}

static int end(void **state)
{
	(void)state;
	state_fini(&agent);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_end_counts_once, begin, end),
		cmocka_unit_test_setup_teardown(a_late_end_is_that_of_the_one_before, begin, end),
		cmocka_unit_test_setup_teardown(what_was_said_before_the_end_does_not_count, begin, end),
		cmocka_unit_test_setup_teardown(what_ended_here_is_not_brought_back, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
