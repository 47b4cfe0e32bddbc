// SPDX-License-Identifier: Apache-2.0
/*
 * Questions about packets that nobody has sent (control.h: trace, why): simulated on the agent's own topology, tables and connections, as the
 * next such packet would be.  Nothing is changed and nothing is sent.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/classes.h"
#include "loader/forward.h"
#include "simulator/probe.h"
#include "util/clock.h"

static const char *text_of(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key));
}

static const char *need_text(const json_t *request, const char *key, const char *want,
			     struct err *err)
{
	const char *text = text_of(request, key);

	if (!text || !*text)
		err_tag(err, -EINVAL, "usage", "request: field '%s' is missing (want %s)", key, want);
	return text && *text ? text : NULL;
}

/* The tenant that is meant, with a topology: the named one, else the only one. */
static struct tenant *find_tenant(struct agent *a, const json_t *request, struct err *err)
{
	const char *name = text_of(request, "tenant");
	struct tenant *t = name ? tenant_find(a, name) : NULL;
	struct hmap_node *n, *tmp;
	unsigned int count = 0;

	if (!name)
		hmap_for_each (n, tmp, &a->tenants) {
			t = container_of(n, struct tenant, node);
			count++;
		}
	if (count > 1)
		err_tag(err, -EINVAL, "usage", "there are %u tenants: say which with --tenant ('skep get tenants' lists them)",
			count);
	else if (!t)
		err_tag(err, -ENOENT, "no_such_tenant", "tenant '%.80s' has no port on this host",
			name ? name : "");
	else if (!t->snap)
		err_tag(err, -EAGAIN, "not_ready", "tenant '%s' is not loaded yet", t->name);
	else
		return t;
	return NULL;
}

static const struct topo_port *find_port(const struct tenant *t, const char *name, struct err *err)
{
	const struct topo_port *in = topo_find_port(t->snap, name);

	if (!in)
		err_tag(err, -ENOENT, "no_such_port", "tenant '%s' has no port '%.80s'", t->name,
			name);
	else if (in->peer)
		err_tag(err, -EINVAL, "usage",
			"port '%s' is linked to port '%s': packets enter by exterior ports", name,
			in->peer->o.name);
	else
		return in;
	return NULL;
}

/* --- does the datapath do what the simulation says? --- */

static json_t *verdict(const char *flow, const char *text)
{
	return json_pack("{s:s, s:s}", "flow", flow, "text", text);
}

static bool same_outputs(const struct index_flow *f, const struct sim_result *res)
{
	const char *p = f->outputs;

	for (uint32_t i = 0; i < res->n_outputs; i++) {
		if (!p || !*p || strcmp(p, res->outputs[i].port->o.name) != 0)
			return false;
		p += strlen(p) + 1;
		p += strlen(p) + 1;
	}
	return !p || !*p;
}

static json_t *differs(const struct index_flow *f, const struct sim_result *res,
		       const struct skep_flow *now)
{
	if (res->verdict == SIM_DROP)
		return verdict("differs", "the flow does not drop it for that reason");
	if (res->verdict != SIM_FORWARD || now->action == SKEP_ACT_DROP || !same_outputs(f, res))
		return verdict("differs", "the flow sends it elsewhere");
	return verdict("differs", "the flow sends it there with other headers, or not all such packets");
}

/* Another host's datapath has its flows. */
static json_t *elsewhere(const struct topo_port *in)
{
	char text[192];

	if (!in->live_host)
		return verdict("none", "the port is up on no host");
	snprintf(text, sizeof(text), "the port is not on this host: ask on host '%s', where it is",
		 in->live_host);
	return verdict("none", text);
}

/* What the kernel has made of the wildcard flow for this packet's key does the same. */
static bool promoted_agrees(const struct work *w, const struct index_flow *f)
{
	struct skep_flow now;

	if (!dp_flow_promoted(w->a->dp, &w->key, &now))
		return true;
	now.flags = (uint16_t)((now.flags & ~SKEP_F_MARK) | (f->verdict.flags & SKEP_F_MARK)); /* until somebody has answered */
	return install_same(&now, &f->verdict);
}

static bool class_agrees(struct work *w, const struct sim_result *res, const struct index_flow *f)
{
	struct install_plan plan;
	struct class c;
	struct made m;
	bool same;

	if (!forward_make(w->a, &w->pkt, res, &plan, &m))
		return false;
	same = class_make(w, res, &plan, &m.flow, &c) && install_same(&c.wild.flow, &f->verdict) &&
	       c.wild.other_key == f->other_key && c.wild.other_peer == f->other_peer && c.wild.nat == f->nat;
	forward_unmake(w->a, &m);
	return same && promoted_agrees(w, f);
}

