// SPDX-License-Identifier: Apache-2.0
/* Packets larger than the way to the output port: simulator/mtu.c, where there is no router, and
 * for super-packets. */
#include "selftests/unit/simulator/services.h"

#define ANY "02:00:00:00:00:99"

static struct services *open_bridge(void)
{
	struct services *x = services_new();
	struct skep_mac mac = mac_of(ANY);

	x->b->n_subnets = 0;
	assert_true(sim_tables_set_mac(x->tables, "b", 0, &mac, "any", true, 1) >= 0);
	x->mtu = 1450;
	return x;
}

static void run_seg(struct services *x, const char *line, uint32_t data, uint32_t seg_len)
{
	struct err err = { 0 };
	char text[256];

	snprintf(text, sizeof(text), "%s / data %u", line, data);
	simtest_packet(text, x->frame, &x->pkt);
	x->pkt.seg_len = seg_len;
	if (sim_run(&x->sim, x->snap, &x->view.view, topo_find_port(x->snap, "vm2"), &x->pkt, 1, 7,
		    0, &x->res, &err))
		fail_msg("%s", err.text);
}

#define L2 "eth 02:00:00:00:00:02>" ANY

/* From the address that it was for, to who sent it: a bridge has none of its own. */
static void between_machines(void **state)
{
	struct services *x = open_bridge();
	struct skep_ip from = ip_of("192.168.7.99");
	struct pkt p;

	run_seg(x, L2 " / ip 192.168.7.12>192.168.7.99 df / udp 1>2", 1422, 0);
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_int_equal(x->res.mtu, 1450);
	assert_int_equal(x->res.fragment, 0);
	assert_true(x->res.cacheable);
	assert_true(x->res.mask.fields & SIM_FIELD_LEN);
	run_seg(x, L2 " / ip 192.168.7.12>192.168.7.99 df / udp 1>2", 1423, 0);
	assert_int_equal(x->res.verdict, SIM_DROP);
	assert_int_equal(x->res.reason, SKEP_DROP_TOO_BIG);
	assert_false(x->res.cacheable);
	assert_int_equal(x->res.n_frames, 1);
	assert_true(x->res.frames[0].error);
	assert_int_equal(pkt_parse(x->res.frames[0].data, x->res.frames[0].len, &p),
			 SKEP_DROP_NONE);
	assert_true(pkt_csum_ok(&p) && ip_eq(&p.f.ip_src, &from));
	assert_memory_equal(p.data + p.l4_off, "\x03\x04", 2);
	assert_memory_equal(p.data + p.l4_off + 6, "\x05\xaa", 2);
	run_seg(x, L2 " / ip 192.168.7.12>192.168.7.99 / udp 1>2", 1423, 0);
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_int_equal(x->res.fragment, 1450);
	assert_false(x->res.cacheable);
	/* no IP, no limit that we know of */
	run_seg(x, L2 " type 0x88b5", 1480, 0);
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_int_equal(x->res.mtu, 0);
	services_free(x);
}

static void segments_count(void **state)
{
	struct services *x = open_bridge();

	run_seg(x, L2 " / ip 192.168.7.12>192.168.7.99 df / tcp 1>2 A", 60000, 1450);
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_true(x->res.cacheable);
	run_seg(x, L2 " / ip 192.168.7.12>192.168.7.99 df / tcp 1>2 A", 60000, 1500);
	assert_int_equal(x->res.verdict, SIM_DROP);
	assert_int_equal(x->res.reason, SKEP_DROP_TOO_BIG);
	assert_int_equal(x->res.n_frames, 1);
	services_free(x);
}

/* RFC 8201: nobody believes less than 1280. */
static void least_mtu(void **state)
{
	struct services *x = open_bridge();
	struct pkt p;

	x->mtu = 1000;
	run_seg(x, L2 " / ip6 fd00::12>fd00::99 / udp 1>2", 1200, 0);
	assert_int_equal(x->res.n_frames, 1);
	assert_int_equal(pkt_parse(x->res.frames[0].data, x->res.frames[0].len, &p),
			 SKEP_DROP_NONE);
	assert_memory_equal(p.data + p.l4_off + 4, "\x00\x00\x05\x00", 4);
	x->mtu = 67; /* too little even for fragments */
	run_seg(x, L2 " / ip 192.168.7.12>192.168.7.99 / udp 1>2", 100, 0);
	assert_int_equal(x->res.verdict, SIM_DROP);
	assert_int_equal(x->res.reason, SKEP_DROP_TOO_BIG);
	services_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(between_machines),
		cmocka_unit_test(segments_count),
		cmocka_unit_test(least_mtu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
