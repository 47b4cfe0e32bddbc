// SPDX-License-Identifier: Apache-2.0
/*
 * Counters of rules, by name of chain or security group, and rule: what this host has seen since skepd started, whatever became of the snapshots meanwhile.
 * Each simulated packet counts once; a flow counts for the rules of its simulation what the kernel says it has carried.  Rules with
 * 'log' are reported to the watchers of the control socket and to the log, ten lines a second at most.
 */
#include "loader/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

#define RULES_MAX   131072 /* counters of one tenant */
#define LOG_NS	    (NSEC_PER_SEC / 10)
#define LOG_BURST   20

struct rule_count {
	struct hmap_node node; /* rules.counts */
	struct rules *rules;
	uint32_t refs; /* flows, and 1 while the tenant is there */
	uint64_t packets, bytes;
	enum topo_kind kind; /* of what 'chain' names */
	char *rule;	     /* behind 'chain' */
	char chain[];
};

struct rule_hits { /* of a flow */
	uint32_t n;
	struct rule_count *counts[];
};

struct rules {
	struct hmap counts;
	uint64_t log_tat_ns, unlogged;
};

int rules_init(struct tenant *t)
{
	t->rules = calloc(1, sizeof(*t->rules));
	return t->rules ? 0 : -ENOMEM;
}

static void put(struct rule_count *c)
{
	if (!--c->refs)
		free(c);
}

void rules_fini(struct tenant *t)
{
	struct rules *r = TAKE_PTR(t->rules);
	struct hmap_node *n, *tmp;

	if (!r)
		return;
	hmap_for_each (n, tmp, &r->counts) {
		struct rule_count *c = container_of(n, struct rule_count, node);

		hmap_remove(&r->counts, n);
		c->rules = NULL;
		put(c);
	}
	hmap_fini(&r->counts);
	free(r);
}

static const char *chain_of(const struct topo_rule *rule)
{
	return rule->chain ? rule->chain->o.name : NULL;
}

static bool counts_for(const struct rule_count *c, const struct topo_rule *rule)
{
	return rule->chain && rule->name && c->kind == rule->chain->o.kind &&
	       !strcmp(c->rule, rule->name) && !strcmp(c->chain, rule->chain->o.name);
}

static struct rule_count *get(struct rules *r, const struct topo_rule *rule)
{
	const char *chain = chain_of(rule);
	uint64_t h = hash_str(rule->name ?: "",
			      hash_str(chain ?: "", chain ? rule->chain->o.kind : 0));
	size_t n = chain ? strlen(chain) + 1 : 0;
	struct rule_count *c;
	struct hmap_node *node;

	if (!chain || !rule->name)
		return NULL;
	hmap_for_each_with_hash (node, &r->counts, h) {
		c = container_of(node, struct rule_count, node);
		if (counts_for(c, rule))
			return c;
	}
	if (r->counts.n >= RULES_MAX)
		return NULL;
	c = calloc(1, sizeof(*c) + n + strlen(rule->name) + 1);
	if (!c)
		return NULL;
	c->rules = r;
	c->refs = 1;
	c->kind = rule->chain->o.kind;
	memcpy(c->chain, chain, n);
	c->rule = c->chain + n;
	memcpy(c->rule, rule->name, strlen(rule->name) + 1);
	if (hmap_insert(&r->counts, &c->node, h)) {
		free(c);
		return NULL;
	}
	return c;
}

/* --- logs --- */

static const char *action_name(enum topo_action action)
{
	static const char *const names[] = { [TOPO_ACCEPT] = "accept",	 [TOPO_DROP] = "drop",
					     [TOPO_REJECT] = "reject",	 [TOPO_JUMP] = "jump",
					     [TOPO_RETURN] = "return",
					     [TOPO_CONTINUE] = "continue" };

	return action < ARRAY_SIZE(names) ? names[action] : "?";
}

static bool may_log(struct rules *r, uint64_t now)
{
	if (r->log_tat_ns > now + LOG_BURST * LOG_NS) {
		r->unlogged++;
		return false;
	}
	r->log_tat_ns = (r->log_tat_ns > now ? r->log_tat_ns : now) + LOG_NS;
	return true;
}

