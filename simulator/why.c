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
	struct sim_end ends[2]; /* FROM, TO */
	bool traced;
	struct skep_ip assumed; /* answers ARP or ND, as far as we know */
	const struct topo_port *assumed_at;
};

static const struct skep_mac assumed_mac = { { 0x02, 0, 0, 0, 0, 0xfc } };

static const struct topo_port *why_mac(void *arg, const struct topo_bridge *bridge, uint16_t vlan,
				       const struct skep_mac *mac)
{
	const struct question *q = arg;
	const struct topo_port *p = q->base->mac(q->base->arg, bridge, vlan, mac);

	if (p)
		return p;
	for (int i = 0; i < 2; i++)
		if (q->ends[i].told && q->ends[i].port->bridge == bridge &&
		    mac_eq(&q->ends[i].mac, mac))
			return q->ends[i].port;
	return q->assumed_at && q->assumed_at->bridge == bridge && mac_eq(mac, &assumed_mac) ?
		       q->assumed_at :
		       NULL;
}

/* May the machine behind this port have the address, for all that we know? */
static bool may_have(const struct topo_port *p, const struct skep_ip *ip)
{
	if (p->peer || !p->admin_up)
		return false;
	if (!p->n_addrs || !p->has_mac || !p->port_security)
		return true;
	for (uint32_t i = 0; i < p->more->n_allowed; i++)
		if (ip_in_prefix(ip, &p->more->allowed[i].ip, p->more->allowed[i].len))
			return true;
	return false;
}

/* The ports of the bridge that may have the address: how many, and the first. */
static unsigned int candidates(const struct topo_bridge *b, const struct skep_ip *ip,
			       const struct topo_port **first)
{
	struct topo_ports_at at;
	unsigned int n = 0;

	*first = NULL;
	for (const struct topo_port *p = topo_ports_first(&b->ports, &at); p; p = topo_ports_next(&at))
		if (may_have(p, ip)) {
			*first = *first ? *first : p;
			n++;
		}
	return n;
}

static enum sim_neigh why_neigh(void *arg, const struct topo_port *port, const struct skep_ip *ip,
				struct skep_mac *mac)
{
	struct question *q = arg;
	enum sim_neigh known = q->base->neigh(q->base->arg, port, ip, mac);

	const struct topo_bridge *b = port->peer ? port->peer->bridge : NULL;
	const struct topo_port *at = port;

	if (known != SIM_NEIGH_UNKNOWN)
		return known;
	*mac = assumed_mac;
	for (int i = 0; i < 2; i++)
		if (q->ends[i].told && q->ends[i].port->bridge == b && ip_eq(&q->ends[i].ip, ip)) {
			*mac = q->ends[i].mac;
			return SIM_NEIGH_KNOWN;
		}
	if (ip_eq(&q->ends[0].ip, ip) && q->ends[0].port == port) /* it has just sent something */
		return SIM_NEIGH_KNOWN;
	/* a next hop of which nothing is written down, where there is one place for it */
	if (b && (ip_eq(&q->ends[1].ip, ip) || candidates(b, ip, &at) != 1))
		return SIM_NEIGH_UNKNOWN;
	if (b && at->has_mac)
		*mac = at->mac;
	q->assumed = *ip;
	q->assumed_at = at;
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

/* --- the service --- */

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
			       "'%s' is no service (want tcp/443, udp/53, icmp or icmp6)", what);
	snprintf(proto, 8, "%.3s", what);
	*port = (unsigned int)n;
	return 0;
}

int sim_service_check(const char *what, struct err *err)
{
	unsigned int port;
	char proto[8];

	return parse_what(what, proto, &port, err);
}

/* --- the packets --- */

static int first_packet(struct question *q, const char *what, uint8_t buf[static WHY_FRAME],
			struct err *err)
{
	const struct sim_end *from = &q->ends[0], *to = &q->ends[1];
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
	return sim_probe_ends(&q->view, from->port, text, NULL, q->ends, buf, WHY_FRAME, err);
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
	rc = sim_run(sim, q->snap, &q->view, in, &leg->pkt, q->now_ns, seed,
		     q->traced ? SIM_TRACE : SIM_HINT, &leg->res, err);
	if (rc || !q->traced)
		return rc;
	*json = sim_trace_json(sim, &leg->pkt, &leg->res);
	tree = sim_trace_text(sim, &leg->pkt, &leg->res);
	*text = tree ? strdup(tree) : NULL;
	return *json && *text ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static bool port_has(const struct topo_port *p, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < p->n_addrs; i++)
		if (ip_eq(&p->addrs[i].ip, ip))
			return true;
	return false;
}

