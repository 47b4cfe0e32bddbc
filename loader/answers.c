// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel answers while we are away (maps/answer.h): of each ARP request and neighbour solicitation that we have answered, who asked, for
 * what, and what we said.  All askings of one question, broadcast or to the neighbour alone, have one entry; what stands in it is what a simulation
 * of the question to all says, so a machine that only ever looks whether its neighbour is still there is known too, although the neighbour
 * answers that itself.  An entry is in the index, with the tags of that simulation, as flows are: what changes the answer takes it away.  There it
 * has no age: to be of use it must be older than the time that we are away.
 */
#include "loader/forward.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "util/clock.h"

#define FRAME	      128
#define ARP_REQUEST   1
#define ARP_REPLY     2
#define ND_NS	      135
#define ND_HOPS	      255
#define NA_AT	      (14 + 40) /* in an untagged frame */
#define ANSWERS_LEAST 16
#define NEW_NS	      (NSEC_PER_SEC / 100) /* new ones that a port may cause: 100/s ... */
#define NEW_BURST     (2 * SKEP_ANSWERS_PORT) /* ... after so many at once: who asks under many names makes no work */

/* The part of the table that each port has: SKEP_ANSWERS_MAX is enough for ANSWERS_LEAST of all ports that there can be. */
static uint32_t share(const struct agent *a)
{
	uint32_t n = SKEP_ANSWERS_MAX / (uint32_t)(a->ports.n + 1);

	return n > SKEP_ANSWERS_PORT ? SKEP_ANSWERS_PORT : n < ANSWERS_LEAST ? ANSWERS_LEAST : n;
}

/* --- questions --- */

/* The question that the packet is; false: none, or one that nobody asks for himself (probes for duplicates, announcements). */
static bool question_of(const struct pkt_fields *f, uint32_t in_key, struct dp_flow_key *q)
{
	const bool arp = f->eth_type == htons(ETH_P_ARP);
	const struct skep_ip *target = arp ? &f->ip_dst : &f->nd_target;
	const struct skep_mac *claimed = arp ? &f->arp_sha : &f->nd_lla;

	if (arp ? f->ip_proto != ARP_REQUEST : f->l4_src != htons(ND_NS << 8) || f->ip_ttl != ND_HOPS)
		return false;
	if (!mac_eq(claimed, &f->eth_src) && (arp || !mac_is_zero(claimed)))
		return false;
	if (ip_is_unspecified(&f->ip_src) || ip_is_unspecified(target) || ip_eq(&f->ip_src, target))
		return false;
	*q = dp_question(&(struct skep_answer_key){ in_key, f->eth_src, f->vlan, f->ip_src, *target });
	return true;
}

/* As it is asked of all.  Its length. */
static uint32_t make_question(const struct skep_answer_key *k, uint8_t buf[static FRAME])
{
	const uint16_t tag[2] = { htons(ETH_P_8021Q), htons((uint16_t)(ntohs(k->vlan) & ~PKT_VLAN_PRESENT)) };
	uint32_t len = ip_is_v4(&k->src) ? pkt_build_arp(buf, FRAME, ARP_REQUEST, NULL, &k->eth_src, &k->src, NULL, &k->target)
					 : pkt_build_ns(buf, FRAME, &k->eth_src, &k->src, &k->target);

	if (!k->vlan)
		return len;
	memmove(buf + 16, buf + 12, len - 12);
	memcpy(buf + 12, tag, sizeof(tag));
	return len + sizeof(tag);
}

/* --- answers --- */

/* Does the frame leave as it is, by the port that the question came in by?  With the question's tag, which the kernel keeps.  Mirrors' copies do
 * not count. */
static bool goes_back(const struct sim_frame *f, const struct topo_port *in, __be16 vlan)
{
	bool back = false;

	for (uint32_t i = 0; i < f->n_outputs; i++) {
		const struct sim_output *o = &f->outputs[i];

		if (o->mirror)
			continue;
		if (o->port != in || o->f.vlan != vlan || (o->written & ~(uint32_t)SIM_FIELD_VLAN))
			return false;
		back = true;
	}
	return back;
}

