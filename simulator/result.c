// SPDX-License-Identifier: Apache-2.0
/*
 * Collects what a run finds out: outputs, effects, tags, the ends of paths, trace steps.  Arrays
 * grow in the arena.  When the arena fails, things are left out here and sim_run() reports -ENOMEM.
 */
#include "simulator/run.h"

#include <stdarg.h>
#include <stdio.h>

#include "util/hash.h"

#define TAGS_LINEAR 24 /* up to here duplicates are looked for one by one */

/* Room for one more in an array of 'n' elements; false when there is no memory. */
static bool grow(struct arena *arena, void **v, uint32_t n, uint32_t *max, size_t size)
{
	uint32_t want = *max ? *max * 2 : 8;
	void *p;

	if (n < *max)
		return true;
	p = arena_alloc(arena, want * size);
	if (!p)
		return false;
	if (n)
		memcpy(p, *v, n * size);
	*v = p;
	*max = want;
	return true;
}

#define GROW(run, v, n, max) grow((run)->arena, (void **)&(v), n, &(max), sizeof(*(v)))

static bool same_tag(const struct topo_tag *a, const struct topo_tag *b)
{
	/* names of one snapshot: the same object has the same string */
	return a->kind == b->kind && a->name == b->name && a->vlan == b->vlan &&
	       a->hash == b->hash && mac_eq(&a->mac, &b->mac) && ip_eq(&a->ip, &b->ip);
}

static uint64_t hash_tag(const struct topo_tag *t)
{
	uint64_t m = t->hash ^ t->vlan, mac = 0, ip[2];

	memcpy(&mac, &t->mac, sizeof(t->mac));
	memcpy(ip, &t->ip, sizeof(ip));
	return hash_u64((uintptr_t)t->name ^ hash_u64(m ^ mac ^ (uint64_t)t->kind << 56) ^ ip[0] ^
			hash_u64(ip[1]));
}

static void index_tag(struct run *run, uint32_t pos)
{
	uint32_t i = (uint32_t)hash_tag(&run->tags[pos]) & (run->tag_slots - 1);

	while (run->tag_index[i])
		i = (i + 1) & (run->tag_slots - 1);
	run->tag_index[i] = pos + 1;
}

static bool reindex_tags(struct run *run)
{
	uint32_t slots = run->tag_slots ? run->tag_slots * 2 : TAGS_LINEAR * 8;

	while (slots & (slots - 1))
		slots += slots & -slots;
	run->tag_index = arena_alloc(run->arena, slots * sizeof(*run->tag_index));
	if (!run->tag_index)
		return false;
	run->tag_slots = slots;
	for (uint32_t i = 0; i < run->n_tags; i++)
		index_tag(run, i);
	return true;
}

static bool have_tag(const struct run *run, const struct topo_tag *tag)
{
	uint32_t i;

	if (!run->tag_index) {
		for (i = 0; i < run->n_tags; i++)
			if (same_tag(&run->tags[i], tag))
				return true;
		return false;
	}
	for (i = (uint32_t)hash_tag(tag) & (run->tag_slots - 1); run->tag_index[i];
	     i = (i + 1) & (run->tag_slots - 1))
		if (same_tag(&run->tags[run->tag_index[i] - 1], tag))
			return true;
	return false;
}

