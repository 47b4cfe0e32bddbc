// SPDX-License-Identifier: Apache-2.0
/*
 * DHCPv4 (RFC 2131, 2132, 3396, 3397, 3442, 6842): answers a machine with the address that
 * configuration gives it.  There is no state: who asks gets what is written, on every host alike.
 * Relayed messages, machines that nobody knows, and messages for other servers are left to the
 * bridge like any other broadcast.  Called by subnet.c.
 */
#include "simulator/subnet.h"

#define HEAD	    240 /* fixed fields and the magic cookie */
#define MESSAGE_MIN 300 /* BOOTP, RFC 951: what old clients take */
#define IP_UDP	    28
#define SIZE_MIN    576 /* IP datagram that every client takes */
#define BROADCAST   0x8000
#define MTU_MIN	    68 /* RFC 2132 5.1 */
#define T1(lease)   ((lease) / 2)
#define T2(lease)   ((uint32_t)((uint64_t)(lease)*7 / 8))

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };
enum {
	OPT_PAD = 0,
	OPT_MASK = 1,
	OPT_ROUTER = 3,
	OPT_DNS = 6,
	OPT_HOSTNAME = 12,
	OPT_DOMAIN = 15,
	OPT_MTU = 26,
	OPT_NTP = 42,
	OPT_ADDRESS = 50,
	OPT_LEASE = 51,
	OPT_TYPE = 53,
	OPT_SERVER = 54,
	OPT_ASKED = 55,
	OPT_MESSAGE = 56,
	OPT_SIZE = 57,
	OPT_T1 = 58,
	OPT_T2 = 59,
	OPT_CLIENT = 61,
	OPT_SEARCH = 119,
	OPT_ROUTES = 121,
	OPT_END = 255,
};

static const uint8_t magic[4] = { 99, 130, 83, 99 };
static const struct skep_mac broadcast_mac = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

/* A message, as far as it concerns us. */
struct message {
	const uint8_t *head;
	struct skep_mac chaddr;
	struct skep_ip ciaddr, address, server; /* zero = not there */
	uint8_t type;
	bool broadcast;
	bool has_asked;
	bool asked[SIM_ASKED_MAX];
	uint32_t size; /* of the largest answer: bytes of IP */
	struct in client;
};

static struct skep_ip address(const uint8_t *p)
{
	__be32 v;

	memcpy(&v, p, sizeof(v));
	return v ? ip_from_v4(v) : (struct skep_ip){ 0 };
}

static void read_option(struct message *m, uint8_t code, struct in v)
{
	switch (code) {
	case OPT_TYPE:
		m->type = v.len == 1 ? v.p[0] : 0;
		break;
	case OPT_ADDRESS:
		if (v.len == 4)
			m->address = address(v.p);
		break;
	case OPT_SERVER:
		if (v.len == 4)
			m->server = address(v.p);
		break;
	case OPT_ASKED:
		m->has_asked = true;
		for (uint32_t i = 0; i < v.len; i++)
			m->asked[v.p[i]] = true;
		break;
	case OPT_SIZE:
		if (v.len == 2 && in16(v.p) > m->size)
			m->size = in16(v.p) < SIM_ANSWER_MAX ? in16(v.p) : SIM_ANSWER_MAX;
		break;
	case OPT_CLIENT:
		if (v.len >= 2)
			m->client = v;
		break;
	default:
		break;
	}
}

/* False: not a question of a machine on this link. */
static bool parse(struct in d, struct message *m)
{
	uint32_t at = HEAD;

	if (d.len < HEAD || d.p[0] != 1 || d.p[1] != 1 || d.p[2] != 6 ||
	    memcmp(d.p + 236, magic, 4))
		return false;
	*m = (struct message){ .head = d.p, .size = SIZE_MIN };
	if (in16(d.p + 24) || in16(d.p + 26))
		return false; /* a relay's */
	memcpy(&m->chaddr, d.p + 28, 6);
	m->ciaddr = address(d.p + 12);
	m->broadcast = in16(d.p + 10) & BROADCAST;
	while (at < d.len && d.p[at] != OPT_END) {
		uint8_t code = d.p[at++], len;

		if (code == OPT_PAD)
			continue;
		if (at == d.len)
			return false;
		len = d.p[at++];
		if (len > d.len - at)
			return false;
		read_option(m, code, (struct in){ .p = d.p + at, .len = len });
		at += len;
	}
	return m->type != 0;
}

