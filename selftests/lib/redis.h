/* SPDX-License-Identifier: Apache-2.0 */
/* Private Redis servers (through redis.sh) and a waiting client, for tests of what speaks to the
 * state DB. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "statedb/statedb.h"
#include "util/clock.h"

#define REDIS_NODES 6

struct redis {
	pid_t pid; /* of redis.sh; it kills its servers when we are gone, however that comes */
	FILE *to, *from;
	unsigned int n;
	char address[REDIS_NODES][64];
	struct db_tls tls; /* a client's; without "ca" unless the kind is one of TLS */
	char file[3][128]; /* what 'tls' names; in the same directory there are more: see redis.sh */
};

/* 'kind' is "single", "cluster", "tls" or "tls-cluster".  False: said why on stderr. */
bool redis_up(struct redis *r, const char *kind);
void redis_down(struct redis *r);
/* One of redis.sh's commands; its answer without the line's end, "" if there is none. */
const char *redis_do(struct redis *r, char answer[static 4096], const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, and the answer must be "ok". */
bool redis_ok(struct redis *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Turns the loop until 'cond' holds or 'ms' are over; true if it holds. */
#define LOOP_UNTIL(loop, cond, ms)                                              \
	({                                                                      \
		uint64_t _end = clock_mono_ns() + (uint64_t)(ms)*NSEC_PER_MSEC; \
		while (!(cond) && clock_mono_ns() < _end)                       \
			(void)loop_once(loop, 20);                              \
		(cond);                                                         \
	})

struct answer {
	unsigned int calls;
	struct err err; /* code 0 = success */
	json_t *reply;	/* owned */
};

void answer_cb(void *arg, const struct err *err,
	       const json_t *reply); /* db_done for a struct answer */
void answer_fini(struct answer *a);
json_int_t answer_int(const struct answer *a, const char *name);
const char *answer_str(const struct answer *a, const char *name); /* "" if there is none */

/* A follower that keeps a copy of the space, as an agent does, and checks that changes come in
 * order. */
struct model {
	struct db_follow *follow;
	json_t *records;
	uint64_t rev, crev;
	unsigned int snapshots, changes, disorders;
	void (*check)(struct model *m); /* after each event, or NULL */
	unsigned int broken;		/* for 'check' */
};

bool model_follow(struct model *m, struct db *db, const char *space);
void model_fini(struct model *m);
