// SPDX-License-Identifier: Apache-2.0
/*
 * Wildcard flows: the masks of each port, their counters, and the tables themselves.  The kernel's maps are the truth at adoption; here is
 * who uses what, so that a mask that nobody uses any more costs no lookup.
 */
#include "loader/dp_private.h"

#include <bpf/bpf.h>
#include <errno.h>

#define PORT_SHARE 4 /* a quarter of the table may be one port's */

static size_t key_size(const struct dp_flow_key *key)
{
	return key->v6 ? sizeof(key->k6) : sizeof(key->k4);
}

static const void *key_bytes(const struct dp_flow_key *key)
{
	return key->v6 ? (const void *)&key->k6 : (const void *)&key->k4;
}

static int map_fd(const struct dp *dp, const struct dp_flow_key *key)
{
	return dp->map_fd[key->v6 ? DP_MAP_WILDS6 : DP_MAP_WILDS4];
}

static uint32_t in_key(const struct dp_flow_key *key)
{
	return key->v6 ? key->k6.in_key : key->k4.in_key;
}

/* --- local ports --- */

static void renew(struct skep_lport *lp)
{
	if (!__atomic_add_fetch(&lp->gen, 1, __ATOMIC_RELEASE))
		__atomic_store_n(&lp->gen, 1, __ATOMIC_RELEASE);
}

void dp_port_renew(struct dp *dp, uint32_t key)
{
	const struct dp_port_entry *port = dp_port_find(dp, key);

	if (port && port->lport)
		renew(&dp->lports[port->lport]);
}

void dp_lport_adopt(struct dp *dp, uint32_t index, uint32_t key)
{
	struct skep_lport *lp = &dp->lports[index];

	if (!lp->gen)
		lp->gen = 1;
	if (!lp->conns_max) { /* until it is told: as many as there is room for */
		lp->conns_max = dp->map_max[DP_MAP_CONNS];
		lp->replies_max = dp->map_max[DP_MAP_CONNS];
	}
	__atomic_store_n(&lp->key, key, __ATOMIC_RELEASE);
}

uint32_t dp_lport_get(struct dp *dp, uint32_t key)
{
	for (uint32_t i = 1; i < dp->map_max[DP_MAP_LPORTS]; i++)
		if (!dp->lports[i].key) {
			dp_lport_adopt(dp, i, key);
			return i;
		}
	return 0;
}

/* The generation stays: flows that were promoted for the last port do not hold for the next. */
void dp_lport_put(struct dp *dp, uint32_t index)
{
	struct skep_lport *lp = &dp->lports[index];
	uint32_t gen;

	if (!index)
		return;
	renew(lp);
	gen = lp->gen;
	*lp = (struct skep_lport){ .gen = gen };
	dp->lport_at[index] = (struct dp_lport){ 0 };
}

void dp_port_limits(struct dp *dp, uint32_t key, uint32_t conns_max, uint32_t replies_max)
{
	const struct dp_port_entry *port = dp_port_find(dp, key);

	if (!port || !port->lport)
		return;
	dp->lports[port->lport].conns_max = conns_max;
	dp->lports[port->lport].replies_max = replies_max;
}

void dp_port_refused(struct dp *dp, uint32_t key)
{
	const struct dp_port_entry *port = dp_port_find(dp, key);

	if (port && port->lport)
		__atomic_add_fetch(&dp->lports[port->lport].refused, 1, __ATOMIC_RELAXED);
}

bool dp_port_conns(const struct dp *dp, uint32_t key, uint32_t *conns, uint32_t *replies, uint64_t *refused)
{
	const struct dp_port_entry *port = dp_port_find(dp, key);
	const struct skep_lport *lp = port && port->lport ? &dp->lports[port->lport] : NULL;

	if (!lp)
		return false;
	if (conns)
		*conns = lp->conns;
	if (replies)
		*replies = lp->replies;
	if (refused)
		*refused = lp->refused;
	return true;
}

/* --- masks --- */

static uint8_t *masks_of(struct dp *dp, uint32_t lport, bool v6)
{
	return v6 ? dp->lports[lport].masks6 : dp->lports[lport].masks4;
}

/* Where the mask is in the port's list, else the place behind the last; SKEP_PORT_MASKS: there is none. */
static unsigned int find_place(struct dp *dp, uint32_t lport, bool v6, uint8_t id)
{
	const uint8_t *list = masks_of(dp, lport, v6);
	unsigned int i = 0;

	while (i < SKEP_PORT_MASKS && list[i] && list[i] != id)
		i++;
	return i;
}

