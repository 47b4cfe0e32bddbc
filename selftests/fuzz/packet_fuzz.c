// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes into the packet parser.  What parses must survive everything that is done to packets:
 * keys, text, rewriting, and the frames built as answers, which must parse themselves, be addressed
 * to the sender and have good checksums.  The input is also read as a line of the packet language.
 */
#include "selftests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "packet/packet.h"

static uint8_t out[PKT_MAX];

static bool tcp_or_udp(const struct pkt_fields *f)
{
	return f->has_l4 && (f->ip_proto == IPPROTO_TCP || f->ip_proto == IPPROTO_UDP);
}

static bool is_ip(const struct pkt_fields *f)
{
	return f->eth_type == htons(0x0800) || f->eth_type == htons(0x86dd);
}

static void check_offsets(const struct pkt *p)
{
	must(p->l3_off == 14 + (p->f.vlan ? 4 : 0));
	must(p->l3_off + p->l3_len <= p->len);
	must(p->payload_off >= p->l3_off && p->payload_off <= p->l3_off + p->l3_len);
	must(!p->f.has_l4 == !p->l4_off);
	must(!p->l4_off || (p->l4_off >= p->l3_off + 20 && p->l4_off + 8 <= p->payload_off));
	must(p->f.ip_frag != SKEP_FRAG_LATER || (!p->f.has_l4 && !p->f.l4_src && !p->f.l4_dst));
	must(ip_is_v4(&p->f.ip_src) == ip_is_v4(&p->f.ip_dst));
	must(p->f.eth_type != htons(0x86dd) || !ip_is_v4(&p->f.ip_src));
}

static void check_keys(const struct pkt_fields *f)
{
	struct skep_flow_key4 a4, b4;
	struct skep_flow_key6 a6, b6;

	memset(&a4, 0x11, sizeof(a4));
	memset(&b4, 0x22, sizeof(b4));
	memset(&a6, 0x11, sizeof(a6));
	memset(&b6, 0x22, sizeof(b6));
	if (pkt_flow_key(f, 7, &a4, &a6)) {
		must(pkt_flow_key(f, 7, &b4, &b6));
		must(!memcmp(&a6, &b6, sizeof(a6)));
	} else {
		must(!pkt_flow_key(f, 7, &b4, &b6));
		must(!memcmp(&a4, &b4, sizeof(a4)));
	}
	(void)pkt_hash(f);
}

/* The line of a frame is a line of the language, and its frame has the same line. */
static void check_text(const struct pkt *p)
{
	struct arena arena;
	struct err err;
	char *line, *again;
	int n;

	arena_init(&arena, 0);
	line = pkt_dsl_format(p->data, p->len, &arena);
	must(line);
	n = pkt_dsl_parse(line, NULL, out, sizeof(out), &err);
	if (n < 0)
		fprintf(stderr, "%s\n%s\n", line, err.text);
	must(n >= 0);
	again = pkt_dsl_format(out, (uint32_t)n, &arena);
	must(again);
	if (strcmp(line, again))
		fprintf(stderr, "%s\n%s\n", line, again);
	must(!strcmp(line, again));
	must(pkt_summary(p, &arena));
	arena_fini(&arena);
}

