// SPDX-License-Identifier: Apache-2.0
/* One line of text -> struct dsl_spec -> frame.  packet.h has the language.  Called by tests, by the scenarios and by 'skep trace'. */
#include "packet/packet.h"

#include <errno.h>

#include "packet/dsl.h"
#include "packet/wire.h"

#define WORD 128 /* longest word, its NUL included */

struct reader {
	const char *at; /* behind the present word */
	const struct pkt_names *names;
	struct err *err;
	struct dsl_spec *spec;
	const char *layer; /* of the present words, for messages */
	char word[WORD];   /* "" at the end of a line */
	char ip_src[WORD], ip_dst[WORD]; /* resolved last: the family may show further on */
	bool want_v6;
};

/* Words that take a number: into spec + offset. */
static const struct number_word {
	const char *name;
	unsigned int layers; /* 1 << enum dsl_layer */
	size_t offset;
	uint32_t max;
} number_words[] = {
	{ "vlan", 1 << DSL_ETH, offsetof(struct dsl_spec, vlan), 4095 },
	{ "pcp", 1 << DSL_ETH, offsetof(struct dsl_spec, pcp), 7 },
	{ "type", 1 << DSL_ETH, offsetof(struct dsl_spec, type), 65535 },
	{ "ttl", 1 << DSL_IP, offsetof(struct dsl_spec, ttl), 255 },
	{ "tos", 1 << DSL_IP, offsetof(struct dsl_spec, tos), 255 },
	{ "id", 1 << DSL_IP, offsetof(struct dsl_spec, id), UINT32_MAX },
	{ "proto", 1 << DSL_IP, offsetof(struct dsl_spec, proto), 255 },
	{ "seq", 1 << DSL_TCP, offsetof(struct dsl_spec, seq), UINT32_MAX },
	{ "ack", 1 << DSL_TCP, offsetof(struct dsl_spec, ack), UINT32_MAX },
	{ "id", 1 << DSL_ICMP, offsetof(struct dsl_spec, icmp_id), 65535 },
	{ "seq", 1 << DSL_ICMP, offsetof(struct dsl_spec, icmp_seq), 65535 },
	{ "info", 1 << DSL_ICMP, offsetof(struct dsl_spec, info), UINT32_MAX },
};

static int bad_word(struct reader *r, const char *want)
{
	return err_set(r->err, -EINVAL, "packet: layer '%s': '%s' is not understood (want %s)", r->layer,
		       r->word, want);
}

/* Next word into r->word.  0, or -EINVAL when it is too long. */
static int next_word(struct reader *r)
{
	size_t n;

	r->at += strspn(r->at, " \t\n");
	n = strcspn(r->at, " \t\n");
	if (n >= WORD) {
		snprintf(r->word, WORD, "%.20s..", r->at);
		return bad_word(r, "words of at most 127 characters");
	}
	memcpy(r->word, r->at, n);
	r->word[n] = '\0';
	r->at += n;
	return 0;
}

static bool at_end_of_layer(const struct reader *r)
{
	return !r->word[0] || !strcmp(r->word, "/");
}

static bool parse_number(const char *text, uint32_t max, uint32_t *out)
{
	unsigned int base = 10;
	uint64_t v = 0;

	if (text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned int d = *text >= '0' && *text <= '9' ? (unsigned int)(*text - '0') :
				 *text >= 'a' && *text <= 'f' ? (unsigned int)(*text - 'a' + 10) :
				 *text >= 'A' && *text <= 'F' ? (unsigned int)(*text - 'A' + 10) :
								16;

		if (d >= base)
			return false;
		v = v * base + d;
		if (v > max)
			return false;
	}
	*out = (uint32_t)v;
	return true;
}

static int want_number(struct reader *r, uint32_t max, uint32_t *out)
{
	char want[64];

	if (next_word(r))
		return -EINVAL;
	if (parse_number(r->word, max, out))
		return 0;
	snprintf(want, sizeof(want), "a number from 0 to %u", max);
	return bad_word(r, want);
}

/* "A>B" into two strings of WORD. */
static int want_pair(struct reader *r, char *a, char *b)
{
	const char *gt;

	if (next_word(r))
		return -EINVAL;
	gt = strchr(r->word, '>');
	if (!gt || gt == r->word || !gt[1])
		return bad_word(r, "FROM>TO, without spaces");
	snprintf(a, WORD, "%.*s", (int)(gt - r->word), r->word);
	snprintf(b, WORD, "%s", gt + 1);
	return 0;
}

