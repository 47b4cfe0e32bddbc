/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the table of connections: conns.c has the records, sources.c which source ports are in use and which blocks are ours, snat.c the choice,
 * affinity.c the clients of VIPs.
 */
#pragma once

#include "simulator/conns.h"
#include "util/hmap.h"

/* A port's name, once: records name two each. */
struct conns_name {
	struct hmap_node node;
	uint32_t refs;
	uint32_t records; /* at this port */
	uint32_t begun;	  /* of these, those of the original direction */
	char text[TOPO_NAME_MAX + 1];
};

/* struct sim_conn without the air in it. */
struct conns_record {
	struct hmap_node node;		  /* by port and tuple */
	struct conns_record *prev, *next; /* in the order in which expiry looks at them */
	struct conns_name *port, *other_port;
	struct sim_binding *bindings;
	uint64_t last_ns;
	struct sim_tuple tuple, other;
	uint8_t reply, orig_seen, reply_seen, n_bindings;
};

#define CONNS_BLOCK_WORDS (SIM_BLOCK_PORTS / 64)

/* What a block's ports are in use for: one destination.  SCTP and protocols without ports: 'first' is 0 and so is the bit. */
struct conns_dest {
	struct hmap_node node;
	uint64_t router;
	struct skep_ip src, dst; /* as it leaves the router */
	__be16 sport;		 /* SCTP's, which stays */
	__be16 dport;
	uint16_t first;
	uint8_t proto;
	uint64_t used[CONNS_BLOCK_WORDS]; /* one bit per port */
};

/*
 * A port of it that is in use, by so many records; or by none any more, but not to be given out yet: the other host may have the last
 * connection's record, and its flows, for a little longer (RFC 6888, REQ-8).
 */
struct conns_use {
	struct hmap_node node;
	struct conns_use *next; /* of those that rest, or did and are in use again */
	struct conns_dest *dest;
	uint64_t until_ns;
	uint32_t refs;
	bool listed;
	uint8_t port; /* within the block */
};

/* How many ports of a block records have, towards all destinations; also of one that is not leased, or not yet: after a restart records may be
 * there first. */
struct conns_count {
	struct hmap_node node;
	uint64_t router;
	struct skep_ip ip;
	uint16_t first;
	uint32_t n; /* never 0 */
};

struct conns_block {
	uint64_t router;
	struct skep_ip ip;
	uint16_t first;
	uint64_t used_ns; /* when records last had a port of it */
	char name[TOPO_NAME_MAX + 1];
};

struct conns_full { /* an address of which no more blocks can be had */
	struct hmap_node node;
	uint64_t router, until_ns;
	struct skep_ip ip;
};

#define CONNS_SHOWN 16 /* records that were found last are there for the caller to read */

struct sim_conns {
	struct sim_conns_limits limits;
	uint64_t seed; /* guests choose what is hashed */
	struct hmap records, names, dests, uses, counts, fulls, affinities;
	struct conns_record *first, *last;
	struct conns_use *rest_first, *rest_last; /* the order in which they began to rest */
	uint32_t n_rest;
	struct conns_block *blocks; /* by router, address, first */
	uint32_t n_blocks, max_blocks;
	uint32_t turn;
	struct sim_conn shown[CONNS_SHOWN];
};

/* --- sources.c --- */
int conns_hold_sources(struct sim_conns *c, const struct sim_conn *conn);
void conns_release_sources(struct sim_conns *c, const struct sim_conn *conn, uint64_t now_ns);
void conns_free_sources(struct sim_conns *c);
/* Ports that have rested are free. */
void conns_wake_sources(struct sim_conns *c, uint64_t now_ns);
/* TCP, UDP, echo: a port of the source may be chosen. */
bool conns_has_port(const struct sim_tuple *t);
/* What is in use of the block that has the tuple's source, towards its destination; NULL: nothing. */
const struct conns_dest *conns_dest(const struct sim_conns *c, uint64_t router,
				    const struct sim_tuple *t);
/* The first block at or behind this one. */
uint32_t conns_block_at(const struct sim_conns *c, uint64_t router, const struct skep_ip *ip,
			uint16_t first);
bool conns_is_full(const struct sim_conns *c, uint64_t router, const struct skep_ip *ip,
		   uint64_t now_ns);
/* --- affinity.c --- */
void conns_free_affinities(struct sim_conns *c);
