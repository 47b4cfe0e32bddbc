/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events of a tenant: events.c. */
#pragma once

struct events; /* a tenant's hub */

void events_free(struct events *e); /* takes NULL; its streams are over */
