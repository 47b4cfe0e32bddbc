// SPDX-License-Identifier: Apache-2.0
/*
 * Whether two ends reach each other (probe.h): the first packet of a connection is walked to the other end, the records that it would
 * make are put aside, and its answer is walked back with them in place.
 */
#include "simulator/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulator/conns.h"

#define WHY_PORT  49152 /* of the client: the first ephemeral one, RFC 6335 6 */
#define WHY_FRAME 256
#define WHY_ID	  7

/* The caller's view, with what this question assumes on top. */
struct question {
	const struct topo_snapshot *snap;
	const struct sim_view *base;
	struct sim_conns *conns; /* of this question alone */
	uint64_t now_ns;
	struct sim_view view;
	struct skep_ip assumed; /* answers ARP or ND, as far as we know */
	const struct topo_port *assumed_at;
};

static const struct topo_port *why_mac(void *arg, const struct topo_bridge *bridge, uint16_t vlan,
				       const struct skep_mac *mac)
{
	const struct question *q = arg;

	return q->base->mac(q->base->arg, bridge, vlan, mac);
}

static enum sim_neigh why_neigh(void *arg, const struct topo_port *port, const struct skep_ip *ip,
				struct skep_mac *mac)
{
	struct question *q = arg;
	enum sim_neigh known = q->base->neigh(q->base->arg, port, ip, mac);

	if (known != SIM_NEIGH_UNKNOWN)
		return known;
	q->assumed = *ip;
	q->assumed_at = port;
	*mac = (struct skep_mac){ { 0x02, 0, 0, 0, 0, 0xfe } };
	return SIM_NEIGH_KNOWN;
}

static const struct sim_conn *why_conn(void *arg, const struct topo_port *port,
				       const struct sim_tuple *tuple)
{
	const struct question *q = arg;
	const struct sim_conn *c = sim_conns_find(q->conns, port->o.name, tuple, q->now_ns);

	if (c || !q->base->conn)
		return c;
	return q->base->conn(q->base->arg, port, tuple);
}

/* Which port it will be is not known before it happens: any of the range stands for it. */
static enum sim_alloc why_snat(void *arg, const struct sim_snat *ask, struct skep_ip *ip,
			       __be16 *port)
{
	const struct question *q = arg;
	uint16_t own = ntohs(ask->tuple.sport);

	if (q->base->snat && q->base->snat(q->base->arg, ask, ip, port) == SIM_ALLOC_OK)
		return SIM_ALLOC_OK;
	*ip = ask->addrs.lo;
	*port = own >= ask->ports[0] && own <= ask->ports[1] ? ask->tuple.sport :
							       htons(ask->ports[0]);
	return SIM_ALLOC_OK;
}

static const char *why_affinity(void *arg, const struct topo_vip *vip, const struct skep_ip *client)
{
	const struct question *q = arg;

	return q->base->affinity ? q->base->affinity(q->base->arg, vip, client) : NULL;
}

static uint32_t why_mtu(void *arg, const struct topo_port *port)
{
	const struct question *q = arg;

	return q->base->mtu ? q->base->mtu(q->base->arg, port) : 0;
}

/* --- the ends --- */

static bool port_has(const struct topo_port *p, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < p->n_addrs; i++)
		if (ip_eq(&p->addrs[i].ip, ip))
			return true;
	return false;
}

/* The exterior port of a bridge whose machine has the address. */
static const struct topo_port *find_owner(const struct topo_snapshot *snap, const struct skep_ip *ip)
{
	const struct skep_mac *mac;

	for (uint32_t i = 0; i < snap->n_bridges; i++) {
		const struct topo_port *p = topo_bridge_find_ip(&snap->bridges[i], ip, &mac);

		if (p && !p->peer)
			return p;
	}
	return NULL;
}

static int find_end(const struct topo_snapshot *snap, const char *text, struct sim_end *end,
		    struct err *err)
{
	*end = (struct sim_end){ .port = topo_find_port(snap, text) };
	if (end->port)
		return 0;
	if (!ip_parse(text, &end->ip))
		return err_tag(err, -ENOENT, "no_such_port",
			       "'%s' is neither a port of tenant '%s' nor an address", text,
			       snap->tenant);
	end->port = find_owner(snap, &end->ip);
	return 0;
}

