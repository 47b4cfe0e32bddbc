// SPDX-License-Identifier: Apache-2.0
/* DHCPv4: simulator/dhcp4.c.  Numbers DH* are those of the acceptance list. */
#include "selftests/unit/simulator/services.h"

#define LINE "eth " VM1 ">" BCAST " / ip 0.0.0.0>255.255.255.255 / udp 68>67"

struct ask {
	uint8_t b[1024];
	uint32_t n;
};

static struct ask ask(uint8_t type, const char *chaddr)
{
	struct ask a = { .n = 243 };
	struct skep_mac mac = mac_of(chaddr);

	a.b[0] = 1;
	a.b[1] = 1;
	a.b[2] = 6;
	memcpy(a.b + 4, "\x12\x34\x56\x78", 4);
	memcpy(a.b + 28, &mac, 6);
	memcpy(a.b + 236, "\x63\x82\x53\x63\x35\x01", 6);
	a.b[242] = type;
	return a;
}

static void add(struct ask *a, uint8_t code, const void *v, uint8_t len)
{
	a->b[a->n++] = code;
	a->b[a->n++] = len;
	memcpy(a->b + a->n, v, len);
	a->n += len;
}

static void add_ip(struct ask *a, uint8_t code, const char *ip)
{
	struct skep_ip v = ip_of(ip);

	add(a, code, &v.w[3], 4);
}

static void run(struct services *x, const char *port, const char *line, const struct ask *a)
{
	struct ask whole = *a;

	whole.b[whole.n++] = 255;
	services_run(x, port, line, whole.b, whole.n);
}

/* The option of the answer, put together from all of its parts; -1 = none. */
static int option(const struct pkt *p, uint8_t code, uint8_t out[static 2048])
{
	const uint8_t *d = p->data + p->payload_off;
	uint32_t len = p->l3_off + p->l3_len - p->payload_off, at = 240;
	int n = -1;

	assert_true(len >= 300);
	while (at < len && d[at] != 255) {
		if (d[at] == 0) {
			at++;
			continue;
		}
		assert_true(at + 2 + d[at + 1] < len); /* the end mark is behind it */
		if (d[at] == code) {
			n = n < 0 ? 0 : n;
			memcpy(out + n, d + at + 2, d[at + 1]);
			n += d[at + 1];
		}
		at += 2U + d[at + 1];
	}
	assert_true(at < len);
	return n;
}

static void assert_option(const struct pkt *p, uint8_t code, const void *want, int len)
{
	uint8_t v[2048];
	int n = option(p, code, v);

	if (n != len)
		fail_msg("option %u: %d bytes, want %d", code, n, len);
	if (len > 0 && memcmp(v, want, (size_t)len))
		fail_msg("option %u differs", code);
}

static void assert_none(const struct pkt *p, uint8_t code)
{
	assert_option(p, code, NULL, -1);
}

static uint8_t type_of(const struct pkt *p)
{
	uint8_t v[2048];

	assert_int_equal(option(p, 53, v), 1);
	return v[0];
}

static void assert_yiaddr(const struct pkt *p, const char *ip)
{
	struct skep_ip v = ip_of(ip);

	assert_memory_equal(p->data + p->payload_off + 16, &v.w[3], 4);
}

/* DH8: in spite of chains that drop all */
static void discover(void **state)
{
	struct services *x = services_new();
	struct ask a = ask(1, VM1);
	struct pkt p;
	struct skep_ip yi = ip_of("10.0.0.11"), server = ip_of("10.0.0.1");
	struct skep_mac mac = mac_of(VM1), r1 = mac_of(R1);

	add(&a, 61, "\x01\x02\x00\x00\x00\x00\x01", 7);
	run(x, "vm1", LINE, &a);
	p = services_answer(x, "vm1");
	assert_int_equal(type_of(&p), 2);
	assert_true(ip_eq(&p.f.ip_dst, &yi) && ip_eq(&p.f.ip_src, &server));
	assert_true(mac_eq(&p.f.eth_dst, &mac) && mac_eq(&p.f.eth_src, &r1));
	assert_int_equal(ntohs(p.f.l4_src), 67);
	assert_int_equal(ntohs(p.f.l4_dst), 68);
	assert_memory_equal(p.data + p.payload_off, "\x02\x01\x06\x00\x12\x34\x56\x78", 8);
	assert_yiaddr(&p, "10.0.0.11");
	assert_option(&p, 54, "\x0a\x00\x00\x01", 4);
	assert_option(&p, 51, "\x00\x00\x0e\x10", 4);
	assert_option(&p, 58, "\x00\x00\x07\x08", 4);
	assert_option(&p, 59, "\x00\x00\x0c\x4e", 4);
	assert_option(&p, 1, "\xff\xff\xff\x00", 4);
	assert_option(&p, 3, "\x0a\x00\x00\x01", 4);
	assert_option(&p, 6, "\x0a\x09\x09\x09\x0a\x09\x09\x0a", 8);
	assert_option(&p, 15, "web.example", 11);
	assert_option(&p, 42, "\x0a\x09\x09\x14", 4);
	assert_option(&p, 61, "\x01\x02\x00\x00\x00\x00\x01", 7);
	assert_none(&p, 26);
	assert_none(&p, 119);
	assert_none(&p, 121);
	assert_false(x->res.frames[0].error);
	services_free(x);
}

