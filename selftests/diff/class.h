/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of packets (struct sim_result: has_class): the wildcard flow that skepd would install (loader/class_key.h) is put into the maps, with
 * the record of the connection that the result was for.  The packet must leave as the simulator says, by the wildcard flow and by what is
 * promoted of it; and so must packets that differ from it in what the mask leaves out, with a record of the same kind.
 */
#pragma once

#include "loader/agent.h"
#include "loader/class_key.h"
#include "selftests/diff/compare.h"
#include "selftests/lib/mask.h"
#include "selftests/lib/simtest.h"
#include "topology/maglev.h"

#define CLS_MASK  1
#define CLS_OTHER 2 /* skep_lports: of the other end, if it is here */
#define CLS_NAT   1 /* number of the class's translation; other members of its pool have higher ones */

static struct {
	unsigned int classes, promoted, records, varied, run; /* how often */
	unsigned int by_ct[SKEP_CT_REPLY + 1];
	unsigned int balanced, other_member; /* of load balancers; variations that got another member than the class's */
} cls;

/* --- the state of connections --- */

struct cls_as_if {
	struct sim_state_view view; /* the first: its functions are given it */
	const struct sim_result *res;
	struct sim_conn conn;
	uint8_t orig_seen, reply_seen;
};

static inline bool cls_begins(uint8_t flags)
{
	return (flags & (SKEP_TCP_SYN | SKEP_TCP_ACK)) == SKEP_TCP_SYN;
}

static inline const struct sim_conn *cls_conn(void *arg, const struct topo_port *port, const struct sim_tuple *tuple)
{
	struct cls_as_if *x = arg;
	const struct sim_binding *nat = x->res->class_nat;
	struct sim_tuple out = *tuple;

	if (x->res->class_ct != SKEP_CT_ORIG && x->res->class_ct != SKEP_CT_REPLY)
		return NULL;
	x->conn.tuple = *tuple;
	x->conn.n_bindings = nat != NULL;
	if (nat) {
		x->conn.bindings[0] = *nat;
		sim_tuple_translate(tuple, nat, x->res->class_ct == SKEP_CT_REPLY, &out);
	}
	sim_tuple_reverse(&out, &x->conn.other);
	snprintf(x->conn.port, sizeof(x->conn.port), "%s", port->o.name);
	snprintf(x->conn.other_port, sizeof(x->conn.other_port), "%s", x->res->class_out ? x->res->class_out->o.name : "");
	x->conn.reply = x->res->class_ct == SKEP_CT_REPLY;
	x->conn.orig_seen = x->orig_seen;
	x->conn.reply_seen = x->reply_seen;
	return &x->conn;
}

static inline struct skep_conn cls_record(const struct sim_result *r, uint32_t other_peer, uint8_t orig_seen, uint8_t reply_seen)
{
	return (struct skep_conn){ .last_seen = UINT32_MAX, /* to be filled in */
				   .other_key = r->class_out ? r->class_out->live_key : 0,
				   .other_peer = (uint16_t)other_peer,
				   .flags = (r->class_ct == SKEP_CT_REPLY ? SKEP_CONN_REPLY : 0) | (r->class_nat ? SKEP_CONN_NAT : 0),
				   .nat = r->class_nat ? CLS_NAT : 0,
				   .orig_seen = orig_seen,
				   .reply_seen = reply_seen };
}

/* --- maps --- */

static inline uint32_t cls_jiffies(void)
{
	uint8_t frame[64] = { 0 };
	uint64_t now[2] = { 0 };

	if (bpfrun_run(cmp.run, BPFRUN_CLOCK, frame, sizeof(frame), &cmp.res))
		return 0;
	memcpy(now, cmp.res.data, sizeof(now));
	return (uint32_t)now[0];
}

static inline bool cls_conn_key(const struct dp_flow_key *key, struct skep_conn_key *k)
{
	struct sim_tuple t;

	memset(k, 0, sizeof(*k));
	if (!conns_tuple(key, &t))
		return false;
	*k = (struct skep_conn_key){ .port = BPFRUN_KEY, .src = t.src, .dst = t.dst, .sport = t.sport, .dport = t.dport, .proto = t.proto };
	return true;
}

