// SPDX-License-Identifier: Apache-2.0
/* Questions of machines while skepd is away: what it has told before is answered byte for byte as it would, all else is dropped; and while it is
 * there, it is asked. */
#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "packet/packet.h"
#include "selftests/lib/bpfrun.h"
#include "util/cleanup.h"

#define NA_FLAGS 0xe0
#define POLICER	 3

static struct bpfrun *run;
static struct bpfrun_result res;

static const struct skep_mac asker = { { 0x02, 0, 0, 0, 0, 1 } }, owner = { { 0x02, 0, 0, 0, 0, 2 } };
static const struct skep_mac other = { { 0x02, 0, 0, 0, 0, 3 } }, all = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
static struct skep_ip asker4, owner4, asker6, owner6;

struct frame {
	uint8_t data[512];
	uint32_t len;
};

static void agent(bool lives)
{
	struct skep_config cfg;
	uint32_t zero = 0;

	assert_int_equal(bpfrun_get(run, "skep_config", &zero, &cfg), 0);
	cfg.agent_seen_ns = lives ? UINT64_MAX >> 1 : 0;
	assert_int_equal(bpfrun_put(run, "skep_config", &zero, &cfg), 0);
}

static void known(const struct skep_ip *src, const struct skep_ip *target, __be16 vlan, uint8_t flags)
{
	struct skep_answer_key key = { .in_key = BPFRUN_KEY, .eth_src = asker, .vlan = vlan, .src = *src, .target = *target };
	struct skep_answer a = { .mac = owner, .flags = flags };

	assert_int_equal(bpfrun_put(run, "skep_answers", &key, &a), 0);
}

static int setup(void **state)
{
	struct err err = { 0 };

	(void)state;
	run = bpfrun_open(&err);
	if (!run) {
		print_error("%s\n", err.text);
		return -1;
	}
	ip_parse("10.0.0.1", &asker4);
	ip_parse("10.0.0.2", &owner4);
	ip_parse("fd00::1", &asker6);
	ip_parse("fd00::a2:b2c2", &owner6);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bpfrun_close(run);
	return 0;
}

static int fresh(void **state)
{
	const __be16 tagged = htons(7 | PKT_VLAN_PRESENT);

	(void)state;
	agent(false);
	known(&asker4, &owner4, 0, 0);
	known(&asker4, &owner4, tagged, 0);
	known(&asker6, &owner6, 0, NA_FLAGS);
	known(&asker6, &owner6, tagged, NA_FLAGS);
	return 0;
}

/* --- frames --- */

static void tag(struct frame *f, uint16_t tpid, uint16_t tci)
{
	const uint8_t t[4] = { (uint8_t)(tpid >> 8), (uint8_t)tpid, (uint8_t)(tci >> 8), (uint8_t)tci };

	memmove(f->data + 16, f->data + 12, f->len - 12);
	memcpy(f->data + 12, t, sizeof(t));
	f->len += 4;
}

static struct frame arp_request(const struct skep_mac *dst)
{
	struct frame f = { 0 };

	f.len = pkt_build_arp(f.data, sizeof(f.data), 1, dst, &asker, &asker4, NULL, &owner4);
	return f;
}

static struct frame arp_reply(void)
{
	struct frame f = { 0 };

	f.len = pkt_build_arp(f.data, sizeof(f.data), 2, &asker, &owner, &owner4, &asker, &asker4);
	return f;
}

static struct frame solicitation(void)
{
	struct frame f = { 0 };

	f.len = pkt_build_ns(f.data, sizeof(f.data), &asker, &asker6, &owner6);
	return f;
}

static struct frame advertisement(uint8_t flags)
{
	struct frame f = { 0 };

	f.len = pkt_build_na(f.data, sizeof(f.data), &asker, &owner, &owner6, &asker6, &owner6, flags);
	return f;
}

/* To the owner alone, as machines look whether a neighbour is still there. */
static struct frame probe6(void)
{
	struct frame f = solicitation();

	memcpy(f.data, &owner, 6);
	memcpy(f.data + 14 + 24, &owner6, 16);
	return f;
}

/* Without its option: 24 bytes of ICMPv6. */
static void without_option(struct frame *f)
{
	f->len -= 8;
	f->data[14 + 5] = 24;
}

/* --- what becomes of them --- */

static void ask(const struct frame *q)
{
	assert_int_equal(bpfrun_run(run, BPFRUN_PORT, q->data, q->len, &res), 0);
}

