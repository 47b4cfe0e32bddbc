/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Wildcard flows: tuple space search over the masks of the packet's ingress port, and the promotion of what was found into the exact
 * cache.  Runs for packets without an exact flow only.
 */
#pragma once

#include "bpf/conn.h"

#define WORDS4 (sizeof(struct skep_flow_key4) / 8)
#define WORDS6 (sizeof(struct skep_flow_key6) / 8)

/* 'p' has the fields behind 'frag' filled in. */
static __noinline struct skep_wild *wild_find4(struct skep_lport *lp, const struct parsed *p)
{
	union {
		struct skep_flow_key4 k;
		__u64 words[WORDS4];
	} key;
	struct skep_wild *w;
	const __u64 *m;
	__u32 id;

	for (int i = 0; i < SKEP_PORT_MASKS; i++) {
		id = lp->masks4[i];
		if (!id)
			return NULL;
		m = bpf_map_lookup_elem(&skep_masks, &id);
		if (!m)
			return NULL;
		for (unsigned int n = 0; n < WORDS4; n++)
			key.words[n] = p->words[n] & m[n];
		key.k.mask = id;
		w = bpf_map_lookup_elem(&skep_wilds4, &key.k);
		if (w)
			return w;
	}
	return NULL;
}

static __noinline struct skep_wild *wild_find6(struct skep_lport *lp, const struct parsed *p)
{
	union {
		struct skep_flow_key6 k;
		__u64 words[WORDS6];
	} key;
	struct skep_wild *w;
	const __u64 *m;
	__u32 id;

	for (int i = 0; i < SKEP_PORT_MASKS; i++) {
		id = lp->masks6[i];
		if (!id)
			return NULL;
		m = bpf_map_lookup_elem(&skep_masks, &id);
		if (!m)
			return NULL;
		for (unsigned int n = 0; n < WORDS6; n++)
			key.words[n] = p->words[n] & m[n];
		key.k.mask = id;
		w = bpf_map_lookup_elem(&skep_wilds6, &key.k);
		if (w)
			return w;
	}
	return NULL;
}

/* Counts for a promoted or wildcard flow. */
static __always_inline void count_stat(__u32 index, __u32 bytes)
{
	struct skep_stat *s = bpf_map_lookup_elem(&skep_stats, &index);

	if (!s)
		return;
	s->packets++; /* per CPU */
	s->bytes += bytes;
}

/* Into the exact cache, where the next packet finds it; the cache full of others' flows: the oldest goes. */
static __noinline void promote(struct skep_lport *lp, const struct parsed *p, const struct skep_flow *flow)
{
	union {
		struct skep_flow_key4 k4;
		struct skep_flow_key6 k6;
	} key;

	if (!rate_ok(&lp->promote_tat_ns, bpf_ktime_get_ns(), 1000000000 / SKEP_PROMOTE_RATE,
		     (__u64)SKEP_PROMOTE_BURST * (1000000000 / SKEP_PROMOTE_RATE)))
		return;
	if (p->is_v6) {
		key.k6 = p->k6;
		key.k6.ct = key.k6.tcp_flags = key.k6.tos = 0;
		key.k6.nat = 0;
		bpf_map_update_elem(&skep_flows6, &key.k6, flow, BPF_ANY);
	} else {
		key.k4 = p->k4;
		key.k4.ct = key.k4.tcp_flags = key.k4.tos = 0;
		key.k4.nat = 0;
		bpf_map_update_elem(&skep_flows4, &key.k4, flow, BPF_ANY);
	}
}
