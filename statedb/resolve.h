/* SPDX-License-Identifier: Apache-2.0 */
/* A host's name to its address without blocking the loop: a number at once, a name by a thread of
 * its own. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "util/loop.h"

struct resolve;
/* 'why' non-NULL: it failed.  Called from the loop, or from within resolve_start() (which then
 * returns NULL). */
typedef void resolve_done(void *arg, const struct sockaddr_storage *sa, socklen_t len,
			  const char *why);

/* A name may have several addresses: 'turn' counts attempts, and each gets the next one. */
struct resolve *resolve_start(struct loop *loop, const char *host, uint16_t port, unsigned int turn,
			      resolve_done *done, void *arg);
void resolve_cancel(struct resolve *r); /* takes NULL; no callback comes after it */
