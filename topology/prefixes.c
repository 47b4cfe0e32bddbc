// SPDX-License-Identifier: Apache-2.0
/* Prefixes in order (prefixes.h). */
#include "topology/prefixes.h"

#include <string.h>

#define PIECE_MIN 4
#define PIECE_MAX 256
#define NO_PARENT 255

/* One piece of memory: this, keys, values, lengths, parents' lengths. */
struct topo_piece {
	uint16_t n, max;
	uint32_t pad[3]; /* keys behind it are aligned as they want */
};

static size_t key_size(bool v4)
{
	return v4 ? sizeof(uint32_t) : sizeof(topo_u128);
}

static size_t piece_size(bool v4, uint32_t max)
{
	return sizeof(struct topo_piece) + max * (key_size(v4) + sizeof(void *) + 2);
}

static void *keys_of(const struct topo_piece *p)
{
	return (void *)(p + 1);
}

static void **values_of(const struct topo_piece *p, bool v4)
{
	return (void **)((char *)keys_of(p) + p->max * key_size(v4));
}

static uint8_t *lens_of(const struct topo_piece *p, bool v4)
{
	return (uint8_t *)(values_of(p, v4) + p->max);
}

static uint8_t *parents_of(const struct topo_piece *p, bool v4)
{
	return lens_of(p, v4) + p->max;
}

static topo_u128 get_key(const void *keys, bool v4, uint32_t i)
{
	return v4 ? ((const uint32_t *)keys)[i] : ((const topo_u128 *)keys)[i];
}

static void set_key(void *keys, bool v4, uint32_t i, topo_u128 key)
{
	if (v4)
		((uint32_t *)keys)[i] = (uint32_t)key;
	else
		((topo_u128 *)keys)[i] = key;
}

static uint32_t bisect(const void *keys, bool v4, uint32_t n, topo_u128 key)
{
	return v4 ? topo_bisect4(keys, n, (uint32_t)key) : topo_bisect6(keys, n, key);
}

static topo_u128 key_of(const struct skep_ip *ip, bool v4)
{
	return v4 ? topo_key4(ip) : topo_key6(ip);
}

static unsigned int common(topo_u128 a, topo_u128 b, bool v4)
{
	return v4 ? topo_common4((uint32_t)a, (uint32_t)b) : topo_common6(a, b);
}

static topo_u128 masked(topo_u128 key, bool v4, unsigned int len)
{
	const unsigned int width = v4 ? 32 : 128;

	if (!len)
		return 0;
	return key >> (width - len) << (width - len);
}

static struct topo_prefix_side *side_of(const struct topo_prefixes *p, bool v4)
{
	return (struct topo_prefix_side *)(v4 ? &p->v4 : &p->v6);
}

static struct topo_piece *piece_at(const struct topo_prefix_at *at)
{
	return at->side->pieces[at->piece];
}

static topo_u128 key_at(const struct topo_prefix_at *at)
{
	return get_key(keys_of(piece_at(at)), at->v4, at->i);
}

static unsigned int len_at(const struct topo_prefix_at *at)
{
	return lens_of(piece_at(at), at->v4)[at->i];
}

static unsigned int parent_at(const struct topo_prefix_at *at)
{
	return parents_of(piece_at(at), at->v4)[at->i];
}

/* --- places --- */

static bool forward(struct topo_prefix_at *at)
{
	if (at->i + 1 < piece_at(at)->n) {
		at->i++;
		return true;
	}
	if (at->piece + 1 == at->side->n_pieces)
		return false;
	at->piece++;
	at->i = 0;
	return true;
}

static bool back(struct topo_prefix_at *at)
{
	if (at->i) {
		at->i--;
		return true;
	}
	if (!at->piece)
		return false;
	at->piece--;
	at->i = piece_at(at)->n - 1u;
	return true;
}

/* The last one whose address is not beyond 'key'; false: all are. */
static bool last_before(const struct topo_prefix_side *side, bool v4, topo_u128 key,
			struct topo_prefix_at *at)
{
	uint32_t piece = bisect(side->firsts, v4, side->n_pieces, key);

