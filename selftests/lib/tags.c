// SPDX-License-Identifier: Apache-2.0
/* Tags that outlive their snapshot, and whether a change's tag touches a flow's. */
#include "selftests/lib/tags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool in_prefix(const struct topo_tag *flow, const struct topo_tag *change)
{
	unsigned int len = change->len + (ip_is_v4(&change->ip) ? 96 : 0);

	if (ip_is_v4(&flow->ip) != ip_is_v4(&change->ip))
		return false;
	for (unsigned int bit = 0; bit < len; bit++)
		if ((((const uint8_t *)&flow->ip)[bit / 8] ^ ((const uint8_t *)&change->ip)[bit / 8]) & (0x80 >> bit % 8))
			return false;
	return true;
}

bool tags_touch(const struct topo_tag *flow, const struct topo_tag *change)
{
	if (flow->kind != change->kind || strcmp(flow->name, change->name))
		return false;
	switch (flow->kind) {
	case TOPO_TAG_MAC:
		return mac_eq(&flow->mac, &change->mac) && flow->vlan == change->vlan;
	case TOPO_TAG_DST:
	case TOPO_TAG_GROUP:
	case TOPO_TAG_MEMBER:
		return in_prefix(flow, change);
	case TOPO_TAG_NEIGH:
	case TOPO_TAG_FIP:
	case TOPO_TAG_VIP:
		return ip_eq(&flow->ip, &change->ip);
	case TOPO_TAG_CONN:
		return flow->hash == change->hash;
	default:
		return true;
	}
}

void tags_forget(struct tags_kept *k)
{
	for (uint32_t i = 0; i < k->n; i++)
		free((char *)k->tags[i].name);
	free(k->tags);
	*k = (struct tags_kept){ 0 };
}

void tags_add(struct tags_kept *k, const struct topo_tag *tag)
{
	struct topo_tag *more = realloc(k->tags, (k->n + 1) * sizeof(*more));
	char *name = strdup(tag->name ? tag->name : "");

	if (!more || !name)
		abort();
	k->tags = more;
	more[k->n] = *tag;
	more[k->n++].name = name;
}

void tags_keep(struct tags_kept *k, const struct topo_tag *tags, uint32_t n)
{
	tags_forget(k);
	for (uint32_t i = 0; i < n; i++)
		tags_add(k, &tags[i]);
}
