// SPDX-License-Identifier: Apache-2.0
/* A bounded heap (pick.h). */
#include "loader/pick.h"

#include <errno.h>
#include <stdlib.h>

int pick_init(struct pick *p, size_t max)
{
	*p = (struct pick){ .items = calloc(max ? max : 1, sizeof(*p->items)), .max = max };
	return p->items ? 0 : -ENOMEM;
}

void pick_fini(struct pick *p)
{
	free(p->items);
	*p = (struct pick){ 0 };
}

static void swap(struct pick_item *a, struct pick_item *b)
{
	struct pick_item t = *a;

	*a = *b;
	*b = t;
}

static void sink(struct pick_item *items, size_t n, size_t i)
{
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
			if (items[child].score < items[least].score)
				least = child;
		if (least == i)
			return;
		swap(&items[i], &items[least]);
		i = least;
	}
}

void pick_offer(struct pick *p, uint64_t score, void *item)
{
	size_t i = p->n;

	p->offered++;
	if (p->n < p->max) {
		p->items[p->n++] = (struct pick_item){ score, item };
		for (; i && p->items[i].score < p->items[(i - 1) / 2].score; i = (i - 1) / 2)
			swap(&p->items[i], &p->items[(i - 1) / 2]);
	} else if (p->max && score > p->items[0].score) {
		p->items[0] = (struct pick_item){ score, item };
		sink(p->items, p->n, 0);
	}
}

void pick_sort(struct pick *p)
{
	for (size_t n = p->n; n > 1; n--) {
		swap(&p->items[0], &p->items[n - 1]);
		sink(p->items, n - 1, 0);
	}
}