/* The record at the other end, of the result's connection. */
static inline struct skep_conn_key cls_reverse(const struct sim_result *res, const struct skep_conn_key *k, uint32_t port)
{
	struct sim_tuple t = { .src = k->src, .dst = k->dst, .sport = k->sport, .dport = k->dport, .proto = k->proto }, out = t;

	if (res->class_nat)
		sim_tuple_translate(&t, res->class_nat, res->class_ct == SKEP_CT_REPLY, &out);
	return (struct skep_conn_key){ .port = port, .src = out.dst, .dst = out.src, .sport = out.dport, .dport = out.sport, .proto = out.proto };
}

static inline void cls_key(const struct pkt *pkt, const struct sim_result *res, const struct skep_mask *mask, struct dp_flow_key *exact,
			   struct dp_flow_key *masked)
{
	uint8_t *to;

	*exact = (struct dp_flow_key){ 0 };
	exact->v6 = pkt_flow_key(&pkt->f, BPFRUN_KEY, &exact->k4, &exact->k6);
	*masked = *exact;
	class_state(masked, res->class_ct, res->class_nat ? CLS_NAT : 0, &pkt->f);
	to = masked->v6 ? (uint8_t *)&masked->k6 : (uint8_t *)&masked->k4;
	for (size_t i = 0; i < (masked->v6 ? sizeof(masked->k6) : sizeof(masked->k4)); i++)
		to[i] &= ((const uint8_t *)mask)[i];
	*(masked->v6 ? &masked->k6.mask : &masked->k4.mask) = CLS_MASK;
}

static inline const void *cls_bytes(const struct dp_flow_key *key)
{
	return key->v6 ? (const void *)&key->k6 : (const void *)&key->k4;
}

struct cls_case {
	const struct sim_result *res;
	const struct topo_port *in;
	struct skep_mask mask;
	struct dp_flow_key exact, masked;
	struct skep_wild wild;
};

/* As loader/classes.c: make_state().  False: the kernel cannot keep it, there is no wildcard flow. */
static inline bool cls_state(struct cls_case *c)
{
	const struct sim_result *r = c->res;
	struct skep_flow *f = &c->wild.flow;
	struct skep_conn_key k;

	if (r->class_ct && !cls_conn_key(&c->exact, &k))
		return false;
	if (!r->class_ct || r->verdict == SIM_DROP)
		return true;
	if (!r->class_out) {
		f->flags |= SKEP_F_STAY;
		return r->class_ct == SKEP_CT_NEW && !r->n_new_conns;
	}
	if ((f->action != SKEP_ACT_LOCAL && f->action != SKEP_ACT_ENCAP) || !r->class_out->live_host)
		return false;
	c->wild.other_key = r->class_out->live_key;
	c->wild.other_peer = strcmp(r->class_out->live_host, c->in->live_host) != 0 ? CMP_PEER : 0;
	c->wild.nat = r->class_nat ? CLS_NAT : 0;
	f->flags |= r->class_ct == SKEP_CT_NEW ? SKEP_F_RECORD | SKEP_F_STAY : SKEP_F_LIVE;
	return true;
}

