/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What skepd knows about the flows it put into the kernel: by key, by cookie, and by what each
 * depended on.  The kernel's tables are caches; this index is the authority on why a flow exists.
 * Called by upcall, expiry, tenant, hosts and the reports.  Does not touch the kernel itself:
 * 'removed' does.
 *
 * Tags mean something within a scope only (a tenant); INDEX_TAG_HOST is skepd's own kind, of the
 * scope NULL: "where the host is".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "loader/dp.h"
#include "loader/top.h"
#include "topology/tag.h"
#include "topology/topology.h"
#include "util/hmap.h"

#define INDEX_TAG_HOST	    ((enum topo_tag_kind)TOPO_TAG_MAX)
/* A flow's tag of a prefix has a length that is a multiple of these; changes may have any. */
#define INDEX_STEP4	    8
#define INDEX_STEP6	    16
#define INDEX_FLOW_TAGS_MAX 4096 /* of one flow; more: it is not installed */

struct index;
struct index_tag;
struct record_state;
struct rule_hits;
struct set;
struct vip_port;

struct index_ref {
	struct index_tag *tag;
	struct index_flow *flow;
	struct index_ref *prev, *next; /* flows of the tag */
};

struct index_flow {
	struct hmap_node by_key, by_cookie;
	struct index_flow *older, *newer;
	struct index_flow *port_older, *port_newer; /* of the same ingress port */
	struct index_port *port;
	struct dp_flow_key key;
	struct skep_flow verdict; /* as installed: without counters */
	const void *scope;
	struct set *set; /* ACT_SET: the reference that the flow holds */
	char *culprit;	 /* drops: who is to blame; NULL = nobody */
	char *outputs;	 /* "port\0host\0port\0host\0\0"; NULL = none */
	uint64_t walk;	 /* number of the walk that last saw it in the kernel */
	uint64_t added_ns;
	/* a wildcard flow: a packet that it was made for, and the other end that its connections must have (maps/flow.h) */
	struct dp_flow_key sample;
	uint32_t other_key, other_peer;
	char other_port[TOPO_NAME_MAX + 1];
	uint16_t nat;	      /* that its connections are translated by: held */
	struct vip_port *vip; /* of new connections: held (vips.h) */
	uint64_t packets, bytes; /* of these, the kernel's counters are known already */
	struct flow_load load;
	struct record_state *record; /* records.c: NULL = it is not told */
	struct rule_hits *hits;	 /* rules that count its packets (rules.c) */
	bool answer;		 /* no flow: what the kernel answers while skepd is away (answers.c); verdict: eth_src and, of ND, tos = its flags */
	bool conn;		 /* depends on a record of a connection, or that there is none */
	bool looked;		 /* records.c: is it told? */
	bool marked;		 /* to be simulated again */
	uint32_t mark_no;	 /* how many were marked up to it */
	uint32_t up_packets, up_bytes; /* its packets that skepd has sent on, or dropped: the kernel has not counted them */
	struct index_flow *mark_prev, *mark_next;
	uint32_t n_refs, max_refs;
	struct index_ref *refs;
};

/* 'removed' is called for each flow that leaves the index, whatever the reason; it must not change
 * the index. */
struct index *index_new(uint32_t max, uint64_t seed,
			void (*removed)(void *arg, struct index_flow *flow), void *arg);
void index_free(struct index *x); /* takes NULL; does not call 'removed' */
uint32_t index_count(const struct index *x);

struct index_flow *index_find(const struct index *x, const struct dp_flow_key *key);
struct index_flow *index_find_cookie(const struct index *x, uint32_t cookie);
/*
 * Adds a flow that depends on 'tags' (of 'scope') and on the whereabouts of 'hosts'; duplicates do
 * no harm.  A flow with the same key is replaced.  When full, a port that has its part or more loses
 * the oldest of its own flows, for others one that has more does.  verdict->cookie is set to a fresh number if it is 0.
 * NULL: no memory, too many tags, or the cookie is taken.
 */
struct index_flow *index_add(struct index *x, const struct dp_flow_key *key,
			     const struct skep_flow *verdict, const void *scope,
			     const struct topo_tag *tags, uint32_t n_tags, const char *const *hosts,
			     uint32_t n_hosts);
void index_del(struct index *x, struct index_flow *flow);
/* Deletes the flows that carry the tag (DST: any address of the prefix).  Returns their number. */
unsigned int index_invalidate(struct index *x, const void *scope, const struct topo_tag *tag);
unsigned int index_invalidate_host(struct index *x, const char *host);
/* Calls back for the flows that carry the tag (as above), which it must not delete.  A flow may be shown twice. */
void index_tagged(struct index *x, const void *scope, const struct topo_tag *tag,
		  void (*cb)(void *arg, struct index_flow *flow), void *arg);
/* Gives the flow other tags.  -ENOMEM, -E2BIG: it has those that it had. */
int index_retag(struct index *x, struct index_flow *flow, const struct topo_tag *tags,
		uint32_t n_tags, const char *const *hosts, uint32_t n_hosts);
/* Flows to be looked at again, in the order in which they were marked; one that is deleted is marked no more. */
void index_mark(struct index *x, struct index_flow *flow);
struct index_flow *index_next_marked(struct index *x); /* unmarks it; NULL = none */
uint32_t index_marked(const struct index *x);
/* How many have been marked so far, modulo 2^32; is none of the first 'marks' of them left? */
uint32_t index_marks(const struct index *x);
bool index_marks_done(const struct index *x, uint32_t marks);
/* Does any flow carry the tag? */
bool index_uses(const struct index *x, const void *scope, const struct topo_tag *tag);
/* Calls back for all flows of 'scope' (NULL: all); the callback may delete the one it is shown. */
void index_walk(struct index *x, const void *scope, void (*cb)(void *arg, struct index_flow *flow),
		void *arg);
/* The same for the flows of an ingress port, the youngest first, until the callback says false; it must not change the index. */
void index_walk_port(const struct index *x, uint32_t key, bool (*cb)(void *arg, struct index_flow *flow), void *arg);
const struct topo_tag *index_ref_tag(const struct index_ref *ref);
static inline uint32_t index_in_key(const struct index_flow *f)
{
	return f->key.v6 ? f->key.k6.in_key : f->key.k4.in_key;
}