/* A copy of a flooded frame that somebody else gets, to no effect. */
static bool is_strangers(const struct sim_output *o)
{
	return o->flooded && !mac_is_multicast(&o->f.eth_dst) && o->port->has_mac &&
	       o->port->port_security && !mac_eq(&o->port->mac, &o->f.eth_dst) &&
	       !o->port->more->n_allowed;
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
		if (!out && !is_strangers(o))
			out = o;
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

static void rule_text(const struct topo_rule *r, char buf[static 192])
{
	snprintf(buf, 192, "rule '%s' of %s '%s'", r->name, r->chain->o.kind == TOPO_SECURITY_GROUP ? "security group" : "chain", r->chain->o.name);
}

/* The last one that let it pass: each that did was asked, and what is behind it is nearer to the machine. */
static void admitted(const struct sim_result *res, struct sim_why *why)
{
	for (uint32_t i = 0; i < res->n_rules; i++)
		if (res->rules[i]->chain->o.kind == TOPO_SECURITY_GROUP || res->rules[i]->action == TOPO_ACCEPT)
			rule_text(res->rules[i], why->rule);
}

/* No port, neighbour, floating IP, NAT rule or VIP has the address. */
static void nobody(const struct skep_ip *ip, const struct topo_bridge *b, struct sim_why *why)
{
	const struct topo_port *first;
	unsigned int n = candidates(b, ip, &first);
	char a[ADDR_TEXT], more[400] = "";

	ip_format(ip, a);
	why->reachable = n ? SIM_WHY_UNKNOWN : SIM_WHY_NO;
	if (n)
		snprintf(more, sizeof(more), "; if it is behind port '%s'%s, say so: %s/%s",
			 first->o.name, n > 1 ? ", for one" : "", first->o.name, a);
	snprintf(why->text, sizeof(why->text), "%s: nobody is known to have %s on bridge '%s'%.380s",
		 n ? "not known" : "no", a, b->o.name, more);
}

static bool waits_for_nobody(const struct sim_result *res)
{
	const struct topo_port *p = res->need.port;

	return res->need.kind == SIM_NEED_NEIGH && p->peer && p->peer->bridge;
}

/* Not forwarded: what is to be said about it. */
static void refused(const struct sim_result *res, const char *which, struct sim_why *why)
{
	char buf[400];

	why->reachable = SIM_WHY_NO;
	why->rule[0] = 0;
	switch (res->verdict) {
	case SIM_DROP:
		why->reason = res->reason;
		sim_culprit_text(&res->culprit, why->culprit);
		if (res->culprit.rule)
			rule_text(res->culprit.rule, why->rule);
		snprintf(why->text, sizeof(why->text), "no: %s is dropped: %s", which,
			 drop_text(res, buf));
		break;
	case SIM_NEED:
		if (waits_for_nobody(res)) {
			nobody(&res->need.ip, res->need.port->peer->bridge, why);
			break;
		}
		why->reachable = SIM_WHY_UNKNOWN;
		snprintf(why->text, sizeof(why->text),
			 "not known: %s waits for something that is not known here", which);
		break;
	case SIM_FORWARD:
		why->reachable = SIM_WHY_UNKNOWN;
		snprintf(why->text, sizeof(why->text),
			 "not known: %s goes to a MAC that no port is known to have", which);
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

/* The answer, from the port where the request arrived. */
static int ask_back(struct sim *sim, struct question *q, struct leg *leg,
		    const struct sim_output *arrived, uint64_t seed, struct sim_why *why,
		    struct err *err)
{
	const struct topo_port *at = arrived->port;
	const struct sim_output *out;
	int rc;

	(void)sim_conns_apply(q->conns, &leg->res, &leg->pkt, NULL, NULL, q->now_ns);
	leg->len = answer_packet(&arrived->f, leg->frame, err);
	if (leg->len < 0)
		return leg->len;
	rc = walk(sim, q, at, leg, seed, &why->reply, &why->reply_text, err);
	if (rc)
		return rc;
	out = leg->res.verdict == SIM_FORWARD ? arrival(&leg->res, &q->ends[0]) : NULL;
	if (!out) {
		refused(&leg->res, "the answer", why);
	} else if (out->port == q->ends[0].port) {
		succeeded(q, at, why);
	} else {
		why->reachable = SIM_WHY_NO;
		why->rule[0] = 0;
		snprintf(why->text, sizeof(why->text),
			 "no: the request arrives at port '%s', but the answer leaves by port '%s'",
			 at->o.name, out->port->o.name);
	}
	return 0;
}

static int ask(struct sim *sim, struct question *q, const char *what, uint64_t seed,
	       struct sim_why *why, struct err *err)
{
	const struct sim_end *from = &q->ends[0], *to = &q->ends[1];
	const struct sim_output *out;
	struct leg leg = { 0 };
	int rc;

	leg.len = first_packet(q, what, leg.frame, err);
	if (leg.len == -EHOSTUNREACH && from->port->bridge) {
		*err = (struct err){ 0 };
		nobody(&to->ip, from->port->bridge, why);
		return 0;
	}
	if (leg.len < 0)
		return leg.len;
	rc = walk(sim, q, from->port, &leg, seed, &why->forward, &why->forward_text, err);
	if (rc)
		return rc;
	admitted(&leg.res, why);
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
	if (to->named && out->port != to->port) {
		why->reachable = SIM_WHY_NO;
		why->rule[0] = 0;
		snprintf(why->text, sizeof(why->text),
			 "no: the request arrives at port '%s', and not at '%s'",
			 out->port->o.name, to->port->o.name);
		return 0;
	}
	return ask_back(sim, q, &leg, out, seed, why, err);
}

static int question(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
		    const char *from, const char *to, const char *what, uint64_t now_ns,
		    uint64_t seed, bool traced, struct sim_why *why, struct err *err)
{
	struct sim_conns_limits limits = { .records = 64,
					   .records_port = 64,
					   .affinities = 16,
					   .timeouts = SKEP_TIMEOUTS };
	struct question q = { .snap = snap, .base = view, .now_ns = now_ns, .traced = traced };
	int rc;

	*why = (struct sim_why){ .reachable = SIM_WHY_UNKNOWN };
	if (sim_service_check(what, err))
		return err->code;
	rc = sim_find_ends(snap, from, to, !strcmp(what, "icmp6"), &q.ends[0], &q.ends[1], err);
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
	rc = ask(sim, &q, what, seed, why, err);
	sim_conns_free(q.conns);
	if (rc)
		sim_why_fini(why);
	return rc;
}

int sim_why(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
	    const char *from, const char *to, const char *what, uint64_t now_ns, uint64_t seed,
	    struct sim_why *why, struct err *err)
{
	return question(sim, snap, view, from, to, what, now_ns, seed, true, why, err);
}

int sim_reaches(struct sim *sim, const struct topo_snapshot *snap, const struct sim_view *view,
		const char *from, const char *to, const char *what, uint64_t now_ns, uint64_t seed,
		struct sim_why *why, struct err *err)
{
	return question(sim, snap, view, from, to, what, now_ns, seed, false, why, err);
}

json_t *sim_why_json(const struct sim_why *why, const char *tenant)
{
	return json_pack("{s:s, s:o, s:s, s:s?, s:O?, s:s?, s:O?, s:s?}", "tenant", tenant, "reachable",
			 why->reachable == SIM_WHY_UNKNOWN ?
				 json_null() :
				 json_boolean(why->reachable == SIM_WHY_YES),
			 "text", why->text, "rule", *why->rule ? why->rule : NULL, "forward", why->forward, "forward_text",
			 why->forward_text, "reply", why->reply, "reply_text", why->reply_text);
}

void sim_why_fini(struct sim_why *why)
{
	json_decref(why->forward);
	json_decref(why->reply);
	free(why->forward_text);
	free(why->reply_text);
	*why = (struct sim_why){ .reachable = SIM_WHY_UNKNOWN };
}
