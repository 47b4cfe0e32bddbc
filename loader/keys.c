// SPDX-License-Identifier: Apache-2.0
/*
 * Tunnel keys of this host: one per port and per flood group, unique here, not used again soon.  A
 * port keeps its key as long as it is bound here: when its interface comes back, and over a restart
 * of skepd (from what the kernel still has, else from its own live record).
 */
#include "loader/agent.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "util/hash.h"
#include "util/log.h"

/* Attached by an earlier process. */
struct adopted {
	struct hmap_node node;
	uint32_t key, ifindex;
};

static void on_adopted(void *arg, uint32_t key, uint32_t ifindex)
{
	struct agent *a = arg;
	struct adopted *ad = calloc(1, sizeof(*ad));

	if (!ad || hmap_insert(&a->adopted, &ad->node, hash_u64(key))) {
		free(ad);
		return;
	}
	ad->key = key;
	ad->ifindex = ifindex;
}

void keys_adopt(struct agent *a)
{
	dp_ports(a->dp, on_adopted, a);
	a->adoption_done = false;
}

static struct adopted *adopted_key(const struct agent *a, uint32_t key)
{
	struct hmap_node *n = hmap_first_with_hash(&a->adopted, hash_u64(key));

	return n ? container_of(n, struct adopted, node) : NULL;
}

static void forget_adopted(struct agent *a, struct adopted *ad)
{
	hmap_remove(&a->adopted, &ad->node);
	free(ad);
}

static bool key_ok(uint32_t key)
{
	return key >= SKEP_KEY_FIRST && key <= SKEP_KEY_MAX;
}

static bool key_taken(const struct agent *a, uint32_t key)
{
	return ports_find(a, key) || hmap_first_with_hash(&a->floods, hash_u64(key));
}

/* A number that was not used for as long as can be: other hosts may still hold the last ones.  0 =
 * none left. */
static uint32_t new_key(struct agent *a)
{
	for (uint32_t i = 0; i <= SKEP_KEY_LAST; i++) {
		a->last_key = a->last_key >= SKEP_KEY_LAST ? SKEP_KEY_FIRST : a->last_key + 1;
		if (!key_taken(a, a->last_key) && !adopted_key(a, a->last_key))
			return a->last_key;
	}
	return 0;
}

const json_t *keys_own_live(const struct tenant *t, const char *port)
{
	char path[TOPO_NAME_MAX + 8];
	const json_t *r;
	const char *host;

	snprintf(path, sizeof(path), "live/%s", port);
	r = json_object_get(t->records, path);
	host = json_string_value(json_object_get(r, "host"));
	return host && !strcmp(host, t->agent->config->host) ? r : NULL;
}

static uint32_t recorded(const json_t *record, const char *field)
{
	json_int_t v = json_integer_value(json_object_get(record, field));

	return v > 0 && v <= SKEP_KEY_MAX && key_ok((uint32_t)v) ? (uint32_t)v : 0;
}

uint32_t keys_for_port(struct tenant *t, const char *name, const char *interface)
{
	struct agent *a = t->agent;
	uint32_t ifindex = if_nametoindex(interface), key = recorded(keys_own_live(t, name), "key");
	struct hmap_node *n, *tmp;
	struct adopted *ad;

	hmap_for_each (n, tmp, &a->adopted) {
		ad = container_of(n, struct adopted, node);
		if (ad->ifindex != ifindex || !ifindex || key_taken(a, ad->key))
			continue;
		if (ad->key == key) {
			forget_adopted(a, ad);
			return key;
		}
		/* another port's until now: who still sends to that key must not reach this one */
		dp_port_detach(a->dp, ad->key);
		forget_adopted(a, ad);
	}
	if (!key || key_taken(a, key))
		return new_key(a);
	ad = adopted_key(a, key); /* the kernel has it on another interface: not ours any more */
	if (ad) {
		dp_port_detach(a->dp, key);
		forget_adopted(a, ad);
	}
	return key;
}

/* The group keeps the key that our live records still quote. */
uint32_t keys_for_flood(struct tenant *t, const char *port)
{
	uint32_t key = recorded(keys_own_live(t, port), "flood");

	return !key || key_taken(t->agent, key) || adopted_key(t->agent, key) ? new_key(t->agent)
									      : key;
}

void keys_adoption_end(struct agent *a)
{
	struct hmap_node *n, *tmp;

	if (a->adoption_done)
		return;
	a->adoption_done = true;
	conns_adopt_end(a);
	hmap_for_each (n, tmp, &a->adopted) {
		struct adopted *ad = container_of(n, struct adopted, node);

		log_info("detaching interface %u (key 0x%06x): it belongs to no port any more",
			 ad->ifindex, ad->key);
		dp_port_detach(a->dp, ad->key);
		forget_adopted(a, ad);
	}
	expiry_walk_all(a); /* flows of ports that are gone */
	dp_sweep(a->dp);
}

void keys_fini(struct agent *a)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->adopted)
		forget_adopted(a, container_of(n, struct adopted, node));
	hmap_fini(&a->adopted);
}