/* The translation, and the VIP with its table. */
static inline int cls_put_balancer(const struct sim_result *res, struct err *err)
{
	const struct sim_binding *b = res->class_nat;
	const struct topo_vip *vip = res->class_vip;
	struct skep_nat nat = { .from = b->from, .from_port = b->from_port, .to_port = b->to_port, .to = b->to };
	struct skep_vip_key key = { .port = BPFRUN_KEY, .dst = b->from, .dport = b->from_port };
	struct skep_vip table = { .seed = SCENARIO_SEED, .size = vip ? vip->pool->maglev->size : 0 };
	struct skep_maglev_row row = { 0 };
	int rc = cmp_put("skep_nats", CLS_NAT, &nat, err);

	if (!vip || rc)
		return rc;
	key.proto = vip->proto;
	for (uint32_t i = 0; i < table.size && !rc; i++) {
		const uint16_t m = vip->pool->maglev->slots[i];

		row.nat[i % SKEP_MAGLEV_ROW] = sim_name_hash(vip->pool->members[m]->o.name) == b->member ? CLS_NAT : (uint16_t)(CLS_NAT + 1 + m);
		if (i % SKEP_MAGLEV_ROW == SKEP_MAGLEV_ROW - 1 || i == table.size - 1)
			rc = cmp_put("skep_maglev", i / SKEP_MAGLEV_ROW, &row, err);
	}
	rc = rc ?: bpfrun_put(cmp.run, "skep_vips", &key, &table);
	return rc ? err_set(err, rc, "cannot write the load balancer") : 0;
}

static inline int cls_put_maps(const struct cls_case *c, struct err *err)
{
	struct skep_lport own = { .gen = 7, .flags = SKEP_LPORT_CT | SKEP_LPORT_VIP, .key = BPFRUN_KEY, .conns_max = 10, .replies_max = 10 },
			  other = { .gen = 1, .key = c->wild.other_key, .conns_max = 10, .replies_max = 10 };
	struct skep_port port = { .kind = SKEP_PORT_LOCAL, .ifindex = cmp.d0, .set = CLS_OTHER };
	const char *map = c->exact.v6 ? "skep_wilds6" : "skep_wilds4";
	int rc;

	(c->exact.v6 ? own.masks6 : own.masks4)[0] = CLS_MASK;
	if (cmp_put("skep_lports", BPFRUN_LPORT, &own, err) || cmp_put("skep_masks", CLS_MASK, &c->mask, err))
		return -1;
	if (c->res->class_nat && cls_put_balancer(c->res, err))
		return -1;
	if (c->wild.other_key && !c->wild.other_peer &&
	    (cmp_put("skep_lports", CLS_OTHER, &other, err) || cmp_put("skep_ports", c->wild.other_key, &port, err)))
		return -1;
	rc = bpfrun_put(cmp.run, map, cls_bytes(&c->masked), &c->wild);
	return rc ? err_set(err, rc, "cannot write %s: %s", map, strerror(-rc)) : 0;
}

/* Nothing of this case is left for the next. */
static inline void cls_clear(const struct cls_case *c, const struct dp_flow_key *exact)
{
	struct skep_conn_key k, other;

	(void)bpfrun_del(cmp.run, exact->v6 ? "skep_flows6" : "skep_flows4", cls_bytes(exact));
	if (!cls_conn_key(exact, &k))
		return;
	other = cls_reverse(c->res, &k, c->wild.other_key);
	(void)bpfrun_del(cmp.run, "skep_conns", &k);
	(void)bpfrun_del(cmp.run, "skep_conns", &other);
}

/* --- one packet --- */

static inline int cls_pass(const struct cmp_flow *want, const struct pkt *pkt, struct err *err)
{
	int rc = bpfrun_run(cmp.run, BPFRUN_PORT, pkt->data, pkt->len, &cmp.res);

	return rc ? err_set(err, rc, "cannot run the program: %s", strerror(-rc)) : cmp_result(want, pkt, true, err);
}

/* The records that the packet began. */
static inline int cls_made(const struct cls_case *c, const struct dp_flow_key *exact, struct err *err)
{
	struct skep_conn_key k, other;
	struct skep_conn v;

	(void)cls_conn_key(exact, &k);
	if (bpfrun_get(cmp.run, "skep_conns", &k, &v))
		return err_set(err, -1, "no record was made");
	if (v.flags != (c->wild.nat ? SKEP_CONN_NAT : 0) || v.nat != c->wild.nat || v.other_key != c->wild.other_key || v.other_peer != c->wild.other_peer || !v.orig_seen || v.reply_seen)
		return err_set(err, -1, "a wrong record was made");
	cls.records++;
	if (c->wild.other_peer)
		return 0;
	other = cls_reverse(c->res, &k, c->wild.other_key);
	if (bpfrun_get(cmp.run, "skep_conns", &other, &v))
		return err_set(err, -1, "no record was made at the other end");
	if (v.flags != (SKEP_CONN_REPLY | (c->wild.nat ? SKEP_CONN_NAT : 0)) || v.nat != c->wild.nat || v.other_key != BPFRUN_KEY || v.other_peer)
		return err_set(err, -1, "a wrong record was made at the other end");
	return 0;
}

