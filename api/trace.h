/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network would do with packets: trace, reachability, policy_matrix.  The simulator that the agents use runs here, on the topology and
 * on what the agents have learnt, as the state DB has it.  Nothing is sent, nothing is changed.
 *
 * A question costs one packet's walk, or two, in memory that the simulator bounds; a matrix is answered in slices of MATRIX_SLICE_NS between the
 * other requests, MATRIX_RUNNING at a time, one of a tenant.  What they take comes out of the tenant's budget (budget.h).
 */
#pragma once

#include "api/request.h"

#define MATRIX_PORTS_MAX 200
#define MATRIX_SLICE_NS	 2000000
#define MATRIX_RUNNING	 4
#define MATRIX_TIME_NS	 9000000000ULL /* from beginning to end; then it is given up */

extern const struct api_route trace_routes[];
extern const unsigned int n_trace_routes;

/* --- private to trace.c and matrix.c --- */

struct topo_shape;
/* Is the body an object of this shape?  0 or -EINVAL with 'err'. */
int trace_check(struct api_request *r, const struct topo_shape *shape, struct err *err);
/* The exterior port that the field names, or NULL with 'err'. */
const struct topo_port *trace_port(const struct topo_snapshot *snap, const char *field,
				   const char *name, struct err *err);
void trace_fail(struct api_request *r, const struct err *err);
void matrix_handle(struct api_request *r);

/* The end: those that are being made are given up. */
void matrix_stop(void);
