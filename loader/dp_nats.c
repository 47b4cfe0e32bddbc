// SPDX-License-Identifier: Apache-2.0
/*
 * Load balancers in the kernel (maps/nat.h): numbers of translations, tables of members, VIPs of local ports.  A number is counted by who
 * holds it; records of connections, which BPF makes, do not count: one without holders is given anew only after a whole walk over the records
 * has not met it.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "util/hash.h"

#define IDLE_ROUNDS 2 /* walks over all records that have not met a number: of the first it may have seen a part only */
#define SLOTS_MAX   (SKEP_MAGLEV_ROWS * SKEP_MAGLEV_ROW)

struct dp_nat {
	struct hmap_node node; /* by content, while 'known' */
	struct skep_nat nat;
	uint32_t refs;
	uint8_t idle; /* rounds */
	bool known;
	bool used; /* once: a record that was made as it went may still have the number */
};

struct range { /* of skep_maglev, in rows */
	uint32_t first, n;
	uint32_t refs; /* adopted: VIPs of ports that have it */
};

struct dp_vip {
	struct hmap_node node; /* by key */
	struct skep_vip_key key;
	struct skep_vip vip;
	bool adopted; /* and not asked for again */
};

struct dp_nats {
	struct dp_nat *at; /* by number */
	struct hmap by_content, vips;
	uint32_t hint;
	struct range *ranges; /* in use, in order */
	uint32_t n_ranges, max_ranges;
};

static uint64_t hash_nat(const struct skep_nat *nat)
{
	return hash_bytes(nat, sizeof(*nat), 0);
}

/* --- numbers --- */

uint16_t dp_nat_find(const struct dp *dp, const struct skep_nat *nat)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &dp->nats->by_content, hash_nat(nat)) {
		const struct dp_nat *e = container_of(n, struct dp_nat, node);

		if (!memcmp(&e->nat, nat, sizeof(*nat)))
			return (uint16_t)(e - dp->nats->at);
	}
	return 0;
}

static uint32_t find_free(struct dp_nats *x)
{
	for (uint32_t i = 0; i < SKEP_NATS_MAX; i++) {
		const uint32_t index = (x->hint + i) % SKEP_NATS_MAX;

		if (index && !x->at[index].known && !x->at[index].used) {
			x->hint = index + 1;
			return index;
		}
	}
	return 0;
}

uint16_t dp_nat_number(struct dp *dp, const struct skep_nat *nat)
{
	struct dp_nats *x = dp->nats;
	uint32_t id = dp_nat_find(dp, nat);

	if (id) {
		x->at[id].idle = 0;
		return (uint16_t)id;
	}
	id = find_free(x);
	if (!id || bpf_map_update_elem(dp->map_fd[DP_MAP_NATS], &id, nat, BPF_ANY) ||
	    bpf_map_update_elem(dp->map_fd[DP_MAP_NAT_IDS], nat, &id, BPF_ANY))
		return 0;
	x->at[id] = (struct dp_nat){ .nat = *nat, .used = true };
	if (hmap_insert(&x->by_content, &x->at[id].node, hash_nat(nat))) {
		(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_NAT_IDS], nat);
		return 0;
	}
	x->at[id].known = true;
	return (uint16_t)id;
}

uint16_t dp_nat_get(struct dp *dp, const struct skep_nat *nat)
{
	const uint16_t id = dp_nat_number(dp, nat);

	if (id)
		dp->nats->at[id].refs++;
	return id;
}

void dp_nat_put(struct dp *dp, uint16_t id)
{
	if (id && id < SKEP_NATS_MAX && dp->nats->at[id].refs)
		dp->nats->at[id].refs--;
}

bool dp_nat_read(const struct dp *dp, uint16_t id, struct skep_nat *nat)
{
	if (!id || id >= SKEP_NATS_MAX || !dp->nats->at[id].known)
		return false;
	*nat = dp->nats->at[id].nat;
	return true;
}

void dp_nat_met(struct dp *dp, uint16_t id)
{
	if (id < SKEP_NATS_MAX)
		dp->nats->at[id].idle = 0;
}

