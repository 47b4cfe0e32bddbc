// SPDX-License-Identifier: Apache-2.0
/* Root on the local socket is an operator: who may read the database's password may do everything anyway. */
#include "api/authenticate.h"

#include <stdio.h>

void api_authenticate(struct api_request *r,
		      void (*done)(struct api_request *r, const struct api_caller *caller, int status, const char *why))
{
	struct api_caller root = { .name = "root", .role = API_OPERATOR };

	if (api_is_root(r) && !api_request_header(r, "Authorization"))
		done(r, &root, 0, NULL);
	else
		done(r, NULL, 401, "no credentials (want 'Authorization: Bearer TOKEN')");
}