/* Is it what the kernel would say, byte for byte? */
static bool is_answer(const struct sim_frame *f, const struct skep_answer_key *k, struct skep_answer *out)
{
	uint8_t want[FRAME];
	uint32_t len;

	if (f->len < NA_AT && !ip_is_v4(&k->src))
		return false;
	*out = (struct skep_answer){ 0 };
	memcpy(&out->mac, f->data + 6, sizeof(out->mac));
	if (ip_is_v4(&k->src)) {
		len = pkt_build_arp(want, FRAME, ARP_REPLY, &k->eth_src, &out->mac, &k->target, &k->eth_src, &k->src);
	} else {
		out->flags = f->len > NA_AT + 4 ? f->data[NA_AT + 4] : 0;
		len = pkt_build_na(want, FRAME, &k->eth_src, &out->mac, &k->target, &k->src, &k->target, out->flags);
	}
	return f->len == len && !memcmp(f->data, want, len);
}

/* What is said to the question today; the result is valid until the next simulation. */
static bool find_answer(struct tenant *t, const struct topo_port *in, const struct dp_flow_key *q, struct skep_answer *out,
			struct sim_result *res)
{
	const struct skep_answer_key k = dp_asked(q);
	uint64_t now = clock_mono_ns();
	struct conns_view view;
	struct err err = { 0 };
	uint8_t buf[FRAME];
	struct pkt pkt;

	if (pkt_parse(buf, make_question(&k, buf), &pkt))
		return false;
	t->agent->stats.simulations++;
	conns_view(t, &view, now);
	view.in = in;
	if (sim_run(&t->agent->sim, t->snap, &view.s.view, in, &pkt, now, AGENT_SEED, 0, res, &err))
		return false;
	for (uint32_t i = 0; i < res->n_frames; i++)
		if (is_answer(&res->frames[i], &k, out) && goes_back(&res->frames[i], in, k.vlan))
			return true;
	return false;
}

/* All tags but where the asker itself is believed to be: elsewhere it is another port's question, and tables may forget it.  Arena. */
static const struct topo_tag *tags_of(struct agent *a, const struct dp_flow_key *q, const struct sim_result *res, uint32_t *n)
{
	struct topo_tag *tags = arena_alloc(&a->arena, (res->n_tags + 1) * sizeof(*tags));
	const struct skep_answer_key k = dp_asked(q);

	*n = 0;
	for (uint32_t i = 0; tags && i < res->n_tags; i++)
		if (res->tags[i].kind != TOPO_TAG_MAC || !mac_eq(&res->tags[i].mac, &k.eth_src))
			tags[(*n)++] = res->tags[i];
	return tags;
}

/* --- the index --- */

static void make_room(struct agent *a, struct lport *p)
{
	const uint32_t most = share(a);

	while (p->n_answers >= most) {
		struct index_flow *f = index_find_cookie(a->index, p->answers[p->answers_first]);

		p->answers_first = (p->answers_first + 1) % SKEP_ANSWERS_PORT;
		p->n_answers--;
		if (f && f->answer && index_in_key(f) == p->key)
			index_del(a->index, f);
	}
}

/* Into the index and the kernel; false: no room. */
static bool keep(struct lport *p, const struct dp_flow_key *q, const struct skep_answer *answer, const struct sim_result *res)
{
	const struct skep_flow verdict = { .eth_src = answer->mac, .tos = answer->flags };
	struct agent *a = p->tenant->agent;
	const struct topo_tag *tags;
	struct index_flow *f;
	uint32_t n_tags;

	tags = tags_of(a, q, res, &n_tags);
	if (!tags)
		return false;
	make_room(a, p);
	f = index_add(a->index, q, &verdict, p->tenant, tags, n_tags, NULL, 0);
	if (!f)
		return false;
	f->answer = true;
	f->added_ns = clock_mono_ns();
	a->n_answers++;
	if (dp_answer_put(a->dp, q, answer)) {
		index_del(a->index, f);
		return false;
	}
	p->answers[(p->answers_first + p->n_answers++) % SKEP_ANSWERS_PORT] = f->verdict.cookie;
	return true;
}

