/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the table of connections: conns.c has the records, snat.c the source ports, affinity.c the clients of VIPs. */
#pragma once

#include "simulator/conns.h"
#include "util/hmap.h"

struct conns_port { /* how many records a port has */
	struct hmap_node node;
	uint32_t n;
	char name[TOPO_NAME_MAX + 1];
};

struct conns_record {
	struct hmap_node node;		   /* by port and tuple */
	struct conns_record *prev, *next; /* in the order in which expiry looks at them */
	struct conns_port *port;
	uint64_t last_ns;
	struct sim_conn conn;
};

/* A source that is in use towards a destination. */
struct conns_use {
	struct hmap_node node;
	uint64_t router;
	struct sim_tuple tuple; /* as it leaves the router */
	uint32_t refs;
};

struct conns_block {
	uint64_t router;
	struct skep_ip ip;
	uint16_t first;
	uint32_t in_use; /* connections that have a port of it */
	uint64_t used_ns; /* when it last had one */
	char name[TOPO_NAME_MAX + 1];
};

struct conns_full { /* an address of which no more blocks can be had */
	struct hmap_node node;
	uint64_t router, until_ns;
	struct skep_ip ip;
};

struct sim_conns {
	struct sim_conns_limits limits;
	uint64_t seed; /* guests choose what is hashed */
	struct hmap records, ports, uses, fulls, affinities;
	struct conns_record *first, *last;
	struct conns_block *blocks; /* by router, address, first */
	uint32_t n_blocks, max_blocks;
};

/* --- snat.c --- */
int conns_hold_sources(struct sim_conns *c, const struct sim_conn *conn);
void conns_release_sources(struct sim_conns *c, const struct sim_conn *conn, uint64_t now_ns);
void conns_free_sources(struct sim_conns *c);
/* --- affinity.c --- */
void conns_free_affinities(struct sim_conns *c);
