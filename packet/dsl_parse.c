// SPDX-License-Identifier: Apache-2.0
/* One line of text -> struct dsl_spec -> frame.  packet.h has the language.  Called by tests, by
 * the scenarios and by 'skep trace'. */
#include "packet/packet.h"

#include <errno.h>

#include "packet/dsl.h"
#include "packet/wire.h"

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

static int want_ports(struct dsl_reader *r)
{
	char a[DSL_WORD], b[DSL_WORD];

	if (dsl_want_pair(r, a, b))
		return -EINVAL;
	if (!dsl_parse_number(a, 65535, &r->spec->sport) ||
	    !dsl_parse_number(b, 65535, &r->spec->dport))
		return dsl_bad_word(r, "two ports from 0 to 65535, 4000>80");
	return 0;
}

/* --- what comes right behind a layer's name --- */

static int head_eth(struct dsl_reader *r)
{
	char a[DSL_WORD], b[DSL_WORD];

	if (dsl_want_pair(r, a, b) || dsl_resolve_mac(r, a, &r->spec->eth_src))
		return -EINVAL;
	return dsl_resolve_mac(r, b, &r->spec->eth_dst);
}

static int head_ip(struct dsl_reader *r)
{
	r->want_v6 |= !strcmp(r->layer, "ip6");
	return dsl_want_pair(r, r->ip_src, r->ip_dst);
}

static int head_arp(struct dsl_reader *r)
{
	if (dsl_next_word(r))
		return -EINVAL;
	if (!strcmp(r->word, "request"))
		r->spec->arp_op = 1;
	else if (!strcmp(r->word, "reply"))
		r->spec->arp_op = 2;
	else if (!dsl_parse_number(r->word, 65535, &r->spec->arp_op))
		return dsl_bad_word(r, "request, reply or a number");
	return dsl_want_pair(r, r->ip_src, r->ip_dst);
}

static int head_icmp(struct dsl_reader *r)
{
	struct dsl_spec *s = r->spec;
	char a[DSL_WORD];
	const char *slash;
	bool v6 = !strcmp(r->layer, "icmp6");
	const char *before = r->at;

	r->want_v6 |= v6;
	s->icmp_type = v6 ? ICMP6_ECHO_REQUEST : ICMP4_ECHO;
	if (dsl_next_word(r))
		return -EINVAL;
	if (dsl_end_of_layer(r)) { /* an echo request */
		r->at = before;
		return 0;
	}
	slash = strchr(r->word, '/');
	if (!strcmp(r->word, "reply")) {
		s->icmp_type = v6 ? ICMP6_REPLY : ICMP4_REPLY;
	} else if (slash) {
		snprintf(a, sizeof(a), "%.*s", (int)(slash - r->word), r->word);
		if (!dsl_parse_number(a, 255, &s->icmp_type) ||
		    !dsl_parse_number(slash + 1, 255, &s->icmp_code))
			return dsl_bad_word(r, "echo, reply or TYPE/CODE");
	} else if (strcmp(r->word, "echo")) {
		return dsl_bad_word(r, "echo, reply or TYPE/CODE");
	}
	return 0;
}

static int head_nd(struct dsl_reader *r)
{
	r->want_v6 = true;
	if (dsl_next_word(r))
		return -EINVAL;
	return dsl_resolve_ip(r, r->word, true, &r->spec->target);
}

static int head_data(struct dsl_reader *r)
{
	return dsl_want_number(r, PKT_MAX, &r->spec->data);
}

static int head_badcsum(struct dsl_reader *r)
{
	r->spec->badcsum = true;
	return 0;
}

static const struct layer {
	const char *name;
	enum dsl_layer layer;
	unsigned int after; /* 1 << enum dsl_layer of the layer before it */
	int (*head)(struct dsl_reader *r);
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

static int number_word(struct dsl_reader *r, enum dsl_layer layer)
{
	for (size_t i = 0; i < sizeof(number_words) / sizeof(number_words[0]); i++) {
		const struct number_word *w = &number_words[i];

		if (w->layers & 1U << layer && !strcmp(w->name, r->word))
			return dsl_want_number(r, w->max, (uint32_t *)((char *)r->spec + w->offset))
				       ? -EINVAL
				       : 1;
	}
	return 0;
}

static int want_frag(struct dsl_reader *r)
{
	if (dsl_next_word(r))
		return -EINVAL;
	if (!strcmp(r->word, "first"))
		r->spec->frag = SKEP_FRAG_FIRST;
	else if (!strcmp(r->word, "later"))
		r->spec->frag = SKEP_FRAG_LATER;
	else
		return dsl_bad_word(r, "first or later");
	return 0;
}

static int want_lla(struct dsl_reader *r)
{
	if (dsl_next_word(r))
		return -EINVAL;
	r->spec->lla_kind = strcmp(r->word, "none") ? DSL_LLA_GIVEN : DSL_LLA_NONE;
	return r->spec->lla_kind == DSL_LLA_NONE ? 0 : dsl_resolve_mac(r, r->word, &r->spec->lla);
}

static int layer_word(struct dsl_reader *r, const struct layer *l)
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
			return dsl_want_mac(r, &s->sha);
		}
		if (strcmp(r->word, "tha"))
			break;
		s->has_tha = true;
		return dsl_want_mac(r, &s->tha);
	case DSL_TCP:
		if (!dsl_parse_letters(r->word, DSL_TCP_FLAGS, 1, true, &s->flags))
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
		if (dsl_next_word(r))
			return -EINVAL;
		if (dsl_parse_letters(r->word, DSL_ND_FLAGS, 0x80, false, &s->flags))
			return 0;
		break;
	default:
		break;
	}
	return dsl_bad_word(r, l->words);
}

static const struct layer *find_layer(const char *name)
{
	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
		if (!strcmp(layers[i].name, name))
			return &layers[i];
	return NULL;
}

static int parse_layers(struct dsl_reader *r)
{
	enum dsl_layer before = DSL_NONE;

	do {
		const struct layer *l;

		if (dsl_next_word(r))
			return -EINVAL;
		l = find_layer(r->word);
		if (!l)
			return err_set(
				r->err, -EINVAL,
				"packet: '%s' is not a layer (want eth, ip, ip6, arp, tcp, udp, sctp, icmp, icmp6, ns, na, "
				"data or badcsum)",
				r->word);
		if (!(l->after & 1U << before))
			return err_set(r->err, -EINVAL, "packet: layer '%s' cannot %s '%s'",
				       l->name,
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
			if (dsl_next_word(r))
				return -EINVAL;
			if (dsl_end_of_layer(r))
				break;
			if (layer_word(r, l))
				return -EINVAL;
		}
	} while (r->word[0]);
	return 0;
}

/* Family: of a literal, else as the layers want it. */
static int resolve_addresses(struct dsl_reader *r)
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
	if (dsl_resolve_ip(r, r->ip_src, s->v6, &s->src))
		return -EINVAL;
	return dsl_resolve_ip(r, r->ip_dst, s->v6, &s->dst);
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
	struct dsl_reader r = {
		.at = line, .names = names, .err = err, .spec = &spec, .layer = ""
	};
	const char *hex;

	if (dsl_is_raw(line, &hex))
		return dsl_parse_raw(hex, buf, cap, err);
	if (parse_layers(&r) || resolve_addresses(&r))
		return -EINVAL;
	return dsl_build(&spec, buf, cap, err);
}
