// SPDX-License-Identifier: Apache-2.0
#include "loader/peers.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#define AT_ITEMS 2 /* offset of the number of items */

/* --- writing --- */

static void put(struct peers_buf *b, const void *p, uint32_t n)
{
	if (b->bad || n > b->max - b->n) {
		b->bad = true;
		return;
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void put8(struct peers_buf *b, uint8_t v)
{
	put(b, &v, 1);
}

static void put16(struct peers_buf *b, uint16_t v)
{
	v = htons(v);
	put(b, &v, 2);
}

static void put32(struct peers_buf *b, uint32_t v)
{
	v = htonl(v);
	put(b, &v, 4);
}

static void put64(struct peers_buf *b, uint64_t v)
{
	put32(b, (uint32_t)(v >> 32));
	put32(b, (uint32_t)v);
}

static void put_name(struct peers_buf *b, const char *name)
{
	size_t n = strlen(name);

	if (n > TOPO_NAME_MAX) {
		b->bad = true;
		return;
	}
	put8(b, (uint8_t)n);
	put(b, name, (uint32_t)n);
}

static void put_tuple(struct peers_buf *b, const struct sim_tuple *t)
{
	put8(b, t->proto);
	put(b, &t->src, sizeof(t->src));
	put(b, &t->dst, sizeof(t->dst));
	put(b, &t->sport, 2);
	put(b, &t->dport, 2);
}

static void put_binding(struct peers_buf *b, const struct sim_binding *x)
{
	put64(b, x->router);
	put64(b, x->member);
	put8(b, x->dst);
	put(b, &x->from, sizeof(x->from));
	put(b, &x->to, sizeof(x->to));
	put(b, &x->from_port, 2);
	put(b, &x->to_port, 2);
}

/* All or nothing. */
static bool finish(struct peers_buf *b, uint32_t from)
{
	bool ok = !b->bad;

	if (!ok)
		b->n = from;
	b->bad = false;
	return ok;
}

bool peers_put_head(struct peers_buf *b, const struct peers_head *h)
{
	uint32_t from = b->n;

	put8(b, PEERS_VERSION);
	put8(b, h->kind);
	put16(b, h->n_items);
	put32(b, h->epoch);
	put32(b, h->seq);
	put_name(b, h->sender);
	put_name(b, h->tenant);
	return finish(b, from);
}

void peers_set_count(struct peers_buf *b, uint16_t n_items)
{
	n_items = htons(n_items);
	memcpy(b->p + AT_ITEMS, &n_items, 2);
}

bool peers_put_item(struct peers_buf *b, const struct peers_item *i)
{
	const struct sim_conn *c = &i->conn;
	uint32_t from = b->n;

	put8(b, i->what);
	put_name(b, c->port);
	put_tuple(b, &c->tuple);
	if (i->what == PEERS_SET) {
		put8(b, c->reply);
		put8(b, c->orig_seen);
		put8(b, c->reply_seen);
		put8(b, c->n_bindings);
		put_name(b, c->other_port);
		put_tuple(b, &c->other);
		for (uint8_t k = 0; k < c->n_bindings && k < SIM_BINDINGS_MAX; k++)
			put_binding(b, &c->bindings[k]);
	}
	return finish(b, from);
}

/* --- reading --- */

static void get(struct peers_buf *b, void *p, uint32_t n)
{
	if (b->bad || n > b->max - b->n) {
		b->bad = true;
		memset(p, 0, n);
		return;
	}
	memcpy(p, b->p + b->n, n);
	b->n += n;
}

static uint8_t get8(struct peers_buf *b)
{
	uint8_t v;

	get(b, &v, 1);
	return v;
}

static uint16_t get16(struct peers_buf *b)
{
	uint16_t v;

	get(b, &v, 2);
	return ntohs(v);
}

static uint32_t get32(struct peers_buf *b)
{
	uint32_t v;

	get(b, &v, 4);
	return ntohl(v);
}

static uint64_t get64(struct peers_buf *b)
{
	uint64_t hi = get32(b);

	return hi << 32 | get32(b);
}

/* A name is what topology calls one, or empty: it is looked up and logged. */
static void get_name(struct peers_buf *b, char name[static TOPO_NAME_MAX + 1])
{
	uint8_t n = get8(b);

	memset(name, 0, TOPO_NAME_MAX + 1);
	if (n > TOPO_NAME_MAX) {
		b->bad = true;
		return;
	}
	get(b, name, n);
	for (uint8_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && (!i || !strchr("._-", name[i]) || !name[i]))
			b->bad = true;
}

static bool get_bool(struct peers_buf *b)
{
	uint8_t v = get8(b);

	if (v > 1)
		b->bad = true;
	return v == 1;
}

static void get_tuple(struct peers_buf *b, struct sim_tuple *t)
{
	memset(t, 0, sizeof(*t));
	t->proto = get8(b);
	get(b, &t->src, sizeof(t->src));
	get(b, &t->dst, sizeof(t->dst));
	get(b, &t->sport, 2);
	get(b, &t->dport, 2);
	if (ip_is_v4(&t->src) != ip_is_v4(&t->dst))
		b->bad = true;
}

static void get_binding(struct peers_buf *b, struct sim_binding *x)
{
	memset(x, 0, sizeof(*x));
	x->router = get64(b);
	x->member = get64(b);
	x->dst = get_bool(b);
	get(b, &x->from, sizeof(x->from));
	get(b, &x->to, sizeof(x->to));
	get(b, &x->from_port, 2);
	get(b, &x->to_port, 2);
	if (!x->router || ip_is_v4(&x->from) != ip_is_v4(&x->to))
		b->bad = true;
}

bool peers_get_head(struct peers_buf *b, struct peers_head *h)
{
	uint8_t version = get8(b);

	memset(h, 0, sizeof(*h));
	h->kind = get8(b);
	h->n_items = get16(b);
	h->epoch = get32(b);
	h->seq = get32(b);
	get_name(b, h->sender);
	get_name(b, h->tenant);
	if (version != PEERS_VERSION || !h->sender[0])
		b->bad = true;
	if (h->kind == PEERS_ITEMS)
		b->bad = b->bad || !h->tenant[0] || !h->n_items || h->n_items > PEERS_ITEMS_MAX;
	else if (h->kind != PEERS_ACK || h->n_items || h->tenant[0])
		b->bad = true;
	return !b->bad;
}

bool peers_get_item(struct peers_buf *b, struct peers_item *i)
{
	struct sim_conn *c = &i->conn;

	memset(i, 0, sizeof(*i));
	i->what = get8(b);
	get_name(b, c->port);
	get_tuple(b, &c->tuple);
	if (!c->port[0] || (i->what != PEERS_SET && i->what != PEERS_END))
		b->bad = true;
	if (b->bad || i->what == PEERS_END)
		return !b->bad;
	c->reply = get_bool(b);
	c->orig_seen = get8(b);
	c->reply_seen = get8(b);
	c->n_bindings = get8(b);
	get_name(b, c->other_port);
	get_tuple(b, &c->other);
	if (c->n_bindings > SIM_BINDINGS_MAX || c->tuple.proto != c->other.proto)
		b->bad = true;
	for (uint8_t k = 0; !b->bad && k < c->n_bindings; k++)
		get_binding(b, &c->bindings[k]);
	return !b->bad;
}

void peers_reverse(const struct sim_conn *c, struct sim_conn *out)
{
	struct sim_conn r = *c;

	r.tuple = c->other;
	r.other = c->tuple;
	memcpy(r.port, c->other_port, sizeof(r.port));
	memcpy(r.other_port, c->port, sizeof(r.other_port));
	r.reply = !c->reply;
	*out = r;
}