static void check_rewrite(const struct pkt *p, uint8_t salt)
{
	uint8_t *copy = malloc(p->len + 4);
	bool tag_in_tag = p->f.eth_type == htons(0x8100) || p->f.eth_type == htons(0x88a8);
	struct pkt_fields to = p->f;
	bool good = pkt_csum_ok(p);
	struct pkt q;
	int n;

	must(copy);
	memcpy(copy, p->data, p->len);
	must(pkt_rewrite(copy, p, &to) == (int)p->len);
	must(!memcmp(copy, p->data, p->len));

	to.eth_dst.b[5] ^= salt;
	to.eth_src.b[0] ^= salt;
	if (p->f.vlan)
		to.vlan ^= htons(salt);
	if (is_ip(&p->f)) {
		to.ip_ttl ^= salt;
		to.ip_tos ^= salt;
		to.ip_src.w[3] ^= htonl(salt * 0x01010101U);
		to.ip_dst.w[3] ^= htonl(salt);
		if (tcp_or_udp(&p->f)) {
			to.l4_src ^= htons(salt);
			to.l4_dst ^= htons((uint16_t)(salt << 8));
		}
	}
	must(pkt_rewrite(copy, p, &to) == (int)p->len);
	must(pkt_parse(copy, p->len, &q) == SKEP_DROP_NONE);
	must(ip_eq(&q.f.ip_src, &to.ip_src) && ip_eq(&q.f.ip_dst, &to.ip_dst));
	must(q.f.ip_ttl == to.ip_ttl && q.f.ip_tos == to.ip_tos && q.f.vlan == to.vlan);
	must(q.f.l4_src == to.l4_src && q.f.l4_dst == to.l4_dst && q.f.ip_proto == to.ip_proto);
	must(q.l3_len == p->l3_len && q.l4_off == p->l4_off && q.payload_off == p->payload_off);
	must(pkt_csum_ok(&q) == good);

	to = p->f;
	to.has_l4 = !to.has_l4;
	to.eth_dst.b[0] ^= 1;
	must(pkt_rewrite(copy, &q, &to) == -EINVAL || salt == 0);

	/* push, pop */
	memcpy(copy, p->data, p->len);
	to = p->f;
	to.vlan = p->f.vlan ? 0 : htons((uint16_t)(PKT_VLAN_PRESENT | salt));
	if (tag_in_tag) {
		must(pkt_rewrite(copy, p, &to) == -EINVAL);
	} else {
		n = pkt_rewrite(copy, p, &to);
		must(n == (int)p->len + (p->f.vlan ? -4 : 4));
		must(pkt_parse(copy, (uint32_t)n, &q) == SKEP_DROP_NONE);
		must(q.f.vlan == to.vlan && q.f.eth_type == p->f.eth_type && q.l3_len == p->l3_len);
		must(pkt_csum_ok(&q) == good);
	}
	free(copy);
}

/* The quote of an error: translated, it is found again as it was meant, and the error's checksum follows. */
static void check_quote(const struct pkt *p, uint8_t salt)
{
	struct pkt_quote quote, again;
	struct pkt_fields to;
	uint8_t *copy;
	struct pkt q;
	bool good;

	if (!pkt_quoted(p, &quote))
		return;
	must(quote.l3_off >= p->payload_off && quote.l3_off + 28U <= p->len);
	must(!quote.l4_off || quote.l4_off + 8U <= p->l3_off + p->l3_len);
	copy = malloc(p->len);
	must(copy);
	memcpy(copy, p->data, p->len);
	good = pkt_csum_ok(p);
	to = quote.f;
	to.ip_src.w[3] ^= htonl(salt * 0x01010101U);
	to.ip_dst.w[3] ^= htonl(salt);
	to.l4_src ^= htons(salt);
	to.l4_dst ^= htons((uint16_t)(salt << 8));
	pkt_rewrite_quote(copy, p, &quote, &to);
	must(pkt_parse(copy, p->len, &q) == SKEP_DROP_NONE);
	must(pkt_csum_ok(&q) == good);
	must(pkt_quoted(&q, &again));
	must(ip_eq(&again.f.ip_src, &to.ip_src) && ip_eq(&again.f.ip_dst, &to.ip_dst));
	must(again.l3_off == quote.l3_off && again.l4_off == quote.l4_off);
	if (tcp_or_udp(&quote.f))
		must(again.f.l4_src == to.l4_src && again.f.l4_dst == to.l4_dst);
	free(copy);
}

struct pieces {
	const struct pkt *whole;
	uint32_t next, mtu;
};

