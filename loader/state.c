// SPDX-License-Identifier: Apache-2.0
/*
 * Messages to the agents of other hosts about connections whose other end lives there.  They leave before the packet that makes them
 * necessary and on the same way; each is acknowledged, and repeated after 5 ms, then ever later, for 950 ms.  What they say may arrive twice or
 * late: of each connection the last word is remembered, so that none is brought back after its end, and none ends by the end of the one before.
 */
#include "loader/agent.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "loader/hold.h"
#include "loader/peers.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

#define RETRY_NS    (5 * NSEC_PER_MSEC)
#define RETRIES	    12 /* 5, 5, 10, 10, 20, 20, ... ms */
#define GIVE_UP_MAX 64	 /* with packets behind them, in one turn */
#define WORDS	    8192 /* connections that were heard of a moment ago */
#define WORD_NS	    (2 * NSEC_PER_SEC) /* longer than a message is repeated */

/* A message that is being filled. */
struct draft {
	struct draft *next;
	struct tenant *tenant;
	uint16_t n_items;
	struct peers_buf buf;
	uint32_t seq;
	uint32_t hold; /* packets wait for its acknowledgement (hold.h); 0 = none */
	char host[TOPO_NAME_MAX + 1];
	uint8_t bytes[DP_CONTROL_MAX];
};

/* A message that was sent. */
struct pending {
	struct hmap_node node; /* by seq */
	struct pending *prev, *next; /* of those sent so often */
	uint32_t seq, tries, len;
	uint32_t hold;
	uint64_t next_ns;
	char host[TOPO_NAME_MAX + 1];
	uint8_t bytes[];
};

/* The last word on a connection: what its sender said before does not count any more.  An end is everybody's. */
struct word {
	uint64_t what; /* hash; 0 = free */
	uint64_t until_ns;
	uint32_t epoch, seq;
	bool ended;
};

struct state {
	struct agent *a;
	uint32_t epoch, seq;
	uint32_t hold; /* of what is being said */
	struct draft *drafts;
	struct hmap pending;
	struct queue {
		struct pending *first, *last;
	} sent[RETRIES + 1]; /* by 'tries': each in the order in which its messages are due */
	struct loop_timer *timer;
	struct word words[WORDS];
};

int state_init(struct agent *a)
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s || getrandom(&s->epoch, sizeof(s->epoch), 0) != sizeof(s->epoch)) {
		free(s);
		return -1;
	}
	s->a = a;
	a->state = s;
	return 0;
}

static void enqueue(struct state *s, struct pending *p)
{
	struct queue *q = &s->sent[p->tries];

	p->prev = q->last;
	p->next = NULL;
	*(q->last ? &q->last->next : &q->first) = p;
	q->last = p;
}

static void unqueue(struct state *s, struct pending *p)
{
	struct queue *q = &s->sent[p->tries];

	*(p->prev ? &p->prev->next : &q->first) = p->next;
	*(p->next ? &p->next->prev : &q->last) = p->prev;
}

static void free_pending(struct state *s, struct pending *p)
{
	struct host *h = hosts_find(s->a, p->host);

	if (h && h->unacked)
		h->unacked--;
	hmap_remove(&s->pending, &p->node);
	unqueue(s, p);
	free(p);
}

void state_fini(struct agent *a)
{
	struct state *s = TAKE_PTR(a->state);
	struct hmap_node *n, *tmp;
	struct draft *d;

	if (!s)
		return;
	while ((d = s->drafts)) {
		s->drafts = d->next;
		free(d);
	}
	hmap_for_each (n, tmp, &s->pending)
		free_pending(s, container_of(n, struct pending, node));
	hmap_fini(&s->pending);
	loop_timer_del(s->timer);
	free(s);
}

uint32_t state_unacked(const struct agent *a)
{
	return (uint32_t)a->state->pending.n;
}

/* --- sending --- */

static bool send_bytes(struct agent *a, const char *host, const void *data, uint32_t len)
{
	uint32_t peer = hosts_peer(a, host);

	return peer && !dp_send_control(a->dp, peer, data, len);
}

static void heard(struct agent *a, const char *host, bool yes)
{
	struct host *h = hosts_find(a, host);

	if (h)
		h->silent = !yes;
}

/* Messages that were given up, and packets wait for. */
struct given_up {
	unsigned int n;
	struct {
		uint32_t hold;
		char host[TOPO_NAME_MAX + 1];
	} v[GIVE_UP_MAX];
};

/* False: not in this turn. */
static bool give_up(struct state *s, struct pending *p, struct given_up *g)
{
	if (p->hold && g->n == GIVE_UP_MAX)
		return false;
	s->a->stats.state_lost++;
	log_debug("host '%s' does not acknowledge message %u", p->host, p->seq);
	heard(s->a, p->host, false);
	if (p->hold) {
		g->v[g->n].hold = p->hold;
		memcpy(g->v[g->n++].host, p->host, sizeof(p->host));
	}
	free_pending(s, p);
	return true;
}

