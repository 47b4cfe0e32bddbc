// SPDX-License-Identifier: Apache-2.0
/* Treap (Seidel, Aragon 1996) by split and merge.  Depth is logarithmic as long as priorities are
 * unpredictable. */
#include "loader/dst_tree.h"

#include <string.h>

#include "util/addr.h"

static int order(const struct skep_ip *a, const struct skep_ip *b)
{
	return memcmp(a, b, sizeof(*a));
}

/* All below 'ip' into *low, the others into *high. */
static void split(struct dst_node *t, const struct skep_ip *ip, struct dst_node **low,
		  struct dst_node **high)
{
	while (t) {
		if (order(&t->ip, ip) < 0) {
			*low = t;
			low = &t->right;
			t = t->right;
		} else {
			*high = t;
			high = &t->left;
			t = t->left;
		}
	}
	*low = *high = NULL;
}

static struct dst_node *merge(struct dst_node *low, struct dst_node *high)
{
	struct dst_node *root = NULL, **at = &root;

	while (low && high) {
		if (low->priority > high->priority) {
			*at = low;
			at = &low->right;
			low = low->right;
		} else {
			*at = high;
			at = &high->left;
			high = high->left;
		}
	}
	*at = low ? low : high;
	return root;
}

void dst_insert(struct dst_node **root, struct dst_node *node, const struct skep_ip *ip,
		uint64_t priority)
{
	*node = (struct dst_node){ .priority = priority, .ip = *ip };
	while (*root && (*root)->priority > priority)
		root = order(&(*root)->ip, ip) < 0 ? &(*root)->right : &(*root)->left;
	split(*root, ip, &node->left, &node->right);
	*root = node;
}

void dst_remove(struct dst_node **root, struct dst_node *node)
{
	while (*root != node)
		root = order(&(*root)->ip, &node->ip) < 0 ? &(*root)->right : &(*root)->left;
	*root = merge(node->left, node->right);
}

struct dst_node *dst_find(struct dst_node *root, const struct skep_ip *net, unsigned int len)
{
	struct skep_ip first = ip_mask(net, len);

	while (root && !ip_in_prefix(&root->ip, net, len))
		root = order(&root->ip, &first) < 0 ? root->right : root->left;
	return root;
}

void dst_walk(struct dst_node *t, const struct skep_ip *net, unsigned int len,
	      void (*cb)(void *arg, struct dst_node *node), void *arg)
{
	struct skep_ip first = ip_mask(net, len);

	while (t && !ip_in_prefix(&t->ip, net, len))
		t = order(&t->ip, &first) < 0 ? t->right : t->left;
	if (!t)
		return;
	/* those in the prefix are neighbours in the order, so each side has its own top one */
	dst_walk(t->left, net, len, cb, arg);
	cb(arg, t);
	dst_walk(t->right, net, len, cb, arg);
}