/* --- options of the answer --- */

/* RFC 3396: what is longer than an option can be goes on in another one of the same code.  All of
 * it, or nothing. */
static void put_option(struct bytes *b, uint8_t code, const void *value, uint32_t len)
{
	struct bytes before = *b;
	const uint8_t *v = value;

	do {
		uint32_t part = len > 255 ? 255 : len;

		sim_put8(b, code);
		sim_put8(b, (uint8_t)part);
		sim_put_bytes(b, v, part);
		v += part;
		len -= part;
	} while (len);
	if (b->full)
		*b = before;
}

static void put_u32(struct bytes *b, uint8_t code, uint32_t v)
{
	v = htonl(v);
	put_option(b, code, &v, 4);
}

static const struct topo_dhcp_option *custom(const struct topo_subnet *s, uint16_t code)
{
	for (uint32_t i = 0; i < s->n_options; i++)
		if (s->options[i].code == code)
			return &s->options[i];
	return NULL;
}

/* Is it to be generated: asked for, and not configured by hand? */
static bool wanted(const struct message *m, const struct topo_subnet *s, uint8_t code)
{
	return (!m->has_asked || m->asked[code]) && !custom(s, code);
}

static void put_addrs(struct bytes *b, const struct message *m, const struct topo_subnet *s,
		      uint8_t code, const struct skep_ip *ips, uint32_t n)
{
	uint8_t room[1024];
	struct bytes v = { .p = room, .max = sizeof(room) };

	if (wanted(m, s, code) && sim_put_addrs(&v, ips, n, true))
		put_option(b, code, v.p, v.n);
}

static void put_text(struct bytes *b, const struct message *m, const struct topo_subnet *s,
		     uint8_t code, const char *text)
{
	if (text && *text && wanted(m, s, code))
		put_option(b, code, text, (uint32_t)strlen(text));
}

static void put_route(struct bytes *v, const struct skep_ip *dst, uint8_t len,
		      const struct skep_ip *via)
{
	sim_put8(v, len);
	sim_put_bytes(v, &dst->w[3], (len + 7U) / 8);
	sim_put_bytes(v, &via->w[3], 4);
}

/* RFC 3442: who takes this option does not look at option 3, so the default route is in it too. */
static void put_routes(struct bytes *b, const struct message *m, const struct topo_subnet *s)
{
	uint8_t room[1024];
	struct bytes v = { .p = room, .max = sizeof(room) };
	const struct skep_ip any = { 0 };

	if (!s->n_routes || !wanted(m, s, OPT_ROUTES))
		return;
	for (uint32_t i = 0; i < s->n_routes; i++)
		if (ip_is_v4(&s->routes[i].dst))
			put_route(&v, &s->routes[i].dst, s->routes[i].len, &s->routes[i].via);
	if (ip_is_v4(&s->gateway))
		put_route(&v, &any, 0, &s->gateway);
	if (v.n && !v.full)
		put_option(b, OPT_ROUTES, v.p, v.n);
}

static void put_search(struct bytes *b, const struct message *m, const struct topo_subnet *s)
{
	uint8_t room[256];
	struct bytes v = { .p = room, .max = sizeof(room) };

	/* few clients want it, and nearly all take option 15 */
	if (s->domain && m->asked[OPT_SEARCH] && !custom(s, OPT_SEARCH) &&
	    sim_put_domain(&v, s->domain))
		put_option(b, OPT_SEARCH, v.p, v.n);
}

static bool is_protocol(uint16_t code)
{
	return code == OPT_PAD || code >= OPT_END || code == OPT_TYPE || code == OPT_SERVER ||
	       code == OPT_CLIENT;
}

