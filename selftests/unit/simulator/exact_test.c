// SPDX-License-Identifier: Apache-2.0
/*
 * Exactness on random networks (selftests/lib/random_topo.h).
 *
 * Tags: after every change, each decision that is another one now must carry a tag of the change; how many carry one and are as before is
 * counted.  Masks: fields that were not read may have any value; how many of those that were read make no difference
 * under any of many values is counted.
 *
 * EXACT_SEED=n begins with another network, EXACT_ROUNDS=n takes so many.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "selftests/lib/excess.h"
#include "selftests/lib/mask.h"
#include "selftests/lib/random_topo.h"
#include "selftests/lib/scenario.h"
#include "selftests/lib/tags.h"
#include "util/cleanup.h"

#define NETWORKS 12
#define FLOWS	 150 /* of each network */
#define CHANGES	 40
#define VARIANTS 20
#define EXCESS_MAX 18.0 /* percent of the fields in masks */
#define TAGS_MAX 256

struct flow {
	char port[64], line[RANDOM_LINE];
	uint8_t frame[2048];
	struct pkt pkt;
	bool installed;
	char *outcome;
	struct tags_kept tags;
};

struct world {
	struct random_topo t;
	struct sim sim;
	struct flow flows[FLOWS];
	struct topo_tag changed[TAGS_MAX * 16];
	unsigned int n_changed;
	/* in all */
	unsigned int changes, decisions, others, candidates, needless;
	unsigned int kinds[TOPO_TAG_MAX]; /* candidates that were needless, by the tag that made them */
};

static unsigned int number(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 10) : otherwise;
}

/* --- what a decision is, so that two can be compared --- */

static void add(char **text, const char *fmt, ...)
{
	char *more = NULL, *old = *text;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&more, fmt, ap) >= 0);
	va_end(ap);
	assert_true(asprintf(text, "%s%s", old ? old : "", more) >= 0);
	free(more);
	free(old);
}

static char *outcome_text(const struct sim_result *r)
{
	char *text = NULL;

	add(&text, "verdict %d reason %d cacheable %d ttl %u mtu %u fragment %u ", r->verdict, r->reason, r->cacheable,
	    r->ttl_dec, r->mtu, r->fragment);
	for (uint32_t i = 0; i < r->n_outputs; i++) {
		const struct sim_output *o = &r->outputs[i];

		add(&text, "| %s@%s/%u %s%s ", o->port->o.name, o->port->live_host, o->port->live_key,
		    o->mirror ? o->mirror->o.name : "", o->set_dscp ? "dscp" : "");
		for (size_t k = 0; k < sizeof(o->f); k++)
			add(&text, "%02x", ((const uint8_t *)&o->f)[k]);
	}
	return text;
}

static int decide(struct world *w, struct flow *f, struct sim_result *res)
{
	const struct topo_port *in = topo_find_port(w->t.snap, f->port);
	struct sim_state_view view;
	struct err err = { 0 };

	if (!in || in->peer)
		return -1;
	random_topo_view(&w->t, &view);
	if (sim_run(&w->sim, w->t.snap, &view.view, in, &f->pkt, w->t.now_ns, SCENARIO_SEED, 0, res, &err))
		fail_msg("%s: %s", f->line, err.text);
	return 0;
}

static void forget(struct flow *f)
{
	free(f->outcome);
	f->outcome = NULL;
	tags_forget(&f->tags);
}

static void install(struct world *w, struct flow *f)
{
	struct sim_result res;

	forget(f);
	f->installed = !decide(w, f, &res) && res.cacheable && !res.n_new_conns;
	if (!f->installed)
		return;
	f->outcome = outcome_text(&res);
	tags_keep(&f->tags, res.tags, res.n_tags);
}

/* --- tags --- */

static void note(void *arg, const struct topo_tag *tag)
{
	struct world *w = arg;

	assert_true(w->n_changed < sizeof(w->changed) / sizeof(w->changed[0]));
	w->changed[w->n_changed++] = *tag;
}

