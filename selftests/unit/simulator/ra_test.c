// SPDX-License-Identifier: Apache-2.0
/* Router advertisements: simulator/ra.c. */
#include "selftests/unit/simulator/services.h"

#define RS "eth " VM1 ">33:33:00:00:00:02 / ip fe80::1>ff02::2 ttl 255 / icmp6 133/0"

/* The option's n-th appearance in the advertisement; NULL = none. */
static const uint8_t *option(const struct pkt *p, uint8_t type, unsigned int n)
{
	uint32_t end = p->l3_off + p->l3_len, at = p->l4_off + 16U;

	while (at < end) {
		uint32_t size = p->data[at + 1] * 8U;

		assert_true(size && size <= end - at);
		if (p->data[at] == type && !n--)
			return p->data + at;
		at += size;
	}
	return NULL;
}

static void assert_ra(const struct pkt *p, uint8_t flags, uint16_t lifetime)
{
	const uint8_t *ra = p->data + p->l4_off;

	assert_int_equal(ra[0], 134);
	assert_int_equal(ra[1], 0);
	assert_int_equal(p->f.ip_ttl, 255);
	assert_int_equal(ra[4], 64);
	assert_int_equal(ra[5], flags);
	assert_int_equal(ra[6] << 8 | ra[7], lifetime);
}

static void solicited(void **state)
{
	struct services *x = services_new();
	struct skep_ip from = ip_of("fe80::aa:ff:fe00:1"), to = ip_of("fe80::1");
	struct skep_mac mac = mac_of(VM1), r1 = mac_of(R1);
	const uint8_t *o;
	struct pkt p;

	x->lone6.ra = TOPO_RA_NONE;
	x->net6.ra = TOPO_RA_SLAAC;
	x->net6.mtu = 1400;
	services_run(x, "vm1", RS, NULL, 0);
	p = services_answer(x, "vm1");	     /* in spite of chains that drop all */
	assert_true(x->res.frames[0].error); /* no faster than the port may cause answers */
	assert_ra(&p, 0, 3600);
	assert_true(ip_eq(&p.f.ip_src, &from) && ip_eq(&p.f.ip_dst, &to));
	assert_true(mac_eq(&p.f.eth_dst, &mac) && mac_eq(&p.f.eth_src, &r1));
	o = option(&p, 1, 0);
	assert_non_null(o);
	assert_memory_equal(o + 2, &r1, 6);
	o = option(&p, 3, 0);
	assert_non_null(o);
	assert_int_equal(o[2], 64);
	assert_int_equal(o[3], 0xc0);
	assert_memory_equal(o + 4, "\x00\x00\x0e\x10\x00\x00\x0e\x10", 8);
	assert_memory_equal(o + 16, &x->net6.prefix, 16);
	assert_null(option(&p, 3, 1));
	o = option(&p, 5, 0);
	assert_non_null(o);
	assert_memory_equal(o + 4, "\x00\x00\x05\x78", 4);
	o = option(&p, 25, 0);
	assert_non_null(o);
	assert_int_equal(o[1], 3);
	assert_memory_equal(o + 8, &x->dns[2], 16);
	o = option(&p, 31, 0);
	assert_non_null(o);
	assert_int_equal(o[1], 3);
	assert_memory_equal(o + 8,
			    "\x03web\x07"
			    "example\x00\x00\x00\x00",
			    16);
	services_free(x);
}

static void modes(void **state)
{
	static const struct {
		enum topo_ra ra;
		bool dhcp;
		uint8_t len, flags, prefix_flags;
	} t[] = {
		{ TOPO_RA_SLAAC, true, 64, 0, 0xc0 },
		{ TOPO_RA_STATELESS, true, 64, 0x40, 0xc0 },
		{ TOPO_RA_STATEFUL, true, 64, 0xc0, 0x80 },
		{ TOPO_RA_STATEFUL, false, 64, 0, 0x80 },
		{ TOPO_RA_SLAAC, true, 80, 0, 0x80 }, /* no address can be made of it */
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct services *x = services_new();
		struct pkt p;

		x->lone6.ra = TOPO_RA_NONE;
		x->net6.ra = t[i].ra;
		x->net6.dhcp = t[i].dhcp;
		x->net6.len = t[i].len;
		services_run(x, "vm1", RS, NULL, 0);
		p = services_answer(x, "vm1");
		assert_ra(&p, t[i].flags, 3600);
		assert_non_null(option(&p, 3, 0));
		assert_int_equal(option(&p, 3, 0)[3], t[i].prefix_flags);
		services_free(x);
	}
}

/* From an address that is none yet: to all nodes, and no link-layer option is allowed. */
static void from_nowhere(void **state)
{
	static const uint8_t slla[] = { 1, 1, 2, 0, 0, 0, 0, 1 };
	struct services *x = services_new();
	struct skep_ip all = ip_of("ff02::1");
	struct pkt p;

	x->lone6.ra = TOPO_RA_NONE;
	services_run(x, "vm1",
		     "eth " VM1 ">33:33:00:00:00:02 / ip6 ::>ff02::2 ttl 255 / icmp6 133/0", NULL,
		     0);
	p = services_answer(x, "vm1");
	assert_true(ip_eq(&p.f.ip_dst, &all));
	assert_int_equal(p.f.eth_dst.b[5], 1);
	services_run(x, "vm1",
		     "eth " VM1 ">33:33:00:00:00:02 / ip6 ::>ff02::2 ttl 255 / icmp6 133/0", slla,
		     8);
	assert_int_equal(x->res.n_frames, 0);
	services_free(x);
}