static int resolve_mac(struct reader *r, const char *text, struct skep_mac *mac)
{
	if (mac_parse(text, mac) || (r->names && r->names->mac && r->names->mac(r->names->arg, text, mac)))
		return 0;
	return err_set(r->err, -EINVAL,
		       "packet: layer '%s': '%s' is not an Ethernet address (want 02:00:00:00:00:01%s)",
		       r->layer, text, r->names ? " or a known name" : "");
}

static int resolve_ip(struct reader *r, const char *text, bool v6, struct skep_ip *ip)
{
	struct skep_ip got;

	if ((ip_parse(text, &got) ||
	     (r->names && r->names->ip && r->names->ip(r->names->arg, text, v6, &got))) &&
	    ip_is_v4(&got) == !v6) {
		*ip = got;
		return 0;
	}
	return err_set(r->err, -EINVAL, "packet: layer '%s': '%s' is not an %s address%s", r->layer, text,
		       v6 ? "IPv6" : "IPv4", r->names ? " or a known name" : "");
}

static int want_mac(struct reader *r, struct skep_mac *mac)
{
	return next_word(r) ? -EINVAL : resolve_mac(r, r->word, mac);
}

static int want_ports(struct reader *r)
{
	char a[WORD], b[WORD];

	if (want_pair(r, a, b))
		return -EINVAL;
	if (!parse_number(a, 65535, &r->spec->sport) || !parse_number(b, 65535, &r->spec->dport))
		return bad_word(r, "two ports from 0 to 65535, 4000>80");
	return 0;
}

/* Letters of 'set', each at most once; bits from 'first' in steps of a shift to the left or to the right. */
static bool parse_letters(const char *text, const char *set, uint32_t first, bool left, uint32_t *out)
{
	uint32_t bits = 0;

	for (; *text; text++) {
		const char *p = strchr(set, *text);
		uint32_t bit;

		if (!p)
			return false;
		bit = left ? first << (p - set) : first >> (p - set);
		if (bits & bit)
			return false;
		bits |= bit;
	}
	*out = bits;
	return true;
}

/* --- what comes right behind a layer's name --- */

static int head_eth(struct reader *r)
{
	char a[WORD], b[WORD];

	if (want_pair(r, a, b) || resolve_mac(r, a, &r->spec->eth_src))
		return -EINVAL;
	return resolve_mac(r, b, &r->spec->eth_dst);
}

static int head_ip(struct reader *r)
{
	r->want_v6 |= !strcmp(r->layer, "ip6");
	return want_pair(r, r->ip_src, r->ip_dst);
}

static int head_arp(struct reader *r)
{
	if (next_word(r))
		return -EINVAL;
	if (!strcmp(r->word, "request"))
		r->spec->arp_op = 1;
	else if (!strcmp(r->word, "reply"))
		r->spec->arp_op = 2;
	else if (!parse_number(r->word, 65535, &r->spec->arp_op))
		return bad_word(r, "request, reply or a number");
	return want_pair(r, r->ip_src, r->ip_dst);
}

static int head_icmp(struct reader *r)
{
	struct dsl_spec *s = r->spec;
	char a[WORD];
	const char *slash;
	bool v6 = !strcmp(r->layer, "icmp6");

	r->want_v6 |= v6;
	if (next_word(r))
		return -EINVAL;
	slash = strchr(r->word, '/');
	if (!strcmp(r->word, "echo")) {
		s->icmp_type = v6 ? ICMP6_ECHO_REQUEST : ICMP4_ECHO;
	} else if (!strcmp(r->word, "reply")) {
		s->icmp_type = v6 ? ICMP6_REPLY : ICMP4_REPLY;
	} else if (slash) {
		snprintf(a, sizeof(a), "%.*s", (int)(slash - r->word), r->word);
		if (!parse_number(a, 255, &s->icmp_type) || !parse_number(slash + 1, 255, &s->icmp_code))
			return bad_word(r, "echo, reply or TYPE/CODE");
	} else {
		return bad_word(r, "echo, reply or TYPE/CODE");
	}
	return 0;
}

static int head_nd(struct reader *r)
{
	r->want_v6 = true;
	if (next_word(r))
		return -EINVAL;
	return resolve_ip(r, r->word, true, &r->spec->target);
}

static int head_data(struct reader *r)
{
	return want_number(r, PKT_MAX, &r->spec->data);
}

static int head_badcsum(struct reader *r)
{
	r->spec->badcsum = true;
	return 0;
}

