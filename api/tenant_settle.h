/* SPDX-License-Identifier: Apache-2.0 */
/* What was begun with a tenant, and told of in the audit, is brought to its end: tenant_settle.c. */
#pragma once

#include "api/api.h"

struct tenant_settle;

struct tenant_settle *tenant_settle_new(struct api *api); /* NULL: no memory.  Wants api->auth, api->cache */
void tenant_settle_free(struct tenant_settle *s); /* takes NULL; behind db_free() */