	if (!piece)
		return false;
	*at = (struct topo_prefix_at){ .side = side, .piece = piece - 1, .v4 = v4 };
	at->i = bisect(keys_of(piece_at(at)), v4, piece_at(at)->n, key) - 1;
	return true;
}

/* The same in the order of address and length. */
static bool last_not_beyond(const struct topo_prefix_side *side, bool v4, topo_u128 key,
			    unsigned int len, struct topo_prefix_at *at)
{
	if (!last_before(side, v4, key, at))
		return false;
	while (key_at(at) == key && len_at(at) > len)
		if (!back(at))
			return false;
	return true;
}

static bool find(const struct topo_prefix_side *side, bool v4, topo_u128 key, unsigned int len,
		 struct topo_prefix_at *at)
{
	return last_not_beyond(side, v4, key, len, at) && key_at(at) == key && len_at(at) == len;
}

bool topo_prefixes_up(struct topo_prefix_at *at)
{
	unsigned int len = parent_at(at);

	return len != NO_PARENT &&
	       find(at->side, at->v4, masked(key_at(at), at->v4, len), len, at);
}

/* From 'at', which is not beyond 'key', to the longest one around 'key'; false: none. */
static bool climb(struct topo_prefix_at *at, topo_u128 key)
{
	unsigned int shared = common(key_at(at), key, at->v4);

	while (len_at(at) > shared)
		if (!topo_prefixes_up(at))
			return false;
	return true;
}

bool topo_prefixes_match(const struct topo_prefixes *p, const struct skep_ip *ip,
			 struct topo_prefix_at *at, unsigned int *bits)
{
	const bool v4 = ip_is_v4(ip);
	const topo_u128 key = key_of(ip, v4);
	const struct topo_prefix_side *side = side_of(p, v4);
	struct topo_prefix_at next = { .side = side, .v4 = v4 };
	bool found = last_before(side, v4, key, at), more = side->n;
	unsigned int n;

	*bits = 0;
	if (found) {
		next = *at;
		more = forward(&next);
		n = common(key_at(at), key, v4);
		*bits = n < len_at(at) ? n + 1 : len_at(at);
		found = climb(at, key);
	}
	if (more) {
		n = common(key_at(&next), key, v4) + 1;
		*bits = n > *bits ? n : *bits;
	}
	return found;
}

bool topo_prefixes_next(const struct topo_prefixes *p, struct topo_prefix_at *at)
{
	if (at->side && forward(at))
		return true;
	for (bool v4 = at->side ? !at->v4 : true;; v4 = false) {
		if (at->side && !at->v4)
			return false;
		*at = (struct topo_prefix_at){ .side = side_of(p, v4), .v4 = v4 };
		if (at->side->n)
			return true;
		if (!v4)
			return false;
	}
}

bool topo_prefix_nested(const struct topo_prefix_at *at)
{
	return parent_at(at) != NO_PARENT;
}

void *topo_prefix_value(const struct topo_prefix_at *at)
{
	return values_of(piece_at(at), at->v4)[at->i];
}

struct skep_ip topo_prefix_ip(const struct topo_prefix_at *at, unsigned int *len)
{
	const topo_u128 key = key_at(at);
	struct skep_ip ip;

	*len = len_at(at);
	if (at->v4)
		return ip_from_v4(__builtin_bswap32((uint32_t)key));
	for (int i = 0; i < 4; i++)
		ip.w[i] = __builtin_bswap32((uint32_t)(key >> (96 - 32 * i)));
	return ip;
}

bool topo_prefixes_find(const struct topo_prefixes *p, const struct skep_ip *ip, unsigned int len,
			struct topo_prefix_at *at)
{
	const bool v4 = ip_is_v4(ip);

	return find(side_of(p, v4), v4, key_of(ip, v4), len, at);
}

void **topo_prefixes_get(const struct topo_prefixes *p, const struct skep_ip *ip, unsigned int len)
{
	struct topo_prefix_at at;

	return topo_prefixes_find(p, ip, len, &at) ? &values_of(piece_at(&at), at.v4)[at.i] : NULL;
}

/* --- changes --- */