static void answered(const struct frame *q, const struct frame *want)
{
	uint64_t before = bpfrun_counter(run, SKEP_CNT_ANSWER);

	ask(q);
	assert_int_equal(res.drop, SKEP_DROP_NONE);
	assert_int_equal(res.action, TC_ACT_REDIRECT);
	assert_int_equal(res.len, want->len);
	assert_memory_equal(res.data, want->data, want->len);
	assert_int_equal(bpfrun_counter(run, SKEP_CNT_ANSWER), before + 1);
}

static void refused(const struct frame *q)
{
	uint64_t before = bpfrun_counter(run, SKEP_CNT_ANSWER);

	ask(q);
	assert_int_equal(res.drop, SKEP_DROP_NO_AGENT);
	assert_int_equal(res.action, TC_ACT_SHOT);
	assert_int_equal(bpfrun_counter(run, SKEP_CNT_ANSWER), before);
}

/* --- tests --- */

static void test_arp(void **state)
{
	struct frame q = arp_request(&all), want = arp_reply();

	(void)state;
	answered(&q, &want);
	q = arp_request(&owner);
	answered(&q, &want);
	q = arp_request(&all); /* padded as on a wire, and one byte longer than the answer */
	q.len = 60;
	answered(&q, &want);
	q.len = want.len + 1;
	answered(&q, &want);
}

static void test_nd(void **state)
{
	struct frame q = solicitation(), want = advertisement(NA_FLAGS);

	(void)state;
	answered(&q, &want);
	q = probe6();
	answered(&q, &want);
	without_option(&q); /* need not be there */
	answered(&q, &want);
	q = solicitation();
	q.len += 10; /* padding */
	answered(&q, &want);
	known(&asker6, &owner6, 0, 0x60); /* no router */
	want = advertisement(0x60);
	answered(&q, &want);
}

/* Whatever the sum of the answer's words is: addresses of which one bit after the other is set. */
static void test_checksums(void **state)
{
	struct skep_ip was = owner6;

	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		struct frame q, want;

		ip_parse("fd00::", &owner6);
		owner6.w[2 + bit / 32] ^= htonl(1u << bit % 32);
		known(&asker6, &owner6, 0, NA_FLAGS);
		q = solicitation();
		want = advertisement(NA_FLAGS);
		answered(&q, &want);
	}
	for (unsigned int n = 0; n < 0x10000; n += 0x101) { /* and some that come near to 0 and 0xffff */
		struct frame q, want;

		ip_parse("fd00::", &owner6);
		owner6.w[3] = htonl(n);
		known(&asker6, &owner6, 0, NA_FLAGS);
		q = solicitation();
		want = advertisement(NA_FLAGS);
		answered(&q, &want);
	}
	owner6 = was;
}

static void test_tagged(void **state)
{
	struct frame q[2] = { arp_request(&all), solicitation() }, want[2] = { arp_reply(), advertisement(NA_FLAGS) }, wrong;

	(void)state;
	for (int i = 0; i < 2; i++) {
		wrong = q[i];
		tag(&q[i], 0x8100, 7);
		tag(&want[i], 0x8100, 7);
		answered(&q[i], &want[i]);
		tag(&wrong, 0x8100, 8); /* another VLAN */
		refused(&wrong);
		wrong.data[15] = 7;
		wrong.data[12] = 0x88, wrong.data[13] = 0xa8; /* a tag that skepd would not send */
		refused(&wrong);
	}
}

static void test_agent_is_there(void **state)
{
	struct frame q[] = { arp_request(&all), arp_request(&owner), solicitation(), probe6() };
	uint64_t before = bpfrun_counter(run, SKEP_CNT_ANSWER), up = bpfrun_counter(run, SKEP_CNT_UPCALL);

	(void)state;
	agent(true);
	for (unsigned int i = 0; i < ARRAY_SIZE(q); i++) {
		ask(&q[i]);
		assert_int_equal(res.drop, SKEP_DROP_NONE);
		assert_int_equal(res.len, q[i].len + sizeof(struct skep_upcall));
		assert_memory_equal(res.data + sizeof(struct skep_upcall), q[i].data, q[i].len);
	}
	assert_int_equal(bpfrun_counter(run, SKEP_CNT_ANSWER), before);
	assert_int_equal(bpfrun_counter(run, SKEP_CNT_UPCALL), up + ARRAY_SIZE(q));
}

