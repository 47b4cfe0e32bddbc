// SPDX-License-Identifier: Apache-2.0
#include "loader/index_ports.h"

#include <stdlib.h>

#include "util/hash.h"

struct index_port { /* with flows */
	struct hmap_node node;
	uint32_t key, n;
	struct index_flow *oldest, *newest;
};

static struct index_port *find_port(const struct index_ports *x, uint32_t key)
{
	struct hmap_node *n = hmap_first_with_hash(&x->by_key, hash_u64(key)); /* a bijection */

	return n ? container_of(n, struct index_port, node) : NULL;
}

static void append(struct index_port *p, struct index_flow *f)
{
	f->port_older = p->newest;
	f->port_newer = NULL;
	*(p->newest ? &p->newest->port_newer : &p->oldest) = f;
	p->newest = f;
}

static void take_out(struct index_port *p, struct index_flow *f)
{
	*(f->port_older ? &f->port_older->port_newer : &p->oldest) = f->port_newer;
	*(f->port_newer ? &f->port_newer->port_older : &p->newest) = f->port_older;
}

/* A wildcard flow is worth many others. */
static void renew(struct index_port *p, struct index_flow *f)
{
	take_out(p, f);
	append(p, f);
}

bool index_ports_join(struct index_ports *x, struct index_flow *f)
{
	const uint32_t key = index_in_key(f);
	struct index_port *p = find_port(x, key);

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p || hmap_insert(&x->by_key, &p->node, hash_u64(key))) {
			free(p);
			return false;
		}
		p->key = key;
	}
	f->port = p;
	append(p, f);
	p->n++;
	return true;
}

void index_ports_leave(struct index_ports *x, struct index_flow *f)
{
	struct index_port *p = f->port;

	take_out(p, f);
	if (--p->n)
		return;
	hmap_remove(&x->by_key, &p->node);
	free(p);
}

uint32_t index_ports_part(const struct index_ports *x, uint32_t key, uint32_t max)
{
	return max / (uint32_t)(x->by_key.n + !find_port(x, key));
}

struct index_flow *index_ports_excess(const struct index_ports *x, uint32_t key, uint32_t part)
{
	struct index_port *p = find_port(x, key);

	if (!p || p->n < part)
		return NULL;
	for (int i = 0; i < INDEX_LOOKS && dp_flow_mask(&p->oldest->key); i++)
		renew(p, p->oldest);
	return p->oldest;
}

uint32_t index_ports_has(const struct index_flow *f)
{
	return f->port->n;
}

void index_ports_walk(const struct index_ports *x, uint32_t key, bool (*cb)(void *arg, struct index_flow *f), void *arg)
{
	const struct index_port *p = find_port(x, key);

	for (struct index_flow *f = p ? p->newest : NULL; f && cb(arg, f); f = f->port_older)
		;
}

void index_ports_fini(struct index_ports *x)
{
	hmap_fini(&x->by_key);
}