static void send_again(struct state *s, struct pending *p, uint64_t now)
{
	unqueue(s, p);
	p->next_ns = now + (RETRY_NS << ++p->tries / 2);
	enqueue(s, p);
	s->a->stats.state_resent++;
	(void)send_bytes(s->a, p->host, p->bytes, p->len);
}

static void on_retry(void *arg)
{
	struct state *s = arg;
	uint64_t now = clock_mono_ns();
	struct given_up g;
	struct pending *p;

	g.n = 0;
	for (unsigned int tries = 0; tries < RETRIES; tries++)
		while ((p = s->sent[tries].first) && p->next_ns <= now)
			send_again(s, p, now);
	while ((p = s->sent[RETRIES].first) && p->next_ns <= now && give_up(s, p, &g))
		;
	for (unsigned int i = 0; i < g.n; i++) /* behind the loop: it sends other messages */
		hold_answered(s->a, g.v[i].hold, g.v[i].host, false);
	if (!s->pending.n) {
		loop_timer_del(s->timer);
		s->timer = NULL;
	}
}

/* To be repeated until it is acknowledged; false: it was sent, but nobody makes sure.  One host may have half as many messages under way as
 * there is room left: one that is dead leaves room for others. */
static bool remember(struct state *s, const struct draft *d)
{
	struct host *h = hosts_find(s->a, d->host);
	struct pending *p = NULL;

	if (h && 2 * h->unacked < STATE_PENDING_MAX - s->pending.n)
		p = malloc(sizeof(*p) + d->buf.n);
	if (!p) {
		s->a->stats.state_lost++;
		return false;
	}
	*p = (struct pending){ .seq = d->seq,
			       .len = d->buf.n,
			       .hold = d->hold,
			       .next_ns = clock_mono_ns() + RETRY_NS };
	memcpy(p->host, d->host, sizeof(p->host));
	memcpy(p->bytes, d->bytes, d->buf.n);
	if (hmap_insert(&s->pending, &p->node, hash_u64(p->seq))) {
		free(p);
		return false;
	}
	enqueue(s, p);
	h->unacked++;
	if (!s->timer)
		s->timer = loop_timer_add(s->a->loop, RETRY_NS, RETRY_NS, on_retry, s);
	return true;
}

static void send_draft(struct state *s, struct draft *d)
{
	bool sure;

	if (!d->n_items)
		return;
	peers_set_count(&d->buf, d->n_items);
	s->a->stats.state_sent++;
	(void)send_bytes(s->a, d->host, d->bytes, d->buf.n); /* lost or refused: repeated */
	sure = remember(s, d);
	if (d->hold)
		hold_sent(s->a, d->hold, sure);
}

void state_flush(struct agent *a)
{
	struct state *s = a->state;
	struct draft *d;

	while ((d = s->drafts)) {
		s->drafts = d->next;
		send_draft(s, d);
		free(d);
	}
}

static bool begin(struct state *s, struct draft *d)
{
	struct peers_head h = { .kind = PEERS_ITEMS, .epoch = s->epoch, .seq = ++s->seq };

	snprintf(h.sender, sizeof(h.sender), "%s", s->a->config->host);
	snprintf(h.tenant, sizeof(h.tenant), "%s", d->tenant->name);
	d->seq = h.seq;
	d->n_items = 0;
	d->buf = (struct peers_buf){ .p = d->bytes, .max = sizeof(d->bytes) };
	return peers_put_head(&d->buf, &h);
}

static struct draft *get_draft(struct state *s, struct tenant *t, const char *host)
{
	struct draft *d;

	for (d = s->drafts; d; d = d->next)
		if (d->tenant == t && !strcmp(d->host, host))
			return d;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->tenant = t;
	snprintf(d->host, sizeof(d->host), "%s", host);
	if (!begin(s, d)) {
		free(d);
		return NULL;
	}
	d->next = s->drafts;
	s->drafts = d;
	return d;
}

static void add(struct tenant *t, const char *host, const struct peers_item *item)
{
	struct state *s = t->agent->state;
	struct draft *d = get_draft(s, t, host);

	if (!d)
		return;
	if (s->hold && hold_awaits(t->agent, s->hold, host))
		d->hold = s->hold;
	if (d->n_items < PEERS_ITEMS_MAX && peers_put_item(&d->buf, item)) {
		d->n_items++;
		return;
	}
	send_draft(s, d);
	if (begin(s, d) && peers_put_item(&d->buf, item))
		d->n_items = 1;
}

void state_hold(struct agent *a, uint32_t hold)
{
	a->state->hold = hold;
}

void state_put(struct tenant *t, const char *host, const struct sim_conn *conn)
{
	struct peers_item item = { .what = PEERS_SET, .conn = *conn };

	add(t, host, &item);
}

void state_end(struct tenant *t, const char *host, const char *port, const struct sim_tuple *tuple)
{
	struct peers_item item = { .what = PEERS_END, .conn.tuple = *tuple };

	snprintf(item.conn.port, sizeof(item.conn.port), "%s", port);
	add(t, host, &item);
}

/* --- receiving --- */