static const struct topo_tag *candidate(const struct world *w, const struct flow *f)
{
	for (uint32_t i = 0; i < f->tags.n; i++)
		for (unsigned int k = 0; k < w->n_changed; k++)
			if (tags_touch(&f->tags.tags[i], &w->changed[k]))
				return &w->changed[k];
	return NULL;
}

static void complain(struct world *w, const struct flow *f, const char *now)
{
	char tag[192], *tags = NULL, *changed = NULL;

	for (uint32_t i = 0; i < f->tags.n; i++)
		add(&tags, " %s", topo_tag_format(&f->tags.tags[i], tag, sizeof(tag)));
	for (unsigned int i = 0; i < w->n_changed; i++)
		add(&changed, " %s", topo_tag_format(&w->changed[i], tag, sizeof(tag)));
	print_error("change: %s\npacket: in %s %s\nbefore: %s\nnow:    %s\ntags:%s\nchanged:%s\n", w->t.text, f->port, f->line,
		    f->outcome, now ? now : "no such port", tags ? tags : "", changed ? changed : "");
	free(tags);
	free(changed);
}

/* The change has been made: w->changed are its tags.  Returns the number of decisions that are others without having been tagged. */
static unsigned int judge(struct world *w)
{
	unsigned int missed = 0;

	w->changes++;
	for (unsigned int i = 0; i < FLOWS; i++) {
		struct flow *f = &w->flows[i];
		const struct topo_tag *by;
		_free_ char *now = NULL;
		struct sim_result res;
		bool other;

		if (!f->installed)
			continue;
		if (!decide(w, f, &res))
			now = outcome_text(&res);
		other = !now || strcmp(now, f->outcome) || res.n_new_conns;
		by = candidate(w, f);
		w->decisions++;
		w->others += other;
		w->candidates += by != NULL;
		if (by && !other) {
			w->needless++;
			w->kinds[by->kind]++;
		}
		if (other && !by) {
			if (!missed++)
				complain(w, f, now);
		}
	}
	return missed;
}

static void change_topology(struct world *w)
{
	struct topo_snapshot *old = random_topo_change(&w->t);

	w->n_changed = 0;
	topo_diff(old, w->t.snap, note, w);
	if (judge(w))
		fail_msg("flows without a tag of the change");
	for (unsigned int i = 0; i < FLOWS; i++)
		install(w, &w->flows[i]);
	topo_unref(old);
}

static void change_table(struct world *w)
{
	random_topo_learn(&w->t, &w->changed[0]);
	w->n_changed = 1;
	if (judge(w))
		fail_msg("flows without a tag of what was learnt");
	for (unsigned int i = 0; i < FLOWS; i++)
		install(w, &w->flows[i]);
}

static void new_packet(struct world *w, struct flow *f)
{
	struct err err = { 0 };
	int n;

	forget(f);
	snprintf(f->port, sizeof(f->port), "%s", random_topo_packet(&w->t, f->line)->o.name);
	n = pkt_dsl_parse(f->line, NULL, f->frame, sizeof(f->frame), &err);
	if (n < 0 || pkt_parse(f->frame, (uint32_t)n, &f->pkt) != SKEP_DROP_NONE)
		fail_msg("%s: %s", f->line, err.text);
}

