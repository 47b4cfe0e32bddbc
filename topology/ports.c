// SPDX-License-Identifier: Apache-2.0
/* Ports in order (ports.h). */
#include <errno.h>
#include <string.h>

#include "topology/snapshot.h"

#define PIECE_MIN 4

static size_t piece_size(const struct topo_ports *l, uint32_t max)
{
	return sizeof(struct topo_ports_piece) + max * (sizeof(struct topo_port *) + l->key_size);
}

static uint8_t *key_in(const struct topo_ports *l, const struct topo_ports_piece *p, uint32_t i)
{
	return (uint8_t *)(p->v + p->max) + i * l->key_size;
}

const uint8_t *topo_ports_key(const struct topo_ports_at *at)
{
	return key_in(at->list, at->list->pieces[at->piece], at->i);
}

/* What is looked for: all with the key (name NULL: with its first bytes) are not before it. */
struct wanted {
	const void *key;
	uint32_t len;
	const char *name;
};

static bool before(const struct topo_ports *l, const struct topo_ports_piece *p, uint32_t i,
		   const struct wanted *w)
{
	int c = w->len ? memcmp(key_in(l, p, i), w->key, w->len) : 0;

	return c ? c < 0 : w->name && strcmp(p->v[i]->o.name, w->name) < 0;
}

/* To the first that is not before; behind the last, when all are. */
static void seek(const struct topo_ports *l, const struct wanted *w, struct topo_ports_at *at)
{
	uint32_t lo = 0, hi = l->n_pieces, first, end, n;

	while (lo < hi) { /* the first piece that begins not before */
		uint32_t mid = lo + (hi - lo) / 2;

		if (before(l, l->pieces[mid], 0, w))
			lo = mid + 1;
		else
			hi = mid;
	}
	*at = (struct topo_ports_at){ .list = l, .piece = lo };
	if (!lo)
		return;
	n = l->pieces[lo - 1]->n;
	first = 1;
	for (end = n; first < end;) {
		uint32_t mid = first + (end - first) / 2;

		if (before(l, l->pieces[lo - 1], mid, w))
			first = mid + 1;
		else
			end = mid;
	}
	if (first < n)
		*at = (struct topo_ports_at){ .list = l, .piece = lo - 1, .i = first };
}

struct topo_port *topo_ports_from(const struct topo_ports *l, const void *key, uint32_t len,
				  struct topo_ports_at *at)
{
	seek(l, &(struct wanted){ .key = key, .len = len }, at);
	return topo_ports_here(at);
}

struct topo_port *topo_ports_find(const struct topo_ports *l, const void *key, uint32_t len,
				  struct topo_ports_at *at)
{
	struct topo_port *p = topo_ports_from(l, key, len, at);

	return p && !memcmp(topo_ports_key(at), key, len) ? p : NULL;
}

/* --- changes --- */

void topo_ports_init(struct topo_ports *l, struct pool *pool, uint32_t key_size)
{
	*l = (struct topo_ports){ .pool = pool, .key_size = key_size };
}

void topo_ports_fini(struct topo_ports *l)
{
	for (uint32_t i = 0; i < l->n_pieces; i++)
		pool_free(l->pool, l->pieces[i], piece_size(l, l->pieces[i]->max));
	pool_free(l->pool, l->pieces, l->max_pieces * sizeof(l->pieces[0]));
	topo_ports_init(l, l->pool, l->key_size);
}

static void move(const struct topo_ports *l, struct topo_ports_piece *to, uint32_t at,
		 const struct topo_ports_piece *from, uint32_t first, uint32_t n)
{
	memmove(to->v + at, from->v + first, n * sizeof(to->v[0]));
	memmove(key_in(l, to, at), key_in(l, from, first), n * l->key_size);
}

static struct topo_ports_piece *new_piece(const struct topo_ports *l, uint32_t max)
{
	struct topo_ports_piece *p = pool_alloc(l->pool, piece_size(l, max));

	if (p)
		p->max = (uint16_t)max;
	return p;
}

