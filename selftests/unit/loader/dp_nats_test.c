// SPDX-License-Identifier: Apache-2.0
/* Load balancers of the datapath layer: numbers and when they are given anew, tables, VIPs of ports, and the next process. */
#include <bpf/bpf.h>

#include "loader/dp_private.h"
#include "selftests/unit/loader/dp_rig.h"

static struct skep_nat nat_of(uint32_t n)
{
	struct skep_nat nat = { .router = 1, .member = n, .from_port = htons(80), .to_port = htons(8080) };

	nat.from = ip_from_v4(htonl(0xc0000201));
	nat.to = ip_from_v4(htonl(0x0a000000 + n));
	return nat;
}

static bool in_kernel(const struct skep_nat *nat, uint32_t id)
{
	struct skep_nat got;
	uint32_t number;

	return !bpf_map_lookup_elem(t.dp->map_fd[DP_MAP_NAT_IDS], nat, &number) && number == id &&
	       !bpf_map_lookup_elem(t.dp->map_fd[DP_MAP_NATS], &id, &got) && !memcmp(&got, nat, sizeof(got));
}

static void rounds(int n)
{
	while (n--)
		dp_nats_round(t.dp);
}

/* One translation has one number, while somebody holds it or records have it. */
static void test_numbers(void **state)
{
	struct skep_nat a = nat_of(1), b = nat_of(2), got;
	uint16_t id, other;

	NEED_ROOT();
	id = dp_nat_get(t.dp, &a);
	assert_int_not_equal(id, 0);
	assert_int_equal(dp_nat_number(t.dp, &a), id);
	assert_int_equal(dp_nat_find(t.dp, &a), id);
	assert_int_equal(dp_nat_find(t.dp, &b), 0);
	assert_true(in_kernel(&a, id));
	other = dp_nat_number(t.dp, &b);
	assert_int_not_equal(other, id);
	rounds(2);
	dp_nat_met(t.dp, other); /* a record has it */
	rounds(2);
	assert_true(dp_nat_read(t.dp, other, &got));
	assert_memory_equal(&got, &b, sizeof(b));
	rounds(1);
	assert_false(dp_nat_read(t.dp, other, &got));
	assert_false(in_kernel(&b, other));
	rounds(10);
	assert_true(dp_nat_read(t.dp, id, &got)); /* held */
	dp_nat_put(t.dp, id);
	rounds(3);
	assert_false(dp_nat_read(t.dp, id, &got));
	dp_nat_put(t.dp, id); /* once too often */
	dp_nat_put(t.dp, 0);
	dp_nat_met(t.dp, UINT16_MAX);
	assert_false(dp_nat_read(t.dp, UINT16_MAX, &got));
}

/* All are in use: there is none, until one is idle. */
static void test_numbers_run_out(void **state)
{
	struct skep_nat nat;
	uint16_t id = 0;

	NEED_ROOT();
	for (uint32_t i = 1; i < SKEP_NATS_MAX; i++) {
		nat = nat_of(i);
		id = dp_nat_get(t.dp, &nat);
		assert_int_not_equal(id, 0);
	}
	nat = nat_of(SKEP_NATS_MAX);
	assert_int_equal(dp_nat_get(t.dp, &nat), 0);
	dp_nat_put(t.dp, id);
	assert_int_equal(dp_nat_get(t.dp, &nat), 0);
	rounds(3);
	assert_int_equal(dp_nat_get(t.dp, &nat), 0); /* a record may have been made as it went */
	rounds(2);
	dp_nat_met(t.dp, id);
	rounds(2);
	assert_int_equal(dp_nat_get(t.dp, &nat), 0);
	rounds(1);
	assert_int_equal(dp_nat_get(t.dp, &nat), id);
}

static uint16_t slot(uint32_t first, uint32_t i)
{
	return t.dp->maglev[(first + i) / SKEP_MAGLEV_ROW].nat[(first + i) % SKEP_MAGLEV_ROW];
}

/* Tables lie one behind the other, and a gap is filled again. */
static void test_tables(void **state)
{
	enum { SIZE = 1021, HUGE = 262139 };
	uint16_t *v = calloc(HUGE, sizeof(*v));
	uint32_t a, b, c, d;

	NEED_ROOT();
	for (uint32_t i = 0; i < HUGE; i++)
		v[i] = (uint16_t)(i % 7 + 1);
	assert_int_equal(dp_maglev_put(t.dp, v, SIZE, &a), 0);
	assert_int_equal(dp_maglev_put(t.dp, v, SIZE, &b), 0);
	assert_int_equal(dp_maglev_put(t.dp, v, HUGE, &c), 0);
	assert_true(b >= a + SIZE && c >= b + SIZE);
	assert_int_equal(slot(a, 5), 6);
	assert_int_equal(slot(b, SIZE - 1), (SIZE - 1) % 7 + 1);
	assert_int_equal(dp_maglev_put(t.dp, v, HUGE, &d), -ENOSPC);
	dp_maglev_del(t.dp, b);
	assert_int_equal(dp_maglev_put(t.dp, v + 1, SIZE, &d), 0);
	assert_int_equal(d, b);
	assert_int_equal(slot(d, 5), 7);
	assert_int_equal(slot(c, 0), 1);
	assert_int_equal(dp_maglev_put(t.dp, v, 0, &d), -ENOSPC);
	dp_maglev_del(t.dp, 12345); /* none */
	free(v);
}