/* The number of a mask: one that is in use, else a free one. */
static uint8_t find_mask(struct dp *dp, bool v6, const struct skep_mask *mask)
{
	uint32_t free_id = 0;

	for (uint32_t i = 1; i < SKEP_MASKS_MAX; i++) {
		if (!dp->mask_refs[i]) {
			free_id = free_id ?: i;
		} else if (dp->mask_v6[i] == v6 && !memcmp(&dp->masks[i], mask, sizeof(*mask))) {
			return (uint8_t)i;
		}
	}
	if (!free_id || bpf_map_update_elem(dp->map_fd[DP_MAP_MASKS], &free_id, mask, BPF_ANY))
		return 0;
	dp->masks[free_id] = *mask;
	dp->mask_v6[free_id] = v6;
	return (uint8_t)free_id;
}

bool dp_wild_mask(const struct dp *dp, uint8_t index, struct skep_mask *mask)
{
	*mask = dp->masks[index];
	return dp->mask_refs[index];
}

static void apply(struct dp_flow_key *key, const struct skep_mask *mask, uint8_t id)
{
	uint8_t *bytes = key->v6 ? (uint8_t *)&key->k6 : (uint8_t *)&key->k4;
	const uint8_t *bits = (const uint8_t *)mask;

	for (size_t i = 0; i < key_size(key); i++)
		bytes[i] &= bits[i];
	*(key->v6 ? &key->k6.mask : &key->k4.mask) = id;
}

bool dp_wild_match(struct dp *dp, const struct dp_flow_key *key, unsigned int nth, struct dp_flow_key *masked)
{
	const struct dp_port_entry *port = dp_port_find(dp, in_key(key));
	const uint8_t id = port && port->lport && nth < SKEP_PORT_MASKS ? masks_of(dp, port->lport, key->v6)[nth] : 0;

	if (!id)
		return false;
	*masked = *key;
	apply(masked, &dp->masks[id], id);
	return true;
}

int dp_wild_key(struct dp *dp, struct dp_flow_key *key, const struct skep_mask *mask)
{
	const struct dp_port_entry *port = dp_port_find(dp, in_key(key));
	uint8_t id;

	if (!port || !port->lport)
		return -ENOENT;
	if (dp->lport_at[port->lport].flows[key->v6] >= dp->map_max[DP_MAP_WILDS4] / PORT_SHARE ||
	    dp->n_wilds[key->v6] >= dp->map_max[DP_MAP_WILDS4])
		return -ENOSPC;
	id = find_mask(dp, key->v6, mask);
	if (!id || find_place(dp, port->lport, key->v6, id) == SKEP_PORT_MASKS)
		return -ENOSPC;
	apply(key, mask, id);
	return 0;
}

bool dp_wild_listed(struct dp *dp, const struct dp_flow_key *key)
{
	const struct dp_port_entry *port = dp_port_find(dp, in_key(key));
	const unsigned int i = port && port->lport ? find_place(dp, port->lport, key->v6, dp_flow_mask(key)) : SKEP_PORT_MASKS;

	return i < SKEP_PORT_MASKS && masks_of(dp, port->lport, key->v6)[i] == dp_flow_mask(key);
}

static void set_ct(struct dp *dp, const struct dp_flow_key *key, uint32_t lport)
{
	const struct skep_mask *m = &dp->masks[dp_flow_mask(key)];

	if (key->v6 ? m->k6.ct : m->k4.ct)
		dp->lports[lport].flags |= SKEP_LPORT_CT;
}

static void hold_mask(struct dp *dp, const struct dp_flow_key *key, uint32_t lport)
{
	const uint8_t id = dp_flow_mask(key);
	const unsigned int i = find_place(dp, lport, key->v6, id);

	dp->mask_refs[id]++;
	dp->n_wilds[key->v6]++;
	if (i == SKEP_PORT_MASKS)
		return;
	set_ct(dp, key, lport);
	dp->lport_at[lport].refs[key->v6][i]++;
	dp->lport_at[lport].flows[key->v6]++;
	__atomic_store_n(&masks_of(dp, lport, key->v6)[i], id, __ATOMIC_RELEASE);
}