static int add_piece(struct topo_ports *l, uint32_t at, uint32_t size)
{
	struct topo_ports_piece *p, **pieces;
	uint32_t max = l->max_pieces ? l->max_pieces * 2 : 1;

	if (l->n_pieces == l->max_pieces) {
		pieces = pool_alloc(l->pool, max * sizeof(l->pieces[0]));
		if (!pieces)
			return -ENOMEM;
		if (l->n_pieces)
			memcpy(pieces, l->pieces, l->n_pieces * sizeof(l->pieces[0]));
		pool_free(l->pool, l->pieces, l->max_pieces * sizeof(l->pieces[0]));
		l->pieces = pieces;
		l->max_pieces = max;
	}
	p = new_piece(l, size);
	if (!p)
		return -ENOMEM;
	memmove(l->pieces + at + 1, l->pieces + at, (l->n_pieces - at) * sizeof(l->pieces[0]));
	l->pieces[at] = p;
	l->n_pieces++;
	return 0;
}

static int grow(struct topo_ports *l, uint32_t at)
{
	struct topo_ports_piece *old = l->pieces[at], *p = new_piece(l, old->max * 2u);

	if (!p)
		return -ENOMEM;
	move(l, p, 0, old, 0, old->n);
	p->n = old->n;
	l->pieces[at] = p;
	pool_free(l->pool, old, piece_size(l, old->max));
	return 0;
}

static int split(struct topo_ports *l, struct topo_ports_at *at)
{
	struct topo_ports_piece *p = l->pieces[at->piece], *next;
	const uint32_t keep = p->n / 2u;

	if (add_piece(l, at->piece + 1, TOPO_PORTS_PIECE))
		return -ENOMEM;
	next = l->pieces[at->piece + 1];
	move(l, next, 0, p, keep, p->n - keep);
	next->n = (uint16_t)(p->n - keep);
	p->n = (uint16_t)keep;
	if (at->i > keep) {
		at->piece++;
		at->i -= keep;
	}
	return 0;
}

/* Room at 'at', which may move.  What comes in order fills pieces. */
static int make_room(struct topo_ports *l, struct topo_ports_at *at)
{
	struct topo_ports_piece *p;

	if (at->piece && !at->i && l->pieces[at->piece - 1]->n < TOPO_PORTS_PIECE) {
		at->piece--; /* behind the last of the piece before */
		at->i = l->pieces[at->piece]->n;
	}
	if (at->piece == l->n_pieces)
		return add_piece(l, at->piece, at->piece ? TOPO_PORTS_PIECE : PIECE_MIN);
	p = l->pieces[at->piece];
	if (p->n < p->max)
		return 0;
	return p->max < TOPO_PORTS_PIECE ? grow(l, at->piece) : split(l, at);
}

int topo_ports_put(struct topo_ports *l, struct topo_port *port, const void *key)
{
	const struct wanted w = { .key = key, .len = l->key_size, .name = port->o.name };
	struct topo_ports_piece *last = l->n_pieces ? l->pieces[l->n_pieces - 1] : NULL;
	struct topo_ports_at at = { .list = l, .piece = l->n_pieces };
	struct topo_ports_piece *p;

	if (last && !before(l, last, last->n - 1u, &w))
		seek(l, &w, &at);
	if (make_room(l, &at))
		return -ENOMEM;
	p = l->pieces[at.piece];
	move(l, p, at.i + 1, p, at.i, p->n - at.i);
	p->v[at.i] = port;
	if (l->key_size)
		memcpy(key_in(l, p, at.i), key, l->key_size);
	p->n++;
	l->n++;
	return 0;
}

void topo_ports_del(struct topo_ports *l, const struct topo_port *port, const void *key)
{
	const struct wanted w = { .key = key, .len = l->key_size, .name = port->o.name };
	struct topo_ports_piece *p;
	struct topo_ports_at at;
	struct topo_port *x;

	seek(l, &w, &at);
	for (x = topo_ports_here(&at); x && x != port; x = topo_ports_next(&at))
		if (strcmp(x->o.name, port->o.name) != 0)
			return;
	if (!x || (l->key_size && memcmp(topo_ports_key(&at), key, l->key_size) != 0))
		return;
	p = l->pieces[at.piece];
	p->n--;
	l->n--;
	move(l, p, at.i, p, at.i + 1, p->n - at.i);
	if (p->n)
		return;
	pool_free(l->pool, p, piece_size(l, p->max));
	l->n_pieces--;
	memmove(l->pieces + at.piece, l->pieces + at.piece + 1,
		(l->n_pieces - at.piece) * sizeof(l->pieces[0]));
}
