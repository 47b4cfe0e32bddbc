// SPDX-License-Identifier: Apache-2.0
/*
 * Scans and floods: how many different masks, with the values of their bits, the packets of one come to.  Each pair is what one wildcard flow can hold
 * for; all packets of a pair must fare alike.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/simtest.h"
#include "util/hash.h"

#define CLASSES (1u << 17)
#define RANDOM	20000 /* addresses */

struct class {
	uint64_t key, fate; /* hashes; key 0 = free */
};

struct scan {
	struct sim sim;
	struct topo_snapshot *snap;
	struct sim_tables *tables;
	struct sim_tables_view view;
	const struct topo_port *in;
	uint8_t frame[PKT_MAX];
	struct pkt pkt;
	uint64_t random;
	struct class classes[CLASSES];
	unsigned int n, n_masks;
	struct sim_mask masks[4096];
	uint64_t allowed; /* packets */
};

/* --- pairs --- */

static void keep(void *bytes, unsigned int width, unsigned int len)
{
	uint8_t *b = bytes;

	for (unsigned int bit = len; bit < width; bit++)
		b[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
}

/* IPv4's bits are the last 32. */
static void keep_ip(struct skep_ip *ip, unsigned int len)
{
	if (ip_is_v4(ip))
		keep(&ip->w[3], 32, len);
	else
		keep(ip, 128, len);
}

static uint64_t key_of(const struct sim_mask *m, const struct pkt_fields *f)
{
	struct pkt_fields k = *f;
	uint64_t h;

	keep(&k.eth_src, 48, m->eth_src_len);
	keep(&k.eth_dst, 48, m->eth_dst_len);
	keep_ip(&k.ip_src, m->src_len);
	keep_ip(&k.ip_dst, m->dst_len);
	keep(&k.l4_src, 16, m->l4_src_len);
	keep(&k.l4_dst, 16, m->l4_dst_len);
	h = hash_bytes(&k.eth_src, sizeof(k.eth_src), m->fields);
	h = hash_bytes(&k.eth_dst, sizeof(k.eth_dst), h ^ (uint64_t)m->eth_src_len << 8 ^ m->eth_dst_len);
	h = hash_bytes(&k.ip_src, sizeof(k.ip_src), h ^ m->src_len);
	h = hash_bytes(&k.ip_dst, sizeof(k.ip_dst), h ^ m->dst_len);
	h = hash_u64(h ^ (uint64_t)k.l4_src << 32 ^ k.l4_dst);
	return hash_u64(h ^ (uint64_t)m->l4_src_len << 8 ^ m->l4_dst_len) | 1;
}

static uint64_t fate_of(const struct sim_result *r)
{
	uint64_t h = hash_u64((uint64_t)r->verdict << 8 | (uint64_t)r->reason << 16 | r->n_outputs);

	for (uint32_t i = 0; i < r->n_rules; i++)
		h = hash_u64(h ^ (uintptr_t)r->rules[i]);
	for (uint32_t i = 0; i < r->n_outputs; i++)
		h = hash_u64(h ^ (uintptr_t)r->outputs[i].port);
	return h ^ r->cacheable;
}

static void note_mask(struct scan *s, const struct sim_mask *m)
{
	for (unsigned int i = 0; i < s->n_masks; i++)
		if (sim_mask_eq(&s->masks[i], m))
			return;
	assert_true(s->n_masks < sizeof(s->masks) / sizeof(s->masks[0]));
	s->masks[s->n_masks++] = *m;
}

/* The packet in s->pkt: of which pair is it? */
static void try_one(struct scan *s)
{
	struct sim_result res;
	struct class *c;
	uint64_t key, fate;

	assert_int_equal(sim_run(&s->sim, s->snap, &s->view.view, s->in, &s->pkt, 1, 7, 0, &res, NULL), 0);
	assert_true(res.cacheable && res.has_class);
	s->allowed += res.verdict == SIM_FORWARD;
	key = key_of(&res.class_mask, &s->pkt.f) ^ (uint64_t)res.class_ct << 1;
	fate = fate_of(&res);
	c = &s->classes[key % CLASSES];
	while (c->key && c->key != key)
		c = c + 1 < s->classes + CLASSES ? c + 1 : s->classes;
	if (c->key) {
		assert_int_equal(c->fate, fate);
		return;
	}
	assert_true(s->n < CLASSES / 2);
	*c = (struct class){ key, fate };
	s->n++;
	note_mask(s, &res.class_mask);
}

static struct scan *begin(const char *yaml, const char *port, const char *packet)
{
	struct scan *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->random = 42;
	s->tables = sim_tables_new(100, 100);
	s->snap = simtest_snapshot(yaml);
	sim_tables_view_init(&s->view, s->tables, s->snap, 1);
	sim_init(&s->sim);
	s->in = topo_find_port(s->snap, port);
	assert_non_null(s->in);
	simtest_packet(packet, s->frame, &s->pkt);
	return s;
}

static void end(struct scan *s, const char *what, unsigned int most)
{
	const unsigned int n = s->n;

	print_message("# %s: %u pairs, %u masks\n", what, s->n, s->n_masks);
	sim_fini(&s->sim);
	topo_unref(s->snap);
	sim_tables_free(s->tables);
	free(s);
	assert_in_range(n, 1, most);
}

/* --- what varies --- */

static void each_port(struct scan *s, __be16 *port)
{
	for (uint32_t v = 0; v < 65536; v++) {
		*port = htons((uint16_t)v);
		try_one(s);
	}
}

static void random_bits(struct scan *s, void *bytes, unsigned int n)
{
	for (uint8_t *b = bytes; n; n--)
		*b++ = (uint8_t)simtest_random(&s->random);
}

/* The last half of them near what it was. */
static void each_address(struct scan *s, struct skep_ip *ip)
{
	const bool v4 = ip_is_v4(ip);
	const struct skep_ip was = *ip;

	for (int i = 0; i < RANDOM; i++) {
		*ip = was;
		if (i < RANDOM / 2)
			random_bits(s, v4 ? &ip->w[3] : &ip->w[0], v4 ? 4 : 16);
		else
			random_bits(s, (uint8_t *)&ip->w[3] + 2, 2);
		if (!v4 && ip_is_v4(ip))
			continue;
		try_one(s);
	}
}

static void each_mac(struct scan *s, struct skep_mac *mac)
{
	for (int i = 0; i < RANDOM; i++) {
		random_bits(s, mac, sizeof(*mac));
		mac->b[0] &= 0xfe;
		try_one(s);
	}
}

/* --- networks --- */

#define PORTS                                                                                                           \
	"bridges: [{name: b}]\n"                                                                                        \
	"ports:\n"                                                                                                      \
	"  - {name: vm1, bridge: b, mac: \"02:00:00:00:00:01\", addresses: [10.0.0.1, \"fd00::1\"], port_security: false}\n" \
	"  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\", addresses: [10.0.0.2, \"fd00::2\"], security_groups: [sg]}\n" \
	"  - {name: vm3, bridge: b, mac: \"02:00:00:00:00:03\", addresses: [10.0.0.3, \"fd00::3\"]}\n"
#define GROUP(stateful)                                                              \
	"security_groups:\n"                                                         \
	"  - name: sg\n"                                                             \
	"    stateful: " stateful "\n"                                               \
	"    rules:\n"                                                               \
	"      - {direction: ingress, proto: tcp, dst_ports: 22}\n"                  \
	"      - {direction: ingress, proto: tcp, dst_ports: 80}\n"                  \
	"      - {direction: ingress, proto: tcp, dst_ports: 443}\n"                 \
	"      - {direction: ingress, proto: tcp, dst_ports: 3306}\n"                \
	"      - {direction: ingress, proto: tcp, dst_ports: 8000-8100}\n"           \
	"      - {direction: ingress, proto: tcp, dst_ports: 9100}\n"                \
	"      - {direction: ingress, proto: tcp, dst_ports: 30000-32767}\n"         \
	"      - {direction: ingress, proto: tcp, remote: 10.1.0.0/16}\n"            \
	"      - {direction: ingress, proto: tcp, remote: 192.0.2.7}\n"              \
	"      - {direction: ingress, proto: udp, dst_ports: 53}\n"
#define TO_VM2 "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / tcp 4000>80 S"
#define TO_CLOSED "eth 02:00:00:00:00:01>02:00:00:00:00:02 / ip 10.0.0.1>10.0.0.2 / tcp 4000>81 S"
#define FROM_VM3 "eth 02:00:00:00:00:03>02:00:00:00:00:01 / ip 10.0.0.3>10.0.0.1 / tcp 4000>80 S"
#define FROM_VM3_6 "eth 02:00:00:00:00:03>02:00:00:00:00:01 / ip6 fd00::3>fd00::1 / tcp 4000>80 S"

static void group_ports(void **state)
{
	struct scan *s = begin(GROUP("false") PORTS, "vm1", TO_VM2);

	(void)state;
	each_port(s, &s->pkt.f.l4_dst);
	assert_int_equal(s->allowed, 5 + 101 + 2768);
	end(s, "all ports of a group of 10 rules", 200);
	s = begin(GROUP("true") PORTS, "vm1", TO_VM2);
	each_port(s, &s->pkt.f.l4_dst);
	assert_int_equal(s->allowed, 5 + 101 + 2768);
	end(s, "of a stateful one", 200);
	s = begin(GROUP("true") PORTS, "vm1", TO_CLOSED);
	each_port(s, &s->pkt.f.l4_src);
	end(s, "from all ports to a closed one", 1);
}

static void group_sources(void **state)
{
	struct scan *s = begin(GROUP("true") PORTS, "vm1", TO_CLOSED);

	(void)state;
	each_address(s, &s->pkt.f.ip_src);
	end(s, "a closed port from random sources", 200);
	s = begin(GROUP("true") PORTS, "vm1", TO_CLOSED);
	for (uint32_t i = 0; i < 65536; i++) { /* a SYN flood: everything at once */
		random_bits(s, &s->pkt.f.ip_src.w[3], 4);
		random_bits(s, &s->pkt.f.l4_src, 2);
		s->pkt.f.l4_dst = htons((uint16_t)i);
		try_one(s);
	}
	end(s, "a flood from random sources to all ports", 2000);
}

static void spoofed(void **state)
{
	struct scan *s = begin(GROUP("false") PORTS, "vm3", FROM_VM3);

	(void)state;
	each_address(s, &s->pkt.f.ip_src);
	end(s, "spoofed sources", 64);
	s = begin(GROUP("false") PORTS, "vm3", FROM_VM3);
	each_mac(s, &s->pkt.f.eth_src);
	end(s, "spoofed MACs", 64);
	s = begin(GROUP("false") PORTS, "vm3", FROM_VM3_6);
	each_address(s, &s->pkt.f.ip_src);
	end(s, "spoofed IPv6 sources", 300);
}

/* A chain whose rules are indexed: 1000 single ports, 100 prefixes. */
static char *long_chain(void)
{
	const size_t size = 200000;
	char *p = malloc(size);
	size_t n;

	assert_non_null(p);
	n = (size_t)snprintf(p, size, "chains:\n  - name: c\n    rules:\n");
	for (unsigned int i = 0; i < 1000; i++)
		n += (size_t)snprintf(p + n, size - n, "      - {action: drop, proto: tcp, dst_ports: %u}\n", 20000 + 10 * i);
	for (unsigned int i = 0; i < 100; i++)
		n += (size_t)snprintf(p + n, size - n, "      - {action: drop, proto: udp, src: 10.%u.0.0/24}\n", 100 + i);
	snprintf(p + n, size - n,
		 "bridges: [{name: b}]\n"
		 "ports:\n"
		 "  - {name: vm1, bridge: b, mac: \"02:00:00:00:00:01\", in_chain: c, port_security: false}\n"
		 "  - {name: vm2, bridge: b, mac: \"02:00:00:00:00:02\"}\n");
	return p;
}

static void indexed_chain(void **state)
{
	char *yaml = long_chain();
	struct scan *s = begin(yaml, "vm1", TO_VM2);

	(void)state;
	each_port(s, &s->pkt.f.l4_dst);
	assert_int_equal(s->allowed, 64536);
	end(s, "all ports through a chain of 1100 rules, 1000 of them on ports 10 apart", 1000 + 5000);
	s = begin(yaml, "vm1", TO_VM2);
	s->pkt.f.ip_proto = IPPROTO_UDP;
	s->pkt.f.tcp_flags = 0;
	each_address(s, &s->pkt.f.ip_src);
	end(s, "random sources through it, 100 prefixes", 400);
	free(yaml);
}

/* What has no route, towards a router with floating IPs, NAT rules and addresses of its own. */
#define ROUTER                                                                                              \
	"bridges: [{name: b}]\n"                                                                            \
	"routers: [{name: r}]\n"                                                                            \
	"ports:\n"                                                                                          \
	"  - {name: vm1, bridge: b, mac: \"02:00:00:00:00:01\", port_security: false}\n"                    \
	"  - {name: b-r, bridge: b, peer: r-b}\n"                                                           \
	"  - {name: vm5, bridge: b, mac: \"02:00:00:00:00:05\", addresses: [10.0.0.5]}\n"                   \
	"  - {name: r-b, router: r, peer: b-r, mac: \"02:aa:00:00:00:01\", addresses: [10.0.0.254/24]}\n"   \
	"  - {name: up, router: r, mac: \"02:aa:00:00:00:02\", addresses: [203.0.113.1/24]}\n"              \
	"routes: [{name: hole, router: r, dst: 0.0.0.0/0, type: blackhole}]\n"                              \
	"floating_ips:\n"                                                                                   \
	"  - {name: f1, router: r, address: 203.0.113.10, fixed: 10.0.0.5}\n"                               \
	"  - {name: f2, router: r, address: 203.0.113.77, fixed: 10.0.0.6}\n"                               \
	"nats:\n"                                                                                           \
	"  - {name: out, router: r, type: snat, port: up, src: 10.0.0.0/24, to: 203.0.113.2}\n"             \
	"  - {name: in, router: r, type: dnat, port: up, dst: 203.0.113.3, proto: tcp, dst_ports: 8080, to: 10.0.0.5}\n"
#define TO_HOLE "eth 02:00:00:00:00:01>02:aa:00:00:00:01 / ip 10.0.0.1>198.51.100.1 / tcp 4000>80 S"

static void destinations(void **state)
{
	struct scan *s = begin(ROUTER, "vm1", TO_HOLE);

	(void)state;
	for (int i = 0; i < RANDOM; i++) {
		const uint8_t *b = (const uint8_t *)&s->pkt.f.ip_dst.w[3];

		do
			random_bits(s, &s->pkt.f.ip_dst.w[3], 4);
		while (b[0] == 10 || (b[0] == 203 && b[1] == 0));
		try_one(s);
	}
	end(s, "random destinations without a route", 200);
	s = begin(ROUTER, "vm1", TO_HOLE);
	each_port(s, &s->pkt.f.l4_dst);
	end(s, "all ports of one without a route", 1);
	s = begin(ROUTER, "vm1", TO_HOLE);
	each_address(s, &s->pkt.f.ip_src);
	end(s, "random sources to one without a route", 200);
}

static void unknown_macs(void **state)
{
	struct scan *s = begin(ROUTER, "up", "eth 02:00:00:00:00:09>02:aa:00:00:00:02 / ip 203.0.113.9>203.0.113.10 / tcp 4000>80 S");

	(void)state;
	each_mac(s, &s->pkt.f.eth_dst);
	end(s, "random MACs towards a router", 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(group_ports),	 cmocka_unit_test(group_sources), cmocka_unit_test(spoofed),
		cmocka_unit_test(indexed_chain), cmocka_unit_test(destinations),  cmocka_unit_test(unknown_macs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
