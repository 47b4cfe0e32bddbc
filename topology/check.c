// SPDX-License-Identifier: Apache-2.0
/*
 * What a reader of snapshots relies on: jumps end, peers point at each other.  Part of every topo_build(), so that no record, however
 * it came about, sends a simulation round in circles.
 */
#include <errno.h>

#include "topology/snapshot.h"

static int check_peer(const struct topo_port *p, struct err *err)
{
	const struct topo_port *q = p->peer;

	if (q == p)
		return err_set(err, -EINVAL,
			       "field 'peer': '%s' is the port itself (want another port)",
			       q->o.name);
	if (q && !q->peer)
		return err_set(
			err, -EINVAL,
			"field 'peer': '%s' does not have '%s' as its peer (both must name each other)",
			q->o.name, p->o.name);
	if (q && q->peer != p)
		return err_set(
			err, -EINVAL,
			"field 'peer': '%s' is the peer of '%s' already (a port has one peer)",
			q->o.name, q->peer->o.name);
	return 0;
}

/* Depth-first with a stack of our own: the depth of jumps is the user's choice.  Also finds the longest way down. */
struct walk {
	const struct topo_snapshot *snap;
	uint32_t *stack, *next_rule, *height;
	uint8_t *state; /* 0 = not seen, 1 = on the stack, 2 = done */
};

static void pop(struct walk *w, uint32_t *depth)
{
	uint32_t i = w->stack[--*depth];

	w->state[i] = 2;
	if (*depth) {
		uint32_t up = w->stack[*depth - 1];

		if (w->height[up] < w->height[i] + 1)
			w->height[up] = w->height[i] + 1;
	}
}

static int walk_from(struct walk *w, uint32_t start, struct err *err)
{
	uint32_t depth = 0;

	w->stack[depth++] = start;
	w->state[start] = 1;
	while (depth) {
		uint32_t i = w->stack[depth - 1], k;
		const struct topo_chain *c = &w->snap->chains[i];
		const struct topo_rule *r;

		if (w->next_rule[i] == c->n_rules) {
			pop(w, &depth);
			continue;
		}
		r = &c->rules[w->next_rule[i]++];
		if (!r->jump)
			continue;
		k = (uint32_t)(r->jump - w->snap->chains);
		if (w->state[k] == 1)
			return err_set(
				err, -EINVAL,
				"chain '%s': rule '%s': field 'jump': '%s' leads back to itself (chains must not jump in circles)",
				c->o.name, r->name, r->jump->o.name);
		if (w->state[k] == 2) {
			if (w->height[i] < w->height[k] + 1)
				w->height[i] = w->height[k] + 1;
		} else {
			w->stack[depth++] = k;
			w->state[k] = 1;
		}
	}
	return 0;
}

static int check_jumps(const struct topo_snapshot *snap, struct err *err)
{
	uint32_t n = snap->n_chains + 1;
	struct arena arena;
	struct walk w = { .snap = snap };
	int rc = 0;

	arena_init(&arena, 0);
	w.stack = arena_alloc(&arena, n * sizeof(uint32_t));
	w.next_rule = arena_alloc(&arena, n * sizeof(uint32_t));
	w.height = arena_alloc(&arena, n * sizeof(uint32_t));
	w.state = arena_alloc(&arena, n);
	if (arena_failed(&arena))
		rc = err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; !rc && i < snap->n_chains; i++) {
		if (!w.state[i])
			rc = walk_from(&w, i, err);
		if (!rc && w.height[i] > TOPO_JUMPS_MAX)
			rc = err_set(err, -EINVAL,
				     "chain '%s': its jumps are nested %u deep (at most %d)",
				     snap->chains[i].o.name, w.height[i], TOPO_JUMPS_MAX);
	}
	arena_fini(&arena);
	return rc;
}

int topo_check_structure(const struct topo_snapshot *snap, struct err *err)
{
	struct topo_ports_at at;

	for (const struct topo_port *p = topo_ports_first(&snap->ports, &at); p; p = topo_ports_next(&at))
		if (check_peer(p, err))
			return err_prefix(err, "port '%s'", p->o.name);
	return check_jumps(snap, err);
}