static const struct skep_ip *first_of(const struct topo_port *p, bool v4)
{
	for (uint32_t i = 0; i < p->n_addrs; i++)
		if (ip_is_v4(&p->addrs[i].ip) == v4)
			return &p->addrs[i].ip;
	return NULL;
}

/* Addresses of one family for the ends that were given by name. */
static int choose_addresses(struct sim_end *from, struct sim_end *to, struct err *err)
{
	for (int v4 = 1; v4 >= 0; v4--) {
		const struct skep_ip *a = ip_is_zero(&from->ip) ? first_of(from->port, v4) : &from->ip;
		const struct skep_ip *b = ip_is_zero(&to->ip) ? first_of(to->port, v4) : &to->ip;

		if (!a || !b || ip_is_v4(a) != v4 || ip_is_v4(b) != v4)
			continue;
		from->ip = *a;
		to->ip = *b;
		return 0;
	}
	return err_tag(err, -EINVAL, "usage",
		       "the two ends have no addresses of the same family (field 'addresses' of ports)");
}

static int find_ends(const struct topo_snapshot *snap, const char *from, const char *to,
		     struct sim_end *a, struct sim_end *b, struct err *err)
{
	if (find_end(snap, from, a, err) || find_end(snap, to, b, err))
		return err->code;
	if (!a->port)
		return err_tag(err, -ENOENT, "no_such_port",
			       "no port of tenant '%s' has the address %s: where does it enter? (want a port)",
			       snap->tenant, from);
	if (a->port->peer)
		return err_tag(err, -EINVAL, "usage",
			       "port '%s' is linked to port '%s': packets enter by exterior ports",
			       a->port->o.name, a->port->peer->o.name);
	return choose_addresses(a, b, err);
}

/* "tcp/443" */
static int parse_what(const char *what, char proto[static 8], unsigned int *port, struct err *err)
{
	unsigned long n;
	char *end;

	if (!strcmp(what, "icmp") || !strcmp(what, "icmp6") || !strcmp(what, "ping")) {
		snprintf(proto, 8, "icmp");
		return 0;
	}
	n = strlen(what) > 4 ? strtoul(what + 4, &end, 10) : 0;
	if ((strncmp(what, "tcp/", 4) && strncmp(what, "udp/", 4)) || what[4] < '0' ||
	    what[4] > '9' || *end || !n || n > 65535)
		return err_tag(err, -EINVAL, "usage",
			       "'%s' is no service (want tcp/443, udp/53 or icmp)", what);
	snprintf(proto, 8, "%.3s", what);
	*port = (unsigned int)n;
	return 0;
}

/* --- the packets --- */

static int first_packet(struct question *q, const struct sim_end *from, const struct sim_end *to,
			const char *what, uint8_t buf[static WHY_FRAME], struct err *err)
{
	char a[ADDR_TEXT], b[ADDR_TEXT], proto[8], text[256];
	unsigned int port = 0;
	bool v4 = ip_is_v4(&from->ip);

	if (parse_what(what, proto, &port, err))
		return err->code;
	ip_format(&from->ip, a);
	ip_format(&to->ip, b);
	if (!strcmp(proto, "icmp"))
		snprintf(text, sizeof(text), "icmp %s > %s", a, b);
	else
		snprintf(text, sizeof(text), "%s %s%s%s:%u > %s%s%s:%u%s", proto, v4 ? "" : "[", a,
			 v4 ? "" : "]", WHY_PORT, v4 ? "" : "[", b, v4 ? "" : "]", port,
			 *proto == 't' ? " syn" : "");
	return sim_probe(&q->view, from->port, text, NULL, buf, WHY_FRAME, err);
}

