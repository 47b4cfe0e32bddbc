/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of the panel: a token is shown once, and a cookie that scripts cannot read comes back.  Because browsers send cookies whoever asks, whatever
 * changes something needs the header X-CSRF-Token as well, and may not come from another origin.
 */
#pragma once

#include "api/request.h"
#include "api/token.h"

#define SESSION_COOKIE "skep_session" /* with TLS: "__Host-" before it, so that no other host of the domain sets it */
#define SESSION_S      (12 * 3600)

/* The cookie's value; false: there is none. */
bool session_cookie(const struct api_request *r, char cookie[static TOKEN_TEXT]);
/* NULL, or why the request must not be believed to be made by the panel. */
const char *session_forged(const struct api_request *r, const char *cookie);
