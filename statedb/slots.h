/* SPDX-License-Identifier: Apache-2.0 */
/* Redis Cluster's rules without its connections: the slot of a key, the table of slots, what an
 * error reply asks for.  Pure. */
#pragma once

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "statedb/address.h"
#include "util/err.h"

#define DB_SLOTS       16384
#define DB_SLOT_NODES  256 /* masters that a slot table may name */
#define DB_SLOT_NOBODY UINT16_MAX

uint16_t slot_crc16(const void *p, size_t len); /* CRC16/XMODEM */
/* Of the hash tag (between the first '{' and the next '}', if not empty), else of the whole key. */
uint16_t slot_of_key(const char *key, size_t len);

struct slot_map {
	uint16_t owner[DB_SLOTS]; /* index in 'masters', or DB_SLOT_NOBODY */
	struct db_addr masters[DB_SLOT_NODES];
	unsigned int n_masters;
};

/* From the reply of CLUSTER SLOTS; a master given without a host is at 'asked''s host.  On error
 * *map is undefined. */
int slot_map_parse(const redisReply *r, const struct db_addr *asked, struct slot_map *map,
		   struct err *err);

enum reply_kind {
	REPLY_OK,	/* not an error */
	REPLY_MOVED,	/* slot is served by 'addr' from now on */
	REPLY_ASK,	/* this once: ASKING and the command to 'addr' */
	REPLY_LATER,	/* TRYAGAIN, CLUSTERDOWN, LOADING, MASTERDOWN, BUSY, UNBLOCKED: again in a
			   while */
	REPLY_READONLY, /* a replica: write elsewhere */
	REPLY_NOSCRIPT, /* EVAL instead of EVALSHA */
	REPLY_NOAUTH,	/* NOAUTH, WRONGPASS, NOPERM */
	REPLY_ERROR,	/* anything else: no use to repeat it */
};

struct reply_class {
	enum reply_kind kind;
	uint16_t slot;	     /* MOVED, ASK */
	struct db_addr addr; /* MOVED, ASK; an empty host means the host that answered */
};

struct reply_class reply_classify(const redisReply *r);