void dp_nats_round(struct dp *dp)
{
	struct dp_nats *x = dp->nats;

	for (uint32_t id = 1; id < SKEP_NATS_MAX; id++) {
		struct dp_nat *e = &x->at[id];

		if (!e->used || e->refs || e->idle++ < IDLE_ROUNDS)
			continue;
		e->idle = 0;
		e->used = e->known;
		if (!e->known)
			continue;
		(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_NAT_IDS], &e->nat);
		hmap_remove(&x->by_content, &e->node);
		e->known = false;
	}
}

/* --- tables of members --- */

static uint32_t rows_of(uint32_t size)
{
	return (size + SKEP_MAGLEV_ROW - 1) / SKEP_MAGLEV_ROW;
}

static int insert_range(struct dp_nats *x, uint32_t at, struct range r)
{
	if (x->n_ranges == x->max_ranges) {
		const uint32_t max = x->max_ranges ? 2 * x->max_ranges : 16;
		struct range *v = realloc(x->ranges, max * sizeof(*v));

		if (!v)
			return -ENOMEM;
		x->ranges = v;
		x->max_ranges = max;
	}
	memmove(&x->ranges[at + 1], &x->ranges[at], (x->n_ranges - at) * sizeof(r));
	x->ranges[at] = r;
	x->n_ranges++;
	return 0;
}

int dp_maglev_put(struct dp *dp, const uint16_t *nats, uint32_t size, uint32_t *first)
{
	struct dp_nats *x = dp->nats;
	struct range r = { 0, rows_of(size), 1 };
	uint32_t i = 0;

	while (i < x->n_ranges && x->ranges[i].first < r.first + r.n) {
		r.first = x->ranges[i].first + x->ranges[i].n;
		i++;
	}
	if (!size || r.first + r.n > SKEP_MAGLEV_ROWS)
		return -ENOSPC;
	if (insert_range(x, i, r))
		return -ENOMEM;
	for (uint32_t k = 0; k < size; k++)
		dp->maglev[r.first + k / SKEP_MAGLEV_ROW].nat[k % SKEP_MAGLEV_ROW] = nats[k];
	*first = r.first * SKEP_MAGLEV_ROW;
	return 0;
}

void dp_maglev_del(struct dp *dp, uint32_t first)
{
	struct dp_nats *x = dp->nats;

	for (uint32_t i = 0; i < x->n_ranges; i++) {
		if (x->ranges[i].first != first / SKEP_MAGLEV_ROW)
			continue;
		if (--x->ranges[i].refs)
			return;
		x->n_ranges--;
		memmove(&x->ranges[i], &x->ranges[i + 1], (x->n_ranges - i) * sizeof(*x->ranges));
		return;
	}
}

/* --- VIPs of ports --- */

static uint64_t hash_key(const struct skep_vip_key *key)
{
	return hash_bytes(key, sizeof(*key), 0);
}

static struct dp_vip *find_vip(const struct dp *dp, const struct skep_vip_key *key)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &dp->nats->vips, hash_key(key)) {
		struct dp_vip *v = container_of(n, struct dp_vip, node);

		if (!memcmp(&v->key, key, sizeof(*key)))
			return v;
	}
	return NULL;
}

static struct dp_vip *add_vip(struct dp *dp, const struct skep_vip_key *key)
{
	struct dp_vip *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->key = *key;
	if (hmap_insert(&dp->nats->vips, &v->node, hash_key(key))) {
		free(v);
		return NULL;
	}
	return v;
}

static void drop_vip(struct dp *dp, struct dp_vip *v)
{
	(void)bpf_map_delete_elem(dp->map_fd[DP_MAP_VIPS], &v->key);
	hmap_remove(&dp->nats->vips, &v->node);
	free(v);
}