static void report(struct tenant *t, const struct topo_port *in, const struct topo_rule *rule,
		   const char *packet)
{
	const char *chain = chain_of(rule) ?: "", *name = rule->name ?: "";
	struct agent *a = t->agent;
	uint64_t now = clock_mono_ns();

	if (a->control && control_log_watched(a->control))
		control_log(a->control,
			    json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "time_ns",
				      (json_int_t)now, "tenant", t->name, "port", in->o.name,
				      "chain", chain, "rule", name, "action",
				      action_name(rule->action), "packet", packet));
	if (!may_log(t->rules, now))
		return;
	if (t->rules->unlogged)
		log_info("tenant '%s': %llu matches of rules with 'log' were not written", t->name,
			 (unsigned long long)t->rules->unlogged);
	t->rules->unlogged = 0;
	log_info("tenant '%s': port '%s': rule '%s' of chain '%s': %s: %s", t->name, in->o.name,
		 name, chain, action_name(rule->action), packet);
}

/* --- counting --- */

void rules_packet(struct tenant *t, const struct topo_port *in, const struct sim_result *res,
		  const struct pkt *pkt)
{
	const char *text;

	for (uint32_t i = 0; i < res->n_rules; i++) {
		struct rule_count *c = get(t->rules, res->rules[i]);

		if (c) {
			c->packets++;
			c->bytes += pkt->len;
		}
	}
	if (!res->n_logs)
		return;
	text = pkt_summary(pkt, &t->agent->arena);
	for (uint32_t i = 0; i < res->n_logs; i++)
		report(t, in, res->logs[i], text ?: "");
}

void rules_drop(struct index_flow *f)
{
	struct rule_hits *h = TAKE_PTR(f->hits);

	for (uint32_t i = 0; h && i < h->n; i++)
		put(h->counts[i]);
	free(h);
}

static void attach(struct tenant *t, struct index_flow *f, const struct sim_result *res)
{
	struct rule_hits *h = res->n_rules ? malloc(sizeof(*h) +
						    res->n_rules * sizeof(h->counts[0]))
					   : NULL;

	rules_drop(f);
	if (!h)
		return;
	h->n = 0;
	for (uint32_t i = 0; i < res->n_rules; i++) {
		struct rule_count *c = get(t->rules, res->rules[i]);

		if (!c)
			continue;
		c->refs++;
		h->counts[h->n++] = c;
	}
	f->hits = h;
}

void rules_flow(struct tenant *t, struct index_flow *f, const struct sim_result *res)
{
	attach(t, f, res);
}

bool rules_carried(struct index_flow *f, const struct skep_flow *now)
{
	uint64_t packets = now->packets - f->packets, bytes = now->bytes - f->bytes;

	if (!packets || now->packets < f->packets)
		return false;
	f->packets = now->packets;
	f->bytes = now->bytes;
	rules_count(f, packets, bytes);
	top_carried(f, packets, bytes);
	return true;
}

/* The names may be the same ones, but the rules are those of another snapshot. */
static bool same_hits(const struct rule_hits *h, const struct sim_result *res)
{
	if ((h ? h->n : 0) != res->n_rules)
		return false;
	for (uint32_t i = 0; i < res->n_rules; i++)
		if (!counts_for(h->counts[i], res->rules[i]))
			return false;
	return true;
}

void rules_again(struct tenant *t, struct index_flow *f, const struct sim_result *res)
{
	struct skep_flow now;

	if (same_hits(f->hits, res))
		return;
	if (dp_flow_get(t->agent->dp, &f->key, &now)) /* up to here the former ones count */
		rules_carried(f, &now);
	attach(t, f, res);
}

void rules_count(struct index_flow *f, uint64_t packets, uint64_t bytes)
{
	for (uint32_t i = 0; f->hits && i < f->hits->n; i++) {
		f->hits->counts[i]->packets += packets;
		f->hits->counts[i]->bytes += bytes;
	}
}

/* --- report --- */


json_t *rules_report(struct tenant *t, const char *chain, json_t *list)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &t->rules->counts) {
		struct rule_count *c = container_of(n, struct rule_count, node);

		if ((chain && strcmp(chain, c->chain)) || !t->snap)
			continue;
		if (!topo_find(t->snap, c->kind, c->chain)) {
			if (c->refs == 1) { /* the chain has gone */
				hmap_remove(&t->rules->counts, n);
				put(c);
			}
			continue;
		}
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:I, s:I}", "tenant", t->name,
						c->kind == TOPO_SECURITY_GROUP ? "security_group" :
										 "chain",
						c->chain, "rule", c->rule, "packets",
						(json_int_t)c->packets, "bytes",
						(json_int_t)c->bytes));
	}
	return list;
}
