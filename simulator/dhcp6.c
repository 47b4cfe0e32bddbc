// SPDX-License-Identifier: Apache-2.0
/*
 * DHCPv6 (RFC 8415; options of RFC 3646, 5908): as dhcp4.c, without state.  Subnets with 'ra:
 * stateful' give addresses, those with 'stateless' other configuration only.  Temporary addresses
 * and prefixes are not given, and that is said.  Called by subnet.c.
 */
#include "simulator/subnet.h"

#define HEAD	  4    /* type and transaction */
#define DUID_MAX  130  /* RFC 8415 11.1 */
#define BODY_MAX  1232 /* of 1280: the least that every link carries */
#define IAS_MAX	  8    /* of one message; the rest is not answered */
#define MINE	  10   /* length of our DUID-LL */
#define T1(lease) ((lease) / 2)
#define T2(lease) ((uint32_t)((uint64_t)(lease)*4 / 5))

enum {
	SOLICIT = 1,
	ADVERTISE,
	REQUEST,
	CONFIRM,
	RENEW,
	REBIND,
	REPLY,
	RELEASE,
	DECLINE,
	INFORMATION = 11,
};
enum {
	OPT_CLIENT = 1,
	OPT_SERVER = 2,
	OPT_IA_NA = 3,
	OPT_IA_TA = 4,
	OPT_ADDR = 5,
	OPT_ASKED = 6,
	OPT_STATUS = 13,
	OPT_RAPID = 14,
	OPT_DNS = 23,
	OPT_DOMAINS = 24,
	OPT_IA_PD = 25,
	OPT_REFRESH = 32,
	OPT_NTP = 56,
};
enum { SUCCESS = 0, NO_ADDRS = 2, NOT_ON_LINK = 4, NO_PREFIX = 6 };

struct ia {
	uint16_t kind; /* option */
	const uint8_t *id;
	struct in options;
};

struct message {
	const uint8_t *head;
	uint8_t type;
	struct in client, server;
	bool rapid, has_asked;
	bool asked[SIM_ASKED_MAX];
	struct ia ias[IAS_MAX];
	uint32_t n_ias;
};

/* Takes the next option off 'rest'; false at the end, or where a length lies ('*bad'). */
static bool next_option(struct in *rest, uint16_t *code, struct in *value, bool *bad)
{
	if (!rest->len)
		return false;
	*bad = rest->len < 4 || in16(rest->p + 2) > rest->len - 4;
	if (*bad)
		return false;
	*code = in16(rest->p);
	*value = (struct in){ .p = rest->p + 4, .len = in16(rest->p + 2) };
	rest->p += 4 + value->len;
	rest->len -= 4 + value->len;
	return true;
}

static void read_asked(struct message *m, struct in v)
{
	m->has_asked = true;
	for (uint32_t i = 0; i + 1 < v.len; i += 2)
		if (in16(v.p + i) < SIM_ASKED_MAX)
			m->asked[in16(v.p + i)] = true;
}

/* IAID; IA_NA and IA_PD have T1 and T2 behind it. */
static void read_ia(struct message *m, uint16_t code, struct in v)
{
	uint32_t head = code == OPT_IA_TA ? 4 : 12;

	if (v.len >= head && m->n_ias < IAS_MAX)
		m->ias[m->n_ias++] = (struct ia){
			.kind = code, .id = v.p, .options = { .p = v.p + head, .len = v.len - head }
		};
}

static bool parse(struct in d, struct message *m)
{
	struct in rest, v;
	bool bad = false;
	uint16_t code;

	if (d.len < HEAD)
		return false;
	*m = (struct message){ .head = d.p, .type = d.p[0] };
	rest = (struct in){ .p = d.p + HEAD, .len = d.len - HEAD };
	while (next_option(&rest, &code, &v, &bad)) {
		if (code == OPT_CLIENT && v.len && v.len <= DUID_MAX)
			m->client = v;
		else if (code == OPT_SERVER)
			m->server = v;
		else if (code == OPT_RAPID)
			m->rapid = true;
		else if (code == OPT_ASKED)
			read_asked(m, v);
		else if (code == OPT_IA_NA || code == OPT_IA_TA || code == OPT_IA_PD)
			read_ia(m, code, v);
	}
	return !bad;
}

/* --- writing --- */

static uint32_t begin(struct bytes *b, uint16_t code)
{
	sim_put16(b, code);
	sim_put16(b, 0);
	return b->n;
}