int dp_vip_put(struct dp *dp, const struct skep_vip_key *key, const struct skep_vip *vip)
{
	const struct dp_port_entry *port = dp_port_find(dp, key->port);
	struct dp_vip *v = find_vip(dp, key);

	if (!port || !port->lport)
		return -ENOENT;
	v = v ?: add_vip(dp, key);
	if (!v)
		return -ENOMEM;
	if (bpf_map_update_elem(dp->map_fd[DP_MAP_VIPS], key, vip, BPF_ANY)) {
		const int rc = -errno;

		drop_vip(dp, v);
		return rc;
	}
	if (v->adopted)
		dp_maglev_del(dp, v->vip.first);
	v->adopted = false;
	v->vip = *vip;
	dp->lports[port->lport].flags |= SKEP_LPORT_VIP;
	return 0;
}

void dp_vip_del(struct dp *dp, const struct skep_vip_key *key)
{
	struct dp_vip *v = find_vip(dp, key);

	if (v)
		drop_vip(dp, v);
}

/* --- open, adoption --- */

int dp_nats_open(struct dp *dp, struct err *err)
{
	dp->nats = calloc(1, sizeof(*dp->nats));
	if (!dp->nats)
		return err_set(err, -ENOMEM, "out of memory");
	dp->nats->at = calloc(SKEP_NATS_MAX, sizeof(*dp->nats->at));
	return dp->nats->at ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int adopt_numbers(struct dp *dp)
{
	struct dp_nats *x = dp->nats;
	struct skep_nat key;
	uint32_t id;

	for (bool first = true; !bpf_map_get_next_key(dp->map_fd[DP_MAP_NAT_IDS], first ? NULL : &key, &key); first = false) {
		if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_NAT_IDS], &key, &id) || !id || id >= SKEP_NATS_MAX || x->at[id].known)
			continue;
		x->at[id] = (struct dp_nat){ .nat = key, .used = true };
		if (hmap_insert(&x->by_content, &x->at[id].node, hash_nat(&key)))
			return -ENOMEM;
		x->at[id].known = true;
	}
	return 0;
}

/* Their tables stay as they are until a VIP is asked for again, or the sweep. */
static int adopt_vip(struct dp *dp, const struct skep_vip_key *key, const struct skep_vip *vip)
{
	const struct range r = { vip->first / SKEP_MAGLEV_ROW, rows_of(vip->size), 1 };
	struct dp_nats *x = dp->nats;
	struct dp_vip *v = add_vip(dp, key);
	uint32_t i = 0;

	if (!v)
		return -ENOMEM;
	v->vip = *vip;
	v->adopted = true;
	while (i < x->n_ranges && x->ranges[i].first < r.first)
		i++;
	if (i < x->n_ranges && x->ranges[i].first == r.first) { /* another port's too */
		x->ranges[i].refs++;
		return 0;
	}
	return insert_range(x, i, r);
}

int dp_nats_adopt(struct dp *dp, struct err *err)
{
	struct skep_vip_key key;
	struct skep_vip vip;
	int rc = adopt_numbers(dp);

	for (bool first = true; !rc && !bpf_map_get_next_key(dp->map_fd[DP_MAP_VIPS], first ? NULL : &key, &key); first = false)
		if (!bpf_map_lookup_elem(dp->map_fd[DP_MAP_VIPS], &key, &vip))
			rc = adopt_vip(dp, &key, &vip);
	return rc ? err_set(err, rc, "out of memory") : 0;
}

void dp_nats_sweep(struct dp *dp)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &dp->nats->vips) {
		struct dp_vip *v = container_of(n, struct dp_vip, node);

		if (!v->adopted)
			continue;
		dp_maglev_del(dp, v->vip.first);
		drop_vip(dp, v);
	}
}

void dp_nats_close(struct dp *dp)
{
	struct dp_nats *x = TAKE_PTR(dp->nats);
	struct hmap_node *n, *tmp;

	if (!x)
		return;
	hmap_for_each (n, tmp, &x->vips) {
		hmap_remove(&x->vips, n);
		free(container_of(n, struct dp_vip, node));
	}
	hmap_fini(&x->vips);
	hmap_fini(&x->by_content);
	free(x->ranges);
	free(x->at);
	free(x);
}