/* The last one of the list takes the place of one that goes. */
static void drop_mask(struct dp *dp, const struct dp_flow_key *key)
{
	const struct dp_port_entry *port = dp_port_find(dp, in_key(key));
	const uint8_t id = dp_flow_mask(key);
	uint32_t *refs;
	unsigned int i, last;
	uint8_t *list;

	if (dp->mask_refs[id])
		dp->mask_refs[id]--;
	if (dp->n_wilds[key->v6])
		dp->n_wilds[key->v6]--;
	if (!port || !port->lport)
		return;
	i = find_place(dp, port->lport, key->v6, id);
	list = masks_of(dp, port->lport, key->v6);
	if (i == SKEP_PORT_MASKS || list[i] != id)
		return;
	if (dp->lport_at[port->lport].flows[key->v6])
		dp->lport_at[port->lport].flows[key->v6]--;
	refs = dp->lport_at[port->lport].refs[key->v6];
	if (refs[i] && --refs[i])
		return;
	for (last = i; last + 1 < SKEP_PORT_MASKS && list[last + 1];)
		last++;
	refs[i] = refs[last];
	__atomic_store_n(&list[i], list[last], __ATOMIC_RELEASE);
	refs[last] = 0;
	__atomic_store_n(&list[last], 0, __ATOMIC_RELEASE);
}

/* --- counters --- */

static struct skep_stat read_stat(struct dp *dp, uint32_t index)
{
	struct skep_stat sum = { 0 };
	int n = libbpf_num_possible_cpus();

	if (bpf_map_lookup_elem(dp->map_fd[DP_MAP_STATS], &index, dp->cpu_stats))
		return sum;
	for (int i = 0; i < n; i++) {
		sum.packets += dp->cpu_stats[i].packets;
		sum.bytes += dp->cpu_stats[i].bytes;
	}
	return sum;
}

static void take_stat(struct dp *dp, uint32_t index)
{
	dp->stat_at[index] = (struct dp_stat){ .used = true,
					       .base = read_stat(dp, index),
					       .jiffies = dp_jiffies(dp) };
}

/* 0 = all are in use: not counted then. */
static uint16_t new_stat(struct dp *dp)
{
	const uint32_t max = dp->map_max[DP_MAP_STATS];

	for (uint32_t i = 1; i < max; i++) {
		uint32_t index = 1 + (dp->stat_next + i - 1) % (max - 1);

		if (dp->stat_at[index].used)
			continue;
		dp->stat_next = index;
		take_stat(dp, index);
		return (uint16_t)index;
	}
	return 0;
}

static void count_in(struct dp *dp, struct skep_flow *flow)
{
	struct dp_stat *s = &dp->stat_at[flow->stat];
	struct skep_stat now;

	if (!flow->stat || !s->used)
		return;
	now = read_stat(dp, flow->stat);
	flow->packets = now.packets - s->base.packets;
	flow->bytes = now.bytes - s->base.bytes;
	if (flow->packets != s->packets) {
		s->packets = flow->packets;
		s->jiffies = dp_jiffies(dp);
	}
	flow->last_seen = (uint32_t)s->jiffies;
}

/* --- the flows --- */

void dp_wilds_flush(struct dp *dp)
{
	struct dp_wild_queue *q = &dp->wq;

	for (uint32_t i = 0; i < q->n; i++) {
		if (!bpf_map_update_elem(map_fd(dp, &q->keys[i]), key_bytes(&q->keys[i]), &q->wilds[i], BPF_ANY))
			continue;
		/* it does not fit, and is asked for again by its next packet */
		drop_mask(dp, &q->keys[i]);
		dp->stat_at[q->wilds[i].flow.stat].used = false;
	}
	q->n = 0;
}

static int find_queued(const struct dp *dp, const struct dp_flow_key *key)
{
	const struct dp_wild_queue *q = &dp->wq;

	for (int i = (int)q->n - 1; i >= 0; i--)
		if (q->keys[i].v6 == key->v6 && !memcmp(key_bytes(&q->keys[i]), key_bytes(key), key_size(key)))
			return i;
	return -1;
}

int dp_wild_put(struct dp *dp, const struct dp_flow_key *key, const struct skep_wild *wild)
{
	const struct dp_port_entry *port = dp_port_find(dp, in_key(key));
	struct dp_wild_queue *q = &dp->wq;

	if (!port || !port->lport)
		return -ENOENT;
	if (q->n == DP_BATCH)
		dp_wilds_flush(dp);
	hold_mask(dp, key, port->lport);
	q->keys[q->n] = *key;
	q->wilds[q->n] = *wild;
	q->wilds[q->n++].flow.stat = new_stat(dp);
	return 0;
}