static struct word *word_of(struct state *s, const struct tenant *t, const char *port,
			    const struct sim_tuple *tuple, uint64_t *what)
{
	*what = hash_str(port, sim_tuple_hash(tuple) ^ hash_u64((uintptr_t)t)) | 1;
	return &s->words[*what / 2 % WORDS];
}

/* Has the connection ended, without this host knowing of another since?  The port that begins one knows first; replies are told of when
 * there are none yet. */
static bool is_over(struct tenant *t, const struct sim_conn *c)
{
	return (!c->reply || (c->orig_seen && c->reply_seen)) &&
	       !sim_conns_find(t->conns, c->port, &c->tuple, clock_mono_ns());
}

/* Something later is known, or this itself. */
static bool is_old(struct state *s, struct tenant *t, const struct peers_item *i,
		   const struct peers_head *h)
{
	uint64_t what;
	const struct word *w = word_of(s, t, i->conn.port, &i->conn.tuple, &what);
	int32_t later = (int32_t)(w->seq - h->seq);

	if (w->what != what || clock_mono_ns() >= w->until_ns)
		return false;
	if (w->epoch != h->epoch)
		return w->ended && i->what == PEERS_SET && is_over(t, &i->conn);
	return later > 0 || (!later && w->ended && i->what == PEERS_END);
}

static void note(struct state *s, const struct tenant *t, const struct sim_conn *c, uint32_t epoch,
		 uint32_t seq, bool ended)
{
	uint64_t what, now = clock_mono_ns();
	struct word *w = word_of(s, t, c->port, &c->tuple, &what);

	if (!ended && w->ended && w->what != what && now < w->until_ns)
		return; /* another's end is worth more */
	*w = (struct word){ .what = what,
			    .until_ns = now + WORD_NS,
			    .epoch = epoch,
			    .seq = seq,
			    .ended = ended };
}

void state_ended(struct tenant *t, const struct sim_conn *conn)
{
	struct state *s = t->agent->state;

	note(s, t, conn, s->epoch, s->seq, true);
}

/* Only about ports that are bound here, and with another end that the tenant has. */
static bool may_say(struct tenant *t, const struct peers_item *i)
{
	const struct sim_conn *c = &i->conn;

	return conns_port_here(t, c->port) &&
	       (i->what == PEERS_END || !c->other_port[0] ||
		(t->snap && topo_find_port(t->snap, c->other_port)));
}

/* False: not all of it was understood, or could be kept.  It is said again then; packets may wait until it is taken. */
static bool take_items(struct agent *a, struct tenant *t, const struct peers_head *h,
		       struct peers_buf *b)
{
	struct state *s = a->state;
	struct peers_item item;
	bool all = true;

	for (uint16_t k = 0; k < h->n_items; k++) {
		if (!peers_get_item(b, &item)) {
			a->stats.state_refused++;
			return false; /* what came before it was whole */
		}
		if (is_old(s, t, &item, h)) {
			a->stats.state_refused++;
			continue;
		}
		if (!may_say(t, &item)) { /* or not yet: what it is about may be on its way from the DB */
			a->stats.state_refused++;
			all = all && item.what == PEERS_END;
			continue;
		}
		if (item.what == PEERS_END)
			conns_remote_end(t, item.conn.port, &item.conn.tuple);
		else if (!conns_remote_put(t, &item.conn, clock_mono_ns())) {
			all = false;
			continue;
		}
		note(s, t, &item.conn, h->epoch, h->seq, item.what == PEERS_END);
	}
	return all;
}

static void acknowledge(struct agent *a, const struct peers_head *h)
{
	struct peers_head ack = { .kind = PEERS_ACK, .epoch = h->epoch, .seq = h->seq };
	uint8_t bytes[128];
	struct peers_buf b = { .p = bytes, .max = sizeof(bytes) };

	snprintf(ack.sender, sizeof(ack.sender), "%s", a->config->host);
	if (peers_put_head(&b, &ack))
		(void)send_bytes(a, h->sender, bytes, b.n);
}

static void take_ack(struct state *s, const struct peers_head *h)
{
	struct hmap_node *n = hmap_first_with_hash(&s->pending, hash_u64(h->seq));
	struct pending *p = n ? container_of(n, struct pending, node) : NULL;
	uint32_t hold;

	if (!p || h->epoch != s->epoch || strcmp(p->host, h->sender))
		return;
	s->a->stats.state_acked++;
	heard(s->a, h->sender, true);
	hold = p->hold;
	free_pending(s, p);
	if (hold)
		hold_answered(s->a, hold, h->sender, true);
}

void state_received(struct agent *a, const uint8_t *data, uint32_t len)
{
	struct peers_buf b = { .p = (uint8_t *)data, .max = len };
	struct peers_head h;
	struct tenant *t;

	if (!peers_get_head(&b, &h) || !hosts_peer(a, h.sender)) {
		a->stats.state_refused++;
		return;
	}
	if (h.kind == PEERS_ACK) {
		take_ack(a->state, &h);
		return;
	}
	t = tenant_find(a, h.tenant);
	if (!t || !t->snap)
		return; /* not yet: it will be said again */
	a->stats.state_received++;
	if (take_items(a, t, &h, &b))
		acknowledge(a, &h);
	upcall_drain(a);
}
