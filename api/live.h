/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET .../live: where a tenant's ports are, and what their hosts say of them (statedb/telemetry.h).  Reading is wishing: hosts begin to tell when
 * somebody looks, and end soon after nobody does.  However many look, a tenant's telemetry is read from the state DB twice a second at most.
 */
#pragma once

struct api;
struct live;

struct live *live_new(struct api *api); /* NULL: no memory */
void live_free(struct live *live);	/* takes NULL; behind db_free() */