static bool look_up(struct dp *dp, const struct dp_flow_key *key, struct skep_wild *wild)
{
	int i = find_queued(dp, key);

	if (i < 0)
		return !bpf_map_lookup_elem(map_fd(dp, key), key_bytes(key), wild);
	*wild = dp->wq.wilds[i];
	return true;
}

bool dp_flow_promoted(struct dp *dp, const struct dp_flow_key *key, struct skep_flow *flow)
{
	const struct dp_port_entry *port = dp_port_find(dp, in_key(key));
	const int fd = dp->map_fd[key->v6 ? DP_MAP_FLOWS6 : DP_MAP_FLOWS4];

	return port && port->lport && !bpf_map_lookup_elem(fd, key_bytes(key), flow) && flow->gen &&
	       flow->gen == dp->lports[port->lport].gen;
}

bool dp_wild_read(struct dp *dp, const struct dp_flow_key *key, struct skep_wild *wild)
{
	return look_up(dp, key, wild);
}

bool dp_wild_get(struct dp *dp, const struct dp_flow_key *key, struct skep_flow *flow)
{
	struct skep_wild wild;

	if (!look_up(dp, key, &wild))
		return false;
	*flow = wild.flow;
	count_in(dp, flow);
	return true;
}

bool dp_wild_take(struct dp *dp, const struct dp_flow_key *key, struct skep_flow *flow)
{
	struct dp_wild_queue *q = &dp->wq;
	struct skep_wild wild;
	int i;

	if (!look_up(dp, key, &wild))
		return false;
	while ((i = find_queued(dp, key)) >= 0) {
		q->n--;
		q->keys[i] = q->keys[q->n];
		q->wilds[i] = q->wilds[q->n];
	}
	(void)bpf_map_delete_elem(map_fd(dp, key), key_bytes(key));
	dp_port_renew(dp, in_key(key)); /* behind the deletion: nobody promotes it any more */
	drop_mask(dp, key);
	*flow = wild.flow;
	count_in(dp, flow); /* last: packets of which it was the flow until now */
	dp->stat_at[wild.flow.stat].used = false;
	return true;
}

static int walk(struct dp *dp, bool v6, dp_wild_fn *cb, void *arg)
{
	struct dp_cursor c = { 0 };
	int rc;

	while (!(rc = dp_wild_table_step(dp, v6, &c, cb, arg)))
		;
	return rc < 0 ? rc : 0;
}

struct shown {
	struct dp *dp;
	void (*cb)(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow);
	void *arg;
};

static void show(void *arg, const struct dp_flow_key *key, const struct skep_wild *wild)
{
	const struct shown *s = arg;
	struct skep_flow flow = wild->flow;

	count_in(s->dp, &flow);
	s->cb(s->arg, key, &flow);
}

int dp_wilds_step(struct dp *dp, bool v6, struct dp_cursor *c,
		  void (*cb)(void *arg, const struct dp_flow_key *key, const struct skep_flow *flow), void *arg)
{
	struct shown s = { dp, cb, arg };

	dp_wilds_flush(dp);
	return dp_wild_table_step(dp, v6, c, show, &s);
}

/* --- open, adoption --- */