static void put_custom(struct bytes *b, const struct message *m, const struct topo_subnet *s)
{
	for (uint32_t i = 0; i < s->n_options; i++) {
		const struct topo_dhcp_option *o = &s->options[i];

		if (!is_protocol(o->code) && o->code != OPT_LEASE &&
		    (!m->has_asked || m->asked[o->code]))
			put_option(b, (uint8_t)o->code, o->data, o->len);
	}
}

/* The machine's configuration, what matters most first: the answer may be full. */
static void put_configuration(struct bytes *b, const struct message *m, const struct lease *l,
			      uint32_t port_mtu)
{
	const struct topo_subnet *s = l->subnet;
	uint32_t mtu = sim_subnet_mtu(s, port_mtu);
	__be32 mask = s->len ? htonl(0xffffffffU << (32 - s->len)) : 0;
	__be16 mtu_value = htons((uint16_t)mtu);

	if (wanted(m, s, OPT_MASK))
		put_option(b, OPT_MASK, &mask, 4);
	put_routes(b, m, s);
	if (ip_is_v4(&s->gateway))
		put_addrs(b, m, s, OPT_ROUTER, &s->gateway, 1);
	put_addrs(b, m, s, OPT_DNS, s->dns, s->n_dns);
	if (mtu >= MTU_MIN && wanted(m, s, OPT_MTU))
		put_option(b, OPT_MTU, &mtu_value, 2);
	put_text(b, m, s, OPT_HOSTNAME, l->hostname);
	put_text(b, m, s, OPT_DOMAIN, s->domain);
	put_search(b, m, s);
	put_addrs(b, m, s, OPT_NTP, s->ntp, s->n_ntp);
	put_custom(b, m, s);
}

/* Always sent: no lease without them (RFC 2131 table 3).  A configured one of the same code takes
 * its place. */
static void put_times(struct bytes *b, const struct topo_subnet *s)
{
	const struct topo_dhcp_option *o = custom(s, OPT_LEASE);

	if (o)
		put_option(b, OPT_LEASE, o->data, o->len);
	else
		put_u32(b, OPT_LEASE, s->lease_s);
	if (!custom(s, OPT_T1))
		put_u32(b, OPT_T1, T1(s->lease_s));
	if (!custom(s, OPT_T2))
		put_u32(b, OPT_T2, T2(s->lease_s));
}

/* --- the answer --- */

static void put_head(struct bytes *b, const struct message *m, const struct lease *l, uint8_t type)
{
	uint8_t *p = sim_put(b, HEAD);

	if (!p)
		return;
	p[0] = 2;
	p[1] = 1;
	p[2] = 6;
	memcpy(p + 4, m->head + 4, 4);	 /* transaction */
	memcpy(p + 10, m->head + 10, 2); /* flags */
	if (type != NAK) {
		memcpy(p + 12, m->head + 12, 4); /* the client's address, if it has it already */
		if (m->type != INFORM)
			memcpy(p + 16, &l->ip.w[3], 4);
	}
	memcpy(p + 28, m->head + 28, 16); /* hardware address */
	memcpy(p + 236, magic, 4);
	put_option(b, OPT_TYPE, &type, 1);
	put_option(b, OPT_SERVER, &l->subnet->server.w[3], 4);
}

/* RFC 2131 4.1: to the address that the client has; else to everybody on its link (it is alone
 * there), or to the address that it gets. */
static void address_answer(struct pkt_fields *f, const struct message *m, const struct lease *l,
			   uint8_t type)
{
	*f = (struct pkt_fields){
		.eth_src = sim_subnet_mac(l->subnet),
		.eth_dst = m->chaddr,
		.ip_src = l->subnet->server,
		.ip_dst = ip_from_v4(0xffffffff),
		.ip_proto = IPPROTO_UDP,
		.ip_ttl = 64,
		.l4_src = htons(67),
		.l4_dst = htons(68),
	};
	if (type != NAK && !ip_is_zero(&m->ciaddr))
		f->ip_dst = m->ciaddr;
	else if (type == NAK || m->broadcast)
		f->eth_dst = broadcast_mac;
	else
		f->ip_dst = l->ip;
}