static const struct layer {
	const char *name;
	enum dsl_layer layer;
	unsigned int after; /* 1 << enum dsl_layer of the layer before it */
	int (*head)(struct reader *r);
	const char *words; /* for messages */
} layers[] = {
#define L4 (1 << DSL_TCP | 1 << DSL_UDP | 1 << DSL_SCTP | 1 << DSL_ICMP)
	{ "eth", DSL_ETH, 1 << DSL_NONE, head_eth, "vlan N, pcp N or type N" },
	{ "ip", DSL_IP, 1 << DSL_ETH, head_ip,
	  "ttl N, tos N, frag first, frag later, df, id N or proto N" },
	{ "ip6", DSL_IP, 1 << DSL_ETH, head_ip,
	  "ttl N, tos N, frag first, frag later, id N or proto N" },
	{ "arp", DSL_ARP, 1 << DSL_ETH, head_arp, "sha MAC or tha MAC" },
	{ "tcp", DSL_TCP, 1 << DSL_IP, want_ports, "flags of " DSL_TCP_FLAGS ", seq N or ack N" },
	{ "udp", DSL_UDP, 1 << DSL_IP, want_ports, "nocsum" },
	{ "sctp", DSL_SCTP, 1 << DSL_IP, want_ports, "nothing more" },
	{ "icmp", DSL_ICMP, 1 << DSL_IP, head_icmp, "id N, seq N or info N" },
	{ "icmp6", DSL_ICMP, 1 << DSL_IP, head_icmp, "id N, seq N or info N" },
	{ "ns", DSL_NS, 1 << DSL_IP, head_nd, "slla MAC or slla none" },
	{ "na", DSL_NA, 1 << DSL_IP, head_nd, "flags of " DSL_ND_FLAGS ", tlla MAC or tlla none" },
	{ "data", DSL_DATA, L4 | 1 << DSL_ETH | 1 << DSL_IP, head_data, "nothing more" },
	{ "badcsum", DSL_BADCSUM, L4 | 1 << DSL_IP | 1 << DSL_NS | 1 << DSL_NA | 1 << DSL_DATA,
	  head_badcsum, "nothing more" },
#undef L4
};

/* --- the words that follow --- */

static int number_word(struct reader *r, enum dsl_layer layer)
{
	for (size_t i = 0; i < sizeof(number_words) / sizeof(number_words[0]); i++) {
		const struct number_word *w = &number_words[i];

		if (w->layers & 1U << layer && !strcmp(w->name, r->word))
			return want_number(r, w->max, (uint32_t *)((char *)r->spec + w->offset)) ? -EINVAL :
												   1;
	}
	return 0;
}

static int want_frag(struct reader *r)
{
	if (next_word(r))
		return -EINVAL;
	if (!strcmp(r->word, "first"))
		r->spec->frag = SKEP_FRAG_FIRST;
	else if (!strcmp(r->word, "later"))
		r->spec->frag = SKEP_FRAG_LATER;
	else
		return bad_word(r, "first or later");
	return 0;
}

static int want_lla(struct reader *r)
{
	if (next_word(r))
		return -EINVAL;
	r->spec->lla_kind = strcmp(r->word, "none") ? DSL_LLA_GIVEN : DSL_LLA_NONE;
	return r->spec->lla_kind == DSL_LLA_NONE ? 0 : resolve_mac(r, r->word, &r->spec->lla);
}

static int layer_word(struct reader *r, const struct layer *l)
{
	struct dsl_spec *s = r->spec;
	int n = number_word(r, l->layer);

	if (n)
		return n < 0 ? n : 0;
	switch (l->layer) {
	case DSL_IP:
		if (!strcmp(r->word, "frag"))
			return want_frag(r);
		if (strcmp(r->word, "df"))
			break;
		s->df = true;
		return 0;
	case DSL_ARP:
		if (!strcmp(r->word, "sha")) {
			s->has_sha = true;
			return want_mac(r, &s->sha);
		}
		if (strcmp(r->word, "tha"))
			break;
		s->has_tha = true;
		return want_mac(r, &s->tha);
	case DSL_TCP:
		if (!parse_letters(r->word, DSL_TCP_FLAGS, 1, true, &s->flags))
			break;
		return 0;
	case DSL_UDP:
		if (strcmp(r->word, "nocsum"))
			break;
		s->nocsum = true;
		return 0;
	case DSL_NS:
		if (strcmp(r->word, "slla"))
			break;
		return want_lla(r);
	case DSL_NA:
		if (!strcmp(r->word, "tlla"))
			return want_lla(r);
		if (strcmp(r->word, "flags"))
			break;
		if (next_word(r))
			return -EINVAL;
		if (parse_letters(r->word, DSL_ND_FLAGS, 0x80, false, &s->flags))
			return 0;
		break;
	default:
		break;
	}
	return bad_word(r, l->words);
}