/* By the wildcard flow, and then by the exact one that it has become. */
static inline int cls_both(const struct cls_case *c, const struct dp_flow_key *exact, const struct cmp_flow *want, const struct pkt *pkt,
			   struct err *err)
{
	const char *map = exact->v6 ? "skep_flows6" : "skep_flows4";
	uint64_t wild = bpfrun_counter(cmp.run, SKEP_CNT_WILD_HIT), hits = bpfrun_counter(cmp.run, SKEP_CNT_FLOW_HIT);
	bool stays = c->wild.flow.action == SKEP_ACT_DROP || (c->wild.flow.flags & SKEP_F_STAY);
	struct skep_flow promoted;
	int rc;

	if (cls_pass(want, pkt, err)) {
		err_prefix(err, "by the wildcard flow");
		return -1;
	}
	if (bpfrun_counter(cmp.run, SKEP_CNT_WILD_HIT) != wild + 1)
		return err_set(err, -1, "the wildcard flow was not found");
	if ((c->wild.flow.flags & SKEP_F_RECORD) && cls_made(c, exact, err))
		return -1;
	rc = bpfrun_get(cmp.run, map, cls_bytes(exact), &promoted);
	if (stays || rc)
		return stays == !!rc ? 0 : err_set(err, -1, stays ? "promoted" : "not promoted");
	if (promoted.gen != 7 || promoted.action != c->wild.flow.action)
		return err_set(err, -1, "something else was promoted");
	cls.promoted++;
	if (cls_pass(want, pkt, err)) {
		err_prefix(err, "by the promoted flow");
		return -1;
	}
	/* a SYN has its record looked at each time */
	if ((c->wild.flow.flags & SKEP_F_LIVE) && cls_begins(pkt->f.tcp_flags))
		return bpfrun_counter(cmp.run, SKEP_CNT_WILD_HIT) == wild + 2 ? 0 : err_set(err, -1, "the record of a SYN was not looked at");
	return bpfrun_counter(cmp.run, SKEP_CNT_FLOW_HIT) > hits ? 0 : err_set(err, -1, "the promoted flow was not found");
}

/* The record that decided, as the kernel would have it: none for new ones. */
static inline int cls_put_record(const struct cls_case *c, const struct dp_flow_key *exact, uint8_t orig_seen, uint8_t reply_seen,
				 struct err *err)
{
	struct skep_conn v = cls_record(c->res, c->wild.other_peer, orig_seen, reply_seen);
	struct skep_conn_key k;
	int rc;

	if ((c->res->class_ct != SKEP_CT_ORIG && c->res->class_ct != SKEP_CT_REPLY) || !cls_conn_key(exact, &k))
		return 0;
	v.last_seen = cls_jiffies();
	rc = bpfrun_put(cmp.run, "skep_conns", &k, &v);
	return rc ? err_set(err, rc, "cannot write the record: %s", strerror(-rc)) : 0;
}

/* --- variations --- */

/* What the mask leaves out becomes something else. */
static inline bool cls_vary(uint64_t *random, const struct cls_case *c, struct pkt *pkt, struct dp_flow_key *exact)
{
	struct sim_result as = *c->res;
	struct dp_flow_key masked;

	as.mask = c->res->class_mask;
	as.mask.fields |= SIM_FIELD_VLAN | SIM_FIELD_ETH_TYPE | SIM_FIELD_FRAG;
	as.mask.fields |= c->wild.flow.flags & SKEP_F_TCP ? SIM_FIELD_TCP_FLAGS : 0;
	if (c->res->class_vip && simtest_below(random, 2)) /* another connection of the same client */
		pkt->f.l4_src = (__be16)simtest_random(random);
	else
		mask_vary(random, &as, &pkt->f);
	cls_key(pkt, c->res, &c->mask, exact, &masked);
	return !sim_always_up(&pkt->f) && dp_flow_key_eq(&masked, &c->masked);
}