static void ignored(void **state)
{
	static const char *const lines[] = {
		"eth " VM1 ">33:33:00:00:00:02 / ip fe80::1>ff02::2 ttl 254 / icmp6 133/0",
		"eth " VM1 ">33:33:00:00:00:02 / ip fe80::1>ff02::2 ttl 255 / icmp6 133/1",
		"eth " VM1 ">33:33:00:00:00:02 vlan 5 / ip fe80::1>ff02::2 ttl 255 / icmp6 133/0",
		"eth 02:00:00:00:00:77>33:33:00:00:00:02 / ip fe80::1>ff02::2 ttl 255 / icmp6 133/0",
	};
	struct services *x = services_new();

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		services_run(x, "vm1", lines[i], NULL, 0);
		if (x->res.n_frames)
			fail_msg("%s: answered", lines[i]);
	}
	services_run(x, "vm1", RS, "\x01\x00\x00\x00\x00\x00\x00\x00",
		     8); /* an option of no length */
	assert_int_equal(x->res.n_frames, 0);
	services_run(x, "vm1", RS, "\x01\x02\x00\x00\x00\x00\x00\x00", 8); /* beyond the end */
	assert_int_equal(x->res.n_frames, 0);
	x->net6.ra = x->lone6.ra = TOPO_RA_NONE;
	services_run(x, "vm1", RS, NULL, 0);
	assert_int_equal(x->res.n_frames, 0);
	services_free(x);
}

/* Unasked: one for each router, by the first of its subnets; no default route where no router is.
 */
static void periodic(void **state)
{
	struct services *x = services_new();
	struct skep_ip all = ip_of("ff02::1");
	struct topo_subnet more = x->net6;
	struct topo_subnet *subnets[3] = { &x->lone6, &x->net6, &more };
	uint8_t buf[1500];
	const uint8_t *o;
	struct pkt p;
	uint32_t n;

	more.o.name = "net6b";
	more.prefix = ip_of("fd00:3::");
	more.domain = NULL;
	x->b->subnets = subnets;
	x->b->n_subnets = 3;
	assert_int_equal(sim_ra_build(&x->net, 0, buf, sizeof(buf)), 0);
	assert_int_equal(sim_ra_build(&more, 0, buf, sizeof(buf)), 0);
	assert_int_equal(sim_ra_build(&x->net6, 0, buf, 60), 0);
	n = sim_ra_build(&x->net6, 1400, buf, sizeof(buf));
	assert_int_equal(pkt_parse(buf, n, &p), SKEP_DROP_NONE);
	assert_true(pkt_csum_ok(&p) && ip_eq(&p.f.ip_dst, &all));
	assert_ra(&p, 0xc0, 3600);
	assert_non_null(option(&p, 3, 1));
	assert_memory_equal(option(&p, 3, 1) + 16, &more.prefix, 16);
	o = option(&p, 5, 0);
	assert_non_null(o);
	assert_memory_equal(o + 4, "\x00\x00\x05\x78", 4);
	n = sim_ra_build(&x->lone6, 1200, buf, sizeof(buf));
	assert_int_equal(pkt_parse(buf, n, &p), SKEP_DROP_NONE);
	assert_ra(&p, 0xc0, 0);
	assert_null(option(&p, 5, 0)); /* less than IPv6 needs */
	x->net6.lease_s = 86400;
	more.ra = TOPO_RA_NONE;
	n = sim_ra_build(&x->net6, 0, buf, sizeof(buf));
	assert_int_equal(pkt_parse(buf, n, &p), SKEP_DROP_NONE);
	assert_ra(&p, 0xc0, 9000);
	assert_null(option(&p, 3, 1));
	services_free(x);
}

/* RFC 4191: routes by the router itself, no others. */
static void routes(void **state)
{
	struct services *x = services_new();
	const uint8_t *o;
	struct pkt p;

	x->lone6.ra = TOPO_RA_NONE;
	x->routes6[0] = (struct topo_dhcp_route){ .dst = ip_of("fd00:9::"),
						  .len = 48,
						  .via = ip_of("fd00::1") };
	x->routes6[1] = (struct topo_dhcp_route){ .dst = ip_of("fd00:8::"),
						  .len = 48,
						  .via = ip_of("fd00::2") };
	x->net6.routes = x->routes6;
	x->net6.n_routes = 2;
	services_run(x, "vm1", RS, NULL, 0);
	p = services_answer(x, "vm1");
	o = option(&p, 24, 0);
	assert_non_null(o);
	assert_int_equal(o[1], 2);
	assert_int_equal(o[2], 48);
	assert_memory_equal(o + 8, "\xfd\x00\x00\x09\x00\x00\x00\x00", 8);
	assert_null(option(&p, 24, 1));
	services_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(solicited),	cmocka_unit_test(modes),
		cmocka_unit_test(from_nowhere), cmocka_unit_test(ignored),
		cmocka_unit_test(periodic),	cmocka_unit_test(routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