static const struct layer *find_layer(const char *name)
{
	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
		if (!strcmp(layers[i].name, name))
			return &layers[i];
	return NULL;
}

static int parse_layers(struct reader *r)
{
	enum dsl_layer before = DSL_NONE;

	do {
		const struct layer *l;

		if (next_word(r))
			return -EINVAL;
		l = find_layer(r->word);
		if (!l)
			return err_set(r->err, -EINVAL,
				       "packet: '%s' is not a layer (want eth, ip, ip6, arp, tcp, udp, sctp, icmp, icmp6, ns, na, "
				       "data or badcsum)",
				       r->word);
		if (!(l->after & 1U << before))
			return err_set(r->err, -EINVAL, "packet: layer '%s' cannot %s '%s'", l->name,
				       before == DSL_NONE ? "come first; want" : "follow layer",
				       before == DSL_NONE ? "eth" : r->layer);
		r->layer = l->name;
		if (l->head(r))
			return -EINVAL;
		if (l->layer == DSL_IP || l->layer == DSL_ARP)
			r->spec->l3 = l->layer;
		else if (l->layer >= DSL_TCP && l->layer <= DSL_NA)
			r->spec->l4 = l->layer;
		before = l->layer;
		for (;;) {
			if (next_word(r))
				return -EINVAL;
			if (at_end_of_layer(r))
				break;
			if (layer_word(r, l))
				return -EINVAL;
		}
	} while (r->word[0]);
	return 0;
}

/* Family: of a literal, else as the layers want it. */
static int resolve_addresses(struct reader *r)
{
	struct dsl_spec *s = r->spec;
	struct skep_ip ip;

	if (s->l3 == DSL_NONE)
		return 0;
	if (s->l3 == DSL_ARP) {
		r->layer = "arp";
	} else {
		r->layer = "ip";
		if (ip_parse(r->ip_src, &ip) || ip_parse(r->ip_dst, &ip))
			r->want_v6 |= !ip_is_v4(&ip);
	}
	s->v6 = r->want_v6;
	if (resolve_ip(r, r->ip_src, s->v6, &s->src))
		return -EINVAL;
	return resolve_ip(r, r->ip_dst, s->v6, &s->dst);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "hex 0011..", perhaps behind "bad REASON /".  *hex: the digits, when it is such a line. */
static bool is_raw(const char *line, const char **hex)
{
	const char *p = line + strspn(line, " \t\n");

	if (!strncmp(p, "bad ", 4)) {
		p = strstr(p, " / ");
		if (!p)
			return false;
		p += 3;
	}
	if (strncmp(p, "hex", 3) || (p[3] && !strchr(" \t\n", p[3])))
		return false;
	*hex = p + 3;
	return true;
}

static int parse_raw(const char *hex, uint8_t *buf, uint32_t cap, struct err *err)
{
	uint32_t n = 0;

	for (; *hex; hex++) {
		int hi, lo;

		if (strchr(" \t\n", *hex))
			continue;
		hi = hex_value(hex[0]);
		lo = hi < 0 ? -1 : hex_value(hex[1]);
		if (lo < 0)
			return err_set(err, -EINVAL,
				       "packet: layer 'hex': '%.2s' is not a byte (want two hexadecimal digits)",
				       hex);
		if (n == cap || n == PKT_MAX)
			return err_set(err, -EINVAL, "packet: layer 'hex': more than %u bytes", n);
		buf[n++] = (uint8_t)(hi << 4 | lo);
		hex++;
	}
	return (int)n;
}

int pkt_dsl_parse(const char *line, const struct pkt_names *names, uint8_t *buf, uint32_t cap,
		  struct err *err)
{
	struct dsl_spec spec = {
		.vlan = DSL_DEFAULT,
		.type = DSL_DEFAULT,
		.ttl = DSL_DEFAULT,
		.proto = DSL_DEFAULT,
	};
	struct reader r = { .at = line, .names = names, .err = err, .spec = &spec, .layer = "" };
	const char *hex;

	if (is_raw(line, &hex))
		return parse_raw(hex, buf, cap, err);
	if (parse_layers(&r) || resolve_addresses(&r))
		return -EINVAL;
	return dsl_build(&spec, buf, cap, err);
}