static void broadcast_flag(void **state)
{
	struct services *x = services_new();
	struct ask a = ask(1, VM1);
	struct pkt p;

	a.b[10] = 0x80;
	run(x, "vm1", LINE, &a);
	p = services_answer(x, "vm1");
	assert_true(mac_is_broadcast(&p.f.eth_dst) && ip_is_broadcast(&p.f.ip_dst));
	assert_int_equal(p.data[p.payload_off + 10], 0x80);
	services_free(x);
}

/* Only what was asked for, besides what makes a lease. */
static void asked_options(void **state)
{
	struct services *x = services_new();
	struct ask a = ask(1, VM1);
	struct pkt p;

	add(&a, 55, "\x01\x77", 2);
	add(&a, 55, "\x06", 1); /* RFC 3396: goes on here */
	run(x, "vm1", LINE, &a);
	p = services_answer(x, "vm1");
	assert_option(&p, 1, "\xff\xff\xff\x00", 4);
	assert_option(&p, 6, "\x0a\x09\x09\x09\x0a\x09\x09\x0a", 8);
	assert_option(&p, 119,
		      "\x03web\x07"
		      "example\x00",
		      13);
	assert_option(&p, 51, "\x00\x00\x0e\x10", 4);
	assert_none(&p, 3);
	assert_none(&p, 15);
	assert_none(&p, 42);
	services_free(x);
}