static inline int cls_differs(const char *what, const struct cls_case *c, const struct pkt *pkt, struct err *err)
{
	char mask[256], a[ADDR_TEXT], d[ADDR_TEXT];

	return err_set(err, -1, "class: %s differs (ct %u, mask: %s; type 0x%04x proto %u frag %u %s>%s l4 0x%x>%u flags 0x%x)", what,
		       c->res->class_ct, sim_mask_format(&c->res->class_mask, mask, sizeof(mask)), ntohs(pkt->f.eth_type), pkt->f.ip_proto,
		       pkt->f.ip_frag, ip_format(&pkt->f.ip_src, a), ip_format(&pkt->f.ip_dst, d), ntohs(pkt->f.l4_src),
		       ntohs(pkt->f.l4_dst), pkt->f.tcp_flags);
}

/* The varied packet as bytes; false: the headers cannot be changed that far. */
static inline bool cls_frame(const struct pkt *from, const struct pkt *to, uint8_t *buf, struct pkt *pkt)
{
	int n;

	memcpy(buf, from->data, from->len);
	n = pkt_rewrite(buf, from, &to->f);
	if (n < 0 || pkt_parse(buf, (uint32_t)n, pkt) != SKEP_DROP_NONE)
		return false;
	return !memcmp(&pkt->f, &to->f, sizeof(to->f));
}

static inline uint8_t cls_seen(uint64_t *random, const struct pkt *pkt)
{
	static const uint8_t seen[] = { SKEP_TCP_SYN, SKEP_TCP_SYN | SKEP_TCP_ACK, SKEP_TCP_SYN | SKEP_TCP_ACK | SKEP_TCP_FIN };

	if (pkt->f.ip_proto != IPPROTO_TCP)
		return SIM_SEEN_ANY;
	return seen[simtest_below(random, cls_begins(pkt->f.tcp_flags) ? 2 : 3)];
}

/* By the simulator's choice, the connection of the packet is for another member than the class's: BPF has to think so too. */
static inline int cls_other_member(struct cls_case *c, const struct pkt *from, const struct pkt *to, const struct dp_flow_key *exact, struct err *err)
{
	static uint8_t frame[PKT_MAX + 4];
	uint64_t wild = bpfrun_counter(cmp.run, SKEP_CNT_WILD_HIT);
	struct pkt real;
	int rc;

	if (cmp_never_meets_flow(to) || !cls_frame(from, to, frame, &real))
		return 0;
	cls.other_member++;
	cls_clear(c, exact);
	rc = cls_put_maps(c, err) ?: bpfrun_run(cmp.run, BPFRUN_PORT, real.data, real.len, &cmp.res);
	cls_clear(c, exact);
	if (!rc && bpfrun_counter(cmp.run, SKEP_CNT_WILD_HIT) != wild)
		return cls_differs("the member", c, to, err);
	return rc;
}

