// SPDX-License-Identifier: Apache-2.0
/* Which state the kernel keeps for a class of packets, and whether it can; and classes simulated again. */
#include "loader/classes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "util/clock.h"

/* --- connections --- */

static bool find_other(struct agent *a, const struct topo_port *out, struct skep_wild *wild)
{
	if (!out->live_host || !out->live_key)
		return false;
	wild->other_key = out->live_key;
	if (!strcmp(out->live_host, a->config->host))
		return ports_find(a, out->live_key);
	wild->other_peer = (uint16_t)hosts_peer(a, out->live_host);
	return wild->other_peer;
}

/* Can the packet carry the key of its ingress port, and its translation, to its receiver? */
static bool can_mark(const struct work *w, const struct sim_result *res, const struct skep_wild *wild)
{
	if (wild->flow.action != SKEP_ACT_ENCAP || !hosts_marks(w->a, wild->other_peer, w->in_key))
		return false;
	/* tags take a way that has no room */
	return !wild->nat || (dp_peer_binds(w->a->dp, wild->other_peer) && !w->pkt.f.vlan && !res->outputs[0].f.vlan);
}

/* False: the kernel cannot keep what such a flow needs. */
static bool make_state(struct work *w, const struct sim_result *res, struct skep_wild *wild)
{
	struct skep_flow *f = &wild->flow;
	struct sim_tuple tuple;
	bool mark;

	if (!res->class_ct)
		return true;
	if (!conns_tuple(&w->key, &tuple)) /* of these, the kernel knows no connections: it would never find the flow */
		return false;
	if (res->verdict == SIM_DROP)
		return true;
	if (!res->class_out) {
		f->flags |= SKEP_F_STAY;
		return res->class_ct == SKEP_CT_NEW && !res->n_new_conns;
	}
	if ((f->action != SKEP_ACT_LOCAL && f->action != SKEP_ACT_ENCAP) || !find_other(w->a, res->class_out, wild) ||
	    tell_shares(w->in) || tell_shares(res->class_out))
		return false;
	if (res->class_nat) {
		wild->nat = vips_number(w->a, res->class_nat);
		if (!wild->nat)
			return false;
	}
	mark = wild->other_peer && can_mark(w, res, wild);
	if (res->class_ct == SKEP_CT_NEW) {
		if (wild->other_peer && !mark)
			return false;
		f->flags |= SKEP_F_RECORD | SKEP_F_STAY | (mark ? SKEP_F_MARK : 0);
	} else {
		f->flags |= SKEP_F_LIVE | (mark && res->class_ct == SKEP_CT_ORIG ? SKEP_F_MARK : 0);
	}
	return true;
}

/* --- classes --- */

bool class_make(struct work *w, const struct sim_result *res, const struct install_plan *plan, const struct skep_flow *flow,
		struct class *c)
{
	struct skep_mask mask;

	if (!res->has_class || (plan->n > 1 && !plan->uniform))
		return false;
	c->key = w->key;
	c->wild = (struct skep_wild){ .flow = *flow };
	c->wild.flow.flags &= (uint16_t)~SKEP_F_CONN;
	c->wild.flow.tcp_seen = 0;
	if (!make_state(w, res, &c->wild))
		return false;
	class_mask(res, flow, &w->pkt.f, c->key.v6, &mask);
	class_state(&c->key, res->class_ct, c->wild.nat, &w->pkt.f);
	return !dp_wild_key(w->a->dp, &c->key, &mask);
}

bool class_same(const struct class *c, const struct index_flow *f)
{
	return dp_flow_key_eq(&c->key, &f->key) && dp_wild_listed(((const struct tenant *)f->scope)->agent->dp, &f->key) &&
	       install_same(&c->wild.flow, &f->verdict) &&
	       c->wild.other_key == f->other_key && c->wild.other_peer == f->other_peer && c->wild.nat == f->nat;
}

bool class_hold(struct work *w, const struct sim_result *res, struct vip_port **vp)
{
	*vp = res->class_vip ? vips_get(w, res) : NULL;
	return *vp || !res->class_vip;
}

void class_note(struct index_flow *f, const struct work *w, const struct sim_result *res, const struct class *c, struct vip_port *vp)
{
	if (res->class_nat) {
		(void)vips_hold(w->a, res->class_nat);
		f->nat = c->wild.nat;
	}
	f->vip = vp;
	f->sample = w->key;
	f->other_key = c->wild.other_key;
	f->other_peer = c->wild.other_peer;
	if (res->class_out)
		snprintf(f->other_port, sizeof(f->other_port), "%s", res->class_out->o.name);
}

struct index_flow *class_find(struct work *w, enum skep_ct ct, uint16_t nat)
{
	struct dp_flow_key key = w->key, masked;
	struct index_flow *f;

	class_state(&key, ct, nat, &w->pkt.f);
	for (unsigned int i = 0; dp_wild_match(w->a->dp, &key, i, &masked); i++) {
		f = index_find(w->a->index, &masked);
		if (f)
			return f;
	}
	return NULL;
}

/* --- simulating one --- */

struct as_if {
	struct conns_view view;
	struct sim_conn conn;
	enum skep_ct ct;
	struct sim_binding nat;
	bool has_nat;
};

static const struct sim_conn *conn_as_if(void *arg, const struct topo_port *port, const struct sim_tuple *tuple)
{
	const struct conns_view *v = container_of(arg, struct conns_view, s);
	struct as_if *x = (struct as_if *)v;
	const bool tcp = tuple->proto == IPPROTO_TCP;
	struct sim_tuple out = *tuple;

	if (x->ct != SKEP_CT_ORIG && x->ct != SKEP_CT_REPLY)
		return NULL;
	x->conn.tuple = *tuple;
	x->conn.n_bindings = x->has_nat;
	x->conn.bindings[0] = x->nat;
	if (x->has_nat)
		sim_tuple_translate(tuple, &x->nat, x->ct == SKEP_CT_REPLY, &out);
	sim_tuple_reverse(&out, &x->conn.other);
	snprintf(x->conn.port, sizeof(x->conn.port), "%s", port->o.name);
	x->conn.reply = x->ct == SKEP_CT_REPLY;
	x->conn.orig_seen = x->conn.reply_seen = tcp ? SKEP_TCP_SYN | SKEP_TCP_ACK : SIM_SEEN_ANY;
	return &x->conn;
}

int class_simulate(struct tenant *t, const struct topo_port *in, const struct pkt *pkt, const struct dp_flow_key *key, const char *other_port,
		   unsigned int flags, struct sim_result *res)
{
	const uint16_t nat = key->v6 ? key->k6.nat : key->k4.nat;
	struct agent *a = t->agent;
	uint64_t now = clock_mono_ns();
	struct as_if x = { .ct = key->v6 ? key->k6.ct : key->k4.ct };
	struct err err = { 0 };

	if (nat && !vips_binding(a, nat, &x.nat))
		return -ENOENT;
	x.has_nat = nat;
	a->stats.simulations++;
	conns_view(t, &x.view, now);
	x.view.in = in;
	snprintf(x.conn.other_port, sizeof(x.conn.other_port), "%s", other_port);
	if (x.ct != SKEP_CT_NONE)
		x.view.s.view.conn = conn_as_if;
	x.view.s.view.member = nat ? x.nat.member : 0;
	return sim_run(&a->sim, t->snap, &x.view.s.view, in, pkt, now, AGENT_SEED, flags, res, &err);
}