/* Who asks, from where, for what: each has to be as it was when skepd answered. */
static void test_others(void **state)
{
	struct frame q = arp_request(&all);

	(void)state;
	memcpy(q.data + 6, &other, 6);
	memcpy(q.data + 22, &other, 6); /* another machine */
	refused(&q);
	q = arp_request(&all);
	memcpy(q.data + 22, &other, 6); /* that claims to be another one */
	refused(&q);
	q = arp_request(&all);
	q.data[31] = 9; /* from another address */
	refused(&q);
	q = arp_request(&all);
	q.data[41] = 9; /* for another one */
	refused(&q);
	q = arp_request(&other); /* of another neighbour */
	refused(&q);
	q = solicitation();
	memcpy(q.data + 6, &other, 6);
	refused(&q);
	q = solicitation();
	q.data[q.len - 1] = 9; /* the option names another one */
	refused(&q);
	q = solicitation();
	q.data[14 + 8 + 15] = 9; /* another source */
	refused(&q);
	q = solicitation();
	q.data[14 + 40 + 8 + 15] ^= 1; /* another target than the group's */
	refused(&q);
	q = probe6();
	memcpy(q.data, &other, 6);
	refused(&q);
	q = probe6();
	q.data[14 + 24 + 15] ^= 1; /* to another address of the neighbour's */
	refused(&q);
}

/* Nobody has the address yet: who asks must not be told that somebody has. */
static void test_probes_and_announcements(void **state)
{
	struct frame q = arp_request(&all);
	struct skep_ip none = { 0 };

	(void)state;
	memset(q.data + 28, 0, 4);
	refused(&q);
	memcpy(q.data + 28, q.data + 38, 4);
	refused(&q);
	q.len = pkt_build_ns(q.data, sizeof(q.data), &asker, &none, &owner6);
	refused(&q);
}

static void test_malformed_arp(void **state)
{
	static const struct {
		unsigned int at;
		uint8_t value;
	} wrong[] = { { 14, 1 }, { 15, 6 }, { 16, 0x86 }, { 17, 6 }, { 18, 8 }, { 19, 16 }, { 20, 1 }, { 21, 2 }, { 21, 3 } };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct frame q = arp_request(&all);

		q.data[wrong[i].at] = wrong[i].value;
		refused(&q);
	}
}

static void test_malformed_nd(void **state)
{
	enum { IP = 14, ND = IP + 40 };
	static const struct {
		unsigned int at;
		uint8_t value;
	} wrong[] = { { IP + 7, 254 },	       /* came through a router */
		      { ND, 133 }, { ND, 134 }, { ND, 136 }, /* another message */
		      { ND + 1, 1 },	       /* code */
		      { ND + 8, 0xff },	       /* a multicast target */
		      { ND + 24, 2 }, { ND + 25, 2 }, { ND + 25, 0 }, /* another option */
		      { IP + 5, 31 }, { IP + 5, 25 } };		      /* cut off */
	struct frame q;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
		q = solicitation();
		q.data[wrong[i].at] = wrong[i].value;
		refused(&q);
	}
	q = solicitation(); /* behind an extension header: hop-by-hop, padding */
	memmove(q.data + ND + 8, q.data + ND, 32);
	memcpy(q.data + ND, (uint8_t[]){ 58, 0, 1, 4, 0, 0, 0, 0 }, 8);
	q.data[IP + 6] = 0;
	q.data[IP + 5] = 40;
	q.len += 8;
	refused(&q);
	q = solicitation(); /* two options */
	memcpy(q.data + q.len, (uint8_t[]){ 14, 1, 1, 2, 3, 4, 5, 6 }, 8);
	q.data[IP + 5] = 40;
	q.len += 8;
	refused(&q);
}

/* What the port may be sent holds for answers too. */
static void test_policed(void **state)
{
	struct skep_port port = { .kind = SKEP_PORT_LOCAL, .ifindex = 1, .police = POLICER, .set = BPFRUN_LPORT };
	struct skep_policer pol = { .tat_ns = UINT64_MAX >> 1, .ps_per_byte = 1000 };
	struct frame q = arp_request(&all), want = arp_reply();
	uint32_t key = BPFRUN_KEY, index = POLICER;

	(void)state;
	assert_int_equal(bpfrun_put(run, "skep_policers", &index, &pol), 0);
	assert_int_equal(bpfrun_put(run, "skep_ports", &key, &port), 0);
	ask(&q);
	assert_int_equal(res.drop, SKEP_DROP_POLICED);
	pol = (struct skep_policer){ .ps_per_byte = 1000, .burst_ns = 1000000 };
	assert_int_equal(bpfrun_put(run, "skep_policers", &index, &pol), 0);
	answered(&q, &want);
	assert_int_equal(bpfrun_del(run, "skep_ports", &key), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup(fn, fresh)
	const struct CMUnitTest tests[] = {
		TEST(test_arp),		 TEST(test_nd),	     TEST(test_checksums),
		TEST(test_tagged),	 TEST(test_agent_is_there), TEST(test_others),
		TEST(test_probes_and_announcements), TEST(test_malformed_arp), TEST(test_malformed_nd),
		TEST(test_policed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