/* Most tags are new: that should cost little. */
static bool is_surely_new(struct run *run, enum topo_tag_kind kind, const char *name, uint64_t rest)
{
	uint64_t h = ((uintptr_t)name ^ (uint64_t)kind << 56 ^ rest) * 0x9e3779b97f4a7c15ULL, bit,
		 *word;

	word = &run->tag_bloom[h >> 62];
	bit = 1ULL << (h >> 56 & 63);
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

/* Room for one more, zeroed; NULL: no memory. */
static struct topo_tag *next_tag(struct run *run)
{
	if (!GROW(run, run->tags, run->n_tags, run->max_tags))
		return NULL;
	if (run->n_tags >= TAGS_LINEAR && run->n_tags * 2 >= run->tag_slots && !reindex_tags(run))
		return NULL;
	return &run->tags[run->n_tags];
}

static void tag_added(struct run *run)
{
	run->n_tags++;
	if (run->tag_index)
		index_tag(run, run->n_tags - 1);
}

/* Frames of the network are not cached; but what is said to ARP and ND may be said again when nobody is there to be asked (loader/answers.c). */
static bool is_tagged(const struct walk *w)
{
	return !w->generation || sim_always_up(&w->run->pkt->f);
}

void sim_tag(struct walk *w, const struct topo_tag *tag)
{
	struct run *run = w->run;
	uint64_t rest = tag->ip.w[3] ^ tag->hash ^ (uint64_t)tag->mac.b[5] << 40 ^
			(uint64_t)tag->mac.b[4] << 32;
	struct topo_tag *t;

	if (!is_tagged(w))
		return;
	if (!is_surely_new(run, tag->kind, tag->name, rest) && have_tag(run, tag))
		return;
	t = next_tag(run);
	if (!t)
		return;
	*t = *tag;
	tag_added(run);
}

void sim_tag_object(struct walk *w, enum topo_tag_kind kind, const struct topo_object *o)
{
	struct run *run = w->run;
	struct topo_tag *t;

	if (!is_tagged(w))
		return;
	if (!is_surely_new(run, kind, o->name, 0) &&
	    have_tag(run, &(struct topo_tag){ .kind = kind, .name = o->name }))
		return;
	t = next_tag(run);
	if (!t)
		return;
	t->kind = kind;
	t->name = o->name;
	tag_added(run);
}

/* A flow has one bound, "a TTL that is not larger is another case": that of the copy that passed
 * the most routers. */
static void note_ttl(struct walk *w, bool copy)
{
	struct run *run = w->run;

	if (!copy && run->outputs.n > run->n_copies && w->ttl_dec != run->main_ttl_dec)
		run->cacheable = false;
	if (run->ttl_dec < w->ttl_dec)
		run->ttl_dec = w->ttl_dec;
	if (copy)
		run->n_copies++;
	else
		run->main_ttl_dec = w->ttl_dec;
}

static void add_output(struct walk *w, const struct topo_port *port,
		       const struct topo_mirror *mirror)
{
	struct sim_outputs *o = w->outputs;
	struct run *run = w->run;

	if (o->n >= SIM_OUTPUTS_MAX) {
		run->truncated = true;
		if (!mirror)
			sim_drop(w, SKEP_DROP_OVERLOAD, &port->o, NULL);
		return;
	}
	if (!GROW(run, o->v, o->n, o->max))
		return;
	if (!w->generation)
		note_ttl(w, mirror != NULL);
	o->v[o->n++] = (struct sim_output){
		.port = port,
		.f = w->f,
		.flooded = mirror ? NULL : w->flooded,
		.mirror = mirror,
		.written = w->written,
		.set_dscp = w->written & SIM_FIELD_DSCP,
	};
	STEP(w, mirror ? 2 : 0, "output", port->o.name, "host %s, key 0x%x", port->live_host,
	     port->live_key);
}

void sim_output(struct walk *w, const struct topo_port *port)
{
	add_output(w, port, NULL);
}

void sim_output_copy(struct walk *w, const struct topo_port *port, const struct topo_mirror *mirror)
{
	add_output(w, port, mirror);
}

void sim_keep_copies(struct run *run)
{
	struct sim_outputs *o = &run->outputs;
	uint32_t n = 0;

	for (uint32_t i = 0; i < o->n; i++)
		if (o->v[i].mirror)
			o->v[n++] = o->v[i];
	o->n = n;
}

static uint32_t rule_slot(const struct run *run, const struct topo_rule *r)
{
	uint32_t i = (uint32_t)hash_u64((uintptr_t)r) & (run->rule_slots - 1);

	while (run->rule_index[i] && run->rules[run->rule_index[i] - 1] != r)
		i = (i + 1) & (run->rule_slots - 1);
	return i;
}

static bool have_rule(struct run *run, const struct topo_rule *r)
{
	if (run->rule_index)
		return run->rule_index[rule_slot(run, r)];
	for (uint32_t i = 0; i < run->n_rules_hit; i++)
		if (run->rules[i] == r)
			return true;
	return false;
}

/* Keeps the index at most half full; none for a few. */
static bool grow_rule_index(struct run *run)
{
	if (run->n_rules_hit < TAGS_LINEAR || run->n_rules_hit * 2 < run->rule_slots)
		return true;
	run->rule_slots = run->rule_slots ? run->rule_slots * 2 : 256;
	run->rule_index = arena_alloc(run->arena, run->rule_slots * sizeof(*run->rule_index));
	if (!run->rule_index)
		return false;
	for (uint32_t i = 0; i < run->n_rules_hit; i++)
		run->rule_index[rule_slot(run, run->rules[i])] = i + 1;
	return true;
}

void sim_rule_hit(struct walk *w, const struct topo_rule *r)
{
	struct run *run = w->run;

	if (w->generation || have_rule(run, r))
		return;
	if (!grow_rule_index(run) || !GROW(run, run->rules, run->n_rules_hit, run->max_rules_hit))
		return;
	if (run->rule_index)
		run->rule_index[rule_slot(run, r)] = run->n_rules_hit + 1;
	run->rules[run->n_rules_hit++] = r;
	if (r->log && GROW(run, run->logs, run->n_logs, run->max_logs))
		run->logs[run->n_logs++] = r;
}

void sim_learn_mac(struct walk *w, const struct topo_bridge *bridge, const struct skep_mac *mac,
		   const struct topo_port *port)
{
	struct run *run = w->run;

	for (uint32_t i = 0; i < run->n_learns; i++)
		if (run->learns[i].bridge == bridge && run->learns[i].vlan == w->vlan &&
		    mac_eq(&run->learns[i].mac, mac))
			return;
	if (GROW(run, run->learns, run->n_learns, run->max_learns))
		run->learns[run->n_learns++] = (struct sim_learn){
			.bridge = bridge, .vlan = w->vlan, .mac = *mac, .port = port
		};
}

void sim_learn_neigh(struct walk *w, const struct topo_port *port, const struct skep_ip *ip,
		     const struct skep_mac *mac)
{
	struct run *run = w->run;
	char a[ADDR_TEXT], m[ADDR_TEXT];

	STEP(w, 1, "learn", port->o.name, "%s is at %s", ip_format(ip, a), mac_format(mac, m));
	for (uint32_t i = 0; i < run->n_neighs; i++)
		if (run->neighs[i].port == port && ip_eq(&run->neighs[i].ip, ip)) {
			run->neighs[i].mac = *mac;
			return;
		}
	if (GROW(run, run->neighs, run->n_neighs, run->max_neighs))
		run->neighs[run->n_neighs++] =
			(struct sim_neigh_learn){ .port = port, .ip = *ip, .mac = *mac };
}

/* Of several copies' ends, which says most about why nothing came out? */
static uint8_t drop_rank(enum skep_drop reason)
{
	switch (reason) {
	case SKEP_DROP_BUDGET:
		return 4;
	case SKEP_DROP_L2_MISMATCH: /* a flooded copy at a router */
	case SKEP_DROP_PROTOCOL:
		return 1;
	case SKEP_DROP_NO_OUTPUT:
	case SKEP_DROP_NOT_LIVE:
		return 2;
	default:
		return 3;
	}
}

void sim_drop(struct walk *w, enum skep_drop reason, const struct topo_object *object,
	      const struct topo_rule *rule)
{
	struct run *run = w->run;
	struct sim_culprit culprit = { .object = object, .rule = rule };
	char buf[192];

	STEP(w, 1, "drop", "", "%s%s%s", sim_drop_name(reason), object ? ": " : "",
	     sim_culprit_text(&culprit, buf));
	if (w->generation)
		return;
	if (reason == SKEP_DROP_BUDGET)
		run->looped = true;
	if (drop_rank(reason) > run->drop_rank) {
		run->drop_rank = drop_rank(reason);
		run->reason = reason;
		run->culprit = culprit;
		run->hint = run->hinting ? sim_hint(w, reason, object, rule) : NULL;
	}
}

void sim_consume(struct walk *w, const struct topo_object *object, const char *text)
{
	STEP(w, 1, "consumed", object->name, "%s", text);
	if (w->generation)
		return;
	w->run->consumed = true;
	w->run->cacheable = false;
}

void sim_need_neigh(struct walk *w, const struct topo_port *port, const struct skep_ip *ip)
{
	struct run *run = w->run;
	char a[ADDR_TEXT];

	STEP(w, 1, "need", port->o.name, "the MAC of %s is not known yet", ip_format(ip, a));
	if (run->need.kind == SIM_NEED_NONE)
		run->need = (struct sim_need){ .kind = SIM_NEED_NEIGH, .port = port, .ip = *ip };
}

void sim_need_object(struct walk *w, const struct topo_port *port)
{
	struct run *run = w->run;

	STEP(w, 1, "need", port->o.name, "the port's device is not loaded yet");
	if (run->need.kind == SIM_NEED_OBJECT)
		return;
	run->need = (struct sim_need){ .kind = SIM_NEED_OBJECT,
				       .path = arena_printf(run->arena, "port/%s", port->o.name) };
}

struct emit *sim_emit(struct walk *w, const char *what, const uint8_t *data, uint32_t len,
		      const struct topo_port *port, const struct topo_chain *chain,
		      const struct topo_object *device, const struct skep_mac *eth_src,
		      const struct skep_mac *eth_dst, bool solicits)
{
	struct run *run = w->run;
	struct emit *e;

	if (!w->generation)
		run->cacheable = false;
	if (!len || w->generation >= SIM_GENERATIONS_MAX || run->n_emits >= SIM_FRAMES_MAX)
		return NULL;
	e = arena_alloc(run->arena, sizeof(*e));
	if (!e || pkt_parse(data, len, &e->pkt) != SKEP_DROP_NONE)
		return NULL;
	e->what = what;
	e->port = port;
	e->chain = chain;
	e->device = device;
	e->f = e->pkt.f;
	/* as the question was tagged where the answer leaves: beyond a router that is not the
	 * packet's own tag */
	e->f.vlan = solicits ? 0 : port == run->in ? w->pkt->f.vlan : port->router ? 0 : w->f.vlan;
	e->f.eth_src = *eth_src;
	e->f.eth_dst = *eth_dst;
	e->generation = w->generation + 1;
	e->solicits = solicits;
	*run->queue_tail = e;
	run->queue_tail = &e->next;
	run->n_emits++;
	return e;
}

void sim_step(struct run *run, unsigned int depth, const char *what, const char *name,
	      const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!GROW(run, run->steps, run->n_steps, run->max_steps))
		return;
	run->steps[run->n_steps++] = (struct sim_step){
		.depth = (uint16_t)depth,
		.what = what,
		.name = name,
		.text = arena_printf(run->arena, "%s", text),
	};
}
