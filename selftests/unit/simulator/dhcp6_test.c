// SPDX-License-Identifier: Apache-2.0
/* DHCPv6: simulator/dhcp6.c. */
#include "selftests/unit/simulator/services.h"

#define LINE   "eth " VM1 ">" SERVERS " / ip fe80::1>ff02::1:2 / udp 546>547"
#define CLIENT "\x00\x03\x00\x01\x02\x00\x00\x00\x00\x01"
#define SERVER "\x00\x03\x00\x01\x02\xaa\x00\x00\x00\x01" /* DUID-LL of r1 */

struct ask {
	uint8_t b[1024];
	uint32_t n;
};

static void add(struct ask *a, uint16_t code, const void *v, uint16_t len)
{
	uint8_t head[4] = { (uint8_t)(code >> 8), (uint8_t)code, (uint8_t)(len >> 8),
			    (uint8_t)len };

	memcpy(a->b + a->n, head, 4);
	if (len)
		memcpy(a->b + a->n + 4, v, len);
	a->n += 4U + len;
}

static struct ask ask(uint8_t type, bool client, bool server)
{
	struct ask a = { .b = { type, 0x12, 0x34, 0x56 }, .n = 4 };

	if (client)
		add(&a, 1, CLIENT, 10);
	if (server)
		add(&a, 2, SERVER, 10);
	return a;
}

/* IAID 7, with an address when it is given; 'kind' 3, 4 or 25. */
static void add_ia(struct ask *a, uint16_t kind, const char *address)
{
	struct ask inner = { .n = 0 };
	uint8_t addr[24] = { 0 };
	struct skep_ip ip;

	memcpy(inner.b, "\0\0\0\7", 4);
	inner.n = kind == 4 ? 4 : 12;
	if (address) {
		ip = ip_of(address);
		memcpy(addr, &ip, 16);
		add(&inner, 5, addr, 24);
	}
	add(a, kind, inner.b, (uint16_t)inner.n);
}

static void run(struct services *x, const struct ask *a)
{
	services_run(x, "vm1", LINE, a->b, a->n);
}

/* The first option 'code' of the answer (or within 'in'); false = none. */
struct part {
	const uint8_t *p;
	uint32_t len;
};

static bool find(struct part in, uint16_t code, struct part *out)
{
	while (in.len) {
		uint32_t len;

		assert_true(in.len >= 4);
		len = (uint32_t)(in.p[2] << 8 | in.p[3]);
		assert_true(len <= in.len - 4);
		if ((in.p[0] << 8 | in.p[1]) == code) {
			*out = (struct part){ .p = in.p + 4, .len = len };
			return true;
		}
		in.p += 4 + len;
		in.len -= 4 + len;
	}
	return false;
}

static struct part options(const struct pkt *p)
{
	return (struct part){ .p = p->data + p->payload_off + 4,
			      .len = p->l3_off + p->l3_len - p->payload_off - 4U };
}

static void assert_option(const struct pkt *p, uint16_t code, const void *want, int len)
{
	struct part v;
	bool is = find(options(p), code, &v);

	if (is != (len >= 0))
		fail_msg("option %u: %s", code, is ? "there" : "missing");
	if (is && ((int)v.len != len || memcmp(v.p, want, v.len)))
		fail_msg("option %u differs (%u bytes)", code, v.len);
}

/* The answer's type, and that it is from the server to the client, in the same transaction. */
static struct pkt answer(struct services *x, uint8_t type)
{
	struct pkt p = services_answer(x, "vm1");
	struct skep_ip to = ip_of("fe80::1"), from = ip_of("fe80::aa:ff:fe00:1");
	struct skep_mac mac = mac_of(VM1), r1 = mac_of(R1);

	assert_true(ip_eq(&p.f.ip_dst, &to) && ip_eq(&p.f.ip_src, &from));
	assert_true(mac_eq(&p.f.eth_dst, &mac) && mac_eq(&p.f.eth_src, &r1));
	assert_int_equal(ntohs(p.f.l4_src), 547);
	assert_int_equal(ntohs(p.f.l4_dst), 546);
	assert_int_equal(p.data[p.payload_off], type);
	assert_memory_equal(p.data + p.payload_off + 1, "\x12\x34\x56", 3);
	assert_option(&p, 2, SERVER, 10);
	return p;
}

/* The status within an option, -1 = none. */
static int status(struct part in)
{
	struct part v;

	return find(in, 13, &v) ? v.p[0] << 8 | v.p[1] : -1;
}