/* The option that begin() began: its length is known now. */
static void end(struct bytes *b, uint32_t at)
{
	uint32_t len = b->n - at;

	if (b->full)
		return;
	b->p[at - 2] = (uint8_t)(len >> 8);
	b->p[at - 1] = (uint8_t)len;
}

static void put_option(struct bytes *b, uint16_t code, const void *value, uint32_t len)
{
	uint32_t at = begin(b, code);

	sim_put_bytes(b, value, len);
	end(b, at);
}

static void put_status(struct bytes *b, uint16_t status, const char *text)
{
	uint32_t at = begin(b, OPT_STATUS);

	sim_put16(b, status);
	sim_put_bytes(b, text, (uint32_t)strlen(text));
	end(b, at);
}

static void server_id(const struct topo_subnet *s, uint8_t out[static MINE])
{
	struct skep_mac mac = sim_subnet_mac(s);

	memcpy(out, (const uint8_t[4]){ 0, 3, 0, 1 }, 4); /* DUID-LL, Ethernet */
	memcpy(out + 4, &mac, 6);
}

static void put_addr(struct bytes *b, const struct skep_ip *ip, uint32_t lifetime)
{
	uint32_t at = begin(b, OPT_ADDR);

	sim_put_bytes(b, ip, 16);
	sim_put32(b, lifetime);
	sim_put32(b, lifetime);
	end(b, at);
}

/* --- identity associations --- */

static bool on_link(const struct topo_port *port, const struct skep_ip *ip)
{
	const struct topo_bridge *br = port->bridge;

	for (uint32_t i = 0; i < br->n_subnets; i++)
		if (sim_subnet_serves(br->subnets[i], port) &&
		    ip_in_prefix(ip, &br->subnets[i]->prefix, br->subnets[i]->len))
			return true;
	return false;
}

static bool is_leased(const struct lease *l, uint32_t n, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < n; i++)
		if (ip_eq(&l[i].ip, ip))
			return true;
	return false;
}

/* Addresses that the client names in the IA; returns their number, at most SIM_ADDRS_MAX. */
static uint32_t named(const struct ia *ia, struct skep_ip out[static SIM_ADDRS_MAX])
{
	struct in rest = ia->options, v;
	bool bad = false;
	uint16_t code;
	uint32_t n = 0;

	while (n < SIM_ADDRS_MAX && next_option(&rest, &code, &v, &bad))
		if (code == OPT_ADDR && v.len >= 24)
			memcpy(&out[n++], v.p, 16);
	return n;
}

/* All named addresses of all IAs on this link?  '*any': there is one. */
static bool all_on_link(const struct message *m, const struct topo_port *port, bool *any)
{
	struct skep_ip ips[SIM_ADDRS_MAX];

	*any = false;
	for (uint32_t i = 0; i < m->n_ias; i++) {
		uint32_t n = m->ias[i].kind == OPT_IA_PD ? 0 : named(&m->ias[i], ips);

		for (uint32_t k = 0; k < n; k++) {
			*any = true;
			if (!on_link(port, &ips[k]))
				return false;
		}
	}
	return true;
}

/* The machine's addresses; what it names besides is taken from it (RFC 8415 18.3.4). */
static void put_leases(struct bytes *b, const struct message *m, const struct ia *ia,
		       const struct lease *l, uint32_t n)
{
	struct skep_ip ips[SIM_ADDRS_MAX];
	uint32_t n_named = named(ia, ips);

	for (uint32_t i = 0; i < n; i++)
		put_addr(b, &l[i].ip, l[i].subnet->lease_s);
	if (m->type != RENEW && m->type != REBIND)
		return;
	for (uint32_t i = 0; i < n_named; i++)
		if (!is_leased(l, n, &ips[i]))
			put_addr(b, &ips[i], 0);
}

/* 'n' leases for it; 0: none (left). */
static void put_ia(struct bytes *b, const struct message *m, const struct ia *ia,
		   const struct topo_port *port, const struct lease *l, uint32_t n)
{
	struct skep_ip ips[SIM_ADDRS_MAX];
	uint32_t at = begin(b, ia->kind), n_named = named(ia, ips);
	bool foreign = false;

	sim_put_bytes(b, ia->id, 4);
	for (uint32_t i = 0; m->type == REQUEST && i < n_named; i++)
		foreign |= !on_link(port, &ips[i]);
	if (ia->kind != OPT_IA_TA) {
		sim_put32(b, n ? T1(l->subnet->lease_s) : 0);
		sim_put32(b, n ? T2(l->subnet->lease_s) : 0);
	}
	if (ia->kind == OPT_IA_PD)
		put_status(b, NO_PREFIX, "no prefixes here");
	else if (foreign)
		put_status(b, NOT_ON_LINK, "not of this link");
	else if (!n)
		put_status(b, NO_ADDRS, "no more addresses");
	else
		put_leases(b, m, ia, l, n);
	end(b, at);
}