/* A packet, and what it leaves behind: connections, MACs, neighbours. */
static void change_by_packet(struct world *w)
{
	struct sim_result res;
	struct flow f = { 0 };

	new_packet(w, &f);
	snprintf(w->t.text, sizeof(w->t.text), "packet in %s %s", f.port, f.line);
	w->t.now_ns += 1000;
	if (decide(w, &f, &res))
		return;
	w->n_changed = 0;
	for (uint32_t i = 0; i < res.n_learns; i++)
		note(w, &(struct topo_tag){ .kind = TOPO_TAG_MAC,
					    .name = res.learns[i].bridge->o.name,
					    .mac = res.learns[i].mac,
					    .vlan = res.learns[i].vlan });
	for (uint32_t i = 0; i < res.n_neighs; i++)
		note(w, &(struct topo_tag){ .kind = TOPO_TAG_NEIGH,
					    .name = res.neighs[i].port->o.name,
					    .ip = res.neighs[i].ip });
	for (uint32_t i = 0; i < res.n_new_conns; i++)
		note(w, &(struct topo_tag){ .kind = TOPO_TAG_CONN,
					    .name = topo_find_port(w->t.snap, res.new_conns[i].port)->o.name,
					    .hash = sim_tuple_hash(&res.new_conns[i].tuple) });
	random_topo_effects(&w->t, &res, &f.pkt);
	if (judge(w))
		fail_msg("flows without a tag of what a packet left behind");
	for (unsigned int i = 0; i < FLOWS; i++)
		install(w, &w->flows[i]);
	forget(&f);
}

static void populate(struct world *w)
{
	for (unsigned int i = 0; i < FLOWS; i++) {
		struct flow *f = &w->flows[i];
		struct sim_result res;

		new_packet(w, f);
		w->t.now_ns += 1000;
		if (!decide(w, f, &res))
			random_topo_effects(&w->t, &res, &f->pkt);
	}
	for (unsigned int i = 0; i < FLOWS; i++)
		install(w, &w->flows[i]);
}

static struct world *world_new(unsigned int seed)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	sim_init(&w->sim);
	random_topo_init(&w->t, seed);
	populate(w);
	return w;
}

static void world_free(struct world *w)
{
	for (unsigned int i = 0; i < FLOWS; i++)
		forget(&w->flows[i]);
	sim_fini(&w->sim);
	random_topo_fini(&w->t);
	free(w);
}

static void test_tags(void **state)
{
	unsigned int seed = number("EXACT_SEED", 1), rounds = number("EXACT_ROUNDS", NETWORKS);
	unsigned int decisions = 0, others = 0, candidates = 0, needless = 0, changes = 0, refused = 0;
	unsigned int kinds[TOPO_TAG_MAX] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < rounds; i++) {
		struct world *w = world_new(seed + i);

		for (unsigned int c = 0; c < CHANGES; c++) {
			if (c % 4 == 3)
				change_table(w);
			else if (c % 8 == 6)
				change_by_packet(w);
			else
				change_topology(w);
		}
		changes += w->changes;
		decisions += w->decisions;
		others += w->others;
		candidates += w->candidates;
		needless += w->needless;
		refused += w->t.refused;
		for (unsigned int k = 0; k < TOPO_TAG_MAX; k++)
			kinds[k] += w->kinds[k];
		world_free(w);
	}
	print_message("# %u changes (%u refused), %u flows looked at: %u changed, %u had a tag, %u of these for nothing\n# for nothing by:",
		      changes, refused, decisions, others, candidates, needless);
	for (unsigned int k = 0; k < TOPO_TAG_MAX; k++) {
		char text[192];

		topo_tag_format(&(struct topo_tag){ .kind = k, .name = "" }, text, sizeof(text));
		if (kinds[k])
			print_message(" %.*s %u", (int)strcspn(text, ":"), text, kinds[k]);
	}
	print_message("\n");
	assert_true(others > decisions / 200);
	assert_true(needless < decisions / 8); /* a simulation each */
}

/* --- masks --- */

/* Whether the two met their connections in the same state: else they are of different classes. */
static bool same_state(const struct sim_result *a, const struct sim_result *b)
{
	return !a->class_ct || (a->ct == b->ct && !b->conn);
}

