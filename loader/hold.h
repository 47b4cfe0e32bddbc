/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections whose packets wait until other hosts know of them.  conns.c opens one before it tells of a new connection, state.c
 * counts the messages that are waited for, upcall.c keeps and releases packets.
 */
#pragma once

#include "loader/agent.h"

enum hold_state {
	HOLD_NONE,  /* nothing has to be waited for */
	HOLD_WAITS,
	HOLD_LOST,  /* the message that is needed cannot be sent */
};

/* Before others are told of the new connection.  'end': the host of its other end; NULL = this one; 'marked': its packets tell that host.  0 = no memory. */
uint32_t hold_open(struct tenant *t, const struct sim_conn *c, const char *end, bool marked);
enum hold_state hold_close(struct agent *a, uint32_t id); /* behind */
/* The hold of a connection's packets; 0 = they do not wait.  'c' may be NULL. */
uint32_t hold_of(const struct tenant *t, const struct sim_conn *c);
void hold_forget(struct tenant *t); /* the tenant goes */

/* --- state.c --- */
bool hold_awaits(struct agent *a, uint32_t id, const char *host); /* is a message to this host waited for? */
void hold_sent(struct agent *a, uint32_t id, bool sure);	  /* such a one was sent; 'sure': it is repeated until it is acknowledged */
void hold_answered(struct agent *a, uint32_t id, const char *host, bool acked); /* or was given up */

/* --- upcall.c, forward.c --- */
/* Keeps the packet, decided as it is; false: no room. */
bool hold_packet(struct agent *a, uint32_t id, uint32_t in_key, const struct dp_frame *frame, const struct skep_flow *verdict);
/* It is ready: may it go on?  Else it is to be dropped. */
bool hold_is_told(const struct agent *a, const struct parked *p);