/* One IA_NA gets all; a machine has one of them. */
static void put_ias(struct bytes *b, const struct message *m, const struct topo_port *port,
		    const struct lease *l, uint32_t n)
{
	for (uint32_t i = 0; i < m->n_ias; i++) {
		bool mine = m->ias[i].kind == OPT_IA_NA;

		put_ia(b, m, &m->ias[i], port, l, mine ? n : 0);
		if (mine)
			n = 0;
	}
}

/* --- other configuration --- */

static const struct topo_dhcp_option *custom(const struct topo_subnet *s, uint16_t code)
{
	for (uint32_t i = 0; i < s->n_options; i++)
		if (s->options[i].code == code)
			return &s->options[i];
	return NULL;
}

static bool wanted(const struct message *m, const struct topo_subnet *s, uint16_t code)
{
	return (!m->has_asked || m->asked[code]) && !custom(s, code);
}

static void put_addrs(struct bytes *b, uint16_t code, const struct skep_ip *ips, uint32_t n)
{
	struct bytes before = *b;
	uint32_t at = begin(b, code);

	if (!sim_put_addrs(b, ips, n, false))
		*b = before;
	else
		end(b, at);
}

/* RFC 5908: each server is a suboption (1) of an option of its own. */
static void put_ntp(struct bytes *b, const struct topo_subnet *s)
{
	for (uint32_t i = 0; i < s->n_ntp; i++) {
		uint32_t at;

		if (ip_is_v4(&s->ntp[i]))
			continue;
		at = begin(b, OPT_NTP);
		put_option(b, 1, &s->ntp[i], 16);
		end(b, at);
	}
}

static void put_domain(struct bytes *b, const struct topo_subnet *s)
{
	struct bytes before = *b;
	uint32_t at = begin(b, OPT_DOMAINS);

	if (sim_put_domain(b, s->domain))
		end(b, at);
	else
		*b = before;
}

static bool is_protocol(uint16_t code)
{
	return code <= 22; /* RFC 8415's own */
}

static void put_configuration(struct bytes *b, const struct message *m, const struct topo_subnet *s)
{
	if (s->n_dns && wanted(m, s, OPT_DNS))
		put_addrs(b, OPT_DNS, s->dns, s->n_dns);
	if (s->domain && wanted(m, s, OPT_DOMAINS))
		put_domain(b, s);
	if (wanted(m, s, OPT_NTP))
		put_ntp(b, s);
	if (m->type == INFORMATION && wanted(m, s, OPT_REFRESH)) {
		uint32_t at = begin(b, OPT_REFRESH);

		sim_put32(b, s->lease_s < 600 ? 600 : s->lease_s); /* RFC 8415 21.23: IRT_MINIMUM */
		end(b, at);
	}
	for (uint32_t i = 0; i < s->n_options; i++) {
		const struct topo_dhcp_option *o = &s->options[i];
		bool asked = o->code < SIM_ASKED_MAX && m->asked[o->code];

		if (!is_protocol(o->code) && (!m->has_asked || asked))
			put_option(b, o->code, o->data, o->len);
	}
}

/* --- the answer --- */

struct question {
	const struct topo_port *port;
	const struct topo_subnet *subnet; /* who answers */
	struct lease leases[SIM_ADDRS_MAX];
	uint32_t n;
};

static void send_answer(struct walk *w, const struct question *q, struct bytes *b)
{
	struct skep_mac mac = sim_subnet_mac(q->subnet);
	struct pkt_fields f = {
		.eth_src = mac,
		.eth_dst = w->f.eth_src,
		.ip_src = sim_link_local(&mac),
		.ip_dst = w->f.ip_src,
		.ip_proto = IPPROTO_UDP,
		.ip_ttl = 64,
		.l4_src = htons(547),
		.l4_dst = htons(546),
	};

	if (b->full) /* it would be half an answer */
		return;
	sim_answer(w, q->port, q->subnet,
		   b->p[0] == ADVERTISE ? "DHCPv6 advertisement" : "DHCPv6 reply", &f, b);
}