void topo_prefixes_init(struct topo_prefixes *p, struct pool *pool)
{
	*p = (struct topo_prefixes){ .pool = pool };
}

/* 'n' entries of one piece to another one, or within it. */
static void copy_entries(struct topo_piece *to, uint32_t at, const struct topo_piece *from,
			 uint32_t first, uint32_t n, bool v4)
{
	const size_t k = key_size(v4);

	memmove((char *)keys_of(to) + at * k, (const char *)keys_of(from) + first * k, n * k);
	memmove(values_of(to, v4) + at, values_of(from, v4) + first, n * sizeof(void *));
	memmove(lens_of(to, v4) + at, lens_of(from, v4) + first, n);
	memmove(parents_of(to, v4) + at, parents_of(from, v4) + first, n);
}

static struct topo_piece *new_piece(struct topo_prefixes *p, bool v4, uint32_t max)
{
	struct topo_piece *piece = pool_alloc(p->pool, piece_size(v4, max));

	if (piece)
		piece->max = (uint16_t)max;
	return piece;
}

static int more_pieces(struct topo_prefixes *p, struct topo_prefix_side *s, bool v4)
{
	uint32_t max = s->max_pieces ? s->max_pieces * 2 : 1;
	struct topo_piece **pieces = pool_alloc(p->pool, max * sizeof(struct topo_piece *));
	void *firsts = pool_alloc(p->pool, max * key_size(v4));

	if (!pieces || !firsts) {
		pool_free(p->pool, pieces, max * sizeof(struct topo_piece *));
		pool_free(p->pool, firsts, max * key_size(v4));
		return -1;
	}
	if (s->n_pieces) {
		memcpy(pieces, s->pieces, s->n_pieces * sizeof(struct topo_piece *));
		memcpy(firsts, s->firsts, s->n_pieces * key_size(v4));
	}
	pool_free(p->pool, s->pieces, s->max_pieces * sizeof(struct topo_piece *));
	pool_free(p->pool, s->firsts, s->max_pieces * key_size(v4));
	s->pieces = pieces;
	s->firsts = firsts;
	s->max_pieces = max;
	return 0;
}

/* An empty piece at position 'at'. */
static int add_piece(struct topo_prefixes *p, struct topo_prefix_side *s, bool v4, uint32_t at,
		     uint32_t max)
{
	struct topo_piece *piece;
	const size_t k = key_size(v4);

	if (s->n_pieces == s->max_pieces && more_pieces(p, s, v4))
		return -1;
	piece = new_piece(p, v4, max);
	if (!piece)
		return -1;
	memmove(s->pieces + at + 1, s->pieces + at, (s->n_pieces - at) * sizeof(struct topo_piece *));
	memmove((char *)s->firsts + (at + 1) * k, (char *)s->firsts + at * k, (s->n_pieces - at) * k);
	s->pieces[at] = piece;
	s->n_pieces++;
	return 0;
}

static void set_first(struct topo_prefix_side *s, bool v4, uint32_t piece)
{
	set_key(s->firsts, v4, piece, get_key(keys_of(s->pieces[piece]), v4, 0));
}

static int grow(struct topo_prefixes *p, struct topo_prefix_side *s, bool v4, uint32_t at)
{
	struct topo_piece *old = s->pieces[at], *piece = new_piece(p, v4, old->max * 2u);

	if (!piece)
		return -1;
	copy_entries(piece, 0, old, 0, old->n, v4);
	piece->n = old->n;
	s->pieces[at] = piece;
	pool_free(p->pool, old, piece_size(v4, old->max));
	return 0;
}

