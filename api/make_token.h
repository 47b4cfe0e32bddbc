/* SPDX-License-Identifier: Apache-2.0 */
/* skep-api --make-token: the first token, by who has the state DB's credentials. */
#pragma once

#include "api/config.h"

/* Prints an operator's token on stdout.  The program's exit status. */
int make_token(const struct api_config *config, const char *name);