static struct skep_vip_key key_at(uint32_t port, uint16_t dport)
{
	return (struct skep_vip_key){ .port = port, .dst = ip_from_v4(htonl(0xc0000201)), .dport = htons(dport), .proto = 6 };
}

static bool has_vip(const struct skep_vip_key *key, uint32_t first)
{
	struct skep_vip vip;

	return !bpf_map_lookup_elem(t.dp->map_fd[DP_MAP_VIPS], key, &vip) && vip.first == first;
}

/* The next process: numbers stay, VIPs until the sweep unless they are asked for again. */
static void test_adopted(void **state)
{
	const uint16_t v[1021] = { 1, 2, 3 };
	struct skep_vip_key keep = key_at(KEY1, 80), gone = key_at(KEY1, 81), nobody = key_at(0x9999, 80);
	struct skep_vip vip = { .size = 1021 }, again = vip;
	struct skep_nat a = nat_of(1);
	uint32_t first, other;
	uint16_t id;

	NEED_ROOT();
	id = dp_nat_get(t.dp, &a);
	assert_int_equal(dp_maglev_put(t.dp, v, 1021, &vip.first), 0);
	assert_int_equal(dp_vip_put(t.dp, &keep, &vip), 0);
	assert_int_equal(dp_vip_put(t.dp, &gone, &vip), 0);
	assert_int_equal(dp_vip_put(t.dp, &nobody, &vip), -ENOENT);
	assert_true(t.dp->lports[dp_port_find(t.dp, KEY1)->lport].flags & SKEP_LPORT_VIP);
	dp_close(t.dp);
	t.dp = NULL;
	must_open();
	assert_int_equal(dp_nat_find(t.dp, &a), id);
	assert_true(has_vip(&keep, vip.first));
	assert_int_equal(dp_maglev_put(t.dp, v, 1021, &again.first), 0);
	assert_true(again.first >= vip.first + vip.size); /* not where packets still look */
	assert_int_equal(dp_vip_put(t.dp, &keep, &again), 0);
	assert_true(has_vip(&keep, again.first));
	assert_true(has_vip(&gone, vip.first));
	dp_sweep(t.dp);
	assert_true(has_vip(&keep, again.first));
	assert_false(has_vip(&gone, vip.first));
	assert_int_equal(dp_maglev_put(t.dp, v, 1021, &first), 0);
	assert_int_equal(first, vip.first); /* free again */
	assert_int_equal(dp_maglev_put(t.dp, v, 1021, &other), 0);
	assert_true(other >= again.first + again.size);
	dp_vip_del(t.dp, &keep);
	dp_vip_del(t.dp, &keep); /* twice */
	assert_false(has_vip(&keep, again.first));
}

/* Two ports have one VIP: its table is free when the last of them has asked again. */
static void test_shared_table(void **state)
{
	const uint16_t v[1021] = { 1, 2, 3 };
	struct skep_vip_key a = key_at(KEY1, 80), b = key_at(KEY2, 80);
	struct skep_vip vip = { .size = 1021 }, again = vip, other = vip, third = vip;

	NEED_ROOT();
	assert_int_equal(dp_maglev_put(t.dp, v, 1021, &vip.first), 0);
	assert_int_equal(dp_vip_put(t.dp, &a, &vip), 0);
	assert_int_equal(dp_vip_put(t.dp, &b, &vip), 0);
	dp_close(t.dp);
	t.dp = NULL;
	must_open();
	assert_int_equal(dp_maglev_put(t.dp, v, 1021, &again.first), 0);
	assert_int_equal(dp_vip_put(t.dp, &a, &again), 0);
	assert_int_equal(dp_maglev_put(t.dp, v, 1021, &other.first), 0);
	assert_int_not_equal(other.first, vip.first); /* the other port still looks there */
	assert_int_equal(dp_vip_put(t.dp, &b, &again), 0);
	assert_int_equal(dp_maglev_put(t.dp, v, 1021, &third.first), 0);
	assert_int_equal(third.first, vip.first);
	dp_sweep(t.dp);
	assert_true(has_vip(&a, again.first));
	assert_true(has_vip(&b, again.first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_numbers),
		TEST(test_numbers_run_out),
		TEST(test_tables),
		TEST(test_adopted),
		TEST(test_shared_table),
	};

	return cmocka_run_group_tests(tests, rig_up, rig_down);
}
