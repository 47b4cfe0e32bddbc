/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asking? */
#pragma once

#include "api/request.h"

/* Calls 'done' once, at once or later: with the caller; or NULL, the status (401, 403, 429, 503) and why. */
void api_authenticate(struct api_request *r,
		      void (*done)(struct api_request *r, const struct api_caller *caller, int status, const char *why));
