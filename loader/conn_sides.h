/* SPDX-License-Identifier: Apache-2.0 */
/* What conns.c knows of a record besides: when others were told of it.  tenant.conn_sides; two records with one hash share an entry. */
#pragma once

#include "simulator/conns.h"
#include "util/hmap.h"

#define SIDES_MAX (1u << 20) /* of a tenant */

/* When the others were last told of a record's own traffic; when the DB was, and the idle time that the record had then. */
struct side {
	struct hmap_node node;
	uint64_t told_ns, mirrored_ns;
	uint64_t retold_ns; /* conns_retell() */
	uint64_t begun_ns;  /* when it was first known here */
	uint32_t timeout_s;
	bool unwritten; /* to the DB (mirror.c) */
};

struct side *side_find(const struct hmap *sides, const char *port, const struct sim_tuple *tuple); /* NULL: nothing is known */
struct side *side_get(struct hmap *sides, const struct sim_conn *c); /* made if missing; NULL: no memory, too many */
void side_forget(struct hmap *sides, const char *port, const struct sim_tuple *tuple);
void sides_fini(struct hmap *sides);
/* 0: not known. */
uint64_t side_begun_ns(const struct hmap *sides, const char *port, const struct sim_tuple *tuple);
