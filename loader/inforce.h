/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long changes of a tenant's network take to be in force on this host: from their arrival until the snapshot has them, ports and the kernel's tables
 * are in line with it, and the last flow and connection that they concern has been looked at again.  What arrives together counts as one.  Then it is logged, with
 * the traceparents of whose change it was.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define INFORCE_WAITS 8 /* of a tenant; more at once count with the last */

struct agent;
struct tenant;

struct inforce {
	uint64_t arrived_ns; /* of the first change that the snapshot lacks; 0 = none */
	char *traces;	     /* of the changes that it lacks, blanks between; NULL = none */
	unsigned int n;
	struct inforce_wait {
		uint64_t arrived_ns;
		uint64_t crev;		/* up to which revision */
		uint32_t marks, policy; /* what has to be done: index_marks(), tenant.policy_asked */
		char *traces;
	} waits[INFORCE_WAITS];
};

/* A change; 'written_ms': when the state DB took it, by its clock, Unix time; 0 = not known.  'traces': db_follow_traces(). */
void inforce_arrived(struct tenant *t, uint64_t written_ms, const char *traces);
/* The snapshot has all that has arrived, or will never have it ('good' false). */
void inforce_built(struct tenant *t, bool good);
/* Flows or connections have been looked at: what is in force now? */
void inforce_check(struct agent *a);
void inforce_fini(struct tenant *t);