static struct part ia_of(const struct pkt *p, uint16_t kind)
{
	uint32_t head = kind == 4 ? 4 : 12;
	struct part ia;

	assert_true(find(options(p), kind, &ia));
	assert_memory_equal(ia.p, "\0\0\0\7", 4);
	return (struct part){ .p = ia.p + head, .len = ia.len - head };
}

static void assert_address(const struct pkt *p, const char *want, uint32_t lifetime)
{
	struct skep_ip ip = ip_of(want);
	struct part v, ia = ia_of(p, 3);
	__be32 life = htonl(lifetime);

	assert_true(find(ia, 5, &v));
	assert_int_equal(v.len, 24);
	assert_memory_equal(v.p, &ip, 16);
	assert_memory_equal(v.p + 16, &life, 4);
	assert_memory_equal(v.p + 20, &life, 4);
}

/* Only its addresses in subnets of one router: 'lone6' is another one's. */
static struct services *stateful(void)
{
	struct services *x = services_new();

	x->lone6.ra = TOPO_RA_SLAAC;
	return x;
}

static void solicit(void **state)
{
	struct services *x = stateful();
	struct ask a = ask(1, true, false);
	struct pkt p;
	struct part ia;

	add_ia(&a, 3, NULL);
	run(x, &a);
	p = answer(x, 2);
	assert_option(&p, 1, CLIENT, 10);
	assert_address(&p, "fd00::11", 3600);
	assert_true(find(options(&p), 3, &ia));
	assert_memory_equal(ia.p + 4, "\x00\x00\x07\x08\x00\x00\x0b\x40", 8);
	assert_option(&p, 23, &x->dns[2], 16);
	assert_option(&p, 24,
		      "\x03web\x07"
		      "example\x00",
		      13);
	assert_option(&p, 14, NULL, -1);
	assert_option(&p, 32, NULL, -1);
	services_free(x);
}

static void rapid_commit(void **state)
{
	struct services *x = stateful();
	struct ask a = ask(1, true, false);
	struct pkt p;

	add(&a, 14, NULL, 0);
	add(&a, 6, "\x00\x18", 2);
	add_ia(&a, 3, NULL);
	run(x, &a);
	p = answer(x, 7);
	assert_option(&p, 14, "", 0);
	assert_address(&p, "fd00::11", 3600);
	assert_option(&p, 23, NULL, -1); /* not asked for */
	assert_option(&p, 24,
		      "\x03web\x07"
		      "example\x00",
		      13);
	services_free(x);
}

static void request_and_renew(void **state)
{
	static const uint8_t types[] = { 3, 5, 6 };

	for (size_t i = 0; i < sizeof(types); i++) {
		struct services *x = stateful();
		struct ask a = ask(types[i], true, types[i] != 6);
		struct pkt p;

		add_ia(&a, 3, "fd00::11");
		run(x, &a);
		p = answer(x, 7);
		assert_address(&p, "fd00::11", 3600);
		assert_int_equal(status(ia_of(&p, 3)), -1);
		/* an address that it should not have is taken from it; of another link, that is
		 * said */
		a = ask(types[i], true, types[i] != 6);
		add_ia(&a, 3, types[i] == 3 ? "2001:db8::1" : "fd00::99");
		run(x, &a);
		p = answer(x, 7);
		if (types[i] == 3) {
			assert_int_equal(status(ia_of(&p, 3)), 4);
		} else {
			struct part ia = ia_of(&p, 3), v;

			assert_address(&p, "fd00::11", 3600);
			ia.p += 28;
			ia.len -= 28;
			assert_true(find(ia, 5, &v));
			assert_memory_equal(v.p + 16, "\0\0\0\0\0\0\0\0", 8);
		}
		services_free(x);
	}
}

static void confirm_release_decline(void **state)
{
	struct services *x = stateful();
	struct ask a = ask(4, true, false);
	struct pkt p;

	add_ia(&a, 3, "fd00::11");
	run(x, &a);
	p = answer(x, 7);
	assert_int_equal(status(options(&p)), 0);
	a = ask(4, true, false);
	add_ia(&a, 3, "2001:db8::1");
	run(x, &a);
	p = answer(x, 7);
	assert_int_equal(status(options(&p)), 4);
	for (uint8_t type = 8; type <= 9; type++) {
		a = ask(type, true, true);
		add_ia(&a, 3, "fd00::11");
		run(x, &a);
		p = answer(x, 7);
		assert_int_equal(status(options(&p)), 0);
	}
	services_free(x);
}

