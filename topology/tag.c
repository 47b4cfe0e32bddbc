// SPDX-License-Identifier: Apache-2.0
/* Tags as values: equality, hash, text.  Only the members that a kind uses count. */
#include "topology/tag.h"

#include <stdio.h>
#include <string.h>

#include "util/hash.h"

static const char *const kind_names[] = {
#define X(id, name, help) name,
	TOPO_TAGS(X)
#undef X
};

static bool has_mac(enum topo_tag_kind kind)
{
	return kind == TOPO_TAG_MAC;
}

static bool has_ip(enum topo_tag_kind kind)
{
	switch (kind) {
	case TOPO_TAG_NEIGH:
	case TOPO_TAG_DST:
	case TOPO_TAG_GROUP:
	case TOPO_TAG_MEMBER:
	case TOPO_TAG_FIP:
	case TOPO_TAG_VIP:
		return true;
	default:
		return false;
	}
}

/* Flows and changes name a prefix each; who has one in common concern each other. */
static bool has_len(enum topo_tag_kind kind)
{
	return topo_tag_has_prefix(kind);
}

uint64_t topo_tag_hash(const struct topo_tag *tag)
{
	uint64_t h = hash_str(tag->name, (uint64_t)tag->kind + 1);

	if (has_mac(tag->kind))
		h = hash_bytes(&tag->mac, sizeof(tag->mac), h ^ tag->vlan);
	if (has_ip(tag->kind))
		h = hash_sip(&tag->ip, sizeof(tag->ip), h); /* guests choose it */
	if (has_len(tag->kind))
		h = hash_u64(h + tag->len);
	if (tag->kind == TOPO_TAG_CONN)
		h = hash_u64(h ^ tag->hash);
	return h;
}

bool topo_tag_eq(const struct topo_tag *a, const struct topo_tag *b)
{
	if (a->kind != b->kind || strcmp(a->name, b->name) != 0)
		return false;
	if (has_mac(a->kind) && (!mac_eq(&a->mac, &b->mac) || a->vlan != b->vlan))
		return false;
	if (a->kind == TOPO_TAG_CONN && a->hash != b->hash)
		return false;
	if (has_ip(a->kind) && !ip_eq(&a->ip, &b->ip))
		return false;
	return !has_len(a->kind) || a->len == b->len;
}

const char *topo_tag_format(const struct topo_tag *tag, char *buf, size_t size)
{
	const char *kind = (unsigned int)tag->kind < TOPO_TAG_MAX ? kind_names[tag->kind] : "?";
	char text[ADDR_TEXT];

	if (has_mac(tag->kind) && tag->vlan)
		snprintf(buf, size, "%s:%s/%s@%u", kind, tag->name, mac_format(&tag->mac, text),
			 tag->vlan);
	else if (has_mac(tag->kind))
		snprintf(buf, size, "%s:%s/%s", kind, tag->name, mac_format(&tag->mac, text));
	else if (tag->kind == TOPO_TAG_CONN)
		snprintf(buf, size, "%s:%s/%016llx", kind, tag->name, (unsigned long long)tag->hash);
	else if (has_len(tag->kind) && tag->len != ip_bits(&tag->ip))
		snprintf(buf, size, "%s:%s/%s", kind, tag->name,
			 prefix_format(&tag->ip, tag->len, text));
	else if (has_ip(tag->kind))
		snprintf(buf, size, "%s:%s/%s", kind, tag->name, ip_format(&tag->ip, text));
	else
		snprintf(buf, size, "%s:%s", kind, tag->name);
	return buf;
}
