// SPDX-License-Identifier: Apache-2.0
/*
 * Who is next: when more frames wait than a few, they are read into a lane for each port, and one of each is shown in turn.  So a packet of
 * a port that has sent little waits for one packet of each other port, not for all that a flood has put in front of it.  The bounds are
 * BPF's (bpf/upcall.h): a frame counts as queued until it is shown.
 */
#include "loader/dp_private.h"

#include <stdlib.h>

#include "util/hash.h"

#define BYTES_MAX (16u << 20) /* the rest stays in the tap */

struct waiting {
	struct waiting *next;
	enum skep_upcall_why why;
	struct dp_frame frame;
	uint8_t buf[];
};

struct lane {
	struct hmap_node node; /* dp_lanes.by_key */
	struct lane *next;     /* in turn */
	uint32_t key;
	struct waiting *head, **tail;
};

static struct lane *find(struct dp_lanes *q, uint32_t key)
{
	struct hmap_node *n = hmap_first_with_hash(&q->by_key, hash_u64(key)); /* a bijection */

	return n ? container_of(n, struct lane, node) : NULL;
}

static void append(struct dp_lanes *q, struct lane *l)
{
	l->next = NULL;
	if (q->last)
		q->last->next = l;
	else
		q->first = l;
	q->last = l;
}

static struct lane *get(struct dp_lanes *q, uint32_t key)
{
	struct lane *l = find(q, key);

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->key = key;
	l->tail = &l->head;
	if (hmap_insert(&q->by_key, &l->node, hash_u64(key))) {
		free(l);
		return NULL;
	}
	append(q, l);
	return l;
}

bool dp_lanes_room(const struct dp_lanes *q)
{
	return q->bytes < BYTES_MAX;
}

bool dp_lanes_put(struct dp_lanes *q, uint32_t key, enum skep_upcall_why why, const struct dp_frame *frame)
{
	struct waiting *w = malloc(sizeof(*w) + DP_HEADROOM + frame->len);
	struct lane *l = w ? get(q, key) : NULL;

	if (!l) {
		free(w);
		return false;
	}
	*w = (struct waiting){ .why = why, .frame = *frame };
	w->frame.data = w->buf + DP_HEADROOM;
	memcpy(w->frame.data, frame->data, frame->len);
	*l->tail = w;
	l->tail = &w->next;
	q->n++;
	q->bytes += frame->len;
	return true;
}

/* The first frame of the port whose turn it is, which then comes last. */
static struct waiting *take(struct dp_lanes *q, uint32_t *key)
{
	struct lane *l = q->first;
	struct waiting *w;

	if (!l)
		return NULL;
	*key = l->key;
	w = l->head;
	q->first = l->next;
	if (!q->first)
		q->last = NULL;
	l->head = w->next;
	if (l->head) {
		append(q, l);
	} else {
		hmap_remove(&q->by_key, &l->node);
		free(l);
	}
	q->n--;
	q->bytes -= w->frame.len;
	return w;
}

bool dp_lanes_show(struct dp_lanes *q, void (*show)(void *arg, uint32_t key, enum skep_upcall_why why, struct dp_frame *frame), void *arg)
{
	uint32_t key;
	struct waiting *w = take(q, &key);

	if (!w)
		return false;
	show(arg, key, w->why, &w->frame);
	free(w);
	return true;
}

void dp_lanes_free(struct dp_lanes *q)
{
	struct waiting *w;
	uint32_t key;

	while ((w = take(q, &key)))
		free(w);
	hmap_fini(&q->by_key);
}
