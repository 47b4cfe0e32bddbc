/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to one Redis server: pipelined, non-blocking, connects again by itself. */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "statedb/address.h"
#include "util/loop.h"

struct node;

struct node_config {
	struct loop *loop;
	struct db_addr addr;
	const char *password; /* NULL = none; outlives the node */
	const struct db_tls *tls; /* its "ca" NULL = none; outlives the node */
	uint32_t stall_ms;    /* a command unanswered for so long: the connection is given up */
	void (*on_state)(void *arg, struct node *n, bool up);
	void *arg;
};

/* 'r' is borrowed and NULL when the connection was lost before the answer: 'why'.  Never called
 * from within node_send(). */
typedef void node_reply(void *arg, struct node *n, const redisReply *r, const char *why);

struct node *
node_new(const struct node_config *config); /* NULL: no memory.  Connects at the next tick. */
void node_free(struct node *n);		    /* takes NULL; answers what is pending with r = NULL */
void node_tick(struct node *n, uint64_t now_ns); /* connects, notices stalls */
void node_kick(struct node *n); /* connect at the next tick whatever the backoff says */
/* Closes the connection as if it had broken, and connects again. */
void node_reset(struct node *n, const char *why);

bool node_is_up(const struct node *n);
int node_fd(const struct node *n); /* -1 if down */
size_t node_pending(const struct node *n);
/* For how long it has owed an answer and sent nothing, while we listened.  One that is asked nothing is asked for a sign of life. */
uint64_t node_quiet_ns(const struct node *n);
const struct db_addr *node_addr(const struct node *n);
const char *node_why(const struct node *n); /* last trouble, "" if none yet */

/* 'block_ms': the server itself may take so long (XREAD BLOCK, WAIT).  0, -ENOTCONN, -ENOMEM,
 * -ENOBUFS. */
int node_send(struct node *n, int argc, const char *const *argv, const size_t *lens,
	      uint32_t block_ms, node_reply *cb, void *arg);