int dp_wilds_open(struct dp *dp, struct err *err)
{
	int cpus = libbpf_num_possible_cpus();

	dp->lport_at = calloc(dp->map_max[DP_MAP_LPORTS], sizeof(*dp->lport_at));
	dp->stat_at = calloc(dp->map_max[DP_MAP_STATS], sizeof(*dp->stat_at));
	dp->cpu_stats = cpus > 0 ? calloc((size_t)cpus, sizeof(*dp->cpu_stats)) : NULL;
	return dp->lport_at && dp->stat_at && dp->cpu_stats ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* Those of a port that is gone, or with a mask that nobody knows, cannot be met any more. */
static void adopt(void *arg, const struct dp_flow_key *key, const struct skep_wild *wild)
{
	struct dp *dp = arg;
	const struct dp_port_entry *port = dp_port_find(dp, in_key(key));
	const uint8_t id = dp_flow_mask(key);
	uint32_t index = id;
	unsigned int i;

	i = port && port->lport ? find_place(dp, port->lport, key->v6, id) : SKEP_PORT_MASKS;
	if (i == SKEP_PORT_MASKS || !id || masks_of(dp, port->lport, key->v6)[i] != id ||
	    bpf_map_lookup_elem(dp->map_fd[DP_MAP_MASKS], &index, &dp->masks[id])) {
		(void)bpf_map_delete_elem(map_fd(dp, key), key_bytes(key));
		return;
	}
	dp->mask_v6[id] = key->v6;
	hold_mask(dp, key, port->lport);
	if (wild->flow.stat < dp->map_max[DP_MAP_STATS])
		take_stat(dp, wild->flow.stat);
}

int dp_wilds_adopt(struct dp *dp, struct err *err)
{
	for (uint32_t i = 1; i < dp->map_max[DP_MAP_LPORTS]; i++) {
		const struct dp_port_entry *port = dp->lports[i].key ? dp_port_find(dp, dp->lports[i].key) : NULL;

		if (dp->lports[i].key && (!port || port->lport != i))
			dp_lport_put(dp, i);
	}
	if (walk(dp, false, adopt, dp) || walk(dp, true, adopt, dp))
		return err_set(err, -ENOMEM, "out of memory");
	/* masks in a list of which no flow was found */
	for (uint32_t i = 1; i < dp->map_max[DP_MAP_LPORTS]; i++)
		for (int v6 = 0; v6 < DP_FAMILIES; v6++) {
			uint8_t *list = masks_of(dp, i, v6);
			unsigned int n = 0;

			for (unsigned int k = 0; k < SKEP_PORT_MASKS && list[k]; k++)
				if (dp->lport_at[i].refs[v6][k]) {
					dp->lport_at[i].refs[v6][n] = dp->lport_at[i].refs[v6][k];
					list[n++] = list[k];
				}
			for (; n < SKEP_PORT_MASKS; n++) {
				list[n] = 0;
				dp->lport_at[i].refs[v6][n] = 0;
			}
		}
	return 0;
}

void dp_wilds_close(struct dp *dp)
{
	free(dp->lport_at);
	free(dp->stat_at);
	free(dp->cpu_stats);
}

/* --- order --- */

struct hits {
	struct dp *dp;
	uint64_t (*of)[DP_FAMILIES][SKEP_PORT_MASKS]; /* by lport */
};

static void add_hits(void *arg, const struct dp_flow_key *key, const struct skep_wild *wild)
{
	const struct hits *h = arg;
	struct dp *dp = h->dp;
	const struct dp_port_entry *port = dp_port_find(dp, in_key(key));
	const unsigned int i = port ? find_place(dp, port->lport, key->v6, dp_flow_mask(key)) : SKEP_PORT_MASKS;

	if (i < SKEP_PORT_MASKS)
		h->of[port->lport][key->v6][i] += dp->stat_at[wild->flow.stat].packets;
}

static void sort_list(uint8_t *list, uint32_t *refs, uint64_t *hits)
{
	for (unsigned int i = 1; i < SKEP_PORT_MASKS && list[i]; i++)
		for (unsigned int k = i; k && hits[k] > hits[k - 1]; k--) {
			uint64_t h = hits[k];
			uint32_t r = refs[k];
			uint8_t m = list[k];

			hits[k] = hits[k - 1];
			refs[k] = refs[k - 1];
			list[k] = list[k - 1];
			hits[k - 1] = h;
			refs[k - 1] = r;
			list[k - 1] = m;
		}
}

void dp_wilds_order(struct dp *dp)
{
	struct hits h = { .dp = dp, .of = calloc(dp->map_max[DP_MAP_LPORTS], sizeof(h.of[0])) };

	if (!h.of || walk(dp, false, add_hits, &h) || walk(dp, true, add_hits, &h))
		goto out;
	for (uint32_t i = 1; i < dp->map_max[DP_MAP_LPORTS]; i++)
		for (int v6 = 0; v6 < DP_FAMILIES; v6++) {
			uint8_t list[SKEP_PORT_MASKS], *kernel = masks_of(dp, i, v6);
			uint64_t half[2];

			if (!kernel[0] || !kernel[1])
				continue;
			memcpy(list, kernel, sizeof(list));
			sort_list(list, dp->lport_at[i].refs[v6], h.of[i][v6]);
			memcpy(half, list, sizeof(half)); /* a packet meets all masks of a half, or those of before */
			for (int k = 0; k < 2; k++)
				__atomic_store_n((uint64_t *)(void *)kernel + k, half[k], __ATOMIC_RELEASE);
		}
out:
	free(h.of);
}