void answers_gone(struct agent *a, struct index_flow *f)
{
	dp_answer_del(a->dp, &f->key);
	a->n_answers--;
}

void answers_forget(struct lport *p)
{
	struct agent *a = p->tenant->agent;

	for (; p->n_answers; p->n_answers--) {
		struct index_flow *f = index_find_cookie(a->index, p->answers[p->answers_first]);

		p->answers_first = (p->answers_first + 1) % SKEP_ANSWERS_PORT;
		if (f && f->answer && index_in_key(f) == p->key)
			index_del(a->index, f);
	}
}

static bool may_have(struct lport *p)
{
	uint64_t now = clock_mono_ns();

	if (p->answers_tat_ns > now + NEW_BURST * NEW_NS)
		return false;
	p->answers_tat_ns = (p->answers_tat_ns > now ? p->answers_tat_ns : now) + NEW_NS;
	return true;
}

void answers_asked(struct work *w, const struct sim_result *res)
{
	struct lport *p = ports_find(w->a, w->in_key);
	const struct pkt_fields *f = &w->pkt.f;
	struct sim_result to_all = { 0 };
	struct skep_answer answer;
	struct index_flow *known;
	struct dp_flow_key q;

	/* to all, and none of us has said anything: nobody here knows */
	if (!p || !sim_always_up(f) || (mac_is_multicast(&f->eth_dst) && !res->n_frames) || !question_of(f, w->in_key, &q))
		return;
	known = index_find(w->a->index, &q);
	if ((!known || known->marked) && may_have(p) && find_answer(w->t, w->in, &q, &answer, &to_all))
		(void)keep(p, &q, &answer, &to_all);
}

/* --- what has changed --- */

bool answers_still_right(struct agent *a, struct index_flow *f)
{
	struct lport *p = ports_find(a, index_in_key(f));
	struct tenant *t = (struct tenant *)f->scope;
	struct sim_result res = { 0 };
	const struct topo_port *in;
	const struct topo_tag *tags;
	struct skep_answer answer;
	uint32_t n_tags;

	if (!p || p->tenant != t || !t->snap || !(in = topo_find_port(t->snap, p->name)) ||
	    !find_answer(t, in, &f->key, &answer, &res) || !mac_eq(&answer.mac, &f->verdict.eth_src) ||
	    answer.flags != f->verdict.tos)
		return false;
	arena_reset(&a->arena);
	tags = tags_of(a, &f->key, &res, &n_tags);
	return tags && !index_retag(a->index, f, tags, n_tags, NULL, 0);
}

/* --- those of an earlier skepd --- */

static bool adopt(struct lport *p, const struct dp_flow_key *q, const struct skep_answer *was)
{
	const struct topo_port *in = topo_find_port(p->tenant->snap, p->name);
	struct sim_result res = { 0 };
	struct skep_answer now;

	arena_reset(&p->tenant->agent->arena);
	if (!in || !find_answer(p->tenant, in, q, &now, &res) || !mac_eq(&now.mac, &was->mac) || now.flags != was->flags)
		return false;
	return keep(p, q, &now, &res);
}

static void on_answer(void *arg, const struct dp_flow_key *q, const struct skep_answer *was)
{
	struct agent *a = arg;
	struct lport *p = ports_find(a, q->v6 ? q->k6.in_key : q->k4.in_key);

	if (index_find(a->index, q))
		return;
	/* to be judged when the tenant of its port is known: until then it is there for the case that we die again */
	if ((!p || !p->tenant->snap || p->tenant->dirty) && !a->adoption_done)
		return;
	if (!p || !p->tenant->snap || !adopt(p, q, was))
		dp_answer_del(a->dp, q);
}

int answers_adopt_step(struct agent *a, struct dp_cursor *c)
{
	return dp_answers_step(a->dp, c, on_answer, a);
}