static void answer(struct walk *w, const struct topo_port *port, const struct message *m,
		   const struct lease *l, uint8_t type)
{
	static const char why[] = "not the address of this machine";
	struct bytes b = { .p = arena_alloc(w->run->arena, SIM_ANSWER_MAX),
			   .max = m->size - IP_UDP - 1 };
	struct pkt_fields f;

	if (!b.p)
		return;
	put_head(&b, m, l, type);
	if (m->client.p)
		put_option(&b, OPT_CLIENT, m->client.p, m->client.len);
	if (type == NAK) {
		put_option(&b, OPT_MESSAGE, why, sizeof(why) - 1);
	} else {
		if (m->type != INFORM)
			put_times(&b, l->subnet);
		put_configuration(&b, m, l, sim_port_mtu(w, port));
	}
	b.max++;
	b.full = false;
	sim_put8(&b, OPT_END);
	if (b.n < MESSAGE_MIN)
		(void)sim_put(&b, MESSAGE_MIN - b.n);
	address_answer(&f, m, l, type);
	sim_answer(w, port, l->subnet,
		   type == OFFER ? "DHCP offer"
		   : type == NAK ? "DHCP refusal"
				 : "DHCP acknowledgement",
		   &f, &b);
}

static const struct lease *find(const struct lease *l, uint32_t n, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < n; i++)
		if (ip_eq(&l[i].ip, ip))
			return &l[i];
	return NULL;
}

/* For all servers, or for this one?  The datagram's address, and the option by which a client tells
 * whose offer it takes. */
static bool is_for(struct walk *w, const struct message *m, const struct lease *l)
{
	const struct skep_ip *dst = see_ip_dst(w, 32);

	if (!ip_is_broadcast(dst) && !ip_eq(dst, &l->subnet->server))
		return false;
	return ip_is_zero(&m->server) || ip_eq(&m->server, &l->subnet->server);
}

/* RFC 2131 4.3.2: selecting and init-reboot name the address in an option, renewing and rebinding
 * have it. */
static bool request(struct walk *w, const struct topo_port *port, const struct message *m,
		    const struct lease *leases, uint32_t n)
{
	const struct skep_ip *want = ip_is_zero(&m->address) ? &m->ciaddr : &m->address;
	const struct lease *l;

	if (ip_is_zero(want))
		return false;
	l = find(leases, n, want);
	if (l && !is_for(w, m, l))
		return false;
	for (uint32_t i = 0; !l && i < n; i++) /* the server that was meant says no */
		if (is_for(w, m, &leases[i])) {
			answer(w, port, m, &leases[i], NAK);
			return true;
		}
	if (l)
		answer(w, port, m, l, ACK);
	return l;
}

bool sim_dhcp4(struct walk *w, const struct topo_port *port)
{
	struct lease leases[SIM_ADDRS_MAX];
	const struct lease *l = leases;
	struct message m;
	uint32_t n;

	if (!parse(sim_datagram(w), &m) || !mac_eq(&m.chaddr, see_eth_src(w)))
		return false;
	n = sim_leases(port, &m.chaddr, true, leases);
	if (!n)
		return false;
	switch (m.type) {
	case DISCOVER:
		if (!ip_is_zero(&m.address) && find(leases, n, &m.address))
			l = find(leases, n, &m.address);
		if (!is_for(w, &m, l))
			return false;
		answer(w, port, &m, l, OFFER);
		break;
	case REQUEST:
		if (!request(w, port, &m, leases, n))
			return false;
		break;
	case INFORM:
		l = find(leases, n, &m.ciaddr);
		if (!l || !is_for(w, &m, l))
			return false;
		answer(w, port, &m, l, ACK);
		break;
	case RELEASE: /* nothing is kept that could be given back */
	case DECLINE:
		if (!is_for(w, &m, l))
			return false;
		break;
	default:
		return false;
	}
	sim_consume(w, &l->subnet->o, "DHCP of a machine of the subnet");
	return true;
}