/* DH5 */
static void mtu(void **state)
{
	static const struct {
		uint16_t subnet;
		uint32_t port;
		const char *want;
	} t[] = {
		{ 0, 0, NULL },
		{ 1400, 0, "\x05\x78" },
		{ 0, 1450, "\x05\xaa" },
		{ 1400, 1450, "\x05\x78" },
		{ 1500, 1450, "\x05\xaa" },
		{ 0, 100000, "\xff\xff" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct services *x = services_new();
		struct ask a = ask(1, VM1);
		struct pkt p;

		x->net.mtu = t[i].subnet;
		x->mtu = t[i].port;
		run(x, "vm1", LINE, &a);
		p = services_answer(x, "vm1");
		assert_option(&p, 26, t[i].want, t[i].want ? 2 : -1);
		services_free(x);
	}
}

/* RFC 3442: option 121 has the default route too. */
static void routes(void **state)
{
	struct services *x = services_new();
	struct ask a = ask(1, VM1);
	struct pkt p;

	x->routes[0] = (struct topo_dhcp_route){ .dst = ip_of("169.254.169.254"),
						 .via = ip_of("10.0.0.2"),
						 .len = 32 };
	x->routes[1] = (struct topo_dhcp_route){ .dst = ip_of("172.16.0.0"),
						 .via = ip_of("10.0.0.3"),
						 .len = 12 };
	x->net.routes = x->routes;
	x->net.n_routes = 2;
	run(x, "vm1", LINE, &a);
	p = services_answer(x, "vm1");
	assert_option(&p, 121,
		      "\x20\xa9\xfe\xa9\xfe\x0a\x00\x00\x02"
		      "\x0c\xac\x10\x0a\x00\x00\x03"
		      "\x00\x0a\x00\x00\x01",
		      9 + 7 + 5);
	services_free(x);
}

/* Configured options win, long ones go on (RFC 3396), and those of the protocol itself stay what
 * they are. */
static void custom_options(void **state)
{
	static uint8_t big[300];
	struct services *x = services_new();
	struct ask a = ask(1, VM1);
	struct pkt p;

	memset(big, 'x', sizeof(big));
	x->options[0] =
		(struct topo_dhcp_option){ .code = 15, .len = 3, .data = (const uint8_t *)"own" };
	x->options[1] = (struct topo_dhcp_option){ .code = 54,
						   .len = 4,
						   .data = (const uint8_t *)"\1\2\3\4" };
	x->options[2] = (struct topo_dhcp_option){ .code = 224, .len = 300, .data = big };
	x->net.options = x->options;
	x->net.n_options = 3;
	add(&a, 57, "\x05\xdc", 2);
	run(x, "vm1", LINE, &a);
	p = services_answer(x, "vm1");
	assert_option(&p, 15, "own", 3);
	assert_option(&p, 54, "\x0a\x00\x00\x01", 4);
	assert_option(&p, 224, big, 300);
	/* a client of small messages gets what fits, whole options only */
	a = ask(1, VM1);
	run(x, "vm1", LINE, &a);
	p = services_answer(x, "vm1");
	assert_true(p.l3_len <= 576);
	assert_none(&p, 224);
	assert_option(&p, 15, "own", 3);
	services_free(x);
}

/* DH2, and the other ways to ask for an address */
static void request(void **state)
{
	static const struct {
		const char *option50, *option54, *ciaddr;
		const char *line; /* NULL: LINE */
		int type;	  /* 0 = not answered */
	} t[] = {
		{ "10.0.0.11", "10.0.0.1", NULL, NULL, 5 },
		{ "10.0.0.12", "10.0.0.1", NULL, NULL, 6 },
		{ "10.0.0.11", "10.0.0.9", NULL, NULL, 0 },
		{ "10.0.0.12", "10.0.0.9", NULL, NULL, 0 },
		{ "10.0.0.11", NULL, NULL, NULL, 5 }, /* init-reboot */
		{ "192.168.1.5", NULL, NULL, NULL, 6 },
		{ NULL, NULL, "10.0.0.11", "eth " VM1 ">" R1 " / ip 10.0.0.11>10.0.0.1 / udp 68>67",
		  5 }, /* renewing */
		{ NULL, NULL, "10.0.0.11",
		  "eth " VM1 ">" BCAST " / ip 10.0.0.11>255.255.255.255 / udp 68>67", 5 },
		{ NULL, NULL, "10.0.0.11",
		  "eth " VM1 ">" R1 " / ip 10.0.0.11>10.0.0.99 / udp 68>67",
		  0 }, /* of another server */
		{ NULL, NULL, "10.0.0.12", NULL, 6 },
		{ NULL, NULL, NULL, NULL, 0 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct services *x = services_new();
		struct ask a = ask(3, VM1);
		struct pkt p;

		if (t[i].option50)
			add_ip(&a, 50, t[i].option50);
		if (t[i].option54)
			add_ip(&a, 54, t[i].option54);
		if (t[i].ciaddr) {
			struct skep_ip c = ip_of(t[i].ciaddr);

			memcpy(a.b + 12, &c.w[3], 4);
		}
		run(x, "vm1", t[i].line ? t[i].line : LINE, &a);
		if (!t[i].type) {
			if (x->res.n_frames || x->res.verdict == SIM_CONSUMED)
				fail_msg("case %zu answered", i);
			services_free(x);
			continue;
		}
		p = services_answer(x, "vm1");
		if (type_of(&p) != t[i].type)
			fail_msg("case %zu: type %u, want %d", i, type_of(&p), t[i].type);
		if (t[i].type == 6) {
			assert_true(mac_is_broadcast(&p.f.eth_dst) && ip_is_broadcast(&p.f.ip_dst));
			assert_none(&p, 51);
			assert_yiaddr(&p, "0.0.0.0");
		} else {
			assert_yiaddr(&p, "10.0.0.11");
			assert_option(&p, 51, "\x00\x00\x0e\x10", 4);
		}
		services_free(x);
	}
}

static void inform_release_decline(void **state)
{
	struct services *x = services_new();
	struct skep_ip c = ip_of("10.0.0.11");
	struct ask a = ask(8, VM1);
	struct pkt p;

	memcpy(a.b + 12, &c.w[3], 4);
	run(x, "vm1", LINE, &a);
	p = services_answer(x, "vm1");
	assert_int_equal(type_of(&p), 5);
	assert_none(&p, 51);
	assert_none(&p, 58);
	assert_yiaddr(&p, "0.0.0.0");
	assert_true(ip_eq(&p.f.ip_dst, &c));
	for (uint8_t type = 4; type <= 7; type += 3) {
		a = ask(type, VM1);
		run(x, "vm1", LINE, &a);
		assert_int_equal(x->res.verdict, SIM_CONSUMED);
		assert_int_equal(x->res.n_frames, 0);
	}
	services_free(x);
}

/* DH3, relays, other types, somebody else's address: the bridge's business like any broadcast. */
static void not_answered(void **state)
{
	struct services *x = services_new();
	struct skep_ip relay = ip_of("10.0.0.77");
	struct ask a = ask(1, "02:00:00:00:00:99");

	run(x, "any", "eth 02:00:00:00:00:99>" BCAST " / ip 0.0.0.0>255.255.255.255 / udp 68>67",
	    &a);
	assert_int_equal(x->res.verdict, SIM_FORWARD);
	assert_int_equal(x->res.n_frames, 0);
	assert_false(x->res.cacheable);	 /* another one of the same flow key may be known */
	a = ask(1, "02:00:00:00:00:02"); /* vm2's: not behind this port, and not the sender's */
	run(x, "any", "eth 02:00:00:00:00:99>" BCAST " / ip 0.0.0.0>255.255.255.255 / udp 68>67",
	    &a);
	assert_int_equal(x->res.n_frames, 0);
	run(x, "vm1", "eth 02:00:00:00:00:02>" BCAST " / ip 0.0.0.0>255.255.255.255 / udp 68>67",
	    &a);
	assert_int_equal(x->res.verdict, SIM_DROP);
	assert_int_equal(x->res.reason, SKEP_DROP_SPOOF);
	a = ask(1, VM1);
	memcpy(a.b + 24, &relay.w[3], 4);
	run(x, "vm1", LINE, &a);
	assert_int_equal(x->res.reason, SKEP_DROP_POLICY); /* went on to the port's chain */
	for (uint8_t type = 0; type < 20; type++) {
		if (type == 1 || (type >= 3 && type <= 4) || type == 7 || type == 8)
			continue;
		a = ask(type, VM1);
		run(x, "vm1", LINE, &a);
		assert_int_equal(x->res.n_frames, 0);
		assert_int_equal(x->res.verdict, SIM_DROP);
	}
	a = ask(1, VM1);
	run(x, "vm1", "eth " VM1 ">" BCAST " vlan 5 / ip 0.0.0.0>255.255.255.255 / udp 68>67", &a);
	assert_int_equal(x->res.n_frames, 0);
	run(x, "vm1", "eth " VM1 ">" BCAST " / ip 0.0.0.0>255.255.255.255 / udp 67>67", &a);
	assert_int_equal(x->res.n_frames, 0);
	x->net.dhcp = false;
	run(x, "vm1", LINE, &a);
	assert_int_equal(x->res.n_frames, 0);
	services_free(x);
}

/* DH6: each machine gets the configuration of its address's subnet, or of the one that lists it. */
static void two_subnets(void **state)
{
	struct services *x = services_new();
	struct ask a = ask(1, "02:00:00:00:00:02");
	struct skep_mac derived;
	struct pkt p;

	run(x, "vm2", "eth 02:00:00:00:00:02>" BCAST " / ip 0.0.0.0>255.255.255.255 / udp 68>67",
	    &a);
	p = services_answer(x, "vm2");
	assert_yiaddr(&p, "192.168.7.12");
	assert_option(&p, 54, "\xc0\xa8\x07\x02", 4);
	assert_none(&p, 3);
	derived = p.f.eth_src;
	assert_int_equal(derived.b[0], 2);
	x->hosts[0] = (struct topo_dhcp_host){ .mac = mac_of("02:00:00:00:00:99"),
					       .ip = ip_of("10.0.0.99"),
					       .hostname = "nine" };
	x->net.hosts = x->hosts;
	x->net.n_hosts = 1;
	a = ask(1, "02:00:00:00:00:99");
	run(x, "any", "eth 02:00:00:00:00:99>" BCAST " / ip 0.0.0.0>255.255.255.255 / udp 68>67",
	    &a);
	p = services_answer(x, "any");
	assert_yiaddr(&p, "10.0.0.99");
	assert_option(&p, 12, "nine", 4);
	/* the server's address is answered for where nobody has it: renewals are sent there */
	services_run(x, "vm2",
		     "eth 02:00:00:00:00:02>" BCAST " / arp request 192.168.7.12>192.168.7.2", NULL,
		     0);
	p = services_answer(x, "vm2");
	assert_true(mac_eq(&p.f.arp_sha, &derived));
	services_free(x);
}

/* Every prefix of a message, and every value of every byte of its lengths: nothing is read beyond.
 */
static void lies(void **state)
{
	struct services *x = services_new();
	struct ask a = ask(1, VM1);

	add(&a, 61, "\x01\x02\x00\x00\x00\x00\x01", 7);
	add(&a, 55, "\x01\x03\x06", 3);
	add(&a, 57, "\x00\x01", 2); /* smaller than any message may be */
	for (uint32_t n = 0; n <= a.n; n++) {
		services_run(x, "vm1", LINE, a.b, n);
		assert_true(x->res.n_frames <= 1);
	}
	for (uint32_t at = 240; at < a.n; at++)
		for (unsigned int v = 0; v < 256; v++) {
			struct ask lie = a;

			lie.b[at] = (uint8_t)v;
			services_run(x, "vm1", LINE, lie.b, lie.n);
			if (x->res.n_frames)
				assert_true(x->res.frames[0].len <= 14 + 576);
		}
	services_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(discover),	 cmocka_unit_test(broadcast_flag),
		cmocka_unit_test(asked_options), cmocka_unit_test(mtu),
		cmocka_unit_test(routes),	 cmocka_unit_test(custom_options),
		cmocka_unit_test(request),	 cmocka_unit_test(inform_release_decline),
		cmocka_unit_test(not_answered),	 cmocka_unit_test(two_subnets),
		cmocka_unit_test(lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