/* What the machine that got 'f' sends back. */
static int answer_packet(const struct pkt_fields *f, uint8_t buf[static WHY_FRAME], struct err *err)
{
	char a[ADDR_TEXT], b[ADDR_TEXT], m[ADDR_TEXT], n[ADDR_TEXT], l4[64], vlan[16] = "", text[256];
	bool v4 = ip_is_v4(&f->ip_src);

	if (f->ip_proto == IPPROTO_TCP || f->ip_proto == IPPROTO_UDP)
		snprintf(l4, sizeof(l4), "%s %u>%u%s", f->ip_proto == IPPROTO_TCP ? "tcp" : "udp",
			 ntohs(f->l4_dst), ntohs(f->l4_src),
			 f->ip_proto == IPPROTO_TCP ? " SA" : "");
	else
		snprintf(l4, sizeof(l4), "%s reply id %u", v4 ? "icmp" : "icmp6", ntohs(f->l4_dst));
	if (f->vlan)
		snprintf(vlan, sizeof(vlan), " vlan %u", ntohs(f->vlan) & 0xfff);
	snprintf(text, sizeof(text), "eth %s>%s%s / %s %s>%s / %s", mac_format(&f->eth_dst, m),
		 mac_format(&f->eth_src, n), vlan, v4 ? "ip" : "ip6", ip_format(&f->ip_dst, a),
		 ip_format(&f->ip_src, b), l4);
	return pkt_dsl_parse(text, NULL, buf, WHY_FRAME, err);
}

/* --- one direction --- */

struct leg {
	struct sim_result res;
	struct pkt pkt;
	uint8_t frame[WHY_FRAME];
	int len;
};