/* Room for one entry at 'at', which may move. */
static int make_room(struct topo_prefixes *p, struct topo_prefix_side *s, struct topo_prefix_at *at)
{
	const bool v4 = at->v4;
	struct topo_piece *piece, *next;
	uint32_t keep;

	if (!s->n_pieces)
		return add_piece(p, s, v4, 0, PIECE_MIN);
	piece = s->pieces[at->piece];
	if (piece->n < piece->max)
		return 0;
	if (piece->max < PIECE_MAX)
		return grow(p, s, v4, at->piece);
	/* what comes in order fills pieces */
	keep = at->piece + 1 == s->n_pieces && at->i == piece->n ? piece->n : piece->n / 2u;
	if (add_piece(p, s, v4, at->piece + 1, PIECE_MAX))
		return -1;
	next = s->pieces[at->piece + 1];
	copy_entries(next, 0, piece, keep, piece->n - keep, v4);
	next->n = (uint16_t)(piece->n - keep);
	piece->n = (uint16_t)keep;
	if (next->n)
		set_first(s, v4, at->piece + 1);
	if (at->i >= keep && (at->i > keep || !next->n)) {
		at->piece++;
		at->i -= keep;
	}
	return 0;
}

/* Those within (key, len) whose parent is 'from' get 'to'. */
static void adopt(struct topo_prefix_at at, topo_u128 key, unsigned int len, unsigned int from,
		  unsigned int to)
{
	while (forward(&at) && common(key_at(&at), key, at.v4) >= len) {
		uint8_t *parent = &parents_of(piece_at(&at), at.v4)[at.i];

		if (*parent == from)
			*parent = (uint8_t)to;
	}
}

/* The length of the longest one around (key, len); 'at' is the last one before it, if there is one. */
static unsigned int parent_len(struct topo_prefix_at at, bool any, topo_u128 key)
{
	return any && climb(&at, key) ? len_at(&at) : NO_PARENT;
}

void **topo_prefixes_put(struct topo_prefixes *p, const struct skep_ip *ip, unsigned int len,
			 bool *made)
{
	const bool v4 = ip_is_v4(ip);
	const topo_u128 key = key_of(ip, v4);
	struct topo_prefix_side *s = side_of(p, v4);
	struct topo_prefix_at at = { 0 };
	struct topo_piece *piece;
	bool any = last_not_beyond(s, v4, key, len, &at);
	unsigned int parent;

	*made = false;
	if (any && key_at(&at) == key && len_at(&at) == len)
		return &values_of(piece_at(&at), v4)[at.i];
	parent = parent_len(at, any, key);
	at = any ? at : (struct topo_prefix_at){ .side = s, .v4 = v4 };
	at.i += any;
	if (make_room(p, s, &at))
		return NULL;
	piece = s->pieces[at.piece];
	copy_entries(piece, at.i + 1, piece, at.i, piece->n - at.i, v4);
	piece->n++;
	s->n++;
	set_key(keys_of(piece), v4, at.i, key);
	lens_of(piece, v4)[at.i] = (uint8_t)len;
	parents_of(piece, v4)[at.i] = (uint8_t)parent;
	values_of(piece, v4)[at.i] = NULL;
	if (!at.i)
		set_first(s, v4, at.piece);
	adopt(at, key, len, parent, len);
	*made = true;
	return &values_of(piece, v4)[at.i];
}

static void drop_piece(struct topo_prefixes *p, struct topo_prefix_side *s, bool v4, uint32_t at)
{
	const size_t k = key_size(v4);

	pool_free(p->pool, s->pieces[at], piece_size(v4, s->pieces[at]->max));
	s->n_pieces--;
	memmove(s->pieces + at, s->pieces + at + 1, (s->n_pieces - at) * sizeof(struct topo_piece *));
	memmove((char *)s->firsts + at * k, (char *)s->firsts + (at + 1) * k, (s->n_pieces - at) * k);
}

void topo_prefixes_del(struct topo_prefixes *p, const struct skep_ip *ip, unsigned int len)
{
	const bool v4 = ip_is_v4(ip);
	const topo_u128 key = key_of(ip, v4);
	struct topo_prefix_side *s = side_of(p, v4);
	struct topo_prefix_at at;
	struct topo_piece *piece;

	if (!find(s, v4, key, len, &at))
		return;
	adopt(at, key, len, len, parent_at(&at));
	piece = s->pieces[at.piece];
	piece->n--;
	s->n--;
	copy_entries(piece, at.i, piece, at.i + 1, piece->n - at.i, v4);
	if (!piece->n)
		drop_piece(p, s, v4, at.piece);
	else if (!at.i)
		set_first(s, v4, at.piece);
}
