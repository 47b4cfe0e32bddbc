/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports in order, changed in place: of the network, a bridge, a group by name; by MAC or by address whom a bridge knows.  Sorted pieces of up to
 * TOPO_PORTS_PIECE: a change moves one piece, a lookup bisects twice.  Readers walk:
 *
 *	struct topo_ports_at at;
 *	for (struct topo_port *p = topo_ports_first(&bridge->ports, &at); p; p = topo_ports_next(&at))
 *
 * The walk ends when the list changes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TOPO_PORTS_PIECE 256

struct pool;
struct topo_port;

struct topo_ports_piece {
	uint16_t n, max;
	struct topo_port *v[]; /* 'max'; then as many keys */
};

/* All zeroes: an empty one that nothing can be put into. */
struct topo_ports {
	struct topo_ports_piece **pieces; /* none is empty */
	struct pool *pool;
	uint32_t n_pieces, max_pieces;
	uint32_t n;	  /* ports */
	uint32_t key_size; /* bytes; 0: by name alone */
};

/* A place in it. */
struct topo_ports_at {
	const struct topo_ports *list;
	uint32_t piece, i;
};

static inline struct topo_port *topo_ports_here(const struct topo_ports_at *at)
{
	return at->piece < at->list->n_pieces ? at->list->pieces[at->piece]->v[at->i] : (struct topo_port *)0;
}

static inline struct topo_port *topo_ports_first(const struct topo_ports *list, struct topo_ports_at *at)
{
	*at = (struct topo_ports_at){ .list = list };
	return topo_ports_here(at);
}

static inline struct topo_port *topo_ports_next(struct topo_ports_at *at)
{
	if (++at->i == at->list->pieces[at->piece]->n) {
		at->piece++;
		at->i = 0;
	}
	return topo_ports_here(at);
}

/* The rest is private to topology/ and tests.  The order is that of keys' bytes, then of names. */
void topo_ports_init(struct topo_ports *list, struct pool *pool, uint32_t key_size);
void topo_ports_fini(struct topo_ports *list); /* gives its memory back to the pool */
/* Twice the same is there twice.  -ENOMEM. */
int topo_ports_put(struct topo_ports *list, struct topo_port *port, const void *key);
void topo_ports_del(struct topo_ports *list, const struct topo_port *port, const void *key); /* once; when it is there */
/* The first one whose key begins so; NULL: none. */
struct topo_port *topo_ports_find(const struct topo_ports *list, const void *key, uint32_t len,
				  struct topo_ports_at *at);
/* The first one whose key does not begin with less. */
struct topo_port *topo_ports_from(const struct topo_ports *list, const void *key, uint32_t len,
				  struct topo_ports_at *at);
const uint8_t *topo_ports_key(const struct topo_ports_at *at);