/* What is not given is refused, by name. */
static void other_associations(void **state)
{
	struct services *x = stateful();
	struct ask a = ask(1, true, false);
	struct pkt p;

	add_ia(&a, 25, NULL);
	add_ia(&a, 4, NULL);
	add_ia(&a, 3, NULL);
	add_ia(&a, 3, NULL); /* a second one gets nothing */
	run(x, &a);
	p = answer(x, 2);
	assert_int_equal(status(ia_of(&p, 25)), 6);
	assert_int_equal(status(ia_of(&p, 4)), 2);
	assert_int_equal(status(ia_of(&p, 3)), -1);
	services_free(x);
}

static void information(void **state)
{
	struct services *x = stateful();
	struct ask a = ask(11, false, false);
	struct pkt p;

	x->net6.ra = TOPO_RA_STATELESS;
	add(&a, 6, "\x00\x17\x00\x20\x00\x38", 6);
	run(x, &a);
	p = answer(x, 7);
	assert_option(&p, 23, &x->dns[2], 16);
	assert_option(&p, 32, "\x00\x00\x0e\x10", 4);
	assert_option(
		&p, 56,
		"\x00\x01\x00\x10\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x23",
		20);
	assert_option(&p, 24, NULL, -1);
	/* addresses are for stateful subnets only */
	a = ask(1, true, false);
	add_ia(&a, 3, NULL);
	run(x, &a);
	assert_int_equal(x->res.n_frames, 0);
	x->net6.ra = TOPO_RA_SLAAC;
	a = ask(11, false, false);
	run(x, &a);
	assert_int_equal(x->res.n_frames, 0);
	services_free(x);
}

static void not_answered(void **state)
{
	static const struct {
		uint8_t type;
		bool client, server;
	} t[] = {
		{ 1, false, false },
		{ 1, true, true },
		{ 3, true, false },
		{ 3, false, true },
		{ 5, true, false },
		{ 6, true, true },
		{ 4, true, false } /* no address */,
		{ 0, true, false },
		{ 2, true, true },
		{ 7, true, true },
		{ 10, true, true },
		{ 12, true, false },
		{ 13, true, false },
	};
	struct services *x = stateful();
	struct ask a;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		a = ask(t[i].type, t[i].client, t[i].server);
		add_ia(&a, 3, NULL);
		run(x, &a);
		if (x->res.n_frames)
			fail_msg("case %zu answered", i);
		assert_int_equal(x->res.verdict, SIM_DROP); /* the port's chain */
	}
	a = ask(3, true, false);
	add(&a, 2, "\x00\x03\x00\x01\x02\xaa\x00\x00\x00\x02", 10); /* another server's */
	run(x, &a);
	assert_int_equal(x->res.n_frames, 0);
	a = ask(1, true, false);
	services_run(x, "vm1", "eth " VM1 ">" SERVERS " / ip fd00::11>ff02::1:2 / udp 546>547", a.b,
		     a.n);
	assert_int_equal(x->res.n_frames, 0);
	services_run(x, "vm1", "eth " VM1 ">" R1 " / ip fe80::1>fd00::1 / udp 546>547", a.b, a.n);
	assert_int_equal(x->res.n_frames, 0);
	services_free(x);
}

static void lies(void **state)
{
	struct services *x = stateful();
	struct ask a = ask(1, true, false);

	add(&a, 6, "\x00\x17\x00\x20", 4);
	add_ia(&a, 3, "fd00::11");
	add_ia(&a, 25, NULL);
	for (uint32_t n = 0; n <= a.n; n++) {
		services_run(x, "vm1", LINE, a.b, n);
		assert_true(x->res.n_frames <= 1);
	}
	for (uint32_t at = 0; at < a.n; at++)
		for (unsigned int v = 0; v < 256; v++) {
			struct ask lie = a;

			lie.b[at] = (uint8_t)v;
			run(x, &lie);
			if (x->res.n_frames)
				assert_true(x->res.frames[0].len <= 14 + 1280);
		}
	services_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(solicit),
		cmocka_unit_test(rapid_commit),
		cmocka_unit_test(request_and_renew),
		cmocka_unit_test(confirm_release_decline),
		cmocka_unit_test(other_associations),
		cmocka_unit_test(information),
		cmocka_unit_test(not_answered),
		cmocka_unit_test(lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