/* 'class': packets that differ in what was not read but to find the connection. */
static void try_mask(struct world *w, struct flow *f, const struct sim_result *decided, bool class, uint64_t *random)
{
	struct sim_result copy = *decided, *res = &copy;
	const struct topo_port *in = topo_find_port(w->t.snap, f->port);
	struct sim_state_view view;
	struct sim_result other;
	struct err err = { 0 };
	struct sim sim;

	if (class)
		copy.mask = decided->class_mask;
	sim_init(&sim);
	random_topo_view(&w->t, &view);
	for (unsigned int i = 0; i < VARIANTS; i++) {
		struct pkt pkt = f->pkt;
		const char *what;
		char mask[256];

		mask_vary(random, res, &pkt.f);
		if (sim_always_up(&pkt.f))
			continue;
		assert_int_equal(sim_run(&sim, w->t.snap, &view.view, in, &pkt, w->t.now_ns, SCENARIO_SEED, 0, &other, &err), 0);
		if (class && !same_state(res, &other))
			continue;
		what = mask_unsound(&f->pkt.f, res, &pkt.f, &other);
		if (!what && class && res->n_new_conns != other.n_new_conns)
			what = "number of records";
		if (what)
			fail_msg("%s differs%s: in %s %s (mask: %s) with type %04x proto %u frag %u ports %u>%u", what, class ? " in a class" : "", f->port, f->line,
				 sim_mask_format(&res->mask, mask, sizeof(mask)), ntohs(pkt.f.eth_type), pkt.f.ip_proto,
				 pkt.f.ip_frag, ntohs(pkt.f.l4_src), ntohs(pkt.f.l4_dst));
	}
	sim_fini(&sim);
}

static void test_masks(void **state)
{
	struct excess e = { .random = 99 };
	struct err err = { 0 };
	double excess;
	unsigned int seed = number("EXACT_SEED", 1) + 1000, rounds = number("EXACT_ROUNDS", NETWORKS), n = 0;
	uint64_t random = 77;

	(void)state;
	for (unsigned int i = 0; i < rounds; i++) {
		struct world *w = world_new(seed + i);
		struct sim_state_view view;
		struct sim sim;

		sim_init(&sim);
		excess_forget_donors(&e);
		for (unsigned int k = 0; k < FLOWS; k++)
			excess_donor(&e, &w->flows[k].pkt.f);
		for (unsigned int k = 0; k < FLOWS; k++) {
			struct sim_result res;

			if (!w->flows[k].installed || decide(w, &w->flows[k], &res))
				continue;
			n++;
			try_mask(w, &w->flows[k], &res, false, &random);
			random_topo_view(&w->t, &view);
			if (excess_try(&e, &sim, w->t.snap, &view.view, topo_find_port(w->t.snap, w->flows[k].port),
				       &w->flows[k].pkt, w->t.now_ns, SCENARIO_SEED, &res, &err))
				fail_msg("%s", err.text);
		}
		sim_fini(&sim);
		world_free(w);
	}
	print_message("# %u decisions\n", n);
	excess = excess_report(&e, "random networks");
	assert_true(excess < EXCESS_MAX);
	assert_true(n > rounds * 30);
}

static void test_classes(void **state)
{
	unsigned int seed = number("EXACT_SEED", 1) + 2000, rounds = number("EXACT_ROUNDS", NETWORKS), n = 0, wider = 0;
	uint64_t random = 78;

	(void)state;
	for (unsigned int i = 0; i < rounds; i++) {
		struct world *w = world_new(seed + i);

		for (unsigned int k = 0; k < FLOWS; k++) {
			struct sim_result res;

			new_packet(w, &w->flows[k]);
			if (decide(w, &w->flows[k], &res) || !res.has_class || res.conn)
				continue;
			n++;
			wider += !sim_mask_eq(&res.mask, &res.class_mask);
			try_mask(w, &w->flows[k], &res, true, &random);
		}
		world_free(w);
	}
	print_message("# %u classes, %u of them wider than what one connection needs\n", n, wider);
	assert_true(n > rounds * 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