static void put_body(struct bytes *b, const struct message *m, const struct question *q)
{
	struct bytes before;
	bool any;

	switch (m->type) {
	case CONFIRM:
		put_status(b, all_on_link(m, q->port, &any) ? SUCCESS : NOT_ON_LINK, "");
		return;
	case RELEASE: /* nothing is kept that could be given back */
	case DECLINE:
		put_status(b, SUCCESS, "");
		return;
	case INFORMATION:
		break;
	default:
		put_ias(b, m, q->port, q->leases, q->n);
	}
	before = *b;
	put_configuration(b, m, q->subnet);
	if (b->full)
		*b = before;
}

static void answer(struct walk *w, const struct message *m, const struct question *q)
{
	struct bytes b = { .p = arena_alloc(w->run->arena, BODY_MAX), .max = BODY_MAX };
	bool rapid = m->type == SOLICIT && m->rapid && q->n;
	uint8_t id[MINE];

	if (!b.p)
		return;
	sim_put8(&b, m->type == SOLICIT && !rapid ? ADVERTISE : REPLY);
	sim_put_bytes(&b, m->head + 1, 3);
	if (m->client.p)
		put_option(&b, OPT_CLIENT, m->client.p, m->client.len);
	server_id(q->subnet, id);
	put_option(&b, OPT_SERVER, id, MINE);
	if (rapid)
		put_option(&b, OPT_RAPID, NULL, 0);
	put_body(&b, m, q);
	send_answer(w, q, &b);
}

/* RFC 8415 16: who has to be named in which message. */
static bool is_valid(const struct message *m, const struct question *q)
{
	uint8_t id[MINE];
	bool named_us, any;

	server_id(q->subnet, id);
	named_us = m->server.len == MINE && !memcmp(m->server.p, id, MINE);
	switch (m->type) {
	case SOLICIT:
	case REBIND:
		return m->client.p && !m->server.p;
	case CONFIRM:
		(void)all_on_link(m, q->port, &any);
		return m->client.p && !m->server.p && any;
	case REQUEST:
	case RENEW:
	case RELEASE:
	case DECLINE:
		return m->client.p && named_us;
	case INFORMATION:
		return !m->n_ias && (!m->server.p || named_us);
	default:
		return false;
	}
}

/* Whose configuration it is: of the subnet of the machine's address; else, for configuration alone,
 * of one that gives it. */
static bool find_subnet(struct question *q, const struct message *m, const struct skep_mac *mac)
{
	const struct topo_bridge *br = q->port->bridge;
	struct lease all[SIM_ADDRS_MAX];
	uint32_t n = sim_leases(q->port, mac, false, all);

	for (uint32_t i = 0; i < n; i++) {
		if (all[i].subnet->ra == TOPO_RA_STATEFUL)
			q->leases[q->n++] = all[i];
		if (all[i].subnet->ra >= TOPO_RA_STATELESS && !q->subnet)
			q->subnet = all[i].subnet;
	}
	if (q->n)
		q->subnet = q->leases[0].subnet;
	if (q->subnet || m->type != INFORMATION)
		return q->n || (q->subnet && m->type == INFORMATION);
	for (uint32_t i = 0; i < br->n_subnets && !q->subnet; i++)
		if (!ip_is_v4(&br->subnets[i]->prefix) && br->subnets[i]->dhcp &&
		    sim_subnet_serves(br->subnets[i], q->port) &&
		    br->subnets[i]->ra >= TOPO_RA_STATELESS)
			q->subnet = br->subnets[i];
	return q->subnet;
}

/* All_DHCP_Relay_Agents_and_Servers, ff02::1:2: unicast was never offered (RFC 8415 18.4). */
static bool to_all_servers(struct walk *w)
{
	static const struct skep_ip group = { .w = { 0 } };
	struct skep_ip want = group;

	want.w[0] = htonl(0xff020000);
	want.w[3] = htonl(0x00010002);
	return ip_eq(see_ip_dst(w, 128), &want);
}

bool sim_dhcp6(struct walk *w, const struct topo_port *port)
{
	struct question q = { .port = port };
	struct message m;

	if (!to_all_servers(w) || !ip_is_link_local(see_ip_src(w, 128)) ||
	    !parse(sim_datagram(w), &m) || !find_subnet(&q, &m, see_eth_src(w)) ||
	    !is_valid(&m, &q))
		return false;
	answer(w, &m, &q);
	sim_consume(w, &q.subnet->o, "DHCPv6 of a machine of the subnet");
	return true;
}