static json_t *compare(struct agent *a, const struct topo_port *in, const struct lport *port,
		       const struct pkt *pkt, const struct sim_result *res)
{
	struct work w = { .a = a, .in = in, .pkt = *pkt };
	struct skep_flow now;
	struct index_flow *f;

	if (!port)
		return elsewhere(in);
	w.t = port->tenant;
	w.in_key = port->key;
	w.key.v6 = pkt_flow_key(&pkt->f, port->key, &w.key.k4, &w.key.k6);
	upcall_flush(a);
	f = index_find(a->index, &w.key);
	if (!f)
		f = class_find(&w, res->class_ct, res->class_nat ? vips_number(a, res->class_nat) : 0);
	if (!f || !dp_flow_get(a->dp, &f->key, &now))
		return res->cacheable ? verdict("none", "no flow yet: the next packet makes one") :
					verdict("not_cacheable",
						"no flow, and none will be made: skepd decides each packet");
	if (!install_holds(&now, pkt))
		return verdict("none", "there is a flow, but not for this one (its size, TTL, DSCP or TCP flags)");
	if (dp_flow_mask(&f->key) ? !class_agrees(&w, res, f) : !forward_same(a, pkt, res, &now)) {
		if (dp_flow_mask(&f->key))
			(void)dp_flow_promoted(a->dp, &w.key, &now);
		return differs(f, res, &now);
	}
	return verdict("agrees", now.action == SKEP_ACT_DROP ?
					 "the flow drops it for the same reason" :
					 "the flow does the same");
}

json_t *report_trace(struct agent *a, const json_t *request, struct err *err)
{
	const char *name = need_text(request, "port", "a port", err);
	const char *text = name ? need_text(request, "packet", "a packet", err) : NULL;
	struct tenant *t = text ? find_tenant(a, request, err) : NULL;
	const struct topo_port *in = t ? find_port(t, name, err) : NULL;
	uint64_t now = clock_mono_ns();
	struct conns_view view;
	struct sim_result res;
	const char *tree;
	struct pkt pkt;
	json_t *o;
	int len;

	if (!in)
		return NULL;
	arena_reset(&a->arena);
	conns_view(t, &view, now);
	view.fresh = true; /* what connections have seen up to now */
	view.in = in;
	len = sim_probe(&view.s.view, in, text, text_of(request, "eth"), a->txbuf + DP_HEADROOM, PKT_MAX,
			err);
	if (len < 0)
		return NULL;
	if (sim_trace(&a->sim, t->snap, &view.s.view, in, a->txbuf + DP_HEADROOM, (uint32_t)len, now,
		      AGENT_SEED, &pkt, &res, err))
		return NULL;
	tree = sim_trace_text(&a->sim, &pkt, &res);
	o = json_pack("{s:s, s:s, s:s, s:o, s:s}", "host", a->config->host, "tenant", t->name, "port",
		      in->o.name, "trace", sim_trace_json(&a->sim, &pkt, &res), "text",
		      tree ? tree : "");
	if (o && json_is_true(json_object_get(request, "diff")))
		json_object_set_new(o, "diff", compare(a, in, ports_find_name(t, name), &pkt, &res));
	return o;
}

json_t *report_why(struct agent *a, const json_t *request, struct err *err)
{
	const char *from = need_text(request, "from", "a port or an address", err);
	const char *to = from ? need_text(request, "to", "a port or an address", err) : NULL;
	const char *what = to ? need_text(request, "service", "tcp/443, udp/53 or icmp", err) : NULL;
	struct tenant *t = what ? find_tenant(a, request, err) : NULL;
	uint64_t now = clock_mono_ns();
	struct conns_view view;
	struct sim_why why;
	json_t *o;

	if (!t)
		return NULL;
	conns_view(t, &view, now);
	view.fresh = true; /* what connections have seen up to now */
	if (sim_why(&a->sim, t->snap, &view.s.view, from, to, what, now, AGENT_SEED, &why, err))
		return NULL;
	o = sim_why_json(&why, t->name);
	if (o)
		json_object_set_new(o, "host", json_string(a->config->host));
	sim_why_fini(&why);
	return o;
}
