/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In-memory connections of one tenant on one host: records by (port, tuple), idle expiry, source ports for SNAT from leased blocks, and
 * clients' affinity to pool members.  No I/O, no clock: 'now_ns' is the caller's.  Used by the agent (which persists, mirrors and tells other
 * hosts), the trace tool and tests.
 */
#pragma once

#include "maps/state.h"
#include "simulator/simulator.h"

struct sim_conns;

struct sim_conns_limits {
	uint32_t records;	/* of all ports */
	uint32_t records_port;	/* begun by one port; only new ones are refused */
	uint32_t affinities;
	struct skep_timeouts timeouts;
};

struct sim_conns *sim_conns_new(const struct sim_conns_limits *limits); /* NULL: no memory */
void sim_conns_free(struct sim_conns *c);				   /* takes NULL */

/* --- records --- */

/* The record, or NULL.  A record that is over (idle for too long) is not found.  Valid until the next change of 'c'. */
const struct sim_conn *sim_conns_find(const struct sim_conns *c, const char *port,
				      const struct sim_tuple *tuple, uint64_t now_ns);
/* Makes or replaces.  'seen' flags are or'ed with those of a record of the same connection that is not over.  1 = new, 0 = was there,
 * -ENOSPC, -ENOMEM.  A connection that begins with a SYN replaces one of the same ports that has come to its end.  Source ports of its SNAT
 * bindings are in use from here on. */
int sim_conns_put(struct sim_conns *c, const struct sim_conn *conn, uint64_t now_ns);
bool sim_conns_del(struct sim_conns *c, const char *port, const struct sim_tuple *tuple);
/* A packet (or its flow's counters): refreshes, and notes TCP flags (others: SIM_SEEN_ANY) of the record's own direction, or with 'opposite' of
 * the other.  True: the connection's state is another now (which of the idle times it has; for protocols with one: answered). */
bool sim_conns_touch(struct sim_conns *c, const char *port, const struct sim_tuple *tuple,
		     bool opposite, uint8_t seen, uint64_t now_ns);
/* Deletes what is over, at most 'max' looked at per call (goes round); 'cb' is told each, before. */
void sim_conns_expire(struct sim_conns *c, uint64_t now_ns, uint32_t max,
		      void (*cb)(void *arg, const struct sim_conn *conn), void *arg);
/* All records; the callback may delete the one it is shown. */
void sim_conns_walk(struct sim_conns *c,
		    void (*cb)(void *arg, const struct sim_conn *conn, uint64_t last_ns), void *arg);
/* The same in steps, between which the table may change: a few records each, from 0 on, until it returns 0.  What is there all the time is shown once. */
uint64_t sim_conns_scan(struct sim_conns *c, uint64_t at,
			void (*cb)(void *arg, const struct sim_conn *conn, uint64_t last_ns), void *arg);
uint32_t sim_conns_count(const struct sim_conns *c, const char *port); /* NULL = all */
/* May the port begin one more? */
bool sim_conns_room(const struct sim_conns *c, const char *port);
/* Deletes all records of a port that has moved away. */
void sim_conns_drop_port(struct sim_conns *c, const char *port);

/* --- source ports --- */

#define SIM_BLOCK_PORTS 256 /* a block: 256 ports of one address and router, beginning at a multiple of 256 */
/* This host may use the block from now on, or no longer (records that use it stay). */
int sim_conns_block_add(struct sim_conns *c, const char *router, const struct skep_ip *ip, uint16_t first);
void sim_conns_block_del(struct sim_conns *c, const char *router, const struct skep_ip *ip, uint16_t first);
/* When the block was last of use (a record has a port of it: now); 0 = not ours. */
uint64_t sim_conns_block_used(const struct sim_conns *c, const char *router, const struct skep_ip *ip,
			      uint16_t first, uint64_t now_ns);
/*
 * As sim_view.snat.  TCP, UDP, echo: a port in our blocks that no record uses towards this destination (the same port serves many
 * destinations); the packet's own source port if it can be had; in further tries deterministic from the tuple.  Other protocols: an address of
 * which we have the block 0 ("protocols without ports") and that nobody uses towards this destination.  FULL only when 'all_leased'
 * (sim_conns_block_full()) says that no more blocks can be had.
 */
enum sim_alloc sim_conns_snat(const struct sim_conns *c, const struct sim_snat *ask, uint64_t now_ns,
			      struct skep_ip *ip, __be16 *port);
/* No further block of the address can be leased until 'until_ns'. */
void sim_conns_block_full(struct sim_conns *c, const char *router, const struct skep_ip *ip,
			  uint64_t until_ns);

/* --- affinity --- */
int sim_conns_set_affinity(struct sim_conns *c, const char *vip, const struct skep_ip *client,
			   const char *member, uint64_t timeout_ns, uint64_t now_ns); /* 1 new or changed, 0 refreshed, -errno */
const char *sim_conns_affinity(const struct sim_conns *c, const char *vip, const struct skep_ip *client,
			       uint64_t now_ns);
void sim_conns_affinity_aged(struct sim_conns *c, uint64_t now_ns,
			     void (*cb)(void *arg, const char *vip, const struct skep_ip *client), void *arg);

/* --- results --- */
/* What one result means for the table: new_conns are put when their port is 'here' (NULL: all), the record of res->conn is touched with the packet's flags,
 * affinities are set, end_conn deletes.  Returns what changed as enum sim_conns_change bits. */
enum sim_conns_change {
	SIM_CONNS_NEW = 1 << 0,	  /* records were made: simulate the packet again before a flow is installed */
	SIM_CONNS_STATE = 1 << 1, /* the connection's state changed: the other end should know */
	SIM_CONNS_ENDED = 1 << 2,
	SIM_CONNS_FULL = 1 << 3,  /* no room: nothing was made */
};
unsigned int sim_conns_apply(struct sim_conns *c, const struct sim_result *res, const struct pkt *pkt,
			     bool (*here)(void *arg, const char *port), void *arg, uint64_t now_ns);

/* --- view --- */
/* The view of tables and connections together, as of 'now_ns'. */
struct sim_state_view {
	struct sim_view view;
	struct sim_tables_view tables;
	const struct sim_conns *conns;
	uint64_t now_ns;
};
void sim_state_view_init(struct sim_state_view *v, struct sim_tables *t, const struct sim_conns *c,
			 const struct topo_snapshot *snap, uint64_t now_ns);