static int walk(struct sim *sim, struct question *q, const struct topo_port *in, struct leg *leg,
		uint64_t seed, json_t **json, char **text, struct err *err)
{
	const char *tree;
	int rc;

	if (pkt_parse(leg->frame, (uint32_t)leg->len, &leg->pkt))
		return err_set(err, -EINVAL, "the packet cannot be parsed");
	rc = sim_run(sim, q->snap, &q->view, in, &leg->pkt, q->now_ns, seed, SIM_TRACE, &leg->res,
		     err);
	if (rc)
		return rc;
	*json = sim_trace_json(sim, &leg->pkt, &leg->res);
	tree = sim_trace_text(sim, &leg->pkt, &leg->res);
	*text = tree ? strdup(tree) : NULL;
	return *json && *text ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* Where the packet itself comes out: at the port that has the address, if there are several. */
static const struct sim_output *arrival(const struct sim_result *res, const struct sim_end *to)
{
	const struct sim_output *out = NULL;

	for (uint32_t i = 0; i < res->n_outputs; i++) {
		const struct sim_output *o = &res->outputs[i];

		if (o->mirror)
			continue;
		if (o->port == to->port || port_has(o->port, &o->f.ip_dst))
			return o;
		out = out ? out : o;
	}
	return out;
}

static bool is_answered(const struct sim_result *res)
{
	for (uint32_t i = 0; i < res->n_frames; i++)
		if (!res->frames[i].error && res->frames[i].n_outputs)
			return true;
	return false;
}

static const char *drop_text(const struct sim_result *res, char buf[static 400])
{
	static const char *const helps[] = {
#define X(id, name, help) help,
		SKEP_DROPS(X)
#undef X
	};
	char who[192];

	sim_culprit_text(&res->culprit, who);
	snprintf(buf, 400, "%s%s%s%s%s%s", helps[res->reason], *who ? " (" : "", who,
		 *who ? ")" : "", res->hint ? ": " : "", res->hint ? res->hint : "");
	return buf;
}

/* Not forwarded: what is to be said about it. */
static void refused(const struct sim_result *res, const char *which, struct sim_why *why)
{
	char buf[400];

	why->reachable = SIM_WHY_NO;
	switch (res->verdict) {
	case SIM_DROP:
		snprintf(why->text, sizeof(why->text), "no: %s is dropped: %s", which,
			 drop_text(res, buf));
		break;
	case SIM_NEED:
		why->reachable = SIM_WHY_UNKNOWN;
		snprintf(why->text, sizeof(why->text),
			 "not known: %s waits for something that is not known here", which);
		break;
	default:
		snprintf(why->text, sizeof(why->text), "no: %s ends in the network itself", which);
	}
}

static void succeeded(const struct question *q, const struct topo_port *at, struct sim_why *why)
{
	char a[ADDR_TEXT];

	why->reachable = SIM_WHY_YES;
	if (q->assumed_at)
		snprintf(why->text, sizeof(why->text),
			 "yes, by port '%s', and the answer comes back, if %s answers at port '%s'",
			 at->o.name, ip_format(&q->assumed, a), q->assumed_at->o.name);
	else
		snprintf(why->text, sizeof(why->text),
			 "yes, by port '%s', and the answer comes back", at->o.name);
}

static int ask(struct sim *sim, struct question *q, const struct sim_end *from,
	       const struct sim_end *to, const char *what, uint64_t seed, struct sim_why *why,
	       struct err *err)
{
	const struct sim_output *out;
	const struct topo_port *at;
	struct leg leg = { 0 };
	int rc;

	leg.len = first_packet(q, from, to, what, leg.frame, err);
	if (leg.len < 0)
		return leg.len;
	rc = walk(sim, q, from->port, &leg, seed, &why->forward, &why->forward_text, err);
	if (rc)
		return rc;
	if (leg.res.verdict == SIM_CONSUMED && is_answered(&leg.res)) {
		why->reachable = SIM_WHY_YES;
		snprintf(why->text, sizeof(why->text), "yes: the network itself answers");
		return 0;
	}
	out = leg.res.verdict == SIM_FORWARD ? arrival(&leg.res, to) : NULL;
	if (!out) {
		refused(&leg.res, "the request", why);
		return 0;
	}
	at = out->port;
	(void)sim_conns_apply(q->conns, &leg.res, &leg.pkt, NULL, NULL, q->now_ns);
	leg.len = answer_packet(&out->f, leg.frame, err);
	if (leg.len < 0)
		return leg.len;
	rc = walk(sim, q, at, &leg, seed, &why->reply, &why->reply_text, err);
	if (rc)
		return rc;
	out = leg.res.verdict == SIM_FORWARD ? arrival(&leg.res, from) : NULL;
	if (!out) {
		refused(&leg.res, "the answer", why);
	} else if (out->port == from->port) {
		succeeded(q, at, why);
	} else {
		why->reachable = SIM_WHY_NO;
		snprintf(why->text, sizeof(why->text),
			 "no: the request arrives at port '%s', but the answer leaves by port '%s'",
			 at->o.name, out->port->o.name);
	}
	return 0;
}

int sim_why(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
	    const char *from, const char *to, const char *what, uint64_t now_ns, uint64_t seed,
	    struct sim_why *why, struct err *err)
{
	struct sim_conns_limits limits = { .records = 64,
					   .records_port = 64,
					   .affinities = 16,
					   .timeouts = SKEP_TIMEOUTS };
	struct question q = { .snap = snap, .base = view, .now_ns = now_ns };
	struct sim_end a, b;
	int rc;

	*why = (struct sim_why){ .reachable = SIM_WHY_UNKNOWN };
	rc = find_ends(snap, from, to, &a, &b, err);
	if (rc)
		return rc;
	q.view = (struct sim_view){ .mac = why_mac,
				    .neigh = why_neigh,
				    .conn = why_conn,
				    .snat = why_snat,
				    .affinity = why_affinity,
				    .mtu = why_mtu,
				    .arg = &q };
	q.conns = sim_conns_new(&limits);
	if (!q.conns)
		return err_set(err, -ENOMEM, "out of memory");
	rc = ask(sim, &q, &a, &b, what, seed, why, err);
	sim_conns_free(q.conns);
	if (rc)
		sim_why_fini(why);
	return rc;
}

void sim_why_fini(struct sim_why *why)
{
	json_decref(why->forward);
	json_decref(why->reply);
	free(why->forward_text);
	free(why->reply_text);
	*why = (struct sim_why){ .reachable = SIM_WHY_UNKNOWN };
}