/* 'c': the class of 'pkt'; 'f': what was installed of it. */
static inline int cls_variation(struct cls_case *c, const struct topo_snapshot *snap, struct cls_as_if *view, const struct pkt *pkt,
				uint64_t *random, struct arena *arena, struct err *err)
{
	static uint8_t frame[PKT_MAX + 4];
	struct sim_result other;
	struct cmp_flow want = { 0 }, again = { 0 };
	struct pkt varied = *pkt, real;
	struct dp_flow_key exact;
	struct sim sim;
	const char *what;
	int rc = -1;

	if (!cls_vary(random, c, &varied, &exact))
		return 0;
	cls.varied++;
	view->res = c->res;
	view->orig_seen = cls_seen(random, &varied);
	view->reply_seen = c->res->class_ct == SKEP_CT_REPLY || simtest_below(random, 2) ? cls_seen(random, &varied) : 0;
	sim_init(&sim);
	if (sim_run(&sim, snap, &view->view.view, c->in, &varied, view->view.now_ns, SCENARIO_SEED, 0, &other, err))
		goto out;
	if (c->res->class_vip && other.class_nat && other.class_nat->member != c->res->class_nat->member) {
		rc = cls_other_member(c, pkt, &varied, &exact, err);
		goto out;
	}
	what = mask_difference(&pkt->f, c->res, &varied.f, &other);
	if (!what && (other.n_new_conns != c->res->n_new_conns || other.end_conn || other.n_affinities))
		what = "what is made of its connection";
	if (what) {
		cls_differs(what, c, &varied, err);
		goto out;
	}
	rc = 0;
	if (cmp_never_meets_flow(&varied) || !cls_frame(pkt, &varied, frame, &real))
		goto out;
	rc = cmp_make(&other, c->in, &real, arena, &want, err);
	if (rc == 1)
		rc = cmp_make(c->res, c->in, pkt, arena, &again, err); /* its rewrites and sets are in the maps again */
	if (rc != 1)
		goto out;
	cls.run++;
	cls_clear(c, &exact);
	rc = cls_put_maps(c, err) ?: cls_put_record(c, &exact, view->orig_seen, view->reply_seen, err) ?: cls_both(c, &exact, &want, &real, err);
	cls_clear(c, &exact);
	if (rc)
		err_prefix(err, "variation of ports 0x%x>0x%x, flags 0x%x", ntohs(real.f.l4_src), ntohs(real.f.l4_dst), real.f.tcp_flags);
out:
	sim_fini(&sim);
	return rc;
}

/* --- all of it --- */

/* 'res' of 'pkt', which came in by 'in'; 'variations' of it.  0, or -1 with 'err'. */
static inline int cls_check(const struct sim_result *res, const struct topo_snapshot *snap, const struct sim_state_view *view,
			    const struct topo_port *in, const struct pkt *pkt, unsigned int variations, uint64_t *random, struct err *err)
{
	struct cls_case c = { .res = res, .in = in };
	struct cls_as_if as = { .view = *view };
	struct cmp_flow f = { 0 };
	struct arena arena;
	const char *map;
	int rc;

	if (!res->has_class || cmp_never_meets_flow(pkt))
		return 0;
	as.view.view.conn = cls_conn;
	as.view.view.arg = &as;
	arena_init(&arena, 0);
	rc = cmp_make(res, in, pkt, &arena, &f, err);
	if (rc != 1)
		goto out;
	c.wild.flow = f.flow;
	c.wild.flow.flags &= (uint16_t)~SKEP_F_CONN;
	c.exact.v6 = pkt_flow_key(&pkt->f, BPFRUN_KEY, &c.exact.k4, &c.exact.k6);
	rc = 0;
	if ((f.plan.n > 1 && !f.plan.uniform) || !cls_state(&c))
		goto out;
	class_mask(res, &f.flow, &pkt->f, c.exact.v6, &c.mask);
	cls_key(pkt, res, &c.mask, &c.exact, &c.masked);
	cls.classes++;
	cls.by_ct[res->class_ct]++;
	cls.balanced += res->class_nat != NULL;
	cls_clear(&c, &c.exact);
	rc = cls_put_maps(&c, err) ?: cls_put_record(&c, &c.exact, SKEP_TCP_SYN, res->class_ct == SKEP_CT_REPLY ? SKEP_TCP_SYN : 0, err)
					      ?: cls_both(&c, &c.exact, &f, pkt, err);
	cls_clear(&c, &c.exact);
	for (unsigned int i = 0; i < variations && !rc; i++)
		rc = cls_variation(&c, snap, &as, pkt, random, &arena, err);
	map = c.exact.v6 ? "skep_wilds6" : "skep_wilds4";
	(void)bpfrun_del(cmp.run, map, cls_bytes(&c.masked));
out:
	arena_fini(&arena);
	return rc < 0 ? rc : 0;
}