static void piece(void *arg, const uint8_t *data, uint32_t len)
{
	struct pieces *c = arg;
	struct pkt q;
	enum skep_drop drop = pkt_parse(data, len, &q);
	uint32_t ihl = (data[c->whole->l3_off] & 15) * 4U;

	/* a first piece may be too short for its L4 header */
	must(drop == SKEP_DROP_NONE || (drop == SKEP_DROP_TRUNCATED && q.frag_off == 0));
	must(q.l3_len <= c->mtu && q.l3_off + q.l3_len == len && q.frag_off == c->next);
	must(c->mtu >= c->whole->l3_len || pkt_csum(data + q.l3_off, ihl, 0) == 0);
	c->next += q.l3_len - ihl;
}

static void check_fragments(const struct pkt *p, uint8_t salt)
{
	struct pieces c = { .whole = p, .next = p->frag_off, .mtu = 60U + salt * 4U };
	struct arena arena;

	arena_init(&arena, 0);
	if (!pkt_fragment(p, c.mtu, &arena, piece, &c))
		must(c.next - p->frag_off == p->l3_len - (p->data[p->l3_off] & 15) * 4U);
	arena_fini(&arena);
}

static void check_answer(const struct pkt *p, uint32_t len)
{
	struct pkt q;

	must(pkt_parse(out, len, &q) == SKEP_DROP_NONE);
	must(q.l3_off + q.l3_len == len);
	must(pkt_csum_ok(&q));
	must(ip_eq(&q.f.ip_dst, &p->f.ip_src));
	must(mac_eq(&q.f.eth_dst, &p->f.eth_src));
	must(q.f.vlan == p->f.vlan && q.f.eth_type == p->f.eth_type);
	must(q.f.ip_frag == SKEP_FRAG_NONE);
}

static void check_answers(const struct pkt *p)
{
	struct skep_mac mac = { { 2, 0, 0, 0, 0, 9 } };
	struct skep_ip src = { { 0 } };
	bool v6 = p->f.eth_type == htons(0x86dd);
	struct pkt q;
	uint32_t len;

	if (!v6)
		src = ip_from_v4(htonl(0x0a0000fe));
	else
		src.w[0] = htonl(0xfd000000);
	len = pkt_build_echo_reply(out, sizeof(out), p);
	if (len)
		check_answer(p, len);
	len = pkt_build_tcp_reset(out, sizeof(out), p);
	if (len) {
		check_answer(p, len);
		must(pkt_parse(out, len, &q) == SKEP_DROP_NONE && q.f.tcp_flags & 4);
		must(pkt_build_tcp_reset(out, sizeof(out), &q) == 0); /* resets are not answered */
	}
	len = pkt_build_icmp_error(out, sizeof(out), p, v6 ? 1 : 3, 0, 0, &mac, &src);
	must(!len == !is_ip(&p->f));
	if (len) {
		check_answer(p, len);
		must(len <= p->l3_off + (v6 ? 1280U : 576U));
		must(pkt_parse(out, len, &q) == SKEP_DROP_NONE && !pkt_may_icmp_error(&q));
	}
	if (pkt_may_icmp_error(p))
		must(len);
}

static void try_line(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct arena arena;
	struct err err;
	int n;

	must(line);
	memcpy(line, data, size);
	line[size] = '\0';
	n = pkt_dsl_parse(line, NULL, out, sizeof(out), &err);
	must(n >= 0 || (n == -EINVAL && err.code == n && err.text[0]));
	if (n >= 0) {
		arena_init(&arena, 0);
		must(pkt_dsl_format(out, (uint32_t)n, &arena));
		arena_fini(&arena);
	}
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pkt p;
	enum skep_drop drop;

	if (size > PKT_MAX)
		return 0;
	drop = pkt_parse(data, (uint32_t)size, &p);
	must(drop == SKEP_DROP_NONE || drop == SKEP_DROP_TRUNCATED || drop == SKEP_DROP_BAD_HEADER);
	try_line(data, size);
	if (drop) {
		p.data = data;
		p.len = (uint32_t)size;
		return 0;
	}
	check_offsets(&p);
	check_keys(&p.f);
	check_text(&p);
	check_rewrite(&p, data[size - 1]);
	check_quote(&p, data[size - 1]);
	check_fragments(&p, data[size - 1]);
	check_answers(&p);
	return 0;
}
